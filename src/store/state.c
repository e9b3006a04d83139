/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kv's table on the state environment.
 *
 * One write transaction is open from a checkpoint to the next; what it holds
 * in memory, and the room that it needs, is the matter of state_room.c.
 *
 * The users' records pass through recent.h: what is changed there is written
 * to the tree in the order of the keys, which touches each page once, before
 * a checkpoint commits, and when the room there ends.  Who seeks is shown the
 * tree and them as one.
 */
#include "store/state.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "store/recent.h"
#include "store/state_internal.h"
#include "store/store_internal.h"

#define WRITE_PAGES_MAX 3 /* of one: a leaf, split, and a last overflow page */
/* In percent: so full, recent records are forgotten after a checkpoint. */
#define RECENT_FILL_KEPT 50
#define REST_PAGES	 512 /* kept: worth to be given back */
#define PASSED_MAX	 1024 /* deleted ones, before some are written */
#define PASSED_TIMES	 4    /* so many for each that is written */
#define WALK_SIZE	 (64u << 10) /* in a turn */

/* ------------------------------------------------------------- the table */

/* Who walks a whole state, slowly, lets others have the processor. */
static void
make_way(struct state *state, const MDB_val *value)
{
	state->walked += value->mv_size;
	if (state->read_only && state->walked >= WALK_SIZE) {
		state->walked = 0;
		(void)sched_yield();
	}
}

/* A value as it lies in a tree, behind its checksum. */
static int
verified(struct state *state, enum kv_space space, struct kv_slice key,
    const MDB_val *v, struct kv_slice *value)
{
	uint32_t checksum;

	if (v->mv_size >= sizeof(checksum)) {
		memcpy(&checksum, v->mv_data, sizeof(checksum));
		value->data = (const uint8_t *)v->mv_data + sizeof(checksum);
		value->size = v->mv_size - sizeof(checksum);
		if (checksum == record_value_checksum(
				    space, key, value->data, value->size)) {
			return ERR_OK;
		}
	}
	return env_latch(state->contents->env.shared, ERR_CORRUPT,
	    "%s: space %d: a record does not match its checksum",
	    state->contents->env.name, (int)space);
}

static int
tree_get(struct state *state, enum kv_space space, struct kv_slice key,
    struct kv_slice *value)
{
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	MDB_val v;
	int rc;

	rc = mdb_get(state->txn, state->contents->spaces[space], &k, &v);
	if (rc == MDB_NOTFOUND) {
		return ERR_NOT_FOUND;
	} else if (rc != 0) {
		return env_error(&state->contents->env, rc, "reading");
	}
	return verified(state, space, key, &v, value);
}

/* Counts what was written, and puts the record where LMDB has made room. */
static void
put_record(struct state *state, enum kv_space space, struct kv_slice key,
    struct kv_slice value, MDB_val *v)
{
	struct change *change = &state->changes[space];
	uint32_t checksum =
	    record_value_checksum(space, key, value.data, value.size);
	uint64_t size = env_record_size(key.size, v->mv_size);

	memcpy(v->mv_data, &checksum, sizeof(checksum));
	if (value.size > 0) {
		memcpy((uint8_t *)v->mv_data + sizeof(checksum), value.data,
		    value.size);
	}
	change->writes++;
	change->overflow_pages += size >= 4096 ? size / 4096 : 0;
}

static int
tree_put(struct state *state, enum kv_space space, struct kv_slice key,
    struct kv_slice value)
{
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	MDB_val v = { value.size + sizeof(uint32_t), NULL };
	int rc;

	rc = mdb_put(
	    state->txn, state->contents->spaces[space], &k, &v, MDB_RESERVE);
	if (rc != 0) {
		return env_error(&state->contents->env, rc, "writing");
	}
	put_record(state, space, key, value, &v);
	return ERR_OK;
}

static int
tree_del(struct state *state, enum kv_space space, struct kv_slice key)
{
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	int rc;

	rc = mdb_del(state->txn, state->contents->spaces[space], &k, NULL);
	if (rc == MDB_NOTFOUND) {
		return ERR_NOT_FOUND;
	} else if (rc != 0) {
		return env_error(&state->contents->env, rc, "deleting");
	}
	state->changes[space].writes++;
	return ERR_OK;
}

