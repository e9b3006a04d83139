/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients of a cluster, a thread each, that write down what they asked and
 * what they were told, and whether one register a key explains all of it
 * (lin/lin.h).
 *
 *	writers		set, cas, del, incr and read, by whoever leads
 *	followers	read from any node, by ReadIndex
 *	pinned		read from the node that the test names, as from a
 *			leader and by ReadIndex
 *
 * Keys are used for some thousand operations and then left for new ones, so
 * that histories are short and many.  What was refused is left out, what may
 * have been done belongs in it.
 */
#ifndef TESTS_PROC_HISTORY_H
#define TESTS_PROC_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/proc/cluster.h"

struct history_options {
	const char *dir;	/* the cluster's */
	int writers, followers, pinned;
	uint64_t seed;
	uint64_t timeout_ns;	/* of a writer's call */
	uint64_t read_timeout_ns;	/* of a follower's and a pinned one's */
	unsigned int pause_us;	/* between two operations of one client */
};

struct history_counts {
	uint64_t done, refused, unknown;	/* of writers */
	uint64_t reads_follower;		/* answered */
	uint64_t reads_pinned;			/* answered by the node
						 * that is named */
	uint64_t pinned_refused;		/* not answered */
	uint64_t reads_alone;			/* answered without ReadIndex
						 * while nobody else could be
						 * asked, see history_alone */
	uint64_t keys;
};

struct history;

/* The clients begin. */
struct history *history_start(const struct history_options *);
/* Pinned ones read from this node from now on; 0: they rest. */
void	history_pin(struct history *, int node);
/* What is asked from now on, the pinned node has to answer alone: it is cut
 * off; false: no longer. */
void	history_alone(struct history *, bool);
/* So far; any thread. */
void	history_counts(const struct history *, struct history_counts *);
/*
 * The clients end; every key is read once more, by the leader.  Then the
 * verdict: anything but "linearizable" ends the test with the explanation.
 */
void	history_finish(struct history *, struct history_counts *);

#endif
