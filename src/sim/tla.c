/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From steps of the core to transitions of the specification.
 *
 * Lines of a step that changed what must be durable wait until it is; so do
 * all later lines of that node, and its messages.  Then they are emitted, and
 * a Ready after them: at each Ready the specification's node is exactly what
 * is on our disk.  What a crash takes back is emitted without a Ready, and
 * the restart shows the state before it.
 *
 *	step ---> lines ---> queue ----- durable -----> file ... Ready
 *	             (nothing outstanding: at once)       messages leave
 *
 * The specification's network loses but never repeats: what arrives twice is
 * sent twice, an answer that arrives twice was lost once.  A follower of the
 * specification looks at an append only from its commit index on, and then
 * at nothing else: what overlaps is sent a second time, beginning there.
 */
#include "sim/tla.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct step {
	struct sim_tla *tla;
	struct tla_node *own;
	const struct sim_node *node;
	const struct raft_event *event;
	const struct raft_update *update;
	struct tla_state before, after;
	struct tla_state now;	/* of the specification, so far */
	size_t first;		/* of its lines in the queue */
	bool told;		/* the message was received */
	bool reply_untold;
	bool inexpressible;
};

static void	*grow(void *, size_t count, size_t *capacity, size_t size);
static size_t	take(void *, size_t count, size_t first, size_t some,
		    size_t size);
static struct tla_state state_of(const struct raft_status *);
static enum raft_role role_of(enum raft_role);
static struct tla_line *line(struct step *, enum tla_name);
static void	emit(struct sim_tla *, struct tla_line *);
static void	flush(struct sim_node *);
static void	receive(struct step *, const struct raft_message *);
static bool	receive_append(struct step *, const struct raft_message *,
		    struct tla_line *);
static bool	denied_untold(const struct step *,
		    const struct raft_message *);
static void	receive_self(struct step *);
static void	change_role(struct step *);
static void	replicate(struct step *);
static void	commit(struct step *);
static void	send(struct step *, const struct raft_message *);
static uint64_t	potential_commit(const struct step *);

static bool
is_told(enum raft_message_type type)
{
	return type == RAFT_VOTE || type == RAFT_VOTE_REPLY ||
	    type == RAFT_APPEND || type == RAFT_APPEND_REPLY ||
	    type == RAFT_HEARTBEAT || type == RAFT_HEARTBEAT_REPLY;
}

void
tla_begin(struct sim_world *world)
{
	struct sim_tla *tla;
	struct tla_line boot = { .name = TLA_INIT_STATE };
	uint32_t i;

	tla_free(world->tla);
	world->tla = NULL;
	if (!world->options.tla) {
		return;
	}
	tla = sim_realloc(NULL, 1, sizeof(*tla));
	memset(tla, 0, sizeof(*tla));
	world->tla = tla;
	boot.state.role = RAFT_FOLLOWER;
	for (i = 1; i <= world->plan.nodes; i++) {
		boot.node = i;
		boot.name = TLA_INIT_STATE;
		emit(tla, &boot);
		boot.name = TLA_APPLY_CONF_CHANGE;
		emit(tla, &boot);
		boot.name = TLA_BECOME_FOLLOWER;
		emit(tla, &boot);
	}
}

void
tla_free(struct sim_tla *tla)
{
	uint32_t i;

	if (tla == NULL) {
		return;
	}
	for (i = 0; i <= SIM_NODES_MAX; i++) {
		free(tla->nodes[i].queue.lines);
		free(tla->nodes[i].leaving);
		free(tla->nodes[i].own_writes);
	}
	free(tla->lines.lines);
	free(tla->messages);
	free(tla->parts);
	free(tla);
}

void
tla_before(struct sim_node *node)
{
	if (node->world->tla != NULL) {
		raft_status(node->raft, &node->world->tla->before);
	}
}

