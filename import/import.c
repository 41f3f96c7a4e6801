/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/import.h"

#include "base/err.h"
#include "base/log.h"
#include "base/nstime.h"
#include "import/stream.h"
#include "pcap/connections.h"
#include "pcap/dissect.h"

#include <stdlib.h>
#include <string.h>

#define FLAG_FIN 0x01U
#define FLAG_SYN 0x02U
#define FLAG_RST 0x04U
#define FLAG_ACK 0x10U

#define KNOWN_MAX         262144U                     /* connections whose packets are told apart */
#define ROUND_TRIP_NS     ((int64_t)(50 * NSTIME_MS)) /* where none was measured */
#define ROUND_TRIP_MAX_NS ((int64_t)(60 * NSTIME_S))  /* longer is no round trip, but a clock that was set */
#define TIME_MAX_NS       (INT64_C(10) * 365 * 24 * 3600 * 1000000000)
#define PAUSE_MAX_NS      (UINT64_C(24) * 3600 * 1000000000)

/* The first packets of a handshake. */
struct handshake {
	int64_t syn_ns, answer_ns;
	unsigned syns, answers;
	bool done;
};

struct import_state {
	struct stream streams[2];
	struct estimate estimates[2]; /* of the data of client, server */
	struct handshake handshake;
	int64_t half_ns[2]; /* its own handshake's; -1: none */
	bool fin[2];
};

void import_init(struct import *im)
{
	*im = (struct import){.table = connections_new(KNOWN_MAX), .bytes_left = IMPORT_EXCHANGES_BYTES};
	/* Where talks stay where they are. */
	im->connections = calloc(IMPORT_CONNECTIONS_MAX, sizeof(*im->connections));
	if (!im->table || !im->connections)
		log_fatal("out of memory: the connections of a capture");
}

static void state_free(struct import_connection *c)
{
	for (unsigned i = 0; c->state && i < 2; i++)
		stream_fini(&c->state->streams[i]);
	free(c->state);
	c->state = NULL;
}

void import_fini(struct import *im)
{
	for (size_t i = 0; i < im->connections_count; i++) {
		state_free(&im->connections[i]);
		talk_fini(&im->connections[i].talk);
		free(im->connections[i].interface);
	}
	for (size_t i = 0; i < im->paths_count; i++) {
		free(im->paths[i].samples[0]);
		free(im->paths[i].samples[1]);
	}
	free(im->connections);
	free(im->paths);
	connections_free(im->table);
	*im = (struct import){0};
}

static void *grow(void *array, size_t count, size_t size)
{
	/* At powers of two. */
	if (count & (count - 1))
		return array;
	array = realloc(array, (count ? count * 2 : 1) * size);
	if (!array)
		log_fatal("out of memory: a capture");
	return array;
}

/* ---- paths ---- */

static size_t path_get(struct import *im, const struct addr *client, const struct addr *server)
{
	for (size_t i = 0; i < im->paths_count; i++)
		if (addr_equal(&im->paths[i].client, client) && addr_equal(&im->paths[i].server, server))
			return i;
	im->paths = grow(im->paths, im->paths_count, sizeof(*im->paths));
	im->paths[im->paths_count] =
		(struct import_path){.client = *client, .server = *server, .quickest_ns = {INT64_MAX, INT64_MAX}};
	return im->paths_count++;
}

static void sample_add(struct import_path *p, unsigned side, int64_t ns)
{
	if (p->samples_count[side] == IMPORT_SAMPLES_MAX || ns > ROUND_TRIP_MAX_NS)
		return;
	p->samples[side] = grow(p->samples[side], p->samples_count[side], sizeof(**p->samples));
	p->samples[side][p->samples_count[side]++] = ns;
}

