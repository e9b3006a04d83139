/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots off the loop: a thread that syncs checkpoints, opens a view and
 * reads its chunks, writes what is received aside and verifies it, and
 * removes states that are no longer in force.  All of that waits for the
 * disk; the loop only hands over and polls.
 *
 *	snap_sync(), snap_view(), snap_read(), snap_write() ... --> thread
 *	    --> doorbell --> snap_poll()
 *
 * Orders are carried out one after another, in order.
 */
#ifndef NODE_SNAP_H
#define NODE_SNAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"
#include "shm/doorbell.h"
#include "store/snapshot.h"
#include "store/store.h"

struct snap;

enum snap_kind {
	SNAP_SYNC = 1,		/* the checkpoint is on the disk */
	SNAP_VIEW,		/* a view is open: index, size, chain */
	SNAP_READ,		/* message and data of a chunk to send */
	SNAP_WRITE,		/* id, offset, complete */
	SNAP_CLOSE,
	SNAP_FORGET,
	SNAP_SWEEP,
};

struct snap_done {
	enum snap_kind kind;
	int result;
	char text[160];		/* why it failed */
	uint64_t id;		/* of the view, of the receive */
	uint64_t index;
	uint64_t size;
	uint64_t offset;
	uint64_t digest;
	bool complete;
	uint8_t chain[RAFT_CHAIN_SIZE];
	struct raft_message message;	/* its chunk's pointers are valid */
	const uint8_t *data;		/* until snap_release() */
};

int	snap_new(struct snap **, struct store *, const struct doorbell *)
	    MUST_CHECK;
void	snap_free(struct snap *);	/* ends the thread; removes leftovers */

/* Orders; false: no memory for one. */
bool	snap_sync(struct snap *, uint64_t index, uint64_t digest);
bool	snap_view(struct snap *, uint64_t id);
bool	snap_close(struct snap *, uint64_t id);
/* An Install without data. */
bool	snap_read(struct snap *, const struct raft_message *);
/* The data of chunk is copied.  index: of the snapshot. */
bool	snap_write(struct snap *, uint64_t id, uint64_t index,
	    const struct raft_chunk *);
bool	snap_forget(struct snap *, uint64_t id);
bool	snap_sweep(struct snap *);
/* The one that was reported complete; the caller's from now on. */
struct receive *snap_take(struct snap *, uint64_t id);

bool	snap_is_done(struct snap *);	/* snap_poll() has news */
struct snap_done *snap_poll(struct snap *);	/* NULL: nothing */
void	snap_release(struct snap_done *);

#endif
