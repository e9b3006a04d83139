/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup log: what happened, of all nodes in the order of time.  From the
 * files, or with --recorder from the flight recorders in the segment, which
 * survive the death of a node and need no disk.
 */
#include <bsd/string.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/merge.h"
#include "op/op.h"
#include "op/view.h"
#include "raft/raft.h"
#include "shm/recorder.h"
#include "sup/control.h"

#define LOOK_NS	(50 * CLOCK_NS_PER_MS)
#define ASK_NS	(500 * CLOCK_NS_PER_MS)	/* a level is lent for longer */

enum { OPTION_KIND = 256, OPTION_RECORDER, OPTION_DEBUG };

static const struct option long_options[] = {
	{ "follow", no_argument, NULL, 'f' },
	{ "kind", required_argument, NULL, OPTION_KIND },
	{ "recorder", no_argument, NULL, OPTION_RECORDER },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

struct request {
	bool follow;
	bool recorder;
	bool debug;
	void (*print)(const char *, FILE *);
	const char *kind;
	uint32_t ids;
};

struct tape_line {
	uint32_t id;
	size_t order;		/* of its coming, among equal times */
	struct recorder_line line;
};

struct tape {
	struct tape_line *lines;
	size_t count, room;
	uint32_t id;		/* whose lines are being read */
};

static int find_kind(const char *, const char **, struct err_buf *);
static int print_debug(struct view *, const struct request *);
static int borrow_level(struct view *, uint32_t, const char *);
static bool ask_for_level(const struct view *, const char *);
static bool all_write(struct view *, uint32_t);
static int print_files(struct view *, const struct request *);
static int print_recorders(struct view *, const struct request *);
static void take_line(void *, const struct recorder_line *);
static int compare_lines(const void *, const void *);
static void print_tape(const struct view *, const struct request *,
    struct tape *);

int
op_log(struct op *op)
{
	struct request request = { .ids = UINT32_MAX,
		.print = merge_print_line };
	int letter, status, first;
	const char *argument;
	struct err_buf err;
	struct view view;

	while ((letter = op_option(op, "fj", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status;
		}
		request.follow = request.follow || letter == 'f';
		request.recorder = request.recorder ||
		    letter == OPTION_RECORDER;
		request.debug = request.debug || letter == OPTION_DEBUG;
		if (letter == 'j') {
			request.print = merge_print_json;
		}
		if (letter == OPTION_KIND &&
		    find_kind(argument, &request.kind, &err) != ERR_OK) {
			return op_fail(64, "%s", err.text);
		}
	}
	first = op_operands();
	if (op->argc - first > 1) {
		return op_fail(64, "log: one list of nodes, as 1,3");
	}
	if (request.debug && request.recorder) {
		return op_fail(64, "log: --debug is of the files, --recorder"
		    " is not");
	}
	status = view_begin(&view, op, request.debug);
	if (status != 0) {
		return status;
	}
	if (first < op->argc) {
		status = view_select(&view, op->argv[first], &request.ids,
		    &err);
	}
	if (status != 0) {
		status = op_fail_code(status, &err);
	} else {
		status = request.debug ? print_debug(&view, &request) :
		    request.recorder ? print_recorders(&view, &request) :
		    print_files(&view, &request);
	}
	view_close(&view);
	return status;
}

static int
find_kind(const char *text, const char **kind, struct err_buf *err)
{
	const char *names[32];
	size_t count;
	int which;

	for (count = 0; merge_kind(count) != NULL; count++) {
		names[count] = merge_kind(count);
	}
	which = options_word("kind", text, names, count, err);
	if (which < 0) {
		return which;
	}
	*kind = names[which];
	return ERR_OK;
}

/*
 * From now on, with every RPC, until a signal ends it.  The level is lent:
 * asked for again and again, so that it ends with who asks, however that is.
 */
static int
print_debug(struct view *view, const struct request *request)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	char text[CONTROL_REQUEST_SIZE];
	uint64_t asked_ns = clock_now_ns();
	struct merge *merge;
	struct err_buf err;
	sigset_t signals;
	uint32_t i, ids = 0;
	int status;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);	/* stdout has an error then */
	if (merge_open(&merge, view->dir, &view->cluster, request->ids,
	    &err) != ERR_OK) {
		return op_fail_code(ERR_IO, &err);
	}
	merge_skip(merge);
	for (i = 0; i < view->node_count; i++) {
		ids |= request->ids & OPTIONS_ID_BIT(view->nodes[i].id);
	}
	op_order_text(text, sizeof(text), "loglevel", ids, "lent");
	status = borrow_level(view, ids, text);
	if (status != 0) {
		merge_close(merge);
		return status;
	}
	do {
		merge_print_by(merge, request->kind, request->print, stdout);
		if (clock_now_ns() - asked_ns >= ASK_NS) {
			/* No supervisor, no end of what it lent. */
			asked_ns = clock_now_ns();
			(void)ask_for_level(view, text);
		}
	} while (!ferror(stdout) &&
	    sigtimedwait(&signals, NULL, &pause) == -1);
	merge_close(merge);
	return ferror(stdout) ? op_fail(74, "cannot write") : 0;
}

