/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server starts from.  Term runs and configurations are kept beside
 * the log, so that a start reads a few records and not the log; only the
 * sizes of the last entries are looked up one by one.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

/* A growing array of records. */
struct list {
	void *items;
	size_t item_size;
	size_t count, capacity;
};

static void *
list_add(struct list *list)
{
	size_t capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
	void *items = list->items;

	if (list->count == list->capacity) {
		items = reallocarray(items, capacity, list->item_size);
		if (items == NULL) {
			return NULL;
		}
		list->items = items;
		list->capacity = capacity;
	}
	return (uint8_t *)items + list->count++ * list->item_size;
}

static const char *
add_run(struct list *list, uint64_t index, const MDB_val *value)
{
	struct raft_run *run = list_add(list);

	if (run == NULL) {
		return "out of memory";
	}
	run->first_index = index;
	return record_check_run(index, value, &run->term);
}

static const char *
add_configuration(struct list *list, uint64_t index, const MDB_val *value)
{
	struct raft_configuration *configuration = list_add(list);

	if (configuration == NULL) {
		return "out of memory";
	}
	return record_check_config(index, value, configuration);
}

/* All records of a database with integer keys. */
static int
collect(struct store *store, MDB_txn *txn, MDB_dbi dbi, const char *name,
    const char *(*add)(struct list *, uint64_t, const MDB_val *),
    struct list *list)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	const char *why = NULL;
	uint64_t index;
	int rc;

	rc = mdb_cursor_open(txn, dbi, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, name);
	}
	while (why == NULL &&
	       (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		if (key.mv_size != sizeof(index)) {
			rc = MDB_CORRUPTED;
			break;
		}
		memcpy(&index, key.mv_data, sizeof(index));
		why = add(list, index, &value);
	}
	mdb_cursor_close(cursor);
	if (why != NULL) {
		return env_latch(&store->shared, ERR_CORRUPT,
		    "log: %s: record %llu: %s", name, (unsigned long long)index,
		    why);
	}
	return rc == MDB_NOTFOUND ? ERR_OK : env_error(&store->log, rc, name);
}

/* What the journal's entries add to runs and configurations. */
static int
collect_journal(struct store *store, struct list *runs,
    struct list *configurations)
{
	uint64_t index = store->stored.last_index + 1;
	uint64_t term = store->stored.last_term;
	bool first = store->stored.last_index == store->stored.base_index;
	struct raft_configuration *configuration;
	struct layout_entry header;
	struct raft_run *run;
	const uint8_t *value;
	uint32_t size;
	int code;

	for (; index <= store->tail.last_index; index++) {
		code = overlay_get_entry(store, index, &header);
		if (code != ERR_OK) {
			return code;
		}
		if (first || header.term != term) {
			run = list_add(runs);
			if (run == NULL) {
				return ERR_NOMEM;
			}
			run->first_index = index;
			run->term = term = header.term;
			first = false;
		}
		if (header.type != RAFT_ENTRY_CONFIGURATION) {
			continue;
		}
		configuration = list_add(configurations);
		value = overlay_find(store, index, &size);
		if (configuration == NULL) {
			return ERR_NOMEM;
		}
		code = raft_configuration_decode(
		    configuration, value + sizeof(header), header.size);
		if (code != ERR_OK) {
			return env_latch(&store->shared, ERR_CORRUPT,
			    "journal: entry %llu: not a configuration",
			    (unsigned long long)index);
		}
		configuration->index = index;
	}
	return ERR_OK;
}

/* The sizes of entries [first, last] of the journal, in order. */
static int
collect_journal_sizes(
    struct store *store, uint64_t first, uint64_t last, uint32_t *sizes)
{
	struct layout_entry header;
	uint64_t index;
	int code = ERR_OK;

	for (index = first; index <= last && code == ERR_OK; index++) {
		code = overlay_get_entry(store, index, &header);
		sizes[index - first] = header.size;
	}
	return code;
}

