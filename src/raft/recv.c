/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages: whose they are, what their term says, and who handles them.
 *
 * Identity first: a message of another cluster, of a former run of its
 * sender, or meant for a former run of this node is dropped and counted; so
 * is a reply to a question that was asked in another role or term.  Then the
 * term (paper, Figure 2, "Rules for Servers"): a higher one makes a follower,
 * a lower one is answered with ours (requests) or dropped (replies, T05).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "raft/core.h"

static const char *foreign(const struct raft *, const struct raft_message *);
static bool is_reply(enum raft_message_type);
static bool look_at_term(struct raft *, const struct raft_message *);
static void note_run(struct raft *, const struct raft_message *);

void
recv_message(struct raft *r, const struct raft_message *m)
{
	const char *why = foreign(r, m);

	if (why != NULL) {
		r->dropped++;
		TELL(r, RAFT_TELL_RPC, "Node %" PRIu32 " drops a message from "
		    "Node %" PRIu32 ": %s", r->config.id, m->from, why);
		return;
	}
	narrate_received(r, m);
	note_run(r, m);
	if (m->removed && m->reject && (m->type == RAFT_PRE_VOTE_REPLY ||
	    m->type == RAFT_VOTE_REPLY)) {
		elect_recv_removed(r, m);
	}
	if (!look_at_term(r, m)) {
		return;
	}
	switch (m->type) {
	case RAFT_PRE_VOTE:
	case RAFT_VOTE:
		elect_recv_request(r, m);
		break;
	case RAFT_PRE_VOTE_REPLY:
	case RAFT_VOTE_REPLY:
		elect_recv_reply(r, m);
		break;
	case RAFT_APPEND:
		append_recv(r, m);
		break;
	case RAFT_HEARTBEAT:
		append_recv_heartbeat(r, m);
		break;
	case RAFT_APPEND_REPLY:
		replicate_recv_append_reply(r, m);
		break;
	case RAFT_HEARTBEAT_REPLY:
		replicate_recv_heartbeat_reply(r, m);
		break;
	case RAFT_TIMEOUT_NOW:
		transfer_recv(r, m);
		break;
	case RAFT_INSTALL:
		install_recv(r, m);
		break;
	case RAFT_INSTALL_REPLY:
		replicate_recv_install_reply(r, m);
		break;
	}
}

/* NULL: it is for us, from who the sender is now. */
static const char *
foreign(const struct raft *r, const struct raft_message *m)
{
	if (m->cluster_id != r->config.cluster_id) {
		return "it belongs to another cluster";
	}
	if (m->type < RAFT_PRE_VOTE || m->type > RAFT_MESSAGE_TYPE_MAX) {
		return "its type is unknown";
	}
	if (m->to != r->config.id || m->from == 0 ||
	    m->from == r->config.id || m->from_run == 0) {
		return "it is not addressed to this node by another";
	}
	if (m->term == 0 && !is_reply(m->type)) {
		return "it has no term";
	}
	if (m->from_run < sighting_run(r, m->from)) {
		return "its sender's run is over";
	}
	if (m->to_run != r->config.run &&
	    (m->to_run != 0 || is_reply(m->type))) {
		return "it is meant for another run of this node";
	}
	if (m->to_store != 0 && m->to_store != r->config.store_id) {
		return "it is meant for another store";
	}
	if (is_reply(m->type) && (m->request < r->request_floor ||
	    m->request > r->request)) {
		return "it answers what is no longer asked";
	}
	return NULL;
}

static bool
is_reply(enum raft_message_type type)
{
	switch (type) {
	case RAFT_PRE_VOTE_REPLY:
	case RAFT_VOTE_REPLY:
	case RAFT_APPEND_REPLY:
	case RAFT_HEARTBEAT_REPLY:
	case RAFT_INSTALL_REPLY:
		return true;
	case RAFT_PRE_VOTE:
	case RAFT_VOTE:
	case RAFT_APPEND:
	case RAFT_HEARTBEAT:
	case RAFT_INSTALL:
	case RAFT_TIMEOUT_NOW:
		break;
	}
	return false;
}

static void
note_run(struct raft *r, const struct raft_message *m)
{
	struct sighting *s = sighting_make(r, m->from);

	if (m->from_run != s->run) {
		if (s->run != 0) {
			TELL(r, RAFT_TELL_DEATH, "Node %" PRIu32 " was "
			    "started again (run %" PRIu64 ")", m->from,
			    m->from_run);
			replicate_restarted(r, m->from);
		}
		s->run = m->from_run;
		s->term = 0;
	}
	/* A pre-vote, asked or granted, names a term not entered yet. */
	if (m->term > s->term && m->type != RAFT_PRE_VOTE &&
	    (m->type != RAFT_PRE_VOTE_REPLY || m->reject)) {
		s->term = m->term;
	}
}

/* False: nothing is left to do with the message. */
static bool
look_at_term(struct raft *r, const struct raft_message *m)
{
	char reason[80];
	struct raft_message *reply;

	if (m->term > r->hard.term) {
		/*
		 * Requests for votes look at loyalty first; a granted
		 * pre-vote names a term that nobody has entered (T22); a
		 * leader's messages are handled where leaders are followed.
		 */
		if (!is_reply(m->type) ||
		    (m->type == RAFT_PRE_VOTE_REPLY && !m->reject)) {
			return true;
		}
		snprintf(reason, sizeof(reason),
		    "Node %" PRIu32 " answers from it", m->from);
		become_follower(r, m->term, 0, 0, reason);
		return false;
	}
	if (m->term == r->hard.term) {
		return true;
	}
	switch (m->type) {
	case RAFT_PRE_VOTE:
	case RAFT_VOTE:
		return true;		/* refused there, with the reason */
	case RAFT_PRE_VOTE_REPLY:
		return m->reject;	/* any refusal counts as one */
	case RAFT_APPEND:
	case RAFT_HEARTBEAT:
	case RAFT_INSTALL:
		TELL(r, RAFT_TELL_RPC, "Node %" PRIu32 " leads in term %"
		    PRIu64 ", which is over -> told so", m->from, m->term);
		reply = message_reply(r, m);
		reply->reject = true;
		reply->index = m->index;
		reply->after_seq = persist_after(r, r->hard_seq);
		narrate_sent(r, reply);
		return false;
	case RAFT_VOTE_REPLY:
	case RAFT_APPEND_REPLY:
	case RAFT_HEARTBEAT_REPLY:
	case RAFT_INSTALL_REPLY:
	case RAFT_TIMEOUT_NOW:
		break;
	}
	return false;
}
