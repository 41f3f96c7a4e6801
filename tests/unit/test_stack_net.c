/* SPDX-License-Identifier: BSD-3-Clause */
/* Below TCP: neighbours, routes, forwarding, VIPs, ICMP, and the switching of lwIP's state. */
#include "base/err.h"
#include "stack/hooks.h"
#include "stack/image.h"
#include "stack/route.h"
#include "tests/unit/stack_frames.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 80

/* What one stack sends, frame by frame. */
static struct buf *sent(struct wire *w, unsigned i)
{
	int netif;
	struct buf *b = stack_output(w->stacks[i], &netif);
	if (b)
		frame_verify(b);
	return b;
}

static unsigned sent_discard(struct wire *w, unsigned i)
{
	struct buf *b;
	unsigned count = 0;
	while ((b = sent(w, i))) {
		buf_free(b);
		count++;
	}
	return count;
}

static void single(struct wire *w)
{
	wire_init(w);
	wire_add(w, "one", false);
}

static struct buf *packet_to(struct addr dst)
{
	struct buf *b = frame_ip(1, wire_addr(1), dst, 17, 0, "payload", 8);
	buf_pull(b, 14);
	return b;
}

START_TEST(library)
{
	ck_assert_int_eq(stack_library_check(), 0);
	ck_assert_int_eq(stack_library_check(), 0);
	ck_assert(hooks_in_force(true));
	ck_assert(image_tail_intact());
}
END_TEST

/* A variable that no instance has touched so far moves with the first that does: the others keep their own. */
START_TEST(line_found_late)
{
	struct image a, b, fresh;
	uint8_t *variable = dlsym(RTLD_DEFAULT, "udp_pcbs");
	ck_assert_int_eq(image_setup(), 0);
	ck_assert_ptr_nonnull(variable);
	image_init(&a);
	image_init(&b);
	image_enter(&b);
	image_enter(&a);
	ck_assert_uint_eq(*variable, 0);
	*variable = 1;
	image_enter(&b);
	ck_assert_uint_eq(*variable, 0);
	*variable = 2;
	image_enter(&a);
	ck_assert_uint_eq(*variable, 1);
	image_fini(&a);
	image_init(&fresh);
	image_enter(&fresh);
	ck_assert_uint_eq(*variable, 0);
	image_enter(&b);
	ck_assert_uint_eq(*variable, 2);
	image_fini(&b);
	image_enter(&fresh);
	ck_assert_uint_eq(*variable, 0);
	image_fini(&fresh);
}
END_TEST

/* A child that changes what belongs to the library's sockets API, which no instance uses and is not switched between
 * instances, ends with a message: when the instance is freed (0), or at a look in passing (1). In the parent nothing
 * has changed. */
START_TEST(tail_changed)
{
	char said[200] = "";
	size_t len = 0;
	ssize_t n;
	int ends[2], status;
	pid_t child;
	ck_assert_int_eq(image_setup(), 0);
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child) {
		struct wire w;
		uint8_t *tail = dlsym(RTLD_DEFAULT, "lock_tcpip_core");
		dup2(ends[1], STDERR_FILENO);
		wire_pair(&w);
		if (!tail || !image_tail_intact())
			_exit(0);
		tail[0] ^= 1;
		for (unsigned i = 0; _i && i < 20000; i++)
			sock_listen(w.stacks[i % 2], addr_v4(1), PORT, NULL);
		if (!_i)
			stack_free(w.stacks[0]);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
	ck_assert_msg(strstr(said, "instances are no longer apart"), "it said: %s", said);
	ck_assert(image_tail_intact());
}
END_TEST

#define OUTPUT_MAX 65536U /* frames, as doc/limits.md says */

/* Frames that nobody pulls do not pile up without end. */
START_TEST(output_is_bounded)
{
	struct wire w;
	struct addr host = wire_addr(100);
	struct buf *b;
	unsigned queued = 0;

	single(&w);
	stack_output_ip(w.stacks[0], packet_to(host), 0, host, w.now);
	stack_input(w.stacks[0], 0, frame_arp(2, 100, host, wire_addr(1), 0), w.now);
	while ((b = sent(&w, 0)))
		buf_free(b);
	for (unsigned i = 0; i < OUTPUT_MAX + 3; i++)
		stack_output_ip(w.stacks[0], packet_to(host), 0, host, w.now);
	ck_assert_uint_eq(stack_counters(w.stacks[0])->dropped[STACK_DROP_OUTPUT], 3);
	ck_assert_str_eq(stack_drop_name(STACK_DROP_OUTPUT), "output");
	while ((b = sent(&w, 0))) {
		queued++;
		buf_free(b);
	}
	ck_assert_uint_eq(queued, OUTPUT_MAX);
	wire_fini(&w);
}
END_TEST

