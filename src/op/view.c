/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows say what the supervisor knows, pages what a node said last, /proc who
 * lives: with a dead supervisor a row may speak of a process that is gone.
 */
#include "op/view.h"

#include <bsd/string.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/options.h"
#include "base/process.h"
#include "client/dir.h"
#include "op/op.h"
#include "raft/raft.h"
#include "sup/proc.h"
#include "sup/sup.h"

_Static_assert((int)CLUSTER_POWER == (int)STORE_POWER, "durability");
_Static_assert((int)CLUSTER_PROCESS == (int)STORE_PROCESS, "durability");

static int open_view(struct view *, const char *, bool, struct err_buf *);
static int begin_view(struct view *, const struct op *, bool);
static int attach(struct view *, struct err_buf *);
static void look_supervisor(struct view *);
static void look_pid_file(struct view *);
static void look_lost(struct view *);
static void look_node(struct view *, struct view_node *);
static void look_store(struct view *, struct view_node *);
static void look_configuration(struct view_node *, const struct raft_boot *);
static void summarise(struct view *);
static void look_digests(struct view *);
static bool poll_mark(struct view *, const struct segment_digests *, uint32_t,
    uint64_t);
static bool select_role(const struct view *, const char *, uint32_t *);

int
view_open(struct view *view, const char *dir, bool with_stores,
    struct err_buf *err)
{
	memset(view, 0, sizeof(*view));
	return open_view(view, dir, with_stores, err);
}

static int
open_view(struct view *view, const char *dir, bool with_stores,
    struct err_buf *err)
{
	struct stat info;
	int result;

	strlcpy(view->dir, dir, sizeof(view->dir));
	if (stat(dir, &info) != 0) {
		return err_set_errno(err, "cannot look at %s", dir);
	}
	if (info.st_uid != geteuid()) {
		return err_set(err, ERR_PERMISSION,
		    "%s belongs to another user (uid %u)", dir,
		    (unsigned)info.st_uid);
	}
	result = cluster_load(&view->cluster, dir, err);
	if (result == ERR_NOT_FOUND) {
		return err_set(err, result, "%s is not a cluster's directory:"
		    " it has no " CLUSTER_FILE, dir);
	}
	if (result == ERR_OK) {
		result = segment_name(view->segment_name, dir, err);
	}
	return result == ERR_OK ? view_refresh(view, with_stores, err) :
	    result;
}

int
view_refresh(struct view *view, bool with_stores, struct err_buf *err)
{
	struct cluster_node *record;
	struct view_node *node;
	struct err_buf ignored;
	struct cluster cluster;
	uint32_t i;
	int result;

	/* The file changes while it runs, and can't be half written. */
	result = cluster_load(&cluster, view->dir, &ignored);
	if (result == ERR_OK) {
		view->cluster = cluster;
	}
	result = attach(view, err);
	if (result != ERR_OK) {
		return result;
	}
	look_supervisor(view);
	view->node_count = view->cluster.node_count;
	for (i = 0; i < view->node_count; i++) {
		record = &view->cluster.nodes[i];
		node = &view->nodes[i];
		memset(node, 0, sizeof(*node));
		node->id = record->id;
		node->slot = record->slot;
		node->run = record->run_granted;
		node->wish = record->wish;
		node->state = SEGMENT_NODE_DOWN;
		if (view->segment != NULL) {
			look_node(view, node);
		}
		if (with_stores && !node->alive && node->last_index == 0) {
			look_store(view, node);
		}
	}
	if (view->segment == NULL) {
		look_lost(view);
	}
	summarise(view);
	look_digests(view);
	return ERR_OK;
}

void
view_close(struct view *view)
{
	if (view->segment != NULL) {
		segment_detach(view->segment);
		view->segment = NULL;
	}
}

struct view_node *
view_find(struct view *view, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		if (view->nodes[i].id == id) {
			return &view->nodes[i];
		}
	}
	return NULL;
}

const char *
view_state_name(enum segment_node_state state)
{
	switch (state) {
	case SEGMENT_NODE_STARTING:
		return "starting";
	case SEGMENT_NODE_UP:
		return "up";
	case SEGMENT_NODE_HELD:
		return "held";
	case SEGMENT_NODE_PAUSED:
		return "paused";
	case SEGMENT_NODE_REFUSED:
		return "refused";
	case SEGMENT_NODE_NONE:
	case SEGMENT_NODE_DOWN:
		break;
	}
	return "down";
}

