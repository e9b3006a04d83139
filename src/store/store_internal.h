/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this room share.
 *
 *	create.c	builds a store aside and renames it
 *	store.c		opens and closes it; identity, run, boot
 *	commit.c	the write transaction of the log
 *	read.c		entries and figures of the last commit
 *	block.c		several entries of the log in one record
 *	verify.c	everything again, slowly
 *	compact.c	compacting copies, offline
 *	boot.c		what a server starts from
 *	state.c		kv's table on the state environment
 *	state_room.c	how much its open transaction holds, what room it needs
 *	recent.c	records in memory, in front of it
 *	contents.c	which state environment is the one; views keep old ones
 *	snapshot.c	records a snapshot, cuts the log, in its transaction
 *	stream.c	the state as a stream of bytes
 *	view.c		sends it: a frozen state, read at any offset
 *	receive.c	builds a state environment of it, aside
 *	plant.c		builds a store of it
 *	backup.c	it in a file, and read back from there
 *	journal_file.c	the file under the journal (src/journal)
 *	overlay.c	what the journal has and the log environment not
 *	record.c	records <-> bytes, checksums, the chain
 *	env.c		one LMDB environment
 *	room.c		blocks for it, ahead of the need
 */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "kv/kv.h"
#include "raft/raft.h"
#include "store/env.h"
#include "store/journal_file.h"
#include "store/store.h"
#include "store/store_layout.h"
#include "store/stream.h"

#define STORE_MAP_SIZE		(64ull << 30)
#define STORE_AHEAD_SIZE	(4ull << 20)
#define STORE_READERS		8	/* read transactions kept for reuse */

/* The end of the log and what goes with it, as of one transaction. */
struct log_tail {
	struct raft_hard_state hard_state;
	uint64_t base_index;		/* the last entry cut off; 0: none */
	uint64_t base_term;
	uint32_t base_chain;
	uint64_t first_index;		/* base_index + 1 */
	uint64_t last_index;		/* base_index when empty */
	uint64_t last_term;
	uint32_t chain;			/* at last_index */
	uint64_t snapshot_index;	/* 0: none */
	uint64_t snapshot_term;
	uint32_t snapshot_chain;
	uint64_t size;			/* bytes of the entries' pages */
	bool unsettled;			/* the last commit has cut */
	char state_name[36];
};

/*
 * A state environment.  Who reads or writes it holds a use; one that is no
 * longer in force is closed and removed when the last use has ended.
 */
struct contents {
	struct env env;
	MDB_dbi spaces[KV_SPACE_COUNT];
	unsigned int uses;		/* under contents_lock */
	struct contents *next;		/* of the obsolete ones */
};

/* The record of `log` that the open transaction writes next; block.c. */
struct block {
	uint64_t first;			/* index of its first entry */
	uint32_t count;			/* 0: nothing */
	uint32_t size;			/* of bytes, the head included */
	uint8_t bytes[LAYOUT_BLOCK_SIZE];
};

struct store {
	struct env_shared shared;
	struct env log;
	bool log_open;
	bool read_only;
	char *dir;			/* NODE_DIR/store */
	struct store_options options;
	MDB_dbi meta, entries, runs, configs;
	struct store_identity identity;
	_Atomic uint64_t run;
	struct state *state_user;	/* state_open() and not closed yet */

	pthread_mutex_t contents_lock;	/* the two below, and their uses */
	struct contents *contents;	/* the one that is in force */
	struct contents *obsolete;	/* list of former ones */

	/*
	 * The journal's records are on top of the log environment: entries
	 * behind stored.last_index are there.  Under tail_lock: tail, stored,
	 * and of the journal places, count and the bytes of what they name.
	 */
	pthread_mutex_t tail_lock;
	struct log_tail tail;		/* as of the last commit */
	struct log_tail stored;		/* as of LMDB's last commit */
	uint64_t flushes;		/* of those commits, since open */
	_Atomic bool committing;	/* LMDB may be ahead of stored */
	struct journal journal;
	struct journal_file journal_file;
	_Atomic uint64_t entry_count;	/* appended since open */
	_Atomic uint64_t byte_count;

	/* The open batch: LMDB's write transaction, or (NULL) a record of the
	 * journal. */
	bool batch;
	MDB_txn *txn;
	MDB_cursor *cursor;		/* of entries; NULL: none yet */
	struct block block;		/* behind what the cursor wrote */
	struct log_tail next;
	int sticky;			/* the first error in it */
	uint64_t txn_size;		/* bytes of pages, estimated */
	uint64_t txn_entries, txn_bytes;
	uint64_t flushed_entries, flushed_bytes; /* from the journal */
	struct receive *installing;	/* in it */

	pthread_mutex_t reader_lock;
	MDB_txn *readers[STORE_READERS];	/* reset, to be renewed */
	uint32_t reader_count;
	MDB_txn *frozen;		/* store_freeze() */
};

