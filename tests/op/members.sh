# SPDX-License-Identifier: BSD-2-Clause
#
# raftsup add, remove and refill: done and visible, every refusal, and deaths
# of the others on the way.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

roles() {
	sup status -j | tr '{' '\n' |
	    sed -n 's/^"id":\([0-9]*\),.*"role":"*\([a-z]*\).*/\1 \2/p' |
	    sed 's/ [a-z]*candidate$/ voter/; s/leader/voter/;
	    s/follower/voter/' | paste -sd,
}

roles_are() {
	[ "$(roles)" = "$1" ]
}

# is_voter NODE: and has a store and a voice.
is_voter() {
	roles | tr ',' '\n' | grep -qx "$1 voter"
}

followers() {
	sup status -j | tr '{' '\n' |
	    sed -n '/"role":"follower"/s/"id":\([0-9]*\).*/\1/p'
}

check() {
	"$BIN/raftck" "$D" >"$W/ck" 2>&1 || fail "raftck: $(cat "$W/ck")"
}

say "without a cluster"
for command in add 'remove 1' 'refill 1'; do
	# shellcheck disable=SC2086
	expect 69 sup $command
	one_line 'no cluster is running in'
done

expect 0 sup start -n 3 --durability process --election-timeout 200-400ms
expect 0 ctl set a 1
await "all nodes" all_up

say "bad usage"
expect 64 sup add 0
one_line 'not a list of nodes (1 to 32'
expect 64 sup add 33
expect 64 sup add 4 5
expect 64 sup add 4,4
one_line 'names node 4 twice'
expect 64 sup add --learners
expect 64 sup add -t 0
expect 69 sup add 3
one_line 'node 3 is a voter already'
expect 64 sup remove
one_line 'which node'
expect 64 sup remove 4
one_line 'no node 4 in this cluster'
expect 64 sup remove 1 2
expect 69 sup remove all
one_line 'the last voter cannot be removed'
expect 64 sup refill
expect 64 sup refill 1,2
one_line 'one node at a time'
expect 69 sup refill 2
one_line 'node 2 is up: nothing is refilled under a process'
expect 64 sup start -n 5
mkdir "$D/node-4"
expect 69 sup add
one_line 'node-4 is in the way'
rmdir "$D/node-4"

say "one more, two more, a learner"
expect 0 sup add
[ "$(cat "$W/out")" = 4 ] || fail "id $(cat "$W/out")"
[ "$(field quorum)" = 3 ] || fail "quorum $(field quorum)"
expect 0 sup add 6,12
[ "$(cat "$W/out")" = 6,12 ] || fail "ids $(cat "$W/out")"
expect 0 sup add --learner
[ "$(cat "$W/out")" = 5 ] || fail "id $(cat "$W/out")"
await "node 5 to learn" node_is 5 role learner
[ "$(field quorum)" = 4 ] || fail "quorum $(field quorum)"
await 'one learner' roles_are \
    '1 voter,2 voter,3 voter,4 voter,5 learner,6 voter,12 voter'
expect 69 sup add --learner 5
one_line 'node 5 is a learner already'
expect 0 sup add 5
await "node 5 to vote" is_voter 5
expect 69 sup add
one_line '7 voters are the most: remove one first, or add --learner'
expect 0 sup add --learner
[ "$(cat "$W/out")" = 7 ] || fail "id $(cat "$W/out")"
expect 69 sup add --learner
one_line '8 nodes are the most'
check

say "the leader goes, and three others"
await "leader" has_leader
leader=$seen_leader
pid=$(node "$leader" pid)
expect 0 sup remove "$leader"
grep -qx "node $leader removed" "$W/out" || fail "$(cat "$W/out")"
all_dead "$pid"
[ -d "$D/node-$leader.removed" ] || fail "its directory was not put aside"
[ ! -e "$D/node-$leader" ] || fail "its directory is still there"
await "leader" has_leader
others=$(printf '%s\n' 6 7 12 | grep -vx "$leader" | paste -sd,)
expect 0 sup remove "$others"
[ "$(ctl get a)" = 1 ] || fail "lost"
[ "$(field quorum)" = 3 ] || fail "quorum $(field quorum)"
check

