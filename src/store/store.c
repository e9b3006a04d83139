/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a store.  The order matters:
 *
 *	1. the log environment: format, identity, hard state, the name of
 *	   the state environment; the journal in front of it
 *	2. the state environment, and how far it has been applied
 *	3. was the last run killed in the middle of a sync?  then what the
 *	   page cache shows is compared with the disk
 *	4. what the journal has goes into the log environment: from here on
 *	   it is empty (a store that is opened read-only keeps it on top)
 *	5. sync: what a killed run had written may be in the page cache only,
 *	   and nothing may be promised on it before the disk has it
 *	6. the end of the log, and its chain since the last checkpoint
 *
 * The state's position is read before the end of the log, because a running
 * node beside a read-only opener goes on: seen in this order, the log has
 * what the state has applied.
 */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crash.h"
#include "store/store_internal.h"

#define OPEN_TRIES 10 /* beside a node that installs a snapshot */

/* ------------------------------------------------------------- meta, tail */

int
store_get_meta(struct store *store, MDB_txn *txn, const char *name,
    void *record, size_t size)
{
	MDB_val key = { strlen(name), (void *)(uintptr_t)name };
	MDB_val value;
	int rc;

	rc = mdb_get(txn, store->meta, &key, &value);
	if (rc != 0) {
		return env_error(&store->log, rc, name);
	}
	if (value.mv_size == size) {
		memcpy(record, value.mv_data, size);
		if (record_is_sealed(name, record, size)) {
			return ERR_OK;
		}
	}
	return env_latch(&store->shared, ERR_CORRUPT,
	    "log: %s: the record does not match its checksum", name);
}

int
store_put_meta(struct store *store, MDB_txn *txn, const char *name,
    void *record, size_t size)
{
	MDB_val key = { strlen(name), (void *)(uintptr_t)name };
	MDB_val value = { size, record };
	int rc;

	record_seal(name, record, size);
	rc = mdb_put(txn, store->meta, &key, &value, 0);
	return rc == 0 ? ERR_OK : env_error(&store->log, rc, name);
}

int
store_get_entry(struct store *store, MDB_txn *txn, uint64_t index,
    struct layout_entry *header)
{
	struct block_walk walk;
	MDB_cursor *cursor;
	MDB_val entry;
	const char *why;
	int rc, code;

	rc = mdb_cursor_open(txn, store->entries, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	code = block_find(store, cursor, index, &walk);
	if (code == ERR_OK) {
		why = block_next(&walk, header, &entry, false);
		code = why == NULL ? ERR_OK : block_damaged(store, &walk, why);
	}
	mdb_cursor_close(cursor);
	return code;
}

/* The first (0: none) and the last entry of the log. */
static int
edges(struct store *store, MDB_txn *txn, uint64_t *first, uint64_t *last,
    struct layout_entry *header)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc, code;

