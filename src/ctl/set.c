/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * set KEY VALUE: the key has this value, whatever it had.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static const struct word_option set_options[] = {
	{ "--ttl", 0, true, true, WORD_OPTION_LATER },
	{ NULL },
};

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
	.synopsis = "[--file FILE] KEY [VALUE]",
	.options = set_options,
	.operands = { { OPERAND_KEY, "KEY" }, { OPERAND_VALUE, "VALUE" } },
	.takes_file = true,
	.request = set_request,
	.render = set_render,
};
