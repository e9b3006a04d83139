/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The node side of all channels, in one thread.  Whoever changes something
 * holds the lock and, where the thread itself must act (life tokens belong
 * to it), waits for its next turn.
 */
#include "tests/client/fake.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/life.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "sim/memory_table.h"

#define NODES_MAX	SEGMENT_SLOTS
#define RULES_MAX	16
#define TURN_NS		(100 * CLOCK_NS_PER_US)

struct fake_node {
	bool up;		/* reads its rings */
	bool alive;		/* its token says so */
	bool wants_alive;
	uint64_t run;
	struct channel_rx *rx[FAKE_CLIENTS];
	struct channel_tx *tx[FAKE_CLIENTS];
};

struct fake {
	char dir[64];
	char name[SEGMENT_NAME_SIZE];
	struct segment *segment;
	uint64_t cluster_id;
	uint32_t node_count;
	uint32_t leader;	/* id */
	uint64_t term;
	struct fake_node nodes[NODES_MAX];
	struct fake_rule rules[RULES_MAX];
	uint32_t rule_count;
	struct memory_table *table;
	struct kv *kv;
	struct fake_request *log;
	size_t log_count;
	uint8_t *answer;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t turned;
	uint64_t turns;
	bool stop;
};

static void	*run(void *);
static void	turn(struct fake *, uint32_t slot);
static void	serve(struct fake *, uint32_t slot, uint32_t client,
		    const struct channel_message *);
static const struct fake_rule *rule_for(struct fake *, uint32_t id,
		    enum kv_op);
static void	reply_with(struct fake *, uint32_t slot, uint32_t client,
		    uint64_t epoch, struct wire_reply *);
static uint32_t	apply(struct fake *, const struct wire_request *);
static void	apply_command(struct fake *, const struct kv_command *,
		    struct kv_answer *);
static void	write_down(struct fake *, uint32_t id, uint32_t kind,
		    const struct kv_command *);
static void	segment_begin(struct fake *);
static void	segment_end(struct fake *);
static void	close_channels(struct fake_node *);
static void	publish(struct fake *, uint32_t slot);
static void	ring_all(struct fake *);
static void	wait_turn(struct fake *);
static void	state_new(struct fake *);

void
fake_start(struct fake **started, uint32_t node_count)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert(fake != NULL && node_count <= NODES_MAX);
	snprintf(fake->dir, sizeof(fake->dir), "/tmp/raftsup-fake-XXXXXX");
	assert(mkdtemp(fake->dir) != NULL);
	fake->node_count = node_count;
	fake->cluster_id = 1;
	fake->log = calloc(FAKE_LOG_MAX, sizeof(*fake->log));
	fake->answer = malloc(KV_ANSWER_SIZE_MAX);
	assert(fake->log != NULL && fake->answer != NULL);
	state_new(fake);
	pthread_mutex_init(&fake->lock, NULL);
	pthread_cond_init(&fake->turned, NULL);
	segment_begin(fake);
	assert(pthread_create(&fake->thread, NULL, run, fake) == 0);
	pthread_mutex_lock(&fake->lock);
	wait_turn(fake);
	pthread_mutex_unlock(&fake->lock);
	*started = fake;
}

void
fake_stop(struct fake *fake)
{
	if (fake->segment != NULL) {
		fake_cluster_stop(fake);
	}
	pthread_mutex_lock(&fake->lock);
	fake->stop = true;
	pthread_mutex_unlock(&fake->lock);
	pthread_join(fake->thread, NULL);
	pthread_mutex_destroy(&fake->lock);
	pthread_cond_destroy(&fake->turned);
	kv_free(fake->kv);
	memory_table_free(fake->table);
	rmdir(fake->dir);
	free(fake->log);
	free(fake->answer);
	free(fake);
}

const char *
fake_dir(const struct fake *fake)
{
	return fake->dir;
}