/* ---------------------------------------------------- recent records */

/* The walk of write_recent(): the cursor goes from page to page. */
struct writing {
	struct state *state;
	MDB_cursor *cursor;
};

static int
write_one(void *arg, struct kv_slice key, const struct kv_slice *value)
{
	struct writing *writing = arg;
	struct state *state = writing->state;
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	MDB_val v;
	int rc;

	if (value == NULL) {
		rc = tree_del(state, KV_DATA, key);
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	}
	v.mv_size = value->size + sizeof(uint32_t);
	v.mv_data = NULL;
	rc = mdb_cursor_put(writing->cursor, &k, &v, MDB_RESERVE);
	if (rc != 0) {
		return env_error(&state->contents->env, rc, "writing");
	}
	put_record(state, KV_DATA, key, *value, &v);
	return ERR_OK;
}

/* What has changed goes to the tree, so many records at most. */
static int
write_recent(struct state *state, uint64_t count_max)
{
	struct writing writing = { .state = state };
	int rc;

	if (state->failed != ERR_OK) {
		return state->failed;
	}
	if (state->recent == NULL ||
	    recent_changes(state->recent).count == 0) {
		return ERR_OK;
	}
	rc = mdb_cursor_open(
	    state->txn, state->contents->spaces[KV_DATA], &writing.cursor);
	if (rc != 0) {
		rc = env_error(&state->contents->env, rc, "writing");
	} else {
		rc = recent_write(
		    state->recent, count_max, write_one, &writing);
		mdb_cursor_close(writing.cursor);
	}
	/* Some is written and some is not: nothing of it may be committed. */
	state->failed = rc;
	return rc;
}

static int
recent_table_get(struct state *state, struct kv_slice key,
    struct kv_slice *value, uint64_t *hash)
{
	int code;

	switch (recent_get(state->recent, key, value, hash)) {
	case RECENT_PRESENT:
		return ERR_OK;
	case RECENT_ABSENT:
		return ERR_NOT_FOUND;
	default:
		break;
	}
	code = tree_get(state, KV_DATA, key, value);
	if (code == ERR_OK || code == ERR_NOT_FOUND) {
		recent_keep(
		    state->recent, key, code == ERR_OK ? value : NULL);
	}
	return code;
}

static int
recent_table_put(struct state *state, struct kv_slice key,
    struct kv_slice value, uint64_t hash)
{
	int code;

	if (value.size > RECENT_VALUE_SIZE_MAX) {
		recent_forget(state->recent, key);
		return tree_put(state, KV_DATA, key, value);
	}
	if (recent_put(state->recent, key, value, hash)) {
		return ERR_OK;
	}
	code = write_recent(state, UINT64_MAX);
	if (code != ERR_OK) {
		return code;
	}
	recent_clear(state->recent, false);
	code = recent_put(state->recent, key, value, hash) ? ERR_OK
							   : ERR_INTERNAL;
	assert(code == ERR_OK);
	return code;
}

static int
recent_table_del(struct state *state, struct kv_slice key)
{
	struct kv_slice value;
	uint64_t hash;

	switch (recent_get(state->recent, key, &value, &hash)) {
	case RECENT_PRESENT:
		recent_del(state->recent, key);
		return ERR_OK;
	case RECENT_ABSENT:
		return ERR_NOT_FOUND;
	default:
		return tree_del(state, KV_DATA, key);
	}
}

/* ------------------------------------------------------------- the table */

static bool
is_recent(const struct state *state, enum kv_space space)
{
	return space == KV_DATA && state->recent != NULL;
}

static int
table_get(
    void *arg, enum kv_space space, struct kv_slice key, struct kv_slice *value)
{
	struct state *state = arg;
	uint64_t hash;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	if (state->txn == NULL) {
		return ERR_IO;
	}
	return is_recent(state, space)
	           ? recent_table_get(state, key, value, &hash)
	           : tree_get(state, space, key, value);
}

