/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clock that all nodes read.  They are processes of one host and share
 * one CLOCK_MONOTONIC: it never goes back and nobody has another one
 * (OWN_RATE() is 1 for all: other rates are a mutant, and found).  It
 * can stall, jump ahead and run at another rate, against everything that
 * takes time in the world: messages, disks, pauses.
 *
 *	world->now_ns	the world's own time, of events
 *	sim_clock()	what a node is told
 */
#include "sim/sim.h"

#define RATE_ONE	1000u
#define OWN_RATE(id)	RATE_ONE

/* a * rate, which may be a long time */
static uint64_t
scale(uint64_t a, uint32_t rate)
{
	return a / RATE_ONE * rate + a % RATE_ONE * rate / RATE_ONE;
}

/* How long it takes to get ahead so far, rounded up. */
static uint64_t
unscale(uint64_t ahead, uint32_t rate)
{
	return ahead / rate * RATE_ONE +
	    (ahead % rate * RATE_ONE + rate - 1) / rate;
}

void
sim_clock_init(struct sim_world *world)
{
	world->clock = (struct sim_clock){
		.since_ns = world->now_ns, .base_ns = world->now_ns,
		.rate = RATE_ONE,
	};
}

uint64_t
sim_clock(const struct sim_world *world)
{
	const struct sim_clock *clock = &world->clock;

	return clock->base_ns + scale(world->now_ns - clock->since_ns,
	    clock->rate);
}

uint64_t
sim_clock_when(const struct sim_world *world, uint64_t at_ns)
{
	const struct sim_clock *clock = &world->clock;
	uint64_t when;

	if (at_ns <= sim_clock(world)) {
		return world->now_ns;
	}
	if (clock->rate == 0 || at_ns == UINT64_MAX) {
		return UINT64_MAX;
	}
	when = clock->since_ns + unscale(at_ns - clock->base_ns, clock->rate);
	return when > world->now_ns ? when : world->now_ns;
}

uint64_t
sim_node_clock(const struct sim_node *node)
{
	return SIM_BEGIN_NS + scale(sim_clock(node->world) - SIM_BEGIN_NS,
	    OWN_RATE(node->id));
}

uint64_t
sim_node_clock_when(const struct sim_node *node, uint64_t at_ns)
{
	if (at_ns == UINT64_MAX || at_ns <= sim_node_clock(node)) {
		return at_ns == UINT64_MAX ? at_ns : node->world->now_ns;
	}
	return sim_clock_when(node->world, SIM_BEGIN_NS +
	    unscale(at_ns - SIM_BEGIN_NS, OWN_RATE(node->id)));
}

void
sim_clock_change(struct sim_world *world, uint64_t jump_ns, uint32_t rate)
{
	struct sim_clock *clock = &world->clock;
	uint32_t i;

	if (jump_ns == 0 && rate == clock->rate) {
		return;
	}
	clock->base_ns = sim_clock(world) + jump_ns;
	clock->since_ns = world->now_ns;
	clock->rate = rate;
	sim_story(world, 0, "the clock jumps by %llu ms and runs at %u%%",
	    (unsigned long long)(jump_ns / SIM_MS), rate / 10);
	for (i = 1; i <= world->plan.nodes; i++) {
		struct sim_node *node = sim_node(world, i);

		if (node->raft != NULL) {
			node->tick_ns = UINT64_MAX;
			sim_node_settle(node);
		}
	}
}
