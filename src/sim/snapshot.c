/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots at a node: the twin of node/snapshot.c, which stands between core
 * and thread, and of node/snap.c, the thread.
 *
 * What is wrong on the way: orders take a while; the bytes that were received
 * are damaged aside, or there is no room for them; views are closed while
 * chunks of them are read; the node dies at any of it.
 */
#include "sim/sim.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "raft/core.h"

#define AGAIN_NS	(20 * SIM_MS)
#define FAILED_NS	(50 * SIM_MS)

static void	order_add(struct sim_node *, const struct sim_snap_order *);
static void	install_begin(struct sim_node *);
static void	checkpoint_synced(struct sim_node *,
		    const struct sim_snap_order *);
static void	view_open(struct sim_node *, const struct sim_snap_order *);
static void	chunk_read(struct sim_node *, const struct sim_snap_order *);
static void	chunk_write(struct sim_node *, const struct sim_snap_order *);
static bool	receive_begin(struct sim_node *,
		    const struct sim_snap_order *);
static bool	receive_finish(struct sim_node *);
static void	receive_forget(struct sim_node *, struct sim_receive *);
static void	may_die(struct sim_node *, uint64_t, uint64_t);
static void	tell_early(struct sim_node *);

static uint64_t
below(struct sim_node *node, uint64_t bound)
{
	return prng_below(&node->world->prng_snap, bound);
}

/* ------------------------------------------------------------------ orders */

void
sim_snap_effects(struct sim_node *node, const struct raft_event *event)
{
	const struct raft_update *update = node->world->update;
	struct sim_snap *snap = &node->snap;
	struct sim_snap_order order = { .kind = SIM_SNAP_CLOSE };

	if (update->snapshot != NULL) {
		sim_check_snapshot(node, update->snapshot);
		snap->index = update->snapshot->index;
	}
	if (update->install_id != 0) {
		install_begin(node);
	}
	if (update->view_wanted && snap->view_id == 0 &&
	    node->world->now_ns >= snap->view_again_ns) {
		snap->view_id = ++snap->view_last;
		order.kind = SIM_SNAP_VIEW;
		order.id = snap->view_id;
		order_add(node, &order);
	}
	if (update->view_close != 0) {
		snap->view_id = 0;
		order.kind = SIM_SNAP_CLOSE;
		order.id = update->view_close;
		order_add(node, &order);
	}
	if (update->chunk != NULL) {
		order.kind = SIM_SNAP_WRITE;
		order.id = update->receive_id;
		order.index = event->message->index;
		order.message = *event->message;
		order.message.chunk.data = memcpy(sim_alloc(node->world,
		    update->chunk->size), update->chunk->data,
		    update->chunk->size);
		order_add(node, &order);
	}
	if (update->receive_forget != 0) {
		order.kind = SIM_SNAP_FORGET;
		order.id = update->receive_forget;
		order_add(node, &order);
	}
}

void
sim_snap_read(struct sim_node *node, const struct raft_message *message)
{
	uint64_t end = message->chunk.offset + message->chunk.size;
	struct sim_snap_order order = {
		.kind = SIM_SNAP_READ, .message = *message,
	};
	uint64_t *sent = &node->snap.chunk_end[message->to];

	if (message->chunk.offset < *sent) {
		sim_cover(node->world, SIM_COVER_CHUNKS_AGAIN);
	}
	*sent = end > *sent ? end : *sent;
	order_add(node, &order);
}

void
sim_snap_done(struct sim_node *node, const struct sim_snap_order *order)
{
	struct sim_snap *snap = &node->snap;

	may_die(node, 24, 5);
	switch (order->kind) {
	case SIM_SNAP_SYNC:
		checkpoint_synced(node, order);
		break;
	case SIM_SNAP_VIEW:
		view_open(node, order);
		break;
	case SIM_SNAP_READ:
		chunk_read(node, order);
		break;
	case SIM_SNAP_WRITE:
		chunk_write(node, order);
		break;
	case SIM_SNAP_CLOSE:
		if (snap->view.id == order->id) {
			snap->view.id = 0;
		}
		break;
	case SIM_SNAP_FORGET:
		if (snap->receive.id == order->id) {
			receive_forget(node, &snap->receive);
		}
		if (snap->finished.id == order->id) {
			receive_forget(node, &snap->finished);
		}
		break;
	}
}

