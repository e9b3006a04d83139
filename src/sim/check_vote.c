/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One vote a term, also over restarts, and for a node that has asked for it:
 * what a node has said on the network or written on its disk is remembered
 * for ever.
 */
#include "sim/sim.h"

/* In the map: of a node, and its store; not votes but requests. */
#define ASKED	(UINT64_C(1) << 32)

void
sim_check_asked(struct sim_node *node, uint64_t term)
{
	*sim_map_at(&node->world->checks.votes, ASKED | node->id, term) = 1;
}

void
sim_check_vote(struct sim_node *node, uint64_t term, uint32_t vote)
{
	uint64_t *known = sim_map_at(&node->world->checks.votes,
	    node->store_id, term);

	if (*known != 0 && *known != vote) {
		sim_fail(node->world, "one-vote", 1u << node->id |
		    1u << vote | 1u << *known, "node %u votes for %u and "
		    "for %u in term %llu", node->id, (uint32_t)*known, vote,
		    (unsigned long long)term);
	}
	*known = vote;
	if (vote != node->id && sim_map_get(&node->world->checks.votes,
	    ASKED | vote, term) == 0) {
		sim_fail(node->world, "one-vote", 1u << node->id | 1u << vote,
		    "node %u votes for %u in term %llu, who has not asked",
		    node->id, vote, (unsigned long long)term);
	}
}
