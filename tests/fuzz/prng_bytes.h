/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/prng.h, but each decision is the next byte or two of an input: the
 * schedule target links this instead, and so decides what the simulator does.
 * When the bytes are used up, or *calm is set, the numbers are random again,
 * from the seed: a healed cluster cannot be kept from electing by choosing
 * its timers.
 */
#ifndef TESTS_FUZZ_PRNG_BYTES_H
#define TESTS_FUZZ_PRNG_BYTES_H

#include <stdbool.h>

#include "base/prng.h"
#include "tests/fuzz/fuzz.h"

void	prng_bytes_from(struct bytes_in *, const bool *calm);

#endif
