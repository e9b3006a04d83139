/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `raftnode serve`: from the supervisor's arguments to the loop and back.
 *
 *	1. attach the segment, read the own row
 *	2. take NODE_DIR/lock: one process a store, whatever pids say
 *	3. open the store; refuse one that is older than the cluster file's
 *	   record of it; make the granted run durable
 *	4. begin the life tokens, publish the run, wait to be admitted: the
 *	   supervisor writes the run into the cluster file first
 *	5. boot the core and the state machine, run the loop
 *	6. at a clean end: checkpoint, sync, say so
 *
 * Ends with a status of base/err.h; why is in the status page (`latched`).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process.h"
#include "node/node.h"
#include "node/serve.h"
#include "node/sync.h"

#define ADMISSION_LOOK_NS	100000000ull

/*
 * Three chunks under way: what a link's ring holds. One that does not fit was
 * read in vain, and those after it find a gap.
 */
#define INSTALL_BYTES_MAX	(160u << 10)

struct serve_args {
	const char *segment;
	const char *dir;
	uint64_t slot;
};

static struct node *signalled;		/* of the signal handler */

static int	serve_parse(int, char **, struct serve_args *);
static int	serve_attach(struct node *, const struct serve_args *,
		    struct segment_row *, struct err_buf *);
static int	serve_lock(struct node *, struct err_buf *);
static int	serve_open_store(struct node *, const struct segment_row *,
		    struct err_buf *);
static int	serve_announce(struct node *, struct err_buf *);
static bool	serve_wait_admission(struct node *);
static int	serve_boot(struct node *, struct err_buf *);
static void	serve_promises(struct node *, struct raft_boot *,
		    struct raft_promise *);
static int	serve_boot_core(struct node *, struct raft_boot *,
		    struct err_buf *);
static int	serve_end(struct node *);
static void	serve_refuse(struct node *, int, const char *);
static void	serve_signals(struct node *);
static void	serve_on_signal(int);

int
node_serve(int argc, char **argv)
{
	static struct node node;	/* zeroed, and too large for a stack */
	struct serve_args args = { 0 };
	struct segment_row row;
	struct err_buf err = { "" };
	int result = serve_parse(argc, argv, &args);

	if (result != ERR_OK) {
		return err_exit_status(result);
	}
	result = serve_attach(&node, &args, &row, &err);
	if (result != ERR_OK) {
		log_warnx("%s", err.text);
		return err_exit_status(result);
	}
	serve_signals(&node);
	CRASH_POINT("start: attached");
	result = serve_lock(&node, &err);
	if (result == ERR_OK) {
		result = serve_open_store(&node, &row, &err);
	}
	if (result == ERR_OK) {
		result = serve_announce(&node, &err);
	}
	if (result == ERR_OK && !node.power) {
		result = sync_new(&node.sync, node.store);
	}
	if (result == ERR_OK && serve_wait_admission(&node)) {
		result = serve_boot(&node, &err);
		if (result == ERR_OK) {
			node_loop(&node);
			result = node.result;
			strlcpy(err.text, node.latched, sizeof(err.text));
		}
	}
	sync_free(node.sync);
	node.sync = NULL;
	if (result == ERR_OK) {
		result = serve_end(&node);
		if (result != ERR_OK) {
			(void)err_set(&err, result, "the last sync failed: %s",
			    err_text(result));
		}
	}
	if (result != ERR_OK) {
		serve_refuse(&node, result, err.text);
	}
	life_end(node.segment, node.slot);
	events_free(node.events);
	/* The kernel releases the rest, the directory lock at the end. */
	return err_exit_status(result);
}

static int
serve_parse(int argc, char **argv, struct serve_args *args)
{
	struct err_buf err;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--segment") == 0) {
			args->segment = argv[i + 1];
		} else if (strcmp(argv[i], "--dir") == 0) {
			args->dir = argv[i + 1];
		} else if (strcmp(argv[i], "--slot") != 0) {
			log_warnx("serve: unknown option %s", argv[i]);
			return ERR_USAGE;
		} else if (options_u64("--slot", argv[i + 1], 0,
		    SEGMENT_SLOTS - 1, &args->slot, &err) != ERR_OK) {
			log_warnx("%s", err.text);
			return ERR_USAGE;
		}
	}
	if (args->segment == NULL || args->dir == NULL || argc % 2 == 0) {
		log_warnx("serve is for raftsup: it takes --segment NAME "
		    "--slot SLOT --dir NODE_DIR");
		return ERR_USAGE;
	}
	return ERR_OK;
}

