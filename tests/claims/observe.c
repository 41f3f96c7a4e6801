/* SPDX-License-Identifier: BSD-3-Clause */
/* The observers: each function here stands, by the linker's --wrap, between a caller in one object file and the
 * function in another, notes the call as a step and calls the real one. Nothing is changed on the way. Where a call
 * goes through the endpoint's table, the table that is passed is replaced by one that notes the call and goes on to the
 * real one. */
#include "base/buf.h"
#include "base/cursor.h"
#include "base/wire.h"
#include "lb/blob.h"
#include "lb/classifier.h"
#include "lb/courier.h"
#include "lb/driver.h"
#include "lb/forwarder.h"
#include "lb/handoff.h"
#include "lb/migrator.h"
#include "node/node.h"
#include "sim/tracefile.h"
#include "stack/compile.h"
#include "stack/infuse.h"
#include "stack/socket.h"
#include "tests/claims/claims.h"

#include <stdlib.h>
#include <string.h>

#define NODES_MAX 32U
#define CONNS_MAX 256U

static struct claims_step **steps;
static size_t steps_count, steps_capacity;
static nstime clock_now; /* of the last call that told it */

static struct {
	const struct node *node;
	const char *name;
} nodes[NODES_MAX];
static size_t nodes_count;
static const char *node_now = "";

static void *need(void *p)
{
	if (!p)
		abort();
	return p;
}

static struct claims_step *note(const char *what, nstime now)
{
	struct claims_step *s = need(calloc(1, sizeof(*s)));

	if (steps_count == steps_capacity) {
		steps_capacity = steps_capacity ? 2 * steps_capacity : 1024;
		steps = need(realloc(steps, steps_capacity * sizeof(struct claims_step *)));
	}
	s->order = (uint32_t)steps_count;
	s->what = what;
	s->node = node_now;
	s->at = now;
	clock_now = now;
	steps[steps_count++] = s;
	return s;
}

static struct claims_field *field(struct claims_step *s, const char *name, enum claims_field_kind kind)
{
	struct claims_field *f = &s->fields[s->fields_count++];

	if (s->fields_count > CLAIMS_FIELDS_MAX || strlen(name) >= sizeof(f->name))
		abort();
	memcpy(f->name, name, strlen(name) + 1);
	f->kind = kind;
	return f;
}

static void note_u64(struct claims_step *s, const char *name, uint64_t v)
{
	field(s, name, CLAIMS_U64)->u64 = v;
}

static void note_tuple(struct claims_step *s, const struct tuple *t)
{
	field(s, "tuple", CLAIMS_TUPLE)->tuple = *t;
}

static void note_bytes(struct claims_step *s, const void *bytes, size_t len)
{
	s->bytes = need(malloc(len + 1));
	memcpy(s->bytes, bytes, len);
	s->len = len;
}

/* A TCP packet's addresses and ports; data at the IP header. */
static void note_packet(struct claims_step *s, const struct buf *b)
{
	const uint8_t *ip = b->data, *tcp = ip + (ip[0] >> 4 == 6 ? 40 : (ip[0] & 15) * 4);
	const uint8_t family = ip[0] >> 4 == 6 ? 6 : 4, *addresses = ip + (family == 6 ? 8 : 12);
	struct tuple t = {.remote = addr_from_bytes(family, addresses),
			  .local = addr_from_bytes(family, addresses + (family == 6 ? 16 : 4))};

	if (ip[family == 6 ? 6 : 9] == 6 && b->len >= (size_t)(tcp - ip) + 20) {
		t.remote_port = load_be16(tcp);
		t.local_port = load_be16(tcp + 2);
	}
	note_tuple(s, &t);
	note_u64(s, "ports", (uint32_t)t.remote_port << 16 | t.local_port);
	note_bytes(s, b->data, b->len);
}

const struct claims_step *claims_step_at(size_t i)
{
	return i < steps_count ? steps[i] : NULL;
}

/* ---- trace events, in one order with the calls ---- */

static void (*emit_real)(struct trace_sink *, nstime, enum trace_event, const struct trace_field *, size_t);

