#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# The command line: what it takes, what it says and with which exit status.

load ../lib/shell.bash

first="$srcdir/scenarios/first.yaml"

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# expect STATUS TEXT ARGUMENT...: the exit status, and a text somewhere in the output.
expect() {
	local status_wanted=$1 text=$2
	shift 2
	run "$BATON" "$@"
	[ "$status" -eq "$status_wanted" ] || { echo "baton $*: status $status: $output"; return 1; }
	[[ $output == *"$text"* ]] || { echo "baton $*: $output"; return 1; }
}

@test "help teaches, for the command and for each subcommand" {
	expect 0 "baton run scenarios/handoff.yaml" --help
	expect 0 "usage: baton run [OPTION]... FILE" run --help
	expect 0 "usage: baton live [OPTION]... FILE" live --help
	expect 0 "usage: baton check" check --help
	expect 0 "usage: baton blob" blob --help
	expect 0 "usage: baton canon" canon --help
	expect 0 "usage: baton diff" diff --help
	expect 0 "usage: baton import" import --help
	expect 0 "usage: baton ladder" ladder --help
	expect 0 "usage: baton replay" replay --help
	expect 0 "usage: baton bench" bench --help
	expect 0 "baton " --version
}

@test "a wrong command line is status 2, with what was meant" {
	expect 2 "a command is needed"
	expect 2 "unknown command 'rnu'; did you mean 'run'?" rnu
	expect 2 "a scenario file is needed" run
	expect 2 "'b.yaml' is another" run a.yaml b.yaml
	expect 2 "did you mean '--seed'?" run --sed 1 a.yaml
	expect 2 "option '--seed' needs a value" run --seed
	expect 2 "option '--quiet' takes no value" run --quiet=1 a.yaml
	expect 2 "unknown option '-x'" check -x a.yaml
	expect 2 "a scenario file is needed" check
	expect 2 "one file with a blob is needed" blob
	expect 2 "did you mean 'handoff'?" bench handof
}

@test "a benchmark says what was measured, in which unit, on which machine, and of which commit" {
	run "$BATON" bench nodes
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "$(uname -m) Linux "*", commit "* ]]
	[ "${lines[1]}" = nodes ]
	grep -Eq '^  resident_kb_per_node +[0-9.]+ kB$' <<<"$output"
	"$BATON" bench --json handoff > bench.json
	jq -e 'length > 10 and all(.[]; .name == "handoff" and .unit == "us" and .size_unit == "B" and .size >= 0 and .value > 0 and
		(.machine | length) > 0 and (.commit | length) > 0 and (.cipher and .part))' bench.json
}

@test "the benchmarks of captures measure two sizes, whose peaks of memory are alike" {
	local name
	for name in canon diff; do
		TMPDIR=$BATS_TEST_TMPDIR "$BATON" bench --json --size '40 MB' $name >bench.json
		jq -e '[.[] | select(.part == null)] | group_by(.metric) | map({key: .[0].metric, value: map(.value)}) | from_entries |
			(.packets_per_second | length) == 2 and all(.packets_per_second[]; . > 1000) and
			.peak_mb[1] < .peak_mb[0] * 1.25 + 2' bench.json
	done
	expect 2 "not from 1 MB to 100 GB" bench --size '1 kB' canon
	expect 2 "unit is missing" bench --size 100 canon
	[ -z "$(ls "$BATS_TEST_TMPDIR" | grep baton-bench)" ]
}

@test "numbers are read strictly" {
	local seed
	for seed in 1x -1 +1 0x10 1e3 "" 18446744073709551616; do
		expect 2 "--seed '$seed'" run --seed "$seed" "$first"
	done
}

@test "check says every mistake with its position, and nothing of a good file" {
	run "$BATON" check "$first"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	run "$BATON" check "$srcdir/tests/scenarios/bad/many.yaml"
	[ "$status" -eq 2 ]
	diff <(echo "$output") <(sed "s,^,$srcdir/tests/scenarios/bad/many.yaml:," "$srcdir/tests/scenarios/bad/many.expect")
	# One bad file among good ones, and one that is not there.
	expect 2 "many.yaml:15:1: unknown key 'sed'" check "$first" "$srcdir/tests/scenarios/bad/many.yaml"
	expect 2 "none.yaml: cannot be read: No such file or directory" check none.yaml
}

