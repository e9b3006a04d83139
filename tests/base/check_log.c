/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on standard error, and the exit of fatal. A child
 * speaks into a pipe; the parent reads what it said.
 */
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/check_run.h"

/* Runs speak() with standard error on a pipe; returns its exit status. */
static int
listen_to(void (*speak)(void), char *said, size_t said_size)
{
	size_t used = 0;
	int fds[2], status;
	ssize_t got;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		speak();
		_exit(0);
	}
	close(fds[1]);
	while (used < said_size - 1 &&
	       (got = read(fds[0], said + used, said_size - 1 - used)) > 0) {
		used += (size_t)got;
	}
	said[used] = '\0';
	close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
speak_all(void)
{
	log_warnx("before init");
	log_init("prog");
	errno = ENOENT;
	log_warn("cannot open %s", "f");
	ck_assert_int_eq(errno, ENOENT);
	log_warnx("odd: %d", 3);
}

START_TEST(test_lines)
{
	char said[1024];

	ck_assert_int_eq(listen_to(speak_all, said, sizeof(said)), 0);
	ck_assert_str_eq(said,
	    "raftsup: before init\n"
	    "prog: cannot open f: No such file or directory\n"
	    "prog: odd: 3\n");
}
END_TEST

static void
speak_fatal(void)
{
	log_init("prog");
	errno = EACCES;
	fatal(77, "cannot open %s", "g");
}

static void
speak_fatalx(void)
{
	log_init("prog");
	fatalx(64, "bad %s", "usage");
}

START_TEST(test_fatal)
{
	char said[256];

	ck_assert_int_eq(listen_to(speak_fatal, said, sizeof(said)), 77);
	ck_assert_str_eq(said, "prog: cannot open g: Permission denied\n");
	ck_assert_int_eq(listen_to(speak_fatalx, said, sizeof(said)), 64);
	ck_assert_str_eq(said, "prog: bad usage\n");
}
END_TEST

static void
speak_long(void)
{
	char text[10000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_init("prog");
	log_warnx("%s", text);
}

START_TEST(test_long)
{
	char said[16384];

	ck_assert_int_eq(listen_to(speak_long, said, sizeof(said)), 0);
	ck_assert_uint_gt(strlen(said), 1000);
	ck_assert_uint_lt(strlen(said), 2048);
	ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_test(tcase, test_lines);
	tcase_add_test(tcase, test_fatal);
	tcase_add_test(tcase, test_long);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
