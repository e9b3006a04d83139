/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup partition: groups of nodes that do not hear each other.  Words such
 * as `leader` become ids here; the supervisor checks the rest.
 */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "op/faults.h"
#include "op/op.h"
#include "sup/control.h"

static int	write_groups(struct view *, char *, char *, size_t,
		    struct err_buf *);

int
op_partition(struct op *op)
{
	char request[CONTROL_REQUEST_SIZE] = "partition ";
	struct err_buf err;
	struct view view;
	int status, code;
	bool json;

	if (op_json_option(op, &json, &status) == OP_DONE) {
		return status;
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, "partition: groups of nodes, as 1,2/3,4,5");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	code = write_groups(&view, op->argv[op_operands()], request,
	    sizeof(request), &err);
	status = code == ERR_OK ? faults_order(&view, request, json) :
	    op_fail_code(code, &err);
	view_close(&view);
	return status;
}

static int
write_groups(struct view *view, char *text, char *request, size_t size,
    struct err_buf *err)
{
	char id_text[16], *part;
	const char *between = "";
	uint32_t ids, id;
	int code;

	while ((part = strsep(&text, "/")) != NULL) {
		code = view_select(view, part, &ids, err);
		if (code != ERR_OK) {
			return code;
		}
		for (id = 1; id <= OPTIONS_ID_MAX; id++) {
			if ((ids & OPTIONS_ID_BIT(id)) == 0) {
				continue;
			}
			snprintf(id_text, sizeof(id_text), "%s%u", between,
			    id);
			if (strlcat(request, id_text, size) >= size) {
				return err_set(err, ERR_USAGE,
				    "partition: the list is too long");
			}
			between = ",";
		}
		between = "/";
	}
	return ERR_OK;
}
