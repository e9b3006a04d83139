/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the renderers share, and the two plain ones. That for one call and
 * that for lines differ where a script reads lines and a person reads words.
 */
#include "ctl/render.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static void quote_dir(struct dynbuf *, const char *);

void
sink_fini(struct sink *sink)
{
	dynbuf_fini(&sink->out);
	dynbuf_fini(&sink->error);
	dynbuf_fini(&sink->records);
	json_decref(sink->array);
	sink->array = NULL;
}

void
sink_clear(struct sink *sink)
{
	dynbuf_clear(&sink->out);
	dynbuf_clear(&sink->error);
	sink_forget_records(sink);
}

void
sink_forget_records(struct sink *sink)
{
	dynbuf_clear(&sink->records);
	json_decref(sink->array);
	sink->array = NULL;
}

void
render_unknown(struct dynbuf *buffer, const struct call *call,
    const struct raftsup_answer *answer)
{
	dynbuf_line(buffer, answer->text != NULL ? answer->text : "unknown");
	if (answer->session == 0) {
		return;
	}
	dynbuf_printf(buffer, "; settle it: raftctl ");
	if (call->dir != NULL) {
		dynbuf_printf(buffer, "-d ");
		quote_dir(buffer, call->dir);
		dynbuf_printf(buffer, " ");
	}
	dynbuf_printf(buffer, "outcome %" PRIu64 " %" PRIu64, answer->session,
	    answer->sequence);
}

void
render_bytes(struct dynbuf *buffer, const struct call *call, const void *data,
    size_t size)
{
	if (call->hex) {
		dynbuf_hex(buffer, data, size);
	} else {
		dynbuf_escape(buffer, data, size);
	}
}

