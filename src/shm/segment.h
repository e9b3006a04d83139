/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The segment: one POSIX shared-memory object per cluster.
 *
 *	header		identity and settings; written once at creation,
 *			the version word last
 *	rows		per slot: what the supervisor says of that node
 *	pages		per slot: what the node says of itself, its counters
 *			and its life tokens
 *	doorbells	per slot: a word to bump; writable by clients
 *	link rings	per ordered pair of slots
 *	client slots	per slot: header, doorbell, a pair of rings per node
 *	recorders	per slot: the flight recorder
 *
 * The supervisor creates it, nodes and clients attach.  Every word has one
 * writer, but for the doorbells.  Offsets only, no pointers: layouts are in
 * segment_layout.h.  Handles (struct segment, struct channel, ...) are
 * process-local.  After fork a handle must not be used: mappings are
 * MADV_DONTFORK and descriptors O_CLOEXEC.
 *
 * Slots 0..7 hold nodes; the node id of a slot is in its row.
 */
#ifndef SHM_SEGMENT_H
#define SHM_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/err.h"

#define SEGMENT_SLOTS		8
#define SEGMENT_NAME_SIZE	48	/* "/raftsup-UID-HASH" and NUL */
#define SEGMENT_CLIENTS_MAX	1024

/* Settings of the cluster's running time; fixed while it runs. */
struct segment_config {
	uint64_t cluster_id;
	uint64_t heartbeat_ns;
	uint64_t election_min_ns;
	uint64_t election_max_ns;
	uint64_t lease_ns;
	uint64_t seed;			/* 0: none given */
	uint32_t durability;		/* enum store_durability */
	uint32_t log_rpc;		/* start at level rpc */
	uint32_t client_count;		/* client slots */
	uint32_t death_hint;		/* 0: nodes ignore the death hint */
	char dir[1024];			/* real path of the directory */
};

enum segment_access {
	SEGMENT_SUPERVISOR,	/* read and write everything */
	SEGMENT_NODE,		/* the same */
	SEGMENT_CLIENT,		/* doorbells and own slot: write; rest: read */
	SEGMENT_VIEWER,		/* read only */
};

struct segment;

/* The name for a directory: UID and hash of its real path.  ERR_NOT_FOUND
 * when the directory does not exist. */
int	segment_name(char name[SEGMENT_NAME_SIZE], const char *dir,
	    struct err_buf *) MUST_CHECK;

/*
 * O_EXCL, mode 0600, blocks of everything but client slots allocated.
 * ERR_EXISTS, ERR_FULL (/dev/shm has no room: says how much is needed),
 * ERR_PERMISSION.  The first node_count slots get their link rings'
 * blocks now; segment_add_slot() allocates another one's later.
 */
int	segment_create(struct segment **, const char *name,
	    const struct segment_config *, uint32_t node_count,
	    struct err_buf *) MUST_CHECK;
int	segment_add_slot(struct segment *, uint32_t slot, struct err_buf *)
	    MUST_CHECK;

/*
 * Checks owner, mode, size, magic, version and layout before use:
 * ERR_NOT_FOUND no such segment, ERR_PERMISSION another user's, ERR_VERSION,
 * ERR_CORRUPT truncated or foreign, ERR_AGAIN its creation has not finished,
 * ERR_MISMATCH another pid or time namespace than recorded.
 */
int	segment_attach(struct segment **, const char *name,
	    enum segment_access, struct err_buf *) MUST_CHECK;
void	segment_detach(struct segment *);
int	segment_unlink(const char *name, struct err_buf *) MUST_CHECK;
/* False when the name is gone (somebody unlinked it). */
bool	segment_is_linked(const struct segment *);

const struct segment_config *segment_config(const struct segment *);
const char *segment_own_name(const struct segment *);
/* CLOCK_MONOTONIC -> wall clock, by one offset taken at creation: all
 * processes of a cluster stamp their lines by it, in one order. */
uint64_t segment_wall_ns(const struct segment *, uint64_t monotonic_ns);

/* -------------------------------------------- rows: by the supervisor */

enum segment_node_state {
	SEGMENT_NODE_NONE = 0,	/* the slot is not in use */
	SEGMENT_NODE_DOWN,	/* will be started (back-off) */
	SEGMENT_NODE_STARTING,	/* forked, not ready yet */
	SEGMENT_NODE_UP,
	SEGMENT_NODE_HELD,	/* down until told to start */
	SEGMENT_NODE_PAUSED,	/* stopped by SIGSTOP */
	SEGMENT_NODE_REFUSED,	/* cannot be started: `why` says it */
};

/* What an operator wants of a node's membership. */
enum segment_wish {
	SEGMENT_WISH_NONE = 0,
	SEGMENT_WISH_JOIN,	/* to become a voter */
	SEGMENT_WISH_LEARN,	/* to become a learner, and stay one */
	SEGMENT_WISH_LEAVE,
	SEGMENT_WISH_REFILL,	/* its id goes on with this store */
};

