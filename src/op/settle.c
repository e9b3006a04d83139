/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup start, second part: options against what is remembered or runs,
 * and the wait for a leader.
 */
#include <bsd/string.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "op/export.h"
#include "op/op.h"
#include "op/start.h"
#include "sup/control.h"
#include "sup/proc.h"

#define LOOK_NS		(2 * CLOCK_NS_PER_MS)
#define REST_NS		(500 * CLOCK_NS_PER_MS)
#define SILENT_NS	(2 * CLOCK_NS_PER_S)
#define SHOW_EVERY_NS	(100 * CLOCK_NS_PER_MS)

static int check_left_processes(const struct start *, struct err_buf *);
static void add_difference(char *, size_t, bool, const char *);
static int tell(struct start *, const struct view *, bool, uint64_t);
static uint64_t wait_limit(const struct start *);
static bool has_leader(struct view *);
static uint32_t can_run_count(const struct view *);
static int ask_supervisor(const struct start *, struct view *);
static bool is_any_starting(const struct view *);
static void print_nodes(const struct view *);
static int print_json(struct start *, const struct view *);
static void print_trouble(const struct view *);

int
start_check_same(const struct start *start, struct err_buf *err)
{
	const struct cluster_settings *asked = &start->asked;
	const struct cluster *cluster = &start->cluster;
	struct cluster wanted = *cluster;
	struct segment_config runs, would;
	char list[200] = "";

	cluster_segment_config(cluster, &runs);
	wanted.settings = *asked;
	cluster_segment_config(&wanted, &would);
	add_difference(list, sizeof(list), (start->given & START_NODES) != 0 &&
	    start->node_count != cluster->node_count, "-n");
	add_difference(list, sizeof(list),
	    (start->given & START_DURABILITY) != 0 &&
	    start->durability != cluster->durability, "--durability");
	add_difference(list, sizeof(list),
	    (start->given & START_ELECTION) != 0 &&
	    (would.election_min_ns != runs.election_min_ns ||
	    would.election_max_ns != runs.election_max_ns),
	    "--election-timeout");
	add_difference(list, sizeof(list),
	    (start->given & START_HEARTBEAT) != 0 &&
	    would.heartbeat_ns != runs.heartbeat_ns, "--heartbeat");
	add_difference(list, sizeof(list), (start->given & START_LEASE) != 0 &&
	    would.lease_ns != runs.lease_ns, "--lease");
	add_difference(list, sizeof(list), (start->given & START_LOG) != 0 &&
	    would.log_rpc != runs.log_rpc, "--log");
	add_difference(list, sizeof(list),
	    (start->given & START_NO_RESTART) != 0 &&
	    !cluster->settings.no_restart, "--no-restart");
	add_difference(list, sizeof(list),
	    (start->given & START_NO_DEATH_HINT) != 0 && runs.death_hint,
	    "--no-death-hint");
	add_difference(list, sizeof(list),
	    (start->given & START_CLIENTS) != 0 &&
	    would.client_count != runs.client_count, "--clients");
	add_difference(list, sizeof(list), (start->given & START_SEED) != 0 &&
	    would.seed != runs.seed, "--seed");
	if (list[0] == '\0') {
		return ERR_OK;
	}
	return err_set(err, ERR_USAGE, "the cluster is running with another"
	    " %s; nothing was changed (raftsup stop first)", list);
}

static void
add_difference(char *list, size_t size, bool differs, const char *name)
{
	if (differs) {
		strlcat(list, list[0] == '\0' ? "" : ", ", size);
		strlcat(list, name, size);
	}
}

int
start_check_former(struct start *start, struct err_buf *err)
{
	struct cluster *cluster = &start->cluster;
	char boot_id[FS_BOOT_ID_SIZE];
	int result;

	if (!start->is_new && start->node_count != 0 &&
	    start->node_count != cluster->node_count) {
		return err_set(err, ERR_USAGE, "-n %u: the cluster in %s has"
		    " %u nodes; raftsup add and raftsup remove change"
		    " that",
		    start->node_count, start->dir, cluster->node_count);
	}
	result = check_left_processes(start, err);
	if (result == ERR_OK) {
		result = fs_boot_id(boot_id, err);
	}
	if (result != ERR_OK || cluster->clean ||
	    cluster->durability != CLUSTER_PROCESS ||
	    strcmp(boot_id, cluster->boot_id) == 0) {
		return result;
	}
	if (!start->accept_loss) {
		return err_set(err, ERR_NOT_APPLIED, "the machine restarted"
		    " while this cluster ran in process durability: what was"
		    " acknowledged in its last seconds may be lost; restore a"
		    " backup, or raftsup start --accept-loss");
	}
	cluster->losses_accepted++;
	fprintf(stderr, "raftsup: starting in spite of a restart of the"
	    " machine: what was acknowledged in its last seconds may be lost"
	    " (recorded in " CLUSTER_FILE ")\n");
	return ERR_OK;
}

