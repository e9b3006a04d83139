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

#include <stdlib.h>
#include <string.h>

static struct tla_state state_of(const struct tla_node *,
		    const struct raft_status *);
static enum raft_role role_of(enum raft_role);
static void	tell(struct tla_step *);
static void	flush(struct sim_node *);
static void	receive(struct tla_step *, const struct raft_message *);
static void	receive_append(struct tla_step *, const struct raft_message *,
		    struct tla_line *);
static bool	denied_untold(const struct tla_step *,
		    const struct raft_message *);
static void	receive_self(struct tla_step *);
static void	change_role(struct tla_step *);
static void	replicate(struct tla_step *);
static void	commit(struct tla_step *);
static void	send(struct tla_step *, const struct raft_message *);

void
tla_begin(struct sim_world *world)
{
	struct sim_tla *tla;
	struct tla_line boot = { .state.role = RAFT_FOLLOWER };
	uint32_t i;

	tla_free(world->tla);
	world->tla = NULL;
	if (!world->options.tla) {
		return;
	}
	tla = sim_realloc(NULL, 1, sizeof(*tla));
	memset(tla, 0, sizeof(*tla));
	world->tla = tla;
	tla->conf.voters = (2u << world->plan.voters) - 2;
	for (i = 1; i <= world->plan.nodes; i++) {
		boot.node = i;
		boot.name = TLA_INIT_STATE;
		boot.state.conf.voters = 0;
		boot.state.empty = i > world->plan.voters;
		tla_emit(tla, &boot);
		if (!boot.state.empty) {
			boot.name = TLA_APPLY_CONF_CHANGE;
			tla_emit(tla, &boot);
			boot.state.conf = tla->conf;
		}
		boot.name = TLA_BECOME_FOLLOWER;
		tla_emit(tla, &boot);
		tla->nodes[i].at = tla->nodes[i].ready = boot.state;
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
	free(tla->changes);
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
	struct tla_step s = {
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
	if (tla->ended != NULL) {
		return;
	}
	raft_status(node->raft, &tla->status);
	s.before = s.now = state_of(s.own, &tla->before);
	s.after = state_of(s.own, &tla->status);
	s.first = s.own->queue.count;
	tell(&s);
	if (s.inexpressible != NULL) {
		s.own->queue.count = s.first;
		tla->ended = s.inexpressible;
		return;
	}
	s.after.conf = s.now.conf;
	s.after.pending = s.now.pending;
	s.after.empty = s.now.empty;
	s.own->at = s.after;
	for (i = s.first; i < s.own->queue.count; i++) {
		s.own->queue.lines[i].after = s.after;
		s.own->queue.lines[i].ready = update->persist_seq != 0 ||
		    update->message_count > 0 ||
		    s.after.commit != s.before.commit ||
		    memcmp(&s.after.conf, &s.before.conf,
		    sizeof(s.after.conf)) != 0;
		s.own->queue.lines[i].truncates =
		    update->truncate_from != 0 || update->drop_log;
	}
	flush(node);
}

/* What comes first in a step of the core comes first here. */
static void
tell(struct tla_step *s)
{
	uint32_t i;

	if (s->event->type == RAFT_EVENT_MESSAGE) {
		receive(s, s->event->message);
	} else if (s->event->type == RAFT_EVENT_PERSISTED) {
		receive_self(s);
	}
	if (s->after.term == s->before.term) {
		commit(s);	/* it may be its last */
	}
	change_role(s);
	tla_install(s);
	if (s->now.role != RAFT_LEADER) {
		s->now.last = s->after.last;
		s->now.commit = s->after.commit;
	}
	tla_conf_apply(s, false);
	replicate(s);
	for (i = 0; i < s->update->message_count; i++) {
		send(s, &s->update->messages[i]);
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
		tla_emit(tla, &own->queue.lines[i]);
	}
	own->queue.count = 0;
	own->leaving_count = 0;
	own->own_write_count = 0;
	own->own_vote = false;
	own->install = 0;
	own->seq_handed = own->seq_durable = 0;
	own->at = own->ready;
	own->at.role = RAFT_FOLLOWER;
	own->at.pending = 0;
}

void
tla_start(struct sim_node *node)
{
	struct sim_tla *tla = node->world->tla;
	struct tla_node *own;
	struct tla_line start = { .name = TLA_INIT_STATE, .node = node->id };

	if (tla == NULL || tla->ended != NULL) {
		return;
	}
	own = &tla->nodes[node->id];
	if (own->started) {
		raft_status(node->raft, &tla->status);
		start.state = state_of(own, &tla->status);
		tla_emit(tla, &start);
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
			tla_emit(tla, &queue->lines[i]);
		}
		queue->count = 0;
	}
}

uint64_t
tla_durable_commit(const struct sim_node *node)
{
	return node->world->tla == NULL ? 0 :
	    node->world->tla->nodes[node->id].ready.commit;
}

uint64_t
tla_checkpoint_max(const struct sim_node *node)
{
	/* Who is not followed any more need not hold back. */
	return node->world->tla == NULL || node->world->tla->ended != NULL ?
	    UINT64_MAX : tla_durable_commit(node);
}

void *
tla_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity) {
		return array;
	}
	*capacity = 2 * *capacity + 16;
	return sim_realloc(array, *capacity, size);
}

