/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The face of the core: new, free, step, status.
 *
 * A step looks at one event, collects effects in the update, then does what
 * follows from the new state whatever the event was: a leader sends what may
 * be sent, completes reads; the next deadline is computed.  What holds after
 * every step and is cheap to look at is looked at always; the rest is
 * raft_check_state() and raft_check_delta().
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "raft/core.h"

static void status_membership(const struct raft *, struct raft_status *);
static bool config_is_wrong(const struct raft_config *);
static const char *boot_check(const struct raft_config *,
	    const struct raft_boot *);
static const char *boot_check_configurations(const struct raft_boot *);
static void config_defaults(struct raft_config *);
static void step_event(struct raft *, const struct raft_event *);
static void step_tick(struct raft *);
static void step_room(struct raft *, enum raft_room);
static void step_applied(struct raft *, uint64_t);
static void step_finish(struct raft *);
static uint64_t deadline(const struct raft *);
static void update_init(struct raft_update *);

int
raft_new(struct raft **result, const struct raft_config *config,
    const struct raft_boot *boot, const char **what)
{
	struct raft *r;
	size_t i, skip = 0;

	*result = NULL;
	*what = boot_check(config, boot);
	if (*what != NULL) {
		return ERR_CORRUPT;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		*what = "out of memory";
		return ERR_NOMEM;
	}
	r->config = *config;
	config_defaults(&r->config);
	r->hard = boot->hard_state;
	r->role = RAFT_FOLLOWER;
	r->now_ns = boot->now_ns;
	r->random = boot->random;
	history_init(&r->log, boot->first_index,
	    boot->snapshot_index + 1 == boot->first_index ?
	    boot->snapshot_term : 0);
	history_load(&r->log, boot->last_index, boot->runs, boot->run_count,
	    boot->sizes, boot->size_count);
	r->durable_index = boot->last_index;
	r->applied_index = boot->applied_index > boot->snapshot_index ?
	    boot->applied_index : boot->snapshot_index;
	r->commit_index = r->applied_index;
	while (skip + 1 < boot->configuration_count &&
	    boot->configurations[skip + 1].index <= boot->snapshot_index) {
		skip++;
	}
	if (boot->configuration_count - skip > CONFIGURATIONS_MAX) {
		skip = boot->configuration_count - CONFIGURATIONS_MAX;
	}
	for (i = skip; i < boot->configuration_count; i++) {
		r->configurations[r->configuration_count++] =
		    boot->configurations[i];
	}
	r->kept_from = boot->first_index;
	r->snapshot.index = boot->snapshot_index;
	r->snapshot.term = boot->snapshot_term;
	if (configuration_at(r, boot->snapshot_index) != NULL) {
		r->snapshot.configuration =
		    *configuration_at(r, boot->snapshot_index);
	}
	r->request_floor = 1;
	lease_boot(r, boot);
	elect_timer_reset(r);
	if (quorum_size(configuration(r)) == 1 &&
	    configuration_votes(r, configuration(r)) &&
	    !quorum_is_joint(configuration(r))) {
		r->election_deadline_ns = r->now_ns;	/* nobody else can */
	}
	*result = r;
	return ERR_OK;
}

void
raft_free(struct raft *r)
{
	free(r);
}

struct raft *
raft_clone(const struct raft *r)
{
	struct raft *copy = malloc(sizeof(*copy));

	if (copy == NULL) {
		return NULL;
	}
	memcpy(copy, r, offsetof(struct raft, log));
	history_copy(&copy->log, &r->log);
	if (r->latched != NULL) {
		copy->latched = copy->latched_text;
	}
	return copy;
}

void
raft_shadow(struct raft *clone, const struct raft *r)
{
	memcpy(clone, r, offsetof(struct raft, configurations));
	memcpy(clone->configurations, r->configurations,
	    r->configuration_count * sizeof(r->configurations[0]));
	memcpy(clone->why, r->why, offsetof(struct raft, progress_count) -
	    offsetof(struct raft, why));
	history_copy_runs(&clone->log, &r->log);
	if (r->latched != NULL) {
		clone->latched = clone->latched_text;
	}
}