struct segment_row {
	uint32_t id;			/* node id; 0: slot not in use */
	uint32_t state;			/* enum segment_node_state */
	int32_t pid;			/* 0: none */
	uint32_t restarts;
	uint64_t store_id;
	uint64_t pid_start;		/* start time, /proc/PID/stat */
	uint64_t run_granted;		/* the run the node must take */
	uint64_t run_admitted;		/* recorded in the cluster file: the
					 * node may vote */
	uint64_t dead_run;		/* runs up to this are reaped */
	uint64_t timeout_seq;		/* fire the election timer when this
					 * rises, at */
	uint64_t timeout_at_ns;		/* CLOCK_MONOTONIC */
	uint32_t log_rpc;		/* level rpc wanted: 0 no, 1 yes, or */
#define SEGMENT_LOG_LENT	2u	/* while somebody looks on */
	uint32_t stop;			/* not 0: end cleanly */
	uint64_t deaths;		/* count; the latest reason in why */
	char why[160];
	uint64_t wish_seq;		/* number of the wish; one for all
					 * that belong to one step */
	uint32_t wish;			/* enum segment_wish */
	uint32_t zero;
};

/* Two copies and an index: the last complete one, whoever died.  read
 * returns ERR_OK, or ERR_AGAIN when nothing was published yet. */
void	segment_row_publish(struct segment *, uint32_t slot,
	    const struct segment_row *);
int	segment_row_read(const struct segment *, uint32_t slot,
	    struct segment_row *) MUST_CHECK;
/* Changes by one whenever any row is published. */
uint32_t segment_rows_version(const struct segment *);

struct segment_supervisor {
	int32_t pid;
	uint64_t pid_start;
	uint64_t since_ns;
};
void	segment_supervisor_publish(struct segment *,
	    const struct segment_supervisor *);
int	segment_supervisor_read(const struct segment *,
	    struct segment_supervisor *) MUST_CHECK;

/* ------------------------------------------------- pages: by the node */

#define SEGMENT_REASONS	8

struct segment_status {
	uint64_t run;
	int32_t pid;
	uint32_t id;
	uint64_t pid_start;
	uint32_t ready;			/* may vote; serves */
	uint32_t role;			/* enum raft_role; 0: not yet */
	uint32_t leader;
	uint32_t vote;
	uint64_t term;
	uint64_t commit;
	uint64_t applied;
	uint64_t durable;
	uint64_t first_index;
	uint64_t last_index;
	uint64_t last_term;
	uint64_t snapshot_index;
	uint64_t lease_end_ns;		/* 0: none */
	uint32_t quorum;
	uint32_t room;			/* enum raft_room */
	uint32_t serving;		/* leader with a commit in its term */
	uint32_t learner;
	uint64_t updated_ns;
	uint64_t voters;		/* bit per id below 64 */
	/* The last role changes, newest first. */
	struct {
		uint64_t at_ns;
		char text[96];
	} reasons[SEGMENT_REASONS];
	char latched[160];		/* "", or why the node stopped */
	/* The configuration in force here. */
	uint64_t configuration_index;
	uint32_t configuration_committed;
	uint32_t server_count;
	struct {
		uint32_t id;
		uint32_t suffrage;	/* enum raft_suffrage */
		uint64_t store_id;
	} servers[SEGMENT_SLOTS];
	uint32_t transfer_to;		/* 0: none is under way */
	uint32_t exit_status;		/* with `latched`; 0: not known */
	/*
	 * Wishes of rows (docs/MEMBERS.md): by slot, the number of the one
	 * that this node knows, as the leader, to be fulfilled; and the one
	 * refused last, and why.
	 */
	uint64_t wish_done[SEGMENT_SLOTS];
	uint64_t wish_refused;
	char wish_why[160];
};
void	segment_status_publish(struct segment *, uint32_t slot,
	    const struct segment_status *);
int	segment_status_read(const struct segment *, uint32_t slot,
	    struct segment_status *) MUST_CHECK;
/*
 * The part that others look at often (failover, clients looking for the
 * leader), each one atomic word, written by the node only:
 * (term << 1 | leading and serving).
 */
void	segment_hint_set(struct segment *, uint32_t slot, uint64_t word);
uint64_t segment_hint(const struct segment *, uint32_t slot);
/* Which slots (a bit each) a leader tells of entries first; all ones: every
 * one, or it does not lead. */
void	segment_near_set(struct segment *, uint32_t slot, uint32_t slots);
uint32_t segment_near(const struct segment *, uint32_t slot);

#define SEGMENT_PROMISES	8

/*
 * What a voter has promised to leaders (docs/CORE.md, "Leases"): written
 * before it is acknowledged, read back by the node's next run.  The creator
 * of the segment writes that there is nothing: no node runs, so no leader has
 * a lease.  Anything but ERR_OK from a read means that nothing is known.
 */
struct segment_promises {
	uint32_t count;
	uint32_t zero;
	uint64_t withhold_ns;	/* no votes until then; 0: it may vote */
	struct {
		uint32_t leader;
		uint32_t zero;
		uint64_t run;
		uint64_t end_ns;
	} promises[SEGMENT_PROMISES];
};
void	segment_promises_publish(struct segment *, uint32_t slot,
	    const struct segment_promises *);
