/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does sched_yield() make way for a node?
 *
 * Linux divides a processor among groups first and among the processes of one
 * group then: cgroups, or with sched_autogroup_enabled one group a session.
 * Since 6.6 a yield makes way within its own group only; a process that is
 * alone in its own goes on, and who looks and yields keeps the very node off
 * the processor that it waits for.
 *
 * When both have the same cgroup, and the same autogroup or none, yields do
 * what they should.  When that cannot be found out, or is not so, nothing is
 * lost but some microseconds: the caller sleeps sooner.
 */
#include "client/handle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_SIZE	4096

static size_t	read_text(const char *path, char text[TEXT_SIZE]);
static bool	is_equal(pid_t, const char *file, char end);

bool
group_is_shared(pid_t pid)
{
	char text[TEXT_SIZE];

	if (!is_equal(pid, "cgroup", '\0')) {
		return false;
	}
	if (read_text("/proc/sys/kernel/sched_autogroup_enabled", text) == 0 ||
	    text[0] == '0') {
		return true;
	}
	/* "/autogroup-7 nice 0" */
	return is_equal(pid, "autogroup", ' ');
}

/* Its file and ours, up to this character. */
static bool
is_equal(pid_t pid, const char *file, char end)
{
	char path[64], own[TEXT_SIZE], its[TEXT_SIZE];
	size_t own_size, its_size;

	snprintf(path, sizeof(path), "/proc/self/%s", file);
	own_size = read_text(path, own);
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	its_size = read_text(path, its);
	if (own_size == 0 || its_size == 0) {
		return false;
	}
	own[strcspn(own, (char[]){ end, '\0' })] = '\0';
	its[strcspn(its, (char[]){ end, '\0' })] = '\0';
	return strcmp(own, its) == 0;
}

/* How much; 0: nothing, or more than that. */
static size_t
read_text(const char *path, char text[TEXT_SIZE])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size;

	if (fd == -1) {
		return 0;
	}
	size = read(fd, text, TEXT_SIZE);
	close(fd);
	if (size <= 0 || size == TEXT_SIZE) {
		return 0;
	}
	text[size] = '\0';
	return (size_t)size;
}
