/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event log: a bounded queue of text between the loop and a thread that
 * writes the file.  When the file cannot be written (disk full) the lines
 * are counted and dropped; the flight recorder still has them.
 */
#include "node/events.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bsd/string.h>

#include "base/clock.h"
#include "shm/recorder.h"

#define QUEUE_SIZE	(256u << 10)
#define SECOND_NS	1000000000ull

struct events {
	struct segment *segment;
	uint32_t slot;
	uint32_t id;
	enum raft_role role;
	uint64_t term;
	/* The current second's budget of level `rpc`. */
	uint64_t second_began_ns;
	uint32_t second_lines;
	uint64_t second_dropped;

	char *path;
	int fd;
	uint64_t file_size;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t filled;
	char *queue;		/* text that waits for the thread */
	size_t queued;
	char *writing;		/* text that the thread writes */
	bool stop;
};

static void	events_release(struct events *);
static void	*events_thread(void *);
static void	events_write_file(struct events *, const char *, size_t);
static int	events_open_file(struct events *);
static void	events_rotate(struct events *);
static bool	events_admit(struct events *, bool, uint64_t);
static void	events_line(struct events *, uint32_t, uint64_t, const char *);
static void	events_queue(struct events *, const char *, size_t);

int
events_new(struct events **eventsp, const char *node_dir,
    struct segment *segment, uint32_t slot, uint32_t id, struct err_buf *err)
{
	struct events *events = calloc(1, sizeof(*events));
	int code;

	if (events == NULL) {
		return err_set(err, ERR_NOMEM, "out of memory");
	}
	events->segment = segment;
	events->slot = slot;
	events->id = id;
	events->fd = -1;
	events->queue = malloc(QUEUE_SIZE);
	events->writing = malloc(QUEUE_SIZE);
	if (events->queue == NULL || events->writing == NULL ||
	    asprintf(&events->path, "%s/node.log", node_dir) < 0) {
		events->path = NULL;
		goto nomem;
	}
	if (events_open_file(events) != 0) {
		code = err_set_errno(err, "%s", events->path);
		/* A full disk must not keep a node from serving. */
		if (code != ERR_FULL) {
			goto fail;
		}
	}
	pthread_mutex_init(&events->mutex, NULL);
	pthread_cond_init(&events->filled, NULL);
	if (pthread_create(&events->thread, NULL, events_thread, events) != 0) {
		goto nomem;
	}
	*eventsp = events;
	return ERR_OK;
nomem:
	code = err_set(err, ERR_NOMEM, "out of memory");
fail:
	events_release(events);
	return code;
}

void
events_free(struct events *events)
{
	if (events == NULL) {
		return;
	}
	pthread_mutex_lock(&events->mutex);
	events->stop = true;
	pthread_cond_signal(&events->filled);
	pthread_mutex_unlock(&events->mutex);
	pthread_join(events->thread, NULL);
	events_release(events);
}

void
events_set_role(struct events *events, enum raft_role role, uint64_t term)
{
	events->role = role;
	events->term = term;
}

void
events_write(struct events *events, uint32_t kind, bool rpc, const char *fmt,
    ...)
{
	uint64_t now = clock_now_ns();
	char text[512];
	va_list ap;

	if (!events_admit(events, rpc, now)) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	events_line(events, kind, now, text);
}

void
events_tick(struct events *events, uint64_t now_ns)
{
	char text[96];

	if (events->second_dropped == 0 ||
	    now_ns < events->second_began_ns + SECOND_NS) {
		return;
	}
	snprintf(text, sizeof(text), "%llu more RPC events were not logged",
	    (unsigned long long)events->second_dropped);
	segment_counters(events->segment,
	    events->slot)[SEGMENT_LOG_LINES_DROPPED] += events->second_dropped;
	events->second_dropped = 0;
	events_line(events, RAFT_TELL_RPC, now_ns, text);
}

static void
events_release(struct events *events)
{
	if (events->fd != -1) {
		close(events->fd);
	}
	free(events->path);
	free(events->queue);
	free(events->writing);
	free(events);
}

