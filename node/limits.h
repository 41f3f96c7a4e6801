/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of each thing a node keeps at most. Zero members take the defaults of the module that has the thing.
 *
 * doc/limits.md lists them with what happens at each. Callers: node/, and whoever configures a node. */
#ifndef BATON_NODE_LIMITS_H
#define BATON_NODE_LIMITS_H

#include "base/nstime.h"

#include <stdint.h>

struct node_limits {
	/* any node: its stack */
	uint32_t half_open; /* handshakes under way, for each listener */
	uint32_t sockets;   /* listeners, connections and handshakes under way; 0: no bound */
	/* any device: its courier */
	uint32_t courier_queue; /* bytes in flight or queued for a peer */
	uint32_t courier_inbox; /* bytes of a peer's messages that are being reassembled */
	/* forwarder */
	uint32_t table; /* entries of the mapping table */
	/* classifier and backend */
	uint32_t connections; /* classifier: being read or handed off; backend: all */
	uint32_t identifiers; /* flow identifiers of its partition */
	uint32_t handoffs;    /* at a time */
	uint32_t held;        /* bytes of packets for frozen connections */
	uint32_t tombstones;  /* connections handed off and remembered */
	/* classifier */
	uint32_t per_client; /* connections of one client address; 0: no bound */
	nstime read;         /* time from the handshake to the decision */
	uint32_t header;     /* bytes of a request's head */
	uint32_t hello;      /* bytes of a TLS hello */
	/* backend: the migrator driver */
	uint32_t flows;       /* entries of the encapsulation mapping table */
	uint32_t flow_buffer; /* bytes buffered for one flow */
	uint32_t buffer;      /* bytes buffered in all */
	/* backend: draining */
	uint32_t moves; /* connections being handed on at a time */
};

#endif
