# SPDX-License-Identifier: BSD-3-Clause
# What was measured, for a person and for a program.

# Of lines NAME METRIC VALUE UNIT the median of each name and metric, in the order of the first.
medians() {
	awk '
	{ key = $1 " " $2; if (!(key in count)) order[++keys] = key; value[key, ++count[key]] = $3; unit[key] = $4 }
	END {
		for (k = 1; k <= keys; k++) {
			key = order[k]; c = count[key]
			for (i = 1; i <= c; i++) v[i] = value[key, i] + 0
			for (i = 2; i <= c; i++)
				for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
			print key, c % 2 ? v[(c + 1) / 2] : (v[c / 2] + v[c / 2 + 1]) / 2, unit[key]
		}
	}'
}

machine() { echo "$(uname -m) $(uname -s) $(uname -r), $(sed -n 's/^model name[^:]*: //p;T;q' /proc/cpuinfo)"; }
commit() { git -C "$here" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown; }

json_print() {
	jq -Rn --arg machine "$(machine)" --arg commit "$(commit)" '[inputs | split(" ") |
		{name: .[0], metric: .[1], value: (.[2] | tonumber), unit: .[3], machine: $machine, commit: $commit}]' <"$T/results"
}

table_print() {
	echo "$(machine), commit $(commit); medians of $rounds"
	awk '
	function title(w) { sub("1k-", "1 KB, ", w); sub("64k-", "64 KB, ", w); return w }
	function of(key, peer) { return v[peer] > 0 ? sprintf("%.2f", v[key] / v[peer]) : "-" }
	function loads(w, i, c, k, h) {
		printf "\n%s, 64 connections\n", title(w)
		printf "  %-16s %10s %10s %11s %11s %10s %9s %9s\n", "", "core", "of HAProxy", "processes", "of HAProxy", "requests", "p50", "p99"
		printf "  %-16s %10s %10s %11s %11s %10s %9s %9s\n", "", "us/request", "times", "us/request", "times", "/s", "us", "us"
		for (i = 1; i <= cs; i++) {
			k = cfg[i] "/" w " "; h = "haproxy/" w " "
			if (!((k "requests") in v)) continue
			printf "  %-16s %10.1f %10s %11.1f %11s %10.0f %9.0f %9.0f%s\n", cfg[i], v[k "cpu_core"], of(k "cpu_core", h "cpu_core"),
				v[k "cpu_processes"], of(k "cpu_processes", h "cpu_processes"), v[k "requests"], v[k "latency_p50"],
				v[k "latency_p99"], (v[k "errors"] > 0 ? "   " v[k "errors"] " errors" : "")
		}
	}
	{ v[$1 " " $2] = $3; split($1, part, "/"); if (!(part[1] in seen)) { seen[part[1]] = 1; cfg[++cs] = part[1] } }
	END {
		loads("1k-keep-alive"); loads("1k-close"); loads("64k-keep-alive"); loads("64k-close")
		printf "\nbulk, 8 connections\n  %-16s %10s %10s %11s %11s %10s\n", "", "core", "of HAProxy", "processes", "of HAProxy", "throughput"
		printf "  %-16s %10s %10s %11s %11s %10s\n", "", "s/GB", "times", "s/GB", "times", "Gbit/s"
		for (i = 1; i <= cs; i++) {
			k = cfg[i] "/bulk "; h = "haproxy/bulk "
			printf "  %-16s %10.3f %10s %11.3f %11s %10.2f\n", cfg[i], v[k "cpu_core"], of(k "cpu_core", h "cpu_core"),
				v[k "cpu_processes"], of(k "cpu_processes", h "cpu_processes"), v[k "throughput"]
		}
		printf "\nhand-off, frozen to committed\n  %-16s %12s %9s %9s %9s\n", "", "at a time", "p50 us", "p99 us", "max us"
		for (i = 1; i <= cs; i++)
			for (c = 1; c <= 64; c *= 8) {
				k = cfg[i] "/hand-off-of-" c " "
				if ((k "handoff_p50") in v)
					printf "  %-16s %12d %9d %9d %9d\n", cfg[i], c, v[k "handoff_p50"], v[k "handoff_p99"], v[k "handoff_max"]
			}
	}' "$T/results"
}
