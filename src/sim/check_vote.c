/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One vote a term, also over restarts: what a node has said on the network
 * or written on its disk is remembered for ever.
 */
#include "sim/sim.h"

void
sim_check_vote(struct sim_node *node, uint64_t term, uint32_t vote)
{
	uint64_t *known = sim_map_at(&node->world->checks.votes, node->id,
	    term);

	if (*known != 0 && *known != vote) {
		sim_fail(node->world, "one-vote", 1u << node->id |
		    1u << vote | 1u << *known, "node %u votes for %u and "
		    "for %u in term %llu", node->id, (uint32_t)*known, vote,
		    (unsigned long long)term);
	}
	*known = vote;
}
