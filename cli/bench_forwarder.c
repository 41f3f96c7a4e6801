/* SPDX-License-Identifier: BSD-3-Clause */
/* forwarder: what a client's packet costs at the forwarder: parse, look up, rewrite, update checksums. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "lb/forwarder.h"

#include <stdlib.h>
#include <string.h>

#define PACKETS         2000000U
#define TEMPLATES       65536U /* packets made beforehand, of random connections */
#define PACKET_BYTES    40U    /* an acknowledgement: IPv4 and TCP headers */
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

/* Millions of packets a second with `entries` connections in the table. */
static int table_run(struct bench_report *report, uint32_t entries)
{
	struct forwarder *f = forwarder_new(&(struct forwarder_config){
		.name = "bench", .seed = 1, .tunnel = {.v4 = addr_v4(TUNNEL)}, .entries = entries});
	uint8_t *templates = malloc((size_t)TEMPLATES * PACKET_BYTES);
	struct buf *b = buf_alloc(PACKET_BYTES);
	struct random_stream random;
	struct forwarder_decision d = {.verdict = FORWARDER_SEND};
	if (!templates)
		log_fatal("out of memory for packets");
	forwarder_device_add(f, CLASSIFIER, &(struct addr_pair){.v4 = addr_v4(CLASSIFIER_ADDR)}, true);
	forwarder_device_add(f, BACKEND, &(struct addr_pair){.v4 = addr_v4(BACKEND_ADDR)}, false);
	int r = entries_add(f, entries);
	random_init(&random, 1, "bench forwarder");
	for (uint32_t n = 0; n < TEMPLATES; n++)
		packet_write(templates + (size_t)n * PACKET_BYTES, (uint32_t)random_below(&random, entries));
	nstime start = cli_clock();
	for (uint32_t n = 0; !r && n < PACKETS; n++) {
		memcpy(b->data, templates + (size_t)(n % TEMPLATES) * PACKET_BYTES, PACKET_BYTES);
		b->len = PACKET_BYTES;
		forwarder_packet(f, b, entries, &d);
		if (d.verdict != FORWARDER_SEND || !d.encapsulated)
			r = E_STATE;
	}
	nstime wall = cli_clock() - start;
	bench_add(report, &(struct bench_value){.metric = "mpps",
						.value = PACKETS * 1e3 / (double)wall,
						.unit = "million packets/s",
						.size = (long)entries,
						.size_unit = "entries"});
	buf_free(b);
	free(templates);
	forwarder_free(f);
	return r;
}

int bench_forwarder(struct bench_report *report)
{
	int r = table_run(report, 1000);
	if (!r)
		r = table_run(report, 65536);
	if (!r)
		r = table_run(report, 1000000);
	return r;
}
