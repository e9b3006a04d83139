/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AppendEntries that follow one another become one: what a far follower is to
 * get at once anyway (near.c) costs it a message, not one for each entry.
 *
 *	request 7: entries 20, 21 \
 *	request 8: entry 22	   > request 9: entries 20 to 24
 *	request 9: entries 23, 24 /
 *
 * To the follower it is an append like any other; the answer to the last
 * request says all that those to the others would have said.  The core knows
 * of single ones: when less is sent than was gathered, gather_request() says
 * which of them the first entry that was left out belongs to.
 */
#ifndef NODE_GATHER_H
#define NODE_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "node/cache.h"
#include "raft/raft.h"

#define GATHER_MAX	64		/* messages */

struct gather {
	struct raft_message message;	/* all of them in one */
	uint32_t count;			/* 0: there is none */
	uint32_t size;			/* bytes of entries */
	uint64_t requests[GATHER_MAX];
	uint64_t firsts[GATHER_MAX];	/* the first entry of each */
};

/* Takes a message; false: it is no sequel of the others, or too much with
 * them, or its entries are not in the cache: send what there is, and it. */
bool	gather_add(struct gather *, const struct cache *,
	    const struct raft_message *);
/* Bytes of the entries that a message asks for; 0: there are none, or not all
 * of them are in the cache. */
uint32_t gather_size(const struct cache *, const struct raft_message *);
/* The request that an entry, or the one after the last, was gathered for. */
uint64_t gather_request(const struct gather *, uint64_t index);

#endif
