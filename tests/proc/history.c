/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See history.h.  One counter numbers all events: a call takes its number
 * before it is made and the answer's after it has come, so that order by
 * number is never stricter than order in time.
 */
#include "tests/proc/history.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prng.h"
#include "client/raftsup.h"
#include "lin/lin.h"

#define CLIENTS_MAX	32
#define KEYS		8	/* at a time; every fourth is a counter */
#define OPS_OF_KEYS	2000	/* writes before there are new ones */
#define READS_OF_NODE	50	/* before a follower goes to another */
#define NODES_MAX	8
#define STEPS_MAX	400000000ull

enum kind { WRITER, FOLLOWER, PINNED };

struct recorder {
	struct history *history;
	enum kind kind;
	uint32_t number;
	struct prng prng;
	struct raftsup *handle;
	int node;		/* whom the handle asks; 0: the leader */
	int64_t seen[KEYS];	/* what a cas may expect; 0: nothing */
	struct lin_op *ops;
	size_t count, capacity;
	struct history_counts counts;
	pthread_t thread;
};

struct history {
	struct history_options options;
	struct recorder clients[CLIENTS_MAX];
	int count;
	_Atomic uint64_t events;	/* of the history */
	_Atomic uint64_t writes;
	_Atomic int64_t value;		/* the last one written */
	_Atomic int pinned;
	_Atomic bool alone, stop;
	_Atomic uint64_t done, refused, unknown, reads_follower, reads_pinned;
	_Atomic uint64_t pinned_refused, reads_alone;
};

static void	*client_run(void *);
static bool	open_handle(struct recorder *, int node, uint64_t timeout_ns);
static void	write_one(struct recorder *);
static bool	read_one(struct recorder *, uint64_t key,
		    enum raftsup_consistency);
static void	ask(struct recorder *, struct raftsup_request *,
		    struct lin_op *);
static void	keep(struct recorder *, const struct lin_op *);
static void	judge(const struct history *, const struct recorder *last);

struct history *
history_start(const struct history_options *options)
{
	struct history *history = calloc(1, sizeof(*history));
	int i;

	if (history == NULL) {
		die("no memory");
	}
	history->options = *options;
	history->count = options->writers + options->followers +
	    options->pinned;
	if (history->count > CLIENTS_MAX) {
		die("history: too many clients");
	}
	for (i = 0; i < history->count; i++) {
		struct recorder *client = &history->clients[i];

		client->history = history;
		client->number = (uint32_t)i;
		client->kind = i < options->writers ? WRITER :
		    i < options->writers + options->followers ? FOLLOWER :
		    PINNED;
		prng_init(&client->prng, options->seed * 1000 + (uint64_t)i);
		if (pthread_create(&client->thread, NULL, client_run,
		    client) != 0) {
			die("cannot start a thread");
		}
	}
	return history;
}

void
history_pin(struct history *history, int node)
{
	atomic_store(&history->pinned, node);
}

void
history_alone(struct history *history, bool alone)
{
	atomic_store(&history->alone, alone);
}

void
history_counts(const struct history *history, struct history_counts *counts)
{
	*counts = (struct history_counts){
		.done = atomic_load(&history->done),
		.refused = atomic_load(&history->refused),
		.unknown = atomic_load(&history->unknown),
		.reads_follower = atomic_load(&history->reads_follower),
		.reads_pinned = atomic_load(&history->reads_pinned),
		.pinned_refused = atomic_load(&history->pinned_refused),
		.reads_alone = atomic_load(&history->reads_alone),
		.keys = (atomic_load(&history->writes) / OPS_OF_KEYS + 1) *
		    KEYS,
	};
}

void
history_finish(struct history *history, struct history_counts *counts)
{
	struct recorder last = { .history = history, .kind = WRITER,
		.number = CLIENTS_MAX };
	uint64_t key;
	int i;

	atomic_store(&history->stop, true);
	for (i = 0; i < history->count; i++) {
		pthread_join(history->clients[i].thread, NULL);
	}
	history_counts(history, counts);
	if (!open_handle(&last, 0, 30000000000ull)) {
		die("history: %s", raftsup_open_error());
	}
	for (key = 0; key < counts->keys; key++) {
		if (!read_one(&last, key, RAFTSUP_LINEARIZABLE)) {
			die("history: the last read of key %" PRIu64 ": %s",
			    key, raftsup_error(last.handle));
		}
	}
	raftsup_close(last.handle);
	judge(history, &last);
	for (i = 0; i < history->count; i++) {
		free(history->clients[i].ops);
	}
	free(last.ops);
	free(history);
}

