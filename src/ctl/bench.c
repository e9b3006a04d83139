/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench: options, threads, progress and the order of the phases.
 */
#include "ctl/bench.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "ctl/bench_report.h"
#include "ctl/dynbuf.h"
#include "ctl/command.h"
#include "ctl/exec.h"
#include "ctl/usage.h"

#define CLIENTS_MAX 1024
#define KEYS_MAX    100000000
#define OPS_MAX     1000000000000
#define RATE_MAX    100000000
#define PARTS_MAX   1000000
#define TIME_NS_MAX (24 * 3600 * CLOCK_NS_PER_S)

#define OPS_DEFAULT        10000
#define VALUE_SIZE_DEFAULT 100
#define KEYS_DEFAULT       1000

#define LOOK_NS     (20 * CLOCK_NS_PER_MS)
#define PROGRESS_NS (200 * CLOCK_NS_PER_MS)

enum {
	BENCH_SET,
	BENCH_GET,
	BENCH_MIX,
	BENCH_OPS,
	BENCH_TIME,
	BENCH_CLIENTS,
	BENCH_PIPELINE,
	BENCH_VALUE_SIZE,
	BENCH_KEYS,
	BENCH_RATE,
	BENCH_KEEP,
	BENCH_DISTRIBUTION,
};

static const struct word_option bench_command_options[] = {
	{ "--set", 0, false, false, BENCH_SET },
	{ "--get", 0, false, false, BENCH_GET },
	{ "--mix", 0, true, false, BENCH_MIX },
	{ "--ops", 'n', true, false, BENCH_OPS },
	{ "--time", 0, true, false, BENCH_TIME },
	{ "--clients", 'c', true, false, BENCH_CLIENTS },
	{ "--pipeline", 'P', true, false, BENCH_PIPELINE },
	{ "--size", 's', true, false, BENCH_VALUE_SIZE },
	{ "--keys", 'r', true, false, BENCH_KEYS },
	{ "--rate", 0, true, false, BENCH_RATE },
	{ "--keep", 0, false, false, BENCH_KEEP },
	{ "--distribution", 0, false, false, BENCH_DISTRIBUTION },
	{ NULL },
};

static atomic_bool interrupted;

static int bench_run(struct settings *, const struct bytes_word *, size_t);
static int parse(struct bench_options *, struct settings *,
    const struct bytes_word *, size_t, struct err_buf *);
static int set_option(struct bench_options *, const struct word_option *,
    const char *, struct err_buf *);
static int set_work(
    struct bench_options *, uint32_t, uint32_t, struct err_buf *);
static int set_mix(struct bench_options *, const char *, struct err_buf *);
static int run_all(const struct bench_options *, const struct settings *);
static int open_all(struct bench *, struct bench_client *);
static int start_all(struct bench *, struct bench_client *);
static void wait_phase(struct bench *, const char *, uint64_t);
static int measure(struct bench *, struct bench_client *);
static int report_keys(struct bench *, const struct bench_client *);
static int result_status(const struct bench_result *);
static void on_interrupt(int);

const struct command bench_command = {
	.name = "bench",
	.synopsis = "[--set | --get | --mix R:W] [-n OPS | --time T]"
		    " [-c CLIENTS] [-P PIPELINE] [-s VALUE_SIZE] [-r KEYS]"
		    " [--rate OPS] [--keep] [--distribution] [-j]",
	.options = bench_command_options,
	.run = bench_run,
};

static int
bench_run(
    struct settings *settings, const struct bytes_word *words, size_t count)
{
	struct bench_options options = {
		.clients = 1,
		.pipeline = settings->pipeline > 0 ? settings->pipeline : 1,
		.value_size = VALUE_SIZE_DEFAULT,
		.keys = KEYS_DEFAULT,
	};
	struct err_buf err;

	if (parse(&options, settings, words, count, &err) != 0) {
		log_warnx("bench: %s", err.text);
		return err_exit_status(ERR_USAGE);
	}
	if (settings->help) {
		return usage_print_command(&bench_command);
	}
	return run_all(&options, settings);
}

static int
parse(struct bench_options *options, struct settings *settings,
    const struct bytes_word *words, size_t count, struct err_buf *err)
{
	const struct word_option *option;
	struct word_parser parser;
	const char *argument;
	char text[WORD_TEXT_SIZE];
	int result;

	word_parser_init(&parser, words, count, false, bench_command_options,
	    settings_options);
	while (
	    (result = word_parser_next(&parser, &option, &argument, err)) > 0) {
		if (word_option_is_in(option, bench_command_options)) {
			result = set_option(options, option, argument, err);
		} else {
			result = settings_set(settings, option, argument, err);
		}
		if (result != 0) {
			return result;
		}
	}
	if (result < 0) {
		return result;
	}
	if (parser.position < count) {
		return err_set(err, ERR_USAGE, "%s is one word too many",
		    word_text(&words[parser.position], text));
	}
	if (settings->file != NULL || settings->hex) {
		return err_set(err, ERR_USAGE,
		    "--file and --hex are for commands with a VALUE");
	}
	if (options->ops != 0 && options->time_ns != 0) {
		return err_set(
		    err, ERR_USAGE, "-n and --time exclude each other");
	}
	if (options->ops == 0 && options->time_ns == 0) {
		options->ops = OPS_DEFAULT;
	}
	if (options->reads + options->writes == 0) {
		options->writes = 1;
	}
	return 0;
}