static void emit(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *f, size_t n)
{
	struct claims_step *s = note(trace_name(event), now);

	s->event = true;
	s->node = sink->node ? sink->node : "";
	for (size_t i = 0; i < n; i++) {
		struct claims_field *to = field(s, f[i].name, (enum claims_field_kind)f[i].kind);

		switch (f[i].kind) {
		case TRACE_KIND_U64:
			to->u64 = f[i].u64;
			break;
		case TRACE_KIND_TEXT:
			strncpy(to->text, f[i].text, sizeof(to->text) - 1);
			break;
		case TRACE_KIND_ADDR:
			to->addr = *f[i].addr;
			break;
		case TRACE_KIND_TUPLE:
			to->tuple = *f[i].tuple;
			break;
		}
	}
	emit_real(sink, now, event, f, n);
}

_Static_assert((int)CLAIMS_U64 == (int)TRACE_KIND_U64 && (int)CLAIMS_TEXT == (int)TRACE_KIND_TEXT &&
		       (int)CLAIMS_ADDR == (int)TRACE_KIND_ADDR && (int)CLAIMS_TUPLE == (int)TRACE_KIND_TUPLE,
	       "kinds have the same numbers");

/* Declares the real function and the observer that takes its place. */
#define OBSERVE(type, name, ...)                                                                                       \
	type __real_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__);                                                                               \
	type __wrap_##name(__VA_ARGS__)

OBSERVE(void, tracefile_sink, struct tracefile *t, struct trace_sink *sink, const char *node)
{
	__real_tracefile_sink(t, sink, node);
	emit_real = sink->emit;
	sink->emit = emit;
}

/* ---- which node is at work ---- */

static void node_enter(const struct node *n)
{
	node_now = "";
	for (size_t i = 0; i < nodes_count; i++)
		if (nodes[i].node == n)
			node_now = nodes[i].name;
}

OBSERVE(struct node *, node_new, const struct node_config *config, nstime now)
{
	struct node *n = __real_node_new(config, now);

	if (nodes_count == NODES_MAX)
		abort();
	nodes[nodes_count].node = n;
	nodes[nodes_count++].name = need(strdup(config->name));
	return n;
}

OBSERVE(bool, node_gather, struct node *n, unsigned netif, struct buf *frame, nstime now)
{
	node_enter(n);
	return __real_node_gather(n, netif, frame, now);
}

OBSERVE(void, node_expire, struct node *n, nstime now)
{
	node_enter(n);
	__real_node_expire(n, now);
}

OBSERVE(void, node_pump, struct node *n, nstime now)
{
	node_enter(n);
	__real_node_pump(n, now);
}

OBSERVE(void, node_start, struct node *n, nstime now)
{
	node_enter(n);
	__real_node_start(n, now);
}

/* ---- forwarder ---- */

/* One after another, so that a packet's decision stands beside it. */
OBSERVE(void, forwarder_packets, struct forwarder *f, struct buf *const *packets, unsigned count, nstime now,
	struct forwarder_decision *d)
{
	for (unsigned i = 0; i < count; i++) {
		struct claims_step *s = note("forwarder_packet", now);

		note_packet(s, packets[i]);
		__real_forwarder_packets(f, &packets[i], 1, now, &d[i]);
		note_u64(s, "verdict", d[i].verdict);
		note_u64(s, "device", d[i].device);
		note_u64(s, "encapsulated", d[i].encapsulated);
	}
}

OBSERVE(void, forwarder_message, struct forwarder *f, uint16_t from, uint64_t from_boot, uint8_t type,
	const uint8_t *bytes, size_t len, nstime now)
{
	struct claims_step *s = note("forwarder_message", now);
	struct message m;

	note_u64(s, "from", from);
	note_u64(s, "type", type);
	note_bytes(s, bytes, len);
	if (!message_decode(&m, type, bytes, len)) {
		note_tuple(s, &m.tuple);
		note_u64(s, "flow", m.flow);
		note_u64(s, "first", m.first);
		note_u64(s, "second", m.second);
	}
	__real_forwarder_message(f, from, from_boot, type, bytes, len, now);
}

/* ---- classifier ---- */

