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
 *	lease.c		leases: promises, waiting for an old one
 *	append.c	every change of the log and of the hard state
 *	configuration.c	who is a member
 *	change.c	changes of the membership
 *	transfer.c	of the leadership
 *	snapshot.c	checkpoints, compaction, snapshots for peers
 *	install.c	a snapshot that arrives
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

#define CONFIGURATIONS_MAX	64	/* the snapshot's, and those after */
#define PROGRESS_MAX		16	/* members, and servers that leave */
#define SIGHTINGS_MAX		16	/* ids whose runs are remembered */
/* Of all voters, and of a candidate that has no vote itself. */
#define OLD_PROMISES_MAX	((RAFT_SERVERS_MAX + 1) * RAFT_PROMISES_MAX)
#define INFLIGHT_MAX		128	/* appends under way to one peer */

/* Appends to one peer that are not acknowledged yet, oldest first. */
struct inflight {
	uint64_t request;
	uint64_t first_index;
	uint64_t last_index;	/* first_index - 1: carries no entries; of
				 * chunks: the bytes first ... last - 1 */
	uint64_t bytes;
};

enum progress_mode {
	PROGRESS_PROBE = 1,	/* looking for where the logs agree: one
				 * append at a time */
	PROGRESS_REPLICATE,	/* they agree up to match: many at a time */
	PROGRESS_SNAPSHOT,	/* the entries it needs are gone */
};

/* What a leader knows of one peer. */
struct progress {
	uint32_t id;
	uint64_t store_id;	/* replies of another one do not count */
	enum progress_mode mode;
	uint64_t match;		/* durable there, and equal to our log */
	uint64_t next;		/* next entry to send; > match */
	uint64_t contact_ns;	/* last reply in this term, */
	bool heard;		/* if there was one */
	uint64_t confirmed;	/* largest request that it answered */
	uint64_t promise_ns;	/* it has promised to wait until then */
	uint64_t moved_ns;	/* when something was last sent into nothing
				 * under way, or acknowledged */
	bool blocked;		/* no room on the way: until it answers */
	bool told;		/* its first append is narrated */
	bool behind_told;	/* so is that we cannot serve it */
	/* In SNAPSHOT; match and next stay as they were. */
	uint64_t view;		/* that it is sent; 0: it waits for one */
	uint64_t offset;	/* next byte to send */
	uint64_t arrived;	/* all before is written there */
	uint32_t stalls;	/* turns back since that last rose */
	uint64_t progressed_ns;	/* when that, or match, last rose */
	bool held;		/* what it needs after a snapshot is kept */
	/* A learner that is to be promoted: rounds of catching up. */
	uint64_t round_target;	/* 0: none is under way */
	uint64_t round_begin_ns;
	uint32_t rounds;	/* that are over */
	bool caught_up;		/* the last one was short enough */
	/* A server that is no member any more: the log goes to it until it
	 * knows that, or for some time. */
	uint64_t leaving_index;	/* of the configuration without it; 0 */
	uint64_t leave_end_ns;
	uint64_t farewell;	/* the heartbeat that commits that; 0 */
	uint32_t inflight_begin;
	uint32_t inflight_count;
	uint64_t inflight_bytes;
	struct inflight inflight[INFLIGHT_MAX];
};

/* The caller's picture of a checkpoint, on its way to peers. */
struct view {
	uint64_t id;		/* 0: none is open */
	uint64_t index;
	uint64_t term;
	uint64_t size;
	uint8_t chain[RAFT_CHAIN_SIZE];
	uint64_t configuration_index;
	uint32_t configuration_size;
	uint8_t configuration[RAFT_CONFIGURATION_SIZE_MAX];
};

/* A snapshot that arrives; see install.c. */
struct receive {
	uint64_t id;		/* the caller's name for it; 0: none */
	uint32_t from;
	uint64_t from_run;
	uint64_t from_store;
	uint64_t view;		/* of the sender */
	uint64_t request;	/* the last one that was part of it */
	uint64_t total;
	uint64_t taken;		/* bytes given to the caller, */
	uint64_t written;	/* written aside, */
	bool complete;		/* verified and durable aside */
	struct raft_snapshot snapshot;
};

/* Runs of another node: the highest seen, the highest known dead. */
struct sighting {
	uint32_t id;
	uint64_t run;
	uint64_t dead_run;
	uint64_t term;		/* that run has said to be in this one */
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
	uint64_t cut_seq;	/* last one that took entries away, */
	uint64_t cut_from;	/* with those before it that are not durable
				 * either: from this one on */
	uint64_t durable_index;	/* our log is durable up to this */

	/* The log. */
	uint64_t commit_index;
	uint64_t applied_index;
	enum raft_room room;
	struct raft_entry own;	/* a leader's first entry, or configuration */
	uint8_t own_data[RAFT_CONFIGURATION_SIZE_MAX];

