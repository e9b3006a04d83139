#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Every example of the README, the course and the manual pages is run, on a cluster of
# its own, in a directory of its own.
#
# README.md, docs/COURSE.md: the ```console blocks, in order, in one shell. Manual pages: the
# literal displays of EXAMPLES. A line that begins with "$ " is a command (a
# line after a trailing backslash goes on with it); what follows, up to the
# next one, is its output. Digits, roles and absolute paths are not compared;
# nothing is, behind a comment "output varies" or when the page shows none.
# A command must end with 0, unless it shows its status itself (echo $?).

set -u
source=${RAFTSUP_SRCDIR:-.}
build=${RAFTSUP_BUILDDIR:-.}
work=$(mktemp -d) || exit 99
# A page takes up to 15 s, some five times that with sanitizers; and then the
# machine may be busy. What hangs is the last example that was run.
time_max=180
unset RAFTSUP_DIR XDG_STATE_HOME NO_COLOR
export LC_ALL=C HOME="$work"
failed=0

# Whatever cluster an example has left running.
stop() {
	for file in "$work"/*/cluster.json; do
		[ ! -f "$file" ] || "$build/raftsup" stop -d "${file%/*}" \
		    >/dev/null 2>&1
	done
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 99' HUP INT PIPE TERM

# blocks FILE: "COMMAND text", "OUTPUT text", "VARIES" and "END" lines
blocks_md() {
	awk '
	/^<!-- output varies -->$/ { varies = 1; next }
	/^```console$/ { on = 1; if (varies) print "VARIES"; next }
	on && /^```$/ { on = 0; varies = 0; print "END"; next }
	on && more { print "MORE " $0; more = /\\$/; next }
	on && /^\$ / { print "COMMAND " substr($0, 3); more = /\\$/; next }
	on { print "OUTPUT " $0 }' "$1"
}

blocks_man() {
	awk '
	/^\.Sh / { examples = /^\.Sh EXAMPLES/ }
	/^\.\\" output varies$/ { varies = 1; next }
	examples && /^\.Bd -literal/ { on = 1; if (varies) print "VARIES"; next }
	on && /^\.Ed/ { on = 0; varies = 0; print "END"; next }
	on { gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\-/, "-") }
	on && more { print "MORE " $0; more = /\\$/; next }
	on && /^[$#] / { print "COMMAND " substr($0, 3); more = /\\$/; next }
	on { print "OUTPUT " $0 }' "$1"
}

# script: blocks -> a shell script that runs them and keeps what they say
script() {
	awk -v quote="'" '
	function finish() {
		if (command == "") {
			return
		}
		gsub(quote, quote "\\" quote quote, command)
		printf "run %d %s%s%s\n", count, quote, command, quote
		command = ""
	}
	/^COMMAND / {
		finish()
		command = substr($0, 9)
		count++
		varies_at[count] = varies
		if (varies) print ": >varies." count
		next
	}
	/^MORE / { command = command "\n" substr($0, 6); next }
	/^OUTPUT / {
		text = substr($0, 8)
		gsub(quote, quote "\\" quote quote, text)
		printf "echo %s%s%s >>expected.%d\n", quote, text, quote, count
		next
	}
	/^VARIES$/ { finish(); varies = 1; next }
	/^END$/ { finish(); varies = 0 }'
}

# What is compared of a line.
plain() {
	sed -E -e 's,/[^ :"]*,PATH,g' -e 's/[0-9]+/N/g' \
	    -e 's/(pre)?candidate|leader|follower/ROLE/g' \
	    -e 's/  +/ /g' -e 's/ +$//'
}

# run_page NAME: what is in $dir/blocks
run_page() {
	script <"$dir/blocks" >"$dir/commands"
	cat >"$dir/run.sh" <<'END'
last=0
status() { return "$last"; }
run() {
	printf '%s\n' "$2" >"command.$1"
	status
	eval "$2" >"output.$1" 2>&1
	last=$?
	echo "$last" >"status.$1"
}
END
	cat "$dir/commands" >>"$dir/run.sh"
	(cd "$dir" && timeout "$time_max" sh ./run.sh </dev/null)
	if [ $? -eq 124 ]; then
		echo "$1: the examples took longer than $time_max s"
		failed=1
	fi
	i=1
	while [ -f "$dir/command.$i" ]; do
		check_one "$1" "$i"
		i=$((i + 1))
	done
	ran=$((i - 1))
	wanted=$(grep -c '^COMMAND ' "$dir/blocks")
	if [ "$ran" -ne "$wanted" ]; then
		echo "$1: $ran of $wanted examples were run"
		failed=1
	fi
	echo "$1: $ran examples"
}

check_one() {
	command=$(cat "$dir/command.$2")
	next=$(cat "$dir/command.$(($2 + 1))" 2>/dev/null)
	status=$(cat "$dir/status.$2" 2>/dev/null)
	bad=0
	case $next in
	'echo $?') ;;
	*) [ "${status:-99}" -eq 0 ] || bad=1 ;;
	esac
	if [ -f "$dir/expected.$2" ] && [ ! -f "$dir/varies.$2" ]; then
		plain <"$dir/expected.$2" >"$dir/want"
		plain <"$dir/output.$2" >"$dir/have"
		cmp -s "$dir/want" "$dir/have" || bad=1
	fi
	[ "$bad" -ne 0 ] || return 0
	failed=1
	echo "$1: \$ $command"
	echo "exit ${status:-none}; it says:"
	cat "$dir/output.$2"
	[ ! -f "$dir/expected.$2" ] || [ -f "$dir/varies.$2" ] || {
		echo 'and should say:'
		cat "$dir/expected.$2"
	}
}

# begin NAME [start]: a directory with the programs; a cluster
begin() {
	dir=$work/$1
	mkdir "$dir" || exit 99
	for program in raftsup raftnode raftctl raftck raftsim; do
		[ ! -x "$build/$program" ] ||
		    ln -s "$build/$program" "$dir/$program"
	done
	RAFTSUP_DIR=$work/cluster
	PATH=$dir:$old_path
	export RAFTSUP_DIR PATH
	[ "${2:-}" != start ] || "$build/raftsup" start -n 3 >"$dir/start" 2>&1 || {
		cat "$dir/start"
		exit 99
	}
}

end() {
	stop
	rm -rf "${work:?}"/*/
}

