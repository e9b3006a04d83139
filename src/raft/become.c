/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The four functions that change the role, and the only ones.
 *
 *	             timer            pre-votes          votes
 *	  FOLLOWER -------> PRECANDIDATE -----> CANDIDATE -----> LEADER
 *	     ^                 |   ^ |timer       |   |timer       |
 *	     |                 |   +-+            |   +-> PRECANDIDATE
 *	     +-----------------+------------------+----------------+
 *	      a live leader, a higher term, refused by a majority,
 *	      a leader without contact to a majority
 *
 * An operator's timeout goes from any of the first three to CANDIDATE.
 * Only becoming a candidate, and learning of a higher term, change what is
 * durable.
 */
#include <assert.h>
#include <inttypes.h>

#include "raft/core.h"

void
become_follower(struct raft *r, uint64_t term, uint32_t leader, uint64_t run,
    const char *reason)
{
	enum raft_role was = r->role;
	bool later = term > r->hard.term;

	assert(term >= r->hard.term);
	if (later) {
		persist_hard_state(r, term, 0);
	}
	r->role = RAFT_FOLLOWER;
	r->forced = false;
	if (later || leader != 0) {
		r->leader_dead = false;
	}
	r->leader = leader;
	r->leader_run = run;
	/* Whatever was asked for in another role is no longer wanted. */
	r->request_floor = r->request + 1;
	quorum_set_clear(&r->granted);
	quorum_set_clear(&r->refused);
	if (was != RAFT_FOLLOWER) {
		TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " becomes follower "
		    "in term %" PRIu64 ": %s", r->config.id, term, reason);
	} else if (later) {
		TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " enters term %"
		    PRIu64 ": %s", r->config.id, term, reason);
	} else if (leader != 0) {
		TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " follows Node %"
		    PRIu32 " in term %" PRIu64, r->config.id, leader, term);
	}
	if (was == RAFT_LEADER) {
		r->transfer_to = 0;
		readindex_abort(r);
		r->progress_count = 0;
		r->lease_waits = false;
		r->more = false;
		elect_timer_reset(r);
		if (later && leader == 0 && r->commit_index < r->noop_index) {
			elect_timer_shorten(r);
		}
	}
}

/*
 * Dissertation 9.6: asks whether an election could be won, without changing
 * the term.
 */
void
become_precandidate(struct raft *r)
{
	assert(r->role != RAFT_LEADER && elect_may_campaign(r));
	r->role = RAFT_PRECANDIDATE;
	r->leader = 0;
	r->leader_run = 0;
	r->forced = false;
	r->request_floor = r->request + 1;
	quorum_set_clear(&r->granted);
	quorum_set_clear(&r->refused);
	if (configuration_votes(r, configuration(r))) {
		quorum_set_add(&r->granted, r->config.id);
	}
	elect_timer_reset(r);
	TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " becomes precandidate: asks "
	    "whether it could win term %" PRIu64, r->config.id,
	    r->hard.term + 1);
	elect_ask(r, RAFT_PRE_VOTE);
	elect_count(r);
}

/*
 * Paper 5.2: "increments its current term, votes for itself and issues
 * RequestVote RPCs".  The own vote is counted when it is durable.
 */
void
become_candidate(struct raft *r, const char *reason)
{
	assert(r->role != RAFT_LEADER && elect_may_campaign(r));
	persist_hard_state(r, r->hard.term + 1, r->config.id);
	r->role = RAFT_CANDIDATE;
	r->leader = 0;
	r->leader_run = 0;
	r->request_floor = r->request + 1;
	quorum_set_clear(&r->granted);
	quorum_set_clear(&r->refused);
	elect_timer_reset(r);
	lease_campaign(r);
	TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " becomes candidate in term %"
	    PRIu64 ": %s", r->config.id, r->hard.term, reason);
	elect_ask(r, RAFT_VOTE);
}

void
become_leader(struct raft *r)
{
	assert(r->role == RAFT_CANDIDATE);
	assert(r->durable_seq >= r->hard_seq && r->hard.vote == r->config.id);
	r->role = RAFT_LEADER;
	r->leader = r->config.id;
	r->leader_run = r->config.run;
	r->leader_dead = false;
	r->forced = false;
	r->request_floor = r->request + 1;
	r->heartbeat_deadline_ns = r->now_ns + r->config.heartbeat_ns;
	TELL(r, RAFT_TELL_ROLE, "Node %" PRIu32 " becomes leader",
	    r->config.id);
	replicate_begin(r);
	lease_begin(r);
	r->round_count = 0;
	/*
	 * Paper 8: "having each leader commit a blank no-op entry into the
	 * log at the start of its term"; before that it does not know what
	 * is committed.
	 */
	r->own = (struct raft_entry){
		.type = RAFT_ENTRY_NOOP,
		.checksum = raft_entry_checksum(RAFT_ENTRY_NOOP, NULL, 0),
	};
	append_own(r, &r->own, 1);
	r->noop_index = r->log.last_index;
}
