/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients: threads, each with two handles of its own, one that finds the
 * leader and one that asks a certain node, now this one and now that one.
 * Each makes one operation after another, with about a millisecond between
 * two, on few keys, so that they meet there.
 *
 * Whose write ends with "maybe" asks for its outcome, more often than not:
 * that settles it, and the history becomes stricter.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/options.h"
#include "lab/torture.h"

#define TIMEOUT_NS	(2 * CLOCK_NS_PER_S)
#define NODE_TIMEOUT_NS	(400 * CLOCK_NS_PER_MS)
#define THINK_NS	(2 * CLOCK_NS_PER_MS)
#define LOOK_NS		(10 * CLOCK_NS_PER_MS)
#define NODE_TURNS	64		/* then it asks another node */

struct clients;

struct client {
	struct clients *all;
	uint32_t number;
	pthread_t thread;
	struct prng prng;
	struct raftsup *leader, *node;
	uint32_t node_id;
	uint32_t turns;			/* until another node is asked */
	struct history_epoch *epoch;
	_Atomic bool answered;		/* by who leads, since it was asked */
	int64_t seen[HISTORY_REGISTERS];	/* values read last */
	uint64_t seen_epoch;
	char value[HISTORY_VALUE_SIZE], expected[HISTORY_VALUE_SIZE];
};

struct clients {
	struct lab *lab;
	struct torture *torture;
	struct history *history;
	struct gaps *gaps;
	_Atomic bool end;
	_Atomic uint32_t nodes;
	_Atomic int64_t next_value;
	struct client client[TORTURE_CLIENTS_MAX];
};

static void	*work(void *);
static bool	choose_node(struct client *);
static enum history_outcome count(struct client *, struct history_op *,
		    enum torture_kind, const struct raftsup_answer *);
static enum history_outcome settle(struct client *,
		    const struct raftsup_answer *);
static void	get(struct client *);
static void	set(struct client *);
static void	del(struct client *);
static void	cas(struct client *);
static void	swap_by_txn(struct client *);
static void	incr(struct client *);
static void	get_counter(struct client *);
static void	append(struct client *);
static void	get_words(struct client *);
static void	transfer(struct client *);
static void	balance(struct client *);

static const struct {
	void (*run)(struct client *);
	uint32_t weight;
} mix[] = {
	{ get, 30 }, { set, 20 }, { del, 3 }, { cas, 10 }, { swap_by_txn, 6 },
	{ incr, 10 }, { get_counter, 4 }, { append, 7 }, { get_words, 3 },
	{ transfer, 4 }, { balance, 3 },
};

struct clients *
clients_begin(struct lab *lab, struct torture *torture,
    struct history *history, struct gaps *gaps)
{
	struct clients *all = calloc(1, sizeof(*all));
	struct client *client;
	uint32_t i;

	if (all == NULL) {
		lab_fail(lab, "no memory");
	}
	all->lab = lab;
	all->torture = torture;
	all->history = history;
	all->gaps = gaps;
	all->next_value = 1;
	all->nodes = lab_all(lab);
	gaps_forget(gaps);
	for (i = 0; i < torture->clients; i++) {
		client = &all->client[i];
		client->all = all;
		client->number = i;
		prng_init(&client->prng, torture->seed * 1000 + i);
		client->leader = lab_client(lab, 0, TIMEOUT_NS);
		if (pthread_create(&client->thread, NULL, work, client) !=
		    0) {
			lab_fail(lab, "no thread");
		}
	}
	return all;
}

void
clients_nodes(struct clients *all, uint32_t ids)
{
	all->nodes = ids;
}

/* Whom nobody answers any more would not be missed otherwise. */
void
clients_await(struct clients *all)
{
	uint64_t end_ns = clock_now_ns() + all->lab->limit_ns;
	struct timespec pause = clock_timespec(LOOK_NS);
	uint32_t i;

	for (i = 0; i < all->torture->clients; i++) {
		all->client[i].answered = false;
	}
	for (i = 0; i < all->torture->clients;) {
		if (all->client[i].answered) {
			i++;
		} else if (clock_now_ns() > end_ns) {
			lab_fail(all->lab, "client %u is not answered any "
			    "more", i);
		} else {
			nanosleep(&pause, NULL);
		}
	}
}

