/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is over has no effect: a message to or of a former run, an answer in a
 * former term, an answer to what was asked in another role or term.  And the
 * election timer starts anew only for a vote that is granted, or when a
 * leader speaks (dissertation 3.4; else one node can keep all others from
 * standing for election).
 */
#include "sim/sim.h"

#include "raft/core.h"

static const char *is_over(const struct sim_node *,
		    const struct raft_message *);
static bool	is_promotion(const struct raft_update *);
static bool	answers(const struct raft_update *);
static bool	may_reset_timer(const struct sim_node *,
		    const struct raft_message *);

static bool
is_reply(const struct raft_message *message)
{
	return message->type == RAFT_PRE_VOTE_REPLY ||
	    message->type == RAFT_VOTE_REPLY ||
	    message->type == RAFT_APPEND_REPLY ||
	    message->type == RAFT_HEARTBEAT_REPLY;
}

void
sim_check_ignored_before(struct sim_node *node,
    const struct raft_message *message)
{
	node->over = is_over(node, message);
	if (node->over != NULL) {
		return;
	}
	/* An answer may be dropped for a reason of the core's. */
	if (!is_reply(message) &&
	    message->from_run > node->heard_runs[message->from]) {
		node->heard_runs[message->from] = message->from_run;
	}
	sim_check_agreed_before(node, message);
}

/* After the step: node->before is the state before it. */
void
sim_check_ignored(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	const struct raft_update *update = world->update;
	const struct raft *before = node->before, *after = node->raft;
	/* The old lease is over: that is a matter of time, not of messages. */
	bool has_waited = before->lease_waits && !after->lease_waits;

	if (node->over == NULL) {
		sim_check_agreed_received(node, message);
	} else if ((update->persist_seq != 0 && !is_promotion(update)) ||
	    answers(update) ||
	    raft_role(before) != raft_role(after) ||
	    raft_term(before) != raft_term(after) ||
	    (!has_waited && (update->read_count != 0 ||
	    raft_commit_index(before) != raft_commit_index(after)))) {
		sim_fail(world, "ignored", 1u << node->id |
		    1u << message->from, "node %u acts on a %s of node %u, "
		    "which %s", node->id, raft_message_type_name(
		    message->type), message->from, node->over);
		return;
	}
	if (raft_role(before) == raft_role(after) &&
	    raft_role(after) != RAFT_LEADER &&
	    raft_term(before) == raft_term(after) &&
	    before->election_deadline_ns != after->election_deadline_ns &&
	    !may_reset_timer(node, message)) {
		sim_fail(world, "timer", 1u << node->id | 1u << message->from,
		    "the election timer of node %u starts anew with a %s of "
		    "node %u", node->id, raft_message_type_name(
		    message->type), message->from);
	}
}

/* What was asked so far will not be of interest in the new role. */
void
sim_check_ignored_role(struct sim_node *node)
{
	node->request_floor = node->request_last + 1;
}

void
sim_check_ignored_sent(struct sim_node *node,
    const struct raft_message *message)
{
	if (!is_reply(message) && message->request > node->request_last) {
		node->request_last = message->request;
	}
}

static const char *
is_over(const struct sim_node *node, const struct raft_message *message)
{
	if (message->to_run != 0 && message->to_run != node->run) {
		return "was meant for a former run";
	}
	if (message->from_run < node->heard_runs[message->from]) {
		return "its sender has outlived";
	}
	if (!is_reply(message)) {
		return NULL;
	}
	/* Any refusal of a pre-vote counts as one. */
	if (message->term < raft_term(node->raft) &&
	    !(message->type == RAFT_PRE_VOTE_REPLY && message->reject)) {
		return "answers in a former term";
	}
	if (message->request < node->request_floor) {
		return "answers what was asked in another role or term";
	}
	return NULL;
}

/*
 * Any event lets a leader notice that a learner has caught up meanwhile: it
 * appends one configuration, and that is all it writes.
 */
static bool
is_promotion(const struct raft_update *update)
{
	return update->entry_count == 1 && update->truncate_from == 0 &&
	    !update->hard_state_changed && update->snapshot == NULL &&
	    update->entries[0].type == RAFT_ENTRY_CONFIGURATION;
}

/* Any event lets a leader send entries that were due. */
static bool
answers(const struct raft_update *update)
{
	uint32_t i;

	for (i = 0; i < update->message_count; i++) {
		if (update->messages[i].type != RAFT_APPEND) {
			return true;
		}
	}
	return false;
}

static bool
may_reset_timer(const struct sim_node *node,
    const struct raft_message *message)
{
	const struct raft_update *update = node->world->update;
	uint32_t i;

	if (message->type == RAFT_APPEND || message->type == RAFT_HEARTBEAT ||
	    message->type == RAFT_INSTALL ||
	    message->type == RAFT_TIMEOUT_NOW) {
		return message->term >= raft_term(node->before);
	}
	for (i = 0; i < update->message_count; i++) {
		if (update->messages[i].type == RAFT_VOTE_REPLY &&
		    !update->messages[i].reject) {
			return true;
		}
	}
	return false;
}
