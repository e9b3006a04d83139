/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A leader's work: bring the log to every peer, find out what a majority has.
 *
 *	          accepted: next = match + 1
 *	  PROBE ------------------------------> REPLICATE
 *	    ^                                       |
 *	    +---------------------------------------+
 *	      refused; nothing acknowledged for two heartbeats although
 *	      the peer answers; a new run of the peer
 *
 * A probe is one append under way at a time.  In REPLICATE next runs ahead of
 * match, limited by messages and bytes under way.  Heartbeats are the clock
 * of retries: a peer that answers them while its appends stay unanswered has
 * lost appends or acknowledgements, and is probed again (T48); a peer that
 * answers nothing gets heartbeats only.
 *
 * Replies never move match back, nor next below match + 1 (T44).
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "raft/core.h"

static void probe(struct raft *, struct progress *, uint64_t);
static void send_append(struct raft *, struct progress *);
static bool may_send(const struct raft *, const struct progress *);
static struct progress *heard_from(struct raft *,
    const struct raft_message *);
static void recv_refusal(struct raft *, struct progress *,
	    const struct raft_message *);
static void inflight_clear(struct progress *);
static void inflight_acknowledged(struct raft *, struct progress *);
static void progress_init(struct raft *, struct progress *,
	    const struct raft_server *);
static bool is_self(const struct raft *, const struct raft_server *);
static void forget(struct raft *, struct progress *);
static void forget_leaving(struct raft *);

/* A server that was taken out gets the log for so many timeouts more. */
#define LEAVE_TIMEOUTS	10

void
replicate_begin(struct raft *r)
{
	r->progress_count = 0;
	replicate_sync(r);
}

void
replicate_sync(struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	const struct raft_server *s;
	struct progress *p;
	uint32_t i;

	for (i = r->progress_count; i-- > 0; ) {
		p = &r->progress[i];
		s = quorum_server(c, p->id);
		if (s == NULL && p->leaving_index == 0) {
			p->leaving_index = c->index;
			p->leave_end_ns = r->now_ns +
			    LEAVE_TIMEOUTS * r->config.election_max_ns;
		} else if (s != NULL && p->store_id != s->store_id) {
			forget(r, p);		/* replaced */
		} else if (s != NULL) {
			p->leaving_index = 0;
			p->farewell = 0;
		}
	}
	for (i = 0; i < c->count; i++) {
		s = quorum_server(c, c->servers[i].id);
		if (s->id != r->config.id &&
		    replicate_progress(r, s->id) == NULL) {
			if (r->progress_count == PROGRESS_MAX) {
				forget_leaving(r);
			}
			progress_init(r, &r->progress[r->progress_count++],
			    s);
		}
	}
}

struct progress *
replicate_progress(struct raft *r, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < r->progress_count; i++) {
		if (r->progress[i].id == id) {
			return &r->progress[i];
		}
	}
	return NULL;
}

struct progress *
replicate_of(const struct raft *r, const struct raft_server *s)
{
	uint32_t i;

	for (i = 0; i < r->progress_count; i++) {
		if (r->progress[i].id == s->id &&
		    r->progress[i].store_id == s->store_id) {
			/* the caller decides whether r is const for him */
			return (struct progress *)&r->progress[i];
		}
	}
	return NULL;
}

/* T45: what the former run had acknowledged may have been lost with it. */
void
replicate_restarted(struct raft *r, uint32_t id)
{
	struct progress *p = replicate_progress(r, id);

	if (p == NULL) {
		return;
	}
	p->match = 0;
	p->held = false;
	p->confirmed = 0;
	p->behind_told = false;
	probe(r, p, r->log.last_index + 1);
}

void
replicate_flush(struct raft *r)
{
	struct progress *p;
	uint32_t i;

	r->more = false;
	for (i = r->progress_count; i-- > 0; ) {
		p = &r->progress[i];
		if (p->leaving_index != 0 && ((p->farewell != 0 &&
		    p->confirmed >= p->farewell) ||
		    r->now_ns >= p->leave_end_ns)) {
			forget(r, p);
		}
	}
	for (i = 0; i < r->progress_count; i++) {
		p = &r->progress[i];
		if (p->mode != PROGRESS_SNAPSHOT &&
		    p->next <= history_floor(&r->log)) {
			probe(r, p, p->next);	/* its entries are gone */
		}
		if (may_send(r, p)) {
			if (p->mode == PROGRESS_SNAPSHOT) {
				snapshot_send(r, p);
			} else {
				send_append(r, p);
			}
			r->more = r->more || may_send(r, p);
		}
	}
}

