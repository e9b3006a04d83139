# SPDX-License-Identifier: BSD-2-Clause
#
# Line mode: each row of INTERFACE's table, words and escapes, order and
# flushing with one and with many commands under way, the worst exit status,
# bad lines, broken pipes.

. "$RAFTSUP_SRCDIR/tests/ctl/expect.bash" || exit 99

# both STATUS STDIN STDOUT [ARGUMENT ...]: with -P 1, with -P 16, and with
# -P 16 and a library that can't give a descriptor to wait on
both()
{
	local status=$1 in=$2 out=$3
	shift 3

	rm -f "$FAKE_RAFTSUP_STORE"
	IN=$in expect "$status" "$out" '' "$@"
	rm -f "$FAKE_RAFTSUP_STORE"
	IN=$in expect "$status" "$out" '' -P 1 "$@"
	rm -f "$FAKE_RAFTSUP_STORE"
	IN=$in expect "$status" "$out" '' -P 16 "$@"
	rm -f "$FAKE_RAFTSUP_STORE"
	FAKE_RAFTSUP_NO_FD=1 IN=$in expect "$status" "$out" '' -P 16 "$@"
}

# ---- the table --------------------------------------------------------------

both 0 'set k v\nget k\nget absent\nnoop\nNO-OP\nsubmit 42\n' \
	'OK 2\nVALUE v\nNOT_FOUND\nOK 3\nOK 4\nOK 5\n'
both 0 'set a 1\nset b 2\ndel a absent b\ndel a\n' \
	'OK 2\nOK 3\nCOUNT 2\nCOUNT 0\n'
both 0 'cas k o n\nset k o\ncas k x n\ncas k o n\nget k\n' \
	'NOT_FOUND\nOK 3\nNOT_EQUAL\nOK 5\nVALUE n\n'
both 69 'incr n\nincr n -5\nset k v\nincr k\n' \
	'VALUE 1\nVALUE -4\nOK 4\nFAILED the value is not a 64-bit integer\n'
both 0 'append k ab\nappend k cde\nget k\n' 'LENGTH 2\nLENGTH 5\nVALUE abcde\n'
both 0 'set b 2\nset a 1\nset ab x\ncount\ncount a\nlist\nlist a\nlist zz\n' \
	'OK 2\nOK 3\nOK 4\nCOUNT 3\nCOUNT 2\nCOUNT 3\na\t1\nab\tx\nb\t2\nCOUNT 2\na\t1\nab\tx\nCOUNT 0\n'
both 0 'outcome 7 1\noutcome 7 101\n' 'APPLIED 1001\nNOT_APPLIED\n'
both 69 'outcome 8 1\n' 'FAILED no such session: expired or closed\n'
both 0 'set k v\nget --stale k\nget --read-index k\ncount --stale\nlist --read-index\n' \
	'OK 2\nVALUE v\nVALUE v\nCOUNT 1\nCOUNT 1\nk\tv\n'

# ---- failures, and the worst of them is the status --------------------------

both 69 'set fake:not-applied v\nset k v\n' \
	'FAILED no leader within the timeout\nOK 2\n'
both 69 'get fake:internal\n' 'FAILED a bug\n'
both 75 'set fake:maybe v\nset k v\n' \
	'UNKNOWN the leader was lost; settle it: raftctl outcome 7 1\nOK 2\n'
both 64 'set fake:usage v\n' 'INVALID bad request\n'
both 64 'nonsense\nset k v\n' 'INVALID unknown command nonsense*'
both 69 'what\nset fake:not-applied v\nwhat\n' '*'
both 75 'set fake:maybe v\nset fake:not-applied v\nwhat\n' '*'
both 75 'what\nset fake:not-applied v\nset fake:maybe v\n' '*'
both 69 'set fake:io v\nget k\n' 'FAILED the store failed\nNOT_FOUND\n'

# ---- words ------------------------------------------------------------------

both 0 'SET k v\nGeT k\nnO-oP\n' 'OK 2\nVALUE v\nOK 3\n'
both 0 '\n   \n# comment\n  # another\nset k v # not data\n\t\nget k\n' \
	'OK 2\nVALUE v\n'
