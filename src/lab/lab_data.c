/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a scenario writes and reads, and what it finds in the stores.  Every
 * acknowledged write is kept here, and asked for again at the end.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/options.h"
#include "lab/lab.h"
#include "op/entry_text.h"

#define STRAND_TRIES	6

struct stranded {
	uint32_t with;		/* these nodes have it */
	uint32_t leader;
	uint32_t count;
	uint64_t behind;	/* of this index */
	const char *text;	/* that the first entry begins with */
	struct lab_entry first;
	bool lost;		/* the leader leads no more */
};

static struct raftsup *the_client(struct lab *);
static void	expect_number(struct lab *, struct lab_key *, int64_t);
static uint32_t	live_nodes(struct lab *);
static bool	strand_once(struct lab *, struct stranded *, uint32_t,
		    const char *, const char *);

struct raftsup *
lab_client(struct lab *lab, uint32_t node, uint64_t timeout_ns)
{
	struct raftsup_options options = {
		.dir = lab->dir, .timeout_ns = timeout_ns, .node = node,
	};
	struct raftsup *client;

	if (raftsup_open(&client, &options) != RAFTSUP_OK) {
		lab_fail(lab, "cannot open a client: %s",
		    raftsup_open_error());
	}
	return client;
}

static struct raftsup *
the_client(struct lab *lab)
{
	if (lab->client == NULL) {
		lab->client = lab_client(lab, 0, lab->limit_ns);
	}
	return lab->client;
}

struct lab_key *
lab_key(struct lab *lab, const char *key)
{
	struct lab_key *known;
	size_t i;

	for (i = 0; i < lab->key_count; i++) {
		if (strcmp(lab->keys[i].key, key) == 0) {
			return &lab->keys[i];
		}
	}
	if (lab->key_count == LAB_KEYS_MAX) {
		lab_fail(lab, "more than %d keys", LAB_KEYS_MAX);
	}
	known = &lab->keys[lab->key_count++];
	memset(known, 0, sizeof(*known));
	strlcpy(known->key, key, sizeof(known->key));
	return known;
}

/* ------------------------------------------------------------------ writes */

void
lab_set(struct lab *lab, const char *key, const char *fmt, ...)
{
	struct lab_key *known = lab_key(lab, key);
	struct raftsup *client = the_client(lab);
	char value[LAB_VALUE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (raftsup_set(client, key, strlen(key), value, strlen(value)) !=
	    RAFTSUP_OK) {
		lab_fail(lab, "set %s %s: %s", key, value,
		    raftsup_error(client));
	}
	strlcpy(known->value, value, sizeof(known->value));
	lab_say(lab, "set %s %s: acknowledged", key, value);
}

void
lab_incr(struct lab *lab, const char *key)
{
	struct lab_key *known = lab_key(lab, key);
	struct raftsup *client = the_client(lab);
	int64_t value;

	if (raftsup_incr(client, key, strlen(key), 1, &value) != RAFTSUP_OK) {
		lab_fail(lab, "incr %s: %s", key, raftsup_error(client));
	}
	known->is_number = true;
	known->least++;
	known->most++;
	expect_number(lab, known, value);
}

static void
expect_number(struct lab *lab, struct lab_key *known, int64_t value)
{
	if (value < known->least || value > known->most) {
		lab_fail(lab, "%s is %" PRId64 ", and should be %" PRId64
		    "%s: a write was %s", known->key, value, known->least,
		    known->most > known->least ? " or more" : "",
		    value < known->least ? "lost" : "carried out twice");
	}
	known->least = known->most = value;
}

uint64_t
lab_submit(struct lab *lab, const char *value)
{
	struct raftsup_request request = { .operation = RAFTSUP_SUBMIT,
		.value = value, .value_size = strlen(value) };
	struct raftsup *client = the_client(lab);
	struct raftsup_answer answer;

	if (raftsup_call(client, &request, &answer) != RAFTSUP_OK) {
		lab_fail(lab, "submit %s: %s", value, raftsup_error(client));
	}
	lab_say(lab, "submit %s: entry %" PRIu64, value, answer.index);
	return answer.index;
}

int
lab_try_set(struct lab *lab, const char *key, const char *value,
    uint64_t timeout_ns)
{
	struct raftsup *client = lab_client(lab, 0, timeout_ns);
	int code;

	code = raftsup_set(client, key, strlen(key), value, strlen(value));
	lab_say(lab, "set %s %s: %s", key, value, code == RAFTSUP_OK ?
	    "acknowledged" : code == RAFTSUP_MAYBE ? "outcome unknown" :
	    "not applied");
	raftsup_close(client);
	return code;
}

/* ------------------------------------------------------------------- reads */

void
lab_expect(struct lab *lab, const char *key)
{
	struct lab_key *known = lab_key(lab, key);
	struct raftsup *client = the_client(lab);
	char text[LAB_VALUE_SIZE];
	const void *value;
	size_t size;

	if (raftsup_get(client, key, strlen(key), &value, &size) !=
	    RAFTSUP_OK) {
		lab_fail(lab, "get %s: %s", key, raftsup_error(client));
	}
	snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)value);
	if (known->is_number) {
		expect_number(lab, known, strtoll(text, NULL, 10));
	} else if (strcmp(text, known->value) != 0) {
		lab_fail(lab, "%s is %s, but %s was acknowledged", key, text,
		    known->value);
	}
}

