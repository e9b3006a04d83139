/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup export: what every node has, as files of text for other programs.
 *
 *	DIR/logs_node_N/logs.txt	one entry a line: SET color red 2
 *	DIR/logs_node_N/state.txt	one key a line: color<tab>red
 *	DIR/logs_node_N/metadata.txt	one name and its value a line
 *	DIR/logs_node_N/dump.txt	its event log
 *
 * Read from the stores, as raftsup entries does; the state is that of the last
 * checkpoint, carried forward in memory by the committed entries after it.
 * Each store is read in a child: a damaged one may be the reader's death.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/options.h"
#include "check/image.h"
#include "check/overlay.h"
#include "kv/kv.h"
#include "op/entry_text.h"
#include "op/export.h"
#include "op/merge.h"
#include "op/op.h"
#include "op/view.h"
#include "store/state.h"
#include "sup/sup.h"

#define READ_SIZE	(4u << 20)
#define FOLLOW_NS	(200 * CLOCK_NS_PER_MS)
#define FOLLOW_RESTS	4
#define AGAIN_NS	(1 * CLOCK_NS_PER_S)

struct export {
	struct view *view;
	const struct view_node *node;
	char dir[PATH_MAX];
	struct store *store;
	struct store_log_info info;
	uint64_t commit;		/* of what the store holds */
	struct state *state;
	struct overlay *overlay;
	struct kv *kv;			/* on the overlay */
	FILE *out;
	char *text;			/* of one entry or key */
	uint64_t next;			/* index to read */
	int code;			/* of what was applied */
};

/* What an export was made of, in the slot's place. */
struct seen {
	struct {
		uint32_t id;
		uint32_t state, role;
		uint64_t term, commit, first_index, last_index, durable;
		int64_t log_size;
	} as_it_is;
	uint64_t again_ns;		/* it failed: not before that */
};

static const struct option long_options[] = {
	{ "follow", no_argument, NULL, 'f' },
	{ "json", no_argument, NULL, 'j' },
	{ NULL, 0, NULL, 0 },
};

static int export_nodes(struct view *, uint32_t, const char *, struct seen *,
    json_t *);
static int export_once(struct view *, uint32_t, const char *, bool);
static void add_json(json_t *, const struct view_node *, const char *, int);
static void look(const struct view *, const struct view_node *,
    struct seen *);
static int follow(struct view *, uint32_t, const char *);
static int export_in_child(struct view *, struct view_node *, const char *,
    bool);
static int open_node(struct export *, struct err_buf *);
static void close_node(struct export *);
static int write_file(struct export *, const char *,
    int (*)(struct export *, struct err_buf *), struct err_buf *);
static int write_log(struct export *, struct err_buf *);
static int write_metadata(struct export *, struct err_buf *);
static int write_state(struct export *, struct err_buf *);
static int write_events(struct export *, struct err_buf *);

static int
export_node(struct view *view, struct view_node *node, const char *dir,
    struct err_buf *err)
{
	struct export export = { .view = view, .node = node };
	int result;

	if (snprintf(export.dir, sizeof(export.dir), "%s/logs_node_%u", dir,
	    node->id) >= (int)sizeof(export.dir) - 32) {
		return err_set(err, ERR_USAGE, "path too long: %.64s", dir);
	}
	result = fs_make_dir(export.dir, err);
	if (result == ERR_OK) {
		result = write_file(&export, "dump.txt", write_events, err);
	}
	if (result == ERR_OK) {
		result = open_node(&export, err);
	}
	if (result == ERR_OK) {
		result = write_file(&export, "logs.txt", write_log, err);
	}
	if (result == ERR_OK) {
		result = write_file(&export, "state.txt", write_state, err);
	}
	if (result == ERR_OK) {
		result = write_file(&export, "metadata.txt", write_metadata,
		    err);
	}
	close_node(&export);
	return result;
}

