/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each source is a chain of files, NAME.4 ... NAME.1, NAME, of which the last
 * one grows and is renamed when it is full.  A file is known by its inode: at
 * its end, if the name now belongs to another file, the next younger one
 * follows.
 */
#include "op/merge.h"

#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/options.h"
#include "sup/sup.h"

#define KEPT		4
#define BUFFER_SIZE	65536
#define LINE_SIZE	4096	/* no event is longer */
#define STAMP_LENGTH	(CLOCK_WALL_TEXT_SIZE - 1)

struct source {
	char path[PATH_MAX];
	bool supervisor;
	int fd;			/* -1: none open */
	ino_t inode;
	size_t begin, end;	/* of what is read and not used */
	char *line;		/* the next line, in buffer; NULL: none */
	char buffer[BUFFER_SIZE];
};

struct merge {
	uint32_t count;
	struct source *sources[CLUSTER_NODES_MAX + 1];
};

/* What a line is about is told by its words. */
static const struct {
	const char *name;
	const char *words[10];
} kinds[] = {
	{ "election", { "election", "timed out", "campaign", "becomes" } },
	{ "vote", { "vote", "Vote" } },
	{ "role", { "becomes", "stepping down", "steps down", "stands" } },
	{ "log", { "truncat", "conflict", "first AppendEntries", "rejoin",
	    "matches" } },
	{ "configuration", { "configuration", "learner", "voter" } },
	{ "death", { "dead", "death", "died" } },
	{ "rpc", { "RPC" } },
	{ "commit", { "commit", "applied", "applies" } },
	{ "client", { "client", "request" } },
	{ "disk", { "disk", "sync", "store", "room", "checkpoint" } },
	{ "snapshot", { "snapshot", "compact" } },
	{ "start", { "started", "starts", "rejoins", "stopped", "ends",
	    "adopted" } },
	{ "lease", { "lease" } },
	{ "supervisor", { NULL } },	/* by its role */
};

static int add_source(struct merge *, const char *, bool, struct err_buf *);
static bool next_line(struct source *);
static bool fill(struct source *);
static bool open_oldest(struct source *);
static bool open_next(struct source *);
static bool open_file(struct source *, int);
static bool is_event(const struct source *, const char *);
static void split(char *, const char **, const char **);

int
merge_open(struct merge **merge, const char *dir,
    const struct cluster *cluster, uint32_t ids, struct err_buf *err)
{
	char path[PATH_MAX];
	uint32_t i, all = 0;
	int result = ERR_OK;

	*merge = calloc(1, sizeof(**merge));
	if (*merge == NULL) {
		return err_set(err, ERR_NOMEM, "no memory");
	}
	for (i = 0; i < cluster->node_count && result == ERR_OK; i++) {
		all |= OPTIONS_ID_BIT(cluster->nodes[i].id);
		if ((ids & OPTIONS_ID_BIT(cluster->nodes[i].id)) != 0) {
			snprintf(path, sizeof(path), "%s/node-%u/node.log",
			    dir, cluster->nodes[i].id);
			result = add_source(*merge, path, false, err);
		}
	}
	if ((ids & all) == all && result == ERR_OK) {
		snprintf(path, sizeof(path), "%s/" SUP_LOG_FILE, dir);
		result = add_source(*merge, path, true, err);
	}
	if (result != ERR_OK) {
		merge_close(*merge);
		*merge = NULL;
	}
	return result;
}

void
merge_close(struct merge *merge)
{
	uint32_t i;

	for (i = 0; i < merge->count; i++) {
		if (merge->sources[i]->fd >= 0) {
			close(merge->sources[i]->fd);
		}
		free(merge->sources[i]);
	}
	free(merge);
}

void
merge_skip(struct merge *merge)
{
	struct source *source;
	uint32_t i;

	for (i = 0; i < merge->count; i++) {
		source = merge->sources[i];
		if (open_file(source, 0)) {
			lseek(source->fd, 0, SEEK_END);
			source->begin = source->end = 0;
			source->line = NULL;
		}
	}
}

void
merge_print(struct merge *merge, const char *kind, FILE *stream)
{
	merge_print_by(merge, kind, merge_print_line, stream);
}

void
merge_print_by(struct merge *merge, const char *kind,
    void (*print)(const char *, FILE *), FILE *stream)
{
	struct source *source, *first;
	const char *role, *text;
	uint32_t i;

	for (;;) {
		first = NULL;
		for (i = 0; i < merge->count; i++) {
			source = merge->sources[i];
			if (source->line == NULL && !next_line(source)) {
				continue;
			}
			if (first == NULL || strncmp(source->line,
			    first->line, STAMP_LENGTH) < 0) {
				first = source;
			}
		}
		if (first == NULL) {
			break;
		}
		if (kind != NULL) {
			char line[LINE_SIZE];

			strlcpy(line, first->line, sizeof(line));
			split(line, &role, &text);
			if (!merge_is_kind(kind, role, text)) {
				first->line = NULL;
				continue;
			}
		}
		print(first->line, stream);
		first->line = NULL;
	}
	fflush(stream);
}

void
merge_print_line(const char *line, FILE *stream)
{
	/* Of the supervisor: as it is. */
	static const char *const colors[] = {
		"32", "36", "33", "35", "34", "31", "92", "96",
	};
	const char *no = getenv("NO_COLOR"), *color;
	unsigned int id;
	int fd = fileno(stream);

	if (fd == -1 || !isatty(fd) || (no != NULL && *no != '\0') ||
	    sscanf(line, "%*s %u", &id) != 1 || id == 0) {
		fprintf(stream, "%s\n", line);
		return;
	}
	color = colors[(id - 1) % COUNT_OF(colors)];
	fprintf(stream, "\033[%sm%s\033[0m\n", color, line);
}

