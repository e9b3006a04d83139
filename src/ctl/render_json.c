/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers as JSON: one object, on one line. "result" is the word of line
 * mode; what is not UTF-8 (and everything with --hex) stands in hex under a
 * name that ends in _hex. In one call a failure is said on standard error
 * too.
 *
 *	{"result":"OK","index":7}
 *	{"result":"VALUE","value":"v"}     {"result":"VALUE","value_hex":"ff"}
 *	{"result":"VALUE","number":42}     (incr)
 *	{"result":"COUNT","count":3}       {"result":"LENGTH","length":11}
 *	{"result":"COUNT","count":1,"records":[{"key":"k","value":"v"}]}
 *	{"result":"APPLIED","index":7}     {"result":"NOT_APPLIED"}
 *	{"result":"THEN","index":7,"count":1,"answers":[{"result":"OK",...}]}
 *	{"event":"SET","index":7,"key":"k","value":"v"}
 *	{"result":"NOT_FOUND"}             {"result":"NOT_EQUAL"}
 *	{"result":"FAILED","error":"..."}  {"result":"INVALID","error":"..."}
 *	{"result":"UNKNOWN","error":"...","session":5,"sequence":9}
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/render.h"

static json_t *begin(const char *result);
static void put(json_t *object, const char *name, json_t *value);
static void put_bytes(json_t *object, const char *name, const struct call *call,
    const void *data, size_t size);
static void put_text(json_t *object, const char *name, const char *text);
static void finish(struct sink *sink, json_t *object);

static void
json_index(struct sink *sink, uint64_t index)
{
	json_t *object = begin("OK");

	put(object, "index", json_integer((json_int_t)index));
	finish(sink, object);
}

static void
json_value(
    struct sink *sink, const struct call *call, const void *data, size_t size)
{
	json_t *object = begin("VALUE");

	put_bytes(object, "value", call, data, size);
	finish(sink, object);
}

static void
json_number(struct sink *sink, int64_t number)
{
	json_t *object = begin("VALUE");

	put(object, "number", json_integer(number));
	finish(sink, object);
}

static void
json_count(struct sink *sink, uint64_t count)
{
	json_t *object = begin("COUNT");

	put(object, "count", json_integer((json_int_t)count));
	finish(sink, object);
}

static void
json_length(struct sink *sink, uint64_t length)
{
	json_t *object = begin("LENGTH");

	put(object, "length", json_integer((json_int_t)length));
	finish(sink, object);
}

