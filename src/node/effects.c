/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One event in, its effects out, in the order that raft.h asks for.
 *
 *	1. persist	copied into the cache, handed to the disk
 *	2. send		at once, or when durable_seq has reached after_seq
 *	3. apply	entries up to the commit index, then reads
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "node/node.h"

#define APPLY_AGAIN_NS		100000000ull	/* after a full disk */
#define DISK_AGAIN_NS		50000000ull
#define APPLY_SLICED_MAX	128	/* entries; more of them at once */
#define CHECKPOINT_QUIET_NS	2000000000ull	/* after the last entry, */
#define CHECKPOINT_EVERY_NS	5000000000ull	/* after the first, at most */
#define CHECKPOINT_AGAIN_NS	100000000ull	/* after a full disk */
#define NODE_ROOM_BYTES		(64u << 10)	/* always, besides */
#define NODE_RECORD_SIZE	48u	/* of the log, but for the data */

static void	take_durable(struct node *);
static void	node_persist(struct node *);
static void	node_promises(struct node *);
static void	node_messages(struct node *);
static void	node_release_waiting(struct node *);
static bool	is_said_by(const struct raft_message *,
		    const struct raft_message *);
static void	node_role_changes(struct node *);
static void	node_pins(struct node *);
static void	node_feed_apply(struct node *);
static void	node_apply_results(struct node *, const struct apply_done *);
static void	plan_checkpoint(struct node *, const struct apply_done *);
static int	node_apply_stored(void *, const struct raft_entry *);

void
node_step(struct node *node, struct raft_event *event)
{
	struct raft_update *update = node->update;

	event->now_ns = node->now_ns;
	event->random = prng_next(&node->prng);
	raft_step(node->raft, event, update);
	if (update->result == ERR_INTERNAL) {
		struct raft_status status;

		raft_status(node->raft, &status);
		node_latch(node, ERR_INTERNAL, "%s", status.latched != NULL ?
		    status.latched : "the core refused an event");
		return;
	}
	if (event->type == RAFT_EVENT_PERSISTED) {
		take_durable(node);
	}
	if (event->type == RAFT_EVENT_READ && update->result == ERR_OK) {
		node->reads_open++;
	}
	assert(update->read_count <= node->reads_open);
	node->reads_open -= update->read_count;
	node_snapshot_effects(node, event);
	if (update->persist_seq != 0) {
		CRASH_POINT("step: before persist");
		node_persist(node);
		CRASH_POINT("step: persist handed over");
	}
	if (update->promises_changed) {
		node_promises(node);
	}
	disk_set_first(node->disk, update->first_index);
	/* Before the messages: a leader's first ones follow its role. */
	node_role_changes(node);
	node_messages(node);
	CRASH_POINT("step: messages queued");
	if (update->commit_index > node->commit_index) {
		node->commit_index = update->commit_index;
		node->status_dirty = true;
		CRASH_POINT("step: commit index moved");
	}
	for (uint32_t i = 0; i < update->read_count; i++) {
		if (update->reads[i].id == NODE_MEMBERS_READ) {
			node_members_read(node, &update->reads[i]);
			continue;
		}
		if ((update->reads[i].id & NODE_ASKED_READ) != 0) {
			forward_answer(node, &update->reads[i]);
			continue;
		}
		clients_reads(node, &update->reads[i]);
	}
	node->deadline_ns = update->deadline_ns;
}

bool
node_has_room(struct node *node, uint64_t bytes, uint32_t count)
{
	/* What was handed to apply since the last step is pinned too. */
	node_pins(node);
	return cache_has_room(node->cache, bytes, count);
}

enum store_room
node_room_for(const struct node *node, uint64_t bytes, uint32_t count)
{
	const struct cache *cache = node->cache;
	uint64_t end = cache_next(cache) + count;
	uint64_t not_written = end - (node->durable_index + 1);
	uint64_t not_applied = end - (node->applied_index + 1);
	enum store_room log, state;

	/* Far behind, it makes checkpoints on the way. */
	if (not_applied > NODE_BATCH_MAX) {
		not_applied = NODE_BATCH_MAX;
	}
	log = store_room(node->store, bytes + NODE_ROOM_BYTES +
	    cache_bytes_from(cache, node->durable_index + 1) +
	    not_written * NODE_RECORD_SIZE);
	state = apply_room(node->apply, bytes + NODE_ROOM_BYTES +
	    cache_bytes_from(cache, node->applied_index + 1), not_applied);
	/* Deletions make room there, as long as a checkpoint fits; and what
	 * others have accepted is applied in memory if it does not. */
	if (state == STORE_ROOM_OUT) {
		state = STORE_ROOM_LOW;
	} else if (state > STORE_ROOM_FEW) {
		state = STORE_ROOM_FEW;
	}
	if (log < state) {
		log = state;
	}
	/* As when the disk is full and the reserve is still there. */
	return node->room_fault && log < STORE_ROOM_FEW ? STORE_ROOM_FEW : log;
}

