/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup refill: a node whose store is damaged, wiped or not its own begins
 * anew as a learner under the same id, with a new store that the others fill.
 * It has promised nothing and voted for nobody under that identity (U16).
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/members.h"
#include "sup/control.h"

int
op_refill(struct op *op)
{
	char text[CONTROL_REPLY_SIZE], why[160];
	struct err_buf err;
	struct view view;
	uint64_t end_ns;
	uint32_t ids;
	bool json;
	int status;

	if (op_wait_options(op, &end_ns, &json, &status) == OP_DONE) {
		return status;
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, "refill: which node?");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	status = view_select(&view, op->argv[op_operands()], &ids, &err);
	if (status != ERR_OK) {
		status = op_fail_code(status, &err);
		goto out;
	}
	if ((ids & (ids - 1)) != 0) {
		status = op_fail(64, "refill: one node at a time, not %s",
		    op->argv[op_operands()]);
		goto out;
	}
	status = members_need_leader(&view, end_ns);
	if (status == 0) {
		status = members_order(&view, "refill", ids, "", text,
		    sizeof(text));
	}
	if (status != 0) {
		goto out;
	}
	status = members_await(&view, ids, true, end_ns, why, sizeof(why),
	    &err);
	if (status < 0) {
		status = op_fail_code(status, &err);
	} else if (status == MEMBERS_DONE && json) {
		members_print_json("refilled", ids);
	} else if (status == MEMBERS_DONE) {
		printf("node %s is refilled\n", op->argv[op_operands()]);
	} else {
		status = op_fail(75, "node %s is not refilled yet, and goes"
		    " on%s%s", op->argv[op_operands()],
		    status == MEMBERS_REFUSED ? ": the leader says: " : "",
		    status == MEMBERS_REFUSED ? why : "");
	}
out:
	view_close(&view);
	return status;
}
