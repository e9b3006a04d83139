/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What recovery costs.
 *
 *	bench_recovery rejoin [-n ENTRIES] [-k KILLS] [-D power|process] [-j]
 *	bench_recovery install [-m MIB] [-k ROUNDS] [-D power|process] [-j]
 *
 * rejoin: three nodes with so many entries, one of them held down, so that
 * the two others are needed for each write.  The one that does not lead is
 * killed with -9; the figure is the time from the kill to the end of a `set`
 * that began after it: it has been started again, votes and acknowledges.
 * Once with the log as nodes keep it, cut behind snapshots, and once with one
 * that is never cut.
 *
 * install: a state of so much in values of 10,000 bytes, and one node of
 * three that missed it.  Four clients set and get 100 bytes one after another;
 * throughput and latencies of a time with nothing else, and of the time in
 * which the third node gets the snapshot, in turn.
 *
 * With -j: one JSON object, of the log that is never cut alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "client/raftsup.h"
#include "shm/segment.h"
#include "tests/proc/cluster.h"

#define ROUNDS_MAX	100
#define CLIENTS		4
#define QUIET_NS	5000000000ull
#define WAIT_NS		600000000000ull
#define REST_US		11000000	/* a supervisor forgets a death */
#define VALUE_SIZE	10000
#define IN_FLIGHT	64
#define THIRD		3		/* the node that is held down */

static struct {
	int entries, rounds, mib;
	const char *durability;
	bool json;
} options = { 1000000, 7, 1024, "process", false };

struct sample {
	uint64_t ended_ns, took_ns;
};

struct worker {
	struct cluster *cluster;
	int number;
	struct sample *samples;
	size_t count, capacity;
	pthread_t thread;
};

struct phase {
	double per_s, p50_ms, p99_ms, worst_ms, seconds;
};

static _Atomic bool stop;
static char output[8192];

static void	parse(int, char **);
static void	rejoin(const char *name, const char *entries);
static double	kill_one(struct cluster *, struct raftsup *);
static void	install(void);
static void	fill(struct cluster *);
static void	leave_behind(struct cluster *);
static void	catch_up(struct cluster *);
static void	*work(void *);
static struct phase phase_of(const struct worker *, uint64_t first_ns,
		    uint64_t end_ns);
static void	report(const char *, struct phase *, int count);
static void	report_json(const struct phase *quiet,
		    const struct phase *during, int count);
static void	order(struct cluster *, const char *word, const char *one,
		    const char *two);
static void	third_is_down(struct cluster *);
static struct raftsup *client_of(struct cluster *);
static struct segment *look_at(struct cluster *);
static bool	node_status(const struct segment *, uint32_t id,
		    struct segment_status *);
static int	by_value(const void *, const void *);
static double	median(double *, int count);

int
main(int argc, char **argv)
{
	parse(argc, argv);
	if (strcmp(argv[1], "rejoin") != 0) {
		install();
	} else if (options.json) {
		rejoin(NULL, "1000000000");
	} else {
		printf("3 nodes, %s durability, %d entries of 100 bytes, "
		    "%d kills each\n", options.durability, options.entries,
		    options.rounds);
		printf("kill -9 to the next OK that needs the node, ms\n"
		    "%-30s %8s %8s %8s\n", "", "median", "best", "worst");
		rejoin("log cut behind snapshots", NULL);
		rejoin("log never cut", "1000000000");
	}
	return 0;
}

static void
parse(int argc, char **argv)
{
	int option;

	if (argc < 2 || (strcmp(argv[1], "rejoin") != 0 &&
	    strcmp(argv[1], "install") != 0)) {
		die("usage: see bench_recovery.c");
	}
	optind = 2;
	while ((option = getopt(argc, argv, "n:k:m:D:j")) != -1) {
		switch (option) {
		case 'n':
			options.entries = atoi(optarg);
			break;
		case 'k':
			options.rounds = atoi(optarg);
			break;
		case 'm':
			options.mib = atoi(optarg);
			break;
		case 'D':
			options.durability = optarg;
			break;
		case 'j':
			options.json = true;
			break;
		default:
			die("usage: see bench_recovery.c");
		}
	}
	if (options.entries < 1 || options.rounds < 1 || options.mib < 1 ||
	    options.rounds > ROUNDS_MAX) {
		die("bench_recovery: an option is out of range");
	}
}

/* ----------------------------------------------------------------- rejoin */

