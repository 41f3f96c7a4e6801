#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The page of a run: well-formed, complete without a network, the same bytes each time, and its links lead to evidence.

load ../lib/shell.bash

dies="$srcdir/scenarios/backend-dies.yaml"

setup_file() {
	cd "$BATS_FILE_TMPDIR"
	"$BATON" run --quiet --out plain "$dies"
	"$BATON" run --quiet --report --out page "$dies"
	"$BATON" run --quiet --report --out again "$dies"
}

setup() {
	cd "$BATS_FILE_TMPDIR"
}

# sound FILE: an XML parser takes it, nothing in it is elsewhere, every link inside it leads somewhere, no id is twice.
sound() {
	local ids links
	"$XMLLINT" --noout "$1"
	! grep -oiE '(https?:|src=|url\(|@import|<script|<link).{0,40}' "$1" || return 1
	ids=$(grep -oE ' id="[^"]*"' "$1" | cut -d'"' -f2 | sort)
	[ -z "$(uniq -d <<<"$ids")" ] || { echo "$1: ids twice: $(uniq -d <<<"$ids")"; return 1; }
	links=$(grep -oE ' href="[^"]*"' "$1" | cut -d'"' -f2 | sort -u)
	[ -z "$(comm -13 <(sed 's/^/#/' <<<"$ids") <(echo "$links"))" ] || { echo "$1: links to nowhere"; return 1; }
}

@test "asking for a page changes neither the trace nor the results" {
	cmp plain/trace.jsonl page/trace.jsonl
	cmp plain/result.json page/result.json
	[ ! -e plain/report.html ]
}

@test "the page is the same bytes in every run" {
	cmp page/report.html again/report.html
}

@test "every shipped scenario has a sound page" {
	local name
	for name in $SHIPPED; do
		case $name in
		handoff | closed-loop | many-clients | plain-tcp) continue ;; # long, and nothing in their pages is new
		esac
		"$BATON" run --quiet --report --out "$name" "$srcdir/scenarios/$name.yaml"
		sound "$name/report.html"
	done
}

@test "the page shows what result.json says" {
	grep -q '<strong>'"$(metric page handoffs.completed) of $(metric page handoffs.started)"'</strong>' page/report.html
	grep -qE '>courier +'"$(metric page courier.frames)"' frames|^courier +'"$(metric page courier.frames)"' frames' page/report.html
	grep -q 'backend1 crashes</text>' page/report.html
	[ "$(grep -c '✓ holds' page/report.html)" -eq "$(grep -c '^  - ' <(sed -n '/^expect:/,$p' "$dies"))" ]
}

@test "an expectation that fails shows its hint, and one that holds does not" {
	run "$BATON" run --quiet --report --out hint --set 'expect=[ { that: requests.failed == 77, hint: it <never> fails },
		{ that: requests.failed == 0, hint: of no use } ]' "$srcdir/scenarios/first.yaml"
	[ "$status" -eq 1 ]
	grep -q '<p>it &lt;never&gt; fails</p>' hint/report.html
	! grep -q 'of no use' hint/report.html
	sound hint/report.html
}

@test "the ladder shows a hand-off's steps" {
	local step
	for step in 'SYN seq 0' 'migrate connection' 'compile TCP layer' PREPARE 'blob 1 of 1' 'infuse IP layer' READY COMMITTED \
		'data indicated'; do
		grep -qE ">$step[^<]*</text>" page/report.html || { echo "no $step"; return 1; }
	done
	"$BATON" run --quiet --report --connection 7 --out seventh "$dies"
	grep -q 'Connection 7, ' seventh/report.html
	"$BATON" run --quiet --report --connection 1000000 --out none "$dies"
	grep -q 'There was no connection 1000000' none/report.html
	sound none/report.html
	run "$BATON" run --connection 7 --out none "$dies"
	[ "$status" -eq 2 ]
}

@test "a failed expectation links to its evidence" {
	run "$BATON" run --quiet --report --out fails "$dies" --set 'expect=[ requests.failed == 1, handoffs.failed == 3,
		"requests.latency_us.p99 < 1 us", "courier.rejected > 100000", per_node.backend1.connections == 1,
		handoffs.rolled_back == 0, run.duration_us == 0, per_link.client1.internet.in.sent == 0,
		requests.completed > requests.started ]'
	[ "$status" -eq 1 ]
	sound fails/report.html
	[ "$(grep -c '✗ fails' fails/report.html)" -eq 9 ]
	# Each has a link, and one that is not about an event leads to a figure or row.
	[ "$(grep -c 'href="#event-request-fail"' fails/report.html)" -ge 2 ]
	grep -q 'href="#histogram-requests-latency_us"' fails/report.html
	grep -q 'href="#node-backend1"' fails/report.html
	# The first roll-back of the trace stands where its link leads.
	local first
	first=$(grep -m1 '"ev":"handoff.rollback"' fails/trace.jsonl | jq -r '"\(.t / 1000 | floor | . / 1000000)"')
	awk '/id="event-handoff-rollback"/{on=1} on && /mono/{print; exit}' fails/report.html | grep -q "$first"
	# What never happened is said, not left out.
	grep -q 'handoff.failed: 0 times' fails/report.html
}

@test "what a scenario says cannot become markup" {
	run "$BATON" run --quiet --report --out '<b> & "q"' "$srcdir/scenarios/lossy-blob.yaml" \
		--set 'name="</title><script>alert(1)</script> & \"q\""' --set 'services.web.rules.0.path="/*<i>&\""' \
		--set 'traffic.0.path="/<i>&{n}"' --set traffic.0.requests=4 --set 'expect=[]'
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	sound '<b> & "q"/report.html'
	grep -q '&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;q&quot;</h1>' '<b> & "q"/report.html'
	grep -q '/\*&lt;i&gt;&amp;&quot;' '<b> & "q"/report.html'
}

@test "networks without a service have a page too" {
	cat >plain.yaml <<-'END'
		baton: 1
		stop: 5 s
		networks: { a: { subnet: 10.0.0.0/24 }, b: { subnet: 10.0.1.0/24 } }
		nodes:
		  client[1..3]: { role: client, on: { a: { delay: 5 ms, loss: 2 % } } }
		  router: { role: router, on: { a: {}, b: { rate: 10 Mbit } } }
		  server: { role: host, on: { b: {} }, apps: { http: 80 } }
		traffic:
		  - { from: "client*", to: server:80, requests: 30, rate: 50 /s, reply: 40 KiB }
	END
	"$BATON" run --quiet --report --out plainnet plain.yaml
	sound plainnet/report.html
	grep -q 'There is no service' plainnet/report.html
	grep -q 'Connection 1, 10.0.0.1:' plainnet/report.html
}

@test "a page that cannot be written is told" {
	mkdir full
	ln -s /dev/full full/report.html
	run "$BATON" run --report --out full "$srcdir/scenarios/first.yaml"
	[ "$status" -eq 3 ]
	[[ $output == *"full/report.html: No space left on device"* ]]
}
