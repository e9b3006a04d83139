/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search of Wing and Gong (1993), which remembers where it has been as
 * Lowe (2017) does. Calls and answers of one key stand in a doubly linked
 * list, by time. Every operation whose call stands before the first answer
 * could be next: it is tried, and both its events leave the list. An answer
 * met first means that its operation should have come before: a dead end,
 * and the last choice is taken back. A configuration, that is the register's
 * value and the set of operations done, need not be entered twice.
 *
 *	head - call a - call b - ret b - call c - ret a - ret c
 *	       \_____________/   a or b may be next; c may not
 *
 * An operation is certain if its answer tells the result. An uncertain one
 * has no answer in the list, so nothing ever forces it to be done, and the
 * search is over when no certain one is left. Four rules keep the number of
 * configurations small, and lose no order that the others would find:
 *
 * free    A certain read or failed CAS that fits is done at once, with no
 *         other choice: it changes nothing whenever it is done. (A write of
 *         the value that is there is another matter: later it would change
 *         something.)
 * idle    An uncertain one is not done where it would change nothing.
 * twins   Of uncertain ones that do the same, the first called is first.
 * loose   A write does not follow an uncertain operation directly: nothing
 *         has seen its effect, and the order without it is as good. So
 *         "what was done last is uncertain" is part of a configuration.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lin/search.h"

#define NONE      UINT32_MAX
#define WORD_BITS 64

/* A call or an answer; events[0] is the head of the list, closed to a ring. */
struct event {
	uint64_t at;
	uint32_t op;
	uint32_t prev;
	uint32_t next;
	bool is_return;
};

/* An operation; numbers are positions in `order` and in `events`. */
struct node {
	uint32_t call;
	uint32_t ret;  /* 0: an uncertain one */
	uint32_t bit;  /* in the set: first the uncertain, then the certain */
	uint32_t twin; /* the one before that does the same, or NONE */
};

/* What was done, and what to go back to. */
struct choice {
	int64_t state;
	uint32_t call;
	bool was_loose;
	bool is_free;
};

struct search {
	const struct lin_op *ops;
	const uint32_t *order;
	size_t count;
	struct event *events;
	struct node *nodes;
	struct choice *path;
	size_t depth;
	uint64_t *set;
	size_t may_words;  /* words of `set` for the uncertain ones */
	size_t word_count; /* all words of `set` */
	uint64_t set_hash;
	uint64_t *record;
	struct memo *memo;
	int64_t state;
	size_t must_count; /* certain ones, all */
	size_t must_left;  /* certain ones to do */
	uint64_t *steps;
	bool is_loose;
	bool is_exhausted;
	size_t best; /* most certain ones done at a dead end, plus 1 */
	uint32_t stuck;
};

struct twin_key {
	int64_t arg;
	int64_t arg2;
	enum lin_kind kind;
	uint32_t op;
};

static bool search_init(struct search *);
static void search_fini(struct search *);
static enum lin_verdict run(struct search *);
static uint32_t find_free(struct search *);
static uint32_t find_choice(struct search *, uint32_t, int64_t *);
static bool is_useful(const struct search *, uint32_t, int64_t *);
static bool is_new(struct search *, uint32_t, int64_t);
static bool apply(const struct lin_op *, int64_t, int64_t *);
static void advance(struct search *, uint32_t, int64_t, bool);
static bool go_back(struct search *, uint32_t *);
static void note_dead_end(struct search *);
static bool take_step(struct search *);
static const struct lin_op *op_of(const struct search *, uint32_t);
static bool set_has(const struct search *, uint32_t);
static void set_toggle(struct search *, uint32_t);
static void unlink_event(struct search *, uint32_t);
static void relink_event(struct search *, uint32_t);
static void make_events(struct search *);
static void make_bits(struct search *);
static bool find_twins(struct search *);
static int compare_events(const void *, const void *);
static int compare_twins(const void *, const void *);
static uint64_t mix(uint64_t);

