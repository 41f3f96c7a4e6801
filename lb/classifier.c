/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/classifier.h"

#include "base/err.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct rule {
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
};

/* All connections are in `all`; those that WAIT are in `waiting` too, in order of opening and so of expiry. */
struct classifier_conn {
	struct classifier *owner;
	const struct service *service;
	struct tuple tuple;
	void *user;
	nstime expiry;
	struct request request;
	struct classifier_decision decision;
	uint16_t excluded[CLASSIFIER_EXCLUDED_MAX];
	size_t excluded_count;
	bool waiting;
	struct classifier_conn *all_next, *all_previous, *waiting_next, *waiting_previous;
};

struct classifier {
	struct service *services;
	size_t services_count;
	uint32_t head_bytes_max, connections_max;
	nstime read_limit;
	struct trace_sink *trace;
	struct policy policy;
	bool sticky; /* a rule is */
	struct classifier_counters counters;
	size_t connections;
	struct classifier_conn *all, *waiting, *waiting_last;
};

static const struct answer {
	uint16_t status;
	const char *text;
} answers[CLASSIFIER_ANSWER_COUNT] = {
#define ANSWER(status, reason)                                                                                         \
	{                                                                                                              \
		status, "HTTP/1.1 " #status " " reason "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"            \
	}
	[CLASSIFIER_ANSWER_400] = ANSWER(400, "Bad Request"),
	[CLASSIFIER_ANSWER_404] = ANSWER(404, "Not Found"),
	[CLASSIFIER_ANSWER_408] = ANSWER(408, "Request Timeout"),
	[CLASSIFIER_ANSWER_431] = ANSWER(431, "Request Header Fields Too Large"),
	[CLASSIFIER_ANSWER_503] = ANSWER(503, "Service Unavailable"),
#undef ANSWER
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

static void rule_init(struct classifier *c, struct rule *rule, const struct classifier_rule_config *config)
{
	rule->match = (struct rule_match){
		.method = copy_text(config->match.method),
		.host = copy_text(config->match.host),
		.path = copy_text(config->match.path),
		.header_name = copy_text(config->match.header_name),
		.header_value = copy_text(config->match.header_value),
		.cookie_name = copy_text(config->match.cookie_name),
		.cookie_value = copy_text(config->match.cookie_value),
	};
	rule->key = config->key;
	rule->key_cookie = copy_text(config->key_cookie);
	policy_group_init(&c->policy, &rule->group,
			  &(struct policy_group_config){
				  .balance = config->balance,
				  .devices = config->to,
				  .weights = config->weights,
				  .count = config->to_count,
				  .sticky_entries = config->sticky_entries,
				  .sticky_expire = config->sticky_expire,
			  });
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
	free(rule->key_cookie);
	policy_group_fini(&rule->group);
}

struct classifier *classifier_new(const struct classifier_config *config)
{
	struct classifier *c = allocate(1, sizeof *c);

	c->head_bytes_max = config->head_bytes_max;
	c->connections_max = config->connections_max ? config->connections_max : CLASSIFIER_CONNECTIONS_DEFAULT;
	c->read_limit = config->read_limit ? config->read_limit : CLASSIFIER_READ_LIMIT_DEFAULT;
	c->trace = config->trace;
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
			rule_init(c, &service->rules[j], &from->rules[j]);
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
	policy_fini(&c->policy);
	free(c);
}

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

static struct classifier_decision decide_answer(struct classifier_conn *conn, enum classifier_answer answer, nstime now)
{
	bool http = conn->service->protocol == CLASSIFIER_HTTP;

	waiting_remove(conn);
	conn->owner->counters.answered[answer]++;
	conn->decision = (struct classifier_decision){
		.verdict = http ? CLASSIFIER_ANSWER : CLASSIFIER_ABORT,
		.status = http ? answers[answer].status : 0,
	};
	TRACE(conn->owner->trace, now, TRACE_CLASSIFIER_ANSWER, TF_TUPLE("tuple", &conn->tuple),
	      TF_TEXT("service", conn->service->name), TF_U64("status", conn->decision.status),
	      TF_TEXT("why", request_reason(&conn->request)));
	return conn->decision;
}

/* What the rule's balancing goes by: key_len 0 when the request has no such thing. */
static void ask_key(struct policy_ask *ask, const struct rule *rule, const struct classifier_conn *conn)
{
	switch (rule->key) {
	case CLASSIFIER_KEY_CLIENT:
		ask->key = &conn->tuple.remote;
		ask->key_len = sizeof conn->tuple.remote;
		break;
	case CLASSIFIER_KEY_HOST:
		ask->key = request_host(&conn->request);
		ask->key_len = strlen(ask->key);
		break;
	case CLASSIFIER_KEY_PATH:
		ask->key = request_path(&conn->request);
		ask->key_len = strlen(ask->key);
		break;
	case CLASSIFIER_KEY_COOKIE: {
		struct request_cookie_cursor cursor = {0};

		ask->key = request_cookie_next(&conn->request, rule->key_cookie, &cursor, &ask->key_len);
		break;
	}
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
		return decide_answer(conn, CLASSIFIER_ANSWER_503, now);
	waiting_remove(conn);
	policy_connections(&c->policy, device, 1);
	c->counters.chosen++;
	conn->decision = (struct classifier_decision){
		.verdict = CLASSIFIER_DEVICE,
		.device = device,
		.rule = index,
		.candidates = candidates,
	};
	TRACE(c->trace, now, TRACE_CLASSIFIER_CHOOSE, TF_TUPLE("tuple", &conn->tuple),
	      TF_TEXT("service", conn->service->name), TF_U64("rule", index), TF_U64("device", device),
	      TF_U64("candidates", candidates));
	return conn->decision;
}

/* Claim C1.4: the second device is determined. */
static struct classifier_decision decide(struct classifier_conn *conn, nstime now)
{
	const struct service *service = conn->service;
	bool http = service->protocol == CLASSIFIER_HTTP;

	for (size_t i = 0; i < service->rules_count; i++) {
		const struct rule_match *match = &service->rules[i].match;

		if (http ? rule_matches(match, &conn->request) : rule_matches_anything(match))
			return decide_device(conn, i, now);
	}
	return decide_answer(conn, http ? CLASSIFIER_ANSWER_404 : CLASSIFIER_ANSWER_503, now);
}

struct classifier_conn *classifier_open(struct classifier *c, size_t service, const struct tuple *tuple, void *user,
					nstime now, struct classifier_decision *decision)
{
	struct classifier_conn *conn;

	assert(service < c->services_count);
	if (c->connections >= c->connections_max) {
		c->counters.refused++;
		return NULL;
	}
	conn = allocate(1, sizeof *conn);
	conn->owner = c;
	conn->service = &c->services[service];
	conn->tuple = *tuple;
	conn->user = user;
	conn->expiry = nstime_add(now, c->read_limit);
	request_init(&conn->request, c->head_bytes_max);
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

struct classifier_decision classifier_data(struct classifier_conn *conn, const uint8_t *bytes, size_t len, nstime now)
{
	if (conn->decision.verdict != CLASSIFIER_WAIT)
		return conn->decision;
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

struct classifier_decision classifier_eof(struct classifier_conn *conn, nstime now)
{
	if (conn->decision.verdict != CLASSIFIER_WAIT)
		return conn->decision;
	return decide_answer(conn, CLASSIFIER_ANSWER_400, now);
}

struct classifier_decision classifier_give_up(struct classifier_conn *conn, nstime now)
{
	assert(conn->decision.verdict == CLASSIFIER_DEVICE);
	policy_connections(&conn->owner->policy, conn->decision.device, -1);
	return decide_answer(conn, CLASSIFIER_ANSWER_503, now);
}

struct classifier_decision classifier_choose_again(struct classifier_conn *conn, nstime now)
{
	assert(conn->decision.verdict == CLASSIFIER_DEVICE);
	if (conn->excluded_count == CLASSIFIER_EXCLUDED_MAX)
		return classifier_give_up(conn, now);
	policy_connections(&conn->owner->policy, conn->decision.device, -1);
	conn->excluded[conn->excluded_count++] = conn->decision.device;
	return decide_device(conn, conn->decision.rule, now);
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
	decide_answer(conn, CLASSIFIER_ANSWER_408, now);
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

const char *classifier_answer_text(uint16_t status)
{
	for (size_t i = 0; i < CLASSIFIER_ANSWER_COUNT; i++)
		if (answers[i].status == status)
			return answers[i].text;
	return NULL;
}

const struct classifier_counters *classifier_counters(const struct classifier *c)
{
	return &c->counters;
}

const struct sticky_counters *classifier_sticky_counters(const struct classifier *c)
{
	return c->sticky ? &c->policy.sticky : NULL;
}
