/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leader completeness: an entry that was committed in a term is in the logs
 * of the leaders of all later terms.  Paper, Figure 3.  Looked at when a
 * leader is elected, and for those in office when an entry is committed.
 */
#include "sim/sim.h"

void
sim_check_completeness(struct sim_node *node)
{
	struct sim_world *world = node->world;
	const struct sim_log *committed = &world->checks.committed;
	uint64_t i;

	/* What is cut off was looked at then: check_snapshot.c. */
	for (i = node->log.base; i < committed->count; i++) {
		const struct raft_entry *entry = &committed->entries[i];

		/* A leader elected late, in an earlier term, may lack it. */
		if (sim_map_get(&world->checks.committed_in, i + 1, 0) >=
		    raft_term(node->raft)) {
			continue;
		}
		if (i < node->log.count &&
		    sim_entry_equal(entry, &node->log.entries[i])) {
			continue;
		}
		sim_fail(world, "leader-completeness", 1u << node->id,
		    "node %u leads term %llu without the committed entry "
		    "%llu of term %llu", node->id,
		    (unsigned long long)raft_term(node->raft),
		    (unsigned long long)entry->index,
		    (unsigned long long)entry->term);
		return;
	}
}

void
sim_check_completeness_later(struct sim_node *by,
    const struct raft_entry *entry)
{
	struct sim_world *world = by->world;
	uint32_t i;

	for (i = 1; i <= world->plan.nodes; i++) {
		struct sim_node *node = sim_node(world, i);

		if (node == by || node->raft == NULL ||
		    node->role != RAFT_LEADER ||
		    node->term <= raft_term(by->raft)) {
			continue;
		}
		if (entry->index > node->log.count || !sim_entry_equal(entry,
		    &node->log.entries[entry->index - 1])) {
			sim_fail(world, "leader-completeness", 1u << i |
			    1u << by->id, "node %u commits entry %llu of "
			    "term %llu, the leader of term %llu, node %u, "
			    "does not have it", by->id,
			    (unsigned long long)entry->index,
			    (unsigned long long)entry->term,
			    (unsigned long long)node->term, i);
		}
	}
}
