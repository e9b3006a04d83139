/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Plots: faults that look at the nodes before they strike, for schedules
 * that chance alone does not find.  A run has one of them or none.
 *
 *	overthrow	whoever is elected reaches some nodes only, dies soon
 *			after, and an arbitrary node campaigns at once: so
 *			entries of old terms lie about on any number of nodes
 *			(Figure 8 of the paper)
 *	deposed		the leader loses touch and does not know it, while
 *			another is elected; clients go on reading at the old
 *			one, and late answers reach it
 *	late		messages and their copies come long after, when their
 *			senders and addressees have died and started again
 *
 * Everything comes from a generator of its own.
 */
#include "sim/sim.h"

static void	plot_next(struct sim_world *, uint64_t max_ns);
static void	overthrow(struct sim_world *);
static void	depose(struct sim_world *);
static void	depose_begin(struct sim_world *, struct sim_node *);
static void	kill_some(struct sim_world *);
static void	campaign(struct sim_world *, uint32_t except);
static void	join_all(struct sim_world *);

static uint64_t
below(struct sim_world *world, uint64_t bound)
{
	return prng_below(&world->prng_plot, bound);
}

/* Is it this run's plot? */
static bool
has(const struct sim_world *world, enum sim_fault plot)
{
	return (world->plan.faults >> plot & 1) != 0;
}

/* How long a message and a write take at the most. */
static uint64_t
round_ns(const struct sim_world *world)
{
	return world->plan.delay_max_ns + world->plan.disk_max_ns;
}

void
sim_plot_begin(struct sim_world *world)
{
	uint32_t from, to;

	world->deposed = 0;
	world->deposed_phase = 0;
	if (has(world, SIM_FAULT_OVERTHROW) && below(world, 2) == 0) {
		/* Writes of an office that is over before they are done. */
		for (to = 1; to <= world->plan.nodes; to++) {
			sim_node(world, to)->disk.slow_max_ns =
			    world->plan.disk_min_ns + below(world,
			    20 * world->plan.delay_max_ns);
		}
	}
	if (has(world, SIM_FAULT_LATE)) {
		for (from = 1; from <= world->plan.nodes; from++) {
			for (to = 1; to <= world->plan.nodes; to++) {
				world->links[from][to].late = 150000;
			}
		}
	}
	if (has(world, SIM_FAULT_OVERTHROW) || has(world, SIM_FAULT_DEPOSED) ||
	    has(world, SIM_FAULT_LATE)) {
		plot_next(world, world->plan.election_min_ns);
	}
}

void
sim_plot_strike(struct sim_world *world)
{
	if (world->calm) {
		return;
	}
	if (has(world, SIM_FAULT_OVERTHROW)) {
		overthrow(world);
	} else if (has(world, SIM_FAULT_DEPOSED)) {
		depose(world);
	} else {
		kill_some(world);
	}
}

/* A leader of few: the others vote for it and never hear of it again. */
void
sim_plot_elected(struct sim_node *node)
{
	struct sim_world *world = node->world;
	uint32_t id;

	if (!has(world, SIM_FAULT_OVERTHROW) || world->calm) {
		return;
	}
	for (id = 1; id <= world->plan.nodes; id++) {
		world->links[node->id][id].cut = below(world, 2) == 0;
	}
}

static void
plot_next(struct sim_world *world, uint64_t max_ns)
{
	struct sim_event event = {
		.type = SIM_PLOT, .at_ns = world->now_ns + 1 +
		    below(world, max_ns),
	};

	sim_push(world, &event);
}

static void
overthrow(struct sim_world *world)
{
	struct sim_node *leader;
	uint32_t id = sim_leader(world);

	if (id != 0 && below(world, 16) != 0) {
		leader = sim_node(world, id);
		sim_cover(world, SIM_COVER_OVERTHROWN);
		if (below(world, 3) == 0) {
			/* It lives on, and hears of the next one late. */
			join_all(world);
			sim_isolate(world, id, true);
		} else {
			join_all(world);
			sim_node_crash(leader);
		}
	}
	campaign(world, id);
	plot_next(world, 6 * round_ns(world));
}

/* Somebody campaigns, who is up and not the one. */
static void
campaign(struct sim_world *world, uint32_t except)
{
	struct raft_event event = { .type = RAFT_EVENT_TIMEOUT };
	struct sim_node *node = sim_node(world, 1 + (uint32_t)below(world,
	    world->plan.nodes));

	if (node->raft != NULL && node->id != except &&
	    world->now_ns >= node->paused_until_ns) {
		sim_node_step(node, &event);
		sim_node_settle(node);
	}
}

/*
 * Phase 1: answers to the leader take long, so that it believes in contacts
 * of the past; phase 2: nothing that it sends arrives, and somebody else is
 * elected; then all is well again for a while.
 */
static void
depose(struct sim_world *world)
{
	struct sim_node *leader;
	uint32_t id;

	switch (world->deposed_phase) {
	case 0:
		id = sim_leader(world);
		if (id == 0 || !raft_is_ready(sim_node(world, id)->raft)) {
			break;
		}
		leader = sim_node(world, id);
		world->deposed = id;
		depose_begin(world, leader);
		world->deposed_phase = 1;
		plot_next(world, world->plan.election_min_ns / 2);
		return;
	case 1:
		sim_cover(world, SIM_COVER_DEPOSED);
		for (id = 1; id <= world->plan.nodes; id++) {
			world->links[world->deposed][id].cut = true;
		}
		campaign(world, world->deposed);
		world->deposed_phase = 2;
		plot_next(world, 2 * round_ns(world));
		return;
	case 2:
		if (sim_leader(world) == world->deposed ||
		    sim_leader(world) == 0) {
			campaign(world, world->deposed);
		}
		world->deposed_phase = 3;
		plot_next(world, world->plan.election_max_ns);
		return;
	default:
		world->deposed = 0;
		world->deposed_phase = 0;
		join_all(world);
		break;
	}
	plot_next(world, world->plan.election_min_ns);
}

static void
depose_begin(struct sim_world *world, struct sim_node *leader)
{
	uint64_t max = below(world, 3) == 0 ? 0 :
	    world->plan.delay_min_ns + below(world,
	    world->plan.election_min_ns);
	uint32_t id;

	for (id = 1; id <= world->plan.nodes; id++) {
		world->links[id][leader->id].delay_max_ns = max;
	}
}

static void
kill_some(struct sim_world *world)
{
	struct sim_node *node = sim_node(world, 1 + (uint32_t)below(world,
	    world->plan.nodes));

	if (node->raft != NULL && below(world, 2) == 0) {
		sim_node_crash(node);
	} else if (below(world, 2) == 0) {
		campaign(world, 0);
	}
	plot_next(world, world->plan.election_min_ns);
}

static void
join_all(struct sim_world *world)
{
	uint32_t from, to;

	for (from = 1; from <= world->plan.nodes; from++) {
		for (to = 1; to <= world->plan.nodes; to++) {
			world->links[from][to].cut = false;
			world->links[from][to].delay_max_ns = 0;
		}
	}
}
