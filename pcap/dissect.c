/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/dissect.h"

#include "base/cursor.h"

#include <netinet/in.h>

#define TYPE_ARP        0x0806U
#define EXTENSIONS_MAX  16U /* extension headers of one packet; more are malformed */
#define TCP_HEADER_LEN  20U
#define IPV4_HEADER_LEN 20U

/* The bytes that are there, and how many the packet has from the same place on. */
struct part {
	struct reader r;
	uint32_t len;
};

static void malformed(struct dissection *d, const char *why)
{
	d->kind = DISSECT_MALFORMED;
	d->why = why;
}

/* Takes n bytes of header; NULL, with d's kind set, where the packet or the capture has fewer. */
static const uint8_t *part_take(struct dissection *d, struct part *p, uint32_t n, const char *why)
{
	if (p->len < n) {
		malformed(d, why);
		return NULL;
	}
	const uint8_t *bytes = reader_bytes(&p->r, n);

	if (!bytes)
		d->kind = DISSECT_SNAPPED;
	else
		p->len -= n;
	return bytes;
}

/* The packet is shorter than what carried it: padding goes. */
static void part_limit(struct part *p, uint32_t len)
{
	if (p->len > len)
		p->len = len;
	if (reader_left(&p->r) > p->len)
		p->r.end = p->r.p + p->len;
}

static void payload_set(struct dissection *d, const struct part *p)
{
	d->payload = p->r.p;
	d->payload_len = p->len;
	d->payload_captured = (uint32_t)reader_left(&p->r);
}

/* Captures of headers only often end here; the fixed header says enough. */
static bool dissect_options(struct dissection *d, struct part *p, uint32_t len)
{
	uint32_t captured = (uint32_t)reader_left(&p->r);

	if (len > p->len) {
		malformed(d, "tcp-options-beyond-the-packet");
		return false;
	}
	d->options_cut = captured < len;
	d->options_len = d->options_cut ? captured : len;
	d->options = reader_bytes(&p->r, d->options_len);
	p->len -= len;
	return true;
}

static void dissect_tcp(struct dissection *d, struct part *p)
{
	const uint8_t *h = part_take(d, p, TCP_HEADER_LEN, "tcp-header-too-short");

	if (!h)
		return;
	uint32_t header_len = (uint32_t)(h[12] >> 4) * 4;

	if (header_len < TCP_HEADER_LEN) {
		malformed(d, "tcp-data-offset-below-5");
		return;
	}
	if (!dissect_options(d, p, header_len - TCP_HEADER_LEN))
		return;
	d->tuple.remote_port = load_be16(h);
	d->tuple.local_port = load_be16(h + 2);
	d->seq = load_be32(h + 4);
	d->ack = load_be32(h + 8);
	d->flags = load_be16(h + 12) & 0xfff;
	d->window = load_be16(h + 14);
	d->urgent = load_be16(h + 18);
	d->kind = DISSECT_TCP;
}

static void dissect_udp(struct dissection *d, struct part *p)
{
	const uint8_t *h = part_take(d, p, 8, "udp-header-too-short");

	if (!h)
		return;
	d->tuple.remote_port = load_be16(h);
	d->tuple.local_port = load_be16(h + 2);
	d->kind = DISSECT_UDP;
}

static void dissect_icmp(struct dissection *d, struct part *p)
{
	const uint8_t *h = part_take(d, p, 4, "icmp-header-too-short");

	if (!h)
		return;
	d->type = h[0];
	d->code = h[1];
	d->kind = DISSECT_ICMP;
}

