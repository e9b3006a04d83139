/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world: a queue of events by time, and the two phases of a run.
 *
 *	safety		faults strike, clients work, for plan.steps events
 *	liveness	a majority is healed: within a bounded time it must
 *			elect, commit, answer, and agree
 *
 * What a paused node should see waits until it goes on.
 */
#include "sim/sim.h"
#include "sim/tla.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "wire/message.h"

#define WORLD_LIVENESS_STEPS	60000
#define CHUNK_SIZE		((size_t)1 << 18)

static void	world_reset(struct sim_world *);
static void	world_begin(struct sim_world *);
static void	world_wake(struct sim_world *, bool (*)(
		    const struct sim_event *, uint32_t, uint32_t), uint32_t,
		    uint32_t);
static void	world_loop(struct sim_world *, uint64_t steps);
static bool	world_next(struct sim_world *);
static void	world_event(struct sim_world *, const struct sim_event *);
static void	world_calm(struct sim_world *);
static void	world_liveness(struct sim_world *);
static bool	world_agrees(struct sim_world *, const uint64_t *done);
static bool	is_before(const struct sim_event *, const struct sim_event *);
static bool	is_paused(const struct sim_event *, uint32_t, uint32_t);
static bool	is_held(const struct sim_event *, uint32_t, uint32_t);
static bool	heap_pop(struct sim_world *, struct sim_event *);

struct sim_world *
sim_world_new(void)
{
	struct sim_world *world = sim_realloc(NULL, 1, sizeof(*world));

	memset(world, 0, sizeof(*world));
	world->update = sim_realloc(NULL, 1, sizeof(*world->update));
	memset(world->update, 0, sizeof(*world->update));
	world->decoded = sim_realloc(NULL, WIRE_ENTRIES_MAX,
	    sizeof(*world->decoded));
	return world;
}

void
sim_world_free(struct sim_world *world)
{
	struct sim_chunk *chunk;
	uint32_t i;

	for (i = 0; i < SIM_NODES_MAX; i++) {
		struct sim_node *node = &world->nodes[i];

		sim_node_fini(node);
		sim_disk_fini(&node->disk);
		free(node->log.entries);
		free(node->waiting);
		free(node->reads);
		raft_free(node->before);
	}
	while ((chunk = world->chunks) != NULL) {
		world->chunks = chunk->next;
		free(chunk);
	}
	sim_checks_fini(&world->checks);
	tla_free(world->tla);
	free(world->heap);
	free(world->history);
	free(world->update);
	free(world->packet);
	free(world->decoded);
	free(world->lines);
	free(world);
}

void
sim_world_run(struct sim_world *world, const struct sim_options *options,
    struct sim_outcome *outcome)
{
	uint32_t i;

	memset(outcome, 0, sizeof(*outcome));
	world_reset(world);
	world->options = *options;
	sim_plan_draw(&world->plan, options);
	world_begin(world);
	for (i = 1; i <= world->plan.nodes && !world->failed; i++) {
		sim_node_start(sim_node(world, i));
	}
	for (i = 0; i < world->plan.clients; i++) {
		sim_client_init(world, i);
	}
	world_loop(world, world->plan.steps);
	tla_end(world);
	if (world->failed) {
		outcome->failed_step = world->step;
	} else if (world->tla == NULL) {
		world_liveness(world);
	}
	if (!world->failed) {
		outcome->unknown = (uint64_t)sim_check_history(world);
	}
	outcome->seed = options->seed;
	outcome->nodes = world->plan.nodes;
	outcome->steps = world->step;
	outcome->now_ns = world->now_ns;
	outcome->elections = world->coverage[SIM_COVER_ELECTIONS];
	outcome->operations = world->coverage[SIM_COVER_OPERATIONS];
	outcome->entries = world->checks.committed.count;
	outcome->faults = world->plan.faults;
	outcome->failed = world->failed;
	outcome->involved = world->involved;
	memcpy(outcome->invariant, world->invariant,
	    sizeof(outcome->invariant));
	memcpy(outcome->reason, world->reason, sizeof(outcome->reason));
	memcpy(outcome->coverage, world->coverage, sizeof(world->coverage));
}

void
sim_world_open(struct sim_world *world, const struct sim_options *options,
    const struct sim_plan *plan)
{
	world_reset(world);
	world->options = *options;
	world->plan = *plan;
	world_begin(world);
}

