/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients' history, at the end of a run: is there an order of the
 * operations, within the times at which each was under way, that a single
 * store would have answered like this?  See lin/lin.h.
 */
#include "sim/sim.h"

#include <stdlib.h>

#include "lin/lin.h"

#define HISTORY_STEPS_MAX	2000000

static struct lin_op
lin_op_of(const struct sim_record *record)
{
	static const enum lin_kind kinds[] = {
		[SIM_OP_GET] = LIN_READ, [SIM_OP_SET] = LIN_WRITE,
		[SIM_OP_CAS] = LIN_CAS, [SIM_OP_INCR] = LIN_ADD,
		[SIM_OP_DEL] = LIN_WRITE,
	};

	bool is_delete = record->kind == SIM_OP_DEL;

	return (struct lin_op){
		.call = record->call, .ret = record->ret,
		.client = record->client, .key = record->key,
		.kind = kinds[record->kind],
		.arg = is_delete ? LIN_ABSENT : record->arg,
		.arg2 = record->arg2, .result = record->result,
		.known = record->known,
	};
}

int
sim_check_history(struct sim_world *world)
{
	struct lin_op *ops = sim_realloc(NULL, world->history_count,
	    sizeof(*ops));
	char text[2048];
	size_t i, bad = 0;
	int unknown = 0;

	for (i = 0; i < world->history_count; i++) {
		ops[i] = lin_op_of(&world->history[i]);
	}
	switch (lin_check(ops, world->history_count, HISTORY_STEPS_MAX,
	    &bad)) {
	case LIN_OK:
		break;
	case LIN_BAD:
		(void)lin_explain(ops, world->history_count, bad, text,
		    sizeof(text));
		sim_fail(world, "linearizability", 0, "the history of k%llu "
		    "has no order that a single store could have given: %s",
		    (unsigned long long)ops[bad].key, text);
		break;
	case LIN_UNKNOWN:
		unknown = 1;
		break;
	}
	free(ops);
	return unknown;
}
