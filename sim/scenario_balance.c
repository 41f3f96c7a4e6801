/* SPDX-License-Identifier: BSD-3-Clause */
/* How the backends of a rule share its connections: balance, weights, and what maglev and sticky go by. */
#include "base/log.h"
#include "lb/policy.h"
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

#define COOKIE_WORD "cookie "

/* The place in `to` of the backend called `name`, or SIZE_MAX. */
static size_t backend_place(struct parse *p, const struct doc *d, const char *name, const struct scenario_rule *r)
{
	if (!parse_work(p, d, r->to_count))
		return SIZE_MAX;
	for (size_t i = 0; i < r->to_count; i++)
		if (!strcmp(p->s->nodes[r->to[i]].name, name))
			return i;
	MISTAKE_KEY(p, d, "'%s' is not among the backends of the rule's 'to'", name);
	return SIZE_MAX;
}

static void parse_weights(struct parse *p, const struct doc *d, bool to_good, struct scenario_rule *r)
{
	if (d->kind != DOC_MAP || !d->count) {
		MISTAKE(p, d, "weights: a mapping { BACKEND: NUMBER } is expected");
		return;
	}
	if (to_good) {
		r->weights = calloc(r->to_count, sizeof(*r->weights));
		if (!r->weights)
			log_fatal("out of memory for %zu weights", r->to_count);
	}
	for (size_t i = 0; to_good && i < r->to_count; i++)
		r->weights[i] = 1;
	for (size_t i = 0; i < d->count; i++) {
		const struct doc *item = d->items[i];
		size_t place = to_good ? backend_place(p, item, item->key, r) : SIZE_MAX;
		uint64_t weight;

		if (parse_count(p, item, 1, POLICY_WEIGHT_MAX, &weight) && place != SIZE_MAX)
			r->weights[place] = (uint32_t)weight;
	}
}

/* "client" or "cookie NAME". */
static void parse_stick(struct parse *p, const struct doc *d, struct scenario_rule *r)
{
	const char *text;

	if (!parse_text(p, d, &text) || !strcmp(text, "client"))
		return;
	if (strncmp(text, COOKIE_WORD, strlen(COOKIE_WORD)) || !text[strlen(COOKIE_WORD)]) {
		MISTAKE(p, d, "'%s' is not client or cookie NAME", text);
		return;
	}
	text += strlen(COOKIE_WORD);
	if (strpbrk(text, " \t\r\n=;,")) {
		MISTAKE(p, d, "'%s' is not the name of a cookie", text);
		return;
	}
	r->key = BALANCE_BY_COOKIE;
	r->key_cookie = parse_copy(text);
}

static void parse_hash(struct parse *p, const struct doc *d, struct scenario_rule *r)
{
	static const char *const keys[] = {"client", "host", "path", "server_name", NULL};
	size_t word;

	if (parse_word(p, d, keys, NULL, &word))
		r->key = (enum balance_key)word;
}

/* Whether the protocol has what `d` says the balance goes by. */
static void check_key(struct parse *p, const struct doc *d, enum service_protocol protocol, enum balance_key key)
{
	bool tls = key == BALANCE_BY_SERVER_NAME;

	if (key == BALANCE_BY_CLIENT || protocol == PROTOCOL_AUTO)
		return;
	if (protocol == PROTOCOL_NONE)
		MISTAKE(p, d, "the protocol is none, so no request is read: only the client is known");
	else if (protocol == PROTOCOL_TLS && !tls)
		MISTAKE(p, d, "the protocol is tls: only the client and the server_name are known");
	else if (protocol == PROTOCOL_HTTP && tls)
		MISTAKE(p, d, "the protocol is http, which has no server_name but a host");
}

void parse_balance(struct parse *p, struct doc *rule, bool to_good, enum service_protocol protocol,
		   struct scenario_rule *r)
{
	static const char *const balances[] = {"round-robin", "least-connections", "maglev", "sticky", NULL};
	static const char *const sticky_keys[] = {"stick", "expire", "entries", NULL};
	const struct doc *balance = doc_get(rule, "balance"), *weights = doc_get(rule, "weights");
	const struct doc *hash = doc_get(rule, "hash"), *stick = doc_get(rule, "stick");
	const struct doc *expire = doc_get(rule, "expire"), *entries = doc_get(rule, "entries");
	uint64_t count;
	size_t word = BALANCE_ROUND_ROBIN;

	if (weights)
		parse_weights(p, weights, to_good, r);
	if (balance && !parse_word(p, balance, balances, NULL, &word))
		return; /* what the other keys are for is not known then */
	r->balance = (enum balance)word;
	if (r->balance != BALANCE_MAGLEV)
		parse_never(p, rule, "hash", "the balance is not maglev");
	else if (hash)
		parse_hash(p, hash, r);
	if (r->balance != BALANCE_STICKY) {
		for (const char *const *key = sticky_keys; *key; key++)
			parse_never(p, rule, *key, "the balance is not sticky");
		stick = expire = entries = NULL;
	}
	if (stick)
		parse_stick(p, stick, r);
	if (expire && parse_duration(p, expire, &r->sticky_expire) && !r->sticky_expire)
		MISTAKE(p, expire, "'expire' is zero: nothing would be remembered");
	if (entries && parse_count(p, entries, 1, STICKY_ENTRIES_MAX, &count))
		r->sticky_entries = (uint32_t)count;
	check_key(p, hash ? hash : stick, protocol, r->key);
}

bool scenario_drains(const struct scenario *s)
{
	for (size_t i = 0; i < s->faults_count; i++)
		if (s->faults[i].kind == FAULT_DRAIN)
			return true;
	return s->live.control;
}

bool scenario_is_sticky(const struct scenario *s)
{
	for (size_t i = 0; i < s->services_count; i++)
		for (size_t r = 0; r < s->services[i].rules_count; r++)
			if (s->services[i].rules[r].balance == BALANCE_STICKY)
				return true;
	return false;
}

bool scenario_backends_counted(const struct scenario *s)
{
	bool told = scenario_is_sticky(s) || s->health.interval || scenario_drains(s);
	size_t backends = 0;

	for (size_t i = 0; i < s->services_count && !told; i++)
		for (size_t r = 0; r < s->services[i].rules_count && !told; r++)
			told = s->services[i].rules[r].weights || s->services[i].rules[r].balance == BALANCE_MAGLEV;
	for (size_t n = 0; n < s->nodes_count && told && backends <= SCENARIO_BACKENDS_COUNTED_MAX; n++)
		backends += (s->nodes[n].roles & ROLE_BACKEND) != 0;
	return told && backends <= SCENARIO_BACKENDS_COUNTED_MAX;
}
