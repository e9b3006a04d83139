/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A transaction as it is read, line by line, from `txn` to `end`:
 *
 *	if KEY = VALUE | if KEY != VALUE | if KEY exists | if KEY absent
 *	if KEY index < N		all must hold; none: always
 *	then
 *	set / del / incr / append / get, as everywhere
 *	else
 *	the same
 *	end
 *
 * A bad line spoils the whole transaction, which is read to its end and then
 * refused with the first bad line's reason.
 */
#ifndef RAFTSUP_CTL_TXN_H
#define RAFTSUP_CTL_TXN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "ctl/call.h"
#include "ctl/render.h"
#include "ctl/settings.h"

struct txn;

struct txn *txn_new(void);
void txn_free(struct txn *txn); /* NULL: nothing */

/*
 * Takes a line, which is copied; `words` has room for LINE_WORDS_MAX. True
 * when it was `end`, or stands behind that: then it must say nothing.
 */
bool txn_take(struct txn *txn, struct settings *settings, const char *line,
    size_t length, struct bytes_word *words);

/* There is a line that cannot be read at all. */
void txn_spoil(struct txn *txn, const char *text);

/*
 * The transaction is whole: its request becomes that of the call, which
 * owns it from now on, whatever is returned: 0, or a code and a line in
 * `err`.
 */
int txn_finish(
    struct txn *txn, struct call *call, struct err_buf *err) MUST_CHECK;

/* The operations of a branch, to say their answers by. */
const struct call *txn_operation(const struct txn *txn, bool then, size_t i);

#endif
