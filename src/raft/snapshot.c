/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots, as who has them: checkpoints, what of the log may go, and a
 * leader's way of bringing one to a peer whose entries are gone.
 *
 *	      first          snapshot
 *	--------|---------------|------------------|-----> the log
 *	 gone   |   trailing    |                  last
 *	                        |<-- held for peers that install it
 *
 * A view is the caller's: a frozen picture of a checkpoint, in chunks.  All
 * peers that need a snapshot share one.  As long as a peer makes progress with
 * it, and then with the entries after it, these stay, or the peer would have
 * to begin anew when it is done, and again (T57).
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "raft/core.h"

#define STALLS_MAX	4	/* doublings of the wait before a turn back */

static bool describe(struct raft *, uint64_t, struct raft_snapshot *);
static bool is_wanted(const struct raft *);
static bool is_attached(const struct raft *, const struct progress *);
static void attach(struct raft *, struct progress *);
static uint64_t held_from(const struct raft *);
static void go_back(struct progress *, uint64_t);

void
snapshot_checkpoint(struct raft *r, uint64_t index, const uint8_t *chain)
{
	struct raft_snapshot s;

	if (index <= r->snapshot.index) {
		return;			/* one that came later is there */
	}
	if (index > r->applied_index || index > r->durable_index) {
		raft_latch(r, "a checkpoint at %" PRIu64 ", but applied is %"
		    PRIu64 " and durable %" PRIu64, index, r->applied_index,
		    r->durable_index);
		return;
	}
	if (!describe(r, index, &s)) {
		r->update->result = ERR_AGAIN;
		return;
	}
	memcpy(s.chain, chain, RAFT_CHAIN_SIZE);
	r->snapshot = s;
	r->update->snapshot = &r->snapshot;
	(void)persist_begin(r);
	configuration_forget(r, index);
	TELL(r, RAFT_TELL_SNAPSHOT, "Node %" PRIu32 " has taken a snapshot at "
	    "%" PRIu64 " of term %" PRIu64, r->config.id, index, s.term);
}

void
snapshot_view(struct raft *r, uint64_t id, uint64_t index, uint64_t size,
    const uint8_t *chain)
{
	struct raft_snapshot s;

	if (id == 0 || size == 0 || index > r->applied_index ||
	    index > r->durable_index) {
		raft_latch(r, "a view %" PRIu64 " of %" PRIu64 " bytes at %"
		    PRIu64 ", but applied is %" PRIu64 " and durable %" PRIu64,
		    id, size, index, r->applied_index, r->durable_index);
		return;
	}
	if (!is_wanted(r) || r->view.id != 0 || id <= r->view_last ||
	    index + 1 < r->log.first_index || !describe(r, index, &s)) {
		r->update->result = ERR_AGAIN;
		return;
	}
	r->view_last = id;
	r->view.id = id;
	r->view.index = index;
	r->view.term = s.term;
	r->view.size = size;
	r->view.configuration_index = s.configuration.index;
	r->view.configuration_size = raft_configuration_encode(
	    &s.configuration, r->view.configuration);
	memcpy(r->view.chain, chain, RAFT_CHAIN_SIZE);
}

void
snapshot_begin(struct raft *r, struct progress *p)
{
	p->mode = PROGRESS_SNAPSHOT;
	p->view = 0;
	p->blocked = false;
	p->progressed_ns = r->now_ns;
	go_back(p, 0);
	p->arrived = 0;
	p->stalls = 0;
	TELL(r, RAFT_TELL_SNAPSHOT, "the log of Node %" PRIu32 " agrees with "
	    "ours only before %" PRIu64 ", where ours begins -> it gets a "
	    "snapshot", p->id, r->log.first_index);
}

