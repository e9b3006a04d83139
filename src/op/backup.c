/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup backup: the contents of a cluster in a file.
 *
 * Of a running one: a read of the cluster gives an index that everything
 * answered before lies at or below; a node that has committed so far, and has
 * it in its store, is chosen, a follower if there is one; its store is read
 * beside it, as raftck does.  The node does nothing for it.
 *
 *	read index R -> node with commit and disk >= R -> frozen state + log
 *	    -> FILE.new -> sync -> rename -> sync of the directory
 *
 * Of a stopped one: the best store of a quorum that can be read, up to the
 * last entry that can have been committed; nothing starts meanwhile.
 *
 * A store is read in a child: LMDB trusts the pages that it reads, and a
 * damaged one may be the reader's death.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/fs.h"
#include "base/options.h"
#include "check/image.h"
#include "check/survey.h"
#include "client/raftsup.h"
#include "op/disaster.h"
#include "op/op.h"
#include "op/progress.h"
#include "op/view.h"
#include "store/backup.h"
#include "sup/sup.h"

#define TIME_DEFAULT_NS	(30 * CLOCK_NS_PER_S)
#define LOOK_NS		(20 * CLOCK_NS_PER_MS)
#define PATIENCE_NS	(2 * CLOCK_NS_PER_S)	/* then the leader will do */
#define SYNC_SIZE	(8u << 20)
#define GROWTH_MIN	(64ull << 20)
#define NICENESS	10

struct backup {
	struct op *op;
	const char *file;
	uint64_t time_ns;
	bool json;
	struct view view;
	int lock_fd;			/* of DIR, when it is stopped */
	struct image *image;
	struct backup_info info;

	int fd;
	char path_new[PATH_MAX];	/* FILE.new */
	bool is_aside;			/* it is ours; else FILE is written */
	uint64_t unsynced;
	uint64_t growth_max;
	struct told *told;
	off_t begin;			/* in the file; -1: a pipe */
	uint32_t complained;		/* of nodes, by place */
	uint32_t damaged;		/* not to be tried again */
	struct progress progress;
};

/* What the child that reads a store has to say, in memory that both have. */
struct told {
	bool is_whole;			/* it came to its end */
	int result;
	bool is_read;			/* the store could be opened */
	struct backup_info info;
	uint64_t written;
	struct err_buf err;
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "timeout", required_argument, NULL, 't' },
	{ NULL, 0, NULL, 0 },
};

static int read_arguments(struct backup *, int *);
static int run(struct backup *);
static int copy_of_running(struct backup *, struct err_buf *);
static int read_index(struct backup *, uint64_t *, struct err_buf *);
static bool try_nodes(struct backup *, uint64_t, uint32_t, int *,
    struct err_buf *);
static int copy_of_stopped(struct backup *, struct err_buf *);
static int copy_node(struct backup *, const struct store_identity *, uint64_t,
    struct err_buf *);
static NORETURN void copy_in_child(struct backup *,
    const struct store_identity *, uint64_t);
static bool is_fault(int);
static int rewind_file(struct backup *, struct err_buf *);
static int write_file(struct backup *, struct err_buf *);
static int file_failed(const char *, const char *, struct err_buf *);
static int open_file(struct backup *, struct err_buf *);
static int open_aside(struct backup *, struct err_buf *);
static void close_file(struct backup *);
static int write_bytes(void *, const void *, size_t, struct err_buf *);
static int finish_file(struct backup *, struct err_buf *);
static uint64_t growth_limit(struct backup *);
static int print_done(const struct backup *);

