/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Snapshots of the cluster in memory; see harness.h.
 *
 * The bytes of a snapshot follow from its index, so that what arrives can be
 * compared with what should have.  A node's log in memory keeps what it has
 * deleted, to be compared with others'; first_index says where the log really
 * begins, and nobody may ask for what is before.  After an install that drops
 * the log it holds what was committed.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/raft/harness.h"

static uint64_t
snapshot_size(uint64_t index)
{
	return 20 + index * 7 % 300;
}

static uint8_t
snapshot_byte(uint64_t index, uint64_t offset)
{
	return (uint8_t)((index + 1) * 2654435761u + offset * 40503u);
}

static void
snapshot_chain(const struct cluster *c, uint64_t index, uint8_t *chain)
{
	memset(chain, 0, RAFT_CHAIN_SIZE);
	memcpy(chain, &c->committed.entries[index - 1].checksum, 4);
	memcpy(chain + 4, &index, sizeof(index));
}

int
cluster_checkpoint(struct cluster *c, uint32_t id)
{
	struct raft_event e = { .type = RAFT_EVENT_CHECKPOINT };
	struct mem_node *n = cluster_node(c, id);
	uint64_t index = n->applied < n->raft->durable_index ?
	    n->applied : n->raft->durable_index;

	if (index == 0 || index > n->disk.count) {
		return ERR_AGAIN;
	}
	if (n->disk_applied < index) {
		n->disk_applied = index;
	}
	e.checkpoint.index = index;
	snapshot_chain(c, index, e.checkpoint.chain);
	cluster_step(c, id, &e);
	return (int)(int64_t)e.random;
}

/* A peer waits: a new checkpoint, and a picture of it. */
static void
open_view(struct cluster *c, struct mem_node *n)
{
	struct raft_event e = { .type = RAFT_EVENT_VIEW };

	if (n->view_id != 0 || n->view_tried_ns == c->now_ns ||
	    n->disk_stuck) {
		return;
	}
	n->view_tried_ns = c->now_ns;
	/* the last one, or a new one */
	if (n->disk_snapshot.index == 0 ||
	    n->disk_snapshot.index != n->disk_applied ||
	    cluster_random(c) % 2 == 0) {
		if (cluster_checkpoint(c, n->id) != ERR_OK) {
			return;
		}
	}
	e.view.id = ++n->view_last;
	e.view.index = n->disk_applied;
	e.view.size = snapshot_size(e.view.index);
	snapshot_chain(c, e.view.index, e.view.chain);
	n->view_id = e.view.id;
	n->view_index = e.view.index;
	cluster_step(c, n->id, &e);
	if ((int)(int64_t)e.random != ERR_OK && n->view_id == e.view.id) {
		n->view_id = 0;
	}
}

/* What a chunk carries; false: there is no room on the way. */
bool
snapshot_message(struct cluster *c, struct mem_node *n,
    struct raft_message *m)
{
	uint8_t data[512];
	uint32_t i;

	if (m->chunk.view != n->view_id || m->index != n->view_index ||
	    m->chunk.total != snapshot_size(n->view_index) ||
	    m->chunk.size > sizeof(data) ||
	    m->chunk.offset + m->chunk.size > m->chunk.total) {
		cluster_fail(c, "node %" PRIu32 " sends a chunk of no view",
		    n->id);
	}
	if (n->held_messages == 1 && cluster_random(c) % 4 == 0) {
		return false;
	}
	for (i = 0; i < m->chunk.size; i++) {
		data[i] = snapshot_byte(m->index, m->chunk.offset + i);
	}
	m->chunk.data = mem_keep(data, m->chunk.size);
	m->chunk.configuration = mem_keep(m->chunk.configuration,
	    m->chunk.configuration_size);
	return true;
}

static void
take_chunk(struct cluster *c, struct mem_node *n,
    const struct raft_update *u)
{
	uint64_t span = c->disk_max_ns - c->disk_min_ns;

	if (u->chunk->offset == 0) {
		n->receive_id = u->receive_id;
		n->receive_size = 0;
		n->receive_total = u->chunk->total;
	}
	if (n->receive_id != u->receive_id ||
	    n->receive_size != u->chunk->offset ||
	    n->receive_size + u->chunk->size > sizeof(n->receive)) {
		cluster_fail(c, "node %" PRIu32 " is given a chunk out of "
		    "order", n->id);
	}
	memcpy(n->receive + n->receive_size, u->chunk->data, u->chunk->size);
	n->receive_size += u->chunk->size;
	if (n->receive_ns == UINT64_MAX) {
		n->receive_ns = c->now_ns + c->disk_min_ns +
		    (span == 0 ? 0 : cluster_random(c) % (span + 1));
	}
}

/* What is written aside so far; all of it is also verified and synced. */
void
snapshot_written(struct cluster *c, struct mem_node *n)
{
	struct raft_event e = { .type = RAFT_EVENT_RECEIVED };

	n->receive_ns = UINT64_MAX;
	if (n->receive_id == 0) {
		return;
	}
	e.received.id = n->receive_id;
	e.received.offset = n->receive_size;
	e.received.complete = n->receive_size == n->receive_total;
	if (c->receive_fails > 0 &&
	    cluster_random(c) % 1000 < c->receive_fails) {
		e.received.failed = true;
		e.received.complete = false;
	}
	cluster_step(c, n->id, &e);
}

