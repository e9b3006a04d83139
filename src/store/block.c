/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several entries of the log in one record of LMDB's: a block.
 *
 *	key: index of the first one
 *	| layout_block | layout_entry, data | layout_entry, data | ... |
 *
 * An entry in it is what it would be alone, checksum and chain included; the
 * head says how many there are, so that one cut short between two of them
 * is seen.  A block takes up to a page of LMDB's own and no entry of another
 * batch: what is written is not touched again, but for a truncation.
 *
 * The open transaction gathers the block that it writes next in memory.
 * Whoever looks at the log in it calls store_settle() before.
 */
#include <assert.h>
#include <string.h>

#include "store/store_internal.h"

/* ----------------------------------------------------------------- reading */

const char *
block_open(struct block_walk *walk, const MDB_val *key, const MDB_val *value)
{
	struct layout_block head;

	memset(walk, 0, sizeof(*walk));
	if (key->mv_size != sizeof(walk->index)) {
		return "a key of another size";
	}
	memcpy(&walk->index, key->mv_data, sizeof(walk->index));
	if (value->mv_size < sizeof(head)) {
		return "the block is too short";
	}
	memcpy(&head, value->mv_data, sizeof(head));
	if (head.checksum != record_block_checksum(walk->index, &head)) {
		return "the block does not match its checksum";
	}
	if (head.count == 0 || head.size != value->mv_size) {
		return "the block has another size than it says";
	}
	walk->left = head.count;
	walk->rest.mv_data = (uint8_t *)value->mv_data + sizeof(head);
	walk->rest.mv_size = value->mv_size - sizeof(head);
	return NULL;
}

const char *
block_next(struct block_walk *walk, struct layout_entry *header,
    MDB_val *entry, bool check_data)
{
	const char *why;

	assert(walk->left > 0);
	*entry = walk->rest;
	why = record_check_first(walk->index, entry, header, check_data);
	if (why != NULL) {
		return why;
	}
	entry->mv_size = sizeof(*header) + header->size;
	walk->rest.mv_data = (uint8_t *)walk->rest.mv_data + entry->mv_size;
	walk->rest.mv_size -= entry->mv_size;
	walk->left--;
	walk->index++;
	return walk->left == 0 && walk->rest.mv_size != 0
	           ? "something follows it in its block"
	           : NULL;
}

int
block_damaged(
    struct store *store, const struct block_walk *walk, const char *why)
{
	return env_latch(&store->shared, ERR_CORRUPT, "log: entry %llu: %s",
	    (unsigned long long)walk->index, why);
}

int
block_find(struct store *store, MDB_cursor *cursor, uint64_t index,
    struct block_walk *walk)
{
	MDB_val key = { sizeof(index), &index };
	MDB_val value, entry;
	struct layout_entry header;
	const char *why;
	int rc;

	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	} else if (rc == 0 && block_index(&key) != index) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	}
	if (rc != 0) {
		return rc == MDB_NOTFOUND ? ERR_NOT_FOUND
		                          : env_error(&store->log, rc,
						"reading the log");
	}
	why = block_open(walk, &key, &value);
	if (why == NULL && index - walk->index >= walk->left) {
		return ERR_NOT_FOUND;
	}
	while (why == NULL && walk->index < index) {
		why = block_next(walk, &header, &entry, false);
	}
	return why == NULL ? ERR_OK : block_damaged(store, walk, why);
}

int
block_last(struct store *store, MDB_cursor *cursor, uint64_t *index,
    struct layout_entry *header)
{
	struct block_walk walk;
	MDB_val key, value, entry;
	const char *why;
	int rc;

	*index = 0;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc != 0) {
		return rc == MDB_NOTFOUND ? ERR_OK
		                          : env_error(&store->log, rc,
						"reading the log");
	}
	why = block_open(&walk, &key, &value);
	while (why == NULL && walk.left > 0) {
		why = block_next(&walk, header, &entry, false);
	}
	if (why != NULL) {
		return block_damaged(store, &walk, why);
	}
	*index = walk.index - 1;
	return ERR_OK;
}

uint64_t
block_index(const MDB_val *key)
{
	uint64_t index = 0;

	if (key->mv_size == sizeof(index)) {
		memcpy(&index, key->mv_data, sizeof(index));
	}
	return index;
}

/* ----------------------------------------------------------------- writing */

static void
seal_block(struct layout_block *head, uint64_t first, uint32_t count,
    uint32_t size)
{
	head->count = count;
	head->size = size;
	head->checksum = record_block_checksum(first, head);
}

