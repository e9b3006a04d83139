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
	uint64_t lines;
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
	[TLA_SEND_APPEND] = "SendAppendEntriesRequest",
	[TLA_SEND_APPEND_REPLY] = "SendAppendEntriesResponse",
	[TLA_SEND_VOTE] = "SendRequestVoteRequest",
	[TLA_SEND_VOTE_REPLY] = "SendRequestVoteResponse",
	[TLA_RECEIVE_APPEND] = "ReceiveAppendEntriesRequest",
	[TLA_RECEIVE_APPEND_REPLY] = "ReceiveAppendEntriesResponse",
	[TLA_RECEIVE_VOTE] = "ReceiveRequestVoteRequest",
	[TLA_RECEIVE_VOTE_REPLY] = "ReceiveRequestVoteResponse",
};

/* A message in the specification's numbers. */
struct wire {
	const char *type;
	uint64_t term, from, to, entries, log_term, index, commit, hint;
	bool reject;
};

static void	write_line(struct writer *, const struct tla_line *,
		    const struct wire *);
static void	put_ids(struct json *, uint32_t count);
static void	put_wire(struct json *, const struct wire *);
static struct wire wire_of(const struct writer *, const struct tla_message *);
static struct wire wire_to_self(const struct writer *,
		    const struct tla_line *);
static void	apply_part(const struct writer *, struct wire *,
		    const struct tla_message *, const struct tla_part *);

uint64_t
tla_write(const struct sim_world *world, FILE *file, bool *ended)
{
	const struct sim_tla *tla = world->tla;
	struct writer w = { .world = world, .tla = tla, .file = file };
	const struct tla_line *l;
	const struct tla_message *m;
	struct wire wire;
	uint32_t copy;
	size_t i, j;

	for (i = 0; i < tla->lines.count; i++) {
		l = &tla->lines.lines[i];
		if (l->message == 0) {
			wire = wire_to_self(&w, l);
			write_line(&w, l, wire.type == NULL ? NULL : &wire);
			continue;
		}
		m = &tla->messages[l->message - 1];
		wire = wire_of(&w, m);
		if (l->is_part) {
			apply_part(&w, &wire, m, &l->part);
		}
		write_line(&w, l, &wire);
		if (l->name != TLA_SEND_APPEND && l->name != TLA_SEND_VOTE) {
			continue;
		}
		for (copy = 1; copy < m->copies; copy++) {
			write_line(&w, l, &wire);
		}
		for (j = 0; j < tla->part_count; j++) {
			if (tla->parts[j].message == l->message) {
				wire = wire_of(&w, m);
				apply_part(&w, &wire, m, &tla->parts[j]);
				write_line(&w, l, &wire);
			}
		}
	}
	*ended = tla->ended;
	return w.lines;
}

static void
write_line(struct writer *w, const struct tla_line *l,
    const struct wire *wire)
{
	uint32_t nodes = w->world->plan.nodes;
	/* A new node has no configuration until it is told. */
	bool is_new = w->lines < 3 * nodes && l->name != TLA_BECOME_FOLLOWER;
	struct json json;
	char id[12];

	json_init(&json, w->file);
	json_begin_object(&json, NULL);
	json_put_string(&json, "tag", "trace");
	json_begin_object(&json, "event");
	json_put_string(&json, "name", names[l->name]);
	snprintf(id, sizeof(id), "%u", l->node);
	json_put_string(&json, "nid", id);
	json_begin_object(&json, "state");
	json_put_u64(&json, "term", l->state.term + 1);
	snprintf(id, sizeof(id), "%u", l->state.vote);
	json_put_string(&json, "vote", id);
	json_put_u64(&json, "commit", l->state.commit + nodes);
	json_end_object(&json);
	json_put_string(&json, "role",
	    l->state.role == RAFT_LEADER ? "StateLeader" :
	    l->state.role == RAFT_CANDIDATE ? "StateCandidate" :
	    "StateFollower");
	json_put_u64(&json, "log", l->state.last + nodes);
	json_begin_array(&json, "conf");
	json_begin_array(&json, NULL);
	put_ids(&json, is_new ? 0 : nodes);
	json_end_array(&json);
	json_begin_array(&json, NULL);
	json_end_array(&json);
	json_end_array(&json);
	if (wire != NULL) {
		put_wire(&json, wire);
	}
	if (l->name == TLA_APPLY_CONF_CHANGE) {
		json_begin_object(&json, "prop");
		json_begin_object(&json, "cc");
		json_begin_array(&json, "newconf");
		put_ids(&json, nodes);
		json_end_array(&json);
		json_end_object(&json);
		json_end_object(&json);
	}
	json_end_object(&json);
	json_end_object(&json);
	putc('\n', w->file);
	w->lines++;
}

static void
put_ids(struct json *json, uint32_t count)
{
	char id[12];
	uint32_t i;

	for (i = 1; i <= count; i++) {
		snprintf(id, sizeof(id), "%u", i);
		json_put_string(json, NULL, id);
	}
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
	uint64_t nodes = w->world->plan.nodes, last;
	struct wire wire = {
		.term = m->term + 1, .from = m->from, .to = m->to,
		.reject = m->reject,
	};

	switch (m->type) {
	case RAFT_VOTE:
		wire.type = "MsgVote";
		wire.index = m->index + nodes;
		wire.log_term = m->log_term + 1;
		break;
	case RAFT_VOTE_REPLY:
		wire.type = "MsgVoteResp";
		break;
	case RAFT_APPEND:
		wire.type = "MsgApp";
		wire.index = m->index + nodes;
		wire.log_term = m->log_term + 1;
		wire.entries = m->entry_count;
		last = m->index + m->entry_count;
		wire.commit = (m->commit < last ? m->commit : last) + nodes;
		break;
	case RAFT_APPEND_REPLY:
		wire.type = "MsgAppResp";
		wire.index = m->index + nodes;
		wire.hint = m->reject ? m->hint_index + nodes : 0;
		break;
	case RAFT_HEARTBEAT:
		wire.type = "MsgHeartbeat";
		wire.commit = message->commit == 0 ? 0 :
		    message->commit - 1 + nodes;
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
		wire.index = l->self_index + w->world->plan.nodes;
	}
	return wire;
}

static void
apply_part(const struct writer *w, struct wire *wire,
    const struct tla_message *m, const struct tla_part *part)
{
	uint64_t skipped = part->index - m->message.index;

	wire->index = part->index + w->world->plan.nodes;
	wire->log_term = part->log_term + 1;
	wire->entries = m->message.entry_count - skipped;
}
