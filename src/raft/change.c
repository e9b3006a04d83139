/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of the membership: what an operator asks for, and what a leader does
 * by itself.
 *
 *	             CHANGE: voters differ              committed
 *	   simple ---------------------------> joint ---------------> simple
 *	     |  ^                                                        |
 *	     +--+ CHANGE: only learners differ      a learner is ready:  |
 *	                                            joint again  <-------+
 *
 * Two rules make every majority of one configuration meet every majority of
 * the next: voters change only through a joint configuration (dissertation
 * 4.3), and a leader appends a configuration only when the one before, and an
 * entry of its own term, are committed (T70; Ongaro, raft-dev, 2015).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "raft/core.h"

static int may_change(struct raft *, uint64_t);
static int build_target(struct raft *, const struct raft_change *, uint32_t,
	    struct raft_configuration *);
static int apply_change(struct raft *, const struct raft_change *,
	    struct raft_configuration *);
static int insert(struct raft *, const struct raft_change *, uint32_t,
	    struct raft_configuration *);
static int begin(struct raft *, const struct raft_configuration *);
static bool same_voters(const struct raft_configuration *,
	    const struct raft_configuration *);
static int make_joint(struct raft *, const struct raft_configuration *,
	    const struct raft_configuration *, struct raft_configuration *);
static void make_final(const struct raft_configuration *,
	    struct raft_configuration *);
static bool has_quorum(const struct raft *,
	    const struct raft_configuration *);
static bool is_in_contact(const struct raft *, const struct raft_server *);
static void append(struct raft *, const struct raft_configuration *);
static void promote(struct raft *);
static bool is_ready(struct raft *, struct progress *);
static struct raft_server *find(struct raft_configuration *, uint32_t);

int
change_refuse(struct raft *r, int result, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	r->update->result = result;
	r->update->why = r->why;
	return result;
}

void
change_request(struct raft *r, const struct raft_change *changes,
    uint32_t count, uint64_t base_index)
{
	struct raft_configuration target;

	if (may_change(r, base_index) != ERR_OK ||
	    build_target(r, changes, count, &target) != ERR_OK ||
	    begin(r, &target) != ERR_OK) {
		TELL(r, RAFT_TELL_CONFIGURATION, "a change of the "
		    "configuration is asked for -> refused: %s", r->why);
		return;
	}
	r->update->change_index = configuration(r)->index;
}

/* What follows without being asked for. */
void
change_advance(struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	struct raft_configuration final;

	if (r->role != RAFT_LEADER || !raft_is_ready(r) ||
	    c->index > r->commit_index) {
		return;
	}
	if (!quorum_is_joint(c) && !configuration_votes(r, c)) {
		/* Dissertation 4.2.2: it has managed a cluster that it is not
		 * part of for as long as that was needed. */
		transfer_leave(r);
		become_follower(r, r->hard.term, 0, 0,
		    "it has no vote in the committed configuration");
		return;
	}
	if (r->update->entries != NULL || r->room == RAFT_ROOM_NONE ||
	    r->transfer_to != 0 || !configuration_has_room(r)) {
		return;
	}
	if (quorum_is_joint(c)) {
		make_final(c, &final);
		TELL(r, RAFT_TELL_CONFIGURATION, "the joint configuration of "
		    "entry %" PRIu64 " is committed -> Node %" PRIu32
		    " leaves it", c->index, r->config.id);
		append(r, &final);
		return;
	}
	promote(r);
}

/*
 * The voters of b decide together with those of a, so that no two decisions
 * can miss each other.
 */
bool
change_may_follow(const struct raft_configuration *a,
    const struct raft_configuration *b)
{
	struct raft_configuration final;

	if (quorum_is_joint(a)) {
		make_final(a, &final);
		return !quorum_is_joint(b) && same_voters(&final, b);
	}
	if (!quorum_is_joint(b)) {
		return same_voters(a, b);
	}
	final = *b;
	for (uint32_t i = 0; i < final.count; i++) {
		final.servers[i].suffrage =
		    (final.servers[i].suffrage & RAFT_VOTER_OLD) != 0 ?
		    RAFT_VOTER : RAFT_LEARNER;
	}
	return same_voters(a, &final);
}

