/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients: requests in, answers out.
 *
 *	write	copied to private memory, checked, stamped, proposed with all
 *		others of the turn; answered when its entry is applied here
 *	read	copied, checked; all reads of a turn share one ReadIndex; then
 *		handed to apply once everything up to that index is.  One
 *		that meets what has expired by the leader's clock, but by no
 *		entry yet, waits for a TICK (logtime.c) and is made again
 *	watch	a read of what is applied here; watch.c keeps it until there
 *		is something
 *
 * Client bytes are copied once, before they are checked: a client can change
 * them afterwards.  Whoever waits is named by (slot, claim epoch, request);
 * an answer for a former owner of a slot is dropped.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "kv/kv.h"
#include "node/clients_internal.h"
#include "shm/slot.h"

#define PENDING_MAX	65536	/* writes that wait; a power of two */
#define REQUESTS_MAX	64	/* of one slot in a turn */
#define ARENA_SIZE	(4u << 20)	/* bytes of one turn's writes */
#define BACKLOG_NS	5000000000ull	/* for who takes nothing: dead */

static bool	client_open(struct node *, uint32_t);
static bool	client_receive(struct node *, uint32_t);
static void	client_request(struct node *, uint32_t,
		    const struct channel_message *);
static void	client_write(struct node *, const struct waiter *,
		    const struct wire_request *);
static enum wire_result client_has_disk(const struct node *, int, uint32_t);
static void	client_read(struct node *, const struct waiter *,
		    const struct wire_request *);
static void	ask_reads(struct node *, struct read_list *, bool);
static void	answer_read(struct node *, const struct apply_result *);
static bool	lease_holds(const struct node *, const struct read *);
static bool	answer_due(struct node *, uint32_t,
		    const struct apply_result *);
static void	reads_drop_uncommitted(struct node *);
static void	clients_propose(struct node *);
static void	clients_ask_reads(struct node *);
static void	client_send_backlog(struct node *, uint32_t);

int
clients_new(struct clients **clientsp, struct node *node)
{
	struct clients *clients = calloc(1, sizeof(*clients));
	uint32_t count = node->config->client_count;

	if (clients == NULL) {
		return ERR_NOMEM;
	}
	clients->count = count;
	clients->clients = calloc(count, sizeof(*clients->clients));
	clients->touched = calloc(count, sizeof(*clients->touched));
	clients->arena = malloc(ARENA_SIZE);
	clients->pending = calloc(PENDING_MAX, sizeof(*clients->pending));
	clients->free.first = clients->gathered.first =
	    clients->gathered_round.first =
	    clients->ready.first = clients->stale.first =
	    clients->watches.first = NONE;
	for (uint32_t i = 0; i < RAFT_READS_MAX; i++) {
		clients->asked[i].first = NONE;
	}
	for (uint32_t i = 0; i < READS_MAX; i++) {
		read_put(clients, &clients->free, i);
	}
	if (clients->clients == NULL || clients->touched == NULL ||
	    clients->arena == NULL || clients->pending == NULL) {
		clients_free(clients);
		return ERR_NOMEM;
	}
	*clientsp = clients;
	return ERR_OK;
}

void
clients_free(struct clients *clients)
{
	if (clients == NULL) {
		return;
	}
	for (uint32_t i = 0; clients->clients != NULL &&
	    i < clients->count; i++) {
		channel_tx_close(clients->clients[i].tx);
		channel_rx_close(clients->clients[i].rx);
		backlog_fini(&clients->clients[i].backlog);
	}
	for (uint32_t i = 0; i < READS_MAX; i++) {
		free(clients->reads[i].command);
	}
	free(clients->clients);
	free(clients->touched);
	free(clients->arena);
	free(clients->pending);
	free(clients);
}

