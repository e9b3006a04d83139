/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Crash points; see crash.h.  Without --enable-crash-points there is nothing
 * here.
 */
#include "base/crash.h"

#ifdef RAFTSUP_CRASH_POINTS

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct crash_order *order;	/* NULL: no test asks */

static void
map_order(void)
{
	const char *path = getenv(CRASH_ENVIRONMENT);
	void *at;
	int fd;

	if (path == NULL) {
		return;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd == -1) {
		return;
	}
	at = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE, MAP_SHARED,
	    fd, 0);
	if (at != MAP_FAILED) {
		order = at;
	}
	close(fd);
}

void
crash_point(const char *name)
{
	(void)pthread_once(&once, map_order);
	if (order == NULL) {
		return;
	}
	if (atomic_load(&order->all) != 0 && atomic_load(&order->pid) != 0) {
		(void)kill(getpid(), SIGKILL);
	}
	/* Pairs with the test, which writes the name first. */
	if (atomic_load_explicit(&order->left, memory_order_acquire) <= 0 ||
	    strncmp(order->name, name, sizeof(order->name)) != 0) {
		return;
	}
	if (atomic_fetch_sub(&order->left, 1) == 1) {
		int number = atomic_load(&order->signal);

		atomic_store(&order->pid, (int32_t)getpid());
		(void)kill(getpid(), number != 0 ? number : SIGKILL);
	}
}

#else

typedef int crash_nothing;	/* a source must not be empty */

#endif
