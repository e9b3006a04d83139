/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One core, stepped by hand: the test plays all other nodes and the disk.
 *
 * Every step is checked with raft_check_state() and raft_check_delta().  The
 * effects of the last step are in solo.update; requests sent since are kept
 * by type and addressee, so that replies can be made up for them.
 */
#ifndef TESTS_RAFT_SOLO_H
#define TESTS_RAFT_SOLO_H

#include "raft/core.h"
#include "tests/raft/harness.h"

#define RUN(id)	(10 + (uint64_t)(id))	/* of the others, at first */

struct solo {
	struct raft *raft;
	struct raft_update update;
	struct raft_config config;
	uint64_t now_ns;
	uint64_t random;		/* of the next steps */
	bool latches;			/* the test wants it to */
	/* the last request of each type to each node */
	struct raft_message sent[RAFT_MESSAGE_TYPE_MAX + 1]
	    [RAFT_SERVERS_MAX + 1];
	uint64_t requests;		/* of the others */
	char *story;
	size_t story_size;
};

/*
 * Node `id` of `voters`, with that hard state and a log of these terms
 * ("1 1 2"), all durable.  solo_boot, if it is not NULL, lets the test change
 * the boot state and the settings first.
 */
extern void (*solo_boot)(struct raft_boot *, struct raft_config *);
void	solo_open(struct solo *, uint32_t id, uint32_t voters, uint64_t term,
	    uint32_t vote, const char *terms);
void	solo_open_with(struct solo *, uint32_t id,
	    const struct raft_configuration *, uint64_t term, uint32_t vote,
	    const char *terms, uint64_t applied, uint32_t append_entries_max);
void	solo_close(struct solo *);
/* Voters 1 ... count. */
struct raft_configuration solo_voters(uint32_t count);
/* Voters 1 ... voters, learners after them up to count. */
struct raft_configuration solo_learners(uint32_t voters, uint32_t count);

void	solo_step(struct solo *, struct raft_event *);
void	solo_tick(struct solo *, uint64_t after_ns);
void	solo_timeout(struct solo *);	/* to the deadline, and a tick */
void	solo_force(struct solo *);
void	solo_persisted(struct solo *);	/* all that was given out */
/* That persist, whose last entry was this. */
void	solo_complete(struct solo *, uint64_t seq, uint64_t last_index,
	    uint64_t last_term);
int	solo_propose(struct solo *, uint32_t count, uint32_t size);
int	solo_read(struct solo *, uint64_t id);
int	solo_change(struct solo *, const struct raft_change *, uint32_t count,
	    uint64_t base_index);
int	solo_transfer(struct solo *, uint32_t to);
void	solo_room(struct solo *, enum raft_room);
void	solo_dead(struct solo *, uint32_t id, uint64_t run, uint64_t delay_ns);
void	solo_recv(struct solo *, const struct raft_message *);

/* A message from another to this node, its identity filled in. */
struct raft_message solo_message(struct solo *, enum raft_message_type,
	    uint32_t from, uint64_t term);
/* The reply to the last such request that was sent to `from`. */
struct raft_message solo_reply(struct solo *, enum raft_message_type request,
	    uint32_t from, uint64_t term, bool reject);

/* AppendEntries with entries of these terms after (index, log_term). */
void	solo_append(struct solo *, uint32_t from, uint64_t term,
	    uint64_t index, uint64_t log_term, const char *terms,
	    uint64_t commit);
void	solo_heartbeat(struct solo *, uint32_t from, uint64_t term,
	    uint64_t commit);
void	solo_vote(struct solo *, uint32_t from, uint64_t term,
	    uint64_t index, uint64_t log_term);
void	solo_pre_vote(struct solo *, uint32_t from, uint64_t term,
	    uint64_t index, uint64_t log_term);
/* The peer acknowledges the last append sent to it, up to match. */
void	solo_ack(struct solo *, uint32_t from, uint64_t match);
void	solo_heartbeat_ack(struct solo *, uint32_t from);

/* By timeout, pre-votes and votes of all others; the term rises by one. */
void	solo_lead(struct solo *);

/* The message of that type to that node in the last update; NULL: none. */
const struct raft_message *solo_sent(const struct solo *,
	    enum raft_message_type, uint32_t to);
uint32_t solo_count(const struct solo *, enum raft_message_type);
bool	solo_told(const struct solo *, const char *text);
/* "1 1 2": the terms of the log. */
const char *solo_log(const struct solo *);

#endif
