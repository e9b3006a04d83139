/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record of the snapshot, and what becomes of the log before it.
 *
 * The base is the last entry cut off: its term and its chain value stay, so
 * that the log can be verified from its first entry on, and continued when
 * it is empty (T08, T61).  The base and the snapshot are two things: a
 * window of entries before the snapshot is kept for peers that are a little
 * behind.
 *
 *	configs    those in the log, and the last one up to the snapshot (T54)
 *	runs       the first one begins at the first entry
 */
#include "store/snapshot.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crash.h"
#include "store/store_internal.h"

void
store_chain_encode(
    uint8_t encoded[RAFT_CHAIN_SIZE], uint32_t chain, uint64_t digest)
{
	memset(encoded, 0, RAFT_CHAIN_SIZE);
	bytes_put_u32(encoded, chain);
	bytes_put_u64(encoded + 8, digest);
}

void
store_chain_decode(
    const uint8_t encoded[RAFT_CHAIN_SIZE], uint32_t *chain, uint64_t *digest)
{
	*chain = bytes_get_u32(encoded);
	*digest = bytes_get_u64(encoded + 8);
}

/* The record, as the transaction has it by now. */
static int
put_snapshot(struct store *store)
{
	const struct log_tail *next = &store->next;
	struct layout_snapshot record = {
		.index = next->snapshot_index,
		.term = next->snapshot_term,
		.base_index = next->base_index,
		.base_term = next->base_term,
		.base_chain = next->base_chain,
		.chain = next->snapshot_chain,
	};

	static_assert(
	    sizeof(record.state_name) == sizeof(next->state_name), "name");
	memcpy(
	    record.state_name, next->state_name, sizeof(record.state_name));
	return store_put_meta(
	    store, store->txn, LAYOUT_KEY_SNAPSHOT, &record, sizeof(record));
}

/* ------------------------------------------------------- what it must match */

/* The log's entry at index has this term and chain. */
static int
match_entry(struct store *store, uint64_t index, uint64_t term, uint32_t chain)
{
	const struct log_tail *next = &store->next;
	struct layout_entry header = {
		.term = next->base_term,
		.chain = next->base_chain,
	};
	int code = ERR_OK;

	if (index != next->base_index) {
		code = store_get_entry(store, store->txn, index, &header);
	}
	if (code == ERR_OK && (header.term != term || header.chain != chain)) {
		code = env_latch(&store->shared, ERR_CORRUPT,
		    "log: entry %llu of term %llu is not the one of the "
		    "snapshot, of term %llu",
		    (unsigned long long)index, (unsigned long long)header.term,
		    (unsigned long long)term);
	}
	return code == ERR_NOT_FOUND ? ERR_CORRUPT : code;
}

/* The configuration in force at index, as the log says, is this one. */
static int
match_configuration(struct store *store, uint64_t index,
    const struct raft_configuration *configuration)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t last = 0, at;
	int rc;

	rc = mdb_cursor_open(store->txn, store->configs, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		at = block_index(&key);
		if (at > index) {
			break;
		}
		last = at;
	}
	mdb_cursor_close(cursor);
	if (rc != 0 && rc != MDB_NOTFOUND) {
		return env_error(&store->log, rc, "reading configurations");
	}
	return last == configuration->index
	           ? ERR_OK
	           : env_latch(&store->shared, ERR_INTERNAL,
			 "log: the configuration of entry %llu is in force at "
			 "%llu, not that of %llu",
			 (unsigned long long)last, (unsigned long long)index,
			 (unsigned long long)configuration->index);
}

void
store_snapshot(struct store *store, const struct raft_snapshot *snapshot)
{
	struct log_tail *next = &store->next;
	uint64_t digest;
	uint32_t chain;
	int code;

	assert(store->batch);
	if (store_direct(store) != ERR_OK || store_settle(store) != ERR_OK) {
		return;
	}
	assert(snapshot->index >= next->snapshot_index);
	assert(snapshot->index > 0 && snapshot->index <= next->last_index);
	store_chain_decode(snapshot->chain, &chain, &digest);
	code = match_entry(store, snapshot->index, snapshot->term, chain);
	if (code == ERR_OK) {
		code = match_configuration(
		    store, snapshot->index, &snapshot->configuration);
	}
	if (code == ERR_OK) {
		next->snapshot_index = snapshot->index;
		next->snapshot_term = snapshot->term;
		next->snapshot_chain = chain;
		code = put_snapshot(store);
	}
	store_fail(store, code);
}

