/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to the cluster.  A round is some faults one after another,
 * with short times between them, then everything is mended and must work
 * again within two minutes.  Which faults, of which nodes, how strong and when
 * is drawn from the seed; what "the leader" is, and how far an order has got,
 * is up to the processes.
 *
 * kill -9 is given by this process to the node's, as any terminal could.
 * Everything else is an order of raftsup.  Orders that wait for the cluster
 * (members, transfer, snapshot) go on beside the faults that follow.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/options.h"
#include "lab/torture.h"

#define BIT(id)		OPTIONS_ID_BIT(id)
#define NODES_MORE	2u		/* than at the beginning, at most */
#define NODES_LEAST	3u
#define HEAL_TIME_NS	(120 * CLOCK_NS_PER_S)
#define LINKS_SIZE	400
#define ROUNDS_KEPT	32

const char *const torture_fault_names[TORTURE_FAULTS] = {
	[TORTURE_KILL] = "kill", [TORTURE_PAUSE] = "pause",
	[TORTURE_PARTITION] = "partition", [TORTURE_NET] = "net",
	[TORTURE_DISK] = "disk", [TORTURE_SUPERVISOR] = "supervisor",
	[TORTURE_TRANSFER] = "transfer", [TORTURE_MEMBER] = "member",
	[TORTURE_SNAPSHOT] = "snapshot",
};

static bool	do_kill(struct torture_faults *);
static bool	do_pause(struct torture_faults *);
static bool	do_partition(struct torture_faults *);
static bool	do_net(struct torture_faults *);
static bool	do_disk(struct torture_faults *);
static bool	do_supervisor(struct torture_faults *);
static bool	do_transfer(struct torture_faults *);
static bool	do_member(struct torture_faults *);
static bool	do_snapshot(struct torture_faults *);
static void	mend(struct torture_faults *);
static bool	is_mended(struct torture_faults *);
static void	remove_former_stores(struct torture_faults *);

/* false: not now, or it was refused. */
static const struct {
	bool (*run)(struct torture_faults *);
	uint32_t weight;
} actions[TORTURE_FAULTS] = {
	[TORTURE_KILL] = { do_kill, 12 },
	[TORTURE_PAUSE] = { do_pause, 4 },
	[TORTURE_PARTITION] = { do_partition, 4 },
	[TORTURE_NET] = { do_net, 5 },
	[TORTURE_DISK] = { do_disk, 3 },
	[TORTURE_SUPERVISOR] = { do_supervisor, 1 },
	[TORTURE_TRANSFER] = { do_transfer, 2 },
	[TORTURE_MEMBER] = { do_member, 2 },
	[TORTURE_SNAPSHOT] = { do_snapshot, 2 },
};

void
torture_faults_init(struct torture_faults *faults, struct lab *lab,
    struct torture *torture, struct gaps *gaps)
{
	memset(faults, 0, sizeof(*faults));
	faults->lab = lab;
	faults->torture = torture;
	faults->gaps = gaps;
	prng_init(&faults->prng, torture->seed);
}

static uint32_t
below(struct torture_faults *faults, uint32_t bound)
{
	return (uint32_t)prng_below(&faults->prng, bound);
}

static void
rest(uint64_t ns)
{
	struct timespec pause = clock_timespec(ns);

	while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
	}
}

/* Tells it to the gaps and to the round's line. */
static void PRINTF_LIKE(4, 5)
tell(struct torture_faults *faults, enum torture_fault kind, bool goes_on,
    const char *fmt, ...)
{
	char text[104];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	gaps_fault(faults->gaps, kind, goes_on, text);
	if (faults->done[0] != '\0') {
		strlcat(faults->done, "; ", sizeof(faults->done));
	}
	strlcat(faults->done, text, sizeof(faults->done));
}

