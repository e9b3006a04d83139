/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands, and what all of them share.
 */
#include "op/op.h"

#include <bsd/string.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/options.h"
#include "client/dir.h"
#include "sup/control.h"

#define ORDER_TIME_NS	(10 * CLOCK_NS_PER_S)
#define WAIT_NS		(30 * CLOCK_NS_PER_S)
#define LONG_OPTIONS_MAX 24

enum { OPTION_HELP = 1000 };

const struct op_command op_commands[] = {
	{ "start",
	    "[-n NODES] [-f] [--durability power|process]\n"
	    "[--election-timeout MIN-MAX] [--heartbeat T] [--lease T]\n"
	    "[--log info|rpc] [--no-restart] [--no-death-hint]\n"
	    "[--clients N] [--seed N] [--wait T] [--accept-loss]\n"
	    "[--export DIR] [--force-new-cluster ID [--yes]] [-j]\0"
	    "IDS\0",
	    "start the cluster, or nodes that are held down", op_start },
	{ "stop", "[IDS]\0",
	    "stop the cluster, or hold nodes down; data is kept", op_stop },
	{ "status", "[-j] [-w]\0", "what every node does", op_status },
	{ "kill", "IDS [-s SIGNAL] [--hold]\0",
	    "send a signal to nodes, SIGKILL by default", op_kill },
	{ "pause", "IDS\0", "stop nodes as they are (SIGSTOP)", op_pause },
	{ "resume", "IDS\0", "let paused nodes go on", op_resume },
	{ "restart", "IDS\0", "end nodes cleanly and start them again",
	    op_restart },
	{ "timeout", "IDS\0", "fire election timers now, all at once",
	    op_timeout },
	{ "add", "[-j] [-t T] [--learner] [IDS]\0",
	    "add nodes to the running cluster", op_add },
	{ "remove", "[-j] [-t T] IDS\0", "take nodes out of the cluster",
	    op_remove },
	{ "refill", "[-j] [-t T] ID\0",
	    "begin a node's store anew, from the others", op_refill },
	{ "transfer", "[-j] [-t T] ID\0", "move the leadership to a node",
	    op_transfer },
	{ "snapshot", "[-j] [-t T] [IDS]\0",
	    "checkpoint now and compact the log", op_snapshot },
	{ "partition", "[-j] GROUP/GROUP...\0",
	    "let groups of nodes not hear each other: 1,2/3,4,5",
	    op_partition },
	{ "net",
	    "[-j] [LINKS [--loss P] [--delay MIN-MAX] [--dup P] [--reorder P]\n"
	    "[--cut] [--seed N]]\0",
	    "faults of links: 1:2, 1-2, all; alone: what is set", op_net },
	{ "heal", "[-j]\0", "end all faults of net and partition", op_heal },
	{ "disk",
	    "[-j] IDS [--delay T] [--fail append|sync|full]\0"
	    "[-j] IDS --heal\0",
	    "slow or failing disks of nodes", op_disk },
	{ "log", "[-f] [-j] [--kind KIND] [--recorder] [--debug] [IDS]\0",
	    "the event logs, merged by time", op_log },
	{ "loglevel", "info|rpc [IDS]\0", "how much nodes write down",
	    op_loglevel },
	{ "entries", "[-f] [IDS] [FIRST-LAST]\0",
	    "the replicated logs side by side", op_entries },
	{ "backup", "[-j] [-t T] FILE\0",
	    "write the contents of the cluster into a file", op_backup },
	{ "restore", "[-j] [-n NODES] [--durability power|process] FILE\0",
	    "make a new cluster of a backup", op_restore },
	{ "counters", "[-j] [IDS]\0", "messages, syncs, wakes, bytes",
	    op_counters },
	{ "export", "[-f|-j] [IDS] DIR\0",
	    "logs, state and events of every node as text files", op_export },
	{ "scenario",
	    "[--list] [--timing fast|lab|slow] [--log info|rpc] [-j]\n"
	    "[NAME ...|all]\0",
	    "break a cluster of its own in a known way, and check it",
	    op_scenario },
	{ "torture",
	    "[--time T] [--seed N] [-n NODES] [--clients N]\n"
	    "[--faults LIST] [--durability power|process] [--attach] [-j]\0",
	    "clients, random faults, and a verdict on what they saw",
	    op_torture },
	{ "top", "[-i T] [--once [--size COLUMNSxROWS]]\0",
	    "nodes and events on a screen, with keys to break them", op_top },
	{ "draw",
	    "[--from T] [--to T] [--title TEXT] [--no-heartbeats] FILE\0",
	    "an event log or a trace of raftsim as an SVG picture", op_draw },
};
const size_t op_command_count = COUNT_OF(op_commands);

