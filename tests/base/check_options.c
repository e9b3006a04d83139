/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people type, as tables: a text, and its value or the complaint.
 */
#include "base/options.h"

#include <string.h>

#include "tests/base/check_run.h"

#define S 1000000000ull

static const struct {
	const char *text;
	int64_t value; /* -1: refused */
} numbers[] = {
	{ "1", 1 },
	{ "7", 7 },
	{ "007", 7 },
	{ "0", -1 },
	{ "8", -1 },
	{ "", -1 },
	{ "-1", -1 },
	{ "+1", -1 },
	{ " 1", -1 },
	{ "1 ", -1 },
	{ "1x", -1 },
	{ "0x1", -1 },
	{ "18446744073709551617", -1 },
};

START_TEST(test_u64)
{
	uint64_t value = 99;
	struct err_buf err;
	int result;

	result = options_u64("-n", numbers[_i].text, 1, 7, &value, &err);
	if (numbers[_i].value < 0) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_uint_eq(value, 99);
		ck_assert_ptr_nonnull(
		    strstr(err.text, " is not a number from 1 to 7"));
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_uint_eq(value, (uint64_t)numbers[_i].value);
	}
}
END_TEST

START_TEST(test_u64_limits)
{
	uint64_t value;

	ck_assert_int_eq(options_u64("--seed", "18446744073709551615", 0,
			     UINT64_MAX, &value, NULL),
	    0);
	ck_assert_uint_eq(value, UINT64_MAX);
	ck_assert_int_eq(options_u64("--seed", "18446744073709551616", 0,
			     UINT64_MAX, &value, NULL),
	    ERR_USAGE);
}
END_TEST

START_TEST(test_i64)
{
	struct err_buf err;
	int64_t value = 3;

	ck_assert_int_eq(options_i64("BY", "-9223372036854775808", INT64_MIN,
			     INT64_MAX, &value, &err),
	    0);
	ck_assert_int_eq(value, INT64_MIN);
	ck_assert_int_eq(options_i64("BY", "9223372036854775807", INT64_MIN,
			     INT64_MAX, &value, &err),
	    0);
	ck_assert_int_eq(value, INT64_MAX);
	ck_assert_int_eq(options_i64("BY", "9223372036854775808", INT64_MIN,
			     INT64_MAX, &value, &err),
	    ERR_USAGE);
	ck_assert_int_eq(
	    options_i64("BY", "--1", -5, 5, &value, &err), ERR_USAGE);
	ck_assert_int_eq(
	    options_i64("BY", "-", -5, 5, &value, &err), ERR_USAGE);
	ck_assert_int_eq(
	    options_i64("BY", " 1", -5, 5, &value, &err), ERR_USAGE);
	ck_assert_int_eq(
	    options_i64("BY", "-6", -5, 5, &value, &err), ERR_USAGE);
	ck_assert_str_eq(err.text, "BY: -6 is not a number from -5 to 5");
	ck_assert_int_eq(value, INT64_MAX);
}
END_TEST

static const struct {
	const char *text;
	int64_t ns; /* -1: refused */
} times[] = {
	{ "1", 1 * S },
	{ "0.5", S / 2 },
	{ ".5", S / 2 },
	{ "2.", 2 * S },
	{ "150ms", 150000000 },
	{ "1.5ms", 1500000 },
	{ "20us", 20000 },
	{ "7ns", 7 },
	{ "0.1ns", 0 },
	{ "0.5ns", 1 },
	{ "3s", 3 * S },
	{ "3S", 3 * S },
	{ "1m", 60 * S },
	{ "0.000000001", 1 },
	{ "0.1", S / 10 },
	{ "0.3", 300000000 },
	{ "0", 0 },
	{ "61s", -1 },
	{ "1.1m", -1 },
	{ "1h", -1 },
	{ "3 s", -1 },
	{ "1e3", -1 },
	{ "1..5", -1 },
	{ ".", -1 },
	{ "", -1 },
	{ "ms", -1 },
	{ "-1", -1 },
	{ "1mss", -1 },
	{ "99999999999999999999", -1 },
	{ "9999999999999999999m", -1 },
};

