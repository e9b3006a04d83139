/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is left of a cluster that does not run: which stores can be believed,
 * which of them knows most, and what can have been committed.
 *
 * A leader needs the votes of a quorum and so has all that was committed;
 * the store with the highest (last term, last index) of a quorum is one that
 * could lead.  Of its entries those can have been committed that a quorum
 * has, stores that cannot be read counted as having them.
 */
#ifndef CHECK_SURVEY_H
#define CHECK_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "check/check.h"

/* What a node's store must be, by the record of the cluster. */
struct survey_member {
	uint32_t id;
	uint64_t store_id;
	uint64_t run_recorded;	/* a store with a lower run is an old copy */
};

struct survey {
	struct check_result result;	/* findings: why one is of no use */
	uint32_t usable_count;
	const struct check_node *best;	/* NULL: none is usable */
	/* In force in the best one's log. */
	struct raft_configuration configuration;
	uint32_t voter_count;		/* in it */
	uint32_t usable_voter_count;
	uint32_t quorum;		/* of them */
	bool has_quorum;		/* of usable stores */
	uint64_t possible;		/* the last entry of the best one that
					 * can have been committed */
	uint64_t committed;		/* the last one that some store knows
					 * to be committed, at least */
};

/*
 * Reads everything (each store in a child process first).  Large: keep it off
 * the stack.  As check_cluster(): ERR_OK when all was looked at.
 */
int	survey_cluster(const char *dir, uint64_t cluster_id,
	    const struct survey_member *, uint32_t member_count,
	    struct survey *, struct err_buf *) MUST_CHECK;
/* Its store can be read and is the one that is recorded. */
bool	survey_is_usable(const struct check_node *);
/* The node of that id, or NULL. */
const struct check_node *survey_find(const struct survey *, uint32_t id);
/* Why a node is of no use, as a phrase: "no store", ... */
const char *survey_why(const struct survey *, const struct check_node *);

#endif
