/* SPDX-License-Identifier: BSD-3-Clause */
/* The scenario parser, by the files in tests/scenarios/: each in ok/ is read without a mistake, each in bad/ has
 * exactly the mistakes of its .expect file. Then what the files became, --set, and robustness against garbage. */
#include "sim/scenario.h"

#include "base/err.h"
#include "base/random.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX   256
#define MUTATIONS   3000
#define MUTANT_NAME "test_scenario_mutant.yaml"
#define LINES_MAX   1000

#define HOSTILE_SECONDS 5

static char *names[FILES_MAX];
static int names_count;

static const char *folder(const char *which)
{
	static char path[4096];
	const char *srcdir = getenv("srcdir");

	snprintf(path, sizeof(path), "%s/tests/scenarios/%s", srcdir ? srcdir : ".", which);
	return path;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The .yaml files of a folder, sorted, with their paths. */
static void files_list(const char *which)
{
	DIR *d = opendir(folder(which));
	struct dirent *e;

	ck_assert_ptr_nonnull(d);
	names_count = 0;
	while ((e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');

		if (!dot || strcmp(dot, ".yaml"))
			continue;
		ck_assert_int_lt(names_count, FILES_MAX);
		ck_assert_int_gt(asprintf(&names[names_count++], "%s/%s", folder(which), e->d_name), 0);
	}
	closedir(d);
	qsort(names, (size_t)names_count, sizeof(*names), name_compare);
}

static void files_free(void)
{
	while (names_count)
		free(names[--names_count]);
}

static char *mistakes_text(const struct scenario_mistakes *m)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	for (size_t i = 0; i < m->count; i++)
		fprintf(f, "%u:%u: %s\n", m->list[i].line, m->list[i].column, m->list[i].text);
	fclose(f);
	return text;
}

static char *file_text(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = calloc(1, 1 << 16);

	ck_assert_msg(f != NULL, "%s: cannot be read", path);
	*len = fread(text, 1, (1 << 16) - 1, f);
	fclose(f);
	return text;
}

static struct scenario *read_good(const char *path, const char *const *sets, size_t sets_count)
{
	struct scenario_mistakes m;
	struct scenario *s = NULL;
	int err = scenario_read(path, sets, sets_count, &s, &m);
	char *text = mistakes_text(&m);

	ck_assert_msg(!err, "%s:\n%s", path, text);
	ck_assert_uint_eq(m.count, 0);
	free(text);
	scenario_mistakes_fini(&m);
	return s;
}

static struct scenario *read_ok(const char *name, const char *const *sets, size_t sets_count)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", folder("ok"), name);
	return read_good(path, sets, sets_count);
}

/* The mistakes that --set words make in a good file. */
static void expect_set_mistakes(const char *const *sets, size_t sets_count, const char *expected)
{
	char path[4200];
	struct scenario_mistakes m;
	struct scenario *s = NULL;

	snprintf(path, sizeof(path), "%s/handoff.yaml", folder("ok"));
	ck_assert_int_eq(scenario_read(path, sets, sets_count, &s, &m), E_INVAL);
	char *text = mistakes_text(&m);

	ck_assert_str_eq(text, expected);
	free(text);
	scenario_mistakes_fini(&m);
}

START_TEST(test_ok)
{
	files_list("ok");
	ck_assert_int_gt(names_count, 2);
	for (int i = 0; i < names_count; i++)
		scenario_free(read_good(names[i], NULL, 0));
	files_free();
}
END_TEST

START_TEST(test_bad)
{
	files_list("bad");
	ck_assert_int_gt(names_count, 60);
	for (int i = 0; i < names_count; i++) {
		struct scenario_mistakes m;
		struct scenario *s = NULL;
		char expect_path[4200];
		size_t len;

		snprintf(expect_path, sizeof(expect_path), "%.*s.expect", (int)strlen(names[i]) - 5, names[i]);
		char *expected = file_text(expect_path, &len);

		ck_assert_msg(scenario_read(names[i], NULL, 0, &s, &m) == E_INVAL, "%s", names[i]);
		char *text = mistakes_text(&m);

		ck_assert_msg(!strcmp(text, expected), "%s:\n%s-- expected:\n%s", names[i], text, expected);
		free(text);
		free(expected);
		scenario_mistakes_fini(&m);
	}
	files_free();
}
END_TEST

static const struct scenario_node *node_of(const struct scenario *s, const char *name)
{
	size_t i = scenario_node_find(s, name);

	ck_assert_msg(i != SIZE_MAX, "no node %s", name);
	return &s->nodes[i];
}

static void expect_address(const struct addr *a, const char *expected)
{
	char text[ADDR_TEXT_MAX];

	ck_assert_str_eq(addr_text(a, text), expected);
}

