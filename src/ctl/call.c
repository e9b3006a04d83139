/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From words to a request, and from an answer to a status. The commands'
 * descriptors say what is different among them; everything they share is
 * here.
 */
#include "ctl/call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "ctl/dynbuf.h"
#include "ctl/input.h"
#include "ctl/render.h"
#include "ctl/txn.h"

static int parse_options(
    struct call *, struct settings *, struct word_parser *, struct err_buf *);
static int parse_operands(struct call *, const struct settings *,
    const struct bytes_word *, size_t, struct err_buf *);
static int parse_repeated(struct call *, const struct operand *,
    const struct bytes_word *, size_t, struct err_buf *);
static int parse_operand(struct call *, const struct operand *, size_t,
    const struct bytes_word *, struct err_buf *);
static int take_file(struct call *, const struct operand *, size_t,
    const char *, struct err_buf *);
static int take_bytes(struct call *, const struct operand *,
    const struct bytes_word *, struct bytes_word *, struct err_buf *);
static int check_size(const struct operand *, size_t, struct err_buf *);
static int usage_error(struct err_buf *, const struct command *, const char *,
    ...) PRINTF_LIKE(3, 4);
static bool continue_list(struct call *, struct raftsup_answer *);
static void render_failure(const struct call *, const struct raftsup_answer *,
    const struct render *, struct sink *);
static bool is_failure(const struct call *, const struct raftsup_answer *);

int
call_parse(struct call *call, const struct command *command,
    struct settings *settings, const struct bytes_word *words, size_t count,
    bool is_line, struct err_buf *err)
{
	struct word_parser parser;
	struct err_buf cause;
	size_t i, size = 0;
	int result;

	memset(call, 0, sizeof(*call));
	call->command = command;
	word_parser_init(
	    &parser, words, count, is_line, command->options, settings_options);
	result = parse_options(call, settings, &parser, &cause);
	if (result == 0 && settings->help) {
		return 0;
	}
	call->hex = settings->hex;
	call->dir = settings->dir;
	words += parser.position;
	count -= parser.position;
	if (result == 0 && call->hex) {
		for (i = 0; i < count; i++) {
			size += words[i].size / 2;
		}
		call->decoded = dynbuf_calloc(size + 1, 1);
	}
	if (result == 0) {
		result = parse_operands(call, settings, words, count, &cause);
	}
	if (result != 0) {
		call_fini(call);
		return err_set(
		    err, result, "%s: %s", command->name, cause.text);
	}
	command->request(call);
	return 0;
}

void
call_fini(struct call *call)
{
	txn_free(call->txn);
	call->txn = NULL;
	free(call->keys);
	free(call->key_sizes);
	free(call->decoded);
	free(call->file_data);
	call->keys = NULL;
	call->key_sizes = NULL;
	call->decoded = NULL;
	call->file_data = NULL;
}

bool
call_answer(struct call *call, struct raftsup_answer *answer,
    const struct render *render, struct sink *sink)
{
	bool more = false;

	if (answer->code == RAFTSUP_OK &&
	    call->request.operation == RAFTSUP_LIST) {
		more = continue_list(call, answer);
	}
	if (answer->code != RAFTSUP_OK) {
		sink_forget_records(sink);
		render_failure(call, answer, render, sink);
		return false;
	}
	call->command->render(render, sink, call, answer);
	if (!more && call->command->finish != NULL) {
		call->command->finish(render, sink, call);
	}
	return more;
}

int
call_status(const struct call *call, const struct raftsup_answer *answer)
{
	switch (answer->code) {
	case RAFTSUP_OK:
		return call->command->status == NULL
		           ? 0
		           : call->command->status(answer);
	case RAFTSUP_NOT_FOUND:
		/* Nothing is known of that session: no answer at all. */
		return is_failure(call, answer) ? RAFTSUP_NOT_APPLIED : 1;
	case RAFTSUP_NOT_EQUAL:
	case RAFTSUP_NOT_A_NUMBER:
	case RAFTSUP_OVERFLOW:
	case RAFTSUP_TOO_LONG:
	case RAFTSUP_COMPACTED:
		return 1;
	case RAFTSUP_USAGE:
	case RAFTSUP_NOT_APPLIED:
	case RAFTSUP_INTERNAL:
	case RAFTSUP_IO:
	case RAFTSUP_MAYBE:
	case RAFTSUP_PERMISSION:
		return (int)answer->code;
	}
	return RAFTSUP_INTERNAL;
}

