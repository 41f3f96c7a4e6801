/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes under fire: a client, a forwarder, a classifier and a backend on two networks, and somebody who injects frames
 * made from the real ones. Links that corrupt and an outside that forges must not cost a request; an enemy on the
 * cluster's own network may break connections, but no node, and nothing may leak (the sanitizer's build sees to that).
 */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/random.h"
#include "base/wire.h"
#include "node/node.h"
#include "tests/lib/unit.h"

#include <string.h>

#define SEED     7U
#define DELAY    NSTIME_MS
#define REQUESTS 60U
#define KEPT_MAX 64U /* frames that the attacker remembers */

#define VIP     0xc6336450U
#define TUNNEL  0x0a0000c8U
#define OUTSIDE 0xc6336400U /* 198.51.100.0/24 */
#define CLUSTER 0x0a000000U /* 10.0.0.0/24 */

/* IPv4's are as they are; IPv6's have the number at their end: 2001:db8::c633:6401, in networks of 120 bits. */
static uint8_t family;

static struct addr address(uint32_t number)
{
	struct addr a = {.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8}};

	if (family == 4)
		return addr_v4(number);
	store_be32(a.bytes + 12, number);
	return a;
}

static bool v6(void)
{
	return family == 6;
}

/* Offsets in a packet of the family. */
static uint32_t at_source(void)
{
	return v6() ? 8 : 12;
}

static uint32_t at_destination(void)
{
	return v6() ? 24 : 16;
}

static uint32_t at_length(void)
{
	return v6() ? 4 : 2;
}

static uint32_t at_protocol(void)
{
	return v6() ? 6 : 9;
}

static uint32_t header_min(void)
{
	return v6() ? 40 : 20;
}

/* Whether it is a frame of the family, with a whole IP header. */
static bool is_ip(const struct buf *frame)
{
	return frame->len >= 14 + header_min() && load_be16(frame->data + 12) == (v6() ? 0x86dd : 0x0800);
}

enum place { CLIENT, FORWARDER, CLASSIFIER, BACKEND, PLACES };
enum network { NET_OUTSIDE, NET_CLUSTER, NETWORKS };

/* Which interface of a node is on which network; -1: none. The backend has a leg outside too, where it expects nobody.
 */
static const int legs[PLACES][NETWORKS] = {
	[CLIENT] = {0, -1}, [FORWARDER] = {0, 1}, [CLASSIFIER] = {-1, 0}, [BACKEND] = {1, 0}};

struct bench {
	struct node_cluster cluster;
	struct node_device devices[3];
	struct node_vip vip;
	struct classifier_service_config service;
	struct classifier_rule_config rule;
	uint16_t to[1];
	struct node *nodes[PLACES];
	struct buf_queue flying[NETWORKS];
	struct random_stream random;
	struct buf *kept[KEPT_MAX]; /* of both networks */
	uint64_t kept_count;
	nstime now;
	uint64_t done, failed;
};

static struct mac mac_of(enum place p, enum network n)
{
	return (struct mac){{2, 0, 0, 0, (uint8_t)n, (uint8_t)(p + 1)}};
}

static struct addr address_of(enum place p, enum network n)
{
	return address((n == NET_OUTSIDE ? OUTSIDE : CLUSTER) + p + 1);
}

static void roles_make(struct bench *b, enum place p)
{
	struct node *n = b->nodes[p];
	struct addr none = {0}, vip = address(VIP);
	struct addr_pair own = {0};

	if (p == CLIENT) {
		ck_assert_int_eq(stack_route_add(node_stack(n), (struct addr){.family = family}, 0, 0,
						 address_of(FORWARDER, NET_OUTSIDE)),
				 0);
		return;
	}
	const struct addr there = address_of(p, NET_CLUSTER);
	addr_pair_put(&own, &there);
	ck_assert_int_eq(node_cluster_join(n, &b->cluster, &own, legs[p][NET_CLUSTER]), 0);
	if (p == FORWARDER) {
		stack_address_proxy(node_stack(n), 0, vip);
		stack_address_proxy(node_stack(n), 1, address(TUNNEL));
		ck_assert_int_eq(stack_vip_add(node_stack(n), vip, 0, none), 0);
		ck_assert_int_eq(node_forwarder_enable(n), 0);
		return;
	}
	ck_assert_int_eq(stack_vip_add(node_stack(n), vip, legs[p][NET_CLUSTER], address_of(FORWARDER, NET_CLUSTER)),
			 0);
	if (p == CLASSIFIER) {
		ck_assert_int_eq(node_classifier_enable(n, 0x00010001, 1U << 20), 0);
		return;
	}
	ck_assert_int_eq(node_backend_enable(n, 1U << 25, 1U << 20), 0);
	ck_assert_int_eq(node_classifier_enable(n, 1U << 24, 1U << 20), E_STATE);
	ck_assert_int_eq(node_app_listen(n, APP_TYPE_HTTP, vip, 80), 0);
}

