/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Curves over a logarithmic axis, as SVG.
 */
#ifndef TESTS_BENCH_PLOT_H
#define TESTS_BENCH_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PLOT_CURVES_MAX 8
#define PLOT_POINTS_MAX 4096

struct plot_point {
	double x, y;
};

struct plot_curve {
	const char *name;	/* borrowed, escaped when written */
	struct plot_point *points;
	size_t count;
};

struct plot {
	const char *title, *x_name, *y_name;
	bool y_is_log;		/* else from 0 to y_max */
	double y_max;
	struct plot_curve curves[PLOT_CURVES_MAX];
	size_t curve_count;
};

/* Points that a logarithmic axis cannot show (0 and less) are left out. */
void plot_write(FILE *out, const struct plot *plot);

#endif
