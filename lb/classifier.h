/* SPDX-License-Identifier: BSD-3-Clause */
/* The classifier's mind: reads what a client sent and determines the second device (claims C1.4, C2.1).
 *
 * node/ tells it of a connection accepted in the first stack, hands it every byte once as it arrives (without consuming
 * it in the stack: the bytes travel with the connection), and does what the decision says: wait, migrate the connection
 * to a device, or answer itself. After a refused hand-off it chooses again without that device. It knows no stack, no
 * packet and no hand-off; it calls nobody back. What speaks HTTP is answered in HTTP, and what speaks TLS by an alert
 * (RFC 8446 section 6). A request that is not read within a time limit is answered 408, a hello by close_notify. */
#ifndef BATON_LB_CLASSIFIER_H
#define BATON_LB_CLASSIFIER_H

#include "base/addr.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "lb/policy.h"
#include "lb/rules.h"

#include <stddef.h>
#include <stdint.h>

#define CLASSIFIER_CONNECTIONS_DEFAULT 65536U
#define CLASSIFIER_READ_LIMIT_DEFAULT  (30 * NSTIME_S)
#define CLASSIFIER_EXCLUDED_MAX        16U /* refused hand-offs of one connection; then it is answered 503 */

enum classifier_protocol {
	CLASSIFIER_HTTP, /* decides when the request's head is complete */
	CLASSIFIER_TLS,  /* decides when the ClientHello is complete, before the server's first byte */
	CLASSIFIER_AUTO, /* one of these two by the client's first byte; HTTP before it */
	CLASSIFIER_NONE, /* decides when the connection opens, by the first rule without conditions */
};

/* What POLICY_MAGLEV and POLICY_STICKY go by. What a request has, a hello has not, and the reverse: there is no key
 * then. */
enum classifier_key {
	CLASSIFIER_KEY_CLIENT, /* the client's address; the only one for protocol `none` */
	CLASSIFIER_KEY_HOST,
	CLASSIFIER_KEY_PATH,
	CLASSIFIER_KEY_COOKIE,      /* the value of the first cookie called key_cookie; without one there is no key */
	CLASSIFIER_KEY_SERVER_NAME, /* of TLS; without one there is no key */
};

/* The configuration is borrowed for classifier_new; all of it is copied. */
struct classifier_rule_config {
	struct rule_match match;
	const uint16_t *to;      /* devices */
	const uint32_t *weights; /* one a device; NULL: all alike */
	size_t to_count;
	enum policy_balance balance;
	enum classifier_key key;
	const char *key_cookie;
	uint32_t sticky_entries; /* as in struct policy_group_config */
	nstime sticky_expire;
};

struct classifier_service_config {
	const char *name;
	enum classifier_protocol protocol;
	const struct classifier_rule_config *rules;
	size_t rules_count;
};

struct classifier_config {
	const struct classifier_service_config *services;
	size_t services_count;
	uint32_t head_bytes_max;  /* of a request's head; 0: REQUEST_HEAD_BYTES_DEFAULT */
	uint32_t hello_bytes_max; /* of a TLS hello; 0: HELLO_BYTES_DEFAULT */
	uint32_t connections_max; /* being read or handed off at a time; 0: CLASSIFIER_CONNECTIONS_DEFAULT */
	uint32_t per_client_max;  /* of them, of one client address; 0: no such bound */
	nstime read_limit;        /* from open to decision; 0: CLASSIFIER_READ_LIMIT_DEFAULT */
	uint64_t seed;            /* of keyed hashes: classifiers that share it balance by Maglev alike */
	struct trace_sink *trace; /* outlives the classifier; may be NULL */
};

enum classifier_verdict {
	CLASSIFIER_WAIT,   /* more bytes are needed */
	CLASSIFIER_DEVICE, /* migrate the connection to `device` */
	CLASSIFIER_ANSWER, /* send classifier_answer_bytes(answer), then close */
	CLASSIFIER_ABORT,  /* abort the connection: nothing can be answered in a protocol that is not known */
};

