# SPDX-License-Identifier: BSD-2-Clause
#
# One command per call: each row of INTERFACE's table, in each format; each
# exit status; options; bad input with its message.

. "$RAFTSUP_SRCDIR/tests/ctl/expect.bash" || exit 99

# ---- the table, as text -----------------------------------------------------

expect 0 'OK 2\n' '' set k v
expect 0 'v\n' '' get k
expect 0 'v' '' get --raw k
expect 1 '' 'not found' get absent
expect 0 'OK 3\n' '' noop
expect 0 'OK 4\n' '' submit 42
expect 0 'OK 5\n' '' submit 'a string'
expect 1 '0\n' '' del absent
expect 0 '1\n' '' del k
expect 0 'OK 8\n' '' set a 1
expect 0 'OK 9\n' '' set b 2
expect 0 '2\n' '' del a absent b
expect 1 '' 'not found' cas k old new
expect 0 'OK 12\n' '' set k old
expect 1 '' 'not equal' cas k other new
expect 0 'OK 14\n' '' cas k old new
expect 0 'new\n' '' get k
expect 0 '1\n' '' incr n
expect 0 '6\n' '' incr n 5
expect 0 '-4\n' '' incr n -10
expect 1 '' 'the value is not a 64-bit integer' incr k
expect 0 '9223372036854775807\n' '' incr big 9223372036854775807
expect 1 '' 'the sum is beyond 64 bits' incr big
expect 0 '6\n' '' append k two
expect 0 '3\n' '' append fresh one
expect 0 'newtwo\n' '' get k
expect 0 '4\n' '' count
expect 0 '1\n' '' count b
expect 0 '0\n' '' count nothing
expect 0 'big\t9223372036854775807\nfresh\tone\nk\tnewtwo\nn\t-4\n' '' list
expect 0 'big\t9223372036854775807\n' '' list b
expect 0 '' '' list nothing
expect 0 'APPLIED 1100\n' '' outcome 7 100
expect 1 'NOT_APPLIED\n' '' outcome 7 101
expect 69 '' 'no such session: expired or closed' outcome 8 1

# ---- reads ------------------------------------------------------------------

expect 0 'newtwo\n' '' get --stale k
expect 0 'newtwo\n' '' get --read-index k
expect 0 '1\n' '' count --stale b
expect 0 'fresh\tone\n' '' list --read-index f
expect 64 '' 'get: --stale and --read-index exclude each other' \
	get --stale --read-index k

# ---- any other answer -------------------------------------------------------

expect 69 '' 'no leader within the timeout' set fake:not-applied v
expect 69 '' 'no leader within the timeout' get fake:not-applied
expect 70 '' 'a bug' set fake:internal v
expect 74 '' 'the store failed' set fake:io v
expect 77 '' 'not yours' set fake:permission v
expect 64 '' 'bad request' set fake:usage v
expect 75 '' 'the leader was lost; settle it: raftctl outcome 7 1' \
	set fake:maybe v
expect 75 '' "the leader was lost; settle it: raftctl -d /x/y outcome 7 1" \
	-d /x/y set fake:maybe v
expect 75 '' \
	"the leader was lost; settle it: raftctl -d 'it'\\\\''s' outcome 7 1" \
	-d "it's" set fake:maybe v
expect 69 '' 'timed out' -t 10ms set never v

for code in 64 69 70 74 77; do
	FAKE_RAFTSUP_OPEN=$code expect $code '' \
		'no cluster is running in /x (start one: raftsup start)' \
		-d /x get k
done
FAKE_RAFTSUP_OPEN=12 expect 70 '' '*' get k
FAKE_RAFTSUP_OPEN=69 expect 69 \
	'{"result":"FAILED","error":"no cluster is running in /default (start one: raftsup start)"}\n' \
	'no cluster is running in /default (start one: raftsup start)' \
	-j get k

# ---- data that looks like options -------------------------------------------

expect 0 '*' '' set dash -x
expect 0 '-x\n' '' get dash
expect 0 '-5\n' '' incr minus -5
expect 0 '*' '' set -- --key --json
expect 0 '--json\n' '' get -- --key
expect 0 '1\n' '' -- del -- --key
expect 0 '*' '' set - value
expect 0 'value\n' '' get -
expect 0 '2\n' '' del - dash
expect 64 '' 'set: unknown option -x*' set -x v

