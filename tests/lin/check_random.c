/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random histories. Small ones, right and wrong, against the checker that
 * tries all orders. Longer ones of an atomic register are good; with one
 * answer changed so that it cannot be, they are bad. Long ones are checked
 * in few steps. A failure names the seed.
 */
#include <inttypes.h>

#include "lin/lin.h"
#include "tests/base/check_run.h"
#include "tests/lin/register.h"

#define ALL_KINDS                                                            \
	(1u << LIN_READ | 1u << LIN_WRITE | 1u << LIN_CAS | 1u << LIN_ADD)
#define SMALL_COUNT    3000
#define SMALL_OPS_MAX  6
#define LARGE_OPS      10000
#define STEPS_PER_OP   60
#define STEPS_LARGE    (STEPS_PER_OP * LARGE_OPS)
#define STEPS_NO_LIMIT UINT64_MAX

/* How small histories are made; each SMALL_COUNT times. */
static const struct {
	uint32_t clients;
	uint32_t values;
	uint32_t kinds;
	uint32_t maybe;
	uint32_t mutations;
} smalls[] = {
	{ 2, 2, ALL_KINDS, 0, 1 },
	{ 2, 2, ALL_KINDS, 300000, 1 },
	{ 2, 3, 1u << LIN_READ | 1u << LIN_WRITE, 0, 1 },
	{ 2, 2, 1u << LIN_READ | 1u << LIN_WRITE, 400000, 2 },
	{ 2, 2, 1u << LIN_READ | 1u << LIN_CAS | 1u << LIN_WRITE, 300000, 1 },
	{ 2, 1, 1u << LIN_READ | 1u << LIN_ADD, 300000, 1 },
	{ 4, 3, ALL_KINDS, 0, 2 },
	{ 5, 2, ALL_KINDS, 500000, 2 },
	{ 2, 0, ALL_KINDS, 200000, 1 },
};

/* Another answer to some operation, likely one that does not fit. */
static void
mutate(struct prng *prng, struct lin_op *ops, size_t count)
{
	struct lin_op *op = &ops[prng_below(prng, count)];
	const struct lin_op *other = &ops[prng_below(prng, count)];

	switch (op->kind) {
	case LIN_READ:
		op->result = prng_below(prng, 4) == 0 ? LIN_ABSENT :
		    other->kind == LIN_READ ? other->result : other->arg;
		break;
	case LIN_WRITE:
		op->arg = other->arg;
		break;
	case LIN_CAS:
		op->result = !op->result;
		break;
	case LIN_ADD:
		op->result += prng_below(prng, 2) == 0 ? 1 : -1;
		break;
	}
}

START_TEST(small)
{
	struct register_plan plan = {
		.clients = smalls[_i].clients,
		.keys = 1,
		.values = smalls[_i].values,
		.kinds = smalls[_i].kinds,
		.maybe = smalls[_i].maybe,
	};
	struct lin_op ops[SMALL_OPS_MAX];
	size_t seed, bad, good_count = 0, i;
	uint32_t stuck;
	struct prng prng;
	enum lin_verdict verdict;

	for (seed = 0; seed < SMALL_COUNT; seed++) {
		prng_init(&prng, seed);
		plan.count = prng_range(&prng, 2, SMALL_OPS_MAX);
		register_run(&prng, &plan, ops);
		verdict = lin_check(ops, plan.count, STEPS_NO_LIMIT, NULL);
		ck_assert_msg(verdict == LIN_OK, "row %d seed %zu", _i, seed);
		for (i = 0; i < smalls[_i].mutations; i++) {
			mutate(&prng, ops, plan.count);
		}
		verdict = lin_check(ops, plan.count, STEPS_NO_LIMIT, &bad);
		if (register_judge(ops, plan.count, &stuck)) {
			ck_assert_msg(verdict == LIN_OK,
			    "row %d seed %zu: good", _i, seed);
			good_count++;
			continue;
		}
		ck_assert_msg(verdict == LIN_BAD, "row %d seed %zu: bad", _i,
		    seed);
		ck_assert_msg(bad < plan.count && (stuck >> bad & 1) != 0,
		    "row %d seed %zu: stuck at %zu", _i, seed, bad);
	}
	/* The judge has said both, often. */
	ck_assert_uint_gt(good_count, SMALL_COUNT / 10);
	ck_assert_uint_lt(good_count, SMALL_COUNT - SMALL_COUNT / 10);
}
END_TEST

