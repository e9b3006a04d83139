/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life tokens: a death wakes every watcher, whatever the size of the dead; a
 * clean end and a thread's end count, too; a new run is never taken for dead.
 */
#include "shm/life.h"

#include <pthread.h>

#include "shm/doorbell.h"
#include "tests/shm/shm_test.h"

#define OWNER	0u
/* Only so that a lost wake-up ends as a failure. */
#define LONG_NS	(20 * CLOCK_NS_PER_S)

static char name[SEGMENT_NAME_SIZE];
static struct segment *segment;

static void
setup(void)
{
	segment = test_segment(name, 5);
}

static void
teardown(void)
{
	test_segment_end(segment);
}

/* A child that holds the tokens of a run; ready to be killed. */
static pid_t
owner_start(uint64_t run, size_t resident)
{
	struct segment *own;
	int told[2];
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(told), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		own = test_attach(name, SEGMENT_NODE);
		if (own == NULL || life_begin(own, OWNER, run) != ERR_OK) {
			_exit(1);
		}
		if (resident != 0) {
			void *memory = malloc(resident);

			if (memory == NULL) {
				_exit(1);
			}
			memset(memory, 1, resident);
		}
		if (write(told[1], "x", 1) != 1) {
			_exit(1);
		}
		for (;;) {
			(void)pause();
		}
	}
	ck_assert_int_eq(read(told[0], &byte, 1), 1);
	(void)close(told[0]);
	(void)close(told[1]);
	return pid;
}

/* A watcher process: sleeps until the news; 0 when the news was right. */
static int
watch(uint32_t watcher, uint64_t run, int told)
{
	struct segment *own = test_attach(name, SEGMENT_NODE);
	struct doorbell bell;
	struct doorbell_extra extra;
	enum doorbell_woken woken;
	uint64_t seen;
	uint32_t value;

	if (own == NULL) {
		return 1;
	}
	bell = doorbell_of_node(own, watcher % SEGMENT_SLOTS);
	value = doorbell_prepare(&bell);
	if (!life_arm(own, OWNER, watcher, &extra)) {
		return 2;
	}
	if (life_look(own, OWNER, watcher, &seen) != LIFE_ALIVE ||
	    seen != run) {
		return 3;
	}
	if (write(told, "x", 1) != 1) {
		return 4;
	}
	woken = doorbell_wait(&bell, value, &extra, 1,
	    clock_now_ns() + LONG_NS);
	if (woken != DOORBELL_EXTRA) {
		return 5;
	}
	if (life_look(own, OWNER, watcher, &seen) != LIFE_DEAD ||
	    seen != run) {
		return 6;
	}
	if (life_arm(own, OWNER, watcher, &extra)) {
		return 7;
	}
	return 0;
}

/* All watchers armed; they sleep, or are about to. */
static void
watchers_start(pid_t pids[LIFE_WATCHERS], uint64_t run)
{
	int told[2];
	char byte;

	ck_assert_int_eq(pipe(told), 0);
	for (uint32_t w = 0; w < LIFE_WATCHERS; w++) {
		pids[w] = fork();
		ck_assert_int_ge(pids[w], 0);
		if (pids[w] == 0) {
			_exit(watch(w, run, told[1]));
		}
	}
	for (uint32_t w = 0; w < LIFE_WATCHERS; w++) {
		ck_assert_int_eq(read(told[0], &byte, 1), 1);
	}
	(void)close(told[0]);
	(void)close(told[1]);
	(void)usleep(20000);
}

static void
watchers_end(pid_t pids[LIFE_WATCHERS])
{
	for (uint32_t w = 0; w < LIFE_WATCHERS; w++) {
		ck_assert_int_eq(test_wait(pids[w]), 0);
	}
}

START_TEST(test_unknown)
{
	struct doorbell_extra extra;
	uint64_t run = 9;

	ck_assert_int_eq(life_look(segment, OWNER, 1, &run), LIFE_UNKNOWN);
	ck_assert(!life_arm(segment, OWNER, 1, &extra));
	life_end(segment, OWNER);
	ck_assert_int_eq(life_look(segment, OWNER, 1, &run), LIFE_UNKNOWN);
}
END_TEST

