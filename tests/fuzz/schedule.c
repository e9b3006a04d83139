/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: schedules.  The bytes are the decisions of a simulated cluster: which
 * message is lost or late, who crashes at which effect, what clients ask. All
 * checkers look on.
 *
 *	u8	nodes
 *	u16	steps
 *	u32	kinds of faults
 *	...	decisions, one or two bytes each
 */
#include "sim/sim.h"
#include "tests/fuzz/prng_bytes.h"

#define STEPS_MAX	600

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	static const uint32_t nodes[] = { 3, 3, 5, 1, 7, 2, 4, 3 };
	static struct sim_world *world;
	struct bytes_in in = { input, input_size };
	struct sim_options options = { .seed = 1 };
	struct sim_outcome outcome;

	if (world == NULL) {
		world = sim_world_new();
	}
	options.nodes = nodes[take(&in, 1) % 8];
	options.steps = 1 + take(&in, 2) % STEPS_MAX;
	options.faults = (uint32_t)take(&in, 4) & SIM_FAULTS_ALL;
	options.story = true;
	/* The plan's flag is the last run's until the world begins anew. */
	world->calm = false;
	prng_bytes_from(&in, &world->calm);
	sim_world_run(world, &options, &outcome);
	prng_bytes_from(NULL, NULL);
	if (outcome.failed) {
		fprintf(stderr, "%s: %s\n", outcome.invariant,
		    outcome.reason);
		sim_story_end(world, stderr, 200);
		abort();
	}
	return 0;
}
