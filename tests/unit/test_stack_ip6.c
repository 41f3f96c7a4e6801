/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 below TCP: neighbour discovery, routes and forwarding, VIPs, extension headers, and what a neighbour may try. */
#include "base/err.h"
#include "tests/unit/stack_frames.h"

#define PORT       80
#define NS         135U
#define NA         136U
#define SOLICITED  0x40U
#define OVERRIDE   0x20U
#define AT_TYPE    54U /* of an ICMPv6 message, in a frame */
#define AT_NEXT    20U
#define AT_TARGET  62U
#define AT_OPTIONS 78U

static const struct addr none, unspecified = {.family = 6};

static struct addr parse(const char *text)
{
	struct addr a;
	ck_assert_int_eq(addr_parse(&a, text), 0);
	return a;
}

static struct addr solicited_node(struct addr target)
{
	struct addr group = parse("ff02::1:ff00:0");
	memcpy(group.bytes + 13, target.bytes + 13, 3);
	return group;
}

/* What stack 0 sends, or NULL; its checksums are good. */
static struct buf *sent(struct wire *w)
{
	int netif;
	struct buf *b = stack_output(w->stacks[0], &netif);
	if (b)
		frame_verify(b);
	return b;
}

static unsigned sent_discard(struct wire *w)
{
	struct buf *b;
	unsigned count = 0;
	for (; (b = sent(w)); count++)
		buf_free(b);
	return count;
}

/* The next frame is of this ICMPv6 type, to this Ethernet address. */
static void sent_nd(struct wire *w, unsigned type, const uint8_t *mac, struct addr dst, struct addr target)
{
	struct buf *b = sent(w);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, 86);
	ck_assert_mem_eq(b->data, mac, 6);
	ck_assert_uint_eq(b->data[14 + IP6_AT_HOPS], 255);
	ck_assert_uint_eq(b->data[AT_TYPE], type);
	ck_assert_mem_eq(b->data + 14 + IP6_AT_SRC, wire_addr6(1).bytes, 16);
	ck_assert_mem_eq(b->data + 14 + IP6_AT_DST, dst.bytes, 16);
	ck_assert_mem_eq(b->data + AT_TARGET, target.bytes, 16);
	ck_assert_uint_eq(b->data[AT_OPTIONS], type - 134);
	ck_assert_mem_eq(b->data + AT_OPTIONS + 2, wire_mac(1).bytes, 6);
	buf_free(b);
}

static void single(struct wire *w)
{
	wire_init(w);
	wire_add(w, "one", false);
}

static void give(struct wire *w, struct buf *frame)
{
	stack_input(w->stacks[0], 0, frame, w->now);
}

static const uint64_t *dropped(struct wire *w)
{
	return stack_counters(w->stacks[0])->dropped;
}

static void send_to(struct wire *w, struct addr dst)
{
	struct buf *b = frame_ip6(1, wire_addr6(1), dst, 17, "\0\7\0\7\0\11\0\0x", 9);
	buf_pull(b, 14);
	stack_output_ip(w->stacks[0], b, 0, dst, w->now);
}

/* The sum again after a change. */
static struct buf *mended(struct buf *b)
{
	const struct addr src = packet_src(b->data + 14), dst = packet_dst(b->data + 14);
	uint16_t sum;
	memset(b->data + AT_TYPE + 2, 0, 2);
	sum = (uint16_t)~frame_sum(&src, &dst, 58, b->data + AT_TYPE, b->len - AT_TYPE);
	memcpy(b->data + AT_TYPE + 2, &sum, 2);
	return b;
}

static struct buf *to_group(struct buf *b, struct addr group)
{
	b->data[0] = b->data[1] = 0x33;
	memcpy(b->data + 2, group.bytes + 12, 4);
	return b;
}

/* An idle instance sends nothing and waits for nothing, whatever family its addresses are. */
START_TEST(idle)
{
	struct wire w;
	single(&w);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], parse("2001:db8:f::80"), 0, none), 0);
	ck_assert_ptr_nonnull(sock_listen(w.stacks[0], parse("2001:db8:f::80"), PORT, NULL));
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	ck_assert_uint_eq(sent_discard(&w), 0);
	ck_assert_int_eq(stack_address_add(w.stacks[0], 0, wire_addr6(7), 64), E_EXISTS);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], wire_addr6(1), 0, none), E_EXISTS);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], parse("2001:db8:f::81"), 0, wire_addr(1)), E_INVAL);
	wire_fini(&w);
}
END_TEST

