/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rig: segment, rows and stores as raftsup would make them, and a client
 * slot of its own.
 */
#include "tests/node/rig.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/slot.h"
#include "tests/base/janitor.h"
#include "tests/base/temporary.h"

#define NODES_MAX	7
#define WAIT_NS		60000000000ull
#define ELECTION_NS	(RIG_ELECTION_MS * 1000000ull)
#define ASK_NS		ELECTION_NS

struct rig {
	int janitor;
	char dir[64];
	char name[SEGMENT_NAME_SIZE];
	uint32_t nodes;
	enum store_durability durability;
	uint64_t cluster_id;
	struct segment *segment;
	struct segment_row rows[NODES_MAX];
	pid_t pids[NODES_MAX];
	/* The client. */
	struct segment *client_segment;
	struct slot *slot;
	struct channel_tx *tx[NODES_MAX];
	struct channel_rx *rx[NODES_MAX];
	uint64_t next_request;
	uint64_t session;
	uint64_t sequence;
	uint64_t applied;	/* the last index of which an answer has told */
	uint8_t answer[KV_ANSWER_SIZE_MAX];
	char text[4096];
};

static void	rig_create_stores(struct rig *, enum store_durability,
		    uint64_t);
static void	rig_sweep(const void *);
static void	rig_admit(struct rig *, uint32_t);
static void	rig_open_client(struct rig *);
static void	set_faults(struct rig *, uint32_t, struct segment_faults *);
static void	rig_put(struct rig *, const char *, const void *, size_t);

struct rig *
rig_new(uint32_t nodes, enum store_durability durability)
{
	return rig_new_with(nodes, durability, true);
}

struct rig *
rig_new_with(uint32_t nodes, enum store_durability durability,
    bool death_hint)
{
	struct segment_config config = {
	    .cluster_id = (uint64_t)getpid() << 20 | 7,
	    .heartbeat_ns = ELECTION_NS / 13,
	    .election_min_ns = ELECTION_NS / 2,
	    .election_max_ns = ELECTION_NS,
	    .lease_ns = ELECTION_NS,
	    .durability = durability,
	    .client_count = 8,
	    .death_hint = death_hint,
	};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct err_buf err;

	ck_assert_ptr_nonnull(rig);
	rig->nodes = nodes;
	rig->durability = durability;
	rig->cluster_id = config.cluster_id;
	temporary_make(rig->dir, sizeof(rig->dir), "rig");
	snprintf(config.dir, sizeof(config.dir), "%s", rig->dir);
	ck_assert_int_eq(segment_name(rig->name, rig->dir, &err), ERR_OK);
	rig->janitor = janitor_hire(rig_sweep, rig);
	ck_assert_int_ne(rig->janitor, -1);
	rig_create_stores(rig, durability, config.cluster_id);
	ck_assert_msg(segment_create(&rig->segment, rig->name, &config, nodes,
	    &err) == ERR_OK, "%s", err.text);
	for (uint32_t slot = 0; slot < nodes; slot++) {
		struct segment_row *row = &rig->rows[slot];

		row->id = slot + 1;
		row->store_id = 1000 + slot;
		row->state = SEGMENT_NODE_DOWN;
		segment_row_publish(rig->segment, slot, row);
	}
	for (uint32_t slot = 0; slot < nodes; slot++) {
		rig_start(rig, slot + 1);
	}
	rig_open_client(rig);
	return rig;
}

void
rig_free(struct rig *rig)
{
	for (uint32_t slot = 0; slot < rig->nodes; slot++) {
		if (rig->pids[slot] > 0) {
			rig_kill(rig, slot + 1, SIGKILL);
		}
		channel_tx_close(rig->tx[slot]);
		channel_rx_close(rig->rx[slot]);
	}
	slot_release(rig->slot);
	segment_detach(rig->client_segment);
	segment_detach(rig->segment);
	rig_sweep(rig);
	close(rig->janitor);
	free(rig);
}

static void
rig_sweep(const void *arg)
{
	const struct rig *rig = arg;
	struct err_buf err;

	(void)!segment_unlink(rig->name, &err);
	(void)fs_remove_tree(rig->dir, &err);
}

struct segment *
rig_segment(struct rig *rig)
{
	return rig->segment;
}