int
op_backup(struct op *op)
{
	struct backup *backup = calloc(1, sizeof(*backup));
	int status;

	if (backup == NULL) {
		return op_fail(70, "out of memory");
	}
	backup->op = op;
	backup->time_ns = TIME_DEFAULT_NS;
	backup->fd = backup->lock_fd = -1;
	backup->told = mmap(NULL, sizeof(*backup->told),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (backup->told == MAP_FAILED) {
		free(backup);
		return op_fail(70, "out of memory");
	}
	if (read_arguments(backup, &status) == 0) {
		status = view_begin(&backup->view, op, false);
		if (status == 0) {
			status = run(backup);
			view_close(&backup->view);
		}
	}
	munmap(backup->told, sizeof(*backup->told));
	free(backup);
	return status;
}

static int
read_arguments(struct backup *backup, int *status)
{
	struct op *op = backup->op;
	const char *argument;
	struct err_buf err;
	int letter, first;

	while ((letter = op_option(op, "jt:", long_options, &argument,
	    status)) != -1) {
		if (letter == OP_DONE) {
			return OP_DONE;
		}
		if (letter == 'j') {
			backup->json = true;
		} else if (options_time("-t", argument, CLOCK_NS_PER_MS,
		    60 * 60 * CLOCK_NS_PER_S, &backup->time_ns, &err) !=
		    ERR_OK) {
			*status = op_fail(64, "%s", err.text);
			return OP_DONE;
		}
	}
	first = op_operands();
	if (op->argc - first != 1 || op->argv[first][0] == '\0') {
		*status = op_fail(64, "backup: one FILE is needed (-: standard"
		    " output)");
		return OP_DONE;
	}
	backup->file = op->argv[first];
	if (strcmp(backup->file, "-") == 0 && isatty(STDOUT_FILENO)) {
		*status = op_fail(64, "backup: standard output is a terminal:"
		    " name a FILE, or redirect it");
		return OP_DONE;
	}
	return 0;
}

static int
run(struct backup *backup)
{
	struct err_buf err = { "" };
	int result;

	result = open_file(backup, &err);
	backup->begin = lseek(backup->fd, 0, SEEK_CUR);
	if (result == ERR_OK && backup->view.running) {
		/* The nodes first. */
		(void)setpriority(PRIO_PROCESS, 0, NICENESS);
		result = copy_of_running(backup, &err);
	} else if (result == ERR_OK) {
		result = copy_of_stopped(backup, &err);
	}
	if (result == ERR_OK) {
		result = finish_file(backup, &err);
	}
	close_file(backup);
	if (backup->lock_fd >= 0) {
		close(backup->lock_fd);
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	return print_done(backup);
}

/* ---- whose contents, running */

static int
copy_of_running(struct backup *backup, struct err_buf *err)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t begin_ns = clock_now_ns(), now_ns, index = 0;
	uint32_t leader;
	int result;

	result = read_index(backup, &index, err);
	if (result != ERR_OK) {
		return result;
	}
	for (;;) {
		result = view_refresh(&backup->view, false, err);
		if (result != ERR_OK) {
			return result;
		}
		now_ns = clock_now_ns();
		/* The leader has enough to do. */
		leader = now_ns - begin_ns < PATIENCE_NS &&
		    backup->view.node_count > 1 ? backup->view.leader : 0;
		if (backup->view.segment != NULL &&
		    try_nodes(backup, index, leader, &result, err)) {
			return result;
		}
		if (now_ns - begin_ns >= backup->time_ns) {
			return err_set(err, ERR_TIMEOUT, "no node has entry %"
			    PRIu64 " in its store within the time (-t)", index);
		}
		nanosleep(&pause, NULL);
	}
}

/* All that was answered before this is at or below *index. */
static int
read_index(struct backup *backup, uint64_t *index, struct err_buf *err)
{
	static const char key[] = "raftsup";
	struct raftsup_options options = { .dir = backup->view.dir,
		.timeout_ns = backup->time_ns };
	struct raftsup_request request = { .operation = RAFTSUP_GET,
		.consistency = RAFTSUP_READ_INDEX, .key = key,
		.key_size = sizeof(key) - 1 };
	struct raftsup_answer answer;
	struct raftsup *handle;
	int code;

	code = raftsup_open(&handle, &options);
	if (code != RAFTSUP_OK) {
		return err_set(err, ERR_NOT_APPLIED, "%s",
		    raftsup_open_error());
	}
	code = raftsup_call(handle, &request, &answer);
	if (code == RAFTSUP_OK || code == RAFTSUP_NOT_FOUND) {
		*index = answer.index;
		code = ERR_OK;
	} else {
		code = err_set(err, code == RAFTSUP_PERMISSION ?
		    ERR_PERMISSION : ERR_NOT_APPLIED, "%.200s (a stopped"
		    " cluster can be backed up, too)", answer.text);
	}
	raftsup_close(handle);
	return code;
}

/*
 * A voter whose page says that it has committed the entry and that its own
 * store has it: then what the store has up to there is what was committed.
 * True when that is settled, one way or the other.
 */
static bool
try_nodes(struct backup *backup, uint64_t index, uint32_t not_this,
    int *result, struct err_buf *err)
{
	struct view *view = &backup->view;
	struct store_identity expect = {
		.cluster_id = view->cluster.cluster_id };
	struct segment_status status;
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if (!node->ready || (backup->damaged >> i & 1) != 0 ||
		    node->learner || node->id == not_this ||
		    node->state != SEGMENT_NODE_UP ||
		    segment_status_read(view->segment, node->slot, &status) !=
		    ERR_OK || status.id != node->id ||
		    status.commit < index || status.durable < index) {
			continue;
		}
		expect.node_id = node->id;
		*result = copy_node(backup, &expect, index, err);
		/* A store that cannot be read: another one may do. */
		if (*result == ERR_OK || *result == ERR_PERMISSION ||
		    *result == ERR_NOMEM ||
		    (backup->told->is_read && *result != ERR_CORRUPT)) {
			return true;
		}
		if (*result != ERR_AGAIN &&
		    (backup->complained >> i & 1) == 0) {
			op_fail(0, "node %u: %s", node->id, err->text);
			backup->complained |= 1u << i;
		}
		backup->damaged |= (uint32_t)(*result == ERR_CORRUPT) << i;
		*result = rewind_file(backup, err);
		if (*result != ERR_OK) {
			return true;
		}
	}
	return false;
}

