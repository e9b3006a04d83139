/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generator's sequences are for ever: recorded seeds depend on them.
 */
#include "base/prng.h"

#include "base/attr.h"
#include "tests/base/check_run.h"

/* xoshiro256** from the state 1, 2, 3, 4. */
static const uint64_t sequence[] = {
	11520u,
	0u,
	1509978240u,
	1215971899390074240u,
	1216172134540287360u,
	607988272756665600u,
	16172922978634559625u,
	8476171486693032832u,
	10595114339597558777u,
	2904607092377533576u,
};

START_TEST(test_sequence)
{
	struct prng prng = { .s = { 1, 2, 3, 4 } };
	size_t i;

	for (i = 0; i < COUNT_OF(sequence); i++) {
		ck_assert_uint_eq(prng_next(&prng), sequence[i]);
	}
}
END_TEST

/* splitmix64 from the seed 1234567. */
START_TEST(test_init)
{
	struct prng prng;

	prng_init(&prng, 1234567);
	ck_assert_uint_eq(prng.s[0], 6457827717110365317u);
	ck_assert_uint_eq(prng.s[1], 3203168211198807973u);
	ck_assert_uint_eq(prng.s[2], 9817491932198370423u);
	ck_assert_uint_eq(prng.s[3], 4593380528125082431u);
	prng_init(&prng, 0);
	ck_assert_uint_ne(prng.s[0] | prng.s[1], 0);
}
END_TEST

/* Each value of a small bound comes, and about equally often. */
START_TEST(test_below)
{
	enum { VALUES = 6, DRAWS = 60000 };
	unsigned counts[VALUES] = { 0 };
	struct prng prng;
	uint64_t value;
	int i;

	prng_init(&prng, 42);
	for (i = 0; i < DRAWS; i++) {
		value = prng_below(&prng, VALUES);
		ck_assert_uint_lt(value, VALUES);
		counts[value]++;
	}
	for (i = 0; i < VALUES; i++) {
		ck_assert_uint_gt(counts[i], DRAWS / VALUES * 95 / 100);
		ck_assert_uint_lt(counts[i], DRAWS / VALUES * 105 / 100);
	}
	ck_assert_uint_eq(prng_below(&prng, 1), 0);
}
END_TEST

/*
 * With a bound of three quarters of all numbers, plain remainders would hit
 * the lower third twice as often as the others.
 */
START_TEST(test_below_unbiased)
{
	const uint64_t bound = 3ull << 62;
	unsigned low = 0;
	struct prng prng;
	int i;

	prng_init(&prng, 7);
	for (i = 0; i < 30000; i++) {
		low += prng_below(&prng, bound) < bound / 3;
	}
	ck_assert_uint_gt(low, 9500);
	ck_assert_uint_lt(low, 10500);
}
END_TEST

START_TEST(test_range)
{
	int seen_min = 0, seen_max = 0, i;
	struct prng prng;
	uint64_t value;

	prng_init(&prng, 9);
	for (i = 0; i < 1000; i++) {
		value = prng_range(&prng, 150, 155);
		ck_assert_uint_ge(value, 150);
		ck_assert_uint_le(value, 155);
		seen_min |= value == 150;
		seen_max |= value == 155;
	}
	ck_assert_int_eq(seen_min, 1);
	ck_assert_int_eq(seen_max, 1);
	ck_assert_uint_eq(prng_range(&prng, 5, 5), 5);
	ck_assert_uint_ne(
	    prng_range(&prng, 0, UINT64_MAX), prng_range(&prng, 0, UINT64_MAX));
}
END_TEST

START_TEST(test_chance)
{
	unsigned count = 0;
	struct prng prng;
	int i;

	prng_init(&prng, 3);
	for (i = 0; i < 10000; i++) {
		count += (unsigned)prng_chance(&prng, 100000);
		ck_assert_int_eq(prng_chance(&prng, 0), 0);
		ck_assert_int_eq(prng_chance(&prng, 1000000), 1);
	}
	ck_assert_uint_gt(count, 850);
	ck_assert_uint_lt(count, 1150);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("prng");
	TCase *tcase = tcase_create("prng");

	tcase_add_test(tcase, test_sequence);
	tcase_add_test(tcase, test_init);
	tcase_add_test(tcase, test_below);
	tcase_add_test(tcase, test_below_unbiased);
	tcase_add_test(tcase, test_range);
	tcase_add_test(tcase, test_chance);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
