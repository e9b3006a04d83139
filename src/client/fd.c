/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The descriptor to wait on: an eventfd, and a thread that sleeps on the
 * doorbell in the caller's place while the caller sleeps in its own poll(2).
 *
 * A doorbell has one sleeper.  The handle's lock says which of the two it
 * is: `armed` is the thread, else the caller.
 *
 *	caller					thread
 *	prepare, look: nothing to do
 *	armed = true, signal	------------>	doorbell_wait()
 *	poll(2) on the eventfd
 *						armed = false
 *			  <-------------	write the eventfd
 *	raftsup_poll() until NOT_FOUND,
 *	which arms again
 *
 * The caller may look into its rings at any time; only before it goes to
 * sleep on the doorbell itself (a blocking call), or gives it up, it takes
 * it back, by ringing it.  The thread wakes at the handle's next timer too,
 * so that whoever waits on the descriptor alone sees its timeouts.
 */
#include "client/handle.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct fd_helper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int fd;
	bool armed;
	bool stop;
	struct doorbell bell;
	uint32_t value;
	uint64_t deadline_ns;
};

static struct fd_helper *helper_new(void);
static int	helper_start(struct fd_helper *);
static void	*helper_run(void *);
static void	make_readable(struct fd_helper *);
static void	make_unreadable(struct fd_helper *);

int
raftsup_fd(struct raftsup *handle)
{
	if (!handle_is_ours(handle)) {
		return -1;
	}
	if (handle->fd_helper == NULL) {
		handle->fd_helper = helper_new();
		if (handle->fd_helper == NULL) {
			handle_fail(handle, RAFTSUP_INTERNAL,
			    "no descriptor or no thread to wait with");
			return -1;
		}
	}
	fd_arm(handle);
	return handle->fd_helper->fd;
}

void
fd_disarm(struct raftsup *handle)
{
	struct fd_helper *helper = handle->fd_helper;

	if (helper == NULL) {
		return;
	}
	pthread_mutex_lock(&helper->lock);
	if (helper->armed) {
		doorbell_ring(&helper->bell);
		while (helper->armed) {
			pthread_cond_wait(&helper->changed, &helper->lock);
		}
	}
	pthread_mutex_unlock(&helper->lock);
}

void
fd_arm(struct raftsup *handle)
{
	struct fd_helper *helper = handle->fd_helper;
	bool armed;
	uint32_t value;

	if (helper == NULL) {
		return;
	}
	if (handle->held > 0) {
		flight_flush(handle);
	}
	if (!TAILQ_EMPTY(&handle->done)) {
		make_readable(helper);
		return;
	}
	if (handle->in_flight == 0) {
		/* Nothing can come: nothing shall wake the caller. */
		fd_disarm(handle);
		make_unreadable(helper);
		return;
	}
	pthread_mutex_lock(&helper->lock);
	armed = helper->armed;
	pthread_mutex_unlock(&helper->lock);
	if (armed) {
		return;
	}
	make_unreadable(helper);
	value = doorbell_prepare(&handle->bell);
	if (!wait_is_idle(handle)) {
		doorbell_cancel(&handle->bell);
		make_readable(helper);
		return;
	}
	pthread_mutex_lock(&helper->lock);
	helper->bell = handle->bell;
	helper->value = value;
	helper->deadline_ns = wait_deadline(handle);
	helper->armed = true;
	pthread_cond_broadcast(&helper->changed);
	pthread_mutex_unlock(&helper->lock);
}

void
fd_close(struct raftsup *handle)
{
	struct fd_helper *helper = handle->fd_helper;

	if (helper == NULL) {
		return;
	}
	fd_disarm(handle);
	pthread_mutex_lock(&helper->lock);
	helper->stop = true;
	pthread_cond_broadcast(&helper->changed);
	pthread_mutex_unlock(&helper->lock);
	pthread_join(helper->thread, NULL);
	pthread_cond_destroy(&helper->changed);
	pthread_mutex_destroy(&helper->lock);
	close(helper->fd);
	free(helper);
	handle->fd_helper = NULL;
}

static struct fd_helper *
helper_new(void)
{
	struct fd_helper *helper = calloc(1, sizeof(*helper));

	if (helper == NULL) {
		return NULL;
	}
	helper->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (helper->fd < 0) {
		free(helper);
		return NULL;
	}
	if (helper_start(helper) != 0) {
		close(helper->fd);
		free(helper);
		return NULL;
	}
	return helper;
}

/* Signals are the caller's: the thread takes none. */
static int
helper_start(struct fd_helper *helper)
{
	sigset_t all, old;
	int code;

	pthread_mutex_init(&helper->lock, NULL);
	pthread_cond_init(&helper->changed, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&helper->thread, NULL, helper_run, helper);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (code != 0) {
		pthread_cond_destroy(&helper->changed);
		pthread_mutex_destroy(&helper->lock);
	}
	return code;
}

static void *
helper_run(void *arg)
{
	struct fd_helper *helper = arg;

	pthread_mutex_lock(&helper->lock);
	while (!helper->stop) {
		if (!helper->armed) {
			pthread_cond_wait(&helper->changed, &helper->lock);
			continue;
		}
		pthread_mutex_unlock(&helper->lock);
		/* Written before armed was, and not until it is not. */
		doorbell_wait(&helper->bell, helper->value, NULL, 0,
		    helper->deadline_ns);
		make_readable(helper);
		pthread_mutex_lock(&helper->lock);
		helper->armed = false;
		pthread_cond_broadcast(&helper->changed);
	}
	pthread_mutex_unlock(&helper->lock);
	return NULL;
}

static void
make_readable(struct fd_helper *helper)
{
	const uint64_t one = 1;

	/* EAGAIN: it is readable as can be. */
	if (write(helper->fd, &one, sizeof(one)) < 0) {
		return;
	}
}

static void
make_unreadable(struct fd_helper *helper)
{
	uint64_t count;

	if (read(helper->fd, &count, sizeof(count)) < 0) {
		return;
	}
}
