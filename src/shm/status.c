/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the supervisor says of the nodes (rows), and what each node says of
 * itself (status, hint, digests, counters).  One writer each; readable dead or
 * alive.
 */
#include "shm/segment.h"

#include <string.h>

#include "shm/publish.h"
#include "shm/segment_internal.h"

static_assert(sizeof(struct publish_copy_layout) +
    sizeof(struct segment_row) <= LAYOUT_ROW_COPY, "fits");
static_assert(sizeof(struct publish_copy_layout) +
    sizeof(struct segment_status) <= LAYOUT_STATUS_COPY, "fits");
static_assert(sizeof(struct publish_copy_layout) +
    sizeof(struct segment_promises) <= LAYOUT_PROMISES_COPY, "fits");
static_assert(sizeof(struct publish_copy_layout) +
    sizeof(struct segment_digests) <= LAYOUT_DIGESTS_COPY, "fits");
static_assert(sizeof(struct publish_copy_layout) +
    sizeof(struct segment_faults) <= LAYOUT_FAULTS_COPY, "fits");
static_assert(sizeof(struct publish_copy_layout) +
    sizeof(struct segment_supervisor) <= 64, "fits");

void
segment_row_publish(struct segment *segment, uint32_t slot,
    const struct segment_row *row)
{
	struct segment_supervisor_layout *page =
	    segment_supervisor_page(segment);

	publish_write(segment_row_page(segment, slot)->row, LAYOUT_ROW_COPY,
	    row, sizeof(*row));
	/* E6 rows, writing end. */
	__atomic_store_n(&page->rows_version,
	    __atomic_load_n(&page->rows_version, __ATOMIC_RELAXED) + 1,
	    __ATOMIC_RELEASE);
}

int
segment_row_read(const struct segment *segment, uint32_t slot,
    struct segment_row *row)
{
	int code = publish_read(segment_row_page(segment, slot)->row,
	    LAYOUT_ROW_COPY, row, sizeof(*row));

	if (code == ERR_OK) {
		row->why[sizeof(row->why) - 1] = '\0';
	}
	return code;
}

uint32_t
segment_rows_version(const struct segment *segment)
{
	/* E6 rows, reading end. */
	return __atomic_load_n(&segment_supervisor_page(segment)->rows_version,
	    __ATOMIC_ACQUIRE);
}

void
segment_supervisor_publish(struct segment *segment,
    const struct segment_supervisor *who)
{
	publish_write(segment_supervisor_page(segment)->who, 64, who,
	    sizeof(*who));
}

int
segment_supervisor_read(const struct segment *segment,
    struct segment_supervisor *who)
{
	return publish_read(segment_supervisor_page(segment)->who, 64, who,
	    sizeof(*who));
}

void
segment_status_publish(struct segment *segment, uint32_t slot,
    const struct segment_status *status)
{
	publish_write(segment_node_page(segment, slot)->status,
	    LAYOUT_STATUS_COPY, status, sizeof(*status));
}

int
segment_status_read(const struct segment *segment, uint32_t slot,
    struct segment_status *status)
{
	int code = publish_read(segment_node_page(segment, slot)->status,
	    LAYOUT_STATUS_COPY, status, sizeof(*status));

	if (code == ERR_OK) {
		for (uint32_t i = 0; i < SEGMENT_REASONS; i++) {
			status->reasons[i].text[
			    sizeof(status->reasons[i].text) - 1] = '\0';
		}
		status->latched[sizeof(status->latched) - 1] = '\0';
		status->wish_why[sizeof(status->wish_why) - 1] = '\0';
		if (status->server_count > SEGMENT_SLOTS) {
			status->server_count = 0;
		}
	}
	return code;
}

void
segment_promises_publish(struct segment *segment, uint32_t slot,
    const struct segment_promises *promises)
{
	publish_write(segment_node_page(segment, slot)->promises,
	    LAYOUT_PROMISES_COPY, promises, sizeof(*promises));
}

int
segment_promises_read(const struct segment *segment, uint32_t slot,
    struct segment_promises *promises)
{
	int code = publish_read(segment_node_page(segment, slot)->promises,
	    LAYOUT_PROMISES_COPY, promises, sizeof(*promises));

	return code == ERR_OK && promises->count > SEGMENT_PROMISES ?
	    ERR_CORRUPT : code;
}

void
segment_digests_publish(struct segment *segment, uint32_t slot,
    const struct segment_digests *digests)
{
	publish_write(segment_node_page(segment, slot)->digests,
	    LAYOUT_DIGESTS_COPY, digests, sizeof(*digests));
}

int
segment_digests_read(const struct segment *segment, uint32_t slot,
    struct segment_digests *digests)
{
	return publish_read(segment_node_page(segment, slot)->digests,
	    LAYOUT_DIGESTS_COPY, digests, sizeof(*digests));
}

void
segment_faults_publish(struct segment *segment, uint32_t slot,
    const struct segment_faults *faults)
{
	publish_write(segment_node_page(segment, slot)->faults,
	    LAYOUT_FAULTS_COPY, faults, sizeof(*faults));
}