/* May the transaction be written to? */
static int
check_write(const struct state *state, struct kv_slice key)
{
	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	assert(!state->read_only);
	return state->txn == NULL ? ERR_IO : state->failed;
}

static int
table_put(
    void *arg, enum kv_space space, struct kv_slice key, struct kv_slice value)
{
	struct state *state = arg;
	int code = check_write(state, key);

	if (code != ERR_OK) {
		return code;
	}
	state->pages_most += WRITE_PAGES_MAX + value.size / 4096;
	return is_recent(state, space) ? recent_table_put(state, key, value, 0)
				       : tree_put(state, space, key, value);
}

static int
table_get_hashed(
    void *arg, struct kv_slice key, struct kv_slice *value, uint64_t *hash)
{
	struct state *state = arg;

	return state->txn == NULL ? ERR_IO
				  : recent_table_get(state, key, value, hash);
}

static int
table_put_hashed(
    void *arg, struct kv_slice key, struct kv_slice value, uint64_t hash)
{
	struct state *state = arg;
	int code = check_write(state, key);

	state->pages_most += WRITE_PAGES_MAX + value.size / 4096;
	return code != ERR_OK ? code
			      : recent_table_put(state, key, value, hash);
}

static int
table_del(void *arg, enum kv_space space, struct kv_slice key)
{
	struct state *state = arg;
	int code = check_write(state, key);

	if (code != ERR_OK) {
		return code;
	}
	state->pages_most += WRITE_PAGES_MAX;
	return is_recent(state, space) ? recent_table_del(state, key)
				       : tree_del(state, space, key);
}

static uint64_t
table_expect(void *arg, struct kv_slice key)
{
	return recent_fetch(((const struct state *)arg)->recent, key);
}

static void
table_expect_there(void *arg, uint64_t place)
{
	recent_fetch_there(((const struct state *)arg)->recent, place);
}

/* Moves to the record wanted; LMDB's code. */
static int
seek(MDB_cursor *cursor, struct kv_slice from, bool after, MDB_val *key,
    MDB_val *value)
{
	int rc;

	if (from.size == 0) {
		return mdb_cursor_get(cursor, key, value, MDB_FIRST);
	}
	key->mv_size = from.size;
	key->mv_data = (void *)(uintptr_t)from.data;
	rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (rc == 0 && after && key->mv_size == from.size &&
	    memcmp(key->mv_data, from.data, from.size) == 0) {
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	}
	return rc;
}

/* What the tree has, and what is recent of it: deleted ones are passed. */
static int
seek_tree(struct state *state, MDB_cursor *cursor, enum kv_space space,
    struct kv_slice from, bool after, struct kv_slice *key,
    struct kv_slice *value)
{
	enum recent_state known = RECENT_ABSENT;
	uint64_t hash;
	MDB_val k, v;
	int rc = seek(cursor, from, after, &k, &v);

	while (rc == 0) {
		key->data = k.mv_data;
		key->size = k.mv_size;
		/* A key of another size is no record's, but damage. */
		known = is_recent(state, space) && key->size >= 1 &&
		                key->size <= KV_KEY_SIZE_MAX
		            ? recent_get(state->recent, *key, value, &hash)
		            : RECENT_UNKNOWN;
		if (known != RECENT_ABSENT) {
			break;
		}
		state->passed++;
		rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
	}
	if (rc == MDB_NOTFOUND) {
		return ERR_NOT_FOUND;
	} else if (rc != 0) {
		return env_error(&state->contents->env, rc, "seeking");
	}
	if (known == RECENT_PRESENT) {
		return ERR_OK;
	}
	make_way(state, &v);
	return verified(state, space, *key, &v, value);
}

/* Who takes the first again and again would pass all deleted before.  from
 * may lie in a page that is written to: it goes to the copy then. */
static int
write_passed(struct state *state, struct kv_slice *from, uint8_t *copy)
{
	uint64_t count = state->passed / PASSED_TIMES;

	if (state->failed != ERR_OK) {
		/* Some of it has been written, and is recent no more. */
		return state->failed;
	} else if (state->passed < PASSED_MAX || from->size == 0 ||
	           from->size > KV_KEY_SIZE_MAX) {
		return ERR_OK;
	}
	memcpy(copy, from->data, from->size);
	from->data = copy;
	state->passed = 0;
	return write_recent(state, count);
}

