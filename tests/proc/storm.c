/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kill -9 under load: clients in line mode write while nodes are killed, and
 * afterwards everything that was answered must be true.
 *
 *	storm [-n NODES] [-o OPS] [-c CLIENTS] [-i INTERVAL_MS] [-s SEED]
 *	    [-D power|process] [-a] [-S]
 *
 *	-a	kill all nodes at once each time
 *	-S	kill the supervisor too each time, and `raftsup start` again
 *
 * Each client sets keys of its own and increments a counter of its own and
 * one of all.  OK: the value is there.  FAILED: it is not, and never was.
 * UNKNOWN: either.  A counter lies between its OKs and its OKs plus its
 * UNKNOWNs, and no answer repeats a number.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prng.h"
#include "tests/proc/client.h"
#include "tests/proc/cluster.h"

#define CLIENTS_MAX	16
#define INCR_EVERY	10

struct writer {
	int number;
	int ops;
	struct cluster *cluster;
	uint8_t *outcomes;	/* of op i */
	int ok, failed, unknown;
	int incr_ok, incr_unknown;	/* of its own counter */
	int all_ok, all_unknown;	/* of the common counter */
	long long last_own;
	pthread_t thread;
};

static struct {
	int nodes, ops, clients, interval_ms;
	uint64_t seed;
	const char *durability;
	bool all, supervisor;
} options = { 5, 20000, 4, 300, 1, "process", false, false };

static _Atomic int running;
static int kills, leader_kills, rounds;

static void	parse(int, char **);
static void	start(struct cluster *);
static void	*write_thread(void *);
static void	write_counters(struct writer *, struct client *);
static void	kill_loop(struct cluster *);
static void	kill_some(struct cluster *, struct prng *);
static void	verify(struct cluster *, struct writer *);
static void	verify_counters(struct client *, struct writer *);

int
main(int argc, char **argv)
{
	static struct writer writers[CLIENTS_MAX];
	static struct cluster cluster;	/* read again at exit */
	char output[4096];
	uint64_t began;
	int ok = 0, unknown = 0, failed = 0;

	parse(argc, argv);
	cluster_init(&cluster);
	start(&cluster);
	began = now_ns();
	running = options.clients;
	for (int i = 0; i < options.clients; i++) {
		writers[i].number = i;
		writers[i].ops = options.ops / options.clients;
		writers[i].cluster = &cluster;
		writers[i].outcomes = calloc((size_t)writers[i].ops, 1);
		pthread_create(&writers[i].thread, NULL, write_thread,
		    &writers[i]);
	}
	kill_loop(&cluster);
	for (int i = 0; i < options.clients; i++) {
		pthread_join(writers[i].thread, NULL);
		ok += writers[i].ok;
		failed += writers[i].failed;
		unknown += writers[i].unknown;
	}
	printf("%d OK, %d FAILED, %d UNKNOWN in %.1f s; %d kills in %d "
	    "rounds, %d of leaders\n", ok, failed, unknown,
	    (double)(now_ns() - began) / 1e9, kills, rounds, leader_kills);
	cluster_wait_whole(&cluster);
	verify(&cluster, writers);
	if (cluster_run(&cluster, output, sizeof(output), "raftck", NULL) !=
	    0) {
		die("raftck, running: %s", output);
	}
	if (cluster_run(&cluster, output, sizeof(output), "raftsup", "stop",
	    NULL) != 0) {
		die("raftsup stop: %s", output);
	}
	if (cluster_run(&cluster, output, sizeof(output), "raftck", NULL) !=
	    0) {
		die("raftck, stopped: %s", output);
	}
	if (ok == 0 || kills == 0) {
		die("nothing was tried: %d OK, %d kills", ok, kills);
	}
	printf("PASS\n");
	return 0;
}

static void
parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:o:c:i:s:D:aS")) != -1) {
		switch (option) {
		case 'n':
			options.nodes = atoi(optarg);
			break;
		case 'o':
			options.ops = atoi(optarg);
			break;
		case 'c':
			options.clients = atoi(optarg);
			break;
		case 'i':
			options.interval_ms = atoi(optarg);
			break;
		case 's':
			options.seed = strtoull(optarg, NULL, 10);
			break;
		case 'D':
			options.durability = optarg;
			break;
		case 'a':
			options.all = true;
			break;
		case 'S':
			options.supervisor = true;
			break;
		default:
			die("usage: see storm.c");
		}
	}
	if (options.nodes < 1 || options.nodes > 7 || options.clients < 1 ||
	    options.clients > CLIENTS_MAX || options.ops < options.clients ||
	    options.interval_ms < 1) {
		die("storm: an option is out of range");
	}
}

