#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The tables of a run: what they hold adds up to result.json, and asking for them changes nothing else.

load ../lib/shell.bash

lossy="$srcdir/scenarios/lossy-blob.yaml"

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	"$BATON" run --quiet --out plain "$lossy"
	"$BATON" run --quiet --csv --set 'series=20 ms' --out tables "$lossy"
	"$BATON" run --quiet --csv --set 'series=20 ms' --out again "$lossy"
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# The sum of a column of a table, over the rows that match COLUMN=VALUE where given: sum FILE COLUMN [COLUMN VALUE]
sum() {
	awk -F, -v want="$2" -v where="${3:-}" -v value="${4:-}" '
		NR == 1 { for (i = 1; i <= NF; i++) { if ($i == want) c = i; if ($i == where) w = i } if (!c) exit 1; next }
		!w || $w == value { n += $c }
		END { if (!c) exit 1; printf "%d\n", n }' "$1"
}

# is FILE COLUMN METRIC: the column adds up to the metric.
is() {
	local got wanted
	got=$(sum tables/"$1" "$2") && wanted=$(metric tables "$3")
	[ "$got" = "$wanted" ] || { echo "$1: $2 adds up to $got, $3 is $wanted"; return 1; }
}

@test "asking for tables changes neither the trace nor the results" {
	cmp plain/trace.jsonl tables/trace.jsonl
	cmp plain/result.json tables/result.json
	[ ! -e plain/nodes.csv ] && [ ! -e plain/series.csv ]
}

@test "tables are the same bytes in every run" {
	local f
	for f in nodes links rules flows traffic histograms series; do
		cmp tables/$f.csv again/$f.csv
	done
}

