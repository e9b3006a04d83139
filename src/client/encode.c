/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests as bytes: a wire header, filled in at each attempt, and a kv
 * command.
 *
 * When a sequence can be assigned at once, which is nearly always, the
 * caller's bytes are encoded once, into the op.  A write that has to wait
 * for a session or for room in the window is encoded under a placeholder,
 * and again when its turn comes.
 */
#include "client/handle.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"

/* Of a command without its key, value and expected. */
#define COMMAND_HEAD_SIZE_MAX	128

static const enum kv_op kv_ops[] = {
	[RAFTSUP_GET] = KV_OP_GET,
	[RAFTSUP_SET] = KV_OP_SET,
	[RAFTSUP_DEL] = KV_OP_DEL,
	[RAFTSUP_CAS] = KV_OP_CAS,
	[RAFTSUP_INCR] = KV_OP_INCR,
	[RAFTSUP_APPEND] = KV_OP_APPEND,
	[RAFTSUP_LIST] = KV_OP_LIST,
	[RAFTSUP_COUNT] = KV_OP_COUNT,
	[RAFTSUP_NOOP] = KV_OP_NOOP,
	[RAFTSUP_SUBMIT] = KV_OP_SUBMIT,
	[RAFTSUP_OUTCOME] = KV_OP_SETTLE,
	[RAFTSUP_TXN] = KV_OP_TXN,
	[RAFTSUP_WATCH] = KV_OP_WATCH,
};

static bool	is_read(enum raftsup_operation);
static int	command_of(struct raftsup *, struct kv_command *,
		    const struct raftsup_request *);
static int	put_keys(struct raftsup *, struct kv_command *,
		    const struct raftsup_request *);
static void	operation_of(struct kv_command *,
		    const struct raftsup_request *);
static size_t	keys_size(const struct raftsup_request *);
static uint8_t	*pack_keys(uint8_t *, struct kv_command *,
		    const struct raftsup_request *);
static int	put_txn(struct raftsup *, struct kv_command *,
		    const struct raftsup_request *);
static uint8_t	*branch_of(struct kv_command *, uint8_t *,
		    const struct raftsup_request *, size_t count);
static int	put_command(struct raftsup *, struct op *,
		    struct kv_command *);

int
encode_request(struct raftsup *handle, struct op *op,
    const struct raftsup_request *request)
{
	struct kv_command command;
	int code;

	op->operation = request->operation;
	op->watched = request->position;
	if (request->operation == RAFTSUP_WATCH) {
		op->kind = WIRE_WATCH;
		op->patience_ns = WATCH_PATIENCE_NS;
	} else if (is_read(request->operation)) {
		op->kind = request->consistency == RAFTSUP_STALE ?
		    WIRE_READ_STALE :
		    request->consistency == RAFTSUP_READ_INDEX ?
		    WIRE_READ_INDEX : WIRE_READ;
	} else {
		op->kind = WIRE_WRITE;
		op->in_session = request->operation != RAFTSUP_OUTCOME;
	}
	op->target_session = request->session;
	op->target_sequence = request->sequence;
	code = command_of(handle, &command, request);
	if (code != 0) {
		return code;
	}
	if (op->in_session && handle->session != 0 &&
	    TAILQ_EMPTY(&handle->queued) && session_has_room(handle)) {
		session_assign(handle, op);
	}
	return put_command(handle, op, &command);
}

int
encode_internal(struct raftsup *handle, struct op *op, enum kv_op kv_op)
{
	struct kv_command command = { .op = kv_op };

	op->operation = 0;
	op->kind = WIRE_WRITE;
	if (kv_op == KV_OP_CLOSE) {
		op->in_session = true;
		session_assign(handle, op);
	}
	return put_command(handle, op, &command);
}

int
encode_sequence(struct raftsup *handle, struct op *op)
{
	struct kv_command command;
	struct buffer old = op->request;
	int code;

	assert(op->session != 0);
	if (kv_command_decode(&command, old.data + WIRE_REQUEST_SIZE,
		old.size - WIRE_REQUEST_SIZE) != ERR_OK) {
		return handle_fail(handle, RAFTSUP_INTERNAL,
		    "a command of its own cannot be read again");
	}
	/* The other buffer is filled from this one. */
	op->request = handle->scratch;
	code = put_command(handle, op, &command);
	if (code != 0) {
		handle->scratch = op->request;
		op->request = old;
	} else {
		handle->scratch = old;
	}
	return code;
}

static bool
is_read(enum raftsup_operation operation)
{
	return operation == RAFTSUP_GET || operation == RAFTSUP_LIST ||
	    operation == RAFTSUP_COUNT;
}

static int
command_of(struct raftsup *handle, struct kv_command *command,
    const struct raftsup_request *request)
{
	operation_of(command, request);
	if (request->operation == RAFTSUP_DEL) {
		return put_keys(handle, command, request);
	}
	return request->operation == RAFTSUP_TXN ?
	    put_txn(handle, command, request) : 0;
}

