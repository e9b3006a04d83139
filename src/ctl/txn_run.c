/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * txn: compare, then do the one or the other, in one step. One call reads its
 * lines from standard input, where nothing may stand behind `end`; in line mode
 * line.c gathers them.
 */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/dynbuf.h"
#include "ctl/exec.h"
#include "ctl/input.h"
#include "ctl/line.h"
#include "ctl/txn.h"
#include "ctl/usage.h"

static int read_lines(struct txn *, struct settings *);

static void
txn_request(struct call *call)
{
	call->request.operation = RAFTSUP_TXN;
}

static void
txn_render(const struct render *render, struct sink *sink,
    const struct call *call, const struct raftsup_answer *answer)
{
	const struct call *operation;
	struct raftsup_answer result;
	struct sink part = { 0 };
	size_t position = 0, i;

	for (i = 0; raftsup_answer_result(answer, &position, &result); i++) {
		operation = txn_operation(call->txn, answer->then, i);
		if (operation == NULL) {
			break;
		}
		if (result.code == RAFTSUP_OK) {
			operation->command->render(
			    render->parts, &part, operation, &result);
		} else {
			render->parts->no(&part, result.code);
		}
		render->part(sink, &part);
		sink_clear(&part);
	}
	sink_fini(&part);
	render->branch(sink, answer->then, answer->index, i);
}

static int
txn_status(const struct raftsup_answer *answer)
{
	return answer->then ? 0 : 1;
}

static int
txn_run(
    struct settings *settings, const struct bytes_word *words, size_t count)
{
	struct err_buf err;
	struct call call;
	struct txn *txn;
	int status;

	status = call_parse(
	    &call, &txn_command, settings, words, count, false, &err);
	if (status != 0) {
		log_warnx("%s", err.text);
		return err_exit_status(status);
	}
	if (settings->help) {
		return usage_print_command(&txn_command);
	}
	txn = txn_new();
	status = read_lines(txn, settings);
	if (status != 0) {
		txn_free(txn);
	} else if (txn_finish(txn, &call, &err) != 0) {
		log_warnx("%s", err.text);
		status = err_exit_status(ERR_USAGE);
	} else {
		status = exec_with_handle(settings, &call, exec_call);
	}
	call_fini(&call);
	return status;
}

const struct command txn_command = {
	.name = "txn",
	.synopsis = "",
	.operands = { { OPERAND_NONE } },
	.request = txn_request,
	.render = txn_render,
	.status = txn_status,
	.run = txn_run,
	.in_lines = true,
};

/* There is more to read, or nothing will come. */
static bool
is_ready(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, 0) != 0;
}

/*
 * Behind `end` nothing may stand.  Whoever waits for the answer to it, at a
 * terminal or at the other end of a pipe, sends nothing more and gets it.
 */
static int
read_lines(struct txn *txn, struct settings *settings)
{
	struct input input = { .fd = STDIN_FILENO };
	struct bytes_word *words;
	bool is_end = false, has_end = false, is_typed = isatty(STDIN_FILENO);
	int status = 0;
	size_t length;
	char *text;

	words = dynbuf_calloc(LINE_WORDS_MAX, sizeof(*words));
	while (!is_end && status == 0) {
		switch (input_next(&input, &text, &length)) {
		case INPUT_LINE:
			has_end |= txn_take(txn, settings, text, length, words);
			is_end = has_end && is_typed;
			break;
		case INPUT_TOO_LONG:
			txn_spoil(txn, "the line is too long for any command");
			break;
		case INPUT_MORE:
			if (has_end && !is_ready(input.fd)) {
				is_end = true;
			} else if (input_fill(&input) != 0) {
				log_warn("cannot read standard input");
				status = err_exit_status(ERR_IO);
			}
			break;
		case INPUT_END:
			is_end = true;
			break;
		}
	}
	free(words);
	input_fini(&input);
	return status;
}
