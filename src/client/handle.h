/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A handle from the inside, for the files of this room only.
 *
 * Everything a caller asks becomes an op.  Its way:
 *
 *	FREE --> QUEUED --> SENT --> DONE --> HANDED --> FREE
 *	            ^        |        (async: waits for raftsup_poll)
 *	            +--------+
 *	     refused, lost, another leader, no answer: asked again
 *
 * queued and sent are ordered by serial, that is, by submission, so that
 * writes are proposed in that order whenever all are sent again.  Each time
 * an op is asked is an attempt with a number of its own, the id of its
 * request.  An attempt is unsettled until it was refused for certain; a
 * write that runs out of time with none unsettled was not applied, with any
 * it may have been.
 *
 *	link.c		the segment, the slot, the channels; anew after a
 *			restart of the cluster
 *	leader.c	whom to ask
 *	session.c	sequences and the window of open ones
 *	flight.c	ops: queue, send, ask again, run out of time
 *	reply.c		what the nodes answer
 *	answer.c	what the caller is told
 *	limits.c	what may be asked; encode.c: as bytes
 *	wait.c		look, yield, sleep
 *	group.c		whether yielding helps
 *	call.c, async.c, fd.c, open.c	the installed header
 *	handle.c	what all of them need
 */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "client/dir.h"
#include "client/raftsup.h"
#include "kv/kv.h"
#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/segment.h"
#include "shm/slot.h"
#include "wire/request.h"

#define TIMEOUT_NS_DEFAULT	(5 * CLOCK_NS_PER_S)
#define SPIN_NS			(50 * CLOCK_NS_PER_US)	/* look and yield, */
#define SPIN_ALONE_NS		(20 * CLOCK_NS_PER_US)	/* or look, for reads */
#define SLICE_NS_MIN		(2 * CLOCK_NS_PER_MS)	/* of a sleep */
#define SLICE_NS_MAX		(20 * CLOCK_NS_PER_MS)
#define PATIENCE_NS_MIN		(100 * CLOCK_NS_PER_MS)	/* for an answer */
#define PATIENCE_NS_MAX		(1000 * CLOCK_NS_PER_MS)
/* A node keeps a watch for a while before it says that nothing came. */
#define WATCH_PATIENCE_NS	(1500 * CLOCK_NS_PER_MS)
#define WATCH_TIMEOUT_NS	(2000 * CLOCK_NS_PER_MS)	/* at least */
#define PAUSE_NS_MIN		(200 * CLOCK_NS_PER_US)	/* after a refusal */
#define PAUSE_NS_MAX		(20 * CLOCK_NS_PER_MS)
#define CLOSE_NS		(100 * CLOCK_NS_PER_MS)	/* of a session */
#define NEVER			UINT64_MAX
#define LINK_AHEAD_OPS		64	/* until one more node is linked */
#define HELD_MAX		16	/* of `more`, published together */

/* In flight, one blocking call, one handed out, opening, closing. */
#define OPS_COUNT		(RAFTSUP_IN_FLIGHT_MAX + 4)
/* Above this, ops give large buffers back. */
#define BUFFERS_SIZE_MAX	(16u << 20)
#define BUFFER_SIZE_LARGE	(64u << 10)
#define NO_SLOT			SEGMENT_SLOTS
#define ENCODE_KEY_HEAD_SIZE	2	/* of each key of a DEL */
#define ENCODE_TXN_HEAD_SIZE	64	/* of each part of a TXN, at most */

struct buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
};

enum op_state { OP_FREE = 0, OP_QUEUED, OP_SENT, OP_DONE, OP_HANDED };
enum op_role { OP_CALL, OP_ASYNC, OP_OPEN, OP_CLOSE };

struct op {
	TAILQ_ENTRY(op) link;		/* in the list of its state */
	enum op_state state;
	enum op_role role;
	enum raftsup_operation operation;
	uint32_t kind;			/* enum wire_request_kind */
	bool in_session;		/* a write with a sequence */
	bool encoded;			/* request has its sequence */
	bool published;			/* asked at all */
	uint32_t slot;			/* node slot asked last */
	uint32_t unsettled;		/* attempts not refused for certain */
	uint64_t serial;		/* order of submission */
	uint64_t tag;
	uint64_t session;		/* 0: no sequence yet */
	uint64_t sequence;
	uint64_t target_session;	/* OUTCOME: whose */
	uint64_t target_sequence;
	struct raftsup_position watched;	/* WATCH: where it began */
	uint64_t deadline_ns;
	uint64_t sent_ns;
	uint64_t patience_ns;
	uint64_t attempt_first;		/* numbers of its attempts */
	uint64_t attempt_last;
	struct buffer request;		/* wire header and command */
	struct buffer reply;		/* kv answer, private copy */
	/* Not cleared: whoever finishes an op fills in all of it. */
	struct raftsup_answer answer;
	char text[200];
};