bool
sim_world_next(struct sim_world *world, uint64_t until_ns)
{
	if (world->heap_count > 0 && world->heap[0].at_ns <= until_ns) {
		return world_next(world);
	}
	world->now_ns = until_ns;
	return false;
}

void
sim_world_resume(struct sim_world *world, uint32_t node)
{
	sim_node(world, node)->paused_until_ns = 0;
	world_wake(world, is_paused, node, 0);
}

void
sim_world_release(struct sim_world *world, uint32_t from, uint32_t to)
{
	world->links[from][to].held = false;
	world_wake(world, is_held, from, to);
}

void
sim_push(struct sim_world *world, const struct sim_event *event)
{
	size_t at = world->heap_count, parent;
	struct sim_event copy = *event;

	if (copy.order == 0) {
		copy.order = ++world->order;
	}
	if (at == world->heap_capacity) {
		world->heap_capacity = 2 * world->heap_capacity + 256;
		world->heap = sim_realloc(world->heap, world->heap_capacity,
		    sizeof(*world->heap));
	}
	world->heap_count++;
	for (; at > 0; at = parent) {
		parent = (at - 1) / 2;
		if (!is_before(&copy, &world->heap[parent])) {
			break;
		}
		world->heap[at] = world->heap[parent];
	}
	world->heap[at] = copy;
}

/* Until the end of the run. */
void *
sim_alloc(struct sim_world *world, size_t size)
{
	struct sim_chunk *chunk = world->chunk, *next;
	void *memory;

	size = (size + 15) & ~(size_t)15;
	while (chunk == NULL || chunk->size - chunk->used < size) {
		next = chunk != NULL ? chunk->next : world->chunks;
		if (next == NULL) {
			size_t fresh = size > CHUNK_SIZE ? size : CHUNK_SIZE;

			next = sim_realloc(NULL, 1, sizeof(*next) + fresh);
			next->next = NULL;
			next->size = fresh;
			if (chunk != NULL) {
				chunk->next = next;
			} else {
				world->chunks = next;
			}
		}
		next->used = 0;
		world->chunk = chunk = next;
	}
	memory = chunk->bytes + chunk->used;
	chunk->used += size;
	return memory;
}

struct sim_node *
sim_node(struct sim_world *world, uint32_t id)
{
	assert(id >= 1 && id <= SIM_NODES_MAX);
	return &world->nodes[id - 1];
}

uint32_t
sim_leader(const struct sim_world *world)
{
	uint64_t term = 0;
	uint32_t i, leader = 0;

	for (i = 0; i < world->plan.nodes; i++) {
		const struct sim_node *node = &world->nodes[i];

		if (node->raft != NULL && node->role == RAFT_LEADER &&
		    world->now_ns >= node->paused_until_ns &&
		    node->term > term) {
			term = node->term;
			leader = node->id;
		}
	}
	return leader;
}

static void
world_reset(struct sim_world *world)
{
	uint32_t i;

	for (i = 0; i < SIM_NODES_MAX; i++) {
		sim_node_fini(&world->nodes[i]);
	}
	sim_checks_clear(&world->checks);
	memset(world->coverage, 0, sizeof(world->coverage));
	world->heap_count = 0;
	world->chunk = NULL;
	world->history_count = 0;
	world->history_clock = world->tokens = world->read_ids = 0;
	world->values = 0;
	world->step = world->order = 0;
	world->now_ns = SIM_BEGIN_NS;
	sim_clock_init(world);
	world->calm = world->failed = false;
	world->involved = world->lost_count = 0;
	world->invariant[0] = world->reason[0] = '\0';
	world->line_count = 0;
	world->on_read = NULL;
}

static void
world_begin(struct sim_world *world)
{
	uint64_t seed = world->options.seed;
	uint32_t i;

	/* One stream each: without one kind of fault the others are as
	 * they were. */
	prng_init(&world->prng_net, seed ^ UINT64_C(0x6e657400));
	prng_init(&world->prng_disk, seed ^ UINT64_C(0x6469736b));
	prng_init(&world->prng_fault, seed ^ UINT64_C(0x6661756c74));
	prng_init(&world->prng_client, seed ^ UINT64_C(0x636c69656e74));
	prng_init(&world->prng_core, seed ^ UINT64_C(0x636f7265));
	prng_init(&world->prng_plot, seed ^ UINT64_C(0x706c6f74));
	prng_init(&world->prng_member, seed ^ UINT64_C(0x6d656d62));
	prng_init(&world->prng_snap, seed ^ UINT64_C(0x736e6162));
	prng_init(&world->prng_journal, seed ^ UINT64_C(0x6a6f75726e616c));
	sim_journal_begin(world);
	sim_fault_begin(world);
	tla_begin(world);
	for (i = 1; i <= world->plan.nodes; i++) {
		sim_node_init(world, i);
	}
	sim_plot_begin(world);
}

