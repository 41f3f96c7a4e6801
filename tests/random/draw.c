/* SPDX-License-Identifier: BSD-3-Clause */
/* Draws a scenario from a seed and prints it: topology, impairments, balancing, traffic and faults, all of them such
 * that `baton check` finds no mistake. tests/shell/random.bats runs what it draws; the invariants are the oracle.
 *
 * Two compilers may draw differently from one seed: the order in which arguments are evaluated is theirs.
 *
 * usage: draw SEED > random.yaml */
#include "base/random.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STOP_S 120U

/* What was drawn of the topology, for the parts that refer to it. */
struct world {
	struct random_stream r;
	unsigned clients, far_clients, classifiers, backends, cut; /* cut: percent of attachments with impairments */
	bool one_device, direct, server, raw, secure, health;
	bool v4, v6;                      /* the families of all networks: one or both */
	bool cluster_went, internet_went; /* a link of that network goes down */
	bool corrupts;                    /* an attachment does */
};

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)random_below(&w->r, n);
}

static bool chance(struct world *w, unsigned percent)
{
	return below(w, 100) < percent;
}

static const char *one_of(struct world *w, const char *const *words, size_t count)
{
	return words[random_below(&w->r, count)];
}

#define ONE_OF(w, ...)                                                                                                 \
	one_of(w, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

/* ---- impairments ---- */

static void draw_loss(struct world *w)
{
	switch (below(w, 4)) {
	case 0:
		printf(", loss: gemodel %u %% %u %% %u %%", 1 + below(w, 4), 20 + below(w, 60), 50 + below(w, 51));
		break;
	case 1:
		printf(", loss: state %u %% %u %%", 1 + below(w, 4), 20 + below(w, 60));
		break;
	case 2:
		printf(", loss: %u %% %u %%", 1 + below(w, 15), 5 + below(w, 40));
		break;
	default:
		printf(", loss: %u %%", 1 + below(w, 15));
		break;
	}
}

static void draw_delay(struct world *w)
{
	unsigned delay = 1 + below(w, 40);

	printf(", delay: %u ms", delay);
	if (!chance(w, 50))
		return;
	printf(", jitter: %u us", 100 + below(w, delay * 900));
	if (chance(w, 50))
		printf(", distribution: %s", ONE_OF(w, "uniform", "normal", "pareto", "paretonormal"));
}

static void draw_rate(struct world *w)
{
	printf(", rate: %u Mbit", 2 + below(w, 200));
	if (chance(w, 40))
		printf(", burst: %u kB", 5 + below(w, 60));
	if (chance(w, 40))
		printf(", limit: %u", 20 + below(w, 1000));
	if (chance(w, 30))
		fputs(", queue: codel", stdout);
}

/* What an attachment's braces hold; `courier` may limit it to the courier's frames. */
static void draw_impairments(struct world *w, bool courier)
{
	bool models = false;

	if (chance(w, 40)) {
		draw_delay(w);
		models = true;
	}
	if (chance(w, 35)) {
		draw_loss(w);
		models = true;
	}
	/* One attachment in all: of two flipped bits in one packet TCP's checksum sees only some. */
	if (chance(w, 20) && !w->corrupts) {
		printf(", corrupt: %u %%", 1 + below(w, 8));
		w->corrupts = models = true;
	}
	if (chance(w, 20)) {
		printf(", duplicate: %u %%", 1 + below(w, 10));
		models = true;
	}
	if (models && courier && chance(w, 40))
		fputs(", only: courier", stdout);
	if (chance(w, 25))
		draw_rate(w);
}

/* "NETWORK: { ... }" */
static void draw_attachment(struct world *w, const char *network, bool courier)
{
	printf("%s: { in: {}", network);
	if (chance(w, w->cut))
		draw_impairments(w, courier);
	fputs(" }", stdout);
}

/* ---- nodes ---- */

static void draw_node(struct world *w, const char *name, const char *role, const char *first, const char *second)
{
	printf("  %s:\n    role: %s\n    on: { ", name, role);
	draw_attachment(w, first, first[0] == 'c');
	if (second) {
		fputs(", ", stdout);
		draw_attachment(w, second, second[0] == 'c');
	}
	fputs(" }\n", stdout);
}

static void draw_range(struct world *w, const char *stem, unsigned count, const char *role, const char *first,
		       const char *second)
{
	char name[64];

	if (!count)
		return;
	snprintf(name, sizeof(name), "%s[1..%u]", stem, count);
	draw_node(w, name, role, first, second);
}

static void draw_nodes(struct world *w)
{
	puts("\nnodes:");
	draw_range(w, "client", w->clients, "client", "internet", NULL);
	draw_range(w, "guest", w->far_clients, "client", "far", NULL);
	if (w->far_clients)
		draw_node(w, "edge", "router", "far", "internet");
	if (w->one_device)
		draw_node(w, "balancer", "[forwarder, classifier]", "internet", "cluster");
	else
		draw_node(w, "balancer", "forwarder", "internet", "cluster");
	draw_range(w, "classifier", w->classifiers, "classifier", "cluster", NULL);
	if (w->classifiers && chance(w, 15))
		printf("    limits: { %s }\n",
		       ONE_OF(w, "connections: 3", "per_client: 2", "handoffs: 2", "held: 4 kB", "half_open: 2",
			      "tombstones: 1", "courier_queue: 3 kB", "read: 500 ms"));
	draw_range(w, "backend", w->backends, "backend", "cluster", w->direct ? "internet" : NULL);
	if (chance(w, 30))
		printf("    limits: { connections: %u }\n", 1 + below(w, 8));
	if (w->server) {
		draw_node(w, "server", "host", "internet", NULL);
		puts("    apps: { echo: 7, http: 80, bulk: 5001 }");
	}
}

/* ---- networks ---- */

static void draw_network(const struct world *w, const char *name, const char *v4, const char *v6)
{
	if (w->v4 && w->v6)
		printf("  %s: { subnet: [%s, %s] }\n", name, v4, v6);
	else
		printf("  %s: { subnet: %s }\n", name, w->v4 ? v4 : v6);
}

static void draw_networks(const struct world *w)
{
	puts("\nnetworks:");
	draw_network(w, "internet", "198.51.100.0/24", "2001:db8:1::/64");
	if (w->far_clients)
		draw_network(w, "far", "203.0.113.0/24", "2001:db8:2::/64");
	draw_network(w, "cluster", "10.0.0.0/24", "2001:db8:3::/64");
}

/* A VIP of one of the families. */
static void draw_vip(struct world *w, unsigned port)
{
	if (w->v6 && (!w->v4 || chance(w, 50)))
		printf("    vip: \"[2001:db8:1::80]:%u\"\n", port);
	else
		printf("    vip: 198.51.100.80:%u\n", port);
}

/* ---- services ---- */

static void draw_rule(struct world *w, const char *condition)
{
	printf("      - { %sto: \"backend*\", balance: ", condition);
	switch (below(w, 5)) {
	case 0:
		fputs("least-connections", stdout);
		break;
	case 1:
		printf("maglev, hash: %s", ONE_OF(w, "client", "path", "host"));
		break;
	case 2:
		fputs("sticky", stdout);
		break;
	case 3:
		printf("round-robin, weights: { backend1: %u }", 1 + below(w, 5));
		break;
	default:
		fputs("round-robin", stdout);
		break;
	}
	puts(" }");
}

static void draw_services(struct world *w)
{
	puts("\nservices:\n  web:");
	draw_vip(w, 80);
	printf("    return: %s\n    rules:\n", w->direct ? "direct" : "forwarder");
	if (chance(w, 50))
		draw_rule(w, "path: /img/*, ");
	if (chance(w, 30))
		draw_rule(w, "method: POST, ");
	draw_rule(w, "");
	if (w->raw) {
		puts("  raw:");
		draw_vip(w, 81);
		printf("    protocol: none\n    return: %s\n    rules:\n      - { to: "
		       "\"backend*\", "
		       "balance: %s }\n",
		       w->direct ? "direct" : "forwarder", ONE_OF(w, "round-robin", "least-connections"));
	}
	if (!w->secure)
		return;
	puts("  secure:");
	draw_vip(w, 443);
	printf("    protocol: %s\n    return: %s\n    rules:\n", ONE_OF(w, "tls", "auto"),
	       w->direct ? "direct" : "forwarder");
	printf("      - { server_name: \"%s\", to: \"backend*\", balance: %s }\n", ONE_OF(w, "*.example", "a*", "*"),
	       ONE_OF(w, "round-robin", "sticky", "\"maglev\", hash: server_name"));
}

/* ---- traffic ---- */

static void draw_arrivals(struct world *w)
{
	printf("requests: %u", 1 + below(w, 25));
	if (!chance(w, 80))
		return;
	printf(", rate: %u /s", 1 + below(w, 60));
	if (chance(w, 30))
		fputs(", arrivals: poisson", stdout);
	else if (chance(w, 30))
		printf(", arrivals: burst, burst: %u", 2 + below(w, 6));
}

/* How the client writes, and the end of the entry. */
static void draw_writing(struct world *w)
{
	if (chance(w, 20)) {
		printf(", piece: %u B", 500 + below(w, 3000));
		if (chance(w, 50))
			printf(", pause: %u ms", 1 + below(w, 20));
	}
	if (chance(w, 15))
		printf(", keepalive: %u s", 5 + below(w, 20));
	puts(" }");
}

static void draw_http(struct world *w, const char *to)
{
	printf("  - { from: \"%s\", %s, ", w->far_clients && chance(w, 40) ? "guest*" : "*", to);
	draw_arrivals(w);
	printf(", path: \"/%s{n}\"", ONE_OF(w, "img/", "", "a/b/"));
	if (chance(w, 70))
		printf(", reply: %u B", 1 + below(w, 120000));
	if (chance(w, 30)) {
		printf(", body: %u B", 1 + below(w, 100000));
		if (chance(w, 40))
			fputs(", chunked: true", stdout);
	}
	if (chance(w, 30)) {
		unsigned requests = 2 + below(w, 5);
		printf(", per_connection: %u", requests);
		if (chance(w, 40))
			printf(", pipeline: %u", 2 + below(w, requests - 1));
	} else if (chance(w, 20)) {
		fputs(", half_close: true", stdout);
	}
	draw_writing(w);
}

static void draw_tls(struct world *w)
{
	printf("  - { from: \"*\", service: secure, app: tls, ");
	draw_arrivals(w);
	if (chance(w, 90))
		printf(", server_name: \"%s\"", ONE_OF(w, "a{n}.example", "A.Example", "b.test"));
	if (chance(w, 40))
		printf(", hello_records: %u", 1 + below(w, 50));
	if (chance(w, 30))
		printf(", hello_bytes: %u B", below(w, 16000));
	if (chance(w, 50))
		printf(", body: %u B", 1 + below(w, 50000));
	if (chance(w, 70))
		printf(", reply: %u B", 1 + below(w, 100000));
	if (chance(w, 40))
		printf(", per_connection: %u", 1 + below(w, 5));
	draw_writing(w);
}

static void draw_stream(struct world *w)
{
	bool echo = chance(w, 50);

	printf("  - { from: \"*\", to: server:%u, app: %s, bytes: %u B, requests: %u }\n", echo ? 7U : 5001U,
	       echo ? "echo" : "bulk", 1 + below(w, 300000), 1 + below(w, 4));
}

static void draw_traffic(struct world *w)
{
	puts("\ntraffic:");
	draw_http(w, "service: web");
	if (w->raw)
		draw_http(w, "service: raw");
	if (w->secure)
		draw_tls(w);
	if (w->server && chance(w, 70))
		draw_stream(w);
	if (w->server && chance(w, 50))
		draw_http(w, "to: server:80");
}

/* ---- faults ---- */

/* A node that may lose its state, and an attachment of it on the cluster's network. */
static void draw_member(struct world *w, char name[32])
{
	unsigned n = below(w, w->backends + w->classifiers + 1);

	if (n < w->backends)
		snprintf(name, 32, "backend%u", n + 1);
	else if (n < w->backends + w->classifiers)
		snprintf(name, 32, "classifier%u", n - w->backends + 1);
	else
		snprintf(name, 32, "balancer");
}

static void draw_partition(struct world *w)
{
	printf("partition: [[balancer], [\"%s\"]], for: %u ms }\n", ONE_OF(w, "backend*", "backend1", "client*"),
	       10 + below(w, 2500));
}

/* A link that is down cannot go down: each of the two kinds of link does so once. */
static void draw_down(struct world *w, const char *link, const char *network, bool *went)
{
	if (*went)
		draw_partition(w);
	else
		printf("link: %s.%s, down: %u ms }\n", link, network, 10 + below(w, 3000));
	*went = true;
}

/* One packet: which, and what happens to it. */
static void draw_exact(struct world *w, const char *name)
{
	if (chance(w, 30))
		printf("delay: %u, by: %u ms, ", 1 + below(w, 20), 1 + below(w, 400));
	else
		printf("%s: %u, ", ONE_OF(w, "drop", "corrupt", "duplicate"), 1 + below(w, 20));
	printf("on: %s.cluster, match: ", name);
	if (chance(w, 40))
		printf("{ is: %s, direction: %s, from: balancer }", ONE_OF(w, "data", "courier data", "courier hello"),
		       ONE_OF(w, "in", "out"));
	else
		fputs(ONE_OF(w, "courier", "encapsulated", "tcp", "syn", "fin", "courier data"), stdout);
	puts(" }");
}

static void draw_fault(struct world *w, unsigned at_ms)
{
	char name[32];

	draw_member(w, name);
	printf("  - { at: %u ms, ", at_ms);
	switch (below(w, 6)) {
	case 0:
		draw_down(w, name, "cluster", &w->cluster_went);
		break;
	case 1:
		printf("set: %s.cluster, loss: %u %%, delay: %u ms, jitter: 0 }\n", name, below(w, 10),
		       1 + below(w, 10));
		break;
	case 2:
		draw_exact(w, name);
		break;
	case 3:
		printf("%s: %u, on: balancer.internet }\n", ONE_OF(w, "drop", "corrupt", "duplicate"),
		       1 + below(w, 50));
		break;
	case 4:
		draw_partition(w);
		break;
	default:
		draw_down(w, "balancer", "internet", &w->internet_went);
		break;
	}
}

static void draw_crash(struct world *w)
{
	unsigned at_ms = below(w, 1500);
	char name[32];

	draw_member(w, name);
	printf("  - { at: %u ms, crash: %s }\n", at_ms, name);
	if (chance(w, 75))
		printf("  - { at: %u ms, restart: %s }\n", at_ms + 1 + below(w, 3000), name);
}

/* Backends that drain, one after the other or overlapping, and mostly serve again. */
static void draw_drains(struct world *w)
{
	unsigned at_ms = below(w, 1000), count = 1 + below(w, 4);

	for (unsigned i = 0; i < count; i++) {
		unsigned backend = 1 + i % w->backends, for_ms = 1 + below(w, 600);
		bool again = count > w->backends || chance(w, 70);

		printf("  - { at: %u ms, drain: backend%u", at_ms, backend);
		if (chance(w, 50))
			printf(", within: %u ms", 1 + below(w, 1000));
		puts(" }");
		if (again)
			printf("  - { at: %u ms, undrain: backend%u }\n", at_ms + for_ms, backend);
		at_ms += (count > w->backends ? for_ms : 0) + 1 + below(w, 300);
	}
}

static void draw_rekey(struct world *w)
{
	printf("  - { at: %u ms, rekey: new, over: %u ms }\n", below(w, 1500), below(w, 1001));
}

static void draw_faults(struct world *w)
{
	bool crash = chance(w, 30), drains = !crash && chance(w, 50), rekey = chance(w, 20);
	unsigned count = below(w, 4);

	if (!count && !crash && !drains && !rekey)
		return;
	puts("\nfaults:");
	for (unsigned i = 0; i < count; i++)
		draw_fault(w, 4 * below(w, 500) + i); /* no two at one time */
	if (crash)
		draw_crash(w);
	if (drains)
		draw_drains(w);
	if (rekey)
		draw_rekey(w);
}

/* Which parts there are is drawn first, so that a part's own draws do not decide which others there are. */
static void world_init(struct world *w, uint64_t seed)
{
	random_init(&w->r, seed, "random scenario");
	w->clients = 1 + below(w, 5);
	w->far_clients = chance(w, 30) ? 1 + below(w, 3) : 0;
	w->one_device = chance(w, 25);
	w->classifiers = w->one_device ? below(w, 2) : 1 + below(w, 3);
	w->backends = 1 + below(w, 4);
	w->direct = chance(w, 25);
	w->server = chance(w, 30);
	w->raw = chance(w, 25);
	w->secure = chance(w, 35);
	w->health = chance(w, 20);
	w->cut = 25 * below(w, 4);
	w->v6 = chance(w, 40);
	w->v4 = !w->v6 || chance(w, 50);
}

int main(int argc, char **argv)
{
	struct world w;
	uint64_t seed = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;

	if (argc != 2) {
		fputs("usage: draw SEED > random.yaml\n", stderr);
		return 2;
	}
	world_init(&w, seed);
	printf("# Drawn from seed %" PRIu64 " by tests/random/draw.\nbaton: 1\nname: random %" PRIu64 "\nseed: %" PRIu64
	       "\nstop: %u s\n",
	       seed, seed, seed, STOP_S);
	if (chance(&w, 30))
		puts("cipher: aes256-gcm");
	if (w.health)
		printf("health: { interval: %u ms, rise: %u, fall: %u }\n", 100 + below(&w, 900), 1 + below(&w, 3),
		       1 + below(&w, 4));
	draw_networks(&w);
	draw_nodes(&w);
	draw_services(&w);
	draw_traffic(&w);
	draw_faults(&w);
	return 0;
}
