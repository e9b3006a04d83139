/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linearizable reads without a log entry (dissertation 6.4).
 *
 * A read waits until the leader has committed an entry of its own term, then
 * until a majority has answered a message that was sent after the read
 * arrived: so nobody had been elected in a later term by then.  It may be
 * served once what was committed at that time is applied.
 *
 *	queue:	[ reads of the round under way | reads that came since ]
 *		  round_count                    read_count - round_count
 *
 * Under a lease a majority has answered in advance: the read comes back at
 * once, and the caller looks at the clock when it has read (T83).
 *
 * One round confirms all reads that arrived before it began; the others wait
 * for the next one.  Any reply in the own term confirms, heartbeat or append,
 * as long as its request is new enough.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "raft/core.h"

static bool round_is_confirmed(const struct raft *);
static void give_back(struct raft *, uint32_t, uint64_t, int);

void
readindex_read(struct raft *r, uint64_t id, bool round)
{
	if (r->role != RAFT_LEADER) {
		r->update->result = ERR_NOT_APPLIED;
		return;
	}
	if (r->read_count == RAFT_READS_MAX) {
		r->update->result = ERR_BUSY;
		return;
	}
	if (!round && raft_lease_end_ns(r) > r->now_ns) {
		TELL(r, RAFT_TELL_RPC, "a majority has promised to wait -> a "
		    "read at %" PRIu64 " by the lease", r->commit_index);
		r->update->reads[r->update->read_count++] =
		    (struct raft_read){
			.id = id,
			.index = r->commit_index,
			.result = ERR_OK,
			.lease = true,
		};
		return;
	}
	r->reads[r->read_count++] = id;
}

void
readindex_advance(struct raft *r)
{
	if (r->role != RAFT_LEADER || r->commit_index < r->noop_index) {
		return;			/* T80 */
	}
	while (r->round_count > 0 || r->read_count > 0) {
		if (r->round_count == 0) {
			r->round_index = r->commit_index;
			r->round_count = r->read_count;
			r->round_request = r->request + 1;
			replicate_heartbeats(r);
		}
		if (!round_is_confirmed(r)) {
			return;
		}
		TELL(r, RAFT_TELL_RPC, "a majority follows -> %" PRIu32
		    " reads at %" PRIu64, r->round_count, r->round_index);
		give_back(r, r->round_count, r->round_index, ERR_OK);
		r->round_count = 0;
	}
}

void
readindex_abort(struct raft *r)
{
	give_back(r, r->read_count, 0, ERR_NOT_APPLIED);
	r->round_count = 0;
}

static bool
round_is_confirmed(const struct raft *r)
{
	const struct raft_configuration *c = configuration(r);
	uint64_t values[RAFT_SERVERS_MAX];
	const struct progress *p;
	uint32_t i;

	for (i = 0; i < c->count; i++) {
		p = replicate_of(r, &c->servers[i]);
		values[i] = p == NULL ? 0 : p->confirmed;
		if (c->servers[i].id == r->config.id &&
		    c->servers[i].store_id == r->config.store_id) {
			values[i] = UINT64_MAX;
		}
	}
	return quorum_reached(c, values) >= r->round_request;
}

/* The first count reads of the queue go back to the caller. */
static void
give_back(struct raft *r, uint32_t count, uint64_t index, int result)
{
	struct raft_update *u = r->update;
	uint32_t i;

	assert(count <= r->read_count);
	assert(u->read_count + count <= RAFT_READS_MAX);
	for (i = 0; i < count; i++) {
		u->reads[u->read_count++] = (struct raft_read){
			.id = r->reads[i],
			.index = index,
			.result = result,
		};
	}
	r->read_count -= count;
	memmove(r->reads, r->reads + count,
	    r->read_count * sizeof(r->reads[0]));
}
