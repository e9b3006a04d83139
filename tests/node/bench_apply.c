/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What applying costs a node: sets of random keys through apply.h, on a store
 * of its own, with the checkpoints that a node would make.
 *
 *	bench_apply [-n SETS] [-r KEYS] [-s VALUE_SIZE] [-e ENTRIES] [DIRECTORY]
 *
 * -e: a checkpoint after so many entries at the latest, as the snapshots of
 * the log have it.  The directory decides which disk is measured; jobs are
 * prepared outside of what is measured, and the first quarter of the sets is
 * not counted.  Instructions are those of user space, 0 where the kernel does
 * not count them; times are processor time, so others may work meanwhile.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/options.h"
#include "base/prng.h"
#include "kv/kv.h"
#include "node/apply.h"
#include "shm/doorbell.h"
#include "store/store.h"

#define SESSIONS  4
#define WINDOW	  256 /* unacknowledged, of a session */
#define JOB_SIZE  512
#define KEY_SIZE  16
#define VALUE_MAX 4096

struct bench {
	struct store *store;
	struct apply *apply;
	struct prng prng;
	uint64_t sets, keys, value_size, checkpoint_entries;
	uint64_t index;
	uint64_t checkpoint_index;
	uint64_t sessions[SESSIONS];
	uint64_t sequences[SESSIONS];
	int counter;
	uint64_t taken_ns, checkpoint_ns, longest_ns;
	uint64_t instructions, checkpoints, allocations;
};

static uint64_t allocation_count;

#ifndef __SANITIZE_ADDRESS__
/* glibc's own names of them. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *
malloc(size_t size)
{
	allocation_count++;
	return __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	allocation_count++;
	return __libc_calloc(count, size);
}

void *
realloc(void *old, size_t size)
{
	allocation_count++;
	return __libc_realloc(old, size);
}
#endif

static void
die(const char *what, const char *text)
{
	fprintf(stderr, "bench_apply: %s: %s\n", what, text);
	exit(1);
}

static int
counter_open(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static uint64_t
cpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t
counter_read(int counter)
{
	uint64_t value = 0;

	if (counter == -1 ||
	    read(counter, &value, sizeof(value)) != sizeof(value)) {
		return 0;
	}
	return value;
}

static void
open_all(struct bench *bench, const char *dir)
{
	static uint32_t bell_words[2];
	static const struct doorbell bell = {
		.word = &bell_words[0],
		.asleep = &bell_words[1],
	};
	struct store_identity identity = { 1, 1, 1 };
	struct store_options options = {
		.durability = STORE_PROCESS,
		/* As much as valgrind maps. */
		.log_map_size = 1ull << 30,
		.state_map_size = 8ull << 30,
	};
	struct raft_configuration configuration = {
		.index = 1,
		.count = 1,
		.servers = { { 1, RAFT_VOTER, 1 } },
	};
	struct apply_done first;
	struct err_buf err;

	if (store_create(dir, &identity, &configuration, &options, &err) !=
		ERR_OK ||
	    store_open(&bench->store, dir, NULL, &options, &err) != ERR_OK ||
	    apply_new(&bench->apply, bench->store, false, &bell, &first,
		&err) != ERR_OK) {
		die(dir, err.text);
	}
	prng_init(&bench->prng, 1);
	bench->counter = counter_open();
}

static void
add(struct bench *bench, const struct kv_command *command, uint8_t *to)
{
	int size = kv_command_encode(command, to, KV_COMMAND_SIZE_MAX);
	struct raft_entry entry = {
		.index = ++bench->index,
		.term = 1,
		.type = RAFT_ENTRY_COMMAND,
		.data = to,
		.size = (uint32_t)size,
	};

	if (size < 0) {
		die("a command", err_text(size));
	}
	/* Borrowed, as from the cache. */
	apply_add_entry(bench->apply, &entry, bench->index, false);
}

static void
run(struct bench *bench)
{
	struct apply_done done;
	uint64_t allocations, instructions, begun_ns, taken_ns;

	if (apply_is_dirty(bench->apply, false) ||
	    bench->index - bench->checkpoint_index >=
		bench->checkpoint_entries) {
		apply_want_checkpoint(bench->apply);
	}
	allocations = allocation_count;
	instructions = counter_read(bench->counter);
	begun_ns = cpu_now_ns();
	apply_kick(bench->apply);
	if (!apply_poll(bench->apply, &done) || done.result != ERR_OK ||
	    done.applied_index != bench->index) {
		die("applying", err_text(done.result));
	}
	taken_ns = cpu_now_ns() - begun_ns;
	bench->taken_ns += taken_ns;
	bench->instructions += counter_read(bench->counter) - instructions;
	bench->allocations += allocation_count - allocations;
	if (taken_ns > bench->longest_ns) {
		bench->longest_ns = taken_ns;
	}
	if (done.checkpoint_index != bench->checkpoint_index) {
		bench->checkpoint_index = done.checkpoint_index;
		bench->checkpoints++;
		bench->checkpoint_ns += taken_ns;
	}
}

