/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other nodes: a pair of channels and a life token each.
 *
 * Links are by slot; the node id of a slot is in the supervisor's row.  A
 * message is taken only when its sender is the node of the slot that it came
 * from.  AppendEntries are filled in here, from the cache or the store; when
 * less fits than the core asked for, or nothing, the core is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "node/gather.h"
#include "node/node.h"
#include "shm/channel.h"
#include "wire/index.h"
#include "wire/message.h"
#include "wire/request.h"

#define RECEIVE_MAX	64		/* messages of one peer in a turn */
#define FAR_NS		1000000ull	/* entries are gathered so long, */
#define FAR_POWER_NS	4000000ull	/* a write costs more there, */
#define FAR_SIZE	(32u << 10)	/* or until they are as many */
#define ENCODE_SIZE	(RAFT_ENTRY_SIZE_MAX + (1u << 20))

struct peer {
	uint32_t id;			/* 0: the slot is not in use */
	struct channel_tx *tx;
	struct channel_rx *rx;
	struct doorbell bell;
	bool sent;			/* something since the last flush, */
	bool urgent;			/* and not only idle answers */
	uint32_t held_size;		/* gathered for a far one, */
	uint64_t held_ns;		/* since then */
	struct gather gather;		/* the end of it, not yet encoded */
};

struct peers {
	struct peer peers[SEGMENT_SLOTS];
	bool unflushed;			/* one of them was sent something */
	struct raft_entry entries[WIRE_ENTRIES_MAX];
	/* The entries last encoded: followers get the same ones. */
	uint8_t *encoded;
	size_t encoded_size;
	uint64_t encoded_first;
	uint64_t encoded_end;
	uint64_t encoded_term;		/* of the leader that did it */
	uint32_t encoded_bytes_max;
};

static struct peer *peer_of(struct node *, uint32_t);
static bool	peer_receive(struct node *, uint32_t);
static void	peer_step(struct node *, uint32_t,
		    const struct channel_message *);
static void	peer_traffic(struct node *, const struct raft_message *);
static bool	peers_receive_held(struct node *);
static bool	peer_fits(struct node *, const struct raft_message *);
static bool	append_has_room(const struct node *, struct peer *,
		    const struct raft_message *);
static void	peers_encode(struct node *, const struct raft_message *);
static int	peers_encode_entry(void *, const struct raft_entry *);
static void	peers_sent_short(struct node *, const struct raft_message *,
		    uint64_t);
static void	send_one(struct node *, uint32_t, const struct raft_message *);
static void	send_failed(struct node *, const struct raft_message *);
static bool	send_later(struct node *, uint32_t,
		    const struct raft_message *);
static void	send_gathered(struct node *, uint32_t);
static uint64_t	far_ns(const struct node *);
static bool	flush(struct node *, bool);

int
peers_new(struct peers **peersp, struct node *node)
{
	struct peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL) {
		return ERR_NOMEM;
	}
	peers->encoded = malloc(ENCODE_SIZE);
	if (peers->encoded == NULL) {
		free(peers);
		return ERR_NOMEM;
	}
	*peersp = node->peers = peers;
	peers_update(node);
	return ERR_OK;
}

void
peers_free(struct peers *peers)
{
	if (peers == NULL) {
		return;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		channel_tx_close(peers->peers[slot].tx);
		channel_rx_close(peers->peers[slot].rx);
	}
	free(peers->encoded);
	free(peers);
}

