/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at stores whose cluster is stopped, for those who make a backup or
 * another cluster of them.  A store that is not the one that is recorded, or
 * an older copy of it, may lack what it has acknowledged, and counts as one
 * that cannot be read.
 */
#include "check/survey.h"

#include <inttypes.h>
#include <string.h>

#include "check/check_internal.h"
#include "raft/quorum.h"

static void
reject(struct survey *survey, struct check_node *node, const char *why)
{
	node->damaged = true;
	check_add(&survey->result, CHECK_IDENTITY, node, "node %" PRIu32 ": %s",
	    node->id, why);
}

static void
compare_record(struct survey *survey, struct check_node *node,
    uint64_t cluster_id, const struct survey_member *member)
{
	if (node->missing || node->damaged) {
		return;
	}
	if (member == NULL) {
		reject(survey, node, "is not recorded in the cluster file");
	} else if (node->identity.cluster_id != cluster_id) {
		reject(survey, node, "its store is of another cluster");
	} else if (node->identity.node_id != node->id ||
		   node->identity.store_id != member->store_id) {
		reject(survey, node, "its store is not the recorded one");
	} else if (node->run < member->run_recorded) {
		reject(survey, node, "its store is an old copy");
	}
}

static bool
is_newer(const struct check_node *node, const struct check_node *than)
{
	if (than == NULL || node->log.last_term != than->log.last_term) {
		return than == NULL ||
		       node->log.last_term > than->log.last_term;
	}
	return node->log.last_index > than->log.last_index;
}

/* The last index up to which the best log and this one are the same. */
static int
common_index(const struct survey *survey, const struct check_node *node,
    uint64_t *index, struct err_buf *err)
{
	uint64_t last, difference;
	int code;

	code = check_first_difference(
	    survey->best, node, &difference, &last, err);
	*index = difference - 1;
	return code;
}

static int
find_possible(struct survey *survey, struct err_buf *err)
{
	const struct raft_configuration *configuration =
	    &survey->configuration;
	struct quorum_set usable, none;
	uint64_t reached[RAFT_SERVERS_MAX];
	const struct check_node *node;
	bool voter;
	uint32_t i;
	int code = ERR_OK;

	quorum_set_clear(&usable);
	quorum_set_clear(&none);
	for (i = 0; i < configuration->count && code == ERR_OK; i++) {
		node = survey_find(survey, configuration->servers[i].id);
		reached[i] = UINT64_MAX;
		voter = (configuration->servers[i].suffrage & RAFT_VOTER) != 0;
		survey->voter_count += voter;
		if (node == NULL || !survey_is_usable(node) ||
		    node->identity.store_id !=
		        configuration->servers[i].store_id) {
			continue;
		}
		quorum_set_add(&usable, node->id);
		survey->usable_voter_count += voter;
		code = common_index(survey, node, &reached[i], err);
	}
	survey->quorum = quorum_size(configuration);
	survey->has_quorum =
	    quorum_vote(configuration, &usable, &none) == QUORUM_WON;
	survey->possible = quorum_reached(configuration, reached);
	if (survey->possible > survey->best->log.last_index) {
		survey->possible = survey->best->log.last_index;
	}
	return code;
}

/* With the stores open. */
static int
look(struct survey *survey, struct err_buf *err)
{
	struct check_node *node;
	struct raft_boot boot;
	uint32_t i;
	int code;

	for (i = 0; i < survey->result.node_count; i++) {
		node = &survey->result.nodes[i];
		if (!survey_is_usable(node)) {
			continue;
		}
		survey->usable_count++;
		if (is_newer(node, survey->best)) {
			survey->best = node;
		}
		if (node->position.applied_index > survey->committed) {
			survey->committed = node->position.applied_index;
		}
	}
	if (survey->best == NULL) {
		return ERR_OK;
	}
	code = store_boot(survey->best->store, &boot);
	if (code != ERR_OK || boot.configuration_count == 0) {
		return err_set(err, code != ERR_OK ? code : ERR_CORRUPT,
		    "node %" PRIu32 ": it has no configuration",
		    survey->best->id);
	}
	survey->configuration =
	    boot.configurations[boot.configuration_count - 1];
	store_free_boot(&boot);
	return find_possible(survey, err);
}

int
survey_cluster(const char *dir, uint64_t cluster_id,
    const struct survey_member *members, uint32_t member_count,
    struct survey *survey, struct err_buf *err)
{
	struct check_result *result = &survey->result;
	uint32_t i, k;
	int code;

	memset(survey, 0, sizeof(*survey));
	code = check_open(dir, true, result, err);
	for (i = 0; i < result->node_count && code == ERR_OK; i++) {
		for (k = 0; k < member_count &&
			    members[k].id != result->nodes[i].id;
		     k++) {
		}
		compare_record(survey, &result->nodes[i], cluster_id,
		    k < member_count ? &members[k] : NULL);
	}
	if (code == ERR_OK) {
		code = look(survey, err);
	}
	check_close(result);
	return code;
}

bool
survey_is_usable(const struct check_node *node)
{
	return !node->missing && !node->damaged;
}

const struct check_node *
survey_find(const struct survey *survey, uint32_t id)
{
	uint32_t i;

	for (i = 0; i < survey->result.node_count; i++) {
		if (survey->result.nodes[i].id == id) {
			return &survey->result.nodes[i];
		}
	}
	return NULL;
}

const char *
survey_why(const struct survey *survey, const struct check_node *node)
{
	uint32_t i;

	if (node == NULL || node->missing) {
		return "no store";
	}
	for (i = 0; i < survey->result.finding_count &&
		    i < CHECK_FINDINGS_MAX;
	     i++) {
		if (survey->result.findings[i].node == node->id) {
			return survey->result.findings[i].text;
		}
	}
	return "cannot be read";
}
