/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands as one line for people: the op and its operands, escaped, cut
 * with "..." when the room is short, never inside an escape or a character.
 * What is between two blanks is one operand: a blank inside is \x20, an
 * empty one "".
 */
#include "kv/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/options.h"

#define DOTS "..."

/* `cut` is the last place where the dots would fit behind whole units. */
struct line {
	char *text;
	size_t size;
	size_t length;
	size_t cut;
	bool is_full;
};

static void line_bytes(struct line *, struct kv_slice);
static void line_word(struct line *, struct kv_slice);
static void line_unit(struct line *, const char *, size_t);
static void line_number(struct line *, const char *format_number);
static void line_operands(struct line *, const struct kv_command *);
static void line_text(struct line *, const char *);
static void line_txn(struct line *, struct kv_slice value);
static void line_branch(struct line *, const char *lead, struct kv_slice *rest,
    uint32_t count);

void
kv_command_describe(const struct kv_command *command, char *text, size_t size)
{
	struct line line = {.text = text, .size = size};
	const char *name = kv_op_name(command->op);

	if (size == 0) {
		return;
	}
	line_bytes(&line, kv_slice(name, strlen(name)));
	if (kv_command_check(command) == ERR_OK) {
		line_operands(&line, command);
	}
	if (line.is_full) {
		snprintf(text + line.cut, size - line.cut, "%s", DOTS);
	} else {
		text[line.length] = '\0';
	}
}

static void
line_operands(struct line *line, const struct kv_command *command)
{
	struct kv_slice rest = command->value;
	char number[OPTIONS_TIME_TEXT_SIZE];
	uint32_t i;

	switch (command->op) {
	case KV_OP_DEL:
		for (i = 0; i < command->key_count && !line->is_full; i++) {
			line_word(line, kv_command_next_key(&rest));
		}
		return;
	case KV_OP_CLOSE:
		snprintf(number, sizeof(number), "%" PRIu64, command->session);
		line_number(line, number);
		return;
	case KV_OP_SETTLE:
		snprintf(number, sizeof(number), "%" PRIu64, command->target);
		line_number(line, number);
		snprintf(number, sizeof(number), "%" PRId64, command->number);
		line_number(line, number);
		return;
	case KV_OP_INCR:
		line_word(line, command->key);
		snprintf(number, sizeof(number), "%" PRId64, command->number);
		line_number(line, number);
		return;
	case KV_OP_SUBMIT:
		line_word(line, command->value);
		return;
	case KV_OP_SET_TTL:
		line_word(line, command->key);
		line_word(line, command->value);
		line_text(line, " TTL");
		options_format_time((uint64_t)command->number, number);
		line_number(line, number);
		return;
	case KV_OP_TXN:
		line_txn(line, command->value);
		return;
	case KV_OP_SET:
	case KV_OP_APPEND:
		line_word(line, command->key);
		line_word(line, command->value);
		return;
	case KV_OP_CAS:
		line_word(line, command->key);
		line_word(line, command->expected);
		line_word(line, command->value);
		return;
	case KV_OP_GET:
		line_word(line, command->key);
		return;
	case KV_OP_COUNT:
	case KV_OP_LIST:
	case KV_OP_WATCH:
		if (command->key.size != 0) {
			line_word(line, command->key);
		}
		return;
	case KV_OP_NOOP:
	case KV_OP_OPEN:
	case KV_OP_TICK:
		return;
	}
}

/* " IF a = 1 b exists THEN SET a 2; DEL c ELSE GET a" */
static void
line_txn(struct line *line, struct kv_slice rest)
{
	static const char *const kinds[] = {
		[KV_COMPARE_EQUAL] = " =",
		[KV_COMPARE_NOT_EQUAL] = " !=",
		[KV_COMPARE_EXISTS] = " exists",
		[KV_COMPARE_ABSENT] = " absent",
		[KV_COMPARE_INDEX_BELOW] = " index <",
	};
	struct kv_txn_counts counts = kv_txn_begin(&rest);
	struct kv_compare compare;
	char number[24];
	uint32_t i;

	for (i = 0; i < counts.compares && !line->is_full; i++) {
		kv_txn_next_compare(&rest, &compare);
		line_text(line, i == 0 ? " IF" : ",");
		line_word(line, compare.key);
		line_text(line, kinds[compare.kind]);
		if (compare.kind == KV_COMPARE_INDEX_BELOW) {
			snprintf(number, sizeof(number), "%" PRIu64,
			    compare.number);
			line_number(line, number);
		} else if (compare.kind <= KV_COMPARE_NOT_EQUAL) {
			line_word(line, compare.value);
		}
	}
	line_branch(line, " THEN", &rest, counts.then);
	line_branch(line, " ELSE", &rest, counts.otherwise);
}

static void
line_branch(struct line *line, const char *lead, struct kv_slice *rest,
    uint32_t count)
{
	struct kv_command operation;
	uint32_t i;

	for (i = 0; i < count && !line->is_full; i++) {
		kv_txn_next_operation(rest, &operation);
		line_text(line, i == 0 ? lead : ";");
		line_text(line, " ");
		line_text(line, kv_op_name(operation.op));
		line_operands(line, &operation);
	}
}

static void
line_text(struct line *line, const char *text)
{
	line_bytes(line, kv_slice(text, strlen(text)));
}

static void
line_number(struct line *line, const char *number)
{
	line_word(line, kv_slice(number, strlen(number)));
}

static void
line_word(struct line *line, struct kv_slice word)
{
	const uint8_t *from = word.data;
	size_t i, begin = 0;

	line_bytes(line, kv_slice(" ", 1));
	if (word.size == 0) {
		line_bytes(line, kv_slice("\"\"", 2));
	}
	/* A blank of the word is none between words. */
	for (i = 0; i < word.size && !line->is_full; i++) {
		if (from[i] != ' ') {
			continue;
		}
		line_bytes(line, kv_slice(from + begin, i - begin));
		line_unit(line, "\\x20", 4);
		begin = i + 1;
	}
	line_bytes(line, kv_slice(from + begin, word.size - begin));
}

/* A piece of text that is not cut. */
static void
line_unit(struct line *line, const char *unit, size_t length)
{
	if (line->is_full) {
		return;
	}
	if (length >= line->size - line->length) {
		line->is_full = true;
		return;
	}
	memcpy(line->text + line->length, unit, length);
	line->length += length;
}

static void
line_bytes(struct line *line, struct kv_slice slice)
{
	const uint8_t *from = slice.data;
	char unit[BYTES_ESCAPED_SIZE_MAX(1)];
	size_t i;

	for (i = 0; i < slice.size && !line->is_full; i++) {
		/* Not between the bytes of a UTF-8 character. */
		if ((from[i] & 0xc0) != 0x80 &&
		    line->length + sizeof(DOTS) <= line->size) {
			line->cut = line->length;
		}
		line_unit(line, unit, bytes_escape(unit, &from[i], 1));
	}
}
