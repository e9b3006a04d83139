/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exact set of arrays of words; see memo.h. Open addressing over an
 * arena: a record is appended once and never moves within it, so growing
 * either part copies plain words. A part doubles only if all of it, the old
 * copy included, fits into size_max.
 */
#include <stdlib.h>
#include <string.h>

#include "lin/memo.h"

#define SLOT_COUNT_MIN  1024
#define WORD_ROOM_MIN   8192
#define RECORD_OVERHEAD 2

/* Emptying more slots than this costs more than to begin small again. */
#define SLOT_COUNT_KEPT 65536

static bool has_room(struct memo *, size_t);
static bool grow_words(struct memo *, size_t);
static bool grow_slots(struct memo *);
static size_t heap_size(const struct memo *);

void
memo_init(struct memo *memo, size_t size_max)
{
	*memo = (struct memo){ .size_max = size_max };
}

void
memo_fini(struct memo *memo)
{
	free(memo->slots);
	free(memo->words);
	memo_init(memo, memo->size_max);
}

void
memo_clear(struct memo *memo)
{
	if (memo->slot_count > SLOT_COUNT_KEPT) {
		memo_fini(memo);
		return;
	}
	if (memo->record_count > 0) {
		memset(memo->slots, 0,
		    memo->slot_count * sizeof(memo->slots[0]));
	}
	memo->word_count = 0;
	memo->record_count = 0;
}

bool
memo_seen(struct memo *memo, uint64_t hash, const uint64_t *words,
    size_t count)
{
	size_t mask = memo->slot_count - 1, i;
	uint64_t *record;

	for (i = hash & mask; memo->slot_count > 0 && memo->slots[i] != 0;
	    i = (i + 1) & mask) {
		record = memo->words + memo->slots[i] - 1;
		if (record[0] == hash && record[1] == count &&
		    memcmp(record + RECORD_OVERHEAD, words,
			count * sizeof(words[0])) == 0) {
			return true;
		}
	}
	if (!has_room(memo, RECORD_OVERHEAD + count)) {
		return false;
	}
	mask = memo->slot_count - 1;
	for (i = hash & mask; memo->slots[i] != 0; i = (i + 1) & mask) {
	}
	memo->slots[i] = (uint32_t)memo->word_count + 1;
	record = memo->words + memo->word_count;
	record[0] = hash;
	record[1] = count;
	memcpy(record + RECORD_OVERHEAD, words, count * sizeof(words[0]));
	memo->word_count += RECORD_OVERHEAD + count;
	memo->record_count++;
	return false;
}

/* For one record more, of that many words; at most half the slots are used. */
static bool
has_room(struct memo *memo, size_t count)
{
	if (memo->word_count + count >= UINT32_MAX) {
		return false;
	}
	if (memo->word_count + count > memo->word_room &&
	    !grow_words(memo, memo->word_count + count)) {
		return false;
	}
	return memo->record_count < memo->slot_count / 2 || grow_slots(memo);
}

static bool
grow_words(struct memo *memo, size_t room_min)
{
	size_t room = memo->word_room == 0 ? WORD_ROOM_MIN :
	    memo->word_room * 2;
	uint64_t *words;

	while (room < room_min) {
		room *= 2;
	}
	if (heap_size(memo) + room * sizeof(words[0]) > memo->size_max) {
		return false;
	}
	words = realloc(memo->words, room * sizeof(words[0]));
	if (words == NULL) {
		return false;
	}
	memo->words = words;
	memo->word_room = room;
	return true;
}

static bool
grow_slots(struct memo *memo)
{
	size_t slot_count = memo->slot_count == 0 ? SLOT_COUNT_MIN :
	    memo->slot_count * 2;
	size_t mask = slot_count - 1, at, i;
	uint32_t *slots;

	if (heap_size(memo) + slot_count * sizeof(slots[0]) >
	    memo->size_max) {
		return false;
	}
	slots = calloc(slot_count, sizeof(slots[0]));
	if (slots == NULL) {
		return false;
	}
	for (at = 0; at < memo->word_count;
	    at += RECORD_OVERHEAD + memo->words[at + 1]) {
		for (i = memo->words[at] & mask; slots[i] != 0;
		    i = (i + 1) & mask) {
		}
		slots[i] = (uint32_t)at + 1;
	}
	free(memo->slots);
	memo->slots = slots;
	memo->slot_count = slot_count;
	return true;
}

static size_t
heap_size(const struct memo *memo)
{
	return memo->slot_count * sizeof(memo->slots[0]) +
	    memo->word_room * sizeof(memo->words[0]);
}
