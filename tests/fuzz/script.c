/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: scripts of the simulator.  Any text is refused with one line, or
 * runs; whatever it makes a cluster do, no invariant is broken.
 */
#include "base/err.h"
#include "sim/script.h"
#include "tests/fuzz/fuzz.h"

#define SIZE_LIMIT	2048	/* a longer one only takes longer */

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct sim_options options = { .seed = 1 };
	struct script_result result;
	struct err_buf err = { "" };
	int code;

	if (size > SIZE_LIMIT) {
		return 0;
	}
	code = script_run("fuzz", (const char *)input, size, &options,
	    &result, &err);
	must(code == ERR_OK || code == ERR_USAGE);
	must(code == ERR_OK || (strncmp(err.text, "fuzz:", 5) == 0 &&
	    strchr(err.text, '\n') == NULL));
	script_result_fini(&result);
	return 0;
}
