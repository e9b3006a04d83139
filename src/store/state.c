/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kv's table on the state environment.
 *
 * One write transaction is open from a checkpoint to the next.  LMDB keeps
 * the pages that it has changed in memory until then, at most 131,071 of
 * them, and does not tell how many: `struct change` estimates it from what
 * was written and from the sizes of the trees.
 *
 *	a write may dirty	one leaf, its way up, overflow pages of its own
 *	never more than		the tree has pages, and those it gave back
 */
#include "store/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

#define PAGES_SLACK 32 /* roots, the free list */

/* What the open transaction did to one space. */
struct change {
	uint64_t writes;         /* puts and deletions */
	uint64_t overflow_pages; /* written for large values */
	uint64_t pages_before;   /* of the tree, at the beginning */
};

struct state {
	struct store *store;
	struct contents *contents; /* in use */
	MDB_txn *txn;
	bool read_only;
	struct kv_table table;
	struct change changes[KV_SPACE_COUNT];
	uint64_t free_pages; /* at the beginning */
	uint64_t pending_pages;
};

/* ------------------------------------------------------------- the table */

static int
table_get(
    void *arg, enum kv_space space, struct kv_slice key, struct kv_slice *value)
{
	struct state *state = arg;
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	MDB_val v;
	uint32_t checksum;
	int rc;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	if (state->txn == NULL) {
		return ERR_IO;
	}
	rc = mdb_get(state->txn, state->contents->spaces[space], &k, &v);
	if (rc == MDB_NOTFOUND) {
		return ERR_NOT_FOUND;
	} else if (rc != 0) {
		return env_error(&state->contents->env, rc, "reading");
	}
	if (v.mv_size >= sizeof(checksum)) {
		memcpy(&checksum, v.mv_data, sizeof(checksum));
		value->data = (const uint8_t *)v.mv_data + sizeof(checksum);
		value->size = v.mv_size - sizeof(checksum);
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
table_put(
    void *arg, enum kv_space space, struct kv_slice key, struct kv_slice value)
{
	struct state *state = arg;
	struct change *change = &state->changes[space];
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	MDB_val v = { value.size + sizeof(uint32_t), NULL };
	uint32_t checksum;
	uint64_t size;
	int rc;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	assert(!state->read_only);
	if (state->txn == NULL) {
		return ERR_IO;
	}
	checksum = record_value_checksum(space, key, value.data, value.size);
	rc = mdb_put(
	    state->txn, state->contents->spaces[space], &k, &v, MDB_RESERVE);
	if (rc != 0) {
		return env_error(&state->contents->env, rc, "writing");
	}
	memcpy(v.mv_data, &checksum, sizeof(checksum));
	if (value.size > 0) {
		memcpy((uint8_t *)v.mv_data + sizeof(checksum), value.data,
		    value.size);
	}
	size = env_record_size(key.size, v.mv_size);
	change->writes++;
	change->overflow_pages += size >= 4096 ? size / 4096 : 0;
	return ERR_OK;
}

static int
table_del(void *arg, enum kv_space space, struct kv_slice key)
{
	struct state *state = arg;
	MDB_val k = { key.size, (void *)(uintptr_t)key.data };
	int rc;

	assert(key.size >= 1 && key.size <= KV_KEY_SIZE_MAX);
	assert(!state->read_only);
	if (state->txn == NULL) {
		return ERR_IO;
	}
	rc = mdb_del(state->txn, state->contents->spaces[space], &k, NULL);
	if (rc == MDB_NOTFOUND) {
		return ERR_NOT_FOUND;
	} else if (rc != 0) {
		return env_error(&state->contents->env, rc, "deleting");
	}
	state->changes[space].writes++;
	return ERR_OK;
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

static int
table_seek(void *arg, enum kv_space space, struct kv_slice from, bool after,
    struct kv_slice *key, struct kv_slice *value)
{
	struct state *state = arg;
	MDB_cursor *cursor;
	MDB_val k, v;
	uint32_t checksum;
	int rc;

	if (state->txn == NULL) {
		return ERR_IO;
	}
	rc = mdb_cursor_open(
	    state->txn, state->contents->spaces[space], &cursor);
	if (rc != 0) {
		return env_error(&state->contents->env, rc, "seeking");
	}
	rc = seek(cursor, from, after, &k, &v);
	mdb_cursor_close(cursor);
	if (rc == MDB_NOTFOUND) {
		return ERR_NOT_FOUND;
	} else if (rc != 0) {
		return env_error(&state->contents->env, rc, "seeking");
	}
	key->data = k.mv_data;
	key->size = k.mv_size;
	if (v.mv_size >= sizeof(checksum)) {
		memcpy(&checksum, v.mv_data, sizeof(checksum));
		value->data = (const uint8_t *)v.mv_data + sizeof(checksum);
		value->size = v.mv_size - sizeof(checksum);
		if (checksum == record_value_checksum(
				    space, *key, value->data, value->size)) {
			return ERR_OK;
		}
	}
	return env_latch(state->contents->env.shared, ERR_CORRUPT,
	    "%s: space %d: a record does not match its checksum",
	    state->contents->env.name, (int)space);
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

static int
begin(struct state *state)
{
	int code, space;

	code = env_begin(&state->contents->env, !state->read_only, &state->txn);
	if (code != ERR_OK) {
		return code;
	}
	memset(state->changes, 0, sizeof(state->changes));
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
	if (code != ERR_OK) {
		code = err_set(err, code, "%s: %s", state->contents->env.name,
		    store_latched(store) != NULL ? store_latched(store)
						 : err_text(code));
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
	if (state->txn != NULL) {
		mdb_txn_abort(state->txn);
	}
	state->store->state_user = NULL;
	contents_put(state->store, state->contents);
	free(state);
}

const struct kv_table *
state_table(struct state *state)
{
	return &state->table;
}

int
state_checkpoint(struct state *state)
{
	MDB_txn *txn = state->txn;
	int code, begin_code;

	assert(!state->read_only);
	code = env_latched(state->contents->env.shared);
	if (code != 0) {
		return code;
	}
	assert(txn != NULL);
	state->txn = NULL;
	code = env_commit(&state->contents->env, txn);
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
	if (state->txn != NULL) {
		mdb_txn_abort(state->txn);
		state->txn = NULL;
	}
	return begin(state);
}

int
state_switch(struct state *state, struct receive *receive)
{
	struct store *store = state->store;

	assert(!state->read_only);
	assert(receive->named && receive->contents != NULL);
	if (state->txn != NULL) {
		mdb_txn_abort(state->txn);
		state->txn = NULL;
	}
	/* Its faults are the store's from now on. */
	receive->contents->env.shared = &store->shared;
	contents_put(store, state->contents);
	contents_replace(store, receive->contents);
	receive->contents = NULL;
	state->contents = contents_get(store);
	return begin(state);
}

/* ------------------------------------------------------------------ room */

uint64_t
state_dirty(const struct state *state)
{
	const struct change *change;
	uint64_t pages = 0, space_pages, tree;
	MDB_stat stat;
	int space;

	if (state->txn == NULL || state->read_only) {
		return 0;
	}
	for (space = 0; space < KV_SPACE_COUNT; space++) {
		change = &state->changes[space];
		if (change->writes == 0) {
			continue;
		}
		if (mdb_stat(state->txn, state->contents->spaces[space],
			&stat) != 0) {
			continue;
		}
		tree = stat.ms_branch_pages + stat.ms_leaf_pages;
		if (tree < change->pages_before) {
			tree = change->pages_before;
		}
		space_pages = change->writes + stat.ms_branch_pages;
		if (space_pages > tree) {
			space_pages = tree;
		}
		pages += space_pages + change->overflow_pages;
	}
	return pages;
}

uint64_t
state_free(const struct state *state)
{
	return state->free_pages;
}

uint64_t
state_file_used(const struct state *state)
{
	const struct env *env = &state->contents->env;
	MDB_envinfo info;

	mdb_env_info(env->mdb, &info);
	return (info.me_last_pgno + 1) * env->page_size;
}

uint64_t
state_pending(const struct state *state)
{
	return state->pending_pages;
}

enum store_room
store_state_room(struct store *store, uint64_t dirty_pages,
    uint64_t free_pages, uint64_t bytes, uint64_t entry_count)
{
	struct contents *contents;
	enum store_room room;
	uint64_t size;

	if (env_latched(&store->shared) != 0) {
		return STORE_ROOM_OUT;
	}
	contents = contents_get(store);
	/* Value, answer and session, each perhaps on pages of its own. */
	size = (dirty_pages + entry_count + PAGES_SLACK) *
	           contents->env.page_size +
	       2 * bytes;
	room = env_room(&contents->env, size, free_pages);
	contents_put(store, contents);
	return room;
}

enum store_room
state_room(struct state *state, uint64_t bytes)
{
	return store_state_room(
	    state->store, state_dirty(state), state->free_pages, bytes, 0);
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
