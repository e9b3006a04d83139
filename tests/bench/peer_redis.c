/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of Redis for the benchmarks: SET or GET of 16-byte keys through a
 * unix socket, one thread, -c connections.
 *
 *	without -R	each connection sends -P requests in one write and
 *			waits for their answers, as redis-benchmark does
 *	with -R		requests leave when they are due, over one connection;
 *			latency counts from that time, so that a stall is paid
 *			for by all that it delays
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/prng.h"
#include "tests/bench/driver.h"

#define UNDER_WAY_MAX 1024	/* of one connection; a power of two */
#define REQUEST_SIZE  256	/* without the value */

struct connection {
	int fd;
	uint64_t since_ns[UNDER_WAY_MAX];	/* oldest at `answered` */
	uint64_t sent, answered;
	uint8_t *in;
	size_t in_size, in_capacity;
};

static struct driver_options options;
static struct bench_result result;
static struct connection *connections;
static struct pollfd *pollfds;
static struct prng prng;
static char *value, *out;
static size_t out_size, out_capacity;
static uint64_t start_ns, end_ns, due_count;

static void connect_all(void);
static void fill(void);
static void measure(void);
static bool start_requests(struct connection *, uint64_t);
static void add_request(struct connection *, bool, uint64_t, uint64_t);
static void flush(struct connection *);
static void take_answers(struct connection *, bool);
static size_t answer_size(const uint8_t *, size_t);
static void wait_for_answers(void);

int
main(int argc, char **argv)
{
	driver_options(&options, argc, argv);
	if (options.rate != 0) {
		options.clients = 1;
	}
	prng_init(&prng, 1);
	connect_all();
	if (options.get) {
		fill();
	}
	start_ns = clock_now_ns();
	measure();
	driver_report(&options, &result, end_ns - start_ns);
	return result.errors[BENCH_OTHER] > 0 ||
	       result.errors[BENCH_NOT_FOUND] > 0;
}

static void
connect_all(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint32_t i;

	if (strlen(options.where) >= sizeof(address.sun_path)) {
		errno = 0;
		driver_die("%s: too long for a socket", options.where);
	}
	strcpy(address.sun_path, options.where);
	out_capacity = (size_t)UNDER_WAY_MAX *
		       (REQUEST_SIZE + options.value_size);
	out = malloc(out_capacity);
	value = malloc(options.value_size);
	connections = calloc(options.clients, sizeof(*connections));
	pollfds = calloc(options.clients, sizeof(*pollfds));
	if (out == NULL || value == NULL || connections == NULL ||
	    pollfds == NULL) {
		driver_die("memory");
	}
	memset(value, 'v', options.value_size);
	for (i = 0; i < options.clients; i++) {
		struct connection *c = &connections[i];

		c->in_capacity = UNDER_WAY_MAX * (options.value_size + 32);
		c->in = malloc(c->in_capacity);
		c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (c->in == NULL || c->fd < 0 ||
		    connect(c->fd, (struct sockaddr *)&address,
			sizeof(address)) != 0) {
			driver_die("%s", options.where);
		}
		pollfds[i].fd = c->fd;
		pollfds[i].events = POLLIN;
	}
}

/* Every key has a value before it is read. */
static void
fill(void)
{
	struct connection *c = &connections[0];
	uint64_t key;

	for (key = 0; key < options.keys; key++) {
		add_request(c, false, key, 0);
		if (c->sent - c->answered == UNDER_WAY_MAX / 2 ||
		    key + 1 == options.keys) {
			flush(c);
			while (c->answered < c->sent) {
				take_answers(c, false);
			}
		}
	}
}

static void
measure(void)
{
	bool more = true;
	uint32_t i;

	while (more) {
		uint64_t now_ns = clock_now_ns();
		bool may_start = now_ns - start_ns < options.time_ns;

		more = may_start;
		for (i = 0; i < options.clients; i++) {
			struct connection *c = &connections[i];

			if (may_start && start_requests(c, now_ns)) {
				flush(c);
			}
			more = more || c->answered < c->sent;
		}
		if (more) {
			wait_for_answers();
		}
	}
}

