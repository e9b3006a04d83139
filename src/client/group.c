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
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_SIZE	4096

static bool	is_equal(const char *proc, pid_t, const char *file, char end);
static bool	read_text(const char *proc, const char *file,
		    char text[TEXT_SIZE]);

bool
group_is_shared(const char *proc, pid_t pid)
{
	char text[TEXT_SIZE];

	if (!is_equal(proc, pid, "cgroup", '\0')) {
		return false;
	}
	if (!read_text(proc, "sys/kernel/sched_autogroup_enabled", text) ||
	    text[0] == '0') {
		return true;
	}
	/*
	 * "/autogroup-7 nice 0", or nothing: no session since the machine
	 * started, as in what its first process runs without setsid().
	 */
	return is_equal(proc, pid, "autogroup", ' ');
}

/* Its file and ours, up to this character. */
static bool
is_equal(const char *proc, pid_t pid, const char *file, char end)
{
	char path[64], own[TEXT_SIZE], its[TEXT_SIZE];

	snprintf(path, sizeof(path), "self/%s", file);
	if (!read_text(proc, path, own)) {
		return false;
	}
	snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
	if (!read_text(proc, path, its)) {
		return false;
	}
	own[strcspn(own, (char[]){ end, '\0' })] = '\0';
	its[strcspn(its, (char[]){ end, '\0' })] = '\0';
	return strcmp(own, its) == 0;
}

/* All of it; false: it cannot be read, or is larger than that. */
static bool
read_text(const char *proc, const char *file, char text[TEXT_SIZE])
{
	char path[PATH_MAX];
	ssize_t size;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", proc, file) >=
	    (int)sizeof(path)) {
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		return false;
	}
	size = read(fd, text, TEXT_SIZE);
	close(fd);
	if (size < 0 || size == TEXT_SIZE) {
		return false;
	}
	text[size] = '\0';
	return true;
}