START_TEST(test_values)
{
	struct scenario *s = read_ok("handoff.yaml", NULL, 0);
	const struct scenario_node *client = node_of(s, "client8"), *backend = node_of(s, "backend1");

	ck_assert_str_eq(s->name, "hand-off under loss");
	ck_assert_uint_eq(s->stop, 60 * NSTIME_S);
	ck_assert_uint_eq(s->nodes_count, 14);
	ck_assert_uint_eq(client->roles, ROLE_CLIENT);
	expect_address(&client->attachments[0].address.v4, "198.51.100.8");
	ck_assert_uint_eq(client->attachments[0].in.delay_ns, 20 * NSTIME_MS);
	ck_assert_uint_eq(client->attachments[0].out.delay_ns, 20 * NSTIME_MS);
	ck_assert_uint_eq(client->attachments[0].out.rate_bps, 100000000);
	expect_address(&node_of(s, "forwarder")->attachments[1].tunnel.v4, "10.0.0.2");
	ck_assert_uint_eq(node_of(s, "forwarder")->attachments[0].tunnel.v4.family, 0);
	ck_assert_uint_eq(backend->attachments[0].in.loss_ppb, 50000000);
	ck_assert_uint_eq(backend->attachments[0].in.only.kind, IMPAIR_MATCH_COURIER);
	ck_assert_uint_eq(s->services_count, 1);
	expect_address(&s->services[0].vip, "198.51.100.80");
	ck_assert_uint_eq(s->services[0].port, 80);
	ck_assert_uint_eq(s->services[0].rules_count, 2);
	ck_assert_str_eq(s->services[0].rules[0].path, "/img/*");
	ck_assert_uint_eq(s->services[0].rules[0].balance, BALANCE_LEAST_CONNECTIONS);
	ck_assert_uint_eq(s->services[0].rules[1].to_count, 2);
	ck_assert_uint_eq(s->services[0].rules[1].to[1], scenario_node_find(s, "backend4"));
	ck_assert_uint_eq(s->traffic[0].from_count, 8);
	ck_assert_uint_eq(s->traffic[0].requests, 1000);
	ck_assert_uint_eq(s->traffic[0].interval_ns, 5 * NSTIME_MS);
	ck_assert_uint_eq(s->traffic[0].reply.value, 65536);
	ck_assert_uint_eq(s->faults[0].kind, FAULT_LINK_DOWN);
	ck_assert_uint_eq(s->faults[0].lasts, 2 * NSTIME_S);
	ck_assert_uint_eq(s->captures_count, 2);
	ck_assert_uint_eq(s->captures[1].at.attachment, 1);
	ck_assert_str_eq(s->expects[2].text, "client.resets == 0");
	ck_assert_uint_eq(s->expects[2].line, 36);
	ck_assert_uint_eq(s->expects[2].column, 5);
	scenario_free(s);
}
END_TEST

/* The third and fourth rule of everything.yaml, after two plain ones. */
static void expect_balance(const struct scenario_rule *rules)
{
	ck_assert_ptr_null(rules[1].weights);
	ck_assert_uint_eq(rules[2].balance, BALANCE_MAGLEV);
	ck_assert_uint_eq(rules[2].key, BALANCE_BY_PATH);
	ck_assert_uint_eq(rules[2].weights[0], 1);
	ck_assert_uint_eq(rules[2].weights[1], 3);
	ck_assert_uint_eq(rules[3].balance, BALANCE_STICKY);
	ck_assert_uint_eq(rules[3].key, BALANCE_BY_COOKIE);
	ck_assert_str_eq(rules[3].key_cookie, "id");
	ck_assert_uint_eq(rules[3].sticky_expire, 600 * NSTIME_S);
	ck_assert_uint_eq(rules[3].sticky_entries, 1000);
}

/* The last two faults of everything.yaml: a delay with every condition, and a partition. */
static void expect_exact(const struct scenario_fault *f)
{
	ck_assert_uint_eq(f->kind, FAULT_DELAY);
	ck_assert_uint_eq(f->exact.kind, IMPAIR_FAULT_DELAY);
	ck_assert_uint_eq(f->exact.nth, 1);
	ck_assert_uint_eq(f->exact.delay_ns, 200 * NSTIME_MS);
	ck_assert_uint_eq(f->exact.directions, IMPAIR_DIRECTION_IN);
	ck_assert_uint_eq(f->exact.match.kind, IMPAIR_MATCH_DATA);
	ck_assert_str_eq(f->exact.match.filter, "tcp port 80");
	ck_assert_uint_eq(f->exact.match.from->addresses_count, 1);
	expect_address(&f->exact.match.from->addresses[0], "198.51.100.2");
	ck_assert_uint_eq(f->exact.match.to->macs_count, 2);
	f++;
	ck_assert_uint_eq(f->kind, FAULT_PARTITION);
	ck_assert_uint_eq(f->lasts, 3 * NSTIME_S);
	ck_assert_uint_eq(f->sides_count[0], 1);
	ck_assert_uint_eq(f->sides_count[1], 3);
}

