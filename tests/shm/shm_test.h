/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of src/shm share: a segment of their own, a ring in memory of
 * their own, and children that end as they are told.
 */
#ifndef RAFTSUP_TESTS_SHM_TEST_H
#define RAFTSUP_TESTS_SHM_TEST_H

#include <sys/mman.h>
#include <sys/wait.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "shm/segment.h"
#include "shm/segment_internal.h"
#include "tests/base/check_run.h"
#include "tests/base/janitor.h"

static inline void
test_sweep(const void *name)
{
	(void)shm_unlink(name);
}

/* A name that no other test and no cluster has; it goes when the test ends,
 * however that ends. */
static inline void
test_name(char name[SEGMENT_NAME_SIZE])
{
	static int count;

	(void)snprintf(name, SEGMENT_NAME_SIZE, "/raftsup-test-%d-%d",
	    (int)getpid(), count++);
	ck_assert_int_ne(janitor_hire(test_sweep, name), -1);
}

static inline struct segment_config
test_config(void)
{
	return (struct segment_config) {
		.cluster_id = 0x1122334455667788u,
		.heartbeat_ns = 100 * CLOCK_NS_PER_MS,
		.election_min_ns = 500 * CLOCK_NS_PER_MS,
		.election_max_ns = 1000 * CLOCK_NS_PER_MS,
		.lease_ns = 400 * CLOCK_NS_PER_MS,
		.seed = 42,
		.durability = 1,
		.log_rpc = 1,
		.client_count = 64,
		.death_hint = 1,
		.dir = "/var/tmp/somewhere",
	};
}

/* A segment that nobody can find any more, to attach to by name before. */
static inline struct segment *
test_segment(char name[SEGMENT_NAME_SIZE], uint32_t node_count)
{
	struct segment_config config = test_config();
	struct segment *segment;
	struct err_buf err = { "" };

	test_name(name);
	ck_assert_msg(segment_create(&segment, name, &config, node_count,
	    &err) == ERR_OK, "%s", err.text);
	return segment;
}

static inline struct segment *
test_attach(const char *name, enum segment_access access)
{
	struct segment *segment;
	struct err_buf err = { "" };

	if (segment_attach(&segment, name, access, &err) != ERR_OK) {
		fprintf(stderr, "attach: %s\n", err.text);
		return NULL;
	}
	return segment;
}

static inline void
test_segment_end(struct segment *segment)
{
	struct err_buf err;

	ck_assert_int_eq(segment_unlink(segment_own_name(segment), &err),
	    ERR_OK);
	segment_detach(segment);
}

/* A ring of its own: positions in front, data twice in a row. */
struct test_ring {
	struct ring_layout *shared;
	uint8_t *data;
	uint64_t size;
	int fd;
};

static inline void
test_ring_open(struct test_ring *ring, uint64_t size)
{
	ring->size = size;
	ring->fd = memfd_create("ring", MFD_CLOEXEC);
	assert(ring->fd >= 0);
	assert(ftruncate(ring->fd, (off_t)(LAYOUT_PAGE + size)) == 0);
	ring->shared = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, ring->fd, 0);
	assert(ring->shared != MAP_FAILED);
	ring->data = segment_map_ring(ring->fd, LAYOUT_PAGE, size, true);
	assert(ring->data != NULL);
	/* Children look at it here. */
	assert(madvise(ring->data, 2 * size, MADV_DOFORK) == 0);
}

static inline void
test_ring_close(struct test_ring *ring)
{
	segment_unmap_ring(ring->data, ring->size);
	(void)munmap(ring->shared, LAYOUT_PAGE);
	(void)close(ring->fd);
}

/* Waits for a child: its exit status, or minus the signal. */
static inline int
test_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		assert(errno == EINTR);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