static void bench_init(struct bench *b, const char *name)
{
	static const char *const names[PLACES] = {"client", "forwarder", "classifier", "backend"};

	*b = (struct bench){.vip = {address(VIP), 80}, .to = {BACKEND}};
	const struct addr tunnel = address(TUNNEL);

	random_init(&b->random, SEED, name);
	for (uint16_t i = 0; i < 3; i++) {
		const struct addr device = address_of((enum place)(i + 1), NET_CLUSTER);

		b->devices[i] = (struct node_device){
			.id = (uint16_t)(i + 1), .classifier = i + 1 == CLASSIFIER, .backend = i + 1 == BACKEND};
		addr_pair_put(&b->devices[i].address, &device);
	}
	b->rule = (struct classifier_rule_config){.to = b->to, .to_count = 1};
	b->service = (struct classifier_service_config){.name = "web", .rules = &b->rule, .rules_count = 1};
	b->cluster = (struct node_cluster){.devices = b->devices,
					   .devices_count = 3,
					   .forwarder = FORWARDER,
					   .vips = &b->vip,
					   .services = &b->service,
					   .services_count = 1};
	addr_pair_put(&b->cluster.tunnel, &tunnel);
	for (enum place p = CLIENT; p < PLACES; p++) {
		struct node_config config = {.name = names[p],
					     .limits = {.table = 8192},
					     .device = (uint16_t)p,
					     .seed = SEED,
					     .boot = 1000 + p,
					     .forwarding = p == FORWARDER};

		b->nodes[p] = node_new(&config, 0);
		for (int leg = 0; leg < 2; leg++)
			for (enum network n = NET_OUTSIDE; n < NETWORKS; n++)
				if (legs[p][n] == leg)
					ck_assert_int_eq(node_netif_add(b->nodes[p], mac_of(p, n), address_of(p, n),
									v6() ? 120 : 24),
							 leg);
		roles_make(b, p);
		node_start(b->nodes[p], 0);
	}
}

static void bench_fini(struct bench *b)
{
	for (enum place p = CLIENT; p < PLACES; p++)
		node_free(b->nodes[p]);
	for (enum network n = NET_OUTSIDE; n < NETWORKS; n++)
		buf_queue_clear(&b->flying[n]);
	for (size_t i = 0; i < KEPT_MAX; i++)
		buf_free(b->kept[i]);
}

/* The attacker hears everything. */
static void keep(struct bench *b, const struct buf *frame)
{
	struct buf **slot = &b->kept[b->kept_count++ % KEPT_MAX];

	buf_free(*slot);
	*slot = buf_clone(frame);
}

static bool collect(struct bench *b)
{
	bool moved = false;

	for (enum place p = CLIENT; p < PLACES; p++) {
		struct client_outcome o;
		struct buf *frame;
		unsigned netif;

		while ((frame = node_output(b->nodes[p], &netif))) {
			enum network n = legs[p][NET_OUTSIDE] == (int)netif ? NET_OUTSIDE : NET_CLUSTER;

			keep(b, frame);
			frame->mark = b->now + DELAY;
			buf_queue_put(&b->flying[n], frame);
			moved = true;
		}
		while (p == CLIENT && client_outcome_next(node_client(b->nodes[p]), &o))
			*(o.failure == CLIENT_COMPLETED ? &b->done : &b->failed) += 1;
	}
	return moved;
}

/* To whom a frame is addressed, or to all. */
static void deliver(struct bench *b, enum network n, struct buf *frame)
{
	for (enum place p = CLIENT; p < PLACES; p++) {
		struct mac mac = mac_of(p, n);

		if (legs[p][n] >= 0 &&
		    (frame->len < 6 || frame->data[0] & 1 || !memcmp(frame->data, mac.bytes, sizeof(mac.bytes)))) {
			node_gather(b->nodes[p], (unsigned)legs[p][n], buf_clone(frame), b->now);
			node_pump(b->nodes[p], b->now);
		}
	}
	buf_free(frame);
}

typedef void attack_fn(struct bench *b, enum network n, const struct buf *frame);

