/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the journal has on top of the log environment: a hard state, and
 * entries behind the last one there.  Nothing in it takes anything away (a
 * truncation goes into LMDB, and all of the journal with it), so a reader
 * asks by index alone:
 *
 *	first_index      stored.last_index        tail.last_index
 *	|------ LMDB ------------|------ journal -------|
 *	                          places[0] ... [count - 1]
 *
 * A reader holds tail_lock while it looks at the journal, and begins its
 * transaction of LMDB's under it: a flush in between moves entries from one
 * to the other and must not hide them.
 *
 * Beside a running node there is no lock.  The two belong together when LMDB
 * shows the same transaction before and after the journal was read: its
 * blocks are used again only after a newer one.  A record that is being
 * written meanwhile is torn, and the next one may be seen whole already; only
 * what is found twice in the same place is damage.
 */
#include <assert.h>
#include <string.h>

#include "store/store_internal.h"

#define LOOK_TRIES 1000 /* beside a node that flushes */

struct loading {
	struct store *store;
	const char *why;
};

/* --------------------------------------------------------------- one entry */

/* The mapping is a file: its bytes are foreign.  0: no size for this place. */
static uint32_t
size_at(const struct journal *journal, uint32_t place)
{
	struct layout_op op;

	memcpy(&op, journal->area + place - sizeof(op), sizeof(op));
	return op.size <= journal->size - place ? op.size : 0;
}

const uint8_t *
overlay_find(const struct store *store, uint64_t index, uint32_t *size)
{
	const struct journal *journal = &store->journal;
	uint64_t first = store->stored.last_index + 1;
	uint32_t place;

	if (index < first || index - first >= journal->count) {
		return NULL;
	}
	place = journal->places[index - first];
	*size = size_at(journal, place);
	return journal->area + place;
}

int
overlay_get_entry(
    struct store *store, uint64_t index, struct layout_entry *header)
{
	MDB_val value;
	uint32_t size;
	const char *why;

	value.mv_data =
	    (void *)(uintptr_t)overlay_find(store, index, &size);
	if (value.mv_data == NULL) {
		return ERR_NOT_FOUND;
	}
	value.mv_size = size;
	why = record_check_entry(index, &value, header, false);
	return why == NULL ? ERR_OK
	                   : env_latch(&store->shared, ERR_CORRUPT,
				 "journal: entry %llu: %s",
				 (unsigned long long)index, why);
}

const char *
overlay_check_next(const struct log_tail *tail, const MDB_val *value,
    struct layout_entry *header, bool check_data)
{
	uint64_t index = tail->last_index + 1;
	struct raft_configuration configuration;
	const char *why;

	why = record_check_entry(index, value, header, check_data);
	if (why != NULL) {
		return why;
	}
	if (header->term == 0 || header->term < tail->last_term ||
	    header->term > tail->hard_state.term) {
		return "its term does not fit";
	}
	if (header->chain != record_chain(tail->chain, index, header->term,
				 header->type, header->data_checksum)) {
		return "does not continue the chain";
	}
	if (header->type < RAFT_ENTRY_NOOP ||
	    header->type > RAFT_ENTRY_CONFIGURATION) {
		return "an unknown type";
	}
	if (header->type == RAFT_ENTRY_CONFIGURATION &&
	    raft_configuration_decode(&configuration,
		(const uint8_t *)value->mv_data + sizeof(*header),
		header->size) != ERR_OK) {
		return "not a configuration";
	}
	return NULL;
}

/* ----------------------------------------------------------------- loading */

static const char *
load_hard_state(struct log_tail *tail, const uint8_t *data, uint32_t size)
{
	struct layout_op_hard_state record;

	if (size != sizeof(record)) {
		return "hard state: another size";
	}
	memcpy(&record, data, sizeof(record));
	if (record.term < tail->hard_state.term ||
	    (record.term == tail->hard_state.term &&
		tail->hard_state.vote != 0 &&
		tail->hard_state.vote != record.vote)) {
		return "hard state: it goes back";
	}
	tail->hard_state.term = record.term;
	tail->hard_state.vote = record.vote;
	return NULL;
}

static const char *
load_entry(struct store *store, const struct journal_op *op)
{
	struct journal *journal = &store->journal;
	MDB_val value = { op->size, journal->area + op->offset };
	struct log_tail *tail = &store->tail;
	struct layout_entry header;
	const char *why = overlay_check_next(tail, &value, &header, true);

	if (why != NULL) {
		return why;
	}
	journal->places[journal->count++] = (uint32_t)op->offset;
	journal->pages_size += env_record_size(sizeof(uint64_t), op->size);
	tail->last_index++;
	tail->last_term = header.term;
	tail->chain = header.chain;
	return NULL;
}

static int
load_record(void *arg, size_t offset, size_t end)
{
	struct loading *loading = arg;
	struct store *store = loading->store;
	const struct journal *journal = &store->journal;
	struct journal_op op;

	while (offset < end && loading->why == NULL) {
		if (!journal_next(journal->area, &offset, end, &op)) {
			loading->why = "it is cut off";
		} else if (op.kind == LAYOUT_OP_HARD_STATE) {
			loading->why = load_hard_state(&store->tail,
			    journal->area + op.offset, op.size);
		} else if (op.kind == LAYOUT_OP_ENTRY) {
			loading->why = load_entry(store, &op);
		} else {
			loading->why = "an unknown operation";
		}
	}
	return loading->why == NULL ? ERR_OK : ERR_CORRUPT;
}

