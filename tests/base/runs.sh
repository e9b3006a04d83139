# SPDX-License-Identifier: BSD-2-Clause
#
# To be sourced by the long runs: those that are no part of `make check`, each
# with a report in docs/runs that grows by a line a run,
#
#	commit | command | outcome | ... | PASS
#
# and tells the next one with which seed to go on.
#
#	runs_begin docs/runs/storms.txt 'command | outcome | kills so far'
#	runs_for "${1:-600}"
#	while [ "$(runs_left)" -gt 0 ]; do
#		seed=$(runs_next storm)
#		output=$("$build/tests/proc/storm" -s "$seed" 2>&1)
#		runs_add $? "storm -s $seed | ..." || runs_fail "$output"
#	done
#
# Sets build, where the programs are, and the runs_* of below.

build=${RAFTSUP_BUILDDIR:-.}

# runs_begin REPORT COLUMNS: those between the commit and the verdict.
runs_begin() {
	runs_report=$1
	runs_commit=$(git -C "$(dirname "$0")" describe --always --dirty \
	    2>/dev/null)
	[ ! -e "$runs_report" ] || return 0
	mkdir -p "$(dirname "$runs_report")" &&
	    echo "# commit | $2 | verdict" >"$runs_report" || exit 1
}

# runs_for SECONDS, from now on.
runs_for() {
	runs_end=$(($(date +%s) + $1))
}

# How many seconds of them are left, or less than 0.
runs_left() {
	echo $((runs_end - $(date +%s)))
}

# runs_next WORD: the seed of the next run whose command has that word, after
# the largest one of before (-s or --seed).
runs_next() {
	runs_last=$(sed -En "s/.* $1 (.* )?(-s|--seed) ([0-9]+) .*/\\3/p" \
	    "$runs_report" | sort -n | tail -n 1)
	echo $((${runs_last:-0} + 1))
}

# runs_sum NUMBER: with that of the last run that passed, the last column.
runs_sum() {
	runs_before=$(sed -n 's/.*| \([0-9]*\) | PASS$/\1/p' "$runs_report" |
	    tail -n 1)
	echo $((${runs_before:-0} + ${1:-0}))
}

# runs_line TEXT: a line behind the commit, verdict and all.
runs_line() {
	echo "$runs_commit | $1" | tee -a "$runs_report" || exit 1
}

# runs_add STATUS TEXT: a line; false when the run has failed.
runs_add() {
	if [ "$1" -eq 0 ]; then
		runs_line "$2 | PASS"
	else
		runs_line "$2 | FAIL"
		return 1
	fi
}

# runs_fail OUTPUT: the last run's, which names what is kept.
runs_fail() {
	printf '%s\n' "$1"
	exit 1
}
