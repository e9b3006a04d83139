# SPDX-License-Identifier: BSD-2-Clause
#
# raftctl(1): clean for mandoc, its SYNOPSIS equal to the usage, its examples
# run.

. "$RAFTSUP_SRCDIR/tests/ctl/expect.bash" || exit 99
page=$RAFTSUP_SRCDIR/man/raftctl.1

if ! command -v mandoc >/dev/null; then
	echo 'SKIP: mandoc is not installed (Debian package mandoc)'
	exit 77
fi

mandoc -Tlint -Wwarning "$page" >"$dir/lint" 2>/dev/null
cat "$dir/lint"
check 'mandoc has no warning' [ ! -s "$dir/lint" ]

# As words: mandoc breaks lines where it likes.
mandoc -Tascii "$page" 2>/dev/null | sed 's/.\x08//g' |
	sed -n '/^SYNOPSIS/,/^DESCRIPTION/p' | sed '1d;$d' |
	tr -s ' \t\n' '\n\n\n' | grep . >"$dir/synopsis"
"$RAFTCTL" --help | sed 's/^usage: //' | tr -s ' \t\n' '\n\n\n' | grep . \
	>"$dir/usage"
check 'the usage has words' [ "$(wc -l <"$dir/usage")" -gt 50 ]
check 'the SYNOPSIS equals the usage' diff "$dir/synopsis" "$dir/usage"

# ".Cm name" begins each command's description, all of them.
for name in $("$RAFTCTL" --help | sed -n 's/^ *raftctl \([a-z][a-z]*\).*/\1/p'); do
	check "$name is described" grep -q "^\.It Cm $name\b" "$page"
done

# The examples: a line after "$ " is run, what follows it is its output.
mkdir "$dir/bin"
ln -s "$RAFTCTL" "$dir/bin/raftctl"
PATH=$dir/bin:$PATH
sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$page" |
	sed '/^\.\\" output varies/,/^\.Ed/d' |
	sed -n '/^\.Bd -literal/,/^\.Ed/p' | sed '/^\./d;s/\\e/\\/g' \
	>"$dir/examples"
sed -n 's/^\$ //p' "$dir/examples" | while IFS= read -r command; do
	printf '$ %s\n' "$command"
	bash -c "$command" 2>&1
done >"$dir/shown"
check 'there are examples' [ "$(grep -c '^\$ ' "$dir/examples")" -gt 5 ]
check 'the examples do what they show' diff "$dir/examples" "$dir/shown"

finish
