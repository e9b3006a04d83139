/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster of cores in memory; see harness.h.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/raft/harness.h"

#define START_NS	(1000 * MS)

struct teller {
	struct cluster *cluster;
	uint32_t id;
};

static struct teller tellers[RAFT_SERVERS_MAX + 1];

/* ---------------------------------------------------------- the story */

static void
tell(void *arg, enum raft_tell kind, const char *text)
{
	struct teller *t = arg;

	(void)kind;
	if (t->cluster->story_times) {
		cluster_story(t->cluster, "%5" PRIu64 "  %" PRIu32 "  %s",
		    (uint64_t)((t->cluster->now_ns - START_NS) / MS), t->id,
		    text);
	} else {
		cluster_story(t->cluster, "%" PRIu32 "  %s", t->id, text);
	}
}

/* ------------------------------------------------------------ a cluster */

uint64_t
cluster_random(struct cluster *c)
{
	uint64_t z = (c->prng += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

struct cluster *
cluster_new(uint32_t node_count, uint64_t seed)
{
	struct cluster *c = calloc(1, sizeof(*c));
	uint32_t i;

	assert(c != NULL && node_count <= RAFT_SERVERS_MAX);
	c->node_count = node_count;
	c->prng = seed;
	c->now_ns = START_NS;
	c->delay_min_ns = c->delay_max_ns = MS;
	c->disk_min_ns = c->disk_max_ns = MS;
	c->configuration.count = node_count;
	for (i = 0; i < node_count; i++) {
		c->nodes[i].id = i + 1;
		c->nodes[i].store_id = STORE_ID(i + 1);
		c->nodes[i].disk_first = 1;
		c->configuration.servers[i] = (struct raft_server){
			.id = i + 1,
			.suffrage = RAFT_VOTER,
			.store_id = STORE_ID(i + 1),
		};
	}
	return c;
}

void
cluster_set_voters(struct cluster *c, uint32_t count)
{
	assert(count <= c->configuration.count);
	c->configuration.count = count;
}

static void
node_forget(struct mem_node *n)
{
	uint32_t i;

	for (i = 0; i < n->persist_count; i++) {
		free(n->persists[i].entries);
	}
	for (i = 0; i < n->outbox_count; i++) {
		free(n->outbox[i].entries);
	}
	n->persist_count = n->outbox_count = 0;
	n->view_id = n->receive_id = 0;
	n->receive_ns = UINT64_MAX;
	n->view_tried_ns = 0;
	n->paused = false;
	raft_free(n->raft);
	n->raft = NULL;
}

void
cluster_free(struct cluster *c)
{
	uint32_t i;

	for (i = 0; i < c->node_count; i++) {
		node_forget(&c->nodes[i]);
		free(c->nodes[i].persists);
		free(c->nodes[i].outbox);
		free(c->nodes[i].log.entries);
		free(c->nodes[i].disk.entries);
	}
	for (i = 0; i < c->packet_count; i++) {
		free(c->packets[i].entries);
	}
	free(c->packets);
	free(c->committed.entries);
	free(c->committed_terms);
	free(c->story);
	free(c);
}

struct mem_node *
cluster_node(struct cluster *c, uint32_t id)
{
	assert(id >= 1 && id <= c->node_count);
	return &c->nodes[id - 1];
}

void
cluster_set_log(struct cluster *c, uint32_t id, const char *terms)
{
	struct mem_node *n = cluster_node(c, id);
	struct raft_entry e = { .type = RAFT_ENTRY_COMMAND };
	char *end;
	uint64_t value;

	assert(n->raft == NULL);
	n->disk.count = 0;
	for (;;) {
		e.term = strtoull(terms, &end, 10);
		if (end == terms) {
			break;
		}
		terms = end;
		e.index = n->disk.count + 1;
		/* equal index and term: equal entry */
		value = e.term * 1000 + e.index;
		e.size = sizeof(value);
		e.data = mem_keep(&value, sizeof(value));
		e.checksum = raft_entry_checksum(e.type, e.data, e.size);
		mem_log_append(&n->disk, &e);
		if (n->disk_hard_state.term < e.term) {
			n->disk_hard_state.term = e.term;
			n->disk_hard_state.vote = 0;
		}
	}
}

void
cluster_set_term(struct cluster *c, uint32_t id, uint64_t term, uint32_t vote)
{
	cluster_node(c, id)->disk_hard_state =
	    (struct raft_hard_state){ .term = term, .vote = vote };
}

static void
boot_configurations(struct cluster *c, struct mem_node *n,
    struct raft_configuration *configurations, size_t *count)
{
	const struct raft_entry *e;
	uint64_t i;
	int result;

	configurations[0] = c->configuration;
	*count = 1;
	if (n->disk_snapshot.index != 0) {
		configurations[0] = n->disk_snapshot.configuration;
	} else if (quorum_member(&c->configuration, n->id, n->store_id) ==
	    NULL) {
		memset(&configurations[0], 0, sizeof(configurations[0]));
	}
	for (i = 0; i < n->disk.count; i++) {
		e = &n->disk.entries[i];
		if (e->type != RAFT_ENTRY_CONFIGURATION ||
		    e->index < n->disk_first ||
		    e->index <= n->disk_snapshot.index) {
			continue;
		}
		if (*count == CONFIGURATIONS_MAX) {
			memmove(configurations, configurations + 1,
			    --*count * sizeof(configurations[0]));
		}
		result = raft_configuration_decode(&configurations[*count],
		    e->data, e->size);
		assert(result == ERR_OK);
		configurations[*count].index = e->index;
		++*count;
	}
}

void
cluster_start(struct cluster *c, uint32_t id)
{
	struct mem_node *n = cluster_node(c, id);
	struct raft_configuration configurations[CONFIGURATIONS_MAX];
	struct raft_run *runs = NULL;
	uint32_t *sizes = NULL;
	struct raft_boot boot;
	struct raft_config config;
	const char *what;
	uint64_t i;
	int result;

	assert(n->raft == NULL);
	node_forget(n);
	n->run++;
	mem_log_copy(&n->log, &n->disk);
	n->applied = n->disk_applied;
	memset(&boot, 0, sizeof(boot));
	boot.hard_state = n->disk_hard_state;
	boot.first_index = n->first_index = n->disk_first;
	boot.snapshot_index = n->disk_snapshot.index;
	boot.snapshot_term = n->disk_snapshot.term;
	boot.last_index = n->disk.count;
	boot.applied_index = n->disk_applied;
	for (i = n->disk_first - 1; i < n->disk.count; i++) {
		runs = mem_realloc(runs, (boot.run_count + 1) * sizeof(*runs));
		sizes = mem_realloc(sizes,
		    (boot.size_count + 1) * sizeof(*sizes));
		sizes[boot.size_count++] = n->disk.entries[i].size;
		if (boot.run_count == 0 || n->disk.entries[i].term !=
		    n->disk.entries[i - 1].term) {
			runs[boot.run_count++] = (struct raft_run){
				.first_index = i + 1,
				.term = n->disk.entries[i].term,
			};
		}
	}
	boot.runs = runs;
	boot.sizes = sizes;
	boot_configurations(c, n, configurations, &boot.configuration_count);
	boot.configurations = configurations;
	boot.now_ns = c->now_ns;
	boot.random = cluster_random(c);
	tellers[id] = (struct teller){ .cluster = c, .id = id };
	config = (struct raft_config){
		.id = id,
		.cluster_id = CLUSTER_ID,
		.store_id = n->store_id,
		.run = n->run,
		.heartbeat_ns = HEARTBEAT,
		.election_min_ns = ELECTION_MIN,
		.election_max_ns = ELECTION_MAX,
		.append_entries_max = c->append_entries_max,
		.append_bytes_max = (uint32_t)c->append_bytes_max,
		.inflight_messages_max = c->inflight_messages_max,
		.uncommitted_bytes_max = (uint32_t)c->uncommitted_bytes_max,
		.trailing_entries = c->trailing_entries,
		.chunk_bytes = c->chunk_bytes == 0 ? 40 : c->chunk_bytes,
		.tell_rpc = c->tell_rpc,
		.tell = c->story_quiet ? NULL : tell,
		.tell_arg = &tellers[id],
	};
	result = raft_new(&n->raft, &config, &boot, &what);
	if (result != ERR_OK) {
		cluster_fail(c, "node %" PRIu32 " does not start: %s", id,
		    what);
	}
	free(runs);
	free(sizes);
	n->deadline_ns = c->now_ns;	/* a TICK tells the first deadline */
}

void
cluster_start_all(struct cluster *c)
{
	uint32_t id;

	for (id = 1; id <= c->node_count; id++) {
		if (cluster_node(c, id)->raft == NULL) {
			cluster_start(c, id);
		}
	}
}

void
cluster_crash(struct cluster *c, uint32_t id)
{
	node_forget(cluster_node(c, id));
}

void
cluster_wipe(struct cluster *c, uint32_t id)
{
	struct mem_node *n = cluster_node(c, id);

	assert(n->raft == NULL);
	n->store_id += 0x100;
	n->disk.count = 0;
	n->log.count = 0;
	n->disk_hard_state = (struct raft_hard_state){ .term = 0 };
	n->disk_applied = n->applied = 0;
	n->disk_first = 1;
	memset(&n->disk_snapshot, 0, sizeof(n->disk_snapshot));
}

void
cluster_cut(struct cluster *c, uint32_t from, uint32_t to, bool cut)
{
	c->cut[from][to] = cut;
}

void
cluster_isolate(struct cluster *c, uint32_t id, bool cut)
{
	uint32_t other;

	for (other = 1; other <= c->node_count; other++) {
		c->cut[id][other] = c->cut[other][id] = cut && other != id;
	}
}

void
cluster_heal(struct cluster *c)
{
	memset(c->cut, 0, sizeof(c->cut));
	c->loss = c->duplicate = c->reorder = 0;
}

/* --------------------------------------------------------------- steps */

static void
packet_push(struct mem_packet **packets, uint32_t *count,
    const struct mem_packet *p)
{
	if ((*count & (*count - 1)) == 0) {
		*packets = mem_realloc(*packets,
		    (*count == 0 ? 1 : 2 * (size_t)*count) * sizeof(*p));
	}
	(*packets)[(*count)++] = *p;
}

static struct raft_entry *
entries_copy(const struct raft_entry *entries, uint32_t count)
{
	struct raft_entry *copy = mem_realloc(NULL, count * sizeof(*copy));

	memcpy(copy, entries, count * sizeof(*copy));
	return copy;
}

/* A message leaves: it is lost, or arrives once or twice, sometime. */
static void
network_send(struct cluster *c, const struct mem_packet *p)
{
	struct mem_packet copy = *p;
	uint32_t from = p->message.from, to = p->message.to;
	uint32_t copies = 1, i;
	uint64_t span = c->delay_max_ns - c->delay_min_ns;

	if (to < 1 || to > c->node_count || c->cut[from][to]) {
		return;
	}
	if (c->loss > 0 && cluster_random(c) % 1000 < c->loss) {
		return;
	}
	if (c->duplicate > 0 && cluster_random(c) % 1000 < c->duplicate) {
		copies = 2;
	}
	for (i = 0; i < copies; i++) {
		copy.at_ns = c->now_ns + c->delay_min_ns +
		    (span == 0 ? 0 : cluster_random(c) % (span + 1));
		if (c->reorder == 0 ||
		    cluster_random(c) % 1000 >= c->reorder) {
			if (copy.at_ns < c->last_at_ns[from][to]) {
				copy.at_ns = c->last_at_ns[from][to];
			}
			c->last_at_ns[from][to] = copy.at_ns;
		}
		copy.order = c->order++;
		copy.entries = p->message.entry_count == 0 ? NULL :
		    entries_copy(p->entries, p->message.entry_count);
		copy.message.entries = copy.entries;
		packet_push(&c->packets, &c->packet_count, &copy);
	}
}

/* Entries are filled in when the step is over, not when the message goes:
 * what a leader names is in its log and stays there. */
static void
message_take(struct cluster *c, struct mem_node *n,
    const struct raft_message *m)
{
	struct mem_packet p = { .message = *m };
	struct raft_event sent;

	if (m->type == RAFT_APPEND && n->held_messages != 0 &&
	    m->entry_count > n->held_messages) {
		p.message.entry_count = (uint32_t)n->held_messages;
	}
	if (m->type == RAFT_INSTALL &&
	    !snapshot_message(c, n, &p.message)) {
		sent = (struct raft_event){ .type = RAFT_EVENT_SENT };
		sent.sent.to = m->to;
		sent.sent.request = m->request;
		cluster_step(c, n->id, &sent);
		return;
	}
	if (p.message.entry_count > 0) {
		if (m->entry_first < n->first_index ||
		    m->entry_first != m->index + 1 ||
		    m->index + m->entry_count > n->log.count) {
			cluster_fail(c, "node %" PRIu32 " sends entries that "
			    "it does not have", n->id);
		}
		p.entries = entries_copy(&n->log.entries[m->index],
		    p.message.entry_count);
	}
	p.message.entry_first = 0;
	p.message.bytes_max = 0;
	p.message.after_seq = 0;
	if (m->after_seq == 0) {
		network_send(c, &p);
		free(p.entries);
	} else {
		p.order = m->after_seq;
		packet_push(&n->outbox, &n->outbox_count, &p);
	}
	if (p.message.entry_count < m->entry_count) {
		sent = (struct raft_event){ .type = RAFT_EVENT_SENT };
		sent.sent.to = m->to;
		sent.sent.request = m->request;
		sent.sent.next_index = m->index + 1 + p.message.entry_count;
		cluster_step(c, n->id, &sent);
	}
}

static void
persist_take(struct cluster *c, struct mem_node *n,
    const struct raft_update *u)
{
	struct mem_persist p;
	uint64_t span = c->disk_max_ns - c->disk_min_ns;
	struct raft_entry e;
	uint32_t i;

	memset(&p, 0, sizeof(p));
	p.seq = u->persist_seq;
	p.hard_state_changed = u->hard_state_changed;
	p.hard_state = u->hard_state;
	p.truncate_from = u->truncate_from;
	p.entry_count = u->entry_count;
	if (u->truncate_from != 0) {
		n->log.count = u->truncate_from - 1;
	}
	if (u->entry_count > 0) {
		p.entries = entries_copy(u->entries, u->entry_count);
		for (i = 0; i < u->entry_count; i++) {
			e = u->entries[i];
			if (e.checksum != raft_entry_checksum(e.type, e.data,
			    e.size)) {
				cluster_fail(c, "entry %" PRIu64 " of node %"
				    PRIu32 " has another checksum", e.index,
				    n->id);
			}
			if (e.type == RAFT_ENTRY_CONFIGURATION) {
				e.data = mem_keep(e.data, e.size);
				p.entries[i] = e;
			}
			mem_log_append(&n->log, &e);
		}
	}
	snapshot_persist(c, n, u, &p);
	p.last_index = n->log.count;
	p.last_term = mem_log_term(&n->log, n->log.count);
	p.done_ns = c->now_ns + c->disk_min_ns +
	    (span == 0 ? 0 : cluster_random(c) % (span + 1));
	n->persists = mem_realloc(n->persists,
	    (n->persist_count + 1) * sizeof(p));
	n->persists[n->persist_count++] = p;
}

static void
effects(struct cluster *c, struct mem_node *n, const struct raft_update *u)
{
	struct raft_event applied = { .type = RAFT_EVENT_APPLIED };
	uint64_t before = c->committed.count;
	uint32_t i;

	if (u->persist_seq != 0) {
		persist_take(c, n, u);
		cluster_check_log_matching(c, n);
	}
	if (n->log.count != n->raft->log.last_index) {
		cluster_fail(c, "node %" PRIu32 " has another log than its "
		    "core", n->id);
	}
	if (raft_role(n->raft) == RAFT_LEADER) {
		cluster_check_leader(c, n);
	}
	for (i = 0; i < u->read_count; i++) {
		memmove(n->reads, n->reads + 1,
		    sizeof(n->reads) - sizeof(n->reads[0]));
		n->reads[COUNT_OF(n->reads) - 1] = u->reads[i];
		n->read_count++;
		if (!c->story_reads) {
			continue;
		}
		if (u->reads[i].result == ERR_OK) {
			cluster_story(c, "= read %" PRIu64 ": at %" PRIu64,
			    u->reads[i].id, u->reads[i].index);
		} else {
			cluster_story(c, "= read %" PRIu64 ": %s",
			    u->reads[i].id, err_text(u->reads[i].result));
		}
	}
	snapshot_effects(c, n, u);
	cluster_check_commit(c, n, u->commit_index);
	cluster_check_durable(c, n, before, c->committed.count);
	if (u->commit_index > n->applied) {
		n->applied = u->commit_index;
		applied.applied.index = n->applied;
	}
	n->deadline_ns = u->deadline_ns;
	for (i = 0; i < u->message_count; i++) {
		message_take(c, n, &u->messages[i]);
	}
	if (applied.applied.index != 0) {
		cluster_step(c, n->id, &applied);
	}
	snapshot_later(c, n);
}

/* raft_clone() into the same memory each time: it is done at every step. */
static const struct raft *
remember(const struct raft *r)
{
	static struct raft *copy;

	if (copy == NULL) {
		copy = raft_clone(r);
		assert(copy != NULL);
		return copy;
	}
	memcpy(copy, r, offsetof(struct raft, log));
	history_copy(&copy->log, &r->log);
	return copy;
}

void
cluster_step(struct cluster *c, uint32_t id, struct raft_event *event)
{
	struct mem_node *n = cluster_node(c, id);
	struct raft_update *update = mem_realloc(NULL, sizeof(*update));
	const struct raft *before = remember(n->raft);
	const char *why;

	event->now_ns = c->now_ns;
	event->random = cluster_random(c);
	c->in_force = *configuration(n->raft);
	raft_step(n->raft, event, update);
	n->steps++;
	if (n->raft->latched != NULL) {
		cluster_fail(c, "node %" PRIu32 ": %s", id, n->raft->latched);
	}
	if ((why = raft_check_state(n->raft)) != NULL ||
	    (why = raft_check_delta(before, n->raft)) != NULL) {
		cluster_fail(c, "node %" PRIu32 ": %s", id, why);
	}
	effects(c, n, update);
	if (update->why != NULL && c->story_reads) {
		cluster_story(c, "= refused: %s", update->why);
	}
	if (event->type == RAFT_EVENT_PROPOSE ||
	    event->type == RAFT_EVENT_CHANGE ||
	    event->type == RAFT_EVENT_TRANSFER ||
	    event->type == RAFT_EVENT_CHECKPOINT ||
	    event->type == RAFT_EVENT_VIEW ||
	    event->type == RAFT_EVENT_READ) {
		event->random = (uint64_t)(int64_t)update->result;
	}
	free(update);
}

static void
persist_done(struct cluster *c, struct mem_node *n)
{
	struct raft_event e = { .type = RAFT_EVENT_PERSISTED };
	struct mem_persist p = n->persists[0];
	uint32_t i, kept = 0, count;

	memmove(n->persists, n->persists + 1,
	    --n->persist_count * sizeof(p));
	if (p.hard_state_changed) {
		n->disk_hard_state = p.hard_state;
	}
	if (p.truncate_from != 0) {
		n->disk.count = p.truncate_from - 1;
	}
	snapshot_durable(c, n, &p);
	for (i = 0; i < p.entry_count; i++) {
		mem_log_append(&n->disk, &p.entries[i]);
	}
	free(p.entries);
	/* a checkpoint of the state machine, now and then */
	if (cluster_random(c) % 4 == 0) {
		n->disk_applied = n->applied < n->disk.count ?
		    n->applied : n->disk.count;
		if (n->disk_applied < n->disk_snapshot.index) {
			n->disk_applied = n->disk_snapshot.index;
		}
	}
	count = n->outbox_count;
	for (i = 0; i < count; i++) {
		if (n->outbox[i].order <= p.seq) {
			network_send(c, &n->outbox[i]);
			free(n->outbox[i].entries);
		} else {
			n->outbox[kept++] = n->outbox[i];
		}
	}
	n->outbox_count = kept;
	e.persisted.seq = p.seq;
	e.persisted.last_index = p.last_index;
	e.persisted.last_term = p.last_term;
	cluster_step(c, n->id, &e);
	if (c->checkpoints > 0 && cluster_random(c) % 1000 < c->checkpoints) {
		cluster_checkpoint(c, n->id);
	}
}

static void
packet_deliver(struct cluster *c, uint32_t i)
{
	struct raft_event e = { .type = RAFT_EVENT_MESSAGE };
	struct mem_packet p = c->packets[i];

	memmove(c->packets + i, c->packets + i + 1,
	    (--c->packet_count - i) * sizeof(p));
	if (cluster_node(c, p.message.to)->raft != NULL &&
	    !c->cut[p.message.from][p.message.to]) {
		e.message = &p.message;
		cluster_step(c, p.message.to, &e);
	}
	free(p.entries);
}

bool
cluster_next(struct cluster *c, uint64_t until_ns)
{
	struct raft_event tick = { .type = RAFT_EVENT_TICK };
	uint64_t at = UINT64_MAX, order = 0;
	struct mem_node *n, *node = NULL;
	uint32_t i, packet = UINT32_MAX;
	bool disk = false, receive = false;

	for (i = 0; i < c->packet_count; i++) {
		n = cluster_node(c, c->packets[i].message.to);
		if (n->raft != NULL && n->paused) {
			continue;
		}
		if (c->packets[i].at_ns < at || (c->packets[i].at_ns == at &&
		    c->packets[i].order < order)) {
			at = c->packets[i].at_ns;
			order = c->packets[i].order;
			packet = i;
		}
	}
	for (i = 0; i < c->node_count; i++) {
		n = &c->nodes[i];
		if (n->raft == NULL || n->paused) {
			continue;
		}
		if (n->persist_count > 0 && !n->disk_stuck &&
		    n->persists[0].done_ns < at) {
			at = n->persists[0].done_ns;
			node = n;
			disk = true;
			receive = false;
		}
		if (n->receive_ns < at && !n->disk_stuck) {
			at = n->receive_ns;
			node = n;
			disk = false;
			receive = true;
		}
		if (n->deadline_ns < at) {
			at = n->deadline_ns;
			node = n;
			disk = receive = false;
		}
	}
	if (at > until_ns || at == UINT64_MAX) {
		if (until_ns != UINT64_MAX && until_ns > c->now_ns) {
			c->now_ns = until_ns;
		}
		return false;
	}
	if (at > c->now_ns) {
		c->now_ns = at;
	}
	if (node == NULL) {
		packet_deliver(c, packet);
	} else if (disk) {
		persist_done(c, node);
	} else if (receive) {
		snapshot_written(c, node);
	} else {
		cluster_step(c, node->id, &tick);
	}
	return true;
}

void
cluster_run(struct cluster *c, uint64_t ns)
{
	uint64_t until = c->now_ns + ns;

	while (cluster_next(c, until)) {
	}
}