/*
 * The core knows what stayed of a log that was cut meanwhile; index and term
 * of what was written do not tell (T41).  Checkpoints ask for no more than it
 * knows, or it latches.
 */
static void
take_durable(struct node *node)
{
	struct raft_status status;

	raft_status(node->raft, &status);
	if (status.durable_index > node->durable_index) {
		node->durable_index = status.durable_index;
	}
	if (status.durable_index != node->status.durable) {
		node->status_dirty = true;
	}
}

/* Copies entries into the cache and hands the persist to the disk. */
static void
node_persist(struct node *node)
{
	const struct raft_update *update = node->update;
	const struct raft_entry **entries = node->appended;
	uint64_t pin, kept_term = 0;

	if (update->truncate_from != 0) {
		cache_truncate(node->cache, update->truncate_from);
		if (update->truncate_from <= node->durable_index) {
			node->durable_index = update->truncate_from - 1;
		}
		kept_term = raft_term_at(node->raft,
		    update->truncate_from - 1);
	}
	assert(update->entry_count <= NODE_BATCH_MAX);
	node_pins(node);
	pin = cache_position(node->cache);
	for (uint32_t i = 0; i < update->entry_count; i++) {
		int result = cache_append(node->cache, &update->entries[i]);

		/* Room was made sure of before the step. */
		assert(result == ERR_OK);
		entries[i] = cache_get(node->cache, update->entries[i].index);
	}
	disk_add(node->disk, update, entries, pin, kept_term);
	node->status_dirty = true;
}

/* Where the next run of this node finds them, before anybody hears of it. */
static void
node_promises(struct node *node)
{
	const struct raft_update *update = node->update;
	struct segment_promises page = {
	    .count = update->promise_count,
	    .withhold_ns = node->withhold_ns,
	};

	for (uint32_t i = 0; i < update->promise_count; i++) {
		page.promises[i].leader = update->promises[i].leader;
		page.promises[i].run = update->promises[i].run;
		page.promises[i].end_ns = update->promises[i].end_ns;
	}
	segment_promises_publish(node->segment, node->slot, &page);
}

static void
node_messages(struct node *node)
{
	const struct raft_update *update = node->update;

	for (uint32_t i = 0; i < update->message_count; i++) {
		const struct raft_message *message = &update->messages[i];

		if (message->type == RAFT_HEARTBEAT) {
			node_beat(node);
		}
		if (message->after_seq <= node->durable_seq) {
			peers_send(node, message);
		} else if (node->waiting_count < NODE_WAITING_MAX) {
			uint32_t at = (node->waiting_first +
			    node->waiting_count++) % NODE_WAITING_MAX;

			node->waiting[at] = *message;
		} else {
			node->counters[SEGMENT_DROPPED + message->type]++;
		}
	}
}

/*
 * Sends what has waited long enough; in the order of the updates.  Of
 * acknowledgements in a row the last says it all: the others might as well
 * have been lost.
 */
static void
node_release_waiting(struct node *node)
{
	uint32_t count = node->waiting_count;

	for (uint32_t i = 0; i < count; i++) {
		struct raft_message *message =
		    &node->waiting[node->waiting_first];
		const struct raft_message *next = &node->waiting[
		    (node->waiting_first + 1) % NODE_WAITING_MAX];

		if (message->after_seq > node->durable_seq) {
			/* after_seq may differ by kind: go round. */
			node->waiting[(node->waiting_first +
			    node->waiting_count) % NODE_WAITING_MAX] =
			    *message;
			node->waiting_count++;
		} else if (i + 1 == count ||
		    next->after_seq > node->durable_seq ||
		    !is_said_by(message, next)) {
			peers_send(node, message);
		}
		node->waiting_first = (node->waiting_first + 1) %
		    NODE_WAITING_MAX;
		node->waiting_count--;
	}
}

/* The later of two acknowledgements covers the earlier one. */
static bool
is_said_by(const struct raft_message *earlier,
    const struct raft_message *later)
{
	return earlier->type == RAFT_APPEND_REPLY &&
	    later->type == RAFT_APPEND_REPLY && !earlier->reject &&
	    !later->reject && earlier->to == later->to &&
	    earlier->to_run == later->to_run &&
	    earlier->term == later->term && earlier->index <= later->index &&
	    earlier->request <= later->request;
}

