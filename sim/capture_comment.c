/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/capture_comment.h"

#include "base/log.h"
#include "base/wire.h"
#include "lb/blob.h"
#include "lb/frame.h"
#include "lb/message.h"
#include "sim/capture.h"
#include "sim/opened.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET_LEN   14U
#define ETHERTYPE_IP   0x0800U
#define ETHERTYPE_IPV6 0x86ddU
#define IPV4_LEN_MIN   20U
#define IPV4_OFFSET    0x1fffU
#define IPV4_SOURCE    12U
#define IPV6_LEN       40U
#define IPV6_SOURCE    8U
#define PROTOCOL_TCP   6U
#define PROTOCOL_UDP   17U
#define UDP_LEN        8U

/* A flow identifier whose connection is known. */
struct flow {
	uint32_t identifier; /* 0: none */
	struct tuple tuple;
	size_t node; /* whom its last packet was for; any at first */
};

/* A courier frame that carries again what was sent before. */
struct again {
	size_t from; /* nodes */
	uint16_t to; /* device; 0: none */
	uint64_t number;
	char why[16];
};

struct capture_comments {
	const struct scenario *scenario;
	const struct addr *tunnels;
	size_t tunnel_count;
	struct flow *flows;                 /* CAPTURE_FLOWS, by identifier: the newest of those that share a place */
	struct again *agains;               /* CAPTURE_FRAMES, by number and devices */
	const struct node_cluster *cluster; /* its key opens frames; NULL: they stay sealed */
	uint64_t *boots;                    /* by node, as they came up last */
};

/* Who and what in a TCP or UDP packet over IP. */
struct look {
	struct addr source, destination;
	unsigned protocol;
	uint16_t ports[2];
	const uint8_t *payload; /* of UDP */
	uint32_t payload_len;
};

void capture_comment_add(struct capture_comment *c, const char *format, ...)
{
	char words[CAPTURE_COMMENT_MAX];
	va_list args;
	int n;

	va_start(args, format);
	vsnprintf(words, sizeof words, format, args);
	va_end(args);
	n = snprintf(c->text + c->len, sizeof c->text - c->len, "%s%s", c->len ? "; " : "", words);
	if (n > 0 && (size_t)n < sizeof c->text - c->len)
		c->len += (size_t)n;
	else
		c->text[c->len] = 0;
}

struct capture_comments *capture_comments_new(const struct scenario *s, const struct addr *tunnels, size_t tunnel_count)
{
	struct capture_comments *c = calloc(1, sizeof *c);

	if (!c || !(c->flows = calloc(CAPTURE_FLOWS, sizeof *c->flows)) ||
	    !(c->agains = calloc(CAPTURE_FRAMES, sizeof *c->agains)) ||
	    !(c->boots = calloc(s->nodes_count + 1, sizeof *c->boots)))
		log_fatal("out of memory for captures");
	c->scenario = s;
	c->tunnels = tunnels;
	c->tunnel_count = tunnel_count;
	return c;
}

void capture_comments_free(struct capture_comments *c)
{
	if (!c)
		return;
	free(c->flows);
	free(c->agains);
	free(c->boots);
	free(c);
}

void capture_comments_open(struct capture_comments *c, const struct node_cluster *cluster)
{
	c->cluster = cluster;
}

static struct flow *flow_slot(const struct capture_comments *c, uint32_t identifier)
{
	return &c->flows[(identifier ^ identifier >> 16) & (CAPTURE_FLOWS - 1)];
}

static struct again *again_slot(const struct capture_comments *c, size_t from, uint16_t to, uint64_t number)
{
	return &c->agains[(number + 67 * from + 131U * to) & (CAPTURE_FRAMES - 1)];
}

void capture_comments_event(struct capture_comments *c, size_t node, enum trace_event event,
			    const struct trace_field *fields, size_t count, struct capture_comment *comment)
{
	uint32_t flow = (uint32_t)trace_field_u64(fields, count, "flow");
	const char *reason = trace_field_text(fields, count, "reason");

	if (event == TRACE_NODE_START) { /* its frames are counted from 1 again */
		c->boots[node] = trace_field_u64(fields, count, "boot");
		for (size_t i = 0; i < CAPTURE_FRAMES; i++)
			if (c->agains[i].from == node)
				c->agains[i].to = 0;
	} else if (event == TRACE_CLASSIFIER_FLOW || event == TRACE_FORWARDER_ENCAPSULATE) {
		const struct tuple *t = trace_field_tuple(fields, count, "tuple");

		if (t)
			*flow_slot(c, flow) = (struct flow){.identifier = flow, .tuple = *t};
	} else if (event == TRACE_DRIVER_BUFFER) {
		capture_comment_add(comment, "buffered before infusion, flow %u", flow);
	} else if (event == TRACE_COURIER_REJECT) {
		capture_comment_add(comment, "courier: rejected (%s)", reason ? reason : "");
	} else if (event == TRACE_COURIER_RETRANSMIT) {
		uint16_t to = (uint16_t)trace_field_u64(fields, count, "peer");
		uint64_t number = trace_field_u64(fields, count, "frame");
		struct again *a = again_slot(c, node, to, number);

		*a = (struct again){.from = node, .to = to, .number = number};
		snprintf(a->why, sizeof a->why, "%s", reason ? reason : "");
	}
}

