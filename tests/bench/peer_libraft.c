/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Canonical's libraft for the benchmarks: -n processes, its own store
 * (raft_uv) in -S, its own TCP transport on loopback, and a state machine
 * that counts.  The client is inside the leader: no request has to come from
 * another process, no value is kept and none can be read.
 *
 *	-P N	so many entries under way, each a raft_apply() of its own,
 *		the next one submitted when one is answered
 *	-R N	so many a second, when they are due
 *	-k N	the leader is killed N times: {"ms":[...]}, kill -9 to the
 *		first entry applied by the next one
 *
 * The parent starts, kills and waits; what it asks for and what came of it
 * lies in a page that all share.
 */
#include <raft.h>
#include <raft/uv.h>
#include <uv.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/driver.h"

#define NODES_MAX     7
#define UNDER_WAY_MAX 1024
#define PATIENCE_NS   (60 * CLOCK_NS_PER_S)
#define SETTLE_US     300000

enum order {
	ORDER_NONE,
	ORDER_MEASURE,
	ORDER_GO_ON,	/* one after another, whoever leads */
};

struct shared {
	_Atomic enum order order;
	_Atomic uint32_t leader;	/* 1 ...; 0: none yet */
	_Atomic uint64_t answered_ns;	/* the last one */
	atomic_bool done;
	uint64_t elapsed_ns;
	struct bench_result result;
};

struct request {
	struct raft_apply apply;
	uint64_t since_ns;
	struct request *next;	/* unused */
};

static struct driver_options options;
static struct shared *shared;
static pid_t pids[NODES_MAX];
static int port;

/* Of a node's process. */
static uint32_t self;
static struct raft raft;
static struct request requests[UNDER_WAY_MAX], *unused;
static uint32_t under_way;
static uint64_t start_ns, due_count;
static int timer_fd = -1;

static void measure(void);
static void measure_failovers(void);
static void start_node(uint32_t);
static void wait_for(bool (*)(uint64_t), uint64_t, const char *);
static bool is_led(uint64_t);
static bool is_done(uint64_t);
static bool is_answered(uint64_t);
static void stop_all(void);
static void node_main(void) NORETURN;
static void address_of(uint32_t, char *, size_t);
static void look(uv_check_t *);
static void on_timer(uv_timer_t *);
static void on_due(uv_poll_t *, int, int);
static void begin(void);
static void submit_due(void);
static void submit(uint64_t);
static void on_applied(struct raft_apply *, int, void *);
static void look_for_end(uint64_t);
static void must(int, const char *);

int
main(int argc, char **argv)
{
	uint32_t i;

	driver_options(&options, argc, argv);
	if (options.pipeline > UNDER_WAY_MAX || options.get) {
		errno = 0;
		driver_die("-P is at most %d, and there is no -g",
		    UNDER_WAY_MAX);
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		driver_die("mmap");
	}
	port = 20000 + (int)(getpid() % 10000);
	(void)atexit(stop_all);
	for (i = 1; i <= options.nodes; i++) {
		start_node(i);
	}
	wait_for(is_led, 0, "a leader");
	(void)usleep(SETTLE_US);
	if (options.kills > 0) {
		measure_failovers();
	} else {
		measure();
	}
	return 0;
}

static void
measure(void)
{
	atomic_store(&shared->order, ORDER_MEASURE);
	wait_for(is_done, 0, "the measurement");
	driver_report(&options, &shared->result, shared->elapsed_ns);
}

static void
measure_failovers(void)
{
	uint64_t killed_ns;
	uint32_t i, leader;

	atomic_store(&shared->order, ORDER_GO_ON);
	printf("{\"ms\":[");
	for (i = 0; i < options.kills; i++) {
		wait_for(is_answered, clock_now_ns(), "an answer");
		leader = atomic_load(&shared->leader);
		killed_ns = clock_now_ns();
		if (kill(pids[leader - 1], SIGKILL) != 0 ||
		    waitpid(pids[leader - 1], NULL, 0) < 0) {
			driver_die("kill");
		}
		/* What it had answered before it died does not count. */
		killed_ns = atomic_load(&shared->answered_ns) > killed_ns
				? atomic_load(&shared->answered_ns)
				: killed_ns;
		wait_for(is_answered, killed_ns, "an answer after the kill");
		printf("%s%.3f", i > 0 ? "," : "",
		    (double)(atomic_load(&shared->answered_ns) - killed_ns) /
			(double)CLOCK_NS_PER_MS);
		start_node(leader);
		(void)usleep(2 * SETTLE_US);
	}
	printf("]}\n");
}

