/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One core, stepped by hand; see solo.h.
 */
#include <assert.h>
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/raft/solo.h"

#define LOG_MAX	600

void (*solo_boot)(struct raft_boot *, struct raft_config *);

static void
tell(void *arg, enum raft_tell kind, const char *text)
{
	struct solo *s = arg;
	size_t length = strlen(text);

	(void)kind;
	s->story = mem_realloc(s->story, s->story_size + length + 2);
	memcpy(s->story + s->story_size, text, length);
	s->story_size += length;
	s->story[s->story_size++] = '\n';
	s->story[s->story_size] = '\0';
}

static uint32_t
parse_terms(const char *text, uint64_t *terms)
{
	uint32_t count = 0;
	char *end;

	for (;;) {
		terms[count] = strtoull(text, &end, 10);
		if (end == text) {
			return count;
		}
		assert(++count < LOG_MAX);
		text = end;
	}
}

struct raft_configuration
solo_voters(uint32_t count)
{
	struct raft_configuration c = { .count = count };
	uint32_t i;

	for (i = 0; i < count; i++) {
		c.servers[i] = (struct raft_server){
			.id = i + 1,
			.suffrage = RAFT_VOTER,
			.store_id = STORE_ID(i + 1),
		};
	}
	return c;
}

struct raft_configuration
solo_learners(uint32_t voters, uint32_t count)
{
	struct raft_configuration c = solo_voters(count);
	uint32_t i;

	for (i = voters; i < count; i++) {
		c.servers[i].suffrage = RAFT_LEARNER;
	}
	return c;
}

void
solo_open(struct solo *s, uint32_t id, uint32_t voters, uint64_t term,
    uint32_t vote, const char *terms)
{
	struct raft_configuration c = solo_voters(voters);

	solo_open_with(s, id, &c, term, vote, terms, 0, 0);
}

void
solo_open_with(struct solo *s, uint32_t id,
    const struct raft_configuration *c, uint64_t term, uint32_t vote,
    const char *text, uint64_t applied, uint32_t append_entries_max)
{
	uint64_t terms[LOG_MAX];
	uint32_t sizes[LOG_MAX];
	struct raft_run runs[LOG_MAX];
	struct raft_boot boot;
	const char *what;
	uint32_t i;

	memset(s, 0, sizeof(*s));
	memset(&boot, 0, sizeof(boot));
	s->now_ns = 1000 * MS;
	boot.hard_state.term = term;
	boot.hard_state.vote = vote;
	boot.first_index = 1;
	boot.last_index = parse_terms(text, terms);
	for (i = 0; i < boot.last_index; i++) {
		sizes[i] = 8;
		if (i == 0 || terms[i] != terms[i - 1]) {
			runs[boot.run_count++] = (struct raft_run){
				.first_index = i + 1, .term = terms[i],
			};
		}
	}
	boot.runs = runs;
	boot.sizes = sizes;
	boot.size_count = boot.last_index;
	boot.applied_index = applied;
	boot.configurations = c;
	boot.configuration_count = 1;
	boot.now_ns = s->now_ns;
	s->config = (struct raft_config){
		.id = id,
		.cluster_id = CLUSTER_ID,
		.store_id = STORE_ID(id),
		.run = RUN(id),
		.heartbeat_ns = HEARTBEAT,
		.election_min_ns = ELECTION_MIN,
		.election_max_ns = ELECTION_MAX,
		.append_entries_max = append_entries_max,
		.uncommitted_bytes_max = 1000,
		.tell_rpc = true,
		.tell = tell,
		.tell_arg = s,
	};
	what = "";
	if (solo_boot != NULL) {
		solo_boot(&boot, &s->config);
	}
	ck_assert_msg(raft_new(&s->raft, &s->config, &boot, &what) == ERR_OK,
	    "%s", what);
}

void
solo_close(struct solo *s)
{
	raft_free(s->raft);
	free(s->story);
	s->raft = NULL;
	s->story = NULL;
}

void
solo_step(struct solo *s, struct raft_event *e)
{
	struct raft *before = raft_clone(s->raft);
	const struct raft_message *m;
	const char *why;
	uint32_t i;

	e->now_ns = s->now_ns;
	e->random = s->random;
	raft_step(s->raft, e, &s->update);
	why = raft_check_state(s->raft);
	if (why == NULL) {
		why = raft_check_delta(before, s->raft);
	}
	ck_assert_msg(why == NULL, "%s\n%s", why, s->story);
	ck_assert_msg((s->raft->latched != NULL) == s->latches, "latched: %s",
	    s->raft->latched);
	for (i = 0; i < s->update.message_count; i++) {
		m = &s->update.messages[i];
		ck_assert_uint_eq(m->from, s->config.id);
		ck_assert_uint_eq(m->from_run, s->config.run);
		ck_assert_uint_eq(m->cluster_id, CLUSTER_ID);
		if (m->to <= RAFT_SERVERS_MAX) {
			s->sent[m->type][m->to] = *m;
		}
	}
	raft_free(before);
}

