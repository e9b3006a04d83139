/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations and snapshots in the words of the specification.
 *
 *	core		simple --> joint -------------> simple
 *	                append     committed: append
 *	specification	        old                 --> new
 *	                append                      apply
 *
 * Its configurations change one server at a time, and come into force at a
 * node that has committed the entry and applies it, when it likes.  So the
 * entry of the core's joint configuration is its change, the one that leaves
 * the joint configuration is any entry, and a node applies the change when
 * that one is in its log: until then the core asks for two majorities of which
 * the specification asks for one, from then on both ask for the same.  Where
 * the specification would have to do more than the core has done, or could not
 * do it, the trace ends.  docs/SIMULATOR.md has the table.
 *
 * A snapshot that is installed is an append from the commit index of its
 * receiver on.  To a node that has nothing at all it is a snapshot there,
 * too: nobody else takes anything from one.
 */
#include "sim/tla.h"

static const struct tla_change *committed_change(const struct tla_step *);
static uint64_t	term_at(const struct tla_step *, uint64_t index);
static void	voters_of(const struct raft_configuration *, uint32_t *voters,
		    uint32_t *old, uint32_t *learners);
static bool	change_of(struct tla_step *, const struct raft_configuration *,
		    struct tla_line *);
static bool	change_conf(const struct tla_step *, struct tla_conf *,
		    const struct tla_line *);
static uint64_t	reached(const struct tla_step *, uint32_t voters);

uint32_t
tla_members(const struct tla_conf *conf)
{
	return conf->voters | conf->learners;
}

bool
tla_is_majority(uint32_t set, uint32_t of)
{
	return 2 * __builtin_popcount(set & of) > __builtin_popcount(of);
}

static bool
is_equal(const struct tla_conf *a, const struct tla_conf *b)
{
	return a->voters == b->voters && a->learners == b->learners;
}

void
tla_conf_apply(struct tla_step *s, bool now)
{
	const struct tla_change *change = committed_change(s);
	const struct tla_conf *conf = change == NULL ? &s->tla->conf :
	    &change->after;

	if (change != NULL && !now && change->joint &&
	    s->tla->status.configuration.index == change->index &&
	    is_equal(&s->now.conf, &change->before)) {
		return;
	}
	if ((change == NULL || is_equal(conf, &s->now.conf)) && !now) {
		return;
	}
	s->now.conf = *conf;
	if (s->now.role == RAFT_LEADER &&
	    s->now.pending >= (change == NULL ? 0 : change->index)) {
		s->now.pending = 0;
	}
	(void)tla_line(s, TLA_APPLY_CONF_CHANGE);
}

void
tla_conf_replicate(struct tla_step *s, const struct raft_entry *entry)
{
	const struct raft_configuration *next = &s->tla->status.configuration;
	struct tla_line change = { .name = TLA_REPLICATE }, *l;
	struct tla_conf conf = s->now.conf;
	struct sim_tla *tla = s->tla;

	if (next->index != entry->index || !change_of(s, next, &change)) {
		s->inexpressible = "several servers change at once";
		return;
	}
	if (change.name == TLA_REPLICATE) {
		(void)tla_line(s, TLA_REPLICATE);
		return;
	}
	if (s->now.pending != 0) {
		s->now.last--;		/* that comes first */
		tla_conf_apply(s, true);
		s->now.last++;
	}
	if (s->now.pending != 0 || !change_conf(s, &conf, &change)) {
		s->inexpressible = "the leader begins a change where the "
		    "specification has another one under way";
		return;
	}
	tla->changes = tla_grow(tla->changes, tla->change_count,
	    &tla->change_capacity, sizeof(*tla->changes));
	tla->changes[tla->change_count++] = (struct tla_change){
		.index = entry->index, .term = s->now.term,
		.before = s->now.conf, .after = conf,
		.joint = s->tla->status.joint,
	};
	s->now.pending = entry->index;
	l = tla_line(s, TLA_CHANGE_CONF);
	l->change = change.change;
	l->subject = change.subject;
}

void
tla_conf_campaign(struct tla_step *s)
{
	uint32_t self = 1u << s->node->id;

	if ((s->now.conf.voters & self) == 0) {
		tla_conf_apply(s, true);
	}
	if ((s->now.conf.voters & self) == 0) {
		s->inexpressible = "a node campaigns in a configuration that "
		    "it has not committed";
	}
}

void
tla_conf_elected(struct tla_step *s)
{
	uint32_t voters, old, learners;

	voters_of(&s->tla->before.configuration, &voters, &old, &learners);
	if (!tla_is_majority(s->own->votes, s->now.conf.voters) &&
	    (old != 0 || voters != s->now.conf.voters)) {
		s->inexpressible = "a node is elected in a configuration that "
		    "it has not committed";
	}
}

/*
 * The specification commits what a majority has by its configuration, no less.
 * The core may: in a joint configuration, or when it has forgotten what a
 * former run of a follower has acknowledged.  No words for these; everything
 * else is for the specification to judge.
 */
void
tla_conf_committed(struct tla_step *s)
{
	uint64_t index = reached(s, s->now.conf.voters), joint;
	uint32_t voters, old, learners, i;

	if (index == s->now.commit + 1) {
		return;
	}
	voters_of(&s->tla->before.configuration, &voters, &old, &learners);
	joint = reached(s, voters);
	if (old != 0 && reached(s, old) < joint) {
		joint = reached(s, old);
	}
	if (index > s->now.commit + 1 && old != 0 &&
	    joint == s->now.commit + 1) {
		s->inexpressible = "a leader commits by both majorities of a "
		    "joint configuration, and the specification would more by "
		    "one";
	}
	for (i = 1; i <= SIM_NODES_MAX; i++) {
		tla_conf_forgotten(s, i);
	}
}

