#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Storms: frames that are changed and made up (blast.c), at both ends of live runs under sanitizers, for LIVE_SECONDS.
# No process dies or says anything of a sanitizer's, none grows without bound, and behind the storm all are served.
#
#   client             forwarder                  switch
#   ┌───────┐ outside0 ┌───────────┐ cluster0  ┌───────┐    ┌──────────────────────────────┐
#   │ curl  ├──────────┤ forwarder ├───────────┤ br0   ├────┤ classifier, backend1,        │ cluster0
#   │ blast │   veth   └───────────┘   veth    │ blast │    │ backend2: a namespace each   │
#   └───────┘                                  └───────┘    └──────────────────────────────┘

load lib.bash

BATON=${STORM_BATON:-$BATON}
VIP=http://198.51.100.80
MEMBERS="forwarder classifier backend1 backend2"
RSS_MAX_KB=600000 # of one process, a sanitizer's shadow and quarantine in it

# asks NET: one request after the other, while the storm lasts, so that there are real frames to be changed. What comes of
# them is nobody's promise: packets with good checksums are forged among them.
asks() {
	local net=$1
	while [ ! -e "$T/enough" ]; do
		for path in one/a two/b c; do
			n "$net" curl -s --max-time 1 -o /dev/null -H 'Baton-Reply: 20000' "$VIP/$path" -T "$T/key" || true
			n "$net" curl -s --max-time 1 -o /dev/null -H 'Connection: close' "$VIP/$path" || true
		done
		n "$net" ping -q -c 2 -i 0.01 -W 1 198.51.100.80 || true
	done >/dev/null 2>&1 3>&- &
	ASKER=$!
}

asked_enough() {
	touch "$T/enough"
	wait "$ASKER"
}

# What a process that stands the storm looks like.
stands() {
	local name=$1 rss
	! gone "${BATONS[$name]}" || { echo "$name has died"; cat "$T/$name.log"; return 1; }
	! grep -E 'Sanitizer|runtime error' "$T/$name.log" || { cat "$T/$name.log"; return 1; }
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/${BATONS[$name]}/status")
	[ "$rss" -lt "$RSS_MAX_KB" ] || { echo "$name has grown to $rss KB"; return 1; }
}

# (handshakes that nobody ends take their room for 20 s, requests of which no more comes for 30 s)
served_at_last() { until_true 60 get "$@"; }

seed() { printf '%s' "${LIVE_SEED:-$1}"; }

@test "on a TAP device: frames into the balancer and into the kernel" {
	net client
	head -c 5000 /dev/urandom >"$T/key"
	baton client web --drain '1 s'
	asks client
	n client "$HELPERS/blast" tap0 "$LIVE_SECONDS" "$(seed 1)"
	asked_enough
	stands web
	served_at_last client $VIP/one/after
	served_at_last client 'http://[2001:db8::80]/after'
	baton_stop web
	stands_log web
}

# ends with nothing of a sanitizer's either
stands_log() { ! grep -E 'Sanitizer|runtime error' "$T/$1.log"; }

@test "on the wires of five processes, between each of them" {
	# shellcheck disable=SC2086 # the members are words
	net client switch $MEMBERS
	head -c 32 /dev/urandom >"$T/key"
	on switch link add br0 type bridge
	on switch link set br0 up
	for name in $MEMBERS; do
		wire switch "$name" "$name" cluster0
		on switch link set "$name" master br0
	done
	wire client eth0 forwarder outside0
	on client addr add 198.51.100.200/24 dev eth0
	for name in $MEMBERS; do
		baton "$name" "cluster:$name" --set "key=$T/key" --node "$name" --drain '1 s'
	done
	served_at_last client $VIP/one/before
	asks client
	blasts=()
	n client "$HELPERS/blast" eth0 "$LIVE_SECONDS" "$(seed 2)" 3>&- &
	blasts+=($!)
	for name in $MEMBERS; do
		n switch "$HELPERS/blast" "$name" "$LIVE_SECONDS" "$(seed 3)" 3>&- &
		blasts+=($!)
	done
	for blast in "${blasts[@]}"; do
		wait "$blast"
	done
	asked_enough
	for name in $MEMBERS; do
		stands "$name"
	done
	served_at_last client $VIP/one/after
	served_at_last client $VIP/two/after
	for name in classifier backend1 backend2 forwarder; do
		baton_stop "$name"
		stands_log "$name"
	done
}
