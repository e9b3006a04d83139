/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup heal: all links are whole again; disks are not its business.
 */
#include <getopt.h>

#include "op/faults.h"
#include "op/op.h"

int
op_heal(struct op *op)
{
	const char *argument;
	struct view view;
	int status;

	if (op_option(op, "", NULL, &argument, &status) == OP_DONE) {
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
	status = faults_order(&view, "heal all");
	view_close(&view);
	return status;
}
