/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An atomic register under clients that come and go, and the naive checker;
 * see register.h. Shares no code with src/lin, the rules of the operations
 * included.
 */
#include <assert.h>
#include <string.h>

#include "tests/lin/register.h"

#define CLIENTS_MAX 16
#define KEYS_MAX    16
#define GHOSTS_MAX  8

/* The operation of a client, or one that no client waits for any more. */
struct flight {
	struct lin_op *op; /* NULL: idle */
	bool is_done;
};

struct world {
	struct prng *prng;
	const struct register_plan *plan;
	uint64_t event;
	int64_t fresh; /* the last value written, when each has its own */
	int64_t states[KEYS_MAX];
	struct flight clients[CLIENTS_MAX];
	struct flight ghosts[GHOSTS_MAX];
};

struct judge {
	const struct lin_op *ops;
	size_t count;
	int best;
	uint32_t stuck;
};

static void start(struct world *, uint32_t, struct lin_op *);
static void finish(struct world *, struct flight *);
static void take_effect(struct world *, struct flight *);
static int64_t any_value(struct world *);
static bool judge_rest(struct judge *, uint32_t, int64_t, int);
static bool is_certain(const struct lin_op *);

void
register_run(struct prng *prng, const struct register_plan *plan,
    struct lin_op *ops)
{
	struct world w = { .prng = prng, .plan = plan };
	struct flight *flight;
	size_t started = 0, i, busy;

	assert(plan->clients <= CLIENTS_MAX && plan->keys <= KEYS_MAX);
	for (i = 0; i < KEYS_MAX; i++) {
		w.states[i] = LIN_ABSENT;
	}
	do {
		i = prng_below(prng, plan->clients);
		flight = &w.clients[i];
		if (flight->op == NULL) {
			if (started < plan->count) {
				start(&w, (uint32_t)i, &ops[started++]);
			}
		} else if (!flight->is_done && prng_below(prng, 2) == 0) {
			take_effect(&w, flight);
		} else {
			finish(&w, flight);
		}
		if (prng_below(prng, 4) == 0) {
			flight = &w.ghosts[prng_below(prng, GHOSTS_MAX)];
			take_effect(&w, flight);
			flight->op = NULL;
		}
		for (busy = 0, i = 0; i < plan->clients; i++) {
			busy += w.clients[i].op != NULL;
		}
	} while (started < plan->count || busy > 0);
}

static void
start(struct world *w, uint32_t client, struct lin_op *op)
{
	int64_t value = any_value(w);

	*op = (struct lin_op){
		.call = w->event++,
		.ret = LIN_NO_REPLY,
		.client = client + 1,
		.key = prng_below(w->prng, w->plan->keys),
	};
	do {
		op->kind = (enum lin_kind)prng_range(w->prng, LIN_READ,
		    LIN_ADD);
	} while ((w->plan->kinds & 1u << op->kind) == 0);
	if (op->kind == LIN_WRITE) {
		op->arg = value;
	} else if (op->kind == LIN_CAS) {
		op->arg = w->plan->values > 0 ? any_value(w) :
		    w->states[op->key];
		op->arg2 = value;
	} else if (op->kind == LIN_ADD) {
		op->arg = 1;
	}
	w->clients[client] = (struct flight){ .op = op };
}

/* An answer, or the client goes away and its operation may become a ghost. */
static void
finish(struct world *w, struct flight *flight)
{
	struct lin_op *op = flight->op;
	struct flight *ghost = &w->ghosts[prng_below(w->prng, GHOSTS_MAX)];

	if (prng_chance(w->prng, w->plan->maybe)) {
		if (prng_below(w->prng, 2) == 0) {
			op->ret = w->event++;
		}
		if (!flight->is_done) {
			*ghost = *flight;
		}
	} else {
		take_effect(w, flight);
		op->ret = w->event++;
		op->known = true;
	}
	flight->op = NULL;
}

static void
take_effect(struct world *w, struct flight *flight)
{
	struct lin_op *op = flight->op, trial;
	int64_t *state;

	if (op == NULL || flight->is_done) {
		return;
	}
	state = &w->states[op->key];
	trial = *op;
	trial.known = false;
	op->result = op->kind == LIN_CAS ? *state == op->arg : 0;
	(void)register_apply(&trial, state);
	if (op->kind == LIN_READ || op->kind == LIN_ADD) {
		op->result = *state;
	}
	flight->is_done = true;
}

static int64_t
any_value(struct world *w)
{
	if (w->plan->values == 0) {
		return ++w->fresh;
	}
	return (int64_t)prng_below(w->prng, w->plan->values);
}

bool
register_apply(const struct lin_op *op, int64_t *state)
{
	int64_t was = *state;

	if (op->kind == LIN_WRITE) {
		*state = op->arg;
		return true;
	}
	if (op->kind == LIN_READ) {
		return !is_certain(op) || was == op->result;
	}
	if (op->kind == LIN_CAS) {
		if (was == op->arg) {
			*state = op->arg2;
			return !is_certain(op) || op->result == 1;
		}
		return !is_certain(op) || op->result == 0;
	}
	/* Sums are small here. */
	*state = (was == LIN_ABSENT ? 0 : was) + op->arg;
	return !is_certain(op) || *state == op->result;
}

bool
register_judge(const struct lin_op *ops, size_t count, uint32_t *stuck)
{
	struct judge j = { .ops = ops, .count = count, .best = -1 };

	assert(count <= REGISTER_JUDGE_MAX);
	if (judge_rest(&j, 0, LIN_ABSENT, 0)) {
		return true;
	}
	*stuck = j.stuck;
	return false;
}

/* Is there an order of what is not in `done`? done_count: certain ones. */
static bool
judge_rest(struct judge *j, uint32_t done, int64_t state, int done_count)
{
	size_t i, first = j->count;
	int64_t next;

	/* The next answer: what is called after it cannot be before it. */
	for (i = 0; i < j->count; i++) {
		if ((done >> i & 1) == 0 && is_certain(&j->ops[i]) &&
		    (first == j->count || j->ops[i].ret < j->ops[first].ret)) {
			first = i;
		}
	}
	if (first == j->count) {
		return true;
	}
	if (done_count > j->best) {
		j->best = done_count;
		j->stuck = 0;
	}
	if (done_count == j->best) {
		j->stuck |= 1u << first;
	}
	for (i = 0; i < j->count; i++) {
		next = state;
		if ((done >> i & 1) == 0 &&
		    j->ops[i].call < j->ops[first].ret &&
		    register_apply(&j->ops[i], &next) &&
		    judge_rest(j, done | 1u << i, next,
			done_count + is_certain(&j->ops[i]))) {
			return true;
		}
	}
	return false;
}

static bool
is_certain(const struct lin_op *op)
{
	return op->known && op->ret != LIN_NO_REPLY;
}
