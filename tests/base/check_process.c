/* SPDX-License-Identifier: BSD-2-Clause */
/* A pid and its start time name one process. */
#include "base/process.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check_run.h"

START_TEST(own_is_stable)
{
	uint64_t start = process_start_time(getpid());

	ck_assert_uint_ne(start, 0);
	ck_assert_uint_eq(process_start_time(getpid()), start);
	ck_assert_uint_ge(start, process_start_time(1));
}
END_TEST

START_TEST(zombie_and_absent_are_dead)
{
	siginfo_t info;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		_exit(0);
	}
	/* Wait until it is a zombie, and leave it one. */
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT),
	    0);
	ck_assert_uint_eq(process_start_time(pid), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_uint_eq(process_start_time(pid), 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("process");
	TCase *tc = tcase_create("start time");

	tcase_add_test(tc, own_is_stable);
	tcase_add_test(tc, zombie_and_absent_are_dead);
	suite_add_tcase(suite, tc);
	return (check_run(suite));
}