static int
may_change(struct raft *r, uint64_t base_index)
{
	const struct raft_configuration *c = configuration(r);

	if (r->role != RAFT_LEADER) {
		return change_refuse(r, ERR_NOT_APPLIED,
		    "Node %" PRIu32 " is not the leader", r->config.id);
	}
	if (r->transfer_to != 0) {
		return change_refuse(r, ERR_BUSY, "the leadership is being "
		    "transferred to Node %" PRIu32, r->transfer_to);
	}
	if (!raft_is_ready(r)) {
		return change_refuse(r, ERR_AGAIN, "nothing of term %" PRIu64
		    " is committed yet", r->hard.term);
	}
	if (c->index > r->commit_index || quorum_is_joint(c)) {
		return change_refuse(r, ERR_BUSY, "another change, of entry %"
		    PRIu64 ", is under way", c->index);
	}
	if (base_index != 0 && base_index != c->index) {
		return change_refuse(r, ERR_MISMATCH, "the configuration is "
		    "that of entry %" PRIu64 ", not of %" PRIu64, c->index,
		    base_index);
	}
	if (r->room != RAFT_ROOM_OK) {
		return change_refuse(r, ERR_FULL, "the disk has no room");
	}
	if (!configuration_has_room(r)) {
		return change_refuse(r, ERR_BUSY,
		    "too many configurations are not committed");
	}
	return ERR_OK;
}

static int
build_target(struct raft *r, const struct raft_change *changes,
    uint32_t count, struct raft_configuration *target)
{
	const struct raft_configuration *c = configuration(r);
	uint32_t i;
	int result;

	*target = *c;
	for (i = 0; i < count; i++) {
		result = apply_change(r, &changes[i], target);
		if (result != ERR_OK) {
			return result;
		}
	}
	if (target->count == c->count && memcmp(target->servers, c->servers,
	    c->count * sizeof(c->servers[0])) == 0) {
		return change_refuse(r, ERR_EXISTS,
		    "the configuration is so already");
	}
	if (quorum_size(target) == 0) {
		return change_refuse(r, ERR_USAGE,
		    "the last voter would be taken out");
	}
	return ERR_OK;
}

static int
apply_change(struct raft *r, const struct raft_change *change,
    struct raft_configuration *target)
{
	struct raft_server *s = find(target, change->id);

	if (change->id == 0 || change->store_id == 0 ||
	    change->type < RAFT_CHANGE_ADD ||
	    change->type > RAFT_CHANGE_REPLACE) {
		return change_refuse(r, ERR_USAGE,
		    "that is no change of a server");
	}
	if (s != NULL && s->store_id != change->store_id &&
	    change->type != RAFT_CHANGE_REPLACE) {
		return change_refuse(r, ERR_MISMATCH, "Node %" PRIu32
		    " is a member with another store", change->id);
	}
	if (s == NULL && (change->type == RAFT_CHANGE_REMOVE ||
	    change->type == RAFT_CHANGE_REPLACE)) {
		return change_refuse(r, ERR_NOT_FOUND, "Node %" PRIu32
		    " is no member", change->id);
	}
	switch (change->type) {
	case RAFT_CHANGE_ADD:
		if (s == NULL) {
			return insert(r, change, RAFT_LEARNER | RAFT_PROMOTE,
			    target);
		}
		if ((s->suffrage & RAFT_LEARNER) != 0) {
			s->suffrage |= RAFT_PROMOTE;
		}
		break;
	case RAFT_CHANGE_LEARNER:
	case RAFT_CHANGE_VOTER:
		if (s == NULL) {
			return insert(r, change,
			    change->type == RAFT_CHANGE_VOTER ?
			    RAFT_VOTER : RAFT_LEARNER, target);
		}
		s->suffrage = change->type == RAFT_CHANGE_VOTER ?
		    RAFT_VOTER : RAFT_LEARNER;
		break;
	case RAFT_CHANGE_REMOVE:
		target->count--;
		memmove(s, s + 1, (size_t)(target->servers + target->count -
		    s) * sizeof(*s));
		break;
	case RAFT_CHANGE_REPLACE:
		if (change->id == r->config.id) {
			return change_refuse(r, ERR_USAGE,
			    "the leader does not replace itself");
		}
		s->store_id = change->store_id;
		s->suffrage = RAFT_LEARNER | RAFT_PROMOTE;
		break;
	}
	return ERR_OK;
}