/* A token of this second's budget for a line of level `rpc`. */
static bool
events_admit(struct events *events, bool rpc, uint64_t now)
{
	if (!rpc) {
		return true;
	}
	if (now >= events->second_began_ns + SECOND_NS) {
		events_tick(events, now);
		events->second_began_ns = now;
		events->second_lines = 0;
	}
	if (events->second_lines >= EVENTS_RPC_PER_SECOND) {
		events->second_dropped++;
		return false;
	}
	events->second_lines++;
	return true;
}

static void
events_line(struct events *events, uint32_t kind, uint64_t now,
    const char *text)
{
	uint64_t wall = segment_wall_ns(events->segment, now);
	struct recorder_line record = {
	    .at_ns = now,
	    .kind = kind,
	    .role = events->role,
	    .term = events->term,
	};
	char when[CLOCK_WALL_TEXT_SIZE];
	char line[640];
	int length;

	strlcpy(record.text, text, sizeof(record.text));
	recorder_write(events->segment, events->slot, &record);
	clock_format_wall(wall, when);
	length = snprintf(line, sizeof(line), "%s %u %s %llu %s\n", when,
	    events->id, events->role == 0 ? "starting" :
	    raft_role_name(events->role), (unsigned long long)events->term,
	    text);
	if (length > 0) {
		size_t size = (size_t)length < sizeof(line) ?
		    (size_t)length : sizeof(line) - 1;

		line[size - 1] = '\n';
		events_queue(events, line, size);
	}
}

static void
events_queue(struct events *events, const char *line, size_t size)
{
	pthread_mutex_lock(&events->mutex);
	if (events->queued + size > QUEUE_SIZE) {
		segment_counters(events->segment,
		    events->slot)[SEGMENT_LOG_LINES_DROPPED]++;
	} else {
		memcpy(events->queue + events->queued, line, size);
		events->queued += size;
		pthread_cond_signal(&events->filled);
	}
	pthread_mutex_unlock(&events->mutex);
}

static void *
events_thread(void *arg)
{
	struct events *events = arg;

	pthread_mutex_lock(&events->mutex);
	while (!events->stop || events->queued > 0) {
		char *text = events->queue;
		size_t size = events->queued;

		if (size == 0) {
			pthread_cond_wait(&events->filled, &events->mutex);
			continue;
		}
		events->queue = events->writing;
		events->writing = text;
		events->queued = 0;
		pthread_mutex_unlock(&events->mutex);
		events_write_file(events, text, size);
		pthread_mutex_lock(&events->mutex);
	}
	pthread_mutex_unlock(&events->mutex);
	return NULL;
}

static void
events_write_file(struct events *events, const char *text, size_t size)
{
	if (events->fd != -1 && events->file_size + size >
	    EVENTS_FILE_SIZE_MAX) {
		events_rotate(events);
	}
	if (events->fd == -1 && events_open_file(events) != 0) {
		return;
	}
	while (size > 0) {
		ssize_t written = write(events->fd, text, size);

		if (written < 0 && errno == EINTR) {
			continue;
		}
		if (written <= 0) {
			return;
		}
		text += written;
		size -= (size_t)written;
		events->file_size += (uint64_t)written;
	}
}

static int
events_open_file(struct events *events)
{
	struct stat st;
	int fd = open(events->path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1) {
		return -1;
	}
	events->fd = fd;
	events->file_size = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	return 0;
}

/* node.log -> node.log.1 -> ... -> node.log.4 -> gone. */
static void
events_rotate(struct events *events)
{
	char *from = NULL, *to = NULL;

	close(events->fd);
	events->fd = -1;
	for (int i = EVENTS_FILES_KEPT; i > 0; i--) {
		int have;

		have = i == 1 ? asprintf(&from, "%s", events->path) :
		    asprintf(&from, "%s.%d", events->path, i - 1);
		if (have < 0) {
			return;
		}
		if (asprintf(&to, "%s.%d", events->path, i) < 0) {
			free(from);
			return;
		}
		(void)rename(from, to);
		free(from);
		free(to);
	}
	(void)events_open_file(events);
}
