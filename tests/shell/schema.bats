#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The JSON schema of scenario files, which editors use: good scenarios are valid under it, bad ones are not as far as a
# schema can tell, and it has the keys that the parser knows, no more and no fewer.

load ../lib/shell.bash

schema_check() {
	local python what=$1
	shift
	for python in python3 /usr/bin/python3; do
		if "$python" -c 'import jsonschema, yaml' 2>/dev/null; then
			"$python" "$srcdir/tests/lib/schema_check.py" "$what" "$srcdir/doc/baton-scenario.schema.json" "$@"
			return
		fi
	done
	echo "no python3 with jsonschema and yaml (packages python3-jsonschema, python3-yaml)"
	return 1
}

@test "good scenarios are valid" {
	local files
	mapfile -t files < <(find "$srcdir/scenarios" "$srcdir/tests/scenarios/ok" "$srcdir/tests/claims" -name '*.yaml')
	[ "${#files[@]}" -gt 15 ]
	schema_check validate "${files[@]}"
}

# What a schema can find: keys that are unknown or missing, values of the wrong kind. The rest is for `baton check`.
@test "bad scenarios are not valid" {
	local files
	mapfile -t files < <(grep -lE "unknown key|is missing|is not a (size|duration|rate|share|frequency)|is not .* or " \
		"$srcdir"/tests/scenarios/bad/*.expect | sed 's/expect$/yaml/')
	[ "${#files[@]}" -gt 30 ]
	run schema_check validate "${files[@]}"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq "${#files[@]}" ]
	! grep ': valid$' <<<"$output"
}

@test "the schema has the parser's keys" {
	schema_check keys "$srcdir"/sim/scenario*.[ch]
}
