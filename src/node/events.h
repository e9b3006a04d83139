/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A node's event log: what it decided and why, one line an event.
 *
 *	2026-11-20T20:31:05.123456Z 3 candidate 7 Node 3 timed out, ...
 *	UTC, node, role, term, text
 *
 * A line goes into the flight recorder at once and, by a thread of its own,
 * into NODE_DIR/node.log, so that no disk wait is in the loop's way.  Times
 * are CLOCK_MONOTONIC moved by the segment's one offset: the lines of all
 * nodes sort into the order in which things happened.
 *
 * At most EVENTS_RPC_PER_SECOND lines of level `rpc` a second are written;
 * the rest is counted and told once the second is over.
 */
#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "raft/raft.h"
#include "shm/segment.h"

#define EVENTS_RPC_PER_SECOND	1000
#define EVENTS_FILE_SIZE_MAX	(16u << 20)
#define EVENTS_FILES_KEPT	4

/* Kinds beside those of enum raft_tell, for the recorder. */
enum event_kind {
	EVENT_START = 32,	/* start, stop, rejoin */
	EVENT_DISK,
	EVENT_CLIENT,
	EVENT_SNAPSHOT,
};

struct events;

/* Opens NODE_DIR/node.log and starts the thread. */
int	events_new(struct events **, const char *node_dir, struct segment *,
	    uint32_t slot, uint32_t id, struct err_buf *) MUST_CHECK;
/* Writes what is queued, ends the thread. */
void	events_free(struct events *);

/* What the lines say of the node from now on. */
void	events_set_role(struct events *, enum raft_role, uint64_t term);
/* One line; rate-limited when rpc. From the loop's thread only. */
void	events_write(struct events *, uint32_t kind, bool rpc,
	    const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Tells of lines left out, once their second is over. */
void	events_tick(struct events *, uint64_t now_ns);

#endif