static int
table_seek(void *arg, enum kv_space space, struct kv_slice from, bool after,
    struct kv_slice *key, struct kv_slice *value)
{
	struct kv_slice recent_key, recent_value;
	uint8_t copy[KV_KEY_SIZE_MAX];
	struct state *state = arg;
	MDB_cursor *cursor;
	int rc;

	if (state->txn == NULL) {
		return ERR_IO;
	}
	rc = is_recent(state, space) ? write_passed(state, &from, copy)
				     : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	rc = mdb_cursor_open(
	    state->txn, state->contents->spaces[space], &cursor);
	if (rc != 0) {
		return env_error(&state->contents->env, rc, "seeking");
	}
	rc = seek_tree(state, cursor, space, from, after, key, value);
	mdb_cursor_close(cursor);
	if ((rc == ERR_OK || rc == ERR_NOT_FOUND) && is_recent(state, space) &&
	    recent_seek(
		state->recent, from, after, &recent_key, &recent_value) &&
	    (rc == ERR_NOT_FOUND || kv_slice_order(recent_key, *key) < 0)) {
		*key = recent_key;
		*value = recent_value;
		rc = ERR_OK;
	}
	return rc;
}

/* ---------------------------------------------------------- transactions */

static uint64_t
tree_pages(struct state *state, enum kv_space space)
{
	MDB_stat stat;

	if (mdb_stat(state->txn, state->contents->spaces[space], &stat) != 0) {
		return 0;
	}
	return stat.ms_branch_pages + stat.ms_leaf_pages;
}

/* What is not committed is forgotten. */
static void
drop(struct state *state)
{
	if (state->txn != NULL) {
		mdb_txn_abort(state->txn);
		state->txn = NULL;
	}
}

static int
begin(struct state *state)
{
	int code, space;

	code = env_begin(&state->contents->env, !state->read_only, &state->txn);
	if (code != ERR_OK) {
		return code;
	}
	memset(state->changes, 0, sizeof(state->changes));
	state->failed = ERR_OK;
	state->passed = 0;
	if (!state->read_only) {
		for (space = 0; space < KV_SPACE_COUNT; space++) {
			state->changes[space].pages_before =
			    tree_pages(state, (enum kv_space)space);
		}
		state->free_pages = env_free_pages(
		    &state->contents->env, &state->pending_pages);
	}
	return ERR_OK;
}

static void
state_init(struct state *state, struct store *store, struct contents *contents,
    bool read_only)
{
	memset(state, 0, sizeof(*state));
	state->store = store;
	state->contents = contents;
	state->read_only = read_only;
	state->table.get = table_get;
	state->table.put = table_put;
	state->table.del = table_del;
	state->table.seek = table_seek;
	state->table.arg = state;
}