/* 64 neighbours, 100 packets each in turn: one request a neighbour. */
START_TEST(neighbours_do_not_thrash)
{
	struct wire w;
	unsigned requests = 0, packets = 0;
	struct buf *b;
	single(&w);
	for (unsigned round = 0; round < 100; round++)
		for (unsigned host = 100; host < 164; host++) {
			stack_output_ip(w.stacks[0], packet_to(wire_addr(host)), 0, wire_addr(host), w.now);
			while ((b = sent(&w, 0))) {
				if (b->data[13] == 6) {
					requests++;
					stack_input(w.stacks[0], 0,
						    frame_arp(2, host, wire_addr(host), wire_addr(1), 0), w.now);
				} else {
					packets++;
					ck_assert_uint_eq(b->data[5], host);
				}
				buf_free(b);
			}
			w.now += NSTIME_MS;
		}
	ck_assert_uint_eq(requests, 64);
	ck_assert_uint_eq(packets, 6400);
	wire_fini(&w);
}
END_TEST

START_TEST(neighbour_silent)
{
	struct wire w;
	single(&w);
	for (unsigned i = 0; i < 100; i++)
		stack_output_ip(w.stacks[0], packet_to(wire_addr(50)), -1, wire_addr(50), w.now);
	ck_assert_uint_eq(wire_holdings(&w, 0).frames, 1 + 64);
	ck_assert_uint_eq(stack_counters(w.stacks[0])->dropped[STACK_DROP_NEIGHBOUR], 36);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_S);
	wire_run(&w, 60 * NSTIME_S);
	ck_assert_uint_eq(w.frames, 4); /* requests */
	ck_assert_uint_eq(stack_counters(w.stacks[0])->dropped[STACK_DROP_NEIGHBOUR], 100);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	ck_assert_uint_eq(wire_holdings(&w, 0).frames, 0);
	wire_fini(&w);
}
END_TEST

static unsigned answers(struct wire *w, struct buf *frame)
{
	stack_input(w->stacks[0], 0, frame, w->now);
	return sent_discard(w, 0);
}

START_TEST(arp_answers)
{
	struct wire w;
	struct addr vip = addr_v4(0xc0000250), proxied = wire_addr(200);
	struct buf *b;
	single(&w);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], vip, 0, (struct addr){0}), 0);
	stack_address_proxy(w.stacks[0], 0, proxied);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(1), true)), 1);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), proxied, true)), 1);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), vip, true)), 0);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(3), true)), 0);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(1), wire_addr(1), true)), 0); /* a conflict */
	ck_assert_uint_eq(answers(&w, frame_arp(2, 9, wire_addr(9), wire_addr(1), false)), 0);
	ck_assert_uint_eq(answers(&w, frame_arp(3, 9, wire_addr(9), wire_addr(1), false)), 0);
	b = frame_arp(1, 9, wire_addr(9), wire_addr(1), true);
	b->len = 41;
	ck_assert_uint_eq(answers(&w, b), 0);
	/* a probe (RFC 5227) is answered and not learnt */
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, addr_v4(0), wire_addr(1), true)), 1);
	/* who asked is known, without a request */
	stack_output_ip(w.stacks[0], packet_to(wire_addr(9)), 0, wire_addr(9), w.now);
	b = sent(&w, 0);
	ck_assert_uint_eq(b->data[13], 0);
	buf_free(b);
	wire_fini(&w);
}
END_TEST

