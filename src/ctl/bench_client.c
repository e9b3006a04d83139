/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client of a benchmark.
 *
 * The phases fill and remove are the same loop as the measurement, with
 * other operations: client i of c has the keys i, i + c, i + 2c, ...
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/bench.h"
#include "ctl/dynbuf.h"

/* One wait lasts at most so long: an interrupt is seen after it. */
#define WAIT_NS_MAX        (50 * CLOCK_NS_PER_MS)
#define TIMEOUT_NS_DEFAULT (5 * CLOCK_NS_PER_S)

enum phase {
	PHASE_FILL,
	PHASE_MEASURE,
	PHASE_REMOVE,
};

/* One phase of one client. */
struct run {
	enum phase phase;
	uint64_t next_key; /* fill, remove */
	size_t in_flight;
	/* An operation that was taken and must wait for its time. */
	bool has_pending;
	uint64_t pending_ns;
};

static void run_phase(struct bench_client *, enum phase);
static bool start_operations(struct bench_client *, struct run *);
static void give_back(struct bench_client *, struct run *, uint64_t);
static bool take_operation(
    struct bench_client *, struct run *, struct bench_slot *);
static bool take_key(
    const struct bench_client *, struct run *, struct bench_slot *);
static bool take_measured(
    struct bench_client *, struct run *, struct bench_slot *);
static uint64_t draw(struct bench_client *, uint64_t);
static int submit(struct bench_client *, const struct run *, size_t);
static void note_used(struct bench *, uint64_t);
static void take_answers(struct bench_client *, struct run *);
static void take_answer(
    struct bench_client *, struct run *, const struct raftsup_answer *);
static void count_error(
    struct bench_client *, const struct run *, enum raftsup_code, const char *);
static bool is_good(const struct bench_client *, const struct bench_slot *,
    const struct raftsup_answer *);
static void check_hope(struct bench_client *, uint64_t);
static bool is_stopped(const struct bench_client *, const struct run *);

void *
bench_client_main(void *arg)
{
	struct bench_client *client = arg;
	struct bench *bench = client->bench;
	const struct bench_options *options = bench->options;

	client->slots =
	    dynbuf_calloc(options->pipeline, sizeof(*client->slots));
	client->free_slots =
	    dynbuf_calloc(options->pipeline, sizeof(*client->free_slots));
	client->value = dynbuf_calloc(options->value_size + 1, 1);

	if (options->reads > 0) {
		run_phase(client, PHASE_FILL);
	}
	atomic_fetch_sub(&bench->busy, 1);
	pthread_barrier_wait(&bench->barrier);
	/* The main thread sets the start. */
	pthread_barrier_wait(&bench->barrier);
	client->end_ns = bench->start_ns;
	run_phase(client, PHASE_MEASURE);
	atomic_fetch_sub(&bench->busy, 1);
	pthread_barrier_wait(&bench->barrier);
	/* The main thread reports. */
	pthread_barrier_wait(&bench->barrier);
	if (!options->keep) {
		run_phase(client, PHASE_REMOVE);
	}
	free(client->slots);
	free(client->free_slots);
	free(client->value);
	return NULL;
}

static void
run_phase(struct bench_client *client, enum phase phase)
{
	struct run run = { .phase = phase, .next_key = client->index };
	uint32_t pipeline = client->bench->options->pipeline;
	bool more = true;

	client->success_ns = clock_now_ns();
	memset(client->slots, 0, pipeline * sizeof(*client->slots));
	for (client->free_count = 0; client->free_count < pipeline;
	     client->free_count++) {
		client->free_slots[client->free_count] = client->free_count;
	}
	for (;;) {
		if (more && !is_stopped(client, &run)) {
			more = start_operations(client, &run);
		} else {
			more = false;
		}
		if (run.in_flight == 0 && !more) {
			return;
		}
		take_answers(client, &run);
	}
}

/* Fills the pipeline. False when there is nothing more to do. */
static bool
start_operations(struct bench_client *client, struct run *run)
{
	struct bench_slot *slot;
	uint32_t i, count;
	int code;

	for (count = 0; client->free_count > 0 &&
	     count < client->bench->options->pipeline;
	     count++) {
		if (count % BENCH_CLOCK_OPS == 0) {
			client->now_ns = clock_now_ns();
		}
		i = client->free_slots[client->free_count - 1];
		slot = &client->slots[i];
		if (!take_operation(client, run, slot)) {
			return run->has_pending;
		}
		slot->is_used = true;
		client->free_count--;
		run->in_flight++;
		code = submit(client, run, i);
		if (code != RAFTSUP_OK) {
			give_back(client, run, i);
			count_error(client, run, (enum raftsup_code)code,
			    raftsup_error(client->handle));
			if (is_stopped(client, run)) {
				return false;
			}
		}
	}
	return true;
}