void
replicate_heartbeats(struct raft *r)
{
	struct raft_message *m;
	struct progress *p;
	uint32_t i;

	for (i = 0; i < r->progress_count; i++) {
		p = &r->progress[i];
		m = message_request(r, RAFT_HEARTBEAT, p->id);
		/*
		 * The peer has entries up to match for certain, and only
		 * those (T33): and only the run that acknowledged them.
		 */
		if (m->to_run != 0) {
			m->commit = p->match < r->commit_index ?
			    p->match : r->commit_index;
		}
		if (p->leaving_index != 0 && p->farewell == 0 &&
		    m->commit >= p->leaving_index) {
			p->farewell = m->request;
		}
		m->lease_end_ns = lease_ask(r);
		narrate_sent(r, m);
	}
	transfer_repeat(r);
	r->heartbeat_deadline_ns = r->now_ns + r->config.heartbeat_ns;
}

/*
 * The caller had room for fewer entries than asked: go on from there.  For
 * none at all: as long as the peer answers nothing, it makes no room.
 */
void
replicate_sent(struct raft *r, uint32_t to, uint64_t request,
    uint64_t next_index)
{
	struct progress *p = replicate_progress(r, to);
	struct inflight *f;
	uint64_t bytes;
	uint32_t i;

	if (p == NULL) {
		return;
	}
	for (i = 0; i < p->inflight_count; i++) {
		if (replicate_inflight(p, i)->request == request) {
			break;
		}
	}
	if (i == p->inflight_count) {
		return;			/* answered, or given up, since */
	}
	if (p->mode == PROGRESS_SNAPSHOT) {
		snapshot_sent(p, i);
		return;
	}
	f = replicate_inflight(p, i);
	if (next_index < f->first_index || next_index > f->last_index) {
		return;
	}
	bytes = history_bytes(&r->log, f->first_index, next_index - 1);
	p->blocked = next_index == f->first_index;
	f->last_index = next_index - 1;
	p->inflight_count = p->blocked ? i : i + 1;
	if (p->next > next_index && p->mode == PROGRESS_REPLICATE) {
		p->next = next_index > p->match ? next_index : p->match + 1;
	}
	f->bytes = bytes;
	p->inflight_bytes = 0;
	for (i = 0; i < p->inflight_count; i++) {
		p->inflight_bytes += replicate_inflight(p, i)->bytes;
	}
	inflight_acknowledged(r, p);
}

void
replicate_recv_append_reply(struct raft *r, const struct raft_message *m)
{
	struct progress *p = heard_from(r, m);

	if (p == NULL) {
		return;
	}
	if (m->reject) {
		recv_refusal(r, p, m);
		return;
	}
	if (m->index > r->log.last_index) {
		r->dropped++;		/* more than we have ever sent */
		return;
	}
	replicate_matched(r, p, m->index);
}

void
replicate_matched(struct raft *r, struct progress *p, uint64_t index)
{
	if (index > r->log.last_index) {
		return;
	}
	if (index > p->match) {
		p->match = index;
		p->progressed_ns = r->now_ns;
	}
	if (p->mode == PROGRESS_PROBE || (p->mode == PROGRESS_SNAPSHOT &&
	    p->match >= history_floor(&r->log))) {
		/* also when an append has made a snapshot unnecessary */
		p->mode = PROGRESS_REPLICATE;
		p->view = 0;
		p->next = p->match + 1;
		inflight_clear(p);
	} else if (p->mode == PROGRESS_SNAPSHOT) {
		if (p->next <= p->match) {
			p->next = p->match + 1;
		}
	} else {
		if (p->next <= p->match) {
			p->next = p->match + 1;
		}
		inflight_acknowledged(r, p);
	}
	replicate_commit(r);
}

void
replicate_recv_install_reply(struct raft *r, const struct raft_message *m)
{
	struct progress *p = heard_from(r, m);

	if (p != NULL) {
		snapshot_recv_reply(r, p, m);
	}
}

