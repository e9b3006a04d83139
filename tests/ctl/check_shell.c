/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interactive shell, on a terminal of its own: what a person would type,
 * and what must come back. argv[0] is in the build directory, raftctl_fake
 * beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "tests/base/check_run.h"

/* A stuck test ends after this; nothing else depends on it. */
#define WAIT_NS_MAX (30 * CLOCK_NS_PER_S)

static char dir[] = "/tmp/raftctl-shell.XXXXXX";
static int terminal = -1;
static pid_t shell = -1;
static char seen[65536];
static size_t seen_size;

/*
 * libedit never frees the name and the help of an EL_ADDFN function: a build
 * with LeakSanitizer looks for other leaks.
 */
static void
forgive_libedit(void)
{
	char text[PATH_MAX + 64];
	FILE *file;

	snprintf(text, sizeof(text), "%s/suppressions", dir);
	file = fopen(text, "w");
	if (file != NULL) {
		fputs("leak:wcsdup\n", file);
		fclose(file);
	}
	snprintf(text, sizeof(text),
	    "suppressions=%s/suppressions:print_suppressions=0", dir);
	setenv("LSAN_OPTIONS", text, 1);
}

static void
start(void)
{
	char program[PATH_MAX];
	const char *build = getenv("RAFTSUP_BUILDDIR");
	struct winsize size = { .ws_row = 24, .ws_col = 200 };

	seen_size = 0;
	snprintf(program, sizeof(program), "%s/tests/ctl/raftctl_fake",
	    build != NULL ? build : ".");
	shell = forkpty(&terminal, NULL, NULL, &size);
	ck_assert_int_ge(shell, 0);
	if (shell == 0) {
		setenv("TERM", "vt100", 1);
		setenv("HOME", dir, 1);
		forgive_libedit();
		setenv("XDG_STATE_HOME", dir, 1);
		unsetenv("FAKE_RAFTSUP_STORE");
		execl(program, "raftctl", (char *)NULL);
		_exit(99);
	}
}

static void
type(const char *text)
{
	ck_assert_int_eq(
	    write(terminal, text, strlen(text)), (ssize_t)strlen(text));
}

/* Waits until the shell has written this, after what was waited for before. */
static void
wait_for(const char *text)
{
	uint64_t until_ns = clock_now_ns() + WAIT_NS_MAX;
	struct pollfd fd = { .fd = terminal, .events = POLLIN };
	ssize_t got;
	char *found;

	for (;;) {
		/* Not strstr(): some terminals are padded with zeros. */
		found = memmem(seen, seen_size, text, strlen(text));
		if (found != NULL) {
			found += strlen(text);
			seen_size -= (size_t)(found - seen);
			memmove(seen, found, seen_size);
			return;
		}
		if (clock_now_ns() > until_ns || poll(&fd, 1, 1000) < 0) {
			break;
		}
		if (fd.revents == 0) {
			continue;
		}
		got = read(
		    terminal, seen + seen_size, sizeof(seen) - 1 - seen_size);
		if (got <= 0) {
			break;
		}
		seen_size += (size_t)got;
	}
	seen[seen_size] = '\0';
	ck_abort_msg("waited for \"%s\", saw \"%s\"", text, seen);
}

/*
 * Waits for the prompt, and until the editor has taken the terminal over:
 * libedit does that only after it has shown the prompt.
 */
static void
wait_prompt(void)
{
	struct timespec pause = { 0, 1000000 };
	struct termios modes;
	unsigned i;

	wait_for("raftctl> ");
	for (i = 0; i < 30000; i++) {
		ck_assert_int_eq(tcgetattr(terminal, &modes), 0);
		if ((modes.c_lflag & ICANON) == 0) {
			return;
		}
		nanosleep(&pause, NULL);
	}
	ck_abort_msg("the terminal stays cooked");
}

