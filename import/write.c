/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/write.h"

#include "base/nstime.h"
#include "base/quantity.h"
#include "import/write_traffic.h"

#include <inttypes.h>
#include <string.h>

#define LATE_S 3600U /* behind the last request's start: when the run ends at the latest */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

void write_share(FILE *f, uint32_t ppb)
{
	char text[24];
	size_t len = (size_t)snprintf(text, sizeof(text), "%u.%07u", ppb / 10000000U, ppb % 10000000U);

	while (text[len - 1] == '0')
		text[--len] = 0;
	if (text[len - 1] == '.')
		text[--len] = 0;
	fprintf(f, "%s %%", text);
}

void write_seconds(FILE *f, int64_t ns)
{
	char text[32];
	size_t len = (size_t)snprintf(text, sizeof(text), "%" PRId64 ".%09" PRId64, ns / (int64_t)NSTIME_S,
				      ns % (int64_t)NSTIME_S);

	while (text[len - 1] == '0')
		text[--len] = 0;
	if (text[len - 1] == '.')
		text[--len] = 0;
	fprintf(f, "%s s", text);
}

/* A name of the machine's in a comment or text: what is not plain ASCII becomes '?'. */
static void put_printable(FILE *f, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || (unsigned char)*text > '~' || *text == '"' || *text == '\\' ? '?'
														: *text,
		      f);
}

/* ---- the head ---- */

static void write_left_out(FILE *f, const struct plan *p)
{
	const struct import *im = p->im;
	const struct {
		uint64_t count;
		const char *one, *more;
	} rows[] = {
		{im->others, "packet of another protocol than TCP", "packets of other protocols than TCP"},
		{im->lost, "segment that was dropped, as its comment says",
		 "segments that were dropped, as their comments say"},
		{im->elsewhere, "packet that another interface of the file shows too",
		 "packets that another interface of the file shows too"},
		{im->encapsulated, "packet encapsulated by Baton", "packets encapsulated by Baton"},
		{im->fragments, "fragment of an IP packet", "fragments of IP packets"},
		{im->snapped, "packet cut off within its headers", "packets cut off within their headers"},
		{im->damaged, "malformed packet", "malformed packets"},
		{p->attempts, "attempt to connect that nobody answered", "attempts to connect that nobody answered"},
		{im->connections_left_out + p->no_room, "connection for which a scenario has no room",
		 "connections for which a scenario has no room"},
		{im->connections_forgotten, "connection that may stand twice: too many were open at a time",
		 "connections that may stand twice: too many were open at a time"},
	};
	bool any = false;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!rows[i].count)
			continue;
		fprintf(f, "%s%" PRIu64 " %s", any ? ",\n# " : "#\n# Left out: ", rows[i].count,
			rows[i].count == 1 ? rows[i].one : rows[i].more);
		any = true;
	}
	if (any)
		fputs(".\n", f);
	if (im->pauses_cut)
		fprintf(f, "#\n# Cut to a day: %" PRIu64 " longer pause%s between two packets.\n", im->pauses_cut,
			plural(im->pauses_cut));
}