static void
start_node(uint32_t id)
{
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid < 0) {
		driver_die("fork");
	}
	if (pid == 0) {
		self = id;
		memset(pids, 0, sizeof(pids));
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGPIPE, SIG_IGN);
		node_main();
	}
	pids[id - 1] = pid;
}

static void
wait_for(bool (*is_true)(uint64_t), uint64_t arg, const char *what)
{
	uint64_t end_ns = clock_now_ns() + PATIENCE_NS;

	while (!is_true(arg)) {
		if (clock_now_ns() > end_ns) {
			errno = 0;
			driver_die("libraft: waited too long for %s", what);
		}
		(void)usleep(200);
	}
}

static bool
is_led(uint64_t arg UNUSED)
{
	return atomic_load(&shared->leader) != 0;
}

static bool
is_done(uint64_t arg UNUSED)
{
	return atomic_load(&shared->done);
}

static bool
is_answered(uint64_t after_ns)
{
	return atomic_load(&shared->answered_ns) > after_ns;
}

static void
stop_all(void)
{
	uint32_t i;

	for (i = 0; i < NODES_MAX; i++) {
		if (pids[i] > 0) {
			(void)kill(pids[i], SIGKILL);
			(void)waitpid(pids[i], NULL, 0);
		}
	}
}

/* ------------------------------------------------------------ a node */

static int
fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buf UNUSED,
    void **answer)
{
	*answer = NULL;
	(*(uint64_t *)fsm->data)++;
	return 0;
}

static int
fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *count)
{
	*count = 1;
	*bufs = raft_malloc(sizeof(**bufs));
	if (*bufs == NULL) {
		return RAFT_NOMEM;
	}
	(*bufs)[0].len = sizeof(uint64_t);
	(*bufs)[0].base = raft_malloc(sizeof(uint64_t));
	if ((*bufs)[0].base == NULL) {
		return RAFT_NOMEM;
	}
	memcpy((*bufs)[0].base, fsm->data, sizeof(uint64_t));
	return 0;
}

static int
fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buf)
{
	memcpy(fsm->data, buf->base, sizeof(uint64_t));
	raft_free(buf->base);
	return 0;
}

static void
node_main(void)
{
	static struct raft_uv_transport transport;
	static struct raft_configuration configuration;
	static struct raft_io io;
	static struct raft_fsm fsm;
	static uv_loop_t loop;
	static uv_timer_t timer;
	static uv_check_t check;
	static uv_poll_t poll;
	static uint64_t count;
	char dir[4096], address[64];
	uint32_t i;
	int code;

	(void)snprintf(dir, sizeof(dir), "%s/%" PRIu32, options.where, self);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
		driver_die("%s", dir);
	}
	fsm = (struct raft_fsm){ .version = 1, .data = &count,
		.apply = fsm_apply, .snapshot = fsm_snapshot,
		.restore = fsm_restore };
	must(uv_loop_init(&loop), "uv_loop_init");
	must(raft_uv_tcp_init(&transport, &loop), "raft_uv_tcp_init");
	must(raft_uv_init(&io, &loop, dir, &transport), "raft_uv_init");
	raft_uv_set_connect_retry_delay(&io, 50);
	address_of(self, address, sizeof(address));
	must(raft_init(&raft, &io, &fsm, self, address), "raft_init");
	raft_configuration_init(&configuration);
	for (i = 1; i <= options.nodes; i++) {
		address_of(i, address, sizeof(address));
		must(raft_configuration_add(&configuration, i, address,
			 RAFT_VOTER), "raft_configuration_add");
	}
	code = raft_bootstrap(&raft, &configuration);
	if (code != RAFT_CANTBOOTSTRAP) {
		must(code, "raft_bootstrap");
	}
	raft_set_election_timeout(&raft, options.election_ms);
	raft_set_heartbeat_timeout(&raft, options.election_ms / 10);
	raft_set_pre_vote(&raft, true);
	must(raft_start(&raft), "raft_start");

	must(uv_timer_init(&loop, &timer), "uv_timer_init");
	must(uv_timer_start(&timer, on_timer, 1, 1), "uv_timer_start");
	must(uv_check_init(&loop, &check), "uv_check_init");
	must(uv_check_start(&check, look), "uv_check_start");
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	must(uv_poll_init(&loop, &poll, timer_fd), "uv_poll_init");
	must(uv_poll_start(&poll, UV_READABLE, on_due), "uv_poll_start");
	(void)uv_run(&loop, UV_RUN_DEFAULT);
	driver_die("libraft: node %" PRIu32 " ended", self);
}

