/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Elections: the timer, campaigns, votes.
 *
 * Three rules keep a working leader in office.  Pre-vote: nobody raises his
 * term before a majority has said that it would vote for him.  Loyalty
 * ("stickiness"): who has heard from a live leader within the minimum
 * election timeout refuses both kinds of votes and does not even look at the
 * term.  The timer starts anew only when a vote is granted or the leader of
 * the term speaks (T07), and neither is known to be dead.
 *
 * Two things end loyalty early: the news that the leader's run is dead, known
 * here or by the one who asks (leader_dead of the request), and an operator's
 * timeout, which asks for votes as if the leader were dead and without a
 * pre-vote, so that split votes can be made on demand.  Being wrong about a
 * death costs an election and nothing else: who is elected too early waits
 * for the old leader's lease (lease.c).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "raft/core.h"

static bool campaign_is_refused(const struct raft *,
	    const struct raft_message *, char *, size_t);
static bool awaits_word_of(const struct raft *, uint32_t, uint64_t);
static void add_dead(const struct raft *, const struct raft_configuration *,
	    struct quorum_set *);
static void lose(struct raft *);
static void recv_pre_vote(struct raft *, const struct raft_message *);
static void recv_vote(struct raft *, const struct raft_message *);
static bool is_loyal_against(const struct raft *,
	    const struct raft_message *);
static bool is_bound(const struct raft *, const struct raft_message *,
	    char *, size_t);
static void wait_for_campaign(struct raft *);
static bool wait_for_promise(struct raft *);
static void deny(struct raft *, const struct raft_message *, const char *);

#define WHY_SIZE	160
#define SPLIT_PART	8	/* of a heartbeat: until it stands again */
#define CAMPAIGN_PART	16	/* of a heartbeat: until others have voted */

void
elect_timer_reset(struct raft *r)
{
	uint64_t span = r->config.election_max_ns - r->config.election_min_ns;

	r->election_deadline_ns = r->now_ns + r->config.election_min_ns +
	    (span == 0 ? 0 : r->random % (span + 1));
}

void
elect_timer_shorten(struct raft *r)
{
	r->election_deadline_ns = r->now_ns +
	    r->config.heartbeat_ns / CAMPAIGN_PART +
	    r->random % (r->config.heartbeat_ns / SPLIT_PART + 1);
}

bool
elect_may_campaign(const struct raft *r)
{
	/* Without room for its first entry it could not lead. */
	return configuration_has_vote(r) && !r->removed &&
	    r->room != RAFT_ROOM_NONE && !lease_is_withheld(r);
}

void
elect_timeout(struct raft *r)
{
	if (r->leader != 0 &&
	    sighting_is_dead(r, r->leader, r->leader_run)) {
		r->leader_dead = true;
	}
	if (wait_for_promise(r)) {
		return;
	}
	r->elections++;
	TELL(r, RAFT_TELL_ELECTION,
	    "Node %" PRIu32 " timed out, starting election", r->config.id);
	become_precandidate(r);
}

void
elect_force(struct raft *r)
{
	if (r->role == RAFT_LEADER || !elect_may_campaign(r)) {
		TELL(r, RAFT_TELL_ELECTION, "Node %" PRIu32 " is told to time "
		    "out -> does nothing: %s", r->config.id,
		    r->role == RAFT_LEADER ? "it is the leader" :
		    !configuration_has_vote(r) ? "it has no vote" :
		    r->removed ? "it was taken out" :
		    lease_is_withheld(r) ? "it does not know what it has "
		    "promised" : "its disk has no room");
		return;
	}
	r->elections++;
	TELL(r, RAFT_TELL_ELECTION,
	    "Node %" PRIu32 " timed out, starting election", r->config.id);
	r->forced = true;
	become_candidate(r, "told to by the operator");
}

bool
elect_is_loyal(const struct raft *r)
{
	if (r->role == RAFT_LEADER) {
		return lease_is_held(r) ||
		    ELAPSED(r, replicate_contact_ns(r)) <
		    r->config.election_min_ns;
	}
	return r->leader != 0 &&
	    !sighting_is_dead(r, r->leader, r->leader_run) &&
	    ELAPSED(r, r->leader_contact_ns) < r->config.election_min_ns;
}

