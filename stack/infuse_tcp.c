/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/checksum.h"
#include "base/err.h"
#include "stack/infuse.h"
#include "stack/internal.h"
#include "stack/packet.h"
#include "stack/ticks.h"

#include <string.h>

_Static_assert((int)CONN_ESTABLISHED == (int)ESTABLISHED && (int)CONN_FIN_WAIT_1 == (int)FIN_WAIT_1 &&
		       (int)CONN_FIN_WAIT_2 == (int)FIN_WAIT_2 && (int)CONN_CLOSE_WAIT == (int)CLOSE_WAIT &&
		       (int)CONN_CLOSING == (int)CLOSING && (int)CONN_LAST_ACK == (int)LAST_ACK,
	       "the states have lwIP's numbers");

/* Whether this lwIP can hold the state; that it would bear it, conn_state_validate saw to. */
static bool supported(const struct conn_state *s)
{
	const uint32_t headers = (s->ip.local.family == 6 ? IP6_HEADER_LEN : IP4_HEADER_MIN) + TCP_HEADER_MIN;
	uint32_t bytes = 0;

	for (size_t i = 0; i < s->unacked_count + s->unsent_count; i++)
		bytes += s->segments[i].len;
	return s->tcp.mss <= STACK_MTU - headers && s->tcp.rcv_wnd <= TCP_WND && bytes <= TCP_SND_BUF;
}

static void flags_to(struct tcp_pcb *pcb, const struct conn_state *s)
{
	const uint16_t flags = s->tcp.flags;
	tcpflags_t f = 0;

	if (flags & CONN_TCP_FAST_RECOVERY)
		f |= TF_INFR;
	if (flags & CONN_TCP_RTO_RECOVERY)
		f |= TF_RTO;
	if (flags & CONN_TCP_NODELAY)
		f |= TF_NODELAY;
	if (flags & CONN_TCP_WINDOW_SCALE)
		f |= TF_WND_SCALE;
	if (flags & CONN_TCP_CLOSE_PENDING)
		f |= TF_CLOSEPEND;
	if (flags & CONN_TCP_FIN_QUEUED)
		f |= TF_FIN;
	if (s->socket.flags & CONN_SOCKET_SHUT_READ)
		f |= TF_RXCLOSED;
	pcb->flags = f;
	if (flags & CONN_TCP_KEEPALIVE)
		ip_set_option(pcb, SOF_KEEPALIVE);
}

static void receiver(struct tcp_pcb *pcb, const struct conn_tcp *t)
{
	pcb->rcv_nxt = t->rcv_nxt;
	pcb->rcv_wnd = t->rcv_wnd;
	pcb->rcv_ann_wnd = t->rcv_ann_wnd;
	pcb->rcv_ann_right_edge = t->rcv_ann_right_edge;
	pcb->rcv_scale = t->rcv_scale;
	pcb->snd_scale = t->snd_scale;
}

static void sender(struct tcp_pcb *pcb, const struct conn_tcp *t)
{
	pcb->mss = t->mss;
	pcb->lastack = t->snd_una;
	pcb->snd_nxt = t->snd_nxt;
	pcb->snd_lbb = t->snd_lbb;
	pcb->snd_wl1 = t->snd_wl1;
	pcb->snd_wl2 = t->snd_wl2;
	pcb->snd_wnd = t->snd_wnd;
	pcb->snd_wnd_max = t->snd_wnd_max;
	pcb->cwnd = t->cwnd;
	pcb->ssthresh = t->ssthresh;
	pcb->bytes_acked = t->bytes_acked;
	pcb->dupacks = t->dupacks;
	pcb->rto_end = t->rto_end;
	pcb->unsent_oversize = t->unsent_spare;
}

/* Another stack's times need not be whole ticks: the time-out is rounded up. The bounds of conn_state_validate are such
 * that every number of ticks fits where lwIP keeps it. */
static void timers(struct tcp_pcb *pcb, const struct conn_tcp *t)
{
	if (t->srtt_us < 0) {
		pcb->sa = 0;
		pcb->sv = RTTV_INITIAL;
	} else {
		const int sv = t->rttvar_us / RTTV_US;
		pcb->sa = (s16_t)(t->srtt_us / SRTT_US);
		pcb->sv = (s16_t)(sv > RTTV_MIN ? sv : RTTV_MIN);
	}
	pcb->rto = (s16_t)(((uint64_t)t->rto_us + TICK_US - 1) / TICK_US);
	pcb->rtime = t->rtx_age_us < 0 ? -1 : (s16_t)(t->rtx_age_us / TICK_US);
	pcb->rttest = 0;
	if (t->flags & CONN_TCP_RTT_TIMING) {
		pcb->rttest = t->rtt_age_us / TICK_US + 1;
		pcb->rtseq = t->rtt_seq;
	}
	pcb->nrtx = t->rtx_count;
	pcb->tmr = (u32_t)(t->idle_us / TICK_US);
	pcb->persist_backoff = t->persist_backoff;
	pcb->persist_cnt = t->persist_backoff ? (u8_t)(t->persist_age_us / TICK_US) : 0;
	pcb->persist_probe = t->persist_probes;
	pcb->keep_idle = t->keep_idle_ms;
	pcb->keep_intvl = t->keep_interval_ms;
	pcb->keep_cnt = t->keep_count;
	pcb->keep_cnt_sent = t->keep_probes;
}

