/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of node/ that make a node share. Not for others. */
#ifndef BATON_NODE_INTERNAL_H
#define BATON_NODE_INTERNAL_H

#include "lb/endpoint.h"
#include "node/look.h"
#include "node/node.h"
#include "stack/socket.h"

#include <sys/queue.h>

#define NODE_APPS_MAX   64U
#define ETHERNET_HEADER 14U

/* A hand-off message on its way: which tag to give back when the courier gives it up. */
struct node_tag {
	uint64_t message, tag;
};

struct node_saved_blob {
	STAILQ_ENTRY(node_saved_blob) next;
	uint32_t flow;
	struct vec bytes;
};

struct node_ended {
	STAILQ_ENTRY(node_ended) next;
	nstime latency;
};

/* Packets for the forwarder that came together. */
struct node_burst {
	struct buf *packets[FORWARDER_BURST_MAX];
	unsigned count;
};

struct role_classifier;
struct role_drain;
struct app_moving;

/* The stack as lb/ drives it; `ep` is the node. */
extern const struct endpoint_ops node_endpoint_ops;

struct node {
	struct node_config config;
	struct stack *stack;
	struct mac macs[STACK_NETIFS_MAX];
	struct client *client;
	struct app *apps[NODE_APPS_MAX];
	size_t apps_count;

	/* a member of a cluster */
	const struct node_cluster *cluster; /* NULL: it is in none, and nothing below holds */
	struct addr_pair address;           /* cluster addresses */
	int cluster_netif;
	struct courier *courier;
	size_t courier_mtu;    /* bytes of its largest frame */
	struct node_tag *tags; /* ring of tags_capacity, from tags_head on */
	size_t tags_head, tags_count, tags_capacity;

	/* roles */
	struct forwarder *forwarder;
	struct node_burst *burst; /* with the forwarder */
	struct role_classifier *classifier;
	struct driver *driver;
	struct migrator *migrator;
	struct health_reporter *reporter; /* a backend's */
	struct health_judge *judge;       /* a classifier's */
	struct role_drain *drain;         /* a backend's */
	struct endpoint endpoint;

	/* the first side of hand-offs: a classifier's or a backend's */
	struct handoff *handoff;
	void **handing; /* whose they are, by lb/handoff's number */
	size_t handing_capacity;

	uint64_t drops[NODE_DROP_COUNT];
	STAILQ_HEAD(, node_ended) ended;
	STAILQ_HEAD(, node_saved_blob) blobs;
};

/* Counts and frees. */
void node_drop(struct node *n, enum node_drop reason, struct buf *packet);

/* ---- cluster.c ---- */
/* Looks at a frame below the stack. True: taken. */
bool cluster_frame(struct node *n, unsigned netif, struct buf *frame, nstime now);

/* Moves messages, packets and frames between courier, roles and stack. True when something moved. */
bool cluster_pump(struct node *n, nstime now);

/* The devices of the cluster with a role, in their order. The caller frees them. */
uint16_t *cluster_devices(const struct node *n, bool classifiers, size_t *count);

/* Sends an IP packet to a device as it is (unchanged destination address, by the link alone), to its address of the
 * packet's family. Takes ownership. */
void cluster_send(struct node *n, uint16_t device, struct buf *packet, nstime now);

/* ---- datagram.c ---- */
/* A UDP datagram in an IP packet of either family. */
struct datagram {
	uint8_t family;
	uint8_t *udp;  /* its header in the packet */
	uint16_t port; /* that it is for */
	bool whole;    /* all of it is there, and over IPv6 it has a checksum, good or bad; then: */
	uint8_t *contents;
	size_t contents_len;
};

/* Bytes of IP and UDP headers before the contents. */
size_t datagram_headers(uint8_t family);

/* Looks for an unfragmented datagram right behind the header of an IP packet of `len` bytes. False: there is none. */
bool datagram_parse(struct datagram *d, uint8_t *ip, size_t len);

