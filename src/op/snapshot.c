/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup snapshot: each node makes a checkpoint of what it has applied, and
 * forgets the log before it, but for a window.  Asked one after another, then
 * watched until the last one shows it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/options.h"
#include "client/ask.h"
#include "op/op.h"
#include "op/view.h"

#define LOOK_NS		(2 * CLOCK_NS_PER_MS)

struct wanted {
	uint32_t ids;
	uint64_t end_ns;
	uint64_t indexes[OPTIONS_ID_MAX + 1];	/* by id */
	uint32_t asked;
	bool json;
	struct json out;
};

static uint32_t ids_up(const struct view *);
static int ask_all(struct view *, struct wanted *);
static int await(struct view *, struct wanted *);
static void begin_report(struct wanted *);
static void report(struct wanted *, const struct view_node *);
static void end_report(struct wanted *);

int
op_snapshot(struct op *op)
{
	struct wanted wanted = { .ids = 0 };
	int status, code, second, count;
	struct err_buf err;
	struct view view;

	if (op_wait_options(op, &wanted.end_ns, &wanted.json, &status) ==
	    OP_DONE) {
		return status;
	}
	count = op->argc - op_operands();
	if (count > 1) {
		return op_fail(64, "snapshot: one list of nodes, as 1,3");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	code = ERR_OK;
	if (count == 1) {
		code = view_select(&view, op->argv[op_operands()],
		    &wanted.ids, &err);
	} else {
		wanted.ids = ids_up(&view);
	}
	if (code != ERR_OK) {
		status = op_fail_code(code, &err);
	} else if (wanted.ids == 0) {
		status = op_fail(69, "no node is up");
	} else {
		status = ask_all(&view, &wanted);
		begin_report(&wanted);
		second = await(&view, &wanted);
		end_report(&wanted);
		status = second > status ? second : status;
	}
	view_close(&view);
	return status;
}

static uint32_t
ids_up(const struct view *view)
{
	uint32_t i, ids = 0;

	for (i = 0; i < view->node_count; i++) {
		if (view->nodes[i].state == SEGMENT_NODE_UP &&
		    view->nodes[i].ready) {
			ids |= OPTIONS_ID_BIT(view->nodes[i].id);
		}
	}
	return ids;
}

static int
ask_all(struct view *view, struct wanted *wanted)
{
	const struct view_node *node;
	struct ask_answer answer;
	uint64_t now_ns, left_ns;
	struct err_buf err;
	int status = 0, code;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if ((wanted->ids & OPTIONS_ID_BIT(node->id)) == 0) {
			continue;
		}
		if (node->state != SEGMENT_NODE_UP || !node->ready) {
			status = op_fail(status > 69 ? status : 69,
			    "node %u is %s", node->id,
			    view_state_name(node->state));
			continue;
		}
		now_ns = clock_now_ns();
		left_ns = now_ns < wanted->end_ns ?
		    wanted->end_ns - now_ns : LOOK_NS;
		code = ask_node(view->segment_name, node->id, ASK_SNAPSHOT, 0,
		    left_ns, &answer, &err);
		if (code == ERR_OK) {
			wanted->indexes[node->id] = answer.applied;
			wanted->asked |= OPTIONS_ID_BIT(node->id);
		} else if (code == ERR_USAGE) {
			status = op_fail(status > 69 ? status : 69,
			    "node %u refuses: %s", node->id, answer.text);
		} else {
			op_fail(0, "node %u: %s", node->id, err.text);
			code = err_exit_status(code == ERR_NOT_FOUND ?
			    ERR_NOT_APPLIED : code);
			status = code > status ? code : status;
		}
	}
	return status;
}

static int
await(struct view *view, struct wanted *wanted)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	const struct view_node *node;
	struct err_buf err;
	int status = 0;
	uint32_t i;

	while (wanted->asked != 0) {
		if (view_refresh(view, false, &err) != ERR_OK) {
			return op_fail(74, "%s", err.text);
		}
		for (i = 0; i < view->node_count; i++) {
			node = &view->nodes[i];
			if ((wanted->asked & OPTIONS_ID_BIT(node->id)) == 0 ||
			    node->snapshot_index < wanted->indexes[node->id]) {
				continue;
			}
			report(wanted, node);
			wanted->asked &= ~OPTIONS_ID_BIT(node->id);
		}
		if (wanted->asked != 0 && (clock_now_ns() >= wanted->end_ns ||
		    !view->running)) {
			break;
		}
		nanosleep(&pause, NULL);
	}
	for (i = 0; i < view->node_count; i++) {
		if ((wanted->asked &
		    OPTIONS_ID_BIT(view->nodes[i].id)) != 0) {
			status = op_fail(75, "node %u has no snapshot at %"
			    PRIu64 " yet: %s", view->nodes[i].id,
			    wanted->indexes[view->nodes[i].id],
			    view_state_name(view->nodes[i].state));
		}
	}
	return status;
}

static void
begin_report(struct wanted *wanted)
{
	if (wanted->json) {
		json_init(&wanted->out, stdout);
		json_begin_object(&wanted->out, NULL);
		json_begin_array(&wanted->out, "nodes");
	}
}

static void
report(struct wanted *wanted, const struct view_node *node)
{
	if (!wanted->json) {
		printf("node %u: snapshot at %" PRIu64 "\n", node->id,
		    node->snapshot_index);
		return;
	}
	json_begin_object(&wanted->out, NULL);
	json_put_u64(&wanted->out, "id", node->id);
	json_put_u64(&wanted->out, "snapshot_index", node->snapshot_index);
	json_end_object(&wanted->out);
}

static void
end_report(struct wanted *wanted)
{
	if (wanted->json) {
		json_end_array(&wanted->out);
		json_end_object(&wanted->out);
		putchar('\n');
	}
}
