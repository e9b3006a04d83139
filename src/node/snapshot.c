/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots, as the loop sees them: when one is due, and what goes between
 * the core and the thread that does the work (snap.h).
 *
 *	checkpoint --> synced --> CHECKPOINT --> persist, old entries go
 *	view wanted --> opened --> VIEW --> Installs --> chunks read --> sent
 *	chunk --> written --> RECEIVED ... complete --> persist that installs
 *	    --> disk --> apply switches --> the former state is removed
 *
 * A snapshot is due when the log has grown by many entries or takes a few
 * times what the state does: a checkpoint writes each changed record once,
 * so it costs the less an entry the longer it is waited for, and no more than
 * the whole state.  A checkpoint becomes a snapshot only when it is on the
 * disk, in either durability: what the log had then is nowhere else.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "node/node.h"

#define SNAPSHOT_ENTRIES	400000ull	/* since the last one */
#define STATE_TIMES		4		/* the log's pages, as many */
#define LOG_SIZE_LEAST		(24ull << 20)	/* as are within these */
#define LOG_SIZE_MOST		(64ull << 20)
#define STAGGER			16	/* parts by which nodes differ */
#define TRAILING_SIZE		(2ull << 20)	/* kept before it, at most */
#define LITTLE_LOG_SIZE		(1ull << 20)	/* the same, with little room */
#define LITTLE_TRAILING_SIZE	(128ull << 10)
#define SNAPSHOT_AGAIN_NS	20000000ull	/* when it was refused */
#define VIEW_AGAIN_NS		20000000ull
#define LOOK_NS			1000000ull	/* without traffic */

static void	begin(struct node *);
static void	checkpoint_synced(struct node *, const struct snap_done *);
static bool	view_opened(struct node *, const struct snap_done *);
static void	chunk_read(struct node *, const struct snap_done *);
static void	chunk_written(struct node *, const struct snap_done *);
static bool	take(struct node *, struct snap_done *);

/* For tests: fewer entries, so that little does. */
static uint64_t
entries_due(struct node *node)
{
	if (node->snapshot_entries == 0) {
		node->snapshot_entries = options_from_environment(
		    "RAFTSUP_SNAPSHOT_ENTRIES", SNAPSHOT_ENTRIES);
	}
	return node->snapshot_entries;
}

/* Bytes of the log that do, unless it was said that more entries must.  Nodes
 * differ in it: while one commits its checkpoint, the others go on. */
static uint64_t
log_size_due(struct node *node)
{
	uint64_t size = STATE_TIMES * apply_state_size(node->apply);

	if (node->little_room) {
		return LITTLE_LOG_SIZE;
	}
	if (entries_due(node) > SNAPSHOT_ENTRIES) {
		return UINT64_MAX;
	}
	size = size < LOG_SIZE_LEAST ? LOG_SIZE_LEAST :
	    size > LOG_SIZE_MOST ? LOG_SIZE_MOST : size;
	return size - size / STAGGER * node->slot;
}

/* How many entries before a snapshot are kept, by their size too. */
static uint64_t
trailing(struct node *node, const struct store_log_info *info)
{
	uint64_t count = info->last_index + 1 - info->first_index;
	uint64_t most = entries_due(node) / 10;
	uint64_t size = node->little_room ? LITTLE_TRAILING_SIZE :
	    TRAILING_SIZE;

	if (node->room > STORE_ROOM_FEW) {
		return 0;
	}
	if (most > NODE_TRAILING_ENTRIES) {
		most = NODE_TRAILING_ENTRIES;
	}
	if (count > 0 && info->size / count * most > size) {
		most = size / (info->size / count);
	}
	return most;
}

/* One at index would let enough go: many entries, or many bytes, if they are
 * half of the log.  When not even a deletion fits, anything is enough. */
static bool
is_due(struct node *node, uint64_t index, struct store_log_info *info)
{
	uint64_t since = index - node->snapshot_index;
	bool asked = (node->snapshot_asked > node->snapshot_index &&
	    index >= node->snapshot_asked) ||
	    (node->snapshot_due > node->snapshot_index &&
	    index >= node->snapshot_due);

	if (node->snapshot_begun || node->installing ||
	    index <= node->snapshot_index ||
	    store_log_info(node->store, info) != ERR_OK) {
		return false;
	}
	return asked || since >= entries_due(node) ||
	    node->room > STORE_ROOM_FEW ||
	    (info->size >= log_size_due(node) &&
	    since >= (info->last_index + 1 - info->first_index) / 2);
}

