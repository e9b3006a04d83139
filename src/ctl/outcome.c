/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outcome SESSION SEQUENCE: settles a write whose outcome was unknown. Either
 * it was applied, at an index, or it was not and from now on never will be.
 */
#include "ctl/call.h"
#include "ctl/render.h"

static void
outcome_request(struct call *call)
{
	call->request.operation = RAFTSUP_OUTCOME;
	call->request.session = call->ids[0];
	call->request.sequence = call->ids[1];
}

static void
outcome_render(const struct render *render, struct sink *sink,
    const struct call *call UNUSED, const struct raftsup_answer *answer)
{
	render->outcome(sink, answer->applied, answer->index);
}

static int
outcome_status(const struct raftsup_answer *answer)
{
	return answer->applied ? 0 : 1;
}

const struct command outcome_command = {
	.name = "outcome",
	.synopsis = "SESSION SEQUENCE",
	.operands = { { OPERAND_ID, "SESSION" }, { OPERAND_ID, "SEQUENCE" } },
	.request = outcome_request,
	.render = outcome_render,
	.status = outcome_status,
};
