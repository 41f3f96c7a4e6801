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
	return addr_v4((n == NET_OUTSIDE ? OUTSIDE : CLUSTER) + p + 1);
}

static void roles_make(struct bench *b, enum place p)
{
	struct node *n = b->nodes[p];
	struct addr none = {0}, vip = addr_v4(VIP);

	if (p == CLIENT) {
		ck_assert_int_eq(stack_route_add(node_stack(n), addr_v4(0), 0, 0, address_of(FORWARDER, NET_OUTSIDE)),
				 0);
		return;
	}
	ck_assert_int_eq(node_cluster_join(n, &b->cluster, address_of(p, NET_CLUSTER), legs[p][NET_CLUSTER]), 0);
	if (p == FORWARDER) {
		stack_address_proxy(node_stack(n), 0, vip);
		stack_address_proxy(node_stack(n), 1, b->cluster.tunnel);
		ck_assert_int_eq(stack_vip_add(node_stack(n), vip, 0, none), 0);
		ck_assert_int_eq(node_forwarder_enable(n, 8192), 0);
		return;
	}
	ck_assert_int_eq(stack_vip_add(node_stack(n), vip, legs[p][NET_CLUSTER], address_of(FORWARDER, NET_CLUSTER)),
			 0);
	if (p == CLASSIFIER) {
		ck_assert_int_eq(node_classifier_enable(n, 0x00010001, 1U << 20, 0, 0), 0);
		return;
	}
	ck_assert_int_eq(node_backend_enable(n, 0, 0), 0);
	ck_assert_int_eq(node_classifier_enable(n, 1U << 24, 1U << 20, 0, 0), E_STATE);
	ck_assert_int_eq(node_app_listen(n, APP_TYPE_HTTP, vip, 80), 0);
}

