/* SPDX-License-Identifier: BSD-3-Clause */
/* A scenario: what a scenario file says, checked and resolved, ready for sim/world.c to build.
 *
 * The parser (scenario_parse*.c) reads YAML with libfyaml, reports every mistake with its position, expands ranges and
 * globs, resolves names to indices and assigns addresses. Values here are plain: indices into the arrays below, times
 * in nanoseconds, probabilities in parts per billion, rates in bit/s, sizes in bytes. It builds no node and runs
 * nothing. The format is described in baton-scenario(5). */
#ifndef BATON_SIM_SCENARIO_H
#define BATON_SIM_SCENARIO_H

#include "base/addr.h"
#include "base/log.h"
#include "base/nstime.h"
#include "node/app.h"
#include "node/app_relay.h"
#include "node/client.h"
#include "node/limits.h"
#include "sim/distribution.h"
#include "sim/impair.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SCENARIO_NODES_MAX    65535U
#define SCENARIO_MISTAKES_MAX 1000U      /* reported; the rest is counted */
#define SCENARIO_FILE_MAX     (8U << 20) /* bytes */

#define SCENARIO_BACKENDS_COUNTED_MAX 1024U /* with more of them, they are not counted one by one */

struct scenario_subnet {
	struct addr address; /* family 0: there is none */
	uint8_t prefix_len;
};

/* It has a subnet of one family or of both; one that only joins bridges and a device of the machine may have none. */
struct scenario_network {
	char *name;
	struct scenario_subnet v4, v6;
};

static inline const struct scenario_subnet *scenario_subnet(const struct scenario_network *n, uint8_t family)
{
	return family == 6 ? &n->v6 : &n->v4;
}

/* Whether an address is in the network's subnet of its family. */
bool scenario_network_holds(const struct scenario_network *n, const struct addr *a);

/* Roles of a node; several may be set. No role bit is a plain host. */
#define ROLE_CLIENT     0x01U
#define ROLE_FORWARDER  0x02U
#define ROLE_CLASSIFIER 0x04U
#define ROLE_BACKEND    0x08U
#define ROLE_HOST       0x10U
#define ROLE_ROUTER     0x20U
#define ROLE_BRIDGE     0x40U /* not a stack: it passes frames between its networks */
#define ROLE_OUTSIDE    0x80U /* a device of the machine that Baton runs on: see struct scenario_outside */
#define ROLE_ANY        0xffU
#define ROLE_STACKLESS  (ROLE_BRIDGE | ROLE_OUTSIDE)

struct scenario_attachment {
	size_t network;             /* index */
	struct addr_pair address;   /* assigned or given: one for each subnet of the network */
	struct addr_pair tunnel;    /* a forwarder's tunnel addresses on this network, both of family 0: none */
	struct mac mac;             /* derived from node and attachment indices, locally administered */
	struct impairments in, out; /* in: towards the node */
};

/* APP_AUTO, HTTP or TLS as the connection begins, is what backends have for a service of protocol auto. */
enum app_kind { APP_ECHO, APP_HTTP, APP_BULK, APP_SINK, APP_TLS, APP_PROXY, APP_RELAY, APP_AUTO };

/* An application that listens on a node (apps: { http: 80, echo: 7 }). */
struct scenario_app {
	enum app_kind kind;
	uint16_t port;
	struct app_target *targets; /* APP_PROXY: where connections go, in turn */
	size_t targets_count;
	struct relay_target relay; /* APP_RELAY */
};

/* A server outside that takes a service's connections at a backend, in `baton live`. */
struct scenario_relay {
	size_t service; /* index */
	struct relay_target target;
};

struct scenario_route {
	struct addr prefix;
	uint8_t prefix_len;
	size_t attachment;    /* index within the node */
	struct addr next_hop; /* family 0: on-link */
};

struct scenario_node {
	char *name; /* "client3" */
	unsigned roles;
	struct scenario_attachment *attachments;
	size_t attachments_count;
	struct scenario_app *apps;
	size_t apps_count;
	struct scenario_relay *relays; /* a backend's: one a service at most */
	size_t relays_count;
	struct scenario_route *routes; /* computed ones, replaced by the file's where it has any; last: defaults */
	size_t routes_count;
	struct node_limits limits;
};

