/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A story as a space-time diagram, in SVG: time goes to the right, a line for
 * each node, an arrow for each message.
 *
 *	node 1 ====#=====x          ---- its role as colour
 *	            \   lost
 *	node 2 ------*-----####     ---- # leads
 *
 * Time is not to scale: a gap takes the square root of its length, so that
 * an election of microseconds and a silence of seconds both can be seen.  The
 * axis says what time it is.
 */
#ifndef LAB_FIGURE_H
#define LAB_FIGURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/err.h"
#include "lab/story.h"

#define FIGURE_MARKS_MAX 3000u

struct figure_options {
	uint64_t from_ns;	/* since the first line of the story */
	uint64_t to_ns;
	bool heartbeats;	/* are drawn */
	const char *title;
};

/*
 * Draws what happened in that time, at most FIGURE_MARKS_MAX lines and
 * messages; *left_out tells how many more there were.  ERR_NOT_FOUND: none.
 * Nothing is written unless it returns ERR_OK; errors of the stream are the
 * caller's to look for.
 */
int	figure_draw(const struct story *, const struct figure_options *,
	    FILE *, size_t *left_out, struct err_buf *) MUST_CHECK;

#endif
