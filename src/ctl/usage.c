/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What --help says.
 */
#include "ctl/usage.h"

#include "ctl/dynbuf.h"
#include "ctl/exec.h"

#define GLOBAL "[-j] [-d DIR] [-t TIMEOUT] [--node ID] [--hex]"

static void add_command(struct dynbuf *, const char *, const struct command *);
static int print(struct dynbuf *);

int
usage_print(void)
{
	struct dynbuf text = { 0 };
	size_t i;

	dynbuf_printf(&text, "usage: raftctl " GLOBAL " COMMAND ...\n");
	for (i = 0; command_table[i] != NULL; i++) {
		add_command(&text, "       ", command_table[i]);
	}
	dynbuf_printf(&text, "       raftctl " GLOBAL " [-P N]\n"
			     "       raftctl --help | --version\n");
	return print(&text);
}

int
usage_print_command(const struct command *command)
{
	struct dynbuf text = { 0 };

	add_command(&text, "usage: ", command);
	return print(&text);
}

int
usage_print_version(void)
{
	struct dynbuf text = { 0 };

	dynbuf_printf(&text, "raftctl " PACKAGE_VERSION "\n");
	return print(&text);
}

static void
add_command(
    struct dynbuf *text, const char *lead, const struct command *command)
{
	dynbuf_printf(text, "%sraftctl %s%s%s\n", lead, command->name,
	    command->synopsis[0] != '\0' ? " " : "", command->synopsis);
}

static int
print(struct dynbuf *text)
{
	int status = exec_write(text->data, text->size);

	dynbuf_fini(text);
	return status;
}
