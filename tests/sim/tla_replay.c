/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replays traces of raftsim --trace-tla: a Raft of its own, in the words of
 * the trace's format, that looks whether each line is a step it may take.
 *
 *	tla_replay FILE...
 *
 * A line must have the fields that the format gives it and no others, the
 * state that this Raft is in, and a message that was sent and left with a
 * Ready of its sender before it is received.  It knows nothing of src/raft.
 * At the end it says what there was; exit status 1: FILE:LINE and why.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/attr.h"

#define NODES_MAX	8
#define LOG_MAX		8192

enum role { FOLLOWER, CANDIDATE, LEADER };

enum kind { VOTE, VOTE_REPLY, APPEND, APPEND_REPLY, HEARTBEAT,
	HEARTBEAT_REPLY };

static const char *const roles[] = {
	"StateFollower", "StateCandidate", "StateLeader",
};

static const char *const kinds[] = {
	"MsgVote", "MsgVoteResp", "MsgApp", "MsgAppResp", "MsgHeartbeat",
	"MsgHeartbeatResp",
};

struct message {
	enum kind kind;
	uint32_t from, to;
	uint64_t term, index, log_term, commit, entries;
	bool reject;
	uint64_t *terms;	/* of the entries */
	enum { PENDING, SENT, GONE } where;
};

struct node {
	bool known, booted;
	uint64_t term, commit, last;
	uint32_t vote;
	enum role role;
	uint64_t log[LOG_MAX + 1];	/* terms, from 1 */
	uint32_t votes;			/* set of nodes */
	uint64_t match[NODES_MAX + 1];
	struct { uint64_t term, commit, last; uint32_t vote; } durable;
	bool demoted;	/* its last line made it a follower by a message */
};

struct line {
	const char *name;
	uint32_t node;
	uint64_t term, commit, last;
	uint32_t vote;
	enum role role;
	uint64_t voters;
	bool has_message;
	struct message message;
};

static const char *file_name;
static uint64_t line_number;
static struct node nodes[NODES_MAX + 1];
static struct message *messages;
static size_t message_count, message_capacity;
static uint64_t committed[LOG_MAX + 1], committed_last;
static uint64_t elections, conflicts, restarts, refusals;

static void wrong(const char *, ...) PRINTF_LIKE(1, 2);

static void
wrong(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%" PRIu64 ": ", file_name, line_number);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void
need(bool is, const char *what)
{
	if (!is) {
		wrong("%s", what);
	}
}

/* ------------------------------------------------------------ reading */

static json_t *
member(json_t *object, const char *key, json_type type)
{
	json_t *value = json_object_get(object, key);

	if (value == NULL) {
		wrong("there is no %s", key);
	} else if (json_typeof(value) != type) {
		wrong("%s is of another type", key);
	}
	return value;
}

static uint64_t
number(json_t *object, const char *key)
{
	json_int_t value = json_integer_value(member(object, key,
	    JSON_INTEGER));

	need(value >= 0, "a number is negative");
	return (uint64_t)value;
}

static uint32_t
id_of(const char *text, bool may_be_none)
{
	need(text[0] >= (may_be_none ? '0' : '1') &&
	    text[0] <= '0' + NODES_MAX && text[1] == '\0', "a bad node");
	return (uint32_t)(text[0] - '0');
}

static uint32_t
id(json_t *object, const char *key, bool may_be_none)
{
	return id_of(json_string_value(member(object, key, JSON_STRING)),
	    may_be_none);
}

static uint32_t
one_of(const char *text, const char *const *names, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(text, names[i]) == 0) {
			return i;
		}
	}
	wrong("%s is not known", text);
	return 0;
}

static bool
read_bool(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	need(json_is_boolean(value), "reject is neither true nor false");
	return json_is_true(value);
}

/* The ids 1, 2, ... in order: how many. */
static uint64_t
read_ids(json_t *array)
{
	size_t i;

	need(json_is_array(array), "no set of nodes");
	for (i = 0; i < json_array_size(array); i++) {
		json_t *text = json_array_get(array, i);

		need(json_is_string(text) && id_of(json_string_value(text),
		    false) == i + 1, "a configuration of other nodes");
	}
	return json_array_size(array);
}

