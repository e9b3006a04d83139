/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop: gather, step, carry out; then look again, yield, or sleep.
 *
 * One turn takes whatever has arrived from peers and clients, so that one
 * disk transaction, one AppendEntries a follower and one wake-up serve all
 * of it.  A leader's AppendEntries leave before its own disk write begins.
 *
 * With nothing to do it looks again for a short while with sched_yield() in
 * between, as long as there was traffic a moment ago; then it sleeps on its
 * doorbell and on the others' life tokens until the next deadline.  While its
 * disk's thread writes it sleeps at once: that takes longer, and the thread
 * wants the processor.
 *
 * The heartbeats of an idle cluster are no traffic, and their answers need not
 * wake a leader that awaits nothing: it sleeps as WAKE_URGENT, and finds them
 * when its next heartbeat is due.  What hangs on them bears that: a lease was
 * promised from when the heartbeat was sent, and a turn takes the messages
 * before it looks at requests, and before the core looks at its deadlines.
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "node/node.h"

#define POLL_NS			50000ull	/* look again this long */
#define SLEEP_NS_MAX		1000000000ull	/* sleeps are bounded (S7) */
#define PENDING_NS_MAX		20000000ull	/* for one who takes none */
#define STATUS_EVERY_NS		1000000ull
#define HOUSEKEEPING_NS		100000000ull
#define ROOM_EVERY_NS		20000000ull
#define ROOM_OFTEN_NS		2000000ull	/* with little room */
#define HANG_NS_MIN		1000000000ull
#define BEAT_PART		4	/* of a heartbeat: sooner is no clock */

static bool	node_turn(struct node *);
static void	node_timers(struct node *);
static bool	node_shorts(struct node *);
static void	node_room(struct node *);
static void	node_watch_disk(struct node *);
static void	node_housekeeping(struct node *);
static bool	node_is_quiet(struct node *);
static void	node_sleep(struct node *, bool);
static enum doorbell_wake node_wake_for(const struct node *);
static uint64_t	node_wake_at(const struct node *, bool);

void
node_loop(struct node *node)
{
	uint64_t worked_ns = 0;
	bool pending;

	node->now_ns = clock_now_ns();
	node->pending_ns = NODE_PENDING_NS;
	while (!node->stop && node->result == ERR_OK) {
		bool work = node_turn(node);

		pending = peers_flush(node);
		pending = clients_flush(node) || pending;
		if (node->traffic) {
			worked_ns = node->now_ns;
		}
		if (node->sliced) {
			/* There is more to do, but others go first. */
			sched_yield();
			continue;
		}
		if (work) {
			continue;
		}
		if (node->now_ns < worked_ns + POLL_NS &&
		    !near_has_time(node) &&
		    disk_busy_since(node->disk) == 0) {
			sched_yield();
		} else {
			/* The near ones write as long as we do. */
			if (disk_busy_since(node->disk) == 0) {
				pending = peers_flush_all(node) || pending;
			}
			node_sleep(node, pending);
		}
	}
	node_status_publish(node);
}

/* One turn: true when there was something to do. */
static bool
node_turn(struct node *node)
{
	bool work, beats, slow;

	node->now_ns = clock_now_ns();
	slow = node->now_ns >= node->housekeeping_ns;
	if (slow || segment_rows_version(node->segment) !=
	    node->rows_version) {
		node_rows(node);
	}
	if (slow) {
		node_housekeeping(node);
	}
	if (node->now_ns >= node->room_at_ns) {
		node_room(node);
	}
	node->traffic = node->sliced = false;
	beats = peers_receive(node);
	CRASH_POINT("loop: messages taken");
	work = node_shorts(node);
	peers_look_for_deaths(node);
	if (clients_receive(node, slow)) {
		node->asked_ns = node->now_ns;
		work = true;
	}
	CRASH_POINT("loop: requests taken");
	node_timers(node);
	work = node_tick_turn(node) || work;
	work = node_members_turn(node) || work;
	work = forward_turn(node) || work;
	work = node_shorts(node) || work;
	/* The followers' disks and ours work at the same time. */
	(void)peers_flush(node);
	CRASH_POINT("send: published, before the own disk");
	if (node->now_ns >= node->disk_again_ns) {
		disk_kick(node->disk, node->now_ns);
	}
	work = node_disk_done(node) || work;
	/* Whom an acknowledgement lets go on need not wait for the rest. */
	(void)peers_flush(node);
	work = node_snapshot_turn(node) || work;
	node_watch_disk(node);
	node->traffic = node->traffic || work;
	work = node_apply_turn(node) || work;
	if (node->status_dirty &&
	    node->now_ns >= node->status_at_ns + STATUS_EVERY_NS) {
		node_status_publish(node);
	}
	node->traffic = node->traffic || work;
	return work || beats;
}

void
node_beat(struct node *node)
{
	if (node->now_ns != node->beat_ns) {
		node->beats_alone = node->now_ns - node->beat_ns >=
		    node->config->heartbeat_ns / BEAT_PART;
		node->beat_ns = node->now_ns;
	}
}

