/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots in the log: recorded, the log cut behind them in steps, begun
 * from (T08, T54, T61); and the disk that all this takes stays bounded (U6).
 */
#include "tests/store/snapshot_test.h"

#include <signal.h>

static struct raft_configuration later; /* the one of entry 700 */

static struct raft_entry
configuration_entry(uint64_t index, uint64_t term)
{
	static uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_entry entry = {
		.index = index,
		.term = term,
		.type = RAFT_ENTRY_CONFIGURATION,
		.data = data,
	};

	later = test_configuration;
	later.index = index;
	later.servers[1].suffrage = RAFT_LEARNER;
	entry.size = raft_configuration_encode(&later, data);
	entry.checksum = raft_entry_checksum(entry.type, data, entry.size);
	return entry;
}

/* Entries up to 3000: term 1, 2 from 500, 4 from 1901, 5 from 2500; a
 * configuration at 700 and one at 2600. */
static struct store *
make_log(enum store_durability durability)
{
	struct raft_entry entry;
	struct store *store;

	test_create(durability);
	store = test_open(durability);
	ck_assert_int_eq(test_commit(store, 2, 500, 1), ERR_OK);
	ck_assert_int_eq(test_commit(store, 500, 700, 2), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	entry = configuration_entry(700, 2);
	store_append(store, &entry, 1);
	test_append(store, 701, 1901, 2);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(test_commit(store, 1901, 2500, 4), ERR_OK);
	ck_assert_int_eq(test_commit(store, 2500, 2600, 5), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	entry = configuration_entry(2600, 5);
	store_append(store, &entry, 1);
	test_append(store, 2601, 3001, 5);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	configuration_entry(700, 2);
	return store;
}

static struct raft_snapshot
snapshot_at(struct store *store, uint64_t index, uint64_t configuration_index)
{
	struct store_entry_info info;
	struct raft_snapshot snapshot = { .index = index };

	ck_assert_int_eq(store_entry_info(store, index, &info), ERR_OK);
	snapshot.term = info.term;
	snapshot.configuration.index = configuration_index;
	store_chain_encode(snapshot.chain, info.chain, 0);
	return snapshot;
}

static int
record(struct store *store, const struct raft_snapshot *snapshot)
{
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_snapshot(store, snapshot);
	return store_commit(store);
}

/* Only the log here: no state has applied what the log says. */
static bool
cut(struct store *store, uint64_t first_index)
{
	bool more;

	ck_assert_int_eq(store_begin(store), ERR_OK);
	more = store_cut(store, first_index);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	return more;
}

/* What a start would find: the position is not at issue here. */
static void
put_position(struct store *store, uint64_t applied_index)
{
	const struct kv_table *table;
	struct state *state;
	uint8_t record[56] = { 1 };

	memcpy(record + 8, &applied_index, sizeof(applied_index));
	ck_assert_int_eq(state_open(&state, store, &test_err), ERR_OK);
	table = state_table(state);
	ck_assert_int_eq(table->put(table->arg, KV_META,
			     (struct kv_slice){ "position", 8 },
			     (struct kv_slice){ record, sizeof(record) }),
	    ERR_OK);
	ck_assert_int_eq(state_checkpoint(state), ERR_OK);
	state_close(state);
}

static void
is_whole(struct store *store, uint64_t first_index, uint64_t last_index)
{
	struct store_log_info info;
	unsigned int lines = 0;
	uint64_t count = 0;

	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, first_index);
	ck_assert_uint_eq(info.last_index, last_index);
	ck_assert_int_eq(store_check(store, test_print, &lines), ERR_OK);
	ck_assert_int_eq(store_read(store, first_index, last_index + 1,
			     UINT64_MAX, test_matches, &count),
	    ERR_OK);
	ck_assert_uint_eq(count, last_index + 1 - first_index);
	ck_assert_int_eq(store_read(store, first_index - 1, last_index + 1,
			     UINT64_MAX, test_matches, &count),
	    ERR_NOT_FOUND);
}

/* In bounded steps, with a start after each. */
START_TEST(test_cut_steps)
{
	enum store_durability durability =
	    _i == 0 ? STORE_POWER : STORE_PROCESS;
	struct store *store = make_log(durability);
	struct raft_snapshot snapshot = snapshot_at(store, 2550, 700);
	struct store_log_info info;
	struct raft_boot boot;
	uint32_t chain, chains[2451];
	uint64_t before = 1, index;
	unsigned int steps;
	bool more = true;

	put_position(store, 2550);
	for (index = 2450 - TEST_BLOCK_ENTRIES; index <= 2450; index++) {
		ck_assert_int_eq(
		    store_chain(store, index, &chains[index]), ERR_OK);
	}
	ck_assert_int_eq(record(store, &snapshot), ERR_OK);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 1);
	ck_assert_uint_eq(info.snapshot_index, 2550);
	ck_assert_uint_eq(info.snapshot_term, 5);
	for (steps = 0; more; steps++) {
		more = cut(store, 2450);
		store_close(store);
		store = test_open(durability);
		ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
		ck_assert_uint_le(
		    info.first_index - before, STORE_CUT_ENTRIES);
		ck_assert_uint_gt(info.first_index, before);
		before = info.first_index;
		is_whole(store, before, 3000);
	}
	/* Whole blocks: what stays is less than one. */
	ck_assert_uint_le(before, 2450);
	ck_assert_uint_gt(before, 2450 - TEST_BLOCK_ENTRIES);
	ck_assert_uint_eq(steps, 3);
	/* The chain of the last entry cut off is known, no other one is. */
	ck_assert_int_eq(store_chain(store, before - 1, &chain), ERR_OK);
	ck_assert_uint_eq(chain, chains[before - 1]);
	ck_assert_int_eq(
	    store_chain(store, before - 2, &chain), ERR_NOT_FOUND);

	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.first_index, before);
	ck_assert_uint_eq(boot.snapshot_index, 2550);
	ck_assert_uint_eq(boot.snapshot_term, 5);
	ck_assert_uint_eq(boot.run_count, 2);
	ck_assert_uint_eq(boot.runs[0].first_index, before);
	ck_assert_uint_eq(boot.runs[0].term, 4);
	ck_assert_uint_eq(boot.runs[1].first_index, 2500);
	/* T54: the one of the snapshot, though its entry is gone. */
	ck_assert_uint_eq(boot.configuration_count, 2);
	ck_assert_mem_eq(&boot.configurations[0], &later, sizeof(later));
	ck_assert_uint_eq(boot.configurations[1].index, 2600);
	ck_assert_uint_eq(boot.size_count, 3001 - before);
	store_free_boot(&boot);
	/* Cutting less than that is nothing. */
	ck_assert(!cut(store, 2450));
	ck_assert(!cut(store, 100));
	is_whole(store, before, 3000);
	store_close(store);
}
END_TEST

