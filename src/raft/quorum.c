/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arithmetic of quorums; see quorum.h.  Everything is computed for one half
 * of a configuration at a time and then joined: both halves must agree.
 */
#include <assert.h>

#include "raft/quorum.h"

static enum quorum_verdict vote_half(const struct raft_configuration *,
	    uint32_t, const struct quorum_set *, const struct quorum_set *);
static uint64_t reached_half(const struct raft_configuration *, uint32_t,
	    const uint64_t *);
static uint32_t half_size(const struct raft_configuration *, uint32_t);

void
quorum_set_clear(struct quorum_set *set)
{
	set->count = 0;
}

void
quorum_set_add(struct quorum_set *set, uint32_t id)
{
	if (quorum_set_has(set, id) || set->count == RAFT_SERVERS_MAX) {
		return;
	}
	set->ids[set->count++] = id;
}

bool
quorum_set_has(const struct quorum_set *set, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < set->count; i++) {
		if (set->ids[i] == id) {
			return true;
		}
	}
	return false;
}

const struct raft_server *
quorum_server(const struct raft_configuration *c, uint32_t id)
{
	uint32_t i;

	for (i = c->count; i-- > 0; ) {
		if (c->servers[i].id == id) {
			return &c->servers[i];
		}
	}
	return NULL;
}

const struct raft_server *
quorum_member(const struct raft_configuration *c, uint32_t id,
    uint64_t store_id)
{
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		if (c->servers[i].id == id &&
		    c->servers[i].store_id == store_id) {
			return &c->servers[i];
		}
	}
	return NULL;
}

bool
quorum_is_voter(const struct raft_configuration *c, uint32_t id,
    uint64_t store_id)
{
	const struct raft_server *s = quorum_member(c, id, store_id);

	return s != NULL && (s->suffrage & (RAFT_VOTER | RAFT_VOTER_OLD)) != 0;
}

bool
quorum_is_joint(const struct raft_configuration *c)
{
	return half_size(c, RAFT_VOTER_OLD) > 0;
}

uint32_t
quorum_size(const struct raft_configuration *c)
{
	uint32_t voters = half_size(c, RAFT_VOTER);

	return voters == 0 ? 0 : voters / 2 + 1;
}

enum quorum_verdict
quorum_vote(const struct raft_configuration *c,
    const struct quorum_set *granted, const struct quorum_set *refused)
{
	enum quorum_verdict a, b;

	a = vote_half(c, RAFT_VOTER, granted, refused);
	if (!quorum_is_joint(c)) {
		return a;
	}
	b = vote_half(c, RAFT_VOTER_OLD, granted, refused);
	if (a == QUORUM_LOST || b == QUORUM_LOST) {
		return QUORUM_LOST;
	}
	return a == QUORUM_WON ? b : QUORUM_PENDING;
}

uint64_t
quorum_reached(const struct raft_configuration *c, const uint64_t *values)
{
	uint64_t a, b;

	a = reached_half(c, RAFT_VOTER, values);
	if (!quorum_is_joint(c)) {
		return a;
	}
	b = reached_half(c, RAFT_VOTER_OLD, values);
	return a < b ? a : b;
}

static enum quorum_verdict
vote_half(const struct raft_configuration *c, uint32_t half,
    const struct quorum_set *granted, const struct quorum_set *refused)
{
	uint32_t i, yes = 0, no = 0, voters = 0;

	for (i = 0; i < c->count; i++) {
		if ((c->servers[i].suffrage & half) == 0) {
			continue;
		}
		voters++;
		if (quorum_set_has(granted, c->servers[i].id)) {
			yes++;
		} else if (quorum_set_has(refused, c->servers[i].id)) {
			no++;
		}
	}
	if (voters > 0 && yes >= voters / 2 + 1) {
		return QUORUM_WON;
	}
	return voters - no >= voters / 2 + 1 ? QUORUM_PENDING : QUORUM_LOST;
}

static uint64_t
reached_half(const struct raft_configuration *c, uint32_t half,
    const uint64_t *values)
{
	uint64_t sorted[RAFT_SERVERS_MAX];
	uint32_t i, j, count = 0;

	assert(c->count <= RAFT_SERVERS_MAX);
	for (i = 0; i < c->count; i++) {
		if ((c->servers[i].suffrage & half) == 0) {
			continue;
		}
		/* insertion sort, the largest first */
		for (j = count++; j > 0 && sorted[j - 1] < values[i]; j--) {
			sorted[j] = sorted[j - 1];
		}
		sorted[j] = values[i];
	}
	return count == 0 ? 0 : sorted[count / 2];
}

static uint32_t
half_size(const struct raft_configuration *c, uint32_t half)
{
	uint32_t i, count = 0;

	for (i = 0; i < c->count; i++) {
		if ((c->servers[i].suffrage & half) != 0) {
			count++;
		}
	}
	return count;
}