void
node_latch(struct node *node, int code, const char *fmt, ...)
{
	va_list ap;

	if (node->result != ERR_OK) {
		return;
	}
	node->result = code;
	va_start(ap, fmt);
	vsnprintf(node->latched, sizeof(node->latched), fmt, ap);
	va_end(ap);
	events_write(node->events, EVENT_DISK, false, "Node %u stops: %s",
	    node->id, node->latched);
}

/* The election timer of an operator, the core's deadline. */
static void
node_timers(struct node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_TICK };

	if (node->now_ns >= node->timeout_at_ns) {
		node->timeout_at_ns = UINT64_MAX;
		event.type = RAFT_EVENT_TIMEOUT;
		node_step(node, &event);
	}
	if (node->now_ns >= node->deadline_ns) {
		event.type = RAFT_EVENT_TICK;
		node_step(node, &event);
	}
}

/* Tells the core which AppendEntries carried less than it asked for. */
static bool
node_shorts(struct node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_SENT };
	uint32_t count = node->short_count;

	for (uint32_t i = 0; i < count; i++) {
		event.sent.to = node->shorts[i].to;
		event.sent.request = node->shorts[i].request;
		event.sent.next_index = node->shorts[i].next_index;
		node_step(node, &event);
	}
	/* Steps may have added more. */
	node->short_count -= count;
	memmove(node->shorts, node->shorts + count,
	    node->short_count * sizeof(node->shorts[0]));
	return count > 0;
}

static void
node_room(struct node *node)
{
	static const enum raft_room for_core[] = {
	    [STORE_ROOM_OK] = RAFT_ROOM_OK,
	    /* What adds nothing is proposed; clients.c refuses the rest. */
	    [STORE_ROOM_FEW] = RAFT_ROOM_OK,
	    [STORE_ROOM_LOW] = RAFT_ROOM_LOW,
	    [STORE_ROOM_NONE] = RAFT_ROOM_NONE,
	    [STORE_ROOM_OUT] = RAFT_ROOM_NONE,
	};
	static const char *const texts[] = {
	    [STORE_ROOM_OK] = "has room on its disk again",
	    [STORE_ROOM_FEW] = "has little room on its disk: only what adds "
	    "nothing is taken",
	    [STORE_ROOM_LOW] = "has little room on its disk: no proposals are "
	    "taken",
	    [STORE_ROOM_NONE] = "has no room on its disk: nothing is appended",
	};
	struct raft_event event = { .type = RAFT_EVENT_ROOM };
	enum store_room room = node_room_for(node, 0, 0);

	node->little_room = room != STORE_ROOM_OK ||
	    store_is_scarce(node->store);
	node->room_at_ns = node->now_ns +
	    (node->little_room ? ROOM_OFTEN_NS : ROOM_EVERY_NS);
	node->peers_lack_room = peers_lack_room(node);
	if (room == STORE_ROOM_OUT) {
		room = STORE_ROOM_NONE;
	}
	if (room < STORE_ROOM_LOW && node->state_full) {
		room = STORE_ROOM_LOW;
	}
	if (room == node->room) {
		node_snapshot_room(node);
		return;
	}
	events_write(node->events, EVENT_DISK, false, "Node %u %s", node->id,
	    texts[room]);
	event.room = for_core[room];
	if (event.room != for_core[node->room]) {
		node_step(node, &event);
	}
	node->room = room;
	/* A leader that does not know yet goes on to accept. */
	node->status_dirty = true;
	node->status_at_ns = 0;
	node_snapshot_room(node);
}

/* A leader whose own disk hangs hands over (U2). */
static void
node_watch_disk(struct node *node)
{
	struct raft_event event = { .type = RAFT_EVENT_STEP_DOWN };
	uint64_t since = disk_busy_since(node->disk);
	uint64_t limit = 2 * node->config->election_max_ns;

	if (limit < HANG_NS_MIN) {
		limit = HANG_NS_MIN;
	}
	if (since == 0 || node->now_ns < since + limit) {
		node->hang_told = false;
		return;
	}
	if (!node->hang_told) {
		node->hang_told = true;
		events_write(node->events, EVENT_DISK, false,
		    "Node %u waits for its disk since %llu ms", node->id,
		    (unsigned long long)((node->now_ns - since) / 1000000));
	}
	if (node->role == RAFT_LEADER) {
		event.reason = "its disk hangs";
		node_step(node, &event);
	}
}

void
node_rows(struct node *node)
{
	struct segment_row row;

	node->rows_version = segment_rows_version(node->segment);
	if (segment_row_read(node->segment, node->slot, &row) != ERR_OK) {
		return;
	}
	if (row.stop != 0) {
		node->stop = true;
	}
	if (row.timeout_seq > node->timeout_seq) {
		node->timeout_seq = row.timeout_seq;
		node->timeout_at_ns = row.timeout_at_ns;
	}
	node->members_at_ns = 0;
	if (node->raft != NULL) {
		raft_set_tell_rpc(node->raft, row.log_rpc != 0);
		peers_update(node);
		peers_faults(node);
	}
}

