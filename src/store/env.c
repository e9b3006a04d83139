/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One LMDB environment.  The two things that this file is careful about:
 *
 *	sync	The sync word is set before each sync and cleared after it
 *		succeeded, so that it stays set over a failed one and over a
 *		death in the middle.  A failed sync is never tried again: the
 *		kernel has dropped the pages and would say "done" (U18).
 *
 *	fork	An environment belongs to the process that opened it; LMDB
 *		does not notice a fork.  A counter, incremented in the child,
 *		is compared at each transaction.
 */
#include "store/env.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store_layout.h"

#define AHEAD_SIZE_MIN      (64u << 10)
#define RESERVE_SIZE_MAX    (4u << 20)
#define SHORTFALL_PAGES_MAX 16           /* see env_check_length() */
#define COMPARE_SIZE        (8u << 20)   /* tail compared with the disk */
#define COMPARE_CHUNK       (256u << 10)

/* ------------------------------------------------- fork, once per process */

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static atomic_uint fork_count;
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
/* Environments that this process has open; bounded, a few at a time. */
static struct env *open_envs[64];

static void
fork_child(void)
{
	size_t i;

	atomic_fetch_add(&fork_count, 1);
	/* Another thread of the parent may have held it. */
	pthread_mutex_init(&open_lock, NULL);
	for (i = 0; i < COUNT_OF(open_envs); i++) {
		open_envs[i] = NULL;
	}
}

static void
fork_watch(void)
{
	if (pthread_atfork(NULL, NULL, fork_child) != 0) {
		abort();
	}
}

static int
env_register(struct env *env)
{
	struct env **slot = NULL;
	int result = ERR_OK;
	size_t i;

	pthread_mutex_lock(&open_lock);
	for (i = 0; i < COUNT_OF(open_envs); i++) {
		if (open_envs[i] == NULL) {
			slot = slot == NULL ? &open_envs[i] : slot;
		} else if (open_envs[i]->device == env->device &&
			   open_envs[i]->inode == env->inode) {
			result = ERR_LOCKED;
		}
	}
	if (result == ERR_OK && slot == NULL) {
		result = ERR_BUSY;
	}
	if (result == ERR_OK) {
		*slot = env;
	}
	pthread_mutex_unlock(&open_lock);
	return result;
}

static void
env_unregister(const struct env *env)
{
	size_t i;

	pthread_mutex_lock(&open_lock);
	for (i = 0; i < COUNT_OF(open_envs); i++) {
		if (open_envs[i] == env) {
			open_envs[i] = NULL;
		}
	}
	pthread_mutex_unlock(&open_lock);
}

bool
env_is_foreign(const struct env *env)
{
	return env->fork_count != atomic_load(&fork_count);
}

/* -------------------------------------------------------------- latching */

void
env_shared_init(struct env_shared *shared)
{
	memset(shared, 0, sizeof(*shared));
	pthread_mutex_init(&shared->lock, NULL);
}

void
env_shared_fini(struct env_shared *shared)
{
	pthread_mutex_destroy(&shared->lock);
}

int
env_latched(const struct env_shared *shared)
{
	/* pairs with LATCH in env_latch(): the text is complete */
	return atomic_load_explicit(&shared->latched, memory_order_acquire);
}

int
env_latch(struct env_shared *shared, int code, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&shared->lock);
	if (env_latched(shared) == 0) {
		va_start(ap, fmt);
		vsnprintf(shared->text, sizeof(shared->text), fmt, ap);
		va_end(ap);
		/* LATCH: after the text */
		atomic_store_explicit(
		    &shared->latched, code, memory_order_release);
	}
	code = env_latched(shared);
	pthread_mutex_unlock(&shared->lock);
	return code;
}

void
env_sync_begins(struct env_shared *shared)
{
	pthread_mutex_lock(&shared->lock);
	shared->syncing++;
	if (shared->sync_word != NULL) {
		*shared->sync_word = 1;
	}
	/* In the segment before the first block goes to the disk. */
	atomic_thread_fence(memory_order_seq_cst);
	pthread_mutex_unlock(&shared->lock);
}

