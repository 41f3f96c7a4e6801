#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A capture replayed in real time, its packets routed by this machine's kernel between two TAP devices.
#
#   namespace router
#   ┌───────────────────────────────────────────────────────────────────────┐
#   │ baton replay --live                                                   │
#   │ client1, client2 ── tap0 ── kernel, forwarding ── tap1 ── forwarder ──│── classifier, backends
#   └───────────────────────────────────────────────────────────────────────┘

load lib.bash

begin() {
	net router
	n router sysctl -qw net.ipv4.ip_forward=1
	scenario through <<END
baton: 1
name: replay through a kernel
stop: 1 s
networks:
  left:     { subnet: 10.9.1.0/24, tap: tap0, host: 10.9.1.1/24 }
  internet: { subnet: 198.51.100.0/24, tap: tap1, host: 198.51.100.1/24 }
  cluster:  { subnet: 10.0.0.0/24 }
nodes:
  client[1..2]:  { role: client, on: { left: {} }, routes: [ { to: default, via: 10.9.1.1 } ] }
  forwarder:     { role: forwarder, on: { internet: {}, cluster: {} }, routes: [ { to: 10.9.1.0/24, via: 198.51.100.1 } ] }
  classifier:    { role: classifier, on: { cluster: {} } }
  backend[1..3]: { role: backend, on: { cluster: {} } }
services:
  web:
    vip: 198.51.100.80:80
    protocol: auto
    rules:
      - { path: "/css/*", to: backend1 }
      - { path: "/js/*", to: backend2 }
      - { to: backend3 }
END
}

# replay OPTION...
replay() {
	run n router "$BATON" replay "$T/through.yaml" --live --out "$T/out" --json "$@"
}

@test "captures come out whole through a kernel, as segments and as streams, at any speed" {
	begin
	for how in "--speed 10" "--speed max" "--speed max --as stream"; do
		# shellcheck disable=SC2086 # the words of an option
		replay --capture "$srcdir/tests/captures/bro.org.pcap" $how
		[ "$status" -eq 0 ] || { echo "$output"; return 1; }
		[ "$(jq -r .whole <<<"${lines[-1]}")" = 13 ]
		[ "$(jq -r .handed_over <<<"${lines[-1]}")" = 8 ]
	done
	replay --capture "$srcdir/tests/captures/http-post-large.pcap" --speed 20
	[ "$(jq -r .whole <<<"${lines[-1]}")" = 2 ]
}

@test "packets pass the kernel" {
	begin
	n router sysctl -qw net.ipv4.ip_forward=0
	replay --capture "$srcdir/tests/captures/get.pcap" --speed max
	[ "$status" -eq 1 ]
	[ "$(jq -r .broken <<<"${lines[-1]}")" = 1 ]
}

@test "a signal ends it, and says so" {
	begin
	run timeout -s INT 2 ip netns exec "$PREFIX"router "$BATON" replay "$T/through.yaml" --live --out "$T/out" \
		--capture "$srcdir/tests/captures/http-post-large.pcap"
	[[ $output == *"did not come to its end"* ]]
}
