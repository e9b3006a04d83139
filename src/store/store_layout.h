/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies in the two environments of a store (docs/STORE.md has the tables
 * for people).  Fixed widths, little-endian, padding named and zero.  LMDB
 * aligns records to two bytes only, so records are copied in and out and
 * never overlaid.
 *
 * Every record ends with a CRC-32C, which covers its key (or its name and
 * its place) and everything before it, so that a record that was moved under
 * another key does not pass either.
 *
 *	log environment		key			record
 *	meta			"format"		layout_format
 *				"identity"		layout_identity
 *				"run"			layout_run
 *				"hard_state"		layout_hard_state
 *				"snapshot"		layout_snapshot
 *				"journal"		layout_journal
 *	log			index			layout_block, then
 *							layout_entry, data: from
 *							this index on
 *	runs			first index of a term	layout_term_run
 *	configs			index			layout_config, encoded
 *							configuration
 *
 *	state environment
 *	data, sessions,		key			layout_value, value
 *	answers, meta,
 *	expiries, events
 *
 *	journal: journal/journal_layout.h; an operation has a
 *	layout_op_hard_state, or layout_entry and its data
 */
#ifndef STORE_STORE_LAYOUT_H
#define STORE_STORE_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal_layout.h"

#define LAYOUT_MAGIC	0x31726f7473726c70ull
/* 1: without expiries and events; 2: without a journal */
#define LAYOUT_VERSION	3u

#define LAYOUT_DIRECTORY	"store"
#define LAYOUT_DIRECTORY_NEW	"store.new"	/* while it is built */
#define LAYOUT_DIRECTORY_COMPACT "store.compact"	/* with a copy in it */
#define LAYOUT_LOG		"log"
#define LAYOUT_STATE		"state.0"
#define LAYOUT_JOURNAL		"journal"
#define LAYOUT_DATA_FILE	"data.mdb"
#define LAYOUT_LOCK_FILE	"lock.mdb"

#define LAYOUT_DB_META		"meta"
#define LAYOUT_DB_LOG		"log"
#define LAYOUT_DB_RUNS		"runs"
#define LAYOUT_DB_CONFIGS	"configs"

#define LAYOUT_KEY_FORMAT	"format"
#define LAYOUT_KEY_IDENTITY	"identity"
#define LAYOUT_KEY_RUN		"run"
#define LAYOUT_KEY_HARD_STATE	"hard_state"
#define LAYOUT_KEY_SNAPSHOT	"snapshot"
#define LAYOUT_KEY_JOURNAL	"journal"

#define LAYOUT_JOURNAL_BLOCK	4096u	/* before the records, and of writes */
#define LAYOUT_JOURNAL_SIZE	(1u << 20)	/* of the records' area */

struct layout_format {
	uint64_t magic;
	uint32_t version;
	uint32_t checksum;
};

struct layout_identity {
	uint64_t cluster_id;
	uint64_t store_id;
	uint32_t node_id;
	uint32_t checksum;
};

struct layout_run {
	uint64_t run;
	uint32_t zero;
	uint32_t checksum;
};

/* Term and vote: one record, one transaction (T02). */
struct layout_hard_state {
	uint64_t term;
	uint32_t vote;
	uint32_t checksum;
};

/*
 * What the log begins after, and the environment that holds the state.  The
 * log's first entry is index + 1 or lower (a trailing window).
 */
struct layout_snapshot {
	uint64_t index;			/* 0: no snapshot */
	uint64_t term;
	uint64_t base_index;		/* the last entry cut off, */
	uint64_t base_term;
	uint32_t base_chain;		/* and what the chain resumes from */
	uint32_t chain;			/* at index */
	char state_name[36];		/* terminated, zero-padded */
	uint32_t checksum;
};

/* Entries in a row, in one record.  The data of one that is larger than this
 * is alone in its own. */
struct layout_block {
	uint32_t count;			/* of the entries that follow */
	uint32_t size;			/* of all, this included */
	uint32_t checksum;		/* index, and all above */
};

/* A page of LMDB's, less its head. */
#define LAYOUT_BLOCK_SIZE	4080u

struct layout_entry {
	uint64_t term;
	uint32_t type;
	uint32_t size;			/* of the data that follows */
	uint32_t data_checksum;		/* raft_entry_checksum() */
	uint32_t chain;			/* over all entries up to this one */
	uint32_t zero;
	uint32_t checksum;		/* index, and all above but zero */
};

/* What the chain takes in, continuing from the previous entry's value. */
struct layout_link {
	uint64_t index;
	uint64_t term;
	uint32_t type;
	uint32_t data_checksum;
};

struct layout_term_run {
	uint64_t term;
	uint32_t zero;
	uint32_t checksum;
};

struct layout_config {
	uint32_t size;			/* of the encoding that follows */
	uint32_t checksum;		/* index, size, encoding */
};

/* Space, key and value. */
struct layout_value {
	uint32_t checksum;
};

/* How far the log environment covers the journal: all of this lap. */
struct layout_journal {
	uint64_t sequence;		/* of the last record */
	uint64_t lap;
	uint32_t chain;			/* that record's checksum */
	uint32_t checksum;
};

static_assert(sizeof(struct layout_format) == 16, "layout");
static_assert(sizeof(struct layout_identity) == 24, "layout");
static_assert(sizeof(struct layout_run) == 16, "layout");
static_assert(sizeof(struct layout_hard_state) == 16, "layout");
static_assert(sizeof(struct layout_snapshot) == 80, "layout");
static_assert(offsetof(struct layout_snapshot, state_name) == 40, "layout");
static_assert(sizeof(struct layout_block) == 12, "layout");
static_assert(sizeof(struct layout_entry) == 32, "layout");
static_assert(offsetof(struct layout_entry, checksum) == 28, "layout");
static_assert(sizeof(struct layout_link) == 24, "layout");
static_assert(sizeof(struct layout_term_run) == 16, "layout");
static_assert(sizeof(struct layout_config) == 8, "layout");
static_assert(sizeof(struct layout_value) == 4, "layout");
static_assert(sizeof(struct layout_journal) == 24, "layout");

#endif
