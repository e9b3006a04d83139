/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One node: the core in the world.
 *
 *	peers, clients, clocks, disk --event--> raft_step() --update--> effects
 *
 * The only room that knows both the core and the world.  The loop (loop.c)
 * gathers what has arrived, steps the core for each, and carries out the
 * updates in the written order (effects.c): persist, send what depends on
 * it, apply, answer.  Everything here belongs to the loop's thread, but for
 * what disk.c, apply.c and events.c hand to threads of their own.
 */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/prng.h"
#include "node/apply.h"
#include "node/cache.h"
#include "node/disk.h"
#include "node/events.h"
#include "node/faults.h"
#include "node/snap.h"
#include "node/sync.h"
#include "raft/raft.h"
#include "shm/channel.h"
#include "shm/doorbell.h"
#include "shm/life.h"
#include "shm/segment.h"
#include "store/store.h"
#include "wire/request.h"

#define NODE_WAITING_MAX	1024	/* messages that wait for the disk */
#define NODE_BATCH_MAX		1024	/* entries of one update */
#define NODE_PENDING_NS	200000ull	/* fragments wait for room */
#define NODE_SHORT_MAX		256	/* sends that carried less */
#define NODE_FORWARDS_MAX	64	/* batches asked of the leader */
#define NODE_ASKED_MAX		1024	/* asked by others, at once */
#define NODE_ASKED_READ		(UINT64_C(1) << 63)	/* ids of reads */
#define NODE_MEMBERS_READ	UINT64_MAX	/* id of a read */
#define NODE_TRAILING_ENTRIES	10000	/* kept before a snapshot */
#define NODE_NEAR_ALL		UINT32_MAX

struct clients;
struct peers;

/* An AppendEntries that carried less than the core asked for. */
struct node_short {
	uint32_t to;
	uint64_t request;
	uint64_t next_index;
};

/* A batch of reads here, of which the leader is asked (forward.c). */
struct node_forward {
	uint64_t id;
	uint32_t slot;
	uint32_t leader;
	uint64_t term;
	uint64_t end_ns;
};

/* One that another node has asked of this leader. */
struct node_asked {
	bool used;
	uint32_t slot;
	uint64_t run;
	uint64_t id;
};

struct node {
	/* Who and where. */
	uint32_t id;
	uint32_t slot;
	uint64_t run;
	uint64_t store_id;
	const char *dir;
	struct segment *segment;
	const struct segment_config *config;
	volatile uint64_t *counters;
	struct doorbell bell;
	bool power;			/* durability */

	/* Its parts. */
	struct store *store;
	struct raft *raft;
	struct raft_update *update;
	struct cache *cache;
	struct disk *disk;
	struct apply *apply;
	struct events *events;
	struct snap *snap;
	struct sync *sync;		/* process durability */
	struct faults *faults;
	struct peers *peers;
	struct clients *clients;
	struct prng prng;
	const struct raft_entry *appended[NODE_BATCH_MAX];	/* scratch */

	/* Time. */
	uint64_t now_ns;
	uint64_t withhold_ns;		/* no votes until then */
	uint64_t deadline_ns;		/* the core's */
	uint64_t timeout_seq;		/* of the row: handled so far */
	uint64_t timeout_at_ns;		/* UINT64_MAX: none is due */
	uint64_t housekeeping_ns;	/* next slow look at everything */
	uint64_t apply_again_ns;	/* after a full disk */
	uint64_t checkpoint_at_ns;	/* time-driven checkpoint */
	uint64_t checkpoint_by_ns;	/* not to be put off any more */
	uint64_t checkpoint_again_ns;	/* not before, after a full disk */
	uint64_t status_at_ns;		/* status was published */
	uint64_t pending_ns;		/* until fragments are tried again */

	/* Waking (loop.c). */
	bool traffic;			/* this turn: more may follow soon */
	bool beats_alone;		/* heartbeats: no rounds of reads */
	uint64_t asked_ns;		/* by a client, last */
	bool sliced;			/* there is more for the next turn */
	bool beat_is_idle;		/* the message that is stepped is one,
					 * and tells nothing new */
	uint64_t beat_ns;		/* the last one, in or out */
	uint32_t near;			/* slots that get entries at once */
	uint32_t reads_open;		/* the core has not given them back */

	/* Persistence. */
	uint64_t durable_seq;
	uint64_t durable_index;
	struct raft_message *waiting;	/* ring of NODE_WAITING_MAX */
	uint32_t waiting_first;
	uint32_t waiting_count;
	enum store_room room;		/* as of the last look */
	bool little_room;		/* not OK, or the disk is scarce */
	bool peers_lack_room;		/* what adds something is refused */
	bool room_fault;		/* an operator says there is none */
	bool hang_told;
	uint64_t room_at_ns;		/* next look at the room */
	uint64_t disk_again_ns;		/* after a full disk */
	struct node_short shorts[NODE_SHORT_MAX];
	uint32_t short_count;