int
state_open(struct state **result, struct store *store, struct err_buf *err)
{
	struct state *state;
	int code;

	*result = NULL;
	assert(store->state_user == NULL);
	state = malloc(sizeof(*state));
	if (state == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	state_init(state, store, contents_get(store), store->read_only);
	code = begin(state);
	if (code == ERR_OK && !state->read_only) {
		state->recent = recent_new();
		code = state->recent == NULL ? ERR_NOMEM : ERR_OK;
		state->table.get_hashed = table_get_hashed;
		state->table.put_hashed = table_put_hashed;
		state->table.expect = table_expect;
		state->table.expect_there = table_expect_there;
	}
	if (code != ERR_OK) {
		code = err_set(err, code, "%s: %s", state->contents->env.name,
		    store_latched(store) != NULL ? store_latched(store)
						 : err_text(code));
		drop(state);
		contents_put(store, state->contents);
		free(state);
		return code;
	}
	store->state_user = state;
	*result = state;
	return ERR_OK;
}

void
state_close(struct state *state)
{
	if (state == NULL || env_is_foreign(&state->contents->env)) {
		return;
	}
	drop(state);
	recent_free(state->recent);
	state->store->state_user = NULL;
	contents_put(state->store, state->contents);
	free(state);
}

const struct kv_table *
state_table(struct state *state)
{
	return &state->table;
}

/* Recent records are not those of the last checkpoint. */
static void
forget_recent(struct state *state)
{
	if (state->recent != NULL) {
		recent_clear(state->recent, false);
	}
}

uint64_t
state_waiting(const struct state *state)
{
	return state->recent == NULL ? 0 : recent_changes(state->recent).count;
}

int
state_prepare(struct state *state, uint64_t count, bool *is_ready)
{
	*is_ready = state_waiting(state) <= count;
	return *is_ready ? ERR_OK : write_recent(state, count);
}

int
state_checkpoint(struct state *state)
{
	MDB_txn *txn = state->txn;
	int code, begin_code;
	uint64_t dirty;

	assert(!state->read_only);
	code = env_latched(state->contents->env.shared);
	if (code != 0) {
		return code;
	}
	assert(txn != NULL);
	code = write_recent(state, UINT64_MAX);
	dirty = state_dirty(state);
	if (dirty > state->pages_kept) {
		state->pages_kept = dirty;
	}
	if (code != ERR_OK) {
		drop(state);
	} else {
		state->txn = NULL;
		code = env_commit(&state->contents->env, txn);
	}
	if (code != ERR_OK || (state->recent != NULL &&
	    recent_fill(state->recent) >= RECENT_FILL_KEPT)) {
		/* Or there would be no room for what the next one writes. */
		forget_recent(state);
	}
	begin_code = begin(state);
	return code != ERR_OK ? code : begin_code;
}

int
state_abort(struct state *state)
{
	assert(!state->read_only);
	if (env_is_foreign(&state->contents->env)) {
		return ERR_INTERNAL;
	}
	drop(state);
	forget_recent(state);
	return begin(state);
}

int
state_rest(struct state *state)
{
	int code = ERR_OK, begin_code;

	if (state->recent == NULL || state_dirty(state) > 0) {
		return ERR_OK;
	}
	recent_clear(state->recent, true);
	if (state->pages_kept >= REST_PAGES) {
		drop(state);
		code = contents_reopen(state->store, state->contents);
		state->pages_kept = code == ERR_OK ? 0 : state->pages_kept;
		begin_code = begin(state);
		code = code == ERR_BUSY || code == ERR_OK ? begin_code : code;
	}
	return code;
}

int
state_switch(struct state *state, struct receive *receive)
{
	struct store *store = state->store;

	assert(!state->read_only);
	assert(receive->named && receive->contents != NULL);
	drop(state);
	forget_recent(state);
	/* Its faults are the store's from now on. */
	receive->contents->env.shared = &store->shared;
	contents_put(store, state->contents);
	contents_replace(store, receive->contents);
	receive->contents = NULL;
	state->contents = contents_get(store);
	return begin(state);
}

/* ----------------------------------------------------- for the log's side */

static int
open_beside(struct state **result, struct store *store,
    struct contents *contents, bool read_only)
{
	struct state *state = malloc(sizeof(*state));
	int code;

	*result = NULL;
	if (state == NULL) {
		return ERR_NOMEM;
	}
	state_init(state, store, contents, read_only);
	code = begin(state);
	if (code != ERR_OK) {
		free(state);
		return code;
	}
	*result = state;
	return ERR_OK;
}

int
state_open_frozen(
    struct state **result, struct store *store, struct contents *contents)
{
	return open_beside(result, store, contents, true);
}

int
state_open_alone(
    struct state **result, struct store *store, struct contents *contents)
{
	return open_beside(result, store, contents, false);
}

void
state_close_frozen(struct state *state)
{
	if (state != NULL) {
		mdb_txn_abort(state->txn);
		free(state);
	}
}

MDB_txn *
state_txn(struct state *state)
{
	return state->txn;
}

int
state_position(struct store *store, struct kv_position *position)
{
	struct contents *contents = contents_get(store);
	struct state *state;
	int code;

	code = state_open_frozen(&state, store, contents);
	if (code == ERR_OK) {
		code = kv_position_read(&state->table, position);
		state_close_frozen(state);
	}
	contents_put(store, contents);
	return code;
}
