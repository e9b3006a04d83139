/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request of an operator to one node, and its answer.  Not part of the
 * installed interface: these orders are no operations on data, have no
 * session and are never asked twice by themselves.
 */
#ifndef CLIENT_ASK_H
#define CLIENT_ASK_H

#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

enum ask_order {
	ASK_TRANSFER = 1,	/* number: id of the node that shall lead */
	ASK_SNAPSHOT,		/* number: not looked at */
};

struct ask_answer {
	uint32_t leader;	/* that the node knows of; 0: none */
	uint64_t term;
	uint64_t applied;
	char text[200];		/* ERR_USAGE, ERR_NOT_APPLIED */
};

/*
 * name: of the segment; id: of the node.  ERR_OK: the order is taken;
 * ERR_NOT_APPLIED: the node does not lead; ERR_USAGE: refused, and text says
 * why; ERR_MAYBE: no answer in time, or the node has died: it may have been
 * taken.  Before anything was asked: ERR_NOT_FOUND no such node lives;
 * ERR_BUSY all client slots are taken; and what attaching gives.
 */
int	ask_node(const char *name, uint32_t id, enum ask_order,
	    uint32_t number, uint64_t timeout_ns, struct ask_answer *,
	    struct err_buf *) MUST_CHECK;

#endif
