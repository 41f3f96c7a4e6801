/* SPDX-License-Identifier: BSD-3-Clause */
/* A node: a stack, the balancer's parts that its roles ask for, and the applications on it.
 *
 * This is the glue between stack/ and lb/, which do not know each other. A frame that arrives is first looked at by the
 * roles, below the stack (a forwarder takes the VIP's packets, a migrator driver takes encapsulated ones and blobs, the
 * courier takes its datagrams); what is left is the stack's. After every call the node pumps: sockets, courier and
 * hand-off machines are drained into each other until nothing moves; frames then wait in node_output. It knows no link
 * and no scenario. Callers: sim/world, and whatever runs nodes in real time. */
#ifndef BATON_NODE_NODE_H
#define BATON_NODE_NODE_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "lb/classifier.h"
#include "lb/courier.h"
#include "lb/drain.h"
#include "lb/driver.h"
#include "lb/forwarder.h"
#include "lb/handoff.h"
#include "lb/health.h"
#include "lb/migrator.h"
#include "node/app_relay.h"
#include "node/client.h"
#include "node/limits.h"
#include "stack/stack.h"

/* One device of the cluster, as every other knows it. */
struct node_device {
	uint16_t id;              /* not 0 */
	struct addr_pair address; /* on the cluster's network */
	bool classifier, backend;
};

struct node_vip {
	struct addr address;
	uint16_t port;
};

/* What all devices of one cluster agree on; outlives the nodes. */
struct node_cluster {
	struct node_device *devices;
	size_t devices_count;
	uint16_t forwarder;      /* the device that owns the VIPs */
	struct addr_pair tunnel; /* its tunnel addresses */
	uint8_t key[SEAL_KEY_LEN];
	uint8_t key_epoch; /* how often it changed, modulo 256 */
	enum seal_cipher cipher;
	struct node_vip *vips; /* one a service, in the order of `services` */
	struct classifier_service_config *services;
	size_t services_count;
	nstime health_interval;            /* of the backends' reports; 0: only changes are reported */
	uint32_t health_rise, health_fall; /* 0: defaults */
};

struct node_config {
	const char *name; /* borrowed for the node's life */
	uint16_t device;  /* its id in the cluster; 0 when it is in none */
	uint64_t seed;    /* the run's */
	uint64_t boot;    /* grows with every restart */
	bool forwarding;  /* routes between its interfaces */
	bool join;        /* segments leave its stack joined (struct stack_config) */
	bool keep_blobs;  /* for node_blob_next */
	struct node_limits limits;
	struct trace_sink *trace; /* borrowed; may be NULL */
};

struct node;

struct node *node_new(const struct node_config *config, nstime now);
void node_free(struct node *n); /* at once and silently, as a crash does; NULL is allowed */

/* Interfaces are added through the node, which must know their MAC addresses too; further addresses, routes and VIPs
 * through its stack. */
int node_netif_add(struct node *n, struct mac mac, struct addr address, uint8_t prefix_len);
struct stack *node_stack(struct node *n);

/* Makes the node a member of the cluster: it gets a courier on interface `netif`, with the node's cluster addresses
 * there, which are of the families that the cluster's other devices have. In a cluster of both, courier datagrams go
 * over IPv4. Before the roles below. 0 or a negative enum err. */
int node_cluster_join(struct node *n, const struct node_cluster *cluster, const struct addr_pair *address, int netif);

/* Roles. The flow identifiers flow_base .. flow_base + flow_count - 1 are this node's part: a backend needs one to hand
 * connections on. 0 or a negative enum err. A backend is nothing else: its stack listens on the VIPs, as the
 * classifier's does (E_STATE). */
int node_forwarder_enable(struct node *n);
int node_classifier_enable(struct node *n, uint32_t flow_base, uint32_t flow_count);
int node_backend_enable(struct node *n, uint32_t flow_base, uint32_t flow_count);

/* An application that listens on address:port (family 0: any). */
int node_app_listen(struct node *n, enum app_type type, struct addr address, uint16_t port);
int node_proxy_listen(struct node *n, struct addr address, uint16_t port, const struct app_target *targets,
		      size_t targets_count);
/* A relay (node/app_relay.h). The target is copied. */
int node_relay_listen(struct node *n, struct addr address, uint16_t port, struct relay *relay,
		      const struct relay_target *target, void *context);