void
tla_after(struct sim_node *node, const struct raft_event *event)
{
	struct sim_tla *tla = node->world->tla;
	const struct raft_update *update = node->world->update;
	struct step s = {
		.tla = tla, .node = node, .event = event, .update = update,
	};
	size_t i;

	if (tla == NULL) {
		return;
	}
	s.own = &tla->nodes[node->id];
	if (update->persist_seq != 0) {
		s.own->seq_handed = update->persist_seq;
	}
	if (tla->ended) {
		return;
	}
	raft_status(node->raft, &tla->status);
	s.before = s.now = state_of(&tla->before);
	s.after = state_of(&tla->status);
	s.first = s.own->queue.count;
	if (event->type == RAFT_EVENT_MESSAGE) {
		receive(&s, event->message);
	} else if (event->type == RAFT_EVENT_PERSISTED) {
		receive_self(&s);
	}
	change_role(&s);
	replicate(&s);
	commit(&s);
	for (i = 0; i < update->message_count; i++) {
		send(&s, &update->messages[i]);
	}
	if (s.inexpressible) {
		s.own->queue.count = s.first;
		tla->ended = true;
		return;
	}
	for (i = s.first; i < s.own->queue.count; i++) {
		s.own->queue.lines[i].after = s.after;
		s.own->queue.lines[i].ready = update->persist_seq != 0 ||
		    update->message_count > 0 ||
		    s.after.commit != s.before.commit;
		s.own->queue.lines[i].truncates = update->truncate_from != 0;
	}
	flush(node);
}

uint64_t
tla_wait(const struct sim_node *node, const struct raft_message *message)
{
	const struct sim_tla *tla = node->world->tla;

	/*
	 * The specification has no leader that sends while it writes, and
	 * makes all of a node durable at once: the message leaves later than
	 * it could.  Not so what its own step made: there the core must know.
	 */
	if (tla == NULL || !is_told(message->type) ||
	    (node->world->update->persist_seq != 0 &&
	    message->type != RAFT_APPEND && message->type != RAFT_HEARTBEAT)) {
		return message->after_seq;
	}
	return tla->nodes[node->id].seq_handed;
}

bool
tla_loses(const struct sim_node *node, const struct raft_message *message)
{
	if (node->world->tla == NULL) {
		return false;
	}
	if (message->from == node->id) {
		/* It waited, and its sender leads no more: its entries may
		 * be others by now. */
		return (message->type == RAFT_APPEND ||
		    message->type == RAFT_HEARTBEAT) &&
		    (raft_role(node->raft) != RAFT_LEADER ||
		    raft_term(node->raft) != message->term);
	}
	/* A term that comes by a message which the specification lacks. */
	return message->type == RAFT_PRE_VOTE_REPLY && message->reject &&
	    message->term > raft_term(node->raft);
}

uint64_t
tla_leave(struct sim_node *node, const struct raft_message *message,
    uint32_t carried)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own;
	struct raft_message *m;
	uint64_t number;
	size_t i;

	if (tla == NULL || tla->ended || !is_told(message->type)) {
		return 0;
	}
	own = &tla->nodes[node->id];
	for (i = 0; i < own->leaving_count; i++) {
		number = own->leaving[i];
		m = &tla->messages[number - 1].message;
		if (m->type == message->type && m->to == message->to &&
		    m->to_run == message->to_run && m->term == message->term &&
		    m->request == message->request &&
		    m->index == message->index &&
		    m->commit == message->commit &&
		    m->reject == message->reject) {
			break;
		}
	}
	assert(i < own->leaving_count);
	own->leaving_count = take(own->leaving, own->leaving_count, i, 1,
	    sizeof(own->leaving[0]));
	if (m->type == RAFT_APPEND) {
		m->entry_count = carried;
	}
	return number;
}

void
tla_arrive(struct sim_node *node, uint64_t number)
{
	if (node->world->tla != NULL) {
		node->world->tla->arriving = number;
	}
}

void
tla_durable(struct sim_node *node, uint64_t seq)
{
	if (node->world->tla != NULL) {
		node->world->tla->nodes[node->id].seq_durable = seq;
		flush(node);
	}
}

void
tla_crash(struct sim_node *node)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own;
	bool truncates = false;
	size_t i;

	if (tla == NULL) {
		return;
	}
	own = &tla->nodes[node->id];
	for (i = 0; i < own->queue.count; i++) {
		truncates = truncates || own->queue.lines[i].truncates;
	}
	/*
	 * The specification goes back by cutting the log that it has: entries
	 * that were cut and not durably so would not return.  Then these
	 * steps, of which nobody has heard, are not told.
	 */
	for (i = 0; i < own->queue.count && !truncates; i++) {
		emit(tla, &own->queue.lines[i]);
	}
	own->queue.count = 0;
	own->leaving_count = 0;
	own->own_write_count = 0;
	own->own_vote = false;
	own->seq_handed = own->seq_durable = 0;
}

void
tla_start(struct sim_node *node)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own;
	struct tla_line start = { .name = TLA_INIT_STATE, .node = node->id };

	if (tla == NULL || tla->ended) {
		return;
	}
	own = &tla->nodes[node->id];
	if (own->started) {
		raft_status(node->raft, &tla->status);
		start.state = state_of(&tla->status);
		emit(tla, &start);
	}
	own->started = true;
}

