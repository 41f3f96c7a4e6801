/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/canon_parse.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The set of packets that a key belongs to, a bit for each row of `kinds`. */
enum kind_bit {
	TCP = 1,
	UDP = 2,
	ICMP = 4,
	IP = 8,
	FRAGMENT = 16,
	ARP = 32,
	OTHER = 64,
	SNAPPED = 128,
	MALFORMED = 256,
};

enum shape { NUMBER, NUMBERS, HASH, WORD };

static const struct {
	const char *name;
	unsigned bit;
} kinds[] = {
	{"udp", UDP},     {"icmp", ICMP},         {"icmp6", ICMP},
	{"ip", IP},       {"fragment", FRAGMENT}, {"arp", ARP},
	{"other", OTHER}, {"snapped", SNAPPED},   {"malformed", MALFORMED},
};

/* `needed`: packets that cannot do without. NUMBERS: decimal numbers between `,`, `-` and `:`. */
static const struct key {
	const char *name;
	enum shape shape;
	unsigned allowed, needed;
	uint64_t max; /* of numbers */
} keys[] = {
	{"seq", NUMBER, TCP, TCP, UINT32_MAX},
	{"ack", NUMBER, TCP, 0, UINT32_MAX},
	{"len", NUMBER, TCP | UDP | ICMP | IP | FRAGMENT, TCP | UDP | ICMP | IP | FRAGMENT, UINT32_MAX},
	{"win", NUMBER, TCP, TCP, UINT16_MAX},
	{"urg", NUMBER, TCP, 0, UINT16_MAX},
	{"mss", NUMBER, TCP, 0, UINT16_MAX},
	{"wscale", NUMBER, TCP, 0, UINT8_MAX},
	{"sack", NUMBERS, TCP, 0, UINT32_MAX},
	{"ts", NUMBERS, TCP, 0, UINT32_MAX},
	{"option", NUMBERS, TCP, 0, UINT8_MAX},
	{"options", WORD, TCP, 0, 0},
	{"type", NUMBER, ICMP | OTHER, ICMP | OTHER, UINT16_MAX},
	{"code", NUMBER, ICMP, ICMP, UINT8_MAX},
	{"proto", NUMBER, IP | FRAGMENT, IP | FRAGMENT, UINT8_MAX},
	{"offset", NUMBER, FRAGMENT, FRAGMENT, UINT16_MAX},
	{"more", NUMBER, FRAGMENT, FRAGMENT, 1},
	{"hash", HASH, TCP | UDP | IP | FRAGMENT, 0, 0},
	{"captured", NUMBER, TCP | UDP | IP | FRAGMENT, 0, UINT32_MAX},
	{"frame", NUMBER, OTHER | SNAPPED, OTHER | SNAPPED, UINT32_MAX},
	{"why", WORD, MALFORMED, MALFORMED, 0},
};

#define KEYS_COUNT (sizeof(keys) / sizeof(*keys))

/* The decimal number at p, not above max; what follows it, or NULL. */
static const char *number_skip(const char *p, uint64_t max)
{
	uint64_t v = 0;
	const char *start = p;

	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (v > (max - digit) / 10)
			return NULL;
		v = v * 10 + digit;
	}
	return p == start || (*start == '0' && p > start + 1) ? NULL : p;
}

static bool numbers_good(const char *p, uint64_t max, bool several)
{
	while ((p = number_skip(p, max))) {
		if (!*p)
			return true;
		if (!several || !strchr(",-:", *p++))
			return false;
	}
	return false;
}

static bool time_good(const char *p)
{
	p = number_skip(*p == '-' ? p + 1 : p, UINT64_MAX);
	return p && *p == '.' && strlen(p) == 10 && strspn(p + 1, "0123456789") == 9;
}

static bool value_good(const struct key *key, const char *value)
{
	switch (key->shape) {
	case NUMBER:
		return numbers_good(value, key->max, false);
	case NUMBERS:
		return numbers_good(value, key->max, true);
	case HASH:
		return strlen(value) == CANON_HASH_LEN * 2 && strspn(value, "0123456789abcdef") == strlen(value);
	default:
		return *value && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(value);
	}
}

/* Words are separated by one space each; NULL: there is no other. */
static char *word_next(char **rest)
{
	char *word = *rest, *space;

	if (!word)
		return NULL;
	space = strchr(word, ' ');
	if (space)
		*space++ = 0;
	*rest = space;
	return word;
}