bool
clients_receive(struct node *node, bool look_at_all)
{
	struct clients *clients = node->clients;
	uint64_t words[WORDS] = { 0 };
	bool work = false;

	(void)doorbell_take_clients(node->segment, node->slot, words);
	for (uint32_t w = 0; w * 64 < clients->count; w++) {
		clients->marked[w] |= words[w];
		if (look_at_all) {
			clients->marked[w] = UINT64_MAX;
		}
		for (uint64_t left = clients->marked[w]; left != 0;
		    left &= left - 1) {
			uint32_t slot = w * 64 +
			    (uint32_t)__builtin_ctzll(left);

			if (slot >= clients->count ||
			    !client_open(node, slot) ||
			    client_receive(node, slot)) {
				clients->marked[w] &= ~(left & -left);
			}
			work = work || clients->entry_count > 0 ||
			    clients->gathered.first != NONE ||
			    clients->gathered_round.first != NONE;
		}
	}
	clients_propose(node);
	clients_ask_reads(node);
	return work;
}

static bool
client_open(struct node *node, uint32_t slot)
{
	struct client *client = &node->clients->clients[slot];

	if (client->rx != NULL) {
		return true;
	}
	if (slot_epoch_of(node->segment, slot) == 0) {
		return false;
	}
	if (channel_open_request(NULL, &client->rx, node->segment, slot,
	    node->slot, true, node->run) != ERR_OK) {
		client->rx = NULL;
		return false;
	}
	if (channel_open_reply(&client->tx, NULL, node->segment, slot,
	    node->slot, true, node->run) != ERR_OK) {
		channel_rx_close(client->rx);
		client->rx = NULL;
		client->tx = NULL;
		return false;
	}
	client->bell = doorbell_of_client(node->segment, slot);
	return true;
}

/* True when the slot has nothing more to say. */
static bool
client_receive(struct node *node, uint32_t slot)
{
	struct clients *clients = node->clients;
	struct client *client = &clients->clients[slot];
	struct channel_message message;
	bool work = false, empty = false;

	for (int i = 0; i < REQUESTS_MAX; i++) {
		enum channel_verdict verdict;

		if (clients->entry_count == NODE_BATCH_MAX ||
		    clients->arena_used + KV_COMMAND_SIZE_MAX > ARENA_SIZE ||
		    clients->free.first == NONE) {
			break;
		}
		verdict = channel_receive(client->rx, &message);
		if (verdict == CHANNEL_EMPTY) {
			empty = true;
			break;
		}
		work = true;
		if (verdict == CHANNEL_MESSAGE) {
			client_request(node, slot, &message);
			channel_release(client->rx);
		} else {
			node_count_dropped(node, verdict);
		}
	}
	if (work) {
		channel_done(client->rx);
	}
	return empty;
}

static void
client_request(struct node *node, uint32_t slot,
    const struct channel_message *message)
{
	struct wire_request request;
	struct waiter waiter = {
	    .slot = slot,
	    .epoch = message->from_epoch,
	};

	if (message->type != WIRE_REQUEST ||
	    wire_decode_request(&request, message->data, message->size) !=
	    ERR_OK) {
		node->counters[SEGMENT_BAD_RECORDS]++;
		return;
	}
	node->counters[SEGMENT_REQUESTS]++;
	waiter.id = request.id;
	if (request.size > KV_COMMAND_SIZE_MAX) {
		client_reply(node, &waiter, WIRE_BAD, NULL, 0);
	} else if (request.kind == WIRE_SNAPSHOT) {
		order_snapshot(node, &waiter);
	} else if (request.kind != WIRE_READ_STALE &&
	    request.kind != WIRE_READ_INDEX &&
	    request.kind != WIRE_WATCH && node->role != RAFT_LEADER) {
		client_reply(node, &waiter, WIRE_NOT_LEADER, NULL, 0);
	} else if (request.kind == WIRE_TRANSFER) {
		order_transfer(node, &waiter, &request);
	} else if (request.kind == WIRE_WRITE) {
		client_write(node, &waiter, &request);
	} else {
		client_read(node, &waiter, &request);
	}
}

