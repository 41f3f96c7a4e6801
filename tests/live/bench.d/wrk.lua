-- SPDX-License-Identifier: BSD-3-Clause
-- What wrk measured, in one line: requests, microseconds, bytes, errors, p50 and p99 in microseconds.
done = function(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("MEASURED %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
		e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
