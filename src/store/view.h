/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view: the state as of its last checkpoint, frozen, as a stream of bytes
 * (stream.h) that can be read at any offset while the node goes on.
 *
 * It is a read transaction of LMDB.  What is committed meanwhile cannot use
 * the pages that it sees, so the file of the state grows until it is closed:
 * view_growth() tells by how much.  It survives the install of another
 * state; the old one stays until the view is closed.
 *
 * Any thread, one at a time.  Opening walks over all records and reading may
 * wait for the disk: not for the loop.
 */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "store/store.h"

struct view;

/* ERR_AGAIN: the log does not reach back to it any more; open another one. */
int	view_open(struct view **, struct store *, struct err_buf *)
	    MUST_CHECK;
void	view_close(struct view *);

uint64_t view_index(const struct view *);	/* of the last entry applied */
uint64_t view_size(const struct view *);	/* bytes of the stream */
/* What the receiver holds the stream against: RAFT_CHAIN_SIZE bytes. */
const uint8_t *view_chain(const struct view *);

/* Copies size bytes from offset on; both within view_size(). */
int	view_read(struct view *, uint64_t offset, void *, size_t size)
	    MUST_CHECK;

/* Bytes by which the file of the state has grown since it was opened. */
uint64_t view_growth(const struct view *);

#endif