OBSERVE(int, node_classifier_enable, struct node *n, uint32_t flow_base, uint32_t flow_count)
{
	struct claims_step *s;

	node_enter(n);
	s = note("node_classifier_enable", clock_now);
	note_u64(s, "flow_base", flow_base);
	note_u64(s, "flow_count", flow_count);
	return __real_node_classifier_enable(n, flow_base, flow_count);
}

static struct {
	const struct classifier_conn *conn;
	struct tuple tuple;
} conns[CONNS_MAX];
static size_t conns_count;

OBSERVE(struct classifier_conn *, classifier_open, struct classifier *c, size_t service, const struct tuple *tuple,
	void *user, nstime now, struct classifier_decision *decision)
{
	struct claims_step *s = note("classifier_open", now);
	struct classifier_conn *conn = __real_classifier_open(c, service, tuple, user, now, decision);
	size_t i = 0;

	note_tuple(s, tuple);
	while (i < conns_count && conns[i].conn != conn)
		i++;
	if (i == CONNS_MAX)
		abort();
	conns[i].conn = conn;
	conns[i].tuple = *tuple;
	conns_count += i == conns_count;
	return conn;
}

OBSERVE(struct classifier_decision, classifier_data, struct classifier_conn *conn, const uint8_t *bytes, size_t len,
	nstime now)
{
	struct claims_step *s = note("classifier_data", now);
	struct classifier_decision d;

	note_bytes(s, bytes, len);
	for (size_t i = 0; i < conns_count; i++)
		if (conns[i].conn == conn)
			note_tuple(s, &conns[i].tuple);
	d = __real_classifier_data(conn, bytes, len, now);
	note_u64(s, "verdict", d.verdict);
	note_u64(s, "device", d.device);
	note_u64(s, "candidates", d.candidates);
	return d;
}

/* ---- the endpoint's table of calls ---- */

static const struct endpoint_ops *ops_real;

static struct tuple conn_tuple(struct endpoint_conn *conn)
{
	return sock_tuple((struct sock *)conn);
}

static int ops_migrate(void *ep, struct endpoint_conn *conn, uint16_t device, struct conn_state *out, nstime now)
{
	struct claims_step *s = note("endpoint.migrate", now);
	struct tuple t = conn_tuple(conn);
	int r;

	note_tuple(s, &t);
	note_u64(s, "device", device);
	r = ops_real->migrate(ep, conn, device, out, now);
	note_u64(s, "failed", r != 0);
	note_u64(s, "unread", out->socket.unread);
	return r;
}

static void ops_thaw(void *ep, struct endpoint_conn *conn, nstime now)
{
	struct tuple t = conn_tuple(conn);

	note_tuple(note("endpoint.thaw", now), &t);
	ops_real->thaw(ep, conn, now);
}

static void ops_release(void *ep, struct endpoint_conn *conn)
{
	struct tuple t = conn_tuple(conn);

	note_tuple(note("endpoint.release", clock_now), &t);
	ops_real->release(ep, conn);
}

static int ops_infuse(void *ep, const struct conn_state *state, struct endpoint_conn **conn, nstime now)
{
	struct claims_step *s = note("endpoint.infuse", now);
	struct tuple t = conn_state_tuple(state);
	int r;

	note_tuple(s, &t);
	note_bytes(s, state->data.data, state->data.len);
	r = ops_real->infuse(ep, state, conn, now);
	note_u64(s, "failed", r != 0);
	return r;
}

static void ops_activate(void *ep, struct endpoint_conn *conn, nstime now)
{
	struct tuple t = conn_tuple(conn);

	note_tuple(note("endpoint.activate", now), &t);
	ops_real->activate(ep, conn, now);
}

static void ops_discard(void *ep, struct endpoint_conn *conn)
{
	struct tuple t = conn_tuple(conn);

	note_tuple(note("endpoint.discard", clock_now), &t);
	ops_real->discard(ep, conn);
}

static const struct endpoint_ops ops_observed = {
	.migrate = ops_migrate,
	.thaw = ops_thaw,
	.release = ops_release,
	.infuse = ops_infuse,
	.activate = ops_activate,
	.discard = ops_discard,
};

static struct endpoint observed(const struct endpoint *ep)
{
	ops_real = ep->ops;
	return (struct endpoint){.ops = &ops_observed, .ep = ep->ep};
}

