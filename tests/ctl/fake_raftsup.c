/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A libraftsup without a cluster, for tests of raftctl: one sorted table in
 * memory, shared by all handles of the process, and kept between processes
 * in the file $FAKE_RAFTSUP_STORE when that is set.
 *
 * What a cluster does to its clients is asked for by the key (for submit:
 * by the value):
 *
 *	fake:not-applied... fake:io... fake:internal... fake:permission...
 *	fake:usage...       the call fails so
 *	fake:maybe...       MAYBE, of session 7 and this call's sequence
 *	slow...             the answer comes 20 ms later, others overtake it
 *	late...             the same, and it is carried out only then
 *	never...            NOT_APPLIED after the timeout
 *
 * $FAKE_RAFTSUP_OPEN is a code that raftsup_open() fails with, and
 * $FAKE_RAFTSUP_FAIL one that every call fails with. With
 * $FAKE_RAFTSUP_WRONG get reads another value than was set. Answers that
 * are ready are given newest first, so that nobody relies on their order. A
 * page of a list has at most three records. Outcome of session 7: sequences
 * up to 100 are applied, at index sequence + 1000, others are not; another
 * session is unknown. A transaction has no rollback, a life is not ended, and
 * a watch sees the three events below and then nobody who answers; from 1 on
 * it is compacted.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "client/raftsup.h"
#include "tests/ctl/fake_table.h"

#define PAGE_RECORDS  3
#define SLOW_NS       20000000ull
#define TIMEOUT_NS    5000000000ull
#define APPLIED_MAX   100
#define MAYBE_SESSION 7

struct pending {
	struct raftsup_answer answer;
	struct bytes value;
	uint64_t due_ns;
	bool is_used;
	/* late: what is to be done when it is due. */
	bool is_late;
	struct raftsup_request request;
	struct bytes late_key, late_value;
};

struct raftsup {
	uint64_t timeout_ns;
	uint64_t sequence;
	uint32_t node;
	int timer;
	struct bytes held; /* of the last answer */
	char text[128];
	struct pending pending[RAFTSUP_IN_FLIGHT_MAX];
	size_t pending_count;
	size_t last; /* where the last one was put */
};

static unsigned handle_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char open_error[128];

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool
begins(const void *data, size_t size, const char *prefix)
{
	return size >= strlen(prefix) &&
	       memcmp(data, prefix, strlen(prefix)) == 0;
}

/* ---- operations ---------------------------------------------------------- */

static void
answer_text(
    struct raftsup_answer *answer, enum raftsup_code code, const char *text)
{
	answer->code = code;
	answer->text = text;
}

static void
do_incr(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	bool is_there;
	size_t i = table_find(request->key, request->key_size, &is_there);
	long long number = 0;
	char text[32], *end;
	int64_t sum;

	if (is_there) {
		errno = 0;
		number = strtoll((char *)table[i].value.data, &end, 10);
		if (errno != 0 || *end != '\0' || table[i].value.size == 0) {
			answer_text(answer, RAFTSUP_NOT_A_NUMBER,
			    "the value is not a 64-bit integer");
			return;
		}
	}
	if (__builtin_add_overflow(number, request->number, &sum)) {
		answer_text(
		    answer, RAFTSUP_OVERFLOW, "the sum is beyond 64 bits");
		return;
	}
	snprintf(text, sizeof(text), "%" PRId64, sum);
	table_store(request->key, request->key_size, text, strlen(text));
	answer->number = sum;
}

static void
do_append(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	bool is_there;
	size_t i = table_find(request->key, request->key_size, &is_there);
	struct bytes old = { NULL, 0 };
	struct bytes sum;

	if (is_there) {
		old = table[i].value;
	}
	if (old.size + request->value_size > RAFTSUP_VALUE_SIZE_MAX) {
		answer_text(answer, RAFTSUP_TOO_LONG,
		    "the value would be longer than 1 MiB");
		return;
	}
	sum = bytes_copy(NULL, 0);
	sum.data = realloc(sum.data, old.size + request->value_size + 1);
	if (old.size > 0) {
		memcpy(sum.data, old.data, old.size);
	}
	if (request->value_size > 0) {
		memcpy(
		    sum.data + old.size, request->value, request->value_size);
	}
	sum.size = old.size + request->value_size;
	table_store(request->key, request->key_size, sum.data, sum.size);
	answer->number = (int64_t)sum.size;
	free(sum.data);
}

