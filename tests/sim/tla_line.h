/* SPDX-License-Identifier: BSD-2-Clause */
/* A line of a trace, as tla_replay reads it. */
#ifndef TLA_LINE_H
#define TLA_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/attr.h"

#define NODES_MAX	8
#define LOG_MAX		8192

enum role { FOLLOWER, CANDIDATE, LEADER };

enum kind { VOTE, VOTE_REPLY, APPEND, APPEND_REPLY, HEARTBEAT,
	HEARTBEAT_REPLY, SNAPSHOT };

enum action { ADD_SERVER, ADD_LEARNER, REMOVE_SERVER };

/* Sets of nodes, by bits. */
struct conf {
	uint32_t voters, learners;
};

struct entry {
	uint64_t term;
	bool is_conf;
	struct conf conf;
};

struct message {
	enum kind kind;
	uint32_t from, to;
	uint64_t term, index, log_term, commit, entries;
	bool reject;
	struct entry *sent;	/* the entries */
	enum { PENDING, SENT, GONE } where;
};

struct line {
	const char *name;
	uint32_t node;
	uint64_t term, commit, last;
	uint32_t vote;
	enum role role;
	uint32_t voters;
	uint32_t new_voters;	/* ApplyConfChange */
	enum action action;	/* ChangeConf */
	uint32_t subject;
	bool has_message;
	struct message message;
};

extern const char *const roles[];
extern const char *const kinds[];

/* Where it is: of wrong(). */
extern const char *file_name;
extern uint64_t line_number;

/* Says it and exits with 1. */
void	wrong(const char *, ...) PRINTF_LIKE(1, 2);
void	need(bool is, const char *what);

/* The name is that of the JSON. */
void	read_line(json_t *, struct line *);

#endif
