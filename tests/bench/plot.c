/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One picture: a frame, lines at the powers of ten, a colour a curve, the
 * names beside it. The same plot gives the same bytes.
 */
#include "tests/bench/plot.h"

#include <float.h>
#include <math.h>

#include "base/xml.h"

#define WIDTH	860
#define HEIGHT	440
#define LEFT	70.0
#define RIGHT	600.0
#define TOP	40.0
#define BOTTOM	390.0

struct axis {
	double low, high;	/* in decades when it is logarithmic */
	double from, to;	/* on the picture */
	bool is_log;
};

static const char *const colours[PLOT_CURVES_MAX] = { "#1b6ca8", "#d1495b",
	"#2e8b57", "#e08e0b", "#7b4fa3", "#5c5c5c", "#00a0a0", "#a05a2c" };

static void find_ranges(const struct plot *, struct axis *, struct axis *);
static bool is_shown(const struct plot *, const struct plot_point *);
static void write_axes(
    FILE *, const struct plot *, const struct axis *, const struct axis *);
static void write_curve(FILE *, const struct plot *, size_t,
    const struct axis *, const struct axis *);
static void write_text(FILE *, double, double, const char *, const char *);
static double place(const struct axis *, double);

void
plot_write(FILE *out, const struct plot *plot)
{
	struct axis x, y;
	size_t i;

	find_ranges(plot, &x, &y);
	fprintf(out,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
	    "height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">\n"
	    "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
	    WIDTH, HEIGHT, WIDTH, HEIGHT);
	write_text(out, LEFT, 24, plot->title, "font-size=\"15\"");
	write_axes(out, plot, &x, &y);
	for (i = 0; i < plot->curve_count; i++) {
		write_curve(out, plot, i, &x, &y);
	}
	fprintf(out, "</svg>\n");
}

static void
find_ranges(const struct plot *plot, struct axis *x, struct axis *y)
{
	double x_low = DBL_MAX, x_high = 0, y_low = DBL_MAX, y_high = 0;
	size_t i, j;

	for (i = 0; i < plot->curve_count; i++) {
		for (j = 0; j < plot->curves[i].count; j++) {
			const struct plot_point *p =
			    &plot->curves[i].points[j];

			if (is_shown(plot, p)) {
				x_low = fmin(x_low, p->x);
				x_high = fmax(x_high, p->x);
				y_low = fmin(y_low, p->y);
				y_high = fmax(y_high, p->y);
			}
		}
	}
	if (x_high <= 0) {
		x_low = y_low = 1;
		x_high = y_high = 10;
	}
	*x = (struct axis){ floor(log10(x_low)), ceil(log10(x_high)), LEFT,
		RIGHT, true };
	*y = (struct axis){ 0, plot->y_max, BOTTOM, TOP, false };
	if (plot->y_is_log) {
		*y = (struct axis){ floor(log10(y_low)), ceil(log10(y_high)),
			BOTTOM, TOP, true };
	}
	x->high += x->high <= x->low ? 1 : 0;
	y->high += y->high <= y->low ? 1 : 0;
}

static bool
is_shown(const struct plot *plot, const struct plot_point *point)
{
	return isfinite(point->x) && isfinite(point->y) && point->x > 0 &&
	       (point->y > 0 || !plot->y_is_log);
}

static void
write_axes(FILE *out, const struct plot *plot, const struct axis *x,
    const struct axis *y)
{
	double at, step = y->is_log ? 1 : y->high / 5;
	char text[32];
	int i, count = y->is_log ? (int)(y->high - y->low) : 5;

	for (i = 0; i <= (int)(x->high - x->low); i++) {
		at = place(x, pow(10, x->low + i));
		fprintf(out,
		    "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
		    "stroke=\"#dddddd\"/>\n",
		    at, BOTTOM, at, TOP);
		(void)snprintf(
		    text, sizeof(text), "%g", pow(10, x->low + i));
		write_text(
		    out, at, BOTTOM + 18, text, "text-anchor=\"middle\"");
	}
	for (i = 0; i <= count; i++) {
		double value = y->is_log ? pow(10, y->low + i) : i * step;

		at = place(y, value);
		fprintf(out,
		    "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
		    "stroke=\"#dddddd\"/>\n",
		    LEFT, at, RIGHT, at);
		(void)snprintf(text, sizeof(text), "%g", value);
		write_text(
		    out, LEFT - 6, at + 4, text, "text-anchor=\"end\"");
	}
	write_text(out, (LEFT + RIGHT) / 2, BOTTOM + 38, plot->x_name,
	    "text-anchor=\"middle\"");
	write_text(out, LEFT - 6, TOP - 8, plot->y_name, "text-anchor=\"end\"");
}

static void
write_curve(FILE *out, const struct plot *plot, size_t number,
    const struct axis *x, const struct axis *y)
{
	const struct plot_curve *curve = &plot->curves[number];
	double name_y = TOP + 14 + 20 * (double)number;
	size_t i;

	fprintf(out,
	    "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" "
	    "points=\"",
	    colours[number]);
	for (i = 0; i < curve->count; i++) {
		if (is_shown(plot, &curve->points[i])) {
			fprintf(out, "%.1f,%.1f ",
			    place(x, curve->points[i].x),
			    place(y, curve->points[i].y));
		}
	}
	fprintf(out,
	    "\"/>\n<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
	    "stroke=\"%s\" stroke-width=\"2\"/>\n",
	    RIGHT + 14, name_y - 4, RIGHT + 34, name_y - 4, colours[number]);
	write_text(out, RIGHT + 40, name_y, curve->name, "");
}

static void
write_text(FILE *out, double x, double y, const char *text,
    const char *attributes)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, attributes);
	xml_put_text(out, text);
	fputs("</text>\n", out);
}

static double
place(const struct axis *axis, double value)
{
	double part = axis->is_log ? log10(value) : value;

	return axis->from + (part - axis->low) / (axis->high - axis->low) *
				(axis->to - axis->from);
}