size_t
tla_take(void *array, size_t count, size_t first, size_t some, size_t size)
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
state_of(const struct tla_node *own, const struct raft_status *status)
{
	struct tla_state state = own->at;

	state.term = status->term;
	state.vote = status->vote;
	state.commit = status->commit_index;
	state.last = status->last_index;
	state.role = role_of(status->role);
	return state;
}

struct tla_line *
tla_line(struct tla_step *s, enum tla_name name)
{
	struct tla_lines *queue = &s->own->queue;
	struct tla_line *l;

	queue->lines = tla_grow(queue->lines, queue->count, &queue->capacity,
	    sizeof(*queue->lines));
	l = &queue->lines[queue->count++];
	*l = (struct tla_line){
		.name = name, .node = s->node->id, .state = s->now,
		.seq = s->own->seq_handed,
	};
	return l;
}

void
tla_emit(struct sim_tla *tla, struct tla_line *l)
{
	struct tla_lines *to = &tla->lines;

	to->lines = tla_grow(to->lines, to->count, &to->capacity,
	    sizeof(*to->lines));
	to->lines[to->count++] = *l;
	if (l->name != TLA_RECEIVE_APPEND && l->name != TLA_RECEIVE_VOTE) {
		return;
	}
	if (l->message != 0 && !l->is_part) {
		tla->messages[l->message - 1].copies++;
	} else if (l->is_part) {
		tla->parts = tla_grow(tla->parts, tla->part_count,
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
		tla_emit(tla, &own->queue.lines[i]);
		is_ready = is_ready || own->queue.lines[i].ready;
		ready.state = own->queue.lines[i].after;
	}
	own->queue.count = tla_take(own->queue.lines, own->queue.count, 0, i,
	    sizeof(own->queue.lines[0]));
	if (is_ready) {
		tla_emit(tla, &ready);
		own->ready = ready.state;
	}
}

/*
 * The message that was the event, unless the core has dropped it or has done
 * what the specification can only tell as a loss: see docs/SIMULATOR.md.
 */
static void
receive(struct tla_step *s, const struct raft_message *m)
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
		s->told = true;
		receive_append(s, m, &l);
		break;
	case RAFT_HEARTBEAT:
		l.name = TLA_RECEIVE_APPEND;
		/* It would tell another commit index than ours did. */
		s->reply_untold = m->term == s->after.term &&
		    from->commit > s->after.commit + 1;
		s->told = !s->reply_untold;
		s->heard = from->commit == 0 ? 0 : from->commit - 1;
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
	case RAFT_INSTALL:
		tla_install_arrived(s, l.message);
		return;
	default:
		return;			/* not told: never left with a number */
	}
	if (reply) {
		/* The specification does not look whose vote it counts. */
		s->told = !from->untold && !from->received &&
		    (m->type != RAFT_VOTE_REPLY || m->reject ||
		    (s->now.conf.voters >> m->from & 1) != 0);
		from->received = true;
	}
	if (s->told) {
		struct tla_line *to = tla_line(s, l.name);

		to->message = l.message;
		to->is_part = l.is_part;
		to->part = l.part;
		s->now.empty = s->now.empty && !l.part.whole;
	}
	if (s->told && m->type == RAFT_VOTE_REPLY && !m->reject &&
	    m->term == s->before.term) {
		s->own->votes |= 1u << m->from;
	}
	if (s->told && m->type == RAFT_APPEND_REPLY && !m->reject &&
	    s->before.role == RAFT_LEADER && m->term == s->before.term &&
	    s->own->match[m->from] < m->index + 1) {
		s->own->match[m->from] = m->index + 1;
	}
}

/*
 * An append that begins below the commit index; or at the beginning, where
 * the specification's node has nothing at all.
 */
static void
receive_append(struct tla_step *s, const struct raft_message *m,
    struct tla_line *l)
{
	uint64_t last = m->index + m->entry_count;
	uint32_t i;

	for (i = 0; i < s->update->message_count; i++) {
		const struct raft_message *to = &s->update->messages[i];

		if (to->type == RAFT_APPEND_REPLY && !to->reject) {
			s->heard = m->commit < to->index ? m->commit :
			    to->index;
		}
	}
	if (m->term != s->after.term) {
		return;
	}
	if (s->now.empty && m->index == 0) {
		l->is_part = l->part.whole = true;
		l->part.message = l->message;
		return;
	}
	if (s->before.commit <= m->index) {
		return;
	}
	if (last < s->before.commit) {
		/* Answered with the commit index there, with `last` here. */
		s->reply_untold = true;
		return;
	}
	l->is_part = true;
	l->part.message = l->message;
	l->part.index = s->before.commit;
	l->part.log_term =
	    m->entries[s->before.commit - m->index - 1].term;
}

/*
 * A vote that was denied although the specification grants it, or without a
 * look at the term: out of loyalty to a leader.
 */
