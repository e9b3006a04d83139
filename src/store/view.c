/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a frozen state as a stream.
 *
 * The first walk counts: the exact size, the sum over all records, and every
 * MARK_SIZE bytes a mark, from which a read at an earlier offset begins.
 *
 *	| head | record | record | record | record | record | ...
 *	       ^ mark                     ^ mark
 *	                  ^ at: the record under the cursor
 *
 * Chunks are asked for in order, but for what was lost: then the reader goes
 * back to a mark.  Each record's checksum is verified when the cursor comes
 * to it, so that damage stays where it is.
 */
#include "store/view.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "store/snapshot.h"
#include "store/state.h"
#include "store/store_internal.h"
#include "store/stream.h"

#define MARK_SIZE (256u << 10)

struct mark {
	uint64_t offset; /* where the record begins */
	enum kv_space space;
	uint16_t key_size;
	uint8_t key[KV_KEY_SIZE_MAX];
};

struct view {
	struct store *store;
	struct contents *contents; /* in use */
	struct state *state;
	uint64_t used_at_open;
	uint8_t chain[RAFT_CHAIN_SIZE];
	struct stream_head head;
	struct mark *marks;
	size_t mark_count, mark_capacity;

	/* The record under the cursor. */
	MDB_cursor *cursor;
	enum kv_space space;
	uint64_t offset, end;
	struct stream_record record;
	const uint8_t *key, *value;
};

/* ---------------------------------------------------------------- walking */

static int
set_record(struct view *view, const MDB_val *key, const MDB_val *value)
{
	struct stream_record *record = &view->record;

	if (value->mv_size < sizeof(record->checksum) || key->mv_size < 1 ||
	    key->mv_size > KV_KEY_SIZE_MAX ||
	    value->mv_size > STREAM_VALUE_SIZE_MAX) {
		return env_latch(view->contents->env.shared, ERR_CORRUPT,
		    "%s: space %d: a record of a wrong size",
		    view->contents->env.name, (int)view->space);
	}
	memset(record, 0, sizeof(*record));
	memcpy(&record->checksum, value->mv_data, sizeof(record->checksum));
	record->value_size =
	    (uint32_t)(value->mv_size - sizeof(record->checksum));
	record->key_size = (uint16_t)key->mv_size;
	record->space = (uint8_t)view->space;
	view->key = key->mv_data;
	view->value =
	    (const uint8_t *)value->mv_data + sizeof(record->checksum);
	view->end = view->offset + sizeof(*record) + record->key_size +
	            record->value_size;
	return ERR_OK;
}

/* The first record of this space or a later one; ERR_NOT_FOUND: the end. */
static int
enter_space(struct view *view, enum kv_space space, const struct mark *mark)
{
	MDB_val key = { 0, NULL }, value;
	int rc;

	for (; space < KV_SPACE_COUNT; space++, mark = NULL) {
		if (view->cursor != NULL) {
			mdb_cursor_close(view->cursor);
			view->cursor = NULL;
		}
		view->space = space;
		rc = mdb_cursor_open(state_txn(view->state),
		    view->contents->spaces[space], &view->cursor);
		if (rc == 0 && mark != NULL) {
			key.mv_size = mark->key_size;
			key.mv_data = (void *)(uintptr_t)mark->key;
			rc = mdb_cursor_get(
			    view->cursor, &key, &value, MDB_SET_KEY);
		} else if (rc == 0) {
			rc = mdb_cursor_get(
			    view->cursor, &key, &value, MDB_FIRST);
		}
		if (rc == 0) {
			return set_record(view, &key, &value);
		} else if (rc != MDB_NOTFOUND || mark != NULL) {
			return env_error(&view->contents->env, rc, "viewing");
		}
	}
	return ERR_NOT_FOUND;
}

/* To the beginning (mark NULL) or to a mark. */
static int
go_to(struct view *view, const struct mark *mark)
{
	view->offset =
	    mark == NULL ? sizeof(struct stream_head) : mark->offset;
	return enter_space(view, mark == NULL ? KV_DATA : mark->space, mark);
}

static int
go_on(struct view *view)
{
	MDB_val key, value;
	int rc;

	view->offset = view->end;
	rc = mdb_cursor_get(view->cursor, &key, &value, MDB_NEXT);
	if (rc == 0) {
		return set_record(view, &key, &value);
	} else if (rc != MDB_NOTFOUND) {
		return env_error(&view->contents->env, rc, "viewing");
	}
	return enter_space(view, view->space + 1, NULL);
}

static int
add_mark(struct view *view)
{
	size_t capacity;
	struct mark *mark;

	if (view->mark_count == view->mark_capacity) {
		capacity =
		    view->mark_capacity == 0 ? 16 : 2 * view->mark_capacity;
		mark = reallocarray(view->marks, capacity, sizeof(*mark));
		if (mark == NULL) {
			return ERR_NOMEM;
		}
		view->marks = mark;
		view->mark_capacity = capacity;
	}
	mark = &view->marks[view->mark_count++];
	mark->offset = view->offset;
	mark->space = view->space;
	mark->key_size = view->record.key_size;
	memcpy(mark->key, view->key, mark->key_size);
	return ERR_OK;
}

