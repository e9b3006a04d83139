/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search for an order of the operations of one key; lin.c cuts a history
 * into keys and calls this for each.
 */
#ifndef RAFTSUP_LIN_SEARCH_H
#define RAFTSUP_LIN_SEARCH_H

#include "lin/lin.h"
#include "lin/memo.h"

/* Its effect is certain: it was answered, and the answer tells the result. */
static inline bool
search_is_certain(const struct lin_op *op)
{
	return op->known && op->ret != LIN_NO_REPLY;
}

/*
 * The verdict on the operations ops[order[0, count)], all of one key, by
 * rising call. Makes at most *steps steps and takes those made away from it.
 * With LIN_BAD, *stuck is the index in `ops` of the operation at which the
 * longest order ended. `memo` is emptied first.
 */
enum lin_verdict search_key(const struct lin_op *ops, const uint32_t *order,
    size_t count, struct memo *memo, uint64_t *steps, size_t *stuck)
    MUST_CHECK;

#endif