/* One after the other. */
static void
order_add(struct sim_node *node, const struct sim_snap_order *order)
{
	struct sim_world *world = node->world;
	struct sim_snap *snap = &node->snap;
	struct sim_snap_order *copy = sim_alloc(world, sizeof(*copy));
	struct raft_chunk *chunk = &copy->message.chunk;
	struct sim_event event = {
		.type = SIM_SNAP, .node = node->id, .a = node->run,
		.data = copy,
	};

	*copy = *order;
	if (order->kind == SIM_SNAP_READ) {
		memcpy(copy->configuration, chunk->configuration,
		    chunk->configuration_size);
		chunk->configuration = copy->configuration;
	}
	if (snap->idle_ns < world->now_ns) {
		snap->idle_ns = world->now_ns;
	}
	snap->idle_ns += world->plan.by_hand ? SIM_MS :
	    below(node, world->plan.snap_max_ns + 1);
	event.at_ns = snap->idle_ns;
	sim_push(world, &event);
}

/* -------------------------------------------------------------- taking one */

bool
sim_snap_is_due(const struct sim_node *node, uint64_t index)
{
	const struct sim_snap *snap = &node->snap;

	if (snap->begun || snap->install_index != 0 || index <= snap->index) {
		return false;
	}
	return snap->wanted || (node->world->plan.snapshot_entries != 0 &&
	    index - snap->index >= node->world->plan.snapshot_entries);
}

void
sim_snap_checkpoint(struct sim_node *node)
{
	struct sim_snap_order order = {
		.kind = SIM_SNAP_SYNC, .index = node->checkpoint_index,
		.digest = kv_position(node->kv)->digest,
	};

	if (sim_snap_is_due(node, node->checkpoint_index)) {
		node->snap.begun = true;
		node->snap.wanted = false;
		order_add(node, &order);
	}
}

void
sim_snap_want(struct sim_node *node)
{
	node->snap.wanted = true;
	if (node->checkpoint_index == kv_position(node->kv)->applied_index) {
		sim_snap_checkpoint(node);
	}
}

static void
checkpoint_synced(struct sim_node *node, const struct sim_snap_order *order)
{
	struct raft_event event = { .type = RAFT_EVENT_CHECKPOINT };
	struct sim_snap *snap = &node->snap;

	snap->begun = false;
	if (snap->install_index != 0 || order->index <= snap->index ||
	    order->index > node->durable_index ||
	    sim_crash_here(node, SIM_COVER_CRASH_SNAPSHOT)) {
		return;
	}
	event.checkpoint.index = order->index;
	bytes_put_u64(event.checkpoint.chain + 8, order->digest);
	sim_node_step(node, &event);
	if (!node->dying && node->world->update->result == ERR_OK) {
		sim_cover(node->world, SIM_COVER_SNAPSHOTS);
	}
}

/* -------------------------------------------------------------- sending it */

/* Of the state that the disk names, as of its last checkpoint. */
static void
view_open(struct sim_node *node, const struct sim_snap_order *order)
{
	struct raft_event event = { .type = RAFT_EVENT_VIEW };
	struct sim_world *world = node->world;
	struct sim_snap *snap = &node->snap;
	struct kv_position position;
	struct memory_table *table = node->disk.named != NULL ?
	    node->disk.named : node->table;

	if (order->id != snap->view_id) {
		return;			/* closed since */
	}
	snap->view = (struct sim_view){ .id = order->id };
	snap->view.bytes = sim_stream_write(world, table, &position,
	    &snap->view.size);
	if (snap->view.bytes == NULL) {
		sim_fail(world, "checkpoint", 1u << node->id, "the checkpoint "
		    "of node %u cannot be read", node->id);
		return;
	}
	snap->view.index = position.applied_index;
	snap->view.digest = position.digest;
	if (position.applied_index <= node->applied_index &&
	    position.applied_index <= node->durable_index) {
		event.view.id = order->id;
		event.view.index = position.applied_index;
		event.view.size = snap->view.size;
		bytes_put_u64(event.view.chain + 8, position.digest);
		sim_node_step(node, &event);
		if (node->dying || world->failed) {
			return;
		}
		if (world->update->result == ERR_OK) {
			memset(snap->chunk_end, 0, sizeof(snap->chunk_end));
			sim_cover(world, SIM_COVER_VIEWS);
			return;
		}
	}
	snap->view.id = snap->view_id = 0;
	snap->view_again_ns = world->now_ns + AGAIN_NS;
}