static int
set_option(struct bench_options *options, const struct word_option *option,
    const char *argument, struct err_buf *err)
{
	uint64_t number = 0;
	int result = 0;

	switch (option->id) {
	case BENCH_SET:
		return set_work(options, 0, 1, err);
	case BENCH_GET:
		return set_work(options, 1, 0, err);
	case BENCH_MIX:
		return set_mix(options, argument, err);
	case BENCH_OPS:
		return options_u64(
		    "-n", argument, 1, OPS_MAX, &options->ops, err);
	case BENCH_TIME:
		return options_time("--time", argument, CLOCK_NS_PER_MS,
		    TIME_NS_MAX, &options->time_ns, err);
	case BENCH_CLIENTS:
		result =
		    options_u64("-c", argument, 1, CLIENTS_MAX, &number, err);
		options->clients = (uint32_t)number;
		return result;
	case BENCH_PIPELINE:
		result = options_u64(
		    "-P", argument, 1, RAFTSUP_IN_FLIGHT_MAX, &number, err);
		options->pipeline = (uint32_t)number;
		return result;
	case BENCH_VALUE_SIZE:
		result = options_size(
		    "-s", argument, 0, RAFTSUP_VALUE_SIZE_MAX, &number, err);
		options->value_size = (size_t)number;
		return result;
	case BENCH_KEYS:
		return options_u64(
		    "-r", argument, 1, KEYS_MAX, &options->keys, err);
	case BENCH_RATE:
		return options_u64(
		    "--rate", argument, 1, RATE_MAX, &options->rate, err);
	case BENCH_KEEP:
		options->keep = true;
		return 0;
	case BENCH_DISTRIBUTION:
		options->distribution = true;
		return 0;
	}
	assert(!"an option of bench");
	return ERR_INTERNAL;
}

static int
set_work(struct bench_options *options, uint32_t reads, uint32_t writes,
    struct err_buf *err)
{
	if (options->reads + options->writes > 0) {
		return err_set(err, ERR_USAGE,
		    "--set, --get and --mix exclude each other");
	}
	options->reads = reads;
	options->writes = writes;
	return 0;
}

static int
set_mix(
    struct bench_options *options, const char *argument, struct err_buf *err)
{
	const char *colon = strchr(argument, ':');
	uint64_t reads, writes;
	char text[32];

	if (colon == NULL || (size_t)(colon - argument) >= sizeof(text)) {
		return err_set(err, ERR_USAGE,
		    "--mix: %.64s is not reads:writes, as in 9:1", argument);
	}
	memcpy(text, argument, (size_t)(colon - argument));
	text[colon - argument] = '\0';
	if (options_u64("--mix, reads", text, 0, PARTS_MAX, &reads, err) != 0 ||
	    options_u64(
		"--mix, writes", colon + 1, 0, PARTS_MAX, &writes, err) != 0) {
		return ERR_USAGE;
	}
	if (reads + writes == 0) {
		return err_set(
		    err, ERR_USAGE, "--mix: 0:0 is neither reads nor writes");
	}
	return set_work(options, (uint32_t)reads, (uint32_t)writes, err);
}

static int
run_all(const struct bench_options *options, const struct settings *settings)
{
	struct bench bench = {
		.options = options,
		.settings = settings,
		.run = (uint64_t)getpid(),
	};
	struct sigaction action = {
		.sa_handler = on_interrupt,
		.sa_flags = SA_RESETHAND | SA_RESTART,
	};
	struct bench_client *clients;
	uint32_t i;
	int status;

	clients = dynbuf_calloc(options->clients, sizeof(*clients));
	bench.used = dynbuf_calloc(
	    (size_t)(options->keys / 64 + 1), sizeof(*bench.used));
	/* The second one kills: an end that hangs must not hold anybody. */
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);

	status = open_all(&bench, clients);
	if (status == 0) {
		status = start_all(&bench, clients);
	}
	if (status == 0) {
		status = measure(&bench, clients);
	}
	for (i = 0; i < options->clients; i++) {
		if (clients[i].handle != NULL) {
			raftsup_close(clients[i].handle);
		}
	}
	free(bench.used);
	free(clients);
	return status;
}

