/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One committed entry: the gate of its session, then the function of its op.
 *
 *	decode --bad--> KV_BAD_COMMAND
 *	   |
 *	log time goes on; some of what has expired goes
 *	   |
 *	   +-- OPEN, CLOSE, SETTLE, NO-OP without a session: the function
 *	   |
 *	   +-- the session is unknown ---------> KV_SESSION_UNKNOWN
 *	       sequence < lowest open ---------> KV_SEQUENCE_OLD
 *	       sequence beyond the window -----> KV_SEQUENCE_FAR
 *	       its answer is stored -----------> that answer
 *	       else: the function, store its answer
 *
 * A refused comparison is an answer like any other and is stored too: a
 * retry must not compare again.  The functions return ERR_OK or what the
 * table gives; what a command may be refused for they know before they
 * write.
 */
#include "kv/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_LENGTH_MAX 20 /* of INT64_MIN */

/* Removed by one entry at most: a bound for its work. */
#define EXPIRED_KEYS_MAX     4
#define EXPIRED_BY_TICK_MAX  256
#define EXPIRED_SESSIONS_MAX 4

typedef int op_function(struct kv *, const struct kv_command *,
    struct kv_answer *);

static int apply_command(struct kv *, const struct kv_command *,
    struct kv_answer *);
static int apply_in_session(struct kv *, const struct kv_command *,
    struct kv_answer *);
static op_function op_nothing, op_set, op_del, op_cas, op_incr, op_append;
static op_function op_open, op_close, op_settle, op_set_ttl;
static int advance(struct kv *, const struct kv_command *);
static int session_of(struct kv *, uint64_t id, struct kv_session **);
static int put_value(struct kv *, struct kv_slice key,
    const struct kv_data *old, uint64_t expires_ns, struct kv_slice value);

static op_function *const op_functions[] = {
	[KV_OP_NOOP] = op_nothing,
	[KV_OP_SUBMIT] = op_nothing,
	[KV_OP_SET] = op_set,
	[KV_OP_DEL] = op_del,
	[KV_OP_CAS] = op_cas,
	[KV_OP_INCR] = op_incr,
	[KV_OP_APPEND] = op_append,
	[KV_OP_OPEN] = op_open,
	[KV_OP_CLOSE] = op_close,
	[KV_OP_SETTLE] = op_settle,
	[KV_OP_SET_TTL] = op_set_ttl,
	[KV_OP_TICK] = op_nothing,
	[KV_OP_TXN] = kv_txn_apply,
};

int
kv_apply(struct kv *kv, uint64_t index, uint64_t term, bool is_command,
    const void *data, size_t size, struct kv_answer *answer)
{
	struct kv_command command;
	int code = ERR_OK;

	memset(answer, 0, sizeof(*answer));
	if (kv->failed != ERR_OK) {
		return kv->failed;
	}
	assert(index == kv->position.applied_index + 1);
	answer->index = index;
	kv->entry_index = index;
	kv->entry_parts = 0;
	if (!is_command || data == NULL) {
		answer->op = KV_OP_NOOP;
	} else if (kv_command_decode(&command, data, size) != ERR_OK ||
	    !kv_op_is_write(command.op)) {
		answer->status = KV_BAD_COMMAND;
	} else {
		answer->op = command.op;
		code = advance(kv, &command);
		if (code == ERR_OK) {
			code = apply_command(kv, &command, answer);
		}
	}
	if (code != ERR_OK) {
		kv->failed = code;
		return code;
	}
	kv->position.applied_index = index;
	kv->position.applied_term = term;
	return ERR_OK;
}

uint64_t
kv_expect(struct kv *kv, const void *data, size_t size)
{
	struct kv_slice key;

	if (kv->table.expect == NULL || data == NULL) {
		return 0;
	}
	key = kv_command_only_key(data, size);
	return key.size != 0 ? kv->table.expect(kv->table.arg, key) : 0;
}

void
kv_expect_there(struct kv *kv, uint64_t place)
{
	if (place != 0) {
		kv->table.expect_there(kv->table.arg, place);
	}
}