/* A snapshot that arrives; receive.c. */
struct receive {
	struct store *store;
	struct env_shared shared;	/* its faults are not the store's */
	struct contents *contents;	/* NULL once they are the store's */
	char name[36];			/* of the directory */
	uint64_t index;
	uint64_t total;
	uint64_t offset;		/* bytes taken */
	uint8_t chain[RAFT_CHAIN_SIZE];
	bool finished;
	bool named;			/* by the log environment, perhaps */

	struct stream_parts parts;

	MDB_txn *txn;
	MDB_cursor *cursor;		/* in space */
	enum kv_space space;
	uint64_t txn_size;		/* bytes of pages, estimated */
	uint64_t unwritten;		/* committed, not yet to the disk */
};

/* -------------------------------------------------------------- record.c */

uint32_t record_chain(uint32_t previous, uint64_t index, uint64_t term,
	    uint32_t type, uint32_t data_checksum);
void	record_encode_entry(struct layout_entry *, const struct raft_entry *,
	    uint32_t chain);
/*
 * NULL, or what is wrong with this entry; header is filled in if it is that
 * long.  check_data: the data's checksum too.  The second: something may
 * follow it.
 */
const char *record_check_entry(uint64_t index, const MDB_val *,
	    struct layout_entry *header, bool check_data);
const char *record_check_first(uint64_t index, const MDB_val *,
	    struct layout_entry *header, bool check_data);
uint32_t record_block_checksum(uint64_t first_index,
	    const struct layout_block *);
void	record_encode_run(struct layout_term_run *, uint64_t first_index,
	    uint64_t term);
const char *record_check_run(uint64_t first_index, const MDB_val *,
	    uint64_t *term);
/* Into a buffer of LAYOUT_CONFIG_SIZE_MAX; returns the size. */
#define LAYOUT_CONFIG_SIZE_MAX \
	(sizeof(struct layout_config) + RAFT_CONFIGURATION_SIZE_MAX)
size_t	record_encode_config(uint8_t *, uint64_t index, const void *data,
	    uint32_t size);
const char *record_check_config(uint64_t index, const MDB_val *,
	    struct raft_configuration *);
/* Records of `meta`: size bytes, the checksum last. */
void	record_seal(const char *name, void *record, size_t size);
bool	record_is_sealed(const char *name, const void *record, size_t size);
uint32_t record_value_checksum(enum kv_space, struct kv_slice key,
	    const void *value, size_t size);

/* --------------------------------------------------------------- store.c */

int	store_get_meta(struct store *, MDB_txn *, const char *name, void *,
	    size_t) MUST_CHECK;
int	store_put_meta(struct store *, MDB_txn *, const char *name, void *,
	    size_t) MUST_CHECK;
/* Hard state, base and end of the log, as this transaction sees them. */
int	store_load_tail(struct store *, MDB_txn *, struct log_tail *)
	    MUST_CHECK;
/* One with nothing open yet, for store_close(); NULL: out of memory. */
struct store *store_new(const char *dir, const struct store_options *);
/* One entry's header, verified; ERR_NOT_FOUND, or latched. */
int	store_get_entry(struct store *, MDB_txn *, uint64_t index,
	    struct layout_entry *) MUST_CHECK;
/* Does the log environment name this state? */
bool	store_names(struct store *, const char *state_name);
/* Bytes of the pages that hold entries. */
uint64_t store_log_size(struct store *, MDB_txn *);
/* Opens the named databases of the log environment. */
int	store_open_databases(struct store *, MDB_txn *, bool create)
	    MUST_CHECK;
/* Takes a read transaction of the log, gives it back. */
int	store_reader_begin(struct store *, MDB_txn **) MUST_CHECK;
void	store_reader_end(struct store *, MDB_txn *);
void	store_readers_close(struct store *);
void	store_env_options(const struct store_options *, struct env_options *,
	    bool state);

/* -------------------------------------------------------------- create.c */

/* Removes a directory and what is in it; fine when there is none. */
int	create_remove(const char *dir, struct err_buf *);
/* A new store in NODE_DIR/store.new, open; ERR_EXISTS: NODE_DIR/store is. */
int	create_aside(struct store **, const char *node_dir,
	    const struct store_identity *, const struct raft_configuration *,
	    const struct store_options *, struct err_buf *) MUST_CHECK;
/* It is closed and complete, with this state: syncs and renames it. */
int	create_publish(const char *node_dir, const char *state_name,
	    struct err_buf *) MUST_CHECK;

/* --------------------------------------------------------------- state.c */

/* The position of the last checkpoint. */
int	state_position(struct store *, struct kv_position *) MUST_CHECK;
/* A frozen view of contents that the caller holds in use; any one thread. */
int	state_open_frozen(struct state **, struct store *, struct contents *)
	    MUST_CHECK;
void	state_close_frozen(struct state *);
/*
 * The same to write contents that no one else uses; state_checkpoint()
 * commits, state_close_frozen() forgets the rest.
 */
int	state_open_alone(struct state **, struct store *, struct contents *)
	    MUST_CHECK;
MDB_txn	*state_txn(struct state *);

/* -------------------------------------------------------------- commit.c */

