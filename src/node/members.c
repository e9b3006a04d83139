/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What operators wish of the membership (docs/MEMBERS.md).
 *
 *	rows: wish, number --> configuration: is it so?
 *	    no  --> one CHANGE for all of a number; refused: the page says why
 *	    yes, committed --> a round of heartbeats --> the page says so
 *
 * A leader looks when rows have changed, and again and again until all is
 * fulfilled.  It keeps nothing that its successor would need.  Whoever acts
 * on "fulfilled" ends processes and puts stores aside: so it is said only
 * when a majority has confirmed, since the configuration was seen, that this
 * is still the leader.
 */
#include <string.h>

#include <bsd/string.h>

#include "base/crash.h"
#include "node/node.h"

#define LOOK_NS		10000000ull
#define AGAIN_NS	500000000ull

struct wishes {
	uint32_t count;
	struct segment_row rows[SEGMENT_SLOTS];	/* by slot; wish NONE: none */
};

static void	gather(const struct node *, struct wishes *);
static const struct raft_server *server_of(const struct raft_status *,
		    const struct segment_row *);
static bool	is_fulfilled(const struct raft_status *,
		    const struct segment_row *);
static bool	is_caught_up(const struct raft_status *, uint32_t);
static bool	confirm(struct node *, const struct raft_status *,
		    const struct wishes *);
static bool	change(struct node *, const struct raft_status *,
		    const struct wishes *);
static bool	change_of(const struct raft_status *,
		    const struct segment_row *, struct raft_change *);
static void	ask(struct node *, const struct raft_change *, uint32_t,
		    uint64_t);

bool
node_members_turn(struct node *node)
{
	struct raft_status status;
	struct wishes wishes;

	if (node->role != RAFT_LEADER) {
		node->members_at_ns = 0;
		if (node->status.wish_refused != 0) {
			/* It was the leader's word. */
			node->status.wish_refused = 0;
			node->status_dirty = true;
		}
		return false;
	}
	if (node->now_ns < node->members_at_ns) {
		return false;
	}
	gather(node, &wishes);
	node->members_at_ns = wishes.count == 0 ? UINT64_MAX :
	    node->now_ns + LOOK_NS;
	if (wishes.count == 0 || !raft_is_ready(node->raft)) {
		return false;
	}
	raft_status(node->raft, &status);
	if (!status.configuration_committed || status.joint) {
		return false;
	}
	return confirm(node, &status, &wishes) ||
	    change(node, &status, &wishes);
}

void
node_members_read(struct node *node, const struct raft_read *read)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (read->result == ERR_OK &&
		    node->members_read[slot] != 0) {
			node->status.wish_done[slot] =
			    node->members_read[slot];
			node->status_dirty = true;
			node->status_at_ns = 0;
		}
		node->members_read[slot] = 0;
	}
	node->members_asked = false;
	CRASH_POINT("members: confirmed, not published");
}

static void
gather(const struct node *node, struct wishes *wishes)
{
	wishes->count = 0;
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		struct segment_row *row = &wishes->rows[slot];

		if (segment_row_read(node->segment, slot, row) != ERR_OK ||
		    row->id == 0 || row->wish_seq == 0 ||
		    row->wish > SEGMENT_WISH_REFILL ||
		    node->status.wish_done[slot] == row->wish_seq) {
			row->wish = SEGMENT_WISH_NONE;
		}
		wishes->count += row->wish != SEGMENT_WISH_NONE;
	}
}

static const struct raft_server *
server_of(const struct raft_status *status, const struct segment_row *row)
{
	for (uint32_t i = 0; i < status->configuration.count; i++) {
		if (status->configuration.servers[i].id == row->id) {
			return &status->configuration.servers[i];
		}
	}
	return NULL;
}

/* The configuration is committed, and no joint one. */
static bool
is_fulfilled(const struct raft_status *status, const struct segment_row *row)
{
	const struct raft_server *server = server_of(status, row);

	if (row->wish == SEGMENT_WISH_LEAVE) {
		return server == NULL;
	}
	if (server == NULL || server->store_id != row->store_id) {
		return false;
	}
	return row->wish == SEGMENT_WISH_LEARN ?
	    server->suffrage == RAFT_LEARNER &&
	    is_caught_up(status, row->id) :
	    (server->suffrage & RAFT_VOTER) != 0;
}

