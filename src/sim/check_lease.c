/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases: at no instant could two nodes answer reads alone, nobody commits
 * while a leader of an earlier term could, and what is answered by a lease is
 * of the latest term in which anything was committed.  And what this rests
 * on: a promise is in the page before it is acknowledged, TimeoutNow leaves
 * when the lease has been given up, who does not know its promises votes for
 * nobody, who has promised to somebody alive votes for nobody else unless
 * told of a death.
 *
 * Paused nodes count as well: it is what they would do if they went on now.
 */
#include "sim/sim.h"

static bool
could_answer(const struct sim_node *node)
{
	return node->raft != NULL && !node->dying &&
	    raft_lease_end_ns(node->raft) > sim_node_clock(node);
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

/*
 * It is in the page already, which outlives the node; or one to a later run
 * is, and this one to the dead means nothing.
 */
static bool
has_promised(const struct sim_node *node, const struct raft_message *message)
{
	uint32_t i;

	for (i = 0; i < node->promise_count; i++) {
		const struct raft_promise *promise = &node->promises[i];

		if (promise->leader == message->to &&
		    (promise->run > message->to_run ||
		    (promise->run == message->to_run &&
		    promise->end_ns >= message->lease_end_ns))) {
			return true;
		}
	}
	return false;
}

/* A message leaves. */
void
sim_check_lease_sent(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	bool votes = message->type == RAFT_VOTE ||
	    message->type == RAFT_PRE_VOTE ||
	    ((message->type == RAFT_VOTE_REPLY ||
	    message->type == RAFT_PRE_VOTE_REPLY) && !message->reject);

	if (message->type == RAFT_HEARTBEAT_REPLY && !message->reject &&
	    message->lease_end_ns > sim_node_clock(node) &&
	    !has_promised(node, message)) {
		sim_fail(world, "lease-promise", 1u << node->id |
		    1u << message->to, "node %u acknowledges a promise to "
		    "node %u that is not in its page", node->id, message->to);
	}
	if (message->type == RAFT_TIMEOUT_NOW && could_answer(node)) {
		sim_fail(world, "lease-transfer", 1u << node->id |
		    1u << message->to, "node %u tells node %u to take over, "
		    "and has a lease", node->id, message->to);
	}
	if (votes && sim_node_clock(node) < node->withhold_ns) {
		sim_fail(world, "lease-withheld", 1u << node->id |
		    1u << message->to, "node %u sends a %s and does not know "
		    "what it has promised", node->id,
		    raft_message_type_name(message->type));
	}
}

void
sim_check_lease_vote(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	const struct raft_update *update = world->update;
	const struct raft_promise *promise;
	bool granted = false;
	uint32_t i;

	if ((message->type != RAFT_VOTE && message->type != RAFT_PRE_VOTE) ||
	    message->leader_dead || world->failed) {
		return;
	}
	for (i = 0; i < update->message_count; i++) {
		granted = granted || ((update->messages[i].type ==
		    RAFT_VOTE_REPLY || update->messages[i].type ==
		    RAFT_PRE_VOTE_REPLY) && !update->messages[i].reject);
	}
	for (i = 0; granted && i < node->promise_count; i++) {
		promise = &node->promises[i];
		if (promise->end_ns > sim_node_clock(node) &&
		    promise->leader != message->from &&
		    sim_node(world, promise->leader)->raft != NULL &&
		    sim_node(world, promise->leader)->run == promise->run) {
			sim_fail(world, "lease-vote", 1u << node->id |
			    1u << message->from | 1u << promise->leader,
			    "node %u votes for node %u, and has promised node "
			    "%u, which lives, to wait", node->id,
			    message->from, promise->leader);
			return;
		}
	}
}