const char *
view_role_name(const struct view_node *node)
{
	if (!node->alive || node->role == 0 || node->role > RAFT_LEADER) {
		return NULL;
	}
	return node->learner ? "learner" :
	    raft_role_name((enum raft_role)node->role);
}

const char *
view_public_state(const struct view_node *node)
{
	return node->state == SEGMENT_NODE_REFUSED ? "down" :
	    view_state_name(node->state);
}

const char *
view_public_role(const struct view_node *node)
{
	return node->state == SEGMENT_NODE_UP ||
	    node->state == SEGMENT_NODE_PAUSED ? view_role_name(node) : NULL;
}

int
view_select(struct view *view, const char *text, uint32_t *ids,
    struct err_buf *err)
{
	char list[128] = "";
	uint32_t i, id, known = 0;
	int result;

	for (i = 0; i < view->node_count; i++) {
		known |= OPTIONS_ID_BIT(view->nodes[i].id);
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		    "%s%u", i == 0 ? "" : ",", view->nodes[i].id);
	}
	*ids = 0;
	if (select_role(view, text, ids)) {
		return *ids != 0 ? ERR_OK : err_set(err, ERR_NOT_APPLIED,
		    "there is no %s now", text);
	}
	if (text[0] < '0' || text[0] > '9') {
		return err_set(err, ERR_USAGE, "nodes: %.64s is none of leader,"
		    " follower, followers, all, or a list of ids",
		    text[0] == '\0' ? "nothing" : text);
	}
	result = options_ids("nodes", text, ids, err);
	if (result != ERR_OK) {
		return result;
	}
	if ((*ids & ~known) != 0) {
		id = (uint32_t)ffs((int)(*ids & ~known));
		return err_set(err, ERR_USAGE, "no node %u in this cluster:"
		    " it has %s", id, list);
	}
	return ERR_OK;
}

int
view_open_store(const struct view *view, uint32_t id, struct store **store,
    struct err_buf *err)
{
	struct store_options options = { .read_only = true,
		.durability = (enum store_durability)view->cluster.durability };
	struct store_identity expect = { .node_id = id,
		.cluster_id = view->cluster.cluster_id };
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/node-%u", view->dir, id);
	return store_open(store, path, &expect, &options, err);
}

int
view_begin(struct view *view, const struct op *op, bool must_run)
{
	memset(view, 0, sizeof(*view));
	return begin_view(view, op, must_run);
}

int
view_begin_any(struct view *view, const struct op *op)
{
	memset(view, 0, sizeof(*view));
	view->segment_optional = true;
	return begin_view(view, op, false);
}

