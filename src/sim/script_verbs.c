/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scripts: the verbs, one function each, and the table of them.  A new verb
 * goes into the table and into raftsim(1).
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "raft/core.h"
#include "sim/script.h"

#define MS_MAX		UINT64_C(10000000)	/* of one verb */
#define PATIENCE_NS	(10000 * SIM_MS)	/* of elect and settle */

int
script_number(struct script *script, const char *what, const char *word,
    uint64_t min, uint64_t max, uint64_t *value)
{
	struct err_buf err = { "" };

	return options_u64(what, word, min, max, value, &err) == ERR_OK ?
	    ERR_OK : script_bad(script, ERR_USAGE, "%s", err.text);
}

/* A number, or `leader`. */
int
script_node(struct script *script, const char *word, struct sim_node **node)
{
	uint64_t id = sim_leader(script->world);
	int code = ERR_OK;

	if (strcmp(word, "leader") != 0) {
		code = script_number(script, "node", word, 1,
		    script->plan.nodes,
		    &id);
	} else if (id == 0) {
		code = script_bad(script, ERR_USAGE, "there is no leader");
	}
	if (code == ERR_OK) {
		*node = sim_node(script->world, (uint32_t)id);
	}
	return code;
}

/* A node that is up. */
int
script_live(struct script *script, const char *word, struct sim_node **node)
{
	int code = script_node(script, word, node);

	if (code == ERR_OK && (*node)->raft == NULL) {
		code = script_bad(script, ERR_USAGE, "node %s is down", word);
	}
	return code;
}

/* One that was never started. */
static int
new_of(struct script *script, const char *word, struct sim_node **node)
{
	int code = script_node(script, word, node);

	if (code == ERR_OK && (*node)->run != 0) {
		code = script_bad(script, ERR_USAGE, "node %s was started "
		    "already", word);
	}
	return code;
}

static int
on_or_off(struct script *script, const char *word, bool *on)
{
	*on = strcmp(word, "on") == 0;
	return *on || strcmp(word, "off") == 0 ? ERR_OK :
	    script_bad(script, ERR_USAGE, "%s is neither on nor off", word);
}

/* One event at a node, now. */
void
script_step(struct script *script, struct sim_node *node,
    struct raft_event *event)
{
	if (script->steps > 0) {
		script->steps--;
	}
	sim_node_step(node, event);
	sim_node_settle(node);
}

/* False: nothing more up to that time, or enough was done. */
static bool
next(struct script *script, uint64_t until_ns)
{
	if (script->world->failed || script->steps == 0 ||
	    script->story.size >= SCRIPT_STORY_MAX) {
		return false;
	}
	script->steps--;
	return sim_world_next(script->world, until_ns);
}

static void
on_read(struct sim_world *world, const struct raft_read *read)
{
	struct script *script = world->options.told_arg;

	if (read->result == ERR_OK) {
		script_tell(script, "read %" PRIu64 ": at %" PRIu64, read->id,
		    read->index);
	} else {
		script_tell(script, "read %" PRIu64 ": %s", read->id,
		    err_text(read->result));
	}
}

/* ---------------------------------------------------- before the start */

static int
verb_nodes(struct script *script, char **words, int count UNUSED)
{
	uint64_t nodes;
	int code = script_number(script, "nodes", words[1], 1, SIM_NODES_MAX,
	    &nodes);

	if (code != ERR_OK) {
		return code;
	}
	script->plan = (struct sim_plan){
		.nodes = (uint32_t)nodes, .voters = (uint32_t)nodes,
		.by_hand = true,
		.heartbeat_ns = 100 * SIM_MS,
		.election_min_ns = 500 * SIM_MS,
		.election_max_ns = 1000 * SIM_MS,
		.delay_min_ns = SIM_MS, .delay_max_ns = SIM_MS,
		.disk_min_ns = SIM_MS, .disk_max_ns = SIM_MS,
		.checkpoint_entries = 4,
		.restart_max_ns = SIM_MS,
	};
	sim_world_open(script->world, &script->options, &script->plan);
	script->world->on_read = on_read;
	script->has_nodes = true;
	return ERR_OK;
}

#define COMMAND_SIZE	64

