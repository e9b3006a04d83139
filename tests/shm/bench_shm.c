/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the segment costs, in medians of many rounds:
 *
 *	channel, one process	send, flush, receive of a 100-byte message
 *	stream			messages per second, process to process
 *	round trip, polling	two processes that look and yield
 *	round trip, sleeping	two processes that sleep on their doorbells
 *	death, looking		SIGKILL until a life token says so
 *	death, sleeping		the same, to a process asleep on the token
 *	death, pidfd		the same until the pidfd is readable
 *
 * the last three for a tiny process and for one of 256 MB.  With a word as
 * argument: the round trips alone.
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/life.h"

#define ROUNDS	20000
#define DEATHS	31
#define LARGE	((size_t)256 << 20)

static char name[SEGMENT_NAME_SIZE];
static uint64_t samples[ROUNDS];

static void NORETURN
fail(const char *what)
{
	fprintf(stderr, "bench_shm: %s failed\n", what);
	(void)shm_unlink(name);
	_exit(1);
}

static struct segment *
attach(void)
{
	struct segment *segment;

	if (segment_attach(&segment, name, SEGMENT_NODE, NULL) != ERR_OK) {
		fail("attach");
	}
	return segment;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(const char *what, size_t count)
{
	qsort(samples, count, sizeof(samples[0]), compare);
	printf("%-36s median %8.2f us, p99 %8.2f us\n", what,
	    (double)samples[count / 2] / 1e3,
	    (double)samples[count * 99 / 100] / 1e3);
}

struct end {
	struct segment *segment;
	struct channel_tx *tx;
	struct channel_rx *rx;
	struct doorbell mine, theirs;
	bool sleeps;
};

static void
end_open(struct end *end, uint32_t self, bool sleeps)
{
	end->segment = attach();
	end->sleeps = sleeps;
	end->mine = doorbell_of_node(end->segment, self);
	end->theirs = doorbell_of_node(end->segment, 1 - self);
	if (channel_open_link_tx(&end->tx, end->segment, self, 1 - self,
		1) != ERR_OK ||
	    channel_open_link_rx(&end->rx, end->segment, 1 - self, self,
		1) != ERR_OK) {
		fail("opening a channel");
	}
}

static void
end_close(struct end *end)
{
	channel_tx_close(end->tx);
	channel_rx_close(end->rx);
	segment_detach(end->segment);
}

static void
send_one(struct end *end, uint32_t type)
{
	uint8_t text[100] = { 1 };
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };

	if (channel_send(end->tx, type, 0, &iov, 1) != ERR_OK) {
		fail("send");
	}
	(void)channel_flush(end->tx);
	if (end->sleeps) {
		(void)doorbell_ring(&end->theirs);
	}
}

/* The type of the next message. */
static uint32_t
receive_one(struct end *end)
{
	struct channel_message message;
	uint32_t value;

	while (channel_receive(end->rx, &message) != CHANNEL_MESSAGE) {
		if (!end->sleeps) {
			(void)sched_yield();
			continue;
		}
		value = doorbell_prepare(&end->mine);
		if (channel_is_empty(end->rx)) {
			(void)doorbell_wait(&end->mine, value, NULL, 0,
			    clock_now_ns() + CLOCK_NS_PER_S);
		} else {
			doorbell_cancel(&end->mine);
		}
	}
	channel_release(end->rx);
	channel_done(end->rx);
	return message.type;
}

static void
bench_one_process(void)
{
	struct end here, there;
	uint64_t start = clock_now_ns();

	end_open(&here, 0, false);
	end_open(&there, 1, false);
	for (uint32_t i = 0; i < 100 * ROUNDS; i++) {
		if (i == ROUNDS) {
			start = clock_now_ns();
		}
		send_one(&here, 1);
		(void)receive_one(&there);
	}
	printf("%-36s %15.3f us\n", "channel, one process",
	    (double)(clock_now_ns() - start) / 99 / ROUNDS / 1e3);
	end_close(&here);
	end_close(&there);
}

static void
bench_round_trip(const char *what, bool sleeps)
{
	struct end end;
	uint64_t start;
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
	}
	if (pid == 0) {
		end_open(&end, 1, sleeps);
		while (receive_one(&end) != 2) {
			send_one(&end, 1);
		}
		_exit(0);
	}
	end_open(&end, 0, sleeps);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		start = clock_now_ns();
		send_one(&end, 1);
		(void)receive_one(&end);
		samples[i] = clock_now_ns() - start;
	}
	send_one(&end, 2);
	(void)waitpid(pid, NULL, 0);
	end_close(&end);
	report(what, ROUNDS);
}

