/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a state environment from a stream.
 *
 * Records come in order of space and key, so LMDB fills its pages from left
 * to right (MDB_APPEND), and refuses what is out of order.  A few MiB at most
 * are committed together: a transaction's pages are memory.  Where a commit is
 * no sync the disk begins with them at once, so that the sync in the end, after
 * all has been verified, has little left to do.
 */
#include "store/receive.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/fs.h"
#include "kv/kv.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/store_internal.h"
#include "store/stream.h"

/*
 * Bytes of records in a transaction.  Where its commit is no sync: few, which
 * are in the processor's cache when they are written, and which keep nobody
 * waiting for the processor.
 */
#define COMMIT_SIZE (8u << 20)
#define COMMIT_SIZE_UNSYNCED (512u << 10)
#define WRITE_SIZE (8u << 20) /* so much is given to the disk at once */

static int take_head(void *, const struct stream_head *, const char **);
static int take_record(void *, const struct stream_record *, const uint8_t *,
    const uint8_t *, const char **);

static int
told(struct receive *receive, int code, const char *what, struct err_buf *err)
{
	const struct env_shared *shared = &receive->shared;

	return err_set(err, code, "%s: %s", receive->name,
	    what != NULL                ? what
	    : env_latched(shared) != 0 ? shared->text
				       : err_text(code));
}

/* LMDB takes a little more than the stream has; others need room too. */
static int
check_disk(struct store *store, uint64_t total, struct err_buf *err)
{
	uint64_t need = total + total / 4 + 2 * store->log.reserve_size;
	struct statvfs vfs;

	if (statvfs(store->dir, &vfs) == -1) {
		return err_set_errno(err, "%s", store->dir);
	}
	if ((uint64_t)vfs.f_bavail * vfs.f_frsize < need) {
		return err_set(err, ERR_FULL,
		    "%s: a snapshot of %llu bytes does not fit on the disk",
		    store->dir, (unsigned long long)total);
	}
	return ERR_OK;
}

/* What an earlier attempt left, if it was not removed. */
static int
remove_directory(struct receive *receive, struct err_buf *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", receive->store->dir,
		receive->name) >= (int)sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long",
		    receive->store->dir);
	}
	return create_remove(path, err);
}