static void
read_message(json_t *msg, struct message *m)
{
	*m = (struct message){
		.kind = (enum kind)one_of(json_string_value(member(msg,
		    "type", JSON_STRING)), kinds, 6),
		.from = id(msg, "from", false),
		.to = id(msg, "to", false),
		.term = number(msg, "term"),
		.index = number(msg, "index"),
		.log_term = number(msg, "logTerm"),
		.commit = number(msg, "commit"),
		.entries = number(msg, "entries"),
		.reject = read_bool(msg, "reject"),
	};
	(void)id(msg, "vote", true);
	(void)number(msg, "rejectHint");
	need(json_object_size(msg) == 11, "a message with other fields");
}

static void
read_line(json_t *root, struct line *l)
{
	json_t *event = member(root, "event", JSON_OBJECT), *state, *conf;
	size_t fields = 6;

	need(json_object_size(root) == 2 && strcmp(json_string_value(member(
	    root, "tag", JSON_STRING)), "trace") == 0, "not of a trace");
	memset(l, 0, sizeof(*l));
	l->name = json_string_value(member(event, "name", JSON_STRING));
	l->node = id(event, "nid", false);
	state = member(event, "state", JSON_OBJECT);
	need(json_object_size(state) == 3, "a state with other fields");
	l->term = number(state, "term");
	l->vote = id(state, "vote", true);
	l->commit = number(state, "commit");
	l->last = number(event, "log");
	need(l->last <= LOG_MAX && l->commit <= l->last, "a bad log");
	l->role = (enum role)one_of(json_string_value(member(event, "role",
	    JSON_STRING)), roles, 3);
	conf = member(event, "conf", JSON_ARRAY);
	need(json_array_size(conf) == 2 &&
	    read_ids(json_array_get(conf, 1)) == 0, "a bad configuration");
	l->voters = read_ids(json_array_get(conf, 0));
	if (json_object_get(event, "msg") != NULL) {
		l->has_message = true;
		read_message(member(event, "msg", JSON_OBJECT), &l->message);
		fields++;
	}
	if (strcmp(l->name, "ApplyConfChange") == 0) {
		l->voters = read_ids(json_object_get(member(member(event,
		    "prop", JSON_OBJECT), "cc", JSON_OBJECT), "newconf"));
		fields++;
	}
	need(json_object_size(event) == fields, "an event of other fields");
	need(l->has_message == (strncmp(l->name, "Send", 4) == 0 ||
	    strncmp(l->name, "Receive", 7) == 0),
	    "a message is missing, or one too many");
}

/* ----------------------------------------------------------- the bags */

static bool
is_equal(const struct message *a, const struct message *b)
{
	if (a->kind != b->kind || a->from != b->from || a->to != b->to ||
	    a->term != b->term || a->reject != b->reject) {
		return false;
	}
	switch (a->kind) {
	case VOTE:
		return a->index == b->index && a->log_term == b->log_term;
	case APPEND:
		return a->index == b->index && a->log_term == b->log_term &&
		    a->entries == b->entries && a->commit == b->commit;
	case APPEND_REPLY:
		return a->reject || a->index == b->index;
	case HEARTBEAT:
		return a->commit == b->commit;
	case VOTE_REPLY:
	case HEARTBEAT_REPLY:
		break;
	}
	return true;
}

static void
add(const struct message *m)
{
	if (message_count == message_capacity) {
		message_capacity = 2 * message_capacity + 64;
		messages = realloc(messages,
		    message_capacity * sizeof(*messages));
		need(messages != NULL, "out of memory");
	}
	messages[message_count] = *m;
	messages[message_count++].where = PENDING;
}

/* NULL: there is none there. */
static struct message *
find(const struct message *m, int where)
{
	size_t i;

	for (i = 0; i < message_count; i++) {
		if ((int)messages[i].where == where &&
		    is_equal(&messages[i], m)) {
			return &messages[i];
		}
	}
	return NULL;
}

static void
answer(const struct message *to, enum kind kind, uint64_t index, bool reject)
{
	struct message m = {
		.kind = kind, .from = to->to, .to = to->from,
		.term = nodes[to->to].term, .index = index, .reject = reject,
	};

	add(&m);
}

/* ------------------------------------------------------------- states */

