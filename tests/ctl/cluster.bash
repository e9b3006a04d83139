# SPDX-License-Identifier: BSD-2-Clause
#
# The real raftctl against a real cluster of three nodes: each command, line
# mode while leaders are killed, what it says when nobody leads or runs.

RAFTCTL=$RAFTSUP_BUILDDIR/raftctl
. "$RAFTSUP_SRCDIR/tests/ctl/expect.bash" || exit 99

raftsup=$RAFTSUP_BUILDDIR/raftsup
export RAFTSUP_DIR=$dir/cluster
trap '"$raftsup" stop >/dev/null 2>&1; rm -rf "$dir"' EXIT

# await WHAT COMMAND...: until it succeeds, at most 60 s
await()
{
	local what=$1 try
	shift

	for try in {1..1200}; do
		"$@" && return
		sleep 0.05
	done
	check "waited in vain for: $what" false
}

# The patience that a busy machine asks for; -t T shortens it.
printf '#!/bin/sh\nexec "%s" -t 60s "$@"\n' "$RAFTCTL" >"$dir/raftctl"
chmod +x "$dir/raftctl"
RAFTCTL=$dir/raftctl

expect 69 '' "no cluster is running in $RAFTSUP_DIR*" get k
expect 69 '' "no cluster is running in $RAFTSUP_DIR*"
"$raftsup" start -n 3 --durability process >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}

# ---- one call each ----------------------------------------------------------

expect 0 'OK *' '' set k v
expect 0 'v\n' '' get k
expect 0 'v\n' '' get --read-index k
expect 1 '' 'not found' get absent
expect 0 'OK *' '' cas k v w
expect 1 '' 'not equal' cas k v w
expect 1 '' 'not found' cas absent v w
expect 0 '5\n' '' incr n 5
expect 0 '3\n' '' incr n -2
expect 1 '' '*' incr k
expect 0 '4\n' '' append k xyz
expect 0 'k\twxyz\nn\t3\n' '' list
expect 0 '1\n' '' count n
expect 0 'OK *' '' noop
expect 0 'OK *' '' submit 42
expect 0 '1\n' '' del k absent
expect 1 '0\n' '' del k
expect 0 '{"result":"COUNT","count":1,"records":[{"key":"n","value":"3"}]}\n' \
	'' -j list
expect 69 '' '*' outcome 999999999 1
expect 0 'OK *' '' --hex set 00ff0a 5c00
expect 0 '\\x00\0377\\n\t\\\\\\x00\nn\t3\n' '' list
expect 0 '1\n' '' --hex del 00ff0a

# A stale read sees it in the end, on each node.
stale()
{
	[ "$("$RAFTCTL" --node "$1" get --stale n 2>/dev/null)" = 3 ]
}
for id in 1 2 3; do
	await "stale read of node $id" stale $id
done

# The largest value, and a list that needs several pages for its size.
head -c 1048576 /dev/urandom >"$dir/value"
for i in 1 2 3; do
	expect 0 'OK *' '' set --file "$dir/value" large:$i
done
"$RAFTCTL" get --raw large:2 >"$dir/out"
check 'the largest value' cmp "$dir/value" "$dir/out"
"$RAFTCTL" --hex list 6c61726765 >"$dir/out"
check 'three of them' [ "$(wc -l <"$dir/out")" -eq 3 ]
expect 0 '3\n' '' del large:1 large:2 large:3

# ---- line mode --------------------------------------------------------------

for p in 1 16; do
	{
		for i in $(seq 300); do
			echo "set line:$i 'value $i'"
		done
		for i in $(seq 300); do
			echo "get line:$i"
		done
		echo 'list line:29'
	} >"$dir/in"
	{
		for i in $(seq 300); do echo OK; done
		for i in $(seq 300); do echo "VALUE value $i"; done
		echo 'COUNT 11'
		printf 'line:29\tvalue 29\n'
		for i in $(seq 290 299); do
			printf 'line:%d\tvalue %d\n' $i $i
		done
	} >"$dir/wanted"
	"$RAFTCTL" -P $p <"$dir/in" >"$dir/all"
	check "line mode, -P $p" [ $? -eq 0 ]
	sed 's/^OK [0-9][0-9]*$/OK/' "$dir/all" >"$dir/out"
	check "its answers, -P $p" cmp "$dir/wanted" "$dir/out"