START_TEST(test_time)
{
	uint64_t ns = 99;
	struct err_buf err;
	int result;

	result = options_time("-t", times[_i].text, 0, 60 * S, &ns, &err);
	if (times[_i].ns < 0) {
		ck_assert_msg(
		    result == ERR_USAGE, "%s gave %d", times[_i].text, result);
		ck_assert_uint_eq(ns, 99);
		ck_assert_ptr_nonnull(strstr(err.text,
		    " is not a time from 0s to 60s (units ns us ms s m)"));
	} else {
		ck_assert_msg(result == 0, "%s: %s", times[_i].text, err.text);
		ck_assert_uint_eq(ns, (uint64_t)times[_i].ns);
	}
}
END_TEST

/* The last minute that 64 bits of nanoseconds hold, and the next. */
START_TEST(test_time_limits)
{
	uint64_t ns;

	ck_assert_int_eq(
	    options_time("-t", "307445734m", 0, UINT64_MAX, &ns, NULL), 0);
	ck_assert_uint_eq(ns, 307445734 * (60 * S));
	ck_assert_int_eq(
	    options_time("-t", "307445735m", 0, UINT64_MAX, &ns, NULL),
	    ERR_USAGE);
}
END_TEST

static const struct {
	const char *text;
	uint64_t first_ns;
	uint64_t last_ns; /* 0: refused */
} time_ranges[] = {
	{ "6-10s", 6 * S, 10 * S },
	{ "6-10", 6 * S, 10 * S },
	{ "150-300ms", 150000000, 300000000 },
	{ "500ms-1s", 500000000, S },
	{ "0.5-1", S / 2, S },
	{ "1s-2", S, 2 * S },
	{ "2s", 2 * S, 2 * S },
	{ "1-1s", S, S },
	{ "2-1s", 0, 0 },
	{ "1-61s", 0, 0 },
	{ "1-10ms", 0, 0 },
	{ "-1s", 0, 0 },
	{ "1-", 0, 0 },
	{ "1-2-3", 0, 0 },
	{ "1-2h", 0, 0 },
	{ "", 0, 0 },
};

START_TEST(test_time_range)
{
	uint64_t first = 99, last = 99;
	int result;

	result = options_time_range("--election-timeout", time_ranges[_i].text,
	    10000000, 60 * S, &first, &last, NULL);
	if (time_ranges[_i].last_ns == 0) {
		ck_assert_msg(result == ERR_USAGE, "%s gave %d",
		    time_ranges[_i].text, result);
		ck_assert_uint_eq(first, 99);
		ck_assert_uint_eq(last, 99);
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_uint_eq(first, time_ranges[_i].first_ns);
		ck_assert_uint_eq(last, time_ranges[_i].last_ns);
	}
}
END_TEST

static const struct {
	const char *text;
	int64_t size; /* -1: refused */
} sizes[] = {
	{ "1000", 1000 },
	{ "64K", 65536 },
	{ "64k", 65536 },
	{ "1.5M", 1572864 },
	{ "1G", 1 << 30 },
	{ "2G", -1 },
	{ "1T", -1 },
	{ "1KB", -1 },
	{ "0", -1 },
	{ "", -1 },
};

START_TEST(test_size)
{
	uint64_t size = 99;
	struct err_buf err;
	int result;

	result = options_size("-s", sizes[_i].text, 1, 1 << 30, &size, &err);
	if (sizes[_i].size < 0) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_uint_eq(size, 99);
		ck_assert_ptr_nonnull(strstr(
		    err.text, " is not a size from 1 to 1G (units K M G)"));
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_uint_eq(size, (uint64_t)sizes[_i].size);
	}
}
END_TEST

static const struct {
	const char *text;
	int32_t parts; /* -1: refused */
} probabilities[] = {
	{ "0", 0 },
	{ "1", 1000000 },
	{ "0.1", 100000 },
	{ "10%", 100000 },
	{ "0.5%", 5000 },
	{ "100%", 1000000 },
	{ "0.000001", 1 },
	{ "1.1", -1 },
	{ "101%", -1 },
	{ "-0.1", -1 },
	{ "10 %", -1 },
	{ "%", -1 },
	{ "", -1 },
};

