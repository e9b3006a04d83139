/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table.  Every pair is written out: an event that cannot happen in a
 * state keeps the state and does nothing, an order that makes no sense in it
 * is MACHINE_NO.
 */
#include "sup/machine.h"

#include <assert.h>

#define S(state)	MACHINE_##state
#define GO(next, action)	{ MACHINE_##next, MACHINE_##action }

static const struct machine_step
    table[MACHINE_STATE_COUNT][MACHINE_EVENT_COUNT] = {
	[S(DOWN)] = {
		[S(START)] = GO(DOWN, SPAWN),
		[S(HOLD)] = GO(HELD, NOTHING),
		[S(RESTART)] = GO(DOWN, SPAWN),
		[S(PAUSE)] = GO(DOWN, NO),
		[S(RESUME)] = GO(DOWN, NO),
		[S(TIMER)] = GO(DOWN, SPAWN),
		[S(SPAWNED)] = GO(STARTING, NOTHING),
		[S(SPAWN_FAILED)] = GO(DOWN, SCHEDULE),
		[S(REFUSE)] = GO(REFUSED, NOTHING),
		[S(READY)] = GO(DOWN, NOTHING),
		[S(DIED)] = GO(DOWN, NOTHING),
		[S(FAILED)] = GO(DOWN, NOTHING),
	},
	[S(STARTING)] = {
		[S(START)] = GO(STARTING, NOTHING),
		[S(HOLD)] = GO(ENDING, TERM),
		[S(RESTART)] = GO(CYCLING, TERM),
		[S(PAUSE)] = GO(PAUSED, FREEZE),
		[S(RESUME)] = GO(STARTING, NOTHING),
		[S(TIMER)] = GO(STARTING, NOTHING),
		[S(SPAWNED)] = GO(STARTING, NOTHING),
		[S(SPAWN_FAILED)] = GO(STARTING, NOTHING),
		[S(REFUSE)] = GO(STARTING, NOTHING),
		[S(READY)] = GO(UP, NOTHING),
		[S(DIED)] = GO(DOWN, SCHEDULE),
		[S(FAILED)] = GO(REFUSED, NOTHING),
	},
	[S(UP)] = {
		[S(START)] = GO(UP, NOTHING),
		[S(HOLD)] = GO(ENDING, TERM),
		[S(RESTART)] = GO(CYCLING, TERM),
		[S(PAUSE)] = GO(PAUSED, FREEZE),
		[S(RESUME)] = GO(UP, NOTHING),
		[S(TIMER)] = GO(UP, NOTHING),
		[S(SPAWNED)] = GO(UP, NOTHING),
		[S(SPAWN_FAILED)] = GO(UP, NOTHING),
		[S(REFUSE)] = GO(UP, NOTHING),
		[S(READY)] = GO(UP, NOTHING),
		[S(DIED)] = GO(DOWN, SCHEDULE),
		[S(FAILED)] = GO(REFUSED, NOTHING),
	},
	[S(PAUSED)] = {
		[S(START)] = GO(PAUSED, NO),
		[S(HOLD)] = GO(ENDING, TERM),
		[S(RESTART)] = GO(CYCLING, TERM),
		[S(PAUSE)] = GO(PAUSED, NOTHING),
		[S(RESUME)] = GO(STARTING, THAW),
		[S(TIMER)] = GO(PAUSED, NOTHING),
		[S(SPAWNED)] = GO(PAUSED, NOTHING),
		[S(SPAWN_FAILED)] = GO(PAUSED, NOTHING),
		[S(REFUSE)] = GO(PAUSED, NOTHING),
		[S(READY)] = GO(PAUSED, NOTHING),
		[S(DIED)] = GO(DOWN, SCHEDULE),
		[S(FAILED)] = GO(REFUSED, NOTHING),
	},
	[S(ENDING)] = {
		[S(START)] = GO(CYCLING, NOTHING),
		[S(HOLD)] = GO(ENDING, NOTHING),
		[S(RESTART)] = GO(CYCLING, NOTHING),
		[S(PAUSE)] = GO(ENDING, NO),
		[S(RESUME)] = GO(ENDING, NO),
		[S(TIMER)] = GO(ENDING, NOTHING),
		[S(SPAWNED)] = GO(ENDING, NOTHING),
		[S(SPAWN_FAILED)] = GO(ENDING, NOTHING),
		[S(REFUSE)] = GO(ENDING, NOTHING),
		[S(READY)] = GO(ENDING, NOTHING),
		[S(DIED)] = GO(HELD, NOTHING),
		[S(FAILED)] = GO(HELD, NOTHING),
	},
	[S(CYCLING)] = {
		[S(START)] = GO(CYCLING, NOTHING),
		[S(HOLD)] = GO(ENDING, NOTHING),
		[S(RESTART)] = GO(CYCLING, NOTHING),
		[S(PAUSE)] = GO(CYCLING, NO),
		[S(RESUME)] = GO(CYCLING, NO),
		[S(TIMER)] = GO(CYCLING, NOTHING),
		[S(SPAWNED)] = GO(CYCLING, NOTHING),
		[S(SPAWN_FAILED)] = GO(CYCLING, NOTHING),
		[S(REFUSE)] = GO(CYCLING, NOTHING),
		[S(READY)] = GO(CYCLING, NOTHING),
		[S(DIED)] = GO(DOWN, SPAWN),
		[S(FAILED)] = GO(REFUSED, NOTHING),
	},
	[S(HELD)] = {
		[S(START)] = GO(DOWN, SPAWN),
		[S(HOLD)] = GO(HELD, NOTHING),
		[S(RESTART)] = GO(DOWN, SPAWN),
		[S(PAUSE)] = GO(HELD, NO),
		[S(RESUME)] = GO(HELD, NO),
		[S(TIMER)] = GO(HELD, NOTHING),
		[S(SPAWNED)] = GO(HELD, NOTHING),
		[S(SPAWN_FAILED)] = GO(HELD, NOTHING),
		[S(REFUSE)] = GO(REFUSED, NOTHING),
		[S(READY)] = GO(HELD, NOTHING),
		[S(DIED)] = GO(HELD, NOTHING),
		[S(FAILED)] = GO(HELD, NOTHING),
	},
	[S(REFUSED)] = {
		[S(START)] = GO(DOWN, SPAWN),
		[S(HOLD)] = GO(HELD, NOTHING),
		[S(RESTART)] = GO(DOWN, SPAWN),
		[S(PAUSE)] = GO(REFUSED, NO),
		[S(RESUME)] = GO(REFUSED, NO),
		[S(TIMER)] = GO(REFUSED, NOTHING),
		[S(SPAWNED)] = GO(REFUSED, NOTHING),
		[S(SPAWN_FAILED)] = GO(REFUSED, NOTHING),
		[S(REFUSE)] = GO(REFUSED, NOTHING),
		[S(READY)] = GO(REFUSED, NOTHING),
		[S(DIED)] = GO(REFUSED, NOTHING),
		[S(FAILED)] = GO(REFUSED, NOTHING),
	},
};

