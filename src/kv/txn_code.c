/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transactions as bytes: the value of a KV_OP_TXN, and of its answer.
 *
 *	u16 comparisons	u16 operations of THEN	u16 of ELSE
 *	comparison:	u8 kind, u8 0, u16 size of the key, u32 of the value,
 *			u64 number, key, value
 *	operation:	u32 size, a command without stamp and session
 *
 *	answer:		u32 size, an answer; one for each operation
 */
#include "kv/internal.h"

#include <assert.h>

#include "base/bytes.h"

#define TXN_HEADER_SIZE	    6
#define COMPARE_HEADER_SIZE 16

struct writer {
	uint8_t *to;
	size_t size;
	size_t capacity;
};

static int check_compare(const struct kv_compare *);
static int put_compare(struct writer *, const struct kv_compare *);
static int put_operations(struct writer *, const struct kv_command *,
    size_t count);
static int take_compare(struct kv_slice *rest, struct kv_compare *);
static int take_operation(struct kv_slice *rest, struct kv_command *);
static int check_branch(struct kv_slice *rest, uint32_t count);

int
kv_txn_encode(const struct kv_txn *txn, void *buffer, size_t capacity)
{
	struct writer writer = {
	    .to = buffer,
	    .size = TXN_HEADER_SIZE,
	    .capacity = capacity < KV_VALUE_SIZE_MAX ? capacity :
						       KV_VALUE_SIZE_MAX,
	};
	int code = ERR_OK;
	size_t i;

	if (txn->compare_count > KV_TXN_COMPARES_MAX ||
	    txn->then_count > KV_TXN_OPERATIONS_MAX ||
	    txn->otherwise_count > KV_TXN_OPERATIONS_MAX ||
	    writer.capacity < TXN_HEADER_SIZE) {
		return ERR_TOO_LARGE;
	}
	bytes_put_u16(writer.to, (uint16_t)txn->compare_count);
	bytes_put_u16(writer.to + 2, (uint16_t)txn->then_count);
	bytes_put_u16(writer.to + 4, (uint16_t)txn->otherwise_count);
	for (i = 0; code == ERR_OK && i < txn->compare_count; i++) {
		code = put_compare(&writer, &txn->compares[i]);
	}
	if (code == ERR_OK) {
		code = put_operations(&writer, txn->then, txn->then_count);
	}
	if (code == ERR_OK) {
		code = put_operations(&writer, txn->otherwise,
		    txn->otherwise_count);
	}
	return code == ERR_OK ? (int)writer.size : code;
}

int
kv_txn_check(struct kv_slice value)
{
	struct kv_txn_counts counts;
	struct kv_compare compare;
	int code = ERR_OK;
	uint32_t i;

	if (value.size < TXN_HEADER_SIZE) {
		return ERR_USAGE;
	}
	counts = kv_txn_begin(&value);
	if (counts.compares > KV_TXN_COMPARES_MAX) {
		return ERR_TOO_LARGE;
	}
	for (i = 0; code == ERR_OK && i < counts.compares; i++) {
		code = take_compare(&value, &compare);
	}
	if (code == ERR_OK) {
		code = check_branch(&value, counts.then);
	}
	if (code == ERR_OK) {
		code = check_branch(&value, counts.otherwise);
	}
	return code == ERR_OK && value.size != 0 ? ERR_USAGE : code;
}

struct kv_txn_counts
kv_txn_begin(struct kv_slice *rest)
{
	const uint8_t *from = rest->data;
	struct kv_txn_counts counts = {
	    .compares = bytes_get_u16(from),
	    .then = bytes_get_u16(from + 2),
	    .otherwise = bytes_get_u16(from + 4),
	};

	*rest = kv_slice(from + TXN_HEADER_SIZE, rest->size - TXN_HEADER_SIZE);
	return counts;
}

void
kv_txn_next_compare(struct kv_slice *rest, struct kv_compare *compare)
{
	int code = take_compare(rest, compare);

	assert(code == ERR_OK);
}

void
kv_txn_next_operation(struct kv_slice *rest, struct kv_command *operation)
{
	int code = take_operation(rest, operation);

	assert(code == ERR_OK);
}

int
kv_txn_next_answer(struct kv_slice *rest, struct kv_answer *answer)
{
	const uint8_t *from = rest->data;
	size_t size;

	if (rest->size == 0) {
		return ERR_NOT_FOUND;
	}
	if (rest->size < 4) {
		return ERR_CORRUPT;
	}
	size = bytes_get_u32(from);
	if (size > rest->size - 4) {
		return ERR_CORRUPT;
	}
	*rest = kv_slice(from + 4 + size, rest->size - 4 - size);
	return kv_answer_decode(answer, from + 4, size);
}