void
solo_tick(struct solo *s, uint64_t after_ns)
{
	struct raft_event e = { .type = RAFT_EVENT_TICK };

	s->now_ns += after_ns;
	solo_step(s, &e);
}

void
solo_timeout(struct solo *s)
{
	ck_assert(s->raft->election_deadline_ns != UINT64_MAX);
	s->now_ns = s->raft->election_deadline_ns;
	solo_tick(s, 0);
}

void
solo_force(struct solo *s)
{
	struct raft_event e = { .type = RAFT_EVENT_TIMEOUT };

	solo_step(s, &e);
}

void
solo_persisted(struct solo *s)
{
	uint64_t last_index = s->raft->log.last_index;

	solo_complete(s, s->raft->persist_seq, last_index,
	    raft_term_at(s->raft, last_index));
}

void
solo_complete(struct solo *s, uint64_t seq, uint64_t last_index,
    uint64_t last_term)
{
	struct raft_event e = { .type = RAFT_EVENT_PERSISTED };

	e.persisted.seq = seq;
	e.persisted.last_index = last_index;
	e.persisted.last_term = last_term;
	solo_step(s, &e);
}

int
solo_propose(struct solo *s, uint32_t count, uint32_t size)
{
	struct raft_event e = { .type = RAFT_EVENT_PROPOSE };
	struct raft_entry entries[64];
	uint32_t i;

	assert(count <= COUNT_OF(entries));
	for (i = 0; i < count; i++) {
		entries[i] = (struct raft_entry){
			.type = RAFT_ENTRY_COMMAND,
			.size = size,
		};
	}
	e.propose.entries = entries;
	e.propose.count = count;
	solo_step(s, &e);
	return s->update.result;
}

int
solo_read(struct solo *s, uint64_t id)
{
	struct raft_event e = { .type = RAFT_EVENT_READ };

	e.read.id = id;
	solo_step(s, &e);
	return s->update.result;
}

int
solo_change(struct solo *solo, const struct raft_change *changes,
    uint32_t count, uint64_t base_index)
{
	struct raft_event e = { .type = RAFT_EVENT_CHANGE };

	e.change.changes = changes;
	e.change.count = count;
	e.change.base_index = base_index;
	solo_step(solo, &e);
	ck_assert((solo->update.result == ERR_OK) ==
	    (solo->update.why == NULL));
	return solo->update.result;
}

int
solo_transfer(struct solo *solo, uint32_t to)
{
	struct raft_event e = { .type = RAFT_EVENT_TRANSFER };

	e.transfer.to = to;
	solo_step(solo, &e);
	return solo->update.result;
}

void
solo_room(struct solo *s, enum raft_room room)
{
	struct raft_event e = { .type = RAFT_EVENT_ROOM, .room = room };

	solo_step(s, &e);
}

void
solo_dead(struct solo *s, uint32_t id, uint64_t run, uint64_t delay_ns)
{
	struct raft_event e = { .type = RAFT_EVENT_PEER_DEAD };

	e.peer_dead.id = id;
	e.peer_dead.run = run;
	e.peer_dead.delay_ns = delay_ns;
	solo_step(s, &e);
}

void
solo_recv(struct solo *s, const struct raft_message *m)
{
	struct raft_event e = { .type = RAFT_EVENT_MESSAGE, .message = m };

	solo_step(s, &e);
}

struct raft_message
solo_message(struct solo *s, enum raft_message_type type, uint32_t from,
    uint64_t term)
{
	return (struct raft_message){
		.type = type,
		.from = from,
		.to = s->config.id,
		.cluster_id = CLUSTER_ID,
		.from_run = RUN(from),
		.to_run = s->config.run,
		.from_store = STORE_ID(from),
		.to_store = s->config.store_id,
		.request = ++s->requests,
		.term = term,
	};
}

struct raft_message
solo_reply(struct solo *s, enum raft_message_type request, uint32_t from,
    uint64_t term, bool reject)
{
	struct raft_message m;

	m = solo_message(s, (enum raft_message_type)(request + 1), from,
	    term);
	ck_assert_uint_ne(s->sent[request][from].request, 0);
	m.request = s->sent[request][from].request;
	m.reject = reject;
	return m;
}