int
op_export(struct op *op)
{
	uint32_t ids = UINT32_MAX;
	const char *argument, *dir;
	int letter, status, count, result;
	struct err_buf err;
	struct view view;
	bool follows = false, json = false;

	while ((letter = op_option(op, "fj", long_options, &argument,
	    &status)) != -1) {
		if (letter == OP_DONE) {
			return status;
		}
		follows = follows || letter == 'f';
		json = json || letter == 'j';
	}
	if (follows && json) {
		return op_fail(64, "export: -j answers when it is done, -f is"
		    " never");
	}
	count = op->argc - op_operands();
	if (count < 1 || count > 2) {
		return op_fail(64, "export: name a directory to write to");
	}
	status = view_begin(&view, op, follows);
	if (status != 0) {
		return status;
	}
	dir = op->argv[op->argc - 1];
	result = count == 1 ? ERR_OK :
	    view_select(&view, op->argv[op_operands()], &ids, &err);
	if (result == ERR_OK) {
		result = fs_make_dir(dir, &err);
	}
	if (result != ERR_OK) {
		status = op_fail_code(result, &err);
	} else if (follows) {
		status = follow(&view, ids, dir);
	} else {
		status = export_once(&view, ids, dir, json);
	}
	view_close(&view);
	return status;
}

/* With -j it says what is there now, whatever could not be read. */
static int
export_once(struct view *view, uint32_t ids, const char *dir, bool json)
{
	json_t *done = json ? json_array() : NULL;
	int status, printed;

	status = export_nodes(view, ids, dir, NULL, done);
	printed = json ? op_print_json(json_pack("{s:o, s:o}", "dir",
	    op_json_text(dir),
	    "nodes", done)) : 0;
	return status != 0 ? status : printed;
}

/* What can be read of one is worth having without the others. With `seen`,
 * only those that are not as they were, and those that failed. */
static int
export_nodes(struct view *view, uint32_t ids, const char *dir,
    struct seen *seen, json_t *done)
{
	struct view_node *node;
	int status = 0, result;
	struct seen now;
	bool has_failed;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->id)) == 0) {
			continue;
		}
		has_failed = false;
		if (seen != NULL) {
			/* As it was before: it goes on changing. */
			look(view, node, &now);
			if (memcmp(&seen[node->slot].as_it_is,
			    &now.as_it_is, sizeof(now.as_it_is)) == 0 &&
			    clock_now_ns() < seen[node->slot].again_ns) {
				continue;
			}
			has_failed = seen[node->slot].as_it_is.id ==
			    node->id && seen[node->slot].again_ns !=
			    UINT64_MAX;
		}
		result = export_in_child(view, node, dir, has_failed);
		if (seen != NULL) {
			now.again_ns = result == 0 ? UINT64_MAX :
			    clock_now_ns() + AGAIN_NS;
			seen[node->slot] = now;
		}
		if (done != NULL) {
			add_json(done, node, dir, result);
		}
		status = result != 0 ? 74 : status;
	}
	return status;
}

static void
add_json(json_t *done, const struct view_node *node, const char *dir,
    int status)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/logs_node_%u", dir, node->id);
	json_array_append_new(done, json_pack("{s:I, s:o, s:b}", "id",
	    (json_int_t)node->id, "dir", op_json_text(path),
	    "complete", status == 0));
}

static void
look(const struct view *view, const struct view_node *node, struct seen *now)
{
	char path[PATH_MAX + 32];
	struct stat info;

	memset(now, 0, sizeof(*now));
	now->as_it_is.id = node->id;
	now->as_it_is.state = node->state;
	now->as_it_is.role = node->role;
	now->as_it_is.term = node->term;
	now->as_it_is.commit = node->commit;
	now->as_it_is.first_index = node->first_index;
	now->as_it_is.last_index = node->last_index;
	now->as_it_is.durable = node->durable;
	snprintf(path, sizeof(path), "%s/node-%u/node.log", view->dir,
	    node->id);
	now->as_it_is.log_size = stat(path, &info) == 0 ? info.st_size : 0;
}

/*
 * Until the cluster runs no more.  All of a log is written at each change, so
 * there are rests in between, longer than the work was.
 */
static int
follow(struct view *view, uint32_t ids, const char *dir)
{
	struct seen seen[CLUSTER_NODES_MAX] = { 0 };
	char path[PATH_MAX];
	struct timespec rest;
	uint64_t began_ns;
	struct err_buf err;
	int fd, result;

	if (snprintf(path, sizeof(path), "%s/export.lock", dir) >=
	    (int)sizeof(path)) {
		return op_fail(64, "path too long: %.64s", dir);
	}
	result = fs_lock_open(path, &fd, &err);
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	if (fs_lock_try(fd, 0, 1) != ERR_OK) {
		close(fd);
		return op_fail(69, "another export keeps %s up to date", dir);
	}
	do {
		began_ns = clock_now_ns();
		/* A store may be begun anew at this very moment: next time. */
		(void)export_nodes(view, ids, dir, seen, NULL);
		rest = clock_timespec(FOLLOW_NS + FOLLOW_RESTS *
		    (clock_now_ns() - began_ns));
		nanosleep(&rest, NULL);
		result = view_refresh(view, false, &err);
	} while (result == ERR_OK && view->running);
	if (result == ERR_OK) {
		result = export_nodes(view, ids, dir, seen, NULL);
	}
	close(fd);
	return result == ERR_OK ? 0 : op_fail(74, "the export has ended");
}

