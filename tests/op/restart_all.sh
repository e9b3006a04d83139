# SPDX-License-Identifier: BSD-2-Clause
#
# Kill all, start all, again and again: each time there is a leader, the term
# never goes back, no node is left out (U25). RESTARTS tells how often.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

# All of them in one look, in a later term than $term.
all_back() {
	now=$(sup status | sed -n \
	    's/.*: leader [1-5], term \([0-9]*\), 5 of 5 nodes up, quorum.*/\1/p')
	[ -n "$now" ] && [ "$now" -gt "$term" ]
}

expect 0 sup start -n 5 --durability process --election-timeout 150-300ms
term=0
i=0
while [ "$i" -lt "${RESTARTS:-10}" ]; do
	i=$((i + 1))
	# Every other time the supervisor too, and then nobody but us starts.
	victims=$(pids)
	[ $((i % 2)) -eq 0 ] || victims=$(echo "$victims" | sed 1d)
	# shellcheck disable=SC2086
	kill -9 $victims
	[ $((i % 2)) -ne 0 ] || expect 0 sup start
	# shellcheck disable=SC2086
	all_dead $victims
	await "all nodes, round $i, after term $term" all_back
	term=$now
done
expect 0 sup stop
exit 0