/* ---- hand-off ---- */

OBSERVE(int, handoff_start, struct handoff *h, const struct endpoint *ep, struct endpoint_conn *conn,
	const struct tuple *t, uint16_t device, uint64_t boot, const struct handoff_claim *claim, nstime now)
{
	struct claims_step *s = note("handoff_start", now);
	struct endpoint seen = observed(ep);
	int r;

	note_tuple(s, t);
	note_u64(s, "device", device);
	r = __real_handoff_start(h, &seen, conn, t, device, boot, claim, now);
	note_u64(s, "failed", r < 0);
	return r;
}

static void note_mapping(struct claims_step *s, const struct blob_mapping *m)
{
	note_u64(s, "flow", m->flow);
	note_u64(s, "generation", m->generation);
	note_u64(s, "handoff", m->handoff);
	note_u64(s, "first", m->first);
	note_u64(s, "second", m->second);
}

OBSERVE(int, blob_encode, struct vec *out, const struct blob_mapping *m, const struct conn_state *state)
{
	struct claims_step *s = note("blob_encode", clock_now);
	struct tuple t = conn_state_tuple(state);
	int r = __real_blob_encode(out, m, state);

	note_tuple(s, &t);
	note_mapping(s, m);
	note_u64(s, "data", state->data.len);
	note_u64(s, "unread", state->socket.unread);
	note_bytes(s, out->data, out->len);
	return r;
}

OBSERVE(int, blob_decode, const uint8_t *p, size_t n, struct blob_mapping *m, struct conn_state *state,
	const char **why)
{
	struct claims_step *s = note("blob_decode", clock_now);
	int r = __real_blob_decode(p, n, m, state, why);

	note_bytes(s, p, n);
	note_u64(s, "failed", r != 0);
	if (r)
		return r;
	note_tuple(s, &m->tuple);
	note_mapping(s, m);
	note_u64(s, "data", state->data.len);
	return r;
}

/* ---- courier ---- */

OBSERVE(int, courier_send, struct courier *c, uint16_t to, uint8_t type, const void *bytes, size_t len, nstime now,
	uint64_t *message_id)
{
	struct claims_step *s = note("courier_send", now);

	note_u64(s, "to", to);
	note_u64(s, "type", type);
	note_bytes(s, bytes, len);
	return __real_courier_send(c, to, type, bytes, len, now, message_id);
}

OBSERVE(int, courier_input, struct courier *c, uint8_t *frame, size_t len, nstime now)
{
	struct claims_step *s = note("courier_input", now);
	int r;

	note_bytes(s, frame, len);
	r = __real_courier_input(c, frame, len, now);
	note_u64(s, "failed", r != 0);
	return r;
}

/* ---- the second device, below its stack ---- */

OBSERVE(void, migrator_message, struct migrator *m, uint16_t from, uint64_t from_boot, uint8_t type,
	const uint8_t *bytes, size_t len, nstime now)
{
	struct claims_step *s = note("migrator_message", now);

	note_u64(s, "from", from);
	note_u64(s, "type", type);
	note_bytes(s, bytes, len);
	__real_migrator_message(m, from, from_boot, type, bytes, len, now);
}

OBSERVE(struct migrator *, migrator_new, const struct migrator_config *config, struct driver *driver,
	const struct endpoint *ep)
{
	struct endpoint seen = observed(ep);

	return __real_migrator_new(config, driver, &seen);
}

OBSERVE(int, driver_blob, struct driver *d, const uint8_t *bytes, size_t len, struct blob_mapping *m,
	struct conn_state *state, const char **why, nstime now)
{
	struct claims_step *s = note("driver_blob", now);
	struct driver_holdings holds;
	int r;

	note_bytes(s, bytes, len);
	r = __real_driver_blob(d, bytes, len, m, state, why, now);
	note_u64(s, "failed", r != 0);
	if (r)
		return r;
	note_tuple(s, &m->tuple);
	note_mapping(s, m);
	driver_holdings(d, &holds);
	note_u64(s, "flows", holds.flows);
	return r;
}

