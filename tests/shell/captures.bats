#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What a run writes opens in tshark: no malformed packet, no bad checksum that a link did not make, and encapsulated packets
# that carry the flow identifier in their ports and are not a byte longer.

load ../lib/shell.bash

setup_file() {
	export RUN=$BATS_FILE_TMPDIR/handoff
	"$BATON" run --quiet --out "$RUN" --set 'traffic.0.requests=40' --set 'expect=[]' --set 'faults=[]' \
		--set 'capture=[forwarder.internet, forwarder.cluster, client1.internet, backend1.cluster, backend2.cluster]' \
		"$srcdir/scenarios/handoff.yaml"
}

# Runs tshark over a capture with every checksum verified: shark CAPTURE [OPTION]...
shark() {
	local file=$1
	shift
	"$TSHARK" -n -r "$RUN/$file.pcapng" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE "$@" 2>/dev/null
}

@test "the captures are there and name their interface" {
	shark forwarder.cluster -T fields -e frame.interface_name -c 1 | grep -qx forwarder.cluster
	[ "$(shark forwarder.cluster | wc -l)" -gt 100 ]
}

@test "no packet is malformed, and no TCP checksum is bad, on either side of the forwarder" {
	local file
	for file in forwarder.internet forwarder.cluster client1.internet; do
		[ -z "$(shark $file -Y '_ws.malformed || tcp.checksum.status == 0 || tcp.len > 1460')" ]
	done
}

@test "what the forwarder sends has good checksums throughout" {
	[ -z "$(shark forwarder.cluster -Y 'eth.src == 02:ba:00:08:00:01 && (ip.checksum.status == 0 || udp.checksum.status == 0) && !(udp.port == 7433 && ip.ttl == 63)')" ]
}

@test "encapsulated packets come from the tunnel address, carry a flow identifier, and are as long as the originals" {
	local tunnel=10.0.0.2
	shark forwarder.cluster -Y "ip.src == $tunnel" -T fields -e ip.dst -e tcp.srcport -e tcp.dstport -e tcp.seq_raw \
		-e tcp.ack_raw -e ip.len >"$BATS_TEST_TMPDIR/encapsulated"
	shark forwarder.internet -Y 'ip.dst == 198.51.100.80 && tcp' -T fields -e ip.src -e tcp.srcport -e tcp.seq_raw \
		-e tcp.ack_raw -e ip.len >"$BATS_TEST_TMPDIR/original"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/encapsulated")" -gt 100 ]
	# every one has its original, by sequence and acknowledgement number, with the same length
	awk 'NR == FNR {original[$3 " " $4 " " $5]++; next} !(($4 " " $5 " " $6) in original) {print; bad = 1} END {exit bad}' \
		"$BATS_TEST_TMPDIR/original" "$BATS_TEST_TMPDIR/encapsulated"
	# neither half of an identifier is zero, and there is one identifier for each connection
	awk '$2 == 0 || $3 == 0 {exit 1}' "$BATS_TEST_TMPDIR/encapsulated"
	[ "$(awk '{print $2, $3}' "$BATS_TEST_TMPDIR/encapsulated" | sort -u | wc -l)" -eq 40 ]
}

@test "the identifiers on the wire are those that the trace says were chosen" {
	diff <(shark forwarder.cluster -Y 'ip.src == 10.0.0.2' -T fields -e tcp.srcport -e tcp.dstport | awk '{print $1 * 65536 + $2}' | sort -nu) \
	     <(jq -r 'select(.ev == "classifier.flow") | .flow' "$RUN/trace.jsonl" | sort -nu)
}

@test "a link's corruption is seen in the capture behind it, and nowhere else" {
	# frames that a backend received corrupted: bad UDP or IP checksum, as many as the books say at most
	local bad
	bad=$(for b in backend1 backend2; do shark $b.cluster -Y 'udp.checksum.status == 0 || ip.checksum.status == 0'; done | wc -l)
	[ "$bad" -le "$(jq .packets.corrupted "$RUN/result.json")" ]
}