/* ----------------------------------------------------------------- cutting */

/* The block is deleted; the base is its last entry. */
static int
cut_block(struct store *store, MDB_cursor *cursor, struct block_walk *walk)
{
	struct log_tail *next = &store->next;
	struct layout_entry header;
	const char *why = NULL;
	MDB_val entry;
	int rc;

	while (why == NULL && walk->left > 0) {
		why = block_next(walk, &header, &entry, false);
	}
	if (why != NULL) {
		return block_damaged(store, walk, why);
	}
	next->first_index = walk->index;
	next->base_index = walk->index - 1;
	next->base_term = header.term;
	next->base_chain = header.chain;
	rc = mdb_cursor_del(cursor, 0);
	return rc == 0 ? ERR_OK : env_error(&store->log, rc, "cutting");
}

/*
 * Deletes the first blocks, as far as all of one is before first_index.
 * *more: the limits ended it.
 */
static int
cut_entries(struct store *store, uint64_t first_index, uint64_t count_max,
    uint64_t size_max, bool *more)
{
	struct log_tail *next = &store->next;
	uint64_t count = 0, size = 0;
	struct block_walk walk;
	MDB_cursor *cursor;
	MDB_val key, value;
	const char *why;
	int rc, code = ERR_OK;

	*more = false;
	rc = mdb_cursor_open(store->txn, store->entries, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	while (rc == 0 && code == ERR_OK && next->first_index < first_index) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc != 0) {
			break;
		}
		why = block_open(&walk, &key, &value);
		if (why == NULL && walk.index != next->first_index) {
			walk.index = next->first_index;
			why = "missing";
		}
		if (why != NULL) {
			code = block_damaged(store, &walk, why);
			break;
		}
		if (walk.left > first_index - walk.index) {
			break;
		}
		*more = count > 0 &&
		        (count + walk.left > count_max || size >= size_max);
		if (*more) {
			break;
		}
		count += walk.left;
		size += env_record_size(sizeof(uint64_t), value.mv_size);
		code = cut_block(store, cursor, &walk);
	}
	mdb_cursor_close(cursor);
	return rc == 0 ? code : env_error(&store->log, rc, "cutting");
}

/* The first run begins at the first entry. */
static int
cut_runs(struct store *store)
{
	const struct log_tail *next = &store->next;
	uint64_t first = next->first_index;
	MDB_val key = { sizeof(first), &first };
	struct layout_term_run run;
	struct layout_entry header;
	MDB_val value = { sizeof(run), &run };
	int rc, code;

	rc = store_delete_before(store, store->runs, first);
	if (rc == 0 && next->last_index >= first) {
		code = store_get_entry(store, store->txn, first, &header);
		if (code != ERR_OK) {
			return code;
		}
		record_encode_run(&run, first, header.term);
		rc = mdb_put(store->txn, store->runs, &key, &value, 0);
	}
	return rc == 0 ? ERR_OK : env_error(&store->log, rc, "cutting runs");
}

/* Those in the log stay, and the last one up to the snapshot. */
static int
cut_configs(struct store *store)
{
	const struct log_tail *next = &store->next;
	uint64_t keep = next->first_index, at;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc;

	rc = mdb_cursor_open(store->txn, store->configs, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		at = block_index(&key);
		if (at > next->snapshot_index) {
			break;
		}
		keep = at;
	}
	mdb_cursor_close(cursor);
	if (rc == 0 || rc == MDB_NOTFOUND) {
		rc = store_delete_before(store, store->configs,
		    keep < next->first_index ? keep : next->first_index);
	}
	return rc == 0 ? ERR_OK
	               : env_error(&store->log, rc, "cutting configurations");
}

/* Something to commit: see store_cut_is_settled(). */
static void
cut_nothing(struct store *store)
{
	if (store->next.unsettled) {
		store->next.unsettled = false;
		store_fail(store, put_snapshot(store));
	}
}