/* A node's relays: for which services, and to where. */
static void expect_relay(const struct scenario *s, const char *node, const char *service, const char *address,
			 uint16_t port)
{
	const struct relay_target *t = scenario_service_relay(node_of(s, node), scenario_service_find(s, service));

	if (!address) {
		ck_assert_ptr_null(t);
		return;
	}
	ck_assert_ptr_nonnull(t);
	ck_assert_uint_eq(t->port, port);
	if (port)
		expect_address(&t->address, address);
	else
		ck_assert_str_eq(t->path, address);
}

START_TEST(test_relay)
{
	struct scenario *s = read_ok("relay.yaml", NULL, 0);
	const struct relay_target *t = &node_of(s, "terms")->relays[0].target;

	ck_assert(scenario_relays(s));
	expect_relay(s, "all", "web", "127.0.0.1", 8080);
	expect_relay(s, "all", "secure", "127.0.0.1", 8080);
	expect_relay(s, "all", "other", "127.0.0.1", 8080);
	expect_relay(s, "terms", "web", "::1", 8443);
	expect_relay(s, "terms", "other", NULL, 0);
	expect_relay(s, "each", "web", "/run/web.sock", 0);
	expect_relay(s, "each", "secure", "192.0.2.1", 443);
	expect_relay(s, "each", "idle", "127.0.0.1", 82);
	expect_relay(s, "unnamed", "web", NULL, 0);
	expect_relay(s, "some1", "web", NULL, 0);
	expect_relay(s, "some2", "web", "/run/some.sock", 0);
	ck_assert_uint_eq(t->connect_max, NSTIME_S);
	ck_assert_uint_eq(t->idle_max, 600 * NSTIME_S);
	ck_assert(t->proxy_protocol);
	ck_assert(!node_of(s, "all")->relays[0].target.proxy_protocol);
	ck_assert_uint_eq(node_of(s, "host")->apps_count, 2);
	ck_assert_uint_eq(node_of(s, "host")->apps[1].kind, APP_RELAY);
	ck_assert_uint_eq(node_of(s, "host")->apps[1].port, 81);
	ck_assert_str_eq(node_of(s, "host")->apps[1].relay.path, "/run/x.sock");
	scenario_free(s);
}
END_TEST

