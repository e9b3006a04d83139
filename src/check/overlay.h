/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table over a table: reads fall through to the one below, writes stay in
 * memory. With it the entries that a state has not applied yet are applied
 * to a view that may not be written.
 */
#ifndef CHECK_OVERLAY_H
#define CHECK_OVERLAY_H

#include "base/attr.h"
#include "kv/kv.h"

struct overlay;

/* below must outlive it. NULL: out of memory. */
struct overlay *overlay_new(const struct kv_table *below);
void	overlay_free(struct overlay *);
const struct kv_table *overlay_table(struct overlay *);

#endif
