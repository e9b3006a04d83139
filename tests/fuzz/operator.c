/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzz: what operators send to the supervisor, a line on its socket, and the
 * lists, times, sizes and numbers of all command lines.
 *
 *	u8	0-3 a request line; 4-9 one of base/options.h
 *	...	the text
 */
#include "base/err.h"
#include "base/options.h"
#include "sup/state.h"
#include "tests/fuzz/fuzz.h"

/* No node is there, and no room for one: nothing is done, everything is read
 * and answered. */
static void
serve(char *line)
{
	static struct sup sup;
	static struct cluster cluster;
	char reply[CONTROL_REPLY_SIZE];

	cluster.node_count = CLUSTER_NODES_MAX;
	for (uint32_t i = 0; i < CLUSTER_NODES_MAX; i++) {
		cluster.nodes[i].id = i + 1;
	}
	sup.cluster = &cluster;
	orders_serve(&sup, line, reply, sizeof(reply));
	must(strlen(reply) < sizeof(reply));
	must(reply[strlen(reply) - 1] == '\n');
	must(strtol(reply, NULL, 10) > 0 || reply[0] == '0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
	struct bytes_in in = { input, input_size };
	uint64_t kind = take(&in, 1) % 10, value = 0, other = 0;
	struct err_buf err = { "" };
	uint32_t ids = 0;
	char *text;
	int code = 0;

	if (in.left >= CONTROL_REQUEST_SIZE) {
		return 0;
	}
	text = malloc(in.left + 1);
	must(text != NULL);
	memcpy(text, in.at, in.left);
	text[in.left] = '\0';
	switch (kind) {
	case 4:
		code = options_ids("nodes", text, &ids, &err);
		break;
	case 5:
		code = options_u64("--x", text, 3, 300, &value, &err);
		must(code != ERR_OK || (value >= 3 && value <= 300));
		break;
	case 6:
		code = options_u64_range("--x", text, 3, 300, &value, &other,
		    &err);
		must(code != ERR_OK || (value >= 3 && value <= other &&
		    other <= 300));
		break;
	case 7:
		code = options_time("--x", text, 1, 1000000000, &value, &err);
		must(code != ERR_OK || (value >= 1 && value <= 1000000000));
		break;
	case 8:
		code = options_time_range("--x", text, 1, 1000000000, &value,
		    &other, &err);
		must(code != ERR_OK || (value >= 1 && value <= other &&
		    other <= 1000000000));
		break;
	case 9:
		code = options_size("--x", text, 1, 1u << 30, &value, &err);
		must(code != ERR_OK || (value >= 1 && value <= 1u << 30));
		break;
	default:
		serve(text);
		break;
	}
	/* One line that says what is wrong. */
	must(code == ERR_OK || (err.text[0] != '\0' &&
	    strlen(err.text) < sizeof(err.text)));
	free(text);
	return 0;
}