static void
client_write(struct node *node, const struct waiter *waiter,
    const struct wire_request *request)
{
	struct clients *clients = node->clients;
	uint8_t *copy = clients->arena + clients->arena_used;
	struct raft_entry *entry;
	struct kv_command command;
	enum wire_result result;

	memcpy(copy, request->command, request->size);
	if (kv_command_decode(&command, copy, request->size) != ERR_OK ||
	    !kv_op_is_write(command.op)) {
		client_reply(node, waiter, WIRE_BAD, NULL, 0);
		return;
	}
	result = client_has_disk(node, command.op, request->size);
	if (result != WIRE_OK) {
		client_reply(node, waiter, result, NULL, 0);
		return;
	}
	kv_command_stamp(copy, node_log_time(node));
	clients->waiters[clients->entry_count] = *waiter;
	entry = &clients->entries[clients->entry_count++];
	memset(entry, 0, sizeof(*entry));
	entry->type = RAFT_ENTRY_COMMAND;
	entry->size = request->size;
	entry->data = copy;
	entry->checksum = raft_entry_checksum(entry->type, copy, entry->size);
	clients->arena_used += (request->size + 7u) & ~(size_t)7;
}

/* U17: what adds something is refused first; when deletions and sessions do not
 * fit either, the log is being cut, and they are to ask again. */
static enum wire_result
client_has_disk(const struct node *node, int op, uint32_t size)
{
	const struct clients *clients = node->clients;
	enum store_room room = node_room_for(node,
	    clients->arena_used + size, clients->entry_count + 1);

	switch (op) {
	case KV_OP_NOOP:
	case KV_OP_DEL:
	case KV_OP_OPEN:
	case KV_OP_CLOSE:
	case KV_OP_SETTLE:
		return room <= STORE_ROOM_FEW ? WIRE_OK : WIRE_BUSY;
	default:
		return room == STORE_ROOM_OK && !node->peers_lack_room ?
		    WIRE_OK : WIRE_FULL;
	}
}

static void
client_read(struct node *node, const struct waiter *waiter,
    const struct wire_request *request)
{
	struct clients *clients = node->clients;
	struct kv_command command;
	struct read *read;
	uint32_t at = read_take(clients, &clients->free);

	assert(at != NONE);
	read = &clients->reads[at];
	if (read->capacity < request->size) {
		uint8_t *larger = realloc(read->command, request->size);

		if (larger == NULL) {
			read_put(clients, &clients->free, at);
			client_reply(node, waiter, WIRE_BUSY, NULL, 0);
			return;
		}
		read->command = larger;
		read->capacity = request->size;
	}
	memcpy(read->command, request->command, request->size);
	read->size = request->size;
	read->waiter = *waiter;
	read->index = 0;
	read->handed = false;
	read->is_watch = request->kind == WIRE_WATCH;
	read->lease = false;
	if (kv_command_decode(&command, read->command, read->size) !=
	    ERR_OK || kv_op_is_write(command.op) ||
	    read->is_watch != (command.op == KV_OP_WATCH)) {
		read_put(clients, &clients->free, at);
		client_reply(node, waiter, WIRE_BAD, NULL, 0);
		return;
	}
	node->counters[SEGMENT_READS]++;
	if (read->is_watch) {
		read->watch_from = (uint64_t)command.number;
		watch_begin(node, at);
		return;
	}
	/* Only a leader knows the time; others go by the entries. */
	kv_command_stamp(read->command, request->kind == WIRE_READ_STALE ||
	    node->role != RAFT_LEADER ? 0 : node_log_time(node));
	read_put(clients, request->kind == WIRE_READ_STALE ?
	    &clients->stale : request->kind == WIRE_READ_INDEX ?
	    &clients->gathered_round : &clients->gathered, at);
}

/* All writes of the turn as one event. */
static void
clients_propose(struct node *node)
{
	struct clients *clients = node->clients;
	struct raft_event event = { .type = RAFT_EVENT_PROPOSE };
	uint32_t count = clients->entry_count;
	enum wire_result refused = WIRE_BUSY;

	if (count == 0) {
		return;
	}
	event.propose.entries = clients->entries;
	event.propose.count = count;
	if (node->role != RAFT_LEADER) {
		refused = WIRE_NOT_LEADER;
	} else if (node->state_full) {
		refused = WIRE_FULL;
	} else if (clients->pending_count + count <= PENDING_MAX / 2 &&
	    node_has_room(node, clients->arena_used, count)) {
		node_step(node, &event);
		CRASH_POINT("propose: appended, not yet noted");
		refused = node->update->result == ERR_OK ? WIRE_OK :
		    node->update->result == ERR_NOT_APPLIED ?
		    WIRE_NOT_LEADER : WIRE_BUSY;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct raft_entry *entry = &clients->entries[i];
		struct pending *pending;

		if (refused != WIRE_OK) {
			client_reply(node, &clients->waiters[i], refused,
			    NULL, 0);
			continue;
		}
		pending = &clients->pending[entry->index &
		    (PENDING_MAX - 1)];
		if (pending->index == 0) {
			clients->pending_count++;
		}
		pending->index = entry->index;
		pending->term = entry->term;
		pending->waiter = clients->waiters[i];
	}
	if (refused == WIRE_OK) {
		node->counters[SEGMENT_PROPOSALS] += count;
	}
	clients->entry_count = 0;
	clients->arena_used = 0;
}