int	segment_promises_read(const struct segment *, uint32_t slot,
	    struct segment_promises *) MUST_CHECK;

#define SEGMENT_DIGESTS	16

/*
 * The digest of a node's state after certain entries, the same ones on all
 * nodes: equal, or somebody's state is damaged.  The place of a mark is
 * index / interval % SEGMENT_DIGESTS; the rest says nothing (index 0).
 */
struct segment_digests {
	uint64_t run;
	uint32_t id;
	uint32_t zero;
	struct segment_mark {
		uint64_t index;
		uint64_t digest;
	} marks[SEGMENT_DIGESTS];
};
void	segment_digests_publish(struct segment *, uint32_t slot,
	    const struct segment_digests *);
int	segment_digests_read(const struct segment *, uint32_t slot,
	    struct segment_digests *) MUST_CHECK;

/* ------------------------- faults: by the supervisor, for one node each */

/* What becomes of messages from one node, where they are taken from the
 * ring.  Probabilities in parts per million. */
struct segment_fault_link {
	uint32_t loss;
	uint32_t dup;
	uint32_t reorder;
	uint32_t cut;			/* not 0: nothing comes through */
	uint64_t delay_min_ns;
	uint64_t delay_max_ns;
	uint64_t seed;
	uint64_t setting;		/* another one: messages are counted
					 * from 0 again */
};

enum segment_disk_fail {
	SEGMENT_DISK_GOOD = 0,
	SEGMENT_DISK_APPEND,		/* EIO when the log is written */
	SEGMENT_DISK_SYNC,		/* EIO when it is synced */
	SEGMENT_DISK_FULL,		/* no room but the reserve */
	SEGMENT_DISK_FAILS		/* how many there are */
};

/*
 * ids: the node of each slot when this was set; what is said of a slot that
 * has another one now is void.  Nodes of different groups do not hear each
 * other; in group 0 are those that no list named, and those that came later.
 */
struct segment_faults {
	uint32_t ids[SEGMENT_SLOTS];
	uint32_t groups[SEGMENT_SLOTS];
	struct segment_fault_link links[SEGMENT_SLOTS];	/* by sender */
	uint64_t disk_delay_ns;		/* of each commit of the log */
	uint32_t disk_fail;		/* enum segment_disk_fail */
	uint32_t generation;		/* counts up with each change */
};
/* Publish the row afterwards: nodes look when the rows' version changes. */
void	segment_faults_publish(struct segment *, uint32_t slot,
	    const struct segment_faults *);
/* All zero when nothing was ever set, or what is there is damaged. */
void	segment_faults_read(const struct segment *, uint32_t slot,
	    struct segment_faults *);
/* The generation that the node has in force; written by the node only. */
void	segment_faults_took(struct segment *, uint32_t slot,
	    uint32_t generation);
uint32_t segment_faults_taken(const struct segment *, uint32_t slot);

/* Set before a sync, cleared after its success; sole writer: the node. */
volatile uint32_t *segment_sync_word(struct segment *, uint32_t slot);

/* Counters, one writer (the node), readable by all, alive after death.
 * Names in segment_counter_name(). */
enum segment_counter {
	/* by message type, enum raft_message_type 1..11 */
	SEGMENT_SENT = 0,		/* + type */
	SEGMENT_RECEIVED = 16,		/* + type */
	SEGMENT_DROPPED = 32,		/* + type: full ring, bad record */
	SEGMENT_BYTES_SENT = 48,
	SEGMENT_BYTES_RECEIVED,
	SEGMENT_BAD_RECORDS,
	SEGMENT_OLD_RECORDS,		/* of a former run */
	SEGMENT_COMMITS,		/* transactions of the log */
	SEGMENT_SYNCS,
	SEGMENT_SYNC_NS_MAX,
	SEGMENT_WAKES,			/* times woken */
	SEGMENT_SLEEPS,
	SEGMENT_BELLS,			/* times another was woken */
	SEGMENT_REQUESTS,
	SEGMENT_REPLIES,
	SEGMENT_REPLIES_DROPPED,
	SEGMENT_PROPOSALS,
	SEGMENT_APPLIED,
	SEGMENT_CHECKPOINTS,
	SEGMENT_READS,
	SEGMENT_ELECTIONS,
	SEGMENT_LOG_LINES_DROPPED,
	SEGMENT_LEASE_READS,		/* answered by the lease, no message */
	SEGMENT_FAULT_DROPPED,		/* messages lost or cut by a fault */
	SEGMENT_FAULT_DELAYED,
	SEGMENT_FAULT_DUPLICATED,
	SEGMENT_FAULT_REORDERED,
	SEGMENT_FAULT_OVERFLOW,		/* no room to hold them back: lost */
	SEGMENT_FAULT_DISK,		/* commits delayed or failed */
	SEGMENT_COUNTER_COUNT = 96
};
volatile uint64_t *segment_counters(const struct segment *, uint32_t slot);
const char *segment_counter_name(uint32_t);	/* NULL: not in use */

#endif