static bool
denied_untold(const struct tla_step *s, const struct raft_message *m)
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
receive_self(struct tla_step *s)
{
	struct tla_node *own = s->own;
	size_t i;

	if (s->before.role == RAFT_CANDIDATE && own->own_vote &&
	    s->event->persisted.seq >= own->own_vote_seq) {
		own->own_vote = false;
		own->votes |= 1u << s->node->id;
		(void)tla_line(s, TLA_RECEIVE_VOTE_REPLY);
	}
	if (s->before.role != RAFT_LEADER) {
		return;
	}
	for (i = 0; i < own->own_write_count &&
	    own->own_writes[i] <= s->tla->status.durable_index; i++) {
		tla_line(s, TLA_RECEIVE_APPEND_REPLY)->self_index =
		    own->own_writes[i];
		own->match[s->node->id] = own->own_writes[i] + 1;
	}
	own->own_write_count = tla_take(own->own_writes,
	    own->own_write_count, 0, i, sizeof(own->own_writes[0]));
}

static void
change_role(struct tla_step *s)
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
		(void)tla_line(s, TLA_BECOME_FOLLOWER);
	}
	if (s->after.role == RAFT_CANDIDATE &&
	    s->after.term == s->now.term + 1) {
		tla_conf_campaign(s);
		s->now.role = s->after.role;
		s->now.term = s->after.term;
		s->now.vote = s->after.vote;
		own->votes = 0;
		(void)tla_line(s, TLA_BECOME_CANDIDATE);
		own->own_vote = true;
		own->own_vote_seq = s->update->persist_seq;
		(void)tla_line(s, TLA_SEND_VOTE_REPLY);
	} else if (s->after.role == RAFT_FOLLOWER &&
	    (s->now.role != RAFT_FOLLOWER || s->now.term != s->after.term)) {
		s->now.role = s->after.role;
		s->now.term = s->after.term;
		(void)tla_line(s, TLA_BECOME_FOLLOWER);
	} else if (s->after.role == RAFT_LEADER &&
	    s->now.role != RAFT_LEADER) {
		tla_conf_elected(s);
		s->now.role = RAFT_LEADER;
		(void)tla_line(s, TLA_BECOME_LEADER);
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
replicate(struct tla_step *s)
{
	const struct raft_update *update = s->update;
	struct tla_node *own = s->own;
	uint32_t i = 0;

	if (s->now.role != RAFT_LEADER || s->now.last >= s->after.last) {
		return;
	}
	while (s->now.last < s->after.last) {
		s->now.last++;
		if (i < update->entry_count &&
		    update->entries[i].type == RAFT_ENTRY_CONFIGURATION) {
			tla_conf_replicate(s, &update->entries[i]);
		} else {
			(void)tla_line(s, TLA_REPLICATE);
		}
		i++;
	}
	tla_line(s, TLA_SEND_APPEND_REPLY)->self_index = s->now.last;
	own->own_writes = tla_grow(own->own_writes, own->own_write_count,
	    &own->own_write_capacity, sizeof(own->own_writes[0]));
	own->own_writes[own->own_write_count++] = s->now.last;
}

static void
commit(struct tla_step *s)
{
	if (s->now.role == RAFT_LEADER && s->after.commit > s->now.commit) {
		s->now.commit = s->after.commit;
		(void)tla_line(s, TLA_COMMIT);
		tla_conf_committed(s);
	}
}

static void
send(struct tla_step *s, const struct raft_message *message)
{
	struct sim_tla *tla = s->tla;
	struct tla_node *own = s->own;
	struct tla_message *m;
	struct tla_line *l;
	enum tla_name name = TLA_SEND_APPEND;
	uint64_t match = own->match[message->to];

	if (!tla_is_told(message->type) || (tla_is_request(message->type) &&
	    ((tla_members(&s->now.conf) >> message->to & 1) == 0 ||
	    s->now.role == RAFT_FOLLOWER))) {
		return;		/* lost: see tla_loses() */
	}
	tla->messages = tla_grow(tla->messages, tla->message_count,
	    &tla->message_capacity, sizeof(*tla->messages));
	m = &tla->messages[tla->message_count++];
	*m = (struct tla_message){ .message = *message };
	own->leaving = tla_grow(own->leaving, own->leaving_count,
	    &own->leaving_capacity, sizeof(own->leaving[0]));
	own->leaving[own->leaving_count++] = tla->message_count;
	if (message->type == RAFT_HEARTBEAT) {
		m->commit = match == 0 || match < s->after.commit + 1 ?
		    match : s->after.commit + 1;
	} else if (message->type == RAFT_APPEND && message->index + 1 < match) {
		tla_conf_forgotten(s, message->to);
	} else if (message->type == RAFT_VOTE) {
		name = TLA_SEND_VOTE;
	} else if (message->type != RAFT_APPEND) {
		name = message->type == RAFT_VOTE_REPLY ?
		    TLA_SEND_VOTE_REPLY : TLA_SEND_APPEND_REPLY;
		m->untold = s->reply_untold;
	}
	if (!m->untold) {
		l = tla_line(s, name);
		l->message = tla->message_count;
	}
}
