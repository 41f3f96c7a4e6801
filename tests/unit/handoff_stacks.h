/* SPDX-License-Identifier: BSD-3-Clause */
/* For handoff_cluster.h: what the cluster consists of, stacks that only count, and the invariants over all of them. */
#ifndef BATON_TESTS_HANDOFF_STACKS_H
#define BATON_TESTS_HANDOFF_STACKS_H

#include "base/buf.h"
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/random.h"
#include "lb/blob.h"
#include "lb/driver.h"
#include "lb/forwarder.h"
#include "lb/handoff.h"
#include "lb/migrator.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORWARDER = 1, CLASSIFIER = 2, BACKEND = 4, DEVICES = 7 }; /* 2, 3 are classifiers; 4, 5, 6 are backends */

#define CONNS_MAX 8U
#define PPM       1000U /* random_chance's parts in a billion */

enum copy_state { COPY_ACTIVE, COPY_FROZEN, COPY_HELD };

/* A connection in a counting stack. */
struct endpoint_conn {
	struct endpoint_conn *next;
	struct tuple tuple;
	enum copy_state state;
	uint32_t stamp; /* what travels in the blob: which opening of which connection */
};

struct cluster;

struct device {
	struct cluster *cluster;
	uint16_t id;
	bool up;
	uint64_t boot, known[DEVICES];
	struct forwarder *forwarder;
	struct handoff *handoff;
	struct driver *driver;
	struct migrator *migrator;
	struct endpoint endpoint;
	struct endpoint_conn *copies;
	int infuse_error; /* what infuse says; 0: it works */
};

/* What the client side knows of a connection. */
struct conn {
	struct tuple tuple;
	bool open, may_be_lost, forgotten;
	uint32_t stamp;
	int number; /* of the latest hand-off */
	uint32_t retries;
};

struct cluster_options {
	uint32_t packet_loss_ppm, message_fail_ppm, message_repeat_ppm, mutate_ppm;
	nstime delay_max;
	nstime long_delay_max;
	uint32_t long_delay_ppm;
	uint32_t entries;    /* of the forwarder's table */
	uint32_t flow_count; /* identifiers of each classifier */
	bool manual;         /* outcomes are left undecided: the test decides */
};

struct cluster {
	struct cluster_options options;
	struct random_stream rng;
	struct heap events;
	nstime now;
	uint64_t order;
	struct device devices[DEVICES];
	struct conn conns[CONNS_MAX];
	uint32_t conn_count, stamps;
	uint64_t injected, consumed, resets, lost, discarded; /* packets */
	uint64_t module_drops;                                /* of modules that are gone */
	nstime mutate_next;
	uint64_t outcomes[HANDOFF_FAILED + 1];
	uint64_t moves; /* committed from backend to backend */
	struct handoff_outcome last_outcome;
	uint64_t messages[MESSAGE_LAST + 1]; /* delivered, by type */
	bool block[MESSAGE_LAST + 1];        /* messages of this type are kept back */
	struct event *blocked;               /* newest first */
};

enum event_kind { EVENT_MESSAGE, EVENT_PACKET, EVENT_FAILED, EVENT_BOOT };

struct event {
	struct timer timer;
	struct event *next;
	enum event_kind kind;
	uint16_t from, to;
	uint64_t from_boot, to_boot;
	uint8_t type;
	struct vec bytes;
	uint64_t tag;
	struct buf *packet;
};

static struct addr device_address(uint16_t id)
{
	return addr_v4(0x0a000000U + id);
}

static const struct addr_pair tunnel = {.v4 = {.family = 4, .bytes = {10, 0, 0, 254}}};

/* --- the counting stack --- */

static inline struct endpoint_conn *copy_find(struct device *d, const struct tuple *t)
{
	for (struct endpoint_conn *k = d->copies; k; k = k->next)
		if (tuple_equal(&k->tuple, t))
			return k;
	return NULL;
}

static inline struct endpoint_conn *copy_new(struct device *d, const struct tuple *t, enum copy_state state,
					     uint32_t stamp)
{
	struct endpoint_conn *k = calloc(1, sizeof *k);

	*k = (struct endpoint_conn){.next = d->copies, .tuple = *t, .state = state, .stamp = stamp};
	d->copies = k;
	return k;
}

static inline void copy_free(struct device *d, struct endpoint_conn *k)
{
	struct endpoint_conn **link = &d->copies;

	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	free(k);
}

