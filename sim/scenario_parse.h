/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the scenario parser share: the state of one reading, reading of values, references to nodes.
 *
 * The parts, in the order in which they run: sections that name things (networks, nodes, services), addresses and
 * routes, then sections that refer to them (traffic, faults, capture, expect). Each adds its mistakes and goes on with
 * what is left, so that one run tells them all. Callers: the scenario_*.c files only. */
#ifndef BATON_SIM_SCENARIO_PARSE_H
#define BATON_SIM_SCENARIO_PARSE_H

#include "sim/scenario_doc.h"
#include "sim/units.h"

#define SCENARIO_NAME_MAX        63U /* bytes of a name */
#define SCENARIO_NETWORKS_MAX    2048U
#define SCENARIO_SERVICES_MAX    1024U
#define SCENARIO_VIPS_MAX        64U   /* what one stack takes */
#define SCENARIO_RULES_MAX       1024U /* of one service */
#define SCENARIO_KEEPALIVE_MIN   (1 * NSTIME_S)
#define SCENARIO_KEEPALIVE_MAX   (24 * 3600 * NSTIME_S)
#define SCENARIO_TRAFFIC_MAX     4096U
#define SCENARIO_FAULTS_MAX      4096U
#define SCENARIO_CAPTURES_MAX    512U       /* each is an open file */
#define SCENARIO_INTERFACES_ALL  65536U     /* in the one file of all captures */
#define SCENARIO_SNAP_MIN        14U        /* bytes kept of a captured packet */
#define SCENARIO_ATTACHMENTS_MAX 262144U    /* of all nodes */
#define SCENARIO_INTERFACES_MAX  64U        /* of one node */
#define SCENARIO_ROUTES_MAX      (1U << 20) /* of all nodes */
#define SCENARIO_WORK_MAX        (1U << 25) /* names compared with globs, steps along paths */
#define SCENARIO_SAMPLES_MAX     1000000U   /* of a time series */
#define SCENARIO_SERIES_LINKS    64U
#define SCENARIO_SERIES_NODES    16U         /* nodes shown one by one without being asked for */
#define SCENARIO_SEQUENCE_MAX    65536U      /* requests that one entry of traffic lists */
#define SCENARIO_REQUESTS_MAX    1000000000U /* of one entry of traffic */
#define SCENARIO_USERS_MAX       1000000U    /* of one entry */
#define SCENARIO_THINK_MAX       (24 * 3600 * NSTIME_S)
#define SCENARIO_BYTES_MAX       (UINT64_C(1) << 40) /* of one body */

struct name_index {
	const char *name;
	size_t index;
};

/* Who answers to an address. */
struct owner {
	struct addr address;
	size_t node, attachment;
};

struct parse {
	struct scenario *s;
	struct scenario_mistakes *mistakes;
	struct doc *root;
	struct doc **network_docs, **node_docs, **service_docs; /* by index; a range's nodes share one */
	struct name_index *names;                               /* of nodes, sorted */
	struct owner *owners;                                   /* sorted by address */
	size_t owners_count;
	uint32_t *marks; /* by node: the last list that it was put into */
	uint32_t mark;
	size_t attachments_count, routes_count;
	uint64_t work; /* left of SCENARIO_WORK_MAX */
	bool work_told;
	bool addressed; /* networks, nodes and services are sound enough for addresses and routes */
};

/* Mistakes. */
#define MISTAKE(p, d, ...)     mistake_add((p)->mistakes, doc_where(d), __VA_ARGS__)
#define MISTAKE_KEY(p, d, ...) mistake_add((p)->mistakes, (d)->key_place, __VA_ARGS__)

/* Whether work may be done; the mistake of too much is added once. */
bool parse_work(struct parse *p, const struct doc *d, uint64_t steps);

/* Keys. `known` and `later` end with NULL; a key in `later` (may be NULL) belongs to a later version. `what` says of
 * what: "a node". False when d is no mapping (an empty value passes as an empty one). */
bool parse_map(struct parse *p, struct doc *d, const char *what, const char *const *known, const char *const *later);
bool parse_list(struct parse *p, const struct doc *d, const char *what);
bool doc_is_empty(const struct doc *d);

/* Adds "KEY is never applied: why" when the key is there. */
void parse_never(struct parse *p, const struct doc *map, const char *key, const char *why);