void
torture_faults_round(struct torture_faults *faults)
{
	uint32_t count, sum = 0, choice, i;

	faults->done[0] = '\0';
	faults->former_disks = faults->disks;
	faults->disks = 0;
	for (i = 0; i < TORTURE_FAULTS; i++) {
		sum += (faults->torture->faults & 1u << i) != 0 ?
		    actions[i].weight : 0;
	}
	count = 2 + below(faults, 6);
	while (sum > 0 && count-- > 0) {
		choice = below(faults, sum);
		for (i = 0;; i++) {
			if ((faults->torture->faults & 1u << i) == 0) {
				continue;
			}
			if (choice < actions[i].weight) {
				break;
			}
			choice -= actions[i].weight;
		}
		lab_look(faults->lab);
		faults->torture->report->faults[i] += actions[i].run(faults);
		/* Often the next one comes before this one is dealt with. */
		rest(below(faults, 3) == 0 ? below(faults, 20) *
		    CLOCK_NS_PER_MS : below(faults, 500) * CLOCK_NS_PER_MS);
	}
	rest(below(faults, 400) * CLOCK_NS_PER_MS);
	faults->torture->report->rounds++;
}

/* ------------------------------------------------------------------ choices */

/* Some of these. */
static uint32_t
some_of(struct torture_faults *faults, uint32_t ids, uint32_t count)
{
	uint32_t chosen = 0, id;

	while (count > 0 && (ids & ~chosen) != 0) {
		id = 1 + below(faults, OPTIONS_ID_MAX);
		if ((ids & ~chosen & BIT(id)) != 0) {
			chosen |= BIT(id);
			count--;
		}
	}
	return chosen;
}

static uint32_t
any(struct torture_faults *faults)
{
	return some_of(faults, lab_all(faults->lab), 1);
}

/* The leader, if there is one, else any. */
static uint32_t
leader_or_any(struct torture_faults *faults)
{
	return faults->lab->view.leader != 0 ?
	    BIT(faults->lab->view.leader) : any(faults);
}

/* One mostly; the leader; a few. */
static uint32_t
victims(struct torture_faults *faults)
{
	uint32_t count = faults->lab->view.node_count;

	switch (below(faults, 8)) {
	case 0:
	case 1:
	case 2:
		return leader_or_any(faults);
	case 3:
		return some_of(faults, lab_all(faults->lab), count / 2);
	case 4:
		return some_of(faults, lab_all(faults->lab), count / 2 + 1);
	default:
		return any(faults);
	}
}

/* ------------------------------------------------------------------- faults */

static bool
do_kill(struct torture_faults *faults)
{
	struct torture_report *report = faults->torture->report;
	bool all = below(faults, 10) == 0, hold;
	uint32_t ids, i, killed = 0, leaders = 0;
	const struct view_node *node;

	ids = all ? lab_all(faults->lab) : victims(faults);
	/* Now and then somebody stays away. */
	hold = below(faults, 5) == 0;
	tell(faults, TORTURE_KILL, hold, "kill %s%s", hold ? "--hold " : "",
	    lab_ids(ids));
	for (i = 0; i < faults->lab->view.node_count; i++) {
		node = &faults->lab->view.nodes[i];
		if ((ids & BIT(node->id)) != 0 && node->pid > 0 && (hold ||
		    kill(node->pid, SIGKILL) == 0)) {
			killed++;
			leaders += node->id == faults->lab->view.leader;
		}
	}
	/* Then it is the supervisor who kills. */
	if (hold && lab_ask(faults->lab, "kill", lab_ids(ids), "--hold",
	    NULL) != 0) {
		return false;
	}
	report->all_kills += all;
	report->leader_kills += leaders;
	report->kills += killed;
	return killed > 0;
}

static bool
do_pause(struct torture_faults *faults)
{
	uint32_t ids = victims(faults);

	tell(faults, TORTURE_PAUSE, true, "pause %s", lab_ids(ids));
	return lab_ask(faults->lab, "pause", lab_ids(ids), NULL) == 0;
}

