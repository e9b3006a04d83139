/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tla.c recorded, one JSON object a line.
 *
 * Only here indexes and terms become those of the specification.  A message
 * that was received more often than once is sent as often, where it was sent.
 */
#include "base/json.h"
#include "sim/tla.h"

struct writer {
	const struct sim_world *world;
	const struct sim_tla *tla;
	FILE *file;
	uint64_t first;		/* entries of the beginning */
	struct tla_summary *summary;
};

static const char *const names[] = {
	[TLA_INIT_STATE] = "InitState",
	[TLA_APPLY_CONF_CHANGE] = "ApplyConfChange",
	[TLA_BECOME_FOLLOWER] = "BecomeFollower",
	[TLA_BECOME_CANDIDATE] = "BecomeCandidate",
	[TLA_BECOME_LEADER] = "BecomeLeader",
	[TLA_REPLICATE] = "Replicate",
	[TLA_COMMIT] = "Commit",
	[TLA_READY] = "Ready",
	[TLA_CHANGE_CONF] = "ChangeConf",
	[TLA_SEND_APPEND] = "SendAppendEntriesRequest",
	[TLA_SEND_APPEND_REPLY] = "SendAppendEntriesResponse",
	[TLA_SEND_VOTE] = "SendRequestVoteRequest",
	[TLA_SEND_VOTE_REPLY] = "SendRequestVoteResponse",
	[TLA_RECEIVE_APPEND] = "ReceiveAppendEntriesRequest",
	[TLA_RECEIVE_APPEND_REPLY] = "ReceiveAppendEntriesResponse",
	[TLA_RECEIVE_VOTE] = "ReceiveRequestVoteRequest",
	[TLA_RECEIVE_VOTE_REPLY] = "ReceiveRequestVoteResponse",
};

static const char *const changes[] = {
	[TLA_ADD_SERVER] = "AddNewServer",
	[TLA_ADD_LEARNER] = "AddLearner",
	[TLA_REMOVE_SERVER] = "RemoveServer",
};

/* A message in the specification's numbers. */
struct wire {
	const char *type;
	uint64_t term, from, to, entries, log_term, index, commit, hint;
	bool reject;
};

static void	write_whole(struct writer *, const struct tla_line *);
static bool	write_parts(struct writer *, const struct tla_line *);
static void	write_line(struct writer *, const struct tla_line *,
		    const struct wire *);
static void	put_state(const struct writer *, struct json *,
		    const struct tla_line *);
static void	put_change(const struct writer *, struct json *,
		    const struct tla_line *);
static void	put_ids(struct json *, const char *, uint32_t);
static void	put_wire(struct json *, const struct wire *);
static struct wire wire_of(const struct writer *, const struct tla_message *);
static struct wire wire_to_self(const struct writer *,
		    const struct tla_line *);
static void	apply_part(const struct writer *, struct wire *,
		    const struct tla_message *, const struct tla_part *);

void
tla_write(const struct sim_world *world, FILE *file,
    struct tla_summary *summary)
{
	const struct sim_tla *tla = world->tla;
	struct writer w = {
		.world = world, .tla = tla, .file = file,
		.first = world->plan.voters, .summary = summary,
	};
	size_t i;

	*summary = (struct tla_summary){ .ended = tla->ended };
	for (i = 0; i < tla->lines.count; i++) {
		if (!tla->lines.lines[i].if_part) {
			write_whole(&w, &tla->lines.lines[i]);
		}
		(void)write_parts(&w, &tla->lines.lines[i]);
	}
}

static void
write_whole(struct writer *w, const struct tla_line *l)
{
	const struct tla_message *m;
	struct wire wire;
	uint32_t copy;

	if (l->message == 0) {
		wire = wire_to_self(w, l);
		write_line(w, l, wire.type == NULL ? NULL : &wire);
		return;
	}
	m = &w->tla->messages[l->message - 1];
	wire = wire_of(w, m);
	if (l->is_part) {
		apply_part(w, &wire, m, &l->part);
	}
	write_line(w, l, &wire);
	if (l->name == TLA_SEND_APPEND || l->name == TLA_SEND_VOTE) {
		for (copy = 1; copy < m->copies; copy++) {
			write_line(w, l, &wire);
		}
	}
	if (l->is_part && m->message.type == RAFT_INSTALL) {
		w->summary->installs++;
		w->summary->snapshots += l->part.whole;
	}
}