int
lab_try_get(struct lab *lab, uint32_t node,
    enum raftsup_consistency consistency, const char *key,
    uint64_t timeout_ns, char value[LAB_VALUE_SIZE])
{
	struct raftsup_request request = { .operation = RAFTSUP_GET,
		.consistency = consistency, .key = key,
		.key_size = strlen(key) };
	struct raftsup *client = lab_client(lab, node, timeout_ns);
	struct raftsup_answer answer;
	int code;

	value[0] = '\0';
	code = raftsup_call(client, &request, &answer);
	if (code == RAFTSUP_OK) {
		snprintf(value, LAB_VALUE_SIZE, "%.*s",
		    (int)answer.value_size, (const char *)answer.value);
	}
	raftsup_close(client);
	return code;
}

/* ----------------------------------------------------------------- entries */

static int
take_entry(void *arg, const struct raft_entry *entry)
{
	struct lab_entry *taken = arg;

	taken->index = entry->index;
	taken->term = entry->term;
	entry_text(entry, taken->text, sizeof(taken->text));
	return 1;
}

/* index 0: the last one. */
static bool
read_entry(struct lab *lab, uint32_t node, uint64_t index,
    struct lab_entry *entry)
{
	struct store_log_info info;
	struct store *store;
	struct err_buf err;
	bool found = false;

	memset(entry, 0, sizeof(*entry));
	if (view_open_store(&lab->view, node, &store, &err) != ERR_OK) {
		lab_fail(lab, "store of node %u: %s", node, err.text);
	}
	if (store_log_info(store, &info) == ERR_OK) {
		index = index == 0 ? info.last_index : index;
		found = index >= info.first_index &&
		    index <= info.last_index && store_read(store, index,
		    index + 1, UINT32_MAX, take_entry, entry) == ERR_OK;
	}
	store_close(store);
	return found;
}

bool
lab_entry(struct lab *lab, uint32_t node, uint64_t index,
    struct lab_entry *entry)
{
	return read_entry(lab, node, index, entry);
}

void
lab_last(struct lab *lab, uint32_t node, struct lab_entry *entry)
{
	if (!read_entry(lab, node, 0, entry)) {
		lab_fail(lab, "the log of node %u cannot be read", node);
	}
}

void
lab_show_entries(struct lab *lab, uint64_t count)
{
	uint64_t last = 0;
	char range[64];
	uint32_t i;

	lab_look(lab);
	for (i = 0; i < lab->view.node_count; i++) {
		if (lab->view.nodes[i].last_index > last) {
			last = lab->view.nodes[i].last_index;
		}
	}
	snprintf(range, sizeof(range), "%" PRIu64 "-%" PRIu64,
	    last > count ? last - count + 1 : 1, last);
	lab_show(lab, "entries", range, NULL);
}

/* ----------------------------------------------------------------- strand */

