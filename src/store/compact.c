/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LMDB's files never shrink. Offline, a copy without the free pages can take
 * a file's place:
 *
 *	NODE_DIR/store.compact/store/log/data.mdb	copied and synced
 *	NODE_DIR/store.compact/store/state.0/data.mdb
 *	that store is opened and checked, and compared with the original
 *	each data.mdb is renamed over the old one, directories synced
 *
 * The journal is emptied before; the copy has the same one, by a link.
 * Old and new files hold the same records, so a crash between the renames
 * leaves a whole store of one of each. The store's directory stays the one
 * that the cluster file knows.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "store/state.h"
#include "store/store_internal.h"

#define PATH_SIZE 4096

/* DIR/store/NAME or deeper; ERR_TOO_LARGE. */
static int
join(char path[PATH_SIZE], struct err_buf *err, const char *dir,
    const char *name, const char *file)
{
	if (snprintf(path, PATH_SIZE, "%s/%s/%s%s%s", dir, LAYOUT_DIRECTORY,
		name, file[0] != '\0' ? "/" : "", file) >= PATH_SIZE) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
	}
	return ERR_OK;
}

static int
file_size(const char *path, uint64_t *size, struct err_buf *err)
{
	struct stat st;

	if (stat(path, &st) == -1) {
		return err_set_errno(err, "%s", path);
	}
	/* What it takes on the disk: blocks ahead of its end too. */
	*size = (uint64_t)st.st_blocks * 512;
	return ERR_OK;
}

static int
sync_file(const char *path, struct err_buf *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), code = ERR_OK;

	if (fd == -1) {
		return err_set_errno(err, "%s", path);
	}
	if (fsync(fd) == -1) {
		code = err_set_errno(err, "syncing %s", path);
	}
	close(fd);
	return code;
}

static int
copy_one(
    struct env *env, const char *dir, const char *name, struct err_buf *err)
{
	char path[PATH_SIZE];
	int code, rc;

	code = join(path, err, dir, name, "");
	if (code != ERR_OK) {
		return code;
	}
	if (mkdir(path, 0700) == -1) {
		return err_set_errno(err, "%s", path);
	}
	rc = mdb_env_copy2(env->mdb, path, MDB_CP_COMPACT);
	if (rc != 0) {
		return err_set(err, rc > 0 ? err_from_errno(rc) : ERR_CORRUPT,
		    "copying to %s: %s", path, mdb_strerror(rc));
	}
	code = join(path, err, dir, name, LAYOUT_DATA_FILE);
	return code == ERR_OK ? sync_file(path, err) : code;
}

static void
first_report(void *arg, const char *text)
{
	struct err_buf *err = arg;

	if (err->text[0] == '\0') {
		err_set(err, ERR_CORRUPT, "%s", text);
	}
}

/* Log and state from end to end. */
static int
check_store(struct store *store, struct err_buf *err)
{
	struct state *state;
	struct kv *kv;
	int code;

	err->text[0] = '\0';
	code = store_check(store, first_report, err);
	if (code != ERR_OK) {
		return code;
	}
	code = state_open(&state, store, err);
	if (code != ERR_OK) {
		return code;
	}
	code = kv_new(&kv, state_table(state));
	if (code == ERR_OK) {
		code = kv_verify(kv, err);
		kv_free(kv);
	} else {
		err_set(err, code, "the state: %s", err_text(code));
	}
	state_close(state);
	return code;
}

/* The copy must end where the original ends, with the same chain. */
static int
check_copy(struct store *store, const char *dir, struct err_buf *err)
{
	struct store_options options = {
		.durability = STORE_POWER,
		.read_only = true,
	};
	struct store *copy;
	struct kv_position position, copy_position;
	int code;

	code = store_open(&copy, dir, &store->identity, &options, err);
	if (code != ERR_OK) {
		return code;
	}
	code = check_store(copy, err);
	if (code == ERR_OK) {
		code = state_position(store, &position);
	}
	if (code == ERR_OK) {
		code = state_position(copy, &copy_position);
	}
	copy->tail.size = store->tail.size; /* its pages are fuller */
	if (code == ERR_OK &&
	    (memcmp(&copy->tail, &store->tail, sizeof(copy->tail)) != 0 ||
		store_run(copy) != store_run(store) ||
		memcmp(&position, &copy_position, sizeof(position)) != 0)) {
		code = err_set(
		    err, ERR_INTERNAL, "%s: differs from the original", dir);
	}
	store_close(copy);
	return code;
}

