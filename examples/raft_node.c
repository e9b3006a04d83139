/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One event goes into the core, one update comes out, and the node does what
 * that says, in this order:
 *
 *	persist --> report it --> post messages --> apply --> report it
 *
 * Everything below serves one of these lines.  With a real disk, "report it"
 * would come later, and messages would wait for it (message.after_seq).
 */
#include "raft_node.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

#define NODES_MAX	7
#define MAIL_MAX	256		/* letters; more are lost: Raft can */
#define CLUSTER_ID	1
#define RUN		1		/* no node is started twice */

/* A message on its way, with its entries. */
struct letter {
	struct raft_message message;
	struct raft_entry *entries;
};

struct raft_node {
	uint32_t id;
	uint64_t term;			/* before it is started */
	struct raft *raft;		/* NULL before raft_node_join() */
	struct raft_update *update;
	struct raft_node *peers[NODES_MAX + 1];	/* by id */
	pthread_mutex_t mutex;		/* of all that follows, and of raft */
	pthread_cond_t mail_came;
	struct letter mail[MAIL_MAX];	/* the mailbox, a ring */
	uint32_t mail_begin, mail_count;
	struct letter outbox[MAIL_MAX];	/* of the present step */
	uint32_t outbox_count;
	struct raft_entry *log;		/* its "disk": entry i is log[i - 1] */
	uint64_t last_index, applied_index;
	char *applied;
	uint64_t deadline_ns;
	uint64_t random;
	bool stop;
};

static void	step(struct raft_node *, struct raft_event *);

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The example ends when there is no memory. */
static void *
must(void *pointer)
{
	if (pointer == NULL) {
		perror("raft_node");
		abort();
	}
	return pointer;
}

/* ------------------------------------------------------------ life of one */

struct raft_node *
raft_node_new(uint32_t id, uint64_t initial_term)
{
	struct raft_node *node = calloc(1, sizeof(*node));
	pthread_condattr_t attr;

	if (node == NULL) {
		return NULL;
	}
	node->id = id;
	node->term = initial_term;
	node->random = id * UINT64_C(0x9e3779b97f4a7c15) ^ now_ns();
	node->update = must(calloc(1, sizeof(*node->update)));
	node->applied = must(strdup(""));
	pthread_mutex_init(&node->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&node->mail_came, &attr);
	pthread_condattr_destroy(&attr);
	return node;
}

static void
letter_free(struct letter *letter)
{
	uint32_t i;

	for (i = 0; i < letter->message.entry_count; i++) {
		free((void *)(uintptr_t)letter->entries[i].data);
	}
	free(letter->entries);
}

void
raft_node_free(struct raft_node *node)
{
	uint64_t i;

	for (; node->mail_count > 0; node->mail_count--) {
		letter_free(&node->mail[node->mail_begin]);
		node->mail_begin = (node->mail_begin + 1) % MAIL_MAX;
	}
	for (i = 0; i < node->last_index; i++) {
		free((void *)(uintptr_t)node->log[i].data);
	}
	raft_free(node->raft);
	pthread_cond_destroy(&node->mail_came);
	pthread_mutex_destroy(&node->mutex);
	free(node->log);
	free(node->applied);
	free(node->update);
	free(node);
}

static void
tell(void *arg, enum raft_tell kind UNUSED, const char *text)
{
	const struct raft_node *node = arg;

	printf("  %s, term %llu\n", text,
	    (unsigned long long)raft_term(node->raft));
}

bool
raft_node_join(struct raft_node *const *nodes, uint32_t count,
    const uint64_t (*election_ms)[2], uint64_t heartbeat_ms)
{
	struct raft_configuration all = { .count = count };
	const char *what;
	uint32_t i, j;

	for (i = 0; i < count; i++) {
		all.servers[i] = (struct raft_server){
			.id = nodes[i]->id, .suffrage = RAFT_VOTER,
			.store_id = nodes[i]->id,
		};
	}
	for (i = 0; i < count; i++) {
		struct raft_node *node = nodes[i];
		struct raft_config config = {
			.id = node->id, .cluster_id = CLUSTER_ID,
			.store_id = node->id, .run = RUN,
			.heartbeat_ns = heartbeat_ms * 1000000,
			.election_min_ns = election_ms[i][0] * 1000000,
			.election_max_ns = election_ms[i][1] * 1000000,
			.tell = tell, .tell_arg = node,
		};
		struct raft_boot boot = {
			.hard_state.term = node->term, .first_index = 1,
			.configurations = &all, .configuration_count = 1,
			.now_ns = now_ns(), .random = node->random,
		};

		for (j = 0; j < count; j++) {
			node->peers[nodes[j]->id] = nodes[j];
		}
		if (raft_new(&node->raft, &config, &boot, &what) != ERR_OK) {
			fprintf(stderr, "node %u: %s\n", node->id, what);
			return false;
		}
	}
	return true;
}

