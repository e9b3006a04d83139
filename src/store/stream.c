/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checksums and verdicts of the stream that a snapshot travels as.
 */
#include "store/stream.h"

#include "base/crc32c.h"
#include "kv/kv.h"

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
