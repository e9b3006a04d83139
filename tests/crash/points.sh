#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Every crash point of the sources, visited on a real cluster.  In a build
# without --enable-crash-points there are none: `make crash-points` makes one
# beside it, and runs this with all counts and both durabilities.
#
#   points.sh [COUNTS [DURABILITY...]]        each alone, then all together

# shellcheck source=tests/crash/lib.sh
. "${RAFTSUP_SRCDIR:?run by make check}/tests/crash/lib.sh"

counts=${1:-1}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- process

# seed.sh and members.sh visit the points of one command each; the spare file
# is written on a full disk alone.
names |
    grep -v -E '^(backup|plant|seed|add|remove|refill|members|order): ' |
    grep -v '^file: spare' |
    sort >"$W/names"
twice=$(uniq -d "$W/names")
if [ -n "$twice" ] || [ ! -s "$W/names" ]; then
	echo "a name of a crash point stands twice, or there are none: $twice"
	exit 1
fi

for durability; do
	echo "$durability durability, $(wc -l <"$W/names") points," \
	    "counts $counts"
	for all in '' -a; do
		tr '\n' '\0' <"$W/names" |
		    xargs -0 "$BIN/tests/crash/points" $all -c "$counts" \
			-D "$durability" ${VERBOSE:+-v} || exit 1
	done
done
