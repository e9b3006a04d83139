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
	}
	return handle_fail(handle, RAFTSUP_USAGE,
	    "operation is %u: %u to %u are accepted",
	    (unsigned int)request->operation, (unsigned int)RAFTSUP_GET,
	    (unsigned int)RAFTSUP_OUTCOME);
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
