/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An export that goes on by itself, for start.
 */
#ifndef OP_EXPORT_H
#define OP_EXPORT_H

#include "base/attr.h"
#include "base/err.h"

/*
 * Leaves a process behind, `raftsup export -f PATH`, that keeps the directory
 * up to date until the cluster in `dir` runs no more.  If there is one for
 * that directory already, it ends at once.
 */
int	export_begin(const char *dir, const char *path, struct err_buf *)
	    MUST_CHECK;

#endif