TAILQ_HEAD(op_list, op);

struct node {			/* one node slot */
	struct channel_tx *tx;	/* NULL: not opened yet */
	struct channel_rx *rx;
	struct doorbell bell;
};

/* Whom writes and reads go to. */
struct target {
	bool valid;
	uint32_t slot;
	uint64_t run;
	uint64_t word;		/* the hint it was chosen by */
	pid_t pid;
};

struct fd_helper;

struct raftsup {
	/* who we are */
	char dir[DIR_SIZE_MAX];
	uint64_t timeout_ns;
	uint32_t node;			/* only this id; 0: the leader */
	pid_t pid;
	const volatile uint32_t *fork_word;	/* 0 in a child; or NULL */
	void *fork_page;

	/* the cluster as mapped */
	struct segment *segment;
	struct slot *slot;
	uint32_t slot_index;
	uint64_t cluster_id;
	struct doorbell bell;
	struct node nodes[SEGMENT_SLOTS];
	bool running;			/* the segment still has its name */

	/* whom to ask */
	struct target target;
	struct target stale;
	uint32_t stale_rows;		/* rows version when chosen */
	uint32_t suggested_slot;	/* by a refusal; NO_SLOT: none */
	uint32_t refused_slot;		/* by whom, holding which hint */
	uint64_t refused_word;
	uint32_t seen_slot;		/* the hint looked at last */
	uint64_t seen_word;

	/* the session */
	uint64_t session;		/* 0: none */
	uint64_t sequence_next;
	uint64_t lowest_open;
	uint32_t maybe_count;		/* open, but nobody waits for them */
	uint64_t open_bits[KV_SESSION_WINDOW / 64];
	uint64_t maybe_bits[KV_SESSION_WINDOW / 64];
	struct op *opening;

	/* ops */
	struct op *ops;
	struct op_list free_ops;
	struct op_list queued;
	struct op_list sent;
	struct op_list done;
	struct op *handed;
	size_t in_flight;		/* OP_ASYNC, until polled */
	uint64_t serial;
	uint64_t attempt;
	size_t buffers_size;
	struct buffer scratch;

	/* what is sent and not yet published */
	uint32_t held;			/* by `more`, and since when */
	uint64_t held_ns;
	uint32_t unflushed;		/* to which node slots, a bit each */

	/* time */
	uint64_t tick_ns;		/* when to look at the cluster again */
	uint64_t look_ns;		/* no op runs out of anything before */
	uint64_t slice_ns;
	uint64_t pause_until_ns;	/* nothing is sent before */
	uint64_t pause_ns;
	const char *waiting_for;	/* why nothing is answered */
	pid_t yield_pid;		/* of a leader for whom */
	bool yield_helps;

	struct fd_helper *fd_helper;
	char error[256];
};

/* ------------------------------------------------------------ group.c */

/* sched_yield() makes way for that process too; proc is "/proc". */
bool	group_is_shared(const char *proc, pid_t);

/* ----------------------------------------------------------- handle.c */

