/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What came of a torture, as text and as one JSON object.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/options.h"
#include "lab/torture.h"

const char *const torture_kind_names[TORTURE_KINDS] = {
	[TORTURE_READ] = "reads", [TORTURE_NODE_READ] = "node_reads",
	[TORTURE_SET] = "set", [TORTURE_DEL] = "del", [TORTURE_CAS] = "cas",
	[TORTURE_INCR] = "incr", [TORTURE_APPEND] = "append",
	[TORTURE_TXN] = "txn",
};

static void	print_gaps(const struct torture_report *, FILE *);
static void	json_put_gaps(const struct torture_report *, struct json *);

static double
seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static uint64_t
time_worked(const struct torture_report *report)
{
	return report->start_ns == 0 ? 0 : (report->end_ns != 0 ?
	    report->end_ns : clock_now_ns()) - report->start_ns;
}

static uint64_t
gaps_ns(const struct torture_report *report)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i <= TORTURE_FAULTS; i++) {
		sum += report->gap_ns[i];
	}
	return sum;
}

void
torture_print(const struct torture *torture, FILE *out)
{
	const struct torture_report *report = torture->report;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < TORTURE_KINDS; i++) {
		sum += report->done[i];
	}
	fprintf(out, "cluster      %s; %" PRIu64 " terms had a leader\n",
	    report->settings, report->leaders);
	fprintf(out, "clients      %u: %" PRIu64 " answers in %.1f s",
	    torture->clients, sum, seconds(time_worked(report)));
	for (i = 0; i < TORTURE_KINDS; i++) {
		fprintf(out, "%s%s %" PRIu64, i == 0 ? " (" : ", ",
		    torture_kind_names[i], report->done[i]);
	}
	fprintf(out, ");\n             %" PRIu64 " not done, %" PRIu64
	    " unknown, %" PRIu64 " of these settled\n", report->refused,
	    report->unknown, report->settled);
	fprintf(out, "faults       %" PRIu64 " rounds:", report->rounds);
	for (i = 0; i < TORTURE_FAULTS; i++) {
		if (report->faults[i] > 0) {
			fprintf(out, " %s %" PRIu64, torture_fault_names[i],
			    report->faults[i]);
		}
	}
	fprintf(out, "\nkill -9      %" PRIu64 " processes, %" PRIu64
	    " of them leaders; %" PRIu64 " times all nodes\n", report->kills,
	    report->leader_kills, report->all_kills);
	fprintf(out, "history      %" PRIu64 " parts judged, %" PRIu64
	    " of them unknown\n", report->epochs, report->epochs_unknown);
	fprintf(out, "sums         %" PRIu64 " increments acknowledged, %"
	    PRIu64 " unknown, %" PRIu64 " found;\n             %" PRIu64
	    " words acknowledged, %" PRIu64 " unknown, %" PRIu64 " found; %"
	    PRIu64 " balances\n", report->increments.acknowledged,
	    report->increments.unknown, report->increments.found,
	    report->words.acknowledged, report->words.unknown,
	    report->words.found, report->balances);
	fprintf(out, "stores       %u agree on %" PRIu64 " entries\n",
	    report->stores, report->entries);
	print_gaps(report, out);
}

static void
print_gaps(const struct torture_report *report, FILE *out)
{
	char text[OPTIONS_TIME_TEXT_SIZE];
	uint64_t ns = gaps_ns(report), all = time_worked(report);
	size_t i;

	fprintf(out, "unavailable  %.2f s of %.1f s (%.1f %%), in gaps of %s "
	    "and more\n", seconds(ns), seconds(all), all == 0 ? 0.0 :
	    100.0 * (double)ns / (double)all,
	    options_format_time(TORTURE_GAP_NS, text));
	for (i = 0; i <= TORTURE_FAULTS; i++) {
		if (report->gap_count[i] > 0) {
			fprintf(out, "    %-10s %7.2f s in %" PRIu64
			    " gaps\n", i == TORTURE_FAULTS ? "no fault" :
			    torture_fault_names[i],
			    seconds(report->gap_ns[i]),
			    report->gap_count[i]);
		}
	}
	for (i = 0; i < TORTURE_GAPS_SHOWN &&
	    report->longest[i].length_ns > 0; i++) {
		fprintf(out, "    %s %6.3f s at %8.3f s: %s\n", i == 0 ?
		    "longest" : "       ",
		    seconds(report->longest[i].length_ns),
		    seconds(report->longest[i].at_ns),
		    report->longest[i].why);
	}
}

