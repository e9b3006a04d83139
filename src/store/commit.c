/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The group commit: hard state, truncation and entries of one or many steps,
 * in one record of the journal, or in one transaction of the log environment
 * that takes all of the journal with it.
 *
 *	tail   what the last commit left: readers see this
 *	next   what the open batch will leave; becomes tail on success
 *
 * A batch begins as a record and stays one when it is *plain*: hard state and
 * entries alone, which fit.  The first call that is anything else, or does
 * not fit, makes it a transaction (store_direct()): first what the journal
 * has, then what the batch has by now, then everything that follows.
 *
 * Entries are gathered into blocks (block.c), which are appended in order of
 * the key, so LMDB fills its pages from left to right and never splits one
 * (MDB_APPEND).  Truncation goes from the end and takes up the chain from the
 * last entry kept.
 */
#include <assert.h>
#include <string.h>

#include "base/crash.h"
#include "store/store_internal.h"

/* Pages on the way from the root of each database, and the free list. */
#define TXN_SIZE (16u * 4096)

void
store_fail(struct store *store, int code)
{
	if (store->sticky == ERR_OK) {
		store->sticky = code;
	}
}

void
store_close_cursor(struct store *store)
{
	if (store->cursor != NULL) {
		mdb_cursor_close(store->cursor);
		store->cursor = NULL;
	}
}

static void
drop(struct store *store)
{
	store_close_cursor(store);
	store->block.count = 0;
	store->installing = NULL;
	store->batch = false;
	journal_unstage(&store->journal);
	if (store->txn != NULL) {
		mdb_txn_abort(store->txn);
		store->txn = NULL;
	}
}

int
store_begin(struct store *store)
{
	int code = env_latched(&store->shared);

	assert(!store->batch);
	assert(!store->read_only);
	if (code != 0) {
		return code;
	}
	if (env_is_foreign(&store->log)) {
		return ERR_INTERNAL;
	}
	/* Only this thread writes it. */
	store->next = store->tail;
	store->sticky = ERR_OK;
	store->installing = NULL;
	store->block.count = 0;
	store->txn_size = TXN_SIZE;
	store->txn_entries = 0;
	store->txn_bytes = 0;
	store->flushed_entries = 0;
	store->flushed_bytes = 0;
	store->batch = true;
	if (!store->journal.open) {
		code = store_direct(store);
		store->batch = code == ERR_OK;
	}
	return code;
}

int
store_direct(struct store *store)
{
	int code = store->sticky;

	assert(store->batch);
	if (store->txn != NULL || code != ERR_OK) {
		return code;
	}
	code = env_begin(&store->log, true, &store->txn);
	if (code == ERR_OK && store->journal.open) {
		CRASH_POINT("journal: flush begun");
		code = overlay_flush(store);
	}
	store_fail(store, code);
	return code;
}

void
store_expect(struct store *store, uint64_t count, uint64_t bytes)
{
	assert(store->batch);
	bytes += count * sizeof(struct layout_entry);
	if (store->txn == NULL &&
	    !journal_takes(&store->journal, count, bytes)) {
		/* An error is sticky. */
		(void)store_direct(store);
	}
}

bool
store_is_direct(const struct store *store)
{
	return store->txn != NULL;
}

int
store_put_hard_state(
    struct store *store, const struct raft_hard_state *hard_state)
{
	struct layout_hard_state record = {
		.term = hard_state->term,
		.vote = hard_state->vote,
	};
	int code;

	code = store_put_meta(
	    store, store->txn, LAYOUT_KEY_HARD_STATE, &record, sizeof(record));
	if (code == ERR_OK) {
		store->next.hard_state = *hard_state;
	}
	return code;
}

void
store_set_hard_state(
    struct store *store, const struct raft_hard_state *hard_state)
{
	struct raft_hard_state *now = &store->next.hard_state;
	struct layout_op_hard_state op = {
		.term = hard_state->term,
		.vote = hard_state->vote,
	};

