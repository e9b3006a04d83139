/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log of the new cluster does not go on where the contents end, but at
 * the next multiple of SEED_INDEX_STEP: the cluster they are from may have
 * gone further than they do.  Sessions, fencing numbers and positions of
 * watches are indexes of entries, and none that this cluster gives was given
 * by that one (docs/BACKUP.md).
 */
#include "op/seed.h"

#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/fs.h"
#include "op/progress.h"
#include "store/snapshot.h"

#define SEED_INDEX_STEP	1000000000000ull

static int open_plants(struct seed *, const struct backup_info *,
    struct err_buf *);
static int publish(struct seed *, struct err_buf *);
static int move_nodes(const char *, const char *, const struct cluster *,
    struct err_buf *);
static int move_node(const char *, const char *, uint32_t, uint64_t,
    struct err_buf *);
static int remove_others(const char *, const char *, struct err_buf *);
static void aside_name(char[32], uint64_t);

int
seed_begin(struct seed *seed, const char *dir, struct cluster *cluster,
    const struct backup_info *info, struct err_buf *err)
{
	char name[32];
	int result;

	memset(seed, 0, sizeof(*seed));
	if (info->index > UINT64_MAX - 2 * SEED_INDEX_STEP) {
		return err_set(err, ERR_CORRUPT, "its last entry is %" PRIu64
		    ": no log goes on after that", info->index);
	}
	aside_name(name, cluster->cluster_id);
	strlcpy(seed->dir, dir, sizeof(seed->dir));
	if ((size_t)snprintf(seed->aside, sizeof(seed->aside), "%s/%s", dir,
	    name) >= sizeof(seed->aside) - 32) {
		seed->aside[0] = '\0';
		return err_set(err, ERR_USAGE, "path too long: %.64s...",
		    dir);
	}
	seed->cluster = cluster;
	seed->as.index = (info->index / SEED_INDEX_STEP + 1) *
	    SEED_INDEX_STEP;
	seed->as.term = info->term;
	result = fs_make_dir(seed->aside, err);
	return result == ERR_OK ? open_plants(seed, info, err) : result;
}

static int
open_plants(struct seed *seed, const struct backup_info *info,
    struct err_buf *err)
{
	struct raft_configuration *configuration = &seed->as.configuration;
	struct cluster *cluster = seed->cluster;
	struct store_options options = {
		.durability = (enum store_durability)cluster->durability };
	struct store_identity identity = {
		.cluster_id = cluster->cluster_id };
	struct raft_snapshot of = { .index = info->index,
		.term = info->term };
	char path[PATH_MAX + 32];
	uint32_t i;
	int result = ERR_OK;

	store_chain_encode(of.chain, info->chain, info->digest);
	configuration->index = seed->as.index;
	configuration->count = cluster->node_count;
	for (i = 0; result == ERR_OK && i < cluster->node_count; i++) {
		identity.node_id = cluster->nodes[i].id;
		identity.store_id = cluster->nodes[i].store_id;
		configuration->servers[i].id = identity.node_id;
		configuration->servers[i].suffrage =
		    cluster->nodes[i].learner ? RAFT_LEARNER : RAFT_VOTER;
		configuration->servers[i].store_id = identity.store_id;
		snprintf(path, sizeof(path), "%s/node-%u", seed->aside,
		    identity.node_id);
		result = fs_make_dir(path, err);
		if (result == ERR_OK) {
			result = plant_open(&seed->plants[i], path, &identity,
			    &of, info->stream_size, &options, err);
		}
	}
	return result;
}

int
seed_write(struct seed *seed, const void *data, size_t size,
    struct err_buf *err)
{
	uint32_t i;
	int result = ERR_OK;

	for (i = 0; result == ERR_OK && i < seed->cluster->node_count; i++) {
		result = plant_write(seed->plants[i], data, size, err);
	}
	return result;
}

int
seed_commit(struct seed *seed, struct err_buf *err)
{
	struct cluster *cluster = seed->cluster;
	struct cluster_node *node;
	char path[PATH_MAX + 48];
	uint32_t i;
	int result = ERR_OK;

	for (i = 0; result == ERR_OK && i < cluster->node_count; i++) {
		node = &cluster->nodes[i];
		result = plant_commit(seed->plants[i], &seed->as, err);
		if (result == ERR_OK) {
			snprintf(path, sizeof(path), "%s/node-%u/store",
			    seed->aside, node->id);
			result = fs_identity_read(path, &node->store, err);
		}
	}
	if (result == ERR_OK) {
		result = cluster_save(cluster, seed->aside, err);
	}
	return result == ERR_OK ? publish(seed, err) : result;
}

/* The one rename, and what follows from it. */
static int
publish(struct seed *seed, struct err_buf *err)
{
	char from[PATH_MAX + 32], to[PATH_MAX + 32];

	snprintf(from, sizeof(from), "%s/" CLUSTER_FILE, seed->aside);
	snprintf(to, sizeof(to), "%s/" CLUSTER_FILE, seed->dir);
	CRASH_POINT("seed: built aside");
	/* Perhaps, from here on: nothing of it is removed any more. */
	seed->published = true;
	if (rename(from, to) != 0) {
		return err_set_errno(err, "cannot rename %s", from);
	}
	CRASH_POINT("seed: cluster file in place");
	return seed_resume(seed->dir, seed->cluster, err);
}