static void
do_cas(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	bool is_there;
	size_t i = table_find(request->key, request->key_size, &is_there);

	if (!is_there) {
		answer_text(answer, RAFTSUP_NOT_FOUND, "not found");
	} else if (bytes_compare(&table[i].value, request->expected,
		       request->expected_size) != 0) {
		answer_text(answer, RAFTSUP_NOT_EQUAL, "not equal");
	} else {
		table_store(request->key, request->key_size, request->value,
		    request->value_size);
	}
}

static void
do_get(const struct raftsup_request *request, struct raftsup_answer *answer,
    struct bytes *value)
{
	bool is_there;
	size_t i = table_find(request->key, request->key_size, &is_there);

	if (!is_there) {
		answer_text(answer, RAFTSUP_NOT_FOUND, "not found");
		return;
	}
	*value = bytes_copy(table[i].value.data, table[i].value.size);
	if (getenv("FAKE_RAFTSUP_WRONG") != NULL && value->size > 0) {
		value->data[value->size - 1] ^= 1;
	}
}

/* Records: u32 size, key, u32 size, value. */
static void
do_list(const struct raftsup_request *request, struct raftsup_answer *answer,
    struct bytes *value)
{
	bool is_there;
	size_t i = table_find(request->key, request->key_size, &is_there);
	uint32_t sizes[2];

	if (request->value_size > 0) {
		i = table_find(request->value, request->value_size, &is_there);
		i += is_there;
	}
	*value = bytes_copy(NULL, 0);
	for (; i < table_count; i++) {
		const struct record *r = &table[i];

		if (r->key.size < request->key_size ||
		    (request->key_size > 0 && memcmp(r->key.data, request->key,
						  request->key_size) != 0)) {
			return;
		}
		if (answer->count == PAGE_RECORDS) {
			answer->more = true;
			return;
		}
		sizes[0] = (uint32_t)r->key.size;
		sizes[1] = (uint32_t)r->value.size;
		value->data = realloc(value->data,
		    value->size + sizeof(sizes) + sizes[0] + sizes[1]);
		memcpy(value->data + value->size, sizes, sizeof(sizes));
		value->size += sizeof(sizes);
		memcpy(value->data + value->size, r->key.data, sizes[0]);
		value->size += sizes[0];
		memcpy(value->data + value->size, r->value.data, sizes[1]);
		value->size += sizes[1];
		answer->count++;
	}
}

static void
do_count(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	size_t i;

	for (i = 0; i < table_count; i++) {
		if (table[i].key.size >= request->key_size &&
		    (request->key_size == 0 ||
			memcmp(table[i].key.data, request->key,
			    request->key_size) == 0)) {
			answer->number++;
		}
	}
}

static void
do_del(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	size_t i;

	if (request->key_count == 0) {
		answer->number = table_delete(request->key, request->key_size);
	}
	for (i = 0; i < request->key_count; i++) {
		answer->number +=
		    table_delete(request->keys[i], request->key_sizes[i]);
	}
}

static void
do_outcome(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	if (request->session != MAYBE_SESSION) {
		answer_text(answer, RAFTSUP_NOT_FOUND,
		    "no such session: expired or closed");
		return;
	}
	answer->applied = request->sequence <= APPLIED_MAX;
	answer->index = request->sequence + 1000;
}

static bool
is_write(enum raftsup_operation operation)
{
	return operation != RAFTSUP_GET && operation != RAFTSUP_LIST &&
	       operation != RAFTSUP_COUNT && operation != RAFTSUP_OUTCOME &&
	       operation != RAFTSUP_WATCH;
}

static void do_operation(const struct raftsup_request *,
    struct raftsup_answer *, struct bytes *);

static bool
holds(const struct raftsup_compare *c)
{
	bool is_there, is_equal;
	size_t i = table_find(c->key, c->key_size, &is_there);

	is_equal = is_there &&
	           bytes_compare(&table[i].value, c->value, c->value_size) == 0;
	switch (c->kind) {
	case RAFTSUP_EQUAL:
		return is_equal;
	case RAFTSUP_NOT_EQUAL_TO:
		return !is_equal;
	case RAFTSUP_EXISTS:
		return is_there;
	case RAFTSUP_ABSENT:
		return !is_there;
	case RAFTSUP_INDEX_BELOW:
		return log_index <= c->index;
	}
	return false;
}

/* Answers one after the other, each with its value behind it. */
static void
do_txn(const struct raftsup_request *request, struct raftsup_answer *answer,
    struct bytes *value)
{
	const struct raftsup_request *branch = request->then;
	size_t count = request->then_count, i;
	struct raftsup_answer one;
	struct bytes got;