/* Whether there is something to send. */
static bool
start_requests(struct connection *c, uint64_t now_ns)
{
	uint64_t due_ns;
	uint32_t i;

	if (options.rate == 0) {
		if (c->answered < c->sent) {
			return false;
		}
		for (i = 0; i < options.pipeline; i++) {
			add_request(c, options.get,
			    prng_below(&prng, options.keys), now_ns);
		}
		return true;
	}
	while (c->sent - c->answered < UNDER_WAY_MAX) {
		due_ns = start_ns +
			 (uint64_t)((unsigned __int128)due_count *
				    CLOCK_NS_PER_S / options.rate);
		if (due_ns > now_ns) {
			break;
		}
		due_count++;
		add_request(c, options.get, prng_below(&prng, options.keys),
		    due_ns);
	}
	return out_size > 0;
}

static void
add_request(struct connection *c, bool get, uint64_t number,
    uint64_t since_ns)
{
	char key[DRIVER_KEY_SIZE + 1];
	int size;

	driver_key(key, number);
	if (get) {
		size = snprintf(out + out_size, REQUEST_SIZE,
		    "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", DRIVER_KEY_SIZE, key);
		out_size += (size_t)size;
	} else {
		size = snprintf(out + out_size, REQUEST_SIZE,
		    "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%zu\r\n",
		    DRIVER_KEY_SIZE, key, options.value_size);
		out_size += (size_t)size;
		memcpy(out + out_size, value, options.value_size);
		out_size += options.value_size;
		memcpy(out + out_size, "\r\n", 2);
		out_size += 2;
	}
	c->since_ns[c->sent++ % UNDER_WAY_MAX] = since_ns;
}

static void
flush(struct connection *c)
{
	size_t done = 0;
	ssize_t n;

	while (done < out_size) {
		n = write(c->fd, out + done, out_size - done);
		if (n < 0 && errno != EINTR) {
			driver_die("write");
		}
		done += n > 0 ? (size_t)n : 0;
	}
	out_size = 0;
}

/* Waits for at least a part of one. */
static void
take_answers(struct connection *c, bool count)
{
	size_t done = 0, size;
	uint64_t now_ns;
	ssize_t n;

	n = read(c->fd, c->in + c->in_size, c->in_capacity - c->in_size);
	if (n == 0 || (n < 0 && errno != EINTR)) {
		driver_die("the server has gone away");
	}
	c->in_size += n > 0 ? (size_t)n : 0;
	now_ns = clock_now_ns();
	while ((size = answer_size(c->in + done, c->in_size - done)) > 0) {
		uint64_t since = c->since_ns[c->answered++ % UNDER_WAY_MAX];
		const uint8_t *answer = c->in + done;

		done += size;
		if (!count) {
			continue;
		}
		end_ns = now_ns;
		if (answer[0] == '-') {
			result.errors[BENCH_OTHER]++;
		} else if (answer[0] == '$' && answer[1] == '-') {
			result.errors[BENCH_NOT_FOUND]++;
		} else {
			hist_record(&result.latency, now_ns - since);
		}
	}
	memmove(c->in, c->in + done, c->in_size - done);
	c->in_size -= done;
}

/* Bytes of the first answer; 0: it is not whole yet. */
static size_t
answer_size(const uint8_t *in, size_t size)
{
	const uint8_t *end = memchr(in, '\n', size);
	size_t line;
	long length;

	if (end == NULL) {
		return 0;
	}
	line = (size_t)(end - in) + 1;
	if (in[0] != '$') {
		return line;
	}
	length = strtol((const char *)in + 1, NULL, 10);
	if (length < 0) {
		return line;
	}
	return size < line + (size_t)length + 2 ? 0
						: line + (size_t)length + 2;
}

static void
wait_for_answers(void)
{
	struct timespec timeout = clock_timespec(CLOCK_NS_PER_S);
	uint64_t now_ns = clock_now_ns(), due_ns;
	uint32_t i;

	if (options.rate != 0) {
		due_ns = start_ns +
			 (uint64_t)((unsigned __int128)due_count *
				    CLOCK_NS_PER_S / options.rate);
		timeout = clock_timespec(
		    due_ns > now_ns ? due_ns - now_ns : 0);
	}
	if (ppoll(pollfds, options.clients, &timeout, NULL) < 0 &&
	    errno != EINTR) {
		driver_die("ppoll");
	}
	for (i = 0; i < options.clients; i++) {
		if (pollfds[i].revents != 0) {
			take_answers(&connections[i], true);
		}
	}
}
