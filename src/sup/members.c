/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nodes that come, go and are replaced (docs/MEMBERS.md).
 *
 *	add	record with a wish: durable; store; its identity: durable;
 *		row; process
 *	remove	wish: durable; row
 *	refill	directory put aside; new store id and wish: durable; as add
 *
 * A leader fulfils the wish and says so in its page, by the wish's number;
 * that is looked for here, and nothing else is believed.  Then the wish is
 * forgotten, or the node is: its process ends, its directory is put aside,
 * its record goes.  All of it can be cut off anywhere; members_begin() goes
 * on.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/options.h"
#include "sup/proc.h"
#include "sup/state.h"

#define ASIDE_MAX	1000	/* directories of one name */
/* Longer than the command waits that takes back what is refused. */
#define REFUSED_NS	(5 * CLOCK_NS_PER_S)

static int check_new(const struct sup *, uint32_t, uint32_t,
    enum segment_wish, struct err_buf *);
static int add_one(struct sup *, uint32_t, enum segment_wish,
    struct err_buf *);
static int find_slot(const struct sup *, uint32_t *);
static struct sup_node *insert(struct sup *, const struct cluster_node *);
static void take_out(struct sup *, struct sup_node *);
static void point(struct sup *);
static void init_row(struct sup *, struct sup_node *);
static int make_store(struct sup *, struct cluster_node *, struct err_buf *);
static int put_aside(struct sup *, uint32_t, const char *, struct err_buf *);
static int new_id(uint64_t *, struct err_buf *);
static void publish_wishes(struct sup *, uint32_t);
static void look(struct sup *, struct sup_node *);
static bool is_refused(const struct sup *, const struct sup_node *);
static void fulfilled(struct sup *, struct sup_node *);
static bool retire(struct sup *, struct sup_node *);
static bool is_locked(const struct sup *, uint32_t);
static struct sup_node *find(struct sup *, uint32_t);

/* ---- the beginning */

int
members_begin(struct sup *sup, struct err_buf *err)
{
	struct cluster *cluster = sup->cluster;
	struct cluster_node *record;
	uint32_t i;
	int result = ERR_OK;

	for (i = 0; i < cluster->node_count; i++) {
		record = &cluster->nodes[i];
		cluster->ids_used |= OPTIONS_ID_BIT(record->id);
		if (!sup->created) {
			result = segment_add_slot(sup->segment, record->slot,
			    err);
		}
		if (result != ERR_OK) {
			return result;
		}
		if (record->store.inode == 0 && !cluster->creating &&
		    record->wish != SEGMENT_WISH_NONE &&
		    record->wish != SEGMENT_WISH_LEAVE &&
		    make_store(sup, record, err) != ERR_OK) {
			/* It is refused for it; the others go on. */
			events_tell(sup, "Node %u has no store: %s",
			    record->id, err->text);
		}
	}
	return ERR_OK;
}

void
members_number_slots(struct cluster *cluster)
{
	uint32_t i;

	for (i = 0; i < cluster->node_count; i++) {
		cluster->nodes[i].slot = i;
	}
}

void
members_adopt_row(struct sup *sup, struct sup_node *node,
    const struct segment_row *row)
{
	node->row.wish = node->record->wish;
	if (row != NULL && row->wish == node->row.wish &&
	    row->store_id == node->record->store_id) {
		node->row.wish_seq = row->wish_seq;
	} else if (node->row.wish != SEGMENT_WISH_NONE) {
		node->row.wish_seq = members_seq(sup);
	}
}

void
members_clear_rows(struct sup *sup)
{
	static const struct segment_row none;
	struct segment_row row;
	uint32_t slot, i;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		for (i = 0; i < sup->count; i++) {
			if (sup->nodes[i].record->slot == slot) {
				break;
			}
		}
		if (i == sup->count && segment_row_read(sup->segment, slot,
		    &row) == ERR_OK && row.id != 0) {
			segment_row_publish(sup->segment, slot, &none);
		}
	}
}

/* Rises, also from one supervisor to the next. */
uint64_t
members_seq(struct sup *sup)
{
	uint64_t now_ns = clock_now_ns();

	sup->wish_seq = now_ns > sup->wish_seq ? now_ns : sup->wish_seq + 1;
	return sup->wish_seq;
}

