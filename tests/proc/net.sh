# SPDX-License-Identifier: BSD-2-Clause
#
# Real nodes on links with faults: a leader that is cut off, one way and both
# ways, commits nothing, and one log is left; over a bad network every
# increment counts once.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

agree() {
	"$BIN/raftck" "$D" >"$W/ck" 2>&1
}

# All nodes have committed and applied the same, up to their logs' end.
converged() {
	sup status -j | sed 's/.*"nodes"://' | tr '{' '\n' | sed -n \
	    's/.*"commit":\([0-9]*\),"applied":\([0-9]*\),.*"last_index":\([0-9]*\).*/\1 \2 \3/p' |
	    awk 'NR == 1 { want = $1 }
		$1 != want || $2 != want || $3 != want { bad = 1 }
		END { exit bad || NR != 5 }'
}

one_log() {
	await "all nodes have the same" converged
	await "all stores agree" agree
}

expect 0 sup start -n 5 --durability process

for way in from to; do
	say "the leader is cut off, one way: $way"
	await "leader" has_leader
	leader=$seen_leader
	term=$seen_term
	if [ "$way" = from ]; then
		expect 0 sup net "$leader:all" --cut
	else
		expect 0 sup net "all:$leader" --cut
	fi
	await "another leader" leader_is_not "$leader"
	[ "$seen_term" -gt "$term" ] || fail "the same term"
	expect 0 ctl set "$way" 1
	expect 0 sup heal
	one_log
done

say "the leader and another one are cut off: a minority commits nothing"
# It still leads, and knows nothing: it takes the entry and cannot commit it.
# Again when it had to notice before the entry came, on a busy machine, or had
# lost its office before: then there would be nothing to lose.
takes_in_vain() {
	expect 0 sup heal
	one_log
	await "leader" has_leader
	leader=$seen_leader
	other=$((leader % 5 + 1))
	commit=$(node "$leader" commit)
	expect 0 sup partition "$leader,$other"
	ctl --node "$leader" -t 2s set minority 1 >"$W/minority" 2>&1
	got=$?
	[ "$got" -eq 75 ] || [ "$got" -eq 69 ] || fail "answered with $got"
	node_is "$leader" term "$seen_term" &&
	    [ "$(node "$leader" last_index)" -gt "$commit" ]
}
await "the old leader takes an entry" takes_in_vain
await "the majority has a leader" leader_is_not "$leader"
expect 0 ctl set majority 1
[ "$(node "$leader" commit)" -eq "$commit" ] ||
    fail "the minority has committed something"
[ "$(node "$other" commit)" -eq "$commit" ] ||
    fail "the minority has committed something"
expect 0 sup heal
one_log
expect 0 ctl get majority
expect 1 ctl get minority

say "a bad network"
expect 0 sup net all --loss 5% --delay 0-3ms --dup 10% --reorder 10% --seed 11
i=0
while [ "$i" -lt 4 ]; do
	(
		n=0
		while [ "$n" -lt 60 ]; do
			echo incr count
			n=$((n + 1))
		done
	) | ctl -t 120s >"$W/incr.$i" 2>&1 &
	clients="${clients:-} $!"
	i=$((i + 1))
done
expect 0 ctl -t 120s bench --mix 1:1 -n 200 -c 2
# shellcheck disable=SC2086
wait $clients
[ "$(cat "$W"/incr.* | grep -c '^VALUE ')" -eq 240 ] ||
    fail "not all were answered: $(cat "$W"/incr.* | grep -v '^VALUE' | head)"
[ "$(cat "$W"/incr.* | sort -u | wc -l)" -eq 240 ] ||
    fail "two increments gave the same value"
[ "$(ctl get count)" -eq 240 ] || fail "count is $(ctl get count)"
for counter in dropped delayed duplicated reordered; do
	sup counters | awk -v name="fault_$counter" \
	    '$1 == name { sum = $2 + $3 + $4 + $5 + $6 }
	    END { exit sum == 0 }' || fail "nothing was $counter"
done
expect 0 sup heal
one_log
expect 0 sup stop
expect 0 "$BIN/raftck" "$D"
