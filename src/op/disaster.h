/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What those share who read the stores of a stopped cluster: backup, and
 * start --force-new-cluster.
 */
#ifndef OP_DISASTER_H
#define OP_DISASTER_H

#include "base/attr.h"
#include "base/err.h"
#include "check/survey.h"
#include "sup/cluster.h"

/* Takes DIR/lock, so that nothing starts meanwhile; ERR_LOCKED, or
 * ERR_NOT_APPLIED when a node still runs. */
int	disaster_lock(const char *dir, const struct cluster *, int *fd,
	    struct err_buf *) MUST_CHECK;
/* Looks at all stores, of heap; the caller frees it. */
int	disaster_survey(const char *dir, const struct cluster *,
	    struct survey **, struct err_buf *) MUST_CHECK;
/* A line on standard error for each store that is of no use. */
void	disaster_print_unusable(const struct survey *,
	    const struct cluster *);

#endif
