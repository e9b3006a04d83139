/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One node's store: two LMDB environments and a journal in NODE_DIR/store.
 *
 *	log/		term, vote, run, identity, the log, term runs and
 *			configurations; the only authority.  Commits are
 *			group commits: one record of the journal, or one
 *			transaction, a batch.
 *	journal		what of them is not in log/ yet
 *	state.N/	the state machine's tables and its position, named by
 *			the log environment; an open write transaction
 *			between checkpoints (state.h)
 *
 * Durability: `power`: every commit is synced, no environment is ever opened
 * with MDB_NOSYNC.  `process`: MDB_NOSYNC without MDB_WRITEMAP; survives any
 * kill of processes; store_sync() every few seconds off the commit path.
 *
 * A store that met a failed sync, an I/O error or a checksum mismatch is
 * latched: every later call fails with the same code and text, nothing is
 * retried (U18).  Room is made before it is needed: blocks are allocated
 * ahead, so a full disk is ERR_FULL before a transaction begins, and
 * truncation, term and vote still fit (U17); see enum store_room.
 *
 * Threads: store_begin() to store_commit() belong to one thread.  store_read()
 * and store_room() may run in another one at the same time.
 * LMDB's codes never leave this room.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "raft/raft.h"

enum store_durability {
	STORE_POWER = 1,
	STORE_PROCESS = 2,
};

struct store_identity {
	uint64_t cluster_id;
	uint64_t store_id;
	uint32_t node_id;
};

struct store_options {
	enum store_durability durability;
	uint64_t log_map_size;		/* 0: 64 GiB; fixed for its life */
	uint64_t state_map_size;	/* 0: 64 GiB */
	uint64_t ahead_size;		/* blocks allocated ahead; 0: 4 MiB */
	bool read_only;			/* offline tools, raftck; takes no
					 * directory lock, works beside a
					 * running node */
	/* Set before each sync, cleared after success; may be NULL.  In the
	 * segment, so that it survives the process. */
	volatile uint32_t *sync_word;
};

struct store;

/*
 * Builds NODE_DIR/store under a temporary name, with its identity, run 0 and
 * the first log entry (index 1, term 1: configuration), syncs it and renames
 * it.  ERR_EXISTS when there is one.
 */
int	store_create(const char *node_dir, const struct store_identity *,
	    const struct raft_configuration *, const struct store_options *,
	    struct err_buf *) MUST_CHECK;

/*
 * Opens it; checks format, version, identity (fields of expect that are not
 * 0), hard state and the chain of the log since the last checkpoint; clears
 * stale readers; in either durability syncs what the page cache may hold
 * before returning (not when read_only).  ERR_NOT_FOUND, ERR_VERSION,
 * ERR_MISMATCH, ERR_CORRUPT, ERR_FULL, ERR_IO, ERR_PERMISSION.  Must be
 * called after fork, by the process that uses it.
 */
int	store_open(struct store **, const char *node_dir,
	    const struct store_identity *expect, const struct store_options *,
	    struct err_buf *) MUST_CHECK;
void	store_close(struct store *);

const struct store_identity *store_identity(const struct store *);
uint64_t store_run(const struct store *);
/* Durable when it returns, in either durability (a sync is forced). */
int	store_set_run(struct store *, uint64_t run) MUST_CHECK;

/*
 * What raft_new() needs.  The arrays are the store's, valid until
 * store_free_boot().  applied_index is that of the state environment; now_ns
 * and random are 0, the caller's to fill in.
 */
int	store_boot(struct store *, struct raft_boot *) MUST_CHECK;
void	store_free_boot(struct raft_boot *);

/* ------------------------------------------------------- group commit */

/*
 * One batch.  Between begin and commit any number of: set hard state,
 * truncate, append, in order.  commit makes all of it durable (in the
 * store's durability) or none: after an error the transaction is gone, the
 * store as before (ERR_FULL) or latched (everything else).  The error of a
 * call in between is sticky and comes back at commit.
 */
int	store_begin(struct store *) MUST_CHECK;
/*
 * First: so many entries, of so many bytes in all, are to come.  What would
 * not fit in a record of the journal begins as a transaction of LMDB's, and is
 * not written twice.
 */
void	store_expect(struct store *, uint64_t count, uint64_t bytes);
void	store_set_hard_state(struct store *, const struct raft_hard_state *);
void	store_truncate(struct store *, uint64_t from_index);
void	store_append(struct store *, const struct raft_entry *, uint32_t count);
int	store_commit(struct store *) MUST_CHECK;
void	store_abort(struct store *);
/*
 * The open batch will be a transaction of LMDB's, which takes all that the
 * journal has with it, and no record of the journal: one operation more costs
 * little.
 */
