/* SPDX-License-Identifier: BSD-3-Clause */
/* Each check below returns the name of the field that makes no sense, or NULL. The rules come from what TCP allows
 * (RFC 793, 7323) and from what lwIP 2.1.3 asserts or divides by (tcp.c, tcp_in.c, tcp_out.c). */
#include "base/conn.h"

#include "base/err.h"

static bool tcp_fin_received(const struct conn_tcp *t)
{
	return t->state == CONN_CLOSE_WAIT || t->state == CONN_CLOSING || t->state == CONN_LAST_ACK;
}

/* Whether a is between low and high in sequence space. Precondition: high is not before low. */
static bool seq_within(uint32_t a, uint32_t low, uint32_t high)
{
	return a - low <= high - low;
}

/* The sequence numbers a segment occupies. */
static uint32_t segment_span(const struct conn_segment *g)
{
	return g->len + (g->flags & CONN_SEGMENT_FIN ? 1U : 0U);
}

static bool addr_unicast(const struct addr *a)
{
	uint8_t any = 0;

	for (size_t i = 0; i < addr_len(a); i++)
		any |= a->bytes[i];
	for (size_t i = addr_len(a); i < sizeof a->bytes; i++)
		if (a->bytes[i])
			return false;
	if (a->family == 4) /* "this network"; multicast, reserved and broadcast */
		return a->bytes[0] != 0 && a->bytes[0] < 224;
	return a->family == 6 && any && a->bytes[0] != 0xff;
}

static const char *check_ip(const struct conn_state *s)
{
	if (!addr_unicast(&s->ip.local))
		return "ip.local";
	if (!addr_unicast(&s->ip.remote) || s->ip.remote.family != s->ip.local.family)
		return "ip.remote";
	if (s->ip.ttl == 0)
		return "ip.ttl";
	return NULL;
}

static const char *check_flags(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;
	bool fin_sent = t->state == CONN_FIN_WAIT_1 || t->state == CONN_FIN_WAIT_2 || t->state == CONN_CLOSING ||
			t->state == CONN_LAST_ACK;
	bool fin_queued = t->flags & CONN_TCP_FIN_QUEUED;
	bool shut_write = s->socket.flags & CONN_SOCKET_SHUT_WRITE;
	bool eof = s->socket.flags & CONN_SOCKET_EOF;

	if (t->state < CONN_ESTABLISHED || t->state > CONN_LAST_ACK)
		return "tcp.state";
	if (t->flags & ~CONN_TCP_KNOWN || fin_queued != fin_sent)
		return "tcp.flags";
	if (t->flags & CONN_TCP_FAST_RECOVERY && t->snd_una == t->snd_nxt)
		return "tcp.flags";
	if (s->socket.flags & ~CONN_SOCKET_KNOWN)
		return "socket.flags";
	if (shut_write != (fin_queued || t->flags & CONN_TCP_CLOSE_PENDING))
		return "socket.flags";
	/* An application that has bytes to read before the FIN cannot have seen the FIN. */
	if (tcp_fin_received(t) ? !eof && s->socket.unread > 0 : eof)
		return "socket.flags";
	if (t->local_port == 0)
		return "tcp.local_port";
	if (t->remote_port == 0)
		return "tcp.remote_port";
	return NULL;
}

static const char *check_receive(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;
	bool scaled = t->flags & CONN_TCP_WINDOW_SCALE;

	if (t->rcv_scale > CONN_SCALE_MAX || (t->rcv_scale && !scaled))
		return "tcp.rcv_scale";
	if (t->rcv_wnd > 0xffffU << t->rcv_scale)
		return "tcp.rcv_wnd";
	if (t->rcv_ann_wnd > t->rcv_wnd)
		return "tcp.rcv_ann_wnd";
	/* The right edge never moves left, so it is not behind what is really free; a peer may have overrun it. */
	if (!seq_within(t->rcv_ann_right_edge, t->rcv_nxt - CONN_SPAN_MAX, t->rcv_nxt + t->rcv_wnd))
		return "tcp.rcv_ann_right_edge";
	return NULL;
}

