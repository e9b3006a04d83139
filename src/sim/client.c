/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients, and what a node does for them (node/clients.c).
 *
 * A client opens a session, then has one operation under way at a time.  It
 * tries again under the same sequence, through any node, until it has an
 * answer, or gives up: then the outcome is unknown, and the next sequence
 * says that nobody waits any more.  Requests of earlier tries stay in the
 * network: duplicates come by themselves.
 *
 * Each operation is a record of the history, which ends in a checker.
 */
#include "sim/sim.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void	client_begin(struct sim_client *, struct sim_world *);
static void	client_send(struct sim_client *, struct sim_world *);
static void	client_wake_at(struct sim_client *, struct sim_world *,
		    uint64_t delay_ns);
static void	client_finish(struct sim_client *, struct sim_world *,
		    const struct sim_reply *);
static int	command_encode(const struct sim_client *, struct sim_world *,
		    uint8_t *, size_t);
static bool	is_second(int64_t);
static int	to_txn(struct kv_command *, uint8_t *, size_t);
static void	answer_later(struct sim_node *, struct sim_read *,
		    const struct sim_reply *);
static void	refuse(struct sim_node *, const struct sim_request *,
		    enum sim_reply_code);
static void	serve_write(struct sim_node *, const struct sim_request *);
static int64_t	number_of(struct kv_slice);

void
sim_client_init(struct sim_world *world, uint32_t id)
{
	struct sim_client *client = &world->clients[id];

	*client = (struct sim_client){ .id = id };
	client_wake_at(client, world, world->plan.client_gap_ns);
}

/* a: the token that it waited for; 0: it was idle. */
void
sim_client_wake(struct sim_world *world, const struct sim_event *event)
{
	struct sim_client *client = &world->clients[event->b];

	if (event->a != client->token) {
		return;
	}
	if (!client->waiting) {
		/* Enough said: a slow follower must be able to catch up. */
		if (!world->calm || client->done < client->done_enough) {
			client_begin(client, world);
		}
		return;
	}
	sim_cover(world, SIM_COVER_RETRIES);
	if (client->tries > 3 && client->kind != SIM_OP_OPEN &&
	    !world->calm && prng_below(&world->prng_client, 8) == 0) {
		sim_cover(world, SIM_COVER_GIVEN_UP);
		client->waiting = false;
		if (client->kind != SIM_OP_GET) {
			client->sequence++;
		}
		client_begin(client, world);
		return;
	}
	if (!client->refused) {
		client->node = 1 + (uint32_t)prng_below(&world->prng_client,
		    world->plan.nodes);
	}
	client->refused = false;
	client_send(client, world);
}

void
sim_client_reply(struct sim_world *world, const struct sim_reply *reply)
{
	struct sim_client *client = &world->clients[reply->client];
	uint32_t leader;

	if (!client->waiting || reply->op != client->op) {
		return;
	}
	if (reply->code == SIM_REPLY_OK) {
		sim_check_acknowledged(world, reply);
		client_finish(client, world, reply);
		return;
	}
	if (reply->token != client->token) {
		return;
	}
	client->refused = true;
	leader = sim_leader(world);
	client->node = leader != 0 &&
	    prng_below(&world->prng_client, 3) != 0 ? leader :
	    1 + (uint32_t)prng_below(&world->prng_client, world->plan.nodes);
	client_wake_at(client, world, world->plan.client_gap_ns);
}

