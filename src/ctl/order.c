/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads against writes, key by key.
 */
#include "ctl/order.h"

#include <assert.h>
#include <string.h>

static bool is_read(const struct order *);

void
order_init(struct order *order, const struct raftsup_request *request)
{
	order->kind = ORDER_NOTHING;
	order->size = 0;
	switch (request->operation) {
	case RAFTSUP_GET:
		order->kind = ORDER_READ_KEY;
		break;
	case RAFTSUP_LIST:
	case RAFTSUP_COUNT:
		order->kind = ORDER_READ_PREFIX;
		break;
	case RAFTSUP_DEL:
		order->kind =
		    request->key_count > 0 ? ORDER_WRITE_ANY : ORDER_WRITE_KEY;
		break;
	case RAFTSUP_SET:
	case RAFTSUP_CAS:
	case RAFTSUP_INCR:
	case RAFTSUP_APPEND:
		order->kind = ORDER_WRITE_KEY;
		break;
	case RAFTSUP_TXN:
		order->kind = ORDER_WRITE_ANY;
		break;
	case RAFTSUP_NOOP:
	case RAFTSUP_SUBMIT:
	case RAFTSUP_OUTCOME:
	case RAFTSUP_WATCH:
		return;
	}
	if (order->kind != ORDER_WRITE_ANY && request->key_size > 0) {
		assert(request->key_size <= sizeof(order->key));
		order->size = request->key_size;
		memcpy(order->key, request->key, request->key_size);
	}
}

bool
order_conflicts(const struct order *a, const struct order *b)
{
	const struct order *read = is_read(a) ? a : b;
	const struct order *write = is_read(a) ? b : a;

	if (!is_read(read)) {
		return false;
	}
	if (write->kind == ORDER_WRITE_ANY) {
		return true;
	}
	if (write->kind != ORDER_WRITE_KEY || write->size < read->size) {
		return false;
	}
	if (read->kind == ORDER_READ_KEY && write->size != read->size) {
		return false;
	}
	return memcmp(write->key, read->key, read->size) == 0;
}

static bool
is_read(const struct order *order)
{
	return order->kind == ORDER_READ_KEY ||
	       order->kind == ORDER_READ_PREFIX;
}
