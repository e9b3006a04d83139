/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums and verdicts of the stream that a snapshot travels as, and taking
 * it apart.  What is complete of the bytes that came goes out at once; the
 * beginning of a record waits in `held` for the rest of it.
 */
#include "store/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "kv/kv.h"
#include "store/store_internal.h"

static uint32_t
head_checksum(const struct stream_head *head)
{
	return crc32c(0, head, offsetof(struct stream_head, checksum));
}

void
stream_seal(struct stream_head *head)
{
	head->checksum = head_checksum(head);
}

const char *
stream_check_head(const struct stream_head *head)
{
	if (head->magic != STREAM_MAGIC) {
		return "not a snapshot";
	}
	if (head->checksum != head_checksum(head)) {
		return "its head does not match its checksum";
	}
	return head->version != STREAM_VERSION ? "of an unknown version"
	                                       : NULL;
}

const char *
stream_check_record(const struct stream_record *record)
{
	if (record->space >= KV_SPACE_COUNT || record->zero != 0) {
		return "a record of no space";
	}
	if (record->key_size < 1 || record->key_size > KV_KEY_SIZE_MAX) {
		return "a key of a wrong size";
	}
	return record->value_size > STREAM_VALUE_SIZE_MAX
	           ? "a value of a wrong size"
	           : NULL;
}

uint32_t
stream_sum(uint32_t sum, const struct stream_record *record)
{
	return crc32c(sum, record, sizeof(*record));
}

/* ----------------------------------------------------------- taking apart */

void
stream_parts_init(struct stream_parts *parts)
{
	memset(parts, 0, sizeof(*parts));
}

void
stream_parts_fini(struct stream_parts *parts)
{
	free(parts->held);
	parts->held = NULL;
}

/* One record at data; *used is 0 when it is not complete. */
static int
take_record(struct stream_parts *parts, const uint8_t *data, size_t size,
    size_t *used, const char **why)
{
	struct stream_record record;
	const uint8_t *key, *value;
	struct kv_slice slice;

	*used = 0;
	if (size < sizeof(record)) {
		return ERR_OK;
	}
	memcpy(&record, data, sizeof(record));
	*why = stream_check_record(&record);
	if (*why == NULL && record.space < parts->last_space) {
		*why = "records out of order";
	}
	if (*why != NULL) {
		return ERR_CORRUPT;
	}
	if (size - sizeof(record) <
	    (size_t)record.key_size + record.value_size) {
		return ERR_OK;
	}
	key = data + sizeof(record);
	value = key + record.key_size;
	slice.data = key;
	slice.size = record.key_size;
	if (record_value_checksum((enum kv_space)record.space, slice, value,
		record.value_size) != record.checksum) {
		*why = "a record does not match its checksum";
		return ERR_CORRUPT;
	}
	parts->last_space = record.space;
	parts->record_count++;
	parts->sum = stream_sum(parts->sum, &record);
	*used = sizeof(record) + record.key_size + record.value_size;
	return parts->record(parts->arg, &record, key, value, why);
}

static int
take_head(struct stream_parts *parts, const uint8_t *data, size_t size,
    size_t *used, const char **why)
{
	*used = 0;
	if (size < sizeof(parts->head)) {
		return ERR_OK;
	}
	memcpy(&parts->head, data, sizeof(parts->head));
	*why = stream_check_head(&parts->head);
	if (*why != NULL) {
		return ERR_CORRUPT;
	}
	parts->has_head = true;
	*used = sizeof(parts->head);
	return parts->begin(parts->arg, &parts->head, why);
}

/* Takes what is complete of data; *used says how much that was. */
static int
take_whole(struct stream_parts *parts, const uint8_t *data, size_t size,
    size_t *used, const char **why)
{
	size_t step = 1;
	int code = ERR_OK;

	*used = 0;
	while (code == ERR_OK && step > 0 && *used < size) {
		code = parts->has_head ? take_record(parts, data + *used,
					     size - *used, &step, why)
		                       : take_head(parts, data + *used,
					     size - *used, &step, why);
		*used += step;
	}
	return code;
}

static int
hold(struct stream_parts *parts, const uint8_t *data, size_t size)
{
	size_t need = parts->held_size + size;
	uint8_t *held;

	if (need > parts->held_capacity) {
		held = realloc(parts->held, 2 * need);
		if (held == NULL) {
			return ERR_NOMEM;
		}
		parts->held = held;
		parts->held_capacity = 2 * need;
	}
	if (size > 0) {
		memcpy(parts->held + parts->held_size, data, size);
	}
	parts->held_size = need;
	return ERR_OK;
}

int
stream_take(struct stream_parts *parts, const void *data, size_t size,
    const char **why)
{
	const uint8_t *from = data;
	size_t used = 0;
	int code;

	*why = NULL;
	if (parts->held_size == 0) {
		code = take_whole(parts, from, size, &used, why);
		return code == ERR_OK ? hold(parts, from + used, size - used)
		                      : code;
	}
	code = hold(parts, from, size);
	if (code == ERR_OK) {
		code = take_whole(
		    parts, parts->held, parts->held_size, &used, why);
	}
	if (code == ERR_OK) {
		parts->held_size -= used;
		memmove(parts->held, parts->held + used, parts->held_size);
	}
	return code;
}

const char *
stream_check_end(const struct stream_parts *parts)
{
	if (!parts->has_head || parts->held_size != 0) {
		return "it is not complete";
	}
	if (parts->record_count != parts->head.record_count ||
	    parts->sum != parts->head.sum) {
		return "the records do not add up to what its head says";
	}
	return NULL;
}
