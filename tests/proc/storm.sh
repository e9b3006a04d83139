#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# kill -9 under load, in short: single nodes, all at once, all and the
# supervisor.  The long run is `make storms`.

set -e

storm=$RAFTSUP_BUILDDIR/tests/proc/storm
"$storm" -o 8000 -i 250
"$storm" -o 1500 -i 700 -a -D power
"$storm" -o 4000 -i 600 -a -S