/* A command that changes nothing; its stamp tells it from others. */
static void
command_entry(struct raft_entry *entry, uint8_t bytes[COMMAND_SIZE],
    uint64_t stamp_ns)
{
	struct kv_command command = {
		.op = KV_OP_NOOP, .stamp_ns = stamp_ns,
	};
	int size = kv_command_encode(&command, bytes, COMMAND_SIZE);

	assert(size > 0);
	entry->type = RAFT_ENTRY_COMMAND;
	entry->size = (uint32_t)size;
	entry->data = bytes;
	entry->checksum = raft_entry_checksum(entry->type, bytes,
	    entry->size);
}

/* An entry that is the same wherever its index and term are. */
static void
log_add(struct script *script, struct sim_node *node, uint64_t term)
{
	struct raft_entry entry = {
		.index = node->disk.log.count + 1, .term = term,
	};

	command_entry(&entry, sim_alloc(script->world, COMMAND_SIZE),
	    term * 1000 + entry.index);
	sim_log_append(&node->disk.log, &entry);
	sim_log_append(&node->log, &entry);
	sim_check_matching(node, &node->log.entries[entry.index - 1], 1);
}

/* No run leads to two logs with the same entry after different ones. */
static int
matches_others(struct script *script, const struct sim_node *node,
    uint64_t term)
{
	const struct sim_log *log = &node->disk.log, *other;
	uint64_t index = log->count + 1;
	uint32_t id;

	for (id = 1; id <= script->plan.nodes; id++) {
		other = &script->world->nodes[id - 1].disk.log;
		if (id != node->id && other->count >= index &&
		    sim_log_term(other, index) == term &&
		    sim_log_term(other, index - 1) !=
		    sim_log_term(log, index - 1)) {
			return script_bad(script, ERR_USAGE, "no run gives "
			    "nodes %u and %u both an entry %llu of term %llu "
			    "after different ones", id, node->id,
			    (unsigned long long)index,
			    (unsigned long long)term);
		}
	}
	return ERR_OK;
}

static int
verb_log(struct script *script, char **words, int count)
{
	struct sim_node *node;
	uint64_t term, last = 1;
	int code = new_of(script, words[1], &node), i;

	if (code == ERR_OK && node->disk.log.count > 0) {
		code = script_bad(script, ERR_USAGE, "node %s has a log "
		    "already", words[1]);
	}
	for (i = 2; i < count && code == ERR_OK; i++) {
		code = script_number(script, "term", words[i], last,
		    SCRIPT_NUMBER_MAX, &term);
		if (code == ERR_OK) {
			code = matches_others(script, node, term);
		}
		if (code == ERR_OK) {
			last = term;
			log_add(script, node, term);
			node->disk.hard_state.term = term;
		}
	}
	if (code == ERR_OK) {
		sim_journal_reset(node);
	}
	return code;
}

static int
verb_term(struct script *script, char **words, int count)
{
	struct sim_node *node;
	uint64_t term, vote = 0;
	int code = new_of(script, words[1], &node);

	if (code == ERR_OK) {
		code = script_number(script, "term", words[2], sim_log_term(
		    &node->disk.log, node->disk.log.count),
		    SCRIPT_NUMBER_MAX, &term);
	}
	if (code == ERR_OK && count > 3) {
		code = script_number(script, "node", words[3], 1,
		    script->plan.nodes, &vote);
	}
	if (code != ERR_OK) {
		return code;
	}
	node->disk.hard_state = (struct raft_hard_state){
		.term = term, .vote = (uint32_t)vote,
	};
	sim_journal_reset(node);
	if (vote != 0) {
		sim_check_asked(sim_node(script->world, (uint32_t)vote),
		    term);
		sim_check_vote(node, term, (uint32_t)vote);
	}
	return ERR_OK;
}

/* A limit of nodes that are started from here on. */
static int
verb_limit(struct script *script, char **words, int count UNUSED)
{
	struct sim_plan *plan = &script->world->plan;
	uint64_t value;
	int code = script_number(script, words[0], words[1], 1,
	    SCRIPT_NUMBER_MAX, &value);

	if (code != ERR_OK) {
		return code;
	}
	if (strcmp(words[0], "entries") == 0) {
		plan->append_entries_max = (uint32_t)value;
	} else if (strcmp(words[0], "inflight") == 0) {
		plan->inflight_messages_max = (uint32_t)value;
	} else if (strcmp(words[0], "uncommitted") == 0) {
		plan->uncommitted_bytes_max = (uint32_t)value;
	} else if (strcmp(words[0], "trailing") == 0) {
		plan->trailing_entries = value;
	} else if (strcmp(words[0], "chunk") == 0) {
		plan->chunk_bytes = (uint32_t)value;
	} else if (strcmp(words[0], "snapshots") == 0) {
		plan->snapshot_entries = value;
	} else {
		plan->checkpoint_entries = value;
	}
	return ERR_OK;
}

