/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A leader that is cut off from all others, while clients still reach it: it
 * never answers a read with what is over.
 *
 *	isolated [-a] [-r ROUNDS] [-l LEASE] [-s SEED]
 *
 * Each round cuts the links of whoever leads: both ways, only those to it,
 * only those from it; in every other round it is stopped as well, at some
 * moment between two instructions, or, in a build with crash points, between
 * the look at the clock and the reads that wait for it, behind the reading of
 * the state and before the look at the lease, or behind that and before the
 * reply.  Clients ask that node all the time, as a leader and by ReadIndex.
 * The others elect another one (every other time at once, inside the lease,
 * since an operator says so), which takes writes to the same keys; then the
 * old one goes on, still cut off.  What everybody was
 * told must be linearizable (history.h).
 *
 * A round that shows nothing fails: while it was cut off the node has refused
 * reads.  And with -a it has answered some that it was asked after the cut, by
 * its lease alone: not in each round, since a cut may take as long as a lease
 * on a busy machine, so there are more rounds until it has.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/prng.h"
#include "tests/proc/cluster.h"
#include "tests/proc/history.h"

#define NODES		5
#define WAIT_NS		60000000000ull
#define WRITES		100	/* by the next leader, in a round */
#define REFUSALS	3
#define MORE_ROUNDS	60	/* at most, until a read was answered alone */

enum cut { BOTH, TO_IT, FROM_IT, CUTS };
static const char *const cut_names[] = { "both ways", "to it", "from it" };

static struct {
	int rounds;
	const char *lease;
	uint64_t seed;
	bool alone;
} options = { 12, "120ms", 1, false };

static struct prng choices;
static struct crash_order *order;	/* NULL: no such build */
static char output[8192];
static int stops;			/* at a point */

static void	parse(int, char **);
static void	map_order(const struct cluster *);
static void	play(struct cluster *, struct history *, int round);
static void	cut(struct cluster *, int leader, enum cut);
static void	stop_somewhere(pid_t, int round);
static void	await_stopped(pid_t, uint64_t end_ns);
static void	run(struct cluster *, const char *word, const char *argument,
		    const char *option);
static int	leader_of(struct cluster *, int other_than);
static void	await_writes(struct history *);

int
main(int argc, char **argv)
{
	static struct cluster cluster;	/* read again at exit */
	const char *args[] = { "-n", "5", "--durability", "process",
	    "--election-timeout", "150-300ms", "--heartbeat", "30ms",
	    "--lease", NULL, NULL };
	struct history_options clients = { .dir = cluster.data, .writers = 3,
	    .followers = 1, .pinned = 4, .timeout_ns = 20000000000ull,
	    .read_timeout_ns = 50000000ull, .pause_us = 200 };
	struct history_counts counts = { .reads_alone = 0 };
	struct history *history;
	int i;

	parse(argc, argv);
	args[9] = options.lease;
	prng_init(&choices, options.seed);
	clients.seed = options.seed;
	cluster_init(&cluster);
	map_order(&cluster);
	cluster_start(&cluster, args);
	history = history_start(&clients);
	for (i = 0; i < options.rounds || (options.alone &&
	    counts.reads_alone == 0 && i < options.rounds + MORE_ROUNDS);
	    i++) {
		play(&cluster, history, i);
		history_counts(history, &counts);
	}
	history_finish(history, &counts);
	printf("lease %s, %d rounds, %d stops at a point: %llu writes done, "
	    "%llu reads by the node that was cut off while it led, %llu of "
	    "them alone, by its lease; %llu refused\n", options.lease, i, stops,
	    (unsigned long long)counts.done,
	    (unsigned long long)counts.reads_pinned,
	    (unsigned long long)counts.reads_alone,
	    (unsigned long long)counts.pinned_refused);
	if (options.alone && counts.reads_alone == 0) {
		die("no read was answered by the lease alone");
	}
	printf("PASS\n");
	return 0;
}

static void
parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "ar:l:s:")) != -1) {
		switch (option) {
		case 'a':
			options.alone = true;
			break;
		case 'r':
			options.rounds = atoi(optarg);
			break;
		case 'l':
			options.lease = optarg;
			break;
		case 's':
			options.seed = strtoull(optarg, NULL, 10);
			break;
		default:
			die("usage: see isolated.c");
		}
	}
	if (options.rounds < 1) {
		die("isolated: -r: at least 1");
	}
}

static void
map_order(const struct cluster *cluster)
{
#ifdef RAFTSUP_CRASH_POINTS
	char path[320];
	int fd;

	snprintf(path, sizeof(path), "%s/order", cluster->dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 || ftruncate(fd, sizeof(*order)) != 0) {
		die("%s cannot be made", path);
	}
	order = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	close(fd);
	if (order == MAP_FAILED || setenv(CRASH_ENVIRONMENT, path, 1) != 0) {
		die("%s cannot be mapped", path);
	}
#else
	(void)cluster;
#endif
}

