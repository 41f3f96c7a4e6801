/* SPDX-License-Identifier: BSD-3-Clause */
/* forwarder: what a client's packet costs at the forwarder: parse, look up, rewrite, update checksums. In bursts, as
 * where packets wait for it, and one at a time; beside a bare loop of the same memory work and what cannot be left out:
 * it copies the packet in, hashes its connection, reads a line of an index and one of an entry, marks the entry, writes
 * other addresses and ports, and updates the checksums. It checks nothing of the packet or the entry, compares no
 * connection, keeps no counters; it asks for the lines ahead, as the forwarder does. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/pages.h"
#include "base/random.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "lb/forwarder.h"

#include <string.h>

#define ROUNDS          4U       /* of each way in turn; the fastest counts */
#define PACKETS         2000000U /* in a round; a multiple of BURST */
#define BURST           FORWARDER_BURST_MAX
#define PACKET_BYTES    40U /* an acknowledgement: IPv4 and TCP headers */
#define CLASSIFIER      1U
#define BACKEND         2U
#define VIP             0xc6336450U /* 198.51.100.80 */
#define TUNNEL          0x0a000002U
#define CLASSIFIER_ADDR 0x0a000003U
#define BACKEND_ADDR    0x0a000004U

static struct tuple tuple_of(uint32_t n)
{
	return (struct tuple){.remote = addr_v4(0x0b000000U + n / 60000),
			      .local = addr_v4(VIP),
			      .remote_port = (uint16_t)(1024 + n % 60000),
			      .local_port = 80};
}

/* Fills the table by the messages of committed hand-offs. */
static int entries_add(struct forwarder *f, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		struct message m = {.type = MESSAGE_PREPARE,
				    .flow = (n / 0xffff + 1) << 16 | (n % 0xffff + 1), /* neither half is zero */
				    .generation = 1,
				    .handoff = n + 1,
				    .first = CLASSIFIER,
				    .second = BACKEND,
				    .first_boot = 1,
				    .second_boot = 1,
				    .tuple = tuple_of(n)};
		uint8_t bytes[MESSAGE_LEN];
		message_encode(&m, bytes);
		forwarder_message(f, CLASSIFIER, 1, MESSAGE_PREPARE, bytes, sizeof(bytes), n);
		m.type = MESSAGE_READY;
		message_encode(&m, bytes);
		forwarder_message(f, BACKEND, 1, MESSAGE_READY, bytes, sizeof(bytes), n);
		outbox_clear(forwarder_outbox(f));
	}
	return forwarder_counters(f)->committed == count ? 0 : E_STATE;
}

/* An acknowledgement of connection n. */
static void packet_write(uint8_t *ip, uint32_t n)
{
	struct tuple t = tuple_of(n);
	uint8_t pseudo[12] = {0}, *tcp = ip + 20;
	memset(ip, 0, PACKET_BYTES);
	ip[0] = 0x45;
	store_be16(ip + 2, PACKET_BYTES);
	ip[8] = 64;
	ip[9] = pseudo[9] = 6;
	memcpy(ip + 12, t.remote.bytes, 4);
	memcpy(ip + 16, t.local.bytes, 4);
	memcpy(pseudo, ip + 12, 8);
	pseudo[11] = PACKET_BYTES - 20;
	uint16_t check = (uint16_t)~checksum_sum(ip, 20);
	memcpy(ip + 10, &check, 2);
	store_be16(tcp, t.remote_port);
	store_be16(tcp + 2, t.local_port);
	tcp[12] = 0x50;
	tcp[13] = TCP_FLAG_ACK;
	check = (uint16_t)~checksum_add(checksum_sum(pseudo, sizeof(pseudo)), checksum_sum(tcp, PACKET_BYTES - 20));
	memcpy(tcp + 16, &check, 2);
}

/* Packets made beforehand, each of a random connection; each is used once a round, so that none is at hand. */
static uint8_t *templates_make(uint32_t entries)
{
	uint8_t *templates = pages_new((size_t)PACKETS * PACKET_BYTES);
	struct random_stream random;
	random_init(&random, 1, "bench forwarder");
	for (uint32_t n = 0; n < PACKETS; n++)
		packet_write(templates + (size_t)n * PACKET_BYTES, (uint32_t)random_below(&random, entries));
	return templates;
}

static void burst_fill(struct buf **burst, const uint8_t *templates, uint32_t first)
{
	for (uint32_t n = 0; n < BURST; n++) {
		memcpy(burst[n]->data, templates + (size_t)(first + n) * PACKET_BYTES, PACKET_BYTES);
		burst[n]->len = PACKET_BYTES;
	}
}

/* The nanoseconds of a round, `size` packets a call; 0 when one was not encapsulated. */
static nstime forwarder_round(struct forwarder *f, struct buf **burst, const uint8_t *templates, unsigned size,
			      nstime now)
{
	struct forwarder_decision d[BURST];
	unsigned encapsulated = 0;
	nstime start = cli_clock();
	for (uint32_t n = 0; n < PACKETS; n += BURST) {
		burst_fill(burst, templates, n);
		for (unsigned at = 0; at < BURST; at += size)
			forwarder_packets(f, burst + at, size, now, d + at);
		for (unsigned at = 0; at < BURST; at++)
			encapsulated += d[at].verdict == FORWARDER_SEND && d[at].encapsulated;
	}
	return encapsulated == PACKETS ? cli_clock() - start : 0;
}

