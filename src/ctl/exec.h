/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Carrying out a call: connect, ask, say the answer, all blocking. One call
 * of a command, and the interactive shell, are this; line mode has its own
 * loop (line.h).
 */
#ifndef RAFTSUP_CTL_EXEC_H
#define RAFTSUP_CTL_EXEC_H

#include <stddef.h>

#include "base/attr.h"
#include "base/err.h"
#include "client/raftsup.h"
#include "ctl/call.h"
#include "ctl/render.h"
#include "ctl/settings.h"

/*
 * Opens a handle as the settings say. 0, or an exit status, with a line in
 * `err`.
 */
int exec_open(const struct settings *settings, struct raftsup **handle,
    struct err_buf *err) MUST_CHECK;

/*
 * Asks until the answer is whole and says it into the sink; with a renderer
 * that streams, what is in sink->out is written to standard output between
 * pages. Returns the exit status of the call.
 */
int exec_call(struct raftsup *handle, struct call *call,
    const struct render *render, struct sink *sink) MUST_CHECK;

/*
 * One call of a command, from its words to its exit status: everything is
 * said on standard output and standard error.
 */
int exec_once(const struct command *command, struct settings *settings,
    const struct bytes_word *words, size_t count);

/* What is done with a call: exec_call(), or what goes on for longer. */
typedef int exec_function(struct raftsup *handle, struct call *call,
    const struct render *render, struct sink *sink);

/*
 * Opens a handle, has `function` done, and says what it left in the sink, on
 * standard output and standard error. Returns the exit status.
 */
int exec_with_handle(
    struct settings *settings, struct call *call, exec_function *function);

/*
 * Writes to standard output. 0, or the exit status for a failure, which has
 * been said, but for a reader that went away: that is quiet.
 */
int exec_write(const void *data, size_t size) MUST_CHECK;

#endif
