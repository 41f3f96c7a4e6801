/* SPDX-License-Identifier: BSD-3-Clause */
/* What test_blob_fields does with an infused connection to see how it behaves: a scripted peer, an application, and a
 * digest of all that comes out. */
#ifndef BATON_TESTS_UNIT_BLOB_FIELDS_PROBES_H
#define BATON_TESTS_UNIT_BLOB_FIELDS_PROBES_H

#include "base/checksum.h"
#include "base/cursor.h"
#include "stack/socket.h"
#include "stack/stack.h"
#include "tests/unit/blob_fields_bases.h"

#define ETHERNET 14U

struct world {
	struct stack *stack;
	struct sock *k;
	nstime now;
	uint64_t digest;
	const struct conn_state *base; /* the unchanged state: what the peer believes */
};

static void mix(struct world *w, const void *p, size_t n)
{
	const uint8_t *bytes = p;

	for (size_t i = 0; i < n; i++)
		w->digest = (w->digest ^ bytes[i]) * 0x100000001b3U;
}

static void mix_number(struct world *w, uint64_t v)
{
	mix(w, &v, sizeof(v));
}

/* The peer answers ARP. */
static void answer_arp(struct world *w, const uint8_t *request)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct buf *b = buf_alloc(ETHERNET + 28);
	uint8_t *p = buf_push(b, 0);

	b->len = ETHERNET + 28;
	memcpy(p, request + 6, 6);
	memcpy(p + 6, mac, 6);
	memcpy(p + 12, request + 12, 8);
	store_be16(p + 20, 2);
	memcpy(p + 22, mac, 6);
	memcpy(p + 28, request + 38, 4);
	memcpy(p + 32, request + 22, 10);
	stack_input(w->stack, 0, b, w->now);
}

/* Puts what came out of the stack into the digest. */
static void drain(struct world *w)
{
	struct sock *k;
	struct buf *b;
	unsigned ready;
	int netif;

	while ((b = stack_output(w->stack, &netif))) {
		if (load_be16(b->data + 12) == 0x0806) {
			if (load_be16(b->data + 20) == 1 && load_be32(b->data + 38) == PEER)
				answer_arp(w, b->data);
		} else {
			mix_number(w, w->now);
			mix(w, b->data + ETHERNET, b->len - ETHERNET);
		}
		buf_free(b);
	}
	while ((k = sock_next_ready(w->stack, &ready)))
		mix_number(w, ready);
	if (!w->k)
		return;
	mix_number(w, sock_unread(w->k));
	mix_number(w, sock_eof(w->k));
	mix_number(w, (uint64_t)sock_error(w->k));
}

static void wait_for(struct world *w, nstime duration)
{
	const nstime end = w->now + duration;

	drain(w);
	for (nstime at; (at = stack_expiry(w->stack)) <= end;) {
		w->now = at > w->now ? at : w->now;
		stack_expire(w->stack, w->now);
		drain(w);
	}
	w->now = end;
}

/* A segment from the peer; seq counts from the base's rcv_nxt, ack from its snd_una; the window is unscaled. */
static void peer(struct world *w, int64_t seq, int64_t ack, uint32_t window, uint8_t flags, uint16_t len)
{
	const struct conn_state *s = w->base;
	struct buf *b = buf_alloc(40U + len);
	uint8_t *ip = buf_push(b, 0), *tcp = ip + 20;
	uint16_t sum;
	uint8_t pseudo[12] = {0};

	b->len = 40U + len;
	memset(ip, 0, 40);
	ip[0] = 0x45;
	store_be16(ip + 2, (uint16_t)b->len);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, s->ip.remote.bytes, 4);
	memcpy(ip + 16, s->ip.local.bytes, 4);
	sum = (uint16_t)~checksum_sum(ip, 20);
	memcpy(ip + 10, &sum, 2);
	store_be16(tcp, s->tcp.remote_port);
	store_be16(tcp + 2, s->tcp.local_port);
	store_be32(tcp + 4, (uint32_t)(s->tcp.rcv_nxt + seq));
	store_be32(tcp + 8, (uint32_t)(s->tcp.snd_una + ack));
	tcp[12] = 0x50;
	tcp[13] = (uint8_t)(flags | 0x10);
	store_be16(tcp + 14, (uint16_t)(window >> s->tcp.snd_scale));
	for (uint16_t i = 0; i < len; i++)
		tcp[20 + i] = (uint8_t)(seq + i);
	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = 6;
	store_be16(pseudo + 10, (uint16_t)(20 + len));
	sum = checksum_add(checksum_sum(pseudo, 12), checksum_sum(tcp, 20U + len));
	sum = (uint16_t)~sum;
	memcpy(tcp + 16, &sum, 2);
	stack_input_ip(w->stack, b, w->now);
	drain(w);
}

