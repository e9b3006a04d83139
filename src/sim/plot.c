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
 *	lease		who has a long lease is cut off, paused between a
 *			read and its answer, killed, or hands over; the
 *			voters that have promised are killed and started
 *			again; one leader after the other is elected inside
 *			that lease, while the clock stalls, or jumps to about
 *			its end
 *
 * Everything comes from a generator of its own.
 */
#include "sim/sim.h"

static void	plot_next(struct sim_world *, uint64_t max_ns);
static void	overthrow(struct sim_world *);
static void	depose(struct sim_world *);
static void	depose_begin(struct sim_world *, struct sim_node *);
static void	besiege(struct sim_world *);
static void	siege_begin(struct sim_world *, struct sim_node *);
static void	siege_blow(struct sim_world *, struct sim_node *);
static void	siege_press(struct sim_world *);
static void	siege_clock(struct sim_world *);
static void	siege_kill(struct sim_node *, enum sim_cover);
static uint64_t	lease_left(struct sim_world *, uint32_t id);
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
	world->siege = (struct sim_siege){ 0 };
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
	    has(world, SIM_FAULT_LATE) || has(world, SIM_FAULT_LEASE)) {
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
	} else if (has(world, SIM_FAULT_LEASE)) {
		besiege(world);
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

/* It sleeps for longer than its lease, or nearly so. */
void
sim_plot_answers(struct sim_node *node)
{
	struct sim_world *world = node->world;
	uint64_t left = lease_left(world, node->id);

	if (!world->siege.armed || world->siege.leader != node->id ||
	    left == 0 || world->calm) {
		return;
	}
	world->siege.armed = false;
	sim_cover(world, SIM_COVER_SIEGE_PAUSES);
	node->paused_until_ns = world->now_ns + left - left / 8 +
	    below(world, left + 8 * round_ns(world));
	sim_story(world, node->id, "is paused until %llu ms, with an answer",
	    (unsigned long long)(node->paused_until_ns / SIM_MS));
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

/*
 * Phase 0: somebody has a lease, and something is begun; phase 1: the blow;
 * phase 2: others are elected, by force, again and again, until well after
 * its end; then all is well again for a while.
 */
static void
besiege(struct sim_world *world)
{
	struct sim_siege *siege = &world->siege;
	uint32_t id = sim_leader(world);

	switch (siege->phase) {
	case 0:
		if (id == 0 || lease_left(world, id) == 0) {
			if (id == 0) {
				campaign(world, 0);
			}
			break;
		}
		*siege = (struct sim_siege){ .phase = 1, .leader = id };
		world->deposed = id;
		siege_begin(world, sim_node(world, id));
		plot_next(world, 3 * world->plan.heartbeat_ns);
		return;
	case 1:
		siege_blow(world, sim_node(world, siege->leader));
		siege->phase = 2;
		plot_next(world, 2 * round_ns(world) +
		    world->plan.restart_max_ns);
		return;
	case 2:
		if (siege->blows++ < 8) {
			siege_press(world);
			plot_next(world, below(world, 2) == 0 ?
			    4 * round_ns(world) : world->plan.lease_ns / 2);
			return;
		}
		FALLTHROUGH;		/* enough */
	default:
		*siege = (struct sim_siege){ 0 };
		world->deposed = 0;
		join_all(world);
		sim_clock_change(world, 0, 1000);
		break;
	}
	plot_next(world, world->plan.election_max_ns);
}

/* Inside the lease, and while all can still talk. */
static void
siege_begin(struct sim_world *world, struct sim_node *leader)
{
	uint32_t few = (world->plan.nodes - 1) / 2, i;

	switch (below(world, 5)) {
	case 0:
		/* Some promise less than others. */
		for (i = 0; i < few; i++) {
			world->links[leader->id][1 + below(world,
			    world->plan.nodes)].cut = true;
		}
		break;
	case 1:
		if (has(world, SIM_FAULT_TRANSFER)) {
			sim_cover(world, SIM_COVER_SIEGE_TRANSFERS);
			(void)sim_member_transfer(leader, 0);
		}
		break;
	case 2:
		if (has(world, SIM_FAULT_MEMBER)) {
			sim_cover(world, SIM_COVER_SIEGE_CHANGES);
			sim_member_strike(world);
		}
		break;
	case 3:
		world->siege.armed = true;
		break;
	default:
		break;
	}
}

static void
siege_blow(struct sim_world *world, struct sim_node *leader)
{
	uint32_t id;

	if (world->siege.armed || world->now_ns < leader->paused_until_ns) {
		return;
	}
	switch (below(world, 5)) {
	case 0:
		siege_kill(leader, SIM_COVER_SIEGE_LEADERS);
		return;
	case 1:
		if (leader->raft != NULL) {
			leader->paused_until_ns = world->now_ns +
			    below(world, 2 * world->plan.lease_ns);
		}
		return;
	case 2:
		sim_isolate(world, leader->id, true);
		return;
	default:
		break;
	}
	/* Who could tell of the promises is started again. */
	sim_isolate(world, leader->id, true);
	for (id = 1; id <= world->plan.nodes; id++) {
		if (id != leader->id) {
			siege_kill(sim_node(world, id),
			    SIM_COVER_SIEGE_VOTERS);
		}
	}
}

static void
siege_press(struct sim_world *world)
{
	uint32_t first = world->siege.leader, id = sim_leader(world);
	struct sim_node *node;

	if (has(world, SIM_FAULT_CLOCK)) {
		siege_clock(world);
	}
	if (id != 0 && id != first && lease_left(world, first) != 0) {
		sim_cover(world, SIM_COVER_SIEGE_ELECTED);
	}
	if (id == 0 || id == first) {
		campaign(world, first);
	} else if (below(world, 3) == 0) {
		siege_kill(sim_node(world, id), SIM_COVER_SIEGE_LEADERS);
	}
	node = sim_node(world, 1 + (uint32_t)below(world, world->plan.nodes));
	if (node->id != first && below(world, 4) == 0) {
		siege_kill(node, SIM_COVER_SIEGE_VOTERS);
	}
}

static void
siege_clock(struct sim_world *world)
{
	uint64_t left = lease_left(world, world->siege.leader);
	uint64_t span = 2 * round_ns(world);

	switch (below(world, 8)) {
	case 0:
		sim_cover(world, SIM_COVER_SIEGE_CLOCKS);
		sim_clock_change(world, 0, 0);
		break;
	case 1:
		sim_clock_change(world, 0, 100 + (uint32_t)below(world,
		    3900));
		break;
	case 2:
		if (left > span) {
			sim_cover(world, SIM_COVER_SIEGE_CLOCKS);
			sim_clock_change(world, left - span / 2 +
			    below(world, span), 1000);
		}
		break;
	default:
		sim_clock_change(world, 0, 1000);
		break;
	}
}

static void
siege_kill(struct sim_node *node, enum sim_cover what)
{
	if (node->raft != NULL) {
		if (lease_left(node->world, node->world->siege.leader) != 0) {
			sim_cover(node->world, what);
		}
		sim_node_crash(node);
	}
}

/* 0: it has no lease. */
static uint64_t
lease_left(struct sim_world *world, uint32_t id)
{
	const struct sim_node *node = sim_node(world, id);
	uint64_t end_ns = node->raft == NULL ? 0 :
	    raft_lease_end_ns(node->raft);

	return end_ns > sim_node_clock(node) ?
	    end_ns - sim_node_clock(node) : 0;
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