/* Views: who uses it, who waits for one, is it of any use. */
void
snapshot_advance(struct raft *r)
{
	struct progress *p;
	uint32_t i, users = 0;

	for (i = 0; i < r->progress_count; i++) {
		p = &r->progress[i];
		if (p->mode != PROGRESS_SNAPSHOT) {
			p->held = p->held && p->match < r->snapshot.index &&
			    ELAPSED(r, p->progressed_ns) <
			    r->config.install_timeout_ns;
			continue;
		}
		if (p->view != 0 && (r->log.first_index > r->view.index + 1 ||
		    ELAPSED(r, p->progressed_ns) >=
		    r->config.install_timeout_ns)) {
			/* Not this view again, if nobody else uses it: what
			 * is held for it must go some day. */
			p->view = 0;
			continue;
		}
		if (p->view == 0 && (!p->heard || ELAPSED(r, p->contact_ns) >=
		    r->config.election_max_ns)) {
			continue;	/* it would wait for nobody */
		}
		if (p->view == 0 && r->view.id != 0 &&
		    r->log.first_index <= r->view.index + 1) {
			attach(r, p);
		}
		if (p->view == 0) {
			r->update->view_wanted = true;
		} else {
			users++;
		}
	}
	if (r->view.id != 0 && users == 0) {
		r->update->view_close = r->view.id;
		r->view.id = 0;
	}
}

/* The next chunk may go. */
bool
snapshot_may_send(const struct raft *r, const struct progress *p)
{
	return is_attached(r, p) && p->offset < r->view.size &&
	    p->inflight_count < r->config.inflight_messages_max &&
	    p->inflight_bytes < r->config.install_bytes_max;
}

void
snapshot_send(struct raft *r, struct progress *p)
{
	uint64_t left = r->view.size - p->offset;
	uint32_t size = left < r->config.chunk_bytes ?
	    (uint32_t)left : r->config.chunk_bytes;
	struct raft_message *m;
	struct inflight *f;

	m = message_request(r, RAFT_INSTALL, p->id);
	m->index = r->view.index;
	m->log_term = r->view.term;
	m->chunk = (struct raft_chunk){
		.view = r->view.id,
		.offset = p->offset,
		.total = r->view.size,
		.size = size,
		.configuration_size = r->view.configuration_size,
		.configuration = r->view.configuration,
		.configuration_index = r->view.configuration_index,
	};
	memcpy(m->chunk.chain, r->view.chain, RAFT_CHAIN_SIZE);
	narrate_sent(r, m);

	if (p->inflight_count == 0) {
		p->moved_ns = r->now_ns;
	}
	f = replicate_inflight(p, p->inflight_count++);
	f->request = m->request;
	f->first_index = p->offset;
	f->last_index = p->offset + size;
	f->bytes = size;
	p->inflight_bytes += size;
	p->offset += size;
}

/*
 * It answers heartbeats, but took no chunk: lost, or their answers were, or
 * it is slow. What a slow one gets again keeps it from what it has, so each
 * turn back in a row waits twice as long as the one before.
 */
void
snapshot_again(struct raft *r, struct progress *p)
{
	uint64_t from = p->arrived;
	uint32_t doublings = p->stalls < STALLS_MAX ? p->stalls : STALLS_MAX;

	if (!is_attached(r, p) || ELAPSED(r, p->moved_ns) <
	    (2 * r->config.heartbeat_ns) << doublings) {
		return;
	}
	p->stalls++;
	if (from == r->view.size) {
		/* the last one again: its answer tells how it ended */
		from -= from < r->config.chunk_bytes ?
		    from : r->config.chunk_bytes;
	}
	p->moved_ns = r->now_ns;
	go_back(p, from);
}

/* No room on the way for that chunk: from there, when it answers. */
void
snapshot_sent(struct progress *p, uint32_t i)
{
	p->offset = replicate_inflight(p, i)->first_index;
	p->inflight_count = i;
	p->inflight_bytes = 0;
	while (i-- > 0) {
		p->inflight_bytes += replicate_inflight(p, i)->bytes;
	}
	p->blocked = true;
}

