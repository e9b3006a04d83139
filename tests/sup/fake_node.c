/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A node that does nothing but what a test wants of it: takes raftnode's
 * arguments, its directory's lock and its place in the segment, and then
 * behaves as the word in NODE_DIR/behave says:
 *
 *	good		becomes ready, ends at a stop (the default)
 *	early		exits with 1 before it is ready
 *	status N	exits with status N before it is ready
 *	latch		publishes why it stopped, exits with 74
 *	ends N		becomes ready; at SIGUSR1 publishes why, exits with N
 *	deaf		becomes ready, does not end at a stop
 *	slow		never becomes ready
 *	crash		becomes ready, aborts at once
 *
 * The node in slot 0 says that it leads.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/process.h"
#include "shm/doorbell.h"
#include "shm/life.h"
#include "shm/segment.h"

#define FOLLOWER	1
#define LEADER		4

static struct segment *segment;
static struct segment_status status;
static uint32_t slot;
static char behave[32] = "good";
static volatile sig_atomic_t asked_to_end;

static void read_behaviour(const char *);
static void take_lock(const char *);
static void publish(void);
static void serve(void);
static int latch(int);
static void on_signal(int);

int
main(int argc, char **argv)
{
	struct segment_row row;
	struct err_buf err;

	if (argc != 8 || strcmp(argv[1], "serve") != 0) {
		return 64;
	}
	slot = (uint32_t)atoi(argv[5]);
	if (segment_attach(&segment, argv[3], SEGMENT_NODE, &err) != ERR_OK) {
		fprintf(stderr, "fake: %s\n", err.text);
		return 74;
	}
	read_behaviour(argv[7]);
	if (strcmp(behave, "early") == 0) {
		return 1;
	}
	if (strncmp(behave, "status ", 7) == 0) {
		return atoi(behave + 7);
	}
	take_lock(argv[7]);
	if (segment_row_read(segment, slot, &row) != ERR_OK ||
	    life_begin(segment, slot, row.run_granted) != ERR_OK) {
		return 70;
	}
	status.id = row.id;
	status.run = row.run_granted;
	status.pid = getpid();
	status.pid_start = process_start_time(getpid());
	if (strcmp(behave, "latch") == 0) {
		return latch(74);
	}
	if (strncmp(behave, "ends ", 5) == 0) {
		signal(SIGUSR1, on_signal);
	}
	publish();
	serve();
	if (asked_to_end) {
		return latch(atoi(behave + 5));
	}
	life_end(segment, slot);
	return 0;
}

static void
read_behaviour(const char *dir)
{
	char path[4096], *text;

	snprintf(path, sizeof(path), "%s/behave", dir);
	if (fs_read_file(path, 64, &text, NULL, NULL) == ERR_OK) {
		text[strcspn(text, "\n")] = '\0';
		strlcpy(behave, text, sizeof(behave));
		free(text);
	}
}

static void
take_lock(const char *dir)
{
	struct err_buf err;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", dir);
	if (fs_lock_open(path, &fd, &err) != ERR_OK) {
		exit(74);
	}
	while (fs_lock_try(fd, 0, 1) != ERR_OK) {
		usleep(500);
	}
}

static void
publish(void)
{
	segment_status_publish(segment, slot, &status);
}

static void
serve(void)
{
	struct doorbell bell = doorbell_of_node(segment, slot);
	struct segment_row row = { 0 };
	bool deaf = strcmp(behave, "deaf") == 0;
	uint32_t value;

	if (deaf) {
		signal(SIGTERM, SIG_IGN);
	}
	while (!asked_to_end && (deaf || row.stop == 0)) {
		value = doorbell_prepare(&bell);
		if (segment_row_read(segment, slot, &row) != ERR_OK) {
			exit(70);
		}
		if (!status.ready && row.run_admitted >= status.run &&
		    strcmp(behave, "slow") != 0) {
			status.ready = 1;
			status.term = status.run;
			status.role = slot == 0 ? LEADER : FOLLOWER;
			status.serving = slot == 0;
			segment_hint_set(segment, slot,
			    status.term << 1 | (slot == 0));
			publish();
			if (strcmp(behave, "crash") == 0) {
				usleep(20000);
				abort();
			}
		}
		if (!deaf && row.stop != 0) {
			break;
		}
		(void)doorbell_wait(&bell, value, NULL, 0,
		    clock_now_ns() + 100 * CLOCK_NS_PER_MS);
	}
	doorbell_cancel(&bell);
}

static int
latch(int exit_status)
{
	strlcpy(status.latched, "fake: its disk failed",
	    sizeof(status.latched));
	status.exit_status = (uint32_t)exit_status;
	status.ready = 0;
	publish();
	return exit_status;
}

static void
on_signal(int number)
{
	asked_to_end = number;
}
