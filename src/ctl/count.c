/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * count [PREFIX]: how many keys begin so.
 */
#include "ctl/call.h"
#include "ctl/read.h"
#include "ctl/render.h"

static const struct word_option count_options[] = {
	READ_OPTIONS,
	{ NULL },
};

static void
count_request(struct call *call)
{
	call->request.operation = RAFTSUP_COUNT;
	call->request.key = call->operands[0].data;
	call->request.key_size = call->operands[0].size;
}

static void
count_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->count(sink, (uint64_t)answer->number);
}

const struct command count_command = {
	.name = "count",
	.synopsis = "[--stale | --read-index] [PREFIX]",
	.options = count_options,
	.option = read_option,
	.operands = { { OPERAND_PREFIX, "PREFIX", .is_optional = true } },
	.request = count_request,
	.render = count_render,
};
