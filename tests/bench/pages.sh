# SPDX-License-Identifier: BSD-2-Clause
#
# The same lines give the same tables and plots, byte by byte: expected/ holds
# what run.lines gives (make check UPDATE=1 rewrites it). Lines that run.sh
# does not write are refused.

set -u
dir=$(mktemp -d "${TMPDIR:-/tmp}/raftsup-pages.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
report=$RAFTSUP_BUILDDIR/tests/bench/bench_report
here=$RAFTSUP_SRCDIR/tests/bench
failed=0

"$report" gather "$here/run.lines" "$dir/bench.json" || exit 1
mkdir "$dir/bench"
"$report" pages "$dir/bench.json" "$dir/bench/BENCHMARKS.md" "$dir/bench" ||
    exit 1
for name in BENCHMARKS.md latency.svg throughput.svg failover.svg; do
	if [ "${UPDATE:-}" = 1 ]; then
		mkdir -p "$here/expected"
		cp "$dir/bench/$name" "$here/expected/$name"
	fi
	diff -u "$here/expected/$name" "$dir/bench/$name" || failed=1
done

# refused NUMBER WHAT LINE: as the last of the lines
refused() {
	printf '%s\n' "$3" | cat "$here/run.lines" - >"$dir/lines"
	"$report" gather "$dir/lines" "$dir/none.json" 2>"$dir/err"
	if [ $? -ne 74 ] || ! grep -q "line $1: $2" "$dir/err"; then
		echo "FAILED: $3: $(cat "$dir/err")"
		failed=1
	fi
}
last=$(($(wc -l <"$here/run.lines") + 1))
refused $last '' 'no JSON'
refused $last 'no kind' '{}'
refused $last 'kind wish' '{"kind":"wish"}'
refused $last 'a sample without' '{"kind":"sample","round":1}'
: >"$dir/lines"
"$report" gather "$dir/lines" "$dir/none.json" 2>"$dir/err"
if [ $? -ne 74 ] || ! grep -q 'no machine' "$dir/err"; then
	echo 'FAILED: nothing at all'
	failed=1
fi
[ ! -e "$dir/none.json" ] || failed=1

# compared STATUS WHAT METRIC BASE,NEW ...: a round for each pair
compared() {
	wanted=$1 what=$2 metric=$3 round=0
	shift 3
	echo '{"kind":"machine"}' >"$dir/lines"
	for pair; do
		round=$((round + 1))
		for side in "base:s ${pair%,*}" "new:s ${pair#*,}"; do
			printf '{"kind":"sample","round":%d,"system":"%s",' \
			    "$round" "${side% *}"
			printf '"figure":"f","%s":%s}\n' "$metric" "${side#* }"
		done
	done >>"$dir/lines"
	"$report" compare "$dir/lines" >"$dir/table"
	if [ $? -ne "$wanted" ] ||
	    ! grep -q "^| s, f, $metric |.*$what" "$dir/table"; then
		echo "FAILED: compare $metric $*, wanted $wanted"
		cat "$dir/table"
		failed=1
	fi
}
compared 0 ' 100.0 | 102.0 | 1.020 | 1.020 to 1.020 |  |' instructions 100,102
compared 1 '| 1.040 to 1.040 | worse |' instructions 100,104
compared 0 ' 50.0 | 60.0 | 1.200 | 1.000 to 1.400 |  |' p50_us \
    50,60 50,50 50,70
compared 1 '| 1.200 to 1.600 | worse |' p50_us 50,60 50,80
compared 0 '| 2.000 to 2.000 |  |' ops_per_s 1000,2000
compared 0 '| 0.500 to 0.950 |  |' ops_per_s 1000,500 100,95
compared 1 '| 0.500 to 0.800 | worse |' ops_per_s 1000,500 100,80
exit "$failed"
