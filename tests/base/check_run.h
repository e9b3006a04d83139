/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The main of a Check program: runs one suite, prints what failed, and ends
 * with 0 only if something ran and nothing failed. CK_RUN_CASE, CK_FORK and
 * CK_VERBOSITY of Check work as usual.
 *
 *	int
 *	main(void)
 *	{
 *		return check_run(make_suite());
 *	}
 */
#ifndef RAFTSUP_TESTS_CHECK_RUN_H
#define RAFTSUP_TESTS_CHECK_RUN_H

#include <check.h>
#include <stdlib.h>

/* Takes the suite and frees it. Returns the exit status for main. */
static inline int
check_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int run_count, failed_count;

	srunner_run_all(runner, CK_ENV);
	run_count = srunner_ntests_run(runner);
	failed_count = srunner_ntests_failed(runner);
	srunner_free(runner);
	return run_count > 0 && failed_count == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
