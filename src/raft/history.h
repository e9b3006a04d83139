/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the core knows of the log: the term of each entry, as runs, and the
 * sizes of the last entries, as a window of sums.  The bytes are elsewhere.
 *
 *	       base      first                                  last
 *	-------|---------|------------|--------------|----------|
 *	term:  base_term   runs[0]      runs[1]        runs[2]
 *	sizes:                  unknown | sums_first ...
 *
 * Terms are known of first_index up to last_index, and of first_index - 1
 * (the base) when base_term is not 0 or first_index is 1.  When the runs are
 * full the oldest one is forgotten, and the log seems to begin later.
 */
#ifndef RAFT_HISTORY_H
#define RAFT_HISTORY_H

#include "raft/raft.h"

struct history {
	uint64_t first_index;
	uint64_t last_index;
	uint64_t base_term;	/* of the entry at first_index - 1 */
	uint64_t sums_first;	/* sizes are known from this entry on */
	uint64_t sum_before;	/* the sum of the entry before it */
	uint32_t run_begin;	/* position of the oldest run */
	uint32_t run_count;
	/* rings; nothing may follow them, see history_copy() */
	struct raft_run runs[RAFT_RUNS_MAX];
	uint64_t sums[RAFT_WINDOW];	/* bytes up to and with this entry */
};

/* An empty log whose next entry is first_index. */
void	history_init(struct history *, uint64_t first_index,
	    uint64_t base_term);
/*
 * The log that a server starts from, after history_init(): runs rise in
 * index and term, the first one begins at first_index; sizes are those of
 * the last size_count entries.
 */
void	history_load(struct history *, uint64_t last_index,
	    const struct raft_run *, size_t run_count,
	    const uint32_t *sizes, size_t size_count);
/* The range and the terms, without the sizes. */
void	history_copy_runs(struct history *, const struct history *);
/* Copies what is in use. */
void	history_copy(struct history *, const struct history *);

/* Terms never fall along a log: term is at least the last one. */
void	history_append(struct history *, uint64_t term, uint32_t size);
/* Deletes from index, which is in the log, to the end. */
void	history_truncate(struct history *, uint64_t index);

/* Forgets the entries before first, which is beyond first_index and at most
 * last_index + 1. */
void	history_compact(struct history *, uint64_t first);

/* 0 when the term is not known, or there is no such entry. */
uint64_t history_term(const struct history *, uint64_t index);
/* True if the log is known to hold an entry of that index and term. */
bool	history_has(const struct history *, uint64_t index, uint64_t term);
/* The smallest index that may be "previous" of an AppendEntries. */
uint64_t history_floor(const struct history *);

/*
 * The largest index <= the given one whose term is <= term: where two logs
 * may agree at the earliest guess.  history_floor() when there is none.
 */
uint64_t history_find(const struct history *, uint64_t index, uint64_t term);

/* Bytes of the entries first ... last, those of unknown size as 0. */
uint64_t history_bytes(const struct history *, uint64_t first,
	    uint64_t last);
/*
 * How many entries from first on fit in bytes: at least 1, at most
 * count_max, never beyond the log's end.
 */
uint32_t history_fit(const struct history *, uint64_t first, uint64_t bytes,
	    uint32_t count_max);

/* Runs from the oldest (0) to the newest (run_count - 1). */
const struct raft_run *history_run(const struct history *, uint32_t);
/* True if both hold the same entries where both know terms, up to last. */
bool	history_equal(const struct history *, const struct history *,
	    uint64_t last);

#endif
