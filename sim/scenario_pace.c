/* SPDX-License-Identifier: BSD-3-Clause */
/* How an entry of traffic goes on in time: arrivals or users, its end, rests, probes, and requests that are given up.
 */
#include "sim/scenario_parse.h"

static void parse_arrivals(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	static const char *const words[] = {"even", "poisson", "burst", NULL};
	struct doc *rate = doc_get(entry, "rate"), *arrivals = doc_get(entry, "arrivals"),
		   *burst = doc_get(entry, "burst");
	struct units_frequency f;
	const char *text, *why;
	size_t word;

	parse_never(p, entry, "think", "that is for 'users'");
	parse_never(p, entry, "ramp", "that is for 'users'");
	if (rate && parse_text(p, rate, &text)) {
		if (units_parse_frequency(text, &f, &why))
			MISTAKE(p, rate, "'%s' is not %s: %s", text, units_dimension_text(UNITS_FREQUENCY), why);
		else if (!(t->interval_ns = f.period_ns / f.events))
			MISTAKE(p, rate, "'%s' is more than one a nanosecond", text);
	}
	if (!rate)
		parse_never(p, entry, "arrivals", "without a 'rate' all requests come at once");
	if (arrivals && parse_word(p, arrivals, words, NULL, &word))
		t->arrivals = (enum arrivals)word;
	if (t->arrivals != ARRIVALS_BURST)
		parse_never(p, entry, "burst", "that is for 'arrivals: burst'");
	else if (!burst)
		MISTAKE(p, arrivals, "'burst' is missing: how many requests come at a time?");
	else
		parse_count(p, burst, 1, SCENARIO_REQUESTS_MAX, &t->burst);
	if (!rate && doc_get(entry, "for"))
		MISTAKE_KEY(p, doc_get(entry, "for"), "'for' needs a 'rate' or 'users'");
}

/* A closed loop. */
static void parse_users(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	static const char *const open_keys[] = {"rate", "arrivals", "burst", NULL};
	struct doc *think = doc_get(entry, "think"), *ramp = doc_get(entry, "ramp");

	for (const char *const *key = open_keys; *key; key++)
		parse_never(p, entry, *key, "users ask when they have thought: 'think'");
	parse_count(p, doc_get(entry, "users"), 1, SCENARIO_USERS_MAX, &t->users);
	if (think)
		parse_distribution(p, think, UNITS_DURATION, 0, SCENARIO_THINK_MAX, &t->think);
	if (ramp)
		parse_duration(p, ramp, &t->ramp);
	if (!doc_get(entry, "requests") && !doc_get(entry, "for"))
		MISTAKE_KEY(p, doc_get(entry, "users"), "users without end: 'requests' in all, or 'for' a duration");
}

/* Whether requests and answers go to and fro, and no plain stream. */
static bool has_requests(const struct scenario_traffic *t)
{
	return t->app == APP_HTTP || t->app == APP_TLS;
}

/* The rest of a connection between two requests; users think instead. */
static void parse_idle(struct parse *p, struct doc *idle, struct scenario_traffic *t)
{
	if (t->users)
		MISTAKE_KEY(p, idle, "'idle' is never applied: users 'think' between two requests");
	else if (t->per_connection == 1)
		MISTAKE_KEY(p, idle, "'idle' is never applied: a connection has one request; 'per_connection'");
	else
		parse_distribution(p, idle, UNITS_DURATION, 0, SCENARIO_THINK_MAX, &t->idle);
}

/* How far a request gets: one of three keys. */
static void parse_abort_at(struct parse *p, struct doc *d, struct scenario_traffic *t)
{
	static const char *const words[] = {"sent", "received", "after"};
	static const enum client_abort_kind kinds[] = {CLIENT_ABORT_SENT, CLIENT_ABORT_RECEIVED, CLIENT_ABORT_AFTER};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct doc *at = doc_get(d, words[i]);

		if (!at)
			continue;
		if (t->abort.kind != CLIENT_ABORT_NONE) {
			MISTAKE_KEY(p, at, "an abort is by one of 'sent', 'received' and 'after'");
			return;
		}
		t->abort.kind = kinds[i];
		if (t->abort.kind == CLIENT_ABORT_AFTER)
			parse_distribution(p, at, UNITS_DURATION, 0, SCENARIO_THINK_MAX, &t->abort.at);
		else
			parse_distribution(p, at, UNITS_SIZE, 1, SCENARIO_BYTES_MAX, &t->abort.at);
		if (t->abort.kind == CLIENT_ABORT_RECEIVED && t->app == APP_BULK)
			MISTAKE_KEY(p, at, "'received' is never applied: a bulk client receives nothing");
	}
	if (t->abort.kind == CLIENT_ABORT_NONE)
		MISTAKE_KEY(p, d, "abort when? 'sent' or 'received' so many bytes, or 'after' a duration");
}

