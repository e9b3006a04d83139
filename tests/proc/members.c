/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Members, leadership and snapshots change under load, while a node is killed
 * every second: 3 nodes become 7 and 3 again, one at a time; at each size the
 * leadership is handed over and logs are cut.
 *
 *	members [-t TRANSFERS] [-p SNAPSHOTS] [-i KILL_INTERVAL_MS]
 *	    [-r REST_MS] [-c WRITERS] [-s SEED] [-D power|process]
 *
 * Between two commands is a rest, so that kills meet all of it.  A command
 * that a death has cut short is given again; what counts is what was said to
 * be done.  At the end every answer that a client got must be explained
 * (history.h), and all stores agree.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/proc/cluster.h"
#include "tests/proc/history.h"

#define TRIES_MAX	200
#define NODES_MAX	8
#define WAIT_NS		120000000000ull

static const int sizes[] = { 4, 5, 6, 7, 6, 5, 4, 3 };
#define STEPS	(int)(sizeof(sizes) / sizeof(sizes[0]))

static struct {
	int transfers, snapshots, interval_ms, rest_ms, writers;
	uint64_t seed;
	const char *durability;
} options = { 100, 100, 1000, 200, 6, 1, "process" };

static pthread_mutex_t status_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool enough;
static int kills, leader_kills, transfers, snapshots, changes, refusals;
static struct prng choices;
static char output[8192];

static void	parse(int, char **);
static void	look(struct cluster *, struct cluster_status *);
static void	*kill_thread(void *);
static void	resize(struct cluster *, int);
static bool	is_settled(const struct cluster *);
static void	hand_over(struct cluster *);
static void	cut(struct cluster *);
static void	rest(void);
static void	agree(struct cluster *, const char *);

int
main(int argc, char **argv)
{
	static struct cluster cluster;	/* read again at exit */
	const char *args[] = { "-n", "3", "--durability", NULL,
	    "--election-timeout", "150-300ms", "--heartbeat", "30ms",
	    "--lease", "120ms", NULL };
	struct history_options clients = { .dir = cluster.data,
	    .followers = 3, .timeout_ns = 5000000000ull,
	    .read_timeout_ns = 300000000ull, .pause_us = 300 };
	struct history_counts counts;
	struct history *history;
	pthread_t killer;
	uint64_t began;
	int i;

	parse(argc, argv);
	args[3] = options.durability;
	clients.writers = options.writers;
	clients.seed = options.seed;
	prng_init(&choices, options.seed);
	cluster_init(&cluster);
	cluster_start(&cluster, args);
	began = now_ns();
	history = history_start(&clients);
	if (pthread_create(&killer, NULL, kill_thread, &cluster) != 0) {
		die("cannot start a thread");
	}
	for (i = 0; i < STEPS; i++) {
		resize(&cluster, sizes[i]);
		while (transfers < options.transfers * (i + 1) / STEPS) {
			hand_over(&cluster);
			rest();
		}
		while (snapshots < options.snapshots * (i + 1) / STEPS) {
			cut(&cluster);
			rest();
		}
	}
	atomic_store(&enough, true);
	pthread_join(killer, NULL);
	cluster_wait_whole(&cluster);
	history_finish(history, &counts);
	printf("%d changes of members, %d transfers, %d snapshots, %d kills "
	    "(%d of leaders), %d commands given again in %.1f s; %llu done, "
	    "%llu refused, %llu unknown, %llu reads by followers, %llu keys\n",
	    changes, transfers, snapshots, kills, leader_kills, refusals,
	    (double)(now_ns() - began) / 1e9,
	    (unsigned long long)counts.done,
	    (unsigned long long)counts.refused,
	    (unsigned long long)counts.unknown,
	    (unsigned long long)counts.reads_follower,
	    (unsigned long long)counts.keys);
	agree(&cluster, "running");
	if (cluster_run(&cluster, output, sizeof(output), "raftsup", "stop",
	    NULL) != 0) {
		die("raftsup stop: %s", output);
	}
	agree(&cluster, "stopped");
	if (kills == 0 || counts.done == 0 || counts.reads_follower == 0) {
		die("nothing was tried");
	}
	printf("PASS\n");
	return 0;
}

static void
parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "t:p:i:r:c:s:D:")) != -1) {
		switch (option) {
		case 't':
			options.transfers = atoi(optarg);
			break;
		case 'p':
			options.snapshots = atoi(optarg);
			break;
		case 'i':
			options.interval_ms = atoi(optarg);
			break;
		case 'r':
			options.rest_ms = atoi(optarg);
			break;
		case 'c':
			options.writers = atoi(optarg);
			break;
		case 's':
			options.seed = strtoull(optarg, NULL, 10);
			break;
		case 'D':
			options.durability = optarg;
			break;
		default:
			die("usage: see members.c");
		}
	}
	if (options.transfers < 0 || options.snapshots < 0 ||
	    options.interval_ms < 1 || options.rest_ms < 0 ||
	    options.writers < 1 || options.writers > 16) {
		die("members: an option is out of range");
	}
}