START_TEST(test_killed)
{
	pid_t watchers[LIFE_WATCHERS];
	pid_t owner;

	/* Each run takes the tokens that the one before it died with. */
	for (uint64_t run = 1; run <= 5; run++) {
		owner = owner_start(run, 0);
		watchers_start(watchers, run);
		ck_assert_int_eq(kill(owner, SIGKILL), 0);
		watchers_end(watchers);
		ck_assert_int_eq(test_wait(owner), -SIGKILL);
	}
}
END_TEST

/* The news does not wait for the memory to be torn down, and not for us to
 * reap it. */
START_TEST(test_killed_large)
{
	pid_t watchers[LIFE_WATCHERS];
	pid_t owner = owner_start(7, (size_t)128 << 20);

	watchers_start(watchers, 7);
	ck_assert_int_eq(kill(owner, SIGKILL), 0);
	watchers_end(watchers);
	ck_assert_int_eq(test_wait(owner), -SIGKILL);
}
END_TEST

START_TEST(test_clean_end)
{
	pid_t watchers[LIFE_WATCHERS];
	uint64_t run;

	ck_assert_int_eq(life_begin(segment, OWNER, 3), ERR_OK);
	ck_assert_int_eq(life_begin(segment, OWNER, 4), ERR_LOCKED);
	watchers_start(watchers, 3);
	life_end(segment, OWNER);
	watchers_end(watchers);
	ck_assert_int_eq(life_begin(segment, OWNER, 4), ERR_OK);
	ck_assert_int_eq(life_look(segment, OWNER, 2, &run), LIFE_ALIVE);
	ck_assert_uint_eq(run, 4);
	life_end(segment, OWNER);
}
END_TEST

static void *
begin_in_thread(void *context)
{
	int *code = context;

	*code = life_begin(segment, OWNER, 5);
	return NULL;
}