START_TEST(test_everything)
{
	struct scenario *s = read_ok("everything.yaml", NULL, 0);
	const struct scenario_attachment *a = &node_of(s, "client2")->attachments[0];
	const struct scenario_node *server = node_of(s, "server");

	ck_assert_uint_eq(s->seed, UINT64_MAX);
	ck_assert(s->cipher_aes);
	/* One direction's keys over the common ones. */
	ck_assert_uint_eq(a->in.loss_ppb, 5000000);
	ck_assert_uint_eq(a->out.loss_ppb, 0);
	ck_assert_uint_eq(a->in.jitter_ns, 2 * NSTIME_MS);
	ck_assert_uint_eq(a->out.reorder_ppb, 50000000);
	ck_assert_uint_eq(a->in.limit_bytes, 65536);
	ck_assert_uint_eq(a->out.limit_packets, 500);
	ck_assert_uint_eq(a->in.only.kind, IMPAIR_MATCH_ALL);
	ck_assert_str_eq(a->in.only.filter, "tcp port 80");
	ck_assert_uint_eq(a->out.only.kind, IMPAIR_MATCH_ALL);
	ck_assert_uint_eq(server->attachments[0].in.jitter_rho_ppb, 250000000);
	ck_assert_uint_eq(server->attachments[0].in.distribution, IMPAIR_DISTRIBUTION_PARETONORMAL);
	ck_assert_uint_eq(server->attachments[0].in.reorder_ppb, 250000000);
	ck_assert_uint_eq(server->attachments[0].in.reorder_rho_ppb, 500000000);
	ck_assert_uint_eq(server->attachments[0].in.reorder_gap, 5);
	ck_assert_uint_eq(server->attachments[0].in.loss_rho_ppb, 100000000);
	ck_assert_uint_eq(server->attachments[0].in.corrupt_rho_ppb, 200000000);
	ck_assert_uint_eq(server->attachments[0].in.duplicate_rho_ppb, 300000000);
	/* tc-netem(8): without r it is 1-p; 1-h is 1 and 1-k is 0. */
	a = &node_of(s, "classifier2")->attachments[0];
	ck_assert_uint_eq(a->out.chain.kind, IMPAIR_CHAIN_GEMODEL);
	ck_assert_uint_eq(a->out.chain.gemodel.p_ppb, 10000000);
	ck_assert_uint_eq(a->out.chain.gemodel.r_ppb, 100000000);
	ck_assert_uint_eq(a->out.chain.gemodel.bad_ppb, 1000000000);
	ck_assert_uint_eq(a->out.chain.gemodel.good_ppb, 0);
	ck_assert_uint_eq(a->in.chain.gemodel.r_ppb, 990000000);
	a = node_of(s, "edge")->attachments;
	ck_assert_uint_eq(a[0].in.burst_bytes, 15000);
	ck_assert_uint_eq(a[0].out.peak_bps, 100000000);
	ck_assert_uint_eq(a[0].out.queue, IMPAIR_QUEUE_DROP_TAIL);
	ck_assert_uint_eq(a[1].in.queue, IMPAIR_QUEUE_CODEL);
	ck_assert_uint_eq(a[1].in.codel.target, 5 * NSTIME_MS);
	ck_assert_uint_eq(a[1].in.codel.interval, 100 * NSTIME_MS);
	ck_assert_uint_eq(a[1].out.codel.target, 2 * NSTIME_MS);
	ck_assert_uint_eq(a[1].out.codel.interval, 50 * NSTIME_MS);
	/* The VIP and the given address are skipped; the forwarder's own classifier needs no tunnel. */
	expect_address(&node_of(s, "balancer")->attachments[0].address.v4, "192.0.2.1");
	ck_assert_uint_eq(node_of(s, "balancer")->attachments[0].tunnel.v4.family, 0);
	ck_assert_uint_eq(node_of(s, "balancer")->limits.header, 8192);
	ck_assert_uint_eq(node_of(s, "balancer")->limits.hello, 4096);
	ck_assert_uint_eq(node_of(s, "balancer")->limits.read, 5 * NSTIME_S);
	ck_assert_uint_eq(node_of(s, "balancer")->limits.per_client, 50);
	ck_assert_uint_eq(node_of(s, "balancer")->limits.courier_inbox, 2 << 20);
	ck_assert_uint_eq(node_of(s, "backend2")->limits.flow_buffer, 64 << 10);
	ck_assert_uint_eq(s->traffic[0].pipeline, 3);
	ck_assert_uint_eq(s->traffic[0].piece, 100);
	ck_assert_uint_eq(s->traffic[0].pause, NSTIME_MS);
	/* routes: in the file's order behind what is on-link. */
	ck_assert_uint_eq(server->routes_count, 3);
	ck_assert_uint_eq(server->routes[1].prefix_len, 0);
	expect_address(&server->routes[1].next_hop, "198.51.100.4");
	ck_assert_uint_eq(server->apps_count, 8);
	ck_assert_int_eq(server->apps[5].kind, APP_PROXY);
	ck_assert_uint_eq(server->apps[5].targets_count, 2);
	ck_assert_uint_eq(server->apps[5].targets[1].port, 443);
	ck_assert_uint_eq(s->services[1].protocol, PROTOCOL_NONE);
	ck_assert_uint_eq(s->services[2].protocol, PROTOCOL_TLS);
	ck_assert_str_eq(s->services[2].rules[0].server_name, "*.example");
	ck_assert_uint_eq(s->services[2].rules[0].key, BALANCE_BY_SERVER_NAME);
	ck_assert_uint_eq(s->services[3].protocol, PROTOCOL_AUTO);
	ck_assert_str_eq(s->traffic[4].server_name, "{n}.example");
	ck_assert_uint_eq(s->traffic[4].hello_records, 4);
	ck_assert_uint_eq(s->traffic[4].hello_bytes, 2048);
	ck_assert_str_eq(s->services[0].rules[0].header_name, "Accept");
	ck_assert_str_eq(s->services[0].rules[0].header_value, "image/*");
	ck_assert_str_eq(s->services[0].rules[0].cookie_value, "a*");
	expect_balance(s->services[0].rules);
	ck_assert_uint_eq(s->traffic[1].burst, 5);
	ck_assert(s->traffic[1].half_close);
	ck_assert_uint_eq(s->traffic[1].keepalive, 30 * NSTIME_S);
	ck_assert_uint_eq(s->traffic[2].from_count, 3); /* "*" is all clients, and no other node */
	ck_assert_uint_eq(s->traffic[3].app, APP_BULK);
	ck_assert_uint_eq(s->traffic[3].body.value, 1 << 20);
	expect_address(&s->traffic[3].to_address, "198.51.100.5");
	/* Faults by time; each set over what held before. */
	ck_assert_uint_eq(s->faults[0].kind, FAULT_LINK_DOWN);
	ck_assert_uint_eq(s->faults[1].kind, FAULT_CRASH);
	ck_assert_uint_eq(s->faults[3].in.loss_ppb, 0);
	ck_assert_uint_eq(s->faults[3].in.chain.kind, IMPAIR_CHAIN_STATE);
	ck_assert_uint_eq(s->faults[3].in.chain.state.p31_ppb, 300000000);
	ck_assert_uint_eq(s->faults[3].in.chain.state.p32_ppb, 50000000);
	ck_assert_uint_eq(s->faults[3].in.chain.state.p23_ppb, 400000000);
	ck_assert_uint_eq(s->faults[3].in.chain.state.p14_ppb, 5000000);
	ck_assert_uint_eq(s->faults[3].in.delay_ns, 5 * NSTIME_MS);
	ck_assert_uint_eq(s->faults[3].out.rate_bps, 100000000);
	ck_assert_uint_eq(s->faults[4].in.chain.state.p13_ppb, 20000000);
	ck_assert_uint_eq(s->faults[4].out.corrupt_ppb, 10000000);
	ck_assert_uint_eq(s->faults[5].exact.nth, 3);
	ck_assert_uint_eq(s->faults[5].exact.match.kind, IMPAIR_MATCH_COURIER);
	ck_assert_uint_eq(s->faults[5].exact.directions, IMPAIR_DIRECTION_IN | IMPAIR_DIRECTION_OUT);
	expect_exact(&s->faults[8]);
	ck_assert_uint_eq(s->captures_count, 3);
	scenario_free(s);
}
END_TEST

