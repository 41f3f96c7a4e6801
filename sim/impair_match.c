/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets impairments and exact faults are for. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/wire.h"
#include "sim/impair.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#define ETHERNET_LEN    14U
#define ETHERTYPE_IP    0x0800U
#define ETHERTYPE_IPV6  0x86ddU
#define IPV4_LEN_MIN    20U
#define IPV4_OFFSET     0x1fffU /* the fragment offset's bits */
#define IPV6_LEN        40U
#define PROTOCOL_TCP    6U
#define PROTOCOL_UDP    17U
#define FILTER_SNAPLEN  65549
#define FAULTS_CAPACITY 4U

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

int impair_match_parse(struct impair_match *m, const char *text, char *why, size_t why_size)
{
	struct bpf_program program;
	int err;

	if (!strcmp(text, "courier")) {
		*m = (struct impair_match){.kind = IMPAIR_MATCH_COURIER};
		return 0;
	}
	if (!strcmp(text, "encapsulated")) {
		*m = (struct impair_match){.kind = IMPAIR_MATCH_ENCAPSULATED};
		return 0;
	}
	/* libpcap takes an empty filter for "all"; here it is more likely a slip. */
	if (!text[strspn(text, " \t\r\n")]) {
		snprintf(why, why_size, "an empty filter");
		return E_FORMAT;
	}
	err = filter_compile(text, &program, why, why_size);
	if (err)
		return err;
	pcap_freecode(&program);
	*m = (struct impair_match){.kind = IMPAIR_MATCH_FILTER, .filter = text};
	return 0;
}

int impair_predicate_init(struct impair_predicate *p, const struct impair_match *match, const struct addr *tunnels,
			  size_t tunnel_count)
{
	struct bpf_program *program = NULL;
	char why[PCAP_ERRBUF_SIZE];

	if (match->kind == IMPAIR_MATCH_FILTER) {
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
		.kind = match->kind,
		.program = program,
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
	const uint8_t *udp = transport_find(frame, len, PROTOCOL_UDP, 8);

	return udp && (load_be16(udp) == COURIER_PORT || load_be16(udp + 2) == COURIER_PORT);
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

bool impair_predicate_frame(const struct impair_predicate *p, const uint8_t *frame, uint32_t len)
{
	struct pcap_pkthdr header = {.caplen = len, .len = len};

	switch (p->kind) {
	case IMPAIR_MATCH_COURIER:
		return frame_is_courier(frame, len);
	case IMPAIR_MATCH_ENCAPSULATED:
		return frame_is_encapsulated(p, frame, len);
	case IMPAIR_MATCH_FILTER:
		return pcap_offline_filter(p->program, &header, frame) != 0;
	case IMPAIR_MATCH_ALL:
		break;
	}
	return true;
}

void impair_faults_init(struct impair_faults *f)
{
	*f = (struct impair_faults){0};
}

void impair_faults_fini(struct impair_faults *f)
{
	for (size_t i = 0; i < f->count; i++)
		impair_predicate_fini(&f->list[i].predicate);
	free(f->list);
	*f = (struct impair_faults){0};
}

int impair_faults_add(struct impair_faults *f, enum impair_fault_kind kind, unsigned directions, uint64_t nth,
		      struct impair_predicate *predicate)
{
	int err = nth ? 0 : E_INVAL;

	if (!err && f->count == IMPAIR_FAULTS_MAX)
		err = E_FULL;
	if (!err && f->count == f->capacity) {
		size_t capacity = f->capacity ? 2 * f->capacity : FAULTS_CAPACITY;
		struct impair_fault *list = reallocarray(f->list, capacity, sizeof *list);

		if (list) {
			f->list = list;
			f->capacity = capacity;
		} else {
			err = E_NOMEM;
		}
	}
	if (err) {
		impair_predicate_fini(predicate);
		return err;
	}
	f->list[f->count++] = (struct impair_fault){
		.kind = kind,
		.directions = directions,
		.left = nth,
		.predicate = *predicate,
	};
	*predicate = (struct impair_predicate){0};
	return 0;
}

unsigned impair_faults_strike(struct impair_faults *f, unsigned direction, const uint8_t *frame, uint32_t len)
{
	unsigned struck = 0;
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct impair_fault *fault = &f->list[i];

		if (fault->directions & direction && impair_predicate_frame(&fault->predicate, frame, len) &&
		    --fault->left == 0) {
			struck |= 1U << fault->kind;
			impair_predicate_fini(&fault->predicate);
			continue;
		}
		f->list[kept++] = *fault;
	}
	f->count = kept;
	return struck;
}
