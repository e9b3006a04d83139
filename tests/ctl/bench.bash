# SPDX-License-Identifier: BSD-2-Clause
#
# raftctl bench: what it does, prints and leaves behind.

. "$RAFTSUP_SRCDIR/tests/ctl/expect.bash" || exit 99

# bench STATUS ARGUMENT ...: JSON into $dir/out
bench()
{
	local status=$1 got
	shift

	"$RAFTCTL" bench -j "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	check "bench $* ends with $status" [ "$got" -eq "$status" ]
}

# field NAME: from $dir/out
field()
{
	sed -n "s/.*\"$1\":\([-0-9.e]*\).*/\1/p" "$dir/out"
}

# holds EXPRESSION: for awk
holds()
{
	check "$1" awk "BEGIN { exit !($1) }"
}

# ---- how many, and what is left ---------------------------------------------

bench 0 -n 1000
check 'ops' [ "$(field ops)" -eq 1000 ]
check 'errors' [ "$(field errors)" -eq 0 ]
check 'quiet' [ ! -s "$dir/err" ]
check 'all the names' grep -qE '^\{"ops":1000,"seconds":[0-9.e-]+,"ops_per_s":[0-9.e]+,"p50_us":[0-9.]+,"p90_us":[0-9.]+,"p99_us":[0-9.]+,"p999_us":[0-9.]+,"max_us":[0-9.]+,"errors":0,"errors_by_kind":\{"not_applied":0,"unknown":0,"not_found":0,"wrong_value":0,"other":0\}\}$' \
	"$dir/out"
holds "$(field p50_us) > 0 && $(field p50_us) <= $(field p90_us) && \
	$(field p90_us) <= $(field p99_us) && \
	$(field p99_us) <= $(field p999_us) && \
	$(field p999_us) <= $(field max_us)"
holds "$(field ops_per_s) > 0.99 * 1000 / $(field seconds)"
expect 0 '0\n' '' count

bench 0 -n 3000 -c 4 -P 16 -r 50 -s 20 --keep
check 'ops of all clients' [ "$(field ops)" -eq 3000 ]
expect 0 '50\n' '' count bench:
expect 0 '50\n' '' count
"$RAFTCTL" list bench: | awk -F '\t' 'length($2) != 20 { exit 1 }'
check 'their values have the size' [ $? -eq 0 ]
rm "$FAKE_RAFTSUP_STORE"

bench 0 --get -n 500 -c 2 -r 30 --keep
check 'reads' [ "$(field ops)" -eq 500 ]
expect 0 '30\n' '' count bench:
rm "$FAKE_RAFTSUP_STORE"
for size in 0 1 15 16 17 4K; do
	bench 0 --mix 1:1 -n 500 -P 8 -r 10 -s $size
	check "values of $size bytes" [ "$(field errors)" -eq 0 ]
done
bench 0 --mix 0:1 -n 10
bench 0 --mix 1:0 -n 10
expect 0 '0\n' '' count

# Other keys are not touched.
expect 0 '*' '' set bench:mine v
bench 0 -n 100 -r 5
expect 0 'v\n' '' get bench:mine

# ---- the distribution ends where the maximum is ----------------------------

bench 0 -n 100
check 'none unasked' [ "$(grep -c distribution "$dir/out")" -eq 0 ]
bench 0 -n 1000 --distribution
check 'thirteen points, rising' awk -F '"distribution":' '{
	count = split($2, n, /[^0-9.]+/)
	for (i = 4; i < count; i += 2)
		if (n[i] + 0 <= n[i - 2] + 0 || n[i + 1] + 0 < n[i - 1] + 0)
			exit 1
	exit !(count == 28 && n[count - 2] == 100 && n[count - 1] > 0) }' \
	"$dir/out"
check 'the last is the maximum' \
	grep -q "\[100.0,$(field max_us)[0-9.]*\]\]" "$dir/out"
expect 0 '*' '' bench -n 100 --distribution
check 'as text' grep -qE '^100\.00%   [0-9.]+ us$' "$dir/out"

# ---- time and rate ----------------------------------------------------------

