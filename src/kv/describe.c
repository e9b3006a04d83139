/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands as one line for people: the op and its operands, escaped, cut
 * with "..." when the room is short, never inside an escape or a character.
 */
#include "kv/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

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
static void line_number(struct line *, const char *format_number);
static void line_operands(struct line *, const struct kv_command *);

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
	char number[24];
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
		if (command->key.size != 0) {
			line_word(line, command->key);
		}
		return;
	case KV_OP_NOOP:
	case KV_OP_OPEN:
		return;
	}
}

static void
line_number(struct line *line, const char *number)
{
	line_word(line, kv_slice(number, strlen(number)));
}

static void
line_word(struct line *line, struct kv_slice word)
{
	line_bytes(line, kv_slice(" ", 1));
	line_bytes(line, word);
}

static void
line_bytes(struct line *line, struct kv_slice slice)
{
	const uint8_t *from = slice.data;
	char unit[BYTES_ESCAPED_SIZE_MAX(1)];
	size_t i, length;

	for (i = 0; i < slice.size && !line->is_full; i++) {
		/* Not between the bytes of a UTF-8 character. */
		if ((from[i] & 0xc0) != 0x80 &&
		    line->length + sizeof(DOTS) <= line->size) {
			line->cut = line->length;
		}
		length = bytes_escape(unit, &from[i], 1);
		if (length >= line->size - line->length) {
			line->is_full = true;
			return;
		}
		memcpy(line->text + line->length, unit, length);
		line->length += length;
	}
}
