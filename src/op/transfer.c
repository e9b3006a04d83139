/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup transfer: asks the leader to hand over, and watches until the node
 * leads, or the leader has taken its work up again (docs/CORE.md, "Transfer
 * of the leadership").  Whoever leads by then is asked: an election in the
 * middle is not the end of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "client/ask.h"
#include "op/op.h"
#include "op/view.h"

#define LOOK_NS		(2 * CLOCK_NS_PER_MS)

struct handover {
	uint32_t to;
	uint64_t end_ns;
	uint32_t asked;			/* the leader that has taken the
					 * order; 0: none */
	uint64_t asked_term;
	bool perhaps;			/* no answer to an order */
	bool json;
};

static int hand_over(struct view *, struct handover *);
static int look(struct view *, struct handover *);
static int ask(const struct view *, struct handover *);
static void report(const struct view_node *, bool);

#define GO_ON	(-1)

int
op_transfer(struct op *op)
{
	struct handover handover = { .to = 0 };
	struct err_buf err;
	struct view view;
	uint32_t ids;
	int status, code;

	if (op_wait_options(op, &handover.end_ns, &handover.json, &status) ==
	    OP_DONE) {
		return status;
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, "transfer: to which node?");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	code = view_select(&view, op->argv[op_operands()], &ids, &err);
	if (code != ERR_OK) {
		status = op_fail_code(code, &err);
	} else if ((ids & (ids - 1)) != 0) {
		status = op_fail(64, "transfer: one node can lead, not %s",
		    op->argv[op_operands()]);
	} else {
		handover.to = (uint32_t)ffs((int)ids);
		status = hand_over(&view, &handover);
	}
	view_close(&view);
	return status;
}

static int
hand_over(struct view *view, struct handover *handover)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	struct err_buf err;
	int status;

	for (;;) {
		if (view_refresh(view, false, &err) != ERR_OK) {
			return op_fail(74, "%s", err.text);
		}
		status = look(view, handover);
		if (status != GO_ON) {
			return status;
		}
		if (clock_now_ns() >= handover->end_ns) {
			break;
		}
		nanosleep(&pause, NULL);
	}
	if (handover->asked != 0 || handover->perhaps) {
		return op_fail(75, "node %u does not lead yet; it may still"
		    " come to it", handover->to);
	}
	return op_fail(69, "no leader that could hand over");
}

static int
look(struct view *view, struct handover *handover)
{
	const struct view_node *leader = view_find(view, view->leader);

	if (!view->running) {
		return op_fail(69, "the cluster was stopped");
	}
	if (leader == NULL || !leader->serving) {
		return GO_ON;
	}
	if (leader->id == handover->to) {
		report(leader, handover->json);
		return 0;
	}
	if (leader->id == handover->asked &&
	    leader->term == handover->asked_term) {
		return leader->transfer_to != 0 ? GO_ON : op_fail(69,
		    "node %u has not taken over in time: node %u goes on as"
		    " the leader", handover->to, leader->id);
	}
	return ask(view, handover);
}

static int
ask(const struct view *view, struct handover *handover)
{
	uint64_t now_ns = clock_now_ns(), left_ns;
	struct ask_answer answer;
	struct err_buf err;
	int code;

	left_ns = now_ns < handover->end_ns ? handover->end_ns - now_ns :
	    LOOK_NS;
	code = ask_node(view->segment_name, view->leader, ASK_TRANSFER,
	    handover->to, left_ns, &answer, &err);
	switch (code) {
	case ERR_OK:
		handover->asked = view->leader;
		handover->asked_term = answer.term;
		return GO_ON;
	case ERR_USAGE:
		return op_fail(69, "node %u, the leader, refuses: %s",
		    view->leader, answer.text);
	case ERR_MAYBE:
		handover->perhaps = true;
		return GO_ON;
	case ERR_NOT_APPLIED:
	case ERR_NOT_FOUND:
		return GO_ON;
	default:
		return op_fail_code(code, &err);
	}
}

static void
report(const struct view_node *leader, bool as_json)
{
	struct json json;

	if (!as_json) {
		printf("node %u leads, term %" PRIu64 "\n", leader->id,
		    leader->term);
		return;
	}
	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	json_put_u64(&json, "leader", leader->id);
	json_put_u64(&json, "term", leader->term);
	json_end_object(&json);
	putchar('\n');
}
