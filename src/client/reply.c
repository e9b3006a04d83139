/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the nodes answer.
 *
 *	OK			the op is done, whichever attempt it was
 *	NOT_LEADER, BUSY	that attempt is settled; ask another, or later
 *	FULL, BAD, DAMAGED	settled, and asking again does not help
 *	LOST			perhaps; ask again under the same sequence
 *
 * A session that is unknown to the state machine: the attempt that says so
 * was not carried out.  If no other one is unsettled, the write goes on in a
 * new session; if one is, it may have been carried out before the session
 * was evicted, and nobody can tell.
 *
 * A reply's bytes are copied before they are believed.
 */
#include "client/handle.h"

#include <stdio.h>
#include <string.h>

/* Replies of one node before the others' turn. */
#define TURN_MAX	64

static bool	receive_from(struct raftsup *, uint32_t slot);
static void	take(struct raftsup *, uint32_t slot, const uint8_t *,
		    size_t size);
static struct op *op_of(struct raftsup *, uint64_t id);
static void	take_answer(struct raftsup *, struct op *,
		    const struct wire_reply *);
static void	take_refusal(struct raftsup *, struct op *, uint32_t slot,
		    bool is_last, const struct wire_reply *);
static void	refuse_for_good(struct raftsup *, struct op *, int code,
		    const char *text);
static void	session_is_unknown(struct raftsup *, struct op *);
static void	is_refused(struct raftsup *, uint32_t slot, uint32_t leader);
static void	ask_again(struct raftsup *, struct op *, bool is_last);

bool
reply_receive(struct raftsup *handle)
{
	bool any = false;
	uint32_t slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (handle->nodes[slot].rx != NULL &&
		    receive_from(handle, slot)) {
			any = true;
		}
	}
	return any;
}

static bool
receive_from(struct raftsup *handle, uint32_t slot)
{
	struct channel_rx *rx = handle->nodes[slot].rx;
	struct channel_message message;
	enum channel_verdict verdict;
	int i;

	for (i = 0; i < TURN_MAX; i++) {
		verdict = channel_receive(rx, &message);
		if (verdict == CHANNEL_EMPTY) {
			break;
		}
		if (verdict == CHANNEL_MESSAGE) {
			if (message.type == WIRE_REPLY) {
				take(handle, slot, message.data,
				    message.size);
			}
			channel_release(rx);
		}
	}
	if (i > 0) {
		channel_done(rx);
	}
	return i > 0;
}

static void
take(struct raftsup *handle, uint32_t slot, const uint8_t *data, size_t size)
{
	struct wire_reply reply;
	struct op *op;
	bool is_last;

	if (wire_decode_reply(&reply, data, size) != ERR_OK) {
		return;
	}
	op = op_of(handle, reply.id);
	if (op == NULL) {
		return;
	}
	is_last = reply.id >> 16 == op->attempt_last;
	if (reply.result == WIRE_OK) {
		take_answer(handle, op, &reply);
	} else if (reply.result == WIRE_LOST) {
		is_refused(handle, slot, reply.leader);
		ask_again(handle, op, is_last);
	} else {
		take_refusal(handle, op, slot, is_last, &reply);
	}
}

/* The op of an attempt that still matters. */
static struct op *
op_of(struct raftsup *handle, uint64_t id)
{
	struct op *op;

	if ((id & 0xffff) >= OPS_COUNT) {
		return NULL;
	}
	op = &handle->ops[id & 0xffff];
	if ((op->state != OP_QUEUED && op->state != OP_SENT) ||
	    !op->published || id >> 16 < op->attempt_first ||
	    id >> 16 > op->attempt_last) {
		return NULL;
	}
	return op;
}

