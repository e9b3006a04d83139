/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lock NAME -- COMMAND: runs the command while it holds the lock.
 *
 *	take	if lock:NAME absent then set --ttl T lock:NAME OWNER
 *		the index of that entry is the fencing number
 *	wait	for DEL or EXPIRE of the key, behind the refusal's entry
 *	keep	if lock:NAME = OWNER then set it again, each third of T
 *	leave	if lock:NAME = OWNER then del
 *
 * Whoever holds it counts T from the moment at which the last request that
 * went well was sent: log time is not faster than the clock here, so nobody
 * else has it before that is over.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "ctl/dynbuf.h"
#include "ctl/exec.h"
#include "ctl/lock_child.h"
#include "ctl/usage.h"

#define KEY_PREFIX     "lock:"
#define OWNER_SIZE     16 /* random bytes */
#define PAUSE_NS       (20 * 1000 * 1000)
#define TTL_NS_DEFAULT (10 * CLOCK_NS_PER_S)
#define TTL_NS_MIN     (100 * CLOCK_NS_PER_MS)
#define TTL_NS_MAX     (24 * 3600 * CLOCK_NS_PER_S)

struct lock {
	struct raftsup *handle;
	uint64_t ttl_ns;
	uint8_t key[RAFTSUP_KEY_SIZE_MAX];
	size_t key_size;
	char owner[2 * OWNER_SIZE + 1];
	uint64_t fence;
	uint64_t until_ns; /* it is surely ours so long */
};

static const struct word_option lock_options[] = {
	{ "--ttl", 0, true, false, 0 },
	{ NULL },
};

static int parse(struct lock *, struct settings *, const struct bytes_word *,
    size_t, char ***, struct err_buf *);
static int take_name(
    struct lock *, const struct bytes_word *, struct err_buf *);
static int run(struct lock *, struct settings *, char **);
static int take(struct lock *, uint64_t, struct err_buf *);
static int wait_for_end(
    struct lock *, struct raftsup_position *, uint64_t, struct err_buf *);
static int keep(struct lock *, struct lock_child *, bool *);
static void leave(struct lock *);
static int ask(struct lock *, enum raftsup_compare_kind,
    enum raftsup_operation, struct raftsup_answer *);

static int
lock_run(
    struct settings *settings, const struct bytes_word *words, size_t count)
{
	struct lock lock = { .ttl_ns = TTL_NS_DEFAULT };
	uint8_t random[OWNER_SIZE];
	char **argv = NULL;
	struct err_buf err;
	int status = parse(&lock, settings, words, count, &argv, &err);

	if (status != 0) {
		log_warnx("lock: %s", err.text);
		return err_exit_status(ERR_USAGE);
	}
	if (settings->help) {
		return usage_print_command(&lock_command);
	}
	if (getrandom(random, sizeof(random), 0) != sizeof(random)) {
		log_warn("lock: no random name");
		status = err_exit_status(ERR_INTERNAL);
	} else {
		bytes_hex_encode(lock.owner, random, sizeof(random));
		status = run(&lock, settings, argv);
	}
	free(argv);
	return status;
}

const struct command lock_command = {
	.name = "lock",
	.synopsis = "[--ttl T] NAME -- COMMAND ...",
	.options = lock_options,
	.run = lock_run,
};

static int
parse(struct lock *lock, struct settings *settings,
    const struct bytes_word *words, size_t count, char ***argv,
    struct err_buf *err)
{
	const struct word_option *option;
	struct word_parser parser;
	const char *argument;
	size_t i;
	int result;