/* Events at the end of all time come now, in the order of their making. */
static void
world_wake(struct sim_world *world, bool (*is_meant)(const struct sim_event *,
    uint32_t, uint32_t), uint32_t a, uint32_t b)
{
	struct sim_event *events = world->heap;
	size_t count = world->heap_count, i;

	world->heap = NULL;
	world->heap_count = world->heap_capacity = 0;
	for (i = 0; i < count; i++) {
		if (events[i].at_ns == UINT64_MAX &&
		    is_meant(&events[i], a, b)) {
			events[i].at_ns = world->now_ns;
			if (events[i].type == SIM_PACKET) {
				events[i].b = 0;
			}
		}
		sim_push(world, &events[i]);
	}
	free(events);
}

static void
world_loop(struct sim_world *world, uint64_t steps)
{
	while (world->step < steps && !world->failed && world_next(world)) {
	}
}

static bool
world_next(struct sim_world *world)
{
	struct sim_event event;

	if (!heap_pop(world, &event)) {
		return false;
	}
	assert(event.at_ns >= world->now_ns || event.node != 0);
	if (event.at_ns > world->now_ns) {
		world->now_ns = event.at_ns;
	}
	world->step++;
	world_event(world, &event);
	return true;
}

static void
world_event(struct sim_world *world, const struct sim_event *event)
{
	struct sim_event later = *event;
	struct sim_node *node;

	switch (event->type) {
	case SIM_FAULT:
		sim_fault_strike(world);
		return;
	case SIM_RESTART:
		sim_node_start(sim_node(world, (uint32_t)event->a));
		return;
	case SIM_REPLY:
		sim_client_reply(world, event->data);
		return;
	case SIM_CLIENT:
		sim_client_wake(world, event);
		return;
	case SIM_PLOT:
		sim_plot_strike(world);
		return;
	case SIM_CLOCK:
		sim_clock_change(world, 0, (uint32_t)event->a);
		return;
	case SIM_PACKET:
	case SIM_TICK:
	case SIM_DISK_DONE:
	case SIM_DISK_AGAIN:
	case SIM_APPLY:
	case SIM_ANSWER:
	case SIM_SNAP:
	case SIM_REQUEST:
	case SIM_DEATH_NEWS:
	case SIM_ROOM:
		break;
	}
	node = sim_node(world, event->node);
	if (node->raft == NULL) {
		if (event->type == SIM_PACKET) {
			sim_cover(world, SIM_COVER_LOST);
		}
		return;
	}
	if ((event->type == SIM_TICK || event->type == SIM_DISK_DONE ||
	    event->type == SIM_DISK_AGAIN || event->type == SIM_APPLY ||
	    event->type == SIM_ANSWER || event->type == SIM_SNAP) &&
	    event->a != node->run) {
		return;
	}
	if (world->now_ns < node->paused_until_ns) {
		if (event->type == SIM_TICK && event->at_ns ==
		    node->tick_ns) {
			node->tick_ns = node->paused_until_ns;
		}
		later.at_ns = node->paused_until_ns;
		sim_push(world, &later);
		return;
	}
	sim_node_event(node, event);
	sim_node_settle(node);
	sim_check_lease(world);
}