/* tap: or veth: of a network. Such a device is listed among the nodes too (ROLE_OUTSIDE, named after it), with one
 * attachment, whose addresses are the host's side: so it is captured, impaired and cut off like any other. In baton run
 * nobody is there. */
struct scenario_outside {
	size_t node;
	bool tap; /* else an interface that exists, by a packet socket */
};

enum service_protocol { PROTOCOL_HTTP, PROTOCOL_NONE, PROTOCOL_TLS, PROTOCOL_AUTO };
enum service_return { RETURN_FORWARDER, RETURN_DIRECT };
enum balance { BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONNECTIONS, BALANCE_MAGLEV, BALANCE_STICKY };

/* What maglev and sticky go by. */
enum balance_key { BALANCE_BY_CLIENT, BALANCE_BY_HOST, BALANCE_BY_PATH, BALANCE_BY_SERVER_NAME, BALANCE_BY_COOKIE };

/* One rule; NULL members match anything. Text is matched as DESIGN says: path is a glob in which '*' crosses '/'. */
struct scenario_rule {
	char *method, *host, *path;
	char *header_name, *header_value; /* header: "Name: glob" */
	char *cookie_name, *cookie_value; /* cookie: "name=glob" */
	char *server_name;                /* of TLS */
	size_t *to;                       /* node indices of backends */
	size_t to_count;
	uint32_t *weights; /* one a backend of `to`; NULL: all alike */
	enum balance balance;
	enum balance_key key;
	char *key_cookie;        /* BALANCE_BY_COOKIE: its name */
	uint32_t sticky_entries; /* BALANCE_STICKY: how many keys are remembered; 0: the built-in default */
	nstime sticky_expire;    /* BALANCE_STICKY: for how long since their last use; 0: the built-in default */
};

struct scenario_service {
	char *name;
	struct addr vip;
	uint16_t port;
	enum service_protocol protocol;
	enum service_return return_path;
	struct scenario_rule *rules;
	size_t rules_count;
};

/* health: the backends' reports to the classifiers; interval 0: only changes are reported. */
struct scenario_health {
	nstime interval;
	uint32_t rise, fall; /* 0: the defaults */
};

enum arrivals { ARRIVALS_EVEN, ARRIVALS_POISSON, ARRIVALS_BURST };

/* How requests are given up on purpose. */
struct scenario_abort {
	enum client_abort_kind kind;
	struct distribution at; /* bytes or nanoseconds */
	uint32_t share_ppb;     /* of requests that are */
	bool close;             /* politely, else with a reset */
};

/* One of the requests that an entry lists. What it does not say the entry does. */
struct scenario_request {
	nstime at;                  /* since the entry's start; not before the one before */
	char *method, *host, *path; /* NULL: not said */
	uint64_t body, reply;       /* bytes; SCENARIO_UNSAID: not said */
};

#define SCENARIO_UNSAID UINT64_MAX

