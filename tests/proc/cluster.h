/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cluster of the real binaries for a test: in a directory of its own,
 * stopped and removed at the end, whatever happened.
 *
 * Everything dies with a message and status 1 when it cannot be done; at
 * exit the cluster is stopped and, unless the test failed, removed.
 */
#ifndef TESTS_PROC_CLUSTER_H
#define TESTS_PROC_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cluster {
	char dir[256];		/* made by mkdtemp */
	char data[280];		/* dir/c: the cluster's */
	bool keep;		/* leave it behind at the end */
};

/* Makes a temporary directory; no cluster in it yet. */
void	cluster_init(struct cluster *);
/* `raftsup start` with these arguments (NULL-terminated) behind -d. */
void	cluster_start(struct cluster *, const char *const *args);
/* Stops what runs, removes the directory; called at exit too. */
void	cluster_fini(struct cluster *);

/*
 * Runs a program of the build directory with -d DATA behind its name and
 * gives its exit status; output (may be NULL) gets standard output and error,
 * cut to size.
 */
int	cluster_run(struct cluster *, char *output, size_t size,
	    const char *program, ...) __attribute__((sentinel));

struct cluster_node {
	int id;
	pid_t pid;
	char state[16];
	char role[16];
	int64_t restarts;
};
struct cluster_status {
	bool running;
	bool has_quorum;
	int leader;
	int64_t term;
	int count;
	struct cluster_node nodes[8];
};
/* `raftsup status -j`, taken apart. */
void	cluster_status(struct cluster *, struct cluster_status *);
/* Waits (up to 60 s) until all nodes are up and one of them leads. */
void	cluster_wait_whole(struct cluster *);
pid_t	cluster_pid(struct cluster *, int id);
pid_t	cluster_supervisor(struct cluster *);

/* Path of a program in the build directory; static. */
const char *cluster_program(const char *name);
void	die(const char *fmt, ...) __attribute__((format(printf, 1, 2),
	    noreturn));
uint64_t now_ns(void);

#endif
