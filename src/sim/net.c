/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network: one link for each ordered pair of nodes, each with faults of
 * its own.  What travels are bytes, made and read by wire/message.c.
 */
#include "sim/sim.h"
#include "sim/tla.h"

#include <string.h>

#include "wire/message.h"

static uint32_t	encode(struct sim_node *, const struct raft_message *,
		    size_t *);
static void	sent_short(struct sim_node *, const struct raft_message *,
		    uint64_t);
static void	travel(struct sim_world *, const struct raft_message *,
		    size_t, uint64_t);
static void	cover_received(struct sim_node *,
		    const struct raft_message *);

void
sim_net_send(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	struct sim_link *link;
	size_t size = 0;
	uint64_t number;
	uint32_t count;

	if (tla_loses(node, message)) {
		sim_cover(world, SIM_COVER_LOST);
		return;
	}
	if (message->type == RAFT_INSTALL && message->chunk.data == NULL) {
		sim_snap_read(node, message);	/* comes back with it */
		return;
	}
	if (message->to < 1 || message->to > world->plan.nodes) {
		sim_fail(world, "addressee", 1u << node->id,
		    "node %u sends to node %u, which does not exist",
		    node->id, message->to);
		return;
	}
	count = encode(node, message, &size);
	if (world->failed) {
		return;
	}
	if (message->type == RAFT_APPEND && count < message->entry_count) {
		sim_cover(world, SIM_COVER_SHORT_SENDS);
		sent_short(node, message, message->entry_first + count);
	}
	sim_cover(world, SIM_COVER_SENT);
	sim_check_send(node, message);
	number = tla_leave(node, message, count);
	link = &world->links[node->id][message->to];
	if (link->cut || prng_chance(&world->prng_net, link->loss)) {
		sim_cover(world, SIM_COVER_LOST);
		return;
	}
	travel(world, message, size, number);
	if (prng_chance(&world->prng_net, link->duplicate) ||
	    (link->late > 0 && prng_below(&world->prng_plot, 8) == 0)) {
		sim_cover(world, SIM_COVER_DUPLICATED);
		travel(world, message, size, number);
	}
}

void
sim_net_deliver(struct sim_node *node, const struct sim_event *event)
{
	struct raft_event step = { .type = RAFT_EVENT_MESSAGE };
	struct sim_world *world = node->world;
	struct raft_message message;

	if (wire_decode(&message, world->decoded, event->data,
	    event->size) != ERR_OK) {
		sim_fail(world, "wire", 1u << node->id,
		    "node %u cannot read what was sent to it", node->id);
		return;
	}
	if (world->links[message.from][message.to].cut ||
	    tla_loses(node, &message)) {
		sim_cover(world, SIM_COVER_LOST);
		return;
	}
	if (sim_check_is_over(node, &message) && !sim_node_rest(node)) {
		return;
	}
	cover_received(node, &message);
	tla_arrive(node, event->tla);
	step.message = &message;
	sim_check_ignored_before(node, &message);
	sim_node_step(node, &step);
	if (!node->dying && !world->failed) {
		sim_check_ignored(node, &message);
	}
}

/* Into world->packet; how many entries it carries. */
static uint32_t
encode(struct sim_node *node, const struct raft_message *message,
    size_t *size)
{
	struct sim_world *world = node->world;
	uint32_t count = message->type == RAFT_APPEND ?
	    message->entry_count : 0, i;
	size_t at = WIRE_HEADER_SIZE;
	size_t need = WIRE_HEADER_SIZE + WIRE_PROMISES_SIZE;
	uint64_t index;

	if (count > WIRE_ENTRIES_MAX) {
		count = WIRE_ENTRIES_MAX;
	}
	if (node->carry_max != 0 && count > node->carry_max) {
		count = node->carry_max;
	}
	for (i = 0; i < count; i++) {
		index = message->entry_first + i;
		if (index <= node->log.base || index > node->log.count) {
			sim_fail(world, "send", 1u << node->id, "node %u "
			    "sends entry %llu of a log of %llu-%llu",
			    node->id, (unsigned long long)index,
			    (unsigned long long)node->log.base + 1,
			    (unsigned long long)node->log.count);
			return 0;
		}
		need += wire_entry_size(node->log.entries[index - 1].size);
	}
	if (message->type == RAFT_INSTALL) {
		need += WIRE_CHUNK_HEAD_MAX + message->chunk.size;
	}
	if (need > world->packet_capacity) {
		world->packet_capacity = 2 * need;
		world->packet = sim_realloc(world->packet,
		    world->packet_capacity, 1);
	}
	wire_encode_header(message, count, world->packet);
	at += wire_encode_promises(message, world->packet + at);
	for (i = 0; i < count; i++) {
		const struct raft_entry *entry =
		    &node->log.entries[message->entry_first + i - 1];

		wire_encode_entry(entry, world->packet + at);
		at += wire_entry_size(entry->size);
	}
	if (message->type == RAFT_INSTALL) {
		at += wire_encode_chunk(&message->chunk, message->chunk.data,
		    world->packet + at);
		memcpy(world->packet + at, message->chunk.data,
		    message->chunk.size);
		at += message->chunk.size;
	}
	*size = at;
	return count;
}

