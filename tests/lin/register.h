/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For the tests of src/lin: histories of a register that is atomic, and a
 * checker so simple that it must be right, for a handful of operations.
 */
#ifndef RAFTSUP_TESTS_LIN_REGISTER_H
#define RAFTSUP_TESTS_LIN_REGISTER_H

#include "base/prng.h"
#include "lin/lin.h"

/* At most so many for register_judge. */
#define REGISTER_JUDGE_MAX 16

/*
 * clients   how many operations are in flight at once
 * keys      how many keys
 * values    0: each write has a value of its own; else values are [0, values)
 * kinds     a bit 1 << kind for each kind wanted
 * maybe     parts in a million that end with "maybe" or no answer, half each
 */
struct register_plan {
	size_t count;
	uint32_t clients;
	uint32_t keys;
	uint32_t values;
	uint32_t kinds;
	uint32_t maybe;
};

/*
 * Fills ops[0, plan->count) with a linearizable history, by call. An
 * operation takes effect once between its call and its answer; one that ends
 * with "maybe" or without an answer does so at any time after its call, or
 * never.
 */
void register_run(struct prng *prng, const struct register_plan *plan,
    struct lin_op *ops);

/*
 * One value of one key's register after an operation; false if it cannot
 * have the answer that it has.
 */
bool register_apply(const struct lin_op *op, int64_t *state);

/*
 * All orders of all operations, of one key, tried one after another. True if
 * one explains every answer. Else *stuck has a bit for each operation at
 * which one of the longest orders ends.
 */
bool register_judge(const struct lin_op *ops, size_t count, uint32_t *stuck);

#endif
