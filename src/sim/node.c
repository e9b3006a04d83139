/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The twin of src/node: one event in, its effects out, in the order of
 * node/effects.c.  Between any two effects the node can die.
 *
 *	1. persist	copied into the log, handed to the disk
 *	   role		what follows from a change of office
 *	2. send		at once, or when durable_seq has reached after_seq
 *	3. commit, reads
 *
 * After every step the core's own invariants and the checkers that concern
 * one step are looked at.
 */
#include "sim/sim.h"
#include "sim/tla.h"

#include <assert.h>
#include <string.h>

#define TICKS_MAX	64	/* at one time; an append a peer each */

static void	take_durable(struct sim_node *);
static void	node_persist(struct sim_node *);
static void	node_role_changes(struct sim_node *);
static void	node_messages(struct sim_node *);
static void	node_shorts(struct sim_node *);

/* True: the node dies here, nothing more is done. */
bool
sim_crash_here(struct sim_node *node, enum sim_cover point)
{
	if (node->dying) {
		return true;
	}
	if (node->crash_in == 0 || --node->crash_in > 0) {
		return false;
	}
	node->dying = true;
	sim_cover(node->world, point);
	sim_story(node->world, node->id, "dies: %s", sim_cover_texts[point]);
	return true;
}

void
sim_node_step(struct sim_node *node, struct raft_event *event)
{
	struct sim_world *world = node->world;
	struct raft_update *update = world->update;
	uint32_t i;

	if (node->dying || world->failed) {
		return;
	}
	event->now_ns = sim_node_clock(node);
	event->random = prng_next(&world->prng_core);
	raft_shadow(node->before, node->raft);
	tla_before(node);
	raft_step(node->raft, event, update);
	tla_after(node, event);
	sim_check_core(node);
	if (world->failed) {
		return;
	}
	if (event->type == RAFT_EVENT_PERSISTED) {
		take_durable(node);
	}
	sim_snap_effects(node, event);
	if (world->failed) {
		return;
	}
	if (update->persist_seq != 0) {
		if (sim_crash_here(node, SIM_COVER_CRASH_BEFORE_PERSIST)) {
			return;
		}
		node_persist(node);
		if (sim_crash_here(node, SIM_COVER_CRASH_AFTER_PERSIST)) {
			return;
		}
	}
	if (update->promises_changed) {
		node->promise_count = update->promise_count;
		memcpy(node->promises, update->promises,
		    update->promise_count * sizeof(update->promises[0]));
	}
	node_role_changes(node);
	if (node->role == RAFT_LEADER && update->persist_seq != 0) {
		sim_check_agreed_members(node);
	}
	if (node->role == RAFT_LEADER) {
		sim_check_member(node);
	}
	sim_check_append_only(node);
	node_messages(node);
	if (node->dying || world->failed) {
		return;
	}
	sim_snap_cut(node);
	sim_check_lease_commit(node, update->commit_index);
	sim_check_commit(node, update->commit_index);
	sim_check_monotony(node);
	if (update->commit_index > node->commit_index) {
		node->commit_index = update->commit_index;
	}
	for (i = 0; i < update->read_count; i++) {
		sim_serve_read(node, &update->reads[i]);
	}
	node->deadline_ns = update->deadline_ns;
}

