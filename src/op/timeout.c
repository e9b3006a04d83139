/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup timeout: fires the election timers of nodes, all at the same instant.
 */
#include <stddef.h>

#include "op/op.h"
#include "op/order.h"

int
op_timeout(struct op *op)
{
	return order_nodes(op, "timeout", ORDER_DONE);
}