/* All reads of the turn under one ReadIndex, or under the lease. */
static void
clients_ask_reads(struct node *node)
{
	ask_reads(node, &node->clients->gathered, false);
	ask_reads(node, &node->clients->gathered_round, true);
}

static void
ask_reads(struct node *node, struct read_list *gathered, bool round)
{
	struct clients *clients = node->clients;
	struct raft_event event = { .type = RAFT_EVENT_READ };
	struct read_list *asked =
	    &clients->asked[clients->batch % RAFT_READS_MAX];
	uint32_t at;

	if (gathered->first == NONE || asked->first != NONE) {
		return;
	}
	*asked = *gathered;
	gathered->first = NONE;
	event.read.id = clients->batch++;
	event.read.round = round;
	if (node->role != RAFT_LEADER && forward_ask(node, event.read.id)) {
		return;
	}
	node_step(node, &event);
	CRASH_POINT("read: asked");
	if (node->update->result == ERR_OK) {
		return;
	}
	while ((at = read_take(clients, asked)) != NONE) {
		client_reply(node, &clients->reads[at].waiter,
		    node->update->result == ERR_BUSY ? WIRE_BUSY :
		    WIRE_NOT_LEADER, NULL, 0);
		read_put(clients, &clients->free, at);
	}
}

void
clients_reads(struct node *node, const struct raft_read *result)
{
	struct clients *clients = node->clients;
	struct read_list *asked =
	    &clients->asked[result->id % RAFT_READS_MAX];
	uint32_t at;

	while ((at = read_take(clients, asked)) != NONE) {
		struct read *read = &clients->reads[at];

		if (result->result == ERR_OK) {
			read->index = result->index;
			read->lease = result->lease;
			read->term = node->term;
			read_put(clients, &clients->ready, at);
		} else {
			client_reply(node, &read->waiter,
			    result->result == ERR_BUSY ? WIRE_BUSY :
			    WIRE_NOT_LEADER, NULL, 0);
			read_put(clients, &clients->free, at);
		}
	}
}

void
clients_apply_reads(struct node *node)
{
	struct clients *clients = node->clients;

	watch_turn(node);
	while (apply_has_room(node->apply)) {
		struct read_list *list = clients->stale.first != NONE ?
		    &clients->stale : &clients->ready;
		uint32_t at = list->first;
		struct read *read;

		if (at == NONE ||
		    clients->reads[at].index >= node->apply_next) {
			return;
		}
		if (list == &clients->ready && node->installing) {
			/* The state is still the one before the snapshot. */
			return;
		}
		read = &clients->reads[at];
		(void)read_take(clients, list);
		read->handed = true;
		apply_add_read(node->apply, at, read->command, read->size);
	}
}

bool
clients_wants_answer(struct node *node, uint64_t index, uint64_t term)
{
	const struct pending *pending =
	    &node->clients->pending[index & (PENDING_MAX - 1)];

	return pending->index == index && pending->term == term;
}

void
clients_answer(struct node *node, const struct apply_result *result)
{
	struct clients *clients = node->clients;

	if (result->is_read) {
		answer_read(node, result);
	} else {
		struct pending *pending =
		    &clients->pending[result->index & (PENDING_MAX - 1)];

		if (pending->index != result->index ||
		    pending->term != result->term) {
			return;
		}
		client_reply(node, &pending->waiter, WIRE_OK, result->answer,
		    result->size);
		pending->index = 0;
		clients->pending_count--;
	}
}

