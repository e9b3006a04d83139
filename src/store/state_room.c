/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much the open transaction of a state holds, and what room it needs.
 *
 * LMDB keeps the pages that it has changed in memory until they are
 * committed, at most 131,071 of them, and does not tell how many: `struct
 * change` estimates it from what was written and from the sizes of the trees.
 *
 *	a write may dirty	one leaf, its way up, overflow pages of its own;
 *				and a leaf that was split is one more
 *	never more than		the tree has pages, and those it gave back
 */
#include "store/state.h"

#include "store/recent.h"
#include "store/state_internal.h"
#include "store/store_internal.h"

#define PAGES_SLACK	32 /* roots, the free list */

/* Recent records are crowded: room taken, in percent, and how many have
 * changed; fewer are written at once. */
#define RECENT_FILL_DUE 75
#define RECENT_FILL_FEW 4096

/*
 * Of one tree.  A write dirties one leaf; one that needs more room than the
 * record had splits it, perhaps.  Not all leaves can be split by a few bytes:
 * each once, when it was full, and then again by half a page.
 */
static uint64_t
dirty_pages(const struct change *change, const MDB_stat *stat,
    uint64_t page_size, const struct recent_changes *recent)
{
	uint64_t tree = stat->ms_branch_pages + stat->ms_leaf_pages;
	uint64_t writes = change->writes + recent->count, splits, splits_max;

	writes += stat->ms_branch_pages;
	if (tree < change->pages_before) {
		tree = change->pages_before;
	} else {
		writes += tree - change->pages_before;
	}
	splits = tree + 2 * recent->grown_size / page_size + 1;
	/* Of three leaves with long keys, their branch may be, too. */
	splits_max = recent->grown_count + recent->grown_count / 3;
	if (splits > splits_max) {
		splits = splits_max;
	}
	return splits + (writes < tree ? writes : tree) +
	       change->overflow_pages;
}

uint64_t
state_dirty(const struct state *state)
{
	static const struct recent_changes nothing;
	const struct contents *contents = state->contents;
	struct recent_changes recent;
	const struct change *change;
	uint64_t pages = 0;
	MDB_stat stat;
	int space;

	if (state->txn == NULL || state->read_only) {
		return 0;
	}
	for (space = 0; space < KV_SPACE_COUNT; space++) {
		change = &state->changes[space];
		recent = (space == KV_DATA && state->recent != NULL)
		             ? recent_changes(state->recent)
		             : nothing;
		if (change->writes + recent.count > 0 &&
		    mdb_stat(state->txn, contents->spaces[space], &stat) ==
			0) {
			pages += dirty_pages(
			    change, &stat, contents->env.page_size, &recent);
		}
	}
	return pages;
}

bool
state_is_spent(struct state *state)
{
	uint64_t dirty;

	if (state->pages_most < state->look_at_pages) {
		return false;
	}
	dirty = state_dirty(state);
	if (dirty >= STATE_DIRTY_MAX) {
		return true;
	}
	state->look_at_pages = state->pages_most + STATE_DIRTY_MAX - dirty;
	return false;
}

bool
state_is_crowded(const struct state *state)
{
	return state->recent != NULL &&
	       recent_fill(state->recent) >= RECENT_FILL_DUE &&
	       recent_changes(state->recent).count > RECENT_FILL_FEW;
}

uint64_t
state_size(const struct state *state)
{
	const MDB_dbi *spaces = state->contents->spaces;
	uint64_t pages = 0;
	MDB_stat stat;
	int i;

	for (i = 0; i < KV_SPACE_COUNT && state->txn != NULL; i++) {
		if (i != KV_EVENTS &&
		    mdb_stat(state->txn, spaces[i], &stat) == 0) {
			pages += stat.ms_branch_pages + stat.ms_leaf_pages +
			         stat.ms_overflow_pages;
		}
	}
	return pages * state->contents->env.page_size;
}

uint64_t
state_free(const struct state *state)
{
	return state->free_pages;
}

uint64_t
state_file_used(const struct state *state)
{
	const struct env *env = &state->contents->env;
	MDB_envinfo info;

	mdb_env_info(env->mdb, &info);
	return (info.me_last_pgno + 1) * env->page_size;
}

uint64_t
state_pending(const struct state *state)
{
	return state->pending_pages;
}

enum store_room
store_state_room(struct store *store, uint64_t dirty_pages,
    uint64_t free_pages, uint64_t bytes, uint64_t entry_count)
{
	struct contents *contents;
	enum store_room room;
	uint64_t size;

	if (env_latched(&store->shared) != 0) {
		return STORE_ROOM_OUT;
	}
	contents = contents_get(store);
	/* Value, answer and session, each perhaps on pages of its own. */
	size = (dirty_pages + entry_count + PAGES_SLACK) *
	           contents->env.page_size +
	       2 * bytes;
	room = env_room(&contents->env, size, free_pages);
	contents_put(store, contents);
	return room;
}

enum store_room
state_room(struct state *state, uint64_t bytes)
{
	return store_state_room(
	    state->store, state_dirty(state), state->free_pages, bytes, 0);
}
