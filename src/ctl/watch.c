/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * watch [PREFIX]: what is done to the keys that begin so, one event a line,
 * from now on or from an index. Leaders and nodes may come and go meanwhile:
 * nothing is left out and nothing comes twice.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "ctl/call.h"
#include "ctl/exec.h"
#include "ctl/render.h"
#include "ctl/usage.h"

static const struct word_option watch_options[] = {
	{ "--from", 0, true, false, 0 },
	{ NULL },
};

/* An interrupt ends it at once, but not inside a line. */
static volatile sig_atomic_t is_writing, is_interrupted;

static exec_function watch_all;
static void on_interrupt(int);

static int
watch_option(struct call *call, const struct word_option *option UNUSED,
    const char *argument, struct err_buf *err)
{
	return options_u64("--from", argument, 1, INT64_MAX,
	    &call->request.position.index, err);
}

static void
watch_request(struct call *call)
{
	call->request.operation = RAFTSUP_WATCH;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
}

static int
watch_run(
    struct settings *settings, const struct bytes_word *words, size_t count)
{
	struct sigaction action = { .sa_handler = on_interrupt };
	struct err_buf err;
	struct call call;
	int status;

	status = call_parse(
	    &call, &watch_command, settings, words, count, false, &err);
	if (status != 0) {
		log_warnx("%s", err.text);
		return err_exit_status(status);
	}
	if (settings->help) {
		return usage_print_command(&watch_command);
	}
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	status = exec_with_handle(settings, &call, watch_all);
	call_fini(&call);
	return status;
}

const struct command watch_command = {
	.name = "watch",
	.synopsis = "[--from INDEX] [PREFIX]",
	.options = watch_options,
	.option = watch_option,
	.operands = { { OPERAND_PREFIX, "PREFIX", .is_optional = true } },
	.request = watch_request,
	.run = watch_run,
};

/* Until it is interrupted, or nobody answers any more. */
static int
watch_all(struct raftsup *handle, struct call *call,
    const struct render *render, struct sink *sink)
{
	struct raftsup_position position = call->request.position;
	struct raftsup_answer answer;
	struct raftsup_event event;
	char text[512];
	size_t at;
	int code, status;

	for (;;) {
		code = raftsup_watch(handle, call->request.key,
		    call->request.key_size, &position, &answer);
		if (code != RAFTSUP_OK) {
			break;
		}
		for (at = 0; raftsup_answer_event(&answer, &at, &event);) {
			render->event(sink, call, &event);
		}
		is_writing = 1;
		status = exec_write(sink->out.data, sink->out.size);
		is_writing = 0;
		dynbuf_clear(&sink->out);
		if (status != 0 || is_interrupted) {
			return status;
		}
	}
	if (code == RAFTSUP_NOT_APPLIED && position.index != 0) {
		snprintf(text, sizeof(text),
		    "%s; go on with: raftctl watch --from %" PRIu64,
		    answer.text, position.index);
		render->failed(sink, text);
	} else {
		render->failed(sink, answer.text);
	}
	return call_status(call, &answer);
}

static void
on_interrupt(int signal UNUSED)
{
	is_interrupted = 1;
	if (!is_writing) {
		_exit(0);
	}
}