void
sim_node_event(struct sim_node *node, const struct sim_event *event)
{
	struct raft_event step = { .type = RAFT_EVENT_TICK };

	switch (event->type) {
	case SIM_PACKET:
		sim_net_deliver(node, event);
		break;
	case SIM_TICK:
		if (event->at_ns == node->tick_ns) {
			node->tick_ns = UINT64_MAX;
		}
		if (sim_node_clock(node) >= node->deadline_ns) {
			sim_node_step(node, &step);
		}
		break;
	case SIM_DISK_DONE:
	case SIM_DISK_AGAIN:
		sim_disk_done(node);
		break;
	case SIM_APPLY:
		node->apply_due = false;
		sim_apply_turn(node);
		break;
	case SIM_ANSWER:
		sim_serve_leased(node, event->b);
		break;
	case SIM_SNAP:
		sim_snap_done(node, event->data);
		break;
	case SIM_REQUEST:
		sim_serve_request(node, event->data);
		break;
	case SIM_DEATH_NEWS:
		if (event->b <= node->dead_runs[event->a]) {
			break;
		}
		node->dead_runs[event->a] = event->b;
		sim_cover(node->world, SIM_COVER_DEATH_NEWS);
		step.type = RAFT_EVENT_PEER_DEAD;
		step.peer_dead.id = (uint32_t)event->a;
		step.peer_dead.run = event->b;
		step.peer_dead.delay_ns = event->size * SIM_MS / 4;
		sim_node_step(node, &step);
		break;
	case SIM_ROOM:
		/* In the liveness phase an order that waited is too late. */
		if (node->room == (enum raft_room)event->a ||
		    (node->world->calm && event->a != RAFT_ROOM_OK)) {
			break;
		}
		node->room = (enum raft_room)event->a;
		step.type = RAFT_EVENT_ROOM;
		step.room = node->room;
		sim_node_step(node, &step);
		break;
	case SIM_FAULT:
	case SIM_RESTART:
	case SIM_REPLY:
	case SIM_CLIENT:
	case SIM_CLOCK:
	case SIM_PLOT:
		assert(0);
	}
}

bool
sim_node_rest(struct sim_node *node)
{
	struct raft_event tick = { .type = RAFT_EVENT_TICK };
	/* What comes next needs no random numbers: these are its own. */
	const struct prng prng = node->world->prng_core;
	uint32_t count = 0;

	do {
		sim_node_step(node, &tick);
		sim_node_settle(node);
		if (node->raft == NULL || node->world->failed) {
			return false;
		}
		if (++count == TICKS_MAX) {
			sim_fail(node->world, "rest", 1u << node->id,
			    "node %u has something to do at once, for ever",
			    node->id);
			return false;
		}
	} while (node->deadline_ns <= sim_node_clock(node));
	node->world->prng_core = prng;
	return true;
}

void
sim_node_settle(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct sim_event tick = { .type = SIM_TICK, .node = node->id };

	if (!node->dying && !world->failed) {
		node_shorts(node);
	}
	if (world->failed) {
		return;
	}
	if (node->dying) {
		sim_node_crash(node);
		return;
	}
	sim_disk_kick(node);
	sim_apply_wake(node);
	tick.at_ns = sim_node_clock_when(node, node->deadline_ns);
	if (tick.at_ns < node->tick_ns) {
		tick.a = node->run;
		node->tick_ns = tick.at_ns;
		sim_push(world, &tick);
	}
}

/* The core knows what stayed of a log that was cut meanwhile (T41). */
static void
take_durable(struct sim_node *node)
{
	struct raft_status status;

	raft_status(node->raft, &status);
	if (status.durable_index > node->durable_index) {
		node->durable_index = status.durable_index;
	}
}

static void
node_persist(struct sim_node *node)
{
	struct sim_world *world = node->world;
	const struct raft_update *update = world->update;
	uint64_t first = node->log.count + 1, index;
	uint32_t i;

	if (update->truncate_from != 0) {
		sim_cover(world, SIM_COVER_TRUNCATIONS);
		if (update->truncate_from > node->log.count ||
		    update->truncate_from <= node->log.base) {
			sim_fail(world, "log", 1u << node->id, "node %u "
			    "truncates at %llu, its log is %llu-%llu",
			    node->id, (unsigned long long)
			    update->truncate_from,
			    (unsigned long long)node->log.base + 1,
			    (unsigned long long)node->log.count);
			return;
		}
		for (index = update->truncate_from; index <= node->log.count;
		    index++) {
			if (node->log.entries[index - 1].type ==
			    RAFT_ENTRY_CONFIGURATION) {
				sim_cover(world,
				    SIM_COVER_CHANGES_ROLLED_BACK);
			}
		}
		node->log.count = update->truncate_from - 1;
		if (update->truncate_from <= node->durable_index) {
			node->durable_index = update->truncate_from - 1;
		}
		first = update->truncate_from;
	}
	for (i = 0; i < update->entry_count; i++) {
		struct raft_entry entry = update->entries[i];

		if (entry.index != node->log.count + 1) {
			sim_fail(world, "log", 1u << node->id, "node %u "
			    "appends entry %llu after %llu", node->id,
			    (unsigned long long)entry.index,
			    (unsigned long long)node->log.count);
			return;
		}
		if (entry.size > 0) {
			void *copy = sim_alloc(world, entry.size);

			memcpy(copy, entry.data, entry.size);
			entry.data = copy;
		}
		sim_log_append(&node->log, &entry);
	}
	sim_check_matching(node, update->entry_count > 0 ?
	    &node->log.entries[first - 1] : NULL, update->entry_count);
	sim_disk_add(node, update, update->entry_count > 0 ?
	    &node->log.entries[first - 1] : NULL);
}