void
peers_update(struct node *node)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct peer *peer = &node->peers->peers[slot];
		struct segment_row row;

		if (slot == node->slot ||
		    segment_row_read(node->segment, slot, &row) != ERR_OK ||
		    row.id == peer->id) {
			continue;
		}
		if (peer->id != 0) {
			/* Its node was removed; what is left in the rings is
			 * of former runs, whoever comes next. */
			channel_tx_close(peer->tx);
			channel_rx_close(peer->rx);
			memset(peer, 0, sizeof(*peer));
		}
		if (row.id == 0) {
			continue;
		}
		if (channel_open_link_tx(&peer->tx, node->segment, node->slot,
		    slot, node->run) != ERR_OK) {
			peer->tx = NULL;
			continue;
		}
		if (channel_open_link_rx(&peer->rx, node->segment, slot,
		    node->slot, node->run) != ERR_OK) {
			channel_tx_close(peer->tx);
			peer->tx = NULL;
			peer->rx = NULL;
			continue;
		}
		peer->bell = doorbell_of_node(node->segment, slot);
		peer->id = row.id;
	}
}

void
peers_faults(struct node *node)
{
	uint32_t ids[SEGMENT_SLOTS];
	struct segment_faults table;
	bool fault;

	segment_faults_read(node->segment, node->slot, &table);
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		ids[slot] = slot == node->slot ? node->id :
		    node->peers->peers[slot].id;
	}
	faults_set(node->faults, &table, ids);
	if (table.ids[node->slot] != node->id) {
		table.disk_delay_ns = 0;
		table.disk_fail = SEGMENT_DISK_GOOD;
	}
	disk_set_fault(node->disk, table.disk_delay_ns, table.disk_fail);
	if (node->sync != NULL) {
		sync_set_fault(node->sync,
		    table.disk_fail == SEGMENT_DISK_SYNC);
	}
	fault = table.disk_fail == SEGMENT_DISK_FULL;
	if (fault != node->room_fault) {
		node->room_fault = fault;
		node->room_at_ns = node->now_ns;
	}
	segment_faults_took(node->segment, node->slot, table.generation);
}

bool
peers_receive(struct node *node)
{
	bool work = false;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (node->peers->peers[slot].id != 0 &&
		    peer_receive(node, slot)) {
			work = true;
		}
	}
	/* Nothing held back, the usual case: the end of the world is far. */
	return faults_wake_at(node->faults) <= node->now_ns ?
	    peers_receive_held(node) || work : work;
}

/* What a fault has held back, or let pass. */
static bool
peers_receive_held(struct node *node)
{
	struct channel_message message;
	bool work = false;
	uint32_t slot;

	while (!node->stop &&
	    faults_next(node->faults, node->now_ns, &slot, &message)) {
		work = true;
		peer_step(node, slot, &message);
	}
	return work;
}

static bool
peer_receive(struct node *node, uint32_t slot)
{
	struct peer *peer = &node->peers->peers[slot];
	struct channel_message message;
	bool work = false;

	for (int i = 0; i < RECEIVE_MAX && !node->stop; i++) {
		enum channel_verdict verdict =
		    channel_receive(peer->rx, &message);

		if (verdict == CHANNEL_EMPTY) {
			break;
		}
		work = true;
		if (verdict != CHANNEL_MESSAGE) {
			node_count_dropped(node, verdict);
			continue;
		}
		node->counters[SEGMENT_BYTES_RECEIVED] += message.size;
		if (faults_concern(node->faults, slot)) {
			faults_take(node->faults, slot, &message,
			    node->now_ns);
		} else {
			peer_step(node, slot, &message);
		}
		channel_release(peer->rx);
	}
	if (work) {
		channel_done(peer->rx);
	}
	return work;
}

/* One message into the core. */
static void
peer_step(struct node *node, uint32_t slot, const struct channel_message *in)
{
	struct raft_message message;
	struct raft_event event = {
	    .type = RAFT_EVENT_MESSAGE,
	    .message = &message,
	};

	if (in->type == WIRE_INDEX_ASK || in->type == WIRE_INDEX_TELL) {
		node->traffic = true;
		if (!forward_receive(node, slot, in->type, in->from_epoch,
		    in->data, in->size)) {
			node->counters[SEGMENT_BAD_RECORDS]++;
		}
		return;
	}
	if (wire_decode(&message, node->peers->entries, in->data, in->size) !=
	    ERR_OK || message.from != node->peers->peers[slot].id ||
	    message.from_run != in->from_epoch) {
		node->counters[SEGMENT_BAD_RECORDS]++;
		return;
	}
	node->counters[SEGMENT_RECEIVED + message.type]++;
	if (!peer_fits(node, &message)) {
		/* As if it had been lost: the leader asks again. */
		node->counters[SEGMENT_DROPPED + message.type]++;
		return;
	}
	peer_traffic(node, &message);
	if (message.type == RAFT_PRE_VOTE || message.type == RAFT_VOTE) {
		/* Who asks may know of a death: it is heard of first. */
		peers_look_for_deaths(node);
	}
	node_step(node, &event);
	node->beat_is_idle = false;
}

