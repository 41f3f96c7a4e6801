#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Faults of whole runs: exact ones strike the packet that they name and no other; a partition parts and heals.

load ../lib/shell.bash

# Writes a scenario with a cluster, eight connections of four clients, and FAULTS, and runs it.
run_faults() {
	cat > "$BATS_TEST_TMPDIR/faults.yaml" <<-END
		baton: 1
		stop: 60 s
		networks: { internet: { subnet: 198.51.100.0/24 }, cluster: { subnet: 10.0.0.0/24 } }
		nodes:
		  client[1..4]:  { role: client, on: { internet: { delay: 10 ms } } }
		  forwarder:     { role: forwarder, on: { internet: {}, cluster: {} } }
		  classifier:    { role: classifier, on: { cluster: {} } }
		  backend[1..2]: { role: backend, on: { cluster: { delay: 1 ms } } }
		services: { web: { vip: "198.51.100.80:80", rules: [ { to: [backend1, backend2] } ] } }
		traffic: [ { from: "client*", service: web, requests: 8, rate: 20 /s, reply: 64 KiB } ]
		faults: [ $1 ]
		expect: [ requests.completed == 8, streams.corrupted == 0, client.resets == 0 ]
	END
	run_scenario "$BATS_TEST_TMPDIR/faults.yaml"
	out=$BATS_TEST_TMPDIR/faults
}

# events NAME FILTER: the times of events of a name, in ms, that jq's FILTER takes.
events() {
	jq -r "select(.ev == \"$1\" and ($2)) | .t / 1000000" "$out/trace.jsonl"
}

@test "the second SYN is dropped, and comes again" {
	run_faults "{ at: 0 s, drop: 2, on: forwarder.internet, match: syn }"
	[ "$(metric "$out" packets.dropped)" = 1 ]
	[ "$(events packet.drop '.link == "forwarder.internet" and .direction == "in" and .reason == "fault"')" = 80 ]
	[ "$(metric "$out" client.retransmissions)" = 1 ]
	[ "$(metric "$out" faults.missed)" = 0 ]
}

@test "of one node's packets, the one that is named" {
	run_faults "{ at: 0 s, drop: 2, on: forwarder.internet, match: { is: fin, from: client3, direction: in } }"
	[ "$(metric "$out" packets.dropped_by.fault)" = 1 ]
	[ "$(events packet.drop '.bytes == 54')" != "" ]
	[ "$(metric "$out" client.retransmissions)" = 1 ]
	[ "$(grep -c '"ev":"request.done"' "$out/trace.jsonl")" = 8 ]
}

@test "a frame of the courier is corrupted, rejected and sent again" {
	run_faults "{ at: 0 s, corrupt: 2, on: backend1.cluster, match: { is: courier data, direction: in, filter: udp and greater 300 } }"
	[ "$(metric "$out" packets.corrupted)" = 1 ]
	[ -n "$(events packet.fault '.link == "backend1.cluster" and .direction == "in" and .what == "corrupt" and .bytes > 300')" ]
	[ "$(metric "$out" packets.dropped)" = 0 ]
	[ "$(metric "$out" courier.retransmitted)" -ge 1 ]
	[ "$(metric "$out" handoffs.completed)" = 8 ]
	[ "$(metric "$out" client.retransmissions)" = 0 ]
}

@test "one blob takes 1 ms longer, and its hand-off alone" {
	run_faults "{ at: 0 s, delay: 3, by: 1 ms, on: backend2.cluster, match: { is: courier data, direction: in, filter: greater 300 } }"
	[ "$(metric "$out" handoffs.completed)" = 8 ]
	[ "$(metric "$out" packets.dropped)" = 0 ]
	[ "$(metric "$out" courier.retransmitted)" = 0 ]
	[ "$(events packet.fault '.what == "delay"' | wc -l)" = 1 ]
	[ "$(metric "$out" handoffs.latency_us.p50)" -lt 2500 ]
	[ "$(metric "$out" handoffs.latency_us.max)" -ge 3000 ]
}

@test "what never comes is counted" {
	run_faults "{ at: 0 s, duplicate: 1, on: backend2.cluster, match: rst }, \
		{ at: 0 s, duplicate: 1, on: backend2.cluster, match: encapsulated }, \
		{ at: 50 s, crash: backend1 }"
	[ "$(metric "$out" faults.missed)" = 2 ]
	[ "$(metric "$out" packets.duplicated)" = 1 ]
	[ "$(events packet.fault true | wc -l)" = 1 ]
	[ -n "$(events packet.fault '.what == "duplicate"')" ]
}

@test "a partition parts for its time, and heals" {
	run_faults "{ at: 100 ms, partition: [[classifier], [\"backend*\"]], for: 2 s }, \
		{ at: 150 ms, partition: [[client1, client2], [forwarder]], for: 500 ms }"
	[ "$(events network.partition '.network == "cluster" and .left == 1 and .right == 2')" = 100 ]
	[ "$(events network.partition '.network == "internet" and .fault == 2')" = 150 ]
	[ "$(events network.heal '.fault == 2')" = 650 ]
	[ "$(events network.heal '.fault == 1')" = 2100 ]
	# Whatever was dropped was dropped by one of the two.
	[ "$(metric "$out" packets.dropped)" = "$(metric "$out" packets.dropped_by.partition)" ]
	[ "$(metric "$out" packets.dropped)" -gt 5 ]
	[ -z "$(events packet.drop '.t < 100000000 or .t >= 2100000000')" ]
	[ -z "$(events packet.drop '.reason != "partition"')" ]
}
