/* SPDX-License-Identifier: BSD-2-Clause */
/* One job of src/node/apply.h, carried out at once (not threaded). */
#ifndef RAFTSUP_TESTS_NODE_JOB_H
#define RAFTSUP_TESTS_NODE_JOB_H

#include <check.h>

#include "node/apply.h"

static inline struct apply_done
job_run(struct apply *apply, bool checkpoint)
{
	struct apply_done done;

	if (checkpoint) {
		apply_want_checkpoint(apply);
	}
	apply_kick(apply);
	ck_assert(apply_poll(apply, &done));
	return done;
}

#endif
