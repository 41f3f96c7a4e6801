/* SPDX-License-Identifier: BSD-3-Clause */
/* One captured connection: what its packets mean, as they are read. Its client's segments go to the live client
 * (replay_client, or replay_socket as a stream), its server's bytes become the script of the backend. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"
#include "pcap/reader.h"
#include "sim/replay_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define BEHIND_MAX 32U /* packets after which what was acknowledged and is not there will not come any more */

/* ---- begin and end ---- */

static void server_progress(struct script *s)
{
	struct replay_conn *c = s->context;

	c->progress_at = replay_now(c->replay);
	if (c->over || c->wait == REPLAY_WAIT_READ || c->replay->blocker == c || c->replay->blocked || s->fault)
		replay_mark(c);
}

static uint64_t interface_of(const struct replay *r, const struct capture_packet *p)
{
	return p->interface ? hash_bytes(&r->key, p->interface, strlen(p->interface)) : 0;
}

struct replay_conn *replay_conn_new(struct replay *r, const struct dissection *d, const struct capture_packet *p)
{
	struct replay_conn *c = calloc(1, sizeof(*c));
	bool answer = (d->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);

	if (!c)
		log_fatal("out of memory: a connection");
	c->replay = r;
	c->captured = answer ? tuple_reverse(&d->tuple) : d->tuple;
	c->vantage = interface_of(r, p);
	c->lack = !(d->flags & TCP_SYN) ? REPLAY_LACK_HANDSHAKE : REPLAY_LACK_NOTHING;
	c->una = c->sent = c->fin_at = -1;
	c->ack_at = c->resend_at = NSTIME_NEVER;
	c->rule = c->backend = SIZE_MAX;
	c->started = c->handed_over = NSTIME_NEVER;
	c->script.context = c;
	c->script.progress = server_progress;
	timer_init(&c->timer, replay_client_fire);
	TAILQ_INSERT_TAIL(&r->open, c, order);
	replay_captured_add(c);
	return c;
}

static void list_leave(struct replay_conn *c)
{
	if (!c->is_captured)
		return;
	TAILQ_REMOVE(c->is_closing ? &c->replay->closing : &c->replay->open, c, order);
	c->replay->closing_count -= c->is_closing;
	replay_captured_remove(c);
}

/* What it holds of captured bytes, but for what is counted on. */
static void content_free(struct replay_conn *c)
{
	replay_client_fini(c);
	replay_conn_count(c);
}

void replay_conn_free(struct replay_conn *c)
{
	struct replay *r = c->replay;

	engine_timer_cancel(&r->world->engine, &c->timer);
	list_leave(c);
	replay_live_remove(c);
	if (c->is_dirty)
		TAILQ_REMOVE(&r->dirty, c, dirty);
	if (r->blocker == c)
		r->blocker = NULL;
	replay_socket_fini(c);
	content_free(c);
	replay_stream_fini(&c->client);
	replay_stream_fini(&c->server);
	r->held -= c->counted;
	replay_host_give_back(c);
	script_fini(&c->script);
	free(c);
}

/* The connection begins in the live network. */
static void conn_start(struct replay_conn *c)
{
	if (!replay_host_take(c)) {
		c->lack = REPLAY_LACK_PORT;
		return;
	}
	c->started = c->progress_at = replay_now(c->replay);
	if (c->replay->options.stream && !replay_socket_open(c)) {
		c->lack = REPLAY_LACK_PORT;
		replay_host_give_back(c);
		c->host = NULL;
		return;
	}
	replay_live_add(c);
}

/* Its live part is given up: the server is told, both ends let go. */
static void conn_drop(struct replay_conn *c)
{
	c->dead = true;
	if (!c->host)
		return;
	if (c->socket)
		replay_socket_end(c);
	else
		replay_client_reset(c);
	script_end(&c->script);
	replay_conn_wake_server(c);
	content_free(c);
	c->wait = REPLAY_WAIT_NOTHING;
	replay_mark(c);
}

void replay_conn_fail(struct replay_conn *c, const char *format, ...)
{
	va_list ap;

	if (c->dead)
		return;
	va_start(ap, format);
	vsnprintf(c->why, sizeof(c->why), format, ap);
	va_end(ap);
	conn_drop(c);
}

/* ---- the two streams ---- */

bool replay_conn_is_full(const struct replay_conn *c)
{
	return !c->dead && (c->queue.count > REPLAY_CONN_QUEUE_MAX ||
			    c->counted + c->script.expected.len + c->client.pieces_bytes + c->server.pieces_bytes >
				    REPLAY_CONN_HELD_MAX);
}

