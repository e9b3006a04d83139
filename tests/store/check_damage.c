/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Damage is detected and never served (U15): files cut short, a bit flipped
 * in each kind of record, another version. Records are changed through LMDB
 * itself, so that only their own checksums can tell.
 */
#include "tests/store/store_test.h"

#include <lmdb.h>

#include "base/crc32c.h"
#include "journal/journal.h"
#include "store/store_layout.h"

/* ------------------------------------------------------------- cut short */

static const struct {
	const char *env;
	off_t size; /* negative: this much less than it has in use */
} cuts[] = {
	{ "log", 0 },
	{ "log", 100 },
	{ "log", 4096 },
	{ "log", 8192 },
	{ "log", 40960 },
	{ "state.0", 0 },
	{ "state.0", 4096 },
};

START_TEST(test_cut)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store;
	char path[400];

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 2000, 2), ERR_OK);
	store_close(store);
	test_flush(STORE_PROCESS);
	snprintf(
	    path, sizeof(path), "%s/store/%s/data.mdb", test_dir, cuts[_i].env);
	ck_assert_int_eq(truncate(path, cuts[_i].size), 0);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(test_err.text, test_dir));
	options.read_only = true;
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
	ck_assert_int_eq(unlink(path), 0);
	options.read_only = false;
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
	/* It was not made anew. */
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

/* ------------------------------------------------------------- bit flips */

struct change {
	const char *env, *database, *name;
	uint64_t index; /* the key, when name is NULL */
};

/* Opens LMDB behind the store's back. */
static MDB_env *
raw_open(const struct change *change, MDB_txn **txn, MDB_dbi *dbi)
{
	MDB_env *env;
	char path[400];

	snprintf(path, sizeof(path), "%s/store/%s", test_dir, change->env);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_set_maxdbs(env, 8), 0);
	ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSYNC, 0600), 0);
	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, txn), 0);
	ck_assert_int_eq(mdb_dbi_open(*txn, change->database, 0, dbi), 0);
	return env;
}

/* Entries are several in a record: the one with this entry. */
static MDB_val
raw_block(MDB_txn *txn, MDB_dbi dbi, uint64_t index)
{
	MDB_val key = { sizeof(index), &index }, value;
	MDB_cursor *cursor;
	int rc;

	ck_assert_int_eq(mdb_cursor_open(txn, dbi, &cursor), 0);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc == MDB_NOTFOUND) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	} else if (memcmp(key.mv_data, &index, sizeof(index)) != 0) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	}
	ck_assert_int_eq(rc, 0);
	mdb_cursor_close(cursor);
	return key;
}

static MDB_val
raw_key(MDB_txn *txn, MDB_dbi dbi, const struct change *change)
{
	MDB_val key = { sizeof(change->index),
		(void *)(uintptr_t)&change->index };

	if (strcmp(change->database, "log") == 0) {
		return raw_block(txn, dbi, change->index);
	} else if (change->name != NULL) {
		key.mv_size = strlen(change->name);
		key.mv_data = (void *)(uintptr_t)change->name;
	}
	return key;
}

/* Flips one bit; returns how many bits the record has. */
static size_t
flip(const struct change *change, size_t bit)
{
	uint8_t copy[LAYOUT_BLOCK_SIZE];
	uint64_t index;
	MDB_val key, value;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_env *env = raw_open(change, &txn, &dbi);

	key = raw_key(txn, dbi, change);
	if (change->name == NULL) {
		/* It is in a page that will be another's. */
		memcpy(&index, key.mv_data, sizeof(index));
		key.mv_data = &index;
	}
	ck_assert_int_eq(mdb_get(txn, dbi, &key, &value), 0);
	ck_assert_uint_le(value.mv_size, sizeof(copy));
	memcpy(copy, value.mv_data, value.mv_size);
	value.mv_data = copy;
	copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &value, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	return 8 * value.mv_size;
}

static const struct {
	struct change change;
	size_t step;  /* every so many bits */
	bool at_open; /* open fails; else store_boot() does */
} flips[] = {
	{ { "log", "meta", "hard_state", 0 }, 5, true },
	{ { "log", "meta", "format", 0 }, 11, true },
	{ { "log", "meta", "identity", 0 }, 13, true },
	{ { "log", "meta", "run", 0 }, 11, true },
	{ { "log", "meta", "snapshot", 0 }, 41, true },
	{ { "log", "log", NULL, 1 }, 17, true }, /* alone */
	{ { "log", "log", NULL, 19 }, 797, true }, /* with many others */
	{ { "log", "log", NULL, 79 }, 1201, true }, /* with the last ones */
	{ { "log", "log", NULL, 49 }, 4003, true }, /* a large one */
	{ { "log", "runs", NULL, 40 }, 11, false },
	{ { "log", "configs", NULL, 1 }, 61, false },
};

