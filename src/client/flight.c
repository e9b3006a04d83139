/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ops under way: the queue, the sending, the timers.
 *
 * The queue is sent in order and as far as it goes: a write stops for a
 * session, for room in the window or in the ring, and no later write passes
 * it; reads do not wait for writes.  What was sent and has no answer after a
 * while is asked again under the same sequence, more patiently each time;
 * a change of leader asks everything again, in order.
 *
 * What is sent lies in a node's ring until it is published.  Publishing costs
 * more than sending, the leader's next look at the line that says so included,
 * so that all of a turn goes at once (flight_flush()).  And the ops are looked
 * at one by one only when the first of them may have run out of something
 * (look_ns), which is not each time that the cluster is looked at.
 */
#include "client/handle.h"

#include <assert.h>
#include <string.h>

enum sending { SENDING_DONE, SENDING_WAITS, SENDING_STUCK };

static void	enqueue(struct raftsup *, struct op *);
static enum sending send_op(struct raftsup *, struct op *,
		    const struct target *, uint64_t now_ns);
static bool	is_ready(struct raftsup *, struct op *);
static void	begin_turn(struct raftsup *, uint64_t now_ns);
static void	send_queued(struct raftsup *, uint64_t now_ns);
static void	open_session(struct raftsup *, uint64_t now_ns);
static void	look_at_all(struct raftsup *, uint64_t now_ns);
static void	look_at(struct raftsup *, struct op *, uint64_t now_ns);

struct op *
op_new(struct raftsup *handle, enum op_role role)
{
	struct op *op = TAILQ_FIRST(&handle->free_ops);
	struct buffer request, reply;

	if (op == NULL) {
		return NULL;
	}
	TAILQ_REMOVE(&handle->free_ops, op, link);
	request = op->request;
	reply = op->reply;
	memset(op, 0, offsetof(struct op, answer));
	op->text[0] = '\0';
	op->request = request;
	op->reply = reply;
	op->request.size = 0;
	op->reply.size = 0;
	op->role = role;
	op->slot = NO_SLOT;
	op->serial = ++handle->serial;
	op->deadline_ns = NEVER;
	op->patience_ns = PATIENCE_NS_MIN;
	return op;
}

void
op_free(struct raftsup *handle, struct op *op)
{
	op->state = OP_FREE;
	if (handle->buffers_size > BUFFERS_SIZE_MAX) {
		if (op->request.capacity > BUFFER_SIZE_LARGE) {
			buffer_free(handle, &op->request);
		}
		if (op->reply.capacity > BUFFER_SIZE_LARGE) {
			buffer_free(handle, &op->reply);
		}
	}
	/* The one used last is the one whose memory is near. */
	TAILQ_INSERT_HEAD(&handle->free_ops, op, link);
}

void
flight_submit(struct raftsup *handle, struct op *op, uint64_t now_ns,
    uint64_t timeout_ns, bool more)
{
	op->deadline_ns = time_add(now_ns, timeout_ns);
	op->state = OP_QUEUED;
	TAILQ_INSERT_TAIL(&handle->queued, op, link);
	handle->look_ns = time_min(handle->look_ns, op->deadline_ns);
	handle->tick_ns = time_min(handle->tick_ns, op->deadline_ns);
	if (handle->held == 0) {
		begin_turn(handle, now_ns);
	}
	send_queued(handle, now_ns);
	if (!more || ++handle->held == HELD_MAX) {
		flight_flush(handle);
	}
	if (op->serial % LINK_AHEAD_OPS == 0) {
		link_ahead(handle);
	}
}

uint64_t
flight_timeout(const struct raftsup *handle, const struct op *op)
{
	return op->kind == WIRE_WATCH &&
	    handle->timeout_ns < WATCH_TIMEOUT_NS ? WATCH_TIMEOUT_NS :
	    handle->timeout_ns;
}

void
flight_pump(struct raftsup *handle, uint64_t now_ns)
{
	send_queued(handle, now_ns);
	flight_flush(handle);
}

void
flight_flush(struct raftsup *handle)
{
	uint32_t left;

	for (left = handle->unflushed; left != 0; left &= left - 1) {
		link_flush(handle, (uint32_t)__builtin_ctz(left));
	}
	handle->unflushed = 0;
	handle->held = 0;
}

/* The first submission, and those that are published with it. */
static void
begin_turn(struct raftsup *handle, uint64_t now_ns)
{
	handle->held_ns = now_ns;
	handle->slice_ns = SLICE_NS_MIN;
	handle->tick_ns = time_min(handle->tick_ns, now_ns + SLICE_NS_MIN);
	if (handle->opening != NULL) {
		handle->opening->patience_ns = PATIENCE_NS_MIN;
		handle->look_ns = now_ns;
	}
	if (!leader_is_current(handle) && leader_watch(handle)) {
		flight_requeue_all(handle);
	}
}