void
rig_start(struct rig *rig, uint32_t id)
{
	uint32_t slot = id - 1;
	struct segment_row *row = &rig->rows[slot];
	const char *build = getenv("RAFTSUP_BUILDDIR");
	char program[512], dir[128], number[8];

	row->run_granted = row->run_admitted + 1;
	row->state = SEGMENT_NODE_STARTING;
	segment_row_publish(rig->segment, slot, row);
	snprintf(program, sizeof(program), "%s/raftnode",
	    build != NULL ? build : ".");
	snprintf(dir, sizeof(dir), "%s/node-%u", rig->dir, id);
	snprintf(number, sizeof(number), "%u", slot);
	rig->pids[slot] = fork();
	ck_assert_int_ge(rig->pids[slot], 0);
	if (rig->pids[slot] == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, "raftnode", "serve", "--segment", rig->name,
		    "--slot", number, "--dir", dir, (char *)NULL);
		perror(program);
		_exit(127);
	}
	row->pid = rig->pids[slot];
	rig_admit(rig, slot);
}

/* Waits for the run to be announced, admits it, waits until it is ready. */
static void
rig_admit(struct rig *rig, uint32_t slot)
{
	struct segment_row *row = &rig->rows[slot];
	uint64_t end = clock_now_ns() + WAIT_NS;
	struct segment_status status;

	for (;;) {
		if (segment_status_read(rig->segment, slot, &status) ==
		    ERR_OK && status.run == row->run_granted) {
			struct doorbell bell =
			    doorbell_of_node(rig->segment, slot);

			if (status.ready != 0 || status.latched[0] != '\0') {
				return;
			}
			row->run_admitted = row->run_granted;
			row->state = SEGMENT_NODE_UP;
			segment_row_publish(rig->segment, slot, row);
			(void)doorbell_ring(&bell);
		}
		if (waitpid(rig->pids[slot], NULL, WNOHANG) != 0) {
			rig->pids[slot] = 0;
			return;
		}
		ck_assert_msg(clock_now_ns() < end, "node %u is not ready",
		    slot + 1);
		usleep(1000);
	}
}

void
rig_kill(struct rig *rig, uint32_t id, int signal_number)
{
	kill(rig->pids[id - 1], signal_number);
	(void)rig_wait_end(rig, id);
}

int
rig_stop(struct rig *rig, uint32_t id)
{
	kill(rig->pids[id - 1], SIGTERM);
	return rig_wait_end(rig, id);
}

int
rig_wait_end(struct rig *rig, uint32_t id)
{
	int status = 0;

	(void)waitpid(rig->pids[id - 1], &status, 0);
	rig->pids[id - 1] = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status);
}

/*
 * What a leader sends may be on other disks before it is on its own.  What was
 * answered is; of the rest the pages tell, a moment late.
 */
static bool
others_have_more(struct rig *rig, uint32_t id, uint64_t last_index)
{
	struct segment_status status;
	bool more = rig->applied > last_index;

	for (uint32_t other = 1; other <= rig->nodes; other++) {
		if (other == id) {
			continue;
		}
		ck_assert_int_eq(segment_status_read(rig->segment, other - 1,
		    &status), ERR_OK);
		more = more || status.last_index > last_index;
	}
	return more;
}

bool
rig_append_unsent(struct rig *rig, uint32_t id, const char *key,
    uint32_t count)
{
	struct store_options options = { .durability = rig->durability };
	struct store_identity identity = {
	    .cluster_id = rig->cluster_id,
	    .store_id = 1000 + id - 1,
	    .node_id = id,
	};
	struct kv_command command = { .op = KV_OP_SET,
	    .session = rig->session, .sequence = rig->sequence };
	struct store_log_info info;
	struct store *store;
	struct err_buf err;
	uint8_t data[256];
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/node-%u", rig->dir, id);
	ck_assert_msg(store_open(&store, dir, &identity, &options, &err) ==
	    ERR_OK, "%s", err.text);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	if (info.hard_state.term != info.last_term ||
	    info.hard_state.vote != id || others_have_more(rig, id,
	    info.last_index)) {
		store_close(store);
		return false;
	}
	command.key.data = command.value.data = key;
	command.key.size = command.value.size = strlen(key);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	for (uint32_t i = 0; i < count; i++) {
		struct raft_entry entry = {
		    .index = info.last_index + 1 + i,
		    .term = info.last_term,
		    .type = RAFT_ENTRY_COMMAND,
		    .data = data,
		};
		int size;

		command.lowest_open = ++command.sequence;
		size = kv_command_encode(&command, data, sizeof(data));
		ck_assert_int_gt(size, 0);
		entry.size = (uint32_t)size;
		entry.checksum = raft_entry_checksum(entry.type, data,
		    entry.size);
		store_append(store, &entry, 1);
	}
	ck_assert_int_eq(store_commit(store), ERR_OK);
	store_close(store);
	return true;
}