/* ---- what operators ask */

int
members_add(struct sup *sup, uint32_t ids, bool learner, char *text,
    size_t size, struct err_buf *err)
{
	enum segment_wish wish = learner ? SEGMENT_WISH_LEARN :
	    SEGMENT_WISH_JOIN;
	uint32_t id, made = 0;
	int result = ERR_OK;

	if (ids == 0) {
		for (id = 1; id <= OPTIONS_ID_MAX && (sup->cluster->ids_used &
		    OPTIONS_ID_BIT(id)) != 0; id++) {
		}
		if (id > OPTIONS_ID_MAX) {
			return err_set(err, ERR_NOT_APPLIED, "all ids up to %u"
			    " were used: name one that was removed (raftsup"
			    " add ID)", OPTIONS_ID_MAX);
		}
		ids = OPTIONS_ID_BIT(id);
	}
	/* All or none. */
	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) != 0) {
			result = check_new(sup, id,
			    ids & (OPTIONS_ID_BIT(id) - 1), wish, err);
			if (result != ERR_OK) {
				return result;
			}
		}
	}
	text[0] = '\0';
	for (id = 1; id <= OPTIONS_ID_MAX && result == ERR_OK; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) == 0) {
			continue;
		}
		result = add_one(sup, id, wish, err);
		if (result == ERR_OK) {
			made |= OPTIONS_ID_BIT(id);
			snprintf(text + strlen(text), size - strlen(text),
			    "%s%u", text[0] == '\0' ? "" : ",", id);
		}
	}
	/* Together, so that one step takes all of them. */
	publish_wishes(sup, made);
	if (result != ERR_OK && made != 0) {
		struct err_buf inner = *err;

		return err_set(err, result, "%.160s (node %s goes on joining)",
		    inner.text, text);
	}
	return result;
}

static void
publish_wishes(struct sup *sup, uint32_t ids)
{
	uint64_t seq = members_seq(sup);
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		struct sup_node *node = &sup->nodes[i];

		if ((ids & OPTIONS_ID_BIT(node->record->id)) != 0) {
			node->row.wish = node->record->wish;
			node->row.wish_seq = seq;
			nodes_publish(sup, node);
		}
	}
}

/* before: those of the same list that come first. */
static int
check_new(const struct sup *sup, uint32_t id, uint32_t before,
    enum segment_wish wish, struct err_buf *err)
{
	const struct cluster *cluster = sup->cluster;
	uint32_t nodes = (uint32_t)__builtin_popcount(before);
	uint32_t i, voters = wish == SEGMENT_WISH_JOIN ? nodes : 0;
	char path[PATH_MAX];
	struct stat info;

	nodes += cluster->node_count;
	for (i = 0; i < cluster->node_count; i++) {
		const struct cluster_node *other = &cluster->nodes[i];

		nodes -= (before & OPTIONS_ID_BIT(other->id)) != 0;
		voters += other->learner ? other->wish == SEGMENT_WISH_JOIN :
		    other->wish != SEGMENT_WISH_LEARN;
	}
	for (i = 0; i < cluster->node_count; i++) {
		const struct cluster_node *other = &cluster->nodes[i];

		if (other->id == id && (other->wish != SEGMENT_WISH_NONE ||
		    !other->learner || wish == SEGMENT_WISH_LEARN)) {
			return err_set(err, ERR_NOT_APPLIED,
			    other->wish == SEGMENT_WISH_LEAVE ?
			    "node %u is being removed" :
			    other->wish != SEGMENT_WISH_NONE ?
			    "node %u is joining already" : other->learner ?
			    "node %u is a learner already" :
			    "node %u is a voter already", id);
		}
		if (other->id == id) {
			/* A learner that becomes a voter. */
			return voters < CLUSTER_VOTERS_MAX ? ERR_OK :
			    err_set(err, ERR_NOT_APPLIED,
			    "%u voters are the most", CLUSTER_VOTERS_MAX);
		}
	}
	if (nodes >= CLUSTER_NODES_MAX) {
		return err_set(err, ERR_NOT_APPLIED, "%u nodes are the most:"
		    " remove one first", CLUSTER_NODES_MAX);
	}
	if (wish == SEGMENT_WISH_JOIN && voters >= CLUSTER_VOTERS_MAX) {
		return err_set(err, ERR_NOT_APPLIED, "%u voters are the most:"
		    " remove one first, or add --learner",
		    CLUSTER_VOTERS_MAX);
	}
	snprintf(path, sizeof(path), "%s/node-%u", sup->options->dir, id);
	if (lstat(path, &info) == 0) {
		return err_set(err, ERR_NOT_APPLIED, "node-%u is in the way:"
		    " it is not of this cluster's nodes", id);
	}
	return ERR_OK;
}

