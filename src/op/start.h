/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `raftsup start` was asked, and the parts of its work that are about
 * settings and about waiting (settle.c).  Private to start.c and settle.c.
 */
#ifndef OP_START_H
#define OP_START_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "op/view.h"
#include "sup/cluster.h"

enum {				/* which options were given */
	START_NODES = 1,
	START_DURABILITY = 2,
	START_ELECTION = 4,
	START_HEARTBEAT = 8,
	START_LEASE = 16,
	START_LOG = 32,
	START_NO_RESTART = 64,
	START_NO_DEATH_HINT = 128,
	START_CLIENTS = 256,
	START_SEED = 512,
};

struct start {
	char dir[PATH_MAX];
	char node_path[PATH_MAX];
	int lock_fd;
	uint32_t given;
	uint32_t node_count;		/* -n; 0: not given */
	enum cluster_durability durability;
	struct cluster_settings asked;
	bool foreground;
	bool accept_loss;
	uint32_t force_id;		/* --force-new-cluster; 0: not given */
	bool yes;
	bool json;
	struct json_t *forced;		/* what force_new_cluster() says; NULL:
					 * nothing, or it is printed */
	bool wait_given;
	uint64_t wait_ns;
	char export_dir[PATH_MAX];	/* --export; "": not given */
	struct cluster cluster;
	bool is_new;
	bool adopts;			/* nodes live, their supervisor died */
	bool joins;			/* another supervisor runs */
};

/* The cluster runs: every option given is what it runs with, else ERR_USAGE
 * naming those that differ. */
int	start_check_same(const struct start *, struct err_buf *) MUST_CHECK;
/* Nothing of a former life forbids to start it: another -n, an unclean end
 * in another boot, processes of a directory that was removed. */
int	start_check_former(struct start *, struct err_buf *) MUST_CHECK;
/*
 * A whole directory that was copied while it was clean goes on as the cluster
 * it is: its stores are recorded anew.  Anything less is left to be refused.
 */
int	start_check_copy(struct start *, struct err_buf *) MUST_CHECK;
/* We have the lock: no other supervisor may be at work, also none whose lock
 * file somebody has removed.  0, or the exit status and it is printed. */
int	start_check_alone(const char *dir) MUST_CHECK;
/* Puts the options into the cluster; checks them together. */
int	start_apply(struct start *, struct err_buf *) MUST_CHECK;

/* The cluster begins anew with what one store has: looks, says, asks, does.
 * We have the lock.  0, or the exit status and it is printed (force.c). */
int	force_new_cluster(struct start *) MUST_CHECK;

/* How many failures it tolerates, and what else the settings mean; not for
 * -j. */
void	start_print_promise(const struct start *);

/* Waits for a leader that can commit; prints one line a node, or with -j one
 * object, whether there is a leader or not.  Returns the exit status: 0, or
 * 69 and the reason is printed; or START_AGAIN when it joins a supervisor and
 * that one has ended. */
#define START_AGAIN	(-3)
int	start_await_leader(struct start *, struct view *);

#endif
