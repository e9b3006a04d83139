/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftsup: supervisor and operator tool.  Finds the command and hands over.
 */
#include <bsd/string.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "op/op.h"

static void print_commands(FILE *);
static int run(struct op *, int, char **);

int
main(int argc, char **argv)
{
	struct op op = { .dir = NULL };
	int i = 1;

	log_init("raftsup");
	/* Before the command word: -d, --help and --version only. */
	while (i < argc && argv[i][0] == '-') {
		if (strcmp(argv[i], "--help") == 0 ||
		    strcmp(argv[i], "-h") == 0) {
			print_commands(stdout);
			return 0;
		}
		if (strcmp(argv[i], "--version") == 0 ||
		    strcmp(argv[i], "-V") == 0) {
			printf("raftsup %s\n", PACKAGE_VERSION);
			return 0;
		}
		if ((strcmp(argv[i], "-d") == 0 ||
		    strcmp(argv[i], "--dir") == 0) && i + 1 < argc) {
			op.dir = argv[i + 1];
			i += 2;
		} else if (strncmp(argv[i], "--dir=", 6) == 0) {
			op.dir = argv[i] + 6;
			i++;
		} else if (strncmp(argv[i], "-d", 2) == 0 &&
		    argv[i][2] != '\0') {
			op.dir = argv[i] + 2;
			i++;
		} else if (strcmp(argv[i], "-d") == 0 ||
		    strcmp(argv[i], "--dir") == 0) {
			return op_fail(64, "%s needs a directory", argv[i]);
		} else {
			return op_fail(64, "%s: not an option here (before the"
			    " command: -d DIR, --help, --version)", argv[i]);
		}
	}
	if (i == argc) {
		print_commands(stderr);
		return 64;
	}
	return run(&op, argc - i, argv + i);
}

static int
run(struct op *op, int argc, char **argv)
{
	const char *names[32];
	struct err_buf err;
	size_t i;
	int which;

	for (i = 0; i < op_command_count; i++) {
		names[i] = op_commands[i].name;
	}
	which = options_word("command", argv[0], names, op_command_count,
	    &err);
	if (which < 0) {
		return op_fail(64, "%s", err.text);
	}
	op->name = op_commands[which].name;
	op->argc = argc;
	op->argv = argv;
	return op_commands[which].run(op);
}

static void
print_commands(FILE *stream)
{
	size_t i;

	fprintf(stream, "usage: raftsup [-d DIR] COMMAND ...\n");
	for (i = 0; i < op_command_count; i++) {
		fprintf(stream, "  %-10s %s\n", op_commands[i].name,
		    op_commands[i].summary);
	}
}