@test "every row of every table has its header's columns" {
	local f
	for f in tables/*.csv; do
		[ "$(wc -l <"$f")" -gt 1 ] || { echo "$f is empty"; return 1; }
		awk -F, -v f="$f" 'NR == 1 { n = NF } NF != n { print f ": line " NR; exit 1 }' "$f"
	done
	head -1 tables/flows.csv | grep -q '^connection,client,.*,handoff_us,.*,received_bytes,'
	[ "$(head -1 tables/histograms.csv)" = "histogram,from,to,count" ]
}

@test "nodes, links, rules and traffic add up to the whole" {
	is nodes.csv requests_completed requests.completed
	is traffic.csv started requests.started
	is traffic.csv completed requests.completed
	is nodes.csv handoffs_started handoffs.started
	is nodes.csv handoffs_completed handoffs.completed
	is nodes.csv activated migrator.activated
	is nodes.csv encapsulated forwarder.encapsulated
	is nodes.csv buffered driver.buffered
	is nodes.csv courier_frames courier.frames
	is nodes.csv courier_retransmitted courier.retransmitted
	is nodes.csv courier_rejected courier.rejected
	is links.csv sent packets.sent
	is links.csv delivered packets.delivered
	is links.csv dropped packets.dropped
	is links.csv dropped_by_loss packets.dropped_by.loss
	is links.csv corrupted packets.corrupted
	is rules.csv handed_over handoffs.completed
	[ "$(metric tables courier.retransmitted)" -gt 0 ]
}

@test "the longest time in a queue is that of a link" {
	local longest
	longest=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "queue_max_us") c = i; next } $c > n { n = $c } END { print n }' \
		tables/links.csv)
	[ "$longest" -gt 0 ]
	[ "$longest" -eq "$(metric tables packets.queue_us.max)" ]
	# Only links with a rate have one: the backends' have none.
	[ "$(sum tables/links.csv queue_max_us node backend1)" -eq 0 ]
}

@test "a series shows single links, and a connection its client's retransmissions" {
	"$BATON" run --quiet --csv --set 'series={ interval: 10 ms, nodes: client1, links: [ client1.internet ] }' \
		--set 'nodes.client.on.internet.loss=10 %' --set 'expect=[ client.retransmissions > 0 ]' --out loss "$lossy"
	[ "$(sum loss/flows.csv retransmissions)" -le "$(metric loss client.retransmissions)" ]
	[ "$(sum loss/flows.csv retransmissions)" -gt 0 ]
	head -1 loss/series.csv | grep -q ',connections_open_client1,packets_on_client1.internet_in,packets_on_client1.internet_out$'
	[ "$(sum loss/series.csv packets_on_client1.internet_out)" -gt 0 ]
}

@test "a row of flows.csv is a connection, with its hand-off" {
	is flows.csv handoffs handoffs.completed
	is flows.csv requests requests.completed
	[ "$(sum tables/flows.csv requests reason done)" = "$(metric tables requests.completed)" ]
	# Connections are numbered from 1 without a gap.
	[ "$(tail -n +2 tables/flows.csv | cut -d, -f1 | sort -n | tail -1)" -eq $(($(wc -l <tables/flows.csv) - 1)) ]
	# The longest hand-off is that of result.json.
	local column
	column=$(head -1 tables/flows.csv | tr , '\n' | grep -n '^handoff_us$' | cut -d: -f1)
	[ "$(tail -n +2 tables/flows.csv | cut -d, -f"$column" | sort -n | tail -1)" = "$(metric tables handoffs.latency_us.max)" ]
}

@test "connections that are open at the end have a row too" {
	"$BATON" run --quiet --csv --set stop='100 ms' --set traffic.0.requests=5 --set expect='[]' --out cut "$lossy"
	[ "$(grep -c ',open$' cut/flows.csv)" -gt 0 ]
	[ "$(($(wc -l <cut/flows.csv) - 1))" -eq "$(metric cut requests.started)" ]
}

@test "a series adds up to the run's totals, and ends with it" {
	is series.csv requests_started requests.started
	is series.csv requests_completed requests.completed
	is series.csv handoffs_completed handoffs.completed
	is series.csv packets_sent packets.sent
	is series.csv packets_dropped packets.dropped
	is series.csv courier_retransmitted courier.retransmitted
	[ "$(tail -1 tables/series.csv | cut -d, -f1)" -eq "$(metric tables run.duration_us)" ]
	[ "$(sed -n 2p tables/series.csv | cut -d, -f1)" -eq 20000 ]
	[ "$(sed -n 3p tables/series.csv | cut -d, -f1)" -eq 40000 ]
	head -1 tables/series.csv | grep -q ',connections_open_backend'
}

@test "the buckets of a histogram hold every value" {
	[ "$(sum tables/histograms.csv count histogram requests.latency_us)" = "$(metric tables requests.completed)" ]
	[ "$(sum tables/histograms.csv count histogram handoffs.latency_us)" = "$(metric tables handoffs.completed)" ]
}

@test "expectations of single nodes, links and rules are held and shown" {
	local total
	total=$(metric tables handoffs.completed)
	run "$BATON" run --out single --set "expect=[ per_node.classifier.handoffs_completed == handoffs.completed, \
		per_rule.web.0.chosen >= $total, per_link.client1.internet.out.dropped == 1 ]" "$lossy"
	[ "$status" -eq 1 ]
	[[ $output == *"per_link.client1.internet.out.dropped == 1"* ]]
	[ "$(jq '.per_node.classifier.handoffs_completed' single/result.json)" = "$total" ]
	[ "$(jq '.per_link.client1.internet.out.dropped' single/result.json)" = 0 ]
	[ "$(jq '.per_node | length' single/result.json)" = 1 ]
}

@test "a node that crashed keeps what it counted" {
	"$BATON" run --quiet --csv --out dies "$srcdir/scenarios/backend-dies.yaml"
	[ "$(sum dies/nodes.csv activated)" = "$(metric dies migrator.activated)" ]
	[ "$(sum dies/nodes.csv courier_frames)" = "$(metric dies courier.frames)" ]
}

@test "a table that cannot be written is told" {
	mkdir full
	ln -s /dev/full full/flows.csv
	run "$BATON" run --csv --out full "$lossy"
	[ "$status" -eq 3 ]
	[[ $output == *"No space left on device"* ]]
}

@test "requests of a sequence come at their times, with their targets and sizes" {
	"$BATON" run --quiet --out sequence "$srcdir/tests/scenarios/sequence.yaml"
	diff - <(jq -r 'select(.ev == "request.start") | "\(.t / 1e6) \(.node) \(.kind) \(.tuple | split(":")[2])"' sequence/trace.jsonl |
		sed 's/ [0-9]*$//' | sort) <<-'E'
	1000 client1 http
	3000 client1 http
	3000 client2 echo
	3000 client2 echo
	3500 client1 http
	E
	# Those of one connection share a port; there is one of client1, and two of client2.
	[ "$(jq -r 'select(.ev == "request.start") | "\(.node) \(.tuple)"' sequence/trace.jsonl | sort -u | wc -l)" -eq 3 ]
	diff - <(jq -r 'select(.ev == "request.done") | "\(.node) \(.sent) \(.received)"' sequence/trace.jsonl) <<-'E'
	client1 0 10000
	client1 700 5000
	client2 1000 1000
	client2 2000 2000
	client1 0 5000
	E
	diff - <("$TSHARK" -r sequence/client1.lan.pcapng -Y http.request -T fields -e http.request.method -e http.request.uri) <<-'E'
	GET	/1
	PUT	/b2
	GET	/3
	E
}
