/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A channel: messages of any size (up to a limit) over a ring.
 *
 * A message of up to half the ring is one record.  A larger one
 * travels as fragments, with small messages free to pass in between; one
 * large message at a time is under way, the rest of it waits in the sender
 * and is pumped by channel_flush().  The receiver puts it together in
 * private memory.  A fragment that is missing drops the whole message.
 *
 * Sending never blocks.  A message that finds no room is dropped and the
 * caller is told: Raft tolerates loss, a client asks again.
 */
#ifndef SHM_CHANNEL_H
#define SHM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/attr.h"
#include "base/err.h"
#include "shm/ring.h"
#include "shm/segment.h"

#define CHANNEL_MESSAGE_SIZE_MAX	(4u << 20)

struct channel_tx;
struct channel_rx;

struct channel_message {
	uint32_t type;		/* 1..32767 */
	size_t size;
	const uint8_t *data;	/* in the ring or in private memory; valid
				 * until channel_release() */
	uint64_t from_epoch;
	uint64_t to_epoch;
	bool in_ring;		/* the other end can still change it */
};

/*
 * The ends of the link from one node slot to another, and of a client slot's
 * request and reply rings.  Heap; close frees.  Epochs: own is this end's
 * run or claim.  ERR_OK, ERR_NOMEM, ERR_IO (mmap), ERR_NOT_FOUND (no blocks
 * allocated for that ring: no such node slot, or the client has not opened
 * its end), ERR_FULL (/dev/shm has no room for a client's rings).
 */
int	channel_open_link_tx(struct channel_tx **, struct segment *,
	    uint32_t from_slot, uint32_t to_slot, uint64_t own_epoch)
	    MUST_CHECK;
int	channel_open_link_rx(struct channel_rx **, struct segment *,
	    uint32_t from_slot, uint32_t to_slot, uint64_t own_epoch)
	    MUST_CHECK;
/* request: client -> node; reply: node -> client.  node_side tells who we
 * are; then own_epoch is the node's run, else the claim's epoch.  Of tx and rx
 * the one that this side has is set, the other one may be NULL.  A client that
 * opens either allocates the blocks of both (64 KiB): open only the nodes
 * that are talked to. */
int	channel_open_request(struct channel_tx **tx, struct channel_rx **rx,
	    struct segment *, uint32_t client_slot, uint32_t node_slot,
	    bool node_side, uint64_t own_epoch) MUST_CHECK;
int	channel_open_reply(struct channel_tx **tx, struct channel_rx **rx,
	    struct segment *, uint32_t client_slot, uint32_t node_slot,
	    bool node_side, uint64_t own_epoch) MUST_CHECK;
void	channel_tx_close(struct channel_tx *);
void	channel_rx_close(struct channel_rx *);

/*
 * Queues one message for the next commit.  to_epoch 0: whoever listens.
 * ERR_OK; ERR_AGAIN: no room (dropped); ERR_TOO_LARGE.
 */
int	channel_send(struct channel_tx *, uint32_t type, uint64_t to_epoch,
	    const struct iovec *, int iovcnt) MUST_CHECK;
/* Whether a message of that size would find room now. */
bool	channel_has_room(struct channel_tx *, size_t size);
/* Publishes what was queued, pumps fragments; true when something new became
 * visible (ring the other end's doorbell). */
bool	channel_flush(struct channel_tx *);
/* True while fragments wait for room: flush again soon. */
bool	channel_is_pending(const struct channel_tx *);

enum channel_verdict {
	CHANNEL_EMPTY = 0,
	CHANNEL_MESSAGE,
	CHANNEL_PART,		/* of a large message: go on */
	/* Dropped, go on: */
	CHANNEL_OLD,		/* of or to a former run */
	CHANNEL_BAD,		/* damaged */
};
/* Drops records whose to_epoch is neither 0 nor own, or whose from_epoch is
 * lower than the highest seen from that end. */
enum channel_verdict channel_receive(struct channel_rx *,
	    struct channel_message *);
void	channel_release(struct channel_rx *);
/* Gives consumed space back to the sender; once a turn. */
void	channel_done(struct channel_rx *);
bool	channel_is_empty(struct channel_rx *);

#endif
