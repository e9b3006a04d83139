#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Documents name what exists. In the files below:
#
#   `name()`          is a function of src/
#   `src/...`         and other paths exist; `path:name` has that word in it
#   [text](FILE.md)   leads to a file
#
# The last part breaks a copy of each kind and wants to see it found.

set -u
cd "${RAFTSUP_SRCDIR:-.}" || exit 99
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

find src -name '*.c' -exec sed -n 's/^\([a-z_][a-z_0-9]*\)(.*/\1/p' {} + |
    sort -u >"$work/functions"
[ -s "$work/functions" ] || exit 99

# check FILE: what it names and does not exist, one a line
check() {
	dir=$(dirname "$1")
	[ "$dir" != "$work" ] || dir=docs
	grep -o '`[a-z_][a-z_0-9]*()`' "$1" | tr -d '`()' | sort -u |
	    comm -23 - "$work/functions" |
	    sed "s,^,$(basename "$1"): no function ,"
	grep -Eo '`(src|tests|docs|man|build-aux|examples)/[^` ]*`' "$1" |
	    tr -d '`' | sort -u | while IFS=: read -r path word; do
		case $path in
		*'*'*) continue ;;
		esac
		if [ ! -e "$path" ]; then
			echo "$(basename "$1"): no file $path"
		elif [ -n "$word" ] && ! grep -qw -e "$word" "$path"; then
			echo "$(basename "$1"): no $word in $path"
		fi
	done
	grep -Eo '\]\([A-Za-z.][A-Za-z0-9_./-]*\)' "$1" | sed 's/^](\(.*\))$/\1/' |
	    sort -u | while read -r link; do
		[ -e "$dir/$link" ] || echo "$(basename "$1"): no $link"
	done
}

found=0
for file in README.md docs/*.md; do
	check "$file" >"$work/wrong"
	if [ -s "$work/wrong" ]; then
		cat "$work/wrong"
		found=1
	fi
done

# Can it fail?
printf '%s\n' '`no_such_thing()`' '`src/none.c`' '`docs/STYLE.md:Zyzzyva`' \
    '[a](NONE.md)' >"$work/broken.md"
if [ "$(check "$work/broken.md" | wc -l)" -ne 4 ]; then
	echo 'the test itself does not find what is wrong'
	check "$work/broken.md"
	found=1
fi
exit "$found"
