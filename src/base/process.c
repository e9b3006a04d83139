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

#define STAT_SIZE	 1024
#define STATE_FIELD	 3
#define START_TIME_FIELD 22

static const char *read_stat(pid_t, char text[STAT_SIZE]);

uint64_t
process_start_time(pid_t pid)
{
	char text[STAT_SIZE];
	const char *at = read_stat(pid, text);

	if (at == NULL || *at == 'Z' || *at == 'X') {
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

bool
process_is_stopped(pid_t pid)
{
	char text[STAT_SIZE];
	const char *at = read_stat(pid, text);

	return at != NULL && *at == 'T';
}

/* The fields from the state on; NULL when there is no such process. */
static const char *
read_stat(pid_t pid, char text[STAT_SIZE])
{
	char path[32];
	char *at;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1) {
		return NULL;
	}
	size = read(fd, text, STAT_SIZE - 1);
	close(fd);
	if (size <= 0) {
		return NULL;
	}
	text[size] = '\0';
	at = strrchr(text, ')');
	return at != NULL && at[1] == ' ' ? at + 2 : NULL;
}
