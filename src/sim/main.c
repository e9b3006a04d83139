/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsim: runs seeds, says what they exercised, or what broke and how to
 * see it again.  Standard output depends on the arguments alone; times of
 * the clock go to standard error.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "sim/report.h"
#include "sim/script.h"
#include "sim/sim.h"
#include "sim/tla.h"

enum { OPTION_COVERAGE = 256, OPTION_TRACE, OPTION_TRACE_TLA,
	OPTION_SCRIPT, OPTION_HELP, OPTION_VERSION };

struct arguments {
	struct sim_options options;
	uint64_t first, last;
	uint64_t jobs;
	bool require_coverage, verbose, json;
	bool has_seed;
	const char *trace, *trace_tla, *script;
};

static const struct option long_options[] = {
	{ "seed", required_argument, NULL, 's' },
	{ "seeds", required_argument, NULL, 'S' },
	{ "nodes", required_argument, NULL, 'n' },
	{ "steps", required_argument, NULL, 'N' },
	{ "faults", required_argument, NULL, 'f' },
	{ "jobs", required_argument, NULL, 'J' },
	{ "require-coverage", no_argument, NULL, OPTION_COVERAGE },
	{ "trace", required_argument, NULL, OPTION_TRACE },
	{ "trace-tla", required_argument, NULL, OPTION_TRACE_TLA },
	{ "script", required_argument, NULL, OPTION_SCRIPT },
	{ "verbose", no_argument, NULL, 'v' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void
usage(FILE *out)
{
	fprintf(out,
	    "usage: raftsim [--seed N | --seeds A-B] [--nodes N] [--steps N]\n"
	    "               [--faults LIST|none] [--jobs N] "
	    "[--require-coverage]\n"
	    "               [--trace FILE] [--trace-tla FILE] [--script FILE]\n"
	    "               [-v] [-j]\n");
}

/* LIST: names of kinds, separated by commas. */
static int
parse_faults(const char *text, uint32_t *faults, struct err_buf *err)
{
	char *copy = strdup(text), *rest = copy, *word;
	uint32_t i;
	int result = ERR_OK;

	if (copy == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	*faults = 0;
	if (strcmp(text, "none") == 0) {
		rest = NULL;
	}
	while (result == ERR_OK && (word = strsep(&rest, ",")) != NULL) {
		for (i = 0; i < SIM_FAULT_COUNT; i++) {
			if (strcmp(word, sim_fault_names[i]) == 0) {
				break;
			}
		}
		if (i == SIM_FAULT_COUNT) {
			result = err_set(err, ERR_USAGE, "--faults: %s is not "
			    "a kind of fault (none, or a list of crash, "
			    "pause, partition, loss, delay, dup, reorder, "
			    "disk, full, fail, wipe, old, timeout, death, "
			    "short, clock, overthrow, deposed, late, "
			    "lease, "
			    "member, transfer, snapshot, replace)", word);
		} else {
			*faults |= 1u << i;
		}
	}
	free(copy);
	return result;
}

static int
parse_nodes(const char *text, uint32_t *nodes, struct err_buf *err)
{
	uint64_t value;
	int result = options_u64("--nodes", text, 1, SIM_NODES_MAX, &value,
	    err);

	if (result == ERR_OK) {
		*nodes = (uint32_t)value;
	}
	return result;
}

static int
parse_option(int option, struct arguments *args, struct err_buf *err)
{
	struct sim_options *options = &args->options;
	int result;

	switch (option) {
	case 's':
		result = options_u64("--seed", optarg, 0, UINT64_MAX,
		    &args->first, err);
		args->last = args->first;
		args->has_seed = true;
		return result;
	case 'S':
		return options_u64_range("--seeds", optarg, 0, UINT64_MAX,
		    &args->first, &args->last, err);
	case 'n':
		return parse_nodes(optarg, &options->nodes, err);
	case 'N':
		return options_u64("--steps", optarg, 1, 1000000000,
		    &options->steps, err);
	case 'f':
		return parse_faults(optarg, &options->faults, err);
	case 'J':
		return options_u64("--jobs", optarg, 1, 256, &args->jobs,
		    err);
	case OPTION_COVERAGE:
		args->require_coverage = true;
		return ERR_OK;
	case OPTION_TRACE:
		args->trace = optarg;
		return ERR_OK;
	case OPTION_TRACE_TLA:
		args->trace_tla = optarg;
		args->options.tla = true;
		return ERR_OK;
	case OPTION_SCRIPT:
		args->script = optarg;
		return ERR_OK;
	case 'v':
		args->verbose = true;
		return ERR_OK;
	case 'j':
		args->json = true;
		return ERR_OK;
	case OPTION_HELP:
		usage(stdout);
		exit(0);
	case OPTION_VERSION:
		printf("raftsim %s\n", PACKAGE_VERSION);
		exit(0);
	default:
		return ERR_USAGE;
	}
}

static void
parse(int argc, char **argv, struct arguments *args)
{
	struct err_buf err = { "" };
	int option;

	args->options.faults = SIM_FAULTS_ALL;
	args->jobs = 1;
	if (getrandom(&args->first, sizeof(args->first), 0) !=
	    sizeof(args->first)) {
		log_warnx("no random seed can be had: give --seed");
		exit(err_exit_status(ERR_IO));
	}
	args->last = args->first;
	while ((option = getopt_long(argc, argv, "vj", long_options,
	    NULL)) != -1) {
		if (parse_option(option, args, &err) != ERR_OK) {
			if (err.text[0] != '\0') {
				log_warnx("%s", err.text);
			} else {
				usage(stderr);
			}
			exit(err_exit_status(ERR_USAGE));
		}
	}
	if (optind < argc) {
		log_warnx("%s: raftsim takes options only", argv[optind]);
		exit(err_exit_status(ERR_USAGE));
	}
	if (args->script != NULL && (args->first != args->last ||
	    args->options.nodes != 0 || args->options.steps != 0)) {
		log_warnx("--script says how many nodes and steps there "
		    "are, and is for one seed");
		exit(err_exit_status(ERR_USAGE));
	}
	if (args->script != NULL && args->trace_tla != NULL) {
		log_warnx("--trace-tla is for seeds, not for --script");
		exit(err_exit_status(ERR_USAGE));
	}
	if ((args->trace != NULL || args->trace_tla != NULL) &&
	    args->first != args->last) {
		log_warnx("a trace is of one seed: give --seed");
		exit(err_exit_status(ERR_USAGE));
	}
}

static FILE *
trace_open(const char *name)
{
	FILE *trace;

	if (name == NULL) {
		return NULL;
	}
	trace = fopen(name, "w");
	if (trace == NULL) {
		log_warn("%s", name);
		exit(err_exit_status(ERR_IO));
	}
	return trace;
}

static void
trace_close(const char *name, FILE *trace)
{
	bool failed = trace != NULL && ferror(trace);

	if (trace != NULL && (fclose(trace) != 0 || failed)) {
		log_warn("%s", name);
		exit(err_exit_status(ERR_IO));
	}
}

static void
tell_tla(const struct arguments *args, const struct tla_summary *summary)
{
	if (args->verbose) {
		fprintf(stderr, "%s: %" PRIu64 " events, %" PRIu64
		    " changes of the configuration, applied %" PRIu64
		    " times, %" PRIu64 " snapshots installed, %" PRIu64
		    " of them where there was nothing\n", args->trace_tla,
		    summary->lines, summary->changes, summary->applied,
		    summary->installs,
		    summary->snapshots);
	}
	if (summary->ended != NULL) {
		log_warnx("%s ends after %" PRIu64 " events: %s",
		    args->trace_tla, summary->lines, summary->ended);
	}
}

/* One seed with its story, or its trace, in a file. */
static void
write_trace(const struct arguments *args)
{
	struct sim_world *world = sim_world_new();
	struct sim_options options = args->options;
	FILE *trace_tla = trace_open(args->trace_tla);
	struct sim_outcome outcome;
	struct tla_summary summary;

	options.seed = args->first;
	options.trace = trace_open(args->trace);
	sim_world_run(world, &options, &outcome);
	trace_close(args->trace, options.trace);
	if (trace_tla != NULL) {
		tla_write(world, trace_tla, &summary);
		tell_tla(args, &summary);
	}
	trace_close(args->trace_tla, trace_tla);
	sim_world_free(world);
}

/* A script; its text goes out again, with the stories as they are. */
static int
run_script(const struct arguments *args)
{
	struct sim_options options = args->options;
	struct script_result result;
	struct script_text text;
	struct err_buf err = { "" };
	int code = script_read(args->script, &text, &err);

	if (code != ERR_OK) {
		log_warnx("%s", err.text);
		free(text.bytes);
		return err_exit_status(code);
	}
	options.seed = args->has_seed ? args->first : 1;
	options.trace = trace_open(args->trace);
	code = script_run(args->script, text.bytes, text.size, &options,
	    &result, &err);
	trace_close(args->trace, options.trace);
	if (code != ERR_USAGE) {
		report_script(&result, args->script, err.text, args->json);
	}
	if (code != ERR_OK) {
		log_warnx("%s", err.text);
	} else if (result.has_story && result.line != 0) {
		log_warnx("%s:%" PRIu32 ": another story\n  expected: %s\n"
		    "  told:     %s", args->script, result.line,
		    result.expected, result.told);
		code = ERR_NO;
	}
	script_result_fini(&result);
	free(text.bytes);
	return err_exit_status(code);
}

int
main(int argc, char **argv)
{
	struct arguments args = { .jobs = 1 };
	struct sim_summary summary;
	uint64_t began, took;
	bool missing;

	log_init("raftsim");
	parse(argc, argv, &args);
	if (args.script != NULL) {
		return run_script(&args);
	}
	began = clock_now_ns();
	if (args.trace != NULL || args.trace_tla != NULL) {
		write_trace(&args);
	}
	sim_run_seeds(&args.options, args.first, args.last,
	    (uint32_t)args.jobs, args.verbose, &summary);
	took = clock_now_ns() - began;
	if (summary.failed) {
		report_failure(&args.options, &summary.failure, args.json);
		return err_exit_status(ERR_NO);
	}
	missing = report_summary(&summary, args.first, args.last,
	    args.json);
	fprintf(stderr, "%.2f s, %.2f ms a seed, %.0f steps a second, "
	    "%.0f simulated seconds a second\n", (double)took / 1e9,
	    (double)took / 1e6 / (double)summary.seeds,
	    (double)summary.steps * 1e9 / (double)took,
	    (double)summary.sim_ns / (double)took);
	return missing && args.require_coverage ?
	    err_exit_status(ERR_NO) : 0;
}