static bool
is_caught_up(const struct raft_status *status, uint32_t id)
{
	for (uint32_t i = 0; i < status->peer_count; i++) {
		const struct raft_peer_status *peer = &status->peers[i];

		if (peer->id == id) {
			return peer->replicating &&
			    peer->match_index >= status->commit_index;
		}
	}
	return false;
}

/* A round for all that is fulfilled; true when one has begun. */
static bool
confirm(struct node *node, const struct raft_status *status,
    const struct wishes *wishes)
{
	struct raft_event event = { .type = RAFT_EVENT_READ };
	bool any = false;

	if (node->members_asked) {
		return false;
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct segment_row *row = &wishes->rows[slot];

		if (row->wish != SEGMENT_WISH_NONE &&
		    is_fulfilled(status, row)) {
			node->members_read[slot] = row->wish_seq;
			any = true;
		}
	}
	if (!any) {
		return false;
	}
	event.read.id = NODE_MEMBERS_READ;
	event.read.round = true;
	node->members_asked = true;
	node_step(node, &event);
	if (node->update->result != ERR_OK) {
		memset(node->members_read, 0, sizeof(node->members_read));
		node->members_asked = false;
	}
	return true;
}

/* The wishes of the lowest number that is not fulfilled, in one step. */
static bool
change(struct node *node, const struct raft_status *status,
    const struct wishes *wishes)
{
	struct raft_change changes[SEGMENT_SLOTS];
	uint64_t first = UINT64_MAX;
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct segment_row *row = &wishes->rows[slot];

		if (row->wish != SEGMENT_WISH_NONE && row->wish_seq < first &&
		    change_of(status, row, &changes[0]) &&
		    (row->wish_seq != node->status.wish_refused ||
		    node->now_ns >= node->members_again_ns)) {
			first = row->wish_seq;
		}
	}
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		const struct segment_row *row = &wishes->rows[slot];

		if (row->wish != SEGMENT_WISH_NONE && row->wish_seq == first &&
		    change_of(status, row, &changes[count])) {
			count++;
		}
	}
	/* Its entry must find room in the cache, as every one. */
	if (count == 0 || !node_has_room(node, RAFT_CONFIGURATION_SIZE_MAX,
	    1)) {
		return false;
	}
	ask(node, changes, count, first);
	return true;
}

/* False: it is so, or is under way. */
static bool
change_of(const struct raft_status *status, const struct segment_row *row,
    struct raft_change *change)
{
	const struct raft_server *server = server_of(status, row);

	change->id = row->id;
	change->store_id = row->store_id;
	switch ((enum segment_wish)row->wish) {
	case SEGMENT_WISH_LEARN:
		change->type = RAFT_CHANGE_LEARNER;
		return server == NULL || server->suffrage != RAFT_LEARNER ||
		    server->store_id != row->store_id;
	case SEGMENT_WISH_LEAVE:
		change->type = RAFT_CHANGE_REMOVE;
		if (server != NULL) {
			/* Also one whose replacement has not begun. */
			change->store_id = server->store_id;
		}
		return server != NULL;
	case SEGMENT_WISH_REFILL:
		change->type = server != NULL &&
		    server->store_id != row->store_id ?
		    RAFT_CHANGE_REPLACE : RAFT_CHANGE_ADD;
		break;
	case SEGMENT_WISH_JOIN:
		change->type = RAFT_CHANGE_ADD;
		break;
	case SEGMENT_WISH_NONE:
		return false;
	}
	return server == NULL || server->store_id != row->store_id ||
	    server->suffrage == RAFT_LEARNER;
}

static void
ask(struct node *node, const struct raft_change *changes, uint32_t count,
    uint64_t wish_seq)
{
	struct raft_event event = { .type = RAFT_EVENT_CHANGE };
	const struct raft_update *update = node->update;

	event.change.changes = changes;
	event.change.count = count;
	node_step(node, &event);
	CRASH_POINT("members: change appended");
	if (update->result == ERR_OK) {
		if (node->status.wish_refused == wish_seq) {
			node->status.wish_refused = 0;
		}
		return;
	}
	if (update->result == ERR_BUSY || update->result == ERR_EXISTS ||
	    update->result == ERR_NOT_APPLIED) {
		return;			/* later */
	}
	node->members_again_ns = node->now_ns + AGAIN_NS;
	node->status.wish_refused = wish_seq;
	strlcpy(node->status.wish_why, update->why != NULL ? update->why :
	    err_text(update->result), sizeof(node->status.wish_why));
	node->status_dirty = true;
}