void
rig_slow_disk(struct rig *rig, uint32_t id, uint64_t delay_ns)
{
	set_faults(rig, id, &(struct segment_faults){
	    .disk_delay_ns = delay_ns });
}

void
rig_slow_links(struct rig *rig, uint32_t id, uint64_t delay_ns)
{
	struct segment_faults faults = { 0 };

	for (uint32_t i = 0; i < rig->nodes; i++) {
		faults.links[i].delay_min_ns = delay_ns;
		faults.links[i].delay_max_ns = delay_ns;
	}
	set_faults(rig, id, &faults);
}

static void
set_faults(struct rig *rig, uint32_t id, struct segment_faults *faults)
{
	uint32_t slot = id - 1;
	struct doorbell bell = doorbell_of_node(rig->segment, slot);
	uint64_t end = clock_now_ns() + WAIT_NS;

	faults->generation = segment_faults_taken(rig->segment, slot) + 1;
	for (uint32_t i = 0; i < rig->nodes; i++) {
		faults->ids[i] = i + 1;
	}
	segment_faults_publish(rig->segment, slot, faults);
	segment_row_publish(rig->segment, slot, &rig->rows[slot]);
	while (rig->pids[slot] != 0 &&
	    segment_faults_taken(rig->segment, slot) != faults->generation) {
		ck_assert_msg(clock_now_ns() < end,
		    "node %u takes no fault", id);
		(void)doorbell_ring(&bell);
		usleep(1000);
	}
}

pid_t
rig_pid(struct rig *rig, uint32_t id)
{
	return rig->pids[id - 1];
}

uint64_t
rig_run(struct rig *rig, uint32_t id)
{
	return rig->rows[id - 1].run_admitted;
}

const char *
rig_wait_told(struct rig *rig, uint32_t id, const char *text)
{
	uint64_t end = clock_now_ns() + WAIT_NS;
	char path[128];
	bool found = false;

	snprintf(path, sizeof(path), "%s/node-%u/node.log", rig->dir, id);
	while (!found) {
		FILE *file = fopen(path, "r");

		while (file != NULL && !found &&
		    fgets(rig->text, sizeof(rig->text), file) != NULL) {
			found = strstr(rig->text, text) != NULL &&
			    strchr(rig->text, '\n') != NULL;
		}
		if (file != NULL) {
			fclose(file);
		}
		ck_assert_msg(found || clock_now_ns() < end,
		    "node %u does not say: %s", id, text);
		usleep(1000);
	}
	return rig->text;
}

uint32_t
rig_wait_leader(struct rig *rig)
{
	uint64_t end = clock_now_ns() + WAIT_NS;

	for (;;) {
		uint64_t best = 0;
		uint32_t leader = 0;

		for (uint32_t slot = 0; slot < rig->nodes; slot++) {
			uint64_t hint = segment_hint(rig->segment, slot);

			if ((hint & 1) != 0 && hint > best &&
			    rig->pids[slot] != 0) {
				best = hint;
				leader = slot + 1;
			}
		}
		if (leader != 0) {
			return leader;
		}
		ck_assert_msg(clock_now_ns() < end, "nobody leads");
		usleep(500);
	}
}

bool
rig_ask(struct rig *rig, uint32_t id, enum wire_request_kind kind,
    const struct kv_command *command, struct wire_reply *reply,
    struct kv_answer *answer)
{
	static uint8_t bytes[KV_COMMAND_SIZE_MAX];
	uint32_t slot = id - 1;
	uint8_t header[WIRE_REQUEST_SIZE];
	struct wire_request request = { .id = ++rig->next_request,
	    .kind = kind, .command = bytes };
	struct doorbell bell = doorbell_of_node(rig->client_segment, slot);
	struct iovec iov[2];
	uint64_t end;
	int size = kv_command_encode(command, bytes, sizeof(bytes));

