/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files, directories, locks. Every descriptor is opened with O_CLOEXEC:
 * what a child shall inherit, it is given by name.
 */
#include "base/fs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"

#define SPARE_SIZE_MAX (1 << 20)

static int read_fd(int, size_t, char **, size_t *);
static int write_new(const char *, const void *, size_t, struct err_buf *);
static void make_spare(const char *, size_t);
static int write_spare(const char *, const void *, size_t, struct err_buf *);
static int make_one_dir(const char *, struct err_buf *);
static struct flock lock_range(short, uint64_t, uint64_t);

int
fs_read_file(const char *path, size_t size_max, char **data, size_t *size,
    struct err_buf *err)
{
	size_t got = 0;
	int fd, result;

	*data = NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set_errno(err, "cannot open %s", path);
	}
	result = read_fd(fd, size_max, data, &got);
	if (result == ERR_TOO_LARGE) {
		err_set(
		    err, result, "%s is larger than %zu bytes", path, size_max);
	} else if (result != 0) {
		err_set_errno(err, "cannot read %s", path);
	} else if (size != NULL) {
		*size = got;
	}
	close(fd);
	return result;
}

int
fs_write_file(
    const char *path, const void *data, size_t size, struct err_buf *err)
{
	char new_path[PATH_MAX];
	int result;

	if (strlen(path) + sizeof(".new") > sizeof(new_path)) {
		return err_set(
		    err, ERR_TOO_LARGE, "path too long: %.64s...", path);
	}
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	result = write_new(new_path, data, size, err);
	if (result != 0) {
		goto fail;
	}
	CRASH_POINT("file: written aside");
	if (rename(new_path, path) != 0) {
		result = err_set_errno(err, "cannot rename %s", new_path);
		goto fail;
	}
	CRASH_POINT("file: renamed");
	return fs_sync_parent(path, err);
fail:
	unlink(new_path);
	return result;
}

int
fs_write_file_spared(const char *path, const void *data, size_t size,
    size_t spare_size, struct err_buf *err)
{
	char spare[PATH_MAX];
	int result = fs_write_file(path, data, size, err);

	if (result == ERR_TOO_LARGE ||
	    strlen(path) + sizeof(".spare") > sizeof(spare)) {
		return result;
	}
	snprintf(spare, sizeof(spare), "%s.spare", path);
	if (result == ERR_OK) {
		make_spare(spare, spare_size);
		return ERR_OK;
	}
	if (result != ERR_FULL || access(spare, F_OK) != 0) {
		return result;
	}
	result = write_spare(spare, data, size, err);
	if (result != ERR_OK) {
		return result;
	}
	CRASH_POINT("file: spare written");
	if (renameat2(AT_FDCWD, spare, AT_FDCWD, path, RENAME_EXCHANGE) != 0) {
		return err_set_errno(err, "cannot rename %s", spare);
	}
	CRASH_POINT("file: spare renamed");
	/* What has just become the spare may be a short one. */
	make_spare(spare, spare_size);
	return fs_sync_parent(path, err);
}

int
fs_sync_dir(const char *path, struct err_buf *err)
{
	int fd, result = 0;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return err_set_errno(err, "cannot open %s", path);
	}
	if (fsync(fd) != 0) {
		result = err_set_errno(err, "cannot sync %s", path);
	}
	close(fd);
	return result;
}

int
fs_sync_parent(const char *path, struct err_buf *err)
{
	char parent[PATH_MAX];
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/') {
		length--;
	}
	while (length > 0 && path[length - 1] != '/') {
		length--;
	}
	if (length == 0) {
		return fs_sync_dir(".", err);
	}
	if (length >= sizeof(parent)) {
		return err_set(
		    err, ERR_TOO_LARGE, "path too long: %.64s...", path);
	}
	memcpy(parent, path, length);
	parent[length] = '\0';
	return fs_sync_dir(parent, err);
}

int
fs_make_dir(const char *path, struct err_buf *err)
{
	char part[PATH_MAX];
	size_t length = strlen(path), i;
	int result;

	if (length == 0 || length >= sizeof(part)) {
		return err_set(err, ERR_USAGE,
		    "not a directory's path: %.64s%s",
		    length == 0 ? "(empty)" : path, length == 0 ? "" : "...");
	}
	for (i = 1; i <= length; i++) {
		if (path[i] != '/' && path[i] != '\0') {
			continue;
		}
		memcpy(part, path, i);
		part[i] = '\0';
		result = make_one_dir(part, err);
		if (result != 0) {
			return result;
		}
	}
	return 0;
}

static int
remove_one(const char *path, const struct stat *info UNUSED, int type UNUSED,
    struct FTW *ftw UNUSED)
{
	return remove(path);
}

int
fs_remove_tree(const char *path, struct err_buf *err)
{
	struct stat info;

	if (lstat(path, &info) != 0) {
		return errno == ENOENT ? 0 : err_set_errno(err, "%s", path);
	}
	if (nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0) {
		return err_set_errno(err, "cannot remove %s", path);
	}
	return 0;
}

int
fs_lock_open(const char *path, int *fd, struct err_buf *err)
{
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0) {
		return err_set_errno(err, "cannot open %s", path);
	}
	return 0;
}

int
fs_lock_try(int fd, uint64_t offset, uint64_t length)
{
	struct flock lock = lock_range(F_WRLCK, offset, length);

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
		return 0;
	}
	if (errno == EAGAIN || errno == EACCES) {
		return ERR_LOCKED;
	}
	return err_from_errno(errno);
}

int
fs_lock_held(int fd, uint64_t offset, uint64_t length)
{
	struct flock lock = lock_range(F_WRLCK, offset, length);

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0) {
		return err_from_errno(errno);
	}
	return lock.l_type != F_UNLCK;
}