void
clients_end(struct clients *all)
{
	uint32_t i;

	/* A gap that lasts to the end is one. */
	gaps_acknowledged(all->gaps);
	all->end = true;
	for (i = 0; i < all->torture->clients; i++) {
		pthread_join(all->client[i].thread, NULL);
	}
	free(all);
}

static void *
work(void *arg)
{
	struct client *client = arg;
	struct clients *all = client->all;
	struct timespec think;
	uint32_t sum = 0, choice;
	size_t i;

	for (i = 0; i < COUNT_OF(mix); i++) {
		sum += mix[i].weight;
	}
	while (!all->end) {
		choice = (uint32_t)prng_below(&client->prng, sum);
		for (i = 0; choice >= mix[i].weight; i++) {
			choice -= mix[i].weight;
		}
		client->epoch = history_enter(all->history);
		mix[i].run(client);
		history_leave(all->history, client->epoch);
		think = clock_timespec(prng_below(&client->prng, THINK_NS));
		nanosleep(&think, NULL);
	}
	raftsup_close(client->leader);
	if (client->node != NULL) {
		raftsup_close(client->node);
	}
	return NULL;
}

/* A node to ask, and a handle that asks it; false: none now. */
static bool
choose_node(struct client *client)
{
	struct raftsup_options options = { .dir = client->all->lab->dir,
		.timeout_ns = NODE_TIMEOUT_NS };
	uint32_t ids = client->all->nodes, id;

	if (client->node != NULL && client->turns > 0) {
		client->turns--;
		return true;
	}
	if (client->node != NULL) {
		raftsup_close(client->node);
		client->node = NULL;
	}
	do {
		id = (uint32_t)prng_range(&client->prng, 1, OPTIONS_ID_MAX);
	} while ((ids & OPTIONS_ID_BIT(id)) == 0);
	options.node = id;
	/* The cluster may be dead as a whole. */
	if (raftsup_open(&client->node, &options) != RAFTSUP_OK) {
		client->node = NULL;
		return false;
	}
	client->node_id = id;
	client->turns = NODE_TURNS;
	return true;
}

/* --------------------------------------------------------- what comes back */

static bool
is_answer(int code)
{
	return code == RAFTSUP_OK || code == RAFTSUP_NOT_FOUND ||
	    code == RAFTSUP_NOT_EQUAL;
}

/* Whether it was done, as far as its client can know. */
static enum history_outcome
count(struct client *client, struct history_op *op, enum torture_kind kind,
    const struct raftsup_answer *answer)
{
	struct torture_report *report = client->all->torture->report;
	bool is_read = kind == TORTURE_READ || kind == TORTURE_NODE_READ;

	if (is_answer(answer->code)) {
		report->done[kind]++;
		if (kind != TORTURE_NODE_READ) {
			client->answered = true;
		}
		if (!is_read) {
			gaps_acknowledged(client->all->gaps);
		}
		return HISTORY_DONE;
	}
	if (is_read || answer->code == RAFTSUP_NOT_APPLIED) {
		report->refused++;
		return HISTORY_NOT_DONE;
	}
	if (answer->code != RAFTSUP_MAYBE) {
		lab_fail(client->all->lab, "%s: %s (%d)", op->name,
		    answer->text == NULL ? "?" : answer->text, answer->code);
	}
	report->unknown++;
	return HISTORY_UNKNOWN;
}

/* For writes of which it is enough to know that they were done. */
static enum history_outcome
settle(struct client *client, const struct raftsup_answer *answer)
{
	struct raftsup_request request = { .operation = RAFTSUP_OUTCOME,
		.session = answer->session, .sequence = answer->sequence };
	struct raftsup_answer outcome;

	if (prng_below(&client->prng, 4) == 0 ||
	    raftsup_call(client->leader, &request, &outcome) != RAFTSUP_OK) {
		return HISTORY_UNKNOWN;
	}
	client->all->torture->report->settled++;
	return outcome.applied ? HISTORY_DONE : HISTORY_NOT_DONE;
}

static struct history_op
begin(struct client *client, const char *name, enum history_key kind,
    uint32_t number, char key[HISTORY_KEY_SIZE])
{
	struct history_op op = { .client = client->number, .name = name,
		.key_kind = kind, .key = number, .arg = HISTORY_ABSENT,
		.arg2 = HISTORY_ABSENT };

	history_name(client->epoch, kind, number, key);
	return op;
}

static uint32_t
below(struct client *client, uint32_t bound)
{
	return (uint32_t)prng_below(&client->prng, bound);
}

/* ------------------------------------------------------------------- reads */