bool
node_disk_done(struct node *node)
{
	struct disk_done done;
	struct raft_event event = { .type = RAFT_EVENT_PERSISTED };

	if (!disk_poll(node->disk, &done)) {
		return false;
	}
	node->counters[SEGMENT_FAULT_DISK] += done.fault;
	if (done.installed != NULL) {
		apply_install(node->apply, done.installed);
	}
	if (done.result == ERR_FULL) {
		/* Kept by disk.c, written when there is room. */
		node->disk_again_ns = node->now_ns + DISK_AGAIN_NS;
		return false;
	}
	if (done.result != ERR_OK) {
		const char *why = store_latched(node->store);

		node_latch(node, done.result, "%s", why != NULL ? why :
		    err_text(done.result));
		return true;
	}
	if (!done.persisted) {
		return true;
	}
	CRASH_POINT("disk: done, not yet told");
	node->durable_seq = done.seq;
	node_release_waiting(node);
	CRASH_POINT("disk: done, replies queued");
	event.persisted.seq = done.seq;
	event.persisted.last_index = done.last_index;
	event.persisted.last_term = done.last_term;
	node_step(node, &event);
	return true;
}

/* What follows from a change of role, term or leader. */
static void
node_role_changes(struct node *node)
{
	enum raft_role role = raft_role(node->raft);
	uint64_t term = raft_term(node->raft);
	uint32_t leader = raft_leader(node->raft);
	bool leads = role == RAFT_LEADER;
	bool led = node->role == RAFT_LEADER;

	if (role == node->role && term == node->term &&
	    leader == node->leader) {
		return;
	}
	if (led && (!leads || term != node->term)) {
		segment_hint_set(node->segment, node->slot, term << 1);
		clients_lost_office(node);
	}
	node->role = role;
	node->term = term;
	node->leader = leader;
	node->status_dirty = true;
	node->status_at_ns = 0;
	events_set_role(node->events, role, term);
	near_choose(node);
	if (leads && !led) {
		node_log_time_begin(node);
		segment_hint_set(node->segment, node->slot, term << 1 | 1);
		clients_ring_all(node);
	}
}

bool
node_apply_turn(struct node *node)
{
	struct apply_done done;
	bool work = false;

	if (apply_poll(node->apply, &done)) {
		node_apply_results(node, &done);
		work = true;
	}
	if (apply_is_busy(node->apply) ||
	    node->now_ns < node->apply_again_ns || node->stop) {
		return work;
	}
	node_feed_apply(node);
	clients_apply_reads(node);
	apply_save_room(node->apply, node->little_room);
	if ((apply_is_dirty(node->apply, node->little_room) ||
	    node->now_ns >= node->checkpoint_at_ns ||
	    (node->little_room && apply_frees(node->apply)) ||
	    node_snapshot_is_due(node)) &&
	    node->now_ns >= node->checkpoint_again_ns && !node->installing &&
	    node->apply_next - 1 <= node->durable_index) {
		/* Only what is durable in the own log. */
		apply_want_checkpoint(node->apply);
		node->checkpoint_at_ns = UINT64_MAX;
	}
	CRASH_POINT("apply: entries handed over");
	apply_kick(node->apply);
	if (apply_poll(node->apply, &done)) {
		node_apply_results(node, &done);
		work = true;
	}
	return work;
}

/*
 * What the cache lacks is read from the store, and only as far as the store
 * is known to agree with the log: beyond that it may still have what a
 * truncation, which waits for the disk, is about to remove.
 */
static void
node_feed_apply(struct node *node)
{
	uint64_t end = node->commit_index, stored;

	if (node->installing) {
		return;
	}

	/* When a checkpoint is due, wait for the own disk to catch up. */
	if ((apply_is_dirty(node->apply, false) ||
	    node_snapshot_is_asked(node)) && end > node->durable_index) {
		end = node->durable_index;
	}
	if (end - node->apply_next < APPLY_SLICED_MAX) {
		stored = node->apply_next + near_slice(node, UINT32_MAX) - 1;
		node->sliced = node->sliced || end > stored;
		end = end < stored ? end : stored;
	}
	while (node->apply_next <= end && apply_has_room(node->apply)) {
		const struct raft_entry *entry =
		    cache_get(node->cache, node->apply_next);
		int result;

		if (entry != NULL) {
			apply_add_entry(node->apply, entry,
			    cache_position_of(node->cache, entry->index),
			    clients_wants_answer(node, entry->index,
			    entry->term));
			node->apply_next++;
			continue;
		}
		stored = end < node->durable_index ? end : node->durable_index;
		if (node->apply_next > stored) {
			return;		/* when the disk has caught up */
		}
		result = store_read(node->store, node->apply_next, stored + 1,
		    APPLY_JOB_BYTES / 2, node_apply_stored, node);
		if (result != ERR_OK) {
			node_latch(node, result,
			    "entry %llu cannot be read for applying: %s",
			    (unsigned long long)node->apply_next,
			    err_text(result));
			return;
		}
	}
}