void
replicate_recv_heartbeat_reply(struct raft *r, const struct raft_message *m)
{
	struct progress *p = heard_from(r, m);

	if (p == NULL) {
		return;
	}
	lease_promised(r, p, m);
	if (p->mode == PROGRESS_SNAPSHOT) {
		snapshot_again(r, p);
		return;
	}
	if (p->inflight_count == 0 ||
	    m->request < replicate_inflight(p, 0)->request ||
	    ELAPSED(r, p->moved_ns) < 2 * r->config.heartbeat_ns) {
		return;
	}
	TELL(r, RAFT_TELL_RPC, "Node %" PRIu32 " answers heartbeats but not "
	    "AppendEntries -> asked again", p->id);
	probe(r, p, p->mode == PROGRESS_PROBE ? p->next : p->match + 1);
}

/*
 * Paper, Figure 2: "If there exists an N such that N > commitIndex, a
 * majority of matchIndex[i] >= N, and log[N].term == currentTerm: set
 * commitIndex = N".  The last condition is what Figure 8 is about.  The
 * leader is one of the majority as far as its own log is durable (T42).
 */
void
replicate_commit(struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	uint64_t values[RAFT_SERVERS_MAX], reached;
	const struct progress *p;
	uint32_t i;

	assert(r->role == RAFT_LEADER);
	if (r->lease_waits) {
		return;			/* lease.c comes back to it */
	}
	for (i = 0; i < c->count; i++) {
		p = replicate_of(r, &c->servers[i]);
		values[i] = p == NULL ? 0 : p->match;
		if (is_self(r, &c->servers[i])) {
			values[i] = r->durable_index;
		}
	}
	reached = quorum_reached(c, values);
	if (reached > r->commit_index &&
	    history_term(&r->log, reached) == r->hard.term) {
		append_commit(r, reached);
	}
}

uint64_t
replicate_contact_ns(const struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	uint64_t values[RAFT_SERVERS_MAX];
	const struct progress *p;
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		p = replicate_of(r, &c->servers[i]);
		values[i] = p == NULL ? 0 : p->contact_ns;
		if (is_self(r, &c->servers[i])) {
			values[i] = r->now_ns;
		}
	}
	return quorum_reached(c, values);
}

/* Begins to look for where the logs agree, with `next` as the next guess. */
static void
probe(struct raft *r, struct progress *p, uint64_t next)
{
	uint64_t lowest = history_floor(&r->log) + 1;

	p->mode = PROGRESS_PROBE;
	p->view = 0;
	p->blocked = false;
	p->next = next;
	if (p->next < lowest) {
		p->next = lowest;
	}
	if (p->next <= p->match) {
		p->next = p->match + 1;
	}
	inflight_clear(p);
}

static bool
may_send(const struct raft *r, const struct progress *p)
{
	if (p->blocked) {
		return false;
	}
	if (p->mode == PROGRESS_SNAPSHOT) {
		return snapshot_may_send(r, p);
	}
	if (p->mode == PROGRESS_PROBE) {
		return p->inflight_count == 0;
	}
	return p->next <= r->log.last_index &&
	    p->inflight_count < r->config.inflight_messages_max &&
	    p->inflight_bytes < r->config.inflight_bytes_max;
}

static void
send_append(struct raft *r, struct progress *p)
{
	uint64_t previous = p->next - 1, last, bytes = 0;
	struct raft_message *m;
	struct inflight *f;
	uint32_t count = 0;

	if (p->next <= r->log.last_index) {
		count = history_fit(&r->log, p->next,
		    r->config.append_bytes_max, r->config.append_entries_max);
		bytes = p->next < r->log.sums_first ?
		    r->config.append_bytes_max :
		    history_bytes(&r->log, p->next, previous + count);
	}
	last = previous + count;
	m = message_request(r, RAFT_APPEND, p->id);
	m->index = previous;
	m->log_term = history_term(&r->log, previous);
	m->entry_first = count == 0 ? 0 : p->next;
	m->entry_count = count;
	m->bytes_max = r->config.append_bytes_max;
	m->commit = r->commit_index < last ? r->commit_index : last;
	if (!p->told) {
		p->told = true;
		TELL(r, RAFT_TELL_LOG, "Node %" PRIu32 " sends RPC "
		    "AppendEntries to Node %" PRIu32, r->config.id, p->id);
	}
	narrate_sent(r, m);

	if (p->inflight_count == 0) {
		p->moved_ns = r->now_ns;
	}
	assert(p->inflight_count < INFLIGHT_MAX);
	f = replicate_inflight(p, p->inflight_count++);
	f->request = m->request;
	f->first_index = previous + 1;
	f->last_index = last;
	f->bytes = bytes;
	p->inflight_bytes += bytes;
	if (p->mode == PROGRESS_REPLICATE) {
		p->next = last + 1;
	}
}

