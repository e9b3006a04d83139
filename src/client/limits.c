/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be asked.  Everything is checked before anything is sent; the
 * text names the argument and the accepted range.
 */
#include "client/handle.h"

static int	check_key(struct raftsup *, const char *what, const void *key,
		    size_t size, size_t size_min);
static int	check_value(struct raftsup *, const char *what,
		    const void *value, size_t size);
static int	check_cas(struct raftsup *, const struct raftsup_request *);
static int	check_del(struct raftsup *, const struct raftsup_request *);
static int	check_outcome(struct raftsup *,
		    const struct raftsup_request *);
static int	check_ttl(struct raftsup *, const struct raftsup_request *);
static int	check_watch(struct raftsup *, const struct raftsup_request *);
static int	check_txn(struct raftsup *, const struct raftsup_request *);
static int	check_compares(struct raftsup *,
		    const struct raftsup_request *, size_t *size);
static int	check_branch(struct raftsup *, const char *what,
		    const struct raftsup_request *, size_t count,
		    size_t *size);

int
limits_check(struct raftsup *handle, const struct raftsup_request *request)
{
	if (request->consistency > RAFTSUP_STALE) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "consistency is %u: 0 to %u are accepted",
		    (unsigned int)request->consistency,
		    (unsigned int)RAFTSUP_STALE);
	}
	switch (request->operation) {
	case RAFTSUP_GET:
	case RAFTSUP_INCR:
		return check_key(handle, "key", request->key,
		    request->key_size, 1);
	case RAFTSUP_SET:
		if (check_ttl(handle, request) != 0) {
			return RAFTSUP_USAGE;
		}
		FALLTHROUGH;
	case RAFTSUP_APPEND:
		if (check_key(handle, "key", request->key, request->key_size,
			1) != 0) {
			return RAFTSUP_USAGE;
		}
		return check_value(handle, "value", request->value,
		    request->value_size);
	case RAFTSUP_CAS:
		return check_cas(handle, request);
	case RAFTSUP_DEL:
		return check_del(handle, request);
	case RAFTSUP_LIST:
		if (check_key(handle, "the key to continue after",
			request->value, request->value_size, 0) != 0) {
			return RAFTSUP_USAGE;
		}
		return check_key(handle, "prefix", request->key,
		    request->key_size, 0);
	case RAFTSUP_COUNT:
		return check_key(handle, "prefix", request->key,
		    request->key_size, 0);
	case RAFTSUP_NOOP:
		return 0;
	case RAFTSUP_SUBMIT:
		return check_value(handle, "value", request->value,
		    request->value_size);
	case RAFTSUP_OUTCOME:
		return check_outcome(handle, request);
	case RAFTSUP_TXN:
		return check_txn(handle, request);
	case RAFTSUP_WATCH:
		return check_watch(handle, request);
	}
	return handle_fail(handle, RAFTSUP_USAGE,
	    "operation is %u: %u to %u are accepted",
	    (unsigned int)request->operation, (unsigned int)RAFTSUP_GET,
	    (unsigned int)RAFTSUP_WATCH);
}

static int
check_key(struct raftsup *handle, const char *what, const void *key,
    size_t size, size_t size_min)
{
	if (size < size_min || size > RAFTSUP_KEY_SIZE_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "%s has %zu bytes: %zu to %d are accepted", what, size,
		    size_min, RAFTSUP_KEY_SIZE_MAX);
	}
	if (key == NULL && size > 0) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "%s is NULL and has %zu bytes", what, size);
	}
	return 0;
}

static int
check_value(struct raftsup *handle, const char *what, const void *value,
    size_t size)
{
	if (size > RAFTSUP_VALUE_SIZE_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "%s has %zu bytes: 0 to %u are accepted", what, size,
		    RAFTSUP_VALUE_SIZE_MAX);
	}
	if (value == NULL && size > 0) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "%s is NULL and has %zu bytes", what, size);
	}
	return 0;
}

/* One command holds both. */
static int
check_cas(struct raftsup *handle, const struct raftsup_request *request)
{
	if (check_key(handle, "key", request->key, request->key_size, 1) !=
		0 ||
	    check_value(handle, "expected", request->expected,
		request->expected_size) != 0 ||
	    check_value(handle, "value", request->value,
		request->value_size) != 0) {
		return RAFTSUP_USAGE;
	}
	if (request->expected_size + request->value_size >
	    RAFTSUP_VALUE_SIZE_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "expected and value have %zu bytes together: 0 to %u are "
		    "accepted",
		    request->expected_size + request->value_size,
		    RAFTSUP_VALUE_SIZE_MAX);
	}
	return 0;
}

