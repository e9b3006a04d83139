/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state machine of a node: jobs of committed entries and reads.
 *
 * One thread owns the state environment's open transaction, applies and
 * serves the reads: the loop itself in process durability, a thread of its
 * own in power durability, where a checkpoint waits for the disk; but for gets
 * alone, which the loop does itself while that thread has nothing to do.
 * Either way the loop fills a job, kicks it, and takes its results:
 *
 *	apply_add_entry(), apply_add_read() --> apply_kick() --> apply_poll()
 *
 * A job's reads see at least the state after its entries.
 *
 * A full disk stops checkpoints, not applying: what is committed is applied
 * in memory and can be read, up to a bound far above what a leader accepts
 * on a disk with little room.
 */
#ifndef NODE_APPLY_H
#define NODE_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "raft/raft.h"
#include "shm/doorbell.h"
#include "shm/segment.h"
#include "store/receive.h"
#include "store/store.h"

#define APPLY_JOB_ENTRIES	1024	/* of one job at most */
#define APPLY_JOB_BYTES		(1u << 20)

struct apply;

struct apply_result {
	bool is_read;
	uint64_t index;		/* of an entry */
	uint64_t term;
	uint64_t ref;		/* of a read: as given */
	const uint8_t *answer;	/* kv_answer_encode(); valid until the next
				 * apply_poll() */
	uint32_t size;
};

struct apply_done {
	int result;		/* ERR_OK; ERR_FULL: not all was applied, try
				 * again later; else the store is latched */
	bool checkpoint_goes_on;	/* it takes more jobs: want it again */
	bool checkpoint_failed;	/* for lack of room: try again later */
	bool rested;		/* what only a load needs was given back */
	bool rewound;		/* applied went back to the checkpoint */
	uint64_t applied_index;
	uint64_t checkpoint_index;
	uint64_t checkpoint_digest;	/* kv's, there */
	bool installed;		/* the state is the one received */
	uint64_t log_time_ns;
	uint64_t next_expiry_ns;	/* UINT64_MAX: nothing expires */
	bool marked;		/* there are new marks */
	struct segment_mark marks[SEGMENT_DIGESTS];	/* when marked */
	const struct apply_result *results;
	size_t result_count;
};

/* Opens the state environment, in the thread that will use it. */
int	apply_new(struct apply **, struct store *, bool threaded,
	    const struct doorbell *, struct apply_done *first,
	    struct err_buf *) MUST_CHECK;
/* Ends the thread; checkpoints first when told to. */
int	apply_free(struct apply *, bool checkpoint);

bool	apply_is_busy(const struct apply *);
bool	apply_is_done(const struct apply *);	/* apply_poll() has news */
bool	apply_has_room(const struct apply *);
/*
 * pin: the cache's position of its bytes; UINT64_MAX: they are copied.
 * want_answer: a client waits for it here.
 */
void	apply_add_entry(struct apply *, const struct raft_entry *,
	    uint64_t pin, bool want_answer);
/* command: kv_command_encode()d, copied. */
void	apply_add_read(struct apply *, uint64_t ref, const void *command,
	    uint32_t size);
/* After this job, commit what is applied; when much is to be written, after
 * the last of several jobs: checkpoint_goes_on. */
void	apply_want_checkpoint(struct apply *);
/*
 * Little room: few events are kept from now on, those that are in the table
 * go with the next checkpoint, and a checkpoint commits even when nothing was
 * applied since the last one, as long as that frees pages.
 */
void	apply_save_room(struct apply *, bool little_room);
/* Such a checkpoint would free some. */
bool	apply_frees(const struct apply *);
/* First of all, put the state received in place: the log names it now. */
void	apply_install(struct apply *, struct receive *);
void	apply_kick(struct apply *);
bool	apply_poll(struct apply *, struct apply_done *);
uint64_t apply_pinned(const struct apply *);
/* True when enough was applied since the last checkpoint to make one; with
 * little room on the disk that is less. */
bool	apply_is_dirty(const struct apply *, bool little_room);
/* Bytes that a checkpoint of all of the state would write, as of the last
 * one; but for events, of which it writes a few MiB at most. */
uint64_t apply_state_size(const struct apply *);
/* What the disk has room for, with this much still to be applied. */
enum store_room apply_room(const struct apply *, uint64_t bytes,
	    uint64_t entry_count);

#endif