static void
chunk_read(struct sim_node *node, const struct sim_snap_order *order)
{
	struct raft_event event = { .type = RAFT_EVENT_SENT };
	struct raft_message message = order->message;
	struct sim_snap *snap = &node->snap;

	if (snap->view.id == message.chunk.view &&
	    ((node->world->plan.faults >> SIM_FAULT_SHORT & 1) == 0 ||
	    below(node, 8) != 0)) {
		message.chunk.data = snap->view.bytes + message.chunk.offset;
		if (!sim_crash_here(node, SIM_COVER_CRASH_CHUNK_SENT)) {
			sim_net_send(node, &message);
		}
		return;
	}
	sim_cover(node->world, SIM_COVER_CHUNKS_NOT_SENT);
	event.sent.to = message.to;
	event.sent.request = message.request;
	sim_node_step(node, &event);
}

/* ------------------------------------------------------------- getting one */

/* What is written aside may find less room than the log does. */
static bool
is_without_room(struct sim_node *node)
{
	return !node->world->calm && below(node, 16) == 0 &&
	    (node->world->plan.faults >> SIM_FAULT_FULL & 1) != 0;
}

static void
chunk_write(struct sim_node *node, const struct sim_snap_order *order)
{
	struct raft_event event = { .type = RAFT_EVENT_RECEIVED };
	const struct raft_chunk *chunk = &order->message.chunk;
	struct sim_world *world = node->world;
	struct sim_receive *receive = &node->snap.receive;
	bool well = true, full = false;

	if (sim_crash_here(node, SIM_COVER_CRASH_RECEIVE)) {
		return;
	}
	if (chunk->offset == 0) {
		well = receive_begin(node, order);
	} else if (receive->id != order->id ||
	    receive->offset != chunk->offset) {
		return;			/* it has failed before */
	}
	if (well) {
		assert(chunk->size <= receive->size - receive->offset);
		memcpy(receive->bytes + receive->offset, chunk->data,
		    chunk->size);
		receive->offset += chunk->size;
		if (receive->last_ns != 0 && world->now_ns -
		    receive->last_ns > 2 * world->plan.heartbeat_ns) {
			sim_cover(world, SIM_COVER_INSTALLS_RESUMED);
		}
		receive->last_ns = world->now_ns;
		full = node->disk.full || is_without_room(node);
		well = !full;
	}
	if (well && receive->offset == receive->size) {
		well = event.received.complete = receive_finish(node);
	}
	if (sim_crash_here(node, SIM_COVER_CRASH_RECEIVE)) {
		return;
	}
	if (!well) {
		sim_cover(world, full ? SIM_COVER_RECEIVE_NO_ROOM :
		    SIM_COVER_RECEIVE_DAMAGED);
		receive_forget(node, receive);
		node->snap.idle_ns = world->now_ns + FAILED_NS;
	}
	event.received.id = order->id;
	event.received.offset = chunk->offset + chunk->size;
	event.received.failed = !well;
	if (event.received.complete && node->snap.install_index != 0) {
		/* One at a time. */
		sim_story(world, node->id, "a snapshot is complete, and "
		    "another one is being installed -> it waits");
		node->snap.early_id = order->id;
		node->snap.early_offset = event.received.offset;
		return;
	}
	sim_node_step(node, &event);
}