bool
store_cut(struct store *store, uint64_t first_index)
{
	struct log_tail *next = &store->next;
	uint64_t first = next->first_index;
	bool more = false;
	int code;

	assert(store->batch);
	if (store->sticky != ERR_OK) {
		return false;
	}
	assert(first_index <= next->snapshot_index + 1);
	if (first_index <= first && !next->unsettled) {
		return false;
	}
	if (store_direct(store) != ERR_OK || store_settle(store) != ERR_OK) {
		return false;
	}
	code = cut_entries(store, first_index,
	    STORE_CUT_ENTRIES +
		2 * (store->txn_entries + store->flushed_entries),
	    STORE_CUT_SIZE + 2 * (store->txn_bytes + store->flushed_bytes),
	    &more);
	if (code == ERR_OK && next->first_index == first) {
		cut_nothing(store);
		return false;
	}
	if (code == ERR_OK) {
		code = cut_runs(store);
	}
	if (code == ERR_OK) {
		code = cut_configs(store);
	}
	if (code == ERR_OK) {
		code = put_snapshot(store);
	}
	store_fail(store, code);
	next->unsettled = true;
	CRASH_POINT("snapshot: log to be cut");
	return code == ERR_OK && more;
}

bool
store_cut_is_settled(const struct store *store)
{
	return !store->tail.unsettled;
}

/* -------------------------------------------------------------- installing */

static int
put_configuration(
    struct store *store, const struct raft_configuration *configuration)
{
	uint8_t encoded[RAFT_CONFIGURATION_SIZE_MAX];
	uint8_t buffer[LAYOUT_CONFIG_SIZE_MAX];
	uint64_t index = configuration->index;
	MDB_val key = { sizeof(index), &index };
	MDB_val value = { 0, buffer };

	if (index == 0) {
		return 0;
	}
	value.mv_size = record_encode_config(buffer, index, encoded,
	    raft_configuration_encode(configuration, encoded));
	return mdb_put(store->txn, store->configs, &key, &value, 0);
}

/* The log is emptied; it goes on after the snapshot. */
static int
drop_all(struct store *store, const struct raft_snapshot *snapshot,
    uint32_t chain)
{
	struct log_tail *next = &store->next;
	int rc;

	rc = mdb_drop(store->txn, store->entries, 0);
	rc = rc == 0 ? mdb_drop(store->txn, store->runs, 0) : rc;
	rc = rc == 0 ? mdb_drop(store->txn, store->configs, 0) : rc;
	if (rc != 0) {
		return env_error(&store->log, rc, "dropping the log");
	}
	next->base_index = next->last_index = snapshot->index;
	next->base_term = next->last_term = snapshot->term;
	next->base_chain = next->chain = chain;
	next->first_index = snapshot->index + 1;
	return ERR_OK;
}

void
store_install(struct store *store, const struct raft_snapshot *snapshot,
    struct receive *receive, bool drop_log)
{
	struct log_tail *next = &store->next;
	uint64_t digest;
	uint32_t chain;
	int rc, code;

	assert(store->batch);
	assert(receive->finished && receive->index == snapshot->index);
	assert(memcmp(receive->chain, snapshot->chain, RAFT_CHAIN_SIZE) == 0);
	if (store_direct(store) != ERR_OK || store_settle(store) != ERR_OK) {
		return;
	}
	assert(snapshot->index > next->snapshot_index);
	assert(snapshot->term <= next->hard_state.term);
	store_chain_decode(snapshot->chain, &chain, &digest);
	code = drop_log ? drop_all(store, snapshot, chain)
	                : match_entry(store, snapshot->index, snapshot->term,
			      chain);
	if (code == ERR_OK) {
		rc = put_configuration(store, &snapshot->configuration);
		code = rc == 0 ? ERR_OK
		               : env_error(&store->log, rc, "installing");
	}
	if (code == ERR_OK) {
		next->snapshot_index = snapshot->index;
		next->snapshot_term = snapshot->term;
		next->snapshot_chain = chain;
		memset(next->state_name, 0, sizeof(next->state_name));
		memcpy(next->state_name, receive->name,
		    strlen(receive->name));
		code = put_snapshot(store);
	}
	store_fail(store, code);
	if (code == ERR_OK) {
		store->installing = receive;
	}
}