static void parse_abort(struct parse *p, struct doc *entry, struct doc *d, struct scenario_traffic *t)
{
	static const char *const known[] = {"sent", "received", "after", "with", "share", NULL};
	static const char *const ways[] = {"reset", "close", NULL};
	struct doc *with, *share;
	size_t word;

	if (!parse_map(p, d, "abort", known, NULL) || d->kind != DOC_MAP) {
		if (doc_is_empty(d))
			MISTAKE(p, d, "'abort' needs a value");
		return;
	}
	parse_abort_at(p, d, t);
	if (t->abort.kind == CLIENT_ABORT_SENT && has_requests(t) && !doc_get(entry, "body"))
		MISTAKE_KEY(p, doc_get(d, "sent"), "'sent' is never applied: there is no 'body'");
	with = doc_get(d, "with");
	if (with && parse_word(p, with, ways, NULL, &word))
		t->abort.close = word == 1;
	t->abort.share_ppb = UNITS_PPB_ONE;
	share = doc_get(d, "share");
	if (share && parse_probability(p, share, &t->abort.share_ppb) && !t->abort.share_ppb)
		MISTAKE(p, share, "a share of nothing is no abort");
}

static void parse_keepalive(struct parse *p, const struct doc *keepalive, struct scenario_traffic *t)
{
	if (parse_duration(p, keepalive, &t->keepalive) &&
	    (t->keepalive < SCENARIO_KEEPALIVE_MIN || t->keepalive > SCENARIO_KEEPALIVE_MAX))
		MISTAKE(p, keepalive, "keepalive probes begin after 1 s to 24 h without a packet");
}

/* When the entry begins and ends. After arrivals or users. */
static void parse_times(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *start = doc_get(entry, "start"), *requests = doc_get(entry, "requests"),
		   *duration = doc_get(entry, "for");
	const struct scenario *s = p->s;

	if (requests && !t->sequence)
		parse_count(p, requests, 1, SCENARIO_REQUESTS_MAX, &t->requests);
	if (duration && requests)
		MISTAKE_KEY(p, duration, "an entry ends after so many 'requests' or 'for' so long, not both");
	else if (duration && parse_duration(p, duration, &t->duration)) {
		t->requests = 0;
		if (!t->duration)
			MISTAKE(p, duration, "traffic for no time is none");
	}
	if (start && parse_duration(p, start, &t->start) && s->stop && t->start >= s->stop) {
		MISTAKE(p, start, "the run stops before this traffic starts");
		return;
	}
	if (s->stop && t->duration && nstime_add(t->start, t->duration) > s->stop)
		MISTAKE(p, duration, "the run stops before this traffic does");
	if (t->users && t->requests && t->users > t->requests)
		MISTAKE(p, doc_get(entry, "users"), "more users than the %llu requests",
			(unsigned long long)t->requests);
	if (t->users && t->duration && t->ramp >= t->duration)
		MISTAKE(p, doc_get(entry, "ramp"), "users that come when the traffic is over");
	if (t->users && s->stop && nstime_add(t->start, t->ramp) >= s->stop && t->ramp)
		MISTAKE(p, doc_get(entry, "ramp"), "the run stops before the last of the users comes");
	if (t->users || !t->requests)
		return;
	if (t->sequence && s->stop && nstime_add(t->start, t->sequence[t->requests - 1].at) >= s->stop)
		MISTAKE_KEY(p, doc_get(entry, "sequence"), "the run stops before the last of its requests starts");
	unsigned __int128 last = (unsigned __int128)(t->requests - 1) * t->interval_ns + t->start;

	if (s->stop && requests && last >= s->stop)
		MISTAKE(p, requests, "the run stops before the last of %s requests starts", requests->text);
}

void parse_pace(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *keepalive = doc_get(entry, "keepalive"), *idle = doc_get(entry, "idle"),
		   *give_up = doc_get(entry, "abort");

	if (doc_get(entry, "sequence"))
		parse_sequence(p, entry, t);
	else if (doc_get(entry, "users"))
		parse_users(p, entry, t);
	else
		parse_arrivals(p, entry, t);
	parse_times(p, entry, t);
	if (keepalive)
		parse_keepalive(p, keepalive, t);
	if (idle && has_requests(t))
		parse_idle(p, idle, t);
	if (give_up)
		parse_abort(p, entry, give_up, t);
}