/* --------------------------------------------------------------- nodes */

static int
start_one(struct script *script, struct sim_node *node)
{
	if (node->raft != NULL) {
		return script_bad(script, ERR_USAGE, "node %" PRIu32 " is up "
		    "already", node->id);
	}
	sim_node_start(node);
	return ERR_OK;
}

static int
verb_start(struct script *script, char **words, int count)
{
	struct sim_node *node;
	int code = ERR_OK, i;
	uint32_t id;

	if (count == 1) {
		for (id = 1; id <= script->plan.nodes; id++) {
			if (sim_node(script->world, id)->raft == NULL) {
				sim_node_start(sim_node(script->world, id));
			}
		}
	}
	for (i = 1; i < count && code == ERR_OK; i++) {
		code = script_node(script, words[i], &node);
		if (code == ERR_OK) {
			code = start_one(script, node);
		}
	}
	return code;
}

/* Verbs that do one thing to each of several nodes that are up. */
static int
verb_each(struct script *script, char **words, int count)
{
	struct raft_event timeout = { .type = RAFT_EVENT_TIMEOUT };
	struct raft_event tick = { .type = RAFT_EVENT_TICK };
	const char *verb = words[0];
	struct sim_node *node;
	int code, i;

	for (i = 1; i < count; i++) {
		code = script_live(script, words[i], &node);
		if (code != ERR_OK) {
			return code;
		}
		if (strcmp(verb, "crash") == 0 ||
		    strcmp(verb, "crash-kept") == 0) {
			node->disk.keeps = verb[5] != '\0';
			sim_node_crash(node);
		} else if (strcmp(verb, "pause") == 0) {
			node->paused_until_ns = UINT64_MAX;
		} else if (node->paused_until_ns != 0) {
			return script_bad(script, ERR_USAGE, "node %s is "
			    "paused", words[i]);
		} else if (strcmp(verb, "timeout") == 0) {
			script_step(script, node, &timeout);
		} else if (strcmp(verb, "snapshot") == 0) {
			sim_snap_want(node);
			sim_node_settle(node);
		} else {
			node->raft->election_deadline_ns =
			    sim_clock(script->world);
			script_step(script, node, &tick);
		}
	}
	return ERR_OK;
}

static int
verb_resume(struct script *script, char **words, int count)
{
	struct sim_node *node;
	int code = ERR_OK, i;
	uint32_t id;

	for (id = 1; id <= script->plan.nodes && count == 1; id++) {
		sim_world_resume(script->world, id);
	}
	for (i = 1; i < count && code == ERR_OK; i++) {
		code = script_live(script, words[i], &node);
		if (code == ERR_OK) {
			sim_world_resume(script->world, node->id);
		}
	}
	return code;
}

/* Everyone learns that the last run of a node is dead. */
static int
verb_dead(struct script *script, char **words, int count)
{
	struct raft_event event = { .type = RAFT_EVENT_PEER_DEAD };
	struct sim_node *node, *other;
	uint64_t apart = 10;
	uint32_t id;
	int code = script_node(script, words[1], &node);

	if (code == ERR_OK && (node->raft != NULL || node->run == 0)) {
		code = script_bad(script, ERR_USAGE, "node %s is not dead",
		    words[1]);
	}
	if (code == ERR_OK && count > 2) {
		code = script_number(script, "milliseconds", words[2], 0,
		    SCRIPT_NUMBER_MAX, &apart);
	}
	for (id = 1; id <= script->plan.nodes && code == ERR_OK; id++) {
		other = sim_node(script->world, id);
		if (other->raft == NULL || other->paused_until_ns != 0) {
			continue;
		}
		event.peer_dead.id = node->id;
		event.peer_dead.run = node->run;
		event.peer_dead.delay_ns = (1 + (id - 1) * apart) * SIM_MS;
		script_step(script, other, &event);
	}
	return code;
}

static int
verb_step_down(struct script *script, char **words, int count UNUSED)
{
	struct raft_event event = {
		.type = RAFT_EVENT_STEP_DOWN, .reason = "told to by a script",
	};
	struct sim_node *node;
	int code = script_live(script, words[1], &node);

	if (code == ERR_OK) {
		script_step(script, node, &event);
	}
	return code;
}

