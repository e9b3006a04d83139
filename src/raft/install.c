/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots, as who gets one.
 *
 *	INSTALL, offset == taken --> the caller writes it aside: taken
 *	RECEIVED                 --> acknowledged: written
 *	RECEIVED, complete       --> it is in the log already: forgotten (T51)
 *	                         --> or it becomes the state, in one persist
 *
 * Nothing of this touches log or state before the last step, and that one is
 * a single unit: snapshot, state, log (T52).  Only a follower takes it: a
 * candidate has asked for votes with the log that it has.
 */
#include <inttypes.h>
#include <string.h>

#include "raft/core.h"

static const char *malformed(const struct raft_message *,
	    struct raft_configuration *);
static bool is_of(const struct receive *, const struct raft_message *);
static void begin(struct raft *, const struct raft_message *,
	    const struct raft_configuration *);
static void forget(struct raft *);
static void install(struct raft *);
static struct raft_message *reply_to(struct raft *, const struct receive *);
static void reply_done(struct raft *, const struct receive *);
static void go_back(struct raft *, const struct raft_message *, uint64_t);

void
install_recv(struct raft *r, const struct raft_message *m)
{
	struct raft_configuration c;
	struct receive *receive = &r->receive, asked;
	const char *why = malformed(m, &c);

	if (why != NULL) {
		r->dropped++;
		TELL(r, RAFT_TELL_RPC, "Node %" PRIu32 " drops InstallSnapshot "
		    "from Node %" PRIu32 ": %s", r->config.id, m->from, why);
		return;
	}
	if (!append_follow(r, m)) {
		return;
	}
	if (m->index <= r->commit_index) {
		asked = (struct receive){
			.from = m->from, .from_run = m->from_run,
			.from_store = m->from_store, .request = m->request,
			.view = m->chunk.view, .written = m->chunk.total,
			.snapshot.index = m->index,
		};
		reply_done(r, &asked);
		return;
	}
	if (r->room == RAFT_ROOM_NONE) {
		return;
	}
	if (receive->id == 0 || !is_of(receive, m)) {
		if (receive->id != 0 && receive->from == m->from &&
		    receive->from_run == m->from_run &&
		    m->chunk.view < receive->view) {
			return;			/* of a view that is over */
		}
		if (m->chunk.offset != 0) {
			go_back(r, m, 0);
			return;
		}
		begin(r, m, &c);
	}
	receive->request = m->request;
	if (m->chunk.offset > receive->taken) {
		go_back(r, m, receive->taken);
		return;
	}
	if (m->chunk.offset < receive->taken) {
		narrate_sent(r, reply_to(r, receive));	/* known */
		return;
	}
	receive->taken += m->chunk.size;
	r->update->chunk = &m->chunk;
	r->update->receive_id = receive->id;
}

void
install_received(struct raft *r, uint64_t id, uint64_t offset, bool complete,
    bool failed)
{
	struct receive *receive = &r->receive;
	struct raft_message *reply;

	if (id != receive->id || id == 0) {
		return;			/* given up since */
	}
	if (failed) {
		TELL(r, RAFT_TELL_SNAPSHOT, "the snapshot at %" PRIu64
		    " cannot be used here -> Node %" PRIu32 " begins anew",
		    receive->snapshot.index, r->config.id);
		receive->written = 0;
		reply = reply_to(r, receive);
		reply->reject = true;
		narrate_sent(r, reply);
		forget(r);
		return;
	}
	if (offset > receive->taken || (complete && offset != receive->total)) {
		raft_latch(r, "%" PRIu64 " bytes of a snapshot are reported "
		    "written, %" PRIu64 " of %" PRIu64 " were given out",
		    offset, receive->taken, receive->total);
		return;
	}
	if (offset > receive->written) {
		receive->written = offset;
	}
	receive->complete = receive->complete || complete;
	if (!complete) {
		narrate_sent(r, reply_to(r, receive));
	}
}

/* What is complete becomes the state, or is not needed. */
void
install_advance(struct raft *r)
{
	struct receive *receive = &r->receive;

	if (receive->id == 0) {
		return;
	}
	if (r->role == RAFT_LEADER ||
	    receive->snapshot.index <= r->commit_index) {
		if (receive->complete && r->role == RAFT_FOLLOWER) {
			reply_done(r, receive);
		}
		TELL(r, RAFT_TELL_SNAPSHOT, "the log of Node %" PRIu32 " goes "
		    "beyond the snapshot at %" PRIu64 " -> forgotten",
		    r->config.id, receive->snapshot.index);
		forget(r);
		return;
	}
	if (receive->complete && r->role == RAFT_FOLLOWER &&
	    r->update->entries == NULL && r->update->truncate_from == 0 &&
	    r->update->snapshot == NULL) {
		install(r);
	}
}

