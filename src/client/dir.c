/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an option and the environment to a path, the same for the library,
 * raftctl and raftsup.
 */
#include "client/dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *variable(const char *name);

int
dir_resolve(char path[DIR_SIZE_MAX], const char *given, struct err_buf *err)
{
	const char *base, *below = "";
	int length;

	if (given != NULL) {
		if (given[0] == '\0') {
			return err_set(err, ERR_USAGE,
			    "the directory's name is empty");
		}
		base = given;
	} else if ((base = variable("RAFTSUP_DIR")) != NULL) {
		below = "";
	} else if ((base = variable("XDG_STATE_HOME")) != NULL &&
	    base[0] == '/') {
		below = "/raftsup/default";
	} else if ((base = variable("HOME")) != NULL && base[0] == '/') {
		below = "/.local/state/raftsup/default";
	} else {
		return err_set(err, ERR_USAGE,
		    "no directory given, and neither RAFTSUP_DIR nor HOME is "
		    "set");
	}
	length = snprintf(path, DIR_SIZE_MAX, "%s%s", base, below);
	if (length < 0 || length >= DIR_SIZE_MAX) {
		return err_set(err, ERR_USAGE,
		    "the directory's name has %d bytes: 1 to %d are accepted",
		    length, DIR_SIZE_MAX - 1);
	}
	return ERR_OK;
}

int
dir_check(const char *path, struct err_buf *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno == ENOENT || errno == ENOTDIR) {
			return err_set(err, ERR_NOT_FOUND,
			    "%s: no such directory", path);
		}
		return err_set_errno(err, "%s", path);
	}
	if (!S_ISDIR(st.st_mode)) {
		return err_set(err, ERR_NOT_FOUND, "%s is not a directory",
		    path);
	}
	if (st.st_uid != geteuid()) {
		return err_set(err, ERR_PERMISSION,
		    "%s belongs to another user (uid %u)", path,
		    (unsigned int)st.st_uid);
	}
	return ERR_OK;
}

int
dir_set_not_running(const char *path, struct err_buf *err)
{
	return err_set(err, ERR_NOT_APPLIED,
	    "no cluster is running in %s (start one: raftsup start)", path);
}

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}
