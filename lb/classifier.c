/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/classifier.h"

#include "base/err.h"
#include "base/log.h"
#include "lb/census.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct rule {
	uint16_t number;
	struct rule_match match; /* texts are owned */
	struct policy_group group;
	enum classifier_key key;
	char *key_cookie;
};

struct service {
	char *name;
	enum classifier_protocol protocol;
	struct rule *rules;
	size_t rules_count;
	uint32_t numbers; /* given so far */
};

/* All connections are in `all`; those that WAIT are in `waiting` too, in order of opening and so of expiry. */
struct classifier_conn {
	struct classifier *owner;
	const struct service *service;
	struct tuple tuple;
	void *user;
	nstime expiry;
	enum classifier_protocol protocol; /* AUTO: not known yet */
	union {
		struct request request; /* HTTP */
		struct hello hello;     /* TLS */
	};
	struct classifier_decision decision;
	uint16_t excluded[CLASSIFIER_EXCLUDED_MAX];
	size_t excluded_count;
	bool waiting;
	struct classifier_conn *all_next, *all_previous, *waiting_next, *waiting_previous;
};

struct classifier {
	struct service *services;
	size_t services_count;
	uint32_t head_bytes_max, hello_bytes_max, connections_max;
	nstime read_limit;
	struct trace_sink *trace;
	struct policy policy;
	bool sticky;           /* a rule is */
	bool counted;          /* clients are: per_client_max is set */
	struct census clients; /* if so */
	struct classifier_counters counters;
	size_t connections;
	struct classifier_conn *all, *waiting, *waiting_last;
};

#define ALERT_LEVEL_WARNING 1
#define ALERT_LEVEL_FATAL   2

/* A record of type alert (RFC 8446 sections 5.1 and 6): all are fatal but close_notify. */
#define ALERT_RECORD(alert)                                                                                            \
	(const uint8_t[ALERT_BYTES])                                                                                   \
	{                                                                                                              \
		21, 3, 3, 0, 2, (alert) == HELLO_ALERT_CLOSE_NOTIFY ? ALERT_LEVEL_WARNING : ALERT_LEVEL_FATAL, (alert) \
	}
#define ALERT_BYTES 7U

static const struct answer {
	const char *name;
	uint16_t number;
	bool alert;
	const void *bytes;
	size_t len;
} answers[CLASSIFIER_ANSWER_COUNT] = {
#define STATUS_TEXT(status, phrase) "HTTP/1.1 " #status " " phrase "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define STATUS(status, phrase)                                                                                         \
	[CLASSIFIER_ANSWER_##status] = {#status, status, false, STATUS_TEXT(status, phrase),                           \
					sizeof(STATUS_TEXT(status, phrase)) - 1},
#define ALERT(alert, name)                                                                                             \
	[CLASSIFIER_ANSWER_##alert] = {name, HELLO_ALERT_##alert, true, ALERT_RECORD(HELLO_ALERT_##alert), ALERT_BYTES},
	CLASSIFIER_STATUS_LIST(STATUS) CLASSIFIER_ALERT_LIST(ALERT)
#undef STATUS
#undef STATUS_TEXT
#undef ALERT
};

static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		log_fatal("out of memory: classifier");
	return p;
}

static char *copy_text(const char *text)
{
	char *copy;

	if (!text)
		return NULL;
	copy = strdup(text);
	if (!copy)
		log_fatal("out of memory: classifier");
	return copy;
}

static struct policy_group_config group_config(const struct classifier_rule_config *config)
{
	return (struct policy_group_config){
		.balance = config->balance,
		.devices = config->to,
		.weights = config->weights,
		.count = config->to_count,
		.sticky_entries = config->sticky_entries,
		.sticky_expire = config->sticky_expire,
	};
}

