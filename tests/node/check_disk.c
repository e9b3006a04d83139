/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches that do not fit: they go out again with what gathered meanwhile,
 * whatever that is, and are written when a snapshot has made room.  The map
 * of the log is small, so that no disk has to be full.
 */
#include "node/disk.h"
#include "store/snapshot.h"
#include "tests/store/store_test.h"

#define MAP_SIZE	(4ull << 20)
#define RUNS		5
#define TOO_MANY	150	/* entries; more than fit in the end */
#define TRIES		20	/* free pages are used a commit later */

static struct store *store;
static struct disk *disk;
static struct raft_update update;
static struct raft_hard_state hard_state;
static uint64_t seq, last;	/* last: of the durable log */
static uint32_t bell_words[2];

static void
setup(void)
{
	static const struct doorbell bell = {
		.word = &bell_words[0],
		.asleep = &bell_words[1],
	};
	struct store_options options = test_options(STORE_PROCESS);
	int code = ERR_OK;

	test_setup();
	options.log_map_size = MAP_SIZE;
	ck_assert_int_eq(store_create(test_dir, &test_identity,
	    &test_configuration, &options, &test_err), ERR_OK);
	ck_assert_int_eq(store_open(&store, test_dir, &test_identity,
	    &options, &test_err), ERR_OK);
	/* Several times, all gone into the log environment between them: what
	 * it will take there is estimated from above. */
	last = 1;
	for (uint64_t run = 1; run <= RUNS; run++) {
		for (code = ERR_OK; code == ERR_OK; last += 10) {
			ck_assert_uint_lt(last, 100000);
			code = test_commit(store, last + 1, last + 11, 2);
		}
		last -= 10;
		ck_assert_int_eq(code, ERR_FULL);
		if (run < RUNS) {
			ck_assert_int_eq(store_set_run(store, run), ERR_OK);
		}
	}
	hard_state = (struct raft_hard_state){ .term = 2 };
	seq = 0;
	ck_assert_int_eq(disk_new(&disk, store, false, &bell, last, 2),
	    ERR_OK);
}

static void
teardown(void)
{
	disk_free(disk);
	store_close(store);
	test_teardown();
}

static void
begin(void)
{
	memset(&update, 0, sizeof(update));
	update.persist_seq = ++seq;
}

/* One persist: cuts from first on, and appends count entries of term. */
static void
add_entries(uint64_t first, uint32_t count, uint64_t term, bool truncates)
{
	static struct raft_entry entries[2][TOO_MANY];
	static uint8_t data[2][TOO_MANY][TEST_DATA_SIZE];
	const struct raft_entry *borrowed[TOO_MANY];
	uint32_t to = truncates ? 1 : 0, i;

	begin();
	if (term > hard_state.term) {
		hard_state.term = term;
		update.hard_state_changed = true;
	}
	update.hard_state = hard_state;
	update.truncate_from = truncates ? first : 0;
	update.entry_count = count;
	for (i = 0; i < count; i++) {
		entries[to][i] = test_entry(first + i, term);
		if (entries[to][i].size > 0) {
			memcpy(data[to][i], entries[to][i].data,
			    entries[to][i].size);
			entries[to][i].data = data[to][i];
		}
		borrowed[i] = &entries[to][i];
	}
	disk_add(disk, &update, borrowed, 0, 2);
}

static void
add_snapshot(uint64_t index)
{
	static struct raft_snapshot snapshot;
	uint32_t chain;

	snapshot = (struct raft_snapshot){
		.index = index,
		.term = index == 1 ? 1 : 2,
		.configuration = test_configuration,
	};
	ck_assert_int_eq(store_chain(store, index, &chain), ERR_OK);
	store_chain_encode(snapshot.chain, chain, 0);
	begin();
	update.snapshot = &snapshot;
	disk_add(disk, &update, NULL, UINT64_MAX, 0);
}

static int
write_batch(struct disk_done *done)
{
	disk_kick(disk, 1);
	ck_assert(disk_poll(disk, done));
	return done->result;
}

/* Until it fits; the log then begins and ends there. */
static void
is_written(uint64_t first_index, uint64_t last_index)
{
	struct store_log_info info;
	struct disk_done done;
	unsigned int lines = 0, i = 0;
	int code;

	while ((code = write_batch(&done)) == ERR_FULL) {
		ck_assert_uint_lt(++i, TRIES);
	}
	ck_assert_int_eq(code, ERR_OK);
	ck_assert_uint_eq(done.seq, seq);
	ck_assert_uint_eq(done.last_index, last_index);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_ge(info.first_index, 2);
	ck_assert_uint_le(info.first_index, first_index);
	ck_assert_uint_eq(info.last_index, last_index);
	ck_assert_uint_eq(info.hard_state.term, hard_state.term);
	ck_assert_uint_eq(info.snapshot_index, first_index - 1);
	ck_assert_int_eq(store_check(store, test_print, &lines), ERR_OK);
}

START_TEST(snapshot_makes_room)
{
	struct disk_done done;

	add_entries(last + 1, TOO_MANY, 2, false);
	ck_assert_int_eq(write_batch(&done), ERR_FULL);
	add_snapshot(last);
	disk_set_first(disk, last + 1);
	is_written(last + 1, last + TOO_MANY);
}
END_TEST

/* The first one is written aside from the batch, and again with it. */
START_TEST(two_snapshots)
{
	struct disk_done done;

	add_entries(last + 1, TOO_MANY, 2, false);
	add_snapshot(last - 20);
	ck_assert_int_eq(write_batch(&done), ERR_FULL);
	add_snapshot(last);
	ck_assert_int_eq(write_batch(&done), ERR_FULL);
	disk_set_first(disk, last + 1);
	is_written(last + 1, last + TOO_MANY);
}
END_TEST

/* A later leader cuts what was not written yet. */
START_TEST(truncated_before_it_fits)
{
	struct disk_done done;

	add_entries(last + 1, TOO_MANY, 3, false);
	ck_assert_int_eq(write_batch(&done), ERR_FULL);
	add_entries(last + 11, 5, 4, true);
	add_snapshot(last);
	disk_set_first(disk, last + 1);
	is_written(last + 1, last + 15);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("disk");
	TCase *tc = tcase_create("full");

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, snapshot_makes_room);
	tcase_add_test(tc, two_snapshots);
	tcase_add_test(tc, truncated_before_it_fits);
	return check_run(suite);
}
