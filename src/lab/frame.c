/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three lines about all, a table of the nodes, the event log, the keys:
 *
 *	/home/ann/demo: leader 4, term 2, 5 of 5 up, quorum (3), power
 *	reads 12 us, 99% 40 us   1234 entries/s   supervisor 25760
 *	faults: partition 4/1,2,3,5
 *	node state  role      term  last commit applied lag lease msgs/s rst
 *	>1   up     follower     2    17     17      17   0     -     20   0
 *	     Node 1 follows Node 4 in term 2
 *	...
 *	20:31:05.123 4 leader 2 Node 4 becomes leader
 *	1-9 k kill p pause ...
 *
 * The table takes what it needs, the event log what is left.  On a small
 * screen only the selected node gets its second line.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "lab/top.h"
#include "op/faults.h"

#define KEYS	"1-9 k kill p pause r resume R restart s stop S start " \
		"t time c cut h heal q quit"

static void
add(struct frame *frame, uint32_t *row, enum frame_color color,
    const char *fmt, ...) PRINTF_LIKE(4, 5);

static void
add(struct frame *frame, uint32_t *row, enum frame_color color,
    const char *fmt, ...)
{
	va_list ap;

	if (*row >= frame->rows) {
		return;
	}
	frame->colors[*row] = color;
	va_start(ap, fmt);
	vsnprintf(frame->lines[*row], frame->cols + 1, fmt, ap);
	va_end(ap);
	++*row;
}

/* A number in so many columns: 123456, or 123.4M. */
static const char *
number(char *text, size_t size, uint64_t value, int width)
{
	static const char units[] = "kMGTP";
	double shown = (double)value;
	int unit = -1;

	if (snprintf(text, size, "%" PRIu64, value) <= width) {
		return text;
	}
	do {
		shown /= 1000;
		unit++;
	} while (shown >= 1000 && units[unit + 1] != '\0');
	snprintf(text, size, "%.*f%c", width >= 6 ? 1 : 0, shown, units[unit]);
	return text;
}

static void
add_head(struct frame *frame, uint32_t *row, const struct watch *watch)
{
	const struct view *view = &watch->view;
	uint64_t p50, p99, entries = 0;
	char leader[32] = "no leader", reads[64] = "no reads";
	char faults[FAULTS_LINE_SIZE];
	uint32_t i, up = 0;

	for (i = 0; i < view->node_count; i++) {
		up += view->nodes[i].state == SEGMENT_NODE_UP;
		if (watch->nodes[i].applied_per_s > (double)entries) {
			entries = (uint64_t)watch->nodes[i].applied_per_s;
		}
	}
	if (view->leader != 0) {
		snprintf(leader, sizeof(leader), "leader %u", view->leader);
	}
	watch_latency(watch, &p50, &p99);
	if (watch->answered) {
		snprintf(reads, sizeof(reads), "reads %.0f us, 99%% %.0f us",
		    (double)p50 / 1e3, (double)p99 / 1e3);
	}
	if (!view->running) {
		add(frame, row, FRAME_BAD, "%s: stopped", view->dir);
	} else {
		add(frame, row, view->has_quorum ? FRAME_TITLE : FRAME_BAD,
		    "%s: %s, term %" PRIu64 ", %u of %u up, %s (%u), %s",
		    view->dir, leader, view->term, up, view->node_count,
		    view->has_quorum ? "quorum" : "NO QUORUM", view->quorum,
		    cluster_durability_name(view->cluster.durability));
	}
	if (view->supervisor != 0) {
		add(frame, row, FRAME_PLAIN, "%s   %" PRIu64 " entries/s   "
		    "supervisor %d", reads, entries, view->supervisor);
	} else {
		add(frame, row, FRAME_ODD, "%s   %" PRIu64 " entries/s   no "
		    "supervisor: nothing restarts dead nodes", reads, entries);
	}
	faults_line(view, faults);
	add(frame, row, FRAME_ODD, "%s%s", faults[0] != '\0' ? "faults: " :
	    "", faults);
}

static enum frame_color
color_of(const struct view_node *node)
{
	switch (node->state) {
	case SEGMENT_NODE_UP:
		return FRAME_GOOD;
	case SEGMENT_NODE_STARTING:
	case SEGMENT_NODE_PAUSED:
		return FRAME_ODD;
	default:
		return FRAME_BAD;
	}
}

