/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scripts: the verbs of what can go wrong below the nodes: disks, links, the
 * clock.  They are in the table of script_verbs.c.
 */
#include <string.h>

#include "sim/script.h"

/* --------------------------------------------------------------- disks */

int
script_disk(struct script *script, char **words, int count)
{
	struct sim_event again = { .type = SIM_DISK_AGAIN };
	struct sim_node *node;
	struct sim_disk *disk;
	uint64_t ms = 0;
	int code = script_node(script, words[1], &node);

	if (code == ERR_OK && count > 2) {
		code = script_number(script, "milliseconds", words[2], 1,
		    SCRIPT_NUMBER_MAX, &ms);
	}
	if (code != ERR_OK) {
		return code;
	}
	disk = &node->disk;
	if (strcmp(words[0], "slow") == 0) {
		disk->slow_max_ns = disk->slow_min_ns = ms * SIM_MS;
	} else if (strcmp(words[0], "stick") == 0) {
		disk->stuck = true;
	} else if (strcmp(words[0], "fail") == 0) {
		disk->failing = true;
	} else {
		disk->stuck = false;
		if (disk->stuck_done) {
			disk->stuck_done = false;
			again.node = node->id;
			again.a = node->run;
			again.at_ns = script->world->now_ns;
			sim_push(script->world, &again);
		}
	}
	return ERR_OK;
}

/* Another store in its place. */
int
script_store(struct script *script, char **words, int count UNUSED)
{
	struct sim_node *node;
	int code = script_node(script, words[1], &node);

	if (code == ERR_OK && node->raft != NULL) {
		return script_bad(script, ERR_USAGE, "node %s is up",
		    words[1]);
	}
	if (code != ERR_OK) {
		return code;
	}
	if (strcmp(words[0], "new-store") == 0) {
		sim_disk_renew(node);
	} else {
		sim_disk_replace(node, strcmp(words[0], "wipe") == 0);
	}
	return ERR_OK;
}

int
script_room(struct script *script, char **words, int count UNUSED)
{
	static const char *const names[] = { "ok", "low", "none" };
	struct raft_event event = { .type = RAFT_EVENT_ROOM };
	struct sim_node *node;
	size_t i;
	int code = script_live(script, words[1], &node);

	for (i = 0; i < COUNT_OF(names) && code == ERR_OK; i++) {
		if (strcmp(words[2], names[i]) == 0) {
			event.room = (enum raft_room)i;
			script_step(script, node, &event);
			return ERR_OK;
		}
	}
	return code != ERR_OK ? code : script_bad(script, ERR_USAGE,
	    "room is ok, low or none, not %s", words[2]);
}

/* --------------------------------------------------------------- links */

int
script_link(struct script *script, char **words, int count)
{
	const char *verb = words[0];
	struct sim_node *from, *to;
	struct sim_link *link;
	uint64_t ms = 0;
	int code = script_node(script, words[1], &from);

	if (code == ERR_OK) {
		code = script_node(script, words[2], &to);
	}
	if (code == ERR_OK && count > 3) {
		code = script_number(script, "milliseconds", words[3], 0,
		    SCRIPT_NUMBER_MAX, &ms);
	}
	if (code != ERR_OK) {
		return code;
	}
	link = &script->world->links[from->id][to->id];
	if (strcmp(verb, "delay") == 0) {
		link->delay_ns = ms * SIM_MS;
	} else if (strcmp(verb, "hold") == 0) {
		link->held = true;
	} else if (strcmp(verb, "release") == 0) {
		sim_world_release(script->world, from->id, to->id);
	} else if (strcmp(verb, "twice") == 0 || strcmp(verb, "once") == 0) {
		link->duplicate = strcmp(verb, "twice") == 0 ? 1000000 : 0;
	} else {
		link->cut = strcmp(verb, "cut") == 0;
	}
	return ERR_OK;
}

int
script_isolate(struct script *script, char **words, int count UNUSED)
{
	struct sim_node *node;
	int code = script_node(script, words[1], &node);

	if (code == ERR_OK) {
		sim_isolate(script->world, node->id, true);
	}
	return code;
}

int
script_heal(struct script *script, char **words UNUSED, int count UNUSED)
{
	struct sim_world *world = script->world;
	uint32_t from, to;

	for (from = 1; from <= script->plan.nodes; from++) {
		for (to = 1; to <= script->plan.nodes; to++) {
			if (world->links[from][to].held) {
				sim_world_release(world, from, to);
			}
			world->links[from][to] = (struct sim_link){ 0 };
		}
	}
	return ERR_OK;
}

/* How many entries a message of a node carries; 0: all. */
int
script_short(struct script *script, char **words, int count UNUSED)
{
	struct sim_node *node;
	uint64_t entries;
	int code = script_node(script, words[1], &node);

	if (code == ERR_OK) {
		code = script_number(script, "entries", words[2], 0,
		    SCRIPT_NUMBER_MAX, &entries);
	}
	if (code == ERR_OK) {
		node->carry_max = (uint32_t)entries;
	}
	return code;
}

/* ---------------------------------------------------------------- clock */

/* The clock of the nodes, not that of the story. */
int
script_clock(struct script *script, char **words, int count UNUSED)
{
	struct sim_world *world = script->world;
	bool jump = strcmp(words[1], "jump") == 0;
	uint64_t value;
	int code;

	if (!jump && strcmp(words[1], "rate") != 0) {
		return script_bad(script, ERR_USAGE, "clock jump or clock "
		    "rate, not clock %s", words[1]);
	}
	code = jump ?
	    script_number(script, "milliseconds", words[2], 0,
	    SCRIPT_NUMBER_MAX, &value) :
	    script_number(script, "percent", words[2], 0, 1000, &value);
	if (code == ERR_OK && jump) {
		sim_clock_change(world, value * SIM_MS, world->clock.rate);
	} else if (code == ERR_OK) {
		sim_clock_change(world, 0, (uint32_t)value * 10);
	}
	return code;
}
