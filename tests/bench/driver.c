/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options and report of the benchmarks' own clients.
 */
#include "tests/bench/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "ctl/bench_report.h"

static void take_option(
    struct driver_options *, int, const char *, struct err_buf *);

void
driver_options(struct driver_options *options, int argc, char **argv)
{
	struct err_buf err = { "" };
	int option;

	*options = (struct driver_options){
		.clients = 1,
		.pipeline = 1,
		.keys = 1000,
		.value_size = 64,
		.time_ns = CLOCK_NS_PER_S,
		.nodes = 3,
		.election_ms = 1000,
	};
	while ((option = getopt(argc, argv, "S:gc:P:r:R:T:s:n:k:e:")) != -1) {
		take_option(options, option, optarg, &err);
		if (err.text[0] != '\0') {
			fprintf(stderr, "%s: %s\n", argv[0], err.text);
			exit(64);
		}
	}
	if (options->where == NULL || optind != argc) {
		fprintf(stderr, "usage: %s -S WHERE [-g] [-c CLIENTS] "
		    "[-P PIPELINE] [-r KEYS] [-R RATE] [-T MS] [-s SIZE] "
		    "[-n NODES] [-k KILLS] [-e MS]\n", argv[0]);
		exit(64);
	}
}

static void
take_option(struct driver_options *options, int option, const char *argument,
    struct err_buf *err)
{
	static const struct {
		int option;
		const char *what;
		uint64_t min, max;
	} numbers[] = {
		{ 'c', "-c", 1, 1024 },
		{ 'P', "-P", 1, 1024 },
		{ 'r', "-r", 1, 100000000 },
		{ 'R', "-R", 1, 100000000 },
		{ 'T', "-T", 1, 3600000 },
		{ 's', "-s", 1, 65536 },
		{ 'n', "-n", 1, 7 },
		{ 'k', "-k", 1, 1000 },
		{ 'e', "-e", 10, 60000 },
	};
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < COUNT_OF(numbers); i++) {
		if (numbers[i].option == option &&
		    options_u64(numbers[i].what, argument, numbers[i].min,
			numbers[i].max, &number, err) != 0) {
			return;
		}
	}
	switch (option) {
	case 'S':
		options->where = argument;
		break;
	case 'g':
		options->get = true;
		break;
	case 'c':
		options->clients = (uint32_t)number;
		break;
	case 'P':
		options->pipeline = (uint32_t)number;
		break;
	case 'r':
		options->keys = number;
		break;
	case 'R':
		options->rate = number;
		break;
	case 'T':
		options->time_ns = number * CLOCK_NS_PER_MS;
		break;
	case 's':
		options->value_size = (size_t)number;
		break;
	case 'n':
		options->nodes = (uint32_t)number;
		break;
	case 'k':
		options->kills = (uint32_t)number;
		break;
	case 'e':
		options->election_ms = (uint32_t)number;
		break;
	default:
		(void)err_set(err, ERR_USAGE, "no such option");
		break;
	}
}

void
driver_key(char key[DRIVER_KEY_SIZE + 1], uint64_t number)
{
	(void)snprintf(key, DRIVER_KEY_SIZE + 1, "key:%012" PRIu64,
	    number % 1000000000000);
}

void
driver_report(const struct driver_options *options,
    const struct bench_result *result, uint64_t elapsed_ns)
{
	struct bench_options shown = {
		.reads = options->get,
		.writes = !options->get,
		.clients = options->clients,
		.pipeline = options->pipeline,
		.value_size = options->value_size,
		.keys = options->keys,
		.rate = options->rate,
		.distribution = true,
	};
	int status = bench_report(&shown, result, elapsed_ns, true);

	if (status != 0) {
		exit(status);
	}
}

void
driver_die(const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (saved != 0) {
		(void)fprintf(stderr, ": %s", strerror(saved));
	}
	(void)fputc('\n', stderr);
	exit(1);
}
