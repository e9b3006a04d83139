/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power durability, where a thread applies: jobs of gets alone are done when
 * they have been kicked, and see what the thread has applied; all others are
 * the thread's, which rings when it has done one.
 */
#include <unistd.h>

#include "node/apply.h"
#include "shm/doorbell.h"
#include "tests/store/store_test.h"

#define ROUNDS	100
#define GETS	300		/* more than the loop does itself */

static struct store *store;
static struct apply *apply;
static uint64_t session, sequence, last_index;
static uint32_t rings, asleep;
static struct doorbell bell = { .word = &rings, .asleep = &asleep };

static void
setup(void)
{
	struct apply_done first;

	test_setup();
	test_create(STORE_POWER);
	store = test_open(STORE_POWER);
	ck_assert_msg(apply_new(&apply, store, true, &bell, &first,
	    &test_err) == ERR_OK, "%s", test_err.text);
	last_index = first.applied_index;
	/* As one who sleeps: each ring is counted. */
	__atomic_store_n(&asleep, DOORBELL_WAKE_ANY, __ATOMIC_RELAXED);
}

static void
teardown(void)
{
	ck_assert_int_eq(apply_free(apply, false), ERR_OK);
	store_close(store);
	test_teardown();
}

static void
add(struct kv_command *command)
{
	uint8_t data[256];
	struct raft_entry entry = { .index = ++last_index, .term = 1,
	    .type = RAFT_ENTRY_COMMAND, .data = data };
	int size;

	command->session = session;
	command->sequence = command->lowest_open = sequence;
	size = kv_command_encode(command, data, sizeof(data));
	ck_assert_int_gt(size, 0);
	entry.size = (uint32_t)size;
	apply_add_entry(apply, &entry, UINT64_MAX, false);
}

static void
add_set(uint64_t value)
{
	struct kv_command command = { .op = KV_OP_SET, .key = { "key", 3 },
		.value = { &value, sizeof(value) } };

	sequence++;
	add(&command);
}

static void
add_read(enum kv_op op)
{
	struct kv_command command = { .op = op, .key = { "key", 3 } };
	uint8_t data[64];
	int size = kv_command_encode(&command, data, sizeof(data));

	ck_assert_int_gt(size, 0);
	apply_add_read(apply, 7, data, (uint32_t)size);
}

/* By the thread: it has rung when the job is over. */
static struct apply_done
wait_for_thread(void)
{
	uint32_t before = __atomic_load_n(&rings, __ATOMIC_ACQUIRE);
	struct apply_done done;

	apply_kick(apply);
	while (__atomic_load_n(&rings, __ATOMIC_ACQUIRE) == before) {
		usleep(100);
	}
	ck_assert(apply_poll(apply, &done));
	ck_assert_int_eq(done.result, ERR_OK);
	ck_assert_uint_eq(done.applied_index, last_index);
	return done;
}

static void
open_session(void)
{
	struct kv_command command = { .op = KV_OP_OPEN };

	add(&command);
	(void)wait_for_thread();
	session = last_index;
}

static void
check_value(const struct apply_result *result, uint64_t value)
{
	struct kv_answer answer;

	ck_assert_int_eq(kv_answer_decode(&answer, result->answer,
	    result->size), ERR_OK);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.value.size, sizeof(value));
	ck_assert_mem_eq(answer.value.data, &value, sizeof(value));
}

START_TEST(gets_are_done_when_kicked)
{
	struct apply_done done;
	uint32_t before;

	open_session();
	for (uint64_t i = 0; i < ROUNDS; i++) {
		add_set(i);
		apply_want_checkpoint(apply);
		(void)wait_for_thread();
		before = __atomic_load_n(&rings, __ATOMIC_ACQUIRE);
		for (uint32_t k = 0; k < 2; k++) {
			add_read(KV_OP_GET);
		}
		apply_kick(apply);
		ck_assert(apply_poll(apply, &done));
		ck_assert_uint_eq(done.result_count, 2);
		ck_assert_uint_eq(done.results[0].ref, 7);
		check_value(&done.results[1], i);
		ck_assert_uint_eq(__atomic_load_n(&rings, __ATOMIC_ACQUIRE),
		    before);
	}
}
END_TEST

START_TEST(other_jobs_are_the_threads)
{
	struct apply_done done;

	open_session();
	add_set(1);
	add_read(KV_OP_GET);
	done = wait_for_thread();
	ck_assert_uint_eq(done.result_count, 1);
	check_value(&done.results[0], 1);
	add_read(KV_OP_COUNT);
	add_read(KV_OP_GET);
	done = wait_for_thread();
	ck_assert_uint_eq(done.result_count, 2);
	check_value(&done.results[1], 1);
	add_read(KV_OP_GET);
	apply_want_checkpoint(apply);
	done = wait_for_thread();
	ck_assert_uint_eq(done.checkpoint_index, last_index);
	for (uint32_t i = 0; i < GETS; i++) {
		add_read(KV_OP_GET);
	}
	done = wait_for_thread();
	ck_assert_uint_eq(done.result_count, GETS);
	/* What was counted for one job says nothing of the next. */
	add_set(2);
	(void)wait_for_thread();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gets");
	TCase *tcase = tcase_create("gets");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gets_are_done_when_kicked);
	tcase_add_test(tcase, other_jobs_are_the_threads);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