int node_script_listen(struct node *n, struct addr address, uint16_t port, const struct script_source *source);

/* The clients that run on this node, made at the first call. */
struct client *node_client(struct node *n);

/* Starts the courier and the health of its roles; after all of them are set. */
void node_start(struct node *n, nstime now);

/* A frame arrived on an interface. Takes ownership. The work that follows is node_pump's, to be called. True: that may
 * wait for other frames that arrive at this time, since this one went to a forwarder, which looks several packets up at
 * once. */
bool node_gather(struct node *n, unsigned netif, struct buf *frame, nstime now);

/* The next frame to send on *netif, or NULL. Gives ownership. */
struct buf *node_output(struct node *n, unsigned *netif);

nstime node_expiry(const struct node *n);
void node_expire(struct node *n, nstime now);

/* A backend takes no new connections from now on and hands those it has on to others, for `within`; or it serves again.
 * No effect when it is so already. */
void node_drain(struct node *n, nstime within, nstime now);
void node_undrain(struct node *n, nstime now);

/* Takes in what changed in the cluster's rules (the services are the same) and in its health. */
void node_reconfigure(struct node *n, nstime now);

/* The boot of this node that its peers know, when the present one is before it: courier_outlived. Else 0. */
uint64_t node_outlived(const struct node *n);

/* Whether a change of the cluster key is not over. */
bool node_rekeying(const struct node *n);

/* The cluster key changed to the cluster's present one. 0, or E_STATE while an earlier change is not over. */
int node_rekey(struct node *n, nstime now);

/* Does what a call on the node's client or stack from outside left to be done; call after client_start. */
void node_pump(struct node *n, nstime now);

/* Why the node itself dropped packets that its stack never saw; the forwarder's and driver's reasons are in theirs. */
#define NODE_DROP_LIST(X)                                                                                              \
	X(HEADER, "header")   /* bad IP header or checksum */                                                          \
	X(FOREIGN, "foreign") /* a VIP's packet at a node that is neither its forwarder nor a classifier */            \
	X(RELAY, "relay")     /* a courier frame for an unknown device, or no frame at all */                          \
	X(SPOOFED,                                                                                                     \
	  "spoofed") /* a courier frame, or from or to the tunnel address, by another interface than the cluster's */

enum node_drop {
#define NODE_DROP_ENUM(id, text) NODE_DROP_##id,
	NODE_DROP_LIST(NODE_DROP_ENUM)
#undef NODE_DROP_ENUM
		NODE_DROP_COUNT
};

const char *node_drop_name(enum node_drop reason);

/* Counters of the parts; NULL where the node lacks the role. */
const struct forwarder_counters *node_forwarder_counters(const struct node *n);
const struct classifier_counters *node_classifier_counters(const struct node *n);
const struct sticky_counters *node_sticky_counters(const struct node *n); /* or where no rule is sticky */
const struct handoff_counters *node_handoff_counters(const struct node *n);
const struct driver_counters *node_driver_counters(const struct node *n);
const struct migrator_counters *node_migrator_counters(const struct node *n);
const struct courier_counters *node_courier_counters(const struct node *n);
const struct health_reporter_counters *node_reporter_counters(const struct node *n);
const struct health_judge *node_judge(const struct node *n);
const struct drain_counters *node_drain_counters(const struct node *n); /* only for a backend */
uint64_t node_drain_requests(const struct node *n); /* begun here while it drained; only for a backend */
const uint64_t *node_drops(const struct node *n);   /* NODE_DROP_COUNT of them */

/* Whether a backend drains; and what a classifier's policy knows of a backend: NULL where the node is none, or no rule
 * names the device. */
bool node_draining(const struct node *n);
const struct policy_device *node_policy_device(const struct node *n, uint16_t device);

/* The applications, in order of node_app_listen; NULL behind the last. */
const struct app *node_app(const struct node *n, size_t index);

/* How long the next hand-off of this first device took that was committed, oldest first. False when none is left. */
bool node_handoff_next(struct node *n, nstime *latency);

/* The next blob that this first device sent, oldest first, when config.keep_blobs is set. The caller frees it with
 * vec_fini. False when none is left. */
bool node_blob_next(struct node *n, uint32_t *flow, struct vec *blob);

/* Whether nothing is going on: no connection open, none being handed over, no request pending. */
bool node_idle(struct node *n);

#endif