# ---- bytes ------------------------------------------------------------------

expect 0 '*' '' set esc 'a\nb'
expect 0 'esc\ta\\\\nb\n' '' list esc
expect 0 '*' '' --hex set 0a095c007fff 0a095c007fff
expect 0 '\\n\\t\\\\\\x00\\x7f\0377\t\\n\\t\\\\\\x00\\x7f\0377\n' '' list $'\n'
expect 0 '0a095c007fff\n' '' get --hex 0A095C007FFF
expect 0 '0a095c007fff\t0a095c007fff\n' '' --hex list 0a
expect 0 '1\n' '' --hex count 0a09
expect 0 '1\n' '' --hex del 0a095c007fff
expect 64 '' 'get: KEY: 0a0 is not an even number of hexadecimal digits' \
	--hex get 0a0
expect 64 '' 'set: VALUE: zz is not an even number of hexadecimal digits' \
	--hex set 00 zz
expect 64 '' 'del: KEY: x\\ny is not an even number of hexadecimal digits' \
	del --hex 00 $'x\ny'

printf 'from\0a file\377' >"$dir/value"
expect 0 '*' '' set --file "$dir/value" file
expect 0 'from\0000a file\0377' '' get --raw file
expect 0 '*' '' --file "$dir/value" append file
expect 0 'from\0000a file\0377from\0000a file\0377' '' get --raw file
expect 0 '*' '' set file old
expect 0 '*' '' cas --file="$dir/value" file old
expect 0 'from\0000a file\0377\n' '' get file
expect 0 '*' '' submit --file "$dir/value"
IN='std\0000in' expect 0 '*' '' set --file - file
expect 0 'std\0000in' '' get --raw file
IN='' expect 0 '*' '' set --file - file
expect 0 '\n' '' get file
expect 0 '*' '' --hex set --file "$dir/value" 6b
expect 0 'from\0000a file\0377\n' '' get k
expect 64 '' 'set: x is one word too many*' set --file "$dir/value" k x
expect 64 '' 'set: KEY is missing*' set --file "$dir/value"
expect 74 '' 'set: cannot open /nonexistent/x: No such file or directory' \
	set --file /nonexistent/x k
expect 74 '' "set: cannot read $dir: Is a directory" set --file "$dir" k
expect 64 '' \
	'get: --file is for a VALUE (set, append, cas, submit)' \
	get --file x k
expect 64 '' '--file is for a VALUE of one command*' --file x
if [ "$(id -u)" -ne 0 ]; then
	chmod 0 "$dir/value"
	expect 77 '' "set: cannot open $dir/value: Permission denied" \
		set --file "$dir/value" k
	chmod 600 "$dir/value"
fi

# ---- sizes ------------------------------------------------------------------

key=$(printf %0511d 0)
expect 0 '*' '' set "$key" v
expect 0 'v\n' '' get "$key"
expect 0 "$key\tv\n" '' list "$key"
expect 64 '' 'set: KEY has 512 bytes (1 to 511 are possible)' set "0$key" v
expect 64 '' 'del: KEY has 512 bytes (1 to 511 are possible)' del k "0$key"
expect 64 '' 'list: PREFIX has 512 bytes (0 to 511 are possible)' \
	list "0$key"
expect 64 '' 'get: KEY has 0 bytes (1 to 511 are possible)' get ''
head -c 1048576 /dev/zero | tr '\0' x >"$dir/value"
expect 0 '*' '' set --file "$dir/value" large
expect 0 "$(cat "$dir/value")\n" '' get large
expect 1 '' 'the value would be longer than 1 MiB' append large x
printf x >>"$dir/value"
expect 64 '' "set: $dir/value has more than 1048576 bytes" \
	set --file "$dir/value" large
"$RAFTCTL" set --file - large <"$dir/value" 2>"$dir/err"
check 'standard input that is too large' [ $? -eq 64 ]
check 'and its message' \
	[ "$(cat "$dir/err")" = \
	"raftctl: set: standard input has more than 1048576 bytes" ]

# ---- a list in pages (three records each) -----------------------------------

