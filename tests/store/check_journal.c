/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal: its records as bytes, and what a store makes of it.
 */
#include "store/journal_file.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/prng.h"
#include "store/store_layout.h"
#include "tests/store/store_test.h"

#define RECORDS	  6
#define AREA_SIZE (16u << 10)
#define SEED	  0x1234u
#define SECTOR	  512u

/* ------------------------------------------------------------------ bytes */

static uint8_t area[AREA_SIZE];
static size_t ends[RECORDS + 1];	/* of records, without what pads them */
static size_t begins[RECORDS + 1];
static struct journal_at begin_at;

/* One record of `count` operations at *offset. */
static void
add_record(struct journal_at *at, size_t *offset, size_t unit, uint32_t number,
    uint32_t count)
{
	size_t head = *offset, end = head + sizeof(struct layout_record), span;
	uint8_t data[100];
	uint32_t i;

	for (i = 0; i < count; i++) {
		memset(data, (int)(number + i), sizeof(data));
		ck_assert_uint_ne(journal_put(area, &end, AREA_SIZE,
				      LAYOUT_OP_ENTRY, &number, sizeof(number),
				      data, (number * 7 + i) % sizeof(data)),
		    0);
	}
	span = (end - head + unit - 1) / unit * unit;
	journal_seal(area, head,
	    end - head - sizeof(struct layout_record), span, SEED, at);
	*offset += span;
}

/* RECORDS records of one lap, over bytes of the lap before. */
static void
make_area(size_t unit)
{
	struct journal_at at = { 40, 2, 77 };
	size_t offset = 0;
	uint32_t i;

	memset(area, 0, sizeof(area));
	/* Of other sizes, so that nothing lies where it did. */
	for (i = 0; i < (unit == 8 ? 2 * RECORDS : AREA_SIZE / unit); i++) {
		add_record(&at, &offset, unit, 200 + i, 3);
	}
	at.lap++;
	begin_at = at;
	for (i = 0, offset = 0; i < RECORDS && offset < AREA_SIZE; i++) {
		struct layout_record record;

		begins[i] = offset;
		add_record(&at, &offset, unit, i, i % 4 + 1);
		memcpy(&record, area + begins[i], sizeof(record));
		ends[i] = begins[i] + sizeof(record) + record.size;
	}
}

struct seen {
	uint32_t records;
	uint32_t operations;
};

static int
see(void *arg, size_t offset, size_t end)
{
	struct seen *seen = arg;
	struct journal_op op;
	uint32_t number, count = 0;

	while (offset < end) {
		ck_assert(journal_next(area, &offset, end, &op));
		memcpy(&number, area + op.offset, sizeof(number));
		ck_assert_uint_eq(number, seen->records);
		ck_assert_uint_eq(op.kind, LAYOUT_OP_ENTRY);
		ck_assert_uint_eq(
		    op.size, sizeof(number) + (number * 7 + count) % 100);
		count++;
	}
	ck_assert_uint_eq(count, seen->records % 4 + 1);
	ck_assert(!journal_next(area, &offset, end, &op));
	seen->records++;
	seen->operations += count;
	return ERR_OK;
}

static int
scan(uint32_t *records)
{
	struct journal_at at = begin_at;
	struct seen seen = { 0 };
	size_t end = 1;
	int code;

	test_err.text[0] = '\0';
	code = journal_scan(
	    area, AREA_SIZE, SEED, &at, &end, see, &seen, &test_err);
	ck_assert_uint_eq(at.sequence, begin_at.sequence + seen.records);
	ck_assert_uint_eq(at.lap, begin_at.lap);
	ck_assert(code == ERR_OK || code == ERR_CORRUPT);
	ck_assert((code == ERR_OK) == (test_err.text[0] == '\0'));
	*records = seen.records;
	return code;
}

