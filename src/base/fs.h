/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files: small ones read whole and replaced whole, durably; directories;
 * locks that the kernel gives back when a process dies; who a file is.
 *
 * A failed function returns a code of err.h and has written a line with the
 * path and the reason into `err` (may be NULL).
 *
 * A failed fsync is never tried again: after it the kernel may have thrown
 * the data away and would report success.
 */
#ifndef RAFTSUP_BASE_FS_H
#define RAFTSUP_BASE_FS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

/*
 * Reads a file whole into memory from malloc, with a zero byte behind it
 * that *size does not count. ERR_NOT_FOUND when there is none;
 * ERR_TOO_LARGE when it has more than size_max bytes. The caller frees
 * *data, which is NULL after a failure. size may be NULL.
 */
int fs_read_file(const char *path, size_t size_max, char **data, size_t *size,
    struct err_buf *err) MUST_CHECK;

/*
 * Replaces a file, or makes it, with mode 0600: after success the new
 * contents are on the disk under this name, and a crash at any moment leaves
 * the old or the new contents, whole. Writes PATH.new, syncs it, renames it,
 * syncs the directory. One writer at a time: the callers hold a lock.
 */
int fs_write_file(const char *path, const void *data, size_t size,
    struct err_buf *err) MUST_CHECK;

/*
 * The same, also on a full disk: a second file, PATH.spare, has its blocks
 * already.  It is written in place, synced, and changes names with PATH, and
 * is then what PATH was.  Both have at least spare_size bytes; behind the
 * data are newlines.  The spare is made when there is room: without one the
 * error is that of fs_write_file().
 */
int fs_write_file_spared(const char *path, const void *data, size_t size,
    size_t spare_size, struct err_buf *err) MUST_CHECK;

/* Makes the entries of a directory durable. */
int fs_sync_dir(const char *path, struct err_buf *err) MUST_CHECK;

/* Makes the entries of the directory that holds `path` durable. */
int fs_sync_parent(const char *path, struct err_buf *err) MUST_CHECK;

/*
 * Makes a directory and those above it that are missing, mode 0700. A
 * directory that exists is left as it is. What it made is durable: parents
 * are synced.
 */
int fs_make_dir(const char *path, struct err_buf *err) MUST_CHECK;

/*
 * Removes a file, or a directory with all that is in it, without following
 * links or going to another file system. Fine when there is none.
 */
int fs_remove_tree(const char *path, struct err_buf *err);

/*
 * Opens a lock file for reading and writing, made with mode 0600 if it is
 * missing, closed on exec, never truncated. Sets *fd.
 */
int fs_lock_open(const char *path, int *fd, struct err_buf *err) MUST_CHECK;

/*
 * Takes the exclusive open-file-description lock (fcntl(2), F_OFD_SETLK) on
 * [offset, offset + length), length at least 1. The lock belongs to the
 * open file: it goes when the last descriptor of it is closed, that of a
 * forked child included, and by nothing else. Returns 0, ERR_LOCKED when
 * another open file holds a part of it, or ERR_IO and such; no text: the
 * caller knows what the lock means.
 */
int fs_lock_try(int fd, uint64_t offset, uint64_t length) MUST_CHECK;

/*
 * Whether another open file holds an exclusive or shared lock on a part of
 * that range: 1 yes, 0 no, or a negative code. Takes nothing.
 */
int fs_lock_held(int fd, uint64_t offset, uint64_t length) MUST_CHECK;

/* Gives a lock back. */
int fs_lock_release(int fd, uint64_t offset, uint64_t length) MUST_CHECK;

/* Bytes of a boot id's text, its end included. */
#define FS_BOOT_ID_SIZE 37

/* The kernel's random name of this boot of the machine: 36 characters. */
int fs_boot_id(char boot_id[FS_BOOT_ID_SIZE], struct err_buf *err) MUST_CHECK;

/*
 * Which file it is, beyond its name: a copy, or a file made anew, differs.
 * birth_ns is 0 on a file system that does not record it.
 */
struct fs_identity {
	uint64_t device;
	uint64_t inode;
	uint64_t birth_ns;
};

/* The identity of a file or directory; links are followed. */
int fs_identity_read(const char *path, struct fs_identity *identity,
    struct err_buf *err) MUST_CHECK;

/* Nonzero when both are the same file. */
int fs_identity_equal(const struct fs_identity *a, const struct fs_identity *b);

/* Writes all bytes in spite of short writes and signals. */
int fs_write_all(int fd, const void *data, size_t size) MUST_CHECK;

#endif