static void
client_begin(struct sim_client *client, struct sim_world *world)
{
	struct sim_record *record;
	struct prng *prng = &world->prng_client;

	client->op = ++world->tokens;
	client->waiting = true;
	client->tries = 0;
	client->key = (uint32_t)prng_below(prng, SIM_KEYS);
	client->arg = client->arg2 = 0;
	if (client->session == 0) {
		client->kind = SIM_OP_OPEN;
	} else if (prng_chance(prng, world->plan.reads)) {
		client->kind = SIM_OP_GET;
	} else {
		client->kind = (enum sim_op_kind)prng_range(prng, SIM_OP_SET,
		    SIM_OP_DEL);
	}
	if (client->kind == SIM_OP_CAS && client->last_value == 0) {
		client->kind = SIM_OP_SET;
	}
	switch (client->kind) {
	case SIM_OP_SET:
		client->arg = ++world->values * 1000;
		break;
	case SIM_OP_CAS:
		client->arg = client->last_value;
		client->arg2 = ++world->values * 1000;
		break;
	case SIM_OP_INCR:
		client->arg = (int64_t)prng_range(prng, 1, 9);
		break;
	case SIM_OP_OPEN:
	case SIM_OP_GET:
	case SIM_OP_DEL:
		break;
	}
	if (client->kind != SIM_OP_OPEN) {
		if (world->history_count == world->history_capacity) {
			world->history_capacity =
			    2 * world->history_capacity + 256;
			world->history = sim_realloc(world->history,
			    world->history_capacity, sizeof(*record));
		}
		client->record = world->history_count++;
		record = &world->history[client->record];
		*record = (struct sim_record){
			.call = ++world->history_clock, .ret = UINT64_MAX,
			.client = client->id, .key = client->key,
			.kind = client->kind, .arg = client->arg,
			.arg2 = client->arg2,
		};
	}
	client->node = 1 + (uint32_t)prng_below(prng, world->plan.nodes);
	if (sim_leader(world) != 0 && prng_below(prng, 4) != 0) {
		client->node = sim_leader(world);
	}
	if (world->deposed != 0 && client->kind == SIM_OP_GET &&
	    prng_below(prng, 4) != 0) {
		client->node = world->deposed;
	}
	client_send(client, world);
}

static void
client_send(struct sim_client *client, struct sim_world *world)
{
	uint8_t command[512];
	int size = command_encode(client, world, command, sizeof(command));
	struct sim_request *request;
	struct sim_event event = { .type = SIM_REQUEST };

	if (size < 0) {
		sim_fail(world, "command", 0, "a command cannot be encoded: "
		    "%s", err_text(size));
		return;
	}
	client->token = ++world->tokens;
	client->tries++;
	request = sim_alloc(world, sizeof(*request) + (size_t)size);
	*request = (struct sim_request){
		.client = client->id, .op = client->op,
		.token = client->token,
		.is_read = client->kind == SIM_OP_GET,
		.key = client->key, .size = (uint32_t)size,
	};
	memcpy(request->command, command, (size_t)size);
	event.node = client->node;
	event.data = request;
	event.at_ns = world->now_ns + prng_range(&world->prng_client, 1000,
	    2 * SIM_MS);
	if (prng_below(&world->prng_client, 20) == 0) {
		event.at_ns += world->plan.election_min_ns;
	}
	sim_push(world, &event);
	client_wake_at(client, world, world->plan.client_timeout_ns);
	sim_story(world, 0, "client %u asks node %u: kind %d of k%u, %lld "
	    "(session %llu, sequence %llu)", client->id, client->node,
	    (int)client->kind, client->key, (long long)client->arg,
	    (unsigned long long)client->session,
	    (unsigned long long)client->sequence);
}

static void
client_wake_at(struct sim_client *client, struct sim_world *world,
    uint64_t delay_ns)
{
	struct sim_event event = {
		.type = SIM_CLIENT, .b = client->id,
		.at_ns = world->now_ns + delay_ns + prng_below(
		    &world->prng_client, delay_ns + 1),
	};

	/* A new token: earlier alarms mean nothing, and earlier refusals. */
	if (!client->waiting) {
		client->token = ++world->tokens;
	}
	event.a = client->token;
	sim_push(world, &event);
}

static void
client_finish(struct sim_client *client, struct sim_world *world,
    const struct sim_reply *reply)
{
	struct sim_record *record;

	client->waiting = false;
	client->done++;
	sim_cover(world, SIM_COVER_OPERATIONS);
	if (client->kind == SIM_OP_OPEN) {
		sim_cover(world, SIM_COVER_SESSIONS);
		client->session = (uint64_t)reply->number;
		client->sequence = 1;
		client_wake_at(client, world, world->plan.client_gap_ns);
		return;
	}
	record = &world->history[client->record];
	record->ret = ++world->history_clock;
	record->known = true;
	switch (client->kind) {
	case SIM_OP_GET:
		sim_cover(world, SIM_COVER_READS);
		record->result = reply->has_value ? reply->value :
		    INT64_MIN;
		client->last_value = reply->has_value ? reply->value : 0;
		break;
	case SIM_OP_CAS:
		record->result = reply->status == KV_OK &&
		    (!is_second(client->arg2) || reply->number == 1);
		break;
	case SIM_OP_INCR:
		record->result = reply->number;
		client->last_value = reply->number;
		break;
	case SIM_OP_SET:
	case SIM_OP_DEL:
	case SIM_OP_OPEN:
		break;
	}
	if (client->kind != SIM_OP_GET) {
		client->sequence++;
	}
	client_wake_at(client, world, world->plan.client_gap_ns);
}

