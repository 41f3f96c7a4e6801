/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets impairments and exact faults are for. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/wire.h"
#include "lb/frame.h"
#include "sim/impair.h"

#include <ctype.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#define ETHERNET_LEN   14U
#define ETHERTYPE_IP   0x0800U
#define ETHERTYPE_IPV6 0x86ddU
#define IPV4_LEN_MIN   20U
#define IPV4_OFFSET    0x1fffU /* the fragment offset's bits */
#define IPV4_SOURCE    12U
#define IPV6_LEN       40U
#define IPV6_SOURCE    8U
#define PROTOCOL_TCP   6U
#define PROTOCOL_UDP   17U
#define UDP_LEN        8U
#define TCP_LEN_MIN    20U
#define TCP_FIN        0x01U
#define TCP_SYN        0x02U
#define TCP_RST        0x04U
#define TCP_ACK        0x10U
#define FILTER_SNAPLEN 65549

/* The words of pcap-filter(7) that mean something on an Ethernet segment. All others are names, which libpcap looks up
 * in the machine's files and on its network. */
static const char *const filter_words[] = {
	"and",       "or",        "not",      "host",     "net",        "mask",      "port",    "portrange",
	"src",       "dst",       "gateway",  "proto",    "protochain", "less",      "greater", "len",
	"broadcast", "multicast", "ether",    "arp",      "rarp",       "ip",        "ip6",     "tcp",
	"udp",       "sctp",      "icmp",     "icmp6",    "igmp",       "pim",       "ah",      "esp",
	"vlan",      "tcpflags",  "tcp-fin",  "tcp-syn",  "tcp-rst",    "tcp-push",  "tcp-ack", "tcp-urg",
	"tcp-ece",   "tcp-cwr",   "icmptype", "icmpcode", "icmp6type",  "icmp6code", NULL,
};

static bool filter_word_known(const char *word, size_t len)
{
	for (const char *const *known = filter_words; *known; known++)
		if (strlen(*known) == len && !memcmp(word, *known, len))
			return true;
	return false;
}

/* Whether a filter stands for the same packets everywhere: it has no names of hosts, ports or protocols. */
static bool filter_is_plain(const char *filter, char *why, size_t why_size)
{
	for (const char *c = filter; *c;) {
		const char *word = c;

		if (!isalnum((unsigned char)*c)) {
			c++;
			continue;
		}
		while (isalnum((unsigned char)*c) || *c == '-' || *c == '_' || *c == '.')
			c++;
		/* Numbers, addresses among them: "10.0.0.1", "2001:db8::1", "fe80::1", "aa:bb:cc:dd:ee:ff". */
		if (*c == ':' && isxdigit((unsigned char)*word)) {
			while (isxdigit((unsigned char)*c) || *c == ':' || *c == '.')
				c++;
			continue;
		}
		if (isdigit((unsigned char)*word) || filter_word_known(word, (size_t)(c - word)))
			continue;
		snprintf(why, why_size, "'%.*s' is no word of it; hosts are written as addresses, ports as numbers",
			 (int)(c - word), word);
		return false;
	}
	return true;
}

static int filter_compile(const char *filter, struct bpf_program *program, char *why, size_t why_size)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, FILTER_SNAPLEN);
	int err = 0;

	if (!pcap)
		return E_NOMEM;
	if (pcap_compile(pcap, program, filter, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(why, why_size, "%s", pcap_geterr(pcap));
		err = E_FORMAT;
	}
	pcap_close(pcap);
	return err;
}

static int match_parse_word(struct impair_match *m, const char *text)
{
	static const char *const words[] = {
#define MATCH_WORD(id, text) [IMPAIR_MATCH_##id] = (text),
		IMPAIR_MATCH_LIST(MATCH_WORD)
#undef MATCH_WORD
	};

	for (unsigned kind = IMPAIR_MATCH_ALL + 1; kind < IMPAIR_MATCH_COUNT; kind++)
		if (!strcmp(text, words[kind])) {
			m->kind = (enum impair_match_kind)kind;
			return 0;
		}
	return E_FORMAT;
}