void
raft_step(struct raft *r, const struct raft_event *event,
    struct raft_update *update)
{
	struct raft_hard_state hard = r->hard;
	uint64_t commit_index = r->commit_index;

	update_init(update);
	r->update = update;
	if (event->now_ns > r->now_ns) {
		r->now_ns = event->now_ns;
	}
	r->random = event->random;
	if (r->latched == NULL) {
		step_event(r, event);
	}
	if (r->latched == NULL) {
		step_finish(r);
	}
	if (r->latched == NULL && (r->hard.term < hard.term ||
	    (r->hard.term == hard.term && hard.vote != 0 &&
	    r->hard.vote != hard.vote))) {
		raft_latch(r, "term %" PRIu64 " vote %" PRIu32 " became term %"
		    PRIu64 " vote %" PRIu32, hard.term, hard.vote,
		    r->hard.term, r->hard.vote);
	}
	if (r->latched == NULL && (r->commit_index < commit_index ||
	    r->commit_index > r->log.last_index)) {
		raft_latch(r, "commit index %" PRIu64 " became %" PRIu64
		    " in a log that ends at %" PRIu64, commit_index,
		    r->commit_index, r->log.last_index);
	}
	if (r->latched != NULL) {
		update_init(update);
		update->result = ERR_INTERNAL;
	}
	update->hard_state = r->hard;
	update->commit_index = r->latched != NULL ?
	    commit_index : r->commit_index;
	update->deadline_ns = deadline(r);
	r->update = NULL;
}

void
raft_latch(struct raft *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->latched_text, sizeof(r->latched_text), fmt, ap);
	va_end(ap);
	r->latched = r->latched_text;
	TELL(r, RAFT_TELL_FATAL, "%s -> Node %" PRIu32 " stops",
	    r->latched, r->config.id);
}

void
raft_status(const struct raft *r, struct raft_status *s)
{
	const struct progress *p;
	const struct raft_server *server;
	struct raft_peer_status *peer;
	uint32_t i;

	memset(s, 0, sizeof(*s));
	s->id = r->config.id;
	s->role = r->role;
	s->term = r->hard.term;
	s->vote = r->hard.vote;
	s->leader = r->leader;
	s->first_index = r->log.first_index;
	s->last_index = r->log.last_index;
	s->last_term = history_term(&r->log, r->log.last_index);
	s->durable_index = r->durable_index;
	s->commit_index = r->commit_index;
	s->applied_index = r->applied_index;
	s->uncommitted_bytes = append_uncommitted(r);
	s->snapshot_index = r->snapshot.index;
	s->snapshot_term = r->snapshot.term;
	s->receive_index = r->receive.snapshot.index;
	s->receive_offset = r->receive.written;
	s->receive_total = r->receive.total;
	status_membership(r, s);
	for (i = 0; i < r->progress_count; i++) {
		p = &r->progress[i];
		server = quorum_member(&s->configuration, p->id, p->store_id);
		if (server == NULL) {
			continue;		/* it leaves */
		}
		peer = &s->peers[s->peer_count++];
		peer->id = p->id;
		peer->suffrage = server->suffrage;
		peer->rounds = p->rounds;
		peer->match_index = p->match;
		peer->next_index = p->next;
		peer->replicating = p->mode == PROGRESS_REPLICATE;
		peer->installing = p->mode == PROGRESS_SNAPSHOT;
		if (peer->installing && p->view != 0) {
			peer->install_offset = p->arrived;
			peer->install_total = r->view.size;
		}
		peer->inflight = p->inflight_count;
		peer->last_contact_ns = p->contact_ns;
		peer->promise_end_ns = p->promise_ns;
	}
	s->lease_end_ns = raft_lease_end_ns(r);
	s->lease_wait_ns = lease_wait_ns(r);
	s->elections = r->elections;
	s->dropped = r->dropped;
	s->latched = r->latched;
}