for i in 7 3 5 1 6 2 4; do
	"$RAFTCTL" set page:$i $i >/dev/null
done
expect 0 'page:1\t1\npage:2\t2\npage:3\t3\npage:4\t4\npage:5\t5\npage:6\t6\npage:7\t7\n' \
	'' list page:
expect 0 '7\n' '' count page:

# ---- JSON -------------------------------------------------------------------

rm "$FAKE_RAFTSUP_STORE"
expect 0 '{"result":"OK","index":2}\n' '' -j set k v
expect 0 '{"result":"OK","index":3}\n' '' --json noop
expect 0 '{"result":"OK","index":4}\n' '' -j submit x
expect 0 '{"result":"VALUE","value":"v"}\n' '' -j get k
expect 0 '{"result":"VALUE","value":"v"}\n' '' get -j k
expect 0 '{"result":"VALUE","value_hex":"76"}\n' '' -j get --hex 6b
expect 1 '{"result":"NOT_FOUND"}\n' '' -j get absent
expect 1 '{"result":"NOT_FOUND"}\n' '' -j cas absent a b
expect 1 '{"result":"NOT_EQUAL"}\n' '' -j cas k a b
expect 0 '{"result":"OK","index":7}\n' '' -j cas k v w
expect 0 '{"result":"VALUE","number":7}\n' '' -j incr n 7
expect 1 '{"result":"FAILED","error":"the value is not a 64-bit integer"}\n' \
	'the value is not a 64-bit integer' -j incr k
expect 0 '{"result":"LENGTH","length":2}\n' '' -j append k x
expect 0 '{"result":"COUNT","count":2}\n' '' -j count
expect 0 '*' '' --hex set ff c3a400
expect 0 '*' '' --hex set c3a4 c3
expect 0 '{"result":"COUNT","count":4,"records":[{"key":"k","value":"wx"},{"key":"n","value":"7"},{"key":"\xc3\xa4","value_hex":"c3"},{"key_hex":"ff","value":"\xc3\xa4\\u0000"}]}\n' \
	'' -j list
expect 0 '{"result":"COUNT","count":0,"records":[]}\n' '' -j list nothing
expect 0 '{"result":"COUNT","count":1}\n' '' -j del k
expect 1 '{"result":"COUNT","count":0}\n' '' -j del k
expect 0 '{"result":"APPLIED","index":1005}\n' '' -j outcome 7 5
expect 1 '{"result":"NOT_APPLIED"}\n' '' -j outcome 7 500
expect 75 '{"result":"UNKNOWN","error":"the leader was lost; settle it: raftctl outcome 7 1","session":7,"sequence":1}\n' \
	'the leader was lost; settle it: raftctl outcome 7 1' \
	-j set fake:maybe v
expect 64 '{"result":"INVALID","error":"bad\\nrequest"}\n' 'bad request' \
	-j set fake:usage v

# ---- commands ---------------------------------------------------------------

expect 0 '*' '' SET k v
expect 0 '*' '' No-Op
expect 0 'v\n' '' g k
expect 0 '1\n' '' coun k
expect 64 '' 'command s is ambiguous: set, submit' s k v
expect 64 '' 'unknown command sett: did you mean set?' sett k v
expect 64 '' 'unknown command xyzzyxyzzy' xyzzyxyzzy
expect 64 '' 'unknown command a\\nb*' $'a\nb'

# ---- a life, transactions, watches, locks -----------------------------------

expect 0 '*' '' set --ttl 5 k v
expect 0 '*' '' set --ttl=250ms k v
expect 64 '' 'set: --ttl: 1us is not a time from 1ms to*' set --ttl 1us k v
expect 64 '' 'set: --ttl: x is not a time*' set --ttl x k v
expect 64 '' 'get: unknown option --ttl*' get --ttl 5 k

txn='if k = v\nif k != w\nif k exists\nif t absent\nif k index < 999\n'
txn=$txn'then\nset t 1\nincr n 2\nappend k x\nget k\ndel t t2\nget t\n'
txn=$txn'else\nget k\nend\n'
expect 0 '1\n' '' del n
IN=$txn expect 0 'THEN *' '' txn
check 'answers of THEN' [ "$(sed '1d;2s/ [0-9]*$//' "$dir/out" | tr '\n' ,)" = \
	OK,VALUE\ 2,LENGTH\ 2,VALUE\ vx,COUNT\ 1,NOT_FOUND, ]
