#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The dissector for Wireshark, on captures of shipped scenarios: courier frames field by field, encapsulated packets with
# their flow and original addresses, expert notes; with comments or without, cut or whole, it raises no error.

load ../lib/shell.bash

setup_file() {
	export RUN=$BATS_FILE_TMPDIR/handoff
	"$BATON" run --quiet --out "$RUN" --set 'traffic.0.requests=60' --set 'expect=[]' --set 'faults=[]' --set capture=all \
		"$srcdir/scenarios/handoff.yaml"
}

# tshark with the dissector: shark FILE [OPTION]...
shark() {
	local file=$1
	shift
	"$TSHARK" -n -X lua_script:"$srcdir/pcap/wireshark/baton.lua" -r "$file" "$@" 2>/dev/null
}

# Fields of the packets of a file: fields FILE FILTER FIELD...
fields() {
	local file=$1 filter=$2 field options=()
	shift 2
	for field; do options+=(-e "$field"); done
	shark "$file" -Y "$filter" -T fields "${options[@]}"
}

# Whether all of a file is dissected without an error of the script.
no_error() {
	[ -z "$(fields "$1" _ws.lua.error frame.number _ws.lua.error)" ]
}

@test "baton.flow finds the encapsulated packets, with their original addresses as the trace has them" {
	[ "$(fields "$RUN/all.pcapng" baton.flow frame.number | wc -l)" -eq "$(fields "$RUN/all.pcapng" 'ip.src == 10.0.0.2 && tcp' frame.number | wc -l)" ]
	diff <(fields "$RUN/all.pcapng" baton.flow baton.flow baton.node baton.original.src baton.original.srcport baton.original.dst baton.original.dstport | sort -u) \
		<(jq -r 'select(.ev == "forwarder.encapsulate") | "\(.flow)\tbackend\(.device - 10)\t\(.tuple | gsub("[:> ]+"; "\t"))"' "$RUN/trace.jsonl" | sort -u)
	local flow
	flow=$(jq -r 'select(.ev == "classifier.flow") | .flow' "$RUN/trace.jsonl" | sed -n 7p)
	[ "$(fields "$RUN/all.pcapng" "baton.flow == $flow" tcp.srcport tcp.dstport | awk '{print $1 * 65536 + $2}' | sort -u)" = "$flow" ]
	no_error "$RUN/all.pcapng"
}

@test "a courier frame's fields are the bytes of lb/frame.h" {
	fields "$RUN/all.pcapng" baton.frame udp.payload baton.frame.kind baton.frame.epoch baton.frame.from baton.frame.to \
		baton.frame.boot baton.frame.number baton.frame.sealed baton.frame.tag >"$BATS_TEST_TMPDIR/frames"
	# a flipped bit in magic, version or kind makes it something else; in the ports it is not looked at
	local all=$(fields "$RUN/all.pcapng" 'udp.port == 7433 && !(frame.comment contains "corrupted")' frame.number | wc -l)
	[ "$all" -gt 1000 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/frames")" -ge "$all" ]
	awk -F'\t' '{
		hex = sprintf("%02x%02x%04x%04x%s", $2, $3, $4, $5, substr($6, 3))
		if ($1 !~ "^b701" hex "................" $8 $9 "$" || length($9) != 32 || substr($1, 33, 16) != sprintf("%016x", $7)) { print; bad = 1 }
	} END {exit bad}' "$BATS_TEST_TMPDIR/frames"
}

@test "drops, corruption, retransmission and rejection are expert notes, one for each comment" {
	local what
	for what in 'dropped: /Dropped: ' 'corrupted by link/Corrupted by link' 'courier: retransmission/Courier: retransmission' \
		'courier: rejected/Courier: rejected'; do
		local notes=$(fields "$RUN/all.pcapng" "_ws.expert.message contains \"${what#*/}\"" frame.number | wc -l)
		[ "$notes" -gt 2 ]
		[ "$notes" -eq "$(fields "$RUN/all.pcapng" "frame.comment contains \"${what%/*}\"" frame.number | wc -l)" ]
	done
	[ "$(fields "$RUN/all.pcapng" baton.dropped baton.dropped | sort -u)" = loss ]
	[ -z "$(fields "$RUN/all.pcapng" 'baton.rejected && !baton.frame' frame.number)" ]
}

