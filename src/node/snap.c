/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two queues, orders and results, under one mutex.  What the thread works
 * with, the view and the receive, only the thread touches; a receive that is
 * complete lies in `finished` until the loop takes it.
 */
#include "node/snap.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/options.h"
#include "store/view.h"

/*
 * By how much the state's file may grow because a view is read: twice what
 * the view has, and twice of that again after each one that was given up, so
 * that one is done in the end.
 */
#define GROWTH_MIN	(64ull << 20)
#define GIVEN_UP_MAX	6

#define FAILED_NS	500000000ull	/* before the next attempt */

struct job {
	STAILQ_ENTRY(job) link;
	struct snap_done done;	/* the order, then the result */
	uint8_t configuration[RAFT_CONFIGURATION_SIZE_MAX];
	uint8_t data[];
};

STAILQ_HEAD(jobs, job);

struct snap {
	struct store *store;
	struct doorbell bell;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct jobs orders;
	struct jobs results;
	_Atomic uint32_t result_count;	/* of them; changes with the mutex */
	struct receive *finished;
	uint64_t finished_id;
	bool stop;

	/* The thread's. */
	struct view *view;
	uint64_t view_id;
	uint64_t growth_max;	/* of the state's file, while it is open */
	uint32_t given_up;	/* views in a row, because of that */
	struct receive *receive;
	uint64_t receive_id;
};

static void	*snap_thread(void *);
static void	snap_pause(struct snap *);
static bool	snap_run(struct snap *, struct job *);
static uint64_t	growth_max(const struct snap *, uint64_t);
static struct job *job_new(enum snap_kind, size_t);
static bool	job_add(struct snap *, struct job *);

int
snap_new(struct snap **snapp, struct store *store, const struct doorbell *bell)
{
	struct snap *snap = calloc(1, sizeof(*snap));
	pthread_condattr_t attr;

	if (snap == NULL) {
		return ERR_NOMEM;
	}
	snap->store = store;
	snap->bell = *bell;
	STAILQ_INIT(&snap->orders);
	STAILQ_INIT(&snap->results);
	pthread_mutex_init(&snap->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&snap->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&snap->thread, NULL, snap_thread, snap) != 0) {
		free(snap);
		return ERR_NOMEM;
	}
	*snapp = snap;
	return ERR_OK;
}