static void rule_init(struct classifier *c, struct rule *rule, uint16_t number,
		      const struct classifier_rule_config *config)
{
	const struct policy_group_config group = group_config(config);

	rule->number = number;
	rule->match = (struct rule_match){
		.method = copy_text(config->match.method),
		.host = copy_text(config->match.host),
		.path = copy_text(config->match.path),
		.header_name = copy_text(config->match.header_name),
		.header_value = copy_text(config->match.header_value),
		.cookie_name = copy_text(config->match.cookie_name),
		.cookie_value = copy_text(config->match.cookie_value),
		.server_name = copy_text(config->match.server_name),
	};
	rule->key = config->key;
	rule->key_cookie = copy_text(config->key_cookie);
	policy_group_init(&c->policy, &rule->group, &group);
	c->sticky |= config->balance == POLICY_STICKY;
}

static void rule_fini(struct rule *rule)
{
	free((char *)rule->match.method);
	free((char *)rule->match.host);
	free((char *)rule->match.path);
	free((char *)rule->match.header_name);
	free((char *)rule->match.header_value);
	free((char *)rule->match.cookie_name);
	free((char *)rule->match.cookie_value);
	free((char *)rule->match.server_name);
	free(rule->key_cookie);
	policy_group_fini(&rule->group);
}

struct classifier *classifier_new(const struct classifier_config *config)
{
	struct classifier *c = allocate(1, sizeof *c);

	c->head_bytes_max = config->head_bytes_max;
	c->hello_bytes_max = config->hello_bytes_max;
	c->connections_max = config->connections_max ? config->connections_max : CLASSIFIER_CONNECTIONS_DEFAULT;
	c->read_limit = config->read_limit ? config->read_limit : CLASSIFIER_READ_LIMIT_DEFAULT;
	c->trace = config->trace;
	c->counted = config->per_client_max > 0;
	if (c->counted)
		census_init(&c->clients, config->seed, c->connections_max, config->per_client_max);
	hash_key_init(&c->policy.key, config->seed, "balance");
	c->services_count = config->services_count;
	c->services = allocate(c->services_count, sizeof *c->services);
	for (size_t i = 0; i < c->services_count; i++) {
		const struct classifier_service_config *from = &config->services[i];
		struct service *service = &c->services[i];

		service->name = copy_text(from->name);
		service->protocol = from->protocol;
		service->rules_count = from->rules_count;
		service->rules = allocate(from->rules_count, sizeof *service->rules);
		for (size_t j = 0; j < from->rules_count; j++)
			rule_init(c, &service->rules[j], (uint16_t)j, &from->rules[j]);
		service->numbers = (uint32_t)from->rules_count;
	}
	return c;
}

void classifier_free(struct classifier *c)
{
	if (!c)
		return;
	while (c->all)
		classifier_close(c->all, true);
	for (size_t i = 0; i < c->services_count; i++) {
		for (size_t j = 0; j < c->services[i].rules_count; j++)
			rule_fini(&c->services[i].rules[j]);
		free(c->services[i].rules);
		free(c->services[i].name);
	}
	free(c->services);
	if (c->counted)
		census_fini(&c->clients);
	policy_fini(&c->policy);
	free(c);
}

/* ---- other rules ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

static bool same_match(const struct rule_match *a, const struct rule_match *b)
{
	return same_text(a->method, b->method) && same_text(a->host, b->host) && same_text(a->path, b->path) &&
	       same_text(a->header_name, b->header_name) && same_text(a->header_value, b->header_value) &&
	       same_text(a->cookie_name, b->cookie_name) && same_text(a->cookie_value, b->cookie_value) &&
	       same_text(a->server_name, b->server_name);
}

/* The rule with these conditions that nobody took yet, or NULL. */
static struct rule *rule_find(struct service *s, const bool *taken, const struct rule_match *match)
{
	for (size_t i = 0; i < s->rules_count; i++)
		if (!taken[i] && same_match(&s->rules[i].match, match))
			return &s->rules[i];
	return NULL;
}

static size_t rule_index(const struct service *s, uint16_t number)
{
	for (size_t i = 0; i < s->rules_count; i++)
		if (s->rules[i].number == number)
			return i;
	return SIZE_MAX;
}

/* A number that no rule of the service has, and, until they run out, that none had. */
static uint16_t number_new(struct service *s)
{
	uint16_t number;

	do
		number = (uint16_t)s->numbers++;
	while (rule_index(s, number) != SIZE_MAX);
	return number;
}

