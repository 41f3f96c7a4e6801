#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The tutorial and the labs: every file runs, these documents and others show what is printed, labs fail as they are with a hint and pass
# with what doc/labs.md says.

load ../lib/shell.bash

@test "every file of the tutorial does what it expects" {
	local f
	for f in "$srcdir"/scenarios/tutorial/*.yaml; do
		"$BATON" run --quiet --out "$BATS_TEST_TMPDIR/out" "$f"
	done
}

@test "the tutorial's examples are parts of its files" {
	local file= line inside=
	while IFS= read -r line; do
		case $line in
		'## '[1-9]*) file=$(echo "$srcdir/scenarios/tutorial/$(sed 's/## \([0-9]*\).*/\1/' <<< "$line")"-*.yaml) ;;
		'```yaml') inside=yes ;;
		'```') inside= ;;
		*) [ -z "$inside" ] || grep -qxF -- "$line" "$file" || { echo "$file has no line '$line'"; return 1; } ;;
		esac
	done < "$srcdir/doc/tutorial.md"
	[ -n "$file" ]
}

@test "README, tutorial, labs, sweeps and imports show what is printed" {
	local doc docs="README.md doc/tutorial.md doc/labs.md doc/sweeps.md doc/import.md"
	cd "$srcdir"
	# The others' runs are long under sanitizers, and of the same kind.
	sanitized && docs=doc/tutorial.md
	for doc in $docs; do
		BATON="$BATON" tests/lib/doc-outputs "$doc" | diff "$doc" - || { echo "$doc is out of date: tests/lib/doc-outputs $doc"; return 1; }
	done
}

# The words with which lab N passes, from the table.
solution() {
	sed -n "s/^| $1 | \`\\(.*\\)\` |\$/\\1/p" "$srcdir/doc/labs.md"
}

@test "each lab fails with a hint, and passes with its solution" {
	local n file words
	for n in 1 2 3; do
		file=$(echo "$srcdir/scenarios/labs/$n"-*.yaml)
		run "$BATON" run --quiet --out "$BATS_TEST_TMPDIR/out" "$file"
		[ "$status" -eq 1 ]
		[[ $output == *$'\n      '* ]]
		eval "words=($(solution $n))"
		[ "${#words[@]}" -ge 2 ]
		"$BATON" run --quiet --out "$BATS_TEST_TMPDIR/out" "${words[@]}" "$file"
	done
	[ ! -e "$srcdir"/scenarios/labs/4-* ]
}