int
receive_open(struct receive **result, struct store *store, uint64_t index,
    const uint8_t chain[RAFT_CHAIN_SIZE], uint64_t total, struct err_buf *err)
{
	struct receive *receive;
	int code;

	*result = NULL;
	code = check_disk(store, total, err);
	if (code != ERR_OK) {
		return code;
	}
	receive = calloc(1, sizeof(*receive));
	if (receive == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	env_shared_init(&receive->shared);
	receive->store = store;
	receive->index = index;
	receive->total = total;
	memcpy(receive->chain, chain, RAFT_CHAIN_SIZE);
	stream_parts_init(&receive->parts);
	receive->parts.begin = take_head;
	receive->parts.record = take_record;
	receive->parts.arg = receive;
	snprintf(receive->name, sizeof(receive->name), "state.%llu",
	    (unsigned long long)index);
	/* Never the one in force: an install only goes forward. */
	if (store_names(store, receive->name)) {
		code = err_set(err, ERR_EXISTS, "%s is in use", receive->name);
		receive->named = true;
	}
	if (code == ERR_OK) {
		code = remove_directory(receive, err);
	}
	if (code == ERR_OK) {
		code = contents_open(&receive->contents, store,
		    &receive->shared, receive->name, true, err);
	}
	if (code != ERR_OK) {
		receive_close(receive);
		return code;
	}
	*result = receive;
	return ERR_OK;
}

/* ---------------------------------------------------------------- writing */

static int
commit(struct receive *receive)
{
	struct env *env = &receive->contents->env;
	MDB_txn *txn = receive->txn;
	int code;

	if (txn == NULL) {
		return ERR_OK;
	}
	receive->txn = NULL;
	receive->cursor = NULL; /* LMDB closes it with the transaction */
	/* Before, so that a full disk costs no failed write. */
	if (env_room(env, receive->txn_size, 0) == STORE_ROOM_OUT) {
		mdb_txn_abort(txn);
		return env_latched(&receive->shared) != 0
		           ? env_latched(&receive->shared)
		           : ERR_FULL;
	}
	receive->unwritten += receive->txn_size;
	receive->txn_size = 0;
	code = env_commit(env, txn);
	if (code == ERR_OK && receive->unwritten >= WRITE_SIZE) {
		env_write_out(env);
		receive->unwritten = 0;
	}
	return code;
}

/* A transaction, with a cursor in the space of the record. */
static int
prepare(struct receive *receive, enum kv_space space)
{
	struct env *env = &receive->contents->env;
	int rc, code;

	if (receive->txn_size >=
	    (env->synced ? COMMIT_SIZE : COMMIT_SIZE_UNSYNCED)) {
		code = commit(receive);
		if (code != ERR_OK) {
			return code;
		}
	}
	if (receive->txn == NULL) {
		code = env_begin(env, true, &receive->txn);
		if (code != ERR_OK) {
			return code;
		}
	}
	if (receive->cursor != NULL && receive->space == space) {
		return ERR_OK;
	}
	if (receive->cursor != NULL) {
		mdb_cursor_close(receive->cursor);
		receive->cursor = NULL;
	}
	receive->space = space;
	rc = mdb_cursor_open(receive->txn, receive->contents->spaces[space],
	    &receive->cursor);
	return rc == 0 ? ERR_OK : env_error(env, rc, "receiving");
}

static int
put(struct receive *receive, const struct stream_record *record,
    const uint8_t *key, const uint8_t *value)
{
	MDB_val k = { record->key_size, (void *)(uintptr_t)key };
	MDB_val v = { sizeof(record->checksum) + record->value_size, NULL };
	int rc, code;

	code = prepare(receive, (enum kv_space)record->space);
	if (code != ERR_OK) {
		return code;
	}
	rc = mdb_cursor_put(
	    receive->cursor, &k, &v, MDB_APPEND | MDB_RESERVE);
	if (rc == MDB_KEYEXIST) {
		return ERR_CORRUPT; /* out of order */
	} else if (rc != 0) {
		return env_error(&receive->contents->env, rc, "receiving");
	}
	memcpy(v.mv_data, &record->checksum, sizeof(record->checksum));
	memcpy((uint8_t *)v.mv_data + sizeof(record->checksum), value,
	    record->value_size);
	receive->txn_size += env_record_size(k.mv_size, v.mv_size);
	return ERR_OK;
}

static int
take_record(void *arg, const struct stream_record *record, const uint8_t *key,
    const uint8_t *value, const char **why)
{
	int code = put(arg, record, key, value);

	*why = code == ERR_CORRUPT ? "records out of order" : NULL;
	return code;
}

static int
take_head(void *arg, const struct stream_head *head, const char **why)
{
	struct receive *receive = arg;
	uint64_t digest;
	uint32_t chain;

	store_chain_decode(receive->chain, &chain, &digest);
	if (head->index != receive->index || head->total != receive->total ||
	    head->digest != digest) {
		*why = "another snapshot than was announced";
		return ERR_CORRUPT;
	}
	return ERR_OK;
}

int
receive_write(struct receive *receive, const void *data, size_t size,
    struct err_buf *err)
{
	const char *why = NULL;
	int code;

	assert(!receive->finished);
	if (size > receive->total - receive->offset) {
		return told(receive, ERR_CORRUPT, "more bytes than announced",
		    err);
	}
	receive->offset += size;
	code = stream_take(&receive->parts, data, size, &why);
	return code == ERR_OK ? ERR_OK : told(receive, code, why, err);
}

uint64_t
receive_offset(const struct receive *receive)
{
	return receive->offset;
}

/* --------------------------------------------------------------- finishing */

/* The state machine's own view of it: every record, digest, position. */
static int
verify(struct receive *receive, struct err_buf *err)
{
	const struct kv_position *position;
	struct state *state;
	struct err_buf why = { "" };
	struct kv *kv;
	int code;

	code =
	    state_open_frozen(&state, receive->store, receive->contents);
	if (code != ERR_OK) {
		return told(receive, code, NULL, err);
	}
	code = kv_new(&kv, state_table(state));
	if (code == ERR_OK) {
		code = kv_verify(kv, &why);
		position = kv_position(kv);
		if (code == ERR_OK &&
		    (position->applied_index != receive->index ||
			position->digest != receive->parts.head.digest)) {
			code = err_set(&why, ERR_CORRUPT,
			    "the state of entry %llu",
			    (unsigned long long)position->applied_index);
		}
		kv_free(kv);
	}
	state_close_frozen(state);
	return code == ERR_OK ? ERR_OK
	                      : told(receive, code,
				    why.text[0] != '\0' ? why.text : NULL, err);
}

static int
sync_directories(struct receive *receive, struct err_buf *err)
{
	char path[4096];
	int code;

	if (snprintf(path, sizeof(path), "%s/%s", receive->store->dir,
		receive->name) >= (int)sizeof(path)) {
		return ERR_TOO_LARGE;
	}
	code = fs_sync_dir(path, err);
	return code == ERR_OK ? fs_sync_dir(receive->store->dir, err) : code;
}

int
receive_finish(struct receive *receive, struct err_buf *err)
{
	const char *why = stream_check_end(&receive->parts);
	int code;

	assert(!receive->finished);
	if (receive->offset != receive->total) {
		why = "it is not complete";
	}
	if (why != NULL) {
		return told(receive, ERR_CORRUPT, why, err);
	}
	code = commit(receive);
	if (code != ERR_OK) {
		return told(receive, code, NULL, err);
	}
	/* The disk writes while it is verified. */
	env_write_out(&receive->contents->env);
	code = verify(receive, err);
	if (code != ERR_OK) {
		return code;
	}
	code = env_sync(&receive->contents->env);
	if (code != ERR_OK) {
		return told(receive, code, NULL, err);
	}
	code = sync_directories(receive, err);
	receive->finished = code == ERR_OK;
	return code;
}

int
receive_skip(struct receive *receive, uint64_t index, struct err_buf *err)
{
	struct state *state;
	int code;

	assert(receive->finished && index >= receive->index);
	code = state_open_alone(&state, receive->store, receive->contents);
	if (code == ERR_OK) {
		code = kv_position_skip(state_table(state), index);
		if (code == ERR_OK) {
			code = state_checkpoint(state);
		}
		state_close_frozen(state);
	}
	if (code == ERR_OK) {
		code = env_sync(&receive->contents->env);
	}
	if (code != ERR_OK) {
		return told(receive, code, NULL, err);
	}
	receive->index = index;
	return ERR_OK;
}

void
receive_close(struct receive *receive)
{
	if (receive == NULL) {
		return;
	}
	if (receive->txn != NULL) {
		mdb_txn_abort(receive->txn);
	}
	contents_free(receive->contents);
	if (!receive->named) {
		/* What cannot be removed now, the next start removes. */
		(void)remove_directory(receive, NULL);
	}
	env_shared_fini(&receive->shared);
	stream_parts_fini(&receive->parts);
	free(receive);
}
