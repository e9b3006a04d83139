/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a scenario and a torture take place: a directory made for it, and a
 * process and a process group of their own,
 *
 *	raftsup scenario --- what is played --- raftsup start, kill, ...
 *	      |                   |
 *	      |<---- the reason --+
 *	      +--- raftsup stop, rm -r
 *
 * so that whatever becomes of it, the first process is left to stop and to
 * remove the cluster, also after Ctrl-C.  The directory is made here, and
 * nothing else is ever stopped or removed.
 */
#ifndef LAB_STAGE_H
#define LAB_STAGE_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

struct stage {
	const char *name;
	char dir[PATH_MAX];
	bool keep;			/* somebody wants to see it */
	bool interrupted;
	char reason[600];		/* why it failed; empty: it did not */
	sigset_t signals, before;	/* blocked here; as it was */
};

/* Absent or empty: what is in there is not ours to stop or to remove. `what`
 * makes a cluster of its own. */
int	stage_check_dir(const char *dir, const char *what, struct err_buf *)
	    MUST_CHECK;
/* From here on signals wait for the stage; and no more. */
void	stage_begin(struct stage *);
void	stage_end(struct stage *);
/* Makes the directory, `path` or a temporary one (NULL); false: reason,
 * and dir is empty. */
bool	stage_make_dir(struct stage *, const char *path) MUST_CHECK;
/* raftsup -d dir WORD [OPTION [OPTION]], what it says to nowhere. Its exit
 * status. */
int	stage_order(const struct stage *, const char *dir, const char *word,
	    const char *option, const char *more);
/*
 * Calls play(arg, reason_fd) in a process of its own, which has failed when
 * it writes a reason there or ends with another status than 0; then stops the
 * cluster and removes the directory, unless it failed or keep is set. Why it
 * failed is left there in reason.txt, a line.
 */
void	stage_run(struct stage *, void (*play)(void *, int), void *arg,
	    uint64_t limit_ns);

#endif