/* Log time, and what it takes with it. */
static int
advance(struct kv *kv, const struct kv_command *command)
{
	int code;

	/* No leader's clock is that old: times to live cannot overflow. */
	if (command->stamp_ns <= INT64_MAX &&
	    command->stamp_ns > kv->position.log_time_ns) {
		kv->position.log_time_ns = command->stamp_ns;
	}
	code = kv_sessions_expire(kv, EXPIRED_SESSIONS_MAX);
	if (code == ERR_OK) {
		code = kv_expire(kv, command->op == KV_OP_TICK ?
			EXPIRED_BY_TICK_MAX :
			EXPIRED_KEYS_MAX);
	}
	return code;
}

static int
apply_command(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	assert(command->op < COUNT_OF(op_functions) &&
	    op_functions[command->op] != NULL);
	if (command->session != 0 && command->op != KV_OP_CLOSE) {
		return apply_in_session(kv, command, answer);
	}
	return op_functions[command->op](kv, command, answer);
}

static int
apply_in_session(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	const struct kv_stored_answer *stored;
	uint64_t lowest_open, index = answer->index;
	struct kv_session *session;
	struct kv_slice bytes;
	int code = session_of(kv, command->session, &session);

	if (code != ERR_OK || session == NULL) {
		answer->status = KV_SESSION_UNKNOWN;
		return code;
	}
	lowest_open = session->lowest_open;
	if (command->sequence < lowest_open) {
		answer->status = KV_SEQUENCE_OLD;
		kv_session_touch(kv, session, index, lowest_open);
		return ERR_OK;
	}
	if (command->lowest_open > lowest_open) {
		lowest_open = command->lowest_open;
	}
	if (command->sequence - lowest_open >= KV_SESSION_WINDOW) {
		answer->status = KV_SEQUENCE_FAR;
		kv_session_touch(kv, session, index, session->lowest_open);
		return ERR_OK;
	}
	kv_session_touch(kv, session, index, lowest_open);
	stored = kv_session_answer(session, command->sequence);
	if (stored != NULL) {
		bytes = kv_stored_answer_bytes(stored);
		return kv_answer_decode(answer, bytes.data, bytes.size);
	}
	if (command->op == KV_OP_TXN &&
	    session->answers_size > KV_SESSION_ANSWERS_SIZE_MAX) {
		answer->status = KV_SEQUENCE_FAR;
		return ERR_OK;
	}
	code = kv_session_reserve(session, command->sequence);
	if (code == ERR_OK) {
		code = op_functions[command->op](kv, command, answer);
	}
	if (code == ERR_OK) {
		code = kv_session_store(session, command->sequence, answer);
	}
	return code;
}

/* Awake; NULL: there is none, or it is over and goes now. */
static int
session_of(struct kv *kv, uint64_t id, struct kv_session **session)
{
	struct kv_session *found = kv_session_find(kv, id);

	*session = NULL;
	if (found == NULL) {
		return ERR_OK;
	}
	if (kv_session_is_over(kv, found)) {
		return kv_session_close(kv, found);
	}
	*session = found;
	return kv_session_wake(kv, found);
}

static int
op_nothing(struct kv *kv UNUSED, const struct kv_command *command UNUSED,
    struct kv_answer *answer UNUSED)
{
	return ERR_OK;
}

static int
op_set(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer UNUSED)
{
	struct kv_data old;
	int code = kv_data_get(kv, command->key, &old);

	if (code != ERR_OK) {
		return code;
	}
	return put_value(kv, command->key, &old, NEVER_NS, command->value);
}

static int
op_set_ttl(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer UNUSED)
{
	struct kv_data old;
	int code = kv_data_get(kv, command->key, &old);

	if (code != ERR_OK) {
		return code;
	}
	return put_value(kv, command->key, &old,
	    kv_expires_ns(kv, command->number), command->value);
}