START_TEST(test_scan)
{
	struct journal_at at;
	struct seen seen = { 0 };
	uint32_t records;
	size_t end;

	make_area(8);
	ck_assert_int_eq(scan(&records), ERR_OK);
	ck_assert_uint_eq(records, RECORDS);
	/* With LMDB as far as this lap, nothing is left. */
	at = begin_at;
	at.lap++;
	at.sequence += RECORDS;
	ck_assert_int_eq(journal_scan(area, AREA_SIZE, SEED, &at, &end, see,
			     &seen, &test_err),
	    ERR_OK);
	ck_assert_uint_eq(seen.records, 0);
	ck_assert_uint_eq(end, 0);
	/* Of another store: nothing is good. */
	at = begin_at;
	ck_assert_int_eq(journal_scan(area, AREA_SIZE, SEED + 1, &at, &end,
			     see, &seen, &test_err),
	    ERR_OK);
	ck_assert_uint_eq(seen.records, 0);
	/* A log environment that lacks a lap, a record, or another's. */
	at = begin_at;
	at.lap--;
	ck_assert_int_eq(journal_scan(area, AREA_SIZE, SEED, &at, &end, see,
			     &seen, &test_err),
	    ERR_CORRUPT);
	at = begin_at;
	at.sequence--;
	ck_assert_int_eq(journal_scan(area, AREA_SIZE, SEED, &at, &end, see,
			     &seen, &test_err),
	    ERR_CORRUPT);
	at = begin_at;
	at.chain++;
	ck_assert_int_eq(journal_scan(area, AREA_SIZE, SEED, &at, &end, see,
			     &seen, &test_err),
	    ERR_CORRUPT);
}
END_TEST

/* Written up to any byte, over what was there before. */
START_TEST(test_every_prefix)
{
	static uint8_t whole[AREA_SIZE], before[AREA_SIZE];
	uint32_t records, expected = 0;
	size_t size, first, last;
	int i;

	make_area(8);
	memcpy(whole, area, sizeof(area));
	for (i = 0; i < RECORDS; i++) {
		/* Records before i, then what the lap before has left. */
		make_area(8);
		memcpy(before, area, sizeof(area));
		first = begins[i];
		last = ends[i];
		memset(before + first, 0x5a, last - first);
		for (size = first; size <= last; size++) {
			memcpy(area, whole, size);
			memcpy(area + size, before + size, AREA_SIZE - size);
			memset(area + last, 0, AREA_SIZE - last);
			expected = (uint32_t)i + (size == last);
			ck_assert_int_eq(scan(&records), ERR_OK);
			ck_assert_uint_eq(records, expected);
		}
	}
	ck_assert_uint_eq(expected, RECORDS);
}
END_TEST

/* Each byte of it another one: the records before, and damage unless it is
 * the last. */
START_TEST(test_every_byte)
{
	uint32_t records;
	size_t at;
	int i;

	make_area(8);
	for (i = 0; i < RECORDS; i++) {
		for (at = begins[i]; at < ends[i]; at++) {
			area[at] ^= (uint8_t)(1u << (at % 8));
			ck_assert_int_eq(scan(&records),
			    i == RECORDS - 1 ? ERR_OK : ERR_CORRUPT);
			ck_assert_uint_eq(records, (uint32_t)i);
			area[at] ^= (uint8_t)(1u << (at % 8));
		}
	}
	ck_assert_int_eq(scan(&records), ERR_OK);
	ck_assert_uint_eq(records, RECORDS);
}
END_TEST

/* Blocks of the last record: any sectors of it got there. */
START_TEST(test_torn)
{
	static uint8_t whole[AREA_SIZE], before[AREA_SIZE];
	const uint32_t block = 4096, count = AREA_SIZE / block;
	uint32_t set, records, sector;

	make_area(block);
	memcpy(whole, area, sizeof(area));
	memcpy(before, area, sizeof(area));
	/* The last block as of the lap before. */
	make_area(block);
	for (sector = 0; sector < block; sector++) {
		before[AREA_SIZE - block + sector] = (uint8_t)(sector * 3);
	}
	for (set = 0; set < 1u << (block / SECTOR); set++) {
		memcpy(area, before, sizeof(area));
		for (sector = 0; sector < block / SECTOR; sector++) {
			size_t at = AREA_SIZE - block + sector * SECTOR;

			if ((set >> sector & 1) != 0) {
				memcpy(area + at, whole + at, SECTOR);
			}
		}
		ck_assert_int_eq(scan(&records), ERR_OK);
		/* All of it is in the first sector. */
		ck_assert_uint_eq(
		    records, count - 1 + ((set & 1) != 0 ? 1u : 0u));
	}
}
END_TEST

