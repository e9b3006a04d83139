/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interactive shell: the lines of line mode, typed by a person, with
 * history and completion. shell.c is with libedit; shell_plain.c takes its
 * place in a build without it.
 */
#ifndef RAFTSUP_CTL_SHELL_H
#define RAFTSUP_CTL_SHELL_H

#include "ctl/settings.h"

/* Until its end. Returns an exit status. */
int shell_run(struct settings *settings);

#endif
