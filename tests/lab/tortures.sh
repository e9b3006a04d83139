#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The long run of torture: `make torture TIME=SECONDS` goes on with the next
# seed until the time is over, and adds a line a run to docs/runs/torture.txt:
# commit, command, what happened, kills of all runs so far, verdict.  Ends at
# the first failure, whose directory is kept and named.
#
#   tortures.sh SECONDS REPORT

set -u

. "$(dirname "$0")/../base/runs.sh"
runs_begin "${2:?report}" 'command | outcome | kills so far'
runs_for "${1:-600}"

# number NAME: of the JSON object
number() {
	printf '%s\n' "$output" | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}

while [ "$(runs_left)" -gt 0 ]; do
	seed=$(runs_next torture)
	case $((seed % 5)) in
	0) args="--faults kill,supervisor" ;;
	4) args="--faults kill -n 3 --durability process" ;;
	*) args="" ;;
	esac
	left=$(runs_left)
	[ "$left" -lt 120 ] || left=120
	[ "$left" -gt 5 ] || left=5
	args="torture --seed $seed --time ${left}s${args:+ $args}"
	# shellcheck disable=SC2086
	output=$("$build/raftsup" $args -j 2>&1)
	status=$?
	kills=$(number kills)
	parts=$(number parts)
	unavailable=$(number unavailable_ms)
	runs_add "$status" "$args | ${kills:-0} kills, ${parts:-0} parts\
 judged, ${unavailable:-0} ms unavailable | $(runs_sum "$kills")" ||
	    runs_fail "$output"
done