/* Where the message was sent, those that were received in its place. */
static bool
write_parts(struct writer *w, const struct tla_line *l)
{
	const struct tla_message *m;
	struct wire wire;
	bool any = false;
	size_t i;

	for (i = 0; i < w->tla->part_count && l->message != 0; i++) {
		if (w->tla->parts[i].message != l->message) {
			continue;
		}
		any = true;
		if (l->name == TLA_SEND_APPEND) {
			m = &w->tla->messages[l->message - 1];
			wire = wire_of(w, m);
			apply_part(w, &wire, m, &w->tla->parts[i]);
			write_line(w, l, &wire);
		}
	}
	if (any && l->name == TLA_READY) {
		write_line(w, l, NULL);
	}
	return any;
}

static void
write_line(struct writer *w, const struct tla_line *l,
    const struct wire *wire)
{
	struct json json;
	char id[12];

	json_init(&json, w->file);
	json_begin_object(&json, NULL);
	json_put_string(&json, "tag", "trace");
	json_begin_object(&json, "event");
	json_put_string(&json, "name", names[l->name]);
	snprintf(id, sizeof(id), "%u", l->node);
	json_put_string(&json, "nid", id);
	put_state(w, &json, l);
	if (wire != NULL) {
		put_wire(&json, wire);
	}
	if (l->name == TLA_APPLY_CONF_CHANGE || l->name == TLA_CHANGE_CONF) {
		put_change(w, &json, l);
	}
	json_end_object(&json);
	json_end_object(&json);
	putc('\n', w->file);
	w->summary->lines++;
}

static void
put_state(const struct writer *w, struct json *json, const struct tla_line *l)
{
	const struct tla_state *state = &l->state;
	uint64_t first = state->empty ? 0 : w->first;
	char id[12];

	json_begin_object(json, "state");
	json_put_u64(json, "term", state->empty && state->term == 0 ? 0 :
	    state->term + 1);
	snprintf(id, sizeof(id), "%u", state->vote);
	json_put_string(json, "vote", id);
	json_put_u64(json, "commit", state->commit + first);
	json_end_object(json);
	json_put_string(json, "role",
	    state->role == RAFT_LEADER ? "StateLeader" :
	    state->role == RAFT_CANDIDATE ? "StateCandidate" :
	    "StateFollower");
	json_put_u64(json, "log", state->last + first);
	json_begin_array(json, "conf");
	put_ids(json, NULL, state->conf.voters);
	put_ids(json, NULL, 0);
	json_end_array(json);
}

static void
put_change(const struct writer *w, struct json *json,
    const struct tla_line *l)
{
	char id[12];

	json_begin_object(json, "prop");
	json_begin_object(json, "cc");
	if (l->name == TLA_CHANGE_CONF) {
		w->summary->changes++;
		snprintf(id, sizeof(id), "%u", l->subject);
		json_begin_array(json, "changes");
		json_begin_object(json, NULL);
		json_put_string(json, "nid", id);
		json_put_string(json, "action", changes[l->change]);
		json_end_object(json);
		json_end_array(json);
	} else if (l->state.conf.voters == 0) {
		/* A new node has none until it is told the first one. */
		put_ids(json, "newconf", w->tla->conf.voters);
	} else {
		w->summary->applied++;
		put_ids(json, "newconf", l->state.conf.voters);
	}
	json_end_object(json);
	json_end_object(json);
}