/*
 * Of the leader, or of some node: by its lease, which only a leader can, or
 * by an index that it asks the leader for.
 */
static bool
read_key(struct client *client, struct history_op *op, enum history_call call,
    const char *key, struct raftsup_answer *answer)
{
	bool of_node = below(client, 5) < 2 && choose_node(client);
	struct raftsup_request request = { .operation = RAFTSUP_GET,
		.key = key, .key_size = strlen(key) };

	if (of_node ? below(client, 4) != 0 : below(client, 8) == 0) {
		request.consistency = RAFTSUP_READ_INDEX;
	}
	op->node = of_node ? client->node_id : 0;
	history_call(client->all->history, client->epoch, call, op);
	(void)raftsup_call(of_node ? client->node : client->leader, &request,
	    answer);
	return count(client, op, of_node ? TORTURE_NODE_READ : TORTURE_READ,
	    answer) == HISTORY_DONE;
}

static void
get(struct client *client)
{
	uint32_t i = below(client, HISTORY_REGISTERS);
	char key[HISTORY_KEY_SIZE];
	struct history_op op = begin(client, "get", HISTORY_REGISTER, i, key);
	struct raftsup_answer answer;
	int64_t number = HISTORY_ABSENT;
	bool done = read_key(client, &op, HISTORY_READ, key, &answer);

	if (done && answer.code == RAFTSUP_OK) {
		if (!history_number(answer.value, answer.value_size,
		    &number)) {
			lab_fail(client->all->lab, "%s holds %zu bytes that "
			    "nobody wrote", key, answer.value_size);
		}
		client->seen[i] = number;
	}
	history_return(client->all->history, &op, done ? HISTORY_DONE :
	    HISTORY_NOT_DONE, number, 0);
}

static void
get_counter(struct client *client)
{
	char key[HISTORY_KEY_SIZE];
	struct history_op op = begin(client, "get", HISTORY_COUNTER,
	    below(client, HISTORY_COUNTERS), key);
	struct raftsup_answer answer;
	bool done = read_key(client, &op, HISTORY_READ, key, &answer);

	history_return(client->all->history, &op, done ? HISTORY_DONE :
	    HISTORY_NOT_DONE, done && answer.code == RAFTSUP_OK ?
	    history_integer(answer.value, answer.value_size) : HISTORY_ABSENT,
	    0);
}

static void
get_words(struct client *client)
{
	char key[HISTORY_KEY_SIZE];
	struct history_op op = begin(client, "get", HISTORY_WORD,
	    below(client, HISTORY_WORDS), key);
	struct raftsup_answer answer;
	bool done = read_key(client, &op, HISTORY_WORDS_READ, key, &answer);
	bool there = done && answer.code == RAFTSUP_OK;

	history_return(client->all->history, &op, done ? HISTORY_DONE :
	    HISTORY_NOT_DONE, there ? (int64_t)answer.value_size : 0,
	    there ? crc32c(0, answer.value, answer.value_size) : 0);
}

/* ------------------------------------------------------------------ writes */

/* Sends it, and settles it perhaps. */
static enum history_outcome
write_key(struct client *client, struct history_op *op,
    enum history_call call, enum torture_kind kind, const char *key,
    struct raftsup_request *request, struct raftsup_answer *answer)
{
	enum history_outcome outcome;

	request->key = key;
	request->key_size = strlen(key);
	history_call(client->all->history, client->epoch, call, op);
	(void)raftsup_call(client->leader, request, answer);
	outcome = count(client, op, kind, answer);
	if (outcome == HISTORY_UNKNOWN && (kind == TORTURE_SET ||
	    kind == TORTURE_DEL || kind == TORTURE_APPEND)) {
		outcome = settle(client, answer);
	}
	return outcome;
}

static void
set(struct client *client)
{
	char key[HISTORY_KEY_SIZE];
	struct history_op op = begin(client, "set", HISTORY_REGISTER,
	    below(client, HISTORY_REGISTERS), key);
	struct raftsup_request request = { .operation = RAFTSUP_SET,
		.value = client->value };
	struct raftsup_answer answer;

	op.arg = client->all->next_value++;
	request.value_size = history_value(op.arg, client->value);
	history_return(client->all->history, &op, write_key(client, &op,
	    HISTORY_WRITE, TORTURE_SET, key, &request, &answer), 0, 0);
}