	*first = 0;
	rc = mdb_cursor_open(txn, store->entries, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	if (rc == 0 && key.mv_size != sizeof(*first)) {
		rc = MDB_CORRUPTED;
	}
	if (rc != 0 && rc != MDB_NOTFOUND) {
		mdb_cursor_close(cursor);
		return env_error(&store->log, rc, "looking for the log's end");
	}
	*first = rc == 0 ? block_index(&key) : 0;
	code = block_last(store, cursor, last, header);
	mdb_cursor_close(cursor);
	return code;
}

uint64_t
store_log_size(struct store *store, MDB_txn *txn)
{
	MDB_stat stat;

	if (mdb_stat(txn, store->entries, &stat) != 0) {
		return 0;
	}
	return (stat.ms_branch_pages + stat.ms_leaf_pages +
	           stat.ms_overflow_pages) *
	       store->log.page_size;
}

int
store_load_tail(struct store *store, MDB_txn *txn, struct log_tail *tail)
{
	struct layout_hard_state hard_state;
	struct layout_snapshot snapshot;
	struct layout_entry header;
	uint64_t first, last;
	int code;

	code = store_get_meta(
	    store, txn, LAYOUT_KEY_HARD_STATE, &hard_state, sizeof(hard_state));
	if (code == ERR_OK) {
		code = store_get_meta(store, txn, LAYOUT_KEY_SNAPSHOT,
		    &snapshot, sizeof(snapshot));
	}
	if (code == ERR_OK) {
		code = edges(store, txn, &first, &last, &header);
	}
	if (code != ERR_OK) {
		return code;
	}
	memset(tail, 0, sizeof(*tail));
	tail->hard_state.term = hard_state.term;
	tail->hard_state.vote = hard_state.vote;
	tail->base_index = snapshot.base_index;
	tail->base_term = snapshot.base_term;
	tail->base_chain = snapshot.base_chain;
	tail->first_index = snapshot.base_index + 1;
	tail->last_index = tail->base_index;
	tail->last_term = tail->base_term;
	tail->chain = tail->base_chain;
	tail->snapshot_index = snapshot.index;
	tail->snapshot_term = snapshot.term;
	tail->snapshot_chain = snapshot.chain;
	snapshot.state_name[sizeof(snapshot.state_name) - 1] = '\0';
	memcpy(
	    tail->state_name, snapshot.state_name, sizeof(tail->state_name));
	tail->size = store_log_size(store, txn);
	if (last == 0) {
		return ERR_OK;
	}
	if (first != tail->first_index || last < first) {
		return env_latch(&store->shared, ERR_CORRUPT,
		    "log: begins at entry %llu instead of %llu",
		    (unsigned long long)first,
		    (unsigned long long)tail->first_index);
	}
	tail->last_index = last;
	tail->last_term = header.term;
	tail->chain = header.chain;
	if (header.term > tail->hard_state.term) {
		return env_latch(&store->shared, ERR_CORRUPT,
		    "log: entry %llu has term %llu, beyond the node's %llu",
		    (unsigned long long)last, (unsigned long long)header.term,
		    (unsigned long long)tail->hard_state.term);
	}
	return ERR_OK;
}

/* --------------------------------------------------------------- opening */

int
store_open_databases(struct store *store, MDB_txn *txn, bool create)
{
	static const struct {
		const char *name;
		size_t offset;
		unsigned int flags;
	} databases[] = {
		{ LAYOUT_DB_META, offsetof(struct store, meta), 0 },
		{ LAYOUT_DB_LOG, offsetof(struct store, entries),
		    MDB_INTEGERKEY },
		{ LAYOUT_DB_RUNS, offsetof(struct store, runs),
		    MDB_INTEGERKEY },
		{ LAYOUT_DB_CONFIGS, offsetof(struct store, configs),
		    MDB_INTEGERKEY },
	};
	MDB_dbi dbi;
	size_t i;
	int rc;

	for (i = 0; i < COUNT_OF(databases); i++) {
		rc = mdb_dbi_open(txn, databases[i].name,
		    databases[i].flags | (create ? MDB_CREATE : 0), &dbi);
		if (rc != 0) {
			return env_error(&store->log, rc, databases[i].name);
		}
		memcpy(
		    (uint8_t *)store + databases[i].offset, &dbi, sizeof(dbi));
	}
	return ERR_OK;
}

void
store_env_options(const struct store_options *options,
    struct env_options *env_options, bool state)
{
	uint64_t map_size =
	    state ? options->state_map_size : options->log_map_size;

	memset(env_options, 0, sizeof(*env_options));
	env_options->durability = options->durability;
	env_options->map_size =
	    map_size == 0 ? STORE_MAP_SIZE : (map_size & ~4095ull);
	env_options->ahead_size =
	    options->ahead_size == 0 ? STORE_AHEAD_SIZE : options->ahead_size;
	env_options->database_count = KV_SPACE_COUNT;
	/* The log is read in order, the state here and there. */
	env_options->flags = state ? MDB_NORDAHEAD : 0;
	env_options->read_only = options->read_only;
}

/* What the latch says, for the caller of store_open(). */
static int
opened_badly(
    struct store *store, const char *dir, int code, struct err_buf *err)
{
	const char *text = store_latched(store);

