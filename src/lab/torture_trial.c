/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trial: a cluster, clients, rounds of faults until the time is over,
 * and then everything that must hold.  In the process on the stage; what
 * does not hold ends it by lab_fail().
 *
 * Its standard output is a file in the directory: all orders and rounds.
 * Rounds are shown on the terminal, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/torture.h"

#define LIMIT_NS	(120 * CLOCK_NS_PER_S)	/* of a wait */
#define REMOVED_AT_ONCE	100
#define ANSWERS_MANY	2000	/* the rarest is more than 1 in 100 */

struct trial {
	struct torture *torture;
	struct lab *lab;
	struct gaps gaps;
	struct torture_faults faults;
	struct history *history;
	struct clients *clients;
};

static void	open_story(struct lab *, const char *);
static void	begin_cluster(struct trial *);
static void	attach(struct trial *);
static void	remove_keys(struct trial *);
static void	work(struct trial *);
static void	tell_round(struct trial *, uint64_t, uint64_t);
static void	check_answers(struct trial *);
static void	judge(struct trial *);

void
torture_play(void *arg, int reason_fd)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	struct torture *torture = arg;
	char path[PATH_MAX + 32];
	struct lab *lab = calloc(1, sizeof(*lab));

	if (trial == NULL || lab == NULL) {
		_exit(70);
	}
	trial->torture = torture;
	trial->lab = lab;
	lab->name = "torture";
	lab->nodes = torture->nodes;
	lab->reason_fd = reason_fd;
	lab->limit_ns = LIMIT_NS;
	strlcpy(lab->dir, torture->cluster, sizeof(lab->dir));
	/* The directory must be empty until the cluster is there. */
	open_story(lab, "/dev/null");
	if (torture->attach) {
		attach(trial);
	} else {
		begin_cluster(trial);
	}
	snprintf(path, sizeof(path), "%s/" TORTURE_STORY,
	    torture->stage.dir);
	open_story(lab, path);
	torture_print_command(torture, stdout);
	printf("\n%s\n", torture->report->settings);
	gaps_init(&trial->gaps, torture->report);
	torture_faults_init(&trial->faults, lab, torture, &trial->gaps);
	trial->history = history_new(lab, torture, &trial->gaps);
	history_begin(trial->history);
	work(trial);
	judge(trial);
}

static void
open_story(struct lab *lab, const char *path)
{
	int fd;

	fflush(stdout);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1 || dup2(fd, STDOUT_FILENO) == -1) {
		lab_fail(lab, "%s: %s", path, strerror(errno));
	}
	close(fd);
	setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Settings are of the seed, too. */
static void
begin_cluster(struct trial *trial)
{
	struct torture *torture = trial->torture;
	const char *durability = torture->durability, *timing;
	bool quick, long_lease;
	struct prng prng;
	char clients[16];

	prng_init(&prng, ~torture->seed);
	quick = prng_below(&prng, 2) == 0;
	long_lease = prng_below(&prng, 6) == 0;
	if (durability == NULL) {
		durability = prng_below(&prng, 2) == 0 ? "power" : "process";
	}
	timing = quick ? "200-400ms" : "500-1000ms";
	snprintf(clients, sizeof(clients), "%u", 2 * torture->clients + 16);
	snprintf(torture->report->settings, sizeof(torture->report->settings),
	    "%u nodes, durability %s, election timeout %s%s", torture->nodes,
	    durability, timing, long_lease ? ", lease 1500ms" : "");
	lab_start(trial->lab, "--durability", durability,
	    "--election-timeout", timing, "--clients", clients, long_lease ?
	    "--lease" : NULL, "1500ms", NULL);
	lab_await_up(trial->lab, lab_all(trial->lab));
}

static void
attach(struct trial *trial)
{
	struct torture *torture = trial->torture;

	lab_attach(trial->lab);
	lab_await_up(trial->lab, lab_all(trial->lab));
	torture->nodes = trial->lab->view.node_count;
	/* Of one with this seed that was interrupted. */
	remove_keys(trial);
	snprintf(torture->report->settings, sizeof(torture->report->settings),
	    "%u nodes, of %.120s", torture->nodes, torture->cluster);
}

static uint64_t
operations(const struct torture_report *report)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < TORTURE_KINDS; i++) {
		sum += report->done[i];
	}
	return sum;
}

