/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers as bytes: what is stored for a retry and what a client receives.
 *
 *	 0  u8   format (1)
 *	 1  u8   status
 *	 2  u8   op
 *	 3  u8   flags: 1 number, 2 count, 4 more
 *	 4  u64  index
 *	12  i64  number, when flagged (not 0)
 *	    u32  count, when flagged (not 0)
 *	    value, up to the end
 */
#include "kv/internal.h"

#include <string.h>

#include "base/bytes.h"

#define ANSWER_FORMAT	   1
#define ANSWER_HEADER_SIZE 12

#define ANSWER_HAS_NUMBER 1u
#define ANSWER_HAS_COUNT  2u
#define ANSWER_IS_MORE	  4u

static const char *const status_texts[] = {
	[KV_OK] = "ok",
	[KV_NOT_FOUND] = "not found",
	[KV_NOT_EQUAL] = "not equal",
	[KV_NOT_A_NUMBER] = "the value is not a 64-bit integer",
	[KV_OVERFLOW] = "the result does not fit into a 64-bit integer",
	[KV_TOO_LARGE] = "the value would be too large",
	[KV_BAD_COMMAND] = "malformed command",
	[KV_SESSION_UNKNOWN] = "no such session: expired or closed",
	[KV_SEQUENCE_OLD] = "acknowledged before: its answer is gone",
	[KV_SEQUENCE_FAR] = "too many unacknowledged sequences",
	[KV_CANCELLED] = "cancelled: it was settled before it arrived",
	[KV_NOT_APPLIED] = "it was not applied and never will be",
	[KV_TABLE_FAILED] = "the node's store is damaged",
	[KV_COMPACTED] = "compacted",
	[KV_DUE] = "about to expire",
};

int
kv_answer_encode(const struct kv_answer *answer, void *buffer, size_t capacity)
{
	unsigned int flags = (answer->number != 0 ? ANSWER_HAS_NUMBER : 0) |
	    (answer->count != 0 ? ANSWER_HAS_COUNT : 0) |
	    (answer->more ? ANSWER_IS_MORE : 0);
	size_t size = ANSWER_HEADER_SIZE + (answer->number != 0 ? 8 : 0) +
	    (answer->count != 0 ? 4 : 0);
	uint8_t *to = buffer;

	if (answer->value.size > KV_ANSWER_SIZE_MAX - size ||
	    size + answer->value.size > capacity) {
		return ERR_TOO_LARGE;
	}
	size += answer->value.size;
	bytes_put_u8(to, ANSWER_FORMAT);
	bytes_put_u8(to + 1, (uint8_t)answer->status);
	bytes_put_u8(to + 2, (uint8_t)answer->op);
	bytes_put_u8(to + 3, (uint8_t)flags);
	bytes_put_u64(to + 4, answer->index);
	to += ANSWER_HEADER_SIZE;
	if (flags & ANSWER_HAS_NUMBER) {
		bytes_put_u64(to, (uint64_t)answer->number);
		to += 8;
	}
	if (flags & ANSWER_HAS_COUNT) {
		bytes_put_u32(to, answer->count);
		to += 4;
	}
	if (answer->value.size != 0) {
		memcpy(to, answer->value.data, answer->value.size);
	}
	return (int)size;
}

int
kv_answer_decode(struct kv_answer *answer, const void *data, size_t size)
{
	const uint8_t *from = data;
	unsigned int flags;
	size_t header_size;

	memset(answer, 0, sizeof(*answer));
	if (size < ANSWER_HEADER_SIZE || size > KV_ANSWER_SIZE_MAX ||
	    from[0] != ANSWER_FORMAT || from[1] >= KV_STATUS_COUNT) {
		return ERR_CORRUPT;
	}
	flags = from[3];
	header_size = ANSWER_HEADER_SIZE +
	    ((flags & ANSWER_HAS_NUMBER) ? 8 : 0) +
	    ((flags & ANSWER_HAS_COUNT) ? 4 : 0);
	if (flags > (ANSWER_HAS_NUMBER | ANSWER_HAS_COUNT | ANSWER_IS_MORE) ||
	    size < header_size) {
		return ERR_CORRUPT;
	}
	answer->status = (enum kv_status)from[1];
	answer->op = (enum kv_op)from[2];
	answer->more = (flags & ANSWER_IS_MORE) != 0;
	answer->index = bytes_get_u64(from + 4);
	from += ANSWER_HEADER_SIZE;
	if (flags & ANSWER_HAS_NUMBER) {
		answer->number = (int64_t)bytes_get_u64(from);
		from += 8;
	}
	if (flags & ANSWER_HAS_COUNT) {
		answer->count = bytes_get_u32(from);
		from += 4;
	}
	/* A flagged 0 would be a second encoding of the same answer. */
	if (((flags & ANSWER_HAS_NUMBER) && answer->number == 0) ||
	    ((flags & ANSWER_HAS_COUNT) && answer->count == 0)) {
		return ERR_CORRUPT;
	}
	answer->value = kv_slice(from, size - header_size);
	return ERR_OK;
}

const char *
kv_status_text(enum kv_status status)
{
	unsigned int which = status;

	return which < COUNT_OF(status_texts) ? status_texts[which] :
						"unknown status";
}
