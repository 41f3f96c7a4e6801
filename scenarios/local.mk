# SPDX-License-Identifier: BSD-3-Clause
SCENARIOS = \
	scenarios/first.yaml \
	scenarios/handoff.yaml \
	scenarios/one-device.yaml \
	scenarios/direct-return.yaml \
	scenarios/early-packets.yaml \
	scenarios/lossy-blob.yaml \
	scenarios/backend-dies.yaml \
	scenarios/reject.yaml \
	scenarios/big-post.yaml \
	scenarios/many-clients.yaml \
	scenarios/half-close.yaml \
	scenarios/aborts.yaml \
	scenarios/closed-loop.yaml \
	scenarios/plain-tcp.yaml \
	scenarios/maglev.yaml \
	scenarios/ipv6.yaml \
	scenarios/mixed-families.yaml \
	scenarios/gilbert.yaml \
	scenarios/health.yaml \
	scenarios/tls-sni.yaml \
	scenarios/keepalive-pipelined.yaml \
	scenarios/slow-request.yaml \
	scenarios/slowloris.yaml \
	scenarios/wan.yaml \
	scenarios/router.yaml \
	scenarios/partition.yaml

scenariosdir = $(pkgdatadir)/scenarios
dist_scenarios_DATA = $(SCENARIOS) scenarios/page-sizes.txt