static void
send_queued(struct raftsup *handle, uint64_t now_ns)
{
	struct op *op, *next;
	struct target target;
	bool writes_wait = false;
	enum sending sending;

	if (!handle->target.valid && leader_watch(handle)) {
		flight_requeue_all(handle);
	}
	if (now_ns < handle->pause_until_ns) {
		return;
	}
	for (op = TAILQ_FIRST(&handle->queued); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->in_session && writes_wait) {
			continue;
		}
		if (!leader_target(handle, op, &target)) {
			handle->waiting_for = "no leader";
			writes_wait = true;
			continue;
		}
		sending = send_op(handle, op, &target, now_ns);
		if (sending == SENDING_STUCK) {
			break;
		}
		if (sending == SENDING_WAITS) {
			writes_wait = true;
		}
	}
	if (writes_wait && handle->target.valid && handle->session == 0) {
		open_session(handle, now_ns);
	}
}

void
flight_tick(struct raftsup *handle, uint64_t now_ns)
{
	bool renewed;

	if (!handle->target.valid) {
		/* Whoever refused may lead again. */
		handle->refused_slot = NO_SLOT;
	}
	renewed = link_renew(handle);
	if (leader_watch(handle) || renewed) {
		flight_requeue_all(handle);
	}
	handle->slice_ns = time_min(2 * handle->slice_ns, SLICE_NS_MAX);
	if (now_ns >= handle->look_ns) {
		look_at_all(handle, now_ns);
	}
	handle->tick_ns = time_min(now_ns + handle->slice_ns,
	    handle->look_ns);
	flight_pump(handle, now_ns);
}

void
flight_requeue(struct raftsup *handle, struct op *op)
{
	assert(op->state == OP_SENT);
	TAILQ_REMOVE(&handle->sent, op, link);
	enqueue(handle, op);
}

/* From the last on: each finds its place at the front. */
void
flight_requeue_all(struct raftsup *handle)
{
	struct op *op, *previous;

	for (op = TAILQ_LAST(&handle->sent, op_list); op != NULL;
	     op = previous) {
		previous = TAILQ_PREV(op, op_list, link);
		flight_requeue(handle, op);
	}
}

void
flight_pause(struct raftsup *handle, uint64_t now_ns, const char *why)
{
	handle->waiting_for = why;
	if (now_ns < handle->pause_until_ns) {
		return;		/* one turn's refusals are one */
	}
	handle->pause_until_ns = now_ns + handle->pause_ns;
	handle->pause_ns = time_min(2 * handle->pause_ns, PAUSE_NS_MAX);
	handle->tick_ns = time_min(handle->tick_ns, handle->pause_until_ns);
}

void
flight_finish(struct raftsup *handle, struct op *op)
{
	assert(op->state == OP_QUEUED || op->state == OP_SENT);
	TAILQ_REMOVE(op->state == OP_QUEUED ? &handle->queued :
	    &handle->sent, op, link);
	op->state = OP_DONE;
	if (op->answer.code == RAFTSUP_MAYBE) {
		session_keep(handle, op);
	} else {
		session_release(handle, op);
	}
	switch (op->role) {
	case OP_ASYNC:
		TAILQ_INSERT_TAIL(&handle->done, op, link);
		break;
	case OP_OPEN:
		handle->opening = NULL;
		op_free(handle, op);
		break;
	case OP_CALL:
	case OP_CLOSE:
		break;		/* somebody waits for it */
	}
}

void
flight_forget_cluster(struct raftsup *handle)
{
	struct op *op, *next;

	session_end(handle);
	flight_requeue_all(handle);
	for (op = TAILQ_FIRST(&handle->queued); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->kind != WIRE_WRITE || op->role == OP_OPEN) {
			continue;
		}
		if (op->in_session && op->unsettled == 0) {
			op->session = 0;
			op->sequence = 0;
			op->encoded = false;
			continue;
		}
		answer_maybe(op, "another cluster runs in the directory");
		flight_finish(handle, op);
	}
}

void
flight_fail_sessionless(struct raftsup *handle, int code, const char *text)
{
	struct op *op, *next;

	for (op = TAILQ_FIRST(&handle->queued); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		if (op->in_session && op->session == 0) {
			answer_fail(op, code, "%s", text);
			flight_finish(handle, op);
		}
	}
}

