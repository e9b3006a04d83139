# SPDX-License-Identifier: BSD-2-Clause
#
# A leader that is cut off answers no read with what is over: with a lease
# shorter than the election timeout, and with one that is longer, by which it
# answers after the cut, too.

isolated=$RAFTSUP_BUILDDIR/tests/proc/isolated
"$isolated" -r 6 -l 120ms && exec "$isolated" -a -r 6 -l 1s -s 2