int
fs_lock_release(int fd, uint64_t offset, uint64_t length)
{
	struct flock lock = lock_range(F_UNLCK, offset, length);

	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : err_from_errno(errno);
}

int
fs_boot_id(char boot_id[FS_BOOT_ID_SIZE], struct err_buf *err)
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	char *data;
	size_t size;
	int result;

	result = fs_read_file(path, 4096, &data, &size, err);
	if (result != 0) {
		return result;
	}
	if (size < FS_BOOT_ID_SIZE - 1) {
		free(data);
		return err_set(err, ERR_IO, "%s holds no boot id", path);
	}
	memcpy(boot_id, data, FS_BOOT_ID_SIZE - 1);
	boot_id[FS_BOOT_ID_SIZE - 1] = '\0';
	free(data);
	return 0;
}

int
fs_identity_read(
    const char *path, struct fs_identity *identity, struct err_buf *err)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &stx) != 0) {
		return err_set_errno(err, "cannot stat %s", path);
	}
	identity->device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	identity->inode = stx.stx_ino;
	identity->birth_ns = 0;
	if ((stx.stx_mask & STATX_BTIME) != 0) {
		identity->birth_ns =
		    (uint64_t)stx.stx_btime.tv_sec * CLOCK_NS_PER_S +
		    stx.stx_btime.tv_nsec;
	}
	return 0;
}

int
fs_identity_equal(const struct fs_identity *a, const struct fs_identity *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->birth_ns == b->birth_ns;
}

int
fs_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;
	ssize_t written;

	while (size > 0) {
		written = write(fd, p, size);
		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written < 0) {
			return err_from_errno(errno);
		}
		p += written;
		size -= (size_t)written;
	}
	return 0;
}

/* Files of /proc say that they are empty: read until the end comes. */
static int
read_fd(int fd, size_t size_max, char **data, size_t *size)
{
	size_t room = 4096, used = 0;
	char *buffer = NULL, *larger;
	ssize_t got;
	int result;

	for (;;) {
		if (buffer == NULL || used == room) {
			room = buffer == NULL ? room : room * 2;
			larger = realloc(buffer, room + 1);
			if (larger == NULL) {
				result = ERR_NOMEM;
				goto fail;
			}
			buffer = larger;
		}
		got = read(fd, buffer + used, room - used);
		if (got < 0 && errno == EINTR) {
			continue;
		}
		if (got < 0) {
			result = err_from_errno(errno);
			goto fail;
		}
		if (got == 0) {
			break;
		}
		used += (size_t)got;
		if (used > size_max) {
			result = ERR_TOO_LARGE;
			goto fail;
		}
	}
	buffer[used] = '\0';
	*data = buffer;
	*size = used;
	return 0;
fail:
	free(buffer);
	return result;
}

static int
write_new(const char *path, const void *data, size_t size, struct err_buf *err)
{
	int fd, result = 0;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_set_errno(err, "cannot create %s", path);
	}
	if (fs_write_all(fd, data, size) != 0) {
		result = err_set_errno(err, "cannot write %s", path);
	} else if (fsync(fd) != 0) {
		result = err_set_errno(err, "cannot sync %s", path);
	}
	if (close(fd) != 0 && result == 0) {
		result = err_set_errno(err, "cannot close %s", path);
	}
	return result;
}

/* Without room there is none, or it stays short: the next call tries again. */
static void
make_spare(const char *path, size_t size)
{
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 && (size_t)st.st_size >= size) {
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd != -1) {
		(void)posix_fallocate(fd, 0, (off_t)size);
		close(fd);
	}
}

/* In place: the blocks that it has are all that it needs. */
static int
write_spare(
    const char *path, const void *data, size_t size, struct err_buf *err)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), result = ERR_OK;
	struct stat st = { .st_size = 0 };
	char *text = NULL;
	size_t whole;

	if (fd == -1 || fstat(fd, &st) == -1) {
		result = err_set_errno(err, "cannot open %s", path);
		goto out;
	}
	whole = (size_t)st.st_size > size ? (size_t)st.st_size : size;
	if (whole > SPARE_SIZE_MAX ||
	    posix_fallocate(fd, 0, (off_t)whole) != 0) {
		result = err_set(
		    err, ERR_FULL, "cannot write %s: the disk is full", path);
		goto out;
	}
	text = malloc(whole);
	if (text == NULL) {
		result = err_set(err, ERR_NOMEM, "no memory for %s", path);
		goto out;
	}
	memset(text, '\n', whole);
	memcpy(text, data, size);
	if (pwrite(fd, text, whole, 0) != (ssize_t)whole) {
		result =
		    err_set(err, ERR_FULL, "cannot write %s whole", path);
	} else if (fsync(fd) == -1) {
		result = err_set_errno(err, "cannot sync %s", path);
	}
out:
	free(text);
	if (fd != -1) {
		close(fd);
	}
	return result;
}

static int
make_one_dir(const char *path, struct err_buf *err)
{
	struct stat st;
	int failure;

	if (mkdir(path, 0700) == 0) {
		return fs_sync_parent(path, err);
	}
	failure = errno;
	if (failure != EEXIST) {
		/* A read-only place may still hold the directory. */
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			return 0;
		}
		errno = failure;
		return err_set_errno(err, "cannot make directory %s", path);
	}
	if (stat(path, &st) != 0) {
		return err_set_errno(err, "cannot stat %s", path);
	}
	if (!S_ISDIR(st.st_mode)) {
		return err_set(err, ERR_IO, "%s is not a directory", path);
	}
	return 0;
}

static struct flock
lock_range(short type, uint64_t offset, uint64_t length)
{
	assert(length > 0);
	return (struct flock){
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)offset,
		.l_len = (off_t)length,
	};
}