START_TEST(asks_and_learns)
{
	struct wire w;
	struct addr peer = wire_addr6(9), group = solicited_node(peer);
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 9};
	struct buf *b;
	single(&w);
	send_to(&w, peer);
	sent_nd(&w, NS, group_mac, group, peer);
	ck_assert_ptr_null(sent(&w));
	give(&w, frame_nd(NA, 9, peer, wire_addr6(1), peer, SOLICITED | OVERRIDE));
	b = sent(&w);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->data[5], 9);
	ck_assert_uint_eq(packet_u16(b->data + 12), 0x86dd);
	buf_free(b);
	/* it has aged: asked by unicast, and dropped when nobody answers */
	w.now += 301 * NSTIME_S;
	send_to(&w, peer);
	sent_nd(&w, NS, wire_mac(9).bytes, peer, peer);
	ck_assert_uint_eq(sent_discard(&w), 1);
	wire_run(&w, 10 * NSTIME_S);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	send_to(&w, peer);
	sent_nd(&w, NS, group_mac, group, peer);
	wire_fini(&w);
}
END_TEST

START_TEST(neighbour_silent)
{
	struct wire w;
	single(&w);
	for (unsigned i = 0; i < 100; i++)
		send_to(&w, wire_addr6(50));
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_NEIGHBOUR], 36);
	wire_run(&w, 60 * NSTIME_S);
	ck_assert_uint_eq(w.frames, 4); /* solicitations */
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_NEIGHBOUR], 100);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	wire_fini(&w);
}
END_TEST

/* Its own address and proxied ones are answered for, a VIP without proxy and strangers' are not. */
START_TEST(answers)
{
	struct wire w;
	struct addr vip = parse("2001:db8:f::80"), proxied = wire_addr6(200), peer = wire_addr6(9);
	single(&w);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], vip, 0, none), 0);
	stack_address_proxy(w.stacks[0], 0, proxied);
	give(&w, to_group(frame_nd(NS, 9, peer, solicited_node(wire_addr6(1)), wire_addr6(1), 0),
			  solicited_node(wire_addr6(1))));
	sent_nd(&w, NA, wire_mac(9).bytes, peer, wire_addr6(1));
	give(&w, to_group(frame_nd(NS, 9, peer, solicited_node(proxied), proxied, 0), solicited_node(proxied)));
	sent_nd(&w, NA, wire_mac(9).bytes, peer, proxied);
	give(&w, frame_nd(NS, 9, peer, proxied, proxied, 0)); /* a probe by unicast */
	sent_nd(&w, NA, wire_mac(9).bytes, peer, proxied);
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_FRAME], 0);
	give(&w, to_group(frame_nd(NS, 9, peer, solicited_node(vip), vip, 0), solicited_node(vip)));
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_FRAME], 1); /* not a group of ours */
	give(&w, frame_nd(NS, 9, peer, wire_addr6(1), wire_addr6(3), 0));
	ck_assert_uint_eq(sent_discard(&w), 0);
	/* who asked is known, without a solicitation */
	send_to(&w, peer);
	ck_assert_uint_eq(sent_discard(&w), 1);
	/* duplicate address detection is told to all */
	struct buf *b = frame_nd(NS, 9, unspecified, solicited_node(proxied), proxied, 0);
	b->len -= 8;
	packet_u16_put(b->data + 14 + IP6_AT_LENGTH, 24);
	give(&w, to_group(mended(b), solicited_node(proxied)));
	static const uint8_t all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	sent_nd(&w, NA, all_mac, parse("ff02::1"), proxied);
	/* one without its hardware address, from where nothing is known, is asked for that first */
	b = frame_nd(NS, 8, wire_addr6(8), wire_addr6(1), wire_addr6(1), 0);
	b->len -= 8;
	packet_u16_put(b->data + 14 + IP6_AT_LENGTH, 24);
	give(&w, mended(b));
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 8};
	sent_nd(&w, NS, group_mac, solicited_node(wire_addr6(8)), wire_addr6(8));
	give(&w, frame_nd(NA, 8, wire_addr6(8), wire_addr6(1), wire_addr6(8), SOLICITED));
	sent_nd(&w, NA, wire_mac(8).bytes, wire_addr6(8), wire_addr6(1));
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_DISCOVERY], 0);
	/* a link-local neighbour is answered */
	give(&w, frame_nd(NS, 9, parse("fe80::9"), wire_addr6(1), wire_addr6(1), 0));
	sent_nd(&w, NA, wire_mac(9).bytes, parse("fe80::9"), wire_addr6(1));
	wire_fini(&w);
}
END_TEST

