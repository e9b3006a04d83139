/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First what is to be seen is chosen, then all its instants get their places
 * on the axis, then it is drawn from the back to the front: axis, roles,
 * messages, marks.
 */
#include "lab/figure.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/xml.h"

#define LEFT		90.0	/* pixels: names of the nodes */
#define RIGHT		40.0
#define TOP		110.0	/* title, legend, what happens to all */
#define ROW		84.0
#define BAR		10.0	/* a node's line */
#define LEGEND		880.0	/* it needs that much */
#define TICK		110.0	/* between two times of the axis */
#define LABEL		34.0	/* between two labels of a row */
#define GAP_MIN		1.5
#define GAP_USUAL	9.0
#define GAP_MAX		120.0

struct figure {
	const struct story *story;
	const struct figure_options *options;
	FILE *out;
	uint64_t begin_ns, end_ns;	/* what is drawn */
	uint64_t *times;		/* all instants, sorted, once each */
	double *places;			/* of them on the axis */
	size_t time_count;
	const struct story_line **lines;
	const struct story_message **messages;
	size_t line_count, message_count;
	double rows[STORY_NODES_MAX + 1];
	double bottom, width;
	double last;			/* where the lines end */
	size_t left_out;
};

static const struct {
	const char *name;
	const char *color;
} roles[] = {
	[STORY_DOWN] = { "down", "#e4e4e4" },
	[STORY_PAUSED] = { "paused", "#b9b9b9" },
	[STORY_FOLLOWER] = { "follower", "#8fb4d9" },
	[STORY_LEARNER] = { "learner", "#b59fd6" },
	[STORY_PRECANDIDATE] = { "precandidate", "#f6d58a" },
	[STORY_CANDIDATE] = { "candidate", "#ef9b3c" },
	[STORY_LEADER] = { "leader", "#4c9f5b" },
};

static const struct {
	const char *name;
	const char *color;
} kinds[] = {
	[STORY_VOTE] = { "votes", "#c4661f" },
	[STORY_APPEND] = { "entries", "#2f5fa8" },
	[STORY_HEARTBEAT] = { "heartbeats", "#b4bdc9" },
	[STORY_SNAPSHOT] = { "snapshots", "#7a4fb0" },
	[STORY_OTHER] = { "other", "#777777" },
};

static int	choose(struct figure *);
static int	lay_out(struct figure *);
static double	place_of(const struct figure *, uint64_t);
static void	draw_head(const struct figure *);
static void	draw_axis(const struct figure *);
static void	draw_roles(const struct figure *, uint32_t);
static void	draw_message(const struct figure *,
		    const struct story_message *);
static void	draw_marks(const struct figure *, uint32_t);

int
figure_draw(const struct story *story, const struct figure_options *options,
    FILE *out, size_t *left_out, struct err_buf *err)
{
	struct figure figure = {
		.story = story, .options = options, .out = out,
	};
	uint32_t id;
	int result;
	size_t i;

	result = choose(&figure);
	if (result == ERR_OK) {
		result = lay_out(&figure);
	}
	if (result == ERR_OK) {
		draw_head(&figure);
		draw_axis(&figure);
		for (id = 1; id <= STORY_NODES_MAX; id++) {
			if (figure.rows[id] > 0) {
				draw_roles(&figure, id);
			}
		}
		for (i = 0; i < figure.message_count; i++) {
			draw_message(&figure, figure.messages[i]);
		}
		for (id = 0; id <= STORY_NODES_MAX; id++) {
			if (id == 0 || figure.rows[id] > 0) {
				draw_marks(&figure, id);
			}
		}
		fputs("</svg>\n", out);
		*left_out = figure.left_out;
	} else {
		(void)err_set(err, result, result == ERR_NOMEM ? "no memory" :
		    "nothing to be drawn");
	}
	free(figure.times);
	free(figure.places);
	free(figure.lines);
	free(figure.messages);
	return result;
}

/* ------------------------------------------------------------ what is seen */

static bool
is_seen(const struct figure *f, uint64_t ns)
{
	return ns >= f->begin_ns && ns <= f->end_ns;
}

/* Lines that get a mark; of node 0: what happens to all. */
static bool
is_mark(const struct story_line *line)
{
	return strstr(line->text, " RPC ") == NULL &&
	    (line->node != 0 || strncmp(line->text, "client ", 7) != 0);
}

/* The instant after which there would be more than can be seen. */
static void
limit(struct figure *f)
{
	const struct story *story = f->story;
	size_t i, m = 0, count = 0;

	for (i = 0; i < story->line_count; i++) {
		if (!is_seen(f, story->lines[i].ns)) {
			continue;
		}
		if (count++ == FIGURE_MARKS_MAX) {
			f->end_ns = story->lines[i].ns;
		}
		m += count > FIGURE_MARKS_MAX;
	}
	f->left_out = m;
}