int
start_check_copy(struct start *start, struct err_buf *err)
{
	struct fs_identity recorded = start->cluster.directory;
	struct fs_identity stores[CLUSTER_NODES_MAX];
	struct cluster *cluster = &start->cluster;
	char path[PATH_MAX + 32];
	uint32_t i;
	int result;

	result = fs_identity_read(start->dir, &cluster->directory, err);
	if (result != ERR_OK || start->is_new || !cluster->clean ||
	    recorded.inode == 0 ||
	    fs_identity_equal(&recorded, &cluster->directory)) {
		return result;
	}
	for (i = 0; i < cluster->node_count; i++) {
		snprintf(path, sizeof(path), "%s/node-%u/store", start->dir,
		    cluster->nodes[i].id);
		if (fs_identity_read(path, &stores[i], err) != ERR_OK ||
		    fs_identity_equal(&stores[i], &cluster->nodes[i].store)) {
			return ERR_OK;
		}
	}
	for (i = 0; i < cluster->node_count; i++) {
		cluster->nodes[i].store = stores[i];
	}
	fprintf(stderr, "raftsup: %s is a copy of another directory: it goes"
	    " on from there by itself\n", start->dir);
	return ERR_OK;
}

/*
 * No node holds a lock in this directory, and still there may be a segment
 * of its name with living processes: their directory was removed under them.
 */
static int
check_left_processes(const struct start *start, struct err_buf *err)
{
	char name[SEGMENT_NAME_SIZE], list[120] = "";
	struct segment_supervisor supervisor;
	struct segment *segment;
	struct segment_row row;
	struct err_buf ignored;
	uint32_t slot;
	int result;

	result = segment_name(name, start->dir, err);
	if (result != ERR_OK || segment_attach(&segment, name, SEGMENT_VIEWER,
	    &ignored) != ERR_OK) {
		return result;	/* nothing there, or nothing of use */
	}
	if (segment_supervisor_read(segment, &supervisor) == ERR_OK &&
	    proc_is_alive(supervisor.pid, supervisor.pid_start)) {
		snprintf(list, sizeof(list), " %d", supervisor.pid);
	}
	for (slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (segment_row_read(segment, slot, &row) == ERR_OK &&
		    row.id != 0 && proc_is_alive(row.pid, row.pid_start)) {
			snprintf(list + strlen(list),
			    sizeof(list) - strlen(list), " %d", row.pid);
		}
	}
	segment_detach(segment);
	if (list[0] == '\0') {
		return ERR_OK;
	}
	return err_set(err, ERR_NOT_APPLIED, "processes of a cluster whose"
	    " directory was removed still run: kill -9%s", list);
}

int
start_check_alone(const char *dir)
{
	char text[CONTROL_REPLY_SIZE];
	struct err_buf ignored;
	struct view view;
	int status = 0;

	if (view_open(&view, dir, false, &ignored) != ERR_OK) {
		return 0;	/* nothing there, or prepare() says it */
	}
	if (view.supervisor != 0 && control_ask(dir, "ping", CLOCK_NS_PER_S,
	    text, sizeof(text), &ignored) == 0) {
		status = op_fail(69, "the supervisor (pid %d) runs, but its"
		    " lock file was removed (raftsup stop, then start)",
		    view.supervisor);
	}
	view_close(&view);
	return status;
}