/* RFC 4861 7.2.5: who may change what is known. */
START_TEST(advertisements)
{
	struct wire w;
	struct addr peer = wire_addr6(9);
	struct buf *b;
	single(&w);
	give(&w, frame_nd(NA, 9, peer, wire_addr6(1), peer, OVERRIDE)); /* nobody asked */
	send_to(&w, peer);
	ck_assert_uint_eq(sent_discard(&w), 1);
	give(&w, frame_nd(NA, 9, peer, wire_addr6(1), peer, SOLICITED));
	ck_assert_uint_eq(sent_discard(&w), 1);
	give(&w, frame_nd(NA, 8, peer, wire_addr6(1), peer, SOLICITED)); /* another, not to override */
	send_to(&w, peer);
	b = sent(&w);
	ck_assert_uint_eq(b->data[5], 9);
	buf_free(b);
	give(&w, to_group(frame_nd(NA, 8, peer, parse("ff02::1"), peer, OVERRIDE), parse("ff02::1")));
	/* whoever has it by right may still say so */
	sent_nd(&w, NS, (const uint8_t[6]){0x33, 0x33, 0xff, 0, 0, 9}, solicited_node(peer), peer);
	send_to(&w, peer);
	b = sent(&w);
	ck_assert_uint_eq(b->data[5], 8);
	buf_free(b);
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_DISCOVERY], 0);
	wire_fini(&w);
}
END_TEST

/* What is wrong with a message, one thing each: nothing is answered or learnt, and it is counted. */
START_TEST(hostile)
{
	struct wire w;
	struct addr peer = wire_addr6(9), us = wire_addr6(1), all = parse("ff02::1");
	struct buf *b[16];
	unsigned count = 0;
	single(&w);
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* it came through a router */
	b[0]->data[14 + IP6_AT_HOPS] = 254;
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* checksum */
	b[1]->data[AT_TARGET - 1] ^= 1;
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* code */
	b[2]->data[AT_TYPE + 1] = 1;
	mended(b[2]);
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* an option of no length */
	b[3]->data[AT_OPTIONS + 1] = 0;
	mended(b[3]);
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* an option beyond the message */
	b[4]->data[AT_OPTIONS + 1] = 2;
	mended(b[4]);
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* a group's hardware address */
	b[5]->data[AT_OPTIONS + 2] |= 1;
	mended(b[5]);
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* cut short */
	b[6]->len -= 9;
	b[count++] = frame_nd(NS, 9, peer, us, us, 0); /* shorter than a message */
	packet_u16_put(b[7]->data + 14 + IP6_AT_LENGTH, 23);
	b[count++] = frame_nd(NS, 9, peer, us, all, 0);         /* a group as target */
	b[count++] = frame_nd(NS, 9, all, us, us, 0);           /* a group as sender */
	b[count++] = frame_nd(NS, 9, us, us, us, 0);            /* we ourselves */
	b[count++] = frame_nd(NS, 9, unspecified, us, us, 0);   /* from nobody, with a hardware address */
	b[count++] = frame_nd(NA, 9, peer, us, us, OVERRIDE);   /* it claims our address */
	b[count++] = frame_nd(NA, 9, unspecified, us, peer, 0); /* from nobody */
	b[count++] = to_group(frame_nd(NA, 9, peer, all, peer, SOLICITED), all);
	b[count++] = frame_nd(NS, 9, peer, wire_addr6(3), wire_addr6(3), 0); /* not for us at all */
	for (unsigned i = 0; i < count; i++) {
		give(&w, b[i]);
		ck_assert_uint_eq(sent_discard(&w), 0);
		ck_assert_msg(dropped(&w)[STACK_DROP_DISCOVERY] == i + 1, "message %u passed", i);
	}
	send_to(&w, peer);
	sent_nd(&w, NS, (const uint8_t[6]){0x33, 0x33, 0xff, 0, 0, 9}, solicited_node(peer), peer);
	wire_fini(&w);
}
END_TEST

