/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Visits every crash point on a real cluster under load.
 *
 *	points [-a] [-c COUNTS] [-D power|process] [-v] NAME...
 *
 * NAMEs are the points, as CRASH_POINT has them; COUNTS, a list such as
 * 1,3,20: for each name the process dies that comes there for the n-th time,
 * counted over the cluster; with -a all others of the cluster die with it,
 * each at the next point that it comes to.  Two clients write all the while,
 * and what they were answered is true at the end: an OK is there, a FAILED is
 * not, no incr is counted twice; raftck finds nothing, running and stopped.
 *
 *	name begins	a process comes there
 *	create:	file:	when a cluster is made (file: in the supervisor too)
 *	stop: restart:	when the cluster is stopped and started again
 *	start: supervisor:  when a dead node is started again
 *	snapshot:	when a node is started that has missed a lot
 *	anything else	under load, sooner or later
 *
 * A point where nobody died is a failure, but for `sync:`, a thread that power
 * durability does without.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/crash.h"
#include "tests/proc/client.h"
#include "tests/proc/cluster.h"

#define WRITERS		2
#define OPS_MAX		400000
#define COUNTS_MAX	8
#define LOAD_NS		8000000000ull	/* for checkpoints and syncs */
#define START_NS	10000000000ull
#define AGAIN_NS	150000000ull	/* between deaths of nodes */
#define MISS_NS		1500000000ull	/* for logs to be cut meanwhile */

struct writer {
	int number;
	struct cluster *cluster;
	uint8_t *outcomes;
	int ops;
	int incr_ok, incr_unknown;
	int all_ok, all_unknown;
	long long last;
	pthread_t thread;
};

static struct {
	int counts[COUNTS_MAX];
	int count_count;
	const char *durability;
	bool all, verbose;
} options = { { 1 }, 1, "process", false, false };

static struct crash_order *order;	/* of the cluster in use */
static struct writer writers[WRITERS];
static _Atomic bool stop_writing;
static int visits, deaths, misses;

static void	parse(int, char **);
static void	order_map(const char *);
static bool	order_wait(uint64_t);
static void	order_give(const char *, int);
static int	order_take_back(void);
static bool	begins(const char *, const char *);
static bool	is_worth(const char *, int);
static bool	visit_new_cluster(const char *, int);
static bool	try_start(struct cluster *);
static void	visit_running(struct cluster *, char **, int);
static bool	visit(struct cluster *, const char *, int);
static void	kill_a_node(struct cluster *);
static int	hold_a_node(struct cluster *);
static void	start_node(struct cluster *, int);
static void	recover(struct cluster *, int);
static void	*write_thread(void *);
static void	write_one(struct writer *, struct client *);
static void	begin_writing(struct cluster *);
static void	verify(struct cluster *);
static void	check(struct cluster *, const char *);

int
main(int argc, char **argv)
{
	static struct cluster cluster;	/* read again at exit */
	int at, i;

	parse(argc, argv);
	/* So that little load makes snapshots, and cuts logs. */
	if (setenv("RAFTSUP_SNAPSHOT_ENTRIES", "200", 1) != 0) {
		die("setenv");
	}
	/* Where there is one process alone, -a means nothing. */
	for (at = optind; at < argc && !options.all; at++) {
		bool hit = false;

		if (!begins(argv[at], "create:") &&
		    !begins(argv[at], "file:")) {
			continue;
		}
		for (i = 0; i < options.count_count; i++) {
			hit = (is_worth("create:", options.counts[i]) &&
			    visit_new_cluster(argv[at],
			    options.counts[i])) || hit;
		}
		if (!hit) {
			printf("never reached: %s\n", argv[at]);
			misses++;
		}
	}
	cluster_init(&cluster);
	visit_running(&cluster, argv + optind, argc - optind);
	cluster_fini(&cluster);
	printf("%d visits, %d deaths, %d points never reached\n", visits,
	    deaths, misses);
	if (misses > 0 || deaths == 0) {
		die("FAIL");
	}
	printf("PASS\n");
	return 0;
}