static void
address_of(uint32_t id, char *address, size_t size)
{
	(void)snprintf(address, size, "127.0.0.1:%d", port + (int)id);
}

/* Keeps the loop turning, so that an order is seen within a millisecond. */
static void
on_timer(uv_timer_t *timer UNUSED)
{
}

/* After each turn of the loop. */
static void
look(uv_check_t *check UNUSED)
{
	if (raft_state(&raft) != RAFT_LEADER) {
		return;
	}
	atomic_store(&shared->leader, self);
	if (start_ns == 0 && atomic_load(&shared->order) != ORDER_NONE) {
		begin();
	}
}

static void
begin(void)
{
	struct itimerspec spec = { 0 };
	uint32_t i, count = options.pipeline;

	start_ns = clock_now_ns();
	if (atomic_load(&shared->order) == ORDER_GO_ON) {
		options.rate = 0;
		options.time_ns = UINT64_MAX;
		count = 1;
	}
	if (options.rate != 0) {
		count = UNDER_WAY_MAX;
	}
	for (i = 0; i < count; i++) {
		requests[i].next = unused;
		unused = &requests[i];
	}
	if (options.rate != 0) {
		spec.it_interval =
		    clock_timespec(CLOCK_NS_PER_S / options.rate);
		spec.it_value = spec.it_interval;
		if (timerfd_settime(timer_fd, 0, &spec, NULL) != 0) {
			driver_die("timerfd_settime");
		}
		return;
	}
	for (i = 0; i < count; i++) {
		submit(clock_now_ns());
	}
}

static void
on_due(uv_poll_t *poll UNUSED, int status UNUSED, int events UNUSED)
{
	uint64_t times;

	if (read(timer_fd, &times, sizeof(times)) == sizeof(times)) {
		submit_due();
		look_for_end(clock_now_ns());
	}
}

/* All whose time has come, each counted from that time. */
static void
submit_due(void)
{
	uint64_t now_ns = clock_now_ns(), due_ns;

	while (unused != NULL) {
		due_ns = start_ns + due_count * CLOCK_NS_PER_S / options.rate;
		if (due_ns > now_ns || due_ns - start_ns >= options.time_ns) {
			return;
		}
		due_count++;
		submit(due_ns);
	}
}

static void
submit(uint64_t since_ns)
{
	struct request *request = unused;
	struct raft_buffer buffer;
	size_t size = DRIVER_KEY_SIZE + options.value_size;

	unused = request->next;
	buffer.len = (size + 7) / 8 * 8;
	buffer.base = raft_malloc(buffer.len);
	if (buffer.base == NULL) {
		driver_die("memory");
	}
	memset(buffer.base, 'v', buffer.len);
	request->since_ns = since_ns;
	must(raft_apply(&raft, &request->apply, &buffer, 1, on_applied),
	    "raft_apply");
	under_way++;
}

static void
on_applied(struct raft_apply *apply, int status, void *answer UNUSED)
{
	struct request *request = (struct request *)apply;
	uint64_t now_ns = clock_now_ns();

	under_way--;
	request->next = unused;
	unused = request;
	if (status == 0) {
		atomic_store(&shared->answered_ns, now_ns);
		hist_record(&shared->result.latency,
		    now_ns - request->since_ns);
	} else {
		shared->result.errors[BENCH_OTHER]++;
	}
	shared->elapsed_ns = now_ns - start_ns;
	if (options.rate == 0 && shared->elapsed_ns < options.time_ns) {
		submit(now_ns);
	}
	look_for_end(now_ns);
}

/* Nothing is due any more, and all is answered. */
static void
look_for_end(uint64_t now_ns)
{
	if (under_way == 0 && now_ns - start_ns >= options.time_ns) {
		atomic_store(&shared->done, true);
	}
}

static void
must(int code, const char *what)
{
	if (code != 0) {
		errno = 0;
		driver_die("libraft: %s: %s", what,
		    code > 0 ? raft_strerror(code) : uv_strerror(code));
	}
}
