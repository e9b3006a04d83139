/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of a transaction, and the answers of its operations.
 */
#include "ctl/txn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/options.h"
#include "ctl/dynbuf.h"
#include "ctl/line.h"

enum part { PART_IF = 0, PART_THEN, PART_ELSE };

/* A line keeps its text: requests point into it. */
struct txn_line {
	char *text;
	struct call call;
	struct raftsup_compare compare;
	struct txn_line *next;
};

struct branch {
	struct txn_line *lines[RAFTSUP_TXN_MAX];
	struct raftsup_request requests[RAFTSUP_TXN_MAX];
	size_t count;
};

struct txn {
	enum part part;
	struct txn_line *all;
	struct raftsup_compare compares[RAFTSUP_TXN_MAX];
	size_t compare_count;
	struct branch branches[2]; /* then, else */
	size_t line_count;
	bool is_ended;
	bool is_bad;
	struct err_buf err;
};

static void refuse_behind_end(struct txn *, const struct bytes_word *);
static int take_words(struct txn *, struct settings *, struct txn_line *,
    const struct bytes_word *, size_t, struct err_buf *);
static int take_if(struct txn *, const struct settings *, struct txn_line *,
    const struct bytes_word *, size_t, struct err_buf *);
static int take_operation(struct txn *, struct settings *, struct txn_line *,
    const struct bytes_word *, size_t, struct err_buf *);
static bool is_word(const struct bytes_word *, const char *);
static int take_operand(const struct settings *, const struct bytes_word *,
    const char *, const void **, size_t *, struct err_buf *);

struct txn *
txn_new(void)
{
	return dynbuf_calloc(1, sizeof(struct txn));
}

void
txn_free(struct txn *txn)
{
	struct txn_line *line;

	while (txn != NULL && (line = txn->all) != NULL) {
		txn->all = line->next;
		call_fini(&line->call);
		free(line->text);
		free(line);
	}
	free(txn);
}

bool
txn_take(struct txn *txn, struct settings *settings, const char *text,
    size_t length, struct bytes_word *words)
{
	struct txn_line *line;
	struct err_buf err;
	size_t count = 0;
	int result;

	line = dynbuf_calloc(1, sizeof(*line));
	line->text = dynbuf_calloc(length + 1, 1);
	memcpy(line->text, text, length);
	line->next = txn->all;
	txn->all = line;
	txn->line_count++;
	if (memchr(text, '\0', length) != NULL) {
		txn_spoil(txn, "there is a zero byte in the line (write it as"
			       " \\x00)");
		return false;
	}
	result = bytes_split_words(line->text, length, line->text, words,
	    LINE_WORDS_MAX, &count, &err);
	if (txn->is_ended) {
		if (result != 0 || count > 0) {
			refuse_behind_end(txn, count > 0 ? words : NULL);
		}
		return true;
	}
	if (result == 0 && count == 1 && is_word(&words[0], "end")) {
		txn->is_ended = true;
		return true;
	}
	if (result == 0 && count > 0) {
		result = take_words(txn, settings, line, words, count, &err);
	}
	if (result != 0) {
		txn_spoil(txn, err.text);
	}
	return false;
}

static void
refuse_behind_end(struct txn *txn, const struct bytes_word *word)
{
	char text[WORD_TEXT_SIZE], why[WORD_TEXT_SIZE + 64];

	snprintf(why, sizeof(why), "line %zu%s%s stands behind `end`",
	    txn->line_count, word != NULL ? ": " : "",
	    word != NULL ? word_text(word, text) : "");
	txn_spoil(txn, why);
}

void
txn_spoil(struct txn *txn, const char *text)
{
	if (!txn->is_bad) {
		txn->is_bad = true;
		err_set(&txn->err, ERR_USAGE, "txn: %s", text);
	}
}

int
txn_finish(struct txn *txn, struct call *call, struct err_buf *err)
{
	struct raftsup_request *request = &call->request;

	call->txn = txn;
	if (!txn->is_bad && txn->part == PART_IF) {
		txn_spoil(txn, "there is no line `then`");
	}
	if (txn->is_bad) {
		return err_set(err, ERR_USAGE, "%s", txn->err.text);
	}
	request->operation = RAFTSUP_TXN;
	request->compares = txn->compares;
	request->compare_count = txn->compare_count;
	request->then = txn->branches[0].requests;
	request->then_count = txn->branches[0].count;
	request->otherwise = txn->branches[1].requests;
	request->otherwise_count = txn->branches[1].count;
	return 0;
}

const struct call *
txn_operation(const struct txn *txn, bool then, size_t i)
{
	const struct branch *branch = &txn->branches[then ? 0 : 1];

	return i < branch->count ? &branch->lines[i]->call : NULL;
}