static int
choose(struct figure *f)
{
	const struct story *story = f->story;
	uint64_t first_ns = story->lines[0].ns;
	const struct story_message *m;
	size_t i;

	f->begin_ns = first_ns + f->options->from_ns;
	f->end_ns = f->options->to_ns > UINT64_MAX - first_ns ? UINT64_MAX :
	    first_ns + f->options->to_ns;
	limit(f);
	f->lines = calloc(story->line_count, sizeof(*f->lines));
	f->messages = calloc(story->message_count + 1, sizeof(*f->messages));
	if (f->lines == NULL || f->messages == NULL) {
		return ERR_NOMEM;
	}
	for (i = 0; i < story->line_count; i++) {
		if (is_seen(f, story->lines[i].ns) &&
		    is_mark(&story->lines[i])) {
			f->lines[f->line_count++] = &story->lines[i];
		}
	}
	for (i = 0; i < story->message_count; i++) {
		m = &story->messages[i];
		if (is_seen(f, m->sent_ns) && (f->options->heartbeats ||
		    m->kind != STORY_HEARTBEAT)) {
			f->messages[f->message_count++] = m;
		}
	}
	return f->line_count + f->message_count == 0 ? ERR_NOT_FOUND : ERR_OK;
}

/* --------------------------------------------------------------- the axis */

static int
compare_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
collect_times(struct figure *f)
{
	size_t i, n = 0;

	for (i = 0; i < f->line_count; i++) {
		f->times[n++] = f->lines[i]->ns;
	}
	for (i = 0; i < f->message_count; i++) {
		f->times[n++] = f->messages[i]->sent_ns;
		if (is_seen(f, f->messages[i]->received_ns)) {
			f->times[n++] = f->messages[i]->received_ns;
		}
	}
	qsort(f->times, n, sizeof(*f->times), compare_u64);
	f->time_count = 1;
	for (i = 1; i < n; i++) {
		if (f->times[i] != f->times[f->time_count - 1]) {
			f->times[f->time_count++] = f->times[i];
		}
	}
}

/* The gap of which half of all are shorter. */
static double
median_gap(const struct figure *f)
{
	size_t i, count = f->time_count - 1;
	uint64_t *gaps = calloc(count, sizeof(*gaps));
	double median = 1;

	if (gaps != NULL) {
		for (i = 0; i < count; i++) {
			gaps[i] = f->times[i + 1] - f->times[i];
		}
		qsort(gaps, count, sizeof(*gaps), compare_u64);
		median = (double)gaps[count / 2];
		free(gaps);
	}
	return median;
}

static int
lay_out(struct figure *f)
{
	size_t room = f->line_count + 2 * f->message_count, i;
	double at = LEFT + 10, row = TOP + ROW / 2, usual, gap;
	uint32_t id;

	f->times = calloc(room, sizeof(*f->times));
	f->places = calloc(room, sizeof(*f->places));
	if (f->times == NULL || f->places == NULL) {
		return ERR_NOMEM;
	}
	collect_times(f);
	f->places[0] = at;
	usual = f->time_count > 1 ? median_gap(f) : 1;
	for (i = 1; i < f->time_count; i++) {
		gap = GAP_USUAL * sqrt(
		    (double)(f->times[i] - f->times[i - 1]) / usual);
		at += gap < GAP_MIN ? GAP_MIN : gap > GAP_MAX ? GAP_MAX : gap;
		f->places[i] = at;
	}
	f->last = at + RIGHT / 2;
	f->width = at + RIGHT > LEGEND ? at + RIGHT : LEGEND;
	for (id = 1; id <= STORY_NODES_MAX; id++) {
		if ((f->story->nodes >> (id - 1) & 1) != 0) {
			f->rows[id] = row;
			row += ROW;
		}
	}
	f->bottom = row - ROW / 2;
	return ERR_OK;
}

/* Of one of the instants, or of the last one before it. */
static double
place_of(const struct figure *f, uint64_t ns)
{
	size_t low = 0, high = f->time_count, middle;

	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (f->times[middle] <= ns) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return f->places[low];
}

static void
print_time(FILE *out, uint64_t ns)
{
	if (ns < 10000000) {
		fprintf(out, "%.3f ms", (double)ns / 1e6);
	} else if (ns < 10000000000) {
		fprintf(out, "%.1f ms", (double)ns / 1e6);
	} else {
		fprintf(out, "%.2f s", (double)ns / 1e9);
	}
}