static inline int fake_migrate(void *ep, struct endpoint_conn *conn, uint16_t device, struct conn_state *out,
			       nstime now)
{
	uint8_t stamp[4];

	(void)ep, (void)device, (void)now;
	if (conn->state != COPY_ACTIVE)
		return E_STATE;
	conn->state = COPY_FROZEN;
	conn_state_clear(out);
	out->tcp = (struct conn_tcp){
		.local_port = conn->tuple.local_port,
		.remote_port = conn->tuple.remote_port,
		.state = CONN_ESTABLISHED,
		.rcv_nxt = 1000,
		.rcv_wnd = 65535,
		.rcv_ann_wnd = 65535,
		.rcv_ann_right_edge = 1000 + 65535,
		.mss = 1460,
		.snd_una = 2000,
		.snd_nxt = 2000,
		.snd_lbb = 2000,
		.snd_wl1 = 999,
		.snd_wl2 = 2000,
		.snd_wnd = 64000,
		.snd_wnd_max = 64000,
		.cwnd = 14600,
		.ssthresh = 65535,
		.srtt_us = 40000,
		.rttvar_us = 20000,
		.rto_us = 1000000,
		.rtx_age_us = -1,
	};
	out->ip = (struct conn_ip){.local = conn->tuple.local, .remote = conn->tuple.remote, .ttl = 64};
	store_be32(stamp, conn->stamp);
	vec_append(&out->data, stamp, sizeof stamp);
	out->socket.unread = sizeof stamp;
	return 0;
}

static inline void fake_thaw(void *ep, struct endpoint_conn *conn, nstime now)
{
	(void)ep, (void)now;
	ck_assert_int_eq(conn->state, COPY_FROZEN);
	conn->state = COPY_ACTIVE;
}

static inline void fake_release(void *ep, struct endpoint_conn *conn)
{
	ck_assert_int_eq(conn->state, COPY_FROZEN);
	copy_free(ep, conn);
}

static inline int fake_infuse(void *ep, const struct conn_state *state, struct endpoint_conn **conn, nstime now)
{
	struct device *d = ep;
	struct tuple t = conn_state_tuple(state);

	(void)now;
	ck_assert_uint_eq(state->data.len, 4);
	if (d->infuse_error)
		return d->infuse_error;
	if (copy_find(d, &t))
		return E_EXISTS;
	*conn = copy_new(d, &t, COPY_HELD, load_be32(state->data.data));
	return 0;
}

static inline void fake_activate(void *ep, struct endpoint_conn *conn, nstime now)
{
	(void)ep, (void)now;
	ck_assert_int_eq(conn->state, COPY_HELD);
	conn->state = COPY_ACTIVE;
}

static inline void fake_discard(void *ep, struct endpoint_conn *conn)
{
	ck_assert_int_eq(conn->state, COPY_HELD);
	copy_free(ep, conn);
}

static const struct endpoint_ops fake_ops = {
	.migrate = fake_migrate,
	.thaw = fake_thaw,
	.release = fake_release,
	.infuse = fake_infuse,
	.activate = fake_activate,
	.discard = fake_discard,
};

/* --- invariants --- */

static inline struct conn *conn_find(struct cluster *c, const struct tuple *t)
{
	for (uint32_t i = 0; i < c->conn_count; i++)
		if (tuple_equal(&c->conns[i].tuple, t))
			return &c->conns[i];
	return NULL;
}

static inline unsigned copies_count(struct cluster *c, const struct conn *k, bool active_only)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEVICES; i++)
		for (struct endpoint_conn *e = c->devices[i].copies; e; e = e->next)
			if (tuple_equal(&e->tuple, &k->tuple) && e->stamp == k->stamp &&
			    (!active_only || e->state == COPY_ACTIVE))
				n++;
	return n;
}

/* Where its active copy is; NULL when there is none. */
static inline struct device *owner_of(struct cluster *c, const struct conn *k)
{
	for (unsigned i = 0; i < DEVICES; i++) {
		struct endpoint_conn *e = copy_find(&c->devices[i], &k->tuple);

		if (e && e->state == COPY_ACTIVE && e->stamp == k->stamp)
			return &c->devices[i];
	}
	return NULL;
}

static inline void invariants_check(struct cluster *c)
{
	for (uint32_t i = 0; i < c->conn_count; i++) {
		struct conn *k = &c->conns[i];

		if (!k->open)
			continue;
		ck_assert_uint_le(copies_count(c, k, true), 1); /* I2 */
		if (!k->may_be_lost)
			ck_assert_uint_ge(copies_count(c, k, false), 1);
	}
}

#endif
