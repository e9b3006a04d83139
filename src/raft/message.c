/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Outgoing messages, and whose run they are meant for.
 *
 * A leader addresses the run that it knows, so that what it says about a log
 * never reaches a successor with another log.  When that run is known dead,
 * or has not answered for two heartbeats, the run is "not known": then the
 * next run is reached as well, and shows itself by its reply.  Requests for
 * votes say nothing about the addressee, and are always meant for whichever
 * run is there.
 */
#include <assert.h>

#include "raft/core.h"

static struct raft_message *message_new(struct raft *,
	    enum raft_message_type, uint32_t);
static uint64_t addressed_run(struct raft *, uint32_t);
static const struct sighting *sighting_find(const struct raft *, uint32_t);

struct raft_message *
message_request(struct raft *r, enum raft_message_type type, uint32_t to)
{
	struct raft_message *m = message_new(r, type, to);
	const struct progress *p;

	if (type == RAFT_APPEND || type == RAFT_HEARTBEAT ||
	    type == RAFT_INSTALL || type == RAFT_TIMEOUT_NOW) {
		p = replicate_progress(r, to);
		m->to_store = p == NULL ? 0 : p->store_id;
		m->to_run = addressed_run(r, to);
	}
	m->request = ++r->request;
	return m;
}

struct raft_message *
message_reply(struct raft *r, const struct raft_message *request)
{
	struct raft_message *m;

	/* each request's number is followed by its reply's */
	m = message_new(r, (enum raft_message_type)(request->type + 1),
	    request->from);
	m->to_run = request->from_run;
	m->to_store = request->from_store;
	m->request = request->request;
	return m;
}

/* When the table is full the entry that was used least recently goes. */
struct sighting *
sighting_make(struct raft *r, uint32_t id)
{
	struct sighting *s = NULL;
	uint32_t i;

	for (i = 0; i < SIGHTINGS_MAX; i++) {
		if (r->sightings[i].id == id) {
			s = &r->sightings[i];
			break;
		}
		if (s == NULL || r->sightings[i].used < s->used) {
			s = &r->sightings[i];
		}
	}
	if (s->id != id) {
		*s = (struct sighting){ .id = id };
	}
	s->used = ++r->sighting_clock;
	return s;
}

uint64_t
sighting_run(const struct raft *r, uint32_t id)
{
	const struct sighting *s = sighting_find(r, id);

	return s == NULL ? 0 : s->run;
}

bool
sighting_is_dead(const struct raft *r, uint32_t id, uint64_t run)
{
	const struct sighting *s = sighting_find(r, id);

	return s != NULL && (run <= s->dead_run || run < s->run);
}

bool
sighting_has_reached(const struct raft *r, uint32_t id, uint64_t run,
    uint64_t term)
{
	const struct sighting *s = sighting_find(r, id);

	return s != NULL && s->run == run && s->term >= term;
}

static struct raft_message *
message_new(struct raft *r, enum raft_message_type type, uint32_t to)
{
	struct raft_update *u = r->update;
	struct raft_message *m;

	assert(u->message_count < RAFT_MESSAGES_MAX);
	m = &u->messages[u->message_count++];
	*m = (struct raft_message){
		.type = type,
		.from = r->config.id,
		.to = to,
		.cluster_id = r->config.cluster_id,
		.from_run = r->config.run,
		.from_store = r->config.store_id,
		.term = r->hard.term,
	};
	return m;
}

static uint64_t
addressed_run(struct raft *r, uint32_t to)
{
	const struct sighting *s = sighting_find(r, to);
	const struct progress *p = replicate_progress(r, to);

	if (s == NULL || s->dead_run >= s->run || p == NULL ||
	    ELAPSED(r, p->contact_ns) >= 2 * r->config.heartbeat_ns) {
		return 0;
	}
	return s->run;
}

static const struct sighting *
sighting_find(const struct raft *r, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < SIGHTINGS_MAX; i++) {
		if (r->sightings[i].id == id) {
			return &r->sightings[i];
		}
	}
	return NULL;
}
