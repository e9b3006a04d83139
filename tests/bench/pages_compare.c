/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Before and after, and what of it is worse.
 */
#include <string.h>

#include "base/attr.h"
#include "tests/bench/gather.h"
#include "tests/bench/pages.h"

#define BASE "base:"
#define NEW  "new:"

static const struct {
	const char *name;
	bool less_is_better;
	double limit;	/* worse by so much is worse */
} metrics[] = {
	{ "instructions", true, 1.03 },
	{ "p50_us", true, 1.1 },
	{ "p99_us", true, 1.1 },
	{ "ops_per_s", false, 1.1 },
	{ "cpu_us_per_op", true, 1.1 },
};

static bool compare_metric(FILE *, const json_t *, const char *, const char *,
    size_t);

unsigned
pages_compare(FILE *out, const json_t *all)
{
	unsigned worse = 0;
	json_t *figure;
	size_t i, j;

	fprintf(out,
	    "| | base | new | new / base | over the rounds | |\n"
	    "|---|---:|---:|---:|---:|---|\n");
	json_array_foreach(json_object_get(all, "figures"), i, figure)
	{
		const char *system =
		    json_string_value(json_object_get(figure, "system"));
		const char *name =
		    json_string_value(json_object_get(figure, "figure"));

		if (strncmp(system, NEW, strlen(NEW)) != 0) {
			continue;
		}
		for (j = 0; j < COUNT_OF(metrics); j++) {
			worse += compare_metric(
			    out, all, system + strlen(NEW), name, j);
		}
	}
	fprintf(out, "\n%u worse\n", worse);
	return worse;
}

/* Whether it is worse; no line when one of them was not measured. */
static bool
compare_metric(FILE *out, const json_t *all, const char *system,
    const char *figure, size_t i)
{
	char ours[256], base[256];
	struct gather_pair pair = {
		.what = figure,
		.system = ours,
		.figure = figure,
		.metric = metrics[i].name,
		.other_system = base,
		.other_figure = figure,
		.other_metric = metrics[i].name,
	};
	double min, max;
	json_t *ratio;
	bool worse;

	(void)snprintf(ours, sizeof(ours), NEW "%s", system);
	(void)snprintf(base, sizeof(base), BASE "%s", system);
	ratio = gather_ratio(all, &pair);
	if (ratio == NULL) {
		return false;
	}
	min = json_number_value(json_object_get(ratio, "min"));
	max = json_number_value(json_object_get(ratio, "max"));
	worse = metrics[i].less_is_better ? min > metrics[i].limit
					  : max < 1 / metrics[i].limit;
	fprintf(out,
	    "| %s, %s, %s | %.1f | %.1f | %.3f | %.3f to %.3f | %s |\n",
	    system, figure, metrics[i].name,
	    json_number_value(json_object_get(ratio, "other")),
	    json_number_value(json_object_get(ratio, "ours")),
	    json_number_value(json_object_get(ratio, "ratio")), min, max,
	    worse ? "worse" : "");
	json_decref(ratio);
	return worse;
}