static int
verb_propose(struct script *script, char **words, int count)
{
	struct sim_node *node;
	uint64_t times = 1;
	int code = script_live(script, words[1], &node), result;

	if (code == ERR_OK && count > 2) {
		code = script_number(script, "count", words[2], 1, 10000,
		    &times);
	}
	for (; times > 0 && code == ERR_OK && node->raft != NULL &&
	    !script->world->failed; times--) {
		struct raft_event event = { .type = RAFT_EVENT_PROPOSE };
		struct raft_entry entry = { .index = 0 };
		uint8_t bytes[COMMAND_SIZE];

		command_entry(&entry, bytes, ++script->proposed);
		event.propose.entries = &entry;
		event.propose.count = 1;
		sim_node_step(node, &event);
		result = script->world->update->result;
		sim_node_settle(node);
		if (result != ERR_OK) {
			script_tell(script, "propose: %s", err_text(result));
		}
	}
	return code;
}

static int
verb_read(struct script *script, char **words, int count UNUSED)
{
	struct raft_event event = { .type = RAFT_EVENT_READ };
	struct sim_node *node;
	int code = script_live(script, words[1], &node), result;

	if (code == ERR_OK) {
		code = script_number(script, "number", words[2], 0,
		    SCRIPT_NUMBER_MAX, &event.read.id);
	}
	if (code != ERR_OK) {
		return code;
	}
	sim_node_step(node, &event);
	result = script->world->update->result;
	sim_node_settle(node);
	if (result != ERR_OK) {
		script_tell(script, "read %" PRIu64 ": %s", event.read.id,
		    err_text(result));
	}
	return ERR_OK;
}

/* ---------------------------------------------------------------- time */

static int
verb_run(struct script *script, char **words, int count UNUSED)
{
	uint64_t ms, until;
	int code = script_number(script, "milliseconds", words[1], 0, MS_MAX,
	    &ms);

	if (code == ERR_OK) {
		until = script->world->now_ns + ms * SIM_MS;
		while (next(script, until)) {
		}
	}
	return code;
}

static bool
is_elected(struct sim_world *world)
{
	uint32_t leader = sim_leader(world);

	return leader != 0 && raft_is_ready(sim_node(world, leader)->raft);
}

static bool
is_settled(struct sim_world *world)
{
	uint32_t id = sim_leader(world);
	const struct sim_node *leader, *node;

	if (id == 0) {
		return false;
	}
	leader = sim_node(world, id);
	if (!raft_is_ready(leader->raft) ||
	    leader->applied_index != leader->log.count) {
		return false;
	}
	for (id = 1; id <= world->plan.nodes; id++) {
		node = sim_node(world, id);
		if (node->raft != NULL && node->paused_until_ns == 0 &&
		    sim_is_member(leader, node) &&
		    (node->log.count != leader->log.count ||
		    node->applied_index != node->log.count)) {
			return false;
		}
	}
	return true;
}

/* Runs until it is so; false: it is not, for long. */
static bool
wait_until(struct script *script, bool (*is_so)(struct sim_world *))
{
	uint64_t until = script->world->now_ns + PATIENCE_NS;

	do {
		if (is_so(script->world)) {
			return true;
		}
	} while (next(script, until));
	return false;
}

static int
verb_elect(struct script *script, char **words UNUSED, int count UNUSED)
{
	if (!wait_until(script, is_elected)) {
		script_tell(script, "no leader");
	}
	return ERR_OK;
}

static int
verb_settle(struct script *script, char **words UNUSED, int count UNUSED)
{
	script_tell(script, "%s", wait_until(script, is_settled) ?
	    "all logs are equal and committed" : "it does not settle");
	return ERR_OK;
}

/* --------------------------------------------------------------- story */

static int
verb_rpc(struct script *script, char **words, int count UNUSED)
{
	bool on;
	uint32_t id;
	int code = on_or_off(script, words[1], &on);

	script->world->tell_rpc = on;
	for (id = 1; id <= script->plan.nodes && code == ERR_OK; id++) {
		if (sim_node(script->world, id)->raft != NULL) {
			raft_set_tell_rpc(sim_node(script->world, id)->raft,
			    on);
		}
	}
	return code;
}