OBSERVE(enum driver_verdict, driver_packet, struct driver *d, struct buf *packet, nstime now, enum driver_drop *drop)
{
	struct claims_step *s = note("driver_packet", now);
	enum driver_verdict v;

	note_packet(s, packet);
	v = __real_driver_packet(d, packet, now, drop);
	note_u64(s, "verdict", v);
	return v;
}

OBSERVE(void, driver_flow_activate, struct driver *d, uint32_t flow, nstime now)
{
	struct claims_step *s = note("driver_flow_activate", now);

	note_u64(s, "flow", flow);
	__real_driver_flow_activate(d, flow, now);
}

/* ---- stacks ---- */

OBSERVE(void, stack_input_ip, struct stack *stack, struct buf *packet, nstime now)
{
	note_packet(note("stack_input_ip", now), packet);
	__real_stack_input_ip(stack, packet, now);
}

static struct claims_step *note_sock(const char *what, const struct sock *k, nstime now)
{
	struct claims_step *s = note(what, now);
	struct tuple t = sock_tuple(k);

	note_tuple(s, &t);
	return s;
}

OBSERVE(int, compile, const struct sock *k, struct conn_state *out, nstime now)
{
	note_sock("compile", k, now);
	return __real_compile(k, out, now);
}

OBSERVE(int, compile_socket, const struct sock *k, struct conn_state *out, nstime now)
{
	struct claims_step *s = note_sock("compile_socket", k, now);
	int r = __real_compile_socket(k, out, now);

	note_u64(s, "unread", out->socket.unread);
	return r;
}

OBSERVE(int, compile_tcp, const struct sock *k, struct conn_state *out, nstime now)
{
	struct claims_step *s = note_sock("compile_tcp", k, now);
	bool before = out->tcp.rcv_nxt || out->tcp.local_port || out->tcp.remote_port;
	int r = __real_compile_tcp(k, out, now);

	note_u64(s, "before", before);
	note_u64(s, "local_port", out->tcp.local_port);
	note_u64(s, "remote_port", out->tcp.remote_port);
	note_u64(s, "rcv_nxt", out->tcp.rcv_nxt);
	note_u64(s, "snd_nxt", out->tcp.snd_nxt);
	return r;
}

OBSERVE(void, compile_ip, const struct sock *k, struct conn_state *out, nstime now)
{
	struct claims_step *s = note_sock("compile_ip", k, now);
	bool before = out->ip.local.family || out->ip.remote.family;

	__real_compile_ip(k, out, now);
	note_u64(s, "before", before);
	field(s, "local", CLAIMS_ADDR)->addr = out->ip.local;
	field(s, "remote", CLAIMS_ADDR)->addr = out->ip.remote;
}

OBSERVE(int, infuse, struct stack *stack, const struct conn_state *state, struct sock **k, nstime now)
{
	struct tuple t = conn_state_tuple(state);

	note_tuple(note("infuse", now), &t);
	return __real_infuse(stack, state, k, now);
}

OBSERVE(int, infuse_socket, struct stack *stack, const struct conn_state *state, struct sock **k, nstime now)
{
	struct tuple t = conn_state_tuple(state);

	note_tuple(note("infuse_socket", now), &t);
	return __real_infuse_socket(stack, state, k, now);
}

OBSERVE(int, infuse_tcp, struct sock *k, const struct conn_state *state, nstime now)
{
	note_sock("infuse_tcp", k, now);
	return __real_infuse_tcp(k, state, now);
}

OBSERVE(void, infuse_ip, struct sock *k, const struct conn_state *state, nstime now)
{
	note_sock("infuse_ip", k, now);
	__real_infuse_ip(k, state, now);
}

/* ---- applications ---- */

OBSERVE(struct sock *, sock_accept, struct sock *listener)
{
	struct sock *k = __real_sock_accept(listener);

	if (k)
		note_u64(note_sock("sock_accept", k, clock_now), "unread", sock_unread(k));
	return k;
}

OBSERVE(void, sock_consume, struct sock *k, size_t len, nstime now)
{
	struct claims_step *s = note_sock("sock_consume", k, now);

	s->bytes = need(malloc(len + 1));
	s->len = sock_peek_copy(k, 0, s->bytes, len);
	__real_sock_consume(k, len, now);
}