int impair_match_parse_filter(struct impair_match *m, const char *text, char *why, size_t why_size)
{
	struct bpf_program program;
	int err;

	/* libpcap takes an empty filter for "all"; here it is more likely a slip. */
	if (!text[strspn(text, " \t\r\n")]) {
		snprintf(why, why_size, "an empty filter");
		return E_FORMAT;
	}
	if (strlen(text) > IMPAIR_FILTER_MAX) {
		snprintf(why, why_size, "a filter of more than %u characters", IMPAIR_FILTER_MAX);
		return E_FORMAT;
	}
	if (!filter_is_plain(text, why, why_size))
		return E_FORMAT;
	err = filter_compile(text, &program, why, why_size);
	if (err)
		return err;
	pcap_freecode(&program);
	m->filter = text;
	return 0;
}

int impair_match_parse(struct impair_match *m, const char *text, char *why, size_t why_size)
{
	struct impair_match match = {0};
	int err = 0;

	if (match_parse_word(&match, text))
		err = impair_match_parse_filter(&match, text, why, why_size);
	if (!err)
		*m = match;
	return err;
}

int impair_predicate_init(struct impair_predicate *p, const struct impair_match *match, const struct addr *tunnels,
			  size_t tunnel_count)
{
	struct bpf_program *program = NULL;
	char why[PCAP_ERRBUF_SIZE];

	if (match->filter) {
		int err;

		program = calloc(1, sizeof *program);
		if (!program)
			return E_NOMEM;
		err = filter_compile(match->filter, program, why, sizeof why);
		if (err) {
			free(program);
			return err;
		}
	}
	*p = (struct impair_predicate){
		.limited = match->kind != IMPAIR_MATCH_ALL || program || match->from || match->to,
		.kind = match->kind,
		.program = program,
		.from = match->from,
		.to = match->to,
		.tunnels = tunnels,
		.tunnel_count = tunnel_count,
	};
	return 0;
}

void impair_predicate_fini(struct impair_predicate *p)
{
	if (p->program)
		pcap_freecode(p->program);
	free(p->program);
	*p = (struct impair_predicate){0};
}

/* The transport header of an IP packet of `protocol`, with at least `need` bytes of it, or NULL: not that protocol, cut
 * short, or a fragment that has none. */
static const uint8_t *transport_find(const uint8_t *frame, uint32_t len, uint8_t protocol, uint32_t need)
{
	const uint8_t *ip = frame + ETHERNET_LEN;
	uint32_t header;

	if (len < ETHERNET_LEN + IPV4_LEN_MIN)
		return NULL;
	switch (load_be16(frame + 12)) {
	case ETHERTYPE_IP:
		header = (ip[0] & 0x0fU) * 4U;
		if (ip[0] >> 4 != 4 || header < IPV4_LEN_MIN || ip[9] != protocol || load_be16(ip + 6) & IPV4_OFFSET)
			return NULL;
		break;
	case ETHERTYPE_IPV6:
		header = IPV6_LEN;
		if (len < ETHERNET_LEN + IPV6_LEN || ip[0] >> 4 != 6 || ip[6] != protocol)
			return NULL;
		break;
	default:
		return NULL;
	}
	return len - ETHERNET_LEN >= header + need ? ip + header : NULL;
}

static bool frame_is_courier(const uint8_t *frame, uint32_t len)
{
	const uint8_t *udp = transport_find(frame, len, PROTOCOL_UDP, UDP_LEN);

	return udp && (load_be16(udp) == COURIER_PORT || load_be16(udp + 2) == COURIER_PORT);
}

static bool frame_is_courier_of(const uint8_t *frame, uint32_t len, enum frame_kind kind)
{
	const uint8_t *udp = transport_find(frame, len, PROTOCOL_UDP, UDP_LEN);
	struct frame_header header;

	return frame_is_courier(frame, len) &&
	       !frame_header_decode(&header, udp + UDP_LEN, (size_t)(frame + len - udp) - UDP_LEN) &&
	       header.kind == kind;
}

/* Of a TCP segment: its flags, and whether it has a payload. */
struct tcp_look {
	uint8_t flags;
	bool data;
};