int
call_line_status(const struct call *call, const struct raftsup_answer *answer)
{
	switch (answer->code) {
	case RAFTSUP_OK:
		return 0;
	case RAFTSUP_NOT_FOUND:
	case RAFTSUP_NOT_EQUAL:
		return is_failure(call, answer) ? RAFTSUP_NOT_APPLIED : 0;
	case RAFTSUP_USAGE:
		return RAFTSUP_USAGE;
	case RAFTSUP_MAYBE:
		return RAFTSUP_MAYBE;
	default:
		return RAFTSUP_NOT_APPLIED;
	}
}

int
call_worst_status(int a, int b)
{
	/* By luck of their numbers. */
	return a > b ? a : b;
}

/* Counts the records of a page; whether there are more, and where. */
static bool
continue_list(struct call *call, struct raftsup_answer *answer)
{
	const void *key, *value;
	size_t key_size = 0, value_size, position = 0;

	while (raftsup_answer_next(
	    answer, &position, &key, &key_size, &value, &value_size)) {
		call->record_count++;
		if (key_size > sizeof(call->cursor)) {
			key_size = 0;
			break;
		}
		memcpy(call->cursor, key, key_size);
	}
	if (!answer->more) {
		return false;
	}
	if (key_size == 0) {
		answer->code = RAFTSUP_INTERNAL;
		answer->text = "a page of a list that leads nowhere";
		return false;
	}
	call->request.value = call->cursor;
	call->request.value_size = key_size;
	return true;
}

static void
render_failure(const struct call *call, const struct raftsup_answer *answer,
    const struct render *render, struct sink *sink)
{
	const char *text = answer->text != NULL ? answer->text : "no reason";

	switch (answer->code) {
	case RAFTSUP_NOT_FOUND:
	case RAFTSUP_NOT_EQUAL:
		if (is_failure(call, answer)) {
			render->failed(sink, text);
		} else {
			render->no(sink, answer->code);
		}
		break;
	case RAFTSUP_USAGE:
		render->invalid(sink, text);
		break;
	case RAFTSUP_MAYBE:
		render->unknown(sink, call, answer);
		break;
	default:
		render->failed(sink, text);
		break;
	}
}

static int
parse_options(struct call *call, struct settings *settings,
    struct word_parser *parser, struct err_buf *err)
{
	const struct word_option *option;
	const char *argument;
	int result;

	for (;;) {
		result = word_parser_next(parser, &option, &argument, err);
		if (result <= 0) {
			return result;
		}
		if (word_option_is_in(option, call->command->options)) {
			assert(call->command->option != NULL);
			result = call->command->option(
			    call, option, argument, err);
		} else {
			result = settings_set(settings, option, argument, err);
		}
		if (result != 0) {
			return result;
		}
	}
}

static int
parse_operands(struct call *call, const struct settings *settings,
    const struct bytes_word *words, size_t count, struct err_buf *err)
{
	const struct command *command = call->command;
	const struct operand *operand = command->operands;
	char text[WORD_TEXT_SIZE];
	size_t i;
	int result = 0;

	if (settings->file != NULL && !command->takes_file) {
		return err_set(err, ERR_USAGE,
		    "--file is for a VALUE (set, append, cas, submit)");
	}
	for (i = 0; operand[i].kind != OPERAND_NONE; i++) {
		bool is_last = operand[i + 1].kind == OPERAND_NONE;

		if (is_last && settings->file != NULL) {
			if (count > i) {
				break;
			}
			return take_file(
			    call, &operand[i], i, settings->file, err);
		}
		if (i >= count && operand[i].is_optional) {
			return 0;
		}
		if (i >= count) {
			return usage_error(
			    err, command, "%s is missing", operand[i].name);
		}
		if (operand[i].is_repeated) {
			return parse_repeated(
			    call, &operand[i], words + i, count - i, err);
		}
		result = parse_operand(call, &operand[i], i, &words[i], err);
		if (result != 0) {
			return result;
		}
		call->operand_count++;
	}
	if (i < count) {
		return usage_error(err, command, "%s is one word too many",
		    word_text(&words[i], text));
	}
	return 0;
}