/* An IPv4 fragment whose bytes stand where those of a solicitation would is none. */
START_TEST(not_discovery)
{
	const uint8_t text[64] = {[20] = NS};
	struct wire w;
	single(&w);
	give(&w, frame_ip(1, wire_addr(9), wire_addr(1), 17, 0x3a00, text, sizeof(text)));
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_DISCOVERY], 0);
	ck_assert_uint_ne(stack_expiry(w.stacks[0]), NSTIME_NEVER); /* it waits for the others */
	wire_fini(&w);
}
END_TEST

/* An echo request is answered, also behind options that may be passed over. */
START_TEST(echo)
{
	struct wire w;
	uint8_t bytes[24 + 72] = {60, 0, 5, 2, 0, 0, 1, 0, 58, 1, 1, 10, [24] = 128};
	struct addr peer = wire_addr6(9), us = wire_addr6(1);
	uint16_t sum = (uint16_t)~frame_sum(&peer, &us, 58, bytes + 24, 72);
	struct buf *b;
	memcpy(bytes + 26, &sum, 2);
	single(&w);
	give(&w, frame_nd(NS, 9, peer, us, us, 0));
	ck_assert_uint_eq(sent_discard(&w), 1);
	for (unsigned i = 0; i < 2; i++) {
		give(&w, i ? frame_ip6(1, peer, us, 0, bytes, 96) : frame_ip6(1, peer, us, 58, bytes + 24, 72));
		b = sent(&w);
		ck_assert_ptr_nonnull(b);
		ck_assert_uint_eq(b->len, 54 + 72);
		ck_assert_uint_eq(b->data[AT_TYPE], 129);
		ck_assert_mem_eq(b->data + 14 + IP6_AT_DST, peer.bytes, 16);
		ck_assert_uint_eq(b->data[5], 9);
		buf_free(b);
	}
	wire_fini(&w);
}
END_TEST

/* What must not reach lwIP: routing headers, unsound fragments, options that say "drop me", and the rest of ICMPv6. */
START_TEST(extensions)
{
	static const struct {
		uint8_t next, bytes[16];
		enum stack_drop why;
	} cases[] = {
		{44, {59, 0, 0, 0}, STACK_DROP_EXTENSION},                    /* a fragment of what nobody speaks */
		{44, {60, 0, 0, 0}, STACK_DROP_EXTENSION},                    /* options within a fragment */
		{44, {58, 0, 0xff, 0xf8}, STACK_DROP_EXTENSION},              /* beyond the largest datagram */
		{44, {58, 0, 0, 0, 0, 0, 0, 1, 137}, STACK_DROP_PROTOCOL},    /* a redirect in one */
		{43, {58, 0, 0, 0}, STACK_DROP_EXTENSION},                    /* a routing header */
		{60, {58, 0, 0x80, 4}, STACK_DROP_EXTENSION},                 /* an option that nobody may pass over */
		{0, {58, 0, 0xc2, 4}, STACK_DROP_EXTENSION},                  /* a jumbogram */
		{60, {58, 0, 5, 5}, STACK_DROP_EXTENSION},                    /* an option beyond its header */
		{60, {58, 9}, STACK_DROP_EXTENSION},                          /* a header beyond the packet */
		{60, {0, 0, 1, 4, 0, 0, 0, 0, 58}, STACK_DROP_EXTENSION},     /* hop-by-hop in second place */
		{50, {0}, STACK_DROP_PROTOCOL},                               /* ESP */
		{59, {0}, STACK_DROP_PROTOCOL},                               /* nothing follows */
		{136, {0, 80, 0, 80, 0, 1}, STACK_DROP_PROTOCOL},             /* UDP-Lite */
		{58, {2, 0, 0, 0, 0, 0, 5, 0}, STACK_DROP_TOO_BIG},           /* packet too big, of nothing */
		{58, {134, 0, 0, 0, 64, 0, 0xff, 0xff}, STACK_DROP_PROTOCOL}, /* a router's advertisement */
		{58, {137}, STACK_DROP_PROTOCOL},                             /* a redirect */
		{58, {130}, STACK_DROP_PROTOCOL},                             /* a query for groups */
		{60, {58, 0, 1, 4, 0, 0, 0, 0, 135}, STACK_DROP_PROTOCOL},    /* discovery behind a header (RFC 6980) */
	};
	struct wire w;
	uint64_t count[STACK_DROP_COUNT] = {0};
	single(&w);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		give(&w, frame_ip6(1, wire_addr6(9), wire_addr6(1), cases[i].next, cases[i].bytes, 16));
		count[cases[i].why]++;
		ck_assert_msg(dropped(&w)[cases[i].why] == count[cases[i].why], "case %zu", i);
		ck_assert_uint_eq(sent_discard(&w), 0);
	}
	wire_fini(&w);
}
END_TEST