	ck_assert_int_gt(size, 0);
	request.size = (uint32_t)size;
	wire_encode_request(&request, header);
	iov[0].iov_base = header;
	iov[0].iov_len = sizeof(header);
	iov[1].iov_base = bytes;
	iov[1].iov_len = request.size;
	if (channel_send(rig->tx[slot], WIRE_REQUEST, 0, iov, 2) != ERR_OK) {
		/* The rest of a large request, given up on, is in the way. */
		(void)channel_flush(rig->tx[slot]);
		(void)doorbell_ring(&bell);
		return false;
	}
	end = clock_now_ns() + ASK_NS;
	do {
		struct channel_message message;

		(void)channel_flush(rig->tx[slot]);
		doorbell_mark_client(rig->client_segment, slot,
		    slot_index(rig->slot));
		(void)doorbell_ring(&bell);
		if (channel_receive(rig->rx[slot], &message) !=
		    CHANNEL_MESSAGE) {
			usleep(50);
			continue;
		}
		ck_assert_int_eq(wire_decode_reply(reply, message.data,
		    message.size), ERR_OK);
		memcpy(rig->answer, reply->answer, reply->size);
		channel_release(rig->rx[slot]);
		channel_done(rig->rx[slot]);
		if (reply->id == request.id) {
			if (reply->result == WIRE_OK) {
				ck_assert_int_eq(kv_answer_decode(answer,
				    rig->answer, reply->size), ERR_OK);
				rig->applied = reply->applied > rig->applied ?
				    reply->applied : rig->applied;
			}
			return true;
		}
	} while (clock_now_ns() < end);
	return false;
}

void
rig_send(struct rig *rig, uint32_t id, const void *data, size_t size)
{
	uint32_t slot = id - 1;
	struct doorbell bell = doorbell_of_node(rig->client_segment, slot);
	struct iovec iov = { (void *)(uintptr_t)data, size };

	ck_assert_int_eq(channel_send(rig->tx[slot], WIRE_REQUEST, 0, &iov, 1),
	    ERR_OK);
	(void)channel_flush(rig->tx[slot]);
	doorbell_mark_client(rig->client_segment, slot, slot_index(rig->slot));
	(void)doorbell_ring(&bell);
}

uint32_t
rig_ask_many(struct rig *rig, uint32_t id, const char *key, uint32_t count)
{
	struct kv_command command = { .op = KV_OP_GET,
	    .key = { key, strlen(key) } };
	uint32_t slot = id - 1, replies = 0;
	struct doorbell bell = doorbell_of_node(rig->client_segment, slot);
	uint8_t bytes[WIRE_REQUEST_SIZE + 64];
	struct wire_request request = { .kind = WIRE_READ_STALE,
	    .command = bytes + WIRE_REQUEST_SIZE };
	struct iovec iov = { bytes, 0 };
	uint64_t end = clock_now_ns() + 20 * ASK_NS;
	int size = kv_command_encode(&command, bytes + WIRE_REQUEST_SIZE, 64);

	ck_assert_int_gt(size, 0);
	request.size = (uint32_t)size;
	iov.iov_len = WIRE_REQUEST_SIZE + request.size;
	for (uint32_t i = 0; i < count; i++) {
		request.id = ++rig->next_request;
		wire_encode_request(&request, bytes);
		ck_assert_int_eq(channel_send(rig->tx[slot], WIRE_REQUEST, 0,
		    &iov, 1), ERR_OK);
	}
	(void)channel_flush(rig->tx[slot]);
	doorbell_mark_client(rig->client_segment, slot, slot_index(rig->slot));
	(void)doorbell_ring(&bell);
	usleep(100000);
	while (replies < count && clock_now_ns() < end) {
		struct channel_message message;

		if (channel_receive(rig->rx[slot], &message) ==
		    CHANNEL_MESSAGE) {
			replies++;
			channel_release(rig->rx[slot]);
		}
		channel_done(rig->rx[slot]);
	}
	return replies;
}

void
rig_do(struct rig *rig, enum wire_request_kind kind,
    const struct kv_command *command, struct kv_answer *answer)
{
	uint64_t end = clock_now_ns() + WAIT_NS;
	struct wire_reply reply;

	while (!rig_ask(rig, rig_wait_leader(rig), kind, command, &reply,
	    answer) || reply.result != WIRE_OK) {
		ck_assert_msg(clock_now_ns() < end, "no answer");
		usleep(200);
	}
}

void
rig_set(struct rig *rig, const char *key, const char *value)
{
	rig_put(rig, key, value, strlen(value));
}

void
rig_set_large(struct rig *rig, const char *key, uint8_t fill, uint32_t size)
{
	static uint8_t value[KV_VALUE_SIZE_MAX];

	memset(value, fill, size);
	rig_put(rig, key, value, size);
}

