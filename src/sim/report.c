/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The summary of many runs, and the report of one that failed.
 */
#include "sim/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

#define REPORT_LINES	40

static void	command_line(const struct sim_options *, char *, size_t);
static void	summary_text(const struct sim_summary *, uint64_t, uint64_t);
static void	summary_json(const struct sim_summary *, uint64_t, uint64_t);

bool
report_summary(const struct sim_summary *summary, uint64_t first,
    uint64_t last, bool json)
{
	bool missing = false;
	int i;

	for (i = 0; i < SIM_COVER_COUNT; i++) {
		missing = missing || summary->coverage[i] == 0;
	}
	if (json) {
		summary_json(summary, first, last);
	} else {
		summary_text(summary, first, last);
	}
	return missing;
}

void
report_failure(const struct sim_options *options,
    const struct sim_outcome *failure, bool json)
{
	struct sim_options smaller, again = *options;
	struct sim_world *world;
	struct sim_outcome outcome = *failure;
	char command[400];
	struct json out;

	again.seed = failure->seed;
	again.trace = NULL;
	sim_shrink(&again, failure, &smaller);
	command_line(&smaller, command, sizeof(command));
	if (strcmp(failure->invariant, "assertion") != 0) {
		world = sim_world_new();
		smaller.story = true;
		sim_world_run(world, &smaller, &outcome);
		if (!json) {
			sim_story_end(world, stdout, REPORT_LINES);
		}
		sim_world_free(world);
	}
	if (json) {
		json_init(&out, stdout);
		json_begin_object(&out, NULL);
		json_put_bool(&out, "passed", false);
		json_put_u64(&out, "seed", failure->seed);
		json_put_string(&out, "invariant", failure->invariant);
		json_put_string(&out, "reason", outcome.reason);
		json_put_string(&out, "replay", command);
		json_end_object(&out);
		printf("\n");
		return;
	}
	printf("FAILED seed %" PRIu64 ": %s: %s\n", failure->seed,
	    failure->invariant, outcome.reason);
	printf("replay: %s\n", command);
}

void
report_script(const struct script_result *result, const char *name,
    const char *broken, bool json)
{
	bool differs = result->has_story && result->line != 0;
	struct json out;

	if (!json) {
		fwrite(result->out.bytes, 1, result->out.size, stdout);
		return;
	}
	json_init(&out, stdout);
	json_begin_object(&out, NULL);
	json_put_bool(&out, "passed", broken[0] == '\0' && !differs);
	json_put_string(&out, "script", name);
	if (broken[0] != '\0') {
		json_put_string(&out, "reason", broken);
	} else if (differs) {
		json_put_u64(&out, "line", result->line);
		json_put_string(&out, "expected", result->expected);
		json_put_string(&out, "told", result->told);
	}
	json_end_object(&out);
	printf("\n");
}

static void
command_line(const struct sim_options *options, char *text, size_t size)
{
	size_t length;
	uint32_t kind;
	bool first = true;

	snprintf(text, size, "raftsim --seed %" PRIu64 " --nodes %" PRIu32,
	    options->seed, options->nodes);
	length = strlen(text);
	if (options->steps != 0) {
		snprintf(text + length, size - length, " --steps %" PRIu64,
		    options->steps);
		length = strlen(text);
	}
	if (options->tla) {
		snprintf(text + length, size - length,
		    " --trace-tla trace.ndjson");
		length = strlen(text);
	}
	snprintf(text + length, size - length, " --faults %s",
	    options->faults == 0 ? "none" : "");
	for (kind = 0; kind < SIM_FAULT_COUNT; kind++) {
		if ((options->faults & 1u << kind) != 0) {
			length = strlen(text);
			snprintf(text + length, size - length, "%s%s",
			    first ? "" : ",", sim_fault_names[kind]);
			first = false;
		}
	}
}

static void
summary_text(const struct sim_summary *summary, uint64_t first,
    uint64_t last)
{
	int i, missing = 0;

	printf("%12" PRIu64 "  seeds, %" PRIu64 " to %" PRIu64
	    ": nothing found\n", summary->seeds, first, last);
	printf("%12" PRIu64 "  steps\n", summary->steps);
	printf("%12" PRIu64 "  simulated seconds\n",
	    summary->sim_ns / 1000000000);
	printf("%12" PRIu64 "  histories too long to decide\n",
	    summary->unknown);
	for (i = 0; i < SIM_COVER_COUNT; i++) {
		if (summary->coverage[i] > 0) {
			printf("%12" PRIu64 "  %s\n", summary->coverage[i],
			    sim_cover_texts[i]);
		} else {
			missing++;
		}
	}
	for (i = 0; i < SIM_COVER_COUNT; i++) {
		if (summary->coverage[i] == 0) {
			printf("%12s  %s\n", "never", sim_cover_texts[i]);
		}
	}
	printf("%d of %d events were reached\n", SIM_COVER_COUNT - missing,
	    SIM_COVER_COUNT);
}

static void
summary_json(const struct sim_summary *summary, uint64_t first,
    uint64_t last)
{
	struct json out;
	int i;

	json_init(&out, stdout);
	json_begin_object(&out, NULL);
	json_put_bool(&out, "passed", true);
	json_put_u64(&out, "seeds", summary->seeds);
	json_put_u64(&out, "first", first);
	json_put_u64(&out, "last", last);
	json_put_u64(&out, "steps", summary->steps);
	json_put_u64(&out, "simulated_ns", summary->sim_ns);
	json_put_u64(&out, "undecided", summary->unknown);
	json_begin_object(&out, "coverage");
	for (i = 0; i < SIM_COVER_COUNT; i++) {
		json_put_u64(&out, sim_cover_names[i],
		    summary->coverage[i]);
	}
	json_end_object(&out);
	json_end_object(&out);
	printf("\n");
}
