/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * get KEY: the value's bytes. Linearizable unless --stale.
 */
#include "ctl/call.h"
#include "ctl/read.h"
#include "ctl/render.h"

enum {
	GET_RAW = READ_OPTION_COUNT,
};

static const struct word_option get_options[] = {
	READ_OPTIONS,
	{ "--raw", 0, false, false, GET_RAW },
	{ NULL },
};

static int
get_option(struct call *call, const struct word_option *option,
    const char *argument, struct err_buf *err)
{
	if (option->id == GET_RAW) {
		call->raw = true;
		return 0;
	}
	return read_option(call, option, argument, err);
}

static void
get_request(struct call *call)
{
	call->request.operation = RAFTSUP_GET;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
}

static void
get_render(const struct render *render, struct sink *sink,
    const struct call *call, const struct raftsup_answer *answer)
{
	render->value(sink, call, answer->value, answer->value_size);
}

const struct command get_command = {
	.name = "get",
	.synopsis = "[--stale | --read-index] [--raw] KEY",
	.options = get_options,
	.option = get_option,
	.operands = { { OPERAND_KEY, "KEY" } },
	.request = get_request,
	.render = get_render,
};
