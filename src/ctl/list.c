/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * list [PREFIX]: keys that begin so, and their values, in the order of their
 * bytes. A long list comes in pages: each is a read of its own, and the next
 * begins after the last key of the one before.
 */
#include "ctl/call.h"
#include "ctl/read.h"
#include "ctl/render.h"
#include <string.h>

static const struct word_option list_options[] = {
	READ_OPTIONS,
	{ NULL },
};

static void
list_request(struct call *call)
{
	const struct bytes_word *prefix = &call->operands[0];

	/* The words are gone when the second page is asked for. */
	if (prefix->size > 0) {
		memcpy(call->prefix, prefix->data, prefix->size);
	}
	call->request.operation = RAFTSUP_LIST;
	call->request.key = call->prefix;
	call->request.key_size = prefix->size;
}

/* A page. */
static void
list_render(const struct render *render, struct sink *sink,
    const struct call *call, const struct raftsup_answer *answer)
{
	const void *key, *value;
	size_t key_size, value_size, position = 0;

	while (raftsup_answer_next(
	    answer, &position, &key, &key_size, &value, &value_size)) {
		render->record(sink, call, key, key_size, value, value_size);
	}
}

static void
list_finish(
    const struct render *render, struct sink *sink, const struct call *call)
{
	render->records(sink, call->record_count);
}

const struct command list_command = {
	.name = "list",
	.synopsis = "[--stale | --read-index] [PREFIX]",
	.options = list_options,
	.option = read_option,
	.operands = { { OPERAND_PREFIX, "PREFIX", .is_optional = true } },
	.request = list_request,
	.render = list_render,
	.finish = list_finish,
};
