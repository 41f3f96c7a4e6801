/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/bench_handoff.h"

#include "base/err.h"
#include "base/log.h"
#include "cli/cli.h"
#include "lb/blob.h"
#include "stack/socket.h"

#include <stdlib.h>
#include <string.h>

#define VIP        0x0a000050U
#define CLIENT     0x0a000001U
#define PORT       80
#define FRAME_HEAD 24U                                 /* clear bytes of a frame, authenticated */
#define FRAME_BODY (1460U - FRAME_HEAD - SEAL_TAG_LEN) /* of the blob in a frame */
#define FRAME_LEN  (FRAME_HEAD + FRAME_BODY + SEAL_TAG_LEN)
#define WARM_UP    1000U /* hand-offs that do not count */

static const struct endpoint_ops *const ops = &stack_endpoint_ops;

const char *bench_handoff_part_name(enum bench_handoff_part part)
{
	static const char *const names[BENCH_HANDOFF_PARTS] = {"compile", "encode",  "seal",     "open", "decode",
							       "infuse",  "release", "unsealed", "total"};
	return names[part];
}

struct handoff_bench {
	struct stack *stack[2];
	struct sock *listener[2];
	struct endpoint_conn *conn; /* in stack[owner] */
	int owner;
	struct conn_state compiled, decoded;
	struct vec blob, frames, opened;
	struct seal_key key;
	uint64_t number; /* of the next frame */
};

static void stack_make(struct handoff_bench *b, int i)
{
	const struct stack_config config = {.name = i ? "second" : "first", .seed = 1};
	const struct mac mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 2)}};

	b->stack[i] = stack_new(&config, 0);
	stack_netif_add(b->stack[i], mac, addr_v4(CLIENT + 1 + (uint32_t)i), 24);
	stack_vip_add(b->stack[i], addr_v4(VIP), 0, addr_v4(CLIENT));
	b->listener[i] = sock_listen(b->stack[i], addr_v4(VIP), PORT, NULL);
}

/* An established connection that has sent nothing yet, with a request to be read. */
static void state_make(struct conn_state *s, size_t bytes)
{
	const uint32_t window = bytes < 0xffff ? (uint32_t)(0xffff - bytes) : 0;

	s->ip.local = addr_v4(VIP);
	s->ip.remote = addr_v4(CLIENT);
	s->ip.ttl = 64;
	s->tcp = (struct conn_tcp){
		.local_port = PORT,
		.remote_port = 40000,
		.state = CONN_ESTABLISHED,
		.rcv_nxt = 1000,
		.rcv_wnd = window,
		.rcv_ann_wnd = window,
		.rcv_ann_right_edge = 1000 + window,
		.mss = 1460,
		.snd_una = 5000,
		.snd_nxt = 5000,
		.snd_lbb = 5000,
		.snd_wl1 = 1000,
		.snd_wl2 = 5000,
		.snd_wnd = 65535,
		.snd_wnd_max = 65535,
		.cwnd = 14600,
		.ssthresh = 65535,
		.srtt_us = 500000,
		.rttvar_us = 375000,
		.rto_us = 1500000,
		.rtx_age_us = -1,
		.keep_idle_ms = 7200000,
		.keep_interval_ms = 75000,
		.keep_count = 9,
	};
	memset(vec_append(&s->data, NULL, bytes), 'x', bytes);
	s->socket.unread = (uint32_t)bytes;
}

static void seal(struct handoff_bench *b)
{
	vec_clear(&b->frames);
	for (size_t at = 0; at < b->blob.len; at += FRAME_BODY) {
		const size_t n = b->blob.len - at < FRAME_BODY ? b->blob.len - at : FRAME_BODY;
		uint8_t *frame = vec_append(&b->frames, NULL, FRAME_HEAD + n + SEAL_TAG_LEN);
		memset(frame, 0, FRAME_HEAD);
		memcpy(frame + FRAME_HEAD, b->blob.data + at, n);
		seal_frame(&b->key, b->number + at / FRAME_BODY, frame, FRAME_HEAD, n);
	}
}

static int unseal(struct handoff_bench *b)
{
	int err = 0;

	vec_clear(&b->opened);
	for (size_t at = 0; at < b->frames.len && !err; at += FRAME_LEN) {
		const size_t n = b->frames.len - at < FRAME_LEN ? b->frames.len - at : FRAME_LEN;
		uint8_t *frame = b->frames.data + at;
		err = seal_open(&b->key, b->number + at / FRAME_LEN, frame, FRAME_HEAD, n);
		vec_append(&b->opened, frame + FRAME_HEAD, n - FRAME_HEAD - SEAL_TAG_LEN);
	}
	b->number += b->frames.len / FRAME_LEN + 1;
	return err;
}

