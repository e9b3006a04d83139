/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup remove: nodes leave the cluster, all of a list in one step.  Their
 * processes end and their directories are put aside, nothing is deleted.
 */
#include <stdio.h>

#include "base/options.h"
#include "op/members.h"
#include "sup/control.h"

static int take_out(struct view *, const char *, uint64_t, bool);
static int print_removed(uint32_t, bool);
static bool is_refused_at_once(const struct view *, uint32_t);

int
op_remove(struct op *op)
{
	uint64_t end_ns;
	struct view view;
	bool json;
	int status;

	if (op_wait_options(op, &end_ns, &json, &status) == OP_DONE) {
		return status;
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, op->argc == op_operands() ?
		    "remove: which node?" :
		    "remove: one list of nodes, as 4,5");
	}
	status = view_begin(&view, op, true);
	if (status == 0) {
		status = take_out(&view, op->argv[op_operands()], end_ns,
		    json);
		view_close(&view);
	}
	return status;
}

static int
take_out(struct view *view, const char *which, uint64_t end_ns, bool json)
{
	char text[CONTROL_REPLY_SIZE], why[160];
	struct err_buf err;
	uint32_t ids, id;
	int status;

	status = view_select(view, which, &ids, &err);
	if (status != ERR_OK) {
		return op_fail_code(status, &err);
	}
	if (is_refused_at_once(view, ids)) {
		return op_fail(69, "the last voter cannot be removed (raftsup"
		    " stop ends the cluster)");
	}
	status = members_need_leader(view, end_ns);
	if (status == 0) {
		status = members_order(view, "remove", ids, "", text,
		    sizeof(text));
	}
	if (status != 0) {
		return status;
	}
	status = members_await(view, ids, false, end_ns, why, sizeof(why),
	    &err);
	if (status < 0) {
		return op_fail_code(status, &err);
	}
	if (status == MEMBERS_REFUSED) {
		status = members_order(view, "cancel", ids, "", text,
		    sizeof(text));
		return status != 0 ? status : op_fail(69,
		    "the leader refuses: %s", why);
	}
	if (status == MEMBERS_TIMEOUT) {
		return op_fail(75, "node %s is not removed yet; it still is"
		    " to be", which);
	}
	/* No wish is left: it was fulfilled, or somebody has cancelled it. */
	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) != 0 &&
		    view_find(view, id) != NULL) {
			return op_fail(69, "node %u is not removed: somebody"
			    " took it back", id);
		}
	}
	return print_removed(ids, json);
}

static int
print_removed(uint32_t ids, bool json)
{
	uint32_t id;

	if (json) {
		members_print_json("removed", ids);
		return 0;
	}
	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) != 0) {
			printf("node %u removed\n", id);
		}
	}
	return 0;
}

static bool
is_refused_at_once(const struct view *view, uint32_t ids)
{
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		if ((ids & OPTIONS_ID_BIT(view->nodes[i].id)) == 0 &&
		    !view->cluster.nodes[i].learner) {
			return false;
		}
	}
	return true;
}