void
tla_end(struct sim_world *world)
{
	struct sim_tla *tla = world->tla;
	struct tla_lines *queue;
	uint32_t id;
	size_t i;

	for (id = 1; tla != NULL && id <= world->plan.nodes; id++) {
		queue = &tla->nodes[id].queue;
		for (i = 0; i < queue->count; i++) {
			emit(tla, &queue->lines[i]);
		}
		queue->count = 0;
	}
}

uint64_t
tla_durable_commit(const struct sim_node *node)
{
	return node->world->tla == NULL ? 0 :
	    node->world->tla->nodes[node->id].ready_commit;
}

static void *
grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return array;
	}
	*capacity = 2 * *capacity + 16;
	return sim_realloc(array, *capacity, size);
}

/* Some of an array from `first` on are not needed; how many are left. */
static size_t
take(void *array, size_t count, size_t first, size_t some, size_t size)
{
	uint8_t *at = array;

	if (some > 0) {
		memmove(at + first * size, at + (first + some) * size,
		    (count - first - some) * size);
	}
	return count - some;
}

/* Who asks whether it could win is a follower to the specification. */
static enum raft_role
role_of(enum raft_role role)
{
	return role == RAFT_PRECANDIDATE ? RAFT_FOLLOWER : role;
}

static struct tla_state
state_of(const struct raft_status *status)
{
	return (struct tla_state){
		.term = status->term,
		.vote = status->vote,
		.commit = status->commit_index,
		.last = status->last_index,
		.role = role_of(status->role),
	};
}

/* One more line of the step, with the state as it is now. */
static struct tla_line *
line(struct step *s, enum tla_name name)
{
	struct tla_lines *queue = &s->own->queue;
	struct tla_line *l;

	queue->lines = grow(queue->lines, queue->count, &queue->capacity,
	    sizeof(*queue->lines));
	l = &queue->lines[queue->count++];
	*l = (struct tla_line){
		.name = name, .node = s->node->id, .state = s->now,
		.seq = s->own->seq_handed,
	};
	return l;
}

static void
emit(struct sim_tla *tla, struct tla_line *l)
{
	struct tla_lines *to = &tla->lines;

	to->lines = grow(to->lines, to->count, &to->capacity,
	    sizeof(*to->lines));
	to->lines[to->count++] = *l;
	if (l->name != TLA_RECEIVE_APPEND && l->name != TLA_RECEIVE_VOTE) {
		return;
	}
	if (l->message != 0 && !l->is_part) {
		tla->messages[l->message - 1].copies++;
	} else if (l->is_part) {
		tla->parts = grow(tla->parts, tla->part_count,
		    &tla->part_capacity, sizeof(*tla->parts));
		tla->parts[tla->part_count++] = l->part;
	}
}

/* Emits what is durable, then a Ready. */
static void
flush(struct sim_node *node)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own = &tla->nodes[node->id];
	struct tla_line ready = { .name = TLA_READY, .node = node->id };
	bool is_ready = false;
	size_t i;

	for (i = 0; i < own->queue.count &&
	    own->queue.lines[i].seq <= own->seq_durable; i++) {
		emit(tla, &own->queue.lines[i]);
		is_ready = is_ready || own->queue.lines[i].ready;
		ready.state = own->queue.lines[i].after;
	}
	own->queue.count = take(own->queue.lines, own->queue.count, 0, i,
	    sizeof(own->queue.lines[0]));
	if (is_ready) {
		emit(tla, &ready);
		own->ready_commit = ready.state.commit;
	}
}

/*
 * The message that was the event, unless the core has dropped it or has done
 * what the specification can only tell as a loss: see docs/SIMULATOR.md.
 */