	return err_set(
	    err, code, "%s: %s", dir, text != NULL ? text : err_text(code));
}

static int
check_format(
    struct store *store, MDB_txn *txn, const char *dir, struct err_buf *err)
{
	MDB_val key = { strlen(LAYOUT_KEY_FORMAT), NULL };
	MDB_val value;
	struct layout_format format;
	char name[] = LAYOUT_KEY_FORMAT;

	key.mv_data = name;
	memset(&format, 0, sizeof(format));
	if (mdb_get(txn, store->meta, &key, &value) != 0) {
		return err_set(err, ERR_CORRUPT, "%s: not a store", dir);
	}
	if (value.mv_size >= sizeof(format)) {
		memcpy(&format, value.mv_data, sizeof(format));
	}
	if (format.magic != LAYOUT_MAGIC) {
		return err_set(err, ERR_CORRUPT, "%s: not a store", dir);
	}
	if (!record_is_sealed(LAYOUT_KEY_FORMAT, &format, sizeof(format))) {
		return err_set(err, ERR_CORRUPT,
		    "%s: log: format: the record does not match its checksum",
		    dir);
	}
	if (format.version != LAYOUT_VERSION) {
		return err_set(err, ERR_VERSION,
		    "%s: made by %s version of raftsup: its format is %u, "
		    "this program's %u%s",
		    dir,
		    format.version < LAYOUT_VERSION ? "an older" : "a newer",
		    format.version, LAYOUT_VERSION,
		    format.version < LAYOUT_VERSION
		        ? "; make a backup with that one and restore it here"
		        : "");
	}
	return ERR_OK;
}

static int
check_identity(struct store *store, const struct store_identity *expect,
    const char *dir, struct err_buf *err)
{
	const struct store_identity *is = &store->identity;

	if (expect == NULL) {
		return ERR_OK;
	}
	if (expect->cluster_id != 0 && expect->cluster_id != is->cluster_id) {
		return err_set(err, ERR_MISMATCH,
		    "%s: belongs to cluster %016llx, not to %016llx", dir,
		    (unsigned long long)is->cluster_id,
		    (unsigned long long)expect->cluster_id);
	}
	if (expect->node_id != 0 && expect->node_id != is->node_id) {
		return err_set(err, ERR_MISMATCH,
		    "%s: the store of node %u, not of node %u", dir,
		    is->node_id, expect->node_id);
	}
	if (expect->store_id != 0 && expect->store_id != is->store_id) {
		return err_set(err, ERR_MISMATCH,
		    "%s: store %016llx, not %016llx: it was replaced", dir,
		    (unsigned long long)is->store_id,
		    (unsigned long long)expect->store_id);
	}
	return ERR_OK;
}

/* Step 1, in one transaction. */
static int
read_meta(
    struct store *store, MDB_txn *txn, const char *dir, struct err_buf *err)
{
	struct layout_identity identity;
	struct layout_run run;
	struct layout_snapshot snapshot;
	int code;