/*
 * Whether the loop shall look for more for a while.  Not after a heartbeat of
 * an idle cluster, nor after its answer; one that tells nothing new (the other
 * end knows that the logs are equal) is answered without a wake-up: a leader
 * that waits for nothing else looks when its next heartbeat is due.
 */
static void
peer_traffic(struct node *node, const struct raft_message *message)
{
	if (message->type == RAFT_HEARTBEAT) {
		node_beat(node);
		node->beat_is_idle = node->beats_alone &&
		    message->commit + 1 == cache_next(node->cache);
	}
	if ((message->type != RAFT_HEARTBEAT &&
	    message->type != RAFT_HEARTBEAT_REPLY) || !node->beats_alone ||
	    node->reads_open > 0) {
		node->traffic = true;
	}
}

static bool
peer_fits(struct node *node, const struct raft_message *message)
{
	uint64_t bytes = 0;

	if (message->entry_count == 0) {
		return true;
	}
	for (uint32_t i = 0; i < message->entry_count; i++) {
		bytes += message->entries[i].size;
	}
	return cache_has_room(node->cache, bytes, message->entry_count) &&
	    node_room_for(node, bytes, message->entry_count) <=
	    STORE_ROOM_LOW;
}

/*
 * From the status pages.  A leader that went on until they refuse would have
 * entries of which nobody can say whether they will be committed.  On a disk
 * of which all of them live, the first that lacks room counts for all: the
 * others have what was left of it, and would go on until that one has used
 * up what its deletions need.
 */
bool
peers_lack_room(struct node *node)
{
	struct raft_status own;
	uint32_t with_room = 1, without = 0;

	if (node->role != RAFT_LEADER) {
		return false;
	}
	raft_status(node->raft, &own);
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct segment_status status;
		uint64_t run;

		if (node->peers->peers[slot].id == 0 ||
		    life_look(node->segment, slot, node->slot, &run) !=
		    LIFE_ALIVE || segment_status_read(node->segment, slot,
		    &status) != ERR_OK || status.ready == 0) {
			continue;
		}
		if (status.room == RAFT_ROOM_OK) {
			with_room++;
		} else {
			without++;
		}
	}
	return without > 0 && (with_room < own.quorum ||
	    store_is_scarce(node->store));
}

void
peers_send(struct node *node, const struct raft_message *message)
{
	uint32_t slot = peers_slot_of(node, message->to);

	if (slot == SEGMENT_SLOTS || send_later(node, slot, message)) {
		return;
	}
	send_gathered(node, slot);
	if (!send_later(node, slot, message)) {
		send_one(node, slot, message);
	}
}

/* What a far one is to get is gathered; false: this message goes now. */
static bool
send_later(struct node *node, uint32_t slot,
    const struct raft_message *message)
{
	struct peer *peer = &node->peers->peers[slot];
	uint32_t before = peer->gather.count == 0 ? 0 : peer->gather.size;

	if (message->type != RAFT_APPEND || message->entry_count == 0 ||
	    near_is(node, slot) ||
	    !gather_add(&peer->gather, node->cache, message)) {
		return false;
	}
	peer->held_ns = peer->held_size == 0 ? node->now_ns : peer->held_ns;
	peer->held_size += peer->gather.size - before;
	node->peers->unflushed = true;
	return true;
}