static void
del(struct client *client)
{
	char key[HISTORY_KEY_SIZE];
	struct history_op op = begin(client, "del", HISTORY_REGISTER,
	    below(client, HISTORY_REGISTERS), key);
	struct raftsup_request request = { .operation = RAFTSUP_DEL };
	struct raftsup_answer answer;

	history_return(client->all->history, &op, write_key(client, &op,
	    HISTORY_WRITE, TORTURE_DEL, key, &request, &answer), 0, 0);
}

/* Of a value that was there not long ago: 0, there is none. */
static int64_t
expected_value(struct client *client, uint32_t key)
{
	int64_t last = client->all->next_value;

	if (client->seen[key] != 0 && below(client, 8) != 0) {
		return client->seen[key];
	}
	return last > 8 ? last - 1 - below(client, 8) : 0;
}

/* One value of a register in another's place, if that is there. */
struct swap {
	uint32_t i;
	char key[HISTORY_KEY_SIZE];
	struct history_op op;
	size_t expected_size, value_size;	/* of the client's texts */
};

/* False: there is nothing to expect. */
static bool
begin_swap(struct client *client, const char *name, struct swap *swap)
{
	swap->i = below(client, HISTORY_REGISTERS);
	swap->op = begin(client, name, HISTORY_REGISTER, swap->i, swap->key);
	swap->op.arg = expected_value(client, swap->i);
	if (swap->op.arg == 0) {
		return false;
	}
	swap->op.arg2 = client->all->next_value++;
	swap->value_size = history_value(swap->op.arg2, client->value);
	swap->expected_size = history_value(swap->op.arg, client->expected);
	return true;
}

static void
cas(struct client *client)
{
	struct raftsup_request request = { .operation = RAFTSUP_CAS,
		.value = client->value, .expected = client->expected };
	struct raftsup_answer answer;
	enum history_outcome outcome;
	struct swap swap;

	if (!begin_swap(client, "cas", &swap)) {
		return;
	}
	request.value_size = swap.value_size;
	request.expected_size = swap.expected_size;
	outcome = write_key(client, &swap.op, HISTORY_CAS, TORTURE_CAS,
	    swap.key, &request, &answer);
	if (outcome == HISTORY_DONE && answer.code == RAFTSUP_OK) {
		client->seen[swap.i] = swap.op.arg2;
	}
	history_return(client->all->history, &swap.op, outcome,
	    answer.code == RAFTSUP_OK, 0);
}

/* The same by a transaction. */
static void
swap_by_txn(struct client *client)
{
	struct raftsup_compare compare = { .kind = RAFTSUP_EQUAL,
		.value = client->expected };
	struct raftsup_request then = { .operation = RAFTSUP_SET,
		.value = client->value };
	struct raftsup_request request = { .operation = RAFTSUP_TXN,
		.compares = &compare, .compare_count = 1, .then = &then,
		.then_count = 1 };
	struct raftsup_answer answer;
	enum history_outcome outcome;
	struct swap swap;

	if (!begin_swap(client, "txn", &swap)) {
		return;
	}
	compare.key = then.key = swap.key;
	compare.key_size = then.key_size = strlen(swap.key);
	compare.value_size = swap.expected_size;
	then.value_size = swap.value_size;
	history_call(client->all->history, client->epoch, HISTORY_CAS,
	    &swap.op);
	(void)raftsup_call(client->leader, &request, &answer);
	outcome = count(client, &swap.op, TORTURE_TXN, &answer);
	history_return(client->all->history, &swap.op, outcome, answer.then,
	    0);
}

static void
incr(struct client *client)
{
	char key[HISTORY_KEY_SIZE];
	struct history_op op = begin(client, "incr", HISTORY_COUNTER,
	    below(client, HISTORY_COUNTERS), key);
	struct raftsup_request request = { .operation = RAFTSUP_INCR,
		.number = 1 };
	struct raftsup_answer answer;
	enum history_outcome outcome;

	op.arg = 1;
	outcome = write_key(client, &op, HISTORY_ADD, TORTURE_INCR, key,
	    &request, &answer);
	history_return(client->all->history, &op, outcome, answer.number, 0);
}

