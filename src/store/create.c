/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a store.  It is built under another name and renamed when all of
 * it is on the disk: a name that exists is a whole store.  What a crashed
 * creation left under the other name is removed at the next one.
 *
 *	NODE_DIR/store.new/log/data.mdb      identity, run 0, term 1, entry 1
 *	NODE_DIR/store.new/journal           nothing; all its blocks written
 *	NODE_DIR/store.new/state.0/data.mdb  empty tables
 *	sync files, directories; rename to NODE_DIR/store; sync NODE_DIR
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crash.h"
#include "base/fs.h"
#include "store/store_internal.h"

int
create_remove(const char *dir, struct err_buf *err)
{
	return fs_remove_tree(dir, err);
}

static int
first_entry(struct store *store, const struct raft_configuration *configuration)
{
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_hard_state hard_state = { .term = 1, .vote = 0 };
	struct raft_entry entry = {
		.index = 1,
		.term = 1,
		.type = RAFT_ENTRY_CONFIGURATION,
		.data = data,
	};

	/* One that joins a cluster knows of no server, and has no log. */
	entry.size = raft_configuration_encode(configuration, data);
	entry.checksum = raft_entry_checksum(entry.type, data, entry.size);
	store_set_hard_state(store, &hard_state);
	if (configuration->count > 0) {
		store_append(store, &entry, 1);
	}
	return store->sticky;
}

static int
fill_log(struct store *store, const struct store_identity *identity,
    const struct raft_configuration *configuration)
{
	struct layout_format format = {
		.magic = LAYOUT_MAGIC,
		.version = LAYOUT_VERSION,
	};
	struct layout_identity id = {
		.cluster_id = identity->cluster_id,
		.store_id = identity->store_id,
		.node_id = identity->node_id,
	};
	struct layout_run run = { .run = 0 };
	struct layout_snapshot snapshot = { .index = 0 };
	struct layout_journal journal = { .sequence = 0 };
	struct {
		const char *name;
		void *record;
		size_t size;
	} records[] = {
		{ LAYOUT_KEY_FORMAT, &format, sizeof(format) },
		{ LAYOUT_KEY_IDENTITY, &id, sizeof(id) },
		{ LAYOUT_KEY_RUN, &run, sizeof(run) },
		{ LAYOUT_KEY_SNAPSHOT, &snapshot, sizeof(snapshot) },
		{ LAYOUT_KEY_JOURNAL, &journal, sizeof(journal) },
	};
	size_t i;
	int code;

	memcpy(snapshot.state_name, LAYOUT_STATE, sizeof(LAYOUT_STATE));
	code = store_begin(store);
	if (code != ERR_OK) {
		return code;
	}
	code = store_open_databases(store, store->txn, true);
	for (i = 0; i < COUNT_OF(records) && code == ERR_OK; i++) {
		code = store_put_meta(store, store->txn, records[i].name,
		    records[i].record, records[i].size);
	}
	if (code == ERR_OK) {
		code = first_entry(store, configuration);
	}
	if (code != ERR_OK) {
		store_abort(store);
		return code;
	}
	code = store_commit(store);
	return code == ERR_OK ? env_sync(&store->log) : code;
}

static int
make_log(struct store *store, const char *dir,
    const struct store_options *options, struct err_buf *err)
{
	struct env_options env_options;
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", dir, LAYOUT_LOG) >=
	    (int)sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
	}
	if (mkdir(path, 0700) == -1) {
		return err_set_errno(err, "%s", path);
	}
	store_env_options(options, &env_options, false);
	env_options.read_only = false;
	env_options.create = true;
	return env_open(
	    &store->log, &store->shared, path, LAYOUT_LOG, &env_options, err);
}

