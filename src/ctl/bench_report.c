/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report of a benchmark.
 */
#include "ctl/bench_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/dynbuf.h"
#include "ctl/exec.h"

/* The figures, computed once for both formats. */
struct figures {
	uint64_t ops;
	double seconds;
	double ops_per_s;
	uint64_t errors;
};

static const struct {
	const char *text;
	const char *json;
	uint32_t parts; /* of 100000 */
} percentiles[] = {
	{ "p50", "p50_us", 50000 },
	{ "p90", "p90_us", 90000 },
	{ "p99", "p99_us", 99000 },
	{ "p99.9", "p999_us", 99900 },
	{ "max", "max_us", 100000 },
};

/* What --distribution adds, parts of 100000. */
static const uint32_t distribution[] = { 1000, 5000, 10000, 25000, 50000,
	75000, 90000, 95000, 99000, 99500, 99900, 99990, 100000 };

static const struct {
	const char *text;
	const char *json;
} error_names[BENCH_ERROR_COUNT] = {
	[BENCH_NOT_APPLIED] = { "not applied", "not_applied" },
	[BENCH_UNKNOWN] = { "outcome unknown", "unknown" },
	[BENCH_NOT_FOUND] = { "key not found", "not_found" },
	[BENCH_WRONG_VALUE] = { "wrong value read", "wrong_value" },
	[BENCH_OTHER] = { "other", "other" },
};

static void report_text(struct dynbuf *, const struct bench_options *,
    const struct bench_result *, const struct figures *);
static void report_json(struct dynbuf *, const struct bench_options *,
    const struct bench_result *, const struct figures *);
static json_t *distribution_json(const struct bench_result *);
static double percentile_us(const struct bench_result *, uint32_t);
static void put(json_t *, const char *, json_t *);

void
bench_report_add(struct bench_result *total, const struct bench_result *part)
{
	size_t i;

	for (i = 0; i < BENCH_ERROR_COUNT; i++) {
		total->errors[i] += part->errors[i];
	}
	hist_merge(&total->latency, &part->latency);
}

int
bench_report(const struct bench_options *options,
    const struct bench_result *total, uint64_t elapsed_ns, bool json)
{
	static void (*const reports[])(struct dynbuf *,
	    const struct bench_options *, const struct bench_result *,
	    const struct figures *) = { report_text, report_json };
	struct figures figures = { .ops = total->latency.count };
	struct dynbuf out = { 0 };
	size_t i;
	int status;

	for (i = 0; i < BENCH_ERROR_COUNT; i++) {
		figures.errors += total->errors[i];
	}
	figures.seconds = (double)elapsed_ns / (double)CLOCK_NS_PER_S;
	if (elapsed_ns > 0) {
		figures.ops_per_s = (double)figures.ops / figures.seconds;
	}
	reports[json](&out, options, total, &figures);
	status = exec_write(out.data, out.size);
	dynbuf_fini(&out);
	return status;
}

static void
report_text(struct dynbuf *out, const struct bench_options *options,
    const struct bench_result *total, const struct figures *figures)
{
	size_t i;

	dynbuf_printf(out, "ops       %" PRIu64 " (", figures->ops);
	if (options->reads == 0) {
		dynbuf_printf(out, "set");
	} else if (options->writes == 0) {
		dynbuf_printf(out, "get");
	} else {
		dynbuf_printf(out, "%" PRIu32 " get : %" PRIu32 " set",
		    options->reads, options->writes);
	}
	dynbuf_printf(out,
	    "; clients %" PRIu32 ", pipeline %" PRIu32
	    ", values of %zu bytes, %" PRIu64 " keys",
	    options->clients, options->pipeline, options->value_size,
	    options->keys);
	if (options->rate != 0) {
		dynbuf_printf(out, ", %" PRIu64 " ops/s wanted", options->rate);
	}
	dynbuf_printf(out, ")\nseconds   %.3f\nops/s     %.0f\n",
	    figures->seconds, figures->ops_per_s);
	for (i = 0; i < COUNT_OF(percentiles); i++) {
		dynbuf_printf(out, "%-9s %.1f us\n", percentiles[i].text,
		    percentile_us(total, percentiles[i].parts));
	}
	for (i = 0; options->distribution && i < COUNT_OF(distribution); i++) {
		dynbuf_printf(out, "%6.2f%%   %.1f us\n",
		    distribution[i] / 1e3,
		    percentile_us(total, distribution[i]));
	}
	dynbuf_printf(out, "errors    %" PRIu64 "\n", figures->errors);
	for (i = 0; i < BENCH_ERROR_COUNT; i++) {
		if (total->errors[i] > 0) {
			dynbuf_printf(out, "  %s: %" PRIu64 "\n",
			    error_names[i].text, total->errors[i]);
		}
	}
}

static void
report_json(struct dynbuf *out, const struct bench_options *options,
    const struct bench_result *total, const struct figures *figures)
{
	json_t *object = json_object(), *kinds = json_object();
	char *text;
	size_t i;

	put(object, "ops", json_integer((json_int_t)figures->ops));
	put(object, "seconds", json_real(figures->seconds));
	put(object, "ops_per_s", json_real(figures->ops_per_s));
	for (i = 0; i < COUNT_OF(percentiles); i++) {
		put(object, percentiles[i].json,
		    json_real(percentile_us(total, percentiles[i].parts)));
	}
	put(object, "errors", json_integer((json_int_t)figures->errors));
	for (i = 0; i < BENCH_ERROR_COUNT; i++) {
		put(kinds, error_names[i].json,
		    json_integer((json_int_t)total->errors[i]));
	}
	put(object, "errors_by_kind", kinds);
	if (options->distribution) {
		put(object, "distribution", distribution_json(total));
	}
	text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
	if (text == NULL) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
	dynbuf_printf(out, "%s\n", text);
	free(text);
	json_decref(object);
}

/* [[percent, microseconds], ...] */
static json_t *
distribution_json(const struct bench_result *total)
{
	json_t *points = json_array();
	size_t i;

	for (i = 0; i < COUNT_OF(distribution); i++) {
		if (json_array_append_new(points,
			json_pack("[f,f]", distribution[i] / 1e3,
			    percentile_us(total, distribution[i]))) != 0) {
			fatalx(err_exit_status(ERR_NOMEM), "out of memory");
		}
	}
	return points;
}

static double
percentile_us(const struct bench_result *total, uint32_t parts)
{
	return (double)hist_percentile(&total->latency, parts) /
	       (double)CLOCK_NS_PER_US;
}

/* Takes the value. */
static void
put(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
}