bool	store_is_direct(const struct store *);
/*
 * As if a write or (sync) a sync of the log had failed, which an operator has
 * asked for: latches the store, and leaves the sync word set.  No transaction
 * is open.  Any thread.  Returns the latched code.
 */
int	store_break(struct store *, bool sync);

/*
 * What there is room for on the disk (U17), the better first.  Both
 * environments keep a reserve of allocated blocks, so that a full disk never
 * stops what makes room, nor what Raft cannot do without.
 */
enum store_room {
	STORE_ROOM_OK,		/* everything */
	STORE_ROOM_FEW,		/* what adds nothing: deletions, sessions */
	STORE_ROOM_LOW,		/* what others have accepted; nothing new */
	STORE_ROOM_NONE,	/* term, vote, truncation, checkpoints */
	STORE_ROOM_OUT,		/* it does not fit at all */
};

/* For this many bytes of entries more, in the log (allocating ahead). */
enum store_room store_room(struct store *, uint64_t bytes);
/*
 * The same for the state: with dirty_pages since its last checkpoint,
 * free_pages inside the file (state_free()), and this many entries of so
 * many bytes still to be applied.  Any thread.
 */
enum store_room store_state_room(struct store *, uint64_t dirty_pages,
	    uint64_t free_pages, uint64_t bytes, uint64_t entry_count);

/* The file system of the store has little left: it may be full at any time,
 * for all stores on it. */
bool	store_is_scarce(const struct store *);

/* Forces everything to the disk; a failure latches the store. */
int	store_sync(struct store *) MUST_CHECK;
/* The same for the last checkpoint of the state alone. */
int	store_sync_state(struct store *) MUST_CHECK;

/* NULL, or why the store is latched. */
const char *store_latched(const struct store *);

/* ------------------------------------------------------------ reading */

/*
 * Calls back for each entry of [first_index, end_index), verified against
 * its checksum, until bytes_max bytes of data were handed out (at least one
 * entry) or the callback returns non-zero.  data is valid in the callback
 * only.  ERR_OK, ERR_NOT_FOUND when first_index is not in the log,
 * ERR_CORRUPT.
 */
int	store_read(struct store *, uint64_t first_index, uint64_t end_index,
	    uint64_t bytes_max,
	    int (*callback)(void *, const struct raft_entry *), void *)
	    MUST_CHECK;

struct store_log_info {
	struct raft_hard_state hard_state;
	uint64_t first_index;
	uint64_t last_index;
	uint64_t last_term;
	uint64_t snapshot_index;	/* 0: none */
	uint64_t snapshot_term;
	uint64_t size;			/* bytes of the entries' pages */
};
/* As of the last commit (a fresh look when read_only). */
int	store_log_info(struct store *, struct store_log_info *) MUST_CHECK;

/* The chain value at index: equal on two nodes exactly if their logs are
 * equal up to there.  ERR_NOT_FOUND. */
int	store_chain(struct store *, uint64_t index, uint32_t *chain)
	    MUST_CHECK;

/*
 * What the log knows of one entry, without its data.  ERR_NOT_FOUND.  Of the
 * last entry that was cut off: term and chain, the rest is 0.
 */
struct store_entry_info {
	uint64_t term;
	enum raft_entry_type type;
	uint32_t size;
	uint32_t chain;
};
int	store_entry_info(struct store *, uint64_t index,
	    struct store_entry_info *) MUST_CHECK;

/*
 * Read-only stores, one thread: from now on all reads see the log as it is
 * now, until the next call, whatever a node beside does.
 */
int	store_freeze(struct store *) MUST_CHECK;
/* No longer: the node may use the log's pages again. */
void	store_thaw(struct store *);

struct store_figures {
	uint64_t commits;		/* transactions */
	uint64_t syncs;
	uint64_t entries;
	uint64_t bytes;
	uint64_t sync_ns_max;
	uint64_t log_used;		/* bytes of the environment in use */
	uint64_t state_used;
	uint64_t log_size;		/* bytes of the entries' pages */
};
void	store_figures(struct store *, struct store_figures *);

/*
 * Everything again, slowly: identity, hard state, every record's checksum,
 * the chain, term runs and configurations against the log.  Calls report for
 * each damage with one line; returns ERR_OK or ERR_CORRUPT.
 */
int	store_check(struct store *, void (*report)(void *, const char *),
	    void *) MUST_CHECK;

/* ------------------------------------------------------------- offline */

struct store_compaction {
	uint64_t log_before, log_after;		/* bytes of the files */
	uint64_t state_before, state_after;
};

/*
 * Replaces both environments by compacting copies, each verified and durable
 * before it takes the place of the old one; a crash leaves a whole store.
 * The caller holds the node's directory lock.
 */
int	store_compact(const char *node_dir, struct store_compaction *,
	    struct err_buf *) MUST_CHECK;

#endif