static void app_write(struct world *w, size_t len)
{
	static uint8_t bytes[32768];
	long taken;

	if (!w->k)
		return;
	memset(bytes, 'w', len);
	taken = sock_send(w->k, bytes, len);
	mix_number(w, (uint64_t)taken);
	sock_flush(w->k, w->now);
	drain(w);
}

static void app_read(struct world *w, size_t most)
{
	uint8_t bytes[65536];
	size_t n;

	if (!w->k)
		return;
	n = sock_peek_copy(w->k, 0, bytes, most < sizeof(bytes) ? most : sizeof(bytes));
	mix(w, bytes, n);
	sock_consume(w->k, n, w->now);
	drain(w);
}

static void app_shut(struct world *w)
{
	if (w->k)
		mix_number(w, (uint64_t)sock_shutdown_write(w->k, w->now));
	drain(w);
}

static void app_close(struct world *w)
{
	sock_close(w->k, w->now);
	w->k = NULL;
	drain(w);
}

/* ---- probes ---- */

/* Bytes that the peer has not acknowledged, as it believes. */
static int64_t flight(const struct world *w)
{
	return (int64_t)(w->base->tcp.snd_nxt - w->base->tcp.snd_una);
}

static void probe_time(struct world *w)
{
	wait_for(w, 300 * NSTIME_S);
}

static void probe_acks(struct world *w)
{
	for (int64_t ack = MSS; ack <= flight(w); ack += MSS) {
		peer(w, 0, ack, w->base->tcp.snd_wnd, 0, 0);
		wait_for(w, 100 * NSTIME_MS);
	}
	peer(w, 0, flight(w), w->base->tcp.snd_wnd, 0, 0);
	wait_for(w, 60 * NSTIME_S);
}

/* Two segments at a time. */
static void probe_double_acks(struct world *w)
{
	for (int64_t ack = 2 * MSS; ack <= 16 * MSS; ack += 2 * MSS) {
		peer(w, 0, ack, 60000, 0, 0);
		wait_for(w, 100 * NSTIME_MS);
	}
	wait_for(w, 20 * NSTIME_S);
}

/* All but the last segment, with ticks between them. */
static void probe_slow_acks(struct world *w)
{
	for (int64_t ack = MSS; ack < flight(w); ack += MSS) {
		peer(w, 0, ack, w->base->tcp.snd_wnd, 0, 0);
		wait_for(w, 1200 * NSTIME_MS);
	}
	wait_for(w, 60 * NSTIME_S);
}

static void probe_ack_write(struct world *w)
{
	wait_for(w, 800 * NSTIME_MS);
	peer(w, 0, flight(w), 30000, 0, 0);
	app_write(w, 100);
	app_write(w, 20000);
	for (int64_t ack = flight(w) + MSS; ack < flight(w) + 24 * MSS; ack += MSS) {
		wait_for(w, 300 * NSTIME_MS);
		peer(w, 0, ack, 30000, 0, 0);
	}
	wait_for(w, 30 * NSTIME_S);
}

static void probe_dupacks(struct world *w)
{
	for (int i = 0; i < 4; i++) {
		wait_for(w, 10 * NSTIME_MS);
		peer(w, 0, 0, w->base->tcp.snd_wnd, 0, 0);
	}
	wait_for(w, 100 * NSTIME_MS);
	peer(w, 0, MSS, w->base->tcp.snd_wnd, 0, 0);
	wait_for(w, 100 * NSTIME_MS);
	peer(w, 0, flight(w), w->base->tcp.snd_wnd, 0, 0);
	app_write(w, 12000);
	wait_for(w, 30 * NSTIME_S);
}

static void probe_data(struct world *w)
{
	peer(w, 0, 0, w->base->tcp.snd_wnd, 8, 1000);
	wait_for(w, 300 * NSTIME_MS);
	peer(w, 1500, 0, w->base->tcp.snd_wnd, 8, 500);
	app_read(w, 65536);
	peer(w, 2700, 0, w->base->tcp.snd_wnd, 1, 0);
	wait_for(w, NSTIME_S);
	app_read(w, 65536);
	wait_for(w, 20 * NSTIME_S);
}