static int sample_order(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t import_half_ns(const struct import_path *p, unsigned side)
{
	size_t n = p->samples_count[side];

	if (!n)
		return p->quickest_ns[side] == INT64_MAX ? -1 : p->quickest_ns[side];
	qsort(p->samples[side], n, sizeof(**p->samples), sample_order);
	return p->samples[side][n / 2];
}

/* ---- one connection ---- */

/* The round trip between here and a side: of this connection's handshake, or the quickest of its data. */
static int64_t half_of(const struct import_state *s, unsigned side)
{
	int64_t quickest = s->estimates[!side].quickest_ns;

	if (s->half_ns[side] >= 0)
		return s->half_ns[side];
	return quickest == INT64_MAX ? 0 : quickest;
}

static int64_t round_trip_of(const struct import_state *s)
{
	int64_t sum = half_of(s, 0) + half_of(s, 1);

	return sum || s->half_ns[0] >= 0 || s->half_ns[1] >= 0 ? sum : ROUND_TRIP_NS;
}

/* Times of a handshake whose packets all passed once. */
static void handshake_look(struct import_path *p, struct import_state *s, const struct dissection *d, unsigned side,
			   int64_t now)
{
	struct handshake *h = &s->handshake;

	if (h->done)
		return;
	if (d->flags & FLAG_SYN) {
		if (side == 0 && !h->syns++)
			h->syn_ns = now;
		if (side == 1 && !h->answers++ && h->syns == 1) {
			h->answer_ns = now;
			s->half_ns[1] = now - h->syn_ns;
			sample_add(p, 1, s->half_ns[1]);
		}
		return;
	}
	h->done = true;
	if (side == 0 && d->flags & FLAG_ACK && h->answers == 1 && h->syns == 1) {
		s->half_ns[0] = now - h->answer_ns;
		sample_add(p, 0, s->half_ns[0]);
	}
}

static void talk_feed(struct import_connection *c, unsigned side, int64_t now)
{
	struct stream_chunk chunk;

	while (stream_next(&c->state->streams[side], &chunk))
		talk_bytes(&c->talk, side, chunk.bytes, chunk.len, now);
}

static void segment_read(struct import *im, struct import_connection *c, const struct dissection *d, unsigned side,
			 int64_t now)
{
	struct import_state *s = c->state;
	bool syn = d->flags & FLAG_SYN, ack = d->flags & FLAG_ACK;
	bool pure = !d->payload_len && !(d->flags & (FLAG_SYN | FLAG_FIN | FLAG_RST));
	uint32_t seq = d->seq + syn;

	handshake_look(&im->paths[c->path], s, d, side, now);
	c->answered |= side == 1 && !(d->flags & FLAG_RST);
	c->reset |= (d->flags & FLAG_RST) != 0;
	if (syn)
		stream_begin(&s->streams[side], seq);
	if (d->payload_len && !(d->flags & FLAG_RST)) {
		stream_data(&s->streams[side], seq, d->payload, d->payload_captured, d->payload_len);
		if (!syn)
			estimate_data(&s->estimates[side], seq, d->payload_len, now, round_trip_of(s));
	}
	if (d->flags & FLAG_FIN) {
		stream_fin(&s->streams[side], seq + d->payload_len);
		s->fin[side] = true;
	}
	if (ack && !(d->flags & FLAG_RST)) {
		stream_ack(&s->streams[!side], d->ack);
		estimate_ack(&s->estimates[!side], d->ack, d->window, pure, now, half_of(s, side));
	}
	talk_feed(c, side, now);
	talk_feed(c, !side, now);
}

/* No more packets of it are looked at. */
static void connection_end(struct import *im, struct import_connection *c, int64_t now)
{
	struct import_path *p = &im->paths[c->path];
	struct import_state *s = c->state;

	if (!s)
		return;
	for (unsigned i = 0; i < 2; i++) {
		stream_end(&s->streams[i]);
		talk_feed(c, i, now);
	}
	for (unsigned i = 0; i < 2; i++) {
		int64_t quickest = s->estimates[i].quickest_ns;

		talk_end(&c->talk, i);
		estimate_add(&p->counts[i], &s->estimates[i].counts);
		if (quickest < p->quickest_ns[!i] && quickest <= ROUND_TRIP_MAX_NS)
			p->quickest_ns[!i] = quickest;
	}
	state_free(c);
}

/* Who opened it: by the SYN, else whoever has the larger port. */
static bool is_turned(const struct dissection *d, unsigned side)
{
	uint16_t opener = side == 0 ? d->tuple.remote_port : d->tuple.local_port;
	uint16_t other = side == 0 ? d->tuple.local_port : d->tuple.remote_port;

	return !(d->flags & FLAG_SYN) && opener < other;
}

static struct import_connection *connection_add(struct import *im, const struct dissection *d, unsigned side,
						const char *interface, int64_t now)
{
	struct import_connection *c;
	struct tuple t = side == 0 ? d->tuple : tuple_reverse(&d->tuple); /* remote is the client */

	c = &im->connections[im->connections_count++];
	*c = (struct import_connection){
		.client = t.remote,
		.server = t.local,
		.client_port = t.remote_port,
		.server_port = t.local_port,
		.path = path_get(im, &t.remote, &t.local),
		.opened_ns = now,
		.handshake = d->flags & FLAG_SYN,
		.interface = interface ? strdup(interface) : NULL,
		.state = calloc(1, sizeof(*c->state)),
	};
	if (!c->state || (interface && !c->interface))
		log_fatal("out of memory: a captured connection");
	im->paths[c->path].connections++;
	talk_init(&c->talk, &im->bytes_left);
	for (unsigned i = 0; i < 2; i++) {
		stream_init(&c->state->streams[i], &im->waiting);
		estimate_init(&c->state->estimates[i]);
		c->state->half_ns[i] = -1;
	}
	return c;
}

/* ---- packets ---- */

static void other_count(struct import *im, const struct dissection *d)
{
	switch (d->kind) {
	case DISSECT_SNAPPED:
		im->snapped++;
		break;
	case DISSECT_MALFORMED:
		im->damaged++;
		break;
	case DISSECT_FRAGMENT:
		im->fragments++;
		break;
	default:
		im->others++;
	}
}

/* Clocks are set back: then nothing happens for a while. Others jump, or nobody was there for days. */
static void time_see(struct import *im, int64_t t)
{
	uint64_t step = im->begun && t > im->last_ns ? (uint64_t)t - (uint64_t)im->last_ns : 0;

	if (!im->begun || t > im->last_ns)
		im->last_ns = t;
	im->begun = true;
	if (step > PAUSE_MAX_NS) {
		im->pauses_cut++;
		step = PAUSE_MAX_NS;
	}
	im->lasted_ns += (int64_t)step;
	if (im->lasted_ns > TIME_MAX_NS)
		im->lasted_ns = TIME_MAX_NS;
}

static void packet_read(struct import *im, const struct capture_packet *p)
{
	struct dissection d;
	unsigned side;

	im->packets++;
	time_see(im, p->time_ns);
	dissect(&d, p);
	if (d.kind != DISSECT_TCP) {
		other_count(im, &d);
		return;
	}
	im->tcp_packets++;
	if (p->told.encapsulated) {
		im->encapsulated++;
		return;
	}
	const struct connection *known = connections_get(im->table, &d, &side);
	uint64_t index = known->number - 1;

	if (index >= IMPORT_CONNECTIONS_MAX) {
		im->connections_left_out = index + 1 - IMPORT_CONNECTIONS_MAX > im->connections_left_out
						   ? index + 1 - IMPORT_CONNECTIONS_MAX
						   : im->connections_left_out;
		return;
	}
	if (index == im->connections_count)
		connection_add(im, &d, side ^ is_turned(&d, side), p->interface, im->lasted_ns);
	struct import_connection *c = &im->connections[index];

	/* A packet that passes several interfaces of a file counts where the connection was seen first. */
	if (c->interface && p->interface && strcmp(c->interface, p->interface) != 0) {
		im->elsewhere++;
		return;
	}
	/* What a comment says was dropped did not pass here, though it was sent. */
	im->lost += p->told.lost;
	if (!c->state || p->told.lost)
		return;
	/* The table's sides may be turned; the connection's own are by address. */
	side = !(addr_equal(&d.tuple.remote, &c->client) && d.tuple.remote_port == c->client_port);
	segment_read(im, c, &d, side, im->lasted_ns);
}

static int capture_read(struct import *im, struct capture *capture, char why[IMPORT_WHY_MAX])
{
	struct capture_packet p;
	int r;

	while ((r = capture_next(capture, &p)) == 1)
		packet_read(im, &p);
	if (r < 0)
		snprintf(why, IMPORT_WHY_MAX, "%s", capture_why(capture));
	return r;
}

int import_read(struct import *im, const char *path, char why[IMPORT_WHY_MAX])
{
	char reason[CAPTURE_WHY_MAX];
	struct capture *capture = capture_open(path, reason);

	if (!capture) {
		snprintf(why, IMPORT_WHY_MAX, "%s", reason);
		return E_INVAL;
	}
	int r = capture_read(im, capture, why);

	capture_close(capture);
	for (size_t i = 0; i < im->connections_count; i++)
		connection_end(im, &im->connections[i], im->lasted_ns);
	im->connections_forgotten = connections_forgotten(im->table);
	return r;
}
