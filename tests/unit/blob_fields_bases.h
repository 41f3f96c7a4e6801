/* SPDX-License-Identifier: BSD-3-Clause */
/* The states from which test_blob_fields changes one field at a time: together they hold every field in a place where
 * it matters. */
#ifndef BATON_TESTS_UNIT_BLOB_FIELDS_BASES_H
#define BATON_TESTS_UNIT_BLOB_FIELDS_BASES_H

#include "base/conn.h"

#include <string.h>

#define VIP  0x0a000050U
#define PEER 0x0a000001U
#define PORT 80
#define RCV  0x10000000U /* rcv_nxt of the base states */
#define SND  0x20000000U /* snd_una */
#define MSS  1000U

static void segment(struct conn_state *s, size_t *count, uint32_t seq, uint16_t len, uint8_t flags)
{
	uint8_t *p = conn_state_segment_add(s, seq, len, flags);

	++*count;
	for (uint16_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seq + i * 7U);
}

static void unacked(struct conn_state *s, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		segment(s, &s->unacked_count, SND + i * MSS, MSS, i + 1 == count ? CONN_SEGMENT_PSH : 0);
	s->tcp.snd_nxt = s->tcp.snd_lbb = SND + count * MSS;
	s->tcp.rtx_age_us = 500000;
}

static void unsent(struct conn_state *s, unsigned count, uint16_t last, uint16_t spare)
{
	for (unsigned i = 0; i < count; i++)
		segment(s, &s->unsent_count, s->tcp.snd_lbb + i * MSS, i + 1 == count ? last : MSS, 0);
	s->tcp.snd_lbb += (count - 1) * MSS + last;
	s->tcp.unsent_spare = spare;
}

static void ooseq(struct conn_state *s, uint8_t last_flags)
{
	segment(s, &s->ooseq_count, RCV + 1000, 500, 0);
	segment(s, &s->ooseq_count, RCV + 2000, 700, last_flags);
}

static void established(struct conn_state *s, uint32_t unread)
{
	conn_state_clear(s);
	memset(vec_append(&s->data, NULL, unread), 'u', unread);
	s->socket.unread = unread;
	s->ip.local = addr_v4(VIP);
	s->ip.remote = addr_v4(PEER);
	s->ip.ttl = 64;
	s->ip.tos = 8;
	s->tcp = (struct conn_tcp){.local_port = PORT,
				   .remote_port = 4000,
				   .state = CONN_ESTABLISHED,
				   .flags = CONN_TCP_WINDOW_SCALE,
				   .rcv_nxt = RCV,
				   .rcv_wnd = 50000,
				   .rcv_ann_wnd = 49000,
				   .rcv_ann_right_edge = RCV + 49000,
				   .rcv_scale = 1,
				   .snd_scale = 3,
				   .mss = MSS,
				   .snd_una = SND,
				   .snd_nxt = SND,
				   .snd_lbb = SND,
				   .snd_wl1 = RCV,
				   .snd_wl2 = SND,
				   .snd_wnd = 20000,
				   .snd_wnd_max = 24000,
				   .cwnd = 10000,
				   .ssthresh = 8000,
				   .srtt_us = 1000000,
				   .rttvar_us = 500000,
				   .rto_us = 3000000,
				   .rtx_age_us = -1,
				   .idle_us = 1000000,
				   .keep_idle_ms = 7200000,
				   .keep_interval_ms = 75000,
				   .keep_count = 9};
}

static void base_idle(struct conn_state *s)
{
	established(s, 300);
}

static void base_full(struct conn_state *s)
{
	established(s, 300);
	unacked(s, 3);
	unsent(s, 2, 400, 300);
	ooseq(s, 0);
	s->tcp.flags |= CONN_TCP_RTT_TIMING;
	s->tcp.rtt_seq = SND + 1000;
	s->tcp.rtt_age_us = 1000000;
	s->tcp.dupacks = 2;
	s->tcp.bytes_acked = 9500;
}

static void base_slow_start(struct conn_state *s)
{
	established(s, 0);
	s->tcp.cwnd = 2000;
	s->tcp.ssthresh = 6000;
	unacked(s, 2);
	unsent(s, 16, MSS, 0);
}

static void base_fast_recovery(struct conn_state *s)
{
	established(s, 0);
	s->tcp.flags |= CONN_TCP_FAST_RECOVERY;
	s->tcp.dupacks = 3;
	s->tcp.rtx_count = 1;
	s->tcp.cwnd = 6000;
	s->tcp.ssthresh = 3000;
	unacked(s, 4);
	unsent(s, 8, MSS, 0);
}

