#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A link of 1280 bytes on the way, of which neither end knows: the router says Packet Too Big, or cuts.
#
#   client             router                  server
#   ┌───────┐ eth0  c0 ┌────────────┐ s0  out0 ┌──────────────────────────┐
#   │ curl  ├──────────┤ the kernel ├──────────┤ baton: forwarder ──      │
#   │ .9.2  │   veth   │ forwards   │   veth   │ classifier, backend1..3  │
#   └───────┘          └────────────┘          └──────────────────────────┘

load lib.bash

VIP=http://198.51.100.80
VIP6='http://[2001:db8::80]'

begin() {
	local net
	net client router server
	wire client eth0 router c0
	wire router s0 server out0
	on client addr add 192.0.2.2/24 dev eth0
	on client addr add 2001:db8:9::2/64 dev eth0
	on router addr add 192.0.2.1/24 dev c0
	on router addr add 2001:db8:9::1/64 dev c0
	on router addr add 198.51.100.1/24 dev s0
	on router addr add 2001:db8::1/64 dev s0
	n router sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	on client route add default via 192.0.2.1
	on client -6 route add default via 2001:db8:9::1
	# The router is the forwarder's way to the client.
	sed -e 's|tap: tap0, host: .* }|veth: out0 }|' \
		-e 's|forwarder: .*|forwarder: { role: forwarder, on: { internet: { address: [198.51.100.2, "2001:db8::2"] }, cluster: {} }, routes: [ { to: default, via: 198.51.100.1 }, { to: default, via: "2001:db8::1" } ] }|' \
		"$srcdir/tests/live/web.yaml" >"$T/routed.yaml"
	baton server routed
}

# What the kernel was told of the way to an address.
told() { n client ip route get "$1" | grep -q 'mtu 1280'; }

larger() { [ "$(stat -c %s "$1")" -gt "$2" ]; }

@test "uploads: the client is told Packet Too Big, and sends smaller packets" {
	begin
	on router link set s0 mtu 1280
	"$HELPERS/body" 0123456789abcdef 300000 >"$T/upload"
	for to in $VIP $VIP6; do
		n client curl -sS --fail --max-time 20 -o /dev/null -T "$T/upload" -H 'Baton-Body: 0123456789abcdef' "$to/up"
	done
	told 198.51.100.80
	told 2001:db8::80
	baton_stop routed
	[ "$(result routed streams.corrupted)" = 0 ]
}

@test "IPv4 downloads: the router cuts packets that may be cut" {
	begin
	on router link set c0 mtu 1280
	[ "$(get client $VIP/down -H 'Baton-Reply: 300000')" = 300000 ]
	[ "$(n client nstat -asz IpReasmOKs | awk '/ReasmOKs/ { print $2 }')" -gt 100 ]
	baton_stop routed
}

@test "IPv6 downloads: the backend is told Packet Too Big, and sends smaller packets" {
	begin
	on router link set c0 mtu 1280
	[ "$(get client "$VIP6/down" -H 'Baton-Reply: 300000')" = 300000 ]
	# Several at a time, which the backends send joined.
	n client curl -sS --fail --max-time 20 --parallel --parallel-immediate --write-out '%{size_download}\n' \
		-H 'Baton-Reply: 300000' $(printf -- "-o /dev/null $VIP6/down/%s " {1..10}) >"$T/sizes"
	[ "$(grep -cx 300000 "$T/sizes")" = 10 ]
	[ "$(n client nstat -asz Ip6ReasmReqds | awk '/ReasmReqds/ { print $2 }')" = 0 ]
	baton_stop routed
	[ "$(result routed stacks.paths_narrowed)" = 11 ]
	[ "$(result routed forwarder.too_big)" -ge 11 ]
}

@test "IPv6 downloads over a link that becomes narrow in the middle of them" {
	begin
	n client curl -sS --fail --max-time 30 --limit-rate 2M -o "$T/down" "$VIP6/down" -H 'Baton-Reply: 4000000' &
	until_true 10 test -s "$T/down"
	on router link set c0 mtu 1400
	until_true 10 larger "$T/down" 2000000
	on router link set c0 mtu 1300
	wait $!
	[ "$(stat -c %s "$T/down")" = 4000000 ]
	baton_stop routed
	[ "$(result routed stacks.paths_narrowed)" = 2 ]
}

@test "downloads to a client whose own link is narrow: its MSS says so" {
	begin
	on client link set eth0 mtu 1280
	on router link set c0 mtu 1280
	for to in $VIP $VIP6; do
		[ "$(get client "$to/down" -H 'Baton-Reply: 300000')" = 300000 ]
	done
	[ "$(n client nstat -asz IpReasmReqds | awk '/ReasmReqds/ { print $2 }')" = 0 ]
	baton_stop routed
}
