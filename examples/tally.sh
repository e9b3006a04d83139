#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The example program on a real cluster: two tallies at once, while the
# leader is killed again and again; every word is counted exactly once.

set -u
build=${RAFTSUP_BUILDDIR:-.}
work=$(mktemp -d) || exit 99
dir=$work/cluster
words=3000
rounds=4

cleanup() {
	"$build/raftsup" -d "$dir" stop >/dev/null 2>&1
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 99' HUP INT TERM

fail() {
	echo "$*"
	for file in "$work"/*.err; do
		echo "-- $file"
		cat "$file"
	done
	exit 1
}

# No cluster: one line, 69.
timeout 120 "$build/examples/tally" "$dir" </dev/null 2>"$work/none.err"
[ $? -eq 69 ] || fail 'without a cluster: not 69'
grep -q 'no cluster is running in' "$work/none.err" || fail 'not said so'

timeout 120 "$build/raftsup" -d "$dir" start -n 3 --durability process \
    >"$work/start.err" 2>&1 || fail 'the cluster does not start'

# even and odd alternate, so both counts are half of the words.
awk -v n="$words" 'BEGIN {
	for (i = 0; i < n; i++) print i % 2 ? "odd" : "even"
}' >"$work/input"
timeout 300 "$build/examples/tally" "$dir" <"$work/input" >"$work/one.out" \
    2>"$work/one.err" &
one=$!
timeout 300 "$build/examples/tally" "$dir" <"$work/input" >"$work/two.out" \
    2>"$work/two.err" &
two=$!
for round in $(seq "$rounds"); do
	"$build/raftsup" -d "$dir" kill leader >"$work/kill.err" 2>&1
	sleep 0.3
done
wait "$one" || fail 'the first tally failed'
wait "$two" || fail 'the second tally failed'
grep -q "$words counted, 0 not" "$work/one.err" || fail 'one lost words'
grep -q "$words counted, 0 not" "$work/two.err" || fail 'two lost words'

timeout 120 "$build/examples/tally" "$dir" </dev/null >"$work/out" \
    2>"$work/last.err" || fail 'the last tally failed'
printf '%s even\n%s odd\n' "$words" "$words" >"$work/expected"
diff "$work/expected" "$work/out" || fail 'counted wrongly'
grep -q 'run 3' "$work/last.err" || fail 'the runs are counted wrongly'
exit 0