/* -------------------------------------------------------------------- mail */

static void
copy_entry(struct raft_entry *to, const struct raft_entry *from)
{
	*to = *from;
	to->data = NULL;
	if (from->size > 0) {
		void *data = must(malloc(from->size));

		to->data = memcpy(data, from->data, from->size);
	}
}

/* What the core wants sent: it names entries, we fill them in. */
static void
write_letter(struct raft_node *node, const struct raft_message *message)
{
	struct letter *letter = &node->outbox[node->outbox_count];
	uint32_t i;

	if (node->outbox_count == MAIL_MAX) {
		return;
	}
	node->outbox_count++;
	*letter = (struct letter){ .message = *message };
	if (message->entry_count > 0) {
		letter->entries = must(calloc(message->entry_count,
		    sizeof(*letter->entries)));
	}
	for (i = 0; i < message->entry_count; i++) {
		copy_entry(&letter->entries[i],
		    &node->log[message->entry_first - 1 + i]);
	}
}

/* Into the mailboxes; no lock is held. */
static void
post(struct raft_node *node, struct letter *letters, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct raft_node *to = node->peers[letters[i].message.to];

		pthread_mutex_lock(&to->mutex);
		if (to->stop || to->mail_count == MAIL_MAX) {
			letter_free(&letters[i]);
		} else {
			to->mail[(to->mail_begin + to->mail_count++) %
			    MAIL_MAX] = letters[i];
			pthread_cond_signal(&to->mail_came);
		}
		pthread_mutex_unlock(&to->mutex);
	}
}

/* ------------------------------------------------------------------- steps */

static void
persist(struct raft_node *node, const struct raft_update *update)
{
	uint64_t last = update->truncate_from != 0 ?
	    update->truncate_from - 1 : node->last_index;
	uint32_t i;

	for (; node->last_index > last; node->last_index--) {
		free((void *)(uintptr_t)node->log[node->last_index - 1].data);
	}
	node->log = must(reallocarray(node->log,
	    node->last_index + update->entry_count + 1, sizeof(*node->log)));
	for (i = 0; i < update->entry_count; i++) {
		copy_entry(&node->log[node->last_index++],
		    &update->entries[i]);
	}
}

/* The state machine: it remembers all that it was told. */
static void
apply(struct raft_node *node, uint64_t commit_index)
{
	while (node->applied_index < commit_index) {
		const struct raft_entry *e = &node->log[node->applied_index++];
		size_t length = strlen(node->applied);

		if (e->type != RAFT_ENTRY_COMMAND) {
			continue;
		}
		node->applied = must(realloc(node->applied,
		    length + e->size + 2));
		sprintf(node->applied + length, "%s%.*s",
		    length > 0 ? " " : "", (int)e->size,
		    (const char *)e->data);
	}
}

static void
step(struct raft_node *node, struct raft_event *event)
{
	struct raft_update *update = node->update;
	uint64_t persist_seq, commit_index;
	uint32_t i;

	event->now_ns = now_ns();
	event->random = node->random = node->random * 6364136223846793005u +
	    1442695040888963407u;
	raft_step(node->raft, event, update);
	node->deadline_ns = update->deadline_ns;
	persist_seq = update->persist_seq;
	commit_index = update->commit_index;
	if (persist_seq != 0) {
		persist(node, update);
	}
	for (i = 0; i < update->message_count; i++) {
		write_letter(node, &update->messages[i]);
	}
	if (persist_seq != 0) {
		struct raft_event done = { .type = RAFT_EVENT_PERSISTED };

		done.persisted.seq = persist_seq;
		done.persisted.last_index = node->last_index;
		done.persisted.last_term = node->last_index == 0 ? 0 :
		    node->log[node->last_index - 1].term;
		step(node, &done);
	}
	if (commit_index > node->applied_index) {
		struct raft_event done = { .type = RAFT_EVENT_APPLIED };

		apply(node, commit_index);
		done.applied.index = node->applied_index;
		step(node, &done);
	}
}

/* Steps, lets go of the lock, and posts what came of it. */
static void
step_and_post(struct raft_node *node, struct raft_event *event)
{
	struct letter letters[MAIL_MAX];
	uint32_t count;

	step(node, event);
	count = node->outbox_count;
	memcpy(letters, node->outbox, count * sizeof(*letters));
	node->outbox_count = 0;
	pthread_mutex_unlock(&node->mutex);
	post(node, letters, count);
	pthread_mutex_lock(&node->mutex);
}

