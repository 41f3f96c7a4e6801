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
	scenarios/drain.yaml \
	scenarios/rekey.yaml \
	scenarios/forwarder-restarts.yaml \
	scenarios/gilbert.yaml \
	scenarios/health.yaml \
	scenarios/tls-sni.yaml \
	scenarios/keepalive-pipelined.yaml \
	scenarios/slow-request.yaml \
	scenarios/slowloris.yaml \
	scenarios/wan.yaml \
	scenarios/router.yaml \
	scenarios/partition.yaml \
	scenarios/replay.yaml

TUTORIAL = \
	scenarios/tutorial/1-two-hosts.yaml \
	scenarios/tutorial/2-a-link.yaml \
	scenarios/tutorial/3-loss.yaml \
	scenarios/tutorial/4-hand-off.yaml \
	scenarios/tutorial/5-rules.yaml \
	scenarios/tutorial/6-bad-network.yaml \
	scenarios/tutorial/7-a-backend-dies.yaml

LABS = \
	scenarios/labs/1-proxy-or-hand-off.yaml \
	scenarios/labs/2-loss-and-blobs.yaml \
	scenarios/labs/3-drain.yaml

# Run by `baton live`; `baton check` takes them too.
LIVE = \
	scenarios/live/cluster.yaml \
	scenarios/live/web.yaml

livedir = $(pkgdatadir)/scenarios/live
dist_live_SCRIPTS = scenarios/live/demo.sh
dist_live_DATA = $(LIVE)
tutorialdir = $(pkgdatadir)/scenarios/tutorial
dist_tutorial_DATA = $(TUTORIAL)
labsdir = $(pkgdatadir)/scenarios/labs
dist_labs_DATA = $(LABS)
scenariosdir = $(pkgdatadir)/scenarios
dist_scenarios_DATA = $(SCENARIOS) scenarios/page-sizes.txt