/* What is answered, and why. HTTP: name, reason phrase. */
#define CLASSIFIER_STATUS_LIST(X)                                                                                      \
	X(400, "Bad Request")                     /* not HTTP, malformed, ambiguous, or ended early */                 \
	X(404, "Not Found")                       /* no rule matches */                                                \
	X(408, "Request Timeout")                 /* not read within the time limit */                                 \
	X(431, "Request Header Fields Too Large") /* the head is too large */                                          \
	X(503, "Service Unavailable") /* no backend of the rule is healthy and untried (`none`: or there is no rule)   \
				       */

/* TLS: the alert (enum hello_alert) and its name. */
#define CLASSIFIER_ALERT_LIST(X)                                                                                       \
	X(CLOSE_NOTIFY, "close_notify")             /* not read within the time limit */                               \
	X(UNEXPECTED_MESSAGE, "unexpected_message") /* not TLS, or no ClientHello */                                   \
	X(RECORD_OVERFLOW, "record_overflow")       /* a record that is too long */                                    \
	X(HANDSHAKE_FAILURE, "handshake_failure")   /* the hello is too large */                                       \
	X(ILLEGAL_PARAMETER, "illegal_parameter")   /* several names, or an impossible one */                          \
	X(DECODE_ERROR, "decode_error")             /* lengths do not add up, or it ended early */                     \
	X(PROTOCOL_VERSION, "protocol_version")     /* SSLv2, or an unknown version */                                 \
	X(INTERNAL_ERROR, "internal_error")         /* no backend of the rule is healthy and untried */                \
	X(UNRECOGNIZED_NAME, "unrecognized_name")   /* no rule matches */

enum classifier_answer {
#define CLASSIFIER_STATUS_ENUM(status, phrase) CLASSIFIER_ANSWER_##status,
	CLASSIFIER_STATUS_LIST(CLASSIFIER_STATUS_ENUM)
#undef CLASSIFIER_STATUS_ENUM
#define CLASSIFIER_ALERT_ENUM(alert, name) CLASSIFIER_ANSWER_##alert,
		CLASSIFIER_ALERT_LIST(CLASSIFIER_ALERT_ENUM)
#undef CLASSIFIER_ALERT_ENUM
			CLASSIFIER_ANSWER_COUNT
};

struct classifier_decision {
	enum classifier_verdict verdict;
	uint16_t device;               /* DEVICE */
	enum classifier_answer answer; /* ANSWER */
	size_t rule;                   /* DEVICE: index of the rule that matched; SIZE_MAX: it is gone */
	uint16_t number;               /* DEVICE: of that rule: see classifier_reconfigure */
	size_t candidates;             /* DEVICE: how many devices there were to choose from */
};

struct classifier_counters {
	uint64_t opened;
	uint64_t refused;                           /* opens while full, or of a client that has its share */
	uint64_t refused_client;                    /* the latter of them */
	uint64_t chosen;                            /* devices chosen, repeated choices included */
	uint64_t timeouts;                          /* of the time limit */
	uint64_t answered[CLASSIFIER_ANSWER_COUNT]; /* aborts of protocol `none` count as 503 */
};

struct classifier;
struct classifier_conn;

struct classifier *classifier_new(const struct classifier_config *config);

/* Takes other rules for its services, which are the same, by name and protocol, in the same order.
 *
 * A rule whose conditions are those of a rule before is that rule: it keeps its number and, as far as they still make
 * sense, its place in the round and what it remembers of keys (policy_group_change). A rule has a number, that of its
 * place at first; new rules get numbers that their service has not had, and what is told of a connection to others
 * (blob, CHOOSE) is the number, so that no rule is taken for another. Devices keep their health and connections; what
 * is said of one that no rule named before is to be said again. Connections go on: one that is read is matched with the
 * new rules; one that is being handed over is, when it must choose again. */
void classifier_reconfigure(struct classifier *c, const struct classifier_service_config *services);

