/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Invariants of a state, and of a step.  Each returns the first broken one
 * as text, which names the rule and not the numbers: whoever calls has both
 * states at hand.
 */
#include <stddef.h>
#include <string.h>

#include "raft/core.h"

static const char *check_durability(const struct raft *);
static const char *check_log(const struct raft *);
static const char *check_role(const struct raft *);
static const char *check_snapshot(const struct raft *);
static const char *check_progress(const struct raft *);
static const char *check_configurations(const struct raft *);
static const char *check_change(const struct raft *, const struct raft *);
static bool role_may_follow(const struct raft *, const struct raft *);

const char *
raft_check_state(const struct raft *r)
{
	const char *why;

	if ((why = check_durability(r)) != NULL ||
	    (why = check_log(r)) != NULL ||
	    (why = check_configurations(r)) != NULL ||
	    (why = check_role(r)) != NULL ||
	    (why = check_snapshot(r)) != NULL ||
	    (why = check_progress(r)) != NULL) {
		return why;
	}
	return NULL;
}

const char *
raft_check_delta(const struct raft *before, const struct raft *after)
{
	const struct history *a = &before->log, *b = &after->log;
	bool same_term = before->hard.term == after->hard.term;
	const char *why;

	if (after->hard.term < before->hard.term) {
		return "the term went back";
	}
	if (same_term && before->hard.vote != 0 &&
	    after->hard.vote != before->hard.vote) {
		return "two votes in one term";
	}
	if (same_term && before->leader != 0 && after->leader != 0 &&
	    before->leader != after->leader) {
		return "two leaders in one term";
	}
	if ((before->hard.term != after->hard.term ||
	    before->hard.vote != after->hard.vote) &&
	    after->hard_seq == before->hard_seq) {
		return "term or vote changed without a persist";
	}
	if (after->persist_seq < before->persist_seq ||
	    after->persist_seq > before->persist_seq + 1 ||
	    after->durable_seq < before->durable_seq ||
	    after->request < before->request) {
		return "a counter went back, or a step had two persists";
	}
	if (after->commit_index < before->commit_index ||
	    after->applied_index < before->applied_index) {
		return "commit or applied index went back";
	}
	if (b->last_index < before->commit_index ||
	    !history_equal(a, b, before->commit_index)) {
		return "a committed entry was truncated";
	}
	if (b->last_index > a->last_index &&
	    after->log_seq == before->log_seq) {
		return "the log grew without a persist";
	}
	if (!history_equal(a, b, a->last_index < b->last_index ?
	    a->last_index : b->last_index) || b->last_index < a->last_index) {
		if (after->log_seq == before->log_seq) {
			return "the log changed without a persist";
		}
		if (after->role == RAFT_LEADER) {
			return "a leader truncated its log";
		}
	}
	if (after->snapshot.index < before->snapshot.index ||
	    after->kept_from < before->kept_from) {
		return "a snapshot went back";
	}
	if (after->snapshot.index != before->snapshot.index &&
	    after->persist_seq == before->persist_seq) {
		return "a snapshot was taken without a persist";
	}
	if ((why = check_change(before, after)) != NULL) {
		return why;
	}
	if (!role_may_follow(before, after)) {
		return "a role was left in a way that does not exist";
	}
	if (before->latched != NULL && (after->latched == NULL ||
	    strcmp(after->latched, before->latched) != 0)) {
		return "a latch was released";
	}
	return NULL;
}

static const char *
check_durability(const struct raft *r)
{
	if (r->durable_seq > r->persist_seq || r->hard_seq > r->persist_seq ||
	    r->log_seq > r->persist_seq) {
		return "a persist that was never given out";
	}
	if (r->durable_index > r->log.last_index) {
		return "durable beyond the log";
	}
	if (r->request_floor > r->request + 1) {
		return "replies are expected to later requests";
	}
	return NULL;
}