static void
give_back(struct bench_client *client, struct run *run, uint64_t i)
{
	assert(i < client->bench->options->pipeline);
	assert(client->slots[i].is_used);
	client->slots[i].is_used = false;
	client->free_slots[client->free_count++] = (uint32_t)i;
	run->in_flight--;
}

/* What to do next. False: nothing, or (has_pending) not yet. */
static bool
take_operation(
    struct bench_client *client, struct run *run, struct bench_slot *slot)
{
	if (run->phase == PHASE_MEASURE) {
		return take_measured(client, run, slot);
	}
	return take_key(client, run, slot);
}

static bool
take_key(
    const struct bench_client *client, struct run *run, struct bench_slot *slot)
{
	const struct bench *bench = client->bench;
	uint64_t key;

	while (run->next_key < bench->options->keys) {
		key = run->next_key;
		run->next_key += bench->options->clients;
		if (run->phase == PHASE_REMOVE &&
		    (atomic_load_explicit(
			 &bench->used[key / 64], memory_order_relaxed) &
			(uint64_t)1 << key % 64) == 0) {
			continue;
		}
		slot->is_read = false;
		slot->key = key;
		slot->since_ns = client->now_ns;
		return true;
	}
	return false;
}

static bool
take_measured(
    struct bench_client *client, struct run *run, struct bench_slot *slot)
{
	struct bench *bench = client->bench;
	const struct bench_options *options = bench->options;
	uint64_t number = 0, now_ns = client->now_ns;

	if (options->time_ns != 0 &&
	    now_ns - bench->start_ns >= options->time_ns) {
		run->has_pending = false;
		return false;
	}
	if (!run->has_pending) {
		if (options->ops != 0 || options->rate != 0) {
			number = atomic_fetch_add_explicit(
			    &bench->next, 1, memory_order_relaxed);
		}
		if (options->ops != 0 && number >= options->ops) {
			return false;
		}
		run->pending_ns = now_ns;
		if (options->rate != 0) {
			run->pending_ns =
			    bench->start_ns +
			    (uint64_t)((unsigned __int128)number *
				       CLOCK_NS_PER_S / options->rate);
		}
	}
	run->has_pending = run->pending_ns > now_ns;
	if (run->has_pending) {
		return false;
	}
	slot->since_ns = run->pending_ns;
	slot->key = draw(client, options->keys);
	slot->is_read = options->writes == 0 ||
			(options->reads > 0 &&
			    draw(client, options->reads + options->writes) <
				options->reads);
	return true;
}

/* Below bound, without a division; how uneven it is nobody can measure. */
static uint64_t
draw(struct bench_client *client, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)prng_next(&client->prng) * bound >>
			  64);
}

static int
submit(struct bench_client *client, const struct run *run, size_t i)
{
	struct bench *bench = client->bench;
	const struct bench_slot *slot = &client->slots[i];
	struct raftsup_request request = { 0 };
	char name[BENCH_KEY_SIZE];

	request.key_size = bench_key(name, bench->run, slot->key);
	request.key = name;
	/* Or nothing more: then answers are asked for at once. */
	request.more = true;
	if (run->phase == PHASE_REMOVE) {
		request.operation = RAFTSUP_DEL;
	} else if (slot->is_read) {
		request.operation = RAFTSUP_GET;
	} else {
		/* Stamps of different clients differ. */
		client->stamp += bench->options->clients;
		bench_value_make(client->value, bench->options->value_size,
		    slot->key, client->stamp);
		request.operation = RAFTSUP_SET;
		request.value = client->value;
		request.value_size = bench->options->value_size;
		note_used(bench, slot->key);
	}
	return raftsup_submit(client->handle, &request, i);
}

/* Most are used already: a look does not take the line from others. */
static void
note_used(struct bench *bench, uint64_t key)
{
	atomic_uint_fast64_t *word = &bench->used[key / 64];
	uint64_t bit = (uint64_t)1 << key % 64;

	if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0) {
		atomic_fetch_or_explicit(word, bit, memory_order_relaxed);
	}
}

