/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared memory, stepped through: a ring's publish, and the pages with two
 * copies.  The reader looks after every instruction; it sees what was
 * there before, or all that is new.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "shm/publish.h"
#include "shm/recorder.h"
#include "shm/ring.h"
#include "shm/segment.h"
#include "shm/segment_layout.h"
#include "tests/crash/steps.h"

/* ------------------------------------------------------------------ ring */

#define RING_SIZE	8192u
#define RECORD_SIZE	1000u

/* The data area is mapped twice in a row, as segment.c does. */
static struct ring_layout *ring_words;
static uint8_t *ring_bytes;
static struct ring ring_out;

static void
fill(uint8_t *data, uint32_t number)
{
	for (uint32_t i = 0; i < RECORD_SIZE; i++) {
		data[i] = (uint8_t)(number * 37 + i * 7);
	}
}

static void
put(uint32_t number)
{
	uint8_t *at = ring_claim(&ring_out, RECORD_SIZE);

	steps_must(at != NULL, "ring_claim");
	fill(at, number);
	ring_seal(&ring_out, number, 0, RECORD_SIZE, 5, 6);
}

/*
 * Position so that the records go round the end of the area, over bytes of
 * a former lap; one record is there, unread.
 */
static void
ring_prepare(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *at;

	steps_must(fd != -1 && ftruncate(fd, LAYOUT_PAGE + RING_SIZE) == 0,
	    "memfd_create");
	ring_words = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	at = mmap(NULL, 2 * RING_SIZE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	steps_must(ring_words != MAP_FAILED && at != MAP_FAILED, "mmap");
	for (int i = 0; i < 2; i++) {
		steps_must(mmap(at + (size_t)i * RING_SIZE, RING_SIZE,
		    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		    LAYOUT_PAGE) != MAP_FAILED, "mmap");
	}
	close(fd);
	ring_bytes = at;
	ring_init(&ring_out, ring_words, ring_bytes, RING_SIZE,
	    RING_PRODUCER);
	for (uint32_t i = 0; i < 14; i++) {
		put(100 + i);
		ring_commit(&ring_out);
		ring_words->head = ring_words->tail;
	}
	put(1);
	ring_commit(&ring_out);
}

static void
ring_before(void)
{
	ring_init(&ring_out, ring_words, ring_bytes, RING_SIZE,
	    RING_PRODUCER);
}

static void
ring_run(void)
{
	put(2);
	put(3);
	ring_commit(&ring_out);
}

/* The mistake: the tail, and then what it covers. */
static void
ring_run_tail_first(void)
{
	uint64_t length = (sizeof(struct ring_record_layout) + RECORD_SIZE +
	    7) / 8 * 8;

	__atomic_store_n(&ring_words->tail, ring_words->tail + 2 * length,
	    __ATOMIC_RELEASE);
	put(2);
	put(3);
}

static enum step_verdict
ring_look(void)
{
	uint8_t copy[RING_SIZE / 4], want[RECORD_SIZE];
	struct ring_record record;
	enum ring_verdict verdict;
	struct ring ring;
	uint32_t count = 0;
	uint64_t head = ring_words->head;

	ring_init(&ring, ring_words, ring_bytes, RING_SIZE, RING_CONSUMER);
	while ((verdict = ring_peek_copy(&ring, &record, copy)) ==
	    RING_RECORD) {
		count++;
		fill(want, record.type);
		if (record.type != count || record.size != RECORD_SIZE ||
		    memcmp(record.data, want, RECORD_SIZE) != 0) {
			break;
		}
		ring.position = ring.claimed;	/* not given back */
	}
	/* It was only looked at. */
	ring_words->head = head;
	return verdict != RING_EMPTY ? STEP_BROKEN : count == 1 ? STEP_OLD :
	    count == 3 ? STEP_NEW : STEP_BROKEN;
}

static void
ring_finish(void)
{
	munmap(ring_words, LAYOUT_PAGE);
	munmap(ring_bytes, 2 * RING_SIZE);
}

/* --------------------------------------------------------------- segment */

static char name[SEGMENT_NAME_SIZE];
static struct segment *segment;		/* the tracer's; the child's */
static struct segment_status old_status, new_status;
static struct segment_row old_row, new_row;
static struct recorder_line line;

/* Every byte of it different from the other one's. */
static void
scribble(void *at, size_t size, uint8_t with)
{
	memset(at, with, size);
}

/* As it is read back: without what lies between the fields. */
static void
publish_status(struct segment_status *status, uint8_t with)
{
	scribble(status, sizeof(*status), with);
	segment_status_publish(segment, 0, status);
	steps_must(segment_status_read(segment, 0, status) == ERR_OK,
	    "segment_status_read");
}

static void
publish_row(struct segment_row *row, uint8_t with)
{
	scribble(row, sizeof(*row), with);
	segment_row_publish(segment, 0, row);
	steps_must(segment_row_read(segment, 0, row) == ERR_OK,
	    "segment_row_read");
}

static void
segment_prepare(void)
{
	struct segment_config config = {
		.cluster_id = 7, .heartbeat_ns = 30 * CLOCK_NS_PER_MS,
		.election_min_ns = 150 * CLOCK_NS_PER_MS,
		.election_max_ns = 300 * CLOCK_NS_PER_MS,
		.lease_ns = 100 * CLOCK_NS_PER_MS, .durability = 2,
		.client_count = 1, .dir = "/nowhere",
	};
	struct err_buf err = { "" };

	snprintf(name, sizeof(name), "/raftsup-steps-%d", (int)getpid());
	steps_must(segment_create(&segment, name, &config, 1, &err) ==
	    ERR_OK, err.text);
	publish_status(&new_status, 0x22);
	publish_status(&old_status, 0x11);
	publish_row(&new_row, 0x22);
	publish_row(&old_row, 0x11);
	scribble(&line, sizeof(line), 'x');
	line.text[sizeof(line.text) - 1] = '\0';
	recorder_write(segment, 0, &line);
}

static void
segment_before(void)
{
	struct err_buf err = { "" };

	/* A handle does not live over fork. */
	steps_must(segment_attach(&segment, name, SEGMENT_NODE, &err) ==
	    ERR_OK, err.text);
}

static void
segment_before_supervisor(void)
{
	struct err_buf err = { "" };

	steps_must(segment_attach(&segment, name, SEGMENT_SUPERVISOR, &err)
	    == ERR_OK, err.text);
}

static void
segment_finish(void)
{
	struct err_buf err;

	steps_must(segment_unlink(name, &err) == ERR_OK, name);
	segment_detach(segment);
}

static void
status_run(void)
{
	segment_status_publish(segment, 0, &new_status);
}

static enum step_verdict
status_look(void)
{
	struct segment_status status;

	if (segment_status_read(segment, 0, &status) != ERR_OK) {
		return STEP_BROKEN;
	}
	return memcmp(&status, &old_status, sizeof(status)) == 0 ? STEP_OLD :
	    memcmp(&status, &new_status, sizeof(status)) == 0 ? STEP_NEW :
	    STEP_BROKEN;
}

static void
row_run(void)
{
	segment_row_publish(segment, 0, &new_row);
}

static enum step_verdict
row_look(void)
{
	struct segment_row row;

	if (segment_row_read(segment, 0, &row) != ERR_OK) {
		return STEP_BROKEN;
	}
	return memcmp(&row, &old_row, sizeof(row)) == 0 ? STEP_OLD :
	    memcmp(&row, &new_row, sizeof(row)) == 0 ? STEP_NEW :
	    STEP_BROKEN;
}

static void
recorder_run(void)
{
	recorder_write(segment, 0, &line);
}

static void
count_line(void *arg, const struct recorder_line *told)
{
	int *count = arg;

	*count += memcmp(told, &line, sizeof(line)) == 0 ? 1 : 1000;
}

static enum step_verdict
recorder_look(void)
{
	uint64_t next = 0;
	int count = 0;

	recorder_read(segment, 0, &next, count_line, &count);
	return count == 1 ? STEP_OLD : count == 2 ? STEP_NEW : STEP_BROKEN;
}

/* -------------------------------------------------------------- one copy */

/* The mistake: one copy, written where it is read. */
static uint8_t *area;
#define AREA_COPY	512u
#define AREA_SIZE	400u

static void
area_prepare(void)
{
	uint8_t old[AREA_SIZE];

	area = mmap(NULL, LAYOUT_PAGE, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	steps_must(area != MAP_FAILED, "mmap");
	scribble(old, sizeof(old), 0x11);
	publish_write(area, AREA_COPY, old, sizeof(old));
}

static void
area_before(void)
{
}

static void
area_run_in_place(void)
{
	struct publish_layout *index = (void *)area;
	uint8_t data[AREA_SIZE];

	/* publish_write() then takes the copy that is being read. */
	index->sequence--;
	scribble(data, sizeof(data), 0x22);
	publish_write(area, AREA_COPY, data, sizeof(data));
}

static enum step_verdict
area_look(void)
{
	uint8_t data[AREA_SIZE], want[AREA_SIZE];

	if (publish_read(area, AREA_COPY, data, sizeof(data)) != ERR_OK) {
		return STEP_BROKEN;
	}
	scribble(want, sizeof(want), 0x11);
	if (memcmp(data, want, sizeof(want)) == 0) {
		return STEP_OLD;
	}
	scribble(want, sizeof(want), 0x22);
	return memcmp(data, want, sizeof(want)) == 0 ? STEP_NEW :
	    STEP_BROKEN;
}

static void
area_finish(void)
{
	munmap(area, LAYOUT_PAGE);
}

const struct step_case steps_shm[] = {
	{ .name = "ring publish", .prepare = ring_prepare,
	  .before = ring_before, .run = ring_run, .look = ring_look,
	  .finish = ring_finish },
	{ .name = "ring, tail first", .trap = true, .prepare = ring_prepare,
	  .before = ring_before, .run = ring_run_tail_first,
	  .look = ring_look, .finish = ring_finish },
	{ .name = "status update", .prepare = segment_prepare,
	  .before = segment_before, .run = status_run, .look = status_look,
	  .finish = segment_finish },
	{ .name = "row update", .prepare = segment_prepare,
	  .before = segment_before_supervisor, .run = row_run,
	  .look = row_look, .finish = segment_finish },
	{ .name = "recorder line", .prepare = segment_prepare,
	  .before = segment_before, .run = recorder_run,
	  .look = recorder_look, .finish = segment_finish },
	{ .name = "one copy, in place", .trap = true,
	  .prepare = area_prepare, .before = area_before,
	  .run = area_run_in_place, .look = area_look,
	  .finish = area_finish },
	{ .name = NULL },
};