	code = store_open_databases(store, txn, false);
	if (code == ERR_CORRUPT) {
		return err_set(err, code, "%s: not a store", dir);
	} else if (code == ERR_OK) {
		code = check_format(store, txn, dir, err);
		if (code != ERR_OK) {
			return code;
		}
		code = store_get_meta(store, txn, LAYOUT_KEY_IDENTITY,
		    &identity, sizeof(identity));
	}
	if (code == ERR_OK) {
		code = store_get_meta(
		    store, txn, LAYOUT_KEY_RUN, &run, sizeof(run));
	}
	if (code == ERR_OK) {
		code = store_get_meta(store, txn, LAYOUT_KEY_SNAPSHOT,
		    &snapshot, sizeof(snapshot));
	}
	if (code != ERR_OK) {
		return opened_badly(store, dir, code, err);
	}
	store->identity.cluster_id = identity.cluster_id;
	store->identity.store_id = identity.store_id;
	store->identity.node_id = identity.node_id;
	atomic_store(&store->run, run.run);
	snapshot.state_name[sizeof(snapshot.state_name) - 1] = '\0';
	memcpy(store->tail.state_name, snapshot.state_name,
	    sizeof(store->tail.state_name));
	return ERR_OK;
}

static int
open_log(struct store *store, const char *dir,
    const struct store_options *options, struct err_buf *err)
{
	struct env_options env_options;
	char path[4096];
	MDB_txn *txn;
	int code;

	if (snprintf(path, sizeof(path), "%s/%s", dir, LAYOUT_LOG) >=
	    (int)sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
	}
	store_env_options(options, &env_options, false);
	code = env_open(
	    &store->log, &store->shared, path, LAYOUT_LOG, &env_options, err);
	if (code != ERR_OK) {
		return code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
	}
	store->log_open = true;
	code = env_begin(&store->log, !store->read_only, &txn);
	if (code != ERR_OK) {
		return opened_badly(store, dir, code, err);
	}
	code = read_meta(store, txn, dir, err);
	if (code != ERR_OK) {
		mdb_txn_abort(txn);
		return code;
	}
	/* Committed, although it wrote nothing: the handles stay open. */
	code = env_commit(&store->log, txn);
	return code == ERR_OK ? ERR_OK : opened_badly(store, dir, code, err);
}

/*
 * Step 2, and what a crash left of an install goes.  Beside a node that
 * installs one, the name may be gone already: ERR_AGAIN.
 */
static int
open_state(struct store *store, struct err_buf *err)
{
	const char *name = store->tail.state_name;
	int code;

	code = contents_open(
	    &store->contents, store, &store->shared, name, false, err);
	if (code == ERR_NOT_FOUND) {
		code = store->read_only ? ERR_AGAIN : ERR_CORRUPT;
	}
	if (code == ERR_OK && !store->read_only) {
		code = contents_sweep(store->dir, name, err);
	}
	return code;
}

/* Step 4, one transaction.  Term and vote in it count from here on. */
static int
replay(struct store *store)
{
	MDB_txn *txn;
	int code = env_begin(&store->log, false, &txn);

	if (code != ERR_OK) {
		return code;
	}
	code = overlay_load(store, txn);
	mdb_txn_abort(txn);
	if (code != ERR_OK || store->journal.end == 0) {
		return code;
	}
	code = store_begin(store);
	if (code != ERR_OK) {
		return code;
	}
	(void)store_direct(store);
	return store_commit(store);
}

/*
 * Steps 3, 4 and 5.  Until the comparison is done the word stays as it was.
 */
static int
make_durable(struct store *store, const char *dir,
    const struct store_options *options, struct err_buf *err)
{
	struct err_buf why;
	int code;

	if (store->read_only) {
		return ERR_OK;
	}
	if (options->sync_word != NULL && *options->sync_word != 0) {
		code = env_compare_disk(&store->log, &why);
		if (code == ERR_OK) {
			code = env_compare_disk(&store->contents->env, &why);
		}
		if (code == ERR_OK) {
			code = journal_file_compare(
			    &store->journal_file, &why);
		}
		if (code != ERR_OK) {
			return err_set(err, code, "%s: %s", dir, why.text);
		}
	}
	store->shared.sync_word = options->sync_word;
	code = replay(store);
	if (code == ERR_OK) {
		code = env_sync(&store->log);
	}
	if (code == ERR_OK) {
		code = env_sync(&store->contents->env);
	}
	if (code != ERR_OK) {
		return opened_badly(store, dir, code, err);
	}
	/* Ahead, while there is room; a full disk shows in store_room(). */
	(void)env_room(&store->log, 0, 0);
	(void)env_room(&store->contents->env, 0, 0);
	return ERR_OK;
}

static int
count_entry(void *arg, const struct raft_entry *entry)
{
	*(uint64_t *)arg = entry->index;
	return 0;
}

/* Every entry that is not in the checkpoint, as one transaction sees it. */
static int
check_entries(struct store *store, uint64_t applied)
{
	uint64_t first = store->tail.first_index, seen;
	int code;

	if (applied > first) {
		first = applied;
	}
	while (first <= store->tail.last_index) {
		seen = 0;
		code = store_read(store, first, store->tail.last_index + 1,
		    UINT64_MAX, count_entry, &seen);
		if (code != ERR_OK) {
			return code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
		}
		if (seen < first) {
			return ERR_CORRUPT;
		}
		first = seen + 1;
	}
	return ERR_OK;
}

/* The state must hold what the log has not, and the log what it has not. */
static int
check_position(struct store *store, uint64_t applied, const char *dir,
    struct err_buf *err)
{
	const struct log_tail *tail = &store->tail;