/* The one that waited while another one was installed. */
static void
tell_early(struct sim_node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_RECEIVED };
	struct sim_snap *snap = &node->snap;

	if (snap->early_id == 0 || snap->install_index != 0) {
		return;
	}
	event.received.id = snap->early_id;
	event.received.offset = snap->early_offset;
	event.received.complete = true;
	snap->early_id = 0;
	sim_node_step(node, &event);
}

/* A new one: others are not needed any more. */
static bool
receive_begin(struct sim_node *node, const struct sim_snap_order *order)
{
	const struct raft_chunk *chunk = &order->message.chunk;
	struct sim_world *world = node->world;
	struct sim_snap *snap = &node->snap;
	uint32_t i;

	receive_forget(node, &snap->receive);
	receive_forget(node, &snap->finished);
	snap->receive = (struct sim_receive){
		.id = order->id, .index = order->index, .view = chunk->view,
		.from = order->message.from, .size = (size_t)chunk->total,
		.bytes = sim_alloc(world, (size_t)chunk->total),
	};
	memcpy(snap->receive.chain, chunk->chain, RAFT_CHAIN_SIZE);
	sim_cover(world, SIM_COVER_INSTALLS_BEGUN);
	for (i = 1; i <= world->plan.nodes; i++) {
		const struct sim_node *other = sim_node(world, i);

		if (other != node && other->raft != NULL &&
		    other->snap.receive.id != 0 &&
		    other->snap.receive.from == order->message.from) {
			sim_cover(world, SIM_COVER_TWO_INSTALLS);
		}
	}
	return true;
}

/* What the disk has of it is verified. */
static bool
receive_finish(struct sim_node *node)
{
	struct sim_receive *receive = &node->snap.receive;
	struct kv_position position;

	if ((node->world->plan.faults >> SIM_FAULT_DISK & 1) != 0 &&
	    !node->world->calm && below(node, 8) == 0) {
		receive->bytes[below(node, receive->size)] ^=
		    (uint8_t)(1u << below(node, 8));
	}
	receive->table = sim_stream_read(receive->bytes, receive->size,
	    &position);
	if (receive->table == NULL) {
		return false;
	}
	if (position.applied_index != receive->index ||
	    position.digest != bytes_get_u64(receive->chain + 8)) {
		sim_fail(node->world, "snapshot", 1u << node->id |
		    1u << receive->from, "the snapshot that node %u has sent "
		    "node %u as that at %llu is of the state at %llu",
		    receive->from, node->id,
		    (unsigned long long)receive->index,
		    (unsigned long long)position.applied_index);
		return false;
	}
	node->snap.finished = *receive;
	*receive = (struct sim_receive){ .id = 0 };
	return true;
}

static void
receive_forget(struct sim_node *node, struct sim_receive *receive)
{
	if (receive->id != 0) {
		sim_cover(node->world, SIM_COVER_INSTALLS_ABORTED);
	}
	memory_table_free(receive->table);
	*receive = (struct sim_receive){ .id = 0 };
}

/* The persist of this step names what was received. */
static void
install_begin(struct sim_node *node)
{
	const struct raft_update *update = node->world->update;
	struct sim_snap *snap = &node->snap;
	uint64_t index = update->snapshot->index;

	if (snap->install_index != 0) {
		sim_fail(node->world, "install", 1u << node->id, "node %u "
		    "begins to install while it installs another one",
		    node->id);
		return;
	}
	if (snap->finished.id != update->install_id ||
	    snap->finished.table == NULL) {
		sim_fail(node->world, "install", 1u << node->id, "node %u "
		    "installs what it has not received", node->id);
		return;
	}
	sim_check_install(node, &snap->finished);
	sim_cover(node->world, SIM_COVER_INSTALLS_HANDED);
	may_die(node, 5, 16);
	snap->naming = snap->finished.table;
	snap->finished = (struct sim_receive){ .id = 0 };
	snap->install_index = index;
	snap->switch_due = false;
	node->apply_next = index + 1;
	if (index > node->commit_index) {
		node->commit_index = index;
	}
	if (update->drop_log) {
		sim_log_reset(&node->log, index, update->snapshot->term);
		node->durable_index = index;
	}
}

