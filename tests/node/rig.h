/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A few real raftnode processes with the test in the supervisor's place, and
 * a client that speaks bytes: what the node promises, without raftsup and
 * libraftsup in between.
 */
#ifndef TESTS_NODE_RIG_H
#define TESTS_NODE_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kv/kv.h"
#include "shm/segment.h"
#include "store/store.h"
#include "wire/request.h"

/*
 * Elections take at most this long. A build for ThreadSanitizer is ten times
 * slower, and its timers are too.
 */
#ifdef __SANITIZE_THREAD__
#define RIG_ELECTION_MS	3000
#else
#define RIG_ELECTION_MS	400
#endif

struct rig;

struct rig *rig_new(uint32_t nodes, enum store_durability);
/* death_hint false: nodes learn of deaths by their timers alone. */
struct rig *rig_new_with(uint32_t nodes, enum store_durability,
	    bool death_hint);
/* Kills what runs, removes segment and directory. */
void	rig_free(struct rig *);
struct segment *rig_segment(struct rig *);

void	rig_start(struct rig *, uint32_t id);	/* the next run */
void	rig_kill(struct rig *, uint32_t id, int signal_number);
/* Ends cleanly; its exit status. */
int	rig_stop(struct rig *, uint32_t id);
/* Waits for its end; its exit status, 128 + signal. */
int	rig_wait_end(struct rig *, uint32_t id);
/*
 * Into the store of a node that died as the leader: writes of this key in its
 * term that no other node has, as if it had died before it sent them.
 * false: it was the leader no more, or others have entries that it has not.
 */
bool	rig_append_unsent(struct rig *, uint32_t id, const char *key,
	    uint32_t count);
/*
 * From now on each write of its log waits so long before it begins, also one
 * that waits already; a dead node's next run does.
 */
void	rig_slow_disk(struct rig *, uint32_t id, uint64_t delay_ns);
/* What the others send to it is held back so long. */
void	rig_slow_links(struct rig *, uint32_t id, uint64_t delay_ns);
pid_t	rig_pid(struct rig *, uint32_t id);
uint64_t rig_run(struct rig *, uint32_t id);
/* Waits until the node has written this to its event log; the first line that
 * has it, borrowed until the next call. */
const char *rig_wait_told(struct rig *, uint32_t id, const char *text);

/* Waits until a node leads; its id. */
uint32_t rig_wait_leader(struct rig *);

/*
 * One request to one node; false: no answer within 300 ms (the node is dead,
 * or dropped it).  The answer is borrowed until the next call.
 */
bool	rig_ask(struct rig *, uint32_t id, enum wire_request_kind,
	    const struct kv_command *, struct wire_reply *,
	    struct kv_answer *);
/* These bytes, instead of a request, to one node. */
void	rig_send(struct rig *, uint32_t id, const void *data, size_t size);
/* Sends a stale read of this key count times, and only then takes the replies;
 * how many came. */
uint32_t rig_ask_many(struct rig *, uint32_t id, const char *key,
	    uint32_t count);
/* Asks whoever leads until it answers WIRE_OK. */
void	rig_do(struct rig *, enum wire_request_kind,
	    const struct kv_command *, struct kv_answer *);
/* In the rig's session. */
void	rig_set(struct rig *, const char *key, const char *value);
/* A value of size bytes of fill, and its check. */
void	rig_set_large(struct rig *, const char *key, uint8_t fill,
	    uint32_t size);
void	rig_check_large(struct rig *, const char *key, uint8_t fill,
	    uint32_t size);
uint64_t rig_applied(struct rig *, uint32_t id);
void	rig_wait_applied(struct rig *, uint32_t id, uint64_t index);
/* NULL: not found; else borrowed. */
const char *rig_get(struct rig *, const char *key);

#endif
