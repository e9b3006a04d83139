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
 * record.c is arithmetic on bytes; area.c reads, writes and begins laps through
 * the few operations of struct journal_io.  Those are a file of the store's
 * (store/journal_file.c) or a disk of the simulator's (sim/journal.c), which
 * loses and tears what was not synced: the same code comes back from both.
 */
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "journal/journal_layout.h"

/* Whose it is. */
struct journal_identity {
	uint64_t cluster_id;
	uint64_t store_id;
	uint32_t node_id;
	uint32_t salt;		/* in the head alone, made with it */
};

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

/* ---------------------------------------------------------------- records */

/* Where checksums begin. */
uint32_t journal_seed(const struct journal_identity *);
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

/* ------------------------------------------------------------------- area */

/*
 * The file, or what plays it.  Each returns ERR_OK or a code that goes on to
 * the caller; offsets are the file's.
 */
struct journal_io {
	int	(*size)(void *, uint64_t *size);
	int	(*read)(void *, void *data, size_t size, uint64_t offset);
	/* Of a synced journal durable when it returns.  ERR_FULL: nothing of
	 * it counts, whatever of it is there. */
	int	(*write)(void *, const void *data, size_t size,
		    uint64_t offset);
	int	(*sync)(void *);
};

struct journal_shape {
	size_t block;		/* the head; each record of a synced one begins
				 * with a block of its own */
	uint64_t size;		/* of the records' area: whole blocks */
};

struct journal {
	const struct journal_io *io;
	void *arg;
	bool open;
	bool synced;		/* each write is: power durability */
	bool mapped;		/* area is the file */
	uint8_t *area;
	size_t begin;		/* of the area in the file */
	size_t size;
	size_t limit;		/* of it, that laps use */
	size_t batch_max;	/* a larger record is not taken */
	uint32_t seed;

	struct journal_at at;
	size_t end;		/* where the next record begins */
	bool fresh;		/* a record that does not count may be there:
				 * torn in a former run, or failed to write */
	uint32_t *places;	/* of entries that LMDB does not have */
	uint32_t count;
	_Atomic uint64_t pages_size;	/* that they will take there */

	/* The open batch, behind end. */
	size_t staged_end;	/* 0: nothing */
	uint32_t staged_count;	/* of places */
	uint64_t staged_pages_size;
};

/* Writes the head and all blocks, and syncs. */
int	journal_format(const struct journal_io *, void *arg,
	    const struct journal_identity *, const struct journal_shape *,
	    struct err_buf *) MUST_CHECK;
/*
 * Looks at the head: ERR_CORRUPT (missing, too short, damaged), ERR_MISMATCH
 * (another store's).  Fills in the salt.
 */
int	journal_check(const struct journal_io *, void *arg,
	    struct journal_identity *, const struct journal_shape *,
	    struct err_buf *) MUST_CHECK;
/*
 * A journal that was checked.  The caller has set io, arg, synced, mapped,
 * area and places, one for each entry that fits, which stay its own; limit and
 * batch_max become all of it, which the caller may lower.
 */
void	journal_init(struct journal *, const struct journal_identity *,
	    const struct journal_shape *);
/* Reads the area anew, when it is not mapped. */
int	journal_load(struct journal *) MUST_CHECK;

/* How long the record at end is with the open batch. */
size_t	journal_span(const struct journal *);
/* Is there room for a batch of so many operations, of size bytes in all? */
bool	journal_takes(const struct journal *, uint64_t count, uint64_t size);
/* An operation for the open batch; 0: it does not fit. */
size_t	journal_stage(struct journal *, uint32_t kind, const void *head,
	    size_t head_size, const void *data, size_t data_size);
/* Forgets the open batch. */
void	journal_unstage(struct journal *);
/*
 * The open batch becomes the record at end, which is then *at and span bytes
 * long.  ERR_OK: durable, in the durability of the journal; it counts with
 * journal_advance().  Else it is as if nothing had happened, or the file's
 * error.
 */
int	journal_write(struct journal *, struct journal_at *, size_t *span)
	    MUST_CHECK;
void	journal_advance(struct journal *, const struct journal_at *,
	    size_t span);
/*
 * The next transaction of LMDB's ends the lap: there are records in it, or it
 * is the first one of this run, or since a write failed.  What a death has torn
 * must not come back when a later record, torn in its turn, brings the piece
 * that it lacked; nor a record that was there although its write had failed,
 * on top of a log that has changed.
 */
bool	journal_ends_lap(const struct journal *);
/* LMDB has everything, for good: the next lap begins. */
void	journal_restart(struct journal *);

#endif
