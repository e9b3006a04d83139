/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transaction: compare, then one branch or the other, all or nothing.
 *
 *	1. settle	what has expired of the keys it names goes
 *	2. compare
 *	3. evaluate	the operations of the branch on a view of their keys:
 *			nothing is written, answers gather
 *	4. write	the final state of each key that changed
 *
 * Slices of the table are good until the first write, so 1 and 4 do not mix
 * with what lies between.  What a transaction can be refused for is known
 * before 4.
 */
#include "kv/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

#define NUMBER_LENGTH_MAX 20 /* of INT64_MIN */
/* Values that appends and increments make; then the answers. */
#define ARENA_SIZE (KV_VALUE_SIZE_MAX + KV_TXN_OPERATIONS_MAX * 32)
#define TXN_SCRATCH_SIZE (ARENA_SIZE + KV_TXN_ANSWER_SIZE_MAX)

/* A key as the operations so far have left it. */
struct view {
	struct kv_slice key;
	struct kv_data old;
	bool is_there;
	bool is_changed;
	struct kv_slice value;
	uint64_t expires_ns;
};

struct txn {
	struct kv *kv;
	struct view views[KV_TXN_OPERATIONS_MAX];
	uint32_t view_count;
	uint8_t *arena;
	size_t arena_used;
	uint8_t *answers;
	size_t answers_size;
	uint32_t answer_count;
	enum kv_status refused; /* KV_OK: not yet */
};

static int settle(struct kv *, struct kv_slice rest,
    const struct kv_txn_counts *);
static int compare_all(struct kv *, struct kv_slice *rest, uint32_t count,
    bool *holds);
static int compare_one(struct kv *, const struct kv_compare *, bool *holds);
static int evaluate(struct txn *, const struct kv_command *);
static int evaluate_del(struct txn *, const struct kv_command *,
    struct kv_answer *);
static void evaluate_incr(struct txn *, struct view *,
    const struct kv_command *, struct kv_answer *);
static void evaluate_append(struct txn *, struct view *,
    const struct kv_command *, struct kv_answer *);
static int view_of(struct txn *, struct kv_slice key, struct view **);
static void view_set(struct view *, struct kv_slice value,
    uint64_t expires_ns);
static void add_answer(struct txn *, const struct kv_answer *);
static bool is_too_large(const struct txn *);
static int write_views(struct txn *);

int
kv_txn_apply(struct kv *kv, const struct kv_command *command,
    struct kv_answer *answer)
{
	struct kv_slice rest = command->value;
	struct kv_txn_counts counts = kv_txn_begin(&rest);
	struct kv_command operation;
	struct txn txn = {.kv = kv};
	bool holds = true;
	uint32_t i, count;
	int code;

	if (kv->txn_scratch == NULL) {
		kv->txn_scratch = malloc(TXN_SCRATCH_SIZE);
		if (kv->txn_scratch == NULL) {
			return ERR_NOMEM;
		}
	}
	txn.arena = kv->txn_scratch;
	txn.answers = kv->txn_scratch + ARENA_SIZE;
	code = settle(kv, rest, &counts);
	if (code == ERR_OK) {
		code = compare_all(kv, &rest, counts.compares, &holds);
	}
	count = holds ? counts.then : counts.otherwise;
	for (i = 0; !holds && i < counts.then; i++) {
		kv_txn_next_operation(&rest, &operation);
	}
	for (i = 0; code == ERR_OK && txn.refused == KV_OK && i < count; i++) {
		kv_txn_next_operation(&rest, &operation);
		code = evaluate(&txn, &operation);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (txn.refused == KV_OK && is_too_large(&txn)) {
		txn.refused = KV_TOO_LARGE;
	}
	if (txn.refused != KV_OK) {
		answer->status = txn.refused;
		return ERR_OK;
	}
	answer->number = holds ? 1 : 0;
	answer->count = txn.answer_count;
	answer->value = kv_slice(txn.answers, txn.answers_size);
	return write_views(&txn);
}

bool
kv_parse_number(struct kv_slice text, int64_t *number)
{
	const char *from = text.data;
	bool is_negative = text.size > 0 && from[0] == '-';
	size_t i = is_negative ? 1 : 0;
	int64_t value = 0;

	if (i == text.size) {
		return false;
	}
	for (; i < text.size; i++) {
		int digit = from[i] - '0';

		if (digit < 0 || digit > 9 ||
		    __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value,
			is_negative ? -digit : digit, &value)) {
			return false;
		}
	}
	*number = value;
	return true;
}

