/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raftctl: the command-line client. Three ways in: one command on the
 * command line, lines on standard input, or an interactive shell on a
 * terminal. All of them meet in call.h.
 */
#ifndef RAFTSUP_CTL_CTL_H
#define RAFTSUP_CTL_CTL_H

/* The program. Returns its exit status. */
int ctl_main(int argc, char **argv);

#endif
