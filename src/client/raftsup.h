/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup: client library.  See raftsup(3).
 *
 * One handle per thread.  Every call that takes a key takes its size; keys
 * are 1 to RAFTSUP_KEY_SIZE_MAX bytes, values 0 to RAFTSUP_VALUE_SIZE_MAX,
 * any bytes.  A call retries under the same (session, sequence) through
 * leader changes until the timeout; only then it says RAFTSUP_NOT_APPLIED or
 * RAFTSUP_MAYBE.  A write is carried out at most once, whatever is retried.
 * A handle must not be used after fork.
 */
#ifndef RAFTSUP_H
#define RAFTSUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define RAFTSUP_API __attribute__((visibility("default")))
#else
#define RAFTSUP_API
#endif

#define RAFTSUP_KEY_SIZE_MAX	511
#define RAFTSUP_VALUE_SIZE_MAX	(1u << 20)
#define RAFTSUP_IN_FLIGHT_MAX	512	/* of one handle */
#define RAFTSUP_TXN_MAX		128	/* comparisons; operations of a branch,
					 * a DEL counts its keys */

enum raftsup_code {
	RAFTSUP_OK = 0,
	/* the answer is no: */
	RAFTSUP_NOT_FOUND = 1,
	RAFTSUP_NOT_EQUAL = 2,
	RAFTSUP_NOT_A_NUMBER = 3,
	RAFTSUP_OVERFLOW = 4,
	RAFTSUP_TOO_LONG = 5,		/* append: beyond the largest value;
					 * txn: more than one may do */
	RAFTSUP_COMPACTED = 6,		/* watch: its events are gone */
	/* it was not done: */
	RAFTSUP_USAGE = 64,		/* bad argument */
	RAFTSUP_NOT_APPLIED = 69,
	RAFTSUP_INTERNAL = 70,
	RAFTSUP_IO = 74,
	RAFTSUP_PERMISSION = 77,
	/* perhaps: */
	RAFTSUP_MAYBE = 75,
};

enum raftsup_operation {
	RAFTSUP_GET = 1, RAFTSUP_SET, RAFTSUP_DEL, RAFTSUP_CAS,
	RAFTSUP_INCR, RAFTSUP_APPEND, RAFTSUP_LIST, RAFTSUP_COUNT,
	RAFTSUP_NOOP, RAFTSUP_SUBMIT, RAFTSUP_OUTCOME,
	RAFTSUP_TXN, RAFTSUP_WATCH,
};

enum raftsup_compare_kind {
	RAFTSUP_EQUAL = 1,		/* to the value */
	RAFTSUP_NOT_EQUAL_TO,		/* an absent key is not equal */
	RAFTSUP_EXISTS,
	RAFTSUP_ABSENT,
	RAFTSUP_INDEX_BELOW,		/* last changed before entry `index` */
};

struct raftsup_compare {
	enum raftsup_compare_kind kind;
	const void *key;
	size_t key_size;
	const void *value;
	size_t value_size;
	uint64_t index;
};

enum raftsup_consistency {
	RAFTSUP_LINEARIZABLE = 0,	/* the default */
	RAFTSUP_READ_INDEX,		/* linearizable, never by a lease */
	RAFTSUP_STALE,			/* any node's applied state */
};

/* Where a watch has got to. Zeroed: at the entries from now on. */
struct raftsup_position {
	uint64_t index;		/* the next entry to look at */
	uint64_t skip;		/* events of it that were had already */
};

enum raftsup_event_type {
	RAFTSUP_EVENT_SET = 1, RAFTSUP_EVENT_DEL, RAFTSUP_EVENT_EXPIRE,
};

struct raftsup_event {
	enum raftsup_event_type type;
	uint64_t index;		/* of the log */
	const void *key;
	size_t key_size;
	const void *value;	/* SET */
	size_t value_size;
};

struct raftsup;

/* Zeroed is the default. */
struct raftsup_options {
	const char *dir;	/* NULL: $RAFTSUP_DIR, else the default */
	uint64_t timeout_ns;	/* of each call; 0: 5 s */
	uint32_t node;		/* ask this node only; 0: the leader */
};

/* A request; unused fields zero.  Borrowed until the call returns. */
struct raftsup_request {
	enum raftsup_operation operation;
	enum raftsup_consistency consistency;	/* reads */
	const void *key;
	size_t key_size;		/* LIST, COUNT, WATCH: the prefix */
	const void *value;
	size_t value_size;		/* LIST: continue after this key */
	const void *expected;		/* CAS */
	size_t expected_size;
	int64_t number;			/* INCR: by how much */
	/* DEL of several keys: */
	const void *const *keys;
	const size_t *key_sizes;
	size_t key_count;
	/* OUTCOME: which one */
	uint64_t session;
	uint64_t sequence;
	uint64_t ttl_ns;		/* SET: 0: it stays */
	/* TXN: if all compares hold, `then`, else `otherwise`. Operations are
	 * SET, DEL, INCR, APPEND and GET. */
	const struct raftsup_compare *compares;
	size_t compare_count;
	const struct raftsup_request *then;
	size_t then_count;
	const struct raftsup_request *otherwise;
	size_t otherwise_count;
	struct raftsup_position position;	/* WATCH */
	bool more;			/* raftsup_submit(): others follow */
};