	assert(store->batch);
	/* The last line of defence: no term goes back, no second vote. */
	assert(hard_state->term >= now->term);
	assert(hard_state->term > now->term || now->vote == 0 ||
	       hard_state->vote == now->vote);
	if (store->sticky != ERR_OK) {
		return;
	}
	if (store->txn == NULL &&
	    journal_stage(&store->journal, LAYOUT_OP_HARD_STATE, &op,
		sizeof(op), NULL, 0) != 0) {
		*now = *hard_state;
		return;
	}
	if (store_direct(store) == ERR_OK) {
		store_fail(store, store_put_hard_state(store, hard_state));
	}
}

/* Deletes keys from one edge while they are on the wrong side of `from`. */
static int
delete_edge(
    struct store *store, MDB_dbi dbi, MDB_cursor_op edge, uint64_t from)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t index;
	int rc;

	rc = mdb_cursor_open(store->txn, dbi, &cursor);
	if (rc != 0) {
		return rc;
	}
	for (;;) {
		rc = mdb_cursor_get(cursor, &key, &value, edge);
		if (rc != 0) {
			break;
		}
		if (key.mv_size != sizeof(index)) {
			rc = MDB_CORRUPTED;
			break;
		}
		memcpy(&index, key.mv_data, sizeof(index));
		if (edge == MDB_LAST ? index < from : index >= from) {
			break;
		}
		rc = mdb_cursor_del(cursor, 0);
		if (rc != 0) {
			break;
		}
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int
delete_from(struct store *store, MDB_dbi dbi, uint64_t from)
{
	return delete_edge(store, dbi, MDB_LAST, from);
}

int
store_delete_before(struct store *store, MDB_dbi dbi, uint64_t index)
{
	return delete_edge(store, dbi, MDB_FIRST, index);
}

void
store_truncate(struct store *store, uint64_t from_index)
{
	struct log_tail *next = &store->next;
	struct layout_entry header;
	int rc, code;

	assert(store->batch);
	if (store->sticky != ERR_OK) {
		return; /* next lacks what came before */
	}
	assert(from_index > next->base_index);
	assert(from_index > next->snapshot_index);
	assert(from_index <= next->last_index + 1);
	if (from_index > next->last_index || store_direct(store) != ERR_OK) {
		return;
	}
	if (store_settle(store) != ERR_OK) {
		return;
	}
	rc = delete_from(store, store->entries, from_index);
	rc = rc == 0 ? delete_from(store, store->runs, from_index) : rc;
	rc = rc == 0 ? delete_from(store, store->configs, from_index) : rc;
	if (rc != 0) {
		store_fail(store, env_error(&store->log, rc, "truncating"));
		return;
	}
	next->last_index = from_index - 1;
	if (next->last_index == next->base_index) {
		next->last_term = next->base_term;
		next->chain = next->base_chain;
		return;
	}
	code = block_truncate(store, next->last_index, &header);
	if (code != ERR_OK) {
		store_fail(store, code);
		return;
	}
	next->last_term = header.term;
	next->chain = header.chain;
}

static int
put_run(struct store *store, uint64_t first_index, uint64_t term)
{
	struct layout_term_run run;
	MDB_val key = { sizeof(first_index), &first_index };
	MDB_val value = { sizeof(run), &run };

	record_encode_run(&run, first_index, term);
	return mdb_put(store->txn, store->runs, &key, &value, MDB_APPEND);
}

static int
put_config(
    struct store *store, uint64_t index, const uint8_t *data, uint32_t size)
{
	uint8_t buffer[LAYOUT_CONFIG_SIZE_MAX];
	MDB_val key = { sizeof(index), &index };
	MDB_val value = { 0, buffer };

	value.mv_size = record_encode_config(buffer, index, data, size);
	return mdb_put(store->txn, store->configs, &key, &value, MDB_APPEND);
}

int
store_put_entry(struct store *store, const struct layout_entry *header,
    const uint8_t *data)
{
	struct log_tail *next = &store->next;
	uint64_t index = next->last_index + 1;
	int rc;

	rc = block_add(store, index, header, data);
	if (rc == 0 && (header->term != next->last_term ||
			   next->last_index == next->base_index)) {
		rc = put_run(store, index, header->term);
	}
	if (rc == 0 && header->type == RAFT_ENTRY_CONFIGURATION) {
		rc = put_config(store, index, data, header->size);
	}
	next->last_index = index;
	next->last_term = header->term;
	next->chain = header->chain;
	return rc == 0 ? ERR_OK : env_error(&store->log, rc, "appending");
}

/* Into the record of the journal; false: it does not fit. */
static bool
stage_entry(struct store *store, const struct layout_entry *header,
    const uint8_t *data)
{
	struct journal *journal = &store->journal;
	struct log_tail *next = &store->next;
	size_t place;

	place = journal_stage(journal, LAYOUT_OP_ENTRY, header,
	    sizeof(*header), data, header->size);
	if (place == 0) {
		return false;
	}
	/* Readers look at the first `count` places alone. */
	journal->places[journal->count + journal->staged_count++] =
	    (uint32_t)place;
	journal->staged_pages_size +=
	    env_record_size(sizeof(uint64_t), sizeof(*header) + header->size);
	next->last_index++;
	next->last_term = header->term;
	next->chain = header->chain;
	return true;
}

static int
append_one(struct store *store, const struct raft_entry *entry)
{
	struct log_tail *next = &store->next;
	struct layout_entry header;
	int code;

	assert(entry->index == next->last_index + 1);
	assert(entry->term >= next->last_term && entry->term > 0);
	assert(entry->term <= next->hard_state.term);
	assert(entry->size <= RAFT_ENTRY_SIZE_MAX);
	assert(entry->size == 0 || entry->data != NULL);

	record_encode_entry(&header, entry,
	    record_chain(next->chain, entry->index, entry->term, entry->type,
		entry->checksum));
	if (store->txn == NULL && stage_entry(store, &header, entry->data)) {
		return ERR_OK;
	}
	code = store_direct(store);
	return code == ERR_OK ? store_put_entry(store, &header, entry->data)
	                      : code;
}

/* What the journal has comes on top: it goes there with the next flush, and
 * not all of a page is used. */
static enum store_room
log_room(struct store *store, uint64_t size)
{
	enum store_room room;

	size += atomic_load_explicit(
		    &store->journal.pages_size, memory_order_relaxed) /
	        2 * 3;
	if (env_latched(&store->shared) != 0) {
		return STORE_ROOM_OUT;
	}
	room = env_room(&store->log, size, 0);
	if (room != STORE_ROOM_OK) {
		/* The file cannot grow; it may have room inside. */
		room = env_room(
		    &store->log, size, env_free_pages(&store->log, NULL));
	}
	return room;
}

/* The bytes came from another node: a verdict, not an assertion. */
static bool
is_configuration(const struct raft_entry *entry)
{
	struct raft_configuration configuration;

	return entry->type != RAFT_ENTRY_CONFIGURATION ||
	       raft_configuration_decode(
		   &configuration, entry->data, entry->size) == ERR_OK;
}

void
store_append(
    struct store *store, const struct raft_entry *entries, uint32_t count)
{
	uint32_t i;

	assert(store->batch);
	if (store->sticky != ERR_OK || count == 0) {
		return;
	}
	for (i = 0; i < count; i++) {
		if (!is_configuration(&entries[i])) {
			store_fail(store, ERR_CORRUPT);
			return;
		}
		store->txn_size += env_record_size(sizeof(uint64_t),
		    sizeof(struct layout_entry) + entries[i].size);
		store->txn_bytes += entries[i].size;
	}
	store->txn_entries += count;
	/* What the core still takes, it decides. */
	if (log_room(store, store->txn_size) > STORE_ROOM_LOW) {
		store_fail(store, ERR_FULL);
		return;
	}
	for (i = 0; i < count && store->sticky == ERR_OK; i++) {
		store_fail(store, append_one(store, &entries[i]));
	}
}

/* The batch is plain: one record. */
static int
commit_record(struct store *store)
{
	struct journal *journal = &store->journal;
	struct journal_at at;
	size_t span;
	int code;

	if (journal->staged_end == 0) {
		return ERR_OK;
	}
	code = journal_write(journal, &at, &span);
	if (code != ERR_OK) {
		journal_unstage(journal);
		return code;
	}
	pthread_mutex_lock(&store->tail_lock);
	journal_advance(journal, &at, span);
	store->next.size = store->stored.size + journal->pages_size;
	store->tail = store->next;
	pthread_mutex_unlock(&store->tail_lock);
	atomic_fetch_add_explicit(
	    &store->shared.commits, 1, memory_order_relaxed);
	return ERR_OK;
}

/*
 * ERR_FULL: nothing of the transaction is in the store.  But LMDB has stopped,
 * and latches, if the meta page is in doubt: it might say that it covers
 * records that are written to the journal later.
 */
static int
commit_failed(struct store *store, struct receive *installing, int code)
{
	MDB_txn *txn;

	if (code == ERR_FULL) {
		code = store_reader_begin(store, &txn);
		if (code == ERR_OK) {
			store_reader_end(store, txn);
			if (installing != NULL) {
				installing->named = false;
			}
		}
		if (code == ERR_OK || code == ERR_BUSY) {
			code = ERR_FULL;
		}
	}
	atomic_store(&store->committing, false);
	return code;
}

/* The batch is a transaction, with all of the journal. */
static int
commit_direct(struct store *store)
{
	MDB_txn *txn = store->txn;
	struct receive *installing;
	int code = store_settle(store);

	if (code != ERR_OK) {
		drop(store);
		return code;
	}
	store->next.size = store_log_size(store, txn);
	store->txn = NULL;
	/* From here on the log environment may name it. */
	installing = store->installing;
	store->installing = NULL;
	if (installing != NULL) {
		installing->named = true;
	}
	/* Before readers can see it; pairs with the load in read_part(). */
	atomic_store(&store->committing, true);
	CRASH_POINT("journal: flush to be committed");
	code = env_commit(&store->log, txn);
	CRASH_POINT("journal: flush committed");
	if (installing != NULL) {
		CRASH_POINT("snapshot: install committed");
	}
	if (code != ERR_OK) {
		return commit_failed(store, installing, code);
	}
	pthread_mutex_lock(&store->tail_lock);
	store->tail = store->stored = store->next;
	store->flushes++;
	atomic_store(&store->committing, false);
	journal_restart(&store->journal);
	pthread_mutex_unlock(&store->tail_lock);
	CRASH_POINT("journal: lap begun");
	return ERR_OK;
}

int
store_commit(struct store *store)
{
	int code = store->sticky;

	assert(store->batch);
	if (code == ERR_OK) {
		code = env_latched(&store->shared);
	}
	if (code != ERR_OK) {
		drop(store);
		return code;
	}
	code = store->txn == NULL ? commit_record(store)
	                          : commit_direct(store);
	store->batch = false;
	if (code != ERR_OK) {
		return code;
	}
	atomic_fetch_add_explicit(
	    &store->entry_count, store->txn_entries, memory_order_relaxed);
	atomic_fetch_add_explicit(
	    &store->byte_count, store->txn_bytes, memory_order_relaxed);
	return ERR_OK;
}

void
store_abort(struct store *store)
{
	assert(store->batch);
	drop(store);
}

int
store_break(struct store *store, bool sync)
{
	return env_break(&store->log, sync);
}

enum store_room
store_room(struct store *store, uint64_t bytes)
{
	return log_room(store, TXN_SIZE + 2 * bytes);
}

bool
store_is_scarce(const struct store *store)
{
	return env_is_scarce(&store->log);
}

int
store_set_run(struct store *store, uint64_t run)
{
	struct layout_run record = { .run = run };
	int code;

	assert(run >= store_run(store));
	code = store_begin(store);
	if (code != ERR_OK) {
		return code;
	}
	if (store_direct(store) == ERR_OK) {
		store_fail(store, store_put_meta(store, store->txn,
				      LAYOUT_KEY_RUN, &record,
				      sizeof(record)));
	}
	code = store_commit(store);
	if (code == ERR_OK && !store->log.synced) {
		code = env_sync(&store->log);
	}
	if (code == ERR_OK) {
		atomic_store(&store->run, run);
	}
	return code;
}