	if (applied > tail->last_index) {
		return err_set(err, ERR_CORRUPT,
		    "%s: the state has applied entry %llu, the log ends at "
		    "%llu",
		    dir, (unsigned long long)applied,
		    (unsigned long long)tail->last_index);
	}
	if (applied < tail->snapshot_index) {
		/* A node beside may have gone on between our looks. */
		return err_set(err, store->read_only ? ERR_AGAIN : ERR_CORRUPT,
		    "%s: the state has applied entry %llu, the snapshot is "
		    "at %llu",
		    dir, (unsigned long long)applied,
		    (unsigned long long)tail->snapshot_index);
	}
	return ERR_OK;
}

/* Step 6. */
static int
check_end(struct store *store, const char *dir, struct err_buf *err)
{
	struct kv_position position;
	MDB_txn *txn;
	int code;

	code = state_position(store, &position);
	if (code == ERR_OK) {
		code = store_reader_begin(store, &txn);
	}
	if (code != ERR_OK) {
		return opened_badly(store, dir, code, err);
	}
	store->frozen = txn;
	if (!store->read_only) {
		code = store_load_tail(store, txn, &store->tail);
		store->stored = store->tail;
	}
	if (code == ERR_OK &&
	    position.applied_index <= store->tail.last_index) {
		code = check_entries(store, position.applied_index);
	}
	store->frozen = NULL;
	store_reader_end(store, txn);
	if (code != ERR_OK) {
		return opened_badly(store, dir, code, err);
	}
	return check_position(store, position.applied_index, dir, err);
}

struct store *
store_new(const char *dir, const struct store_options *options)
{
	struct store *store = calloc(1, sizeof(*store));
	pthread_mutexattr_t recursive;

	if (store == NULL) {
		return NULL;
	}
	store->dir = strdup(dir);
	if (store->dir == NULL) {
		free(store);
		return NULL;
	}
	store->options = *options;
	store->read_only = options->read_only;
	env_shared_init(&store->shared);
	/* The callback of store_read() may ask for more. */
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&store->tail_lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	pthread_mutex_init(&store->reader_lock, NULL);
	pthread_mutex_init(&store->contents_lock, NULL);
	return store;
}

static int
open_once(struct store **result, const char *dir,
    const struct store_identity *expect, const struct store_options *options,
    struct err_buf *err)
{
	struct store *store = store_new(dir, options);
	int code;

	if (store == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	code = open_log(store, dir, options, err);
	if (code == ERR_OK) {
		code = check_identity(store, expect, dir, err);
	}
	if (code == ERR_OK) {
		code = journal_file_open(&store->journal_file,
		    &store->journal, &store->shared, store->dir,
		    &store->identity, options->durability, store->read_only,
		    err);
	}
	if (code == ERR_OK) {
		code = open_state(store, err);
	}
	if (code == ERR_OK) {
		code = make_durable(store, dir, options, err);
	}
	if (code == ERR_OK) {
		code = check_end(store, dir, err);
	}
	if (code != ERR_OK) {
		store_close(store);
		return code;
	}
	*result = store;
	return ERR_OK;
}

int
store_open(struct store **result, const char *node_dir,
    const struct store_identity *expect, const struct store_options *options,
    struct err_buf *err)
{
	struct stat st;
	char dir[4096];
	int code = ERR_AGAIN, i;

