/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup top, in three parts: watch.c looks at the cluster, frame.c makes
 * lines of what was seen, top.c shows them and takes keys.
 *
 *	watch_look() --> struct watch --> frame_make() --> struct frame
 */
#ifndef LAB_TOP_H
#define LAB_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "op/merge.h"
#include "op/view.h"

#define WATCH_EVENTS	64		/* of the event log, the last ones */
#define WATCH_READS	128		/* measured */
#define FRAME_ROWS_MAX	200
#define FRAME_COLS_MAX	300

struct watch_node {
	uint64_t messages;		/* sent and received, in all */
	uint64_t at_ns;
	double messages_per_s;
	uint64_t applied;
	double applied_per_s;
};

struct raftsup;

struct watch {
	struct view view;
	struct watch_node nodes[CLUSTER_NODES_MAX];	/* as in view */
	struct raftsup *client;		/* NULL: none, or not now */
	uint64_t client_again_ns;
	uint64_t reads_ns[WATCH_READS];	/* how long the last ones took */
	uint32_t read_count;		/* so many so far */
	bool answered;			/* the last one was */
	struct merge *merge;
	char events[WATCH_EVENTS][FRAME_COLS_MAX];
	uint32_t event_count;		/* so many so far */
	size_t line_size;		/* of the next one, so far */
};

/*
 * The view is open already.  Each look refreshes it, measures a read (at most
 * 200 ms), and takes new lines of the event log, at first all that are there.
 */
int	watch_begin(struct watch *, struct err_buf *) MUST_CHECK;
int	watch_look(struct watch *, struct err_buf *) MUST_CHECK;
void	watch_end(struct watch *);	/* not the view */
/* Of the reads that were measured last: the half and the 99th of a hundred
 * took no longer; 0: none was. */
void	watch_latency(const struct watch *, uint64_t *p50, uint64_t *p99);

enum frame_color {
	FRAME_PLAIN,
	FRAME_TITLE,
	FRAME_DIM,
	FRAME_GOOD,
	FRAME_ODD,
	FRAME_BAD,
	FRAME_COLORS
};

struct frame {
	uint32_t rows, cols;
	enum frame_color colors[FRAME_ROWS_MAX];
	bool selected[FRAME_ROWS_MAX];
	char lines[FRAME_ROWS_MAX][FRAME_COLS_MAX + 1];
};

/*
 * A screen of so many rows and columns (at least 10 and 60; more than the
 * most are not used).  `selected` is an id, 0: none; `message` goes in the
 * last line.
 */
void	frame_make(struct frame *, const struct watch *, uint32_t rows,
	    uint32_t cols, uint32_t selected, const char *message);

#endif