/* Of all keys, those of the other branch too: one log, one result. */
static int
settle(struct kv *kv, struct kv_slice rest, const struct kv_txn_counts *counts)
{
	struct kv_command operation;
	struct kv_compare compare;
	struct kv_data data;
	uint64_t at_ns;
	uint32_t i, k;
	int code = kv_next_expiry(kv, &at_ns);

	/* Nothing at all has expired: nothing to look at. */
	if (code != ERR_OK || at_ns > kv->position.log_time_ns) {
		return code;
	}
	for (i = 0; code == ERR_OK && i < counts->compares; i++) {
		kv_txn_next_compare(&rest, &compare);
		code = kv_data_get(kv, compare.key, &data);
	}
	for (i = 0; code == ERR_OK && i < counts->then + counts->otherwise;
	     i++) {
		kv_txn_next_operation(&rest, &operation);
		if (operation.op != KV_OP_DEL) {
			code = kv_data_get(kv, operation.key, &data);
			continue;
		}
		for (k = 0; code == ERR_OK && k < operation.key_count; k++) {
			code = kv_data_get(kv,
			    kv_command_next_key(&operation.value), &data);
		}
	}
	return code;
}

static int
compare_all(struct kv *kv, struct kv_slice *rest, uint32_t count, bool *holds)
{
	struct kv_compare compare;
	uint32_t i;
	int code = ERR_OK;
	bool one = false;

	for (i = 0; i < count; i++) {
		kv_txn_next_compare(rest, &compare);
		if (code == ERR_OK && *holds) {
			code = compare_one(kv, &compare, &one);
			*holds = code == ERR_OK && one;
		}
	}
	return code;
}

static int
compare_one(struct kv *kv, const struct kv_compare *compare, bool *holds)
{
	struct kv_data data;
	int code = kv_data_peek(kv, compare->key, &data);
	bool is_equal;

	if (code != ERR_OK) {
		return code;
	}
	is_equal = data.is_found && kv_slice_equal(data.value, compare->value);
	switch (compare->kind) {
	case KV_COMPARE_EQUAL:
		*holds = is_equal;
		break;
	case KV_COMPARE_NOT_EQUAL:
		*holds = !is_equal;
		break;
	case KV_COMPARE_EXISTS:
		*holds = data.is_found;
		break;
	case KV_COMPARE_ABSENT:
		*holds = !data.is_found;
		break;
	case KV_COMPARE_INDEX_BELOW:
		*holds = data.index < compare->number;
		break;
	}
	return ERR_OK;
}

static int
evaluate(struct txn *txn, const struct kv_command *operation)
{
	struct kv_answer answer = {
	    .op = operation->op,
	    .index = txn->kv->entry_index,
	};
	struct view *view;
	int code;

	if (operation->op == KV_OP_DEL) {
		code = evaluate_del(txn, operation, &answer);
	} else {
		code = view_of(txn, operation->key, &view);
	}
	if (code != ERR_OK) {
		return code;
	}
	switch (operation->op) {
	case KV_OP_SET:
		view_set(view, operation->value, NEVER_NS);
		break;
	case KV_OP_SET_TTL:
		view_set(view, operation->value,
		    kv_expires_ns(txn->kv, operation->number));
		break;
	case KV_OP_INCR:
		evaluate_incr(txn, view, operation, &answer);
		break;
	case KV_OP_APPEND:
		evaluate_append(txn, view, operation, &answer);
		break;
	case KV_OP_GET:
		answer.status = view->is_there ? KV_OK : KV_NOT_FOUND;
		answer.value = view->value;
		break;
	default:
		assert(operation->op == KV_OP_DEL);
		break;
	}
	if (txn->refused == KV_OK) {
		add_answer(txn, &answer);
	}
	return ERR_OK;
}

static int
evaluate_del(struct txn *txn, const struct kv_command *operation,
    struct kv_answer *answer)
{
	struct kv_slice rest = operation->value;
	struct view *view;
	uint32_t i;
	int code;

	for (i = 0; i < operation->key_count; i++) {
		code = view_of(txn, kv_command_next_key(&rest), &view);
		if (code != ERR_OK) {
			return code;
		}
		if (view->is_there) {
			answer->number++;
			view->is_there = false;
			view->is_changed = true;
			view->value = kv_slice(NULL, 0);
			view->expires_ns = NEVER_NS;
		}
	}
	return ERR_OK;
}