/* RFC 826: an announcement updates an entry, it makes none. */
START_TEST(arp_gratuitous)
{
	struct wire w;
	struct buf *b;
	single(&w);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(9), true)), 0);
	stack_output_ip(w.stacks[0], packet_to(wire_addr(9)), 0, wire_addr(9), w.now);
	b = sent(&w, 0);
	ck_assert_uint_eq(b->data[13], 6); /* it has to ask */
	buf_free(b);
	ck_assert_uint_eq(answers(&w, frame_arp(2, 9, wire_addr(9), wire_addr(1), false)), 1); /* the packet goes */
	stack_input(w.stacks[0], 0, frame_arp(1, 8, wire_addr(9), wire_addr(9), true), w.now);
	stack_output_ip(w.stacks[0], packet_to(wire_addr(9)), 0, wire_addr(9), w.now);
	b = sent(&w, 0);
	ck_assert_uint_eq(b->data[13], 6); /* another Ethernet address now: is it so? */
	ck_assert_uint_eq(b->data[5], 0xff);
	buf_free(b);
	b = sent(&w, 0);
	ck_assert_uint_eq(b->data[13], 0);
	ck_assert_uint_eq(b->data[5], 8);
	buf_free(b);
	wire_fini(&w);
}
END_TEST

/* A forged announcement holds until its owner answers; whoever goes on forging makes us ask once a second. */
START_TEST(arp_forged)
{
	struct wire w;
	struct buf *b;
	single(&w);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(1), true)), 1);
	ck_assert_uint_eq(answers(&w, frame_arp(2, 8, wire_addr(9), wire_addr(1), false)), 1);
	for (unsigned i = 0; i < 10; i++) {
		ck_assert_uint_eq(answers(&w, frame_arp(2, 9, wire_addr(9), wire_addr(1), false)), 0);
		stack_output_ip(w.stacks[0], packet_to(wire_addr(9)), 0, wire_addr(9), w.now);
		b = sent(&w, 0);
		ck_assert_uint_eq(b->data[5], 9);
		buf_free(b);
		ck_assert_uint_eq(answers(&w, frame_arp(2, 8, wire_addr(9), wire_addr(1), false)), 0);
	}
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	w.now += NSTIME_S;
	ck_assert_uint_eq(answers(&w, frame_arp(2, 9, wire_addr(9), wire_addr(1), false)), 1);
	wire_fini(&w);
}
END_TEST

/* An old entry is confirmed by a unicast request, and dropped when nobody answers. */
START_TEST(arp_ages)
{
	struct wire w;
	struct buf *b;
	single(&w);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(1), true)), 1);
	wire_run(&w, 301 * NSTIME_S);
	stack_output_ip(w.stacks[0], packet_to(wire_addr(9)), 0, wire_addr(9), w.now);
	b = sent(&w, 0);
	ck_assert_uint_eq(b->data[13], 6);
	ck_assert_uint_eq(b->data[5], 9);
	buf_free(b);
	ck_assert_uint_eq(sent_discard(&w, 0), 1);
	wire_run(&w, 10 * NSTIME_S);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	stack_output_ip(w.stacks[0], packet_to(wire_addr(9)), 0, wire_addr(9), w.now);
	b = sent(&w, 0);
	ck_assert_uint_eq(b->data[5], 0xff);
	buf_free(b);
	wire_fini(&w);
}
END_TEST

START_TEST(routes)
{
	struct route_table t = {0};
	struct route r = {.prefix = addr_v4(0), .prefix_len = 0, .netif = 0};
	struct addr a = addr_v4(0x0a010203);
	ck_assert_ptr_null(route_find(&t, &a));
	ck_assert_int_eq(route_add(&t, &r), 0);
	ck_assert_int_eq(route_find(&t, &a)->netif, 0);
	r = (struct route){.prefix = addr_v4(0x0a010000), .prefix_len = 16, .netif = 2};
	ck_assert_int_eq(route_add(&t, &r), 0);
	ck_assert_int_eq(route_find(&t, &a)->netif, 2); /* what was found last counts no more */
	ck_assert_int_eq(route_find(&t, &a)->netif, 2);
	r = (struct route){.prefix = addr_v4(0x0a000000), .prefix_len = 8, .netif = 1};
	ck_assert_int_eq(route_add(&t, &r), 0);
	r = (struct route){.prefix = addr_v4(0x0a010203), .prefix_len = 32, .netif = 3};
	ck_assert_int_eq(route_add(&t, &r), 0);
	ck_assert_int_eq(route_find(&t, &a)->netif, 3);
	a = addr_v4(0x0a010204);
	ck_assert_int_eq(route_find(&t, &a)->netif, 2);
	a = addr_v4(0x0a020204);
	ck_assert_int_eq(route_find(&t, &a)->netif, 1);
	a = addr_v4(0x0b020204);
	ck_assert_int_eq(route_find(&t, &a)->netif, 0);
	r.prefix_len = 33;
	ck_assert_int_eq(route_add(&t, &r), E_INVAL);
	route_table_fini(&t);
}
END_TEST

