/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * --stale and --read-index.
 */
#include "ctl/read.h"

int
read_option(struct call *call, const struct word_option *option,
    const char *argument UNUSED, struct err_buf *err)
{
	enum raftsup_consistency wanted = option->id == READ_OPTION_STALE
	                                      ? RAFTSUP_STALE
	                                      : RAFTSUP_READ_INDEX;

	if (call->request.consistency != RAFTSUP_LINEARIZABLE &&
	    call->request.consistency != wanted) {
		return err_set(err, ERR_USAGE,
		    "--stale and --read-index exclude each other");
	}
	call->request.consistency = wanted;
	return 0;
}
