/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What leader and follower know to agree.
 *
 * A leader tells no heartbeat of more commits than the follower's run has
 * acknowledged in this term, no append of more than it shows, and does not
 * go back behind what was acknowledged, whatever answers come late (T33,
 * T44, T45 of docs/TRAPS.md).  A follower commits no more than a message has
 * shown to agree (paper, Figure 2).
 */
#include "sim/sim.h"

#include "raft/core.h"
#include "raft/quorum.h"

void
sim_check_agreed_elected(struct sim_node *node)
{
	uint32_t id;

	for (id = 1; id <= SIM_NODES_MAX; id++) {
		node->acked[id] = node->acked_runs[id] = 0;
		node->acked_member[id] = 0;
	}
}

void
sim_check_agreed_members(struct sim_node *node)
{
	const struct raft_configuration *in_force = configuration(node->raft);
	uint32_t id;

	for (id = 1; id <= SIM_NODES_MAX; id++) {
		if (quorum_server(in_force, id) == NULL) {
			node->acked_member[id] = 0;
		}
	}
}

/* A message that is not over comes. */
void
sim_check_agreed_before(struct sim_node *node,
    const struct raft_message *message)
{
	if (message->from_run < node->acked_runs[message->from]) {
		return;			/* an answer of a run that is over */
	}
	if (message->from_run > node->acked_runs[message->from]) {
		node->acked_runs[message->from] = message->from_run;
		node->acked[message->from] = 0;
		node->acked_member[message->from] = 0;
	}
	if ((message->type != RAFT_APPEND_REPLY &&
	    !(message->type == RAFT_INSTALL_REPLY && message->done)) ||
	    message->reject || message->term != raft_term(node->raft)) {
		return;
	}
	if (message->index > node->acked[message->from]) {
		node->acked[message->from] = message->index;
	}
	if (message->index > node->acked_member[message->from] &&
	    quorum_server(configuration(node->raft), message->from) != NULL) {
		node->acked_member[message->from] = message->index;
	}
}

/* And this was the step. */
void
sim_check_agreed_received(struct sim_node *node,
    const struct raft_message *message)
{
	const struct raft_update *update = node->world->update;
	uint64_t before = raft_commit_index(node->before), limit;
	uint64_t after = raft_commit_index(node->raft);

	if (message->type != RAFT_APPEND && message->type != RAFT_HEARTBEAT) {
		return;
	}
	limit = message->commit;
	if (message->type == RAFT_APPEND &&
	    message->index + message->entry_count < limit) {
		limit = message->index + message->entry_count;
	}
	/* A snapshot that was complete had waited for a follower. */
	if (update->install_id != 0 && update->snapshot->index > limit) {
		limit = update->snapshot->index;
	}
	if (after > before && after > limit) {
		sim_fail(node->world, "agreed", 1u << node->id |
		    1u << message->from, "node %u commits up to %llu, and "
		    "the %s of node %u says and shows no more than %llu",
		    node->id, (unsigned long long)after,
		    raft_message_type_name(message->type), message->from,
		    (unsigned long long)limit);
	}
}

/* Of a step's messages; the node leads. */
void
sim_check_agreed_sent(struct sim_node *node,
    const struct raft_message *message)
{
	uint64_t acked = node->acked[message->to];
	const char *what = NULL;

	if (message->term != raft_term(node->raft)) {
		return;
	}
	if (message->type == RAFT_HEARTBEAT && message->commit > acked) {
		what = "tells of more commits than that";
	} else if (message->type == RAFT_APPEND && message->commit >
	    message->index + message->entry_count) {
		what = "tells of more commits than it shows";
	} else if (message->type == RAFT_APPEND &&
	    message->index < node->acked_member[message->to]) {
		what = "goes back behind that";
	}
	/* To whom it hands over has all that it has; and it is told again,
	 * also when it has died since. */
	if (message->type == RAFT_TIMEOUT_NOW && acked < node->log.count &&
	    !node->before->transfer_sent) {
		what = "goes to one who lacks entries";
	}
	if (what != NULL) {
		sim_fail(node->world, "agreed", 1u << node->id |
		    1u << message->to, "run %llu of node %u has acknowledged "
		    "%llu entries in term %llu; the %s of the leader, node "
		    "%u, %s: after %llu, %u entries, commit %llu",
		    (unsigned long long)node->acked_runs[message->to],
		    message->to, (unsigned long long)acked,
		    (unsigned long long)message->term,
		    raft_message_type_name(message->type), node->id, what,
		    (unsigned long long)message->index, message->entry_count,
		    (unsigned long long)message->commit);
	}
}
