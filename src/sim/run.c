/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many seeds, in one process or several.  Process j of n takes every n-th
 * seed and stops at its first failure; the lowest seed of all failures is
 * the one that is reported, so that the report does not depend on how the
 * work was cut.
 *
 * An assertion ends a process.  It then says so in its pipe, from the
 * handler of SIGABRT, and the run counts as failed: "assertion".
 */
#include "sim/sim.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/string.h>

static struct sim_summary *current;	/* of the handler */
static struct sim_options current_options;
static int current_fd;

static void	run_part(const struct sim_options *, uint64_t first,
		    uint64_t last, uint64_t stride, bool verbose,
		    struct sim_summary *);
static void	run_child(int fd, const struct sim_options *, uint64_t first,
		    uint64_t last, uint64_t stride, bool verbose) NORETURN;
static void	on_abort(int);
static bool	read_all(int fd, void *, size_t);
static void	write_all(int fd, const void *, size_t);
static void	merge(struct sim_summary *, const struct sim_summary *);
static void	wait_for(pid_t);

void
sim_run_seeds(const struct sim_options *options, uint64_t first,
    uint64_t last, uint32_t jobs, bool verbose, struct sim_summary *summary)
{
	struct sim_summary part;
	int *fds = sim_realloc(NULL, jobs, sizeof(*fds)), ends[2];
	pid_t *pids = sim_realloc(NULL, jobs, sizeof(*pids));
	uint32_t i;

	memset(summary, 0, sizeof(*summary));
	fflush(NULL);
	for (i = 0; i < jobs; i++) {
		if (pipe(ends) != 0 || (pids[i] = fork()) < 0) {
			err(70, "cannot start a process");
		}
		if (pids[i] == 0) {
			close(ends[0]);
			run_child(ends[1], options, first + i, last, jobs,
			    verbose);
		}
		close(ends[1]);
		fds[i] = ends[0];
	}
	for (i = 0; i < jobs; i++) {
		if (!read_all(fds[i], &part, sizeof(part))) {
			errx(70, "a process ended without a result");
		}
		close(fds[i]);
		wait_for(pids[i]);
		merge(summary, &part);
	}
	free(fds);
	free(pids);
}

void
sim_run_trial(const struct sim_options *options, struct sim_outcome *outcome)
{
	struct sim_summary summary;

	sim_run_seeds(options, options->seed, options->seed, 1, false,
	    &summary);
	*outcome = summary.failure;
}

static void
run_child(int fd, const struct sim_options *options, uint64_t first,
    uint64_t last, uint64_t stride, bool verbose)
{
	struct sim_summary *part = sim_realloc(NULL, 1, sizeof(*part));
	struct sigaction action = { .sa_handler = on_abort };

	memset(part, 0, sizeof(*part));
	current = part;
	current_options = *options;
	current_fd = fd;
	sigemptyset(&action.sa_mask);
	(void)sigaction(SIGABRT, &action, NULL);
	run_part(options, first, last, stride, verbose, part);
	write_all(fd, part, sizeof(*part));
	fflush(NULL);
	_exit(0);
}

static void
run_part(const struct sim_options *options, uint64_t first, uint64_t last,
    uint64_t stride, bool verbose, struct sim_summary *part)
{
	struct sim_world *world = sim_world_new();
	struct sim_options one = *options;
	struct sim_outcome outcome;
	uint64_t seed;
	int i;

	for (seed = first; seed >= first && seed <= last; seed += stride) {
		one.seed = current_options.seed = seed;
		sim_world_run(world, &one, &outcome);
		part->seeds++;
		part->steps += outcome.steps;
		part->sim_ns += outcome.now_ns;
		part->elections += outcome.elections;
		part->entries += outcome.entries;
		part->operations += outcome.operations;
		part->unknown += outcome.unknown;
		for (i = 0; i < SIM_COVER_COUNT; i++) {
			part->coverage[i] += outcome.coverage[i];
		}
		if (verbose) {
			fprintf(stderr, "seed %llu: %u nodes, %llu steps, "
			    "%llu ms, %llu elections, %llu entries, %llu "
			    "operations\n", (unsigned long long)seed,
			    outcome.nodes,
			    (unsigned long long)outcome.steps,
			    (unsigned long long)(outcome.now_ns / SIM_MS),
			    (unsigned long long)outcome.elections,
			    (unsigned long long)outcome.entries,
			    (unsigned long long)outcome.operations);
		}
		if (outcome.failed) {
			part->failed = true;
			part->failure = outcome;
			break;
		}
	}
	sim_world_free(world);
}

static void
on_abort(int signal_number UNUSED)
{
	struct sim_plan plan;

	sim_plan_draw(&plan, &current_options);
	current->failed = true;
	memset(&current->failure, 0, sizeof(current->failure));
	current->failure.failed = true;
	current->failure.seed = current_options.seed;
	current->failure.nodes = plan.nodes;
	current->failure.faults = plan.faults;
	strlcpy(current->failure.invariant, "assertion",
	    sizeof(current->failure.invariant));
	strlcpy(current->failure.reason, "an assertion failed, see standard "
	    "error", sizeof(current->failure.reason));
	write_all(current_fd, current, sizeof(*current));
	_exit(0);
}

static void
merge(struct sim_summary *to, const struct sim_summary *part)
{
	int i;

	to->seeds += part->seeds;
	to->steps += part->steps;
	to->sim_ns += part->sim_ns;
	to->elections += part->elections;
	to->entries += part->entries;
	to->operations += part->operations;
	to->unknown += part->unknown;
	for (i = 0; i < SIM_COVER_COUNT; i++) {
		to->coverage[i] += part->coverage[i];
	}
	if (part->failed && (!to->failed ||
	    part->failure.seed < to->failure.seed)) {
		to->failed = true;
		to->failure = part->failure;
	}
}

static bool
read_all(int fd, void *to, size_t size)
{
	uint8_t *at = to;

	while (size > 0) {
		ssize_t n = read(fd, at, size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static void
write_all(int fd, const void *from, size_t size)
{
	const uint8_t *at = from;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			_exit(70);
		}
		at += n;
		size -= (size_t)n;
	}
}

static void
wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
	}
}