/* A reply's sender, which is alive; NULL if it is no server of ours. */
static struct progress *
heard_from(struct raft *r, const struct raft_message *m)
{
	struct progress *p = replicate_progress(r, m->from);

	if (p == NULL || p->store_id != m->from_store) {
		return NULL;			/* T76 */
	}
	p->contact_ns = r->now_ns;
	p->heard = true;
	p->blocked = false;
	if (m->request > p->confirmed) {
		p->confirmed = m->request;
	}
	return p;
}

/*
 * The peer has no entry of that index and term.  It says where its log could
 * agree with one of that term at the earliest; we say where ours could agree
 * with what it has there.  Each probe so rules out a whole term, on one side
 * or the other (paper 5.3; T46).
 */
static void
recv_refusal(struct raft *r, struct progress *p, const struct raft_message *m)
{
	uint64_t next;

	if (p->mode == PROGRESS_SNAPSHOT || p->inflight_count == 0 ||
	    m->request < replicate_inflight(p, 0)->request ||
	    m->index <= p->match) {
		return;			/* of an append before the last turn */
	}
	next = m->hint_index;
	if (m->hint_term != 0) {
		next = history_find(&r->log, m->hint_index, m->hint_term);
	}
	next = next < m->index ? next + 1 : m->index;
	if (next <= history_floor(&r->log) &&
	    m->index <= history_floor(&r->log)) {
		/* Our log does not go back far enough. */
		if (r->snapshot.index != 0) {
			snapshot_begin(r, p);
		} else if (!p->behind_told) {
			p->behind_told = true;
			TELL(r, RAFT_TELL_LOG, "the log of Node %" PRIu32
			    " agrees with ours only before %" PRIu64
			    ", where ours begins -> it needs a snapshot",
			    p->id, r->log.first_index);
		}
		return;
	}
	TELL(r, RAFT_TELL_RPC, "Node %" PRIu32 " has no entry %" PRIu64
	    " like ours -> probe after %" PRIu64, p->id, m->index, next - 1);
	probe(r, p, next);
}

static void
inflight_clear(struct progress *p)
{
	p->inflight_begin = 0;
	p->inflight_count = 0;
	p->inflight_bytes = 0;
}

struct inflight *
replicate_inflight(struct progress *p, uint32_t i)
{
	return &p->inflight[(p->inflight_begin + i) % INFLIGHT_MAX];
}

static void
inflight_acknowledged(struct raft *r, struct progress *p)
{
	struct inflight *f;

	while (p->inflight_count > 0) {
		f = replicate_inflight(p, 0);
		if (f->last_index > p->match) {
			break;
		}
		p->inflight_bytes -= f->bytes;
		p->inflight_begin = (p->inflight_begin + 1) % INFLIGHT_MAX;
		p->inflight_count--;
		p->moved_ns = r->now_ns;
	}
}

static void
progress_init(struct raft *r, struct progress *p, const struct raft_server *s)
{
	*p = (struct progress){
		.id = s->id,
		.store_id = s->store_id,
		.contact_ns = r->now_ns,
	};
	probe(r, p, r->log.last_index + 1);
}

static bool
is_self(const struct raft *r, const struct raft_server *s)
{
	return s->id == r->config.id && s->store_id == r->config.store_id;
}

/* The order of the others stays as it is. */
static void
forget(struct raft *r, struct progress *p)
{
	struct progress *end = r->progress + --r->progress_count;

	memmove(p, p + 1, (size_t)((char *)end - (char *)p));
}

/* Members are at most half of them: there is one that leaves. */
static void
forget_leaving(struct raft *r)
{
	uint32_t i = 0;

	while (r->progress[i].leaving_index == 0) {
		i++;
		assert(i < r->progress_count);
	}
	forget(r, &r->progress[i]);
}
