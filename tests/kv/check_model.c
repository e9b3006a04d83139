/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine against a naive one: an array of keys with values and ends of
 * life.  Random commands, transactions of several of them among these, with
 * log time going on; now and then a checkpoint, an abort that applies the
 * last commands again, a restart.  Answers, keys and all events are compared,
 * the events also in pieces, and with a prefix.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kv/kv.h"
#include "tests/base/check_run.h"
#include "tests/kv/rig.h"

#define KEYS	     9
#define STEPS	     900
#define OPERATIONS   4
#define VALUE_SIZE   64
#define ENTRY_SIZE   1024
#define EVENTS_MAX   (STEPS * 16)

struct slot {
	bool is_there;
	char value[VALUE_SIZE];
	uint64_t index;
	uint64_t expires_ns; /* 0: never */
	uint64_t order;	     /* of its last change among all */
};

struct event {
	uint64_t index;
	enum kv_event_type type;
	int key;
	char value[VALUE_SIZE];
};

struct model {
	struct slot slots[KEYS];
	uint64_t log_time_ns;
	uint64_t index;
	struct event events[EVENTS_MAX];
	size_t event_count;
};

/* An operation as both understand it. */
struct step {
	enum kv_op op;
	int key;
	char value[8];
	int64_t number;
	struct kv_answer wanted;
	char wanted_value[VALUE_SIZE];
};

static char keys[KEYS][4];
static uint64_t random_state;

static uint64_t
draw(uint64_t below)
{
	random_state = random_state * 6364136223846793005u +
	    1442695040888963407u;
	return (random_state >> 33) % below;
}

static void
model_event(struct model *model, enum kv_event_type type, int key)
{
	struct event *event = &model->events[model->event_count++];

	ck_assert_uint_lt(model->event_count, EVENTS_MAX);
	event->index = model->index;
	event->type = type;
	event->key = key;
	snprintf(event->value, sizeof(event->value), "%s",
	    type == KV_EVENT_SET ? model->slots[key].value : "");
}

static bool
is_before(const struct slot *one, const struct slot *other)
{
	return one->expires_ns != other->expires_ns ?
	    one->expires_ns < other->expires_ns :
	    one->order < other->order;
}

/*
 * The naive model cannot know in which order the machine removes what has
 * expired; it lets a key go when it is first touched or swept, and few enough
 * expire at once that each entry sweeps all: in the order of their ends.
 */
static void
model_expire(struct model *model)
{
	for (;;) {
		int first = -1, key;

		for (key = 0; key < KEYS; key++) {
			struct slot *slot = &model->slots[key];

			if (slot->is_there && slot->expires_ns != 0 &&
			    slot->expires_ns <= model->log_time_ns &&
			    (first < 0 ||
				is_before(slot, &model->slots[first]))) {
				first = key;
			}
		}
		if (first < 0) {
			return;
		}
		model->slots[first].is_there = false;
		model_event(model, KV_EVENT_EXPIRE, first);
	}
}

/* False: it cannot be done. */
static bool
model_step(struct model *model, struct step *step)
{
	struct slot *slot = &model->slots[step->key];
	int64_t number = 0;
	char *end = NULL;

	memset(&step->wanted, 0, sizeof(step->wanted));
	step->wanted_value[0] = '\0';
	step->wanted.index = model->index;
	if (!slot->is_there) {
		slot->value[0] = '\0';
		slot->expires_ns = 0;
	}
	switch (step->op) {
	case KV_OP_SET:
	case KV_OP_SET_TTL:
		snprintf(slot->value, sizeof(slot->value), "%s", step->value);
		slot->expires_ns = step->op == KV_OP_SET ? 0 :
		    model->log_time_ns + (uint64_t)step->number;
		break;
	case KV_OP_DEL:
		step->wanted.number = slot->is_there;
		slot->is_there = false;
		return true;
	case KV_OP_INCR:
		if (slot->is_there) {
			number = strtoll(slot->value, &end, 10);
			if (end == slot->value || *end != '\0') {
				step->wanted.status = KV_NOT_A_NUMBER;
				return false;
			}
		}
		number += step->number;
		step->wanted.number = number;
		snprintf(slot->value, sizeof(slot->value), "%lld",
		    (long long)number);
		break;
	case KV_OP_APPEND:
		if (strlen(slot->value) + strlen(step->value) >= VALUE_SIZE) {
			slot->value[0] = '\0';
			ck_abort_msg("values stay short");
		}
		strcat(slot->value, step->value);
		step->wanted.number = (int64_t)strlen(slot->value);
		break;
	default:
		step->wanted.status = slot->is_there ? KV_OK : KV_NOT_FOUND;
		snprintf(step->wanted_value, sizeof(step->wanted_value), "%s",
		    slot->value);
		return true;
	}
	slot->is_there = true;
	slot->index = model->index;
	return true;
}

