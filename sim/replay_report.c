/* SPDX-License-Identifier: BSD-3-Clause */
/* What became of a connection, and the sums. */
#include "sim/flows.h"
#include "sim/replay_internal.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const lacks[] = {
	[REPLAY_LACK_NOTHING] = "",
	[REPLAY_LACK_HANDSHAKE] = "no handshake: the capture begins within it",
	[REPLAY_LACK_SYN] = "no handshake: the capture lacks its SYN",
	[REPLAY_LACK_CLIENT] = "one-sided: the capture has no packet of the client",
	[REPLAY_LACK_SERVER] = "one-sided: the capture has no packet of the server",
	[REPLAY_LACK_BYTES] = "snapped: the capture has only the beginning of its packets",
	[REPLAY_LACK_MUCH] = "a gap: the capture lacks too much in one place",
	[REPLAY_LACK_REFUSED] = "refused by the captured server",
	[REPLAY_LACK_SILENT] = "nobody says a byte before the server's reset, so that there is nothing to hand over",
	[REPLAY_LACK_PORT] = "no port was left for its client",
};

/* Adds words, behind "; " when there are some. */
static void __attribute__((format(printf, 2, 3))) remark(char text[REPLAY_WHY_MAX], const char *format, ...)
{
	size_t len = strlen(text);
	va_list ap;

	if (len)
		len += (size_t)snprintf(text + len, REPLAY_WHY_MAX - len, "; ");
	if (len >= REPLAY_WHY_MAX)
		return;
	va_start(ap, format);
	vsnprintf(text + len, REPLAY_WHY_MAX - len, format, ap);
	va_end(ap);
}

/* What is to be said of one that is whole, or that is not. */
static void remarks(const struct replay_conn *c, char text[REPLAY_WHY_MAX])
{
	bool ended = replay_stream_ended(&c->client) && replay_stream_ended(&c->server);
	bool client_fin = c->client.fin_lacking, server_fin = c->server.fin_lacking;

	if (!c->client.edge && !c->server.edge)
		remark(text, "neither side says a byte");
	if (c->client.lacking)
		remark(text, "the capture lacks %llu of the client's bytes: zeroes were sent",
		       (unsigned long long)c->client.lacking);
	if (c->server.lacking)
		remark(text, "the capture lacks %llu of the server's bytes: zeroes were sent",
		       (unsigned long long)c->server.lacking);
	if (client_fin || server_fin)
		remark(text, "the capture lacks the FIN of the %s",
		       client_fin && server_fin ? "client and the server"
		       : client_fin             ? "client"
						: "server");
	if (c->client.differing || c->server.differing)
		remark(text, "the capture has bytes twice that differ");
	if (c->ignored_reset)
		remark(text, "a reset before the server's SYN was left out: the client took no notice of it");
	if (c->sides[0].reset && c->reset_sent)
		remark(text, "reset by the client, as captured");
	if (c->sides[1].reset && c->script.reset)
		remark(text, "reset by the server, as captured");
	if (!ended && !c->sides[0].reset && !c->sides[1].reset)
		remark(text, "the capture does not show its end");
	if (c->client.edge > c->client.acked)
		remark(text, "the captured server acknowledged %llu of the client's %llu bytes",
		       (unsigned long long)c->client.acked, (unsigned long long)c->client.edge);
}

static size_t service_of(const struct replay *r, size_t place)
{
	const struct scenario *s = r->world->scenario;
	size_t i = 0;

	while (i + 1 < s->services_count && r->world->rules.first[i + 1] <= place)
		i++;
	return i;
}

static void cluster_fill(const struct replay_conn *c, struct replay_report *out, char *rule_text)
{
	const struct world *w = c->replay->world;
	const struct scenario_service *service;

	if (c->rule != SIZE_MAX) {
		service = &w->scenario->services[service_of(c->replay, c->rule)];
		out->service = service->name;
		out->rule = c->rule - w->rules.first[service_of(c->replay, c->rule)];
		out->rule_text = flows_rule_text(&service->rules[out->rule], rule_text);
	}
	if (c->backend != SIZE_MAX)
		out->backend = w->scenario->nodes[c->backend].name;
	out->handoffs = c->handoffs;
	out->handed_over = c->handed_over;
	out->handoff_ns = c->handoff_ns;
}

