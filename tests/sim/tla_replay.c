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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tla_line.h"

struct node {
	bool known, booted;
	uint64_t term, commit, last;
	uint32_t vote;
	enum role role;
	struct entry log[LOG_MAX + 1];	/* from 1 */
	uint32_t votes;			/* set of nodes */
	uint64_t match[NODES_MAX + 1];
	struct conf conf;		/* in force */
	uint64_t pending;		/* change that is not applied, 0 */
	struct {
		uint64_t term, commit, last;
		uint32_t vote;
		struct conf conf;
	} durable;
	bool demoted;	/* its last line made it a follower by a message */
};

static struct node nodes[NODES_MAX + 1];
static struct message *messages;
static size_t message_count, message_capacity;
static struct entry committed[LOG_MAX + 1];
static uint64_t committed_last;
static uint32_t first_voters;
static uint64_t elections, conflicts, restarts, refusals;
static uint64_t changes, applied, rolled_back, removed_leaders, snapshots;

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
	case SNAPSHOT:
		return a->entries == b->entries;
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
	if (l->voters != n->conf.voters) {
		wrong("%s of node %" PRIu32 " has voters %#" PRIx32
		    ", it must have %#" PRIx32, l->name, l->node, l->voters,
		    n->conf.voters);
	}
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

static bool
is_majority(uint32_t set, uint32_t of)
{
	return 2 * __builtin_popcount(set & of) > __builtin_popcount(of);
}

static bool
is_same_entry(const struct entry *a, const struct entry *b)
{
	return a->term == b->term && a->is_conf == b->is_conf &&
	    a->conf.voters == b->conf.voters &&
	    a->conf.learners == b->conf.learners;
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
			need(is_same_entry(&committed[i], &n->log[i]),
			    "commits another entry than was committed");
		} else {
			committed[i] = n->log[i];
			committed_last = i;
		}
	}
	n->commit = index;
}

/* A voter has the first configuration, who joins later has nothing. */
static void
boot(const struct line *l, struct node *n)
{
	uint32_t voters = strcmp(l->name, "ApplyConfChange") == 0 ?
	    l->new_voters : l->voters;
	uint64_t i, first = l->last == 0 ? 0 : 1;

	need(l->role == FOLLOWER && l->vote == 0 && l->term == first &&
	    l->commit == l->last && (voters == 0 ? l->name[0] == 'I' ||
	    l->last == 0 : l->last == (uint64_t)__builtin_popcount(voters)),
	    "a node does not begin with its configuration");
	need(voters == 0 || first_voters == 0 || voters == first_voters,
	    "two nodes begin with different configurations");
	n->known = true;
	n->term = l->term;
	n->vote = l->vote;
	n->role = l->role;
	n->last = n->commit = l->last;
	n->conf.voters = voters;
	first_voters = voters != 0 ? voters : first_voters;
	for (i = 1; i <= l->last; i++) {
		n->log[i] = committed[i] = (struct entry){
			.term = 1, .is_conf = true, .conf = n->conf,
		};
	}
	committed_last = l->last > committed_last ? l->last : committed_last;
	n->durable.term = n->term;
	n->durable.commit = n->commit;
	n->durable.last = n->last;
	n->durable.conf = n->conf;
}