/* Values: false with a mistake added, *out untouched. */
bool parse_text(struct parse *p, const struct doc *d, const char **out); /* not empty */
bool parse_duration(struct parse *p, const struct doc *d, nstime *out_ns);
bool parse_rate(struct parse *p, const struct doc *d, uint64_t *out_bps);
bool parse_size(struct parse *p, const struct doc *d, uint64_t max, uint64_t *out_bytes);
bool parse_probability(struct parse *p, const struct doc *d, uint32_t *out_ppb);
bool parse_count(struct parse *p, const struct doc *d, uint64_t min, uint64_t max, uint64_t *out);
bool parse_bool(struct parse *p, const struct doc *d, bool *out);
/* The index of one of `words`; `later` words (may be NULL) are refused as not supported. */
bool parse_word(struct parse *p, const struct doc *d, const char *const *words, const char *const *later, size_t *out);
/* An address that a node can have. */
bool parse_address(struct parse *p, const struct doc *d, const char *text, struct addr *out);
/* "ADDRESS/LEN"; `what` it is, in mistakes: "a subnet". */
bool parse_prefix(struct parse *p, const struct doc *d, const char *what, struct scenario_subnet *out);
/* The same with its host bits zero. */
bool parse_subnet(struct parse *p, const struct doc *d, const char *what, struct scenario_subnet *out);
/* "HOST:PORT" or "[ADDRESS]:PORT": the port, and the host, to be freed. */
bool parse_host_port(struct parse *p, const struct doc *d, const char *text, char **host, uint16_t *port);
bool parse_name(struct parse *p, struct doc_place where, const char *name, size_t len);
/* A name with an optional range at its end: "client[1..8]" has len 6, 1 and 8; without one first > last. */
struct range {
	size_t len;
	uint64_t first, last;
};
bool parse_range(struct parse *p, struct doc_place where, const char *text, struct range *r);

/* What an address in a subnet of this length is if no host may have it: "first" (all bits of the host zero) or, in
 * IPv4, "broadcast" (all one); otherwise NULL. */
const char *address_special(const struct addr *a, uint8_t prefix_len);

/* The first SCENARIO_KEY_LEN bytes of a key file; NULL with a mistake. The caller owns them. */
uint8_t *parse_key(struct parse *p, const struct doc *d, const char *text);

/* A copy for the scenario. */
char *parse_copy(const char *text);

/* Where a file named in a scenario is: a relative path starts at the scenario, one of --set where the command runs. To
 * be freed. */
char *parse_path(const struct parse *p, const struct doc *d, const char *path);

/* A size or duration, or the distribution of one; each of its values from `least` to `most`. False with a mistake
 * added; what *out then holds is the scenario's to free all the same. */
bool parse_distribution(struct parse *p, struct doc *d, enum units_dimension dimension, uint64_t least, uint64_t most,
			struct distribution *out);

/* A request's method, host and path, where the mapping has them; the texts are the scenario's. */
void parse_request_target(struct parse *p, struct doc *map, char **method, char **host, char **path);

/* sequence: of an entry of traffic, whose app is known. */
void parse_sequence(struct parse *p, struct doc *entry, struct scenario_traffic *t);

/* Adds a node as `model` says; its arrays are copied. False: too many, which is told. */
bool node_add(struct parse *p, struct doc *d, const struct scenario_node *model, const char *name);

/* tap:, veth: and host: of the networks, which become nodes behind the file's own. After parse_nodes. */
void parse_outsides(struct parse *p);

/* The text of host: that gives an outside device its address of a family; NULL: none does. */
const struct doc *outside_host_doc(const struct doc *network, uint8_t family);

/* apps: { proxy: { port: PORT, to: NODE:PORT or a list } }: the port's value, or NULL with a mistake. */
const struct doc *parse_proxy_port(struct parse *p, struct doc *d);
/* Where the proxies of all nodes connect to, when addresses and routes are known. */
void parse_proxies(struct parse *p);

/* An application of a node, whose port no other has. */
void parse_app_add(struct parse *p, const struct doc *d, struct scenario_node *n, const struct scenario_app *app);

/* apps: { relay: { port: PORT, to: SERVER } } or a list of them, on a node that is no backend. */
void parse_relay_ports(struct parse *p, struct doc *d, struct scenario_node *n);
/* apps: { relay: SERVER }, { relay: { to: SERVER } } or { relay: { SERVICE: SERVER } } of all backends, after services.
 */
