/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the global options of raftctl say. Zeroed is the default. Strings are
 * borrowed from the command line.
 */
#ifndef RAFTSUP_CTL_SETTINGS_H
#define RAFTSUP_CTL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "ctl/word.h"

struct settings {
	const char *dir;     /* NULL: the library decides */
	uint64_t timeout_ns; /* 0: the library's */
	uint32_t node;       /* 0: the leader */
	uint32_t pipeline;   /* -P; 0: not given */
	const char *file;    /* --file; NULL: not given */
	bool json;
	bool hex;
	bool help;
	bool version;
};

/* The options, ended by an entry without a name. */
extern const struct word_option settings_options[];

/*
 * Takes one of settings_options. `argument` is NULL for one that has none.
 * ERR_USAGE and a line for an argument out of range.
 */
int settings_set(struct settings *settings, const struct word_option *option,
    const char *argument, struct err_buf *err) MUST_CHECK;

#endif