static void
start(struct cluster *cluster)
{
	char nodes[8];
	const char *args[] = { "-n", nodes, "--durability",
	    options.durability, "--election-timeout", "150-300ms",
	    "--heartbeat", "30ms", "--lease", "120ms", NULL };

	snprintf(nodes, sizeof(nodes), "%d", options.nodes);
	cluster_start(cluster, args);
}

static void *
write_thread(void *arg)
{
	struct writer *writer = arg;
	struct client client;
	char line[128];

	client_open(writer->cluster, &client);
	for (int i = 0; i < writer->ops; i++) {
		enum client_outcome outcome;

		snprintf(line, sizeof(line), "set k%d:%d v%d:%d",
		    writer->number, i, writer->number, i);
		outcome = client_ask(&client, line, NULL);
		writer->outcomes[i] = (uint8_t)outcome;
		writer->ok += outcome == CLIENT_OK;
		writer->failed += outcome == CLIENT_FAILED;
		writer->unknown += outcome == CLIENT_UNKNOWN;
		if (i % INCR_EVERY == 0) {
			write_counters(writer, &client);
		}
	}
	client_close(&client);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static void
write_counters(struct writer *writer, struct client *client)
{
	char line[64];
	long long number;
	enum client_outcome outcome;

	snprintf(line, sizeof(line), "incr own%d", writer->number);
	outcome = client_ask(client, line, &number);
	writer->incr_ok += outcome == CLIENT_OK;
	writer->incr_unknown += outcome == CLIENT_UNKNOWN;
	if (outcome == CLIENT_OK) {
		if (number <= writer->last_own) {
			die("own%d: incr answered %lld after %lld",
			    writer->number, number, writer->last_own);
		}
		writer->last_own = number;
	}
	outcome = client_ask(client, "incr all", &number);
	writer->all_ok += outcome == CLIENT_OK;
	writer->all_unknown += outcome == CLIENT_UNKNOWN;
}

static void
kill_loop(struct cluster *cluster)
{
	struct prng prng;

	prng_init(&prng, options.seed);
	/* The first kill soon: on a fast machine all is over in a moment. */
	usleep(20000);
	while (atomic_load(&running) > 0) {
		kill_some(cluster, &prng);
		usleep((useconds_t)options.interval_ms * 1000);
	}
}

/* By pid, as a user would from another terminal. */
static void
kill_some(struct cluster *cluster, struct prng *prng)
{
	struct cluster_status status;
	int count = options.all ? 8 : prng_below(prng, 8) == 0 ? 2 : 1;
	uint64_t first;
	pid_t supervisor = cluster_supervisor(cluster);

	cluster_status(cluster, &status);
	if (status.count == 0) {
		die("status names no nodes");
	}
	rounds++;
	first = prng_below(prng, (uint64_t)status.count);
	for (int i = 0; i < count && i < status.count; i++) {
		const struct cluster_node *node = &status.nodes[
		    (first + (uint64_t)i) % (uint64_t)status.count];

		if (node->pid > 0 && kill(node->pid, SIGKILL) == 0) {
			kills++;
			leader_kills += node->id == status.leader;
		}
	}
	if (options.supervisor && supervisor > 0) {
		kill(supervisor, SIGKILL);
		start(cluster);
	}
}

static void
verify(struct cluster *cluster, struct writer *writers)
{
	struct client client;
	char key[64], value[64];

	client_open(cluster, &client);
	for (int w = 0; w < options.clients; w++) {
		for (int i = 0; i < writers[w].ops; i++) {
			enum client_outcome outcome = writers[w].outcomes[i];
			bool there;

			snprintf(key, sizeof(key), "k%d:%d", w, i);
			snprintf(value, sizeof(value), "v%d:%d", w, i);
			there = client_has(&client, key, value);
			if (outcome == CLIENT_OK && !there) {
				die("%s: was answered OK, is lost", key);
			}
			if (outcome == CLIENT_FAILED && there) {
				die("%s: was answered FAILED, is there", key);
			}
		}
	}
	verify_counters(&client, writers);
	client_close(&client);
}

static void
verify_counters(struct client *client, struct writer *writers)
{
	int ok = 0, unknown = 0;
	long long number;

	for (int w = 0; w < options.clients; w++) {
		char line[64];

		snprintf(line, sizeof(line), "get own%d", w);
		number = client_number(client, line);
		if (number < writers[w].incr_ok || number >
		    writers[w].incr_ok + writers[w].incr_unknown) {
			die("own%d is %lld after %d OK, %d UNKNOWN", w,
			    number, writers[w].incr_ok,
			    writers[w].incr_unknown);
		}
		ok += writers[w].all_ok;
		unknown += writers[w].all_unknown;
	}
	number = client_number(client, "get all");
	if (number < ok || number > ok + unknown) {
		die("all is %lld after %d OK, %d UNKNOWN", number, ok,
		    unknown);
	}
}
