/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine against its table: equal logs give equal states whatever was
 * flushed, aborted and reloaded in between; a table that fails anywhere
 * leaves nothing behind; damage is found.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/kv/rig.h"

#define ENTRY_COUNT  1500
#define ENTRY_SIZE   320
#define SESSION_SLOTS 6

struct entry {
	int size;
	uint8_t bytes[ENTRY_SIZE];
};

static struct entry entries[ENTRY_COUNT + 1];

/* A deterministic stream; the project's generator is not the subject. */
static uint64_t
draw(uint64_t *state, uint64_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % below;
}

/* "if KEY exists then set and count, else set with a life and get" */
static void
fit_txn(struct kv_command *command)
{
	static uint8_t bytes[ENTRY_SIZE];
	struct kv_compare compare = {.kind = KV_COMPARE_EXISTS,
	    .key = command->key};
	struct kv_command then[] = {
	    {.op = KV_OP_SET, .key = command->key, .value = command->value},
	    {.op = KV_OP_INCR, .key = rig_text("k3"), .number = 1}};
	struct kv_command otherwise[] = {
	    {.op = KV_OP_SET_TTL, .key = command->key,
		.value = command->value, .number = 500},
	    {.op = KV_OP_GET, .key = rig_text("k4")}};
	struct kv_txn txn = {&compare, 1, then, 2, otherwise, 2};
	int size = kv_txn_encode(&txn, bytes, sizeof(bytes));

	ck_assert_int_gt(size, 0);
	command->key.size = 0;
	command->value = (struct kv_slice){bytes, (size_t)size};
}

/* From a key and a value to what the op has. */
static void
fit_operands(struct kv_command *command, char *packed)
{
	size_t size = command->key.size;

	if (command->op == KV_OP_CAS) {
		command->expected = rig_text("7");
	} else if (command->op == KV_OP_DEL) {
		packed[0] = (char)size;
		packed[1] = 0;
		memcpy(packed + 2, command->key.data, size);
		command->value = (struct kv_slice){packed, size + 2};
		command->key.size = 0;
		command->key_count = 1;
	} else if (command->op == KV_OP_INCR) {
		command->number = 3;
		command->value.size = 0;
	} else if (command->op == KV_OP_SET_TTL) {
		command->number = 20 + command->value.size * 300;
	} else if (command->op == KV_OP_TXN) {
		fit_txn(command);
	} else if (command->op == KV_OP_NOOP || command->op == KV_OP_SUBMIT) {
		command->key.size = 0;
		command->value.size = command->op == KV_OP_NOOP ? 0 : 2;
	}
}

/*
 * A log of everything: sessions opened, used with retries, stale and far
 * sequences, settled, closed, left until they are over; keys set, removed,
 * counted, left to expire; transactions; entries that are no commands.
 */
static void
make_log(uint64_t seed)
{
	static const enum kv_op ops[] = {KV_OP_SET, KV_OP_SET, KV_OP_DEL,
	    KV_OP_CAS, KV_OP_INCR, KV_OP_APPEND, KV_OP_SUBMIT, KV_OP_NOOP,
	    KV_OP_SET_TTL, KV_OP_SET_TTL, KV_OP_TXN};
	uint64_t sessions[SESSION_SLOTS] = {0}, next[SESSION_SLOTS] = {0};
	uint64_t stamp_ns = 1, i;

	for (i = 1; i <= ENTRY_COUNT; i++) {
		uint64_t slot = draw(&seed, SESSION_SLOTS);
		uint64_t dice = draw(&seed, 100), sequence = next[slot];
		char key[8], value[24], packed[8];
		struct kv_command command;

		snprintf(key, sizeof(key), "k%d", (int)draw(&seed, 20));
		snprintf(value, sizeof(value), "%d", (int)draw(&seed, 1000));
		/* Now and then so long that sessions are over. */
		stamp_ns += draw(&seed, 300) == 0 ? KV_SESSION_LIFE_NS : 10;
		if (draw(&seed, 50) == 0) {
			command = rig_command(KV_OP_TICK, 0, 0);
		} else if (sessions[slot] == 0 || dice < 2) {
			command = rig_command(KV_OP_OPEN, 0, 0);
			sessions[slot] = i;
			next[slot] = 1;
		} else if (dice < 4) {
			command = rig_command(KV_OP_CLOSE, sessions[slot],
			    sequence);
		} else if (dice < 10) {
			command = rig_settle(sessions[slot],
			    sequence + draw(&seed, 4));
		} else if (dice < 12) {
			entries[i].size = (int)draw(&seed, ENTRY_SIZE);
			memset(entries[i].bytes, (int)dice, ENTRY_SIZE);
			continue;
		} else {
			if (dice < 30 && sequence > 5) {
				sequence -= draw(&seed, 5);
			} else if (dice >= 30 && dice < 34) {
				sequence += KV_SESSION_WINDOW;
			} else {
				next[slot]++;
			}
			command = rig_set(sessions[slot], sequence, key, "");
			command.op = ops[draw(&seed, COUNT_OF(ops))];
			command.lowest_open =
			    sequence > 12 ? sequence - draw(&seed, 12) : 1;
			if (dice >= 30 && dice < 33) {
				command.lowest_open = next[slot];
			}
			command.value = rig_text(value);
			fit_operands(&command, packed);
		}
		command.stamp_ns = stamp_ns;
		entries[i].size = kv_command_encode(&command,
		    entries[i].bytes, ENTRY_SIZE);
		ck_assert_int_gt(entries[i].size, 0);
	}
}

