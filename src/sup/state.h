/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the supervisor's files share: its state.  Private to src/sup.
 *
 *	sup.c	  the loop, beginning and end
 *	nodes.c	  processes: start, admit, death, adoption
 *	members.c nodes that come and go
 *	orders.c  what operators ask through the control socket
 *	faults_orders.c  of that, what sets faults
 *	events.c  raftsup.log
 */
#ifndef SUP_STATE_H
#define SUP_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/segment.h"
#include "sup/cluster.h"
#include "sup/control.h"
#include "sup/machine.h"
#include "sup/sup.h"

#define SUP_CONNECTIONS_MAX	16
#define SUP_STOP_GRACE_NS	(5 * CLOCK_NS_PER_S)

/* How long a node writes at level rpc for one who looks on, and says so
 * more often than that (raftsup log --debug). */
#define SUP_LOG_LENT_NS		(2 * CLOCK_NS_PER_S)

/* row.stop, so that the next supervisor knows what was meant. */
#define SUP_STOP_AND_HOLD	1
#define SUP_STOP_AND_START	2

struct sup_node {
	struct cluster_node *record;
	enum machine_state state;
	struct segment_row row;		/* as last published */
	int pidfd;			/* -1: no process */
	bool child;			/* ours to wait for */
	bool asked;			/* an operator sent it a signal */
	bool granted;			/* the next run is in the cluster
					 * file; launch */
	bool want_spawn;
	bool retiring;			/* removed: its process ends */
	uint64_t refused_ns;		/* its removal is, since; 0: is not */
	uint64_t started_ns;
	uint64_t ready_ns;		/* 0: not ready in this run */
	uint64_t due_ns;		/* start at; 0: never */
	uint64_t kill_ns;		/* SIGKILL at; 0: never */
	uint64_t quiet_ns;		/* level info at, unless somebody
					 * looks on; 0: never */
	uint64_t look_ns;		/* look for a stray process at */
	pid_t waits_for;		/* who is no stray, and was told of */
	bool met_stray;			/* which may have used up this run */
	struct backoff backoff;
};

struct sup_connection {
	int fd;				/* -1: free */
	uint64_t end_ns;
	size_t size;
	char line[CONTROL_REQUEST_SIZE];
};

struct sup {
	const struct sup_options *options;
	struct cluster *cluster;
	struct segment *segment;
	char name[SEGMENT_NAME_SIZE];
	char boot_id[FS_BOOT_ID_SIZE];
	int dir_fd;
	int log_fd;
	int signal_fd;
	int timer_fd;
	int listen_fd;
	bool created;			/* the segment is ours and new */
	bool stopping;
	bool hurry;			/* a second Ctrl-C */
	uint64_t timeout_seq;
	uint64_t wish_seq;
	struct sup_node nodes[CLUSTER_NODES_MAX];
	uint32_t count;
	struct sup_connection connections[SUP_CONNECTIONS_MAX];
};

/* ---- events.c */

int	events_open(struct sup *, struct err_buf *) MUST_CHECK;
/* One line of the event log, role `supervisor`. */
void	events_tell(struct sup *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- nodes.c */

void	nodes_init(struct sup *);
void	nodes_adopt(struct sup *);
/* Feeds an event to a node's machine and carries out the action, except that
 * a spawn is noted (want_spawn) until nodes_spawn_wanted(). False: not
 * possible in its state. */
bool	nodes_step(struct sup *, struct sup_node *, enum machine_event);
void	nodes_spawn_wanted(struct sup *);
/* Looks at those that are starting, at back-offs and grace times. */
void	nodes_tick(struct sup *);
void	nodes_died(struct sup *, struct sup_node *);
void	nodes_publish(struct sup *, struct sup_node *);
/* When nodes_tick() has something to do next; UINT64_MAX: never. */
uint64_t nodes_deadline(const struct sup *);
bool	nodes_any_alive(const struct sup *);
void	nodes_ring_all(struct sup *);
/* Level rpc for SUP_LOG_LENT_NS from now on, if that is not its level. */
void	nodes_lend_log(struct sup *, struct sup_node *);

/* ---- members.c */

/* With the segment: slots, and stores of nodes that were being added. */
int	members_begin(struct sup *, struct err_buf *) MUST_CHECK;
/* Before a segment is made: slots 0 and on. */
void	members_number_slots(struct cluster *);
/* The wish of a node's record into its row; row: what the segment has. */
void	members_adopt_row(struct sup *, struct sup_node *,
	    const struct segment_row *);
/* Rows of slots that no node has any more. */
void	members_clear_rows(struct sup *);
/* A number for a wish. */
uint64_t members_seq(struct sup *);
/*
 * Orders.  ids 0: the lowest id never used; text: the ids.  ERR_OK: it has
 * begun, and what is to be started is so by nodes_spawn_wanted(); else
 * nothing was done and err says why.
 */
int	members_add(struct sup *, uint32_t ids, bool learner, char *text,
	    size_t size, struct err_buf *) MUST_CHECK;
int	members_remove(struct sup *, uint32_t ids, struct err_buf *)
	    MUST_CHECK;
int	members_cancel(struct sup *, uint32_t ids, struct err_buf *)
	    MUST_CHECK;
int	members_refill(struct sup *, uint32_t id, struct err_buf *)
	    MUST_CHECK;
/* Wishes are waited for: members_tick() looks for them. */
bool	members_pending(const struct sup *);
void	members_tick(struct sup *);

/* ---- faults_orders.c: each gives the exit status, and says what it did or
 * why not; parts that are apart by "; " become lines */

int	faults_net(struct sup *, const char *links, const char *setting,
	    char *text, size_t size);
int	faults_partition(struct sup *, const char *groups, char *text,
	    size_t size);
int	faults_heal(struct sup *, char *text, size_t size);
int	faults_disk(struct sup *, struct sup_node *, const char *setting,
	    char *text, size_t size);

/* ---- orders.c */

/* Carries out one request line; writes the reply line, "STATUS text". */
void	orders_serve(struct sup *, char *line, char *reply, size_t size);

#endif