enum raft_role
raft_role(const struct raft *r)
{
	return r->role;
}

uint64_t
raft_term(const struct raft *r)
{
	return r->hard.term;
}

uint32_t
raft_leader(const struct raft *r)
{
	return r->leader;
}

uint64_t
raft_commit_index(const struct raft *r)
{
	return r->commit_index;
}

bool
raft_is_ready(const struct raft *r)
{
	return r->role == RAFT_LEADER && r->commit_index >= r->noop_index;
}

void
raft_set_trailing(struct raft *r, uint64_t entries)
{
	r->config.trailing_entries = entries;
}

void
raft_set_tell_rpc(struct raft *r, bool on)
{
	r->config.tell_rpc = on;
}

uint64_t
raft_term_at(const struct raft *r, uint64_t index)
{
	return history_term(&r->log, index);
}

uint32_t
raft_entry_checksum(enum raft_entry_type type, const void *data,
    uint32_t size)
{
	uint8_t head[8];
	uint32_t crc;

	bytes_put_u32(head, (uint32_t)type);
	bytes_put_u32(head + 4, size);
	crc = crc32c(0, head, sizeof(head));
	return size == 0 ? crc : crc32c(crc, data, size);
}

static void
status_membership(const struct raft *r, struct raft_status *s)
{
	s->configuration = *configuration(r);
	s->quorum = quorum_size(&s->configuration);
	s->joint = quorum_is_joint(&s->configuration);
	s->configuration_committed = s->configuration.index <=
	    r->commit_index;
	s->member = quorum_member(&s->configuration, r->config.id,
	    r->config.store_id) != NULL;
	s->removed = r->removed;
	s->transfer_to = r->transfer_to;
	s->transfer_end_ns = r->transfer_to == 0 ? 0 : r->transfer_end_ns;
	s->refused = r->why[0] == '\0' ? NULL : r->why;
}

static bool
config_is_wrong(const struct raft_config *c)
{
	return c->id == 0 || c->run == 0 || c->heartbeat_ns == 0 ||
	    c->election_min_ns == 0 ||
	    c->election_max_ns < c->election_min_ns ||
	    c->lease_ns > RAFT_LEASE_NS_MAX ||
	    (c->lease_ns != 0 && c->lease_ns < 2 * c->heartbeat_ns);
}

static const char *
boot_check(const struct raft_config *config, const struct raft_boot *b)
{
	const struct raft_run *run;
	uint64_t term = 0;
	size_t i;

	if (config_is_wrong(config)) {
		return "the settings of the node are out of range";
	}
	if (b->promise_count > RAFT_PROMISES_MAX) {
		return "there are more promises than it can have given";
	}
	if (b->first_index == 0 || b->last_index + 1 < b->first_index) {
		return "the log's range is not one";
	}
	if (b->snapshot_index > b->last_index ||
	    b->snapshot_index + 1 < b->first_index) {
		return "entries between the snapshot and the log are missing";
	}
	if ((b->snapshot_index == 0) != (b->snapshot_term == 0)) {
		return "the snapshot's term is missing";
	}
	if (b->applied_index > b->last_index) {
		return "entries that were applied are missing";
	}
	if ((b->run_count == 0) != (b->last_index + 1 == b->first_index)) {
		return "terms and range of the log disagree";
	}
	if (b->snapshot_index + 1 == b->first_index) {
		term = b->snapshot_term;
	}
	for (i = 0; i < b->run_count; i++) {
		run = &b->runs[i];
		if (run->first_index > b->last_index || run->term == 0 ||
		    (i == 0 ? run->first_index != b->first_index ||
		    run->term < term :
		    run->first_index <= b->runs[i - 1].first_index ||
		    run->term <= b->runs[i - 1].term)) {
			return "the terms of the log do not rise";
		}
		if (run->term > b->hard_state.term) {
			return "the log has an entry of a later term";
		}
		if (b->snapshot_index >= run->first_index &&
		    (i + 1 == b->run_count ||
		    b->snapshot_index < b->runs[i + 1].first_index) &&
		    run->term != b->snapshot_term) {
			return "the log contradicts the snapshot";
		}
	}
	if (b->snapshot_term > b->hard_state.term) {
		return "the snapshot is of a later term";
	}
	if (b->size_count > b->last_index + 1 - b->first_index) {
		return "there are more sizes than entries";
	}
	return boot_check_configurations(b);
}

