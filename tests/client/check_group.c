/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a yield makes way for another process: from files as the kernel
 * would write them, and with real processes.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/handle.h"
#include "tests/base/check_run.h"
#include "tests/base/temporary.h"

#define ITS_PID	7

static char proc[256];

static void
setup(void)
{
	static const char *const folders[] = { "self", "7", "sys",
		"sys/kernel" };
	char path[512];

	temporary_make(proc, sizeof(proc), "group");
	for (size_t i = 0; i < COUNT_OF(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", proc, folders[i]);
		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
}

static void
teardown(void)
{
	temporary_remove(proc);
}

/* NULL: there is no such file. */
static void
put(const char *name, const char *text)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	if (text == NULL) {
		(void)unlink(path);
		return;
	}
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

START_TEST(test_files)
{
	static const char big[] = { [0 ... 4999] = 'x', '\0' };
	static const struct {
		const char *own_cgroup, *its_cgroup, *enabled, *own, *its;
		bool shared;
	} cases[] = {
		{ "0::/a\n", "0::/a\n", "1\n", "/autogroup-7 nice 0\n",
		    "/autogroup-7 nice 5\n", true },
		{ "0::/a\n", "0::/a\n", "1\n", "/autogroup-7 nice 0\n",
		    "/autogroup-71 nice 0\n", false },
		{ "0::/a\n", "0::/b\n", "1\n", "/autogroup-7 nice 0\n",
		    "/autogroup-7 nice 0\n", false },
		/* No session was made since the machine started. */
		{ "0::/a\n", "0::/a\n", "1\n", "", "", true },
		{ "0::/a\n", "0::/a\n", "1\n", "", "/autogroup-7 nice 0\n",
		    false },
		{ "0::/a\n", "0::/a\n", "1\n", "/autogroup-7 nice 0\n", "",
		    false },
		{ "", "", "0\n", NULL, NULL, true },
		/* Sessions are no groups. */
		{ "0::/a\n", "0::/a\n", "0\n", "/autogroup-7 nice 0\n",
		    "/autogroup-8 nice 0\n", true },
		{ "0::/a\n", "0::/a\n", NULL, NULL, NULL, true },
		/* It cannot be found out. */
		{ "0::/a\n", "0::/a\n", "1\n", "/autogroup-7 nice 0\n", NULL,
		    false },
		{ "0::/a\n", "0::/a\n", "1\n", NULL, "/autogroup-7 nice 0\n",
		    false },
		{ "0::/a\n", NULL, "0\n", NULL, NULL, false },
		{ NULL, "0::/a\n", "0\n", NULL, NULL, false },
		{ big, big, "0\n", NULL, NULL, false },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		put("self/cgroup", cases[i].own_cgroup);
		put("7/cgroup", cases[i].its_cgroup);
		put("sys/kernel/sched_autogroup_enabled", cases[i].enabled);
		put("self/autogroup", cases[i].own);
		put("7/autogroup", cases[i].its);
		ck_assert_msg(group_is_shared(proc, ITS_PID) ==
		    cases[i].shared, "case %zu", i);
	}
}
END_TEST

static bool
autogroups(void)
{
	FILE *file = fopen("/proc/sys/kernel/sched_autogroup_enabled", "r");
	int digit = file == NULL ? '0' : fgetc(file);

	if (file != NULL) {
		fclose(file);
	}
	return digit != '0';
}

/* Who yields makes way for his own session, not for another one. */
START_TEST(test_processes)
{
	pid_t child;
	char word = 0;
	int pipes[2];

	ck_assert(group_is_shared("/proc", getpid()));
	ck_assert(!group_is_shared("/proc", 0x7ffffff0));
	for (int own = 0; own < 2; own++) {
		ck_assert_int_eq(pipe(pipes), 0);
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			if (own == 1) {
				(void)setsid();
			}
			while (write(pipes[1], &word, 1) == 1) {
				pause();
			}
			_exit(1);
		}
		ck_assert_int_eq(read(pipes[0], &word, 1), 1);
		ck_assert_int_eq(group_is_shared("/proc", child),
		    own == 0 || !autogroups());
		(void)kill(child, SIGKILL);
		ck_assert_int_eq(waitpid(child, NULL, 0), child);
		close(pipes[0]);
		close(pipes[1]);
	}
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("group");
	TCase *tcase = tcase_create("group");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_files);
	tcase_add_test(tcase, test_processes);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