void
snapshot_recv_reply(struct raft *r, struct progress *p,
    const struct raft_message *m)
{
	struct inflight *f;

	if (m->done) {
		if (m->index > p->match) {
			TELL(r, RAFT_TELL_SNAPSHOT, "Node %" PRIu32 " has the "
			    "snapshot at %" PRIu64, p->id, m->index);
		}
		replicate_matched(r, p, m->index);
		return;
	}
	if (p->mode != PROGRESS_SNAPSHOT || !is_attached(r, p) ||
	    m->hint_term != p->view || m->hint_index > r->view.size) {
		return;
	}
	if (m->reject) {
		/* Of what was sent since the last turn back. */
		if (p->inflight_count > 0 &&
		    m->request >= replicate_inflight(p, 0)->request) {
			if (m->hint_index < p->arrived) {
				p->arrived = m->hint_index;
			}
			go_back(p, m->hint_index);
		}
		return;
	}
	if (m->hint_index <= p->arrived) {
		return;
	}
	p->arrived = m->hint_index;
	p->stalls = 0;
	p->moved_ns = p->progressed_ns = r->now_ns;
	if (p->offset < p->arrived) {
		p->offset = p->arrived;
	}
	while (p->inflight_count > 0) {
		f = replicate_inflight(p, 0);
		if (f->last_index > p->arrived) {
			break;
		}
		p->inflight_bytes -= f->bytes;
		p->inflight_begin = (p->inflight_begin + 1) % INFLIGHT_MAX;
		p->inflight_count--;
	}
}

/* What is before the snapshot may go, less the trailing window. */
void
snapshot_compact(struct raft *r)
{
	uint64_t first = r->snapshot.index + 1, held = held_from(r);

	if (r->snapshot.index != 0) {
		first -= r->config.trailing_entries < r->snapshot.index ?
		    r->config.trailing_entries : r->snapshot.index;
		first = first < held ? first : held;
		if (first > r->log.first_index) {
			history_compact(&r->log, first);
		}
		if (first > r->kept_from) {
			r->kept_from = first;
		}
	}
	r->update->first_index = r->kept_from;
}

/* Index, term, and the configuration in force there (T54); false: not known
 * any more. */
static bool
describe(struct raft *r, uint64_t index, struct raft_snapshot *s)
{
	const struct raft_configuration *c = configuration_at(r, index);

	memset(s, 0, sizeof(*s));
	s->index = index;
	s->term = history_term(&r->log, index);
	if (index == 0 || s->term == 0 || c == NULL || c->count == 0) {
		return false;
	}
	s->configuration = *c;
	return true;
}

static bool
is_wanted(const struct raft *r)
{
	uint32_t i;

	for (i = 0; i < r->progress_count; i++) {
		if (r->progress[i].mode == PROGRESS_SNAPSHOT &&
		    r->progress[i].view == 0) {
			return true;
		}
	}
	return false;
}

static bool
is_attached(const struct raft *r, const struct progress *p)
{
	return p->view != 0 && p->view == r->view.id;
}

static void
attach(struct raft *r, struct progress *p)
{
	p->view = r->view.id;
	p->held = true;
	p->arrived = 0;
	p->stalls = 0;
	p->progressed_ns = p->moved_ns = r->now_ns;
	go_back(p, 0);
	TELL(r, RAFT_TELL_SNAPSHOT, "Node %" PRIu32 " sends RPC "
	    "InstallSnapshot to Node %" PRIu32 ": the snapshot at %" PRIu64
	    ", %" PRIu64 " bytes", r->config.id, p->id, r->view.index,
	    r->view.size);
}

static uint64_t
held_from(const struct raft *r)
{
	const struct progress *p;
	uint64_t held = UINT64_MAX, from;
	uint32_t i;

	for (i = 0; i < r->progress_count; i++) {
		p = &r->progress[i];
		if (p->mode == PROGRESS_SNAPSHOT ?
		    !is_attached(r, p) : !p->held) {
			continue;
		}
		from = (p->mode == PROGRESS_SNAPSHOT ?
		    r->view.index : p->match) + 1;
		held = from < held ? from : held;
	}
	return held;
}

static void
go_back(struct progress *p, uint64_t offset)
{
	p->offset = offset;
	p->inflight_begin = 0;
	p->inflight_count = 0;
	p->inflight_bytes = 0;
}