static void
rejoin(const char *name, const char *entries)
{
	static struct cluster cluster;	/* read again at exit */
	const char *args[] = { "-n", "3", "--durability", options.durability,
	    NULL };
	double figures[ROUNDS_MAX];
	struct segment_status status;
	struct segment *segment;
	struct raftsup *handle;
	char count[16];

	if (entries != NULL) {
		setenv("RAFTSUP_SNAPSHOT_ENTRIES", entries, 1);
	}
	cluster_init(&cluster);
	cluster_start(&cluster, args);
	snprintf(count, sizeof(count), "%d", options.entries);
	if (cluster_run(&cluster, output, sizeof(output), "raftctl", "-t", "60",
	    "bench", "--set", "-n", count, "-r", "1000", "-c", "4", "-P",
	    "64", "--keep", NULL) != 0) {
		die("raftctl bench: %s", output);
	}
	third_is_down(&cluster);
	segment = look_at(&cluster);
	if (!node_status(segment, 1, &status) ||
	    (status.first_index == 1) != (entries != NULL)) {
		die("node 1: the log begins at %" PRIu64, status.first_index);
	}
	segment_detach(segment);
	handle = client_of(&cluster);
	for (int i = 0; i < options.rounds; i++) {
		figures[i] = kill_one(&cluster, handle);
		usleep(REST_US);
	}
	raftsup_close(handle);
	cluster_fini(&cluster);
	qsort(figures, (size_t)options.rounds, sizeof(*figures), by_value);
	if (options.json) {
		printf("{\"entries\":%d,\"rejoin_ms\":%.2f,"
		    "\"rejoin_worst_ms\":%.2f}\n", options.entries,
		    figures[options.rounds / 2], figures[options.rounds - 1]);
		return;
	}
	printf("%-30s %8.1f %8.1f %8.1f\n", name,
	    figures[options.rounds / 2], figures[0],
	    figures[options.rounds - 1]);
	fflush(stdout);
	unsetenv("RAFTSUP_SNAPSHOT_ENTRIES");
}

static double
kill_one(struct cluster *cluster, struct raftsup *handle)
{
	struct cluster_status status;
	uint64_t began;
	pid_t pid = 0;

	if (raftsup_set(handle, "k", 1, "before", 6) != RAFTSUP_OK) {
		die("set: %s", raftsup_error(handle));
	}
	cluster_status(cluster, &status);
	for (int i = 0; i < status.count; i++) {
		if (status.nodes[i].id != THIRD &&
		    status.nodes[i].id != status.leader) {
			pid = status.nodes[i].pid;
		}
	}
	if (status.leader == 0 || pid <= 0) {
		die("no follower to kill");
	}
	began = now_ns();
	if (kill(pid, SIGKILL) != 0) {
		die("kill %d: %s", (int)pid, strerror(errno));
	}
	if (raftsup_set(handle, "k", 1, "after", 5) != RAFTSUP_OK) {
		die("set: %s", raftsup_error(handle));
	}
	return (double)(now_ns() - began) / 1e6;
}

/* ---------------------------------------------------------------- install */

static void
install(void)
{
	static struct worker workers[CLIENTS];
	static struct cluster cluster;	/* read again at exit */
	struct phase quiet[ROUNDS_MAX], during[ROUNDS_MAX];
	const char *args[] = { "-n", "3", "--durability", options.durability,
	    NULL };
	uint64_t first, end, done;

	cluster_init(&cluster);
	cluster_start(&cluster, args);
	third_is_down(&cluster);
	fill(&cluster);
	for (int i = 0; i < options.rounds; i++) {
		leave_behind(&cluster);
		atomic_store(&stop, false);
		for (int c = 0; c < CLIENTS; c++) {
			workers[c] = (struct worker){ .cluster = &cluster,
				.number = c };
			if (pthread_create(&workers[c].thread, NULL, work,
			    &workers[c]) != 0) {
				die("cannot start a thread");
			}
		}
		usleep(500000);
		first = now_ns();
		usleep(QUIET_NS / 1000);
		end = now_ns();
		catch_up(&cluster);
		done = now_ns();
		atomic_store(&stop, true);
		for (int c = 0; c < CLIENTS; c++) {
			pthread_join(workers[c].thread, NULL);
		}
		quiet[i] = phase_of(workers, first, end);
		during[i] = phase_of(workers, end, done);
		for (int c = 0; c < CLIENTS; c++) {
			free(workers[c].samples);
		}
		if (i + 1 < options.rounds) {
			third_is_down(&cluster);
		}
	}
	cluster_fini(&cluster);
	if (options.json) {
		report_json(quiet, during, options.rounds);
		return;
	}
	printf("3 nodes, %s durability, a state of %d MiB, %d clients that set"
	    " and get 100 bytes, %d rounds; medians\n", options.durability,
	    options.mib, CLIENTS, options.rounds);
	printf("%-16s %10s %10s %10s %10s %10s\n", "", "ops/s", "p50 ms",
	    "p99 ms", "worst ms", "seconds");
	report("quiet", quiet, options.rounds);
	report("install", during, options.rounds);
}

