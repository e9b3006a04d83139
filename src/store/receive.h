/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A snapshot that arrives: a state environment built aside, in
 * NODE_DIR/store/state.<index>, which nothing names until store_install()
 * commits.
 *
 *	receive_open() -> receive_write()... -> receive_finish()
 *	    -> store_install() in a transaction, store_commit()
 *	    -> state_switch(), by the thread that owns the state
 *
 * What goes wrong on the way (a full disk, bytes that are not what they
 * should be) costs what was received and nothing else: the store is not
 * latched by it, receive_close() removes the directory, and what a crash
 * leaves the next store_open() removes.
 *
 * Any thread, one at a time; writing and finishing wait for the disk.
 */
#ifndef STORE_RECEIVE_H
#define STORE_RECEIVE_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "raft/raft.h"
#include "store/store.h"

struct receive;

/*
 * A stream of total bytes that is said to be the state at index, with this
 * chain.  ERR_FULL when the disk has not enough room for it.
 */
int	receive_open(struct receive **, struct store *, uint64_t index,
	    const uint8_t chain[RAFT_CHAIN_SIZE], uint64_t total,
	    struct err_buf *) MUST_CHECK;
/*
 * Takes the next bytes of the stream.  ERR_CORRUPT: not a snapshot, or
 * another one; ERR_FULL; ERR_IO.  After an error only receive_close().
 */
int	receive_write(struct receive *, const void *, size_t, struct err_buf *)
	    MUST_CHECK;
uint64_t receive_offset(const struct receive *);	/* taken so far */
/*
 * All bytes were taken: verifies checksums, order, count, the state machine's
 * digest and position, and makes it durable, directories included.
 */
int	receive_finish(struct receive *, struct err_buf *) MUST_CHECK;
/*
 * After that, for who begins a log of his own with it: the state counts as
 * that of a later index.  It must hold no events (kv_position_skip()).
 */
int	receive_skip(struct receive *, uint64_t index, struct err_buf *)
	    MUST_CHECK;
/* Removes it, unless the log environment names it (or may). */
void	receive_close(struct receive *);

#endif