static void
receive(struct step *s, const struct raft_message *m)
{
	struct sim_tla *tla = s->tla;
	struct tla_message *from = tla->arriving == 0 ? NULL :
	    &tla->messages[tla->arriving - 1];
	struct tla_line l = { .message = tla->arriving };
	bool reply = false;

	tla->arriving = 0;
	if (from == NULL || tla->status.dropped != tla->before.dropped) {
		return;
	}
	switch (m->type) {
	case RAFT_VOTE:
		l.name = TLA_RECEIVE_VOTE;
		s->reply_untold = denied_untold(s, m);
		s->told = !s->reply_untold;
		break;
	case RAFT_APPEND:
		l.name = TLA_RECEIVE_APPEND;
		s->told = receive_append(s, m, &l);
		break;
	case RAFT_HEARTBEAT:
		l.name = TLA_RECEIVE_APPEND;
		/* It would tell another commit index than ours did. */
		s->reply_untold = m->term == s->after.term &&
		    from->commit > s->after.commit + 1;
		s->told = !s->reply_untold;
		break;
	case RAFT_VOTE_REPLY:
		l.name = TLA_RECEIVE_VOTE_REPLY;
		reply = true;
		break;
	case RAFT_APPEND_REPLY:
	case RAFT_HEARTBEAT_REPLY:
		l.name = TLA_RECEIVE_APPEND_REPLY;
		reply = true;
		break;
	default:
		return;			/* not told: never left with a number */
	}
	if (reply) {
		s->told = !from->untold && !from->received;
		from->received = true;
	}
	if (s->told) {
		struct tla_line *to = line(s, l.name);

		to->message = l.message;
		to->is_part = l.is_part;
		to->part = l.part;
	}
	if (s->told && m->type == RAFT_APPEND_REPLY && !m->reject &&
	    s->before.role == RAFT_LEADER && m->term == s->before.term &&
	    s->own->match[m->from] < m->index + 1) {
		s->own->match[m->from] = m->index + 1;
	}
}

/* An append that begins below the commit index. */
static bool
receive_append(struct step *s, const struct raft_message *m,
    struct tla_line *l)
{
	uint64_t last = m->index + m->entry_count;

	if (m->term != s->after.term || s->before.commit <= m->index) {
		return true;
	}
	if (last < s->before.commit) {
		/* Answered with the commit index there, with `last` here. */
		s->reply_untold = true;
		return true;
	}
	l->is_part = true;
	l->part.message = l->message;
	l->part.index = s->before.commit;
	l->part.log_term =
	    m->entries[s->before.commit - m->index - 1].term;
	l->part.entry_count = (uint32_t)(last - s->before.commit);
	return true;
}

/*
 * A vote that was denied although the specification grants it, or without a
 * look at the term: out of loyalty to a leader.
 */
static bool
denied_untold(const struct step *s, const struct raft_message *m)
{
	const struct raft_status *status = &s->tla->before;
	uint32_t i;

	if (m->term > s->after.term) {
		return true;
	}
	for (i = 0; i < s->update->message_count; i++) {
		if (s->update->messages[i].type == RAFT_VOTE_REPLY &&
		    !s->update->messages[i].reject) {
			return false;
		}
	}
	return m->term == s->before.term &&
	    (s->before.vote == 0 || s->before.vote == m->from) &&
	    (m->log_term > status->last_term ||
	    (m->log_term == status->last_term &&
	    m->index >= status->last_index));
}

/* A durable write: a candidate hears its own vote, a leader itself. */
static void
receive_self(struct step *s)
{
	struct tla_node *own = s->own;
	size_t i;

	if (s->before.role == RAFT_CANDIDATE && own->own_vote &&
	    s->event->persisted.seq >= own->own_vote_seq) {
		own->own_vote = false;
		(void)line(s, TLA_RECEIVE_VOTE_REPLY);
	}
	if (s->before.role != RAFT_LEADER) {
		return;
	}
	for (i = 0; i < own->own_write_count &&
	    own->own_writes[i] <= s->tla->status.durable_index; i++) {
		line(s, TLA_RECEIVE_APPEND_REPLY)->self_index =
		    own->own_writes[i];
		own->match[s->node->id] = own->own_writes[i] + 1;
	}
	own->own_write_count = take(own->own_writes, own->own_write_count, 0,
	    i, sizeof(own->own_writes[0]));
}