/* ---- whose contents, stopped */

static int
copy_of_stopped(struct backup *backup, struct err_buf *err)
{
	const struct cluster *cluster = &backup->view.cluster;
	struct store_identity expect = { .cluster_id = cluster->cluster_id };
	struct survey *survey;
	int result;

	if (cluster->creating) {
		return err_set(err, ERR_NOT_APPLIED, "the cluster in %s was"
		    " never started", backup->view.dir);
	}
	result = disaster_lock(backup->view.dir, cluster, &backup->lock_fd,
	    err);
	if (result != ERR_OK) {
		return result;
	}
	result = disaster_survey(backup->view.dir, cluster, &survey, err);
	if (result != ERR_OK) {
		return result;
	}
	disaster_print_unusable(survey, cluster);
	if (!survey->has_quorum) {
		result = err_set(err, ERR_NOT_APPLIED, "too few stores can be"
		    " read to know what was acknowledged: %u of %u (see"
		    " raftsup start --force-new-cluster)",
		    survey->usable_voter_count, survey->best == NULL ?
		    cluster->node_count : survey->voter_count);
	} else {
		expect.node_id = survey->best->id;
		result = copy_node(backup, &expect, survey->possible, err);
	}
	free(survey);
	return result;
}

/* ---- one store's contents */

static int
copy_node(struct backup *backup, const struct store_identity *expect,
    uint64_t index, struct err_buf *err)
{
	struct told *told = backup->told;
	int status;
	pid_t pid;

	memset(told, 0, sizeof(*told));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		return err_set_errno(err, "cannot make a process");
	}
	if (pid == 0) {
		copy_in_child(backup, expect, index);
	}
	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR) {
			return err_set_errno(err, "waitpid");
		}
	}
	if (WIFSIGNALED(status) && is_fault(WTERMSIG(status))) {
		return err_set(err, ERR_CORRUPT, "node-%u/store: its trees are"
		    " damaged (signal %d while reading)", expect->node_id,
		    WTERMSIG(status));
	}
	if (WIFSIGNALED(status)) {
		told->is_read = true;	/* that it was not is not the reason */
		return err_set(err, ERR_IO, "ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	}
	if (!told->is_whole) {
		return err_set(err, ERR_INTERNAL, "the process that reads the"
		    " store of node %u failed", expect->node_id);
	}
	*err = told->err;
	backup->info = told->info;
	return told->result;
}

static bool
is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGABRT ||
	    number == SIGILL || number == SIGFPE;
}