/* One entry of traffic:. Requests are HTTP to a service or node, unless `app` says echo or bulk. */
struct scenario_traffic {
	char *name;   /* unique among the entries; NULL: it has none */
	size_t *from; /* client node indices */
	size_t from_count;
	bool to_service;        /* else to a node */
	size_t service;         /* index, when to_service */
	struct addr to_address; /* a node's, otherwise */
	uint16_t to_port;
	enum app_kind app;    /* APP_HTTP, APP_TLS, APP_ECHO or APP_BULK */
	uint64_t requests;    /* total of the entry; 0: as many as come before `duration` is over */
	nstime duration;      /* since start: how long requests come; 0: until there were `requests` */
	uint64_t interval_ns; /* between arrivals of the entry; 0: all at start */
	enum arrivals arrivals;
	uint64_t burst;                    /* requests a burst */
	struct scenario_request *sequence; /* `requests` of them, one by one; NULL: they are all alike */
	nstime start;
	uint64_t users;             /* closed loop: so many, each asking when it has thought; 0: open loop */
	nstime ramp;                /* over which they come, evenly */
	struct distribution think;  /* between an answer and the user's next request */
	char *method, *host, *path; /* path may hold {n} */
	char **headers;             /* "Name: value" */
	size_t headers_count;
	struct distribution body; /* bytes of a request's body (echo, bulk: bytes sent) */
	bool chunked;             /* request body in chunks */
	bool expect_continue;     /* 100-continue */
	bool http_10;
	struct distribution reply; /* bytes; the constant 0: the server's default */
	uint64_t per_connection;   /* requests a connection */
	bool half_close;           /* the client shuts down writing behind its request */
	char *server_name;         /* TLS; may hold {n}; NULL: none is sent */
	uint32_t hello_records;    /* TLS: that the hello is cut into */
	uint32_t hello_bytes;      /* TLS: that it is padded to; 0: not */
	uint64_t pipeline;         /* HTTP: requests sent before their replies are there, at most */
	uint64_t piece;            /* bytes that the client writes at a time; 0: what fits */
	nstime pause;              /* between the pieces */
	struct scenario_abort abort;
	struct distribution idle; /* rest of a connection between two requests */
	nstime keepalive;         /* the clients' TCP keepalive: idle time and interval of probes; 0: off */
};

#define SCENARIO_KEY_LEN 32U /* bytes that a key file holds at least; the first ones count */

/* The devices have a new cluster key within so long, and are done with the old one so long after that. */
#define SCENARIO_REKEY_OVER_MAX (1 * NSTIME_S)
#define SCENARIO_REKEY_GAP      (3 * NSTIME_S)

/* The last four are exact faults, in the order of enum impair_fault_kind. */
enum fault_kind {
	FAULT_LINK_DOWN,
	FAULT_SET,
	FAULT_CRASH,
	FAULT_RESTART,
	FAULT_PARTITION,
	FAULT_DRAIN,
	FAULT_UNDRAIN,
	FAULT_REKEY,
	FAULT_DROP,
	FAULT_CORRUPT,
	FAULT_DUPLICATE,
	FAULT_DELAY
};

struct scenario_fault {
	nstime at;
	enum fault_kind kind;
	size_t node, attachment;    /* attachment within the node, where the fault names one */
	nstime lasts;               /* FAULT_LINK_DOWN, FAULT_PARTITION: how long */
	uint8_t *key;               /* FAULT_REKEY: SCENARIO_KEY_LEN bytes; NULL: a new one from the seed */
	nstime over;                /* FAULT_REKEY: the devices get it one after the other over so long */
	nstime within;              /* FAULT_DRAIN: how long connections are moved; 0: the built-in default */
	struct impairments in, out; /* FAULT_SET: what holds from then on, with what the attachment had before */
	struct impair_fault exact;  /* FAULT_DROP..: of which packet, counted from `at` on */
	size_t *sides[2];           /* FAULT_PARTITION: node indices of each side */
	size_t sides_count[2];
};

struct scenario_expect {
	char *text; /* "requests.completed == 1000" */
	char *hint; /* what to tell a person when it does not hold; may be NULL */
	unsigned line, column;
};

/* A place to look at. */
struct scenario_capture {
	size_t node, attachment;
};

/* What is captured there. */
struct scenario_capture_point {
	struct scenario_capture at;
	uint32_t snap;             /* bytes kept of a packet; 0: all */
	struct impair_match match; /* which packets */
};

/* What is sampled in virtual time. */
struct scenario_series {
	nstime interval; /* 0: nothing */
	size_t *nodes;   /* whose open connections are a column each */
	size_t nodes_count;
	struct scenario_capture *links; /* whose packets on them, in and out, are a column each */
	size_t links_count;
};

#define SCENARIO_SOCKET_PATH_MAX 107U /* what struct sockaddr_un holds, without the end */