static void *
client_run(void *arg)
{
	struct recorder *client = arg;
	struct history *history = client->history;
	uint64_t keys = 0, n;
	int want;

	for (n = 0; !atomic_load(&history->stop); n++) {
		want = client->kind == PINNED ? atomic_load(&history->pinned) :
		    client->kind == FOLLOWER && n % READS_OF_NODE == 0 ?
		    1 + (int)prng_below(&client->prng, NODES_MAX) :
		    client->node;
		if (client->kind == PINNED && want == 0) {
			usleep(1000);
			continue;
		}
		if ((client->handle == NULL || want != client->node) &&
		    !open_handle(client, want, client->kind == WRITER ?
		    history->options.timeout_ns :
		    history->options.read_timeout_ns)) {
			usleep(1000);	/* there is no such node */
			n = READS_OF_NODE - 1;
			continue;
		}
		if (client->kind == WRITER) {
			write_one(client);
		} else {
			keys = atomic_load(&history->writes) / OPS_OF_KEYS;
			if (!read_one(client, keys * KEYS +
			    prng_below(&client->prng, KEYS),
			    client->kind == FOLLOWER || n % 4 == 0 ?
			    RAFTSUP_READ_INDEX : RAFTSUP_LINEARIZABLE)) {
				n = READS_OF_NODE - 1;	/* another node */
			}
		}
		if (history->options.pause_us > 0) {
			usleep(history->options.pause_us);
		}
	}
	if (client->handle != NULL) {
		raftsup_close(client->handle);
	}
	return NULL;
}

static bool
open_handle(struct recorder *client, int node, uint64_t timeout_ns)
{
	struct raftsup_options options = {
		.dir = client->history->options.dir,
		.timeout_ns = timeout_ns,
		.node = (uint32_t)node,
	};

	if (client->handle != NULL) {
		raftsup_close(client->handle);
		client->handle = NULL;
	}
	client->node = node;
	if (raftsup_open(&client->handle, &options) != 0) {
		client->handle = NULL;
		return false;
	}
	return true;
}

static void
write_one(struct recorder *client)
{
	struct history *history = client->history;
	uint64_t n = atomic_fetch_add(&history->writes, 1);
	uint64_t key = prng_below(&client->prng, KEYS);
	struct raftsup_request request = { .key = NULL };
	struct lin_op op = { .client = client->number,
		.key = n / OPS_OF_KEYS * KEYS + key, .known = true };
	int64_t value = atomic_fetch_add(&history->value, 1) + 1;
	uint64_t which = prng_below(&client->prng, 10);
	char text[24], expected[24];

	if (which < 3) {
		(void)read_one(client, op.key, RAFTSUP_LINEARIZABLE);
		return;
	}
	op.arg = value;
	request.value = text;
	request.value_size = (size_t)snprintf(text, sizeof(text), "%" PRId64,
	    value);
	if (key % 4 == 3) {
		op.kind = LIN_ADD;
		op.arg = request.number = 1 + (int64_t)(n % 5);
		request.operation = RAFTSUP_INCR;
	} else if (which < 4) {
		op.kind = LIN_WRITE;
		op.arg = LIN_ABSENT;
		request.operation = RAFTSUP_DEL;
	} else if (which < 6 && client->seen[key] != 0) {
		op.kind = LIN_CAS;
		op.arg = client->seen[key];
		op.arg2 = value;
		request.operation = RAFTSUP_CAS;
		request.expected = expected;
		request.expected_size = (size_t)snprintf(expected,
		    sizeof(expected), "%" PRId64, op.arg);
	} else {
		op.kind = LIN_WRITE;
		request.operation = RAFTSUP_SET;
	}
	ask(client, &request, &op);
}

/* True: it was answered. */
static bool
read_one(struct recorder *client, uint64_t key,
    enum raftsup_consistency consistency)
{
	struct raftsup_request request = { .operation = RAFTSUP_GET,
		.consistency = consistency };
	struct lin_op op = { .client = client->number, .key = key,
		.kind = LIN_READ, .known = true };
	size_t before = client->count;

