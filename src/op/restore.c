/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup restore: a new cluster, stopped, of a backup.  Everything is built
 * and verified aside before the directory holds a cluster (seed.h).
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/options.h"
#include "op/create.h"
#include "op/op.h"
#include "op/seed.h"
#include "sup/sup.h"

struct restore {
	struct op *op;
	const char *file;
	uint32_t node_count;		/* 0: as many voters as it had */
	enum cluster_durability durability;
	bool json;
	char dir[PATH_MAX];
	struct backup_info info;
	struct cluster cluster;
};

enum { OPTION_DURABILITY = 256 };

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "nodes", required_argument, NULL, 'n' },
	{ "durability", required_argument, NULL, OPTION_DURABILITY },
	{ NULL, 0, NULL, 0 },
};

static int read_arguments(struct restore *, int *);
static int read_option(struct restore *, int, const char *, struct err_buf *);
static int restore_fd(struct restore *, int, struct err_buf *);
static int restore_into(struct restore *, struct backup_reader *,
    struct err_buf *);
static int take_dir(struct restore *, int *, struct err_buf *);
static int build(struct restore *, struct backup_reader *, struct err_buf *);
static uint32_t voter_count(const struct raft_configuration *);
static int print_done(const struct restore *);

int
op_restore(struct op *op)
{
	struct restore restore = { .op = op, .durability = CLUSTER_POWER };
	struct err_buf err = { "" };
	int status, result, fd = STDIN_FILENO;

	if (read_arguments(&restore, &status) != 0) {
		return status;
	}
	if (strcmp(restore.file, "-") != 0) {
		fd = open(restore.file, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			return op_fail(errno == EACCES ? 77 : 74, "cannot open"
			    " %s: %s", restore.file, strerror(errno));
		}
	}
	result = restore_fd(&restore, fd, &err);
	if (fd != STDIN_FILENO) {
		close(fd);
	}
	if (result != ERR_OK) {
		return result == ERR_EXISTS ? op_fail(69, "%s", err.text) :
		    op_fail_code(result, &err);
	}
	return print_done(&restore);
}

static int
read_arguments(struct restore *restore, int *status)
{
	struct op *op = restore->op;
	const char *argument;
	struct err_buf err;
	int letter, first;

	while ((letter = op_option(op, "jn:", long_options, &argument,
	    status)) != -1) {
		if (letter == OP_DONE) {
			return OP_DONE;
		}
		if (read_option(restore, letter, argument, &err) != ERR_OK) {
			*status = op_fail(64, "%s", err.text);
			return OP_DONE;
		}
	}
	first = op_operands();
	if (op->argc - first != 1 || op->argv[first][0] == '\0') {
		*status = op_fail(64, "restore: one FILE is needed (-:"
		    " standard input)");
		return OP_DONE;
	}
	restore->file = op->argv[first];
	return 0;
}

static int
read_option(struct restore *restore, int letter, const char *argument,
    struct err_buf *err)
{
	uint64_t number;
	int result;

	if (letter == 'j') {
		restore->json = true;
		return ERR_OK;
	}
	if (letter == 'n') {
		result = options_u64("-n", argument, 1, CLUSTER_VOTERS_MAX,
		    &number, err);
		restore->node_count = result == ERR_OK ? (uint32_t)number : 0;
		return result;
	}
	if (strcmp(argument, "power") == 0) {
		return ERR_OK;
	}
	restore->durability = CLUSTER_PROCESS;
	return strcmp(argument, "process") == 0 ? ERR_OK : err_set(err,
	    ERR_USAGE, "--durability: %.64s is neither power nor process",
	    argument);
}

/* The head first: a file that is no backup leaves nothing behind. */
static int
restore_fd(struct restore *restore, int fd, struct err_buf *err)
{
	const char *name = fd == STDIN_FILENO ? "standard input" :
	    restore->file;
	struct backup_reader *reader;
	int result;

	result = backup_open(&reader, fd, name, &restore->info, err);
	if (result == ERR_OK) {
		result = restore_into(restore, reader, err);
		backup_close(reader);
	}
	return result;
}

static int
restore_into(struct restore *restore, struct backup_reader *reader,
    struct err_buf *err)
{
	bool was_there;
	int result, lock_fd = -1;