static int
add_one(struct sup *sup, uint32_t id, enum segment_wish wish,
    struct err_buf *err)
{
	struct cluster_node record = { .id = id, .wish = wish };
	struct cluster *cluster = sup->cluster;
	struct sup_node *node = find(sup, id);
	struct err_buf second;
	int result;

	if (node != NULL) {
		node->record->wish = wish;
		result = cluster_save(cluster, sup->options->dir, err);
		if (result != ERR_OK) {
			node->record->wish = SEGMENT_WISH_NONE;
		}
		return result;
	}
	result = cluster->node_count == CLUSTER_NODES_MAX ? err_set(err,
	    ERR_NOT_APPLIED, "%u nodes are the most", CLUSTER_NODES_MAX) :
	    find_slot(sup, &record.slot);
	if (result == ERR_OK) {
		result = segment_add_slot(sup->segment, record.slot, err);
	}
	if (result == ERR_OK) {
		result = new_id(&record.store_id, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	record.run_granted = cluster->run_floor;
	node = insert(sup, &record);
	cluster->ids_used |= OPTIONS_ID_BIT(id);
	result = cluster_save(cluster, sup->options->dir, err);
	if (result == ERR_OK) {
		CRASH_POINT("add: recorded, no store");
		result = make_store(sup, node->record, err);
	}
	if (result == ERR_OK) {
		CRASH_POINT("add: store made, not recorded");
		result = cluster_save(cluster, sup->options->dir, err);
	}
	if (result != ERR_OK) {
		/* No row, no process: nobody has heard of it. */
		take_out(sup, node);
		if (cluster_save(cluster, sup->options->dir, &second) !=
		    ERR_OK || put_aside(sup, id, "removed", &second) !=
		    ERR_OK) {
			events_tell(sup, "Node %u: %s", id, second.text);
		}
		return result;
	}
	CRASH_POINT("add: recorded, no row");
	init_row(sup, node);
	events_tell(sup, "Node %u is added by an operator: it joins as a"
	    " learner", id);
	nodes_step(sup, node, MACHINE_START);
	return ERR_OK;
}

int
members_remove(struct sup *sup, uint32_t ids, struct err_buf *err)
{
	struct cluster before = *sup->cluster;
	uint64_t seq = members_seq(sup);
	struct sup_node *node;
	uint32_t i;
	int result;

	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->record->id)) != 0 &&
		    node->record->wish != SEGMENT_WISH_LEAVE) {
			node->record->wish_before = node->record->wish;
			node->record->wish = SEGMENT_WISH_LEAVE;
		}
	}
	result = cluster_save(sup->cluster, sup->options->dir, err);
	if (result != ERR_OK) {
		*sup->cluster = before;
		return result;
	}
	CRASH_POINT("remove: recorded, no row");
	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->record->id)) == 0) {
			continue;
		}
		node->row.wish = SEGMENT_WISH_LEAVE;
		node->row.wish_seq = seq;
		nodes_publish(sup, node);
		events_tell(sup, "Node %u is to be removed, by an operator",
		    node->record->id);
	}
	return ERR_OK;
}

/*
 * What was wanted before is so again: one that was joining may be a learner
 * or a voter by now, and only the leader knows.
 */
