/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Line mode: commands from standard input, one a line, answers to standard
 * output in the same order.
 *
 *	       window of slots, oldest first
 *	 +---------+---------+---------+---------+
 *	 |  done   | waiting |  done   | waiting | <- the next line
 *	 +---------+---------+---------+---------+
 *	  written            stays until its elder is done
 *
 * With pipeline 1 a line is read when the one before is answered. With more,
 * that many commands are under way at once; a few answers more than that may
 * wait for an older one. A line that must see what one before it did waits
 * for it (order.h), and those behind it with it. Answers that are ready
 * together are written together, and at once.
 */
#ifndef RAFTSUP_CTL_LINE_H
#define RAFTSUP_CTL_LINE_H

#include <stddef.h>

#include "base/attr.h"
#include "client/raftsup.h"
#include "ctl/call.h"
#include "ctl/settings.h"

/* Words of a line, the command's name included. */
#define LINE_WORDS_MAX 65536

/*
 * Makes a call of a line, whose bytes are overwritten; `words` has room for
 * LINE_WORDS_MAX. 1: call_fini() is the caller's. 0: a blank line or a
 * comment. Else a code and a line in `err`.
 */
int line_parse(struct call *call, struct settings *settings, char *line,
    size_t length, struct bytes_word *words, struct err_buf *err) MUST_CHECK;

/*
 * Serves standard input until its end. Returns the exit status: 0, or that
 * of the worst answer, 75, 69 or 64; 74 when input or output failed.
 */
int line_run(struct settings *settings);

#endif