static bool
have_entries(struct lab *lab, const void *arg)
{
	struct stranded *s = (struct stranded *)(uintptr_t)arg;
	struct raftsup_answer answer;
	uint64_t index, last;
	struct lab_entry entry;
	uint32_t id;

	/* A large one goes in pieces. */
	if (raftsup_poll(lab->client, CLOCK_NS_PER_MS, &answer) ==
	    RAFTSUP_OK && answer.code == RAFTSUP_OK) {
		lab_fail(lab, "%s was acknowledged, and only nodes %s live",
		    s->text, lab_ids(s->with));
	}
	/* Behind an OPEN, perhaps, or another entry of the leader's own. */
	lab_last(lab, s->leader, &entry);
	last = entry.index;
	for (index = s->behind + 1; index <= last; index++) {
		if (lab_entry(lab, s->leader, index, &s->first) &&
		    strncmp(s->first.text, s->text, strlen(s->text)) == 0) {
			break;
		}
	}
	for (id = 1; id <= OPTIONS_ID_MAX && index <= last; id++) {
		if ((s->with & OPTIONS_ID_BIT(id)) != 0 &&
		    !lab_entry(lab, id, index + s->count - 1, &entry)) {
			break;
		}
	}
	if (index <= last && id > OPTIONS_ID_MAX) {
		s->lost = false;
		return true;
	}
	s->lost = lab->view.leader != s->leader;
	return s->lost;
}

uint32_t
lab_strand(struct lab *lab, enum lab_away how, uint32_t followers,
    uint32_t count, const char *key, const char *value,
    struct lab_entry *first)
{
	struct stranded s = { .count = count };
	char name[LAB_VALUE_SIZE / 2];
	uint32_t tries, live, i;

	for (tries = 0; tries < STRAND_TRIES; tries++) {
		/* What a former try has left may be committed later. */
		snprintf(name, sizeof(name), "%s%.*s", key, (int)tries,
		    "bcdefghijk");
		live = live_nodes(lab);
		/* The client must have a session: opening one is a commit. */
		lab_incr(lab, "steps");
		lab_await_level(lab, live);
		s.leader = lab->view.leader;
		s.with = OPTIONS_ID_BIT(s.leader);
		for (i = 0; i < followers; i++) {
			s.with |= OPTIONS_ID_BIT(lab_follower(lab, i));
		}
		s.behind = lab_node(lab, s.leader)->last_index;
		lab_order(lab, how == LAB_DEAD ? "kill" : "pause",
		    lab_ids(live & ~s.with), how == LAB_DEAD ? "--hold" :
		    NULL, NULL);
		if (strand_once(lab, &s, count, name, value)) {
			if (how == LAB_FROZEN) {
				lab_order(lab, "pause", lab_ids(s.with), NULL);
			}
			*first = s.first;
			return s.leader;
		}
		lab_say(lab, "node %u stepped down before it had them; again",
		    s.leader);
		if (how == LAB_DEAD) {
			lab_await_down(lab, live & ~s.with);
		}
		lab_order(lab, how == LAB_DEAD ? "start" : "resume",
		    lab_ids(live & ~s.with), NULL);
		lab_await_up(lab, live);
	}
	lab_fail(lab, "no leader took entries without its followers, in %d "
	    "tries", STRAND_TRIES);
}

static uint32_t
live_nodes(struct lab *lab)
{
	uint32_t i, live = 0;

	(void)lab_leader(lab);
	for (i = 0; i < lab->view.node_count; i++) {
		if (lab->view.nodes[i].state == SEGMENT_NODE_UP) {
			live |= OPTIONS_ID_BIT(lab->view.nodes[i].id);
		}
	}
	return live;
}

static bool
strand_once(struct lab *lab, struct stranded *s, uint32_t count,
    const char *key, const char *value)
{
	struct raftsup_request request = { .operation = RAFTSUP_SET,
		.value = value, .value_size = strlen(value) };
	char name[LAB_VALUE_SIZE], text[LAB_VALUE_SIZE];
	uint32_t i;

	/* A long value is cut, with dots. */
	snprintf(text, sizeof(text), "SET %s-1", key);
	s->text = text;
	for (i = 1; i <= count; i++) {
		snprintf(name, sizeof(name), "%s-%u", key, i);
		request.key = name;
		request.key_size = strlen(name);
		if (raftsup_submit(lab->client, &request, i) != RAFTSUP_OK) {
			lab_fail(lab, "submit: %s",
			    raftsup_error(lab->client));
		}
	}
	lab_await(lab, have_entries, s, "entries of %s at node %u", key,
	    s->leader);
	/* It gives up here: nobody asks for them again. */
	raftsup_close(lab->client);
	lab->client = NULL;
	s->text = NULL;
	if (!s->lost) {
		lab_say(lab, "entry %" PRIu64 " of term %" PRIu64 " is \"%s\""
		    " on %s only, not acknowledged", s->first.index,
		    s->first.term, s->first.text, lab_ids(s->with));
	}
	return !s->lost;
}