/* Every key once, so that the state has the size that it should. */
static void
fill(struct cluster *cluster)
{
	static char value[VALUE_SIZE];
	struct raftsup *handle = client_of(cluster);
	int keys = (int)(((uint64_t)options.mib << 20) / VALUE_SIZE);
	struct raftsup_answer answer;
	int done = 0, sent = 0;
	char key[16];

	for (size_t i = 0; i < sizeof(value); i++) {
		value[i] = (char)('a' + i % 26);
	}
	while (done < keys) {
		struct raftsup_request request = { .operation = RAFTSUP_SET,
			.key = key, .value = value,
			.value_size = sizeof(value) };

		if (sent < keys && sent - done < IN_FLIGHT) {
			request.key_size = (size_t)snprintf(key, sizeof(key),
			    "v%d", sent);
			if (raftsup_submit(handle, &request,
			    (uint64_t)sent) != RAFTSUP_OK) {
				die("submit: %s", raftsup_error(handle));
			}
			sent++;
			continue;
		}
		if (raftsup_poll(handle, WAIT_NS, &answer) != RAFTSUP_OK ||
		    answer.code != RAFTSUP_OK) {
			die("set: %s", raftsup_error(handle));
		}
		done++;
	}
	raftsup_close(handle);
}

/* Writes until the log begins behind what the third node has. */
static void
leave_behind(struct cluster *cluster)
{
	struct segment_status leader, third;
	struct cluster_status status;
	struct segment *segment;
	uint64_t end = now_ns() + WAIT_NS;
	bool behind;

	do {
		if (cluster_run(cluster, output, sizeof(output), "raftctl",
		    "-t", "60", "bench", "--set", "-n", "20000", "-P", "64",
		    "--keep", NULL) != 0 ||
		    cluster_run(cluster, output, sizeof(output), "raftsup",
		    "snapshot", "leader", NULL) != 0) {
			die("%s", output);
		}
		usleep(200000);
		cluster_status(cluster, &status);
		segment = look_at(cluster);
		behind = status.leader != 0 && node_status(segment,
		    (uint32_t)status.leader, &leader) &&
		    node_status(segment, THIRD, &third) &&
		    leader.first_index > third.last_index + 1;
		segment_detach(segment);
		if (now_ns() > end) {
			die("the log is not cut");
		}
	} while (!behind);
}

/* The third node starts, and has what the leader had committed by then. */
static void
catch_up(struct cluster *cluster)
{
	struct segment *segment = look_at(cluster);
	struct segment_status status;
	uint64_t end = now_ns() + WAIT_NS, want = 0, run;

	for (uint32_t id = 1; id < THIRD; id++) {
		if (node_status(segment, id, &status) &&
		    status.commit > want) {
			want = status.commit;
		}
	}
	run = node_status(segment, THIRD, &status) ? status.run : 0;
	order(cluster, "start", "3", NULL);
	while (!node_status(segment, THIRD, &status) || status.run == run ||
	    status.applied < want) {
		if (now_ns() > end) {
			die("no snapshot in time");
		}
		usleep(2000);
	}
	if (status.first_index <= 1) {
		die("it was no snapshot: the log begins at 1");
	}
	segment_detach(segment);
}

static void *
work(void *arg)
{
	static const char value[100];
	struct worker *worker = arg;
	struct raftsup *handle = client_of(worker->cluster);
	const void *got;
	size_t got_size;
	char key[16];
	uint64_t i;

	for (i = 0; !atomic_load(&stop); i++) {
		size_t size = (size_t)snprintf(key, sizeof(key), "w%d-%d",
		    worker->number, (int)(i / 2 % 1000));
		uint64_t began = now_ns(), ended;
		int code = i % 2 == 0 ?
		    raftsup_set(handle, key, size, value, sizeof(value)) :
		    raftsup_get(handle, key, size, &got, &got_size);

		if (code != RAFTSUP_OK) {
			die("%s: %s", key, raftsup_error(handle));
		}
		ended = now_ns();
		if (worker->count == worker->capacity) {
			worker->capacity = 2 * worker->capacity + 4096;
			worker->samples = realloc(worker->samples,
			    worker->capacity * sizeof(struct sample));
			if (worker->samples == NULL) {
				die("no memory");
			}
		}
		worker->samples[worker->count++] = (struct sample){
			.ended_ns = ended, .took_ns = ended - began };
	}
	raftsup_close(handle);
	return NULL;
}

