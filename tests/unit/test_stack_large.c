/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that stand for several segments, as kernels send them to cards: into lwIP, and through a router. */
#include "stack/large.h"
#include "stack_frames.h"

#define PORT 80
#define MSS  1440U
#define MANY 60000U /* bytes of text */

/* A client's connection to a server, whose numbers are known; the client sends nothing more itself. */
struct large {
	struct wire w;
	struct sock *listener, *client, *server;
	struct addr from, to;
	uint16_t port;
	uint32_t seq, ack;
};

static struct large *sniffing;

/* The client's next numbers, from what it sends. */
static bool sniff(struct wire *w, const struct buf *frame)
{
	const uint8_t *tcp = frame->data + (frame->data[12] == 8 ? 34 : 54);

	(void)w;
	if (frame->data[11] != 1 || packet_u16(frame->data + 12) == ETHERNET_TYPE_ARP || packet_u16(tcp + 2) != PORT)
		return false;
	sniffing->port = packet_u16(tcp);
	sniffing->seq = packet_u32(tcp + TCP_AT_SEQ) + (tcp[TCP_AT_FLAGS] & SYN ? 1 : 0);
	sniffing->ack = packet_u32(tcp + TCP_AT_ACK);
	return false;
}

static void large_init(struct large *l, bool v6)
{
	*l = (struct large){.from = v6 ? wire_addr6(1) : wire_addr(1), .to = v6 ? wire_addr6(2) : wire_addr(2)};
	sniffing = l;
	wire_pair(&l->w);
	l->w.filter = sniff;
	l->listener = sock_listen(l->w.stacks[1], (struct addr){0}, PORT, NULL);
	l->client = sock_connect(l->w.stacks[0], l->to, PORT, NULL, l->w.now);
	ck_assert_ptr_nonnull(l->client);
	wire_run(&l->w, 500 * NSTIME_MS);
	l->server = sock_accept(l->listener);
	ck_assert_ptr_nonnull(l->server);
	ck_assert_uint_ne(l->port, 0);
}

static struct buf *tcp_frame(unsigned host, struct addr from, struct addr to, const struct segment *s)
{
	uint8_t *tcp = malloc(20 + s->text_len);
	size_t len = frame_tcp_write(tcp, from, to, s);
	struct buf *b =
		from.family == 6 ? frame_ip6(host, from, to, 6, tcp, len) : frame_ip(host, from, to, 6, 0, tcp, len);

	free(tcp);
	b->segment_bytes = MSS;
	b->checksum_good = true;
	return b;
}

/* The stream's bytes from `at` on, from client to server. */
static struct buf *text_frame(const struct large *l, uint32_t at, uint32_t len)
{
	uint8_t *text = malloc(len);
	struct segment s = {.src_port = l->port,
			    .dst_port = PORT,
			    .seq = l->seq + at,
			    .ack = l->ack,
			    .flags = ACK | PSH,
			    .window = 4096,
			    .text = text,
			    .text_len = len};
	struct buf *b;

	for (uint32_t i = 0; i < len; i++)
		text[i] = wire_byte(at + i);
	b = tcp_frame(2, l->from, l->to, &s);
	free(text);
	return b;
}

static void text_send(struct large *l, uint32_t at, uint32_t len)
{
	stack_input(l->w.stacks[1], 0, text_frame(l, at, len), l->w.now);
}

/* How many segments the server has sent since; the last acknowledged up to *acked of the stream. */
static unsigned acks_take(struct large *l, uint32_t *acked)
{
	struct buf *b;
	unsigned n = 0;
	int netif;

	while ((b = stack_output(l->w.stacks[1], &netif))) {
		*acked = packet_u32(b->data + (l->from.family == 6 ? 54 : 34) + TCP_AT_ACK) - l->seq;
		frame_verify(b);
		ck_assert(b->checksum_good);
		buf_free(b);
		n++;
	}
	return n;
}

/* The application has the stream's first `len` bytes, and no more. */
static void text_check(const struct large *l, size_t len)
{
	uint8_t *got = malloc(len + 1);

	ck_assert_uint_eq(sock_unread(l->server), len);
	ck_assert_uint_eq(sock_peek_copy(l->server, 0, got, len + 1), len);
	for (size_t i = 0; i < len; i++)
		if (got[i] != wire_byte(i))
			ck_abort_msg("byte %zu is wrong", i);
	free(got);
}