static struct step
draw_step(const struct model *model, bool in_txn)
{
	static const enum kv_op ops[] = {KV_OP_SET, KV_OP_SET_TTL,
	    KV_OP_SET_TTL, KV_OP_DEL, KV_OP_INCR, KV_OP_APPEND, KV_OP_GET};
	struct step step;

	memset(&step, 0, sizeof(step));
	step.op = ops[draw(COUNT_OF(ops) - (in_txn ? 0 : 1))];
	step.key = (int)draw(KEYS);
	step.number = 1 + (int64_t)draw(400);
	snprintf(step.value, sizeof(step.value), draw(4) == 0 ? "x%d" : "%d",
	    (int)draw(1000));
	if (step.op == KV_OP_APPEND &&
	    strlen(model->slots[step.key].value) > 30) {
		step.op = KV_OP_SET;
	}
	return step;
}

static struct kv_command
command_of(const struct step *step, uint8_t packed[8])
{
	struct kv_command command = {.op = step->op,
	    .key = rig_text(keys[step->key])};

	switch (step->op) {
	case KV_OP_SET_TTL:
		command.number = step->number;
		command.value = rig_text(step->value);
		break;
	case KV_OP_SET:
	case KV_OP_APPEND:
		command.value = rig_text(step->value);
		break;
	case KV_OP_INCR:
		command.number = step->number;
		break;
	case KV_OP_DEL:
		packed[0] = (uint8_t)command.key.size;
		packed[1] = 0;
		memcpy(packed + 2, command.key.data, command.key.size);
		command.value = (struct kv_slice){packed,
		    2 + command.key.size};
		command.key_count = 1;
		command.key.size = 0;
		break;
	default:
		break;
	}
	return command;
}

static void
assert_answer(const struct kv_answer *answer, const struct step *step)
{
	ck_assert_int_eq(answer->status, step->wanted.status);
	ck_assert_uint_eq(answer->index, step->wanted.index);
	ck_assert_int_eq(answer->number, step->wanted.number);
	ck_assert_uint_eq(answer->value.size, strlen(step->wanted_value));
	if (answer->value.size != 0) {
		ck_assert_mem_eq(answer->value.data, step->wanted_value,
		    answer->value.size);
	}
}

static bool
compare_holds(const struct model *model, const struct kv_compare *compare,
    int key)
{
	const struct slot *slot = &model->slots[key];
	bool equal = slot->is_there &&
	    strlen(slot->value) == compare->value.size &&
	    (compare->value.size == 0 ||
		memcmp(slot->value, compare->value.data,
		    compare->value.size) == 0);

	switch (compare->kind) {
	case KV_COMPARE_EQUAL:
		return equal;
	case KV_COMPARE_NOT_EQUAL:
		return !equal;
	case KV_COMPARE_EXISTS:
		return slot->is_there;
	case KV_COMPARE_ABSENT:
		return !slot->is_there;
	case KV_COMPARE_INDEX_BELOW:
		return (slot->is_there ? slot->index : 0) < compare->number;
	}
	return false;
}

/* What a whole entry did to each key, in the order of first naming. */
static void
model_effects(struct model *model, const struct model *before,
    const struct step *steps, size_t count)
{
	uint32_t seen = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		int key = steps[i].key;
		struct slot *slot = &model->slots[key];
		bool changed = slot->is_there &&
		    slot->index == model->index;

		if ((seen & 1u << key) != 0) {
			continue;
		}
		seen |= 1u << key;
		if (changed) {
			slot->order = model->event_count;
			model_event(model, KV_EVENT_SET, key);
		} else if (before->slots[key].is_there && !slot->is_there) {
			model_event(model, KV_EVENT_DEL, key);
		}
	}
}

static struct model model, before;

