/* SPDX-License-Identifier: BSD-3-Clause */
/* The client of one replayed connection as segments: it sends those of the capture, each when what it acknowledges is
 * here and the live window has room, and takes in what the live server sends. Places in the two streams are those of
 * the capture; only the numbers' beginnings differ. */
#include "base/cursor.h"
#include "lb/packet.h"
#include "sim/replay_internal.h"

#include <stdlib.h>

#define MSS            1460U
#define EARLY_MAX      128U /* segments that came too early and are kept */
#define ACK_DELAY      (200 * NSTIME_MS)
#define ACK_DELAY_MIN  (40 * NSTIME_MS) /* where the next segment waits for more of the server */
#define RESEND_FIRST   NSTIME_S
#define RESEND_LONGEST (8 * NSTIME_S)
#define RESENDS_MAX    8U
#define WINDOW_LEAST   (2 * MSS)

static nstime now_of(const struct replay_conn *c)
{
	return replay_now(c->replay);
}

static uint8_t client_shift(const struct replay_conn *c)
{
	return c->scaling ? c->sides[0].scale : 0;
}

/* How the captured client's windows are scaled: where both sides offered it (RFC 7323, section 2.2). */
static uint8_t captured_shift(const struct replay_conn *c)
{
	return c->sides[0].scales && c->sides[1].scales ? c->sides[0].scale : 0;
}

/* ---- sending ---- */

static void went_on(struct replay_conn *c)
{
	c->progress_at = now_of(c);
}

static void resend_begin(struct replay_conn *c)
{
	c->resends = 0;
	c->resend_after = RESEND_FIRST;
	c->resend_at = c->una < c->sent ? now_of(c) + RESEND_FIRST : NSTIME_NEVER;
}

/* What was told to the live server, once a segment with an ACK of `ack` and this window is sent. */
static void told(struct replay_conn *c, uint64_t ack, uint32_t window)
{
	if (ack > c->acked)
		c->acked = ack;
	if (ack + window > c->told_edge)
		c->told_edge = ack + window;
	c->ack_at = c->acked < c->rcv ? now_of(c) + ACK_DELAY : NSTIME_NEVER;
}

static void plain_send(struct replay_conn *c, const struct replay_plain *s)
{
	replay_host_send(
		c, replay_segment_plain(s, c->live.remote_port, c->live.local_port, &c->live.remote, &c->live.local));
}

/* The numbers and the window of a segment of our own at a place. */
static struct replay_plain plain_make(struct replay_conn *c, int64_t at, uint8_t flags)
{
	uint64_t edge = c->told_edge;
	struct buf *next = c->queue.head;

	if (c->wait == REPLAY_WAIT_SERVER && edge < replay_segment_of(next)->need + WINDOW_LEAST)
		edge = replay_segment_of(next)->need + WINDOW_LEAST; /* the captured client had room for it */
	uint32_t window = edge > c->rcv ? (uint32_t)(edge - c->rcv) : 0;

	told(c, c->rcv, window);
	return (struct replay_plain){.seq = c->isn + 1 + (uint32_t)at,
				     .ack = c->irs + 1 + (uint32_t)c->rcv,
				     .window = replay_window_field(window, client_shift(c)),
				     .flags = flags};
}

/* An acknowledgement that the capture does not have, or not yet. */
static void ack_send(struct replay_conn *c)
{
	if (c->reset_sent)
		return;
	const struct replay_plain s = plain_make(c, c->sent, TCP_ACK);

	c->acks_added++;
	plain_send(c, &s);
}

/* A SACK block is told only of what is here. */
static bool sack_holds(const struct replay_conn *c, const struct buf *b)
{
	const struct replay_segment *s = replay_segment_of((struct buf *)b);
	const uint8_t *o = replay_option_find(b->data + 20, s->header_len - 20U, TCP_OPTION_SACK, 10);
	uint32_t add = c->irs - c->server.isn;

	for (size_t at = 2; o && at + 8 <= o[1]; at += 8) {
		uint32_t from = load_be32(o + at) + add - (c->irs + 1), to = load_be32(o + at + 4) + add - (c->irs + 1);
		bool here = (int32_t)(to - (uint32_t)c->rcv) <= 0;

		for (const struct buf *e = c->early; e && !here; e = e->next)
			here = (int32_t)(from - (uint32_t)e->mark) >= 0 &&
			       (int32_t)(to - (uint32_t)(e->mark + e->mark2)) <= 0;
		if (!here)
			return false;
	}
	return true;
}