static int
check_del(struct raftsup *handle, const struct raftsup_request *request)
{
	size_t i, size = 0;

	if (request->keys == NULL) {
		return check_key(handle, "key", request->key,
		    request->key_size, 1);
	}
	if (request->key_count == 0 || request->key_sizes == NULL) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "keys are given without their count or their sizes");
	}
	for (i = 0; i < request->key_count; i++) {
		if (check_key(handle, "key", request->keys[i],
			request->key_sizes[i], 1) != 0) {
			return RAFTSUP_USAGE;
		}
		size += ENCODE_KEY_HEAD_SIZE + request->key_sizes[i];
		if (size > RAFTSUP_VALUE_SIZE_MAX) {
			return handle_fail(handle, RAFTSUP_USAGE,
			    "%zu keys need more than %u bytes together, %d "
			    "besides each", request->key_count,
			    RAFTSUP_VALUE_SIZE_MAX, ENCODE_KEY_HEAD_SIZE);
		}
	}
	return 0;
}

static int
check_outcome(struct raftsup *handle, const struct raftsup_request *request)
{
	if (request->session == 0) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "session is 0: 1 and more are accepted");
	}
	if (request->sequence == 0 || request->sequence > INT64_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "sequence is %llu: 1 to %lld are accepted",
		    (unsigned long long)request->sequence,
		    (long long)INT64_MAX);
	}
	return 0;
}

static int
check_ttl(struct raftsup *handle, const struct raftsup_request *request)
{
	if (request->ttl_ns > KV_TTL_NS_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "the time to live is %llu ns: 1 to %llu are accepted",
		    (unsigned long long)request->ttl_ns,
		    (unsigned long long)KV_TTL_NS_MAX);
	}
	return 0;
}

static int
check_watch(struct raftsup *handle, const struct raftsup_request *request)
{
	if (request->position.index > INT64_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "index is %llu: 0 to %lld are accepted",
		    (unsigned long long)request->position.index,
		    (long long)INT64_MAX);
	}
	return check_key(handle, "prefix", request->key, request->key_size, 0);
}

/* One command holds all of it. */
static int
check_txn(struct raftsup *handle, const struct raftsup_request *request)
{
	size_t size = 0;

	if (check_compares(handle, request, &size) != 0 ||
	    check_branch(handle, "then", request->then, request->then_count,
		&size) != 0 ||
	    check_branch(handle, "else", request->otherwise,
		request->otherwise_count, &size) != 0) {
		return RAFTSUP_USAGE;
	}
	if (size > RAFTSUP_VALUE_SIZE_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "the transaction has %zu bytes: up to %u are accepted",
		    size, RAFTSUP_VALUE_SIZE_MAX);
	}
	return 0;
}

static int
check_compares(struct raftsup *handle, const struct raftsup_request *request,
    size_t *size)
{
	const struct raftsup_compare *compare;
	size_t i;

	if (request->compare_count > RAFTSUP_TXN_MAX) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "there are %zu comparisons: up to %d are accepted",
		    request->compare_count, RAFTSUP_TXN_MAX);
	}
	for (i = 0; i < request->compare_count; i++) {
		compare = &request->compares[i];
		if (compare->kind < RAFTSUP_EQUAL ||
		    compare->kind > RAFTSUP_INDEX_BELOW) {
			return handle_fail(handle, RAFTSUP_USAGE,
			    "a comparison is %u: %u to %u are accepted",
			    (unsigned int)compare->kind,
			    (unsigned int)RAFTSUP_EQUAL,
			    (unsigned int)RAFTSUP_INDEX_BELOW);
		}
		if (check_key(handle, "key", compare->key, compare->key_size,
			1) != 0 ||
		    check_value(handle, "value", compare->value,
			compare->value_size) != 0) {
			return RAFTSUP_USAGE;
		}
		*size += ENCODE_TXN_HEAD_SIZE + compare->key_size +
		    compare->value_size;
	}
	return 0;
}

static int
check_branch(struct raftsup *handle, const char *what,
    const struct raftsup_request *requests, size_t count, size_t *size)
{
	size_t i, keys = 0;

	for (i = 0; i < count; i++) {
		switch (requests[i].operation) {
		case RAFTSUP_SET:
		case RAFTSUP_DEL:
		case RAFTSUP_INCR:
		case RAFTSUP_APPEND:
		case RAFTSUP_GET:
			break;
		default:
			return handle_fail(handle, RAFTSUP_USAGE,
			    "%s: set, del, incr, append and get are accepted",
			    what);
		}
		if (limits_check(handle, &requests[i]) != 0) {
			return RAFTSUP_USAGE;
		}
		*size += ENCODE_TXN_HEAD_SIZE + requests[i].key_size +
		    requests[i].value_size;
		if (requests[i].keys != NULL) {
			keys += requests[i].key_count;
			*size += requests[i].key_count *
			    (RAFTSUP_KEY_SIZE_MAX + ENCODE_KEY_HEAD_SIZE);
		} else {
			keys++;
		}
		if (keys > RAFTSUP_TXN_MAX) {
			return handle_fail(handle, RAFTSUP_USAGE,
			    "%s: there are more than %d operations, a del "
			    "counts its keys", what, RAFTSUP_TXN_MAX);
		}
	}
	return 0;
}
