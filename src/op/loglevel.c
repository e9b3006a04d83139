/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup loglevel: how much nodes write into their event logs from now on.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "op/op.h"
#include "op/view.h"

int
op_loglevel(struct op *op)
{
	static const char *const levels[] = { "info", "rpc" };
	const char *argument, *nodes;
	struct err_buf err;
	struct view view;
	uint32_t ids;
	int status, first, level;

	if (op_option(op, "", NULL, &argument, &status) == OP_DONE) {
		return status;
	}
	first = op_operands();
	if (op->argc - first < 1 || op->argc - first > 2) {
		return op_fail(64, "loglevel: info or rpc, and perhaps nodes");
	}
	level = options_word("level", op->argv[first], levels,
	    COUNT_OF(levels), &err);
	if (level < 0) {
		return op_fail(64, "%s (info or rpc)", err.text);
	}
	nodes = op->argc - first == 2 ? op->argv[first + 1] : "all";
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	status = view_select(&view, nodes, &ids, &err);
	if (status == ERR_OK) {
		status = op_order(view.dir, "loglevel", ids, levels[level],
		    false);
	} else {
		status = op_fail_code(status, &err);
	}
	view_close(&view);
	return status;
}