/* What is under way. What a server has not read may wait for the client's next packet. */
void replay_conn_count(struct replay_conn *c)
{
	uint64_t now = c->queue.bytes + c->queue.count * sizeof(struct buf) + c->script.own.len + replay_socket_held(c);

	c->replay->held += now - c->counted;
	c->counted = now;
}

void replay_conn_wake_server(struct replay_conn *c)
{
	struct world_node *wn = c->player;

	if (!c->script.sock || !wn || !wn->node)
		return;
	script_wake(&c->script, replay_now(c->replay));
	node_pump(wn->node, replay_now(c->replay));
	world_node_settle(wn);
}

bool replay_conn_arrived(struct replay_conn *c, const uint8_t *bytes, size_t len)
{
	while (len) {
		size_t known, good = 0;
		const uint8_t *expected = ring_peek(&c->script.own, 0, &known);

		if (known > len)
			known = len;
		if (known > c->script.said - c->script.heard)
			known = (size_t)(c->script.said - c->script.heard);
		if (known && !memcmp(bytes, expected, known))
			good = known;
		while (good < known && bytes[good] == expected[good])
			good++;
		script_heard(&c->script, good);
		c->arrived += good;
		if (!known)
			replay_conn_fail(c, "the live server said more than the captured one's %llu bytes",
					 (unsigned long long)c->arrived);
		else if (good < known)
			replay_conn_fail(c, "the server's byte %llu came different",
					 (unsigned long long)c->arrived + 1);
		if (c->dead)
			return false;
		bytes += known;
		len -= known;
	}
	return true;
}

/* The next of the client's bytes. */
static void client_take(void *context, const uint8_t *bytes, size_t len, uint64_t after)
{
	struct replay_conn *c = context;

	if (c->dead)
		return;
	script_expect(&c->script, bytes, len);
	if (c->socket)
		replay_socket_say(c, after, bytes, len);
	else if (!bytes)
		replay_client_put_zeroes(c, (int64_t)(c->client.edge - len), len);
}

/* The next of the server's bytes. */
static void server_take(void *context, const uint8_t *bytes, size_t len, uint64_t after)
{
	struct replay_conn *c = context;

	if (c->dead)
		return;
	if (!after && c->server.edge == len)
		c->first_by_server = true;
	script_say(&c->script, after, bytes, len);
	if (c->socket)
		replay_socket_expect(c, bytes, len);
}

static void ends_take(struct replay_conn *c)
{
	if (c->dead || !c->host)
		return;
	if (replay_stream_ended(&c->server) && !c->script_finished) {
		c->script_finished = true;
		script_finish(&c->script, c->server.fin_mark);
	}
	if (c->socket && replay_stream_ended(&c->client))
		replay_socket_finish(c, c->client.fin_mark);
}

bool replay_conn_fill(struct replay_conn *c)
{
	bool filled = false;

	if (!c->host)
		return false;
	if (!c->replay->options.keep_bad_checksums) /* else it may be there, and not count */
		filled = replay_stream_fill(&c->client, client_take, c);
	filled |= replay_stream_fill(&c->server, server_take, c);
	ends_take(c);
	c->behind = 0;
	replay_conn_wake_server(c);
	return filled;
}

bool replay_conn_fill_end(struct replay_conn *c)
{
	bool found = false;

	if (!c->host)
		return false;
	if (!c->replay->options.keep_bad_checksums && replay_stream_fin_find(&c->client)) {
		found = true;
		if (!c->socket)
			replay_client_put_fin(c);
	}
	found |= replay_stream_fin_find(&c->server);
	return replay_conn_fill(c) || found;
}

/* Waits a little for what the capture does not have in its place, then goes on without. */
static void gaps_see(struct replay_conn *c)
{
	if (!replay_stream_gap(&c->client) && !replay_stream_gap(&c->server))
		c->behind = 0;
	else if (++c->behind > BEHIND_MAX)
		replay_conn_fill(c);
}

/* ---- packets ---- */

/* What one acknowledges: a place of the other's stream, where it makes sense. False where it is odd. */
static bool acknowledge(const struct replay_stream *own, struct replay_stream *other, const struct dissection *d,
			uint8_t shift, uint64_t *place)
{
	int64_t at = replay_stream_place(other, d->ack);

	*place = 0;
	if (at < 0 || at - (int64_t)other->edge > REPLAY_GAP_MAX)
		return false;
	*place = (uint64_t)at;
	if (*place > other->acked) {
		other->acked = *place;
		other->acked_mark = own->acked;
	}
	if (*place + ((uint64_t)d->window << shift) > other->window_edge)
		other->window_edge = *place + ((uint64_t)d->window << shift);
	return true;
}

