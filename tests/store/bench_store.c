/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a commit of the store costs:
 *
 *	make tests/store/bench_store
 *	tests/store/bench_store [DIRECTORY]		default: /tmp
 *
 * For both durabilities: commits of 1, 10, 100 and 1000 entries of 100 bytes,
 * a commit of term and vote, and reading the log back.  The directory decides
 * which disk is measured.
 *
 *	valgrind --tool=callgrind --toggle-collect=count_append \
 *	    tests/store/bench_store DIRECTORY 256
 *
 * does instead what a node does under load, COUNT_ENTRIES in batches of 256,
 * in process durability: count_append, count_cut, count_read are what one of
 * them costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "raft/raft.h"
#include "store/snapshot.h"
#include "store/state.h"
#include "store/store.h"

#define ENTRY_SIZE 100
#define BATCH_MAX  1000
#define BUDGET_NS  600000000ull /* of one line */
#define COUNT_ENTRIES 100000u

static struct store *store;
static uint64_t next_index = 2;
static uint8_t data[ENTRY_SIZE];

static void
die(const char *what, const char *text)
{
	fprintf(stderr, "bench_store: %s: %s\n", what, text);
	exit(1);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
commit_batch(uint32_t count)
{
	static struct raft_entry entries[BATCH_MAX];
	uint32_t i;
	int code;

	for (i = 0; i < count; i++) {
		entries[i].index = next_index++;
		entries[i].term = 1;
		entries[i].type = RAFT_ENTRY_COMMAND;
		entries[i].size = ENTRY_SIZE;
		entries[i].data = data;
		entries[i].checksum =
		    raft_entry_checksum(RAFT_ENTRY_COMMAND, data, ENTRY_SIZE);
	}
	code = store_begin(store);
	if (code == ERR_OK) {
		store_expect(store, count, (uint64_t)count * ENTRY_SIZE);
		store_append(store, entries, count);
		code = store_commit(store);
	}
	if (code != ERR_OK) {
		die("commit", err_text(code));
	}
}

static void
commit_vote(uint32_t count)
{
	static uint64_t term = 1;
	struct raft_hard_state hard_state = { .vote = count };
	int code;

	hard_state.term = ++term;
	code = store_begin(store);
	if (code == ERR_OK) {
		store_set_hard_state(store, &hard_state);
		code = store_commit(store);
	}
	if (code != ERR_OK) {
		die("vote", err_text(code));
	}
}

static void
measure(const char *durability, const char *what, void (*commit)(uint32_t),
    uint32_t count)
{
	static uint64_t taken[200000];
	uint64_t begun = clock_now_ns(), at, sum = 0;
	size_t n = 0;

	while (n < COUNT_OF(taken) && clock_now_ns() - begun < BUDGET_NS) {
		at = clock_now_ns();
		commit(count);
		taken[n] = clock_now_ns() - at;
		sum += taken[n++];
	}
	qsort(taken, n, sizeof(taken[0]), compare);
	printf("%-8s %-14s %8.1f %8.1f %8.1f %12.0f\n", durability, what,
	    (double)taken[n / 2] / 1e3, (double)taken[n * 99 / 100] / 1e3,
	    (double)taken[n - 1] / 1e3,
	    (double)count * (double)n / ((double)sum / 1e9));
}

static int
count_one(void *arg, const struct raft_entry *entry)
{
	*(uint64_t *)arg = entry->index;
	return 0;
}

static void
create(const char *dir, enum store_durability durability)
{
	struct store_identity identity = { 1, 1, 1 };
	/* Under valgrind there are fewer addresses. */
	struct store_options options = {
		.durability = durability,
		.log_map_size = 1ull << 30,
		.state_map_size = 1ull << 30,
	};
	struct raft_configuration configuration = {
		.index = 1,
		.count = 1,
		.servers = { { 1, RAFT_VOTER, 1 } },
	};
	struct err_buf err;

	if (store_create(dir, &identity, &configuration, &options, &err) !=
		ERR_OK ||
	    store_open(&store, dir, NULL, &options, &err) != ERR_OK) {
		die(dir, err.text);
	}
	next_index = 2;
}

static void
destroy(const char *dir)
{
	char command[4096 + 16];

	store_close(store);
	snprintf(command, sizeof(command), "rm -r '%s/store'", dir);
	if (system(command) != 0) {
		die(dir, "not removed");
	}
}

static void
bench(const char *dir, enum store_durability durability, const char *name)
{
	uint64_t begun, seen = 0;

	create(dir, durability);
	measure(name, "1 entry", commit_batch, 1);
	measure(name, "10 entries", commit_batch, 10);
	measure(name, "100 entries", commit_batch, 100);
	measure(name, "1000 entries", commit_batch, 1000);
	measure(name, "term and vote", commit_vote, 1);
	begun = clock_now_ns();
	if (store_read(store, 1, next_index, UINT64_MAX, count_one, &seen) !=
	    ERR_OK) {
		die("read", store_latched(store));
	}
	printf("%-8s %-14s %8s %8s %8s %12.0f\n", name, "read back", "", "", "",
	    (double)seen / ((double)(clock_now_ns() - begun) / 1e9));
	destroy(dir);
}

/* Not inlined: callgrind finds them by their names. */
static __attribute__((noinline)) void
count_append(uint32_t batch)
{
	while (next_index < COUNT_ENTRIES) {
		commit_batch(batch);
	}
}

static __attribute__((noinline)) void
count_read(void)
{
	uint64_t seen = 0;

	if (store_read(store, 1, next_index, UINT64_MAX, count_one, &seen) !=
	    ERR_OK) {
		die("read", store_latched(store));
	}
}

static __attribute__((noinline)) void
count_cut(uint64_t first_index)
{
	do {
		if (store_begin(store) != ERR_OK) {
			die("cut", store_latched(store));
		}
		(void)store_cut(store, first_index);
		if (store_commit(store) != ERR_OK) {
			die("cut", store_latched(store));
		}
	} while (!store_cut_is_settled(store));
}

static void
count(const char *dir, uint32_t batch)
{
	struct raft_snapshot snapshot = { .configuration.index = 1 };
	struct store_entry_info info;
	struct store_log_info log;
	int code;

	create(dir, STORE_PROCESS);
	count_append(batch);
	count_read();
	snapshot.index = next_index - 1;
	code = store_entry_info(store, snapshot.index, &info);
	if (code == ERR_OK) {
		snapshot.term = info.term;
		store_chain_encode(snapshot.chain, info.chain, 0);
		code = store_begin(store);
	}
	if (code == ERR_OK) {
		store_snapshot(store, &snapshot);
		code = store_commit(store);
	}
	if (code != ERR_OK) {
		die("snapshot", err_text(code));
	}
	count_cut(next_index - 100);
	if (store_log_info(store, &log) != ERR_OK) {
		die("log", store_latched(store));
	}
	printf("%u entries in batches of %u; log of %llu to %llu\n",
	    COUNT_ENTRIES, batch, (unsigned long long)log.first_index,
	    (unsigned long long)log.last_index);
	destroy(dir);
}

int
main(int argc, char **argv)
{
	char dir[4096];

	snprintf(dir, sizeof(dir), "%s/bench_store.XXXXXX",
	    argc > 1 ? argv[1] : "/tmp");
	if (mkdtemp(dir) == NULL) {
		die(dir, "cannot make it");
	}
	if (argc > 2) {
		unsigned long batch = strtoul(argv[2], NULL, 10);

		count(dir, batch < 1 || batch > BATCH_MAX ? 1 :
		    (uint32_t)batch);
		rmdir(dir);
		return 0;
	}
	printf("%-8s %-14s %8s %8s %8s %12s\n", "", "commit of", "p50 us",
	    "p99 us", "max us", "entries/s");
	bench(dir, STORE_PROCESS, "process");
	bench(dir, STORE_POWER, "power");
	rmdir(dir);
	return 0;
}
