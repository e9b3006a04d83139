/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a request costs the client, the same every time: bursts of them
 * through the library, on nodes of the tests that answer each.
 *
 *	client_cost set|get REQUESTS
 *
 * cost.sh counts the instructions inside raftsup_submit() and raftsup_poll()
 * with callgrind.  Answers are asked for when they should be there, so that
 * waiting has no part in the figure.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "client/raftsup.h"
#include "tests/client/fake.h"

#define BURST	    64
#define PAUSE_US    2000
#define TIMEOUT_NS  60000000000u
#define VALUE_SIZE  64

static int request(struct raftsup *, enum raftsup_operation, uint64_t);
static int answers(struct raftsup *);

int
main(int argc, char **argv)
{
	enum raftsup_operation operation = RAFTSUP_SET;
	struct raftsup_options options = { .timeout_ns = TIMEOUT_NS };
	struct raftsup *handle;
	struct err_buf err = { "" };
	struct fake *fake;
	uint64_t count, i;
	int code = 0;

	if (argc != 3 ||
	    (strcmp(argv[1], "set") != 0 && strcmp(argv[1], "get") != 0) ||
	    options_u64("REQUESTS", argv[2], BURST, 1000000, &count, &err) !=
		0) {
		fprintf(stderr, "usage: client_cost set|get REQUESTS %s\n",
		    err.text);
		return 64;
	}
	if (strcmp(argv[1], "get") == 0) {
		operation = RAFTSUP_GET;
	}
	fake_start(&fake, 3);
	fake_lead(fake, 1);
	options.dir = fake_dir(fake);
	if (raftsup_open(&handle, &options) != RAFTSUP_OK) {
		fprintf(stderr, "client_cost: %s\n", raftsup_open_error());
		fake_stop(fake);
		return 1;
	}
	for (i = 0; i < BURST && code == 0; i++) {
		code = raftsup_set(handle, &i, sizeof(i), "", 0);
	}
	for (i = 0; i < count / BURST * BURST && code == 0; i++) {
		code = request(handle, operation, i % BURST);
		if (i % BURST == BURST - 1 && code == 0) {
			code = answers(handle);
			fake_forget(fake);
		}
	}
	if (code != 0) {
		fprintf(stderr, "client_cost: %s\n", raftsup_error(handle));
	}
	raftsup_close(handle);
	fake_stop(fake);
	return code == 0 ? 0 : 1;
}

static int
request(struct raftsup *handle, enum raftsup_operation operation, uint64_t i)
{
	static const char value[VALUE_SIZE];
	struct raftsup_request request = {
		.operation = operation,
		.key = &i,
		.key_size = sizeof(i),
		.more = true,
	};

	if (operation == RAFTSUP_SET) {
		request.value = value;
		request.value_size = sizeof(value);
	}
	return raftsup_submit(handle, &request, i);
}

/* All that are under way. */
static int
answers(struct raftsup *handle)
{
	struct raftsup_answer answer;
	int code;

	while (raftsup_in_flight(handle) > 0) {
		code = raftsup_poll(handle, 0, &answer);
		if (code == RAFTSUP_NOT_FOUND) {
			usleep(PAUSE_US);
		} else if (code != RAFTSUP_OK || answer.code != RAFTSUP_OK) {
			return RAFTSUP_INTERNAL;
		}
	}
	return 0;
}
