#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Every option under limits: is filled by a run, and what happens is counted; doc/limits.md names each. A run whose limit
# is reached ends well: the invariants hold and nothing is left.

load ../lib/shell.bash

# fill NODES LIMIT VALUE: runs $SCENARIO, by default tests/scenarios/limits.yaml, with one limit set.
fill() {
	local file=$srcdir/${SCENARIO:-tests/scenarios/limits.yaml}
	run_scenario "$file" --set "nodes.$1.limits.$2=$3" --set 'expect=[]'
	R=$BATS_TEST_TMPDIR/$(basename "$file" .yaml)
	grep -q "^| \`$2\`" "$srcdir/doc/limits.md"
}

# holds EXPRESSION: over result.json.
holds() {
	jq -e "$1" "$R/result.json" >/dev/null || {
		jq . "$R/result.json"
		return 1
	}
}

@test "without limits nothing is refused, and each option is tested here" {
	run_scenario "$srcdir/tests/scenarios/limits.yaml"
	R=$BATS_TEST_TMPDIR/limits
	holds '.requests.completed == 50 and .classifier.refused == 0 and .driver.overflowed == 0 and .courier.refused == 0'
	local key
	for key in $(sed -n 's/^	LIMIT(\([a-z_]*\),.*/\1/p' "$srcdir/sim/scenario_limits.c") read; do
		grep -q "fill [^ ]* $key " "$BATS_TEST_FILENAME"
	done
}

@test "connections of a classifier" {
	fill classifier connections 5
	holds '.classifier.refused == 40 and .client.resets == 40 and .requests.completed == 10'
}

@test "per_client" {
	fill classifier per_client 5
	holds '.classifier.refused_client == 30 and .classifier.refused == 30 and .requests.completed == 20'
}

@test "read" {
	SCENARIO=scenarios/slow-request.yaml
	fill classifier read '1 s'
	holds '.classifier.answered."408" == 9 and .classifier.alerts.close_notify == 4 and .requests.failed == 13'
}

@test "header" {
	fill classifier header '64 B'
	holds '.classifier.answered."431" == 40 and .requests.completed == 10'
}

@test "hello" {
	fill classifier hello '1 kB'
	holds '.classifier.alerts.handshake_failure == 10 and .requests.completed == 40'
}

@test "identifiers" {
	fill classifier identifiers 5
	holds '.handoffs.refused == 45 and .classifier.answered."503" == 35 and .classifier.alerts.internal_error == 10'
}

@test "handoffs" {
	fill classifier handoffs 5
	holds '.handoffs.refused == 40 and .requests.completed == 10 and .classifier.answered."503" == 35'
}

@test "held" {
	fill classifier held '2 kB'
	holds '.handoffs.held_overflow > 0 and .requests.completed == 50'
}

@test "tombstones" {
	fill classifier tombstones 3
	holds '.handoffs.tombstones_forgotten == 47 and .requests.completed == 50'
}

@test "half_open: SYNs beyond it come again" {
	fill classifier half_open 5
	holds '.stacks.dropped_by.half_open > 0 and .requests.completed == 50'
}

@test "sockets of a client, of a classifier and of a backend" {
	fill 'client[1..2]' sockets 5
	holds '.requests.completed == 20 and .requests.failed == 30'
	fill classifier sockets 5
	holds '.stacks.dropped_by.half_open > 0'
	fill 'backend[1..2]' sockets 5
	holds '.migrator.busy > 0 and .classifier.answered."503" > 0'
}

@test "courier_queue: messages that it has no room for are counted, and the hand-off is undone" {
	fill classifier courier_queue '2 kB'
	holds '.courier.refused > 0 and .requests.completed == 2 and .classifier.answered."503" == 38'
}

@test "courier_inbox: a blob that it has no room for is rejected until the sender gives up" {
	fill 'backend[1..2]' courier_inbox '2 kB'
	holds '.courier.rejected_by.full > 0 and .classifier.alerts.internal_error == 10 and .requests.completed == 40'
}

@test "table" {
	fill forwarder table 5
	# five at a time, and five more in the place of those that ended
	holds '.forwarder.table_full > 0 and .forwarder.forgotten == 5 and .requests.completed == 10 and
	       .classifier.answered."503" == 35'
}

@test "connections of a backend" {
	fill 'backend[1..2]' connections 5
	holds '.migrator.busy > 0 and .requests.completed == 20 and .classifier.answered."503" == 30'
}

@test "flows" {
	fill 'backend[1..2]' flows 5
	# five open at each, and five more in the place of those that ended
	holds '.driver.dropped_by.flows_full > 0 and .migrator.busy > 0 and .driver.forgotten == 10 and .requests.completed == 20'
}

@test "flow_buffer and buffer: packets beyond them come again" {
	fill 'backend[1..2]' flow_buffer '2 kB'
	holds '.driver.dropped_by.flow_full > 0 and .requests.completed == 50'
	fill 'backend[1..2]' buffer '10 kB'
	holds '.driver.dropped_by.buffer_full > 0 and .requests.completed == 50'
}

@test "moves: a backend that drains hands so many connections on at a time" {
	SCENARIO=scenarios/drain.yaml
	fill 'backend[1..3]' moves 1
	holds '.drain.waited > 0 and .drain.moved > 0 and .requests.failed == 0'
}
