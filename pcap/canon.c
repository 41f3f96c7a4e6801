/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/canon.h"

#include "base/cursor.h"
#include "base/nstime.h"
#include "pcap/connections.h"
#include "pcap/dissect.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FLAG_ACK 0x10U
#define FLAG_URG 0x20U

enum tcp_option {
	OPTION_END = 0,
	OPTION_NOP = 1,
	OPTION_MSS = 2,
	OPTION_WSCALE = 3,
	OPTION_SACK_OK = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMP = 8
};

struct canon {
	struct connections *connections;
	int64_t first_ns; /* when the first packet was */
	bool begun;
};

struct canon *canon_new(uint32_t connections_max)
{
	struct canon *c = calloc(1, sizeof(*c));

	assert(connections_max > 0 && connections_max <= CANON_CONNECTIONS_MAX);
	if (c)
		c->connections = connections_new(connections_max);
	if (c && c->connections)
		return c;
	free(c);
	return NULL;
}

void canon_free(struct canon *c)
{
	if (!c)
		return;
	connections_free(c->connections);
	free(c);
}

uint64_t canon_forgotten(const struct canon *c)
{
	return connections_forgotten(c->connections);
}

static void put_text(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text));
}

/* Two digits at a time, from the last. */
static inline void put_number_padded(struct writer *w, uint64_t v, size_t digits_min)
{
	static const char pairs[] =
		"0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
		"5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
	char digits[20];
	size_t n = sizeof(digits);

	for (; v >= 10; v /= 100)
		memcpy(digits + (n -= 2), pairs + v % 100 * 2, 2);
	if (v || n == sizeof(digits))
		digits[--n] = (char)('0' + v);
	while (sizeof(digits) - n < digits_min)
		digits[--n] = '0';
	writer_bytes(w, digits + n, sizeof(digits) - n);
}

static inline void put_number(struct writer *w, uint64_t v)
{
	put_number_padded(w, v, 1);
}

/* " key=value" */
static inline void put_value(struct writer *w, const char *key, uint64_t v)
{
	writer_u8(w, ' ');
	put_text(w, key);
	writer_u8(w, '=');
	put_number(w, v);
}

/* Differences of any two times fit 64 bits without a sign. */
static void put_time(struct writer *w, int64_t t, int64_t first)
{
	uint64_t ns = t < first ? (uint64_t)first - (uint64_t)t : (uint64_t)t - (uint64_t)first;

	if (t < first)
		writer_u8(w, '-');
	put_number(w, ns / NSTIME_S);
	writer_u8(w, '.');
	put_number_padded(w, ns % NSTIME_S, 9);
}

/* The hash of what was captured of the payload, where there is some. */
static void put_payload(struct writer *w, const struct dissection *d)
{
	static const uint8_t key[crypto_shorthash_KEYBYTES];
	uint8_t hash[crypto_shorthash_BYTES], text[2 * CANON_HASH_LEN];

	if (d->payload_captured) {
		crypto_shorthash(hash, d->payload, d->payload_captured, key);
		for (size_t i = 0; i < CANON_HASH_LEN; i++) {
			text[2 * i] = (uint8_t) "0123456789abcdef"[hash[i] >> 4];
			text[2 * i + 1] = (uint8_t) "0123456789abcdef"[hash[i] & 15];
		}
		put_text(w, " hash=");
		writer_bytes(w, text, sizeof(text));
	}
	if (d->payload_captured < d->payload_len)
		put_value(w, "captured", d->payload_captured);
}

static void put_flags(struct writer *w, unsigned flags)
{
	static const char letters[] = "FSRPAUECN123";

	writer_u8(w, ' ');
	if (!flags)
		writer_u8(w, '-');
	for (unsigned i = 0; letters[i]; i++)
		if (flags >> i & 1)
			writer_u8(w, (uint8_t)letters[i]);
}

/* Blocks of the peer's sequence numbers. */
static void put_sack(struct writer *w, const uint8_t *p, size_t n, const struct connection_side *peer)
{
	uint32_t base = peer->seq_known ? peer->seq : 0;

	for (size_t i = 0; i < n; i += 8) {
		put_text(w, i ? "," : " sack=");
		put_number(w, load_be32(p + i) - base);
		writer_u8(w, '-');
		put_number(w, load_be32(p + i + 4) - base);
	}
}

/* Each side's timestamps are relative to its first; an echo of 0 is none (RFC 7323). */
static void put_timestamp(struct writer *w, const uint8_t *p, struct connection_side *own, struct connection_side *peer)
{
	uint32_t value = load_be32(p), echo = load_be32(p + 4);

	if (!own->timestamp_known) {
		own->timestamp = value;
		own->timestamp_known = true;
	}
	put_value(w, "ts", value - own->timestamp);
	if (!echo)
		return;
	if (!peer->timestamp_known) {
		peer->timestamp = echo;
		peer->timestamp_known = true;
	}
	writer_u8(w, ',');
	put_number(w, echo - peer->timestamp);
}

