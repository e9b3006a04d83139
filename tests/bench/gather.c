/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Medians and ratios.
 *
 * Every number of a sample but not_metrics is a metric.  A list "ms" holds
 * one figure for each kill: those of all rounds are one sample of their own.
 * "cpu_ns" and "calls" (of the system) become cost per operation, for writes
 * only: a bench of reads writes its keys first, in the same time.
 */
#include "tests/bench/gather.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define LINE_SIZE  65536
#define VALUES_MAX 4096

/* Numbers of a sample that say how it was measured. */
static const char *const not_metrics[] = { "round", "cpu_ns", "calls", "ops",
	"seconds", "entries", "state_mib", NULL };

static int take_line(json_t *, json_t *, struct err_buf *);
static int take_sample(json_t *, json_t *, struct err_buf *);
static bool is_in(const char *, const char *const *);
static json_t *find_figure(json_t *, const char *, const char *);
static void add_value(json_t *, const char *, json_int_t, double);
static void finish_figure(json_t *);
static void finish_kills(json_t *);
static void finish_distribution(json_t *);
static void finish_metric(json_t *);
static size_t values_of(const json_t *, double *, json_int_t *);
static json_t *metric_of(
    const json_t *, const char *, const char *, const char *);
static json_t *must(json_t *);
static void put(json_t *, const char *, json_t *);
static void push(json_t *, json_t *);
static int compare(const void *, const void *);

json_t *
gather(FILE *lines, struct err_buf *err)
{
	static const char *const lists[] = { "systems", "missing", "failed",
		"ratios", "figures" };
	static char line[LINE_SIZE];
	json_t *all = must(json_object()), *object, *figure;
	json_error_t error;
	unsigned number = 0;
	size_t i;
	int code = 0;

	for (i = 0; i < COUNT_OF(lists); i++) {
		put(all, lists[i], json_array());
	}
	while (code == 0 && fgets(line, sizeof(line), lines) != NULL) {
		number++;
		object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
		if (object == NULL) {
			code = err_set(err, ERR_CORRUPT, "line %u: %s", number,
			    error.text);
			break;
		}
		code = take_line(all, object, err);
		if (code != 0) {
			struct err_buf why = *err;

			(void)err_set(
			    err, code, "line %u: %s", number, why.text);
		}
		json_decref(object);
	}
	if (code == 0 && (json_object_get(all, "machine") == NULL ||
			     json_array_size(json_object_get(
				 all, "figures")) == 0)) {
		code = err_set(
		    err, ERR_CORRUPT, "no machine, or nothing measured");
	}
	if (code != 0) {
		json_decref(all);
		return NULL;
	}
	json_array_foreach(json_object_get(all, "figures"), i, figure)
	{
		finish_figure(figure);
	}
	for (i = 0; i < gather_pair_count; i++) {
		object = gather_ratio(all, &gather_pairs[i]);
		if (object != NULL) {
			push(json_object_get(all, "ratios"), object);
		}
	}
	return all;
}

static int
take_line(json_t *all, json_t *object, struct err_buf *err)
{
	static const struct {
		const char *kind, *list;
	} lists[] = { { "system", "systems" }, { "missing", "missing" },
		{ "failed", "failed" } };
	const char *kind = json_string_value(json_object_get(object, "kind"));
	size_t i;

	if (kind == NULL) {
		return err_set(err, ERR_CORRUPT, "no kind");
	}
	if (strcmp(kind, "machine") == 0 || strcmp(kind, "end") == 0) {
		put(all, kind, json_incref(object));
		return 0;
	}
	for (i = 0; i < COUNT_OF(lists); i++) {
		if (strcmp(kind, lists[i].kind) == 0) {
			push(json_object_get(all, lists[i].list),
			    json_incref(object));
			return 0;
		}
	}
	if (strcmp(kind, "sample") != 0) {
		return err_set(err, ERR_CORRUPT, "kind %s", kind);
	}
	return take_sample(all, object, err);
}