/* One event. False when there is none. */
static bool step(struct bench *b, attack_fn *attack)
{
	nstime at = NSTIME_NEVER;

	for (enum network n = NET_OUTSIDE; n < NETWORKS; n++)
		if (b->flying[n].head)
			at = nstime_min(at, b->flying[n].head->mark);
	for (enum place p = CLIENT; p < PLACES; p++)
		at = nstime_min(at, node_expiry(b->nodes[p]));
	if (at == NSTIME_NEVER)
		return false;
	b->now = at > b->now ? at : b->now;
	for (enum place p = CLIENT; p < PLACES; p++)
		if (node_expiry(b->nodes[p]) <= b->now)
			node_expire(b->nodes[p], b->now);
	for (enum network n = NET_OUTSIDE; n < NETWORKS; n++)
		while (b->flying[n].head && b->flying[n].head->mark <= b->now) {
			struct buf *frame = buf_queue_get(&b->flying[n]);

			if (attack)
				attack(b, n, frame);
			deliver(b, n, frame);
		}
	collect(b);
	return true;
}

/* Starts the requests, a few at a time, and runs until they ended or `stop`. */
static void run(struct bench *b, attack_fn *attack, uint64_t requests, nstime stop)
{
	const struct client_spec spec = {
		.kind = CLIENT_HTTP, .address = b->vip.address, .port = b->vip.port, .reply_bytes = 6000};

	const uint64_t ended = b->done + b->failed;

	for (uint64_t started = 0; started < requests; started++) {
		ck_assert_uint_ne(client_start(node_client(b->nodes[CLIENT]), &spec, b->now), 0);
		node_pump(b->nodes[CLIENT], b->now);
		collect(b);
		for (int i = 0; i < 20; i++)
			step(b, attack);
	}
	while (b->done + b->failed - ended < requests && b->now < stop && step(b, attack))
		;
}

/* ---- what the attacker does to frames ---- */

static uint32_t pick(struct bench *b, uint32_t n)
{
	return (uint32_t)random_below(&b->random, n);
}

static void flip(struct bench *b, struct buf *frame, uint32_t from)
{
	if (frame->len > from)
		frame->data[from + pick(b, frame->len - from)] ^= (uint8_t)(1U << pick(b, 8));
}

/* Makes IPv4, TCP, UDP and ICMPv6 checksums right again where there is something to be right about. */
static void reseal(struct buf *frame)
{
	uint8_t *ip = frame->data + 14, *l4, rest[4] = {0};
	uint32_t header, total, at, protocol;
	uint16_t check;

	if (!is_ip(frame))
		return;
	header = v6() ? 40 : (ip[0] & 15U) * 4;
	total = load_be16(ip + at_length()) + (v6() ? 40U : 0U);
	protocol = ip[at_protocol()];
	if (header < 20 || header > frame->len - 14)
		return;
	if (!v6()) {
		memset(ip + 10, 0, 2);
		check = (uint16_t)~checksum_sum(ip, header);
		memcpy(ip + 10, &check, 2);
	}
	at = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
	if ((protocol != 6 && protocol != 17 && (!v6() || protocol != 58)) || total > frame->len - 14 ||
	    total < header + at + 2)
		return;
	l4 = ip + header;
	rest[1] = (uint8_t)protocol;
	store_be16(rest + 2, (uint16_t)(total - header));
	memset(l4 + at, 0, 2);
	check = checksum_add(checksum_sum(ip + at_source(), v6() ? 32 : 8), checksum_sum(rest, sizeof(rest)));
	check = (uint16_t)~checksum_add(check, checksum_sum(l4, total - header));
	memcpy(l4 + at, &check, 2);
}

static void address_put(uint8_t *at, uint32_t number)
{
	const struct addr a = address(number);

	memcpy(at, a.bytes, addr_len(&a));
}

static bool address_is(const uint8_t *at, uint32_t number)
{
	const struct addr a = address(number);

	return !memcmp(at, a.bytes, addr_len(&a));
}

static void address_set(struct bench *b, uint8_t *at)
{
	const uint32_t choices[] = {VIP,
				    TUNNEL,
				    CLUSTER + 1 + FORWARDER,
				    CLUSTER + 1 + CLASSIFIER,
				    CLUSTER + 1 + BACKEND,
				    OUTSIDE + 1 + FORWARDER,
				    OUTSIDE + 77,
				    0xffffffff,
				    0x7f000001};

	address_put(at, choices[pick(b, sizeof(choices) / sizeof(choices[0]))]);
}

/* A frame that was heard, changed in one way or several. */
static struct buf *forge(struct bench *b)
{
	const struct buf *model = b->kept[pick(b, KEPT_MAX)];
	struct buf *f;