void
sim_snap_switch(struct sim_node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_APPLIED };
	struct sim_world *world = node->world;
	struct sim_snap *snap = &node->snap;
	uint64_t before = node->applied_index;

	if (sim_crash_here(node, SIM_COVER_CRASH_SWITCH)) {
		return;
	}
	kv_free(node->kv);
	node->kv = NULL;
	memory_table_free(node->table);
	node->table = node->disk.named;
	node->disk.named = NULL;
	if (kv_new(&node->kv, memory_table_face(node->table)) != ERR_OK) {
		sim_fail(world, "install", 1u << node->id, "node %u cannot "
		    "read the state that it has installed", node->id);
		return;
	}
	snap->switch_due = false;
	snap->install_index = 0;
	sim_check_switched(node, before);
	node->applied_index = node->checkpoint_index =
	    kv_position(node->kv)->applied_index;
	if (node->applied_index > node->applied_ever) {
		node->applied_ever = node->applied_index;
	}
	if (kv_position(node->kv)->log_time_ns > node->log_time_ns) {
		node->log_time_ns = kv_position(node->kv)->log_time_ns;
	}
	sim_cover(world, before == 0 ? SIM_COVER_INSTALLS_FIRST :
	    SIM_COVER_INSTALLS);
	snap->from_nothing = snap->from_nothing || before == 0;
	sim_story(world, node->id, "the state of Node %u is that of the "
	    "snapshot at %llu, was %llu", node->id,
	    (unsigned long long)node->applied_index,
	    (unsigned long long)before);
	if (sim_crash_here(node, SIM_COVER_CRASH_SWITCH)) {
		return;
	}
	event.applied.index = node->applied_index;
	sim_node_step(node, &event);
	tell_early(node);
}

/* ------------------------------------------------------------ log, crashes */

/* One time in so many, within so many effects. */
static void
may_die(struct sim_node *node, uint64_t times, uint64_t effects)
{
	const struct sim_world *world = node->world;

	if ((world->plan.faults >> SIM_FAULT_CRASH & 1) != 0 &&
	    !world->calm && !world->plan.by_hand && node->crash_in == 0 &&
	    below(node, times) == 0) {
		node->crash_in = 1 + below(node, effects);
	}
}

void
sim_snap_cut(struct sim_node *node)
{
	uint64_t first = node->world->update->first_index;

	if (first > node->cut_first) {
		node->cut_first = first;
	}
	if (node->snap.view.id != 0 && first + node->world->plan.
	    trailing_entries < node->snap.index + 1) {
		sim_cover(node->world, SIM_COVER_CUTS_HELD);
	}
	if (first > node->log.base + 1) {
		sim_check_cut(node, &node->log, first, node->snap.index);
		sim_log_cut(&node->log, first);
	}
}

void
sim_snap_crash(struct sim_node *node)
{
	struct sim_snap *snap = &node->snap;

	if (snap->receive.id != 0 || snap->finished.id != 0) {
		sim_cover(node->world, SIM_COVER_CRASH_RECEIVING);
	}
	if (snap->view.id != 0) {
		sim_cover(node->world, SIM_COVER_CRASH_SENDING);
	}
	if (snap->install_index != 0) {
		sim_cover(node->world, SIM_COVER_CRASH_INSTALLING);
	}
	memory_table_free(snap->receive.table);
	memory_table_free(snap->finished.table);
	memory_table_free(snap->naming);
	*snap = (struct sim_snap){ .from_nothing = snap->from_nothing };
}

void
sim_snap_boot(struct sim_node *node)
{
	if (node->disk.named != NULL) {
		/* The log names it: it is the state, whatever was before. */
		sim_cover(node->world, SIM_COVER_BOOT_SWITCH);
		memory_table_free(node->table);
		node->table = node->disk.named;
		node->disk.named = NULL;
	}
	node->snap.index = node->disk.snapshot.index;
	node->cut_first = 0;
}
