/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Process durability: a thread that syncs the store every few seconds, off
 * the commit path, so that a machine's crash costs seconds and not the whole
 * page cache.  A failure latches the store; the loop sees that.
 */
#ifndef NODE_SYNC_H
#define NODE_SYNC_H

#include <stdbool.h>

#include "base/attr.h"
#include "store/store.h"

struct sync;

int	sync_new(struct sync **, struct store *) MUST_CHECK;
void	sync_free(struct sync *);
/* From now on syncs fail, or do not: an operator wants it. */
void	sync_set_fault(struct sync *, bool fail);

#endif