void
solo_append(struct solo *s, uint32_t from, uint64_t term, uint64_t index,
    uint64_t log_term, const char *text, uint64_t commit)
{
	static struct raft_entry entries[LOG_MAX];
	uint64_t terms[LOG_MAX];
	struct raft_message m = solo_message(s, RAFT_APPEND, from, term);
	uint32_t i;

	m.index = index;
	m.log_term = log_term;
	m.entry_count = parse_terms(text, terms);
	m.commit = commit;
	for (i = 0; i < m.entry_count; i++) {
		entries[i] = (struct raft_entry){
			.index = index + 1 + i,
			.term = terms[i],
			.type = RAFT_ENTRY_COMMAND,
		};
	}
	m.entries = entries;
	solo_recv(s, &m);
}

void
solo_heartbeat(struct solo *s, uint32_t from, uint64_t term, uint64_t commit)
{
	struct raft_message m = solo_message(s, RAFT_HEARTBEAT, from, term);

	m.commit = commit;
	solo_recv(s, &m);
}

void
solo_vote(struct solo *s, uint32_t from, uint64_t term, uint64_t index,
    uint64_t log_term)
{
	struct raft_message m = solo_message(s, RAFT_VOTE, from, term);

	m.index = index;
	m.log_term = log_term;
	solo_recv(s, &m);
}

void
solo_pre_vote(struct solo *s, uint32_t from, uint64_t term, uint64_t index,
    uint64_t log_term)
{
	struct raft_message m = solo_message(s, RAFT_PRE_VOTE, from, term);

	m.index = index;
	m.log_term = log_term;
	solo_recv(s, &m);
}

void
solo_ack(struct solo *s, uint32_t from, uint64_t match)
{
	struct raft_message m;

	m = solo_reply(s, RAFT_APPEND, from, raft_term(s->raft), false);
	m.index = match;
	solo_recv(s, &m);
}

void
solo_heartbeat_ack(struct solo *s, uint32_t from)
{
	struct raft_message m;

	m = solo_reply(s, RAFT_HEARTBEAT, from, raft_term(s->raft), false);
	solo_recv(s, &m);
}

void
solo_lead(struct solo *s)
{
	const struct raft_configuration *c = configuration(s->raft);
	struct raft_message m;
	uint32_t i, id;

	solo_timeout(s);
	for (i = 0; i < c->count &&
	    raft_role(s->raft) == RAFT_PRECANDIDATE; i++) {
		id = c->servers[i].id;
		if (id != s->config.id && (c->servers[i].suffrage &
		    (RAFT_VOTER | RAFT_VOTER_OLD)) != 0) {
			m = solo_reply(s, RAFT_PRE_VOTE, id,
			    raft_term(s->raft) + 1, false);
			solo_recv(s, &m);
		}
	}
	ck_assert_int_eq(raft_role(s->raft), RAFT_CANDIDATE);
	solo_persisted(s);
	for (i = 0; i < c->count &&
	    raft_role(s->raft) == RAFT_CANDIDATE; i++) {
		id = c->servers[i].id;
		if (id != s->config.id && (c->servers[i].suffrage &
		    (RAFT_VOTER | RAFT_VOTER_OLD)) != 0) {
			m = solo_reply(s, RAFT_VOTE, id, raft_term(s->raft),
			    false);
			solo_recv(s, &m);
		}
	}
	ck_assert_int_eq(raft_role(s->raft), RAFT_LEADER);
}

const struct raft_message *
solo_sent(const struct solo *s, enum raft_message_type type, uint32_t to)
{
	uint32_t i;

	for (i = 0; i < s->update.message_count; i++) {
		if (s->update.messages[i].type == type &&
		    s->update.messages[i].to == to) {
			return &s->update.messages[i];
		}
	}
	return NULL;
}

uint32_t
solo_count(const struct solo *s, enum raft_message_type type)
{
	uint32_t i, count = 0;

	for (i = 0; i < s->update.message_count; i++) {
		count += s->update.messages[i].type == type ? 1 : 0;
	}
	return count;
}

bool
solo_told(const struct solo *s, const char *text)
{
	return s->story != NULL && strstr(s->story, text) != NULL;
}

const char *
solo_log(const struct solo *s)
{
	static char text[8000];
	uint64_t i;
	size_t length = 0;

	text[0] = '\0';
	for (i = 1; i <= s->raft->log.last_index; i++) {
		length += (size_t)snprintf(text + length,
		    sizeof(text) - length, "%s%" PRIu64, i == 1 ? "" : " ",
		    raft_term_at(s->raft, i));
		assert(length < sizeof(text));
	}
	return text;
}
