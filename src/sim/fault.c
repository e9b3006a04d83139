/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes wrong, and when: at random times one of the kinds that the plan
 * allows strikes, a random node or link, or the leader.
 *
 * Stores that are lost for good (failed write, wiped) stay a minority: what
 * Raft cannot survive proves nothing.
 */
#include "sim/sim.h"

static void	fault_next(struct sim_world *);
static struct sim_node *victim(struct sim_world *);
static void	strike_crash(struct sim_world *);
static void	strike_pause(struct sim_world *);
static void	strike_partition(struct sim_world *);
static void	strike_links(struct sim_world *, enum sim_fault);
static void	strike_disk(struct sim_world *, enum sim_fault);
static void	strike_store(struct sim_world *, enum sim_fault);
static void	strike_clock(struct sim_world *);
static void	strike_timeout(struct sim_world *);
static void	strike_snapshot(struct sim_node *);
static void	send_room(struct sim_node *, enum raft_room, uint64_t);
static void	step_down(struct sim_node *);

static uint64_t
below(struct sim_world *world, uint64_t bound)
{
	return prng_below(&world->prng_fault, bound);
}

void
sim_fault_begin(struct sim_world *world)
{
	uint32_t from, to;

	for (from = 1; from <= world->plan.nodes; from++) {
		for (to = 1; to <= world->plan.nodes; to++) {
			world->links[from][to] = (struct sim_link){ 0 };
		}
	}
	if ((world->plan.faults & ~SIM_PLOTS) != 0) {
		fault_next(world);
	}
}

void
sim_fault_strike(struct sim_world *world)
{
	enum sim_fault kinds[SIM_FAULT_COUNT], kind;
	struct sim_node *node;
	uint32_t count = 0, i;

	if (world->calm) {
		return;
	}
	fault_next(world);
	for (i = 0; i < SIM_FAULT_COUNT; i++) {
		if ((world->plan.faults & ~SIM_PLOTS & 1u << i) != 0) {
			kinds[count++] = (enum sim_fault)i;
		}
	}
	kind = kinds[below(world, count)];
	node = victim(world);
	switch (kind) {
	case SIM_FAULT_CRASH:
		strike_crash(world);
		break;
	case SIM_FAULT_PAUSE:
		strike_pause(world);
		break;
	case SIM_FAULT_PARTITION:
		strike_partition(world);
		break;
	case SIM_FAULT_LOSS:
	case SIM_FAULT_DELAY:
	case SIM_FAULT_DUPLICATE:
	case SIM_FAULT_REORDER:
		strike_links(world, kind);
		break;
	case SIM_FAULT_DISK:
	case SIM_FAULT_FULL:
		strike_disk(world, kind);
		break;
	case SIM_FAULT_FAIL:
	case SIM_FAULT_WIPE:
	case SIM_FAULT_OLD:
		strike_store(world, kind);
		break;
	case SIM_FAULT_TIMEOUT:
		strike_timeout(world);
		break;
	case SIM_FAULT_SHORT:
		node->carry_max = (uint32_t)below(world, 3);
		break;
	case SIM_FAULT_CLOCK:
		strike_clock(world);
		break;
	case SIM_FAULT_MEMBER:
		sim_member_strike(world);
		break;
	case SIM_FAULT_TRANSFER:
		sim_member_strike_transfer(world);
		break;
	case SIM_FAULT_SNAPSHOT:
		strike_snapshot(node);
		break;
	case SIM_FAULT_REPLACE:
		sim_member_strike_replace(world);
		break;
	case SIM_FAULT_OVERTHROW:	/* see plot.c */
	case SIM_FAULT_DEPOSED:
	case SIM_FAULT_LATE: case SIM_FAULT_LEASE:
	case SIM_FAULT_DEATH:		/* a crash is followed by news */
	case SIM_FAULT_COUNT:
		break;
	}
}

/* Everything as it was planned; who is down is started by the caller. */
void
sim_fault_heal(struct sim_world *world)
{
	uint32_t from, to;

	sim_clock_change(world, 0, 1000);
	for (from = 1; from <= world->plan.nodes; from++) {
		struct sim_node *node = sim_node(world, from);

		node->paused_until_ns = 0;
		node->crash_in = 0;
		node->carry_max = 0;
		node->disk.full = node->disk.failing = false;
		node->disk.slow_max_ns = 0;
		memory_table_fail_write(node->table, 0, 0);
		if (node->raft != NULL) {
			send_room(node, RAFT_ROOM_OK, 0);
		}
		for (to = 1; to <= world->plan.nodes; to++) {
			struct sim_link *link = &world->links[from][to];

			link->cut = false;
			link->loss = link->duplicate = link->reorder = 0;
			link->late = 0;
			link->delay_max_ns = 0;
		}
	}
}