int
members_cancel(struct sup *sup, uint32_t ids, struct err_buf *err)
{
	struct cluster before = *sup->cluster;
	uint64_t seq = members_seq(sup);
	struct sup_node *node;
	uint32_t i, stay = 0;
	int result;

	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->record->id)) != 0 &&
		    node->record->wish == SEGMENT_WISH_LEAVE &&
		    !node->retiring) {
			node->record->wish = node->record->wish_before;
			node->record->wish_before = SEGMENT_WISH_NONE;
			stay |= OPTIONS_ID_BIT(node->record->id);
		}
	}
	if (stay == 0) {
		return ERR_OK;
	}
	result = cluster_save(sup->cluster, sup->options->dir, err);
	if (result != ERR_OK) {
		*sup->cluster = before;
		return result;
	}
	for (i = 0; i < sup->count; i++) {
		node = &sup->nodes[i];
		if ((stay & OPTIONS_ID_BIT(node->record->id)) == 0) {
			continue;
		}
		node->row.wish = node->record->wish;
		node->row.wish_seq = seq;
		node->refused_ns = 0;
		nodes_publish(sup, node);
		events_tell(sup, "Node %u stays%s", node->record->id,
		    node->record->wish == SEGMENT_WISH_NONE ? "" :
		    ", and goes on joining");
	}
	return ERR_OK;
}

