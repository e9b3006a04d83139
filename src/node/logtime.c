/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log time: what the leader stamps commands with (docs/KV.md, "Log time").
 *
 *	a base	the log time of what was applied when it became leader, or
 *		when an entry of a former leader turned out to be later
 *	plus	what CLOCK_MONOTONIC has gone on since
 *
 * Never decreasing, never a wall clock, standing still without a leader, and
 * never faster than CLOCK_MONOTONIC.
 *
 * Keys expire at the entry whose stamp has reached their time.  In an idle
 * cluster the leader sees to that: a TICK when something is due, one at a
 * time, TICK_EVERY_NS apart; at once when a read waits for it.
 */
#include "kv/kv.h"
#include "node/node.h"

#define TICK_EVERY_NS	10000000ull
#define TICK_SIZE_MAX	64

static bool	tick_is_pending(const struct node *);

uint64_t
node_log_time(const struct node *node)
{
	uint64_t at_ns = node->term_log_time_ns +
	    (node->now_ns - node->term_began_ns);

	return at_ns > node->log_time_ns ? at_ns : node->log_time_ns;
}

void
node_log_time_begin(struct node *node)
{
	node->term_began_ns = node->now_ns;
	node->term_log_time_ns = node->log_time_ns;
	node->tick_index = 0;
	node->tick_again_ns = 0;
}

void
node_log_time_applied(struct node *node, uint64_t log_time_ns,
    uint64_t next_expiry_ns)
{
	node->next_expiry_ns = next_expiry_ns;
	if (node->role == RAFT_LEADER && log_time_ns > node_log_time(node)) {
		node->term_began_ns = node->now_ns;
		node->term_log_time_ns = log_time_ns;
	}
	if (log_time_ns > node->log_time_ns) {
		node->log_time_ns = log_time_ns;
	}
}

bool
node_tick_turn(struct node *node)
{
	return node->now_ns >= node_tick_at(node) && node_tick(node) != 0;
}

uint64_t
node_tick_at(const struct node *node)
{
	uint64_t log_time_ns = node_log_time(node), at_ns = node->now_ns;

	if (node->role != RAFT_LEADER || node->next_expiry_ns == UINT64_MAX ||
	    tick_is_pending(node)) {
		return UINT64_MAX;
	}
	if (node->next_expiry_ns > log_time_ns) {
		at_ns += node->next_expiry_ns - log_time_ns;
	}
	return at_ns > node->tick_again_ns ? at_ns : node->tick_again_ns;
}

uint64_t
node_tick(struct node *node)
{
	struct kv_command command = {
	    .op = KV_OP_TICK,
	    .stamp_ns = node_log_time(node),
	};
	struct raft_event event = { .type = RAFT_EVENT_PROPOSE };
	struct raft_entry entry = { .type = RAFT_ENTRY_COMMAND };
	uint8_t bytes[TICK_SIZE_MAX];
	int size;

	if (tick_is_pending(node)) {
		return node->tick_index;
	}
	node->tick_again_ns = node->now_ns + TICK_EVERY_NS;
	size = kv_command_encode(&command, bytes, sizeof(bytes));
	if (size < 0 || node->role != RAFT_LEADER || node->state_full ||
	    !node_has_room(node, (uint64_t)size, 1)) {
		return 0;
	}
	entry.size = (uint32_t)size;
	entry.data = bytes;
	entry.checksum = raft_entry_checksum(entry.type, bytes, entry.size);
	event.propose.entries = &entry;
	event.propose.count = 1;
	node_step(node, &event);
	if (node->update->result != ERR_OK) {
		return 0;
	}
	node->tick_index = entry.index;
	node->tick_term = entry.term;
	return entry.index;
}

static bool
tick_is_pending(const struct node *node)
{
	return node->tick_index > node->applied_index &&
	    node->tick_term == node->term;
}