static void
look(struct cluster *cluster, struct cluster_status *status)
{
	pthread_mutex_lock(&status_lock);
	cluster_status(cluster, status);
	pthread_mutex_unlock(&status_lock);
}

/* By pid, as a user would from another terminal; a leader one time in three. */
static void *
kill_thread(void *arg)
{
	struct cluster *cluster = arg;
	struct cluster_status status;
	const struct cluster_node *node;
	struct prng prng;
	bool leader;
	int i;

	prng_init(&prng, options.seed + 1000000);
	/* The first kill soon: on a fast machine all is over in a moment. */
	usleep(20000);
	while (!atomic_load(&enough)) {
		look(cluster, &status);
		leader = prng_below(&prng, 3) == 0;
		i = (int)prng_below(&prng, NODES_MAX);
		for (int tries = 0; tries < NODES_MAX; tries++, i++) {
			node = &status.nodes[i % NODES_MAX];
			if (i % NODES_MAX >= status.count ||
			    node->pid <= 0 || (leader &&
			    node->id != status.leader)) {
				continue;
			}
			if (kill(node->pid, SIGKILL) == 0) {
				kills++;
				leader_kills += node->id == status.leader;
			}
			break;
		}
		usleep((useconds_t)options.interval_ms * 1000);
	}
	return NULL;
}

/* One node more, or less: then it is the first or, every other time, the
 * leader that goes. */
static void
resize(struct cluster *cluster, int size)
{
	uint64_t end = now_ns() + WAIT_NS;
	struct cluster_status status;
	char id[12];
	int code, gone;

	for (;;) {
		look(cluster, &status);
		if (status.count == size && is_settled(cluster)) {
			changes++;
			return;
		}
		if (now_ns() >= end) {
			die("%d nodes: %s", size, output);
		}
		if (status.count < size) {
			code = cluster_run(cluster, output, sizeof(output),
			    "raftsup", "add", "-t", "10", NULL);
		} else if (status.count > size) {
			gone = size % 2 == 0 && status.leader != 0 ?
			    status.leader : status.nodes[0].id;
			snprintf(id, sizeof(id), "%d", gone);
			code = cluster_run(cluster, output, sizeof(output),
			    "raftsup", "remove", "-t", "10", id, NULL);
		} else {
			usleep(10000);	/* the last wish is still there */
			continue;
		}
		refusals += code != 0;
	}
}

static bool
is_settled(const struct cluster *cluster)
{
	static char text[65536];
	char path[320];
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "%s/cluster.json", cluster->data);
	file = fopen(path, "r");
	if (file == NULL) {
		die("%s cannot be read", path);
	}
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	return strstr(text, "\"wish\"") == NULL;
}

/* To any node that is up and does not lead. */
static void
hand_over(struct cluster *cluster)
{
	struct cluster_status status;
	const struct cluster_node *to;
	static int failures;
	char id[12];

	look(cluster, &status);
	if (status.count == 0) {
		die("status names no nodes");
	}
	to = &status.nodes[prng_below(&choices, (uint64_t)status.count)];
	if (status.leader == 0 || to->id == status.leader ||
	    strcmp(to->state, "up") != 0) {
		usleep(1000);
		return;
	}
	snprintf(id, sizeof(id), "%d", to->id);
	if (cluster_run(cluster, output, sizeof(output), "raftsup", "transfer",
	    "-t", "5", id, NULL) == 0) {
		transfers++;
		failures = 0;
		return;
	}
	refusals++;
	if (++failures > TRIES_MAX) {
		die("transfer: %s", output);
	}
}

static void
cut(struct cluster *cluster)
{
	static int failures;

	/* Every node; one that dies meanwhile has none yet. */
	if (cluster_run(cluster, output, sizeof(output), "raftsup", "snapshot",
	    "-t", "5", NULL) == 0) {
		snapshots++;
		failures = 0;
		return;
	}
	refusals++;
	if (++failures > TRIES_MAX) {
		die("snapshot: %s", output);
	}
}

static void
rest(void)
{
	usleep((useconds_t)prng_below(&choices,
	    1000 * (uint64_t)options.rest_ms + 1));
}

static void
agree(struct cluster *cluster, const char *when)
{
	if (cluster_run(cluster, output, sizeof(output), "raftck", NULL) !=
	    0) {
		die("raftck, %s: %s", when, output);
	}
}
