/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two copies and an index; publish.h has the picture.
 *
 * Why each word is a release store and an acquire load, where fences would do:
 * they cost nothing on amd64, and ThreadSanitizer knows them.  Writer: a word
 * of copy n + 2 (which overwrites copy n) must not be seen before the index
 * n + 1.  Reader: the second look at the index must not come before the words.
 */
#include "shm/publish.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "shm/segment_layout.h"

#define PUBLISH_TRIES 1000

static uint32_t copy_crc(const uint8_t *image, size_t size);

void
publish_write(void *area, size_t copy_size, const void *data, size_t size)
{
	struct publish_layout *index = area;
	struct publish_copy_layout head = { 0 };
	uint64_t image[PUBLISH_SIZE_MAX / sizeof(uint64_t)];
	size_t image_size = (sizeof(head) + size + 7) / 8 * 8;
	uint8_t *copies = (uint8_t *)area + sizeof(*index);
	/* Own word: nobody else writes it. */
	uint64_t next = __atomic_load_n(&index->sequence, __ATOMIC_RELAXED) + 1;

	assert(image_size <= copy_size && copy_size <= sizeof(image));
	memset(image, 0, image_size);
	head.sequence = next;
	head.size = (uint32_t)size;
	memcpy(image, &head, sizeof(head));
	memcpy((uint8_t *)image + sizeof(head), data, size);
	head.crc = copy_crc((const uint8_t *)image, size);
	memcpy(image, &head, sizeof(head));
	publish_words_out(copies + (next & 1) * copy_size, image, image_size);
	/* E5 sequence, writing end: the copy is complete. */
	__atomic_store_n(&index->sequence, next, __ATOMIC_RELEASE);
}

int
publish_read(const void *area, size_t copy_size, void *data, size_t size)
{
	const struct publish_layout *index = area;
	struct publish_copy_layout head;
	uint64_t image[PUBLISH_SIZE_MAX / sizeof(uint64_t)];
	size_t image_size = (sizeof(head) + size + 7) / 8 * 8;
	const uint8_t *copies = (const uint8_t *)area + sizeof(*index);
	uint64_t sequence, after;

	assert(image_size <= copy_size && copy_size <= sizeof(image));
	for (int try = 0; try < PUBLISH_TRIES; try++) {
		/* E5 sequence, reading end. */
		sequence = __atomic_load_n(&index->sequence, __ATOMIC_ACQUIRE);
		if (sequence == 0) {
			return ERR_AGAIN;
		}
		publish_words_in(image, copies + (sequence & 1) * copy_size,
		    image_size);
		after = __atomic_load_n(&index->sequence, __ATOMIC_ACQUIRE);
		memcpy(&head, image, sizeof(head));
		if (head.sequence == sequence && head.size == size &&
		    head.crc == copy_crc((const uint8_t *)image, size)) {
			memcpy(data, (const uint8_t *)image + sizeof(head),
			    size);
			return ERR_OK;
		}
		if (after == sequence) {
			return ERR_CORRUPT;
		}
	}
	return ERR_AGAIN;
}

void
publish_words_out(void *shared, const void *from, size_t size)
{
	uint64_t *to = shared;
	uint64_t word;

	assert(size % sizeof(word) == 0);
	for (size_t i = 0; i < size / sizeof(word); i++) {
		memcpy(&word, (const uint8_t *)from + i * sizeof(word),
		    sizeof(word));
		__atomic_store_n(&to[i], word, __ATOMIC_RELEASE);
	}
}

void
publish_words_in(void *to, const void *shared, size_t size)
{
	const uint64_t *from = shared;
	uint64_t word;

	assert(size % sizeof(word) == 0);
	for (size_t i = 0; i < size / sizeof(word); i++) {
		word = __atomic_load_n(&from[i], __ATOMIC_ACQUIRE);
		memcpy((uint8_t *)to + i * sizeof(word), &word, sizeof(word));
	}
}

/* Of sequence, size and data; the word of the checksum itself is left out. */
static uint32_t
copy_crc(const uint8_t *image, size_t size)
{
	uint32_t crc =
	    crc32c(0, image, offsetof(struct publish_copy_layout, crc));

	return crc32c(crc, image + sizeof(struct publish_copy_layout), size);
}