START_TEST(taken_whole)
{
	struct large l;
	uint32_t acked = 0;

	large_init(&l, _i);
	text_send(&l, 0, MANY);
	ck_assert_uint_eq(acks_take(&l, &acked), 1); /* at once, as several segments are */
	ck_assert_uint_eq(acked, MANY);
	text_check(&l, MANY);
	ck_assert_uint_eq(stack_counters(l.w.stacks[1])->segments_cut, 0);
	wire_fini(&l.w);
}
END_TEST

/* As one segment is not. */
START_TEST(one_segment_waits)
{
	struct large l;
	uint32_t acked = 0;

	large_init(&l, false);
	text_send(&l, 0, MSS);
	ck_assert_uint_eq(acks_take(&l, &acked), 0);
	text_send(&l, MSS, 2 * MSS);
	ck_assert_uint_eq(acks_take(&l, &acked), 1);
	ck_assert_uint_eq(acked, 3 * MSS);
	wire_fini(&l.w);
}
END_TEST

START_TEST(window_cuts)
{
	struct large l;
	uint32_t acked = 0;

	large_init(&l, _i);
	text_send(&l, 0, MANY);
	text_send(&l, MANY, MANY);
	ck_assert_uint_ge(acks_take(&l, &acked), 1);
	ck_assert_uint_eq(acked, 65535);
	text_check(&l, 65535);
	ck_assert_uint_eq(stack_counters(l.w.stacks[1])->segments_cut, 1);
	/* when there is room again, it goes on where it was cut; what lies before is known */
	sock_consume(l.server, 65535, l.w.now);
	text_send(&l, MANY, MANY);
	acks_take(&l, &acked);
	ck_assert_uint_eq(acked, 2 * MANY);
	ck_assert_uint_eq(sock_unread(l.server), 2 * MANY - 65535);
	wire_fini(&l.w);
}
END_TEST

START_TEST(out_of_order)
{
	struct large l;
	uint32_t acked = 0;

	large_init(&l, _i);
	text_send(&l, 40000, 20000);
	ck_assert_uint_eq(acks_take(&l, &acked), 1);
	ck_assert_uint_eq(acked, 0);
	text_send(&l, 19000, 22000);
	text_send(&l, 0, 20000);
	acks_take(&l, &acked);
	ck_assert_uint_eq(acked, MANY);
	text_check(&l, MANY);
	wire_fini(&l.w);
}
END_TEST

START_TEST(damaged)
{
	struct large l;
	struct buf *b;
	uint32_t acked = 0;

	large_init(&l, _i & 1);
	b = text_frame(&l, 0, MANY);
	b->data[50000] ^= 1;
	b->checksum_good = _i & 2; /* as it was before */
	b->corrupted = _i & 2;
	stack_input(l.w.stacks[1], 0, b, l.w.now);
	ck_assert_uint_eq(acks_take(&l, &acked), 0);
	text_check(&l, 0);
	wire_fini(&l.w);
}
END_TEST

/* ---- out of a stack ---- */

/* A client whose segments leave joined; the server's stack is not so made. Counts the large frames on the wire. */
struct joined {
	struct wire w;
	struct sock *listener, *client, *server;
	unsigned large, small; /* frames with text */
	unsigned lose;         /* so many of them are lost */
	size_t text;           /* bytes of it, each once */
	bool pushed;           /* the last had PSH */
};

static struct joined *counting;

/* Each large frame is one packet, with good checksums, and goes on to a stack that takes it. */
static bool joined_count(struct wire *w, const struct buf *frame)
{
	uint32_t l4 = frame->data[12] == 8 ? 34 : 54, text;

	(void)w;
	frame_verify(frame);
	if (frame->data[11] != 1 || packet_u16(frame->data + 12) == ETHERNET_TYPE_ARP ||
	    frame->data[l4 == 34 ? 23 : 20] != 6)
		return false;
	text = frame->len - l4 - tcp_header_len(frame->data + l4);
	if (!text)
		return false;
	*(frame->segment_bytes ? &counting->large : &counting->small) += 1;
	counting->text += text;
	counting->pushed = frame->data[l4 + TCP_AT_FLAGS] & PSH;
	ck_assert(frame->checksum_good);
	if (frame->segment_bytes)
		ck_assert_uint_gt(text, frame->segment_bytes);
	return counting->lose && counting->lose--;
}

static void joined_connect(struct joined *j, bool v6)
{
	j->client = sock_connect(j->w.stacks[0], v6 ? wire_addr6(2) : wire_addr(2), PORT, NULL, j->w.now);
	ck_assert_ptr_nonnull(j->client);
	wire_run(&j->w, 100 * NSTIME_MS);
	j->server = sock_accept(j->listener);
	ck_assert_ptr_nonnull(j->server);
}

