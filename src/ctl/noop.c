/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * noop: commits an empty entry.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
noop_request(struct call *call)
{
	call->request.operation = RAFTSUP_NOOP;
}

static void
noop_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->index(sink, answer->index);
}

const struct command noop_command = {
	.name = "noop",
	.alias = "no-op",
	.synopsis = "",
	.request = noop_request,
	.render = noop_render,
};
