/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search hands the memo a hash that tells configurations apart even if
 * their records did not. Here, linked with --wrap=memo_seen, the hash is made
 * of the record alone: what a record leaves out is lost, and the tests of
 * random histories fail.
 */
#include "lin/memo.h"

bool __real_memo_seen(struct memo *, uint64_t, const uint64_t *, size_t);
bool __wrap_memo_seen(struct memo *, uint64_t, const uint64_t *, size_t);

bool
__wrap_memo_seen(struct memo *memo, uint64_t hash, const uint64_t *words,
    size_t count)
{
	size_t i;

	hash = count;
	for (i = 0; i < count; i++) {
		hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	return __real_memo_seen(memo, hash, words, count);
}