/* Any bytes at all: no more than what is there, and an end. */
START_TEST(test_noise)
{
	struct prng prng;
	uint32_t records;
	int round, i;

	prng_init(&prng, 7);
	for (round = 0; round < 2000; round++) {
		make_area(8);
		for (i = 0; i < 1 + round % 20; i++) {
			size_t at = prng_below(&prng, ends[RECORDS - 1]);

			area[at] = (uint8_t)prng_below(&prng, 256);
		}
		(void)scan(&records);
		ck_assert_uint_le(records, RECORDS);
	}
}
END_TEST

START_TEST(test_full_record)
{
	struct layout_op_hard_state op = { .term = 1 };
	size_t offset = 0, last = 0;

	while (journal_put(area, &offset, 4096, LAYOUT_OP_HARD_STATE, &op,
		   sizeof(op), NULL, 0) != 0) {
		last = offset;
	}
	ck_assert_uint_eq(offset, last);
	ck_assert_uint_eq(offset, 4096 / 24 * 24);
	offset = 4096 - 8;
	ck_assert_uint_eq(journal_put(area, &offset, 4096, 1, &op, sizeof(op),
			      NULL, 0),
	    0);
	offset = 5000 / 8 * 8;
	ck_assert_uint_eq(journal_put(area, &offset, 4096, 1, &op, sizeof(op),
			      NULL, 0),
	    0);
}
END_TEST

/* ------------------------------------------------------------------ stores */

/* The last one on a file system that may write elsewhere than in place. */
static const enum store_durability durabilities[] = { STORE_POWER,
	STORE_PROCESS, STORE_PROCESS };
static bool elsewhere;
static unsigned int record_writes;

__attribute__((visibility("default"))) int
fstatfs(int fd, struct statfs *fs)
{
	int result = (int)syscall(SYS_fstatfs, fd, fs);

	if (elsewhere) {
		fs->f_type = 0x9123683e;
	}
	return result;
}

__attribute__((visibility("default"))) ssize_t
pwrite(int fd, const void *data, size_t size, off_t offset)
{
	struct layout_record record = { .magic = 0 };

	if (size >= sizeof(record)) {
		memcpy(&record, data, sizeof(record));
	}
	record_writes += record.magic == LAYOUT_RECORD_MAGIC;
	return syscall(SYS_pwrite64, fd, data, size, offset);
}

static void
journal_path(char path[400])
{
	snprintf(path, 400, "%s/store/journal", test_dir);
}