/* Heals all, or a bare majority of those whose stores are not lost. */
static void
world_calm(struct sim_world *world)
{
	uint32_t majority = world->plan.nodes / 2 + 1, alive = 0, i, down;
	struct sim_node *node;

	world->calm = true;
	for (i = 1; i <= world->plan.nodes; i++) {
		node = sim_node(world, i);
		if (node->disk.wiped || node->disk.failing) {
			node->lost = true;
		}
	}
	sim_fault_heal(world);
	for (i = 1; i <= world->plan.nodes; i++) {
		alive += !sim_node(world, i)->lost;
	}
	/* A majority of whom, when the membership has changed? */
	down = prng_below(&world->prng_fault, 2) == 0 ||
	    world->plan.voters != world->plan.nodes ||
	    (world->plan.faults & (1u << SIM_FAULT_MEMBER |
	    1u << SIM_FAULT_REPLACE)) != 0 ?
	    0 : alive - majority;
	sim_cover(world, down > 0 ? SIM_COVER_MAJORITY_HEALED :
	    SIM_COVER_ALL_HEALED);
	while (down > 0) {
		node = sim_node(world, 1 + (uint32_t)prng_below(
		    &world->prng_fault, world->plan.nodes));
		if (!node->lost && !node->held) {
			node->held = true;
			down--;
		}
	}
	for (i = 1; i <= world->plan.nodes; i++) {
		node = sim_node(world, i);
		if (node->held || node->lost) {
			if (node->raft != NULL) {
				sim_node_crash(node);
			}
		} else {
			/* The second time the right store is back. */
			sim_node_start(node);
			sim_node_start(node);
		}
	}
}

static void
world_liveness(struct sim_world *world)
{
	uint64_t done[SIM_CLIENTS_MAX];
	uint64_t end, steps;
	uint32_t i;

	sim_story(world, 0, "the faults are over");
	world_calm(world);
	end = world->now_ns + 40 * world->plan.election_max_ns +
	    200 * world->plan.heartbeat_ns + 2 * world->plan.lease_ns +
	    (world->plan.page_losses != 0 ? RAFT_LEASE_NS_MAX : 0) +
	    1000 * SIM_MS;
	steps = world->step + WORLD_LIVENESS_STEPS;
	for (i = 0; i < world->plan.clients; i++) {
		done[i] = world->clients[i].done;
		world->clients[i].done_enough = done[i] + 2;
	}
	while (!world->failed && !world_agrees(world, done)) {
		if (!world_next(world) || world->now_ns > end ||
		    world->step > steps) {
			sim_fail(world, "liveness", 0, "%llu ms after the "
			    "healing there is no leader, or a client without "
			    "an answer, or nodes that do not agree",
			    (unsigned long long)((world->now_ns -
			    (end - 40 * world->plan.election_max_ns -
			    200 * world->plan.heartbeat_ns -
			    1000 * SIM_MS)) / SIM_MS));
		}
	}
}

/* A leader that serves, an answer for each client, equal state machines. */
static bool
world_agrees(struct sim_world *world, const uint64_t *done)
{
	uint32_t leader = sim_leader(world), i;
	const struct sim_node *first, *node;

	if (leader == 0 || !raft_is_ready(sim_node(world, leader)->raft)) {
		return false;
	}
	for (i = 0; i < world->plan.clients; i++) {
		if (world->clients[i].done < done[i] + 2) {
			return false;
		}
	}
	first = sim_node(world, leader);
	for (i = 1; i <= world->plan.nodes; i++) {
		node = sim_node(world, i);
		if (node->lost || node->held || !sim_is_member(first, node)) {
			continue;
		}
		if (node->raft == NULL ||
		    node->applied_index + 8 < first->applied_index ||
		    raft_term(node->raft) != first->term) {
			return false;
		}
	}
	return true;
}

static bool
is_before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at_ns < b->at_ns ||
	    (a->at_ns == b->at_ns && a->order < b->order);
}

static bool
is_paused(const struct sim_event *event, uint32_t node, uint32_t unused UNUSED)
{
	return event->node == node &&
	    !(event->type == SIM_PACKET && event->b != 0);
}

static bool
is_held(const struct sim_event *event, uint32_t from, uint32_t to)
{
	return event->type == SIM_PACKET && event->node == to &&
	    event->a == from && event->b != 0;
}

static bool
heap_pop(struct sim_world *world, struct sim_event *event)
{
	struct sim_event last;
	size_t at = 0, child;

	if (world->heap_count == 0) {
		return false;
	}
	*event = world->heap[0];
	last = world->heap[--world->heap_count];
	while ((child = 2 * at + 1) < world->heap_count) {
		if (child + 1 < world->heap_count &&
		    is_before(&world->heap[child + 1], &world->heap[child])) {
			child++;
		}
		if (!is_before(&world->heap[child], &last)) {
			break;
		}
		world->heap[at] = world->heap[child];
		at = child;
	}
	world->heap[at] = last;
	return true;
}
