/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Global options. They stand before the command or, as its own options,
 * before its first operand.
 */
#include "ctl/settings.h"

#include <assert.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/options.h"
#include "client/raftsup.h"

#define TIMEOUT_NS_MIN CLOCK_NS_PER_MS
#define TIMEOUT_NS_MAX (3600 * CLOCK_NS_PER_S)

enum {
	SET_DIR,
	SET_TIMEOUT,
	SET_JSON,
	SET_NODE,
	SET_HEX,
	SET_FILE,
	SET_PIPELINE,
	SET_HELP,
	SET_VERSION,
};

const struct word_option settings_options[] = {
	{ "--dir", 'd', true, false, SET_DIR },
	{ "--timeout", 't', true, false, SET_TIMEOUT },
	{ "--json", 'j', false, false, SET_JSON },
	{ "--node", 0, true, false, SET_NODE },
	{ "--hex", 0, false, false, SET_HEX },
	{ "--file", 0, true, false, SET_FILE },
	{ "--pipeline", 'P', true, false, SET_PIPELINE },
	{ "--help", 'h', false, false, SET_HELP },
	{ "--version", 0, false, false, SET_VERSION },
	{ NULL },
};

int
settings_set(struct settings *settings, const struct word_option *option,
    const char *argument, struct err_buf *err)
{
	uint64_t number;
	int result = 0;

	switch (option->id) {
	case SET_DIR:
		if (*argument == '\0') {
			return err_set(err, ERR_USAGE,
			    "--dir: nothing is not a directory");
		}
		settings->dir = argument;
		break;
	case SET_TIMEOUT:
		result = options_time("--timeout", argument, TIMEOUT_NS_MIN,
		    TIMEOUT_NS_MAX, &settings->timeout_ns, err);
		break;
	case SET_JSON:
		settings->json = true;
		break;
	case SET_NODE:
		result = options_u64(
		    "--node", argument, 1, OPTIONS_ID_MAX, &number, err);
		settings->node = result == 0 ? (uint32_t)number : 0;
		break;
	case SET_HEX:
		settings->hex = true;
		break;
	case SET_FILE:
		settings->file = argument;
		break;
	case SET_PIPELINE:
		result = options_u64(
		    "-P", argument, 1, RAFTSUP_IN_FLIGHT_MAX, &number, err);
		settings->pipeline = result == 0 ? (uint32_t)number : 0;
		break;
	case SET_HELP:
		settings->help = true;
		break;
	case SET_VERSION:
		settings->version = true;
		break;
	default:
		assert(!"an option of settings_options");
	}
	return result;
}