static void
take_answer(struct raftsup *handle, struct op *op,
    const struct wire_reply *reply)
{
	struct kv_answer answer;

	if (bytes_reserve(handle, &op->reply, reply->size) != 0) {
		return;		/* asked again later */
	}
	memcpy(op->reply.data, reply->answer, reply->size);
	op->reply.size = reply->size;
	if (kv_answer_decode(&answer, op->reply.data, op->reply.size) !=
	    ERR_OK) {
		return;
	}
	handle->pause_ns = PAUSE_NS_MIN;
	handle->waiting_for = NULL;
	handle->slice_ns = SLICE_NS_MIN;
	if (op->in_session && answer.status == KV_SESSION_UNKNOWN &&
	    op->role != OP_CLOSE) {
		session_is_unknown(handle, op);
		return;
	}
	if (op->in_session && answer.status == KV_SEQUENCE_FAR) {
		if (op->unsettled > 0) {
			op->unsettled--;
		}
		op->encoded = false;
		flight_pause(handle, clock_now_ns(), "the session is full");
		ask_again(handle, op, true);
		return;
	}
	if (op->role == OP_OPEN) {
		if (answer.status == KV_OK && answer.number > 0) {
			session_begin(handle, (uint64_t)answer.number);
		}
		op->answer = (struct raftsup_answer){ .code = RAFTSUP_OK };
	} else {
		answer_from_kv(handle, op, &answer);
	}
	flight_finish(handle, op);
}

static void
take_refusal(struct raftsup *handle, struct op *op, uint32_t slot,
    bool is_last, const struct wire_reply *reply)
{
	uint64_t now_ns = clock_now_ns();

	if (op->unsettled > 0) {
		op->unsettled--;
	}
	switch (reply->result) {
	case WIRE_NOT_LEADER:
		if (handle->node != 0 && op->unsettled == 0) {
			if (reply->leader != 0) {
				snprintf(handle->error,
				    sizeof(handle->error),
				    "node %u does not lead: node %u does",
				    handle->node, reply->leader);
			} else {
				snprintf(handle->error,
				    sizeof(handle->error),
				    "node %u does not lead", handle->node);
			}
			refuse_for_good(handle, op, RAFTSUP_NOT_APPLIED,
			    handle->error);
			return;
		}
		is_refused(handle, slot, reply->leader);
		break;
	case WIRE_BUSY:
		flight_pause(handle, now_ns, "the leader is busy");
		break;
	case WIRE_FULL:
		if (op->unsettled == 0) {
			refuse_for_good(handle, op, RAFTSUP_NOT_APPLIED,
			    "the disk is full");
			return;
		}
		flight_pause(handle, now_ns, "the disk is full");
		break;
	case WIRE_DAMAGED:
		refuse_for_good(handle, op, RAFTSUP_NOT_APPLIED,
		    "the node's store is damaged there");
		return;
	default:
		refuse_for_good(handle, op, RAFTSUP_INTERNAL,
		    "the node calls the request malformed");
		return;
	}
	ask_again(handle, op, is_last);
}

static void
refuse_for_good(struct raftsup *handle, struct op *op, int code,
    const char *text)
{
	if (op->role == OP_OPEN) {
		flight_fail_sessionless(handle, code, text);
	}
	if (op->unsettled > 0 && op->kind == WIRE_WRITE) {
		answer_maybe(op, text);
	} else {
		answer_fail(op, code, "%s", text);
	}
	flight_finish(handle, op);
}

static void
session_is_unknown(struct raftsup *handle, struct op *op)
{
	if (op->unsettled > 0) {
		op->unsettled--;
	}
	if (op->session == handle->session) {
		session_end(handle);
	}
	if (op->unsettled > 0) {
		answer_maybe(op, "the session was evicted meanwhile");
		flight_finish(handle, op);
		return;
	}
	op->session = 0;
	op->sequence = 0;
	op->encoded = false;
	ask_again(handle, op, true);
}

/* By the node that was taken for the leader: if the hints name another one
 * it is asked at once, else a little later. */
static void
is_refused(struct raftsup *handle, uint32_t slot, uint32_t leader)
{
	if (!leader_refused(handle, slot, leader)) {
		return;
	}
	flight_pause(handle, clock_now_ns(), "no leader");
	if (leader_watch(handle)) {
		flight_requeue_all(handle);
	}
}

/* Unless another attempt is under way already. */
static void
ask_again(struct raftsup *handle, struct op *op, bool is_last)
{
	if (is_last && op->state == OP_SENT) {
		flight_requeue(handle, op);
	}
}
