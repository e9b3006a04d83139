/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines are read in the order of the file, then sorted by time: logs of
 * several nodes that were only put together are as good as merged ones.
 */
#include "lab/story.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_BACK	4096	/* messages, for the sending of a receipt */

static int add_line(struct story *, char *, size_t);
static bool parse_event(struct story_line *, const char **, char *);
static bool parse_trace(struct story_line *, const char **, char *);
static int find_messages(struct story *);
static int add_message(struct story *, const struct story_line *);
static void pair(struct story *, const struct story_line *);
static void tell_of_others(struct story_line *);

static const struct {
	const char *name;
	enum story_role role;
} roles[] = {
	{ "follower", STORY_FOLLOWER },
	{ "learner", STORY_LEARNER },
	{ "precandidate", STORY_PRECANDIDATE },
	{ "candidate", STORY_CANDIDATE },
	{ "leader", STORY_LEADER },
	{ "down", STORY_DOWN },
};

static int
compare_lines(const void *a, const void *b)
{
	const struct story_line *x = a, *y = b;

	if (x->ns != y->ns) {
		return x->ns < y->ns ? -1 : 1;
	}
	return x->order < y->order ? -1 : x->order > y->order;
}

int
story_read(struct story *story, FILE *in, const char *name,
    struct err_buf *err)
{
	char *text = NULL;
	size_t room = 0, number = 0;
	ssize_t length;
	int result = ERR_OK;

	memset(story, 0, sizeof(*story));
	while (result == ERR_OK && (length = getline(&text, &room, in)) > 0) {
		number++;
		if (text[length - 1] == '\n') {
			text[length - 1] = '\0';
		}
		if (text[0] != '\0') {
			result = add_line(story, text, number);
		}
	}
	if (result == ERR_OK && ferror(in)) {
		result = err_set_errno(err, "%s", name);
	} else if (result == ERR_OK && story->nodes == 0) {
		result = err_set(err, ERR_CORRUPT, "%s tells of no node: it is "
		    "neither an event log nor a trace of raftsim", name);
	} else if (result == ERR_CORRUPT) {
		(void)err_set(err, result, "%s, line %zu is neither of an "
		    "event log nor of a trace of raftsim: %.60s", name,
		    number, text);
	}
	free(text);
	if (result == ERR_OK) {
		qsort(story->lines, story->line_count, sizeof(*story->lines),
		    compare_lines);
		result = find_messages(story);
	}
	if (result == ERR_NOMEM) {
		(void)err_set(err, result, "no memory for %s", name);
	}
	return result;
}

void
story_free(struct story *story)
{
	size_t i;

	for (i = 0; i < story->line_count; i++) {
		free(story->lines[i].text);
	}
	free(story->lines);
	free(story->messages);
	memset(story, 0, sizeof(*story));
}

/* Room for one more of `size` bytes. */
static bool
grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 256 : *room * 2;
	void *larger;

	if (count < *room) {
		return true;
	}
	larger = reallocarray(*array, more, size);
	if (larger == NULL) {
		return false;
	}
	*array = larger;
	*room = more;
	return true;
}

static int
add_line(struct story *story, char *text, size_t number)
{
	struct story_line line = { .order = number };
	const char *rest;

	if (!parse_event(&line, &rest, text) &&
	    !parse_trace(&line, &rest, text)) {
		return ERR_CORRUPT;
	}
	if (!grow((void **)&story->lines, story->line_count,
	    &story->line_room, sizeof(line))) {
		return ERR_NOMEM;
	}
	line.text = strdup(rest);
	if (line.text == NULL) {
		return ERR_NOMEM;
	}
	tell_of_others(&line);
	if (line.node != 0) {
		story->nodes |= 1ull << (line.node - 1);
	}
	story->lines[story->line_count++] = line;
	return ERR_OK;
}

static bool
parse_role(struct story_line *line, const char *word)
{
	size_t i;

	for (i = 0; i < COUNT_OF(roles); i++) {
		if (strcmp(word, roles[i].name) == 0) {
			line->role = roles[i].role;
			return true;
		}
	}
	return false;
}

static bool
parse_event(struct story_line *line, const char **rest, char *text)
{
	struct tm tm = { 0 };
	const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char role[16];
	uint32_t micro;
	int length = 0;

	if (at == NULL || sscanf(at, ".%6" SCNu32 "Z %" SCNu32 " %15s %"
	    SCNu64 " %n", &micro, &line->node, role, &line->term,
	    &length) != 4 || length == 0 || line->node > STORY_NODES_MAX) {
		return false;
	}
	if (line->node != 0 && !parse_role(line, role)) {
		return false;
	}
	line->ns = (uint64_t)timegm(&tm) * 1000000000 + micro * 1000ull;
	*rest = at + length;
	return true;
}

static bool
parse_trace(struct story_line *line, const char **rest, char *text)
{
	char node[8], role[16];
	uint64_t ms, step;
	uint32_t micro;
	int length = 0;

	if (sscanf(text, " %" SCNu64 ".%3" SCNu32 " %" SCNu64 " %7s %n", &ms,
	    &micro, &step, node, &length) != 4 || length == 0) {
		return false;
	}
	line->ns = ms * 1000000 + micro * 1000ull;
	*rest = text + length;
	if (strcmp(node, "-") == 0) {
		return true;
	}
	text += length;
	length = 0;
	if (sscanf(node, "%" SCNu32, &line->node) != 1 || line->node == 0 ||
	    line->node > STORY_NODES_MAX ||
	    sscanf(text, "%15s %" SCNu64 " %n", role, &line->term,
	    &length) != 2 || length == 0) {
		return false;
	}
	*rest = text + length;
	return parse_role(line, role);
}