void
tla_conf_forgotten(struct tla_step *s, uint32_t id)
{
	const struct raft_status *status = &s->tla->status;
	uint32_t i;

	for (i = 0; i < status->peer_count; i++) {
		if (status->peers[i].id == id && s->own->match[id] >
		    status->peers[i].match_index + 1) {
			s->inexpressible = "a leader has forgotten what a "
			    "former run acknowledged, which the specification "
			    "does not know";
		}
	}
}

void
tla_install_arrived(struct tla_step *s, uint64_t number)
{
	if (s->update->chunk != NULL) {
		s->own->install = number;
	}
}

void
tla_install(struct tla_step *s)
{
	uint64_t number = s->own->install, index;
	const struct tla_message *m;
	struct tla_part part = { .message = number };
	struct tla_line *l;

	if (s->update->install_id == 0) {
		return;
	}
	s->own->install = 0;
	m = number == 0 ? NULL : &s->tla->messages[number - 1];
	index = s->update->snapshot->index;
	if (s->heard > s->now.commit) {
		s->now.commit = s->heard;
	}
	part.index = s->now.commit;
	if (m != NULL && m->match > part.index + 1) {
		part.index = m->match - 1;
	}
	if (m == NULL || m->message.index != index || part.index > index ||
	    m->message.term != s->now.term) {
		s->inexpressible = "a snapshot is installed in a later term "
		    "than it was sent in, or below what is acknowledged";
		return;
	}
	part.whole = s->now.empty;
	part.log_term = part.index == 0 ? 0 : s->node->world->checks.
	    committed.entries[part.index - 1].term;
	l = tla_line(s, TLA_RECEIVE_APPEND);
	l->message = number;
	l->is_part = true;
	l->part = part;
	s->now.empty = false;
}

/* The last one that the node has committed; NULL: that of the beginning. */
static const struct tla_change *
committed_change(const struct tla_step *s)
{
	const struct tla_change *found = NULL, *c;
	size_t i;

	for (i = 0; i < s->tla->change_count; i++) {
		c = &s->tla->changes[i];
		if (c->index <= s->now.commit &&
		    (found == NULL || c->index > found->index) &&
		    c->term == term_at(s, c->index)) {
			found = c;
		}
	}
	return found;
}

/* Of an entry that the node has committed. */
static uint64_t
term_at(const struct tla_step *s, uint64_t index)
{
	const struct sim_log *committed = &s->node->world->checks.committed;

	return index <= committed->count ?
	    committed->entries[index - 1].term :
	    raft_term_at(s->node->raft, index);
}

static void
voters_of(const struct raft_configuration *c, uint32_t *voters, uint32_t *old,
    uint32_t *learners)
{
	uint32_t i, bit;

	*voters = *old = *learners = 0;
	for (i = 0; i < c->count; i++) {
		bit = 1u << c->servers[i].id;
		*voters |= (c->servers[i].suffrage & RAFT_VOTER) != 0 ?
		    bit : 0;
		*old |= (c->servers[i].suffrage & RAFT_VOTER_OLD) != 0 ?
		    bit : 0;
		*learners |= (c->servers[i].suffrage & RAFT_LEARNER) != 0 ?
		    bit : 0;
	}
}

/*
 * What the entry of this configuration is there: a change, or (it leaves a
 * joint one, or marks a learner) any entry.  False: no single change.
 */
static bool
change_of(struct tla_step *s, const struct raft_configuration *next,
    struct tla_line *l)
{
	uint32_t voters, old, learners, next_voters, next_learners, bits;

	voters_of(&s->tla->before.configuration, &voters, &old, &learners);
	if (old != 0) {
		return true;
	}
	voters_of(next, &next_voters, &old, &next_learners);
	bits = voters ^ next_voters;
	if (bits == 0) {
		bits = learners ^ next_learners;
		l->change = (bits & learners) != 0 ? TLA_REMOVE_SERVER :
		    TLA_ADD_LEARNER;
	} else {
		l->change = (bits & voters) != 0 ? TLA_REMOVE_SERVER :
		    TLA_ADD_SERVER;
		if ((bits & next_learners) != 0 || voters !=
		    s->now.conf.voters) {
			return false;
		}
	}
	if (bits == 0) {
		return true;
	}
	l->name = TLA_CHANGE_CONF;
	l->subject = (uint32_t)__builtin_ctz(bits);
	return (bits & (bits - 1)) == 0;
}

/* What the specification makes of it; false: it does not allow it. */
static bool
change_conf(const struct tla_step *s, struct tla_conf *conf,
    const struct tla_line *l)
{
	uint32_t bit = 1u << l->subject;

	switch (l->change) {
	case TLA_ADD_SERVER:
		conf->voters |= bit;
		return (s->now.conf.voters & bit) == 0;
	case TLA_ADD_LEARNER:
		conf->learners |= bit;
		return (tla_members(&s->now.conf) & bit) == 0;
	case TLA_REMOVE_SERVER:
		conf->voters &= ~bit;
		conf->learners &= ~bit;
		return (tla_members(&s->now.conf) & bit) != 0;
	}
	return false;
}

/* What a majority of these has there, one more than the index. */
static uint64_t
reached(const struct tla_step *s, uint32_t voters)
{
	uint32_t i, j, at_least;
	uint64_t most = 0;

	for (i = 1; i <= SIM_NODES_MAX; i++) {
		at_least = 0;
		for (j = 1; j <= SIM_NODES_MAX; j++) {
			if (s->own->match[j] >= s->own->match[i]) {
				at_least |= 1u << j;
			}
		}
		if (s->own->match[i] > most &&
		    tla_is_majority(at_least, voters)) {
			most = s->own->match[i];
		}
	}
	return most;
}