both 0 "set 'a key' \"its value\"\nget a\\\\ key\nget 'a'\" \"key\n" \
	'OK 2\nVALUE its value\nVALUE its value\n'
both 0 'set k ""\nget k\n' 'OK 2\nVALUE \n'
both 0 'set \\x00\\n\\t\\\\ \\x7f\\xffz\nlist\nget \\x00\\n\\t\\\\\n' \
	'OK 2\nCOUNT 1\n\\x00\\n\\t\\\\\t\\x7f\0377z\nVALUE \\x7f\0377z\n'
both 0 'incr k -5\nset -- -k -v\nget -- -k\nset k -x\nget k' \
	'VALUE -5\nOK 3\nVALUE -v\nOK 4\nVALUE -x\n'
both 0 'set k last' 'OK 2\n'
both 0 '' ''
both 0 'se k v\ng k\n' '*'
both 0 'set 6b 00ff\nget 6b\nlist\n' 'OK 2\nVALUE 00ff\nCOUNT 1\n6b\t00ff\n' \
	--hex

# ---- transactions -----------------------------------------------------------

both 0 'set k v\ntxn\nif k = v\n\n# a comment\nTHEN\nset t 1\nget k\nEnd\nget t\n' \
	'OK 2\nTHEN 3 2\nOK 3\nVALUE v\nVALUE 1\n'
both 0 'txn\nif k exists\nthen\nelse\nincr n\nend\ntxn\nthen\nend\n' \
	'ELSE 2 1\nVALUE 1\nTHEN 3 0\n'
both 64 'txn\nfoo\nget k\nend\nget k\n' \
	'INVALID txn: unknown command foo*'
both 64 'txn\nthen\ntxn\nend\nset k v\n' \
	'INVALID txn: txn: it takes if, then, else, end, set, del, incr, append and get\nOK 2\n'
both 64 'set k v\ntxn\nthen\nget k\n' \
	'OK 2\nINVALID txn: there is no line `end`\n'
both 64 'txn\nthen\nset a\0000b v\nend\nset k v\n' \
	'INVALID txn: there is a zero byte in the line (write it as \\x00)\nOK 2\n'
both 64 'txn x\nset k v\n' 'INVALID txn: x is one word too many (usage: txn)\nOK 2\n'

# ---- bad lines --------------------------------------------------------------

both 64 'set k\n' \
	'INVALID set: VALUE is missing (usage: set [--ttl T] [--file FILE] KEY [VALUE])\n'
both 64 'set "k v\n' 'INVALID a " is not closed\n'
both 64 'set k \\q\n' 'INVALID unknown escape \\q*'
both 64 'set k \\x1\n' 'INVALID \\x needs two hexadecimal digits\n'
both 64 'set a\0000b v\nset k v\n' \
	'INVALID there is a zero byte in the line (write it as \\x00)\nOK 2\n'
both 64 'bench\nwatch\nlock x\n' \
	'INVALID bench is not available in line mode\nINVALID watch is not available in line mode\nINVALID lock is not available in line mode\n'
both 64 'get --raw k\nset --file x k\nget -j k\nset --ttl x k v\nset --ttl 5s k v\nget -d x k\n' \
	'INVALID get: --raw is not available in line mode\nINVALID set: --file is not available in line mode\nINVALID get: --json is not available in line mode\nINVALID set: --ttl: x is not a time from 1ms to 31536000s (units ns us ms s m)\nOK 2\nINVALID get: --dir is not available in line mode\n'
both 64 "get $(printf %0512d 0)\nget k\n" \
	'INVALID get: KEY has 512 bytes (1 to 511 are possible)\nNOT_FOUND\n'
both 64 'set k 6x\n' 'INVALID set: KEY: k is not*' --hex

# Many bad lines between good ones fill the window without being under way.
{
	for i in $(seq 500); do
		echo "bad$i"
	done
	echo 'set k v'
} >"$dir/in500"
for p in 1 3; do
	"$RAFTCTL" -P $p <"$dir/in500" >"$dir/out"
	check "500 bad lines, -P $p" [ $? -eq 64 ]
	check 'each has its answer' [ "$(grep -c ^INVALID "$dir/out")" -eq 500 ]
	check 'and the good one' [ "$(tail -n 1 "$dir/out" | cut -c 1-3)" = "OK " ]