@test "IPv6 has flows and original addresses too" {
	run_scenario "$srcdir/scenarios/ipv6.yaml" --set 'traffic.0.requests=10' --set 'traffic.1.requests=4' --set 'expect=[]' \
		--set 'faults=[]' --set 'capture=[forwarder.cluster]'
	local dir=$BATS_TEST_TMPDIR/ipv6
	diff <(fields "$dir/forwarder.cluster.pcapng" baton.flow baton.flow baton.original | sort -u) \
		<(jq -r 'select(.ev == "forwarder.encapsulate") | "\(.flow)\t\(.tuple)"' "$dir/trace.jsonl" | sort -u)
	[ "$(fields "$dir/forwarder.cluster.pcapng" baton.flow baton.original.dst | sort -u)" = 2001:db8:1::80 ]
	no_error "$dir/forwarder.cluster.pcapng"
}

@test "packets that are bounced have the flow that they came with, and no addresses of others" {
	run_scenario "$srcdir/scenarios/drain.yaml" --set 'capture=[forwarder.cluster]'
	local file=$BATS_TEST_TMPDIR/drain/forwarder.cluster.pcapng
	[ "$(fields "$file" 'baton.bounced && frame.interface_name == "forwarder.cluster"' baton.flow | sort -u)" = \
		"$(jq -r 'select(.ev == "forwarder.bounce") | .flow' "$BATS_TEST_TMPDIR/drain/trace.jsonl" | sort -u)" ]
	[ "$(fields "$file" baton.bounced frame.number | wc -l)" -eq "$(metric "$BATS_TEST_TMPDIR/drain" forwarder.bounced)" ]
	no_error "$file"
}

@test "without comments the flows are still found; cut packets and frames raise no error" {
	run_scenario "$srcdir/scenarios/handoff.yaml" --set 'traffic.0.requests=10' --set 'expect=[]' --set 'faults=[]' \
		--set 'capture=[{at: forwarder.cluster, snap: 60 B}, {at: backend1.cluster, snap: 20 B}]'
	local dir=$BATS_TEST_TMPDIR/handoff
	[ "$(fields "$dir/forwarder.cluster.pcapng" baton.flow baton.flow | sort -u | wc -l)" -eq 10 ]
	[ "$(fields "$dir/forwarder.cluster.pcapng" 'udp.port == 7433' frame.number | wc -l)" -gt 20 ]
	no_error "$dir/forwarder.cluster.pcapng"
	no_error "$dir/backend1.cluster.pcapng"
	"$TSHARK" -n -r "$RUN/all.pcapng" -F pcapng -Y 'frame.interface_name == "forwarder.cluster"' -w "$BATS_TEST_TMPDIR/forwarder.pcapng" 2>/dev/null
	# a capture in a format that has no comments and no interfaces is dissected as far as it goes
	"$TSHARK" -n -r "$BATS_TEST_TMPDIR/forwarder.pcapng" -F nsecpcap -w "$BATS_TEST_TMPDIR/plain.pcap" 2>/dev/null
	[ "$(fields "$BATS_TEST_TMPDIR/plain.pcap" baton.frame frame.number | wc -l)" -gt 100 ]
	[ "$(fields "$BATS_TEST_TMPDIR/plain.pcap" baton.flow frame.number | wc -l)" -eq 0 ]
	[ "$(fields "$BATS_TEST_TMPDIR/forwarder.pcapng" baton.flow baton.flow | sort -u | wc -l)" -eq 60 ]
	no_error "$BATS_TEST_TMPDIR/plain.pcap"
}

@test "--save-plain tells what sealed frames carry, and changes nothing else" {
	local dir=$BATS_TEST_TMPDIR/handoff sets=(--set 'traffic.0.requests=60' --set 'expect=[]' --set 'faults=[]' --set capture=all)
	run_scenario "$srcdir/scenarios/handoff.yaml" --save-plain "${sets[@]}"
	cmp "$dir/result.json" "$RUN/result.json"
	cmp "$dir/trace.jsonl" "$RUN/trace.jsonl"
	# every frame that is whole is opened, and the message of each hand-off is there
	[ -z "$(fields "$dir/all.pcapng" 'baton.frame.kind == 2 && !baton.plain && !baton.corrupted' frame.number)" ]
	diff <(fields "$dir/all.pcapng" 'baton.message == "PREPARE"' baton.message.flow baton.plain | grep -o 'PREPARE, message [0-9]*, flow [0-9]*' | sed 's/.* //' | sort -u) \
		<(jq -r 'select(.ev == "handoff.prepare") | .flow' "$dir/trace.jsonl" | sort -u)
	diff <(fields "$dir/all.pcapng" baton.blob baton.message.flow | tr , '\n' | sort -u) <(jq -r 'select(.ev == "blob.send") | .flow' "$dir/trace.jsonl" | sort -u)
	# the same packets without their comments
	diff <(fields "$dir/all.pcapng" frame frame.time_epoch frame.interface_name frame.len udp.checksum tcp.checksum) \
		<(fields "$RUN/all.pcapng" frame frame.time_epoch frame.interface_name frame.len udp.checksum tcp.checksum)
	no_error "$dir/all.pcapng"
	run "$BATON" run --save-plain --out "$BATS_TEST_TMPDIR/none" --set 'capture=[]' "$srcdir/scenarios/handoff.yaml"
	[ "$status" -eq 2 ]
	[[ "$output" == *"--save-plain is about captures, and"* ]]
}

