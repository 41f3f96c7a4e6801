#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# A balancer of five processes, each in a namespace of its own, with a key in common; each dies and comes back.
#
#   client                 forwarder                   switch
#   ┌──────┐ eth0 outside0 ┌───────────┐ cluster0     ┌──────┐    ┌────────────┐
#   │ curl ├───────────────┤ forwarder ├──────────────┤      ├────┤ classifier │ cluster0
#   │ .200 │     veth      └───────────┘     veth     │ br0  │    └────────────┘
#   └──────┘                                          │      ├────┤ backend1   │ cluster0
#                                                     └──────┴────┤ backend2   │ cluster0

load lib.bash

VIP=http://198.51.100.80
MEMBERS="forwarder classifier backend1 backend2"

# member NAME [OPTION...]: starts one of the processes.
member() {
	local name=$1
	shift
	baton "$name" "cluster:$name" --set "key=$T/key" --node "$name" "$@"
}

# A namespace for each, a switch between them, and what `cluster` starts.
machines() {
	local name
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
}

cluster() {
	local name
	for name in $MEMBERS; do
		member "$name" "$@"
	done
}

over() {
	local name
	for name in classifier backend1 backend2 forwarder; do
		baton_stop "$name"
	done
}

# Asks until it is answered: what a client does behind an outage. The time is for who was away to be known again.
answered_at_last() { until_true 15 n client curl -sS --fail --max-time 3 -o /dev/null "$VIP/$1"; }

# asked_all_the_while [WHAT]: one request after the other in the background until $T/enough is there; a line each.
asked_all_the_while() {
	while [ ! -e "$T/enough" ]; do
		n client curl -sS --max-time 3 -o /dev/null -w '%{http_code} %{exitcode}\n' "$VIP/$1" || true
	done >"$T/asked" 2>/dev/null 3>&- &
	ASKER=$!
	until_true 10 [ -s "$T/asked" ]
}

asked_enough() {
	touch "$T/enough"
	wait "$ASKER"
	rm "$T/enough"
}

@test "requests cross five processes, small and large" {
	machines
	cluster
	for path in one/a two/b any c d e; do
		[ "$(get client $VIP/$path)" = 1024 ]
	done
	[ "$(get client $VIP/one/large -H 'Baton-Reply: 50000000')" = 50000000 ]
	over
	[ "$(result classifier handoffs.completed)" = 7 ]
	[ "$(result backend1 migrator.activated)" -ge 2 ]
	[ "$(result backend2 migrator.activated)" -ge 1 ]
}

@test "a backend is killed and comes back: the other serves, and then it does again" {
	machines
	cluster
	answered_at_last first
	asked_all_the_while any
	baton_kill backend1
	answered_at_last any
	for i in 1 2 3 4; do
		[ "$(get client $VIP/two/$i)" = 1024 ]
	done
	member backend1
	answered_at_last one/again
	asked_enough
	[ "$(get client $VIP/one/large -H 'Baton-Reply: 3000000')" = 3000000 ]
	# Meanwhile a client was served, or told that nobody could, or had to give up; nobody got half a reply.
	[ "$(grep -c '^200 0' "$T/asked")" -gt 0 ]
	! grep -vE '^(200 0|503 0|000 (28|52|56))$' "$T/asked"
	over
}

@test "the classifier is killed and comes back: who is served goes on, others wait for it" {
	machines
	cluster
	answered_at_last first
	# A connection that a backend has is none of the classifier's business.
	get client $VIP/one/slow -H 'Baton-Reply: 20000000' --limit-rate 10M >"$T/got" 3>&- &
	slow=$!
	until_true 10 [ -s "$T/head" ]
	baton_kill classifier
	run n client curl -sS --max-time 0.5 -o /dev/null $VIP/nobody
	[ "$status" != 0 ]
	member classifier
	answered_at_last again
	wait $slow
	[ "$(cat "$T/got")" = 20000000 ]
	over
}

@test "the forwarder is killed and comes back: its table is learnt again, and idle connections live" {
	machines
	cluster
	answered_at_last first
	mkfifo "$T/go"
	n client timeout 60 "$PYTHON" -c "$IDLE" <>"$T/go" >"$T/said" 3>&- &
	idle=$!
	until_true 10 grep -q idle "$T/said"
	baton_kill forwarder
	member forwarder
	answered_at_last again
	echo >"$T/go"
	wait $idle
	grep -q alive "$T/said"
	over
	[ "$(result forwarder forwarder.adopted)" -ge 1 ]
}

# A request, and on the same connection another, when the test says so.
IDLE='
import http.client, sys
c = http.client.HTTPConnection("198.51.100.80", timeout=40)
def ask():
    c.request("GET", "/one/idle")
    r = c.getresponse()
    assert r.status == 200 and len(r.read()) == 1024
ask()
before = c.sock
print("idle", flush=True)
sys.stdin.readline()
ask()
assert c.sock is before, "it was another connection"
print("alive", flush=True)
'

@test "all are killed and come back" {
	machines
	cluster
	answered_at_last first
	for name in $MEMBERS; do
		baton_kill "$name"
	done
	cluster
	answered_at_last again
	[ "$(get client $VIP/one/a)" = 1024 ]
	over
}

