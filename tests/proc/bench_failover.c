/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long writes stand still when the leader is killed.
 *
 *	bench_failover [-n NODES] [-k KILLS] [-D power|process] [-j | -e]
 *
 * One client sets keys one after another through libraftsup.  The leader is
 * killed with -9; the figure is the time from the kill to the end of the
 * first `set` that began after it, which is a little more than to the first
 * OK.  Then the node is let back, and the next leader is killed.  Once with
 * the death hint and once without, in the same run, in turn.  With -j: with
 * it alone, every figure, as one JSON object.  With -e: with it alone, and
 * what the logs of the nodes and of the supervisor say of the worst kill.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/raftsup.h"
#include "tests/proc/cluster.h"

#define KILLS_MAX	1000
#define TIME_SIZE	28		/* as in the logs: to microseconds */
#define AROUND_NS	2000000		/* before and after the worst kill */

static struct {
	int nodes, kills;
	const char *durability;
	bool json, explain;
} options = { 5, 25, "process", false, false };

static struct {
	double ms;
	char from[TIME_SIZE], to[TIME_SIZE];	/* by the logs' clock */
} worst;

/* The writer's latest finished set: when it began and when it ended. */
static _Atomic uint64_t killed_at, first_ok_at;
static _Atomic bool stop;

static void	measure(const char *, const char *, double *);
static void	*write_thread(void *);
static int	compare(const void *, const void *);
static bool	is_there(const struct cluster_status *, pid_t);
static double	kill_leader(struct cluster *);
static void	explain(const struct cluster *);
static void	explain_file(const char *, const char *);
static void	time_text(uint64_t, char *);
static uint64_t	wall_ns(void);
static void	report(const char *, double *);

int
main(int argc, char **argv)
{
	static double with[KILLS_MAX], without[KILLS_MAX];
	int option;

	while ((option = getopt(argc, argv, "n:k:D:je")) != -1) {
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
		case 'e':
			options.explain = true;
			break;
		default:
			die("usage: bench_failover [-n NODES] [-k KILLS] "
			    "[-D power|process] [-j | -e]");
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
	if (options.explain) {
		return 0;
	}
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
	report(name, figures);
	if (options.explain) {
		explain(&cluster);
	}
	cluster_fini(&cluster);
}

static bool
is_there(const struct cluster_status *status, pid_t pid)
{
	for (int i = 0; i < status->count; i++) {
		if (status->nodes[i].pid == pid) {
			return true;
		}
	}
	return false;
}

static double
kill_leader(struct cluster *cluster)
{
	static pid_t killed_pid;
	struct cluster_status status;
	uint64_t at, end, wall;
	pid_t pid = 0;
	double ms;

	do {
		/* The supervisor may not have noticed the last death yet. */
		cluster_wait_whole(cluster);
		cluster_status(cluster, &status);
	} while (status.leader == 0 || is_there(&status, killed_pid));
	for (int i = 0; i < status.count; i++) {
		if (status.nodes[i].id == status.leader) {
			pid = status.nodes[i].pid;
		}
	}
	if (pid <= 0) {
		die("no leader to kill");
	}
	killed_pid = pid;
	atomic_store(&first_ok_at, 0);
	wall = wall_ns();
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
	ms = (double)(atomic_load(&first_ok_at) - at) / 1e6;
	if (ms > worst.ms) {
		worst.ms = ms;
		time_text(wall - AROUND_NS, worst.from);
		time_text(wall + atomic_load(&first_ok_at) - at + AROUND_NS,
		    worst.to);
	}
	return ms;
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

/* The lines of the logs from before the worst kill to after its OK. */
static void
explain(const struct cluster *cluster)
{
	char path[sizeof(cluster->data) + 32];

	printf("the worst kill, %.3f ms: the logs from %s to %s\n", worst.ms,
	    worst.from, worst.to);
	snprintf(path, sizeof(path), "%s/raftsup.log", cluster->data);
	explain_file(path, "supervisor");
	for (int id = 1; id <= options.nodes; id++) {
		char name[16];

		snprintf(name, sizeof(name), "node %d", id);
		snprintf(path, sizeof(path), "%s/node-%d/node.log",
		    cluster->data, id);
		explain_file(path, name);
	}
}

static void
explain_file(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	if (file == NULL) {
		die("%s: %s", path, strerror(errno));
	}
	printf("%s:\n", name);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, worst.from, TIME_SIZE - 2) >= 0 &&
		    strncmp(line, worst.to, TIME_SIZE - 2) <= 0) {
			fputs(line, stdout);
		}
	}
	fclose(file);
}

/* As in the logs; the Z is not compared. */
static void
time_text(uint64_t ns, char *text)
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t size = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S",
	    gmtime_r(&seconds, &tm));

	snprintf(text + size, TIME_SIZE - size, ".%06dZ",
	    (int)(ns / 1000 % 1000000));
}

static uint64_t
wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
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