static void
play(struct cluster *cluster, struct history *history, int round)
{
	struct history_counts before, cut_off, now;
	uint64_t end = now_ns() + WAIT_NS;
	enum cut how = (enum cut)(round % CUTS);
	bool stopped = round / CUTS % 2 == 1;
	int leader;
	pid_t pid;

	cluster_wait_whole(cluster);
	leader = leader_of(cluster, 0);
	pid = cluster_pid(cluster, leader);
	history_counts(history, &before);
	history_pin(history, leader);
	do {
		usleep(1000);
		history_counts(history, &now);
	} while (now.reads_pinned < before.reads_pinned + 20 &&
	    now_ns() < end && leader_of(cluster, 0) == leader);
	if (stopped) {
		stop_somewhere(pid, round);
	}
	cut(cluster, leader, how);
	history_counts(history, &cut_off);
	history_alone(history, true);
	if (round % 2 == 1) {
		run(cluster, "timeout", leader == 1 ? "2" : "1", NULL);
	}
	(void)leader_of(cluster, leader);
	await_writes(history);
	if (stopped && kill(pid, SIGCONT) != 0) {
		die("node %d, cut off %s, has died", leader, cut_names[how]);
	}
	do {
		usleep(1000);
		history_counts(history, &now);
		if (now_ns() > end) {
			die("node %d, cut off %s, has not refused %d reads",
			    leader, cut_names[how], REFUSALS);
		}
	} while (now.pinned_refused < cut_off.pinned_refused + REFUSALS);
	await_writes(history);
	history_alone(history, false);
	history_pin(history, 0);
	run(cluster, "heal", NULL, NULL);
}

static void
cut(struct cluster *cluster, int leader, enum cut how)
{
	char links[128] = "";
	size_t used = 0;
	int id;

	if (how == BOTH) {
		snprintf(links, sizeof(links), "%d", leader);
		run(cluster, "partition", links, NULL);
		return;
	}
	for (id = 1; id <= NODES; id++) {
		if (id != leader) {
			used += (size_t)snprintf(links + used,
			    sizeof(links) - used, "%s%d:%d",
			    used > 0 ? "," : "", how == TO_IT ? id : leader,
			    how == TO_IT ? leader : id);
		}
	}
	run(cluster, "net", links, "--cut");
}

/*
 * At a point that a read passes, if there are any; else wherever it is. The
 * supervisor is not asked: it would be a stop between two orders.
 */
static void
stop_somewhere(pid_t pid, int round)
{
	static const char *const points[] = { "loop: messages taken",
	    "apply: results taken", "reply: before publishing" };
	uint64_t end = now_ns() + WAIT_NS;

	if (order == NULL) {
		usleep((useconds_t)prng_below(&choices, 2000));
		if (kill(pid, SIGSTOP) != 0) {
			die("the leader has died");
		}
		return;
	}
	snprintf(order->name, sizeof(order->name), "%s",
	    points[(round + round / 3) % 3]);
	atomic_store(&order->signal, SIGSTOP);
	for (;;) {
		atomic_store(&order->pid, 0);
		atomic_store(&order->left,
		    1 + (int32_t)prng_below(&choices, 200));
		while (atomic_load(&order->pid) == 0 && now_ns() < end) {
			usleep(200);
		}
		if (atomic_load(&order->pid) == pid) {
			await_stopped(pid, end);
			stops++;
			return;
		}
		if (atomic_load(&order->pid) == 0) {
			die("nobody comes to: %s", order->name);
		}
		/* Another one came there: once it stands, it goes on. */
		await_stopped(atomic_load(&order->pid), end);
		(void)kill(atomic_load(&order->pid), SIGCONT);
	}
}

static void
await_stopped(pid_t pid, uint64_t end_ns)
{
	char path[32], name[32], state = '\0';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	do {
		usleep(200);
		file = fopen(path, "r");
		if (file == NULL ||
		    fscanf(file, "%*d %31s %c", name, &state) != 2 ||
		    now_ns() > end_ns) {
			die("process %d does not stop", (int)pid);
		}
		fclose(file);
	} while (state != 'T');
}

static void
run(struct cluster *cluster, const char *word, const char *argument,
    const char *option)
{
	if (cluster_run(cluster, output, sizeof(output), "raftsup", word,
	    argument, option, NULL) != 0) {
		die("raftsup %s: %s", word, output);
	}
}

/* Once there is one; the leadership may have moved before the cut, too. */
static int
leader_of(struct cluster *cluster, int other_than)
{
	uint64_t end = now_ns() + WAIT_NS;
	struct cluster_status status;

	for (;;) {
		cluster_status(cluster, &status);
		if (status.leader != 0 && status.leader != other_than) {
			return status.leader;
		}
		if (now_ns() > end) {
			die("no other leader than node %d", other_than);
		}
		usleep(5000);
	}
}

/* Somebody takes writes. */
static void
await_writes(struct history *history)
{
	uint64_t end = now_ns() + WAIT_NS;
	struct history_counts first, now;

	history_counts(history, &first);
	do {
		usleep(1000);
		history_counts(history, &now);
		if (now_ns() > end) {
			die("no writes any more");
		}
	} while (now.done < first.done + WRITES);
}
