/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recent records in the order of their keys: sorting, and seeks.
 *
 * Keys are sorted by the 8 bytes behind what all of them begin with, digit by
 * digit; those in which these are equal, in the same way by what follows.
 * Some hundred are compared: counting digits costs more when so few have them.
 *
 * A seek finds in the tree all that was there before, changed or not.  What
 * it does not find there is listed, each record once, in sorted runs:
 *
 *	listed	| run | run | run | came since the last seek
 *
 * Each run is some times as long as the next, so that there are few, and a
 * record is sorted few times more than once: what came becomes a run together
 * with those before it that are not much longer.  Records that were deleted
 * since, or are in the tree by now, stay listed until all become one run, or
 * until seeks have passed too many.
 */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "store/recent_internal.h"

#define SORT_FEW   24 /* by comparing */
#define SORT_SOME  512 /* the same, not in place */
#define RUN_FEW	   64 /* no longer than this, it joins what follows */
#define RUN_TIMES  4
#define PASSED_MAX 4096

_Static_assert(RECENT_COUNT_MAX / RUN_FEW <= 1u << (2 * (RUNS_MAX - 2)),
    "there is room for runs of 4 times the length of the next");

static void sort(struct recent *, struct ordered *, size_t count,
    size_t begins);
static void arrange(struct recent *);
static void weed(struct recent *);
static struct record *first_present(struct recent *, uint64_t first,
    uint64_t end, struct kv_slice from, bool after);
static int compare(const struct record *, const struct record *,
    size_t begins);

void
recent_sort(struct recent *recent, struct ordered *items, size_t count)
{
	sort(recent, items, count, 0);
}

/* ------------------------------------------------------------------- seeks */

void
recent_list(struct recent *recent, struct record *record)
{
	assert(!record->is_listed && recent->listed_count < RECENT_COUNT_MAX);
	record->is_listed = true;
	recent->listed[recent->listed_count++].record = record;
}

bool
recent_seek(struct recent *recent, struct kv_slice from, bool after,
    struct kv_slice *key, struct kv_slice *value)
{
	struct record *record = NULL, *other;
	uint64_t begins = 0;
	unsigned int i;

	arrange(recent);
	for (i = 0; i < recent->run_count; i++) {
		other = first_present(
		    recent, begins, recent->run_ends[i], from, after);
		if (record == NULL ||
		    (other != NULL && compare(other, record, 0) < 0)) {
			record = other;
		}
		begins = recent->run_ends[i];
	}
	if (record == NULL) {
		return false;
	}
	*key = key_of(record);
	*value = value_of(record);
	return true;
}

static void
arrange(struct recent *recent)
{
	const uint64_t *ends = recent->run_ends;
	uint64_t count = recent->listed_count, first, begins;
	unsigned int runs = recent->run_count;
	bool all = recent->listed_passed > count + PASSED_MAX;

	first = runs > 0 ? ends[runs - 1] : 0;
	if (first == count && !all) {
		return;
	}
	for (; runs > 0; runs--) {
		begins = runs > 1 ? ends[runs - 2] : 0;
		if (!all && first - begins > RUN_FEW &&
		    first - begins > RUN_TIMES * (count - first)) {
			break;
		}
		first = begins;
	}
	if (first == 0) {
		weed(recent);
	}
	count = recent->listed_count - first;
	recent_sort(recent, recent->listed + first, count);
	if (count > 0) {
		assert(runs < RUNS_MAX);
		recent->run_ends[runs++] = first + count;
	}
	recent->run_count = runs;
}

/* The record as it is by now. */
static struct record *
latest(const struct recent *recent, struct record *record)
{
	while (record->state == MOVED) {
		record = record_at(recent, record->stored_size);
	}
	return record;
}

/* Takes those off the list that need not be there. */
static void
weed(struct recent *recent)
{
	struct record *record;
	uint64_t i, kept = 0;

	for (i = 0; i < recent->listed_count; i++) {
		fetch(recent->listed, i + FETCH_AHEAD, recent->listed_count);
		record = latest(recent, recent->listed[i].record);
		if (record->state == RECENT_PRESENT &&
		    record->stored_size == 0) {
			recent->listed[kept++].record = record;
		} else {
			record->is_listed = false;
		}
	}
	recent->listed_count = kept;
	recent->listed_passed = 0;
}

static bool
is_before(const struct record *record, struct kv_slice from, bool after)
{
	int order = kv_slice_order(key_of(record), from);

	return after ? order <= 0 : order < 0;
}

/* Of a run. */
static struct record *
first_present(struct recent *recent, uint64_t first, uint64_t end,
    struct kv_slice from, bool after)
{
	uint64_t last = end, middle;
	struct record *record;