	word_parser_init(
	    &parser, words, count, false, lock_options, settings_options);
	while (
	    (result = word_parser_next(&parser, &option, &argument, err)) > 0) {
		result = word_option_is_in(option, lock_options)
		             ? options_time("--ttl", argument, TTL_NS_MIN,
				   TTL_NS_MAX, &lock->ttl_ns, err)
		             : settings_set(settings, option, argument, err);
		if (result != 0) {
			return result;
		}
	}
	if (result != 0 || settings->help) {
		return result;
	}
	if (settings->json || settings->hex || settings->file != NULL ||
	    settings->pipeline != 0) {
		return err_set(err, ERR_USAGE,
		    "-j, --hex, --file and -P are not for lock");
	}
	words += parser.position;
	count -= parser.position;
	if (count == 0) {
		return err_set(err, ERR_USAGE,
		    "NAME is missing (usage: lock %s)", lock_command.synopsis);
	}
	result = take_name(lock, &words[0], err);
	if (result != 0) {
		return result;
	}
	i = count > 1 && strcmp((const char *)words[1].data, "--") == 0 ? 2 : 1;
	if (i == count) {
		return err_set(err, ERR_USAGE,
		    "COMMAND is missing (usage: lock %s)",
		    lock_command.synopsis);
	}
	*argv = dynbuf_calloc(count - i + 1, sizeof(**argv));
	for (count -= i, words += i, i = 0; i < count; i++) {
		(*argv)[i] = (char *)(uintptr_t)words[i].data;
	}
	return 0;
}

static int
take_name(struct lock *lock, const struct bytes_word *word,
    struct err_buf *err)
{
	size_t lead = strlen(KEY_PREFIX);

	if (word->size == 0 || word->size > sizeof(lock->key) - lead) {
		return err_set(err, ERR_USAGE,
		    "NAME has %zu bytes (1 to %zu are possible)", word->size,
		    sizeof(lock->key) - lead);
	}
	memcpy(lock->key, KEY_PREFIX, lead);
	memcpy(lock->key + lead, word->data, word->size);
	lock->key_size = lead + word->size;
	return 0;
}

static int
run(struct lock *lock, struct settings *settings, char **argv)
{
	uint64_t timeout_ns = settings->timeout_ns != 0 ? settings->timeout_ns
	                                                : 5 * CLOCK_NS_PER_S;
	struct settings own = *settings;
	struct lock_child child;
	bool is_lost = false;
	struct err_buf err;
	int status;

	/* A request that is not answered must leave time for another one. */
	if (timeout_ns > lock->ttl_ns / 3) {
		own.timeout_ns = lock->ttl_ns / 3;
	}
	status = exec_open(&own, &lock->handle, &err);
	if (status != 0) {
		log_warnx("lock: %s", err.text);
		return status;
	}
	status = take(lock, clock_now_ns() + timeout_ns, &err);
	if (status != 0) {
		log_warnx("lock: %s", err.text);
		raftsup_close(lock->handle);
		return status;
	}
	status = lock_child_start(&child, argv, lock->fence, &err);
	if (status != 0) {
		log_warnx("lock: %s", err.text);
		status = err_exit_status(status);
	} else {
		status = keep(lock, &child, &is_lost);
	}
	if (!is_lost) {
		leave(lock);
	}
	raftsup_close(lock->handle);
	return status;
}

/* 0, or an exit status and a line in `err`. */
static int
take(struct lock *lock, uint64_t deadline_ns, struct err_buf *err)
{
	struct raftsup_position position;
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct raftsup_answer answer;
	uint64_t sent_ns;
	int code;

	for (;;) {
		sent_ns = clock_now_ns();
		code = ask(lock, RAFTSUP_ABSENT, RAFTSUP_SET, &answer);
		if (code == RAFTSUP_OK && answer.then) {
			lock->fence = answer.index;
			lock->until_ns = sent_ns + lock->ttl_ns;
			if (clock_now_ns() < lock->until_ns) {
				return 0;
			}
			code = RAFTSUP_NOT_APPLIED;
			answer.text = "it came too late";
		}
		if (code == RAFTSUP_OK) {
			position.index = answer.index + 1;
			position.skip = 0;
			code = wait_for_end(
			    lock, &position, deadline_ns, err);
			if (code != 0) {
				return code;
			}
			continue;
		}
		err_set(err, 0, "not got: %s", answer.text);
		/* Nobody shall wait for what nobody has. */
		leave(lock);
		if (code != RAFTSUP_MAYBE && code != RAFTSUP_NOT_APPLIED) {
			return code;
		}
		if (clock_now_ns() >= deadline_ns) {
			return RAFTSUP_NOT_APPLIED;
		}
		/* It may have been refused at once. */
		nanosleep(&pause, NULL);
	}
}

