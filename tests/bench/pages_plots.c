/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which figures are drawn.
 */
#include <stdlib.h>

#include "base/log.h"
#include "tests/bench/gather.h"
#include "tests/bench/pages.h"
#include "tests/bench/plot.h"

static const struct {
	const char *system, *figure, *name;
} latencies[] = {
	{ "raftsup-5-process", "set serial", "raftsup, 5 nodes, process" },
	{ "raftsup-5-power", "set serial", "raftsup, 5 nodes, power" },
	{ "redis-off", "set serial", "Redis, no append-only" },
	{ "redis-off-pinned", "set serial", "the same, one core" },
	{ "redis-always", "set serial", "Redis, always" },
	{ "etcd-5-disk", "set serial", "etcd, 5 nodes" },
	{ "libraft-5-disk", "set serial", "libraft, 5 nodes" },
}, failovers[] = {
	{ "raftsup-5-process", "failover", "raftsup, 5 nodes, process" },
	{ "raftsup-5-power", "failover", "raftsup, 5 nodes, power" },
	{ "etcd-5-disk", "failover", "etcd, default timeouts" },
	{ "etcd-5-disk", "failover, election 50 ms", "etcd, election 50 ms" },
	{ "libraft-5-disk", "failover", "libraft, default timeouts" },
	{ "libraft-5-disk", "failover, election 50 ms",
	    "libraft, election 50 ms" },
}, throughputs[] = {
	{ "raftsup-5-process", NULL, "raftsup, 5 nodes, process" },
	{ "raftsup-5-power", NULL, "raftsup, 5 nodes, power" },
	{ "redis-everysec", NULL, "Redis, everysec" },
	{ "etcd-5-disk", NULL, "etcd, 5 nodes" },
	{ "libraft-5-disk", NULL, "libraft, 5 nodes" },
};

static const int under_way[] = { 1, 4, 16, 64, 256 };

static struct plot_curve *add_curve(struct plot *, const char *);
static void add_point(struct plot_curve *, double, double);
static int compare(const void *, const void *);
static void finish(FILE *, struct plot *);

void
pages_latency(FILE *out, const json_t *all)
{
	struct plot plot = {
		.title = "One set after another: how many are answered by then",
		.x_name = "microseconds",
		.y_name = "%",
		.y_max = 100,
	};
	const json_t *points;
	json_t *point;
	size_t i, j;

	for (i = 0; i < COUNT_OF(latencies); i++) {
		struct plot_curve *curve;

		points = json_object_get(
		    gather_figure(
			all, latencies[i].system, latencies[i].figure),
		    "distribution");
		if (json_array_size(points) == 0) {
			continue;
		}
		curve = add_curve(&plot, latencies[i].name);
		json_array_foreach(points, j, point)
		{
			add_point(curve,
			    json_number_value(json_array_get(point, 1)),
			    json_number_value(json_array_get(point, 0)));
		}
	}
	finish(out, &plot);
}

void
pages_throughput(FILE *out, const json_t *all)
{
	struct plot plot = {
		.title = "Sets per second, by how many are under way",
		.x_name = "requests under way",
		.y_name = "sets/s",
		.y_is_log = true,
	};
	char figure[64];
	size_t i, j;

	for (i = 0; i < COUNT_OF(throughputs); i++) {
		struct plot_curve *curve = NULL;

		for (j = 0; j < COUNT_OF(under_way); j++) {
			double rate;

			(void)snprintf(figure, sizeof(figure),
			    "set, %d under way", under_way[j]);
			rate = gather_median(
			    all, throughputs[i].system, figure, "ops_per_s");
			if (!(rate > 0)) {
				continue;
			}
			if (curve == NULL) {
				curve = add_curve(&plot, throughputs[i].name);
			}
			add_point(curve, under_way[j], rate);
		}
	}
	finish(out, &plot);
}

void
pages_failover(FILE *out, const json_t *all)
{
	struct plot plot = {
		.title = "kill -9 of the leader: how many are over by then",
		.x_name = "milliseconds to the next OK",
		.y_name = "%",
		.y_max = 100,
	};
	static double times[PLOT_POINTS_MAX];
	json_t *values, *value;
	size_t i, j, count;

	for (i = 0; i < COUNT_OF(failovers); i++) {
		struct plot_curve *curve;

		values = json_object_get(
		    json_object_get(
			json_object_get(gather_figure(all, failovers[i].system,
					    failovers[i].figure),
			    "metrics"),
			"ms"),
		    "values");
		count = 0;
		json_array_foreach(values, j, value)
		{
			if (count < PLOT_POINTS_MAX) {
				times[count++] = json_number_value(
				    json_array_get(value, 1));
			}
		}
		if (count == 0) {
			continue;
		}
		qsort(times, count, sizeof(*times), compare);
		curve = add_curve(&plot, failovers[i].name);
		for (j = 0; j < count; j++) {
			add_point(curve, times[j],
			    100 * (double)(j + 1) / (double)count);
		}
	}
	finish(out, &plot);
}

static struct plot_curve *
add_curve(struct plot *plot, const char *name)
{
	struct plot_curve *curve = &plot->curves[plot->curve_count++];

	curve->name = name;
	curve->points = calloc(PLOT_POINTS_MAX, sizeof(*curve->points));
	if (curve->points == NULL) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
	return curve;
}

static void
add_point(struct plot_curve *curve, double x, double y)
{
	if (curve->count < PLOT_POINTS_MAX) {
		curve->points[curve->count++] = (struct plot_point){ x, y };
	}
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
finish(FILE *out, struct plot *plot)
{
	size_t i;

	plot_write(out, plot);
	for (i = 0; i < plot->curve_count; i++) {
		free(plot->curves[i].points);
	}
}
