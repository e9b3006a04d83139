/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * incr KEY [BY]: adds to a decimal 64-bit integer; an absent key is 0. BY is
 * 1, and negative numbers count down.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
incr_request(struct call *call)
{
	call->request.operation = RAFTSUP_INCR;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
	call->request.number = call->operand_count > 1 ? call->number : 1;
}

static void
incr_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->number(sink, answer->number);
}

const struct command incr_command = {
	.name = "incr",
	.synopsis = "KEY [BY]",
	.operands = { { OPERAND_KEY, "KEY" },
	    { OPERAND_NUMBER, "BY", .is_optional = true } },
	.request = incr_request,
	.render = incr_render,
};
