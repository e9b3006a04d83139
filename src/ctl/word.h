/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words: what a command is made of, whether they come from the command line
 * or from a line of standard input. A word is any bytes; options are read
 * from words and not by getopt(3), because those of a line may hold zero
 * bytes and are not ended by one, and because what follows the first operand
 * is data, whatever it looks like.
 *
 *	-j  -jd DIR  -dDIR  --dir DIR  --dir=DIR  --di DIR  --
 */
#ifndef RAFTSUP_CTL_WORD_H
#define RAFTSUP_CTL_WORD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"

/* An option that a later version has; it answers so. */
#define WORD_OPTION_LATER (-1)

struct word_option {
	const char *name; /* "--json" */
	char letter;      /* 'j', or 0 */
	bool has_argument;
	bool in_lines; /* known in lines of standard input too */
	int id;
};

/* Most options that the tables of one parser hold together. */
#define WORD_OPTIONS_MAX 32

/* Room for a word as text. */
#define WORD_TEXT_SIZE 256

/* Private but for position. */
struct word_parser {
	const struct bytes_word *words;
	size_t count;
	size_t position; /* of the first word not yet taken */
	size_t letter;   /* inside a word such as -jd, else 0 */
	bool is_line;
	const struct word_option *tables[2];
	char argument[WORD_TEXT_SIZE]; /* of a line */
};

/*
 * Begins to read options at words[0]. The tables end with an entry without a
 * name; `global` may be NULL. With is_line, options that lines do not know
 * are refused; without it, each word must be followed by a zero byte.
 */
void word_parser_init(struct word_parser *parser,
    const struct bytes_word *words, size_t count, bool is_line,
    const struct word_option *own, const struct word_option *global);

/*
 * The next option: 1 and *option, and *argument (NULL if it has none), which
 * is borrowed from the words or the parser. 0 at the first operand, which is
 * words[position], or at the end. ERR_USAGE and a line in `err`.
 */
int word_parser_next(struct word_parser *parser,
    const struct word_option **option, const char **argument,
    struct err_buf *err) MUST_CHECK;

/* Whether an option belongs to a table. */
bool word_option_is_in(
    const struct word_option *option, const struct word_option *table);

/*
 * A word as one printable line: escaped, cut with "..." when it is long,
 * always ended. A word of printable characters that is not cut is itself.
 * Returns text.
 */
const char *word_text(const struct bytes_word *word, char text[WORD_TEXT_SIZE]);

#endif