static int
serve_attach(struct node *node, const struct serve_args *args,
    struct segment_row *row, struct err_buf *err)
{
	struct rlimit none = { 0, 0 };
	uint64_t seed;
	int result = segment_attach(&node->segment, args->segment,
	    SEGMENT_NODE, err);

	if (result != ERR_OK) {
		return result;
	}
	node->slot = (uint32_t)args->slot;
	node->dir = args->dir;
	node->config = segment_config(node->segment);
	if (segment_row_read(node->segment, node->slot, row) != ERR_OK ||
	    row->id == 0) {
		return err_set(err, ERR_MISMATCH,
		    "slot %u of %s is not in use", node->slot,
		    args->segment);
	}
	node->id = row->id;
	node->run = row->run_granted;
	node->store_id = row->store_id;
	node->power = node->config->durability == STORE_POWER;
	node->bell = doorbell_of_node(node->segment, node->slot);
	node->counters = segment_counters(node->segment, node->slot);
	node->linked = true;
	node->timeout_seq = row->timeout_seq;
	node->timeout_at_ns = UINT64_MAX;
	node->checkpoint_at_ns = UINT64_MAX;
	/* A core dump would delay the news of a death. */
	if (getenv("RAFTSUP_CORE") == NULL) {
		(void)setrlimit(RLIMIT_CORE, &none);
	}
	if (node->config->seed != 0) {
		seed = node->config->seed ^ ((uint64_t)node->id << 48) ^
		    (node->run << 32);
	} else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		return err_set(err, ERR_IO, "getrandom: %s",
		    strerror(errno));
	}
	prng_init(&node->prng, seed);
	return events_new(&node->events, node->dir, node->segment,
	    node->slot, node->id, err);
}

/* Waits for it: a dying former run holds it until the kernel is done. */
static int
serve_lock(struct node *node, struct err_buf *err)
{
	char *path;
	int fd, result;

	if (asprintf(&path, "%s/lock", node->dir) < 0) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	result = fs_lock_open(path, &fd, err);
	free(path);
	while (result == ERR_OK && !node->stop) {
		result = fs_lock_try(fd, 0, 1);
		if (result != ERR_LOCKED) {
			return result == ERR_OK ? result : err_set(err,
			    result, "%s/lock: %s", node->dir,
			    strerror(errno));
		}
		usleep(500);
		result = ERR_OK;
	}
	return result != ERR_OK ? result : err_set(err, ERR_LOCKED,
	    "stopped while waiting for %s/lock", node->dir);
}

static int
serve_open_store(struct node *node, const struct segment_row *row,
    struct err_buf *err)
{
	struct store_identity expect = {
	    .cluster_id = node->config->cluster_id,
	    .store_id = node->store_id,
	    .node_id = node->id,
	};
	struct store_options options = {
	    .durability = node->power ? STORE_POWER : STORE_PROCESS,
	    .sync_word = segment_sync_word(node->segment, node->slot),
	};
	int result;

	CRASH_POINT("start: locked");
	result = store_open(&node->store, node->dir, &expect, &options, err);

	if (result != ERR_OK) {
		return result;
	}
	if (store_run(node->store) < row->run_admitted ||
	    store_run(node->store) >= node->run) {
		return err_set(err, ERR_MISMATCH, "the store of node %u has "
		    "seen run %llu, the cluster file says %llu: it is not "
		    "the one that ran last", node->id,
		    (unsigned long long)store_run(node->store),
		    (unsigned long long)row->run_admitted);
	}
	CRASH_POINT("start: store open");
	/* Durable before anything is sent in its name. */
	result = store_set_run(node->store, node->run);
	if (result != ERR_OK) {
		return err_set(err, result, "run %llu cannot be written: %s",
		    (unsigned long long)node->run, err_text(result));
	}
	return ERR_OK;
}

static int
serve_announce(struct node *node, struct err_buf *err)
{
	struct segment_status *status = &node->status;
	int result;

	CRASH_POINT("start: run durable");
	result = life_begin(node->segment, node->slot, node->run);

	if (result != ERR_OK) {
		return err_set(err, result, "the life tokens of node %u "
		    "cannot be taken: %s", node->id, err_text(result));
	}
	CRASH_POINT("start: life tokens held");
	segment_hint_set(node->segment, node->slot, 0);
	segment_near_set(node->segment, node->slot, NODE_NEAR_ALL);
	node->near = NODE_NEAR_ALL;
	status->run = node->run;
	status->id = node->id;
	status->pid = getpid();
	status->pid_start = process_start_time(getpid());
	status->updated_ns = clock_now_ns();
	segment_status_publish(node->segment, node->slot, status);
	return ERR_OK;
}