void
sim_isolate(struct sim_world *world, uint32_t id, bool cut)
{
	uint32_t other;

	for (other = 1; other <= world->plan.nodes; other++) {
		world->links[id][other].cut = cut && other != id;
		world->links[other][id].cut = cut && other != id;
	}
}

static void
fault_next(struct sim_world *world)
{
	struct sim_event event = {
		.type = SIM_FAULT,
		.at_ns = world->now_ns + 1 + prng_below(&world->prng_fault,
		    2 * world->plan.fault_gap_ns),
	};

	sim_push(world, &event);
}

/* One node, the leader more often than others. */
static struct sim_node *
victim(struct sim_world *world)
{
	uint32_t leader = sim_leader(world);
	uint32_t id = 1 + (uint32_t)below(world, world->plan.nodes);

	return sim_node(world, leader != 0 && below(world, 3) == 0 ?
	    leader : id);
}

static void
strike_crash(struct sim_world *world)
{
	struct sim_node *node = victim(world);
	uint64_t draw = below(world, 12);
	uint32_t id, count = world->plan.nodes;

	if (draw == 0 || draw == 1) {
		if (draw == 1) {
			count = world->plan.nodes / 2 + 1;
			sim_cover(world, SIM_COVER_CRASH_MAJORITY);
		} else {
			sim_cover(world, SIM_COVER_CRASH_ALL);
		}
		for (id = 1; id <= count; id++) {
			if (sim_node(world, id)->raft != NULL) {
				sim_node_crash(sim_node(world, id));
			}
		}
		return;
	}
	if (draw < 4) {
		if (node->raft != NULL) {
			sim_cover(world, SIM_COVER_CRASH_IDLE);
			sim_node_crash(node);
		}
		return;
	}
	/* At one of the next effects, whatever that is. */
	node->crash_in = 1 + below(world, 30);
}

static void
strike_pause(struct sim_world *world)
{
	struct sim_node *node = victim(world);

	if (node->raft == NULL) {
		return;
	}
	sim_cover(world, SIM_COVER_PAUSES);
	if (node->role == RAFT_LEADER) {
		sim_cover(world, SIM_COVER_LEADER_PAUSES);
	}
	node->paused_until_ns = world->now_ns +
	    below(world, 4 * world->plan.election_max_ns);
	sim_story(world, node->id, "is paused until %llu ms",
	    (unsigned long long)(node->paused_until_ns / SIM_MS));
}

static void
strike_partition(struct sim_world *world)
{
	uint32_t side = (uint32_t)prng_next(&world->prng_fault);
	uint64_t draw = below(world, 4);
	uint32_t from, to, a, b;

	sim_story(world, 0, draw == 0 ? "the network is whole again" :
	    draw == 3 ? "one direction of one link is cut" :
	    draw == 2 ? "some links are cut in one direction" :
	    "the network is parted");
	if (draw == 3) {
		a = 1 + (uint32_t)below(world, world->plan.nodes);
		b = 1 + (uint32_t)below(world, world->plan.nodes);
		world->links[a][b].cut = true;
		sim_cover(world, SIM_COVER_CUT_ASYMMETRIC);
		return;
	}
	if (draw == 1) {
		sim_cover(world, SIM_COVER_CUT_SYMMETRIC);
	} else if (draw == 2) {
		sim_cover(world, SIM_COVER_CUT_ASYMMETRIC);
	}
	for (from = 1; from <= world->plan.nodes; from++) {
		for (to = 1; to <= world->plan.nodes; to++) {
			bool apart = (side >> from & 1) != (side >> to & 1);

			world->links[from][to].cut = draw == 1 ? apart :
			    draw == 2 && apart && (side >> from & 1) != 0;
		}
	}
}

static void
strike_links(struct sim_world *world, enum sim_fault kind)
{
	uint32_t from, to;
	bool one = below(world, 2) == 0;
	uint32_t rate = below(world, 3) == 0 ? 0 :
	    (uint32_t)below(world, 400000);
	uint64_t delay = below(world, 3) == 0 ? 0 :
	    world->plan.delay_max_ns + below(world,
	    2 * world->plan.election_min_ns);
	uint32_t only = 1 + (uint32_t)below(world, world->plan.nodes);

	for (from = 1; from <= world->plan.nodes; from++) {
		for (to = 1; to <= world->plan.nodes; to++) {
			struct sim_link *link = &world->links[from][to];

			if (one && from != only && to != only) {
				continue;
			}
			if (kind == SIM_FAULT_LOSS) {
				link->loss = rate;
			} else if (kind == SIM_FAULT_DUPLICATE) {
				link->duplicate = rate;
			} else if (kind == SIM_FAULT_REORDER) {
				link->reorder = rate;
			} else {
				link->delay_max_ns = delay;
			}
		}
	}
}

