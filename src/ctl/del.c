/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * del KEY ...: deletes all of them in one step and says how many were there.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
del_request(struct call *call)
{
	call->request.operation = RAFTSUP_DEL;
	if (call->key_count == 1) {
		call->request.key = call->keys[0];
		call->request.key_size = call->key_sizes[0];
		return;
	}
	call->request.keys = call->keys;
	call->request.key_sizes = call->key_sizes;
	call->request.key_count = call->key_count;
}

static void
del_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->count(sink, (uint64_t)answer->number);
}

static int
del_status(const struct raftsup_answer *answer)
{
	return answer->number > 0 ? 0 : 1;
}

const struct command del_command = {
	.name = "del",
	.synopsis = "KEY ...",
	.operands = { { OPERAND_KEY, "KEY", .is_repeated = true } },
	.request = del_request,
	.render = del_render,
	.status = del_status,
};
