/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftctl as a child: a line in, a line out.
 */
#include "tests/proc/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_SIZE	4096

/* Sends a line, reads the answer. */
static void
exchange(struct client *client, const char *line, char answer[ANSWER_SIZE])
{
	fprintf(client->to, "%s\n", line);
	fflush(client->to);
	if (fgets(answer, ANSWER_SIZE, client->from) == NULL) {
		die("%s: raftctl ended", line);
	}
}

enum client_outcome
client_ask(struct client *client, const char *line, long long *number)
{
	char answer[ANSWER_SIZE];

	exchange(client, line, answer);
	if (strncmp(answer, "OK ", 3) == 0) {
		return CLIENT_OK;
	}
	if (number != NULL && sscanf(answer, "VALUE %lld", number) == 1) {
		return CLIENT_OK;
	}
	if (strncmp(answer, "UNKNOWN ", 8) == 0) {
		return CLIENT_UNKNOWN;
	}
	if (strncmp(answer, "FAILED ", 7) == 0) {
		return CLIENT_FAILED;
	}
	die("%s: answer %s", line, answer);
}

long long
client_number(struct client *client, const char *line)
{
	char answer[ANSWER_SIZE];
	long long number = 0;

	exchange(client, line, answer);
	if (sscanf(answer, "VALUE %lld", &number) != 1 &&
	    strcmp(answer, "NOT_FOUND\n") != 0) {
		die("%s: answer %s", line, answer);
	}
	return number;
}

int
client_has(struct client *client, const char *key, const char *value)
{
	char line[256], answer[ANSWER_SIZE], want[256];

	snprintf(line, sizeof(line), "get %s", key);
	snprintf(want, sizeof(want), "VALUE %s\n", value);
	exchange(client, line, answer);
	if (strcmp(answer, want) == 0) {
		return 1;
	}
	if (strcmp(answer, "NOT_FOUND\n") != 0) {
		die("%s: answer %s", line, answer);
	}
	return 0;
}

void
client_open(struct cluster *cluster, struct client *client)
{
	const char *program = cluster_program("raftctl");
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0) {
		die("pipe: %s", strerror(errno));
	}
	client->pid = fork();
	if (client->pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl(program, program, "-d", cluster->data, "-t", "20s",
		    (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	client->to = fdopen(to[1], "w");
	client->from = fdopen(from[0], "r");
}

void
client_close(struct client *client)
{
	int status;

	fclose(client->to);
	fclose(client->from);
	while (waitpid(client->pid, &status, 0) == -1 && errno == EINTR) {
	}
}