START_TEST(test_direct)
{
	struct scenario *s = read_ok("direct.yaml", NULL, 0);
	const struct scenario_node *backend = node_of(s, "backend1");

	/* On-link twice, then one default by the router, not by the forwarder. */
	ck_assert_uint_eq(backend->routes_count, 3);
	ck_assert_uint_eq(backend->routes[2].prefix_len, 0);
	expect_address(&backend->routes[2].next_hop, "10.0.0.6");
	expect_address(&node_of(s, "forwarder")->attachments[1].tunnel.v4, "10.0.0.3");
	expect_address(&node_of(s, "router")->attachments[0].address.v4, "198.51.100.4");
	ck_assert_int_ne(memcmp(&backend->attachments[0].mac, &backend->attachments[1].mac, 6), 0);
	scenario_free(s);
}
END_TEST

static void expect_route(const struct scenario_node *n, size_t i, const char *prefix, unsigned len,
			 const char *next_hop)
{
	ck_assert_uint_lt(i, n->routes_count);
	expect_address(&n->routes[i].prefix, prefix);
	ck_assert_uint_eq(n->routes[i].prefix_len, len);
	expect_address(&n->routes[i].next_hop, next_hop);
}

/* Each family's addresses and routes by themselves. */
START_TEST(test_families)
{
	struct scenario *s = read_ok("families.yaml", NULL, 0);
	const struct scenario_node *client = node_of(s, "client2"), *newer = node_of(s, "newer");
	const struct scenario_node *older = node_of(s, "older"), *forwarder = node_of(s, "forwarder");

	ck_assert_uint_eq(s->networks[1].v4.address.family, 0);
	ck_assert_uint_eq(s->networks[1].v6.prefix_len, 64);
	/* The VIPs (1) and what is given (2 of IPv4, 3 of IPv6) are skipped. */
	expect_address(&client->attachments[0].address.v4, "203.0.113.4");
	expect_address(&client->attachments[0].address.v6, "2001:db8:a::4");
	expect_address(&newer->attachments[0].address.v4, "none");
	expect_address(&newer->attachments[0].address.v6, "2001:db8:b::ff");
	expect_address(&forwarder->attachments[1].tunnel.v4, "10.0.0.2");
	expect_address(&forwarder->attachments[1].tunnel.v6, "2001:db8:2::2");
	expect_address(&node_of(s, "backend")->attachments[0].address.v6, "2001:db8:2::3");
	/* On-link, then a default where one way is all there is. */
	ck_assert_uint_eq(newer->routes_count, 2);
	expect_route(newer, 0, "2001:db8:b::", 64, "none");
	expect_route(newer, 1, "::", 0, "2001:db8:b::1");
	ck_assert_uint_eq(client->routes_count, 5);
	expect_route(client, 0, "203.0.113.0", 24, "none");
	expect_route(client, 1, "2001:db8:a::", 64, "none");
	expect_route(client, 2, "0.0.0.0", 0, "203.0.113.6");
	expect_route(client, 3, "2001:db8:b::", 64, "2001:db8:a::5");
	expect_route(client, 4, "2001:db8:2::", 126, "2001:db8:a::6");
	/* What forwards has no default: it would pass what is for nobody to a neighbour, and that one back. */
	ck_assert_uint_eq(forwarder->routes_count, 5);
	expect_route(forwarder, 4, "2001:db8:b::", 64, "2001:db8:a::5");
	/* The file's: a default of both families, and the others of one. */
	ck_assert_uint_eq(older->routes_count, 6);
	expect_route(older, 2, "0.0.0.0", 0, "203.0.113.5");
	expect_route(older, 3, "::", 0, "2001:db8:a::5");
	expect_route(older, 4, "2001:db8:2::", 64, "2001:db8:a::6");
	expect_route(older, 5, "2001:db8:b::", 64, "2001:db8:a::5");
	/* A node's address: IPv4 before IPv6, what has a path, what is asked for. */
	expect_address(&s->traffic[2].to_address, "203.0.113.2");
	expect_address(&s->traffic[3].to_address, "2001:db8:a::3");
	expect_address(&s->traffic[4].to_address, "2001:db8:a::3");
	scenario_free(s);
}
END_TEST

