/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of line mode. It waits for one thing at a time where it can, and
 * for input and answers at once only when both may come.
 */
#include "ctl/line.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/dynbuf.h"
#include "ctl/exec.h"
#include "ctl/input.h"
#include "ctl/order.h"
#include "ctl/render.h"
#include "ctl/txn.h"

/* Slots for each command that may be under way. */
#define WINDOW_FACTOR 4
/* How long one wait lasts at most; nothing depends on it. */
#define WAIT_MS_MAX 100
/* The same when answers can't be waited for together with input. */
#define WAIT_MS_BLIND 1

#define TOO_LONG "the line is too long for any command"

enum slot_state {
	SLOT_FREE = 0,
	SLOT_HELD, /* parsed, and not sent: it conflicts with an elder */
	SLOT_WAITING,
	SLOT_DONE,
};

struct slot {
	enum slot_state state;
	struct call call;
	struct order order;
	struct sink sink;
};

struct line {
	struct raftsup *handle;
	struct settings *settings;
	const struct render *render;
	struct input input;
	struct bytes_word *words;
	struct slot *slots;
	size_t window;
	uint64_t first, end; /* slots in use, modulo window */
	size_t in_flight, in_flight_max;
	struct slot *txn_slot; /* its transaction is being read; NULL */
	struct txn *txn;
	bool is_held;   /* the newest slot is SLOT_HELD, its words in input */
	int answers_fd; /* -1: none; asked for when it is needed */
	bool has_answers_fd;
	struct dynbuf out;
	int worst;
};

static int serve(struct line *);
static enum input_result take_lines(struct line *);
static bool has_room(const struct line *);
static void take_line(struct line *, char *, size_t);
static void refuse(struct line *, const char *);
static bool take_txn_line(struct line *, char *, size_t);
static void end_txn(struct line *);
static void begin_call(struct line *, struct slot *);
static struct slot *add_slot(struct line *);
static void send_held(struct line *);
static bool must_wait(const struct line *, const struct slot *);
static void submit(struct line *, uint64_t);
static void take_answer(struct line *, uint64_t, struct raftsup_answer *);
static void take_answers(struct line *, uint64_t);
static void fail_all(struct line *, const char *);
static int write_answers(struct line *);
static int read_input(struct line *);
static int wait_both(struct line *);

int
line_parse(struct call *call, struct settings *settings, char *line,
    size_t length, struct bytes_word *words, struct err_buf *err)
{
	const struct command *command;
	size_t count;
	int result;

	if (memchr(line, '\0', length) != NULL) {
		return err_set(err, ERR_USAGE,
		    "there is a zero byte in the line (write it as \\x00)");
	}
	result = bytes_split_words(
	    line, length, line, words, LINE_WORDS_MAX, &count, err);
	if (result != 0) {
		return result;
	}
	if (count == 0) {
		return 0;
	}
	command = command_find(&words[0], true, err);
	if (command == NULL) {
		return ERR_USAGE;
	}
	result = call_parse(
	    call, command, settings, words + 1, count - 1, true, err);
	return result != 0 ? result : 1;
}

int
line_run(struct settings *settings)
{
	struct line line = {
		.settings = settings,
		.render = settings->json ? &render_json : &render_line,
		.input = { .fd = STDIN_FILENO },
		.in_flight_max =
		    settings->pipeline > 0 ? settings->pipeline : 1,
	};
	struct err_buf err;
	int status;
	size_t i;

	status = exec_open(settings, &line.handle, &err);
	if (status != 0) {
		log_warnx("%s", err.text);
		return status;
	}
	line.window = line.in_flight_max * WINDOW_FACTOR;
	line.slots = dynbuf_calloc(line.window, sizeof(*line.slots));
	line.words = dynbuf_calloc(LINE_WORDS_MAX, sizeof(*line.words));

	status = serve(&line);
	if (status != 0 && line.in_flight > 0) {
		/* Nobody will hear what became of them. */
		line.worst = call_worst_status(line.worst, RAFTSUP_MAYBE);
	}
	for (i = 0; i < line.window; i++) {
		call_fini(&line.slots[i].call);
		sink_fini(&line.slots[i].sink);
	}
	txn_free(line.txn);
	free(line.slots);
	free(line.words);
	dynbuf_fini(&line.out);
	input_fini(&line.input);
	raftsup_close(line.handle);
	return call_worst_status(status, line.worst);
}

