/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * State environments.  The log environment names the one in force; an
 * install puts another in its place while views may still read the former
 * one and a sync of it may be under way.  So each user holds a use, and the
 * former one is closed and its directory removed, off the loop, when the
 * last use has ended:
 *
 *	store->contents --> state.700	uses: store, state.c, view
 *	store->obsolete --> state.0	uses: view     -> store_sweep()
 *
 * A directory state.* that the log environment does not name is what a crash
 * left of an install, before or after its commit; store_open() removes it.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/crash.h"
#include "base/fs.h"
#include "store/snapshot.h"
#include "store/store_internal.h"

#define STATE_PREFIX "state."

static int
open_databases(struct contents *contents, bool write, bool create)
{
	static const char *const names[KV_SPACE_COUNT] = {
		[KV_DATA] = "data",
		[KV_SESSIONS] = "sessions",
		[KV_ANSWERS] = "answers",
		[KV_META] = "meta",
		[KV_EXPIRIES] = "expiries",
		[KV_EVENTS] = "events",
	};
	struct env *env = &contents->env;
	MDB_txn *txn;
	int space, rc, code;

	code = env_begin(env, write, &txn);
	if (code != ERR_OK) {
		return code;
	}
	for (space = 0; space < KV_SPACE_COUNT; space++) {
		rc = mdb_dbi_open(txn, names[space], create ? MDB_CREATE : 0,
		    &contents->spaces[space]);
		if (rc != 0) {
			mdb_txn_abort(txn);
			return env_error(env, rc, names[space]);
		}
	}
	/* Committed, also when it wrote nothing: the handles stay open. */
	return env_commit(env, txn);
}

int
contents_open(struct contents **result, struct store *store,
    struct env_shared *shared, const char *name, bool create,
    struct err_buf *err)
{
	struct env_options env_options;
	struct contents *contents;
	char path[4096];
	int code;

	*result = NULL;
	if (snprintf(path, sizeof(path), "%s/%s", store->dir, name) >=
	    (int)sizeof(path)) {
		return err_set(
		    err, ERR_TOO_LARGE, "%s: name too long", store->dir);
	}
	contents = calloc(1, sizeof(*contents));
	if (contents == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	if (create && mkdir(path, 0700) == -1) {
		free(contents);
		return err_set_errno(err, "%s", path);
	}
	store_env_options(&store->options, &env_options, true);
	env_options.create = create;
	code =
	    env_open(&contents->env, shared, path, name, &env_options, err);
	if (code != ERR_OK) {
		free(contents);
		return code;
	}
	contents->uses = 1;
	code = open_databases(contents, !store->read_only, create);
	if (code != ERR_OK) {
		contents_free(contents);
		return err_set(err, code, "%s: %s", path,
		    env_latched(shared) != 0 ? shared->text : err_text(code));
	}
	*result = contents;
	return ERR_OK;
}

void
contents_free(struct contents *contents)
{
	if (contents != NULL) {
		env_close(&contents->env);
		free(contents);
	}
}

int
contents_reopen(struct store *store, struct contents *contents)
{
	struct env_options env_options;
	char path[4096];
	int code = ERR_BUSY;

	if (!env_may_reopen() ||
	    snprintf(path, sizeof(path), "%s/%s", store->dir,
		contents->env.name) >= (int)sizeof(path)) {
		return code;
	}
	store_env_options(&store->options, &env_options, true);
	pthread_mutex_lock(&store->contents_lock);
	/* The store's use and the caller's: nobody else, nor begins to. */
	if (contents == store->contents && contents->uses == 2) {
		code = env_reopen(&contents->env, path, &env_options);
		if (code == ERR_OK) {
			code = open_databases(contents, true, false);
		}
	}
	pthread_mutex_unlock(&store->contents_lock);
	return code;
}

struct contents *
contents_get(struct store *store)
{
	struct contents *contents;

	pthread_mutex_lock(&store->contents_lock);
	contents = store->contents;
	contents->uses++;
	pthread_mutex_unlock(&store->contents_lock);
	return contents;
}

void
contents_put(struct store *store, struct contents *contents)
{
	pthread_mutex_lock(&store->contents_lock);
	assert(contents->uses > 0);
	contents->uses--;
	pthread_mutex_unlock(&store->contents_lock);
}

void
contents_replace(struct store *store, struct contents *contents)
{
	struct contents *former;

	pthread_mutex_lock(&store->contents_lock);
	former = store->contents;
	assert(former->uses > 0);
	former->uses--;
	former->next = store->obsolete;
	store->obsolete = former;
	store->contents = contents;
	pthread_mutex_unlock(&store->contents_lock);
}

void
contents_close(struct store *store)
{
	struct contents *contents;

	while ((contents = store->obsolete) != NULL) {
		assert(contents->uses == 0);
		store->obsolete = contents->next;
		contents_free(contents);
	}
	if (store->contents != NULL) {
		assert(store->contents->uses == 1);
		contents_free(store->contents);
		store->contents = NULL;
	}
}

/* Takes one that nobody uses any more off the list. */
static struct contents *
take_unused(struct store *store)
{
	struct contents **link, *contents = NULL;

	pthread_mutex_lock(&store->contents_lock);
	for (link = &store->obsolete; *link != NULL; link = &(*link)->next) {
		if ((*link)->uses == 0) {
			contents = *link;
			*link = contents->next;
			break;
		}
	}
	pthread_mutex_unlock(&store->contents_lock);
	return contents;
}

static int
remove_state(const char *dir, const char *name, struct err_buf *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
	}
	return create_remove(path, err);
}

int
store_sweep(struct store *store, struct err_buf *err)
{
	struct contents *contents;
	char name[sizeof(contents->env.name)];
	int code = ERR_OK;

	while (code == ERR_OK && (contents = take_unused(store)) != NULL) {
		memcpy(name, contents->env.name, sizeof(name));
		contents_free(contents);
		if (!store->log.synced) {
			/* The name of the new one before the old one goes. */
			code = env_sync(&store->log);
			if (code != ERR_OK) {
				return err_set(err, code, "%s",
				    store_latched(store));
			}
		}
		CRASH_POINT("snapshot: former state closed");
		code = remove_state(store->dir, name, err);
	}
	return code;
}

int
contents_sweep(const char *dir, const char *name, struct err_buf *err)
{
	struct dirent *entry;
	int code = ERR_OK;
	bool again = true;
	DIR *d;

	/* From the beginning after each: what was removed is not counted. */
	while (again && code == ERR_OK) {
		again = false;
		d = opendir(dir);
		if (d == NULL) {
			return err_set_errno(err, "%s", dir);
		}
		while ((entry = readdir(d)) != NULL) {
			if (strncmp(entry->d_name, STATE_PREFIX,
				strlen(STATE_PREFIX)) == 0 &&
			    strcmp(entry->d_name, name) != 0) {
				code = remove_state(dir, entry->d_name, err);
				again = true;
				break;
			}
		}
		closedir(d);
	}
	return code;
}
