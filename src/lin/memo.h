/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exact set of short arrays of 64-bit words: where a search has been.
 * It only grows, up to LIN_MEMO_SIZE_MAX bytes; full (or out of memory), it
 * takes nothing more in, and answers for what it holds.
 *
 *	slots  0 .. 3 .. 0 7 ..      where a record begins, plus 1; 0: free
 *	words  hash count w w w | hash count w | ...
 *
 * The hash is the caller's, who can keep it up to date cheaply; equality is
 * decided by the words.
 */
#ifndef RAFTSUP_LIN_MEMO_H
#define RAFTSUP_LIN_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memo {
	uint32_t *slots;
	size_t slot_count; /* a power of two, or 0 */
	uint64_t *words;
	size_t word_count;
	size_t word_room;
	size_t record_count;
	size_t size_max;
};

/* Empty, at most size_max bytes of heap; takes no memory yet. */
void memo_init(struct memo *memo, size_t size_max);

/* Frees its memory. */
void memo_fini(struct memo *memo);

/* Empties it; keeps its memory unless that is much. */
void memo_clear(struct memo *memo);

/*
 * True if words[0, count) was there already; else it is there now, unless
 * the memo is full.
 */
bool memo_seen(struct memo *memo, uint64_t hash, const uint64_t *words,
    size_t count);

#endif
