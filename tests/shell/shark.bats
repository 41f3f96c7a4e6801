#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# tshark as the judge of captures: it finds the retransmissions that canon's text tells, and nothing malformed and no bad
# checksum in what the shipped scenarios write, but where a link corrupted it.

load ../lib/shell.bash

# The numbers of the packets in which a side sends, in whole or in part, what it sent before or behind what it sent
# before, out of canonical text.
canon_repeated() {
	"$BATON" canon "$1" | awk '
		$2 ~ /^[0-9]+[<>]$/ && $3 !~ /R/ {
			split("", v)
			for (i = 4; i <= NF; i++) {
				split($i, pair, "=")
				v[pair[1]] = pair[2]
			}
			len = v["len"] + ($3 ~ /S/) + ($3 ~ /F/)
			if (len && $2 in next_seq && v["seq"] < next_seq[$2])
				print NR - 1
			if (len && v["seq"] + len > next_seq[$2])
				next_seq[$2] = v["seq"] + len
		}'
}

shark_repeated() {
	"$TSHARK" -n -r "$1" -o tcp.desegment_tcp_streams:FALSE -T fields -e frame.number -Y 'tcp.analysis.retransmission ||
		tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order' 2>/dev/null
}

# Compares the two; adds how many there were to $repeated.
repeated_compare() {
	local mine
	mine=$(canon_repeated "$1")
	diff <(echo "$mine") <(shark_repeated "$1" | cat - <([ -n "$mine" ] || echo)) || { echo "$1"; return 1; }
	repeated=$((repeated + $(wc -w <<<"$mine")))
}

@test "tshark finds the same retransmissions in every capture" {
	local file repeated=0
	for file in "$srcdir"/tests/captures/*.pcap; do
		repeated_compare "$file"
	done
	[ "$repeated" -eq 27 ]
}

@test "tshark finds the same retransmissions in captures of runs over links that lose and reorder" {
	local name repeated=0
	for name in gilbert wan; do
		run_scenario "$srcdir/scenarios/$name.yaml" --set 'expect=[]' --set 'capture=[client1.internet, client2.internet]' \
			--set 'nodes.client*.on.internet.loss=3 %' --set 'nodes.client*.on.internet.reorder=2 %'
		repeated_compare "$BATS_TEST_TMPDIR/$name/client1.internet.pcapng"
		repeated_compare "$BATS_TEST_TMPDIR/$name/client2.internet.pcapng"
	done
	[ "$repeated" -gt 1000 ]
}

# Packets that tshark finds malformed or of a bad checksum, and that say of no link that it corrupted them:
# shark_wrong CAPTURE [OPTION]... HTTP is not dissected: bodies are of drawn bytes, which may look like anything.
shark_wrong() {
	local file=$1
	shift
	"$TSHARK" -n -r "$file" "$@" --disable-protocol http -o tcp.desegment_tcp_streams:FALSE -o ip.check_checksum:TRUE \
		-o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE -Y "(_ws.malformed || ip.checksum.status == 0 ||
		udp.checksum.status == 0 || tcp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0)
		$excuse" 2>/dev/null
}

# The captures that NAME writes by itself, all of them; and then what passes anywhere in it, the first 20,000 packets.
scenario_clean() {
	local excuse='&& !(frame.comment contains "corrupted by link")' file name=$1
	run_scenario "$srcdir/scenarios/$name.yaml"
	for file in "$BATS_TEST_TMPDIR/$name"/*.pcapng; do
		[ ! -e "$file" ] || [ -z "$(shark_wrong "$file")" ] || { echo "$file"; shark_wrong "$file" | head -n 3; return 1; }
	done
	rm -r "$BATS_TEST_TMPDIR/$name"
	sanitized || run_scenario "$srcdir/scenarios/$name.yaml" --set 'expect=[]' --set capture=all
	file=$BATS_TEST_TMPDIR/$name/all.pcapng
	[ ! -e "$file" ] || [ -z "$(shark_wrong "$file" -c 20000)" ] || { echo "$file"; shark_wrong "$file" -c 20000 | head -n 3; return 1; }
	rm -rf "${BATS_TEST_TMPDIR:?}/$name"
}

@test "tshark finds nothing malformed and no bad checksum in any capture that the shipped scenarios write" {
	local name count=0
	for name in $SHIPPED; do
		scenario_clean "$name"
		count=$((count + 1))
	done
	[ "$count" -ge 25 ]
}

@test "what a link corrupts is what tshark finds" {
	local excuse=''
	run_scenario "$srcdir/scenarios/handoff.yaml" --set 'traffic.0.requests=60' --set 'expect=[]' --set capture=all
	[ "$(shark_wrong "$BATS_TEST_TMPDIR/handoff/all.pcapng" | wc -l)" -ge 5 ]
	excuse='&& !(frame.comment contains "corrupted by link")'
	[ -z "$(shark_wrong "$BATS_TEST_TMPDIR/handoff/all.pcapng")" ]
}
