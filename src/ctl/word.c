/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options among words.
 */
#include "ctl/word.h"

#include <assert.h>
#include <string.h>

#include "base/options.h"

/* So many bytes of a word are shown; each may become four characters. */
#define WORD_SHOWN_MAX 60

static const char *argument_at(
    struct word_parser *, const struct bytes_word *, const uint8_t *);
static int next_letter(struct word_parser *, const struct word_option **,
    const char **, struct err_buf *);
static int next_name(struct word_parser *, const struct word_option **,
    const char **, struct err_buf *);
static int check_place(
    const struct word_parser *, const struct word_option *, struct err_buf *);
static const struct word_option *find_name(
    const struct word_parser *, const char *, struct err_buf *);

void
word_parser_init(struct word_parser *parser, const struct bytes_word *words,
    size_t count, bool is_line, const struct word_option *own,
    const struct word_option *global)
{
	parser->words = words;
	parser->count = count;
	parser->position = 0;
	parser->letter = 0;
	parser->is_line = is_line;
	parser->tables[0] = own;
	parser->tables[1] = global;
}

int
word_parser_next(struct word_parser *parser, const struct word_option **option,
    const char **argument, struct err_buf *err)
{
	const struct bytes_word *word = &parser->words[parser->position];

	if (parser->letter != 0) {
		return next_letter(parser, option, argument, err);
	}
	if (parser->position == parser->count || word->size < 2 ||
	    word->data[0] != '-') {
		return 0;
	}
	if (word->data[1] != '-') {
		parser->letter = 1;
		return next_letter(parser, option, argument, err);
	}
	if (word->size == 2) {
		parser->position++;
		return 0;
	}
	return next_name(parser, option, argument, err);
}

bool
word_option_is_in(
    const struct word_option *option, const struct word_option *table)
{
	for (; table != NULL && table->name != NULL; table++) {
		if (table == option) {
			return true;
		}
	}
	return false;
}

const char *
word_text(const struct bytes_word *word, char text[WORD_TEXT_SIZE])
{
	size_t shown = word->size;
	size_t length;

	_Static_assert(
	    BYTES_ESCAPED_SIZE_MAX(WORD_SHOWN_MAX) + 3 <= WORD_TEXT_SIZE,
	    "a cut word fits");
	if (shown > WORD_SHOWN_MAX) {
		shown = WORD_SHOWN_MAX;
	}
	length = bytes_escape(text, word->data, shown);
	if (shown < word->size) {
		memcpy(text + length, "...", 4);
	}
	return text;
}

/* From there to the end of the word, as text: that of a line has no end. */
static const char *
argument_at(struct word_parser *parser, const struct bytes_word *word,
    const uint8_t *from)
{
	const struct bytes_word rest = {
		from, word->size - (size_t)(from - word->data)
	};

	return parser->is_line ? word_text(&rest, parser->argument)
	                       : (const char *)from;
}

/* The next of -jd DIR; parser->letter is its place in the word. */
static int
next_letter(struct word_parser *parser, const struct word_option **option,
    const char **argument, struct err_buf *err)
{
	const struct bytes_word *word = &parser->words[parser->position];
	const struct bytes_word letter = { word->data + parser->letter, 1 };
	const struct word_option *found = NULL;
	char text[WORD_TEXT_SIZE];
	size_t i;

	for (i = 0; i < 2 && found == NULL; i++) {
		const struct word_option *o = parser->tables[i];

		for (; o != NULL && o->name != NULL; o++) {
			if (o->letter != 0 && o->letter == letter.data[0]) {
				found = o;
				break;
			}
		}
	}
	if (found == NULL) {
		return err_set(err, ERR_USAGE,
		    "unknown option -%s (data that begins with -: after --)",
		    word_text(&letter, text));
	}
	if (check_place(parser, found, err) != 0) {
		return ERR_USAGE;
	}
	*option = found;
	*argument = NULL;
	parser->letter++;
	if (found->has_argument && parser->letter < word->size) {
		*argument = argument_at(
		    parser, word, word->data + parser->letter);
		parser->letter = word->size;
	}
	if (parser->letter == word->size) {
		parser->letter = 0;
		parser->position++;
	}
	if (found->has_argument && *argument == NULL) {
		if (parser->position == parser->count) {
			return err_set(err, ERR_USAGE,
			    "-%c: its argument is missing", found->letter);
		}
		word = &parser->words[parser->position++];
		*argument = argument_at(parser, word, word->data);
	}
	return 1;
}

static int
next_name(struct word_parser *parser, const struct word_option **option,
    const char **argument, struct err_buf *err)
{
	const struct bytes_word *word = &parser->words[parser->position++];
	const uint8_t *equals = memchr(word->data, '=', word->size);
	struct bytes_word name = *word;
	const struct word_option *found;
	char text[WORD_TEXT_SIZE];

	if (equals != NULL) {
		name.size = (size_t)(equals - word->data);
	}
	found = find_name(parser, word_text(&name, text), err);
	if (found == NULL || check_place(parser, found, err) != 0) {
		return ERR_USAGE;
	}
	*option = found;
	*argument = NULL;
	if (!found->has_argument) {
		if (equals != NULL) {
			return err_set(err, ERR_USAGE, "%s takes no argument",
			    found->name);
		}
		return 1;
	}
	if (equals != NULL) {
		*argument = argument_at(parser, word, equals + 1);
		return 1;
	}
	if (parser->position == parser->count) {
		return err_set(
		    err, ERR_USAGE, "%s: its argument is missing", found->name);
	}
	word = &parser->words[parser->position++];
	*argument = argument_at(parser, word, word->data);
	return 1;
}

static int
check_place(const struct word_parser *parser, const struct word_option *option,
    struct err_buf *err)
{
	if (option->id == WORD_OPTION_LATER) {
		return err_set(err, ERR_USAGE, "this version does not have %s",
		    option->name);
	}
	if (parser->is_line && !option->in_lines) {
		return err_set(err, ERR_USAGE,
		    "%s is not available in line mode", option->name);
	}
	return 0;
}

static const struct word_option *
find_name(
    const struct word_parser *parser, const char *name, struct err_buf *err)
{
	const struct word_option *options[WORD_OPTIONS_MAX];
	const char *names[WORD_OPTIONS_MAX], *bare_names[WORD_OPTIONS_MAX];
	struct err_buf bare_err;
	size_t count = 0, i;
	int found;

	for (i = 0; i < 2; i++) {
		const struct word_option *o = parser->tables[i];

		for (; o != NULL && o->name != NULL; o++) {
			if (o->id == WORD_OPTION_LATER &&
			    strcmp(o->name, name) != 0) {
				continue;
			}
			assert(count < WORD_OPTIONS_MAX);
			options[count] = o;
			names[count] = o->name;
			bare_names[count++] = o->name + 2;
		}
	}
	/* The dashes are alike in all of them and must not count. */
	found = options_word("option", name + 2, bare_names, count, &bare_err);
	if (found >= 0) {
		return options[found];
	}
	found = options_word("option", name, names, count, err);
	if (found >= 0 || strchr(bare_err.text, ':') == NULL) {
		err_set(err, ERR_USAGE, "unknown option %s", name);
	}
	return NULL;
}
