# SPDX-License-Identifier: BSD-2-Clause
#
# Linearizable reads from any node (raftctl --node ID get --read-index), and
# leases on real processes: shown, kept through a voter's death, lost.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

# reads ID: the node answers, unless the leader that it asks gives up.
reads() {
	ctl --node "$1" get --read-index k >"$W/read" 2>"$W/err"
}
read_all() {
	for id in 1 2 3; do
		await "an answer of node $id" reads "$id"
		[ "$(cat "$W/read")" = "$1" ] ||
		    fail "node $id has $(cat "$W/read"), not $1"
	done
}

# A node that follows; it is in $other.
some_follower() {
	other=$(sup status -j | tr '{' '\n' |
	    sed -n '/"role":"follower"/s/"id":\([0-9]*\).*/\1/p' | head -n 1)
	[ -n "$other" ]
}
leads_not() {
	[ "$(field leader)" != "$1" ]
}

say "each node has what was answered before"
expect 0 sup start -n 3 --durability process --election-timeout 200-400ms
for i in 1 2 3 4 5 6 7 8 9 10; do
	expect 0 ctl set k "$i"
	read_all "$i"
done
transfer_to follower
expect 0 ctl set k moved
read_all moved
by_role kill leader
expect 0 ctl set k killed
await "all up" all_up
read_all killed

say "without a leader there is no such read, and a stale one"
await "a follower" some_follower
follower=$other
for id in 1 2 3; do
	[ "$id" = "$follower" ] || expect 0 sup pause "$id"
done
# It may have come to lead just before; then it does so to no end.
await "it does not lead" leads_not "$follower"
expect 69 ctl -t 1 --node "$follower" get --read-index k
expect 0 ctl --node "$follower" get --stale k
[ "$(cat "$W/out")" = killed ] || fail "stale: $(cat "$W/out")"
for id in 1 2 3; do
	[ "$id" = "$follower" ] || expect 0 sup resume "$id"
done
await "leader" has_leader
read_all killed
expect 0 sup stop

say "a lease is shown, renewed, and used"
expect 0 sup start --lease 4s --election-timeout 200-400ms
grep -q 'the lease (4s) is longer than the election timeout' "$W/out" ||
    fail "$(cat "$W/out")"
# A leader with more than 2 s of its lease before it, which are in $left.
has_lease() {
	has_leader || return 1
	leader=$seen_leader
	left=$(node "$leader" lease_ms_left)
	case $left in
	'' | *[!0-9]*) return 1 ;;
	esac
	[ "$left" -gt 2000 ]
}
await "lease" has_lease
[ "$left" -le 4000 ] || fail "longer than 4 s"
shows_lease() {
	expect 0 sup status
	grep -Eq "^[123] +up .* leader .* [0-9.]+ s$" "$W/out"
}
await "the lease is shown" shows_lease
expect 0 ctl get k
lease_reads() {
	sup counters -j | tr '{' '\n' |
	    sed -n 's/.*"lease_reads":\([0-9]*\).*/\1/p' | sort -n | tail -n 1
}
reads_by_lease() {
	before=$(lease_reads)
	expect 0 ctl get k
	[ "$(lease_reads)" -gt "$before" ]
}
await "a read by the lease" reads_by_lease
expect 0 sup stop
rm -r "$D"

# Heartbeats are so rare that what the reads send shows.
say "a read by the lease sends no message, one that asks a majority does"
expect 0 sup start -n 3 --heartbeat 2s --election-timeout 8-10s --lease 6s
expect 0 sup timeout 1
await "leader" has_leader
expect 0 ctl -t 20 set k v
leader=$(field leader)
sent() {
	sup counters -j "$leader" | tr ',{' '\n\n' |
	    sed -n 's/^"sent_[a-z_]*":\([0-9]*\).*/\1/p' |
	    { sum=0; while read -r n; do sum=$((sum + n)); done; echo $sum; }
}
seconds() {
	date +%s
}
some=500
i=0
while [ $i -lt $some ]; do
	echo get k
	i=$((i + 1))
done >"$W/gets"
by_lease=$(lease_reads)
messages=$(sent)
began=$(seconds)
ctl -t 20 <"$W/gets" >"$W/out" || fail "reads"
# Two messages a heartbeat, to whom it has nothing else to say.
beats=$((2 * (($(seconds) - began) / 2 + 2)))
[ $(($(lease_reads) - by_lease)) -ge $((some * 9 / 10)) ] ||
    fail "$(($(lease_reads) - by_lease)) of $some reads by the lease"
messages=$(($(sent) - messages))
[ "$messages" -le "$beats" ] ||
    fail "$messages messages for $some reads by the lease"
messages=$(sent)
for i in 1 2 3 4 5 6 7 8 9 10; do
	expect 0 ctl -t 20 get --read-index k
done
messages=$(($(sent) - messages))
[ "$messages" -ge 20 ] || fail "$messages messages for 10 rounds"
expect 0 sup stop
rm -r "$D"
expect 0 sup start --lease 4s -n 3 --durability process \
    --election-timeout 200-400ms
expect 0 ctl -t 20 set k v

say "a voter that was killed keeps its promise"
now_ms() {
	echo $(($(date +%s%N) / 1000000))
}
await "a follower" some_follower
voter=$other
old=$(node "$voter" pid)
# The moment first: what is left then is no more than it was.
lease_and_when() {
	now=$(now_ms)
	has_lease
}
await "lease" lease_and_when
end=$((now + left))
expect 0 sup pause "$leader"
kill -9 "$old"
await "the voter" is_new "$voter" "$old"
expect 0 sup timeout "$voter"
# Nobody serves before the old lease is over.
serves() {
	[ -n "$(ctl -t 1s get k 2>/dev/null)" ]
}
while ! serves; do
	[ "$(now_ms)" -lt $((end + 60000)) ] || fail "no leader any more"
done
[ "$(now_ms)" -ge "$end" ] || fail "read within another one's lease"
sup log | grep -Eq 'waits for the old lease|has promised Node' ||
    fail "nobody has waited"
expect 0 sup resume "$leader"
await "leader" has_leader

say "a leader that loses its majority says so when its lease runs out"
await "lease" has_lease
expiries() {
	sup log "$leader" | grep -c 'leader lease expired, stepping down'
}
before=$(expiries)
for id in 1 2 3; do
	[ "$id" = "$leader" ] || expect 0 sup pause "$id"
done
lost() {
	[ "$(expiries)" -gt "$before" ]
}
await "the lease is lost" lost
for id in 1 2 3; do
	[ "$id" = "$leader" ] || expect 0 sup resume "$id"
done
await "leader" has_leader

say "a voter whose page was wiped gives no votes"
await "a follower" some_follower
voter=$other
slot=$((voter - 1))
segment=/dev/shm$(field segment)
expect 0 sup pause "$voter"
head -c 576 /dev/zero | dd of="$segment" bs=1 conv=notrunc \
    seek=$((16384 + slot * 8192 + 4864)) 2>/dev/null
printf '\001' | dd of="$segment" bs=1 conv=notrunc \
    seek=$((16384 + slot * 8192 + 4864)) 2>/dev/null
expect 0 sup kill "$voter"
withholds() {
	sup log "$voter" |
	    grep -q 'does not know what it has promised -> gives no votes'
}
await "it withholds votes" withholds
