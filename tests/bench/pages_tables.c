/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * docs/BENCHMARKS.md.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tests/bench/gather.h"
#include "tests/bench/pages.h"

struct metric {
	const char *figure, *name;
};

static const char *text_of(const json_t *, const char *);
static void table_head(FILE *, const char *, const char *const *, size_t);
static void systems(FILE *, const json_t *, const char *,
    const char *const *, const struct metric *, size_t);
static void machine(FILE *, const json_t *);
static void ratios(FILE *, const json_t *);
static void latency(FILE *, const json_t *);
static void throughput(FILE *, const json_t *);
static void sweep(FILE *, const json_t *);
static void failover(FILE *, const json_t *);
static void idle(FILE *, const json_t *);
static void grown(FILE *, const json_t *);
static void recovery(FILE *, const json_t *);
static void costs(FILE *, const json_t *);
static void limits(FILE *, const json_t *);
static void options(FILE *, const json_t *);
static void how_to(FILE *);
static void cell(FILE *, const json_t *, const char *, const char *,
    const char *);
static void number_cell(FILE *, double);
static void number(FILE *, double);

void
pages_tables(FILE *out, const json_t *all, const char *plots)
{
	fprintf(out,
	    "# Benchmarks\n\n"
	    "Written by `make bench` and `make bench-doc` from "
	    "[bench.json](%s/bench.json); not edited by hand.\n"
	    "Keys have 16 bytes, values 64. "
	    "Every figure is a median over the rounds; each round measured "
	    "each system once, in turn.\n"
	    "\"Paced\" sends 1,000 requests a second whatever the answers "
	    "do, and counts each from when it was due: "
	    "a stall is paid for by all that it delays.\n\n",
	    plots);
	machine(out, all);
	ratios(out, all);
	fprintf(out, "![latency](%s/latency.svg)\n\n", plots);
	latency(out, all);
	throughput(out, all);
	fprintf(out, "![throughput](%s/throughput.svg)\n\n", plots);
	sweep(out, all);
	fprintf(out, "![failover](%s/failover.svg)\n\n", plots);
	failover(out, all);
	idle(out, all);
	grown(out, all);
	recovery(out, all);
	costs(out, all);
	limits(out, all);
	options(out, all);
	how_to(out);
}

static void
how_to(FILE *out)
{
	fprintf(out,
	    "\n## To measure again\n\n"
	    "The peers are Debian's; the build does not need them, and what "
	    "is not installed is named as missing:\n\n"
	    "```sh\n"
	    "apt-get install --no-install-recommends redis-server "
	    "redis-tools etcd-server \\\n"
	    "    golang-go golang-etcd-server-dev libraft-dev libuv1-dev "
	    "valgrind\n"
	    "systemctl disable --now redis-server etcd    "
	    "# the packages start them\n"
	    "make bench bench-doc            # ROUNDS=5 TIME=SECONDS "
	    "SYSTEMS='raftsup|redis'\n"
	    "make bench LONG=1               # 10 M keys, 1 GiB: takes long\n"
	    "make bench-compare BASE=HEAD~1  # this tree against another\n"
	    "```\n\n"
	    "With `TIME` a figure takes as long as the time allows, else a "
	    "second. "
	    "The disk is that of `TMPDIR`, or `/tmp`; tmpfs is "
	    "`/dev/shm`.\n");
}

/* "?" when it is not there. */
static const char *
text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && text[0] != '\0' ? text : "?";
}

static void
table_head(FILE *out, const char *title, const char *const *columns,
    size_t count)
{
	size_t i;

	fprintf(out, "## %s\n\n|", title);
	for (i = 0; i < count; i++) {
		fprintf(out, " %s |", columns[i]);
	}
	fprintf(out, "\n|---|");
	for (i = 1; i < count; i++) {
		fprintf(out, "---:|");
	}
	fprintf(out, "\n");
}

/*
 * A row a system that has the first metric's figure; the first column is its
 * name, the others are the metrics.
 */
