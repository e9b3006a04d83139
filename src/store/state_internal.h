/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of state.c and state_room.c.
 */
#ifndef STORE_STATE_INTERNAL_H
#define STORE_STATE_INTERNAL_H

#include "store/recent.h"
#include "store/state.h"
#include "store/store_internal.h"

/* What the open transaction did to one space. */
struct change {
	uint64_t writes;         /* puts and deletions */
	uint64_t overflow_pages; /* written for large values */
	uint64_t pages_before;   /* of the tree, at the beginning */
};

struct state {
	struct store *store;
	struct contents *contents; /* in use */
	MDB_txn *txn;
	bool read_only;
	int failed; /* writing to the trees did, until it is aborted */
	struct recent *recent; /* in front of KV_DATA; NULL: nothing is */
	uint64_t passed; /* deleted ones in the tree, by seeks */
	uint64_t pages_most; /* that all writes have dirtied so far */
	uint64_t look_at_pages; /* state_is_spent() does when there are */
	uint64_t pages_kept; /* by LMDB, of former transactions, perhaps */
	uint64_t walked; /* bytes of a frozen one, since others had a turn */
	struct kv_table table;
	struct change changes[KV_SPACE_COUNT];
	uint64_t free_pages; /* at the beginning */
	uint64_t pending_pages;
};

#endif