/* As one message.  Who leads no more has nothing more to say. */
static void
send_gathered(struct node *node, uint32_t slot)
{
	struct gather *gather = &node->peers->peers[slot].gather;

	if (gather->count > 0 && node->role == RAFT_LEADER &&
	    node->term == gather->message.term) {
		send_one(node, slot, &gather->message);
	}
	gather->count = 0;
}

static void
send_one(struct node *node, uint32_t slot, const struct raft_message *message)
{
	struct peers *peers = node->peers;
	struct peer *peer = &peers->peers[slot];
	uint8_t header[WIRE_HEADER_SIZE], promises[WIRE_PROMISES_SIZE];
	struct iovec iov[2];
	uint32_t count = 0;
	int iovcnt = 1;

	if (message->type == RAFT_INSTALL) {
		/* When the thread has read the chunk. */
		if (!snap_read(node->snap, message)) {
			peers_sent_short(node, message, 0);
		}
		return;
	}
	if (message->type == RAFT_APPEND && message->entry_count > 0 &&
	    !append_has_room(node, peer, message)) {
		send_failed(node, message);
		return;
	}
	if (message->type == RAFT_APPEND && message->entry_count > 0) {
		peers_encode(node, message);
		count = (uint32_t)(peers->encoded_end -
		    peers->encoded_first);
		iov[1].iov_base = peers->encoded;
		iov[1].iov_len = peers->encoded_size;
		iovcnt = 2;
	} else if (message->promise_count > 0) {
		iov[1].iov_base = promises;
		iov[1].iov_len = wire_encode_promises(message, promises);
		iovcnt = 2;
	}
	wire_encode_header(message, count, header);
	iov[0].iov_base = header;
	iov[0].iov_len = sizeof(header);
	if (channel_send(peer->tx, message->type, message->to_run, iov,
	    iovcnt) != ERR_OK) {
		send_failed(node, message);
		return;
	}
	peers->unflushed = true;
	if (count > 0 && !near_is(node, slot)) {
		peer->held_ns = peer->held_size == 0 ? node->now_ns :
		    peer->held_ns;
		peer->held_size += message == &peer->gather.message ? 0 :
		    (uint32_t)peers->encoded_size;
	} else {
		peer->sent = true;
	}
	peer->urgent = peer->urgent || !node->beat_is_idle ||
	    message->type != RAFT_HEARTBEAT_REPLY || message->reject;
	node->counters[SEGMENT_SENT + message->type]++;
	node->counters[SEGMENT_BYTES_SENT] += sizeof(header) +
	    (iovcnt == 2 ? iov[1].iov_len : 0);
	if (count < message->entry_count) {
		peers_sent_short(node, message, message->entry_first + count);
	}
}

/* There is no room on the way: lost, but the core need not wait. */
static void
send_failed(struct node *node, const struct raft_message *message)
{
	node->counters[SEGMENT_DROPPED + message->type]++;
	if (message->type == RAFT_APPEND) {
		peers_sent_short(node, message, message->entry_first);
	}
}

/*
 * Before anything is encoded: who is behind has a full ring, and each of his
 * answers is followed by one append more than it takes.  What is not in the
 * cache fills a message.
 */
static bool
append_has_room(const struct node *node, struct peer *peer,
    const struct raft_message *message)
{
	size_t size = message == &peer->gather.message ? peer->gather.size :
	    gather_size(node->cache, message);

	if (size == 0 || size > message->bytes_max) {
		size = message->bytes_max;
	}
	return channel_has_room(peer->tx, WIRE_HEADER_SIZE + size);
}

uint32_t
peers_slot_of(const struct node *node, uint32_t id)
{
	uint32_t slot = 0;

	while (slot < SEGMENT_SLOTS && (id == 0 ||
	    node->peers->peers[slot].id != id)) {
		slot++;
	}
	return slot;
}

