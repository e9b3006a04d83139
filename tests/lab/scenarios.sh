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

rounds=${1:-5}
report=${2:?report}
build=${RAFTSUP_BUILDDIR:-.}
commit=$(git -C "$(dirname "$0")" describe --always --dirty 2>/dev/null)
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT

if [ ! -e "$report" ]; then
	mkdir -p "$(dirname "$report")" || exit 1
	echo "# commit | command | load before | seconds | verdict" \
	    >"$report" || exit 1
fi

round=0
while [ "$round" -lt "$rounds" ]; do
	round=$((round + 1))
	load=$(cut -d ' ' -f 1 /proc/loadavg)
	begin=$(date +%s)
	"$build/raftsup" scenario all >"$output" 2>&1
	status=$?
	took=$(($(date +%s) - begin))
	echo "$commit | scenario all, round $round | $load | $took |" \
	    "$(tail -n 1 "$output")" | tee -a "$report"
	if [ "$status" -ne 0 ]; then
		grep -E '^FAIL|^  kept: ' "$output"
		exit 1
	fi
done
