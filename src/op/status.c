/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup status: leader, term, and a line a node; as text for people, as
 * JSON for programs.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/faults.h"
#include "op/op.h"
#include "op/view.h"

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "watch", no_argument, NULL, 'w' },
	{ NULL, 0, NULL, 0 },
};

static void print_text(const struct view *);
static void print_difference(const struct view *);
static void print_node(const struct view_node *, bool);
static int print_json(const struct view *);
static json_t *node_json(const struct view_node *);
static const char *wish_text(enum segment_wish);
static uint64_t lease_ms_left(const struct view_node *);

int
op_status(struct op *op)
{
	struct timespec second = { 1, 0 };
	bool json = false, watch = false;
	int letter, status, result;
	const char *argument;
	struct err_buf err;
	struct view view;

	while ((letter = op_option(op, "jw", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status;
		}
		json = json || letter == 'j';
		watch = watch || letter == 'w';
	}
	if (op_operands() != op->argc) {
		return op_fail(64, "status: it takes no operands");
	}
	status = view_begin(&view, op, false);
	if (status != 0) {
		return status;
	}
	for (;;) {
		if (watch && !json && isatty(STDOUT_FILENO)) {
			fputs("\033[H\033[2J", stdout);
		}
		if (json) {
			status = print_json(&view);
		} else {
			print_text(&view);
		}
		if (fflush(stdout) != 0) {
			status = op_fail(74, "cannot write");
		}
		if (!watch || status != 0) {
			break;
		}
		nanosleep(&second, NULL);
		result = view_refresh(&view, true, &err);
		if (result != ERR_OK) {
			status = op_fail_code(result, &err);
			break;
		}
	}
	if (status == 0) {
		status = view.has_quorum && view.differs == 0 ? 0 : 1;
	}
	view_close(&view);
	return status;
}

/* ---- text */

static void
print_text(const struct view *view)
{
	char faults[FAULTS_LINE_SIZE];
	uint32_t i, up = 0;

	for (i = 0; i < view->node_count; i++) {
		up += view->nodes[i].state == SEGMENT_NODE_UP;
	}
	printf("%s: ", view->dir);
	if (!view->running) {
		printf("stopped%s, term %" PRIu64 "\n",
		    view->cluster.clean ? "" : " (not cleanly)", view->term);
	} else {
		if (view->leader != 0) {
			printf("leader %u, ", view->leader);
		} else {
			printf("no leader, ");
		}
		printf("term %" PRIu64 ", %u of %u nodes up, %s (%u needed),"
		    " %s durability\n", view->term, up, view->node_count,
		    view->has_quorum ? "quorum" : "NO QUORUM", view->quorum,
		    cluster_durability_name(view->cluster.durability));
		if (view->supervisor != 0) {
			printf("supervisor: %d\n", view->supervisor);
		} else {
			printf("supervisor: none (nothing restarts dead"
			    " nodes: raftsup start)\n");
		}
		faults_line(view, faults);
		if (faults[0] != '\0') {
			printf("faults: %s\n", faults);
		}
		if (view->segment == NULL) {
			printf("shared memory %s: removed\n",
			    view->segment_name);
		}
	}
	print_difference(view);
	printf("%-4s %-8s %-7s %-12s %8s %4s %10s %10s %10s %10s %8s %7s\n",
	    "node", "state", "pid", "role", "term", "vote", "commit",
	    "applied", "first", "last", "restarts", "lease");
	for (i = 0; i < view->node_count; i++) {
		print_node(&view->nodes[i], view->running);
	}
}

static void
print_difference(const struct view *view)
{
	char list[128] = "";
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		if ((view->differs & OPTIONS_ID_BIT(view->nodes[i].id)) != 0) {
			snprintf(list + strlen(list),
			    sizeof(list) - strlen(list), "%s%u",
			    list[0] == '\0' ? "" : ",", view->nodes[i].id);
		}
	}
	if (list[0] != '\0') {
		printf("STATES DIFFER after entry %" PRIu64 ": %s (raftck says"
		    " where)\n", view->differs_index, list);
	}
}

