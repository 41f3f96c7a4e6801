#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The devices themselves: who may have them, what each refusal says, what becomes of them, and what the kernel offloads.
#
#   namespace client              baton live            namespace client    namespace server: baton live
#   ┌──────────────┐   TAP   ┌─────────────────┐        ┌──────┐   veth   ┌───────────────────────────────┐
#   │ curl         ├─────────┤ three backends  │   or   │ curl ├──────────┤ eth0, by AF_PACKET: the same  │
#   └──────────────┘  tap0   └─────────────────┘        └──────┘          └───────────────────────────────┘

load lib.bash

VIP=http://198.51.100.80
VIP6='http://[2001:db8::80]'

# A user without any privilege, for whom /dev/net/tun has the given mode: a command for `n`, and what it needs readable.
nobody_make() {
	cp "$BATON" "$T/baton"
	cp "$srcdir/tests/live/web.yaml" "$T/web.yaml"
	for dir in "$T" "$T/.." "$T/../.." "$T/../../.."; do chmod a+x "$dir" || true; done
	chmod a+rx "$T/baton" "$T/web.yaml"
	mkdir -m 1777 "$T/out"
	for mode in 600 666; do
		mknod -m $mode "$T/tun$mode" c 10 200
		cat >"$T/nobody$mode" <<-END
			#!/bin/sh
			exec unshare -m sh -c 'mount --bind $T/tun$mode /dev/net/tun && exec "\$@"' sh \\
				setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all \\
				$T/baton "\$@"
		END
		chmod a+x "$T/nobody$mode"
	done
}

# refused WORDS PROGRAM FILE: one line with those words, and status 3.
refused() {
	local status=0
	n client "$2" live --no-trace --duration 100ms --out "$T/out/refused" "$3" >"$T/refused" 2>&1 </dev/null || status=$?
	[ "$status" = 3 ] || { echo "status $status, not 3"; cat "$T/refused"; return 1; }
	grep -qF "$1" "$T/refused" || { echo "not said: $1"; cat "$T/refused"; return 1; }
	[ "$(wc -l <"$T/refused")" = 1 ] || { cat "$T/refused"; return 1; }
}

@test "each refusal says what is wrong, and what to do about it" {
	net client
	nobody_make
	refused "no right to /dev/net/tun" "$T/nobody600" "$T/web.yaml"
	refused 'have root make it by `ip tuntap add dev tap0 mode tap user USER`' "$T/nobody666" "$T/web.yaml"
	on client tuntap add dev tap0 mode tap user root
	refused "no right to TAP device tap0, which is another user's" "$T/nobody666" "$T/web.yaml"
	on client tuntap del dev tap0 mode tap
	on client tuntap add dev tap0 mode tap user nobody
	refused 'have root do `ip address add 198.51.100.1/24 dev tap0`' "$T/nobody666" "$T/web.yaml"
	on client addr add 198.51.100.1/24 dev tap0
	on client addr add 2001:db8::1/64 dev tap0
	refused 'have root do `ip link set tap0 up`' "$T/nobody666" "$T/web.yaml"
	on client tuntap del dev tap0 mode tap

	on client addr add 198.51.100.1/24 dev lo
	refused "address 198.51.100.1 is in use: interface lo has it" "$BATON" "$T/web.yaml"
	on client addr del 198.51.100.1/24 dev lo
	on client link add tap0 type veth peer name other
	refused "tap0 exists and is no TAP device" "$BATON" "$T/web.yaml"
	on client link del tap0

	sed '/internet:/s/tap: tap0.*}/veth: eth0 }/' "$T/web.yaml" >"$T/veth.yaml"
	chmod a+r "$T/veth.yaml"
	refused "no interface is named eth0" "$BATON" "$T/veth.yaml"
	on client link add eth0 type veth peer name other
	refused "no right to eth0" "$T/nobody666" "$T/veth.yaml"

	baton client web
	refused "TAP device tap0 is busy: another process has it" "$BATON" "$T/web.yaml"
	baton_stop web
}

@test "a TAP device that was made goes with the process, one that was found stays" {
	net client
	baton client web
	on client -o addr show tap0 | grep -q '198.51.100.1/24'
	on client -o addr show tap0 | grep '2001:db8::1/64' >"$T/six"
	[ "$(grep -cE 'tentative|dadfailed' "$T/six")" = 0 ]
	get client $VIP/made
	baton_stop web
	[ -z "$(on client -o link show type tun)" ]
	on client tuntap add dev tap0 mode tap
	baton client web:found
	get client $VIP/found
	baton_stop found
	on client link show tap0
	on client tuntap del dev tap0 mode tap
}

