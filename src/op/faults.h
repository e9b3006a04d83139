/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The faults that are set, for the commands that show and set them.
 */
#ifndef OP_FAULTS_H
#define OP_FAULTS_H

#include "base/attr.h"
#include "op/view.h"
#include "sup/faults.h"

#define FAULTS_LINE_SIZE	1024

/* All of them in a line, "" when there are none: "partition 1,2/3,4,5; net
 * 1:2 loss 10%, seed 42". */
void	faults_line(const struct view *, char [FAULTS_LINE_SIZE]);

struct json_t;
/* The array of `status -j`. */
struct json_t *faults_json(const struct view *);
/* The answer of the commands with -j: {"faults": [...]}.  Returns the exit
 * status. */
int	faults_print_json(const struct faults_view *);

/*
 * Sends an order that changes faults, prints the answer, and waits until all
 * nodes that are up have them in force (at most 2 s: one that is starved
 * takes them as soon as it runs).  With json what is set then is the answer.
 * Returns the exit status.
 */
int	faults_order(struct view *, const char *request, bool json);
/* The same without sending. */
int	faults_await(struct view *, bool json);

#endif
