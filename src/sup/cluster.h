/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cluster file, DIR/cluster.json: what must be known before any store
 * is opened.  Cluster id, the nodes with the identities of their stores and
 * the runs given to them, the boot of the machine, whether the last stop was
 * clean, and the settings that were asked for.
 *
 * Written whole and durably (file and directory synced) by whoever holds
 * DIR/lock; read by everybody.  Read as foreign bytes: every field is
 * checked.
 *
 *	creating	true until every store of a new cluster exists; while
 *			it is, stores that are missing may be made
 *	clean		true after a stop that left everything on the disk
 *	directory	what DIR was at the last start: a clean file in another
 *			directory, none of whose stores is known, is a copy of
 *			the whole, and goes on as one
 *	run_granted	the highest run that a node was ever told to take
 *	wish		what is wanted of a node's membership (docs/MEMBERS.md)
 *	wish_before	what was wanted before it was to leave, and is again
 *			when the leader refuses that
 *	run_recorded	the highest run that it is known to have stored; a
 *			store below it is an old copy and may not vote
 */
#ifndef SUP_CLUSTER_H
#define SUP_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/fs.h"
#include "shm/segment.h"

#define CLUSTER_FILE		"cluster.json"
#define CLUSTER_NODES_MAX	8	/* at once */
#define CLUSTER_VOTERS_MAX	7
#define CLUSTER_VERSION		1

/* Equal to enum store_durability, which this room does not know. */
enum cluster_durability {
	CLUSTER_POWER = 1,
	CLUSTER_PROCESS = 2,
};

enum cluster_log_level {
	CLUSTER_LOG_DEFAULT = 0,	/* by the election timeout */
	CLUSTER_LOG_INFO = 1,
	CLUSTER_LOG_RPC = 2,
};

/* What the operator asked for; 0: the default. */
struct cluster_settings {
	uint64_t heartbeat_ns;
	uint64_t election_min_ns;
	uint64_t election_max_ns;
	uint64_t lease_ns;
	bool no_lease;		/* lease_ns is not looked at */
	uint64_t seed;
	uint32_t client_count;
	enum cluster_log_level log_level;
	/* Of the latest start only; not remembered for the next one. */
	bool no_restart;
	bool no_death_hint;
};

struct cluster_node {
	uint32_t id;
	uint32_t slot;
	uint64_t store_id;
	uint64_t run_granted;
	uint64_t run_recorded;
	struct fs_identity store;	/* of node-N/store; 0: not made yet */
	enum segment_wish wish;		/* not fulfilled yet */
	enum segment_wish wish_before;	/* LEAVE: what it took the place of */
	bool learner;			/* and stays one */
};

struct cluster {
	uint64_t cluster_id;
	enum cluster_durability durability;
	char boot_id[FS_BOOT_ID_SIZE];
	bool creating;
	bool clean;
	uint32_t losses_accepted;	/* how often --accept-loss was used */
	struct fs_identity directory;	/* 0: not recorded */
	struct cluster_settings settings;
	uint32_t ids_used;	/* OPTIONS_ID_BITs, of removed nodes too */
	uint64_t run_floor;	/* no removed node had a run above it */
	uint32_t node_count;
	struct cluster_node nodes[CLUSTER_NODES_MAX];	/* by rising id */
};

/* What was asked for is possible together: ERR_OK or ERR_USAGE. */
int	cluster_check_settings(const struct cluster_settings *,
	    struct err_buf *) MUST_CHECK;
/* The settings with defaults filled in, as a segment takes them (without
 * dir). */
void	cluster_segment_config(const struct cluster *,
	    struct segment_config *);

/*
 * ERR_NOT_FOUND when dir holds none; ERR_CORRUPT when it is cut off, not one
 * of ours, or contradicts itself; ERR_VERSION.
 */
int	cluster_load(struct cluster *, const char *dir, struct err_buf *)
	    MUST_CHECK;
int	cluster_save(const struct cluster *, const char *dir,
	    struct err_buf *) MUST_CHECK;

/* Forgets a node; it must be one of them. */
void	cluster_take_out(struct cluster *, uint32_t id);

const char *cluster_durability_name(enum cluster_durability);

#endif
