/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The syncing thread of process durability: wakes, looks whether something
 * was committed since, and syncs.
 */
#include "node/sync.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/err.h"

#define SYNC_EVERY_NS	3000000000ull

struct sync {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop;
	bool fail;
};

static void	*sync_thread(void *);

int
sync_new(struct sync **syncp, struct store *store)
{
	struct sync *sync = calloc(1, sizeof(*sync));
	pthread_condattr_t attr;

	if (sync == NULL) {
		return ERR_NOMEM;
	}
	sync->store = store;
	pthread_mutex_init(&sync->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&sync->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&sync->thread, NULL, sync_thread, sync) != 0) {
		free(sync);
		return ERR_NOMEM;
	}
	*syncp = sync;
	return ERR_OK;
}

void
sync_free(struct sync *sync)
{
	if (sync == NULL) {
		return;
	}
	pthread_mutex_lock(&sync->mutex);
	sync->stop = true;
	pthread_cond_signal(&sync->changed);
	pthread_mutex_unlock(&sync->mutex);
	pthread_join(sync->thread, NULL);
	pthread_cond_destroy(&sync->changed);
	pthread_mutex_destroy(&sync->mutex);
	free(sync);
}

void
sync_set_fault(struct sync *sync, bool fail)
{
	pthread_mutex_lock(&sync->mutex);
	sync->fail = fail;
	pthread_mutex_unlock(&sync->mutex);
}

static void *
sync_thread(void *arg)
{
	struct sync *sync = arg;
	uint64_t synced = 0;

	pthread_mutex_lock(&sync->mutex);
	while (!sync->stop) {
		struct timespec until =
		    clock_timespec(clock_now_ns() + SYNC_EVERY_NS);
		struct store_figures figures;
		bool fail;

		(void)pthread_cond_timedwait(&sync->changed, &sync->mutex,
		    &until);
		store_figures(sync->store, &figures);
		if (sync->stop || figures.commits == synced) {
			continue;
		}
		fail = sync->fail;
		pthread_mutex_unlock(&sync->mutex);
		CRASH_POINT("sync: begins");
		if ((fail ? store_break(sync->store, true) :
		    store_sync(sync->store)) == ERR_OK) {
			synced = figures.commits;
		}
		CRASH_POINT("sync: done");
		pthread_mutex_lock(&sync->mutex);
	}
	pthread_mutex_unlock(&sync->mutex);
	return NULL;
}
