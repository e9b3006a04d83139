/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the command line to one of the three ways in.
 */
#include "ctl/ctl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/dynbuf.h"
#include "ctl/command.h"
#include "ctl/exec.h"
#include "ctl/line.h"
#include "ctl/settings.h"
#include "ctl/shell.h"
#include "ctl/usage.h"

static int run(const struct bytes_word *, size_t);
static int run_lines(struct settings *);
static int refuse(const struct err_buf *);

int
ctl_main(int argc, char **argv)
{
	struct bytes_word *words;
	size_t count = argc > 1 ? (size_t)argc - 1 : 0, i;
	int status;

	log_init("raftctl");
	/* A reader that goes away is an error of write(2). */
	signal(SIGPIPE, SIG_IGN);

	words = dynbuf_calloc(count + 1, sizeof(*words));
	for (i = 0; i < count; i++) {
		words[i].data = (const uint8_t *)argv[i + 1];
		words[i].size = strlen(argv[i + 1]);
	}
	status = run(words, count);
	free(words);
	return status;
}

static int
run(const struct bytes_word *words, size_t count)
{
	struct settings settings = { 0 };
	const struct word_option *option;
	const struct command *command;
	struct word_parser parser;
	const char *argument;
	struct err_buf err;
	int result;

	word_parser_init(&parser, words, count, false, NULL, settings_options);
	while ((result = word_parser_next(&parser, &option, &argument, &err)) >
	       0) {
		if (settings_set(&settings, option, argument, &err) != 0) {
			return refuse(&err);
		}
		if (settings.help) {
			return usage_print();
		}
		if (settings.version) {
			return usage_print_version();
		}
	}
	if (result < 0) {
		return refuse(&err);
	}
	if (parser.position == count) {
		return run_lines(&settings);
	}
	words += parser.position;
	count -= parser.position;
	command = command_find(&words[0], false, &err);
	if (command == NULL) {
		return refuse(&err);
	}
	if (command->run != NULL) {
		return command->run(&settings, words + 1, count - 1);
	}
	return exec_once(command, &settings, words + 1, count - 1);
}

static int
run_lines(struct settings *settings)
{
	struct err_buf err;

	if (settings->file != NULL) {
		err_set(&err, ERR_USAGE,
		    "--file is for a VALUE of one command (set, append,"
		    " cas, submit)");
		return refuse(&err);
	}
	if (isatty(STDIN_FILENO)) {
		return shell_run(settings);
	}
	return line_run(settings);
}

static int
refuse(const struct err_buf *err)
{
	log_warnx("%s", err->text);
	return err_exit_status(ERR_USAGE);
}