/* Into the tree: what was gathered. */
static int
put_gathered(struct store *store)
{
	struct block *block = &store->block;
	struct layout_block head;
	MDB_val key = { sizeof(block->first), &block->first };
	MDB_val value = { block->size, block->bytes };
	int rc = 0;

	if (block->count == 0) {
		return 0;
	}
	seal_block(&head, block->first, block->count, block->size);
	memcpy(block->bytes, &head, sizeof(head));
	if (store->cursor == NULL) {
		rc =
		    mdb_cursor_open(store->txn, store->entries, &store->cursor);
	}
	if (rc == 0) {
		rc = mdb_cursor_put(store->cursor, &key, &value, MDB_APPEND);
	}
	block->count = 0;
	return rc;
}

/* One that is larger than a block: alone in its own. */
static int
put_large(struct store *store, uint64_t index,
    const struct layout_entry *header, const uint8_t *data)
{
	size_t size = sizeof(struct layout_block) + sizeof(*header);
	MDB_val key = { sizeof(index), &index };
	MDB_val value = { size + header->size, NULL };
	struct layout_block head;
	uint8_t *to;
	int rc = 0;

	if (store->cursor == NULL) {
		rc =
		    mdb_cursor_open(store->txn, store->entries, &store->cursor);
	}
	if (rc == 0) {
		rc = mdb_cursor_put(
		    store->cursor, &key, &value, MDB_APPEND | MDB_RESERVE);
	}
	if (rc != 0) {
		return rc;
	}
	to = value.mv_data;
	seal_block(&head, index, 1, (uint32_t)value.mv_size);
	memcpy(to, &head, sizeof(head));
	memcpy(to + sizeof(head), header, sizeof(*header));
	memcpy(to + size, data, header->size);
	return 0;
}

int
block_add(struct store *store, uint64_t index,
    const struct layout_entry *header, const uint8_t *data)
{
	struct block *block = &store->block;
	size_t size = sizeof(*header) + header->size;
	int rc = 0;

	assert(block->count == 0 || index == block->first + block->count);
	if (block->count > 0 && size > sizeof(block->bytes) - block->size) {
		rc = put_gathered(store);
	}
	if (rc != 0) {
		return rc;
	}
	if (size > sizeof(block->bytes) - sizeof(struct layout_block)) {
		return put_large(store, index, header, data);
	}
	if (block->count == 0) {
		block->first = index;
		block->size = sizeof(struct layout_block);
	}
	memcpy(block->bytes + block->size, header, sizeof(*header));
	if (header->size > 0) {
		memcpy(block->bytes + block->size + sizeof(*header), data,
		    header->size);
	}
	block->size += (uint32_t)size;
	block->count++;
	return 0;
}

int
store_settle(struct store *store)
{
	int rc;

	if (store->sticky == ERR_OK) {
		rc = put_gathered(store);
		if (rc != 0) {
			store_fail(store,
			    env_error(&store->log, rc, "appending"));
		}
	}
	store_close_cursor(store);
	return store->sticky;
}

/* The last block goes back to where the next one is gathered, but for its
 * entries behind index. */
static int
take_back(struct store *store, MDB_cursor *cursor, uint64_t index,
    struct layout_entry *header)
{
	struct block *block = &store->block;
	struct block_walk walk;
	MDB_val key, value, entry = { 0, NULL };
	const char *why;
	size_t size;
	int rc;

	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc != 0) {
		return env_error(&store->log, rc, "reading the log");
	}
	why = block_open(&walk, &key, &value);
	while (why == NULL && walk.left > 0 && walk.index <= index) {
		why = block_next(&walk, header, &entry, false);
	}
	if (why == NULL && walk.index != index + 1) {
		walk.index = index;
		why = "missing";
	}
	if (why != NULL) {
		return block_damaged(store, &walk, why);
	}
	if (walk.left == 0) {
		return ERR_OK;
	}
	size = (size_t)((uint8_t *)entry.mv_data + entry.mv_size -
	                (uint8_t *)value.mv_data);
	if (size > sizeof(block->bytes)) {
		return block_damaged(store, &walk, "its block is too large");
	}
	block->first = block_index(&key);
	block->count = (uint32_t)(walk.index - block->first);
	block->size = (uint32_t)size;
	memcpy(block->bytes, value.mv_data, size);
	rc = mdb_cursor_del(cursor, 0);
	return rc == 0 ? ERR_OK : env_error(&store->log, rc, "truncating");
}

int
block_truncate(
    struct store *store, uint64_t index, struct layout_entry *header)
{
	MDB_cursor *cursor;
	int code, rc;

	rc = mdb_cursor_open(store->txn, store->entries, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	code = take_back(store, cursor, index, header);
	mdb_cursor_close(cursor);
	return code;
}
