/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything again, slowly, for `raftnode check`, raftck and tests.  Damage
 * is reported and the walk goes on, so that all of it is seen; the store is
 * not latched by it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/store_internal.h"

#define REPORTS_MAX 100 /* lines; then only counted */

struct verify {
	struct store *store;
	MDB_txn *txn;
	void (*report)(void *, const char *);
	void *arg;
	uint64_t damage_count;
	struct layout_snapshot snapshot;
	uint64_t term; /* hard state */
	bool snapshot_seen; /* the entry at its index */

	/* The walk over the log. */
	uint64_t index, last_term;
	uint32_t chain;
	bool chain_broken;
	bool first; /* the entry at index is the first one */
	MDB_cursor *runs, *configs; /* beside it */
	MDB_val run_key, run_value, config_key, config_value;
	int run_rc, config_rc;
};

static void PRINTF_LIKE(2, 3)
    damage(struct verify *verify, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	verify->damage_count++;
	if (verify->damage_count > REPORTS_MAX || verify->report == NULL) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	verify->report(verify->arg, text);
}

/* Copies a sealed record; says so when it is damaged. */
static bool
get_meta(struct verify *verify, const char *name, void *record, size_t size)
{
	MDB_val key = { strlen(name), (void *)(uintptr_t)name };
	MDB_val value;

	memset(record, 0, size);
	if (mdb_get(verify->txn, verify->store->meta, &key, &value) != 0) {
		damage(verify, "log: %s: missing", name);
		return false;
	}
	if (value.mv_size != size) {
		damage(verify, "log: %s: the record has another size", name);
		return false;
	}
	memcpy(record, value.mv_data, size);
	if (!record_is_sealed(name, record, size)) {
		damage(verify,
		    "log: %s: the record does not match its checksum", name);
		return false;
	}
	return true;
}

static void
verify_meta(struct verify *verify)
{
	struct layout_format format;
	struct layout_identity identity;
	struct layout_run run;
	struct layout_hard_state hard_state;

	if (get_meta(verify, LAYOUT_KEY_FORMAT, &format, sizeof(format)) &&
	    (format.magic != LAYOUT_MAGIC ||
		format.version != LAYOUT_VERSION)) {
		damage(verify, "log: format: version %u, not %u",
		    format.version, LAYOUT_VERSION);
	}
	if (get_meta(
		verify, LAYOUT_KEY_IDENTITY, &identity, sizeof(identity)) &&
	    (identity.cluster_id == 0 || identity.store_id == 0 ||
		identity.node_id == 0)) {
		damage(verify, "log: identity: an id is 0");
	}
	(void)get_meta(verify, LAYOUT_KEY_RUN, &run, sizeof(run));
	if (get_meta(verify, LAYOUT_KEY_HARD_STATE, &hard_state,
		sizeof(hard_state))) {
		verify->term = hard_state.term;
	} else {
		verify->term = UINT64_MAX;
	}
	(void)get_meta(verify, LAYOUT_KEY_SNAPSHOT, &verify->snapshot,
	    sizeof(verify->snapshot));
}

/* A run must begin exactly where the term changes. */
static void
verify_run(struct verify *verify, const struct layout_entry *header, bool first)
{
	bool begins = first || header->term != verify->last_term;
	uint64_t at = 0, term = 0;
	const char *why;

	if (verify->run_rc == 0) {
		at = block_index(&verify->run_key);
	}
	if (begins != (at == verify->index)) {
		damage(verify, "log: runs: entry %llu %s a run, runs say not",
		    (unsigned long long)verify->index,
		    begins ? "begins" : "does not begin");
	}
	if (at != verify->index) {
		return;
	}
	why = record_check_run(at, &verify->run_value, &term);
	if (why != NULL) {
		damage(verify, "log: runs: record %llu: %s",
		    (unsigned long long)at, why);
	} else if (term != header->term) {
		damage(verify, "log: runs: record %llu: term %llu, not %llu",
		    (unsigned long long)at, (unsigned long long)term,
		    (unsigned long long)header->term);
	}
	verify->run_rc = mdb_cursor_get(
	    verify->runs, &verify->run_key, &verify->run_value, MDB_NEXT);
}

