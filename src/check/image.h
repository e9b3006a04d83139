/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contents that a store stands for at an index: its last checkpoint,
 * frozen, with the entries of its log applied up to there, in memory.  The
 * store is not written, and may belong to a node that runs.
 *
 *	state.N, frozen  |  log (checkpoint, index]
 *	       below     |     applied into an overlay     ->  one table
 *
 * The frozen view pins pages: what the node writes meanwhile makes the file
 * of its state larger (image_growth()).  Memory: what is not in a checkpoint.
 *
 * Opened in the process that uses it, once; one thread.
 */
#ifndef CHECK_IMAGE_H
#define CHECK_IMAGE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "kv/kv.h"
#include "store/backup.h"
#include "store/store.h"

struct image;

/*
 * At index, or where the checkpoint is if that is further; UINT64_MAX: at the
 * end of the log.  ERR_AGAIN: the log does not go so far (yet), or has been
 * cut a moment ago; else as store_open().
 */
int	image_open(struct image **, const char *node_dir,
	    const struct store_identity *expect, uint64_t index,
	    struct err_buf *) MUST_CHECK;
void	image_close(struct image *);

const struct kv_table *image_table(struct image *);
/* What backup_write() is to be told of it. */
void	image_info(const struct image *, struct backup_info *);
/* Bytes by which the file of the state has grown since it was opened. */
uint64_t image_growth(const struct image *);

/*
 * Applies the entries of a log from that of the machine on up to index, and
 * flushes.  ERR_NOT_FOUND: the log does not have them.
 */
int	image_replay(struct kv *, struct store *log, uint64_t index)
	    MUST_CHECK;

#endif