static int
apply_entry(struct rig *rig, uint64_t index, struct kv_answer *answer)
{
	return kv_apply(rig->kv, index, 1 + index / 100, true,
	    entries[index].bytes, (size_t)entries[index].size, answer);
}

static void
assert_same_position(struct kv *one, struct kv *other)
{
	const struct kv_position *a = kv_position(one), *b = kv_position(other);

	ck_assert_uint_eq(a->applied_index, b->applied_index);
	ck_assert_uint_eq(a->applied_term, b->applied_term);
	ck_assert_uint_eq(a->digest, b->digest);
	ck_assert_uint_eq(a->log_time_ns, b->log_time_ns);
	ck_assert_uint_eq(a->key_count, b->key_count);
	ck_assert_uint_eq(a->session_count, b->session_count);
}

/*
 * One machine applies straight on; another flushes, aborts, reloads and
 * restarts at random.  Positions and answers are equal at each index, and
 * the tables at the end.
 */
START_TEST(test_flushing_changes_nothing)
{
	struct rig plain, restless;
	uint64_t seed = (uint64_t)_i + 1, index, committed = 0, high = 0;
	static uint64_t digests[ENTRY_COUNT + 1];
	static struct kv_answer answers[ENTRY_COUNT + 1];
	struct kv_answer answer;
	size_t statuses[KV_STATUS_COUNT] = {0};

	make_log(seed);
	rig_init(&plain);
	rig_init(&restless);
	for (index = 1; index <= ENTRY_COUNT; index++) {
		ck_assert_int_eq(apply_entry(&plain, index, &answers[index]),
		    ERR_OK);
		digests[index] = kv_position(plain.kv)->digest;
		statuses[answers[index].status]++;
	}
	/* the log exercises what it should */
	ck_assert_uint_gt(statuses[KV_OK], 100);
	ck_assert_uint_gt(statuses[KV_NOT_EQUAL], 0);
	ck_assert_uint_gt(statuses[KV_SEQUENCE_OLD], 0);
	ck_assert_uint_gt(statuses[KV_SEQUENCE_FAR], 0);
	ck_assert_uint_gt(statuses[KV_CANCELLED], 0);
	ck_assert_uint_gt(statuses[KV_NOT_APPLIED], 0);
	ck_assert_uint_gt(statuses[KV_SESSION_UNKNOWN], 0);
	ck_assert_uint_gt(statuses[KV_BAD_COMMAND], 0);

	for (index = 1; index <= ENTRY_COUNT; index++) {
		uint64_t dice = draw(&seed, 40);

		ck_assert_int_eq(apply_entry(&restless, index, &answer),
		    ERR_OK);
		ck_assert_int_eq(answer.status, answers[index].status);
		ck_assert_int_eq(answer.number, answers[index].number);
		ck_assert_uint_eq(answer.index, answers[index].index);
		ck_assert_uint_eq(answer.value.size,
		    answers[index].value.size);
		/* Seldom: what is between is added up at once. */
		if (draw(&seed, 20) == 0) {
			ck_assert_uint_eq(kv_position(restless.kv)->digest,
			    digests[index]);
		}
		high = index > high ? index : high;
		if (dice < 4) {
			rig_checkpoint(&restless);
			committed = index;
		} else if (dice < 6 && high == index) {
			/* not from a place that was aborted before */
			if (dice == 4) {
				rig_abort(&restless);
			} else {
				rig_restart(&restless);
			}
			index = committed;
			ck_assert_uint_eq(
			    kv_position(restless.kv)->applied_index,
			    committed);
			ck_assert_uint_eq(kv_position(restless.kv)->digest,
			    committed == 0 ? 0 : digests[committed]);
		} else if (dice == 7) {
			rig_verify(&restless);
		}
	}
	assert_same_position(plain.kv, restless.kv);
	rig_verify(&plain);
	rig_verify(&restless);
	ck_assert(memory_table_equal(plain.table, restless.table));
	rig_fini(&plain);
	rig_fini(&restless);
}
END_TEST

