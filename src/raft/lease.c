/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Leases: a leader that answers reads alone, and who makes that safe.
 *
 *	leader	   |---- lease, by what a majority has promised ----|
 *	heartbeat  ^ sent, "until E"                                E
 *	voter          ^ promises E, writes it down, acknowledges
 *	its vote            ^ carries every promise that is not over
 *	next leader            |---- waits: commits nothing --------|
 *
 * A promise names its end on the clock that all servers share, so that both
 * sides mean the same instant; it began when the heartbeat was sent, not when
 * the answer came.  Whoever wins votes learns from at least one of them of
 * each lease that a former leader can have, and waits until it is over, or
 * until its holder cannot use it: the holder's run is known dead, or has said
 * itself that it is in the new leader's term.
 *
 * A voter that has promised also keeps its vote back, which saves elections
 * whose winner would only wait.  That is a courtesy, not what safety rests
 * on: votes asked for with leader_dead are given.
 *
 * Who cannot know what it has promised does not vote: then its vote would
 * have to carry the worst.
 */
#include <assert.h>
#include <inttypes.h>

#include "raft/core.h"

static uint64_t promised(const struct raft *);
static bool is_outstanding(const struct raft *, const struct raft_promise *);
static uint64_t outstanding_end_ns(const struct raft *);
static void note_old(struct raft *, const struct raft_promise *, uint32_t);
static struct raft_promise *place(struct raft *, uint32_t);
static uint64_t ms_left(const struct raft *, uint64_t);

void
lease_boot(struct raft *r, const struct raft_boot *boot)
{
	uint64_t end_max_ns = r->now_ns + RAFT_LEASE_NS_MAX;
	struct raft_promise *p;
	size_t i;

	r->withhold_ns = boot->withhold_ns;
	for (i = 0; i < boot->promise_count; i++) {
		p = place(r, boot->promises[i].leader);
		assert(p != NULL);
		*p = boot->promises[i];
		if (p->end_ns > end_max_ns) {
			p->end_ns = end_max_ns;	/* none was longer */
		}
	}
	if (r->now_ns < r->withhold_ns) {
		TELL(r, RAFT_TELL_LEASE, "Node %" PRIu32 " does not know what "
		    "it has promised -> gives no votes for %" PRIu64 " ms",
		    r->config.id, ms_left(r, r->withhold_ns));
	}
}

/* ------------------------------------------------------------- a leader */

void
lease_begin(struct raft *r)
{
	uint32_t i;

	r->lease_given_up = false;
	r->lease_asked_ns = 0;
	r->lease_floor_ns = 0;
	lease_excuse(r);
	note_old(r, r->promises, r->promise_count);	/* its own vote's */
	r->lease_waits = outstanding_end_ns(r) != 0;
	for (i = 0; i < r->old_count; i++) {
		if (is_outstanding(r, &r->old[i])) {
			TELL(r, RAFT_TELL_LEASE, "Node %" PRIu32 " waits for "
			    "the old lease: Node %" PRIu32 " (run %" PRIu64
			    ") may have it for %" PRIu64 " ms", r->config.id,
			    r->old[i].leader, r->old[i].run,
			    ms_left(r, r->old[i].end_ns));
		}
	}
}

void
lease_advance(struct raft *r)
{
	if (!r->lease_waits || outstanding_end_ns(r) != 0) {
		return;
	}
	r->lease_waits = false;
	TELL(r, RAFT_TELL_LEASE, "the old lease is over -> Node %" PRIu32
	    " commits", r->config.id);
	replicate_commit(r);
}

uint64_t
lease_ask(struct raft *r)
{
	if (r->config.lease_ns == 0 || r->lease_given_up) {
		return 0;
	}
	/* The time of this step: nothing leaves before it. */
	r->lease_asked_ns = r->now_ns + r->config.lease_ns;
	return r->lease_asked_ns;
}