static void joined_init(struct joined *j, bool v6)
{
	struct stack_config config = {.name = "client", .seed = 1, .join = true};

	*j = (struct joined){0};
	counting = j;
	wire_init(&j->w);
	j->w.stacks[0] = stack_new(&config, 0);
	ck_assert_int_eq(stack_netif_add(j->w.stacks[0], wire_mac(1), wire_addr(1), 24), 0);
	ck_assert_int_eq(stack_address_add(j->w.stacks[0], 0, wire_addr6(1), 64), 0);
	j->w.count = 1;
	wire_add(&j->w, "server", false);
	j->w.filter = joined_count;
	j->listener = sock_listen(j->w.stacks[1], (struct addr){0}, PORT, NULL);
	joined_connect(j, v6);
}

/* Sends the stream's bytes from `at` on, as many as are taken, in pieces of an odd number. */
static size_t joined_send(struct joined *j, size_t at, size_t end)
{
	uint8_t piece[4099];

	while (at < end) {
		size_t len = end - at < sizeof piece ? end - at : sizeof piece;
		long n;

		for (size_t i = 0; i < len; i++)
			piece[i] = wire_byte(at + i);
		n = sock_send(j->client, piece, len);
		ck_assert_int_ge(n, 0);
		if (!n)
			break;
		at += (size_t)n;
	}
	sock_flush(j->client, j->w.now);
	return at;
}

/* The server takes what there is, which goes on at `at`. */
static size_t joined_take(struct joined *j, size_t at)
{
	const uint8_t *bytes;
	size_t len;

	while ((bytes = sock_peek(j->server, &len)) && len) {
		for (size_t i = 0; i < len; i++)
			if (bytes[i] != wire_byte(at + i))
				ck_abort_msg("byte %zu is wrong", at + i);
		at += len;
		sock_consume(j->server, len, j->w.now);
	}
	return at;
}

START_TEST(leaves_joined)
{
	struct joined j;
	size_t sent = 0, taken = 0, end = 1000001;

	joined_init(&j, _i);
	while (taken < end) {
		sent = joined_send(&j, sent, end);
		wire_run(&j.w, 5 * NSTIME_MS);
		taken = joined_take(&j, taken);
	}
	ck_assert_uint_eq(sock_unread(j.server), 0);
	ck_assert_uint_eq(j.text, end);
	ck_assert(j.pushed);
	ck_assert_uint_ge(j.large, 1000001 / 65536);
	ck_assert_uint_le(j.large + j.small, 80);
	ck_assert_uint_ge(stack_counters(j.w.stacks[0])->packets_out, end / 1460); /* counted one by one */
	ck_assert_uint_eq(stack_counters(j.w.stacks[0])->retransmissions, 0);
	wire_fini(&j.w);
}
END_TEST

/* Segments that are sent again are counted, joined or not. */
START_TEST(lost_joined)
{
	struct joined j;
	size_t sent = 0, taken = 0, end = 200000, again;

	joined_init(&j, _i);
	while (taken < end) {
		sent = joined_send(&j, sent, end);
		wire_run(&j.w, 5 * NSTIME_MS);
		taken = joined_take(&j, taken);
		if (taken > 80000 && !j.lose && j.text < 150000)
			j.lose = 2;
	}
	again = j.text - end;
	ck_assert_uint_gt(again, 2 * 1460);
	ck_assert_uint_eq(stack_counters(j.w.stacks[0])->retransmissions, (again + 1459) / 1460);
	ck_assert_uint_eq(sock_retransmissions(j.client), (again + 1459) / 1460);
	wire_fini(&j.w);
}
END_TEST

/* Two connections send in turns: each frame is of one. */
START_TEST(two_connections)
{
	struct joined j, other;
	size_t sent[2] = {0, 0}, taken[2] = {0, 0}, end = 300000;

	joined_init(&j, false);
	other = j;
	joined_connect(&j, false);
	while (taken[0] < end || taken[1] < end) {
		for (size_t step = 3000; step <= end; step += 3000) {
			sent[0] = joined_send(&j, sent[0], step);
			sent[1] = joined_send(&other, sent[1], step);
		}
		wire_run(&j.w, 5 * NSTIME_MS);
		taken[0] = joined_take(&j, taken[0]);
		taken[1] = joined_take(&other, taken[1]);
	}
	ck_assert_uint_eq(j.text, 2 * end);
	wire_fini(&j.w);
}
END_TEST