/*
 * For each entry of a log, and the flush after it: fail the first write,
 * the second, ... until it passes.  After abort and reload the state is as
 * before, and the next attempt gives what it would have given.
 */
START_TEST(test_table_fails_anywhere)
{
	struct rig rig, plain;
	struct memory_table *before;
	struct kv_position position;
	struct kv_answer answer, wanted;
	uint64_t index, n, failures = 0;
	int code;

	make_log(77);
	rig_init(&rig);
	rig_init(&plain);
	for (index = 1; index <= 300; index++) {
		ck_assert_int_eq(apply_entry(&plain, index, &wanted), ERR_OK);
		before = memory_table_copy(rig.table);
		position = *kv_position(rig.kv);
		for (n = 1;; n++) {
			if (_i == 0) {
				memory_table_fail_write(rig.table, n,
				    ERR_FULL);
			} else {
				memory_table_fail_read(rig.table, n,
				    ERR_CORRUPT);
			}
			code = apply_entry(&rig, index, &answer);
			if (code == ERR_OK) {
				code = kv_flush(rig.kv);
			}
			if (code == ERR_OK) {
				break;
			}
			failures++;
			ck_assert_int_eq(code,
			    _i == 0 ? ERR_FULL : ERR_CORRUPT);
			/* it stays so, whatever is asked */
			ck_assert_int_eq(kv_flush(rig.kv), code);
			ck_assert_int_eq(rig_get(&rig, "k1").status,
			    KV_TABLE_FAILED);
			rig_abort(&rig);
			ck_assert(memory_table_equal(before, rig.table));
			ck_assert_mem_eq(&position, kv_position(rig.kv),
			    sizeof(position));
		}
		memory_table_fail_write(rig.table, 0, ERR_OK);
		memory_table_fail_read(rig.table, 0, ERR_OK);
		memory_table_commit(rig.table);
		ck_assert_int_eq(answer.status, wanted.status);
		ck_assert_int_eq(answer.number, wanted.number);
		assert_same_position(rig.kv, plain.kv);
		memory_table_free(before);
	}
	ck_assert_uint_gt(failures, 300);
	rig_verify(&rig);
	rig_verify(&plain);
	ck_assert(memory_table_equal(rig.table, plain.table));
	rig_fini(&rig);
	rig_fini(&plain);
}
END_TEST

/* T89: data without its position would be applied twice. */
START_TEST(test_commit_without_flush_is_noticed)
{
	struct rig rig;
	struct kv *again;
	struct kv_position position;
	uint64_t session;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_checkpoint(&rig);
	rig_write(&rig, rig_set(session, 1, "k", "v"));
	memory_table_commit(rig.table);
	ck_assert_int_eq(kv_new(&again, memory_table_face(rig.table)),
	    ERR_CORRUPT);
	ck_assert_ptr_null(again);
	ck_assert_int_eq(
	    kv_position_read(memory_table_face(rig.table), &position),
	    ERR_CORRUPT);
	rig_checkpoint(&rig);
	ck_assert_int_eq(
	    kv_position_read(memory_table_face(rig.table), &position),
	    ERR_OK);
	ck_assert_uint_eq(position.applied_index, 2);
	rig_restart(&rig);
	ck_assert(rig_has(&rig, "k", "v"));
	rig_fini(&rig);
}
END_TEST