START_TEST(test_flip)
{
	struct store_options options = test_options(STORE_PROCESS);
	const struct change *change = &flips[_i].change;
	struct store *store;
	struct raft_boot boot;
	unsigned int lines;
	size_t bit, bits = 1;

	options.read_only = true; /* no syncs: faster */
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 40, 2), ERR_OK);
	ck_assert_int_eq(test_commit(store, 40, 80, 3), ERR_OK);
	store_close(store);
	test_flush(STORE_PROCESS);
	for (bit = 0; bit < bits; bit += flips[_i].step) {
		bits = flip(change, bit);
		if (flips[_i].at_open) {
			ck_assert_int_eq(store_open(&store, test_dir, NULL,
					     &options, &test_err),
			    ERR_CORRUPT);
		} else {
			store = test_open_read_only();
			lines = 0;
			ck_assert_int_eq(store_check(store, test_print, &lines),
			    ERR_CORRUPT);
			ck_assert_uint_gt(lines, 0);
			ck_assert_int_eq(store_boot(store, &boot), ERR_CORRUPT);
			ck_assert_ptr_nonnull(store_latched(store));
			store_close(store);
		}
		flip(change, bit); /* and back */
	}
	store = test_open(STORE_PROCESS);
	test_is_whole(store, 79);
	store_close(store);
}
END_TEST

/* A record that is missing altogether. */
START_TEST(test_gone)
{
	static const struct change gone[] = {
		{ "log", "meta", "hard_state", 0 },
		{ "log", "meta", "identity", 0 },
		{ "log", "log", NULL, 30 },
		{ "log", "log", NULL, 1 },
	};
	struct store_options options = test_options(STORE_PROCESS);
	MDB_val key;
	struct store *store;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 60, 2), ERR_OK);
	store_close(store);
	test_flush(STORE_PROCESS);
	env = raw_open(&gone[_i], &txn, &dbi);
	key = raw_key(txn, dbi, &gone[_i]);
	ck_assert_int_eq(mdb_del(txn, dbi, &key, NULL), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
}
END_TEST

/* An older one, without the tables that came later, and a newer one. */
START_TEST(test_version)
{
	static const struct change change = { "log", "meta", "format", 0 };
	static const struct change later[] = {
		{ "state.0", "expiries", NULL, 0 },
		{ "state.0", "events", NULL, 0 },
	};
	struct store_options options = test_options(STORE_PROCESS);
	struct layout_format format = { LAYOUT_MAGIC,
		LAYOUT_VERSION + (_i == 0 ? -1u : 1u), 0 };
	MDB_val key, value = { sizeof(format), &format };
	struct store *store;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	format.checksum = crc32c(crc32c(0, "format", 6), &format,
	    offsetof(struct layout_format, checksum));
	test_create(STORE_PROCESS);
	env = raw_open(&change, &txn, &dbi);
	key = raw_key(txn, dbi, &change);
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &value, 0), 0);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
	for (size_t i = 0; _i == 0 && i < COUNT_OF(later); i++) {
		env = raw_open(&later[i], &txn, &dbi);
		ck_assert_int_eq(mdb_drop(txn, dbi, 1), 0);
		ck_assert_int_eq(mdb_txn_commit(txn), 0);
		mdb_env_close(env);
	}
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_VERSION);
	ck_assert_ptr_nonnull(strstr(test_err.text,
	    _i == 0 ? "made by an older version of raftsup: its format is 2"
		    : "made by a newer version of raftsup: its format is 4"));
	/* One line, with what to do. */
	ck_assert_ptr_null(strchr(test_err.text, '\n'));
	ck_assert_int_eq(strstr(test_err.text, "backup") != NULL, _i == 0);
	options.read_only = true;
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_VERSION);
}
END_TEST

/* Where the entry's data begins in its record. */
static size_t
data_offset(const struct change *change)
{
	size_t offset = sizeof(struct layout_block);
	struct layout_entry header;
	MDB_val key, value;
	uint64_t index;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_env *env = raw_open(change, &txn, &dbi);

	key = raw_key(txn, dbi, change);
	memcpy(&index, key.mv_data, sizeof(index));
	ck_assert_int_eq(mdb_get(txn, dbi, &key, &value), 0);
	for (;; index++, offset += sizeof(header) + header.size) {
		memcpy(&header, (uint8_t *)value.mv_data + offset,
		    sizeof(header));
		if (index == change->index) {
			break;
		}
	}
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return offset + sizeof(header);
}

