/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the lines of a trace: each must have the fields that the format gives
 * it, and no others.
 */
#include "tla_line.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const roles[] = {
	"StateFollower", "StateCandidate", "StateLeader",
};

const char *const kinds[] = {
	"MsgVote", "MsgVoteResp", "MsgApp", "MsgAppResp", "MsgHeartbeat",
	"MsgHeartbeatResp", "MsgSnap",
};

static const char *const actions[] = {
	"AddNewServer", "AddLearner", "RemoveServer",
};

const char *file_name;
uint64_t line_number;

void
wrong(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%" PRIu64 ": ", file_name, line_number);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void
need(bool is, const char *what)
{
	if (!is) {
		wrong("%s", what);
	}
}

static json_t *
member(json_t *object, const char *key, json_type type)
{
	json_t *value = json_object_get(object, key);

	if (value == NULL) {
		wrong("there is no %s", key);
	} else if (json_typeof(value) != type) {
		wrong("%s is of another type", key);
	}
	return value;
}

static uint64_t
number(json_t *object, const char *key)
{
	json_int_t value = json_integer_value(member(object, key,
	    JSON_INTEGER));

	need(value >= 0, "a number is negative");
	return (uint64_t)value;
}

static uint32_t
id_of(const char *text, bool may_be_none)
{
	need(text[0] >= (may_be_none ? '0' : '1') &&
	    text[0] <= '0' + NODES_MAX && text[1] == '\0', "a bad node");
	return (uint32_t)(text[0] - '0');
}

static uint32_t
id(json_t *object, const char *key, bool may_be_none)
{
	return id_of(json_string_value(member(object, key, JSON_STRING)),
	    may_be_none);
}

static uint32_t
one_of(const char *text, const char *const *names, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(text, names[i]) == 0) {
			return i;
		}
	}
	wrong("%s is not known", text);
	return 0;
}

static bool
read_bool(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	need(json_is_boolean(value), "reject is neither true nor false");
	return json_is_true(value);
}

/* Ids that rise: the set. */
static uint32_t
read_ids(json_t *array)
{
	uint32_t set = 0, bit;
	size_t i;

	need(json_is_array(array), "no set of nodes");
	for (i = 0; i < json_array_size(array); i++) {
		json_t *text = json_array_get(array, i);

		need(json_is_string(text), "a node is no string");
		bit = 1u << id_of(json_string_value(text), false);
		need(bit > set, "the nodes of a set do not rise");
		set |= bit;
	}
	return set;
}

static void
read_change(json_t *event, struct line *l)
{
	json_t *cc = member(member(event, "prop", JSON_OBJECT), "cc",
	    JSON_OBJECT), *change;

	need(json_object_size(cc) == 1, "a change of other fields");
	if (strcmp(l->name, "ApplyConfChange") == 0) {
		l->new_voters = read_ids(member(cc, "newconf", JSON_ARRAY));
		return;
	}
	change = member(cc, "changes", JSON_ARRAY);
	need(json_array_size(change) == 1, "not a single change");
	change = json_array_get(change, 0);
	need(json_is_object(change) && json_object_size(change) == 2,
	    "a change of other fields");
	l->subject = id(change, "nid", false);
	l->action = (enum action)one_of(json_string_value(member(change,
	    "action", JSON_STRING)), actions, 3);
}

static void
read_message(json_t *msg, struct message *m)
{
	*m = (struct message){
		.kind = (enum kind)one_of(json_string_value(member(msg,
		    "type", JSON_STRING)), kinds, 7),
		.from = id(msg, "from", false),
		.to = id(msg, "to", false),
		.term = number(msg, "term"),
		.index = number(msg, "index"),
		.log_term = number(msg, "logTerm"),
		.commit = number(msg, "commit"),
		.entries = number(msg, "entries"),
		.reject = read_bool(msg, "reject"),
	};
	(void)id(msg, "vote", true);
	(void)number(msg, "rejectHint");
	need(json_object_size(msg) == 11, "a message with other fields");
}

void
read_line(json_t *root, struct line *l)
{
	json_t *event = member(root, "event", JSON_OBJECT), *state, *conf;
	size_t fields = 6;

	need(json_object_size(root) == 2 && strcmp(json_string_value(member(
	    root, "tag", JSON_STRING)), "trace") == 0, "not of a trace");
	memset(l, 0, sizeof(*l));
	l->name = json_string_value(member(event, "name", JSON_STRING));
	l->node = id(event, "nid", false);
	state = member(event, "state", JSON_OBJECT);
	need(json_object_size(state) == 3, "a state with other fields");
	l->term = number(state, "term");
	l->vote = id(state, "vote", true);
	l->commit = number(state, "commit");
	l->last = number(event, "log");
	need(l->last <= LOG_MAX && l->commit <= l->last, "a bad log");
	l->role = (enum role)one_of(json_string_value(member(event, "role",
	    JSON_STRING)), roles, 3);
	conf = member(event, "conf", JSON_ARRAY);
	need(json_array_size(conf) == 2 &&
	    read_ids(json_array_get(conf, 1)) == 0, "a bad configuration");
	l->voters = read_ids(json_array_get(conf, 0));
	if (json_object_get(event, "msg") != NULL) {
		l->has_message = true;
		read_message(member(event, "msg", JSON_OBJECT), &l->message);
		fields++;
	}
	if (strcmp(l->name, "ApplyConfChange") == 0 ||
	    strcmp(l->name, "ChangeConf") == 0) {
		read_change(event, l);
		fields++;
	}
	need(json_object_size(event) == fields, "an event of other fields");
	need(l->has_message == (strncmp(l->name, "Send", 4) == 0 ||
	    strncmp(l->name, "Receive", 7) == 0),
	    "a message is missing, or one too many");
}