/* The loop thread's end is the news, though its process lives on. */
START_TEST(test_thread_end)
{
	pthread_t thread;
	uint64_t run;
	int code = ERR_INTERNAL;

	ck_assert_int_eq(pthread_create(&thread, NULL, begin_in_thread,
	    &code), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_eq(code, ERR_OK);
	ck_assert_int_eq(life_look(segment, OWNER, 2, &run), LIFE_DEAD);
	ck_assert_uint_eq(run, 5);
	ck_assert_int_eq(life_begin(segment, OWNER, 6), ERR_OK);
	ck_assert_int_eq(life_look(segment, OWNER, 2, &run), LIFE_ALIVE);
	life_end(segment, OWNER);
}
END_TEST

/* Shared between the test's processes: the run that surely is alive. */
struct truth {
	uint64_t alive;
	uint32_t stop;
};

static int
look_for_false_death(const struct truth *truth, uint32_t watcher)
{
	struct segment *own = test_attach(name, SEGMENT_NODE);
	struct doorbell_extra extra;
	enum life_verdict verdict;
	uint64_t before, after, run, last_dead = 0, sure = 0;

	if (own == NULL) {
		return 1;
	}
	while (__atomic_load_n(&truth->stop, __ATOMIC_ACQUIRE) == 0) {
		before = __atomic_load_n(&truth->alive, __ATOMIC_ACQUIRE);
		verdict = life_look(own, OWNER, watcher, &run);
		after = __atomic_load_n(&truth->alive, __ATOMIC_ACQUIRE);
		if (before != 0 && before == after) {
			sure++;
			if (verdict != LIFE_ALIVE || run != before) {
				return 2;
			}
			(void)life_arm(own, OWNER, watcher, &extra);
		}
		/* Who was dead stays dead. */
		if (verdict == LIFE_ALIVE && run <= last_dead) {
			return 3;
		}
		if (verdict == LIFE_DEAD) {
			if (run < last_dead) {
				return 4;
			}
			last_dead = run;
		}
	}
	return sure > 100 ? 0 : 5;
}

/* Run after run, ended by life_end or by SIGKILL, while watchers look. */
START_TEST(test_no_false_death)
{
	struct truth *truth = mmap(NULL, sizeof(*truth),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t watchers[2], owner;

	ck_assert_ptr_ne(truth, MAP_FAILED);
	for (uint32_t w = 0; w < 2; w++) {
		watchers[w] = fork();
		ck_assert_int_ge(watchers[w], 0);
		if (watchers[w] == 0) {
			_exit(look_for_false_death(truth, w == 0 ? 1 : 8));
		}
	}
	for (uint64_t run = 1; run <= 30000; run++) {
		if (run % 300 == 0) {
			owner = owner_start(run, 0);
			__atomic_store_n(&truth->alive, run,
			    __ATOMIC_RELEASE);
			(void)usleep(500);
			__atomic_store_n(&truth->alive, 0, __ATOMIC_RELEASE);
			ck_assert_int_eq(kill(owner, SIGKILL), 0);
			ck_assert_int_eq(test_wait(owner), -SIGKILL);
			continue;
		}
		ck_assert_int_eq(life_begin(segment, OWNER, run), ERR_OK);
		__atomic_store_n(&truth->alive, run, __ATOMIC_RELEASE);
		for (int i = 0; i < 20; i++) {
			__asm__ volatile("" : : : "memory");
		}
		__atomic_store_n(&truth->alive, 0, __ATOMIC_RELEASE);
		life_end(segment, OWNER);
	}
	__atomic_store_n(&truth->stop, 1, __ATOMIC_RELEASE);
	ck_assert_int_eq(test_wait(watchers[0]), 0);
	ck_assert_int_eq(test_wait(watchers[1]), 0);
	(void)munmap(truth, sizeof(*truth));
}
END_TEST

/* Killed while it begins: never alive, and the next run begins. */
START_TEST(test_killed_beginning)
{
	unsigned seed = 3;
	uint64_t run, seen;
	pid_t pid;

	for (run = 1; run <= 100; run++) {
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			struct segment *own = test_attach(name, SEGMENT_NODE);

			for (uint64_t n = run << 32; own != NULL; n++) {
				if (life_begin(own, OWNER, n) != ERR_OK) {
					break;
				}
				life_end(own, OWNER);
			}
			_exit(1);
		}
		do {
			(void)life_look(segment, OWNER, 1, &seen);
		} while (seen < run << 32);
		(void)usleep((unsigned)rand_r(&seed) % 300);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(test_wait(pid), -SIGKILL);
		ck_assert_int_eq(life_look(segment, OWNER, 1, &seen),
		    LIFE_DEAD);
		ck_assert_uint_ge(seen, run << 32);
	}
	ck_assert_int_eq(life_begin(segment, OWNER, run << 32), ERR_OK);
	ck_assert_int_eq(life_look(segment, OWNER, 1, &seen), LIFE_ALIVE);
	life_end(segment, OWNER);
}
END_TEST

static void *
inherit(void *run)
{
	static _Atomic uint32_t next;
	uint32_t own = next++ % 4 + 1;

	return (void *)(uintptr_t)(life_inherit(segment, OWNER,
	    (uintptr_t)run, own) == own);
}

/* Of many who ask at once, one inherits; of each run anew. */
START_TEST(test_inherit)
{
	pthread_t threads[4];
	void *is_heir;

	for (uintptr_t run = 1; run < 100; run++) {
		uint32_t heirs = 0, heir;

		for (int i = 0; i < 4; i++) {
			ck_assert_int_eq(pthread_create(&threads[i], NULL,
			    inherit, (void *)run), 0);
		}
		for (int i = 0; i < 4; i++) {
			ck_assert_int_eq(pthread_join(threads[i], &is_heir),
			    0);
			heirs += is_heir != NULL;
		}
		ck_assert_uint_eq(heirs, 1);
		heir = life_inherit(segment, OWNER, run, 5);
		ck_assert_uint_ge(heir, 1);
		ck_assert_uint_le(heir, 4);
		ck_assert_uint_eq(life_inherit(segment, OWNER, run, heir),
		    heir);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("life");
	TCase *tcase = tcase_create("life");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_unknown);
	tcase_add_test(tcase, test_killed);
	tcase_add_test(tcase, test_killed_large);
	tcase_add_test(tcase, test_clean_end);
	tcase_add_test(tcase, test_thread_end);
	tcase_add_test(tcase, test_no_false_death);
	tcase_add_test(tcase, test_killed_beginning);
	tcase_add_test(tcase, test_inherit);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
