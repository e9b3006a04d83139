/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal's area: its head, the batch that is being put together, the
 * record that it becomes, and laps.
 *
 *	0        begin                                     begin + size
 *	| head   | record | record | open batch ...  | older laps' |
 *	                           ^ end     ^ staged_end
 *
 *	synced	The area is memory of its owner's; one write a record.  Each
 *		record begins a block: what was acknowledged is never written
 *		again before its lap has ended, so no later write can tear it.
 *	mapped	The area is the file: a record is there when its bytes are.
 *		Nothing is believed of it that does not match its checksum, so
 *		no order is needed among them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crash.h"
#include "base/crc32c.h"
#include "journal/journal.h"

#define ALIGNMENT LAYOUT_RECORD_ALIGNMENT

static uint32_t
head_checksum(const struct layout_journal_head *head)
{
	return crc32c(0, head, offsetof(struct layout_journal_head, checksum));
}

int
journal_format(const struct journal_io *io, void *arg,
    const struct journal_identity *identity, const struct journal_shape *shape,
    struct err_buf *err)
{
	struct layout_journal_head head = {
		.magic = LAYOUT_JOURNAL_MAGIC,
		.version = LAYOUT_JOURNAL_VERSION,
		.node_id = identity->node_id,
		.cluster_id = identity->cluster_id,
		.store_id = identity->store_id,
		.size = shape->size,
		.salt = identity->salt,
	};
	uint8_t *bytes = calloc(1, shape->block + shape->size);
	int code;

	if (bytes == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	head.checksum = head_checksum(&head);
	memcpy(bytes, &head, sizeof(head));
	code = io->write(arg, bytes, shape->block + shape->size, 0);
	if (code == ERR_OK) {
		code = io->sync(arg);
	}
	free(bytes);
	return code == ERR_OK ? ERR_OK
	                      : err_set(err, code, "cannot be written: %s",
				    err_text(code));
}

int
journal_check(const struct journal_io *io, void *arg,
    struct journal_identity *identity, const struct journal_shape *shape,
    struct err_buf *err)
{
	struct layout_journal_head head = { .magic = 0 };
	uint64_t size;
	int code = io->size(arg, &size);

	if (code == ERR_OK && size >= sizeof(head)) {
		code = io->read(arg, &head, sizeof(head), 0);
	}
	if (code != ERR_OK) {
		return err_set(
		    err, code, "cannot be read: %s", err_text(code));
	}
	if (size < shape->block + shape->size) {
		/* It would be a SIGBUS at some later time. */
		return err_set(err, ERR_CORRUPT,
		    "truncated: %llu bytes are left, of %llu",
		    (unsigned long long)size,
		    (unsigned long long)(shape->block + shape->size));
	}
	if (head.magic != LAYOUT_JOURNAL_MAGIC ||
	    head.checksum != head_checksum(&head) ||
	    head.version != LAYOUT_JOURNAL_VERSION ||
	    head.size != shape->size) {
		/* Never taken for a new one: it may have held a vote. */
		return err_set(err, ERR_CORRUPT,
		    "damaged: it does not begin as a journal, and what was "
		    "acknowledged may have been in it");
	}
	if (head.cluster_id != identity->cluster_id ||
	    head.store_id != identity->store_id ||
	    head.node_id != identity->node_id) {
		return err_set(err, ERR_MISMATCH,
		    "belongs to another store, %016llx",
		    (unsigned long long)head.store_id);
	}
	identity->salt = head.salt;
	return ERR_OK;
}

void
journal_init(struct journal *journal, const struct journal_identity *identity,
    const struct journal_shape *shape)
{
	assert(shape->size % shape->block == 0);
	assert(shape->block % ALIGNMENT == 0);
	journal->open = true;
	journal->begin = shape->block;
	journal->size = shape->size;
	journal->limit = shape->size;
	journal->batch_max = shape->size;
	journal->seed = journal_seed(identity);
	memset(&journal->at, 0, sizeof(journal->at));
	journal->end = 0;
	journal->fresh = true;
	journal->count = 0;
	journal->pages_size = 0;
	journal_unstage(journal);
}

int
journal_load(struct journal *journal)
{
	return journal->mapped
	           ? ERR_OK
	           : journal->io->read(journal->arg, journal->area,
			 journal->size, journal->begin);
}

/* ---------------------------------------------------------------- batches */

size_t
journal_span(const struct journal *journal)
{
	size_t unit = journal->synced ? journal->begin : ALIGNMENT;
	size_t size = journal->staged_end - journal->end;

	return (size + unit - 1) / unit * unit;
}

/* Where a record must end. */
static size_t
batch_limit(const struct journal *journal)
{
	size_t end = journal->limit;

	return end > journal->end + journal->batch_max
	           ? journal->end + journal->batch_max
	           : end;
}

bool
journal_takes(const struct journal *journal, uint64_t count, uint64_t size)
{
	/* As much as each may be padded with. */
	uint64_t all = sizeof(struct layout_record) + size +
	               count * (sizeof(struct layout_op) + 8);

	return all <= batch_limit(journal) - journal->end;
}

size_t
journal_stage(struct journal *journal, uint32_t kind, const void *head,
    size_t head_size, const void *data, size_t data_size)
{
	size_t offset = journal->staged_end, end = batch_limit(journal);
	size_t place;

	if (offset == 0) {
		offset = journal->end + sizeof(struct layout_record);
	}
	place = journal_put(journal->area, &offset, end, kind, head, head_size,
	    data, data_size);
	if (place != 0) {
		journal->staged_end = offset;
	}
	return place;
}

void
journal_unstage(struct journal *journal)
{
	journal->staged_end = 0;
	journal->staged_count = 0;
	journal->staged_pages_size = 0;
}

int
journal_write(struct journal *journal, struct journal_at *at, size_t *span)
{
	size_t end = journal->end, content = end + sizeof(struct layout_record);
	int code = ERR_OK;

	assert(journal->staged_end > content);
	*at = journal->at;
	*span = journal_span(journal);
	CRASH_POINT("journal: batch staged");
	journal_seal(journal->area, end, journal->staged_end - content, *span,
	    journal->seed, at);
	CRASH_POINT("journal: record sealed");
	if (!journal->mapped) {
		code = journal->io->write(journal->arg, journal->area + end,
		    *span, journal->begin + end);
	}
	CRASH_POINT("journal: record written");
	if (code != ERR_OK) {
		/* All of it may be there, and it counts for nothing. */
		journal->fresh = true;
	}
	return code;
}

void
journal_advance(
    struct journal *journal, const struct journal_at *at, size_t span)
{
	journal->at = *at;
	journal->end += span;
	journal->count += journal->staged_count;
	atomic_fetch_add_explicit(&journal->pages_size,
	    journal->staged_pages_size, memory_order_relaxed);
	journal_unstage(journal);
}

bool
journal_ends_lap(const struct journal *journal)
{
	return journal->end > 0 || journal->fresh;
}

void
journal_restart(struct journal *journal)
{
	journal_unstage(journal);
	if (journal_ends_lap(journal)) {
		journal->at.lap++;
	}
	journal->end = 0;
	journal->fresh = false;
	journal->count = 0;
	journal->pages_size = 0;
}