static const char *
check_log(const struct raft *r)
{
	const struct history *h = &r->log;
	const struct raft_run *run, *previous = NULL;
	uint32_t i;

	if (h->first_index == 0 || h->last_index + 1 < h->first_index ||
	    h->run_count > RAFT_RUNS_MAX) {
		return "the log's range is not one";
	}
	if ((h->run_count == 0) != (h->last_index + 1 == h->first_index)) {
		return "runs and range of the log disagree";
	}
	for (i = 0; i < h->run_count; i++) {
		run = history_run(h, i);
		if (run->term == 0 || run->first_index > h->last_index ||
		    (previous == NULL ? run->first_index != h->first_index ||
		    run->term < h->base_term :
		    run->first_index <= previous->first_index ||
		    run->term <= previous->term)) {
			return "the runs of the log do not rise";
		}
		previous = run;
	}
	if (previous != NULL && previous->term > r->hard.term) {
		return "an entry has a term that has not begun";
	}
	if (h->sums_first > h->last_index + 1 ||
	    h->last_index + 1 - h->sums_first > RAFT_WINDOW) {
		return "the window of sizes is larger than it is";
	}
	if (r->commit_index > h->last_index) {
		return "committed beyond the log";
	}
	if (r->applied_index > r->commit_index) {
		return "applied beyond the commit index";
	}
	return NULL;
}

static const char *
check_configurations(const struct raft *r)
{
	uint32_t i;

	if (r->configuration_count == 0 ||
	    r->configuration_count > CONFIGURATIONS_MAX) {
		return "no configuration is in force, or too many";
	}
	for (i = 0; i < r->configuration_count; i++) {
		if (r->configurations[i].index > r->log.last_index) {
			return "a configuration is in force without its entry";
		}
		if (i > 0 && (r->configurations[i].index <=
		    r->configurations[i - 1].index)) {
			return "configurations do not rise";
		}
		if (i == 0 && r->configurations[i].count == 0 &&
		    r->configurations[i].index == 0) {
			continue;		/* it joins */
		}
		if (configuration_check(&r->configurations[i]) != NULL) {
			return configuration_check(&r->configurations[i]);
		}
		if (i > 0 && r->configurations[i - 1].count > 0 &&
		    !change_may_follow(&r->configurations[i - 1],
		    &r->configurations[i])) {
			return "the majorities of two configurations need "
			    "not meet";
		}
	}
	return NULL;
}

static const char *
check_role(const struct raft *r)
{
	switch (r->role) {
	case RAFT_FOLLOWER:
		if (r->leader == r->config.id) {
			return "a follower follows itself";
		}
		break;
	case RAFT_PRECANDIDATE:
	case RAFT_CANDIDATE:
		if (r->leader != 0) {
			return "a candidate knows a leader";
		}
		if (r->role == RAFT_CANDIDATE &&
		    r->hard.vote != r->config.id) {
			return "a candidate has not voted for itself";
		}
		if (r->role == RAFT_CANDIDATE &&
		    quorum_set_has(&r->granted, r->config.id) &&
		    r->durable_seq < r->hard_seq) {
			return "an own vote is counted that can be lost";
		}
		break;
	case RAFT_LEADER:
		if (r->leader != r->config.id ||
		    r->hard.vote != r->config.id) {
			return "a leader did not vote for itself";
		}
		if (r->durable_seq < r->hard_seq) {
			return "a leader's term can be lost";
		}
		if (r->lease_waits && r->commit_index >= r->noop_index) {
			return "a leader has committed under an old lease";
		}
		if (r->noop_index == 0 ||
		    history_term(&r->log, r->log.last_index) !=
		    r->hard.term) {
			return "a leader has no entry of its own term";
		}
		break;
	default:
		return "a role that does not exist";
	}
	if (r->role != RAFT_LEADER && (r->read_count > 0 ||
	    r->progress_count > 0 || r->transfer_to != 0)) {
		return "reads, progress or a transfer without being the "
		    "leader";
	}
	if (r->removed && r->role != RAFT_FOLLOWER) {
		return "a server that was taken out campaigns";
	}
	if (r->role != RAFT_LEADER && r->lease_waits) {
		return "only a leader waits for an old lease";
	}
	if (r->promise_count > RAFT_PROMISES_MAX ||
	    r->old_count > OLD_PROMISES_MAX) {
		return "more promises than there is room for";
	}
	if (r->round_count > r->read_count ||
	    r->read_count > RAFT_READS_MAX) {
		return "a round has more reads than wait";
	}
	return NULL;
}