/* LINKS of one way are single: FROM:TO, with commas between them. */
static void
one_way(uint32_t from, uint32_t to, char *links, size_t size)
{
	uint32_t a, b;

	links[0] = '\0';
	for (a = 1; a <= OPTIONS_ID_MAX; a++) {
		for (b = 1; b <= OPTIONS_ID_MAX; b++) {
			if (a != b && (from & BIT(a)) != 0 &&
			    (to & BIT(b)) != 0) {
				snprintf(links + strlen(links),
				    size - strlen(links), "%s%u:%u",
				    links[0] == '\0' ? "" : ",", a, b);
			}
		}
	}
}

/* Cuts what one group hears, or says, or both: the leader's, mostly. */
static bool
do_partition(struct torture_faults *faults)
{
	uint32_t all = lab_all(faults->lab), count, group, way;
	char links[LINKS_SIZE];

	count = faults->lab->view.node_count;
	group = leader_or_any(faults);
	if (count > 2 && below(faults, 2) == 0) {
		group |= some_of(faults, all, count / 2 - 1);
	}
	way = below(faults, 4);
	if ((all & ~group) == 0) {
		return false;
	}
	faults->links = true;
	if (way < 2) {
		one_way(way == 0 ? group : all & ~group,
		    way == 0 ? all & ~group : group, links, sizeof(links));
		tell(faults, TORTURE_PARTITION, true, "%s %s nobody",
		    lab_ids(group), way == 0 ? "reaches" : "hears");
		return lab_ask(faults->lab, "net", links, "--cut", NULL) == 0;
	}
	snprintf(links, sizeof(links), "%s/%s", lab_ids(group),
	    lab_ids(all & ~group));
	tell(faults, TORTURE_PARTITION, true, "partition %s", links);
	return lab_ask(faults->lab, "partition", links, NULL) == 0;
}

static bool
do_net(struct torture_faults *faults)
{
	char links[LINKS_SIZE], loss[16], dup[16], reorder[16], delay[32];
	char seed[16];
	uint32_t all = lab_all(faults->lab), shape = below(faults, 4);
	uint32_t delay_ms = below(faults, 3) == 0 ? below(faults, 100) : 0;
	int status;

	if (shape == 0) {
		snprintf(links, sizeof(links), "all");
	} else {
		one_way(some_of(faults, all, shape), some_of(faults, all,
		    shape), links, sizeof(links));
	}
	if (links[0] == '\0') {
		return false;
	}
	faults->links = true;
	if (shape != 0 && below(faults, 3) == 0) {
		tell(faults, TORTURE_NET, true, "net %s --cut", links);
		return lab_ask(faults->lab, "net", links, "--cut", NULL) == 0;
	}
	snprintf(loss, sizeof(loss), "%u%%", below(faults, 30));
	snprintf(dup, sizeof(dup), "%u%%", below(faults, 30));
	snprintf(reorder, sizeof(reorder), "%u%%", below(faults, 30));
	snprintf(delay, sizeof(delay), "%u-%ums", delay_ms / 4, delay_ms);
	snprintf(seed, sizeof(seed), "%u", 1 + below(faults, 1000000));
	tell(faults, TORTURE_NET, true, "net %s loss %s dup %s reorder %s "
	    "delay %s", links, loss, dup, reorder, delay);
	status = lab_ask(faults->lab, "net", links, "--loss", loss, "--dup",
	    dup, "--reorder", reorder, "--delay", delay, "--seed", seed,
	    NULL);
	return status == 0;
}

