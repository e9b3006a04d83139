/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far long work has got, on a terminal: one line on standard error that
 * is written over, and nothing for work that is done in a moment.
 */
#ifndef OP_PROGRESS_H
#define OP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what;
	uint64_t total, done;		/* bytes */
	uint64_t begin_ns, shown_ns;
	bool terminal;
};

void	progress_begin(struct progress *, const char *what, uint64_t total);
void	progress_add(struct progress *, uint64_t bytes);
void	progress_end(struct progress *);	/* takes the line away */

#endif
