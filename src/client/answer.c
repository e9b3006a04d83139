/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the caller is told.
 */
#include "client/handle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/options.h"

static int	code_of(enum kv_status);
static void	fill(struct raftsup_answer *, const struct kv_answer *);
static void	watched(struct op *, const struct kv_answer *);
static void	outcome(struct raftsup *, struct op *,
		    const struct kv_answer *);
static void	set_text(struct op *, const char *fmt, va_list)
		    PRINTF_LIKE(2, 0);
static void	maybe(struct op *, const char *fmt, ...) PRINTF_LIKE(2, 3);

void
answer_fail(struct op *op, int code, const char *fmt, ...)
{
	va_list ap;

	memset(&op->answer, 0, sizeof(op->answer));
	op->answer.code = (enum raftsup_code)code;
	va_start(ap, fmt);
	set_text(op, fmt, ap);
	va_end(ap);
}

void
answer_timeout(struct raftsup *handle, struct op *op)
{
	char timeout[OPTIONS_TIME_TEXT_SIZE];

	options_format_time(handle->timeout_ns, timeout);
	if (op->kind == WIRE_WRITE && op->unsettled > 0) {
		maybe(op, "no answer within %s: it may have been applied",
		    timeout);
	} else if (!handle->running) {
		answer_fail(op, RAFTSUP_NOT_APPLIED,
		    "no cluster is running in %s (start one: raftsup start)",
		    handle->dir);
	} else if (op->state == OP_QUEUED && handle->waiting_for != NULL) {
		answer_fail(op, RAFTSUP_NOT_APPLIED,
		    "not applied within %s: %s", timeout,
		    handle->waiting_for);
	} else {
		answer_fail(op, RAFTSUP_NOT_APPLIED, "no answer within %s",
		    timeout);
	}
}

void
answer_maybe(struct op *op, const char *text)
{
	maybe(op, "%s: it may have been applied", text);
}

void
answer_from_kv(struct raftsup *handle, struct op *op,
    const struct kv_answer *answer)
{
	memset(&op->answer, 0, sizeof(op->answer));
	if (op->operation == RAFTSUP_OUTCOME) {
		outcome(handle, op, answer);
		return;
	}
	if (answer->status == KV_SEQUENCE_OLD) {
		answer_maybe(op, kv_status_text(answer->status));
		return;
	}
	fill(&op->answer, answer);
	op->answer.session = op->session;
	op->answer.sequence = op->sequence;
	if (op->operation == RAFTSUP_WATCH) {
		watched(op, answer);
	} else if (op->operation == RAFTSUP_TXN) {
		op->answer.then = answer->number != 0;
		op->answer.number = 0;
	}
}

static void
fill(struct raftsup_answer *answer, const struct kv_answer *from)
{
	answer->code = (enum raftsup_code)code_of(from->status);
	answer->index = from->index;
	answer->number = from->number;
	answer->value = from->value.data;
	answer->value_size = from->value.size;
	answer->count = from->count;
	answer->more = from->more;
	if (answer->code != RAFTSUP_OK) {
		answer->text = kv_status_text(from->status);
	}
}

/* Where to go on: an answer may end between the events of an entry. */
static void
watched(struct op *op, const struct kv_answer *answer)
{
	struct raftsup_position *position = &op->answer.position;
	struct raftsup_event event;
	size_t at = 0;

	position->index = (uint64_t)answer->number;
	op->answer.number = 0;
	if (answer->status == KV_COMPACTED) {
		snprintf(op->text, sizeof(op->text),
		    "compacted: events from %llu on are available",
		    (unsigned long long)position->index);
		op->answer.text = op->text;
		return;
	}
	if (!answer->more) {
		return;
	}
	if (op->watched.index == position->index) {
		position->skip = op->watched.skip;
	}
	while (raftsup_answer_event(&op->answer, &at, &event)) {
		position->skip += event.index == position->index ? 1 : 0;
	}
}

int
answer_hand(struct raftsup *handle, struct op *op,
    struct raftsup_answer *answer)
{
	answer_take_back(handle);
	op->state = OP_HANDED;
	handle->handed = op;
	op->answer.tag = op->tag;
	if (op->answer.code != RAFTSUP_OK) {
		snprintf(handle->error, sizeof(handle->error), "%s",
		    op->answer.text);
	}
	if (answer != NULL) {
		*answer = op->answer;
	}
	return (int)op->answer.code;
}

void
answer_take_back(struct raftsup *handle)
{
	if (handle->handed != NULL) {
		op_free(handle, handle->handed);
		handle->handed = NULL;
	}
}

bool
raftsup_answer_next(const struct raftsup_answer *answer, size_t *position,
    const void **key, size_t *key_size, const void **value,
    size_t *value_size)
{
	const uint8_t *data = answer->value, *at;
	size_t left, size;

	if (answer->code != RAFTSUP_OK || data == NULL ||
	    *position > answer->value_size) {
		return false;
	}
	left = answer->value_size - *position;
	at = data + *position;
	if (left < 2) {
		return false;
	}
	size = bytes_get_u16(at);
	if (left - 2 < size || left - 2 - size < 4) {
		return false;
	}
	*key = at + 2;
	*key_size = size;
	at += 2 + size;
	left -= 2 + size;
	size = bytes_get_u32(at);
	if (left - 4 < size) {
		return false;
	}
	*value = at + 4;
	*value_size = size;
	*position = (size_t)(at - data) + 4 + size;
	return true;
}

