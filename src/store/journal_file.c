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
#include "store/journal.h"

#include <assert.h>
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
#include "base/crc32c.h"
#include "store/store_layout.h"

#define BLOCK	  LAYOUT_JOURNAL_BLOCK
#define ALIGNMENT 8u	/* of records in process durability */
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

static uint32_t
head_checksum(const struct layout_journal_head *head)
{
	return crc32c(0, head, offsetof(struct layout_journal_head, checksum));
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

/* --------------------------------------------------------------- creating */

int
journal_create(const char *dir, const struct store_identity *identity,
    struct err_buf *err)
{
	struct layout_journal_head head = {
		.magic = LAYOUT_JOURNAL_MAGIC,
		.version = LAYOUT_VERSION,
		.node_id = identity->node_id,
		.cluster_id = identity->cluster_id,
		.store_id = identity->store_id,
		.size = LAYOUT_JOURNAL_SIZE,
	};
	const size_t size = BLOCK + LAYOUT_JOURNAL_SIZE;
	char path[4096];
	uint8_t *bytes;
	int fd, code;

	code = join(path, sizeof(path), dir, err);
	if (code != ERR_OK) {
		return code;
	}
	bytes = calloc(1, size);
	if (bytes == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	head.checksum = head_checksum(&head);
	memcpy(bytes, &head, sizeof(head));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1 || !write_all(fd, bytes, size, 0) || fsync(fd) == -1) {
		code = err_set_errno(err, "%s", path);
	}
	if (fd != -1) {
		close(fd);
	}
	free(bytes);
	return code;
}

/* ---------------------------------------------------------------- opening */

static int
check_head(struct journal *journal, const char *path,
    const struct store_identity *identity, struct err_buf *err)
{
	struct layout_journal_head head;
	struct stat st;

	if (fstat(journal->fd, &st) == -1) {
		return err_set_errno(err, "%s", path);
	}
	if (pread(journal->fd, &head, sizeof(head), 0) != sizeof(head) ||
	    head.magic != LAYOUT_JOURNAL_MAGIC ||
	    head.checksum != head_checksum(&head) ||
	    head.version != LAYOUT_VERSION ||
	    head.size != LAYOUT_JOURNAL_SIZE) {
		return err_set(err, ERR_CORRUPT, "%s: not a journal", path);
	}
	if ((uint64_t)st.st_size < BLOCK + head.size) {
		/* It would be a SIGBUS at some later time. */
		return err_set(err, ERR_CORRUPT,
		    "%s: truncated: %lld bytes are left", path,
		    (long long)st.st_size);
	}
	if (head.cluster_id != identity->cluster_id ||
	    head.store_id != identity->store_id ||
	    head.node_id != identity->node_id) {
		return err_set(err, ERR_MISMATCH,
		    "%s: belongs to another store, %016llx", path,
		    (unsigned long long)head.store_id);
	}
	journal->size = head.size;
	journal->limit = journal->synced ? head.size : LIMIT_PROCESS;
	return ERR_OK;
}

/* A page that is written needs no new block, and no other room. */
static bool
overwrites_in_place(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
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
open_write(struct journal *journal, const char *path, struct err_buf *err)
{
	int flags = O_RDWR | O_CLOEXEC | (journal->synced ? O_DSYNC : 0);

	if (!journal->synced && overwrites_in_place(journal->fd)) {
		journal->mapped = true;
		return ERR_OK;
	}
	if (journal->synced) {
		journal->write_fd = open(path, flags | O_DIRECT);
		journal->direct = journal->write_fd != -1 &&
		                  takes_blocks(journal->write_fd);
	}
	if (journal->write_fd != -1 && !journal->direct) {
		close(journal->write_fd);
		journal->write_fd = -1;
	}
	if (journal->write_fd == -1) {
		journal->write_fd = open(path, flags);
	}
	return journal->write_fd != -1 ? ERR_OK
	                               : err_set_errno(err, "%s", path);
}

static int
open_area(struct journal *journal, const char *path, struct err_buf *err)
{
	void *area = NULL;

	if (journal->mapped) {
		area = mmap(NULL, journal->size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, journal->fd, BLOCK);
		if (area == MAP_FAILED) {
			return err_set_errno(err, "mapping %s", path);
		}
		/* The parent's alone; and no use in a core. */
		(void)madvise(area, journal->size, MADV_DONTFORK);
		(void)madvise(area, journal->size, MADV_DONTDUMP);
	} else if (posix_memalign(&area, BLOCK, journal->size) != 0) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	journal->area = area;
	journal->places =
	    calloc(journal->size / ENTRY_SIZE_MIN, sizeof(uint32_t));
	return journal->places != NULL
	           ? ERR_OK
	           : err_set(err, ERR_NOMEM, "out of memory");
}

int
journal_open(struct journal *journal, struct env_shared *shared,
    const char *dir, const struct store_identity *identity,
    enum store_durability durability, bool read_only, struct err_buf *err)
{
	char path[4096];
	int code;

	memset(journal, 0, sizeof(*journal));
	journal->shared = shared;
	journal->write_fd = -1;
	journal->synced = durability == STORE_POWER;
	journal->seed = journal_seed(identity);
	code = join(path, sizeof(path), dir, err);
	if (code != ERR_OK) {
		return code;
	}
	journal->fd =
	    open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (journal->fd == -1) {
		/* What was acknowledged may have been in it. */
		return errno == ENOENT ? err_set(err, ERR_CORRUPT,
					     "%s: missing", path)
		                       : err_set_errno(err, "%s", path);
	}
	journal->open = true;
	code = check_head(journal, path, identity, err);
	if (code == ERR_OK && !read_only) {
		code = open_write(journal, path, err);
	}
	if (code == ERR_OK) {
		code = open_area(journal, path, err);
	}
	if (code != ERR_OK) {
		journal_close(journal);
	}
	return code;
}

void
journal_close(struct journal *journal)
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
	if (journal->write_fd != -1) {
		close(journal->write_fd);
	}
	close(journal->fd);
	memset(journal, 0, sizeof(*journal));
}

int
journal_load(struct journal *journal)
{
	size_t done = 0;
	ssize_t got;

	if (journal->mapped) {
		return ERR_OK;
	}
	while (done < journal->size) {
		got = pread(journal->fd, journal->area + done,
		    journal->size - done, (off_t)(BLOCK + done));
		if (got == -1 && errno == EINTR) {
			continue;
		} else if (got <= 0) {
			return env_latch(journal->shared, ERR_IO,
			    "journal: cannot be read: %s",
			    got == 0 ? "truncated" : strerror(errno));
		}
		done += (size_t)got;
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- writing */

/* Nothing of it counts, and nothing else was touched: the disk is full. */
static bool
is_full(const struct journal *journal, int error)
{
	return (error == ENOSPC || error == EDQUOT) &&
	       (journal->direct || !journal->synced);
}

int
journal_write(struct journal *journal, size_t span)
{
	uint64_t begun_ns = 0;
	int error = 0;

	if (journal->mapped) {
		/* Nothing is believed of it that does not match its checksum:
		 * no order is needed among its bytes. */
		return ERR_OK;
	}
	if (journal->synced) {
		begun_ns = clock_now_ns();
		env_sync_begins(journal->shared);
	}
	if (!write_all(journal->write_fd, journal->area + journal->end, span,
		(off_t)(BLOCK + journal->end))) {
		error = errno;
	}
	if (journal->synced && (error == 0 || is_full(journal, error))) {
		env_sync_ends(journal->shared, clock_now_ns() - begun_ns);
	}
	if (error == 0 || is_full(journal, error)) {
		return error == 0 ? ERR_OK : ERR_FULL;
	}
	return env_latch(journal->shared, ERR_IO, "journal: write failed: %s",
	    strerror(error));
}

int
journal_sync(struct journal *journal)
{
	uint64_t begun_ns = clock_now_ns();
	int code = env_latched(journal->shared);

	if (code != 0 || !journal->open) {
		return code;
	}
	env_sync_begins(journal->shared);
	if (fdatasync(journal->fd) == -1) {
		return env_latch(journal->shared, ERR_IO,
		    "journal: sync failed: %s", strerror(errno));
	}
	env_sync_ends(journal->shared, clock_now_ns() - begun_ns);
	return ERR_OK;
}

int
journal_compare_disk(struct journal *journal, struct err_buf *err)
{
	const uint64_t ranges[][2] = { { 0, BLOCK + journal->size } };

	return env_compare_ranges(
	    LAYOUT_JOURNAL, journal->fd, ranges, 1, err);
}

/* ---------------------------------------------------------------- batches */

size_t
journal_span(const struct journal *journal)
{
	size_t unit = journal->synced ? BLOCK : ALIGNMENT;
	size_t size = journal->staged_end - journal->end;

	return (size + unit - 1) / unit * unit;
}

size_t
journal_stage(struct journal *journal, uint32_t kind, const void *head,
    size_t head_size, const void *data, size_t data_size)
{
	size_t offset = journal->staged_end, end = journal->limit, place;

	if (!journal->synced && end > journal->end + BATCH_PROCESS) {
		end = journal->end + BATCH_PROCESS;
	}
	if (offset == 0) {
		offset = journal->end + sizeof(struct layout_record);
	}
	place = journal_put(journal->area, &offset, end, kind, head, head_size,
	    data, data_size);
	if (place != 0) {
		journal->staged_end = offset;
	}
	return place;
}

void
journal_unstage(struct journal *journal)
{
	journal->staged_end = 0;
	journal->staged_count = 0;
	journal->staged_pages_size = 0;
}

void
journal_restart(struct journal *journal)
{
	journal_unstage(journal);
	if (journal->end > 0) {
		journal->at.lap++;
	}
	journal->end = 0;
	journal->count = 0;
	journal->pages_size = 0;
}
