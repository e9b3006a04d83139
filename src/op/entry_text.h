/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an entry of the log holds, as one line: SET color red, NO-OP,
 * CONFIG 1,2,3? (a learner), ENTRY 42.
 */
#ifndef OP_ENTRY_TEXT_H
#define OP_ENTRY_TEXT_H

#include <stddef.h>

#include "raft/raft.h"

/* Cut, with dots, when it is longer than that. */
void	entry_text(const struct raft_entry *, char *text, size_t size);

#endif