static void probe_out_of_order(struct world *w)
{
	peer(w, 3000, 0, w->base->tcp.snd_wnd, 8, 1000);
	wait_for(w, 2500 * NSTIME_MS);
	peer(w, 0, 0, w->base->tcp.snd_wnd, 8, 1000);
	wait_for(w, 22 * NSTIME_S);
	peer(w, 1000, 0, w->base->tcp.snd_wnd, 8, 1000);
	peer(w, 2000, 0, w->base->tcp.snd_wnd, 8, 1000);
	app_read(w, 65536);
	wait_for(w, 20 * NSTIME_S);
}

/* Old data is processed late enough for the queue's age to matter. */
static void probe_wait_then_data(struct world *w)
{
	wait_for(w, 1500 * NSTIME_MS);
	peer(w, 0, 0, w->base->tcp.snd_wnd, 8, 2500);
	app_read(w, 65536);
	wait_for(w, 20 * NSTIME_S);
}

static void probe_window(struct world *w)
{
	peer(w, 0, flight(w), 0, 0, 0);
	app_write(w, 3000);
	wait_for(w, 60 * NSTIME_S);
	peer(w, 0, flight(w), 304, 0, 0);
	wait_for(w, 60 * NSTIME_S);
	peer(w, 0, flight(w) + 304, 65000, 0, 0);
	wait_for(w, 5 * NSTIME_S);
}

/* Segments that say the same or old things about the window. */
static void probe_old_window(struct world *w)
{
	peer(w, -1, 0, 8000, 0, 0);
	app_write(w, 30000);
	wait_for(w, 100 * NSTIME_MS);
	peer(w, 0, 0, 12000, 0, 0);
	wait_for(w, 100 * NSTIME_MS);
	peer(w, 0, flight(w), 9000, 0, 0);
	wait_for(w, 5 * NSTIME_S);
}

/* An application that writes little by little. */
static void probe_nagle(struct world *w)
{
	for (int i = 0; i < 6; i++) {
		app_write(w, 150);
		wait_for(w, 50 * NSTIME_MS);
	}
	app_read(w, 10);
	app_shut(w);
	wait_for(w, NSTIME_S);
	peer(w, 0, flight(w) + 900, 20000, 0, 0);
	wait_for(w, 200 * NSTIME_S);
}

/* Data up to the edge of the window, and beyond. */
static void probe_edge(struct world *w)
{
	const struct conn_tcp *t = &w->base->tcp;

	peer(w, (int64_t)t->rcv_wnd - 1, 0, t->snd_wnd, 8, 1);
	peer(w, (int64_t)t->rcv_wnd, 0, t->snd_wnd, 8, 1);
	for (int64_t seq = 0; seq < 60000; seq += 1000)
		peer(w, seq, 0, t->snd_wnd, 8, 1000);
	wait_for(w, NSTIME_S);
	for (int i = 0; i < 60; i++)
		app_read(w, 1000);
	wait_for(w, 20 * NSTIME_S);
}

static void probe_small_reads(struct world *w)
{
	for (int i = 0; i < 30; i++)
		app_read(w, 10);
	peer(w, 0, flight(w), w->base->tcp.snd_wnd, 0, 100);
	peer(w, 100, flight(w), w->base->tcp.snd_wnd, 0, 100);
	wait_for(w, NSTIME_S);
}

static void probe_close(struct world *w)
{
	app_read(w, 65536);
	app_close(w);
	wait_for(w, NSTIME_S);
	peer(w, 0, flight(w), 20000, 0, 0);
	peer(w, 0, flight(w) + 1, 20000, 0, 0);
	wait_for(w, 5 * NSTIME_S);
	peer(w, 0, flight(w) + 1, 20000, 1, 0);
	wait_for(w, 200 * NSTIME_S);
}

static void probe_abandon(struct world *w)
{
	app_close(w);
	wait_for(w, 30 * NSTIME_S);
}

static void (*const probes[])(struct world *) = {
	probe_time, probe_acks,         probe_double_acks,    probe_slow_acks, probe_ack_write,  probe_dupacks,
	probe_data, probe_out_of_order, probe_wait_then_data, probe_window,    probe_old_window, probe_nagle,
	probe_edge, probe_small_reads,  probe_close,          probe_abandon,
};
#define PROBES (sizeof(probes) / sizeof(probes[0]))

#endif
