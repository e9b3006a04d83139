/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One call.
 */
#include "ctl/exec.h"

#include <errno.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "ctl/usage.h"

static int say(struct sink *, int);

int
exec_open(const struct settings *settings, struct raftsup **handle,
    struct err_buf *err)
{
	struct raftsup_options options = {
		.dir = settings->dir,
		.timeout_ns = settings->timeout_ns,
		.node = settings->node,
	};
	int code = raftsup_open(handle, &options);

	if (code == RAFTSUP_OK) {
		return 0;
	}
	err_set(err, 0, "%s", raftsup_open_error());
	switch (code) {
	case RAFTSUP_USAGE:
	case RAFTSUP_NOT_APPLIED:
	case RAFTSUP_IO:
	case RAFTSUP_PERMISSION:
		return code;
	default:
		return RAFTSUP_INTERNAL;
	}
}

int
exec_call(struct raftsup *handle, struct call *call,
    const struct render *render, struct sink *sink)
{
	struct raftsup_answer answer;
	int status;

	for (;;) {
		answer = (struct raftsup_answer){ .code = RAFTSUP_INTERNAL };
		raftsup_call(handle, &call->request, &answer);
		if (!call_answer(call, &answer, render, sink)) {
			return call_status(call, &answer);
		}
		if (render->is_streamed) {
			status = exec_write(sink->out.data, sink->out.size);
			dynbuf_clear(&sink->out);
			if (status != 0) {
				return status;
			}
		}
	}
}

int
exec_once(const struct command *command, struct settings *settings,
    const struct bytes_word *words, size_t count)
{
	struct err_buf err;
	struct call call;
	int status;

	status =
	    call_parse(&call, command, settings, words, count, false, &err);
	if (status != 0) {
		log_warnx("%s", err.text);
		return err_exit_status(status);
	}
	if (settings->help) {
		return usage_print_command(command);
	}
	if (settings->pipeline != 0) {
		call_fini(&call);
		log_warnx("-P is for bench and for commands from standard"
			  " input, not for %s",
		    command->name);
		return err_exit_status(ERR_USAGE);
	}
	status = exec_with_handle(settings, &call, exec_call);
	call_fini(&call);
	return status;
}

int
exec_with_handle(
    struct settings *settings, struct call *call, exec_function *function)
{
	const struct render *render =
	    settings->json ? &render_json : &render_text;
	struct raftsup *handle;
	struct sink sink = { 0 };
	struct err_buf err;
	int status;

	status = exec_open(settings, &handle, &err);
	if (status != 0) {
		render->failed(&sink, err.text);
	} else {
		status = function(handle, call, render, &sink);
		raftsup_close(handle);
	}
	status = say(&sink, status);
	sink_fini(&sink);
	return status;
}

int
exec_write(const void *data, size_t size)
{
	if (size == 0 || fs_write_all(STDOUT_FILENO, data, size) == 0) {
		return 0;
	}
	if (errno != EPIPE) {
		log_warn("cannot write to standard output");
	}
	return err_exit_status(ERR_IO);
}

/* What an answer left in the sink. The worse news is the exit status. */
static int
say(struct sink *sink, int status)
{
	int written = exec_write(sink->out.data, sink->out.size);

	if (sink->error.size > 0) {
		log_warnx("%.*s", (int)sink->error.size, sink->error.data);
	}
	/* An unknown outcome stays the more important of the two. */
	return written != 0 && status != RAFTSUP_MAYBE ? written : status;
}
