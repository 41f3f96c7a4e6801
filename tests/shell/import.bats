#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# baton import: every capture becomes a scenario that checks and runs, what it says is what tshark sees, and what it measures
# is near to what is known of the runs that were captured.

load ../lib/shell.bash
bats_require_minimum_version 1.5.0

captures="$srcdir/tests/captures"

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# estimate CAPTURE out|in loss|reorder: in parts of a million; 0 when there is none.
estimate() {
	"$BATON" import "$1" | grep '^  client1:' |
		grep -oE "$2: \{[^}]*\}" | grep -oE "$3: [0-9.]+" | awk '{ printf "%d", $2 * 10000 }' | grep . || echo 0
}

# near WHAT VALUE LEAST MOST
near() {
	[ "$2" -ge "$3" ] && [ "$2" -le "$4" ] || { echo "$1 is $2, and should be $3 to $4"; return 1; }
}

# known out|in LOSS_THERE LOSS_BACK REORDER_THERE REORDER_BACK, in percent: runs the path into known/. out: what goes there is
# lost and reordered where the client sends it, and what comes back where the server does; in: where they receive it.
known() {
	local there=client.on.near.out back=server.on.far.out
	[ "$1" = out ] || there=server.on.far.in back=client.on.near.in
	"$BATON" run --quiet --out known --set "nodes.$there.loss=$2 %" --set "nodes.$back.loss=$3 %" \
		--set "nodes.$there.reorder=$4 %" --set "nodes.$back.reorder=$5 %" "$srcdir/tests/scenarios/known-path.yaml"
}