static void
sent_short(struct sim_node *node, const struct raft_message *message,
    uint64_t next_index)
{
	if (node->short_count < SIM_SHORT_MAX) {
		node->shorts[node->short_count++] = (struct sim_short){
			.to = message->to,
			.request = message->request,
			.next_index = next_index,
		};
	}
}

static void
travel(struct sim_world *world, const struct raft_message *message,
    size_t size, uint64_t number)
{
	struct sim_link *link = &world->links[message->from][message->to];
	uint64_t max = link->delay_max_ns != 0 ? link->delay_max_ns :
	    world->plan.delay_max_ns;
	struct sim_event event = {
		.type = SIM_PACKET, .node = message->to, .a = message->from,
		.size = (uint32_t)size, .tla = number,
		.at_ns = world->now_ns + prng_range(&world->prng_net,
		    world->plan.delay_min_ns, max),
	};

	if (link->delay_ns != 0 || link->held) {
		event.at_ns = link->held ? UINT64_MAX :
		    world->now_ns + link->delay_ns;
		event.b = link->held;
	} else if (prng_chance(&world->prng_net, link->reorder)) {
		if (event.at_ns < link->last_at_ns) {
			sim_cover(world, SIM_COVER_REORDERED);
		}
	} else {
		if (event.at_ns < link->last_at_ns) {
			event.at_ns = link->last_at_ns;
		}
		link->last_at_ns = event.at_ns;
	}
	if (link->late > 0 && prng_chance(&world->prng_plot, link->late)) {
		sim_cover(world, SIM_COVER_LATE);
		event.at_ns += prng_below(&world->prng_plot,
		    3 * world->plan.election_max_ns);
	}
	event.data = sim_alloc(world, size);
	memcpy(event.data, world->packet, size);
	sim_push(world, &event);
}

static void
cover_received(struct sim_node *node, const struct raft_message *message)
{
	struct sim_world *world = node->world;
	uint64_t term = raft_term(node->raft);

	if (message->from_run < sim_node(world, message->from)->run ||
	    (message->to_run != 0 && message->to_run != node->run)) {
		sim_cover(world, SIM_COVER_FORMER_RUNS);
		return;
	}
	switch (message->type) {
	case RAFT_APPEND:
		if (message->term < term) {
			sim_cover(world, SIM_COVER_STALE_APPENDS);
		}
		break;
	case RAFT_APPEND_REPLY:
		if (message->reject && message->term == term) {
			sim_cover(world, SIM_COVER_REFUSED_APPENDS);
			if (message->hint_index + 1 < message->index) {
				sim_cover(world, SIM_COVER_BACKTRACKS);
			}
		}
		break;
	case RAFT_PRE_VOTE_REPLY:
		if (message->reject) {
			sim_cover(world, SIM_COVER_PRE_VOTES_REFUSED);
		}
		break;
	case RAFT_VOTE_REPLY:
		if (message->reject) {
			sim_cover(world, SIM_COVER_VOTES_REFUSED);
		} else if (message->term == term) {
			/* counted in checks.votes of the receiver */
			uint64_t *seen = sim_map_at(&world->checks.previous,
			    UINT64_MAX - message->from, message->request ^
			    (uint64_t)node->id << 56 ^ node->run << 40);

			if ((*seen)++ > 0) {
				sim_cover(world, SIM_COVER_DUPLICATE_VOTES);
			}
		}
		break;
	case RAFT_PRE_VOTE:
	case RAFT_VOTE:
	case RAFT_HEARTBEAT:
	case RAFT_HEARTBEAT_REPLY:
	case RAFT_INSTALL:
	case RAFT_INSTALL_REPLY:
		break;
	case RAFT_TIMEOUT_NOW:
		sim_cover(world, SIM_COVER_TAKE_OVERS);
		break;
	}
}
