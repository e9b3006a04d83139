/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup kill: sends a signal to nodes; the supervisor starts them again
 * unless they are to be held.
 */
#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/options.h"
#include "op/op.h"
#include "op/order.h"

enum { OPTION_HOLD = 256 };

static const struct option long_options[] = {
	{ "signal", required_argument, NULL, 's' },
	{ "hold", no_argument, NULL, OPTION_HOLD },
	{ NULL, 0, NULL, 0 },
};

static int parse_signal(const char *, int *, struct err_buf *);

int
op_kill(struct op *op)
{
	int status, letter, number = SIGKILL;
	const char *argument;
	bool hold = false;
	struct err_buf err;
	struct view view;
	uint32_t ids;
	char word[16];

	while ((letter = op_option(op, "s:", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status;
		}
		if (letter == OPTION_HOLD) {
			hold = true;
		} else if (parse_signal(argument, &number, &err) != ERR_OK) {
			return op_fail(64, "%s", err.text);
		}
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, "kill: one list of nodes, as 1,3");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	snprintf(word, sizeof(word), "%d", number);
	status = order_send(&view, op->argv[op_operands()],
	    hold ? "hold" : "kill", word, false, &ids);
	view_close(&view);
	return status;
}

/* A number, or a name with or without SIG. */
static int
parse_signal(const char *text, int *number, struct err_buf *err)
{
	const char *name = text, *known;
	uint64_t value;
	int i;

	if (isdigit((unsigned char)text[0])) {
		if (options_u64("-s", text, 1, 64, &value, err) != ERR_OK) {
			return ERR_USAGE;
		}
		*number = (int)value;
		return ERR_OK;
	}
	if (strncasecmp(name, "SIG", 3) == 0) {
		name += 3;
	}
	for (i = 1; i < NSIG; i++) {
		known = sigabbrev_np(i);
		if (known != NULL && strcasecmp(known, name) == 0) {
			*number = i;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_USAGE,
	    "-s: %.64s is not a signal (KILL, TERM, STOP, ..., or 1 to 64)",
	    *text == '\0' ? "nothing" : text);
}
