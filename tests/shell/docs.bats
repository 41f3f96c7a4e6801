#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The documents say what is true: man pages lint, the trace vocabulary is complete, every claim's test exists, and every
# command in the README names files that are there.

load ../lib/shell.bash

@test "man pages have no lint" {
	local page
	for page in "$srcdir"/doc/*.[15]; do
		"$MANDOC" -T lint -W warning "$page"
	done
}

@test "baton-trace(5) describes exactly the events of base/trace.h" {
	diff <(sed -n 's/^\tX([A-Z_]*, "\([a-z.]*\)".*/\1/p' "$srcdir/base/trace.h" | sort) \
	     <(sed -n 's/^\.It Sy \([a-z]*\.*[a-z]*\).*/\1/p' "$srcdir/doc/baton-trace.5" | sort -u)
}

@test "baton(1) describes every command and option that --help names" {
	local word
	for word in $({ "$BATON" --help; for c in run replay live sweep check blob canon diff import ladder bench; do "$BATON" $c --help; done; } | grep -oE -- '--[a-z-]+' | sort -u); do
		grep -q -- "${word#--}" "$srcdir/doc/baton.1" || { echo "$word is not in baton(1)"; return 1; }
	done
}

@test "doc/claims.md maps every claim to a test that exists, and to functions that exist" {
	local ids row id fn tst
	ids=$(sed -n 's/^| \(C[0-9.]*\) |.*/\1/p' "$srcdir/doc/claims.md")
	[ "$(echo "$ids" | sort -u | wc -l)" -eq "$(echo "$ids" | wc -l)" ]
	for id in C1.1 C1.2 C1.3 C1.4 C1.5 C1.6 C1.7 C1.8 C1.9 C1.10 C1.11 C1.12 C2.1 C2.2 C3 C5.1 C5.2 C6 C7 C9.1 C9.2 C10 \
		C11.1 C11.2 C11.3 C12 C14 C15 C16 C17 C18 C19 C20 C88 C89 C91; do
		row=$(grep "^| $id |" "$srcdir/doc/claims.md") || { echo "$id is missing"; return 1; }
		for fn in $(echo "$row" | grep -oE '`[a-z_]+/[a-z_0-9]+\.c:[a-z_0-9]+`' | tr -d '`'); do
			grep -qE "\\b${fn#*:}\\(" "$srcdir/${fn%%:*}" || { echo "$id: no $fn"; return 1; }
		done
		tst=$(echo "$row" | grep -oE '`tests/claims/[a-z0-9_]+\.c`' | tr -d '`')
		[ -n "$tst" ] && [ -f "$srcdir/$tst" ] || { echo "$id: no test"; return 1; }
		grep -qE "START_TEST\\(${id//./_}\\)|START_TEST\\($(echo "${id//./_}" | tr 'C' 'c')\\)" "$srcdir/$tst" ||
			{ echo "$id: $tst has no test of that name"; return 1; }
	done
}

@test "every claim's test is built and run by make check" {
	local f
	for f in "$srcdir"/tests/claims/c[0-9]*.c; do
		[ -x "$builddir/tests/claims/$(basename "$f" .c)" ] || { echo "$f is not built"; return 1; }
	done
}