@test "every capture with a connection becomes a scenario that checks and runs" {
	local file name count=0
	for file in "$captures"/*.pcap; do
		name=$(basename "$file" .pcap)
		run --separate-stderr "$BATON" import "$file"
		if [ "$name" = syn-bad ]; then # a SYN that nobody answered
			[ "$status" -eq 2 ]
			[ -z "$output" ]
			[[ $stderr == *"syn-bad.pcap: no TCP connection in it that anybody answered"* ]]
			continue
		fi
		[ "$status" -eq 0 ] || { echo "$name: $stderr"; return 1; }
		echo "$output" > "$name.yaml"
		"$BATON" check "$name.yaml"
		"$BATON" run --quiet --out "$name" "$name.yaml" || { echo "$name does not run"; return 1; }
		[ "$(metric "$name" requests.failed)" -eq 0 ]
		count=$((count + 1))
	done
	[ "$count" -ge 24 ]
}

@test "targets and sizes are those that tshark sees" {
	local name
	for name in bro.org get post pipelined-requests 100-continue http-post-large multipart; do
		"$BATON" import "$captures/$name.pcap" > ours.yaml
		diff <("$TSHARK" -r "$captures/$name.pcap" -Y http.request -T fields -e http.request.uri 2> tshark.err | sort) \
			<(grep -oE 'path: "[^"]*"' ours.yaml | cut -d'"' -f2 | sort) || { echo "$name: paths"; return 1; }
		diff <("$TSHARK" -r "$captures/$name.pcap" -Y 'http.response && http.content_length' -T fields -e http.content_length \
			2> tshark.err | grep -vx 0 | sort -n) \
			<(grep -oE 'reply: [0-9]+ B' ours.yaml | grep -oE '[0-9]+' | grep -vx 1 | sort -n) > sizes.diff || true
		# What has no length of its own, being in chunks or lasting until the end, tshark does not tell.
		! grep -q '^<' sizes.diff || { echo "$name: replies"; cat sizes.diff; return 1; }
	done
}

@test "connections are those that tshark sees, at their times" {
	local name
	for name in bro.org methods http_09; do
		"$BATON" import "$captures/$name.pcap" > ours.yaml
		diff <("$TSHARK" -r "$captures/$name.pcap" -Y 'tcp.flags.syn == 1 && tcp.flags.ack == 0' -T fields -e frame.time_relative |
			sed 's/0*$//; s/\.$//' | sort -n) \
			<(grep -oE 'start: [0-9.]+' ours.yaml | cut -d' ' -f2 | sort -n)
	done
}

@test "TLS is by the server's name, and what is neither takes turns" {
	"$BATON" import "$captures/chrome-34-google.pcap" > tls.yaml
	grep -qE '\{ server_name: "[a-z.]*google[a-z.]*", to: backend1 \}' tls.yaml
	grep -qE 'app: tls, server_name: "[a-z.]*google' tls.yaml
	"$BATON" import "$captures/truncated-header.pcap" > smtp.yaml # its payload is cut off
	grep -q 'protocol: none' smtp.yaml
	grep -q 'at: 0 s, reply: 84 B' smtp.yaml
	grep -q 'body: 24 B, reply: 204 B' smtp.yaml
	grep -q '605 B are not in the capture' smtp.yaml
	"$BATON" import "$captures/websocket.pcap" | grep -q 'body: 148 B, reply: 605 B'
}

@test "loss and delay are measured at the client, half way and at the server" {
	local place there back row
	for row in "out 0 0" "out 0.5 1" "out 5 3" "in 2 2" "in 5 3" "in 10 10"; do
		known $row 0 0
		read -r _ there back <<<"$row"
		there=$(awk "BEGIN { print $there * 10000 }") back=$(awk "BEGIN { print $back * 10000 }")
		for place in client.near router.near server.far; do
			"$BATON" import "known/$place.pcapng" | grep -q 'delay: 20000000 ns'
			near "$row at $place: there" "$(estimate "known/$place.pcapng" out loss)" $((there * 8 / 10)) $((there * 12 / 10))
			near "$row at $place: back" "$(estimate "known/$place.pcapng" in loss)" $((back * 8 / 10)) $((back * 12 / 10))
			near "$row at $place: reordered" "$(estimate "known/$place.pcapng" in reorder)" 0 0
		done
	done
}

@test "reordering is measured behind it, and is bounded from below before it" {
	known out 0 0 2 4
	near "there, half way" "$(estimate known/router.near.pcapng out reorder)" 14000 20000
	near "there, at the server" "$(estimate known/server.far.pcapng out reorder)" 14000 20000
	near "there, at the client" "$(estimate known/client.near.pcapng out reorder)" 1000 5000
	near "back, at the client" "$(estimate known/client.near.pcapng in reorder)" 28000 40000
	near "loss that there is not" "$(estimate known/router.near.pcapng out loss)" 0 2000
}

# entries FILE: of each entry of traffic but the first, how long after the one before it starts, and what it asks for.
entries() {
	grep -oE 'start: [0-9.]+ s,.*' "$1" | sed 's/host: "[^"]*", //' |
		awk '{ if (NR > 2) printf "%.6f ", $2 - last; last = $2; if (NR > 1) { $1 = $2 = ""; print } }'
}

@test "an import of an import is alike" {
	known in 2 2 0 0
	"$BATON" import known/client.near.pcapng > once.yaml
	sed -i '/^traffic:/i capture: [ client1.internet ]\n' once.yaml
	"$BATON" run --quiet --out once once.yaml
	"$BATON" import once/client1.internet.pcapng > twice.yaml
	# The same requests and sizes, as long after each other (but for the first SYN, which waits for ARP), on about the same path.
	diff <(entries once.yaml) <(entries twice.yaml)
	[ "$(entries once.yaml | wc -l)" -eq 199 ]
	near "there" "$(estimate once/client1.internet.pcapng out loss)" 14000 26000
	near "back" "$(estimate once/client1.internet.pcapng in loss)" 14000 26000
}

@test "captures come gzipped, as pcapng and from standard input" {
	"$BATON" import "$captures/get.pcap" > plain.yaml
	gzip -c "$captures/get.pcap" > get.pcap.gz
	diff plain.yaml <("$BATON" import get.pcap.gz | sed 's/get\.pcap\.gz/get.pcap/')
	diff plain.yaml <("$BATON" import - < "$captures/get.pcap" | sed 's/standard input/get.pcap/')
	editcap -F pcapng "$captures/get.pcap" get.pcapng
	diff plain.yaml <("$BATON" import get.pcapng | sed 's/get\.pcapng/get.pcap/')
}

@test "of several interfaces one counts, and what Baton encapsulated is not taken for connections" {
	"$BATON" run --quiet --out all --set traffic.0.requests=40 --set 'expect=[]' --set 'faults=[]' --set capture=all \
		"$srcdir/scenarios/handoff.yaml"
	"$BATON" import all/all.pcapng > all.yaml
	[ "$(grep -c '^  - { from:' all.yaml)" -eq 40 ]
	[ "$(grep -oE 'reply: [0-9]+' all.yaml | sort | uniq -c | sed 's/^ *//')" = '40 reply: 65536' ]
	grep -q 'packets that another interface of the file shows too' all.yaml
	[ "$(grep -cE 'client[0-9]+: .*(loss|reorder)' all.yaml)" -eq 0 ]
	"$BATON" run --quiet --out all-again all.yaml
	"$BATON" run --quiet --out cluster --set traffic.0.requests=40 --set 'expect=[]' --set 'faults=[]' \
		--set 'capture=[forwarder.cluster]' "$srcdir/scenarios/handoff.yaml"
	"$BATON" import cluster/forwarder.cluster.pcapng > cluster.yaml
	[ "$(grep -c '^  - { from:' cluster.yaml)" -eq 40 ]
	grep -q 'packets encapsulated by Baton' cluster.yaml
	"$BATON" run --quiet --out cluster-again cluster.yaml
}