/* More operations than two clients can have in flight, fewer histories. */
START_TEST(crowded)
{
	struct register_plan plan = {
		.count = 8,
		.clients = 6,
		.keys = 1,
		.values = 2,
		.kinds = ALL_KINDS,
		.maybe = 300000,
	};
	struct lin_op ops[8];
	size_t seed, bad, good_count = 0;
	uint32_t stuck = 0;
	struct prng prng;
	bool is_good;

	for (seed = 0; seed < 1000; seed++) {
		prng_init(&prng, seed);
		register_run(&prng, &plan, ops);
		mutate(&prng, ops, plan.count);
		mutate(&prng, ops, plan.count);
		mutate(&prng, ops, plan.count);
		is_good = register_judge(ops, plan.count, &stuck);
		ck_assert_msg(lin_check(ops, plan.count, STEPS_NO_LIMIT,
		    &bad) == (is_good ? LIN_OK : LIN_BAD), "seed %zu", seed);
		ck_assert_msg(is_good || (stuck >> bad & 1) != 0,
		    "seed %zu: stuck at %zu", seed, bad);
		good_count += is_good;
	}
	ck_assert_uint_gt(good_count, 100);
	ck_assert_uint_lt(good_count, 900);
}
END_TEST

static bool
is_before(const struct lin_op *a, const struct lin_op *b)
{
	return a->known && a->ret < b->call;
}

/*
 * Each value is written once. A certain read, chosen at random, gets one that
 * it cannot have seen; false if there is none of the kind wanted:
 *
 * 0 stale      written, and certainly overwritten, before the read
 * 1 future     written after it
 * 2 nowhere    never written
 * 3 absent     after a write
 */
static bool
spoil(struct prng *prng, struct lin_op *ops, size_t count, int how)
{
	size_t shift = prng_below(prng, count), i, j, k;

	if (how == 2) {
		for (i = shift; !ops[i].known || ops[i].kind != LIN_READ;
		    i = (i + 1) % count) {
		}
		ops[i].result = -5;
		return true;
	}
	for (k = 0; k < count; k++) {
		struct lin_op *op = &ops[(shift + k) % count];
		size_t older = count, newer = count, future = count;

		if (op->kind != LIN_READ || !op->known) {
			continue;
		}
		for (i = 0; i < count; i++) {
			j = (shift + i) % count;
			if (ops[j].kind != LIN_WRITE ||
			    ops[j].key != op->key) {
				continue;
			}
			if (is_before(op, &ops[j])) {
				future = j;
			} else if (is_before(&ops[j], op)) {
				if (newer == count ||
				    ops[j].call > ops[newer].call) {
					newer = j;
				}
			}
		}
		for (i = 0; i < count && newer < count; i++) {
			if (ops[i].kind == LIN_WRITE &&
			    ops[i].key == op->key &&
			    is_before(&ops[i], &ops[newer])) {
				older = i;
			}
		}
		if (how == 0 && older < count) {
			op->result = ops[older].arg;
			return true;
		}
		if (how == 1 && future < count) {
			op->result = ops[future].arg;
			return true;
		}
		if (how == 3 && newer < count) {
			op->result = LIN_ABSENT;
			return true;
		}
	}
	return false;
}

START_TEST(spoiled)
{
	struct register_plan plan = {
		.count = 300,
		.clients = 5,
		.keys = 2,
		.kinds = 1u << LIN_READ | 1u << LIN_WRITE | 1u << LIN_CAS,
		.maybe = 20000,
	};
	struct lin_op ops[300];
	struct prng prng;
	uint64_t seed;
	size_t bad;

	for (seed = 0; seed < 60; seed++) {
		prng_init(&prng, seed);
		register_run(&prng, &plan, ops);
		ck_assert_msg(lin_check(ops, plan.count, 1000000, NULL) ==
		    LIN_OK, "seed %" PRIu64, seed);
		ck_assert(spoil(&prng, ops, plan.count, _i));
		ck_assert_msg(lin_check(ops, plan.count, 1000000, &bad) ==
		    LIN_BAD, "seed %" PRIu64 " is bad", seed);
	}
}
END_TEST

/* The answers to n certain increments are 1 to n: any other is wrong. */
START_TEST(miscounted)
{
	struct register_plan plan = {
		.count = 200,
		.clients = 8,
		.keys = 1,
		.kinds = 1u << LIN_ADD,
	};
	struct lin_op ops[200];
	struct prng prng;
	uint64_t seed;

	for (seed = 0; seed < 60; seed++) {
		prng_init(&prng, seed);
		register_run(&prng, &plan, ops);
		ck_assert(lin_check(ops, plan.count, 100000, NULL) == LIN_OK);
		mutate(&prng, ops, plan.count);
		ck_assert_msg(lin_check(ops, plan.count, 1000000, NULL) ==
		    LIN_BAD, "seed %" PRIu64 " is bad", seed);
	}
}
END_TEST

/* UNANSWERED operations of a kind, then reads, one after the other. */
#define UNANSWERED	60u
#define READS		4u

static void
unanswered(struct lin_op ops[UNANSWERED + READS], enum lin_kind kind)
{
	size_t i;

	for (i = 0; i < UNANSWERED + READS; i++) {
		ops[i] = (struct lin_op){
			.call = 2 * i,
			.ret = i < UNANSWERED ? LIN_NO_REPLY : 2 * i + 1,
			.kind = i < UNANSWERED ? kind : LIN_READ,
			.known = i >= UNANSWERED,
		};
	}
}