enum lin_verdict
search_key(const struct lin_op *ops, const uint32_t *order, size_t count,
    struct memo *memo, uint64_t *steps, size_t *stuck)
{
	enum lin_verdict verdict = LIN_UNKNOWN;
	struct search s = {
		.ops = ops,
		.order = order,
		.count = count,
		.memo = memo,
		.state = LIN_ABSENT,
		.steps = steps,
	};

	assert(count <= LIN_OPS_MAX);
	memo_clear(memo);
	if (search_init(&s)) {
		verdict = run(&s);
	}
	if (verdict == LIN_BAD) {
		*stuck = order[s.stuck];
	}
	search_fini(&s);
	return verdict;
}

/* False: out of memory. */
static bool
search_init(struct search *s)
{
	s->events = calloc(2 * s->count + 1, sizeof(s->events[0]));
	s->nodes = calloc(s->count + 1, sizeof(s->nodes[0]));
	s->path = calloc(s->count + 1, sizeof(s->path[0]));
	if (s->events == NULL || s->nodes == NULL || s->path == NULL) {
		return false;
	}
	make_events(s);
	make_bits(s);
	s->set = calloc(s->word_count + 1, sizeof(s->set[0]));
	s->record = calloc(s->word_count + 2, sizeof(s->record[0]));
	return s->set != NULL && s->record != NULL && find_twins(s);
}

static void
search_fini(struct search *s)
{
	free(s->record);
	free(s->set);
	free(s->path);
	free(s->nodes);
	free(s->events);
}

/*
 * `from` is the event from which choices of this configuration are still to
 * be tried, 0 if it was entered just now.
 */
static enum lin_verdict
run(struct search *s)
{
	uint32_t from = 0, call;
	int64_t next;

	while (s->must_left > 0) {
		call = from == 0 ? find_free(s) : 0;
		if (call != 0) {
			advance(s, call, s->state, true);
			continue;
		}
		call = find_choice(s, from, &next);
		if (s->is_exhausted) {
			return LIN_UNKNOWN;
		}
		if (call != 0) {
			advance(s, call, next, false);
			from = 0;
			continue;
		}
		if (from == 0) {
			note_dead_end(s);
		}
		if (!go_back(s, &from)) {
			return LIN_BAD;
		}
	}
	return LIN_OK;
}

/* The call of a certain read or failed CAS that fits, or 0. */
static uint32_t
find_free(struct search *s)
{
	const struct lin_op *op;
	uint32_t e;
	int64_t next;

	for (e = s->events[0].next; !s->events[e].is_return;
	    e = s->events[e].next) {
		if (!take_step(s)) {
			return 0;
		}
		op = op_of(s, s->events[e].op);
		if (search_is_certain(op) && (op->kind == LIN_READ ||
		    (op->kind == LIN_CAS && op->result == 0)) &&
		    apply(op, s->state, &next)) {
			return e;
		}
	}
	return 0;
}

/*
 * The call of an operation, at or after event `from`, that leads to a new
 * configuration, or 0; the value after it.
 */
static uint32_t
find_choice(struct search *s, uint32_t from, int64_t *next)
{
	uint32_t e = from == 0 ? s->events[0].next : from;

	for (; !s->events[e].is_return; e = s->events[e].next) {
		if (!take_step(s)) {
			return 0;
		}
		if (is_useful(s, s->events[e].op, next) &&
		    is_new(s, s->events[e].op, *next)) {
			return e;
		}
	}
	return 0;
}

static bool
is_useful(const struct search *s, uint32_t index, int64_t *next)
{
	const struct lin_op *op = op_of(s, index);
	uint32_t twin = s->nodes[index].twin;

	if (!apply(op, s->state, next)) {
		return false;
	}
	if (s->is_loose && op->kind == LIN_WRITE) {
		return false;
	}
	if (search_is_certain(op)) {
		return true;
	}
	return *next != s->state && (twin == NONE || set_has(s, twin));
}

/*
 * Is the configuration after that operation one where the search has not
 * been? Its record: the value; whether it is loose, and the first word of
 * the certain ones that is not full; the uncertain ones; the certain ones
 * from that word to the last that is not empty. Certain ones are done nearly
 * in the order of their calls, so a record is short.
 */
