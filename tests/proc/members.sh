# SPDX-License-Identifier: BSD-2-Clause
#
# From 3 nodes to 7 and back under load, with transfers, snapshots and a kill
# twice a second: a short form of what `make members` does.

exec "$RAFTSUP_BUILDDIR/tests/proc/members" -t 8 -p 8 -i 500 -r 50