# run_c PAGE NAME: the C of its EXAMPLES as the body of a main.
run_c() {
	begin "$2" start
	{
		printf '#include <%s.h>\n' err stdio stdlib string sysexits
		echo '#include "raftsup.h"'
		echo 'int main(void) {'
		blocks_man "$1" | sed -n 's/^OUTPUT //p'
		echo 'return 0; }'
	} >"$dir/example.c"
	if ! "${CC:-cc}" -std=gnu11 -Wall -Werror -I"$source/src/client" \
	    -c -o "$dir/example.o" "$dir/example.c"; then
		echo "$2: its example does not compile"
		failed=1
	elif grep -q '^ *\$ .*--with-sanitizer=[^n]' "$build/config.log"; then
		echo "$2: compiled, not run: the library has a sanitizer"
	elif ! "${CC:-cc}" -o "$dir/example" "$dir/example.o" \
	    "$build/.libs/libraftsup.so" ||
	    ! LD_LIBRARY_PATH="$build/.libs" timeout "$time_max" \
	    "$dir/example" >"$dir/have"; then
		echo "$2: its example does not run"
		failed=1
	else
		echo "$2: compiled and run"
	fi
	end
}

old_path=$PATH
build=$(cd "$build" && pwd) || exit 99

begin README
blocks_md "$source/README.md" >"$dir/blocks"
run_page README.md
end
begin COURSE
blocks_md "$source/docs/COURSE.md" >"$dir/blocks"
run_page COURSE.md
end
for page in "$source"/man/*.[1-8]; do
	name=$(basename "$page")
	case $name in
	*.3)
		run_c "$page" "$name"
		continue
		;;
	esac
	blocks_man "$page" >"$work/blocks"
	if ! grep -q '^COMMAND ' "$work/blocks"; then
		echo "$name: no example begins with \"$ \""
		failed=1
		continue
	fi
	case $(grep -m 1 '^COMMAND ' "$work/blocks") in
	'COMMAND raftsup start'*) begin "$name" ;;
	*) begin "$name" start ;;
	esac
	mv "$work/blocks" "$dir/blocks"
	run_page "$name"
	end
done

# Can it fail? A wrong output, a wrong status, a command that is missing.
before=$failed
failed=0
begin self
printf '%s\n' 'COMMAND echo yes' 'OUTPUT no' 'END' >"$dir/blocks"
run_page self >"$work/self.1"
wrong_output=$failed
end
failed=0
begin self
printf '%s\n' 'COMMAND false' 'COMMAND true' 'END' >"$dir/blocks"
run_page self >"$work/self.2"
if [ "$wrong_output" -ne 1 ] || [ "$failed" -ne 1 ]; then
	echo 'the test itself does not find what is wrong'
	before=1
fi
end
exit "$before"