/* Adds the stream's bytes from `at` on, when they are taken. */
static bool add_by_hand(const struct large *l, struct stack_large *joining, uint32_t n, uint32_t at, uint32_t len)
{
	struct buf *b = text_frame(l, at, len);
	uint32_t headers = b->len - len - 14, id = 77 + n; /* (all that frame_ip makes have 77) */
	bool taken = large_takes(joining, b->data + 14, b->len - 14, b->len - 14, (uint16_t)id);

	if (taken) {
		memcpy(large_room(joining), b->data + 14 + headers, len);
		large_add(joining, b->data + 14, b->len - 14);
	}
	buf_free(b);
	return taken;
}

/* As long as an IP packet can be; pushed when any was; and nothing follows the shorter last. */
START_TEST(joined_by_hand)
{
	struct large l;
	struct stack_large joining = {0};
	uint32_t at = 1000, n = 1, headers;
	struct buf *b;

	large_init(&l, _i & 1);
	b = text_frame(&l, 0, 1000);
	headers = b->len - 1000;
	b->segment_bytes = 0;
	b->data[headers - 20 + TCP_AT_FLAGS] = ACK;
	b->data[headers - 20 + TCP_AT_CHECKSUM + 1] = (uint8_t)(b->data[headers - 20 + TCP_AT_CHECKSUM + 1] + PSH);
	ck_assert(large_begin(&joining, b));
	ck_assert(!add_by_hand(&l, &joining, n, at, 1001));     /* longer */
	ck_assert(!add_by_hand(&l, &joining, n, at + 1, 1000)); /* a gap */
	while (n < (_i & 2 ? 3 : 100) && add_by_hand(&l, &joining, n, at, 1000)) {
		at += 1000;
		n++;
	}
	if (_i & 2) {
		ck_assert(add_by_hand(&l, &joining, n, at, 500));
		ck_assert(!add_by_hand(&l, &joining, n + 1, at + 500, 500));
		at += 500;
	} else {
		ck_assert_uint_eq(n, 65);
	}
	b = large_end(&joining);
	frame_verify(b);
	ck_assert_uint_eq(b->len, headers + at);
	ck_assert_uint_eq(b->segment_bytes, 1000);
	ck_assert_uint_eq(b->data[headers - 20 + TCP_AT_FLAGS], ACK | PSH);
	for (uint32_t i = 0; i < at; i++)
		if (b->data[headers + i] != wire_byte(i))
			ck_abort_msg("byte %u is wrong", i);
	buf_free(b);
	wire_fini(&l.w);
}
END_TEST

/* Behind text of an odd length nothing is added. */
START_TEST(odd_text_is_alone)
{
	struct large l;
	struct stack_large joining = {0};
	struct buf *b;

	large_init(&l, _i);
	b = text_frame(&l, 0, 1001);
	b->segment_bytes = 0;
	ck_assert(!large_begin(&joining, b));
	buf_free(b);
	b = text_frame(&l, 0, 1000);
	b->segment_bytes = 0;
	ck_assert(large_begin(&joining, b));
	ck_assert_ptr_eq(large_end(&joining), b);
	ck_assert_uint_eq(b->segment_bytes, 0);
	buf_free(b);
	wire_fini(&l.w);
}
END_TEST

/* ---- through a router ---- */

/* client 10.0.0.1, 2001:db8::1 - router (host 2) - any host behind it. */
struct routed {
	struct wire w;
	struct stack *router;
	struct addr from, to;
};

static void routed_init(struct routed *r, bool v6)
{
	wire_init(&r->w);
	wire_add(&r->w, "client", false);
	r->router = wire_add(&r->w, "router", true);
	r->from = v6 ? wire_addr6(1) : wire_addr(1);
	r->to = v6 ? (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb9, [15] = 7}} : addr_v4(0x0b000007);
	ck_assert_int_eq(stack_netif_add(r->router, wire_mac(3), addr_v4(0x0b000001), 24), 1);
	ck_assert_int_eq(stack_address_add(r->router, 1,
					   (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb9, [15] = 1}}, 64),
			 0);
}

/* What the router sends by its second interface; its neighbour is known by then. */
static struct buf *routed_output(struct routed *r)
{
	struct buf *b;
	int netif;

	while ((b = stack_output(r->router, &netif)) && netif != 1)
		buf_free(b);
	return b;
}

