/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is over has no effect: a message to or of a former run, an answer in a
 * former term, an answer to what was asked in another role or term.  And the
 * election timer starts anew only for a vote that is granted, or when a
 * leader speaks (dissertation 3.4; else one node can keep all others from
 * standing for election).
 *
 * Any step also does what is due by that time: entries that are left to be
 * sent, a learner that has caught up, an old lease that has ended.  So before
 * such a message comes, time alone is looked at (sim_node_rest()), and what
 * it brings is carried out as ever.  Then the message changes nothing: the
 * update is empty, and the core is the same but for its count of what it
 * dropped, bit by bit.
 */
#include "sim/sim.h"

#include <stddef.h>

#include "base/crc32c.h"
#include "raft/core.h"

static const char former_term[] = "answers in a former term";

static const char *is_over(const struct sim_node *,
		    const struct raft_message *);
static bool	is_empty(const struct raft_update *);
static uint32_t	print_of(const struct sim_node *);
static bool	may_reset_timer(const struct sim_node *,
		    const struct raft_message *);

static bool
is_reply(const struct raft_message *message)
{
	return message->type == RAFT_PRE_VOTE_REPLY ||
	    message->type == RAFT_VOTE_REPLY ||
	    message->type == RAFT_APPEND_REPLY ||
	    message->type == RAFT_HEARTBEAT_REPLY ||
	    message->type == RAFT_INSTALL_REPLY;
}

bool
sim_check_is_over(const struct sim_node *node,
    const struct raft_message *message)
{
	return is_over(node, message) != NULL;
}

void
sim_check_ignored_before(struct sim_node *node,
    const struct raft_message *message)
{
	node->over = is_over(node, message);
	if (node->over != NULL) {
		sim_cover(node->world, SIM_COVER_OVER);
		node->over_print = print_of(node);
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
	const struct raft *before = node->before, *after = node->raft;

	if (node->over == NULL) {
		sim_check_agreed_received(node, message);
	} else if (!is_empty(world->update) ||
	    node->over_print != print_of(node)) {
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
	sim_check_lease_vote(node, message);
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
	if (message->to_store != 0 && message->to_store != node->store_id) {
		return "was meant for another store";
	}
	if (message->from_run < node->heard_runs[message->from]) {
		return "its sender has outlived";
	}
	if (!is_reply(message)) {
		return NULL;
	}
	if (message->request < node->request_floor) {
		return "answers what was asked in another role or term";
	}
	/* Any refusal of a pre-vote counts as one, and so does any that says
	 * that the node was taken out. */
	if (message->term < raft_term(node->raft) &&
	    !(message->type == RAFT_PRE_VOTE_REPLY && message->reject) &&
	    !(message->removed && message->reject)) {
		return former_term;
	}
	return NULL;
}

/* There is nothing to be done; first_index and view_wanted only repeat what
 * the core is like. */
static bool
is_empty(const struct raft_update *update)
{
	return update->result == ERR_OK && update->persist_seq == 0 &&
	    !update->hard_state_changed && update->truncate_from == 0 &&
	    update->entry_count == 0 && update->snapshot == NULL &&
	    update->view_close == 0 && update->chunk == NULL &&
	    update->receive_forget == 0 && !update->promises_changed &&
	    update->message_count == 0 && update->read_count == 0;
}

#define PART(r, from, to)						      \
	(const uint8_t *)(r) + offsetof(struct raft, from),		      \
	    offsetof(struct raft, to) - offsetof(struct raft, from)

/*
 * All of the core but the inputs of a step, the count of what was dropped,
 * and what is not in use.  Who answers in a former term has at least shown
 * which run it is.
 */
static uint32_t
print_of(const struct sim_node *node)
{
	const struct raft *r = node->raft;
	uint32_t crc = crc32c(0, PART(r, hard, latched)), i;

	crc = crc32c(crc, PART(r, persist_seq, dropped));
	if (node->over != former_term) {
		crc = crc32c(crc, PART(r, sighting_clock, configurations));
	}
	crc = crc32c(crc, PART(r, withhold_ns, progress));
	for (i = 0; i < r->progress_count; i++) {
		crc = crc32c(crc, &r->progress[i],
		    offsetof(struct progress, inflight));
	}
	crc = crc32c(crc, PART(r, round_request, reads));
	crc = crc32c(crc, r->reads, r->read_count * sizeof(r->reads[0]));
	return crc32c(crc, &r->log, offsetof(struct history, runs));
}

#undef PART

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