void
lease_promised(struct raft *r, struct progress *p,
    const struct raft_message *m)
{
	if (m->lease_end_ns > r->lease_asked_ns) {
		r->dropped++;		/* nobody has asked for that */
		return;
	}
	if (m->lease_end_ns > p->promise_ns) {
		p->promise_ns = m->lease_end_ns;
	}
}

void
lease_give_up(struct raft *r)
{
	if (r->role != RAFT_LEADER || r->lease_given_up) {
		return;
	}
	if (raft_lease_end_ns(r) > r->now_ns) {
		TELL(r, RAFT_TELL_LEASE, "Node %" PRIu32 " gives its lease up",
		    r->config.id);
	}
	r->lease_given_up = true;
	r->lease_floor_ns = r->lease_asked_ns;
}

void
lease_take_up(struct raft *r)
{
	if (r->role == RAFT_LEADER && r->lease_given_up) {
		r->lease_given_up = false;
		lease_excuse(r);
	}
}

void
lease_excuse(struct raft *r)
{
	r->lease_grace_ns = r->now_ns + r->config.election_max_ns;
}

uint64_t
raft_lease_end_ns(const struct raft *r)
{
	uint64_t end_ns;

	if (r->role != RAFT_LEADER || r->latched != NULL ||
	    r->config.lease_ns == 0 || r->lease_given_up ||
	    r->commit_index < r->noop_index) {
		return 0;
	}
	end_ns = promised(r);
	/* Who votes alone promises himself for ever. */
	return end_ns < r->now_ns + r->config.lease_ns ? end_ns :
	    r->now_ns + r->config.lease_ns;
}

uint64_t
lease_lapse_ns(const struct raft *r)
{
	uint64_t contact_ns = replicate_contact_ns(r) +
	    r->config.election_max_ns;
	uint64_t end_ns;

	if (r->config.lease_ns == 0 || r->lease_given_up) {
		return contact_ns;
	}
	end_ns = promised(r);
	return end_ns > r->lease_grace_ns ? end_ns : r->lease_grace_ns;
}

void
lease_lapsed(struct raft *r)
{
	bool had = r->config.lease_ns != 0 && !r->lease_given_up &&
	    promised(r) != 0;

	if (had) {
		TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " leader lease "
		    "expired, stepping down", r->config.id);
	}
	become_follower(r, r->hard.term, 0, 0, had ?
	    "its lease has expired" : "lost contact with a majority");
}

bool
lease_is_held(const struct raft *r)
{
	return r->config.lease_ns != 0 && promised(r) > r->now_ns;
}

uint64_t
lease_wait_ns(const struct raft *r)
{
	return r->lease_waits ? outstanding_end_ns(r) : 0;
}

/* --------------------------------------------------- a voter, a candidate */

uint64_t
lease_promise(struct raft *r, const struct raft_message *m)
{
	struct raft_update *u = r->update;
	struct raft_promise *p;
	uint32_t i;

	if (m->lease_end_ns <= r->now_ns ||
	    m->lease_end_ns > r->now_ns + RAFT_LEASE_NS_MAX) {
		return 0;		/* late, or more than anybody may */
	}
	p = place(r, m->from);
	if (p == NULL) {
		return 0;		/* too many leaders in too short time */
	}
	if (p->run == m->from_run && p->end_ns >= m->lease_end_ns) {
		return m->lease_end_ns;
	}
	*p = (struct raft_promise){
		.leader = m->from,
		.run = m->from_run,
		.end_ns = m->lease_end_ns,
	};
	u->promises_changed = true;
	u->promise_count = r->promise_count;
	for (i = 0; i < r->promise_count; i++) {
		u->promises[i] = r->promises[i];
	}
	return m->lease_end_ns;
}

const struct raft_promise *
lease_binding(const struct raft *r, uint32_t candidate)
{
	const struct raft_promise *p, *longest = NULL;
	uint32_t i;

	for (i = 0; i < r->promise_count; i++) {
		p = &r->promises[i];
		if (p->end_ns > r->now_ns && p->leader != candidate &&
		    !sighting_is_dead(r, p->leader, p->run) &&
		    (longest == NULL || p->end_ns > longest->end_ns)) {
			longest = p;
		}
	}
	return longest;
}

