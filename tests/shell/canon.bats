#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Captures as canonical text, and the first difference of two: golden texts of real captures, tshark's view of the same
# packets, runs under other seeds, exit statuses and mistakes.

load ../lib/shell.bash

canon() {
	"$BATON" canon "$@"
}

# Runs and expects a status, and a text within what is printed: expect STATUS TEXT COMMAND...
expect() {
	local status_expected=$1 text=$2
	shift 2
	run "$BATON" "$@"
	[ "$status" -eq "$status_expected" ] && [[ $output == *"$text"* ]] || { echo "status $status: $output"; return 1; }
}

# The golden text of a long capture is its first 40 lines and a hash of all.
@test "every capture has its golden text" {
	local file name golden text=$BATS_TEST_TMPDIR/text count=0
	for file in "$srcdir"/tests/captures/*.pcap; do
		name=$(basename "$file" .pcap)
		golden=$srcdir/tests/golden/canon/$name.txt
		canon "$file" >"$text"
		if grep -q '^# b2sum ' "$golden"; then
			{ head -n 40 "$text"; echo "# b2sum -l 128 of all $(wc -l <"$text") lines: $(b2sum -l 128 <"$text" | cut -d' ' -f1)"; } >"$text.short"
			diff "$golden" "$text.short"
		else
			diff "$golden" "$text"
		fi
		count=$((count + 1))
	done
	[ "$count" -eq "$(find "$srcdir/tests/golden/canon" -name '*.txt' | wc -l)" ] && [ "$count" -ge 25 ]
}

# Number, connection, relative numbers, length and window of each TCP packet, then the bytes each side sent in each
# connection, in no order: shark_rows CAPTURE, canon_rows CAPTURE
shark_rows() {
	"$TSHARK" -n -r "$1" -o tcp.relative_sequence_numbers:TRUE -o tcp.desegment_tcp_streams:FALSE -Y tcp -T fields \
		-e frame.number -e tcp.stream -e tcp.seq -e tcp.ack -e tcp.len -e tcp.window_size_value -e tcp.flags.ack \
		-e ip.src -e tcp.srcport 2>/dev/null |
		awk -F'\t' '{print $1, $2 + 1, $3, $7 == 1 || $7 == "True" ? $4 : "-", $5, $6; bytes[$2 + 1 " " $8 " " $9] += $5}
			END {for (k in bytes) {split(k, part, " "); print "bytes", part[1], bytes[k]}}'
}

canon_rows() {
	canon "$1" | awk '
		$2 ~ /^[0-9]+[<>]$/ {
			split("", v)
			v["ack"] = "-"
			for (i = 4; i <= NF; i++) {
				split($i, pair, "=")
				v[pair[1]] = pair[2]
			}
			bytes[$2] += v["len"]
			connection = substr($2, 1, length($2) - 1)
			print NR - 1, connection, v["seq"], v["ack"], v["len"], v["win"]
		}
		END {for (k in bytes) print "bytes", substr(k, 1, length(k) - 1), bytes[k]}'
}

@test "tshark finds the same connections, numbers, lengths and bytes in every packet of every capture" {
	local file
	for file in "$srcdir"/tests/captures/*.pcap; do
		shark_rows "$file" | sort >"$BATS_TEST_TMPDIR/shark"
		canon_rows "$file" | sort >"$BATS_TEST_TMPDIR/canon"
		[ -s "$BATS_TEST_TMPDIR/shark" ]
		diff "$BATS_TEST_TMPDIR/shark" "$BATS_TEST_TMPDIR/canon" || { echo "$file"; return 1; }
	done
}

@test "a run under another seed has the same text but for the bodies' hashes" {
	local seed served=$srcdir/tests/scenarios/transparency/served.yaml
	for seed in 1 2; do
		"$BATON" run --quiet --seed $seed --out "$BATS_TEST_TMPDIR/$seed" "$served"
		"$TSHARK" -r "$BATS_TEST_TMPDIR/$seed/client.internet.pcapng" -Y tcp.flags.syn==1 -T fields -e tcp.seq_raw \
			>"$BATS_TEST_TMPDIR/isns$seed" 2>/dev/null
		canon "$BATS_TEST_TMPDIR/$seed" | sed 's/ hash=.*//' >"$BATS_TEST_TMPDIR/text$seed"
	done
	[ -z "$(comm -12 "$BATS_TEST_TMPDIR/isns1" "$BATS_TEST_TMPDIR/isns2")" ]
	grep -q "1< FPA" "$BATS_TEST_TMPDIR/text1"
	diff "$BATS_TEST_TMPDIR/text1" "$BATS_TEST_TMPDIR/text2"
	expect 0 "" diff "$BATS_TEST_TMPDIR/text1" "$BATS_TEST_TMPDIR/text2"
	# and the whole of it under the same
	"$BATON" run --quiet --seed 1 --out "$BATS_TEST_TMPDIR/again" "$served"
	expect 0 "" diff "$BATS_TEST_TMPDIR/1" "$BATS_TEST_TMPDIR/again"
	expect 1 "* hash " diff "$BATS_TEST_TMPDIR/1" "$BATS_TEST_TMPDIR/2"
}