void	store_fail(struct store *, int code);
/*
 * The open batch goes on in a transaction of LMDB's, which has all that the
 * journal has, and what the batch holds by now.  Errors are sticky.
 */
int	store_direct(struct store *);
/* Into the open transaction of LMDB's; what is asserted has been checked. */
int	store_put_hard_state(struct store *, const struct raft_hard_state *)
	    MUST_CHECK;
/* The next entry; `data` is what its header says. */
int	store_put_entry(struct store *, const struct layout_entry *header,
	    const uint8_t *data) MUST_CHECK;
void	store_close_cursor(struct store *);
/* Deletes all keys below index; LMDB's code. */
int	store_delete_before(struct store *, MDB_dbi, uint64_t index)
	    MUST_CHECK;

/* --------------------------------------------------------------- block.c */

/* Goes from one entry of a block to the next. */
struct block_walk {
	uint64_t index;			/* of the next one */
	uint32_t left;			/* so many, that one included */
	MDB_val rest;			/* their bytes */
};

/* A key of `log`; 0: it is none. */
uint64_t block_index(const MDB_val *key);
/* What follows returns NULL, or what is wrong with entry walk->index. */
const char *block_open(struct block_walk *, const MDB_val *key,
	    const MDB_val *value);
/* Not behind the last one.  entry: its bytes, header and data. */
const char *block_next(struct block_walk *, struct layout_entry *header,
	    MDB_val *entry, bool check_data);
/* Latches the store with that; ERR_CORRUPT. */
int	block_damaged(struct store *, const struct block_walk *,
	    const char *why);
/* The cursor, of `log`, at the block with this entry, and the walk before
 * it: ERR_NOT_FOUND, or latched. */
int	block_find(struct store *, MDB_cursor *, uint64_t index,
	    struct block_walk *) MUST_CHECK;
/* The log's last entry; index 0: there is none. */
int	block_last(struct store *, MDB_cursor *, uint64_t *index,
	    struct layout_entry *) MUST_CHECK;
/* One more entry for the open transaction; LMDB's code. */
int	block_add(struct store *, uint64_t index, const struct layout_entry *,
	    const uint8_t *data) MUST_CHECK;
/*
 * The open transaction of LMDB's shows all that was added.  Called before it
 * is looked at, and committed.  Returns the batch's sticky error.
 */
int	store_settle(struct store *) MUST_CHECK;
/* Blocks that begin behind index are deleted already: nor are there entries
 * behind it in the last one.  header: the entry at index, which there is. */
int	block_truncate(struct store *, uint64_t index, struct layout_entry *)
	    MUST_CHECK;

/* ------------------------------------------------------------- overlay.c */

/*
 * What follows is called with tail_lock held, or by the thread that commits,
 * or on a read-only store.
 */
/* NULL: not in the journal.  The record as LMDB would have it. */
const uint8_t *overlay_find(const struct store *, uint64_t index,
	    uint32_t *size);
/* NULL, or why this cannot follow such an end of the log, of which chain,
 * last index and term and the node's term count.  Fills in header as
 * record_check_entry() does. */
const char *overlay_check_next(const struct log_tail *, const MDB_val *,
	    struct layout_entry *header, bool check_data);
/* One entry's header, verified; ERR_NOT_FOUND, or latched. */
int	overlay_get_entry(struct store *, uint64_t index,
	    struct layout_entry *) MUST_CHECK;
/*
 * Reads the journal on top of the log environment as txn shows it: stored,
 * tail, places.  Latched with ERR_CORRUPT when it is damaged.
 */
int	overlay_load(struct store *, MDB_txn *txn) MUST_CHECK;
/* Read-only stores: the two as they belong together; txn may be renewed.
 * ERR_BUSY: the node was faster each time. */
int	overlay_look(struct store *, MDB_txn *txn) MUST_CHECK;
/* Puts into the open transaction what the journal has, and its open batch. */
int	overlay_flush(struct store *) MUST_CHECK;

/* ------------------------------------------------------------ contents.c */

/*
 * Opens (or makes, in a directory that this makes) NODE_DIR/store/NAME.  The
 * errors of one that is made latch `shared`, which may be another than the
 * store's.
 */
int	contents_open(struct contents **, struct store *,
	    struct env_shared *, const char *name, bool create,
	    struct err_buf *) MUST_CHECK;
void	contents_free(struct contents *);	/* closes it */
/*
 * Closes and opens it, which gives back the memory that LMDB keeps for pages
 * once written.  The caller holds a use and no transaction.  ERR_BUSY:
 * somebody else uses it, nothing was done; another error latches.
 */
int	contents_reopen(struct store *, struct contents *) MUST_CHECK;
struct contents *contents_get(struct store *);
void	contents_put(struct store *, struct contents *);
/* From now on this one is in force, the former one obsolete. */
void	contents_replace(struct store *, struct contents *);
/* Closes all; nobody uses any. */
void	contents_close(struct store *);
/* Removes the directories of states that are not this one. */
int	contents_sweep(const char *dir, const char *name, struct err_buf *);

#endif