/* Not called after a failure: then the word stays set. */
void
env_sync_ends(struct env_shared *shared, uint64_t taken_ns)
{
	pthread_mutex_lock(&shared->lock);
	assert(shared->syncing > 0);
	shared->syncing--;
	if (shared->syncing == 0 && shared->sync_word != NULL) {
		*shared->sync_word = 0;
	}
	pthread_mutex_unlock(&shared->lock);
	atomic_fetch_add(&shared->syncs, 1);
	if (taken_ns > atomic_load(&shared->sync_ns_max)) {
		atomic_store(&shared->sync_ns_max, taken_ns);
	}
}

int
env_error(struct env *env, int lmdb_code, const char *what)
{
	int code = env_latched(env->shared);

	if (code != 0) {
		return code;
	}
	switch (lmdb_code) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case MDB_READERS_FULL:
		return ERR_BUSY;
	case ENOMEM:
		code = ERR_NOMEM;
		break;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_NOTFOUND: /* of what must be there */
	case MDB_INCOMPATIBLE:
		code = ERR_CORRUPT;
		break;
	default:
		code = ERR_IO;
		break;
	}
	return env_latch(env->shared, code, "%s: %s: %s", env->name, what,
	    mdb_strerror(lmdb_code));
}

/* --------------------------------------------------------------- opening */

/*
 * LMDB maps its reader table, a sparse file: on a full disk touching it is a
 * SIGBUS.  So its blocks are allocated first.  The size of one that exists
 * stays as it is: other processes may have it mapped.
 */
static int
allocate_lock_file(const char *dir, struct err_buf *err)
{
	char path[4096];
	struct stat st;
	int fd, result = ERR_OK;

	if (snprintf(path, sizeof(path), "%s/%s", dir, LAYOUT_LOCK_FILE) >=
	    (int)sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1) {
		return err_set_errno(err, "%s", path);
	}
	if (fstat(fd, &st) == -1) {
		result = err_set_errno(err, "%s", path);
	} else if (fallocate(fd, st.st_size == 0 ? 0 : FALLOC_FL_KEEP_SIZE, 0,
		       st.st_size == 0 ? 8192 : st.st_size) == -1 &&
		   (errno == ENOSPC || errno == EDQUOT)) {
		result = err_set_errno(err, "%s", path);
	}
	close(fd);
	return result;
}

static int
open_data_file(struct env *env, const char *dir,
    const struct env_options *options, struct err_buf *err)
{
	char path[4096];
	struct stat st;
	int flags, code;

	if (snprintf(path, sizeof(path), "%s/%s", dir, LAYOUT_DATA_FILE) >=
	    (int)sizeof(path)) {
		return err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
	}
	flags = options->read_only ? O_RDONLY : O_RDWR;
	if (options->create) {
		flags |= O_CREAT | O_EXCL;
	}
	env->fd = open(path, flags | O_CLOEXEC, 0600);
	if (env->fd == -1) {
		return err_set_errno(err, "%s", path);
	}
	if (fstat(env->fd, &st) == -1) {
		return err_set_errno(err, "%s", path);
	}
	env->device = st.st_dev;
	env->inode = st.st_ino;
	/* LMDB would make a new environment of an empty file. */
	if (!options->create && st.st_size < 2 * 4096) {
		return err_set(err, ERR_CORRUPT,
		    "%s: truncated: %lld bytes are left", path,
		    (long long)st.st_size);
	}
	code = env_register(env);
	if (code == ERR_LOCKED) {
		return err_set(
		    err, code, "%s: open already in this process", path);
	} else if (code != ERR_OK) {
		return err_set(err, code, "too many stores are open");
	}
	env->open = true;
	return ERR_OK;
}

static int
open_mdb(struct env *env, const char *dir, const struct env_options *options,
    struct err_buf *err)
{
	unsigned int flags = MDB_NOTLS | options->flags;
	int rc;

