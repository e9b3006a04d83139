/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records of the journal, to bytes and back.  What is read is foreign: a
 * record counts when its checksum does, and continues the one before it.
 */
#include "journal/journal.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"

#define ALIGNMENT LAYOUT_RECORD_ALIGNMENT

enum kind {
	RECORD_NONE,	/* of an older lap, torn, or nothing at all */
	RECORD_NEXT,
	RECORD_OTHER,	/* newer than what is covered, but not the next */
};

static size_t
align(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

uint32_t
journal_seed(const struct journal_identity *identity)
{
	uint32_t crc =
	    crc32c(0, &identity->cluster_id, sizeof(identity->cluster_id));

	crc = crc32c(crc, &identity->store_id, sizeof(identity->store_id));
	crc = crc32c(crc, &identity->node_id, sizeof(identity->node_id));
	return crc32c(crc, &identity->salt, sizeof(identity->salt));
}

size_t
journal_put(uint8_t *area, size_t *offset, size_t end, uint32_t kind,
    const void *head, size_t head_size, const void *data, size_t data_size)
{
	struct layout_op op = {
		.kind = kind,
		.size = (uint32_t)(head_size + data_size),
	};
	size_t at = *offset, size = sizeof(op) + align(op.size), padding;

	assert(at % ALIGNMENT == 0);
	if (at > end || size > end - at) {
		return 0;
	}
	memcpy(area + at, &op, sizeof(op));
	at += sizeof(op);
	memcpy(area + at, head, head_size);
	if (data_size > 0) {
		memcpy(area + at + head_size, data, data_size);
	}
	padding = size - sizeof(op) - op.size;
	memset(area + at + op.size, 0, padding);
	*offset += size;
	return at;
}

static uint32_t
record_checksum(const struct layout_record *record, const uint8_t *content,
    uint32_t seed)
{
	uint32_t crc =
	    crc32c(seed, record, offsetof(struct layout_record, checksum));

	return crc32c(crc, content, record->size);
}

void
journal_seal(uint8_t *area, size_t offset, size_t size, size_t span,
    uint32_t seed, struct journal_at *at)
{
	struct layout_record record = {
		.magic = LAYOUT_RECORD_MAGIC,
		.size = (uint32_t)size,
		.span = (uint32_t)span,
		.previous = at->chain,
		.sequence = at->sequence + 1,
		.lap = at->lap + 1,
	};

	assert(span % ALIGNMENT == 0 && span >= sizeof(record) + size);
	record.checksum =
	    record_checksum(&record, area + offset + sizeof(record), seed);
	memcpy(area + offset, &record, sizeof(record));
	at->sequence = record.sequence;
	at->chain = record.checksum;
}

bool
journal_next(
    const uint8_t *area, size_t *offset, size_t end, struct journal_op *op)
{
	struct layout_op head;
	size_t at = *offset;

	if (at >= end || end - at < sizeof(head)) {
		return false;
	}
	memcpy(&head, area + at, sizeof(head));
	at += sizeof(head);
	if (head.size > end - at || align(head.size) > end - at) {
		return false;
	}
	op->kind = head.kind;
	op->size = head.size;
	op->offset = at;
	*offset = at + align(head.size);
	return true;
}

static enum kind
look(const uint8_t *area, size_t size, size_t offset, uint32_t seed,
    const struct journal_at *at, struct layout_record *record)
{
	if (offset > size || size - offset < sizeof(*record)) {
		return RECORD_NONE;
	}
	memcpy(record, area + offset, sizeof(*record));
	if (record->magic != LAYOUT_RECORD_MAGIC || record->lap <= at->lap ||
	    record->sequence <= at->sequence ||
	    record->span > size - offset ||
	    record->span < sizeof(*record) ||
	    record->span % ALIGNMENT != 0 ||
	    record->size > record->span - sizeof(*record)) {
		return RECORD_NONE;
	}
	if (record->checksum !=
	    record_checksum(record, area + offset + sizeof(*record), seed)) {
		return RECORD_NONE;
	}
	return record->lap == at->lap + 1 &&
	               record->sequence == at->sequence + 1 &&
	               record->previous == at->chain
	           ? RECORD_NEXT
	           : RECORD_OTHER;
}

int
journal_scan(const uint8_t *area, size_t size, uint32_t seed,
    struct journal_at *at, size_t *end,
    int (*each)(void *, size_t offset, size_t end), void *arg,
    struct err_buf *err)
{
	struct layout_record record;
	size_t offset = 0, begin;
	int code = ERR_OK;

	while (look(area, size, offset, seed, at, &record) == RECORD_NEXT) {
		begin = offset + sizeof(record);
		code = each(arg, begin, begin + record.size);
		if (code != ERR_OK) {
			return code;
		}
		at->sequence = record.sequence;
		at->chain = record.checksum;
		offset += record.span;
	}
	*end = offset;
	for (; offset < size; offset += ALIGNMENT) {
		if (look(area, size, offset, seed, at, &record) !=
		    RECORD_NONE) {
			return err_set(err, ERR_CORRUPT,
			    "journal: record %llu is not what comes after "
			    "record %llu: what is between them is damaged",
			    (unsigned long long)record.sequence,
			    (unsigned long long)at->sequence);
		}
	}
	return ERR_OK;
}
