/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a store with contents.  It is a new store, aside, that receives a
 * snapshot and installs it; then its name is changed.
 *
 *	NODE_DIR/store.new/log, state.0		as of store_create()
 *	NODE_DIR/store.new/state.N		received, verified
 *	one log transaction: the log goes on after the snapshot
 *	state.0 goes; sync; rename to NODE_DIR/store; sync NODE_DIR
 */
#include "store/plant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crash.h"
#include "base/fs.h"
#include "store/snapshot.h"
#include "store/store_internal.h"

struct plant {
	char node_dir[4096 - 16];
	char dir[4096];		/* NODE_DIR/store.new */
	struct store *store;
	struct receive *receive;
	uint8_t chain[RAFT_CHAIN_SIZE];
	bool committed;
};

int
plant_open(struct plant **result, const char *node_dir,
    const struct store_identity *identity, const struct raft_snapshot *of,
    uint64_t total, const struct store_options *options, struct err_buf *err)
{
	struct raft_configuration alone = { .index = 1, .count = 1 };
	struct plant *plant = calloc(1, sizeof(*plant));
	int code;

	*result = NULL;
	if (plant == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	if (snprintf(plant->node_dir, sizeof(plant->node_dir), "%s",
		node_dir) >= (int)sizeof(plant->node_dir)) {
		free(plant);
		return err_set(
		    err, ERR_TOO_LARGE, "%s: name too long", node_dir);
	}
	snprintf(plant->dir, sizeof(plant->dir), "%s/%s", plant->node_dir,
	    LAYOUT_DIRECTORY_NEW);
	memcpy(plant->chain, of->chain, RAFT_CHAIN_SIZE);
	/* It goes with the log when the contents are installed. */
	alone.servers[0].id = identity->node_id;
	alone.servers[0].suffrage = RAFT_VOTER;
	alone.servers[0].store_id = identity->store_id;
	code = create_aside(&plant->store, plant->node_dir, identity, &alone,
	    options, err);
	if (code == ERR_OK) {
		CRASH_POINT("plant: empty store made");
		code = receive_open(&plant->receive, plant->store, of->index,
		    of->chain, total, err);
	}
	if (code != ERR_OK) {
		plant_close(plant);
		return code;
	}
	*result = plant;
	return ERR_OK;
}

int
plant_write(
    struct plant *plant, const void *data, size_t size, struct err_buf *err)
{
	return receive_write(plant->receive, data, size, err);
}

/* The one transaction; then nobody uses the files any more. */
static int
install(struct plant *plant, const struct raft_snapshot *as,
    struct err_buf *err)
{
	struct raft_hard_state hard_state = { .term = as->term, .vote = 0 };
	struct raft_snapshot snapshot = *as;
	struct store *store = plant->store;
	int code;

	memcpy(snapshot.chain, plant->chain, RAFT_CHAIN_SIZE);
	code = store_begin(store);
	if (code == ERR_OK) {
		store_set_hard_state(store, &hard_state);
		store_install(store, &snapshot, plant->receive, true);
		code = store_commit(store);
	}
	if (code == ERR_OK) {
		code = env_sync(&store->log);
	}
	return code == ERR_OK ? ERR_OK
	                      : err_set(err, code, "%s: %s", plant->dir,
				    store_latched(store) != NULL
					? store_latched(store)
					: err_text(code));
}

static void
close_all(struct plant *plant)
{
	receive_close(plant->receive);
	plant->receive = NULL;
	store_close(plant->store);
	plant->store = NULL;
}

int
plant_commit(
    struct plant *plant, const struct raft_snapshot *as, struct err_buf *err)
{
	char name[sizeof(plant->receive->name)];
	int code;

	code = receive_finish(plant->receive, err);
	if (code == ERR_OK) {
		CRASH_POINT("plant: contents received");
		code = receive_skip(plant->receive, as->index, err);
	}
	if (code == ERR_OK) {
		code = install(plant, as, err);
	}
	if (code != ERR_OK) {
		return code;
	}
	CRASH_POINT("plant: installed");
	memcpy(name, plant->receive->name, sizeof(name));
	close_all(plant);
	code = contents_sweep(plant->dir, name, err);
	if (code == ERR_OK) {
		code = create_publish(plant->node_dir, name, err);
	}
	plant->committed = code == ERR_OK;
	return code;
}

void
plant_close(struct plant *plant)
{
	if (plant == NULL) {
		return;
	}
	close_all(plant);
	if (!plant->committed) {
		/* What is left the next creation removes. */
		(void)create_remove(plant->dir, NULL);
	}
	free(plant);
}
