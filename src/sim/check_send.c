/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Persist before send: no message tells of a state that its sender could
 * still lose.  Looked at when it leaves, against the sender's disk.
 */
#include "sim/sim.h"

void
sim_check_send(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	const struct raft_hard_state *hard = &node->disk.hard_state;
	const char *what = NULL;

	/* A pre-vote names a term that nobody has entered. */
	if (message->type != RAFT_PRE_VOTE &&
	    (message->type != RAFT_PRE_VOTE_REPLY || message->reject) &&
	    message->term > hard->term) {
		what = "its term";
	}
	if (message->type == RAFT_VOTE) {
		if (hard->term == message->term && hard->vote != node->id) {
			what = "its vote for itself";
		}
		sim_check_asked(node, message->term);
		sim_check_vote(node, message->term, node->id);
	}
	if (message->type == RAFT_VOTE_REPLY && !message->reject) {
		if (hard->term == message->term &&
		    hard->vote != message->to) {
			what = "its vote";
		}
		sim_check_vote(node, message->term, message->to);
	}
	if (message->type == RAFT_APPEND_REPLY ||
	    (message->type == RAFT_INSTALL_REPLY && message->done)) {
		sim_check_probes(node, message);
	}
	if (message->type == RAFT_INSTALL_REPLY) {
		sim_check_install_reply(node, message);
	}
	if (message->type == RAFT_APPEND_REPLY && !message->reject &&
	    hard->term == message->term &&
	    node->disk.log.count < message->index) {
		what = "what it acknowledges";
	}
	sim_check_lease_sent(node, message);
	if (what != NULL) {
		sim_fail(world, "persist-before-send", 1u << node->id,
		    "node %u sends a %s of term %llu, and %s is not durable "
		    "(term %llu, vote %u, %llu entries)", node->id,
		    raft_message_type_name(message->type),
		    (unsigned long long)message->term, what,
		    (unsigned long long)hard->term, hard->vote,
		    (unsigned long long)node->disk.log.count);
	}
}
