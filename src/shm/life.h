/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Life tokens: the news of a death in microseconds.
 *
 * Each node's loop thread holds one robust mutex per watcher slot, in its
 * page.  When the thread dies, however, the kernel sets the owner-died bit in
 * each futex word and wakes one waiter: hence one token per (owner,
 * watcher).  A watcher looks at the word and sleeps on it, and never locks
 * it: a trylock would consume the news.
 *
 * The token says "this run thinks no more".  Only the node's directory lock
 * says "it touches its store no more".
 */
#ifndef SHM_LIFE_H
#define SHM_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "shm/doorbell.h"
#include "shm/segment.h"

/* Watcher slots: 0..7 the nodes, 8 the supervisor. */
#define LIFE_WATCHERS	9
#define LIFE_SUPERVISOR	8

/* Initialises and locks all tokens of this slot for this run; in the thread
 * whose death is the news.  Only with the directory lock held. */
int	life_begin(struct segment *, uint32_t slot, uint64_t run) MUST_CHECK;
/* Clean end: the tokens read as dead from now on. */
void	life_end(struct segment *, uint32_t slot);

enum life_verdict {
	LIFE_UNKNOWN = 0,	/* never begun in this segment */
	LIFE_ALIVE,
	LIFE_DEAD,		/* run is the one that died */
};
/* The latest run of owner_slot, and whether it lives. */
enum life_verdict life_look(const struct segment *, uint32_t owner_slot,
	    uint32_t watcher, uint64_t *run);
/*
 * The first survivor to ask inherits from a dead run and stands for election
 * at once, the others later: without it those who learn of a leader's death
 * at the same time split the votes.  A hint; the heir may die, too.  The
 * slot of the heir.
 */
uint32_t life_inherit(struct segment *, uint32_t owner_slot, uint64_t run,
	    uint32_t own_slot);
/* Arms the token for a sleep (sets the waiters bit) and gives the word to
 * pass to doorbell_wait().  False: it is not alive, do not sleep on it. */
bool	life_arm(struct segment *, uint32_t owner_slot, uint32_t watcher,
	    struct doorbell_extra *);

#endif