static const char *
boot_check_configurations(const struct raft_boot *b)
{
	size_t i;

	if (b->configuration_count == 0) {
		return "there is no configuration";
	}
	for (i = 0; i < b->configuration_count; i++) {
		if (b->configurations[i].index > b->last_index ||
		    (i > 0 && b->configurations[i].index <=
		    b->configurations[i - 1].index)) {
			return "the configurations do not rise";
		}
		if (b->configurations[i].index == 0 &&
		    b->configurations[i].count == 0) {
			continue;	/* it joins, and knows nobody */
		}
		if (configuration_check(&b->configurations[i]) != NULL) {
			return configuration_check(&b->configurations[i]);
		}
	}
	return NULL;
}

static void
config_defaults(struct raft_config *c)
{
	if (c->inflight_messages_max == 0) {
		c->inflight_messages_max = 64;
	}
	if (c->inflight_messages_max > INFLIGHT_MAX) {
		c->inflight_messages_max = INFLIGHT_MAX;
	}
	if (c->inflight_bytes_max == 0) {
		c->inflight_bytes_max = 4u << 20;
	}
	if (c->append_entries_max == 0) {
		c->append_entries_max = 1024;
	}
	if (c->append_bytes_max == 0) {
		c->append_bytes_max = 64u << 10;
	}
	if (c->install_bytes_max == 0) {
		c->install_bytes_max = c->inflight_bytes_max;
	}
	if (c->chunk_bytes == 0) {
		c->chunk_bytes = 64u << 10;
	}
	if (c->chunk_bytes > RAFT_CHUNK_SIZE_MAX) {
		c->chunk_bytes = RAFT_CHUNK_SIZE_MAX;
	}
	if (c->install_timeout_ns == 0) {
		c->install_timeout_ns = 10 * c->election_max_ns;
	}
	if (c->uncommitted_bytes_max == 0) {
		c->uncommitted_bytes_max = 16u << 20;
	}
}

static void
step_event(struct raft *r, const struct raft_event *e)
{
	switch (e->type) {
	case RAFT_EVENT_TICK:
		step_tick(r);
		return;
	case RAFT_EVENT_MESSAGE:
		recv_message(r, e->message);
		return;
	case RAFT_EVENT_PROPOSE:
		append_propose(r, e->propose.entries, e->propose.count);
		return;
	case RAFT_EVENT_READ:
		readindex_read(r, e->read.id, e->read.round);
		return;
	case RAFT_EVENT_PERSISTED:
		append_persisted(r, e->persisted.seq, e->persisted.last_index,
		    e->persisted.last_term);
		return;
	case RAFT_EVENT_APPLIED:
		step_applied(r, e->applied.index);
		return;
	case RAFT_EVENT_SENT:
		replicate_sent(r, e->sent.to, e->sent.request,
		    e->sent.next_index);
		return;
	case RAFT_EVENT_PEER_DEAD:
		elect_peer_dead(r, e->peer_dead.id, e->peer_dead.run,
		    e->peer_dead.delay_ns);
		return;
	case RAFT_EVENT_TIMEOUT:
		elect_force(r);
		return;
	case RAFT_EVENT_ROOM:
		step_room(r, e->room);
		return;
	case RAFT_EVENT_STEP_DOWN:
		if (r->role == RAFT_LEADER) {
			become_follower(r, r->hard.term, 0, 0, e->reason);
		}
		return;
	case RAFT_EVENT_CHANGE:
		change_request(r, e->change.changes, e->change.count,
		    e->change.base_index);
		return;
	case RAFT_EVENT_TRANSFER:
		transfer_request(r, e->transfer.to);
		return;
	case RAFT_EVENT_CHECKPOINT:
		snapshot_checkpoint(r, e->checkpoint.index,
		    e->checkpoint.chain);
		return;
	case RAFT_EVENT_VIEW:
		snapshot_view(r, e->view.id, e->view.index, e->view.size,
		    e->view.chain);
		return;
	case RAFT_EVENT_RECEIVED:
		install_received(r, e->received.id, e->received.offset,
		    e->received.complete, e->received.failed);
		return;
	}
	raft_latch(r, "event of type %d", (int)e->type);
}

