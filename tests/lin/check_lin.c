/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Histories whose verdict is known, as a table. The bad ones are the ways in
 * which replicated stores have failed; most have a good twin that differs in
 * one answer or in one instant. Then the limits, and the text for people.
 */
#include <signal.h>
#include <string.h>

#include "lin/lin.h"
#include "tests/base/check_run.h"

#define OPS_MAX   8
#define STEPS_MAX 100000
#define NO_BAD    OPS_MAX

/* An operation from event c to event r; then what it was and was told. */
#define OP(n, c, r, k, a, b, res, is_known)                                  \
	{                                                                    \
		.call = (c), .ret = (r), .client = (n), .kind = (k),         \
		.arg = (a), .arg2 = (b), .result = (res), .known = (is_known) \
	}
#define READ(n, c, r, value)       OP(n, c, r, LIN_READ, 0, 0, value, true)
#define WRITE(n, c, r, value)      OP(n, c, r, LIN_WRITE, value, 0, 0, true)
#define CAS(n, c, r, old, new, is) OP(n, c, r, LIN_CAS, old, new, is, true)
#define ADD(n, c, r, by, value)    OP(n, c, r, LIN_ADD, by, 0, value, true)

/* Told "maybe" at r; with LOST as r: told nothing. */
#define LOST                        LIN_NO_REPLY
#define MAYBE_READ(n, c, r)         OP(n, c, r, LIN_READ, 0, 0, 77, false)
#define MAYBE_WRITE(n, c, r, value) OP(n, c, r, LIN_WRITE, value, 0, 0, false)
#define MAYBE_CAS(n, c, r, old, new) \
	OP(n, c, r, LIN_CAS, old, new, 0, false)
#define MAYBE_ADD(n, c, r, by) OP(n, c, r, LIN_ADD, by, 0, 0, false)

#define ABSENT LIN_ABSENT