START_TEST(test_set)
{
	static const char *const sets[] = {
		"seed=7",
		"nodes.backend.on.cluster.loss=10 %",
		"nodes.client*.on.internet.in.delay=1 ms",
		"traffic.0.requests= 10",
		"faults=[]",
		"nodes.classifier.limits.connections=5",
		"nodes.classifier.on.cluster.rate=1 Mbit",
		"capture=[ \"*.cluster\" ]",
	};
	struct scenario *s = read_ok("handoff.yaml", sets, sizeof(sets) / sizeof(*sets));

	ck_assert_uint_eq(s->seed, 7);
	ck_assert_uint_eq(node_of(s, "backend4")->attachments[0].out.loss_ppb, 100000000);
	ck_assert_uint_eq(node_of(s, "client1")->attachments[0].in.delay_ns, NSTIME_MS);
	ck_assert_uint_eq(node_of(s, "client1")->attachments[0].out.delay_ns, 20 * NSTIME_MS);
	ck_assert_uint_eq(s->traffic[0].requests, 10);
	ck_assert_uint_eq(s->faults_count, 0);
	ck_assert_uint_eq(node_of(s, "classifier")->limits.connections, 5);
	ck_assert_uint_eq(node_of(s, "classifier")->attachments[0].in.rate_bps, 1000000);
	ck_assert_uint_eq(s->captures_count, 6);
	scenario_free(s);
}
END_TEST

START_TEST(test_set_mistakes)
{
	static const char *const sets[] = {
		"seed",
		"=5",
		"sede=1",
		"nodes.bakend.on.cluster.loss=1 %",
		"nodes.x*.role=client",
		"nodes.backend.on.cluster.loss=ten",
		"traffic.1.requests=1",
		"traffic.x.requests=1",
		"stop.x=1",
		"nodes..on=1",
		"capture=[a",
		"nodes.backend[1..4].on.cluster.los=1 %",
	};

	expect_set_mistakes(
		sets, sizeof(sets) / sizeof(*sets),
		"0:0: --set seed: write --set path=value\n"
		"0:0: --set : write --set path=value\n"
		"0:0: --set nodes.bakend.on.cluster.loss: there is no 'bakend' in the file\n"
		"0:0: --set nodes.x*.role: nothing matches 'x*'\n"
		"0:0: --set traffic.1.requests: the list has 1 items, counted from 0\n"
		"0:0: --set traffic.x.requests: 'x' is no index of a list, counted from 0\n"
		"0:0: --set stop.x: there is no 'x' in '60 s'\n"
		"0:0: --set nodes..on: the path has an empty part\n"
		"0:0: --set capture: not valid YAML: flow sequence without a closing bracket\n"
		"0:0: --set sede: unknown key 'sede' in a scenario; did you mean 'seed'?\n"
		"0:0: --set nodes.backend[1..4].on.cluster.los: unknown key 'los' in an attachment; "
		"did you mean 'loss'?\n"
		"0:0: --set nodes.backend.on.cluster.loss: 'ten' is not a share, such as 5 %: not a number\n");
}
END_TEST

static void mutant_write(const char *text, size_t len)
{
	FILE *f = fopen(MUTANT_NAME, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, len, f), len);
	fclose(f);
}

/* Reads what may be anything; the only demand is that it comes back, with mistakes or a scenario. */
static void mutant_read(const char *text, size_t len)
{
	struct scenario_mistakes m;
	struct scenario *s = NULL;

	mutant_write(text, len);
	int err = scenario_read(MUTANT_NAME, NULL, 0, &s, &m);

	ck_assert(err ? err == E_INVAL && m.count && !s : s && !m.count);
	scenario_free(s);
	scenario_mistakes_fini(&m);
}

START_TEST(test_mutants)
{
	static const char bytes[] = "{}[]:,-*&!#\"' \n\t0189azAZ%.|>?@";
	struct random_stream r;
	char path[4200];
	size_t len;

	random_init(&r, 1, "test_scenario");
	snprintf(path, sizeof(path), "%s/everything.yaml", folder("ok"));
	char *text = file_text(path, &len), *mutant = malloc(2 * len);

	for (int i = 0; i < MUTATIONS; i++) {
		size_t mutant_len = len;

		memcpy(mutant, text, len);
		for (uint64_t n = 1 + random_below(&r, 3); n; n--) {
			size_t at = random_below(&r, mutant_len - 64), run = 1 + random_below(&r, 40);

			switch (random_below(&r, 4)) {
			case 0: /* a byte that means something */
				mutant[at] = bytes[random_below(&r, sizeof(bytes) - 1)];
				break;
			case 1: /* any byte */
				mutant[at] = (char)random_below(&r, 256);
				break;
			case 2: /* a piece is gone */
				memmove(mutant + at, mutant + at + run, mutant_len - at - run);
				mutant_len -= run;
				break;
			default: /* a piece comes twice */
				memmove(mutant + at + run, mutant + at, mutant_len - at);
				mutant_len += run;
				break;
			}
		}
		mutant_read(mutant, mutant_len);
	}
	for (size_t cut = 0; cut < len; cut += 7)
		mutant_read(text, cut);
	free(mutant);
	free(text);
	unlink(MUTANT_NAME);
}
END_TEST