static void bench_init(struct bench *b, const char *name)
{
	static const char *const names[PLACES] = {"client", "forwarder", "classifier", "backend"};

	*b = (struct bench){.vip = {addr_v4(VIP), 80}, .to = {BACKEND}};
	random_init(&b->random, SEED, name);
	for (uint16_t i = 0; i < 3; i++)
		b->devices[i] = (struct node_device){.id = (uint16_t)(i + 1),
						     .address = address_of((enum place)(i + 1), NET_CLUSTER),
						     .classifier = i + 1 == CLASSIFIER,
						     .backend = i + 1 == BACKEND};
	b->rule = (struct classifier_rule_config){.to = b->to, .to_count = 1};
	b->service = (struct classifier_service_config){.name = "web", .rules = &b->rule, .rules_count = 1};
	b->cluster = (struct node_cluster){.devices = b->devices,
					   .devices_count = 3,
					   .forwarder = FORWARDER,
					   .tunnel = addr_v4(TUNNEL),
					   .vips = &b->vip,
					   .services = &b->service,
					   .services_count = 1};
	for (enum place p = CLIENT; p < PLACES; p++) {
		struct node_config config = {.name = names[p],
					     .device = (uint16_t)p,
					     .seed = SEED,
					     .boot = 1000 + p,
					     .forwarding = p == FORWARDER};

		b->nodes[p] = node_new(&config, 0);
		for (int leg = 0; leg < 2; leg++)
			for (enum network n = NET_OUTSIDE; n < NETWORKS; n++)
				if (legs[p][n] == leg)
					ck_assert_int_eq(
						node_netif_add(b->nodes[p], mac_of(p, n), address_of(p, n), 24), leg);
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
		    (frame->len < 6 || frame->data[0] & 1 || !memcmp(frame->data, mac.bytes, sizeof(mac.bytes))))
			node_input(b->nodes[p], (unsigned)legs[p][n], buf_clone(frame), b->now);
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

/* Makes IPv4, TCP and UDP checksums right again where there is something to be right about. */
static void reseal(struct buf *frame)
{
	uint8_t *ip = frame->data + 14, *l4, pseudo[12];
	uint32_t header, total, at;
	uint16_t check;

	if (frame->len < 34 || load_be16(frame->data + 12) != 0x0800)
		return;
	header = (ip[0] & 15U) * 4;
	total = load_be16(ip + 2);
	if (header < 20 || header > frame->len - 14)
		return;
	memset(ip + 10, 0, 2);
	check = (uint16_t)~checksum_sum(ip, header);
	memcpy(ip + 10, &check, 2);
	at = ip[9] == 6 ? 16 : 6;
	if ((ip[9] != 6 && ip[9] != 17) || total > frame->len - 14 || total < header + at + 2)
		return;
	l4 = ip + header;
	memcpy(pseudo, ip + 12, 8);
	pseudo[8] = 0;
	pseudo[9] = ip[9];
	store_be16(pseudo + 10, (uint16_t)(total - header));
	memset(l4 + at, 0, 2);
	check = (uint16_t)~checksum_add(checksum_sum(pseudo, sizeof(pseudo)), checksum_sum(l4, total - header));
	memcpy(l4 + at, &check, 2);
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

	store_be32(at, choices[pick(b, sizeof(choices) / sizeof(choices[0]))]);
}

/* A frame that was heard, changed in one way or several. */
static struct buf *forge(struct bench *b)
{
	const struct buf *model = b->kept[pick(b, KEPT_MAX)];
	struct buf *f;

	if (!model)
		return NULL;
	f = buf_clone(model);
	for (uint32_t n = 1 + pick(b, 3); n > 0 && f->len >= 54; n--) {
		uint8_t *ip = f->data + 14;

		switch (pick(b, 10)) {
		case 0:
			address_set(b, ip + 12);
			break;
		case 1:
			address_set(b, ip + 16);
			break;
		case 2: /* header length, with options or too short */
			ip[0] = (uint8_t)(0x40 | pick(b, 16));
			break;
		case 3: /* fragments */
			store_be16(ip + 6, (uint16_t)(pick(b, 2) << 13 | pick(b, 200)));
			break;
		case 4: /* lengths */
			store_be16(ip + 2, (uint16_t)(pick(b, 2) ? pick(b, 65536) : pick(b, f->len)));
			break;
		case 5:
			f->len = 14 + pick(b, f->len - 13);
			break;
		case 6: /* TCP flags and header length; for a datagram, its length */
			store_be16(ip + 32, (uint16_t)pick(b, 65536));
			break;
		case 7: /* the courier's port */
			store_be16(ip + 22, COURIER_PORT);
			ip[9] = 17;
			break;
		case 8:
			ip[9] = (uint8_t)pick(b, 256);
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

/* A link that corrupts: now and then a damaged copy comes beside the frame. */
static void corrupting(struct bench *b, enum network n, const struct buf *frame)
{
	struct buf *f;

	if (pick(b, 4) || load_be16(frame->data + 12) != 0x0800)
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

	(void)n;
	(void)frame;
	f = forge(b);
	if (!f)
		return;
	if (f->len < 34 || load_be16(f->data + 12) != 0x0800 || load_be32(f->data + 26) == OUTSIDE + 1 + CLIENT ||
	    load_be32(f->data + 26) == VIP) {
		buf_free(f);
		return;
	}
	if (f->len >= 54 && !pick(b, 4)) { /* as if the backend sent one of its packets back */
		f->data[14] = 0x45;
		store_be16(f->data + 16, (uint16_t)(f->len - 14));
		store_be16(f->data + 20, 0);
		f->data[23] = 6;
		f->data[46] = 0x50;
		store_be32(f->data + 26, CLUSTER + 1 + BACKEND);
		store_be32(f->data + 30, TUNNEL);
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
			struct buf *f = buf_alloc(64);
			struct mac mac = mac_of(p, n);
			uint8_t *ip = f->data + 14;

			f->len = 62;
			memset(f->data, 0, f->len);
			memcpy(f->data, mac.bytes, sizeof(mac.bytes));
			store_be16(f->data + 12, 0x0800);
			ip[0] = 0x45;
			store_be16(ip + 2, 48);
			ip[8] = 64;
			ip[9] = 136;
			store_be32(ip + 12, OUTSIDE + 77);
			store_be32(ip + 16, p == FORWARDER && n == NET_OUTSIDE ? VIP : (n ? CLUSTER : OUTSIDE) + p + 1);
			store_be16(ip + 24, 0xffff);
			reseal(f);
			deliver(&b, n, f);
		}
	run(&b, NULL, 4, 60 * NSTIME_S);
	ck_assert_uint_eq(b.done, 6);
	bench_fini(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node under fire");
	TCase *tcase = tcase_create("node under fire");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, unharmed);
	tcase_add_test(tcase, corrupting_links);
	tcase_add_test(tcase, forged_outside);
	tcase_add_test(tcase, wild_frames);
	tcase_add_test(tcase, udp_lite);
	return unit_run(suite);
}
