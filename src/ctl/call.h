/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One call of a command: its operands checked and decoded, the request that
 * they make, and what its answer needs to be said.
 *
 * Memory: call_parse() may keep pointers into the words; decoded bytes and
 * files are the call's own. A call must not move while it is used: its
 * request points into it.
 */
#ifndef RAFTSUP_CTL_CALL_H
#define RAFTSUP_CTL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "client/raftsup.h"
#include "ctl/command.h"
#include "ctl/settings.h"

struct txn;

struct call {
	const struct command *command;
	struct raftsup_request request;
	bool hex;        /* keys and values, in and out */
	bool raw;        /* get: no newline */
	const char *dir; /* -d, for messages */
	/* What the operands say; absent ones are empty. */
	struct bytes_word operands[COMMAND_OPERANDS_MAX];
	size_t operand_count;
	int64_t number;
	uint64_t ids[2];
	/* A repeated KEY. */
	const void **keys;
	size_t *key_sizes;
	size_t key_count;
	/* list: where the next page begins, and records so far. */
	uint8_t prefix[RAFTSUP_KEY_SIZE_MAX];
	uint8_t cursor[RAFTSUP_KEY_SIZE_MAX];
	uint64_t record_count;
	struct txn *txn; /* txn: what its request consists of, or NULL */
	/* Private. */
	uint8_t *decoded;
	size_t decoded_size;
	char *file_data;
};

/*
 * Makes a call of `command` from the words after its name. is_line: they
 * come from a line, whose options are fewer. `settings` gives what holds for
 * all calls; options among the words that are global change it, so a line's
 * cannot. 0, or a code and a line in `err` that begins with the command's
 * name; then there is nothing to free. settings->help may be set: then
 * nothing else of the call is.
 */
int call_parse(struct call *call, const struct command *command,
    struct settings *settings, const struct bytes_word *words, size_t count,
    bool is_line, struct err_buf *err) MUST_CHECK;

void call_fini(struct call *call);

/*
 * Says an answer in the words of a renderer. True when it was a page of a
 * list and there are more: then the request is the one for the next page.
 * An answer that makes no sense is changed into a failure.
 */
bool call_answer(struct call *call, struct raftsup_answer *answer,
    const struct render *render, struct sink *sink);

/* The exit status of one call that was answered so. */
int call_status(const struct call *call, const struct raftsup_answer *answer);

/* What an answer does to the exit status of many: 0, 64, 69 or 75. */
int call_line_status(
    const struct call *call, const struct raftsup_answer *answer);

/* The worse of two such: 75, 69, 64, 0. */
int call_worst_status(int a, int b);

#endif