@test "a backend that is ended hands on what it has: downloads under way come out whole" {
	machines
	cluster
	answered_at_last first
	for i in 1 2 3 4; do
		n client curl -sS --fail --max-time 60 --limit-rate 2M -H 'Baton-Reply: 6000000' -o "$T/part$i" -D "$T/head$i" \
			$VIP/any$i 3>&- &
		downloads+=($!)
	done
	until_true 10 eval '[ -s "$T/part1" ] && [ -s "$T/part2" ] && [ -s "$T/part3" ] && [ -s "$T/part4" ]'
	baton_stop backend1
	for download in "${downloads[@]}"; do
		wait "$download"
	done
	for i in 1 2 3 4; do
		key=$(tr -d '\r' <"$T/head$i" | awk '$1 == "Baton-Key:" { print $2 }')
		"$HELPERS/body" "$key" 6000000 | cmp - "$T/part$i"
	done
	[ "$(result backend1 live.reset)" = 0 ]
	[ "$(result backend1 handoffs.completed)" -ge 1 ]
	for name in classifier backend2 forwarder; do
		baton_stop "$name"
	done
}

# A library that puts a process's clock back by an hour; what is measured with goes on.
hour_back() {
	cc -shared -fPIC -o "$T/back.so" -x c - <<-END
		#define _GNU_SOURCE
		#include <sys/syscall.h>
		#include <time.h>
		#include <unistd.h>
		int clock_gettime(clockid_t clock, struct timespec *t)
		{
			int r = (int)syscall(SYS_clock_gettime, clock, t);

			t->tv_sec -= clock == CLOCK_REALTIME ? 3600 : 0;
			return r;
		}
	END
}

@test "each comes back with a clock that has gone back, and is known" {
	machines
	cluster
	hour_back
	answered_at_last one/first
	for name in backend1 classifier forwarder; do
		baton_kill "$name"
		LD_PRELOAD=$T/back.so ASAN_OPTIONS=verify_asan_link_order=0 member "$name"
		answered_at_last one/again
		grep -q "the others know a later start of $name: the clock has gone back" "$T/$name.log"
	done
	[ "$(get client $VIP/one/large -H 'Baton-Reply: 3000000')" = 3000000 ]
	! grep -q "the clock has gone back" "$T/backend2.log"
	over
}

@test "a process with another key gets nothing" {
	machines
	head -c 32 /dev/urandom >"$T/other"
	member forwarder
	member classifier
	member backend2
	baton backend1 cluster:backend1 --set "key=$T/other" --node backend1
	[ "$(get client $VIP/two/a)" = 1024 ]
	run n client curl -sS --fail --max-time 4 -o /dev/null $VIP/one/a
	[ "$status" != 0 ]
	[ "$(get client $VIP/two/b)" = 1024 ]
	until_true 10 grep -q "of backend1 keep coming that do not open: has it another key" "$T/classifier.log"
	over
	[ "$(result backend1 courier.rejected)" -gt 0 ]
	[ "$(result backend1 migrator.activated)" = 0 ]
}

@test "a forwarder that runs twice by mistake: the one that is not heard any more says so" {
	machines
	cluster
	answered_at_last one/first
	net double
	wire switch double double cluster0
	on switch link set double master br0
	wire double outside0 double nowhere
	baton double cluster:double --set "key=$T/key" --node forwarder
	until_true 15 asked_and_told
	baton_stop double
	baton_stop forwarder
	member forwarder
	answered_at_last one/again
	over
}

# With a mistake like that nobody is served for long; each try has the two forwarders hear what is not for them.
asked_and_told() {
	n client curl -sS --max-time 1 -o /dev/null $VIP/one/any || true
	grep -q "does forwarder run twice" "$T/forwarder.log"
}

@test "the cluster's wire goes down and up" {
	machines
	cluster
	answered_at_last first
	on switch link set backend1 down
	answered_at_last two/meanwhile
	on switch link set backend1 up
	answered_at_last one/behind
	[ "$(get client $VIP/one/large -H 'Baton-Reply: 3000000')" = 3000000 ]
	over
}

# ask NAME COMMAND...: `baton ctl` to one of the processes.
ask() {
	local name=$1
	shift
	"$BATON" ctl "$T/$name.sock" "$@"
}

taken() { ask "$1" stats --json | jq -e '.result.live.reloads.taken == 1'; }

# A download goes on under the old key and the new one, and so do requests one after the other.
@test "each process tells of its part, and takes a new key while requests go on" {
	local name
	machines
	for name in $MEMBERS; do
		member "$name" --control "$T/$name.sock"
	done
	answered_at_last first
	n client curl -sS --fail --max-time 60 --limit-rate 2M -H 'Baton-Reply: 12000000' -o "$T/part" $VIP/one/large 3>&- &
	download=$!
	until_true 10 [ -s "$T/part" ]
	ask forwarder connections | grep -qE '^198\.51\.100\.200:[0-9]+ +web +backend1 +committed +[0-9.]+ [mu]?s ago$'
	ask backend1 connections | grep -qE '^198\.51\.100\.200:[0-9]+ +web/[0-9]+ +backend1 +active '
	[ "$(ask classifier connections)" = "no connections" ]
	ask classifier backends | grep -qE '^backend1 +up +1 +- '
	run ask forwarder drain backend1
	[ "$status" = 2 ]
	[[ $output == *"backend 'backend1' runs in another process"* ]]
	asked_all_the_while any
	head -c 32 /dev/urandom >"$T/key"
	for name in $MEMBERS; do
		kill -HUP "${BATONS[$name]}"
	done
	for name in $MEMBERS; do
		until_true 5 taken "$name"
		until_true 10 grep -q 'courier.rekeyed' "$T/$name.log"
	done
	asked_enough
	wait $download
	[ "$(stat -c %s "$T/part")" = 12000000 ]
	! grep -v '^200 0$' "$T/asked"
	over
}