static int
take_sample(json_t *all, json_t *sample, struct err_buf *err)
{
	json_int_t round =
	    json_integer_value(json_object_get(sample, "round"));
	const char *system =
	    json_string_value(json_object_get(sample, "system"));
	const char *name = json_string_value(json_object_get(sample, "figure"));
	double cpu_ns, ops, calls;
	json_t *figure, *value;
	const char *key;
	size_t i;

	if (round < 1 || system == NULL || name == NULL) {
		return err_set(
		    err, ERR_CORRUPT, "a sample without round, system, figure");
	}
	figure = find_figure(all, system, name);
	json_object_foreach(sample, key, value)
	{
		if (json_is_number(value) && !is_in(key, not_metrics)) {
			add_value(figure, key, round, json_number_value(value));
		}
	}
	json_array_foreach(json_object_get(sample, "ms"), i, value)
	{
		add_value(figure, "ms", round, json_number_value(value));
	}
	value = json_object_get(sample, "distribution");
	if (json_is_array(value)) {
		push(json_object_get(figure, "distribution"),
		    json_incref(value));
	}
	cpu_ns = json_number_value(json_object_get(sample, "cpu_ns"));
	ops = json_number_value(json_object_get(sample, "ops"));
	calls = json_number_value(json_object_get(sample, "calls"));
	if (calls > 0 && ops > 0 && strncmp(name, "set", 3) == 0) {
		add_value(figure, "calls_per_op", round, calls / ops);
	}
	if (cpu_ns > 0 && ops > 0 && strncmp(name, "set", 3) == 0) {
		add_value(figure, "cpu_us_per_op", round, cpu_ns / ops / 1e3);
	}
	return 0;
}

static bool
is_in(const char *name, const char *const *names)
{
	for (; *names != NULL; names++) {
		if (strcmp(name, *names) == 0) {
			return true;
		}
	}
	return false;
}

static json_t *
find_figure(json_t *all, const char *system, const char *name)
{
	json_t *figure = gather_figure(all, system, name);

	if (figure != NULL) {
		return figure;
	}
	figure = must(json_pack("{s:s,s:s,s:[],s:{}}", "system", system,
	    "figure", name, "distribution", "metrics"));
	push(json_object_get(all, "figures"), figure);
	return figure;
}

static void
add_value(json_t *figure, const char *name, json_int_t round, double value)
{
	json_t *metrics = json_object_get(figure, "metrics");
	json_t *metric = json_object_get(metrics, name);

	if (metric == NULL) {
		metric = must(json_pack("{s:[]}", "values"));
		put(metrics, name, metric);
	}
	push(json_object_get(metric, "values"),
	    json_pack("[I,f]", round, value));
}

/* ------------------------------------------------------------- medians */

static void
finish_figure(json_t *figure)
{
	json_t *metric;
	const char *name;

	finish_distribution(figure);
	json_object_foreach(json_object_get(figure, "metrics"), name, metric)
	{
		finish_metric(metric);
	}
	finish_kills(figure);
}

static void
finish_metric(json_t *metric)
{
	static double values[VALUES_MAX];
	size_t count = values_of(metric, values, NULL);

	put(metric, "median", json_real(gather_median_of(values, count)));
	put(metric, "min", json_real(values[0]));
	put(metric, "max", json_real(values[count - 1]));
}

/* All kills of all rounds are one sample. */
static void
finish_kills(json_t *figure)
{
	static double values[VALUES_MAX];
	json_t *metrics = json_object_get(figure, "metrics");
	json_t *metric = json_object_get(metrics, "ms");
	size_t count;

	if (metric == NULL) {
		return;
	}
	count = values_of(metric, values, NULL);
	qsort(values, count, sizeof(*values), compare);
	put(metric, "p90", json_real(values[(count * 9 - 1) / 10]));
	put(metric, "count", json_integer((json_int_t)count));
	put(metrics, "worst_ms",
	    json_pack("{s:f,s:[]}", "median", values[count - 1], "values"));
}

/* Point by point, the median of the rounds. */
static void
finish_distribution(json_t *figure)
{
	static double values[VALUES_MAX];
	json_t *rounds = json_object_get(figure, "distribution"), *round;
	json_t *points = must(json_array()), *point;
	size_t i, j, count;

	json_array_foreach(json_array_get(rounds, 0), i, point)
	{
		count = 0;
		json_array_foreach(rounds, j, round)
		{
			if (count < VALUES_MAX) {
				values[count++] =
				    json_number_value(json_array_get(
					json_array_get(round, i), 1));
			}
		}
		push(points,
		    json_pack("[f,f]",
			json_number_value(json_array_get(point, 0)),
			gather_median_of(values, count)));
	}
	put(figure, "distribution", points);
}

