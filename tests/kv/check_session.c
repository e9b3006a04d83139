/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exactly once: sessions, windows, retries, settling, eviction.  Each rule
 * is tried with the session in memory and with it read back from the table:
 * the loop variable says which.
 */
#include <stdlib.h>

#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/kv/rig.h"

/* The loop variable of most tests: what happens between two commands. */
enum between {
	NOTHING,
	CHECKPOINT,
	RESTART,
	BETWEEN_COUNT,
};

static void
rest(struct rig *rig, int between)
{
	if (between != NOTHING) {
		rig_checkpoint(rig);
	}
	if (between == RESTART) {
		rig_restart(rig);
	}
}

static struct kv_command
with_lowest(struct kv_command command, uint64_t lowest_open)
{
	command.lowest_open = lowest_open;
	return command;
}

START_TEST(test_retry_gets_the_first_answer)
{
	struct rig rig;
	uint64_t session, first_index;
	struct kv_answer answer;
	int i;

	rig_init(&rig);
	session = rig_open(&rig);
	rest(&rig, _i);
	first_index =
	    rig_write(&rig, rig_incr(session, 1, "n", 5)).index;
	for (i = 0; i < 3; i++) {
		rest(&rig, _i);
		answer = rig_write(&rig, rig_incr(session, 1, "n", 5));
		ck_assert_int_eq(answer.status, KV_OK);
		ck_assert_int_eq(answer.number, 5);
		ck_assert_uint_eq(answer.index, first_index);
		ck_assert_int_eq(answer.op, KV_OP_INCR);
	}
	ck_assert(rig_has(&rig, "n", "5"));
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* A comparison that failed is not made again when it would now succeed. */
START_TEST(test_refusals_are_kept)
{
	struct rig rig;
	uint64_t session;
	struct kv_command cas;

	rig_init(&rig);
	session = rig_open(&rig);
	cas = with_lowest(rig_set(session, 1, "k", "new"), 1);
	cas.op = KV_OP_CAS;
	cas.expected = rig_text("old");
	ck_assert_int_eq(rig_write(&rig, cas).status, KV_NOT_FOUND);
	rest(&rig, _i);
	rig_write(&rig, with_lowest(rig_set(session, 2, "k", "old"), 1));
	rest(&rig, _i);
	ck_assert_int_eq(rig_write(&rig, cas).status, KV_NOT_FOUND);
	ck_assert(rig_has(&rig, "k", "old"));
	rig_fini(&rig);
}
END_TEST

/* Pipelined commands arrive in another order, each twice. */
START_TEST(test_reordered_and_doubled)
{
	static const uint64_t order[] = {3, 1, 3, 5, 2, 1, 4, 4, 5, 2};
	struct rig rig;
	uint64_t session, indexes[6] = {0};
	size_t i;

	rig_init(&rig);
	session = rig_open(&rig);
	for (i = 0; i < COUNT_OF(order); i++) {
		struct kv_answer answer;

		rest(&rig, _i);
		answer = rig_write(&rig,
		    with_lowest(rig_incr(session, order[i], "n", 1), 1));
		ck_assert_int_eq(answer.status, KV_OK);
		if (indexes[order[i]] == 0) {
			indexes[order[i]] = answer.index;
		}
		ck_assert_uint_eq(answer.index, indexes[order[i]]);
	}
	ck_assert(rig_has(&rig, "n", "5"));
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_acknowledged_is_refused)
{
	struct rig rig;
	uint64_t session;
	int i;

	rig_init(&rig);
	session = rig_open(&rig);
	for (i = 1; i <= 20; i++) {
		rig_write(&rig, with_lowest(rig_incr(session, (uint64_t)i, "n",
						1), 1));
		rest(&rig, _i);
	}
	rig_write(&rig, with_lowest(rig_incr(session, 21, "n", 1), 18));
	rest(&rig, _i);
	ck_assert_int_eq(
	    rig_write(&rig, with_lowest(rig_incr(session, 17, "n", 1), 1))
		.status,
	    KV_SEQUENCE_OLD);
	ck_assert_int_eq(
	    rig_write(&rig, with_lowest(rig_incr(session, 18, "n", 1), 1))
		.number,
	    18);
	/* a hole that was skipped for good */
	rig_write(&rig, rig_incr(session, 500, "n", 1));
	rest(&rig, _i);
	ck_assert_int_eq(
	    rig_write(&rig, with_lowest(rig_incr(session, 499, "n", 1), 1))
		.status,
	    KV_SEQUENCE_OLD);
	ck_assert(rig_has(&rig, "n", "22"));
	/* nothing is left but the answer of 500 */
	rig_checkpoint(&rig);
	ck_assert_uint_eq(memory_table_count(rig.table, KV_ANSWERS), 1);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_window)
{
	struct rig rig;
	uint64_t session, i;
	struct kv_answer answer;

	rig_init(&rig);
	session = rig_open(&rig);
	for (i = KV_SESSION_WINDOW; i >= 1; i--) {
		answer = rig_write(&rig,
		    with_lowest(rig_incr(session, i, "n", 1), 1));
		ck_assert_int_eq(answer.status, KV_OK);
	}
	rest(&rig, _i);
	answer = rig_write(&rig,
	    with_lowest(rig_incr(session, KV_SESSION_WINDOW + 1, "n", 1), 1));
	ck_assert_int_eq(answer.status, KV_SEQUENCE_FAR);
	answer = rig_write(&rig,
	    with_lowest(rig_incr(session, INT64_MAX, "n", 1), 1));
	ck_assert_int_eq(answer.status, KV_SEQUENCE_FAR);
	rest(&rig, _i);
	/* the refusal acknowledged nothing and stored nothing */
	answer = rig_write(&rig, with_lowest(rig_incr(session, 1, "n", 1), 1));
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(answer.number, KV_SESSION_WINDOW);
	answer = rig_write(&rig,
	    with_lowest(rig_incr(session, KV_SESSION_WINDOW + 1, "n", 1), 2));
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(answer.number, KV_SESSION_WINDOW + 1);
	rest(&rig, _i);
	answer = rig_write(&rig, rig_incr(session, INT64_MAX, "n", 1));
	ck_assert_int_eq(answer.status, KV_OK);
	rig_verify(&rig);
	ck_assert_uint_eq(memory_table_count(rig.table, KV_ANSWERS), 1);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_unknown_session)
{
	struct rig rig;
	uint64_t session;
	struct kv_answer answer;

	rig_init(&rig);
	answer = rig_write(&rig, rig_incr(99, 1, "n", 1));
	ck_assert_int_eq(answer.status, KV_SESSION_UNKNOWN);
	session = rig_open(&rig);
	rig_write(&rig, rig_incr(session, 1, "n", 1));
	rest(&rig, _i);
	answer = rig_write(&rig, rig_command(KV_OP_CLOSE, session, 2));
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, 0);
	rest(&rig, _i);
	/* a retry after the end must fail and not run again (T91) */
	answer = rig_write(&rig, rig_incr(session, 1, "n", 1));
	ck_assert_int_eq(answer.status, KV_SESSION_UNKNOWN);
	answer = rig_write(&rig, rig_command(KV_OP_CLOSE, session, 2));
	ck_assert_int_eq(answer.status, KV_SESSION_UNKNOWN);
	ck_assert(rig_has(&rig, "n", "1"));
	rig_verify(&rig);
	ck_assert_uint_eq(memory_table_count(rig.table, KV_SESSIONS), 0);
	ck_assert_uint_eq(memory_table_count(rig.table, KV_ANSWERS), 0);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_settle)
{
	struct rig rig;
	uint64_t session, other, index;
	struct kv_answer answer, stored;

	rig_init(&rig);
	session = rig_open(&rig);
	other = rig_open(&rig);
	index = rig_write(&rig, with_lowest(rig_incr(session, 2, "n", 7), 2))
		    .index;
	rest(&rig, _i);
	answer = rig_write(&rig, rig_settle(session, 2));
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_int_eq(kv_answer_decode(&stored, answer.value.data,
			     answer.value.size),
	    ERR_OK);
	ck_assert_int_eq(stored.status, KV_OK);
	ck_assert_int_eq(stored.number, 7);
	ck_assert_uint_eq(stored.index, index);

	ck_assert_int_eq(rig_write(&rig, rig_settle(session, 3)).status,
	    KV_NOT_APPLIED);
	rest(&rig, _i);
	ck_assert_int_eq(rig_write(&rig, rig_settle(session, 3)).status,
	    KV_NOT_APPLIED);
	/* it arrives after all, twice */
	answer = rig_write(&rig, with_lowest(rig_incr(session, 3, "n", 1), 2));
	ck_assert_int_eq(answer.status, KV_CANCELLED);
	rest(&rig, _i);
	answer = rig_write(&rig, rig_incr(session, 3, "n", 1));
	ck_assert_int_eq(answer.status, KV_CANCELLED);
	/* ... and once more after it was acknowledged */
	rig_write(&rig, rig_incr(session, 4, "n", 1));
	rest(&rig, _i);
	answer = rig_write(&rig, with_lowest(rig_incr(session, 3, "n", 1), 2));
	ck_assert_int_eq(answer.status, KV_SEQUENCE_OLD);
	ck_assert(rig_has(&rig, "n", "8"));

	ck_assert_int_eq(rig_write(&rig, rig_settle(session, 1)).status,
	    KV_SEQUENCE_OLD);
	ck_assert_int_eq(
	    rig_write(&rig, rig_settle(session, 4 + KV_SESSION_WINDOW)).status,
	    KV_SEQUENCE_FAR);
	ck_assert_int_eq(
	    rig_write(&rig, rig_settle(session, 3 + KV_SESSION_WINDOW)).status,
	    KV_NOT_APPLIED);
	ck_assert_int_eq(rig_write(&rig, rig_settle(12345, 1)).status,
	    KV_SESSION_UNKNOWN);
	/* the other session's sequences are its own */
	ck_assert_int_eq(rig_write(&rig, rig_incr(other, 3, "m", 1)).status,
	    KV_OK);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

/* The least recently used goes, on every node the same, and only it. */
START_TEST(test_eviction)
{
	struct rig rig;
	uint64_t first, second, third, i;

	rig_init(&rig);
	first = rig_open(&rig);
	second = rig_open(&rig);
	third = rig_open(&rig);
	for (i = 3; i < KV_SESSIONS_MAX; i++) {
		rig_open(&rig);
	}
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, KV_SESSIONS_MAX);
	rest(&rig, _i);
	/* first is used again, even by a settle; second now is the oldest */
	rig_write(&rig, rig_incr(second, 1, "n", 1));
	rig_write(&rig, rig_incr(third, 1, "n", 1));
	rig_write(&rig, rig_settle(first, 1));
	rest(&rig, _i);
	for (i = 3; i < KV_SESSIONS_MAX; i++) {
		rig_open(&rig);
	}
	ck_assert_uint_eq(kv_position(rig.kv)->session_count, KV_SESSIONS_MAX);
	rest(&rig, _i);
	rig_open(&rig); /* instead of second */
	rig_open(&rig); /* instead of third */
	ck_assert_int_eq(rig_write(&rig, rig_incr(second, 1, "n", 1)).status,
	    KV_SESSION_UNKNOWN);
	ck_assert_int_eq(rig_write(&rig, rig_incr(third, 2, "n", 1)).status,
	    KV_SESSION_UNKNOWN);
	ck_assert_int_eq(rig_write(&rig, rig_incr(first, 1, "n", 1)).status,
	    KV_CANCELLED);
	ck_assert(rig_has(&rig, "n", "2"));
	rig_verify(&rig);
	ck_assert_uint_eq(memory_table_count(rig.table, KV_SESSIONS),
	    KV_SESSIONS_MAX);
	ck_assert_uint_eq(memory_table_count(rig.table, KV_ANSWERS), 1);
	rig_fini(&rig);
}
END_TEST