static void
compare(const struct line *l, const struct node *n)
{
	if (l->term != n->term || l->vote != n->vote || l->role != n->role ||
	    l->commit != n->commit || l->last != n->last) {
		wrong("%s of node %" PRIu32 " says %s, term %" PRIu64 " vote %"
		    PRIu32 " commit %" PRIu64 " log %" PRIu64 "; it must be "
		    "%s, term %" PRIu64 " vote %" PRIu32 " commit %" PRIu64
		    " log %" PRIu64, l->name, l->node, roles[l->role], l->term,
		    l->vote, l->commit, l->last, roles[n->role], n->term,
		    n->vote, n->commit, n->last);
	}
}

static void
set_commit(struct node *n, uint64_t index)
{
	uint64_t i;

	if (index <= n->commit) {
		return;
	}
	need(index <= n->last, "commits more than its log has");
	for (i = n->commit + 1; i <= index; i++) {
		if (i <= committed_last) {
			need(committed[i] == n->log[i],
			    "commits another entry than was committed");
		} else {
			committed[i] = n->log[i];
			committed_last = i;
		}
	}
	n->commit = index;
}

static void
boot(const struct line *l, struct node *n)
{
	uint64_t i;

	need(l->role == FOLLOWER && l->vote == 0 && l->term == 1 &&
	    l->commit == l->last && l->last == l->voters + (l->voters == 0 ?
	    l->last : 0), "a node does not begin with its configuration");
	n->known = true;
	n->term = l->term;
	n->vote = l->vote;
	n->role = l->role;
	n->last = n->commit = l->last;
	for (i = 1; i <= l->last; i++) {
		n->log[i] = committed[i] = 1;
	}
	committed_last = l->last;
	n->durable.term = n->term;
	n->durable.commit = n->commit;
	n->durable.last = n->last;
}

static void
restart(struct node *n)
{
	struct node *own = n;
	uint32_t self = (uint32_t)(own - nodes);
	size_t i;

	need(n->durable.last <= n->last, "a durable entry is gone");
	n->term = n->durable.term;
	n->vote = n->durable.vote;
	n->commit = n->durable.commit;
	n->last = n->durable.last;
	n->role = FOLLOWER;
	n->votes = 0;
	for (i = 0; i < message_count; i++) {
		if (messages[i].from == self && messages[i].where == PENDING) {
			messages[i].where = GONE;
		}
	}
	restarts++;
}

static void
ready(struct node *n)
{
	uint32_t self = (uint32_t)(n - nodes);
	size_t i;

	n->durable.term = n->term;
	n->durable.vote = n->vote;
	n->durable.commit = n->commit;
	n->durable.last = n->last;
	for (i = 0; i < message_count; i++) {
		if (messages[i].from == self && messages[i].where == PENDING) {
			messages[i].where = SENT;
		}
	}
}

/* ------------------------------------------------- receiving a message */

static void
recv_vote(struct node *n, const struct message *m)
{
	uint64_t last_term = n->log[n->last];
	bool grant = m->term == n->term &&
	    (n->vote == 0 || n->vote == m->from) &&
	    (m->log_term > last_term ||
	    (m->log_term == last_term && m->index >= n->last));

	if (grant) {
		n->vote = m->from;
	}
	answer(m, VOTE_REPLY, 0, !grant);
}

static void
recv_append(struct node *n, const struct message *m)
{
	uint64_t i, at;

	if (m->term < n->term || m->index > n->last ||
	    n->log[m->index] != m->log_term) {
		refusals++;
		answer(m, APPEND_REPLY, 0, true);
		return;
	}
	need(n->role == FOLLOWER, "an append for a leader of its term");
	if (m->index < n->commit) {
		answer(m, APPEND_REPLY, n->commit, false);
		return;
	}
	for (i = 0; i < m->entries; i++) {
		at = m->index + 1 + i;
		if (at <= n->last && n->log[at] != m->terms[i]) {
			need(at > n->commit, "a committed entry is cut");
			n->last = at - 1;
			conflicts++;
		}
		if (at > n->last) {
			n->log[at] = m->terms[i];
			n->last = at;
		}
	}
	at = m->index + m->entries;
	set_commit(n, m->commit < at ? m->commit : at);
	answer(m, APPEND_REPLY, at, false);
}

