/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads /proc/PID/stat. The name of a program stands in it in parentheses
 * and may hold anything, parentheses too: fields are counted from the last
 * closing one.
 */
#include "base/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATE_FIELD	 3
#define START_TIME_FIELD 22

uint64_t
process_start_time(pid_t pid)
{
	char path[32];
	char text[1024];
	char *at;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		return 0;
	}
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0) {
		return 0;
	}
	text[size] = '\0';
	/* The command's name may hold anything: fields go on behind its
	 * last bracket. */
	at = strrchr(text, ')');
	if (at == NULL || at[1] != ' ') {
		return 0;
	}
	at += 2;
	if (*at == 'Z' || *at == 'X') {
		return 0;
	}
	for (int field = STATE_FIELD; field < START_TIME_FIELD; field++) {
		at = strchr(at, ' ');
		if (at == NULL) {
			return 0;
		}
		at++;
	}
	return strtoull(at, NULL, 10);
}
