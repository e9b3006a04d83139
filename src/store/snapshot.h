/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots in the log's transaction: what the log continues, and how much
 * of it is still there.
 *
 *	first_index           snapshot                     last_index
 *	----|--------------------|-----------------------------|
 *	    trailing window      what the state may not have yet
 *
 * All of this belongs between store_begin() and store_commit(), in order
 * with the other calls there; errors are sticky and come back at commit.
 */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "raft/raft.h"
#include "store/receive.h"
#include "store/store.h"

/*
 * What the core carries for the store beside a snapshot: the chain of the
 * log at its index, and the state machine's digest there.
 */
void	store_chain_encode(uint8_t[RAFT_CHAIN_SIZE], uint32_t chain,
	    uint64_t digest);
void	store_chain_decode(const uint8_t[RAFT_CHAIN_SIZE], uint32_t *chain,
	    uint64_t *digest);

/*
 * The state at snapshot->index is durable by itself: from now on the log
 * need not reach back to it.  Its term, chain and configuration must be what
 * the log has there: else the store is latched.
 */
void	store_snapshot(struct store *, const struct raft_snapshot *);

/*
 * The state is what was received, from the commit on: names it, and what the
 * log continues.  drop_log: the log is emptied and goes on after the
 * snapshot; else it must hold the snapshot's last entry.
 */
void	store_install(struct store *, const struct raft_snapshot *,
	    struct receive *, bool drop_log);

/*
 * Deletes some entries before first_index, which is not beyond the snapshot,
 * in whole blocks, so that some may stay: at most STORE_CUT_ENTRIES and
 * STORE_CUT_SIZE, and twice of what this transaction has appended, but one
 * block.  True when some are left for the next one.  Makes the batch a
 * transaction of LMDB's (store_is_direct()).
 */
#define STORE_CUT_ENTRIES	1024
#define STORE_CUT_SIZE		(1u << 20)
bool	store_cut(struct store *, uint64_t first_index);
/*
 * LMDB uses pages again that were given back two commits before.  False: the
 * last commit has cut; one more store_cut(), which finds nothing, lets its
 * pages be used.  By the thread that commits.
 */
bool	store_cut_is_settled(const struct store *);

/*
 * Closes and removes states that an install has replaced and nobody uses any
 * more.  In process durability the log is synced first.  Waits for the disk.
 */
int	store_sweep(struct store *, struct err_buf *) MUST_CHECK;

#endif
