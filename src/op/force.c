/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup start --force-new-cluster: what is left of a cluster whose majority
 * of stores is gone begins anew as another one.
 *
 * Nobody can know whether what is left has all that was acknowledged.  So all
 * stores are read and compared, what may be lost and what may come back is
 * said, and the operator decides.  The new cluster has another id and other
 * stores: what is left of the old one can never join it.
 */
#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "check/image.h"
#include "op/create.h"
#include "op/disaster.h"
#include "op/op.h"
#include "op/seed.h"
#include "op/start.h"
#include "sup/sup.h"

static int check_choice(const struct start *, const struct cluster *,
    const struct survey *);
static void print_stores(const struct survey *, const struct cluster *);
static void print_loss(const struct survey *);
static json_t *forced_json(const struct start *, const struct survey *,
    const struct cluster *);
static int ask(const struct start *);
static int make_new(struct start *, const struct cluster *,
    struct err_buf *);
static void settle_nodes(struct cluster *);
static int copy_contents(int, const struct start *, const struct cluster *,
    struct err_buf *);
static int write_bytes(void *, const void *, size_t, struct err_buf *);

int
force_new_cluster(struct start *start)
{
	struct cluster cluster;
	struct survey *survey;
	struct err_buf err;
	int result, status;

	result = cluster_load(&cluster, start->dir, &err);
	if (result == ERR_NOT_FOUND) {
		return op_fail(69, "%s holds no cluster", start->dir);
	}
	if (result == ERR_OK && cluster.creating) {
		return op_fail(69, "the cluster in %s was never started",
		    start->dir);
	}
	if (result == ERR_OK) {
		result = seed_resume(start->dir, &cluster, &err);
	}
	if (result == ERR_OK) {
		result = sup_locks_held(&cluster, start->dir, &err);
	}
	if (result > 0) {
		return op_fail(69, "nodes of %s still run (raftsup stop)",
		    start->dir);
	}
	if (result == ERR_OK) {
		result = disaster_survey(start->dir, &cluster, &survey, &err);
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	status = check_choice(start, &cluster, survey);
	if (status == 0 && start->json) {
		start->forced = forced_json(start, survey, &cluster);
		status = ask(start);
	} else if (status == 0) {
		print_stores(survey, &cluster);
		print_loss(survey);
		status = ask(start);
	}
	free(survey);
	if (status != 0) {
		return status;
	}
	result = make_new(start, &cluster, &err);
	return result == ERR_OK ? 0 : op_fail_code(result, &err);
}

/* The choice must make sense; the exit status. */
static int
check_choice(const struct start *start, const struct cluster *cluster,
    const struct survey *survey)
{
	const struct check_node *node = survey_find(survey, start->force_id);
	const struct check_node *best = survey->best;
	uint32_t i;

	for (i = 0; i < cluster->node_count &&
	    cluster->nodes[i].id != start->force_id; i++) {
	}
	if (i == cluster->node_count) {
		return op_fail(64, "--force-new-cluster %u: no such node in"
		    " this cluster", start->force_id);
	}
	if (survey->has_quorum) {
		return op_fail(69, "%u of %u stores can be read: that is"
		    " enough to go on with all that was acknowledged"
		    " (raftsup start)", survey->usable_voter_count,
		    survey->voter_count);
	}
	if (best == NULL) {
		disaster_print_unusable(survey, cluster);
		return op_fail(69, "no store can be read: restore a backup"
		    " into another directory");
	}
	if (node == NULL || !survey_is_usable(node)) {
		return op_fail(69, "--force-new-cluster %u: its store is of"
		    " no use (%s); the best one is that of node %u",
		    start->force_id, survey_why(survey, node), best->id);
	}
	if (node->log.last_term != best->log.last_term ||
	    node->log.last_index != best->log.last_index) {
		return op_fail(69, "node %u ends at entry %" PRIu64 " of term"
		    " %" PRIu64 ", node %u has more: entry %" PRIu64
		    " of term %" PRIu64 " (--force-new-cluster %u)",
		    node->id, node->log.last_index, node->log.last_term,
		    best->id, best->log.last_index, best->log.last_term,
		    best->id);
	}
	return 0;
}

static void
print_stores(const struct survey *survey, const struct cluster *cluster)
{
	const struct check_node *node;
	uint32_t i;

	for (i = 0; i < cluster->node_count; i++) {
		node = survey_find(survey, cluster->nodes[i].id);
		if (node == NULL || !survey_is_usable(node)) {
			printf("node %u: cannot be used: %s\n",
			    cluster->nodes[i].id, survey_why(survey, node));
		} else {
			printf("node %u: last entry %" PRIu64 " of term %"
			    PRIu64 ", applied %" PRIu64 "\n", node->id,
			    node->log.last_index, node->log.last_term,
			    node->position.applied_index);
		}
	}
}

static void
print_loss(const struct survey *survey)
{
	uint64_t last = survey->best->log.last_index;

	printf("%u of %u stores can be used, a majority is %u: nobody can"
	    " know what else was acknowledged\n", survey->usable_voter_count,
	    survey->voter_count, survey->quorum);
	printf("may be lost: what was acknowledged after entry %" PRIu64 "\n",
	    last);
	if (last > survey->committed) {
		printf("may come to count: entries %" PRIu64 " to %" PRIu64
		    ", which may never have been acknowledged\n",
		    survey->committed + 1, last);
	}
	fflush(stdout);
}

/* The same for programs; `cluster` is null until there is one. */
static json_t *
forced_json(const struct start *start, const struct survey *survey,
    const struct cluster *cluster)
{
	uint64_t last = survey->best->log.last_index;
	json_t *stores = json_array(), *store;
	const struct check_node *node;
	uint32_t i;

	for (i = 0; i < cluster->node_count; i++) {
		node = survey_find(survey, cluster->nodes[i].id);
		if (node == NULL || !survey_is_usable(node)) {
			store = json_pack("{s:I, s:b, s:o}", "id",
			    (json_int_t)cluster->nodes[i].id, "usable", 0,
			    "why", op_json_text(survey_why(survey,
			    node)));
		} else {
			store = json_pack("{s:I, s:b, s:I, s:I, s:I}", "id",
			    (json_int_t)node->id, "usable", 1, "last_index",
			    (json_int_t)node->log.last_index, "last_term",
			    (json_int_t)node->log.last_term, "applied",
			    (json_int_t)node->position.applied_index);
		}
		json_array_append_new(stores, store);
	}
	return json_pack("{s:n, s:I, s:o, s:I, s:I, s:I}", "cluster",
	    "node", (json_int_t)start->force_id, "stores", stores,
	    "majority", (json_int_t)survey->quorum,
	    "lost_after", (json_int_t)last, "uncertain_after",
	    (json_int_t)(last > survey->committed ? survey->committed :
	    last));
}

static int
ask(const struct start *start)
{
	char line[16] = "";

	if (start->yes) {
		return 0;
	}
	if (start->json) {
		(void)op_print_json(json_pack("{s:O}", "new_cluster",
		    start->forced));
	}
	if (start->json || !isatty(STDIN_FILENO)) {
		return op_fail(64, "nobody to ask: to go on, raftsup -d %s"
		    " start --force-new-cluster %u --yes", start->dir,
		    start->force_id);
	}
	fprintf(stderr, "Make a new cluster of what node %u has? (yes/no) ",
	    start->force_id);
	if (fgets(line, sizeof(line), stdin) == NULL ||
	    strcasecmp(line, "yes\n") != 0) {
		return op_fail(69, "nothing was changed");
	}
	return 0;
}

/* ---- making it */

static int
make_new(struct start *start, const struct cluster *old,
    struct err_buf *err)
{
	char path[PATH_MAX + 16];
	struct cluster cluster = *old;
	struct backup_reader *reader;
	struct backup_info info;
	int fd, result;
	char id[17];

	snprintf(path, sizeof(path), "%s/" SEED_PREFIX "XXXXXX", start->dir);
	fd = mkstemp(path);
	if (fd < 0) {
		return err_set_errno(err, "cannot make a file in %s",
		    start->dir);
	}
	unlink(path);
	result = copy_contents(fd, start, old, err);
	if (result == ERR_OK) {
		settle_nodes(&cluster);
		result = create_ids(&cluster, err);
	}
	cluster.losses_accepted++;
	cluster.clean = true;
	if (result == ERR_OK && lseek(fd, 0, SEEK_SET) != 0) {
		result = err_set_errno(err, "cannot read back");
	}
	if (result == ERR_OK) {
		result = backup_open(&reader, fd, "the copy", &info, err);
	}
	if (result == ERR_OK) {
		result = seed_from(reader, &info, start->dir, &cluster, err);
		backup_close(reader);
	}
	close(fd);
	if (result == ERR_OK && start->json) {
		snprintf(id, sizeof(id), "%016" PRIx64, cluster.cluster_id);
		json_object_set_new(start->forced, "cluster",
		    json_string(id));
	} else if (result == ERR_OK) {
		printf("made a new cluster, %016" PRIx64 ", of what node %u"
		    " had; the former directories are node-*.before-%016"
		    PRIx64 "\n", cluster.cluster_id, start->force_id,
		    cluster.cluster_id);
		fflush(stdout);
	}
	return result;
}

/* What was being changed is done, or over; all begin with their first run. */
static void
settle_nodes(struct cluster *cluster)
{
	uint32_t i = 0;

	while (i < cluster->node_count) {
		struct cluster_node *node = &cluster->nodes[i];

		if (node->wish == SEGMENT_WISH_LEAVE &&
		    cluster->node_count > 1) {
			cluster_take_out(cluster, node->id);
			continue;
		}
		node->learner = node->learner ||
		    node->wish == SEGMENT_WISH_LEARN;
		node->wish = SEGMENT_WISH_NONE;
		node->wish_before = SEGMENT_WISH_NONE;
		node->run_granted = 0;
		node->run_recorded = 0;
		i++;
	}
}

static int
copy_contents(int fd, const struct start *start, const struct cluster *old,
    struct err_buf *err)
{
	struct store_identity expect = { .cluster_id = old->cluster_id,
		.node_id = start->force_id };
	struct backup_target target = { write_bytes, &fd };
	struct backup_info info;
	char path[PATH_MAX + 16];
	struct image *image;
	int result;

	snprintf(path, sizeof(path), "%s/node-%u", start->dir,
	    start->force_id);
	result = image_open(&image, path, &expect, UINT64_MAX, err);
	if (result == ERR_OK) {
		image_info(image, &info);
		info.created_s = (uint64_t)time(NULL);
		result = backup_write(image_table(image), &info, &target,
		    err);
		image_close(image);
	}
	return result;
}

static int
write_bytes(void *arg, const void *data, size_t size, struct err_buf *err)
{
	return fs_write_all(*(int *)arg, data, size) == ERR_OK ? ERR_OK :
	    err_set_errno(err, "cannot write a copy of the contents");
}
