/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set KEY VALUE: the key has this value, whatever it had; with --ttl for a
 * while.
 */
#include "base/clock.h"
#include "base/options.h"
#include "ctl/call.h"
#include "ctl/render.h"

#define TTL_NS_MAX (365 * 86400 * CLOCK_NS_PER_S)

static const struct word_option set_options[] = {
	{ "--ttl", 0, true, true, 0 },
	{ NULL },
};

static int
set_option(struct call *call, const struct word_option *option UNUSED,
    const char *argument, struct err_buf *err)
{
	return options_time("--ttl", argument, CLOCK_NS_PER_MS, TTL_NS_MAX,
	    &call->request.ttl_ns, err);
}

static void
set_request(struct call *call)
{
	call->request.operation = RAFTSUP_SET;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
	call->request.value = call->operands[1].data;
	call->request.value_size = call->operands[1].size;
}

static void
set_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->index(sink, answer->index);
}

const struct command set_command = {
	.name = "set",
	.synopsis = "[--ttl T] [--file FILE] KEY [VALUE]",
	.options = set_options,
	.option = set_option,
	.operands = { { OPERAND_KEY, "KEY" }, { OPERAND_VALUE, "VALUE" } },
	.takes_file = true,
	.request = set_request,
	.render = set_render,
};