/* Until the end of the input and the last answer, or until a failure. */
static int
serve(struct line *line)
{
	enum input_result found;
	int result = 0;

	while (result == 0) {
		if (line->is_held) {
			send_held(line);
		}
		found = take_lines(line);
		result = write_answers(line);
		if (result != 0) {
			break;
		}
		if (found == INPUT_LINE && has_room(line)) {
			continue;
		}
		if (found != INPUT_MORE) {
			if (line->in_flight == 0) {
				assert(found == INPUT_END);
				assert(line->first == line->end);
				return 0;
			}
			take_answers(line, WAIT_MS_MAX * CLOCK_NS_PER_MS);
		} else if (line->in_flight == 0) {
			result = read_input(line);
		} else {
			result = wait_both(line);
		}
	}
	return result;
}

/*
 * Starts what was read, as far as there is room: INPUT_LINE when there was
 * not enough for all, INPUT_MORE or INPUT_END when all was taken.
 */
static enum input_result
take_lines(struct line *line)
{
	enum input_result found;
	size_t length;
	char *text;

	while (has_room(line)) {
		found = input_next(&line->input, &text, &length);
		switch (found) {
		case INPUT_LINE:
			if (!take_txn_line(line, text, length)) {
				take_line(line, text, length);
			}
			break;
		case INPUT_TOO_LONG:
			if (line->txn != NULL) {
				txn_spoil(line->txn, TOO_LONG);
			} else {
				refuse(line, TOO_LONG);
			}
			break;
		case INPUT_END:
			if (line->txn != NULL) {
				txn_spoil(line->txn, "there is no line `end`");
				end_txn(line);
				break;
			}
			return found;
		case INPUT_MORE:
			return found;
		}
	}
	return INPUT_LINE;
}

static bool
has_room(const struct line *line)
{
	return !line->is_held && line->in_flight < line->in_flight_max &&
	       line->end - line->first < line->window;
}

static void
take_line(struct line *line, char *text, size_t length)
{
	struct slot *slot = add_slot(line);
	struct err_buf err;
	int result;

	result = line_parse(
	    &slot->call, line->settings, text, length, line->words, &err);
	if (result <= 0) {
		line->end--;
		if (result < 0) {
			refuse(line, err.text);
		}
		return;
	}
	if (slot->call.command == &txn_command) {
		line->txn = txn_new();
		line->txn_slot = slot;
		return;
	}
	begin_call(line, slot);
}

static void
begin_call(struct line *line, struct slot *slot)
{
	slot->state = SLOT_HELD;
	line->is_held = true;
	order_init(&slot->order, &slot->call.request);
	send_held(line);
}

/* True: it was a line of a transaction. */
static bool
take_txn_line(struct line *line, char *text, size_t length)
{
	if (line->txn == NULL) {
		return false;
	}
	if (txn_take(line->txn, line->settings, text, length, line->words)) {
		end_txn(line);
	}
	return true;
}

static void
end_txn(struct line *line)
{
	struct slot *slot = line->txn_slot;
	struct txn *txn = line->txn;
	struct err_buf err;

	line->txn = NULL;
	line->txn_slot = NULL;
	if (txn_finish(txn, &slot->call, &err) == 0) {
		begin_call(line, slot);
		return;
	}
	call_fini(&slot->call);
	line->render->invalid(&slot->sink, err.text);
	slot->state = SLOT_DONE;
	line->worst = call_worst_status(line->worst, RAFTSUP_USAGE);
}

/* A line that is not a command has its answer at once. */
static void
refuse(struct line *line, const char *text)
{
	struct slot *slot = add_slot(line);

	line->render->invalid(&slot->sink, text);
	slot->state = SLOT_DONE;
	line->worst = call_worst_status(line->worst, RAFTSUP_USAGE);
}

static struct slot *
add_slot(struct line *line)
{
	struct slot *slot = &line->slots[line->end % line->window];

	assert(line->end - line->first < line->window);
	assert(slot->state == SLOT_FREE);
	line->end++;
	return slot;
}

/* Sends the newest line, unless it has to wait for an older one. */
static void
send_held(struct line *line)
{
	uint64_t tag = line->end - 1;
	struct slot *slot = &line->slots[tag % line->window];

	assert(slot->state == SLOT_HELD);
	if (must_wait(line, slot)) {
		return;
	}
	line->is_held = false;
	slot->state = SLOT_WAITING;
	line->in_flight++;
	submit(line, tag);
}