/* Batches of 32, as a node sends them. */
static void
bench_stream(void)
{
	uint8_t text[100] = { 1 };
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) };
	struct end end;
	uint64_t count = 0, start, end_ns;
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
	}
	if (pid == 0) {
		end_open(&end, 1, false);
		while (receive_one(&end) != 2) {
		}
		_exit(0);
	}
	end_open(&end, 0, false);
	start = clock_now_ns();
	for (end_ns = start; end_ns < start + CLOCK_NS_PER_S;
	     end_ns = clock_now_ns()) {
		for (int i = 0; i < 32; i++) {
			if (channel_send(end.tx, 1, 0, &iov, 1) != ERR_OK) {
				(void)sched_yield();
				break;
			}
			count++;
		}
		(void)channel_flush(end.tx);
	}
	while (channel_send(end.tx, 2, 0, &iov, 1) != ERR_OK) {
		(void)sched_yield();
	}
	(void)channel_flush(end.tx);
	(void)waitpid(pid, NULL, 0);
	end_close(&end);
	printf("%-36s %15.2f M/s\n", "stream of 100-byte messages",
	    (double)count * 1e3 / (double)(end_ns - start));
}

/* -------------------------------------------------------------- deaths */

enum how { LOOKING, SLEEPING, PIDFD };

static pid_t
owner_start(struct segment *segment, uint64_t run, size_t resident)
{
	uint64_t seen;
	pid_t pid = fork();

	if (pid < 0) {
		fail("fork");
	}
	if (pid == 0) {
		struct segment *own = attach();
		void *memory = mmap(NULL, resident + 4096,
		    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);

		/* Small pages, as a mapped file has them. */
		if (memory == MAP_FAILED) {
			fail("mmap");
		}
		(void)madvise(memory, resident, MADV_NOHUGEPAGE);
		memset(memory, 1, resident);
		if (life_begin(own, 0, run) != ERR_OK) {
			fail("life_begin");
		}
		for (;;) {
			(void)pause();
		}
	}
	while (life_look(segment, 0, 1, &seen) != LIFE_ALIVE || seen != run) {
		(void)usleep(1000);
	}
	(void)usleep(2000);
	return pid;
}

/* One kills, the other (this one) waits for the news. */
static uint64_t
one_death(struct segment *segment, uint64_t *killed_at, uint64_t run,
    size_t resident, enum how how)
{
	struct doorbell bell = doorbell_of_node(segment, 1);
	struct doorbell_extra extra;
	pid_t owner = owner_start(segment, run, resident);
	int pidfd = (int)syscall(SYS_pidfd_open, owner, 0);
	struct pollfd pollfd = { .fd = pidfd, .events = POLLIN };
	uint64_t news, seen;
	uint32_t value = 0;
	pid_t killer = fork();

	if (killer < 0 || pidfd < 0) {
		fail("fork");
	}
	if (killer == 0) {
		(void)usleep(3000);
		*killed_at = clock_now_ns();
		(void)kill(owner, SIGKILL);
		_exit(0);
	}
	switch (how) {
	case LOOKING:
		while (life_look(segment, 0, 1, &seen) == LIFE_ALIVE) {
			(void)sched_yield();
		}
		break;
	case SLEEPING:
		value = doorbell_prepare(&bell);
		if (life_arm(segment, 0, 1, &extra)) {
			(void)doorbell_wait(&bell, value, &extra, 1,
			    clock_now_ns() + CLOCK_NS_PER_S);
		}
		if (life_look(segment, 0, 1, &seen) != LIFE_DEAD) {
			fail("the news");
		}
		break;
	case PIDFD:
		(void)poll(&pollfd, 1, 1000);
		break;
	}
	news = clock_now_ns();
	(void)waitpid(killer, NULL, 0);
	(void)waitpid(owner, NULL, 0);
	(void)close(pidfd);
	return news - *killed_at;
}

static void
bench_deaths(void)
{
	static const char *const names[2][3] = {
		{ "death, looking", "death, sleeping", "death, pidfd" },
		{ "death of 256 MB, looking", "death of 256 MB, sleeping",
		    "death of 256 MB, pidfd" },
	};
	uint64_t *killed_at = mmap(NULL, sizeof(*killed_at),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct segment *segment = attach();
	uint64_t run = 0;

	if (killed_at == MAP_FAILED) {
		fail("mmap");
	}
	for (int size = 0; size < 2; size++) {
		for (int how = 0; how < 3; how++) {
			for (int i = 0; i < DEATHS; i++) {
				samples[i] = one_death(segment, killed_at,
				    ++run, size == 0 ? 0 : LARGE,
				    (enum how)how);
			}
			report(names[size][how], DEATHS);
		}
	}
	segment_detach(segment);
}

int
main(int argc, char **argv UNUSED)
{
	struct segment_config config = { .client_count = 64, .dir = "/" };
	struct segment *segment;
	struct err_buf err = { "" };

	setvbuf(stdout, NULL, _IOLBF, 0);
	(void)snprintf(name, sizeof(name), "/raftsup-bench-%d",
	    (int)getpid());
	if (segment_create(&segment, name, &config, 2, &err) != ERR_OK) {
		fprintf(stderr, "bench_shm: %s\n", err.text);
		return 1;
	}
	if (argc == 1) {
		bench_one_process();
		bench_stream();
	}
	bench_round_trip("round trip, polling", false);
	bench_round_trip("round trip, sleeping", true);
	if (argc == 1) {
		bench_deaths();
	}
	(void)shm_unlink(name);
	segment_detach(segment);
	return 0;
}
