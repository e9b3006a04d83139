/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands that are one request to the supervisor, and waiting for what
 * follows from one.
 */
#ifndef OP_ORDER_H
#define OP_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "op/op.h"
#include "op/view.h"

enum order_wait {
	ORDER_DONE,	/* the answer is all */
	ORDER_UP,	/* the nodes are up, in a later run */
	ORDER_DOWN,	/* the nodes have no process */
};

/* COMMAND IDS: asks `verb` of the supervisor. Returns the exit status. */
int	order_nodes(struct op *, const char *verb, enum order_wait);

/*
 * Sends a request as op_order() does, to the nodes that `text` names; *ids is
 * set.  Returns the exit status.
 */
int	order_send(struct view *, const char *text, const char *verb,
	    const char *word, bool quiet, uint32_t *ids);

/*
 * Waits, at most 15 s, for the nodes to be up (refused ones end the wait) or
 * down, counting from the runs that view saw before.  Prints what became of
 * them.  Returns the exit status.
 */
int	order_await(struct view *, uint32_t ids, enum order_wait);

#endif
