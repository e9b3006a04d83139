# SPDX-License-Identifier: BSD-2-Clause
#
# What raftsim promises on its command line: same seed, same bytes, however
# the work is cut; exit statuses; one line that names a bad argument.

set -u
raftsim=$RAFTSUP_BUILDDIR/raftsim
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*"
	exit 1
}

# status EXPECTED ARGUMENTS...
status() {
	expected=$1
	shift
	"$raftsim" "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ "$got" -eq "$expected" ] ||
	    fail "raftsim $*: exit $got, expected $expected"
}

status 0 --seeds 1-40 --jobs 1
cp "$dir/out" "$dir/one"
status 0 --seeds 1-40 --jobs 3
cmp "$dir/one" "$dir/out" || fail "the summary depends on --jobs"

status 0 --seed 11 --trace "$dir/a"
status 0 --seed 11 --trace "$dir/b"
cmp "$dir/a" "$dir/b" || fail "one seed gave two stories"
grep -q 'becomes leader' "$dir/a" || fail "a story without a leader"
status 0 --seed 12 --trace "$dir/b"
cmp -s "$dir/a" "$dir/b" && fail "two seeds gave one story"

status 0 --seed 5 -j
grep -q '"passed":true\|"passed": true' "$dir/out" || fail "no JSON"
status 1 --seed 5 --faults none --require-coverage
grep -q 'never  pauses$' "$dir/out" || fail "what is missing has no name"

status 64 --seed x
grep -q -e --seed "$dir/err" || fail "the bad argument has no name"
status 64 --nodes 8
status 64 --faults gremlins
grep -q gremlins "$dir/err" || fail "the bad fault has no name"
status 64 --seeds 1-2 --trace "$dir/c"
status 64 extra
status 74 --seed 1 --trace "$dir/no/such"
exit 0
