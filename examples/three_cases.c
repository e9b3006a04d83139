/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Three nodes, three cases: N1, the least patient, is elected; "data1" is
 * replicated; N1 fails, and N2 or N3 takes over.  First the two RPCs by hand,
 * on a node that does not run.
 *
 *	$ examples/three_cases
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "raft_node.h"

#define NODES	3
#define WAIT_S	60		/* in vain */

static struct raft_node *nodes[NODES];
static pthread_t threads[NODES];

static void *
run(void *node)
{
	raft_node_run(node);
	return NULL;
}

static void
fail(const char *what)
{
	printf("FAIL: %s\n", what);
	exit(1);
}

static void
look_again(time_t since, const char *what)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	if (time(NULL) - since > WAIT_S) {
		fail(what);
	}
	nanosleep(&pause, NULL);
}

/* Proposes to whoever leads, if there is something to propose; who it was. */
static uint32_t
leader_takes(const char *text)
{
	time_t since = time(NULL);
	uint32_t i;

	for (;; look_again(since, "no leader")) {
		for (i = 0; i < NODES; i++) {
			if (raft_node_role(nodes[i]) == RAFT_LEADER &&
			    (text == NULL ||
			    raft_node_propose(nodes[i], text))) {
				return i;
			}
		}
	}
}

/* Until all but one (NODES: all) have applied just that. */
static void
wait_for_log(uint32_t but, const char *wanted)
{
	time_t since = time(NULL);
	char *text;
	bool same;
	uint32_t i;

	for (i = 0; i < NODES; i++) {
		if (i == but) {
			continue;
		}
		do {
			text = raft_node_applied(nodes[i]);
			same = strcmp(text, wanted) == 0;
			free(text);
			if (!same) {
				look_again(since, "the log is not the same");
			}
		} while (!same);
		printf("N%u has applied: %s\n", i + 1, wanted);
	}
}

static void
rpcs_by_hand(void)
{
	static const uint64_t election_ms[][2] = { { 1000, 3000 } };
	struct raft_entry entry = {
		.term = 4, .type = RAFT_ENTRY_COMMAND, .size = 5,
		.data = "hello",
	};
	struct raft_node *node = raft_node_new(1, 3);
	struct raft_node_reply reply;
	char *text;

	if (node == NULL || !raft_node_join(&node, 1, election_ms, 300)) {
		fail("no node");
	}
	printf("RPCs by hand: node 1 is in term 3\n");
	reply = raft_node_request_vote(node, 2, 2, 9, 2);
	printf("RequestVote, term 2: %s, term %llu\n", reply.success ?
	    "granted" : "denied", (unsigned long long)reply.term);
	reply = raft_node_request_vote(node, 4, 2, 9, 2);
	printf("RequestVote, term 4: %s, term %llu\n", reply.success ?
	    "granted" : "denied", (unsigned long long)reply.term);
	reply = raft_node_append_entries(node, 4, 2, 7, 2, &entry, 1, 0);
	printf("AppendEntries after 7: %s\n", reply.success ? "done" :
	    "refused, its log has no entry 7");
	reply = raft_node_append_entries(node, 4, 2, 0, 0, &entry, 1, 1);
	text = raft_node_applied(node);
	printf("AppendEntries after 0: %s, applied: %s\n", reply.success ?
	    "done" : "refused", text);
	free(text);
	raft_node_free(node);
}

int
main(void)
{
	static const uint64_t election_ms[NODES][2] = {
		{ 1000, 1200 }, { 2000, 3000 }, { 2000, 3000 },
	};
	uint32_t i, first, next;

	setvbuf(stdout, NULL, _IOLBF, 0);
	rpcs_by_hand();
	for (i = 0; i < NODES; i++) {
		nodes[i] = raft_node_new(i + 1, 0);
		if (nodes[i] == NULL) {
			fail("no memory");
		}
	}
	if (!raft_node_join(nodes, NODES, election_ms, 300)) {
		fail("no cluster");
	}

	printf("\nCase 1: an election\n");
	for (i = 0; i < NODES; i++) {
		if (pthread_create(&threads[i], NULL, run, nodes[i]) != 0) {
			fail("no thread");
		}
	}
	(void)leader_takes(NULL);

	printf("\nCase 2: replication of \"data1\"\n");
	first = leader_takes("data1");
	printf("N%u takes it\n", first + 1);
	wait_for_log(NODES, "data1");

	printf("\nCase 3: N%u fails\n", first + 1);
	raft_node_stop(nodes[first]);
	pthread_join(threads[first], NULL);
	next = leader_takes("data2");
	printf("N%u takes \"data2\"\n", next + 1);
	wait_for_log(first, "data1 data2");

	for (i = 0; i < NODES; i++) {
		raft_node_stop(nodes[i]);
		if (i != first) {
			pthread_join(threads[i], NULL);
		}
	}
	for (i = 0; i < NODES; i++) {
		raft_node_free(nodes[i]);
	}
	return 0;
}
