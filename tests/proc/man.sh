#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The manual pages: clean under mandoc's lint, no section missing, one
# sentence a line.

set -u
if ! command -v mandoc >/dev/null 2>&1; then
	echo 'skipped: mandoc is not installed (Debian package mandoc)'
	exit 77
fi
source=${RAFTSUP_SRCDIR:-.}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
	echo "$*"
	failed=1
}

check_page() {
	page=$1
	file=$(basename "$page")
	section=${file##*.}
	mandoc -T lint -W warning "$page" >"$work/lint" || :
	[ ! -s "$work/lint" ] || fail "$(cat "$work/lint")"
	wanted='NAME SYNOPSIS DESCRIPTION FILES EXAMPLES SEE.ALSO'
	case $section in
	1 | 8) wanted="$wanted EXIT.STATUS" ;;
	5) wanted='NAME DESCRIPTION FILES EXAMPLES SEE.ALSO' ;;
	esac
	for title in $wanted; do
		grep -Eq "^\\.Sh $title\$" "$page" ||
		    fail "$file: no section $title"
	done
	# Two sentences on one line of text (not in a macro or an example).
	awk -v file="$file" '
	/^\.Bd -literal/ { literal = 1 }
	/^\.Ed/ { literal = 0 }
	!literal && !/^\./ && /[a-z)][.] +[A-Z]/ {
		print file ":" FNR ": two sentences on a line"
	}' "$page" >"$work/lint"
	[ ! -s "$work/lint" ] || fail "$(cat "$work/lint")"
}

pages=0
for page in "$source"/man/*.[1-8]; do
	[ -f "$page" ] || continue
	pages=$((pages + 1))
	check_page "$page"
done
[ "$pages" -gt 0 ] || fail 'no manual page found'

# Can it fail?
{
	sed '/^\.Sh FILES/d' "$source/man/raftck.1"
	echo 'One sentence. Two sentences.'
} >"$work/raftck.1"
before=$failed
failed=0
check_page "$work/raftck.1" >"$work/self"
if [ "$failed" -eq 0 ] || [ "$(grep -c raftck.1 "$work/self")" -lt 2 ]; then
	before=1
	echo 'the test itself does not find what is wrong'
fi
exit "$before"
