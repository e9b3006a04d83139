/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The histogram against sorted numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/prng.h"
#include "ctl/hist.h"
#include "tests/base/check_run.h"

static struct hist hist, other;

static void
setup(void)
{
	memset(&hist, 0, sizeof(hist));
	memset(&other, 0, sizeof(other));
}

START_TEST(test_empty)
{
	ck_assert_uint_eq(hist_percentile(&hist, 50000), 0);
	ck_assert_uint_eq(hist.max, 0);
}
END_TEST

/* Values below 128, and one value alone, are exact. */
START_TEST(test_exact)
{
	uint64_t i;

	for (i = 0; i < 100; i++) {
		hist_record(&hist, i + 1);
	}
	ck_assert_uint_eq(hist.count, 100);
	ck_assert_uint_eq(hist_percentile(&hist, 1), 1);
	ck_assert_uint_eq(hist_percentile(&hist, 50000), 50);
	ck_assert_uint_eq(hist_percentile(&hist, 50001), 51);
	ck_assert_uint_eq(hist_percentile(&hist, 90000), 90);
	ck_assert_uint_eq(hist_percentile(&hist, 99000), 99);
	ck_assert_uint_eq(hist_percentile(&hist, 99900), 100);
	ck_assert_uint_eq(hist_percentile(&hist, 100000), 100);
}
END_TEST

/* Ends of the buckets: around each power of two, and the largest number. */
START_TEST(test_range)
{
	unsigned shift;
	int64_t delta;
	uint64_t value, got;

	for (shift = 1; shift < 64; shift++) {
		for (delta = -1; delta <= 1; delta++) {
			value = ((uint64_t)1 << shift) + (uint64_t)delta;
			setup();
			hist_record(&hist, value);
			ck_assert_uint_eq(hist.max, value);
			ck_assert_uint_eq(hist_percentile(&hist, 50000), value);
			/* A larger one takes the cap of max away. */
			hist_record(&hist, UINT64_MAX);
			got = hist_percentile(&hist, 50000);
			ck_assert_uint_ge(got, value);
			ck_assert_uint_le(got - value, value / 128);
			ck_assert_uint_eq(
			    hist_percentile(&hist, 100000), UINT64_MAX);
		}
	}
}
END_TEST

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Random numbers of all magnitudes, and two halves merged. */
START_TEST(test_random)
{
	static uint64_t values[20000];
	static const uint32_t parts[] = { 1, 1000, 50000, 90000, 99000, 99900,
		99999, 100000 };
	uint64_t got, wanted;
	struct prng prng;
	size_t i, rank;

	prng_init(&prng, 42);
	for (i = 0; i < COUNT_OF(values); i++) {
		values[i] = prng_next(&prng) >> prng_below(&prng, 64);
		hist_record(i % 2 == 0 ? &hist : &other, values[i]);
	}
	hist_merge(&hist, &other);
	ck_assert_uint_eq(hist.count, COUNT_OF(values));
	qsort(values, COUNT_OF(values), sizeof(values[0]), compare);
	ck_assert_uint_eq(hist.max, values[COUNT_OF(values) - 1]);
	for (i = 0; i < COUNT_OF(parts); i++) {
		rank = (COUNT_OF(values) * parts[i] + 99999) / 100000;
		wanted = values[rank - 1];
		got = hist_percentile(&hist, parts[i]);
		ck_assert_uint_ge(got, wanted);
		ck_assert_uint_le(got - wanted, wanted / 128);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("hist");
	TCase *tcase = tcase_create("hist");

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_empty);
	tcase_add_test(tcase, test_exact);
	tcase_add_test(tcase, test_range);
	tcase_add_test(tcase, test_random);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