/* Waits for an answer, or for the time of the next operation. */
static void
take_answers(struct bench_client *client, struct run *run)
{
	uint64_t wait_ns = WAIT_NS_MAX, now_ns;
	struct raftsup_answer answer;
	struct timespec pause;
	uint32_t count = 0;
	int code;

	if (run->has_pending) {
		now_ns = clock_now_ns();
		wait_ns =
		    run->pending_ns > now_ns ? run->pending_ns - now_ns : 0;
		wait_ns = wait_ns < WAIT_NS_MAX ? wait_ns : WAIT_NS_MAX;
	}
	if (run->in_flight == 0) {
		pause = clock_timespec(wait_ns);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		return;
	}
	while (run->in_flight > 0) {
		code = raftsup_poll(client->handle, wait_ns, &answer);
		if (code == RAFTSUP_NOT_FOUND) {
			break;
		}
		if (count++ % BENCH_CLOCK_OPS == 0) {
			client->now_ns = clock_now_ns();
		}
		if (code != RAFTSUP_OK) {
			/* The handle is of no use any more. */
			for (; run->in_flight > 0; run->in_flight--) {
				count_error(client, run,
				    (enum raftsup_code)code,
				    raftsup_error(client->handle));
			}
			atomic_store(&client->bench->gave_up, true);
			return;
		}
		take_answer(client, run, &answer);
		wait_ns = 0;
	}
	if (client->done > 0) {
		atomic_fetch_add_explicit(
		    &client->bench->done, client->done, memory_order_relaxed);
		client->done = 0;
	}
}

static void
take_answer(struct bench_client *client, struct run *run,
    const struct raftsup_answer *answer)
{
	struct bench_slot *slot = &client->slots[answer->tag];
	uint64_t now_ns = client->now_ns;

	give_back(client, run, answer->tag);
	if (answer->code != RAFTSUP_OK) {
		count_error(client, run, answer->code, answer->text);
		return;
	}
	client->success_ns = now_ns;
	if (run->phase != PHASE_MEASURE) {
		return;
	}
	client->end_ns = now_ns;
	if (!is_good(client, slot, answer)) {
		client->result.errors[BENCH_WRONG_VALUE]++;
		return;
	}
	hist_record(&client->result.latency, now_ns - slot->since_ns);
	client->done++;
}

static void
count_error(struct bench_client *client, const struct run *run,
    enum raftsup_code code, const char *text)
{
	uint64_t *errors = client->result.errors;
	uint64_t now_ns = clock_now_ns();

	check_hope(client, now_ns);
	if (run->phase != PHASE_MEASURE) {
		/* A key that is gone already needs no removal. */
		if (run->phase == PHASE_REMOVE && code == RAFTSUP_NOT_FOUND) {
			return;
		}
		if (!client->failed) {
			err_set(&client->error, 0, "%s",
			    text != NULL ? text : "no reason");
		}
		client->failed = true;
		return;
	}
	client->end_ns = now_ns;
	switch (code) {
	case RAFTSUP_NOT_APPLIED:
		errors[BENCH_NOT_APPLIED]++;
		break;
	case RAFTSUP_MAYBE:
		errors[BENCH_UNKNOWN]++;
		break;
	case RAFTSUP_NOT_FOUND:
		errors[BENCH_NOT_FOUND]++;
		break;
	default:
		errors[BENCH_OTHER]++;
		break;
	}
}

static bool
is_good(const struct bench_client *client, const struct bench_slot *slot,
    const struct raftsup_answer *answer)
{
	return !slot->is_read ||
	       bench_value_check(answer->value, answer->value_size,
		   client->bench->options->value_size, slot->key);
}

/* A cluster without a quorum must not be asked for hours. */
static void
check_hope(struct bench_client *client, uint64_t now_ns)
{
	uint64_t timeout_ns = client->bench->settings->timeout_ns;

	if (timeout_ns == 0) {
		timeout_ns = TIMEOUT_NS_DEFAULT;
	}
	if (now_ns - client->success_ns > BENCH_GIVE_UP_TIMEOUTS * timeout_ns) {
		atomic_store(&client->bench->gave_up, true);
	}
}

/* An interrupt ends the measurement, but not the removal of its keys. */
static bool
is_stopped(const struct bench_client *client, const struct run *run)
{
	if (atomic_load(&client->bench->gave_up)) {
		return true;
	}
	return run->phase != PHASE_REMOVE && atomic_load(&client->bench->stop);
}