# A 404 of the classifier holds nothing that is drawn.
@test "equal traffic under another seed's initial sequence numbers and ports has the same text, hashes too" {
	local seed
	for seed in 1 2; do
		"$BATON" run --quiet --seed $seed --out "$BATS_TEST_TMPDIR/$seed" --set 'expect=[]' --set traffic.0.requests=5 \
			--set 'services.web.rules.0={path: /no, to: backend}' "$srcdir/tests/scenarios/transparency/moved.yaml"
		"$TSHARK" -r "$BATS_TEST_TMPDIR/$seed/client.internet.pcapng" -Y tcp.flags.syn==1 -T fields -e tcp.seq_raw 2>/dev/null |
			sort >"$BATS_TEST_TMPDIR/isns$seed"
	done
	[ -s "$BATS_TEST_TMPDIR/isns1" ]
	[ -z "$(comm -12 "$BATS_TEST_TMPDIR/isns1" "$BATS_TEST_TMPDIR/isns2")" ]
	[ "$(canon "$BATS_TEST_TMPDIR/1" | grep -c hash=)" -eq 10 ]
	expect 0 "" diff "$BATS_TEST_TMPDIR/1" "$BATS_TEST_TMPDIR/2"
}

@test "other addresses, ports, initial sequence numbers, clocks and days do not change the text of any capture" {
	local file seed
	for file in "$srcdir"/tests/captures/*.pcap; do
		for seed in 1 2 3; do
			python3 "$srcdir/tests/lib/rewrite_capture.py" $seed "$file" "$BATS_TEST_TMPDIR/other.pcap"
			! cmp -s "$file" "$BATS_TEST_TMPDIR/other.pcap"
			diff <(canon "$file") <(canon "$BATS_TEST_TMPDIR/other.pcap") || { echo "$file, seed $seed"; return 1; }
		done
	done
}

@test "the captures of a run are merged by time, with their names" {
	run_scenario "$srcdir/scenarios/first.yaml" --set 'capture=[client.lan, server.lan]' --set 'expect=[]'
	canon "$BATS_TEST_TMPDIR/first" >"$BATS_TEST_TMPDIR/text"
	[ "$(awk '$2 ~ /^@/ {print $2}' "$BATS_TEST_TMPDIR/text" | sort -u | tr '\n' ' ')" = "@client.lan @server.lan " ]
	awk 'NR > 1 {if ($1 < last) exit 1; last = $1}' "$BATS_TEST_TMPDIR/text"
	[ "$(($(wc -l <"$BATS_TEST_TMPDIR/text") - 1))" -eq "$(cat <("$TSHARK" -r "$BATS_TEST_TMPDIR/first/client.lan.pcapng" 2>/dev/null) \
		<("$TSHARK" -r "$BATS_TEST_TMPDIR/first/server.lan.pcapng" 2>/dev/null) | wc -l)" ]
}

@test "one capture of all interfaces names the interface of every packet, as tshark does" {
	run_scenario "$srcdir/scenarios/handoff.yaml" --set capture=all --set 'traffic.0.requests=20' --set 'expect=[]'
	local file=$BATS_TEST_TMPDIR/handoff/all.pcapng
	canon "$file" | awk 'NR > 1 {print substr($2, 2)}' >"$BATS_TEST_TMPDIR/names"
	[ "$(sort -u "$BATS_TEST_TMPDIR/names" | wc -l)" -gt 10 ]
	diff -q "$BATS_TEST_TMPDIR/names" <("$TSHARK" -r "$file" -T fields -e frame.interface_name 2>/dev/null)
	expect 0 "" diff "$file" "$BATS_TEST_TMPDIR/handoff"
}

@test "standard input, gzip, and text of a capture are the same as the capture" {
	local file=$srcdir/tests/captures/http_09.pcap text=$BATS_TEST_TMPDIR/text
	canon "$file" >"$text"
	diff "$text" <(canon - <"$file")
	diff "$text" <(gzip -c "$file" | canon -)
	diff "$text" <(canon "$text")
	expect 0 "" diff "$file" "$text"
	[ -z "$output" ]
}

@test "diff shows the first packet that differs, what differs in it, and what came before" {
	local file=$srcdir/tests/captures/http_09.pcap text=$BATS_TEST_TMPDIR/text
	canon "$file" | sed '20s/win=[0-9]*/win=77/; 30s/len=/len=1/' >"$text"
	expect 1 "after 18 packets" diff "$file" "$text"
	[[ $output == *"A: $file, packet 19"* && $output == *"B: $text, line 20"* ]]
	[[ $output == *"  $(sed -n 19p "$text")"* ]]
	[ "$(grep '^\*' <<<"$output" | tr -s ' ')" = "* win 512 77" ]
	canon "$file" | head -n 11 >"$text"
	expect 1 "B: $text, which has no more packets" diff "$file" "$text"
	[ "$(grep -c '^\* ' <<<"$output")" -ge 5 ]
}