static void
step_tick(struct raft *r)
{
	if (r->role != RAFT_LEADER) {
		if (elect_may_campaign(r) &&
		    r->now_ns >= r->election_deadline_ns) {
			elect_timeout(r);
		}
		return;
	}
	/*
	 * Dissertation 6.2: "a leader steps down if an election timeout
	 * elapses without a successful round of heartbeats to a majority";
	 * with leases it is the lease that elapses.
	 */
	if (r->now_ns >= lease_lapse_ns(r)) {
		lease_lapsed(r);
		return;
	}
	transfer_expire(r);
	if (r->now_ns >= r->heartbeat_deadline_ns) {
		replicate_heartbeats(r);
	}
}

static void
step_room(struct raft *r, enum raft_room room)
{
	r->room = room;
	if (room == RAFT_ROOM_NONE && (r->role == RAFT_PRECANDIDATE ||
	    r->role == RAFT_CANDIDATE)) {
		become_follower(r, r->hard.term, 0, 0,
		    "its disk has no room for a leader's first entry");
	}
}

static void
step_applied(struct raft *r, uint64_t index)
{
	if (index > r->commit_index) {
		raft_latch(r, "entry %" PRIu64 " was applied, the commit "
		    "index is %" PRIu64, index, r->commit_index);
		return;
	}
	if (index > r->applied_index) {
		r->applied_index = index;
	}
}

static void
step_finish(struct raft *r)
{
	lease_advance(r);	/* what it commits, the others look at */
	install_advance(r);
	change_advance(r);
	snapshot_advance(r);
	snapshot_compact(r);	/* before what is sent names entries */
	if (r->role == RAFT_LEADER) {
		readindex_advance(r);
		transfer_advance(r);
		replicate_flush(r);
	}
}

static uint64_t
deadline(const struct raft *r)
{
	uint64_t lapse_ns, wait_ns, at;

	if (r->latched != NULL) {
		return UINT64_MAX;
	}
	if (r->role != RAFT_LEADER) {
		if (lease_is_withheld(r) &&
		    r->election_deadline_ns < r->withhold_ns) {
			return r->withhold_ns;
		}
		return elect_may_campaign(r) || lease_is_withheld(r) ?
		    r->election_deadline_ns : UINT64_MAX;
	}
	if (r->more) {
		return r->now_ns;
	}
	at = r->heartbeat_deadline_ns;
	if (r->transfer_to != 0 && r->transfer_end_ns < at) {
		at = r->transfer_end_ns;
	}
	lapse_ns = lease_lapse_ns(r);
	wait_ns = lease_wait_ns(r);
	if (wait_ns != 0 && wait_ns < at) {
		at = wait_ns;
	}
	return lapse_ns < at ? lapse_ns : at;
}

/* Not the arrays: they are as long as their counts say. */
static void
update_init(struct raft_update *u)
{
	u->result = ERR_OK;
	u->why = NULL;
	u->change_index = 0;
	u->persist_seq = 0;
	u->hard_state_changed = false;
	u->truncate_from = 0;
	u->entries = NULL;
	u->entry_count = 0;
	u->snapshot = NULL;
	u->install_id = 0;
	u->drop_log = false;
	u->first_index = 0;
	u->view_wanted = false;
	u->view_close = 0;
	u->chunk = NULL;
	u->receive_id = 0;
	u->receive_forget = 0;
	u->promises_changed = false;
	u->promise_count = 0;
	u->message_count = 0;
	u->read_count = 0;
}
