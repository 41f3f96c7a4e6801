# SPDX-License-Identifier: BSD-3-Clause
# Loads, and what they cost. A measurement is a line in $T/measured: NAME METRIC VALUE UNIT.

measured() { echo "$@" >>"$T/measured"; }

# What core 1 was idle for since it started, in microseconds, or not there at all (the hypervisor's). Exact, where the
# kernel's other sums are samples.
core_idle_us() {
	awk -v hz="$(getconf CLK_TCK)" '$1 == "cpu1" { print ($5 + $6 + $9) * 1e6 / hz }' /proc/stat
}

now_us() { echo "${EPOCHREALTIME/./}"; }

# What the balancer's processes, workers included, have run so far, in microseconds.
processes_us() {
	local pid files=()
	for pid in "${BALANCER[@]}"; do
		for pid in "$pid" $(pgrep -P "$pid"); do
			files+=(/proc/"$pid"/task/*/schedstat)
		done
	done
	[ ${#files[@]} = 0 ] && echo 0 || awk '{ us += $1 / 1e3 } END { printf "%d\n", us }' "${files[@]}"
}

# meter_begin and meter_end go around a load; meter_end sets CORE_US and PROCESSES_US.
meter_begin() { METER=("$(now_us)" "$(core_idle_us)" "$(processes_us)"); }
meter_end() {
	local idle wall
	wall=$(($(now_us) - METER[0]))
	idle=$(($(core_idle_us) - METER[1]))
	PROCESSES_US=$(($(processes_us) - METER[2]))
	CORE_US=$((wall > idle ? wall - idle : 0))
}

# per AMOUNT COUNT
per() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", (b > 0 ? a / b : 0) }'; }

# load CONFIGURATION SIZE-MODE: 64 connections that ask as fast as they are answered.
load() {
	local name=$1/$2 size=${2%%-*} mode=${2#*-} words=() requests us bytes errors p50 p99
	case $size in
	1k) words+=(-H "Baton-Reply: 1024") ;;
	64k) words+=(-H "Baton-Reply: 65536") ;;
	esac
	[ "$mode" = keep-alive ] || words+=(-H "Connection: close")
	meter_begin
	n "$CLIENT" taskset -c 0 wrk -t1 -c64 "-d$seconds" --latency -s "$here/bench.d/wrk.lua" "${words[@]}" \
		"http://$ADDRESS/two/$size" >"$T/wrk.log"
	meter_end
	read -r requests us bytes errors p50 p99 < <(sed -n 's/^MEASURED //p' "$T/wrk.log")
	measured "$name" cpu_core "$(per "$CORE_US" "$requests")" us/request
	measured "$name" cpu_processes "$(per "$PROCESSES_US" "$requests")" us/request
	measured "$name" requests "$(per "${requests}000000" "$us")" requests/s
	measured "$name" latency_p50 "$p50" us
	measured "$name" latency_p99 "$p99" us
	measured "$name" errors "$errors" requests
}

# bulk CONFIGURATION: eight connections that download for the time.
bulk() {
	local name=$1/bulk pids=() pid bytes
	rm -f "$T"/bulk.*
	meter_begin
	for pid in 1 2 3 4 5 6 7 8; do
		n "$CLIENT" taskset -c 0 curl -s -o /dev/null -m "$seconds" -w '%{size_download}\n' \
			-H "Baton-Reply: 1073741824" "http://$ADDRESS/two/1g" >"$T/bulk.$pid" &
		pids+=($!)
	done
	wait "${pids[@]}" || true # 28: the time is over
	meter_end
	bytes=$(awk '{ sum += $1 } END { printf "%d", sum }' "$T"/bulk.*)
	measured "$name" throughput "$(per "${bytes}" "$((seconds * 125000000))")" Gbit/s
	measured "$name" cpu_core "$(per "${CORE_US}000" "$bytes")" s/GB
	measured "$name" cpu_processes "$(per "${PROCESSES_US}000" "$bytes")" s/GB
}

# handoffs CONFIGURATION: from the classifier's first to its last word, by its own result.json. Cold: one at a time.
handoffs() {
	local at result percentile
	for at in 1 8 64; do
		balancer_start "$1"
		if [ $at = 1 ]; then
			n "$CLIENT" taskset -c 0 ab -q -n 300 -c 1 "http://$ADDRESS/two/1k" >"$T/ab.log" 2>&1
		else
			n "$CLIENT" taskset -c 0 wrk -t1 -c$at "-d$seconds" -H "Connection: close" "http://$ADDRESS/two/1k" >"$T/wrk.log"
		fi
		balancer_stop
		result=$T/classifier/result.json
		[ "$1" != baton-one ] || result=$T/one/result.json
		for percentile in p50 p99 max; do
			measured "$1/hand-off-of-$at" "handoff_$percentile" "$(jq ".handoffs.latency_us.$percentile" "$result")" us
		done
	done
}