/* Moves a rule to where it is now, and gives it what its configuration says beside its conditions. */
static void rule_move(struct classifier *c, struct rule *to, struct rule *from,
		      const struct classifier_rule_config *config)
{
	const struct policy_group_config group = group_config(config);
	bool keep_keys = from->key == config->key && same_text(from->key_cookie, config->key_cookie);

	*to = *from;
	free(to->key_cookie);
	to->key = config->key;
	to->key_cookie = copy_text(config->key_cookie);
	policy_group_change(&c->policy, &to->group, &group, keep_keys);
	c->sticky |= config->balance == POLICY_STICKY;
}

static void service_change(struct classifier *c, struct service *s, const struct classifier_service_config *config)
{
	struct rule *rules = allocate(config->rules_count, sizeof *rules);
	bool *taken = allocate(s->rules_count, sizeof *taken);

	for (size_t i = 0; i < config->rules_count; i++) {
		struct rule *old = rule_find(s, taken, &config->rules[i].match);

		if (old) {
			taken[old - s->rules] = true;
			rule_move(c, &rules[i], old, &config->rules[i]);
		} else {
			rule_init(c, &rules[i], number_new(s), &config->rules[i]);
		}
	}
	for (size_t i = 0; i < s->rules_count; i++)
		if (!taken[i])
			rule_fini(&s->rules[i]);
	free(taken);
	free(s->rules);
	s->rules = rules;
	s->rules_count = config->rules_count;
}

void classifier_reconfigure(struct classifier *c, const struct classifier_service_config *services)
{
	for (size_t i = 0; i < c->services_count; i++) {
		assert(!strcmp(c->services[i].name, services[i].name));
		assert(c->services[i].protocol == services[i].protocol);
		service_change(c, &c->services[i], &services[i]);
	}
	for (struct classifier_conn *conn = c->all; conn; conn = conn->all_next)
		if (conn->decision.verdict == CLASSIFIER_DEVICE)
			conn->decision.rule = rule_index(conn->service, conn->decision.number);
}

size_t classifier_rule_index(const struct classifier *c, size_t service, uint16_t number)
{
	return service < c->services_count ? rule_index(&c->services[service], number) : SIZE_MAX;
}

/* ---- connections ---- */

static void waiting_add(struct classifier_conn *conn)
{
	struct classifier *c = conn->owner;

	conn->waiting = true;
	conn->waiting_previous = c->waiting_last;
	if (c->waiting_last)
		c->waiting_last->waiting_next = conn;
	else
		c->waiting = conn;
	c->waiting_last = conn;
}

static void waiting_remove(struct classifier_conn *conn)
{
	struct classifier *c = conn->owner;

	if (!conn->waiting)
		return;
	if (conn->waiting_previous)
		conn->waiting_previous->waiting_next = conn->waiting_next;
	else
		c->waiting = conn->waiting_next;
	if (conn->waiting_next)
		conn->waiting_next->waiting_previous = conn->waiting_previous;
	else
		c->waiting_last = conn->waiting_previous;
	conn->waiting = false;
}

/* Whatever has no protocol (yet) is aborted or, where it may still be HTTP, answered so. */
static bool speaks_tls(const struct classifier_conn *conn)
{
	return conn->protocol == CLASSIFIER_TLS;
}

static const char *conn_reason(const struct classifier_conn *conn)
{
	return speaks_tls(conn) ? hello_reason(&conn->hello) : request_reason(&conn->request);
}

static struct classifier_decision decide_answer(struct classifier_conn *conn, enum classifier_answer answer, nstime now)
{
	bool none = conn->protocol == CLASSIFIER_NONE;

	waiting_remove(conn);
	conn->owner->counters.answered[answer]++;
	conn->decision = (struct classifier_decision){
		.verdict = none ? CLASSIFIER_ABORT : CLASSIFIER_ANSWER,
		.answer = answer,
	};
	TRACE(conn->owner->trace, now, TRACE_CLASSIFIER_ANSWER, TF_TUPLE("tuple", &conn->tuple),
	      TF_TEXT("service", conn->service->name),
	      TF_U64(answers[answer].alert ? "alert" : "status", none ? 0 : answers[answer].number),
	      TF_TEXT("why", conn_reason(conn)));
	return conn->decision;
}

