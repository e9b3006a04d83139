/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shell of a build without libedit: the terminal's own line editing.
 */
#include "ctl/line.h"
#include "ctl/shell.h"

int
shell_run(struct settings *settings)
{
	return line_run(settings);
}