START_TEST(test_probability)
{
	uint32_t parts = 99;
	int result;

	result =
	    options_probability("--loss", probabilities[_i].text, &parts, NULL);
	if (probabilities[_i].parts < 0) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_uint_eq(parts, 99);
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_uint_eq(parts, (uint32_t)probabilities[_i].parts);
	}
}
END_TEST

static const struct {
	const char *text;
	uint32_t ids;
	const char *error;
} id_lists[] = {
	{ "1", 0x01, NULL },
	{ "8", 0x80, NULL },
	{ "1,3,5", 0x15, NULL },
	{ "5,1", 0x11, NULL },
	{ "", 0, "IDS: nothing is not a list of nodes" },
	{ "0", 0, "IDS: 0 is not a list of nodes" },
	{ "12,9", 0x900, NULL },
	{ "32", 0x80000000, NULL },
	{ "33", 0, "IDS: 33 is not a list of nodes" },
	{ "03", 0, "IDS: 03 is not a list of nodes" },
	{ "4294967297", 0, "IDS: 4294967297 is not a list of nodes" },
	{ "1x", 0, "IDS: 1x is not a list of nodes" },
	{ "1,", 0, "IDS: 1, is not a list of nodes" },
	{ ",1", 0, "IDS: ,1 is not a list of nodes" },
	{ "1,,2", 0, "IDS: 1,,2 is not a list of nodes" },
	{ "1 ,2", 0, "IDS: 1 ,2 is not a list of nodes" },
	{ "1,2,1", 0, "IDS: 1,2,1 names node 1 twice" },
};

START_TEST(test_ids)
{
	struct err_buf err;
	uint32_t ids = 99;
	int result;

	result = options_ids("IDS", id_lists[_i].text, &ids, &err);
	if (id_lists[_i].error != NULL) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_uint_eq(ids, 99);
		ck_assert_ptr_eq(
		    strstr(err.text, id_lists[_i].error), err.text);
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_uint_eq(ids, id_lists[_i].ids);
	}
}
END_TEST

static const struct {
	const char *text;
	uint64_t first;
	uint64_t last; /* 0: refused */
} ranges[] = {
	{ "10-20", 10, 20 },
	{ "7", 7, 7 },
	{ "7-7", 7, 7 },
	{ "20-10", 0, 0 },
	{ "0-3", 0, 0 },
	{ "1-101", 0, 0 },
	{ "-3", 0, 0 },
	{ "3-", 0, 0 },
	{ "1-2-3", 0, 0 },
	{ "1-x", 0, 0 },
	{ "000000000000000000000000000000001-2", 0, 0 },
};

START_TEST(test_u64_range)
{
	uint64_t first = 99, last = 99;
	int result;

	result = options_u64_range(
	    "FIRST-LAST", ranges[_i].text, 1, 100, &first, &last, NULL);
	if (ranges[_i].last == 0) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_uint_eq(first, 99);
		ck_assert_uint_eq(last, 99);
	} else {
		ck_assert_int_eq(result, 0);
		ck_assert_uint_eq(first, ranges[_i].first);
		ck_assert_uint_eq(last, ranges[_i].last);
	}
}
END_TEST

static const char *const commands[] = { "start", "stop", "status", "log",
	"loglevel", "heal", "partition", "pause" };

static const struct {
	const char *text;
	int place; /* -1: refused */
	const char *error;
} words[] = {
	{ "start", 0, NULL },
	{ "star", 0, NULL },
	{ "STOP", 1, NULL },
	{ "h", 5, NULL },
	/* complete, although a longer one begins with it */
	{ "log", 3, NULL },
	{ "logl", 4, NULL },
	{ "sta", -1, "command sta is ambiguous: start, status" },
	{ "pa", -1, "command pa is ambiguous: partition, pause" },
	{ "lo", -1, "command lo is ambiguous: log, loglevel" },
	{ "stauts", -1, "unknown command stauts: did you mean status?" },
	{ "strt", -1, "unknown command strt: did you mean start?" },
	{ "pasue", -1, "unknown command pasue: did you mean pause?" },
	{ "starts", -1, "unknown command starts: did you mean start?" },
	{ "qqqqqq", -1, "unknown command qqqqqq" },
	{ "", -1, "unknown command \"\"" },
	{ "a-word-longer-than-any-command-could-be", -1,
	    "unknown command a-word-longer-than-any-command-could-be" },
};