static bool
do_disk(struct torture_faults *faults)
{
	static const char *const ways[] = { "full", "append", "sync" };
	uint32_t ids, way = below(faults, 4);
	char delay[16];
	int status;

	/* Who fails stops: if a majority of the disks does, all do. */
	ids = way < 2 ? victims(faults) : any(faults);
	if (way > 1 && (faults->disks & ~ids) != 0) {
		return false;
	}
	if (way == 0) {
		snprintf(delay, sizeof(delay), "%ums", 1 + below(faults,
		    150));
		tell(faults, TORTURE_DISK, true, "disk %s --delay %s",
		    lab_ids(ids), delay);
		status = lab_ask(faults->lab, "disk", lab_ids(ids),
		    "--delay", delay, NULL);
	} else {
		tell(faults, TORTURE_DISK, true, "disk %s --fail %s",
		    lab_ids(ids), ways[way - 1]);
		status = lab_ask(faults->lab, "disk", lab_ids(ids),
		    "--fail", ways[way - 1], NULL);
	}
	faults->disks |= ids;
	return status == 0;
}

static bool
do_supervisor(struct torture_faults *faults)
{
	int32_t pid = faults->lab->view.supervisor;

	if (pid <= 0) {
		return false;
	}
	tell(faults, TORTURE_SUPERVISOR, true, "kill the supervisor");
	faults->orphaned = true;
	faults->torture->report->kills++;
	return kill(pid, SIGKILL) == 0;
}

/* --------------------------------------------------- what the cluster does */

/* An order that goes on by itself; one at a time. */
static bool
later(struct torture_faults *faults, enum torture_fault kind, const char *word,
    uint32_t ids, const char *limit)
{
	if (faults->later != 0) {
		return false;
	}
	tell(faults, kind, true, "%s %s", word, lab_ids(ids));
	faults->later = lab_ask_later(faults->lab, word, lab_ids(ids), "-t",
	    limit, NULL);
	faults->later_ids = ids;
	return true;
}

static bool
do_transfer(struct torture_faults *faults)
{
	uint32_t id = any(faults);

	if (below(faults, 3) == 0) {
		tell(faults, TORTURE_TRANSFER, false, "timeout %s",
		    lab_ids(id));
		return lab_ask(faults->lab, "timeout", lab_ids(id), NULL) ==
		    0;
	}
	return later(faults, TORTURE_TRANSFER, "transfer", id, "3s");
}

static bool
do_snapshot(struct torture_faults *faults)
{
	return later(faults, TORTURE_SNAPSHOT, "snapshot",
	    below(faults, 2) == 0 ? lab_all(faults->lab) : any(faults), "5s");
}

static bool
do_member(struct torture_faults *faults)
{
	uint32_t all = lab_all(faults->lab), id;
	uint32_t count = faults->lab->view.node_count;

	if (faults->later != 0 || faults->orphaned) {
		return false;
	}
	switch (below(faults, 3)) {
	case 0:
		if (count >= faults->torture->nodes + NODES_MORE ||
		    count >= CLUSTER_VOTERS_MAX) {
			return false;
		}
		do {
			id = 1 + below(faults, 12);
		} while ((all & BIT(id)) != 0);
		return later(faults, TORTURE_MEMBER, "add", BIT(id), "10s");
	case 1:
		id = below(faults, 3) == 0 ? leader_or_any(faults) :
		    any(faults);
		return count > NODES_LEAST && later(faults, TORTURE_MEMBER,
		    "remove", id, "10s");
	default:
		/* Its store is lost. */
		id = any(faults);
		if (count < NODES_LEAST || lab_ask(faults->lab, "kill",
		    lab_ids(id), "--hold", NULL) != 0) {
			return false;
		}
		faults->torture->report->kills++;
		return later(faults, TORTURE_MEMBER, "refill", id, "10s");
	}
}

/* ------------------------------------------------------------------ mending */

void
torture_faults_heal(struct torture_faults *faults)
{
	uint64_t end_ns = clock_now_ns() + HEAL_TIME_NS;

	while (clock_now_ns() < end_ns) {
		lab_look(faults->lab);
		if (is_mended(faults)) {
			gaps_healed(faults->gaps);
			lab_await_up(faults->lab, lab_all(faults->lab));
			(void)lab_leader(faults->lab);
			remove_former_stores(faults);
			return;
		}
		mend(faults);
		rest(100 * CLOCK_NS_PER_MS);
	}
	lab_fail(faults->lab, "two minutes after the last fault not all is "
	    "mended");
}