/* False in a child after fork; then the error is set. */
bool	handle_is_ours(struct raftsup *);
/* Sets the text of the last failure; returns code. */
int	handle_fail(struct raftsup *, int code, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
int	bytes_reserve(struct raftsup *, struct buffer *, size_t capacity)
	    MUST_CHECK;
void	buffer_free(struct raftsup *, struct buffer *);

/* ------------------------------------------------------------- link.c */

/* Attaches the segment of the directory and claims a slot. A code of
 * base/err.h; on failure the handle is as before. */
int	link_attach(struct raftsup *, struct err_buf *) MUST_CHECK;
void	link_detach(struct raftsup *);
/* After the segment lost its name: takes the new one, if there is one.
 * True: all attempts went with the old one, ask again. */
bool	link_renew(struct raftsup *);
/* The channels to a node slot, opened at first use. */
struct node *link_node(struct raftsup *, uint32_t slot);
/* One more of those that may lead next, and what is known of the leader. */
void	link_ahead(struct raftsup *);
/* Publishes what was sent to that node, wakes it; pumps fragments. */
void	link_flush(struct raftsup *, uint32_t slot);
/* Fragments wait for room in a ring; flushes them on. */
bool	link_flush_pending(struct raftsup *);
/* Nothing to receive from any node. */
bool	link_is_empty(struct raftsup *);

/* ----------------------------------------------------------- leader.c */

/* Looks whether the target still is the one to ask. True when it changed:
 * what was sent must be sent again. */
bool	leader_watch(struct raftsup *);
/* The target is the one that leader_watch() would find. */
bool	leader_is_current(const struct raftsup *);
/* The cheap part: are the hints other than leader_watch() saw them? */
bool	leader_is_changed(const struct raftsup *);
/* Where to send an op now; false: to nobody. */
bool	leader_target(struct raftsup *, const struct op *, struct target *);
/* A node said that it does not lead, and who does (0: nobody known). True:
 * it was the target, and there is none now. */
bool	leader_refused(struct raftsup *, uint32_t slot, uint32_t leader);
/* The node that a stale read was sent to is silent: another one. */
void	leader_stale_silent(struct raftsup *);
/* Node slot of an id; NO_SLOT. */
uint32_t leader_slot_of(const struct raftsup *, uint32_t id);

/* ---------------------------------------------------------- session.c */

void	session_begin(struct raftsup *, uint64_t session);
void	session_end(struct raftsup *);
/* True: a sequence may be assigned. */
bool	session_has_room(struct raftsup *);
void	session_assign(struct raftsup *, struct op *);
/* The op's sequence is answered, or certainly never applied. */
void	session_release(struct raftsup *, struct op *);
/* The op is given up with its outcome unknown: stays open to be settled. */
void	session_keep(struct raftsup *, struct op *);
void	session_settled(struct raftsup *, uint64_t session,
	    uint64_t sequence);

/* ----------------------------------------------------------- limits.c */

/* 0, or RAFTSUP_USAGE and the text of the handle. */
int	limits_check(struct raftsup *, const struct raftsup_request *);

/* ----------------------------------------------------------- encode.c */

/* The request's bytes into the op; with its sequence if it has one, else
 * encoded stays false. 0 or a RAFTSUP code. */
int	encode_request(struct raftsup *, struct op *,
	    const struct raftsup_request *) MUST_CHECK;
int	encode_internal(struct raftsup *, struct op *, enum kv_op)
	    MUST_CHECK;
/* Puts session, sequence and lowest_open of now into the op's command. */
int	encode_sequence(struct raftsup *, struct op *) MUST_CHECK;

/* ----------------------------------------------------------- flight.c */

struct op *op_new(struct raftsup *, enum op_role);
void	op_free(struct raftsup *, struct op *);
/* A new op joins the queue and what can be sent is sent, and published
 * unless there is more to come. */
void	flight_submit(struct raftsup *, struct op *, uint64_t now_ns,
	    uint64_t timeout_ns, bool more);
/* Publishes what was sent. */
void	flight_flush(struct raftsup *);
/* How long it may take. */
uint64_t flight_timeout(const struct raftsup *, const struct op *);
/* Sends what is queued, in order, as far as possible. */
void	flight_pump(struct raftsup *, uint64_t now_ns);
/* Timers, the leader, the segment. When now >= tick_ns. */
void	flight_tick(struct raftsup *, uint64_t now_ns);
/* A sent op shall be asked again. */
void	flight_requeue(struct raftsup *, struct op *);
void	flight_requeue_all(struct raftsup *);
/* Backs off a little, longer each time, until something is answered. */
void	flight_pause(struct raftsup *, uint64_t now_ns, const char *why);
/* From queued or sent to done, the answer being filled in. */
void	flight_finish(struct raftsup *, struct op *);
/* Another cluster has taken the directory: our session is not one of its. */
void	flight_forget_cluster(struct raftsup *);
/* Writes that wait for a session get this answer. */
void	flight_fail_sessionless(struct raftsup *, int code,
	    const char *text);

/* ------------------------------------------------------------ reply.c */

/* Takes all replies there are; true when there was one. */
bool	reply_receive(struct raftsup *);

/* ----------------------------------------------------------- answer.c */

/* What the caller is told; flight_finish() follows. */
void	answer_fail(struct op *, int code, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
void	answer_timeout(struct raftsup *, struct op *);
void	answer_maybe(struct op *, const char *text);
void	answer_from_kv(struct raftsup *, struct op *,
	    const struct kv_answer *);
/* Gives a done op to the caller; frees the one given before. */
int	answer_hand(struct raftsup *, struct op *, struct raftsup_answer *);
void	answer_take_back(struct raftsup *);

/* ------------------------------------------------------------- wait.c */

/* Until the op is done (or, op NULL, any asynchronous one), or the
 * deadline. */
void	wait_for(struct raftsup *, const struct op *, uint64_t deadline_ns);
/* The time at which something must be looked at even if nobody rings. */
uint64_t wait_deadline(struct raftsup *);
/* Nothing has come and the leader is the same. */
bool	wait_is_idle(struct raftsup *);

/* --------------------------------------------------------------- fd.c */

/* The doorbell is ours again. */
void	fd_disarm(struct raftsup *);
/* The caller may go to sleep on the descriptor now. */
void	fd_arm(struct raftsup *);
void	fd_close(struct raftsup *);

static inline uint64_t
time_add(uint64_t at_ns, uint64_t span_ns)
{
	return span_ns > NEVER - at_ns ? NEVER : at_ns + span_ns;
}

static inline uint64_t
time_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