void
elect_peer_dead(struct raft *r, uint32_t id, uint64_t run, uint64_t delay_ns)
{
	struct sighting *s = sighting_make(r, id);
	bool known = sighting_is_dead(r, id, run);
	bool awaits = awaits_word_of(r, id, run);

	if (run > s->dead_run) {
		s->dead_run = run;
	}
	if (r->role == RAFT_FOLLOWER && awaits && !known) {
		r->election_deadline_ns = r->now_ns + delay_ns;
		TELL(r, RAFT_TELL_DEATH, "leader Node %" PRIu32 " is dead -> "
		    "Node %" PRIu32 " stands for election in %" PRIu64 " us",
		    id, r->config.id, delay_ns / 1000);
	} else if (!known) {
		TELL(r, RAFT_TELL_DEATH, "Node %" PRIu32 " is dead (run %"
		    PRIu64 ")", id, run);
	}
}

/*
 * Whose death is a reason to stand for election: the leader's; and while there
 * is none, that of the one who was voted for, or else of whoever holds the
 * promise that keeps this node waiting.  Who has voted for one that lives waits
 * for him as long as any voter does: to stand against him at once would end
 * his term as soon as it has begun, and both would wait for their timers.  A
 * timer that is longer than a voter's is put off by a promise.  A vote of a
 * former run is for one of whom this run may have heard nothing.
 */
static bool
awaits_word_of(const struct raft *r, uint32_t id, uint64_t run)
{
	const struct raft_promise *bound = lease_binding(r, r->config.id);
	uint64_t vote_run = sighting_run(r, r->hard.vote);

	if (r->leader != 0) {
		return r->leader == id && r->leader_run <= run;
	}
	if (r->hard.vote != 0 && r->hard.vote != r->config.id &&
	    vote_run != 0 && !sighting_is_dead(r, r->hard.vote, vote_run) &&
	    r->election_deadline_ns <= r->now_ns + r->config.election_max_ns) {
		return r->hard.vote == id && vote_run <= run;
	}
	return bound != NULL && bound->leader == id && bound->run <= run;
}

void
elect_ask(struct raft *r, enum raft_message_type type)
{
	const struct raft_configuration *c = configuration(r);
	struct raft_message *m;
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		if (c->servers[i].id == r->config.id ||
		    (c->servers[i].suffrage &
		    (RAFT_VOTER | RAFT_VOTER_OLD)) == 0) {
			continue;
		}
		m = message_request(r, type, c->servers[i].id);
		m->to_store = c->servers[i].store_id;
		m->hint_index = c->index;
		if (type == RAFT_PRE_VOTE) {
			m->term = r->hard.term + 1;
		}
		m->index = r->log.last_index;
		m->log_term = history_term(&r->log, r->log.last_index);
		m->leader_dead = r->leader_dead || r->forced;
		/*
		 * A campaign shows the term, and the vote for oneself; and
		 * the log, which was given out to be persisted before them.
		 */
		m->after_seq = persist_after(r, r->hard_seq);
		narrate_sent(r, m);
	}
}

void
elect_count(struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	struct quorum_set refused = r->refused;
	char names[RAFT_SERVERS_MAX * 12];

	if (r->role == RAFT_CANDIDATE) {
		if (r->durable_seq < r->hard_seq) {
			return;		/* the own vote can still be lost */
		}
		/* One that campaigns for others has no vote itself (T74). */
		if (configuration_votes(r, c)) {
			quorum_set_add(&r->granted, r->config.id);
		}
		add_dead(r, c, &refused);
	} else if (r->role != RAFT_PRECANDIDATE) {
		return;
	}
	switch (quorum_vote(c, &r->granted, &refused)) {
	case QUORUM_PENDING:
		break;
	case QUORUM_LOST:
		lose(r);
		break;
	case QUORUM_WON:
		if (r->role == RAFT_PRECANDIDATE) {
			become_candidate(r, "it could win");
			break;
		}
		TELL(r, RAFT_TELL_ELECTION, "votes of %s are a majority -> "
		    "Node %" PRIu32 " leads term %" PRIu64,
		    narrate_set(&r->granted, names, sizeof(names)),
		    r->config.id, r->hard.term);
		become_leader(r);
		break;
	}
}

/* Whoever is known to be dead will not vote before this is decided. */
static void
add_dead(const struct raft *r, const struct raft_configuration *c,
    struct quorum_set *refused)
{
	uint32_t i, id;

	for (i = 0; i < c->count; i++) {
		id = c->servers[i].id;
		if (id != r->config.id && !quorum_set_has(&r->granted, id) &&
		    sighting_run(r, id) != 0 &&
		    sighting_is_dead(r, id, sighting_run(r, id))) {
			quorum_set_add(refused, id);
		}
	}
}

/*
 * A split vote after a leader's death: nobody leads, and those who live have
 * all voted.  There is no point in waiting for an election timeout.
 */