static void
answer_read(struct node *node, const struct apply_result *result)
{
	struct clients *clients = node->clients;
	uint32_t at = (uint32_t)result->ref;
	struct read *read = &clients->reads[at];

	read->handed = false;
	if (read->is_watch ? watch_answer(node, at, result) :
	    answer_due(node, at, result)) {
		return;
	}
	if (read->lease && !lease_holds(node, read)) {
		/* It was over before the state was read: for a new index. */
		read->lease = false;
		read_put(clients, &clients->gathered_round, at);
		return;
	}
	if (read->lease) {
		node->counters[SEGMENT_LEASE_READS]++;
	}
	client_reply(node, &read->waiter, WIRE_OK, result->answer,
	    result->size);
	read_put(clients, &clients->free, at);
}

/*
 * The state was read; only now the clock is, and not the one of the turn: the
 * process may have been stopped in between (T83).
 */
static bool
lease_holds(const struct node *node, const struct read *read)
{
	return raft_term(node->raft) == read->term &&
	    clock_now_ns() < raft_lease_end_ns(node->raft);
}

/* True: it waits for the entry that says what the clock says. */
static bool
answer_due(struct node *node, uint32_t at, const struct apply_result *result)
{
	struct clients *clients = node->clients;
	struct read *read = &clients->reads[at];
	struct kv_answer answer;

	if (kv_answer_decode(&answer, result->answer, result->size) !=
	    ERR_OK || answer.status != KV_DUE) {
		return false;
	}
	read->index = node_tick(node);
	if (read->index != 0) {
		read_put(clients, &clients->ready, at);
		return true;
	}
	client_reply(node, &read->waiter, node->role == RAFT_LEADER ?
	    WIRE_BUSY : WIRE_NOT_LEADER, NULL, 0);
	read_put(clients, &clients->free, at);
	return true;
}

void
clients_apply_failed(struct node *node)
{
	struct clients *clients = node->clients;
	struct read_list ready;
	uint32_t at;

	for (uint32_t i = 0; i < READS_MAX; i++) {
		struct read *read = &clients->reads[i];

		if (read->handed) {
			read->handed = false;
			if (read->is_watch) {
				watch_begin(node, i);
				continue;
			}
			client_reply(node, &read->waiter, WIRE_FULL, NULL,
			    0);
			read_put(clients, &clients->free, i);
		}
	}
	/* Those that would wait for entries that are to be applied again. */
	ready = clients->ready;
	clients->ready.first = NONE;
	while ((at = read_take(clients, &ready)) != NONE) {
		struct read *read = &clients->reads[at];

		if (read->index < node->apply_next) {
			read_put(clients, &clients->ready, at);
			continue;
		}
		client_reply(node, &read->waiter, WIRE_FULL, NULL, 0);
		read_put(clients, &clients->free, at);
	}
}

void
clients_lost_office(struct node *node)
{
	struct clients *clients = node->clients;

	for (uint32_t i = 0; clients->pending_count > 0 &&
	    i < PENDING_MAX; i++) {
		struct pending *pending = &clients->pending[i];

		if (pending->index != 0) {
			client_reply(node, &pending->waiter, WIRE_LOST, NULL,
			    0);
			pending->index = 0;
			clients->pending_count--;
		}
	}
	reads_drop_uncommitted(node);
	clients_ring_all(node);
}

/* Reads that wait for a TICK that may never be committed. */
static void
reads_drop_uncommitted(struct node *node)
{
	struct clients *clients = node->clients;
	struct read_list ready = clients->ready;
	uint32_t at;

	clients->ready.first = NONE;
	while ((at = read_take(clients, &ready)) != NONE) {
		struct read *read = &clients->reads[at];

		if (read->index <= node->commit_index) {
			read_put(clients, &clients->ready, at);
			continue;
		}
		client_reply(node, &read->waiter, WIRE_NOT_LEADER, NULL, 0);
		read_put(clients, &clients->free, at);
	}
}

void
clients_ring_all(struct node *node)
{
	for (uint32_t slot = 0; slot < node->clients->count; slot++) {
		if (slot_epoch_of(node->segment, slot) != 0) {
			struct doorbell bell =
			    doorbell_of_client(node->segment, slot);

			(void)doorbell_ring(&bell);
		}
	}
}

