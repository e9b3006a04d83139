/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench: measures as a user's program would, through libraftsup.
 *
 * Each client is a thread with a handle of its own, on which `pipeline`
 * operations are under way. All clients take their operations from one
 * counter. Latency is that of one operation, from its submission to its
 * answer; with a rate, from the moment at which it should have been
 * submitted, so that a stall is paid for by every operation that it delayed
 * and not by one alone. Operations that are submitted, or answered, in one
 * go share a reading of the clock.
 *
 *	fill (get, mix)  ->  measure  ->  report  ->  remove the keys
 *
 * Values say which key they belong to, and every value that is read is
 * checked: a wrong one is a fault, not a slow answer.
 */
#ifndef RAFTSUP_CTL_BENCH_H
#define RAFTSUP_CTL_BENCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/prng.h"
#include "client/raftsup.h"
#include "ctl/hist.h"
#include "ctl/settings.h"

struct bench_options {
	uint32_t reads, writes; /* of reads + writes operations */
	uint64_t ops;           /* 0: as long as time says */
	uint64_t time_ns;
	uint32_t clients;
	uint32_t pipeline;
	size_t value_size;
	uint64_t keys;
	uint64_t rate; /* operations a second; 0: as fast as it goes */
	bool keep;
	bool distribution; /* report more percentiles */
};

/* A client gives up when nothing succeeded for so many timeouts. */
#define BENCH_GIVE_UP_TIMEOUTS 3

/* Operations that failed, by what they say. */
enum bench_error {
	BENCH_NOT_APPLIED,
	BENCH_UNKNOWN,
	BENCH_NOT_FOUND,
	BENCH_WRONG_VALUE,
	BENCH_OTHER,
	BENCH_ERROR_COUNT,
};

struct bench_result {
	uint64_t errors[BENCH_ERROR_COUNT];
	struct hist latency; /* ns, of those that succeeded */
};

/* One run, shared by its clients. */
struct bench {
	const struct bench_options *options;
	const struct settings *settings;
	pthread_barrier_t barrier;  /* before and after each phase */
	atomic_bool stop;           /* no more operations */
	atomic_bool gave_up;        /* nothing succeeded for too long */
	atomic_uint_fast64_t next;  /* operation to take */
	atomic_uint_fast64_t done;  /* for the progress */
	atomic_uint busy;           /* clients in their phase */
	atomic_uint_fast64_t *used; /* keys written, a bit each */
	uint64_t start_ns;          /* of the measurement */
	uint64_t run;               /* its keys are its own */
};

/* One operation under way. */
struct bench_slot {
	bool is_used;
	bool is_read;
	uint64_t key;
	uint64_t since_ns;
};

/* The clock is read anew after so many operations of one turn. */
#define BENCH_CLOCK_OPS 16

struct bench_client {
	struct bench *bench;
	pthread_t thread;
	uint32_t index;
	struct raftsup *handle;
	struct prng prng;
	struct bench_slot *slots; /* pipeline of them */
	uint32_t *free_slots;     /* a stack of those not used */
	uint32_t free_count;
	uint64_t now_ns;          /* of this turn */
	uint64_t done;            /* not yet added to the bench's */
	uint8_t *value;           /* being written */
	uint64_t stamp;           /* of the next value */
	uint64_t end_ns;          /* its last answer of the measurement */
	uint64_t success_ns;      /* its last success */
	bool failed;              /* fill or removal did not succeed */
	struct err_buf error;     /* why */
	struct bench_result result;
};

/* A client's thread: fill, measure, remove, between barriers. */
void *bench_client_main(void *client);

/* Bytes of a key's name, an end included: bench:RUN:KEY. */
#define BENCH_KEY_SIZE 48
size_t bench_key(char name[BENCH_KEY_SIZE], uint64_t run, uint64_t key);

/*
 * The value that a key is given: printable; the same key, stamp and size
 * give the same bytes. A value shorter than 16 bytes has no room for its
 * stamp, and the stamp counts as 0.
 */
void bench_value_make(
    uint8_t *value, size_t size, uint64_t key, uint64_t stamp);

/* Whether these bytes are what bench_value_make() gave this key. */
bool bench_value_check(
    const void *value, size_t size, size_t expected_size, uint64_t key);

#endif
