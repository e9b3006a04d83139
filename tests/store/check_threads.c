/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * While one thread commits, others read, look for room, and sync. To be run
 * under ThreadSanitizer too.
 */
#include "tests/store/store_test.h"

#include <pthread.h>
#include <stdatomic.h>

struct beside {
	struct store *store;
	_Atomic bool stop;
	_Atomic uint64_t reads, syncs;
	_Atomic int failed;
};

static int
next_index(void *arg, const struct raft_entry *entry)
{
	uint64_t *last = arg;
	bool follows = entry->index == *last + 1;

	*last = entry->index;
	return !follows;
}

static void *
read_beside(void *arg)
{
	struct beside *beside = arg;
	struct store_log_info info;
	uint64_t last;

	while (!beside->stop) {
		last = 0;
		if (store_log_info(beside->store, &info) != ERR_OK ||
		    store_read(beside->store, 1, info.last_index + 1,
			UINT64_MAX, next_index, &last) != ERR_OK ||
		    last != info.last_index ||
		    store_room(beside->store, 1000) == STORE_ROOM_NONE) {
			beside->failed = 1;
			break;
		}
		beside->reads++;
	}
	return NULL;
}

static void *
sync_beside(void *arg)
{
	struct beside *beside = arg;

	while (!beside->stop) {
		if (store_sync(beside->store) != ERR_OK) {
			beside->failed = 1;
			break;
		}
		beside->syncs++;
	}
	return NULL;
}

START_TEST(test_threads)
{
	static struct beside beside;
	pthread_t readers[2], syncer;
	uint64_t next = 2;
	int i;

	test_create(STORE_PROCESS);
	beside.store = test_open(STORE_PROCESS);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(
		    pthread_create(&readers[i], NULL, read_beside, &beside), 0);
	}
	ck_assert_int_eq(
	    pthread_create(&syncer, NULL, sync_beside, &beside), 0);
	while (!beside.failed &&
	       (next < 20000 || beside.reads < 20 || beside.syncs < 5)) {
		if (next >= 100000) {
			usleep(1000); /* long enough to read */
			continue;
		}
		ck_assert_int_eq(
		    test_commit(beside.store, next, next + 10, 2), ERR_OK);
		next += 10;
	}
	beside.stop = true;
	for (i = 0; i < 2; i++) {
		pthread_join(readers[i], NULL);
	}
	pthread_join(syncer, NULL);
	ck_assert_int_eq(beside.failed, 0);
	ck_assert_uint_ge(beside.reads, 20);
	test_is_whole(beside.store, next - 1);
	store_close(beside.store);
}
END_TEST

struct late {
	struct store *store;
	pthread_t writer;
	bool begun;
	int code;
	uint64_t commits;
};

static void *
truncate_beside(void *arg)
{
	const struct raft_hard_state hard_state = { .term = 3, .vote = 0 };
	struct late *late = arg;

	late->code = store_begin(late->store);
	if (late->code == ERR_OK) {
		store_set_hard_state(late->store, &hard_state);
		store_truncate(late->store, 50);
		test_append(late->store, 50, 200, 3);
		late->code = store_commit(late->store);
	}
	return NULL;
}

static int
count_one(void *arg, const struct raft_entry *entry UNUSED)
{
	(*(uint64_t *)arg)++;
	return 0;
}

/* In the journal's part, with the lock that a commit takes at last: LMDB has
 * another history by now, and the journal still the one before. */
static int
read_late(void *arg, const struct raft_entry *entry)
{
	struct late *late = arg;
	struct store_figures figures;
	uint64_t count = 0;

	if (entry->index <= 100 || late->begun) {
		return 0;
	}
	late->begun = true;
	store_figures(late->store, &figures);
	late->commits = figures.commits;
	ck_assert_int_eq(pthread_create(&late->writer, NULL, truncate_beside,
			     late),
	    0);
	while (figures.commits == late->commits) {
		usleep(1000);
		store_figures(late->store, &figures);
	}
	ck_assert_int_eq(store_read(late->store, 40, 121, UINT64_MAX,
			     count_one, &count),
	    ERR_OK);
	ck_assert_uint_eq(count, 81);
	return 0;
}

/* A read that begins when a truncation is committed and not published yet
 * finds two histories, and no damage. */
START_TEST(test_truncated_beside)
{
	static struct late late;

	test_create(STORE_PROCESS);
	late.store = test_open(STORE_PROCESS);
	ck_assert_int_eq(test_commit(late.store, 2, 101, 2), ERR_OK);
	ck_assert_int_eq(store_set_run(late.store, 1), ERR_OK);
	ck_assert_int_eq(test_commit(late.store, 101, 121, 2), ERR_OK);
	ck_assert_int_eq(store_read(late.store, 90, 121, UINT64_MAX,
			     read_late, &late),
	    ERR_OK);
	ck_assert(late.begun);
	pthread_join(late.writer, NULL);
	ck_assert_int_eq(late.code, ERR_OK);
	ck_assert_ptr_null(store_latched(late.store));
	test_is_whole(late.store, 199);
	store_close(late.store);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("threads");
	TCase *tcase = tcase_create("threads");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_threads);
	tcase_add_test(tcase, test_truncated_beside);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