bool
raftsup_answer_result(const struct raftsup_answer *answer, size_t *position,
    struct raftsup_answer *result)
{
	struct kv_slice rest;
	struct kv_answer one;

	if (answer->code != RAFTSUP_OK || answer->value == NULL ||
	    *position > answer->value_size) {
		return false;
	}
	rest.data = (const uint8_t *)answer->value + *position;
	rest.size = answer->value_size - *position;
	if (kv_txn_next_answer(&rest, &one) != ERR_OK) {
		return false;
	}
	*position = answer->value_size - rest.size;
	memset(result, 0, sizeof(*result));
	fill(result, &one);
	return true;
}

bool
raftsup_answer_event(const struct raftsup_answer *answer, size_t *position,
    struct raftsup_event *event)
{
	struct kv_slice rest;
	struct kv_event one;

	if (answer->code != RAFTSUP_OK || answer->value == NULL ||
	    *position > answer->value_size) {
		return false;
	}
	rest.data = (const uint8_t *)answer->value + *position;
	rest.size = answer->value_size - *position;
	if (kv_event_next(&rest, &one) != ERR_OK) {
		return false;
	}
	*position = answer->value_size - rest.size;
	event->type = (enum raftsup_event_type)one.type;
	event->index = one.index;
	event->key = one.key.data;
	event->key_size = one.key.size;
	event->value = one.value.data;
	event->value_size = one.value.size;
	return true;
}

static int
code_of(enum kv_status status)
{
	switch (status) {
	case KV_OK:
		return RAFTSUP_OK;
	case KV_NOT_FOUND:
		return RAFTSUP_NOT_FOUND;
	case KV_NOT_EQUAL:
		return RAFTSUP_NOT_EQUAL;
	case KV_NOT_A_NUMBER:
		return RAFTSUP_NOT_A_NUMBER;
	case KV_OVERFLOW:
		return RAFTSUP_OVERFLOW;
	case KV_TOO_LARGE:
		return RAFTSUP_TOO_LONG;
	case KV_SESSION_UNKNOWN:
	case KV_SEQUENCE_OLD:
	case KV_SEQUENCE_FAR:
	case KV_CANCELLED:
	case KV_NOT_APPLIED:
	case KV_TABLE_FAILED:
	case KV_DUE:
		return RAFTSUP_NOT_APPLIED;
	case KV_COMPACTED:
		return RAFTSUP_COMPACTED;
	case KV_BAD_COMMAND:
		break;
	}
	return RAFTSUP_INTERNAL;
}

/* Of a write of this session or another's: what its answer was. */
static void
outcome(struct raftsup *handle, struct op *op, const struct kv_answer *answer)
{
	struct kv_answer settled;

	op->answer.session = op->target_session;
	op->answer.sequence = op->target_sequence;
	op->answer.index = answer->index;
	switch (answer->status) {
	case KV_OK:
		if (kv_answer_decode(&settled, answer->value.data,
			answer->value.size) != ERR_OK) {
			break;
		}
		op->answer.applied = true;
		op->answer.index = settled.index;
		op->answer.number = settled.number;
		if (settled.status != KV_OK) {
			op->answer.text = kv_status_text(settled.status);
		}
		session_settled(handle, op->target_session,
		    op->target_sequence);
		return;
	case KV_NOT_APPLIED:
		session_settled(handle, op->target_session,
		    op->target_sequence);
		return;
	case KV_SESSION_UNKNOWN:
	case KV_SEQUENCE_OLD:
	case KV_SEQUENCE_FAR:
		/* Nothing is known of it, and never will be. */
		op->answer.code = RAFTSUP_NOT_FOUND;
		op->answer.text = kv_status_text(answer->status);
		return;
	default:
		break;
	}
	answer_fail(op, RAFTSUP_INTERNAL, "the outcome cannot be read: %s",
	    kv_status_text(answer->status));
}

static void
set_text(struct op *op, const char *fmt, va_list ap)
{
	vsnprintf(op->text, sizeof(op->text), fmt, ap);
	op->answer.text = op->text;
}

/* What to settle: an outcome is settled by asking for it again. */
static void
maybe(struct op *op, const char *fmt, ...)
{
	bool is_outcome = op->operation == RAFTSUP_OUTCOME;
	va_list ap;

	memset(&op->answer, 0, sizeof(op->answer));
	op->answer.code = RAFTSUP_MAYBE;
	op->answer.session = is_outcome ? op->target_session : op->session;
	op->answer.sequence = is_outcome ? op->target_sequence :
	    op->sequence;
	va_start(ap, fmt);
	set_text(op, fmt, ap);
	va_end(ap);
}