static void
strike_disk(struct sim_world *world, enum sim_fault kind)
{
	struct sim_node *node = victim(world);
	uint64_t span = below(world, 3 * world->plan.election_max_ns);
	bool over = below(world, 3) == 0;

	if (kind == SIM_FAULT_DISK) {
		node->disk.slow_max_ns = over ? 0 : 1 + span;
		if (!over) {
			sim_cover(world, SIM_COVER_DISK_SLOW);
		}
		if (!over && below(world, 3) == 0) {
			step_down(node);
		}
		return;
	}
	if (node->raft == NULL) {
		return;
	}
	switch (below(world, 4)) {
	case 0:
		memory_table_fail_write(node->table, 1 + below(world, 40),
		    ERR_FULL);
		break;
	case 1:
		send_room(node, RAFT_ROOM_LOW, 0);
		send_room(node, RAFT_ROOM_OK, span);
		break;
	case 2:
		send_room(node, RAFT_ROOM_NONE, 0);
		send_room(node, RAFT_ROOM_OK, span);
		break;
	case 3:
		node->disk.full = !node->disk.full;
		break;
	}
}

static void
strike_store(struct sim_world *world, enum sim_fault kind)
{
	struct sim_node *node = victim(world);

	if (kind == SIM_FAULT_OLD) {
		if (node->raft != NULL) {
			sim_node_crash(node);
			sim_disk_replace(node, false);
		}
		return;
	}
	if (node->lost || node->disk.wiped || node->disk.failing ||
	    world->lost_count + 1 > (world->plan.nodes - 1) / 2) {
		return;
	}
	if (kind == SIM_FAULT_FAIL) {
		world->lost_count++;
		node->disk.failing = true;
	} else if (node->raft != NULL) {
		world->lost_count++;
		sim_node_crash(node);
		sim_disk_replace(node, true);
	}
}

/* For all nodes at once: there is one clock. */
static void
strike_clock(struct sim_world *world)
{
	uint64_t span = 1 + below(world, 3 * world->plan.election_max_ns);
	struct sim_event event = {
		.type = SIM_CLOCK, .at_ns = world->now_ns + span, .a = 1000,
	};

	switch (below(world, 4)) {
	case 0:
		sim_cover(world, SIM_COVER_CLOCK_STALLS);
		sim_clock_change(world, 0, 0);
		sim_push(world, &event);
		break;
	case 1:
		sim_cover(world, SIM_COVER_CLOCK_RATES);
		sim_clock_change(world, 0, 100 + (uint32_t)below(world,
		    3900));
		break;
	default:
		sim_cover(world, SIM_COVER_CLOCK_JUMPS);
		sim_clock_change(world, span, 1000);
		break;
	}
}

static void
strike_timeout(struct sim_world *world)
{
	struct raft_event timeout = { .type = RAFT_EVENT_TIMEOUT };
	struct sim_node *node;
	uint32_t i;

	for (i = 1; i <= world->plan.nodes; i++) {
		node = sim_node(world, i);
		if (node->raft != NULL && below(world, 2) == 0 &&
		    world->now_ns >= node->paused_until_ns) {
			sim_cover(world, SIM_COVER_TIMEOUTS);
			sim_node_step(node, &timeout);
			sim_node_settle(node);
		}
	}
}

/*
 * An operator wants one now, of this node; or nodes fall behind the log of
 * the others, or come back to it.
 */
static void
strike_snapshot(struct sim_node *node)
{
	struct sim_world *world = node->world;
	uint32_t id;

	switch (below(world, 4)) {
	case 0:
		sim_isolate(world, node->id, true);
		id = 1 + (uint32_t)below(world, world->plan.nodes);
		if (world->plan.nodes > 3) {
			sim_isolate(world, id, true);
		}
		return;
	case 1:
		for (id = 1; id <= world->plan.nodes; id++) {
			sim_isolate(world, id, false);
		}
		return;
	default:
		break;
	}
	if (node->raft != NULL &&
	    node->world->now_ns >= node->paused_until_ns) {
		sim_cover(node->world, SIM_COVER_SNAPSHOTS_ASKED);
		sim_snap_want(node);
		sim_node_settle(node);
	}
}

static void
send_room(struct sim_node *node, enum raft_room room, uint64_t delay_ns)
{
	struct sim_event event = {
		.type = SIM_ROOM, .node = node->id, .a = room,
		.at_ns = node->world->now_ns + delay_ns,
	};

	sim_push(node->world, &event);
}

/* The node's watch over its disk finds that it hangs. */
static void
step_down(struct sim_node *node)
{
	struct raft_event event = {
		.type = RAFT_EVENT_STEP_DOWN, .reason = "its disk hangs",
	};

	if (node->role == RAFT_LEADER &&
	    node->world->now_ns >= node->paused_until_ns) {
		sim_cover(node->world, SIM_COVER_HANDED_OVER);
		sim_node_step(node, &event);
		sim_node_settle(node);
	}
}