bool
node_snapshot_is_due(struct node *node)
{
	struct store_log_info info;

	/* What it depends on seldom changes where nothing happens. */
	if (!node->traffic && node->now_ns < node->snapshot_look_ns) {
		return false;
	}
	node->snapshot_look_ns = node->now_ns + LOOK_NS;
	if (node->applied_index == node->checkpoint_index ||
	    !is_due(node, node->applied_index, &info)) {
		return false;
	}
	/* Also when the state has grown meanwhile. */
	node->snapshot_due = node->applied_index;
	return true;
}

void
node_snapshot_checkpoint(struct node *node, const struct apply_done *done)
{
	if (done->checkpoint_index == node->checkpoint_index) {
		return;
	}
	node->checkpoint_index = done->checkpoint_index;
	node->checkpoint_digest = done->checkpoint_digest;
	node->counters[SEGMENT_CHECKPOINTS]++;
	begin(node);
}

void
node_snapshot_room(struct node *node)
{
	if (!node->little_room) {
		return;
	}
	begin(node);
	if (node->room > STORE_ROOM_FEW) {
		raft_set_trailing(node->raft, 0);
	}
}

/* The latest checkpoint becomes a snapshot, if it is time for one. */
static void
begin(struct node *node)
{
	struct store_log_info info;

	if (!is_due(node, node->checkpoint_index, &info)) {
		return;
	}
	raft_set_trailing(node->raft, trailing(node, &info));
	node->snapshot_begun = snap_sync(node->snap, node->checkpoint_index,
	    node->checkpoint_digest);
}

bool
node_snapshot_is_asked(const struct node *node)
{
	return node->snapshot_asked > node->snapshot_index &&
	    node->now_ns >= node->snapshot_again_ns;
}

void
node_snapshot_effects(struct node *node, const struct raft_event *event)
{
	const struct raft_update *update = node->update;
	struct receive *receive;

	if (update->snapshot != NULL) {
		node->snapshot_index = update->snapshot->index;
		node->status_dirty = true;
	}
	if (update->install_id != 0) {
		/* The core has been told that it is complete. */
		receive = snap_take(node->snap, update->install_id);
		assert(receive != NULL);
		disk_add_install(node->disk, receive);
		node->installing = true;
		node->apply_next = update->snapshot->index + 1;
	}
	if (update->drop_log) {
		cache_restart(node->cache, update->snapshot->index + 1);
		node->durable_index = update->snapshot->index;
	}
	if (update->view_wanted && node->view_id == 0 &&
	    node->now_ns >= node->view_again_ns &&
	    snap_view(node->snap, node->view_last + 1)) {
		node->view_id = ++node->view_last;
	}
	if (update->view_close != 0) {
		(void)snap_close(node->snap, update->view_close);
		node->view_id = 0;
	}
	if (update->chunk != NULL) {
		/* Without memory it is as if it had been lost on its way:
		 * the leader begins anew when its patience ends. */
		(void)snap_write(node->snap, update->receive_id,
		    event->message->index, update->chunk);
	}
	if (update->receive_forget != 0) {
		(void)snap_forget(node->snap, update->receive_forget);
	}
}

void
node_snapshot_installed(struct node *node, const struct apply_done *done)
{
	node->installing = false;
	node->checkpoint_index = done->checkpoint_index;
	node->checkpoint_digest = done->checkpoint_digest;
	(void)snap_sweep(node->snap);
}

bool
node_snapshot_turn(struct node *node)
{
	struct snap_done *done;
	bool work = false;

	if (node_snapshot_is_asked(node) &&
	    node->checkpoint_index >= node->snapshot_asked) {
		/* It was there before somebody asked. */
		begin(node);
	}
	if (node->view_early != NULL && view_opened(node, node->view_early)) {
		snap_release(node->view_early);
		node->view_early = NULL;
	}
	if (node->install_early != NULL && !node->installing) {
		done = node->install_early;
		node->install_early = NULL;
		chunk_written(node, done);
		snap_release(done);
	}
	while (node->result == ERR_OK &&
	    (done = snap_poll(node->snap)) != NULL) {
		work = true;
		if (take(node, done)) {
			snap_release(done);
		}
	}
	return work;
}

