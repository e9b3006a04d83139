/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clocks, compared with the system's own.
 */
#include "base/clock.h"

#include <time.h>

#include "tests/base/check_run.h"

START_TEST(test_now)
{
	struct timespec before, after;
	uint64_t now, later;

	clock_gettime(CLOCK_MONOTONIC, &before);
	now = clock_now_ns();
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_uint_ge(now, (uint64_t)before.tv_sec * CLOCK_NS_PER_S +
				   (uint64_t)before.tv_nsec);
	ck_assert_uint_le(now,
	    (uint64_t)after.tv_sec * CLOCK_NS_PER_S + (uint64_t)after.tv_nsec);
	later = clock_now_ns();
	ck_assert_uint_ge(later, now);
	ck_assert_uint_ge(
	    clock_wall_ns() / CLOCK_NS_PER_S, (uint64_t)time(NULL) - 1);
}
END_TEST

START_TEST(test_timespec)
{
	struct timespec ts = clock_timespec(3 * CLOCK_NS_PER_S + 7);

	ck_assert_int_eq(ts.tv_sec, 3);
	ck_assert_int_eq(ts.tv_nsec, 7);
}
END_TEST

START_TEST(test_format)
{
	char text[CLOCK_WALL_TEXT_SIZE];

	clock_format_wall(0, text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000000Z");
	clock_format_wall(1795206665123456789u, text);
	ck_assert_str_eq(text, "2026-11-20T20:31:05.123456Z");
	clock_format_wall(UINT64_MAX, text);
	ck_assert_str_eq(text, "2554-07-21T23:34:33.709551Z");
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("clock");
	TCase *tcase = tcase_create("clock");

	tcase_add_test(tcase, test_now);
	tcase_add_test(tcase, test_timespec);
	tcase_add_test(tcase, test_format);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