static void
change_role(struct step *s)
{
	const struct raft_message *m = s->event->type == RAFT_EVENT_MESSAGE ?
	    s->event->message : NULL;
	struct tla_node *own = s->own;
	uint32_t i;

	if (s->told && (m->term > s->before.term ||
	    (s->before.role == RAFT_CANDIDATE && m->term == s->before.term &&
	    (m->type == RAFT_APPEND || m->type == RAFT_HEARTBEAT)))) {
		/* By the message itself. */
		s->now.vote = m->term > s->now.term ? 0 : s->now.vote;
		s->now.term = m->term;
		s->now.role = RAFT_FOLLOWER;
		(void)line(s, TLA_BECOME_FOLLOWER);
	}
	if (s->after.role == RAFT_CANDIDATE &&
	    s->after.term == s->now.term + 1) {
		s->now = s->after;
		(void)line(s, TLA_BECOME_CANDIDATE);
		own->own_vote = true;
		own->own_vote_seq = s->update->persist_seq;
		(void)line(s, TLA_SEND_VOTE_REPLY);
	} else if (s->after.role == RAFT_FOLLOWER &&
	    (s->now.role != RAFT_FOLLOWER || s->now.term != s->after.term)) {
		s->now.role = s->after.role;
		s->now.term = s->after.term;
		(void)line(s, TLA_BECOME_FOLLOWER);
	} else if (s->after.role == RAFT_LEADER &&
	    s->now.role != RAFT_LEADER) {
		s->now.role = RAFT_LEADER;
		(void)line(s, TLA_BECOME_LEADER);
		own->own_write_count = 0;
		for (i = 0; i <= SIM_NODES_MAX; i++) {
			own->match[i] = 0;
		}
		own->match[s->node->id] = s->now.last + 1;
	}
	s->now.vote = s->after.vote;
	if (s->after.role != RAFT_CANDIDATE) {
		own->own_vote = false;
	}
}

/* What a leader appends is one write, answered to itself. */
static void
replicate(struct step *s)
{
	struct tla_node *own = s->own;

	if (s->after.role != RAFT_LEADER || s->now.last >= s->after.last) {
		s->now.last = s->after.last;
		if (s->after.role != RAFT_LEADER) {
			s->now.commit = s->after.commit;
		}
		return;
	}
	while (s->now.last < s->after.last) {
		s->now.last++;
		(void)line(s, TLA_REPLICATE);
	}
	line(s, TLA_SEND_APPEND_REPLY)->self_index = s->now.last;
	own->own_writes = grow(own->own_writes, own->own_write_count,
	    &own->own_write_capacity, sizeof(own->own_writes[0]));
	own->own_writes[own->own_write_count++] = s->now.last;
}

static void
commit(struct step *s)
{
	const struct raft_status *status = &s->tla->status;
	uint32_t i;

	if (s->after.role != RAFT_LEADER ||
	    s->after.commit <= s->before.commit) {
		return;
	}
	s->now.commit = s->after.commit;
	(void)line(s, TLA_COMMIT);
	if (potential_commit(s) == s->after.commit + 1) {
		return;
	}
	/*
	 * The core forgets what a former run of a follower has acknowledged,
	 * the specification does not, and could commit more: no words for
	 * that.  Otherwise it is for the specification to judge.
	 */
	for (i = 0; i < status->peer_count; i++) {
		if (s->own->match[status->peers[i].id] >
		    status->peers[i].match_index + 1) {
			s->inexpressible = true;
		}
	}
}

static void
send(struct step *s, const struct raft_message *message)
{
	struct sim_tla *tla = s->tla;
	struct tla_node *own = s->own;
	struct tla_message *m;
	struct tla_line *l;
	enum tla_name name = TLA_SEND_APPEND;
	uint64_t match = own->match[message->to];

	if (!is_told(message->type)) {
		return;
	}
	tla->messages = grow(tla->messages, tla->message_count,
	    &tla->message_capacity, sizeof(*tla->messages));
	m = &tla->messages[tla->message_count++];
	*m = (struct tla_message){ .message = *message };
	own->leaving = grow(own->leaving, own->leaving_count,
	    &own->leaving_capacity, sizeof(own->leaving[0]));
	own->leaving[own->leaving_count++] = tla->message_count;
	if (message->type == RAFT_HEARTBEAT) {
		m->commit = match == 0 || match < s->after.commit + 1 ?
		    match : s->after.commit + 1;
	} else if (message->type == RAFT_VOTE) {
		name = TLA_SEND_VOTE;
	} else if (message->type != RAFT_APPEND) {
		name = message->type == RAFT_VOTE_REPLY ?
		    TLA_SEND_VOTE_REPLY : TLA_SEND_APPEND_REPLY;
		m->untold = s->reply_untold;
	}
	if (!m->untold) {
		l = line(s, name);
		l->message = tla->message_count;
	}
}

/* What a majority has by the specification, one more than the index. */
static uint64_t
potential_commit(const struct step *s)
{
	uint32_t nodes = s->node->world->plan.nodes, i, j, more;

	for (i = 1; i <= nodes; i++) {
		more = 0;
		for (j = 1; j <= nodes; j++) {
			more += s->own->match[j] > s->own->match[i] ||
			    (s->own->match[j] == s->own->match[i] && j < i);
		}
		if (more == nodes / 2) {
			return s->own->match[i];
		}
	}
	return 0;
}
