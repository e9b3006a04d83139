/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of this room share.
 *
 *	create.c	builds a store aside and renames it
 *	store.c		opens and closes it; identity, run, boot
 *	commit.c	the write transaction of the log
 *	read.c		entries and figures of the last commit
 *	verify.c	everything again, slowly
 *	compact.c	compacting copies, offline
 *	boot.c		what a server starts from
 *	state.c		kv's table on the state environment
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
#include "store/store.h"
#include "store/store_layout.h"

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
};

struct store {
	struct env_shared shared;
	struct env log;
	struct env state;
	bool log_open, state_open;
	bool read_only;
	char state_name[36];
	MDB_dbi meta, entries, runs, configs;
	MDB_dbi spaces[KV_SPACE_COUNT];
	struct store_identity identity;
	_Atomic uint64_t run;
	uint64_t snapshot_index, snapshot_term;
	struct state *state_user;	/* state_open() and not closed yet */

	pthread_mutex_t tail_lock;
	struct log_tail tail;		/* as of the last commit */
	_Atomic uint64_t entry_count;	/* appended since open */
	_Atomic uint64_t byte_count;

	/* The open write transaction of the log. */
	MDB_txn *txn;
	MDB_cursor *cursor;		/* of entries; NULL: none yet */
	struct log_tail next;
	int sticky;			/* the first error in it */
	uint64_t txn_size;		/* bytes of pages, estimated */
	uint64_t txn_entries, txn_bytes;

	pthread_mutex_t reader_lock;
	MDB_txn *readers[STORE_READERS];	/* reset, to be renewed */
	uint32_t reader_count;
	MDB_txn *frozen;		/* store_freeze() */
};

/* -------------------------------------------------------------- record.c */

uint32_t record_chain(uint32_t previous, uint64_t index, uint64_t term,
	    uint32_t type, uint32_t data_checksum);
void	record_encode_entry(struct layout_entry *, const struct raft_entry *,
	    uint32_t chain);
/*
 * NULL, or what is wrong with this value of `log`; header is filled in if it
 * is that long.  check_data: the data's checksum too.
 */
const char *record_check_entry(uint64_t index, const MDB_val *,
	    struct layout_entry *header, bool check_data);
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
/* One entry's header, verified; ERR_NOT_FOUND, or latched. */
int	store_get_entry(struct store *, MDB_txn *, uint64_t index,
	    struct layout_entry *) MUST_CHECK;
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

/* --------------------------------------------------------------- state.c */

int	state_open_databases(struct store *, MDB_txn *, bool create)
	    MUST_CHECK;
/* The applied index of the last checkpoint. */
int	state_applied_index(struct store *, uint64_t *) MUST_CHECK;

#endif