static int
check_compare(const struct kv_compare *compare)
{
	bool has_value = compare->kind == KV_COMPARE_EQUAL ||
	    compare->kind == KV_COMPARE_NOT_EQUAL;

	if (compare->kind < KV_COMPARE_EQUAL ||
	    compare->kind > KV_COMPARE_INDEX_BELOW || compare->key.size == 0 ||
	    (!has_value && compare->value.size != 0) ||
	    (compare->kind != KV_COMPARE_INDEX_BELOW && compare->number != 0)) {
		return ERR_USAGE;
	}
	return compare->key.size <= KV_KEY_SIZE_MAX &&
		compare->value.size <= KV_VALUE_SIZE_MAX ?
	    ERR_OK :
	    ERR_TOO_LARGE;
}

static int
put_compare(struct writer *writer, const struct kv_compare *compare)
{
	size_t size = COMPARE_HEADER_SIZE + compare->key.size +
	    compare->value.size;
	int code = check_compare(compare);
	uint8_t *to;

	if (code != ERR_OK) {
		return code;
	}
	if (size > writer->capacity - writer->size) {
		return ERR_TOO_LARGE;
	}
	to = writer->to + writer->size;
	bytes_put_u8(to, (uint8_t)compare->kind);
	bytes_put_u8(to + 1, 0);
	bytes_put_u16(to + 2, (uint16_t)compare->key.size);
	bytes_put_u32(to + 4, (uint32_t)compare->value.size);
	bytes_put_u64(to + 8, compare->number);
	memcpy(to + COMPARE_HEADER_SIZE, compare->key.data, compare->key.size);
	if (compare->value.size != 0) {
		memcpy(to + COMPARE_HEADER_SIZE + compare->key.size,
		    compare->value.data, compare->value.size);
	}
	writer->size += size;
	return ERR_OK;
}

static int
put_operations(struct writer *writer, const struct kv_command *operations,
    size_t count)
{
	uint32_t keys = 0;
	size_t i;
	int size;

	for (i = 0; i < count; i++) {
		if (writer->capacity - writer->size < 4) {
			return ERR_TOO_LARGE;
		}
		size = kv_operation_encode(&operations[i],
		    writer->to + writer->size + 4,
		    writer->capacity - writer->size - 4);
		if (size < 0) {
			return size;
		}
		keys += kv_operation_key_count(&operations[i]);
		if (keys > KV_TXN_OPERATIONS_MAX) {
			return ERR_TOO_LARGE;
		}
		bytes_put_u32(writer->to + writer->size, (uint32_t)size);
		writer->size += 4 + (size_t)size;
	}
	return ERR_OK;
}

static int
take_compare(struct kv_slice *rest, struct kv_compare *compare)
{
	const uint8_t *from = rest->data;
	uint64_t size;

	if (rest->size < COMPARE_HEADER_SIZE || from[1] != 0) {
		return ERR_USAGE;
	}
	compare->kind = (enum kv_compare_kind)from[0];
	compare->number = bytes_get_u64(from + 8);
	compare->key = kv_slice(from + COMPARE_HEADER_SIZE,
	    bytes_get_u16(from + 2));
	compare->value =
	    kv_slice(from + COMPARE_HEADER_SIZE + compare->key.size,
		bytes_get_u32(from + 4));
	size = (uint64_t)COMPARE_HEADER_SIZE + compare->key.size +
	    compare->value.size;
	if (rest->size < size) {
		return ERR_USAGE;
	}
	*rest = kv_slice(from + size, rest->size - (size_t)size);
	return check_compare(compare);
}

static int
take_operation(struct kv_slice *rest, struct kv_command *operation)
{
	const uint8_t *from = rest->data;
	size_t size;

	if (rest->size < 4) {
		return ERR_USAGE;
	}
	size = bytes_get_u32(from);
	if (size > rest->size - 4) {
		return ERR_USAGE;
	}
	*rest = kv_slice(from + 4 + size, rest->size - 4 - size);
	return kv_operation_decode(operation, from + 4, size);
}

static int
check_branch(struct kv_slice *rest, uint32_t count)
{
	struct kv_command operation;
	uint32_t i, keys = 0;

	if (count > KV_TXN_OPERATIONS_MAX) {
		return ERR_TOO_LARGE;
	}
	for (i = 0; i < count; i++) {
		if (take_operation(rest, &operation) != ERR_OK) {
			return ERR_USAGE;
		}
		keys += kv_operation_key_count(&operation);
		if (keys > KV_TXN_OPERATIONS_MAX) {
			return ERR_TOO_LARGE;
		}
	}
	return ERR_OK;
}