	if (options->read_only) {
		flags |= MDB_RDONLY;
	} else if (!env->synced) {
		/* Never MDB_WRITEMAP with it: docs/STORE.md. */
		flags |= MDB_NOSYNC;
	}
	rc = mdb_env_create(&env->mdb);
	if (rc == 0) {
		rc = mdb_env_set_maxdbs(env->mdb, options->database_count);
	}
	if (rc == 0 && !options->read_only) {
		rc = mdb_env_set_mapsize(env->mdb, options->map_size);
	}
	if (rc == 0) {
		rc = mdb_env_open(env->mdb, dir, flags, 0600);
	}
	switch (rc) {
	case 0:
		return ERR_OK;
	case MDB_VERSION_MISMATCH:
		return err_set(err, ERR_VERSION,
		    "%s: made by another version of LMDB", dir);
	case MDB_INVALID:
	case MDB_CORRUPTED:
		return err_set(err, ERR_CORRUPT, "%s: not an LMDB file", dir);
	case EAGAIN:
		return err_set(err, ERR_LOCKED, "%s: in use", dir);
	default:
		return err_set(err, rc > 0 ? err_from_errno(rc) : ERR_IO,
		    "%s: %s", dir, mdb_strerror(rc));
	}
}

/*
 * A file shorter than its meta page says would be a SIGBUS at some later
 * time.  A few pages short is no damage: the last pages that a transaction
 * took and gave back are never written.
 */
static int
check_length(struct env *env, const char *dir, struct err_buf *err)
{
	struct stat st;
	uint64_t size;

	if (fstat(env->fd, &st) == -1) {
		return err_set_errno(err, "%s", dir);
	}
	size = (uint64_t)st.st_size;
	if (size >= env->used_end) {
		return ERR_OK;
	}
	if (!env->read_only &&
	    env->used_end - size <= SHORTFALL_PAGES_MAX * env->page_size) {
		if (ftruncate(env->fd, (off_t)env->used_end) == -1) {
			return err_set_errno(err, "%s", dir);
		}
		return ERR_OK;
	}
	return err_set(err, ERR_CORRUPT,
	    "%s/%s: truncated: %llu of %llu bytes are left", dir,
	    LAYOUT_DATA_FILE, (unsigned long long)size,
	    (unsigned long long)env->used_end);
}

/* Where LMDB's last page ends. */
static void
look(struct env *env)
{
	MDB_envinfo info;

	mdb_env_info(env->mdb, &info);
	atomic_store(
	    &env->used_end, (uint64_t)(info.me_last_pgno + 1) * env->page_size);
}

/* Blocks that a former run allocated are the reserve on a full disk. */
static void
look_ahead(struct env *env)
{
	uint64_t used = atomic_load(&env->used_end), size;
	struct stat st;

	atomic_store(&env->ahead_end, used);
	if (env->read_only || fstat(env->fd, &st) == -1) {
		return;
	}
	size = (uint64_t)st.st_size & ~(env->page_size - 1);
	if (size > used && (uint64_t)st.st_blocks * 512 >= size) {
		atomic_store(&env->ahead_end, size);
	}
}

