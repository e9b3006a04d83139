/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A command is a descriptor, one file each: what it is called, which options
 * and operands it takes, how they become a request, and which of a
 * renderer's words its answer is. Whether it stood on the command line or in
 * a line of standard input makes no difference to it.
 *
 *	words --call_parse--> call (request) --libraftsup--> answer
 *	      answer --command->render--> renderer: text, line or JSON
 *
 * bench, watch and lock are different: they have run() and take their words
 * themselves. txn goes on in the lines that follow it (txn.h).
 */
#ifndef RAFTSUP_CTL_COMMAND_H
#define RAFTSUP_CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "client/raftsup.h"
#include "ctl/settings.h"
#include "ctl/word.h"

struct call;
struct render;
struct sink;

enum operand_kind {
	OPERAND_NONE = 0, /* the end of a list */
	OPERAND_KEY,      /* 1 to 511 bytes; hex with --hex */
	OPERAND_PREFIX,   /* 0 to 511 bytes; hex with --hex */
	OPERAND_VALUE,    /* up to 1 MiB; hex with --hex */
	OPERAND_NUMBER,   /* a signed 64-bit number */
	OPERAND_ID,       /* an unsigned 64-bit number, at least 1 */
};

#define COMMAND_OPERANDS_MAX 3

struct operand {
	enum operand_kind kind;
	const char *name;
	bool is_optional;
	bool is_repeated; /* one or more; the last operand only */
};

struct command {
	const char *name;
	const char *alias; /* another complete name, or NULL */
	/* What follows the name in the usage. */
	const char *synopsis;
	/* Own options, ended by one without a name; NULL: none. */
	const struct word_option *options;
	struct operand operands[COMMAND_OPERANDS_MAX + 1];
	/* Takes --file for its last operand, a VALUE. */
	bool takes_file;
	/* Takes one of its own options; NULL when it has none. */
	int (*option)(struct call *, const struct word_option *,
	    const char *argument, struct err_buf *);
	/* Fills call->request from the operands. */
	void (*request)(struct call *);
	/* Says an answer whose code is RAFTSUP_OK. */
	void (*render)(const struct render *, struct sink *,
	    const struct call *, const struct raftsup_answer *);
	/* After the last page of an answer; NULL: nothing to say. */
	void (*finish)(
	    const struct render *, struct sink *, const struct call *);
	/* Exit status of one call for an answer of RAFTSUP_OK; NULL: 0. */
	int (*status)(const struct raftsup_answer *);
	/* One call, instead of exec_once(): the words after the name. Returns
	 * an exit status. Not in lines, unless they have it too. */
	int (*run)(struct settings *, const struct bytes_word *, size_t);
	bool in_lines;
};

extern const struct command set_command;
extern const struct command get_command;
extern const struct command del_command;
extern const struct command cas_command;
extern const struct command incr_command;
extern const struct command append_command;
extern const struct command list_command;
extern const struct command count_command;
extern const struct command noop_command;
extern const struct command submit_command;
extern const struct command outcome_command;
extern const struct command txn_command;
extern const struct command watch_command;
extern const struct command lock_command;
extern const struct command bench_command;

/* All of them, in the order of the usage, ended by NULL. */
extern const struct command *const command_table[];

/*
 * Finds a command by name, alias, or unambiguous beginning of its name, in
 * letters of either case. NULL and a line in `err` for another word, and,
 * with is_line, for a command that lines do not have.
 */
const struct command *command_find(
    const struct bytes_word *word, bool is_line, struct err_buf *err);

#endif