/* Those in that state. */
static uint32_t
in_state(struct torture_faults *faults, enum segment_node_state state)
{
	const struct view *view = &faults->lab->view;
	uint32_t i, ids = 0;

	for (i = 0; i < view->node_count; i++) {
		if (view->nodes[i].state == state) {
			ids |= BIT(view->nodes[i].id);
		}
	}
	return ids;
}

/* A node that stopped, and no disk of its own was made to fail. */
static void
check_refused(struct torture_faults *faults)
{
	const struct view *view = &faults->lab->view;
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if (node->state == SEGMENT_NODE_REFUSED && ((faults->disks |
		    faults->former_disks | faults->later_ids) &
		    BIT(node->id)) == 0) {
			lab_fail(faults->lab, "node %u stopped by itself: %s",
			    node->id, node->why);
		}
	}
}

/* What does not succeed is tried again. */
static void
attempt(int status UNUSED)
{
}

static void
mend(struct torture_faults *faults)
{
	struct lab *lab = faults->lab;
	uint32_t ids;

	/* Without a leader in time it has started all the same. */
	if (lab->view.supervisor == 0) {
		attempt(lab_ask(lab, "start", "--wait", "0", NULL));
		lab_look(lab);
	}
	faults->orphaned = lab->view.supervisor == 0;
	ids = in_state(faults, SEGMENT_NODE_PAUSED);
	if (ids != 0) {
		attempt(lab_ask(lab, "resume", lab_ids(ids), NULL));
	}
	if (faults->links && lab_ask(lab, "heal", NULL) == 0) {
		faults->links = false;
	}
	if (faults->disks != 0 && lab_ask(lab, "disk", "all", "--heal",
	    NULL) == 0) {
		faults->former_disks |= faults->disks;
		faults->disks = 0;
	}
	check_refused(faults);
	if (faults->later != 0 && lab_answer(lab, faults->later) != -1) {
		faults->later = 0;
	}
	/* A node that is being refilled is not ours to start. */
	ids = in_state(faults, SEGMENT_NODE_HELD) |
	    in_state(faults, SEGMENT_NODE_REFUSED);
	ids &= faults->later != 0 ? ~faults->later_ids : UINT32_MAX;
	if (ids != 0 && faults->disks == 0) {
		attempt(lab_ask(lab, "start", lab_ids(ids), NULL));
	}
}

static bool
is_mended(struct torture_faults *faults)
{
	return !faults->orphaned && faults->lab->view.supervisor != 0 &&
	    !faults->links && faults->disks == 0 && faults->later == 0 &&
	    in_state(faults, SEGMENT_NODE_UP) == lab_all(faults->lab);
}

/*
 * What was removed or refilled leaves a directory each time, and a long
 * torture would fill the disk.  Those of the last rounds are evidence; of a
 * cluster of somebody else's all are.
 */
static void
remove_former_stores(struct torture_faults *faults)
{
	char path[PATH_MAX + NAME_MAX + 2];
	const struct dirent *entry;
	struct err_buf err;
	DIR *dir;

	if (faults->torture->attach ||
	    faults->torture->report->rounds % ROUNDS_KEPT != 0) {
		return;
	}
	dir = opendir(faults->lab->dir);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, "node-", 5) != 0 ||
		    (strstr(entry->d_name, ".removed") == NULL &&
		    strstr(entry->d_name, ".damaged") == NULL)) {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", faults->lab->dir,
		    entry->d_name);
		if (fs_remove_tree(path, &err) != ERR_OK) {
			lab_fail(faults->lab, "%s", err.text);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}
