/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Codes, texts and exit statuses.
 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "tests/base/check_run.h"

/* The numbers are part of the interface: written here a second time. */
static const struct {
	int code;
	int number;
	int status;
} codes[] = {
	{ ERR_OK, 0, 0 },
	{ ERR_NO, -1, 1 },
	{ ERR_USAGE, -2, 64 },
	{ ERR_NOT_APPLIED, -3, 69 },
	{ ERR_INTERNAL, -4, 70 },
	{ ERR_IO, -5, 74 },
	{ ERR_MAYBE, -6, 75 },
	{ ERR_PERMISSION, -7, 77 },
	{ ERR_FULL, -8, 69 },
	{ ERR_BUSY, -9, 69 },
	{ ERR_NOT_FOUND, -10, 1 },
	{ ERR_CORRUPT, -11, 74 },
	{ ERR_VERSION, -12, 74 },
	{ ERR_EXISTS, -13, 74 },
	{ ERR_AGAIN, -14, 69 },
	{ ERR_NOMEM, -15, 70 },
	{ ERR_TOO_LARGE, -16, 64 },
	{ ERR_TIMEOUT, -17, 69 },
	{ ERR_LOCKED, -18, 69 },
	{ ERR_MISMATCH, -19, 74 },
	{ ERR_EXPIRED, -20, 69 },
};

START_TEST(test_codes)
{
	size_t i, other;

	for (i = 0; i < COUNT_OF(codes); i++) {
		ck_assert_int_eq(codes[i].code, codes[i].number);
		ck_assert_int_eq(
		    err_exit_status(codes[i].code), codes[i].status);
		ck_assert_str_ne(err_text(codes[i].code), "unknown error");
		for (other = 0; other < i; other++) {
			ck_assert_str_ne(err_text(codes[i].code),
			    err_text(codes[other].code));
		}
	}
	ck_assert_str_eq(err_text(1), "unknown error");
	ck_assert_str_eq(err_text(-21), "unknown error");
	ck_assert_int_eq(err_exit_status(-21), 70);
}
END_TEST

START_TEST(test_from_errno)
{
	ck_assert_int_eq(err_from_errno(ENOSPC), ERR_FULL);
	ck_assert_int_eq(err_from_errno(EDQUOT), ERR_FULL);
	ck_assert_int_eq(err_from_errno(EACCES), ERR_PERMISSION);
	ck_assert_int_eq(err_from_errno(EPERM), ERR_PERMISSION);
	ck_assert_int_eq(err_from_errno(ENOMEM), ERR_NOMEM);
	ck_assert_int_eq(err_from_errno(ENOENT), ERR_NOT_FOUND);
	ck_assert_int_eq(err_from_errno(EIO), ERR_IO);
	ck_assert_int_eq(err_from_errno(0), ERR_IO);
}
END_TEST

START_TEST(test_set)
{
	struct err_buf err;
	char big[1000];

	ck_assert_int_eq(
	    err_set(&err, ERR_USAGE, "%s is %d", "x", 7), ERR_USAGE);
	ck_assert_str_eq(err.text, "x is 7");
	ck_assert_int_eq(err_set(NULL, ERR_FULL, "x"), ERR_FULL);

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ck_assert_int_eq(err_set(&err, ERR_USAGE, "%s", big), ERR_USAGE);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
	errno = EIO;
	ck_assert_int_eq(err_set_errno(&err, "%s", big), ERR_IO);
	ck_assert_uint_eq(strlen(err.text), sizeof(err.text) - 1);
}
END_TEST

START_TEST(test_set_errno)
{
	struct err_buf err;

	errno = ENOSPC;
	ck_assert_int_eq(err_set_errno(&err, "writing %s", "f"), ERR_FULL);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert_str_eq(err.text, "writing f: No space left on device");
	ck_assert_int_eq(err_set_errno(NULL, "x"), ERR_FULL);
	ck_assert_int_eq(err_set(&err, ERR_NO, "x"), ERR_NO);
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("err");
	TCase *tcase = tcase_create("err");

	tcase_add_test(tcase, test_codes);
	tcase_add_test(tcase, test_from_errno);
	tcase_add_test(tcase, test_set);
	tcase_add_test(tcase, test_set_errno);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
