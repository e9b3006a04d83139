/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cluster file comes first and says "creating"; then the stores, each
 * built aside and renamed; then the file with their identities.  Who finds
 * it creating goes on where it ended: no node has run yet.
 */
#include "op/create.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/fs.h"
#include "op/seed.h"
#include "raft/raft.h"
#include "store/store.h"
#include "sup/control.h"
#include "sup/sup.h"

static int check_entries(const char *, bool *, struct err_buf *);
static int random_id(uint64_t *, struct err_buf *);
static int create_store(const struct cluster *, struct cluster_node *,
    const struct raft_configuration *, const char *, struct err_buf *);

int
create_check_dir(char *dir, size_t size, bool *exists, struct err_buf *err)
{
	char real[PATH_MAX];
	struct stat info;
	int result;

	if (stat(dir, &info) != 0) {
		if (errno != ENOENT) {
			return err_set_errno(err, "cannot look at %s", dir);
		}
		result = fs_make_dir(dir, err);
		if (result != ERR_OK) {
			return result;
		}
	}
	if (realpath(dir, real) == NULL || stat(real, &info) != 0) {
		return err_set_errno(err, "cannot look at %s", dir);
	}
	if (strlcpy(dir, real, size) >= size) {
		return err_set(err, ERR_USAGE, "path too long: %.64s...",
		    real);
	}
	if (!S_ISDIR(info.st_mode)) {
		return err_set(err, ERR_EXISTS, "%s is not a directory", dir);
	}
	if (info.st_uid != geteuid()) {
		return err_set(err, ERR_PERMISSION,
		    "%s belongs to another user (uid %u)", dir,
		    (unsigned)info.st_uid);
	}
	return check_entries(dir, exists, err);
}

/* A start that ended early may have left the files of this list. */
static int
check_entries(const char *dir, bool *exists, struct err_buf *err)
{
	static const char *const ours[] = { ".", "..", SUP_LOCK_FILE,
		SUP_PID_FILE, SUP_LOG_FILE, CONTROL_NAME,
		CLUSTER_FILE ".new" };
	char other[256] = "";
	bool unfinished = false;
	struct dirent *entry;
	size_t i;
	DIR *stream;

	*exists = false;
	stream = opendir(dir);
	if (stream == NULL) {
		return err_set_errno(err, "cannot read %s", dir);
	}
	while ((entry = readdir(stream)) != NULL) {
		if (strcmp(entry->d_name, CLUSTER_FILE) == 0) {
			*exists = true;
		}
		for (i = 0; i < COUNT_OF(ours); i++) {
			if (strcmp(entry->d_name, ours[i]) == 0) {
				break;
			}
		}
		if (strncmp(entry->d_name, SEED_PREFIX,
		    strlen(SEED_PREFIX)) == 0) {
			unfinished = true;
		} else if (i == COUNT_OF(ours)) {
			strlcpy(other, entry->d_name, sizeof(other));
		}
	}
	closedir(stream);
	if (!*exists && other[0] != '\0') {
		return err_set(err, ERR_EXISTS, "%s is not a cluster's"
		    " directory and not empty: %.64s is in the way", dir,
		    other);
	}
	if (!*exists && unfinished) {
		return err_set(err, ERR_AGAIN, "a restore into %s was not"
		    " finished: repeat it, or rm -r %s", dir, dir);
	}
	return ERR_OK;
}

int
create_cluster(struct cluster *cluster, uint32_t node_count,
    struct err_buf *err)
{
	uint32_t i;
	int result;

	for (i = 0; i < node_count; i++) {
		cluster->nodes[i].id = i + 1;
		cluster->nodes[i].slot = i;
	}
	cluster->node_count = node_count;
	result = create_ids(cluster, err);
	if (result != ERR_OK) {
		return result;
	}
	cluster->creating = true;
	cluster->clean = true;
	return fs_boot_id(cluster->boot_id, err);
}

int
create_ids(struct cluster *cluster, struct err_buf *err)
{
	uint32_t i;
	int result = random_id(&cluster->cluster_id, err);

	for (i = 0; result == ERR_OK && i < cluster->node_count; i++) {
		result = random_id(&cluster->nodes[i].store_id, err);
	}
	return result;
}

static int
random_id(uint64_t *id, struct err_buf *err)
{
	do {
		if (getrandom(id, sizeof(*id), 0) != sizeof(*id)) {
			return err_set_errno(err, "no random numbers");
		}
	} while (*id == 0);
	return ERR_OK;
}

int
create_stores(struct cluster *cluster, const char *dir, struct err_buf *err)
{
	struct raft_configuration configuration = { .index = 1 };
	uint32_t i;
	int result = ERR_OK;

	configuration.count = cluster->node_count;
	for (i = 0; i < cluster->node_count; i++) {
		configuration.servers[i].id = cluster->nodes[i].id;
		configuration.servers[i].suffrage = RAFT_VOTER;
		configuration.servers[i].store_id = cluster->nodes[i].store_id;
	}
	for (i = 0; result == ERR_OK && i < cluster->node_count; i++) {
		result = create_store(cluster, &cluster->nodes[i],
		    &configuration, dir, err);
	}
	if (result != ERR_OK) {
		return result;
	}
	CRASH_POINT("create: all stores made");
	cluster->creating = false;
	return cluster_save(cluster, dir, err);
}

int
create_joining_store(const struct cluster *cluster, struct cluster_node *node,
    const char *dir, struct err_buf *err)
{
	static const struct raft_configuration none;

	return create_store(cluster, node, &none, dir, err);
}

static int
create_store(const struct cluster *cluster, struct cluster_node *node,
    const struct raft_configuration *configuration, const char *dir,
    struct err_buf *err)
{
	struct store_identity identity = { .cluster_id = cluster->cluster_id,
		.store_id = node->store_id, .node_id = node->id };
	struct store_options options = {
		.durability = (enum store_durability)cluster->durability };
	char path[PATH_MAX];
	struct store *store;
	int result;

	snprintf(path, sizeof(path), "%s/node-%u", dir, node->id);
	result = fs_make_dir(path, err);
	if (result != ERR_OK) {
		return result;
	}
	CRASH_POINT("create: node directory made");
	result = store_create(path, &identity, configuration, &options, err);
	if (result == ERR_EXISTS) {
		/* Ours, of the start that was cut off?  Its identity says. */
		options.read_only = true;
		result = store_open(&store, path, &identity, &options, err);
		if (result == ERR_OK) {
			store_close(store);
		}
	}
	if (result != ERR_OK) {
		return result;
	}
	snprintf(path, sizeof(path), "%s/node-%u/store", dir, node->id);
	return fs_identity_read(path, &node->store, err);
}
