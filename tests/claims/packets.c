/* SPDX-License-Identifier: BSD-3-Clause */
/* The packets of a run: its captures read back with libpcap and parsed here, by no code of Baton's. */
#include "base/cursor.h"
#include "base/wire.h"
#include "tests/claims/claims.h"

#include <dirent.h>
#include <endian.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES_MAX 1024U
#define SENT_MAX       (1U << 20) /* bytes of one client's stream */

static struct claims_packet *packets;
static size_t packets_count, packets_capacity;
static struct tuple *connections;
static size_t connections_count;

/* RFC 1071 as it is defined, one word after the other. */
static uint32_t words(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static bool sum_good(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static bool tunnel_is(const struct addr *a)
{
	const struct addr tunnel = claims_tunnel();

	return addr_equal(&tunnel, a);
}

static void parse_tcp(struct claims_packet *p, const uint8_t *l4, size_t len)
{
	size_t header;

	ck_assert_uint_ge(len, 20);
	header = (size_t)(l4[12] >> 4) * 4;
	ck_assert_uint_le(header, len);
	p->kind = CLAIMS_TCP;
	p->source_port = load_be16(l4);
	p->destination_port = load_be16(l4 + 2);
	p->flow = load_be32(l4);
	p->seq = load_be32(l4 + 4);
	p->ack = load_be32(l4 + 8);
	p->flags = l4[13] & 0x3f;
	p->payload = l4 + header;
	p->payload_len = len - header;
	p->encapsulated = tunnel_is(&p->source);
}

static void parse_udp(struct claims_packet *p, const uint8_t *l4, size_t len)
{
	ck_assert_uint_ge(len, 8);
	p->source_port = load_be16(l4);
	p->destination_port = load_be16(l4 + 2);
	p->payload = l4 + 8;
	p->payload_len = len - 8;
	if (p->destination_port != COURIER_PORT || p->payload_len < 8)
		return;
	p->kind = CLAIMS_COURIER;
	p->courier_from = load_be16(p->payload + 4);
	p->courier_to = load_be16(p->payload + 6);
}

/* A corrupted packet may have any header: only what is certain is read. */
static void parse_ipv4(struct claims_packet *p)
{
	const uint8_t *ip = p->frame + 14;
	size_t room = p->len - 14, header = (size_t)(ip[0] & 15) * 4;
	uint32_t sum;

	p->ip = ip;
	p->ip_len = load_be16(ip + 2);
	p->ip_header = header;
	p->source = addr_from_bytes(4, ip + 12);
	p->destination = addr_from_bytes(4, ip + 16);
	if (ip[0] != 0x45 || p->ip_len > room || p->ip_len < header || !sum_good(words(ip, header)))
		return;
	sum = words(ip + 12, 8) + ip[9] + (uint32_t)(p->ip_len - header) + words(ip + header, p->ip_len - header);
	p->checksums_good = sum_good(sum);
	if (ip[9] == 6)
		parse_tcp(p, ip + header, p->ip_len - header);
	else if (ip[9] == 17)
		parse_udp(p, ip + header, p->ip_len - header);
}

/* A neighbour solicitation or advertisement. */
static void parse_discovery(struct claims_packet *p, const uint8_t *icmp, size_t len)
{
	if (len < 24 || (icmp[0] != 135 && icmp[0] != 136))
		return;
	p->kind = CLAIMS_ARP;
	p->arp_operation = icmp[0] == 135 ? 1 : 2;
	p->arp_target = addr_from_bytes(6, icmp + 8);
	p->arp_sender = icmp[0] == 135 ? p->source : p->arp_target;
}

static void parse_ipv6(struct claims_packet *p)
{
	const uint8_t *ip = p->frame + 14, *l4 = ip + 40;
	size_t room = p->len - 14, len;

	if (room < 40)
		return;
	len = load_be16(ip + 4);
	p->ip = ip;
	p->ip_len = (uint16_t)(40 + len);
	p->ip_header = 40;
	p->source = addr_from_bytes(6, ip + 8);
	p->destination = addr_from_bytes(6, ip + 24);
	if (ip[0] >> 4 != 6 || 40 + len > room)
		return;
	p->checksums_good = sum_good(words(ip + 8, 32) + ip[6] + (uint32_t)len + words(l4, len));
	if (ip[6] == 6)
		parse_tcp(p, l4, len);
	else if (ip[6] == 17)
		parse_udp(p, l4, len);
	else if (ip[6] == 58)
		parse_discovery(p, l4, len);
}

static void parse(struct claims_packet *p)
{
	uint16_t type;

	ck_assert_uint_ge(p->len, 14 + 20);
	memcpy(p->to.bytes, p->frame, 6);
	memcpy(p->from.bytes, p->frame + 6, 6);
	type = load_be16(p->frame + 12);
	p->kind = CLAIMS_OTHER;
	if (type == 0x0806 && p->len >= 14 + 28) {
		p->kind = CLAIMS_ARP;
		p->arp_operation = load_be16(p->frame + 20);
		p->arp_sender = addr_from_bytes(4, p->frame + 28);
		p->arp_target = addr_from_bytes(4, p->frame + 38);
	} else if (type == 0x0800) {
		parse_ipv4(p);
	} else if (type == 0x86dd) {
		parse_ipv6(p);
	}
}

/* Whether the file's next packet has a comment that it was dropped, which libpcap does not tell. */
static bool next_is_dropped(FILE *blocks)
{
	uint32_t head[2], skip;
	uint8_t block[65536];

	do {
		ck_assert_uint_eq(fread(head, sizeof(head[0]), 2, blocks), 2);
		skip = le32toh(head[1]) - (uint32_t)sizeof(head);
		ck_assert_uint_le(skip, sizeof(block));
		ck_assert_uint_eq(fread(block, 1, skip, blocks), skip);
	} while (le32toh(head[0]) != 6);
	memcpy(head, block + 12, 4); /* the bytes kept; options follow them */
	skip -= 20 + le32toh(head[0]);
	return memmem(block + 20 + le32toh(head[0]), skip, "dropped: ", 9);
}

static void read_file(const char *path, const char *attachment)
{
	FILE *blocks = fopen(path, "rb");
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	struct mac own = claims_mac(attachment);
	struct pcap_pkthdr *header;
	const u_char *bytes;
	int r;

	ck_assert_msg(pcap, "%s: %s", path, why);
	ck_assert_ptr_nonnull(blocks);
	while ((r = pcap_next_ex(pcap, &header, &bytes)) == 1) {
		uint8_t *copy = malloc(header->caplen);
		struct claims_packet p = {.attachment = attachment, .frame = copy, .len = header->caplen};

		ck_assert_ptr_nonnull(copy);
		ck_assert_uint_eq(header->caplen, header->len);
		memcpy(copy, bytes, header->caplen);
		p.at = (nstime)header->ts.tv_sec * NSTIME_S + (nstime)header->ts.tv_usec;
		parse(&p);
		p.out = !memcmp(&p.from, &own, sizeof(own));
		if (next_is_dropped(blocks) && !p.out) { /* it never came to the node */
			free(copy);
			continue;
		}
		if (packets_count == packets_capacity) {
			packets_capacity = packets_capacity ? 2 * packets_capacity : 4096;
			packets = realloc(packets, packets_capacity * sizeof(*packets));
			ck_assert_ptr_nonnull(packets);
		}
		packets[packets_count++] = p;
	}
	ck_assert_int_eq(r, PCAP_ERROR_BREAK); /* the end of the file */
	pcap_close(pcap);
	fclose(blocks);
}

static bool opened_before(const struct tuple *t)
{
	for (size_t i = 0; i < connections_count; i++)
		if (tuple_equal(&connections[i], t))
			return true;
	return false;
}

/* The SYNs that clients sent to the VIP, from their own captures. */
static void find_connections(void)
{
	connections = calloc(packets_count + 1, sizeof(*connections));
	ck_assert_ptr_nonnull(connections);
	for (size_t i = 0; i < packets_count; i++) {
		const struct claims_packet *p = &packets[i];
		struct addr vip = claims_vip();
		struct tuple t = {p->source, p->destination, p->source_port, p->destination_port};

		if (p->kind == CLAIMS_TCP && p->out && claims_is(p->attachment, "client") && p->flags == CLAIMS_SYN &&
		    addr_equal(&p->destination, &vip) && !opened_before(&t))
			connections[connections_count++] = t;
	}
}

void claims_packets_read(const char *directory)
{
	DIR *d = opendir(directory);
	const struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d))) {
		const char *end = strstr(e->d_name, ".pcapng");
		char path[PATH_BYTES_MAX], *name;

		if (!end)
			continue;
		name = claims_keep(strndup(e->d_name, (size_t)(end - e->d_name)));
		snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
		read_file(path, name);
	}
	closedir(d);
	find_connections();
}

