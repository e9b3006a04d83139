/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the client share.
 */
#ifndef TESTS_CLIENT_HELP_H
#define TESTS_CLIENT_HELP_H

#include <string.h>

#include "base/clock.h"
#include "client/handle.h"
#include "tests/base/check_run.h"
#include "tests/client/fake.h"

#define MS	CLOCK_NS_PER_MS
/* Long enough for everything that comes, whatever else the machine does. */
#define LONG	(20 * CLOCK_NS_PER_S)

static inline struct raftsup *
open_with(struct fake *fake, uint64_t timeout_ns, uint32_t node)
{
	struct raftsup_options options = {
		.dir = fake_dir(fake),
		.timeout_ns = timeout_ns,
		.node = node,
	};
	struct raftsup *handle;

	ck_assert_msg(raftsup_open(&handle, &options) == RAFTSUP_OK, "%s",
	    raftsup_open_error());
	return handle;
}

static inline int
set(struct raftsup *handle, const char *key, const char *value)
{
	return raftsup_set(handle, key, strlen(key), value, strlen(value));
}

static inline struct raftsup_request
set_request(const char *key, const char *value)
{
	return (struct raftsup_request){
		.operation = RAFTSUP_SET,
		.key = key,
		.key_size = strlen(key),
		.value = value,
		.value_size = strlen(value),
	};
}

static inline struct raftsup_request
key_request(enum raftsup_operation operation, const char *key)
{
	return (struct raftsup_request){
		.operation = operation,
		.key = key,
		.key_size = strlen(key),
	};
}

static inline struct raftsup_request
incr_request(const char *key, int64_t by)
{
	return (struct raftsup_request){
		.operation = RAFTSUP_INCR,
		.key = key,
		.key_size = strlen(key),
		.number = by,
	};
}

#define ck_assert_code(handle, expr, code)                                     \
	do {                                                                   \
		int code_ = (expr);                                            \
		ck_assert_msg(code_ == (code), "%s is %d, not %d: %s", #expr,  \
		    code_, (int)(code), raftsup_error(handle));                \
	} while (0)

#define ck_assert_text(text, part)                                             \
	ck_assert_msg(strstr((text), (part)) != NULL, "no \"%s\" in \"%s\"",   \
	    (part), (text))

/* ---- the fixture: three nodes, the first leads, one handle */

static struct fake *fake;
static struct raftsup *handle;

static inline void
setup(void)
{
	fake_start(&fake, 3);
	fake_lead(fake, 1);
	handle = open_with(fake, LONG, 0);
}

static inline void
teardown(void)
{
	raftsup_close(handle);
	fake_stop(fake);
}

static inline void
reopen(uint64_t timeout_ns, uint32_t node)
{
	raftsup_close(handle);
	handle = open_with(fake, timeout_ns, node);
}

/* Of calls to come.  Short where a call shall run out of time, and never
 * where it shall not: the machine may be busy. */
static inline void
set_timeout(uint64_t timeout_ns)
{
	handle->timeout_ns = timeout_ns;
}

/* An answer that is under way at the very end makes another code of it:
 * tries a few times. */
static inline int
call_until(const struct raftsup_request *request,
    struct raftsup_answer *answer, int wanted)
{
	int tries, code = -1;

	for (tries = 0; tries < 5 && code != wanted; tries++) {
		code = raftsup_call(handle, request, answer);
	}
	return code;
}

/* The handle has a session, and the fake has forgotten how it got it. */
static inline void
warm_up(void)
{
	set_timeout(LONG);
	ck_assert_code(handle, set(handle, "warm", "up"), RAFTSUP_OK);
	fake_forget(fake);
}

#endif