static int
build(struct store *store, const char *dir,
    const struct store_identity *identity,
    const struct raft_configuration *configuration,
    const struct store_options *options, struct err_buf *err)
{
	int code;

	code = make_log(store, dir, options, err);
	if (code != ERR_OK) {
		return code;
	}
	CRASH_POINT("create: log environment made");
	store->log_open = true;
	/* It is not open here: all goes into the log environment. */
	code = journal_file_create(dir, identity, err);
	if (code != ERR_OK) {
		return code;
	}
	CRASH_POINT("create: journal made");
	code = contents_open(&store->contents, store, &store->shared,
	    LAYOUT_STATE, true, err);
	if (code != ERR_OK) {
		return code;
	}
	code = fill_log(store, identity, configuration);
	if (code == ERR_OK) {
		CRASH_POINT("create: log filled");
		code = env_sync(&store->contents->env);
	}
	if (code != ERR_OK) {
		return err_set(err, code, "%s: %s", dir,
		    store_latched(store) != NULL ? store_latched(store)
						 : err_text(code));
	}
	return ERR_OK;
}

static int
sync_directories(const char *dir, const char *state_name, struct err_buf *err)
{
	const char *names[] = { LAYOUT_LOG, state_name, "." };
	char path[4096 + 48];
	size_t i;
	int code;

	for (i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		code = fs_sync_dir(path, err);
		if (code != ERR_OK) {
			return code;
		}
	}
	return ERR_OK;
}

static int
join(char path[4096], const char *node_dir, const char *name,
    struct err_buf *err)
{
	return snprintf(path, 4096, "%s/%s", node_dir, name) < 4096
	           ? ERR_OK
	           : err_set(err, ERR_TOO_LARGE, "%s: name too long",
			 node_dir);
}

int
create_aside(struct store **result, const char *node_dir,
    const struct store_identity *identity,
    const struct raft_configuration *configuration,
    const struct store_options *options, struct err_buf *err)
{
	char path[4096], dir[4096];
	struct store *store;
	struct stat st;
	int code;

	*result = NULL;
	code = join(path, node_dir, LAYOUT_DIRECTORY, err);
	if (code == ERR_OK) {
		code = join(dir, node_dir, LAYOUT_DIRECTORY_NEW, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (lstat(path, &st) == 0) {
		return err_set(err, ERR_EXISTS, "%s: exists already", path);
	} else if (errno != ENOENT) {
		return err_set_errno(err, "%s", path);
	}
	code = create_remove(dir, err);
	if (code != ERR_OK) {
		return code;
	}
	store = store_new(dir, options);
	if (store == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	store->options.read_only = store->read_only = false;
	code = mkdir(dir, 0700) == -1
	           ? err_set_errno(err, "%s", dir)
	           : build(store, dir, identity, configuration, options, err);
	if (code != ERR_OK) {
		store_close(store);
		/* What is left the next creation removes. */
		(void)create_remove(dir, NULL);
		return code;
	}
	*result = store;
	return ERR_OK;
}

int
create_publish(
    const char *node_dir, const char *state_name, struct err_buf *err)
{
	char path[4096], path_new[4096];
	int code;

	code = join(path, node_dir, LAYOUT_DIRECTORY, err);
	if (code == ERR_OK) {
		code = join(path_new, node_dir, LAYOUT_DIRECTORY_NEW, err);
	}
	if (code == ERR_OK) {
		code = sync_directories(path_new, state_name, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	CRASH_POINT("create: store built");
	if (rename(path_new, path) == -1) {
		return err_set_errno(err, "renaming %s", path_new);
	}
	CRASH_POINT("create: store renamed");
	return fs_sync_dir(node_dir, err);
}

int
store_create(const char *node_dir, const struct store_identity *identity,
    const struct raft_configuration *configuration,
    const struct store_options *options, struct err_buf *err)
{
	struct store *store;
	int code;

	code = create_aside(
	    &store, node_dir, identity, configuration, options, err);
	if (code != ERR_OK) {
		return code;
	}
	store_close(store);
	return create_publish(node_dir, LAYOUT_STATE, err);
}