/* A process that dies with what it has in the journal. */
static void
die_with(enum store_durability durability, void (*what)(struct store *))
{
	struct store *store;
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		store = test_open(durability);
		what(store);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
write_three(struct store *store)
{
	struct raft_hard_state hard_state = { .term = 5, .vote = 2 };

	ck_assert_int_eq(test_commit(store, 2, 30, 2), ERR_OK);
	ck_assert_int_eq(test_commit(store, 30, 60, 4), ERR_OK);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_set_hard_state(store, &hard_state);
	ck_assert(!store_is_direct(store));
	ck_assert_int_eq(store_commit(store), ERR_OK);
	test_is_whole(store, 59);
}

static void
has_three(struct store *store)
{
	struct store_entry_info entry;
	struct store_log_info info;
	struct raft_boot boot;
	uint64_t count = 0;
	uint64_t i;

	test_is_whole(store, 59);
	ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
	ck_assert_uint_eq(info.hard_state.term, 5);
	ck_assert_uint_eq(info.hard_state.vote, 2);
	ck_assert_uint_eq(info.last_term, 4);
	ck_assert_int_eq(store_entry_info(store, 30, &entry), ERR_OK);
	ck_assert_uint_eq(entry.term, 4);
	ck_assert_int_eq(store_entry_info(store, 60, &entry), ERR_NOT_FOUND);
	ck_assert_int_eq(store_read(store, 60, 61, 1, test_matches, &count),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(store_read(store, 29, 31, UINT64_MAX, test_matches,
			     &count),
	    ERR_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
	ck_assert_uint_eq(boot.run_count, 3);
	ck_assert_uint_eq(boot.runs[1].first_index, 2);
	ck_assert_uint_eq(boot.runs[2].first_index, 30);
	ck_assert_uint_eq(boot.runs[2].term, 4);
	ck_assert_uint_eq(boot.configuration_count, 1);
	ck_assert_uint_eq(boot.size_count, 59);
	for (i = 2; i < 60; i++) {
		ck_assert_uint_eq(boot.sizes[i - 1],
		    test_entry(i, i < 30 ? 2 : 4).size);
	}
	store_free_boot(&boot);
}

/* Seen while it runs, after its death, by tools and by the next start. */
START_TEST(test_replay)
{
	enum store_durability durability = durabilities[_i % 2];
	enum store_durability later = durabilities[_i / 2];
	struct store *store;
	int i;

	test_create(durability);
	store = test_open(durability);
	write_three(store);
	has_three(store);
	store_close(store);
	for (i = 0; i < 2; i++) {
		/* The tool changes nothing. */
		store = test_open_read_only();
		has_three(store);
		store_close(store);
	}
	for (i = 0; i < 2; i++) {
		store = test_open(later);
		has_three(store);
		store_close(store);
	}
	store = test_open(later);
	ck_assert_int_eq(test_commit(store, 60, 90, 6), ERR_OK);
	test_is_whole(store, 89);
	store_close(store);
	store = test_open(durability);
	test_is_whole(store, 89);
	store_close(store);
}
END_TEST

START_TEST(test_killed)
{
	struct store *store;

	elsewhere = _i == 2;
	test_create(durabilities[_i]);
	die_with(durabilities[_i], write_three);
	store = test_open_read_only();
	has_three(store);
	store_close(store);
	store = test_open(durabilities[_i]);
	has_three(store);
	store_close(store);
}
END_TEST

/* A configuration in it is in force. */
START_TEST(test_configuration_entry)
{
	struct raft_configuration two = test_configuration;
	uint8_t data[RAFT_CONFIGURATION_SIZE_MAX];
	struct raft_entry entry = { .index = 2, .term = 1,
		.type = RAFT_ENTRY_CONFIGURATION, .data = data };
	struct raft_boot boot;
	struct store *store;
	int i;

	two.count = 2;
	entry.size = raft_configuration_encode(&two, data);
	entry.checksum = raft_entry_checksum(entry.type, data, entry.size);
	test_create(STORE_PROCESS);
	store = test_open(STORE_PROCESS);
	ck_assert_int_eq(store_begin(store), ERR_OK);
	store_append(store, &entry, 1);
	ck_assert_int_eq(store_commit(store), ERR_OK);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(store_boot(store, &boot), ERR_OK);
		ck_assert_uint_eq(boot.configuration_count, 2);
		ck_assert_uint_eq(boot.configurations[1].index, 2);
		ck_assert_uint_eq(boot.configurations[1].count, 2);
		store_free_boot(&boot);
		store_close(store);
		store = i == 0 ? test_open_read_only()
		               : test_open(STORE_PROCESS);
	}
	store_close(store);
}
END_TEST

/* Through many laps, with everything that is not plain in between, and a
 * death now and then: as a model has it. */
static struct prng walk_prng;
static uint64_t walk_term, walk_last, walk_cuts;

static void
walk(struct store *store)
{
	uint64_t from, count;
	int i;

	for (i = 0; i < 40; i++) {
		from = walk_last + 1;
		count = prng_below(&walk_prng, 120);
		if (prng_below(&walk_prng, 4) == 0) {
			walk_term++;
		}
		if (prng_below(&walk_prng, 8) == 0) {
			from -= prng_below(&walk_prng, 50) % (from - 1);
			walk_cuts++;
			if (from <= walk_last) {
				walk_term++;
			}
		}
		from = from < 2 ? 2 : from;
		ck_assert_int_eq(
		    test_commit(store, from, from + count, walk_term), ERR_OK);
		walk_last = from + count - 1;
	}
}

START_TEST(test_walk)
{
	enum store_durability durability = durabilities[_i];
	struct store_log_info info;
	struct store *store;
	int round;

	elsewhere = _i == 2;
	record_writes = 0;
	prng_init(&walk_prng, 3);
	walk_term = walk_last = 1;
	test_create(durability);
	for (round = 0; round < 20; round++) {
		if (round % 2 == 0) {
			/* What the child's walk came to, its store says. */
			die_with(durability, walk);
			store = test_open_read_only();
			ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
			store_close(store);
			ck_assert_uint_ge(info.hard_state.term, walk_term);
			walk_last = info.last_index;
			walk_term = info.hard_state.term;
			(void)prng_below(&walk_prng, 2);
		}
		store = test_open(durability);
		test_is_whole(store, walk_last);
		walk(store);
		test_is_whole(store, walk_last);
		store_close(store);
		store = test_open_read_only();
		test_is_whole(store, walk_last);
		store_close(store);
	}
	ck_assert_uint_gt(walk_cuts, 10);
	/* A mapped journal takes none. */
	ck_assert((record_writes == 0) == (_i == 1));
}
END_TEST

/* Nothing is written into LMDB for what is plain, until it is full. */
START_TEST(test_laps)
{
	struct store_figures figures;
	struct store *store;
	uint64_t index, used, flushes = 0, before;

	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	store_figures(store, &figures);
	before = figures.log_used;
	for (index = 2; index < 20000; index += 10) {
		ck_assert_int_eq(
		    test_commit(store, index, index + 10, 2), ERR_OK);
		store_figures(store, &figures);
		used = figures.log_used;
		flushes += used != before;
		before = used;
	}
	ck_assert_uint_ge(flushes, 1);
	ck_assert_uint_le(flushes, 20);
	test_is_whole(store, index - 1);
	store_close(store);
}
END_TEST

/* ------------------------------------------------------------------ damage */

/* One that cannot be the journal of this store. */
START_TEST(test_no_journal)
{
	struct store_options options = test_options(durabilities[_i % 2]);
	char path[400], other[420];
	struct store *store;
	int code = ERR_CORRUPT, fd, i;
	uint8_t byte = 0xff;

	test_create(durabilities[_i % 2]);
	die_with(durabilities[_i % 2], write_three);
	journal_path(path);
	snprintf(other, sizeof(other), "%s.other", path);
	switch (_i / 2) {
	case 0:
		ck_assert_int_eq(rename(path, other), 0);
		break;
	case 1:
		ck_assert_int_eq(truncate(path, 100 << 10), 0);
		break;
	case 2:
		ck_assert_int_eq(truncate(path, 0), 0);
		break;
	case 3:
		fd = open(path, O_WRONLY);
		ck_assert_int_eq(pwrite(fd, &byte, 1, 30), 1);
		close(fd);
		break;
	case 4: {
		struct store_identity identity = test_identity;

		identity.store_id++;
		ck_assert_int_eq(rename(path, other), 0);
		snprintf(other, sizeof(other), "%s/store", test_dir);
		ck_assert_int_eq(
		    journal_file_create(other, &identity, &test_err), ERR_OK);
		code = ERR_MISMATCH;
		break;
	}
	case 5:
		ck_assert_int_eq(truncate(path, 0), 0);
		ck_assert_int_eq(truncate(path, 4096 + (1 << 20)), 0);
		break;
	default:
		ck_abort_msg("no such case");
	}
	for (i = 0; i < 2; i++) {
		options.read_only = i == 0;
		ck_assert_int_eq(store_open(&store, test_dir, NULL, &options,
				     &test_err),
		    code);
		ck_assert_ptr_nonnull(strstr(test_err.text,
		    _i / 2 == 5 ? "does not begin as a journal" : "journal"));
	}
}
END_TEST

/* A record in the middle is another one: what comes behind was acknowledged,
 * so the store is not what it was. */
START_TEST(test_damage_in_the_middle)
{
	enum store_durability durability = durabilities[_i];
	struct store_options options = test_options(durability);
	struct store *store;
	uint8_t byte = 0x77;
	char path[400];
	int fd, i;

	test_create(durability);
	die_with(durability, write_three);
	journal_path(path);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, &byte, 1, 4096 + 300), 1);
	close(fd);
	for (i = 0; i < 2; i++) {
		options.read_only = i == 0;
		ck_assert_int_eq(store_open(&store, test_dir, NULL, &options,
				     &test_err),
		    ERR_CORRUPT);
		ck_assert_ptr_nonnull(strstr(test_err.text, "damaged"));
	}
}
END_TEST

