/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is a history of client operations linearizable? That is: can each
 * operation be given one instant between its call and its answer, so that a
 * single register per key, doing them one after another at those instants,
 * would have given exactly these answers (Herlihy and Wing, 1990)?
 *
 *	client 1   |---- write 1 ----|
 *	client 2        |-- read 1 --|
 *	client 3                        |-- read absent --|     bad
 *
 * The caller records what its clients did and what they were told. What was
 * certainly not done (refused: "not applied") is left out of the history.
 * What may have been done (no answer, or the answer "maybe") belongs in it.
 * A history says most, and is checked fastest, if each write has a value of
 * its own.
 *
 * A key begins absent. LIN_ABSENT stands for that state wherever a value
 * does: a read's result, a value written (that is a delete), what a CAS
 * expects or leaves behind.
 */
#ifndef RAFTSUP_LIN_LIN_H
#define RAFTSUP_LIN_LIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define LIN_ABSENT   INT64_MIN
#define LIN_NO_REPLY UINT64_MAX

/* A history of more operations than this is LIN_UNKNOWN. */
#define LIN_OPS_MAX (1u << 24)

/*
 * What a search may remember: after that it goes on without learning from
 * its dead ends, which costs steps and never changes a verdict.
 */
#define LIN_MEMO_SIZE_MAX ((size_t)128 << 20)

enum lin_kind { LIN_READ = 1, LIN_WRITE, LIN_CAS, LIN_ADD };

/*
 * call, ret  event numbers: the call's is smaller, no two events of one
 *            history have the same. ret is LIN_NO_REPLY if no answer came.
 * client     who asked; for lin_explain only
 * key        keys are independent of one another
 * arg, arg2  WRITE: the value, unused. CAS: the value expected, the new one.
 *            ADD: the amount (an absent key counts as 0), unused
 * result     READ: the value. CAS: 1 swapped, 0 not. ADD: the new value.
 *            WRITE: unused
 * known      the answer says what happened. Without it, and without an
 *            answer, the operation took effect once at some time after its
 *            call, even long after ret, or never; result is not looked at
 *
 * A sum beyond int64_t, or equal to LIN_ABSENT, is refused by the register:
 * an ADD of unknown result then changes nothing, and no known one fits there.
 */
struct lin_op {
	uint64_t call;
	uint64_t ret;
	uint32_t client;
	uint64_t key;
	enum lin_kind kind;
	int64_t arg;
	int64_t arg2;
	int64_t result;
	bool known;
};

enum lin_verdict { LIN_OK, LIN_BAD, LIN_UNKNOWN };

/*
 * The verdict on `count` operations, in any order. One step is one look at
 * one operation that could be next; the whole search, over all keys, makes
 * at most steps_max of them, and each key gets a fair share of what is left.
 *
 * LIN_OK       there is an order that explains every answer
 * LIN_BAD      for some key there is none, proven; *bad_op (may be NULL) is
 *              the index in `ops` of the operation that must come next, and
 *              cannot, after the longest order found for that key
 * LIN_UNKNOWN  no key was proven bad, and for some the steps (or memory)
 *              ran out. Never an "OK"
 *
 * *bad_op is SIZE_MAX unless the verdict is LIN_BAD. Equal input, equal
 * verdict and *bad_op: no clock, no random number.
 *
 * Memory: about 150 bytes an operation, and LIN_MEMO_SIZE_MAX at most.
 * Events in the wrong order, or a kind that is none, are the caller's bug
 * and asserted.
 */
enum lin_verdict lin_check(const struct lin_op *ops, size_t count,
    uint64_t steps_max, size_t *bad_op) MUST_CHECK;

/*
 * Writes for people, into text[size], a few lines: how many operations the
 * key of ops[bad_op] has, that operation, marked, and its neighbours by time
 * of call. Always ends with NUL if size > 0; what does not fit is cut (2,000
 * bytes are always enough). Returns the length of the whole text.
 */
size_t lin_explain(const struct lin_op *ops, size_t count, size_t bad_op,
    char *text, size_t size);

#endif
