/* SPDX-License-Identifier: BSD-3-Clause */
/* What the claims' tests share: they run a scenario in this process and then look at what happened.
 *
 * Two kinds of evidence, neither of them a log line. The packets on every link, read with libpcap from the captures of
 * all attachments and parsed here, checksums summed word by word, so that a fault in Baton's own code cannot hide
 * itself. And the steps: the calls from one part into another, caught by the linker's --wrap (observe.c; the list is
 * CLAIMS_WRAP in local.mk), in one order with the trace events. One run a test; everything lives until the test ends.
 * Callers: tests/claims/c*.c, each with one test named after its claim. */
#ifndef BATON_TESTS_CLAIMS_H
#define BATON_TESTS_CLAIMS_H

#include "base/addr.h"
#include "base/nstime.h"
#include "lb/message.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the run ---- */

/* Runs tests/claims/FILE and fails the test unless every request completed, every byte was right, no client saw a reset
 * and the invariants held. */
void claims_run(const char *file);

/* A number of result.json. */
uint64_t claims_metric(const char *path);

/* Of a node's attachment, named "NODE.NETWORK"; that of the VIP's family. */
struct addr claims_address(const char *attachment);
struct mac claims_mac(const char *attachment);
struct addr claims_vip(void);
struct addr claims_tunnel(void); /* the forwarder's */

/* The device number of a node, and the other way. */
uint16_t claims_device(const char *node);
const char *claims_node(uint16_t device);
bool claims_is(const char *node, const char *prefix); /* "backend2" is a "backend" */

/* ---- packets ---- */

#define CLAIMS_FIN 0x01U
#define CLAIMS_SYN 0x02U
#define CLAIMS_RST 0x04U
#define CLAIMS_PSH 0x08U
#define CLAIMS_ACK 0x10U

enum claims_kind { CLAIMS_ARP, CLAIMS_TCP, CLAIMS_COURIER, CLAIMS_OTHER };

/* A frame at an attachment: as it left the node, before the link's impairments, or as it came, behind them. */
struct claims_packet {
	const char *attachment; /* "forwarder.cluster" */
	bool out;               /* sent by the attachment's node; otherwise received or overheard */
	nstime at;
	const uint8_t *frame;
	size_t len;
	struct mac to, from;
	enum claims_kind kind;

	uint16_t arp_operation; /* ARP, and IPv6's neighbour discovery likewise: 1 asks, 2 answers */
	struct addr arp_sender, arp_target;

	struct addr source, destination; /* IP */
	uint16_t ip_len;
	bool checksums_good; /* IP and TCP or UDP */
	const uint8_t *ip;
	size_t ip_header;  /* bytes of it */
	bool encapsulated; /* TCP with the tunnel address as source */

	uint16_t source_port, destination_port; /* TCP and UDP */
	uint32_t flow;                          /* TCP: both port fields together */
	uint32_t seq, ack;
	uint8_t flags;
	const uint8_t *payload;
	size_t payload_len;

	uint16_t courier_from, courier_to; /* devices, from the frame's header */
};

/* The next packet behind `after` (NULL: the first) at an attachment, in order of time; NULL behind the last. */
const struct claims_packet *claims_packet(const struct claims_packet *after, const char *attachment);

/* Whether a packet travels from the connection's client, under its own addresses; or to it. */
bool claims_from_client(const struct claims_packet *p, const struct tuple *t);
bool claims_to_client(const struct claims_packet *p, const struct tuple *t);

/* The connections that clients opened, in order of their first SYN, and the client's attachment. */
size_t claims_connections(void);
const struct tuple *claims_connection(size_t i);
const char *claims_client(const struct tuple *t);

/* The bytes that a connection's client sent, put together from its packets. *len bytes; lives until the test ends. */
const uint8_t *claims_sent(const struct tuple *t, size_t *len);

/* ---- steps ---- */

#define CLAIMS_FIELDS_MAX 12U

