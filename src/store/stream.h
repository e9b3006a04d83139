/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A state as a stream of bytes: what travels in the chunks of a snapshot.
 *
 *	head	what it is a state of, and what all records add up to
 *	record	struct stream_record, key, value	in order of space, key
 *	...
 *
 * Little-endian, padding named and zero.  A record carries the checksum that
 * it has in the state environment (space, key, value); `sum` continues a
 * CRC-32C over all struct stream_record in order.  So every byte, the order
 * and the number of records are covered, and the sum is known before the
 * values have been read.
 */
#ifndef STORE_STREAM_H
#define STORE_STREAM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/err.h"

#define STREAM_MAGIC		0x3174617473667261ull
#define STREAM_VERSION		1u
#define STREAM_VALUE_SIZE_MAX	(16u << 20)	/* of foreign bytes */

struct stream_head {
	uint64_t magic;
	uint32_t version;
	uint32_t zero;
	uint64_t index;			/* applied */
	uint64_t digest;		/* kv's */
	uint64_t total;			/* bytes of the stream */
	uint64_t record_count;
	uint32_t sum;
	uint32_t checksum;		/* of the above */
};

struct stream_record {
	uint32_t checksum;		/* record_value_checksum() */
	uint32_t value_size;
	uint16_t key_size;
	uint8_t space;			/* enum kv_space */
	uint8_t zero;
};

static_assert(sizeof(struct stream_head) == 56, "layout");
static_assert(offsetof(struct stream_head, checksum) == 52, "layout");
static_assert(sizeof(struct stream_record) == 12, "layout");

void	stream_seal(struct stream_head *);
/* Verdicts on foreign bytes: NULL, or what is wrong. */
const char *stream_check_head(const struct stream_head *);
const char *stream_check_record(const struct stream_record *);
uint32_t stream_sum(uint32_t sum, const struct stream_record *);

/*
 * Takes a stream apart as its bytes arrive, in pieces of any size.  Foreign
 * bytes: forms, checksums and the order of spaces are verified before
 * anything is handed out.  The two calls return ERR_OK or a code that ends
 * the taking, with a text in *why, or NULL.
 */
struct stream_parts {
	int (*begin)(void *, const struct stream_head *, const char **why);
	int (*record)(void *, const struct stream_record *,
	    const uint8_t *key, const uint8_t *value, const char **why);
	void *arg;

	struct stream_head head;
	bool has_head;
	uint64_t record_count;
	uint32_t sum;

	uint8_t last_space;
	uint8_t *held;			/* the beginning of a record */
	size_t held_size, held_capacity;
};

/* The calls and their argument are for the caller to fill in. */
void	stream_parts_init(struct stream_parts *);
void	stream_parts_fini(struct stream_parts *);
int	stream_take(struct stream_parts *, const void *, size_t,
	    const char **why) MUST_CHECK;
/* All bytes were taken: NULL, or what is missing. */
const char *stream_check_end(const struct stream_parts *);

#endif
