# SPDX-License-Identifier: BSD-2-Clause
#
# The benchmark's own parts, as quickly as they go: one round of a cluster of
# three, and the tables and plots made of it. What is fast and what is slow is
# not looked at.

set -u
dir=$(mktemp -d "${TMPDIR:-/tmp}/raftsup-smoke.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
report=$RAFTSUP_BUILDDIR/tests/bench/bench_report
failed=0

fail() {
	echo "FAILED: $1"
	failed=1
}

run() {
	TMPDIR=$dir /bin/sh "$RAFTSUP_SRCDIR/tests/bench/run.sh" -r 1 -t 1 \
	    "$@" "$dir/lines" >"$dir/out" 2>&1
}

# ---- a round ----------------------------------------------------------------

if ! run -s '^raftsup-3-process$'; then
	cat "$dir/out"
	fail 'a round'
fi
for figure in 'set serial' 'get serial' 'set paced' 'set pipelined' \
    'get pipelined' failover; do
	grep -q "\"round\":1,\"system\":\"raftsup-3-process\",\"figure\":\"$figure\",.*[1-9]" \
	    "$dir/lines" || fail "$figure was not measured"
done
for name in "$dir"/raftsup-bench.*; do
	[ ! -e "$name" ] || fail "$name is left behind"
done

"$report" gather "$dir/lines" "$dir/bench.json" || fail gather
mkdir "$dir/plots"
"$report" pages "$dir/bench.json" "$dir/BENCHMARKS.md" "$dir/plots" ||
    fail pages
[ "$(grep -c '^| raftsup, 3 nodes, process durability |.*[1-9]' \
    "$dir/BENCHMARKS.md")" -eq 4 ] || {
	cat "$dir/BENCHMARKS.md"
	fail 'latency, throughput, failover, options: a row in each'
}

# ---- a system that cannot be measured is named, and fails -------------------

PATH=$dir/nothing:/usr/bin:/bin run -s '^none$'
[ $? -eq 64 ] || fail 'no system matches'
mkdir "$dir/empty" "$dir/empty/tests" "$dir/empty/tests/bench"
real=$RAFTSUP_BUILDDIR
RAFTSUP_BUILDDIR=$dir/empty run -s '^(libraft-3-tmpfs|raftsup-3-process)$' &&
    fail 'a round without programs passes'
RAFTSUP_BUILDDIR=$real
grep -q '"kind":"missing","system":"libraft","reason":"not installed' \
    "$dir/lines" || fail 'libraft is not named as missing'
grep -q '"kind":"failed",.*"system":"raftsup-3-process"' "$dir/lines" ||
    fail 'what failed is not named'

# ---- the core and the client alone -------------------------------------------

"$RAFTSUP_BUILDDIR/tests/bench/core_cost" 40 || fail core_cost
for operation in set get; do
	"$RAFTSUP_BUILDDIR/tests/bench/client_cost" $operation 128 ||
	    fail "client_cost $operation"
done
"$RAFTSUP_BUILDDIR/tests/bench/client_cost" del 128 2>/dev/null
[ $? -eq 64 ] || fail 'client_cost del'

# ---- bad usage --------------------------------------------------------------

for args in '-r 0' '-r x' '-t 1s' '-q' ''; do
	# shellcheck disable=SC2086
	/bin/sh "$RAFTSUP_SRCDIR/tests/bench/run.sh" $args >/dev/null 2>&1
	[ $? -eq 64 ] || fail "run.sh $args"
done
for args in '' '-r 0 HEAD' 'no-such-revision'; do
	# shellcheck disable=SC2086
	/bin/sh "$RAFTSUP_SRCDIR/tests/bench/compare.sh" $args >/dev/null 2>&1
	[ $? -eq 64 ] || fail "compare.sh $args"
done

[ "$failed" -eq 0 ] && echo 'smoke: all parts work'
exit "$failed"