done

# A value of the largest size fits, every byte escaped; a longer line does
# not, wherever its newline is, and the next line is read again.
rm -f "$FAKE_RAFTSUP_STORE"
{
	printf 'cas k '
	head -c 1048576 /dev/zero | sed 's/\x00/\\x01/g'
	printf ' '
	head -c 1048576 /dev/zero | sed 's/\x00/\\x02/g'
	printf '\nset k v\n'
} >"$dir/large"
"$RAFTCTL" <"$dir/large" >"$dir/out"
check 'the largest line' [ "$(head -n 1 "$dir/out")" = NOT_FOUND ]
rm -f "$FAKE_RAFTSUP_STORE"
for size in 8392000 9000000 30000000; do
	{
		echo 'set a 1'
		printf 'set k '
		head -c $size /dev/zero | tr '\0' x
		printf '\nset b 2\n'
	} >"$dir/large"
	for p in 1 16; do
		"$RAFTCTL" -P $p <"$dir/large" >"$dir/out"
		check "a line of $size bytes, -P $p" [ $? -eq 64 ]
		check 'its answer' [ "$(cut -c 1-20 "$dir/out")" = \
			"$(printf 'OK 2\nINVALID the line is \nOK 3' |
			cut -c 1-20)" ] ||
			cut -c 1-100 "$dir/out"
		rm -f "$FAKE_RAFTSUP_STORE"
	done
done
{
	printf 'set k '
	head -c 9000000 /dev/zero | tr '\0' x
} >"$dir/large"
"$RAFTCTL" <"$dir/large" >"$dir/out"
check 'a long last line without newline' [ $? -eq 64 ]
check 'has one answer' [ "$(grep -c . "$dir/out")" -eq 1 ]

# ---- order ------------------------------------------------------------------

# Slow ones are overtaken by others, and answered in their place.
for p in 1 2 16 512; do
	rm -f "$FAKE_RAFTSUP_STORE"
	for i in $(seq 60); do
		if [ $((i % 7)) -eq 0 ]; then
			echo "append slow$i $(printf %0*d $i 0)"
		elif [ $((i % 11)) -eq 0 ]; then
			echo "oops$i"
		else
			echo "append k$i $(printf %0*d $i 0)"
		fi
	done >"$dir/mixed"
	awk '{ if (/^oops/) print "INVALID"; else print "LENGTH " NR }' \
		"$dir/mixed" >"$dir/wanted"
	"$RAFTCTL" -P $p <"$dir/mixed" | sed 's/^INVALID.*/INVALID/' \
		>"$dir/out"
	check "order with -P $p" cmp "$dir/wanted" "$dir/out"
done

# A line sees what those before it did, and not what those after it do:
# "late" commands are carried out at the end of their time, newest first.
both 0 'get late\nset late 1\nget late\nset late 2\nget late\n' \
	'NOT_FOUND\nOK 2\nVALUE 1\nOK 3\nVALUE 2\n'
both 0 'set late1 x\ncount late\nset late2 y\nlist late\ncount latex\n' \
	'OK 2\nCOUNT 1\nOK 3\nCOUNT 2\nlate1\tx\nlate2\ty\nCOUNT 0\n'
both 0 'list late\nset late v\nget late\ndel late other\nget late\n' \
	'COUNT 0\nOK 2\nVALUE v\nCOUNT 1\nNOT_FOUND\n'

# What does not concern it is not waited for: 40 of 20 ms, all at once.
for i in $(seq 40); do
	echo "set slow$i v"
	echo "get slowother$i"
done >"$dir/in"
for try in 1 2 3 4 5 6 7 8; do
	start=$(date +%s%N)
	"$RAFTCTL" -P 128 <"$dir/in" >"$dir/out"
	together=$(($(date +%s%N) - start))
	start=$(date +%s%N)
	"$RAFTCTL" -P 1 <"$dir/in" >"$dir/out"
	alone=$(($(date +%s%N) - start))
	# On a busy machine that process may have got less of it.
	[ $together -ge $((alone / 2)) ] || break
done
check "together ($together ns) is faster than one by one ($alone ns)" \
	[ $together -lt $((alone / 2)) ]

