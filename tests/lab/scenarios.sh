#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The long run of scenarios: `make scenarios` plays all of them five times and
# adds a line a round to docs/runs/scenarios.txt: commit, round, load of the
# machine, how long it took, verdict.  Ends at the first round that fails,
# whose directory is kept and named.
#
#   scenarios.sh ROUNDS REPORT

set -u

. "$(dirname "$0")/../base/runs.sh"
runs_begin "${2:?report}" 'command | load before | seconds'
rounds=${1:-5}
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT

round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	load=$(cut -d ' ' -f 1 /proc/loadavg)
	begin=$(date +%s)
	"$build/raftsup" scenario all >"$output" 2>&1
	status=$?
	took=$(($(date +%s) - begin))
	runs_line "scenario all, round $round | $load | $took |\
 $(tail -n 1 "$output")"
	if [ "$status" -ne 0 ]; then
		grep -E '^FAIL|^  kept: ' "$output"
		exit 1
	fi
done