/* One entry that only the store still has. */
static int
node_apply_stored(void *arg, const struct raft_entry *entry)
{
	struct node *node = arg;

	apply_add_entry(node->apply, entry, UINT64_MAX,
	    clients_wants_answer(node, entry->index, entry->term));
	node->apply_next = entry->index + 1;
	return apply_has_room(node->apply) ? 0 : 1;
}

static void
node_apply_results(struct node *node, const struct apply_done *done)
{
	struct raft_event event = { .type = RAFT_EVENT_APPLIED };

	CRASH_POINT("apply: results taken");
	for (size_t i = 0; i < done->result_count; i++) {
		clients_answer(node, &done->results[i]);
	}
	/* Who waits need not wait for the rest of the turn. */
	(void)clients_flush(node);
	node_digests_take(node, done);
	node->state_full = done->result == ERR_FULL;
	if (done->rested) {
		node_pins(node);
		cache_rest(node->cache);
	}
	if (done->installed) {
		node_snapshot_installed(node, done);
	}
	if (done->checkpoint_failed) {
		node->checkpoint_again_ns = node->now_ns +
		    CHECKPOINT_AGAIN_NS;
		node->checkpoint_at_ns = node->checkpoint_again_ns;
	}
	if (node->installing && (done->result == ERR_OK ||
	    done->result == ERR_FULL)) {
		/* What the old state has applied is of no use any more. */
		return;
	}
	if (done->rewound || done->result == ERR_FULL) {
		/* Applied once more, at once if there is memory for it. */
		node->apply_next = done->applied_index + 1;
	}
	if (done->result == ERR_FULL) {
		clients_apply_failed(node);
		node->apply_again_ns = node->now_ns + APPLY_AGAIN_NS;
	} else if (done->result != ERR_OK) {
		const char *why = store_latched(node->store);

		node_latch(node, done->result, "%s", why != NULL ? why :
		    err_text(done->result));
		return;
	}
	node_log_time_applied(node, done->log_time_ns,
	    done->next_expiry_ns);
	if (done->applied_index > done->checkpoint_index) {
		plan_checkpoint(node, done);
	}
	if (done->applied_index > node->applied_index) {
		node->counters[SEGMENT_APPLIED] +=
		    done->applied_index - node->applied_index;
		node->applied_index = done->applied_index;
		node->status_dirty = true;
		event.applied.index = done->applied_index;
		node_step(node, &event);
	}
	node_snapshot_checkpoint(node, done);
}

/* When time alone makes one due. */
static void
plan_checkpoint(struct node *node, const struct apply_done *done)
{
	uint64_t quiet = node->now_ns + CHECKPOINT_QUIET_NS;

	if (node->checkpoint_at_ns == UINT64_MAX) {
		node->checkpoint_at_ns = done->checkpoint_goes_on ?
		    node->now_ns : quiet;
		node->checkpoint_by_ns = node->now_ns + CHECKPOINT_EVERY_NS;
	} else if (node->now_ns < node->checkpoint_at_ns &&
	    done->applied_index > node->applied_index) {
		node->checkpoint_at_ns = quiet < node->checkpoint_by_ns ?
		    quiet : node->checkpoint_by_ns;
	}
}

/* Tells the cache what nobody needs any more. */
static void
node_pins(struct node *node)
{
	uint64_t disk = disk_pinned(node->disk);
	uint64_t apply = apply_pinned(node->apply);

	cache_set_limits(node->cache, node->durable_index,
	    disk < apply ? disk : apply);
}

/* The core's story: event log, flight recorder, status page. */
void
node_tell(void *arg, enum raft_tell kind, const char *text)
{
	struct node *node = arg;
	bool rpc = kind == RAFT_TELL_RPC || kind == RAFT_TELL_COMMIT;

	/* While raft_new() runs there is no core to ask yet. */
	if (node->raft != NULL) {
		events_set_role(node->events, raft_role(node->raft),
		    raft_term(node->raft));
	}
	events_write(node->events, kind, rpc, "%s", text);
	if (kind == RAFT_TELL_ROLE || kind == RAFT_TELL_ELECTION) {
		node_status_reason(node, text);
	}
	if (kind == RAFT_TELL_ELECTION) {
		node->counters[SEGMENT_ELECTIONS]++;
	}
}
