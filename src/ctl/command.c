/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of commands.
 */
#include "ctl/command.h"

#include <string.h>
#include <strings.h>

#include "base/options.h"

const struct command *const command_table[] = {
	&set_command,
	&get_command,
	&del_command,
	&cas_command,
	&incr_command,
	&append_command,
	&list_command,
	&count_command,
	&noop_command,
	&submit_command,
	&outcome_command,
	&txn_command,
	&watch_command,
	&lock_command,
	&bench_command,
	NULL,
};

const struct command *
command_find(const struct bytes_word *word, bool is_line, struct err_buf *err)
{
	const char *names[COUNT_OF(command_table)];
	char text[WORD_TEXT_SIZE];
	const struct command *command;
	size_t count;
	int found;

	word_text(word, text);
	for (count = 0; command_table[count] != NULL; count++) {
		command = command_table[count];
		if (command->alias != NULL &&
		    strcasecmp(text, command->alias) == 0) {
			return command;
		}
		names[count] = command->name;
	}
	found = options_word("command", text, names, count, err);
	if (found < 0) {
		return NULL;
	}
	command = command_table[found];
	if (is_line && command->run != NULL && !command->in_lines) {
		err_set(err, ERR_USAGE, "%s is not available in line mode",
		    command->name);
		return NULL;
	}
	return command;
}