	answer->then = true;
	for (i = 0; i < request->compare_count; i++) {
		answer->then = answer->then && holds(&request->compares[i]);
	}
	if (!answer->then) {
		branch = request->otherwise;
		count = request->otherwise_count;
	}
	*value = bytes_copy(NULL, 0);
	for (i = 0; i < count; i++) {
		memset(&one, 0, sizeof(one));
		got = (struct bytes){ NULL, 0 };
		one.index = answer->index;
		do_operation(&branch[i], &one, &got);
		one.value_size = got.size;
		value->data = realloc(
		    value->data, value->size + sizeof(one) + got.size + 1);
		memcpy(value->data + value->size, &one, sizeof(one));
		value->size += sizeof(one);
		if (got.size > 0) {
			memcpy(value->data + value->size, got.data, got.size);
			value->size += got.size;
		}
		free(got.data);
	}
	answer->count = count;
}

static void
do_watch(const struct raftsup_request *request, struct raftsup_answer *answer)
{
	if (request->position.index == 1) {
		answer_text(answer, RAFTSUP_COMPACTED,
		    "compacted: events from 5 on are available");
	} else if (request->position.index > 7) {
		answer_text(answer, RAFTSUP_NOT_APPLIED, "no answer");
	} else {
		answer->count = 3;
		answer->position.index = 8;
	}
}

/* Whether the key asks for a failure. */
static bool
do_failure(struct raftsup *handle, const void *key, size_t size,
    struct raftsup_answer *answer)
{
	static const struct {
		const char *prefix;
		enum raftsup_code code;
		const char *text;
	} failures[] = {
		{ "fake:not-applied", RAFTSUP_NOT_APPLIED,
		    "no leader within the timeout" },
		{ "fake:io", RAFTSUP_IO, "the store failed" },
		{ "fake:internal", RAFTSUP_INTERNAL, "a bug" },
		{ "fake:permission", RAFTSUP_PERMISSION, "not yours" },
		{ "fake:usage", RAFTSUP_USAGE, "bad\nrequest" },
		{ "fake:maybe", RAFTSUP_MAYBE, "the leader was lost" },
		{ "never", RAFTSUP_NOT_APPLIED, "timed out" },
	};
	const char *code = getenv("FAKE_RAFTSUP_FAIL");
	size_t i;

	if (code != NULL) {
		answer_text(answer, (enum raftsup_code)atoi(code), "told to");
		return true;
	}
	for (i = 0; i < COUNT_OF(failures); i++) {
		if (!begins(key, size, failures[i].prefix)) {
			continue;
		}
		answer_text(answer, failures[i].code, failures[i].text);
		if (answer->code == RAFTSUP_MAYBE) {
			answer->session = MAYBE_SESSION;
			answer->sequence = handle->sequence;
		}
		return true;
	}
	return false;
}

static void
carry_out(struct raftsup *handle, const struct raftsup_request *request,
    struct raftsup_answer *answer, struct bytes *value, uint64_t *due_ns)
{
	const void *key = request->key;
	size_t size = request->key_size;

	if (request->operation == RAFTSUP_SUBMIT) {
		key = request->value;
		size = request->value_size;
	} else if (request->key_count > 0) {
		key = request->keys[0];
		size = request->key_sizes[0];
	}
	*due_ns = now_ns();
	handle->sequence++;
	if (begins(key, size, "slow")) {
		*due_ns += SLOW_NS;
	} else if (begins(key, size, "never")) {
		*due_ns += handle->timeout_ns;
	}
	if (do_failure(handle, key, size, answer)) {
		return;
	}
	pthread_mutex_lock(&lock);
	answer->index = log_index;
	if (is_write(request->operation)) {
		answer->index = ++log_index;
	}
	do_operation(request, answer, value);
	pthread_mutex_unlock(&lock);
}

