/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * submit VALUE: a plain entry in the replicated log. The keys are untouched.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
submit_request(struct call *call)
{
	call->request.operation = RAFTSUP_SUBMIT;
	call->request.value = call->operands[0].data;
	call->request.value_size = call->operands[0].size;
}

static void
submit_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->index(sink, answer->index);
}

const struct command submit_command = {
	.name = "submit",
	.synopsis = "[--file FILE] [VALUE]",
	.operands = { { OPERAND_VALUE, "VALUE" } },
	.takes_file = true,
	.request = submit_request,
	.render = submit_render,
};
