#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Scenarios drawn from seeds (tests/random/draw.c): topologies, impairments, balancing, traffic and faults. A run asserts the
# invariants I1 to I5 itself and ends with status 3 when one breaks. RANDOM_CASES and RANDOM_FIRST in the environment: how
# many, from which seed on.

load ../lib/shell.bash

: "${RANDOM_CASES:=60}"
: "${RANDOM_FIRST:=1}"

# fails SEED WHY: says the one command that repeats it.
fails() {
	echo "$2; to repeat it: tests/random/draw $1 > random-$1.yaml && ./baton run random-$1.yaml"
	return 1
}

# What a result must say whatever was drawn: no wrong byte, and each request ended unless the run was cut at `stop`.
plausible='.streams.corrupted == 0
	and ((.requests.started - .requests.completed - .requests.failed - (.requests.aborted // 0)) as $open
		| if .run.duration_us < 120000000 then $open == 0 else $open >= 0 end)
	and .packets.sent == .packets.delivered + .packets.dropped + .packets.in_flight'

# one SEED: draws, checks and runs it.
one() {
	local dir=$BATS_TEST_TMPDIR seed=$1
	"$builddir/tests/random/draw" "$seed" > "$dir/random.yaml"
	"$BATON" check "$dir/random.yaml" || fails "$seed" "what was drawn is no good scenario"
	"$BATON" run --quiet --out "$dir/a" "$dir/random.yaml" || fails "$seed" "status $?"
	jq -e "$plausible" "$dir/a/result.json" > /dev/null || fails "$seed" "$(jq -c '[.run, .requests, .streams, .packets]' "$dir/a/result.json")"
}

@test "no invariant breaks in $RANDOM_CASES random scenarios from seed $RANDOM_FIRST on" {
	local seed
	for ((seed = RANDOM_FIRST; seed < RANDOM_FIRST + RANDOM_CASES; seed++)); do
		one "$seed"
	done
}

@test "each of them runs the same way twice" {
	local seed
	for ((seed = RANDOM_FIRST; seed < RANDOM_FIRST + RANDOM_CASES; seed += 7)); do
		one "$seed"
		"$BATON" run --quiet --out "$BATS_TEST_TMPDIR/b" "$BATS_TEST_TMPDIR/random.yaml"
		cmp "$BATS_TEST_TMPDIR/a/trace.jsonl" "$BATS_TEST_TMPDIR/b/trace.jsonl" &&
			cmp "$BATS_TEST_TMPDIR/a/result.json" "$BATS_TEST_TMPDIR/b/result.json" || fails "$seed" "two runs differ"
	done
}

@test "the draw depends on the seed alone" {
	cmp <("$builddir/tests/random/draw" 7) <("$builddir/tests/random/draw" 7)
	! cmp -s <("$builddir/tests/random/draw" 7) <("$builddir/tests/random/draw" 8)
}