static void
systems(FILE *out, const json_t *all, const char *title,
    const char *const *columns, const struct metric *metrics, size_t count)
{
	json_t *system;
	size_t i, j;

	table_head(out, title, columns, count + 1);
	json_array_foreach(json_object_get(all, "systems"), i, system)
	{
		const char *id = text_of(system, "system");

		if (gather_figure(all, id, metrics[0].figure) == NULL) {
			continue;
		}
		fprintf(out, "| %s |", text_of(system, "name"));
		for (j = 0; j < count; j++) {
			cell(out, all, id, metrics[j].figure, metrics[j].name);
		}
		fprintf(out, "\n");
	}
}

static void
machine(FILE *out, const json_t *all)
{
	const json_t *m = json_object_get(all, "machine");
	const json_t *end = json_object_get(all, "end");
	const json_t *versions = json_object_get(m, "versions");
	double load = 0;
	json_t *entry;
	size_t i;

	(void)sscanf(text_of(m, "load"), "%lf", &load);
	fprintf(out,
	    "| | |\n|---|---|\n"
	    "| commit | %s |\n| date | %s |\n"
	    "| machine | %" JSON_INTEGER_FORMAT " cores of %s, "
	    "%" JSON_INTEGER_FORMAT " GiB, %s, disk %s |\n"
	    "| versions | LMDB %s, gcc %s, Redis %s, etcd %s, libraft %s |\n"
	    "| rounds | %" JSON_INTEGER_FORMAT ", %" JSON_INTEGER_FORMAT
	    " ms a figure |\n"
	    "| load average | %s before, %s after |\n\n",
	    text_of(m, "commit"), text_of(m, "date"),
	    json_integer_value(json_object_get(m, "cores")), text_of(m, "cpu"),
	    json_integer_value(json_object_get(m, "memory_gib")),
	    text_of(m, "kernel"), text_of(m, "disk"),
	    text_of(versions, "lmdb"), text_of(versions, "gcc"),
	    text_of(versions, "redis"), text_of(versions, "etcd"),
	    text_of(versions, "libraft"),
	    json_integer_value(json_object_get(end, "rounds")),
	    json_integer_value(json_object_get(m, "slice_ms")),
	    text_of(m, "load"), text_of(end, "load"));
	if (load > 0.5) {
		fprintf(out,
		    "**Others were working on this machine (load average %.1f "
		    "before the first round): what waits for a core is "
		    "measured with what it waits for. "
		    "Only a quiet machine gives figures to quote.**\n\n",
		    load);
	}
	json_array_foreach(json_object_get(all, "missing"), i, entry)
	{
		fprintf(out, "* %s is missing: %s\n", text_of(entry, "system"),
		    text_of(entry, "reason"));
	}
	json_array_foreach(json_object_get(all, "failed"), i, entry)
	{
		fprintf(out, "* failed: %s, %s: %s\n", text_of(entry, "system"),
		    text_of(entry, "figure"), text_of(entry, "reason"));
	}
	fprintf(out, "\n");
}

static void
ratios(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "five nodes unless said", "ours",
		"other", "ratio", "over the rounds", "aim", "" };
	json_t *ratio, *aim;
	size_t i;

	table_head(
	    out, "Pair by pair, and the aims", columns, COUNT_OF(columns));
	json_array_foreach(json_object_get(all, "ratios"), i, ratio)
	{
		bool has_other =
		    json_is_true(json_object_get(ratio, "has_other"));

		fprintf(out, "| %s |", text_of(ratio, "what"));
		number_cell(
		    out, json_number_value(json_object_get(ratio, "ours")));
		number_cell(out,
		    has_other
			? json_number_value(json_object_get(ratio, "other"))
			: (double)NAN);
		if (has_other) {
			fprintf(out, " %.2f | %.2f to %.2f |",
			    json_number_value(json_object_get(ratio, "ratio")),
			    json_number_value(json_object_get(ratio, "min")),
			    json_number_value(json_object_get(ratio, "max")));
		} else {
			fprintf(out, " | ");
			number(out,
			    json_number_value(json_object_get(ratio, "min")));
			fprintf(out, " to ");
			number(out,
			    json_number_value(json_object_get(ratio, "max")));
			fprintf(out, " |");
		}
		aim = json_object_get(ratio, "aim");
		if (aim == NULL) {
			fprintf(out, " | |\n");
			continue;
		}
		fprintf(out, " %s %.10g | %s |\n",
		    json_is_true(json_object_get(ratio, "at_most"))
			? "&le;" : "&ge;",
		    json_number_value(aim),
		    json_is_true(json_object_get(ratio, "met")) ? "met"
								: "missed");
	}
	fprintf(out, "\n");
}