int
export_begin(const char *dir, const char *path, struct err_buf *err)
{
	const char *argv[] = { "raftsup", "-d", dir, "export", "-f", path,
		NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	char log[PATH_MAX + 16];
	int result;
	pid_t pid;

	snprintf(log, sizeof(log), "%s/" SUP_LOG_FILE, dir);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&actions, 0, 1);
	posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY |
	    O_APPEND | O_CREAT, 0600);
	result = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes,
	    (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return result == 0 ? ERR_OK : err_set(err, ERR_IO,
	    "cannot start the export: %s", strerror(result));
}

/* 0, or the exit status, and it was said why, unless that was said before. */
static int
export_in_child(struct view *view, struct view_node *node, const char *dir,
    bool was_said)
{
	struct rlimit none = { 0, 0 };
	pid_t pid, parent = getpid();
	struct err_buf err;
	int status = 0;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		return op_fail(74, "cannot make a process: %s",
		    strerror(errno));
	}
	if (pid == 0) {
		/* Nobody waits for it when its parent is gone. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) {
			_exit(74);
		}
		(void)setrlimit(RLIMIT_CORE, &none);
		if (export_node(view, node, dir, &err) != ERR_OK) {
			status = was_said ? 74 : op_fail(74, "node %u: %s",
			    node->id, err.text);
		}
		_exit(status);
	}
	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR) {
			return op_fail(74, "waitpid: %s", strerror(errno));
		}
	}
	if (WIFSIGNALED(status) && was_said) {
		return 74;
	}
	return WIFSIGNALED(status) ? op_fail(74, "node %u: its store cannot be"
	    " read: damaged, perhaps (signal %d)", node->id,
	    WTERMSIG(status)) : WEXITSTATUS(status);
}

/* The state first: the log then has all that it applied. */
static int
open_node(struct export *e, struct err_buf *err)
{
	uint64_t applied;
	int code = view_open_store(e->view, e->node->id, &e->store, err);

	if (code != ERR_OK) {
		return code;
	}
	code = state_open(&e->state, e->store, err);
	if (code != ERR_OK) {
		return code;
	}
	e->overlay = overlay_new(state_table(e->state));
	code = e->overlay == NULL ? ERR_NOMEM :
	    kv_new(&e->kv, overlay_table(e->overlay));
	if (code == ERR_OK) {
		code = store_freeze(e->store);
	}
	if (code == ERR_OK) {
		code = store_log_info(e->store, &e->info);
	}
	if (code == ERR_OK) {
		applied = kv_position(e->kv)->applied_index;
		e->commit = e->node->commit > applied ? e->node->commit :
		    applied;
		if (e->commit > e->info.last_index &&
		    e->info.last_index >= applied) {
			e->commit = e->info.last_index;
		}
		if (applied + 1 >= e->info.first_index &&
		    applied < e->commit) {
			code = image_replay(e->kv, e->store, e->commit);
		}
	}
	if (code == ERR_OK) {
		code = kv_flush(e->kv);
	}
	return code == ERR_OK ? ERR_OK : err_set(err, code, "its store: %s",
	    err_text(code));
}

static void
close_node(struct export *e)
{
	kv_free(e->kv);
	overlay_free(e->overlay);
	if (e->state != NULL) {
		state_close(e->state);
	}
	if (e->store != NULL) {
		store_close(e->store);
	}
	free(e->text);
}

/* Under another name first: who reads it finds the old one or all of it. */
static int
write_file(struct export *e, const char *name,
    int (*write)(struct export *, struct err_buf *), struct err_buf *err)
{
	char path[PATH_MAX + 16], temporary[PATH_MAX + 24];
	int result;

	snprintf(path, sizeof(path), "%s/%s", e->dir, name);
	snprintf(temporary, sizeof(temporary), "%s.new", path);
	e->out = fopen(temporary, "we");
	if (e->out == NULL) {
		return err_set_errno(err, "%s", temporary);
	}
	result = write(e, err);
	if (result == ERR_OK && (fflush(e->out) == EOF || ferror(e->out))) {
		result = err_set_errno(err, "%s", temporary);
	}
	fclose(e->out);
	if (result == ERR_OK && rename(temporary, path) == -1) {
		result = err_set_errno(err, "%s", path);
	}
	if (result != ERR_OK) {
		unlink(temporary);
	}
	return result;
}

/* Room for text that was `size` bytes long. */
static bool
text_for(struct export *e, size_t size)
{
	free(e->text);
	e->text = malloc(BYTES_ESCAPED_SIZE_MAX(size) + 256);
	return e->text != NULL;
}

static int
print_entry(void *arg, const struct raft_entry *entry)
{
	struct export *e = arg;

	if (!text_for(e, entry->size)) {
		e->code = ERR_NOMEM;
		return 1;
	}
	entry_text(entry, e->text, BYTES_ESCAPED_SIZE_MAX(entry->size) + 256);
	fprintf(e->out, "%s %" PRIu64 "\n", e->text, entry->term);
	e->next = entry->index + 1;
	return 0;
}

static int
write_log(struct export *e, struct err_buf *err)
{
	uint64_t before;
	int code = ERR_OK;

	e->code = ERR_OK;
	e->next = e->info.first_index;
	/* It hands out as much as fits: ask on. */
	while (code == ERR_OK && e->next <= e->info.last_index) {
		before = e->next;
		code = store_read(e->store, e->next, e->info.last_index + 1,
		    READ_SIZE, print_entry, e);
		code = code == ERR_OK ? e->code : code;
		if (code == ERR_OK && e->next == before) {
			code = ERR_CORRUPT;
		}
	}
	return code == ERR_OK ? ERR_OK : err_set(err, code,
	    "its log at %" PRIu64 ": %s", e->next, err_text(code));
}

static int
write_metadata(struct export *e, struct err_buf *err UNUSED)
{
	const struct view_node *node = e->node;
	const char *role = view_role_name(node);

	fprintf(e->out, "node %u\n", node->id);
	fprintf(e->out, "state %s\n", view_state_name(node->state));
	fprintf(e->out, "role %s\n", role == NULL ? "none" : role);
	fprintf(e->out, "term %" PRIu64 "\n", e->info.hard_state.term);
	fprintf(e->out, "vote %u\n", e->info.hard_state.vote);
	fprintf(e->out, "commit_index %" PRIu64 "\n", e->commit);
	fprintf(e->out, "applied_index %" PRIu64 "\n",
	    kv_position(e->kv)->applied_index);
	fprintf(e->out, "first_index %" PRIu64 "\n", e->info.first_index);
	fprintf(e->out, "last_index %" PRIu64 "\n", e->info.last_index);
	fprintf(e->out, "snapshot_index %" PRIu64 "\n", node->snapshot_index);
	return ERR_OK;
}

static void
print_bytes(struct export *e, struct kv_slice slice, char after)
{
	bytes_escape(e->text, slice.data, slice.size);
	fprintf(e->out, "%s%c", e->text, after);
}

static int
write_state(struct export *e, struct err_buf *err)
{
	const struct kv_table *table = overlay_table(e->overlay);
	struct kv_slice from = { NULL, 0 }, key, record, value;
	uint8_t last[KV_KEY_SIZE_MAX];
	uint64_t index;
	int code;

	while ((code = table->seek(table->arg, KV_DATA, from, from.size > 0,
	    &key, &record)) == ERR_OK) {
		code = kv_record_decode(record, &index, &value);
		if (code != ERR_OK) {
			break;
		}
		if (!text_for(e, key.size > value.size ? key.size :
		    value.size)) {
			code = ERR_NOMEM;
			break;
		}
		print_bytes(e, key, '\t');
		print_bytes(e, value, '\n');
		memcpy(last, key.data, key.size);
		from.data = last;
		from.size = key.size;
	}
	return code == ERR_NOT_FOUND ? ERR_OK : err_set(err, code,
	    "its state: %s", err_text(code));
}

static int
write_events(struct export *e, struct err_buf *err)
{
	struct merge *merge;
	int result;

	result = merge_open(&merge, e->view->dir, &e->view->cluster,
	    OPTIONS_ID_BIT(e->node->id), err);
	if (result == ERR_OK) {
		merge_print(merge, NULL, e->out);
		merge_close(merge);
	}
	return result;
}
