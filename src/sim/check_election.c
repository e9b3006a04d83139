/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Election safety: at most one leader in a term, and in one run of it.
 * Paper, Figure 3.
 */
#include "sim/sim.h"

void
sim_check_election(struct sim_node *node)
{
	struct sim_world *world = node->world;
	uint64_t *leader = sim_map_at(&world->checks.leaders,
	    raft_term(node->raft), 0);
	uint64_t self = node->run << 8 | node->id;

	if (*leader != 0 && *leader != self) {
		sim_fail(world, "election-safety", 1u << node->id |
		    1u << (*leader & 0xff), "nodes %u and %u lead term %llu",
		    (uint32_t)(*leader & 0xff), node->id,
		    (unsigned long long)raft_term(node->raft));
	}
	*leader = self;
}