/* T54, T55: those who were in force at that index, in their roles. */
static void
check_configuration(struct cluster *c, const struct raft_snapshot *s)
{
	struct raft_configuration expected = c->configuration;
	const struct raft_entry *e;
	uint64_t i;

	for (i = s->index; i > 0; i--) {
		e = &c->committed.entries[i - 1];
		if (e->type == RAFT_ENTRY_CONFIGURATION) {
			if (raft_configuration_decode(&expected, e->data,
			    e->size) != ERR_OK) {
				abort();
			}
			expected.index = i;
			break;
		}
	}
	if (expected.index != s->configuration.index ||
	    expected.count != s->configuration.count ||
	    memcmp(expected.servers, s->configuration.servers,
	    expected.count * sizeof(expected.servers[0])) != 0) {
		cluster_fail(c, "the snapshot at %" PRIu64 " has another "
		    "configuration than that of entry %" PRIu64, s->index,
		    expected.index);
	}
}

/* Part of a persist: begun here, in memory. */
void
snapshot_persist(struct cluster *c, struct mem_node *n,
    const struct raft_update *u, struct mem_persist *p)
{
	const struct raft_snapshot *s = u->snapshot;
	uint8_t chain[RAFT_CHAIN_SIZE];
	uint64_t i;

	if (s == NULL) {
		if (u->install_id != 0 || u->drop_log) {
			cluster_fail(c, "an install without its snapshot");
		}
		return;
	}
	p->has_snapshot = true;
	p->snapshot = *s;
	p->install = u->install_id != 0;
	p->drop_log = u->drop_log;
	snapshot_chain(c, s->index, chain);
	if (s->index > c->committed.count ||
	    s->term != c->committed.entries[s->index - 1].term ||
	    memcmp(chain, s->chain, sizeof(chain)) != 0) {
		cluster_fail(c, "the snapshot at %" PRIu64 " is not what was "
		    "committed", s->index);
	}
	check_configuration(c, s);
	if (!p->install) {
		return;
	}
	if (u->install_id != n->receive_id ||
	    n->receive_size != n->receive_total) {
		cluster_fail(c, "node %" PRIu32 " installs what it does not "
		    "have", n->id);
	}
	for (i = 0; i < n->receive_total; i++) {
		if (n->receive[i] != snapshot_byte(s->index, i)) {
			cluster_fail(c, "node %" PRIu32 " installs a snapshot "
			    "with another byte %" PRIu64, n->id, i);
		}
	}
	n->receive_id = 0;
	n->applied = s->index;
	c->installs++;
	if (p->drop_log) {
		n->log.count = 0;
		for (i = 0; i < s->index; i++) {
			mem_log_append(&n->log, &c->committed.entries[i]);
		}
		n->first_index = s->index + 1;
	}
}

/* It is durable: as one unit with the rest of the persist. */
void
snapshot_durable(struct cluster *c, struct mem_node *n,
    const struct mem_persist *p)
{
	uint64_t i;

	if (!p->has_snapshot) {
		return;
	}
	n->disk_snapshot = p->snapshot;
	if (p->install) {
		n->disk_applied = p->snapshot.index;
	}
	if (p->drop_log) {
		n->disk.count = 0;
		for (i = 0; i < p->snapshot.index; i++) {
			mem_log_append(&n->disk, &c->committed.entries[i]);
		}
		n->disk_first = p->snapshot.index + 1;
	}
}

/* Deletes old entries some at a time, when nothing is being written. */
static void
delete_old(struct cluster *c, struct mem_node *n, const struct raft_update *u)
{
	if (u->first_index < n->first_index) {
		cluster_fail(c, "node %" PRIu32 " wants entries back from %"
		    PRIu64 " on", n->id, u->first_index);
	}
	n->first_index = u->first_index;
	if (n->persist_count == 0 && n->disk_first < n->first_index) {
		n->disk_first += 1 + cluster_random(c) %
		    (n->first_index - n->disk_first);
	}
}

void
snapshot_effects(struct cluster *c, struct mem_node *n,
    const struct raft_update *u)
{
	if (u->receive_forget != 0 && u->receive_forget == n->receive_id) {
		n->receive_id = 0;
	}
	if (u->chunk != NULL) {
		take_chunk(c, n, u);
	}
	if (u->view_close != 0) {
		if (u->view_close != n->view_id) {
			cluster_fail(c, "node %" PRIu32 " closes a view that "
			    "is not open", n->id);
		}
		n->view_id = 0;
	}
	delete_old(c, n, u);
	if (u->view_wanted) {
		n->view_due = true;
	}
}

/* After everything else of the step. */
void
snapshot_later(struct cluster *c, struct mem_node *n)
{
	if (n->view_due) {
		n->view_due = false;
		open_view(c, n);
	}
}