/* What is not part of a hand-off: the application takes the connection, and looks at what is ready. */
static int settle(struct handoff_bench *b)
{
	struct stack *s = b->stack[b->owner];
	struct buf *frame;
	unsigned ready;
	int netif;

	if (sock_accept(b->listener[b->owner]) != (struct sock *)b->conn)
		return E_STATE;
	while (sock_next_ready(s, &ready))
		continue;
	while ((frame = stack_output(s, &netif)))
		buf_free(frame);
	return 0;
}

/* One hand-off; parts[i] becomes the nanoseconds of part i. */
static int pass_on(struct handoff_bench *b, uint32_t parts[BENCH_HANDOFF_PARTS])
{
	const struct blob_mapping mapping = {.flow = 0x00010001, .generation = 1, .first = 1, .second = 2};
	struct stack *from = b->stack[b->owner], *to = b->stack[!b->owner];
	struct endpoint_conn *old = b->conn;
	struct blob_mapping decoded;
	nstime t[BENCH_HANDOFF_UNSEALED + 1];
	const char *why;
	int err = 0;

	t[0] = cli_clock();
	err |= ops->migrate(from, old, 2, &b->compiled, NSTIME_S);
	t[1] = cli_clock();
	err |= blob_encode(&b->blob, &mapping, &b->compiled);
	t[2] = cli_clock();
	seal(b);
	t[3] = cli_clock();
	err |= unseal(b);
	t[4] = cli_clock();
	err |= blob_decode(b->opened.data, b->opened.len, &decoded, &b->decoded, &why);
	err |= conn_state_validate(&b->decoded, &why);
	t[5] = cli_clock();
	if (err || ops->infuse(to, &b->decoded, &b->conn, NSTIME_S))
		return E_STATE;
	ops->activate(to, b->conn, NSTIME_S);
	t[6] = cli_clock();
	ops->release(from, old);
	t[7] = cli_clock();
	for (int i = 0; i < BENCH_HANDOFF_UNSEALED; i++)
		parts[i] = (uint32_t)(t[i + 1] - t[i]);
	parts[BENCH_HANDOFF_TOTAL] = (uint32_t)(t[7] - t[0]);
	parts[BENCH_HANDOFF_UNSEALED] =
		parts[BENCH_HANDOFF_TOTAL] - parts[BENCH_HANDOFF_SEAL] - parts[BENCH_HANDOFF_OPEN];
	b->owner = !b->owner;
	return settle(b);
}

static int number_compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static int measure(struct handoff_bench *b, size_t iterations, struct bench_handoff_result *out)
{
	uint32_t *samples = reallocarray(NULL, iterations, sizeof(*samples) * BENCH_HANDOFF_PARTS);
	uint32_t parts[BENCH_HANDOFF_PARTS];
	int err = 0;

	if (!samples)
		log_fatal("out of memory: %zu samples", iterations);
	for (size_t i = 0; i < WARM_UP && !err; i++)
		err = pass_on(b, parts);
	for (size_t i = 0; i < iterations && !err; i++) {
		err = pass_on(b, parts);
		for (size_t part = 0; part < BENCH_HANDOFF_PARTS; part++)
			samples[part * iterations + i] = parts[part];
	}
	for (size_t part = 0; part < BENCH_HANDOFF_PARTS && !err; part++) {
		uint32_t *of = samples + part * iterations;
		qsort(of, iterations, sizeof(*of), number_compare);
		out->parts[part].median_ns = of[iterations / 2];
		out->parts[part].p99_ns = of[iterations * 99 / 100];
		out->parts[part].max_ns = of[iterations - 1];
	}
	free(samples);
	return err;
}

int bench_handoff(size_t bytes, size_t iterations, enum seal_cipher cipher, struct bench_handoff_result *out)
{
	static const uint8_t cluster_key[SEAL_KEY_LEN] = {1};
	const struct seal_path path = {SEAL_PURPOSE_DATA, 1, 2, 3, 4};
	struct handoff_bench b = {0};
	int err = seal_cipher_check(cipher);

	if (!err)
		err = stack_library_check();
	if (err)
		return err;
	seal_key_derive(&b.key, cipher, cluster_key, &path);
	stack_make(&b, 0);
	stack_make(&b, 1);
	state_make(&b.decoded, bytes);
	err = ops->infuse(b.stack[0], &b.decoded, &b.conn, NSTIME_S);
	if (!err) {
		ops->activate(b.stack[0], b.conn, NSTIME_S);
		err = settle(&b);
	}
	if (!err)
		err = measure(&b, iterations, out);
	stack_free(b.stack[0]);
	stack_free(b.stack[1]);
	conn_state_fini(&b.compiled);
	conn_state_fini(&b.decoded);
	vec_fini(&b.blob);
	vec_fini(&b.frames);
	vec_fini(&b.opened);
	seal_key_wipe(&b.key);
	return err;
}