bool
clients_flush(struct node *node)
{
	struct clients *clients = node->clients;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < clients->touched_count; i++) {
		uint32_t slot = clients->touched[i];
		struct client *client = &clients->clients[slot];

		client_send_backlog(node, slot);
		CRASH_POINT("reply: before publishing");
		if (channel_flush(client->tx)) {
			CRASH_POINT("reply: published, before the bell");
			node->pending_ns = NODE_PENDING_NS;
			(void)doorbell_ring(&client->bell);
		}
		if (channel_is_pending(client->tx) ||
		    !backlog_is_empty(&client->backlog)) {
			clients->touched[kept++] = slot;
		} else {
			client->touched = false;
		}
	}
	clients->touched_count = kept;
	return kept > 0;
}

bool
clients_is_quiet(struct node *node)
{
	struct clients *clients = node->clients;
	uint64_t words[WORDS] = { 0 };
	bool quiet = true;

	(void)doorbell_take_clients(node->segment, node->slot, words);
	for (uint32_t w = 0; w * 64 < clients->count; w++) {
		clients->marked[w] |= words[w];
		/* Who waits for a slot of a read waits for other answers. */
		quiet = quiet && (clients->marked[w] == 0 ||
		    clients->free.first == NONE);
	}
	return quiet;
}

void
client_reply(struct node *node, const struct waiter *waiter,
    enum wire_result result, const uint8_t *answer, uint32_t size)
{
	struct clients *clients = node->clients;
	struct client *client = &clients->clients[waiter->slot];
	struct wire_reply reply = {
	    .id = waiter->id,
	    .result = result,
	    .leader = raft_leader(node->raft),
	    .term = raft_term(node->raft),
	    .applied = node->applied_index,
	    .size = size,
	    .answer = answer,
	};
	uint8_t header[WIRE_REPLY_SIZE];
	struct iovec iov[2];

	if (slot_epoch_of(node->segment, waiter->slot) != waiter->epoch) {
		node->counters[SEGMENT_REPLIES_DROPPED]++;
		return;
	}
	wire_encode_reply(&reply, header);
	iov[0].iov_base = header;
	iov[0].iov_len = sizeof(header);
	iov[1].iov_base = (void *)(uintptr_t)answer;
	iov[1].iov_len = size;
	if (backlog_is_empty(&client->backlog)) {
		client->moved_ns = node->now_ns;
	}
	if ((!backlog_is_empty(&client->backlog) ||
	    channel_send(client->tx, WIRE_REPLY, waiter->epoch, iov,
	    size > 0 ? 2 : 1) != ERR_OK) &&
	    backlog_add(&client->backlog, waiter->epoch, header,
	    sizeof(header), answer, size) != ERR_OK) {
		/* The client asks again. */
		node->counters[SEGMENT_REPLIES_DROPPED]++;
		return;
	}
	node->counters[SEGMENT_REPLIES]++;
	if (!client->touched) {
		client->touched = true;
		clients->touched[clients->touched_count++] = waiter->slot;
	}
}

/* What there is room for now; a former owner's go, and all of one who has
 * taken nothing for long. */
static void
client_send_backlog(struct node *node, uint32_t slot)
{
	struct client *client = &node->clients->clients[slot];
	bool is_stuck = node->now_ns > client->moved_ns + BACKLOG_NS;
	const uint8_t *message;
	struct iovec iov;
	uint64_t epoch;
	uint32_t size;

	while ((message = backlog_first(&client->backlog, &epoch, &size)) !=
	    NULL) {
		if (is_stuck ||
		    slot_epoch_of(node->segment, slot) != epoch) {
			node->counters[SEGMENT_REPLIES_DROPPED]++;
			backlog_drop_first(&client->backlog);
			continue;
		}
		iov.iov_base = (void *)(uintptr_t)message;
		iov.iov_len = size;
		if (channel_send(client->tx, WIRE_REPLY, epoch, &iov, 1) !=
		    ERR_OK) {
			return;
		}
		client->moved_ns = node->now_ns;
		backlog_drop_first(&client->backlog);
	}
}