static void
cut(struct node *n, uint64_t last)
{
	for (; n->last > last; n->last--) {
		rolled_back += n->log[n->last].is_conf;
	}
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
	cut(n, n->durable.last);
	n->conf = n->durable.conf;
	n->pending = 0;
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
	n->durable.conf = n->conf;
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
	uint64_t last_term = n->log[n->last].term;
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
	    n->log[m->index].term != m->log_term) {
		refusals++;
		answer(m, APPEND_REPLY, 0, true);
		return;
	}
	need(n->role == FOLLOWER, "an append for a leader of its term");
	if (m->index < n->commit) {
		need(m->kind != SNAPSHOT, "nothing is taken of a snapshot");
		answer(m, APPEND_REPLY, n->commit, false);
		return;
	}
	for (i = 0; i < m->entries; i++) {
		at = m->index + 1 + i;
		if (at <= n->last &&
		    n->log[at].term != m->sent[i].term) {
			need(at > n->commit, "a committed entry is cut");
			cut(n, at - 1);
			conflicts++;
		}
		if (at > n->last) {
			n->log[at] = m->sent[i];
			n->last = at;
		}
	}
	at = m->index + m->entries;
	set_commit(n, m->commit < at ? m->commit : at);
	if (m->kind == SNAPSHOT) {
		snapshots++;	/* its answer has no name in the format */
	} else {
		answer(m, APPEND_REPLY, at, false);
	}
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
	if ((m->kind == APPEND || m->kind == HEARTBEAT ||
	    m->kind == SNAPSHOT) && m->term == n->term &&
	    n->role == CANDIDATE) {
		n->role = FOLLOWER;
		n->demoted = true;
	}
	if (m->kind == VOTE) {
		recv_vote(n, m);
	} else if (m->kind == APPEND || m->kind == SNAPSHOT) {
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
need_member(const struct node *n, uint32_t to)
{
	need(((n->conf.voters | n->conf.learners) >> to & 1) != 0,
	    "sent to who is no member");
}

static void
send_append(const struct line *l)
{
	struct node *n = &nodes[l->node];
	struct message m = l->message;
	uint64_t match = n->match[m.to], last = m.index + m.entries;

	need(n->role == LEADER && m.term == n->term && m.from == l->node &&
	    m.to != l->node, "an append of none who leads");
	need_member(n, m.to);
	if (m.kind == HEARTBEAT) {
		need(m.commit == (match < n->commit ? match : n->commit),
		    "a heartbeat of another commit index");
		add(&m);
		return;
	}
	if (m.kind == SNAPSHOT) {
		need(m.index == 0 && m.log_term == 0 && last > 0 &&
		    last <= n->commit, "a snapshot of what is not committed");
		m.commit = last;
	} else {
		need(m.kind == APPEND && m.index >= match && last <= n->last &&
		    n->log[m.index].term == m.log_term,
		    "an append of other entries");
		need(m.commit == (n->commit < last ? n->commit : last),
		    "an append of another commit index");
	}
	m.sent = malloc((m.entries + 1) * sizeof(*m.sent));
	need(m.sent != NULL, "out of memory");
	memcpy(m.sent, &n->log[m.index + 1], m.entries * sizeof(*m.sent));
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
lead(struct node *n)
{
	uint32_t self = (uint32_t)(n - nodes), i;

	for (i = 1; i <= NODES_MAX; i++) {
		n->match[i] = 0;
		need(nodes[i].role != LEADER || nodes[i].term != n->term,
		    "a second leader of the term");
	}
	need((n->votes & ~n->conf.voters) == 0,
	    "leads by a vote of who has none");
	need(n->role == CANDIDATE && is_majority(n->votes, n->conf.voters),
	    "leads without a majority");
	n->role = LEADER;
	n->match[self] = n->last;
	elections++;
}

static void
advance(struct node *n)
{
	uint64_t index;
	uint32_t i, have;

	need(n->role == LEADER, "commits and does not lead");
	for (index = n->last; index > n->commit; index--) {
		have = 0;
		for (i = 1; i <= NODES_MAX; i++) {
			have |= n->match[i] >= index ? 1u << i : 0;
		}
		if (is_majority(have, n->conf.voters)) {
			need(n->log[index].term == n->term,
			    "commits an entry of a former term");
			need(index <= n->durable.last,
			    "commits what it could lose");
			set_commit(n, index);
			return;
		}
	}
	wrong("commits without a majority");
}

/* ------------------------------------------------------ configurations */

static void
append(struct node *n, const struct entry *entry)
{
	need(n->role == LEADER && n->last < LOG_MAX,
	    "appends and does not lead");
	n->log[++n->last] = *entry;
	n->log[n->last].term = n->term;
}

static void
change(const struct line *l, struct node *n)
{
	struct entry entry = { .is_conf = true, .conf = n->conf };
	uint32_t members = n->conf.voters | n->conf.learners;
	uint32_t bit = 1u << l->subject;

	need(n->pending == 0, "changes while another change is under way");
	if (l->action == ADD_SERVER) {
		need((n->conf.voters & bit) == 0, "adds a voter again");
		entry.conf.voters |= bit;
	} else if (l->action == ADD_LEARNER) {
		need((members & bit) == 0, "adds a member again");
		entry.conf.learners |= bit;
	} else {
		need((members & bit) != 0, "removes who is no member");
		entry.conf.voters &= ~bit;
		entry.conf.learners &= ~bit;
	}
	append(n, &entry);
	n->pending = n->last;
	changes++;
}

/* The last one that it has committed. */
static void
apply(const struct line *l, struct node *n)
{
	uint64_t index = n->commit;

	while (index > 0 && !n->log[index].is_conf) {
		index--;
	}
	need(index > 0, "applies a configuration and has none");
	need(l->new_voters == n->log[index].conf.voters,
	    "applies another configuration than it has committed");
	if (n->conf.voters != n->log[index].conf.voters) {
		applied++;
		removed_leaders += n->role == LEADER &&
		    (n->log[index].conf.voters >> l->node & 1) == 0;
	}
	n->conf = n->log[index].conf;
	if (n->role == LEADER && n->pending >= index) {
		n->pending = 0;
	}
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
		need((n->conf.voters >> l->node & 1) != 0,
		    "who has no vote stands for election");
		n->role = CANDIDATE;
		n->term++;
		n->vote = l->node;
		n->votes = 0;
	} else if (strcmp(l->name, "BecomeLeader") == 0) {
		lead(n);
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
		append(n, &(struct entry){ .is_conf = false });
	} else if (strcmp(l->name, "ChangeConf") == 0) {
		change(l, n);
	} else if (strcmp(l->name, "ApplyConfChange") == 0) {
		apply(l, n);
	} else if (strcmp(l->name, "Commit") == 0) {
		advance(n);
	} else if (strcmp(l->name, "SendAppendEntriesRequest") == 0) {
		send_append(l);
	} else if (strcmp(l->name, "SendRequestVoteRequest") == 0) {
		need(n->role == CANDIDATE && l->message.kind == VOTE &&
		    l->message.term == n->term &&
		    l->message.index == n->last &&
		    l->message.log_term == n->log[n->last].term,
		    "a request of none who stands for election");
		need_member(n, l->message.to);
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
		free(messages[i].sent);
	}
	message_count = 0;
	memset(nodes, 0, sizeof(nodes));
	memset(committed, 0, sizeof(committed));
	committed_last = 0;
	first_voters = 0;
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
		free(messages[j].sent);
	}
	free(messages);
	printf("%" PRIu64 " events, %" PRIu64 " elections, %" PRIu64
	    " conflicts, %" PRIu64 " refusals, %" PRIu64 " restarts, %" PRIu64
	    " changes, %" PRIu64 " applied, %" PRIu64 " cut, %" PRIu64
	    " leaders removed, %" PRIu64 " snapshots\n", events, elections,
	    conflicts, refusals, restarts, changes, applied, rolled_back,
	    removed_leaders, snapshots);
	return 0;
}
