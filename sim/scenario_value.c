/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys and values of a scenario: numbers with units, words, addresses, names. */
#include "sim/scenario_parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

bool doc_is_empty(const struct doc *d)
{
	return d->kind == DOC_SCALAR && d->plain && !*d->text;
}

bool parse_work(struct parse *p, const struct doc *d, uint64_t steps)
{
	if (p->work >= steps) {
		p->work -= steps;
		return true;
	}
	if (!p->work_told)
		MISTAKE(p, d, "too much to resolve in one file: fewer globs, nodes and long filters, please");
	p->work_told = true;
	p->work = 0;
	return false;
}

static bool word_among(const char *word, const char *const *words)
{
	for (; words && *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

bool parse_map(struct parse *p, struct doc *d, const char *what, const char *const *known, const char *const *later)
{
	if (doc_is_empty(d))
		return true;
	if (d->kind != DOC_MAP) {
		MISTAKE(p, d, "%s: a mapping { key: value, ... } is expected", what);
		return false;
	}
	for (size_t i = 0; i < d->count; i++) {
		const char *key = d->items[i]->key;
		const char *nearest;

		if (word_among(key, known) || !*key)
			continue;
		if (word_among(key, later))
			MISTAKE_KEY(p, d->items[i], "this version does not support '%s' in %s", key, what);
		else if ((nearest = mistake_nearest(key, known)))
			MISTAKE_KEY(p, d->items[i], "unknown key '%s' in %s; did you mean '%s'?", key, what, nearest);
		else
			MISTAKE_KEY(p, d->items[i], "unknown key '%s' in %s", key, what);
	}
	return true;
}

bool parse_list(struct parse *p, const struct doc *d, const char *what)
{
	if (d->kind == DOC_LIST)
		return true;
	if (!doc_is_empty(d))
		MISTAKE(p, d, "%s: a list [ item, ... ] is expected", what);
	return false;
}

void parse_never(struct parse *p, const struct doc *map, const char *key, const char *why)
{
	const struct doc *d = doc_get(map, key);

	if (d)
		MISTAKE_KEY(p, d, "'%s' is never applied: %s", key, why);
}

bool parse_text(struct parse *p, const struct doc *d, const char **out)
{
	if (d->kind != DOC_SCALAR || !*d->text) {
		if (d->key)
			MISTAKE(p, d, "'%s' needs a value", d->key);
		else
			MISTAKE(p, d, "a word is expected here");
		return false;
	}
	*out = d->text;
	return true;
}

static void value_mistake(struct parse *p, const struct doc *d, enum units_dimension dimension, const char *why)
{
	MISTAKE(p, d, "'%s' is not %s: %s", d->text, units_dimension_text(dimension), why);
}

bool parse_duration(struct parse *p, const struct doc *d, nstime *out_ns)
{
	const char *text, *why;

	if (!parse_text(p, d, &text))
		return false;
	if (!units_parse_duration(text, out_ns, &why))
		return true;
	value_mistake(p, d, UNITS_DURATION, why);
	return false;
}

bool parse_rate(struct parse *p, const struct doc *d, uint64_t *out_bps)
{
	const char *text, *why;

	if (!parse_text(p, d, &text))
		return false;
	if (!units_parse_rate(text, out_bps, &why))
		return true;
	value_mistake(p, d, UNITS_RATE, why);
	return false;
}

bool parse_size(struct parse *p, const struct doc *d, uint64_t max, uint64_t *out_bytes)
{
	const char *text, *why;
	uint64_t value;

	if (!parse_text(p, d, &text))
		return false;
	if (units_parse_size(text, &value, &why)) {
		value_mistake(p, d, UNITS_SIZE, why);
		return false;
	}
	if (value > max) {
		MISTAKE(p, d, "'%s' is more than %llu B", text, (unsigned long long)max);
		return false;
	}
	*out_bytes = value;
	return true;
}

bool parse_probability(struct parse *p, const struct doc *d, uint32_t *out_ppb)
{
	const char *text, *why;

	if (!parse_text(p, d, &text))
		return false;
	if (!units_parse_probability(text, out_ppb, &why))
		return true;
	value_mistake(p, d, UNITS_PROBABILITY, why);
	return false;
}

bool parse_count(struct parse *p, const struct doc *d, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *text, *why;
	uint64_t value;

	if (!parse_text(p, d, &text))
		return false;
	if (units_parse_count(text, &value, &why)) {
		value_mistake(p, d, UNITS_COUNT, why);
		return false;
	}
	if (value < min || value > max) {
		MISTAKE(p, d, "%s is not between %llu and %llu", text, (unsigned long long)min,
			(unsigned long long)max);
		return false;
	}
	*out = value;
	return true;
}

bool parse_word(struct parse *p, const struct doc *d, const char *const *words, const char *const *later, size_t *out)
{
	const char *text;

	if (!parse_text(p, d, &text))
		return false;
	for (size_t i = 0; words[i]; i++)
		if (!strcmp(words[i], text)) {
			*out = i;
			return true;
		}
	if (word_among(text, later)) {
		MISTAKE(p, d, "this version does not support '%s' here", text);
		return false;
	}
	char all[160] = "";

	for (size_t i = 0, used = 0; words[i] && used < sizeof(all); i++)
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", i ? words[i + 1] ? ", " : " or " : "",
					 words[i]);
	const char *nearest = mistake_nearest(text, words);

	if (nearest)
		MISTAKE(p, d, "'%s' is not %s; did you mean '%s'?", text, all, nearest);
	else
		MISTAKE(p, d, "'%s' is not %s", text, all);
	return false;
}

bool parse_bool(struct parse *p, const struct doc *d, bool *out)
{
	static const char *const words[] = {"false", "true", NULL};
	size_t index;

	if (!parse_word(p, d, words, NULL, &index))
		return false;
	*out = index == 1;
	return true;
}

/* Whether a host can have it: not one for itself, its link, a group, all, or an IPv4 address in disguise. */
static bool address_usable(const struct addr *a)
{
	static const uint8_t zero[10];

	if (a->family == 4)
		return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224;
	return a->bytes[0] != 0xff && !(a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80) &&
	       memcmp(a->bytes, zero, sizeof(zero)) != 0;
}

bool parse_address(struct parse *p, const struct doc *d, const char *text, struct addr *out)
{
	struct addr a;

	if (addr_parse(&a, text)) {
		MISTAKE(p, d, "'%s' is not an address, such as 10.0.0.1 or 2001:db8::1", text);
		return false;
	}
	if (!address_usable(&a)) {
		MISTAKE(p, d, "'%s' is not an address for nodes of networks", text);
		return false;
	}
	*out = a;
	return true;
}

const char *address_special(const struct addr *a, uint8_t prefix_len)
{
	bool zero = true, ones = a->family == 4;

	for (unsigned bit = prefix_len; bit < 8U * addr_len(a); bit++) {
		bool set = a->bytes[bit / 8] & (0x80U >> bit % 8);

		zero &= !set;
		ones &= set;
	}
	return zero ? "first" : ones ? "broadcast" : NULL;
}

bool parse_prefix(struct parse *p, const struct doc *d, const char *what, struct scenario_subnet *out)
{
	const char *text, *why, *slash;
	char address[ADDR_TEXT_MAX];
	struct addr a;
	uint64_t len;

	if (!parse_text(p, d, &text))
		return false;
	slash = strchr(text, '/');
	if (!slash || (size_t)(slash - text) >= sizeof(address) || units_parse_count(slash + 1, &len, &why)) {
		MISTAKE(p, d, "'%s' is not %s, such as 10.0.0.0/24 or 2001:db8:1::/64", text, what);
		return false;
	}
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (!parse_address(p, d, address, &a))
		return false;
	if (len > 8U * addr_len(&a)) {
		MISTAKE(p, d, "'%s' is longer than an address", text);
		return false;
	}
	*out = (struct scenario_subnet){a, (uint8_t)len};
	return true;
}

bool parse_subnet(struct parse *p, const struct doc *d, const char *what, struct scenario_subnet *out)
{
	struct scenario_subnet s;

	if (!parse_prefix(p, d, what, &s))
		return false;
	for (unsigned bit = s.prefix_len; bit < 8U * addr_len(&s.address); bit++)
		if (s.address.bytes[bit / 8] & (0x80U >> bit % 8)) {
			MISTAKE(p, d, "'%s' is an address in a subnet: its host bits are not zero", d->text);
			return false;
		}
	*out = s;
	return true;
}

bool parse_host_port(struct parse *p, const struct doc *d, const char *text, char **host, uint16_t *port)
{
	const bool bracket = *text == '[';
	const char *end = bracket ? strchr(text, ']') : strrchr(text, ':');
	const char *why, *colon = bracket && end ? end + 1 : end;
	uint64_t number;

	if (bracket && !end) {
		MISTAKE(p, d, "'%s' has no ']'", text);
		return false;
	}
	if (!colon || *colon != ':') {
		MISTAKE(p, d, "'%s' has no port: write %s:80", text, text);
		return false;
	}
	if (end == text + bracket) {
		MISTAKE(p, d, "'%s' has no host: write HOST%s", text, colon);
		return false;
	}
	if (!bracket && memchr(text, ':', (size_t)(colon - text))) {
		MISTAKE(p, d, "'%s': an IPv6 address before a port is in brackets, and quoted: \"[2001:db8::80]:80\"",
			text);
		return false;
	}
	if (units_parse_count(colon + 1, &number, &why) || !number || number > UINT16_MAX) {
		MISTAKE(p, d, "'%s' is not a port, 1 to 65535", colon + 1);
		return false;
	}
	*host = scenario_strndup(text + bracket, (size_t)(end - text) - bracket);
	*port = (uint16_t)number;
	return true;
}

bool parse_name(struct parse *p, struct doc_place where, const char *name, size_t len)
{
	bool good = len && isalpha((unsigned char)name[0]);

	for (size_t i = 0; i < len && good; i++)
		good = isalnum((unsigned char)name[i]) || name[i] == '-' || name[i] == '_';
	if (!good)
		mistake_add(p->mistakes, where, "'%.*s' is not a name: a letter, then letters, digits, - and _",
			    (int)len, name);
	else if (len > SCENARIO_NAME_MAX)
		mistake_add(p->mistakes, where, "the name '%.*s' is longer than %u", (int)len, name, SCENARIO_NAME_MAX);
	return good && len <= SCENARIO_NAME_MAX;
}

/* Digits without a leading zero; *end behind them. */
static bool range_number(const char *text, const char **end, uint64_t *out)
{
	uint64_t value = 0;
	const char *c = text;

	for (; isdigit((unsigned char)*c) && c - text < 10; c++)
		value = value * 10 + (uint64_t)(*c - '0');
	*end = c;
	*out = value;
	return c > text && (text[0] != '0' || c == text + 1);
}

bool parse_range(struct parse *p, struct doc_place where, const char *text, struct range *r)
{
	const char *bracket = strchr(text, '['), *end;
	size_t len = strlen(text);

	if (!bracket) {
		*r = (struct range){.len = len, .first = 1, .last = 0};
		return parse_name(p, where, text, len);
	}
	r->len = (size_t)(bracket - text);
	if (!range_number(bracket + 1, &end, &r->first) || strncmp(end, "..", 2) ||
	    !range_number(end + 2, &end, &r->last) || strcmp(end, "]")) {
		mistake_add(p->mistakes, where, "'%s' is not a range, such as client[1..8]", text);
		return false;
	}
	if (r->first > r->last) {
		mistake_add(p->mistakes, where, "the range of '%s' is empty: the first number is the larger one", text);
		return false;
	}
	if (r->last - r->first >= SCENARIO_NODES_MAX) {
		mistake_add(p->mistakes, where, "'%s' is more than %u nodes", text, SCENARIO_NODES_MAX);
		return false;
	}
	return parse_name(p, where, text, r->len);
}

char *parse_copy(const char *text)
{
	return scenario_strndup(text, strlen(text));
}
