/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup add: new nodes, as voters or as learners.  The supervisor makes
 * them, the leader takes them in; whoever dies on the way, it goes on.  Only
 * an order that the leader never takes is taken back.
 */
#include <getopt.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/members.h"
#include "sup/control.h"

#define WAIT_NS		(30 * CLOCK_NS_PER_S)
#define BACK_NS		(5 * CLOCK_NS_PER_S)

enum { OPTION_LEARNER = 256 };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "learner", no_argument, NULL, OPTION_LEARNER },
	{ NULL, 0, NULL, 0 },
};

static int add(struct view *, uint32_t, bool, bool, uint64_t);
static int not_done(struct view *, uint32_t, const char *, int, const char *);

int
op_add(struct op *op)
{
	uint64_t wait_ns = WAIT_NS;
	bool learner = false, json = false;
	const char *argument;
	struct err_buf err;
	struct view view;
	int status, letter, count;
	uint32_t ids = 0;

	while ((letter = op_option(op, "t:j", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status;
		}
		if (letter == OPTION_LEARNER) {
			learner = true;
		} else if (letter == 'j') {
			json = true;
		} else if (options_time("-t", argument, CLOCK_NS_PER_MS,
		    60 * 60 * CLOCK_NS_PER_S, &wait_ns, &err) != ERR_OK) {
			return op_fail(64, "%s", err.text);
		}
	}
	count = op->argc - op_operands();
	if (count > 1) {
		return op_fail(64, "add: one list of new ids, as 6,7");
	}
	if (count == 1 && options_ids("add", op->argv[op_operands()], &ids,
	    &err) != ERR_OK) {
		return op_fail(64, "%s", err.text);
	}
	status = view_begin(&view, op, true);
	if (status == 0) {
		status = add(&view, ids, learner, json,
		    clock_now_ns() + wait_ns);
		view_close(&view);
	}
	return status;
}

static int
add(struct view *view, uint32_t ids, bool learner, bool json, uint64_t end_ns)
{
	char list[CONTROL_REPLY_SIZE], why[160];
	struct err_buf err;
	int status;

	status = members_need_leader(view, end_ns);
	if (status == 0) {
		status = members_order(view, "add", ids,
		    learner ? "learner" : "voter", list, sizeof(list));
	}
	if (status != 0) {
		return status;
	}
	if (options_ids("add", list, &ids, &err) != ERR_OK) {
		return op_fail(70, "the supervisor answers %.64s", list);
	}
	status = members_await(view, ids, true, end_ns, why, sizeof(why),
	    &err);
	if (status < 0) {
		return op_fail_code(status, &err);
	}
	if (status == MEMBERS_DONE && json) {
		members_print_json("added", ids);
		return 0;
	}
	if (status == MEMBERS_DONE) {
		puts(list);
		return 0;
	}
	return not_done(view, ids, list, status, why);
}

/* What no leader has taken is taken back. */
static int
not_done(struct view *view, uint32_t ids, const char *list, int end,
    const char *why)
{
	char text[CONTROL_REPLY_SIZE], ignored[160];
	struct err_buf err;

	if (end == MEMBERS_REFUSED && members_order(view, "remove", ids, "",
	    text, sizeof(text)) == 0 && members_await(view, ids, true,
	    clock_now_ns() + BACK_NS, ignored, sizeof(ignored), &err) ==
	    MEMBERS_DONE) {
		return op_fail(69, "node %s was not added: %s", list, why);
	}
	return op_fail(75, "node %s is not a member as asked for yet, and"
	    " goes on joining (raftsup remove %s takes it back)", list, list);
}
