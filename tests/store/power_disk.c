/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Noting calls, and images of them.
 *
 * A file or directory is an object; names are entries of directories.  Every
 * call becomes one or two notes about an object, and an image is what the
 * notes up to a point leave of each object, put together from the root.
 */
#include "tests/store/power_disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/prng.h"

#define EXPORT	    __attribute__((visibility("default")))
#define OBJECTS_MAX 128
#define ENTRIES_MAX 16
#define NOTES_MAX   20000
#define SECTOR	    512

#define must(ok)							\
	do {								\
		if (!(ok)) {						\
			fprintf(stderr, "power_disk.c:%d: %s\n",	\
			    __LINE__, strerror(errno));			\
			abort();					\
		}							\
	} while (0)

struct entry {
	char name[48];
	int object;
};

struct object {
	bool is_dir;
	uint8_t *data;		/* of a file, when noting began */
	size_t size;
	struct entry entries[ENTRIES_MAX];	/* then and now */
	int entry_count;
	struct entry live[ENTRIES_MAX];
	int live_count;
};

enum note_kind { NOTE_WRITE, NOTE_SIZE, NOTE_SYNC, NOTE_ADD, NOTE_DEL };

struct note {
	enum note_kind kind;
	int object;
	bool durable;		/* written with O_DSYNC */
	uint64_t offset, size;
	uint8_t *data;
	struct entry entry;
};

static struct object objects[OBJECTS_MAX];
static struct note notes[NOTES_MAX];
static int object_count;
static unsigned int note_count;
static char root[PATH_MAX];
static bool noting, quick;

/* ---------------------------------------------------------------- objects */

static void
set_entry(struct entry *entries, int *count, const char *name, int object)
{
	int i;

	for (i = 0; i < *count && strcmp(entries[i].name, name) != 0; i++) {
	}
	if (i == *count) {
		must(*count < ENTRIES_MAX &&
		    strlen(name) < sizeof(entries[i].name));
		(*count)++;
		strcpy(entries[i].name, name);
	}
	entries[i].object = object;
}

static void
take_entry(struct entry *entries, int *count, const char *name)
{
	int i;

	for (i = 0; i < *count; i++) {
		if (strcmp(entries[i].name, name) == 0) {
			entries[i] = entries[--*count];
			return;
		}
	}
}

static int
new_object(bool is_dir)
{
	must(object_count < OBJECTS_MAX);
	memset(&objects[object_count], 0, sizeof(objects[0]));
	objects[object_count].is_dir = is_dir;
	return object_count++;
}

/* What is there when noting begins. */
static int
load(const char *path)
{
	char name[PATH_MAX + 300];
	struct dirent *entry;
	struct stat info;
	struct object *object;
	int made, fd, child;
	DIR *stream;

	must(stat(path, &info) == 0);
	made = new_object(S_ISDIR(info.st_mode));
	object = &objects[made];
	if (!object->is_dir) {
		object->size = (size_t)info.st_size;
		object->data = malloc(object->size + 1);
		fd = open(path, O_RDONLY);
		must(fd >= 0 && read(fd, object->data, object->size) ==
		    (ssize_t)object->size);
		close(fd);
		return made;
	}
	stream = opendir(path);
	must(stream != NULL);
	while ((entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, "lock.mdb") == 0) {
			continue;
		}
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		child = load(name);
		set_entry(object->entries, &object->entry_count,
		    entry->d_name, child);
	}
	closedir(stream);
	memcpy(object->live, object->entries, sizeof(object->live));
	object->live_count = object->entry_count;
	return made;
}

/* The object of a path, -1: not ours, or not there; *dir and *name: where it
 * is or would be. */
static int
find(const char *path, int *dir, const char **name)
{
	static char copy[PATH_MAX];
	char *part, *rest = copy;
	int at = 0, i;

	*dir = -1;
	*name = "";
	if (!noting || strncmp(path, root, strlen(root)) != 0 ||
	    (path[strlen(root)] != '/' && path[strlen(root)] != '\0')) {
		return -1;
	}
	snprintf(copy, sizeof(copy), "%s", path + strlen(root));
	while ((part = strsep(&rest, "/")) != NULL) {
		if (part[0] == '\0' || strcmp(part, ".") == 0) {
			continue;
		}
		if (at < 0) {
			*dir = -1;	/* below what is not there */
			return -1;
		}
		*dir = at;
		*name = part;
		for (i = 0; i < objects[at].live_count &&
			    strcmp(objects[at].live[i].name, part) != 0;
		     i++) {
		}
		at = i < objects[at].live_count ? objects[at].live[i].object
		                                : -1;
	}
	return at;
}

static struct note *
note(enum note_kind kind, int object)
{
	struct note *made = &notes[note_count];

	must(note_count < NOTES_MAX);
	memset(made, 0, sizeof(*made));
	made->kind = kind;
	made->object = object;
	note_count++;
	return made;
}