static void
do_operation(const struct raftsup_request *request,
    struct raftsup_answer *answer, struct bytes *value)
{
	switch (request->operation) {
	case RAFTSUP_GET:
		do_get(request, answer, value);
		break;
	case RAFTSUP_SET:
		table_store(request->key, request->key_size, request->value,
		    request->value_size);
		break;
	case RAFTSUP_DEL:
		do_del(request, answer);
		break;
	case RAFTSUP_CAS:
		do_cas(request, answer);
		break;
	case RAFTSUP_INCR:
		do_incr(request, answer);
		break;
	case RAFTSUP_APPEND:
		do_append(request, answer);
		break;
	case RAFTSUP_LIST:
		do_list(request, answer, value);
		break;
	case RAFTSUP_COUNT:
		do_count(request, answer);
		break;
	case RAFTSUP_OUTCOME:
		do_outcome(request, answer);
		break;
	case RAFTSUP_TXN:
		do_txn(request, answer, value);
		break;
	case RAFTSUP_WATCH:
		do_watch(request, answer);
		break;
	case RAFTSUP_NOOP:
	case RAFTSUP_SUBMIT:
		break;
	}
}

/* ---- the face ------------------------------------------------------------ */

int
raftsup_open(struct raftsup **handle, const struct raftsup_options *options)
{
	const char *code = getenv("FAKE_RAFTSUP_OPEN");
	struct raftsup *h;

	if (code != NULL) {
		snprintf(open_error, sizeof(open_error),
		    "no cluster is running in %s (start one: raftsup start)",
		    options->dir != NULL ? options->dir : "/default");
		return atoi(code);
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL) {
		die("out of memory");
	}
	h->timeout_ns =
	    options->timeout_ns != 0 ? options->timeout_ns : TIMEOUT_NS;
	h->node = options->node;
	h->timer = -1;
	pthread_mutex_lock(&lock);
	if (handle_count++ == 0) {
		table_load();
	}
	pthread_mutex_unlock(&lock);
	*handle = h;
	return RAFTSUP_OK;
}

const char *
raftsup_open_error(void)
{
	return open_error;
}

void
raftsup_close(struct raftsup *handle)
{
	size_t i;

	pthread_mutex_lock(&lock);
	if (--handle_count == 0) {
		table_save();
		table_free();
	}
	pthread_mutex_unlock(&lock);
	for (i = 0; i < RAFTSUP_IN_FLIGHT_MAX; i++) {
		if (handle->pending[i].is_used) {
			free(handle->pending[i].value.data);
		}
	}
	if (handle->timer >= 0) {
		close(handle->timer);
	}
	free(handle->held.data);
	free(handle);
}

int
raftsup_call(struct raftsup *handle, const struct raftsup_request *request,
    struct raftsup_answer *answer)
{
	int code;

	assert(handle->pending_count == 0);
	code = raftsup_submit(handle, request, 0);
	if (code != RAFTSUP_OK) {
		answer_text(answer, (enum raftsup_code)code, handle->text);
		return code;
	}
	do {
		code = raftsup_poll(handle, 1000000000, answer);
	} while (code == RAFTSUP_NOT_FOUND);
	assert(code == RAFTSUP_OK);
	return answer->code;
}

bool
raftsup_answer_result(const struct raftsup_answer *answer, size_t *position,
    struct raftsup_answer *result)
{
	const uint8_t *data = answer->value;

	if (data == NULL || *position == answer->value_size) {
		return false;
	}
	memcpy(result, data + *position, sizeof(*result));
	*position += sizeof(*result);
	result->value = data + *position;
	*position += result->value_size;
	return true;
}

int
raftsup_watch(struct raftsup *handle, const void *prefix, size_t prefix_size,
    struct raftsup_position *position, struct raftsup_answer *answer)
{
	const struct raftsup_request request = {
		.operation = RAFTSUP_WATCH,
		.key = prefix,
		.key_size = prefix_size,
		.position = *position,
	};
	int code = raftsup_call(handle, &request, answer);

	if (code == RAFTSUP_OK) {
		*position = answer->position;
	}
	return code;
}

bool
raftsup_answer_event(const struct raftsup_answer *answer, size_t *position,
    struct raftsup_event *event)
{
	static const struct raftsup_event events[] = {
		{ RAFTSUP_EVENT_SET, 5, "k\n", 2, "v", 1 },
		{ RAFTSUP_EVENT_DEL, 6, "k\n", 2, NULL, 0 },
		{ RAFTSUP_EVENT_EXPIRE, 7, "k\377", 2, NULL, 0 },
	};

	if (*position == answer->count) {
		return false;
	}
	*event = events[(*position)++];
	return true;
}

bool
raftsup_answer_next(const struct raftsup_answer *answer, size_t *position,
    const void **key, size_t *key_size, const void **value, size_t *value_size)
{
	const uint8_t *data = answer->value;
	uint32_t sizes[2];

	if (*position == answer->value_size) {
		return false;
	}
	memcpy(sizes, data + *position, sizeof(sizes));
	*position += sizeof(sizes);
	*key = data + *position;
	*key_size = sizes[0];
	*value = data + *position + sizes[0];
	*value_size = sizes[1];
	*position += sizes[0] + sizes[1];
	return true;
}

