/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the log: each call sees the last commit, in the log environment or
 * in the journal (overlay.c), whatever the writing thread does meanwhile.
 * Read transactions are kept and renewed, because beginning one anew takes a
 * lock in the file; MDB_NOTLS makes them things that any thread may use.
 *
 * Nothing is handed out that has not been compared with its checksum, and
 * with the chain where the entry before it was read too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

/* ---------------------------------------------------- read transactions */

static int
take_reader(struct store *store, MDB_txn **txn)
{
	int rc;

	pthread_mutex_lock(&store->reader_lock);
	if (store->reader_count > 0) {
		*txn = store->readers[--store->reader_count];
	}
	pthread_mutex_unlock(&store->reader_lock);
	if (*txn == NULL) {
		return env_begin(&store->log, false, txn);
	}
	rc = mdb_txn_renew(*txn);
	if (rc != 0) {
		mdb_txn_abort(*txn);
		*txn = NULL;
		return env_error(&store->log, rc, "renewing a transaction");
	}
	return ERR_OK;
}

int
store_reader_begin(struct store *store, MDB_txn **txn)
{
	int code = env_latched(&store->shared);

	*txn = NULL;
	if (code != 0) {
		return code;
	}
	if (env_is_foreign(&store->log)) {
		return ERR_INTERNAL;
	}
	if (store->frozen != NULL) {
		*txn = store->frozen;
		return ERR_OK;
	}
	code = take_reader(store, txn);
	if (code == ERR_OK && store->read_only) {
		code = overlay_look(store, *txn);
		if (code != ERR_OK) {
			store_reader_end(store, *txn);
			*txn = NULL;
		}
	}
	return code;
}

void
store_reader_end(struct store *store, MDB_txn *txn)
{
	if (txn == store->frozen) {
		return;
	}
	mdb_txn_reset(txn);
	pthread_mutex_lock(&store->reader_lock);
	if (store->reader_count < STORE_READERS) {
		store->readers[store->reader_count++] = txn;
		txn = NULL;
	}
	pthread_mutex_unlock(&store->reader_lock);
	if (txn != NULL) {
		mdb_txn_abort(txn);
	}
}

void
store_readers_close(struct store *store)
{
	uint32_t i;

	for (i = 0; i < store->reader_count; i++) {
		mdb_txn_abort(store->readers[i]);
	}
	store->reader_count = 0;
	if (store->frozen != NULL) {
		mdb_txn_abort(store->frozen);
		store->frozen = NULL;
	}
}

int
store_freeze(struct store *store)
{
	MDB_txn *txn;
	int code;

	assert(store->read_only);
	store_thaw(store);
	code = store_reader_begin(store, &txn);
	if (code == ERR_OK) {
		store->frozen = txn;
	}
	return code;
}

void
store_thaw(struct store *store)
{
	MDB_txn *txn = store->frozen;

	store->frozen = NULL;
	if (txn != NULL) {
		store_reader_end(store, txn);
	}
}

/* --------------------------------------------------------------- entries */

struct reading {
	struct store *store;
	uint64_t index; /* of the next one */
	uint64_t bytes_left;
	uint32_t chain; /* of the entry before, */
	bool has_chain; /* if it was read */
	int (*callback)(void *, const struct raft_entry *);
	void *arg;
	bool done;
};

/* The next one, as record_check_entry() or block_next() have seen it. */
static int
read_one(struct reading *reading, const struct layout_entry *header,
    const void *bytes, const char *why)
{
	struct env_shared *shared = &reading->store->shared;
	uint64_t index = reading->index;
	struct raft_entry entry;

	if (why == NULL && reading->has_chain &&
	    header->chain != record_chain(reading->chain, index, header->term,
				 header->type, header->data_checksum)) {
		why = "does not continue the chain";
	}
	if (why != NULL) {
		return env_latch(shared, ERR_CORRUPT, "log: entry %llu: %s",
		    (unsigned long long)index, why);
	}
	reading->chain = header->chain;
	reading->has_chain = true;
	reading->index++;
	entry.index = index;
	entry.term = header->term;
	entry.type = (enum raft_entry_type)header->type;
	entry.size = header->size;
	entry.checksum = header->data_checksum;
	entry.data = header->size == 0
	                 ? NULL
	                 : (const uint8_t *)bytes + sizeof(*header);
	reading->done = reading->callback(reading->arg, &entry) != 0 ||
	                header->size >= reading->bytes_left;
	reading->bytes_left -= reading->done ? 0 : header->size;
	return ERR_OK;
}

/* What is left of this block, before end_index. */
static int
read_block(
    struct reading *reading, struct block_walk *walk, uint64_t end_index)
{
	struct layout_entry header;
	MDB_val entry;
	const char *why;
	int code = ERR_OK;

	while (code == ERR_OK && !reading->done && walk->left > 0 &&
	       reading->index < end_index) {
		why = block_next(walk, &header, &entry, true);
		code = read_one(reading, &header, entry.mv_data, why);
	}
	return code;
}

/* Those that LMDB has, before end_index. */
static int
read_stored(struct reading *reading, MDB_txn *txn, uint64_t end_index)
{
	struct store *store = reading->store;
	struct block_walk walk;
	MDB_val key, value;
	MDB_cursor *cursor;
	const char *why;
	int rc, code;

	rc = mdb_cursor_open(txn, store->entries, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	code = block_find(store, cursor, reading->index, &walk);
	if (code == ERR_NOT_FOUND) {
		mdb_cursor_close(cursor);
		return ERR_OK;
	}
	while (code == ERR_OK) {
		code = read_block(reading, &walk, end_index);
		if (code != ERR_OK || reading->done ||
		    reading->index >= end_index) {
			break;
		}
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		if (rc != 0) {
			break;
		}
		why = block_open(&walk, &key, &value);
		if (why == NULL && walk.index != reading->index) {
			walk.index = reading->index;
			why = "missing";
		}
		code =
		    why == NULL ? ERR_OK : block_damaged(store, &walk, why);
	}
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND) {
		return env_error(&store->log, rc, "reading the log");
	}
	return code;
}