@test "IPv6: no packet is malformed, no checksum of TCP, UDP or discovery is bad, and encapsulation adds no byte" {
	RUN=$BATS_TEST_TMPDIR/ipv6
	"$BATON" run --quiet --out "$RUN" --set 'traffic.0.requests=20' --set 'traffic.1.requests=4' --set 'expect=[]' --set 'faults=[]' \
		--set 'nodes.backend*.on.cluster={}' --set 'capture=[forwarder.internet, forwarder.cluster]' "$srcdir/scenarios/ipv6.yaml"
	local file tunnel=2001:db8:2::2
	for file in forwarder.internet forwarder.cluster; do
		[ "$(shark $file -Y 'icmpv6.type == 135 && icmpv6.checksum.status == 1' | wc -l)" -gt 2 ]
		[ -z "$(shark $file -Y '_ws.malformed || !ipv6 || tcp.len > 1440 || tcp.checksum.status == 0 || udp.checksum.status == 0 || icmpv6.checksum.status == 0')" ]
	done
	shark forwarder.cluster -Y "ipv6.src == $tunnel" -T fields -e tcp.seq_raw -e tcp.ack_raw -e ipv6.plen |
		sort -u >"$BATS_TEST_TMPDIR/encapsulated"
	shark forwarder.internet -Y 'ipv6.dst == 2001:db8:1::80 && tcp' -T fields -e tcp.seq_raw -e tcp.ack_raw -e ipv6.plen |
		sort -u >"$BATS_TEST_TMPDIR/original"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/encapsulated")" -gt 50 ]
	[ -z "$(comm -23 "$BATS_TEST_TMPDIR/encapsulated" "$BATS_TEST_TMPDIR/original")" ]
	diff <(shark forwarder.cluster -Y "ipv6.src == $tunnel" -T fields -e tcp.srcport -e tcp.dstport | awk '{print $1 * 65536 + $2}' | sort -nu) \
	     <(jq -r 'select(.ev == "classifier.flow") | .flow' "$RUN/trace.jsonl" | sort -nu)
}

@test "a dissector finds the server names of hellos cut into records and segments, and the alerts" {
	run_scenario "$srcdir/scenarios/tls-sni.yaml"
	RUN=$BATS_TEST_TMPDIR/tls-sni
	local names=$BATS_TEST_TMPDIR/names
	shark client1.internet -d tcp.port==8443,tls -Y tls.handshake.type==1 -T fields -e tls.handshake.extensions_server_name >"$names"
	[ "$(grep -cx Shop.Example "$names")" -eq 5 ]
	[ "$(grep -cx 'c[0-9]*\.api\.example' "$names")" -eq 15 ]
	[ "$(grep -cx unknown.example "$names")" -eq 5 ]
	[ "$(shark client1.internet -Y 'tls.alert_message.desc == 112 && ip.src == 198.51.100.80' | wc -l)" -eq 5 ]
	[ "$(shark client1.internet -Y 'tls.handshake.type == 2' | wc -l)" -eq 20 ]
	[ -z "$(shark client1.internet -Y _ws.malformed)" ]
}

@test "pipelined requests travel in the blob, and a connection's replies all come from one backend" {
	run_scenario "$srcdir/scenarios/keepalive-pipelined.yaml" --set 'capture=[forwarder.cluster]'
	RUN=$BATS_TEST_TMPDIR/keepalive-pipelined
	# four requests of 59 bytes or more each, received before the hand-off
	[ "$(jq -r 'select(.ev == "indicate" and .bytes >= 236 and .bytes < 1000) | .bytes' "$RUN/trace.jsonl" | wc -l)" -eq 40 ]
	shark forwarder.cluster -Y 'ip.src == 198.51.100.80 && tcp.len > 0' -T fields -e ip.dst -e tcp.dstport -e eth.src |
		sort -u >"$BATS_TEST_TMPDIR/servers"
	[ "$(cut -f1,2 "$BATS_TEST_TMPDIR/servers" | sort -u | wc -l)" -eq 96 ]
	[ "$(wc -l <"$BATS_TEST_TMPDIR/servers")" -eq 96 ]
	[ "$(cut -f3 "$BATS_TEST_TMPDIR/servers" | sort -u | wc -l)" -eq 3 ]
}

# Fields of the packets of a file: fields FILE FILTER FIELD...
fields() {
	local file=$1 filter=$2 field options=()
	shift 2
	for field; do options+=(-e "$field"); done
	shark "$file" -Y "$filter" -T fields "${options[@]}"
}

@test "encapsulated packets, and no others, say their flow, backend and original addresses" {
	fields forwarder.cluster 'ip.src == 10.0.0.2 && tcp' tcp.srcport tcp.dstport ip.dst frame.comment |
		awk -F'\t' '{print $1 * 65536 + $2, $3, $4}' | sort -u >"$BATS_TEST_TMPDIR/seen"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/seen")" -eq 40 ]
	jq -r 'select(.ev == "forwarder.encapsulate") | "\(.flow) encapsulated, flow \(.flow) -> backend\(.device - 10), \(.tuple)"' \
		"$RUN/trace.jsonl" | sort -u >"$BATS_TEST_TMPDIR/traced"
	diff <(cut -d' ' -f1,3- "$BATS_TEST_TMPDIR/seen" | sort) "$BATS_TEST_TMPDIR/traced"
	[ -z "$(fields forwarder.cluster 'frame.comment contains "encapsulated" && ip.src != 10.0.0.2' frame.number)" ]
}

