/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup disk: disks of nodes become slow, or fail, until they are healed.
 */
#include <getopt.h>
#include <stdbool.h>

#include "base/options.h"
#include "op/faults.h"
#include "op/op.h"
#include "op/order.h"

enum { OPTION_DELAY = 256, OPTION_FAIL, OPTION_HEAL };

static const struct option long_options[] = {
	{ "delay", required_argument, NULL, OPTION_DELAY },
	{ "fail", required_argument, NULL, OPTION_FAIL },
	{ "heal", no_argument, NULL, OPTION_HEAL },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

/* In the order of enum segment_disk_fail, from 1. */
static const char *const fails[] = { "append", "sync", "full" };

struct request {
	uint64_t delay_ns;
	uint32_t fail;
	bool set;
	bool heal;
	bool json;
};

static int	read_options(struct op *, struct request *);

int
op_disk(struct op *op)
{
	struct request request = { 0 };
	struct view view;
	uint32_t ids;
	char word[64];
	int status;

	status = read_options(op, &request);
	if (status != 0) {
		return status == OP_DONE ? 0 : status;
	}
	status = view_begin(&view, op, true);
	if (status != 0) {
		return status;
	}
	faults_encode_disk(request.delay_ns, request.fail, word,
	    sizeof(word));
	status = order_send(&view, op->argv[op_operands()], "disk", word,
	    request.json, &ids);
	if (status == 0) {
		status = faults_await(&view, request.json);
	}
	view_close(&view);
	return status;
}

/* 0, OP_DONE, or the exit status. */
static int
read_options(struct op *op, struct request *request)
{
	int letter, status, code = ERR_OK, fail;
	const char *argument;
	struct err_buf err;

	while (code == ERR_OK && (letter = op_option(op, "j", long_options,
	    &argument, &status)) != -1) {
		switch (letter) {
		case OP_DONE:
			return status == 0 ? OP_DONE : status;
		case OPTION_DELAY:
			code = options_time("--delay", argument, 0,
			    FAULTS_DISK_NS_MAX, &request->delay_ns, &err);
			request->set = true;
			break;
		case OPTION_FAIL:
			fail = options_word("--fail", argument, fails,
			    COUNT_OF(fails), &err);
			if (fail < 0) {
				return op_fail(64, "--fail: %s is not one of "
				    "append, sync, full", argument);
			}
			request->fail = (uint32_t)fail + 1;
			request->set = true;
			break;
		case OPTION_HEAL:
			request->heal = true;
			break;
		case 'j':
			request->json = true;
			break;
		}
	}
	if (code != ERR_OK) {
		return op_fail_code(code, &err);
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, op->argc == op_operands() ?
		    "disk: which nodes?" : "disk: one list of nodes, as 1,3");
	}
	if (request->set == request->heal) {
		return op_fail(64, request->heal ?
		    "disk: --heal goes alone" :
		    "disk: what about them? (--delay, --fail, or --heal)");
	}
	return 0;
}
