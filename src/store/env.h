/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One LMDB environment as this room uses it: opened after fork and once per
 * process, its map reserved once, blocks allocated ahead of its end, every
 * sync announced before it begins, every error sorted into "no room" (the
 * transaction is gone, nothing else) and "latched" (nothing goes on).
 *
 *	data.mdb   |meta|meta| pages in use ......... | allocated ahead |
 *	                                       used_end          ahead_end
 *
 * Both environments of a store share one struct env_shared.
 */
#ifndef STORE_ENV_H
#define STORE_ENV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "raft/raft.h"
#include "store/store.h"

/* What two environments of one store have in common. */
struct env_shared {
	pthread_mutex_t lock;
	_Atomic int latched;		/* 0, or the code */
	char text[256];			/* written before latched is */
	volatile uint32_t *sync_word;	/* may be NULL */
	unsigned int syncing;		/* syncs under way or failed */
	_Atomic uint64_t commits;
	_Atomic uint64_t syncs;
	_Atomic uint64_t sync_ns_max;
};

void	env_shared_init(struct env_shared *);
void	env_shared_fini(struct env_shared *);

/* 0, or the code that the store is latched with. */
int	env_latched(const struct env_shared *);
/* Latches, unless it is latched already; returns the code in force. */
int	env_latch(struct env_shared *, int code, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

/* Around each sync: sets the sync word, and clears it after a success (only
 * then is the second one called). */
void	env_sync_begins(struct env_shared *);
void	env_sync_ends(struct env_shared *, uint64_t taken_ns);

struct env_options {
	enum store_durability durability;
	uint64_t map_size;
	uint64_t ahead_size;
	unsigned int database_count;
	unsigned int flags;		/* of LMDB, in addition */
	bool read_only;
	bool create;			/* the file, which is not there yet */
};

struct env {
	struct env_shared *shared;
	MDB_env *mdb;
	int fd;				/* of data.mdb, our own */
	bool open;
	bool synced;			/* commits are: power durability */
	bool read_only;
	unsigned int fork_count;	/* when it was opened */
	uint64_t device, inode;
	uint64_t page_size;
	uint64_t map_size;
	uint64_t ahead_size;
	uint64_t reserve_size;		/* for what must fit on a full disk */
	_Atomic uint64_t used_end;
	_Atomic uint64_t ahead_end;
	pthread_mutex_t ahead_lock;
	uint64_t next_try_ns;		/* after the disk was full */
	char name[40];			/* for texts: "log", "state.0" */
};

/*
 * Opens (or creates) DIR, a directory that exists.  Checks that the file is
 * as long as its meta page says, clears stale readers and allocates blocks
 * ahead.  On failure env is closed.
 */
int	env_open(struct env *, struct env_shared *, const char *dir,
	    const char *name, const struct env_options *, struct err_buf *)
	    MUST_CHECK;
/*
 * LMDB's part of it anew, to give back the pages that LMDB keeps in memory:
 * nobody has a transaction.  An error latches.  Not with each version of it.
 */
bool	env_may_reopen(void);
int	env_reopen(struct env *, const char *dir,
	    const struct env_options *) MUST_CHECK;
void	env_close(struct env *);

/* Made in another process than this: nothing may be done with it. */
bool	env_is_foreign(const struct env *);

/* A write transaction (or a read one).  The code is sorted already. */
int	env_begin(struct env *, bool write, MDB_txn **) MUST_CHECK;
/* The transaction is gone in any case.  ERR_FULL: the store is as before. */
int	env_commit(struct env *, MDB_txn *) MUST_CHECK;
/* Syncs everything committed; never an empty transaction (it syncs none). */
int	env_sync(struct env *) MUST_CHECK;

/*
 * Has the disk begin with what was committed, and waits for nothing: the next
 * sync has less to do.  It promises nothing, and what fails that sync reports.
 */
void	env_write_out(struct env *);

/* As if a write or (sync) a sync had failed: latches, and leaves the sync word
 * set.  Returns the latched code. */
int	env_break(struct env *, bool sync);

/*
 * Sorts an error of LMDB: ERR_FULL, ERR_BUSY (no reader slot) or latched.
 * what: "reading entry 7", ...
 */
int	env_error(struct env *, int lmdb_code, const char *what);

/*
 * What size bytes of new pages leave of the reserve.  Allocates ahead as
 * needed.  free_pages are such that can be used again, 0 if not counted.
 */
enum store_room env_room(struct env *, uint64_t size, uint64_t free_pages);
/*
 * Pages that the write transaction which is open or comes next uses again.
 * pending, if not NULL: those that only the one after it does.
 */
uint64_t env_free_pages(struct env *, uint64_t *pending);
/* The file system has little left, for this and for whoever shares it. */
bool	env_is_scarce(const struct env *);
/* Bytes in use, up to the last page. */
uint64_t env_used(const struct env *);

/*
 * Compares meta pages and the tail of the file as this process sees them
 * with what the disk holds, past the page cache.  ERR_IO when they differ.
 */
int	env_compare_disk(struct env *, struct err_buf *) MUST_CHECK;

/* The same for ranges (begin, end, of whole blocks) of any file; name: for
 * the text. */
int	env_compare_ranges(const char *name, int fd,
	    const uint64_t ranges[][2], size_t count, struct err_buf *)
	    MUST_CHECK;

/* Bytes of pages that a record of this size takes, at most. */
uint64_t env_record_size(size_t key_size, size_t value_size);

#endif