/* client 10.0.0.1 - router 10.0.0.2, 10.1.0.2 - server 10.1.0.1 */
struct routed {
	struct wire w; /* for its counts and its clock only */
	struct stack *client, *router, *server;
	unsigned forwarded;
};

static const struct addr none;

static void routed_init(struct routed *r)
{
	struct stack_config config = {.name = "server", .seed = 1};
	*r = (struct routed){0};
	wire_init(&r->w);
	r->client = wire_add(&r->w, "client", false);
	r->router = wire_add(&r->w, "router", true);
	ck_assert_int_eq(stack_netif_add(r->router, wire_mac(3), addr_v4(0x0a010002), 24), 1);
	r->server = r->w.stacks[r->w.count++] = stack_new(&config, 0);
	stack_netif_add(r->server, wire_mac(4), addr_v4(0x0a010001), 24);
	ck_assert_int_eq(stack_route_add(r->client, none, 0, 0, wire_addr(2)), E_INVAL); /* a prefix has a family */
	ck_assert_int_eq(stack_route_add(r->client, addr_v4(0), 0, 0, wire_addr(2)), 0);
	ck_assert_int_eq(stack_route_add(r->server, addr_v4(0), 0, 0, addr_v4(0x0a010002)), 0);
}

static void routed_carry(struct routed *r)
{
	struct buf *b;
	int netif;
	for (bool any = true; any;) {
		any = false;
		while ((b = stack_output(r->client, &netif))) {
			frame_verify(b);
			stack_input(r->router, 0, b, r->w.now);
			any = true;
		}
		while ((b = stack_output(r->server, &netif))) {
			frame_verify(b);
			stack_input(r->router, 1, b, r->w.now);
			any = true;
		}
		while ((b = stack_output(r->router, &netif))) {
			frame_verify(b);
			if (b->data[13] == 0 && b->data[14 + IP4_AT_PROTOCOL] == 6) {
				r->forwarded++;
				ck_assert_uint_eq(b->data[14 + IP4_AT_TTL], 254); /* lwIP's 255 less one */
			}
			stack_input(netif ? r->server : r->client, 0, b, r->w.now);
			any = true;
		}
	}
}

START_TEST(router)
{
	struct routed r;
	struct sock *listener, *k, *peer;
	char text[4000] = "through";
	routed_init(&r);
	listener = sock_listen(r.server, none, PORT, NULL);
	k = sock_connect(r.client, addr_v4(0x0a010001), PORT, NULL, 0);
	routed_carry(&r);
	peer = sock_accept(listener);
	ck_assert_ptr_nonnull(peer);
	ck_assert_int_eq(sock_send(k, text, sizeof(text)), sizeof(text));
	sock_flush(k, 0);
	routed_carry(&r);
	ck_assert_uint_eq(sock_unread(peer), sizeof(text));
	ck_assert_uint_ge(r.forwarded, 6);
	/* no route */
	stack_input(r.router, 0, frame_ip(2, wire_addr(1), addr_v4(0x0b000001), 17, 0, "x", 1), 0);
	ck_assert_uint_eq(stack_counters(r.router)->dropped[STACK_DROP_ROUTE], 1);
	/* a broadcast of the next network is not forwarded (RFC 2644) */
	stack_input(r.router, 0, frame_ip(2, wire_addr(1), addr_v4(0x0a0100ff), 17, 0, "x", 1), 0);
	ck_assert_uint_eq(stack_counters(r.router)->dropped[STACK_DROP_ROUTE], 2);
	/* a host forwards nothing */
	stack_input(r.client, 0, frame_ip(1, wire_addr(7), addr_v4(0x0a010001), 17, 0, "x", 1), 0);
	ck_assert_uint_eq(stack_counters(r.client)->dropped[STACK_DROP_ROUTE], 1);
	wire_fini(&r.w);
}
END_TEST

