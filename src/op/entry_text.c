/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes of any kind have a text, also those that this version does not know.
 */
#include "op/entry_text.h"

#include <stdio.h>
#include <string.h>

#include <bsd/string.h>

#include "base/err.h"
#include "kv/kv.h"

void
entry_text(const struct raft_entry *entry, char *text, size_t size)
{
	struct raft_configuration configuration;
	struct kv_command command;
	uint32_t i;
	size_t length;

	if (entry->type == RAFT_ENTRY_NOOP) {
		strlcpy(text, "NO-OP", size);
	} else if (entry->type == RAFT_ENTRY_CONFIGURATION &&
	    raft_configuration_decode(&configuration, entry->data,
	    entry->size) == ERR_OK) {
		strlcpy(text, "CONFIG", size);
		for (i = 0; i < configuration.count; i++) {
			length = strlen(text);
			snprintf(text + length, size - length, "%s%u%s",
			    i == 0 ? " " : ",", configuration.servers[i].id,
			    configuration.servers[i].suffrage == RAFT_LEARNER ?
			    "?" : "");
		}
	} else if (entry->type == RAFT_ENTRY_COMMAND &&
	    kv_command_decode(&command, entry->data, entry->size) == ERR_OK) {
		kv_command_describe(&command, text, size);
	} else {
		snprintf(text, size, "(%u bytes of another kind)",
		    entry->size);
	}
}
