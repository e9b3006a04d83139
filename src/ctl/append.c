/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * append KEY VALUE: the value gets longer; an absent key begins empty.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
append_request(struct call *call)
{
	call->request.operation = RAFTSUP_APPEND;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
	call->request.value = call->operands[1].data;
	call->request.value_size = call->operands[1].size;
}

static void
append_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->length(sink, (uint64_t)answer->number);
}

const struct command append_command = {
	.name = "append",
	.synopsis = "[--file FILE] KEY [VALUE]",
	.operands = { { OPERAND_KEY, "KEY" }, { OPERAND_VALUE, "VALUE" } },
	.takes_file = true,
	.request = append_request,
	.render = append_render,
};