/* A frame with bytes from..to of an echo request of 3000 bytes. */
static struct buf *fragment(const uint8_t *request, unsigned from, unsigned to, bool more)
{
	uint8_t bytes[1500] = {58, 0, (uint8_t)(from >> 8), (uint8_t)(from | more), 0, 0, 0, 7};
	memcpy(bytes + 8, request + from, to - from);
	return frame_ip6(1, wire_addr6(9), wire_addr6(1), 44, bytes, 8 + to - from);
}

/* A datagram in fragments is put together, whatever their order, and answered in fragments; one that stays incomplete
 * is let go, and the timer with it. What cannot be a fragment is none. */
START_TEST(fragments)
{
	struct addr peer = wire_addr6(9), us = wire_addr6(1);
	uint8_t request[3000] = {128};
	uint16_t sum = (uint16_t)~frame_sum(&peer, &us, 58, request, sizeof(request));
	struct wire w;
	unsigned bytes = 0, count = 0;
	struct buf *b;
	memcpy(request + 2, &sum, 2);
	single(&w);
	give(&w, frame_nd(NS, 9, peer, us, us, 0));
	ck_assert_uint_eq(sent_discard(&w), 1);
	give(&w, fragment(request, 2400, 3000, false));
	give(&w, fragment(request, 0, 1200, true));
	give(&w, fragment(request, 0, 1200, true)); /* twice */
	ck_assert_uint_eq(sent_discard(&w), 0);
	give(&w, fragment(request, 1200, 2400, true));
	for (; (b = sent(&w)); count++) {
		ck_assert_uint_le(b->len, 1514);
		ck_assert_uint_eq(b->data[AT_NEXT], 44);
		ck_assert_uint_eq(b->data[54], 58);
		bytes += b->len - 62;
		buf_free(b);
	}
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(bytes, sizeof(request));
	give(&w, fragment(request, 8, 8, true));    /* nothing in it */
	give(&w, fragment(request, 0, 1201, true)); /* not a multiple of 8, and more to come */
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_EXTENSION], 2);
	give(&w, fragment(request, 0, 1200, true));
	ck_assert_uint_ne(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	wire_run(&w, 120 * NSTIME_S);
	ck_assert_uint_eq(w.frames, 1); /* the time was exceeded */
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	ck_assert_uint_eq(buf_outstanding(), w.bufs);
	wire_fini(&w);
}
END_TEST

START_TEST(bad_headers)
{
	struct wire w;
	static const char *const sources[] = {"::", "::1", "::ffff:10.0.0.9", "fe80::9", "ff02::9", "2001:db8::1"};
	struct buf *b;
	single(&w);
	for (unsigned i = 0; i < 6; i++)
		give(&w, frame_ip6(1, parse(sources[i]), wire_addr6(1), 17, "12345678", 8));
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_HEADER], 6);
	give(&w, frame_ip6(1, wire_addr6(9), parse("::1"), 17, "12345678", 8));
	give(&w, frame_ip6(1, wire_addr6(9), parse("ff02::1"), 17, "12345678", 8));
	b = frame_ip6(1, wire_addr6(9), wire_addr6(1), 17, "12345678", 8);
	b->len--;
	give(&w, b);
	b = frame_ip6(1, wire_addr6(9), wire_addr6(1), 17, "12345678", 8);
	b->data[14] = 0x45;
	give(&w, b);
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_HEADER], 10);
	give(&w, frame_ip6(1, wire_addr6(9), wire_addr6(3), 17, "12345678", 8)); /* not ours */
	ck_assert_uint_eq(dropped(&w)[STACK_DROP_ROUTE], 1);
	ck_assert_uint_eq(sent_discard(&w), 0);
	wire_fini(&w);
}
END_TEST