void
merge_print_json(const char *line, FILE *stream)
{
	char copy[LINE_SIZE], *rest = copy;
	const char *part[4];
	struct json json;
	size_t i;

	strlcpy(copy, line, sizeof(copy));
	for (i = 0; i < COUNT_OF(part); i++) {
		part[i] = strsep(&rest, " ");
		part[i] = part[i] == NULL ? "" : part[i];
	}
	json_init(&json, stream);
	json_begin_object(&json, NULL);
	json_put_string(&json, "at", part[0]);
	json_put_u64(&json, "node", strtoull(part[1], NULL, 10));
	json_put_string(&json, "role", part[2]);
	json_put_u64(&json, "term", strtoull(part[3], NULL, 10));
	json_put_string(&json, "text", rest == NULL ? "" : rest);
	json_end_object(&json);
	putc('\n', stream);
}

const char *
merge_kind(size_t i)
{
	return i < COUNT_OF(kinds) ? kinds[i].name : NULL;
}

bool
merge_is_kind(const char *kind, const char *role, const char *text)
{
	size_t i, n;

	for (i = 0; i < COUNT_OF(kinds); i++) {
		if (strcmp(kinds[i].name, kind) == 0) {
			break;
		}
	}
	if (i == COUNT_OF(kinds)) {
		return false;
	}
	if (strcmp(kind, "supervisor") == 0) {
		return strcmp(role, "supervisor") == 0;
	}
	for (n = 0; n < COUNT_OF(kinds[i].words) &&
	    kinds[i].words[n] != NULL; n++) {
		if (strstr(text, kinds[i].words[n]) != NULL) {
			return true;
		}
	}
	return false;
}

static int
add_source(struct merge *merge, const char *path, bool supervisor,
    struct err_buf *err)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source == NULL) {
		return err_set(err, ERR_NOMEM, "no memory");
	}
	strlcpy(source->path, path, sizeof(source->path));
	source->supervisor = supervisor;
	source->fd = -1;
	merge->sources[merge->count++] = source;
	return ERR_OK;
}

/* The next whole line that is an event; false: none now. */
static bool
next_line(struct source *source)
{
	char *newline, *line;

	for (;;) {
		newline = memchr(source->buffer + source->begin, '\n',
		    source->end - source->begin);
		if (newline == NULL) {
			if (!fill(source)) {
				return false;
			}
			continue;
		}
		*newline = '\0';
		line = source->buffer + source->begin;
		source->begin = (size_t)(newline + 1 - source->buffer);
		if (is_event(source, line)) {
			source->line = line;
			return true;
		}
	}
}

/* Reads on; false when there is nothing more now. */
static bool
fill(struct source *source)
{
	ssize_t got;

	if (source->fd < 0 && !open_oldest(source)) {
		return false;
	}
	memmove(source->buffer, source->buffer + source->begin,
	    source->end - source->begin);
	source->end -= source->begin;
	source->begin = 0;
	if (source->end == sizeof(source->buffer)) {
		source->end = 0;	/* no line is that long */
	}
	for (;;) {
		got = read(source->fd, source->buffer + source->end,
		    sizeof(source->buffer) - source->end);
		if (got > 0) {
			source->end += (size_t)got;
			return true;
		}
		if (!open_next(source)) {
			return false;
		}
	}
}

static bool
open_oldest(struct source *source)
{
	int i;

	for (i = KEPT; i >= 0; i--) {
		if (open_file(source, i)) {
			return true;
		}
	}
	return false;
}

/* The file that follows the open one, if that was renamed. */
static bool
open_next(struct source *source)
{
	char path[PATH_MAX + 16];
	struct stat info;
	int i;

	if (stat(source->path, &info) != 0 || info.st_ino == source->inode) {
		return false;
	}
	for (i = 1; i <= KEPT; i++) {
		snprintf(path, sizeof(path), "%s.%d", source->path, i);
		if (stat(path, &info) == 0 && info.st_ino == source->inode) {
			return open_file(source, i - 1);
		}
	}
	return open_oldest(source);
}

static bool
open_file(struct source *source, int number)
{
	char path[PATH_MAX + 16];
	struct stat info;
	int fd;

	strlcpy(path, source->path, sizeof(path));
	if (number > 0) {
		snprintf(path, sizeof(path), "%s.%d", source->path, number);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	if (fstat(fd, &info) != 0) {
		close(fd);
		return false;
	}
	if (source->fd >= 0) {
		close(source->fd);
	}
	source->fd = fd;
	source->inode = info.st_ino;
	return true;
}

/* Other lines of raftsup.log are a program's complaints. */
static bool
is_event(const struct source *source, const char *line)
{
	static const char stamp[] = "dddd-dd-ddTdd:dd:dd.ddddddZ ";
	size_t i;

	for (i = 0; i < sizeof(stamp) - 1; i++) {
		if (stamp[i] == 'd' ? !isdigit((unsigned char)line[i]) :
		    line[i] != stamp[i]) {
			return false;
		}
	}
	return !source->supervisor ||
	    strncmp(line + i, "0 supervisor ", 13) == 0;
}

/* STAMP NODE ROLE TERM TEXT */
static void
split(char *line, const char **role, const char **text)
{
	char *rest = line;

	(void)strsep(&rest, " ");
	(void)strsep(&rest, " ");
	*role = strsep(&rest, " ");
	(void)strsep(&rest, " ");
	*role = *role == NULL ? "" : *role;
	*text = rest == NULL ? "" : rest;
}