/* What the fast path leaves to lwIP: an expired TTL is told by ICMP, IP options are carried on. */
START_TEST(router_exceptions)
{
	struct routed r;
	struct buf *b, *packet;
	int netif;
	routed_init(&r);
	stack_input(r.router, 0, frame_arp(2, 1, wire_addr(1), wire_addr(2), true), 0);
	packet = frame_ip(2, wire_addr(1), addr_v4(0x0a010001), 17, 0, "datagram", 8);
	packet->data[14 + IP4_AT_TTL] = 1;
	frame_ip_sum(packet->data + 14);
	stack_input(r.router, 0, packet, 0);
	b = stack_output(r.router, &netif);
	ck_assert_ptr_nonnull(b);
	frame_verify(b);
	ck_assert_uint_eq(b->data[14 + IP4_AT_PROTOCOL], 1);
	ck_assert_uint_eq(b->data[34], 11); /* time exceeded */
	buf_free(b);
	packet = frame_ip(2, wire_addr(1), addr_v4(0x0a010001), 17, 0, "\1\1\1\1data", 8);
	packet->data[14] = 0x46; /* four bytes of options */
	frame_ip_sum(packet->data + 14);
	stack_input(r.router, 0, packet, 0);
	b = stack_output(r.router, &netif);
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(netif, 1);
	ck_assert_uint_eq(b->data[13], 6); /* a request for the server */
	buf_free(b);
	wire_fini(&r.w);
}
END_TEST

/* The library's memory, by the names that it calls. */
void *mem_malloc(size_t size);
void mem_free(void *p);

/* Memory of segments is kept for the next: each block is as large as it must be, and nobody else's. */
START_TEST(segment_memory)
{
	static uint8_t *blocks[1200];
	uint64_t held = stack_blocks_outstanding();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 1200; i++) {
			size_t size = 1000 + (i * 7 + round * 300) % 1000;
			blocks[i] = mem_malloc(size);
			memset(blocks[i], (int)(i & 255), size);
		}
		for (unsigned i = 0; i < 1200; i++) {
			size_t size = 1000 + (i * 7 + round * 300) % 1000;
			for (size_t k = 0; k < size; k++)
				if (blocks[i][k] != (i & 255))
					ck_abort_msg("block %u is another's", i);
			mem_free(blocks[i]);
		}
		ck_assert_uint_eq(stack_blocks_outstanding(), held);
	}
}
END_TEST

/* Server with a VIP whose packets leave by way of stacks[2], a router; the client sends the VIP's packets to it
 * directly. */
START_TEST(vip_next_hop)
{
	struct wire w;
	struct addr vip = addr_v4(0xc0000250);
	struct sock *listener, *k, *peer;
	struct tuple t, connection;
	uint64_t out;
	wire_pair(&w);
	wire_add(&w, "router", true);
	ck_assert_int_eq(stack_vip_add(w.stacks[1], vip, 0, wire_addr(3)), 0);
	ck_assert_int_eq(stack_vip_add(w.stacks[1], vip, 0, wire_addr(3)), E_EXISTS);
	ck_assert_int_eq(stack_route_add(w.stacks[0], vip, 32, 0, wire_addr(2)), 0);
	listener = sock_listen(w.stacks[1], vip, PORT, NULL);
	ck_assert_ptr_nonnull(listener);
	out = stack_counters(w.stacks[2])->packets_out;
	k = sock_connect(w.stacks[0], vip, PORT, NULL, w.now);
	connection = sock_tuple(k);
	wire_run(&w, 50 * NSTIME_MS);
	peer = sock_accept(listener);
	ck_assert_ptr_nonnull(peer);
	ck_assert(wire_ready(&w, k) & SOCK_CONNECTED);
	ck_assert_uint_gt(stack_counters(w.stacks[2])->packets_out, out + 1); /* SYN-ACK went that way */
	t = sock_tuple(peer);
	ck_assert(addr_equal(&t.local, &vip) && addr_equal(&t.remote, &connection.local));
	ck_assert(stack_tuple_known(w.stacks[1], &t));
	/* its end is told once, when TIME_WAIT is entered */
	ck_assert(!stack_next_closed(w.stacks[1], &t));
	sock_close(peer, w.now);
	wire_run(&w, 50 * NSTIME_MS);
	ck_assert(!stack_next_closed(w.stacks[1], &t));
	sock_close(k, w.now);
	wire_run(&w, 50 * NSTIME_MS);
	ck_assert(stack_next_closed(w.stacks[1], &t));
	ck_assert_uint_eq(t.remote_port, connection.local_port);
	ck_assert(!stack_next_closed(w.stacks[1], &t));
	ck_assert(!stack_next_closed(w.stacks[0], &t));
	wire_run(&w, 200 * NSTIME_S);
	ck_assert(!stack_next_closed(w.stacks[1], &t));
	/* a refusal from the VIP goes the same way */
	out = stack_counters(w.stacks[2])->packets_out;
	k = sock_connect(w.stacks[0], vip, PORT + 1, NULL, w.now);
	wire_run(&w, 50 * NSTIME_MS);
	ck_assert_int_eq(sock_error(k), E_REFUSED);
	ck_assert_uint_gt(stack_counters(w.stacks[2])->packets_out, out);
	wire_fini(&w);
}
END_TEST

