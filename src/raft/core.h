/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the core: the state of a server, and what its files say to each
 * other.  Nobody outside src/raft and its tests includes this.
 *
 *	raft.c		new, free, step: the switch over events; status
 *	recv.c		the switch over messages; recv_<message>
 *	become.c	the four functions that change the role
 *	elect.c		timers, campaigns, counting of votes
 *	replicate.c	progress of each peer, heartbeats, the commit index
 *	readindex.c	linearizable reads
 *	append.c	every change of the log and of the hard state
 *	configuration.c	who is a member
 *	message.c	outgoing messages; what is known of others' runs
 *	check.c		invariants of a state and of a step
 *	narrate.c	the story
 *	history.c	terms and sizes of the log
 *	quorum.c	arithmetic
 *
 * Within a step r->update is where effects are collected.  A change that
 * must be durable calls persist_seq() first, which gives the step's number;
 * a message that depends on it names that number in after_seq.
 */
#ifndef RAFT_CORE_H
#define RAFT_CORE_H

#include "base/err.h"
#include "raft/history.h"
#include "raft/quorum.h"
#include "raft/raft.h"

#define CONFIGURATIONS_MAX	16	/* latest committed, and those after */
#define SIGHTINGS_MAX		16	/* ids whose runs are remembered */
#define INFLIGHT_MAX		128	/* appends under way to one peer */

/* Appends to one peer that are not acknowledged yet, oldest first. */
struct inflight {
	uint64_t request;
	uint64_t first_index;
	uint64_t last_index;	/* first_index - 1: carries no entries */
	uint64_t bytes;
};

enum progress_mode {
	PROGRESS_PROBE = 1,	/* looking for where the logs agree: one
				 * append at a time */
	PROGRESS_REPLICATE,	/* they agree up to match: many at a time */
};

/* What a leader knows of one peer. */
struct progress {
	uint32_t id;
	enum progress_mode mode;
	uint64_t match;		/* durable there, and equal to our log */
	uint64_t next;		/* next entry to send; > match */
	uint64_t contact_ns;	/* last reply in this term */
	uint64_t confirmed;	/* largest request that it answered */
	uint64_t moved_ns;	/* when something was last sent into nothing
				 * under way, or acknowledged */
	bool blocked;		/* no room on the way: until it answers */
	bool told;		/* its first append is narrated */
	bool behind_told;	/* so is that we cannot serve it */
	uint32_t inflight_begin;
	uint32_t inflight_count;
	uint64_t inflight_bytes;
	struct inflight inflight[INFLIGHT_MAX];
};

/* Runs of another node: the highest seen, the highest known dead. */
struct sighting {
	uint32_t id;
	uint64_t run;
	uint64_t dead_run;
	uint64_t used;		/* for eviction: order of last use */
};

struct raft {
	struct raft_config config;
	struct raft_hard_state hard;
	enum raft_role role;
	const char *latched;
	char latched_text[160];

	/* Inputs of the step under way. */
	struct raft_update *update;
	uint64_t now_ns;	/* never goes back */
	uint64_t random;

	/* Durability. */
	uint64_t persist_seq;	/* last one given out */
	uint64_t durable_seq;	/* all up to this are durable */
	uint64_t hard_seq;	/* last one that changed the hard state */
	uint64_t log_seq;	/* last one that changed the log */
	uint64_t durable_index;	/* our log is durable up to this */

	/* The log. */
	uint64_t commit_index;
	uint64_t applied_index;
	enum raft_room room;
	struct raft_entry noop;	/* a leader's first entry */

	/* Elections. */
	uint32_t leader;	/* 0: not known */
	uint64_t leader_run;
	uint64_t leader_contact_ns;
	uint64_t election_deadline_ns;
	bool leader_dead;	/* campaigning since the leader is dead */
	bool forced;		/* campaigning since an operator said so */
	struct quorum_set granted;
	struct quorum_set refused;
	uint64_t elections;

	/* Identity. */
	uint64_t request;	/* last number given out */
	uint64_t request_floor;	/* replies to older ones mean nothing */
	uint64_t dropped;
	uint64_t sighting_clock;
	struct sighting sightings[SIGHTINGS_MAX];

	/* Configurations; the last one is in force. */
	uint32_t configuration_count;
	struct raft_configuration configurations[CONFIGURATIONS_MAX];

	/* A leader's. */
	uint64_t noop_index;	/* its first entry */
	uint64_t heartbeat_deadline_ns;
	bool more;		/* an append is left for the next step */
	uint32_t progress_count;
	struct progress progress[RAFT_SERVERS_MAX];
	uint64_t round_request;	/* replies from here on confirm the round */
	uint64_t round_index;	/* commit index when it began */
	uint32_t round_count;	/* first reads of the queue are its own */
	uint32_t read_count;
	uint64_t reads[RAFT_READS_MAX];

	struct history log;	/* last: its tail is large */
};

/* ------------------------------------------------------------ raft.c */