/* No device can take it. */
static struct classifier_decision decide_unavailable(struct classifier_conn *conn, nstime now)
{
	return decide_answer(conn, speaks_tls(conn) ? CLASSIFIER_ANSWER_INTERNAL_ERROR : CLASSIFIER_ANSWER_503, now);
}

static void ask_text(struct policy_ask *ask, const char *text)
{
	ask->key = text;
	ask->key_len = strlen(text);
}

/* What the rule's balancing goes by: key_len 0 when the request or hello has no such thing. */
static void ask_key(struct policy_ask *ask, const struct rule *rule, const struct classifier_conn *conn)
{
	if (rule->key == CLASSIFIER_KEY_CLIENT) {
		ask->key = &conn->tuple.remote;
		ask->key_len = sizeof conn->tuple.remote;
	} else if (speaks_tls(conn)) {
		if (rule->key == CLASSIFIER_KEY_SERVER_NAME)
			ask_text(ask, hello_server_name(&conn->hello));
	} else if (rule->key == CLASSIFIER_KEY_HOST) {
		ask_text(ask, request_host(&conn->request));
	} else if (rule->key == CLASSIFIER_KEY_PATH) {
		ask_text(ask, request_path(&conn->request));
	} else if (rule->key == CLASSIFIER_KEY_COOKIE) {
		struct request_cookie_cursor cursor = {0};

		ask->key = request_cookie_next(&conn->request, rule->key_cookie, &cursor, &ask->key_len);
	}
}

/* Claim C2.1: the second device is chosen among those of a rule. */
static struct classifier_decision decide_device(struct classifier_conn *conn, size_t index, nstime now)
{
	struct classifier *c = conn->owner;
	struct rule *rule = &conn->service->rules[index];
	size_t candidates;
	uint16_t device;
	struct policy_ask ask = {.now = now, .excluded = conn->excluded, .excluded_count = conn->excluded_count};

	ask_key(&ask, rule, conn);
	if (policy_choose(&c->policy, &rule->group, &ask, &device, &candidates))
		return decide_unavailable(conn, now);
	waiting_remove(conn);
	policy_connections(&c->policy, device, 1);
	c->counters.chosen++;
	conn->decision = (struct classifier_decision){
		.verdict = CLASSIFIER_DEVICE,
		.device = device,
		.rule = index,
		.number = rule->number,
		.candidates = candidates,
	};
	TRACE(c->trace, now, TRACE_CLASSIFIER_CHOOSE, TF_TUPLE("tuple", &conn->tuple),
	      TF_TEXT("service", conn->service->name), TF_U64("rule", index), TF_U64("device", device),
	      TF_U64("candidates", candidates));
	return conn->decision;
}

static bool conn_matches(const struct classifier_conn *conn, const struct rule_match *match)
{
	if (conn->protocol == CLASSIFIER_NONE)
		return rule_matches_anything(match);
	return speaks_tls(conn) ? rule_matches_hello(match, &conn->hello) : rule_matches(match, &conn->request);
}

/* Claim C1.4: the second device is determined. */
static struct classifier_decision decide(struct classifier_conn *conn, nstime now)
{
	const struct service *service = conn->service;

	for (size_t i = 0; i < service->rules_count; i++)
		if (conn_matches(conn, &service->rules[i].match))
			return decide_device(conn, i, now);
	if (conn->protocol == CLASSIFIER_NONE)
		return decide_unavailable(conn, now);
	return decide_answer(conn, speaks_tls(conn) ? CLASSIFIER_ANSWER_UNRECOGNIZED_NAME : CLASSIFIER_ANSWER_404, now);
}

/* Now that the connection's protocol is known; AUTO is read as HTTP until it is. */
static void conn_protocol(struct classifier_conn *conn, enum classifier_protocol protocol)
{
	conn->protocol = protocol;
	if (protocol == CLASSIFIER_TLS)
		hello_init(&conn->hello, conn->owner->hello_bytes_max);
	else
		request_init(&conn->request, conn->owner->head_bytes_max);
}

