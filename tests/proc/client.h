/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A raftctl in line mode, on a pipe, for a test that keeps a history: what
 * was answered OK is there, FAILED is not, UNKNOWN is either.
 */
#ifndef TESTS_PROC_CLIENT_H
#define TESTS_PROC_CLIENT_H

#include <stdio.h>
#include <sys/types.h>

#include "tests/proc/cluster.h"

enum client_outcome {
	CLIENT_NOT_ASKED, CLIENT_OK, CLIENT_FAILED, CLIENT_UNKNOWN,
};

struct client {
	pid_t pid;
	FILE *to;
	FILE *from;
};

void	client_open(struct cluster *, struct client *);
void	client_close(struct client *);
/* One command, without its end of line; number (may be NULL) gets that of an
 * answer `VALUE number`. */
enum client_outcome client_ask(struct client *, const char *line,
	    long long *number);
/* The value of a counter, 0 when there is none; line: `get KEY`. */
long long client_number(struct client *, const char *line);
/* 1: `get KEY` answers that value; 0: NOT_FOUND.  Else the test ends. */
int	client_has(struct client *, const char *key, const char *value);

#endif
