/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Directories of tests: made new for each test below TMPDIR (/tmp), and
 * removed with all that is in them.  For Check programs.
 */
#ifndef RAFTSUP_TESTS_TEMPORARY_H
#define RAFTSUP_TESTS_TEMPORARY_H

#include <sys/stat.h>

#include <check.h>
#include <ftw.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/attr.h"

/* dir becomes the path of a new directory, whose name begins with `name`. */
static inline void
temporary_make(char *dir, size_t size, const char *name)
{
	const char *parent = getenv("TMPDIR");
	int length = snprintf(dir, size, "%s/%s.XXXXXX",
	    parent != NULL && parent[0] != '\0' ? parent : "/tmp", name);

	ck_assert(length > 0 && (size_t)length < size);
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static inline int
temporary_remove_one(const char *path, const struct stat *st UNUSED,
    int flag UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

static inline void
temporary_remove(const char *dir)
{
	ck_assert_int_eq(nftw(dir, temporary_remove_one, 16,
	    FTW_DEPTH | FTW_PHYS), 0);
}

#endif