static NORETURN void
copy_in_child(struct backup *backup, const struct store_identity *expect,
    uint64_t index)
{
	struct told *told = backup->told;
	struct rlimit none = { 0, 0 };
	char path[PATH_MAX + 16];

	/* Nobody waits for it when its parent is gone. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setrlimit(RLIMIT_CORE, &none);
	snprintf(path, sizeof(path), "%s/node-%u", backup->view.dir,
	    expect->node_id);
	told->result = image_open(&backup->image, path, expect, index,
	    &told->err);
	told->is_read = told->result == ERR_OK;
	if (told->is_read) {
		told->result = write_file(backup, &told->err);
	}
	image_close(backup->image);
	told->info = backup->info;
	told->is_whole = true;
	_exit(0);
}

/* For another store's contents. What went to a pipe cannot be taken back. */
static int
rewind_file(struct backup *backup, struct err_buf *err)
{
	uint64_t written = backup->told->written;

	if (backup->begin >= 0 ? lseek(backup->fd, 0, SEEK_CUR) ==
	    backup->begin : written == 0) {
		return ERR_OK;
	}
	if (!backup->is_aside || lseek(backup->fd, 0, SEEK_SET) != 0 ||
	    ftruncate(backup->fd, 0) != 0) {
		return err_set(err, ERR_IO, "%s has a part of a backup that"
		    " cannot be finished", backup->file);
	}
	return ERR_OK;
}

/* ---- the file */

/* A file is written under another name; a pipe or a device as it is. */
static int
open_file(struct backup *backup, struct err_buf *err)
{
	const char *file = backup->file;
	struct stat info;
	bool is_there = stat(file, &info) == 0;

	if (strcmp(file, "-") == 0) {
		backup->fd = STDOUT_FILENO;
		return ERR_OK;
	}
	if (is_there && S_ISDIR(info.st_mode)) {
		return err_set(err, ERR_IO, "%s is a directory", file);
	}
	if (is_there && !S_ISREG(info.st_mode)) {
		backup->fd = open(file, O_WRONLY | O_CLOEXEC);
		return backup->fd >= 0 ? ERR_OK :
		    file_failed("open", file, err);
	}
	if (strlen(file) + sizeof(".new") > sizeof(backup->path_new)) {
		return err_set(err, ERR_USAGE, "path too long: %.64s...",
		    file);
	}
	snprintf(backup->path_new, sizeof(backup->path_new), "%s.new", file);
	return open_aside(backup, err);
}

/* One backup at a time writes it; what a killed one has left is written
 * over. */
static int
open_aside(struct backup *backup, struct err_buf *err)
{
	const char *path = backup->path_new;
	struct stat ours, there;

	for (;;) {
		backup->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (backup->fd < 0) {
			return file_failed("make", path, err);
		}
		if (fs_lock_try(backup->fd, 0, 1) != ERR_OK) {
			return err_set(err, ERR_LOCKED, "another backup is"
			    " being written to %s", backup->file);
		}
		/* Or was it finished and renamed a moment ago? */
		if (fstat(backup->fd, &ours) == 0 && stat(path, &there) == 0 &&
		    ours.st_dev == there.st_dev &&
		    ours.st_ino == there.st_ino) {
			break;
		}
		close(backup->fd);
	}
	backup->is_aside = true;
	return ftruncate(backup->fd, 0) == 0 ? ERR_OK :
	    file_failed("write", path, err);
}

static void
close_file(struct backup *backup)
{
	if (backup->is_aside) {
		unlink(backup->path_new);
	}
	if (backup->fd > STDOUT_FILENO) {
		close(backup->fd);
	}
}

static int
write_file(struct backup *backup, struct err_buf *err)
{
	struct backup_target target = { write_bytes, backup };
	int result;

	image_info(backup->image, &backup->info);
	backup->info.created_s = (uint64_t)time(NULL);
	backup->growth_max = growth_limit(backup);
	progress_begin(&backup->progress, "backup", 0);
	result = backup_write(image_table(backup->image), &backup->info,
	    &target, err);
	progress_end(&backup->progress);
	return result;
}

/* FILE is not the cluster's: no room there is an input/output error. */
static int
file_failed(const char *what, const char *path, struct err_buf *err)
{
	int result = err_set_errno(err, "cannot %s %s", what, path);

	return result == ERR_PERMISSION ? result : ERR_IO;
}

/*
 * How much the file of the state may grow because its pages are being read:
 * as much as the contents, or half of what is free.
 */
static uint64_t
growth_limit(struct backup *backup)
{
	uint64_t limit, half;
	struct statvfs vfs;

	limit = backup->info.stream_size > GROWTH_MIN ?
	    backup->info.stream_size : GROWTH_MIN;
	if (statvfs(backup->view.dir, &vfs) == 0) {
		half = (uint64_t)vfs.f_bavail * vfs.f_frsize / 2;
		limit = half < limit ? half : limit;
	}
	return options_from_environment("RAFTSUP_BACKUP_GROWTH", limit);
}

static int
write_bytes(void *arg, const void *data, size_t size, struct err_buf *err)
{
	struct backup *backup = arg;
	uint64_t growth;

	if (fs_write_all(backup->fd, data, size) != ERR_OK) {
		return file_failed("write", backup->file, err);
	}
	backup->progress.total = backup->info.stream_size;
	progress_add(&backup->progress, size);
	backup->told->written += size;
	backup->unsynced += size;
	/* A little at a time, so that no sync of a node waits for all. */
	if (backup->unsynced >= SYNC_SIZE && backup->is_aside) {
		backup->unsynced = 0;
		if (fdatasync(backup->fd) != 0) {
			return file_failed("sync", backup->path_new, err);
		}
	}
	growth = image_growth(backup->image);
	if (growth <= backup->growth_max) {
		return ERR_OK;
	}
	return err_set(err, ERR_BUSY, "given up: the store of node %u grew by"
	    " %" PRIu64 " MiB while it was read: %s takes it too slowly",
	    backup->info.node_id, growth >> 20, backup->file);
}

static int
finish_file(struct backup *backup, struct err_buf *err)
{
	if (!backup->is_aside) {
		/* Pipes and devices do not sync. */
		return fsync(backup->fd) == 0 || errno == EINVAL ||
		    errno == EROFS || errno == ENOTSUP ? ERR_OK :
		    file_failed("sync", backup->file, err);
	}
	if (fsync(backup->fd) != 0) {
		return file_failed("sync", backup->path_new, err);
	}
	CRASH_POINT("backup: file written");
	if (rename(backup->path_new, backup->file) != 0) {
		return file_failed("rename", backup->path_new, err);
	}
	backup->is_aside = false;
	return fs_sync_parent(backup->file, err);
}

/* ---- the answer; beside the backup itself when that goes to the output */

static int
print_done(const struct backup *backup)
{
	bool to_output = strcmp(backup->file, "-") == 0;
	FILE *stream = to_output ? stderr : stdout;
	const struct backup_info *info = &backup->info;
	char id[17], digest[17];

	if (!backup->json) {
		fprintf(stream, "%s: %" PRIu64 " keys, %" PRIu64 " sessions,"
		    " %.1f MiB, as of entry %" PRIu64 " of term %" PRIu64
		    ", from node %u%s\n", to_output ? "backup" : backup->file,
		    info->key_count, info->session_count,
		    (double)backup->told->written / (1 << 20), info->index,
		    info->term, info->node_id,
		    backup->view.running ? "" : " (the cluster is stopped)");
		return 0;
	}
	snprintf(id, sizeof(id), "%016" PRIx64, info->cluster_id);
	snprintf(digest, sizeof(digest), "%016" PRIx64, info->digest);
	return op_print_json_to(stream, json_pack("{s:o, s:s, s:I, s:I, s:I,"
	    " s:I, s:I, s:I, s:s, s:b}",
	    "file", op_json_text(backup->file), "cluster", id,
	    "node", (json_int_t)info->node_id,
	    "index", (json_int_t)info->index, "term", (json_int_t)info->term,
	    "keys", (json_int_t)info->key_count,
	    "sessions", (json_int_t)info->session_count,
	    "bytes", (json_int_t)backup->told->written, "digest", digest,
	    "running", (int)backup->view.running));
}
