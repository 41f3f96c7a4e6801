#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# What `make bench-live` runs measures what it says it does, in a short run, and leaves nothing behind.

load lib.bash

bench() { "$srcdir/tests/live/bench" --rounds 1 "$@" 2>"$T/bench.log"; }

namespaces() { ip netns list | grep -c '^baton-bench' || true; }

@test "a short run tells every figure once, with its unit, and no request failed" {
	before=$(namespaces)
	bench --only baton,baton-relay --json >"$T/json"
	run jq -r '[.[] | keys | join(",")] | unique | .[]' "$T/json"
	[ "$output" = "commit,machine,metric,name,unit,value" ]
	run jq -r '.[] | select(.name == "baton-relay/1k-close") | .metric + " " + .unit' "$T/json"
	[ "$output" = "cpu_core us/request
cpu_processes us/request
requests requests/s
latency_p50 us
latency_p99 us
errors requests" ]
	run jq '[.[] | select(.metric == "errors") | .value] | add, length' "$T/json"
	[ "$output" = "0
8" ]
	# Four loads and bulk of two configurations: each cost something, and moved something.
	run jq '[.[] | select(.metric == "cpu_processes" or .metric == "requests" or .metric == "throughput")
		| select(.value > 0)] | length' "$T/json"
	[ "$output" = 20 ]
	run jq -r '.[] | select(.metric == "handoff_p50" and .value > 0) | .name' "$T/json"
	[ "$output" = "baton/hand-off-of-1
baton/hand-off-of-8
baton/hand-off-of-64" ]
	[ "$(namespaces)" = "$before" ]
}

@test "a configuration that there is not, and an option that there is not" {
	run bench --only balancer
	[ "$status" = 2 ]
	grep -F "no configuration is called balancer" "$T/bench.log"
	run bench --round
	[ "$status" = 2 ]
}