START_TEST(test_word)
{
	struct err_buf err;
	int result;

	result = options_word(
	    "command", words[_i].text, commands, COUNT_OF(commands), &err);
	if (words[_i].place < 0) {
		ck_assert_int_eq(result, ERR_USAGE);
		ck_assert_str_eq(err.text, words[_i].error);
	} else {
		ck_assert_int_eq(result, words[_i].place);
	}
}
END_TEST

static const struct {
	uint64_t ns;
	const char *text;
} time_texts[] = {
	{ 0, "0s" },
	{ 1, "1ns" },
	{ 999, "999ns" },
	{ 1000, "1us" },
	{ 1500, "1.5us" },
	{ 150000000, "150ms" },
	{ S, "1s" },
	{ 1500000000, "1.5s" },
	{ 1000000001, "1.000000001s" },
	{ 60 * S, "60s" },
};

START_TEST(test_format_time)
{
	char text[OPTIONS_TIME_TEXT_SIZE];
	uint64_t back;

	ck_assert_str_eq(
	    options_format_time(time_texts[_i].ns, text), time_texts[_i].text);
	ck_assert_int_eq(
	    options_time("-t", text, 0, UINT64_MAX, &back, NULL), 0);
	ck_assert_uint_eq(back, time_texts[_i].ns);
}
END_TEST

START_TEST(test_format_size)
{
	char text[OPTIONS_SIZE_TEXT_SIZE];

	ck_assert_str_eq(options_format_size(0, text), "0");
	ck_assert_str_eq(options_format_size(1000, text), "1000");
	ck_assert_str_eq(options_format_size(65536, text), "64K");
	ck_assert_str_eq(options_format_size(3 << 20, text), "3M");
	ck_assert_str_eq(options_format_size(1ull << 40, text), "1024G");
}
END_TEST

/* A text of any length is cut in the complaint, never overflows. */
START_TEST(test_long_text)
{
	struct err_buf err;
	char text[1000];
	uint64_t value;
	uint32_t ids;

	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert_int_eq(
	    options_u64("-n", text, 1, 7, &value, &err), ERR_USAGE);
	ck_assert_ptr_nonnull(strstr(err.text, "from 1 to 7"));
	ck_assert_int_eq(
	    options_time("-t", text, 1, 7, &value, &err), ERR_USAGE);
	ck_assert_int_eq(options_ids("IDS", text, &ids, &err), ERR_USAGE);
	ck_assert_int_eq(
	    options_word("command", text, commands, COUNT_OF(commands), &err),
	    ERR_USAGE);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("options");
	TCase *tcase = tcase_create("options");

	tcase_add_loop_test(tcase, test_u64, 0, COUNT_OF(numbers));
	tcase_add_test(tcase, test_u64_limits);
	tcase_add_test(tcase, test_i64);
	tcase_add_loop_test(tcase, test_time, 0, COUNT_OF(times));
	tcase_add_test(tcase, test_time_limits);
	tcase_add_loop_test(tcase, test_time_range, 0, COUNT_OF(time_ranges));
	tcase_add_loop_test(tcase, test_size, 0, COUNT_OF(sizes));
	tcase_add_loop_test(
	    tcase, test_probability, 0, COUNT_OF(probabilities));
	tcase_add_loop_test(tcase, test_ids, 0, COUNT_OF(id_lists));
	tcase_add_loop_test(tcase, test_u64_range, 0, COUNT_OF(ranges));
	tcase_add_loop_test(tcase, test_word, 0, COUNT_OF(words));
	tcase_add_loop_test(tcase, test_format_time, 0, COUNT_OF(time_texts));
	tcase_add_test(tcase, test_format_size);
	tcase_add_test(tcase, test_long_text);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