/* The index of the rule with a number; SIZE_MAX: there is none (any more). */
size_t classifier_rule_index(const struct classifier *c, size_t service, uint16_t number);

void classifier_free(struct classifier *c); /* with all its connections; NULL is allowed */

/* A connection was accepted for a service (index in the configuration). `user` is the caller's. Fills *decision: WAIT,
 * or for protocol `none` what to do. NULL when it is refused: abort it. */
struct classifier_conn *classifier_open(struct classifier *c, size_t service, const struct tuple *tuple, void *user,
					nstime now, struct classifier_decision *decision);

/* The next bytes the connection received, each byte once. After a decision other than WAIT, bytes are ignored and that
 * decision is returned again. */
struct classifier_decision classifier_data(struct classifier_conn *conn, const uint8_t *bytes, size_t len, nstime now);

/* The client ended its stream and every byte was handed in: what WAITs now is answered 400, or by decode_error. */
struct classifier_decision classifier_eof(struct classifier_conn *conn, nstime now);

/* The hand-off to the device chosen last was refused or failed: another choice by the same rule, without all those
 * refused so far; ANSWER 503 or internal_error (ABORT for `none`) when none is left. Precondition: the decision was
 * DEVICE. */
struct classifier_decision classifier_choose_again(struct classifier_conn *conn, nstime now);

/* The connection cannot be handed to any device (it cannot move, or a bound is reached): the same answer as when no
 * device is left. Precondition: the decision was DEVICE. */
struct classifier_decision classifier_give_up(struct classifier_conn *conn, nstime now);

/* Forgets the connection. handed_off: it lives at the chosen device now, and counts there until
 * classifier_backend_connections says otherwise. */
void classifier_close(struct classifier_conn *conn, bool handed_off);

/* When classifier_expire is due; NSTIME_NEVER when nothing is being read. */
nstime classifier_expiry(const struct classifier *c);

/* The next connection whose time is over; its decision is then ANSWER and stays so until it is closed. Call until
 * NULL. */
struct classifier_conn *classifier_expire(struct classifier *c, nstime now);

void *classifier_conn_user(const struct classifier_conn *conn);
struct classifier_decision classifier_conn_decision(const struct classifier_conn *conn);

/* Another device for a connection that a backend has, by the number of the rule that once matched it, none of those
 * excluded; what
 * rules go by beside the client's address is not known any more. 0 with *device, or E_NOENT. */
int classifier_choose_for(struct classifier *c, size_t service, uint16_t number, const struct tuple *tuple,
			  const uint16_t *excluded, size_t excluded_count, nstime now, uint16_t *device);

/* Whether a device may be chosen. Unknown devices are ignored. */
void classifier_backend_health(struct classifier *c, uint16_t device, bool healthy);

/* Adds to the connections that a device is taken to have (least-connections). The classifier itself adds one when it
 * chooses and takes it back when it chooses again or closes without hand-off; -1 at the end of one handed off is the
 * caller's. */
void classifier_backend_connections(struct classifier *c, uint16_t device, int delta);

/* The device says how many connections it has in all (least-connections): others than this classifier's count too. */
void classifier_backend_load(struct classifier *c, uint16_t device, uint32_t connections);

/* The complete response or alert to send, *len bytes, static. */
const void *classifier_answer_bytes(enum classifier_answer answer, size_t *len);

/* "404" or "unrecognized_name". */
const char *classifier_answer_name(enum classifier_answer answer);

/* Whether it is an alert. */
bool classifier_answer_is_alert(enum classifier_answer answer);

/* Connections that are being read or handed over. */
size_t classifier_connections(const struct classifier *c);

/* What the policy knows of a device; NULL for one that no rule names. */
const struct policy_device *classifier_backend(const struct classifier *c, uint16_t device);

const struct classifier_counters *classifier_counters(const struct classifier *c);

/* What the rules with POLICY_STICKY did, NULL when there is no such rule. */
const struct sticky_counters *classifier_sticky_counters(const struct classifier *c);

#endif
