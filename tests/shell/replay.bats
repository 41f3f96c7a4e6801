#!/usr/bin/env bats
# SPDX-License-Identifier: BSD-3-Clause
# Captures replayed through scenarios: the outcome of every capture, tshark's view of the same bytes, runs of Baton's own,
# speeds, loops, filters, exit statuses and mistakes.

load ../lib/shell.bash

setup() {
	cd "$BATS_TEST_TMPDIR"
}

# replay CAPTURE OPTION...: through the default scenario, as JSON lines; status in $status, lines in `lines`
replay() {
	local capture=$1
	shift
	run "$BATON" replay "$srcdir/scenarios/replay.yaml" --out out --json --capture "$capture" "$@"
}

# totals NAME: of the last line
totals() {
	jq -r ".\"$1\"" <<<"${lines[-1]}"
}

# Runs and expects a status, and a text within what is printed: expect STATUS TEXT COMMAND...
expect() {
	local status_expected=$1 text=$2
	shift 2
	run "$BATON" "$@"
	[ "$status" -eq "$status_expected" ] && [[ $output == *"$text"* ]] || { echo "status $status: $output"; return 1; }
}

# For each capture: exit status, then connections that are whole, broken, not replayable, and handed over.
outcomes="
100-continue 0 1 0 0 1
bro.org 0 13 0 0 8
chrome-1250-tls-x25519-kyber 0 1 0 0 1
chrome-34-google 0 1 0 0 1
fin_retransmission 1 0 0 1 0
get 0 1 0 0 1
get-gzip 0 1 0 0 1
handshake-reorder 0 1 0 0 1
http-post-large 0 2 0 0 2
http_09 1 0 5 0 0
methods 1 0 49 0 0
multipart 0 1 0 0 1
options 0 1 0 0 1
payload-syn 1 0 1 0 0
pipelined-requests 0 1 0 0 1
post 0 1 0 0 1
reassembly 1 0 1 0 0
retransmit-fast009 1 0 0 1 0
rst-inject-rae 1 0 1 0 0
smuggle-http-request 0 1 0 0 1
syn-bad 1 0 0 1 0
tls12-decryption 0 1 0 0 1
truncated-header 1 0 0 1 0
version-mismatch 0 1 0 0 1
websocket 0 1 0 0 1
"