static int
insert(struct raft *r, const struct raft_change *change, uint32_t suffrage,
    struct raft_configuration *target)
{
	uint32_t at = 0;

	if (target->count == RAFT_SERVERS_MAX) {
		return change_refuse(r, ERR_TOO_LARGE,
		    "there would be more than %d servers", RAFT_SERVERS_MAX);
	}
	while (at < target->count && target->servers[at].id < change->id) {
		at++;
	}
	memmove(target->servers + at + 1, target->servers + at,
	    (target->count - at) * sizeof(target->servers[0]));
	target->servers[at] = (struct raft_server){
		.id = change->id,
		.suffrage = suffrage,
		.store_id = change->store_id,
	};
	target->count++;
	return ERR_OK;
}

/* Towards the target, by way of a joint configuration if it needs one. */
static int
begin(struct raft *r, const struct raft_configuration *target)
{
	struct raft_configuration joint;
	int result;

	/*
	 * Strict: a change that a majority of its voters may never hear of
	 * would stop the cluster until they are back (T78).
	 */
	if (!has_quorum(r, target)) {
		return change_refuse(r, ERR_AGAIN, "a majority of the new "
		    "voters is not in contact: the quorum would be lost");
	}
	if (same_voters(configuration(r), target)) {
		append(r, target);
		return ERR_OK;
	}
	result = make_joint(r, configuration(r), target, &joint);
	if (result == ERR_OK) {
		append(r, &joint);
	}
	return result;
}

static bool
same_voters(const struct raft_configuration *a,
    const struct raft_configuration *b)
{
	uint32_t i = 0, j = 0;

	for (;;) {
		while (i < a->count &&
		    (a->servers[i].suffrage & RAFT_VOTER) == 0) {
			i++;
		}
		while (j < b->count &&
		    (b->servers[j].suffrage & RAFT_VOTER) == 0) {
			j++;
		}
		if (i == a->count || j == b->count) {
			return i == a->count && j == b->count;
		}
		if (a->servers[i].id != b->servers[j].id ||
		    a->servers[i].store_id != b->servers[j].store_id) {
			return false;
		}
		i++;
		j++;
	}
}

/* Both lists rise by id; each id of either is looked at once. */
static int
make_joint(struct raft *r, const struct raft_configuration *from,
    const struct raft_configuration *to, struct raft_configuration *joint)
{
	const struct raft_server *old, *new;
	struct raft_server both[2 * RAFT_SERVERS_MAX];
	uint32_t i = 0, j = 0, count = 0;
	bool voted;

	while (i < from->count || j < to->count) {
		old = i < from->count ? &from->servers[i] : NULL;
		new = j < to->count ? &to->servers[j] : NULL;
		if (old != NULL && new != NULL && old->id != new->id) {
			*(old->id < new->id ? &new : &old) = NULL;
		}
		i += old != NULL ? 1 : 0;
		j += new != NULL ? 1 : 0;
		voted = old != NULL && (old->suffrage & RAFT_VOTER) != 0;
		if (voted && new != NULL && new->store_id != old->store_id) {
			if ((new->suffrage & RAFT_VOTER) != 0) {
				return change_refuse(r, ERR_USAGE, "Node %"
				    PRIu32 " begins as a learner when it is "
				    "replaced", new->id);
			}
			both[count] = *old;
			both[count++].suffrage = RAFT_VOTER_OLD;
			both[count++] = *new;
		} else if (new != NULL) {
			both[count] = *new;
			both[count++].suffrage |= voted ? RAFT_VOTER_OLD : 0;
		} else if (voted) {
			both[count] = *old;
			both[count++].suffrage = RAFT_VOTER_OLD;
		}
	}
	if (count > RAFT_SERVERS_MAX) {
		return change_refuse(r, ERR_TOO_LARGE, "old and new servers "
		    "together would be more than %d: change fewer at a time",
		    RAFT_SERVERS_MAX);
	}
	memset(joint, 0, sizeof(*joint));
	joint->count = count;
	memcpy(joint->servers, both, count * sizeof(both[0]));
	return ERR_OK;
}

