/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The disk: the core's persists, in order, many in one transaction.
 *
 * While a batch is written, the next one fills.  In process durability a
 * commit costs microseconds and is done in place by disk_kick(); in power
 * durability a thread does it and rings the loop's doorbell, so that no
 * heartbeat, vote or reply waits for a disk that it does not depend on.
 *
 *	raft_update --> filling --kick--> writing --> done --poll--> PERSISTED
 */
#ifndef NODE_DISK_H
#define NODE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"
#include "shm/doorbell.h"
#include "shm/segment.h"
#include "store/snapshot.h"
#include "store/store.h"

struct disk;

struct disk_done {
	int result;		/* ERR_OK; ERR_FULL: tried again later;
				 * else the store is latched */
	uint64_t seq;		/* the core's: all up to this is durable */
	uint64_t last_index;	/* the log's end as of that persist */
	uint64_t last_term;
	bool persisted;		/* it held persists, not old entries only */
	struct receive *installed;	/* NULL, or now the state */
	bool fault;			/* delayed or failed by an operator */
};

/* last_index and last_term: the durable log's end now. */
int	disk_new(struct disk **, struct store *, bool threaded,
	    const struct doorbell *, uint64_t last_index, uint64_t last_term)
	    MUST_CHECK;
/* Waits for the batch that is being written. */
void	disk_free(struct disk *);

/*
 * Takes the persist of an update.  entries (count as in the update) are the
 * cache's; their bytes from position pin on stay put until written.
 * kept_term: the term of the entry before truncate_from, when truncating.
 */
void	disk_add(struct disk *, const struct raft_update *,
	    const struct raft_entry *const *entries, uint64_t pin,
	    uint64_t kept_term);
/* The update installs this: from now on the disk's, until it comes back. */
void	disk_add_install(struct disk *, struct receive *);
/* Entries before this one may go, in steps, after what was added so far. */
void	disk_set_first(struct disk *, uint64_t first_index);
/* Begins to write what has gathered, unless busy. */
void	disk_kick(struct disk *, uint64_t now_ns);
/* True when a batch has ended since the last call. */
bool	disk_poll(struct disk *, struct disk_done *);

/*
 * What an operator wants of it from now on: each commit waits so long before
 * it begins; fail is an enum segment_disk_fail.
 */
void	disk_set_fault(struct disk *, uint64_t delay_ns, uint32_t fail);

bool	disk_is_done(const struct disk *);	/* disk_poll() has news */
/* When the batch being written began; 0: none is. */
uint64_t disk_busy_since(const struct disk *);
/* The lowest pinned position; UINT64_MAX: none. */
uint64_t disk_pinned(const struct disk *);

#endif