/* The next host says where it is: the answer to what it was asked. */
static void neighbour_tell(struct routed *r)
{
	struct buf *b;

	if (r->to.family == 6) {
		uint8_t icmp[32] = {ICMP6_TYPE_ADVERTISE, 0, 0, 0, 0x60};
		uint16_t sum;
		struct addr router = {.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb9, [15] = 1}};

		memcpy(icmp + 8, r->to.bytes, 16);
		icmp[24] = 2; /* the target's link-layer address */
		icmp[25] = 1;
		memcpy(icmp + 26, wire_mac(7).bytes, 6);
		sum = (uint16_t)~frame_sum(&r->to, &router, 58, icmp, sizeof icmp);
		memcpy(icmp + 2, &sum, 2);
		b = frame_ip6(3, r->to, router, 58, icmp, sizeof icmp);
		b->data[14 + IP6_AT_HOPS] = 255;
	} else {
		b = frame_arp(2, 7, r->to, addr_v4(0x0b000001), false);
		memcpy(b->data, wire_mac(3).bytes, 6);
	}
	stack_input(r->router, 1, b, r->w.now);
}

static struct buf *routed_frame(const struct routed *r, const uint8_t *text, uint16_t segment_bytes)
{
	struct segment s = {.src_port = 4000, .dst_port = PORT, .seq = 9, .flags = ACK, .text = text, .text_len = MANY};
	struct buf *b = tcp_frame(2, r->from, r->to, &s);

	b->segment_bytes = segment_bytes;
	return b;
}

START_TEST(forwarded_whole)
{
	static uint8_t text[MANY];
	struct routed r;
	struct buf *b, *want;

	routed_init(&r, _i);
	want = routed_frame(&r, text, MSS);
	stack_input(r.router, 0, buf_clone(want), r.w.now);
	buf_free(routed_output(&r)); /* who is it */
	neighbour_tell(&r);
	b = routed_output(&r);
	ck_assert_ptr_nonnull(b);
	frame_verify(b);
	ck_assert_uint_eq(b->len, want->len);
	ck_assert_uint_eq(b->segment_bytes, MSS);
	ck_assert(b->checksum_good);
	ck_assert_uint_eq(b->data[_i ? 14 + IP6_AT_HOPS : 14 + IP4_AT_TTL], 63);
	ck_assert_mem_eq(b->data + (_i ? 54 : 34), want->data + (_i ? 54 : 34), b->len - (_i ? 54 : 34));
	buf_free(b);
	/* below the stack too, as a forwarder does it */
	b = buf_clone(want);
	buf_pull(b, 14);
	stack_output_ip(r.router, b, 1, r.to, r.w.now);
	b = routed_output(&r);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->len, want->len);
	buf_free(b);
	buf_free(want);
	wire_fini(&r.w);
}
END_TEST

/* Segments that no link takes, and a packet that stands for itself. */
START_TEST(too_long)
{
	static uint8_t text[MANY];
	struct routed r;
	struct buf *b;
	uint16_t segment_bytes = _i & 2 ? 0 : 1500 - (_i & 1 ? 40 : 20) - 20 + 1;

	routed_init(&r, _i & 1);
	neighbour_tell(&r);
	b = routed_frame(&r, text, segment_bytes);
	if (!(_i & 1)) { /* (IPv6 packets are in no case cut on their way) */
		b->data[14 + IP4_AT_FRAGMENT] = 0x40;
		frame_ip_sum(b->data + 14);
	}
	stack_input(r.router, 0, b, r.w.now);
	ck_assert_ptr_null(routed_output(&r));
	b = routed_frame(&r, text, segment_bytes);
	buf_pull(b, 14);
	stack_output_ip(r.router, b, 1, r.to, r.w.now);
	ck_assert_ptr_null(routed_output(&r));
	ck_assert_uint_eq(stack_counters(r.router)->dropped[STACK_DROP_ROUTE], 1);
	wire_fini(&r.w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_large");
	TCase *all = tcase_create("stack_large");

	tcase_add_loop_test(all, taken_whole, 0, 2);
	tcase_add_test(all, one_segment_waits);
	tcase_add_loop_test(all, window_cuts, 0, 2);
	tcase_add_loop_test(all, out_of_order, 0, 2);
	tcase_add_loop_test(all, damaged, 0, 4);
	tcase_add_loop_test(all, leaves_joined, 0, 2);
	tcase_add_loop_test(all, lost_joined, 0, 2);
	tcase_add_test(all, two_connections);
	tcase_add_loop_test(all, joined_by_hand, 0, 4);
	tcase_add_loop_test(all, odd_text_is_alone, 0, 2);
	tcase_add_loop_test(all, forwarded_whole, 0, 2);
	tcase_add_loop_test(all, too_long, 0, 4);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
