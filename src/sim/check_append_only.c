/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leader append-only: a leader never overwrites or deletes entries of its
 * log.  Paper, Figure 3.
 */
#include "sim/sim.h"

void
sim_check_append_only(struct sim_node *node)
{
	const struct raft_update *update = node->world->update;

	if (node->role != RAFT_LEADER) {
		node->led_term = 0;
		return;
	}
	if (node->led_term == node->term && (update->truncate_from != 0 ||
	    node->log.count < node->led_length)) {
		sim_fail(node->world, "leader-append-only", 1u << node->id,
		    "node %u leads term %llu and its log shrank from %llu to "
		    "%llu entries", node->id, (unsigned long long)node->term,
		    (unsigned long long)node->led_length,
		    (unsigned long long)node->log.count);
	}
	node->led_term = node->term;
	node->led_length = node->log.count;
}