	struct raft_snapshot snapshot;	/* the last one recorded */
	uint64_t kept_from;	/* entries before it may be deleted */
	uint64_t receive_last;	/* id given out */
	struct receive receive;
	uint64_t view_last;	/* id seen */
	struct view view;	/* a leader's */

	/* Elections. */
	uint32_t leader;	/* 0: not known */
	uint64_t leader_run;
	uint64_t leader_contact_ns;
	uint64_t election_deadline_ns;
	bool leader_dead;	/* campaigning since the leader is dead */
	bool forced;		/* campaigning since an operator, or the
				 * leader that hands over, said so */
	bool removed;		/* others say that it was taken out */
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
	char why[200];		/* the last change or transfer was refused */

	/* Leases. */
	uint64_t withhold_ns;		/* no votes until then */
	uint32_t promise_count;		/* given here: */
	struct raft_promise promises[RAFT_PROMISES_MAX];
	uint32_t old_count;		/* told by the votes of its campaign: */
	struct raft_promise old[OLD_PROMISES_MAX];
	bool lease_waits;		/* for some of those, then it commits */
	bool lease_given_up;		/* by a transfer */
	uint64_t lease_asked_ns;	/* the latest end that was asked for */
	uint64_t lease_floor_ns;	/* promises up to there were given up */
	uint64_t lease_grace_ns;	/* it may lead without one until then */