/* A client that acknowledges costs one put a command; its answers do not
 * reach the table. */
START_TEST(test_cost)
{
	struct rig rig;
	uint64_t session, before, i;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "k", "v"));
	rig_checkpoint(&rig);
	before = memory_table_write_count(rig.table);
	for (i = 2; i <= 1001; i++) {
		rig_write(&rig, rig_set(session, i, "k", "v"));
	}
	rig_checkpoint(&rig);
	/* position twice, session, one answer gone, one new; the events, one
	 * record for many, the last of which is written anew */
	ck_assert_uint_le(memory_table_write_count(rig.table) - before,
	    1000 + 5 + 1000 / 200 + 4);
	rig_fini(&rig);
}
END_TEST

START_TEST(test_noop_in_a_session)
{
	struct rig rig;
	uint64_t session, index;

	rig_init(&rig);
	ck_assert_int_eq(rig_write(&rig, rig_command(KV_OP_NOOP, 0, 0)).status,
	    KV_OK);
	session = rig_open(&rig);
	index = rig_write(&rig, rig_command(KV_OP_NOOP, session, 1)).index;
	rest(&rig, _i);
	ck_assert_uint_eq(
	    rig_write(&rig, rig_command(KV_OP_NOOP, session, 1)).index, index);
	rig_fini(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kv sessions");
	TCase *tcase = tcase_create("sessions");

	tcase_add_loop_test(tcase, test_retry_gets_the_first_answer, 0,
	    BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_refusals_are_kept, 0, BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_reordered_and_doubled, 0,
	    BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_acknowledged_is_refused, 0,
	    BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_window, 0, BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_unknown_session, 0, BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_settle, 0, BETWEEN_COUNT);
	tcase_add_loop_test(tcase, test_eviction, 0, BETWEEN_COUNT);
	tcase_add_test(tcase, test_cost);
	tcase_add_loop_test(tcase, test_noop_in_a_session, 0, BETWEEN_COUNT);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
