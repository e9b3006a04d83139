/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup resume: lets paused nodes go on.
 */
#include <stddef.h>

#include "op/op.h"
#include "op/order.h"

int
op_resume(struct op *op)
{
	return order_nodes(op, "resume", ORDER_DONE);
}