done

# Leaders die meanwhile: everything is answered, and counted once.
{
	for i in $(seq 3); do
		sleep 0.3
		"$raftsup" kill leader >/dev/null 2>&1
	done
} &
killer=$!
for i in $(seq 4000); do echo 'incr counter'; done >"$dir/in"
"$RAFTCTL" -P 16 <"$dir/in" >"$dir/all"
check 'increments while leaders are killed' [ $? -eq 0 ]
wait $killer
expect 0 '4000\n' '' get counter
check 'each sum once' [ "$(sort -u "$dir/all" | wc -l)" -eq 4000 ]

# ---- a life, transactions, watches, locks -----------------------------------

expect 0 'OK *' '' set --ttl 200ms brief v
brief=$(sed 's/OK //' "$dir/out")
expect 0 'OK *' '' set --ttl 10m long v
# Its time stands still while nobody leads.
gone()
{
	! "$RAFTCTL" get brief >/dev/null 2>&1
}
await 'the end of a life' gone
expect 1 '' 'not found' get brief
expect 0 'v\n' '' get long
expect 0 'OK *' '' set long w

IN='if long = w\nif brief absent\nthen\nset long x\nincr m 7\ndel brief long nothing\nget long\nend\n' \
	expect 0 'THEN *' '' txn
check 'its answers' [ "$(sed '1d;2s/ .*//' "$dir/out" | tr '\n' ,)" = \
	'OK,VALUE 7,COUNT 1,NOT_FOUND,' ]
IN='then\nset made v\nincr made\nend\n' \
	expect 1 '' 'the value is not a 64-bit integer' txn
expect 1 '' 'not found' get made
head -c 1048576 /dev/zero | tr '\0' x >"$dir/value"
{ echo 'then'; printf 'append large '; cat "$dir/value"; echo
	echo 'append large y'; } >"$dir/in"
"$RAFTCTL" txn <"$dir/in" >"$dir/out" 2>"$dir/err"
check 'a transaction that is too large' [ $? -eq 64 ]

# watches SIGNAL LINES ARGUMENT ...: interrupted when it has seen so much
watches()
{
	local signal=$1 lines=$2 watcher
	shift 2

	# A background job of a shell ignores SIGINT, unless somebody resets it.
	env --default-signal=INT "$RAFTCTL" "$@" >"$dir/out" &
	watcher=$!
	await "$lines lines of $*" has_lines "$lines"
	kill -s "$signal" $watcher
	wait $watcher
	check "an interrupted watch is no failure: $*" [ $? -eq 0 ]
	check "$lines lines of $*" [ "$(wc -l <"$dir/out")" -eq "$lines" ]
}
has_lines()
{
	[ "$(wc -l <"$dir/out")" -ge "$1" ]
}
watches INT 2 watch --from "$brief" brief
check 'a life in events' [ "$(cut -f 1,3,4 "$dir/out" | tr '\t\n' ' ,')" = \
	'SET brief v,EXPIRE brief,' ]
watches TERM 3 -j --node 2 watch --from "$brief" long
check 'the last one' grep -q '^{"event":"DEL","index":[0-9]*,"key":"long"}$' \
	"$dir/out"

# Two at once: one after the other, with a larger number.
for i in 1 2 3 4; do
	"$RAFTCTL" lock demo -- sh -c \
		'echo $RAFTSUP_FENCE; sleep 0.1; echo out' >>"$dir/locks" &
	lockers="${lockers:-} $!"
done
for pid in $lockers; do
	wait "$pid"
	check 'a lock that was waited for' [ $? -eq 0 ]