bool
peers_send_bytes(struct node *node, uint32_t slot, uint32_t type,
    uint64_t run, const void *data, size_t size)
{
	struct peer *peer = &node->peers->peers[slot];
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
		.iov_len = size };

	if (peer->id == 0 || channel_send(peer->tx, type, run, &iov, 1) !=
	    ERR_OK) {
		return false;
	}
	peer->sent = peer->urgent = node->peers->unflushed = true;
	node->counters[SEGMENT_BYTES_SENT] += size;
	return true;
}

void
peers_chunk_failed(struct node *node, const struct raft_message *message)
{
	peers_sent_short(node, message, 0);
}

bool
peers_send_chunk(
    struct node *node, const struct raft_message *message, const void *data)
{
	struct peer *peer = peer_of(node, message->to);
	uint8_t header[WIRE_HEADER_SIZE], head[WIRE_CHUNK_HEAD_MAX];
	struct iovec iov[3];

	if (peer == NULL) {
		return true;
	}
	wire_encode_header(message, 0, header);
	iov[0].iov_base = header;
	iov[0].iov_len = sizeof(header);
	iov[1].iov_base = head;
	iov[1].iov_len = wire_encode_chunk(&message->chunk, data, head);
	iov[2].iov_base = (void *)(uintptr_t)data;
	iov[2].iov_len = message->chunk.size;
	if (channel_send(peer->tx, message->type, message->to_run, iov, 3) !=
	    ERR_OK) {
		node->counters[SEGMENT_DROPPED + message->type]++;
		return false;
	}
	peer->sent = peer->urgent = node->peers->unflushed = true;
	node->counters[SEGMENT_SENT + message->type]++;
	node->counters[SEGMENT_BYTES_SENT] +=
	    sizeof(header) + iov[1].iov_len + iov[2].iov_len;
	return true;
}

/* The bytes of the entries that a message asks for. */
static void
peers_encode(struct node *node, const struct raft_message *message)
{
	struct peers *peers = node->peers;
	uint64_t end = message->entry_first + message->entry_count;
	uint64_t index;

	if (peers->encoded_first == message->entry_first &&
	    peers->encoded_term == message->term &&
	    peers->encoded_bytes_max == message->bytes_max &&
	    peers->encoded_end == end) {
		return;
	}
	peers->encoded_first = peers->encoded_end = message->entry_first;
	peers->encoded_term = message->term;
	peers->encoded_bytes_max = message->bytes_max;
	peers->encoded_size = 0;
	for (index = message->entry_first; index < end; index++) {
		const struct raft_entry *entry = cache_get(node->cache,
		    index);

		if (entry == NULL || peers_encode_entry(peers, entry) != 0) {
			break;
		}
	}
	if (index == message->entry_first &&
	    cache_get(node->cache, index) == NULL) {
		int result = store_read(node->store, index, end,
		    message->bytes_max, peers_encode_entry, peers);

		if (result != ERR_OK && result != ERR_NOT_FOUND) {
			node_latch(node, result,
			    "entry %llu cannot be read for sending: %s",
			    (unsigned long long)index, err_text(result));
		}
	}
}

/* Non-zero when the message is full. */
static int
peers_encode_entry(void *arg, const struct raft_entry *entry)
{
	struct peers *peers = arg;
	size_t size = wire_entry_size(entry->size);

	if (peers->encoded_size > 0 && peers->encoded_size + size >
	    peers->encoded_bytes_max) {
		return 1;
	}
	wire_encode_entry(entry, peers->encoded + peers->encoded_size);
	peers->encoded_size += size;
	peers->encoded_end = entry->index + 1;
	return 0;
}

/*
 * Later, not here: this runs within the effects of a step.  The loop steps
 * what has gathered before it looks at anything else.
 */
static void
peers_sent_short(struct node *node, const struct raft_message *message,
    uint64_t next_index)
{
	const struct peer *peer = peer_of(node, message->to);
	struct node_short *item;

	if (node->short_count == NODE_SHORT_MAX) {
		/* The follower's refusal will tell the core as well. */
		return;
	}
	item = &node->shorts[node->short_count++];
	item->to = message->to;
	/* A chunk may come back after its addressee was removed. */
	item->request = peer != NULL && message == &peer->gather.message ?
	    gather_request(&peer->gather, next_index) : message->request;
	item->next_index = next_index;
}