/* The part behind the IP header: false without whole ports. */
static bool look_ports(struct look *l, const uint8_t *p, const uint8_t *end)
{
	if (end - p < 4)
		return false;
	l->ports[0] = load_be16(p);
	l->ports[1] = load_be16(p + 2);
	if (l->protocol == PROTOCOL_UDP && end - p > (ptrdiff_t)UDP_LEN) {
		l->payload = p + UDP_LEN;
		l->payload_len = (uint32_t)(end - l->payload);
	}
	return true;
}

static bool look_at(struct look *l, const uint8_t *frame, uint32_t len)
{
	const uint8_t *ip = frame + ETHERNET_LEN, *end = frame + len;
	uint32_t header;

	if (len < ETHERNET_LEN + IPV4_LEN_MIN)
		return false;
	switch (load_be16(frame + 12)) {
	case ETHERTYPE_IP:
		header = (ip[0] & 15U) * 4U;
		if (ip[0] >> 4 != 4 || header < IPV4_LEN_MIN || header > len - ETHERNET_LEN ||
		    load_be16(ip + 6) & IPV4_OFFSET)
			return false;
		l->source.family = l->destination.family = 4;
		l->protocol = ip[9];
		memcpy(l->source.bytes, ip + IPV4_SOURCE, 4);
		memcpy(l->destination.bytes, ip + IPV4_SOURCE + 4, 4);
		break;
	case ETHERTYPE_IPV6:
		header = IPV6_LEN;
		if (ip[0] >> 4 != 6 || header > len - ETHERNET_LEN)
			return false;
		l->source.family = l->destination.family = 6;
		l->protocol = ip[6];
		memcpy(l->source.bytes, ip + IPV6_SOURCE, 16);
		memcpy(l->destination.bytes, ip + IPV6_SOURCE + 16, 16);
		break;
	default:
		return false;
	}
	return look_ports(l, ip + header, end);
}

static bool is_tunnel(const struct capture_comments *c, const struct addr *a)
{
	for (size_t i = 0; i < c->tunnel_count; i++)
		if (addr_equal(&c->tunnels[i], a))
			return true;
	return false;
}

static bool node_has(const struct scenario_node *node, const struct addr *a)
{
	for (size_t i = 0; i < node->attachments_count; i++)
		if (addr_equal(addr_pair_get(&node->attachments[i].address, a->family), a))
			return true;
	return false;
}

/* Whose address it is, or the address itself. *node is looked at first, and is that node then. */
static const char *name_of(const struct capture_comments *c, const struct addr *a, size_t *node,
			   char text[ADDR_TEXT_MAX])
{
	const struct scenario *s = c->scenario;

	if (node_has(&s->nodes[*node], a))
		return s->nodes[*node].name;
	for (size_t n = 0; n < s->nodes_count; n++) {
		if (!node_has(&s->nodes[n], a))
			continue;
		*node = n;
		return s->nodes[n].name;
	}
	return addr_text(a, text);
}

static void tunnel_comment(const struct capture_comments *c, const struct look *l, struct capture_comment *comment)
{
	uint32_t flow = (uint32_t)l->ports[0] << 16 | l->ports[1];
	struct flow *known = flow_slot(c, flow);
	char name[ADDR_TEXT_MAX], tuple[TUPLE_TEXT_MAX];

	if (is_tunnel(c, &l->source))
		capture_comment_add(comment, "encapsulated, flow %u -> %s%s%s", flow,
				    name_of(c, &l->destination, &known->node, name),
				    known->identifier == flow ? ", " : "",
				    known->identifier == flow ? tuple_text(&known->tuple, tuple) : "");
	else if (is_tunnel(c, &l->destination))
		capture_comment_add(comment, "bounced, flow %u, from %s", flow,
				    name_of(c, &l->source, &known->node, name));
}