const struct claims_packet *claims_packet(const struct claims_packet *after, const char *attachment)
{
	for (size_t i = after ? (size_t)(after - packets) + 1 : 0; i < packets_count; i++)
		if (!strcmp(packets[i].attachment, attachment))
			return &packets[i];
	return NULL;
}

bool claims_from_client(const struct claims_packet *p, const struct tuple *t)
{
	return p->kind == CLAIMS_TCP && addr_equal(&p->source, &t->remote) && p->source_port == t->remote_port &&
	       addr_equal(&p->destination, &t->local) && p->destination_port == t->local_port;
}

bool claims_to_client(const struct claims_packet *p, const struct tuple *t)
{
	return p->kind == CLAIMS_TCP && addr_equal(&p->source, &t->local) && p->source_port == t->local_port &&
	       addr_equal(&p->destination, &t->remote) && p->destination_port == t->remote_port;
}

size_t claims_connections(void)
{
	return connections_count;
}

const struct tuple *claims_connection(size_t i)
{
	ck_assert_uint_lt(i, connections_count);
	return &connections[i];
}

const uint8_t *claims_sent(const struct tuple *t, size_t *len)
{
	uint8_t *bytes = claims_keep(calloc(1, SENT_MAX));
	uint32_t first = 0;

	*len = 0;
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_client(t)));) {
		if (!p->out || !claims_from_client(p, t))
			continue;
		if (p->flags & CLAIMS_SYN)
			first = p->seq + 1;
		if (!p->payload_len)
			continue;
		ck_assert_uint_le(p->seq - first, *len); /* a client sends in order */
		ck_assert_uint_le(p->seq - first + p->payload_len, SENT_MAX);
		memcpy(bytes + (p->seq - first), p->payload, p->payload_len);
		if (p->seq - first + p->payload_len > *len)
			*len = p->seq - first + p->payload_len;
	}
	return bytes;
}
