#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# scenarios/live/demo.sh does what the README shows of it, and leaves nothing behind.

load lib.bash

# What it prints, without what differs from run to run: times, counts, ports, process ids.
told() {
	sed -E 's/[0-9]{4}-[0-9-]+T[0-9:.]+Z/TIME/; s/process [0-9]+/process PID/; s/(198\.51\.100\.1):[0-9]+/\1:PORT/' "$@" |
		sed -E 's/[0-9]+(\.[0-9]+)?( ?(us|ms|s|k?B|MB)\b)/N\2/g; s/\b[0-9]+ (packets|frames|wake-ups|sent|delivered)/N \1/g' |
		sed -E 's/kB|MB/B/g; s/\b(us|ms)\b/s/g; s/ +/ /g' | grep -vE '^$|^(late|packets|courier|driver|device|baton0| latency|TIME warning)|closing'
}

@test "the demonstration shows what the README says" {
	awk '/^## Real traffic/ { on = 1 } on && /^<!-- .*demo.sh -->/ { getline; seen = 1; next } seen && /^```/ { exit } seen' \
		"$srcdir/README.md" >"$T/readme"
	[ -s "$T/readme" ]
	BATON=$BATON "$srcdir/scenarios/live/demo.sh" >"$T/output" 3>&-
	diff <(told "$T/readme") <(told "$T/output")
	! ip netns list | grep -q '^baton-demo'
}

@test "without root it says so" {
	run setpriv --reuid=65534 --regid=65534 --clear-groups "$srcdir/scenarios/live/demo.sh"
	[ "$status" = 1 ]
	[[ "$output" == *"needs root"* ]]
}
