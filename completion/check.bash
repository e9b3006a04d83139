# SPDX-License-Identifier: BSD-2-Clause
#
# Completes words as a user would and compares what is offered.

set -u
failed=0
# The names of scenarios come from the program, the one that was built.
PATH=$RAFTSUP_BUILDDIR:$PATH
# shellcheck source=completion/raftsup.bash
source "$RAFTSUP_SRCDIR/completion/raftsup.bash" || exit 99

# offers EXPECTED PROGRAM WORD...: what completing the last word gives
offers() {
	local expected=$1 function got
	shift
	function=$(complete -p "$1") || failed=1
	function=${function#complete -F }
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	"${function% *}"
	got="${COMPREPLY[*]-}"
	if [ "$got" != "$expected" ]; then
		echo "$*: expected '$expected', got '$got'"
		failed=1
	fi
}

offers 'start status' raftsup sta
offers 'resume restart restore' raftsup res
offers 'start stop status' raftsup st
offers 'pause' raftsup -d x pau
offers 'power process' raftsup start --durability p
offers '--durability' raftsup start --d
offers '--durability' raftsup restore --du
offers '' raftsup start -n ''
offers '--hold --help' raftsup kill --h
offers 'leader' raftsup kill lea
offers 'KILL' raftsup kill leader -s K
offers 'info rpc' raftsup start --log ''
offers 'fast lab slow' raftsup scenario --timing ''
offers 'all all-but-two-fail' raftsup scenario al
offers 'append' raftctl app
offers '--stale' raftctl get --s
offers '' raftctl get ''
offers '' raftctl set s
offers '--read-index --raw' raftctl -t 5 get --r
offers '--node' raftctl --n
offers 'dump' raftnode d
offers '' raftnode dump --log ''
offers '--json' raftck --j
offers '--trace --trace-tla' raftsim --tr

# Directories.
cd "$RAFTSUP_SRCDIR" || exit 99
offers 'completion' raftck compl
offers 'completion' raftsup -d compl

# Every word that is offered is one that the program's usage text has.
cd "$RAFTSUP_BUILDDIR" || exit 99
for program in raftsup raftctl; do
	commands=_${program}_commands
	for command in ${!commands} ''; do
		usage=$("./$program" --help) || exit 99
		if [ "$program" = raftsup ] && [ -n "$command" ]; then
			usage+=$("./$program" "$command" --help) || exit 99
		fi
		for word in $command $("_${program}_options" "$command"); do
			case $word in
			--json | --help | --version | -d) continue ;;
			esac
			if [[ $usage != *[[:space:]\[\|]"$word"* ]]; then
				echo "$program $command: $word is not in its usage"
				failed=1
			fi
		done
	done
done
exit "$failed"