/* False: it is kept. */
static bool
take(struct node *node, struct snap_done *done)
{
	switch (done->kind) {
	case SNAP_SYNC:
		checkpoint_synced(node, done);
		return true;
	case SNAP_VIEW:
		if (!view_opened(node, done)) {
			/* One at a time is under way. */
			assert(node->view_early == NULL);
			node->view_early = done;
			return false;
		}
		return true;
	case SNAP_READ:
		chunk_read(node, done);
		return true;
	case SNAP_WRITE:
		if (done->complete && node->installing) {
			/* Disk and apply take one at a time.  An earlier one
			 * that waits is not wanted any more. */
			if (node->install_early != NULL) {
				snap_release(node->install_early);
			}
			node->install_early = done;
			return false;
		}
		chunk_written(node, done);
		return true;
	case SNAP_CLOSE:
	case SNAP_FORGET:
	case SNAP_SWEEP:
		break;
	}
	events_write(node->events, EVENT_DISK, false,
	    "Node %u cannot remove a former state: %s", node->id, done->text);
	return true;
}

static void
checkpoint_synced(struct node *node, const struct snap_done *done)
{
	struct raft_event event = { .type = RAFT_EVENT_CHECKPOINT };
	uint32_t chain;

	node->snapshot_begun = false;
	node->snapshot_again_ns = node->now_ns + SNAPSHOT_AGAIN_NS;
	if (done->result != ERR_OK || node->installing ||
	    done->index <= node->snapshot_index ||
	    done->index > node->durable_index ||
	    store_chain(node->store, done->index, &chain) != ERR_OK) {
		return;
	}
	event.checkpoint.index = done->index;
	store_chain_encode(event.checkpoint.chain, chain, done->digest);
	node_step(node, &event);
}

/* False: it is of a checkpoint of which the loop does not know yet. */
static bool
view_opened(struct node *node, const struct snap_done *done)
{
	struct raft_event event = { .type = RAFT_EVENT_VIEW };

	if (done->id != node->view_id) {
		return true;	/* closed since */
	}
	if (done->result == ERR_OK && (done->index > node->applied_index ||
	    done->index > node->durable_index)) {
		return false;
	}
	if (done->result == ERR_OK) {
		event.view.id = done->id;
		event.view.index = done->index;
		event.view.size = done->size;
		memcpy(event.view.chain, done->chain, RAFT_CHAIN_SIZE);
		node_step(node, &event);
		if (node->update->result == ERR_OK) {
			return true;
		}
		(void)snap_close(node->snap, done->id);
	}
	node->view_id = 0;
	node->view_again_ns = node->now_ns + VIEW_AGAIN_NS;
	return true;
}

static void
chunk_read(struct node *node, const struct snap_done *done)
{
	if (done->result == ERR_BUSY) {
		events_write(node->events, EVENT_SNAPSHOT, false,
		    "Node %u gives up a snapshot: %s", node->id, done->text);
	}
	if (done->result != ERR_OK ||
	    !peers_send_chunk(node, &done->message, done->data)) {
		peers_chunk_failed(node, &done->message);
	}
}

static void
chunk_written(struct node *node, const struct snap_done *done)
{
	struct raft_event event = { .type = RAFT_EVENT_RECEIVED };

	if (done->result == ERR_NOT_FOUND) {
		return;		/* told before */
	}
	if (done->result != ERR_OK) {
		events_write(node->events, EVENT_DISK, false,
		    "Node %u cannot take a snapshot: %s", node->id,
		    done->text);
	}
	if (done->result == ERR_IO) {
		/* U18: a disk that fails is not written to any more. */
		node_latch(node, ERR_IO, "%s", done->text);
		return;
	}
	event.received.id = done->id;
	event.received.offset = done->offset;
	event.received.complete = done->complete;
	event.received.failed = done->result != ERR_OK;
	node_step(node, &event);
}