static struct replay_rewrite rewrite_of(const struct replay_conn *c, const struct buf *b)
{
	const struct replay_segment *s = replay_segment_of((struct buf *)b);
	bool syn = s->flags & TCP_SYN;

	return (struct replay_rewrite){
		.source = c->live.remote_port,
		.destination = c->live.local_port,
		.seq_add = c->isn - c->client.isn,
		.ack_add = c->irs_known ? c->irs - c->server.isn : 0,
		.shift_captured = captured_shift(c),
		.shift_live = client_shift(c),
		.sack_drop = !c->sack || !sack_holds(c, b),
		.timestamps_drop = !syn && !c->timestamps,
		.echo_set = !syn && c->timestamps,
		.echo = c->timestamp,
	};
}

static struct buf *segment_clone(struct buf *b)
{
	struct buf *clone = buf_clone(b);

	*replay_segment_of(clone) = *replay_segment_of(b);
	return clone;
}

static void captured_send(struct replay_conn *c, struct buf *b)
{
	const struct replay_segment s = *replay_segment_of(b);
	const struct replay_rewrite m = rewrite_of(c, b);
	int64_t end = s.at + (s.flags & TCP_SYN ? 1 : 0) + s.len;

	if (s.flags & TCP_FIN)
		c->fin_at = end++;
	if (s.flags & TCP_ACK && s.waits)
		told(c, s.need, (uint32_t)load_be16(b->data + 14) << captured_shift(c));
	if (s.flags & TCP_SYN && c->una < 0 && !c->syn)
		c->syn = segment_clone(b);
	if (end > c->sent) {
		c->sent = end;
		if (c->resend_at == NSTIME_NEVER)
			resend_begin(c);
	}
	c->reset_sent |= (s.flags & TCP_RST) && !s.checksum_error;
	c->segments++;
	went_on(c);
	replay_segment_finish(b, &m, &c->live.remote, &c->live.local);
	replay_host_send(c, b);
}

/* Whether the next segment may go, and what it waits for otherwise. */
static enum replay_wait segment_wait(const struct replay_conn *c, const struct replay_segment *s)
{
	uint64_t una = c->una < 0 ? 0 : (uint64_t)c->una;

	if (!s->waits || (s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN || !(s->flags & (TCP_ACK | TCP_RST)))
		return REPLAY_WAIT_NOTHING;
	if ((s->flags & TCP_ACK && !c->irs_known) || s->need > c->rcv)
		return REPLAY_WAIT_SERVER;
	if (s->flags & TCP_RST) {
		if (s->need_read > una)
			return REPLAY_WAIT_READ;
		if (c->rule != SIZE_MAX && s->need_read > c->script.read + c->script.eof)
			return REPLAY_WAIT_READ;
	}
	if (s->len && !s->beyond && s->at >= c->una && s->at + (int64_t)s->len > c->edge)
		return REPLAY_WAIT_WINDOW;
	return REPLAY_WAIT_NOTHING;
}

static void queue_run(struct replay_conn *c)
{
	c->wait = REPLAY_WAIT_NOTHING;
	while (!c->dead && c->queue.head) {
		c->wait = segment_wait(c, replay_segment_of(c->queue.head));
		if (c->wait)
			return;
		captured_send(c, buf_queue_get(&c->queue));
	}
}

/* Whether the captured client's next acknowledgement is further off than this sender may send, or not read. */
static bool waits_for_server(const struct replay_conn *c)
{
	const struct replay *r = c->replay;

	return c->wait == REPLAY_WAIT_SERVER || (!c->queue.head && (r->blocked || r->blocker == c));
}

void replay_client_run(struct replay_conn *c)
{
	queue_run(c);
	/* As any receiver does. */
	if (!c->dead && c->irs_known && c->acked < c->rcv && waits_for_server(c)) {
		if (c->rcv - c->acked >= 2 * MSS)
			ack_send(c);
		else
			c->ack_at = nstime_min(c->ack_at, now_of(c) + ACK_DELAY_MIN);
	}
	replay_host_settle(c);
	replay_client_timer_set(c);
}

void replay_client_put(struct replay_conn *c, const struct dissection *d, const struct capture_packet *p,
		       const struct replay_segment *as)
{
	if (!c->dead)
		replay_segment_copy(d, p, as, c->live.remote.family, REPLAY_MTU, &c->queue);
}

/* A segment that the capture lacks. */
static struct buf *made_up(const struct replay_conn *c, int64_t at, uint32_t len, uint8_t flags)
{
	struct buf *b = buf_alloc(20 + len);
	struct replay_segment *s = replay_segment_of(b);