static void
json_record(struct sink *sink, const struct call *call, const void *key,
    size_t key_size, const void *value, size_t value_size)
{
	json_t *object = json_object();

	if (sink->array == NULL) {
		sink->array = json_array();
	}
	put_bytes(object, "key", call, key, key_size);
	put_bytes(object, "value", call, value, value_size);
	if (json_array_append_new(sink->array, object) != 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
}

static void
json_records(struct sink *sink, uint64_t count)
{
	json_t *object = begin("COUNT");
	json_t *array = sink->array;

	sink->array = NULL;
	put(object, "count", json_integer((json_int_t)count));
	put(object, "records", array != NULL ? array : json_array());
	finish(sink, object);
}

static void
json_outcome(struct sink *sink, bool applied, uint64_t index)
{
	json_t *object = begin(applied ? "APPLIED" : "NOT_APPLIED");

	if (applied) {
		put(object, "index", json_integer((json_int_t)index));
	}
	finish(sink, object);
}

static void
json_part(struct sink *sink, const struct sink *part)
{
	json_t *object = json_loadb(part->out.data, part->out.size, 0, NULL);

	if (sink->array == NULL) {
		sink->array = json_array();
	}
	if (object == NULL ||
	    json_array_append_new(sink->array, object) != 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
}

static void
json_branch(struct sink *sink, bool then, uint64_t index, uint64_t count)
{
	json_t *object = begin(then ? "THEN" : "ELSE");
	json_t *array = sink->array;

	sink->array = NULL;
	put(object, "index", json_integer((json_int_t)index));
	put(object, "count", json_integer((json_int_t)count));
	put(object, "answers", array != NULL ? array : json_array());
	finish(sink, object);
}

static void
json_event(struct sink *sink, const struct call *call,
    const struct raftsup_event *event)
{
	json_t *object = json_object();

	put_text(object, "event", render_event_name(event->type));
	put(object, "index", json_integer((json_int_t)event->index));
	put_bytes(object, "key", call, event->key, event->key_size);
	if (event->type == RAFTSUP_EVENT_SET) {
		put_bytes(object, "value", call, event->value,
		    event->value_size);
	}
	finish(sink, object);
}

static void
json_no(struct sink *sink, enum raftsup_code code)
{
	finish(
	    sink, begin(code == RAFTSUP_NOT_FOUND ? "NOT_FOUND" : "NOT_EQUAL"));
}

static void
json_error(struct sink *sink, const char *result, const char *text)
{
	json_t *object = begin(result);

	put_text(object, "error", text);
	finish(sink, object);
	dynbuf_line(&sink->error, text);
}

static void
json_failed(struct sink *sink, const char *text)
{
	json_error(sink, "FAILED", text);
}

static void
json_invalid(struct sink *sink, const char *text)
{
	json_error(sink, "INVALID", text);
}

static void
json_unknown(struct sink *sink, const struct call *call,
    const struct raftsup_answer *answer)
{
	json_t *object = begin("UNKNOWN");

	render_unknown(&sink->error, call, answer);
	dynbuf_append(&sink->error, "", 1);
	sink->error.size--;
	put_text(object, "error", sink->error.data);
	put(object, "session", json_integer((json_int_t)answer->session));
	put(object, "sequence", json_integer((json_int_t)answer->sequence));
	finish(sink, object);
}

const struct render render_json = {
	.index = json_index,
	.value = json_value,
	.number = json_number,
	.count = json_count,
	.length = json_length,
	.record = json_record,
	.records = json_records,
	.outcome = json_outcome,
	.part = json_part,
	.branch = json_branch,
	.parts = &render_json,
	.event = json_event,
	.no = json_no,
	.failed = json_failed,
	.unknown = json_unknown,
	.invalid = json_invalid,
};

static json_t *
begin(const char *result)
{
	json_t *object = json_object();

	put(object, "result", json_string(result));
	return object;
}

/* Takes the value. */
static void
put(json_t *object, const char *name, json_t *value)
{
	if (json_object_set_new(object, name, value) != 0) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
}

static void
put_bytes(json_t *object, const char *name, const struct call *call,
    const void *data, size_t size)
{
	struct dynbuf text = { 0 };
	json_t *string = NULL;
	char hex_name[16];

	if (!call->hex) {
		/* NULL when it is not UTF-8. */
		string = json_stringn(size > 0 ? data : "", size);
	}
	if (string != NULL) {
		put(object, name, string);
		return;
	}
	snprintf(hex_name, sizeof(hex_name), "%s_hex", name);
	dynbuf_hex(&text, data, size);
	put(object, hex_name, json_stringn(text.data, text.size));
	dynbuf_fini(&text);
}

/* An error's text may quote a word; what is not UTF-8 in it is replaced. */
static void
put_text(json_t *object, const char *name, const char *text)
{
	struct dynbuf ascii = { 0 };
	json_t *string = json_string(text);
	size_t i;

	if (string == NULL) {
		dynbuf_append(&ascii, text, strlen(text));
		for (i = 0; i < ascii.size; i++) {
			if ((unsigned char)ascii.data[i] >= 0x80) {
				ascii.data[i] = '?';
			}
		}
		string = json_stringn(ascii.data, ascii.size);
		dynbuf_fini(&ascii);
	}
	put(object, name, string);
}

/* Takes the object. */
static void
finish(struct sink *sink, json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	if (text == NULL) {
		fatalx(err_exit_status(ERR_NOMEM), "out of memory");
	}
	dynbuf_append(&sink->out, text, strlen(text));
	dynbuf_append(&sink->out, "\n", 1);
	free(text);
	json_decref(object);
}