/* T08, T61: nothing is left of the log, and it goes on all the same. */
START_TEST(test_empty_log)
{
	struct store *store = make_log(STORE_POWER);
	struct raft_snapshot snapshot = snapshot_at(store, 3000, 2600);
	struct store_log_info info;
	uint32_t chain, before;
	struct raft_boot boot;

	put_position(store, 3000);
	ck_assert_int_eq(store_chain(store, 3000, &before), ERR_OK);
	ck_assert_int_eq(record(store, &snapshot), ERR_OK);
	while (cut(store, 3001)) {
		continue;
	}
	store_close(store);
	store = test_open(STORE_POWER);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 3001);
	ck_assert_uint_eq(info.last_index, 3000);
	ck_assert_uint_eq(info.last_term, 5);
	ck_assert_int_eq(store_chain(store, 3000, &chain), ERR_OK);
	ck_assert_uint_eq(chain, before);
	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.run_count, 0);
	ck_assert_uint_eq(boot.snapshot_term, 5);
	ck_assert_uint_eq(boot.configuration_count, 1);
	store_free_boot(&boot);
	/* The same term again: a run begins all the same. */
	ck_assert_int_eq(test_commit(store, 3001, 3100, 5), ERR_OK);
	is_whole(store, 3001, 3099);
	/* And a truncation of all of it. */
	ck_assert_int_eq(test_commit(store, 3001, 3050, 6), ERR_OK);
	store_close(store);
	store = test_open(STORE_POWER);
	is_whole(store, 3001, 3049);
	store_close(store);
}
END_TEST

/* With appends in the same transaction, and large entries. */
START_TEST(test_cut_with_appends)
{
	static uint8_t data[600000];
	struct raft_entry entry = {
		.term = 2,
		.type = RAFT_ENTRY_COMMAND,
		.size = sizeof(data),
		.data = data,
	};
	struct raft_snapshot snapshot;
	struct store_log_info info;
	struct store *store;

	entry.checksum =
	    raft_entry_checksum(entry.type, entry.data, entry.size);
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(store, 2, 3, 2), ERR_OK);
	for (entry.index = 3; entry.index <= 12; entry.index++) {
		ck_assert_int_eq(store_begin(store), ERR_OK);
		store_append(store, &entry, 1);
		ck_assert_int_eq(store_commit(store), ERR_OK);
	}
	snapshot = snapshot_at(store, 12, 1);
	put_position(store, 12);
	/* What a batch takes along from the journal allows more to be cut. */
	store_close(store);
	store = test_open(STORE_PROCESS);
	/* All in one: the snapshot, an append, two large entries cut off. */
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_snapshot(store, &snapshot);
	ck_assert(store_cut(store, 13));
	store_append(store, &entry, 1);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 5);
	ck_assert_uint_eq(info.last_index, 13);
	/* What is appended allows more. */
	entry.index = 14;
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_append(store, &entry, 1);
	ck_assert(store_cut(store, 13));
	ck_assert_int_eq(store_commit(store), ERR_OK);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 9);
	ck_assert(!cut(store, 11));
	while (cut(store, 13)) {
		continue;
	}
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.first_index, 13);
	ck_assert_uint_lt(info.size, 3 * sizeof(data));
	store_close(store);
}
END_TEST