static int
open_all(struct bench *bench, struct bench_client *clients)
{
	struct err_buf err;
	uint32_t i;
	int status;

	for (i = 0; i < bench->options->clients; i++) {
		clients[i].bench = bench;
		clients[i].index = i;
		clients[i].stamp = i;
		prng_init(&clients[i].prng, i + 1);
		status = exec_open(bench->settings, &clients[i].handle, &err);
		if (status != 0) {
			clients[i].handle = NULL;
			log_warnx("bench: client %" PRIu32 " of %" PRIu32
				  ": %s",
			    i + 1, bench->options->clients, err.text);
			return status;
		}
	}
	return 0;
}

static int
start_all(struct bench *bench, struct bench_client *clients)
{
	uint32_t count = bench->options->clients, i;
	int result;

	result = pthread_barrier_init(&bench->barrier, NULL, count + 1);
	assert(result == 0);
	atomic_store(&bench->busy, count);
	for (i = 0; i < count; i++) {
		result = pthread_create(
		    &clients[i].thread, NULL, bench_client_main, &clients[i]);
		if (result != 0) {
			/* Those that run wait for a barrier that is never
			 * full; nothing was asked of the cluster yet that
			 * exit could hurt. */
			fatalx(err_exit_status(ERR_INTERNAL),
			    "bench: cannot start client %" PRIu32 ": %s", i + 1,
			    strerror(result));
		}
	}
	return 0;
}

static int
measure(struct bench *bench, struct bench_client *clients)
{
	const struct bench_options *options = bench->options;
	struct bench_result *total = dynbuf_calloc(1, sizeof(*total));
	uint64_t end_ns = 0;
	int status, keys_status;
	uint32_t i;

	wait_phase(bench, "filling", 0);
	pthread_barrier_wait(&bench->barrier);
	atomic_store(&bench->busy, options->clients);
	bench->start_ns = clock_now_ns();
	pthread_barrier_wait(&bench->barrier);

	wait_phase(bench, "measuring", options->ops);
	pthread_barrier_wait(&bench->barrier);
	for (i = 0; i < options->clients; i++) {
		bench_report_add(total, &clients[i].result);
		if (clients[i].end_ns > end_ns) {
			end_ns = clients[i].end_ns;
		}
	}
	status = bench_report(
	    options, total, end_ns - bench->start_ns, bench->settings->json);
	if (status == 0) {
		status = result_status(total);
	}
	pthread_barrier_wait(&bench->barrier);
	for (i = 0; i < options->clients; i++) {
		pthread_join(clients[i].thread, NULL);
	}
	pthread_barrier_destroy(&bench->barrier);
	keys_status = report_keys(bench, clients);
	free(total);
	return status != 0 ? status : keys_status;
}

/* Until all clients are at the barrier; tells them of an interrupt. */
static void
wait_phase(struct bench *bench, const char *what, uint64_t ops)
{
	bool is_shown = isatty(STDERR_FILENO) && !bench->settings->json;
	struct timespec look = clock_timespec(LOOK_NS);
	uint64_t shown_ns = clock_now_ns(), now_ns, done;
	bool was_shown = false;

	while (atomic_load(&bench->busy) > 0) {
		nanosleep(&look, NULL);
		if (atomic_load(&interrupted)) {
			atomic_store(&bench->stop, true);
		}
		now_ns = clock_now_ns();
		if (!is_shown || now_ns - shown_ns < PROGRESS_NS) {
			continue;
		}
		shown_ns = now_ns;
		was_shown = true;
		done = atomic_load_explicit(&bench->done, memory_order_relaxed);
		fprintf(stderr, "\r%s: %" PRIu64, what, done);
		if (ops > 0) {
			fprintf(stderr, " of %" PRIu64, ops);
		}
	}
	if (was_shown) {
		/* Back, and blank: the report follows. */
		fprintf(stderr, "\r\033[K");
	}
}

/* Whether filling and removing went well; said once. */
static int
report_keys(struct bench *bench, const struct bench_client *clients)
{
	uint32_t i;

	for (i = 0; i < bench->options->clients; i++) {
		if (clients[i].failed) {
			log_warnx("bench: cannot write or remove its keys: %s",
			    clients[i].error.text);
			return RAFTSUP_NOT_APPLIED;
		}
	}
	if (atomic_load(&bench->gave_up)) {
		log_warnx("bench: gave up: nothing succeeded for %d timeouts",
		    BENCH_GIVE_UP_TIMEOUTS);
		return RAFTSUP_NOT_APPLIED;
	}
	return 0;
}

static int
result_status(const struct bench_result *total)
{
	if (total->errors[BENCH_WRONG_VALUE] > 0 ||
	    total->errors[BENCH_NOT_FOUND] > 0) {
		return 1;
	}
	if (total->errors[BENCH_UNKNOWN] > 0) {
		return RAFTSUP_MAYBE;
	}
	if (total->errors[BENCH_NOT_APPLIED] > 0) {
		return RAFTSUP_NOT_APPLIED;
	}
	return total->errors[BENCH_OTHER] > 0 ? RAFTSUP_INTERNAL : 0;
}

static void
on_interrupt(int signal_number UNUSED)
{
	atomic_store(&interrupted, true);
}