static void
latency(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "microseconds", "set p50",
		"set p99", "set p99.9", "get p50", "get p99", "paced set p50",
		"paced set p99", "processor time a set" };
	static const struct metric metrics[] = { { "set serial", "p50_us" },
		{ "set serial", "p99_us" }, { "set serial", "p999_us" },
		{ "get serial", "p50_us" }, { "get serial", "p99_us" },
		{ "set paced", "p50_us" }, { "set paced", "p99_us" },
		{ "set serial", "cpu_us_per_op" } };

	systems(out, all, "One client, one request after another", columns,
	    metrics, COUNT_OF(metrics));
	fprintf(out,
	    "\nProcessor time is that of all processes of the system, the "
	    "client's not counted.\n\n");
}

static void
throughput(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "", "set/s", "p50, us",
		"p99, us", "get/s", "processor time a set, us" };
	static const struct metric metrics[] = {
		{ "set pipelined", "ops_per_s" }, { "set pipelined", "p50_us" },
		{ "set pipelined", "p99_us" }, { "get pipelined", "ops_per_s" },
		{ "set pipelined", "cpu_us_per_op" } };

	systems(out, all, "As many as it takes", columns, metrics,
	    COUNT_OF(metrics));
	fprintf(out,
	    "\nOurs: 4 clients with 256 requests each. Redis: 50 connections "
	    "with 64 each. etcd and libraft: 256 under way. "
	    "Keys are random, of 100,000.\n\n");
}

static void
sweep(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "sets/s, under way:", "1", "4",
		"16", "64", "256" };
	static const struct metric metrics[] = {
		{ "set, 1 under way", "ops_per_s" },
		{ "set, 4 under way", "ops_per_s" },
		{ "set, 16 under way", "ops_per_s" },
		{ "set, 64 under way", "ops_per_s" },
		{ "set, 256 under way", "ops_per_s" } };

	systems(out, all, "By how many are under way", columns, metrics,
	    COUNT_OF(metrics));
	fprintf(out, "\n");
}

static void
failover(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "ms", "kills", "median", "p90",
		"worst" };
	json_t *system, *figure, *ms;
	const char *name;
	size_t i, j;

	table_head(out, "kill -9 of the leader, to the next OK", columns,
	    COUNT_OF(columns));
	json_array_foreach(json_object_get(all, "systems"), i, system)
	{
		json_array_foreach(json_object_get(all, "figures"), j, figure)
		{
			ms = json_object_get(
			    json_object_get(figure, "metrics"), "ms");
			name = text_of(figure, "figure");
			if (ms == NULL || strcmp(text_of(figure, "system"),
					      text_of(system, "system")) != 0) {
				continue;
			}
			fprintf(out, "| %s%s | %" JSON_INTEGER_FORMAT " |",
			    text_of(system, "name"), name + strlen("failover"),
			    json_integer_value(json_object_get(ms, "count")));
			number_cell(out,
			    json_number_value(json_object_get(ms, "median")));
			number_cell(
			    out, json_number_value(json_object_get(ms, "p90")));
			number_cell(
			    out, json_number_value(json_object_get(ms, "max")));
			fprintf(out, "\n");
		}
	}
	fprintf(out, "\n");
}

static void
idle(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "", "% of a core, all processes",
		"KiB of the largest process" };
	static const struct metric metrics[] = { { "idle", "cpu_percent" },
		{ "idle", "memory_kib" } };

	systems(out, all, "Nobody asks", columns, metrics, COUNT_OF(metrics));
	fprintf(out,
	    "\nMemory is resident and anonymous: neither maps of files nor "
	    "the segment.\n\n");
}