double
gather_median_of(double *values, size_t count)
{
	if (count == 0) {
		return (double)NAN;
	}
	qsort(values, count, sizeof(*values), compare);
	return count % 2 == 1
		   ? values[count / 2]
		   : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* -------------------------------------------------------------- ratios */

json_t *
gather_ratio(const json_t *all, const struct gather_pair *pair)
{
	static double ours[VALUES_MAX], others[VALUES_MAX];
	static double ratios[VALUES_MAX];
	static json_int_t rounds[VALUES_MAX], other_rounds[VALUES_MAX];
	const json_t *metric =
	    metric_of(all, pair->system, pair->figure, pair->metric);
	const json_t *other_metric = NULL;
	size_t count, other_count = 0, i, j, n = 0;
	double our_median, other_median = 1, ratio;
	json_t *object;

	our_median =
	    gather_median(all, pair->system, pair->figure, pair->metric);
	count = values_of(metric, ours, rounds);
	if (pair->other_system != NULL) {
		other_metric = metric_of(all, pair->other_system,
		    pair->other_figure, pair->other_metric);
		other_median = gather_median(all, pair->other_system,
		    pair->other_figure, pair->other_metric);
		other_count = values_of(other_metric, others, other_rounds);
	}
	if (isnan(our_median) || isnan(other_median)) {
		return NULL;
	}
	for (i = 0; i < count; i++) {
		if (pair->other_system == NULL) {
			ratios[n++] = ours[i];
			continue;
		}
		for (j = 0; j < other_count; j++) {
			if (other_rounds[j] == rounds[i] && others[j] > 0) {
				ratios[n++] = ours[i] / others[j];
				break;
			}
		}
	}
	ratio = n > 0 ? gather_median_of(ratios, n) : our_median / other_median;
	object = must(json_pack("{s:s,s:s,s:f,s:f,s:f,s:f,s:f,s:i}", "what",
	    pair->what, "metric", pair->metric, "ours", our_median, "other",
	    other_median, "ratio", ratio, "min", n > 0 ? ratios[0] : ratio,
	    "max", n > 0 ? ratios[n - 1] : ratio, "rounds", (int)n));
	put(object, "has_other", json_boolean(pair->other_system != NULL));
	if (pair->aim > 0) {
		put(object, "aim", json_real(pair->aim));
		put(object, "at_most", json_boolean(pair->at_most));
		put(object, "met",
		    json_boolean(pair->at_most ? ratio <= pair->aim
					       : ratio >= pair->aim));
	}
	return object;
}

/* ------------------------------------------------------------ look-ups */

json_t *
gather_figure(const json_t *all, const char *system, const char *name)
{
	json_t *figure;
	size_t i;

	json_array_foreach(json_object_get(all, "figures"), i, figure)
	{
		if (strcmp(json_string_value(json_object_get(figure, "system")),
			system) == 0 &&
		    strcmp(json_string_value(json_object_get(figure, "figure")),
			name) == 0) {
			return figure;
		}
	}
	return NULL;
}

double
gather_median(const json_t *all, const char *system, const char *figure,
    const char *metric)
{
	const json_t *value =
	    json_object_get(metric_of(all, system, figure, metric), "median");

	return value == NULL ? (double)NAN : json_number_value(value);
}

static json_t *
metric_of(const json_t *all, const char *system, const char *figure,
    const char *metric)
{
	return json_object_get(
	    json_object_get(gather_figure(all, system, figure), "metrics"),
	    metric);
}

/* Its values, and the round of each. */
static size_t
values_of(const json_t *metric, double *values, json_int_t *rounds)
{
	json_t *pair;
	size_t i, count = 0;

	json_array_foreach(json_object_get(metric, "values"), i, pair)
	{
		if (count == VALUES_MAX) {
			break;
		}
		if (rounds != NULL) {
			rounds[count] =
			    json_integer_value(json_array_get(pair, 0));
		}
		values[count++] = json_number_value(json_array_get(pair, 1));
	}
	return count;
}

static json_t *
must(json_t *json)
{
	if (json == NULL) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
	return json;
}

/* Both take the value. */
static void
put(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, must(value)) != 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
}

static void
push(json_t *array, json_t *value)
{
	if (json_array_append_new(array, must(value)) != 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}
