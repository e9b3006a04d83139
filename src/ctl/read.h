/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options that all reads have: how fresh the answer must be.
 */
#ifndef RAFTSUP_CTL_READ_H
#define RAFTSUP_CTL_READ_H

#include "base/attr.h"
#include "base/err.h"
#include "ctl/call.h"
#include "ctl/word.h"

enum read_option {
	READ_OPTION_STALE,
	READ_OPTION_READ_INDEX,
	READ_OPTION_COUNT, /* a command's other options begin here */
};

/* Entries of a command's table of options. */
#define READ_OPTIONS                                                   \
	{ "--stale", 0, false, true, READ_OPTION_STALE },              \
	{                                                              \
		"--read-index", 0, false, true, READ_OPTION_READ_INDEX \
	}

/* Takes one; ERR_USAGE when it contradicts one before. */
int read_option(struct call *call, const struct word_option *option,
    const char *argument, struct err_buf *err);

#endif