/* A segment in a pbuf of its own, `spare` bytes longer than it says, and room for lower headers if it is to be sent.
 * The header stands before the data; the pbuf begins at the data. */
static struct tcp_seg *segment_new(pbuf_layer layer, uint16_t len, uint16_t spare)
{
	struct tcp_seg *seg = memp_malloc(MEMP_TCP_SEG);
	struct pbuf *p;

	if (!seg)
		return NULL;
	p = pbuf_alloc(layer, (u16_t)(TCP_HLEN + len + spare), PBUF_RAM);
	if (!p) {
		memp_free(MEMP_TCP_SEG, seg);
		return NULL;
	}
	p->len = p->tot_len = (u16_t)(TCP_HLEN + len);
	seg->next = NULL;
	seg->p = p;
	seg->len = len;
	seg->flags = 0;
	seg->chksum = 0;
	seg->chksum_swapped = 0;
	seg->tcphdr = p->payload;
	return seg;
}

struct tcp_seg *stack_segment_make(const struct tcp_pcb *pcb, uint32_t seq, const uint8_t *text, uint16_t len,
				   uint8_t flags, uint16_t spare)
{
	struct tcp_seg *seg = segment_new(PBUF_IP, len, spare);
	struct tcp_hdr *h;

	if (!seg)
		return NULL;
	h = seg->tcphdr;
	h->src = lwip_htons(pcb->local_port);
	h->dest = lwip_htons(pcb->remote_port);
	h->seqno = lwip_htonl(seq);
	h->ackno = 0;
	TCPH_HDRLEN_FLAGS_SET(h, TCP_HLEN / 4, flags);
	h->wnd = 0;
	h->chksum = 0;
	h->urgp = 0;
	if (len) {
		const uint16_t sum = checksum_copy(h + 1, text, len);
		seg->chksum = len & 1 ? (u16_t)((u32_t)sum << 8 | sum >> 8) : sum;
		seg->chksum_swapped = len & 1;
		seg->flags = TF_SEG_DATA_CHECKSUMMED;
	}
	return seg;
}

/* One received out of order: header in host order, the pbuf begins at the data. */
static struct tcp_seg *segment_received(const struct tcp_pcb *pcb, const struct conn_state *s,
					const struct conn_segment *g)
{
	struct tcp_seg *seg = segment_new(PBUF_RAW, g->len, 0);
	struct tcp_hdr *h;

	if (!seg)
		return NULL;
	h = seg->tcphdr;
	memset(h, 0, sizeof(*h));
	h->src = pcb->remote_port;
	h->dest = pcb->local_port;
	h->seqno = g->seq;
	TCPH_HDRLEN_FLAGS_SET(h, TCP_HLEN / 4, g->flags | TCP_ACK);
	if (g->len)
		memcpy(h + 1, s->data.data + g->offset, g->len);
	pbuf_remove_header(seg->p, TCP_HLEN);
	return seg;
}

static int queues(struct tcp_pcb *pcb, const struct conn_state *s)
{
	const size_t queued = s->unacked_count + s->unsent_count, count = conn_segment_count(s);
	struct tcp_seg **tail = &pcb->unacked;
	uint32_t bytes = 0;

	for (size_t i = 0; i < count; i++) {
		const struct conn_segment *g = &s->segments[i];
		struct tcp_seg *seg;
		if (i == s->unacked_count)
			tail = &pcb->unsent;
		if (i == queued)
			tail = &pcb->ooseq;
		if (i < queued) {
			seg = stack_segment_make(pcb, g->seq, g->len ? s->data.data + g->offset : NULL, g->len,
						 g->flags, i + 1 == queued ? s->tcp.unsent_spare : 0);
			bytes += g->len;
		} else {
			seg = segment_received(pcb, s, g);
		}
		if (!seg)
			return E_FULL;
		*tail = seg;
		tail = &seg->next;
	}
	pcb->snd_queuelen = (u16_t)queued;
	pcb->snd_buf = TCP_SND_BUF - bytes;
	return 0;
}

int infuse_tcp(struct sock *k, const struct conn_state *state, nstime now)
{
	const struct conn_tcp *t = &state->tcp;
	struct tcp_pcb *pcb;

	if (!supported(state))
		return E_UNSUPPORTED;
	pcb = tcp_new_ip_type(state->ip.local.family == 6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);
	if (!pcb)
		return E_FULL;
	pcb->local_port = t->local_port;
	pcb->remote_port = t->remote_port;
	pcb->state = (enum tcp_state)t->state;
	flags_to(pcb, state);
	receiver(pcb, t);
	sender(pcb, t);
	timers(pcb, t);
	sock_attach(k, pcb);
	if (queues(pcb, state)) {
		sock_pcb_discard(k);
		return E_FULL;
	}
	TRACE(k->stack->trace, now, TRACE_INFUSE_TCP, TF_U64("local_port", t->local_port),
	      TF_U64("remote_port", t->remote_port), TF_U64("state", t->state), TF_U64("unacked", state->unacked_count),
	      TF_U64("unsent", state->unsent_count), TF_U64("ooseq", state->ooseq_count));
	return 0;
}
