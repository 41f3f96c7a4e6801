#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Bad networks: a second `baton live` is the wire between client and balancer (for kernels that have no netem), and
# nftables and tc have their turn. Whatever is lost, late, twice, out of order or corrupt, the bytes are right.
#
#   client              middle                  server
#   ┌──────┐ eth0 left0 ┌──────────┐ right0 out0 ┌──────────────────────────┐
#   │ curl ├────────────┤ baton:   ├─────────────┤ baton: forwarder ──      │
#   │ .200 │    veth    │ a bridge │    veth     │ classifier, backend1..3  │
#   └──────┘            └──────────┘             └──────────────────────────┘

load lib.bash

VIP=http://198.51.100.80

# impaired [--set ...]: all of it, the wire with these options.
impaired() {
	net client middle server
	wire client eth0 middle left0
	wire middle right0 server out0
	on client addr add 198.51.100.200/24 dev eth0
	sed 's|tap: tap0, host: .* }|veth: out0 }|' "$srcdir/tests/live/web.yaml" >"$T/wired.yaml"
	baton server wired
	baton middle bridge "$@"
}

# ends VALUE...: options that give these to both ends of the wire.
ends() {
	local side value
	for value in "$@"; do
		for side in left right; do
			printf -- '--set\nnodes.wire.on.%s.%s\n' "$side" "$value"
		done
	done
}

over() {
	baton_stop wired
	baton_stop bridge
}

@test "delay: a ping takes as long as the wire says" {
	impaired --set "nodes.wire.on.left.delay=20 ms" --set "nodes.wire.on.right.delay=10 ms"
	n client ping -q -c 5 -i 0.1 198.51.100.80 >"$T/ping"
	awk -F/ '/^rtt/ { exit !($5 >= 60 && $5 < 75) }' "$T/ping"
	[ "$(get client $VIP/delayed -H 'Baton-Reply: 1000000')" = 1000000 ]
	over
}

@test "loss and corruption: every byte is right" {
	mapfile -t options < <(ends "loss=0.5 %" "corrupt=0.5 %" "delay=1 ms")
	impaired "${options[@]}"
	for i in 1 2 3; do
		[ "$(get client $VIP/lossy$i -H 'Baton-Reply: 200000')" = 200000 ]
	done
	"$HELPERS/body" 0123456789abcdef 2000000 >"$T/upload"
	n client curl -sS --fail --max-time 60 -o /dev/null -T "$T/upload" -H 'Baton-Body: 0123456789abcdef' $VIP/upload
	over
	[ "$(result bridge packets.dropped_by.loss)" -gt 10 ]
	[ "$(result bridge packets.corrupted)" -gt 10 ]
	[ "$(result wired streams.corrupted)" = 0 ]
}

@test "duplicates, reordering and jitter" {
	mapfile -t options < <(ends "duplicate=2 %" "reorder=10 %" "delay=2 ms" "jitter=500 us")
	impaired "${options[@]}"
	for i in 1 2 3; do
		[ "$(get client $VIP/mixed$i -H 'Baton-Reply: 1000000')" = 1000000 ]
	done
	over
	[ "$(result bridge packets.duplicated)" -gt 20 ]
	[ "$(result bridge packets.reordered)" -gt 20 ]
}

@test "a narrow wire: a download takes as long as its rate lets it, and a queue that is full loses nothing" {
	impaired --set "nodes.wire.on.left.rate=40 Mbit" --set "nodes.wire.on.left.limit=50"
	[ "$(get client $VIP/narrow -H 'Baton-Reply: 5000000' -w '%{stderr}%{time_total}' 2>"$T/time")" = 5000000 ]
	awk '{ exit !($1 > 1.0 && $1 < 3) }' "$T/time"
	over
}

@test "the machine's own: nftables drops at random, tc tbf is narrow" {
	impaired
	n client nft -f - <<-END
		table ip bad {
			chain in { type filter hook input priority 0; meta iifname eth0 tcp sport 80 numgen random mod 100 < 3 counter drop; }
			chain out { type filter hook output priority 0; meta oifname eth0 tcp dport 80 numgen random mod 100 < 3 counter drop; }
		}
	END
	local dropped=0 i
	# Until some were: a frame that stands for several packets is one to nftables, so that chance has few to choose from.
	for ((i = 0; i < 60 && dropped <= 3; i++)); do
		[ "$(get client $VIP/dropped$i -H 'Baton-Reply: 300000')" = 300000 ]
		dropped=$(n client nft -j list table ip bad | jq '[.. | .counter? // empty | .packets] | add')
	done
	n client nft list table ip bad
	[ "$dropped" -gt 3 ]
	n client nft delete table ip bad
	if n server tc qdisc add dev out0 root tbf rate 40mbit burst 20kb latency 20ms 2>"$T/tc"; then
		[ "$(get client $VIP/narrow -H 'Baton-Reply: 5000000' -w '%{stderr}%{time_total}' 2>"$T/time")" = 5000000 ]
		awk '{ exit !($1 > 0.8) }' "$T/time"
	else
		# A kernel without tbf: the narrow wire of the test before is Baton's own.
		grep -qi 'qdisc.*unknown\|not found\|not supported' "$T/tc"
	fi
	over
}

@test "the link goes down and up within a download" {
	mapfile -t options < <(ends "rate=100 Mbit")
	impaired "${options[@]}"
	get client $VIP/interrupted -H 'Baton-Reply: 20000000' >"$T/got" 3>&- &
	until_true 10 moved 2000000
	on middle link set left0 down
	until_true 5 down middle left0
	sleep 0.3 # (what it is about: a link that is away for a while)
	on middle link set left0 up
	wait $!
	[ "$(cat "$T/got")" = 20000000 ]
	on server link set out0 down
	on server link set out0 up
	[ "$(get client $VIP/behind)" = 1024 ]
	over
}

# moved BYTES: whether so many have reached the client.
moved() { [ "$(on client -s -j link show eth0 | jq '.[0].stats64.rx.bytes')" -gt "$1" ]; }
down() { [[ "$(on "$1" -o link show "$2")" == *"state DOWN"* ]]; }

@test "a bridge between two TAP devices carries the kernel's own traffic" {
	net client middle server
	scenario taps <<-END
		baton: 1
		stop: 1 s
		networks:
		  a: { subnet: 192.0.2.0/25, tap: tapa, host: 192.0.2.1/25 }
		  b: { subnet: 192.0.2.128/25, tap: tapb, host: 192.0.2.129/25 }
		nodes:
		  wire: { role: bridge, on: { a: { delay: 5 ms }, b: { loss: 1 % } } }
	END
	baton middle taps
	# One device each to client and server, which have kernels (namespaces) of their own.
	on middle link set tapa netns "${PREFIX}client"
	on middle link set tapb netns "${PREFIX}server"
	on client addr add 203.0.113.1/24 dev tapa
	on server addr add 203.0.113.2/24 dev tapb
	on client link set tapa up
	on server link set tapb up
	n client ping -q -c 3 -i 0.1 203.0.113.2 >"$T/ping" || true
	awk -F/ '/^rtt/ { exit !($5 >= 10) }' "$T/ping"
	"$HELPERS/body" 0123456789abcdef 5000000 >"$T/sent"
	n server timeout 30 nc -l 7000 >"$T/received" 3>&- &
	until_true 5 listens server 7000
	n client timeout 30 nc -N 203.0.113.2 7000 <"$T/sent"
	wait $!
	cmp "$T/sent" "$T/received"
	baton_stop taps
}