static bool has_room(struct classifier *c, const struct tuple *tuple)
{
	if (c->connections >= c->connections_max)
		return false;
	if (!c->counted || census_add(&c->clients, &tuple->remote))
		return true;
	c->counters.refused_client++;
	return false;
}

struct classifier_conn *classifier_open(struct classifier *c, size_t service, const struct tuple *tuple, void *user,
					nstime now, struct classifier_decision *decision)
{
	struct classifier_conn *conn;

	assert(service < c->services_count);
	if (!has_room(c, tuple)) {
		c->counters.refused++;
		return NULL;
	}
	conn = allocate(1, sizeof *conn);
	conn->owner = c;
	conn->service = &c->services[service];
	conn->tuple = *tuple;
	conn->user = user;
	conn->expiry = nstime_add(now, c->read_limit);
	conn_protocol(conn, conn->service->protocol);
	conn->all_next = c->all;
	if (c->all)
		c->all->all_previous = conn;
	c->all = conn;
	c->connections++;
	c->counters.opened++;
	waiting_add(conn);
	TRACE(c->trace, now, TRACE_CLASSIFIER_OPEN, TF_TUPLE("tuple", &conn->tuple),
	      TF_TEXT("service", conn->service->name));
	*decision = conn->service->protocol == CLASSIFIER_NONE ? decide(conn, now) : conn->decision;
	return conn;
}

static struct classifier_decision request_data(struct classifier_conn *conn, const uint8_t *bytes, size_t len,
					       nstime now)
{
	switch (request_input(&conn->request, bytes, len)) {
	case REQUEST_NEED_MORE:
		return conn->decision;
	case REQUEST_COMPLETE:
		return decide(conn, now);
	case REQUEST_TOO_LARGE:
		return decide_answer(conn, CLASSIFIER_ANSWER_431, now);
	case REQUEST_BAD:
		break;
	}
	return decide_answer(conn, CLASSIFIER_ANSWER_400, now);
}

static enum classifier_answer answer_of_alert(enum hello_alert alert)
{
	switch (alert) {
#define ALERT(alert, name)                                                                                             \
	case HELLO_ALERT_##alert:                                                                                      \
		return CLASSIFIER_ANSWER_##alert;
		CLASSIFIER_ALERT_LIST(ALERT)
#undef ALERT
	}
	return CLASSIFIER_ANSWER_DECODE_ERROR;
}

static struct classifier_decision hello_data(struct classifier_conn *conn, const uint8_t *bytes, size_t len, nstime now)
{
	switch (hello_input(&conn->hello, bytes, len)) {
	case HELLO_NEED_MORE:
		return conn->decision;
	case HELLO_COMPLETE:
		return decide(conn, now);
	case HELLO_TOO_LARGE:
		return decide_answer(conn, CLASSIFIER_ANSWER_HANDSHAKE_FAILURE, now);
	case HELLO_BAD:
		break;
	}
	return decide_answer(conn, answer_of_alert(hello_alert(&conn->hello)), now);
}

struct classifier_decision classifier_data(struct classifier_conn *conn, const uint8_t *bytes, size_t len, nstime now)
{
	if (conn->decision.verdict != CLASSIFIER_WAIT || len == 0)
		return conn->decision;
	if (conn->protocol == CLASSIFIER_AUTO)
		conn_protocol(conn, hello_begins(bytes[0]) ? CLASSIFIER_TLS : CLASSIFIER_HTTP);
	return speaks_tls(conn) ? hello_data(conn, bytes, len, now) : request_data(conn, bytes, len, now);
}

struct classifier_decision classifier_eof(struct classifier_conn *conn, nstime now)
{
	if (conn->decision.verdict != CLASSIFIER_WAIT)
		return conn->decision;
	return decide_answer(conn, speaks_tls(conn) ? CLASSIFIER_ANSWER_DECODE_ERROR : CLASSIFIER_ANSWER_400, now);
}

struct classifier_decision classifier_give_up(struct classifier_conn *conn, nstime now)
{
	assert(conn->decision.verdict == CLASSIFIER_DEVICE);
	policy_connections(&conn->owner->policy, conn->decision.device, -1);
	return decide_unavailable(conn, now);
}

