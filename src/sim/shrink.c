/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A failed run made smaller, as long as it breaks the same invariant: no
 * step after the one that failed, then without one kind of fault after the
 * other, then fewer nodes.  Greedy; each try is a run.
 */
#include "sim/sim.h"

#include <string.h>

static bool	fails_alike(const struct sim_options *,
		    const struct sim_outcome *, uint64_t *step);

void
sim_shrink(const struct sim_options *options,
    const struct sim_outcome *failure, struct sim_options *smaller)
{
	struct sim_options next;
	uint64_t step = failure->failed_step;
	uint32_t kind, nodes;

	*smaller = *options;
	smaller->seed = failure->seed;
	smaller->nodes = failure->nodes;
	smaller->faults = failure->faults;
	smaller->story = false;
	smaller->trace = NULL;
	next = *smaller;
	if (step != 0) {
		next.steps = step;
		if (fails_alike(&next, failure, &step)) {
			*smaller = next;
		}
	}
	for (kind = 0; kind < SIM_FAULT_COUNT; kind++) {
		next = *smaller;
		next.faults &= ~(1u << kind);
		if (next.faults == smaller->faults) {
			continue;
		}
		/* It may take longer to fail without it. */
		next.steps = options->steps;
		step = 0;
		if (fails_alike(&next, failure, &step) && (step == 0 ||
		    smaller->steps == 0 || step <= smaller->steps)) {
			*smaller = next;
			smaller->steps = step != 0 ? step : options->steps;
		}
	}
	for (nodes = 1; nodes < smaller->nodes; nodes += 2) {
		next = *smaller;
		next.nodes = nodes;
		step = 0;
		if (fails_alike(&next, failure, &step)) {
			*smaller = next;
			if (step != 0) {
				smaller->steps = step;
			}
			break;
		}
	}
}

static bool
fails_alike(const struct sim_options *options,
    const struct sim_outcome *failure, uint64_t *step)
{
	struct sim_outcome outcome;

	sim_run_trial(options, &outcome);
	*step = outcome.failed_step;
	return outcome.failed &&
	    strcmp(outcome.invariant, failure->invariant) == 0;
}
