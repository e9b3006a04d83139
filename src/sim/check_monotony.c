/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The term never falls, not over a restart either; the commit index never
 * falls within a run, and never behind the applied index.
 */
#include "sim/sim.h"

void
sim_check_monotony(struct sim_node *node)
{
	struct sim_world *world = node->world;
	uint64_t commit_index = raft_commit_index(node->raft);

	if (commit_index < node->commit_seen ||
	    commit_index < node->applied_index) {
		sim_fail(world, "commit-monotony", 1u << node->id,
		    "the commit index of node %u went from %llu to %llu, "
		    "applied %llu", node->id,
		    (unsigned long long)node->commit_seen,
		    (unsigned long long)commit_index,
		    (unsigned long long)node->applied_index);
	}
	if (raft_term(node->raft) < node->term_seen) {
		sim_fail(world, "term-monotony", 1u << node->id,
		    "node %u is in term %llu, %llu was durable", node->id,
		    (unsigned long long)raft_term(node->raft),
		    (unsigned long long)node->term_seen);
	}
	node->commit_seen = commit_index;
}

void
sim_check_monotony_durable(struct sim_node *node)
{
	if (node->disk.hard_state.term < node->term_seen) {
		sim_fail(node->world, "term-monotony", 1u << node->id,
		    "on the disk of node %u the term went from %llu to %llu",
		    node->id, (unsigned long long)node->term_seen,
		    (unsigned long long)node->disk.hard_state.term);
	}
	node->term_seen = node->disk.hard_state.term;
}