	if (!model)
		return NULL;
	f = buf_clone(model);
	for (uint32_t n = 1 + pick(b, 3); n > 0 && f->len >= 34 + header_min(); n--) {
		uint8_t *ip = f->data + 14, *l4 = ip + header_min();

		switch (pick(b, 10)) {
		case 0:
			address_set(b, ip + at_source());
			break;
		case 1:
			address_set(b, ip + at_destination());
			break;
		case 2: /* header length, with options or too short; or a traffic class */
			ip[0] = (uint8_t)((v6() ? 0x60U : 0x40U) | pick(b, 16));
			break;
		case 3: /* fragments, or an extension header */
			if (v6())
				ip[6] = (const uint8_t[]){0, 43, 44, 60}[pick(b, 4)];
			else
				store_be16(ip + 6, (uint16_t)(pick(b, 2) << 13 | pick(b, 200)));
			break;
		case 4: /* lengths */
			store_be16(ip + at_length(), (uint16_t)(pick(b, 2) ? pick(b, 65536) : pick(b, f->len)));
			break;
		case 5:
			f->len = 14 + pick(b, f->len - 13);
			break;
		case 6: /* TCP flags and header length; for a datagram, its length */
			store_be16(l4 + 12, (uint16_t)pick(b, 65536));
			break;
		case 7: /* the courier's port */
			store_be16(l4 + 2, COURIER_PORT);
			ip[at_protocol()] = 17;
			break;
		case 8:
			ip[at_protocol()] = (uint8_t)pick(b, 256);
			break;
		default:
			flip(b, f, 14);
			break;
		}
	}
	if (pick(b, 8))
		reseal(f);
	return f;
}

/* A link that corrupts: now and then a damaged copy comes beside the frame. (Those of neighbour discovery have a sum of
 * the link's, as ARP's.) */
static void corrupting(struct bench *b, enum network n, const struct buf *frame)
{
	struct buf *f;

	if (pick(b, 4) || !is_ip(frame) || frame->data[14 + at_protocol()] == 58)
		return;
	f = buf_clone(frame);
	/* Bits are only set: flips of a packet that is damaged twice on its way could cancel out in its checksum. */
	f->data[14 + pick(b, f->len - 14)] |= (uint8_t)(1U << pick(b, 8));
	deliver(b, n, f);
}

/* Somebody on the outside network, who forges all but a client's address: no network could save its TCP from that. */
static void forging(struct bench *b, enum network n, const struct buf *frame)
{
	struct mac mac = mac_of(pick(b, 2) ? FORWARDER : BACKEND, NET_OUTSIDE);
	struct buf *f;
	uint8_t *ip;

	(void)n;
	(void)frame;
	f = forge(b);
	if (!f)
		return;
	ip = f->data + 14;
	if (!is_ip(f) || address_is(ip + at_source(), OUTSIDE + 1 + CLIENT) || address_is(ip + at_source(), VIP) ||
	    ip[at_protocol()] == 58) {
		buf_free(f);
		return;
	}
	if (f->len >= 34 + header_min() && !pick(b, 4)) { /* as if the backend sent one of its packets back */
		ip[0] = v6() ? 0x60 : 0x45;
		store_be16(ip + at_length(), (uint16_t)(f->len - 14 - (v6() ? 40 : 0)));
		if (!v6())
			store_be16(ip + 6, 0);
		ip[at_protocol()] = 6;
		ip[header_min() + 12] = 0x50;
		address_put(ip + at_source(), CLUSTER + 1 + BACKEND);
		address_put(ip + at_destination(), TUNNEL);
		reseal(f);
	}
	memcpy(f->data, mac.bytes, sizeof(mac.bytes));
	deliver(b, NET_OUTSIDE, f);
}

/* Anything anywhere. */
static void wild(struct bench *b, enum network n, const struct buf *frame)
{
	enum place p = (enum place)(FORWARDER + pick(b, 3));
	struct buf *f = pick(b, 3) ? NULL : forge(b); /* fewer than there are answers to, so that it dies down */

	(void)frame;
	if (!f)
		return;
	if (f->len >= 14 && legs[p][n] >= 0)
		memcpy(f->data, mac_of(p, n).bytes, 6);
	deliver(b, n, f);
}

/* ---- tests ---- */

START_TEST(unharmed)
{
	struct bench b;

	bench_init(&b, "unharmed");
	run(&b, NULL, REQUESTS, 60 * NSTIME_S);
	ck_assert_uint_eq(b.done, REQUESTS);
	ck_assert_uint_eq(node_migrator_counters(b.nodes[BACKEND])->activated, REQUESTS);
	bench_fini(&b);
}
END_TEST

