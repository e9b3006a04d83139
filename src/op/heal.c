/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup heal: all links are whole again; disks are not its business.
 */
#include "op/faults.h"
#include "op/op.h"

int
op_heal(struct op *op)
{
	struct view view;
	int status;
	bool json;

	if (op_json_option(op, &json, &status) == OP_DONE) {
		return status;
	}
	if (op_operands() != op->argc) {
		return op_fail(64, "heal: it takes no operands (disk IDS "
		    "--heal mends disks)");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	status = faults_order(&view, "heal all", json);
	view_close(&view);
	return status;
}