static int
make_txn(struct kv_command *command, struct step *steps, size_t *count,
    bool *is_then, uint8_t *bytes)
{
	static const enum kv_compare_kind kinds[] = {KV_COMPARE_EQUAL,
	    KV_COMPARE_NOT_EQUAL, KV_COMPARE_EXISTS, KV_COMPARE_ABSENT,
	    KV_COMPARE_INDEX_BELOW};
	struct step branches[2][OPERATIONS];
	struct kv_command commands[2][OPERATIONS];
	uint8_t packed[2][OPERATIONS][8];
	struct kv_compare compares[2];
	size_t counts[2], compare_count = (size_t)draw(3), b, i;
	struct kv_txn txn = {compares, compare_count, commands[0], 0,
	    commands[1], 0};
	int size, key;

	*is_then = true;
	for (i = 0; i < compare_count; i++) {
		key = (int)draw(KEYS);
		compares[i] = (struct kv_compare){
		    .kind = kinds[draw(COUNT_OF(kinds))],
		    .key = rig_text(keys[key]),
		};
		if (compares[i].kind <= KV_COMPARE_NOT_EQUAL) {
			compares[i].value = rig_text(model.slots[key].value);
		} else if (compares[i].kind == KV_COMPARE_INDEX_BELOW) {
			compares[i].number = draw(model.index + 1);
		}
		*is_then = *is_then && compare_holds(&model, &compares[i],
		    key);
	}
	for (b = 0; b < 2; b++) {
		counts[b] = (size_t)draw(OPERATIONS + 1);
		for (i = 0; i < counts[b]; i++) {
			branches[b][i] = draw_step(&model, true);
			if (branches[b][i].op == KV_OP_APPEND) {
				branches[b][i].op = KV_OP_SET;
			}
			commands[b][i] = command_of(&branches[b][i],
			    packed[b][i]);
		}
	}
	txn.then_count = counts[0];
	txn.otherwise_count = counts[1];
	size = kv_txn_encode(&txn, bytes, ENTRY_SIZE);
	ck_assert_int_gt(size, 0);
	command->op = KV_OP_TXN;
	command->value = (struct kv_slice){bytes, (size_t)size};
	b = *is_then ? 0 : 1;
	*count = counts[b];
	memcpy(steps, branches[b], sizeof(branches[b]));
	return size;
}

static void
assert_txn(const struct kv_answer *answer, const struct step *steps,
    size_t count, bool is_then, enum kv_status refused)
{
	struct kv_slice rest = answer->value;
	struct kv_answer one;
	size_t i;

	ck_assert_int_eq(answer->status, refused);
	if (refused != KV_OK) {
		ck_assert_uint_eq(answer->count, 0);
		return;
	}
	ck_assert_int_eq(answer->number, is_then);
	ck_assert_uint_eq(answer->count, count);
	for (i = 0; i < count; i++) {
		ck_assert_int_eq(kv_txn_next_answer(&rest, &one), ERR_OK);
		assert_answer(&one, &steps[i]);
	}
	ck_assert_int_eq(kv_txn_next_answer(&rest, &one), ERR_NOT_FOUND);
}

static uint8_t entries[STEPS + 2][ENTRY_SIZE];
static int sizes[STEPS + 2];
static uint64_t digests[STEPS + 2];

static void
apply(struct rig *rig, uint64_t index, struct kv_answer *answer)
{
	ck_assert_int_eq(kv_apply(rig->kv, index, 1, true, entries[index],
			     (size_t)sizes[index], answer),
	    ERR_OK);
	if (digests[index] == 0) {
		digests[index] = kv_position(rig->kv)->digest;
	}
	ck_assert_uint_eq(kv_position(rig->kv)->digest, digests[index]);
}

/* Whatever was done to it, the same entries again. */
static void
disturb(struct rig *rig, uint64_t *committed)
{
	uint64_t index = kv_position(rig->kv)->applied_index;
	struct kv_answer answer;

	switch (draw(24)) {
	case 0:
		rig_abort(rig);
		break;
	case 1:
		rig_restart(rig);
		break;
	case 2:
	case 3:
		rig_checkpoint(rig);
		*committed = index;
		return;
	case 4:
		rig_verify(rig);
		return;
	default:
		return;
	}
	ck_assert_uint_eq(kv_position(rig->kv)->applied_index, *committed);
	while (kv_position(rig->kv)->applied_index < index) {
		apply(rig, kv_position(rig->kv)->applied_index + 1, &answer);
	}
}

