/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The story: what the nodes tell, and what the world does to them.
 *
 *	     ms  step  node role          term  text
 *
 * Runs are silent unless somebody asks: a run that failed is repeated, which
 * gives the same run, with its story.
 */
#include "sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include <bsd/string.h>

static void	line_add(struct sim_world *, uint32_t, const char *);

bool
sim_story_on(const struct sim_world *world)
{
	return world->options.story || world->options.trace != NULL ||
	    world->options.told != NULL;
}

void
sim_tell(void *arg, enum raft_tell kind UNUSED, const char *text)
{
	struct sim_node *node = arg;

	line_add(node->world, node->id, text);
}

void
sim_story(struct sim_world *world, uint32_t node, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	if (!sim_story_on(world)) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_add(world, node, text);
}

void
sim_fail(struct sim_world *world, const char *invariant, uint32_t involved,
    const char *fmt, ...)
{
	va_list ap;

	if (world->failed) {
		return;		/* what follows from it says nothing */
	}
	world->failed = true;
	world->involved = involved;
	strlcpy(world->invariant, invariant, sizeof(world->invariant));
	va_start(ap, fmt);
	vsnprintf(world->reason, sizeof(world->reason), fmt, ap);
	va_end(ap);
	sim_story(world, 0, "VIOLATED %s: %s", invariant, world->reason);
}

void
sim_story_end(const struct sim_world *world, FILE *out, uint32_t lines)
{
	uint64_t first = world->line_count > SIM_STORY_LINES ?
	    world->line_count - SIM_STORY_LINES : 0, at, begin;
	uint32_t found = 0;

	for (begin = world->line_count; begin > first && found < lines;
	    begin--) {
		const char *line = world->lines[(begin - 1) %
		    SIM_STORY_LINES];
		uint32_t id = (uint32_t)(uint8_t)line[0];

		if (id == 0 || world->involved == 0 ||
		    (world->involved >> id & 1) != 0) {
			found++;
		}
	}
	for (at = begin; at < world->line_count; at++) {
		const char *line = world->lines[at % SIM_STORY_LINES];
		uint32_t id = (uint32_t)(uint8_t)line[0];

		if (id == 0 || world->involved == 0 ||
		    (world->involved >> id & 1) != 0) {
			fprintf(out, "%s\n", line + 1);
		}
	}
}

/* The first byte is the node's id, for the filter above. */
static void
line_add(struct sim_world *world, uint32_t id, const char *text)
{
	char *line;

	if (world->options.told != NULL) {
		world->options.told(world->options.told_arg, id,
		    world->now_ns, text);
	}
	if (world->lines == NULL) {
		world->lines = sim_realloc(NULL, SIM_STORY_LINES,
		    sizeof(*world->lines));
	}
	line = world->lines[world->line_count++ % SIM_STORY_LINES];
	line[0] = (char)id;
	if (id == 0) {
		snprintf(line + 1, sizeof(*world->lines) - 1,
		    "%6" PRIu64 ".%03" PRIu64 " %6" PRIu64 " - %-12s %4s %s",
		    world->now_ns / SIM_MS, world->now_ns / 1000 % 1000,
		    world->step, "", "", text);
	} else {
		const struct sim_node *node = &world->nodes[id - 1];

		snprintf(line + 1, sizeof(*world->lines) - 1,
		    "%6" PRIu64 ".%03" PRIu64 " %6" PRIu64 " %" PRIu32
		    " %-12s %4" PRIu64 " %s", world->now_ns / SIM_MS,
		    world->now_ns / 1000 % 1000, world->step, id,
		    node->raft != NULL ? raft_role_name(
		    raft_role(node->raft)) : "down",
		    node->raft != NULL ? raft_term(node->raft) :
		    node->disk.hard_state.term, text);
	}
	if (world->options.trace != NULL) {
		fprintf(world->options.trace, "%s\n", line + 1);
	}
}
