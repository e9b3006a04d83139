/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What add, remove and refill share: the order to the supervisor, and the
 * wait for what the leader makes of it (docs/MEMBERS.md).
 */
#ifndef OP_MEMBERS_H
#define OP_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "op/op.h"
#include "op/view.h"

/* A leader serves and there is a quorum; waited for until end_ns. 0, or 69
 * and it is printed: nothing was done. */
int	members_need_leader(struct view *, uint64_t end_ns) MUST_CHECK;

/* Asks the supervisor; text is its answer. 0, or the exit status and it is
 * printed. */
int	members_order(const struct view *, const char *verb, uint32_t ids,
	    const char *word, char *text, size_t size) MUST_CHECK;

enum members_end {
	MEMBERS_DONE,		/* no wish is left; LEAVE: no record */
	MEMBERS_REFUSED,	/* for two seconds now, or at the end */
	MEMBERS_TIMEOUT,
};

/*
 * Waits for the wishes of these nodes.  patient: a refusal may pass, it is
 * waited for until end_ns.  why: of the refusal.  A negative code: the view
 * cannot be refreshed, err says why.
 */
int	members_await(struct view *, uint32_t ids, bool patient,
	    uint64_t end_ns, char *why, size_t size, struct err_buf *)
	    MUST_CHECK;

/* One JSON object with their ids under this name. */
void	members_print_json(const char *name, uint32_t ids);

#endif
