/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request, and watching the rows until it has come true.
 */
#include "op/order.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/options.h"

#define AWAIT_NS	(15 * CLOCK_NS_PER_S)
#define LOOK_NS		(5 * CLOCK_NS_PER_MS)

static bool is_there(const struct view_node *, uint64_t, enum order_wait);

int
order_nodes(struct op *op, const char *verb, enum order_wait wait)
{
	const char *argument;
	struct view view;
	uint32_t ids;
	int status, first;

	if (op_option(op, "", NULL, &argument, &status) == OP_DONE) {
		return status;
	}
	first = op_operands();
	if (op->argc - first != 1) {
		return op_fail(64, first == op->argc ? "%s: which nodes?" :
		    "%s: one list of nodes, as 1,3", op->name);
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	status = order_send(&view, op->argv[first], verb, "",
	    wait != ORDER_DONE, &ids);
	if (status == 0 && wait != ORDER_DONE) {
		status = order_await(&view, ids, wait);
	}
	view_close(&view);
	return status;
}

int
order_send(struct view *view, const char *text, const char *verb,
    const char *word, bool quiet, uint32_t *ids)
{
	struct err_buf err;
	int code = view_select(view, text, ids, &err);

	if (code != ERR_OK) {
		return op_fail_code(code, &err);
	}
	return op_order(view->dir, verb, *ids, word, quiet);
}

int
order_await(struct view *view, uint32_t ids, enum order_wait wait)
{
	uint64_t end_ns = clock_now_ns() + AWAIT_NS;
	/* By id: nodes may come and go meanwhile. */
	uint64_t runs[OPTIONS_ID_MAX + 1] = { 0 };
	struct timespec pause = clock_timespec(LOOK_NS);
	const struct view_node *node;
	struct err_buf err;
	uint32_t i, missing;
	int status = 0;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		runs[node->id] = node->alive ? node->run : 0;
	}
	for (;;) {
		missing = 0;
		if (view_refresh(view, false, &err) != ERR_OK) {
			return op_fail(74, "%s", err.text);
		}
		for (i = 0; i < view->node_count; i++) {
			node = &view->nodes[i];
			missing += (ids & OPTIONS_ID_BIT(node->id)) != 0 &&
			    !is_there(node, runs[node->id], wait);
		}
		if (missing == 0 || clock_now_ns() >= end_ns ||
		    !view->running) {
			break;
		}
		nanosleep(&pause, NULL);
	}
	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->id)) == 0) {
			continue;
		}
		if (!is_there(node, runs[node->id], wait) ||
		    node->state == SEGMENT_NODE_REFUSED) {
			status = op_fail(69, "node %u is %s%s%s", node->id,
			    view_state_name(node->state),
			    node->why[0] != '\0' ? ": " : "", node->why);
		} else if (wait == ORDER_UP) {
			printf("node %u is up, pid %d\n", node->id, node->pid);
		} else {
			printf("node %u is %s\n", node->id,
			    view_state_name(node->state));
		}
	}
	return status;
}

static bool
is_there(const struct view_node *node, uint64_t run, enum order_wait wait)
{
	if (wait == ORDER_DOWN) {
		/* Dead is not enough: the supervisor must know it, too. */
		return !node->alive && (node->state == SEGMENT_NODE_HELD ||
		    node->state == SEGMENT_NODE_REFUSED);
	}
	return node->state == SEGMENT_NODE_REFUSED ||
	    (node->state == SEGMENT_NODE_UP && node->ready &&
	    node->run > run);
}