/* A VIP by the routing table; a listener on any address; packets handed in without Ethernet. */
START_TEST(vip_any_listener)
{
	struct wire w;
	struct addr vip = addr_v4(0xc0000250);
	struct sock *listener;
	struct segment syn = {.src_port = 1000, .dst_port = PORT, .seq = 5, .flags = SYN, .window = 1000};
	struct buf *b;
	single(&w);
	ck_assert_int_eq(stack_vip_add(w.stacks[0], vip, 0, none), 0);
	listener = sock_listen(w.stacks[0], none, PORT, NULL);
	ck_assert_ptr_nonnull(listener);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(1), true)), 1);
	b = frame_tcp(1, wire_addr(9), vip, &syn);
	buf_pull(b, 14);
	stack_input_ip(w.stacks[0], b, w.now);
	b = sent(&w, 0);
	ck_assert_ptr_nonnull(b);
	ck_assert_mem_eq(b->data + 14 + IP4_AT_SRC, vip.bytes, 4);
	ck_assert_uint_eq(b->data[34 + 13], SYN | ACK);
	buf_free(b);
	wire_fini(&w);
}
END_TEST

START_TEST(ping)
{
	struct wire w;
	uint8_t echo[64] = {8};
	uint16_t sum = (uint16_t)~checksum_sum(echo, sizeof(echo));
	struct buf *b;
	memcpy(echo + 2, &sum, 2);
	single(&w);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(1), true)), 1);
	stack_input(w.stacks[0], 0, frame_ip(1, wire_addr(9), wire_addr(1), 1, 0, echo, sizeof(echo)), 0);
	b = sent(&w, 0);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq(b->data[34], 0);
	ck_assert_uint_eq(b->len, 34 + sizeof(echo));
	ck_assert_uint_eq(checksum_sum(b->data + 34, sizeof(echo)), 0xffff);
	buf_free(b);
	wire_fini(&w);
}
END_TEST