void
fake_lead(struct fake *fake, uint32_t id)
{
	uint32_t slot;

	pthread_mutex_lock(&fake->lock);
	fake->leader = id;
	fake->term++;
	for (slot = 0; slot < fake->node_count; slot++) {
		if (fake->nodes[slot].up) {
			segment_hint_set(fake->segment, slot,
			    fake->term << 1 | (slot + 1 == id));
		}
	}
	ring_all(fake);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_lead_secretly(struct fake *fake, uint32_t id)
{
	pthread_mutex_lock(&fake->lock);
	fake->leader = id;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_kill(struct fake *fake, uint32_t id, bool told)
{
	pthread_mutex_lock(&fake->lock);
	fake->nodes[id - 1].up = false;
	fake->nodes[id - 1].wants_alive = !told;
	wait_turn(fake);
	publish(fake, id - 1);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_restart(struct fake *fake, uint32_t id)
{
	struct fake_node *node = &fake->nodes[id - 1];

	pthread_mutex_lock(&fake->lock);
	node->wants_alive = false;
	node->up = false;
	wait_turn(fake);
	close_channels(node);
	node->run++;
	node->wants_alive = true;
	segment_hint_set(fake->segment, id - 1, fake->term << 1);
	publish(fake, id - 1);
	wait_turn(fake);
	node->up = true;
	publish(fake, id - 1);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_rule(struct fake *fake, struct fake_rule rule)
{
	pthread_mutex_lock(&fake->lock);
	assert(fake->rule_count < RULES_MAX);
	fake->rules[fake->rule_count++] = rule;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_clear_rules(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	/* What has arrived is under the old ones. */
	wait_turn(fake);
	fake->rule_count = 0;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_cluster_stop(struct fake *fake)
{
	uint32_t slot;

	pthread_mutex_lock(&fake->lock);
	for (slot = 0; slot < fake->node_count; slot++) {
		fake->nodes[slot].up = false;
		fake->nodes[slot].wants_alive = false;
	}
	wait_turn(fake);
	segment_end(fake);
	pthread_mutex_unlock(&fake->lock);
}

void
fake_cluster_start(struct fake *fake, bool is_other, uint32_t sessions)
{
	const struct kv_command open = { .op = KV_OP_OPEN };
	struct kv_answer answer;

	pthread_mutex_lock(&fake->lock);
	if (is_other) {
		fake->cluster_id++;
		kv_free(fake->kv);
		memory_table_free(fake->table);
		state_new(fake);
		while (sessions-- > 0) {
			apply_command(fake, &open, &answer);
		}
	}
	segment_begin(fake);
	wait_turn(fake);
	pthread_mutex_unlock(&fake->lock);
}

size_t
fake_requests(struct fake *fake, struct fake_request *requests, size_t max)
{
	size_t i, count = 0;

	pthread_mutex_lock(&fake->lock);
	for (i = 0; i < fake->log_count; i++) {
		if (fake->log[i].op == KV_OP_OPEN ||
		    fake->log[i].op == KV_OP_CLOSE) {
			continue;
		}
		if (count < max) {
			requests[count] = fake->log[i];
		}
		count++;
	}
	pthread_mutex_unlock(&fake->lock);
	return count;
}

size_t
fake_count(struct fake *fake, enum kv_op op)
{
	size_t i, count = 0;

	pthread_mutex_lock(&fake->lock);
	for (i = 0; i < fake->log_count; i++) {
		count += fake->log[i].op == op;
	}
	pthread_mutex_unlock(&fake->lock);
	return count;
}

void
fake_forget(struct fake *fake)
{
	pthread_mutex_lock(&fake->lock);
	fake->log_count = 0;
	pthread_mutex_unlock(&fake->lock);
}

void
fake_wait(struct fake *fake, enum kv_op op, size_t count)
{
	while (fake_count(fake, op) < count) {
		usleep(200);
	}
}

uint64_t
fake_sessions(struct fake *fake)
{
	uint64_t count;

	pthread_mutex_lock(&fake->lock);
	count = kv_position(fake->kv)->session_count;
	pthread_mutex_unlock(&fake->lock);
	return count;
}

static void *
run(void *arg)
{
	const struct timespec moment = clock_timespec(TURN_NS);
	struct fake *fake = arg;
	struct fake_node *node;
	uint32_t slot;

	pthread_mutex_lock(&fake->lock);
	while (!fake->stop) {
		for (slot = 0; slot < fake->node_count &&
		    fake->segment != NULL; slot++) {
			node = &fake->nodes[slot];
			if (node->alive && !node->wants_alive) {
				life_end(fake->segment, slot);
				node->alive = false;
			} else if (!node->alive && node->wants_alive) {
				/* Tokens are held while the lock is taken:
				 * never the other way round. */
				pthread_mutex_unlock(&fake->lock);
				assert(life_begin(fake->segment, slot,
				    node->run) == ERR_OK);
				pthread_mutex_lock(&fake->lock);
				node->alive = true;
			}
			if (node->up) {
				turn(fake, slot);
			}
		}
		fake->turns++;
		pthread_cond_broadcast(&fake->turned);
		pthread_mutex_unlock(&fake->lock);
		nanosleep(&moment, NULL);
		pthread_mutex_lock(&fake->lock);
	}
	pthread_mutex_unlock(&fake->lock);
	return NULL;
}

static void
turn(struct fake *fake, uint32_t slot)
{
	struct fake_node *node = &fake->nodes[slot];
	struct channel_message message;
	enum channel_verdict verdict;
	struct doorbell bell;
	uint32_t client;

	for (client = 0; client < FAKE_CLIENTS; client++) {
		if (slot_epoch_of(fake->segment, client) == 0) {
			continue;
		}
		if (node->rx[client] == NULL) {
			if (channel_open_request(NULL, &node->rx[client],
				fake->segment, client, slot, true,
				node->run) != ERR_OK) {
				continue;	/* never asked */
			}
			assert(channel_open_reply(&node->tx[client], NULL,
			    fake->segment, client, slot, true, node->run) ==
			    ERR_OK);
		}
		while ((verdict = channel_receive(node->rx[client],
			    &message)) != CHANNEL_EMPTY) {
			if (verdict == CHANNEL_MESSAGE) {
				serve(fake, slot, client, &message);
				channel_release(node->rx[client]);
			}
		}
		channel_done(node->rx[client]);
		if (channel_flush(node->tx[client])) {
			bell = doorbell_of_client(fake->segment, client);
			doorbell_ring(&bell);
		}
	}
}

static void
serve(struct fake *fake, uint32_t slot, uint32_t client,
    const struct channel_message *message)
{
	static const struct fake_rule answer_it = { .act = FAKE_ANSWER };
	const struct fake_rule *rule;
	struct wire_request request;
	struct kv_command command, close = { .op = KV_OP_CLOSE };
	struct kv_answer ignored;
	struct wire_reply reply = { .result = WIRE_OK };

	assert(message->type == WIRE_REQUEST);
	assert(wire_decode_request(&request, message->data, message->size) ==
	    ERR_OK);
	assert(kv_command_decode(&command, request.command, request.size) ==
	    ERR_OK);
	reply.id = request.id;
	reply.leader = fake->leader;
	reply.term = fake->term;
	write_down(fake, slot + 1, request.kind, &command);
	close.session = command.session;
	close.sequence = close.lowest_open = INT64_MAX;
	rule = rule_for(fake, slot + 1, command.op);
	if (rule == NULL) {
		rule = &answer_it;
		if (fake->leader != slot + 1 &&
		    request.kind != WIRE_READ_STALE) {
			reply.result = WIRE_NOT_LEADER;
			reply_with(fake, slot, client, message->from_epoch,
			    &reply);
			return;
		}
	}
	switch (rule->act) {
	case FAKE_SILENT:
		return;
	case FAKE_APPLY_SILENT:
		apply(fake, &request);
		return;
	case FAKE_EVICT_AFTER:
		apply(fake, &request);
		apply_command(fake, &close, &ignored);
		return;
	case FAKE_REFUSE:
		reply.result = rule->result;
		reply.leader = rule->leader;
		break;
	case FAKE_LOSE:
		apply(fake, &request);
		reply.result = WIRE_LOST;
		break;
	case FAKE_LOSE_UNAPPLIED:
		reply.result = WIRE_LOST;
		break;
	case FAKE_EVICT:
		apply_command(fake, &close, &ignored);
		FALLTHROUGH;
	case FAKE_ANSWER:
		reply.size = apply(fake, &request);
		break;
	case FAKE_GARBAGE:
		memset(fake->answer, 0xa5, 100);
		reply.size = 100;
		break;
	}
	reply_with(fake, slot, client, message->from_epoch, &reply);
}

static const struct fake_rule *
rule_for(struct fake *fake, uint32_t id, enum kv_op op)
{
	struct fake_rule *rule;
	uint32_t i;

	for (i = 0; i < fake->rule_count; i++) {
		rule = &fake->rules[i];
		if (rule->count > 0 &&
		    (rule->node == 0 || rule->node == id) &&
		    (rule->op != 0 ? rule->op == op :
			op != KV_OP_OPEN && op != KV_OP_CLOSE)) {
			rule->count--;
			return rule;
		}
	}
	return NULL;
}

static void
reply_with(struct fake *fake, uint32_t slot, uint32_t client, uint64_t epoch,
    struct wire_reply *reply)
{
	struct channel_tx *tx = fake->nodes[slot].tx[client];
	uint8_t header[WIRE_REPLY_SIZE];
	struct iovec iov[2] = {
		{ header, sizeof(header) },
		{ fake->answer, reply->size },
	};
	struct doorbell bell = doorbell_of_client(fake->segment, client);
	int i;

	reply->applied = kv_position(fake->kv)->applied_index;
	wire_encode_reply(reply, header);
	/* A large one waits for the reader, up to a limit. */
	for (i = 0; i < 2000; i++) {
		if (channel_send(tx, WIRE_REPLY, epoch, iov, 2) == ERR_OK) {
			break;
		}
		channel_flush(tx);
		doorbell_ring(&bell);
		usleep(100);
	}
	for (i = 0; i < 2000; i++) {
		if (channel_flush(tx)) {
			doorbell_ring(&bell);
		}
		if (!channel_is_pending(tx)) {
			return;
		}
		usleep(100);
	}
}

/* Into fake->answer; its size. */
static uint32_t
apply(struct fake *fake, const struct wire_request *request)
{
	struct kv_command command;
	struct kv_answer answer;
	int size;

	assert(kv_command_decode(&command, request->command,
	    request->size) == ERR_OK);
	if (kv_op_is_write(command.op)) {
		assert(kv_apply(fake->kv,
		    kv_position(fake->kv)->applied_index + 1, 1, true,
		    request->command, request->size, &answer) == ERR_OK);
	} else {
		kv_query(fake->kv, &command, &answer);
	}
	size = kv_answer_encode(&answer, fake->answer, KV_ANSWER_SIZE_MAX);
	assert(size > 0);
	return (uint32_t)size;
}

static void
apply_command(struct fake *fake, const struct kv_command *command,
    struct kv_answer *answer)
{
	uint8_t bytes[256];
	int size = kv_command_encode(command, bytes, sizeof(bytes));

	assert(size > 0);
	assert(kv_apply(fake->kv, kv_position(fake->kv)->applied_index + 1, 1,
	    true, bytes, (size_t)size, answer) == ERR_OK);
}

static void
write_down(struct fake *fake, uint32_t id, uint32_t kind,
    const struct kv_command *command)
{
	struct fake_request *request;

	if (fake->log_count == FAKE_LOG_MAX) {
		return;
	}
	request = &fake->log[fake->log_count++];
	*request = (struct fake_request){
		.node = id,
		.kind = kind,
		.op = command->op,
		.session = command->session,
		.sequence = command->sequence,
		.lowest_open = command->lowest_open,
	};
	if (command->key.size > 0) {
		memcpy(request->key, command->key.data,
		    command->key.size < 15 ? command->key.size : 15);
	}
}

static void
segment_begin(struct fake *fake)
{
	struct segment_config config = {
		.cluster_id = fake->cluster_id,
		.heartbeat_ns = 100 * CLOCK_NS_PER_MS,
		.election_min_ns = 500 * CLOCK_NS_PER_MS,
		.election_max_ns = 1000 * CLOCK_NS_PER_MS,
		.lease_ns = 400 * CLOCK_NS_PER_MS,
		.durability = 1,
		.client_count = FAKE_CLIENTS,
	};
	struct err_buf err;
	uint32_t slot;

	snprintf(config.dir, sizeof(config.dir), "%s", fake->dir);
	assert(segment_name(fake->name, fake->dir, &err) == ERR_OK);
	assert(segment_create(&fake->segment, fake->name, &config,
	    fake->node_count, &err) == ERR_OK);
	for (slot = 0; slot < fake->node_count; slot++) {
		fake->nodes[slot].run++;
		fake->nodes[slot].up = true;
		fake->nodes[slot].wants_alive = true;
		publish(fake, slot);
	}
	fake->leader = 0;
}

static void
segment_end(struct fake *fake)
{
	struct err_buf err;
	uint32_t slot;

	for (slot = 0; slot < fake->node_count; slot++) {
		close_channels(&fake->nodes[slot]);
	}
	assert(segment_unlink(fake->name, &err) == ERR_OK);
	segment_detach(fake->segment);
	fake->segment = NULL;
}

static void
close_channels(struct fake_node *node)
{
	uint32_t client;

	for (client = 0; client < FAKE_CLIENTS; client++) {
		channel_rx_close(node->rx[client]);
		channel_tx_close(node->tx[client]);
		node->rx[client] = NULL;
		node->tx[client] = NULL;
	}
}

static void
publish(struct fake *fake, uint32_t slot)
{
	const struct fake_node *node = &fake->nodes[slot];
	struct segment_row row = {
		.id = slot + 1,
		.state = node->up ? SEGMENT_NODE_UP : SEGMENT_NODE_DOWN,
	};
	struct segment_status status = {
		.run = node->run,
		.id = slot + 1,
		.ready = node->up,
	};

	segment_row_publish(fake->segment, slot, &row);
	segment_status_publish(fake->segment, slot, &status);
}

static void
ring_all(struct fake *fake)
{
	struct doorbell bell;
	uint32_t client;

	for (client = 0; client < FAKE_CLIENTS; client++) {
		if (slot_epoch_of(fake->segment, client) != 0) {
			bell = doorbell_of_client(fake->segment, client);
			doorbell_ring(&bell);
		}
	}
}

static void
wait_turn(struct fake *fake)
{
	uint64_t turns = fake->turns + 2;

	while (fake->turns < turns) {
		pthread_cond_wait(&fake->turned, &fake->lock);
	}
}

static void
state_new(struct fake *fake)
{
	fake->table = memory_table_new(false);
	assert(kv_new(&fake->kv, memory_table_face(fake->table)) == ERR_OK);
}
