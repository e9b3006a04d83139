/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRC-32C (Castagnoli polynomial, reflected 0x82f63b78; RFC 3720, appendix
 * B.4), the checksum of every record in the rings and in the stores. It
 * finds damage; it does not protect against malice.
 */
#ifndef RAFTSUP_BASE_CRC32C_H
#define RAFTSUP_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * The checksum of `size` bytes, continuing from `crc`, which is 0 at the
 * beginning: crc32c(crc32c(0, a), b) is the checksum of a followed by b.
 * data may be NULL when size is 0. Uses the processor's instruction where
 * there is one.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same by table, on any machine; for tests. */
uint32_t crc32c_by_table(uint32_t crc, const void *data, size_t size);

#endif