	result = op_dir(restore->op, restore->dir, sizeof(restore->dir), err);
	was_there = result == ERR_OK;
	if (result != ERR_OK && result != ERR_NOT_FOUND) {
		return result;
	}
	result = take_dir(restore, &lock_fd, err);
	if (result == ERR_OK) {
		result = build(restore, reader, err);
	}
	if (lock_fd >= 0) {
		if (result != ERR_OK && !was_there) {
			char path[PATH_MAX + 8];

			/* It goes as it came; with the lock held. */
			snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE,
			    restore->dir);
			unlink(path);
			rmdir(restore->dir);
		}
		close(lock_fd);
	}
	return result;
}

/* The directory is empty but for what a cut off restore has left. */
static int
take_dir(struct restore *restore, int *lock_fd, struct err_buf *err)
{
	char path[PATH_MAX + 16];
	bool exists;
	int result;

	result = create_check_dir(restore->dir, sizeof(restore->dir), &exists,
	    err);
	if (result != ERR_OK && result != ERR_AGAIN) {
		return result;
	}
	if (exists) {
		return err_set(err, ERR_EXISTS, "%s holds a cluster: a restore"
		    " needs a directory that is absent or empty",
		    restore->dir);
	}
	snprintf(path, sizeof(path), "%s/" SUP_LOCK_FILE, restore->dir);
	result = fs_lock_open(path, lock_fd, err);
	if (result == ERR_OK && fs_lock_try(*lock_fd, 0, 1) != ERR_OK) {
		close(*lock_fd);
		*lock_fd = -1;
		result = err_set(err, ERR_LOCKED, "another command is at work"
		    " in %s", restore->dir);
	}
	return result;
}

static int
build(struct restore *restore, struct backup_reader *reader,
    struct err_buf *err)
{
	struct cluster *cluster = &restore->cluster;
	uint32_t count = restore->node_count;
	int result;

	/* Others may have been here before we had the lock. */
	result = cluster_load(cluster, restore->dir, err);
	if (result != ERR_NOT_FOUND) {
		return err_set(err, ERR_EXISTS, "%s holds a cluster",
		    restore->dir);
	}
	result = seed_resume(restore->dir, NULL, err);
	if (result != ERR_OK) {
		return result;
	}
	if (count == 0) {
		count = voter_count(&restore->info.configuration);
	}
	memset(cluster, 0, sizeof(*cluster));
	cluster->durability = restore->durability;
	result = create_cluster(cluster, count, err);
	if (result != ERR_OK) {
		return result;
	}
	cluster->creating = false;
	return seed_from(reader, &restore->info, restore->dir, cluster, err);
}

static uint32_t
voter_count(const struct raft_configuration *configuration)
{
	uint32_t i, count = 0;

	for (i = 0; i < configuration->count; i++) {
		count += (configuration->servers[i].suffrage &
		    RAFT_VOTER) != 0;
	}
	return count == 0 ? 1 : count > CLUSTER_VOTERS_MAX ?
	    CLUSTER_VOTERS_MAX : count;
}

/* ---- the answer */

static int
print_done(const struct restore *restore)
{
	const struct backup_info *info = &restore->info;
	const struct cluster *cluster = &restore->cluster;
	time_t created = (time_t)info->created_s;
	char when[32] = "", old_id[17], new_id[17];
	struct tm tm;

	if (gmtime_r(&created, &tm) != NULL) {
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	}
	snprintf(old_id, sizeof(old_id), "%016" PRIx64, info->cluster_id);
	snprintf(new_id, sizeof(new_id), "%016" PRIx64, cluster->cluster_id);
	if (!restore->json) {
		printf("%s: %u node%s, %" PRIu64 " keys, %" PRIu64
		    " sessions, as of entry %" PRIu64 " of cluster %s, %s\n"
		    "a new cluster, %s; start it: raftsup -d %s start\n",
		    restore->dir, cluster->node_count,
		    cluster->node_count == 1 ? "" : "s", info->key_count,
		    info->session_count, info->index, old_id, when, new_id,
		    restore->dir);
		return 0;
	}
	return op_print_json(json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:I,"
	    " s:I, s:s}", "dir", op_json_text(restore->dir),
	    "cluster", new_id,
	    "from_cluster", old_id,
	    "nodes", (json_int_t)cluster->node_count,
	    "index", (json_int_t)info->index, "term", (json_int_t)info->term,
	    "keys", (json_int_t)info->key_count,
	    "sessions", (json_int_t)info->session_count, "created", when));
}
