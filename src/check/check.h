/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Do all stores of a cluster agree?
 *
 * Works on a stopped and on a running cluster: each store is read as one
 * frozen view, and only what must hold between views of different moments is
 * compared, so that there is never a false alarm:
 *
 *	1. damage	each store by itself, in a child process, because a
 *			damaged file can kill the reader
 *	2. identity	one cluster, each node its own id and store
 *	3. states	are opened first: what they applied is committed
 *	4. logs		then: entries of equal index and term have equal
 *			chains (log matching); what two nodes have applied is
 *			equal; what one has applied is in a quorum of logs;
 *			configurations of equal index are equal
 *	5. votes	then: a leader that appended had a quorum of votes
 *	6. contents	the state that has applied less is carried forward
 *			from the log to where the other one is: equal digests
 *
 * check_cluster() finds, raftck prints.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "kv/kv.h"
#include "store/store.h"

#define CHECK_NODES_MAX	   64
#define CHECK_FINDINGS_MAX 64

enum check_kind {
	CHECK_DAMAGE = 1,	/* a store by itself */
	CHECK_IDENTITY,
	CHECK_LOG,		/* log matching, committed prefix */
	CHECK_LOST,		/* an applied entry is in too few logs */
	CHECK_VOTE,
	CHECK_STATE,
};

struct check_finding {
	enum check_kind kind;
	uint32_t node;
	uint32_t other_node;	/* 0: none */
	uint64_t index;		/* 0: none */
	uint64_t term;		/* 0: none */
	char text[400];
};

struct check_node {
	uint32_t id;
	char dir[4096];		/* DIR/node-N */
	bool missing;		/* no store there */
	bool damaged;		/* left out of all comparisons */
	struct store_identity identity;
	uint64_t run;
	struct store_log_info log;
	struct kv_position position;

	/* while checking */
	struct store *store;
	struct state *state;
	struct kv *kv;
};

struct check_result {
	uint32_t node_count;
	struct check_node nodes[CHECK_NODES_MAX];
	uint32_t finding_count;		/* more are only counted */
	struct check_finding findings[CHECK_FINDINGS_MAX];
	bool lenient;			/* check_internal.h */
	uint64_t entry_count;		/* the longest log's last index */
};

/*
 * ERR_OK: everything was looked at; the findings are the answer.  Else
 * nothing was found out: ERR_NOT_APPLIED no cluster there, ERR_PERMISSION,
 * ERR_IO, ...  The result is large: keep it off the stack.
 */
int	check_cluster(const char *dir, struct check_result *, struct err_buf *)
	    MUST_CHECK;
const char *check_kind_name(enum check_kind);

#endif