static void
node_role_changes(struct sim_node *node)
{
	struct sim_world *world = node->world;
	enum raft_role role = raft_role(node->raft);
	uint64_t term = raft_term(node->raft);
	bool leads = role == RAFT_LEADER;
	bool led = node->role == RAFT_LEADER;

	if (led && (!leads || term != node->term)) {
		sim_cover(world, SIM_COVER_STEP_DOWNS);
		if (node->snap.view.id != 0) {
			sim_cover(world, SIM_COVER_SENDER_DEPOSED);
		}
		sim_serve_lost(node);
	}
	if (role == RAFT_CANDIDATE && term != node->term) {
		sim_cover(world, SIM_COVER_CAMPAIGNS);
	}
	if (node->role == RAFT_CANDIDATE && (role == RAFT_PRECANDIDATE ||
	    (role == RAFT_CANDIDATE && term != node->term))) {
		sim_cover(world, SIM_COVER_SPLIT_VOTES);
	}
	if (leads && (!led || term != node->term)) {
		sim_cover(world, SIM_COVER_ELECTIONS);
		node->term_began_ns = sim_node_clock(node);
		node->term_log_time_ns = node->log_time_ns;
		sim_check_election(node);
		sim_check_completeness(node);
		sim_check_agreed_elected(node);
		sim_plot_elected(node);
	}
	if (role != node->role || term != node->term) {
		sim_check_ignored_role(node);
	}
	node->role = role;
	node->term = term;
}

static void
node_messages(struct sim_node *node)
{
	/* Sending may fail the world, but never steps the core. */
	const struct raft_update *update = node->world->update;
	uint32_t i;

	for (i = 0; i < update->message_count; i++) {
		struct raft_message message = update->messages[i];

		sim_check_ignored_sent(node, &message);
		if (node->role == RAFT_LEADER) {
			sim_check_agreed_sent(node, &message);
		}
		message.after_seq = tla_wait(node, &message);
		if (message.after_seq <= node->durable_seq) {
			sim_net_send(node, &message);
		} else if (node->waiting_count < SIM_WAITING_MAX) {
			node->waiting[node->waiting_count++] = message;
		}
		if (sim_crash_here(node, i + 1 < update->message_count ?
		    SIM_COVER_CRASH_MESSAGES :
		    SIM_COVER_CRASH_AFTER_MESSAGES) ||
		    node->world->failed) {
			return;
		}
	}
}

/* Tells the core which AppendEntries carried less than it asked for. */
static void
node_shorts(struct sim_node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_SENT };
	struct sim_short shorts[SIM_SHORT_MAX];
	uint32_t count = node->short_count, i;

	memcpy(shorts, node->shorts, count * sizeof(shorts[0]));
	node->short_count = 0;
	for (i = 0; i < count; i++) {
		event.sent.to = shorts[i].to;
		event.sent.request = shorts[i].request;
		event.sent.next_index = shorts[i].next_index;
		sim_node_step(node, &event);
	}
	if (node->short_count > 0) {
		/* What these steps sent: at the next turn, very soon. */
		node->deadline_ns = sim_node_clock(node);
	}
}