	ask(client, &request, &op);
	return client->count > before;
}

/* Sends it, and notes what came of it. */
static void
ask(struct recorder *client, struct raftsup_request *request,
    struct lin_op *op)
{
	struct history *history = client->history;
	struct raftsup_answer answer;
	char key[32], number[24];
	bool alone;
	int code;

	alone = client->kind == PINNED && atomic_load(&history->alone) &&
	    request->consistency == RAFTSUP_LINEARIZABLE;
	request->key = key;
	request->key_size = (size_t)snprintf(key, sizeof(key), "h%" PRIu64,
	    op->key);
	op->call = atomic_fetch_add(&history->events, 1);
	code = raftsup_call(client->handle, request, &answer);
	op->ret = atomic_fetch_add(&history->events, 1);
	if (code == RAFTSUP_MAYBE && op->kind != LIN_READ) {
		op->known = false;
		atomic_fetch_add(&history->unknown, 1);
		keep(client, op);
		return;
	}
	if (code == RAFTSUP_NOT_APPLIED || code == RAFTSUP_MAYBE) {
		atomic_fetch_add(&history->refused, client->kind == WRITER);
		atomic_fetch_add(&history->pinned_refused,
		    client->kind == PINNED);
		return;
	}
	if (op->kind == LIN_READ) {
		op->result = LIN_ABSENT;
		if (code == RAFTSUP_OK && answer.value_size < sizeof(number)) {
			memcpy(number, answer.value, answer.value_size);
			number[answer.value_size] = '\0';
			op->result = strtoll(number, NULL, 10);
			client->seen[op->key % KEYS] = op->result;
		} else if (code == RAFTSUP_NOT_FOUND) {
			client->seen[op->key % KEYS] = 0;
		} else {
			die("%s: read: %s", key, answer.text);
		}
		atomic_fetch_add(client->kind == WRITER ? &history->done :
		    client->kind == FOLLOWER ? &history->reads_follower :
		    &history->reads_pinned, 1);
		atomic_fetch_add(&history->reads_alone, alone &&
		    atomic_load(&history->alone));
		keep(client, op);
		return;
	}
	if (op->kind == LIN_CAS) {
		op->result = code == RAFTSUP_OK;
	} else if (op->kind == LIN_ADD) {
		op->result = answer.number;
	}
	if (code != RAFTSUP_OK && !(op->kind == LIN_CAS &&
	    (code == RAFTSUP_NOT_EQUAL || code == RAFTSUP_NOT_FOUND)) &&
	    !(code == RAFTSUP_NOT_FOUND && request->operation ==
	    RAFTSUP_DEL)) {
		die("%s: %s", key, answer.text);
	}
	atomic_fetch_add(&history->done, 1);
	keep(client, op);
}

static void
keep(struct recorder *client, const struct lin_op *op)
{
	if (client->count == client->capacity) {
		client->capacity = 2 * client->capacity + 1024;
		client->ops = realloc(client->ops, client->capacity *
		    sizeof(*client->ops));
		if (client->ops == NULL) {
			die("no memory for the history");
		}
	}
	client->ops[client->count++] = *op;
}

static void
judge(const struct history *history, const struct recorder *last)
{
	enum lin_verdict verdict;
	struct lin_op *ops;
	size_t count = last->count, bad;
	char text[4096];
	int i;

	for (i = 0; i < history->count; i++) {
		count += history->clients[i].count;
	}
	ops = malloc(count * sizeof(*ops));
	if (ops == NULL) {
		die("no memory for the history");
	}
	memcpy(ops, last->ops, last->count * sizeof(*ops));
	count = last->count;
	for (i = 0; i < history->count; i++) {
		const struct recorder *client = &history->clients[i];

		if (client->count > 0) {
			memcpy(&ops[count], client->ops, client->count *
			    sizeof(*ops));
			count += client->count;
		}
	}
	verdict = lin_check(ops, count, STEPS_MAX, &bad);
	if (verdict == LIN_BAD) {
		(void)lin_explain(ops, count, bad, text, sizeof(text));
		die("not linearizable:\n%s", text);
	}
	if (verdict == LIN_UNKNOWN) {
		die("the history of %zu operations could not be judged",
		    count);
	}
	free(ops);
}
