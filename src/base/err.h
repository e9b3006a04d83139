/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one list of error codes, of their texts, and of the exit status that a
 * program ends with. Functions that can fail because of the world return 0
 * or one of these negative codes; every other list (errno, LMDB's) stops at
 * the door of the room that meets it.
 *
 * A code says which kind of failure it was; the one clear line that names
 * what was wrong travels beside it in a struct err_buf:
 *
 *	struct err_buf err;
 *
 *	if (size > VALUE_SIZE_MAX) {
 *		return err_set(&err, ERR_TOO_LARGE,
 *		    "the value has %zu bytes: at most %d", size, ...);
 *	}
 */
#ifndef RAFTSUP_BASE_ERR_H
#define RAFTSUP_BASE_ERR_H

#include "base/attr.h"

/* name, code, exit status, text */
#define ERR_TABLE(X)                                                         \
	X(ERR_OK, 0, 0, "done")                                              \
	X(ERR_NO, -1, 1, "the answer is no")                                 \
	X(ERR_USAGE, -2, 64, "bad usage")                                    \
	X(ERR_NOT_APPLIED, -3, 69, "not applied")                            \
	X(ERR_INTERNAL, -4, 70, "internal error")                            \
	X(ERR_IO, -5, 74, "input/output error")                              \
	X(ERR_MAYBE, -6, 75, "outcome unknown: it may have been applied")    \
	X(ERR_PERMISSION, -7, 77, "permission denied")                       \
	X(ERR_FULL, -8, 69, "no room left")                                  \
	X(ERR_BUSY, -9, 69, "busy")                                          \
	X(ERR_NOT_FOUND, -10, 1, "not found")                                \
	X(ERR_CORRUPT, -11, 74, "damaged data")                              \
	X(ERR_VERSION, -12, 74, "unknown version")                           \
	X(ERR_EXISTS, -13, 74, "exists already")                             \
	X(ERR_AGAIN, -14, 69, "not now, try again")                          \
	X(ERR_NOMEM, -15, 70, "out of memory")                               \
	X(ERR_TOO_LARGE, -16, 64, "too large")                               \
	X(ERR_TIMEOUT, -17, 69, "timed out")                                 \
	X(ERR_LOCKED, -18, 69, "in use by another process")                  \
	X(ERR_MISMATCH, -19, 74, "belongs to another cluster, store or run") \
	X(ERR_EXPIRED, -20, 69, "expired")

#define ERR_ENUM_(name, code, status, text) name = (code),
enum err { ERR_TABLE(ERR_ENUM_) };
#undef ERR_ENUM_

/* One line that names what was wrong; no newline at its end. */
struct err_buf {
	char text[256];
};

/*
 * The text of a code; "unknown error" for a number that is none. The string
 * is static.
 */
const char *err_text(int code);

/* The exit status of a program that ends with this code; 70 if it is none. */
int err_exit_status(int code);

/*
 * The code for a value of errno: ENOSPC and EDQUOT are ERR_FULL, EACCES and
 * EPERM ERR_PERMISSION, ENOMEM ERR_NOMEM, ENOENT ERR_NOT_FOUND, all others,
 * 0 included (somebody failed and said nothing), ERR_IO.
 */
int err_from_errno(int errnum);

/*
 * Writes a line into `buf` and returns `code`, so that a failing function
 * can end with `return err_set(...)`. A text too long for the buffer is cut.
 * buf may be NULL: then it only returns the code. Leaves errno alone.
 */
int err_set(struct err_buf *buf, int code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/*
 * The same for a failed system call: the code is err_from_errno(errno), and
 * ": " and the text of errno are appended to the line.
 */
int err_set_errno(struct err_buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