/* All but the keys of a DEL and what a TXN consists of. */
static void
operation_of(struct kv_command *command, const struct raftsup_request *request)
{
	*command = (struct kv_command){ .op = kv_ops[request->operation] };
	switch (request->operation) {
	case RAFTSUP_CAS:
		command->expected.data = request->expected;
		command->expected.size = request->expected_size;
		FALLTHROUGH;
	case RAFTSUP_SET:
	case RAFTSUP_APPEND:
	case RAFTSUP_LIST:
		command->value.data = request->value;
		command->value.size = request->value_size;
		FALLTHROUGH;
	case RAFTSUP_GET:
	case RAFTSUP_COUNT:
	case RAFTSUP_INCR:
	case RAFTSUP_WATCH:
		command->key.data = request->key;
		command->key.size = request->key_size;
		break;
	case RAFTSUP_SUBMIT:
		command->value.data = request->value;
		command->value.size = request->value_size;
		break;
	case RAFTSUP_OUTCOME:
		command->target = request->session;
		command->number = (int64_t)request->sequence;
		break;
	case RAFTSUP_DEL:
	case RAFTSUP_NOOP:
	case RAFTSUP_TXN:
		break;
	}
	if (request->operation == RAFTSUP_INCR) {
		command->number = request->number;
	} else if (request->operation == RAFTSUP_SET && request->ttl_ns != 0) {
		command->op = KV_OP_SET_TTL;
		command->number = (int64_t)request->ttl_ns;
	} else if (request->operation == RAFTSUP_WATCH) {
		command->number = (int64_t)request->position.index;
		command->target = request->position.skip;
	}
}

/* All keys, one after the other, through the scratch buffer. */
static int
put_keys(struct raftsup *handle, struct kv_command *command,
    const struct raftsup_request *request)
{
	int code = bytes_reserve(handle, &handle->scratch,
	    keys_size(request));

	if (code == 0) {
		pack_keys(handle->scratch.data, command, request);
	}
	return code;
}

static size_t
keys_size(const struct raftsup_request *request)
{
	size_t i, size = 0;

	if (request->keys == NULL) {
		return ENCODE_KEY_HEAD_SIZE + request->key_size;
	}
	for (i = 0; i < request->key_count; i++) {
		size += ENCODE_KEY_HEAD_SIZE + request->key_sizes[i];
	}
	return size;
}

/* Returns where they end. */
static uint8_t *
pack_keys(uint8_t *to, struct kv_command *command,
    const struct raftsup_request *request)
{
	const void *const one[] = { request->key };
	const size_t one_size[] = { request->key_size };
	const void *const *keys = request->keys;
	const size_t *sizes = request->key_sizes;
	size_t i, count = request->key_count;

	if (keys == NULL) {
		keys = one;
		sizes = one_size;
		count = 1;
	}
	command->value.data = to;
	for (i = 0; i < count; i++) {
		bytes_put_u16(to, (uint16_t)sizes[i]);
		memcpy(to + ENCODE_KEY_HEAD_SIZE, keys[i], sizes[i]);
		to += ENCODE_KEY_HEAD_SIZE + sizes[i];
	}
	command->value.size = (size_t)(to -
	    (const uint8_t *)command->value.data);
	command->key_count = (uint32_t)count;
	return to;
}

/* Its keys, and then itself, through the scratch buffer. */
static int
put_txn(struct raftsup *handle, struct kv_command *command,
    const struct raftsup_request *request)
{
	struct kv_command operations[2 * RAFTSUP_TXN_MAX];
	struct kv_compare compares[RAFTSUP_TXN_MAX];
	struct kv_txn txn = {
		.compares = compares,
		.compare_count = request->compare_count,
		.then = operations,
		.then_count = request->then_count,
		.otherwise = operations + request->then_count,
		.otherwise_count = request->otherwise_count,
	};
	size_t i;
	uint8_t *to;
	int size;

	for (i = 0; i < request->compare_count; i++) {
		const struct raftsup_compare *from = &request->compares[i];

		compares[i] = (struct kv_compare){
			.kind = (enum kv_compare_kind)from->kind,
			.key = { from->key, from->key_size },
			.value = { from->value, from->value_size },
			.number = from->index,
		};
	}
	/* limits_check() has seen to it that all fits. */
	if (bytes_reserve(handle, &handle->scratch,
		2 * RAFTSUP_VALUE_SIZE_MAX) != 0) {
		return RAFTSUP_INTERNAL;
	}
	to = branch_of(operations, handle->scratch.data, request->then,
	    request->then_count);
	to = branch_of(operations + request->then_count, to,
	    request->otherwise, request->otherwise_count);
	size = kv_txn_encode(&txn, to, RAFTSUP_VALUE_SIZE_MAX);
	if (size < 0) {
		return handle_fail(handle, RAFTSUP_USAGE,
		    "the transaction cannot be encoded: %s", err_text(size));
	}
	command->value = (struct kv_slice){ to, (size_t)size };
	return 0;
}

static uint8_t *
branch_of(struct kv_command *operations, uint8_t *to,
    const struct raftsup_request *requests, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		operation_of(&operations[i], &requests[i]);
		if (requests[i].operation == RAFTSUP_DEL) {
			to = pack_keys(to, &operations[i], &requests[i]);
		}
	}
	return to;
}

static int
put_command(struct raftsup *handle, struct op *op, struct kv_command *command)
{
	size_t capacity = WIRE_REQUEST_SIZE + COMMAND_HEAD_SIZE_MAX +
	    command->key.size + command->value.size + command->expected.size;
	int size;

	if (op->in_session) {
		/* A placeholder, as long as there is no sequence. */
		command->session = op->session != 0 ? op->session : 1;
		command->sequence = op->session != 0 ? op->sequence : 1;
		command->lowest_open = op->session != 0 ?
		    handle->lowest_open : 1;
	}
	if (bytes_reserve(handle, &op->request, capacity) != 0) {
		return RAFTSUP_INTERNAL;
	}
	size = kv_command_encode(command,
	    op->request.data + WIRE_REQUEST_SIZE,
	    op->request.capacity - WIRE_REQUEST_SIZE);
	if (size < 0) {
		return handle_fail(handle, RAFTSUP_INTERNAL,
		    "a command cannot be encoded: %s", err_text(size));
	}
	op->request.size = WIRE_REQUEST_SIZE + (size_t)size;
	op->encoded = !op->in_session || op->session != 0;
	return 0;
}
