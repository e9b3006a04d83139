/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A leader manages a cluster that it is not part of until that configuration
 * is committed, and no longer (dissertation 4.2.2).  It takes no proposals
 * while it hands over (3.10).
 */
#include "sim/sim.h"

#include "raft/core.h"

/* After a step of a leader. */
void
sim_check_member(struct sim_node *node)
{
	const struct raft_configuration *in_force = configuration(node->raft);
	bool votes = false, joint = false;
	uint32_t i;

	for (i = 0; i < in_force->count; i++) {
		const struct raft_server *server = &in_force->servers[i];

		joint = joint || (server->suffrage & RAFT_VOTER_OLD) != 0;
		votes = votes || (server->id == node->id &&
		    server->store_id == node->store_id &&
		    (server->suffrage & RAFT_VOTER) != 0);
	}
	if (!votes && !joint &&
	    in_force->index <= raft_commit_index(node->raft)) {
		sim_fail(node->world, "member", 1u << node->id, "node %u "
		    "leads term %llu, and has no vote in the configuration "
		    "of entry %llu, which is committed", node->id,
		    (unsigned long long)raft_term(node->raft),
		    (unsigned long long)in_force->index);
	}
}

/* After a step that took a proposal. */
void
sim_check_proposed(struct sim_node *node)
{
	if (node->before->transfer_to != 0 && node->raft->transfer_to != 0) {
		sim_fail(node->world, "transfer", 1u << node->id, "node %u "
		    "takes a proposal while it hands over to node %u",
		    node->id, node->raft->transfer_to);
	}
}