/* Memory as the forwarder's: an index at the same load, entries of a line. */
struct bare {
	struct hash_key key;
	uint64_t *slots;
	size_t slots_count; /* a power of two */
	struct bare_entry {
		uint32_t addresses[2], ports;
		nstime last;
		uint8_t rest[40];
	} * entries;
	size_t entries_count;
};
_Static_assert(sizeof(struct bare_entry) == 64, "an entry is one cache line");

static void bare_init(struct bare *b, uint32_t entries)
{
	*b = (struct bare){.slots_count = 8, .entries_count = entries};
	while (b->slots_count - b->slots_count / 4 < entries)
		b->slots_count *= 2;
	b->slots = pages_new(b->slots_count * sizeof(*b->slots));
	b->entries = pages_new(entries * sizeof(*b->entries));
	hash_key_init(&b->key, 1, "bench");
	for (uint32_t n = 0; n < b->slots_count; n++)
		b->slots[n] = (uint64_t)n * 2654435761U % entries;
	for (uint32_t n = 0; n < entries; n++)
		b->entries[n] = (struct bare_entry){.addresses = {TUNNEL, n}, .ports = n};
}

static void bare_fini(struct bare *b)
{
	pages_free(b->slots, b->slots_count * sizeof(*b->slots));
	pages_free(b->entries, b->entries_count * sizeof(*b->entries));
}

static void bare_rewrite(struct bare_entry *e, uint8_t *ip)
{
	uint64_t change = checksum_change(0, ip + 12, e->addresses, 8);
	uint16_t check;
	memcpy(&check, ip + 10, 2);
	check = checksum_changed(check, change);
	memcpy(ip + 10, &check, 2);
	memcpy(&check, ip + 36, 2);
	check = checksum_changed(check, checksum_change(change, ip + 20, &e->ports, 4));
	memcpy(ip + 36, &check, 2);
	memcpy(ip + 12, e->addresses, 8);
	memcpy(ip + 20, &e->ports, 4);
}

static nstime bare_round(const struct bare *b, struct buf **burst, const uint8_t *templates, nstime now)
{
	nstime start = cli_clock();
	for (uint32_t n = 0; n < PACKETS; n += BURST) {
		const uint64_t *slot[BURST];
		burst_fill(burst, templates, n);
		for (unsigned at = 0; at < BURST; at++) {
			slot[at] = &b->slots[hash_bytes(&b->key, burst[at]->data + 12, 12) & (b->slots_count - 1)];
			__builtin_prefetch(slot[at]);
		}
		for (unsigned at = 0; at < BURST; at++)
			__builtin_prefetch(&b->entries[*slot[at]], 1);
		for (unsigned at = 0; at < BURST; at++) {
			struct bare_entry *e = &b->entries[*slot[at]];
			e->last = now;
			bare_rewrite(e, burst[at]->data);
		}
	}
	return cli_clock() - start;
}

static void figure(struct bench_report *report, const char *metric, const char *unit, uint32_t entries, double value)
{
	bench_add(
		report,
		&(struct bench_value){
			.metric = metric, .value = value, .unit = unit, .size = (long)entries, .size_unit = "entries"});
}

static struct forwarder *forwarder_make(uint32_t entries)
{
	struct forwarder *f = forwarder_new(&(struct forwarder_config){
		.name = "bench", .seed = 1, .tunnel = {.v4 = addr_v4(TUNNEL)}, .entries = entries});
	forwarder_device_add(f, CLASSIFIER, &(struct addr_pair){.v4 = addr_v4(CLASSIFIER_ADDR)}, true);
	forwarder_device_add(f, BACKEND, &(struct addr_pair){.v4 = addr_v4(BACKEND_ADDR)}, false);
	return f;
}

/* Millions of packets a second with `entries` connections in the table. */
static int table_run(struct bench_report *report, uint32_t entries)
{
	struct forwarder *f = forwarder_make(entries);
	int r = entries_add(f, entries);
	uint8_t *templates = templates_make(entries);
	struct buf *burst[BURST];
	struct bare bare;
	nstime best[3] = {NSTIME_NEVER, NSTIME_NEVER, NSTIME_NEVER};
	bare_init(&bare, entries);
	for (unsigned n = 0; n < BURST; n++)
		burst[n] = buf_alloc(PACKET_BYTES);
	for (unsigned n = 0; !r && n < ROUNDS; n++) {
		const nstime took[3] = {forwarder_round(f, burst, templates, BURST, entries),
					forwarder_round(f, burst, templates, 1, entries),
					bare_round(&bare, burst, templates, entries)};
		for (unsigned way = 0; way < 3; way++)
			best[way] = nstime_min(best[way], took[way]);
		if (!best[0] || !best[1])
			r = E_STATE;
	}
	if (!r) {
		figure(report, "mpps", "million packets/s", entries, PACKETS * 1e3 / (double)best[0]);
		figure(report, "single_mpps", "million packets/s", entries, PACKETS * 1e3 / (double)best[1]);
		figure(report, "bare_mpps", "million packets/s", entries, PACKETS * 1e3 / (double)best[2]);
		figure(report, "of_bare", "%", entries, (double)best[2] * 100 / (double)best[0]);
	}
	for (unsigned n = 0; n < BURST; n++)
		buf_free(burst[n]);
	bare_fini(&bare);
	pages_free(templates, (size_t)PACKETS * PACKET_BYTES);
	forwarder_free(f);
	return r;
}

int bench_forwarder(struct bench_report *report)
{
	static const uint32_t sizes[] = {1000, 65536, 1000000, 16000000};
	int r = 0;
	for (size_t n = 0; !r && n < sizeof(sizes) / sizeof(*sizes); n++)
		r = table_run(report, sizes[n]);
	return r;
}