static void base_rto_recovery(struct conn_state *s)
{
	established(s, 0);
	s->tcp.flags |= CONN_TCP_RTO_RECOVERY;
	s->tcp.rtx_count = 2;
	s->tcp.cwnd = 1000;
	s->tcp.ssthresh = 40000;
	s->tcp.rto_us = 12000000;
	unacked(s, 1);
	unsent(s, 14, MSS, 0);
	s->tcp.snd_nxt = SND + 6000;
	s->tcp.rto_end = SND + 6000;
}

static void base_persist(struct conn_state *s)
{
	established(s, 100);
	unsent(s, 3, 600, 100);
	s->tcp.snd_wnd = 0;
	s->tcp.persist_backoff = 3;
	s->tcp.persist_age_us = 1500000;
	s->tcp.persist_probes = 2;
}

static void base_persist_small(struct conn_state *s)
{
	base_persist(s);
	s->tcp.snd_wnd = 304;
}

/* A peer whose largest window was small: segments are at most half of it. */
static void base_small_window(struct conn_state *s)
{
	established(s, 0);
	s->tcp.snd_wnd = 1200;
	s->tcp.snd_wnd_max = 1400;
}

static void base_keepalive(struct conn_state *s)
{
	established(s, 0);
	s->tcp.flags |= CONN_TCP_KEEPALIVE;
	s->tcp.keep_idle_ms = 10000;
	s->tcp.keep_interval_ms = 3000;
	s->tcp.keep_count = 4;
	s->tcp.keep_probes = 1;
	s->tcp.idle_us = 11000000;
}

static void base_ooseq_old(struct conn_state *s)
{
	established(s, 0);
	ooseq(s, CONN_SEGMENT_FIN);
	s->tcp.idle_us = 16000000;
}

/* Our FIN is queued behind `count` segments. */
static void fin(struct conn_state *s, uint8_t state, unsigned count)
{
	unacked(s, count);
	s->segments[count - 1].flags |= CONN_SEGMENT_FIN;
	s->tcp.snd_nxt++;
	s->tcp.snd_lbb++;
	s->tcp.state = state;
	s->tcp.flags |= CONN_TCP_FIN_QUEUED;
	s->socket.flags |= CONN_SOCKET_SHUT_WRITE;
}

static void base_fin_wait_1(struct conn_state *s)
{
	established(s, 200);
	fin(s, CONN_FIN_WAIT_1, 2);
}

static void base_fin_wait_2(struct conn_state *s)
{
	established(s, 200);
	s->tcp.state = CONN_FIN_WAIT_2;
	s->tcp.flags |= CONN_TCP_FIN_QUEUED;
	s->socket.flags |= CONN_SOCKET_SHUT_WRITE | CONN_SOCKET_SHUT_READ;
	s->tcp.idle_us = 15000000;
}

static void base_close_wait(struct conn_state *s)
{
	established(s, 200);
	s->tcp.state = CONN_CLOSE_WAIT;
	s->socket.flags |= CONN_SOCKET_EOF;
	unacked(s, 2);
}

static void base_closing(struct conn_state *s)
{
	established(s, 200);
	fin(s, CONN_CLOSING, 2);
	s->socket.flags |= CONN_SOCKET_EOF;
}

static void base_last_ack(struct conn_state *s)
{
	established(s, 0);
	fin(s, CONN_LAST_ACK, 1);
	s->socket.flags |= CONN_SOCKET_EOF;
}

/* Closing is pending: the queue had no room for the FIN. */
static void base_close_pending(struct conn_state *s)
{
	established(s, 0);
	s->tcp.flags |= CONN_TCP_CLOSE_PENDING;
	s->socket.flags |= CONN_SOCKET_SHUT_WRITE;
	unacked(s, 1);
}

static const struct {
	const char *name;
	void (*make)(struct conn_state *s);
} bases[] = {
	{"idle", base_idle},
	{"full", base_full},
	{"slow start", base_slow_start},
	{"fast recovery", base_fast_recovery},
	{"RTO recovery", base_rto_recovery},
	{"persist", base_persist},
	{"persist, small window", base_persist_small},
	{"small window", base_small_window},
	{"keepalive", base_keepalive},
	{"out of order, old", base_ooseq_old},
	{"FIN_WAIT_1", base_fin_wait_1},
	{"FIN_WAIT_2", base_fin_wait_2},
	{"CLOSE_WAIT", base_close_wait},
	{"CLOSING", base_closing},
	{"LAST_ACK", base_last_ack},
	{"close pending", base_close_pending},
};
#define BASES (sizeof(bases) / sizeof(bases[0]))

#endif