int
start_apply(struct start *start, struct err_buf *err)
{
	struct cluster_settings *settings = &start->cluster.settings;
	const struct cluster_settings *asked = &start->asked;

	if ((start->given & START_DURABILITY) != 0) {
		start->cluster.durability = start->durability;
	}
	if ((start->given & START_ELECTION) != 0) {
		settings->election_min_ns = asked->election_min_ns;
		settings->election_max_ns = asked->election_max_ns;
	}
	if ((start->given & START_HEARTBEAT) != 0) {
		settings->heartbeat_ns = asked->heartbeat_ns;
	}
	if ((start->given & START_LEASE) != 0) {
		settings->lease_ns = asked->lease_ns;
		settings->no_lease = asked->no_lease;
	}
	if ((start->given & START_LOG) != 0) {
		settings->log_level = asked->log_level;
	}
	if ((start->given & START_CLIENTS) != 0) {
		settings->client_count = asked->client_count;
	}
	if ((start->given & START_SEED) != 0) {
		settings->seed = asked->seed;
	}
	settings->no_restart = asked->no_restart;
	settings->no_death_hint = asked->no_death_hint;
	return cluster_check_settings(settings, err);
}

void
start_print_promise(const struct start *start)
{
	uint32_t count = start->cluster.node_count;
	uint32_t tolerated = (count - 1) / 2;
	char a[OPTIONS_TIME_TEXT_SIZE], b[OPTIONS_TIME_TEXT_SIZE];
	struct segment_config config;

	if (start->json) {
		return;
	}
	printf("%s: %u node%s: tolerates %u failure%s, %s durability\n",
	    start->dir, count, count == 1 ? "" : "s", tolerated,
	    tolerated == 1 ? "" : "s",
	    cluster_durability_name(start->cluster.durability));
	if (tolerated == 0) {
		printf("fewer than 3 nodes tolerate no failure\n");
	}
	cluster_segment_config(&start->cluster, &config);
	if (config.lease_ns > config.election_max_ns) {
		printf("the lease (%s) is longer than the election timeout"
		    " (%s): after a leader is lost, voters withhold votes\n"
		    "until the lease that they acknowledged ends, unless its"
		    " death is confirmed\n",
		    options_format_time(config.lease_ns, a),
		    options_format_time(config.election_max_ns, b));
	}
	fflush(stdout);
}

/* ---- the wait */

/* It is of use without a leader, too. */
static bool
begin_export(const struct start *start, const struct view *view)
{
	struct err_buf err;

	if (start->export_dir[0] != '\0' && export_begin(view->dir,
	    start->export_dir, &err) != ERR_OK) {
		op_fail(74, "%s", err.text);
		return false;
	}
	return true;
}

int
start_await_leader(struct start *start, struct view *view)
{
	uint64_t begin_ns = clock_now_ns(), shown_ns = begin_ns, now_ns;
	uint64_t limit_ns = wait_limit(start);
	struct timespec pause = clock_timespec(LOOK_NS);
	bool show = isatty(STDERR_FILENO) != 0, done;
	struct err_buf err;
	uint64_t leader_ns = 0;
	uint32_t up, i;

	if (!begin_export(start, view)) {
		return 74;
	}
	for (;;) {
		if (view_refresh(view, false, &err) != ERR_OK) {
			return op_fail(74, "%s", err.text);
		}
		done = has_leader(view);
		now_ns = clock_now_ns();
		if (done && leader_ns == 0) {
			leader_ns = now_ns;
		}
		/* The others have a moment to get ready, for the answer. */
		if ((done && (!is_any_starting(view) ||
		    now_ns - leader_ns >= REST_NS)) ||
		    now_ns - begin_ns >= limit_ns ||
		    view->supervisor == 0 ||
		    can_run_count(view) < view->quorum) {
			break;
		}
		if (show && now_ns - shown_ns >= SHOW_EVERY_NS) {
			for (i = up = 0; i < view->node_count; i++) {
				up += view->nodes[i].ready;
			}
			fprintf(stderr, "\rwaiting for a leader: %u of %u"
			    " nodes ready, %.1f s ", up, view->node_count,
			    (double)(now_ns - begin_ns) / 1e9);
			shown_ns = now_ns;
		}
		nanosleep(&pause, NULL);
	}
	if (shown_ns != begin_ns) {
		fprintf(stderr, "\r%60s\r", "");
	}
	if (start->joins) {
		int status = ask_supervisor(start, view);

		if (status != 0) {
			return status;
		}
	}
	return tell(start, view, done, limit_ns);
}