static void field_add(struct canon_fields *f, const char *key, const char *value)
{
	f->list[f->count++] = (struct canon_field){key, value};
}

static size_t mistake(const struct canon_fields *f, const char *at, char *why, const char *what, const char *word)
{
	snprintf(why, CANON_WHY_MAX, "%s%s%.40s%s", what, word ? " '" : "", word ? word : "", word ? "'" : "");
	return (at ? (size_t)(at - f->words) : strlen(f->words)) + 1;
}

/* "12>" and flags, or the name of another kind. Gives its bit, or 0 with *column set. */
static unsigned subject_parse(struct canon_fields *f, char **rest, char *why, size_t *column)
{
	char *word = word_next(rest);
	size_t len = word ? strlen(word) : 0;

	for (size_t i = 0; word && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(word, kinds[i].name)) {
			field_add(f, "packet", kinds[i].name);
			return kinds[i].bit;
		}
	if (len < 2 || !strchr("<>", word[len - 1])) {
		*column = mistake(f, word, why, "neither a connection nor a kind of packet:", word ? word : "");
		return 0;
	}
	field_add(f, "direction", word[len - 1] == '>' ? ">" : "<");
	word[len - 1] = 0;
	if (!numbers_good(word, UINT64_MAX, false)) {
		*column = mistake(f, word, why, "not a connection's number:", word);
		return 0;
	}
	field_add(f, "connection", word);
	word = word_next(rest);
	if (!word || !*word || (strcmp(word, "-") && strspn(word, "FSRPAUECN123") != strlen(word))) {
		*column = mistake(f, word, why, "not TCP flags:", word ? word : "");
		return 0;
	}
	field_add(f, "flags", word);
	return TCP;
}

/* One "key=value"; 0 or the column. *seen collects the keys. */
static size_t pair_parse(struct canon_fields *f, char *word, unsigned bit, uint64_t *seen, char *why)
{
	char *value = strchr(word, '=');

	if (!strcmp(word, "sack-ok") && bit == TCP) {
		field_add(f, "sack-ok", "yes");
		return 0;
	}
	if (value)
		*value++ = 0;
	for (size_t i = 0; i < KEYS_COUNT; i++) {
		if (strcmp(word, keys[i].name) || !(keys[i].allowed & bit))
			continue;
		if (!value || !value_good(&keys[i], value))
			return mistake(f, value ? value : word, why, "not a value of this key:", value ? value : word);
		if (*seen >> i & 1 && keys[i].needed & bit)
			return mistake(f, word, why, "given twice:", word);
		*seen |= UINT64_C(1) << i;
		field_add(f, keys[i].name, value);
		return 0;
	}
	return mistake(f, word, why, "not a key of this packet:", word);
}

static size_t head_parse(struct canon_fields *f, char **rest, char *why)
{
	char *word = word_next(rest);

	if (!time_good(word))
		return mistake(f, word, why, "not a time, such as 0.000000000:", word);
	field_add(f, "time", word);
	if (!*rest || **rest != '@')
		return 0;
	word = word_next(rest);
	if (!word[1] || strlen(word + 1) > CANON_NAME_MAX)
		return mistake(f, word, why, "not an interface's name:", word);
	field_add(f, "interface", word + 1);
	return 0;
}

size_t canon_parse(struct canon_fields *f, const char *line, char *why)
{
	size_t len = strlen(line), column = 0;
	uint64_t seen = 0;
	char *rest = f->words, *word;

	f->count = 0;
	if (len >= sizeof(f->words)) {
		f->words[0] = 0;
		mistake(f, NULL, why, "the line is too long", NULL);
		return sizeof(f->words);
	}
	memcpy(f->words, line, len + 1);
	column = head_parse(f, &rest, why);
	if (column)
		return column;
	unsigned bit = subject_parse(f, &rest, why, &column);

	if (!bit)
		return column;
	while ((word = word_next(&rest))) {
		if (f->count == CANON_FIELDS_MAX)
			return mistake(f, word, why, "too many keys", NULL);
		column = pair_parse(f, word, bit, &seen, why);
		if (column)
			return column;
	}
	for (size_t i = 0; i < KEYS_COUNT; i++)
		if (keys[i].needed & bit && !(seen >> i & 1)) {
			mistake(f, NULL, why, "a key is missing:", keys[i].name);
			return len + 1;
		}
	return 0;
}