/* The log environment of yesterday, or the journal of yesterday. */
START_TEST(test_older_log)
{
	struct store_options options = test_options(STORE_PROCESS);
	struct store *store;
	char command[1200];

	test_create(STORE_PROCESS);
	snprintf(command, sizeof(command),
	    "cp %s/store/log/data.mdb %s/saved", test_dir, test_dir);
	ck_assert_int_eq(system(command), 0);
	store = test_open(STORE_PROCESS);
	write_three(store);
	ck_assert_int_eq(store_set_run(store, 1), ERR_OK);
	ck_assert_int_eq(test_commit(store, 60, 70, 6), ERR_OK);
	store_close(store);
	snprintf(command, sizeof(command),
	    "cp %s/saved %s/store/log/data.mdb", test_dir, test_dir);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(
	    store_open(&store, test_dir, NULL, &options, &test_err),
	    ERR_CORRUPT);
	ck_assert_ptr_nonnull(strstr(test_err.text, "journal"));
}
END_TEST

/* --------------------------------------------------- beside a running node */

struct progress {
	_Atomic uint64_t last;		/* acknowledged */
	_Atomic uint64_t looks;
	_Atomic bool over;
};

static void
read_beside(struct progress *progress)
{
	struct store_log_info info;
	uint64_t promised;
	struct store *store;

	do {
		promised = atomic_load(&progress->last);
		store = test_open_read_only();
		ck_assert_int_eq(store_freeze(store), ERR_OK);
		ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
		ck_assert_uint_ge(info.last_index, promised);
		test_is_whole(store, info.last_index);
		store_thaw(store);
		promised = atomic_load(&progress->last);
		ck_assert_int_eq(store_log_info(store, &info), ERR_OK);
		ck_assert_uint_ge(info.last_index, promised);
		store_close(store);
		atomic_fetch_add(&progress->looks, 1);
	} while (!atomic_load(&progress->over));
	_exit(0);
}