int
env_open(struct env *env, struct env_shared *shared, const char *dir,
    const char *name, const struct env_options *options, struct err_buf *err)
{
	MDB_envinfo info;
	MDB_stat stat;
	int code, dead;

	pthread_once(&fork_once, fork_watch);
	memset(env, 0, sizeof(*env));
	env->shared = shared;
	env->fd = -1;
	env->synced = options->durability == STORE_POWER;
	env->read_only = options->read_only;
	env->fork_count = atomic_load(&fork_count);
	env->ahead_size = options->ahead_size < AHEAD_SIZE_MIN
	                      ? AHEAD_SIZE_MIN
	                      : (options->ahead_size & ~4095ull);
	env->reserve_size = (env->ahead_size / 4) & ~4095ull;
	if (env->reserve_size > RESERVE_SIZE_MAX) {
		env->reserve_size = RESERVE_SIZE_MAX;
	}
	snprintf(env->name, sizeof(env->name), "%s", name);
	pthread_mutex_init(&env->ahead_lock, NULL);

	code = open_data_file(env, dir, options, err);
	if (code == ERR_OK && !env->read_only) {
		code = allocate_lock_file(dir, err);
	}
	if (code == ERR_OK) {
		code = open_mdb(env, dir, options, err);
	}
	if (code == ERR_OK) {
		mdb_env_stat(env->mdb, &stat);
		env->page_size = stat.ms_psize;
		mdb_env_info(env->mdb, &info);
		env->map_size = info.me_mapsize;
		look(env);
		code = check_length(env, dir, err);
	}
	if (code == ERR_OK) {
		look_ahead(env);
	}
	if (code == ERR_OK) {
		/* Slots of readers that were killed would pin pages. */
		mdb_reader_check(env->mdb, &dead);
	}
	if (code != ERR_OK) {
		env_close(env);
	}
	return code;
}

bool
env_may_reopen(void)
{
	int major, minor, patch;

	(void)mdb_version(&major, &minor, &patch);
	/* Races with another process that opens it (ITS 9278, 10095). */
	return !(major == 0 && minor == 9 && patch >= 26 && patch <= 31);
}

int
env_reopen(
    struct env *env, const char *dir, const struct env_options *options)
{
	struct err_buf err;
	int code;

	mdb_env_close(env->mdb);
	env->mdb = NULL;
	code = open_mdb(env, dir, options, &err);
	if (code == ERR_OK) {
		look(env);
		return ERR_OK;
	}
	if (env->mdb != NULL) {
		mdb_env_close(env->mdb);
		env->mdb = NULL;
	}
	return env_latch(env->shared, code, "%s: opening it again: %s",
	    env->name, err.text);
}

void
env_close(struct env *env)
{
	if (env_is_foreign(env)) {
		return; /* the parent's; not even its descriptors */
	}
	if (env->mdb != NULL) {
		mdb_env_close(env->mdb);
		env->mdb = NULL;
	}
	if (env->open) {
		env_unregister(env);
		env->open = false;
	}
	if (env->fd != -1) {
		close(env->fd);
		env->fd = -1;
	}
	pthread_mutex_destroy(&env->ahead_lock);
}

/* ---------------------------------------------------------- transactions */

int
env_begin(struct env *env, bool write, MDB_txn **txn)
{
	int rc = env_latched(env->shared);

	if (rc != 0) {
		return rc;
	}
	if (env_is_foreign(env)) {
		return ERR_INTERNAL;
	}
	rc = mdb_txn_begin(env->mdb, NULL, write ? 0 : MDB_RDONLY, txn);
	if (rc != 0) {
		*txn = NULL;
		return env_error(env, rc, "beginning a transaction");
	}
	return ERR_OK;
}

/*
 * A commit failed with ENOSPC or the like: was it a write, then nothing of
 * the transaction is in the store and the next one may try, or was it the
 * sync?  A failed writeback is remembered by the kernel for each open file
 * description apart: ours, which is never synced else, still has it.
 */
static bool
was_sync(struct env *env)
{
	return env->synced && fdatasync(env->fd) == -1;
}

int
env_commit(struct env *env, MDB_txn *txn)
{
	uint64_t begun_ns = 0;
	int rc, dead;

	if (env->synced) {
		begun_ns = clock_now_ns();
		env_sync_begins(env->shared);
	}
	rc = mdb_txn_commit(txn);
	if (rc == 0) {
		if (env->synced) {
			env_sync_ends(env->shared, clock_now_ns() - begun_ns);
			/* Else the next sync by itself looks for them. */
			mdb_reader_check(env->mdb, &dead);
		}
		atomic_fetch_add_explicit(
		    &env->shared->commits, 1, memory_order_relaxed);
		look(env);
		return ERR_OK;
	}
	if (rc == ENOSPC || rc == EDQUOT || rc == EFBIG) {
		if (was_sync(env)) {
			return env_latch(env->shared, ERR_IO,
			    "%s: sync failed: %s", env->name, mdb_strerror(rc));
		}
	}
	rc = env_error(env, rc, "commit");
	if (rc == ERR_FULL && env->synced) {
		env_sync_ends(env->shared, 0);
	}
	return rc;
}