START_TEST(corrupting_links)
{
	struct bench b;

	bench_init(&b, "corrupting");
	run(&b, corrupting, REQUESTS, 120 * NSTIME_S);
	ck_assert_uint_eq(b.done, REQUESTS);
	ck_assert_uint_gt(node_courier_counters(b.nodes[BACKEND])->rejected[COURIER_REJECT_AUTH], 0);
	bench_fini(&b);
}
END_TEST

START_TEST(forged_outside)
{
	struct bench b;

	bench_init(&b, "forging");
	run(&b, forging, REQUESTS, 120 * NSTIME_S);
	ck_assert_uint_eq(b.done, REQUESTS);
	ck_assert_uint_gt(node_drops(b.nodes[FORWARDER])[NODE_DROP_SPOOFED], 0);
	ck_assert_uint_gt(node_drops(b.nodes[BACKEND])[NODE_DROP_SPOOFED], 0);
	/* nothing of it came as far as the courier or the drivers */
	for (enum place p = FORWARDER; p < PLACES; p++)
		for (size_t r = 0; r < COURIER_REJECT_COUNT; r++)
			ck_assert_msg(!node_courier_counters(b.nodes[p])->rejected[r], "device %u: %s", (unsigned)p,
				      courier_reject_name((enum courier_reject)r));
	ck_assert_uint_eq(node_forwarder_counters(b.nodes[FORWARDER])->bounced, 0);
	ck_assert_uint_eq(node_forwarder_counters(b.nodes[FORWARDER])->dropped[FORWARDER_DROP_BOUNCE_FLOW], 0);
	bench_fini(&b);
}
END_TEST

/* The enemy sits on the cluster's network. Connections may break; what is left afterwards works. */
START_TEST(wild_frames)
{
	struct bench b;
	nstime quiet;

	bench_init(&b, "wild");
	run(&b, wild, 4 * (uint64_t)REQUESTS, 200 * NSTIME_S);
	for (quiet = b.now + 200 * NSTIME_S; b.now < quiet && step(&b, NULL);)
		;
	b.done = b.failed = 0;
	run(&b, NULL, 5, b.now + 100 * NSTIME_S);
	ck_assert_uint_eq(b.done, 5);
	bench_fini(&b);
}
END_TEST

/* UDP-Lite (RFC 3828) whose checksum is said to cover more than there is: an assert of lwIP's. */
START_TEST(udp_lite)
{
	struct bench b;

	bench_init(&b, "udp lite");
	run(&b, NULL, 2, 60 * NSTIME_S);
	for (enum network n = NET_OUTSIDE; n < NETWORKS; n++)
		for (enum place p = CLIENT; p < PLACES; p++) {
			struct buf *f = buf_alloc(96);
			struct mac mac = mac_of(p, n);
			uint8_t *ip = f->data + 14;

			f->len = 14 + header_min() + 28;
			memset(f->data, 0, f->len);
			memcpy(f->data, mac.bytes, sizeof(mac.bytes));
			store_be16(f->data + 12, v6() ? 0x86dd : 0x0800);
			ip[0] = v6() ? 0x60 : 0x45;
			store_be16(ip + at_length(), (uint16_t)(28 + (v6() ? 0 : 20)));
			ip[v6() ? 7 : 8] = 64;
			ip[at_protocol()] = 136;
			address_put(ip + at_source(), OUTSIDE + 77);
			address_put(ip + at_destination(),
				    p == FORWARDER && n == NET_OUTSIDE ? VIP : (n ? CLUSTER : OUTSIDE) + p + 1);
			store_be16(ip + header_min() + 4, 0xffff);
			reseal(f);
			deliver(&b, n, f);
		}
	run(&b, NULL, 4, 60 * NSTIME_S);
	ck_assert_uint_eq(b.done, 6);
	bench_fini(&b);
}
END_TEST

static void over_ip4(void)
{
	family = 4;
}

static void over_ip6(void)
{
	family = 6;
}

static TCase *fire_case(const char *name, void (*setup)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, unharmed);
	tcase_add_test(tcase, corrupting_links);
	tcase_add_test(tcase, forged_outside);
	tcase_add_test(tcase, wild_frames);
	tcase_add_test(tcase, udp_lite);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("node under fire");

	suite_add_tcase(suite, fire_case("over IPv4", over_ip4));
	suite_add_tcase(suite, fire_case("over IPv6", over_ip6));
	return unit_run(suite);
}
