/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Medians and ratios of benchmarks: what is a figure, what belongs to the
 * same round.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/base/check_run.h"
#include "tests/bench/gather.h"

#define MACHINE "{\"kind\":\"machine\"}\n"

static json_t *
gather_text(const char *text)
{
	struct err_buf err = { "" };
	FILE *lines = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	json_t *all;

	ck_assert_ptr_nonnull(lines);
	all = gather(lines, &err);
	ck_assert_msg(all != NULL, "%s", err.text);
	fclose(lines);
	return all;
}

/* The line of the table of ratios that begins so. */
static const json_t *
ratio_of(const json_t *all, const char *what)
{
	json_t *ratio;
	size_t i;

	json_array_foreach(json_object_get(all, "ratios"), i, ratio)
	{
		if (strcmp(json_string_value(json_object_get(ratio, "what")),
			what) == 0) {
			return ratio;
		}
	}
	return NULL;
}

static double
number_of(const json_t *object, const char *name)
{
	ck_assert(json_is_number(json_object_get(object, name)));
	return json_number_value(json_object_get(object, name));
}

START_TEST(test_median)
{
	static const struct {
		double values[5];
		size_t count;
		double median;
	} cases[] = {
		{ { 7 }, 1, 7 },
		{ { 9, 1 }, 2, 5 },
		{ { 9, 1, 2 }, 3, 2 },
		{ { 4, 1, 100, 2 }, 4, 3 },
		{ { 5, 4, 3, 2, 1 }, 5, 3 },
	};
	double values[5];
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		memcpy(values, cases[i].values, sizeof(values));
		ck_assert_double_eq(gather_median_of(values, cases[i].count),
		    cases[i].median);
	}
	ck_assert(isnan(gather_median_of(values, 0)));
}
END_TEST

#define SET(round, system, us)                                               \
	"{\"kind\":\"sample\",\"round\":" #round ",\"system\":\"" system     \
	"\",\"figure\":\"set serial\",\"p50_us\":" #us "}\n"

/* Three rounds; one of them has no figure of the other system. */
START_TEST(test_ratio_is_of_the_same_round)
{
	json_t *all = gather_text(MACHINE SET(1, "raftsup-5-process", 10)
		SET(1, "redis-off", 100) SET(2, "raftsup-5-process", 40)
		    SET(2, "redis-off", 50) SET(3, "raftsup-5-process", 99));
	const json_t *ratio = ratio_of(
	    all, "process: serial set, p50, to Redis without append-only");

	ck_assert_ptr_nonnull(ratio);
	ck_assert_double_eq(number_of(ratio, "ours"), 40);
	ck_assert_double_eq(number_of(ratio, "other"), 75);
	ck_assert_double_eq_tol(number_of(ratio, "ratio"), 0.45, 1e-9);
	ck_assert_double_eq_tol(number_of(ratio, "min"), 0.1, 1e-9);
	ck_assert_double_eq_tol(number_of(ratio, "max"), 0.8, 1e-9);
	ck_assert_double_eq(number_of(ratio, "rounds"), 2);
	ck_assert(json_is_false(json_object_get(ratio, "met")));
	/* What has no figure has no ratio. */
	ck_assert_ptr_null(ratio_of(all, "power: serial set, p50, to etcd"));
	json_decref(all);
}
END_TEST