/* False: told to end before. */
static bool
serve_wait_admission(struct node *node)
{
	for (;;) {
		uint32_t value = doorbell_prepare(&node->bell);
		struct segment_row row;

		node_rows(node);
		if (node->stop || (segment_row_read(node->segment, node->slot,
		    &row) == ERR_OK && row.run_admitted >= node->run)) {
			doorbell_cancel(&node->bell);
			return !node->stop;
		}
		(void)doorbell_wait(&node->bell, value, NULL, 0,
		    clock_now_ns() + ADMISSION_LOOK_NS);
	}
}

static int
serve_boot(struct node *node, struct err_buf *err)
{
	struct apply_done first;
	struct raft_boot boot;
	int result;

	CRASH_POINT("start: admitted");
	result = apply_new(&node->apply, node->store, node->power,
	    &node->bell, &first, err);

	if (result != ERR_OK) {
		return result;
	}
	node->applied_index = first.applied_index;
	node->apply_next = first.applied_index + 1;
	node->checkpoint_index = first.checkpoint_index;
	node->checkpoint_digest = first.checkpoint_digest;
	node_log_time_applied(node, first.log_time_ns, first.next_expiry_ns);
	result = snap_new(&node->snap, node->store, &node->bell);
	if (result != ERR_OK) {
		return err_set(err, result, "cannot start a thread");
	}
	result = store_boot(node->store, &boot);
	if (result != ERR_OK) {
		const char *why = store_latched(node->store);

		return err_set(err, result, "%s", why != NULL ? why :
		    err_text(result));
	}
	result = serve_boot_core(node, &boot, err);
	store_free_boot(&boot);
	if (result != ERR_OK) {
		return result;
	}
	node->waiting = calloc(NODE_WAITING_MAX, sizeof(*node->waiting));
	node->update = calloc(1, sizeof(*node->update));
	if (node->waiting == NULL || node->update == NULL ||
	    faults_new(&node->faults, node->slot, node->id,
	    node->config->heartbeat_ns, node->counters) != ERR_OK ||
	    peers_new(&node->peers, node) != ERR_OK ||
	    clients_new(&node->clients, node) != ERR_OK) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	node_rows(node);
	node_status_publish(node);
	CRASH_POINT("start: ready");
	return ERR_OK;
}

/*
 * What a former run has promised.  Its page is as old as the segment, and the
 * segment as old as the oldest lease: when it cannot be read, every promise
 * is over in the time of the longest lease, and the page remembers that too.
 */
static void
serve_promises(struct node *node, struct raft_boot *boot,
    struct raft_promise *promises)
{
	struct segment_promises page;

	if (segment_promises_read(node->segment, node->slot, &page) !=
	    ERR_OK) {
		page = (struct segment_promises){
		    .withhold_ns = boot->now_ns + RAFT_LEASE_NS_MAX,
		};
		segment_promises_publish(node->segment, node->slot, &page);
	}
	for (uint32_t i = 0; i < page.count; i++) {
		promises[i].leader = page.promises[i].leader;
		promises[i].run = page.promises[i].run;
		promises[i].end_ns = page.promises[i].end_ns;
	}
	boot->promises = promises;
	boot->promise_count = page.count;
	boot->withhold_ns = node->withhold_ns = page.withhold_ns;
}

static int
serve_boot_core(struct node *node, struct raft_boot *boot,
    struct err_buf *err)
{
	const struct segment_config *config = node->config;
	struct raft_config core = {
	    .id = node->id,
	    .cluster_id = config->cluster_id,
	    .store_id = node->store_id,
	    .run = node->run,
	    .heartbeat_ns = config->heartbeat_ns,
	    .election_min_ns = config->election_min_ns,
	    .election_max_ns = config->election_max_ns,
	    .lease_ns = config->lease_ns,
	    .uncommitted_bytes_max = CACHE_SIZE / 2,
	    .install_bytes_max = INSTALL_BYTES_MAX,
	    .trailing_entries = NODE_TRAILING_ENTRIES,
	    .tell_rpc = config->log_rpc != 0,
	    .tell = node_tell,
	    .tell_arg = node,
	};
	static const struct raft_configuration none;
	struct raft_promise promises[RAFT_PROMISES_MAX];
	const char *what = "";
	uint64_t last_term;
	int result;