static const char *check_send_windows(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;
	bool scaled = t->flags & CONN_TCP_WINDOW_SCALE;

	if (t->snd_scale > CONN_SCALE_MAX || (t->snd_scale && !scaled))
		return "tcp.snd_scale";
	if (t->mss < CONN_MSS_MIN || t->mss > CONN_MSS_MAX)
		return "tcp.mss";
	if (t->snd_wnd_max > 0xffffU << t->snd_scale)
		return "tcp.snd_wnd_max";
	if (t->snd_wnd > t->snd_wnd_max)
		return "tcp.snd_wnd";
	/* A window below one segment with nothing in flight would stall: it is the peer's window that may be small. */
	if (t->cwnd < t->mss)
		return "tcp.cwnd";
	/* It becomes cwnd when fast recovery ends. Otherwise it may date from a lost SYN, before mss was known. */
	if (t->ssthresh == 0 || (t->flags & CONN_TCP_FAST_RECOVERY && t->ssthresh < t->mss))
		return "tcp.ssthresh";
	if (!seq_within(t->snd_wl1, t->rcv_nxt - CONN_SPAN_MAX, t->rcv_nxt + CONN_SPAN_MAX))
		return "tcp.snd_wl1";
	if (!seq_within(t->snd_wl2, t->snd_una - CONN_SPAN_MAX, t->snd_una + CONN_SPAN_MAX))
		return "tcp.snd_wl2";
	return NULL;
}

/* Bytes of data: every one belongs to the unread ones or to one segment, in order. */
static const char *check_layout(const struct conn_state *s)
{
	size_t offset = s->socket.unread, count;

	if (s->unacked_count > CONN_SEGMENTS_MAX || s->unsent_count > CONN_SEGMENTS_MAX ||
	    s->ooseq_count > CONN_SEGMENTS_MAX)
		return "segments";
	count = conn_segment_count(s);
	if (count > CONN_SEGMENTS_MAX || count > s->segments_capacity)
		return "segments";
	for (size_t i = 0; i < count; i++) {
		const struct conn_segment *g = &s->segments[i];

		if (g->flags & ~CONN_SEGMENT_KNOWN)
			return "segment.flags";
		if (segment_span(g) == 0)
			return "segment.len";
		if (g->offset != offset)
			return "segment.offset";
		offset += g->len;
	}
	if (s->app.len > CONN_APP_MAX)
		return "app";
	if (s->data.len > CONN_DATA_MAX)
		return "data";
	if (offset != s->data.len)
		return count ? "data" : "socket.unread";
	return NULL;
}

/* The longest segment that a stack with this state would cut. */
static uint32_t segment_len_max(const struct conn_tcp *t)
{
	return t->mss < t->snd_wnd_max / 2 ? t->mss : t->snd_wnd_max / 2;
}

/* Merges unacked and unsent by sequence number. *end becomes the number behind the last, FIN included. */
static const char *check_send_order(const struct conn_state *s, uint32_t *end)
{
	const struct conn_tcp *t = &s->tcp;
	const struct conn_segment *unacked = s->segments, *unsent = s->segments + s->unacked_count;
	const struct conn_segment *unacked_end = unsent, *unsent_end = unsent + s->unsent_count;
	bool fin_queued = t->flags & CONN_TCP_FIN_QUEUED, fin = false;
	uint32_t next = t->snd_una;

	while (unacked < unacked_end || unsent < unsent_end) {
		bool first = next == t->snd_una;
		const struct conn_segment *g = NULL;

		/* The first may have been acknowledged in part, the others begin where the one before ends. */
		if (unacked < unacked_end &&
		    (first ? next - unacked->seq < segment_span(unacked) : unacked->seq == next))
			g = unacked++;
		else if (unsent < unsent_end &&
			 (first ? next - unsent->seq < segment_span(unsent) : unsent->seq == next))
			g = unsent++;
		else
			return "segment.seq";
		if (g->len > segment_len_max(t))
			return "segment.len";
		if (fin || (g->flags & CONN_SEGMENT_FIN && !fin_queued))
			return "segment.flags";
		fin = g->flags & CONN_SEGMENT_FIN;
		next = g->seq + segment_span(g);
		if (g < unacked_end && !seq_within(next, t->snd_una, t->snd_nxt))
			return "tcp.snd_nxt";
	}
	/* A FIN that was queued is in a queue until the peer acknowledged it. */
	if (fin != (fin_queued && t->state != CONN_FIN_WAIT_2))
		return "segment.flags";
	*end = next;
	return NULL;
}

static const char *check_send(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;
	const bool fin = t->flags & CONN_TCP_FIN_QUEUED;
	const struct conn_segment *last;
	uint32_t end;
	const char *why = NULL;

	if (t->state == CONN_FIN_WAIT_2 && s->unacked_count + s->unsent_count > 0)
		return "tcp.state";
	if (s->unacked_count + s->unsent_count > 0)
		why = check_send_order(s, &end);
	else if (fin && t->state != CONN_FIN_WAIT_2)
		why = "segment.flags";
	else
		end = t->snd_una;
	if (why)
		return why;
	if (!seq_within(t->snd_nxt, t->snd_una, end))
		return "tcp.snd_nxt";
	if (t->snd_lbb != end)
		return "tcp.snd_lbb";
	last = s->unsent_count ? &s->segments[s->unacked_count + s->unsent_count - 1] : NULL;
	if (t->unsent_spare && (!last || t->unsent_spare + last->len > segment_len_max(t)))
		return "tcp.unsent_spare";
	/* After a lost SYN it is snd_una until the next new acknowledgement. */
	if (t->flags & CONN_TCP_RTO_RECOVERY && !seq_within(t->rto_end, t->snd_una, t->snd_nxt))
		return "tcp.rto_end";
	return NULL;
}