static void
verify_config(struct verify *verify, const struct layout_entry *header,
    const MDB_val *entry)
{
	bool is_config = header->type == RAFT_ENTRY_CONFIGURATION;
	const uint8_t *value = verify->config_value.mv_data;
	struct raft_configuration configuration;
	const char *why;
	uint64_t at = 0;

	if (verify->config_rc == 0) {
		at = block_index(&verify->config_key);
	}
	if (is_config != (at == verify->index)) {
		damage(verify,
		    "log: configs: entry %llu %s a configuration, "
		    "configs say not",
		    (unsigned long long)verify->index,
		    is_config ? "is" : "is not");
	}
	if (at != verify->index) {
		return;
	}
	why = record_check_config(at, &verify->config_value, &configuration);
	if (why == NULL &&
	    (verify->config_value.mv_size - sizeof(struct layout_config) !=
		    header->size ||
		memcmp(value + sizeof(struct layout_config),
		    (const uint8_t *)entry->mv_data + sizeof(*header),
		    header->size) != 0)) {
		why = "another configuration than the entry's";
	}
	if (why != NULL) {
		damage(verify, "log: configs: record %llu: %s",
		    (unsigned long long)at, why);
	}
	verify->config_rc = mdb_cursor_get(verify->configs, &verify->config_key,
	    &verify->config_value, MDB_NEXT);
}

/* The snapshot was taken of this log. */
static void
verify_snapshot(struct verify *verify, uint64_t term, uint32_t chain)
{
	const struct layout_snapshot *snapshot = &verify->snapshot;

	verify->snapshot_seen = true;
	if (snapshot->term != term || snapshot->chain != chain) {
		damage(verify,
		    "log: snapshot: of entry %llu with term %llu, not of the "
		    "one in the log",
		    (unsigned long long)snapshot->index,
		    (unsigned long long)snapshot->term);
	}
}

/*
 * Before the log's first entry there is one configuration at most: the one
 * in force at the snapshot, if it is not in the log.
 */
static void
verify_kept_config(struct verify *verify)
{
	struct raft_configuration configuration;
	bool kept = false;
	const char *why;
	uint64_t at;

	while (verify->config_rc == 0) {
		at = block_index(&verify->config_key);
		if (at > verify->snapshot.base_index) {
			break;
		}
		why = record_check_config(
		    at, &verify->config_value, &configuration);
		if (why == NULL && kept) {
			why = "a second one before the log";
		}
		if (why != NULL) {
			damage(verify, "log: configs: record %llu: %s",
			    (unsigned long long)at, why);
		}
		kept = true;
		verify->config_rc = mdb_cursor_get(verify->configs,
		    &verify->config_key, &verify->config_value, MDB_NEXT);
	}
	if (!kept && verify->snapshot.base_index > 0 &&
	    (verify->config_rc != 0 || block_index(&verify->config_key) >
					   verify->snapshot.index)) {
		damage(verify,
		    "log: configs: the one in force at the snapshot is "
		    "missing");
	}
}

static void
verify_entry(struct verify *verify, const struct layout_entry *header,
    const MDB_val *value, bool first)
{
	uint64_t index = verify->index;
	uint32_t chain = record_chain(verify->chain, index, header->term,
	    header->type, header->data_checksum);

	if (chain != header->chain && !verify->chain_broken) {
		damage(verify, "log: entry %llu: does not continue the chain",
		    (unsigned long long)index);
	}
	if (header->term < verify->last_term || header->term > verify->term) {
		damage(verify,
		    "log: entry %llu: term %llu between %llu and "
		    "the node's %llu",
		    (unsigned long long)index,
		    (unsigned long long)header->term,
		    (unsigned long long)verify->last_term,
		    (unsigned long long)verify->term);
	}
	if (header->type < RAFT_ENTRY_NOOP ||
	    header->type > RAFT_ENTRY_CONFIGURATION) {
		damage(verify, "log: entry %llu: type %u",
		    (unsigned long long)index, header->type);
	}
	verify_run(verify, header, first);
	verify_config(verify, header, value);
	if (index == verify->snapshot.index) {
		verify_snapshot(verify, header->term, header->chain);
	}
	verify->chain = header->chain;
	verify->chain_broken = false;
	verify->last_term = header->term;
}

/* Behind a header that is damaged nothing of its block can be told. */
static void
verify_block(struct verify *verify, const MDB_val *key, const MDB_val *value)
{
	struct layout_entry header;
	struct block_walk walk;
	const char *why;
	MDB_val entry;
	uint64_t index;

	why = block_open(&walk, key, value);
	if (walk.index != verify->index) {
		damage(verify, "log: entry %llu: missing",
		    (unsigned long long)verify->index);
		verify->chain_broken = true;
		verify->index = walk.index;
	}
	if (why != NULL) {
		damage(verify, "log: entry %llu: %s",
		    (unsigned long long)walk.index, why);
		verify->chain_broken = true;
	}
	while (walk.left > 0) {
		index = walk.index;
		why = block_next(&walk, &header, &entry, true);
		if (why != NULL) {
			damage(verify, "log: entry %llu: %s",
			    (unsigned long long)index, why);
			verify->chain_broken = true;
			verify->index = index + 1;
			if (walk.index == index &&
			    block_next(&walk, &header, &entry, false) !=
			        NULL) {
				return;
			}
			continue;
		}
		verify_entry(verify, &header, &entry, verify->first);
		verify->first = false;
		verify->index = walk.index;
	}
}