static bool frame_is_tcp(const uint8_t *frame, uint32_t len, struct tcp_look *look)
{
	const uint8_t *tcp = transport_find(frame, len, PROTOCOL_TCP, TCP_LEN_MIN), *ip = frame + ETHERNET_LEN;
	uint32_t end;

	if (!tcp)
		return false;
	end = load_be16(frame + 12) == ETHERTYPE_IP ? load_be16(ip + 2) : IPV6_LEN + load_be16(ip + 4);
	*look = (struct tcp_look){
		.flags = tcp[13],
		.data = end > (uint32_t)(tcp - ip) + (tcp[12] >> 4) * 4U,
	};
	return true;
}

static bool tcp_is(const struct tcp_look *t, enum impair_match_kind kind)
{
	switch (kind) {
	case IMPAIR_MATCH_SYN:
		return (t->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	case IMPAIR_MATCH_SYN_ACK:
		return (t->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
	case IMPAIR_MATCH_ACK:
		return (t->flags & (TCP_ACK | TCP_SYN | TCP_FIN | TCP_RST)) == TCP_ACK && !t->data;
	case IMPAIR_MATCH_DATA:
		return t->data;
	case IMPAIR_MATCH_FIN:
		return t->flags & TCP_FIN;
	case IMPAIR_MATCH_RST:
		return t->flags & TCP_RST;
	default:
		return false;
	}
}

/* Whether a node sent the frame (source) or is to receive it: by the address of the link or of IP. */
static bool frame_is_of(const struct impair_party *party, const uint8_t *frame, uint32_t len, bool source)
{
	const uint8_t *ip = frame + ETHERNET_LEN;
	uint32_t need, at;
	struct addr address;
	uint8_t family;

	if (len < ETHERNET_LEN)
		return false;
	for (size_t i = 0; i < party->macs_count; i++)
		if (!memcmp(party->macs[i].bytes, frame + (source ? 6 : 0), 6))
			return true;
	family = load_be16(frame + 12) == ETHERTYPE_IP ? 4 : load_be16(frame + 12) == ETHERTYPE_IPV6 ? 6 : 0;
	need = family == 4 ? IPV4_LEN_MIN : IPV6_LEN;
	if (!family || len < ETHERNET_LEN + need)
		return false;
	at = family == 4 ? IPV4_SOURCE + (source ? 0 : 4) : IPV6_SOURCE + (source ? 0 : 16);
	address = addr_from_bytes(family, ip + at);
	for (size_t i = 0; i < party->addresses_count; i++)
		if (addr_equal(&party->addresses[i], &address))
			return true;
	return false;
}

static bool frame_is_encapsulated(const struct impair_predicate *p, const uint8_t *frame, uint32_t len)
{
	struct addr source;

	if (!transport_find(frame, len, PROTOCOL_TCP, 4))
		return false;
	if (load_be16(frame + 12) == ETHERTYPE_IP)
		source = addr_from_bytes(4, frame + ETHERNET_LEN + 12);
	else
		source = addr_from_bytes(6, frame + ETHERNET_LEN + 8);
	for (size_t i = 0; i < p->tunnel_count; i++)
		if (addr_equal(&p->tunnels[i], &source))
			return true;
	return false;
}

static bool frame_is(const struct impair_predicate *p, const uint8_t *frame, uint32_t len)
{
	struct tcp_look tcp;

	switch (p->kind) {
	case IMPAIR_MATCH_ALL:
		return true;
	case IMPAIR_MATCH_COURIER:
		return frame_is_courier(frame, len);
	case IMPAIR_MATCH_COURIER_HELLO:
		return frame_is_courier_of(frame, len, FRAME_KIND_HELLO);
	case IMPAIR_MATCH_COURIER_DATA:
		return frame_is_courier_of(frame, len, FRAME_KIND_DATA);
	case IMPAIR_MATCH_ENCAPSULATED:
		return frame_is_encapsulated(p, frame, len);
	default:
		return frame_is_tcp(frame, len, &tcp) && tcp_is(&tcp, p->kind);
	}
}

bool impair_predicate_frame(const struct impair_predicate *p, const uint8_t *frame, uint32_t len)
{
	struct pcap_pkthdr header = {.caplen = len, .len = len};

	if (!frame_is(p, frame, len) || (p->from && !frame_is_of(p->from, frame, len, true)) ||
	    (p->to && !frame_is_of(p->to, frame, len, false)))
		return false;
	return !p->program || pcap_offline_filter(p->program, &header, frame);
}
