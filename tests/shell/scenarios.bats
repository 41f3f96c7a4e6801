#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Every shipped scenario: its expectations hold, the run repeats byte for byte, and equals what is kept in tests/golden.

load ../lib/shell.bash

# Runs NAME twice, compares the two and the golden result.
check_shipped() {
	local file=$srcdir/scenarios/$1.yaml out=$BATS_TEST_TMPDIR
	"$BATON" run --quiet --out "$out/a" "$file"
	"$BATON" run --quiet --out "$out/b" "$file"
	local f
	for f in "$out"/a/*; do
		case $f in
		*/perf.json) ;;
		*) cmp "$f" "$out/b/${f##*/}" ;;
		esac
	done
	[ "$(metric "$out/a" fingerprint)" = "$(b2sum -l 256 "$out/a/trace.jsonl" | cut -d' ' -f1)" ]
	cmp "$out/a/result.json" "$srcdir/tests/golden/$1.json"
}

@test "first.yaml" { check_shipped first; }
@test "handoff.yaml" { check_shipped handoff; }
@test "one-device.yaml" { check_shipped one-device; }
@test "direct-return.yaml" { check_shipped direct-return; }
@test "early-packets.yaml" { check_shipped early-packets; }
@test "lossy-blob.yaml" { check_shipped lossy-blob; }
@test "backend-dies.yaml" { check_shipped backend-dies; }
@test "health.yaml" { check_shipped health; }
@test "reject.yaml" { check_shipped reject; }
@test "big-post.yaml" { check_shipped big-post; }
@test "half-close.yaml" { check_shipped half-close; }
@test "maglev.yaml" { check_shipped maglev; }
@test "gilbert.yaml" { check_shipped gilbert; }
@test "wan.yaml" { check_shipped wan; }
@test "many-clients.yaml: 10,000 connections, under sanitizers 1,000" {
	if ! sanitized; then
		check_shipped many-clients;
	else
		"$BATON" run --quiet --out "$BATS_TEST_TMPDIR/small" --set traffic.0.requests=1000 \
			--set 'expect=[ "requests.completed == 1000", "handoffs.completed == 1000", "client.retransmissions == 0" ]' \
			"$srcdir/scenarios/many-clients.yaml"
	fi
}

@test "every shipped scenario is tested here and has a golden result" {
	local f name
	for f in "$srcdir"/scenarios/*.yaml; do
		name=$(basename "$f" .yaml)
		[[ " $SHIPPED " == *" $name "* ]]
		grep -q "check_shipped $name;" "$BATS_TEST_FILENAME"
		[ -s "$srcdir/tests/golden/$name.json" ]
	done
}

@test "another seed gives another run" {
	run_scenario "$srcdir/scenarios/handoff.yaml" --seed 2
	[ "$(metric "$BATS_TEST_TMPDIR/handoff" fingerprint)" != "$(jq -r .fingerprint "$srcdir/tests/golden/handoff.json")" ]
	[ "$(metric "$BATS_TEST_TMPDIR/handoff" requests.completed)" = 1000 ]
}

@test "the canary fails: an expectation that does not hold gives exit status 1" {
	run "$BATON" run --quiet --out "$BATS_TEST_TMPDIR/canary" "$srcdir/tests/scenarios/canary.yaml"
	[ "$status" -eq 1 ]
	[[ "$output" == *"requests.completed"* ]]
}