@test "every shipped scenario passes check" {
	"$BATON" check "$srcdir"/scenarios/*.yaml
}

@test "run writes its files to out/STEM, and quiet means silent" {
	run "$BATON" run "$first"
	[ "$status" -eq 0 ]
	[[ $output == *"✓ requests.completed == 4"* ]]
	[[ $output == *"fingerprint "* ]]
	[ -s out/first/result.json ]
	[ -s out/first/trace.jsonl ]
	[ -s out/first/perf.json ]
	run "$BATON" run --quiet --out elsewhere "$first"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	cmp out/first/result.json elsewhere/result.json
	cmp out/first/trace.jsonl elsewhere/trace.jsonl
}

@test "an expectation that fails is status 1, named with its place" {
	cp "$first" f.yaml
	sed -i 's/requests.completed == 4/requests.completed == 5/' f.yaml
	expect 1 "✗ requests.completed == 5" run f.yaml
	expect 1 "f.yaml:$(grep -n 'completed == 5' f.yaml | cut -d: -f1):5: 'requests.completed == 5' does not hold" \
		run --quiet f.yaml
}

@test "a hint is shown where its expectation fails, and nowhere else" {
	cp "$first" f.yaml
	cat >> f.yaml <<'END'
  - { that: requests.failed == 7, hint: "look at the %s of the server, and whether a word that is far too long for one line is cut where a space is" }
  - { that: requests.failed == 0, hint: never shown }
END
	expect 1 "      look at the %s of the server, and whether a word that is far too long for one line is cut where a" run f.yaml
	[[ $output == *$'\n'"      space is"* ]]
	[[ $output != *"never shown"* ]]
	expect 1 "look at the %s of the server" run --quiet f.yaml
}

@test "--set changes the file, and its mistakes name the path" {
	expect 1 "✗ requests.completed == 4" run --set 'traffic.0.requests=1' "$first"
	expect 2 "baton: --set nodes.nobody.role: there is no 'nobody' in the file" run --set nodes.nobody.role=client "$first"
	expect 2 "baton: --set stop: '5' is not a duration" run --set stop=5 "$first"
	expect 2 "baton: --set is given a word that is not UTF-8" run --set name=$'a\xffb' "$first"
}

@test "a key file is found beside its scenario, and from --set where the command runs" {
	mkdir -p there
	head -c 32 /dev/zero > there/cluster.key
	sed 's/^stop:/key: cluster.key\nstop:/' "$srcdir/scenarios/handoff.yaml" > there/keyed.yaml
	"$BATON" check there/keyed.yaml
	expect 2 "the key file 'cluster.key' cannot be read" check --set key=cluster.key there/keyed.yaml
	head -c 31 /dev/zero > there/cluster.key
	expect 2 "keyed.yaml:8:6: the key file 'there/cluster.key' holds 31 bytes, and 32 are needed" run there/keyed.yaml
}

@test "slow, jittery and refusing networks are no defects of Baton" {
	local net='nodes.client.on.internet'
	set -- --quiet --set 'expect=[]' --set 'faults=[]' --set 'nodes.backend.on.cluster={}' --set traffic.0.requests=20
	"$BATON" run "$@" --set "$net={ delay: 2 s }" "$srcdir/scenarios/handoff.yaml"
	"$BATON" run "$@" --set "$net={ delay: 50 ms, jitter: 40 ms }" --set 'traffic.0.body=300 kB' "$srcdir/scenarios/handoff.yaml"
	"$BATON" run "$@" --set "$net={ rate: 300 kbit }" "$srcdir/scenarios/handoff.yaml"
	"$BATON" run "$@" --set 'nodes.classifier.limits={ connections: 1 }' --set 'traffic.0.rate=1 /ms' "$srcdir/scenarios/handoff.yaml"
}

@test "the packets of refused hand-offs wait for their end: no client has to send again" {
	"$BATON" run --quiet "$srcdir/tests/scenarios/full-backends.yaml"
}

@test "a proxy copies every byte both ways, and passes on how connections end" {
	"$BATON" run --quiet "$srcdir/tests/scenarios/proxy.yaml"
}

@test "two flips in one packet may cancel in TCP's checksum: the network's fault, counted" {
	cat > twice.yaml <<'END'
baton: 1
stop: 900 s
networks: { a: { subnet: 10.0.0.0/24 } }
nodes:
  c: { role: client, on: { a: { corrupt: 20 % } } }
  s: { role: host, on: { a: { corrupt: 20 % } }, apps: { sink: 9 } }
traffic: [ { from: c, to: "s:9", app: bulk, bytes: 4 MB } ]
expect: [ streams.corrupted > 0, packets.corrupted_again > 10 ]
END
	"$BATON" run --quiet twice.yaml
}

@test "users who neither think nor wait take time all the same" {
	cat > still.yaml <<'END'
baton: 1
stop: 10 s
networks: { a: { subnet: 10.0.0.0/24 } }
nodes: { c: { role: client, on: { a: {} } }, s: { role: host, on: { a: {} }, apps: { http: 80 } } }
traffic: [ { from: c, to: "s:80", users: 1, for: 20 ms, per_connection: 1000000000 } ]
expect: [ requests.completed == 20000, requests.failed == 0 ]
END
	"$BATON" run --quiet still.yaml
}

@test "backends may be on the clients' network too" {
	"$BATON" run --quiet --set services.web.return=direct --set 'nodes.backend.on={ internet: {}, cluster: {} }' \
		--set 'faults=[]' --set traffic.0.requests=20 --set 'expect=[ requests.completed == 20 ]' "$srcdir/scenarios/handoff.yaml"
}

@test "a directory that cannot be written is status 3" {
	touch file
	expect 3 "file" run --out file/below "$first"
}

@test "output that cannot be written is status 3" {
	[ -w /dev/full ] || skip "no /dev/full"
	run bash -c '"$0" run --help > /dev/full' "$BATON"
	[ "$status" -eq 3 ]
}

@test "SIGINT ends a run in good order with status 3" {
	local pid status=0
	"$BATON" run --set traffic.0.requests=300000 --set 'stop=10 h' --out long "$first" > log 2>&1 &
	pid=$!
	until [ -e long/trace.jsonl ] || ! kill -0 $pid; do :; done
	kill -INT $pid
	wait $pid || status=$?
	cat log
	[ "$status" -eq 3 ]
	grep -q "interrupted" log
	[ -s long/result.json ]
}

@test "colours only on a terminal" {
	"$BATON" run "$first" > log
	! grep -q $'\033' log
	command -v script > /dev/null || skip "no script(1)"
	script -qec "$BATON run $first" /dev/null > log
	grep -q $'\033\[32m' log
	NO_COLOR=1 script -qec "$BATON run $first" /dev/null > log
	! grep -q $'\033\[3' log
}

@test "blob decodes what run saves, and says what is wrong with less" {
	local blob
	"$BATON" run --quiet --save-blobs --set traffic.0.requests=5 --set 'expect=[]' --out saved "$srcdir/scenarios/handoff.yaml"
	blob=$(ls saved/blobs/*.blob | head -1)
	expect 0 "rcv_nxt" blob "$blob"
	"$BATON" blob --json "$blob" | jq -e '.good and .tcp.local_port == 80' > /dev/null
	head -c 100 "$blob" > cut.blob
	expect 1 "not a good blob" blob cut.blob
	"$BATON" blob --json cut.blob 2> /dev/null | jq -e '.good | not' > /dev/null
	: > empty.blob
	expect 1 "not a good blob" blob empty.blob
	expect 2 "none.blob: No such file or directory" blob none.blob
}
