/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup restart: ends nodes cleanly, starts them again, waits until they
 * are up.
 */
#include <stddef.h>

#include "op/op.h"
#include "op/order.h"

int
op_restart(struct op *op)
{
	return order_nodes(op, "restart", ORDER_UP);
}