@test "--save-plain shows a blob section by section: each value of each blob, out of as many pieces as it has" {
	run_scenario "$srcdir/scenarios/drain.yaml" --save-plain --save-blobs --set 'expect=[]' \
		--set 'capture=[{ at: forwarder.cluster, filter: courier data }]'
	local dir=$BATS_TEST_TMPDIR/drain file flow names
	[ "$(ls "$dir/blobs" | wc -l)" -gt 20 ]
	# Connections that moved in the middle of a reply are among them: with segments, the application's state, and many pieces.
	fields "$dir/forwarder.cluster.pcapng" 'baton.blob.segments.unacked_count > 0 && baton.blob.segment.len > 0 && baton.blob.section == "APP"' \
		frame.number | grep -q .
	fields "$dir/forwarder.cluster.pcapng" 'baton.blob contains "piece 4 of"' frame.number | grep -q .
	# Everything that `baton blob` knows of is a field, but for the header's, what has a name instead of a number, and segments.
	local values='/^[a-z]/ { s = $1 } /^  / && s ~ /^(handoff|socket|tcp|ip|segments)$/ && $1 !~ /\[|^state$/ { print "baton.blob." s "." $1 "=" $2 }'
	names=$("$BATON" blob "$(ls "$dir"/blobs/* | head -1)" | awk "$values" | cut -d= -f1)
	[ "$(wc -l <<<"$names")" -gt 55 ]
	for file in $(ls "$dir"/blobs/* | head -2) $(ls -S "$dir"/blobs/* | head -1); do
		flow=$(basename "$file" .blob)
		# A frame that completes it has all of it.
		fields "$dir/forwarder.cluster.pcapng" "baton.blob.handoff.flow == $flow" $names | tail -1 | tr '\t' '\n' |
			paste -d= <(echo "$names") - | diff <("$BATON" blob "$file" | awk "$values") -
		# Its data, byte for byte.
		[ "$(fields "$dir/forwarder.cluster.pcapng" "baton.blob.handoff.flow == $flow" baton.blob.bytes | tail -1 | tr -d ':' | tr ',' '\n' | tail -1 | tail -c 65 | tr -d "\n")" = \
			"$(od -An -v -tx1 "$file" | tr -d " \n" | tail -c 64)" ]
	done
	no_error "$dir/forwarder.cluster.pcapng"
}

@test "blobs that a backend rejects are expert notes" {
	run_scenario "$srcdir/scenarios/reject.yaml" --save-plain --set 'capture=[backend1.cluster]'
	local dir=$BATS_TEST_TMPDIR/reject rejected
	rejected=$(jq -r 'select(.ev == "migrator.reject" and .node == "backend1") | .flow' "$dir/trace.jsonl" | sort -u)
	[ "$(wc -l <<<"$rejected")" -gt 3 ]
	diff <(fields "$dir/backend1.cluster.pcapng" '_ws.expert.message contains "Blob rejected: too many connections"' baton.message.flow |
		tr , '\n' | sort -u) <(echo "$rejected")
}

@test "doc/wireshark.md shows what its commands print" {
	mkdir -p "$BATS_TEST_TMPDIR/at/out"
	cd "$BATS_TEST_TMPDIR/at"
	ln -s "$srcdir/pcap" pcap
	"$BATON" run --quiet --save-plain --out out/handoff "$srcdir/scenarios/handoff.yaml"
	"$srcdir/tests/lib/doc-shark" "$srcdir/doc/wireshark.md" | diff "$srcdir/doc/wireshark.md" -
}