int
env_sync(struct env *env)
{
	uint64_t begun_ns;
	int rc = env_latched(env->shared), dead;

	if (rc != 0) {
		return rc;
	}
	if (env_is_foreign(env)) {
		return ERR_INTERNAL;
	}
	begun_ns = clock_now_ns();
	env_sync_begins(env->shared);
	rc = mdb_env_sync(env->mdb, 1);
	if (rc != 0) {
		return env_latch(env->shared, ERR_IO, "%s: sync failed: %s",
		    env->name, mdb_strerror(rc));
	}
	env_sync_ends(env->shared, clock_now_ns() - begun_ns);
	mdb_reader_check(env->mdb, &dead);
	return ERR_OK;
}

void
env_write_out(struct env *env)
{
	if (!env->synced && env_latched(env->shared) == 0 &&
	    !env_is_foreign(env)) {
		(void)sync_file_range(env->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
}

int
env_break(struct env *env, bool sync)
{
	if (sync) {
		env_sync_begins(env->shared);
	}
	return env_latch(env->shared, ERR_IO, "%s: %s failed: %s, a fault "
	    "that an operator has set", env->name, sync ? "sync" : "write",
	    strerror(EIO));
}

/* ------------------------------------------------------ the disk's truth */

static int
compare_range(const char *name, int cached, int direct, const uint64_t range[2],
    uint8_t *disk, uint8_t *cache, struct err_buf *err)
{
	uint64_t at, end = range[1];
	size_t size;
	ssize_t got;

	for (at = range[0]; at < end; at += size) {
		size = end - at < COMPARE_CHUNK ? end - at : COMPARE_CHUNK;
		got = pread(direct, disk, size, (off_t)at);
		if (got != (ssize_t)size) {
			return err_set(err, ERR_IO,
			    "%s: cannot read the disk at %llu", name,
			    (unsigned long long)at);
		}
		got = pread(cached, cache, size, (off_t)at);
		if (got != (ssize_t)size || memcmp(disk, cache, size) != 0) {
			return err_set(err, ERR_IO,
			    "%s: disk and page cache differ near byte %llu: "
			    "a sync had failed",
			    name, (unsigned long long)at);
		}
	}
	return ERR_OK;
}

int
env_compare_ranges(const char *name, int fd, const uint64_t ranges[][2],
    size_t count, struct err_buf *err)
{
	void *disk = NULL, *cache = NULL;
	char path[64];
	int direct, code = ERR_OK;
	size_t i;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (direct == -1) {
		/* A file system without a disk below it. */
		return errno == EINVAL
		           ? ERR_OK
		           : err_set_errno(err, "%s: O_DIRECT", name);
	}
	if (posix_memalign(&disk, 4096, COMPARE_CHUNK) != 0 ||
	    posix_memalign(&cache, 4096, COMPARE_CHUNK) != 0) {
		code = err_set(err, ERR_NOMEM, "out of memory");
	}
	for (i = 0; i < count && code == ERR_OK; i++) {
		code = compare_range(
		    name, fd, direct, ranges[i], disk, cache, err);
	}
	free(disk);
	free(cache);
	close(direct);
	return code;
}

int
env_compare_disk(struct env *env, struct err_buf *err)
{
	uint64_t end = atomic_load(&env->used_end);
	uint64_t tail = end > COMPARE_SIZE ? end - COMPARE_SIZE : 0;
	/* Both meta pages, then the end, where recent pages are. */
	const uint64_t ranges[][2] = {
		{ 0, tail > 0 ? 2 * env->page_size : 0 },
		{ tail, end },
	};

	return env_compare_ranges(env->name, env->fd, ranges, 2, err);
}
