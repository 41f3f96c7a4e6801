/* SPDX-License-Identifier: BSD-3-Clause */
/* The blob: one connection's state, its data and the mapping of its flow identifier, bundled (claims C1.5, C7, C17).
 *
 * Encodes and decodes; it does not judge whether the state makes sense (conn_state_validate does), send it
 * (lb/courier.h) or put it anywhere (stack/infuse.h). Called by the classifier (aggregate), the migrator driver
 * (unbundle) and `baton blob`. One list of fields, below, makes encoder, decoder, printer and the tests that mutate
 * each field.
 *
 * Format, version 1. Everything is in network byte order, nothing is padded.
 *
 *     header    magic "BTNB" | version u16 | sections u16 | length u32, of the whole blob
 *     section   type u16 | length u32, of what follows | contents
 *
 * `sections` sections fill the blob to its last byte, in any order, each type at most once. Types:
 *
 *     1 HANDOFF   which hand-off this is and the flow identifier's mapping: BLOB_HANDOFF_FIELDS
 *     2 SOCKET    the socket layer: BLOB_SOCKET_FIELDS
 *     3 TCP       the TCP layer: BLOB_TCP_FIELDS
 *     4 IP        the IP layer: BLOB_IP_FIELDS
 *     5 SEGMENTS  the three queues: BLOB_QUEUE_FIELDS, then for each segment BLOB_SEGMENT_FIELDS; first those sent and
 *                 unacknowledged, then those not sent, then those received out of order
 *     6 DATA      the bytes: those received and not read, then each segment's, in the order of SEGMENTS
 *     0x8001 APP  the application's state, as the application of the same kind at the first device wrote it
 *
 * A known section's contents are its fields in the order of the list, each as wide as its type says; addresses are the
 * family (4 or 6) and 16 bytes, those behind an IPv4 address zero. Sections 1 to 6 must be there, with exactly their
 * length; APP is there when an application had the connection, 1 to CONN_APP_MAX bytes.
 * Where a segment's data lies is not said but follows: the lengths add up to DATA.
 *
 * Other types are of other stacks or later versions. One with the top bit (0x8000) must be understood: who does not,
 * refuses the blob (timestamps that were negotiated: a peer drops segments without them). One without may be skipped
 * (the SACK scoreboard, ECN state: the connection works without). */
#ifndef BATON_LB_BLOB_H
#define BATON_LB_BLOB_H

#include "base/conn.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOB_MAGIC       0x42544e42U /* "BTNB" */
#define BLOB_VERSION     1U
#define BLOB_HEADER_LEN  12U
#define BLOB_SECTION_LEN 6U      /* type and length */
#define BLOB_MUST        0x8000U /* of a type: refuse the blob when it is not understood */

enum blob_section {
	BLOB_HANDOFF = 1,
	BLOB_SOCKET = 2,
	BLOB_TCP = 3,
	BLOB_IP = 4,
	BLOB_SEGMENTS = 5,
	BLOB_DATA = 6,
	BLOB_APP = BLOB_MUST | 1,
};

#define BLOB_SECTIONS_MAX 64U /* in one blob, unknown ones included */

/* Longest blob that encode makes and decode takes. */
#define BLOB_LEN_MAX (CONN_DATA_MAX + CONN_SEGMENTS_MAX * 16U + CONN_APP_MAX + 4096U)

/* The hand-off and the mapping that travels with the state (C1.9, C7). */
struct blob_mapping {
	uint32_t flow;       /* flow identifier; neither half is zero */
	uint32_t generation; /* of the forwarder's entry that the hand-off asks for */
	uint64_t handoff;    /* the first device's number of this hand-off */
	uint16_t first;      /* device that gives the connection away (the classifier) */
	uint16_t second;     /* device that is to take it */
	uint64_t first_boot; /* boot id of the first */
	/* Whoever has the connection can ask by these for another device, and tell of its end. */
	uint16_t origin;      /* device that chose its first backend: a classifier */
	uint64_t origin_boot; /* its boot id then */
	uint16_t service;     /* number of the service, in the order that all devices know */
	uint16_t rule;        /* number of the service's rule that matched */
	struct tuple tuple;   /* not encoded: decode takes it from the IP and TCP sections */
};

/* Fields: X(type, member, unit). The member's name is the field's; flags and other bit sets have the unit "bits". */
#define BLOB_HANDOFF_FIELDS(X)                                                                                         \
	X(U32, flow, "identifier")                                                                                     \
	X(U32, generation, "number")                                                                                   \
	X(U64, handoff, "number")                                                                                      \
	X(U16, first, "device")                                                                                        \
	X(U16, second, "device")                                                                                       \
	X(U64, first_boot, "identifier")                                                                               \
	X(U16, origin, "device")                                                                                       \
	X(U64, origin_boot, "identifier")                                                                              \
	X(U16, service, "number")                                                                                      \
	X(U16, rule, "number")

#define BLOB_SOCKET_FIELDS(X)                                                                                          \
	X(U8, flags, "bits")                                                                                           \
	X(U32, unread, "bytes")