static void write_head(FILE *f, const struct plan *p, const char *name)
{
	const struct import *im = p->im;

	fprintf(f, "# Made by `baton import` (Baton %s) from ", BATON_VERSION);
	put_printable(f, name);
	fprintf(f, ": %zu connection%s with %" PRIu64 " exchange%s,\n# %" PRIu64 " packets over ", p->connections_count,
		plural(p->connections_count), p->exchanges_count, plural(p->exchanges_count), im->packets);
	write_seconds(f, im->lasted_ns);
	fputs(".\n#\n"
	      "# Measured: when connections and requests began; methods, targets, hosts, server names; bytes of bodies "
	      "and\n"
	      "# replies as they passed; for each pair of a client's and a server's address the round-trip time, and "
	      "the loss and\n"
	      "# reordering of segments with data in each direction, before and behind the place of the capture.\n"
	      "#\n"
	      "# Assumed: half of the round trip each way, and no jitter; losses that do not depend on one another, "
	      "and as many of\n"
	      "# acknowledgements as of data; links without a limit of their rate; servers that answer at once; heads "
	      "without the\n"
	      "# fields that no rule looks at; what does not speak HTTP or TLS takes turns; new addresses, and one "
	      "backend for each\n"
	      "# server's. baton(1), import, tells how things were measured and how well.\n",
	      f);
	write_left_out(f, p);
	fputs("baton: 1\nname: \"traffic of ", f);
	put_printable(f, name);
	fputs("\"\nseed: 1\n", f);
	fprintf(f, "stop: %" PRId64 " s\n", im->lasted_ns / (int64_t)NSTIME_S + 1 + LATE_S);
}

/* ---- networks and nodes ---- */

static void write_networks(FILE *f, const struct plan *p)
{
	static const char *const subnets[][2] = {{"198.18.0.0/15", "10.0.0.0/16"},
						 {"2001:db8:1::/64", "2001:db8:2::/64"}};
	static const char *const names[] = {"internet", "cluster"};

	fputs("\nnetworks:\n", f);
	for (unsigned n = 0; n < 2; n++) {
		if (p->families[0] && p->families[1])
			fprintf(f, "  %s: { subnet: [ \"%s\", \"%s\" ] }\n", names[n], subnets[0][n], subnets[1][n]);
		else
			fprintf(f, "  %s: { subnet: \"%s\" }\n", names[n], subnets[p->families[1]][n]);
	}
}

static void write_counts(FILE *f, const char *direction, const struct estimate_counts *c, const struct plan_link *l)
{
	fprintf(f,
		"  #   %s: %" PRIu64 " segments with data, %" PRIu64 " lost (%" PRIu64 " before, %" PRIu64 " behind)",
		direction, c->segments, c->lost_before + c->lost_behind, c->lost_before, c->lost_behind);
	fprintf(f, ", %" PRIu64 " ahead of others", c->reordered_before + c->reordered_behind);
	if (c->needless)
		fprintf(f, ", %" PRIu64 " sent again needlessly", c->needless);
	if (c->duplicates)
		fprintf(f, ", %" PRIu64 " twice", c->duplicates);
	if (l->pooled && (l->loss_ppb || l->reorder_ppb))
		fputs("; too few: the shares of all paths", f);
	else if (l->pooled)
		fputs("; too few to tell of losses", f);
	if (l->capped)
		fputs("; more than TCP gets through: capped", f);
	fputc('\n', f);
}

static void write_link(FILE *f, const char *direction, const struct plan_link *l, bool delayed)
{
	bool reorder = l->reorder_ppb && delayed;

	if (!l->loss_ppb && !reorder)
		return;
	fprintf(f, ", %s: { ", direction);
	if (l->loss_ppb) {
		fputs("loss: ", f);
		write_share(f, l->loss_ppb);
	}
	if (reorder) {
		fputs(l->loss_ppb ? ", reorder: " : "reorder: ", f);
		write_share(f, l->reorder_ppb);
	}
	fputs(" }", f);
}

static void write_client(FILE *f, const struct plan *p, size_t i)
{
	const struct import_path *measured = &p->im->paths[i];
	const struct plan_path *path = &p->paths[i];
	char client[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX], q[QUANTITY_MAX];
	int64_t round_trip = path->round_trip_ns < 0 ? PLAN_ASSUMED_NS : path->round_trip_ns;
	bool delayed = round_trip / 2 > 0;

	fprintf(f, "  # %s to %s: %" PRIu64 " connection%s", addr_text(&measured->client, client),
		addr_text(&measured->server, server), measured->connections, plural(measured->connections));
	if (path->round_trip_ns < 0)
		fputs(", no round trip seen: 20 ms assumed\n", f);
	else
		fprintf(f, ", round trip %s, from %zu and %zu handshakes\n", quantity_time(q, (uint64_t)round_trip),
			measured->samples_count[0], measured->samples_count[1]);
	write_counts(f, "there", &measured->counts[0], &path->links[0]);
	write_counts(f, "back", &measured->counts[1], &path->links[1]);
	fprintf(f, "  client%zu: { role: client, on: { internet: { delay: %" PRId64 " ns", path->client + 1,
		round_trip / 2);
	write_link(f, "out", &path->links[0], delayed);
	write_link(f, "in", &path->links[1], delayed);
	fputs(" } } }\n", f);
}

