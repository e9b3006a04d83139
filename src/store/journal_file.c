/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal's file.  All its blocks are written when it is made, so that a
 * record allocates nothing: neither the disk's room nor a block's place
 * changes with it.
 *
 *	power	One write through a descriptor with O_DSYNC, past the page
 *		cache where that can be, from memory of our own.  Each record
 *		begins a block: what was acknowledged is never written again
 *		before its lap has ended, so no later write can tear it.
 *
 *	process	A copy into the mapped file, no system call: the page cache
 *		outlives the process as it does for a write.  Only where the
 *		file system overwrites in place: elsewhere a page that is
 *		written may need a new block, and a full disk would be a
 *		SIGBUS; there it is a write.
 */
#include "store/journal_file.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store_layout.h"

#define BLOCK LAYOUT_JOURNAL_BLOCK
/* A block a record must last for many of them; where records are packed, a
 * shorter lap is a shorter flush, and stays in the processor's cache. */
#define LIMIT_PROCESS (256u << 10)
/* A larger batch is a good transaction by itself: written twice it costs
 * more. */
#define BATCH_PROCESS (32u << 10)
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* The least that an entry takes in a record. */
#define ENTRY_SIZE_MIN \
	(sizeof(struct layout_op) + sizeof(struct layout_entry))

static const struct journal_shape shape = {
	.block = LAYOUT_JOURNAL_BLOCK,
	.size = LAYOUT_JOURNAL_SIZE,
};

static struct journal_identity
identity_of(const struct store_identity *identity)
{
	return (struct journal_identity){
		.cluster_id = identity->cluster_id,
		.store_id = identity->store_id,
		.node_id = identity->node_id,
	};
}

static int
join(char *path, size_t size, const char *dir, struct err_buf *err)
{
	return snprintf(path, size, "%s/%s", dir, LAYOUT_JOURNAL) < (int)size
	           ? ERR_OK
	           : err_set(err, ERR_TOO_LARGE, "%s: name too long", dir);
}

/* Until all is written, or an error: errno says which. */
static bool
write_all(int fd, const uint8_t *data, size_t size, off_t offset)
{
	ssize_t done;

	while (size > 0) {
		done = pwrite(fd, data, size, offset);
		if (done == -1 && errno == EINTR) {
			continue;
		} else if (done == 0) {
			errno = EIO;
		}
		if (done <= 0) {
			return false;
		}
		data += done;
		size -= (size_t)done;
		offset += done;
	}
	return true;
}

/* -------------------------------------------------------- struct journal_io */

static int
file_size(void *arg, uint64_t *size)
{
	const struct journal_file *file = arg;
	struct stat st;

	if (fstat(file->fd, &st) == -1) {
		return err_from_errno(errno);
	}
	*size = (uint64_t)st.st_size;
	return ERR_OK;
}

static int
file_read(void *arg, void *data, size_t size, uint64_t offset)
{
	const struct journal_file *file = arg;
	size_t done = 0;
	ssize_t got;

	while (done < size) {
		got = pread(file->fd, (uint8_t *)data + done, size - done,
		    (off_t)(offset + done));
		if (got == -1 && errno == EINTR) {
			continue;
		} else if (got <= 0) {
			return env_latch(file->shared, ERR_IO,
			    "journal: cannot be read: %s",
			    got == 0 ? "truncated" : strerror(errno));
		}
		done += (size_t)got;
	}
	return ERR_OK;
}

/* Nothing of it counts, and nothing else was touched: the disk is full. */
static bool
is_full(const struct journal_file *file, int error)
{
	return (error == ENOSPC || error == EDQUOT) &&
	       (file->direct || !file->synced);
}

static int
file_write(void *arg, const void *data, size_t size, uint64_t offset)
{
	struct journal_file *file = arg;
	uint64_t begun_ns = 0;
	int error = 0;

	if (file->synced) {
		begun_ns = clock_now_ns();
		env_sync_begins(file->shared);
	}
	if (!write_all(file->write_fd, data, size, (off_t)offset)) {
		error = errno;
	}
	if (file->synced && (error == 0 || is_full(file, error))) {
		env_sync_ends(file->shared, clock_now_ns() - begun_ns);
	}
	if (error == 0 || is_full(file, error)) {
		return error == 0 ? ERR_OK : ERR_FULL;
	}
	return env_latch(file->shared, ERR_IO, "journal: write failed: %s",
	    strerror(error));
}

static int
file_sync(void *arg)
{
	struct journal_file *file = arg;
	uint64_t begun_ns = clock_now_ns();

	env_sync_begins(file->shared);
	if (fdatasync(file->fd) == -1) {
		return env_latch(file->shared, ERR_IO,
		    "journal: sync failed: %s", strerror(errno));
	}
	env_sync_ends(file->shared, clock_now_ns() - begun_ns);
	return ERR_OK;
}

static const struct journal_io file_io = {
	.size = file_size,
	.read = file_read,
	.write = file_write,
	.sync = file_sync,
};

/* --------------------------------------------------------------- creating */

/* The file is new: what comes back says why, errno's text and all. */
static int
new_write(void *arg, const void *data, size_t size, uint64_t offset)
{
	const struct journal_file *file = arg;

	return write_all(file->fd, data, size, (off_t)offset)
	           ? ERR_OK
	           : err_from_errno(errno);
}

static int
new_sync(void *arg)
{
	const struct journal_file *file = arg;

	return fsync(file->fd) == 0 ? ERR_OK : err_from_errno(errno);
}

int
journal_file_create(const char *dir, const struct store_identity *identity,
    struct err_buf *err)
{
	static const struct journal_io new_io = {
		.write = new_write,
		.sync = new_sync,
	};
	struct journal_identity whose = identity_of(identity);
	struct journal_file file = { .fd = -1 };
	struct err_buf why;
	char path[4096];
	int code;

