/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ring torture.
 *
 *	threads		a producer and a consumer thread; built with
 *			ThreadSanitizer, whatever the rest is built with
 *	processes	a producer process that is killed with -9 at random
 *			and started anew, again and again; now and then the
 *			consumer's handle is made anew, too
 *
 *	torture_ring [-s SECONDS] [-S SEED] threads|processes
 *
 * What must hold: whole records only, in sequence, none lost and none twice,
 * and the ring is well-formed after each death.  A record holds its number,
 * and bytes that follow from it.
 */
#include "shm/ring.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/segment_internal.h"

#define RING_SIZE	(64u << 10)
#define EPOCH		3

static struct ring_layout *shared;
static uint8_t *data;
static uint64_t seed = 1;
static uint64_t end_ns;
static uint32_t stop;

static void NORETURN
fail(const char *what, uint64_t number)
{
	fprintf(stderr, "FAIL: %s at record %" PRIu64 " (seed %" PRIu64
	    ")\n", what, number, seed);
	_exit(1);
}

static uint64_t
mix(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15u;
	n = (n ^ n >> 29) * 0xbf58476d1ce4e5b9u;
	return n ^ n >> 32;
}

static uint32_t
size_of(uint64_t number)
{
	uint64_t r = mix(number + seed);

	return 8 + (uint32_t)(r % 16 == 0 ? r >> 8 & 0x3fff : r >> 8 & 0x7f) %
	    (RING_SIZE / 4 - 8);
}

static void
fill(uint8_t *to, uint64_t number)
{
	memcpy(to, &number, sizeof(number));
	memset(to + sizeof(number), (int)(mix(number) & 0xff),
	    size_of(number) - sizeof(number));
}

/* Batches of one to eight records; now and then one is given up. */
static uint64_t
produce(struct ring *ring, uint64_t number, uint64_t *salt)
{
	uint64_t batch = mix(++*salt) % 8 + 1;
	uint64_t first = number;
	uint8_t *to;

	for (; number < first + batch; number++) {
		to = ring_claim(ring, size_of(number));
		if (to == NULL) {
			break;
		}
		fill(to, number);
		ring_seal(ring, 1, 0, size_of(number), EPOCH, 0);
	}
	if (number == first) {
		(void)sched_yield();
	} else {
		ring_commit(ring);
	}
	return number;
}

/* Takes what is there, up to a bound; the number of the next one. */
static uint64_t
consume(struct ring *ring, uint64_t number, uint32_t count_max)
{
	struct ring_record record;
	uint64_t seen;

	for (uint32_t n = 0; n < count_max; n++) {
		switch (ring_peek(ring, &record)) {
		case RING_EMPTY:
			ring_publish_head(ring);
			(void)sched_yield();
			return number;
		case RING_BAD:
			fail("bad record", number);
		case RING_RECORD:
			break;
		}
		memcpy(&seen, record.data, sizeof(seen));
		if (seen != number) {
			fail("wrong number", number);
		}
		if (record.size != size_of(number) || record.type != 1 ||
		    record.from_epoch != EPOCH) {
			fail("wrong header", number);
		}
		for (uint32_t i = sizeof(seen); i < record.size; i++) {
			if (record.data[i] != (uint8_t)(mix(number) & 0xff)) {
				fail("wrong bytes", number);
			}
		}
		ring_release(ring);
		number++;
	}
	ring_publish_head(ring);
	return number;
}

static void *
producer_thread(void *context)
{
	struct ring ring;
	uint64_t number = 0, salt = seed;

	(void)context;
	ring_init(&ring, shared, data, RING_SIZE, RING_PRODUCER);
	while (__atomic_load_n(&stop, __ATOMIC_ACQUIRE) == 0) {
		number = produce(&ring, number, &salt);
	}
	return NULL;
}

static uint64_t
run_threads(void)
{
	struct ring ring;
	pthread_t thread;
	uint64_t number = 0;

	ring_init(&ring, shared, data, RING_SIZE, RING_CONSUMER);
	if (pthread_create(&thread, NULL, producer_thread, NULL) != 0) {
		fail("no thread", 0);
	}
	while (clock_now_ns() < end_ns || number < 1000) {
		number = consume(&ring, number, 1000);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	if (pthread_join(thread, NULL) != 0) {
		fail("no join", number);
	}
	printf("%" PRIu64 " records\n", number);
	return number;
}

static uint64_t
run_processes(void)
{
	struct ring ring, other;
	uint64_t number = 0, goal, salt = seed, kills = 0;
	const char *fault;
	pid_t pid;
	int status;

	ring_init(&ring, shared, data, RING_SIZE, RING_CONSUMER);
	while (clock_now_ns() < end_ns || kills < 20) {
		pid = fork();
		if (pid < 0) {
			fail("fork", number);
		}
		if (pid == 0) {
			uint64_t mine = number;

			ring_init(&other, shared, data, RING_SIZE,
			    RING_PRODUCER);
			for (;;) {
				mine = produce(&other, mine, &salt);
			}
		}
		salt = mix(salt + 1);
		goal = number + salt % 2000;
		while (number <= goal) {
			number = consume(&ring, number,
			    1 + (uint32_t)(salt >> 20) % 50);
			if (ring_is_empty(&ring) &&
			    waitpid(pid, &status, WNOHANG) != 0) {
				fail("producer ended by itself", number);
			}
		}
		if (kill(pid, SIGKILL) != 0 ||
		    waitpid(pid, &status, 0) != pid ||
		    !WIFSIGNALED(status)) {
			fail("producer's end", number);
		}
		kills++;
		if (salt % 4 == 0) {
			ring_publish_head(&ring);
			ring_init(&ring, shared, data, RING_SIZE,
			    RING_CONSUMER);
		}
		fault = ring_check(shared, data, RING_SIZE);
		if (fault != NULL) {
			fail(fault, number);
		}
		/* All that was published, and then it is empty. */
		while (!ring_is_empty(&ring)) {
			number = consume(&ring, number, 1000);
		}
	}
	printf("%" PRIu64 " records, %" PRIu64 " producers killed\n", number,
	    kills);
	return number;
}

int
main(int argc, char **argv)
{
	uint64_t seconds = 1;
	int option, fd;

	while ((option = getopt(argc, argv, "s:S:")) != -1) {
		switch (option) {
		case 's':
			seconds = strtoull(optarg, NULL, 10);
			break;
		case 'S':
			seed = strtoull(optarg, NULL, 10);
			break;
		default:
			return 64;
		}
	}
	fd = memfd_create("torture", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, LAYOUT_PAGE + RING_SIZE) != 0) {
		fail(strerror(errno), 0);
	}
	shared = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	data = segment_map_ring(fd, LAYOUT_PAGE, RING_SIZE, true);
	if (shared == MAP_FAILED || data == NULL ||
	    madvise(data, 2 * RING_SIZE, MADV_DOFORK) != 0) {
		fail(strerror(errno), 0);
	}
	/* Positions are counters without end: begin near theirs. */
	shared->tail = UINT64_MAX - 7 - 100 * RING_SIZE;
	shared->head = shared->tail;
	end_ns = clock_now_ns() + seconds * CLOCK_NS_PER_S;
	if (optind + 1 != argc) {
		return 64;
	}
	if (strcmp(argv[optind], "threads") == 0) {
		return run_threads() > 0 ? 0 : 1;
	}
	if (strcmp(argv[optind], "processes") == 0) {
		return run_processes() > 0 ? 0 : 1;
	}
	return 64;
}
