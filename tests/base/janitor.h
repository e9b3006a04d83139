/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sweeps up after a test that ends in the middle: an assertion that fails
 * ends the test's process at once, and Check kills what is left of its group.
 * A process in a session of its own waits for that end.
 */
#ifndef RAFTSUP_TESTS_JANITOR_H
#define RAFTSUP_TESTS_JANITOR_H

#include <sys/types.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <unistd.h>

/*
 * sweep(arg) runs when the descriptor that is returned is closed, or its
 * owner ends; -1: no process or descriptor is left.  It finds the memory as it
 * is now.
 */
static inline int
janitor_hire(void (*sweep)(const void *), const void *arg)
{
	int ends[2];
	pid_t pid;
	char byte;

	if (pipe2(ends, O_CLOEXEC) != 0) {
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		/* The test does not wait for it: somebody else's child. */
		close(ends[1]);
		(void)setsid();
		if (fork() == 0) {
			(void)!read(ends[0], &byte, 1);
			sweep(arg);
		}
		_exit(0);
	}
	close(ends[0]);
	if (pid == -1) {
		close(ends[1]);
		return -1;
	}
	(void)waitpid(pid, NULL, 0);
	return ends[1];
}

#endif