static const char *
check_snapshot(const struct raft *r)
{
	const struct receive *receive = &r->receive;
	uint32_t i;

	if (r->snapshot.index > r->commit_index) {
		return "a snapshot of what is not committed";
	}
	if (r->kept_from > r->snapshot.index + 1 ||
	    r->kept_from > r->log.first_index) {
		return "entries may be deleted that are in no snapshot";
	}
	if (receive->id != 0 && (receive->written > receive->taken ||
	    receive->taken > receive->total ||
	    receive->snapshot.index <= r->commit_index ||
	    r->role == RAFT_LEADER)) {
		return "a snapshot arrives that is not needed, or too much "
		    "of it";
	}
	if (r->view.id != 0 && (r->role != RAFT_LEADER ||
	    r->view.index > r->applied_index)) {
		return "a view without being the leader, or of nothing";
	}
	for (i = 0; i < r->progress_count; i++) {
		if (r->progress[i].view != 0 &&
		    (r->progress[i].mode != PROGRESS_SNAPSHOT ||
		    r->progress[i].view != r->view.id ||
		    r->progress[i].offset > r->view.size ||
		    r->progress[i].arrived > r->progress[i].offset)) {
			return "a peer is sent a view that is not open";
		}
		if (r->progress[i].view != 0 &&
		    r->log.first_index > r->view.index + 1) {
			return "entries are gone after a snapshot that a peer "
			    "receives";
		}
	}
	return NULL;
}

static const char *
check_progress(const struct raft *r)
{
	const struct progress *p;
	const struct inflight *f;
	uint64_t bytes, last;
	uint32_t i, j;

	for (i = 0; i < r->progress_count; i++) {
		p = &r->progress[i];
		if (p->next <= p->match || p->match > r->log.last_index ||
		    p->next > r->log.last_index + 1) {
			return "next is not between match and the log's end";
		}
		if (p->inflight_count > r->config.inflight_messages_max ||
		    (p->mode == PROGRESS_PROBE && p->inflight_count > 1)) {
			return "more is under way than may be";
		}
		bytes = 0;
		last = p->match;
		for (j = 0; j < p->inflight_count; j++) {
			f = &p->inflight[(p->inflight_begin + j) %
			    INFLIGHT_MAX];
			bytes += f->bytes;
			if (p->mode == PROGRESS_REPLICATE &&
			    (f->last_index <= last ||
			    f->last_index >= p->next)) {
				return "appends under way do not rise";
			}
			last = f->last_index;
		}
		if (bytes != p->inflight_bytes) {
			return "bytes under way are miscounted";
		}
		if (p->mode == PROGRESS_REPLICATE && last + 1 != p->next) {
			return "an entry was passed over";
		}
	}
	return NULL;
}

/* What a leader appends, and when (T70). */
static const char *
check_change(const struct raft *before, const struct raft *after)
{
	const struct raft_configuration *a = configuration(before);
	const struct raft_configuration *b = configuration(after);

	if (before->role != RAFT_LEADER || after->role != RAFT_LEADER ||
	    b->index == a->index) {
		return NULL;
	}
	if (b->index < a->index) {
		return "a leader lost a configuration";
	}
	if (a->index > after->commit_index) {
		return "a configuration follows one that is not committed";
	}
	if (after->commit_index < after->noop_index) {
		return "a configuration was appended before an entry of the "
		    "own term was committed";
	}
	/* One that was given up in this step is over. */
	if (before->transfer_to != 0 && after->transfer_to != 0) {
		return "a configuration was appended during a transfer";
	}
	return NULL;
}

static bool
role_may_follow(const struct raft *before, const struct raft *after)
{
	if (before->role == after->role || after->role == RAFT_FOLLOWER) {
		return true;
	}
	switch (before->role) {
	case RAFT_FOLLOWER:
	case RAFT_PRECANDIDATE:
		return after->role == RAFT_PRECANDIDATE ||
		    after->role == RAFT_CANDIDATE;
	case RAFT_CANDIDATE:
		return after->role == RAFT_PRECANDIDATE ||
		    (after->role == RAFT_LEADER &&
		    before->hard.term == after->hard.term);
	case RAFT_LEADER:
		break;
	}
	return false;
}