static void
append(struct client *client)
{
	char key[HISTORY_KEY_SIZE], text[32];
	struct history_op op = begin(client, "append", HISTORY_WORD,
	    below(client, HISTORY_WORDS), key);
	struct raftsup_request request = { .operation = RAFTSUP_APPEND,
		.value = text };
	struct raftsup_answer answer;
	enum history_outcome outcome;

	op.arg = client->all->next_value++;
	request.value_size = (size_t)snprintf(text, sizeof(text), "%" PRId64
	    ",", op.arg);
	outcome = write_key(client, &op, HISTORY_APPEND, TORTURE_APPEND, key,
	    &request, &answer);
	history_return(client->all->history, &op, outcome,
	    answer.code == RAFTSUP_OK ? answer.number : HISTORY_ABSENT, 0);
}

/* ------------------------------------------------------------ transactions */

/* From one account to another, at once: the sum is always zero. */
static void
transfer(struct client *client)
{
	uint32_t from = below(client, HISTORY_ACCOUNTS);
	uint32_t to = (from + 1 + below(client, HISTORY_ACCOUNTS - 1)) %
	    HISTORY_ACCOUNTS;
	struct raftsup_request then[2] = {
		{ .operation = RAFTSUP_INCR }, { .operation = RAFTSUP_INCR } };
	struct raftsup_request request = { .operation = RAFTSUP_TXN,
		.then = then, .then_count = 2 };
	char keys[2][HISTORY_KEY_SIZE];
	struct history_op ops[2] = {
		begin(client, "txn incr", HISTORY_ACCOUNT, from, keys[0]),
		begin(client, "txn incr", HISTORY_ACCOUNT, to, keys[1]) };
	struct raftsup_answer answer, results[2];
	enum history_outcome outcome;
	size_t i, at = 0;

	ops[1].arg = 1 + below(client, 9);
	ops[0].arg = -ops[1].arg;
	for (i = 0; i < 2; i++) {
		then[i].key = keys[i];
		then[i].key_size = strlen(keys[i]);
		then[i].number = ops[i].arg;
		history_call(client->all->history, client->epoch, HISTORY_ADD,
		    &ops[i]);
	}
	(void)raftsup_call(client->leader, &request, &answer);
	outcome = count(client, &ops[0], TORTURE_TXN, &answer);
	memset(results, 0, sizeof(results));
	for (i = 0; i < 2; i++) {
		if (outcome == HISTORY_DONE && (!raftsup_answer_result(
		    &answer, &at, &results[i]) ||
		    results[i].code != RAFTSUP_OK)) {
			lab_fail(client->all->lab, "%s: a transaction did "
			    "not increment it", keys[i]);
		}
		history_return(client->all->history, &ops[i], outcome,
		    results[i].number, 0);
	}
}

static void
balance(struct client *client)
{
	struct raftsup_request then[HISTORY_ACCOUNTS] = { 0 };
	struct raftsup_request request = { .operation = RAFTSUP_TXN,
		.then = then, .then_count = HISTORY_ACCOUNTS };
	char keys[HISTORY_ACCOUNTS][HISTORY_KEY_SIZE];
	struct history_op ops[HISTORY_ACCOUNTS];
	struct raftsup_answer answer, result;
	enum history_outcome outcome;
	int64_t number, sum = 0;
	size_t at = 0;
	uint32_t i;

	for (i = 0; i < HISTORY_ACCOUNTS; i++) {
		ops[i] = begin(client, "txn get", HISTORY_ACCOUNT, i, keys[i]);
		then[i].operation = RAFTSUP_GET;
		then[i].key = keys[i];
		then[i].key_size = strlen(keys[i]);
		history_call(client->all->history, client->epoch,
		    HISTORY_READ, &ops[i]);
	}
	(void)raftsup_call(client->leader, &request, &answer);
	outcome = count(client, &ops[0], TORTURE_TXN, &answer);
	for (i = 0; i < HISTORY_ACCOUNTS; i++) {
		number = HISTORY_ABSENT;
		if (outcome == HISTORY_DONE && raftsup_answer_result(&answer,
		    &at, &result) && result.code == RAFTSUP_OK) {
			number = history_integer(result.value,
			    result.value_size);
			sum += number;
		}
		history_return(client->all->history, &ops[i], outcome ==
		    HISTORY_DONE ? HISTORY_DONE : HISTORY_NOT_DONE, number,
		    0);
	}
	if (outcome == HISTORY_DONE) {
		client->all->torture->report->balances++;
	}
	if (sum != 0) {
		lab_fail(client->all->lab, "the accounts of %s had %" PRId64
		    " in sum, and nothing was ever paid in: a transaction "
		    "was seen in parts", keys[0], sum);
	}
}
