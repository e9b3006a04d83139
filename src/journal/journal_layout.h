/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies in a journal: a block with the head, then records.  Fixed widths,
 * little-endian, padding named and zero.
 *
 *	| head ... | layout_record | layout_op, content | ... | pad | ...
 *
 * The content of an operation is its owner's; it is padded to 8 bytes.
 */
#ifndef JOURNAL_JOURNAL_LAYOUT_H
#define JOURNAL_JOURNAL_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define LAYOUT_JOURNAL_MAGIC	0x316c6e726a707372ull
#define LAYOUT_JOURNAL_VERSION	3u	/* the store's that brought it */
#define LAYOUT_RECORD_MAGIC	0x63726a72u
#define LAYOUT_RECORD_ALIGNMENT 8u

struct layout_journal_head {
	uint64_t magic;
	uint32_t version;
	uint32_t node_id;
	uint64_t cluster_id;
	uint64_t store_id;
	uint64_t size;			/* of the records' area */
	uint32_t salt;
	uint32_t checksum;
};

/* One batch.  The checksum is seeded with the store's identity, and with the
 * salt, which who fills entries does not know: what is in one may look like a
 * record, but does not pass for it. */
struct layout_record {
	uint32_t magic;
	uint32_t size;			/* of the content */
	uint32_t span;			/* from here to the next record */
	uint32_t previous;		/* checksum of the record before */
	uint64_t sequence;		/* 1, 2, ...; never restarts */
	uint64_t lap;			/* 1, 2, ... */
	uint32_t zero;
	uint32_t checksum;		/* all above, and the content */
};

enum layout_op_kind {
	LAYOUT_OP_HARD_STATE = 1,
	LAYOUT_OP_ENTRY = 2,
};

struct layout_op {
	uint32_t kind;
	uint32_t size;			/* of what follows, without padding */
};

struct layout_op_hard_state {
	uint64_t term;
	uint32_t vote;
	uint32_t zero;
};

static_assert(sizeof(struct layout_journal_head) == 48, "layout");
static_assert(sizeof(struct layout_record) == 40, "layout");
static_assert(offsetof(struct layout_record, checksum) == 36, "layout");
static_assert(sizeof(struct layout_op) == 8, "layout");
static_assert(sizeof(struct layout_op_hard_state) == 16, "layout");

#endif