START_TEST(test_readers_beside)
{
	struct progress *progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct store *store;
	uint64_t index = 2;
	int status, i;
	pid_t pid;

	ck_assert_ptr_ne(progress, MAP_FAILED);
	test_create(durabilities[_i]);
	store = test_open(durabilities[_i]);
	atomic_store(&progress->last, 1);
	fflush(NULL);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		read_beside(progress);
	}
	/* Small batches and flushes, until they have been looked at. */
	for (i = 0; i < 3000 || atomic_load(&progress->looks) < 3; i++) {
		ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
		ck_assert_int_eq(test_commit(store, index, index + 3, 2),
		    ERR_OK);
		index += 3;
		atomic_store(&progress->last, index - 1);
		if (i % 40 == 39) {
			ck_assert_int_eq(
			    store_set_run(store, store_run(store) + 1),
			    ERR_OK);
		}
	}
	atomic_store(&progress->over, true);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	test_is_whole(store, index - 1);
	store_close(store);
	munmap(progress, 4096);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *suite = suite_create("journal");
	TCase *bytes = tcase_create("bytes"), *stores = tcase_create("stores");

	tcase_add_test(bytes, test_scan);
	tcase_add_test(bytes, test_every_prefix);
	tcase_add_test(bytes, test_every_byte);
	tcase_add_test(bytes, test_torn);
	tcase_add_test(bytes, test_noise);
	tcase_add_test(bytes, test_full_record);
	suite_add_tcase(suite, bytes);
	tcase_set_timeout(stores, 120);
	tcase_add_checked_fixture(stores, test_setup, test_teardown);
	tcase_add_loop_test(stores, test_replay, 0, 4);
	tcase_add_loop_test(stores, test_killed, 0, 3);
	tcase_add_test(stores, test_configuration_entry);
	tcase_add_loop_test(stores, test_walk, 0, 3);
	tcase_add_loop_test(stores, test_laps, 0, 2);
	tcase_add_loop_test(stores, test_no_journal, 0, 12);
	tcase_add_loop_test(stores, test_damage_in_the_middle, 0, 2);
	tcase_add_test(stores, test_older_log);
	tcase_add_loop_test(stores, test_readers_beside, 0, 2);
	suite_add_tcase(suite, stores);
	return suite;
}

int
main(void)
{
	return check_run(make_suite());
}