done
check 'one at a time' [ "$(sed -n 'n;p' "$dir/locks" | sort -u)" = out ]
check 'numbers grow' [ "$(sed -n 'p;n' "$dir/locks" | sort -nuc 2>&1)" = '' ]
expect 5 '' '' lock demo -- sh -c 'exit 5'
"$RAFTCTL" lock --ttl 60s demo -- sh -c 'echo >"$1"; exec sleep 60' sh \
	"$dir/held" &
holder=$!
await 'a lock' test -e "$dir/held"
# Nobody else gets it, and is told why when it got time enough to ask.
not_got()
{
	"$RAFTCTL" -t 300ms lock demo -- true >"$dir/out" 2>"$dir/err"
	check 'a lock that somebody else has' [ $? -eq 69 ]
	grep -qx 'raftctl: lock: not got: somebody else has it' "$dir/err"
}
await 'the reason' not_got
kill -TERM "$holder"
wait "$holder"
check 'a signal goes to the command' [ $? -eq 143 ]
expect 0 '' '' lock demo -- true

# ---- bench ------------------------------------------------------------------

expect 0 '*' '' set bench:mine v
before=$("$RAFTCTL" count)
expect 0 '{"ops":400,*' '' bench -j --mix 1:1 -n 400 -c 3 -P 4 -r 20
check 'its keys are gone' [ "$("$RAFTCTL" count)" = "$before" ]

# ---- nobody leads, nobody runs ----------------------------------------------

# A lock that can't be renewed: the command is told before its time is over.
"$RAFTCTL" lock --ttl 2s demo -- sh -c \
	'trap "echo told; exit 0" TERM; echo begun; while :; do sleep 0.05; done' \
	>"$dir/lost" 2>"$dir/err" &
holder=$!
await 'a lock' grep -q begun "$dir/lost"
"$raftsup" kill 1,2 --hold >/dev/null
wait "$holder"
check 'a lost lock' [ $? -eq 75 ]
check 'its command was told' grep -q told "$dir/lost"
check 'and why' grep -q '^raftctl: lock: lost: ' "$dir/err"
"$raftsup" start 1,2,3 >/dev/null 2>&1

# A session that is open; then its leader is alone, and takes what it cannot
# commit; unless it had to notice that first, on a busy machine.
for try in 1 2 3 4 5 6 7 8 9 10; do
	expect 0 'OK *' '' set half u
	coproc CTL { "$RAFTCTL" -t 2s; }
	pid=$CTL_PID in=${CTL[1]} out=${CTL[0]}
	echo 'noop' >&"$in"
	read -r -t 60 line <&"$out"
	if [ "${line%% *}" = OK ]; then
		"$raftsup" kill followers --hold >/dev/null
		echo 'set half v' >&"$in"
		read -r -t 60 line <&"$out"
	fi
	exec {in}>&-
	wait "$pid"
	status=$?
	[ "${line%% *}" != UNKNOWN ] || break
	"$raftsup" start 1,2,3 >/dev/null 2>&1
done
check "an unknown outcome: $line" [ "${line%% *}" = UNKNOWN ]
check 'its status' [ $status -eq 75 ]
outcome=${line##*: raftctl }
check "the command that settles it: $outcome" \
	[ "${outcome%% *}" = outcome ]
"$raftsup" start 1,2,3 >/dev/null 2>&1
# shellcheck disable=SC2086
"$RAFTCTL" $outcome >"$dir/out" 2>"$dir/err"
settled=$?
case $settled in
0) check 'it was applied' [ "$("$RAFTCTL" get half)" = v ] ;;
1) check 'it was not' [ "$("$RAFTCTL" get half)" = u ] ;;
*) check "an outcome ($settled: $(cat "$dir/err"))" false ;;
esac

"$raftsup" kill 1,2 --hold >/dev/null
# A leader that is left alone answers until its lease runs out.
alone()
{
	"$raftsup" status -j | grep -q '"leader":0,'
}
await 'the last one leads no more' alone
expect 69 '' 'not applied within 5s: no leader' -t 5s get n
"$raftsup" stop >/dev/null
expect 69 '' "no cluster is running in $RAFTSUP_DIR*" get n

finish