static void
work(struct trial *trial)
{
	struct torture_report *report = trial->torture->report;
	uint64_t before, end_ns;

	/* The clients' threads read when it was. */
	report->start_ns = clock_now_ns();
	trial->clients = clients_begin(trial->lab, trial->torture,
	    trial->history, &trial->gaps);
	end_ns = report->start_ns + trial->torture->time_ns;
	while (clock_now_ns() < end_ns) {
		trial->faults.at_ns = clock_now_ns();
		before = operations(report);
		torture_faults_round(&trial->faults);
		clients_nodes(trial->clients, lab_all(trial->lab));
		torture_faults_heal(&trial->faults);
		clients_nodes(trial->clients, lab_all(trial->lab));
		tell_round(trial, trial->faults.at_ns, operations(report) -
		    before);
	}
	clients_await(trial->clients);
	clients_end(trial->clients);
	report->end_ns = clock_now_ns();
}

static void
tell_round(struct trial *trial, uint64_t at_ns, uint64_t done)
{
	struct torture_report *report = trial->torture->report;
	FILE *outs[] = { stdout, trial->torture->terminal };
	size_t i;

	for (i = 0; i < COUNT_OF(outs); i++) {
		if (outs[i] == NULL) {
			continue;
		}
		fprintf(outs[i], "%7.1f s  round %" PRIu64 ": %s -> node %u "
		    "leads term %" PRIu64 ", %" PRIu64 " operations\n",
		    (double)(at_ns - report->start_ns) / 1e9, report->rounds,
		    trial->faults.done, trial->lab->view.leader,
		    trial->lab->view.term, done);
		fflush(outs[i]);
	}
}

/* What was never answered was never judged. */
static void
check_answers(struct trial *trial)
{
	const struct torture_report *report = trial->torture->report;
	uint64_t all = operations(report);
	size_t i;

	if (all == 0) {
		lab_fail(trial->lab, "no client was ever answered");
	}
	for (i = 0; all >= ANSWERS_MANY && i < TORTURE_KINDS; i++) {
		if (report->done[i] == 0) {
			lab_fail(trial->lab, "of %" PRIu64 " answers none was "
			    "to %s", all, torture_kind_names[i]);
		}
	}
}

/*
 * The clients have ended: what they were told, what the event logs tell, and
 * what is in the stores.
 */
static void
judge(struct trial *trial)
{
	struct torture_report *report = trial->torture->report;
	struct lab *lab = trial->lab;

	history_end(trial->history);
	lab_await_level(lab, lab_all(lab));
	report->leaders = lab_verdict_events(lab);
	report->stores = lab->view.node_count;
	if (trial->torture->attach) {
		remove_keys(trial);
	}
	/* First while the flight recorders are there. */
	report->entries = lab_verdict_stores(lab, true);
	if (!trial->torture->attach) {
		report->entries = lab_verdict_stores(lab, false);
	}
	check_answers(trial);
	if (report->words.found < report->words.acknowledged) {
		lab_fail(lab, "%" PRIu64 " words were acknowledged, and %"
		    PRIu64 " found", report->words.acknowledged,
		    report->words.found);
	}
	if (report->epochs_unknown > 0) {
		lab_fail(lab, "%" PRIu64 " of %" PRIu64 " parts of the "
		    "history could not be judged: that is not known to be "
		    "right", report->epochs_unknown, report->epochs);
	}
}

/* In a cluster that goes on nothing is left: a page of the list at a time. */
static void
remove_keys(struct trial *trial)
{
	struct raftsup *client = lab_client(trial->lab, 0,
	    trial->lab->limit_ns);
	const void *key, *value;
	struct raftsup_request list = { .operation = RAFTSUP_LIST };
	struct raftsup_answer answer;
	char prefix[64], keys[REMOVED_AT_ONCE][HISTORY_KEY_SIZE];
	size_t key_size, value_size, at, count, i;

	snprintf(prefix, sizeof(prefix), "torture:%" PRIu64 ":",
	    trial->torture->seed);
	list.key = prefix;
	list.key_size = strlen(prefix);
	do {
		if (raftsup_call(client, &list, &answer) != RAFTSUP_OK) {
			lab_fail(trial->lab, "list %s: %s", prefix,
			    raftsup_error(client));
		}
		at = count = 0;
		while (count < REMOVED_AT_ONCE && raftsup_answer_next(
		    &answer, &at, &key, &key_size, &value, &value_size)) {
			snprintf(keys[count++], HISTORY_KEY_SIZE, "%.*s",
			    (int)key_size, (const char *)key);
		}
		for (i = 0; i < count; i++) {
			if (raftsup_del(client, keys[i], strlen(keys[i])) !=
			    RAFTSUP_OK) {
				lab_fail(trial->lab, "del %s: %s", keys[i],
				    raftsup_error(client));
			}
		}
	} while (count > 0);
	raftsup_close(client);
}