/* The lines of a text, by pointers to their beginnings and one to the end. */
static size_t lines_of(const char *text, size_t len, const char **lines, size_t max)
{
	size_t count = 0;

	for (const char *line = text; line < text + len && count < max; count++) {
		const char *end = memchr(line, '\n', (size_t)(text + len - line));

		lines[count] = line;
		line = end ? end + 1 : text + len;
	}
	lines[count] = text + len;
	return count;
}

/* A text again, but for one line: gone, twice, changed with another, or indented by one more. */
static void lines_mutate(FILE *f, const char *const *lines, size_t count, struct random_stream *r)
{
	size_t one = random_below(r, count), other = random_below(r, count);
	uint64_t what = random_below(r, 4);

	for (size_t i = 0; i < count; i++) {
		size_t from = what == 2 && i == one ? other : what == 2 && i == other ? one : i;

		if (what == 0 && i == one)
			continue;
		if (what == 3 && i == one)
			fputc(' ', f);
		for (int times = what == 1 && i == one ? 2 : 1; times; times--)
			fwrite(lines[from], 1, (size_t)(lines[from + 1] - lines[from]), f);
	}
}

/* Every shipped scenario, its lines in disorder: most are still read far, and what is left refers to what is gone. */
START_TEST(test_mutants_by_line)
{
	static const char *lines[LINES_MAX + 1];
	struct random_stream r;

	random_init(&r, 2, "test_scenario");
	files_list("../../scenarios");
	ck_assert_int_gt(names_count, 12);
	for (int i = 0; i < names_count; i++) {
		size_t len, count;
		char *text = file_text(names[i], &len);

		count = lines_of(text, len, lines, LINES_MAX);
		for (int n = 0; n < MUTATIONS / 2 / names_count; n++) {
			char *mutant = NULL;
			size_t mutant_len = 0;
			FILE *f = open_memstream(&mutant, &mutant_len);

			lines_mutate(f, lines, count, &r);
			fclose(f);
			mutant_read(mutant, mutant_len);
			free(mutant);
		}
		free(text);
	}
	files_free();
	unlink(MUTANT_NAME);
}
END_TEST

/* Reads as mutant_read does, in no more than a moment of the processor's time; sanitizers and all. */
static void hostile_read(const char *what, const char *text, size_t len)
{
	clock_t before = clock();

	mutant_read(text, len);
	ck_assert_msg((double)(clock() - before) / CLOCKS_PER_SEC < HOSTILE_SECONDS, "%s takes %f s", what,
		      (double)(clock() - before) / CLOCKS_PER_SEC);
}

/* A text of a head and of a line as often as fits, with its number in place of every @. */
static void hostile_lines(const char *head, const char *line, unsigned count)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	fputs(head, f);
	for (unsigned i = 1; i <= count && ftell(f) < (long)SCENARIO_FILE_MAX - 1000; i++)
		for (const char *c = line; *c; c++)
			if (*c == '@')
				fprintf(f, "%u", i);
			else
				fputc(*c, f);
	fclose(f);
	hostile_read(line, text, len);
	free(text);
}

/* As many faults, nodes and filters as a file may have, in ways that cost the most to check. */
START_TEST(test_hostile_faults)
{
	static const char head[] =
		"baton: 1\nstop: 10 s\nnetworks: { a: { subnet: 10.0.0.0/8 } }\n"
		"nodes: { x: { role: host, on: { a: } }, \"y[1..30000]\": { role: host, on: { a: } }, "
		"\"z[1..30000]\": { role: host, on: { a: } } }\nfaults:\n";

	hostile_lines(head, "  - { at: 1 s, set: x.a, loss: @ %, delay: @ ms, in: { corrupt: 5 % } }\n", 4096);
	hostile_lines(head, "  - { at: @ ms, link: x.a, down: @ s }\n", 4096);
	hostile_lines(head, "  - { at: @ us, crash: x }\n  - { at: @ us, restart: x }\n", 2048);
	hostile_lines(head, "  - { at: @ us, partition: [[\"y*\"], [\"z*\", y@]], for: 1 s }\n", 4096);
	hostile_lines(
		head,
		"  - { at: @ us, drop: @, on: x.a, match: \"port 1 or port 2 or port 3 or port 4 or port 5 or port 6 "
		"or port 7 or port 8 or port 9 or port 10 or port 11 or port 12 or port 13 or port 14 or port 15\" }\n",
		4096);
	hostile_lines("baton: 1\nnodes:\n", "  n@: { role: hst, on: { x: { los: @ } } }\n", 50000);
	hostile_lines("baton: 1\n", "a@: &a@ 1\n", 100000);
	unlink(MUTANT_NAME);
}
END_TEST

