/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Terms and sizes of the log; see history.h.
 */
#include <assert.h>
#include <string.h>

#include "raft/history.h"

static uint32_t run_position(const struct history *, uint32_t);
static uint32_t run_of(const struct history *, uint64_t);
static uint64_t sum_up_to(const struct history *, uint64_t);

void
history_init(struct history *h, uint64_t first_index, uint64_t base_term)
{
	assert(first_index > 0);
	h->first_index = first_index;
	h->last_index = first_index - 1;
	h->base_term = base_term;
	h->sums_first = first_index;
	h->sum_before = 0;
	h->run_begin = 0;
	h->run_count = 0;
}

void
history_load(struct history *h, uint64_t last_index,
    const struct raft_run *runs, size_t run_count, const uint32_t *sizes,
    size_t size_count)
{
	uint64_t sum = 0, index;

	assert(h->run_count == 0 && last_index + 1 >= h->first_index);
	if (run_count > RAFT_RUNS_MAX) {
		h->base_term = runs[run_count - RAFT_RUNS_MAX - 1].term;
		runs += run_count - RAFT_RUNS_MAX;
		run_count = RAFT_RUNS_MAX;
		h->first_index = runs[0].first_index;
	}
	if (run_count > 0) {
		memcpy(h->runs, runs, run_count * sizeof(*runs));
	}
	h->run_begin = 0;
	h->run_count = (uint32_t)run_count;
	h->last_index = last_index;
	if (size_count > RAFT_WINDOW) {
		sizes += size_count - RAFT_WINDOW;
		size_count = RAFT_WINDOW;
	}
	h->sums_first = last_index + 1 - size_count;
	h->sum_before = 0;
	for (index = h->sums_first; index <= last_index; index++) {
		sum += sizes[index - h->sums_first];
		h->sums[index % RAFT_WINDOW] = sum;
	}
}

void
history_copy_runs(struct history *to, const struct history *from)
{
	uint32_t i, at;

	memcpy(to, from, offsetof(struct history, runs));
	for (i = 0; i < from->run_count; i++) {
		at = run_position(from, i);
		to->runs[at] = from->runs[at];
	}
}

void
history_copy(struct history *to, const struct history *from)
{
	uint64_t index;

	history_copy_runs(to, from);
	for (index = from->sums_first; index <= from->last_index; index++) {
		to->sums[index % RAFT_WINDOW] =
		    from->sums[index % RAFT_WINDOW];
	}
}

void
history_append(struct history *h, uint64_t term, uint32_t size)
{
	uint64_t sum = sum_up_to(h, h->last_index);
	struct raft_run *run;

	assert(term > 0);
	assert(term >= history_term(h, h->last_index));
	if (h->run_count == 0 || history_run(h, h->run_count - 1)->term !=
	    term) {
		if (h->run_count == RAFT_RUNS_MAX) {
			h->base_term = history_run(h, 0)->term;
			h->first_index = history_run(h, 1)->first_index;
			h->run_begin = run_position(h, 1);
			h->run_count--;
		}
		run = &h->runs[run_position(h, h->run_count++)];
		run->first_index = h->last_index + 1;
		run->term = term;
	}
	if (h->last_index + 1 - h->sums_first == RAFT_WINDOW) {
		h->sum_before = h->sums[h->sums_first % RAFT_WINDOW];
		h->sums_first++;
	}
	h->last_index++;
	h->sums[h->last_index % RAFT_WINDOW] = sum + size;
}

void
history_truncate(struct history *h, uint64_t index)
{
	assert(index > 0 && index <= h->last_index);
	if (index < h->first_index) {
		/* only when runs that are not committed were forgotten */
		history_init(h, index, 0);
		return;
	}
	while (h->run_count > 0 &&
	    history_run(h, h->run_count - 1)->first_index >= index) {
		h->run_count--;
	}
	h->last_index = index - 1;
	if (h->sums_first > index) {
		h->sums_first = index;
		h->sum_before = 0;
	}
}