static void
evaluate_incr(struct txn *txn, struct view *view,
    const struct kv_command *operation, struct kv_answer *answer)
{
	char *text = (char *)txn->arena + txn->arena_used;
	int64_t number = 0;

	if (view->is_there && !kv_parse_number(view->value, &number)) {
		txn->refused = KV_NOT_A_NUMBER;
	} else if (__builtin_add_overflow(number, operation->number,
		       &number)) {
		txn->refused = KV_OVERFLOW;
	} else if (ARENA_SIZE - txn->arena_used <= NUMBER_LENGTH_MAX) {
		txn->refused = KV_TOO_LARGE;
	} else {
		answer->number = number;
		snprintf(text, NUMBER_LENGTH_MAX + 1, "%" PRId64, number);
		txn->arena_used += strlen(text);
		view_set(view, kv_slice(text, strlen(text)),
		    view->expires_ns);
	}
}

static void
evaluate_append(struct txn *txn, struct view *view,
    const struct kv_command *operation, struct kv_answer *answer)
{
	uint8_t *to = txn->arena + txn->arena_used;
	size_t size = view->value.size + operation->value.size;

	if (size > KV_VALUE_SIZE_MAX || size > ARENA_SIZE - txn->arena_used) {
		txn->refused = KV_TOO_LARGE;
		return;
	}
	if (view->value.size != 0) {
		memcpy(to, view->value.data, view->value.size);
	}
	if (operation->value.size != 0) {
		memcpy(to + view->value.size, operation->value.data,
		    operation->value.size);
	}
	txn->arena_used += size;
	answer->number = (int64_t)size;
	view_set(view, kv_slice(to, size), view->expires_ns);
}

static int
view_of(struct txn *txn, struct kv_slice key, struct view **found)
{
	struct view *view;
	uint32_t i;
	int code;

	for (i = 0; i < txn->view_count; i++) {
		*found = &txn->views[i];
		if (kv_slice_equal((*found)->key, key)) {
			return ERR_OK;
		}
	}
	assert(txn->view_count < KV_TXN_OPERATIONS_MAX);
	view = *found = &txn->views[txn->view_count++];
	view->key = key;
	code = kv_data_peek(txn->kv, key, &view->old);
	view->is_there = view->old.is_found;
	view->is_changed = false;
	view->value = view->old.value;
	view->expires_ns = view->old.expires_ns;
	return code;
}

static void
view_set(struct view *view, struct kv_slice value, uint64_t expires_ns)
{
	view->is_there = true;
	view->is_changed = true;
	view->value = value;
	view->expires_ns = expires_ns;
}

static void
add_answer(struct txn *txn, const struct kv_answer *answer)
{
	uint8_t *to = txn->answers + txn->answers_size;
	size_t left = KV_TXN_ANSWER_SIZE_MAX - txn->answers_size;
	int size = left < 4 ? ERR_TOO_LARGE :
			      kv_answer_encode(answer, to + 4, left - 4);

	if (size < 0) {
		txn->refused = KV_TOO_LARGE;
		return;
	}
	bytes_put_u32(to, (uint32_t)size);
	txn->answers_size += 4 + (size_t)size;
	txn->answer_count++;
}

/* What it would write, together. */
static bool
is_too_large(const struct txn *txn)
{
	size_t size = 0;
	uint32_t i;

	for (i = 0; i < txn->view_count; i++) {
		if (txn->views[i].is_changed) {
			size += txn->views[i].key.size +
			    txn->views[i].value.size;
		}
	}
	return size > KV_VALUE_SIZE_MAX;
}

static int
write_views(struct txn *txn)
{
	struct kv *kv = txn->kv;
	int code = ERR_OK;
	uint32_t i;

	for (i = 0; code == ERR_OK && i < txn->view_count; i++) {
		struct view *view = &txn->views[i];

		if (!view->is_changed) {
			continue;
		}
		if (view->is_there) {
			if (view->value.size != 0) {
				memcpy(kv_data_value(kv), view->value.data,
				    view->value.size);
			}
			code = kv_data_put(kv, view->key, &view->old,
			    view->expires_ns, view->value.size);
		} else if (view->old.is_found) {
			code = kv_data_del(kv, view->key, &view->old,
			    KV_EVENT_DEL);
		}
	}
	return code;
}