/* Refused, or nobody to ask: that is no matter while the nodes write. */
static int
borrow_level(struct view *view, uint32_t ids, const char *order)
{
	/* Else once more, for the words of it. */
	return ask_for_level(view, order) || all_write(view, ids) ? 0 :
	    op_request(view->dir, order, true);
}

static bool
ask_for_level(const struct view *view, const char *order)
{
	char reply[CONTROL_REPLY_SIZE];
	struct err_buf err;

	return control_ask(view->dir, order, ASK_NS, reply, sizeof(reply),
	    &err) == 0;
}

/* All of them, some at least; but for those that leave the cluster. */
static bool
all_write(struct view *view, uint32_t ids)
{
	const struct view_node *node;
	struct segment_row row;
	struct err_buf ignored;
	bool any = false;
	uint32_t i;

	if (view_refresh(view, false, &ignored) != ERR_OK ||
	    view->segment == NULL) {
		return false;
	}
	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->id)) == 0 ||
		    node->wish == SEGMENT_WISH_LEAVE) {
			continue;
		}
		if (segment_row_read(view->segment, node->slot, &row) !=
		    ERR_OK || row.id != node->id || row.log_rpc == 0) {
			return false;
		}
		any = true;
	}
	return any;
}

static int
print_files(struct view *view, const struct request *request)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	struct merge *merge;
	struct err_buf err;
	int result;

	result = merge_open(&merge, view->dir, &view->cluster, request->ids,
	    &err);
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	merge_print_by(merge, request->kind, request->print, stdout);
	while (request->follow && !ferror(stdout)) {
		nanosleep(&pause, NULL);
		merge_print_by(merge, request->kind, request->print, stdout);
	}
	merge_close(merge);
	return ferror(stdout) ? op_fail(74, "cannot write") : 0;
}

static int
print_recorders(struct view *view, const struct request *request)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t next[CLUSTER_NODES_MAX] = { 0 };
	struct tape tape = { 0 };
	uint32_t i;

	if (view->segment == NULL) {
		return op_fail(69, "the flight recorders are in the shared"
		    " memory of a running cluster, and none is running in %s",
		    view->dir);
	}
	do {
		for (i = 0; i < view->node_count; i++) {
			tape.id = view->nodes[i].id;
			if ((request->ids & OPTIONS_ID_BIT(tape.id)) != 0) {
				recorder_read(view->segment,
				    view->nodes[i].slot, &next[i], take_line,
				    &tape);
			}
		}
		print_tape(view, request, &tape);
		if (request->follow) {
			nanosleep(&pause, NULL);
		}
	} while (request->follow && !ferror(stdout));
	free(tape.lines);
	return ferror(stdout) ? op_fail(74, "cannot write") : 0;
}

static void
take_line(void *arg, const struct recorder_line *line)
{
	struct tape *tape = arg;
	struct tape_line *lines;

	if (tape->count == tape->room) {
		lines = reallocarray(tape->lines, tape->room + 4096,
		    sizeof(*lines));
		if (lines == NULL) {
			return;
		}
		tape->lines = lines;
		tape->room += 4096;
	}
	tape->lines[tape->count].id = tape->id;
	tape->lines[tape->count].order = tape->count;
	tape->lines[tape->count].line = *line;
	tape->count++;
}

static int
compare_lines(const void *a, const void *b)
{
	const struct tape_line *x = a, *y = b;

	if (x->line.at_ns != y->line.at_ns) {
		return x->line.at_ns < y->line.at_ns ? -1 : 1;
	}
	return x->order < y->order ? -1 : x->order > y->order;
}

static void
print_tape(const struct view *view, const struct request *request,
    struct tape *tape)
{
	char at[CLOCK_WALL_TEXT_SIZE], line[RECORDER_TEXT_SIZE + 96];
	const struct tape_line *entry;
	const char *role;
	size_t i;

	qsort(tape->lines, tape->count, sizeof(*tape->lines), compare_lines);
	for (i = 0; i < tape->count; i++) {
		entry = &tape->lines[i];
		role = entry->line.role == 0 ||
		    entry->line.role > RAFT_LEADER ? "starting" :
		    raft_role_name((enum raft_role)entry->line.role);
		if (request->kind != NULL && !merge_is_kind(request->kind,
		    role, entry->line.text)) {
			continue;
		}
		clock_format_wall(segment_wall_ns(view->segment,
		    entry->line.at_ns), at);
		snprintf(line, sizeof(line), "%s %u %s %" PRIu64 " %.*s", at,
		    entry->id, role, entry->line.term, RECORDER_TEXT_SIZE,
		    entry->line.text);
		request->print(line, stdout);
	}
	fflush(stdout);
	tape->count = 0;
}