static void
add_set(struct bench *bench, uint64_t number, uint8_t *to)
{
	static uint8_t value[VALUE_MAX];
	uint32_t which = (uint32_t)(number % SESSIONS);
	uint64_t sequence = ++bench->sequences[which];
	char key[KEY_SIZE + 1];
	struct kv_command command = {
		.op = KV_OP_SET,
		.session = bench->sessions[which],
		.sequence = sequence,
		.lowest_open = sequence > WINDOW ? sequence - WINDOW : 1,
		.key = { key, KEY_SIZE },
		.value = { value, bench->value_size },
	};

	snprintf(key, sizeof(key), "bench:%010u",
	    (unsigned int)prng_below(&bench->prng, bench->keys));
	memcpy(value, &number, sizeof(number));
	add(bench, &command, to);
}

static void
run_sets(struct bench *bench)
{
	static uint8_t data[JOB_SIZE][128 + VALUE_MAX];
	size_t stride = 128 + bench->value_size;
	uint64_t number, i;

	for (number = 0; number < bench->sets; number += JOB_SIZE) {
		if (number / JOB_SIZE == bench->sets / JOB_SIZE / 4) {
			bench->taken_ns = bench->longest_ns = 0;
			bench->checkpoint_ns = 0;
			bench->instructions = bench->checkpoints = 0;
			bench->allocations = 0;
		}
		for (i = 0; i < JOB_SIZE; i++) {
			add_set(bench, number + i, data[0] + i * stride);
		}
		run(bench);
	}
}

static void
print_memory(void)
{
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, "RssAnon:", 8) == 0) {
			printf("resident, anonymous %s", line + 8);
		}
	}
	if (file != NULL) {
		fclose(file);
	}
}

static void
print(struct bench *bench)
{
	uint64_t counted = bench->sets - bench->sets / 4;

	printf("%8.0f ns a set, %.0f of them in jobs with a checkpoint; "
	    "%.0f instructions, %.4f allocations\n",
	    (double)bench->taken_ns / (double)counted,
	    (double)bench->checkpoint_ns / (double)counted,
	    (double)bench->instructions / (double)counted,
	    (double)bench->allocations / (double)counted);
	printf("%8.2f ms the longest job of %d; %llu checkpoints\n",
	    (double)bench->longest_ns / 1e6, JOB_SIZE,
	    (unsigned long long)bench->checkpoints);
	print_memory();
}

/* Nothing more comes: what is left in memory then. */
static void
idle(struct bench *bench)
{
	static uint8_t data[1024];
	struct kv_command command = { .op = KV_OP_NOOP };

	add(bench, &command, data);
	run(bench);
	usleep(100000);
	do {
		apply_want_checkpoint(bench->apply);
		run(bench);
	} while (bench->checkpoint_index != bench->index);
	printf("idle: ");
	print_memory();
}

int
main(int argc, char **argv)
{
	struct bench bench = { .sets = 1000000, .keys = 100000,
		.value_size = 64, .checkpoint_entries = 350000 };
	static uint8_t data[1024];
	struct kv_command command = { .op = KV_OP_OPEN };
	char dir[4096], remove[4096 + 16];
	struct err_buf err;
	int option, i;

	while ((option = getopt(argc, argv, "n:r:s:e:")) != -1) {
		uint64_t *to = option == 'n' ? &bench.sets
		    : option == 'r'	     ? &bench.keys
		    : option == 's'	     ? &bench.value_size
					     : &bench.checkpoint_entries;

		if (option == '?' ||
		    options_u64("a number", optarg, 8, 1000000000, to, &err) !=
			ERR_OK ||
		    bench.value_size > VALUE_MAX) {
			die("usage", "[-n SETS] [-r KEYS] [-s VALUE_SIZE] "
			    "[-e ENTRIES] [DIRECTORY]");
		}
	}
	snprintf(dir, sizeof(dir), "%s/bench_apply.XXXXXX",
	    argc > optind ? argv[optind] : "/tmp");
	if (mkdtemp(dir) == NULL) {
		die(dir, "cannot make it");
	}
	open_all(&bench, dir);
	bench.sets = bench.sets / JOB_SIZE * JOB_SIZE;
	for (i = 0; i < SESSIONS; i++) {
		add(&bench, &command, data);
		run(&bench);
		bench.sessions[i] = bench.index;
	}
	run_sets(&bench);
	print(&bench);
	idle(&bench);
	(void)apply_free(bench.apply, false);
	store_close(bench.store);
	snprintf(remove, sizeof(remove), "rm -r '%s'", dir);
	return system(remove) == 0 ? 0 : 1;
}