/* A datagram in fragments is put together; one that stays incomplete is let go, and the timer with it. */
START_TEST(fragments)
{
	struct wire w;
	uint8_t echo[3000] = {8};
	uint16_t sum = (uint16_t)~checksum_sum(echo, sizeof(echo));
	memcpy(echo + 2, &sum, 2);
	single(&w);
	ck_assert_uint_eq(answers(&w, frame_arp(1, 9, wire_addr(9), wire_addr(1), true)), 1);
	stack_input(w.stacks[0], 0, frame_ip(1, wire_addr(9), wire_addr(1), 1, 1480 / 8, echo + 1480, 1520), 0);
	ck_assert_uint_eq(sent_discard(&w, 0), 0);
	stack_input(w.stacks[0], 0, frame_ip(1, wire_addr(9), wire_addr(1), 1, 0x2000, echo, 1480), 0);
	ck_assert_uint_eq(sent_discard(&w, 0), 3); /* the reply, in fragments of at most 1500 bytes */
	stack_input(w.stacks[0], 0, frame_ip(1, wire_addr(9), wire_addr(1), 1, 0x2000, echo, 1480), 0);
	ck_assert_uint_ne(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	wire_run(&w, 60 * NSTIME_S);
	ck_assert_uint_eq(stack_expiry(w.stacks[0]), NSTIME_NEVER);
	ck_assert_uint_eq(buf_outstanding(), w.bufs);
	wire_fini(&w);
}
END_TEST

START_TEST(bad_frames)
{
	struct wire w;
	struct buf *b;
	const uint64_t *dropped;
	single(&w);
	dropped = stack_counters(w.stacks[0])->dropped;
	b = frame_ip(2, wire_addr(9), wire_addr(1), 17, 0, "x", 1); /* another's Ethernet address */
	ck_assert_uint_eq(answers(&w, b), 0);
	b = frame_ip(1, wire_addr(9), wire_addr(1), 17, 0, "x", 1);
	packet_u16_put(b->data + 12, 0x8100); /* a VLAN's tag */
	ck_assert_uint_eq(answers(&w, b), 0);
	b = frame_ip(1, wire_addr(9), wire_addr(1), 17, 0, "x", 1);
	b->len = 13;
	ck_assert_uint_eq(answers(&w, b), 0);
	ck_assert_uint_eq(dropped[STACK_DROP_FRAME], 3);
	b = frame_ip(1, wire_addr(9), wire_addr(1), 17, 0, "x", 1);
	b->data[14 + IP4_AT_TTL]++; /* checksum */
	ck_assert_uint_eq(answers(&w, b), 0);
	b = frame_ip(1, wire_addr(9), wire_addr(1), 17, 0, "x", 1);
	packet_u16_put(b->data + 14 + IP4_AT_LENGTH, 22);
	frame_ip_sum(b->data + 14);
	ck_assert_uint_eq(answers(&w, b), 0);
	ck_assert_uint_eq(answers(&w, frame_ip(1, wire_addr(1), wire_addr(1), 17, 0, "x", 1)), 0); /* from ourselves */
	ck_assert_uint_eq(answers(&w, frame_ip(1, addr_v4(0x7f000001), wire_addr(1), 17, 0, "x", 1)), 0);
	ck_assert_uint_eq(answers(&w, frame_ip(1, addr_v4(0xe0000001), wire_addr(1), 17, 0, "x", 1)), 0);
	ck_assert_uint_eq(dropped[STACK_DROP_HEADER], 5);
	ck_assert_uint_eq(answers(&w, frame_ip(1, wire_addr(9), wire_addr(3), 17, 0, "x", 1)), 0);
	ck_assert_uint_eq(dropped[STACK_DROP_ROUTE], 1);
	ck_assert_uint_eq(stack_counters(w.stacks[0])->packets_in, 9);
	wire_fini(&w);
}
END_TEST

/* A node talks to itself without its packets leaving it. */
START_TEST(loopback)
{
	struct wire w;
	struct sock *listener, *k, *peer;
	single(&w);
	listener = sock_listen(w.stacks[0], none, PORT, NULL);
	k = sock_connect(w.stacks[0], wire_addr(1), PORT, NULL, 0);
	ck_assert_ptr_nonnull(k);
	peer = sock_accept(listener);
	ck_assert_ptr_nonnull(peer);
	ck_assert_int_eq(sock_send(k, "self", 4), 4);
	sock_flush(k, 0);
	ck_assert_uint_eq(sock_unread(peer), 4);
	ck_assert_uint_eq(sent_discard(&w, 0), 0);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_net");
	TCase *tc = tcase_create("net");
	tcase_add_test(tc, library);
	tcase_add_test(tc, line_found_late);
	tcase_add_loop_test(tc, tail_changed, 0, 2);
	tcase_add_test(tc, output_is_bounded);
	tcase_add_test(tc, neighbours_do_not_thrash);
	tcase_add_test(tc, neighbour_silent);
	tcase_add_test(tc, arp_answers);
	tcase_add_test(tc, arp_gratuitous);
	tcase_add_test(tc, arp_forged);
	tcase_add_test(tc, arp_ages);
	tcase_add_test(tc, routes);
	tcase_add_test(tc, router);
	tcase_add_test(tc, router_exceptions);
	tcase_add_test(tc, segment_memory);
	tcase_add_test(tc, vip_next_hop);
	tcase_add_test(tc, vip_any_listener);
	tcase_add_test(tc, ping);
	tcase_add_test(tc, fragments);
	tcase_add_test(tc, bad_frames);
	tcase_add_test(tc, loopback);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