/* As a shell reads it back. */
static void
quote_dir(struct dynbuf *buffer, const char *dir)
{
	if (strspn(dir, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789_./-+,:@%") == strlen(dir)) {
		dynbuf_printf(buffer, "%s", dir);
		return;
	}
	dynbuf_append(buffer, "'", 1);
	for (; *dir != '\0'; dir++) {
		if (*dir == '\'') {
			dynbuf_append(buffer, "'\\''", 4);
		} else {
			dynbuf_append(buffer, dir, 1);
		}
	}
	dynbuf_append(buffer, "'", 1);
}

/* ---- what both plain ones say -------------------------------------------- */

static void
plain_index(struct sink *sink, uint64_t index)
{
	dynbuf_printf(&sink->out, "OK %" PRIu64 "\n", index);
}

static void
plain_outcome(struct sink *sink, bool applied, uint64_t index)
{
	if (applied) {
		dynbuf_printf(&sink->out, "APPLIED %" PRIu64 "\n", index);
	} else {
		dynbuf_printf(&sink->out, "NOT_APPLIED\n");
	}
}

static void
plain_record(struct dynbuf *buffer, const struct call *call, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	render_bytes(buffer, call, key, key_size);
	dynbuf_append(buffer, "\t", 1);
	render_bytes(buffer, call, value, value_size);
	dynbuf_append(buffer, "\n", 1);
}

static void
plain_part(struct sink *sink, const struct sink *part)
{
	dynbuf_append(&sink->records, part->out.data, part->out.size);
}

static void
plain_branch(struct sink *sink, bool then, uint64_t index, uint64_t count)
{
	dynbuf_printf(&sink->out, "%s %" PRIu64 " %" PRIu64 "\n",
	    then ? "THEN" : "ELSE", index, count);
	dynbuf_append(&sink->out, sink->records.data, sink->records.size);
	dynbuf_clear(&sink->records);
}

const char *
render_event_name(enum raftsup_event_type type)
{
	switch (type) {
	case RAFTSUP_EVENT_SET:
		return "SET";
	case RAFTSUP_EVENT_DEL:
		return "DEL";
	case RAFTSUP_EVENT_EXPIRE:
		break;
	}
	return "EXPIRE";
}

static void
plain_event(struct sink *sink, const struct call *call,
    const struct raftsup_event *event)
{
	dynbuf_printf(&sink->out, "%s\t%" PRIu64 "\t",
	    render_event_name(event->type), event->index);
	render_bytes(&sink->out, call, event->key, event->key_size);
	if (event->type == RAFTSUP_EVENT_SET) {
		dynbuf_append(&sink->out, "\t", 1);
		render_bytes(&sink->out, call, event->value,
		    event->value_size);
	}
	dynbuf_append(&sink->out, "\n", 1);
}

/* ---- one call ------------------------------------------------------------ */

static void
text_value(
    struct sink *sink, const struct call *call, const void *data, size_t size)
{
	if (call->hex) {
		dynbuf_hex(&sink->out, data, size);
	} else {
		dynbuf_append(&sink->out, data, size);
	}
	if (!call->raw) {
		dynbuf_append(&sink->out, "\n", 1);
	}
}

static void
text_number(struct sink *sink, int64_t number)
{
	dynbuf_printf(&sink->out, "%" PRId64 "\n", number);
}

static void
text_count(struct sink *sink, uint64_t count)
{
	dynbuf_printf(&sink->out, "%" PRIu64 "\n", count);
}

static void
text_record(struct sink *sink, const struct call *call, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	plain_record(&sink->out, call, key, key_size, value, value_size);
}

static void
text_records(struct sink *sink UNUSED, uint64_t count UNUSED)
{
}

static void
text_no(struct sink *sink, enum raftsup_code code)
{
	dynbuf_line(&sink->error,
	    code == RAFTSUP_NOT_FOUND ? "not found" : "not equal");
}

static void
text_failed(struct sink *sink, const char *text)
{
	dynbuf_line(&sink->error, text);
}

static void
text_unknown(struct sink *sink, const struct call *call,
    const struct raftsup_answer *answer)
{
	render_unknown(&sink->error, call, answer);
}

const struct render render_text = {
	.index = plain_index,
	.value = text_value,
	.number = text_number,
	.count = text_count,
	.length = text_count,
	.record = text_record,
	.records = text_records,
	.outcome = plain_outcome,
	.part = plain_part,
	.branch = plain_branch,
	.parts = &render_line,
	.event = plain_event,
	.no = text_no,
	.failed = text_failed,
	.unknown = text_unknown,
	.invalid = text_failed,
	.is_streamed = true,
};

/* ---- lines --------------------------------------------------------------- */

static void
line_value(
    struct sink *sink, const struct call *call, const void *data, size_t size)
{
	dynbuf_append(&sink->out, "VALUE ", 6);
	render_bytes(&sink->out, call, data, size);
	dynbuf_append(&sink->out, "\n", 1);
}

static void
line_number(struct sink *sink, int64_t number)
{
	dynbuf_printf(&sink->out, "VALUE %" PRId64 "\n", number);
}

static void
line_count(struct sink *sink, uint64_t count)
{
	dynbuf_printf(&sink->out, "COUNT %" PRIu64 "\n", count);
}

static void
line_length(struct sink *sink, uint64_t length)
{
	dynbuf_printf(&sink->out, "LENGTH %" PRIu64 "\n", length);
}

static void
line_record(struct sink *sink, const struct call *call, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	plain_record(&sink->records, call, key, key_size, value, value_size);
}

static void
line_records(struct sink *sink, uint64_t count)
{
	line_count(sink, count);
	dynbuf_append(&sink->out, sink->records.data, sink->records.size);
	dynbuf_clear(&sink->records);
}

static void
line_no(struct sink *sink, enum raftsup_code code)
{
	dynbuf_printf(&sink->out, "%s\n",
	    code == RAFTSUP_NOT_FOUND ? "NOT_FOUND" : "NOT_EQUAL");
}

static void
line_words(struct sink *sink, const char *word, const char *text)
{
	dynbuf_printf(&sink->out, "%s ", word);
	dynbuf_line(&sink->out, text);
	dynbuf_append(&sink->out, "\n", 1);
}

static void
line_failed(struct sink *sink, const char *text)
{
	line_words(sink, "FAILED", text);
}

static void
line_unknown(struct sink *sink, const struct call *call,
    const struct raftsup_answer *answer)
{
	dynbuf_append(&sink->out, "UNKNOWN ", 8);
	render_unknown(&sink->out, call, answer);
	dynbuf_append(&sink->out, "\n", 1);
}

static void
line_invalid(struct sink *sink, const char *text)
{
	line_words(sink, "INVALID", text);
}

const struct render render_line = {
	.index = plain_index,
	.value = line_value,
	.number = line_number,
	.count = line_count,
	.length = line_length,
	.record = line_record,
	.records = line_records,
	.outcome = plain_outcome,
	.part = plain_part,
	.branch = plain_branch,
	.parts = &render_line,
	.event = plain_event,
	.no = line_no,
	.failed = line_failed,
	.unknown = line_unknown,
	.invalid = line_invalid,
};
