/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The faults of a cluster: what is set, in words and numbers.
 *
 * They live in the segment, a table for each node (shm/segment.h), and
 * nowhere else: nodes that are started again find them there, and so does
 * the next supervisor.  They end with the segment, when the cluster stops.
 * The supervisor alone writes them (orders of faults_orders.c); commands read.
 */
#ifndef SUP_FAULTS_H
#define SUP_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"
#include "shm/segment.h"
#include "sup/cluster.h"

#define FAULTS_TEXT_SIZE	512	/* of one fault, in words */
#define FAULTS_DELAY_NS_MAX	60000000000ull
#define FAULTS_DISK_NS_MAX	10000000000ull

/* What is in force: of nodes that are in their slots no longer, nothing. */
struct faults_view {
	uint32_t ids[SEGMENT_SLOTS];	/* 0: nobody */
	struct segment_faults tables[SEGMENT_SLOTS];
};

/* A set of links: bit T of to[F] is the link from slot F to slot T. */
struct faults_links {
	uint32_t to[SEGMENT_SLOTS];
};

/* segment may be NULL: nothing is set then. */
void	faults_load(struct faults_view *, const struct segment *,
	    const struct cluster *);

bool	faults_has_partition(const struct faults_view *);
/* The nodes of one group as a set of slots; false: no such group, 0 first. */
bool	faults_group(const struct faults_view *, uint32_t group,
	    uint32_t *slots);
/*
 * The links with a setting, those with the same one together: `links` is what
 * was found before (begin with none), *next and the setting are the next
 * ones'.  False: no more.
 */
bool	faults_next_links(const struct faults_view *,
	    struct faults_links *found, struct faults_links *next,
	    struct segment_fault_link *);
/* As an operator writes it: "all", "1-2,3:4". */
void	faults_links_text(const struct faults_view *,
	    const struct faults_links *, char *, size_t);
/* "partition 1,2/3,4,5"; "" when there is none. */
void	faults_partition_text(const struct faults_view *, char *, size_t);
/* "loss 10%, delay 1ms-5ms, seed 42"; "" when nothing is set. */
void	faults_setting_text(const struct segment_fault_link *, char *,
	    size_t);
/* 50000 is "5%". */
#define FAULTS_PARTS_TEXT_SIZE	16
char	*faults_parts_text(uint32_t parts, char [FAULTS_PARTS_TEXT_SIZE]);
#define FAULTS_DELAY_TEXT_SIZE	72
char	*faults_delay_text(uint64_t min_ns, uint64_t max_ns,
	    char [FAULTS_DELAY_TEXT_SIZE]);
/* append, sync, full; NULL: none, or no such. */
const char *faults_disk_name(uint32_t fail);
/* Calls back for each: "partition 1,2/3,4,5", "net 1:2 loss 10%, ...",
 * "disk 3 delay 5ms, fail sync".  Returns how many. */
uint32_t faults_describe(const struct faults_view *,
	    void (*)(void *, const char *), void *);

/* ---- the words of requests to the supervisor (sup/orders.c) */

/* "1:2,2:1", by ids. */
void	faults_encode_links(const struct faults_view *,
	    const struct faults_links *, char *, size_t);
int	faults_decode_links(const struct faults_view *, const char *,
	    struct faults_links *, struct err_buf *) MUST_CHECK;
/* A setting; its number is not in it. */
void	faults_encode_setting(const struct segment_fault_link *, char *,
	    size_t);
int	faults_decode_setting(const char *, struct segment_fault_link *,
	    struct err_buf *) MUST_CHECK;
/* "1,2/3": group 1 and 2 of the slots; the others are in 0.  At least two
 * groups have somebody in them. */
int	faults_decode_groups(const struct faults_view *, const char *,
	    uint32_t groups[SEGMENT_SLOTS], struct err_buf *) MUST_CHECK;
/* Both 0: healed. */
void	faults_encode_disk(uint64_t delay_ns, uint32_t fail, char *, size_t);
int	faults_decode_disk(const char *, uint64_t *delay_ns, uint32_t *fail)
	    MUST_CHECK;

#endif
