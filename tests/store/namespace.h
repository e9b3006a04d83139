/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small disk for a test: a tmpfs over its directory, in a mount namespace
 * of its own, without being root too.
 */
#ifndef RAFTSUP_TESTS_NAMESPACE_H
#define RAFTSUP_TESTS_NAMESPACE_H

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>

#include "tests/store/store_test.h"

static inline void
write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd != -1) {
		if (write(fd, text, strlen(text)) == -1) {
			perror(path);
		}
		close(fd);
	}
}

/* A mount namespace, in a user namespace unless we are root. 0 or errno. */
static inline int
enter_namespace(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (unshare(CLONE_NEWNS | (uid == 0 ? 0 : CLONE_NEWUSER)) == -1) {
		return errno;
	}
	if (uid != 0) {
		snprintf(map, sizeof(map), "0 %u 1", uid);
		write_map("/proc/self/uid_map", map);
		write_map("/proc/self/setgroups", "deny");
		snprintf(map, sizeof(map), "0 %u 1", gid);
		write_map("/proc/self/gid_map", map);
	}
	return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ? errno
	                                                                 : 0;
}

static inline void
mount_small(const char *size)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%s", size);
	ck_assert_int_eq(mount("tmpfs", test_dir, "tmpfs", 0, options), 0);
}

static inline void
remount(const char *size)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%s", size);
	ck_assert_int_eq(
	    mount("tmpfs", test_dir, "tmpfs", MS_REMOUNT, options), 0);
}

/* Tried in a child; says why not, for a test that is skipped. */
static inline bool
namespace_is_possible(void)
{
	int status, errnum = 0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(enter_namespace());
	}
	if (pid != -1 && waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
		errnum = WEXITSTATUS(status);
	}
	if (errnum != 0) {
		printf("SKIP: no mount namespace here: %s\n",
		    strerror(errnum));
	}
	return errnum == 0;
}

#endif