static int
verify_log(struct verify *verify)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc;

	rc = mdb_cursor_open(verify->txn, verify->store->entries, &cursor);
	if (rc != 0) {
		return rc;
	}
	verify->first = true;
	verify->index = verify->snapshot.base_index + 1;
	verify->chain = verify->snapshot.base_chain;
	verify->last_term = verify->snapshot.base_term;
	verify->run_rc = mdb_cursor_get(
	    verify->runs, &verify->run_key, &verify->run_value, MDB_FIRST);
	verify->config_rc = mdb_cursor_get(verify->configs, &verify->config_key,
	    &verify->config_value, MDB_FIRST);
	verify_kept_config(verify);
	if (verify->snapshot.index == verify->snapshot.base_index) {
		verify_snapshot(verify, verify->snapshot.base_term,
		    verify->snapshot.base_chain);
	}
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		verify_block(verify, &key, &value);
	}
	if (!verify->snapshot_seen) {
		damage(verify,
		    "log: snapshot: of entry %llu, which is not there",
		    (unsigned long long)verify->snapshot.index);
	}
	if (verify->run_rc == 0) {
		damage(verify, "log: runs: record %llu is beyond the log",
		    (unsigned long long)block_index(&verify->run_key));
	}
	if (verify->config_rc == 0) {
		damage(verify, "log: configs: record %llu is beyond the log",
		    (unsigned long long)block_index(&verify->config_key));
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* What comes on top of it.  That the records continue each other, and what
 * LMDB covers, was seen when they were read. */
static void
verify_journal(struct verify *verify)
{
	struct store *store = verify->store;
	struct log_tail tail = {
		.hard_state = store->tail.hard_state,
		.last_index = store->stored.last_index,
		.last_term = verify->last_term,
		.chain = verify->chain,
	};
	struct layout_journal covered;
	struct layout_entry header;
	MDB_val value;
	const char *why;
	uint32_t size;

	(void)get_meta(
	    verify, LAYOUT_KEY_JOURNAL, &covered, sizeof(covered));
	for (; tail.last_index < store->tail.last_index; tail.last_index++) {
		value.mv_data = (void *)(uintptr_t)overlay_find(
		    store, tail.last_index + 1, &size);
		if (value.mv_data == NULL) {
			damage(verify, "journal: entry %llu: missing",
			    (unsigned long long)tail.last_index + 1);
			return;
		}
		value.mv_size = size;
		memset(&header, 0, sizeof(header));
		why = overlay_check_next(&tail, &value, &header, true);
		if (why != NULL) {
			damage(verify, "journal: entry %llu: %s",
			    (unsigned long long)tail.last_index + 1, why);
		}
		tail.chain = header.chain;
		tail.last_term = header.term;
	}
}

int
store_check(
    struct store *store, void (*report)(void *, const char *), void *arg)
{
	struct verify verify = {
		.store = store,
		.report = report,
		.arg = arg,
	};
	int code, rc;

	pthread_mutex_lock(&store->tail_lock);
	code = store_reader_begin(store, &verify.txn);
	if (code != ERR_OK) {
		pthread_mutex_unlock(&store->tail_lock);
		return code;
	}
	verify_meta(&verify);
	rc = mdb_cursor_open(verify.txn, store->runs, &verify.runs);
	if (rc == 0) {
		rc = mdb_cursor_open(
		    verify.txn, store->configs, &verify.configs);
	}
	if (rc == 0) {
		rc = verify_log(&verify);
	}
	if (rc != 0) {
		damage(&verify, "log: %s", mdb_strerror(rc));
	} else {
		verify_journal(&verify);
	}
	if (verify.runs != NULL) {
		mdb_cursor_close(verify.runs);
	}
	if (verify.configs != NULL) {
		mdb_cursor_close(verify.configs);
	}
	store_reader_end(store, verify.txn);
	pthread_mutex_unlock(&store->tail_lock);
	if (verify.damage_count > REPORTS_MAX && report != NULL) {
		report(arg, "and more of the same");
	}
	return verify.damage_count == 0 ? ERR_OK : ERR_CORRUPT;
}
