/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking at a stopped cluster.
 */
#include "op/disaster.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "op/op.h"
#include "sup/sup.h"

int
disaster_lock(const char *dir, const struct cluster *cluster, int *fd,
    struct err_buf *err)
{
	char path[PATH_MAX + 8];
	int result;

	snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, dir);
	result = fs_lock_open(path, fd, err);
	if (result != ERR_OK) {
		return result;
	}
	if (fs_lock_try(*fd, 0, 1) != ERR_OK) {
		close(*fd);
		*fd = -1;
		return err_set(err, ERR_LOCKED,
		    "another command is at work in %s", dir);
	}
	result = sup_locks_held(cluster, dir, err);
	if (result > 0) {
		return err_set(err, ERR_NOT_APPLIED,
		    "nodes of %s still run (raftsup stop)", dir);
	}
	return result;
}

int
disaster_survey(const char *dir, const struct cluster *cluster,
    struct survey **survey, struct err_buf *err)
{
	struct survey_member members[CLUSTER_NODES_MAX];
	uint32_t i;
	int result;

	*survey = malloc(sizeof(**survey));
	if (*survey == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	for (i = 0; i < cluster->node_count; i++) {
		members[i].id = cluster->nodes[i].id;
		members[i].store_id = cluster->nodes[i].store_id;
		members[i].run_recorded = cluster->nodes[i].run_recorded;
	}
	result = survey_cluster(dir, cluster->cluster_id, members,
	    cluster->node_count, *survey, err);
	if (result != ERR_OK) {
		free(*survey);
		*survey = NULL;
	}
	return result;
}

void
disaster_print_unusable(const struct survey *survey,
    const struct cluster *cluster)
{
	const struct check_node *node;
	uint32_t i;

	for (i = 0; i < cluster->node_count; i++) {
		node = survey_find(survey, cluster->nodes[i].id);
		if (node == NULL || node->missing) {
			op_fail(0, "node %u: no store", cluster->nodes[i].id);
		} else if (!survey_is_usable(node)) {
			op_fail(0, "%s", survey_why(survey, node));
		}
	}
}
