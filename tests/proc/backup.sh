#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Backups under load, while nodes are killed and logs are cut: each one, made
# into a cluster, has all that was answered before it began, nothing that was
# not asked for when it ended, and is of one moment: what one transaction
# writes is in it together. And a reader that is too slow does not make a
# node's store grow for ever.

. "${RAFTSUP_SRCDIR:?run by make check}/tests/op/lib.sh"
RAFTSUP_SNAPSHOT_ENTRIES=500
export RAFTSUP_SNAPSHOT_ENTRIES
R=$W/restored
writers=
ctl() {
	"$BIN/raftctl" -t 60s "$@" </dev/null
}
over() {
	: >"$W/over"
	for pid in $writers $killer; do
		wait "$pid"
	done
	writers=
	killer=
}
killer=
stop_all() {
	over
	sup -d "$R" stop >/dev/null 2>&1
}

# write NUMBER: sets wN:1, wN:2, ..., counts them, and moves a pair along
write() {
	i=0
	while [ -d "$W" ] && [ ! -e "$W/over" ]; do
		i=$((i + 1))
		printf 'set w%s:%s %s\nincr c%s\n' "$1" "$i" "$i" "$1"
		printf 'txn\nthen\nset pair:a%s %s\nset pair:b%s %s\nend\n' \
		    "$1" "$i" "$1" "$i"
		[ $((i % 20)) -ne 0 ] || sleep 0.02
	done | "$BIN/raftctl" -t 60s >"$W/answers.$1" 2>&1
}
answered() {
	grep -c '^VALUE' "$W/answers.$1"
}
kill_nodes() {
	n=0
	while [ -d "$W" ] && [ ! -e "$W/over" ]; do
		n=$((n % 3 + 1))
		sup kill "$n" >/dev/null 2>&1
		sleep 0.4
	done
}
value() {
	ctl -d "$R" get "$1" || fail "$1 is not in it"
}
has_keys() {
	[ "$(ctl count w1:)" -gt "$1" ]
}

# judge NUMBER LOW HIGH: writer NUMBER's part of the restored cluster
judge() {
	last=$(ctl -d "$R" count "w$1:") || fail "count"
	[ "$last" -ge "$2" ] || fail "w$1: $2 were answered, it has $last"
	[ "$last" -le $(($3 + 1)) ] || fail "w$1: $3 were asked, it has $last"
	[ "$(value "w$1:$last")" = "$last" ] || fail "w$1: a gap before $last"
	counted=$(value "c$1")
	[ "$counted" -eq "$last" ] || [ "$counted" -eq $((last - 1)) ] ||
	    fail "w$1: $last keys, counted $counted"
	[ "$(value "pair:a$1")" = "$(value "pair:b$1")" ] ||
	    fail "w$1: half of a transaction"
}

expect 0 sup start -n 3 --durability "${DURABILITY:-process}" \
    --election-timeout 150-300ms --heartbeat 30ms
trap 'kept=$?; stop_all; (exit "$kept"); clean_up' EXIT
for n in 1 2; do
	write "$n" &
	writers="$writers $!"
done
kill_nodes &
killer=$!
await 'some load' has_keys 200

say 'backups while nodes are killed'
b=0
while [ "$b" -lt 6 ]; do
	b=$((b + 1))
	low1=$(answered 1)
	low2=$(answered 2)
	expect 0 sup backup "$W/b$b"
	cat "$W/out"
	echo "$low1 $(answered 1) $low2 $(answered 2)" >"$W/bounds.$b"
	sleep 0.3
done
over
! grep -h -E '^(FAILED|UNKNOWN|INVALID)' "$W"/answers.* ||
    fail 'a write was not answered'
await 'a leader' has_leader
expect 0 sup backup "$W/last"
ctl list >"$W/list" || fail list

b=0
while [ "$b" -lt 6 ]; do
	b=$((b + 1))
	read -r low1 high1 low2 high2 <"$W/bounds.$b"
	expect 0 "$BIN/raftck" "$W/b$b"
	expect 0 sup -d "$R" restore -n 1 --durability process "$W/b$b"
	expect 0 sup -d "$R" start
	judge 1 "$low1" "$high1"
	judge 2 "$low2" "$high2"
	expect 0 sup -d "$R" stop
	expect 0 "$BIN/raftck" "$R"
	rm -r "$R"
done
expect 0 sup -d "$R" restore "$W/last"
expect 0 sup -d "$R" start
ctl -d "$R" list | cmp - "$W/list" || fail 'the last one is another'
expect 0 sup -d "$R" stop
rm -r "$R"

say 'a reader that is too slow'
ctl bench --set -n 300 -r 300 -s 5000 --keep >"$W/out" 2>&1 ||
    fail "$(cat "$W/out")"
mkfifo "$W/slow" || exit 99
rm "$W/over"
write 1 &
writers=$!
sleep 600 <"$W/slow" &
reader=$!
RAFTSUP_BACKUP_GROWTH=65536 sup backup "$W/slow" 2>"$W/err" &
backup=$!
# The pages of what is written meanwhile are more than that. Who waits for a
# reader notices when that goes on.
has_answers() {
	[ "$(answered 1)" -gt "$1" ]
}
sleep 1
await 'more writes' has_answers 600
{
	kill "$reader"
	cat >/dev/null
} <"$W/slow" &
wait "$backup"
status=$?
over
[ "$status" -eq 69 ] || fail "exit status $status: $(cat "$W/err")"
one_line 'given up: the store of node . grew by .* takes it too slowly'
expect 0 sup stop
expect 0 "$BIN/raftck" "$D"
say ok