	/* Applying. */
	uint64_t commit_index;
	uint64_t apply_next;		/* next entry to hand to apply */
	uint64_t applied_index;
	uint64_t log_time_ns;		/* largest stamp applied */
	uint64_t term_began_ns;		/* since then log time (logtime.c) */
	uint64_t term_log_time_ns;	/* has gone on from here */
	uint64_t next_expiry_ns;	/* UINT64_MAX: nothing expires */
	uint64_t tick_index;		/* a TICK not applied yet; 0: none */
	uint64_t tick_term;
	uint64_t tick_again_ns;		/* no other one before */
	bool state_full;

	/* Snapshots (snapshot.c). */
	uint64_t snapshot_index;	/* the log's; 0: none */
	uint64_t snapshot_entries;	/* that make the next one due */
	uint64_t snapshot_due;		/* a checkpoint at least at this
					 * index becomes one */
	uint64_t snapshot_asked;	/* an operator wants one, at least
					 * at this index */
	uint64_t snapshot_again_ns;	/* not before, when it was refused */
	uint64_t snapshot_look_ns;	/* is one due? next look */
	uint64_t checkpoint_index;
	uint64_t checkpoint_digest;
	bool snapshot_begun;		/* a checkpoint is being synced */
	bool installing;		/* the state is about to change */
	uint64_t view_last;		/* ids go up within a run */
	uint64_t view_id;		/* open, or being opened; 0: none */
	uint64_t view_again_ns;
	struct snap_done *view_early;	/* what is not durable here yet */
	struct snap_done *install_early;	/* complete, while another one
					 * is being installed; or NULL */

	/* Digests that all nodes note (digest.c). */
	struct segment_digests digests;
	uint64_t differs_told;		/* up to this index */

	/* ReadIndex of those who do not lead (forward.c). */
	struct node_forward forwards[NODE_FORWARDS_MAX];
	uint32_t forward_count;
	struct node_asked asked[NODE_ASKED_MAX];
	uint64_t asked_next;

	/* Wishes of operators, a leader's work (members.c). */
	uint64_t members_at_ns;		/* next look; UINT64_MAX: none */
	uint64_t members_again_ns;	/* a refused one, not before */
	bool members_asked;		/* a read is under way, */
	uint64_t members_read[SEGMENT_SLOTS];	/* for these; 0: none */

	/* As last published or told. */
	enum raft_role role;
	uint64_t term;
	uint32_t leader;
	bool linked;			/* the segment's name exists */
	bool status_dirty;
	uint32_t rows_version;
	uint64_t dead_runs[SEGMENT_SLOTS];	/* deaths already told */
	uint64_t live_runs[SEGMENT_SLOTS];	/* last seen alive */
	struct segment_status status;

	volatile bool stop;		/* a signal asks for a clean end */
	int result;			/* why it ended */
	char latched[160];
};