bench 0 --time 60ms -c 2
holds "$(field ops) > 0 && $(field seconds) <= 60"
# 200 operations at 1000 a second end at 199 ms, and not earlier.
bench 0 --rate 1000 -n 200 -c 2 -P 4
check 'ops with a rate' [ "$(field ops)" -eq 200 ]
holds "$(field seconds) >= 0.199"

# ---- faults -----------------------------------------------------------------

FAKE_RAFTSUP_WRONG=1 bench 1 --get -n 100 -r 10
check 'a wrong value is an error' \
	grep -q '"ops":0,.*"errors":100,.*"wrong_value":100' "$dir/out"
FAKE_RAFTSUP_OPEN=69 bench 69 -n 10
check 'no cluster' [ "$(cat "$dir/err")" = "raftctl: bench: client 1 of 1: \
no cluster is running in /default (start one: raftsup start)" ]
FAKE_RAFTSUP_FAIL=69 bench 69 -n 10
check 'not applied' grep -q '"ops":0,.*"not_applied":10' "$dir/out"
FAKE_RAFTSUP_FAIL=75 bench 75 -n 10
check 'unknown' grep -q '"ops":0,.*"unknown":10' "$dir/out"
FAKE_RAFTSUP_FAIL=70 bench 70 -n 10
check 'other' grep -q '"ops":0,.*"other":10' "$dir/out"
FAKE_RAFTSUP_FAIL=69 bench 69 -n 1000000000 -t 20ms
check 'gives up' grep -q 'gave up: nothing succeeded for 3 timeouts' \
	"$dir/err"

# ---- an interrupt prints what was measured ----------------------------------

# Where 0.3 s is not enough to begin with it, another time is.
for time in 0.3 1 3 10 30; do
	"$RAFTCTL" bench -j --time 100 -c 2 >"$dir/out" 2>"$dir/err" &
	pid=$!
	sleep $time
	# A background job of a shell ignores SIGINT; SIGTERM is the same.
	kill -TERM $pid
	wait $pid
	status=$?
	[ "$(field ops)" != '' ] && [ "$(field ops)" -gt 0 ] && break
done
check 'an interrupt is no failure' [ $status -eq 0 ]
holds "$(field ops) > 0 && $(field seconds) < 100"
expect 0 '1\n' '' count

# ---- text -------------------------------------------------------------------

expect 0 'ops       100 (set; clients 1, pipeline 1, values of 100 bytes, 1000 keys)\nseconds *' \
	'' bench -n 100
expect 0 'ops       100 (9 get : 1 set; clients 2, pipeline 8, values of 10 bytes, 5 keys, 100000 ops/s wanted)\n*' \
	'' -P 8 bench --mix 9:1 -n 100 -c 2 -s 10 -r 5 --rate 100000
for name in ops seconds ops/s p50 p90 p99 p99.9 max errors; do
	check "$name is shown" grep -q "^$name  *[0-9]" "$dir/out"
done

# ---- bad usage --------------------------------------------------------------

expect 64 '' 'bench: --set, --get and --mix exclude each other' \
	bench --set --get
expect 64 '' 'bench: -n and --time exclude each other' bench -n 1 --time 1
expect 64 '' 'bench: --mix: 9 is not reads:writes, as in 9:1' bench --mix 9
expect 64 '' 'bench: --mix: 0:0 is neither reads nor writes' bench --mix 0:0
expect 64 '' 'bench: --mix, writes: x is not a number from 0 to 1000000' \
	bench --mix 1:x
expect 64 '' 'bench: -n: 0 is not a number from 1 to 1000000000000' bench -n 0
expect 64 '' 'bench: -c: 1025 is not a number from 1 to 1024' bench -c 1025
expect 64 '' 'bench: -P: 513 is not a number from 1 to 512' bench -P 513
expect 64 '' 'bench: -s: 1.5M is not a size from 0 to 1M (units K M G)' \
	bench -s 1.5M
expect 64 '' 'bench: -r: 0 is not a number from 1 to 100000000' bench -r 0
expect 64 '' 'bench: --rate: -1 is not a number*' bench --rate -1
expect 64 '' 'bench: --time: 0 is not a time*' bench --time 0
expect 64 '' 'bench: x is one word too many' bench x
expect 64 '' 'bench: --file and --hex are for commands with a VALUE' \
	--hex bench

finish
