/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a leader searches for the place where a follower's log parts from
 * its own: each refusal rules out a whole term of the one log or of the
 * other, so there are no more of them than distinct terms in the two.
 * Paper, end of 5.3.
 */
#include "sim/sim.h"

static uint64_t
terms_of(const struct sim_log *committed, const struct sim_log *log)
{
	uint64_t terms = 0, last = 0, i, term;

	for (i = 0; i < log->count; i++) {
		/* What is cut off was committed. */
		term = i < log->base ? committed->entries[i].term :
		    log->entries[i].term;
		terms += term != last;
		last = term;
	}
	return terms;
}

/* An answer to an AppendEntries leaves, or a snapshot is in place. */
void
sim_check_probes(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	struct sim_map *map = &world->checks.probes;
	uint64_t of = message->term << 16 | node->store_id;
	uint64_t leader = sim_map_get(&world->checks.leaders, message->term,
	    0), *count, *refused, *run, runs, terms;

	/* Nor what answers an append of an earlier office of that leader, or
	 * one of a run that is over. */
	if ((leader & 0xff) != message->to || leader >> 8 !=
	    message->to_run || message->to_run !=
	    sim_node(world, message->to)->run || message->request <
	    sim_node(world, message->to)->request_floor) {
		return;
	}
	/* Index 0 of the map: how many; once it has accepted: no more. */
	count = sim_map_at(map, of, 0);
	if (!message->reject || message->type == RAFT_INSTALL_REPLY) {
		*count = UINT64_MAX;
	}
	if (*count == UINT64_MAX) {
		return;
	}
	if (message->index <= sim_node(world, message->to)->log.base) {
		return;		/* no search: where its log begins, began */
	}
	refused = sim_map_at(map, of, message->index + 1);
	if (*refused != 0) {
		return;
	}
	*refused = 1;
	/* A new run is searched anew. */
	run = sim_map_at(map, of, UINT64_MAX);
	runs = *run & 0xff;
	if (*run >> 8 != node->run && runs < 0xff) {
		runs++;
	}
	*run = node->run << 8 | runs;
	count = sim_map_at(map, of, 0);
	if (++*count < 4) {
		return;
	}
	terms = terms_of(&world->checks.committed, &node->log) +
	    terms_of(&world->checks.committed,
	    &sim_node(world, message->to)->log);
	if (*count > (terms + 1) * runs) {
		sim_fail(world, "probes", 1u << node->id | 1u << message->to,
		    "node %u has refused %llu places in term %llu, and there "
		    "are %llu terms in its log and in that of the leader, "
		    "node %u", node->id, (unsigned long long)*count,
		    (unsigned long long)message->term,
		    (unsigned long long)terms, message->to);
	}
}
