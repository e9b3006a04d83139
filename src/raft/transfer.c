/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transfer of the leadership (dissertation 3.10).
 *
 *	TRANSFER --> no proposals, no changes: the target catches up
 *	         --> it has all of the log: the lease is given up, TimeoutNow
 *	         --> it campaigns; its term ends this leadership
 *	         or, after one maximum election timeout: as before (T24)
 *
 * The order of the second line is what a lease needs: from TimeoutNow on
 * another leader may be there before any timeout is over (T25).
 */
#include <assert.h>
#include <inttypes.h>

#include "raft/core.h"

static const struct progress *best_placed(const struct raft *);
static void timeout_now(struct raft *);

void
transfer_request(struct raft *r, uint32_t to)
{
	const struct raft_configuration *c = configuration(r);
	const struct raft_server *s;
	const struct progress *p;

	if (r->role != RAFT_LEADER) {
		change_refuse(r, ERR_NOT_APPLIED,
		    "Node %" PRIu32 " is not the leader", r->config.id);
		return;
	}
	if (r->transfer_to != 0 && (to == 0 || to == r->transfer_to)) {
		return;			/* asked again */
	}
	if (r->transfer_to != 0) {
		change_refuse(r, ERR_BUSY, "a transfer to Node %" PRIu32
		    " is under way", r->transfer_to);
		return;
	}
	if (to == r->config.id) {
		return;			/* done before it was asked */
	}
	p = to == 0 ? best_placed(r) : replicate_progress(r, to);
	s = p == NULL ? NULL : quorum_member(c, p->id, p->store_id);
	if (s == NULL || (s->suffrage & RAFT_VOTER) == 0) {
		if (to == 0) {
			change_refuse(r, ERR_NOT_FOUND,
			    "there is no other voter");
		} else {
			change_refuse(r, ERR_NOT_FOUND,
			    "Node %" PRIu32 " is no voter", to);
		}
		return;
	}
	if (sighting_is_dead(r, p->id, sighting_run(r, p->id))) {
		change_refuse(r, ERR_AGAIN, "Node %" PRIu32 " is dead",
		    p->id);
		return;
	}
	r->transfer_to = p->id;
	r->transfer_sent = false;
	r->transfer_end_ns = r->now_ns + r->config.election_max_ns;
	TELL(r, RAFT_TELL_TRANSFER, "Node %" PRIu32 " is to lead -> Node %"
	    PRIu32 " takes no proposals, and brings it up to %" PRIu64,
	    p->id, r->config.id, r->log.last_index);
}

void
transfer_advance(struct raft *r)
{
	const struct progress *p;

	if (r->role != RAFT_LEADER || r->transfer_to == 0 ||
	    r->transfer_sent) {
		return;
	}
	p = replicate_progress(r, r->transfer_to);
	if (p == NULL || p->match != r->log.last_index) {
		return;
	}
	r->transfer_sent = true;
	lease_give_up(r);
	timeout_now(r);
}

/* With the heartbeats: the one before may have been lost. */
void
transfer_repeat(struct raft *r)
{
	if (r->transfer_to != 0 && r->transfer_sent) {
		timeout_now(r);
	}
}

void
transfer_expire(struct raft *r)
{
	if (r->transfer_to == 0 || r->now_ns < r->transfer_end_ns) {
		return;
	}
	TELL(r, RAFT_TELL_TRANSFER, "Node %" PRIu32 " has not taken over in "
	    "time -> Node %" PRIu32 " goes on as the leader", r->transfer_to,
	    r->config.id);
	r->transfer_to = 0;
	if (r->transfer_sent) {
		lease_take_up(r);
	}
}

void
transfer_leave(struct raft *r)
{
	const struct progress *p = best_placed(r);

	replicate_heartbeats(r);	/* tell of the commit */
	if (r->transfer_to == 0 && p != NULL) {
		r->transfer_to = p->id;
		lease_give_up(r);
		timeout_now(r);
	}
}

/* It campaigns, whatever it has heard lately, and is not asked back. */
void
transfer_recv(struct raft *r, const struct raft_message *m)
{
	if (!append_follow(r, m)) {
		return;
	}
	if (!elect_may_campaign(r)) {
		TELL(r, RAFT_TELL_TRANSFER, "Node %" PRIu32 " hands over -> "
		    "Node %" PRIu32 " cannot campaign", m->from,
		    r->config.id);
		return;
	}
	TELL(r, RAFT_TELL_TRANSFER, "Node %" PRIu32 " hands over -> Node %"
	    PRIu32 " starts an election", m->from, r->config.id);
	r->elections++;
	r->forced = true;
	become_candidate(r, "told to by the leader");
}

/* The voter in contact with the most of the log; NULL: there is none. */
static const struct progress *
best_placed(const struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	const struct progress *p, *best = NULL;
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		p = replicate_of(r, &c->servers[i]);
		if (p == NULL || !p->heard ||
		    (c->servers[i].suffrage & RAFT_VOTER) == 0 ||
		    ELAPSED(r, p->contact_ns) >= r->config.election_max_ns) {
			continue;
		}
		if (best == NULL || p->match > best->match) {
			best = p;
		}
	}
	return best;
}

static void
timeout_now(struct raft *r)
{
	struct raft_message *m;

	m = message_request(r, RAFT_TIMEOUT_NOW, r->transfer_to);
	TELL(r, RAFT_TELL_TRANSFER, "Node %" PRIu32 " sends RPC TimeoutNow to "
	    "Node %" PRIu32, r->config.id, m->to);
	narrate_sent(r, m);
}