static int
link_journal(const char *node_dir, const char *dir, struct err_buf *err)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	int code;

	code = join(from, err, node_dir, LAYOUT_JOURNAL, "");
	if (code == ERR_OK) {
		code = join(to, err, dir, LAYOUT_JOURNAL, "");
	}
	if (code != ERR_OK) {
		return code;
	}
	return link(from, to) == -1 ? err_set_errno(err, "linking %s", from)
	                            : ERR_OK;
}

static int
make_copy(struct store *store, const char *node_dir, const char *dir,
    struct err_buf *err)
{
	char path[PATH_SIZE];
	int code;

	code = join(path, err, dir, "", "");
	if (code != ERR_OK) {
		return code;
	}
	if (mkdir(dir, 0700) == -1 || mkdir(path, 0700) == -1) {
		return err_set_errno(err, "%s", path);
	}
	code = link_journal(node_dir, dir, err);
	if (code == ERR_OK) {
		code = copy_one(&store->log, dir, LAYOUT_LOG, err);
	}
	if (code == ERR_OK) {
		code = copy_one(&store->contents->env, dir,
		    store->tail.state_name, err);
	}
	return code == ERR_OK ? check_copy(store, dir, err) : code;
}

static int
replace(const char *node_dir, const char *dir, const char *name,
    struct err_buf *err)
{
	char from[PATH_SIZE], to[PATH_SIZE];
	int code;

	code = join(from, err, dir, name, LAYOUT_DATA_FILE);
	if (code == ERR_OK) {
		code = join(to, err, node_dir, name, LAYOUT_DATA_FILE);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (rename(from, to) == -1) {
		return err_set_errno(err, "renaming %s", from);
	}
	return fs_sync_parent(to, err);
}

static int
measure(const char *node_dir, const char *state_name, uint64_t *log,
    uint64_t *state, struct err_buf *err)
{
	char path[PATH_SIZE];
	int code;

	code = join(path, err, node_dir, LAYOUT_LOG, LAYOUT_DATA_FILE);
	if (code == ERR_OK) {
		code = file_size(path, log, err);
	}
	if (code == ERR_OK) {
		code = join(path, err, node_dir, state_name, LAYOUT_DATA_FILE);
	}
	return code == ERR_OK ? file_size(path, state, err) : code;
}

int
store_compact(
    const char *node_dir, struct store_compaction *figures, struct err_buf *err)
{
	struct store_options options = {
		.durability = STORE_POWER,
		.read_only = true,
	};
	struct store *store;
	char dir[PATH_SIZE], state_name[sizeof(store->tail.state_name)];
	int code;

	if (snprintf(dir, sizeof(dir), "%s/%s", node_dir,
		LAYOUT_DIRECTORY_COMPACT) >= (int)sizeof(dir)) {
		return err_set(
		    err, ERR_TOO_LARGE, "%s: name too long", node_dir);
	}
	/* What the journal has is in the log environment after that. */
	options.read_only = false;
	code = store_open(&store, node_dir, NULL, &options, err);
	if (code != ERR_OK) {
		return code;
	}
	store_close(store);
	options.read_only = true;
	code = store_open(&store, node_dir, NULL, &options, err);
	if (code != ERR_OK) {
		return code;
	}
	memcpy(state_name, store->tail.state_name, sizeof(state_name));
	code = measure(node_dir, state_name, &figures->log_before,
	    &figures->state_before, err);
	if (code == ERR_OK) {
		code = check_store(store, err);
	}
	if (code == ERR_OK) {
		code = create_remove(dir, err);
	}
	if (code == ERR_OK) {
		code = make_copy(store, node_dir, dir, err);
	}
	store_close(store);
	if (code == ERR_OK) {
		code = replace(node_dir, dir, LAYOUT_LOG, err);
	}
	if (code == ERR_OK) {
		code = replace(node_dir, dir, state_name, err);
	}
	if (code != ERR_OK) {
		/* What is left is removed at the next compaction. */
		(void)create_remove(dir, NULL);
		return code;
	}
	code = measure(node_dir, state_name, &figures->log_after,
	    &figures->state_after, err);
	return code == ERR_OK ? create_remove(dir, err) : code;
}
