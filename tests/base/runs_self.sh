# SPDX-License-Identifier: BSD-2-Clause
#
# Reports of long runs: a heading once, seeds that go on, sums over what has
# passed, verdicts.

set -u
. "$RAFTSUP_SRCDIR/tests/base/runs.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/raftsup-runs.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
report=$dir/docs/runs/storms.txt
failed=0

# same WHAT WANTED HAVE
same() {
	[ "$2" = "$3" ] && return
	echo "$1: \"$3\" instead of \"$2\""
	failed=1
}

runs_begin "$report" 'command | kills so far'
same 'the first seed' 1 "$(runs_next storm)"
same 'the first sum' 5 "$(runs_sum 5)"
runs_add 0 'storm -s 1 | 5' >"$dir/said" || same 'a run that passed' 0 1
runs_add 0 'storms -s 9 | 8' >>"$dir/said"
runs_add 69 'storm -o 3 -s 12 --time 3 | 30' >>"$dir/said" && same 'a run that failed' 1 0
runs_line 'storm | 3 passed' >>"$dir/said"
runs_begin "$report" 'another heading'
same 'the next seed' 13 "$(runs_next storm)"
same 'the next sum' 12 "$(runs_sum 4)"
same 'no number' 8 "$(runs_sum '')"
cat >"$dir/wanted" <<END
# commit | command | kills so far | verdict
$runs_commit | storm -s 1 | 5 | PASS
$runs_commit | storms -s 9 | 8 | PASS
$runs_commit | storm -o 3 -s 12 --time 3 | 30 | FAIL
$runs_commit | storm | 3 passed
END
diff "$dir/wanted" "$report" || failed=1
tail -n +2 "$dir/wanted" | diff - "$dir/said" || failed=1

same 'the output of a failure' what "$(runs_fail what)"
(runs_fail what >"$dir/said") && same 'its status' 1 0
runs_for 0
[ "$(runs_left)" -le 0 ] || same 'no time' 0 "$(runs_left)"
runs_for 1000
[ "$(runs_left)" -gt 0 ] || same 'much time' 1000 "$(runs_left)"
exit "$failed"