/* Foreign bytes: NULL, or what is wrong with them. */
static const char *
malformed(const struct raft_message *m, struct raft_configuration *c)
{
	const struct raft_chunk *chunk = &m->chunk;

	if (m->index == 0 || m->index == UINT64_MAX || m->log_term == 0 ||
	    m->log_term > m->term) {
		return "its snapshot has no place in a log";
	}
	if (chunk->view == 0 || chunk->data == NULL || chunk->size == 0 ||
	    chunk->size > RAFT_CHUNK_SIZE_MAX ||
	    chunk->offset > chunk->total ||
	    chunk->size > chunk->total - chunk->offset) {
		return "its chunk is no part of a snapshot";
	}
	if (chunk->configuration_index > m->index ||
	    raft_configuration_decode(c, chunk->configuration,
	    chunk->configuration_size) != ERR_OK) {
		return "its configuration is damaged";
	}
	c->index = chunk->configuration_index;
	return NULL;
}

static bool
is_of(const struct receive *receive, const struct raft_message *m)
{
	return receive->from == m->from && receive->from_run == m->from_run &&
	    receive->view == m->chunk.view &&
	    receive->snapshot.index == m->index &&
	    receive->snapshot.term == m->log_term &&
	    receive->total == m->chunk.total;
}

static void
begin(struct raft *r, const struct raft_message *m,
    const struct raft_configuration *c)
{
	r->receive = (struct receive){
		.id = ++r->receive_last,
		.from = m->from,
		.from_run = m->from_run,
		.from_store = m->from_store,
		.view = m->chunk.view,
		.total = m->chunk.total,
		.snapshot = {
			.index = m->index,
			.term = m->log_term,
			.configuration = *c,
		},
	};
	memcpy(r->receive.snapshot.chain, m->chunk.chain, RAFT_CHAIN_SIZE);
	TELL(r, RAFT_TELL_SNAPSHOT, "Node %" PRIu32 " receives the snapshot at "
	    "%" PRIu64 " of term %" PRIu64 " from Node %" PRIu32 ", %" PRIu64
	    " bytes", r->config.id, m->index, m->log_term, m->from,
	    m->chunk.total);
}

static void
forget(struct raft *r)
{
	r->update->receive_forget = r->receive.id;
	memset(&r->receive, 0, sizeof(r->receive));
}

/*
 * Dissertation, Figure 5.3: with an entry of that index and term the log goes
 * on after the snapshot; else nothing of it is known to agree (T50).
 */
static void
install(struct raft *r)
{
	struct receive *receive = &r->receive;
	uint64_t index = receive->snapshot.index;
	uint64_t term = receive->snapshot.term;
	bool goes_on = history_has(&r->log, index, term);

	r->log_seq = persist_begin(r);
	r->snapshot = receive->snapshot;
	r->update->snapshot = &r->snapshot;
	r->update->install_id = receive->id;
	r->update->drop_log = !goes_on;
	if (!goes_on) {
		history_init(&r->log, index + 1, term);
		r->durable_index = 0;		/* the old log still is */
		append_cut(r, 1);
		r->kept_from = index + 1;
	}
	r->commit_index = index;
	r->applied_index = index;
	TELL(r, RAFT_TELL_SNAPSHOT, "the snapshot at %" PRIu64 " of term %"
	    PRIu64 " is complete -> Node %" PRIu32 " installs it, and %s",
	    index, term, r->config.id, goes_on ? "its log goes on" :
	    "drops its log");
	configuration_install(r, &r->snapshot.configuration, goes_on);
	reply_done(r, receive);
	memset(receive, 0, sizeof(*receive));
}

static struct raft_message *
reply_to(struct raft *r, const struct receive *receive)
{
	struct raft_message request = {
		.type = RAFT_INSTALL,
		.from = receive->from,
		.from_run = receive->from_run,
		.from_store = receive->from_store,
		.request = receive->request,
	}, *reply;

	reply = message_reply(r, &request);
	reply->index = receive->snapshot.index;
	reply->hint_index = receive->written;
	reply->hint_term = receive->view;
	reply->after_seq = persist_after(r, r->hard_seq);
	return reply;
}

/* All up to the snapshot is here: as durable as an acknowledged entry. */
static void
reply_done(struct raft *r, const struct receive *receive)
{
	struct raft_message *reply = reply_to(r, receive);
	uint64_t seq = r->hard_seq;

	reply->done = true;
	if (receive->snapshot.index > r->durable_index && r->log_seq > seq) {
		seq = r->log_seq;
	}
	reply->after_seq = persist_after(r, seq);
	narrate_sent(r, reply);
}

static void
go_back(struct raft *r, const struct raft_message *m, uint64_t offset)
{
	struct raft_message *reply = message_reply(r, m);

	reply->reject = true;
	reply->index = m->index;
	reply->hint_index = offset;
	reply->hint_term = m->chunk.view;
	reply->after_seq = persist_after(r, r->hard_seq);
	narrate_sent(r, reply);
}
