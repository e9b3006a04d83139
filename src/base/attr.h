/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words for the compiler, used by every room.
 *
 * MUST_CHECK       the caller looks at the result; the compiler insists
 * PRINTF_LIKE(f,a) argument f is a printf format, its arguments begin at a
 *                  (0 for a va_list)
 * NORETURN         the function does not return
 * FALLTHROUGH;     the case goes on into the next one, on purpose (gcc reads a
 *                  comment that says so, clang does not)
 * UNUSED           a parameter that an interface demands and this one ignores
 * COUNT_OF(array)  elements of an array, not of a pointer
 */
#ifndef RAFTSUP_BASE_ATTR_H
#define RAFTSUP_BASE_ATTR_H

/* The assertions are part of the product: no build is without them. */
#ifdef NDEBUG
#error "raftsup must not be built with NDEBUG"
#endif

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN          __attribute__((noreturn))
#define FALLTHROUGH       __attribute__((fallthrough))
#define UNUSED            __attribute__((unused))
#define COUNT_OF(array)   (sizeof(array) / sizeof((array)[0]))

#endif