static void
receive(const struct line *l)
{
	struct node *n = &nodes[l->node];
	struct message *m = find(&l->message, SENT);

	need(l->message.to == l->node, "received by another node");
	compare(l, n);
	if (m == NULL) {
		wrong("node %" PRIu32 " receives %s from node %" PRIu32
		    ", which has not left", l->node, kinds[l->message.kind],
		    l->message.from);
		return;
	}
	m->where = GONE;
	if (m->term > n->term) {
		n->term = m->term;
		n->vote = 0;
		n->role = FOLLOWER;
		n->demoted = true;
	}
	if ((m->kind == APPEND || m->kind == HEARTBEAT) &&
	    m->term == n->term && n->role == CANDIDATE) {
		n->role = FOLLOWER;
		n->demoted = true;
	}
	if (m->kind == VOTE) {
		recv_vote(n, m);
	} else if (m->kind == APPEND) {
		recv_append(n, m);
	} else if (m->kind == HEARTBEAT && m->term < n->term) {
		answer(m, APPEND_REPLY, 0, true);
	} else if (m->kind == HEARTBEAT) {
		set_commit(n, m->commit);
		answer(m, HEARTBEAT_REPLY, 0, false);
	} else if (m->kind == VOTE_REPLY && m->term == n->term &&
	    !m->reject) {
		n->votes |= 1u << m->from;
	} else if (m->kind == APPEND_REPLY && m->term == n->term &&
	    !m->reject && n->match[m->from] < m->index) {
		n->match[m->from] = m->index;
	}
}

/* ---------------------------------------------------- sending, leading */

static void
send_append(const struct line *l)
{
	struct node *n = &nodes[l->node];
	struct message m = l->message;
	uint64_t match = n->match[m.to], last = m.index + m.entries;

	need(n->role == LEADER && m.term == n->term && m.from == l->node &&
	    m.to != l->node, "an append of none who leads");
	if (m.kind == HEARTBEAT) {
		need(m.commit == (match < n->commit ? match : n->commit),
		    "a heartbeat of another commit index");
		add(&m);
		return;
	}
	need(m.kind == APPEND && m.index >= match && last <= n->last &&
	    n->log[m.index] == m.log_term, "an append of other entries");
	need(m.commit == (n->commit < last ? n->commit : last),
	    "an append of another commit index");
	m.terms = malloc((m.entries + 1) * sizeof(*m.terms));
	need(m.terms != NULL, "out of memory");
	memcpy(m.terms, &n->log[m.index + 1], m.entries * sizeof(*m.terms));
	add(&m);
}

static void
send_reply(const struct line *l)
{
	struct node *n = &nodes[l->node];
	const struct message *m = &l->message;

	need(m->from == l->node, "an answer of another node");
	if (m->to != l->node) {
		need(find(m, PENDING) != NULL,
		    "an answer that follows from nothing");
	} else if (m->kind == VOTE_REPLY) {
		need(n->role == CANDIDATE && m->term == n->term &&
		    !m->reject, "its own vote, and no candidate");
		add(m);
	} else {
		need(n->role == LEADER && m->kind == APPEND_REPLY &&
		    m->term == n->term && m->index == n->last && !m->reject,
		    "its own write, and no leader");
		add(m);
	}
}

static void
lead(struct node *n, uint64_t voters)
{
	uint32_t self = (uint32_t)(n - nodes), i;
	uint64_t yes = 0;

	for (i = 1; i <= NODES_MAX; i++) {
		yes += n->votes >> i & 1;
		n->match[i] = 0;
		need(nodes[i].role != LEADER || nodes[i].term != n->term,
		    "a second leader of the term");
	}
	need(n->role == CANDIDATE && 2 * yes > voters,
	    "leads without a majority");
	n->role = LEADER;
	n->match[self] = n->last;
	elections++;
}

static void
advance(struct node *n, uint64_t voters)
{
	uint64_t index, has;
	uint32_t i;

	need(n->role == LEADER, "commits and does not lead");
	for (index = n->last; index > n->commit; index--) {
		has = 0;
		for (i = 1; i <= NODES_MAX; i++) {
			has += n->match[i] >= index;
		}
		if (2 * has > voters) {
			need(n->log[index] == n->term,
			    "commits an entry of a former term");
			need(index <= n->durable.last,
			    "commits what it could lose");
			set_commit(n, index);
			return;
		}
	}
	wrong("commits without a majority");
}