/* Puts UDP and IP headers of the courier's port before the contents of b. The addresses are of one family. */
void datagram_wrap(struct buf *b, const struct addr *from, const struct addr *to);

/* Sends it on from `from` to `to`, of its family: addresses, hop limit and checksums (a corrupted datagram stays one).
 * False, nothing changed, when its hops are used up. */
bool datagram_relay(const struct datagram *d, uint8_t *ip, const struct addr *from, const struct addr *to);

/* ---- role_forwarder.c ---- */
/* A packet for a VIP or the tunnel address; data at the IP header. Takes ownership. It waits for role_forwarder_flush
 * with others, unless the node is its own classifier. */
void role_forwarder_packet(struct node *n, struct buf *packet, nstime now);
/* Decides on the packets that wait. Precondition: the node is a forwarder. */
void role_forwarder_flush(struct node *n, nstime now);
void role_forwarder_free(struct node *n);

/* ---- role_classifier.c ---- */
/* After all roles are set: its judge of the backends' health. */
void role_classifier_start(struct node *n, nstime now);
void role_classifier_free(struct role_classifier *c);
void role_classifier_reconfigure(struct node *n, nstime now);
struct classifier *role_classifier_mind(const struct role_classifier *c);
/* Takes in what the backends' reports changed. */
void role_classifier_pump(struct node *n);
/* What became of the hand-off that was started for `user`. */
void role_classifier_outcome(struct node *n, void *user, const struct handoff_outcome *o, nstime now);
/* CLOSED, MOVED, CHOOSE. */
void role_classifier_message(struct node *n, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
			     size_t len, nstime now);
struct outbox *role_classifier_outbox(struct role_classifier *c);
/* The courier has a session with a device; `restarted`: an earlier one ended. */
void role_classifier_peer(struct node *n, uint16_t device, bool restarted, nstime now);
/* As node_connections. */
size_t role_classifier_connections(const struct role_classifier *c, uint32_t *cursor, struct node_connection *out,
				   size_t max);
nstime role_classifier_expiry(const struct role_classifier *c);
void role_classifier_expire(struct node *n, nstime now);

/* ---- role_backend.c ---- */
/* After all roles are set: its reports to the classifiers. */
void role_backend_start(struct node *n, nstime now);
/* A packet from the tunnel address; data at the IP header. Takes ownership. */
void role_backend_packet(struct node *n, struct buf *packet, nstime now);
void role_backend_message(struct node *n, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
			  size_t len, nstime now);
bool role_backend_pump(struct node *n, nstime now);

/* ---- role_drain.c ---- */
void role_drain_start(struct node *n);
void role_drain_free(struct role_drain *r); /* NULL is allowed */
struct drain *role_drain_mind(const struct role_drain *r);
/* Does what lb/drain wants. True when that was something. */
bool role_drain_pump(struct node *n, nstime now);
/* What became of the hand-off of a connection that was being moved away. */
void role_drain_outcome(struct node *n, struct app_moving *m, const struct handoff_outcome *o, nstime now);

/* ---- handing.c ---- */
void handing_enable(struct node *n, uint32_t flow_base, uint32_t flow_count);
void handing_free(struct node *n);
/* handoff_start for `user`, who is told the outcome. */
int handing_start(struct node *n, struct sock *k, uint16_t device, const struct handoff_claim *claim, void *user,
		  nstime now);
/* A VIP's packet, not encapsulated; data at the IP header. Takes ownership. */
void handing_packet(struct node *n, struct buf *packet, nstime now);
/* Pulls the hand-off machine's actions. True when there were any. */
bool handing_pump(struct node *n, nstime now);
void handing_message(struct node *n, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes, size_t len,
		     nstime now);
/* The courier gave up a message with this tag (0: none), or (`taken` false) had no room for it. */
void handing_message_failed(struct node *n, uint64_t tag, bool taken, nstime now);
/* The courier has a session with this boot of a device. */
void handing_peer(struct node *n, uint16_t device, uint64_t boot, nstime now);
void handing_expire(struct node *n, nstime now);

#endif