/* Every other value: sets have a life, comparisons are transactions. */
static bool
is_second(int64_t value)
{
	return value / 1000 % 2 == 0;
}

/* From a comparison and a swap to "if equal then set", the same. */
static int
to_txn(struct kv_command *command, uint8_t *to, size_t capacity)
{
	const struct kv_compare compare = {
		.kind = KV_COMPARE_EQUAL, .key = command->key,
		.value = command->expected,
	};
	const struct kv_command set = {
		.op = KV_OP_SET, .key = command->key,
		.value = command->value,
	};
	const struct kv_txn txn = {
		.compares = &compare, .compare_count = 1, .then = &set,
		.then_count = 1,
	};
	int size = kv_txn_encode(&txn, to, capacity);

	command->op = KV_OP_TXN;
	command->key = command->expected = (struct kv_slice){ NULL, 0 };
	command->value = (struct kv_slice){ to, (size_t)(size > 0 ? size :
	    0) };
	return size;
}

static int
command_encode(const struct sim_client *client, struct sim_world *world,
    uint8_t *to, size_t capacity)
{
	static const enum kv_op ops[] = {
		[SIM_OP_OPEN] = KV_OP_OPEN, [SIM_OP_GET] = KV_OP_GET,
		[SIM_OP_SET] = KV_OP_SET, [SIM_OP_CAS] = KV_OP_CAS,
		[SIM_OP_INCR] = KV_OP_INCR, [SIM_OP_DEL] = KV_OP_DEL,
	};
	struct kv_command command = { .op = ops[client->kind] };
	uint8_t keys[16], txn[256];
	char key[8], value[128], expected[32];
	int size;

	snprintf(key, sizeof(key), "k%" PRIu32, client->key);
	command.key = (struct kv_slice){ key, strlen(key) };
	if (client->kind != SIM_OP_OPEN && client->kind != SIM_OP_GET) {
		command.session = client->session;
		command.sequence = client->sequence;
		command.lowest_open = client->sequence;
	}
	switch (client->kind) {
	case SIM_OP_SET:
		size = snprintf(value, sizeof(value), "%" PRId64,
		    client->arg);
		command.value = (struct kv_slice){ value, (size_t)size };
		if (is_second(client->arg)) {
			command.op = KV_OP_SET_TTL;
			command.number = (int64_t)KV_TTL_NS_MAX;
		}
		break;
	case SIM_OP_CAS:
		size = snprintf(expected, sizeof(expected), "%" PRId64,
		    client->arg);
		command.expected = (struct kv_slice){ expected,
		    (size_t)size };
		size = snprintf(value, sizeof(value), "%" PRId64,
		    client->arg2);
		command.value = (struct kv_slice){ value, (size_t)size };
		if (is_second(client->arg2)) {
			size = to_txn(&command, txn, sizeof(txn));
			if (size < 0) {
				return size;
			}
		}
		break;
	case SIM_OP_INCR:
		command.number = client->arg;
		break;
	case SIM_OP_DEL:
		keys[0] = (uint8_t)strlen(key);
		keys[1] = 0;
		memcpy(keys + 2, key, strlen(key));
		command.value = (struct kv_slice){ keys, 2 + strlen(key) };
		command.key_count = 1;
		command.key = (struct kv_slice){ NULL, 0 };
		break;
	case SIM_OP_OPEN:
		command.key = (struct kv_slice){ NULL, 0 };
		break;
	case SIM_OP_GET:
		break;
	}
	(void)world;
	return kv_command_encode(&command, to, capacity);
}

/* ------------------------------------------------------------ at a node */