static int
parse_repeated(struct call *call, const struct operand *operand,
    const struct bytes_word *words, size_t count, struct err_buf *err)
{
	struct bytes_word key;
	size_t i;
	int result;

	assert(operand->kind == OPERAND_KEY);
	call->keys = dynbuf_calloc(count, sizeof(*call->keys));
	call->key_sizes = dynbuf_calloc(count, sizeof(*call->key_sizes));
	call->key_count = count;
	for (i = 0; i < count; i++) {
		result = take_bytes(call, operand, &words[i], &key, err);
		if (result != 0) {
			return result;
		}
		call->keys[i] = key.data;
		call->key_sizes[i] = key.size;
	}
	return 0;
}

static int
parse_operand(struct call *call, const struct operand *operand, size_t i,
    const struct bytes_word *word, struct err_buf *err)
{
	char text[WORD_TEXT_SIZE];

	switch (operand->kind) {
	case OPERAND_KEY:
	case OPERAND_PREFIX:
	case OPERAND_VALUE:
		return take_bytes(call, operand, word, &call->operands[i], err);
	case OPERAND_NUMBER:
		return options_i64(operand->name, word_text(word, text),
		    INT64_MIN, INT64_MAX, &call->number, err);
	case OPERAND_ID:
		assert(i < COUNT_OF(call->ids));
		return options_u64(operand->name, word_text(word, text), 1,
		    UINT64_MAX, &call->ids[i], err);
	case OPERAND_NONE:
		break;
	}
	assert(!"an operand has a kind");
	return ERR_INTERNAL;
}

/* The value is a file's contents, as they are: --hex does not concern them. */
static int
take_file(struct call *call, const struct operand *operand, size_t i,
    const char *path, struct err_buf *err)
{
	size_t size;
	int result;

	assert(operand->kind == OPERAND_VALUE);
	result = input_read_file(
	    path, RAFTSUP_VALUE_SIZE_MAX, &call->file_data, &size, err);
	if (result != 0) {
		return result;
	}
	call->operands[i].data = (const uint8_t *)call->file_data;
	call->operands[i].size = size;
	return 0;
}

/* `bytes` is what a word of keys or values says. */
static int
take_bytes(struct call *call, const struct operand *operand,
    const struct bytes_word *word, struct bytes_word *bytes,
    struct err_buf *err)
{
	char text[WORD_TEXT_SIZE];
	uint8_t *to;

	if (!call->hex) {
		*bytes = *word;
		return check_size(operand, word->size, err);
	}
	to = call->decoded + call->decoded_size;
	if (bytes_hex_decode(to, (const char *)word->data, word->size) != 0) {
		return err_set(err, ERR_USAGE,
		    "%s: %s is not an even number of hexadecimal digits",
		    operand->name, word_text(word, text));
	}
	bytes->data = to;
	bytes->size = word->size / 2;
	call->decoded_size += bytes->size;
	return check_size(operand, bytes->size, err);
}

static int
check_size(const struct operand *operand, size_t size, struct err_buf *err)
{
	size_t min = operand->kind == OPERAND_KEY ? 1 : 0;
	size_t max = operand->kind == OPERAND_VALUE ? RAFTSUP_VALUE_SIZE_MAX
	                                            : RAFTSUP_KEY_SIZE_MAX;

	if (size < min || size > max) {
		return err_set(err, ERR_USAGE,
		    "%s has %zu bytes (%zu to %zu are possible)", operand->name,
		    size, min, max);
	}
	return 0;
}

static int
usage_error(
    struct err_buf *err, const struct command *command, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, ERR_USAGE, "%.130s (usage: %s%s%s)", text,
	    command->name, command->synopsis[0] != '\0' ? " " : "",
	    command->synopsis);
}

/* The code is that of a no, but the command has no such answer. */
static bool
is_failure(const struct call *call, const struct raftsup_answer *answer)
{
	enum raftsup_operation operation = call->request.operation;

	if (answer->code == RAFTSUP_NOT_FOUND) {
		return operation != RAFTSUP_GET && operation != RAFTSUP_CAS;
	}
	return operation != RAFTSUP_CAS;
}