/* ---- connections ---- */

/* Both families at one listener; MSS 1440 over IPv6. */
START_TEST(connection)
{
	struct wire w;
	struct sock *listener, *k, *peer;
	char text[100000] = "to and fro";
	size_t got = 0;
	wire_pair(&w);
	listener = sock_listen(w.stacks[1], none, PORT, NULL);
	for (unsigned i = 0; i < 2; i++) {
		k = sock_connect(w.stacks[0], i ? wire_addr6(2) : wire_addr(2), PORT, NULL, w.now);
		ck_assert_ptr_nonnull(k);
		wire_run(&w, 50 * NSTIME_MS);
		peer = sock_accept(listener);
		ck_assert_ptr_nonnull(peer);
		ck_assert_uint_eq(sock_tuple(peer).remote.family, i ? 6 : 4);
		for (size_t at = 0; at < sizeof(text) || got < sizeof(text);) {
			long n = sock_send(k, text + at, sizeof(text) - at);
			ck_assert_int_ge(n, 0);
			at += (size_t)n;
			sock_flush(k, w.now);
			wire_run(&w, 20 * NSTIME_MS);
			got += sock_unread(peer);
			sock_consume(peer, sock_unread(peer), w.now);
		}
		ck_assert_uint_eq(got, sizeof(text));
		got = 0;
		sock_close(k, w.now);
		sock_close(peer, w.now);
		wire_run(&w, NSTIME_S);
	}
	ck_assert_uint_eq(stack_counters(w.stacks[0])->retransmissions, 0);
	wire_run(&w, 300 * NSTIME_S);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	wire_fini(&w);
}
END_TEST

/* Answers leave from the VIP, to its next hop, whatever the routes say. */
START_TEST(vip_answers)
{
	struct wire w;
	struct addr vip = parse("2001:db8:f::80"), client = parse("2001:db8:c::1");
	struct segment syn = {.src_port = 4000,
			      .dst_port = PORT,
			      .seq = 1,
			      .flags = SYN,
			      .window = 1000,
			      .options = "\2\4\5\264",
			      .options_len = 4};
	struct buf *b;
	const uint8_t *tcp;
	single(&w);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], vip, 0, wire_addr6(9)), 0);
	ck_assert_ptr_nonnull(sock_listen(w.stacks[0], vip, PORT, NULL));
	give(&w, frame_nd(NS, 9, wire_addr6(9), wire_addr6(1), wire_addr6(1), 0));
	ck_assert_uint_eq(sent_discard(&w), 1);
	b = frame_tcp(1, client, vip, &syn);
	buf_pull(b, 14);
	stack_input_ip(w.stacks[0], b, 0);
	b = sent(&w);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->data[5], 9);
	ck_assert_mem_eq(b->data + 14 + IP6_AT_SRC, vip.bytes, 16);
	ck_assert_mem_eq(b->data + 14 + IP6_AT_DST, client.bytes, 16);
	tcp = b->data + 54;
	ck_assert_uint_eq(tcp[TCP_AT_FLAGS], SYN | ACK);
	ck_assert_mem_eq(tcp + 20, "\2\4\5\240", 4); /* 1500 - 40 - 20 */
	buf_free(b);
	wire_fini(&w);
}
END_TEST

/* ---- a router ---- */

struct routed {
	struct wire w; /* stack 0 is the router, on 2001:db8::/64 and 2001:db8:1::/64 */
	struct addr here, there, beyond;
};