static bool
is_new(struct search *s, uint32_t index, int64_t next)
{
	size_t first = s->may_words, end = s->word_count, length = 2;
	bool is_loose = !search_is_certain(op_of(s, index));
	bool was_seen;

	set_toggle(s, index);
	while (first < end && s->set[first] == UINT64_MAX) {
		first++;
	}
	while (end > first && s->set[end - 1] == 0) {
		end--;
	}
	s->record[0] = (uint64_t)next;
	s->record[1] = (uint64_t)first << 1 | is_loose;
	memcpy(s->record + length, s->set, s->may_words * sizeof(s->set[0]));
	length += s->may_words;
	memcpy(s->record + length, s->set + first,
	    (end - first) * sizeof(s->set[0]));
	length += end - first;
	was_seen = memo_seen(s->memo,
	    s->set_hash ^ mix((uint64_t)next + is_loose), s->record, length);
	set_toggle(s, index);
	return !was_seen;
}

/*
 * Can the operation take effect at this value, so that its answer is true?
 * Then *next is the value after it.
 */
static bool
apply(const struct lin_op *op, int64_t state, int64_t *next)
{
	bool is_certain = search_is_certain(op), is_swapped;
	int64_t sum;

	*next = state;
	switch (op->kind) {
	case LIN_READ:
		return !is_certain || op->result == state;
	case LIN_WRITE:
		*next = op->arg;
		return true;
	case LIN_CAS:
		is_swapped = state == op->arg;
		if (is_swapped) {
			*next = op->arg2;
		}
		return !is_certain || op->result == is_swapped;
	case LIN_ADD:
		if (__builtin_add_overflow(state == LIN_ABSENT ? 0 : state,
			op->arg, &sum) || sum == LIN_ABSENT) {
			return false;
		}
		*next = sum;
		return !is_certain || op->result == sum;
	}
	return false;
}

static void
advance(struct search *s, uint32_t call, int64_t next, bool is_free)
{
	uint32_t index = s->events[call].op;
	bool is_certain = s->nodes[index].ret != 0;

	s->path[s->depth++] = (struct choice){
		.state = s->state,
		.call = call,
		.was_loose = s->is_loose,
		.is_free = is_free,
	};
	unlink_event(s, call);
	if (is_certain) {
		unlink_event(s, s->nodes[index].ret);
		s->must_left--;
	}
	set_toggle(s, index);
	s->state = next;
	s->is_loose = !is_certain;
}

/*
 * Takes back the last choice, and what followed from it without one; *from
 * is where to look for another. False: there was none.
 */
static bool
go_back(struct search *s, uint32_t *from)
{
	const struct choice *choice;
	uint32_t index;

	while (s->depth > 0) {
		choice = &s->path[--s->depth];
		index = s->events[choice->call].op;
		set_toggle(s, index);
		if (s->nodes[index].ret != 0) {
			s->must_left++;
			relink_event(s, s->nodes[index].ret);
		}
		relink_event(s, choice->call);
		s->state = choice->state;
		s->is_loose = choice->was_loose;
		if (!choice->is_free) {
			*from = s->events[choice->call].next;
			return true;
		}
	}
	return false;
}

/* The first answer in the list is the one that cannot be explained. */
static void
note_dead_end(struct search *s)
{
	size_t done = s->must_count - s->must_left;
	uint32_t e = s->events[0].next;

	if (done < s->best) {
		return;
	}
	while (!s->events[e].is_return) {
		e = s->events[e].next;
	}
	s->best = done + 1;
	s->stuck = s->events[e].op;
}

static bool
take_step(struct search *s)
{
	if (*s->steps == 0) {
		s->is_exhausted = true;
		return false;
	}
	--*s->steps;
	return true;
}

static const struct lin_op *
op_of(const struct search *s, uint32_t index)
{
	return &s->ops[s->order[index]];
}

static bool
set_has(const struct search *s, uint32_t index)
{
	uint32_t bit = s->nodes[index].bit;

	return (s->set[bit / WORD_BITS] >> bit % WORD_BITS & 1) != 0;
}

