/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long writes stand still when the leader is killed.
 *
 *	bench_failover [-n NODES] [-k KILLS] [-D power|process] [-j]
 *
 * One client sets keys one after another through libraftsup.  The leader is
 * killed with -9; the figure is the time from the kill to the end of the
 * first `set` that began after it, which is a little more than to the first
 * OK.  Then the node is let back, and the next leader is killed.  Once with
 * the death hint and once without, in the same run, in turn.  With -j: with
 * it alone, every figure, as one JSON object.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/raftsup.h"
#include "tests/proc/cluster.h"

#define KILLS_MAX	1000

static struct {
	int nodes, kills;
	const char *durability;
	bool json;
} options = { 5, 25, "process", false };

/* The writer's latest finished set: when it began and when it ended. */
static _Atomic uint64_t killed_at, first_ok_at;
static _Atomic bool stop;

static void	measure(const char *, const char *, double *);
static void	*write_thread(void *);
static int	compare(const void *, const void *);
static double	kill_leader(struct cluster *);
static void	report(const char *, double *);

int
main(int argc, char **argv)
{
	static double with[KILLS_MAX], without[KILLS_MAX];
	int option;

	while ((option = getopt(argc, argv, "n:k:D:j")) != -1) {
		switch (option) {
		case 'n':
			options.nodes = atoi(optarg);
			break;
		case 'k':
			options.kills = atoi(optarg);
			break;
		case 'D':
			options.durability = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		default:
			die("usage: bench_failover [-n NODES] [-k KILLS] "
			    "[-D power|process] [-j]");
		}
	}
	if (options.nodes < 3 || options.nodes > 7 || options.kills < 1 ||
	    options.kills > KILLS_MAX) {
		die("bench_failover: an option is out of range");
	}
	if (options.json) {
		measure("with the death hint", NULL, with);
		return 0;
	}
	printf("%d nodes, %s durability, default timeouts (election 500 ms "
	    "to 1 s), %d kills of the leader each\n", options.nodes,
	    options.durability, options.kills);
	printf("kill -9 to the next OK, ms    median      p90    worst\n");
	measure("with the death hint", NULL, with);
	measure("without it", "--no-death-hint", without);
	printf("ratio of the medians: %.0f\n",
	    without[options.kills / 2] / with[options.kills / 2]);
	return 0;
}

static void
measure(const char *name, const char *extra, double *figures)
{
	static struct cluster cluster;
	pthread_t thread;
	char nodes[8];
	const char *args[] = { "-n", nodes, "--durability",
	    options.durability, extra, NULL };

	snprintf(nodes, sizeof(nodes), "%d", options.nodes);
	cluster_init(&cluster);
	cluster_start(&cluster, args);
	stop = false;
	killed_at = 0;
	if (pthread_create(&thread, NULL, write_thread, &cluster) != 0) {
		die("cannot start a thread");
	}
	for (int i = 0; i < options.kills; i++) {
		figures[i] = kill_leader(&cluster);
	}
	stop = true;
	pthread_join(thread, NULL);
	cluster_fini(&cluster);
	report(name, figures);
}

static double
kill_leader(struct cluster *cluster)
{
	struct cluster_status status;
	uint64_t at, end;
	pid_t pid = 0;

	cluster_wait_whole(cluster);
	cluster_status(cluster, &status);
	for (int i = 0; i < status.count; i++) {
		if (status.nodes[i].id == status.leader) {
			pid = status.nodes[i].pid;
		}
	}
	if (pid <= 0) {
		die("no leader to kill");
	}
	atomic_store(&first_ok_at, 0);
	at = now_ns();
	if (kill(pid, SIGKILL) != 0) {
		die("kill %d: %s", (int)pid, strerror(errno));
	}
	atomic_store(&killed_at, at);
	end = at + 60000000000ull;
	while (atomic_load(&first_ok_at) == 0) {
		if (now_ns() > end) {
			die("no set was answered for 60 s");
		}
		usleep(500);
	}
	atomic_store(&killed_at, 0);
	return (double)(atomic_load(&first_ok_at) - at) / 1e6;
}

static void *
write_thread(void *arg)
{
	struct cluster *cluster = arg;
	struct raftsup_options open_options = { .dir = cluster->data,
	    .timeout_ns = 20000000000ull };
	struct raftsup *handle;

	if (raftsup_open(&handle, &open_options) != 0) {
		die("raftsup_open: %s", raftsup_open_error());
	}
	while (!atomic_load(&stop)) {
		uint64_t kill_seen = atomic_load(&killed_at);
		uint64_t zero = 0;

		if (raftsup_set(handle, "k", 1, "v", 1) != RAFTSUP_OK) {
			die("set: %s", raftsup_error(handle));
		}
		if (kill_seen != 0) {
			atomic_compare_exchange_strong(&first_ok_at, &zero,
			    now_ns());
		}
	}
	raftsup_close(handle);
	return NULL;
}

static void
report(const char *name, double *figures)
{
	qsort(figures, (size_t)options.kills, sizeof(*figures), compare);
	if (options.json) {
		printf("{\"ms\":[");
		for (int i = 0; i < options.kills; i++) {
			printf("%s%.3f", i > 0 ? "," : "", figures[i]);
		}
		printf("]}\n");
		return;
	}
	printf("%-25s %10.2f %8.2f %8.2f\n", name,
	    figures[options.kills / 2], figures[options.kills * 9 / 10],
	    figures[options.kills - 1]);
	fflush(stdout);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}