void
sim_serve_request(struct sim_node *node, const struct sim_request *request)
{
	struct raft_event event = { .type = RAFT_EVENT_READ };
	struct sim_world *world = node->world;
	struct sim_read *read;

	if (!request->is_read) {
		serve_write(node, request);
		return;
	}
	event.read.id = ++world->read_ids;
	if (node->read_count == node->read_capacity) {
		node->read_capacity = 2 * node->read_capacity + 64;
		node->reads = sim_realloc(node->reads, node->read_capacity,
		    sizeof(*node->reads));
	}
	read = &node->reads[node->read_count++];
	*read = (struct sim_read){
		.id = event.read.id, .client = request->client,
		.op = request->op, .token = request->token,
		.key = request->key,
	};
	sim_node_step(node, &event);
	if (node->dying || world->failed) {
		return;
	}
	if (world->update->result != ERR_OK) {
		node->read_count--;
		sim_cover(world, SIM_COVER_READS_REFUSED);
		refuse(node, request, world->update->result == ERR_BUSY ?
		    SIM_REPLY_BUSY : SIM_REPLY_NOT_LEADER);
	}
}

static void
serve_write(struct sim_node *node, const struct sim_request *request)
{
	struct raft_event event = { .type = RAFT_EVENT_PROPOSE };
	struct sim_world *world = node->world;
	uint8_t *bytes = sim_alloc(world, request->size);
	uint64_t stamp = node->term_log_time_ns + (sim_node_clock(node) -
	    node->term_began_ns);
	struct raft_entry entry = {
		.type = RAFT_ENTRY_COMMAND, .size = request->size,
		.data = bytes,
	};
	int result = ERR_NOT_APPLIED;

	memcpy(bytes, request->command, request->size);
	kv_command_stamp(bytes, stamp > node->log_time_ns ? stamp :
	    node->log_time_ns);
	entry.checksum = raft_entry_checksum(entry.type, bytes, entry.size);
	event.propose.entries = &entry;
	event.propose.count = 1;
	if (node->role == RAFT_LEADER) {
		if (node->pending_count == SIM_PENDING_MAX) {
			result = ERR_BUSY;
		} else {
			sim_node_step(node, &event);
			result = world->update->result;
		}
	}
	if (node->dying || world->failed) {
		return;
	}
	if (result == ERR_OK) {
		sim_check_proposed(node);
		node->pending[node->pending_count++] = (struct sim_pending){
			.index = entry.index, .term = entry.term,
			.client = request->client, .op = request->op,
		};
		return;
	}
	sim_cover(world, result == ERR_BUSY ? SIM_COVER_BUSY :
	    result == ERR_FULL ? SIM_COVER_NO_ROOM : SIM_COVER_NOT_LEADER);
	refuse(node, request, result == ERR_BUSY ? SIM_REPLY_BUSY :
	    result == ERR_FULL ? SIM_REPLY_FULL : SIM_REPLY_NOT_LEADER);
}

void
sim_serve_read(struct sim_node *node, const struct raft_read *result)
{
	uint32_t i;

	if (node->world->on_read != NULL) {
		node->world->on_read(node->world, result);
		return;
	}
	for (i = 0; i < node->read_count; i++) {
		struct sim_read *read = &node->reads[i];

		if (read->id != result->id) {
			continue;
		}
		if (result->result == ERR_OK) {
			read->ready = true;
			read->lease = result->lease;
			read->term = raft_term(node->raft);
			read->index = result->index;
			if (result->index > node->applied_index) {
				sim_cover(node->world,
				    SIM_COVER_READS_WAITED);
			}
		} else {
			struct sim_reply reply = {
				.code = SIM_REPLY_NOT_LEADER,
				.client = read->client, .op = read->op,
				.token = read->token,
			};

			sim_cover(node->world, SIM_COVER_READS_REFUSED);
			*read = node->reads[--node->read_count];
			sim_reply(node, &reply);
		}
		return;
	}
	sim_fail(node->world, "reads", 1u << node->id,
	    "node %u answers a read that nobody asked", node->id);
}

/* Those whose index the state machine has reached. */
void
sim_serve_reads(struct sim_node *node)
{
	struct kv_command command = { .op = KV_OP_GET };
	struct kv_answer answer;
	char key[8];
	uint32_t i = 0;

	while (i < node->read_count && !node->dying) {
		struct sim_read read = node->reads[i];
		struct sim_reply reply = {
			.client = read.client, .op = read.op,
			.token = read.token,
		};

		if (!read.ready || read.read ||
		    read.index > node->applied_index) {
			i++;
			continue;
		}
		snprintf(key, sizeof(key), "k%" PRIu32, read.key);
		command.key = (struct kv_slice){ key, strlen(key) };
		kv_query(node->kv, &command, &answer);
		reply.status = answer.status;
		reply.has_value = answer.status == KV_OK;
		reply.value = number_of(answer.value);
		if (read.lease) {
			answer_later(node, &node->reads[i], &reply);
			continue;
		}
		node->reads[i] = node->reads[--node->read_count];
		if (sim_crash_here(node, SIM_COVER_CRASH_ANSWER)) {
			return;
		}
		sim_reply(node, &reply);
	}
}