int
members_refill(struct sup *sup, uint32_t id, struct err_buf *err)
{
	struct sup_node *node = find(sup, id);
	struct cluster_node *record;
	struct fs_identity none = { 0 };
	uint32_t i;
	int result;

	if (node == NULL) {
		return err_set(err, ERR_USAGE, "no node %u", id);
	}
	for (i = 0; i < sup->count; i++) {
		if (i != (uint32_t)(node - sup->nodes) &&
		    sup->nodes[i].record->wish == SEGMENT_WISH_REFILL) {
			return err_set(err, ERR_NOT_APPLIED, "node %u is being"
			    " refilled: one at a time",
			    sup->nodes[i].record->id);
		}
	}
	if (node->pidfd >= 0 || machine_is_alive(node->state) ||
	    is_locked(sup, id)) {
		return err_set(err, ERR_NOT_APPLIED, "node %u is %s: nothing"
		    " is refilled under a process (raftsup stop %u first, if"
		    " its store is to be made anew)", id,
		    machine_state_name(node->state), id);
	}
	record = node->record;
	if (record->wish == SEGMENT_WISH_LEAVE) {
		return err_set(err, ERR_NOT_APPLIED,
		    "node %u is being removed", id);
	}
	result = put_aside(sup, id, "damaged", err);
	CRASH_POINT("refill: put aside, not recorded");
	if (result == ERR_OK) {
		result = new_id(&record->store_id, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	record->store = none;
	record->run_recorded = 0;
	if (record->wish == SEGMENT_WISH_NONE) {
		record->wish = record->learner ? SEGMENT_WISH_LEARN :
		    SEGMENT_WISH_REFILL;
	}
	result = cluster_save(sup->cluster, sup->options->dir, err);
	if (result == ERR_OK) {
		CRASH_POINT("refill: recorded, no store");
		result = make_store(sup, record, err);
	}
	if (result == ERR_OK) {
		result = cluster_save(sup->cluster, sup->options->dir, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	CRASH_POINT("refill: store made, no row");
	node->row.store_id = record->store_id;
	node->row.run_admitted = 0;
	node->row.wish = record->wish;
	node->row.wish_seq = members_seq(sup);
	node->row.why[0] = '\0';
	node->row.stop = 0;
	nodes_step(sup, node, MACHINE_START);
	nodes_publish(sup, node);
	events_tell(sup, "Node %u is refilled by an operator: a new store, as"
	    " a learner", id);
	return ERR_OK;
}

/* ---- what becomes of it */

bool
members_pending(const struct sup *sup)
{
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		if (sup->nodes[i].record->wish != SEGMENT_WISH_NONE) {
			return true;
		}
	}
	return false;
}

void
members_tick(struct sup *sup)
{
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		if (sup->nodes[i].record->wish != SEGMENT_WISH_NONE &&
		    !sup->nodes[i].retiring) {
			look(sup, &sup->nodes[i]);
		}
		if (sup->nodes[i].retiring && sup->nodes[i].pidfd < 0 &&
		    retire(sup, &sup->nodes[i])) {
			i--;		/* the next one has its place */
		}
	}
}

/*
 * Some node's page says, as a leader, that it is fulfilled; or that it will
 * not be, for so long that the command that would take it back is gone.
 */
static void
look(struct sup *sup, struct sup_node *node)
{
	struct segment_status status;
	uint32_t slot = node->record->slot, i;
	struct err_buf err;

	for (i = 0; i < SEGMENT_SLOTS; i++) {
		if (segment_status_read(sup->segment, i, &status) == ERR_OK &&
		    node->row.wish_seq != 0 &&
		    status.wish_done[slot] == node->row.wish_seq) {
			fulfilled(sup, node);
			return;
		}
	}
	if (node->record->wish != SEGMENT_WISH_LEAVE ||
	    !is_refused(sup, node)) {
		node->refused_ns = 0;
	} else if (node->refused_ns == 0) {
		node->refused_ns = clock_now_ns();
	} else if (clock_now_ns() - node->refused_ns >= REFUSED_NS) {
		node->refused_ns = clock_now_ns();
		if (members_cancel(sup, OPTIONS_ID_BIT(node->record->id),
		    &err) != ERR_OK) {
			events_tell(sup, "Node %u: %s", node->record->id,
			    err.text);
		}
	}
}

/* By a leader in office: one that is not any more takes its word back. */
static bool
is_refused(const struct sup *sup, const struct sup_node *node)
{
	struct segment_status status;
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		const struct sup_node *other = &sup->nodes[i];

		if (other->state == MACHINE_UP && node->row.wish_seq != 0 &&
		    segment_status_read(sup->segment, other->record->slot,
		    &status) == ERR_OK &&
		    status.run == other->row.run_granted &&
		    status.wish_refused == node->row.wish_seq) {
			return true;
		}
	}
	return false;
}

static void
fulfilled(struct sup *sup, struct sup_node *node)
{
	struct cluster_node *record = node->record, before = *record;
	struct err_buf err;

	if (record->wish == SEGMENT_WISH_LEAVE) {
		node->retiring = true;
		nodes_step(sup, node, MACHINE_HOLD);
		nodes_publish(sup, node);
		return;
	}
	CRASH_POINT("members: fulfilled, not recorded");
	record->learner = record->wish == SEGMENT_WISH_LEARN;
	record->wish = SEGMENT_WISH_NONE;
	if (cluster_save(sup->cluster, sup->options->dir, &err) != ERR_OK) {
		*record = before;	/* at the next look */
		return;
	}
	node->row.wish = SEGMENT_WISH_NONE;
	nodes_publish(sup, node);
	events_tell(sup, "Node %u is a %s now", record->id,
	    record->learner ? "learner" : "voter");
}

/* Its process has ended. True: it is gone. */
static bool
retire(struct sup *sup, struct sup_node *node)
{
	static const struct segment_row none;
	struct cluster *cluster = sup->cluster;
	uint32_t id = node->record->id, slot = node->record->slot;
	struct cluster before = *cluster;
	struct err_buf err;
	int result;

	if (is_locked(sup, id)) {
		return false;		/* it is not at an end yet */
	}
	result = put_aside(sup, id, "removed", &err);
	CRASH_POINT("remove: put aside, not recorded");
	if (result == ERR_OK) {
		if (node->record->run_granted > cluster->run_floor) {
			cluster->run_floor = node->record->run_granted;
		}
		cluster_take_out(cluster, id);
		result = cluster_save(cluster, sup->options->dir, &err);
	}
	if (result != ERR_OK) {
		*cluster = before;
		return false;
	}
	take_out(sup, node);
	CRASH_POINT("remove: recorded, row left");
	segment_row_publish(sup->segment, slot, &none);
	nodes_ring_all(sup);
	events_tell(sup, "Node %u is removed: its directory is"
	    " node-%u.removed", id, id);
	return true;
}

/* ---- the two tables */

static struct sup_node *
find(struct sup *sup, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		if (sup->nodes[i].record->id == id) {
			return &sup->nodes[i];
		}
	}
	return NULL;
}

static int
find_slot(const struct sup *sup, uint32_t *slot)
{
	uint32_t i, used = 0;

	for (i = 0; i < sup->count; i++) {
		used |= 1u << sup->nodes[i].record->slot;
	}
	for (*slot = 0; (used & 1u << *slot) != 0; (*slot)++) {
	}
	return ERR_OK;
}