static void
draw_axis(const struct figure *f)
{
	double last = -TICK;
	size_t i;

	for (i = 0; i < f->time_count; i++) {
		if (f->places[i] < last + TICK) {
			continue;
		}
		last = f->places[i];
		fprintf(f->out, "<line class=\"axis\" x1=\"%.1f\" y1=\"%.0f\" "
		    "x2=\"%.1f\" y2=\"%.0f\"/>\n<text class=\"time\" "
		    "x=\"%.1f\" y=\"%.0f\">", last, TOP - 14, last,
		    f->bottom, last + 3, f->bottom + 14);
		print_time(f->out, f->times[i] - f->times[0]);
		fputs("</text>\n", f->out);
	}
}

/* ----------------------------------------------------------- what is drawn */

static void
draw_head(const struct figure *f)
{
	double x = LEFT;
	size_t i;

	fprintf(f->out, "<svg xmlns=\"http://www.w3.org/2000/svg\" "
	    "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n",
	    f->width, f->bottom + 24, f->width, f->bottom + 24);
	fputs("<style>\n"
	    "text { font: 11px monospace; fill: #333 }\n"
	    ".title { font-size: 14px; font-weight: bold }\n"
	    ".time { fill: #999 }\n"
	    ".term { font-weight: bold }\n"
	    ".bad { fill: #b00020 }\n"
	    ".axis { stroke: #eee }\n"
	    ".all { stroke: #b00020; stroke-dasharray: 2 3 }\n"
	    ".reply { stroke-dasharray: 5 2 }\n"
	    ".lost { stroke-dasharray: 1 3 }\n"
	    "</style>\n", f->out);
	fprintf(f->out, "<rect width=\"100%%\" height=\"100%%\" "
	    "fill=\"white\"/>\n<defs>\n");
	for (i = 0; i < COUNT_OF(kinds); i++) {
		fprintf(f->out, "<marker id=\"m%zu\" viewBox=\"0 0 8 8\" "
		    "refX=\"8\" refY=\"4\" markerWidth=\"7\" "
		    "markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z"
		    "\" fill=\"%s\"/></marker>\n", i, kinds[i].color);
	}
	fprintf(f->out, "</defs>\n<text class=\"title\" x=\"%.0f\" y=\"24\">",
	    LEFT);
	xml_put_text(f->out, f->options->title);
	fputs("</text>\n", f->out);
	for (i = 0; i < COUNT_OF(roles); i++) {
		fprintf(f->out, "<rect x=\"%.0f\" y=\"36\" width=\"12\" "
		    "height=\"10\" fill=\"%s\"/><text x=\"%.0f\" y=\"45\">%s"
		    "</text>\n", x, roles[i].color, x + 16, roles[i].name);
		x += 28 + 7 * (double)strlen(roles[i].name);
	}
	for (i = 0, x = LEFT; i < COUNT_OF(kinds); i++) {
		fprintf(f->out, "<line x1=\"%.0f\" y1=\"59\" x2=\"%.0f\" "
		    "y2=\"59\" stroke=\"%s\" marker-end=\"url(#m%zu)\"/>"
		    "<text x=\"%.0f\" y=\"63\">%s</text>\n", x, x + 22,
		    kinds[i].color, i, x + 27, kinds[i].name);
		x += 40 + 7 * (double)strlen(kinds[i].name);
	}
	fprintf(f->out, "<text x=\"%.0f\" y=\"63\">dashed: answers; dotted, "
	    "\303\227: no arrival is told</text>\n", x);
}

static void
draw_bar(const struct figure *f, uint32_t id, enum story_role role,
    double from, double to)
{
	double height = role == STORY_DOWN ? 2 : BAR;

	if (to > from) {
		fprintf(f->out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
		    "height=\"%.0f\" fill=\"%s\"/>\n", from,
		    f->rows[id] - height / 2, to - from, height,
		    roles[role].color);
	}
}

/* The role that it had before, too, which an earlier line tells. */
static void
draw_roles(const struct figure *f, uint32_t id)
{
	const struct story *story = f->story;
	enum story_role role = STORY_DOWN;
	double from = LEFT, at;
	size_t i;

	fprintf(f->out, "<text x=\"12\" y=\"%.0f\">node %" PRIu32
	    "</text>\n", f->rows[id] + 4, id);
	for (i = 0; i < story->line_count; i++) {
		const struct story_line *line = &story->lines[i];

		if (line->ns > f->end_ns) {
			break;
		}
		if (line->node != id || line->role == role) {
			continue;
		}
		at = line->ns < f->begin_ns ? LEFT : place_of(f, line->ns);
		draw_bar(f, id, role, from, at);
		from = at;
		role = line->role;
	}
	draw_bar(f, id, role, from, f->last);
}