/* The state is read; by the time that the clock is, the node may have slept. */
static void
answer_later(struct sim_node *node, struct sim_read *read,
    const struct sim_reply *reply)
{
	struct sim_world *world = node->world;
	struct sim_event event = {
		.type = SIM_ANSWER, .node = node->id, .a = node->run,
		.b = read->id,
		.at_ns = world->now_ns + prng_below(&world->prng_disk,
		    world->plan.apply_max_ns + 1),
	};

	read->read = true;
	read->reply = *reply;
	sim_plot_answers(node);
	sim_push(world, &event);
}

void
sim_serve_leased(struct sim_node *node, uint64_t id)
{
	struct raft_event event = { .type = RAFT_EVENT_READ };
	struct sim_world *world = node->world;
	struct sim_read read;
	uint32_t i;

	for (i = 0; i < node->read_count && node->reads[i].id != id; i++) {
	}
	if (i == node->read_count) {
		return;
	}
	read = node->reads[i];
	if (raft_term(node->raft) == read.term &&
	    raft_lease_end_ns(node->raft) > sim_node_clock(node)) {
		node->reads[i] = node->reads[--node->read_count];
		sim_cover(world, SIM_COVER_LEASE_READS);
		sim_check_lease_read(node);
		if (!sim_crash_here(node, SIM_COVER_CRASH_ANSWER)) {
			sim_reply(node, &read.reply);
		}
		return;
	}
	sim_cover(world, SIM_COVER_LEASE_READS_LATE);
	node->reads[i].ready = node->reads[i].read = false;
	node->reads[i].lease = false;
	event.read.id = id;
	event.read.round = true;
	sim_node_step(node, &event);
	if (node->dying || world->failed || world->update->result == ERR_OK) {
		return;
	}
	for (i = 0; i < node->read_count && node->reads[i].id != id; i++) {
	}
	read.reply.code = world->update->result == ERR_BUSY ?
	    SIM_REPLY_BUSY : SIM_REPLY_NOT_LEADER;
	node->reads[i] = node->reads[--node->read_count];
	sim_reply(node, &read.reply);
}

void
sim_serve_answer(struct sim_node *node, const struct sim_pending *pending,
    const struct kv_answer *answer)
{
	struct sim_reply reply = {
		.client = pending->client, .op = pending->op,
		.status = answer->status, .index = pending->index,
		.term = pending->term, .number = answer->number,
	};

	sim_reply(node, &reply);
}

/* The leader has stepped down: what waits may come to be, or not. */
void
sim_serve_lost(struct sim_node *node)
{
	uint32_t i;

	for (i = 0; i < node->pending_count; i++) {
		struct sim_reply reply = {
			.code = SIM_REPLY_LOST,
			.client = node->pending[i].client,
			.op = node->pending[i].op,
			.token = node->world->clients[
			    node->pending[i].client].token,
		};

		sim_cover(node->world, SIM_COVER_OFFICE_LOST);
		sim_reply(node, &reply);
	}
	node->pending_count = 0;
}

void
sim_reply(struct sim_node *node, const struct sim_reply *reply)
{
	struct sim_world *world = node->world;
	struct sim_event event = { .type = SIM_REPLY };
	struct sim_reply *copy = sim_alloc(world, sizeof(*copy));

	*copy = *reply;
	event.data = copy;
	event.at_ns = world->now_ns + prng_range(&world->prng_client, 1000,
	    2 * SIM_MS);
	sim_push(world, &event);
}

static void
refuse(struct sim_node *node, const struct sim_request *request,
    enum sim_reply_code code)
{
	struct sim_reply reply = {
		.code = code, .client = request->client, .op = request->op,
		.token = request->token,
	};

	sim_reply(node, &reply);
}

static int64_t
number_of(struct kv_slice value)
{
	char text[32];

	if (value.size == 0 || value.size >= sizeof(text)) {
		return 0;
	}
	memcpy(text, value.data, value.size);
	text[value.size] = '\0';
	return strtoll(text, NULL, 10);
}
