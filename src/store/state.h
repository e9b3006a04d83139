/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state environment of a store: kv's table on LMDB.
 *
 * One write transaction stays open between checkpoints, and is seen through
 * its handle only: applying and reads take turns on it.  The thread that began
 * it has LMDB's lock, and ends it.  A checkpoint commits it, data and applied
 * index as one (T60), and only up to what is durable in the node's own log.
 * What was applied since is applied again from the log after a crash.
 */
#ifndef STORE_STATE_H
#define STORE_STATE_H

#include "kv/kv.h"
#include "store/store.h"

struct state;

/*
 * Opens the environment that the store's log environment names.  Must be
 * called in the thread that will use it.  Read-only when the store is: then
 * it is a frozen view.
 */
int	state_open(struct state **, struct store *, struct err_buf *)
	    MUST_CHECK;
void	state_close(struct state *);	/* aborts what is not committed */
const struct kv_table *state_table(struct state *);

/* Changed records that are still in memory: a checkpoint writes them. */
uint64_t state_waiting(const struct state *);
/*
 * A checkpoint writes what is still in memory, which may take long.  Is it
 * ready: are there no more than so many records?  If not, writes so many.
 */
int	state_prepare(struct state *, uint64_t count, bool *is_ready)
	    MUST_CHECK;
/* Commits the open transaction and begins the next; the error latches the
 * store, except ERR_FULL: then everything since the last checkpoint is
 * aborted, and the owner reloads and applies it again later. */
int	state_checkpoint(struct state *) MUST_CHECK;
/* Little happens: after a checkpoint, gives memory back in which records are
 * kept that the next command may need, and pages that LMDB may.  No slice of
 * the table is valid any more.  An error latches the store. */
int	state_rest(struct state *) MUST_CHECK;
/* Aborts what was written since the last checkpoint, begins anew. */
int	state_abort(struct state *) MUST_CHECK;
/*
 * A snapshot was installed by a transaction that has committed: from now on
 * its state is the one.  What was written since the last checkpoint is
 * forgotten; the owner reads its position again.  By the owner's thread.
 */
struct receive;
int	state_switch(struct state *, struct receive *) MUST_CHECK;

/* Pages dirtied since the last checkpoint, or to be by what still is in
 * memory, at most: checkpoint well before LMDB's limit (STATE_DIRTY_MAX). */
#define STATE_DIRTY_MAX	65536
uint64_t state_dirty(const struct state *);
/* There are STATE_DIRTY_MAX; costs next to nothing to ask. */
bool	state_is_spent(struct state *);
/* Records in memory leave so little room there that a checkpoint is due, before
 * all that has changed must be written at once. */
bool	state_is_crowded(const struct state *);
/* Bytes of the trees, but for events. */
uint64_t state_size(const struct state *);
/* Bytes of the file that are in use after the latest commit, whoever made
 * it. */
uint64_t state_file_used(const struct state *);
/* Pages inside the file that the open transaction can use again. */
uint64_t state_free(const struct state *);
/* Pages that the last checkpoint gave back: the next one makes them free. */
uint64_t state_pending(const struct state *);
/*
 * What is left when the open transaction and commands of so many bytes more
 * are committed.  STORE_ROOM_OUT: a checkpoint would fail; the transaction
 * goes on in memory, and what it holds can be read.
 */
enum store_room state_room(struct state *, uint64_t bytes);

#endif
