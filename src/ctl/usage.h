/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The usage: equal, word for word, to the SYNOPSIS of raftctl(1).
 */
#ifndef RAFTSUP_CTL_USAGE_H
#define RAFTSUP_CTL_USAGE_H

#include "ctl/command.h"

/* Everything, on standard output. Returns an exit status, as the others. */
int usage_print(void);

/* The line of one command. */
int usage_print_command(const struct command *command);

/* The name and the version. */
int usage_print_version(void);

#endif
