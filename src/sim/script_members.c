/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scripts: the verbs of membership and transfers.  They are in the table of
 * script_verbs.c.
 */
#include <inttypes.h>
#include <string.h>

#include "raft/core.h"
#include "raft/quorum.h"
#include "sim/script.h"

static const char *const kinds[] = {
	[RAFT_CHANGE_ADD] = "add",
	[RAFT_CHANGE_LEARNER] = "learner",
	[RAFT_CHANGE_VOTER] = "voter",
	[RAFT_CHANGE_REMOVE] = "remove",
	[RAFT_CHANGE_REPLACE] = "replace",
};

int
script_voters(struct script *script, char **words, int count UNUSED)
{
	uint64_t voters;
	uint32_t id;
	int code = script_number(script, "voters", words[1], 1,
	    script->plan.nodes, &voters);

	for (id = 1; id <= script->plan.nodes && code == ERR_OK; id++) {
		if (sim_node(script->world, id)->run != 0) {
			code = script_bad(script, ERR_USAGE, "node %" PRIu32
			    " was started already", id);
		}
	}
	if (code == ERR_OK) {
		script->world->plan.voters = (uint32_t)voters;
	}
	return code;
}

static int
change_of(struct script *script, const struct sim_node *at, char **words,
    struct raft_change *change)
{
	const struct raft_server *member;
	struct sim_node *node;
	size_t i;
	int code = script_node(script, words[1], &node);

	if (code != ERR_OK) {
		return code;
	}
	for (i = RAFT_CHANGE_ADD; i < COUNT_OF(kinds); i++) {
		if (strcmp(words[0], kinds[i]) == 0) {
			break;
		}
	}
	if (i == COUNT_OF(kinds)) {
		return script_bad(script, ERR_USAGE, "%s is not a kind of "
		    "change (add, learner, voter, remove, replace)",
		    words[0]);
	}
	*change = (struct raft_change){
		.type = (enum raft_change_type)i, .id = node->id,
		.store_id = node->store_id,
	};
	member = quorum_server(configuration(at->raft), node->id);
	if (i == RAFT_CHANGE_REMOVE && member != NULL) {
		change->store_id = member->store_id;
	}
	return ERR_OK;
}

int
script_change(struct script *script, char **words, int count)
{
	struct raft_change changes[SCRIPT_CHANGES_MAX];
	struct sim_node *node;
	uint32_t made = 0;
	int code = script_live(script, words[1], &node), i;

	if (code == ERR_OK && count % 2 != 0) {
		code = script_bad(script, ERR_USAGE, "change: a kind without "
		    "a node");
	}
	for (i = 2; i + 1 < count && code == ERR_OK; i += 2) {
		code = change_of(script, node, words + i, &changes[made++]);
	}
	if (code == ERR_OK) {
		(void)sim_member_change(node, changes, made);
	}
	return code;
}

int
script_transfer(struct script *script, char **words, int count)
{
	struct raft_status status;
	struct sim_node *node, *to = NULL;
	int code = script_live(script, words[1], &node);

	if (code == ERR_OK && count > 2) {
		code = script_node(script, words[2], &to);
	}
	if (code == ERR_OK && sim_member_transfer(node,
	    to != NULL ? to->id : 0) != ERR_OK && node->raft != NULL) {
		raft_status(node->raft, &status);
		script_tell(script, "refused: %s", status.refused);
	}
	return code;
}

int
script_members(struct script *script, char **words UNUSED, int count UNUSED)
{
	struct raft_status status;
	const struct sim_node *node;
	char text[200];
	uint32_t id;

	for (id = 1; id <= script->plan.nodes; id++) {
		node = sim_node(script->world, id);
		if (node->raft == NULL) {
			script_tell(script, "%" PRIu32 " down", id);
			continue;
		}
		raft_status(node->raft, &status);
		script_tell(script, "%" PRIu32 " %s entry %" PRIu64 ": %s%s%s",
		    id, raft_role_name(status.role),
		    status.configuration.index,
		    narrate_configuration(&status.configuration, text,
		    sizeof(text)),
		    status.configuration_committed ? "" : ", not committed",
		    status.removed ? ", taken out" : "");
	}
	return ERR_OK;
}
