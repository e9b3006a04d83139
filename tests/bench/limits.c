/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the disk and LMDB cost without anything around them: the floor under
 * each figure of power durability.
 *
 *	limits -S DIRECTORY -T MS	DIRECTORY is empty and stays so; MS each
 *
 * One line of JSON each, as the clients print it, begun with "figure".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/driver.h"

#define BLOCK	     4096
#define FILE_BLOCKS  4096
#define RECORD_SIZE  100
#define MAP_SIZE     ((size_t)1 << 30)

static struct driver_options options;
static struct bench_result result;
static char path[4096];
static void *block;
static int fd;
static uint64_t position;

static MDB_env *env;
static MDB_dbi dbi;
static uint32_t records;
static uint64_t next_record;

static void run(const char *, void (*)(void));
static void file_open(int, bool);
static void file_remove(void);
static void append_fdatasync(void);
static void overwrite_fdatasync(void);
static void overwrite_dsync(void);
static void lmdb_open(unsigned);
static void lmdb_remove(void);
static void lmdb_commit(void);
static void lmdb_must(int);

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned flags;
		uint32_t records;
	} commits[] = {
		{ "LMDB durable commit, 1 record", 0, 1 },
		{ "LMDB durable commit, 100 records", 0, 100 },
		{ "LMDB MDB_NOMETASYNC, 1 record", MDB_NOMETASYNC, 1 },
		{ "LMDB MDB_NOMETASYNC, 100 records", MDB_NOMETASYNC, 100 },
		{ "LMDB MDB_NOSYNC, 1 record", MDB_NOSYNC, 1 },
		{ "LMDB MDB_NOSYNC, 100 records", MDB_NOSYNC, 100 },
	};
	size_t i;

	driver_options(&options, argc, argv);
	if (posix_memalign(&block, BLOCK, BLOCK) != 0) {
		driver_die("memory");
	}
	memset(block, 'b', BLOCK);

	file_open(O_WRONLY, false);
	run("fdatasync, 4 KiB appended", append_fdatasync);
	file_remove();
	file_open(O_WRONLY, true);
	run("fdatasync, 4 KiB overwritten", overwrite_fdatasync);
	file_remove();
	file_open(O_WRONLY | O_DIRECT | O_DSYNC, true);
	if (fd >= 0) {
		run("O_DIRECT and O_DSYNC, 4 KiB overwritten", overwrite_dsync);
	}
	file_remove();
	for (i = 0; i < COUNT_OF(commits); i++) {
		records = commits[i].records;
		lmdb_open(commits[i].flags);
		run(commits[i].name, lmdb_commit);
		lmdb_remove();
	}
	free(block);
	return 0;
}

static void
run(const char *name, void (*one)(void))
{
	uint64_t start_ns = clock_now_ns(), begun_ns = start_ns, now_ns;

	memset(&result, 0, sizeof(result));
	do {
		one();
		now_ns = clock_now_ns();
		hist_record(&result.latency, now_ns - begun_ns);
		begun_ns = now_ns;
	} while (now_ns - start_ns < options.time_ns);
	printf("{\"figure\":\"%s\"}\t", name);
	fflush(stdout);
	driver_report(&options, &result, now_ns - start_ns);
}

/* ------------------------------------------------------------- files */

static void
file_open(int flags, bool written)
{
	int i;

	snprintf(path, sizeof(path), "%s/file", options.where);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		driver_die("%s", path);
	}
	for (i = 0; written && i < FILE_BLOCKS; i++) {
		if (write(fd, block, BLOCK) != BLOCK) {
			driver_die("%s", path);
		}
	}
	if (fsync(fd) != 0) {
		driver_die("%s", path);
	}
	close(fd);
	fd = open(path, flags | O_CLOEXEC);
	if (fd < 0 && (flags & O_DIRECT) == 0) {
		driver_die("%s", path);
	}
	if (fd < 0) {
		fprintf(stderr, "limits: %s: no O_DIRECT there\n", path);
	}
	position = 0;
}

static void
file_remove(void)
{
	if (fd >= 0) {
		close(fd);
	}
	if (unlink(path) != 0) {
		driver_die("%s", path);
	}
}

static void
append_fdatasync(void)
{
	if (write(fd, block, BLOCK) != BLOCK || fdatasync(fd) != 0) {
		driver_die("%s", path);
	}
}

static void
overwrite_fdatasync(void)
{
	overwrite_dsync();
	if (fdatasync(fd) != 0) {
		driver_die("%s", path);
	}
}

static void
overwrite_dsync(void)
{
	off_t at = (off_t)(position++ % FILE_BLOCKS) * BLOCK;

	if (pwrite(fd, block, BLOCK, at) != BLOCK) {
		driver_die("%s", path);
	}
}

/* -------------------------------------------------------------- LMDB */

static void
lmdb_open(unsigned flags)
{
	MDB_txn *txn;

	snprintf(path, sizeof(path), "%s/lmdb", options.where);
	lmdb_must(mdb_env_create(&env));
	lmdb_must(mdb_env_set_mapsize(env, MAP_SIZE));
	lmdb_must(mdb_env_open(env, path, flags | MDB_NOSUBDIR, 0600));
	lmdb_must(mdb_txn_begin(env, NULL, 0, &txn));
	lmdb_must(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &dbi));
	lmdb_must(mdb_txn_commit(txn));
	next_record = 1;
}

static void
lmdb_remove(void)
{
	char lock[sizeof(path) + 8];

	mdb_env_close(env);
	snprintf(lock, sizeof(lock), "%s-lock", path);
	if (unlink(path) != 0 || unlink(lock) != 0) {
		driver_die("%s", path);
	}
}

/* Records at the end, as a log has them; the oldest go, as they do there. */
static void
lmdb_commit(void)
{
	static char data[RECORD_SIZE];
	MDB_val key = { .mv_size = sizeof(next_record) };
	MDB_val value;
	MDB_txn *txn;
	uint64_t old;
	uint32_t i;

	lmdb_must(mdb_txn_begin(env, NULL, 0, &txn));
	for (i = 0; i < records; i++, next_record++) {
		key.mv_data = &next_record;
		value.mv_data = data;
		value.mv_size = sizeof(data);
		lmdb_must(mdb_put(txn, dbi, &key, &value, MDB_APPEND));
		if (next_record > 100000) {
			old = next_record - 100000;
			key.mv_data = &old;
			lmdb_must(mdb_del(txn, dbi, &key, NULL));
		}
	}
	lmdb_must(mdb_txn_commit(txn));
}

static void
lmdb_must(int code)
{
	if (code != 0) {
		errno = 0;
		driver_die("%s: %s", path, mdb_strerror(code));
	}
}
