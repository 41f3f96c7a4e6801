#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Drains and reloads under load: backends come and go, and not one request fails.
#
#   namespace client              baton live
#   ┌──────────────┐   TAP   ┌──────────────────────────┐
#   │ wrk, curl    ├─────────┤ forwarder ── classifier  │── control socket ── baton ctl
#   └──────────────┘  tap0   │              └─ backend1..3
#                            └──────────────────────────┘

load lib.bash

VIP=http://198.51.100.80

ctl() { "$BATON" ctl "$T/ctl" "$@"; }

begin() {
	net client
	baton client web --control "$T/ctl"
}

# load WRK's OPTIONS...: in the background until `loaded`.
load_begin() {
	n client wrk -t 1 -c 32 -d 4s --timeout 5s "$@" >"$T/wrk" 3>&- &
	WRK=$!
	until_true 5 requests_since 0
}

load_end() {
	wait "$WRK"
	! grep -E 'Socket errors|Non-2xx' "$T/wrk" || { cat "$T/wrk"; return 1; }
	[ "$(awk '/requests in/ { print $1 }' "$T/wrk")" -gt 300 ]
}

handed_over() { ctl stats --json | jq .result.handoffs.completed; }

# requests_since COUNT: whether connections were handed over since.
requests_since() { [ "$(handed_over)" -gt "$1" ]; }

drained() { [ "$(ctl backends --json | jq ".backends[] | select(.name == \"$1\") | .connections")" = 0 ]; }

@test "every backend drains in turn under load, and not one request fails" {
	begin
	load_begin -H 'Connection: close' -H 'Baton-Reply: 20000' $VIP/drained
	for backend in backend1 backend2 backend3; do
		ctl drain $backend --within '5 s'
		before=$(handed_over)
		until_true 5 requests_since $((before + 20))
		ctl undrain $backend
	done
	load_end
	baton_stop web
	[ "$(result web handoffs.failed)" = 0 ]
}

@test "connections that are kept move away from a backend that drains, between their requests" {
	begin
	load_begin -H 'Baton-Reply: 2000' $VIP/kept
	ctl drain backend1 --within '5 s'
	until_true 5 drained backend1
	ctl undrain backend1
	ctl drain backend2 --within '5 s'
	until_true 5 drained backend2
	load_end
	baton_stop web
	[ "$(result web handoffs.completed)" -gt 40 ]
	[ "$(result web live.reset)" = 0 ]
}

@test "a download moves in its midst" {
	begin
	get client $VIP/moves -H 'Baton-Reply: 30000000' --limit-rate 20M >"$T/got" 3>&- &
	download=$!
	until_true 10 [ -s "$T/head" ]
	backend=$(ctl connections --json | jq -r '.connections[0].backend')
	ctl drain "$backend" --within '10 s'
	until_true 5 drained "$backend"
	gone $download && return 1
	wait $download
	[ "$(cat "$T/got")" = 30000000 ]
	baton_stop web
	[ "$(result web handoffs.completed)" = 2 ]
}

@test "a reload under load takes effect, a bad file does not, and not one request fails" {
	net client
	cp "$srcdir/tests/live/web.yaml" "$T/served.yaml"
	baton client served --control "$T/ctl"
	load_begin -H 'Connection: close' $VIP/reloaded
	# Another rule: now all goes to backend3.
	sed -i 's|to: "backend\*" }$|to: backend3 }|' "$T/served.yaml"
	kill -HUP "${BATONS[served]}"
	until_true 5 alone backend3
	# What cannot be: refused, and the old rules hold.
	sed -i 's|to: backend3 }$|to: backend9 }|' "$T/served.yaml"
	kill -HUP "${BATONS[served]}"
	until_true 5 grep -q backend9 "$T/served.log"
	until_true 5 alone backend3
	load_end
	baton_stop served
	[ "$(result served handoffs.failed)" = 0 ]
}

# alone BACKEND: whether of the connections that are open it has all.
alone() {
	ctl connections --json >"$T/connections.json"
	[ "$(jq '[.connections[] | select(.state == "active")] | length' "$T/connections.json")" -gt 0 ] &&
		[ "$(jq -r '[.connections[] | select(.state == "active") | .backend] | unique | join(" ")' "$T/connections.json")" = "$1" ]
}