static void totals_add(struct replay_totals *t, const struct replay_report *o)
{
	t->connections++;
	t->whole += o->verdict == REPLAY_WHOLE;
	t->broken += o->verdict == REPLAY_BROKEN;
	t->no_replay += o->verdict == REPLAY_NO_REPLAY;
	t->segments += o->segments;
	t->acks_added += o->acks_added;
	t->retransmissions_added += o->retransmissions_added;
	t->handed_over += o->handoffs > 0;
	if (o->verdict == REPLAY_NO_REPLAY)
		return;
	t->client_bytes += o->client_bytes;
	t->server_bytes += o->server_bytes;
	t->client_arrived += o->client_arrived;
	t->server_arrived += o->server_arrived;
	t->client_lacking += o->client_lacking;
	t->server_lacking += o->server_lacking;
}

void replay_report(struct replay_conn *c)
{
	struct replay *r = c->replay;
	char text[REPLAY_WHY_MAX] = "", rule_text[FLOWS_MATCH_MAX];
	struct replay_report out = {
		.number = c->number,
		.loop = r->loop,
		.captured = &c->captured,
		.live = c->host ? &c->live : NULL,
		.verdict = c->lack     ? REPLAY_NO_REPLAY
			   : c->why[0] ? REPLAY_BROKEN
				       : REPLAY_WHOLE,
		.why = text,
		.client_bytes = c->client.edge,
		.server_bytes = c->server.edge,
		.client_arrived = c->script.read,
		.server_arrived = c->arrived,
		.client_lacking = c->client.lacking,
		.server_lacking = c->server.lacking,
		.started = c->started,
		.ended = replay_now(r),
		.client_reset = c->sides[0].reset,
		.server_reset = c->sides[1].reset,
		.segments = c->segments,
		.acks_added = c->acks_added,
		.retransmissions_added = c->retransmissions_added,
	};

	if (c->lack)
		remark(text, "%s", lacks[c->lack]);
	else if (c->why[0])
		remark(text, "%s", c->why);
	if (!c->lack)
		remarks(c, text);
	cluster_fill(c, &out, rule_text);
	totals_add(&r->totals, &out);
	if (r->options.ended)
		r->options.ended(r->options.context, &out);
}

void replay_collect(const struct replay *r, struct metrics *m)
{
	const struct replay_totals *t = &r->totals;
	const struct {
		const char *name;
		uint64_t value;
	} values[] = {
		{"replay.connections", t->connections},
		{"replay.whole", t->whole},
		{"replay.broken", t->broken},
		{"replay.not_replayable", t->no_replay},
		{"replay.handed_over", t->handed_over},
		{"replay.client_bytes.captured", t->client_bytes},
		{"replay.client_bytes.arrived", t->client_arrived},
		{"replay.client_bytes.lacking", t->client_lacking},
		{"replay.server_bytes.captured", t->server_bytes},
		{"replay.server_bytes.arrived", t->server_arrived},
		{"replay.server_bytes.lacking", t->server_lacking},
		{"replay.segments", t->segments},
		{"replay.acknowledgements_added", t->acks_added},
		{"replay.retransmissions_added", t->retransmissions_added},
		{"replay.packets.read", t->packets},
		{"replay.packets.not_tcp", t->other},
		{"replay.packets.malformed", t->malformed},
		{"replay.packets.of_other_interfaces", t->elsewhere},
		{"replay.packets.encapsulated", t->encapsulated},
		{"replay.packets.dropped_as_captured", t->lost},
		{"replay.packets.checksum_wrong", t->wrong},
		{"replay.packets.checksum_unset", t->unset},
		{"replay.forgotten", t->forgotten},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		metrics_set(m, values[i].name, values[i].value);
}
