/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/reader.h"

#include "base/cursor.h"
#include "base/err.h"
#include "base/nstime.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_IPV4 0x0800U
#define TYPE_IPV6 0x86ddU

struct capture {
	pcap_t *pcap;
	struct gunzip *stream; /* belongs to pcap */
	int link;
	bool filtered; /* by `filter` */
	struct bpf_program filter;
	int ended; /* 0, or what capture_next says from now on; 1: the end */
	uint64_t count;
	char why[CAPTURE_WHY_MAX];
};

static int64_t time_saturated(int64_t seconds, int64_t ns)
{
	int64_t t;

	if (__builtin_mul_overflow(seconds, (int64_t)NSTIME_S, &t) || __builtin_add_overflow(t, ns, &t))
		return seconds < 0 ? INT64_MIN : INT64_MAX;
	return t;
}

static bool link_known(int link)
{
	static const int known[] = {DLT_EN10MB, DLT_RAW,  DLT_IPV4,      DLT_IPV6,
				    DLT_NULL,   DLT_LOOP, DLT_LINUX_SLL, DLT_LINUX_SLL2};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (link == known[i])
			return true;
	return false;
}

/* The address families of NULL and loop: IPv4 is 2 everywhere, IPv6 differs. */
static uint16_t family_type(uint32_t family)
{
	switch (family) {
	case 2:
		return TYPE_IPV4;
	case 10:
	case 24:
	case 28:
	case 30:
		return TYPE_IPV6;
	default:
		return 0;
	}
}

/* NULL's family is in the order of the machine that captured; a family is below 256 in one of the two. */
static uint16_t null_type(struct reader *r)
{
	uint32_t family = reader_u32(r);

	return family_type(family < 256 ? family : __builtin_bswap32(family));
}

/* Raw IP names no type: the version is all there is. */
static uint16_t raw_type(const struct reader *r)
{
	if (!reader_left(r))
		return 0;
	return *r->p >> 4 == 6 ? TYPE_IPV6 : TYPE_IPV4;
}

/* Takes the link header off; returns the type of what follows. */
static uint16_t link_strip(int link, struct reader *r)
{
	uint16_t type;

	switch (link) {
	case DLT_EN10MB:
		reader_bytes(r, 12);
		return reader_u16(r);
	case DLT_LINUX_SLL:
		reader_bytes(r, 14);
		return reader_u16(r);
	case DLT_LINUX_SLL2:
		type = reader_u16(r);
		reader_bytes(r, 18);
		return type;
	case DLT_NULL:
		return null_type(r);
	case DLT_LOOP:
		return family_type(reader_u32(r));
	default:
		return raw_type(r);
	}
}

static bool vlan_type(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static void packet_find_ip(struct capture_packet *p, int link, const struct pcap_pkthdr *header, const uint8_t *data)
{
	struct reader r = reader_make(data, header->caplen);
	uint16_t type = link_strip(link, &r);

	for (unsigned tags = 0; vlan_type(type) && tags < CAPTURE_VLAN_MAX; tags++) {
		reader_u16(&r);
		type = reader_u16(&r);
	}
	p->ip = NULL;
	p->ip_captured = p->ip_available = 0;
	p->ether_type = r.bad ? 0 : type;
	if (r.bad || (type != TYPE_IPV4 && type != TYPE_IPV6))
		return;
	p->ip = r.p;
	p->ip_captured = (uint32_t)reader_left(&r);
	p->ip_available = p->ip_captured + (p->frame_len - header->caplen);
}

struct capture *capture_open_stream(FILE *f, struct gunzip *g, char *why)
{
	char text[PCAP_ERRBUF_SIZE];
	struct capture *c = calloc(1, sizeof(*c));

	if (!c) {
		snprintf(why, CAPTURE_WHY_MAX, "%s", strerror(ENOMEM));
		fclose(f);
		return NULL;
	}
	c->stream = g;
	c->pcap = pcap_fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, text);
	if (!c->pcap) {
		int cut;
		const char *gzip = gunzip_why(g, &cut);

		snprintf(why, CAPTURE_WHY_MAX, "not a capture: %s%s", gzip ? "gzip: " : "", gzip ? gzip : text);
		fclose(f);
		free(c);
		return NULL;
	}
	c->link = pcap_datalink(c->pcap);
	if (!link_known(c->link)) {
		const char *name = pcap_datalink_val_to_name(c->link);

		snprintf(why, CAPTURE_WHY_MAX, "link type %d (%s) is not read", c->link, name ? name : "unknown");
		capture_close(c);
		return NULL;
	}
	return c;
}

struct capture *capture_open(const char *path, char *why)
{
	struct gunzip *g;
	FILE *f = gunzip_open(path, &g);

	if (f)
		return capture_open_stream(f, g, why);
	snprintf(why, CAPTURE_WHY_MAX, "%s", strerror(errno));
	return NULL;
}

/* libpcap has no codes for what is wrong, only texts. */
static int capture_fail(struct capture *c)
{
	int cut = 0;
	const char *gzip = gunzip_why(c->stream, &cut), *text = gzip ? gzip : pcap_geterr(c->pcap);

	c->ended = cut || (!gzip && strstr(text, "truncated")) ? E_TRUNCATED : E_FORMAT;
	snprintf(c->why, sizeof(c->why), "after %llu packets: %s%s", (unsigned long long)c->count, gzip ? "gzip: " : "",
		 text);
	return c->ended;
}

int capture_next(struct capture *c, struct capture_packet *p)
{
	struct pcap_pkthdr *header;
	const uint8_t *data;
	int cut;

	if (c->ended)
		return c->ended == 1 ? 0 : c->ended;
	int r = pcap_next_ex(c->pcap, &header, &data);

	if (r == PCAP_ERROR_BREAK && !gunzip_why(c->stream, &cut)) {
		c->ended = 1;
		return 0;
	}
	if (r != 1)
		return capture_fail(c);
	c->count++;
	p->interface = interfaces_next(gunzip_interfaces(c->stream), &p->told);
	p->matches = !c->filtered || pcap_offline_filter(&c->filter, header, data);
	p->time_ns = time_saturated(header->ts.tv_sec, header->ts.tv_usec);
	p->frame_len = header->len < header->caplen ? header->caplen : header->len;
	packet_find_ip(p, c->link, header, data);
	return 1;
}

int capture_filter_set(struct capture *c, const char *filter, char *why)
{
	if (pcap_compile(c->pcap, &c->filter, filter, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(why, CAPTURE_WHY_MAX, "%s", pcap_geterr(c->pcap));
		return E_INVAL;
	}
	c->filtered = true;
	return 0;
}

const char *capture_why(const struct capture *c)
{
	return c->why;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	if (c->filtered)
		pcap_freecode(&c->filter);
	pcap_close(c->pcap);
	free(c);
}