/* Every bit of every record of a small state. */
START_TEST(test_verify_finds_each_flipped_bit)
{
	static const enum kv_space spaces[] = {KV_DATA, KV_SESSIONS,
	    KV_ANSWERS, KV_META};
	struct rig rig;
	const struct kv_table *face;
	struct kv_slice key, record;
	uint8_t key_bytes[KV_KEY_SIZE_MAX];
	uint64_t session, flips = 0;
	size_t i, bit, bit_count;
	struct kv *again;
	struct err_buf err;
	int code;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "key", "value"));
	rig_write(&rig, rig_incr(session, 2, "n", 17));
	rig_checkpoint(&rig);
	face = memory_table_face(rig.table);
	for (i = 0; i < COUNT_OF(spaces); i++) {
		ck_assert_int_eq(face->seek(face->arg, spaces[i],
				     (struct kv_slice){"", 1}, false, &key,
				     &record),
		    ERR_OK);
		memcpy(key_bytes, key.data, key.size);
		key.data = key_bytes;
		bit_count = record.size * 8;
		for (bit = 0; bit < bit_count; bit++) {
			ck_assert(memory_table_flip_bit(rig.table, spaces[i],
			    key, bit));
			err.text[0] = '\0';
			code = kv_new(&again, face);
			if (code == ERR_OK) {
				code = kv_verify(again, &err);
				ck_assert(code == ERR_OK ||
				    err.text[0] != '\0');
			}
			kv_free(again);
			/* index, term and log time have no second copy here */
			if (spaces[i] != KV_META) {
				ck_assert_msg(code == ERR_CORRUPT,
				    "space %d bit %zu", spaces[i], bit);
				flips++;
			}
			ck_assert(memory_table_flip_bit(rig.table, spaces[i],
			    key, bit));
		}
	}
	ck_assert_uint_gt(flips, 8 * (14 + 25 + 20) - 1);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_verify_names_the_damage)
{
	struct rig rig;
	struct err_buf err;
	uint64_t session;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "a", "1"));
	rig_write(&rig, rig_set(session, 2, "b\n", "2"));
	rig_write(&rig, rig_set(session, 3, "c", "3"));
	rig_checkpoint(&rig);
	ck_assert(memory_table_damage(rig.table, KV_DATA, rig_text("c")));
	ck_assert_int_eq(kv_verify(rig.kv, &err), ERR_CORRUPT);
	ck_assert_str_eq(err.text,
	    "data: key \"b\\n\": the record behind this key is damaged");
	ck_assert(memory_table_flip_bit(rig.table, KV_DATA, rig_text("b\n"),
	    0));
	ck_assert_int_eq(kv_verify(rig.kv, &err), ERR_CORRUPT);
	ck_assert_str_eq(err.text,
	    "data: key \"b\\n\": the record is malformed");
	rig_fini(&rig);
}
END_TEST

/* A record that is gone, and one that nobody wrote. */
START_TEST(test_verify_counts)
{
	struct rig rig;
	const struct kv_table *face;
	struct err_buf err;
	uint64_t session;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "a", "1"));
	rig_checkpoint(&rig);
	face = memory_table_face(rig.table);
	ck_assert_int_eq(face->put(face->arg, KV_DATA, rig_text("b"),
			     (struct kv_slice){"\0\1\0\0\0\0\0\0\0", 9}),
	    ERR_OK);
	ck_assert_int_eq(kv_verify(rig.kv, &err), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "there are 2 keys"));
	memory_table_abort(rig.table);
	rig_verify(&rig);
	ck_assert_int_eq(face->del(face->arg, KV_DATA, rig_text("a")), ERR_OK);
	ck_assert_int_eq(kv_verify(rig.kv, &err), ERR_CORRUPT);
	memory_table_abort(rig.table);
	ck_assert_int_eq(face->put(face->arg, KV_ANSWERS,
			     (struct kv_slice){"\0\0\0\0\0\0\0\7"
					       "\0\0\0\0\0\0\0\1",
				 16},
			     (struct kv_slice){"\1\0\3\0\1\0\0\0\0\0\0\0",
				 12}),
	    ERR_OK);
	ck_assert_int_eq(kv_verify(rig.kv, &err), ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(err.text, "it has no session"));
	rig_fini(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kv machine");
	TCase *tcase = tcase_create("machine");

	tcase_add_loop_test(tcase, test_flushing_changes_nothing, 0, 12);
	tcase_add_loop_test(tcase, test_table_fails_anywhere, 0, 2);
	tcase_add_test(tcase, test_commit_without_flush_is_noticed);
	tcase_add_test(tcase, test_verify_finds_each_flipped_bit);
	tcase_add_test(tcase, test_verify_names_the_damage);
	tcase_add_test(tcase, test_verify_counts);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
