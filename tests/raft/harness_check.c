/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Logs in memory, the invariants of a cluster (paper, Figure 3), looked at
 * after every step, and the story that is printed when one is broken; see
 * harness.h.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/raft/harness.h"

void *
mem_realloc(void *p, size_t size)
{
	p = realloc(p, size == 0 ? 1 : size);
	assert(p != NULL);
	return p;
}

/*
 * The data of entries lives until the program ends: entries are copied
 * between nodes by pointer, and a test is short.
 */
const void *
mem_keep(const void *data, uint32_t size)
{
	static struct arena {
		struct arena *next;
		char bytes[1 << 20];
	} *arena;
	static size_t used;
	struct arena *more;
	char *at;

	if (size == 0) {
		return NULL;
	}
	assert(size <= sizeof(arena->bytes));
	if (arena == NULL || sizeof(arena->bytes) - used < size) {
		more = mem_realloc(NULL, sizeof(*more));
		more->next = arena;
		arena = more;
		used = 0;
	}
	at = arena->bytes + used;
	memcpy(at, data, size);
	used += size;
	return at;
}

void
mem_log_append(struct mem_log *log, const struct raft_entry *e)
{
	assert(e->index == log->count + 1);
	if (log->count == log->capacity) {
		log->capacity = log->capacity == 0 ? 64 : 2 * log->capacity;
		log->entries = mem_realloc(log->entries,
		    log->capacity * sizeof(*log->entries));
	}
	log->entries[log->count++] = *e;
}

void
mem_log_copy(struct mem_log *to, const struct mem_log *from)
{
	uint64_t i;

	to->count = 0;
	for (i = 0; i < from->count; i++) {
		mem_log_append(to, &from->entries[i]);
	}
}

uint64_t
mem_log_term(const struct mem_log *log, uint64_t index)
{
	return index == 0 || index > log->count ?
	    0 : log->entries[index - 1].term;
}

bool
mem_entry_equal(const struct raft_entry *a, const struct raft_entry *b)
{
	return a->index == b->index && a->term == b->term &&
	    a->type == b->type && a->size == b->size &&
	    a->checksum == b->checksum;
}


/* Log matching: what two nodes hold under equal index and term is equal,
 * and so is everything before it. */
void
cluster_check_log_matching(struct cluster *c, const struct mem_node *a)
{
	const struct mem_node *b;
	bool same;
	uint64_t i, last;
	uint32_t id;

	for (id = 1; id <= c->node_count; id++) {
		b = cluster_node(c, id);
		if (b == a) {
			continue;
		}
		last = a->log.count < b->log.count ?
		    a->log.count : b->log.count;
		same = false;
		for (i = last; i > 0; i--) {
			if (a->log.entries[i - 1].term ==
			    b->log.entries[i - 1].term) {
				same = true;
			}
			if (same && !mem_entry_equal(&a->log.entries[i - 1],
			    &b->log.entries[i - 1])) {
				cluster_fail(c, "log matching: nodes %" PRIu32
				    " and %" PRIu32 " differ at %" PRIu64
				    " before an equal entry", a->id, b->id, i);
			}
		}
	}
}

/* A new leader holds everything that was committed in earlier terms. */
void
cluster_check_leader(struct cluster *c, const struct mem_node *n)
{
	uint64_t term = raft_term(n->raft), i;

	assert(term < TERMS_MAX);
	if (c->leaders[term] == n->id) {
		return;
	}
	if (c->leaders[term] != 0) {
		cluster_fail(c, "election safety: nodes %" PRIu32 " and %"
		    PRIu32 " lead in term %" PRIu64, c->leaders[term], n->id,
		    term);
	}
	c->leaders[term] = n->id;
	c->elections++;
	for (i = 1; i <= c->committed.count; i++) {
		if (c->committed_terms[i - 1] >= term) {
			break;		/* a leader of old, elected late */
		}
		if (i > n->log.count ||
		    !mem_entry_equal(&c->committed.entries[i - 1],
		    &n->log.entries[i - 1])) {
			cluster_fail(c, "leader completeness: node %" PRIu32
			    " leads term %" PRIu64 " without entry %" PRIu64,
			    n->id, term, i);
		}
	}
}

/* State-machine safety: one entry at each committed index, for ever. */
void
cluster_check_commit(struct cluster *c, struct mem_node *n, uint64_t commit)
{
	uint64_t i;

	if (commit > n->log.count) {
		cluster_fail(c, "node %" PRIu32 " commits %" PRIu64 " of %"
		    PRIu64 " entries", n->id, commit, n->log.count);
	}
	for (i = n->applied + 1; i <= commit; i++) {
		if (i > c->committed.count) {
			mem_log_append(&c->committed, &n->log.entries[i - 1]);
			if ((i & (i - 1)) == 0) {
				c->committed_terms = mem_realloc(
				    c->committed_terms,
				    2 * i * sizeof(uint64_t));
			}
			c->committed_terms[i - 1] = raft_term(n->raft);
		} else if (!mem_entry_equal(&c->committed.entries[i - 1],
		    &n->log.entries[i - 1])) {
			cluster_fail(c, "state-machine safety: node %" PRIu32
			    " applies another entry %" PRIu64, n->id, i);
		}
	}
}

/*
 * What a majority must have durable: an entry that is committed.  Counted at
 * the moment when a leader commits it, on the disks.
 */
void
cluster_check_durable(struct cluster *c, const struct mem_node *node,
    uint64_t from, uint64_t commit)
{
	const struct raft_configuration *in_force = &c->in_force;
	uint64_t have[RAFT_SERVERS_MAX], i;
	const struct mem_node *n;
	uint32_t k;

	for (i = from + 1; i <= commit; i++) {
		for (k = 0; k < in_force->count; k++) {
			n = cluster_node(c, in_force->servers[k].id);
			have[k] = n->store_id ==
			    in_force->servers[k].store_id &&
			    n->disk.count >= i && mem_entry_equal(
			    &n->disk.entries[i - 1],
			    &c->committed.entries[i - 1]) ? 1 : 0;
		}
		if (quorum_reached(in_force, have) == 0) {
			cluster_fail(c, "entry %" PRIu64 " is committed by "
			    "node %" PRIu32 " and not durable on a majority",
			    i, node->id);
		}
	}
}

void
cluster_story(struct cluster *c, const char *fmt, ...)
{
	char line[400];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert(n >= 0 && (size_t)n < sizeof(line));
	if (c->story_quiet) {
		return;
	}
	c->story = mem_realloc(c->story, c->story_size + (size_t)n + 2);
	memcpy(c->story + c->story_size, line, (size_t)n);
	c->story_size += (size_t)n;
	c->story[c->story_size++] = '\n';
	c->story[c->story_size] = '\0';
}

bool
cluster_told(const struct cluster *c, const char *text)
{
	return c->story != NULL && strstr(c->story, text) != NULL;
}

void
cluster_fail(struct cluster *c, const char *fmt, ...)
{
	const char *from = c->story;
	va_list ap;

	if (from != NULL) {
		if (c->story_size > 6000 && getenv("RAFT_STORY") == NULL) {
			from = c->story + c->story_size - 6000;
		}
		fprintf(stderr, "...%s", from);
	}
	fprintf(stderr, "FAILED %s at %" PRIu64 " ms: ",
	    c->name != NULL ? c->name : "", (uint64_t)(c->now_ns / MS));
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