enum claims_field_kind { CLAIMS_U64, CLAIMS_TEXT, CLAIMS_ADDR, CLAIMS_TUPLE };

struct claims_field {
	char name[32];
	enum claims_field_kind kind;
	uint64_t u64;
	char text[96];
	struct addr addr;
	struct tuple tuple;
};

/* A call (its arguments and results as fields) or a trace event. */
struct claims_step {
	uint32_t order; /* among all steps; a call's is that of its beginning */
	bool event;
	const char *what; /* "compile_tcp", or the event's name, "compile.tcp" */
	const char *node; /* "" for the run itself */
	nstime at;
	struct claims_field fields[CLAIMS_FIELDS_MAX];
	size_t fields_count;
	uint8_t *bytes; /* a call's blob, packet, frame or data, as it was given */
	size_t len;
};

/* The next step behind `after` (NULL: the first) of that name, of a connection (its field "tuple") unless t is NULL. */
const struct claims_step *claims_step(const struct claims_step *after, const char *what, const struct tuple *t);

/* The only one: the test fails when there is none or another. */
const struct claims_step *claims_only(const char *what, const struct tuple *t);

/* A field's value; the test fails when the step lacks it. */
uint64_t claims_u64(const struct claims_step *s, const char *field);
const char *claims_text(const struct claims_step *s, const char *field);
const struct addr *claims_addr(const struct claims_step *s, const char *field);
const struct tuple *claims_tuple(const struct claims_step *s, const char *field);

/* The steps in the order in which they must stand, ended by NULL; the test fails at the first that does not. */
void claims_in_order(const struct claims_step *first, ...);

/* A connection's hand-off, from the call that bundles it. */
struct claims_handoff {
	uint32_t flow, generation;
	uint64_t number;
	const char *first, *second; /* nodes */
	const struct claims_step *encode;
};
struct claims_handoff claims_handoff(const struct tuple *t);

/* The bytes that the application on a node read from a connection. *len bytes; lives until the test ends. */
const uint8_t *claims_read(const char *node, const struct tuple *t, size_t *len);

/* The blob given to the courier for a hand-off, and that which reached the driver; each exactly once. */
const struct claims_step *claims_blob_sent(const struct claims_handoff *h);
const struct claims_step *claims_blob_received(const struct tuple *t);

/* A section of a blob (lb/blob.h) found by walking its headers here; NULL when there is none. *len its contents'. */
const uint8_t *claims_section(const struct claims_step *blob, unsigned type, size_t *len);

/* The whole life of a connection, for the three methods: accepted at the forwarder, read at the classifier, moved, and
 * every byte of the client read by the application of the second device. */
void claims_end_to_end(const struct tuple *t);

/* An attachment's name, "NODE.cluster". */
const char *claims_cluster(const char *node);

/* The node that has the forwarder's role. */
const char *claims_forwarder(void);

/* ---- main ---- */

int claims_main(const char *name, const TTest *test, int families);

/* A test that is run over IPv4, or one that is run over both families: it runs claims_standard(_i). */
#define CLAIMS_MAIN(test)                                                                                              \
	int main(void)                                                                                                 \
	{                                                                                                              \
		return claims_main(#test, test, 1);                                                                    \
	}
#define CLAIMS_MAIN_BOTH(test)                                                                                         \
	int main(void)                                                                                                 \
	{                                                                                                              \
		return claims_main(#test, test, 2);                                                                    \
	}

/* The standard cluster's file, of IPv4 (0) or IPv6 (1): the same but for its addresses. */
static inline const char *claims_standard(int family)
{
	return family ? "standard-ipv6.yaml" : "standard.yaml";
}

/* ---- between claims.c, observe.c and packets.c ---- */

void claims_packets_read(const char *directory);
const struct claims_step *claims_step_at(size_t i); /* NULL behind the last */
void *claims_keep(void *p);                         /* fails the test without memory; nothing is freed before its end */

#endif
