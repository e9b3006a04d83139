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
exit "$failed"