/* ---- loop.c */
void	node_loop(struct node *);
/* What the supervisor's row asks for; also before the loop runs. */
void	node_rows(struct node *);
/* A heartbeat comes or goes. */
void	node_beat(struct node *);
/* Ends the loop with this code and reason. */
void	node_latch(struct node *, int code, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

/* ---- effects.c: one event in, its effects out */
void	node_step(struct node *, struct raft_event *);
/* True when the cache takes that much now, before a step that appends it. */
bool	node_has_room(struct node *, uint64_t bytes, uint32_t count);
/*
 * What the disk has room for after all that is under way and these entries
 * too, in the log, and to be applied.  The state's room alone is never below
 * LOW, and FEW as long as a checkpoint fits: deletions make room there.
 */
enum store_room node_room_for(const struct node *, uint64_t bytes,
	    uint32_t count);
/* Takes finished disk work into the core; true when there was some. */
bool	node_disk_done(struct node *);
/* Feeds apply with what is committed, takes what is done. */
bool	node_apply_turn(struct node *);
void	node_tell(void *, enum raft_tell, const char *);

/* ---- digest.c */
/* Publishes what apply has noted. */
void	node_digests_take(struct node *, const struct apply_done *);
/* Looks at those of the others; latches when a majority disagrees. */
void	node_digests_compare(struct node *);

/* ---- snapshot.c */
/* What an update asks for; before its persist is handed over. */
void	node_snapshot_effects(struct node *, const struct raft_event *);
/* Takes what the thread has done; true when there was something. */
bool	node_snapshot_turn(struct node *);
/* With little room: the last checkpoint becomes one, and more of the log
 * goes, if that is of use. */
void	node_snapshot_room(struct node *);
/* A checkpoint would be worth a snapshot. */
bool	node_snapshot_is_due(struct node *);
/* An operator waits for one. */
bool	node_snapshot_is_asked(const struct node *);
/* A checkpoint was made: is it time for a snapshot? */
void	node_snapshot_checkpoint(struct node *, const struct apply_done *);
/* The state received is in place. */
void	node_snapshot_installed(struct node *, const struct apply_done *);

/* ---- members.c */
/* Fulfils what rows wish, if it leads; true when there was something. */
bool	node_members_turn(struct node *);
void	node_members_read(struct node *, const struct raft_read *);

/* ---- status.c */
void	node_status_publish(struct node *);
/* What a ring gave instead of a message. */
void	node_count_dropped(struct node *, enum channel_verdict);
void	node_status_reason(struct node *, const char *text);

/* ---- peers.c */
int	peers_new(struct peers **, struct node *) MUST_CHECK;
void	peers_free(struct peers *);
/* Opens links to slots that came into use, closes those of removed nodes. */
void	peers_update(struct node *);
/* Takes the faults that the supervisor wants in force now. */
void	peers_faults(struct node *);
/* Steps the core for what has arrived; true when there was something. */
bool	peers_receive(struct node *);
void	peers_send(struct node *, const struct raft_message *);
/* An Install with its data; false: no room. */
bool	peers_send_chunk(struct node *, const struct raft_message *,
	    const void *data);
/* The core learns that an Install was not sent. */
void	peers_chunk_failed(struct node *, const struct raft_message *);
/* Publishes what was sent, rings; true while fragments wait for room.  What
 * is gathered for far ones goes when it is time, or with all of it. */
bool	peers_flush(struct node *);
bool	peers_flush_all(struct node *);
/* When it is time for the next of them. */
uint64_t peers_due_ns(const struct node *);
bool	peers_is_quiet(struct node *);
/* 0: the slot is not in use. */
uint32_t peers_id_of(const struct node *, uint32_t slot);
/* True when so many others lack room that no quorum has it. */
bool	peers_lack_room(struct node *);
/* Tells the core of runs that are known to be dead. */
void	peers_look_for_deaths(struct node *);
/* Life tokens to sleep on; how many.  PEERS_DEATH: there is news. */
#define PEERS_DEATH	UINT32_MAX
uint32_t peers_arm(struct node *, struct doorbell_extra *);

/* The slot of a node that is linked; SEGMENT_SLOTS: none. */
uint32_t peers_slot_of(const struct node *, uint32_t id);
/* What is no message of Raft; run 0: whichever. False: no room. */
bool	peers_send_bytes(struct node *, uint32_t slot, uint32_t type,
	    uint64_t run, const void *data, size_t size);

/* ---- near.c: whom the quorum needs */
void	near_choose(struct node *);
bool	near_is(const struct node *, uint32_t slot);
/* A follower that the quorum does not need: what comes next has time. */
bool	near_has_time(const struct node *);
/* How much such a one does in a turn; others so many. */
uint32_t near_slice(const struct node *, uint32_t most);

/* ---- heir.c: who follows a dead leader */
/* Tells the core that a run is dead, and when to stand for election. */
void	heir_tell_death(struct node *, uint32_t slot, uint64_t run);

/* ---- forward.c: ReadIndex at a node that does not lead */
/* Asks the leader for the reads of a batch; false: nobody to ask. */
bool	forward_ask(struct node *, uint64_t id);
/* Gives up what has waited too long; true when there was something. */
bool	forward_turn(struct node *);
/* False: the bytes make no sense. */
bool	forward_receive(struct node *, uint32_t slot, uint32_t type,
	    uint64_t run, const uint8_t *data, size_t size);
/* The core's answer to what another one asked. */
void	forward_answer(struct node *, const struct raft_read *);

/* ---- logtime.c: the clock in the log, and what keeps it going */
/* A leader's log time now. */
uint64_t node_log_time(const struct node *);
/* It leads from now on. */
void	node_log_time_begin(struct node *);
/* An entry of this log time was applied, and this expires next. */
void	node_log_time_applied(struct node *, uint64_t log_time_ns,
	    uint64_t next_expiry_ns);
/* Proposes a TICK when something is due; true when it did. */
bool	node_tick_turn(struct node *);
/* For a read that found something due: the index of a TICK that makes it
 * expire, 0 when none can be proposed now. */
uint64_t node_tick(struct node *);
/* When node_tick_turn() has something to do; UINT64_MAX: no time. */
uint64_t node_tick_at(const struct node *);

/* ---- clients.c */
int	clients_new(struct clients **, struct node *) MUST_CHECK;
void	clients_free(struct clients *);
bool	clients_receive(struct node *, bool look_at_all);
/* reads of a batch may be served at index, or not. */
void	clients_reads(struct node *, const struct raft_read *);
/* Hands reads whose index is covered to apply. */
void	clients_apply_reads(struct node *);
bool	clients_wants_answer(struct node *, uint64_t index, uint64_t term);
void	clients_answer(struct node *, const struct apply_result *);
/* There was no room to apply: the reads that were handed over, and those
 * that wait for entries not applied yet, will not be answered. */
void	clients_apply_failed(struct node *);
/* The office is lost: what waits is answered WIRE_LOST. */
void	clients_lost_office(struct node *);
/* Wakes all clients: there is a new leader. */
void	clients_ring_all(struct node *);
bool	clients_flush(struct node *);
bool	clients_is_quiet(struct node *);

#endif
