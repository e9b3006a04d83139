/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading /proc, and pidfds.
 */
#include "sup/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

#define EXEC_WAIT_NS	CLOCK_NS_PER_S

static bool has_locked(pid_t, const struct stat *);
static bool is_locked_by(pid_t, const char *fd);

bool
proc_is_alive(pid_t pid, uint64_t start)
{
	return pid > 0 && start != 0 && process_start_time(pid) == start;
}

int
proc_open(pid_t pid, uint64_t start)
{
	int fd;

	if (pid <= 0) {
		return -1;
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0) {
		return -1;
	}
	/* Opened first, looked at second: from here on it can't change. */
	if (!proc_is_alive(pid, start)) {
		close(fd);
		return -1;
	}
	return fd;
}

int
proc_open_child(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

pid_t
proc_fork(void)
{
	uint64_t end_ns = clock_now_ns() + EXEC_WAIT_NS, now_ns;
	struct pollfd executed = { .events = POLLIN };
	int fds[2], error;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0) {
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		/* The other end is closed by exec, or by the end. */
		close(fds[0]);
		return 0;
	}
	error = errno;
	close(fds[1]);
	executed.fd = fds[0];
	while (pid > 0 && (now_ns = clock_now_ns()) < end_ns &&
	    poll(&executed, 1, (int)((end_ns - now_ns) / CLOCK_NS_PER_MS) +
	    1) <= 0) {
		;	/* a signal, or not yet */
	}
	close(fds[0]);
	errno = error;
	return pid;
}

int
proc_signal(int pidfd, int signal)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

uint32_t
proc_find_locker(const char *path, pid_t *pids, uint32_t count_max)
{
	struct stat file, owner;
	struct dirent *entry;
	uint32_t count = 0;
	char name[64];
	pid_t pid;
	DIR *dir;

	if (stat(path, &file) != 0 || (dir = opendir("/proc")) == NULL) {
		return 0;
	}
	while ((entry = readdir(dir)) != NULL) {
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || pid == getpid()) {
			continue;
		}
		snprintf(name, sizeof(name), "/proc/%d", (int)pid);
		if (stat(name, &owner) != 0 || owner.st_uid != geteuid() ||
		    !has_locked(pid, &file)) {
			continue;
		}
		if (count < count_max) {
			pids[count] = pid;
		}
		count++;
	}
	closedir(dir);
	return count;
}

bool
proc_is_node(pid_t pid)
{
	char name[64], words[256] = "";
	size_t first;
	ssize_t size;
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/cmdline", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	size = read(fd, words, sizeof(words) - 1);
	close(fd);
	first = strlen(words) + 1;
	return size > 0 && (size_t)size > first &&
	    strcmp(words + first, "serve") == 0;
}

static bool
has_locked(pid_t pid, const struct stat *file)
{
	struct dirent *entry;
	struct stat open_file;
	bool found = false;
	char name[64];
	DIR *dir;

	snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
	dir = opendir(name);
	if (dir == NULL) {
		return false;
	}
	while (!found && (entry = readdir(dir)) != NULL) {
		found = fstatat(dirfd(dir), entry->d_name, &open_file, 0) ==
		    0 && open_file.st_dev == file->st_dev &&
		    open_file.st_ino == file->st_ino &&
		    is_locked_by(pid, entry->d_name);
	}
	closedir(dir);
	return found;
}

static bool
is_locked_by(pid_t pid, const char *fd)
{
	char name[64], line[256];
	bool found = false;
	FILE *in;

	if (snprintf(name, sizeof(name), "/proc/%d/fdinfo/%s", (int)pid, fd) >=
	    (int)sizeof(name) || (in = fopen(name, "re")) == NULL) {
		return false;
	}
	while (!found && fgets(line, sizeof(line), in) != NULL) {
		found = strncmp(line, "lock:", 5) == 0;
	}
	fclose(in);
	return found;
}