int
raftsup_submit(
    struct raftsup *handle, const struct raftsup_request *request, uint64_t tag)
{
	struct pending *pending;
	size_t i;

	if (handle->pending_count == RAFTSUP_IN_FLIGHT_MAX) {
		snprintf(handle->text, sizeof(handle->text),
		    "too many requests are under way");
		return RAFTSUP_NOT_APPLIED;
	}
	for (i = handle->last; handle->pending[i].is_used;) {
		i = (i + 1) % RAFTSUP_IN_FLIGHT_MAX;
	}
	handle->last = i;
	pending = &handle->pending[i];
	memset(pending, 0, sizeof(*pending));
	if (begins(request->key, request->key_size, "late")) {
		pending->is_late = true;
		pending->due_ns = now_ns() + SLOW_NS;
		pending->request = *request;
		pending->late_key = bytes_copy(request->key, request->key_size);
		pending->late_value = bytes_copy(request->value,
		    request->value_size);
		pending->request.key = pending->late_key.data;
		pending->request.value = pending->late_value.data;
	} else {
		carry_out(handle, request, &pending->answer, &pending->value,
		    &pending->due_ns);
	}
	pending->is_used = true;
	pending->answer.tag = tag;
	handle->pending_count++;
	return RAFTSUP_OK;
}

/* Of those that are due, the one that was submitted last. */
static struct pending *
find_due(struct raftsup *handle, uint64_t *first_ns)
{
	uint64_t now = now_ns();
	size_t i, k;

	*first_ns = UINT64_MAX;
	for (k = 0; k < RAFTSUP_IN_FLIGHT_MAX; k++) {
		struct pending *p;

		i = (handle->last + RAFTSUP_IN_FLIGHT_MAX - k) %
		    RAFTSUP_IN_FLIGHT_MAX;
		p = &handle->pending[i];
		if (!p->is_used) {
			continue;
		}
		if (p->due_ns <= now) {
			return p;
		}
		if (p->due_ns < *first_ns) {
			*first_ns = p->due_ns;
		}
	}
	return NULL;
}

int
raftsup_poll(
    struct raftsup *handle, uint64_t timeout_ns, struct raftsup_answer *answer)
{
	uint64_t first_ns, until_ns = now_ns() + timeout_ns;
	struct pending *pending;
	struct timespec when;

	for (;;) {
		pending = find_due(handle, &first_ns);
		if (pending != NULL) {
			break;
		}
		if (now_ns() >= until_ns || handle->pending_count == 0) {
			return RAFTSUP_NOT_FOUND;
		}
		first_ns = first_ns < until_ns ? first_ns : until_ns;
		when.tv_sec = (time_t)(first_ns / 1000000000);
		when.tv_nsec = (long)(first_ns % 1000000000);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
	}
	if (pending->is_late) {
		uint64_t tag = pending->answer.tag;

		carry_out(handle, &pending->request, &pending->answer,
		    &pending->value, &pending->due_ns);
		pending->answer.tag = tag;
		free(pending->late_key.data);
		free(pending->late_value.data);
	}
	/* What the last answer pointed at must not be used any more. */
	if (handle->held.data != NULL) {
		memset(handle->held.data, 0xee, handle->held.size);
		free(handle->held.data);
	}
	handle->held = pending->value;
	*answer = pending->answer;
	answer->value = handle->held.data;
	answer->value_size = handle->held.size;
	pending->is_used = false;
	handle->pending_count--;
	return RAFTSUP_OK;
}

size_t
raftsup_in_flight(const struct raftsup *handle)
{
	return handle->pending_count;
}

int
raftsup_fd(struct raftsup *handle)
{
	struct itimerspec tick = {
		{ 0, 1000000 },
		{ 0, 1000000 },
	};

	if (getenv("FAKE_RAFTSUP_NO_FD") != NULL) {
		return -1;
	}
	/* Readable is not a promise of an answer. */
	if (handle->timer < 0) {
		handle->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
		timerfd_settime(handle->timer, 0, &tick, NULL);
	}
	return handle->timer;
}

const char *
raftsup_error(const struct raftsup *handle)
{
	return handle->text;
}

uint64_t
raftsup_session(const struct raftsup *handle UNUSED)
{
	return MAYBE_SESSION;
}