static int
begin_view(struct view *view, const struct op *op, bool must_run)
{
	char dir[PATH_MAX];
	struct err_buf err;
	int result;

	result = op_dir(op, dir, sizeof(dir), &err);
	if (result == ERR_OK) {
		result = open_view(view, dir, !must_run, &err);
	} else if (result == ERR_NOT_FOUND) {
		return op_fail_code(dir_set_not_running(dir, &err), &err);
	}
	if (result == ERR_NOT_FOUND) {
		return op_fail(69, "%s", err.text);
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	if (must_run && !view->running) {
		view_close(view);
		return op_fail_code(dir_set_not_running(dir, &err), &err);
	}
	return 0;
}

/* ---- looking */

static int
attach(struct view *view, struct err_buf *err)
{
	int result;

	if (view->segment != NULL && segment_is_linked(view->segment)) {
		return ERR_OK;
	}
	view_close(view);
	result = segment_attach(&view->segment, view->segment_name,
	    SEGMENT_VIEWER, err);
	if (result != ERR_OK) {
		view->segment = NULL;
		return result == ERR_NOT_FOUND || result == ERR_AGAIN ||
		    view->segment_optional ? ERR_OK : result;
	}
	if (segment_config(view->segment)->cluster_id !=
	    view->cluster.cluster_id) {
		view_close(view);
		return view->segment_optional ? ERR_OK : err_set(err,
		    ERR_MISMATCH, "the shared memory %s belongs to another"
		    " cluster", view->segment_name);
	}
	return ERR_OK;
}

static void
look_supervisor(struct view *view)
{
	struct segment_supervisor supervisor;

	view->supervisor = 0;
	if (view->segment == NULL) {
		look_pid_file(view);
	} else if (segment_supervisor_read(view->segment, &supervisor) ==
	    ERR_OK && proc_is_alive(supervisor.pid, supervisor.pid_start)) {
		view->supervisor = supervisor.pid;
	}
}

/*
 * No segment: the supervisor's lock says whether there is one; the file
 * which one it is.
 */
static void
look_pid_file(struct view *view)
{
	char path[PATH_MAX + 16], *text;
	int fd, held;

	snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, view->dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	held = fd < 0 ? 0 : fs_lock_held(fd, 0, 1);
	if (fd >= 0) {
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/" SUP_PID_FILE, view->dir);
	if (held == 1 && fs_read_file(path, 64, &text, NULL, NULL) ==
	    ERR_OK) {
		view->supervisor = (int32_t)strtol(text, NULL, 10);
		free(text);
	}
}

/*
 * Nodes whose segment was removed: their locks say that they live.  Nothing
 * more is known of them.
 */
static void
look_lost(struct view *view)
{
	char path[PATH_MAX + 32];
	struct err_buf ignored;
	pid_t pid = 0;
	uint32_t i;
	int held;

	held = sup_locks_held(&view->cluster, view->dir, &ignored);
	for (i = 0; held > 0 && i < view->node_count; i++) {
		if ((held & 1 << i) == 0) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/node-%u/" SUP_NODE_LOCK,
		    view->dir, view->nodes[i].id);
		view->nodes[i].alive = true;
		view->nodes[i].state = SEGMENT_NODE_UP;
		if (proc_find_locker(path, &pid, 1) > 0) {
			view->nodes[i].pid = pid;
		}
	}
}

static void
look_node(struct view *view, struct view_node *node)
{
	struct segment_status status;
	struct segment_row row;

	if (segment_row_read(view->segment, node->slot, &row) != ERR_OK ||
	    row.id != node->id) {
		return;
	}
	node->state = (enum segment_node_state)row.state;
	node->restarts = row.restarts;
	node->wish_seq = row.wish_seq;
	node->run = row.run_granted;
	strlcpy(node->why, row.why, sizeof(node->why));
	node->alive = proc_is_alive(row.pid, row.pid_start);
	if (node->alive) {
		node->pid = row.pid;
		if (process_is_stopped(row.pid)) {
			node->state = SEGMENT_NODE_PAUSED;
		}
	} else if (node->state == SEGMENT_NODE_UP ||
	    node->state == SEGMENT_NODE_PAUSED ||
	    (node->state == SEGMENT_NODE_STARTING && row.pid != 0)) {
		node->state = SEGMENT_NODE_DOWN;
	}
	if (segment_status_read(view->segment, node->slot, &status) != ERR_OK ||
	    status.id != node->id) {
		return;
	}
	node->term = status.term;
	node->vote = status.vote;
	node->commit = status.commit;
	node->applied = status.applied;
	node->first_index = status.first_index;
	node->last_index = status.last_index;
	node->durable = status.durable;
	node->snapshot_index = status.snapshot_index;
	node->configuration_index = status.configuration_index;
	node->quorum = status.quorum;
	if (!node->alive || status.run != row.run_granted ||
	    node->state == SEGMENT_NODE_STARTING) {
		return;
	}
	node->ready = status.ready != 0;
	node->role = status.role;
	node->learner = status.learner != 0;
	node->serving = status.serving != 0 &&
	    (segment_hint(view->segment, node->slot) & 1) != 0;
	node->lease_end_ns = status.lease_end_ns;
	node->transfer_to = status.transfer_to;
	strlcpy(node->reason, status.reasons[0].text, sizeof(node->reason));
}

static void
look_store(struct view *view, struct view_node *node)
{
	struct store_log_info info;
	struct raft_boot boot;
	struct store *store;
	struct err_buf err;

	if (view_open_store(view, node->id, &store, &err) != ERR_OK) {
		if (node->why[0] == '\0') {
			strlcpy(node->why, err.text, sizeof(node->why));
		}
		return;
	}
	if (store_log_info(store, &info) == ERR_OK) {
		node->term = info.hard_state.term;
		node->vote = info.hard_state.vote;
		node->first_index = info.first_index;
		node->last_index = info.last_index;
		node->durable = info.last_index;
	}
	if (store_boot(store, &boot) == ERR_OK) {
		node->applied = boot.applied_index;
		node->commit = boot.applied_index;
		node->snapshot_index = boot.snapshot_index;
		look_configuration(node, &boot);
		store_free_boot(&boot);
	}
	store_close(store);
}

/* The last one in the store's log. */
static void
look_configuration(struct view_node *node, const struct raft_boot *boot)
{
	const struct raft_configuration *last;
	uint32_t i, voters = 0;

	if (boot->configuration_count == 0) {
		return;
	}
	last = &boot->configurations[boot->configuration_count - 1];
	for (i = 0; i < last->count; i++) {
		voters += (last->servers[i].suffrage & RAFT_VOTER) != 0;
	}
	node->configuration_index = last->index;
	node->quorum = voters / 2 + 1;
}

static void
summarise(struct view *view)
{
	uint64_t leader_term = 0, stored_term = 0, latest;
	const struct view_node *node;
	uint32_t i, ready = 0;
	bool any = false;

	view->leader = 0;
	view->term = 0;
	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		any = any || node->alive;
		if (node->term > stored_term) {
			stored_term = node->term;
		}
		if (node->alive && node->term > view->term) {
			view->term = node->term;
		}
		if (node->alive && node->role == RAFT_LEADER &&
		    node->term >= leader_term) {
			leader_term = node->term;
			view->leader = node->id;
		}
		ready += node->state == SEGMENT_NODE_UP && node->ready &&
		    !node->learner;
	}
	if (!any) {
		view->term = stored_term;
	}
	view->running = any || view->supervisor != 0;
	/* As the latest configuration that anybody has says. */
	view->quorum = view->node_count / 2 + 1;
	for (i = 0, latest = 0; i < view->node_count; i++) {
		if (view->nodes[i].configuration_index > latest) {
			latest = view->nodes[i].configuration_index;
			view->quorum = view->nodes[i].quorum;
		}
	}
	view->has_quorum = ready >= view->quorum;
}