static bool
step_role(const struct line *l, struct node *n, bool demoted)
{
	if (strcmp(l->name, "BecomeFollower") == 0 && demoted) {
		/* Its message did it: the line may come before a vote. */
		need(l->term == n->term && l->role == FOLLOWER &&
		    n->role == FOLLOWER, "a message has made it a follower");
		return true;
	}
	if (strcmp(l->name, "BecomeFollower") == 0) {
		need(n->role != FOLLOWER, "becomes what it is");
		n->role = FOLLOWER;
	} else if (strcmp(l->name, "BecomeCandidate") == 0) {
		need(n->role != LEADER, "a leader stands for election");
		n->role = CANDIDATE;
		n->term++;
		n->vote = l->node;
		n->votes = 0;
	} else if (strcmp(l->name, "BecomeLeader") == 0) {
		lead(n, l->voters);
	} else {
		return false;
	}
	compare(l, n);
	return true;
}

static void
step(const struct line *l)
{
	struct node *n = &nodes[l->node];
	bool demoted = n->demoted;

	n->demoted = false;
	if (!n->booted && (strcmp(l->name, "InitState") == 0 ||
	    strcmp(l->name, "ApplyConfChange") == 0 ||
	    strcmp(l->name, "BecomeFollower") == 0)) {
		boot(l, n);
		return;
	}
	need(n->known, "a node that was never started");
	n->booted = true;
	if (strncmp(l->name, "Receive", 7) == 0) {
		receive(l);
		return;
	}
	if (step_role(l, n, demoted)) {
		return;
	}
	if (strcmp(l->name, "InitState") == 0) {
		restart(n);
	} else if (strcmp(l->name, "Ready") == 0) {
		ready(n);
	} else if (strcmp(l->name, "Replicate") == 0) {
		need(n->role == LEADER && n->last < LOG_MAX,
		    "appends and does not lead");
		n->log[++n->last] = n->term;
	} else if (strcmp(l->name, "Commit") == 0) {
		advance(n, l->voters);
	} else if (strcmp(l->name, "SendAppendEntriesRequest") == 0) {
		send_append(l);
	} else if (strcmp(l->name, "SendRequestVoteRequest") == 0) {
		need(n->role == CANDIDATE && l->message.kind == VOTE &&
		    l->message.term == n->term &&
		    l->message.index == n->last &&
		    l->message.log_term == n->log[n->last],
		    "a request of none who stands for election");
		add(&l->message);
	} else if (strcmp(l->name, "SendRequestVoteResponse") == 0 ||
	    strcmp(l->name, "SendAppendEntriesResponse") == 0) {
		send_reply(l);
	} else {
		wrong("%s is not known", l->name);
	}
	compare(l, n);
}

static void
replay(const char *name)
{
	FILE *file = fopen(name, "r");
	json_error_t error;
	struct line l;
	char *text = NULL;
	size_t capacity = 0, i;
	json_t *root;

	file_name = name;
	line_number = 0;
	for (i = 0; i < message_count; i++) {
		free(messages[i].terms);
	}
	message_count = 0;
	memset(nodes, 0, sizeof(nodes));
	memset(committed, 0, sizeof(committed));
	committed_last = 0;
	need(file != NULL, "cannot be read");
	while (getline(&text, &capacity, file) > 0) {
		line_number++;
		root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
		if (root == NULL || !json_is_object(root)) {
			wrong("not an object of JSON");
		}
		read_line(root, &l);
		step(&l);
		json_decref(root);
	}
	need(line_number > 0, "an empty trace");
	free(text);
	fclose(file);
}

int
main(int argc, char **argv)
{
	uint64_t events = 0;
	size_t j;
	int i;

	for (i = 1; i < argc; i++) {
		replay(argv[i]);
		events += line_number;
	}
	for (j = 0; j < message_count; j++) {
		free(messages[j].terms);
	}
	free(messages);
	printf("%" PRIu64 " events, %" PRIu64 " elections, %" PRIu64
	    " conflicts, %" PRIu64 " refusals, %" PRIu64 " restarts\n",
	    events, elections, conflicts, refusals, restarts);
	return 0;
}