void
segment_faults_read(const struct segment *segment, uint32_t slot,
    struct segment_faults *faults)
{
	if (publish_read(segment_node_page(segment, slot)->faults,
	    LAYOUT_FAULTS_COPY, faults, sizeof(*faults)) != ERR_OK) {
		memset(faults, 0, sizeof(*faults));
	}
}

void
segment_near_set(struct segment *segment, uint32_t slot, uint32_t slots)
{
	/* E17 near, writing end. */
	__atomic_store_n(&segment_node_page(segment, slot)->near, slots,
	    __ATOMIC_RELEASE);
}

uint32_t
segment_near(const struct segment *segment, uint32_t slot)
{
	/* E17 near, reading end. */
	return __atomic_load_n(&segment_node_page(segment, slot)->near,
	    __ATOMIC_ACQUIRE);
}

void
segment_faults_took(struct segment *segment, uint32_t slot,
    uint32_t generation)
{
	/* E16 taken, writing end: the next message meets these faults. */
	__atomic_store_n(&segment_node_page(segment, slot)->faults_taken,
	    generation, __ATOMIC_RELEASE);
}

uint32_t
segment_faults_taken(const struct segment *segment, uint32_t slot)
{
	/* E16 taken, reading end. */
	return __atomic_load_n(
	    &segment_node_page(segment, slot)->faults_taken, __ATOMIC_ACQUIRE);
}

void
segment_hint_set(struct segment *segment, uint32_t slot, uint64_t word)
{
	/* E7 hint, writing end. */
	__atomic_store_n(&segment_node_page(segment, slot)->hint, word,
	    __ATOMIC_RELEASE);
}

uint64_t
segment_hint(const struct segment *segment, uint32_t slot)
{
	/* E7 hint, reading end. */
	return __atomic_load_n(&segment_node_page(segment, slot)->hint,
	    __ATOMIC_ACQUIRE);
}

volatile uint32_t *
segment_sync_word(struct segment *segment, uint32_t slot)
{
	return &segment_node_page(segment, slot)->sync_word;
}

volatile uint64_t *
segment_counters(const struct segment *segment, uint32_t slot)
{
	return segment_node_page(segment, slot)->counters;
}

/* The names of message types are those of enum raft_message_type. */
#define BY_TYPE(first, what)                                                   \
	[(first) + 1] = what "_pre_vote",                                      \
	[(first) + 2] = what "_pre_vote_reply",                                \
	[(first) + 3] = what "_vote",                                          \
	[(first) + 4] = what "_vote_reply",                                    \
	[(first) + 5] = what "_append",                                        \
	[(first) + 6] = what "_append_reply",                                  \
	[(first) + 7] = what "_heartbeat",                                     \
	[(first) + 8] = what "_heartbeat_reply",                               \
	[(first) + 9] = what "_install",                                       \
	[(first) + 10] = what "_install_reply",                                \
	[(first) + 11] = what "_timeout_now"

const char *
segment_counter_name(uint32_t counter)
{
	static const char *const names[SEGMENT_COUNTER_COUNT] = {
		BY_TYPE(SEGMENT_SENT, "sent"),
		BY_TYPE(SEGMENT_RECEIVED, "received"),
		BY_TYPE(SEGMENT_DROPPED, "dropped"),
		[SEGMENT_BYTES_SENT] = "bytes_sent",
		[SEGMENT_BYTES_RECEIVED] = "bytes_received",
		[SEGMENT_BAD_RECORDS] = "bad_records",
		[SEGMENT_OLD_RECORDS] = "old_records",
		[SEGMENT_COMMITS] = "commits",
		[SEGMENT_SYNCS] = "syncs",
		[SEGMENT_SYNC_NS_MAX] = "sync_ns_max",
		[SEGMENT_WAKES] = "wakes",
		[SEGMENT_SLEEPS] = "sleeps",
		[SEGMENT_BELLS] = "bells",
		[SEGMENT_REQUESTS] = "requests",
		[SEGMENT_REPLIES] = "replies",
		[SEGMENT_REPLIES_DROPPED] = "replies_dropped",
		[SEGMENT_PROPOSALS] = "proposals",
		[SEGMENT_APPLIED] = "applied",
		[SEGMENT_CHECKPOINTS] = "checkpoints",
		[SEGMENT_READS] = "reads",
		[SEGMENT_ELECTIONS] = "elections",
		[SEGMENT_LOG_LINES_DROPPED] = "log_lines_dropped",
		[SEGMENT_LEASE_READS] = "lease_reads",
		[SEGMENT_FAULT_DROPPED] = "fault_dropped",
		[SEGMENT_FAULT_DELAYED] = "fault_delayed",
		[SEGMENT_FAULT_DUPLICATED] = "fault_duplicated",
		[SEGMENT_FAULT_REORDERED] = "fault_reordered",
		[SEGMENT_FAULT_OVERFLOW] = "fault_overflow",
		[SEGMENT_FAULT_DISK] = "fault_disk",
	};

	return counter < SEGMENT_COUNTER_COUNT ? names[counter] : NULL;
}