/* Words of one comment, joined by " | ". */
static void section_add(struct capture_comment *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void section_add(struct capture_comment *c, const char *format, ...)
{
	char words[256];
	va_list args;
	int n;

	va_start(args, format);
	vsnprintf(words, sizeof words, format, args);
	va_end(args);
	n = snprintf(c->text + c->len, sizeof c->text - c->len, "%s%s", c->len ? " | " : "", words);
	if (n > 0 && (size_t)n < sizeof c->text - c->len)
		c->len += (size_t)n;
	else
		c->text[c->len] = 0;
}

/* Bytes behind the last words, all or none. */
static void hex_add(struct capture_comment *c, const uint8_t *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef", words[] = ", hex ";
	size_t len = c->len;

	if (len + sizeof words + 2 * count > sizeof c->text)
		return;
	memcpy(c->text + len, words, sizeof words - 1);
	len += sizeof words - 1;
	for (size_t i = 0; i < count; i++) {
		c->text[len++] = digits[bytes[i] >> 4];
		c->text[len++] = digits[bytes[i] & 15];
	}
	c->text[len] = 0;
	c->len = len;
}

/* A piece of a blob, with its bytes; the first has the flow identifier. */
static void blob_section(const struct frame_data *d, struct capture_comment *plain)
{
	const size_t at = BLOB_HEADER_LEN + BLOB_SECTION_LEN;
	char flow[24] = "";

	if (!d->index && d->len >= at + 4)
		snprintf(flow, sizeof flow, ", flow %u", load_be32(d->bytes + at));
	section_add(plain, "BLOB, message %llu%s, piece %u of %u, %u of %u B", (unsigned long long)d->id, flow,
		    d->index + 1U, frame_chunk_count(d->total, d->chunk), d->len, d->total);
	hex_add(plain, d->bytes, d->len);
}

static void data_section(const struct frame_data *d, struct capture_comment *plain)
{
	unsigned long long id = d->id;
	const char *name = opened_message_name(d->type);
	struct message_health health;
	struct message m;
	char tuple[TUPLE_TEXT_MAX];

	if (d->type == MESSAGE_BLOB)
		blob_section(d, plain);
	else if (d->type == MESSAGE_HEALTH && !message_health_decode(&health, d->bytes, d->len))
		section_add(plain, "%s, message %llu, %s, %u connections", name, id,
			    health.draining ? "draining" : "serving", health.connections);
	else if (!message_decode(&m, d->type, d->bytes, d->len))
		section_add(plain, "%s, message %llu, flow %u, device %u > %u, %s%s%s", name, id, m.flow, m.first,
			    m.second, tuple_text(&m.tuple, tuple), m.reason ? ", " : "",
			    m.reason ? message_reason_text(m.reason) : "");
	else
		section_add(plain, "%s, message %llu, %u B", name, id, d->total);
}

/* What a sealed frame carries, section by section. */
static void plain_comment(const struct capture_comments *c, const struct frame_header *h, const struct look *l,
			  struct capture_comment *comment)
{
	uint8_t copy[OPENED_FRAME_MAX];
	struct capture_comment plain;
	struct frame_body body;

	plain.len = 0;
	plain.text[0] = 0;

	if (l->payload_len > sizeof copy)
		return;
	memcpy(copy, l->payload, l->payload_len);
	if (!opened_frame(c->cluster, c->boots, c->scenario->nodes_count, h, copy, l->payload_len, &body))
		return;
	if (body.has_ack)
		section_add(&plain, "ACK of %llu, from %llu on, %u range%s",
			    (unsigned long long)body.ack.ranges[0].high,
			    (unsigned long long)body.ack.ranges[body.ack.count - 1].low, body.ack.count,
			    body.ack.count == 1 ? "" : "s");
	if (body.has_floor)
		section_add(&plain, "FLOOR %llu", (unsigned long long)body.floor);
	for (uint32_t i = 0; i < body.data_count; i++)
		data_section(&body.data[i], &plain);
	capture_comment_add(comment, "plain: %s", plain.text);
}

static void courier_comment(const struct capture_comments *c, const struct look *l, struct capture_comment *comment)
{
	struct frame_header h;
	const struct again *a;

	if ((l->ports[0] != COURIER_PORT && l->ports[1] != COURIER_PORT) ||
	    frame_header_decode(&h, l->payload, l->payload_len) || h.kind != FRAME_KIND_DATA || !h.from)
		return;
	a = again_slot(c, h.from - 1U, h.to, h.number);
	if (a->to == h.to && a->from == h.from - 1U && a->number == h.number)
		capture_comment_add(comment, "courier: retransmission (%s)", a->why);
	if (c->cluster)
		plain_comment(c, &h, l, comment);
}

void capture_comments_frame(const struct capture_comments *c, const uint8_t *frame, uint32_t len,
			    struct capture_comment *comment)
{
	struct look l = {0};

	if (!c->tunnel_count || !look_at(&l, frame, len))
		return;
	if (l.protocol == PROTOCOL_TCP)
		tunnel_comment(c, &l, comment);
	else if (l.protocol == PROTOCOL_UDP && l.payload)
		courier_comment(c, &l, comment);
}
