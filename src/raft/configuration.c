/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations: the one in force is the last one in the log, committed or
 * not (paper 6: "a server always uses the latest configuration in its log,
 * regardless of whether the entry is committed"); when its entry is
 * truncated the one before is in force again (T71).  So the latest committed
 * one is kept and all after it; and those before it back to the last snapshot,
 * since the next one will be somewhere in between (T54), as long as there is
 * room.
 *
 * A node is the server of a configuration that has its id and its store id:
 * an id alone may have belonged to another store.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "raft/core.h"

static void drop(struct raft *, uint32_t);
static bool replaces(const struct raft_server *,
	    const struct raft_server *);
static void in_force(struct raft *, const char *);
static uint32_t u32_at(const uint8_t *);
static uint64_t u64_at(const uint8_t *);
static void u32_put(uint8_t *, uint32_t);
static void u64_put(uint8_t *, uint64_t);

uint32_t
raft_configuration_encode(const struct raft_configuration *c, uint8_t *data)
{
	uint32_t i;
	uint8_t *at = data + 4;

	assert(c->count <= RAFT_SERVERS_MAX);
	u32_put(data, c->count);
	for (i = 0; i < c->count; i++) {
		u32_put(at, c->servers[i].id);
		u32_put(at + 4, c->servers[i].suffrage);
		u64_put(at + 8, c->servers[i].store_id);
		at += 16;
	}
	return (uint32_t)(at - data);
}

int
raft_configuration_decode(struct raft_configuration *c, const void *data,
    uint32_t size)
{
	const uint8_t *at = data;
	uint32_t i;

	memset(c, 0, sizeof(*c));
	if (data == NULL || size < 4) {
		return ERR_CORRUPT;
	}
	c->count = u32_at(at);
	if (c->count > RAFT_SERVERS_MAX || size != 4 + 16 * c->count) {
		return ERR_CORRUPT;
	}
	at += 4;
	for (i = 0; i < c->count; i++) {
		c->servers[i].id = u32_at(at);
		c->servers[i].suffrage = u32_at(at + 4);
		c->servers[i].store_id = u64_at(at + 8);
		at += 16;
	}
	return configuration_check(c) == NULL ? ERR_OK : ERR_CORRUPT;
}

const char *
configuration_check(const struct raft_configuration *c)
{
	uint32_t i, suffrage;

	if (c->count == 0 || c->count > RAFT_SERVERS_MAX) {
		return "a configuration has no servers, or too many";
	}
	for (i = 0; i < c->count; i++) {
		suffrage = c->servers[i].suffrage;
		if (c->servers[i].id == 0 || (i > 0 &&
		    c->servers[i].id <= c->servers[i - 1].id &&
		    !replaces(&c->servers[i - 1], &c->servers[i]))) {
			return "the ids of a configuration do not rise";
		}
		if (suffrage == 0 || suffrage > (RAFT_VOTER |
		    RAFT_VOTER_OLD | RAFT_LEARNER | RAFT_PROMOTE) ||
		    (suffrage & (RAFT_VOTER | RAFT_LEARNER)) ==
		    (RAFT_VOTER | RAFT_LEARNER) ||
		    (suffrage & (RAFT_PROMOTE | RAFT_LEARNER)) ==
		    RAFT_PROMOTE) {
			return "a suffrage is unknown";
		}
	}
	return quorum_size(c) == 0 ? "a configuration has no voter" : NULL;
}

const struct raft_configuration *
configuration(const struct raft *r)
{
	assert(r->configuration_count > 0);
	return &r->configurations[r->configuration_count - 1];
}

int
configuration_append(struct raft *r, const struct raft_entry *e)
{
	struct raft_configuration c;
	int result;

	result = raft_configuration_decode(&c, e->data, e->size);
	if (result != ERR_OK) {
		return result;
	}
	if (!configuration_has_room(r)) {
		return ERR_BUSY;
	}
	if (r->configuration_count == CONFIGURATIONS_MAX) {
		drop(r, 1);
	}
	c.index = e->index;
	r->configurations[r->configuration_count++] = c;
	in_force(r, "entry appended");
	return ERR_OK;
}

void
configuration_truncate(struct raft *r, uint64_t index)
{
	uint32_t count = r->configuration_count;

	while (count > 1 && r->configurations[count - 1].index >= index) {
		count--;
	}
	if (count != r->configuration_count) {
		r->configuration_count = count;
		in_force(r, "entry truncated");
	}
}

bool
configuration_has_room(const struct raft *r)
{
	return r->configuration_count < CONFIGURATIONS_MAX ||
	    r->configurations[1].index <= r->commit_index;
}

const struct raft_configuration *
configuration_committed(const struct raft *r)
{
	return configuration_at(r, r->commit_index) != NULL ?
	    configuration_at(r, r->commit_index) : &r->configurations[0];
}

const struct raft_configuration *
configuration_at(const struct raft *r, uint64_t index)
{
	uint32_t i = r->configuration_count;

	while (i > 0 && r->configurations[i - 1].index > index) {
		i--;
	}
	return i == 0 ? NULL : &r->configurations[i - 1];
}

void
configuration_forget(struct raft *r, uint64_t index)
{
	uint32_t i = 0;

	assert(index <= r->commit_index);
	while (i + 1 < r->configuration_count &&
	    r->configurations[i + 1].index <= index) {
		i++;
	}
	drop(r, i);
}

void
configuration_install(struct raft *r, const struct raft_configuration *c,
    bool keep_later)
{
	uint64_t before = configuration(r)->index;
	uint32_t later = 0;

	while (keep_later && later < r->configuration_count &&
	    r->configurations[r->configuration_count - 1 - later].index >
	    c->index) {
		later++;
	}
	if (later == CONFIGURATIONS_MAX) {
		return;			/* no room for what is over */
	}
	memmove(r->configurations + 1, r->configurations +
	    r->configuration_count - later,
	    later * sizeof(r->configurations[0]));
	r->configurations[0] = *c;
	r->configuration_count = later + 1;
	if (configuration(r)->index != before) {
		in_force(r, "snapshot installed");
	}
}

bool
configuration_votes(const struct raft *r, const struct raft_configuration *c)
{
	return quorum_is_voter(c, r->config.id, r->config.store_id);
}

bool
configuration_has_vote(const struct raft *r)
{
	const struct raft_configuration *c = configuration_committed(r);
	const struct raft_configuration *last = configuration(r);

	/* Until the last one is committed the others may need its vote. */
	for (; c <= last; c++) {
		if (configuration_votes(r, c)) {
			return true;
		}
	}
	return false;
}

/* Forgets the oldest ones. */
static void
drop(struct raft *r, uint32_t count)
{
	r->configuration_count -= count;
	memmove(r->configurations, r->configurations + count,
	    r->configuration_count * sizeof(r->configurations[0]));
}

/* The old store of an id leaves while the new one is a learner already. */
static bool
replaces(const struct raft_server *old, const struct raft_server *new)
{
	return old->id == new->id && old->suffrage == RAFT_VOTER_OLD &&
	    (new->suffrage & ~(uint32_t)RAFT_PROMOTE) == RAFT_LEARNER &&
	    old->store_id != new->store_id;
}

/* Another configuration has come into force. */
static void
in_force(struct raft *r, const char *why)
{
	const struct raft_configuration *c = configuration(r);
	char text[200];

	r->removed = false;
	TELL(r, RAFT_TELL_CONFIGURATION, "%s -> Node %" PRIu32 " is in the "
	    "configuration of entry %" PRIu64 ": %s", why, r->config.id,
	    c->index, narrate_configuration(c, text, sizeof(text)));
	elect_timer_reset(r);
	if (r->role == RAFT_LEADER) {
		replicate_sync(r);
		lease_excuse(r);
	}
}

static uint32_t
u32_at(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 |
	    (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t
u64_at(const uint8_t *at)
{
	return (uint64_t)u32_at(at) | (uint64_t)u32_at(at + 4) << 32;
}

static void
u32_put(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
	at[2] = (uint8_t)(value >> 16);
	at[3] = (uint8_t)(value >> 24);
}

static void
u64_put(uint8_t *at, uint64_t value)
{
	u32_put(at, (uint32_t)value);
	u32_put(at + 4, (uint32_t)(value >> 32));
}
