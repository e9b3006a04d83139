# SPDX-License-Identifier: BSD-2-Clause
#
# What --help says is what the manual page's SYNOPSIS says; and what is typed
# wrong gets one line and 64.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"

commands=$(sup --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$commands" | wc -l)" -ge 12 ] || fail "commands: $commands"

say "bad usage"
expect 64 sup
grep -q '^  start ' "$W/err" || fail "no commands listed"
expect 64 sup nonsense
one_line 'unknown command nonsense'
expect 64 sup statis
one_line 'did you mean status'
expect 64 sup st
one_line 'ambiguous: start, stop, status'
expect 64 sup start -n 8
one_line '-n: 8 is not a number from 1 to 7'
expect 64 sup start -n
one_line 'needs an argument'
expect 64 sup start --heartbeat 300ms
one_line '--heartbeat 300ms is too long'
expect 64 sup start --election-timeout 5-1s
expect 64 sup start --election-timeout 1ms
expect 64 sup start --lease 11s
one_line '--lease: 11s is not a time from 1ms to 10s'
expect 64 sup start --lease 50ms
expect 64 sup start --durability none
one_line '--durability: none is neither power nor process'
expect 64 sup start --clients 2000
expect 64 sup start --seed -1
expect 64 sup start -n 3 1,2
expect 64 sup start --bogus
one_line '--bogus is not an option'
expect 64 sup --bogus
one_line 'bogus'
expect 64 sup -d
one_line '-d needs a directory'
expect 64 sup status extra
one_line 'status:'
expect 64 sup kill
one_line 'kill: one list of nodes'
expect 64 sup loglevel
one_line 'loglevel: info or rpc'
[ ! -e "$D" ] || [ ! -e "$D/cluster.json" ] || fail "something was made"
expect 0 sup --version
grep -q '^raftsup [0-9]' "$W/out" || fail "no version"

say "help is the SYNOPSIS"
for c in $commands; do
	expect 0 sup "$c" --help
	cat "$W/out"
done | sed 's/^usage: /       /; s/^       raftsup/@/' | tr -s ' \n' ' ' |
    tr '@' '\n' | sed 's/^ *//; s/ *$//' >"$W/help"
if ! command -v mandoc >/dev/null 2>&1; then
	echo "skipped: mandoc is not installed (Debian package mandoc)"
	exit 77
fi
mandoc -Tascii -O width=400 "$RAFTSUP_SRCDIR/man/raftsup.8" | sed 's/.\x08//g' |
    sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' | sed '1d;$d' |
    sed 's/ | /|/g; s/^ *raftsup/@/' | tr -s ' \n' ' ' | tr '@' '\n' |
    sed 's/^ *//; s/ *$//' >"$W/page"
grep -q '^\[-d DIR\] start ' "$W/page" || fail "the page could not be read"
diff "$W/help" "$W/page" || fail "help (<) and page (>) differ"
exit 0