void
raft_node_run(struct raft_node *node)
{
	struct raft_event tick = { .type = RAFT_EVENT_TICK };
	struct timespec until;

	pthread_mutex_lock(&node->mutex);
	step_and_post(node, &tick);		/* tells the first deadline */
	while (!node->stop) {
		if (node->mail_count > 0) {
			struct raft_event event = {
				.type = RAFT_EVENT_MESSAGE
			};
			struct letter letter = node->mail[node->mail_begin];

			node->mail_begin = (node->mail_begin + 1) % MAIL_MAX;
			node->mail_count--;
			letter.message.entries = letter.entries;
			event.message = &letter.message;
			step_and_post(node, &event);
			letter_free(&letter);
		} else if (now_ns() >= node->deadline_ns) {
			step_and_post(node, &tick);
		} else {
			until.tv_sec = (time_t)(node->deadline_ns / 1000000000);
			until.tv_nsec = (long)(node->deadline_ns % 1000000000);
			pthread_cond_timedwait(&node->mail_came, &node->mutex,
			    &until);
		}
	}
	pthread_mutex_unlock(&node->mutex);
}

void
raft_node_stop(struct raft_node *node)
{
	pthread_mutex_lock(&node->mutex);
	node->stop = true;
	pthread_cond_signal(&node->mail_came);
	pthread_mutex_unlock(&node->mutex);
}

/* ----------------------------------------------------------------- by hand */

static struct raft_node_reply
call(struct raft_node *node, struct raft_message *message)
{
	struct raft_event event = { .type = RAFT_EVENT_MESSAGE };
	struct raft_node_reply reply = { 0 };
	uint32_t i;

	message->to = node->id;
	message->cluster_id = CLUSTER_ID;
	message->from_run = RUN;
	message->from_store = message->from;
	event.message = message;
	pthread_mutex_lock(&node->mutex);
	step(node, &event);
	reply.term = raft_term(node->raft);
	for (i = 0; i < node->outbox_count; i++) {
		struct raft_message *m = &node->outbox[i].message;

		if (m->type == (enum raft_message_type)(message->type + 1)) {
			reply.success = !m->reject;
		}
		letter_free(&node->outbox[i]);
	}
	node->outbox_count = 0;
	pthread_mutex_unlock(&node->mutex);
	return reply;
}

struct raft_node_reply
raft_node_request_vote(struct raft_node *node, uint64_t term,
    uint32_t candidate_id, uint64_t last_log_index, uint64_t last_log_term)
{
	struct raft_message message = {
		.type = RAFT_VOTE, .from = candidate_id, .term = term,
		.index = last_log_index, .log_term = last_log_term,
	};

	return call(node, &message);
}

struct raft_node_reply
raft_node_append_entries(struct raft_node *node, uint64_t term,
    uint32_t leader_id, uint64_t prev_log_index, uint64_t prev_log_term,
    struct raft_entry *entries, uint32_t count, uint64_t leader_commit)
{
	struct raft_message message = {
		.type = RAFT_APPEND, .from = leader_id, .term = term,
		.index = prev_log_index, .log_term = prev_log_term,
		.commit = leader_commit, .entry_first = prev_log_index + 1,
		.entry_count = count, .entries = entries,
	};
	uint32_t i;

	for (i = 0; i < count; i++) {
		entries[i].index = prev_log_index + 1 + i;
		entries[i].checksum = raft_entry_checksum(entries[i].type,
		    entries[i].data, entries[i].size);
	}
	return call(node, &message);
}

bool
raft_node_propose(struct raft_node *node, const char *text)
{
	struct raft_entry entry = {
		.type = RAFT_ENTRY_COMMAND, .size = (uint32_t)strlen(text),
		.data = text,
	};
	struct raft_event event = { .type = RAFT_EVENT_PROPOSE };
	uint64_t before;
	bool taken;

	entry.checksum = raft_entry_checksum(entry.type, text, entry.size);
	event.propose.entries = &entry;
	event.propose.count = 1;
	pthread_mutex_lock(&node->mutex);
	before = node->last_index;
	step_and_post(node, &event);
	taken = entry.index > before;		/* the core has set it */
	pthread_mutex_unlock(&node->mutex);
	return taken;
}

/* ------------------------------------------------------------------- looks */

enum raft_role
raft_node_role(struct raft_node *node)
{
	enum raft_role role;

	pthread_mutex_lock(&node->mutex);
	role = node->stop ? RAFT_FOLLOWER : raft_role(node->raft);
	pthread_mutex_unlock(&node->mutex);
	return role;
}

char *
raft_node_applied(struct raft_node *node)
{
	char *text;

	pthread_mutex_lock(&node->mutex);
	text = must(strdup(node->applied));
	pthread_mutex_unlock(&node->mutex);
	return text;
}
