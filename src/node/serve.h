/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `raftnode serve --segment NAME --slot SLOT --dir NODE_DIR`: what raftsup
 * starts.  Returns the exit status.
 */
#ifndef NODE_SERVE_H
#define NODE_SERVE_H

int	node_serve(int argc, char **argv);

#endif
