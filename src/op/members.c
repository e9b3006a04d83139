/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wish is in the row until it is fulfilled; a leader that cannot fulfil it
 * says why in its page, under the wish's number.
 */
#include "op/members.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/options.h"
#include "sup/control.h"

#define LOOK_NS		(5 * CLOCK_NS_PER_MS)
#define ORDER_NS	(15 * CLOCK_NS_PER_S)
#define PATIENCE_NS	(2 * CLOCK_NS_PER_S)

static bool is_open(const struct view *, uint32_t, uint64_t *);
static bool is_refused(const struct view *, uint64_t, char *, size_t);

int
members_need_leader(struct view *view, uint64_t end_ns)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	const struct view_node *leader;
	struct err_buf err;

	for (;;) {
		leader = view_find(view, view->leader);
		if (leader != NULL && leader->serving && view->has_quorum) {
			return 0;
		}
		if (clock_now_ns() >= end_ns || !view->running) {
			return op_fail(69, leader == NULL ? "there is no"
			    " leader to change the members; nothing was done" :
			    "there is no quorum to change the members;"
			    " nothing was done");
		}
		nanosleep(&pause, NULL);
		if (view_refresh(view, false, &err) != ERR_OK) {
			return op_fail(74, "%s", err.text);
		}
	}
}

int
members_order(const struct view *view, const char *verb, uint32_t ids,
    const char *word, char *text, size_t size)
{
	char request[CONTROL_REQUEST_SIZE];
	struct err_buf err;
	int status;

	if (ids != 0) {
		op_order_text(request, sizeof(request), verb, ids, word);
	} else {
		snprintf(request, sizeof(request), "%s auto %s", verb, word);
	}
	status = control_ask(view->dir, request, ORDER_NS, text, size, &err);
	if (status == ERR_NOT_FOUND) {
		return op_fail(69, "no supervisor is running in %s (raftsup"
		    " start adopts the nodes)", view->dir);
	}
	if (status < 0) {
		return op_fail_code(status, &err);
	}
	return status == 0 ? 0 : op_fail(status, "%s", text);
}

int
members_await(struct view *view, uint32_t ids, bool patient, uint64_t end_ns,
    char *why, size_t size, struct err_buf *err)
{
	struct timespec pause = clock_timespec(LOOK_NS);
	uint64_t seq = 0, refused_ns = 0, now_ns;
	int result;

	for (;;) {
		result = view_refresh(view, false, err);
		if (result != ERR_OK) {
			return result;
		}
		if (!is_open(view, ids, &seq)) {
			return MEMBERS_DONE;
		}
		now_ns = clock_now_ns();
		if (!is_refused(view, seq, why, size)) {
			refused_ns = 0;
		} else if (refused_ns == 0) {
			refused_ns = now_ns;
		}
		if (refused_ns != 0 && (now_ns >= end_ns || (!patient &&
		    now_ns - refused_ns >= PATIENCE_NS))) {
			return MEMBERS_REFUSED;
		}
		if (now_ns >= end_ns || !view->running) {
			return MEMBERS_TIMEOUT;
		}
		nanosleep(&pause, NULL);
	}
}

void
members_print_json(const char *name, uint32_t ids)
{
	struct json json;
	uint32_t id;

	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	json_begin_array(&json, name);
	for (id = 1; id <= OPTIONS_ID_MAX; id++) {
		if ((ids & OPTIONS_ID_BIT(id)) != 0) {
			json_put_u64(&json, NULL, id);
		}
	}
	json_end_array(&json);
	json_end_object(&json);
	putchar('\n');
}

/* Some wish of theirs is not fulfilled; its number. */
static bool
is_open(const struct view *view, uint32_t ids, uint64_t *seq)
{
	const struct view_node *node;
	uint32_t i;

	for (i = 0; i < view->node_count; i++) {
		node = &view->nodes[i];
		if ((ids & OPTIONS_ID_BIT(node->id)) != 0 &&
		    node->wish != SEGMENT_WISH_NONE) {
			*seq = node->wish_seq;
			return true;
		}
	}
	return false;
}

static bool
is_refused(const struct view *view, uint64_t seq, char *why, size_t size)
{
	struct segment_status status;
	uint32_t i;

	for (i = 0; i < view->node_count && view->segment != NULL; i++) {
		if (view->nodes[i].alive && segment_status_read(view->segment,
		    view->nodes[i].slot, &status) == ERR_OK && seq != 0 &&
		    status.wish_refused == seq) {
			strlcpy(why, status.wish_why, size);
			return true;
		}
	}
	return false;
}
