/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a leader searches for the place where a follower's log parts from
 * its own: each refusal rules out a whole term of the one log or of the
 * other, so there are no more of them than distinct terms in the two.
 * Paper, end of 5.3.
 */
#include "sim/sim.h"

static uint64_t
terms_of(const struct sim_log *log)
{
	uint64_t terms = 0, i;

	for (i = 0; i < log->count; i++) {
		terms += i == 0 ||
		    log->entries[i].term != log->entries[i - 1].term;
	}
	return terms;
}

/* An answer to an AppendEntries leaves. */
void
sim_check_probes(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	struct sim_map *map = &world->checks.probes;
	uint64_t of = message->term << 8 | node->id;
	uint64_t leader = sim_map_get(&world->checks.leaders, message->term,
	    0), *count, *refused, terms;

	/* Nor what answers an append of an earlier office of that leader. */
	if ((leader & 0xff) != message->to || leader >> 8 !=
	    message->to_run || message->request <
	    sim_node(world, message->to)->request_floor) {
		return;
	}
	/* Index 0 of the map: how many; once it has accepted: no more. */
	count = sim_map_at(map, of, 0);
	if (!message->reject) {
		*count = UINT64_MAX;
	}
	if (*count == UINT64_MAX) {
		return;
	}
	refused = sim_map_at(map, of, message->index + 1);
	if (*refused != 0) {
		return;
	}
	*refused = 1;
	count = sim_map_at(map, of, 0);
	if (++*count < 4) {
		return;
	}
	terms = terms_of(&node->log) +
	    terms_of(&sim_node(world, message->to)->log);
	if (*count > terms + 1) {
		sim_fail(world, "probes", 1u << node->id | 1u << message->to,
		    "node %u has refused %llu places in term %llu, and there "
		    "are %llu terms in its log and in that of the leader, "
		    "node %u", node->id, (unsigned long long)*count,
		    (unsigned long long)message->term,
		    (unsigned long long)terms, message->to);
	}
}