	*s = (struct replay_segment){
		.at = at, .len = len, .need = c->rcv, .header_len = 20, .flags = flags, .df = true, .waits = true};
	memset(b->data, 0, 20 + len);
	store_be32(b->data + 4, c->client.isn + 1 + (uint32_t)at);
	store_be32(b->data + 8, c->server.isn + 1 + (uint32_t)s->need);
	b->data[12] = 5 << 4;
	b->data[13] = flags;
	store_be16(b->data + 14, UINT16_MAX);
	b->len = 20 + len;
	return b;
}

static void queue_append(struct buf_queue *q, struct buf_queue *rest)
{
	for (struct buf *b; (b = buf_queue_get(rest));)
		buf_queue_put(q, b);
}

/* In front of what waits, which may wait for what they bring about. */
void replay_client_put_zeroes(struct replay_conn *c, int64_t at, size_t len)
{
	struct buf_queue rest = c->queue;

	c->queue = (struct buf_queue){0};
	while (!c->dead && len) {
		uint32_t step = len < MSS - 20 ? (uint32_t)len : MSS - 20;

		buf_queue_put(&c->queue, made_up(c, at, step, TCP_ACK));
		at += step;
		len -= step;
	}
	queue_append(&c->queue, &rest);
}

/* Behind the bytes that wait, in front of what may acknowledge the answer to it. */
void replay_client_put_fin(struct replay_conn *c)
{
	struct buf_queue rest = c->queue;
	int64_t at = (int64_t)c->client.edge;

	if (c->dead)
		return;
	c->queue = (struct buf_queue){0};
	while (rest.head && replay_segment_of(rest.head)->at <= at)
		buf_queue_put(&c->queue, buf_queue_get(&rest));
	buf_queue_put(&c->queue, made_up(c, at, 0, TCP_ACK | TCP_FIN));
	queue_append(&c->queue, &rest);
}

/* ---- what the live network lost ---- */

/* The first bytes that were sent and are not acknowledged, of those that the script still has. */
static void resend(struct replay_conn *c)
{
	uint64_t from = c->script.read, end = c->client.edge;
	struct replay_plain s;

	if (c->una > (int64_t)from)
		from = (uint64_t)c->una;
	if ((int64_t)end > c->sent)
		end = (uint64_t)c->sent;
	if (c->una < 0) {
		if (!c->syn)
			return;
		captured_send(c, segment_clone(c->syn));
		c->segments--;
	} else if (from < end) {
		s = plain_make(c, (int64_t)from, TCP_ACK | TCP_PSH);
		s.payload = ring_peek(&c->script.expected, (size_t)(from - c->script.read), &s.len);
		if (s.len > end - from)
			s.len = (size_t)(end - from);
		if (s.len > MSS - 20)
			s.len = MSS - 20;
		plain_send(c, &s);
	} else if (c->fin_at >= 0 && c->una == c->fin_at) {
		s = plain_make(c, c->fin_at, TCP_ACK | TCP_FIN);
		plain_send(c, &s);
	} else {
		s = plain_make(c, c->una - 1, TCP_ACK); /* to be told how far the server is */
		plain_send(c, &s);
	}
	c->retransmissions_added++;
}

static void resend_fire(struct replay_conn *c)
{
	if (c->resends++ == RESENDS_MAX) {
		c->resend_at = NSTIME_NEVER;
		if (!c->over || c->una <= (int64_t)c->client.acked)
			replay_conn_fail(c, "the live server does not acknowledge what it is sent");
		return;
	}
	resend(c);
	c->resend_at = now_of(c) + c->resend_after;
	c->resend_after = nstime_min(2 * c->resend_after, RESEND_LONGEST);
}

/* ---- receiving ---- */

static void synack_take(struct replay_conn *c, const struct packet *p, const struct buf *b)
{
	const uint8_t *options = b->data + p->l4_offset + 20;
	size_t len = p->payload_offset - p->l4_offset - 20;
	const uint8_t *stamps = replay_option_find(options, len, TCP_OPTION_TIMESTAMPS, 10);

	c->irs = p->seq;
	c->irs_known = true;
	c->scaling = c->sides[0].scales && replay_option_scale(options, len, &c->server_shift);
	c->sack = replay_option_find(options, len, 4, 2);
	c->timestamps = stamps;
	if (stamps)
		c->timestamp = load_be32(stamps + 2);
	c->una = p->ack - (c->isn + 1);
	c->edge = c->una + load_be16(b->data + p->l4_offset + 14);
	c->told_edge = c->syn ? load_be16(c->syn->data + 14) : WINDOW_LEAST;
	buf_free(c->syn);
	c->syn = NULL;
	resend_begin(c);
	went_on(c);
}

static void ack_take(struct replay_conn *c, const struct packet *p, const struct buf *b)
{
	int64_t at = c->una + (int32_t)(p->ack - (c->isn + 1 + (uint32_t)c->una));
	uint32_t window = (uint32_t)load_be16(b->data + p->l4_offset + 14) << c->server_shift;

	if (!(p->flags & TCP_ACK) || at < c->una || at > c->sent)
		return;
	if (at > c->una) {
		c->una = at;
		resend_begin(c);
		went_on(c);
	}
	c->edge = at + window;
}

/* In order by place; what is there already is let go. */
static void early_keep(struct replay_conn *c, struct buf *b, uint64_t at, uint32_t len)
{
	struct buf **link = &c->early;

	while (*link && (*link)->mark < at)
		link = &(*link)->next;
	if (c->early_count == EARLY_MAX || (*link && (*link)->mark == at && (*link)->mark2 >= len)) {
		buf_free(b);
		return;
	}
	b->mark = at;
	b->mark2 = len;
	b->next = *link;
	*link = b;
	c->early_count++;
}

/* Bytes at a place that is not beyond what is here. */
static void bytes_take(struct replay_conn *c, uint64_t at, const uint8_t *bytes, uint64_t len)
{
	if (at + len <= c->rcv || c->fin_here)
		return;
	bytes += c->rcv - at;
	len -= c->rcv - at;
	if (replay_conn_arrived(c, bytes, (size_t)len)) {
		c->rcv += len;
		went_on(c);
	}
}

static void early_take(struct replay_conn *c)
{
	struct buf *b;

	while (!c->dead && (b = c->early) && b->mark <= c->rcv) {
		c->early = b->next;
		c->early_count--;
		bytes_take(c, b->mark, b->data, b->mark2);
		buf_free(b);
	}
}

/* Takes the buffer. */
static void text_take(struct replay_conn *c, const struct packet *p, struct buf *b)
{
	int64_t at = (int64_t)c->rcv + (int32_t)(p->seq - (c->irs + 1 + (uint32_t)c->rcv));
	bool again = at<(int64_t)c->rcv, fin = p->flags & TCP_FIN, early = at>(int64_t) c->rcv;

	if (at < 0 || (!p->payload_len && !fin)) {
		buf_free(b);
		return;
	}
	if (early && p->payload_len) {
		buf_pull(b, p->payload_offset);
		early_keep(c, b, (uint64_t)at, p->payload_len);
	} else {
		if (p->payload_len)
			bytes_take(c, (uint64_t)at, b->data + p->payload_offset, p->payload_len);
		buf_free(b);
		early_take(c);
		if (fin && !c->fin_here && !c->dead && (uint64_t)at + p->payload_len == c->rcv) {
			c->fin_here = true;
			c->rcv++;
			went_on(c);
		}
	}
	if (c->dead)
		return;
	if (again || early) /* RFC 5681, section 4.2: at once */
		ack_send(c);
	else if (c->acked < c->rcv && c->ack_at == NSTIME_NEVER)
		c->ack_at = now_of(c) + ACK_DELAY;
}

static void reset_take(struct replay_conn *c, const struct packet *p)
{
	bool good =
		c->irs_known ? p->seq == c->irs + 1 + (uint32_t)c->rcv : (p->flags & TCP_ACK) && p->ack == c->isn + 1;

	if (!good || c->reset_here)
		return;
	c->reset_here = true;
	c->resend_at = c->ack_at = NSTIME_NEVER;
	went_on(c);
	if (c->script.reset || c->reset_sent)
		return; /* as captured, or what follows our own */
	if (c->una >= c->sent && c->fin_here && !c->queue.head)
		return; /* all was over */
	replay_conn_fail(c, "reset by the live server after %llu of its bytes", (unsigned long long)c->arrived);
}

void replay_client_input(struct replay_conn *c, const struct packet *p, struct buf *b)
{
	if (c->dead || !packet_tcp_checksum_ok(p, b)) {
		buf_free(b);
		return;
	}
	if (p->flags & TCP_RST) {
		reset_take(c, p);
		buf_free(b);
	} else if (p->flags & TCP_SYN) {
		bool good = (p->flags & TCP_ACK) && p->ack - (c->isn + 1) <= (uint32_t)c->sent;

		if (good && !c->irs_known)
			synack_take(c, p, b);
		else if (good && !c->reset_here)
			ack_send(c);
		buf_free(b);
	} else if (!c->irs_known || c->reset_here) {
		buf_free(b);
	} else {
		const uint8_t *stamps = replay_option_find(
			b->data + p->l4_offset + 20, p->payload_offset - p->l4_offset - 20, TCP_OPTION_TIMESTAMPS, 10);

		if (stamps && c->timestamps)
			c->timestamp = load_be32(stamps + 2);
		ack_take(c, p, b);
		text_take(c, p, b);
	}
	replay_client_run(c);
	replay_mark(c);
}

/* ---- time ---- */

static bool stalls(const struct replay_conn *c)
{
	return !c->dead && (c->queue.head || c->over || c->replay->blocker == c);
}

void replay_client_timer_set(struct replay_conn *c)
{
	nstime at = NSTIME_NEVER;

	if (!c->dead && !c->reset_here && !c->reset_sent)
		at = nstime_min(c->ack_at, c->resend_at);
	if (stalls(c))
		at = nstime_min(at, c->progress_at + REPLAY_STALL);
	if (at != c->timer.at)
		engine_timer_set(&c->replay->world->engine, &c->timer, at);
}

/* What the next segment waits for, in words. */
static void stalled(struct replay_conn *c)
{
	const struct buf *next = c->queue.head;

	if (c->socket)
		replay_conn_fail(c, "it did not go on");
	else if (!c->irs_known)
		replay_conn_fail(c, "the live server does not answer the handshake");
	else if (next && c->wait == REPLAY_WAIT_SERVER && !c->player && c->first_by_server)
		replay_conn_fail(c, REPLAY_FIRST_BY_SERVER);
	else if (next && c->wait == REPLAY_WAIT_SERVER)
		replay_conn_fail(c, "the client waited for the server's byte %llu",
				 (unsigned long long)replay_segment_of((struct buf *)next)->need);
	else if (next && c->wait == REPLAY_WAIT_WINDOW)
		replay_conn_fail(c, "the live server's window stayed closed at byte %lld", (long long)c->edge);
	else
		replay_conn_fail(c, "it did not go on");
}

void replay_client_fire(struct timer *t, nstime now)
{
	struct replay_conn *c = (struct replay_conn *)(void *)((char *)t - offsetof(struct replay_conn, timer));

	if (stalls(c) && c->progress_at + REPLAY_STALL <= now) {
		if (replay_conn_fill_end(c)) /* nothing comes any more that would go on from there */
			went_on(c);
		else
			stalled(c);
	}
	if (c->socket) {
		replay_socket_run(c);
	} else {
		if (!c->dead && c->ack_at <= now) {
			c->ack_at = NSTIME_NEVER;
			if (c->acked < c->rcv)
				ack_send(c);
		}
		if (!c->dead && c->resend_at <= now)
			resend_fire(c);
		if (!c->dead && c->wait == REPLAY_WAIT_SERVER)
			replay_conn_fill(c);
		replay_client_run(c);
	}
	replay_mark(c);
}

/* ---- the end ---- */

bool replay_client_complete(const struct replay_conn *c)
{
	if (c->queue.head)
		return false;
	if (c->reset_sent || c->reset_here)
		return true;
	return c->una >= (c->fin_at >= 0 ? c->fin_at + 1 : 0) && c->fin_here == replay_stream_ended(&c->server);
}

void replay_client_reset(struct replay_conn *c)
{
	struct replay_plain s;

	if (c->reset_here || c->reset_sent || c->una < -1 || c->sent < 0)
		return;
	if (c->fin_here && c->fin_at >= 0 && c->una > c->fin_at && c->acked >= c->rcv)
		return; /* closed on both sides */
	c->reset_sent = true;
	if (c->irs_known)
		s = plain_make(c, c->una, TCP_RST | TCP_ACK);
	else
		s = (struct replay_plain){.seq = c->isn + 1, .flags = TCP_RST};
	plain_send(c, &s);
	replay_host_settle(c);
}

void replay_client_fini(struct replay_conn *c)
{
	struct buf *b;

	buf_queue_clear(&c->queue);
	buf_free(c->syn);
	c->syn = NULL;
	while ((b = c->early)) {
		c->early = b->next;
		buf_free(b);
	}
	c->early_count = 0;
}