IN=$txn expect 1 'ELSE *' '' txn
check 'answers of ELSE' [ "$(sed 1d "$dir/out")" = 'VALUE vx' ]
IN='then\nget k' expect 0 '{"result":"THEN","index":*' '' -j txn
check 'answers in JSON' grep -q \
	'"count":1,"answers":\[{"result":"VALUE","value":"vx"}\]}$' "$dir/out"
IN='if 6b = 7678\nthen\nget 6b\nend' \
	expect 0 'THEN *' '' --hex txn
IN='' expect 64 '' 'txn: there is no line `then`' txn
IN='then\nthen\n' expect 64 '' 'txn: there are two lines `then`' txn
IN='else\n' expect 64 '' 'txn: `else` stands once, behind `then`' txn
IN='then\nelse\nelse\n' expect 64 '' 'txn: `else` stands once*' txn
IN='then\nif k exists\n' expect 64 '' 'txn: `if` stands before `then`' txn
IN='set k v\nthen\n' expect 64 '' 'txn: set: it stands before `then`' txn
IN='if k ~ v\nthen\n' expect 64 '' 'txn: if KEY = VALUE, != VALUE,*' txn
IN='if k index < x\nthen\n' expect 64 '' 'txn: index: x is not a*' txn
IN='then\ncas k v w\n' expect 64 '' 'txn: cas: it takes if, then,*' txn
IN='then\nset k\n' expect 64 '' 'txn: set: VALUE is missing*' txn
IN='then\nset "k v\n' expect 64 '' 'txn: a " is not closed' txn
IN='then\nset k v\nend\n\n# that is all\n' expect 0 'THEN *' '' txn
IN='then\nset k v\nend\n\nset k w\nif\n' expect 64 '' \
	'txn: line 5: set stands behind `end`' txn
IN='then\nend\nend' expect 64 '' 'txn: line 3: end stands behind*' txn
IN='then\nend\n"' expect 64 '' 'txn: line 3 stands behind `end`' txn
# Who keeps the pipe open waits for the answer all the same.
coproc TXN { "$RAFTCTL" txn; }
pid=$TXN_PID in=${TXN[1]} out=${TXN[0]}
printf 'then\nset k v\nend\n' >&"$in"
line=
read -r -t 60 line <&"$out"
check 'the answer to `end`' [ "${line%% *}" = THEN ]
exec {in}>&-
wait "$pid"
IN='then\nnonsense\n' expect 64 '' 'txn: unknown command nonsense*' txn
IN="then\n$(for i in $(seq 129); do echo 'get k\n'; done)" \
	expect 64 '' 'txn: more than 128 operations' txn
expect 64 '' 'txn: x is one word too many (usage: txn)' txn x

watched='SET\t5\tk\\n\tv\nDEL\t6\tk\\n\nEXPIRE\t7\tk\0377\n'
expect 69 "$watched" 'no answer; go on with: raftctl watch --from 8' watch
expect 69 "$watched" '*' watch --from 5 k
expect 69 '*' '*' --hex watch 6b
check 'events in hex' grep -q "^SET	5	6b0a	76$" "$dir/out"
expect 69 '{"event":"SET","index":5,"key":"k\\n","value":"v"}\n{"event":"DEL","index":6,"key":"k\\n"}\n{"event":"EXPIRE","index":7,"key_hex":"6bff"}\n*' \
	'*' -j watch
expect 1 '' 'compacted: events from 5 on are available' watch --from 1
expect 64 '' 'watch: --from: 0 is not a number from 1 to 9223372036854775807' \
	watch --from 0
expect 64 '' 'watch: b is one word too many*' watch a b

