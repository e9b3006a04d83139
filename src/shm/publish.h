/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two copies and an index: a record that others always read whole, whoever
 * died while writing it.
 *
 *	sequence n	copy 0	copy 1		n & 1 says which is complete
 *
 * The one writer fills the other copy and then moves the index.  A reader
 * copies, and looks at the index again: it was safe unless the writer has
 * come round to the same copy meanwhile, and then it tries again.  The
 * checksum guards against what no protocol does (a wild write).
 *
 * The copies are moved word by word with atomic accesses: a reader may see a
 * word being overwritten, and finds out.
 */
#ifndef SHM_PUBLISH_H
#define SHM_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define PUBLISH_SIZE_MAX	2048	/* of one copy with its head */

/*
 * area: struct publish_layout, then two copies of copy_size bytes each
 * (multiple of 8, data and 16 bytes of head fit).
 */
void	publish_write(void *area, size_t copy_size, const void *data,
	    size_t size);
/* ERR_OK; ERR_AGAIN: nothing was published yet, or the writer was faster in
 * every one of many tries; ERR_CORRUPT. */
int	publish_read(const void *area, size_t copy_size, void *data,
	    size_t size) MUST_CHECK;

/* Word by word: `size` is a multiple of 8, both ends are aligned. Stores are
 * releases and loads acquires, so that neither passes the index. */
void	publish_words_out(void *shared, const void *from, size_t size);
void	publish_words_in(void *to, const void *shared, size_t size);

#endif
