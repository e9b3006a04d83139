/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Votes. A node keeps only its last one, so a double vote is seen by what it
 * made possible: somebody led a term, which entries of that term prove, but
 * nobody can have had a quorum of votes in it.
 *
 *	term of the node	its vote in term T
 *	below T			it did not vote in T
 *	T			the one that it keeps
 *	above T			not known: may have been for anybody
 *
 * The first entry of the log was there before there was a leader, and so was
 * what the stores of a restored cluster began with: of logs without entries
 * nothing is asked.
 */
#include <inttypes.h>
#include <string.h>

#include "check/check_internal.h"

/* The most votes that one candidate can have had in this term. */
static uint32_t
votes_at_most(const struct check_result *result,
    const struct raft_configuration *configuration, uint64_t term)
{
	uint32_t count[RAFT_SERVERS_MAX] = { 0 };
	uint32_t unknown = 0, most = 0, i, k;
	const struct check_node *node;

	for (i = 0; i < configuration->count; i++) {
		if ((configuration->servers[i].suffrage & RAFT_VOTER) == 0) {
			continue;
		}
		node = NULL;
		for (k = 0; k < result->node_count; k++) {
			if (result->nodes[k].id ==
			    configuration->servers[i].id) {
				node = &result->nodes[k];
			}
		}
		if (node == NULL || !check_is_usable(node) ||
		    node->log.hard_state.term > term) {
			unknown++;
			continue;
		}
		for (k = 0; k < configuration->count; k++) {
			count[k] += node->log.hard_state.term == term &&
			            node->log.hard_state.vote ==
			                configuration->servers[k].id;
		}
	}
	for (k = 0; k < configuration->count; k++) {
		most = count[k] > most ? count[k] : most;
	}
	return most + unknown;
}

static uint32_t
quorum_of(const struct raft_configuration *configuration)
{
	uint32_t i, voters = 0;

	for (i = 0; i < configuration->count; i++) {
		voters +=
		    (configuration->servers[i].suffrage & RAFT_VOTER) != 0;
	}
	return voters / 2 + 1;
}

static void
check_vote_known(struct check_result *result,
    const struct raft_configuration *configuration,
    const struct check_node *node)
{
	uint32_t vote = node->log.hard_state.vote, i;
	struct check_finding *finding;

	for (i = 0; i < configuration->count; i++) {
		if (vote == configuration->servers[i].id) {
			return;
		}
	}
	if (vote != 0) {
		finding = check_add(result, CHECK_VOTE, node,
		    "node %" PRIu32 ": voted in term %" PRIu64
		    " for node %" PRIu32 ", which is not in the cluster",
		    node->id, node->log.hard_state.term, vote);
		finding->term = node->log.hard_state.term;
	}
}

int
check_votes(struct check_result *result, struct err_buf *err)
{
	struct raft_configuration configuration;
	struct check_finding *finding;
	struct check_node *node;
	uint64_t terms[CHECK_NODES_MAX];
	uint32_t most, i;
	int code;

	if (!check_one_configuration(result, &configuration)) {
		return ERR_OK;
	}
	/* The last terms of the logs as seen so far; then later votes. */
	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		terms[i] = check_is_usable(node) && node->log.last_index > 1 &&
		                       node->log.last_index >=
		                           node->log.first_index
		               ? node->log.last_term
		               : 0;
	}
	for (i = 0; i < result->node_count; i++) {
		node = &result->nodes[i];
		if (!check_is_usable(node)) {
			continue;
		}
		code = check_freeze(node, err);
		if (code != ERR_OK) {
			return code;
		}
		check_vote_known(result, &configuration, node);
	}
	for (i = 0; i < result->node_count; i++) {
		if (terms[i] == 0) {
			continue;
		}
		most = votes_at_most(result, &configuration, terms[i]);
		if (most < quorum_of(&configuration)) {
			finding = check_add(result, CHECK_VOTE,
			    &result->nodes[i],
			    "node %" PRIu32 ": has entries of term %" PRIu64
			    ", in which nobody can have had more than %" PRIu32
			    " votes",
			    result->nodes[i].id, terms[i], most);
			finding->term = terms[i];
		}
	}
	return ERR_OK;
}