bool
peers_flush(struct node *node)
{
	return node->peers->unflushed && flush(node, false);
}

bool
peers_flush_all(struct node *node)
{
	return node->peers->unflushed && flush(node, true);
}

uint64_t
peers_due_ns(const struct node *node)
{
	uint64_t due_ns = UINT64_MAX;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct peer *peer = &node->peers->peers[slot];

		if (peer->held_size > 0 && peer->held_ns + far_ns(node) <
		    due_ns) {
			due_ns = peer->held_ns + far_ns(node);
		}
	}
	return due_ns;
}

static uint64_t
far_ns(const struct node *node)
{
	return node->power ? FAR_POWER_NS : FAR_NS;
}

static bool
flush(struct node *node, bool all)
{
	bool pending = false, held = false, choose = false;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct peer *peer = &node->peers->peers[slot];
		bool due = peer->held_size > 0 && (all ||
		    peer->held_size >= FAR_SIZE ||
		    node->now_ns >= peer->held_ns + far_ns(node));

		if (peer->id == 0 || (!peer->sent && !due &&
		    !channel_is_pending(peer->tx))) {
			held = held || peer->held_size > 0;
			continue;
		}
		choose = choose || due;
		send_gathered(node, slot);
		CRASH_POINT("send: before publishing");
		if (channel_flush(peer->tx)) {
			CRASH_POINT("send: published, before the bell");
			node->pending_ns = NODE_PENDING_NS;
			if (peer->urgent ? doorbell_ring(&peer->bell) :
			    doorbell_ring_lazily(&peer->bell)) {
				node->counters[SEGMENT_BELLS]++;
			}
		}
		peer->sent = peer->urgent = false;
		peer->held_size = 0;
		if (channel_is_pending(peer->tx)) {
			pending = true;
		}
	}
	node->peers->unflushed = pending || held;
	if (choose) {
		near_choose(node);
	}
	return pending;
}

bool
peers_is_quiet(struct node *node)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct peer *peer = &node->peers->peers[slot];

		if (peer->id != 0 && !channel_is_empty(peer->rx)) {
			return false;
		}
	}
	return true;
}

uint32_t
peers_id_of(const struct node *node, uint32_t slot)
{
	return node->peers->peers[slot].id;
}

void
peers_look_for_deaths(struct node *node)
{
	if (node->config->death_hint == 0) {
		return;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		enum life_verdict verdict;
		uint64_t run;

		if (node->peers->peers[slot].id == 0) {
			continue;
		}
		verdict = life_look(node->segment, slot, node->slot, &run);
		if (verdict == LIFE_DEAD && run > node->dead_runs[slot]) {
			heir_tell_death(node, slot, run);
		} else if (verdict == LIFE_ALIVE &&
		    run > node->live_runs[slot]) {
			/* Started again before the death was seen: the
			 * former runs are over all the same. */
			node->live_runs[slot] = run;
			if (run - 1 > node->dead_runs[slot]) {
				heir_tell_death(node, slot, run - 1);
			}
		}
	}
}

uint32_t
peers_arm(struct node *node, struct doorbell_extra *extra)
{
	uint32_t count = 0;

	if (node->config->death_hint == 0) {
		return 0;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		uint64_t run;

		if (node->peers->peers[slot].id == 0) {
			continue;
		}
		if (life_arm(node->segment, slot, node->slot,
		    &extra[count])) {
			count++;
		} else if (life_look(node->segment, slot, node->slot, &run) ==
		    LIFE_DEAD && run > node->dead_runs[slot]) {
			return PEERS_DEATH;
		}
	}
	return count;
}

static struct peer *
peer_of(struct node *node, uint32_t id)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (node->peers->peers[slot].id == id) {
			return &node->peers->peers[slot];
		}
	}
	return NULL;
}
