/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The offline tools of raftnode(8), on a node's directory:
 *
 *	dump NODE_DIR [--log FIRST-LAST] [--meta] [--state] [-j]
 *	check NODE_DIR
 *	compact NODE_DIR
 *
 * dump and check only read and work beside a running node; they see its last
 * commits. compact refuses while the node runs.
 *
 * argv[0] is the command's name. They print, and return the exit status of
 * raftnode.
 */
#ifndef NODE_OFFLINE_H
#define NODE_OFFLINE_H

#define OFFLINE_USAGE                                                          \
	"       raftnode dump NODE_DIR [--log FIRST-LAST] [--meta] [--state] " \
	"[-j]\n"                                                               \
	"       raftnode check NODE_DIR\n"                                     \
	"       raftnode compact NODE_DIR\n"

int	offline_dump(int argc, char **argv);
int	offline_check(int argc, char **argv);
int	offline_compact(int argc, char **argv);

#endif
