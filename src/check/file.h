/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftck on a backup in place of a cluster's directory.  Private to raftck.
 */
#ifndef CHECK_FILE_H
#define CHECK_FILE_H

#include <stdbool.h>

/* Verifies it and prints the answer; the exit status. */
int	check_file(const char *path, bool json);

#endif
