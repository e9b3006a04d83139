/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup draw: an event log, or a trace of the simulator, as a picture.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/figure.h"
#include "lab/story.h"
#include "op/op.h"

#define SPAN_NS_MAX	(1000000 * CLOCK_NS_PER_S)

enum { OPTION_FROM = 256, OPTION_TO, OPTION_TITLE, OPTION_NO_HEARTBEATS };

static const struct option long_options[] = {
	{ "from", required_argument, NULL, OPTION_FROM },
	{ "to", required_argument, NULL, OPTION_TO },
	{ "title", required_argument, NULL, OPTION_TITLE },
	{ "no-heartbeats", no_argument, NULL, OPTION_NO_HEARTBEATS },
	{ NULL, 0, NULL, 0 },
};

static int
draw_file(FILE *in, const char *name, struct figure_options *options)
{
	struct story story;
	struct err_buf err;
	size_t left_out = 0;
	int result;

	if (options->title == NULL) {
		options->title = name;
	}
	result = story_read(&story, in, name, &err);
	if (result == ERR_OK) {
		result = figure_draw(&story, options, stdout, &left_out, &err);
		if (result == ERR_NOT_FOUND) {
			result = err_set(&err, ERR_USAGE, "draw: nothing "
			    "happens in %s in that time", name);
		}
	}
	story_free(&story);
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	if (fflush(stdout) == EOF) {
		return op_fail(74, "standard output: %s", strerror(errno));
	}
	if (left_out > 0) {
		(void)op_fail(0, "%s has %zu lines more than a picture holds: "
		    "choose others by --from and --to", name, left_out);
	}
	return 0;
}

int
op_draw(struct op *op)
{
	struct figure_options options = {
		.to_ns = UINT64_MAX, .heartbeats = true,
	};
	const char *argument, *name;
	struct err_buf err;
	int letter, status, result = ERR_OK;
	FILE *in = stdin;

	while (result == ERR_OK && (letter = op_option(op, "", long_options,
	    &argument, &status)) != -1) {
		switch (letter) {
		case OP_DONE:
			return status;
		case OPTION_FROM:
			result = options_time("--from", argument, 0,
			    SPAN_NS_MAX, &options.from_ns, &err);
			break;
		case OPTION_TO:
			result = options_time("--to", argument, 0,
			    SPAN_NS_MAX, &options.to_ns, &err);
			break;
		case OPTION_TITLE:
			options.title = argument;
			break;
		case OPTION_NO_HEARTBEATS:
			options.heartbeats = false;
			break;
		}
	}
	if (result != ERR_OK) {
		return op_fail_code(result, &err);
	}
	if (op->argc - op_operands() != 1) {
		return op_fail(64, "draw: name one file, an event log or a "
		    "trace of raftsim (-: standard input)");
	}
	name = op->argv[op_operands()];
	if (strcmp(name, "-") == 0) {
		return draw_file(in, "standard input", &options);
	}
	in = fopen(name, "re");
	if (in == NULL) {
		result = err_set_errno(&err, "%s", name);
		return op_fail_code(result, &err);
	}
	status = draw_file(in, name, &options);
	fclose(in);
	return status;
}