@test "capture: all is one file, in which each drop stands once and each bad checksum is explained" {
	RUN=$BATS_TEST_TMPDIR/handoff
	run_scenario "$srcdir/scenarios/handoff.yaml" --set 'traffic.0.requests=60' --set 'expect=[]' --set 'faults=[]' \
		--set capture=all --set 'nodes.client*.on.internet.loss=gemodel 2% 20%'
	[ "$(ls "$RUN"/*.pcapng)" = "$RUN/all.pcapng" ]
	[ "$(fields all frame frame.interface_name | sort -u | wc -l)" -eq 15 ]
	local dropped
	dropped=$(jq .packets.dropped "$RUN/result.json")
	[ "$dropped" -gt 50 ]
	[ "$(fields all 'frame.comment contains "dropped: loss"' frame.number | wc -l)" -eq "$dropped" ]
	[ "$(fields all 'frame.comment contains "dropped: loss gemodel bad state"' frame.interface_name | grep -c client)" -gt 20 ]
	# as many as the books say were corrupted, each once at the attachment that it comes to or is dropped at
	[ "$(fields all 'frame.comment contains "corrupted by link" && frame.interface_name contains "backend"' frame.number | wc -l)" -eq \
		"$(jq .packets.corrupted "$RUN/result.json")" ]
	[ -z "$(shark all -o tcp.desegment_tcp_streams:FALSE -Y '(_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0) && !(frame.comment contains "corrupted by link")')" ]
	grep -aq 'hand-off under loss, seed 1' "$RUN/all.pcapng"
	[ "$(fields all frame frame.interface_description | sort -u | sed -n 1p)" = 'backend1 on cluster; tunnel addresses: 10.0.0.2' ]
}

@test "a snap length and a filter hold for their capture point alone" {
	RUN=$BATS_TEST_TMPDIR/handoff
	run_scenario "$srcdir/scenarios/handoff.yaml" --set 'traffic.0.requests=10' --set 'expect=[]' --set 'faults=[]' \
		--set 'capture=[{at: client1.internet, snap: 60 B, filter: data}, {at: forwarder.cluster, filter: courier}]'
	[ "$(fields client1.internet frame frame.cap_len | sort -nu | tail -1)" -eq 60 ]
	[ "$(fields client1.internet frame frame.len | sort -nu | tail -1)" -eq 1514 ]
	[ "$(fields client1.internet frame frame.len | sort -nu | head -1)" -gt 54 ]
	[ "$(fields forwarder.cluster frame frame.number | wc -l)" -gt 100 ]
	[ -z "$(fields forwarder.cluster 'udp.port != 7433' frame.number)" ]
}

@test "packets that a backend buffers before infusion say so, as many as are counted" {
	RUN=$BATS_TEST_TMPDIR/early-packets
	run_scenario "$srcdir/scenarios/early-packets.yaml" --set 'capture=[backend.cluster]'
	[ "$(fields backend.cluster 'frame.comment contains "buffered before infusion, flow"' frame.number | wc -l)" -eq \
		"$(jq .driver.buffered "$RUN/result.json")" ]
}

@test "a run that is killed leaves captures that are readable to their end" {
	RUN=$BATS_TEST_TMPDIR/killed
	mkdir "$RUN"
	"$BATON" run --quiet --out "$RUN" --set traffic.0.requests=200000 --set 'expect=[]' --set 'stop=2000 s' \
		--set capture=all "$srcdir/scenarios/handoff.yaml" 3>&- &
	local run=$! tries=0
	until [ "$(stat -c %s "$RUN/all.pcapng" 2>/dev/null || echo 0)" -gt 1000000 ] || [ $((tries += 1)) -gt 500 ]; do sleep 0.02; done
	kill -9 $run
	wait $run || [ $? -eq 137 ]
	# the system may cut the write that it kills: status 2; all before that is there
	"$TSHARK" -n -r "$RUN/all.pcapng" -T fields -e frame.cap_len >"$BATS_TEST_TMPDIR/lengths" 2>"$BATS_TEST_TMPDIR/says" || [ $? -eq 2 ]
	! grep -Ei 'damaged|corrupt' "$BATS_TEST_TMPDIR/says"
	awk -v size="$(stat -c %s "$RUN/all.pcapng")" '{bytes += $1 + 160} END {exit !(NR > 1000 && bytes > size - 20000)}' "$BATS_TEST_TMPDIR/lengths"
}