/* Asks nobody while somebody else has it. */
static int
wait_for_end(struct lock *lock, struct raftsup_position *position,
    uint64_t deadline_ns, struct err_buf *err)
{
	struct raftsup_answer answer;
	struct raftsup_event event;
	size_t at;
	int code;

	while (clock_now_ns() < deadline_ns) {
		code = raftsup_watch(lock->handle, lock->key, lock->key_size,
		    position, &answer);
		if (code == RAFTSUP_COMPACTED) {
			return 0;
		}
		for (at = 0; code == RAFTSUP_OK &&
		             raftsup_answer_event(&answer, &at, &event);) {
			if (event.key_size == lock->key_size &&
			    event.type != RAFTSUP_EVENT_SET) {
				return 0;
			}
		}
	}
	err_set(err, 0, "not got: somebody else has it");
	return RAFTSUP_NOT_APPLIED;
}

/* Until the command ends, or the lock is lost: then *is_lost and 75. */
static int
keep(struct lock *lock, struct lock_child *child, bool *is_lost)
{
	uint64_t every_ns = lock->ttl_ns / 3, next_ns, sent_ns, now_ns;
	struct raftsup_answer answer;
	int code, wait_ms;

	next_ns = lock->until_ns - lock->ttl_ns + every_ns;
	for (;;) {
		now_ns = clock_now_ns();
		wait_ms = next_ns <= now_ns
		              ? 0
		              : (int)((next_ns - now_ns) / CLOCK_NS_PER_MS) + 1;
		if (lock_child_wait(child, wait_ms)) {
			return lock_child_status(child);
		}
		sent_ns = clock_now_ns();
		if (sent_ns < next_ns) {
			continue;
		}
		code = ask(lock, RAFTSUP_EQUAL, RAFTSUP_SET, &answer);
		if (code == RAFTSUP_OK && answer.then) {
			lock->until_ns = sent_ns + lock->ttl_ns;
			next_ns = sent_ns + every_ns;
			continue;
		}
		now_ns = clock_now_ns();
		if (code == RAFTSUP_OK || now_ns + every_ns / 4 >=
		                              lock->until_ns) {
			break;
		}
		next_ns = now_ns + every_ns / 8;
	}
	*is_lost = true;
	log_warnx("lock: lost: %s", code == RAFTSUP_OK
	                                ? "somebody else has it"
	                                : "it could not be renewed in time");
	lock_child_kill(child, SIGTERM);
	while (!lock_child_wait(child, -1)) {
	}
	(void)lock_child_status(child);
	return RAFTSUP_MAYBE;
}

static void
leave(struct lock *lock)
{
	struct raftsup_answer answer;

	/* If nobody hears, it expires. */
	(void)ask(lock, RAFTSUP_EQUAL, RAFTSUP_DEL, &answer);
}

/* If the lock is as it should be, sets it to our name or deletes it. */
static int
ask(struct lock *lock, enum raftsup_compare_kind kind,
    enum raftsup_operation operation, struct raftsup_answer *answer)
{
	struct raftsup_compare compare = {
		.kind = kind,
		.key = lock->key,
		.key_size = lock->key_size,
	};
	struct raftsup_request then = {
		.operation = operation,
		.key = lock->key,
		.key_size = lock->key_size,
	};
	struct raftsup_request request = {
		.operation = RAFTSUP_TXN,
		.compares = &compare,
		.compare_count = 1,
		.then = &then,
		.then_count = 1,
	};

	if (kind == RAFTSUP_EQUAL) {
		compare.value = lock->owner;
		compare.value_size = strlen(lock->owner);
	}
	if (operation == RAFTSUP_SET) {
		then.value = lock->owner;
		then.value_size = strlen(lock->owner);
		then.ttl_ns = lock->ttl_ns;
	}
	return raftsup_call(lock->handle, &request, answer);
}
