/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LINKS, as people type them: `1:2` what node 1 sends to node 2, `1-2` both
 * ways, `all`; several with commas.  An end may also be a word for nodes, as
 * `leader` or `all`.
 */
#ifndef OP_LINKS_H
#define OP_LINKS_H

#include "base/attr.h"
#include "base/err.h"
#include "sup/faults.h"

/* The ids (OPTIONS_ID_BIT) that one end names: view_select() of op/view.h. */
typedef int (*links_ids)(void *, const char *text, uint32_t *ids,
    struct err_buf *);

/* ERR_USAGE, or what `ids_of` refuses. */
int	links_parse(const char *text, const struct faults_view *,
	    links_ids ids_of, void *arg, struct faults_links *,
	    struct err_buf *) MUST_CHECK;

#endif
