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
	while (!beside.failed && next < 100000 &&
	       (next < 20000 || beside.reads < 20 || beside.syncs < 5)) {
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

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("threads");
	TCase *tcase = tcase_create("threads");

	tcase_add_checked_fixture(tcase, test_setup, test_teardown);
	tcase_add_test(tcase, test_threads);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