static void
assert_keys(struct rig *rig)
{
	uint64_t there = 0;
	int key;

	for (key = 0; key < KEYS; key++) {
		if (model.slots[key].is_there) {
			ck_assert_msg(rig_has(rig, keys[key],
					  model.slots[key].value),
			    "%s is not %s", keys[key],
			    model.slots[key].value);
			there++;
		} else {
			ck_assert(rig_is_absent(rig, keys[key]));
		}
	}
	ck_assert_uint_eq(kv_position(rig->kv)->key_count, there);
}

/* All events from `from` on, with this prefix. */
static void
assert_events(struct rig *rig, uint64_t from, const char *prefix)
{
	struct kv_command watch = {.op = KV_OP_WATCH, .key = rig_text(prefix),
	    .number = (int64_t)from};
	struct kv_answer answer = rig_read(rig, watch);
	struct kv_event event;
	struct kv_slice rest = answer.value;
	uint32_t count = 0;
	size_t i;

	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq((uint64_t)answer.number, model.index + 1);
	for (i = 0; i < model.event_count; i++) {
		const struct event *wanted = &model.events[i];

		if (wanted->index < from ||
		    strncmp(keys[wanted->key], prefix, strlen(prefix)) != 0) {
			continue;
		}
		ck_assert_int_eq(kv_event_next(&rest, &event), ERR_OK);
		count++;
		ck_assert_uint_eq(event.index, wanted->index);
		ck_assert_int_eq(event.type, wanted->type);
		ck_assert_uint_eq(event.key.size, strlen(keys[wanted->key]));
		ck_assert_mem_eq(event.key.data, keys[wanted->key],
		    event.key.size);
		ck_assert_uint_eq(event.value.size, strlen(wanted->value));
		if (event.value.size != 0) {
			ck_assert_mem_eq(event.value.data, wanted->value,
			    event.value.size);
		}
	}
	ck_assert_int_eq(kv_event_next(&rest, &event), ERR_NOT_FOUND);
	ck_assert_uint_eq(answer.count, count);
}

/* One entry; and the same again as a retry, which does nothing. */
static void
one_step(struct rig *rig, uint64_t session, uint64_t *sequence)
{
	struct kv_command command = {.op = KV_OP_NOOP};
	struct step steps[OPERATIONS];
	struct kv_answer answer;
	uint8_t packed[8], bytes[ENTRY_SIZE];
	enum kv_status refused = KV_OK;
	bool is_txn = draw(3) == 0, is_then = true;
	size_t count = 1, i, txns;

	model.index++;
	model.log_time_ns += draw(40);
	model_expire(&model);
	if (is_txn) {
		make_txn(&command, steps, &count, &is_then, bytes);
	} else {
		steps[0] = draw_step(&model, false);
		command = command_of(&steps[0], packed);
	}
	before = model;
	for (i = 0; i < count && refused == KV_OK; i++) {
		if (!model_step(&model, &steps[i])) {
			refused = steps[i].wanted.status;
		}
	}
	if (refused != KV_OK) {
		memcpy(model.slots, before.slots, sizeof(model.slots));
	} else {
		model_effects(&model, &before, steps, count);
	}
	command.session = session;
	command.sequence = *sequence;
	command.lowest_open = *sequence > 3 ? *sequence - 3 : 1;
	command.stamp_ns = model.log_time_ns;
	sizes[model.index] = kv_command_encode(&command,
	    entries[model.index], ENTRY_SIZE);
	ck_assert_int_gt(sizes[model.index], 0);
	for (txns = 0; txns < 2; txns++) {
		apply(rig, model.index, &answer);
		if (is_txn) {
			assert_txn(&answer, steps, count, is_then, refused);
		} else {
			assert_answer(&answer, &steps[0]);
		}
		if (txns == 1 || draw(4) != 0) {
			break;
		}
		model.index++;
		memcpy(entries[model.index], entries[model.index - 1],
		    ENTRY_SIZE);
		sizes[model.index] = sizes[model.index - 1];
	}
	(*sequence)++;
}

