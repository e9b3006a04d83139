/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A checkpoint of many records is made ready by several jobs, which apply
 * meanwhile; what it commits is one state, that of its index.
 */
#include "base/prng.h"
#include "node/apply.h"
#include "shm/doorbell.h"
#include "tests/node/job.h"
#include "tests/store/store_test.h"

#define KEYS 9000

static struct prng prng;
static struct store *store;
static struct apply *apply;
static uint64_t session, sequence, last_index, checkpoint_index;
static uint32_t bell_words[2];
static struct doorbell bell = { .word = &bell_words[0],
    .asleep = &bell_words[1] };

static void
open_all(void)
{
	struct apply_done first;

	store = test_open(STORE_PROCESS);
	ck_assert_msg(apply_new(&apply, store, false, &bell, &first,
	    &test_err) == ERR_OK, "%s", test_err.text);
	last_index = checkpoint_index = first.applied_index;
}

/* The log has the entries, as it must; it is not read. */
static void
close_all(bool checkpoint)
{
	struct store_log_info info;

	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_int_eq(test_commit(store, info.last_index + 1,
	    last_index + 1, 1), ERR_OK);
	ck_assert_int_eq(apply_free(apply, checkpoint), ERR_OK);
	store_close(store);
}

static void
setup(void)
{
	test_setup();
	test_create(STORE_PROCESS);
	open_all();
}

static void
teardown(void)
{
	close_all(false);
	test_teardown();
}

static void
add_bytes(const struct kv_command *command, uint8_t *data, size_t capacity)
{
	int size = kv_command_encode(command, data, capacity);
	struct raft_entry entry = { .index = ++last_index, .term = 1,
	    .type = RAFT_ENTRY_COMMAND, .data = data };

	ck_assert_int_gt(size, 0);
	entry.size = (uint32_t)size;
	apply_add_entry(apply, &entry, UINT64_MAX, false);
}

static void
add(const struct kv_command *command)
{
	uint8_t data[256];

	add_bytes(command, data, sizeof(data));
}

static struct apply_done
run(bool checkpoint)
{
	struct apply_done done = job_run(apply, checkpoint);

	ck_assert_int_eq(done.result, ERR_OK);
	ck_assert_uint_eq(done.applied_index, last_index);
	return done;
}

static void
open_session(void)
{
	struct kv_command command = { .op = KV_OP_OPEN };

	add(&command);
	(void)run(false);
	session = last_index;
	sequence = 0;
}

static void
add_set(uint32_t key, uint64_t value)
{
	uint32_t scattered = key * 2654435761u;
	struct kv_command command = {
		.op = KV_OP_SET,
		.session = session,
		.key = { &scattered, sizeof(scattered) },
		.value = { &value, sizeof(value) },
	};

	command.sequence = command.lowest_open = ++sequence;
	add(&command);
}

static void
check_value(uint32_t key, uint64_t value)
{
	uint32_t scattered = key * 2654435761u;
	struct kv_command command = {
		.op = KV_OP_GET,
		.key = { &scattered, sizeof(scattered) },
	};
	struct apply_done done;
	struct kv_answer answer;
	uint8_t data[64];
	int size = kv_command_encode(&command, data, sizeof(data));

	ck_assert_int_gt(size, 0);
	apply_add_read(apply, key, data, (uint32_t)size);
	done = run(false);
	ck_assert_uint_eq(done.result_count, 1);
	ck_assert_int_eq(kv_answer_decode(&answer, done.results[0].answer,
	    done.results[0].size), ERR_OK);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.value.size, sizeof(value));
	ck_assert_int_eq(
	    memcmp(answer.value.data, &value, sizeof(value)), 0);
}

/* Until it is done; each job sets one key more, and one that was written. */
static uint32_t
make_checkpoint(uint64_t value)
{
	uint64_t before = checkpoint_index;
	struct apply_done done;
	uint32_t jobs = 0;

	do {
		add_set(jobs, value);
		add_set(KEYS - 1 - jobs, value);
		done = run(true);
		ck_assert(!done.checkpoint_failed);
		ck_assert_uint_eq(done.checkpoint_index,
		    done.checkpoint_goes_on ? before : last_index);
		checkpoint_index = done.checkpoint_index;
		ck_assert_uint_lt(++jobs, 100);
	} while (done.checkpoint_goes_on);
	return jobs;
}

