/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for answers: look and yield for a short time, which is when most
 * answers come and costs no wake (if yielding is of use: group.c), then sleep
 * on the slot's doorbell.  Nodes ring it with an answer and when a leader
 * begins or ends; a sleep is bounded all the same, because rings may be lost
 * with the one who rings.  Each look is at the hints too: after a death the
 * new leader's is what the caller waits for.
 */
#include "client/handle.h"

#include <sched.h>

#define FRAGMENT_NS	(100 * CLOCK_NS_PER_US)	/* until more room is there */

static bool	is_done(const struct raftsup *, const struct op *);
static uint64_t	spin_ns(const struct raftsup *);
static bool	sleep_once(struct raftsup *, uint64_t deadline_ns);
static void	watch(struct raftsup *, uint64_t now_ns);

void
wait_for(struct raftsup *handle, const struct op *op, uint64_t deadline_ns)
{
	uint64_t now_ns, spin_end_ns = 0;
	bool any;

	for (;;) {
		any = reply_receive(handle);
		if (is_done(handle, op)) {
			return;
		}
		now_ns = clock_now_ns();
		if (now_ns >= handle->tick_ns) {
			flight_tick(handle, now_ns);
			if (is_done(handle, op)) {
				return;
			}
		} else if (any && !TAILQ_EMPTY(&handle->queued)) {
			flight_pump(handle, now_ns);
		}
		if (now_ns >= deadline_ns) {
			return;
		}
		if (any || spin_end_ns == 0) {
			spin_end_ns = now_ns + spin_ns(handle);
		}
		link_flush_pending(handle);
		watch(handle, now_ns);
		if (now_ns < spin_end_ns) {
			sched_yield();
			continue;
		}
		if (sleep_once(handle, deadline_ns)) {
			spin_end_ns = 0;
		}
	}
}

uint64_t
wait_deadline(struct raftsup *handle)
{
	if (link_flush_pending(handle)) {
		return time_min(handle->tick_ns,
		    clock_now_ns() + FRAGMENT_NS);
	}
	return handle->tick_ns;
}

bool
wait_is_idle(struct raftsup *handle)
{
	return link_is_empty(handle) && !leader_is_changed(handle);
}

static bool
is_done(const struct raftsup *handle, const struct op *op)
{
	return op != NULL ? op->state == OP_DONE :
	    !TAILQ_EMPTY(&handle->done);
}

/*
 * How long to look before sleeping.  Where yielding does not let the nodes
 * run, a write comes sooner when they have the processor to themselves; a read
 * under a lease is answered in less time than it takes to fall asleep.
 */
static uint64_t
spin_ns(const struct raftsup *handle)
{
	const struct op *op = TAILQ_FIRST(&handle->sent);

	if (handle->yield_helps) {
		return SPIN_NS;
	}
	return op != NULL && op->kind != WIRE_WRITE ? SPIN_ALONE_NS : 0;
}

/* True when somebody rang. */
static bool
sleep_once(struct raftsup *handle, uint64_t deadline_ns)
{
	uint32_t value;

	fd_disarm(handle);
	value = doorbell_prepare(&handle->bell);
	if (!wait_is_idle(handle)) {
		doorbell_cancel(&handle->bell);
		return true;
	}
	return doorbell_wait(&handle->bell, value, NULL, 0,
	    time_min(deadline_ns, wait_deadline(handle))) != DOORBELL_TIMEOUT;
}

/* The hints may have changed while we looked for answers. */
static void
watch(struct raftsup *handle, uint64_t now_ns)
{
	if (!leader_is_changed(handle)) {
		return;
	}
	if (leader_watch(handle)) {
		flight_requeue_all(handle);
	}
	flight_pump(handle, now_ns);
}