/* False: the capture has only a part of it, and the connection cannot go on. */
static bool payload_whole(struct replay_conn *c, const struct dissection *d)
{
	if (d->payload_captured >= d->payload_len)
		return true;
	c->lack = REPLAY_LACK_BYTES;
	conn_drop(c);
	return false;
}

/* Whether a packet's bytes count: one whose checksum stays wrong does not arrive. Else it is made right, since most
 * wrong ones of captures come from network cards that were to set them, or from who made the capture anonymous. *error:
 * what it keeps of a wrong one. */
static bool checksum_see(struct replay *r, const struct dissection *d, uint16_t *error)
{
	enum replay_checksum sum = replay_checksum_judge(d, error);

	r->totals.unset += sum == REPLAY_CHECKSUM_UNSET;
	r->totals.wrong += sum == REPLAY_CHECKSUM_WRONG;
	if (sum && r->options.keep_bad_checksums)
		return false;
	*error = 0;
	return true;
}

/* Segments came too early for longer than they can be kept. */
static void keep_all(struct replay_conn *c, bool kept)
{
	if (kept || c->lack)
		return;
	c->lack = REPLAY_LACK_MUCH;
	conn_drop(c);
}

static uint8_t shift_of(const struct replay_conn *c, unsigned side)
{
	return c->sides[0].scales && c->sides[1].scales ? c->sides[side].scale : 0;
}

static void client_packet(struct replay_conn *c, const struct dissection *d, const struct capture_packet *p)
{
	struct replay_segment as = {.waits = true, .flags = (uint8_t)d->flags};
	bool arrives = checksum_see(c->replay, d, &as.checksum_error), syn = d->flags & TCP_SYN;

	if (syn && !c->client.known) {
		c->client.known = true;
		c->client.isn = d->seq;
		c->sides[0].scales = replay_option_scale(d->options, d->options_len, &c->sides[0].scale);
		conn_start(c);
	}
	if (!c->host || !payload_whole(c, d))
		return;
	as.at = syn ? -1 : replay_stream_place(&c->client, d->seq);
	if (d->flags & TCP_ACK && !c->server.known) {
		c->server.known = true; /* its SYN is not in the capture, or comes late */
		c->server.isn = d->ack - 1;
	}
	if (c->sides[0].reset) /* what answers late packets of the server */
		as.waits = false;
	else if ((d->flags & (TCP_ACK | TCP_RST)) == TCP_ACK)
		as.waits = acknowledge(&c->client, &c->server, d, shift_of(c, 0), &as.need);
	as.beyond = c->synack && as.at + (int64_t)d->payload_len > (int64_t)c->client.window_edge;
	if (arrives && !c->sides[0].reset) {
		keep_all(c, replay_stream_put(&c->client, syn ? 0 : as.at, d->payload, d->payload_len, c->server.acked,
					      client_take, c));
		if (d->flags & TCP_FIN)
			replay_stream_fin(&c->client, as.at + (syn ? 1 : 0) + d->payload_len, c->server.acked);
	}
	if (d->flags & TCP_RST && arrives && !c->sides[0].reset) {
		replay_conn_fill(c); /* nothing comes behind a reset */
		as.need = c->server.edge + replay_stream_ended(&c->server);
		as.need_read = c->client.acked;
		c->sides[0].reset = true;
		if (c->socket)
			replay_socket_reset(c, as.need);
	}
	ends_take(c);
	if (!c->socket)
		replay_client_put(c, d, p, &as);
}

static void server_packet(struct replay_conn *c, const struct dissection *d)
{
	uint64_t after = c->client.acked;
	uint16_t error;
	int64_t at;

	checksum_see(c->replay, d, &error); /* counts: the live server sets its own */
	if (d->flags & TCP_SYN) {
		if (!c->server.edge && !c->server.pieces) {
			c->server.isn = d->seq;
			c->server.known = true;
		}
		c->synack = true;
		c->sides[1].scales = replay_option_scale(d->options, d->options_len, &c->sides[1].scale);
	}
	if (!c->server.known && !(d->flags & TCP_RST)) {
		c->server.known = true;
		c->server.isn = d->seq - 1;
	}
	if (!c->host || !payload_whole(c, d) || c->sides[0].reset)
		return; /* after a reset nobody is there any more to take it */
	if (d->flags & TCP_ACK && !(d->flags & TCP_RST && !c->synack))
		acknowledge(&c->server, &c->client, d, d->flags & TCP_SYN ? 0 : shift_of(c, 1), &after);
	if (d->flags & TCP_RST) {
		if (!c->synack) {
			c->ignored_reset = true;
			return;
		}
		replay_conn_fill(c);
		if (!c->sides[1].reset && !c->dead)
			script_reset(&c->script, c->client.acked, c->server.edge);
		c->sides[1].reset = true;
		return;
	}
	at = d->flags & TCP_SYN ? -1 : replay_stream_place(&c->server, d->seq);
	keep_all(c, replay_stream_put(&c->server, d->flags & TCP_SYN ? 0 : at, d->payload, d->payload_len,
				      c->client.acked, server_take, c));
	if (d->flags & TCP_FIN)
		replay_stream_fin(&c->server, at + d->payload_len, c->client.acked);
	ends_take(c);
}

