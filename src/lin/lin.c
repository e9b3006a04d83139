/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A history is linearizable if the part of each key is (Herlihy and Wing's
 * locality), so it is cut by key: what is exponential is so in the
 * operations of one key only. Small parts first, each with an equal share of
 * the steps left: what the small ones leave over goes to the large ones, and
 * a part that is too hard does not keep a bad one from being found.
 */
#include <assert.h>
#include <stdlib.h>

#include "lin/lin.h"
#include "lin/memo.h"
#include "lin/search.h"

/* The operations of one key: order[first, first + count). */
struct part {
	uint32_t first;
	uint32_t count;
};

static void check_ops(const struct lin_op *, size_t);
static size_t make_order(const struct lin_op *, size_t, uint32_t *);
static size_t make_parts(const struct lin_op *, const uint32_t *, size_t,
    struct part *);
static enum lin_verdict check_parts(const struct lin_op *, const uint32_t *,
    const struct part *, size_t, uint64_t, size_t *);
static int compare_calls(const void *, const void *, void *);
static int compare_parts(const void *, const void *);

enum lin_verdict
lin_check(const struct lin_op *ops, size_t count, uint64_t steps_max,
    size_t *bad_op)
{
	enum lin_verdict verdict = LIN_UNKNOWN;
	size_t bad = SIZE_MAX, part_count;
	uint32_t *order = NULL;
	struct part *parts = NULL;

	if (count > LIN_OPS_MAX) {
		goto out;
	}
	check_ops(ops, count);
	order = calloc(count + 1, sizeof(order[0]));
	parts = calloc(count + 1, sizeof(parts[0]));
	if (order == NULL || parts == NULL) {
		goto out;
	}
	count = make_order(ops, count, order);
	part_count = make_parts(ops, order, count, parts);
	verdict = check_parts(ops, order, parts, part_count, steps_max, &bad);
out:
	free(parts);
	free(order);
	if (bad_op != NULL) {
		*bad_op = bad;
	}
	return verdict;
}

static void
check_ops(const struct lin_op *ops, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		assert(ops[i].call < ops[i].ret);
		assert(ops[i].kind >= LIN_READ && ops[i].kind <= LIN_ADD);
	}
}

/*
 * By key, then by call. A read without a result says nothing and is left
 * out. Returns how many remain.
 */
static size_t
make_order(const struct lin_op *ops, size_t count, uint32_t *order)
{
	size_t kept = 0, i;

	for (i = 0; i < count; i++) {
		if (ops[i].kind != LIN_READ || search_is_certain(&ops[i])) {
			order[kept++] = (uint32_t)i;
		}
	}
	qsort_r(order, kept, sizeof(order[0]), compare_calls, &ops);
	return kept;
}

static size_t
make_parts(const struct lin_op *ops, const uint32_t *order, size_t count,
    struct part *parts)
{
	size_t part_count = 0, i;

	for (i = 0; i < count; i++) {
		if (i == 0 || ops[order[i]].key != ops[order[i - 1]].key) {
			parts[part_count++].first = (uint32_t)i;
		}
		parts[part_count - 1].count++;
	}
	qsort(parts, part_count, sizeof(parts[0]), compare_parts);
	return part_count;
}

static enum lin_verdict
check_parts(const struct lin_op *ops, const uint32_t *order,
    const struct part *parts, size_t part_count, uint64_t steps_max,
    size_t *bad)
{
	enum lin_verdict verdict = LIN_OK, one;
	uint64_t left = steps_max, share, steps;
	struct memo memo;
	size_t i;

	memo_init(&memo, LIN_MEMO_SIZE_MAX);
	for (i = 0; i < part_count; i++) {
		share = left / (part_count - i);
		steps = share;
		one = search_key(ops, order + parts[i].first, parts[i].count,
		    &memo, &steps, bad);
		left -= share - steps;
		if (one != LIN_OK) {
			verdict = one;
		}
		if (one == LIN_BAD) {
			break;
		}
	}
	memo_fini(&memo);
	return verdict;
}

static int
compare_calls(const void *left, const void *right, void *context)
{
	const struct lin_op *ops = *(const struct lin_op *const *)context;
	const struct lin_op *a = &ops[*(const uint32_t *)left];
	const struct lin_op *b = &ops[*(const uint32_t *)right];

	if (a->key != b->key) {
		return (a->key > b->key) - (a->key < b->key);
	}
	return (a->call > b->call) - (a->call < b->call);
}

static int
compare_parts(const void *left, const void *right)
{
	const struct part *a = left, *b = right;

	if (a->count != b->count) {
		return (a->count > b->count) - (a->count < b->count);
	}
	return (a->first > b->first) - (a->first < b->first);
}