static const struct op_command *find_command(const struct op *);

int
op_fail(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("raftsup: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

int
op_fail_code(int code, const struct err_buf *err)
{
	/* A file that is not there is no answer to what was asked. */
	return op_fail(err_exit_status(code == ERR_NOT_FOUND ? ERR_IO : code),
	    "%s", err->text[0] != '\0' ? err->text : err_text(code));
}

int
op_option(struct op *op, const char *letters, const struct option *more,
    const char **argument, int *status)
{
	struct option options[LONG_OPTIONS_MAX] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, OPTION_HELP },
	};
	char all[64];
	size_t i;
	int letter;

	for (i = 0; more != NULL && more[i].name != NULL; i++) {
		options[2 + i] = more[i];
	}
	/* ':' first: we say it ourselves. */
	snprintf(all, sizeof(all), ":d:h%s", letters);
	opterr = 0;
	letter = getopt_long(op->argc, op->argv, all, options, NULL);
	switch (letter) {
	case 'd':
		op->dir = optarg;
		return op_option(op, letters, more, argument, status);
	case 'h':
	case OPTION_HELP:
		op_print_usage(find_command(op), stdout);
		*status = 0;
		return OP_DONE;
	case ':':
		*status = op_fail(64, "%s: %s needs an argument", op->name,
		    op->argv[optind - 1]);
		return OP_DONE;
	case '?':
		*status = op_fail(64, "%s: %s is not an option of this "
		    "command (raftsup %s --help lists them)", op->name,
		    op->argv[optind - 1], op->name);
		return OP_DONE;
	default:
		*argument = optarg;
		return letter;
	}
}

int
op_wait_options(struct op *op, uint64_t *end_ns, bool *json, int *status)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t wait_ns = WAIT_NS;
	const char *argument;
	struct err_buf err;
	int letter;

	*json = false;
	while ((letter = op_option(op, "t:j", long_options, &argument,
	    status)) != -1) {
		if (letter == OP_DONE) {
			return OP_DONE;
		}
		if (letter == 'j') {
			*json = true;
		} else if (options_time("-t", argument, CLOCK_NS_PER_MS,
		    60 * 60 * CLOCK_NS_PER_S, &wait_ns, &err) != ERR_OK) {
			*status = op_fail(64, "%s", err.text);
			return OP_DONE;
		}
	}
	*end_ns = clock_now_ns() + wait_ns;
	return 0;
}

int
op_json_option(struct op *op, bool *json, int *status)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	const char *argument;
	int letter;

	*json = false;
	while ((letter = op_option(op, "j", long_options, &argument,
	    status)) != -1) {
		if (letter == OP_DONE) {
			return OP_DONE;
		}
		*json = true;
	}
	return 0;
}

int
op_operands(void)
{
	return optind;
}