/* An answer.  Pointers are the handle's, valid until its next call (or
 * raftsup_poll()). */
struct raftsup_answer {
	enum raftsup_code code;
	uint64_t tag;			/* asynchronous: what was given */
	uint64_t index;			/* log index; reads: applied index */
	int64_t number;			/* INCR, APPEND, DEL, COUNT */
	const void *value;
	size_t value_size;
	size_t count;			/* LIST: raftsup_answer_next(); TXN:
					 * raftsup_answer_result(); WATCH:
					 * raftsup_answer_event() */
	bool more;			/* LIST was cut: ask on */
	/* MAYBE: what to settle. OUTCOME: whether it was applied. */
	uint64_t session;
	uint64_t sequence;
	bool applied;
	const char *text;		/* one line, when code is not OK */
	bool then;			/* TXN: which branch */
	/* WATCH: where to go on; COMPACTED: what there still is */
	struct raftsup_position position;
};

/* 0 or a code; the text of a failed open by raftsup_open_error(). */
RAFTSUP_API int raftsup_open(struct raftsup **,
    const struct raftsup_options *);
RAFTSUP_API const char *raftsup_open_error(void);	/* of this thread */
RAFTSUP_API void raftsup_close(struct raftsup *);

/* Blocking; the code is also the return value. */
RAFTSUP_API int raftsup_call(struct raftsup *, const struct raftsup_request *,
    struct raftsup_answer *);
RAFTSUP_API int raftsup_set(struct raftsup *, const void *key, size_t key_size,
    const void *value, size_t value_size);
RAFTSUP_API int raftsup_get(struct raftsup *, const void *key, size_t key_size,
    const void **value, size_t *value_size);
RAFTSUP_API int raftsup_del(struct raftsup *, const void *key, size_t key_size);
RAFTSUP_API int raftsup_cas(struct raftsup *, const void *key, size_t key_size,
    const void *expected, size_t expected_size, const void *value,
    size_t value_size);
RAFTSUP_API int raftsup_incr(struct raftsup *, const void *key,
    size_t key_size, int64_t by, int64_t *value);
/* The text of the last failed call. */
RAFTSUP_API const char *raftsup_error(const struct raftsup *);

/*
 * LIST: the next record of the answer; false at its end.  position starts at
 * 0 and is moved on.
 */
RAFTSUP_API bool raftsup_answer_next(const struct raftsup_answer *,
    size_t *position, const void **key, size_t *key_size, const void **value,
    size_t *value_size);

/*
 * TXN: the answer of the next operation of the branch that was taken; false at
 * the end. position starts at 0 and is moved on.
 */
RAFTSUP_API bool raftsup_answer_result(const struct raftsup_answer *,
    size_t *position, struct raftsup_answer *result);

/*
 * Waits for events behind *position on keys that begin with the prefix, and
 * moves it on. RAFTSUP_OK may come with no event, after half a second or so.
 * No event is left out or given twice, whichever nodes answer, and whichever
 * handle goes on: a position is all there is to a watch. RAFTSUP_COMPACTED:
 * events at *position are not kept any more; answer->position is the first
 * one that can be had.
 */
RAFTSUP_API int raftsup_watch(struct raftsup *, const void *prefix,
    size_t prefix_size, struct raftsup_position *position,
    struct raftsup_answer *);
/* The next event of a watch's answer, as above. */
RAFTSUP_API bool raftsup_answer_event(const struct raftsup_answer *,
    size_t *position, struct raftsup_event *);

/*
 * Asynchronous: submit gives a request to the handle (copied) under a tag;
 * RAFTSUP_NOT_APPLIED when RAFTSUP_IN_FLIGHT_MAX are under way.  poll waits
 * up to timeout_ns for an answer: RAFTSUP_OK and an answer, or
 * RAFTSUP_NOT_FOUND when there is none.  Answers come in any order; writes of
 * one handle are proposed in the order of their submission.
 * A request with `more` may be kept back, to be sent together with the next
 * ones, until one without it, raftsup_poll(), raftsup_fd() or a blocking call;
 * its time runs from the first one that is kept.
 */
RAFTSUP_API int raftsup_submit(struct raftsup *,
    const struct raftsup_request *, uint64_t tag);
RAFTSUP_API int raftsup_poll(struct raftsup *, uint64_t timeout_ns,
    struct raftsup_answer *);
RAFTSUP_API size_t raftsup_in_flight(const struct raftsup *);
/* A descriptor that is readable when raftsup_poll() has something to do; -1
 * and an error when it can't be made. The handle's. */
RAFTSUP_API int raftsup_fd(struct raftsup *);

RAFTSUP_API uint64_t raftsup_session(const struct raftsup *);
RAFTSUP_API const char *raftsup_version(void);

#ifdef __cplusplus
}
#endif
#endif