/* The sizes of entries [first, last] of LMDB, in order. */
static int
collect_sizes(struct store *store, MDB_txn *txn, uint64_t first, uint64_t last,
    uint32_t *sizes)
{
	struct layout_entry header;
	struct block_walk walk;
	MDB_val key, value, entry;
	MDB_cursor *cursor;
	const char *why = NULL;
	int rc, code;

	rc = mdb_cursor_open(txn, store->entries, &cursor);
	if (rc != 0) {
		return env_error(&store->log, rc, "opening a cursor");
	}
	code = block_find(store, cursor, first, &walk);
	while (code == ERR_OK && rc == 0 && why == NULL) {
		while (why == NULL && walk.left > 0 && first <= last) {
			why = block_next(&walk, &header, &entry, false);
			*sizes++ = header.size;
			first++;
		}
		if (why != NULL || first > last) {
			break;
		}
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		why = rc == 0 ? block_open(&walk, &key, &value) : NULL;
		if (rc == 0 && why == NULL && walk.index != first) {
			walk.index = first;
			why = "missing";
		}
	}
	mdb_cursor_close(cursor);
	if (code == ERR_OK && why != NULL) {
		return block_damaged(store, &walk, why);
	}
	return code == ERR_OK && rc != 0
	           ? env_error(&store->log, rc, "reading the log")
	           : code;
}

static int
boot_all(struct store *store, MDB_txn *txn, struct raft_boot *boot)
{
	struct list runs = { .item_size = sizeof(struct raft_run) };
	struct list configurations = {
		.item_size = sizeof(struct raft_configuration),
	};
	const struct log_tail *tail = &store->tail;
	uint64_t count, first, stored = store->stored.last_index;
	uint32_t *sizes;
	int code;

	code = collect(store, txn, store->runs, LAYOUT_DB_RUNS, add_run, &runs);
	if (code == ERR_OK) {
		code = collect(store, txn, store->configs, LAYOUT_DB_CONFIGS,
		    add_configuration, &configurations);
	}
	if (code == ERR_OK) {
		code = collect_journal(store, &runs, &configurations);
	}
	boot->runs = runs.items;
	boot->run_count = runs.count;
	boot->configurations = configurations.items;
	boot->configuration_count = configurations.count;
	if (code != ERR_OK) {
		return code;
	}
	boot->hard_state = tail->hard_state;
	boot->first_index = tail->first_index;
	boot->snapshot_index = tail->snapshot_index;
	boot->snapshot_term = tail->snapshot_term;
	boot->last_index = tail->last_index;
	count = tail->last_index + 1 - tail->first_index;
	if (count > RAFT_WINDOW) {
		count = RAFT_WINDOW;
	}
	if (count == 0) {
		return ERR_OK;
	}
	sizes = malloc(count * sizeof(*sizes));
	if (sizes == NULL) {
		return ERR_NOMEM;
	}
	boot->sizes = sizes;
	boot->size_count = count;
	first = tail->last_index + 1 - count;
	if (first <= stored) {
		code = collect_sizes(store, txn, first, stored, sizes);
		sizes += stored + 1 - first;
		first = stored + 1;
	}
	return code == ERR_OK ? collect_journal_sizes(
				    store, first, tail->last_index, sizes)
	                      : code;
}

int
store_boot(struct store *store, struct raft_boot *boot)
{
	struct kv_position position = { 0 };
	MDB_txn *txn;
	int code;

	memset(boot, 0, sizeof(*boot));
	code = state_position(store, &position);
	boot->applied_index = position.applied_index;
	if (code != ERR_OK) {
		return code;
	}
	pthread_mutex_lock(&store->tail_lock);
	code = store_reader_begin(store, &txn);
	if (code == ERR_OK) {
		code = boot_all(store, txn, boot);
		store_reader_end(store, txn);
	}
	pthread_mutex_unlock(&store->tail_lock);
	if (code != ERR_OK) {
		store_free_boot(boot);
	}
	return code;
}

void
store_free_boot(struct raft_boot *boot)
{
	free((void *)(uintptr_t)boot->runs);
	free((void *)(uintptr_t)boot->configurations);
	free((void *)(uintptr_t)boot->sizes);
	memset(boot, 0, sizeof(*boot));
}
