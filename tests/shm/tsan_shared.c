/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other words that two sides share, by two threads under
 * ThreadSanitizer: two-copy publishing, the recorder, the client marks, the
 * doorbell.  (The ring: torture_ring threads.  Life tokens are for processes:
 * glibc makes a mutex by plain stores, which life.c discounts afterwards, and
 * check_life tries.)
 *
 *	tsan_shared [-s SECONDS]
 */
#include <sys/mman.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/doorbell.h"
#include "shm/recorder.h"
#include "shm/segment.h"

static struct segment *segment;
static uint32_t stop;
static uint64_t timeouts;

static void NORETURN
fail(const char *what)
{
	fprintf(stderr, "FAIL: %s\n", what);
	(void)shm_unlink(segment_own_name(segment));
	_exit(1);
}

static bool
is_running(void)
{
	return __atomic_load_n(&stop, __ATOMIC_ACQUIRE) == 0;
}

static void *
write_all(void *context)
{
	struct segment_status status = { 0 };
	struct segment_row row = { 0 };
	struct recorder_line line = { 0 };
	struct doorbell bell = doorbell_of_node(segment, 1);

	(void)context;
	for (uint64_t n = 1; is_running(); n++) {
		status.run = n;
		status.updated_ns = n;
		status.reasons[SEGMENT_REASONS - 1].at_ns = n;
		segment_status_publish(segment, 0, &status);
		row.store_id = n;
		row.deaths = n;
		segment_row_publish(segment, 0, &row);
		segment_hint_set(segment, 0, n);
		line.at_ns = n;
		line.term = n;
		(void)snprintf(line.text, sizeof(line.text), "%llu",
		    (unsigned long long)n);
		recorder_write(segment, 0, &line);
		doorbell_mark_client(segment, 1, (uint32_t)(n % 64));
		(void)doorbell_ring(&bell);
	}
	return NULL;
}

static void
tell(void *context, const struct recorder_line *line)
{
	uint64_t *last = context;
	uint64_t number = strtoull(line->text, NULL, 10);

	if (line->at_ns != line->term || line->at_ns != number ||
	    line->at_ns <= *last) {
		fail("torn recorder line");
	}
	*last = line->at_ns;
}

static void
read_all(uint64_t end_ns)
{
	struct segment_status status;
	struct segment_row row;
	uint64_t words[SEGMENT_CLIENTS_MAX / 64];
	uint64_t next = 0, last = 0, hint, last_hint = 0;
	struct doorbell bell = doorbell_of_node(segment, 1);
	uint32_t value;

	while (clock_now_ns() < end_ns || last < 1000) {
		if (segment_status_read(segment, 0, &status) == ERR_OK &&
		    (status.run != status.updated_ns || status.run !=
			status.reasons[SEGMENT_REASONS - 1].at_ns)) {
			fail("torn status");
		}
		if (segment_row_read(segment, 0, &row) == ERR_OK &&
		    row.store_id != row.deaths) {
			fail("torn row");
		}
		hint = segment_hint(segment, 0);
		if (hint < last_hint) {
			fail("hint went back");
		}
		last_hint = hint;
		recorder_read(segment, 0, &next, tell, &last);
		value = doorbell_prepare(&bell);
		if (doorbell_take_clients(segment, 1, words)) {
			doorbell_cancel(&bell);
			continue;
		}
		if (doorbell_wait(&bell, value, NULL, 0,
			clock_now_ns() + 20 * CLOCK_NS_PER_S) ==
		    DOORBELL_TIMEOUT) {
			timeouts++;
		}
	}
	if (timeouts != 0) {
		fail("a sleep ran out");
	}
	printf("%llu lines\n", (unsigned long long)last);
}

int
main(int argc, char **argv)
{
	struct segment_config config = { .client_count = 64, .dir = "/" };
	char name[SEGMENT_NAME_SIZE];
	struct err_buf err = { "" };
	uint64_t seconds = 1;
	pthread_t thread;
	int option;

	while ((option = getopt(argc, argv, "s:")) != -1) {
		if (option != 's') {
			return 64;
		}
		seconds = strtoull(optarg, NULL, 10);
	}
	(void)snprintf(name, sizeof(name), "/raftsup-test-%d-t",
	    (int)getpid());
	if (segment_create(&segment, name, &config, 2, &err) != ERR_OK) {
		fprintf(stderr, "FAIL: %s\n", err.text);
		return 1;
	}
	if (pthread_create(&thread, NULL, write_all, NULL) != 0) {
		fail("no thread");
	}
	read_all(clock_now_ns() + seconds * CLOCK_NS_PER_S);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	if (pthread_join(thread, NULL) != 0) {
		fail("no join");
	}
	if (segment_unlink(name, &err) != ERR_OK) {
		fprintf(stderr, "FAIL: %s\n", err.text);
		return 1;
	}
	segment_detach(segment);
	return 0;
}