/* Those that the journal has, before end_index.  Under tail_lock. */
static int
read_journal(struct reading *reading, uint64_t end_index)
{
	struct layout_entry header;
	MDB_val value;
	uint32_t size;
	int code = ERR_OK;

	while (code == ERR_OK && !reading->done &&
	       reading->index < end_index) {
		value.mv_data = (void *)(uintptr_t)overlay_find(
		    reading->store, reading->index, &size);
		if (value.mv_data == NULL) {
			break;
		}
		value.mv_size = size;
		code = read_one(reading, &header, value.mv_data,
		    record_check_entry(reading->index, &value, &header, true));
	}
	return code;
}

/*
 * One part after the other; between them the writing thread may flush, and
 * what was in the journal is in LMDB then.  False: that was all.
 */
static bool
read_part(struct reading *reading, uint64_t end_index, int *code)
{
	struct store *store = reading->store;
	uint64_t first = reading->index, stored, flushes;
	bool apart = false;
	MDB_txn *txn = NULL;

	pthread_mutex_lock(&store->tail_lock);
	if (store->read_only || first <= store->stored.last_index) {
		*code = store_reader_begin(store, &txn);
	} else {
		*code = env_latched(&store->shared);
	}
	stored = store->stored.last_index;
	flushes = store->flushes;
	if (*code == ERR_OK && first <= stored) {
		/* The transaction may show what is not published yet;
		 * pairs with the store in commit_direct(). */
		apart = atomic_load(&store->committing);
		pthread_mutex_unlock(&store->tail_lock);
		*code = read_stored(reading, txn,
		    end_index <= stored ? end_index : stored + 1);
		pthread_mutex_lock(&store->tail_lock);
	}
	if (apart || flushes != store->flushes) {
		/* The next part may be of another history. */
		reading->has_chain = false;
	} else if (*code == ERR_OK && reading->index > stored) {
		*code = read_journal(reading, end_index);
	}
	pthread_mutex_unlock(&store->tail_lock);
	if (txn != NULL) {
		store_reader_end(store, txn);
	}
	return *code == ERR_OK && !reading->done && !reading->has_chain &&
	       reading->index > first && reading->index < end_index;
}

int
store_read(struct store *store, uint64_t first_index, uint64_t end_index,
    uint64_t bytes_max, int (*callback)(void *, const struct raft_entry *),
    void *arg)
{
	struct reading reading = {
		.store = store,
		.index = first_index,
		.bytes_left = bytes_max,
		.callback = callback,
		.arg = arg,
	};
	int code;

	if (first_index >= end_index) {
		return ERR_OK;
	}
	while (read_part(&reading, end_index, &code)) {
	}
	return code == ERR_OK && reading.index == first_index ? ERR_NOT_FOUND
	                                                      : code;
}

int
store_log_info(struct store *store, struct store_log_info *info)
{
	struct log_tail tail;
	MDB_txn *txn;
	int code = env_latched(&store->shared);

	if (code != 0) {
		return code;
	}
	if (store->read_only) {
		/* A fresh look. */
		code = store_reader_begin(store, &txn);
		if (code != ERR_OK) {
			return code;
		}
		store_reader_end(store, txn);
	}
	pthread_mutex_lock(&store->tail_lock);
	tail = store->tail;
	pthread_mutex_unlock(&store->tail_lock);
	info->hard_state = tail.hard_state;
	info->first_index = tail.first_index;
	info->last_index = tail.last_index;
	info->last_term = tail.last_term;
	info->snapshot_index = tail.snapshot_index;
	info->snapshot_term = tail.snapshot_term;
	info->size = tail.size;
	return ERR_OK;
}

/* Of what the log continues, term and chain are known. */
static int
get_cut_off(struct store *store, MDB_txn *txn, uint64_t index,
    struct layout_entry *header)
{
	struct log_tail tail;
	int code = store_load_tail(store, txn, &tail);

	memset(header, 0, sizeof(*header));
	if (code == ERR_OK && index == tail.base_index) {
		header->term = tail.base_term;
		header->chain = tail.base_chain;
	} else if (code == ERR_OK) {
		code = ERR_NOT_FOUND;
	}
	return code;
}

int
store_entry_info(
    struct store *store, uint64_t index, struct store_entry_info *info)
{
	struct layout_entry header;
	MDB_txn *txn;
	int code;

	pthread_mutex_lock(&store->tail_lock);
	code = store_reader_begin(store, &txn);
	if (code == ERR_OK) {
		code = overlay_get_entry(store, index, &header);
	}
	pthread_mutex_unlock(&store->tail_lock);
	if (txn == NULL) {
		return code;
	}
	if (code == ERR_NOT_FOUND) {
		code = store_get_entry(store, txn, index, &header);
	}
	if (code == ERR_NOT_FOUND && index > 0) {
		code = get_cut_off(store, txn, index, &header);
	}
	store_reader_end(store, txn);
	if (code == ERR_OK) {
		info->term = header.term;
		info->type = (enum raft_entry_type)header.type;
		info->size = header.size;
		info->chain = header.chain;
	}
	return code;
}

int
store_chain(struct store *store, uint64_t index, uint32_t *chain)
{
	struct store_entry_info info;
	int code;

	code = store_entry_info(store, index, &info);
	if (code == ERR_OK) {
		*chain = info.chain;
	}
	return code;
}