	if (boot->configuration_count == 0) {
		/* It joins: the leader will tell. */
		boot->configurations = &none;
		boot->configuration_count = 1;
	}
	boot->applied_index = node->applied_index;
	boot->now_ns = node->now_ns = clock_now_ns();
	boot->random = prng_next(&node->prng);
	serve_promises(node, boot, promises);
	result = raft_new(&node->raft, &core, boot, &what);
	if (boot->configurations == &none) {
		boot->configurations = NULL;
	}
	if (result != ERR_OK) {
		return err_set(err, result, "the store of node %u "
		    "contradicts itself: %s", node->id, what);
	}
	node->durable_index = boot->last_index;
	node->snapshot_index = boot->snapshot_index;
	node->commit_index = raft_commit_index(node->raft);
	node->deadline_ns = node->now_ns;
	last_term = raft_term_at(node->raft, boot->last_index);
	events_set_role(node->events, raft_role(node->raft),
	    raft_term(node->raft));
	events_write(node->events, EVENT_START, false, "Node %u %s: run %llu, "
	    "log %llu-%llu, applied %llu", node->id,
	    node->run > 1 ? "rejoins" : "starts",
	    (unsigned long long)node->run,
	    (unsigned long long)boot->first_index,
	    (unsigned long long)boot->last_index,
	    (unsigned long long)node->applied_index);
	result = cache_new(&node->cache, boot->last_index + 1);
	if (result == ERR_OK) {
		result = disk_new(&node->disk, node->store, node->power,
		    &node->bell, boot->last_index, last_term);
	}
	return result == ERR_OK ? ERR_OK : err_set(err, result, "%s",
	    err_text(result));
}

/* A clean end: what is applied and durable is checkpointed and synced. */
static int
serve_end(struct node *node)
{
	int result = ERR_OK;

	snap_free(node->snap);
	node->snap = NULL;
	if (node->disk != NULL) {
		/* Ends when the batch under way is written. */
		disk_free(node->disk);
		node->disk = NULL;
	}
	CRASH_POINT("stop: disk at rest");
	if (node->apply != NULL) {
		result = apply_free(node->apply, !node->installing &&
		    node->apply_next - 1 <= node->durable_index);
		node->apply = NULL;
	}
	if (result == ERR_FULL) {
		/* The log has it all. */
		result = ERR_OK;
	}
	CRASH_POINT("stop: checkpoint made");
	if (result == ERR_OK && node->store != NULL) {
		result = store_sync(node->store);
	}
	CRASH_POINT("stop: synced");
	if (result == ERR_OK) {
		events_write(node->events, EVENT_START, false,
		    "Node %u stops", node->id);
		segment_hint_set(node->segment, node->slot, 0);
		node->status.role = 0;
		node->status.ready = 0;
		node->status.serving = 0;
		segment_status_publish(node->segment, node->slot,
		    &node->status);
		store_close(node->store);
	}
	clients_free(node->clients);
	peers_free(node->peers);
	faults_free(node->faults);
	cache_free(node->cache);
	return result;
}

/* The reason into the page, the event log and the supervisor's log. */
static void
serve_refuse(struct node *node, int result, const char *text)
{
	struct segment_status *status = &node->status;

	if (text[0] == '\0') {
		text = err_text(result);
	}
	log_warnx("node %u: %s", node->id, text);
	if (node->latched[0] == '\0') {
		events_write(node->events, EVENT_START, false,
		    "Node %u does not start: %s", node->id, text);
	}
	segment_hint_set(node->segment, node->slot, 0);
	status->run = node->run;
	status->id = node->id;
	status->role = 0;
	status->ready = 0;
	status->serving = 0;
	strlcpy(status->latched, text, sizeof(status->latched));
	/* For a supervisor whose child this is not. */
	status->exit_status = (uint32_t)err_exit_status(result);
	segment_status_publish(node->segment, node->slot, status);
}

static void
serve_signals(struct node *node)
{
	struct sigaction action = { .sa_handler = serve_on_signal };

	signalled = node;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
}

static void
serve_on_signal(int signal_number UNUSED)
{
	int saved = errno;

	signalled->stop = true;
	(void)doorbell_ring(&signalled->bell);
	errno = saved;
}
