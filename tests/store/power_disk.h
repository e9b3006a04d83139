/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk that loses its power.  While a program runs, every call that changes
 * files below one directory is carried out and noted; afterwards the
 * directory is made anew as a disk may hold it after any prefix of the calls:
 *
 *	what was synced			is there
 *	bytes written since, and by	per sector of 512 bytes, or not
 *	the call that is under way
 *	names made or taken away since	in order, as far as they got, each
 *					directory for itself
 *
 * A write through an O_DSYNC descriptor is synced, itself and nothing else; a
 * new file's name is synced by its directory alone.  power_disk.c stands
 * before libc, for LMDB too: one thread, and no writes through mappings (but
 * for lock files, which are not noted).
 */
#ifndef TESTS_STORE_POWER_DISK_H
#define TESTS_STORE_POWER_DISK_H

#include <stdint.h>

enum power_image {
	POWER_NOTHING,		/* of what was not synced */
	POWER_ALL,
	POWER_SOME,		/* by the seed */
};

/* Notes from here on what happens below dir, which is on the disk. */
void	power_begin(const char *dir);
/* Ends that; returns how many calls were noted. */
unsigned int power_end(void);
/* So many so far. */
unsigned int power_count(void);
/* Makes `to` (which must not exist) as the disk has it after `count` calls. */
void	power_make(const char *to, unsigned int count, enum power_image,
	    uint64_t seed);
/* From here on syncs do nothing: for a process that only judges. */
void	power_be_quick(void);
/* Forgets everything. */
void	power_free(void);

#endif