static const struct {
	enum segment_node_state row;
	bool alive;
	const char *name;
} states[MACHINE_STATE_COUNT] = {
	[S(DOWN)] = { SEGMENT_NODE_DOWN, false, "down" },
	[S(STARTING)] = { SEGMENT_NODE_STARTING, true, "starting" },
	[S(UP)] = { SEGMENT_NODE_UP, true, "up" },
	[S(PAUSED)] = { SEGMENT_NODE_PAUSED, true, "paused" },
	[S(ENDING)] = { SEGMENT_NODE_UP, true, "ending" },
	[S(CYCLING)] = { SEGMENT_NODE_UP, true, "restarting" },
	[S(HELD)] = { SEGMENT_NODE_HELD, false, "held" },
	[S(REFUSED)] = { SEGMENT_NODE_REFUSED, false, "refused" },
};

struct machine_step
machine_look(enum machine_state state, enum machine_event event)
{
	assert((unsigned)state < MACHINE_STATE_COUNT);
	assert((unsigned)event < MACHINE_EVENT_COUNT);
	return table[state][event];
}

bool
machine_is_alive(enum machine_state state)
{
	return states[state].alive;
}

enum segment_node_state
machine_row_state(enum machine_state state)
{
	return states[state].row;
}

const char *
machine_state_name(enum machine_state state)
{
	return states[state].name;
}

uint64_t
backoff_next(struct backoff *backoff, const struct backoff_death *death)
{
	bool again, ready = death->ready_ns != 0;
	uint64_t last = death->outside ? BACKOFF_LAST_OUTSIDE_NS :
	    BACKOFF_LAST_NS;

	if (ready && death->now_ns - death->ready_ns >= BACKOFF_WINDOW_NS) {
		*backoff = (struct backoff){ 0 };
	}
	again = backoff->died_ns != 0 && backoff->reason == death->reason &&
	    death->now_ns - backoff->died_ns < BACKOFF_WINDOW_NS;
	backoff->died_ns = death->now_ns;
	backoff->reason = death->reason;
	if (ready && !again) {
		return 0;
	}
	backoff->delay_ns = backoff->delay_ns == 0 ? BACKOFF_FIRST_NS :
	    2 * backoff->delay_ns;
	if (backoff->delay_ns > last) {
		backoff->delay_ns = last;
	}
	return backoff->delay_ns;
}