@test "IPv6 stays IPv6" {
	"$BATON" run --quiet --out six --set 'capture=[ client1.internet ]' "$srcdir/scenarios/ipv6.yaml"
	"$BATON" import six/client1.internet.pcapng > six.yaml
	grep -q 'subnet: "2001:db8:1::/64"' six.yaml
	"$BATON" run --quiet --out six-again six.yaml
}

@test "what is no capture, or damaged, is said" {
	run "$BATON" import absent.pcap
	[ "$status" -eq 2 ]
	[[ $output == *"absent.pcap: No such file or directory"* ]]
	run "$BATON" import "$srcdir/README.md"
	[ "$status" -eq 2 ]
	run "$BATON" import
	[ "$status" -eq 2 ]
	run "$BATON" import a b
	[ "$status" -eq 2 ]
	head -c 3000 "$captures/get.pcap" > cut.pcap
	run --separate-stderr "$BATON" import cut.pcap
	[ "$status" -eq 2 ]
	[[ $stderr == *"cut.pcap: "*truncated* ]]
	echo "$output" > cut.yaml
	"$BATON" check cut.yaml
	run bash -c "'$BATON' import '$captures/get.pcap' > /dev/full"
	[ "$status" -eq 3 ]
}

@test "clocks that jump over years do not make a scenario of years" {
	editcap -F pcap -t 700000000 "$captures/get.pcap" later.pcap
	editcap -F pcap -t -1300000000 "$captures/get.pcap" earlier.pcap
	mergecap -F pcap -w both.pcap earlier.pcap "$captures/get.pcap" later.pcap
	"$BATON" import both.pcap > both.yaml
	grep -q "^# Cut to a day: 2 longer pauses between two packets." both.yaml
	[ "$(sed -n 's/^stop: \([0-9]*\) s$/\1/p' both.yaml)" -lt $((2 * 86400 + 2 * 3600)) ]
	timeout 60 "$BATON" run --quiet --out both both.yaml
	! "$BATON" import "$captures/get.pcap" | grep "Cut to"
}

@test "a sequence number that a bit flipped in does not make up bytes" {
	# In the fiftieth segment of a server that is longer than its headers.
	python3 - "$captures/bro.org.pcap" flipped.pcap <<-'E'
	import struct, sys
	b = bytearray(open(sys.argv[1], "rb").read())
	order = "<" if b[:4] == b"\xd4\xc3\xb2\xa1" else ">"
	at, seen = 24, 0
	while seen < 50:
	    captured = struct.unpack(order + "I", b[at + 8:at + 12])[0]
	    ip = at + 16 + 14
	    tcp = ip + (b[ip] & 15) * 4
	    if captured > 500 and b[ip + 9] == 6 and b[tcp:tcp + 2] == b"\0P":
	        seen += 1
	    at += 16 + captured
	b[tcp + 4] ^= 0x10
	open(sys.argv[2], "wb").write(b)
	E
	"$BATON" import flipped.pcap > flipped.yaml
	[ "$(sed -n 's/.*, \([0-9]*\) B are not in the capture$/\1/p' flipped.yaml | sort -n | tail -1)" -lt 10000 ]
	timeout 60 "$BATON" run --quiet --out flipped flipped.yaml
}

@test "names and targets cannot break the scenario" {
	cp "$captures/get.pcap" $'a"b\\\n: {x.pcap'
	"$BATON" import $'a"b\\\n: {x.pcap' > odd.yaml
	"$BATON" check odd.yaml
	# A target of the same length with what YAML and {n} would trip over.
	python3 - "$captures/get.pcap" odd.pcap <<-'E'
	import re, sys
	b = open(sys.argv[1], "rb").read()
	at = re.search(rb"GET (/\S*) HTTP", b)
	n = len(at.group(1))
	b = b[:at.start(1)] + (b"/{m}\"\\'#:[]|&*" + b"\xc3\xa9" + b"!" * n)[:n] + b[at.end(1):]
	open(sys.argv[2], "wb").write(b)
	E
	"$BATON" import odd.pcap > odd.yaml
	"$BATON" check odd.yaml
	"$BATON" run --quiet --out odd odd.yaml
}