bool
lease_is_withheld(const struct raft *r)
{
	return r->now_ns < r->withhold_ns;
}

void
lease_report(const struct raft *r, struct raft_message *reply)
{
	uint32_t i;

	for (i = 0; i < r->promise_count; i++) {
		if (r->promises[i].end_ns > r->now_ns) {
			reply->promises[reply->promise_count++] =
			    r->promises[i];
		}
	}
}

void
lease_campaign(struct raft *r)
{
	r->old_count = 0;
}

void
lease_reported(struct raft *r, const struct raft_message *m)
{
	note_old(r, m->promises, m->promise_count);
}

/* ------------------------------------------------------------- in private */

/*
 * Until when a majority (of both halves, in a joint configuration) has
 * promised; this server does not elect another one while it leads.
 */
static uint64_t
promised(const struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	uint64_t values[RAFT_SERVERS_MAX];
	const struct progress *p;
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		p = replicate_of(r, &c->servers[i]);
		values[i] = p != NULL && p->promise_ns > r->lease_floor_ns ?
		    p->promise_ns : 0;
		if (c->servers[i].id == r->config.id &&
		    c->servers[i].store_id == r->config.store_id) {
			values[i] = UINT64_MAX;
		}
	}
	return quorum_reached(c, values);
}

/*
 * Its holder may still answer reads by it.  This run leads in this term, and
 * earlier runs of this node are dead.
 */
static bool
is_outstanding(const struct raft *r, const struct raft_promise *p)
{
	return p->end_ns > r->now_ns && (p->leader != r->config.id ||
	    p->run > r->config.run) &&
	    !sighting_is_dead(r, p->leader, p->run) &&
	    !sighting_has_reached(r, p->leader, p->run, r->hard.term);
}

/* 0: there is nothing to wait for. */
static uint64_t
outstanding_end_ns(const struct raft *r)
{
	uint64_t end_ns = 0;
	uint32_t i;

	for (i = 0; i < r->old_count; i++) {
		if (r->old[i].end_ns > end_ns &&
		    is_outstanding(r, &r->old[i])) {
			end_ns = r->old[i].end_ns;
		}
	}
	return end_ns;
}

/* To what the votes of this campaign have told. */
static void
note_old(struct raft *r, const struct raft_promise *promises, uint32_t count)
{
	struct raft_promise *p;
	uint32_t i, j;

	for (i = 0; i < count; i++) {
		for (j = 0; j < r->old_count; j++) {
			p = &r->old[j];
			if (p->leader == promises[i].leader &&
			    p->run == promises[i].run) {
				break;
			}
		}
		p = &r->old[j];
		if (j == r->old_count) {
			/* Each voter's are noted once. */
			assert(r->old_count < OLD_PROMISES_MAX);
			r->old_count++;
			*p = promises[i];
		} else if (promises[i].end_ns > p->end_ns) {
			p->end_ns = promises[i].end_ns;
		}
	}
}

/*
 * Where a promise to that leader goes: over its last one (an earlier run is
 * dead when there is a later one), over one that has ended.  NULL: no room.
 */
static struct raft_promise *
place(struct raft *r, uint32_t leader)
{
	struct raft_promise *p = NULL;
	uint32_t i;

	for (i = 0; i < r->promise_count; i++) {
		if (r->promises[i].leader == leader) {
			return &r->promises[i];
		}
		if (r->promises[i].end_ns <= r->now_ns) {
			p = &r->promises[i];
		}
	}
	if (p == NULL && r->promise_count < RAFT_PROMISES_MAX) {
		p = &r->promises[r->promise_count++];
		*p = (struct raft_promise){ .leader = 0 };
	}
	return p;
}

static uint64_t
ms_left(const struct raft *r, uint64_t end_ns)
{
	return end_ns <= r->now_ns ? 0 :
	    (end_ns - r->now_ns + 999999) / 1000000;
}
