/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings of the segment.
 *
 * A ring is mapped twice in a row over one reserved area, so that a record is
 * contiguous wherever it begins:
 *
 *	data		data + size	data + 2 size
 *	|  page 0 .. n	|  page 0 .. n	|
 *
 * All mappings stay out of forked children and of core dumps (a large core
 * delays the news of a death by seconds), and the rings' pages are touched
 * beforehand: a page fault costs 2 to 3 us.
 */
#include "shm/segment_internal.h"

#include <sys/mman.h>

#include <errno.h>

/* Linux 5.14; older headers and kernels do without. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int advise(void *area, size_t size);
static void populate(const uint8_t *area, size_t size, bool writable);

void *
segment_map(int fd, uint64_t offset, size_t size, bool writable)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *area = mmap(NULL, size, protection, MAP_SHARED, fd,
	    (off_t)offset);

	if (area == MAP_FAILED) {
		return NULL;
	}
	if (advise(area, size) != 0) {
		segment_unmap(area, size);
		return NULL;
	}
	return area;
}

void
segment_unmap(void *area, size_t size)
{
	int error = errno;

	if (area != NULL) {
		(void)munmap(area, size);
	}
	errno = error;
}

uint8_t *
segment_map_ring(int fd, uint64_t offset, size_t size, bool writable)
{
	int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	uint8_t *area = mmap(NULL, 2 * size, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (area == MAP_FAILED) {
		return NULL;
	}
	for (int half = 0; half < 2; half++) {
		if (mmap(area + (size_t)half * size, size, protection,
			MAP_SHARED | MAP_FIXED, fd,
			(off_t)offset) == MAP_FAILED) {
			segment_unmap_ring(area, size);
			return NULL;
		}
	}
	if (advise(area, 2 * size) != 0) {
		segment_unmap_ring(area, size);
		return NULL;
	}
	populate(area, 2 * size, writable);
	return area;
}

void
segment_unmap_ring(uint8_t *area, size_t size)
{
	segment_unmap(area, 2 * size);
}

static int
advise(void *area, size_t size)
{
	if (madvise(area, size, MADV_DONTFORK) != 0 ||
	    madvise(area, size, MADV_DONTDUMP) != 0) {
		return -1;
	}
	return 0;
}

/* Only speed: what fails here is faulted in later. */
static void
populate(const uint8_t *area, size_t size, bool writable)
{
	int advice = writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;

	if (madvise((void *)(uintptr_t)area, size, advice) == 0) {
		return;
	}
	for (size_t offset = 0; offset < size; offset += LAYOUT_PAGE) {
		(void)*(const volatile uint8_t *)(area + offset);
	}
}
