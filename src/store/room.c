/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Room on the disk.
 *
 * A full disk must show before a transaction begins.  Blocks are allocated
 * ahead of the last page in use, with the file's size (so a commit does not
 * change it).  The last two parts of them are a reserve (U17): the first for
 * what frees room, and for entries that others have accepted; the second for
 * hard state, truncation and checkpoints.  The map is reserved once, at its
 * largest (U7).
 *
 *	| in use | what was asked for | r / 2 | r / 2 |    r    |
 *	                           OK ^   FEW ^   LOW ^    NONE ^ OUT
 *
 * Pages that are free inside the file count as blocks do, but for a quarter:
 * a large value needs some in a row.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/env.h"

#define AHEAD_PART    8            /* of the least step ahead, of the file */
#define FULL_RETRY_NS 100000000ull /* ask a full disk that often */
#define SCARCE_SIZE   (16u << 20)  /* less is little, for all nodes */

/* Without allocation in advance (some file systems): what is free there. */
static int
extend_sparse(struct env *env, uint64_t end)
{
	struct statvfs vfs;
	struct stat st;

	if (fstatvfs(env->fd, &vfs) == -1 || fstat(env->fd, &st) == -1) {
		return errno;
	}
	if (vfs.f_bavail * vfs.f_frsize < end - (uint64_t)st.st_blocks * 512) {
		return ENOSPC;
	}
	if ((uint64_t)st.st_size < end &&
	    ftruncate(env->fd, (off_t)end) == -1) {
		return errno;
	}
	return 0;
}

static int
extend(struct env *env, uint64_t end)
{
	uint64_t begin = atomic_load(&env->ahead_end);
	int rc;

	if (end <= begin) {
		return 0;
	}
	if (end > env->map_size) {
		return MDB_MAP_FULL;
	}
	do {
		rc = fallocate(
			 env->fd, 0, (off_t)begin, (off_t)(end - begin)) == -1
		         ? errno
		         : 0;
	} while (rc == EINTR);
	if (rc == EOPNOTSUPP || rc == ENOSYS) {
		rc = extend_sparse(env, end);
	}
	if (rc == 0) {
		atomic_store(&env->ahead_end, end);
	}
	return rc;
}

/* As far ahead as there are blocks, from a whole step down to the need. */
static int
extend_ahead(struct env *env, uint64_t need)
{
	uint64_t reserve = env->reserve_size, mask = env->page_size - 1;
	uint64_t step = need / AHEAD_PART;
	/* What to do without, one after another. */
	const uint64_t less[] = { 0, reserve / 2, reserve, 2 * reserve };
	size_t i;
	int rc;

	/* A fresh store is small, and a large one grows in large steps. */
	if (step < env->ahead_size / AHEAD_PART) {
		step = env->ahead_size / AHEAD_PART;
	} else if (step > env->ahead_size) {
		step = env->ahead_size;
	}
	need = (need + 2 * reserve + mask) & ~mask;
	rc = extend(env, (need + step + mask) & ~mask);
	for (i = 0; i < COUNT_OF(less) && rc != 0; i++) {
		rc = extend(env, need - (less[i] & ~mask));
	}
	return rc;
}

/* The level of what remains of the reserve. */
static enum store_room
room_of(const struct env *env, uint64_t end, uint64_t need)
{
	uint64_t reserve = env->reserve_size, left;

	if (end < need) {
		return STORE_ROOM_OUT;
	}
	left = end - need;
	return left >= 2 * reserve            ? STORE_ROOM_OK
	       : left >= reserve / 2 * 3      ? STORE_ROOM_FEW
	       : left >= reserve              ? STORE_ROOM_LOW
					      : STORE_ROOM_NONE;
}

enum store_room
env_room(struct env *env, uint64_t size, uint64_t free_pages)
{
	uint64_t need, free_size;
	enum store_room room;
	int rc = 0;

	free_size = free_pages * env->page_size / 4 * 3;
	need = atomic_load(&env->used_end) + size;
	need = need > free_size ? need - free_size : 0;
	room = room_of(env, atomic_load(&env->ahead_end), need);
	if (room == STORE_ROOM_OK) {
		return room;
	}

	pthread_mutex_lock(&env->ahead_lock);
	if (clock_now_ns() >= env->next_try_ns) {
		rc = extend_ahead(env, need);
		/* What it has got may still be less than all. */
		room = room_of(env, atomic_load(&env->ahead_end), need);
		if (room != STORE_ROOM_OK) {
			env->next_try_ns = clock_now_ns() + FULL_RETRY_NS;
		}
	}
	pthread_mutex_unlock(&env->ahead_lock);
	if (rc != 0 && rc != MDB_MAP_FULL && rc != ENOSPC && rc != EDQUOT &&
	    rc != EFBIG) {
		env_error(env, rc, "allocating blocks");
		return STORE_ROOM_OUT;
	}
	return room;
}

uint64_t
env_free_pages(struct env *env, uint64_t *pending)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t count = 0, later = 0;
	size_t pages, id;
	MDB_txn *txn;

	/* LMDB shows its free list to read transactions only. */
	if (env_begin(env, false, &txn) != ERR_OK) {
		return 0;
	}
	/* Database 0: transaction -> count, page numbers. */
	if (mdb_cursor_open(txn, 0, &cursor) == 0) {
		while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
			memcpy(&id, key.mv_data, sizeof(id));
			memcpy(&pages, value.mv_data, sizeof(pages));
			if (id >= mdb_txn_id(txn)) {
				/* The commit before it still needs these. */
				later += pages;
			} else {
				count += pages;
			}
		}
		mdb_cursor_close(cursor);
	}
	mdb_txn_abort(txn);
	if (pending != NULL) {
		*pending = later;
	}
	return count;
}

bool
env_is_scarce(const struct env *env)
{
	struct statvfs vfs;

	return fstatvfs(env->fd, &vfs) == 0 &&
	       vfs.f_bavail * vfs.f_frsize < SCARCE_SIZE;
}

uint64_t
env_used(const struct env *env)
{
	return atomic_load(&env->used_end);
}

uint64_t
env_record_size(size_t key_size, size_t value_size)
{
	size_t size = 8 + 2 + key_size + value_size;

	/* LMDB keeps at least two records in a page of 4096 bytes, and
	 * moves larger values to pages of their own. */
	if (size <= 2038) {
		return size + (size & 1);
	}
	return 16 + key_size + ((value_size + 16 + 4095) & ~4095ull);
}