void
torture_print_command(const struct torture *torture, FILE *out)
{
	char text[OPTIONS_TIME_TEXT_SIZE];
	bool first = true;
	size_t i;

	fprintf(out, "raftsup torture --seed %" PRIu64 " --time %s --clients "
	    "%u", torture->seed, options_format_time(torture->time_ns, text),
	    torture->clients);
	if (torture->attach) {
		fputs(" --attach", out);
	} else {
		fprintf(out, " --nodes %u", torture->nodes);
	}
	if (torture->durability != NULL) {
		fprintf(out, " --durability %s", torture->durability);
	}
	fputs(" --faults ", out);
	for (i = 0; i < TORTURE_FAULTS; i++) {
		if ((torture->faults & 1u << i) != 0) {
			fprintf(out, "%s%s", first ? "" : ",",
			    torture_fault_names[i]);
			first = false;
		}
	}
	fputs(first ? "none" : "", out);
}

static void
json_put_sum(struct json *json, const char *name,
    const struct torture_sum *sum)
{
	json_begin_object(json, name);
	json_put_u64(json, "acknowledged", sum->acknowledged);
	json_put_u64(json, "unknown", sum->unknown);
	json_put_u64(json, "found", sum->found);
	json_end_object(json);
}

void
torture_print_json(const struct torture *torture, const char *verdict,
    FILE *out)
{
	const struct torture_report *report = torture->report;
	struct json json;
	size_t i;

	json_init(&json, out);
	json_begin_object(&json, NULL);
	json_put_string(&json, "verdict", verdict);
	if (torture->stage.reason[0] != '\0') {
		json_put_string(&json, "reason", torture->stage.reason);
	}
	if (torture->stage.keep) {
		json_put_string(&json, "dir", torture->stage.dir);
	}
	json_put_u64(&json, "seed", torture->seed);
	json_put_u64(&json, "nodes", torture->nodes);
	json_put_u64(&json, "clients", torture->clients);
	json_put_u64(&json, "time_ms", time_worked(report) / CLOCK_NS_PER_MS);
	json_put_string(&json, "settings", report->settings);
	json_begin_object(&json, "answers");
	for (i = 0; i < TORTURE_KINDS; i++) {
		json_put_u64(&json, torture_kind_names[i], report->done[i]);
	}
	json_end_object(&json);
	json_put_u64(&json, "not_done", report->refused);
	json_put_u64(&json, "unknown", report->unknown);
	json_put_u64(&json, "settled", report->settled);
	json_put_u64(&json, "rounds", report->rounds);
	json_begin_object(&json, "faults");
	for (i = 0; i < TORTURE_FAULTS; i++) {
		json_put_u64(&json, torture_fault_names[i],
		    report->faults[i]);
	}
	json_end_object(&json);
	json_put_u64(&json, "kills", report->kills);
	json_put_u64(&json, "leader_kills", report->leader_kills);
	json_put_u64(&json, "terms_with_leader", report->leaders);
	json_put_u64(&json, "parts", report->epochs);
	json_put_u64(&json, "parts_unknown", report->epochs_unknown);
	json_put_sum(&json, "increments", &report->increments);
	json_put_sum(&json, "words", &report->words);
	json_put_u64(&json, "balances", report->balances);
	json_put_u64(&json, "stores", report->stores);
	json_put_u64(&json, "entries", report->entries);
	json_put_gaps(report, &json);
	json_end_object(&json);
	fputc('\n', out);
}

static void
json_put_gaps(const struct torture_report *report, struct json *json)
{
	size_t i;

	json_put_u64(json, "unavailable_ms", gaps_ns(report) /
	    CLOCK_NS_PER_MS);
	json_begin_object(json, "unavailable_ms_by_fault");
	for (i = 0; i <= TORTURE_FAULTS; i++) {
		json_put_u64(json, i == TORTURE_FAULTS ? "none" :
		    torture_fault_names[i], report->gap_ns[i] /
		    CLOCK_NS_PER_MS);
	}
	json_end_object(json);
	json_begin_array(json, "longest_gaps");
	for (i = 0; i < TORTURE_GAPS_SHOWN &&
	    report->longest[i].length_ns > 0; i++) {
		json_begin_object(json, NULL);
		json_put_u64(json, "at_ms", report->longest[i].at_ns /
		    CLOCK_NS_PER_MS);
		json_put_u64(json, "ms", report->longest[i].length_ns /
		    CLOCK_NS_PER_MS);
		json_put_string(json, "why", report->longest[i].why);
		json_end_object(json);
	}
	json_end_array(json);
}
