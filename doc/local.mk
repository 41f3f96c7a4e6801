# SPDX-License-Identifier: BSD-3-Clause
dist_man1_MANS = doc/baton.1
dist_man5_MANS = doc/baton-canon.5 doc/baton-scenario.5 doc/baton-trace.5
EXTRA_DIST += doc/ARCHITECTURE.md doc/claims.md doc/HACKING.md doc/import.md doc/labs.md doc/ladder.svg \
	doc/limits.md doc/live.md doc/performance.md doc/relay.md doc/replay.md doc/sweeps.md doc/tutorial.md doc/wireshark.md
schemadir = $(pkgdatadir)
dist_schema_DATA = doc/baton-scenario.schema.json