static void
lose(struct raft *r)
{
	bool was_candidate = r->role == RAFT_CANDIDATE;

	become_follower(r, r->hard.term, 0, 0, was_candidate ?
	    "a majority refused its vote" :
	    "a majority refused its pre-vote");
	if (was_candidate && r->leader_dead) {
		r->election_deadline_ns = r->now_ns +
		    r->random % (r->config.heartbeat_ns / SPLIT_PART + 1);
	}
}

void
elect_recv_request(struct raft *r, const struct raft_message *m)
{
	if (m->type == RAFT_PRE_VOTE) {
		recv_pre_vote(r, m);
	} else {
		recv_vote(r, m);
	}
}

/* A reply to the campaign under way; recv.c has compared the terms. */
void
elect_recv_reply(struct raft *r, const struct raft_message *m)
{
	if (m->type == RAFT_PRE_VOTE_REPLY) {
		if (r->role != RAFT_PRECANDIDATE ||
		    (!m->reject && m->term != r->hard.term + 1)) {
			return;
		}
	} else if (r->role != RAFT_CANDIDATE) {
		return;
	}
	if (!quorum_is_voter(configuration(r), m->from, m->from_store)) {
		return;			/* T13, T76 */
	}
	/* A second answer of the same voter does not change the first. */
	if (quorum_set_has(&r->granted, m->from) ||
	    quorum_set_has(&r->refused, m->from)) {
		return;
	}
	quorum_set_add(m->reject ? &r->refused : &r->granted, m->from);
	if (!m->reject) {
		lease_reported(r, m);
	}
	elect_count(r);
}

/*
 * The one who says so has committed a configuration that this node misses:
 * without that entry it cannot be elected, and asking would only disturb.
 */
void
elect_recv_removed(struct raft *r, const struct raft_message *m)
{
	if (r->role == RAFT_LEADER || r->removed) {
		return;
	}
	r->removed = true;
	TELL(r, RAFT_TELL_CONFIGURATION, "Node %" PRIu32 " says that Node %"
	    PRIu32 " was taken out of the cluster -> it campaigns no more",
	    m->from, r->config.id);
	if (r->role != RAFT_FOLLOWER) {
		become_follower(r, r->hard.term, 0, 0,
		    "it was taken out of the cluster");
	}
}

static void
recv_pre_vote(struct raft *r, const struct raft_message *m)
{
	char why[WHY_SIZE];
	struct raft_message *reply;

	if (campaign_is_refused(r, m, why, sizeof(why))) {
		deny(r, m, why);
		return;
	}
	if (m->term <= r->hard.term) {
		snprintf(why, sizeof(why), "term %" PRIu64 " is not new",
		    m->term);
		deny(r, m, why);
		return;
	}
	TELL(r, RAFT_TELL_VOTE, "Node %" PRIu32 " would vote for Node %"
	    PRIu32 " in term %" PRIu64, r->config.id, m->from, m->term);
	reply = message_reply(r, m);
	reply->term = m->term;
	narrate_sent(r, reply);
}

/*
 * Paper, Figure 2: "If votedFor is null or candidateId, and candidate's log
 * is at least as up-to-date as receiver's log, grant vote".  Whether this
 * node believes that it is a voter does not matter: the candidate may know a
 * later configuration (dissertation 4.2.2; T12).
 */
static void
recv_vote(struct raft *r, const struct raft_message *m)
{
	char why[WHY_SIZE], reason[80];
	bool dead = sighting_is_dead(r, m->from, m->from_run);
	struct raft_message *reply;

	if (m->term >= r->hard.term && is_bound(r, m, why, sizeof(why))) {
		deny(r, m, why);
		return;
	}
	if (m->term > r->hard.term) {
		if (is_loyal_against(r, m)) {
			snprintf(why, sizeof(why), "Node %" PRIu32 " leads",
			    r->leader);
			deny(r, m, why);
			return;
		}
		snprintf(reason, sizeof(reason), "Node %" PRIu32 " asks for "
		    "votes in it", m->from);
		become_follower(r, m->term, 0, 0, reason);
		if (m->leader_dead && !dead) {
			wait_for_campaign(r);
		}
	}
	if (m->term < r->hard.term) {
		snprintf(why, sizeof(why), "it is in term %" PRIu64,
		    r->hard.term);
		deny(r, m, why);
		return;
	}
	if (r->hard.vote != 0 && r->hard.vote != m->from) {
		snprintf(why, sizeof(why), "it has voted for %s%" PRIu32,
		    r->hard.vote == r->config.id ? "itself, Node " : "Node ",
		    r->hard.vote);
		deny(r, m, why);
		return;
	}
	if (r->hard.vote == 0 && r->leader != 0) {
		snprintf(why, sizeof(why), "Node %" PRIu32 " leads",
		    r->leader);
		deny(r, m, why);
		return;
	}
	if (campaign_is_refused(r, m, why, sizeof(why))) {
		deny(r, m, why);
		return;
	}
	if (r->hard.vote == 0) {
		persist_hard_state(r, r->hard.term, m->from);
	}
	if (!dead) {
		elect_timer_reset(r);
	}
	TELL(r, RAFT_TELL_VOTE, "Node %" PRIu32 " votes for Node %" PRIu32
	    " in term %" PRIu64, r->config.id, m->from, r->hard.term);
	reply = message_reply(r, m);
	lease_report(r, reply);
	reply->after_seq = persist_after(r, r->hard_seq);
	narrate_sent(r, reply);
}