static void
note_add(int dir, const char *name, int object)
{
	struct note *made = note(NOTE_ADD, dir);

	snprintf(made->entry.name, sizeof(made->entry.name), "%s", name);
	made->entry.object = object;
	set_entry(objects[dir].live, &objects[dir].live_count, name, object);
}

static void
note_del(int dir, const char *name)
{
	struct note *made = note(NOTE_DEL, dir);

	snprintf(made->entry.name, sizeof(made->entry.name), "%s", name);
	take_entry(objects[dir].live, &objects[dir].live_count, name);
}

/* The object of a descriptor; a file that is new gets its name now. */
static int
object_of(int fd)
{
	char link[64], path[PATH_MAX];
	const char *name;
	struct stat info;
	ssize_t length;
	int dir, at;

	if (!noting) {
		return -1;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length <= 0) {
		return -1;
	}
	path[length] = '\0';
	at = find(path, &dir, &name);
	if (at < 0 && dir >= 0 && strcmp(name, "lock.mdb") != 0 &&
	    fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
	    info.st_nlink > 0) {
		char copy[48];

		snprintf(copy, sizeof(copy), "%s", name);
		at = new_object(false);
		note_add(dir, copy, at);
	}
	return at;
}

static void
note_write(int fd, const struct iovec *iov, int count, uint64_t offset)
{
	int at = object_of(fd), i;
	struct note *made;

	if (at < 0) {
		return;
	}
	made = note(NOTE_WRITE, at);
	made->durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
	made->offset = offset;
	for (i = 0; i < count; i++) {
		made->size += iov[i].iov_len;
	}
	made->data = malloc(made->size + 1);
	must(made->data != NULL);
	offset = 0;
	for (i = 0; i < count; i++) {
		memcpy(made->data + offset, iov[i].iov_base, iov[i].iov_len);
		offset += iov[i].iov_len;
	}
}

static void
note_size(int fd, uint64_t size)
{
	int at = object_of(fd);

	if (at >= 0) {
		note(NOTE_SIZE, at)->size = size;
	}
}

static void
note_sync(int fd)
{
	int at = object_of(fd);

	if (at >= 0) {
		note(NOTE_SYNC, at);
	}
}

/* ------------------------------------------------------------------- calls */

EXPORT int
fdatasync(int fd)
{
	note_sync(fd);
	return quick ? 0 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int
fsync(int fd)
{
	note_sync(fd);
	return quick ? 0 : (int)syscall(SYS_fsync, fd);
}

EXPORT ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };

	note_write(fd, &iov, 1, (uint64_t)offset);
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

EXPORT ssize_t
write(int fd, const void *data, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)data, size };

	if (noting) {
		note_write(fd, &iov, 1,
		    (uint64_t)lseek(fd, 0, SEEK_CUR));
	}
	return syscall(SYS_write, fd, data, size);
}

EXPORT ssize_t
writev(int fd, const struct iovec *iov, int count)
{
	if (noting) {
		note_write(fd, iov, count, (uint64_t)lseek(fd, 0, SEEK_CUR));
	}
	return syscall(SYS_writev, fd, iov, count);
}

EXPORT ssize_t
pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	note_write(fd, iov, count, (uint64_t)offset);
	return syscall(SYS_pwritev, fd, iov, count, offset, 0L);
}

EXPORT int
fallocate(int fd, int how, off_t offset, off_t size)
{
	int result = (int)syscall(SYS_fallocate, fd, how, offset, size);

	if (result == 0 && (how & FALLOC_FL_KEEP_SIZE) == 0) {
		note_size(fd, (uint64_t)(offset + size));
	}
	return result;
}

EXPORT int
mkdir(const char *path, mode_t how)
{
	const char *name;
	int dir, result = (int)syscall(SYS_mkdir, path, how);
	char copy[48];

	if (result == 0 && find(path, &dir, &name) < 0 && dir >= 0) {
		snprintf(copy, sizeof(copy), "%s", name);
		note_add(dir, copy, new_object(true));
	}
	return result;
}

EXPORT int
rename(const char *from, const char *to)
{
	int result = (int)syscall(SYS_rename, from, to), at, dir;
	const char *name;
	char copy[48];

	at = find(from, &dir, &name);
	if (result == 0 && at >= 0) {
		int from_dir = dir;

		snprintf(copy, sizeof(copy), "%s", name);
		(void)find(to, &dir, &name);
		must(dir == from_dir);	/* both in one directory: one step */
		note_add(dir, name, at);
		/* The new name and the old one change together. */
		notes[note_count - 1].data = (uint8_t *)strdup(copy);
		take_entry(objects[dir].live, &objects[dir].live_count, copy);
	}
	return result;
}

EXPORT int
remove(const char *path)
{
	struct stat info;
	const char *name;
	char copy[48];
	int dir, result;

	if (lstat(path, &info) == -1) {
		return -1;
	}
	result = (int)(S_ISDIR(info.st_mode) ? syscall(SYS_rmdir, path)
	                                     : syscall(SYS_unlink, path));
	if (result == 0 && find(path, &dir, &name) >= 0) {
		snprintf(copy, sizeof(copy), "%s", name);
		note_del(dir, copy);
	}
	return result;
}