	/* A leader's. */
	uint64_t noop_index;	/* its first entry */
	uint64_t heartbeat_deadline_ns;
	bool more;		/* an append is left for the next step */
	uint32_t transfer_to;		/* 0: none is under way */
	bool transfer_sent;		/* TimeoutNow */
	uint64_t transfer_end_ns;
	uint32_t progress_count;
	struct progress progress[PROGRESS_MAX];
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
/* Of a leader deposed before it could commit anything: if nothing comes of the
 * campaign that did it, it soon stands for election again. */
void	elect_timer_shorten(struct raft *);
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
/* A refusal that says that this node is no member any more. */
void	elect_recv_removed(struct raft *, const struct raft_message *);

/* ------------------------------------------------------- replicate.c */

/* Forgets all progress, and makes one for each peer of the configuration. */
void	replicate_begin(struct raft *);
/* After a change of the configuration: keeps what is known. */
void	replicate_sync(struct raft *);
struct progress *replicate_progress(struct raft *, uint32_t id);
/* Of that very server, by id and store; NULL: not a peer. */
struct progress *replicate_of(const struct raft *,
	    const struct raft_server *);
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
/* Of messages under way, the oldest is 0. */
struct inflight *replicate_inflight(struct progress *, uint32_t);
/* The peer has everything up to index. */
void	replicate_matched(struct raft *, struct progress *, uint64_t index);
void	replicate_recv_install_reply(struct raft *,
	    const struct raft_message *);
/* Commits what a majority has, if it is of the own term. */
void	replicate_commit(struct raft *);
/* When a majority was last in contact. */
uint64_t replicate_contact_ns(const struct raft *);

/* ------------------------------------------------------- readindex.c */

/* round: ask a majority also when there is a lease. */
void	readindex_read(struct raft *, uint64_t id, bool round);
/* Completes and begins rounds as far as they can go. */
void	readindex_advance(struct raft *);
/* All that wait come back: not leader. */
void	readindex_abort(struct raft *);

/* ----------------------------------------------------------- lease.c */

void	lease_boot(struct raft *, const struct raft_boot *);
/* A leader begins: own promises, what its votes told; does it wait? */
void	lease_begin(struct raft *);
/* Commits when what it waited for is over. */
void	lease_advance(struct raft *);
/* What a heartbeat asks for. */
uint64_t lease_ask(struct raft *);
/* What a heartbeat's answer promises. */
void	lease_promised(struct raft *, struct progress *,
	    const struct raft_message *);
/*
 * Before a transfer sends its TimeoutNow: from here on no read is answered
 * by a lease, whatever comes of the transfer; and when it has come to
 * nothing: promises asked for from here on count again.
 */
void	lease_give_up(struct raft *);
void	lease_take_up(struct raft *);
/* A leader may be without a lease for an election timeout. */
void	lease_excuse(struct raft *);
/* When a leader steps down unless it hears of a majority before. */
uint64_t lease_lapse_ns(const struct raft *);
/* It steps down, and says why. */
void	lease_lapsed(struct raft *);
/* A majority has promised this leader not to elect another one now. */
bool	lease_is_held(const struct raft *);
/* Until when a new leader waits for an old lease; 0: it does not. */
uint64_t lease_wait_ns(const struct raft *);
/* A follower's answer to a heartbeat: the end that it promises, or 0. */
uint64_t lease_promise(struct raft *, const struct raft_message *);
/* The promise that keeps a vote for `candidate` back; NULL: none does. */
const struct raft_promise *lease_binding(const struct raft *,
	    uint32_t candidate);
/* It does not know what it has promised: it gives no vote, nor its own. */
bool	lease_is_withheld(const struct raft *);
/* A granted vote tells of all promises that are not over. */
void	lease_report(const struct raft *, struct raft_message *reply);
/* A campaign begins; a vote for it tells of promises. */
void	lease_campaign(struct raft *);
void	lease_reported(struct raft *, const struct raft_message *);

/* ---------------------------------------------------------- append.c */

/* The number of this step's persist. */
uint64_t persist_begin(struct raft *);
void	persist_hard_state(struct raft *, uint64_t term, uint32_t vote);
/* seq, or 0 if it is durable. */
uint64_t persist_after(const struct raft *, uint64_t seq);

/* A leader's own entries; index and term are filled in. */
void	append_own(struct raft *, struct raft_entry *, uint32_t count);
void	append_recv(struct raft *, const struct raft_message *);
/* The sender leads in its term, which is not lower than ours; false: that
 * cannot be, latched. */
bool	append_follow(struct raft *, const struct raft_message *);
void	append_recv_heartbeat(struct raft *, const struct raft_message *);
void	append_propose(struct raft *, struct raft_entry *, uint32_t count);
void	append_cut(struct raft *, uint64_t from);
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
/* One more can be appended. */
bool	configuration_has_room(const struct raft *);
/* The latest that is known to be committed. */
const struct raft_configuration *configuration_committed(const struct raft *);
/* The one in force at index; NULL: forgotten. */
const struct raft_configuration *configuration_at(const struct raft *,
	    uint64_t index);
/* Forgets those that nothing can bring back, and that were in force before
 * index. */
void	configuration_forget(struct raft *, uint64_t index);
/* A snapshot's takes the place of those up to its index; or of all. */
void	configuration_install(struct raft *, const struct raft_configuration *,
	    bool keep_later);
/* This node, by id and store id, has a vote in that one; */
bool	configuration_votes(const struct raft *,
	    const struct raft_configuration *);
/* in the latest committed one, or in one after it. */
bool	configuration_has_vote(const struct raft *);
/* NULL, or what is wrong with it. */
const char *configuration_check(const struct raft_configuration *);

/* ---------------------------------------------------------- change.c */

/* Result and reason of the event, and of the status. */
int	change_refuse(struct raft *, int result, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);
void	change_request(struct raft *, const struct raft_change *,
	    uint32_t count, uint64_t base_index);
/* Leaves a joint configuration, promotes learners, steps down when it is no
 * voter any more. */
void	change_advance(struct raft *);
bool	change_may_follow(const struct raft_configuration *,
	    const struct raft_configuration *);

/* -------------------------------------------------------- snapshot.c */

void	snapshot_checkpoint(struct raft *, uint64_t index,
	    const uint8_t *chain);
void	snapshot_view(struct raft *, uint64_t id, uint64_t index,
	    uint64_t size, const uint8_t *chain);
void	snapshot_begin(struct raft *, struct progress *);
void	snapshot_advance(struct raft *);
bool	snapshot_may_send(const struct raft *, const struct progress *);
void	snapshot_send(struct raft *, struct progress *);
void	snapshot_again(struct raft *, struct progress *);
/* The chunk of that number under way could not be sent. */
void	snapshot_sent(struct progress *, uint32_t);
void	snapshot_recv_reply(struct raft *, struct progress *,
	    const struct raft_message *);
void	snapshot_compact(struct raft *);

/* --------------------------------------------------------- install.c */

void	install_recv(struct raft *, const struct raft_message *);
void	install_received(struct raft *, uint64_t id, uint64_t offset,
	    bool complete, bool failed);
void	install_advance(struct raft *);

/* -------------------------------------------------------- transfer.c */

void	transfer_request(struct raft *, uint32_t to);
/* Sends TimeoutNow when the target has the log. */
void	transfer_advance(struct raft *);
void	transfer_repeat(struct raft *);
/* Gives it up when its time is over. */
void	transfer_expire(struct raft *);
/* A leader that is no voter any more names its successor. */
void	transfer_leave(struct raft *);
void	transfer_recv(struct raft *, const struct raft_message *);

/* --------------------------------------------------------- message.c */

/* What is known of another's runs; made when it was not there. */
struct sighting *sighting_make(struct raft *, uint32_t id);
/* The highest run seen; 0: none. */
uint64_t sighting_run(const struct raft *, uint32_t id);
/* True if that run is known to have ended. */
bool	sighting_is_dead(const struct raft *, uint32_t id, uint64_t run);
/* True if that run has said itself that it is in that term, or later. */
bool	sighting_has_reached(const struct raft *, uint32_t id, uint64_t run,
	    uint64_t term);

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
/* "voters 1, 3, learner 4", of a joint one both halves */
const char *narrate_configuration(const struct raft_configuration *, char *,
	    size_t size);

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