static uint64_t
highest_commit(const struct view *view)
{
	uint64_t commit = 0;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		if (view->nodes[i].commit > commit) {
			commit = view->nodes[i].commit;
		}
	}
	return commit;
}

static void
add_node(struct frame *frame, uint32_t *row, const struct watch *watch,
    uint32_t i, bool selected)
{
	const struct view_node *node = &watch->view.nodes[i];
	const char *role = view_role_name(node);
	uint64_t now_ns = clock_now_ns(), commit = highest_commit(&watch->view);
	char t[7][24], lease[24] = "-";

	if (node->lease_end_ns > now_ns) {
		number(lease, sizeof(lease),
		    (node->lease_end_ns - now_ns) / CLOCK_NS_PER_MS, 5);
	}
	if (*row < frame->rows) {
		frame->selected[*row] = selected;
	}
	add(frame, row, color_of(node), "%c%-3u %-8s %-9.9s%6s %8s %8s %8s "
	    "%6s %5s %6s %3s", selected ? '>' : ' ', node->id,
	    view_state_name(node->state), role == NULL ? "-" : role,
	    number(t[0], sizeof(t[0]), node->term, 6),
	    number(t[1], sizeof(t[1]), node->last_index, 8),
	    number(t[2], sizeof(t[2]), node->commit, 8),
	    number(t[3], sizeof(t[3]), node->applied, 8),
	    number(t[4], sizeof(t[4]), commit > node->applied ?
	    commit - node->applied : 0, 6), lease,
	    number(t[5], sizeof(t[5]),
	    (uint64_t)watch->nodes[i].messages_per_s, 6),
	    number(t[6], sizeof(t[6]), node->restarts, 3));
}

static void
add_reason(struct frame *frame, uint32_t *row, const struct view_node *node)
{
	add(frame, row, FRAME_DIM, "     %s", node->alive ? node->reason :
	    node->why);
}

static void
add_events(struct frame *frame, uint32_t *row, const struct watch *watch)
{
	uint32_t room = frame->rows - 1 > *row ? frame->rows - 1 - *row : 0;
	uint32_t have = watch->event_count < WATCH_EVENTS ?
	    watch->event_count : WATCH_EVENTS;
	uint32_t i;

	if (room > have) {
		room = have;
	}
	for (i = watch->event_count - room; i != watch->event_count; i++) {
		const char *event = watch->events[i % WATCH_EVENTS];

		/* The day is not of interest, nor are the microseconds. */
		if (strlen(event) > 28 && event[10] == 'T') {
			add(frame, row, FRAME_DIM, "%.12s%s", event + 11,
			    event + 27);
		} else {
			add(frame, row, FRAME_DIM, "%s", event);
		}
	}
}

void
frame_make(struct frame *frame, const struct watch *watch, uint32_t rows,
    uint32_t cols, uint32_t selected, const char *message)
{
	const struct view *view = &watch->view;
	uint32_t row = 0, i;
	bool all_reasons;

	memset(frame, 0, sizeof(*frame));
	frame->rows = rows < FRAME_ROWS_MAX ? rows : FRAME_ROWS_MAX;
	frame->cols = cols < FRAME_COLS_MAX ? cols : FRAME_COLS_MAX;
	all_reasons = frame->rows >= 12 + 2 * view->node_count;
	add_head(frame, &row, watch);
	add(frame, &row, FRAME_TITLE, "%-4s %-8s %-9s%6s %8s %8s %8s %6s %5s "
	    "%6s %3s", "node", "state", "role", "term", "last", "commit",
	    "applied", "lag", "lease", "msgs/s", "rst");
	for (i = 0; i < view->node_count; i++) {
		add_node(frame, &row, watch, i, view->nodes[i].id == selected);
		if (all_reasons || view->nodes[i].id == selected) {
			add_reason(frame, &row, &view->nodes[i]);
		}
	}
	add(frame, &row, FRAME_PLAIN, "%s", "");
	add_events(frame, &row, watch);
	row = frame->rows - 1;
	add(frame, &row, FRAME_TITLE, "%s", message[0] != '\0' ? message :
	    KEYS);
}