/* Fills err when the journal is damaged, and does not latch then. */
static int
load(struct store *store, MDB_txn *txn, struct err_buf *err)
{
	struct journal *journal = &store->journal;
	struct loading loading = { .store = store };
	struct layout_journal covered;
	int code;

	err->text[0] = '\0';
	code = store_load_tail(store, txn, &store->stored);
	if (code == ERR_OK) {
		code = store_get_meta(store, txn, LAYOUT_KEY_JOURNAL, &covered,
		    sizeof(covered));
	}
	if (code == ERR_OK) {
		code = journal_load(journal);
	}
	if (code != ERR_OK) {
		return code;
	}
	store->tail = store->stored;
	journal->count = 0;
	journal->pages_size = 0;
	journal->at.sequence = covered.sequence;
	journal->at.lap = covered.lap;
	journal->at.chain = covered.chain;
	code = journal_scan(journal->area, journal->size, journal->seed,
	    &journal->at, &journal->end, load_record, &loading, err);
	if (loading.why != NULL) {
		return err_set(err, code, "journal: record %llu: %s",
		    (unsigned long long)journal->at.sequence + 1, loading.why);
	}
	store->tail.size = store->stored.size + journal->pages_size;
	return code;
}

int
overlay_load(struct store *store, MDB_txn *txn)
{
	struct err_buf why;
	int code = load(store, txn, &why);

	return code == ERR_OK || why.text[0] == '\0'
	           ? code
	           : env_latch(&store->shared, code, "%s", why.text);
}

int
overlay_look(struct store *store, MDB_txn *txn)
{
	uint64_t stopped = UINT64_MAX, id = mdb_txn_id(txn);
	struct err_buf why;
	int code, rc, i;

	assert(store->read_only);
	for (i = 0; i < LOOK_TRIES; i++) {
		code = load(store, txn, &why);
		if (code != ERR_OK && why.text[0] == '\0') {
			return code;
		}
		mdb_txn_reset(txn);
		rc = mdb_txn_renew(txn);
		if (rc != 0) {
			return env_error(
			    &store->log, rc, "renewing a transaction");
		}
		if (mdb_txn_id(txn) != id) {
			id = mdb_txn_id(txn);
			stopped = UINT64_MAX;
		} else if (code == ERR_OK) {
			return ERR_OK;
		} else if (store->journal.at.sequence == stopped) {
			return env_latch(
			    &store->shared, code, "%s", why.text);
		} else {
			stopped = store->journal.at.sequence;
		}
	}
	return ERR_BUSY;
}

/* ---------------------------------------------------------------- flushing */

static int
flush_entry(struct store *store, uint32_t place)
{
	struct log_tail *next = &store->next;
	const struct journal *journal = &store->journal;
	struct layout_entry header;
	MDB_val value = { size_at(journal, place), journal->area + place };
	const char *why = overlay_check_next(next, &value, &header, false);

	if (why != NULL) {
		return env_latch(&store->shared, ERR_CORRUPT,
		    "journal: entry %llu: %s",
		    (unsigned long long)next->last_index + 1, why);
	}
	store->flushed_bytes += header.size;
	return store_put_entry(
	    store, &header, (uint8_t *)value.mv_data + sizeof(header));
}

static int
put_covered(struct store *store)
{
	const struct journal *journal = &store->journal;
	struct layout_journal covered = {
		.sequence = journal->at.sequence,
		.lap = journal->at.lap + 1,
		.chain = journal->at.chain,
	};

	return journal_ends_lap(journal)
	           ? store_put_meta(store, store->txn, LAYOUT_KEY_JOURNAL,
			 &covered, sizeof(covered))
	           : ERR_OK;
}

int
overlay_flush(struct store *store)
{
	struct journal *journal = &store->journal;
	struct log_tail *next = &store->next, want = *next;
	uint32_t i, count = journal->count + journal->staged_count;
	int code = ERR_OK;

	*next = store->stored;
	if (want.hard_state.term != next->hard_state.term ||
	    want.hard_state.vote != next->hard_state.vote) {
		code = store_put_hard_state(store, &want.hard_state);
	}
	for (i = 0; i < count && code == ERR_OK; i++) {
		code = flush_entry(store, journal->places[i]);
	}
	/* Those of the open batch count as the batch's. */
	store->flushed_entries = journal->count;
	store->flushed_bytes -= store->txn_bytes < store->flushed_bytes
	                            ? store->txn_bytes
	                            : store->flushed_bytes;
	if (code == ERR_OK &&
	    (next->last_index != want.last_index ||
		next->last_term != want.last_term ||
		next->chain != want.chain)) {
		code = env_latch(&store->shared, ERR_CORRUPT,
		    "journal: entry %llu is not what was written",
		    (unsigned long long)next->last_index);
	}
	if (code == ERR_OK) {
		code = put_covered(store);
	}
	journal_unstage(journal);
	*next = want;
	return code;
}