# ---- answers come at once, while input goes on ------------------------------

for p in 1 16; do
	rm -f "$FAKE_RAFTSUP_STORE"
	coproc CTL { "$RAFTCTL" -P $p; }
	pid=$CTL_PID in=${CTL[1]} out=${CTL[0]}
	for i in 1 2 3; do
		echo "set slow $i" >&"$in"
		read -r -t 20 line <&"$out" || line=nothing
		check "an answer before the next line, -P $p" \
			[ "$line" = "OK $((i + 1))" ]
	done
	printf 'get slow' >&"$in"
	exec {in}>&-
	read -r -t 20 line <&"$out" || line=nothing
	check 'a last line without newline' [ "$line" = 'VALUE 3' ]
	wait "$pid"
	check 'ends well' [ $? -eq 0 ]
	unset FAKE_RAFTSUP_NO_FD
done

# ---- random bytes, there and back -------------------------------------------

head -c 3000 /dev/urandom >"$dir/random"
hex=$(od -An -v -tx1 "$dir/random" | tr -d ' \n')
escaped=$(echo "$hex" | sed 's/../\\x&/g')
rm -f "$FAKE_RAFTSUP_STORE"
echo "set k $escaped" | "$RAFTCTL" >"$dir/out"
"$RAFTCTL" get --raw k >"$dir/out"
check 'escapes in' cmp "$dir/random" "$dir/out"
echo 'get k' | "$RAFTCTL" | sed 's/^VALUE /set copy "/; s/$/"/' >"$dir/back"
# What is written is what can be read: quotes are the reader's affair.
sed -i 's/^set copy "//; s/"$//; s/["'"'"' #]/\\&/g; s/^/set copy /' "$dir/back"
"$RAFTCTL" <"$dir/back" >"$dir/out"
"$RAFTCTL" get --raw copy >"$dir/out"
check 'escapes out and in' cmp "$dir/random" "$dir/out"
[ "$("$RAFTCTL" --hex get 6b)" = "$hex" ]
check 'hex out' [ $? -eq 0 ]
printf 'set 6b %s\n' "$hex" | "$RAFTCTL" --hex >"$dir/out"
"$RAFTCTL" get --raw k >"$dir/out"
check 'hex in' cmp "$dir/random" "$dir/out"
check 'hex in JSON' [ "$("$RAFTCTL" -j get k)" = \
	"{\"result\":\"VALUE\",\"value_hex\":\"$hex\"}" ]

# ---- JSON, one object a line ------------------------------------------------

both 75 'set k v\nget k\nget x\nincr n\nlist\nbad\nset fake:maybe v\nappend k w\n' \
	'{"result":"OK","index":2}\n{"result":"VALUE","value":"v"}\n{"result":"NOT_FOUND"}\n{"result":"VALUE","number":1}\n{"result":"COUNT","count":2,"records":[{"key":"k","value":"v"},{"key":"n","value":"1"}]}\n{"result":"INVALID","error":"unknown command bad*' \
	-j

# ---- the world --------------------------------------------------------------

FAKE_RAFTSUP_OPEN=69 IN='set k v\n' expect 69 '' \
	'no cluster is running in /default (start one: raftsup start)'
FAKE_RAFTSUP_OPEN=77 expect 77 '' '*' -P 16
"$RAFTCTL" <"$dir" 2>"$dir/err"
check 'input that fails is 74' [ $? -eq 74 ]
check 'and says so' \
	[ "$(cat "$dir/err")" = \
	"raftctl: cannot read standard input: Is a directory" ]
echo 'set k v' | "$RAFTCTL" >/dev/full 2>"$dir/err"
check 'output that fails is 74' [ "${PIPESTATUS[1]}" -eq 74 ]
check 'and says so' grep -q '^raftctl: cannot write to standard output: ' \
	"$dir/err"
{
	yes 'set k v' | { "$RAFTCTL" -P 8 2>"$dir/err"; echo $? >"$dir/status"; }
} 2>/dev/null | head -n 1 >"$dir/out"
check 'a reader that goes away ends it: 74, or 75 with writes under way' \
	grep -qE '^7[45]$' "$dir/status"
check 'quietly' [ ! -s "$dir/err" ]

finish
