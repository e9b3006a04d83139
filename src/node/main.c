/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftnode: one node, started by raftsup; alone it offers offline tools on a
 * node's directory.  See raftnode(8).
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/options.h"
#include "node/offline.h"
#include "node/serve.h"

static const char *const command_names[] = {
    "serve",
    "dump",
    "check",
    "compact",
};

static int (*const command_functions[])(int, char **) = {
    node_serve,
    offline_dump,
    offline_check,
    offline_compact,
};

static void	usage(FILE *);

int
main(int argc, char **argv)
{
	struct err_buf err;
	int which;

	log_init("raftnode");
	if (argc < 2) {
		usage(stderr);
		return err_exit_status(ERR_USAGE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("raftnode %s\n", PACKAGE_VERSION);
		return 0;
	}
	which = options_word("command", argv[1], command_names,
	    COUNT_OF(command_names), &err);
	if (which < 0) {
		log_warnx("%s", err.text);
		return err_exit_status(ERR_USAGE);
	}
	return command_functions[which](argc - 1, argv + 1);
}

static void
usage(FILE *out)
{
	fputs("usage: raftnode serve --segment NAME --slot SLOT "
	    "--dir NODE_DIR\n" OFFLINE_USAGE, out);
}