/* An invariant is broken: nothing is done from here on. */
void	raft_latch(struct raft *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ------------------------------------------------------------ recv.c */

void	recv_message(struct raft *, const struct raft_message *);

/* ---------------------------------------------------------- become.c */

/*
 * leader 0: not known.  run: of the leader.  The vote survives unless the
 * term is new; the timer goes on unless it was a leader.
 */
void	become_follower(struct raft *, uint64_t term, uint32_t leader,
	    uint64_t run, const char *reason);
void	become_precandidate(struct raft *);
void	become_candidate(struct raft *, const char *reason);
void	become_leader(struct raft *);

/* ----------------------------------------------------------- elect.c */

void	elect_timer_reset(struct raft *);
/* A voter of the configuration in force, with room for entries. */
bool	elect_may_campaign(const struct raft *);
/* The election timer has fired. */
void	elect_timeout(struct raft *);
/* An operator has fired it: no pre-vote, and voters need not be loyal. */
void	elect_force(struct raft *);
/* Asks all other voters for their pre-votes or votes. */
void	elect_ask(struct raft *, enum raft_message_type);
/* Looks whether the campaign under way is decided. */
void	elect_count(struct raft *);
/* True while this node has reason to think that a leader lives. */
bool	elect_is_loyal(const struct raft *);
void	elect_peer_dead(struct raft *, uint32_t id, uint64_t run,
	    uint64_t delay_ns);
void	elect_recv_request(struct raft *, const struct raft_message *);
void	elect_recv_reply(struct raft *, const struct raft_message *);

/* ------------------------------------------------------- replicate.c */

/* Forgets all progress, and makes one for each peer of the configuration. */
void	replicate_begin(struct raft *);
/* After a change of the configuration: keeps what is known. */
void	replicate_sync(struct raft *);
struct progress *replicate_progress(struct raft *, uint32_t id);
/* A peer has a new run: whatever was known of its log is forgotten. */
void	replicate_restarted(struct raft *, uint32_t id);
/* Sends what may be sent: at most one append to each peer. */
void	replicate_flush(struct raft *);
void	replicate_heartbeats(struct raft *);
void	replicate_sent(struct raft *, uint32_t to, uint64_t request,
	    uint64_t next_index);
void	replicate_recv_append_reply(struct raft *,
	    const struct raft_message *);
void	replicate_recv_heartbeat_reply(struct raft *,
	    const struct raft_message *);
/* Commits what a majority has, if it is of the own term. */
void	replicate_commit(struct raft *);
/* When a majority was last in contact. */
uint64_t replicate_contact_ns(const struct raft *);

/* ------------------------------------------------------- readindex.c */

void	readindex_read(struct raft *, uint64_t id);
/* Completes and begins rounds as far as they can go. */
void	readindex_advance(struct raft *);
/* All that wait come back: not leader. */
void	readindex_abort(struct raft *);

/* ---------------------------------------------------------- append.c */

/* The number of this step's persist. */
uint64_t persist_begin(struct raft *);
void	persist_hard_state(struct raft *, uint64_t term, uint32_t vote);
/* seq, or 0 if it is durable. */
uint64_t persist_after(const struct raft *, uint64_t seq);

/* A leader's own entries; index and term are filled in. */
void	append_own(struct raft *, struct raft_entry *, uint32_t count);
void	append_recv(struct raft *, const struct raft_message *);
void	append_recv_heartbeat(struct raft *, const struct raft_message *);
void	append_propose(struct raft *, struct raft_entry *, uint32_t count);
void	append_persisted(struct raft *, uint64_t seq, uint64_t last_index,
	    uint64_t last_term);
/* Raises the commit index; never lowers it. */
void	append_commit(struct raft *, uint64_t index);
/* Bytes of the entries that are not committed. */
uint64_t append_uncommitted(const struct raft *);

/* --------------------------------------------------- configuration.c */

const struct raft_configuration *configuration(const struct raft *);
/* ERR_CORRUPT: not a configuration; ERR_BUSY: too many are uncommitted. */
int	configuration_append(struct raft *, const struct raft_entry *)
	    MUST_CHECK;
/* Those at index and after it are gone with their entries. */
void	configuration_truncate(struct raft *, uint64_t index);
/* Forgets those that nothing can bring back into force. */
void	configuration_committed(struct raft *);
/* This node, by id and store id, is in the one in force and has a vote. */
bool	configuration_has_vote(const struct raft *);
/* NULL, or what is wrong with it. */
const char *configuration_check(const struct raft_configuration *);

/* --------------------------------------------------------- message.c */

/* What is known of another's runs; made when it was not there. */
struct sighting *sighting_make(struct raft *, uint32_t id);
/* The highest run seen; 0: none. */
uint64_t sighting_run(const struct raft *, uint32_t id);
/* True if that run is known to have ended. */
bool	sighting_is_dead(const struct raft *, uint32_t id, uint64_t run);

/* A message of the step, with the sender's identity filled in. */
struct raft_message *message_request(struct raft *, enum raft_message_type,
	    uint32_t to);
struct raft_message *message_reply(struct raft *,
	    const struct raft_message *request);

/* --------------------------------------------------------- narrate.c */

void	narrate(const struct raft *, enum raft_tell, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
void	narrate_sent(const struct raft *, const struct raft_message *);
void	narrate_received(const struct raft *, const struct raft_message *);
/* "1, 3 and 4" */
const char *narrate_set(const struct quorum_set *, char *, size_t size);

/* Nothing is formatted for a sink that is not there or does not ask. */
#define TELL(r, kind, ...)                                                    \
	do {                                                                  \
		if ((r)->config.tell != NULL &&                               \
		    (((kind) != RAFT_TELL_RPC && (kind) != RAFT_TELL_COMMIT) ||\
		    (r)->config.tell_rpc)) {                                  \
			narrate((r), (kind), __VA_ARGS__);                    \
		}                                                             \
	} while (0)

#define ELAPSED(r, since_ns)	((r)->now_ns - (since_ns))

#endif
