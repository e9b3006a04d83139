/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event logs of a cluster as one stream, in the order of time: node.log
 * of each node and the event lines of raftsup.log, rotated files included.
 * All lines are stamped by one clock, so that order is the order of events.
 */
#ifndef OP_MERGE_H
#define OP_MERGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/err.h"
#include "sup/cluster.h"

struct merge;

/* Of these nodes (set of OPTIONS_ID_BIT); all of them: the supervisor too. */
int	merge_open(struct merge **, const char *dir, const struct cluster *,
	    uint32_t ids, struct err_buf *) MUST_CHECK;
void	merge_close(struct merge *);
/* Leaves out everything that is there now. */
void	merge_skip(struct merge *);
/* Prints what is there and not printed yet, of one kind (NULL: of all), each
 * line by merge_print_line(), or another one. */
void	merge_print(struct merge *, const char *kind, FILE *);
void	merge_print_by(struct merge *, const char *kind,
	    void (*print)(const char *line, FILE *), FILE *);

/*
 * One line of an event log, with its end; on a terminal in the colour of its
 * node, unless NO_COLOR is set.
 */
void	merge_print_line(const char *line, FILE *);
/* The same as one JSON object in a line. */
void	merge_print_json(const char *line, FILE *);

/* The kinds: returns the name of the i-th, NULL behind the last. */
const char *merge_kind(size_t i);
/* Whether a line's role and text are of that kind. */
bool	merge_is_kind(const char *kind, const char *role, const char *text);

#endif