@test "a TAP device of the user's own needs no privilege" {
	net client
	nobody_make
	on client tuntap add dev tap0 mode tap user nobody
	on client addr add 198.51.100.1/24 dev tap0
	on client addr add 2001:db8::1/64 dev tap0 nodad
	on client link set tap0 up
	BATON=$T/nobody666 baton client web --out "$T/out/web"
	[ "$(awk '/^CapEff/ { print $2 }' "/proc/${BATONS[web]}/status")" = 0000000000000000 ]
	get client $VIP/own -H 'Baton-Reply: 10000000'
	get client "$VIP6/own"
	baton_stop web
	on client tuntap del dev tap0 mode tap
}

@test "a device that goes down comes back; one that is removed costs nothing, and the process lives" {
	net client
	baton client web --control "$T/control"
	state_is() { [ "$("$BATON" ctl "$T/control" status --json | jq -r '.devices[0].state')" = "$1" ]; }
	get client $VIP/before
	state_is up
	started client curl -s -o /dev/null --limit-rate 100k -H 'Baton-Reply: 100000000' $VIP/slow
	until_true 10 eval '[ -n "$(n client ss -Htn state established dst 198.51.100.80)" ]'
	on client link set tap0 down
	until_true 5 state_is down
	on client link set tap0 up
	until_true 5 state_is up
	until_true 10 get client $VIP/after
	on client link del tap0
	until_true 5 state_is gone
	ticks() { awk '{ print $14 + $15 }' "/proc/${BATONS[web]}/stat"; }
	until_true 5 eval 'a=$(ticks); sleep 0.5; [ "$(ticks)" -le $((a + 5)) ]'
	baton_stop web
	[ "$(result web live.devices.tap0.dropped_by.malformed)" = 0 ]
}

# Frames that stand for several went both ways, and the kernel found no checksum wrong.
large_both_ways() {
	local device
	device=$(jq -c '.live.devices | to_entries[0].value' "$T/$1/result.json")
	echo "$device"
	[ "$(jq .in.large <<<"$device")" -gt 0 ]
	[ "$(jq .out.large <<<"$device")" -gt 0 ]
	[ "$(jq .in.packets <<<"$device")" -gt "$(jq .in.frames <<<"$device")" ]
	[ "$(jq .out.packets <<<"$device")" -gt "$(($(jq .out.frames <<<"$device") * 5))" ]
	[ "$(jq '[.dropped_by[]] | add' <<<"$device")" = 0 ]
	[ "$(csum_errors client)" = 0 ]
}

csum_errors() { n "$1" nstat -asz TcpInCsumErrors | awk '/TcpInCsumErrors/ { print $2 }'; }

bulk() {
	head -c 20000000 /dev/zero >"$T/zeros"
	for vip in $VIP "$VIP6"; do
		get client "$vip/bulk" -H 'Baton-Reply: 50000000'
		n client curl -sS --fail --data-binary "@$T/zeros" "$vip/up" >"$T/up"
	done
}

@test "what the kernel offloads to a TAP device, and what it is offloaded" {
	net client
	baton client web
	bulk
	baton_stop web
	large_both_ways web
}

@test "the same over veth, through AF_PACKET" {
	net client server
	wire client eth0 server eth0
	on client addr add 198.51.100.200/24 dev eth0
	on client addr add 2001:db8::200/64 dev eth0 nodad
	sed '/internet:/s/tap: tap0.*}/veth: eth0 }/' "$srcdir/tests/live/web.yaml" >"$T/veth.yaml"
	baton server veth
	bulk
	baton_stop veth
	large_both_ways veth
}

@test "a link's damage and delay: packets one by one, and the damage is the kernel's to find" {
	net client
	baton client web --set 'nodes.forwarder.on.internet.corrupt=1 %' --set 'nodes.classifier.on.cluster.delay=1 ms'
	get client $VIP/damaged -H 'Baton-Reply: 3000000'
	baton_stop web
	[ "$(csum_errors client)" -gt 0 ]
	[ "$(result web live.devices.tap0.out.large)" = 0 ]
}
