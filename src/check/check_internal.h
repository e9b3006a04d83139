/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of raftck share: one file a step, each gets the result with
 * the open nodes and adds findings.
 */
#ifndef CHECK_CHECK_INTERNAL_H
#define CHECK_CHECK_INTERNAL_H

#include "check/check.h"
#include "store/state.h"

/* Adds one; returns it, to set index, term and other_node, or NULL when
 * there are too many. */
struct check_finding *check_add(struct check_result *, enum check_kind,
	    const struct check_node *, const char *fmt, ...)
	    PRINTF_LIKE(4, 5);

/* A node whose store can be compared. */
bool	check_is_usable(const struct check_node *);

/*
 * damage.c: looks at one store in a child.  Sets missing or damaged, adds
 * findings.  An error is one of this machine, not of the store.
 */
int	check_damage(struct check_result *, struct check_node *,
	    struct err_buf *) MUST_CHECK;

/*
 * The configuration in all logs, if it is one and the same; then sizes of
 * quorums are known.
 */
bool	check_one_configuration(struct check_result *,
	    struct raft_configuration *);

/*
 * check.c: finds the nodes, looks at each, opens those that can be read:
 * frozen views, states first.  check_close() in any case.  Lenient: a store
 * of an unknown version, or one that cannot be read, counts as damaged; else
 * it is an error.
 */
int	check_open(const char *dir, bool lenient, struct check_result *,
	    struct err_buf *) MUST_CHECK;
void	check_close(struct check_result *);

/* check.c: a new view of a node's log, as it is now. */
int	check_freeze(struct check_node *, struct err_buf *) MUST_CHECK;

/*
 * logs.c: the first index in which two logs differ, of those that both have;
 * *last is the last one that both have, and *index last + 1 when there is no
 * difference.
 */
int	check_first_difference(const struct check_node *,
	    const struct check_node *, uint64_t *index, uint64_t *last,
	    struct err_buf *) MUST_CHECK;
int	check_logs(struct check_result *, struct err_buf *) MUST_CHECK;

/* configurations.c */
int	check_configurations(struct check_result *, struct err_buf *)
	    MUST_CHECK;

/* votes.c: takes new views of the logs, for votes that are newer than the
 * entries seen before. */
int	check_votes(struct check_result *, struct err_buf *) MUST_CHECK;

/* states.c */
int	check_states(struct check_result *, struct err_buf *) MUST_CHECK;

#endif