static void dissect_transport(struct dissection *d, struct part *p)
{
	d->kind = DISSECT_IP;
	if (d->protocol == IPPROTO_TCP)
		dissect_tcp(d, p);
	else if (d->protocol == IPPROTO_UDP)
		dissect_udp(d, p);
	else if (d->protocol == (d->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		dissect_icmp(d, p);
	payload_set(d, p);
}

static void dissect_fragment(struct dissection *d, struct part *p, uint32_t offset, bool more)
{
	d->kind = DISSECT_FRAGMENT;
	d->offset = offset;
	d->more = more;
	payload_set(d, p);
}

static void dissect_ip4(struct dissection *d, struct part *p)
{
	const uint8_t *h = part_take(d, p, IPV4_HEADER_LEN, "ipv4-header-too-short");

	if (!h)
		return;
	uint32_t header_len = (uint32_t)(h[0] & 15) * 4, total = load_be16(h + 2);
	uint16_t fragment = load_be16(h + 6);

	if (h[0] >> 4 != 4 || header_len < IPV4_HEADER_LEN) {
		malformed(d, h[0] >> 4 != 4 ? "ip-version-unknown" : "ipv4-header-length-below-5");
		return;
	}
	/* 0: the network card was to cut it into packets, and it was captured before. */
	if (total && total < header_len) {
		malformed(d, "ipv4-length-below-its-header");
		return;
	}
	if (total)
		part_limit(p, total - IPV4_HEADER_LEN);
	if (!part_take(d, p, header_len - IPV4_HEADER_LEN, "ipv4-options-beyond-the-packet"))
		return;
	d->tuple.remote = addr_from_bytes(4, h + 12);
	d->tuple.local = addr_from_bytes(4, h + 16);
	d->protocol = h[9];
	if (fragment & 0x3fff)
		dissect_fragment(d, p, (uint32_t)(fragment & 0x1fff) * 8, fragment & 0x2000);
	else
		dissect_transport(d, p);
}

/* Steps over one extension header. 1: another header follows, 0: the transport's, -1: d tells the end. */
static int extension_skip(struct dissection *d, struct part *p)
{
	const uint8_t *h;
	uint32_t len;

	switch (d->protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		h = part_take(d, p, 8, "ipv6-extension-too-short");
		if (!h)
			return -1;
		len = d->protocol == IPPROTO_AH ? (h[1] + 2U) * 4 : (h[1] + 1U) * 8;
		d->protocol = h[0];
		return len <= 8 || part_take(d, p, len - 8, "ipv6-extension-beyond-the-packet") ? 1 : -1;
	case IPPROTO_FRAGMENT:
		h = part_take(d, p, 8, "ipv6-extension-too-short");
		if (!h)
			return -1;
		d->protocol = h[0];
		if (!(load_be16(h + 2) & 0xfff9))
			return 1; /* an atomic fragment is a whole packet (RFC 6946) */
		dissect_fragment(d, p, load_be16(h + 2) & 0xfff8, h[3] & 1);
		return -1;
	default:
		return 0;
	}
}

static void dissect_ip6(struct dissection *d, struct part *p)
{
	const uint8_t *h = part_take(d, p, 40, "ipv6-header-too-short");
	int r = 1;

	if (!h)
		return;
	if (load_be16(h + 4)) /* 0: a jumbogram, or one that a network card was to cut */
		part_limit(p, load_be16(h + 4));
	d->tuple.remote = addr_from_bytes(6, h + 8);
	d->tuple.local = addr_from_bytes(6, h + 24);
	d->protocol = h[6];
	for (unsigned n = 0; r > 0; n++) {
		if (n == EXTENSIONS_MAX) {
			malformed(d, "too-many-ipv6-extensions");
			return;
		}
		r = extension_skip(d, p);
	}
	if (!r)
		dissect_transport(d, p);
}

void dissect(struct dissection *d, const struct capture_packet *p)
{
	*d = (struct dissection){.kind = DISSECT_OTHER};
	if (!p->ip) {
		if (!p->ether_type)
			d->kind = DISSECT_SNAPPED;
		else if (p->ether_type == TYPE_ARP)
			d->kind = DISSECT_ARP;
		return;
	}
	struct part part = {reader_make(p->ip, p->ip_captured), p->ip_available};

	if (!p->ip_captured) {
		d->kind = DISSECT_SNAPPED;
		return;
	}
	d->family = p->ip[0] >> 4 == 6 ? 6 : 4;
	if (d->family == 6)
		dissect_ip6(d, &part);
	else
		dissect_ip4(d, &part);
}