void parse_relays(struct parse *p);

/* References. A node by its name, or SIZE_MAX with a mistake. */
size_t parse_node_ref(struct parse *p, const struct doc *d, const char *name, size_t len);
/* "NODE.NETWORK" */
bool parse_attachment_ref(struct parse *p, const struct doc *d, size_t *node, size_t *attachment);
/* A name, glob or range, or a list of them: indices of nodes that have `role`, called `role_text` in mistakes. */
bool parse_node_list(struct parse *p, const struct doc *d, unsigned role, const char *role_text, size_t **list,
		     size_t *count);

/* How a rule's backends share its connections: balance, weights and what maglev and sticky need. After `to`, which was
 * read without a mistake if to_good. */
void parse_balance(struct parse *p, struct doc *rule, bool to_good, enum service_protocol protocol,
		   struct scenario_rule *r);

/* When an entry of traffic comes, rests and ends. After its app and what it says of HTTP. */
void parse_pace(struct parse *p, struct doc *entry, struct scenario_traffic *t);

/* Impairments: `map` may hold other keys too. Values that are there replace those in *in and *out. */
#define IMPAIRMENT_KEYS                                                                                                \
	"delay", "jitter", "distribution", "loss", "corrupt", "duplicate", "reorder", "rate", "burst", "peakrate",     \
		"queue", "limit", "only"
extern const char *const impairment_keys[]; /* IMPAIRMENT_KEYS: without in: and out: */
void parse_impairments(struct parse *p, struct doc *map, struct impairments *in, struct impairments *out);
/* What `only:` or a plain `match:` says, or a `match:` of several conditions; what it refers to is the scenario's. */
bool parse_match(struct parse *p, const struct doc *d, struct impair_match *match);
bool parse_match_fault(struct parse *p, struct doc *d, struct impair_fault *fault);
/* Frees what a fault holds. */
void scenario_fault_fini(struct scenario_fault *f);

/* A node's limits:, of which each needs one of certain roles. */
void parse_limits(struct parse *p, struct doc *node, unsigned roles, struct node_limits *limits);
/* What can be told when services are known: sockets that listeners alone would take, too many devices. */
void parse_limits_check(struct parse *p);

/* The parts. */
void parse_networks(struct parse *p);
void parse_nodes(struct parse *p);
void parse_names(struct parse *p); /* sorts them and finds those that stand twice */
void parse_health(struct parse *p);
void parse_live(struct parse *p);
void scenario_live_fini(struct scenario_live *live);
void parse_services(struct parse *p);
void parse_addresses(struct parse *p);
void parse_routes(struct parse *p);
void parse_reachability(struct parse *p);
void parse_traffic(struct parse *p);
void parse_faults(struct parse *p);
void parse_captures(struct parse *p);
void parse_series(struct parse *p);
void parse_expects(struct parse *p);

/* The forwarder of a service: the first with an attachment in the VIP's subnet, or SIZE_MAX. */
size_t service_forwarder(const struct scenario *s, const struct scenario_service *service);
/* The network that holds an address, or SIZE_MAX. */
size_t network_of(const struct scenario *s, const struct addr *a);
/* The first address of the family that a node has; one of family 0 without one. */
struct addr node_address(const struct scenario_node *node, uint8_t family);
/* The attachment of `node` on `network`, or SIZE_MAX. */
size_t node_attachment(const struct scenario_node *node, size_t network);
/* Where the forwarder's tunnel is: the first of its networks on which all classifiers and backends are too, one without
 * a VIP if there is one; SIZE_MAX when there is none. */
size_t cluster_network(const struct scenario *s);
/* Whether two nodes are on one network, or are the same node. */
bool nodes_share_network(const struct scenario_node *a, const struct scenario_node *b);

/* Who answers to an address, or NULL; after parse_addresses. */
const struct owner *owner_find(const struct parse *p, const struct addr *a);
/* Which of a node's addresses the node `from` uses: on its own network, else the first with a path; IPv4 before IPv6.
 */
struct addr node_address_near(struct parse *p, const struct doc *d, const struct scenario_node *n, size_t from);

/* Follows the routes of the nodes from `from` to an address; false when they do not lead there, or pass `avoid`
 * (SIZE_MAX: none) before they do. */
bool routes_follow(struct parse *p, const struct doc *d, size_t from, const struct addr *to, size_t avoid);

#endif