void
op_print_usage(const struct op_command *command, void *stream)
{
	const char *form = command->synopsis, *line;
	size_t length;
	bool first = true;

	/* The first form may be the command alone. */
	for (; first || *form != '\0'; form += strlen(form) + 1) {
		fprintf(stream, "%s raftsup [-d DIR] %s",
		    first ? "usage:" : "      ", command->name);
		for (line = form; ; line += length + 1) {
			length = strcspn(line, "\n");
			fprintf(stream, "%s%s%.*s", line == form ? "" :
			    "\n             ", length == 0 ? "" : " ",
			    (int)length, line);
			if (line[length] == '\0') {
				break;
			}
		}
		fputc('\n', stream);
		first = false;
	}
}

int
op_dir(const struct op *op, char *dir, size_t size, struct err_buf *err)
{
	char asked[DIR_SIZE_MAX], real[PATH_MAX];
	const char *path = asked;
	int result;

	result = dir_resolve(asked, op->dir, err);
	if (result != ERR_OK) {
		return result;
	}
	if (realpath(asked, real) != NULL) {
		path = real;
	} else {
		result = err_set_errno(err, "%s", asked);
	}
	if (strlcpy(dir, path, size) >= size) {
		return err_set(err, ERR_USAGE, "path too long: %.64s", path);
	}
	return result;
}

bool
op_has_color(void)
{
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (no == NULL || *no == '\0');
}

int
op_print_json(json_t *root)
{
	return op_print_json_to(stdout, root);
}

int
op_print_json_to(void *stream, json_t *root)
{
	char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT |
	    JSON_REAL_PRECISION(12));

	json_decref(root);
	if (text == NULL) {
		return op_fail(70, "no JSON of this: a path that is not UTF-8,"
		    " or no memory");
	}
	fprintf(stream, "%s\n", text);
	free(text);
	return fflush(stream) == 0 ? 0 : op_fail(74, "cannot write");
}

/* By way of our own writer, which knows what to do with any bytes. */
json_t *
op_json_text(const char *text)
{
	char *quoted = NULL;
	json_t *value = NULL;
	struct json json;
	size_t size = 0;
	FILE *stream;

	stream = open_memstream(&quoted, &size);
	if (stream == NULL) {
		return NULL;
	}
	json_init(&json, stream);
	json_put_string(&json, NULL, text);
	if (fclose(stream) == 0) {
		value = json_loadb(quoted, size, JSON_DECODE_ANY, NULL);
	}
	free(quoted);
	return value;
}

int
op_order(const char *dir, const char *verb, uint32_t ids, const char *word,
    bool quiet)
{
	char request[CONTROL_REQUEST_SIZE];

	op_order_text(request, sizeof(request), verb, ids, word);
	return op_request(dir, request, quiet);
}

void
op_order_text(char *text, size_t size, const char *verb, uint32_t ids,
    const char *word)
{
	char list[128] = "";
	uint32_t id;

	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) != 0) {
			snprintf(list + strlen(list),
			    sizeof(list) - strlen(list), "%s%u",
			    list[0] == '\0' ? "" : ",", id);
		}
	}
	snprintf(text, size, "%s %s %s", verb, list, word);
}

int
op_request(const char *dir, const char *request, bool quiet)
{
	char text[CONTROL_REPLY_SIZE], *part, *rest = text;
	struct err_buf err;
	int status;

	status = control_ask(dir, request, ORDER_TIME_NS, text, sizeof(text),
	    &err);
	if (status == ERR_NOT_FOUND) {
		return op_fail(69, "no supervisor is running in %s (raftsup"
		    " start adopts the nodes)", dir);
	}
	if (status < 0) {
		return op_fail_code(status, &err);
	}
	if (status == 0 && quiet) {
		return 0;
	}
	while ((part = strsep(&rest, ";")) != NULL) {
		part += strspn(part, " ");
		if (status != 0) {
			op_fail(status, "%s", part);
		} else {
			puts(part);
		}
	}
	return status;
}

static const struct op_command *
find_command(const struct op *op)
{
	size_t i;

	for (i = 0; i < op_command_count; i++) {
		if (strcmp(op_commands[i].name, op->name) == 0) {
			return &op_commands[i];
		}
	}
	abort();
}