static void
jobs_free(struct jobs *jobs)
{
	struct job *job;

	while ((job = STAILQ_FIRST(jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(jobs, link);
		free(job);
	}
}

void
snap_free(struct snap *snap)
{
	if (snap == NULL) {
		return;
	}
	pthread_mutex_lock(&snap->mutex);
	snap->stop = true;
	pthread_cond_signal(&snap->changed);
	pthread_mutex_unlock(&snap->mutex);
	pthread_join(snap->thread, NULL);
	view_close(snap->view);
	receive_close(snap->receive);
	receive_close(snap->finished);
	jobs_free(&snap->orders);
	jobs_free(&snap->results);
	pthread_cond_destroy(&snap->changed);
	pthread_mutex_destroy(&snap->mutex);
	free(snap);
}

/* ------------------------------------------------------------------ orders */

static struct job *
job_new(enum snap_kind kind, size_t size)
{
	struct job *job = malloc(sizeof(*job) + size);

	if (job != NULL) {
		memset(job, 0, sizeof(*job));
		job->done.kind = kind;
		job->done.data = job->data;
		job->done.size = size;
	}
	return job;
}

static bool
job_add(struct snap *snap, struct job *job)
{
	if (job == NULL) {
		return false;
	}
	pthread_mutex_lock(&snap->mutex);
	STAILQ_INSERT_TAIL(&snap->orders, job, link);
	pthread_cond_signal(&snap->changed);
	pthread_mutex_unlock(&snap->mutex);
	return true;
}

bool
snap_sync(struct snap *snap, uint64_t index, uint64_t digest)
{
	struct job *job = job_new(SNAP_SYNC, 0);

	if (job != NULL) {
		job->done.index = index;
		job->done.digest = digest;
	}
	return job_add(snap, job);
}

static bool
simple_order(struct snap *snap, enum snap_kind kind, uint64_t id)
{
	struct job *job = job_new(kind, 0);

	if (job != NULL) {
		job->done.id = id;
	}
	return job_add(snap, job);
}

bool
snap_view(struct snap *snap, uint64_t id)
{
	return simple_order(snap, SNAP_VIEW, id);
}

bool
snap_close(struct snap *snap, uint64_t id)
{
	return simple_order(snap, SNAP_CLOSE, id);
}

bool
snap_forget(struct snap *snap, uint64_t id)
{
	return simple_order(snap, SNAP_FORGET, id);
}

bool
snap_sweep(struct snap *snap)
{
	return simple_order(snap, SNAP_SWEEP, 0);
}

bool
snap_read(struct snap *snap, const struct raft_message *message)
{
	struct job *job = job_new(SNAP_READ, message->chunk.size);

	if (job != NULL) {
		job->done.message = *message;
		memcpy(job->configuration, message->chunk.configuration,
		    message->chunk.configuration_size);
		job->done.message.chunk.configuration = job->configuration;
		job->done.message.chunk.data = job->data;
	}
	return job_add(snap, job);
}

bool
snap_write(struct snap *snap, uint64_t id, uint64_t index,
    const struct raft_chunk *chunk)
{
	struct job *job = job_new(SNAP_WRITE, chunk->size);

	if (job != NULL) {
		job->done.id = id;
		job->done.index = index;
		job->done.offset = chunk->offset;
		memcpy(job->done.chain, chunk->chain, RAFT_CHAIN_SIZE);
		job->done.message.chunk.total = chunk->total;
		memcpy(job->data, chunk->data, chunk->size);
	}
	return job_add(snap, job);
}

struct receive *
snap_take(struct snap *snap, uint64_t id)
{
	struct receive *receive = NULL;

	pthread_mutex_lock(&snap->mutex);
	if (snap->finished_id == id) {
		receive = snap->finished;
		snap->finished = NULL;
	}
	pthread_mutex_unlock(&snap->mutex);
	return receive;
}

bool
snap_is_done(struct snap *snap)
{
	/* Pairs with the thread's add: what it has put there is seen. */
	return atomic_load_explicit(&snap->result_count,
	    memory_order_acquire) != 0;
}

struct snap_done *
snap_poll(struct snap *snap)
{
	struct job *job;

	if (!snap_is_done(snap)) {
		return NULL;
	}
	pthread_mutex_lock(&snap->mutex);
	job = STAILQ_FIRST(&snap->results);
	STAILQ_REMOVE_HEAD(&snap->results, link);
	atomic_fetch_sub_explicit(&snap->result_count, 1,
	    memory_order_relaxed);
	pthread_mutex_unlock(&snap->mutex);
	return &job->done;
}

void
snap_release(struct snap_done *done)
{
	free((uint8_t *)done - offsetof(struct job, done));
}

/* -------------------------------------------------------------- the thread */

static void *
snap_thread(void *arg)
{
	struct snap *snap = arg;
	struct job *job;
	bool tell;

	pthread_mutex_lock(&snap->mutex);
	while (!snap->stop) {
		job = STAILQ_FIRST(&snap->orders);
		if (job == NULL) {
			pthread_cond_wait(&snap->changed, &snap->mutex);
			continue;
		}
		STAILQ_REMOVE_HEAD(&snap->orders, link);
		pthread_mutex_unlock(&snap->mutex);
		tell = snap_run(snap, job);
		pthread_mutex_lock(&snap->mutex);
		if (!tell) {
			free(job);
			continue;
		}
		if (job->done.kind == SNAP_WRITE &&
		    job->done.result != ERR_OK &&
		    job->done.result != ERR_NOT_FOUND) {
			snap_pause(snap);
		}
		STAILQ_INSERT_TAIL(&snap->results, job, link);
		/* Pairs with snap_is_done(). */
		atomic_fetch_add_explicit(&snap->result_count, 1,
		    memory_order_release);
		pthread_mutex_unlock(&snap->mutex);
		(void)doorbell_ring(&snap->bell);
		/* Loops come first where processors are few. */
		(void)sched_yield();
		pthread_mutex_lock(&snap->mutex);
	}
	pthread_mutex_unlock(&snap->mutex);
	return NULL;
}

/* The sender begins anew as soon as it is told; a full disk stays full. */
static void
snap_pause(struct snap *snap)
{
	uint64_t until_ns = clock_now_ns() + FAILED_NS;
	struct timespec until = clock_timespec(until_ns);

	while (!snap->stop && clock_now_ns() < until_ns) {
		(void)pthread_cond_timedwait(
		    &snap->changed, &snap->mutex, &until);
	}
}

static void
run_view(struct snap *snap, struct snap_done *done, struct err_buf *err)
{
	view_close(snap->view);
	snap->view = NULL;
	done->result = view_open(&snap->view, snap->store, err);
	if (done->result == ERR_OK) {
		snap->view_id = done->id;
		done->index = view_index(snap->view);
		done->size = view_size(snap->view);
		memcpy(done->chain, view_chain(snap->view), RAFT_CHAIN_SIZE);
		snap->growth_max = growth_max(snap, done->size);
		CRASH_POINT("snapshot: view open");
	}
}

static uint64_t
growth_max(const struct snap *snap, uint64_t size)
{
	uint64_t max = 2 * size > GROWTH_MIN ? 2 * size : GROWTH_MIN;

	return options_from_environment("RAFTSUP_VIEW_GROWTH", max) <<
	    snap->given_up;
}

static void
run_read(struct snap *snap, struct job *job, struct err_buf *err)
{
	struct raft_chunk *chunk = &job->done.message.chunk;
	uint64_t growth;

	if (snap->view == NULL || snap->view_id != chunk->view) {
		job->done.result = ERR_NOT_FOUND;
		return;
	}
	growth = view_growth(snap->view);
	if (growth > snap->growth_max) {
		/* The core sees no progress, and asks for another one. */
		view_close(snap->view);
		snap->view = NULL;
		snap->given_up += snap->given_up < GIVEN_UP_MAX;
		job->done.result = err_set(err, ERR_BUSY, "the state grew by"
		    " %" PRIu64 " KiB while it was sent", growth >> 10);
		return;
	}
	CRASH_POINT("snapshot: chunk to be read");
	job->done.result = view_read(
	    snap->view, chunk->offset, job->data, chunk->size);
}

static void
drop_finished(struct snap *snap)
{
	pthread_mutex_lock(&snap->mutex);
	receive_close(snap->finished);
	snap->finished = NULL;
	pthread_mutex_unlock(&snap->mutex);
}

static void
run_write(struct snap *snap, struct snap_done *done, struct err_buf *err)
{
	if (done->offset == 0) {
		/* A new one: others are not needed any more. */
		receive_close(snap->receive);
		snap->receive = NULL;
		drop_finished(snap);
		snap->receive_id = done->id;
		done->result = receive_open(&snap->receive, snap->store,
		    done->index, done->chain, done->message.chunk.total, err);
	} else if (snap->receive == NULL || snap->receive_id != done->id ||
	    receive_offset(snap->receive) != done->offset) {
		done->result = ERR_NOT_FOUND;	/* it has failed before */
		return;
	}
	if (done->result == ERR_OK) {
		done->result = receive_write(
		    snap->receive, done->data, done->size, err);
		CRASH_POINT("snapshot: chunk written aside");
	}
	done->offset += done->size;
	if (done->result == ERR_OK &&
	    done->offset == done->message.chunk.total) {
		done->result = receive_finish(snap->receive, err);
		CRASH_POINT("snapshot: received");
		done->complete = done->result == ERR_OK;
	}
	if (done->result != ERR_OK) {
		receive_close(snap->receive);
		snap->receive = NULL;
	} else if (done->complete) {
		pthread_mutex_lock(&snap->mutex);
		snap->finished = snap->receive;
		snap->finished_id = done->id;
		pthread_mutex_unlock(&snap->mutex);
		snap->receive = NULL;
	}
}

static void
run_forget(struct snap *snap, uint64_t id)
{
	if (snap->receive != NULL && snap->receive_id == id) {
		receive_close(snap->receive);
		snap->receive = NULL;
	}
	if (snap->finished_id == id) {
		drop_finished(snap);
	}
}

/* True: the loop wants to know. */
static bool
snap_run(struct snap *snap, struct job *job)
{
	struct snap_done *done = &job->done;
	struct err_buf err = { "" };
	bool tell = true;

	switch (done->kind) {
	case SNAP_SYNC:
		done->result = store_sync_state(snap->store);
		CRASH_POINT("snapshot: checkpoint synced");
		break;
	case SNAP_VIEW:
		run_view(snap, done, &err);
		break;
	case SNAP_READ:
		run_read(snap, job, &err);
		break;
	case SNAP_WRITE:
		run_write(snap, done, &err);
		break;
	case SNAP_CLOSE:
		if (snap->view_id == done->id && snap->view != NULL) {
			view_close(snap->view);
			snap->view = NULL;
			snap->given_up = 0;
		}
		/* What it kept of an older state may go. */
		done->result = store_sweep(snap->store, &err);
		tell = done->result != ERR_OK;
		break;
	case SNAP_FORGET:
		run_forget(snap, done->id);
		tell = false;
		break;
	case SNAP_SWEEP:
		done->result = store_sweep(snap->store, &err);
		tell = done->result != ERR_OK;
		break;
	}
	strlcpy(done->text, err.text, sizeof(done->text));
	return tell;
}