say "an id comes again, with another store"
expect 0 sup add 6
expect 0 sup remove 6
expect 0 sup add -j 6
[ "$(cat "$W/out")" = '{"added": [6]}' ] || fail "$(cat "$W/out")"
expect 0 ctl set b 2
expect 0 sup remove --json 6
[ "$(cat "$W/out")" = '{"removed": [6]}' ] || fail "$(cat "$W/out")"
[ -d "$D/node-6.removed.2" ] || fail "no second directory"

say "what is refused: a quorum would be lost"
cat >"$W/three.sh" <<'SH'
ids=$(sup status -j | tr '{' '\n' | sed -n 's/^"id":\([0-9]*\),.*/\1/p')
set -- $ids
while [ $# -gt 3 ]; do
	expect 0 sup remove "$1"
	shift
done
SH
. "$W/three.sh"
set -- $(sup status -j | tr '{' '\n' | sed -n 's/^"id":\([0-9]*\),.*/\1/p')
await "all nodes" all_up
by_role stop follower
follower=$id
one_follows() {
	has_leader && other=$(followers) && [ -n "$other" ]
}
await "a leader and a follower" one_follows
expect 69 sup remove "$other"
one_line 'the leader refuses: .*the quorum would be lost'
[ "$(field has_quorum)" = true ] || fail "no quorum"
expect 0 ctl set c 3
expect 0 sup stop "$other"
expect 69 sup add -t 200ms
one_line 'nothing was done'
expect 69 sup remove -t 200ms "$other"
one_line 'nothing was done'
expect 0 sup start all
await "leader" has_leader

say "a wiped node, a damaged one, one that is held"
rm -rf "$D/node-$follower"
expect 0 sup kill "$follower"
refused() {
	sup status | grep -q 'its store is missing'
}
await "refused" refused
node_is "$follower" state down || fail "$(sup status)"
expect 0 sup refill "$follower"
grep -qx "node $follower is refilled" "$W/out" || fail "$(cat "$W/out")"
await "a voter" is_voter "$follower"
expect 0 sup stop "$follower"
expect 0 sup refill -j "$follower"
[ "$(cat "$W/out")" = "{\"refilled\": [$follower]}" ] ||
    fail "$(cat "$W/out")"
[ -d "$D/node-$follower.damaged" ] || fail "the store was not put aside"
expect 0 sup stop "$follower"
printf 'scribble' | dd of="$D/node-$follower/store/log/data.mdb" bs=1 seek=16 \
    conv=notrunc 2>/dev/null
sup start "$follower" >/dev/null 2>&1 && fail "a damaged store is taken"
expect 0 sup refill "$follower"
[ -d "$D/node-$follower.damaged.2" ] || fail "the store was not put aside"
expect 0 sup stop
check
expect 0 sup start
[ "$(ctl get c)" = 3 ] || fail "lost"

say "the command dies, then the supervisor: it goes on"
sup pause all >/dev/null
sup resume all >/dev/null
await "leader" has_leader
"$BIN/raftsup" add 20 >/dev/null 2>&1 &
kill -9 $!
wait $! 2>/dev/null
"$BIN/raftsup" add 21 >/dev/null 2>&1 &
add=$!
supervisor=$(field supervisor)
kill -9 "$supervisor"
wait "$add"
await "dead" is_dead "$supervisor"
expect 0 sup start
settled() {
	! grep -q '"wish"' "$D/cluster.json"
}
# It votes, or there is nothing of it.
whole() {
	settled || return 1
	if grep -q "\"id\": $1," "$D/cluster.json"; then
		is_voter "$1"
	else
		[ ! -e "$D/node-$1" ]
	fi
}
await "nothing is left to do" settled
for id in 20 21; do
	await "node $id is whole, or is not there" whole "$id"
done
expect 0 ctl set d 4
check

say "a list is done whole or not at all"
expect 0 sup stop
rm -rf "$D"
expect 0 sup start -n 6 --durability process --election-timeout 200-400ms
expect 69 sup add 7,8
one_line '^raftsup: 7 voters are the most'
expect 69 sup add --learner 7,8,9
one_line '^raftsup: 8 nodes are the most'
[ -z "$(node 7 state)" ] || fail "node 7 was made"
expect 0 sup add --learner 7
expect 69 sup add 7,8
one_line '7 voters are the most'
node_is 7 role learner || fail "node 7 is a $(node 7 role)"

say "the command that asked for what is refused dies: it is taken back"
expect 0 sup stop
rm -rf "$D"
expect 0 sup start -n 3 --durability process --election-timeout 200-400ms
follower=$(sup status -j | tr '{' '\n' |
    sed -n '/"role":"follower"/s/"id":\([0-9]*\).*/\1/p' | head -n 1)
expect 0 sup stop "$follower"
await "leader" has_leader
other=$(sup status -j | tr '{' '\n' |
    sed -n '/"role":"follower"/s/"id":\([0-9]*\).*/\1/p' | head -n 1)
is_wished() {
	grep -q '"wish": "leave"' "$D/cluster.json"
}
# It takes the wish back itself after a while: it must die before that.
caught() {
	"$BIN/raftsup" remove "$other" >/dev/null 2>&1 &
	remove=$!
	until is_wished || is_dead "$remove"; do
		sleep 0.02
	done
	kill -9 "$remove" 2>/dev/null
	wait "$remove"
	[ $? -eq 137 ] && is_wished
}
await "a command that died" caught
await "nothing is left to do" settled
sup log | grep -q "Node $other stays" || fail "nobody says so"
await "a leader" has_leader

say "another one that is refused takes it back: it is not removed"
# The first one sleeps until the second has been refused.
taken_back() {
	"$BIN/raftsup" remove "$other" >"$W/first" 2>&1 &
	remove=$!
	until is_wished || is_dead "$remove"; do
		sleep 0.02
	done
	kill -STOP "$remove" 2>/dev/null
	sup remove "$other" >"$W/out" 2>"$W/err"
	got=$?
	kill -CONT "$remove" 2>/dev/null
	wait "$remove"
	first=$?
	[ "$got" -eq 69 ] && [ "$first" -eq 69 ] ||
	    fail "exits $first, $got: $(cat "$W/first" "$W/err")"
	grep -q "^raftsup: node $other is not removed: somebody took it back" \
	    "$W/first"
}
await "a command whose wish is cancelled" taken_back
expect 0 ctl set e 5
expect 0 sup start "$follower"
check

# hold_lock ID: as if the node took long to end. It has the first byte of its
# lock; the process $holder has the second.
hold_lock() {
	rm -f "$W/holds"
	perl -e '
		use Fcntl;
		open my $f, "+<", $ARGV[0] or die;
		# F_OFD_SETLK (37): type whence pad start len pid
		my $l = pack("s s x4 q q l x4", F_WRLCK, 0, 1, 1, 0);
		fcntl($f, 37, $l) or die "$!";
		open my $g, ">", $ARGV[1]; close $g;
		sleep 600;' "$D/node-$1/lock" "$W/holds" &
	holder=$!
	await "who has a lock" test -e "$W/holds"
}

say "who is removed and takes long to end is not started again"
expect 0 sup add
id=$(cat "$W/out")
hold_lock "$id"
"$BIN/raftsup" remove -t 5m "$id" >"$W/removed" 2>&1 &
remove=$!
is_ended() {
	! node_is "$id" state up
}
await "the end of its process" is_ended
sup start "$id" >/dev/null 2>"$W/err" && fail "started"
one_line "node $id is being removed"
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
wait "$remove" || fail "not removed: $(cat "$W/removed")"
[ -z "$(node "$id" state)" ] || fail "it is there"
check

say "log --debug shows the others while one leaves"
expect 0 sup add
id=$(cat "$W/out")
hold_lock "$id"
"$BIN/raftsup" remove -t 5m "$id" >"$W/removed" 2>&1 &
remove=$!
leaves() {
	sup loglevel info "$id" 2>&1 >/dev/null |
	    grep -q "node $id is being removed"
}
await "the end of its process" leaves
"$BIN/raftsup" log --debug >"$W/debug" 2>&1 &
debug=$!
shows() {
	is_dead "$debug" || grep -q ' RPC ' "$W/debug"
}
await "RPCs of the others" shows
kill -INT "$debug"
wait "$debug" || fail "log --debug ends with $?: $(cat "$W/debug")"
expect 69 sup log --debug "$id"
one_line "node $id is being removed"
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
wait "$remove" || fail "not removed: $(cat "$W/removed")"
check
