#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# `make fuzz TIME=SECONDS`: runs each target for that long (300), one after the
# other, and adds a line for each to docs/runs/fuzz.txt. The inputs that
# reached something new stay in corpus/ of the directory and are where the
# next run goes on. What breaks a target is kept there as TARGET-crash-... and
# named.
#
#   fuzz.sh SECONDS REPORT DIRECTORY TARGET...

set -u

seconds=${1:-300}
[ -n "$seconds" ] || seconds=300
report=${2:?report}
directory=${3:?directory}
shift 3
build=${RAFTSUP_BUILDDIR:-.}
src=${RAFTSUP_SRCDIR:-.}
commit=$(git -C "$src" describe --always --dirty 2>/dev/null)
status=0

if [ ! -e "$report" ]; then
	mkdir -p "$(dirname "$report")" || exit 1
	echo "# commit | target | seconds | runs, inputs kept | verdict" \
	    >"$report" || exit 1
fi

for target; do
	corpus=$directory/corpus/$target
	mkdir -p "$corpus" || exit 1
	output=$(mktemp) || exit 1
	# An input may cost a second of many nodes' life.
	case $target in
	script) longest=2048 ;;
	schedule) longest=8192 ;;
	*) longest=4096 ;;
	esac
	ASAN_OPTIONS=detect_leaks=1 "$build/tests/fuzz/$target" \
	    -max_total_time="$seconds" -max_len=$longest -timeout=60 \
	    -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix="$directory/$target-" \
	    "$corpus" "$src/tests/fuzz/corpus/$target" >"$output" 2>&1
	code=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
	verdict=PASS
	if [ $code -ne 0 ]; then
		verdict=FAIL
		status=1
		tail -n 60 "$output"
	fi
	echo "$commit | $target | $seconds | ${runs:-?}," \
	    "$(find "$corpus" -type f | wc -l) | $verdict" |
	    tee -a "$report"
	rm -f "$output"
done
exit $status
