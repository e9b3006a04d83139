/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what was measured to what is read.
 *
 *	bench_report gather LINES JSON		medians and ratios of a run
 *	bench_report pages JSON DOCUMENT DIR	tables and plots of them
 *	bench_report compare LINES		two builds, side by side
 *
 * Exit: 0; 1 compare: the new one is worse; 64 usage; 74 a file cannot be
 * read or written, or is not one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tests/bench/gather.h"
#include "tests/bench/pages.h"

static json_t *read_lines(const char *);
static int run_compare(const char *);
static void run_gather(const char *, const char *);
static void run_pages(const char *, const char *, const char *);
static void write_json(FILE *, json_t *);
static FILE *open_file(const char *, const char *);
static void close_file(FILE *, const char *);
static const char *last_part(const char *);

int
main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "gather") == 0) {
		run_gather(argv[2], argv[3]);
	} else if (argc == 5 && strcmp(argv[1], "pages") == 0) {
		run_pages(argv[2], argv[3], argv[4]);
	} else if (argc == 3 && strcmp(argv[1], "compare") == 0) {
		return run_compare(argv[2]);
	} else {
		fprintf(stderr,
		    "usage: bench_report gather LINES JSON\n"
		    "       bench_report pages JSON DOCUMENT DIR\n"
		    "       bench_report compare LINES\n");
		return err_exit_status(ERR_USAGE);
	}
	return 0;
}

static json_t *
read_lines(const char *lines)
{
	struct err_buf err = { "" };
	FILE *in = open_file(lines, "r");
	json_t *all = gather(in, &err);

	if (all == NULL) {
		fatalx(err_exit_status(ERR_CORRUPT), "%s: %s", lines, err.text);
	}
	(void)fclose(in);
	return all;
}

static int
run_compare(const char *lines)
{
	json_t *all = read_lines(lines);
	unsigned worse = pages_compare(stdout, all);

	json_decref(all);
	close_file(stdout, "standard output");
	return worse > 0 ? 1 : 0;
}

static void
run_gather(const char *lines, const char *json)
{
	json_t *all = read_lines(lines);
	FILE *out = open_file(json, "w");

	write_json(out, all);
	close_file(out, json);
	json_decref(all);
}

/* An element of a list a line: a difference between two runs is readable. */
static void
write_json(FILE *out, json_t *all)
{
	size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(6), i;
	json_t *part, *element;
	const char *name, *comma = "{\n";

	json_object_foreach(all, name, part)
	{
		fprintf(out, "%s\"%s\":", comma, name);
		comma = ",\n";
		if (!json_is_array(part)) {
			(void)json_dumpf(part, out, flags);
			continue;
		}
		fprintf(out, "[");
		json_array_foreach(part, i, element)
		{
			fprintf(out, "%s\n", i > 0 ? "," : "");
			(void)json_dumpf(element, out, flags);
		}
		fprintf(out, "]");
	}
	fprintf(out, "}\n");
}

static void
run_pages(const char *json, const char *document, const char *dir)
{
	static const struct {
		const char *name;
		void (*write)(FILE *, const json_t *);
	} plots[] = {
		{ "latency.svg", pages_latency },
		{ "throughput.svg", pages_throughput },
		{ "failover.svg", pages_failover },
	};
	json_error_t error;
	json_t *all = json_load_file(json, 0, &error);
	char path[4096];
	FILE *out;
	size_t i;

	if (all == NULL) {
		fatalx(err_exit_status(ERR_CORRUPT), "%s: line %d: %s", json,
		    error.line, error.text);
	}
	out = open_file(document, "w");
	pages_tables(out, all, last_part(dir));
	close_file(out, document);
	for (i = 0; i < COUNT_OF(plots); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, plots[i].name);
		out = open_file(path, "w");
		plots[i].write(out, all);
		close_file(out, path);
	}
	json_decref(all);
}

static FILE *
open_file(const char *path, const char *mode)
{
	FILE *file = fopen(path, mode);

	if (file == NULL) {
		fatal(err_exit_status(ERR_IO), "%s", path);
	}
	return file;
}

static void
close_file(FILE *file, const char *path)
{
	if (ferror(file) != 0 || fclose(file) != 0) {
		fatalx(err_exit_status(ERR_IO), "cannot write %s", path);
	}
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}
