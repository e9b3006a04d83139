/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of a node: state x event, as a table, and how long a dead one
 * waits before it is started again.  No input, no output: the supervisor
 * carries out the action that a step names.
 *
 *	            START        spawned          READY
 *	DOWN,HELD,  -----> spawn -------> STARTING -----> UP
 *	REFUSED                             |  ^          |
 *	   ^                          PAUSE v  | RESUME   v PAUSE
 *	   |  DIED: back-off               PAUSED  <------+
 *	   +------------------- from STARTING, UP, PAUSED
 *
 *	HOLD:    from a living state -> ENDING  -- DIED --> HELD
 *	RESTART: from a living state -> CYCLING -- DIED --> spawn
 *	FAILED (store refused, disk failed): REFUSED, no loop
 */
#ifndef SUP_MACHINE_H
#define SUP_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/segment.h"

enum machine_state {
	MACHINE_DOWN = 0,	/* no process; a timer may start it */
	MACHINE_STARTING,	/* a process, not ready yet */
	MACHINE_UP,
	MACHINE_PAUSED,
	MACHINE_ENDING,		/* told to end; stays down then */
	MACHINE_CYCLING,	/* told to end; started again then */
	MACHINE_HELD,
	MACHINE_REFUSED,
};
#define MACHINE_STATE_COUNT	8

enum machine_event {
	MACHINE_START = 0,	/* an operator, or the first start */
	MACHINE_HOLD,
	MACHINE_RESTART,
	MACHINE_PAUSE,
	MACHINE_RESUME,
	MACHINE_TIMER,		/* the back-off is over */
	MACHINE_SPAWNED,
	MACHINE_SPAWN_FAILED,	/* the host had no room for it: try later */
	MACHINE_REFUSE,		/* its store may not be used */
	MACHINE_READY,
	MACHINE_DIED,
	MACHINE_FAILED,		/* died, and would again */
};
#define MACHINE_EVENT_COUNT	12

enum machine_action {
	MACHINE_NOTHING = 0,
	MACHINE_SPAWN,
	MACHINE_SCHEDULE,	/* spawn after the back-off */
	MACHINE_TERM,		/* ask the process to end */
	MACHINE_FREEZE,		/* SIGSTOP */
	MACHINE_THAW,		/* SIGCONT */
	MACHINE_NO,		/* not possible in this state: tell */
};

struct machine_step {
	enum machine_state next;
	enum machine_action action;
};

struct machine_step machine_look(enum machine_state, enum machine_event);
/* A process exists in this state. */
bool	machine_is_alive(enum machine_state);
/* What the row says of it. */
enum segment_node_state machine_row_state(enum machine_state);
const char *machine_state_name(enum machine_state);

/*
 * Back-off.  A node that had been ready is started again at once; one that
 * dies before that, or by the same reason twice within 10 s, waits 10 ms,
 * doubling to 5 s; 10 s of being ready forget it all.  A signal that only
 * others send (SIGKILL, SIGTERM, ...) says nothing about the node: it waits
 * 40 ms at most, else a row of kills would keep nodes down for longer than
 * the kills do.
 */
#define BACKOFF_FIRST_NS	10000000ull
#define BACKOFF_LAST_NS		5000000000ull
#define BACKOFF_LAST_OUTSIDE_NS	40000000ull
#define BACKOFF_WINDOW_NS	10000000000ull

struct backoff {		/* zeroed: fresh */
	uint64_t died_ns;
	uint64_t delay_ns;	/* the last one; 0: none */
	int32_t reason;
};

struct backoff_death {
	uint64_t now_ns;
	uint64_t ready_ns;	/* when it became ready; 0: never */
	int32_t reason;		/* signal, or 256 + exit status */
	bool outside;		/* by a signal that only others send */
};

/* The wait before the next start. */
uint64_t backoff_next(struct backoff *, const struct backoff_death *);

#endif