/* The supervisor's lines about one node are lines of that node. */
static void
tell_of_others(struct story_line *line)
{
	uint32_t node;
	int length = 0;

	if (line->node != 0 || sscanf(line->text, "Node %" SCNu32 "%n", &node,
	    &length) != 1 || node == 0 || node > STORY_NODES_MAX) {
		return;
	}
	if (strncmp(line->text + length, " is dead", 8) == 0) {
		line->role = STORY_DOWN;
	} else if (strncmp(line->text + length, ": paused", 8) == 0) {
		line->role = STORY_PAUSED;
	} else {
		return;
	}
	line->node = node;
}

/* ---------------------------------------------------------------- messages */

static enum story_kind
kind_of(const char *name)
{
	static const struct {
		const char *begin;
		enum story_kind kind;
	} kinds[] = {
		{ "PreVote", STORY_VOTE },
		{ "RequestVote", STORY_VOTE },
		{ "AppendEntries", STORY_APPEND },
		{ "heartbeat", STORY_HEARTBEAT },
		{ "InstallSnapshot", STORY_SNAPSHOT },
	};
	size_t i;

	for (i = 0; i < COUNT_OF(kinds); i++) {
		if (strncmp(name, kinds[i].begin,
		    strlen(kinds[i].begin)) == 0) {
			return kinds[i].kind;
		}
	}
	return STORY_OTHER;
}

static int
find_messages(struct story *story)
{
	const struct story_line *line;
	int result;
	size_t i;

	for (i = 0; i < story->line_count; i++) {
		line = &story->lines[i];
		if (strstr(line->text, " sends RPC ") != NULL) {
			result = add_message(story, line);
			if (result != ERR_OK) {
				return result;
			}
		} else if (strstr(line->text, " receives RPC ") != NULL) {
			pair(story, line);
		}
	}
	return ERR_OK;
}

/* The line of the level `info` that comes before the one with the details
 * tells of the same message. */
static bool
is_told_twice(const struct story *story, const struct story_line *line)
{
	const struct story_line *next = line + 1;
	size_t length = strlen(line->text);

	return next < story->lines + story->line_count &&
	    next->node == line->node &&
	    strncmp(next->text, line->text, length) == 0 &&
	    next->text[length] == ':';
}

static int
add_message(struct story *story, const struct story_line *line)
{
	const char *name = strstr(line->text, " sends RPC ") + 11;
	const char *to = strstr(name, " to Node ");
	struct story_message message = {
		.from = line->node,
		.sent_ns = line->ns,
		.kind = kind_of(name),
		.text = line->text,
	};

	if (to == NULL || sscanf(to, " to Node %" SCNu32, &message.to) != 1 ||
	    message.to == 0 || message.to > STORY_NODES_MAX ||
	    is_told_twice(story, line)) {
		return ERR_OK;
	}
	message.reply = to - name > 6 && strncmp(to - 6, " reply", 6) == 0;
	if (!grow((void **)&story->messages, story->message_count,
	    &story->message_room, sizeof(message))) {
		return ERR_NOMEM;
	}
	story->nodes |= 1ull << (message.to - 1);
	story->messages[story->message_count++] = message;
	return ERR_OK;
}

/* What is said of times left goes on between sending and receipt. */
static size_t
length_of(const char *details)
{
	const char *lease = strstr(details, ", lease ");
	const char *promised = strstr(details, ", has promised ");

	return lease != NULL ? (size_t)(lease - details) :
	    promised != NULL ? (size_t)(promised - details) :
	    strlen(details);
}

/* Whether the line tells of the receipt of that message. */
static bool
is_receipt(const struct story_message *message, const struct story_line *line,
    const char *name, const char *from_node)
{
	const char *sent = strstr(message->text, " sends RPC ") + 11;
	const char *to_node = strstr(sent, " to Node ");
	const char *wanted = strchr(sent, ':'), *told = strchr(name, ':');

	if (to_node - sent != from_node - name ||
	    strncmp(sent, name, (size_t)(to_node - sent)) != 0 ||
	    message->sent_ns > line->ns) {
		return false;
	}
	return wanted != NULL && told != NULL &&
	    length_of(wanted) == length_of(told) &&
	    strncmp(wanted, told, length_of(told)) == 0;
}

/*
 * The last one that was sent with these words: those before it were lost.
 * One that arrives a second time is a message of its own.
 */
static void
pair(struct story *story, const struct story_line *line)
{
	const char *name = strstr(line->text, " receives RPC ") + 14;
	const char *from_node = strstr(name, " from Node ");
	struct story_message *message, copy, *twin = NULL;
	size_t i, end;
	uint32_t from;

	if (from_node == NULL || sscanf(from_node, " from Node %" SCNu32,
	    &from) != 1) {
		return;
	}
	end = story->message_count > LOOK_BACK ?
	    story->message_count - LOOK_BACK : 0;
	for (i = story->message_count; i > end; i--) {
		message = &story->messages[i - 1];
		if (message->from != from || message->to != line->node ||
		    !is_receipt(message, line, name, from_node)) {
			continue;
		}
		if (message->received_ns == 0) {
			message->received_ns = line->ns;
			return;
		}
		twin = twin == NULL ? message : twin;
	}
	if (twin != NULL) {
		copy = *twin;
		copy.received_ns = line->ns;
		if (grow((void **)&story->messages, story->message_count,
		    &story->message_room, sizeof(copy))) {
			story->messages[story->message_count++] = copy;
		}
	}
}
