#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Regression suites: those of tests/golden/replay hold, and canon --check and --bless do what they say.

load ../lib/shell.bash

suites=$srcdir/tests/golden/replay

# Runs and expects a status, and a text within what is printed: expect STATUS TEXT COMMAND...
expect() {
	local status_expected=$1 text=$2
	shift 2
	run "$BATON" "$@"
	[ "$status" -eq "$status_expected" ] && [[ $output == *"$text"* ]] || { echo "status $status: $output"; return 1; }
}

# A suite of its own to change: suite_make CAPTURE
suite_make() {
	suite=$BATS_TEST_TMPDIR/suite
	mkdir "$suite"
	cp "$srcdir/tests/captures/$1.pcap" "$suite/capture.pcap"
}

@test "every suite is as expected" {
	local failed=0 dir
	for dir in "$suites"/*/; do
		"$BATON" canon --check "${dir%/}" || { echo "$dir: status $?"; failed=1; }
	done
	[ $failed -eq 0 ]
}

@test "there is a suite for every capture, and for captures of Baton's own runs; each says why it is as it is" {
	local file dir
	for file in "$srcdir"/tests/captures/*.pcap; do
		cmp "$file" "$suites/$(basename "$file" .pcap)/capture.pcap"
	done
	[ "$(ls -d "$suites"/run-* | wc -l)" -ge 3 ]
	for dir in "$suites"/*/; do
		[ -s "$dir/REASONS" ] && [ -s "$dir/scenario.yaml" ] && [ "$(wc -l <"$dir/outcomes.txt")" -ge 1 ] || { echo "$dir"; return 1; }
		"$BATON" check "$dir/scenario.yaml"
	done
}

@test "a suite of a capture only: blessed, checked, and what differs is shown" {
	suite_make get
	expect 2 "expected.txt: No such file" canon --check "$suite"
	expect 0 "suite: recorded" canon --bless "$suite" --reason "the first time"
	[ "$(ls "$suite" | tr '\n' ' ')" = "REASONS capture.pcap expected.txt outcomes.txt " ]
	diff "$suite/expected.txt" <("$BATON" canon "$suite/capture.pcap")
	[ "$(cat "$suite/outcomes.txt")" = "14 packets read" ]
	expect 0 "" canon --check "$suite"
	[ -z "$output" ]
	cp "$srcdir/tests/captures/post.pcap" "$suite/capture.pcap"
	expect 1 "they differ after 1 packets" canon --check "$suite"
	[[ $output == *"A: $suite/expected.txt, line 3"*"B: what comes out now, line 3"* ]]
	[ "$(wc -l <"$suite/REASONS")" -eq 1 ]
	expect 0 "recorded" canon --bless "$suite" --reason "another capture"
	expect 0 "nothing changed" canon --bless "$suite" --reason "again"
	[ "$(cat "$suite/REASONS")" = "the first time
another capture" ]
	expect 0 "" canon --check "$suite"
}

@test "a damaged capture is a suite too: as far as it goes, and what is wrong" {
	suite_make get
	head -c 500 "$srcdir/tests/captures/get.pcap" >"$suite/capture.pcap"
	expect 0 "recorded" canon --bless "$suite" --reason "cut"
	grep -qx 'damage: after 3 packets: truncated dump file; tried to read 202 captured bytes, only got 194' "$suite/outcomes.txt" || {
		cat "$suite/outcomes.txt"
		return 1
	}
	head -c 490 "$srcdir/tests/captures/get.pcap" >"$suite/capture.pcap"
	expect 1 "outcomes.txt differs in line 2" canon --check "$suite"
}

@test "a suite with a scenario is replayed: another byte, rule or backend is found" {
	suite_make get
	cp "$suites/replay.yaml" "$suite/scenario.yaml"
	expect 0 "recorded" canon --bless "$suite" --reason "replayed"
	grep -q '^connection 1: whole; up 136 of 136 bytes, down 5007 of 5007; web, rule 2, backend3, hand-offs 1$' "$suite/outcomes.txt"
	grep -q '@client[1-4].internet 1> PA seq=1 ack=1 len=136' "$suite/expected.txt"
	expect 0 "" canon --check "$suite"
	# a byte of the response
	python3 - "$suite/capture.pcap" <<'PYTHON'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[data.index(b"200 OK") + 5] ^= 1
open(sys.argv[1], "wb").write(data)
PYTHON
	expect 1 "* hash " canon --check "$suite"
	[[ $output != *"outcomes.txt differs"* ]]
	cp "$srcdir/tests/captures/get.pcap" "$suite/capture.pcap"
	sed -i 's/to: backend3/to: backend2/' "$suite/scenario.yaml"
	expect 1 "rule 2, backend2" canon --check "$suite"
}

@test "what is no suite, and words that do not go together: status 2, and nothing is changed" {
	suite_make get
	mkdir "$BATS_TEST_TMPDIR/none"
	expect 2 "no suite" canon --check "$BATS_TEST_TMPDIR/none"
	expect 2 "no suite" canon --check "$BATS_TEST_TMPDIR/missing"
	expect 2 "--bless needs a --reason" canon --bless "$suite"
	expect 2 "a line of 1 to 500 bytes" canon --bless "$suite" --reason " "
	expect 2 "a line of 1 to 500 bytes" canon --bless "$suite" --reason "a
b"
	expect 2 "a line of 1 to 500 bytes" canon --bless "$suite" --reason "$(printf '%0501d' 0)"
	expect 2 "--reason is for --bless" canon --reason x "$suite"
	expect 2 "the only suite" canon --bless "$suite" --reason x "$suite"
	expect 2 "the only suite" canon --bless "$suite" --reason x --check
	expect 2 "a suite's directory is needed" canon --check
	expect 0 recorded canon --bless "$suite" --reason x
	cp -r "$suite" "$BATS_TEST_TMPDIR/before"
	echo "not a capture" >"$suite/capture.pcap"
	cp "$suite/capture.pcap" "$BATS_TEST_TMPDIR/before/"
	expect 2 "not a capture" canon --bless "$suite" --reason y
	expect 2 "not a capture" canon --check "$suite"
	cp "$srcdir/tests/captures/get.pcap" "$suite/capture.pcapng"
	expect 2 "several captures" canon --check "$suite"
	rm "$suite/capture.pcapng"
	echo "baton: 2" >"$suite/scenario.yaml"
	expect 2 "scenario.yaml:1:8:" canon --bless "$suite" --reason y
	sed '/^capture:/d' "$suites/replay.yaml" >"$suite/scenario.yaml"
	expect 2 "captures nothing" canon --bless "$suite" --reason y
	rm "$suite/scenario.yaml"
	diff -r "$suite" "$BATS_TEST_TMPDIR/before"
}

@test "where the texts cannot be written or kept: status 3, and what was recorded stays" {
	suite_make get
	expect 0 recorded canon --bless "$suite" --reason x
	cp "$srcdir/tests/captures/post.pcap" "$suite/capture.pcap"
	TMPDIR=$BATS_TEST_TMPDIR/missing expect 3 "No such file" canon --bless "$suite" --reason y
	rm "$suite/REASONS"
	mkdir "$suite/REASONS"
	expect 3 "REASONS: Is a directory" canon --bless "$suite" --reason y
	grep -q 'len=136' "$suite/expected.txt"
	[ "$(ls -A "$suite" | tr '\n' ' ')" = "REASONS capture.pcap expected.txt outcomes.txt " ]
}
