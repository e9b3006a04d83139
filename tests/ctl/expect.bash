# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of raftctl's behaviour share; sourced by them. RAFTCTL is
# the program under test.
#
#   expect STATUS STDOUT STDERR ARGUMENT ...   runs it once, standard input
#                                              is $IN (empty unless set)
#
# STDOUT and STDERR are texts with the escapes of printf %b; STDERR is
# without its "raftctl: " and newline, and "" means that nothing was said. A
# lone * stands for anything, a text that ends with * for what begins so.
# Compared byte by byte. finish ends the test.

set -u
RAFTCTL=${RAFTCTL:-$RAFTSUP_BUILDDIR/tests/ctl/raftctl_fake}
dir=$(mktemp -d "${TMPDIR:-/tmp}/raftctl-test.XXXXXX") || exit 99
trap 'rm -rf "$dir"' EXIT
export FAKE_RAFTSUP_STORE=$dir/store
export HOME=$dir XDG_STATE_HOME=$dir
unset RAFTSUP_DIR FAKE_RAFTSUP_OPEN FAKE_RAFTSUP_FAIL FAKE_RAFTSUP_WRONG
unset FAKE_RAFTSUP_NO_FD

ran=0 failed=0

# same WHAT WANTED FILE
same()
{
	case $2 in
	'*')
		return 0
		;;
	*'*')
		printf %b "${2%\*}" >"$dir/wanted"
		head -c "$(stat -c %s "$dir/wanted")" "$3" >"$dir/begin"
		cmp -s "$dir/wanted" "$dir/begin" && return 0
		;;
	*)
		printf %b "$2" >"$dir/wanted"
		cmp -s "$dir/wanted" "$3" && return 0
		;;
	esac
	echo "  $1 is:"
	sed 's/^/    /' "$3"
	echo "  wanted: $2"
	return 1
}

expect()
{
	local status=$1 out=$2 err=$3 got bad=0
	shift 3

	printf %b "${IN-}" >"$dir/in"
	"$RAFTCTL" "$@" <"$dir/in" >"$dir/out" 2>"$dir/err"
	got=$?
	ran=$((ran + 1))
	if [ -n "$err" ] && [ "$err" != '*' ]; then
		case $err in
		*'*') err="raftctl: $err" ;;
		*) err="raftctl: $err\n" ;;
		esac
	fi
	same "standard output" "$out" "$dir/out" || bad=1
	same "standard error" "$err" "$dir/err" || bad=1
	if [ "$got" -ne "$status" ]; then
		echo "  status is $got, wanted $status"
		bad=1
	fi
	if [ "$bad" -ne 0 ]; then
		echo "FAILED (line ${BASH_LINENO[0]}): raftctl $*"
		failed=$((failed + 1))
	fi
}

# check WHAT COMMAND ...: one more thing that must hold
check()
{
	local what=$1
	shift

	ran=$((ran + 1))
	if ! "$@"; then
		echo "FAILED (line ${BASH_LINENO[0]}): $what"
		failed=$((failed + 1))
	fi
}

finish()
{
	echo "$ran checks, $failed failed"
	[ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
	exit
}
