/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk with faults, for disk.sh: stands before libc's calls in a raftnode
 * that is started with LD_PRELOAD, for LMDB too.  For a file of node N, and
 * while $RAFTSUP_TEST_DISK/NAME-N exists:
 *
 *	hang-N	a sync waits until the file is gone
 *	fail-N	a sync fails (EIO)
 *	full-N	there are no more blocks (ENOSPC)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static int	node_of(int);
static bool	is_told(int, const char *);

EXPORT int
fdatasync(int fd)
{
	while (is_told(fd, "hang")) {
		usleep(5000);
	}
	if (is_told(fd, "fail")) {
		errno = EIO;
		return (-1);
	}
	return ((int)syscall(SYS_fdatasync, fd));
}

/* Through O_DSYNC: a write and its sync. */
EXPORT ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if ((fcntl(fd, F_GETFL) & O_DSYNC) != 0) {
		while (is_told(fd, "hang")) {
			usleep(5000);
		}
		if (is_told(fd, "fail")) {
			errno = EIO;
			return (-1);
		}
	}
	return (syscall(SYS_pwrite64, fd, data, size, offset));
}

EXPORT int
fallocate(int fd, int mode, off_t offset, off_t size)
{
	if (is_told(fd, "full")) {
		errno = ENOSPC;
		return (-1);
	}
	return ((int)syscall(SYS_fallocate, fd, mode, offset, size));
}

/* The node whose directory holds the file; 0: none. */
static int
node_of(int fd)
{
	char link[64], path[4096];
	const char *at;
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length <= 0) {
		return (0);
	}
	path[length] = '\0';
	at = strstr(path, "/node-");
	return (at == NULL ? 0 : atoi(at + strlen("/node-")));
}

static bool
is_told(int fd, const char *what)
{
	const char *dir = getenv("RAFTSUP_TEST_DISK");
	char path[4096];
	int node = dir == NULL ? 0 : node_of(fd);

	if (node == 0) {
		return (false);
	}
	snprintf(path, sizeof(path), "%s/%s-%d", dir, what, node);
	return (access(path, F_OK) == 0);
}