static void
parse(int argc, char **argv)
{
	char *list, *word;
	int option;

	while ((option = getopt(argc, argv, "ac:D:v")) != -1) {
		switch (option) {
		case 'a':
			options.all = true;
			break;
		case 'c':
			options.count_count = 0;
			list = optarg;
			while ((word = strsep(&list, ",")) != NULL &&
			    options.count_count < COUNTS_MAX) {
				options.counts[options.count_count++] =
				    atoi(word);
			}
			break;
		case 'D':
			options.durability = optarg;
			break;
		case 'v':
			options.verbose = true;
			break;
		default:
			die("usage: see points.c");
		}
	}
	if (optind == argc) {
		die("points: which?");
	}
}

/* ---------------------------------------------------------------- orders */

/* A file for the cluster's processes to look at; before they start. */
static void
order_map(const char *dir)
{
	char path[300];
	void *at;
	int fd;

	snprintf(path, sizeof(path), "%s/order", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || ftruncate(fd, sizeof(*order)) != 0) {
		die("%s: %s", path, strerror(errno));
	}
	at = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	if (at == MAP_FAILED || setenv(CRASH_ENVIRONMENT, path, 1) != 0) {
		die("%s: %s", path, strerror(errno));
	}
	close(fd);
	if (order != NULL) {
		munmap(order, sizeof(*order));
	}
	order = at;
}

static void
order_give(const char *name, int count)
{
	snprintf(order->name, sizeof(order->name), "%s", name);
	atomic_store(&order->pid, 0);
	/* Pairs with crash_point(): the name is there. */
	atomic_store_explicit(&order->left, count, memory_order_release);
	visits++;
}

/* True when somebody has died within that time. */
static bool
order_wait(uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (atomic_load(&order->pid) == 0) {
		if (now_ns() > end) {
			return false;
		}
		usleep(1000);
	}
	return true;
}

/* Who died, 0: nobody; from here on nobody does. */
static int
order_take_back(void)
{
	/* Time for the others, and for one that is about to die. */
	usleep(options.all ? 20000 : 2000);
	atomic_store(&order->left, 0);
	atomic_store(&order->all, 0);
	usleep(2000);
	return atomic_load(&order->pid);
}

static bool
begins(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

/* Some come seldom: once a restart, three times a stop, every two seconds. */
static bool
is_worth(const char *name, int count)
{
	if (begins(name, "restart:")) {
		return count == 1;
	}
	return count <= 3 || !(begins(name, "create:") ||
	    begins(name, "snapshot:") ||
	    begins(name, "stop:") || begins(name, "checkpoint:") ||
	    begins(name, "sync:"));
}

/* -------------------------------------------------------- a new cluster */

/* The start of a cluster dies there; the next start makes it whole. */
static bool
visit_new_cluster(const char *name, int count)
{
	static struct cluster cluster;
	struct client client;
	int died, tries = 0;

	cluster_init(&cluster);
	order_map(cluster.dir);
	order_give(name, count);
	(void)try_start(&cluster);
	died = order_take_back();
	deaths += died != 0;
	if (options.verbose) {
		printf("%s, %d: %s\n", name, count, died != 0 ?
		    "the start died" : "not reached");
	}
	while (!try_start(&cluster)) {
		if (++tries == 3) {
			die("%s, %d: the cluster does not start again", name,
			    count);
		}
	}
	cluster_wait_whole(&cluster);
	client_open(&cluster, &client);
	if (client_ask(&client, "set k v", NULL) != CLIENT_OK ||
	    !client_has(&client, "k", "v")) {
		die("%s, %d: the cluster does not serve", name, count);
	}
	client_close(&client);
	check(&cluster, name);
	cluster_fini(&cluster);
	return died != 0;
}

static bool
try_start(struct cluster *cluster)
{
	char output[4096];
	int status = cluster_run(cluster, output, sizeof(output), "raftsup",
	    "start", "-n", "3", "--durability", options.durability,
	    "--election-timeout", "150-300ms", "--heartbeat", "30ms",
	    "--lease", "120ms", NULL);

	if (status != 0 && options.verbose) {
		printf("raftsup start: exit %d: %s\n", status, output);
	}
	return status == 0;
}

/* ---------------------------------------------------- a running cluster */

static void
visit_running(struct cluster *cluster, char **names, int count)
{
	order_map(cluster->dir);
	if (!try_start(cluster)) {
		die("the cluster does not start");
	}
	cluster_wait_whole(cluster);
	begin_writing(cluster);
	for (int at = 0; at < count; at++) {
		bool hit = false;

		if (begins(names[at], "create:") ||
		    (begins(names[at], "sync:") &&
		    strcmp(options.durability, "power") == 0)) {
			continue;
		}
		for (int i = 0; i < options.count_count; i++) {
			hit = (is_worth(names[at], options.counts[i]) &&
			    visit(cluster, names[at], options.counts[i])) ||
			    hit;
		}
		if (!hit) {
			printf("never reached: %s\n", names[at]);
			misses++;
		}
	}
	atomic_store(&stop_writing, true);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
	}
	verify(cluster);
	check(cluster, "at the end");
}