	*result = NULL;
	if (snprintf(dir, sizeof(dir), "%s/%s", node_dir, LAYOUT_DIRECTORY) >=
	    (int)sizeof(dir)) {
		return err_set(
		    err, ERR_TOO_LARGE, "%s: name too long", node_dir);
	}
	if (stat(dir, &st) == -1) {
		return errno == ENOENT
		           ? err_set(err, ERR_NOT_FOUND, "%s: no store", dir)
		           : err_set_errno(err, "%s", dir);
	}
	for (i = 0; i < OPEN_TRIES && code == ERR_AGAIN; i++) {
		code = open_once(result, dir, expect, options, err);
	}
	/* That often in a row is no coincidence. */
	return code == ERR_AGAIN ? ERR_CORRUPT : code;
}

void
store_close(struct store *store)
{
	if (store == NULL) {
		return;
	}
	if (store->log_open && env_is_foreign(&store->log)) {
		return; /* after a fork: the parent's */
	}
	assert(store->state_user == NULL);
	if (store->batch) {
		store_abort(store);
	}
	journal_file_close(&store->journal_file, &store->journal);
	store_readers_close(store);
	contents_close(store);
	if (store->log_open) {
		env_close(&store->log);
	}
	pthread_mutex_destroy(&store->contents_lock);
	pthread_mutex_destroy(&store->reader_lock);
	pthread_mutex_destroy(&store->tail_lock);
	env_shared_fini(&store->shared);
	free(store->dir);
	free(store);
}

/* ------------------------------------------------------------ small ones */

bool
store_names(struct store *store, const char *state_name)
{
	bool same;

	pthread_mutex_lock(&store->tail_lock);
	same = strcmp(store->tail.state_name, state_name) == 0;
	pthread_mutex_unlock(&store->tail_lock);
	return same;
}

const struct store_identity *
store_identity(const struct store *store)
{
	return &store->identity;
}

uint64_t
store_run(const struct store *store)
{
	return atomic_load(&store->run);
}

const char *
store_latched(const struct store *store)
{
	return env_latched(&store->shared) != 0 ? store->shared.text : NULL;
}

int
store_sync_state(struct store *store)
{
	struct contents *contents = contents_get(store);
	int code = env_sync(&contents->env);

	contents_put(store, contents);
	return code;
}

int
store_sync(struct store *store)
{
	/* The journal first: on the disk it must never be ahead of what the
	 * log environment covers by more than one lap. */
	int code = store->journal.synced
	               ? ERR_OK
	               : journal_file_sync(
			     &store->journal_file, &store->journal);

	CRASH_POINT("sync: journal synced");
	if (code == ERR_OK) {
		code = env_sync(&store->log);
	}
	return code == ERR_OK ? store_sync_state(store) : code;
}

void
store_figures(struct store *store, struct store_figures *figures)
{
	struct contents *contents = contents_get(store);

	figures->commits = atomic_load(&store->shared.commits);
	figures->syncs = atomic_load(&store->shared.syncs);
	figures->entries = atomic_load(&store->entry_count);
	figures->bytes = atomic_load(&store->byte_count);
	figures->sync_ns_max = atomic_load(&store->shared.sync_ns_max);
	figures->log_used = env_used(&store->log);
	figures->state_used = env_used(&contents->env);
	pthread_mutex_lock(&store->tail_lock);
	figures->log_size = store->tail.size;
	pthread_mutex_unlock(&store->tail_lock);
	contents_put(store, contents);
}
