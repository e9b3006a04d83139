/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup counters: what each node has counted since the segment was made;
 * dead nodes' counts stay readable.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/options.h"
#include "op/op.h"
#include "op/view.h"

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

static int print_text(const struct view *, uint32_t);
static int print_json(const struct view *, uint32_t);

int
op_counters(struct op *op)
{
	uint32_t ids = UINT32_MAX;
	int letter, status, first;
	const char *argument;
	struct err_buf err;
	struct view view;
	bool json = false;

	while ((letter = op_option(op, "j", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status;
		}
		json = true;
	}
	first = op_operands();
	if (op->argc - first > 1) {
		return op_fail(64, "counters: one list of nodes, as 1,3");
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	if (first < op->argc) {
		status = view_select(&view, op->argv[first], &ids, &err);
	}
	if (status != 0) {
		status = op_fail_code(status, &err);
	} else if (view.segment == NULL) {
		status = op_fail(69, "the shared memory %s was removed",
		    view.segment_name);
	} else {
		status = json ? print_json(&view, ids) :
		    print_text(&view, ids);
	}
	view_close(&view);
	return status;
}

static int
print_text(const struct view *view, uint32_t ids)
{
	uint32_t counter, i;

	printf("%-28s", "");
	for (i = 0; i < view->node_count; i++) {
		if ((ids & OPTIONS_ID_BIT(view->nodes[i].id)) != 0) {
			printf("%9s %-3u", "node", view->nodes[i].id);
		}
	}
	putchar('\n');
	for (counter = 0; counter < SEGMENT_COUNTER_COUNT; counter++) {
		if (segment_counter_name(counter) == NULL) {
			continue;
		}
		printf("%-28s", segment_counter_name(counter));
		for (i = 0; i < view->node_count; i++) {
			if ((ids & OPTIONS_ID_BIT(view->nodes[i].id)) != 0) {
				printf(" %12" PRIu64,
				    segment_counters(view->segment,
				    view->nodes[i].slot)[counter]);
			}
		}
		putchar('\n');
	}
	return fflush(stdout) == 0 ? 0 : op_fail(74, "cannot write");
}

static int
print_json(const struct view *view, uint32_t ids)
{
	json_t *nodes = json_array(), *node;
	uint32_t counter, i;

	for (i = 0; i < view->node_count; i++) {
		if ((ids & OPTIONS_ID_BIT(view->nodes[i].id)) == 0) {
			continue;
		}
		node = json_pack("{s:I}", "id",
		    (json_int_t)view->nodes[i].id);
		for (counter = 0; counter < SEGMENT_COUNTER_COUNT;
		    counter++) {
			if (segment_counter_name(counter) == NULL) {
				continue;
			}
			json_object_set_new(node,
			    segment_counter_name(counter), json_integer(
			    (json_int_t)segment_counters(view->segment,
			    view->nodes[i].slot)[counter]));
		}
		json_array_append_new(nodes, node);
	}
	return op_print_json(json_pack("{s:o}", "nodes", nodes));
}
