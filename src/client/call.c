/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocking calls.
 */
#include "client/handle.h"

static int	refuse(struct raftsup *, int code, struct raftsup_answer *);
static int	fail(struct raftsup *, int code, struct raftsup_answer *);

int
raftsup_call(struct raftsup *handle, const struct raftsup_request *request,
    struct raftsup_answer *answer)
{
	uint64_t now_ns;
	struct op *op;
	int code;

	if (!handle_is_ours(handle)) {
		return fail(handle, RAFTSUP_USAGE, answer);
	}
	answer_take_back(handle);
	code = limits_check(handle, request);
	if (code != 0) {
		return refuse(handle, code, answer);
	}
	op = op_new(handle, OP_CALL);
	if (op == NULL) {
		return refuse(handle, handle_fail(handle, RAFTSUP_INTERNAL,
		    "no room for one more call"), answer);
	}
	code = encode_request(handle, op, request);
	if (code != 0) {
		session_release(handle, op);
		op_free(handle, op);
		return refuse(handle, code, answer);
	}
	now_ns = clock_now_ns();
	flight_submit(handle, op, now_ns, flight_timeout(handle, op), false);
	wait_for(handle, op, NEVER);
	code = answer_hand(handle, op, answer);
	/* What was waited for by the descriptor is so again. */
	fd_arm(handle);
	return code;
}

int
raftsup_set(struct raftsup *handle, const void *key, size_t key_size,
    const void *value, size_t value_size)
{
	const struct raftsup_request request = {
		.operation = RAFTSUP_SET,
		.key = key,
		.key_size = key_size,
		.value = value,
		.value_size = value_size,
	};

	return raftsup_call(handle, &request, NULL);
}

int
raftsup_get(struct raftsup *handle, const void *key, size_t key_size,
    const void **value, size_t *value_size)
{
	const struct raftsup_request request = {
		.operation = RAFTSUP_GET,
		.key = key,
		.key_size = key_size,
	};
	struct raftsup_answer answer;
	int code = raftsup_call(handle, &request, &answer);

	*value = code == RAFTSUP_OK ? answer.value : NULL;
	*value_size = code == RAFTSUP_OK ? answer.value_size : 0;
	return code;
}

int
raftsup_del(struct raftsup *handle, const void *key, size_t key_size)
{
	const struct raftsup_request request = {
		.operation = RAFTSUP_DEL,
		.key = key,
		.key_size = key_size,
	};
	struct raftsup_answer answer;
	int code = raftsup_call(handle, &request, &answer);

	if (code == RAFTSUP_OK && answer.number == 0) {
		return handle_fail(handle, RAFTSUP_NOT_FOUND, "%s",
		    kv_status_text(KV_NOT_FOUND));
	}
	return code;
}

int
raftsup_cas(struct raftsup *handle, const void *key, size_t key_size,
    const void *expected, size_t expected_size, const void *value,
    size_t value_size)
{
	const struct raftsup_request request = {
		.operation = RAFTSUP_CAS,
		.key = key,
		.key_size = key_size,
		.expected = expected,
		.expected_size = expected_size,
		.value = value,
		.value_size = value_size,
	};

	return raftsup_call(handle, &request, NULL);
}

int
raftsup_incr(struct raftsup *handle, const void *key, size_t key_size,
    int64_t by, int64_t *value)
{
	const struct raftsup_request request = {
		.operation = RAFTSUP_INCR,
		.key = key,
		.key_size = key_size,
		.number = by,
	};
	struct raftsup_answer answer;
	int code = raftsup_call(handle, &request, &answer);

	if (code == RAFTSUP_OK && value != NULL) {
		*value = answer.number;
	}
	return code;
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

/* What was kept to be sent together with it goes without it. */
static int
refuse(struct raftsup *handle, int code, struct raftsup_answer *answer)
{
	flight_flush(handle);
	fd_arm(handle);
	return fail(handle, code, answer);
}

/* Nothing was sent. */
static int
fail(struct raftsup *handle, int code, struct raftsup_answer *answer)
{
	if (answer != NULL) {
		*answer = (struct raftsup_answer){
			.code = (enum raftsup_code)code,
			.text = handle->error,
		};
	}
	return code;
}