static const char *check_ooseq(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;
	size_t begin = s->unacked_count + s->unsent_count;
	uint32_t low = t->rcv_nxt + 1, high = t->rcv_nxt + t->rcv_wnd;
	bool fin = false;

	if (s->ooseq_count > 0 && (tcp_fin_received(t) || t->rcv_wnd == 0))
		return "segments";
	for (size_t i = begin; i < begin + s->ooseq_count; i++) {
		const struct conn_segment *g = &s->segments[i];

		if (fin)
			return "segment.flags";
		if (!seq_within(g->seq, low, high) || segment_span(g) > high - g->seq)
			return "segment.seq";
		fin = g->flags & CONN_SEGMENT_FIN;
		low = g->seq + segment_span(g);
	}
	return NULL;
}

static const char *check_retransmission(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;

	if (t->srtt_us < -1 || t->srtt_us > CONN_RTT_US_MAX)
		return "tcp.srtt_us";
	if (t->rttvar_us < 0 || t->rttvar_us > CONN_RTT_US_MAX)
		return "tcp.rttvar_us";
	if (t->rto_us == 0)
		return "tcp.rto_us";
	if (t->rtx_age_us < -1 || t->rtx_age_us > CONN_RTX_AGE_US_MAX)
		return "tcp.rtx_age_us";
	/* What is in flight without a timer would be lost for ever; a timer for nothing is nonsense. */
	if (t->rtx_age_us < 0 ? s->unacked_count > 0 : s->unacked_count + s->unsent_count == 0)
		return "tcp.rtx_age_us";
	/* The timed segment may be a SYN or one acknowledged in part. */
	if (t->flags & CONN_TCP_RTT_TIMING && !seq_within(t->rtt_seq, t->snd_una - UINT16_MAX, t->snd_nxt))
		return "tcp.rtt_seq";
	if (t->rtx_count > CONN_RTX_COUNT_MAX)
		return "tcp.rtx_count";
	return NULL;
}

static const char *check_persist(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;
	const struct conn_segment *head = s->segments;

	if (t->persist_probes > CONN_RTX_COUNT_MAX)
		return "tcp.persist_probes";
	if (t->persist_backoff == 0)
		return NULL;
	if (t->persist_backoff > CONN_PERSIST_MAX || s->unacked_count > 0 || s->unsent_count == 0)
		return "tcp.persist_backoff";
	if (t->persist_age_us > CONN_PERSIST_AGE_US_MAX)
		return "tcp.persist_age_us";
	/* check_send saw to it that head->seq is not beyond snd_una and its data, less a FIN, not before. */
	if (head->seq + head->len - t->snd_una <= t->snd_wnd)
		return "tcp.persist_backoff";
	return NULL;
}

static const char *check_idle(const struct conn_state *s)
{
	const struct conn_tcp *t = &s->tcp;

	if (t->idle_us > CONN_IDLE_US_MAX)
		return "tcp.idle_us";
	if (!(t->flags & CONN_TCP_KEEPALIVE))
		return NULL;
	if (t->keep_idle_ms == 0)
		return "tcp.keep_idle_ms";
	if (t->keep_interval_ms == 0)
		return "tcp.keep_interval_ms";
	/* The time after which the peer counts as dead is reckoned in 32 bits of milliseconds. */
	if (t->keep_count == 0 || t->keep_count > (UINT32_MAX - t->keep_idle_ms) / t->keep_interval_ms)
		return "tcp.keep_count";
	if (t->keep_probes > t->keep_count)
		return "tcp.keep_probes";
	return NULL;
}

int conn_state_validate(const struct conn_state *s, const char **why)
{
	/* The order matters: check_layout makes the segments safe to look at, check_send those to be sent. */
	static const char *(*const checks[])(const struct conn_state *) = {
		check_ip,   check_flags, check_receive,        check_send_windows, check_layout,
		check_send, check_ooseq, check_retransmission, check_persist,      check_idle,
	};

	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		*why = checks[i](s);
		if (*why)
			return E_INVAL;
	}
	return 0;
}
