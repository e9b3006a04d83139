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

. "$(dirname "$0")/../base/runs.sh"
runs_begin "${2:?report}" 'target | seconds | runs, inputs kept'
seconds=${1:-300}
directory=${3:?directory}
shift 3
src=${RAFTSUP_SRCDIR:-.}
status=0

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
	runs_add "$code" "$target | $seconds | ${runs:-?},\
 $(find "$corpus" -type f | wc -l)" || {
		status=1
		tail -n 60 "$output"
	}
	rm -f "$output"
done
exit $status