START_TEST(test_model)
{
	uint64_t session, sequence = 1, committed = 0;
	struct kv_command open = {.op = KV_OP_OPEN};
	struct kv_answer answer;
	struct rig rig;
	int key;

	random_state = (uint64_t)_i + 1;
	memset(&model, 0, sizeof(model));
	memset(digests, 0, sizeof(digests));
	for (key = 0; key < KEYS; key++) {
		snprintf(keys[key], sizeof(keys[key]), "%c%d",
		    key < 4 ? 'a' : 'b', key);
	}
	rig_init(&rig);
	model.index = model.log_time_ns = 1;
	open.stamp_ns = 1;
	sizes[1] = kv_command_encode(&open, entries[1], ENTRY_SIZE);
	apply(&rig, 1, &answer);
	session = (uint64_t)answer.number;
	while (model.index < STEPS) {
		one_step(&rig, session, &sequence);
		disturb(&rig, &committed);
		assert_keys(&rig);
		if (draw(20) == 0) {
			assert_events(&rig, 1 + draw(model.index), "");
			assert_events(&rig, 1 + draw(model.index), "a");
		}
	}
	rig_checkpoint(&rig);
	rig_restart(&rig);
	assert_events(&rig, 1, "");
	assert_events(&rig, 1, "b");
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

static struct kv_answer
read_watch(struct rig *rig, uint64_t from, uint64_t skip)
{
	return rig_read(rig, (struct kv_command){.op = KV_OP_WATCH,
				 .number = (int64_t)from, .target = skip});
}

/* Four keys an entry, none missing, none twice, up to index 31. */
static uint64_t
read_all(struct rig *rig, uint64_t at)
{
	uint64_t skip = 0, last = at - 1, of_last = 4, all = 0;
	struct kv_answer answer;
	struct kv_event event;
	struct kv_slice rest;

	while (at <= 31) {
		answer = read_watch(rig, at, skip);
		ck_assert_int_eq(answer.status, KV_OK);
		ck_assert_uint_gt(answer.count, 0);
		rest = answer.value;
		while (kv_event_next(&rest, &event) == ERR_OK) {
			if (event.index != last) {
				ck_assert_uint_eq(event.index, last + 1);
				ck_assert_uint_eq(of_last, 4);
				last = event.index;
				of_last = 0;
			}
			ck_assert_int_eq(*(const char *)event.key.data,
			    (int)('a' + of_last));
			of_last++;
			all++;
		}
		at = (uint64_t)answer.number;
		skip = answer.more ? of_last : 0;
	}
	ck_assert_uint_eq(last, 31);
	ck_assert_uint_eq(of_last, 4);
	return all;
}

/* Large values: answers are cut, in the middle of a transaction too, and go
 * on exactly there; the oldest events go, and it is said which are left. */
START_TEST(test_watch_large)
{
	static char value[200000];
	struct kv_command operations[4];
	struct kv_txn txn = {NULL, 0, operations, 4, NULL, 0};
	static uint8_t bytes[KV_VALUE_SIZE_MAX];
	struct kv_command command;
	struct kv_answer answer;
	struct rig rig;
	uint64_t session, i, at;
	int size;

	memset(value, 'v', sizeof(value));
	for (i = 0; i < 4; i++) {
		static const char *const names[] = {"a", "b", "c", "d"};

		operations[i] = (struct kv_command){.op = KV_OP_SET,
		    .key = rig_text(names[i]),
		    .value = {value, sizeof(value)}};
	}
	size = kv_txn_encode(&txn, bytes, sizeof(bytes));
	ck_assert_int_gt(size, 0);
	rig_init(&rig);
	session = rig_open(&rig);
	for (i = 1; i <= 30; i++) {
		command = rig_command(KV_OP_TXN, session, i);
		command.value = (struct kv_slice){bytes, (size_t)size};
		ck_assert_int_eq(rig_write(&rig, command).status, KV_OK);
		if (i % 3 == (uint64_t)_i) {
			rig_checkpoint(&rig);
			if (_i == 1) {
				rig_restart(&rig);
			}
		}
	}
	rig_verify(&rig);
	answer = read_watch(&rig, 2, 0);
	ck_assert_int_eq(answer.status, KV_COMPACTED);
	at = (uint64_t)answer.number;
	/* 8 MiB: at least ten entries of 0.8 MB */
	ck_assert_uint_gt(at, 10);
	ck_assert_uint_lt(at, 24);
	ck_assert_int_eq(read_watch(&rig, at - 1, 0).status, KV_COMPACTED);
	ck_assert_uint_ge(read_all(&rig, at), 40);
	rig_fini(&rig);
}
END_TEST

/* From now on; from an index that is yet to come. */
START_TEST(test_watch_later)
{
	struct kv_answer answer;
	struct rig rig;
	uint64_t session;

	rig_init(&rig);
	session = rig_open(&rig);
	rig_write(&rig, rig_set(session, 1, "k", "v"));
	answer = read_watch(&rig, 0, 0);
	ck_assert_int_eq(answer.status, KV_OK);
	ck_assert_uint_eq(answer.count, 0);
	ck_assert_int_eq(answer.number, 3);
	answer = read_watch(&rig, 9, 0);
	ck_assert_uint_eq(answer.count, 0);
	ck_assert_int_eq(answer.number, 9);
	rig_write(&rig, rig_set(session, 2, "k", "w"));
	ck_assert_uint_eq(read_watch(&rig, 3, 0).count, 1);
	rig_fini(&rig);
}
END_TEST

/* What one transaction may not do leaves nothing; limits. */
START_TEST(test_txn_limits)
{
	static uint8_t bytes[KV_VALUE_SIZE_MAX];
	static char value[60000];
	struct kv_command operations[KV_TXN_OPERATIONS_MAX + 1];
	struct kv_compare compares[KV_TXN_COMPARES_MAX + 1];
	struct kv_txn txn = {compares, 0, operations, 0, NULL, 0};
	struct kv_command command;
	struct rig rig;
	uint64_t session, i;
	int size;

	memset(value, 'v', sizeof(value));
	for (i = 0; i <= KV_TXN_OPERATIONS_MAX; i++) {
		operations[i] = (struct kv_command){.op = KV_OP_GET,
		    .key = rig_text("k")};
		compares[i] = (struct kv_compare){.kind = KV_COMPARE_EXISTS,
		    .key = rig_text("k")};
	}
	txn.then_count = KV_TXN_OPERATIONS_MAX + 1;
	ck_assert_int_eq(kv_txn_encode(&txn, bytes, sizeof(bytes)),
	    ERR_TOO_LARGE);
	txn.then_count = 1;
	txn.compare_count = KV_TXN_COMPARES_MAX + 1;
	ck_assert_int_eq(kv_txn_encode(&txn, bytes, sizeof(bytes)),
	    ERR_TOO_LARGE);
	txn.compare_count = 0;
	operations[0].op = KV_OP_NOOP;
	ck_assert_int_eq(kv_txn_encode(&txn, bytes, sizeof(bytes)),
	    ERR_USAGE);
	/* two answers of 60000 bytes are more than one may have */
	rig_init(&rig);
	session = rig_open(&rig);
	command = rig_set(session, 1, "k", "");
	command.value = (struct kv_slice){value, sizeof(value)};
	rig_write(&rig, command);
	operations[0] = (struct kv_command){.op = KV_OP_SET,
	    .key = rig_text("new"), .value = rig_text("1")};
	txn.then_count = 3;
	size = kv_txn_encode(&txn, bytes, sizeof(bytes));
	command = rig_command(KV_OP_TXN, session, 2);
	command.value = (struct kv_slice){bytes, (size_t)size};
	ck_assert_int_eq(rig_write(&rig, command).status, KV_TOO_LARGE);
	ck_assert(rig_is_absent(&rig, "new"));
	/* with one it can, until the session has too many of them */
	txn.then_count = 2;
	size = kv_txn_encode(&txn, bytes, sizeof(bytes));
	command.value.size = (size_t)size;
	command.lowest_open = 3;
	for (i = 3; i < 100; i++) {
		command.sequence = i;
		if (rig_write(&rig, command).status != KV_OK) {
			break;
		}
	}
	ck_assert_uint_gt(i, 65);
	ck_assert_uint_lt(i, 80);
	ck_assert_int_eq(rig_write(&rig, command).status, KV_SEQUENCE_FAR);
	command = rig_set(session, 100, "k", "v");
	ck_assert_int_eq(rig_write(&rig, command).status, KV_OK);
	rig_checkpoint(&rig);
	rig_restart(&rig);
	rig_verify(&rig);
	rig_fini(&rig);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("kv model");
	TCase *tcase = tcase_create("model");

	tcase_add_loop_test(tcase, test_model, 0, 12);
	tcase_add_loop_test(tcase, test_watch_large, 0, 3);
	tcase_add_test(tcase, test_watch_later);
	tcase_add_test(tcase, test_txn_limits);
	suite_add_tcase(suite, tcase);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