void
seed_end(struct seed *seed)
{
	struct err_buf ignored;
	uint32_t i;

	for (i = 0; i < CLUSTER_NODES_MAX; i++) {
		plant_close(seed->plants[i]);
		seed->plants[i] = NULL;
	}
	if (seed->aside[0] != '\0' && !seed->published) {
		/* What cannot be removed now, the next attempt removes. */
		(void)fs_remove_tree(seed->aside, &ignored);
	}
}

int
seed_from(struct backup_reader *reader, const struct backup_info *info,
    const char *dir, struct cluster *cluster, struct err_buf *err)
{
	struct progress progress;
	struct seed seed;
	const void *data;
	size_t size;
	int result;

	progress_begin(&progress, "building stores", info->stream_size);
	result = seed_begin(&seed, dir, cluster, info, err);
	while (result == ERR_OK) {
		result = backup_read(reader, &data, &size, err);
		if (result == ERR_OK) {
			result = seed_write(&seed, data, size, err);
			progress_add(&progress, size);
		}
	}
	progress_end(&progress);
	if (result == ERR_NOT_FOUND) {
		result = seed_commit(&seed, err);
	}
	seed_end(&seed);
	return result;
}

/* ---- going on */

int
seed_resume(const char *dir, const struct cluster *cluster,
    struct err_buf *err)
{
	char name[32] = "", aside[PATH_MAX + 32];
	struct stat info;
	int result = ERR_OK;

	if (cluster != NULL) {
		aside_name(name, cluster->cluster_id);
		snprintf(aside, sizeof(aside), "%s/%s", dir, name);
		if (stat(aside, &info) == 0) {
			result = move_nodes(dir, aside, cluster, err);
		} else if (errno != ENOENT) {
			result = err_set_errno(err, "cannot look at %s",
			    aside);
		}
	}
	return result == ERR_OK ? remove_others(dir, name, err) : result;
}

static int
move_nodes(const char *dir, const char *aside, const struct cluster *cluster,
    struct err_buf *err)
{
	uint32_t i;
	int result;

	result = fs_sync_dir(dir, err);
	for (i = 0; result == ERR_OK && i < cluster->node_count; i++) {
		result = move_node(dir, aside, cluster->nodes[i].id,
		    cluster->cluster_id, err);
		CRASH_POINT("seed: node moved");
	}
	if (result == ERR_OK) {
		result = fs_remove_tree(aside, err);
	}
	return result == ERR_OK ? fs_sync_dir(dir, err) : result;
}

static int
move_node(const char *dir, const char *aside, uint32_t id, uint64_t cluster_id,
    struct err_buf *err)
{
	char from[PATH_MAX + 64], to[PATH_MAX + 64], before[PATH_MAX + 64];
	int result;

	snprintf(from, sizeof(from), "%s/node-%u", aside, id);
	snprintf(to, sizeof(to), "%s/node-%u", dir, id);
	snprintf(before, sizeof(before), "%s/node-%u.before-%016" PRIx64, dir,
	    id, cluster_id);
	if (access(from, F_OK) != 0) {
		return errno == ENOENT ? ERR_OK :
		    err_set_errno(err, "cannot look at %s", from);
	}
	if (rename(to, before) != 0 && errno != ENOENT) {
		return err_set_errno(err, "cannot rename %s", to);
	}
	CRASH_POINT("seed: former node put aside");
	if (rename(from, to) != 0) {
		return err_set_errno(err, "cannot rename %s", from);
	}
	result = fs_sync_dir(dir, err);
	return result == ERR_OK ? fs_sync_dir(aside, err) : result;
}

/* Directories new.* but for this one: of attempts that were cut off. */
static int
remove_others(const char *dir, const char *name, struct err_buf *err)
{
	char path[PATH_MAX + 256];
	struct dirent *entry;
	int result = ERR_OK;
	bool again = true;
	DIR *stream;

	while (again && result == ERR_OK) {
		again = false;
		stream = opendir(dir);
		if (stream == NULL) {
			return err_set_errno(err, "cannot read %s", dir);
		}
		while (!again && (entry = readdir(stream)) != NULL) {
			again = strncmp(entry->d_name, SEED_PREFIX,
			    strlen(SEED_PREFIX)) == 0 &&
			    strcmp(entry->d_name, name) != 0;
			if (again) {
				snprintf(path, sizeof(path), "%s/%s", dir,
				    entry->d_name);
			}
		}
		closedir(stream);
		if (again) {
			result = fs_remove_tree(path, err);
		}
	}
	return result;
}

static void
aside_name(char name[32], uint64_t cluster_id)
{
	snprintf(name, 32, SEED_PREFIX "%016" PRIx64, cluster_id);
}
