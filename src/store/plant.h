/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A new store that begins with contents: for a cluster that is made of a
 * backup, or of what is left of another one.
 *
 *	plant_open() -> plant_write()... -> plant_commit() -> plant_close()
 *
 * The contents arrive as a stream (stream.h) and are verified as a received
 * snapshot is.  The log is empty and goes on after the snapshot that
 * plant_commit() names.  As with store_create(), NODE_DIR/store is there when
 * all of it is on the disk, and before that it is not; what a crash leaves
 * under the other name the next creation removes.
 *
 * Any thread, one at a time; waits for the disk.
 */
#ifndef STORE_PLANT_H
#define STORE_PLANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "raft/raft.h"
#include "store/store.h"

struct plant;

/*
 * of: what the stream of total bytes is said to be (index, chain with the
 * digest).  NODE_DIR exists.  ERR_EXISTS: there is a store; ERR_FULL: it does
 * not fit.
 */
int	plant_open(struct plant **, const char *node_dir,
	    const struct store_identity *, const struct raft_snapshot *of,
	    uint64_t total, const struct store_options *, struct err_buf *)
	    MUST_CHECK;
/* As receive_write(). */
int	plant_write(struct plant *, const void *, size_t, struct err_buf *)
	    MUST_CHECK;
/*
 * All bytes were written.  as: the index, not lower than of->index, term and
 * configuration that the log goes on after; the chain is kept.
 */
int	plant_commit(struct plant *, const struct raft_snapshot *as,
	    struct err_buf *) MUST_CHECK;
/* Removes what was not committed. */
void	plant_close(struct plant *);

#endif
