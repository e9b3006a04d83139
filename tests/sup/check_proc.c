/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes by pid and birth (S9), and the control socket.
 */
#include "sup/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/process.h"
#include "sup/control.h"
#include "tests/base/check_run.h"

static pid_t
spawn(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (;;) {
			pause();
		}
	}
	return pid;
}

START_TEST(another_birth_is_another_process)
{
	pid_t pid = spawn();
	uint64_t start = process_start_time(pid);
	int fd;

	ck_assert(proc_is_alive(pid, start));
	ck_assert(!proc_is_alive(pid, start + 1));
	ck_assert(!proc_is_alive(pid, 0));
	ck_assert(!proc_is_alive(0, start));
	ck_assert_int_lt(proc_open(pid, start + 1), 0);
	fd = proc_open(pid, start);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(proc_signal(fd, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_ne(proc_signal(fd, SIGKILL), 0);
	close(fd);
}
END_TEST

START_TEST(zombie_is_dead)
{
	pid_t pid = spawn();
	uint64_t start = process_start_time(pid);
	int fd = proc_open(pid, start);
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	kill(pid, SIGKILL);
	ck_assert_int_eq(poll(&wait, 1, 10000), 1);
	/* Not waited for yet: it is there, and it is dead. */
	ck_assert_int_eq(kill(pid, 0), 0);
	ck_assert(!proc_is_alive(pid, start));
	ck_assert_int_lt(proc_open(pid, start), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fd);
}
END_TEST

START_TEST(stopped)
{
	pid_t pid = spawn();
	int status;

	ck_assert(!process_is_stopped(pid));
	kill(pid, SIGSTOP);
	ck_assert_int_eq(waitpid(pid, &status, WUNTRACED), pid);
	ck_assert(process_is_stopped(pid));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(!process_is_stopped(pid));
}
END_TEST

START_TEST(finds_who_has_a_file_locked)
{
	char path[] = "/tmp/check_proc.XXXXXX";
	int fd = mkstemp(path);
	pid_t pid, found[2] = { 0 };

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(proc_find_locker(path, found, 2), 0);
	pid = spawn();
	/* Who only has it open, as a program that copies it, is left out. */
	ck_assert_uint_eq(proc_find_locker(path, found, 2), 0);
	ck_assert_int_eq(fs_lock_try(fd, 0, 1), ERR_OK);
	ck_assert_uint_eq(proc_find_locker(path, found, 2), 1);
	ck_assert_int_eq(found[0], pid);
	ck_assert(!proc_is_node(pid));
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(fd);
	unlink(path);
}
END_TEST

/* One that is paused: those who gave up are still in its queue. */
START_TEST(control_that_takes_nobody)
{
	char dir[] = "/tmp/check_control.XXXXXX", path[64], text[64];
	struct err_buf err;
	int dir_fd, fd, result = ERR_MAYBE;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(control_listen(dir_fd, &fd, &err), ERR_OK);
	for (int i = 0; i < 100 && result == ERR_MAYBE; i++) {
		result = control_ask(dir, "x", 5 * CLOCK_NS_PER_MS, text,
		    sizeof(text), &err);
	}
	ck_assert_int_eq(result, ERR_TIMEOUT);
	ck_assert_ptr_nonnull(strstr(err.text, "is it paused?"));
	close(fd);
	close(dir_fd);
	snprintf(path, sizeof(path), "%s/" CONTROL_NAME, dir);
	unlink(path);
	rmdir(dir);
}
END_TEST

/* A path longer than a socket's address may be. */
START_TEST(control_in_a_deep_directory)
{
	char dir[512] = "/tmp/check_control.XXXXXX", text[64], line[64];
	char part[] = "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	size_t lengths[4], i;
	struct err_buf err;
	struct stat info;
	int dir_fd, fd, one;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (i = 0; i < COUNT_OF(lengths); i++) {
		lengths[i] = strlen(dir);
		memcpy(dir + lengths[i], part, sizeof(part));
		ck_assert_int_eq(mkdir(dir, 0700), 0);
	}
	ck_assert_int_eq(control_ask(dir, "x", CLOCK_NS_PER_S, text,
	    sizeof(text), &err), ERR_NOT_FOUND);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(control_listen(dir_fd, &fd, &err), ERR_OK);
	ck_assert_int_eq(fstatat(dir_fd, CONTROL_NAME, &info, 0), 0);
	ck_assert_int_eq(info.st_mode & 0777, 0600);
	pid = fork();
	if (pid == 0) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		poll(&wait, 1, 10000);
		one = control_accept(fd);
		wait.fd = one;
		poll(&wait, 1, 10000);
		if (one < 0 || read(one, line, sizeof(line)) != 8 ||
		    memcmp(line, "kill 1 9", 8) == 0) {
			_exit(1);
		}
		dprintf(one, "69 no\n");
		_exit(0);
	}
	ck_assert_int_eq(control_ask(dir, "pause 3", 10 * CLOCK_NS_PER_S,
	    text, sizeof(text), &err), 69);
	ck_assert_str_eq(text, "no");
	ck_assert_int_eq(waitpid(pid, &one, 0), pid);
	ck_assert_int_eq(one, 0);
	unlinkat(dir_fd, CONTROL_NAME, 0);
	close(fd);
	close(dir_fd);
	for (i = COUNT_OF(lengths); i-- > 0;) {
		ck_assert_int_eq(rmdir(dir), 0);
		dir[lengths[i]] = '\0';
	}
	rmdir(dir);
}
END_TEST

/* What the parent has open, locks included, is the parent's alone then. */
START_TEST(a_fork_returns_when_the_child_has_called_exec)
{
	struct pollfd other = { .events = POLLIN };
	int fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = proc_fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		usleep(100000);
		execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(1);
	}
	close(fds[1]);
	other.fd = fds[0];
	ck_assert_int_eq(poll(&other, 1, 0), 1);
	ck_assert(other.revents & POLLHUP);
	close(fds[0]);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
}
END_TEST

START_TEST(a_fork_returns_when_the_child_does_not)
{
	int status;
	pid_t pid;

	pid = proc_fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		_exit(3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 3);
	pid = proc_fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		for (;;) {
			pause();
		}
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sup/proc");
	TCase *tcase = tcase_create("proc");

	tcase_add_test(tcase, another_birth_is_another_process);
	tcase_add_test(tcase, zombie_is_dead);
	tcase_add_test(tcase, stopped);
	tcase_add_test(tcase, a_fork_returns_when_the_child_has_called_exec);
	tcase_add_test(tcase, a_fork_returns_when_the_child_does_not);
	tcase_add_test(tcase, finds_who_has_a_file_locked);
	tcase_add_test(tcase, control_in_a_deep_directory);
	tcase_add_test(tcase, control_that_takes_nobody);
	suite_add_tcase(suite, tcase);
	return check_run(suite);
}