# outcomes_check OPTION...: of every capture
outcomes_check() {
	local file name count=0 expected
	for file in "$srcdir"/tests/captures/*.pcap; do
		name=$(basename "$file" .pcap)
		expected=$(grep "^$name " <<<"$outcomes")
		replay "$file" "$@"
		[ "$expected" = "$name $status $(totals whole) $(totals broken) $(totals not_replayable) $(totals handed_over)" ] ||
			{ echo "$name: $status, not as in '$expected': $output"; return 1; }
		count=$((count + 1))
	done
	[ "$count" -eq 25 ]
}

@test "every capture has its outcome, as captured" {
	outcomes_check
}

@test "every capture has the same outcome as fast as it goes" {
	outcomes_check --speed max
}

@test "every capture has the same outcome as a stream" {
	outcomes_check --as stream
}

# Bytes each way of each connection, retransmitted ones once: shark_bytes CAPTURE. A connection's sides are its opener's and
# the other; a reset's bytes, and those behind one, are not the conversation's.
shark_bytes() {
	"$TSHARK" -n -r "$1" -o tcp.relative_sequence_numbers:TRUE -o tcp.desegment_tcp_streams:FALSE -Y tcp -T fields \
		-e tcp.stream -e ip.src -e tcp.srcport -e tcp.seq -e tcp.len -e tcp.flags.syn -e tcp.flags.ack 2>/dev/null |
		awk -F'\t' '
		{
			side = $2 ":" $3
			if (($6 == 1 || $6 == "True") && !($7 == 1 || $7 == "True"))
				opener[$1] = side
			for (i = 0; i < $5; i++)
				if (!(($1, side, $4 + i) in seen)) {
					seen[$1, side, $4 + i] = 1
					bytes[$1, side]++
				}
			sides[$1, side] = 1
		}
		END {
			for (k in sides) {
				split(k, part, SUBSEP)
				if (part[2] == opener[part[1]])
					up[part[1]] = bytes[k] + 0
				else
					down[part[1]] = bytes[k] + 0
			}
			for (k in opener)
				print k + 1, up[k] + 0, down[k] + 0
		}' | sort -n
}

@test "the bytes of each whole connection are those that tshark finds" {
	local file count=0
	for file in "$srcdir"/tests/captures/*.pcap; do
		replay "$file"
		printf '%s\n' "${lines[@]}" |
			jq -r 'select(.outcome == "whole") | "\(.connection) \(.client_arrived_bytes - .client_lacking_bytes) \(.server_arrived_bytes - .server_lacking_bytes)"' |
			sort -n >ours
		shark_bytes "$file" | grep -Fxf ours >theirs || true
		diff ours theirs || { echo "$file"; return 1; }
		count=$((count + $(wc -l <ours)))
	done
	[ "$count" -eq 29 ]
}

@test "the show: 13 connections, spread by path, handed over" {
	run "$BATON" replay "$srcdir/scenarios/replay.yaml" --out out --capture "$srcdir/tests/captures/bro.org.pcap"
	[ "$status" -eq 0 ]
	[ "$(grep -c ' whole' <<<"$output")" -eq 14 ]
	[[ $output == *"connections 13: 13 whole, 0 broken, 0 not replayable; 8 handed over"* ]]
	grep -q 'path /js/\*  *backend2 .* whole' <<<"$output"
	grep -q 'path /css/\*  *backend1 .* whole' <<<"$output"
	grep -q 'everything  *backend3 .* whole' <<<"$output"
	[ "$(wc -l <out/replay.csv)" -eq 14 ]
	[ "$(metric out replay.whole)" = 13 ]
	[ "$(metric out handoffs.completed)" = 8 ]
	[ "$(metric out requests.started)" = 0 ]
}

@test "the same capture, scenario and seed give the same bytes; another seed other ones, and the same outcome" {
	local seed
	for seed in 1 1 2; do
		replay "$srcdir/tests/captures/bro.org.pcap" --seed $seed --set 'capture=[ "client1.internet" ]'
		[ "$status" -eq 0 ]
		printf '%s\n' "${lines[@]}" >text
		cat out/trace.jsonl out/replay.csv out/client1.internet.pcapng text | b2sum >>sums
		metric out fingerprint >>fingerprints
		jq -S 'del(.live_client, .start_us, .end_us, .handed_over_us, .handoff_us)' text >outcome.$seed
	done
	[ "$(uniq sums | wc -l)" -eq 2 ]
	[ "$(uniq fingerprints | wc -l)" -eq 2 ]
	[ "$(jq -r 'select(.connection) | .outcome' outcome.1 | sort | uniq -c)" = "$(jq -r 'select(.connection) | .outcome' outcome.2 | sort | uniq -c)" ]
}

@test "protocol none hands over at once what no classifier can read" {
	local name
	for name in methods http_09 payload-syn rst-inject-rae fin_retransmission; do
		replay "$srcdir/tests/captures/$name.pcap" --set services.web.protocol=none --set 'services.web.rules=[ { to: backend1 } ]'
		[ "$status" -eq 0 ] || { echo "$name: $output"; return 1; }
		[ "$(totals whole)" = "$(totals handed_over)" ]
	done
	# with bytes that were captured twice and differ, which the live stack takes as it does
	replay "$srcdir/tests/captures/reassembly.pcap" --set services.web.protocol=none --set 'services.web.rules=[ { to: backend1 } ]'
	[ "$status" -eq 1 ]
	[[ $output == *"came different to backend1"*"bytes twice that differ"* ]]
}

@test "gzip and standard input, at any speed, many times" {
	local capture=$srcdir/tests/captures/get.pcap
	gzip -c "$capture" >get.pcap.gz
	replay get.pcap.gz --speed 0.5
	[ "$status" -eq 0 ]
	[ "$(totals whole)" = 1 ]
	"$BATON" replay "$srcdir/scenarios/replay.yaml" --out out --quiet --capture - <get.pcap.gz
	replay "$srcdir/tests/captures/bro.org.pcap" --speed max --loop 20
	[ "$status" -eq 0 ]
	[ "$(totals whole)" = 260 ]
	[ "$(printf '%s\n' "${lines[@]}" | jq -r 'select(.connection) | .loop' | sort -n | uniq -c | awk '{print $1}' | sort -u)" = 13 ]
	expect 2 "standard input can be read only once" replay "$srcdir/scenarios/replay.yaml" --loop 2 --capture -
}

@test "speed divides time" {
	local slow fast
	replay "$srcdir/tests/captures/http-post-large.pcap"
	slow=$(metric out run.duration_us)
	replay "$srcdir/tests/captures/http-post-large.pcap" --speed 10
	fast=$(metric out run.duration_us)
	[ "$slow" -gt 46000000 ] && [ "$fast" -gt 4600000 ] && [ "$fast" -lt 5200000 ]
	replay "$srcdir/tests/captures/http-post-large.pcap" --speed max
	[ "$(metric out run.duration_us)" -lt 1000000 ]
}

@test "a filter chooses connections by what opens them" {
	replay "$srcdir/tests/captures/bro.org.pcap" --connections 'tcp src port 55081'
	[ "$status" -eq 0 ]
	[ "$(totals connections)" = 1 ]
	[ "$(jq -r .client <<<"${lines[0]}")" = 10.0.2.15:55081 ]
	replay "$srcdir/tests/captures/bro.org.pcap" --connections 'port 1'
	[ "$status" -eq 1 ]
	[ "$(totals connections)" = 0 ]
	expect 2 "--connections 'no such'" replay "$srcdir/scenarios/replay.yaml" --capture "$srcdir/tests/captures/get.pcap" \
		--connections 'no such'
}

@test "wrong checksums are made right, or left as they are" {
	replay "$srcdir/tests/captures/tls12-decryption.pcap"
	[ "$status" -eq 0 ]
	[ "$(totals packets.checksum_unset)" = 11 ]
	replay "$srcdir/tests/captures/tls12-decryption.pcap" --keep-bad-checksums
	[ "$status" -eq 1 ]
	[[ $output == *"does not acknowledge what it is sent"* ]]
}

# say SIDE TEXT...: a capture of a conversation, raw IP: who is c or s says the text behind it, in turn; then both close,
# or where SIDE is C or S, that one resets and TEXT is nothing
say() {
	perl -e '
		my ($out, $ms, $reset, %seq) = ("", 0, 0, (c => 100, s => 900));
		sub packet {
			my ($side, $flags, $text) = @_;
			my $peer = $side eq "c" ? "s" : "c";
			my ($from, $to) = $side eq "c" ? (5000, 25) : (25, 5000);
			my $tcp = pack "nnNNCCnnn", $from, $to, $seq{$side}, $flags & 16 ? $seq{$peer} : 0, 0x50, $flags, 65535, 0, 0;
			my $ip = pack "CCnnnCCnC4C4", 0x45, 0, 40 + length $text, 0, 0, 64, 6, 0,
				(192, 0, 2, $side eq "c" ? 1 : 2), (192, 0, 2, $side eq "c" ? 2 : 1);
			my $all = $ip . $tcp . $text;
			$out .= pack("VVVV", 0, 1000 * $ms++, length $all, length $all) . $all;
			$seq{$side} += length($text) + ($flags & 3 ? 1 : 0);
		}
		packet("c", 2, ""); packet("s", 18, ""); packet("c", 16, "");
		while (@ARGV) {
			my ($side, $text) = (shift, shift);
			if ($side =~ /[CS]/) { packet(lc $side, 20, ""); $reset = 1; last }
			packet($side, 24, $text); packet($side eq "c" ? "s" : "c", 16, "");
		}
		packet("s", 17, ""), packet("c", 17, ""), packet("s", 16, "") unless $reset;
		binmode STDOUT;
		print pack("VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101), $out' -- "$@"
}

@test "a server that speaks first needs protocol none, and is told so" {
	say s $'220 hello\r\n' c $'QUIT\r\n' s $'221 bye\r\n' >smtp.pcap
	replay smtp.pcap
	[ "$status" -eq 1 ]
	[[ $output == *"the server speaks first"*'protocol: none'* ]]
	replay smtp.pcap --set services.web.protocol=none --set 'services.web.rules=[ { to: backend1 } ]'
	[ "$status" -eq 0 ]
	[ "$(totals server_bytes.arrived)" = 20 ]
	say c $'GET / HTTP/1.1\r\n' >half.pcap
	replay half.pcap
	[ "$status" -eq 1 ]
	[[ $output == *"answered 408 by the classifier: it had no whole request in time"* ]]
}

@test "a reset does not overtake the bytes before it" {
	local mode speed side
	local page
	page=$(printf 'x%.0s' {1..1300})
	for side in S C; do
		say c $'GET / HTTP/1.1\r\nHost: a\r\n\r\n' s "$page" s "$page" s "$page" "$side" "" >reset.pcap
		for mode in segments stream; do
			for speed in 1 max; do
				replay reset.pcap --as $mode --speed $speed
				[ "$status" -eq 0 ] && [ "$(totals server_bytes.arrived)" = 3900 ] &&
					[[ $output == *"reset by the $([ $side = S ] && echo server || echo client), as captured"* ]] ||
					{ echo "$side, $mode, $speed: $output"; return 1; }
			done
		done
	done
}

@test "a reset within an upload has an outcome" {
	local mode page
	page=$(printf 'x%.0s' {1..1300})
	say c $'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n' c "$page" c "$page" c "$page" S "" >reset.pcap
	for mode in segments stream; do
		run timeout 60 "$BATON" replay "$srcdir/scenarios/replay.yaml" --out out --capture reset.pcap --as $mode
		[ "$status" -eq 0 ] && [[ $output == *"reset by the server, as captured"* ]] || { echo "$mode: $output"; return 1; }
	done
}

@test "times that are absurd or run backwards take no time" {
	# years between the packets, then back to the first day
	say c $'GET / HTTP/1.1\r\nHost: a\r\n\r\n' s $'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n' |
		perl -e '
			local $/; binmode STDIN; binmode STDOUT; my $in = <STDIN>; my ($at, $n) = (24, 0);
			while ($at + 16 <= length $in) {
				my $len = unpack "V", substr $in, $at + 8, 4;
				substr($in, $at, 4) = pack "V", $n % 3 == 2 ? 5 : $n * 300000000;
				$at += 16 + $len; $n++;
			}
			print $in' >absurd.pcap
	replay absurd.pcap --speed max
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	replay absurd.pcap # an hour before the request, at most
	[ "$status" -eq 1 ]
	[[ $output == *"answered 408"* ]]
	[ "$(metric out run.duration_us)" -lt $((10 * 3600 * 1000000)) ]
}

@test "any packet that the capture lacks is made up for, whatever comes later in the capture" {
	local options=$srcdir/tests/captures/options.pcap socket=$srcdir/tests/captures/websocket.pcap name n mode
	editcap -F pcap -t 300000000 "$options" other.pcap
	for n in 2 5 7 9 11 12 13 14 18 19 21 22 24 26; do # not the SYN, not the request that the classifier reads
		editcap -F pcap "$socket" short.pcap "$n"
		mergecap -F pcap -w long.pcap short.pcap other.pcap
		for name in short long; do
			for mode in segments stream; do
				replay $name.pcap --as $mode
				[ "$status" -eq 0 ] && [ "$(totals client_bytes.arrived) $(totals server_bytes.arrived)" = \
					"$([ $name = long ] && echo 857 || echo 753) 1213" ] ||
					{ echo "without packet $n, $name, $mode: $output"; return 1; }
			done
		done
	done
	# an end that was acknowledged and is not there is no byte
	for n in 24 26; do
		editcap -F pcap "$socket" short.pcap "$n"
		replay short.pcap
		[ "$(totals client_bytes.lacking) $(totals server_bytes.lacking)" = "0 0" ]
		[[ ${lines[0]} == *"the capture lacks the FIN of the $([ "$n" -eq 24 ] && echo server || echo client)"* ]]
	done
	# a request that the capture lacks does not make a server speak first
	editcap -F pcap "$socket" short.pcap 4
	replay short.pcap
	[ "$status" -eq 1 ]
	[[ $output == *"answered 400"*"the capture lacks 576 of the client's bytes"* && $output != *"speaks first"* ]]
}

# mutate SEED <CAPTURE: packets left out, doubled, exchanged; bytes, flags and sequence numbers changed
mutate() {
	perl -e '
		srand(shift);
		local $/; binmode STDIN; binmode STDOUT;
		my $in = <STDIN>; my $at = 24; my @records;
		my $v = unpack("V", substr($in, 0, 4)) =~ /^(?:2712847316|2712812621)$/ ? "V" : "N";
		while ($at + 16 <= length $in) {
			my $n = 16 + unpack($v, substr($in, $at + 8, 4));
			push @records, substr($in, $at, $n); $at += $n;
		}
		for (1 .. 12) {
			my $i = int rand @records; my $what = int rand 6;
			if ($what == 0) { splice @records, $i, 1 }
			elsif ($what == 1) { splice @records, int rand @records, 0, $records[$i] }
			elsif ($what == 2) { my $j = int rand @records; @records[$i, $j] = @records[$j, $i] }
			elsif ($what == 3) { substr($records[$i], int rand length $records[$i], 1) = chr int rand 256 }
			elsif ($what == 4 && length $records[$i] > 64) { substr($records[$i], 63, 1) = chr int rand 256 }
			elsif (length $records[$i] > 64) { substr($records[$i], 54, 4) = pack "N", int rand 2 ** 32 }
		}
		print substr($in, 0, 24), @records' "$1"
}

@test "mutated captures have an outcome" {
	local seed=0 file
	for file in "$srcdir"/tests/captures/*.pcap; do
		seed=$((seed + 1))
		mutate $seed <"$file" >mutated.pcap
		replay mutated.pcap --speed max
		[ "$status" -le 2 ] || { echo "$file, seed $seed: $output"; return 1; }
		replay mutated.pcap --set services.web.protocol=none --set 'services.web.rules=[ { to: "backend*" } ]'
		[ "$status" -le 2 ] || { echo "$file, seed $seed, none: $output"; return 1; }
	done
}

@test "a capture that is cut is replayed as far as it goes" {
	head -c 30000 "$srcdir/tests/captures/bro.org.pcap" >cut.pcap
	replay cut.pcap
	[ "$status" -eq 0 ]
	[[ $output == *"cut.pcap: after "*"truncated"* ]]
	[ "$(totals whole)" -ge 1 ]
	[[ $output == *"the capture does not show its end"* ]]
	head -c 24 "$srcdir/tests/captures/bro.org.pcap" >empty.pcap
	replay empty.pcap
	[ "$status" -eq 1 ]
}

@test "what is no capture, or a wrong command line, is status 2" {
	local f=$srcdir/scenarios/replay.yaml c=$srcdir/tests/captures/get.pcap
	expect 2 "not a capture" replay "$f" --capture "$f"
	expect 2 "No such file" replay "$f" --capture nowhere.pcap
	head -c 10 "$c" >short.pcap
	expect 2 "not a capture" replay "$f" --capture short.pcap
	: >nothing.pcap
	expect 2 "not a capture" replay "$f" --capture nothing.pcap
	expect 2 "a capture is needed" replay "$f"
	expect 2 "a scenario file is needed" replay --capture "$c"
	expect 2 "--speed '0'" replay "$f" --capture "$c" --speed 0
	expect 2 "--speed 'fast'" replay "$f" --capture "$c" --speed fast
	expect 2 "--speed '1.2.3'" replay "$f" --capture "$c" --speed 1.2.3
	expect 2 "segments or stream" replay "$f" --capture "$c" --as packets
	expect 2 "--loop counts from 1" replay "$f" --capture "$c" --loop 0
	expect 2 "did you mean '--capture'?" replay "$f" --captrue "$c"
	expect 2 "has no service" replay "$srcdir/scenarios/tutorial/1-two-hosts.yaml" --out out --capture "$c"
	expect 0 "usage: baton replay" replay --help
}

# own SCENARIO CAPTURE OPTION...: runs it with captures and replays one through it.
own() {
	local scenario=$srcdir/scenarios/$1.yaml capture=$2
	shift 2
	"$BATON" run --quiet --out run "$@" --set 'expect=[]' "$scenario"
	run "$BATON" replay "$scenario" --set 'faults=[]' --set 'expect=[]' --out out --json --capture "run/$capture"
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

@test "a run's own capture through the same scenario gives the same bytes and hand-offs" {
	own handoff client1.internet.pcapng --set 'faults=[]' --set traffic.0.requests=400 --csv --set 'capture=[ "client1.internet" ]'
	[ "$(totals whole)" = 50 ]
	[ "$(totals handed_over)" = 50 ]
	# what each connection received, and where it was handed to: by number, as they were opened
	awk -F, 'NR > 1 && $2 == "client1" {print $6, $7}' run/flows.csv >ran
	jq -r 'select(.connection) | "\(.connection) \(.rule) \(.server_bytes == .server_arrived_bytes) \(.client_bytes == .client_arrived_bytes)"' \
		<(printf '%s\n' "${lines[@]}") | sort -n | awk '{print $2, $3, $4}' >replayed
	[ "$(cut -d' ' -f1 ran)" = "$(cut -d' ' -f1 replayed)" ]
	! grep -qv 'true true' replayed
	# and its capture is of the same conversation
	"$BATON" replay "$srcdir/scenarios/handoff.yaml" --set 'faults=[]' --out again --quiet --capture run/client1.internet.pcapng \
		--set 'capture=[ "client*.internet" ]' --as stream
}

@test "own captures of lossy, TLS, half-closing, resetting and IPv6 runs, and of all interfaces at once, replay whole" {
	own wan client1.internet.pcapng --set 'capture=[ "client1.internet" ]' --set traffic.0.requests=40
	own tls-sni client3.internet.pcapng --set 'capture=[ "client3.internet" ]'
	own half-close client1.internet.pcapng --set 'capture=[ "client1.internet" ]'
	own aborts client1.internet.pcapng --set 'capture=[ "client1.internet" ]'
	[[ $output == *"reset by the client, as captured"* ]]
	own ipv6 client1.internet.pcapng --set 'capture=[ "client1.internet" ]'
	[ "$(totals packets.checksum_wrong)" -gt 0 ]
	own early-packets all.pcapng --set capture=all
	[ "$(totals packets.of_other_interfaces)" -gt 0 ]
	[ "$(totals packets.encapsulated)" -gt 0 ]
	[ "$(totals not_replayable)" = 0 ]
}

@test "packets that were dropped as they were captured did not arrive" {
	own handoff client1.internet.pcapng --set 'capture=[ "client1.internet" ]' --set traffic.0.requests=80 --set 'faults=[]' \
		--set 'nodes.client.on.internet={ delay: 20 ms, loss: 5 % }'
	[ "$(totals packets.dropped_as_captured)" -gt 5 ]
	[ "$(totals whole)" = 10 ]
}

@test "replayed connections survive bad networks, failing hand-offs and drains" {
	local capture=$srcdir/tests/captures/bro.org.pcap
	replay "$capture" --set 'nodes.client.on.internet={ delay: 5 ms, jitter: 2 ms, loss: 3 %, corrupt: 1 %, duplicate: 2 % }' \
		--set 'nodes.backend.on.cluster={ loss: 5 %, corrupt: 2 % }'
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	[ "$(totals whole)" = 13 ]
	[ "$(totals retransmissions_added)" -gt 0 ]
	replay "$capture" --set 'services.web.rules=[ { to: "backend*" } ]' \
		--set 'faults=[ { at: 1 s, drain: backend1 }, { at: 3 s, drain: backend3 }, { at: 5 s, undrain: backend1 } ]'
	[ "$status" -eq 0 ] || { echo "$output"; return 1; }
	[ "$(printf '%s\n' "${lines[@]}" | jq -s 'map(select(.handoffs? > 1)) | length')" -ge 2 ]
	replay "$capture" --set 'faults=[ { at: 200 ms, crash: backend2 } ]'
	[ "$status" -eq 1 ]
	[ "$(totals broken)" -ge 1 ]
}

@test "doc/replay.md shows what is printed" {
	cd "$srcdir"
	BATON="$BATON" tests/lib/doc-outputs doc/replay.md | diff doc/replay.md -
	BATON="$BATON" tests/lib/doc-replays | diff <(sed -n '/^<!-- tests.lib.doc-replays -->/,/^$/{/^|/p}' doc/replay.md) -
}

@test "an IPv4 capture through IPv6, routers, one device, and answers that go another way" {
	local name
	for name in ipv6 mixed-families one-device direct-return router health; do
		run "$BATON" replay "$srcdir/scenarios/$name.yaml" --set 'faults=[]' --set 'expect=[]' --out out --json \
			--capture "$srcdir/tests/captures/bro.org.pcap"
		[ "$status" -eq 0 ] || { echo "$name: $output"; return 1; }
		[ "$(totals whole) $(totals handed_over)" = "13 8" ]
	done
}

@test "memory does not grow with the capture's length" {
	local few many
	replay "$srcdir/tests/captures/http-post-large.pcap" --speed max --loop 200
	few=$(jq .peak_memory_bytes out/perf.json)
	replay "$srcdir/tests/captures/http-post-large.pcap" --speed max --loop 1600
	[ "$(totals whole)" = 3200 ]
	many=$(jq .peak_memory_bytes out/perf.json)
	sanitized || [ "$many" -lt $((few + few / 2)) ] || { echo "$few then $many"; return 1; } # a sanitizer keeps freed memory
}