static void
grown(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "", "set/s", "p99, us",
		"serial set p50, us", "p99, us" };
	static const struct metric metrics[] = {
		{ "grown: set pipelined", "ops_per_s" },
		{ "grown: set pipelined", "p99_us" },
		{ "grown: set serial", "p50_us" },
		{ "grown: set serial", "p99_us" } };

	systems(out, all, "With many keys", columns, metrics,
	    COUNT_OF(metrics));
	fprintf(out,
	    "\nA million keys, all of them written before; with `LONG=1` ten "
	    "million.\n\n");
}

static void
recovery(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "", "rejoin, ms", "worst",
		"install, MB/s", "p99 of others, ms", "without" };
	static const struct metric metrics[] = { { "rejoin", "rejoin_ms" },
		{ "rejoin", "rejoin_worst_ms" },
		{ "install", "install_mb_per_s" },
		{ "install", "install_p99_ms" },
		{ "install", "quiet_p99_ms" } };

	systems(out, all, "Back again", columns, metrics, COUNT_OF(metrics));
	fprintf(out,
	    "\nRejoin: from kill -9 of a node that each write needs to the "
	    "next OK, with a log of a million entries that was never cut. "
	    "Install: a snapshot of 256 MiB to a node that missed all of it "
	    "(`LONG=1`: 1 GiB), while four clients set and get.\n\n");
}

static void
costs(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "instructions",
		"all five cores, an entry", "client, a set", "client, a get",
		"node, a set applied" };
	static const struct metric metrics[] = {
		{ "core, an entry", "instructions" },
		{ "client, a set", "instructions" },
		{ "client, a get", "instructions" },
		{ "node, a set applied", "instructions" } };
	static const char *const call_columns[] = { "system calls",
		"all nodes, a pipelined set" };
	static const struct metric calls[] = {
		{ "set pipelined, calls counted", "calls_per_op" } };

	systems(out, all, "What does not depend on the machine", columns,
	    metrics, COUNT_OF(metrics));
	fprintf(out,
	    "\nCounted by callgrind, in user space, in raft_step(), in "
	    "libraftsup, and from the log to the state, checkpoints "
	    "included.\n\n");
	systems(out, all, "System calls", call_columns, calls,
	    COUNT_OF(calls));
	fprintf(out, "\n");
}

static void
limits(FILE *out, const json_t *all)
{
	static const char *const columns[] = { "microseconds", "p50", "p99" };
	json_t *figure;
	size_t i;

	table_head(out, "The raw limits", columns, COUNT_OF(columns));
	json_array_foreach(json_object_get(all, "figures"), i, figure)
	{
		const char *name = text_of(figure, "figure");

		if (strcmp(text_of(figure, "system"), "limits") == 0) {
			fprintf(out, "| %s |", name);
			cell(out, all, "limits", name, "p50_us");
			cell(out, all, "limits", name, "p99_us");
			fprintf(out, "\n");
		}
	}
	fprintf(out, "\n");
}

static void
options(FILE *out, const json_t *all)
{
	json_t *system;
	size_t i;

	fprintf(out, "## What was started\n\n| | |\n|---|---|\n");
	json_array_foreach(json_object_get(all, "systems"), i, system)
	{
		fprintf(out, "| %s | `%s` |\n", text_of(system, "name"),
		    text_of(system, "options"));
	}
}

static void
cell(FILE *out, const json_t *all, const char *system, const char *figure,
    const char *metric)
{
	number_cell(out, gather_median(all, system, figure, metric));
}

static void
number_cell(FILE *out, double value)
{
	fprintf(out, " ");
	number(out, value);
	fprintf(out, " |");
}

/* Three digits that mean something; nothing for NAN. */
static void
number(FILE *out, double value)
{
	if (isnan(value)) {
		return;
	}
	if (value >= 10000) {
		fprintf(out, "%.0f", round(value / 100) * 100);
	} else if (value >= 100) {
		fprintf(out, "%.0f", value);
	} else if (value >= 10) {
		fprintf(out, "%.1f", value);
	} else {
		fprintf(out, "%.2f", value);
	}
}