static void
make_final(const struct raft_configuration *joint,
    struct raft_configuration *final)
{
	const struct raft_server *s;
	uint32_t i;

	memset(final, 0, sizeof(*final));
	for (i = 0; i < joint->count; i++) {
		s = &joint->servers[i];
		if (s->suffrage == RAFT_VOTER_OLD) {
			continue;
		}
		final->servers[final->count] = *s;
		final->servers[final->count++].suffrage &=
		    ~(uint32_t)RAFT_VOTER_OLD;
	}
}

/* A majority of its (new) voters is in contact. */
static bool
has_quorum(const struct raft *r, const struct raft_configuration *c)
{
	uint32_t i, count = 0;

	for (i = 0; i < c->count; i++) {
		if ((c->servers[i].suffrage & RAFT_VOTER) != 0 &&
		    is_in_contact(r, &c->servers[i])) {
			count++;
		}
	}
	return count >= quorum_size(c);
}

static bool
is_in_contact(const struct raft *r, const struct raft_server *s)
{
	const struct progress *p;

	if (s->id == r->config.id) {
		return s->store_id == r->config.store_id;
	}
	p = replicate_of(r, s);
	return p != NULL && p->heard &&
	    ELAPSED(r, p->contact_ns) < r->config.election_max_ns &&
	    !sighting_is_dead(r, p->id, sighting_run(r, p->id));
}

static void
append(struct raft *r, const struct raft_configuration *c)
{
	int result;

	r->own = (struct raft_entry){
		.type = RAFT_ENTRY_CONFIGURATION,
		.size = raft_configuration_encode(c, r->own_data),
		.data = r->own_data,
	};
	r->own.checksum = raft_entry_checksum(r->own.type, r->own.data,
	    r->own.size);
	append_own(r, &r->own, 1);
	result = configuration_append(r, &r->own);
	if (result != ERR_OK) {
		raft_latch(r, "a configuration of %" PRIu32 " servers was "
		    "made that is none", c->count);
	}
}

/* All learners that are ready become voters, in one step. */
static void
promote(struct raft *r)
{
	struct raft_configuration target = *configuration(r), joint;
	struct progress *p;
	uint32_t i, count = 0;

	for (i = 0; i < target.count; i++) {
		if ((target.servers[i].suffrage & RAFT_PROMOTE) == 0) {
			continue;
		}
		p = replicate_of(r, &target.servers[i]);
		if (p == NULL || !is_ready(r, p)) {
			continue;
		}
		target.servers[i].suffrage = RAFT_VOTER;
		count++;
		if (!has_quorum(r, &target)) {
			return;		/* one more would need a fourth, ... */
		}
	}
	if (count == 0 || make_joint(r, configuration(r), &target,
	    &joint) != ERR_OK) {
		return;
	}
	TELL(r, RAFT_TELL_CONFIGURATION, "%" PRIu32 " learner%s caught up -> "
	    "promoted", count, count == 1 ? " has" : "s have");
	append(r, &joint);
}

/*
 * Dissertation 4.2.1: a round replicates what the log held when it began; if
 * it takes less than an election timeout, what has come since can be
 * replicated in less, and the new voter will not hold commits up.
 */
static bool
is_ready(struct raft *r, struct progress *p)
{
	if (p->round_target == 0 && (!p->caught_up ||
	    p->match < r->log.last_index)) {
		p->round_target = r->log.last_index;
		p->round_begin_ns = r->now_ns;
	}
	if (p->round_target != 0 && p->match >= p->round_target) {
		p->rounds++;
		p->caught_up = ELAPSED(r, p->round_begin_ns) <
		    r->config.election_min_ns;
		p->round_target = 0;
	}
	return p->caught_up && p->heard &&
	    ELAPSED(r, p->contact_ns) < r->config.election_max_ns &&
	    (p->round_target == 0 || ELAPSED(r, p->round_begin_ns) <
	    r->config.election_min_ns);
}

static struct raft_server *
find(struct raft_configuration *c, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		if (c->servers[i].id == id) {
			return &c->servers[i];
		}
	}
	return NULL;
}