static void
put_ids(struct json *json, const char *name, uint32_t set)
{
	char id[12];
	uint32_t i;

	json_begin_array(json, name);
	for (i = 1; i <= SIM_NODES_MAX; i++) {
		if ((set >> i & 1) != 0) {
			snprintf(id, sizeof(id), "%u", i);
			json_put_string(json, NULL, id);
		}
	}
	json_end_array(json);
}

static void
put_wire(struct json *json, const struct wire *wire)
{
	char id[24];

	json_begin_object(json, "msg");
	json_put_string(json, "type", wire->type);
	json_put_u64(json, "term", wire->term);
	snprintf(id, sizeof(id), "%llu", (unsigned long long)wire->from);
	json_put_string(json, "from", id);
	snprintf(id, sizeof(id), "%llu", (unsigned long long)wire->to);
	json_put_string(json, "to", id);
	json_put_u64(json, "entries", wire->entries);
	json_put_u64(json, "logTerm", wire->log_term);
	json_put_u64(json, "index", wire->index);
	json_put_u64(json, "commit", wire->commit);
	json_put_string(json, "vote", "0");
	json_put_bool(json, "reject", wire->reject);
	json_put_u64(json, "rejectHint", wire->hint);
	json_end_object(json);
}

static struct wire
wire_of(const struct writer *w, const struct tla_message *message)
{
	const struct raft_message *m = &message->message;
	uint64_t first = w->first, last;
	struct wire wire = {
		.term = m->term + 1, .from = m->from, .to = m->to,
		.reject = m->reject,
	};

	switch (m->type) {
	case RAFT_VOTE:
		wire.type = "MsgVote";
		wire.index = m->index + first;
		wire.log_term = m->log_term + 1;
		break;
	case RAFT_VOTE_REPLY:
		wire.type = "MsgVoteResp";
		break;
	case RAFT_APPEND:
		wire.type = "MsgApp";
		wire.index = m->index + first;
		wire.log_term = m->log_term + 1;
		wire.entries = m->entry_count;
		last = m->index + m->entry_count;
		wire.commit = (m->commit < last ? m->commit : last) + first;
		break;
	case RAFT_APPEND_REPLY:
		wire.type = "MsgAppResp";
		wire.index = m->index + first;
		wire.hint = m->reject ? m->hint_index + first : 0;
		break;
	case RAFT_HEARTBEAT:
		wire.type = "MsgHeartbeat";
		wire.commit = message->commit == 0 ? 0 :
		    message->commit - 1 + first;
		break;
	case RAFT_HEARTBEAT_REPLY:
		/* A leader of the past is refused in one way only. */
		wire.type = m->reject ? "MsgAppResp" : "MsgHeartbeatResp";
		break;
	default:
		break;			/* not told, so never recorded */
	}
	return wire;
}

/* type NULL: not a message at all. */
static struct wire
wire_to_self(const struct writer *w, const struct tla_line *l)
{
	struct wire wire = {
		.term = l->state.term + 1, .from = l->node, .to = l->node,
	};

	if (l->name == TLA_SEND_VOTE_REPLY ||
	    l->name == TLA_RECEIVE_VOTE_REPLY) {
		wire.type = "MsgVoteResp";
	} else if (l->name == TLA_SEND_APPEND_REPLY ||
	    l->name == TLA_RECEIVE_APPEND_REPLY) {
		wire.type = "MsgAppResp";
		wire.index = l->self_index + w->first;
	}
	return wire;
}

static void
apply_part(const struct writer *w, struct wire *wire,
    const struct tla_message *m, const struct tla_part *part)
{
	bool is_snapshot = m->message.type == RAFT_INSTALL;
	uint64_t last = w->first + m->message.index +
	    (is_snapshot ? 0 : m->message.entry_count);

	wire->index = part->whole ? 0 : part->index + w->first;
	wire->log_term = part->whole ? 0 : part->log_term + 1;
	wire->entries = last - wire->index;
	if (is_snapshot) {
		wire->type = part->whole ? "MsgSnap" : "MsgApp";
		wire->commit = part->whole ? 0 : last;
	}
}