	code = join(path, sizeof(path), dir, err);
	if (code != ERR_OK) {
		return code;
	}
	whose.salt = arc4random();
	file.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file.fd == -1) {
		return err_set_errno(err, "%s", path);
	}
	code = journal_format(&new_io, &file, &whose, &shape, &why);
	close(file.fd);
	return code == ERR_OK ? ERR_OK
	                      : err_set(err, code, "%s: %s", path, why.text);
}

/* ---------------------------------------------------------------- opening */

/* A page that is written needs no new block, and no other room.  A copy may
 * have holes. */
static bool
overwrites_in_place(int fd)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 &&
	       (uint64_t)st.st_blocks * 512 >= shape.block + shape.size &&
	       fstatfs(fd, &fs) == 0 &&
	       ((unsigned long)fs.f_type == EXT4_SUPER_MAGIC ||
		   (unsigned long)fs.f_type == XFS_SUPER_MAGIC ||
		   (unsigned long)fs.f_type == TMPFS_MAGIC);
}

/* There may be devices with larger blocks. */
static bool
takes_blocks(int fd)
{
	void *block;
	bool done;

	if (posix_memalign(&block, BLOCK, BLOCK) != 0) {
		return false;
	}
	done = pread(fd, block, BLOCK, BLOCK) == BLOCK;
	free(block);
	return done;
}

static int
open_write(struct journal_file *file, struct journal *journal,
    const char *path, struct err_buf *err)
{
	int flags = O_RDWR | O_CLOEXEC | (file->synced ? O_DSYNC : 0);

	if (!file->synced && overwrites_in_place(file->fd)) {
		journal->mapped = true;
		return ERR_OK;
	}
	if (file->synced) {
		file->write_fd = open(path, flags | O_DIRECT);
		file->direct =
		    file->write_fd != -1 && takes_blocks(file->write_fd);
	}
	if (file->write_fd != -1 && !file->direct) {
		close(file->write_fd);
		file->write_fd = -1;
	}
	if (file->write_fd == -1) {
		file->write_fd = open(path, flags);
	}
	return file->write_fd != -1 ? ERR_OK : err_set_errno(err, "%s", path);
}

static int
open_area(struct journal_file *file, struct journal *journal,
    const char *path, struct err_buf *err)
{
	void *area = NULL;

	if (journal->mapped) {
		area = mmap(NULL, shape.size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, file->fd, BLOCK);
		if (area == MAP_FAILED) {
			return err_set_errno(err, "mapping %s", path);
		}
		/* The parent's alone; and no use in a core. */
		(void)madvise(area, shape.size, MADV_DONTFORK);
		(void)madvise(area, shape.size, MADV_DONTDUMP);
	} else if (posix_memalign(&area, BLOCK, shape.size) != 0) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	journal->area = area;
	journal->places =
	    calloc(shape.size / ENTRY_SIZE_MIN, sizeof(uint32_t));
	return journal->places != NULL
	           ? ERR_OK
	           : err_set(err, ERR_NOMEM, "out of memory");
}

int
journal_file_open(struct journal_file *file, struct journal *journal,
    struct env_shared *shared, const char *dir,
    const struct store_identity *identity, enum store_durability durability,
    bool read_only, struct err_buf *err)
{
	struct journal_identity whose = identity_of(identity);
	struct err_buf why;
	char path[4096];
	int code;

	memset(journal, 0, sizeof(*journal));
	*file = (struct journal_file){
		.shared = shared,
		.write_fd = -1,
		.synced = durability == STORE_POWER,
	};
	code = join(path, sizeof(path), dir, err);
	if (code != ERR_OK) {
		return code;
	}
	file->fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (file->fd == -1) {
		/* What was acknowledged may have been in it. */
		return errno == ENOENT ? err_set(err, ERR_CORRUPT,
					     "%s: missing", path)
		                       : err_set_errno(err, "%s", path);
	}
	journal->open = true;
	journal->io = &file_io;
	journal->arg = file;
	journal->synced = file->synced;
	journal->size = shape.size;
	code = journal_check(&file_io, file, &whose, &shape, &why);
	if (code != ERR_OK) {
		(void)err_set(err, code, "%s: %s", path, why.text);
	}
	if (code == ERR_OK && !read_only) {
		code = open_write(file, journal, path, err);
	}
	if (code == ERR_OK) {
		code = open_area(file, journal, path, err);
	}
	if (code != ERR_OK) {
		journal_file_close(file, journal);
		return code;
	}
	journal_init(journal, &whose, &shape);
	if (!file->synced) {
		journal->limit = LIMIT_PROCESS;
		journal->batch_max = BATCH_PROCESS;
	}
	return ERR_OK;
}

void
journal_file_close(struct journal_file *file, struct journal *journal)
{
	if (!journal->open) {
		return;
	}
	if (journal->mapped && journal->area != NULL) {
		munmap(journal->area, journal->size);
	} else {
		free(journal->area);
	}
	free(journal->places);
	if (file->write_fd != -1) {
		close(file->write_fd);
	}
	close(file->fd);
	memset(journal, 0, sizeof(*journal));
	memset(file, 0, sizeof(*file));
}

/* ------------------------------------------------------------------- disk */

int
journal_file_sync(struct journal_file *file, const struct journal *journal)
{
	int code = journal->open ? env_latched(file->shared) : ERR_OK;

	return code != ERR_OK || !journal->open ? code : file_sync(file);
}

int
journal_file_compare(struct journal_file *file, struct err_buf *err)
{
	const uint64_t ranges[][2] = { { 0, shape.block + shape.size } };

	return env_compare_ranges(LAYOUT_JOURNAL, file->fd, ranges, 1, err);
}
