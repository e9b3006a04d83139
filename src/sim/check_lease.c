/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases: at no instant could two nodes answer reads alone, nobody commits
 * while a leader of an earlier term could, and what is answered by a lease is
 * of the latest term in which anything was committed.
 *
 * Paused nodes count as well: it is what they would do if they went on now.
 */
#include "sim/sim.h"

static bool
could_answer(const struct sim_node *node)
{
	return node->raft != NULL && !node->dying &&
	    raft_lease_end_ns(node->raft) > sim_clock(node->world);
}

void
sim_check_lease(struct sim_world *world)
{
	const struct sim_node *first = NULL, *node;
	uint32_t i;

	for (i = 1; i <= world->plan.nodes && !world->failed; i++) {
		node = sim_node(world, i);
		if (!could_answer(node)) {
			continue;
		}
		if (first != NULL) {
			sim_fail(world, "lease-exclusivity", 1u << node->id |
			    1u << first->id, "nodes %u (term %llu) and %u "
			    "(term %llu) both have a lease", first->id,
			    (unsigned long long)raft_term(first->raft),
			    node->id,
			    (unsigned long long)raft_term(node->raft));
		}
		first = node;
	}
}

/* To be called before node->commit_index moves. */
void
sim_check_lease_commit(struct sim_node *node, uint64_t commit_index)
{
	struct sim_world *world = node->world;
	uint64_t term = raft_term(node->raft);
	const struct sim_node *other;
	uint32_t i;

	if (raft_role(node->raft) != RAFT_LEADER ||
	    commit_index <= node->commit_index) {
		return;
	}
	if (term > world->checks.commit_term) {
		world->checks.commit_term = term;
	}
	for (i = 1; i <= world->plan.nodes && !world->failed; i++) {
		other = sim_node(world, i);
		if (other != node && could_answer(other) &&
		    raft_term(other->raft) < term) {
			sim_fail(world, "lease-commit", 1u << node->id |
			    1u << other->id, "node %u commits in term %llu, "
			    "node %u has a lease in term %llu", node->id,
			    (unsigned long long)term, other->id,
			    (unsigned long long)raft_term(other->raft));
		}
	}
}

/* An answer by the lease leaves. */
void
sim_check_lease_read(struct sim_node *node)
{
	struct sim_world *world = node->world;

	if (raft_term(node->raft) < world->checks.commit_term) {
		sim_fail(world, "lease-read", 1u << node->id, "node %u answers "
		    "by its lease in term %llu, term %llu has committed",
		    node->id, (unsigned long long)raft_term(node->raft),
		    (unsigned long long)world->checks.commit_term);
	}
}