static int
take_words(struct txn *txn, struct settings *settings, struct txn_line *line,
    const struct bytes_word *words, size_t count, struct err_buf *err)
{
	if (is_word(&words[0], "if")) {
		return take_if(txn, settings, line, words + 1, count - 1, err);
	}
	if (count == 1 && is_word(&words[0], "then")) {
		if (txn->part != PART_IF) {
			return err_set(
			    err, ERR_USAGE, "there are two lines `then`");
		}
		txn->part = PART_THEN;
		return 0;
	}
	if (count == 1 && is_word(&words[0], "else")) {
		if (txn->part != PART_THEN) {
			return err_set(err, ERR_USAGE,
			    "`else` stands once, behind `then`");
		}
		txn->part = PART_ELSE;
		return 0;
	}
	return take_operation(txn, settings, line, words, count, err);
}

static int
take_if(struct txn *txn, const struct settings *settings,
    struct txn_line *line, const struct bytes_word *words, size_t count,
    struct err_buf *err)
{
	struct raftsup_compare *compare = &line->compare;
	char text[WORD_TEXT_SIZE];
	int result;

	if (txn->part != PART_IF) {
		return err_set(err, ERR_USAGE, "`if` stands before `then`");
	}
	if (txn->compare_count == RAFTSUP_TXN_MAX) {
		return err_set(err, ERR_USAGE, "more than %d lines `if`",
		    RAFTSUP_TXN_MAX);
	}
	if (count == 2 && is_word(&words[1], "exists")) {
		compare->kind = RAFTSUP_EXISTS;
	} else if (count == 2 && is_word(&words[1], "absent")) {
		compare->kind = RAFTSUP_ABSENT;
	} else if (count == 3 && is_word(&words[1], "=")) {
		compare->kind = RAFTSUP_EQUAL;
	} else if (count == 3 && is_word(&words[1], "!=")) {
		compare->kind = RAFTSUP_NOT_EQUAL_TO;
	} else if (count == 4 && is_word(&words[1], "index") &&
	           is_word(&words[2], "<")) {
		compare->kind = RAFTSUP_INDEX_BELOW;
	} else {
		return err_set(err, ERR_USAGE,
		    "if KEY = VALUE, != VALUE, exists, absent or index < N");
	}
	result = take_operand(settings, &words[0], "KEY", &compare->key,
	    &compare->key_size, err);
	if (result == 0 && compare->kind == RAFTSUP_INDEX_BELOW) {
		result = options_u64("index", word_text(&words[3], text), 0,
		    UINT64_MAX, &compare->index, err);
	} else if (result == 0 && count == 3) {
		result = take_operand(settings, &words[2], "VALUE",
		    &compare->value, &compare->value_size, err);
	}
	if (result == 0) {
		txn->compares[txn->compare_count++] = *compare;
	}
	return result;
}

static int
take_operation(struct txn *txn, struct settings *settings,
    struct txn_line *line, const struct bytes_word *words, size_t count,
    struct err_buf *err)
{
	struct branch *branch = &txn->branches[txn->part == PART_THEN ? 0 : 1];
	const struct command *command = command_find(&words[0], true, err);
	int result;

	if (command == NULL) {
		return ERR_USAGE;
	}
	if (command != &set_command && command != &del_command &&
	    command != &incr_command && command != &append_command &&
	    command != &get_command) {
		return err_set(err, ERR_USAGE,
		    "%s: it takes if, then, else, end, set, del, incr, append"
		    " and get", command->name);
	}
	if (txn->part == PART_IF) {
		return err_set(
		    err, ERR_USAGE, "%s: it stands before `then`",
		    command->name);
	}
	if (branch->count == RAFTSUP_TXN_MAX) {
		return err_set(err, ERR_USAGE, "more than %d operations",
		    RAFTSUP_TXN_MAX);
	}
	result = call_parse(&line->call, command, settings, words + 1,
	    count - 1, true, err);
	if (result == 0) {
		branch->lines[branch->count] = line;
		branch->requests[branch->count++] = line->call.request;
	}
	return result;
}

static bool
is_word(const struct bytes_word *word, const char *text)
{
	return word->size == strlen(text) &&
	       strncasecmp((const char *)word->data, text, word->size) == 0;
}

/* In its own place: digits are longer than what they say. */
static int
take_operand(const struct settings *settings, const struct bytes_word *word,
    const char *name, const void **data, size_t *size, struct err_buf *err)
{
	uint8_t *to = (uint8_t *)(uintptr_t)word->data;
	char text[WORD_TEXT_SIZE];

	*data = word->data;
	*size = word->size;
	if (!settings->hex) {
		return 0;
	}
	word_text(word, text);
	if (bytes_hex_decode(to, (const char *)word->data, word->size) != 0) {
		return err_set(err, ERR_USAGE,
		    "%s: %s is not an even number of hexadecimal digits", name,
		    text);
	}
	*size = word->size / 2;
	return 0;
}
