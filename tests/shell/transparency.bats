#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A client cannot tell a connection that was handed over from one that was not: on a clean network every segment that it
# sends or receives is the same (direction, flags, relative numbers, length, window, options, payload), and only times
# differ. One thing is added, before the migrate call: the acknowledgement of the request, which would have waited for
# the reply or 250 ms, is sent at once, so that no client's probe fires while the connection moves. tests/unit/
# test_transparency.c compares with a connection that sends the same without moving, for any traffic.

load ../lib/shell.bash

pair="$srcdir/tests/scenarios/transparency"

# segments DIR: a line for each TCP segment in the client's capture.
segments() {
	"$TSHARK" -n -r "$1/client.internet.pcapng" -Y tcp -T fields -e tcp.stream -e ip.src -e tcp.flags.str -e tcp.seq -e tcp.ack \
		-e tcp.len -e tcp.window_size_value -e tcp.urgent_pointer -e tcp.options -e tcp.payload -e ip.ttl -e ip.dsfield -e ip.flags \
		2> /dev/null
}

# same WORD...: runs both scenarios with the same words and compares. Nothing may differ but that acknowledgement, once a
# connection.
same() {
	cd "$BATS_TEST_TMPDIR"
	run_scenario "$pair/moved.yaml" "$@"
	run_scenario "$pair/served.yaml" "$@"
	[ "$(metric moved handoffs.completed)" -ge 1 ]
	segments moved > moved.txt
	segments served > served.txt
	# The TTL tells that there is a forwarder between, as it would tell of any router.
	diff <(cut -f 1-10,12- moved.txt) <(cut -f 1-10,12- served.txt) > difference || true
	cat difference
	! grep -q '^>' difference
	[ "$(grep -c '^<' difference)" -le "$(metric moved handoffs.completed)" ]
	# A bare acknowledgement of what the client had sent, from the VIP.
	! grep '^<' difference | grep -vP '^< \d+\t198\.51\.100\.80\t[^\t]*A····\t1\t\d+\t0\t'
}

@test "a small reply" {
	same --set 'traffic.0.reply=200 B'
}

@test "a reply of 1 MiB" {
	same --set 'traffic.0.reply=1 MiB'
}

@test "five requests on one connection" {
	same --set traffic.0.requests=5 --set traffic.0.per_connection=5 --set 'traffic.0.reply=40 KiB'
}

@test "twenty connections" {
	same --set traffic.0.requests=20 --set 'traffic.0.rate=50 /s' --set 'traffic.0.reply=3 KiB'
}

@test "a half-closed client" {
	same --set traffic.0.half_close=true --set 'traffic.0.reply=100 KiB'
}

@test "a narrow, slow link" {
	same --set 'nodes.client.on.internet={ delay: 80 ms, rate: 2 Mbit, address: 198.51.100.1 }' --set 'traffic.0.reply=100 KiB'
}
