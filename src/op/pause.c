/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup pause: stops nodes as they are, by SIGSTOP: they neither answer nor
 * die.
 */
#include <stddef.h>

#include "op/op.h"
#include "op/order.h"

int
op_pause(struct op *op)
{
	return order_nodes(op, "pause", ORDER_DONE);
}