START_TEST(goes_on)
{
	uint32_t key, jobs;

	open_session();
	for (key = 0; key < KEYS; key++) {
		add_set(key, key);
		if (key % 500 == 499) {
			(void)run(false);
		}
	}
	jobs = make_checkpoint(1000000);
	ck_assert_uint_ge(jobs, 5);
	/* Little is left for the next one. */
	ck_assert_uint_eq(make_checkpoint(2000000), 1);
	/* What came after it is not there. */
	add_set(77, 3000000);
	(void)run(false);
	check_value(77, 3000000);
	close_all(false);
	open_all();
	check_value(0, 2000000);
	check_value(1, 1000000);
	check_value(KEYS - jobs, 1000000);
	for (key = jobs; key < KEYS - jobs; key++) {
		check_value(key, key);
	}
}
END_TEST

/* A death in the middle of one, or an orderly end. */
START_TEST(ends_meanwhile)
{
	uint32_t key;

	open_session();
	ck_assert_uint_eq(make_checkpoint(5), 1);
	for (key = 0; key < KEYS; key++) {
		add_set(key, key);
		if (key % 500 == 499) {
			(void)run(false);
		}
	}
	add_set(0, 7);
	ck_assert(run(true).checkpoint_goes_on);
	close_all(_i == 1);
	open_all();
	check_value(0, _i == 1 ? 7 : 5);
	if (_i == 1) {
		for (key = 1; key < KEYS; key++) {
			check_value(key, key);
		}
	}
}
END_TEST

/* One entry that sets many keys, drawn from KEYS. */
static void
add_txn(void)
{
	static uint8_t value[KV_VALUE_SIZE_MAX];
	static uint8_t data[KV_COMMAND_SIZE_MAX];
	struct kv_command sets[KV_TXN_OPERATIONS_MAX];
	uint32_t keys[KV_TXN_OPERATIONS_MAX];
	struct kv_command command = { .op = KV_OP_TXN, .session = session };
	struct kv_txn txn = { .then = sets, .then_count = COUNT_OF(sets) };
	int size;
	size_t i;

	memset(sets, 0, sizeof(sets));
	for (i = 0; i < COUNT_OF(sets); i++) {
		keys[i] = (uint32_t)prng_below(&prng, KEYS);
		sets[i].op = KV_OP_SET;
		sets[i].key = (struct kv_slice){ &keys[i], sizeof(keys[i]) };
		sets[i].value = (struct kv_slice){ &last_index,
			sizeof(last_index) };
	}
	command.sequence = command.lowest_open = ++sequence;
	size = kv_txn_encode(&txn, value, sizeof(value));
	ck_assert_int_gt(size, 0);
	command.value = (struct kv_slice){ value, (size_t)size };
	add_bytes(&command, data, sizeof(data));
}

/* A load of large transactions does not keep a checkpoint from its end. */
START_TEST(ends_under_load)
{
	struct apply_done done;
	uint32_t jobs = 0, i;

	open_session();
	for (i = 0; i < 2 * KEYS / KV_TXN_OPERATIONS_MAX; i++) {
		add_txn();
	}
	(void)run(false);
	do {
		for (i = 0; i < 40; i++) {
			add_txn();
		}
		done = run(true);
		ck_assert_uint_lt(++jobs, 100);
	} while (done.checkpoint_goes_on);
	ck_assert_uint_ge(jobs, 2);
	ck_assert_uint_eq(done.checkpoint_index, last_index);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("checkpoint");
	TCase *tcase = tcase_create("checkpoint");

	prng_init(&prng, 5);
	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, goes_on);
	tcase_add_loop_test(tcase, ends_meanwhile, 0, 2);
	tcase_add_test(tcase, ends_under_load);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