static int
count_all(struct view *view)
{
	struct stream_head *head = &view->head;
	uint64_t marked = sizeof(*head);
	int code;

	for (code = go_to(view, NULL); code == ERR_OK; code = go_on(view)) {
		head->record_count++;
		head->sum = stream_sum(head->sum, &view->record);
		if (view->offset >= marked + MARK_SIZE) {
			marked = view->offset;
			(void)sched_yield();
			code = add_mark(view);
			if (code != ERR_OK) {
				return code;
			}
		}
	}
	head->total = view->offset;
	/* Before all records: the first read goes where it has to. */
	view->offset = UINT64_MAX;
	return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* ---------------------------------------------------------------- the face */

static int
open_all(struct view *view)
{
	struct kv_position position;
	uint32_t chain;
	int code;

	code = state_open_frozen(&view->state, view->store, view->contents);
	if (code == ERR_OK) {
		code = kv_position_read(state_table(view->state), &position);
	}
	if (code != ERR_OK) {
		return code;
	}
	view->used_at_open = env_used(&view->contents->env);
	code = store_chain(view->store, position.applied_index, &chain);
	if (code != ERR_OK) {
		return code == ERR_NOT_FOUND ? ERR_AGAIN : code;
	}
	store_chain_encode(view->chain, chain, position.digest);
	view->head.magic = STREAM_MAGIC;
	view->head.version = STREAM_VERSION;
	view->head.index = position.applied_index;
	view->head.digest = position.digest;
	code = count_all(view);
	stream_seal(&view->head);
	return code;
}

int
view_open(struct view **result, struct store *store, struct err_buf *err)
{
	struct view *view = calloc(1, sizeof(*view));
	int code;

	*result = NULL;
	if (view == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	view->store = store;
	view->contents = contents_get(store);
	code = open_all(view);
	if (code != ERR_OK) {
		view_close(view);
		return err_set(err, code, "opening a view: %s",
		    store_latched(store) != NULL ? store_latched(store)
						 : err_text(code));
	}
	*result = view;
	return ERR_OK;
}

void
view_close(struct view *view)
{
	if (view == NULL || env_is_foreign(&view->contents->env)) {
		return;
	}
	if (view->cursor != NULL) {
		mdb_cursor_close(view->cursor);
	}
	state_close_frozen(view->state);
	contents_put(view->store, view->contents);
	free(view->marks);
	free(view);
}

uint64_t
view_index(const struct view *view)
{
	return view->head.index;
}

uint64_t
view_size(const struct view *view)
{
	return view->head.total;
}

const uint8_t *
view_chain(const struct view *view)
{
	return view->chain;
}

uint64_t
view_growth(const struct view *view)
{
	uint64_t used = env_used(&view->contents->env);

	return used > view->used_at_open ? used - view->used_at_open : 0;
}

static int
verify_record(const struct view *view)
{
	struct kv_slice key = { view->key, view->record.key_size };

	if (record_value_checksum(view->space, key, view->value,
		view->record.value_size) == view->record.checksum) {
		return ERR_OK;
	}
	return env_latch(view->contents->env.shared, ERR_CORRUPT,
	    "%s: space %d: a record does not match its checksum",
	    view->contents->env.name, (int)view->space);
}

/* The last mark at or before offset; NULL: none. */
static const struct mark *
mark_before(const struct view *view, uint64_t offset)
{
	size_t low = 0, high = view->mark_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (view->marks[middle].offset <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low == 0 ? NULL : &view->marks[low - 1];
}

/* The record that holds the byte at offset comes under the cursor. */
static int
seek(struct view *view, uint64_t offset)
{
	const struct mark *mark = mark_before(view, offset);
	bool moved = false;
	int code = ERR_OK;

	if (offset < view->offset ||
	    (mark != NULL && mark->offset > view->offset)) {
		code = go_to(view, mark);
		moved = true;
	}
	while (code == ERR_OK && view->end <= offset) {
		code = go_on(view);
		moved = true;
	}
	if (code == ERR_OK && moved) {
		code = verify_record(view);
	}
	/* All records were counted: the end cannot be met. */
	return code == ERR_NOT_FOUND ? ERR_INTERNAL : code;
}

/* Copies what [begin, begin + size) and [offset, offset + left) share. */
static void
copy_part(uint64_t begin, const void *part, size_t size, uint64_t offset,
    uint8_t *data, size_t left)
{
	uint64_t first = begin > offset ? begin : offset;
	uint64_t end = begin + size < offset + left ? begin + size
	                                            : offset + left;

	if (first < end) {
		memcpy(data + (first - offset),
		    (const uint8_t *)part + (first - begin), end - first);
	}
}

int
view_read(struct view *view, uint64_t offset, void *data, size_t size)
{
	uint8_t *to = data;
	uint64_t at;
	size_t step;
	int code;

	assert(offset + size <= view->head.total);
	copy_part(0, &view->head, sizeof(view->head), offset, to, size);
	if (offset < sizeof(view->head)) {
		step = sizeof(view->head) - offset;
		step = step < size ? step : size;
		offset += step;
		to += step;
		size -= step;
	}
	while (size > 0) {
		code = seek(view, offset);
		if (code != ERR_OK) {
			return code;
		}
		at = view->offset;
		copy_part(at, &view->record, sizeof(view->record), offset, to,
		    size);
		at += sizeof(view->record);
		copy_part(at, view->key, view->record.key_size, offset, to,
		    size);
		at += view->record.key_size;
		copy_part(at, view->value, view->record.value_size, offset, to,
		    size);
		step = view->end - offset < size ? view->end - offset : size;
		offset += step;
		to += step;
		size -= step;
	}
	return ERR_OK;
}
