/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork and exec, pidfd and signalfd.
 */
#include "ctl/lock_child.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FENCE_VARIABLE "RAFTSUP_FENCE"
#define STATUS_NOT_FOUND 127 /* as a shell has it */
#define STATUS_NOT_RUN	 126

static void run(char **, uint64_t, const sigset_t *) __attribute__((noreturn));
static void pass_signals(struct lock_child *);

int
lock_child_start(struct lock_child *child, char **argv, uint64_t fence,
    struct err_buf *err)
{
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &old);
	child->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (child->signals < 0) {
		return err_set(err, ERR_INTERNAL, "cannot wait for signals: %s",
		    strerror(errno));
	}
	child->pid = fork();
	if (child->pid < 0) {
		return err_set(
		    err, ERR_INTERNAL, "cannot fork: %s", strerror(errno));
	}
	if (child->pid == 0) {
		run(argv, fence, &old);
	}
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	if (child->pidfd < 0) {
		/* Without it the lock could not be kept meanwhile. */
		err_set(err, ERR_INTERNAL, "cannot wait for the command: %s",
		    strerror(errno));
		kill(child->pid, SIGTERM);
		waitpid(child->pid, NULL, 0);
		return ERR_INTERNAL;
	}
	return 0;
}

bool
lock_child_wait(struct lock_child *child, int timeout_ms)
{
	struct pollfd fds[2] = {
		{ .fd = child->pidfd, .events = POLLIN },
		{ .fd = child->signals, .events = POLLIN },
	};

	if (poll(fds, 2, timeout_ms) <= 0) {
		return false;
	}
	if (fds[1].revents != 0) {
		pass_signals(child);
	}
	return fds[0].revents != 0;
}

void
lock_child_kill(struct lock_child *child, int signal)
{
	kill(child->pid, signal);
}

int
lock_child_status(struct lock_child *child)
{
	int status;

	while (waitpid(child->pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return STATUS_NOT_RUN;
		}
	}
	close(child->pidfd);
	close(child->signals);
	return WIFEXITED(status) ? WEXITSTATUS(status)
	                         : 128 + WTERMSIG(status);
}

static void
run(char **argv, uint64_t fence, const sigset_t *mask)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, fence);
	if (setenv(FENCE_VARIABLE, text, 1) != 0) {
		_exit(STATUS_NOT_RUN);
	}
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "raftctl: lock: %s: %s\n", argv[0],
	    strerror(errno));
	_exit(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUN);
}

static void
pass_signals(struct lock_child *child)
{
	struct signalfd_siginfo info;

	while (read(child->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_code != SI_KERNEL) {
			kill(child->pid, (int)info.ssi_signo);
		}
	}
}
