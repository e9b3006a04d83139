/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Renderers: the words in which answers are said. Each output format is one
 * table; a command calls the word for its kind of answer and never asks which
 * format it is.
 *
 *	           text (one call)      line mode          JSON
 *	index      OK 7                 OK 7               {"result":"OK",...
 *	value      the bytes            VALUE v            {"result":"VALUE",
 *	number     42                   VALUE 42
 *	count      3                    COUNT 3
 *	length     11                   LENGTH 11
 *	record     KEY<tab>VALUE        the same           in "records"
 *	records    -                    COUNT n before     "count"
 *	outcome    APPLIED 7            APPLIED 7
 *	part       of a transaction     the same           in "answers"
 *	branch     THEN 7 2 before      THEN 7 2 before    {"result":"THEN",...
 *	event      SET<tab>7<tab>k<tab>v    -              {"event":"SET",...
 *	no         not found (stderr)   NOT_FOUND
 *	failed     text (stderr)        FAILED text
 *	unknown    text (stderr)        UNKNOWN text
 *	invalid    text (stderr)        INVALID text
 *
 * A sink collects an answer. Records may come in several pages; `records`
 * ends them. With `is_streamed`, what is in sink->out may be written between
 * pages. A failure forgets the records that came before it.
 */
#ifndef RAFTSUP_CTL_RENDER_H
#define RAFTSUP_CTL_RENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/raftsup.h"
#include "ctl/dynbuf.h"
#include "ctl/call.h"

struct json_t;

/* Zeroed is empty. */
struct sink {
	struct dynbuf out;     /* for standard output */
	struct dynbuf error;   /* one line for standard error, no newline */
	struct dynbuf records; /* line mode: they follow their count */
	struct json_t *array;  /* JSON: the same */
};

void sink_fini(struct sink *sink);
void sink_clear(struct sink *sink);

/* Drops the records of pages whose answer failed in the end. */
void sink_forget_records(struct sink *sink);

struct render {
	void (*index)(struct sink *, uint64_t index);
	void (*value)(struct sink *, const struct call *, const void *, size_t);
	void (*number)(struct sink *, int64_t);
	void (*count)(struct sink *, uint64_t);
	void (*length)(struct sink *, uint64_t);
	void (*record)(struct sink *, const struct call *, const void *key,
	    size_t key_size, const void *value, size_t value_size);
	void (*records)(struct sink *, uint64_t count);
	void (*outcome)(struct sink *, bool applied, uint64_t index);
	/* A transaction's answers, each said by `parts` into a sink of its
	 * own; `branch` ends them. */
	void (*part)(struct sink *, const struct sink *);
	void (*branch)(
	    struct sink *, bool then, uint64_t index, uint64_t count);
	const struct render *parts;
	void (*event)(
	    struct sink *, const struct call *, const struct raftsup_event *);
	/* RAFTSUP_NOT_FOUND or RAFTSUP_NOT_EQUAL */
	void (*no)(struct sink *, enum raftsup_code);
	void (*failed)(struct sink *, const char *text);
	void (*unknown)(
	    struct sink *, const struct call *, const struct raftsup_answer *);
	void (*invalid)(struct sink *, const char *text);
	bool is_streamed;
};

extern const struct render render_text;
extern const struct render render_line;
extern const struct render render_json;

/*
 * The line for an unknown outcome: the reason and the command that settles
 * it. For renderers.
 */
void render_unknown(struct dynbuf *buffer, const struct call *call,
    const struct raftsup_answer *answer);

/* "SET", "DEL", "EXPIRE". For renderers. */
const char *render_event_name(enum raftsup_event_type type);

/* A key, or a value, as text: escaped, or in hex. For renderers. */
void render_bytes(struct dynbuf *buffer, const struct call *call,
    const void *data, size_t size);

#endif