static bool
visit(struct cluster *cluster, const char *name, int count)
{
	char output[4096];
	uint64_t began = now_ns();
	int died, held = 0;

	order_give(name, count);
	atomic_store(&order->all, options.all);
	if (begins(name, "stop:") || begins(name, "restart:")) {
		(void)cluster_run(cluster, output, sizeof(output), "raftsup",
		    "stop", NULL);
		if (begins(name, "restart:")) {
			(void)try_start(cluster);
		}
	} else if (begins(name, "start:") || begins(name, "supervisor:") ||
	    begins(name, "file:")) {
		/* One start of a node a time. */
		for (int i = 0; i < count; i++) {
			kill_a_node(cluster);
			if (order_wait(i + 1 < count ? AGAIN_NS :
			    START_NS)) {
				break;
			}
		}
	} else if (begins(name, "snapshot:")) {
		/* One start of it a time. */
		for (int i = 0; i < count && atomic_load(&order->pid) == 0;
		    i++) {
			held = hold_a_node(cluster);
			(void)order_wait(MISS_NS);
			start_node(cluster, held);
			(void)order_wait(i + 1 < count ? 10 * AGAIN_NS :
			    LOAD_NS);
		}
	} else {
		(void)order_wait(LOAD_NS);
	}
	died = order_take_back();
	deaths += died != 0;
	if (held != 0) {
		/* Nobody else starts it. */
		(void)try_start(cluster);
		start_node(cluster, held);
	}
	if (died != 0 || begins(name, "stop:") || begins(name, "restart:")) {
		recover(cluster, died);
	}
	if (options.verbose) {
		printf("%s, %d: %s, %.2f s\n", name, count, died != 0 ?
		    "died" : "not reached",
		    (double)(now_ns() - began) / 1e9);
		fflush(stdout);
	}
	return died != 0;
}

static void
kill_a_node(struct cluster *cluster)
{
	static int next;
	struct cluster_status status;
	pid_t pid;

	cluster_status(cluster, &status);
	if (status.count > 0) {
		pid = status.nodes[next++ % status.count].pid;
		if (pid > 0) {
			(void)kill(pid, SIGKILL);
		}
	}
}

static int
hold_a_node(struct cluster *cluster)
{
	static int next;
	char id[12], output[4096];

	snprintf(id, sizeof(id), "%d", next++ % 3 + 1);
	(void)cluster_run(cluster, output, sizeof(output), "raftsup", "kill",
	    id, "--hold", NULL);
	return atoi(id);
}

static void
start_node(struct cluster *cluster, int id)
{
	char text[12], output[4096];

	snprintf(text, sizeof(text), "%d", id);
	(void)cluster_run(cluster, output, sizeof(output), "raftsup", "start",
	    text, NULL);
}

/* Whoever died, all is well again; the supervisor needs a start for it. */
static void
recover(struct cluster *cluster, int died)
{
	struct cluster_status status;
	uint64_t end = now_ns() + START_NS;
	bool known = true;
	int tries = 0;

	/* Until the supervisor knows of the death. */
	while (known && now_ns() < end) {
		cluster_status(cluster, &status);
		known = false;
		for (int i = 0; i < status.count; i++) {
			known = known || (died != 0 &&
			    status.nodes[i].pid == died);
		}
	}
	while (!try_start(cluster)) {
		if (++tries == 3) {
			die("%s: the cluster does not start again",
			    order->name);
		}
	}
	cluster_wait_whole(cluster);
}

/* --------------------------------------------------------------- history */

static void
begin_writing(struct cluster *cluster)
{
	for (int i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		writers[i].cluster = cluster;
		writers[i].outcomes = calloc(OPS_MAX, 1);
		if (writers[i].outcomes == NULL || pthread_create(
		    &writers[i].thread, NULL, write_thread, &writers[i]) !=
		    0) {
			die("no memory");
		}
	}
}

