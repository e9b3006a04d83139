/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A story, read back: what happened on which node, and which messages went
 * between them.  Two formats tell one: the event log of a cluster (raftsup
 * log, node.log, raftsup.log) and a trace of the simulator (raftsim --trace).
 *
 *	2026-11-20T20:31:05.123456Z 3 candidate 7 Node 3 becomes leader
 *	  1031.379      6 1 candidate       1 Node 1 becomes leader
 *
 * Messages are told twice, by who sends and who receives them; a sending is
 * paired with the next receipt of the same words.
 */
#ifndef LAB_STORY_H
#define LAB_STORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/attr.h"
#include "base/err.h"

#define STORY_NODES_MAX 63u

enum story_role {
	STORY_DOWN,
	STORY_PAUSED,
	STORY_FOLLOWER,
	STORY_LEARNER,
	STORY_PRECANDIDATE,
	STORY_CANDIDATE,
	STORY_LEADER
};

/* Of node 0: what happened to all of them, or to none. */
struct story_line {
	uint64_t ns;		/* since some instant */
	size_t order;		/* in the file */
	uint32_t node;
	enum story_role role;	/* from this line on; none for node 0 */
	uint64_t term;
	char *text;
};

enum story_kind {
	STORY_VOTE,		/* PreVote and RequestVote */
	STORY_APPEND,
	STORY_HEARTBEAT,
	STORY_SNAPSHOT,
	STORY_OTHER
};

struct story_message {
	uint32_t from, to;
	uint64_t sent_ns;
	uint64_t received_ns;	/* 0: no receipt is told */
	enum story_kind kind;
	bool reply;
	const char *text;	/* of the line that tells of the sending */
};

struct story {
	struct story_line *lines;	/* by time */
	size_t line_count, line_room;
	struct story_message *messages;
	size_t message_count, message_room;
	uint64_t nodes;			/* set of those in it, bit id - 1 */
};

/*
 * Reads all of `in`, which the caller knows as `name`.  ERR_CORRUPT names the
 * first line that is of neither format; a file without a line is one, too.
 * Whatever it returns, story_free() releases it.
 */
int	story_read(struct story *, FILE *in, const char *name,
	    struct err_buf *) MUST_CHECK;
void	story_free(struct story *);

#endif