static int
op_del(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct kv_slice rest = command->value, key;
	struct kv_data old;
	uint32_t i;
	int code;

	/* A key named twice is there only the first time. */
	for (i = 0; i < command->key_count; i++) {
		key = kv_command_next_key(&rest);
		code = kv_data_get(kv, key, &old);
		if (code == ERR_OK && old.is_found) {
			code = kv_data_del(kv, key, &old, KV_EVENT_DEL);
			answer->number++;
		}
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

static int
op_cas(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	const struct kv_slice *expected = &command->expected;
	struct kv_data old;
	int code = kv_data_get(kv, command->key, &old);

	if (code != ERR_OK) {
		return code;
	}
	if (!old.is_found) {
		answer->status = KV_NOT_FOUND;
		return ERR_OK;
	}
	if (old.value.size != expected->size ||
	    memcmp(old.value.data, expected->data, expected->size) != 0) {
		answer->status = KV_NOT_EQUAL;
		return ERR_OK;
	}
	return put_value(kv, command->key, &old, NEVER_NS, command->value);
}

static int
op_incr(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	char text[NUMBER_LENGTH_MAX + 1];
	struct kv_data old;
	int64_t number = 0;
	int code = kv_data_get(kv, command->key, &old);

	if (code != ERR_OK) {
		return code;
	}
	if (old.is_found && !kv_parse_number(old.value, &number)) {
		answer->status = KV_NOT_A_NUMBER;
		return ERR_OK;
	}
	if (__builtin_add_overflow(number, command->number, &number)) {
		answer->status = KV_OVERFLOW;
		return ERR_OK;
	}
	answer->number = number;
	snprintf(text, sizeof(text), "%" PRId64, number);
	return put_value(kv, command->key, &old, old.expires_ns,
	    kv_slice(text, strlen(text)));
}

static int
op_append(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	const struct kv_slice *more = &command->value;
	uint8_t *to = kv_data_value(kv);
	struct kv_data old;
	int code = kv_data_get(kv, command->key, &old);

	if (code != ERR_OK) {
		return code;
	}
	if (more->size > KV_VALUE_SIZE_MAX - old.value.size) {
		answer->status = KV_TOO_LARGE;
		return ERR_OK;
	}
	if (old.value.size != 0) {
		memcpy(to, old.value.data, old.value.size);
	}
	if (more->size != 0) {
		memcpy(to + old.value.size, more->data, more->size);
	}
	answer->number = (int64_t)(old.value.size + more->size);
	return kv_data_put(kv, command->key, &old, old.expires_ns,
	    old.value.size + more->size);
}

static int
op_open(struct kv *kv, const struct kv_command *command UNUSED,
    struct kv_answer *answer)
{
	answer->number = (int64_t)answer->index;
	return kv_session_open(kv, answer->index);
}

static int
op_close(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct kv_session *session;
	int code = session_of(kv, command->session, &session);

	if (code != ERR_OK || session == NULL) {
		answer->status = KV_SESSION_UNKNOWN;
		return code;
	}
	return kv_session_close(kv, session);
}

static int
op_settle(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct kv_session *session;
	uint64_t sequence = (uint64_t)command->number;
	const struct kv_stored_answer *stored;
	struct kv_answer cancelled = {.status = KV_CANCELLED,
	    .op = KV_OP_SETTLE,
	    .index = answer->index};
	int code = session_of(kv, command->target, &session);

	if (code != ERR_OK || session == NULL) {
		answer->status = KV_SESSION_UNKNOWN;
		return code;
	}
	kv_session_touch(kv, session, answer->index, session->lowest_open);
	if (sequence < session->lowest_open) {
		answer->status = KV_SEQUENCE_OLD;
		return ERR_OK;
	}
	if (sequence - session->lowest_open >= KV_SESSION_WINDOW) {
		answer->status = KV_SEQUENCE_FAR;
		return ERR_OK;
	}
	stored = kv_session_answer(session, sequence);
	if (stored == NULL) {
		answer->status = KV_NOT_APPLIED;
		code = kv_session_reserve(session, sequence);
		if (code == ERR_OK) {
			code = kv_session_store(session, sequence, &cancelled);
		}
		return code;
	}
	answer->value = kv_stored_answer_bytes(stored);
	code = kv_answer_decode(&cancelled, answer->value.data,
	    answer->value.size);
	if (code == ERR_OK && cancelled.status == KV_CANCELLED) {
		answer->status = KV_NOT_APPLIED;
		answer->value = kv_slice(NULL, 0);
	}
	return code;
}

static int
put_value(struct kv *kv, struct kv_slice key, const struct kv_data *old,
    uint64_t expires_ns, struct kv_slice value)
{
	if (value.size != 0) {
		memcpy(kv_data_value(kv), value.data, value.size);
	}
	return kv_data_put(kv, key, old, expires_ns, value.size);
}