/* What `baton live` is as a service, from the top level of the file; of no effect elsewhere. */
struct scenario_live {
	char *control;         /* path of the control socket; NULL: there is none */
	unsigned control_mode; /* its permissions */
	char *control_group;   /* whose it is; NULL: the process's */
	char *user;            /* who the process becomes; NULL: it stays who it is */
	struct addr metrics;   /* where metrics are served; family 0: nowhere */
	uint16_t metrics_port;
	bool log_json; /* the log as JSON, else as lines for people */
	enum log_level log_level;
};

/* The words for scenario_live.log_level, in its order; NULL at the end. */
extern const char *const scenario_log_levels[];

struct scenario {
	char *file, *name;
	char *text;  /* the file's, before the words of --set */
	char **sets; /* those words */
	size_t sets_count;
	uint64_t seed;
	nstime stop;
	uint8_t *key;    /* cluster key, SCENARIO_KEY_LEN bytes; NULL: derived from the seed */
	bool cipher_aes; /* aes256-gcm instead of chacha20-poly1305 */
	struct scenario_health health;
	struct scenario_live live;
	struct scenario_network *networks;
	size_t networks_count;
	struct scenario_node *nodes;
	size_t nodes_count;
	struct scenario_outside *outsides;
	size_t outsides_count;
	struct scenario_service *services;
	size_t services_count;
	struct scenario_traffic *traffic;
	size_t traffic_count;
	struct scenario_fault *faults; /* in order of time, ties in file order */
	size_t faults_count;
	struct scenario_expect *expects;
	size_t expects_count;
	struct scenario_capture_point *captures;
	size_t captures_count;
	bool captures_merged; /* into one file, all.pcapng, instead of one each */
	struct scenario_series series;
	char **filters; /* texts of pcap filters that only: and match: point to; owned */
	size_t filters_count;
	struct impair_party **parties; /* nodes that match: points to; owned */
	size_t parties_count;
};

/* A mistake in a file: line and column count from 1. */
struct scenario_mistake {
	unsigned line, column;
	char *text;
};

struct scenario_mistakes {
	struct scenario_mistake *list;
	size_t count;   /* in the list */
	size_t omitted; /* beyond SCENARIO_MISTAKES_MAX */
};

/* Reads and checks a file; `sets` are "path=value" words of --set, applied before checking. On success 0 and *out is to
 * be freed; on mistakes E_INVAL with all of them in *mistakes, sorted by position. */
int scenario_read(const char *file, const char *const *sets, size_t sets_count, struct scenario **out,
		  struct scenario_mistakes *mistakes);

/* The same of a text that is there already; paths in it are beside `file`. */
int scenario_read_text(const char *file, const char *text, size_t len, const char *const *sets, size_t sets_count,
		       struct scenario **out, struct scenario_mistakes *mistakes);
void scenario_free(struct scenario *s); /* NULL is allowed */
void scenario_mistakes_fini(struct scenario_mistakes *m);

/* What serves a service's connections at a backend: what its protocol says, or for none HTTP or what `apps:` put on the
 * VIP's port. */
enum app_kind scenario_service_app(const struct scenario_node *backend, const struct scenario_service *service);

/* What takes a service's connections at a backend in `baton live`; NULL: what takes them in `baton run`. */
const struct relay_target *scenario_service_relay(const struct scenario_node *backend, size_t service);

/* Whether a node relays. */
bool scenario_relays(const struct scenario *s);

/* Whether connections are counted for every backend: when a rule has weights, maglev or sticky, or backends report
 * their health or are drained, and there are at most SCENARIO_BACKENDS_COUNTED_MAX backends. */
bool scenario_backends_counted(const struct scenario *s);

/* Whether a backend is drained, or may be through a control socket. */
bool scenario_drains(const struct scenario *s);

/* Whether a rule is sticky. */
bool scenario_is_sticky(const struct scenario *s);

/* The names of the roles, in the order of their bits; NULL at the end. */
extern const char *const scenario_roles[];

/* The node with this name, or SIZE_MAX. */
size_t scenario_node_find(const struct scenario *s, const char *name);

/* The service with this name, or SIZE_MAX. */
size_t scenario_service_find(const struct scenario *s, const char *name);

#endif
