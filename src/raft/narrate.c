/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The story: one line for each decision, into the sink of the configuration.
 * Messages are told at the level `rpc`, except the requests for votes, which
 * everybody who studies an election wants to see.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "raft/core.h"

static void describe(const struct raft *, const struct raft_message *, char *,
	    size_t);
static void describe_lease(const struct raft *, const struct raft_message *,
	    char *, size_t);
static const char *rpc_name(enum raft_message_type);

void
narrate(const struct raft *r, enum raft_tell kind, const char *fmt, ...)
{
	char text[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->config.tell(r->config.tell_arg, kind, text);
}

void
narrate_sent(const struct raft *r, const struct raft_message *m)
{
	char text[200];

	if (r->config.tell == NULL) {
		return;
	}
	if (m->type == RAFT_VOTE) {
		narrate(r, RAFT_TELL_ELECTION, "Node %" PRIu32 " sends RPC "
		    "RequestVote to Node %" PRIu32, m->from, m->to);
	}
	if (!r->config.tell_rpc) {
		return;
	}
	describe(r, m, text, sizeof(text));
	narrate(r, RAFT_TELL_RPC, "Node %" PRIu32 " sends RPC %s to Node %"
	    PRIu32 ": %s", m->from, rpc_name(m->type), m->to, text);
}

void
narrate_received(const struct raft *r, const struct raft_message *m)
{
	char text[200];

	if (r->config.tell == NULL || !r->config.tell_rpc) {
		return;
	}
	describe(r, m, text, sizeof(text));
	narrate(r, RAFT_TELL_RPC, "Node %" PRIu32 " receives RPC %s from "
	    "Node %" PRIu32 ": %s", m->to, rpc_name(m->type), m->from, text);
}

const char *
narrate_set(const struct quorum_set *set, char *text, size_t size)
{
	uint32_t sorted[RAFT_SERVERS_MAX], i, j, id;
	size_t length = 0;
	int n;

	for (i = 0; i < set->count; i++) {
		id = set->ids[i];
		for (j = i; j > 0 && sorted[j - 1] > id; j--) {
			sorted[j] = sorted[j - 1];
		}
		sorted[j] = id;
	}
	text[0] = '\0';
	for (i = 0; i < set->count && length < size; i++) {
		n = snprintf(text + length, size - length, "%s%" PRIu32,
		    i == 0 ? "" : ", ", sorted[i]);
		length += n > 0 ? (size_t)n : 0;
	}
	return text;
}

const char *
narrate_configuration(const struct raft_configuration *c, char *text,
    size_t size)
{
	static const struct {
		uint32_t suffrage;
		const char *name;
	} kinds[] = {
		{ RAFT_VOTER, "voters" },
		{ RAFT_VOTER_OLD, " (joint), before voters" },
		{ RAFT_LEARNER, ", learners" },
	};
	struct quorum_set set;
	char ids[RAFT_SERVERS_MAX * 12];
	size_t length = 0, k;
	uint32_t i;
	int n;

	text[0] = '\0';
	for (k = 0; k < COUNT_OF(kinds) && length < size; k++) {
		quorum_set_clear(&set);
		for (i = 0; i < c->count; i++) {
			if ((c->servers[i].suffrage & kinds[k].suffrage) !=
			    0) {
				quorum_set_add(&set, c->servers[i].id);
			}
		}
		if (set.count > 0) {
			n = snprintf(text + length, size - length, "%s %s",
			    kinds[k].name,
			    narrate_set(&set, ids, sizeof(ids)));
			length += n > 0 ? (size_t)n : 0;
		}
	}
	return text;
}

const char *
raft_role_name(enum raft_role role)
{
	switch (role) {
	case RAFT_FOLLOWER:
		return "follower";
	case RAFT_PRECANDIDATE:
		return "precandidate";
	case RAFT_CANDIDATE:
		return "candidate";
	case RAFT_LEADER:
		return "leader";
	}
	return "unknown";
}

const char *
raft_message_type_name(enum raft_message_type type)
{
	switch (type) {
	case RAFT_PRE_VOTE:
		return "pre-vote";
	case RAFT_PRE_VOTE_REPLY:
		return "pre-vote-reply";
	case RAFT_VOTE:
		return "vote";
	case RAFT_VOTE_REPLY:
		return "vote-reply";
	case RAFT_APPEND:
		return "append";
	case RAFT_APPEND_REPLY:
		return "append-reply";
	case RAFT_HEARTBEAT:
		return "heartbeat";
	case RAFT_HEARTBEAT_REPLY:
		return "heartbeat-reply";
	case RAFT_INSTALL:
		return "install";
	case RAFT_INSTALL_REPLY:
		return "install-reply";
	case RAFT_TIMEOUT_NOW:
		return "timeout-now";
	}
	return "unknown";
}

static void
describe(const struct raft *r, const struct raft_message *m, char *text,
    size_t size)
{
	uint64_t last = m->index + m->entry_count;
	char lease[64];

	describe_lease(r, m, lease, sizeof(lease));
	switch (m->type) {
	case RAFT_PRE_VOTE:
	case RAFT_VOTE:
		snprintf(text, size, "term %" PRIu64 ", log ends at %" PRIu64
		    " of term %" PRIu64 "%s", m->term, m->index, m->log_term,
		    m->leader_dead ? ", its leader is dead" : "");
		return;
	case RAFT_PRE_VOTE_REPLY:
	case RAFT_VOTE_REPLY:
	case RAFT_HEARTBEAT_REPLY:
		snprintf(text, size, "term %" PRIu64 ", %s%s", m->term,
		    m->reject ? "no" : "yes", lease);
		return;
	case RAFT_APPEND:
		if (m->entry_count == 0) {
			snprintf(text, size, "term %" PRIu64 ", nothing after "
			    "%" PRIu64 " of term %" PRIu64 ", commit %" PRIu64,
			    m->term, m->index, m->log_term, m->commit);
			return;
		}
		snprintf(text, size, "term %" PRIu64 ", entries %" PRIu64 "-%"
		    PRIu64 " after term %" PRIu64 ", commit %" PRIu64,
		    m->term, m->index + 1, last, m->log_term, m->commit);
		return;
	case RAFT_APPEND_REPLY:
		if (!m->reject) {
			snprintf(text, size, "term %" PRIu64 ", yes up to %"
			    PRIu64, m->term, m->index);
			return;
		}
		snprintf(text, size, "term %" PRIu64 ", no to %" PRIu64
		    ", try %" PRIu64 " of term %" PRIu64, m->term, m->index,
		    m->hint_index, m->hint_term);
		return;
	case RAFT_HEARTBEAT:
		snprintf(text, size, "term %" PRIu64 ", commit %" PRIu64 "%s",
		    m->term, m->commit, lease);
		return;
	case RAFT_INSTALL:
		snprintf(text, size, "term %" PRIu64 ", snapshot %" PRIu64
		    " of term %" PRIu64 ", %" PRIu32 " bytes at %" PRIu64
		    " of %" PRIu64, m->term, m->index, m->log_term,
		    m->chunk.size, m->chunk.offset, m->chunk.total);
		return;
	case RAFT_INSTALL_REPLY:
		snprintf(text, size, "term %" PRIu64 ", snapshot %" PRIu64
		    "%s %" PRIu64, m->term, m->index,
		    m->done ? " is in place after" : m->reject ?
		    ", go back to" : ", go on from", m->hint_index);
		return;
	case RAFT_TIMEOUT_NOW:
		snprintf(text, size, "term %" PRIu64, m->term);
		return;
	}
	text[0] = '\0';
}

/* "", or what it says of promises; a vote may tell of several. */
static void
describe_lease(const struct raft *r, const struct raft_message *m,
    char *text, size_t size)
{
	const struct raft_promise *p = m->promises;
	uint64_t end_ns = m->lease_end_ns;

	text[0] = '\0';
	if (m->promise_count > 0) {
		snprintf(text, size, ", has promised Node %" PRIu32 " %" PRIu64
		    " ms%s", p->leader, p->end_ns > r->now_ns ?
		    (p->end_ns - r->now_ns) / 1000000 : 0,
		    m->promise_count > 1 ? " and others" : "");
	} else if (end_ns != 0) {
		snprintf(text, size, ", lease %" PRIu64 " ms",
		    end_ns > r->now_ns ? (end_ns - r->now_ns) / 1000000 : 0);
	}
}

static const char *
rpc_name(enum raft_message_type type)
{
	static const char *const names[] = {
		[RAFT_PRE_VOTE] = "PreVote",
		[RAFT_PRE_VOTE_REPLY] = "PreVote reply",
		[RAFT_VOTE] = "RequestVote",
		[RAFT_VOTE_REPLY] = "RequestVote reply",
		[RAFT_APPEND] = "AppendEntries",
		[RAFT_APPEND_REPLY] = "AppendEntries reply",
		[RAFT_HEARTBEAT] = "heartbeat",
		[RAFT_HEARTBEAT_REPLY] = "heartbeat reply",
		[RAFT_INSTALL] = "InstallSnapshot",
		[RAFT_INSTALL_REPLY] = "InstallSnapshot reply",
		[RAFT_TIMEOUT_NOW] = "TimeoutNow",
	};

	return names[type];
}
