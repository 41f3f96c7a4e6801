#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Captures that are not as they should be have a clear outcome: what is readable is printed, compared or replayed, what is
# wrong is said, and memory does not grow with the length. tests/lib/bad_captures.py makes them.

load ../lib/shell.bash

setup_file() {
	export BAD=$BATS_FILE_TMPDIR
	python3 "$srcdir/tests/lib/bad_captures.py" "$BAD"
}

# What canon must say of a capture: judged NAME STATUS PACKETS TEXT, PACKETS being how many it prints before. TEXT is at
# the end of what is said, or the last packet printed. diff, with either side, has the same to say of it. Their connections
# are one-sided, so that replay finds none to replay, having said what is wrong.
judged() {
	local file=$BAD/$1 text=$BATS_TEST_TMPDIR/text says=$BATS_TEST_TMPDIR/says status=0
	"$BATON" canon "$file" >"$text" 2>"$says" || status=$?
	[ "$status" -eq "$2" ] && [ "$(($(sed 1d "$text" | wc -l)))" -eq "$3" ] || { cat "$text" "$says"; return 1; }
	[[ $(tail -n 1 "$text")$(cat "$says") == *"$4" ]] || { cat "$text" "$says"; return 1; }
	[ "$2" -eq 2 ] || [ ! -s "$says" ]
	run "$BATON" diff "$file" "$file"
	[ "$status" -eq "$2" ]
	[[ $output == *"$(cat "$says")" ]]
	run "$BATON" diff "$text" "$file"
	[ "$status" -eq "$2" ]
	status=0
	"$BATON" canon - <"$file" >"$BATS_TEST_TMPDIR/piped" 2>/dev/null || status=$?
	[ "$status" -eq "$2" ]
	cmp "$text" "$BATS_TEST_TMPDIR/piped"
	status=0
	replay "$file" >"$BATS_TEST_TMPDIR/replay" 2>"$BATS_TEST_TMPDIR/replay.says" || status=$?
	[ "$status" -eq $([ "$2$3" = 20 ] && echo 2 || echo 1) ]
	[ "$2" -eq 0 ] || [[ $(cat "$BATS_TEST_TMPDIR/replay.says") == *"$(cat "$says")"* ]] || { cat "$BATS_TEST_TMPDIR/replay.says"; return 1; }
	[ "$status" -eq 2 ] || [ "$(tail -n 1 "$BATS_TEST_TMPDIR/replay" | jq '."packets.read"')" -eq "$3" ] || { tail -n 1 "$BATS_TEST_TMPDIR/replay"; return 1; }
}

# Replays a capture: replay CAPTURE
replay() {
	"$BATON" replay --json --speed max --out "$BATS_TEST_TMPDIR/out" --capture "$1" "$srcdir/scenarios/replay.yaml"
}

@test "what is no capture" {
	judged empty.pcap 2 0 "only got 0"
	judged text.pcap 2 0 "not a capture: unknown file format"
	judged header-cut.pcap 2 0 "only got 16"
	judged header-only.pcap 0 0 "baton-canon 1"
}

@test "captures that end within a record or a block" {
	judged record-cut.pcap 2 1 "after 1 packets: truncated dump file; tried to read 1054 captured bytes, only got 184"
	judged record-header-cut.pcap 2 1 "tried to read 16 header bytes, only got 10"
	judged block-cut.pcapng 2 1 "after 1 packets: truncated pcapng dump file; tried to read 1080 bytes, only got 92"
	# everywhere a capture can be cut it ends in order, with what came whole before
	local good=$srcdir/tests/captures/payload-syn.pcap size cut=$BATS_TEST_TMPDIR/cut whole=$BATS_TEST_TMPDIR/whole
	size=$(stat -c %s "$good")
	"$BATON" canon "$good" >"$whole"
	for ((at = 0; at < size; at += 7)); do
		head -c $at "$good" >"$cut"
		run "$BATON" canon "$cut"
		[ "$status" -eq 2 ] || [ "$status" -eq 0 ]
		diff <(grep '^[0-9]' <<<"$output" || true) <(sed 1d "$whole" | head -n "$(grep -c '^[0-9]' <<<"$output")")
	done
}

@test "snapped packets say how much was captured, or that the headers are not there" {
	judged snapped.pcap 0 5 "snapped frame=60"
	[ "$("$BATON" canon "$BAD/snapped.pcap" | grep -c 'len=1000 .*captured=42$')" -eq 1 ]
	[ "$("$BATON" canon "$BAD/snapped.pcap" | grep -c 'snapped frame=1054$')" -eq 2 ]
}