/* The shell has ended by itself; its exit status. */
static int
end(void)
{
	int status;

	ck_assert_int_eq(waitpid(shell, &status, 0), shell);
	shell = -1;
	close(terminal);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void
teardown(void)
{
	char command[PATH_MAX];

	if (shell > 0) {
		kill(shell, SIGKILL);
		waitpid(shell, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(test_session)
{
	start();
	wait_prompt();
	type("set key1 'a value'\n");
	wait_for("OK 2\r\n");
	wait_prompt();
	type("GET key1\n");
	wait_for("VALUE a value\r\n");
	wait_prompt();
	type("get absent\n");
	wait_for("NOT_FOUND\r\n");
	wait_prompt();
	type("nonsense\n");
	wait_for("INVALID unknown command nonsense");
	wait_prompt();
	type("\n");
	wait_prompt();
	type("help\n");
	wait_for("cas [--file FILE] KEY OLD [NEW]\r\n");
	wait_prompt();
	type("set fake:maybe v\n");
	wait_for("UNKNOWN the leader was lost; settle it: "
		 "raftctl outcome 7 ");
	wait_prompt();
	type("quit\n");
	ck_assert_int_eq(end(), 0);
}
END_TEST

START_TEST(test_end_of_input)
{
	start();
	wait_prompt();
	type("\004");
	ck_assert_int_eq(end(), 0);
}
END_TEST

/* An interrupt drops the line, not the shell. */
START_TEST(test_interrupt)
{
	start();
	wait_prompt();
	type("set half");
	wait_for("half");
	type("\003");
	wait_prompt();
	type("noop\n");
	wait_for("OK 2\r\n");
	wait_prompt();
	type("exit\n");
	ck_assert_int_eq(end(), 0);
}
END_TEST

START_TEST(test_completion)
{
	start();
	wait_prompt();
	/* A command, then nothing more is typed than what is sure. */
	type("sub\tlongest\n");
	wait_for("OK 2\r\n");
	wait_prompt();
	type("set longkey1 v\n");
	wait_for("OK 3\r\n");
	wait_prompt();
	type("get lo\t\n");
	wait_for("VALUE v\r\n");
	wait_prompt();
	type("set longkey2 w\n");
	wait_for("OK 4\r\n");
	wait_prompt();
	type("get lo\t2\n");
	wait_for("VALUE w\r\n");
	wait_prompt();
	/* Several, and nothing in common to add: they are shown. */
	type("get longkey\t");
	wait_for("  longkey1\r\n  longkey2\r\n");
	wait_prompt();
	type("1\n");
	wait_for("VALUE v\r\n");
	wait_prompt();
	type("s\t");
	wait_for("  set\r\n  submit\r\n");
	wait_prompt();
	type("\025quit\n");
	ck_assert_int_eq(end(), 0);
}
END_TEST

/* What was typed is there again in the next shell. */
START_TEST(test_history)
{
	start();
	wait_prompt();
	type("set remembered 1\n");
	wait_for("OK 2\r\n");
	wait_prompt();
	type("quit\n");
	ck_assert_int_eq(end(), 0);

	start();
	wait_prompt();
	/* Up: quit; up: set. */
	type("\020\020\n");
	wait_for("OK 2\r\n");
	wait_prompt();
	type("get remembered\n");
	wait_for("VALUE 1\r\n");
	wait_prompt();
	type("quit\n");
	ck_assert_int_eq(end(), 0);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("shell");
	TCase *tcase = tcase_create("shell");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_session);
	tcase_add_test(tcase, test_end_of_input);
	tcase_add_test(tcase, test_interrupt);
	tcase_add_test(tcase, test_completion);
	tcase_add_test(tcase, test_history);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);

	if (master == -1 || grantpt(master) != 0 || unlockpt(master) != 0 ||
	    ptsname(master) == NULL || access(ptsname(master), F_OK) != 0) {
		printf("SKIP: no pseudo-terminals here: %s\n",
		    strerror(errno));
		return 77;
	}
	close(master);
	return check_run(make_suite());
}
