/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which commands of one client may be under way together. The library keeps
 * the order of writes; reads are answered at once, beside them. A line that
 * reads what a line before it writes, or writes what one before it reads,
 * must wait, or a program would not see its own writes.
 *
 *	set a 1        get a waits for set a; get b does not
 *	get a          list waits for all writes with its prefix
 */
#ifndef RAFTSUP_CTL_ORDER_H
#define RAFTSUP_CTL_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/raftsup.h"

/* What a request touches. Holds no pointers into the request. */
struct order {
	enum {
		ORDER_NOTHING = 0,
		ORDER_READ_KEY,
		ORDER_READ_PREFIX,
		ORDER_WRITE_KEY,
		ORDER_WRITE_ANY, /* of several keys: any, to be simple */
	} kind;
	size_t size;
	uint8_t key[RAFTSUP_KEY_SIZE_MAX];
};

void order_init(struct order *order, const struct raftsup_request *request);

/* Whether one must be answered before the other is sent. */
bool order_conflicts(const struct order *a, const struct order *b);

#endif