START_TEST(test_aims)
{
	static const struct {
		const char *line, *what;
		bool met;
	} cases[] = {
		{ "\"figure\":\"set pipelined\",\"ops_per_s\":500000",
		    "process: pipelined set, ops/s", true },
		{ "\"figure\":\"set pipelined\",\"ops_per_s\":499999",
		    "process: pipelined set, ops/s", false },
		{ "\"figure\":\"failover\",\"ms\":[0.4,9,0.5,0.1]",
		    "process: failover, median ms", true },
		{ "\"figure\":\"failover\",\"ms\":[0.4,9,0.5,0.1]",
		    "process: failover, worst ms", false },
		{ "\"figure\":\"idle\",\"cpu_percent\":0.31",
		    "process: idle, % of a core", false },
	};
	char text[512];
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		const json_t *ratio;
		json_t *all;

		snprintf(text, sizeof(text),
		    MACHINE "{\"kind\":\"sample\",\"round\":1,"
			    "\"system\":\"raftsup-5-process\",%s}\n",
		    cases[i].line);
		all = gather_text(text);
		ratio = ratio_of(all, cases[i].what);
		ck_assert_ptr_nonnull(ratio);
		ck_assert_int_eq(json_is_true(json_object_get(ratio, "met")),
		    cases[i].met);
		json_decref(all);
	}
}
END_TEST

/* All kills are one sample, whatever the rounds. */
START_TEST(test_kills)
{
	json_t *all = gather_text(MACHINE
	    "{\"kind\":\"sample\",\"round\":1,\"system\":\"s\","
	    "\"figure\":\"failover\",\"ms\":[5,1,2]}\n"
	    "{\"kind\":\"sample\",\"round\":2,\"system\":\"s\","
	    "\"figure\":\"failover\",\"ms\":[3,4,6,7,8,9,10]}\n");
	const json_t *metrics =
	    json_object_get(gather_figure(all, "s", "failover"), "metrics");
	const json_t *ms = json_object_get(metrics, "ms");

	ck_assert_double_eq(number_of(ms, "count"), 10);
	ck_assert_double_eq(number_of(ms, "median"), 5.5);
	ck_assert_double_eq(number_of(ms, "p90"), 9);
	ck_assert_double_eq(gather_median(all, "s", "failover", "worst_ms"),
	    10);
	json_decref(all);
}
END_TEST

/* Processor time an operation: of writes alone. */
START_TEST(test_cost)
{
	json_t *all = gather_text(MACHINE
	    "{\"kind\":\"sample\",\"round\":1,\"system\":\"s\","
	    "\"figure\":\"set serial\",\"cpu_ns\":3000000,\"ops\":100}\n"
	    "{\"kind\":\"sample\",\"round\":1,\"system\":\"s\","
	    "\"figure\":\"get serial\",\"cpu_ns\":3000000,\"ops\":100}\n");

	ck_assert_double_eq(
	    gather_median(all, "s", "set serial", "cpu_us_per_op"), 30);
	ck_assert(
	    isnan(gather_median(all, "s", "get serial", "cpu_us_per_op")));
	json_decref(all);
}
END_TEST

/* Point by point the median of the rounds. */
START_TEST(test_distribution)
{
	json_t *all = gather_text(MACHINE
	    "{\"kind\":\"sample\",\"round\":1,\"system\":\"s\","
	    "\"figure\":\"f\",\"distribution\":[[50,1],[100,9]]}\n"
	    "{\"kind\":\"sample\",\"round\":2,\"system\":\"s\","
	    "\"figure\":\"f\",\"distribution\":[[50,3],[100,5]]}\n"
	    "{\"kind\":\"sample\",\"round\":3,\"system\":\"s\","
	    "\"figure\":\"f\",\"distribution\":[[50,2],[100,70]]}\n");
	const json_t *points =
	    json_object_get(gather_figure(all, "s", "f"), "distribution");
	json_t *wanted = json_pack("[[f,f],[f,f]]", 50., 2., 100., 9.);

	ck_assert(json_equal(points, wanted));
	json_decref(wanted);
	json_decref(all);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("gather");
	TCase *tcase = tcase_create("gather");

	tcase_add_test(tcase, test_median);
	tcase_add_test(tcase, test_ratio_is_of_the_same_round);
	tcase_add_test(tcase, test_aims);
	tcase_add_test(tcase, test_kills);
	tcase_add_test(tcase, test_cost);
	tcase_add_test(tcase, test_distribution);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
