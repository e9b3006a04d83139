/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handle's beginning and end.
 */
#include "client/handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Thread_local struct err_buf open_error;

static int	open_handle(struct raftsup *,
		    const struct raftsup_options *);
static int	check_node(struct raftsup *);
static void	watch_forks(struct raftsup *);
static void	close_session(struct raftsup *);
static void	free_handle(struct raftsup *);

int
raftsup_open(struct raftsup **opened, const struct raftsup_options *options)
{
	static const struct raftsup_options defaults;
	struct raftsup *handle;
	int code;

	open_error.text[0] = '\0';
	*opened = NULL;
	handle = calloc(1, sizeof(*handle));
	if (handle == NULL) {
		return err_exit_status(err_set(&open_error, ERR_NOMEM,
		    "no memory for a handle"));
	}
	code = open_handle(handle, options != NULL ? options : &defaults);
	if (code != ERR_OK) {
		free_handle(handle);
		return err_exit_status(code);
	}
	*opened = handle;
	return RAFTSUP_OK;
}

const char *
raftsup_open_error(void)
{
	return open_error.text;
}

void
raftsup_close(struct raftsup *handle)
{
	/* In a fork's child nothing of it is there to be given back. */
	if (handle == NULL || !handle_is_ours(handle)) {
		return;
	}
	close_session(handle);
	fd_close(handle);
	link_detach(handle);
	free_handle(handle);
}

const char *
raftsup_error(const struct raftsup *handle)
{
	return handle->error;
}

uint64_t
raftsup_session(const struct raftsup *handle)
{
	return handle->session;
}

const char *
raftsup_version(void)
{
	return PACKAGE_VERSION;
}

static int
open_handle(struct raftsup *handle, const struct raftsup_options *options)
{
	size_t i;
	int code;

	handle->pid = getpid();
	handle->timeout_ns = options->timeout_ns != 0 ? options->timeout_ns :
	    TIMEOUT_NS_DEFAULT;
	handle->node = options->node;
	handle->tick_ns = NEVER;
	handle->look_ns = NEVER;
	handle->slice_ns = SLICE_NS_MIN;
	handle->pause_ns = PAUSE_NS_MIN;
	TAILQ_INIT(&handle->free_ops);
	TAILQ_INIT(&handle->queued);
	TAILQ_INIT(&handle->sent);
	TAILQ_INIT(&handle->done);
	session_end(handle);
	handle->ops = calloc(OPS_COUNT, sizeof(*handle->ops));
	if (handle->ops == NULL) {
		return err_set(&open_error, ERR_NOMEM,
		    "no memory for a handle");
	}
	for (i = 0; i < OPS_COUNT; i++) {
		TAILQ_INSERT_TAIL(&handle->free_ops, &handle->ops[i], link);
	}
	watch_forks(handle);
	code = dir_resolve(handle->dir, options->dir, &open_error);
	if (code == ERR_OK) {
		code = link_attach(handle, &open_error);
	}
	if (code != ERR_OK) {
		return code;
	}
	code = check_node(handle);
	if (code != ERR_OK) {
		link_detach(handle);
	}
	return code;
}

static int
check_node(struct raftsup *handle)
{
	if (handle->node == 0 ||
	    leader_slot_of(handle, handle->node) != NO_SLOT) {
		return ERR_OK;
	}
	return err_set(&open_error, ERR_USAGE,
	    "node %u: the cluster has no such node", handle->node);
}

/* A page that a fork's child finds empty; without one pids are compared. */
static void
watch_forks(struct raftsup *handle)
{
	uint32_t *word;

	word = mmap(NULL, sizeof(*word), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (word == MAP_FAILED) {
		return;
	}
	handle->fork_page = word;
	if (madvise(word, sizeof(*word), MADV_WIPEONFORK) != 0) {
		return;
	}
	*word = 1;
	handle->fork_word = word;
}

/* Best effort: a session left behind is evicted some day.  One with
 * something to settle is left on purpose. */
static void
close_session(struct raftsup *handle)
{
	uint64_t now_ns = clock_now_ns();
	struct op *op;

	if (handle->session == 0 || handle->maybe_count > 0 ||
	    !TAILQ_EMPTY(&handle->queued) || !TAILQ_EMPTY(&handle->sent) ||
	    !handle->target.valid || !session_has_room(handle)) {
		return;
	}
	op = op_new(handle, OP_CLOSE);
	if (op == NULL || encode_internal(handle, op, KV_OP_CLOSE) != 0) {
		return;
	}
	flight_submit(handle, op, now_ns, CLOSE_NS, false);
	wait_for(handle, op, now_ns + CLOSE_NS);
}

static void
free_handle(struct raftsup *handle)
{
	size_t i;

	for (i = 0; handle->ops != NULL && i < OPS_COUNT; i++) {
		free(handle->ops[i].request.data);
		free(handle->ops[i].reply.data);
	}
	free(handle->scratch.data);
	free(handle->ops);
	if (handle->fork_page != NULL) {
		munmap(handle->fork_page, sizeof(uint32_t));
	}
	free(handle);
}