/* True when text is one of the words; then ids may stay empty. */
static bool
select_role(const struct view *view, const char *text, uint32_t *ids)
{
	bool all = strcasecmp(text, "all") == 0;
	bool leader = strcasecmp(text, "leader") == 0;
	bool one = strcasecmp(text, "follower") == 0;
	bool many = strcasecmp(text, "followers") == 0;
	const struct view_node *node;
	uint32_t i;

	if (!all && !leader && !one && !many) {
		return false;
	}
	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if (all || (leader && node->id == view->leader) ||
		    ((one || many) && node->alive &&
		    node->role == RAFT_FOLLOWER &&
		    node->id != view->leader)) {
			*ids |= OPTIONS_ID_BIT(node->id);
			if (one) {
				break;
			}
		}
	}
	return true;
}

/* ---- digests: the latest index at which live nodes do not agree */

static void
look_digests(struct view *view)
{
	struct segment_digests pages[CLUSTER_NODES_MAX];
	uint32_t i, place;
	uint64_t index;

	view->differs_index = 0;
	view->differs = 0;
	if (view->segment == NULL) {
		return;
	}
	for (i = 0; i < view->node_count; i++) {
		if (!view->nodes[i].alive || view->nodes[i].learner ||
		    segment_digests_read(view->segment, view->nodes[i].slot,
		    &pages[i]) != ERR_OK ||
		    pages[i].id != view->nodes[i].id) {
			memset(&pages[i], 0, sizeof(pages[i]));
		}
	}
	for (i = 0; i < view->node_count; i++) {
		for (place = 0; place < SEGMENT_DIGESTS; place++) {
			index = pages[i].marks[place].index;
			if (index > view->differs_index &&
			    poll_mark(view, pages, place, index)) {
				view->differs_index = index;
			}
		}
	}
}

/* True when they differ at this index; then `differs` is set. */
static bool
poll_mark(struct view *view, const struct segment_digests *pages,
    uint32_t place, uint64_t index)
{
	uint32_t i, k, same, all = 0, others = 0;
	bool differ = false, majority = false;

	for (i = 0; i < view->node_count; i++) {
		if (pages[i].marks[place].index != index) {
			continue;
		}
		all |= OPTIONS_ID_BIT(view->nodes[i].id);
		for (k = same = 0; k < view->node_count; k++) {
			if (pages[k].marks[place].index == index) {
				same += pages[k].marks[place].digest ==
				    pages[i].marks[place].digest;
				differ = differ ||
				    pages[k].marks[place].digest !=
				    pages[i].marks[place].digest;
			}
		}
		majority = majority || same >= view->quorum;
		others |= same >= view->quorum ? 0 :
		    OPTIONS_ID_BIT(view->nodes[i].id);
	}
	if (differ) {
		view->differs = majority ? others : all;
	}
	return differ;
}