/* Whether nothing but late packets can follow. */
static bool is_closed(const struct replay_conn *c)
{
	return c->sides[0].reset || c->sides[1].reset ||
	       (replay_stream_ended(&c->client) && replay_stream_ended(&c->server));
}

static void place_in_order(struct replay_conn *c)
{
	struct replay *r = c->replay;

	TAILQ_REMOVE(c->is_closing ? &r->closing : &r->open, c, order);
	r->closing_count += is_closed(c) - c->is_closing;
	c->is_closing = is_closed(c);
	TAILQ_INSERT_TAIL(c->is_closing ? &r->closing : &r->open, c, order);
	c->at = r->capture_time;
}

static void run(struct replay_conn *c)
{
	if (c->socket)
		replay_socket_run(c);
	else
		replay_client_run(c);
}

void replay_conn_packet(struct replay_conn *c, unsigned side, const struct dissection *d,
			const struct capture_packet *p)
{
	if (interface_of(c->replay, p) != c->vantage) {
		c->replay->totals.elsewhere++;
		return;
	}
	c->sides[side].packets++;
	place_in_order(c);
	if (c->lack || !c->selected)
		return;
	if (side)
		server_packet(c, d);
	else
		client_packet(c, d, p);
	if (!c->host)
		return;
	gaps_see(c);
	if (c->dead)
		return;
	if (side)
		replay_conn_wake_server(c);
	run(c);
	replay_conn_count(c);
}

/* ---- the end ---- */

/* Bytes of the client's that are to be read: where a reset came, those that the captured server told that it had. */
static uint64_t client_must(const struct replay_conn *c)
{
	bool reset = c->sides[0].reset || c->sides[1].reset;

	return reset && c->client.acked < c->client.edge ? c->client.acked : c->client.edge;
}

/* Nothing is said, so that nothing was handed over, and nobody plays the script. */
static bool is_silent(const struct replay_conn *c)
{
	return !c->client.edge && !c->server.edge && c->rule == SIZE_MAX;
}

static bool is_complete(const struct replay_conn *c)
{
	if (is_silent(c))
		return c->socket ? replay_socket_complete(c) : replay_client_complete(c);
	if (c->arrived < c->server.edge || c->script.read < client_must(c) || c->script.steps_count)
		return false;
	return c->socket ? replay_socket_complete(c) : replay_client_complete(c);
}

/* What it lacks is clear only at its end. */
static enum replay_lack lack_find(const struct replay_conn *c)
{
	if (c->lack)
		return c->lack;
	if (!c->client.known)
		return c->sides[0].packets ? REPLAY_LACK_SYN : REPLAY_LACK_CLIENT;
	if (!c->sides[1].packets)
		return REPLAY_LACK_SERVER;
	if (!c->synack && c->ignored_reset && !c->server.edge)
		return REPLAY_LACK_REFUSED;
	if (is_silent(c) && c->sides[1].reset)
		return REPLAY_LACK_SILENT;
	return REPLAY_LACK_NOTHING;
}

bool replay_conn_settle(struct replay_conn *c)
{
	if (!c->over)
		return false;
	if (c->host && !c->dead && !is_complete(c)) {
		replay_client_timer_set(c);
		return false;
	}
	if (c->host && !c->dead) /* what is left of it in the live network goes */
		conn_drop(c);
	if (c->script.sock)
		return false; /* it is being moved: the next device lets it go */
	replay_report(c);
	replay_conn_free(c);
	return true;
}

void replay_conn_over(struct replay_conn *c)
{
	c->over = true;
	c->progress_at = c->host ? replay_now(c->replay) : 0;
	list_leave(c);
	if (!c->selected) {
		replay_conn_free(c);
		return;
	}
	replay_conn_fill_end(c);
	c->lack = lack_find(c);
	if (c->lack && !c->dead)
		conn_drop(c);
	else if (!c->dead && c->host)
		run(c);
	replay_conn_settle(c);
}
