/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cas KEY OLD NEW: compare and swap. The key must be there.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
cas_request(struct call *call)
{
	call->request.operation = RAFTSUP_CAS;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
	call->request.expected = call->operands[1].data;
	call->request.expected_size = call->operands[1].size;
	call->request.value = call->operands[2].data;
	call->request.value_size = call->operands[2].size;
}

static void
cas_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->index(sink, answer->index);
}

const struct command cas_command = {
	.name = "cas",
	.synopsis = "[--file FILE] KEY OLD [NEW]",
	.operands = { { OPERAND_KEY, "KEY" }, { OPERAND_VALUE, "OLD" },
	    { OPERAND_VALUE, "NEW" } },
	.takes_file = true,
	.request = cas_request,
	.render = cas_render,
};