/* ------------------------------------------------------------------ images */

/* Notes before this one are on the disk. */
static unsigned int
last_sync(int object, unsigned int count)
{
	unsigned int i, last = 0;

	for (i = 0; i < count; i++) {
		if (notes[i].object == object && notes[i].kind == NOTE_SYNC) {
			last = i + 1;
		}
	}
	return last;
}

static void
put(int fd, const struct note *made, bool whole, struct prng *prng)
{
	uint64_t at, step;

	for (at = 0; at < made->size; at += step) {
		step = SECTOR - (made->offset + at) % SECTOR;
		step = step < made->size - at ? step : made->size - at;
		if (whole || prng_below(prng, 2) == 0) {
			must(syscall(SYS_pwrite64, fd, made->data + at, step,
				 made->offset + at) == (ssize_t)step);
		}
	}
}

static void
make_file(const char *to, int at, unsigned int count, enum power_image how,
    struct prng *prng)
{
	const struct object *object = &objects[at];
	unsigned int i, synced = last_sync(at, count);
	const struct note *made;
	struct stat info;
	bool whole;
	int fd;

	fd = open(to, O_RDWR | O_CREAT | O_EXCL, 0600);
	must(fd >= 0 && syscall(SYS_write, fd, object->data, object->size) ==
	    (ssize_t)object->size);
	for (i = 0; i <= count && i < note_count; i++) {
		made = &notes[i];
		if (made->object != at) {
			continue;
		}
		if (i == count) {
			/* Under way: some of it is there. */
			if (how == POWER_SOME && made->kind == NOTE_WRITE) {
				put(fd, made, false, prng);
			}
			break;
		}
		whole = made->durable || i < synced || how == POWER_ALL;
		if (!whole && how == POWER_NOTHING) {
			continue;
		}
		if (made->kind == NOTE_WRITE) {
			put(fd, made, whole, prng);
		} else if (made->kind == NOTE_SIZE && (whole ||
		    prng_below(prng, 2) == 0)) {
			must(fstat(fd, &info) == 0);
			must((uint64_t)info.st_size >= made->size ||
			    ftruncate(fd, (off_t)made->size) == 0);
		}
	}
	close(fd);
}

static void make(const char *, int, unsigned int, enum power_image,
    struct prng *);

static void
make_dir(const char *to, int at, unsigned int count, enum power_image how,
    struct prng *prng)
{
	unsigned int i, synced = last_sync(at, count);
	struct object now = objects[at];
	char path[PATH_MAX];
	int k;

	must(syscall(SYS_mkdir, to, 0700) == 0);
	for (i = 0; i < count; i++) {
		const struct note *made = &notes[i];

		if (made->object != at || (made->kind != NOTE_ADD &&
		    made->kind != NOTE_DEL)) {
			continue;
		}
		if (i >= synced && (how == POWER_NOTHING ||
		    (how == POWER_SOME && prng_below(prng, 3) == 0))) {
			break;		/* the rest has not got there */
		}
		if (made->kind == NOTE_DEL) {
			take_entry(now.entries, &now.entry_count,
			    made->entry.name);
			continue;
		}
		if (made->data != NULL) {
			take_entry(now.entries, &now.entry_count,
			    (const char *)made->data);
		}
		set_entry(now.entries, &now.entry_count, made->entry.name,
		    made->entry.object);
	}
	for (k = 0; k < now.entry_count; k++) {
		must((size_t)snprintf(path, sizeof(path), "%s/%s", to,
			 now.entries[k].name) < sizeof(path));
		make(path, now.entries[k].object, count, how, prng);
	}
}

static void
make(const char *to, int at, unsigned int count, enum power_image how,
    struct prng *prng)
{
	if (objects[at].is_dir) {
		make_dir(to, at, count, how, prng);
	} else {
		make_file(to, at, count, how, prng);
	}
}

/* ---------------------------------------------------------------- the face */

void
power_begin(const char *dir)
{
	power_free();
	must(realpath(dir, root) != NULL);
	must(load(root) == 0);
	noting = true;
}

unsigned int
power_end(void)
{
	noting = false;
	return note_count;
}

unsigned int
power_count(void)
{
	return note_count;
}

void
power_make(const char *to, unsigned int count, enum power_image how,
    uint64_t seed)
{
	struct prng prng;

	prng_init(&prng, seed);
	make(to, 0, count, how, &prng);
}

void
power_be_quick(void)
{
	quick = true;
}

void
power_free(void)
{
	unsigned int i;
	int k;

	noting = false;
	for (i = 0; i < note_count; i++) {
		free(notes[i].data);
	}
	for (k = 0; k < object_count; k++) {
		free(objects[k].data);
	}
	note_count = 0;
	object_count = 0;
}