/* One option of kind and content; what is not known, or not as it must be, is told by kind and length. */
static void put_option(struct writer *w, uint8_t kind, const uint8_t *p, size_t n, struct connection_side *own,
		       struct connection_side *peer)
{
	if (kind == OPTION_MSS && n == 2) {
		put_value(w, "mss", load_be16(p));
	} else if (kind == OPTION_WSCALE && n == 1) {
		put_value(w, "wscale", *p);
	} else if (kind == OPTION_SACK_OK && n == 0) {
		put_text(w, " sack-ok");
	} else if (kind == OPTION_SACK && n && n % 8 == 0) {
		put_sack(w, p, n, peer);
	} else if (kind == OPTION_TIMESTAMP && n == 8) {
		put_timestamp(w, p, own, peer);
	} else {
		put_value(w, "option", kind);
		writer_u8(w, ':');
		put_number(w, n + 2);
	}
}

static void put_options(struct writer *w, const struct dissection *d, struct connection_side *own,
			struct connection_side *peer)
{
	struct reader r = reader_make(d->options, d->options_len);

	while (reader_left(&r)) {
		uint8_t kind = reader_u8(&r);

		if (kind == OPTION_END)
			break;
		if (kind == OPTION_NOP)
			continue;
		size_t len = reader_u8(&r);
		const uint8_t *p = len < 2 ? NULL : reader_bytes(&r, len - 2);

		if (!p) {
			if (!d->options_cut)
				put_text(w, " options=bad");
			break;
		}
		put_option(w, kind, p, len - 2, own, peer);
	}
	if (d->options_cut)
		put_text(w, " options=cut");
}

static void put_tcp(struct canon *c, struct writer *w, const struct dissection *d)
{
	unsigned side;
	struct connection *connection = connections_get(c->connections, d, &side);
	struct connection_side *own = &connection->sides[side], *peer = &connection->sides[!side];

	put_number(w, connection->number);
	writer_u8(w, side ? '<' : '>');
	put_flags(w, d->flags);
	put_value(w, "seq", d->seq - own->seq);
	if (d->flags & FLAG_ACK)
		put_value(w, "ack", d->ack - peer->seq);
	put_value(w, "len", d->payload_len);
	put_value(w, "win", d->window);
	if (d->flags & FLAG_URG)
		put_value(w, "urg", d->urgent);
	put_options(w, d, own, peer);
	put_payload(w, d);
}

static void put_fragment(struct writer *w, const struct dissection *d)
{
	put_text(w, "fragment");
	put_value(w, "proto", d->protocol);
	put_value(w, "offset", d->offset);
	put_value(w, "more", d->more);
	put_value(w, "len", d->payload_len);
	put_payload(w, d);
}

static void put_other(struct writer *w, const struct dissection *d, const struct capture_packet *p)
{
	switch (d->kind) {
	case DISSECT_ARP:
		put_text(w, "arp");
		break;
	case DISSECT_SNAPPED:
		put_text(w, "snapped");
		put_value(w, "frame", p->frame_len);
		break;
	case DISSECT_MALFORMED:
		put_text(w, "malformed why=");
		put_text(w, d->why);
		break;
	default:
		put_text(w, "other");
		put_value(w, "type", p->ether_type);
		put_value(w, "frame", p->frame_len);
	}
}

/* IP but TCP and its damage: kind, what is of that kind, length and hash. */
static void put_datagram(struct writer *w, const struct dissection *d)
{
	if (d->kind == DISSECT_UDP) {
		put_text(w, "udp");
	} else if (d->kind == DISSECT_ICMP) {
		put_text(w, d->family == 4 ? "icmp" : "icmp6");
		put_value(w, "type", d->type);
		put_value(w, "code", d->code);
	} else {
		put_text(w, "ip");
		put_value(w, "proto", d->protocol);
	}
	put_value(w, "len", d->payload_len);
	if (d->kind != DISSECT_ICMP) /* which quotes addresses and ports */
		put_payload(w, d);
}

size_t canon_packet(struct canon *c, const struct capture_packet *p, const char *name, char *line)
{
	struct writer w = writer_make(line, CANON_LINE_MAX);
	struct dissection d;

	if (!c->begun) {
		c->begun = true;
		c->first_ns = p->time_ns;
	}
	put_time(&w, p->time_ns, c->first_ns);
	if (*name) {
		put_text(&w, " @");
		put_text(&w, name);
	}
	writer_u8(&w, ' ');
	dissect(&d, p);
	if (d.kind == DISSECT_TCP)
		put_tcp(c, &w, &d);
	else if (d.kind == DISSECT_FRAGMENT)
		put_fragment(&w, &d);
	else if (d.kind == DISSECT_UDP || d.kind == DISSECT_ICMP || d.kind == DISSECT_IP)
		put_datagram(&w, &d);
	else
		put_other(&w, &d, p);
	writer_u8(&w, 0);
	assert(!w.bad); /* 40 bytes of options make no longer line */
	return writer_len(&w) - 1;
}