static int
verb_status(struct script *script, char **words UNUSED, int count UNUSED)
{
	struct raft_status status;
	const struct sim_node *node;
	char log[300];
	size_t length;
	uint64_t i;
	uint32_t id;

	for (id = 1; id <= script->plan.nodes; id++) {
		node = sim_node(script->world, id);
		if (node->raft == NULL) {
			script_tell(script, "%" PRIu32 " down", id);
			continue;
		}
		raft_status(node->raft, &status);
		length = 0;
		log[0] = '\0';
		if (node->log.base > 0) {
			length = (size_t)snprintf(log, sizeof(log), " after %"
			    PRIu64 " of term %" PRIu64 ":", node->log.base,
			    node->log.base_term);
		}
		for (i = node->log.base; i < node->log.count &&
		    length < 250; i++) {
			length += (size_t)snprintf(log + length,
			    sizeof(log) - length, " %" PRIu64,
			    node->log.entries[i].term);
		}
		script_tell(script, "%" PRIu32 " %s term %" PRIu64 " leader "
		    "%" PRIu32 " commit %" PRIu64 " log%s%s", id,
		    raft_role_name(status.role), status.term, status.leader,
		    status.commit_index, log, i < node->log.count ? " ..." :
		    "");
	}
	return ERR_OK;
}

#define EACH_MAX	(1 + SIM_NODES_MAX)

static const struct {
	const char *name;
	int count_min, count_max;
	script_verb_fn *run;
} verbs[] = {
	{ "nodes", 2, 2, verb_nodes },
	{ "log", 3, SCRIPT_WORDS_MAX, verb_log },
	{ "term", 3, 4, verb_term },
	{ "voters", 2, 2, script_voters },
	{ "entries", 2, 2, verb_limit },
	{ "inflight", 2, 2, verb_limit },
	{ "uncommitted", 2, 2, verb_limit },
	{ "checkpoint", 2, 2, verb_limit },
	{ "snapshots", 2, 2, verb_limit },
	{ "trailing", 2, 2, verb_limit },
	{ "chunk", 2, 2, verb_limit },
	{ "start", 1, EACH_MAX, verb_start },
	{ "crash", 2, EACH_MAX, verb_each },
	{ "crash-kept", 2, EACH_MAX, verb_each },
	{ "pause", 2, EACH_MAX, verb_each },
	{ "resume", 1, EACH_MAX, verb_resume },
	{ "timeout", 2, EACH_MAX, verb_each },
	{ "snapshot", 2, EACH_MAX, verb_each },
	{ "expire", 2, EACH_MAX, verb_each },
	{ "dead", 2, 3, verb_dead },
	{ "step-down", 2, 2, verb_step_down },
	{ "change", 4, 2 + 2 * SCRIPT_CHANGES_MAX, script_change },
	{ "transfer", 2, 3, script_transfer },
	{ "propose", 2, 3, verb_propose },
	{ "read", 3, 3, verb_read },
	{ "stick", 2, 2, script_disk },
	{ "unstick", 2, 2, script_disk },
	{ "slow", 3, 3, script_disk },
	{ "fail", 2, 2, script_disk },
	{ "wipe", 2, 2, script_store },
	{ "old", 2, 2, script_store },
	{ "new-store", 2, 2, script_store },
	{ "room", 3, 3, script_room },
	{ "cut", 3, 3, script_link },
	{ "join", 3, 3, script_link },
	{ "hold", 3, 3, script_link },
	{ "release", 3, 3, script_link },
	{ "twice", 3, 3, script_link },
	{ "once", 3, 3, script_link },
	{ "delay", 4, 4, script_link },
	{ "short", 3, 3, script_short },
	{ "isolate", 2, 2, script_isolate },
	{ "heal", 1, 1, script_heal },
	{ "run", 2, 2, verb_run },
	{ "clock", 3, 3, script_clock },
	{ "elect", 1, 1, verb_elect },
	{ "settle", 1, 1, verb_settle },
	{ "rpc", 2, 2, verb_rpc },
	{ "status", 1, 1, verb_status },
	{ "members", 1, 1, script_members },
};

int
script_verb(struct script *script, char **words, int count)
{
	size_t i;

	for (i = 0; i < COUNT_OF(verbs); i++) {
		if (strcmp(words[0], verbs[i].name) != 0) {
			continue;
		}
		if (count < verbs[i].count_min ||
		    count > verbs[i].count_max) {
			return script_bad(script, ERR_USAGE, "%s: too %s "
			    "words", words[0], count < verbs[i].count_min ?
			    "few" : "many");
		}
		if (!script->has_nodes && verbs[i].run != verb_nodes) {
			return script_bad(script, ERR_USAGE, "%s: there are "
			    "no nodes yet", words[0]);
		}
		return verbs[i].run(script, words, count);
	}
	return script_bad(script, ERR_USAGE, "%s is not a verb", words[0]);
}