struct classifier_decision classifier_choose_again(struct classifier_conn *conn, nstime now)
{
	assert(conn->decision.verdict == CLASSIFIER_DEVICE);
	if (conn->excluded_count == CLASSIFIER_EXCLUDED_MAX)
		return classifier_give_up(conn, now);
	policy_connections(&conn->owner->policy, conn->decision.device, -1);
	conn->excluded[conn->excluded_count++] = conn->decision.device;
	return decide(conn, now); /* by the same rule, unless there are others now */
}

void classifier_close(struct classifier_conn *conn, bool handed_off)
{
	struct classifier *c = conn->owner;

	if (conn->decision.verdict == CLASSIFIER_DEVICE && !handed_off)
		policy_connections(&c->policy, conn->decision.device, -1);
	waiting_remove(conn);
	if (conn->all_previous)
		conn->all_previous->all_next = conn->all_next;
	else
		c->all = conn->all_next;
	if (conn->all_next)
		conn->all_next->all_previous = conn->all_previous;
	c->connections--;
	if (c->counted)
		census_remove(&c->clients, &conn->tuple.remote);
	if (speaks_tls(conn))
		hello_fini(&conn->hello);
	else
		request_fini(&conn->request);
	free(conn);
}

nstime classifier_expiry(const struct classifier *c)
{
	return c->waiting ? c->waiting->expiry : NSTIME_NEVER;
}

struct classifier_conn *classifier_expire(struct classifier *c, nstime now)
{
	struct classifier_conn *conn = c->waiting;

	if (!conn || conn->expiry > now)
		return NULL;
	c->counters.timeouts++;
	decide_answer(conn, speaks_tls(conn) ? CLASSIFIER_ANSWER_CLOSE_NOTIFY : CLASSIFIER_ANSWER_408, now);
	return conn;
}

void *classifier_conn_user(const struct classifier_conn *conn)
{
	return conn->user;
}

struct classifier_decision classifier_conn_decision(const struct classifier_conn *conn)
{
	return conn->decision;
}

void classifier_backend_health(struct classifier *c, uint16_t device, bool healthy)
{
	policy_health(&c->policy, device, healthy);
}

void classifier_backend_connections(struct classifier *c, uint16_t device, int delta)
{
	policy_connections(&c->policy, device, delta);
}

void classifier_backend_load(struct classifier *c, uint16_t device, uint32_t connections)
{
	policy_load(&c->policy, device, connections);
}

int classifier_choose_for(struct classifier *c, size_t service, uint16_t number, const struct tuple *tuple,
			  const uint16_t *excluded, size_t excluded_count, nstime now, uint16_t *device)
{
	struct policy_ask ask = {.now = now, .excluded = excluded, .excluded_count = excluded_count};
	size_t rule = classifier_rule_index(c, service, number), candidates;
	struct policy_group *group;

	if (rule == SIZE_MAX)
		return E_NOENT;
	group = &c->services[service].rules[rule].group;
	/* A sticky key that is not an address is not known; Maglev spreads by whatever it is given. */
	if (group->balance == POLICY_MAGLEV || c->services[service].rules[rule].key == CLASSIFIER_KEY_CLIENT) {
		ask.key = &tuple->remote;
		ask.key_len = sizeof tuple->remote;
	}
	return policy_choose(&c->policy, group, &ask, device, &candidates);
}

const void *classifier_answer_bytes(enum classifier_answer answer, size_t *len)
{
	*len = answers[answer].len;
	return answers[answer].bytes;
}

const char *classifier_answer_name(enum classifier_answer answer)
{
	return answers[answer].name;
}

bool classifier_answer_is_alert(enum classifier_answer answer)
{
	return answers[answer].alert;
}

size_t classifier_connections(const struct classifier *c)
{
	return c->connections;
}

const struct policy_device *classifier_backend(const struct classifier *c, uint16_t device)
{
	return policy_device_find(&c->policy, device);
}

const struct classifier_counters *classifier_counters(const struct classifier *c)
{
	return &c->counters;
}

const struct sticky_counters *classifier_sticky_counters(const struct classifier *c)
{
	return c->sticky ? &c->policy.sticky : NULL;
}