static struct sup_node *
insert(struct sup *sup, const struct cluster_node *record)
{
	struct cluster *cluster = sup->cluster;
	uint32_t at = 0, after;

	while (at < sup->count && cluster->nodes[at].id < record->id) {
		at++;
	}
	after = sup->count - at;
	memmove(&cluster->nodes[at + 1], &cluster->nodes[at],
	    after * sizeof(cluster->nodes[0]));
	memmove(&sup->nodes[at + 1], &sup->nodes[at],
	    after * sizeof(sup->nodes[0]));
	cluster->nodes[at] = *record;
	memset(&sup->nodes[at], 0, sizeof(sup->nodes[at]));
	sup->nodes[at].pidfd = -1;
	cluster->node_count++;
	sup->count++;
	point(sup);
	return &sup->nodes[at];
}

/* From both tables, or from the second when the first has lost it. */
static void
take_out(struct sup *sup, struct sup_node *node)
{
	uint32_t at = (uint32_t)(node - sup->nodes);

	if (sup->cluster->node_count == sup->count) {
		cluster_take_out(sup->cluster, node->record->id);
	}
	sup->count--;
	memmove(node, node + 1, (sup->count - at) * sizeof(*node));
	memset(&sup->nodes[sup->count], 0, sizeof(*node));
	sup->nodes[sup->count].pidfd = -1;
	point(sup);
}

static void
point(struct sup *sup)
{
	uint32_t i;

	for (i = 0; i < sup->count; i++) {
		sup->nodes[i].record = &sup->cluster->nodes[i];
	}
}

/* A row that nobody has seen, in a slot that may have had another. */
static void
init_row(struct sup *sup, struct sup_node *node)
{
	struct segment_row *row = &node->row;

	memset(row, 0, sizeof(*row));
	row->id = node->record->id;
	row->store_id = node->record->store_id;
	row->run_granted = node->record->run_granted;
	row->run_admitted = node->record->run_recorded;
	row->dead_run = node->record->run_granted;
	row->log_rpc = segment_config(sup->segment)->log_rpc;
	row->state = SEGMENT_NODE_DOWN;
	row->timeout_seq = sup->timeout_seq;
}

/* ---- files */

static int
make_store(struct sup *sup, struct cluster_node *record, struct err_buf *err)
{
	if (sup->options->make_store == NULL) {
		return err_set(err, ERR_NOT_APPLIED, "no store can be made");
	}
	return sup->options->make_store(sup->cluster, record,
	    sup->options->dir, err);
}

static int
put_aside(struct sup *sup, uint32_t id, const char *why, struct err_buf *err)
{
	char from[PATH_MAX], to[PATH_MAX];
	struct stat info;
	uint32_t n;

	snprintf(from, sizeof(from), "%s/node-%u", sup->options->dir, id);
	if (lstat(from, &info) != 0 && errno == ENOENT) {
		return ERR_OK;
	}
	for (n = 1; n <= ASIDE_MAX; n++) {
		if (n == 1) {
			snprintf(to, sizeof(to), "%s/node-%u.%s",
			    sup->options->dir, id, why);
		} else {
			snprintf(to, sizeof(to), "%s/node-%u.%s.%u",
			    sup->options->dir, id, why, n);
		}
		if (lstat(to, &info) == 0) {
			continue;
		}
		if (rename(from, to) != 0) {
			return err_set_errno(err, "cannot rename %s", from);
		}
		return fs_sync_dir(sup->options->dir, err);
	}
	return err_set(err, ERR_EXISTS, "%d directories node-%u.%s are there",
	    ASIDE_MAX, id, why);
}

/* Somebody has its directory, whatever pids say. */
static bool
is_locked(const struct sup *sup, uint32_t id)
{
	char path[PATH_MAX];
	int fd, held;

	snprintf(path, sizeof(path), "%s/node-%u/" SUP_NODE_LOCK,
	    sup->options->dir, id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	held = fs_lock_held(fd, 0, INT64_MAX);
	close(fd);
	return held == 1;
}

static int
new_id(uint64_t *id, struct err_buf *err)
{
	do {
		if (getrandom(id, sizeof(*id), 0) != sizeof(*id)) {
			return err_set_errno(err, "no random numbers");
		}
	} while (*id == 0);
	return ERR_OK;
}