/* Entries before the checkpoint are verified when they are read. */
START_TEST(test_old_entry)
{
	static const struct change change = { "log", "log", NULL, 60 };
	struct raft_hard_state hard_state = { .term = 9, .vote = 1 };
	struct kv_answer answer;
	struct store *store;
	struct state *state;
	struct kv *kv;
	uint64_t index, count = 0;
	unsigned int lines = 0;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 100, 2), ERR_OK);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	ck_assert_int_eq(kv_new(&kv, state_table(state)), ERR_OK);
	for (index = 1; index < 100; index++) {
		ck_assert_int_eq(
		    kv_apply(kv, index, 2, false, NULL, 0, &answer), ERR_OK);
	}
	ck_assert_int_eq(kv_flush(kv), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	kv_free(kv);
	state_close(state);
	store_close(store);
	test_flush(STORE_PROCESS);

	flip(&change, 8 * data_offset(&change) + 3);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_check(store, test_print, &lines), ERR_CORRUPT);
	ck_assert_uint_eq(lines, 1);
	/* Up to it, and not it. */
	ck_assert_int_eq(
	    store_read(store, 50, 100, UINT64_MAX, test_matches, &count),
	    ERR_CORRUPT);
	ck_assert_uint_eq(count, 10);
	ck_assert_ptr_nonnull(strstr(store_latched(store), "entry 60"));
	ck_assert_int_eq(
	    store_read(store, 1, 2, 1, test_matches, &count), ERR_CORRUPT);
	ck_assert_int_eq(store_begin(store), ERR_CORRUPT);
	ck_assert_uint_eq(hard_state.term, 9);
	store_close(store);
}
END_TEST

/* A state that is ahead of its log: the log lost something. */
START_TEST(test_state_ahead)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct kv_answer answer;
	struct store *store;
	struct state *state;
	struct kv *kv;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	ck_assert_int_eq(kv_new(&kv, state_table(state)), ERR_OK);
	ck_assert_int_eq(kv_apply(kv, 1, 1, false, NULL, 0, &answer), ERR_OK);
	ck_assert_int_eq(kv_apply(kv, 2, 1, false, NULL, 0, &answer), ERR_OK);
	ck_assert_int_eq(kv_flush(kv), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	kv_free(kv);
	state_close(state);
	store_close(store);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(test_err.text, "applied"));
}
END_TEST

/* Every bit of a record of the state: get and seek refuse it. */
START_TEST(test_state_flip)
{
	static const struct change change = { "state.0", "data", "key", 0 };
	struct kv_slice key = { "key", 3 }, value = { "the value", 9 }, found;
	const struct kv_table *table;
	struct store *store;
	struct state *state;
	size_t bit, bits = 1;

	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
	ck_assert_int_eq(table->put(table->arg, KV_DATA, key, value), ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	state_close(state);
	store_close(store);
	for (bit = 0; bit < bits; bit += 3) {
		bits = flip(&change, bit);
		store = test_open_read_only();
		ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
		table = state_table(state);
		ck_assert_int_eq(
		    bit % 2 == 0 ? table->get(table->arg, KV_DATA, key, &found)
				 : table->seek(table->arg, KV_DATA, key, false,
				       &key, &found),
		    ERR_CORRUPT);
		ck_assert_ptr_nonnull(store_latched(store));
		key.data = "key";
		key.size = 3;
		state_close(state);
		store_close(store);
		flip(&change, bit);
	}
	ck_assert_uint_eq(bits, 8 * 13);
}
END_TEST

/* What a client has put into an entry looks like a record of the journal, of
 * a later lap: it is no damage. */
START_TEST(test_forged_record)
{
	static uint64_t data[8];
	struct journal_identity identity = {
		.cluster_id = TEST_CLUSTER,
		.store_id = TEST_STORE,
		.node_id = TEST_NODE,
	};
	struct journal_at at = { 1000, 1000, 7 };
	struct raft_entry entry = {
		.index = 2,
		.term = 1,
		.type = RAFT_ENTRY_COMMAND,
		.size = sizeof(data),
		.data = (const uint8_t *)data,
	};
	struct store_log_info info;
	struct store *store;

	journal_seal((uint8_t *)data, 0, 8, 48, journal_seed(&identity), &at);
	entry.checksum =
	    raft_entry_checksum(entry.type, entry.data, entry.size);
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_append(store, &entry, 1);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(store_set_run(store, 1), ERR_OK);
	store_close(store);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.last_index, 2);
	store_close(store);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("damage");
	TCase *tcase = tcase_create("damage");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_loop_test(tcase, test_cut, 0, (int)COUNT_OF(cuts));
	tcase_add_loop_test(tcase, test_flip, 0, (int)COUNT_OF(flips));
	tcase_add_loop_test(tcase, test_gone, 0, 4);
	tcase_add_loop_test(tcase, test_version, 0, 2);
	tcase_add_test(tcase, test_old_entry);
	tcase_add_test(tcase, test_state_ahead);
	tcase_add_test(tcase, test_state_flip);
	tcase_add_test(tcase, test_forged_record);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
