/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One operation, stepped through instruction by instruction, and judged
 * after each as if the process had been killed there.
 *
 * What a SIGKILL leaves behind is files and shared memory, nothing else.  So
 * the tracer need not kill: after each instruction it looks whether one of
 * those has changed, and judges each state once.
 *
 *	shared memory	`look` reads the memory itself, after every
 *			instruction
 *	files		contents change by a system call, or by a store into
 *			a mapping that is shared and writable.  Files that
 *			the process has mapped so (/proc/PID/maps) are
 *			compared after every instruction, all files after
 *			every system call.  A changed state is written to a
 *			directory aside and `reopen` judges it there, in a
 *			process of its own.
 *
 * A kill can cut a write of several pages between two of them: each such
 * state is made and judged, too.
 *
 * A case is a row of a table in steps_shm.c or steps_store.c.
 */
#ifndef TESTS_CRASH_STEPS_H
#define TESTS_CRASH_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#define STEPS_FILES_MAX	5

enum step_verdict {
	STEP_OLD = 0,		/* as before the operation, whole */
	STEP_NEW = 1,		/* as after it */
	STEP_BROKEN = 2,	/* anything else: damaged, lost, half */
};

struct step_case {
	const char *name;
	bool trap;		/* a known mistake: must be found broken */
	/* In the tracer, before the child is made. */
	void (*prepare)(void);
	/* In the child: open, get ready; then the operation itself. */
	void (*before)(void);
	void (*run)(void);
	/* Shared memory: the verdict now. */
	enum step_verdict (*look)(void);
	/* Files: their paths in steps_dir, and the verdict on a directory
	 * that holds them; in a process of its own, which may crash. */
	const char *files[STEPS_FILES_MAX + 1];
	enum step_verdict (*reopen)(const char *dir);
	/* In the tracer, afterwards. */
	void (*finish)(void);
};

extern const struct step_case steps_shm[];	/* the last has no name */
extern const struct step_case steps_store[];

/* The test's directory, made before the first case. */
extern char steps_dir[256];

/* Ends the test, or the child of it that meets this. */
void	steps_must(bool, const char *what);

#endif