/*
 * Who was about to stand for election leaves a moment to the one who does, also
 * if it refuses its vote: the others may elect him, and a later term would
 * depose him as soon as he leads.
 */
static void
wait_for_campaign(struct raft *r)
{
	uint64_t moment_ns = r->now_ns + r->config.heartbeat_ns /
	    CAMPAIGN_PART;

	if (r->election_deadline_ns < moment_ns) {
		r->election_deadline_ns = moment_ns;
	}
}

/*
 * What a pre-vote and a vote have in common.  Paper 5.4.1: the log with the
 * later last term is more up-to-date, then the longer one.
 */
static bool
campaign_is_refused(const struct raft *r, const struct raft_message *m,
    char *why, size_t size)
{
	uint64_t last = r->log.last_index;
	uint64_t last_term = history_term(&r->log, last);

	if (m->type == RAFT_PRE_VOTE && is_loyal_against(r, m)) {
		snprintf(why, size, "Node %" PRIu32 " leads", r->leader);
		return true;
	}
	if (m->type == RAFT_PRE_VOTE && is_bound(r, m, why, size)) {
		return true;
	}
	if (m->log_term < last_term ||
	    (m->log_term == last_term && m->index < last)) {
		snprintf(why, size, "its log ends at %" PRIu64 " of term %"
		    PRIu64 ", ours at %" PRIu64 " of term %" PRIu64,
		    m->index, m->log_term, last, last_term);
		return true;
	}
	return false;
}

/* A leader that asks itself leads no more. */
static bool
is_loyal_against(const struct raft *r, const struct raft_message *m)
{
	return !m->leader_dead && m->from != r->leader && elect_is_loyal(r);
}

/*
 * A promise to another leader keeps the vote back, unless the one who asks
 * has reason to think that leader dead; not knowing one's promises, always.
 */
static bool
is_bound(const struct raft *r, const struct raft_message *m, char *why,
    size_t size)
{
	const struct raft_promise *p = lease_binding(r, m->from);

	if (lease_is_withheld(r)) {
		snprintf(why, size, "it does not know what it has promised");
		return true;
	}
	if (p == NULL || m->leader_dead) {
		return false;
	}
	snprintf(why, size, "it has promised Node %" PRIu32 " to wait %" PRIu64
	    " ms more", p->leader, (p->end_ns - r->now_ns) / 1000000);
	return true;
}

/*
 * With a lease longer than the timeout: nobody who has promised would vote,
 * and this node's own vote would make it wait.
 */
static bool
wait_for_promise(struct raft *r)
{
	const struct raft_promise *p = lease_binding(r, r->config.id);
	uint64_t span = r->config.election_max_ns - r->config.election_min_ns;

	if (p == NULL) {
		return false;
	}
	r->election_deadline_ns = p->end_ns +
	    (span == 0 ? 0 : r->random % (span + 1));
	TELL(r, RAFT_TELL_LEASE, "Node %" PRIu32 " timed out, but has promised "
	    "Node %" PRIu32 " to wait until its lease ends -> in %" PRIu64
	    " ms", r->config.id, p->leader,
	    (r->election_deadline_ns - r->now_ns) / 1000000);
	return true;
}

/* A refusal carries the own term, so that who is behind moves on (T20). */
static void
deny(struct raft *r, const struct raft_message *m, const char *why)
{
	const struct raft_configuration *c = configuration_committed(r);
	struct raft_message *reply;

	TELL(r, RAFT_TELL_VOTE, "Node %" PRIu32 " denies Node %" PRIu32
	    " its %s in term %" PRIu64 ": %s", r->config.id, m->from,
	    m->type == RAFT_PRE_VOTE ? "pre-vote" : "vote", m->term, why);
	reply = message_reply(r, m);
	reply->reject = true;
	reply->removed = c->index <= r->commit_index &&
	    c->index >= m->hint_index &&
	    quorum_member(c, m->from, m->from_store) == NULL;
	reply->after_seq = persist_after(r, r->hard_seq);
	narrate_sent(r, reply);
}