static bool
must_wait(const struct line *line, const struct slot *slot)
{
	const struct slot *elder;
	uint64_t tag;

	if (line->in_flight == 0) {
		return false;
	}
	for (tag = line->first; tag + 1 < line->end; tag++) {
		elder = &line->slots[tag % line->window];
		if (elder->state == SLOT_WAITING &&
		    order_conflicts(&elder->order, &slot->order)) {
			return true;
		}
	}
	return false;
}

static void
submit(struct line *line, uint64_t tag)
{
	struct slot *slot = &line->slots[tag % line->window];
	struct raftsup_answer failed = { .tag = tag };
	int code;

	code = raftsup_submit(line->handle, &slot->call.request, tag);
	if (code != RAFTSUP_OK) {
		failed.code = (enum raftsup_code)code;
		failed.text = raftsup_error(line->handle);
		take_answer(line, tag, &failed);
	}
}

static void
take_answer(struct line *line, uint64_t tag, struct raftsup_answer *answer)
{
	struct slot *slot = &line->slots[tag % line->window];

	assert(tag >= line->first && tag < line->end);
	assert(slot->state == SLOT_WAITING);
	if (call_answer(&slot->call, answer, line->render, &slot->sink)) {
		submit(line, tag);
		return;
	}
	line->worst = call_worst_status(
	    line->worst, call_line_status(&slot->call, answer));
	call_fini(&slot->call);
	slot->state = SLOT_DONE;
	line->in_flight--;
}

/* Waits up to timeout_ns for a first answer, and takes all that are there. */
static void
take_answers(struct line *line, uint64_t timeout_ns)
{
	struct raftsup_answer got;
	int code;

	while (line->in_flight > 0) {
		code = raftsup_poll(line->handle, timeout_ns, &got);
		if (code == RAFTSUP_NOT_FOUND) {
			return;
		}
		if (code != RAFTSUP_OK) {
			fail_all(line, raftsup_error(line->handle));
			return;
		}
		take_answer(line, got.tag, &got);
		timeout_ns = 0;
	}
}

/* The handle is of no use: nobody knows what became of the writes. */
static void
fail_all(struct line *line, const char *text)
{
	struct raftsup_answer unknown = { .text = text };
	struct slot *slot;
	uint64_t tag;

	for (tag = line->first; tag < line->end; tag++) {
		slot = &line->slots[tag % line->window];
		if (slot->state != SLOT_WAITING) {
			continue;
		}
		switch (slot->call.request.operation) {
		case RAFTSUP_GET:
		case RAFTSUP_LIST:
		case RAFTSUP_COUNT:
			unknown.code = RAFTSUP_NOT_APPLIED;
			break;
		default:
			unknown.code = RAFTSUP_MAYBE;
			break;
		}
		take_answer(line, tag, &unknown);
	}
}

/* Writes the answers whose elders are answered. */
static int
write_answers(struct line *line)
{
	struct slot *slot;
	int status;

	for (; line->first < line->end; line->first++) {
		slot = &line->slots[line->first % line->window];
		if (slot->state != SLOT_DONE) {
			break;
		}
		dynbuf_append(
		    &line->out, slot->sink.out.data, slot->sink.out.size);
		sink_clear(&slot->sink);
		slot->state = SLOT_FREE;
	}
	status = exec_write(line->out.data, line->out.size);
	dynbuf_clear(&line->out);
	return status;
}

static int
read_input(struct line *line)
{
	if (input_fill(&line->input) != 0) {
		log_warn("cannot read standard input");
		return err_exit_status(ERR_IO);
	}
	return 0;
}

static int
wait_both(struct line *line)
{
	struct pollfd fds[2] = {
		{ .fd = line->input.fd, .events = POLLIN },
		{ .events = POLLIN },
	};
	int ready;

	take_answers(line, 0);
	if (line->slots[line->first % line->window].state == SLOT_DONE) {
		return 0;
	}
	if (!line->has_answers_fd) {
		line->answers_fd = raftsup_fd(line->handle);
		line->has_answers_fd = true;
	}
	fds[1].fd = line->answers_fd;
	ready =
	    poll(fds, 2, line->answers_fd >= 0 ? WAIT_MS_MAX : WAIT_MS_BLIND);
	if (ready < 0 && errno != EINTR) {
		log_warn("cannot wait for standard input");
		return err_exit_status(ERR_IO);
	}
	if (has_room(line) && ready > 0 && fds[0].revents != 0) {
		return read_input(line);
	}
	return 0;
}
