#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The SYNOPSIS of each program's manual page is what the program says with
# --help; and each program has a page.

set -u
if ! command -v mandoc >/dev/null 2>&1; then
	echo 'skipped: mandoc is not installed (Debian package mandoc)'
	exit 77
fi
source=${RAFTSUP_SRCDIR:-.}
build=${RAFTSUP_BUILDDIR:-.}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
backspace=$(printf '\b')
failed=0

fail() {
	echo "$*"
	failed=1
}

# synopsis PAGE: its forms, one a line, blanks squeezed; empty for none
synopsis() {
	mandoc -T ascii -O width=500 "$1" | sed "s/.$backspace//g" |
	    awk '/^[A-Z]/ { on = $0 == "SYNOPSIS"; next } on && NF > 0' |
	    tr -s ' \t\n' ' ' | sed 's/ | /|/g'
}

# usage PROGRAM: the same from --help
usage() {
	case $1 in
	raftsup)
		# Each command has a usage of its own.
		"$build/raftsup" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' |
		    while read -r command; do
			"$build/raftsup" "$command" --help
		done
		;;
	*) "$build/$1" --help ;;
	esac | sed 's/^usage://' | tr -s ' \t\n' ' ' | sed 's/ | /|/g'
}

check_synopsis() {
	page=$1
	program=$2
	if [ ! -x "$build/$program" ]; then
		fail "$program was not built"
		return
	fi
	synopsis "$page" >"$work/synopsis"
	usage "$program" >"$work/usage"
	[ -s "$work/usage" ] || fail "$program --help says nothing"
	if ! cmp -s "$work/synopsis" "$work/usage"; then
		fail "$program: SYNOPSIS and usage differ"
		# A form a line, to see where.
		for what in synopsis usage; do
			sed "s/ $program /\\n$program /g" "$work/$what" |
			    sed 's/ *$//; /^$/d' >"$work/$what.lines"
		done
		diff "$work/synopsis.lines" "$work/usage.lines"
	fi
}

for page in raftsup.8 raftnode.8 raftctl.1 raftck.1 raftsim.1; do
	if [ -f "$source/man/$page" ]; then
		check_synopsis "$source/man/$page" "${page%.*}"
	else
		fail "there is no man/$page"
	fi
done

# Can it fail?
before=$failed
sed 's/^\.Op Fl j$/.Op Fl z/' "$source/man/raftck.1" >"$work/raftck.1"
failed=0
check_synopsis "$work/raftck.1" raftck >"$work/self"
if [ "$failed" -eq 0 ]; then
	before=1
	echo 'the test itself does not find what is wrong'
fi
exit "$before"