/* What came of the wait; the exit status. */
static int
tell(struct start *start, const struct view *view, bool done,
    uint64_t limit_ns)
{
	char text[OPTIONS_TIME_TEXT_SIZE];
	int status = start->json ? print_json(start, view) : 0;

	if (done && !start->json) {
		printf("leader %u, term %" PRIu64 "\n", view->leader,
		    view->term);
		print_nodes(view);
	}
	if (done || status != 0) {
		return status;
	}
	print_trouble(view);
	if (view->supervisor == 0) {
		return op_fail(69, "the supervisor has ended: see"
		    " %s/raftsup.log", view->dir);
	}
	if (can_run_count(view) < view->quorum) {
		return op_fail(69, "no leader is possible: %u of %u nodes can"
		    " run, %u are needed", can_run_count(view),
		    view->node_count, view->quorum);
	}
	return op_fail(69, "no leader within %s; the nodes are left running",
	    options_format_time(limit_ns, text));
}

static uint64_t
wait_limit(const struct start *start)
{
	struct segment_config config;

	if (start->wait_given) {
		return start->wait_ns;
	}
	cluster_segment_config(&start->cluster, &config);
	return 3 * config.election_max_ns + 10 * CLOCK_NS_PER_S;
}

static bool
has_leader(struct view *view)
{
	const struct view_node *leader = view_find(view, view->leader);

	return leader != NULL && leader->serving && view->has_quorum;
}

static uint32_t
can_run_count(const struct view *view)
{
	uint32_t i, count = 0;

	for (i = 0; i < view->node_count; i++) {
		count += view->nodes[i].state != SEGMENT_NODE_REFUSED &&
		    view->nodes[i].state != SEGMENT_NODE_HELD;
	}
	return count;
}

/*
 * A process that was killed an instant ago still looks alive; only one that
 * lives can answer.  0, START_AGAIN, or the exit status.
 */
static int
ask_supervisor(const struct start *start, struct view *view)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t end_ns = clock_now_ns() + SILENT_NS;
	char text[CONTROL_REPLY_SIZE];
	struct err_buf ignored;
	int answer;

	do {
		if (view->supervisor == 0) {
			return START_AGAIN;
		}
		answer = control_ask(view->dir, "ping", 5 * CLOCK_NS_PER_S,
		    text, sizeof(text), &ignored);
		if (answer == ERR_MAYBE) {
			return op_fail(69, "the supervisor (pid %d) does not"
			    " answer", view->supervisor);
		}
		if (answer == 0 && start->json) {
			return 0;
		}
		if (answer == 0) {
			printf("already running in %s (supervisor %d)\n",
			    view->dir, view->supervisor);
			return 0;
		}
		nanosleep(&pause, NULL);
	} while (view_refresh(view, false, &ignored) == ERR_OK &&
	    clock_now_ns() < end_ns);
	return view->supervisor == 0 ? START_AGAIN : op_fail(69,
	    "the supervisor (pid %d) cannot be reached: its control socket"
	    " was removed (raftsup stop, then start)", view->supervisor);
}

static bool
is_any_starting(const struct view *view)
{
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		if (view->nodes[i].state == SEGMENT_NODE_STARTING) {
			return true;
		}
	}
	return false;
}

static void
print_nodes(const struct view *view)
{
	const struct view_node *node;
	const char *role;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		role = view_role_name(node);
		printf("node %u  pid %-7d %s%s%s\n", node->id, node->pid,
		    role != NULL ? role : view_state_name(node->state),
		    node->state == SEGMENT_NODE_REFUSED ? ": " : "",
		    node->state == SEGMENT_NODE_REFUSED ? node->why : "");
	}
}

static int
print_json(struct start *start, const struct view *view)
{
	json_t *root, *nodes = json_array();
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		json_array_append_new(nodes, json_pack("{s:I, s:I, s:s, s:s?}",
		    "id", (json_int_t)node->id, "pid", (json_int_t)node->pid,
		    "state", view_public_state(node),
		    "role", view_public_role(node)));
	}
	root = json_pack("{s:o, s:I, s:I, s:I, s:o}",
	    "dir", op_json_text(view->dir),
	    "supervisor", (json_int_t)view->supervisor,
	    "leader", (json_int_t)view->leader,
	    "term", (json_int_t)view->term, "nodes", nodes);
	if (start->forced != NULL) {
		json_object_set_new(root, "new_cluster", start->forced);
		start->forced = NULL;
	}
	return op_print_json(root);
}

static void
print_trouble(const struct view *view)
{
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if (node->state == SEGMENT_NODE_UP) {
			continue;
		}
		op_fail(0, "node %u is %s%s%s", node->id,
		    view_state_name(node->state),
		    node->why[0] == '\0' ? "" : ": ", node->why);
	}
}
