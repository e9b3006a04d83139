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

budget=${1:-600}
report=${2:?report}
build=${RAFTSUP_BUILDDIR:-.}
commit=$(git -C "$(dirname "$0")" describe --always --dirty 2>/dev/null)
end=$(($(date +%s) + budget))

if [ ! -e "$report" ]; then
	mkdir -p "$(dirname "$report")" || exit 1
	echo "# commit | command | outcome | kills so far | verdict" \
	    >"$report" || exit 1
fi

# number NAME: of the JSON object
number() {
	printf '%s\n' "$output" | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}

while [ "$(date +%s)" -lt "$end" ]; do
	seed=$(($(grep -c ' torture ' "$report") + 1))
	case $((seed % 5)) in
	0) args="--faults kill,supervisor" ;;
	4) args="--faults kill -n 3 --durability process" ;;
	*) args="" ;;
	esac
	left=$((end - $(date +%s)))
	[ "$left" -lt 120 ] || left=120
	[ "$left" -gt 5 ] || left=5
	args="torture --seed $seed --time ${left}s${args:+ $args}"
	# shellcheck disable=SC2086
	output=$("$build/raftsup" $args -j 2>&1)
	status=$?
	before=$(sed -n 's/.*| \([0-9]*\) | PASS$/\1/p' "$report" | tail -n 1)
	kills=$(number kills)
	parts=$(number parts)
	unavailable=$(number unavailable_ms)
	verdict=PASS
	[ "$status" -eq 0 ] || verdict=FAIL
	echo "$commit | $args | ${kills:-0} kills, ${parts:-0} parts judged," \
	    "${unavailable:-0} ms unavailable |" \
	    "$((${before:-0} + ${kills:-0})) | $verdict" | tee -a "$report"
	if [ "$verdict" = FAIL ]; then
		printf '%s\n' "$output"
		exit 1
	fi
done
