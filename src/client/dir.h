/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which directory is meant: what names a cluster for people and programs.
 */
#ifndef CLIENT_DIR_H
#define CLIENT_DIR_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"

#define DIR_SIZE_MAX	1024	/* of a path, its NUL included */

/*
 * The given one if not NULL, else $RAFTSUP_DIR, else
 * ${XDG_STATE_HOME:-$HOME/.local/state}/raftsup/default; an empty variable
 * counts as none, and so does a relative path in the last two.  Nothing is
 * looked at in the file system.  ERR_OK; ERR_USAGE and a line: an empty name,
 * too long, no home directory.
 */
int	dir_resolve(char path[DIR_SIZE_MAX], const char *given,
	    struct err_buf *) MUST_CHECK;

/*
 * Whether it can be a cluster of ours: ERR_OK; ERR_NOT_FOUND there is no
 * such directory; ERR_PERMISSION and a line: it is another user's, or may
 * not be looked at; ERR_IO.
 */
int	dir_check(const char *path, struct err_buf *) MUST_CHECK;

/* The line of those who need a running cluster and find none. Returns
 * ERR_NOT_APPLIED. */
int	dir_set_not_running(const char *path, struct err_buf *);

#endif
