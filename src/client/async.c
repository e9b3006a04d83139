/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asynchronous calls: submit sends what it can and never waits; poll takes
 * what has come.  Of requests that say that more follow, several are
 * published as one, under one reading of the clock.
 */
#include "client/handle.h"

static int	submit(struct raftsup *, const struct raftsup_request *,
		    uint64_t);

int
raftsup_submit(struct raftsup *handle, const struct raftsup_request *request,
    uint64_t tag)
{
	int code;

	if (!handle_is_ours(handle)) {
		return RAFTSUP_USAGE;
	}
	code = submit(handle, request, tag);
	if (code != RAFTSUP_OK) {
		/* The others of its row do not wait for it. */
		flight_flush(handle);
	}
	if (code != RAFTSUP_OK || !request->more) {
		fd_arm(handle);
	}
	return code;
}

int
raftsup_poll(struct raftsup *handle, uint64_t timeout_ns,
    struct raftsup_answer *answer)
{
	struct op *op;

	if (!handle_is_ours(handle)) {
		*answer = (struct raftsup_answer){
			.code = RAFTSUP_USAGE,
			.text = handle->error,
		};
		return RAFTSUP_USAGE;
	}
	answer_take_back(handle);
	if (handle->held > 0) {
		flight_flush(handle);
	}
	if (TAILQ_EMPTY(&handle->done) && handle->in_flight > 0) {
		wait_for(handle, NULL, timeout_ns == 0 ? 0 :
		    time_add(clock_now_ns(), timeout_ns));
	}
	op = TAILQ_FIRST(&handle->done);
	if (op == NULL) {
		*answer = (struct raftsup_answer){
			.code = RAFTSUP_NOT_FOUND,
			.text = "no answer yet",
		};
		fd_arm(handle);
		return RAFTSUP_NOT_FOUND;
	}
	TAILQ_REMOVE(&handle->done, op, link);
	handle->in_flight--;
	answer_hand(handle, op, answer);
	fd_arm(handle);
	return RAFTSUP_OK;
}

size_t
raftsup_in_flight(const struct raftsup *handle)
{
	return handle->in_flight;
}

static int
submit(struct raftsup *handle, const struct raftsup_request *request,
    uint64_t tag)
{
	int code = limits_check(handle, request);
	struct op *op;

	if (code != 0) {
		return code;
	}
	if (handle->in_flight >= RAFTSUP_IN_FLIGHT_MAX ||
	    (op = op_new(handle, OP_ASYNC)) == NULL) {
		return handle_fail(handle, RAFTSUP_NOT_APPLIED,
		    "%d requests are in flight: poll for answers first",
		    RAFTSUP_IN_FLIGHT_MAX);
	}
	code = encode_request(handle, op, request);
	if (code != 0) {
		session_release(handle, op);
		op_free(handle, op);
		return code;
	}
	op->tag = tag;
	handle->in_flight++;
	flight_submit(handle, op, handle->held > 0 ? handle->held_ns :
	    clock_now_ns(), flight_timeout(handle, op), request->more);
	return RAFTSUP_OK;
}