	while (first < last) {
		middle = first + (last - first) / 2;
		if (is_before(recent->listed[middle].record, from, after)) {
			first = middle + 1;
		} else {
			last = middle;
		}
	}
	for (; first < end; first++) {
		record = latest(recent, recent->listed[first].record);
		if (record->state == RECENT_PRESENT) {
			return record;
		}
		recent->listed_passed++;
	}
	return NULL;
}

/* ----------------------------------------------------------------- sorting */

/* By what follows the first bytes, in which they are equal. */
static int
compare(const struct record *a, const struct record *b, size_t begins)
{
	size_t size =
	    a->key_size < b->key_size ? a->key_size : b->key_size;
	int order = memcmp(a->bytes + begins, b->bytes + begins, size - begins);

	return order != 0 ? order : a->key_size - b->key_size;
}

static int
compare_ordered(const void *a, const void *b)
{
	const struct ordered *one = a, *other = b;

	return compare(one->record, other->record, 0);
}

static void
sort_few(struct ordered *items, size_t count, size_t begins)
{
	struct ordered item;
	size_t i, at;

	for (i = 1; i < count; i++) {
		item = items[i];
		for (at = i; at > 0 && compare(items[at - 1].record,
		    item.record, begins) > 0; at--) {
			items[at] = items[at - 1];
		}
		items[at] = item;
	}
}

/* How many bytes all keys begin with, of which so many are known. */
static size_t
common_size(const struct ordered *items, size_t count, size_t begins)
{
	const struct record *first = items[0].record, *other;
	size_t size = first->key_size, i, at;

	for (i = 1; i < count; i++) {
		fetch(items, i + FETCH_AHEAD, count);
		other = items[i].record;
		if (size > other->key_size) {
			size = other->key_size;
		}
		for (at = begins; at < size; at++) {
			if (first->bytes[at] != other->bytes[at]) {
				size = at;
			}
		}
	}
	return size;
}

/* Takes 8 bytes of each key, zeros behind its end; says in which bits they
 * differ. */
static uint64_t
take_heads(struct ordered *items, size_t count, size_t at)
{
	uint64_t differ = 0;
	size_t i, left;

	for (i = 0; i < count; i++) {
		fetch(items, i + FETCH_AHEAD, count);
		left = items[i].record->key_size - at;
		items[i].head = 0;
		memcpy(&items[i].head, items[i].record->bytes + at,
		    left < 8 ? left : 8);
		items[i].head = be64toh(items[i].head);
		differ |= items[i].head ^ items[0].head;
	}
	return differ;
}

static bool
one_ends_before(const struct ordered *items, size_t count, size_t size)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (items[i].record->key_size < size) {
			return true;
		}
	}
	return false;
}

/* By one digit; what is equal in it stays in order. */
static void
sort_by_digit(struct recent *recent, const struct ordered *from,
    struct ordered *to, size_t count, unsigned int shift)
{
	uint32_t *digits = recent->digits, sum = 0, next;
	size_t i;

	memset(digits, 0, sizeof(recent->digits));
	for (i = 0; i < count; i++) {
		digits[from[i].head >> shift & (DIGIT_COUNT - 1)]++;
	}
	for (i = 0; i < DIGIT_COUNT; i++) {
		next = sum + digits[i];
		digits[i] = sum;
		sum = next;
	}
	for (i = 0; i < count; i++) {
		to[digits[from[i].head >> shift & (DIGIT_COUNT - 1)]++] =
		    from[i];
	}
}

static void
sort_by_heads(struct recent *recent, struct ordered *items, size_t count,
    uint64_t differ)
{
	struct ordered *from = items, *to = recent->spare, *swap;
	unsigned int shift;

	for (shift = 0; shift < 64; shift += DIGIT_BITS) {
		if ((differ >> shift & (DIGIT_COUNT - 1)) == 0) {
			continue;
		}
		sort_by_digit(recent, from, to, count, shift);
		swap = from;
		from = to;
		to = swap;
	}
	if (from != items) {
		memcpy(items, from, count * sizeof(*items));
	}
}

/* Each round takes 8 more bytes, so it is 64 rounds deep at most. */
static void
sort(struct recent *recent, struct ordered *items, size_t count, size_t begins)
{
	size_t common, first, end;
	uint64_t differ;

	if (count <= SORT_FEW) {
		sort_few(items, count, begins);
		return;
	} else if (count <= SORT_SOME) {
		qsort(items, count, sizeof(*items), compare_ordered);
		return;
	}
	common = common_size(items, count, begins);
	differ = take_heads(items, count, common);
	sort_by_heads(recent, items, count, differ);
	for (first = 0; first < count; first = end) {
		for (end = first + 1; end < count &&
		     items[end].head == items[first].head; end++) {
			continue;
		}
		if (end - first == 1) {
			continue;
		}
		if (one_ends_before(items + first, end - first, common + 8)) {
			/* An end and a zero byte look alike. */
			qsort(items + first, end - first, sizeof(*items),
			    compare_ordered);
		} else {
			sort(recent, items + first, end - first, common + 8);
		}
	}
}