@test "what cannot be read: status 2, and where it is wrong" {
	local text=$BATS_TEST_TMPDIR/text cut=$BATS_TEST_TMPDIR/cut.pcap good=$srcdir/tests/captures/get.pcap
	mkdir "$BATS_TEST_TMPDIR/empty"
	expect 2 "empty: a directory without a capture" canon "$BATS_TEST_TMPDIR/empty"
	expect 2 "missing: No such file" canon "$BATS_TEST_TMPDIR/missing"
	expect 2 "not a capture: unknown file format" canon "$srcdir/README.md"
	head -c 500 "$good" >"$cut"
	expect 2 "cut.pcap: after 3 packets: truncated dump file" canon "$cut"
	[[ $output == *"0.070034000 1> A "* ]] || { echo "$output"; return 1; }
	expect 2 "truncated" diff "$cut" "$good"
	expect 2 "one" canon
	expect 2 "two" diff "$good"
	expect 2 "only one" diff - -
	canon "$good" >"$text"
	sed '3s/len=/lend=/' "$text" >"$text.bad"
	expect 2 "$text.bad:3:31: not a key of this packet: 'lend'" canon "$text.bad"
	expect 2 "$text.bad:3:31:" diff "$good" "$text.bad"
	{ echo "# a comment"; cat "$text"; } >"$text.bad"
	expect 2 "not a capture" canon "$text.bad"
	sed '1s/1/9/' "$text" >"$text.bad"
	expect 2 ":1:1: neither a capture nor canonical text" canon "$text.bad"
	head -c -1 "$text" >"$text.bad"
	expect 2 "$text.bad:15:" canon "$text.bad"
	{ sed 2q "$text"; head -c 3000 /dev/zero | tr '\0' x; } >"$text.bad"
	expect 2 "$text.bad:3:1025: the line is too long" canon "$text.bad"
}

@test "more connections than are remembered: how many were forgotten is said" {
	python3 - >"$BATS_TEST_TMPDIR/many.pcap" <<'PYTHON'
import struct, sys
out = sys.stdout.buffer
out.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101))
for i in range(262144 + 1000):
    ip = struct.pack(">BBHHHBBHIBBBB", 0x45, 0, 40, 0, 0, 64, 6, 0, 0x0A000000 + (i >> 16), 10, 0, 1, 1)
    out.write(struct.pack("<IIII", 1, 0, 40, 40) + ip + struct.pack(">HHIIBBHHH", i & 65535, 80, i, 0, 0x50, 2, 8192, 0, 0))
PYTHON
	run bash -c '"$0" canon "$1" | tail -n 1' "$BATON" "$BATS_TEST_TMPDIR/many.pcap"
	[[ $output == *"0.000000000 263144> S seq=0 len=0 win=8192"* ]]
	[[ $output == *"many.pcap: 1000 connections were forgotten"* ]]
}
