# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of scenario and torture share, beside tests/op/lib.sh: their
# clusters are made below TMPDIR, a directory of the test's. Sourced.

. "${RAFTSUP_SRCDIR:?}/tests/op/lib.sh"
TMPDIR=$W/tmp
export TMPDIR
mkdir "$TMPDIR" || exit 99

# By a file, so that grep does not find itself.
printf '%s' "$TMPDIR" >"$W/pattern"
has_processes() {
	grep -qsaF -f "$W/pattern" /proc/[0-9]*/cmdline
}

# What they leave behind: no directory, no process, no shared memory.
nothing_left() {
	[ -z "$(ls -A "$TMPDIR")" ] || fail "left in $TMPDIR: $(ls "$TMPDIR")"
	! has_processes || fail "a process of $TMPDIR is left"
}

# fails_and_keeps NAME MARK COMMAND...: nodes that do not start. It says so, as
# FAIL NAME: reason; MARK names what is kept, with the reason in it.
fails_and_keeps() {
	name=$1
	mark=$2
	shift 2
	mkdir "$W/bin" && cp "$BIN/raftsup" "$W/bin/raftsup" &&
	    cp /bin/false "$W/bin/raftnode" || exit 99
	expect 1 "$W/bin/raftsup" "$@"
	reason=$(sed -n "s/^FAIL $name: //p" "$W/out")
	case $reason in
	'raftsup start: exit status '*) ;;
	*) fail "$(cat "$W/out")" ;;
	esac
	kept=$(sed -n "s/^ *$mark  *//p" "$W/out")
	[ -e "$kept/raftsup.log" ] || fail "not kept: $kept"
	[ "$(cat "$kept/reason.txt")" = "$reason" ] ||
	    fail "$(cat "$kept/reason.txt")"
	rm -rf "$kept"
	nothing_left
}