void
history_compact(struct history *h, uint64_t first)
{
	uint64_t base_term = history_term(h, first - 1);
	uint32_t skip;

	assert(first > h->first_index && first <= h->last_index + 1);
	skip = first > h->last_index ? h->run_count : run_of(h, first);
	h->run_begin = run_position(h, skip);
	h->run_count -= skip;
	if (h->run_count > 0) {
		h->runs[h->run_begin].first_index = first;
	}
	h->first_index = first;
	h->base_term = base_term;
	if (h->sums_first < first) {
		h->sum_before = sum_up_to(h, first - 1);
		h->sums_first = first;
	}
}

uint64_t
history_term(const struct history *h, uint64_t index)
{
	if (index > h->last_index || index + 1 < h->first_index) {
		return 0;
	}
	if (index < h->first_index) {
		return h->base_term;
	}
	return history_run(h, run_of(h, index))->term;
}

bool
history_has(const struct history *h, uint64_t index, uint64_t term)
{
	if (index == 0) {
		return term == 0;	/* all logs agree before the first */
	}
	return term != 0 && history_term(h, index) == term;
}

uint64_t
history_floor(const struct history *h)
{
	if (h->first_index == 1 || h->base_term != 0) {
		return h->first_index - 1;
	}
	return h->first_index;
}

uint64_t
history_find(const struct history *h, uint64_t index, uint64_t term)
{
	uint64_t floor = history_floor(h);
	uint32_t i;

	if (index > h->last_index) {
		index = h->last_index;
	}
	if (index < h->first_index || h->run_count == 0) {
		return floor < h->last_index ? floor : h->last_index;
	}
	for (i = run_of(h, index) + 1; i-- > 0; ) {
		if (history_run(h, i)->term <= term) {
			return index;
		}
		index = history_run(h, i)->first_index - 1;
	}
	return index > floor ? index : floor;
}

uint64_t
history_bytes(const struct history *h, uint64_t first, uint64_t last)
{
	if (last > h->last_index) {
		last = h->last_index;
	}
	if (first > last) {
		return 0;
	}
	return sum_up_to(h, last) - sum_up_to(h, first - 1);
}

uint32_t
history_fit(const struct history *h, uint64_t first, uint64_t bytes,
    uint32_t count_max)
{
	uint64_t count, low, high, middle;

	assert(first > 0 && first <= h->last_index && count_max > 0);
	count = h->last_index - first + 1;
	if (count > count_max) {
		count = count_max;
	}
	low = 1;
	high = count;
	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (history_bytes(h, first, first + middle - 1) <= bytes) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	return (uint32_t)low;
}

const struct raft_run *
history_run(const struct history *h, uint32_t i)
{
	return &h->runs[run_position(h, i)];
}

bool
history_equal(const struct history *a, const struct history *b, uint64_t last)
{
	uint64_t index, end_a, end_b;
	uint32_t i, j;

	index = a->first_index > b->first_index ?
	    a->first_index : b->first_index;
	if (last > a->last_index || last > b->last_index) {
		return false;
	}
	if (index > last) {
		return true;
	}
	i = run_of(a, index);
	j = run_of(b, index);
	while (index <= last) {
		if (history_run(a, i)->term != history_run(b, j)->term) {
			return false;
		}
		end_a = i + 1 < a->run_count ?
		    history_run(a, i + 1)->first_index : a->last_index + 1;
		end_b = j + 1 < b->run_count ?
		    history_run(b, j + 1)->first_index : b->last_index + 1;
		index = end_a < end_b ? end_a : end_b;
		i += end_a == index ? 1 : 0;
		j += end_b == index ? 1 : 0;
	}
	return true;
}

static uint32_t
run_position(const struct history *h, uint32_t i)
{
	return (h->run_begin + i) % RAFT_RUNS_MAX;
}

/* The run that holds index, which is in the log. */
static uint32_t
run_of(const struct history *h, uint64_t index)
{
	uint32_t low = 0, high = h->run_count - 1, middle;

	assert(h->run_count > 0);
	if (history_run(h, high)->first_index <= index) {
		return high;
	}
	while (low < high) {
		middle = low + (high - low + 1) / 2;
		if (history_run(h, middle)->first_index <= index) {
			low = middle;
		} else {
			high = middle - 1;
		}
	}
	return low;
}

static uint64_t
sum_up_to(const struct history *h, uint64_t index)
{
	if (index < h->sums_first) {
		return h->sum_before;
	}
	return h->sums[index % RAFT_WINDOW];
}
