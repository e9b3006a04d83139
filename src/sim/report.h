/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What raftsim prints on standard output, as text or as one JSON object.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/script.h"
#include "sim/sim.h"

/* True if an event of the coverage was never reached. */
bool	report_summary(const struct sim_summary *, uint64_t first,
	    uint64_t last, bool json);
/* Runs the failed seed again for its story, and shrinks it. */
void	report_failure(const struct sim_options *,
	    const struct sim_outcome *, bool json);
/* The script with its stories; broken: an invariant's text, or "". */
void	report_script(const struct script_result *, const char *name,
	    const char *broken, bool json);

#endif