@test "absurd lengths of records, blocks and packets" {
	judged absurd-length.pcap 2 1 "after 1 packets: invalid packet capture length 2147483647, bigger than snaplen of 262144"
	judged absurd-block.pcapng 2 1 "after 1 packets: pcapng block size 4294967280 > maximum 16777216"
	judged absurd-wire-length.pcap 0 2 "len=1000 win=65535 hash=6b65e24603237aa0"
	judged absurd-ip-length.pcap 0 3 "malformed why=ipv4-length-below-its-header"
}

@test "timestamps that run backwards are negative" {
	judged backwards.pcap 0 4 "hash=6b65e24603237aa0"
	[ "$("$BATON" canon "$BAD/backwards.pcap" | cut -d' ' -f1 | sed 1d | tr '\n' ' ')" = \
		"0.000000000 -0.000006000 -1000.000005000 -1000.000006000 " ]
}

@test "link types that are not read, and several in one pcapng" {
	judged unknown-link.pcap 2 0 "link type 147 (unknown) is not read"
	judged mixed-links.pcapng 2 1 "after 1 packets: an interface has a type 101 different from the type of the first interface"
}

@test "a connection is replayed whole though the capture is damaged behind it, or its times run backwards" {
	local name
	for name in whole-then-absurd.pcap whole-then-cut.pcap whole-backwards.pcap; do
		replay "$BAD/$name" >"$BATS_TEST_TMPDIR/replay" 2>"$BATS_TEST_TMPDIR/says"
		tail -n 1 "$BATS_TEST_TMPDIR/replay" | jq -e '.whole == 1 and .broken == 0 and ."server_bytes.arrived" == 146000'
		case $name in
		whole-then-*) grep -q 'what came before that was replayed' "$BATS_TEST_TMPDIR/says" ;;
		*) [ ! -s "$BATS_TEST_TMPDIR/says" ] ;;
		esac
	done
}

# Ten billion bytes in an address space of 300 MB: reading that kept packets would not come far. Sanitizers reserve more
# than that at once, so under them it is only read.
@test "10 GB on standard input, in memory that does not grow with it" {
	local bytes=10000000000 limit=300000
	if sanitized; then
		bytes=300000000 limit=unlimited
	fi
	run bash -c 'python3 "$2" stream "$3" | (ulimit -v "$4"; "$1" canon -) | awk "END {print NR, \$0}"' - "$BATON" \
		"$srcdir/tests/lib/bad_captures.py" $bytes $limit
	[ "$status" -eq 0 ]
	# 8 packets in 1,200,400 bytes; the first is a SYN, the last of TCP ends at 800,000
	[[ $output == $((bytes / 1200400 * 8 + 2))" 0.000000000 1> PA seq=700001 ack=1 len=100000 win=65535 hash="* ]] || { echo "$output"; return 1; }
}

@test "1 GB on each side of a diff, in memory that does not grow with it" {
	local bytes=1000000000 limit=300000
	if sanitized; then
		bytes=100000000 limit=unlimited
	fi
	run bash -c 'ulimit -v "$4"; "$1" diff <(python3 "$2" stream "$3") <(python3 "$2" stream "$(($3 + 2000000))")' - "$BATON" \
		"$srcdir/tests/lib/bad_captures.py" $bytes $limit
	[ "$status" -eq 1 ]
	[[ $output == "they differ after $((bytes / 1200400 * 8 + 1)) packets that are the same"* ]] || { echo "$output"; return 1; }
}

@test "1 GB through replay, in memory that does not grow with it: one endless connection, and many that end" {
	local bytes=1000000000 limit=300000
	if sanitized; then
		bytes=50000000 limit=unlimited
	fi
	run bash -c 'python3 "$2" stream "$3" | (ulimit -v "$4"; "$1" replay --json --speed max --out "$5" --capture - "$6")' - "$BATON" \
		"$srcdir/tests/lib/bad_captures.py" $bytes $limit "$BATS_TEST_TMPDIR/out" "$srcdir/scenarios/replay.yaml"
	[ "$status" -eq 1 ]
	[ "$(tail -n 1 <<<"$output" | jq '."packets.read"')" -eq $((bytes / 1200400 * 8 + 1)) ]
	bytes=$((bytes / 4))
	run bash -c 'python3 "$2" connections "$3" | (ulimit -v "$4"; "$1" replay --json --speed max --out "$5" --capture - "$6")' - "$BATON" \
		"$srcdir/tests/lib/bad_captures.py" $bytes $limit "$BATS_TEST_TMPDIR/out" "$srcdir/scenarios/replay.yaml"
	[ "$status" -eq 0 ]
	tail -n 1 <<<"$output" | jq -e --argjson least $((bytes / 160000)) '.whole == .connections and .whole >= $least'
}