static void
enqueue(struct raftsup *handle, struct op *op)
{
	struct op *before = TAILQ_FIRST(&handle->queued);

	op->state = OP_QUEUED;
	while (before != NULL && before->serial < op->serial) {
		before = TAILQ_NEXT(before, link);
	}
	if (before != NULL) {
		TAILQ_INSERT_BEFORE(before, op, link);
	} else {
		TAILQ_INSERT_TAIL(&handle->queued, op, link);
	}
}

/* One attempt: queued for the channel, not yet flushed. */
static enum sending
send_op(struct raftsup *handle, struct op *op, const struct target *target,
    uint64_t now_ns)
{
	struct wire_request request;
	struct node *node;
	struct iovec iov;
	int code;

	if (!is_ready(handle, op)) {
		return SENDING_WAITS;
	}
	node = link_node(handle, target->slot);
	if (node == NULL) {
		handle->waiting_for = "no channel to the leader";
		return SENDING_STUCK;
	}
	request.id = (handle->attempt + 1) << 16 |
	    (uint64_t)(op - handle->ops);
	request.kind = op->kind;
	request.size = (uint32_t)(op->request.size - WIRE_REQUEST_SIZE);
	wire_encode_request(&request, op->request.data);
	iov.iov_base = op->request.data;
	iov.iov_len = op->request.size;
	code = channel_send(node->tx, WIRE_REQUEST, target->run, &iov, 1);
	if (code != ERR_OK) {
		/* The ring is full, or a large one is under way. */
		link_flush(handle, target->slot);
		handle->tick_ns = time_min(handle->tick_ns,
		    now_ns + PAUSE_NS_MIN);
		return SENDING_STUCK;
	}
	op->attempt_last = ++handle->attempt;
	if (!op->published) {
		op->published = true;
		op->attempt_first = op->attempt_last;
	}
	op->unsettled++;
	op->slot = target->slot;
	op->sent_ns = now_ns;
	handle->unflushed |= 1u << target->slot;
	handle->look_ns = time_min(handle->look_ns,
	    now_ns + op->patience_ns);
	TAILQ_REMOVE(&handle->queued, op, link);
	TAILQ_INSERT_TAIL(&handle->sent, op, link);
	op->state = OP_SENT;
	return SENDING_DONE;
}

/* Has its sequence, or got it now. */
static bool
is_ready(struct raftsup *handle, struct op *op)
{
	if (op->encoded) {
		return true;
	}
	if (handle->session == 0 || !session_has_room(handle)) {
		return false;
	}
	if (op->session == 0) {
		session_assign(handle, op);
	}
	return encode_sequence(handle, op) == 0;
}

static void
open_session(struct raftsup *handle, uint64_t now_ns)
{
	struct op *op;

	if (handle->opening != NULL) {
		return;
	}
	op = op_new(handle, OP_OPEN);
	if (op == NULL) {
		return;
	}
	if (encode_internal(handle, op, KV_OP_OPEN) != 0) {
		op_free(handle, op);
		return;
	}
	handle->opening = op;
	/* The first of the queue, for it is waited for. */
	op->state = OP_QUEUED;
	op->serial = 0;
	TAILQ_INSERT_HEAD(&handle->queued, op, link);
	/* It is published with what the turn has sent besides. */
	(void)send_op(handle, op, &handle->target, now_ns);
}

/* When will the first of them run out of something? */
static void
look_at_all(struct raftsup *handle, uint64_t now_ns)
{
	struct op *op, *next;

	handle->look_ns = NEVER;
	for (op = TAILQ_FIRST(&handle->queued); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		look_at(handle, op, now_ns);
	}
	for (op = TAILQ_FIRST(&handle->sent); op != NULL; op = next) {
		next = TAILQ_NEXT(op, link);
		look_at(handle, op, now_ns);
	}
}

static void
look_at(struct raftsup *handle, struct op *op, uint64_t now_ns)
{
	if (now_ns >= op->deadline_ns) {
		answer_timeout(handle, op);
		flight_finish(handle, op);
		return;
	}
	handle->look_ns = time_min(handle->look_ns, op->deadline_ns);
	if (op->state != OP_SENT) {
		return;
	}
	if (now_ns < time_add(op->sent_ns, op->patience_ns)) {
		handle->look_ns = time_min(handle->look_ns,
		    time_add(op->sent_ns, op->patience_ns));
	} else {
		op->patience_ns = time_min(2 * op->patience_ns,
		    PATIENCE_NS_MAX);
		/* Was it the wrong one? */
		handle->refused_slot = NO_SLOT;
		if (op->kind == WIRE_READ_STALE) {
			leader_stale_silent(handle);
		}
		flight_requeue(handle, op);
	}
}
