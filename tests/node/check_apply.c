/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applying on a full disk, a small tmpfs in a namespace of its own: what is
 * committed is applied in memory and can be read (U17), and is there after a
 * checkpoint once there is room.
 *
 * Skipped, with the reason, where namespaces cannot be made.
 */
#include "node/apply.h"
#include "shm/doorbell.h"
#include "tests/node/job.h"
#include "tests/store/namespace.h"

#define VALUE_SIZE	20000

static struct store *store;
static struct apply *apply;
static uint64_t session;
static uint64_t last_index;
static uint32_t bell_words[2];
static struct doorbell bell = { .word = &bell_words[0],
    .asleep = &bell_words[1] };

static void
setup(void)
{
	struct apply_done first;

	test_setup();
	ck_assert_int_eq(enter_namespace(), 0);
	mount_small("5m");
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_msg(apply_new(&apply, store, false, &bell, &first,
	    &test_err) == ERR_OK, "%s", test_err.text);
	last_index = first.applied_index;
}

static void
teardown(void)
{
	(void)apply_free(apply, false);
	store_close(store);
	umount2(test_dir, MNT_DETACH);
	test_teardown();
}

static void
add(const struct kv_command *command)
{
	static uint8_t data[KV_COMMAND_SIZE_MAX];
	int size = kv_command_encode(command, data, sizeof(data));
	struct raft_entry entry = { .index = ++last_index, .term = 1,
	    .type = RAFT_ENTRY_COMMAND, .data = data };

	ck_assert_int_gt(size, 0);
	entry.size = (uint32_t)size;
	apply_add_entry(apply, &entry, UINT64_MAX, true);
}

static struct apply_done
run(bool checkpoint)
{
	return job_run(apply, checkpoint);
}

static struct kv_answer
answer_of(const struct apply_done *done)
{
	struct kv_answer answer;

	ck_assert_int_eq(done->result, ERR_OK);
	ck_assert_uint_eq(done->result_count, 1);
	ck_assert_int_eq(kv_answer_decode(&answer, done->results[0].answer,
	    done->results[0].size), ERR_OK);
	return answer;
}

static struct apply_done
set(uint32_t number)
{
	static uint8_t value[VALUE_SIZE];
	struct kv_command command = { .op = KV_OP_OPEN };
	struct apply_done done;

	if (session == 0) {
		add(&command);
		done = run(false);
		session = (uint64_t)answer_of(&done).number;
	}
	command.op = KV_OP_SET;
	command.session = session;
	command.sequence = command.lowest_open = number + 1;
	command.key = (struct kv_slice){ &number, sizeof(number) };
	command.value = (struct kv_slice){ value, sizeof(value) };
	memset(value, (int)number, sizeof(value));
	add(&command);
	return run(number % 16 == 15);
}

static void
check_value(uint32_t number)
{
	struct kv_command command = { .op = KV_OP_GET };
	uint8_t data[64];
	struct apply_done done;
	struct kv_answer answer;
	int size;

	command.key = (struct kv_slice){ &number, sizeof(number) };
	size = kv_command_encode(&command, data, sizeof(data));
	ck_assert_int_gt(size, 0);
	apply_add_read(apply, number, data, (uint32_t)size);
	done = run(false);
	answer = answer_of(&done);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.value.size, VALUE_SIZE);
	ck_assert_uint_eq(((const uint8_t *)answer.value.data)[VALUE_SIZE - 1],
	    (uint8_t)number);
}

/* Far beyond what fits: five MiB, one of them the journal's, hold less than
 * 200 values. */
START_TEST(applies_in_memory)
{
	struct apply_done done;
	uint32_t number, failed = 0;

	for (number = 0; number < 300; number++) {
		done = set(number);
		ck_assert_int_eq(done.result, ERR_OK);
		ck_assert_uint_eq(done.applied_index, last_index);
		failed += done.checkpoint_failed;
	}
	ck_assert_uint_gt(failed, 0);
	ck_assert_ptr_null(store_latched(store));
	ck_assert_int_gt(apply_room(apply, VALUE_SIZE, 1), STORE_ROOM_OK);
	for (number = 0; number < 300; number++) {
		check_value(number);
	}
	/* Room: all of it is on the disk. */
	remount("32m");
	for (int i = 0; i < 100; i++) {
		done = run(true);
		if (!done.checkpoint_failed) {
			break;
		}
		usleep(10000);
	}
	ck_assert_uint_eq(done.checkpoint_index, last_index);
	ck_assert_int_eq(apply_room(apply, VALUE_SIZE, 1), STORE_ROOM_OK);
	for (number = 0; number < 300; number += 50) {
		check_value(number);
	}
}
END_TEST

/*
 * What events take is given back, and used again, without a new entry: on a
 * disk where nothing is accepted there comes none.
 */
START_TEST(frees_when_idle)
{
	enum store_room room = STORE_ROOM_OK;
	struct apply_done done;
	uint32_t number, turns;

	remount("9m");
	for (number = 0; room < STORE_ROOM_NONE; number++) {
		ck_assert_uint_lt(number, 1000);
		done = set(number);
		ck_assert_int_eq(done.result, ERR_OK);
		room = apply_room(apply, 0, 0);
	}
	ck_assert_int_eq(run(true).result, ERR_OK);
	ck_assert_int_ge(apply_room(apply, 0, 0), STORE_ROOM_LOW);
	ck_assert(!apply_frees(apply));
	apply_save_room(apply, true);
	for (turns = 0; turns == 0 || apply_frees(apply); turns++) {
		ck_assert_uint_lt(turns, 5);
		done = run(true);
		ck_assert_int_eq(done.result, ERR_OK);
		ck_assert(!done.checkpoint_failed);
		ck_assert_uint_eq(done.applied_index, last_index);
		ck_assert_uint_eq(done.checkpoint_index, last_index);
	}
	ck_assert_uint_gt(turns, 1);
	ck_assert_int_eq(apply_room(apply, 0, 0), STORE_ROOM_OK);
	while (number-- > 0) {
		check_value(number);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("apply");
	TCase *tcase = tcase_create("full disk");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, applies_in_memory);
	tcase_add_test(tcase, frees_when_idle);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return namespace_is_possible() ? check_run(make_suite()) : 77;
}
