/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Progress of long work.
 */
#include "op/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define SHOW_EVERY_NS	(200 * CLOCK_NS_PER_MS)

void
progress_begin(struct progress *progress, const char *what, uint64_t total)
{
	memset(progress, 0, sizeof(*progress));
	progress->what = what;
	progress->total = total;
	progress->begin_ns = progress->shown_ns = clock_now_ns();
	progress->terminal = isatty(STDERR_FILENO) != 0;
}

void
progress_add(struct progress *progress, uint64_t bytes)
{
	uint64_t now_ns;

	progress->done += bytes;
	if (!progress->terminal) {
		return;
	}
	now_ns = clock_now_ns();
	if (now_ns - progress->shown_ns < SHOW_EVERY_NS) {
		return;
	}
	progress->shown_ns = now_ns;
	fprintf(stderr, "\r%s: %.1f of %.1f MiB, %.1f s ", progress->what,
	    (double)progress->done / (1 << 20),
	    (double)progress->total / (1 << 20),
	    (double)(now_ns - progress->begin_ns) / 1e9);
}

void
progress_end(struct progress *progress)
{
	if (progress->shown_ns != progress->begin_ns) {
		fprintf(stderr, "\r%60s\r", "");
	}
}
