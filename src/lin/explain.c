/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A verdict for people: the operation that could not be explained among its
 * neighbours. The neighbours are looked for by scanning the history once for
 * each; this runs when something is wrong, once.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "lin/lin.h"
#include "lin/search.h"

#define BEFORE_COUNT 8
#define AFTER_COUNT  4

/* What was written, and how long all of it would be. */
struct text {
	char *text;
	size_t size;
	size_t length;
};

static size_t find_before(const struct lin_op *, size_t, size_t);
static size_t find_after(const struct lin_op *, size_t, size_t);
static void append_line(struct text *, const struct lin_op *,
    const struct lin_op *);
static void append_result(struct text *, const struct lin_op *);
static void append_value(struct text *, int64_t);
static void append(struct text *, const char *, ...) PRINTF_LIKE(2, 3);

size_t
lin_explain(const struct lin_op *ops, size_t count, size_t bad_op, char *text,
    size_t size)
{
	struct text t = { .text = text, .size = size };
	size_t first, previous, same = 0, i;

	if (size > 0) {
		text[0] = '\0';
	}
	if (bad_op >= count) {
		return 0;
	}
	for (i = 0; i < count; i++) {
		same += ops[i].key == ops[bad_op].key;
	}
	append(&t, "key %" PRIu64 ": no order of its %zu operations explains "
	    "every answer; the longest ends before the one marked >\n"
	    "(| was in flight at the same time)\n"
	    "        call         ret  client  operation\n",
	    ops[bad_op].key, same);
	first = bad_op;
	for (i = 0; i < BEFORE_COUNT; i++) {
		previous = find_before(ops, count, first);
		if (previous == count) {
			break;
		}
		first = previous;
	}
	for (i += 1 + AFTER_COUNT; i > 0 && first < count; i--) {
		append_line(&t, &ops[first], &ops[bad_op]);
		first = find_after(ops, count, first);
	}
	return t.length;
}

/* Of that operation's key, the one called last before it, or `count`. */
static size_t
find_before(const struct lin_op *ops, size_t count, size_t index)
{
	size_t found = count, i;

	for (i = 0; i < count; i++) {
		if (ops[i].key == ops[index].key &&
		    ops[i].call < ops[index].call &&
		    (found == count || ops[i].call > ops[found].call)) {
			found = i;
		}
	}
	return found;
}

/* Of that operation's key, the one called first after it, or `count`. */
static size_t
find_after(const struct lin_op *ops, size_t count, size_t index)
{
	size_t found = count, i;

	for (i = 0; i < count; i++) {
		if (ops[i].key == ops[index].key &&
		    ops[i].call > ops[index].call &&
		    (found == count || ops[i].call < ops[found].call)) {
			found = i;
		}
	}
	return found;
}

static void
append_line(struct text *t, const struct lin_op *op, const struct lin_op *bad)
{
	bool is_open = !search_is_certain(op);

	append(t, "%c %10" PRIu64, op == bad ? '>' :
	    op->call < bad->ret && (is_open || op->ret > bad->call) ? '|' :
	    ' ', op->call);
	if (op->ret == LIN_NO_REPLY) {
		append(t, "           -");
	} else {
		append(t, "  %10" PRIu64, op->ret);
	}
	append(t, "  %6" PRIu32 "  ", op->client);
	switch (op->kind) {
	case LIN_READ:
		append(t, "read");
		break;
	case LIN_WRITE:
		append(t, "write ");
		append_value(t, op->arg);
		break;
	case LIN_CAS:
		append(t, "cas ");
		append_value(t, op->arg);
		append(t, " to ");
		append_value(t, op->arg2);
		break;
	case LIN_ADD:
		append(t, "add %" PRId64, op->arg);
		break;
	}
	append_result(t, op);
	append(t, "\n");
}

static void
append_result(struct text *t, const struct lin_op *op)
{
	if (op->ret == LIN_NO_REPLY) {
		append(t, ": no answer");
	} else if (!op->known) {
		append(t, ": maybe");
	} else if (op->kind == LIN_CAS) {
		append(t, op->result == 1 ? ": swapped" : ": not equal");
	} else if (op->kind == LIN_WRITE) {
		append(t, ": done");
	} else {
		append(t, ": ");
		append_value(t, op->result);
	}
}

static void
append_value(struct text *t, int64_t value)
{
	if (value == LIN_ABSENT) {
		append(t, "absent");
	} else {
		append(t, "%" PRId64, value);
	}
}

static void
append(struct text *t, const char *fmt, ...)
{
	size_t room = t->length < t->size ? t->size - t->length : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room > 0 ? t->text + t->length : NULL, room, fmt, ap);
	va_end(ap);
	if (n > 0) {
		t->length += (size_t)n;
	}
}