#define BLOB_TCP_FIELDS(X)                                                                                             \
	X(U16, local_port, "port")                                                                                     \
	X(U16, remote_port, "port")                                                                                    \
	X(U8, state, "state")                                                                                          \
	X(U16, flags, "bits")                                                                                          \
	X(U32, rcv_nxt, "sequence")                                                                                    \
	X(U32, rcv_wnd, "bytes")                                                                                       \
	X(U32, rcv_ann_wnd, "bytes")                                                                                   \
	X(U32, rcv_ann_right_edge, "sequence")                                                                         \
	X(U8, rcv_scale, "shift")                                                                                      \
	X(U8, snd_scale, "shift")                                                                                      \
	X(U16, mss, "bytes")                                                                                           \
	X(U32, snd_una, "sequence")                                                                                    \
	X(U32, snd_nxt, "sequence")                                                                                    \
	X(U32, snd_lbb, "sequence")                                                                                    \
	X(U32, snd_wl1, "sequence")                                                                                    \
	X(U32, snd_wl2, "sequence")                                                                                    \
	X(U32, snd_wnd, "bytes")                                                                                       \
	X(U32, snd_wnd_max, "bytes")                                                                                   \
	X(U32, cwnd, "bytes")                                                                                          \
	X(U32, ssthresh, "bytes")                                                                                      \
	X(U32, bytes_acked, "bytes")                                                                                   \
	X(U8, dupacks, "count")                                                                                        \
	X(U32, rto_end, "sequence")                                                                                    \
	X(U16, unsent_spare, "bytes")                                                                                  \
	X(I32, srtt_us, "us")                                                                                          \
	X(I32, rttvar_us, "us")                                                                                        \
	X(U32, rto_us, "us")                                                                                           \
	X(I64, rtx_age_us, "us")                                                                                       \
	X(U32, rtt_age_us, "us")                                                                                       \
	X(U32, rtt_seq, "sequence")                                                                                    \
	X(U8, rtx_count, "count")                                                                                      \
	X(U64, idle_us, "us")                                                                                          \
	X(U8, persist_backoff, "count")                                                                                \
	X(U32, persist_age_us, "us")                                                                                   \
	X(U8, persist_probes, "count")                                                                                 \
	X(U32, keep_idle_ms, "ms")                                                                                     \
	X(U32, keep_interval_ms, "ms")                                                                                 \
	X(U32, keep_count, "count")                                                                                    \
	X(U8, keep_probes, "count")

#define BLOB_IP_FIELDS(X)                                                                                              \
	X(ADDR, local, "address")                                                                                      \
	X(ADDR, remote, "address")                                                                                     \
	X(U8, ttl, "hops")                                                                                             \
	X(U8, tos, "bits")

#define BLOB_QUEUE_FIELDS(X)                                                                                           \
	X(COUNT, unacked_count, "segments")                                                                            \
	X(COUNT, unsent_count, "segments")                                                                             \
	X(COUNT, ooseq_count, "segments")

#define BLOB_SEGMENT_FIELDS(X)                                                                                         \
	X(U32, seq, "sequence")                                                                                        \
	X(U16, len, "bytes")                                                                                           \
	X(U8, flags, "bits")

/* How a field is written; COUNT is a size_t in memory and 16 bits on the wire, ADDR 17 bytes. */
enum blob_type { BLOB_U8, BLOB_U16, BLOB_U32, BLOB_U64, BLOB_I32, BLOB_I64, BLOB_COUNT, BLOB_ADDR };

/* One field of the lists above. */
struct blob_field {
	enum blob_section section;
	enum blob_type type;
	bool per_segment; /* of BLOB_SEGMENT_FIELDS */
	const char *name, *unit;
};

extern const struct blob_field blob_fields[];
extern const size_t blob_field_count;

/* Encodes into `out`, which is cleared first. The state is one that conn_state_validate passes. 0, or E_INVAL for a
 * flow identifier with a zero half, or E_FULL when a bound of conn.h is passed. */
int blob_encode(struct vec *out, const struct blob_mapping *m, const struct conn_state *s);

/* Decodes n bytes into *m and *s (cleared first, its memory kept). Strict: lengths, duplicates, missing sections, bytes
 * behind the end, flow identifier, address families, and lengths that do not add up. The caller runs
 * conn_state_validate next. 0, E_TRUNCATED, E_VERSION, E_TOOBIG, E_UNSUPPORTED (a section that must be understood) or
 * E_FORMAT, with *why pointing at a static text; *s is then empty. */
int blob_decode(const uint8_t *p, size_t n, struct blob_mapping *m, struct conn_state *s, const char **why);

/* Walks over whatever bytes claim to be a blob, one value at a time, as far as they allow. For people: `baton blob`. */
struct blob_walk {
	const uint8_t *p, *end; /* what is left of the blob */
	size_t offset;          /* of p in the blob: where a failure is */
	uint32_t left;          /* bytes left of the section being walked */
	unsigned section;       /* its type; 0 between sections */
	size_t field;           /* number in blob_fields of the next one */
	size_t segment;         /* being walked */
	bool started;
	int error;       /* 0, or why the walk ended early */
	const char *why; /* with error: a static text */
	char text[64];   /* of the item given last */
};

struct blob_item {
	const char *section; /* "header", "handoff", "socket", "tcp", "ip", "segments", "data", "app" or "unknown" */
	const char *name, *unit;
	const char *text; /* the value; lives in the walk until the next call. Numbers are decimal */
	bool number;      /* the text is a number: JSON needs no quotes */
	bool in_segment;  /* the value belongs to segment number `segment` */
	size_t segment;
	const uint8_t *bytes; /* for contents that are bytes ("data", "app", "unknown"): their first one; text is their
				 count */
	size_t len;
};

void blob_walk_init(struct blob_walk *w, const uint8_t *p, size_t n);

/* The next value; false at the end: w->error then says whether the walk could read it all. That the blob is good only
 * blob_decode and conn_state_validate say. */
bool blob_walk_next(struct blob_walk *w, struct blob_item *item);

#endif