/*
 * Lost answers that all say the same are as good as one: 60 increments
 * without an answer would be 2^60 sets, and are 61.
 */
START_TEST(twins)
{
	struct lin_op ops[UNANSWERED + READS];
	size_t count = COUNT_OF(ops), bad, i;

	unanswered(ops, LIN_ADD);
	for (i = 0; i < UNANSWERED; i++) {
		ops[i].arg = 1;
	}
	ops[60].result = 10;
	ops[61].result = 30;
	ops[62].result = 60;
	ops[63].result = 60;
	ck_assert(lin_check(ops, count, 20000, NULL) == LIN_OK);
	ops[63].result = 61;
	ck_assert(lin_check(ops, count, 20000, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 63);
}
END_TEST

/* Writes without an answer that nobody sees are left alone. */
START_TEST(unseen)
{
	struct lin_op ops[UNANSWERED + READS];
	size_t count = COUNT_OF(ops), bad, i;

	unanswered(ops, LIN_WRITE);
	ops[61].kind = LIN_WRITE;
	for (i = 0; i < count; i++) {
		ops[i].arg = (int64_t)i;
	}
	ops[60].result = 59;
	ops[62].result = 7;
	ops[63].result = 0;
	ck_assert(lin_check(ops, count, 40000, NULL) == LIN_OK);
	ops[63].result = 59;
	ck_assert(lin_check(ops, count, 40000, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 63);
}
END_TEST

/* Nor is what could only have changed nothing. */
START_TEST(idle)
{
	struct lin_op ops[UNANSWERED + READS];
	size_t count = COUNT_OF(ops), bad, i;

	unanswered(ops, LIN_CAS);
	for (i = 0; i < count; i++) {
		ops[i].arg = (int64_t)i;
		ops[i].arg2 = (int64_t)i + 1000;
		ops[i].result = LIN_ABSENT;
	}
	ck_assert(lin_check(ops, count, 2000, NULL) == LIN_OK);
	ops[63].result = 1000;
	ck_assert(lin_check(ops, count, 2000, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 63);
}
END_TEST

/* The order of 30 reads and failed CAS at once is no choice. */
START_TEST(order_of_reads)
{
	struct lin_op ops[34];
	size_t bad, i;

	for (i = 0; i < COUNT_OF(ops); i++) {
		ops[i] = (struct lin_op){
			.call = i,
			.ret = 1000 + i,
			.kind = i % 2 == 0 ? LIN_READ : LIN_CAS,
			.arg = 77,
			.result = i % 2 == 0 ? 5 : 0,
			.known = true,
		};
	}
	ops[30].kind = ops[31].kind = LIN_WRITE;
	ops[30].arg = 5;
	ops[31].arg = 6;
	ops[32].kind = ops[33].kind = LIN_READ;
	ops[32].result = ops[33].result = 6;
	ck_assert(lin_check(ops, 34, 5000, NULL) == LIN_OK);
	ops[33].result = 7;
	ck_assert(lin_check(ops, 34, 5000, &bad) == LIN_BAD);
	ck_assert_uint_eq(bad, 33);
}
END_TEST

/* values of the plan, parts in a million without a clear answer */
static const struct {
	uint32_t values;
	uint32_t maybe;
} larges[] = {
	{ 0, 0 },
	{ 5, 0 },
	{ 0, 5000 },
	{ 5, 2000 },
};

START_TEST(large)
{
	struct register_plan plan = {
		.count = LARGE_OPS,
		.clients = 8,
		.keys = 5,
		.values = larges[_i].values,
		.kinds = ALL_KINDS,
		.maybe = larges[_i].maybe,
	};
	static struct lin_op ops[LARGE_OPS];
	struct lin_op *op;
	struct prng prng;
	size_t bad;

	prng_init(&prng, (uint64_t)_i);
	register_run(&prng, &plan, ops);
	ck_assert(lin_check(ops, plan.count, STEPS_LARGE, NULL) == LIN_OK);
	for (op = &ops[LARGE_OPS - 1]; op->kind != LIN_READ || !op->known;
	    op--) {
	}
	op->result = -5;
	ck_assert(lin_check(ops, plan.count, STEPS_LARGE * 10, &bad) ==
	    LIN_BAD);
	ck_assert_uint_eq(ops[bad].key, op->key);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("lin_random");
	TCase *tc = tcase_create("random");

	tcase_add_loop_test(tc, small, 0, (int)COUNT_OF(smalls));
	tcase_add_test(tc, crowded);
	tcase_add_loop_test(tc, spoiled, 0, 4);
	tcase_add_test(tc, miscounted);
	tcase_add_test(tc, twins);
	tcase_add_test(tc, unseen);
	tcase_add_test(tc, idle);
	tcase_add_test(tc, order_of_reads);
	tcase_add_loop_test(tc, large, 0, (int)COUNT_OF(larges));
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	return check_run(make_suite());
}
