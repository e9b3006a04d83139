/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that wait for room in a ring, in order: what a client has asked
 * for at once may be more than its reply ring holds.  Bounded; what does not
 * fit is dropped, and asked for again.
 */
#ifndef NODE_BACKLOG_H
#define NODE_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define BACKLOG_SIZE_MAX	(4u << 20)	/* bytes of one */

struct backlog {			/* zeroed: empty */
	uint8_t *data;
	size_t first;			/* the oldest message */
	size_t end;
	size_t capacity;
};

void	backlog_fini(struct backlog *);
bool	backlog_is_empty(const struct backlog *);
/* Copies head and body (may be NULL) as one message.  ERR_FULL: over the
 * bound, or no memory. */
int	backlog_add(struct backlog *, uint64_t epoch, const void *head,
	    uint32_t head_size, const void *body, uint32_t body_size)
	    MUST_CHECK;
/* The oldest message, borrowed until the next call; NULL: empty. */
const uint8_t *backlog_first(const struct backlog *, uint64_t *epoch,
	    uint32_t *size);
void	backlog_drop_first(struct backlog *);

#endif