static void routed_init(struct routed *r)
{
	r->here = wire_addr6(9);
	r->there = parse("2001:db8:1::9");
	r->beyond = parse("2001:db8:2::7");
	wire_init(&r->w);
	wire_add(&r->w, "router", true);
	ck_assert_int_eq(stack_netif_add(r->w.stacks[0], wire_mac(2), parse("2001:db8:1::1"), 64), 1);
	ck_assert_int_eq(stack_route_add(r->w.stacks[0], parse("2001:db8:2::"), 48, 1, r->there), 0);
	give(&r->w, frame_nd(NS, 9, r->here, wire_addr6(1), wire_addr6(1), 0));
	ck_assert_uint_eq(sent_discard(&r->w), 1);
}

START_TEST(router)
{
	struct routed r;
	int netif;
	struct buf *b;
	routed_init(&r);
	give(&r.w, frame_ip6(1, r.here, r.beyond, 17, "datagram", 8));
	b = stack_output(r.w.stacks[0], &netif);
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(netif, 1);
	ck_assert_uint_eq(b->data[AT_TYPE], NS);
	ck_assert_mem_eq(b->data + AT_TARGET, r.there.bytes, 16);
	ck_assert_mem_eq(b->data + 14 + IP6_AT_SRC, parse("2001:db8:1::1").bytes, 16);
	buf_free(b);
	b = frame_nd(NA, 7, r.there, parse("2001:db8:1::1"), r.there, SOLICITED);
	memcpy(b->data, wire_mac(2).bytes, 6);
	stack_input(r.w.stacks[0], 1, b, 0);
	b = stack_output(r.w.stacks[0], &netif);
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(netif, 1);
	ck_assert_uint_eq(b->data[5], 7);
	ck_assert_uint_eq(b->data[14 + IP6_AT_HOPS], 63);
	ck_assert_mem_eq(b->data + 54, "datagram", 8);
	buf_free(b);
	give(&r.w, frame_ip6(1, r.here, parse("2001:db8:3::1"), 17, "datagram", 8));
	ck_assert_uint_eq(dropped(&r.w)[STACK_DROP_ROUTE], 1);
	wire_fini(&r.w);
}
END_TEST

/* An expired hop limit (1, or 0 as it should never be) and a packet too large are told by ICMPv6 (RFC 4443). */
START_TEST(router_errors)
{
	static const uint8_t large[1480];
	static const struct {
		uint8_t hops;
		size_t len;
		uint8_t type;
	} cases[] = {{1, 100, 3}, {0, 100, 3}, {64, 1461, 2}};
	struct routed r;
	struct buf *b;
	routed_init(&r);
	for (unsigned i = 0; i < 3; i++) {
		b = frame_ip6(1, r.here, r.beyond, 17, large, cases[i].len);
		b->data[14 + IP6_AT_HOPS] = cases[i].hops;
		give(&r.w, b);
		b = sent(&r.w);
		ck_assert_ptr_nonnull(b);
		ck_assert_uint_eq(b->data[AT_NEXT], 58);
		ck_assert_uint_eq(b->data[AT_TYPE], cases[i].type);
		ck_assert_mem_eq(b->data + 14 + IP6_AT_SRC, wire_addr6(1).bytes, 16);
		ck_assert_mem_eq(b->data + 14 + IP6_AT_DST, r.here.bytes, 16);
		if (cases[i].type == 2)
			ck_assert_uint_eq(packet_u32(b->data + AT_TYPE + 4), 1500);
		buf_free(b);
		ck_assert_ptr_null(sent(&r.w));
	}
	wire_fini(&r.w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_ip6");
	TCase *tc = tcase_create("ip6");
	tcase_add_test(tc, idle);
	tcase_add_test(tc, asks_and_learns);
	tcase_add_test(tc, neighbour_silent);
	tcase_add_test(tc, answers);
	tcase_add_test(tc, advertisements);
	tcase_add_test(tc, hostile);
	tcase_add_test(tc, not_discovery);
	tcase_add_test(tc, echo);
	tcase_add_test(tc, extensions);
	tcase_add_test(tc, fragments);
	tcase_add_test(tc, bad_headers);
	tcase_add_test(tc, connection);
	tcase_add_test(tc, vip_answers);
	tcase_add_test(tc, router);
	tcase_add_test(tc, router_errors);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