static void *
write_thread(void *arg)
{
	struct writer *writer = arg;
	struct client client;

	client_open(writer->cluster, &client);
	while (!atomic_load(&stop_writing) && writer->ops < OPS_MAX) {
		write_one(writer, &client);
		if (writer->outcomes[writer->ops - 1] == CLIENT_FAILED) {
			/* The cluster is stopped: another segment next. */
			client_close(&client);
			usleep(20000);
			client_open(writer->cluster, &client);
		}
		usleep(300);
	}
	client_close(&client);
	return NULL;
}

static void
write_one(struct writer *writer, struct client *client)
{
	int op = writer->ops;
	enum client_outcome outcome;
	char line[64];
	long long number;

	snprintf(line, sizeof(line), "set k%d:%d v%d", writer->number, op,
	    op);
	writer->outcomes[op] = (uint8_t)client_ask(client, line, NULL);
	writer->ops++;
	if (op % 4 == 0) {
		snprintf(line, sizeof(line), "incr own%d", writer->number);
		outcome = client_ask(client, line, &number);
		writer->incr_ok += outcome == CLIENT_OK;
		writer->incr_unknown += outcome == CLIENT_UNKNOWN;
		if (outcome == CLIENT_OK && number <= writer->last) {
			die("own%d: %lld after %lld", writer->number, number,
			    writer->last);
		}
		writer->last = outcome == CLIENT_OK ? number : writer->last;
		outcome = client_ask(client, "incr all", &number);
		writer->all_ok += outcome == CLIENT_OK;
		writer->all_unknown += outcome == CLIENT_UNKNOWN;
	} else if (op % 4 == 2) {
		/* Not by client_number(): it may fail while all is down. */
		snprintf(line, sizeof(line), "get own%d", writer->number);
		if (writer->last > 0 && client_ask(client, line, &number) ==
		    CLIENT_OK && number < writer->last) {
			die("own%d: read %lld after %lld", writer->number,
			    number, writer->last);
		}
	}
}

static void
verify(struct cluster *cluster)
{
	struct client client;
	char key[64], value[64];
	int ok = 0, unknown = 0, answered = 0;
	long long number;

	client_open(cluster, &client);
	for (int w = 0; w < WRITERS; w++) {
		struct writer *writer = &writers[w];

		for (int i = 0; i < writer->ops; i++) {
			bool there;

			snprintf(key, sizeof(key), "k%d:%d", w, i);
			snprintf(value, sizeof(value), "v%d", i);
			there = client_has(&client, key, value);
			if ((writer->outcomes[i] == CLIENT_OK && !there) ||
			    (writer->outcomes[i] == CLIENT_FAILED && there)) {
				die("%s: was answered %s, is %s", key,
				    there ? "FAILED" : "OK",
				    there ? "there" : "lost");
			}
			answered += writer->outcomes[i] == CLIENT_OK;
		}
		snprintf(key, sizeof(key), "get own%d", w);
		number = client_number(&client, key);
		if (number < writer->incr_ok || number > writer->incr_ok +
		    writer->incr_unknown) {
			die("own%d is %lld after %d OK, %d UNKNOWN", w,
			    number, writer->incr_ok, writer->incr_unknown);
		}
		ok += writer->all_ok;
		unknown += writer->all_unknown;
	}
	number = client_number(&client, "get all");
	if (number < ok || number > ok + unknown) {
		die("all is %lld after %d OK, %d UNKNOWN", number, ok,
		    unknown);
	}
	client_close(&client);
	printf("%d sets answered OK, %lld increments, %d unknown\n",
	    answered, number, unknown);
	if (answered == 0 || ok == 0) {
		die("nothing was written");
	}
}

/* raftck, beside the running nodes and after a clean stop. */
static void
check(struct cluster *cluster, const char *when)
{
	char output[4096];

	if (cluster_run(cluster, output, sizeof(output), "raftck", NULL) !=
	    0) {
		die("%s: raftck, running: %s", when, output);
	}
	if (cluster_run(cluster, output, sizeof(output), "raftsup", "stop",
	    NULL) != 0) {
		die("%s: raftsup stop: %s", when, output);
	}
	if (cluster_run(cluster, output, sizeof(output), "raftck", NULL) !=
	    0) {
		die("%s: raftck, stopped: %s", when, output);
	}
}