/* The applications that do not come by a service's protocol, each once. */
static void write_apps(FILE *f, const struct plan *p, size_t backend)
{
	bool written[2] = {false, false};

	for (size_t i = 0; i < p->services_count; i++) {
		const struct plan_service *s = &p->services[i];
		bool echo = s->form == PLAN_ECHO;

		if (s->backend != backend || (s->form != PLAN_BULK && !echo) || written[echo])
			continue;
		fprintf(f, "%s%s: %u", written[!echo] ? ", " : ", apps: { ", echo ? "echo" : "bulk", write_port(p, i));
		written[echo] = true;
	}
	if (written[0] || written[1])
		fputs(" }", f);
}

static void write_nodes(FILE *f, const struct plan *p)
{
	fputs("\nnodes:\n", f);
	for (size_t i = 0; i < p->im->paths_count; i++)
		if (p->paths[i].used)
			write_client(f, p, i);
	fputs("  forwarder: { role: forwarder, on: { internet: {}, cluster: {} } }\n"
	      "  classifier: { role: classifier, on: { cluster: {} } }\n",
	      f);
	for (size_t i = 0; i < p->backends_count; i++) {
		fprintf(f, "  backend%zu: { role: backend, on: { cluster: {} }", i + 1);
		write_apps(f, p, i);
		fputs(" }\n", f);
	}
}

/* ---- services ---- */

static void write_service(FILE *f, const struct plan *p, size_t i)
{
	static const char *const protocols[] = {
		[PLAN_HTTP] = "http", [PLAN_TLS] = "tls",    [PLAN_BULK] = "none",
		[PLAN_ECHO] = "none", [PLAN_TURNS] = "none",
	};
	const struct plan_service *s = &p->services[i];
	char server[ADDR_TEXT_MAX];

	fprintf(f, "  # %s port %u: %" PRIu64 " connection%s\n  ", addr_text(&s->server, server), s->port,
		s->connections, plural(s->connections));
	write_service_name(f, p, i);
	fputs(":\n    vip: ", f);
	if (s->server.family == 6)
		fprintf(f, "\"[2001:db8:1::1:%zx]:%u\"\n", i + 1, write_port(p, i));
	else
		fprintf(f, "198.19.%zu.%zu:%u\n", (i + 1) / 256, (i + 1) % 256, write_port(p, i));
	fprintf(f, "    protocol: %s\n    rules:\n", protocols[s->form]);
	for (size_t n = 0; n < s->names_count; n++)
		if (write_name_is_plain(s->names[n]))
			fprintf(f, "      - { server_name: \"%s\", to: backend%zu }\n", s->names[n], s->backend + 1);
	fprintf(f, "      - { to: backend%zu }\n", s->backend + 1);
}

void write_scenario(FILE *f, const struct plan *p, const char *name)
{
	write_head(f, p, name);
	write_networks(f, p);
	write_nodes(f, p);
	fputs("\nservices:\n", f);
	for (size_t i = 0; i < p->services_count; i++)
		write_service(f, p, i);
	write_traffic(f, p);
	fprintf(f, "\nexpect:\n  - requests.completed == %" PRIu64 "\n  - streams.corrupted == 0\n",
		p->exchanges_count);
}
