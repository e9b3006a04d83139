/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal: a small file in front of the log environment.  A batch of hard
 * state and entries becomes one record here, which costs one write of blocks
 * that exist (power durability) or a copy into the mapped file (process
 * durability); many of them become one transaction of LMDB's later.
 *
 *	NODE_DIR/store/journal
 *	| head | record 7 | record 8 | record 9 |   free, older laps' bytes |
 *	          places[0], [1]  [2]            ^ end
 *
 * Records are written from the area's beginning on, and from there again (a
 * new *lap*) only when a transaction of LMDB's that says so in its record
 * `journal` has been committed.  Each record names its lap and its sequence,
 * which never restarts, and continues a checksum over all before it.  So what
 * is there after a death is: the records that continue what LMDB covers, one
 * at most that is torn, and bytes of older laps.  A record of this lap that
 * is good behind one that is not is damage.
 *
 * journal.c is arithmetic on bytes; journal_file.c the file.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "store/env.h"
#include "store/store.h"

/* The last record, and the last lap that LMDB covers whole. */
struct journal_at {
	uint64_t sequence;
	uint64_t lap;		/* records that follow are of lap + 1 */
	uint32_t chain;
};

struct journal_op {
	uint32_t kind;		/* enum layout_op_kind, or another */
	uint32_t size;
	size_t offset;		/* of its content in the area */
};

/* Where checksums begin. */
uint32_t journal_seed(const struct store_identity *);
/*
 * Adds an operation of head and data at *offset, which moves on; returns
 * where its content is, 0: it does not fit before end.
 */
size_t	journal_put(uint8_t *area, size_t *offset, size_t end, uint32_t kind,
	    const void *head, size_t head_size, const void *data,
	    size_t data_size);
/* Completes the record at offset with size bytes of content behind its
 * header; span to the next one.  `at` becomes this record. */
void	journal_seal(uint8_t *area, size_t offset, size_t size, size_t span,
	    uint32_t seed, struct journal_at *at);
/* The operation at *offset, which moves on.  False: no whole one before
 * end. */
bool	journal_next(const uint8_t *area, size_t *offset, size_t end,
	    struct journal_op *);
/*
 * Calls for the content of each record that continues `at`, which moves on
 * (the lap stays); *end: behind the last one.  An error of the callback ends
 * it.  ERR_CORRUPT, with a text: a record that is newer than what LMDB covers
 * does not continue it.
 */
int	journal_scan(const uint8_t *area, size_t size, uint32_t seed,
	    struct journal_at *at, size_t *end,
	    int (*each)(void *, size_t offset, size_t end), void *,
	    struct err_buf *) MUST_CHECK;

struct journal {
	struct env_shared *shared;
	int fd;			/* reads, maps, syncs */
	int write_fd;		/* in power durability; -1: none */
	bool open;
	bool synced;		/* each write is: power durability */
	bool mapped;		/* area is the file */
	bool direct;		/* write_fd goes past the page cache */
	uint8_t *area;
	size_t size;
	size_t limit;		/* of it, that laps use */
	uint32_t seed;

	struct journal_at at;
	size_t end;		/* where the next record begins */
	uint32_t *places;	/* of entries that LMDB does not have */
	uint32_t count;
	_Atomic uint64_t pages_size;	/* that they will take there */

	/* The open batch, behind end. */
	size_t staged_end;	/* 0: nothing */
	uint32_t staged_count;	/* of places */
	uint64_t staged_pages_size;
};

/* Makes NODE_DIR/store/journal: all blocks written and synced. */
int	journal_create(const char *dir, const struct store_identity *,
	    struct err_buf *) MUST_CHECK;
/*
 * Opens it: ERR_CORRUPT (missing, too short, no journal), ERR_MISMATCH
 * (another store's).  On failure it is closed.
 */
int	journal_open(struct journal *, struct env_shared *, const char *dir,
	    const struct store_identity *, enum store_durability,
	    bool read_only, struct err_buf *) MUST_CHECK;
void	journal_close(struct journal *);
/* Reads the area anew, when it is not mapped. */
int	journal_load(struct journal *) MUST_CHECK;
/* The record at end is complete, span bytes long: ERR_OK: durable, in the
 * durability of the store.  ERR_FULL: nothing has happened; or latched. */
int	journal_write(struct journal *, size_t span) MUST_CHECK;
/* All that was written, for good; latches. */
int	journal_sync(struct journal *) MUST_CHECK;
/* As env_compare_disk(). */
int	journal_compare_disk(struct journal *, struct err_buf *) MUST_CHECK;

/* How long the record at end is with the open batch. */
size_t	journal_span(const struct journal *);
/* An operation for the open batch; 0: it does not fit. */
size_t	journal_stage(struct journal *, uint32_t kind, const void *head,
	    size_t head_size, const void *data, size_t data_size);
/* Forgets the open batch. */
void	journal_unstage(struct journal *);
/* LMDB has everything: the next lap begins. */
void	journal_restart(struct journal *);

#endif