/* bad_op is NO_BAD in a good one; else the position of the operation. */
static const struct {
	const char *name;
	size_t bad_op;
	struct lin_op ops[OPS_MAX];
} histories[] = {
	{ "nothing happened", NO_BAD, { { 0 } } },
	{ "absent at first", NO_BAD, { READ(1, 0, 1, ABSENT) } },
	{ "a value from nowhere", 0, { READ(1, 0, 1, 5) } },
	{ "read your write", NO_BAD, {
		WRITE(1, 0, 1, 5), READ(1, 2, 3, 5) } },

	{ "stale read: the first value", 2, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 3, 6), READ(2, 4, 5, 5) } },
	{ "stale read: absent", 1, {
		WRITE(1, 0, 1, 5), READ(2, 2, 3, ABSENT) } },
	{ "an old value while the write is in flight", NO_BAD, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 5, 6), READ(2, 3, 4, 5) } },
	{ "new, then old, while the write is in flight", 3, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 9, 6), READ(2, 3, 4, 6),
		READ(3, 5, 6, 5) } },
	{ "old, then new, while the write is in flight", NO_BAD, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 9, 6), READ(2, 3, 4, 5),
		READ(3, 5, 6, 6) } },
	{ "old and new at once, while the write is in flight", NO_BAD, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 9, 6), READ(2, 3, 5, 6),
		READ(3, 4, 6, 5) } },

	{ "read from the future", 0, {
		READ(1, 0, 1, 5), WRITE(2, 2, 3, 5) } },
	{ "read of a write in flight", NO_BAD, {
		READ(1, 0, 3, 5), WRITE(2, 1, 2, 5) } },

	{ "lost update: two increments, one counted", 1, {
		ADD(1, 0, 1, 1, 1), ADD(2, 2, 3, 1, 1) } },
	{ "lost update: two at once, one counted", 2, {
		WRITE(1, 0, 1, 0), ADD(1, 2, 4, 1, 1), ADD(2, 3, 5, 1, 1) } },
	{ "lost update: seen by a later read", 2, {
		ADD(1, 0, 2, 1, 1), ADD(2, 1, 3, 1, 2), READ(1, 4, 5, 1) } },
	{ "two increments at once", NO_BAD, {
		ADD(1, 0, 2, 1, 2), ADD(2, 1, 3, 1, 1), READ(1, 4, 5, 2) } },
	{ "double increment: applied again after a retry", 1, {
		ADD(1, 0, 1, 1, 1), READ(1, 2, 3, 2) } },
	{ "double increment: the answer of the second run", 0, {
		ADD(1, 0, 1, 1, 2) } },
	{ "an increment by less than nothing", NO_BAD, {
		WRITE(1, 0, 1, 5), ADD(1, 2, 3, -7, -2), READ(1, 4, 5, -2) } },

	{ "dirty read: an unanswered write is seen, then vanishes", 3, {
		WRITE(1, 0, 1, 5), MAYBE_WRITE(2, 2, LOST, 6),
		READ(3, 3, 4, 6), READ(3, 5, 6, 5) } },
	{ "an unanswered write takes effect late", NO_BAD, {
		WRITE(1, 0, 1, 5), MAYBE_WRITE(2, 2, LOST, 6),
		READ(3, 3, 4, 5), READ(3, 5, 6, 6) } },

	{ "swapped order: two readers disagree on two writes", 5, {
		WRITE(1, 0, 4, 5), WRITE(2, 1, 5, 6), READ(3, 6, 7, 5),
		READ(4, 8, 9, 5), READ(3, 10, 11, 5), READ(4, 12, 13, 6) } },
	{ "swapped order: a write overtakes an earlier one", 2, {
		WRITE(1, 0, 1, 5), WRITE(2, 2, 3, 6), READ(1, 4, 5, 5) } },
	{ "two writes at once, either order", NO_BAD, {
		WRITE(1, 0, 4, 5), WRITE(2, 1, 3, 6), READ(3, 6, 7, 5) } },
	{ "a write of the value that is there, done later", NO_BAD, {
		WRITE(1, 0, 1, 5), WRITE(2, 2, 4, 5), WRITE(3, 3, 5, 6),
		READ(1, 6, 7, 5) } },
	{ "a CAS to the value expected", 3, {
		WRITE(1, 0, 1, 5), CAS(2, 2, 4, 5, 5, 1),
		WRITE(3, 3, 5, 6), READ(1, 6, 7, 5) } },
	{ "two writes at once, the other order", NO_BAD, {
		WRITE(1, 0, 4, 5), WRITE(2, 1, 3, 6), READ(3, 6, 7, 6) } },

	{ "CAS: both won", 2, {
		WRITE(1, 0, 1, 0), CAS(1, 2, 4, 0, 1, 1),
		CAS(2, 3, 5, 0, 2, 1) } },
	{ "CAS: one won", NO_BAD, {
		WRITE(1, 0, 1, 0), CAS(1, 2, 4, 0, 1, 0),
		CAS(2, 3, 5, 0, 2, 1), READ(1, 6, 7, 2) } },
	{ "CAS: nobody won", 1, {
		WRITE(1, 0, 1, 0), CAS(1, 2, 4, 0, 1, 0),
		CAS(2, 3, 5, 0, 2, 0) } },
	{ "CAS: won, and the loser's value is read", 3, {
		WRITE(1, 0, 1, 0), CAS(1, 2, 4, 0, 1, 1),
		CAS(2, 3, 5, 0, 2, 0), READ(1, 6, 7, 2) } },
	{ "CAS: a chain", NO_BAD, {
		CAS(1, 0, 5, 1, 2, 1), CAS(2, 1, 4, ABSENT, 1, 1),
		CAS(3, 2, 3, 2, ABSENT, 1), READ(1, 6, 7, ABSENT) } },
	{ "CAS: an answer that is none", 1, {
		WRITE(1, 0, 1, 0), CAS(1, 2, 3, 0, 1, 2) } },

	{ "a delete", NO_BAD, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 3, ABSENT),
		READ(2, 4, 5, ABSENT), ADD(1, 6, 7, 3, 3) } },
	{ "a deleted value comes back", 2, {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 3, ABSENT),
		READ(2, 4, 5, 5) } },

	/* what must be allowed */
	{ "maybe: it happened", NO_BAD, {
		MAYBE_WRITE(1, 0, 1, 5), READ(2, 2, 3, 5) } },
	{ "maybe: it did not", NO_BAD, {
		MAYBE_WRITE(1, 0, 1, 5), READ(2, 2, 3, ABSENT) } },
	{ "maybe: long after the answer", NO_BAD, {
		MAYBE_WRITE(1, 0, 1, 5), WRITE(2, 2, 3, 6), READ(2, 4, 5, 6),
		READ(2, 6, 7, 5) } },
	{ "maybe: a read says nothing", NO_BAD, {
		WRITE(1, 0, 1, 5), MAYBE_READ(1, 2, 3),
		MAYBE_READ(2, 4, LOST) } },
	{ "maybe: an increment explains the count", NO_BAD, {
		ADD(1, 0, 1, 1, 1), MAYBE_ADD(2, 2, LOST, 1),
		ADD(1, 3, 4, 1, 3) } },
	{ "maybe: two of three increments", NO_BAD, {
		MAYBE_ADD(1, 0, LOST, 1), MAYBE_ADD(2, 1, 2, 1),
		MAYBE_ADD(3, 3, LOST, 1), READ(4, 4, 5, 2),
		READ(4, 6, 7, 2) } },
	{ "maybe: a write and an increment upon it", NO_BAD, {
		MAYBE_WRITE(1, 0, LOST, 5), MAYBE_ADD(2, 1, LOST, 2),
		READ(3, 2, 3, 7) } },
	{ "maybe: a CAS that fits only in between", NO_BAD, {
		MAYBE_CAS(1, 0, 1, 5, 6), WRITE(2, 2, 3, 5),
		READ(2, 4, 5, 6) } },
	{ "maybe: an answered flag without an answer", NO_BAD, {
		OP(1, 0, LOST, LIN_READ, 0, 0, 77, true),
		OP(2, 1, LOST, LIN_ADD, 1, 0, 77, true),
		READ(3, 2, 3, ABSENT) } },
	{ "maybe: an increment beyond the largest number", NO_BAD, {
		WRITE(1, 0, 1, INT64_MAX), MAYBE_ADD(2, 2, LOST, 1),
		READ(1, 3, 4, INT64_MAX) } },

	{ "maybe: two of the same, one after the other", NO_BAD, {
		MAYBE_WRITE(1, 0, LOST, 5), READ(2, 1, 2, 5),
		WRITE(2, 3, 4, 6), MAYBE_WRITE(3, 5, LOST, 5),
		READ(2, 6, 7, 5) } },

	/* and what must not */
	{ "maybe: before its call", 0, {
		READ(2, 0, 1, 5), MAYBE_WRITE(1, 2, LOST, 5) } },
	{ "maybe: twice", 3, {
		MAYBE_WRITE(1, 0, LOST, 5), READ(2, 1, 2, 5),
		WRITE(2, 3, 4, 6), READ(2, 5, 6, 5) } },
	{ "maybe: one increment counted twice", 2, {
		ADD(1, 0, 1, 1, 1), MAYBE_ADD(2, 2, 3, 1),
		READ(1, 4, 5, 3) } },
	{ "maybe: a CAS whose time never came", 2, {
		MAYBE_CAS(1, 0, LOST, 5, 6), WRITE(2, 1, 2, 4),
		READ(2, 3, 4, 6) } },
	{ "maybe: another value", 1, {
		MAYBE_WRITE(1, 0, LOST, 5), READ(2, 1, 2, 4) } },
	{ "an increment beyond the largest number", 1, {
		WRITE(1, 0, 1, INT64_MAX), ADD(2, 2, 3, 1, INT64_MIN) } },
	{ "a sum that would read as absent", 1, {
		WRITE(1, 0, 1, -INT64_MAX), ADD(2, 2, 3, -1, INT64_MIN) } },
};