static void
node_housekeeping(struct node *node)
{
	const char *latched = store_latched(node->store);

	node->housekeeping_ns = node->now_ns + HOUSEKEEPING_NS;
	if (node->role == RAFT_LEADER) {
		node->status_dirty = true;	/* its lease was renewed */
		near_choose(node);
	}
	events_tick(node->events, node->now_ns);
	node_digests_compare(node);
	if (latched != NULL) {
		node_latch(node, ERR_IO, "%s", latched);
	}
	if (node->linked && !segment_is_linked(node->segment)) {
		node->linked = false;
		events_write(node->events, EVENT_START, false,
		    "The segment %s was unlinked: it can still be opened "
		    "through /proc/%d/fd", segment_own_name(node->segment),
		    (int)node->status.pid);
	}
}

/* Nobody has anything for us now. */
static bool
node_is_quiet(struct node *node)
{
	return node->short_count == 0 && peers_is_quiet(node) &&
	    clients_is_quiet(node) &&
	    !disk_is_done(node->disk) && !apply_is_done(node->apply) &&
	    !snap_is_done(node->snap);
}

/* Sleeps until something happens, unless something has. */
static void
node_sleep(struct node *node, bool pending)
{
	struct doorbell_extra extra[SEGMENT_SLOTS];
	uint32_t value, count;
	enum doorbell_woken woken;

	if (node->status_dirty) {
		node_status_publish(node);
	}
	value = doorbell_prepare_for(&node->bell, node_wake_for(node));
	count = peers_arm(node, extra);
	if (node->stop || count == PEERS_DEATH || !node_is_quiet(node) ||
	    segment_rows_version(node->segment) != node->rows_version) {
		doorbell_cancel(&node->bell);
		return;
	}
	node->counters[SEGMENT_SLEEPS]++;
	woken = doorbell_wait(&node->bell, value, extra, count,
	    node_wake_at(node, pending));
	if (woken != DOORBELL_TIMEOUT) {
		node->counters[SEGMENT_WAKES]++;
	} else if (pending && node->pending_ns < PENDING_NS_MAX) {
		/* Dead or paused, perhaps: more patiently each time. */
		node->pending_ns *= 2;
	}
}

/*
 * A leader is awake in time for each of its heartbeats.  When it has nothing
 * to wait for and every other node has all of its log, their answers to those
 * have time until then.  Not those that a fault of the link holds back from
 * when they are taken: what they wait for already comes on top.
 */
static enum doorbell_wake
node_wake_for(const struct node *node)
{
	struct raft_status status;
	uint32_t slot;

	if (node->role != RAFT_LEADER || node->reads_open > 0 ||
	    !raft_is_ready(node->raft)) {
		return DOORBELL_WAKE_ANY;
	}
	raft_status(node->raft, &status);
	if (status.transfer_to != 0 ||
	    status.commit_index != status.last_index) {
		return DOORBELL_WAKE_ANY;
	}
	for (uint32_t i = 0; i < status.peer_count; i++) {
		slot = peers_slot_of(node, status.peers[i].id);
		if (!status.peers[i].replicating ||
		    status.peers[i].match_index != status.last_index ||
		    slot == SEGMENT_SLOTS ||
		    faults_concern(node->faults, slot)) {
			return DOORBELL_WAKE_ANY;
		}
	}
	return DOORBELL_WAKE_URGENT;
}

/* The earliest time at which there is something to do. */
static uint64_t
node_wake_at(const struct node *node, bool pending)
{
	uint64_t now = node->now_ns;
	uint64_t at = now + SLEEP_NS_MAX;
	const uint64_t candidates[] = {
	    node_tick_at(node),
	    node->deadline_ns,
	    node->timeout_at_ns,
	    node->role == RAFT_LEADER ? node->members_at_ns : UINT64_MAX,
	    faults_wake_at(node->faults),
	    node->checkpoint_at_ns > now ? node->checkpoint_at_ns :
	    UINT64_MAX,
	    node->checkpoint_again_ns > now ? node->checkpoint_again_ns :
	    UINT64_MAX,
	    pending ? now + node->pending_ns : UINT64_MAX,
	    peers_due_ns(node),
	    node->apply_again_ns > now ? node->apply_again_ns : UINT64_MAX,
	    node->disk_again_ns > now ? node->disk_again_ns : UINT64_MAX,
	    node->room != STORE_ROOM_OK || node->peers_lack_room ||
	    apply_frees(node->apply) ?
	    node->room_at_ns : UINT64_MAX,
	};

	for (size_t i = 0; i < COUNT_OF(candidates); i++) {
		if (candidates[i] < at) {
			at = candidates[i];
		}
	}
	return at;
}