expect 0 '*' '' lock demo -- sh -c 'echo $RAFTSUP_FENCE'
first=$(cat "$dir/out")
expect 3 '*' '' lock demo sh -c 'echo $RAFTSUP_FENCE; exit 3'
check 'a larger fencing number' [ "$(cat "$dir/out")" -gt "$first" ]
expect 143 '' '' lock --ttl 1 demo -- sh -c 'kill $$'
expect 127 '' 'lock: nosuch: No such file or directory' lock demo -- nosuch
expect 0 '' '' list lock:
expect 0 '*' '' set lock:taken somebody
expect 69 '' 'lock: not got: *' -t 50ms lock taken -- true
expect 64 '' 'lock: NAME is missing*' lock
expect 64 '' 'lock: COMMAND is missing*' lock x
expect 64 '' 'lock: COMMAND is missing*' lock x --
expect 64 '' 'lock: NAME has 0 bytes (1 to 506 are possible)' lock '' true
expect 64 '' 'lock: --ttl: 1ms is not a time from 100ms to*' \
	lock --ttl 1ms x -- true
expect 64 '' 'lock: -j, --hex, --file and -P are not for lock' -j lock x true
FAKE_RAFTSUP_OPEN=69 expect 69 '' 'lock: no cluster is running*' lock x true

# ---- bad usage --------------------------------------------------------------

expect 64 '' 'set: KEY is missing (usage: set [--ttl T] [--file FILE] KEY [VALUE])' set
expect 64 '' 'set: VALUE is missing (usage: set [--ttl T] [--file FILE] KEY [VALUE])' \
	set k
expect 64 '' \
	'set: w is one word too many (usage: set [--ttl T] [--file FILE] KEY [VALUE])' \
	set k v w
expect 64 '' 'del: KEY is missing (usage: del KEY ...)' del
expect 64 '' 'noop: x is one word too many (usage: noop)' noop x
expect 64 '' 'cas: NEW is missing*' cas k old
expect 64 '' 'incr: BY: 1.5 is not a number from -9223372036854775808 to 9223372036854775807' \
	incr k 1.5
expect 64 '' 'incr: BY: 9223372036854775808 is not*' \
	incr k 9223372036854775808
expect 64 '' 'outcome: SESSION: 0 is not a number from 1 to 18446744073709551615' \
	outcome 0 1
expect 64 '' 'outcome: SEQUENCE: x is not*' outcome 1 x
expect 64 '' '--timeout: 0 is not a time from 1ms to 3600s (units ns us ms s m)' \
	-t 0 get k
expect 64 '' '--timeout: soon is not*' --timeout=soon get k
expect 64 '' 'get: --timeout: 2h is not*' get -t 2h k
expect 64 '' '--node: 33 is not a number from 1 to 32' --node 33 get k
expect 64 '' '--node: 0 is not a number from 1 to 32' --node=0 get k
expect 64 '' '-P: 0 is not a number from 1 to 512' -P 0
expect 64 '' '-P: 513 is not a number from 1 to 512' -P513
expect 64 '' '-P is for bench and for commands from standard input, not for get' \
	-P 4 get k
expect 64 '' '--dir: nothing is not a directory' -d '' get k
expect 64 '' '--dir: its argument is missing' --dir
expect 64 '' '-d: its argument is missing' -jd
expect 64 '' '--json takes no argument' --json=1 get k
expect 64 '' 'unknown option --jsn: did you mean --json?' --jsn get k
expect 64 '' 'unknown option --quxquux' --quxquux get k
expect 64 '' 'unknown option -z*' -z
expect 64 '' 'get: unknown option --rax: did you mean --raw?' get --rax k

# ---- help, version, output --------------------------------------------------

expect 0 'usage: raftctl*' '' --help
expect 0 'usage: raftctl*' '' -jh
expect 0 'usage: raftctl get [--stale | --read-index] [--raw] KEY\n' '' \
	get --help
expect 0 'usage: raftctl bench*' '' bench --help
expect 0 'raftctl *' '' --version
"$RAFTCTL" get k >/dev/full 2>"$dir/err"
check 'a full disk is 74' [ $? -eq 74 ]
check 'and says so' grep -q '^raftctl: cannot write to standard output: ' \
	"$dir/err"
"$RAFTCTL" --help >/dev/full 2>/dev/null
check 'for the usage too' [ $? -eq 74 ]
{
	"$RAFTCTL" list 2>"$dir/err"
	echo $? >"$dir/status"
} | sh -c 'exec 0<&-; while ! [ -s "$1" ]; do sleep 0.01; done' sh \
	"$dir/status" 2>/dev/null
check 'a reader that goes away is quiet' [ ! -s "$dir/err" ]

finish