static size_t
count_of(const struct lin_op *ops)
{
	size_t count = 0;

	while (count < OPS_MAX && ops[count].kind != 0) {
		count++;
	}
	return count;
}

/* In the order written, and backwards: the order means nothing. */
START_TEST(known_history)
{
	const struct lin_op *ops = histories[_i].ops;
	size_t count = count_of(ops), expected = histories[_i].bad_op, bad, i;
	struct lin_op reversed[OPS_MAX];
	enum lin_verdict verdict;

	verdict = lin_check(ops, count, STEPS_MAX, &bad);
	ck_assert_msg(verdict == (expected == NO_BAD ? LIN_OK : LIN_BAD),
	    "%s: verdict %d", histories[_i].name, (int)verdict);
	ck_assert_msg(bad == (expected == NO_BAD ? SIZE_MAX : expected),
	    "%s: stuck at %zu", histories[_i].name, bad);
	for (i = 0; i < count; i++) {
		reversed[i] = ops[count - 1 - i];
	}
	ck_assert(lin_check(reversed, count, STEPS_MAX, NULL) == verdict);
}
END_TEST

/* Each key is a register of its own, and only the bad one is named. */
START_TEST(keys)
{
	struct lin_op ops[] = {
		WRITE(1, 0, 1, 5), WRITE(1, 2, 3, 6), READ(2, 4, 5, ABSENT),
		READ(2, 6, 7, 6), READ(3, 8, 9, 5),
	};
	size_t count = COUNT_OF(ops), bad;

	ck_assert(lin_check(ops, count, STEPS_MAX, &bad) == LIN_BAD);
	ops[0].key = UINT64_MAX;
	ops[2].key = 1;
	ops[4].key = UINT64_MAX;
	ck_assert(lin_check(ops, count, STEPS_MAX, &bad) == LIN_OK);
	ops[4].key = 2;
	ck_assert(lin_check(ops, count, STEPS_MAX, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 4);
}
END_TEST

/* One step too few is "unknown", whatever the verdict would be. */
START_TEST(step_limit)
{
	const struct lin_op *ops = histories[_i].ops;
	size_t count = count_of(ops), bad = 0;
	enum lin_verdict full, verdict = LIN_UNKNOWN;
	uint64_t steps;

	full = lin_check(ops, count, UINT64_MAX, NULL);
	ck_assert(full != LIN_UNKNOWN);
	for (steps = 0; verdict == LIN_UNKNOWN; steps++) {
		ck_assert_uint_lt(steps, STEPS_MAX);
		verdict = lin_check(ops, count, steps, &bad);
		ck_assert(verdict == full || verdict == LIN_UNKNOWN);
		ck_assert(verdict != LIN_UNKNOWN || bad == SIZE_MAX);
	}
	/* Nothing that must be done needs no step; all else needs some. */
	ck_assert(count == 0 || steps > 1 ||
	    (full == LIN_OK && strncmp(histories[_i].name, "maybe", 5) == 0));
}
END_TEST

/* A hard key does not hide a bad one, and a bad one elsewhere is no excuse. */
START_TEST(unknown_key)
{
	struct lin_op ops[42] = { WRITE(1, 0, 1, 5), READ(1, 2, 3, 6) };
	size_t bad, i;

	for (i = 2; i < COUNT_OF(ops); i++) {
		ops[i] = (struct lin_op)MAYBE_WRITE(1, 2 * i, LOST, (int)i);
		ops[i].key = 1;
	}
	ops[41] = (struct lin_op)ADD(2, 99, 100, 1, 1000);
	ops[41].key = 1;
	ck_assert(lin_check(ops, 42, 60, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 1);
	ops[1].result = 5;
	ck_assert(lin_check(ops, 42, 60, &bad) == LIN_UNKNOWN);
	ck_assert_uint_eq(bad, SIZE_MAX);
	ck_assert(lin_check(ops, 42, STEPS_MAX, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 41);
}
END_TEST

/* The same when the hard key is the smaller one, and is looked at first. */
START_TEST(unknown_small_key)
{
	struct lin_op ops[141];
	size_t bad, i;

	for (i = 0; i < 40; i++) {
		ops[i] = (struct lin_op)MAYBE_WRITE(1, 2 * i, LOST, (int)i);
	}
	ops[40] = (struct lin_op)ADD(2, 80, 81, 1, 1000);
	for (i = 41; i < COUNT_OF(ops); i++) {
		ops[i] = (struct lin_op)WRITE(1, 2 * i, 2 * i + 1, (int)i);
		ops[i].key = 1;
	}
	ops[140] = (struct lin_op)READ(1, 280, 281, 1);
	ops[140].key = 1;
	ck_assert(lin_check(ops, 41, 1000, &bad) == LIN_UNKNOWN);
	ck_assert(lin_check(ops, COUNT_OF(ops), 1000, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 140);
}
END_TEST

/* What a small key leaves over, the large one gets; no step is made twice. */
START_TEST(shared_steps)
{
	struct lin_op ops[24];
	uint64_t small = 0, large = 0;
	size_t i;

	for (i = 0; i < COUNT_OF(ops); i++) {
		ops[i] = (struct lin_op)WRITE(1, 2 * i, 2 * i + 1, (int)i);
		ops[i].key = i < 4;
	}
	while (lin_check(ops, 4, small, NULL) == LIN_UNKNOWN) {
		small++;
	}
	while (lin_check(ops + 4, 20, large, NULL) == LIN_UNKNOWN) {
		large++;
	}
	ck_assert_uint_gt(small, 0);
	ck_assert_uint_gt(large, small);
	ck_assert(lin_check(ops, 24, small + large, NULL) == LIN_OK);
	ck_assert(lin_check(ops, 24, small + large - 1, NULL) == LIN_UNKNOWN);
}
END_TEST

/* Reads without an answer cost nothing. */
START_TEST(lost_reads)
{
	struct lin_op ops[61];
	size_t i;

	for (i = 0; i < 60; i++) {
		ops[i] = (struct lin_op)MAYBE_READ(1, i, LOST);
	}
	ops[60] = (struct lin_op)WRITE(1, 60, 61, 5);
	ck_assert(lin_check(ops, 60, 0, NULL) == LIN_OK);
	ck_assert(lin_check(ops, 61, 5, NULL) == LIN_OK);
}
END_TEST

START_TEST(too_many)
{
	struct lin_op op = READ(1, 0, 1, 5);
	size_t bad = 0;

	ck_assert(lin_check(&op, (size_t)LIN_OPS_MAX + 1, STEPS_MAX, &bad) ==
	    LIN_UNKNOWN);
	ck_assert_uint_eq(bad, SIZE_MAX);
}
END_TEST

/* The caller's own mistakes are not verdicts. */
START_TEST(wrong_events)
{
	struct lin_op ops[2] = { READ(1, 0, 1, ABSENT), READ(1, 2, 3, ABSENT) };

	if (_i == 0) {
		ops[0].call = 1;
	} else if (_i == 1) {
		ops[1].ret = 1;
	} else if (_i == 2) {
		ops[1].call = 1;
	} else {
		ops[1].kind = 0;
	}
	ck_assert(lin_check(ops, 2, STEPS_MAX, NULL) != LIN_OK);
}
END_TEST

static const char explained[] =
    "key 7: no order of its 7 operations explains every answer; the longest "
    "ends before the one marked >\n"
    "(| was in flight at the same time)\n"
    "        call         ret  client  operation\n"
    "           0           1       1  write 5: done\n"
    "|          2           -       2  add -1: no answer\n"
    "           3           4       1  cas 9 to absent: not equal\n"
    "|          6           7       2  write absent: maybe\n"
    "|          8          12       3  cas 5 to 6: swapped\n"
    ">         10          11       1  read: 5\n"
    "          20          21       1  read: absent\n";

START_TEST(explain)
{
	struct lin_op ops[] = {
		WRITE(1, 0, 1, 5), MAYBE_ADD(2, 2, LOST, -1),
		CAS(1, 3, 4, 9, ABSENT, 0), WRITE(9, 5, 14, 1),
		MAYBE_WRITE(2, 6, 7, ABSENT), CAS(3, 8, 12, 5, 6, 1),
		READ(1, 10, 11, 5), READ(1, 20, 21, ABSENT),
	};
	char text[2000], small[2000];
	size_t i, length;

	for (i = 0; i < COUNT_OF(ops); i++) {
		ops[i].key = ops[i].client == 9 ? 8 : 7;
	}
	length = lin_explain(ops, COUNT_OF(ops), 6, text, sizeof(text));
	ck_assert_str_eq(text, explained);
	ck_assert_uint_eq(length, strlen(text));

	memset(small, 'x', sizeof(small));
	ck_assert_uint_eq(
	    lin_explain(ops, COUNT_OF(ops), 6, small, 50), length);
	ck_assert_uint_eq(strlen(small), 49);
	ck_assert(strncmp(small, text, 49) == 0);
	for (i = 50; i < sizeof(small); i++) {
		ck_assert_int_eq(small[i], 'x');
	}
	ck_assert_uint_eq(lin_explain(ops, COUNT_OF(ops), 6, NULL, 0), length);
	ck_assert_uint_eq(
	    lin_explain(ops, COUNT_OF(ops), SIZE_MAX, small, 50), 0);
	ck_assert_str_eq(small, "");
}
END_TEST

/* Eight before and four after, and the longest numbers fit into 2,000. */
START_TEST(explain_window)
{
	struct lin_op ops[40];
	char text[2000];
	size_t i, lines = 0, length;

	for (i = 0; i < COUNT_OF(ops); i++) {
		ops[i] = (struct lin_op){
			.call = UINT64_MAX - 101 + 2 * i,
			.ret = UINT64_MAX - 100 + 2 * i,
			.client = UINT32_MAX,
			.key = UINT64_MAX,
			.kind = LIN_CAS,
			.arg = INT64_MIN + 1,
			.arg2 = INT64_MIN + 2,
			.known = true,
		};
	}
	length = lin_explain(ops, COUNT_OF(ops), 20, text, sizeof(text));
	ck_assert_uint_lt(length, sizeof(text));
	for (i = 0; text[i] != '\0'; i++) {
		lines += text[i] == '\n';
	}
	ck_assert_uint_eq(lines, 3 + 8 + 1 + 4);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("lin");
	TCase *tc = tcase_create("lin");

	tcase_add_loop_test(tc, known_history, 0, (int)COUNT_OF(histories));
	tcase_add_test(tc, keys);
	tcase_add_loop_test(tc, step_limit, 0, (int)COUNT_OF(histories));
	tcase_add_test(tc, unknown_key);
	tcase_add_test(tc, unknown_small_key);
	tcase_add_test(tc, shared_steps);
	tcase_add_test(tc, lost_reads);
	tcase_add_test(tc, too_many);
	tcase_add_loop_test_raise_signal(tc, wrong_events, SIGABRT, 0, 4);
	tcase_add_test(tc, explain);
	tcase_add_test(tc, explain_window);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return check_run(make_suite());
}