static void
print_node(const struct view_node *node, bool running)
{
	const char *role = view_role_name(node), *color = "";
	bool colored = op_has_color();
	uint64_t left_ms = lease_ms_left(node);
	char pid[16] = "-", lease[24] = "-";

	if (left_ms != 0) {
		snprintf(lease, sizeof(lease), "%.1f s",
		    (double)left_ms / 1e3);
	}
	if (node->pid != 0) {
		snprintf(pid, sizeof(pid), "%d", node->pid);
	}
	if (colored) {
		color = node->state == SEGMENT_NODE_UP ? "\033[32m" :
		    node->state == SEGMENT_NODE_STARTING ||
		    node->state == SEGMENT_NODE_PAUSED ? "\033[33m" :
		    "\033[31m";
	}
	printf("%-4u %s%-8s%s %-7s %-12s %8" PRIu64 " %4u %10" PRIu64 " %10"
	    PRIu64 " %10" PRIu64 " %10" PRIu64 " %8u %7s\n", node->id, color,
	    view_state_name(node->state), colored ? "\033[0m" : "", pid,
	    role != NULL ? role : "-", node->term, node->vote, node->commit,
	    node->applied, node->first_index, node->last_index,
	    node->restarts, lease);
	if (node->wish != SEGMENT_WISH_NONE) {
		printf("     %s\n", wish_text(node->wish));
	}
	if (node->why[0] != '\0' && (node->state == SEGMENT_NODE_REFUSED ||
	    !node->alive)) {
		printf("     %s\n", node->why);
	} else if (running && node->alive && node->reason[0] != '\0') {
		printf("     %s\n", node->reason);
	}
}

/* ---- JSON */

static int
print_json(const struct view *view)
{
	json_t *nodes = json_array();
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		json_array_append_new(nodes, node_json(&view->nodes[i]));
	}
	return op_print_json(json_pack("{s:o, s:s, s:b, s:I, s:i, s:I, s:I,"
	    " s:b, s:s, s:b, s:I, s:o, s:o}", "dir",
	    op_json_text(view->dir),
	    "segment", view->segment_name,
	    "running", (int)view->running,
	    "supervisor", (json_int_t)view->supervisor,
	    "leader", (int)view->leader, "term", (json_int_t)view->term,
	    "quorum", (json_int_t)view->quorum,
	    "has_quorum", (int)view->has_quorum, "durability",
	    cluster_durability_name(view->cluster.durability),
	    "clean", (int)view->cluster.clean,
	    "states_differ_at", (json_int_t)view->differs_index,
	    "nodes", nodes,
	    "faults", faults_json(view)));
}

static json_t *
node_json(const struct view_node *node)
{
	return json_pack("{s:I, s:I, s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:I,"
	    " s:I, s:I, s:I, s:s, s:o, s:o}", "id", (json_int_t)node->id,
	    "pid", (json_int_t)node->pid, "state", view_public_state(node),
	    "role", view_public_role(node),
	    "term", (json_int_t)node->term, "vote", (json_int_t)node->vote,
	    "commit", (json_int_t)node->commit,
	    "applied", (json_int_t)node->applied,
	    "first_index", (json_int_t)node->first_index,
	    "last_index", (json_int_t)node->last_index,
	    "snapshot_index", (json_int_t)node->snapshot_index,
	    "restarts", (json_int_t)node->restarts,
	    "lease_ms_left", (json_int_t)lease_ms_left(node),
	    "wish", wish_text(node->wish),
	    "why", op_json_text(node->alive ? "" : node->why),
	    "reason", op_json_text(node->reason));
}

/* What is wanted of its membership, and not so yet. */
static const char *
wish_text(enum segment_wish wish)
{
	switch (wish) {
	case SEGMENT_WISH_JOIN:
		return "joins the cluster";
	case SEGMENT_WISH_LEARN:
		return "joins the cluster as a learner";
	case SEGMENT_WISH_LEAVE:
		return "leaves the cluster";
	case SEGMENT_WISH_REFILL:
		return "is being refilled";
	case SEGMENT_WISH_NONE:
		break;
	}
	return "";
}

static uint64_t
lease_ms_left(const struct view_node *node)
{
	uint64_t now_ns = clock_now_ns();

	return node->lease_end_ns <= now_ns ? 0 :
	    (node->lease_end_ns - now_ns) / CLOCK_NS_PER_MS;
}