static void
draw_message(const struct figure *f, const struct story_message *m)
{
	bool told = is_seen(f, m->received_ns);
	double x1 = place_of(f, m->sent_ns), y1 = f->rows[m->from];
	double x2 = told ? place_of(f, m->received_ns) : x1 + 14;
	double y2 = f->rows[m->to];

	/* To the rim of the line, not to its middle. */
	y1 += y2 > y1 ? BAR / 2 : -BAR / 2;
	y2 += y2 > y1 ? -BAR / 2 : BAR / 2;
	if (!told) {
		y2 = y1 + (y2 - y1) * 0.45;
	}
	fprintf(f->out, "<g><title>");
	xml_put_text(f->out, m->text);
	fprintf(f->out, "</title><line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" "
	    "x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"", !told ? "lost" :
	    m->reply ? "reply" : "request", x1, y1, x2, y2,
	    kinds[m->kind].color);
	if (told) {
		fprintf(f->out, " marker-end=\"url(#m%d)\"/></g>\n",
		    (int)m->kind);
	} else {
		fprintf(f->out, "/><text class=\"bad\" x=\"%.1f\" "
		    "y=\"%.1f\">\303\227</text></g>\n", x2 - 3, y2 + 4);
	}
}

/* What a line is worth writing beside the node; NULL: its tooltip is enough. */
static const char *
label_of(const struct story_line *line, char *label, size_t size,
    bool *is_bad)
{
	const char *commit = strstr(line->text, " commits up to ");
	const char *cut = strstr(line->text, " truncates ");
	uint64_t index;

	*is_bad = cut != NULL || line->role == STORY_DOWN;
	if (line->role == STORY_DOWN) {
		return "\342\234\225 dead";
	} else if (cut != NULL) {
		snprintf(label, size, "cut %.20s", cut + 11);
		return label;
	} else if (commit != NULL &&
	    sscanf(commit + 15, "%" SCNu64, &index) == 1) {
		snprintf(label, size, "c%" PRIu64, index);
		return label;
	} else if (strstr(line->text, "installs it") != NULL) {
		return "installed";
	} else if (strstr(line->text, "has taken a snapshot") != NULL) {
		return "snapshot";
	} else if (strstr(line->text, "timed out, starting") != NULL) {
		return "timeout";
	} else if (strstr(line->text, "rejoins: ") != NULL ||
	    strstr(line->text, "starts: ") != NULL) {
		return "start";
	}
	return NULL;
}

static void
draw_mark(const struct figure *f, const struct story_line *line,
    const char *label, bool is_bad, double y)
{
	double x = place_of(f, line->ns);

	fprintf(f->out, "<g><title>");
	xml_put_text(f->out, line->text);
	fprintf(f->out, "</title><circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\" "
	    "fill=\"%s\"/>", x, f->rows[line->node], is_bad ? "#b00020" :
	    "#333");
	if (label != NULL) {
		fprintf(f->out, "<text%s x=\"%.1f\" y=\"%.1f\">",
		    is_bad ? " class=\"bad\"" : "", x - 3, y);
		xml_put_text(f->out, label);
		fputs("</text>", f->out);
	}
	fputs("</g>\n", f->out);
}

/* What happens to all: a line from top to bottom. */
static double
draw_all(const struct figure *f, const struct story_line *line, double last)
{
	double x = place_of(f, line->ns);

	fprintf(f->out, "<g><title>");
	xml_put_text(f->out, line->text);
	fprintf(f->out, "</title><line class=\"all\" x1=\"%.1f\" y1=\"%.0f\" "
	    "x2=\"%.1f\" y2=\"%.0f\"/>", x, TOP - 20, x, f->bottom);
	if (x > last) {
		fprintf(f->out, "<text class=\"bad\" x=\"%.1f\" y=\"%.0f\">",
		    x + 3, TOP - 16);
		xml_put_text(f->out, line->text);
		fputs("</text>", f->out);
		last = x + 7 * (double)strlen(line->text);
	}
	fputs("</g>\n", f->out);
	return last;
}

static void
draw_marks(const struct figure *f, uint32_t id)
{
	double last_above = 0, last_below = 0, x;
	uint64_t term = 0;
	char text[32];
	const char *label;
	bool is_bad;
	size_t i;

	for (i = 0; i < f->line_count; i++) {
		const struct story_line *line = f->lines[i];

		if (line->node != id) {
			continue;
		}
		if (id == 0) {
			last_above = draw_all(f, line, last_above);
			continue;
		}
		x = place_of(f, line->ns);
		if (line->term > term) {
			term = line->term;
			fprintf(f->out, "<text class=\"term\" x=\"%.1f\" "
			    "y=\"%.1f\">T%" PRIu64 "</text>\n", x - 3,
			    f->rows[id] - 10 - (x < last_above + 22 ? 11 : 0),
			    term);
			last_above = x;
		}
		label = label_of(line, text, sizeof(text), &is_bad);
		if (label != NULL && !is_bad && x < last_below + LABEL) {
			label = NULL;
		}
		draw_mark(f, line, label, is_bad,
		    f->rows[id] + (is_bad ? 27 : 16));
		if (label != NULL && !is_bad) {
			last_below = x;
		}
	}
}