void
rig_check_large(struct rig *rig, const char *key, uint8_t fill, uint32_t size)
{
	struct kv_command command = { .op = KV_OP_GET };
	struct kv_answer answer;
	const uint8_t *value;

	command.key.data = key;
	command.key.size = strlen(key);
	rig_do(rig, WIRE_READ, &command, &answer);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.value.size, size);
	value = answer.value.data;
	for (uint32_t i = 0; i < size; i++) {
		if (value[i] != fill) {
			ck_abort_msg("%s: byte %u is %u", key, i, value[i]);
		}
	}
}

uint64_t
rig_applied(struct rig *rig, uint32_t id)
{
	struct segment_status status;

	ck_assert_int_eq(segment_status_read(rig->segment, id - 1, &status),
	    ERR_OK);
	return status.applied;
}

void
rig_wait_applied(struct rig *rig, uint32_t id, uint64_t index)
{
	uint64_t end = clock_now_ns() + WAIT_NS;

	while (rig_applied(rig, id) < index) {
		ck_assert_msg(clock_now_ns() < end,
		    "node %u has applied %llu of %llu", id,
		    (unsigned long long)rig_applied(rig, id),
		    (unsigned long long)index);
		usleep(1000);
	}
}

static void
rig_put(struct rig *rig, const char *key, const void *value, size_t size)
{
	struct kv_command command = { .op = KV_OP_OPEN };
	struct kv_answer answer;

	if (rig->session == 0) {
		rig_do(rig, WIRE_WRITE, &command, &answer);
		ck_assert_int_eq(answer.status, KV_OK);
		rig->session = (uint64_t)answer.number;
	}
	command.op = KV_OP_SET;
	command.session = rig->session;
	command.sequence = command.lowest_open = ++rig->sequence;
	command.key.data = key;
	command.key.size = strlen(key);
	command.value.data = value;
	command.value.size = size;
	rig_do(rig, WIRE_WRITE, &command, &answer);
	ck_assert_int_eq(answer.status, KV_OK);
}

const char *
rig_get(struct rig *rig, const char *key)
{
	struct kv_command command = { .op = KV_OP_GET };
	struct kv_answer answer;

	command.key.data = key;
	command.key.size = strlen(key);
	rig_do(rig, WIRE_READ, &command, &answer);
	if (answer.status == KV_NOT_FOUND) {
		return NULL;
	}
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_lt(answer.value.size, sizeof(rig->text));
	memcpy(rig->text, answer.value.data, answer.value.size);
	rig->text[answer.value.size] = '\0';
	return rig->text;
}

static void
rig_create_stores(struct rig *rig, enum store_durability durability,
    uint64_t cluster_id)
{
	struct raft_configuration configuration = { .count = rig->nodes };
	struct store_options options = { .durability = durability };
	struct err_buf err;

	for (uint32_t i = 0; i < rig->nodes; i++) {
		configuration.servers[i].id = i + 1;
		configuration.servers[i].suffrage = RAFT_VOTER;
		configuration.servers[i].store_id = 1000 + i;
	}
	for (uint32_t i = 0; i < rig->nodes; i++) {
		struct store_identity identity = {
		    .cluster_id = cluster_id,
		    .store_id = 1000 + i,
		    .node_id = i + 1,
		};
		char dir[128];

		snprintf(dir, sizeof(dir), "%s/node-%u", rig->dir, i + 1);
		ck_assert_int_eq(mkdir(dir, 0700), 0);
		ck_assert_msg(store_create(dir, &identity, &configuration,
		    &options, &err) == ERR_OK, "%s", err.text);
	}
}

static void
rig_open_client(struct rig *rig)
{
	struct err_buf err;

	ck_assert_msg(segment_attach(&rig->client_segment, rig->name,
	    SEGMENT_CLIENT, &err) == ERR_OK, "%s", err.text);
	ck_assert_msg(slot_claim(&rig->slot, rig->client_segment, &err) ==
	    ERR_OK, "%s", err.text);
	for (uint32_t slot = 0; slot < rig->nodes; slot++) {
		ck_assert_int_eq(channel_open_request(&rig->tx[slot], NULL,
		    rig->client_segment, slot_index(rig->slot), slot, false,
		    slot_epoch(rig->slot)), ERR_OK);
		ck_assert_int_eq(channel_open_reply(NULL, &rig->rx[slot],
		    rig->client_segment, slot_index(rig->slot), slot, false,
		    slot_epoch(rig->slot)), ERR_OK);
	}
}