/* Each level by one space more: as deep as a file can be, and at once too deep. */
START_TEST(test_hostile_depth)
{
	for (unsigned list = 0; list < 2; list++) {
		char *text = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&text, &len);

		for (int i = 0; i < 4000; i++)
			fprintf(f, "%*s%s\n", i, "", list ? "-" : "a:");
		fclose(f);
		hostile_read(list ? "a deep list" : "a deep mapping", text, len);
		free(text);
	}
	unlink(MUTANT_NAME);
}
END_TEST

/* 100 MB, most of which is a hole: no more is read than may be there. */
START_TEST(test_hostile_size)
{
	struct scenario_mistakes m;
	struct scenario *s = NULL;
	clock_t before = clock();

	mutant_write("baton: 1\n", 9);
	ck_assert_int_eq(truncate(MUTANT_NAME, 100000000), 0);
	ck_assert_int_eq(scenario_read(MUTANT_NAME, NULL, 0, &s, &m), E_INVAL);
	ck_assert_double_lt((double)(clock() - before) / CLOCKS_PER_SEC, HOSTILE_SECONDS);
	ck_assert_uint_eq(m.count, 1);
	ck_assert_str_eq(m.list[0].text, "larger than 8388608 bytes");
	scenario_mistakes_fini(&m);
	unlink(MUTANT_NAME);
}
END_TEST

/* Files that are large or mean to be slow. */
START_TEST(test_hostile)
{
	static const char *const pieces[] = {"[",   "{",   "- ",  "a: ",   "{a: ", "? ",     "\"",
					     "'",   "&a ", "*a ", "!!a ",  "|\n ", "a: 1\n", "- a\n",
					     "#\n", "\n",  "%",   "---\n", "...\n"};
	size_t size = 1 << 20;
	char *text = malloc(size + 16);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		size_t len = 0, piece = strlen(pieces[i]);

		while (len + piece <= size) {
			memcpy(text + len, pieces[i], piece);
			len += piece;
		}
		hostile_read(pieces[i], text, len);
	}
	free(text);
	/* One byte beyond the bound. */
	text = malloc(SCENARIO_FILE_MAX + 1);
	memset(text, '#', SCENARIO_FILE_MAX + 1);
	hostile_read("one byte too many", text, SCENARIO_FILE_MAX + 1);
	free(text);
	unlink(MUTANT_NAME);
}
END_TEST

START_TEST(test_mistakes_bounded)
{
	struct scenario_mistakes m;
	struct scenario *s = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	fputs("baton: 1\n", f);
	for (int i = 0; i < 1500; i++)
		fprintf(f, "unknown%d: 1\n", i);
	fclose(f);
	mutant_write(text, len);
	ck_assert_int_eq(scenario_read(MUTANT_NAME, NULL, 0, &s, &m), E_INVAL);
	ck_assert_uint_eq(m.count, SCENARIO_MISTAKES_MAX);
	ck_assert_uint_eq(m.omitted, 1500 + 3 - SCENARIO_MISTAKES_MAX);
	scenario_mistakes_fini(&m);
	free(text);
	unlink(MUTANT_NAME);
	ck_assert_int_eq(scenario_read("no/such/file.yaml", NULL, 0, &s, &m), E_INVAL);
	ck_assert_str_eq(m.list[0].text, "cannot be read: No such file or directory");
	ck_assert_uint_eq(m.list[0].line, 0);
	scenario_mistakes_fini(&m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scenario");
	TCase *files = tcase_create("files"), *garbage = tcase_create("garbage");

	tcase_add_test(files, test_ok);
	tcase_add_test(files, test_bad);
	tcase_add_test(files, test_values);
	tcase_add_test(files, test_everything);
	tcase_add_test(files, test_relay);
	tcase_add_test(files, test_direct);
	tcase_add_test(files, test_families);
	tcase_add_test(files, test_set);
	tcase_add_test(files, test_set_mistakes);
	tcase_set_timeout(garbage, 120);
	tcase_add_test(garbage, test_mutants);
	tcase_add_test(garbage, test_mutants_by_line);
	tcase_add_test(garbage, test_hostile);
	tcase_add_test(garbage, test_hostile_faults);
	tcase_add_test(garbage, test_hostile_depth);
	tcase_add_test(garbage, test_hostile_size);
	tcase_add_test(garbage, test_mistakes_bounded);
	suite_add_tcase(suite, files);
	suite_add_tcase(suite, garbage);

	return unit_run(suite);
}