/* A snapshot of another log: the store stops. */
START_TEST(test_other_log)
{
	struct store *store = make_log(STORE_PROCESS);
	struct raft_snapshot snapshot = snapshot_at(store, 2000, 700);

	switch (_i) {
	case 0:
		snapshot.term--;
		break;
	case 1:
		snapshot.chain[0] ^= 1;
		break;
	case 2: /* T54: a later configuration than the one in force */
		snapshot.configuration.index = 2600;
		break;
	case 3:
		snapshot.configuration.index = 1;
		break;
	}
	ck_assert_int_lt(record(store, &snapshot), 0);
	ck_assert_ptr_nonnull(store_latched(store));
	store_close(store);
}
END_TEST

/* Committed entries are not truncated, nor the log cut beyond. */
START_TEST(test_refused)
{
	struct store *store = make_log(STORE_PROCESS);
	struct raft_snapshot snapshot = snapshot_at(store, 2000, 700);

	ck_assert_int_eq(record(store, &snapshot), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	if (_i == 0) {
		store_truncate(store, 2000);
	} else if (_i == 1) {
		(void)store_cut(store, 2002);
	} else {
		snapshot.index = 1500;
		store_snapshot(store, &snapshot);
	}
}
END_TEST

/* A state that is behind the snapshot is damage. */
START_TEST(test_state_behind)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store = make_log(STORE_PROCESS);
	struct raft_snapshot snapshot = snapshot_at(store, 2000, 700);

	put_position(store, 1999);
	ck_assert_int_eq(record(store, &snapshot), ERR_OK);
	store_close(store);
	ck_assert_int_eq(store_open(&store, test_dir, &test_identity,
			     &options, &test_err),
	    ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(test_err.text, "snapshot is at 2000"));
	options.read_only = true;
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
}
END_TEST

/* U6: sets of 100 bytes on 100 keys, snapshots as they come: files do not
 * grow after the beginning. */
START_TEST(test_bounded)
{
	struct store_figures figures;
	uint64_t log_max = 0, index = 1;
	struct store_log_info info;
	unsigned int i;
	struct rig rig;

	rig_create(&rig, "node-1", STORE_PROCESS);
	for (i = 0; i < 300; i++) {
		index += 200;
		rig_grow(&rig, index, 100, 100);
		if (i % 10 == 9) {
			rig_compact(&rig, 500);
		}
		store_figures(rig.store, &figures);
		log_max = i == 40 ? figures.log_used : log_max;
	}
	ck_assert_int_eq(store_log_info(rig.store, &info), ERR_OK);
	ck_assert_uint_le(info.first_index, info.last_index - 499);
	ck_assert_uint_gt(
	    info.first_index, info.last_index - 499 - TEST_BLOCK_ENTRIES);
	/* 500 entries of some 200 bytes, and a block, at the most. */
	ck_assert_uint_lt(figures.log_size, 500 * 250);
	ck_assert_uint_lt(log_max, 2u << 20);
	ck_assert_uint_le(figures.log_used, log_max + log_max / 4);
	/* The events that are kept for watches are most of it. */
	ck_assert_uint_le(figures.state_used, 2 * KV_EVENTS_SIZE_MAX);
	rig_is_at(&rig, index, kv_position(rig.kv)->digest);
	rig_close(&rig);
	rig_open(&rig, STORE_PROCESS);
	rig_is_at(&rig, index, kv_position(rig.kv)->digest);
	rig_close(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *tcase = tcase_create("snapshot");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_loop_test(tcase, test_cut_steps, 0, 2);
	tcase_add_test(tcase, test_empty_log);
	tcase_add_test(tcase, test_cut_with_appends);
	tcase_add_loop_test(tcase, test_other_log, 0, 4);
	tcase_add_loop_test_raise_signal(
	    tcase, test_refused, SIGABRT, 0, 3);
	tcase_add_test(tcase, test_state_behind);
	tcase_add_test(tcase, test_bounded);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