/* Of what ended in this time. */
static struct phase
phase_of(const struct worker *workers, uint64_t first_ns, uint64_t end_ns)
{
	struct phase phase = { .seconds = (double)(end_ns - first_ns) / 1e9 };
	size_t count = 0, room = 1;
	double *times;

	for (int c = 0; c < CLIENTS; c++) {
		room += workers[c].count;
	}
	times = malloc(room * sizeof(*times));
	if (times == NULL) {
		die("no memory");
	}
	for (int c = 0; c < CLIENTS; c++) {
		for (size_t i = 0; i < workers[c].count; i++) {
			const struct sample *s = &workers[c].samples[i];

			if (s->ended_ns >= first_ns && s->ended_ns < end_ns) {
				times[count++] = (double)s->took_ns / 1e6;
			}
		}
	}
	if (count > 0) {
		qsort(times, count, sizeof(*times), by_value);
		phase.per_s = (double)count / phase.seconds;
		phase.p50_ms = times[count / 2];
		phase.p99_ms = times[count * 99 / 100];
		phase.worst_ms = times[count - 1];
	}
	free(times);
	return phase;
}

static void
report(const char *name, struct phase *phases, int count)
{
	double figures[5][ROUNDS_MAX];

	for (int i = 0; i < count; i++) {
		figures[0][i] = phases[i].per_s;
		figures[1][i] = phases[i].p50_ms;
		figures[2][i] = phases[i].p99_ms;
		figures[3][i] = phases[i].worst_ms;
		figures[4][i] = phases[i].seconds;
	}
	printf("%-16s %10.0f %10.3f %10.3f %10.1f %10.1f\n", name,
	    median(figures[0], count), median(figures[1], count),
	    median(figures[2], count), median(figures[3], count),
	    median(figures[4], count));
}

static void
report_json(const struct phase *quiet, const struct phase *during, int count)
{
	double seconds[ROUNDS_MAX], before[ROUNDS_MAX], after[ROUNDS_MAX];

	for (int i = 0; i < count; i++) {
		seconds[i] = during[i].seconds;
		before[i] = quiet[i].p99_ms;
		after[i] = during[i].p99_ms;
	}
	printf("{\"state_mib\":%d,\"install_mb_per_s\":%.1f,"
	    "\"quiet_p99_ms\":%.4f,\"install_p99_ms\":%.4f}\n", options.mib,
	    options.mib * 1.048576 / median(seconds, count),
	    median(before, count), median(after, count));
}

/* ---------------------------------------------------------------- helpers */

static void
order(struct cluster *cluster, const char *word, const char *one,
    const char *two)
{
	if (cluster_run(cluster, output, sizeof(output), "raftsup", word, one,
	    two, NULL) != 0) {
		die("raftsup %s: %s", word, output);
	}
}

/* It does not lead, and is held down. */
static void
third_is_down(struct cluster *cluster)
{
	struct cluster_status status;

	cluster_wait_whole(cluster);
	do {
		cluster_status(cluster, &status);
		if (status.leader == THIRD) {
			(void)cluster_run(cluster, output, sizeof(output),
			    "raftsup", "transfer", "1", NULL);
		}
	} while (status.leader == THIRD || status.leader == 0);
	order(cluster, "kill", "--hold", "3");
}

static struct raftsup *
client_of(struct cluster *cluster)
{
	struct raftsup_options open_options = { .dir = cluster->data,
	    .timeout_ns = 60000000000ull };
	struct raftsup *handle;

	if (raftsup_open(&handle, &open_options) != 0) {
		die("raftsup_open: %s", raftsup_open_error());
	}
	return handle;
}

static struct segment *
look_at(struct cluster *cluster)
{
	char name[SEGMENT_NAME_SIZE];
	struct segment *segment;
	struct err_buf err;

	if (segment_name(name, cluster->data, &err) != ERR_OK ||
	    segment_attach(&segment, name, SEGMENT_VIEWER, &err) != ERR_OK) {
		die("%s", err.text);
	}
	return segment;
}

static bool
node_status(const struct segment *segment, uint32_t id,
    struct segment_status *status)
{
	for (uint32_t slot = 0; slot < SEGMENT_SLOTS; slot++) {
		if (segment_status_read(segment, slot, status) == ERR_OK &&
		    status->id == id) {
			return true;
		}
	}
	return false;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(double *figures, int count)
{
	qsort(figures, (size_t)count, sizeof(*figures), by_value);
	return figures[count / 2];
}