static void
set_toggle(struct search *s, uint32_t index)
{
	uint32_t bit = s->nodes[index].bit;

	s->set[bit / WORD_BITS] ^= (uint64_t)1 << bit % WORD_BITS;
	s->set_hash ^= mix(bit + 1);
}

static void
unlink_event(struct search *s, uint32_t e)
{
	s->events[s->events[e].prev].next = s->events[e].next;
	s->events[s->events[e].next].prev = s->events[e].prev;
}

/* Undoes unlink_event; the last one unlinked comes first. */
static void
relink_event(struct search *s, uint32_t e)
{
	s->events[s->events[e].prev].next = e;
	s->events[s->events[e].next].prev = e;
}

static void
make_events(struct search *s)
{
	uint32_t count = 0, i;

	for (i = 0; i < s->count; i++) {
		s->events[++count] = (struct event){
			.at = op_of(s, i)->call,
			.op = i,
		};
		if (search_is_certain(op_of(s, i))) {
			s->events[++count] = (struct event){
				.at = op_of(s, i)->ret,
				.op = i,
				.is_return = true,
			};
		}
	}
	qsort(s->events + 1, count, sizeof(s->events[0]), compare_events);
	for (i = 0; i <= count; i++) {
		s->events[i].prev = i == 0 ? count : i - 1;
		s->events[i].next = i == count ? 0 : i + 1;
		if (i == 0) {
			continue;
		}
		assert(i == 1 || s->events[i - 1].at < s->events[i].at);
		if (s->events[i].is_return) {
			s->nodes[s->events[i].op].ret = i;
		} else {
			s->nodes[s->events[i].op].call = i;
		}
	}
}

static void
make_bits(struct search *s)
{
	uint32_t may_bit = 0, must_bit, i;

	for (i = 0; i < s->count; i++) {
		if (s->nodes[i].ret == 0) {
			s->nodes[i].bit = may_bit++;
		}
	}
	s->may_words = (may_bit + WORD_BITS - 1) / WORD_BITS;
	must_bit = (uint32_t)s->may_words * WORD_BITS;
	for (i = 0; i < s->count; i++) {
		if (s->nodes[i].ret != 0) {
			s->nodes[i].bit = must_bit++;
			s->must_count++;
		}
	}
	s->word_count = (must_bit + WORD_BITS - 1) / WORD_BITS;
	s->must_left = s->must_count;
}

/* False: out of memory. */
static bool
find_twins(struct search *s)
{
	struct twin_key *keys;
	const struct lin_op *op;
	size_t count = 0, i;

	keys = calloc(s->count - s->must_count + 1, sizeof(keys[0]));
	if (keys == NULL) {
		return false;
	}
	for (i = 0; i < s->count; i++) {
		s->nodes[i].twin = NONE;
		if (s->nodes[i].ret == 0) {
			op = op_of(s, (uint32_t)i);
			keys[count++] = (struct twin_key){
				.kind = op->kind,
				.arg = op->arg,
				.arg2 = op->kind == LIN_CAS ? op->arg2 : 0,
				.op = (uint32_t)i,
			};
		}
	}
	qsort(keys, count, sizeof(keys[0]), compare_twins);
	for (i = 1; i < count; i++) {
		if (keys[i - 1].kind == keys[i].kind &&
		    keys[i - 1].arg == keys[i].arg &&
		    keys[i - 1].arg2 == keys[i].arg2) {
			s->nodes[keys[i].op].twin = keys[i - 1].op;
		}
	}
	free(keys);
	return true;
}

static int
compare_events(const void *left, const void *right)
{
	const struct event *a = left, *b = right;

	return (a->at > b->at) - (a->at < b->at);
}

static int
compare_twins(const void *left, const void *right)
{
	const struct twin_key *a = left, *b = right;

	if (a->kind != b->kind) {
		return (a->kind > b->kind) - (a->kind < b->kind);
	}
	if (a->arg != b->arg) {
		return (a->arg > b->arg) - (a->arg < b->arg);
	}
	if (a->arg2 != b->arg2) {
		return (a->arg2 > b->arg2) - (a->arg2 < b->arg2);
	}
	return (a->op > b->op) - (a->op < b->op);
}

/* All bits of the result depend on all bits of x; one to one. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}
