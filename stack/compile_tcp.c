/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"
#include "stack/compile.h"
#include "stack/internal.h"
#include "stack/ticks.h"

#include <string.h>

static uint16_t flags_of(const struct tcp_pcb *pcb)
{
	uint16_t flags = 0;

	if (pcb->flags & TF_INFR)
		flags |= CONN_TCP_FAST_RECOVERY;
	if (pcb->flags & TF_RTO)
		flags |= CONN_TCP_RTO_RECOVERY;
	if (pcb->flags & TF_NODELAY)
		flags |= CONN_TCP_NODELAY;
	if (pcb->flags & TF_WND_SCALE)
		flags |= CONN_TCP_WINDOW_SCALE;
	if (pcb->flags & TF_CLOSEPEND)
		flags |= CONN_TCP_CLOSE_PENDING;
	if (pcb->flags & TF_FIN)
		flags |= CONN_TCP_FIN_QUEUED;
	if (ip_get_option(pcb, SOF_KEEPALIVE))
		flags |= CONN_TCP_KEEPALIVE;
	if (pcb->rttest)
		flags |= CONN_TCP_RTT_TIMING;
	return flags;
}

static void receiver(const struct tcp_pcb *pcb, struct conn_tcp *t)
{
	t->rcv_nxt = pcb->rcv_nxt;
	t->rcv_wnd = pcb->rcv_wnd;
	t->rcv_ann_wnd = pcb->rcv_ann_wnd;
	t->rcv_ann_right_edge = pcb->rcv_ann_right_edge;
	t->rcv_scale = pcb->rcv_scale;
	t->snd_scale = pcb->snd_scale;
}

static void sender(const struct tcp_pcb *pcb, struct conn_tcp *t)
{
	t->mss = pcb->mss;
	t->snd_una = pcb->lastack;
	t->snd_nxt = pcb->snd_nxt;
	t->snd_lbb = pcb->snd_lbb;
	t->snd_wl1 = pcb->snd_wl1;
	t->snd_wl2 = pcb->snd_wl2;
	t->snd_wnd = pcb->snd_wnd;
	t->snd_wnd_max = pcb->snd_wnd_max;
	t->cwnd = pcb->cwnd;
	t->ssthresh = pcb->ssthresh;
	t->bytes_acked = pcb->bytes_acked;
	t->dupacks = pcb->dupacks;
	t->rto_end = pcb->flags & TF_RTO ? pcb->rto_end : 0;
	t->unsent_spare = pcb->unsent_oversize;
}

static void timers(const struct tcp_pcb *pcb, struct conn_tcp *t)
{
	t->srtt_us = pcb->sa * SRTT_US;
	t->rttvar_us = pcb->sv * RTTV_US;
	t->rto_us = (uint32_t)pcb->rto * TICK_US;
	t->rtx_age_us = pcb->rtime < 0 ? -1 : (int64_t)pcb->rtime * TICK_US;
	if (pcb->rttest) {
		t->rtt_age_us = (pcb->rttest - 1) * TICK_US;
		t->rtt_seq = pcb->rtseq;
	}
	t->rtx_count = pcb->nrtx;
	t->idle_us = (uint64_t)pcb->tmr * TICK_US;
	t->persist_backoff = pcb->persist_backoff;
	if (pcb->persist_backoff)
		t->persist_age_us = (uint32_t)pcb->persist_cnt * TICK_US;
	t->persist_probes = pcb->persist_probe;
	t->keep_idle_ms = pcb->keep_idle;
	t->keep_interval_ms = pcb->keep_intvl;
	t->keep_count = pcb->keep_cnt;
	t->keep_probes = pcb->keep_cnt_sent;
}

/* One queue. Segments to send have their header in network order and their data at the end of the pbuf; those received
 * out of order have the header in host order and nothing but data in the pbuf. */
static int queue(const struct tcp_seg *seg, bool received, struct conn_state *out, size_t *count)
{
	for (; seg; seg = seg->next) {
		const uint32_t seq = received ? seg->tcphdr->seqno : lwip_ntohl(seg->tcphdr->seqno);
		const uint8_t known = received ? CONN_SEGMENT_FIN : CONN_SEGMENT_KNOWN;
		const uint16_t skip = received ? 0 : (uint16_t)(seg->p->tot_len - seg->len);
		uint8_t *room;

		if (conn_segment_count(out) >= CONN_SEGMENTS_MAX || seg->len > CONN_DATA_MAX - out->data.len)
			return E_FULL;
		room = conn_state_segment_add(out, seq, seg->len, TCPH_FLAGS(seg->tcphdr) & known);
		if (seg->len)
			pbuf_copy_partial(seg->p, room, seg->len, skip);
		(*count)++;
	}
	return 0;
}

/* lwIP does not count a FIN that it put on a segment that was queued already. Behind a FIN nothing is buffered, so
 * the place of the next byte is what it ought to be. */
static void fin_counted(struct conn_state *out)
{
	const size_t queued = out->unacked_count + out->unsent_count;

	if (!(out->tcp.flags & CONN_TCP_FIN_QUEUED))
		return;
	if (!queued)
		out->tcp.snd_lbb = out->tcp.snd_nxt;
	/* not always the last: a fast retransmission puts an earlier segment behind it */
	for (size_t n = queued; n-- > 0;)
		if (out->segments[n].flags & CONN_SEGMENT_FIN) {
			out->tcp.snd_lbb = out->segments[n].seq + out->segments[n].len + 1;
			return;
		}
}

int compile_tcp(const struct sock *k, struct conn_state *out, nstime now)
{
	const struct tcp_pcb *pcb = k->pcb;
	struct conn_tcp *t = &out->tcp;
	int err;

	t->local_port = pcb->local_port;
	t->remote_port = pcb->remote_port;
	t->state = (uint8_t)pcb->state;
	t->flags = flags_of(pcb);
	receiver(pcb, t);
	sender(pcb, t);
	timers(pcb, t);
	err = queue(pcb->unacked, false, out, &out->unacked_count);
	if (!err)
		err = queue(pcb->unsent, false, out, &out->unsent_count);
	if (!err)
		err = queue(pcb->ooseq, true, out, &out->ooseq_count);
	if (err)
		return err;
	fin_counted(out);
	TRACE(k->stack->trace, now, TRACE_COMPILE_TCP, TF_U64("local_port", t->local_port),
	      TF_U64("remote_port", t->remote_port), TF_U64("state", t->state), TF_U64("unacked", out->unacked_count),
	      TF_U64("unsent", out->unsent_count), TF_U64("ooseq", out->ooseq_count));
	return 0;
}
