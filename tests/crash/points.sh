#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Every crash point of the sources, visited on a real cluster.  In a build
# without --enable-crash-points there are none: `make crash-points` makes one
# beside it, and runs this with all counts and both durabilities.
#
#   points.sh [COUNTS [DURABILITY...]]        each alone, then all together

set -u

build=${RAFTSUP_BUILDDIR:-.}
src=${RAFTSUP_SRCDIR:-.}
counts=${1:-1}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- process

if ! grep -q '^#define RAFTSUP_CRASH_POINTS 1' "$build/config.h"; then
	echo 'no crash points in this build: make crash-points'
	exit 77
fi

names=$(mktemp) || exit 99
trap 'rm -f "$names"' EXIT
# The macro's own header shows an example; seed.sh and members.sh visit the
# points of one command each; the spare file is written on a full disk alone.
find "$src/src" -name '*.c' -exec sed -n \
    's/.*CRASH_POINT("\([^"]*\)").*/\1/p' {} + |
    grep -v -E '^(backup|plant|seed|add|remove|refill|members|order): ' |
    grep -v '^file: spare' |
    sort >"$names"
twice=$(uniq -d "$names")
if [ -n "$twice" ] || [ ! -s "$names" ]; then
	echo "a name of a crash point stands twice, or there are none: $twice"
	exit 1
fi

for durability; do
	echo "$durability durability, $(wc -l <"$names") points," \
	    "counts $counts"
	for all in '' -a; do
		tr '\n' '\0' <"$names" |
		    xargs -0 "$build/tests/crash/points" $all -c "$counts" \
			-D "$durability" ${VERBOSE:+-v} || exit 1
	done
done
