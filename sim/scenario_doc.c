/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML into a tree, by libfyaml's events: a stream of events cannot blow up as resolved aliases would, and each carries
 * its position. */
#include "sim/scenario_doc.h"

#include "base/log.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#define BRACKETS_MAX 1024U
#define LINE_MAX_LEN 65536U /* libfyaml may read ahead by a line */

struct builder {
	struct scenario_mistakes *mistakes;
	const char *text;
	size_t len;
	const char *origin;
	struct doc *root;
	struct doc *open[DOC_DEPTH_MAX]; /* containers not yet ended */
	size_t depth;
	char *key; /* of the open mapping's next value; NULL: a key is next */
	struct doc_place key_place;
	size_t nodes;
	unsigned documents;
};

void doc_free(struct doc *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++)
		doc_free(d->items[i]);
	free(d->items);
	free(d->key);
	free(d->text);
	free(d);
}

struct doc_place doc_where(const struct doc *d)
{
	return d->kind == DOC_SCALAR || !d->key ? d->place : d->key_place;
}

struct doc *doc_get(const struct doc *map, const char *key)
{
	for (size_t i = 0; map->kind == DOC_MAP && i < map->count; i++)
		if (!strcmp(map->items[i]->key, key))
			return map->items[i];
	return NULL;
}

struct doc *doc_add(struct doc *parent, enum doc_kind kind, const char *key, struct doc_place key_place)
{
	struct doc *d = scenario_grow(NULL, 0, sizeof(*d));

	*d = (struct doc){.kind = kind, .place = key_place, .key_place = key_place};
	if (key)
		d->key = scenario_strndup(key, strlen(key));
	if (parent) {
		parent->items = scenario_grow(parent->items, parent->count, sizeof(*parent->items));
		parent->items[parent->count++] = d;
	}
	return d;
}

static struct doc_place place_of(const struct builder *b, const struct fy_mark *mark, struct doc_place otherwise)
{
	if (!mark)
		return otherwise;
	if (b->origin)
		return (struct doc_place){.origin = b->origin};
	return (struct doc_place){.line = (unsigned)mark->line + 1, .column = (unsigned)mark->column + 1};
}

/* Keys are refused with their values; so the builder is left in a state in which it can go on. */
static bool builder_add(struct builder *b, enum doc_kind kind, struct doc_place place, struct doc **added)
{
	struct doc *parent = b->depth ? b->open[b->depth - 1] : NULL;

	if (++b->nodes > DOC_NODES_MAX) {
		mistake_add(b->mistakes, place, "more than %u values in one file", DOC_NODES_MAX);
		return false;
	}
	*added = doc_add(parent, kind, b->key, b->key_place);
	(*added)->place = place;
	free(b->key);
	b->key = NULL;
	if (!parent)
		b->root = *added;
	return true;
}

static bool expects_key(const struct builder *b)
{
	return b->depth && b->open[b->depth - 1]->kind == DOC_MAP && !b->key;
}

static bool builder_scalar(struct builder *b, struct fy_event *event, struct doc_place place)
{
	size_t len = 0;
	struct fy_token *token = event->scalar.value;
	const char *text = token ? fy_token_get_text(token, &len) : "";
	struct doc *d;

	if (!text)
		text = "";
	if (memchr(text, '\0', len)) {
		mistake_add(b->mistakes, place, "a value cannot hold a NUL character");
		len = strlen(text);
	}
	if (expects_key(b)) {
		b->key = scenario_strndup(text, len);
		b->key_place = place;
		if (!len)
			mistake_add(b->mistakes, place, "a key is empty");
		return true;
	}
	if (!len && b->depth && b->open[b->depth - 1]->kind == DOC_LIST && !fy_event_start_mark(event)) {
		/* No list of the format has empty items, and an empty item has no position. */
		const struct doc *list = b->open[b->depth - 1];

		mistake_add(b->mistakes, doc_where(list), "an item of this list is empty, behind %zu others",
			    list->count);
		return true;
	}
	if (!builder_add(b, DOC_SCALAR, place, &d))
		return false;
	d->text = scenario_strndup(text, len);
	d->plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
	return true;
}

static bool builder_start(struct builder *b, enum doc_kind kind, struct doc_place place)
{
	struct doc *d;

	if (expects_key(b)) {
		mistake_add(b->mistakes, place, "a key is a word, not a %s", kind == DOC_MAP ? "mapping" : "list");
		return false;
	}
	if (b->depth == DOC_DEPTH_MAX) {
		mistake_add(b->mistakes, place, "nested more than %u deep", DOC_DEPTH_MAX);
		return false;
	}
	if (!builder_add(b, kind, place, &d))
		return false;
	b->open[b->depth++] = d;
	return true;
}

/* An alias is never what the writer meant: what it stands for is a glob. It is taken as its text, to check the rest. */
static bool builder_alias(struct builder *b, struct fy_event *event, struct doc_place place)
{
	size_t len = 0;
	const char *text = fy_token_get_text(event->alias.anchor, &len);
	char word[64];

	snprintf(word, sizeof(word), "*%.*s", (int)(len < 40 ? len : 40), text ? text : "");
	mistake_add(b->mistakes, place, "YAML takes %s for an alias: quote it: \"%s\"", word, word);
	if (expects_key(b)) {
		b->key = scenario_strndup(word, strlen(word));
		b->key_place = place;
		return true;
	}
	struct doc *d;

	if (!builder_add(b, DOC_SCALAR, place, &d))
		return false;
	d->text = scenario_strndup(word, strlen(word));
	return true;
}

static void builder_properties(struct builder *b, struct fy_event *event)
{
	struct fy_token *anchor = fy_event_get_anchor_token(event), *tag = fy_event_get_tag_token(event);
	struct doc_place none = {.origin = b->origin};
	size_t len = 0;

	if (anchor) {
		const char *text = fy_token_get_text(anchor, &len);

		mistake_add(b->mistakes, place_of(b, fy_token_start_mark(anchor), none),
			    "YAML takes &%.*s for an anchor, which scenarios do not have: quote it if it is text",
			    (int)(len < 40 ? len : 40), text ? text : "");
	}
	if (tag)
		mistake_add(b->mistakes, place_of(b, fy_token_start_mark(tag), none),
			    "YAML takes what begins with ! for a tag, which scenarios do not have: "
			    "quote it if it is text");
}

/* False: nothing more is to be read. */
static bool builder_event(struct builder *b, struct fy_event *event)
{
	struct doc_place place = place_of(b, fy_event_start_mark(event), b->key_place);

	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (b->documents++) {
			mistake_add(b->mistakes, place, "a second document begins here: one file is one scenario");
			return false;
		}
		return true;
	case FYET_ALIAS:
		return builder_alias(b, event, place);
	case FYET_SCALAR:
		builder_properties(b, event);
		return builder_scalar(b, event, place);
	case FYET_MAPPING_START:
		builder_properties(b, event);
		return builder_start(b, DOC_MAP, place);
	case FYET_SEQUENCE_START:
		builder_properties(b, event);
		return builder_start(b, DOC_LIST, place);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		b->depth--;
		return true;
	default:
		return true;
	}
}

/* The character at a 1-based position, counting characters and not bytes; NULL outside. */
static const char *text_at(const char *text, size_t len, unsigned line, unsigned column)
{
	const char *end = text + len;

	for (; line > 1 && text; line--) {
		text = memchr(text, '\n', (size_t)(end - text));
		text = text ? text + 1 : NULL;
	}
	for (; text && text < end && column > 1 && *text != '\n'; column--)
		do
			text++;
		while (text < end && ((unsigned char)*text & 0xc0) == 0x80);
	return text && text < end ? text : NULL;
}

/* Where a plain text begins that goes on behind a bracket, as an IPv6 address with a port does, and that YAML took for
 * a list: `where` is behind the bracket. NULL when it is something else. */
static const char *bracketed_text(const struct builder *b, struct doc_place where, size_t *len)
{
	const char *at = where.column > 2 ? text_at(b->text, b->len, where.line, where.column) : NULL;
	const char *end = b->text + b->len, *begin = at;
	unsigned back = 0;

	if (!at || at[-1] != ']' || strchr(" ,]}\r\n", *at))
		return NULL;
	while (++back < where.column && at[-(int)back] != '[')
		;
	if (back >= where.column)
		return NULL;
	begin -= back;
	while (at < end && !strchr(" ,]}\r\n", *at))
		at++;
	*len = (size_t)(at - begin);
	return begin;
}

/* What libfyaml has to say about syntax: its first error, the rest follows from it. */
static void builder_syntax(struct builder *b, struct fy_diag *diag)
{
	void *iterator = NULL;
	struct fy_diag_error *error = fy_diag_errors_iterate(diag, &iterator);
	struct doc_place where = {.line = 1, .column = 1};

	if (!error) {
		mistake_add(b->mistakes, b->origin ? (struct doc_place){.origin = b->origin} : where, "not valid YAML");
		return;
	}
	where.line = error->line > 0 ? (unsigned)error->line : 1;
	where.column = error->column > 0 ? (unsigned)error->column : 1;
	/* A lone `*` is reported by the character behind it. */
	for (unsigned back = 0; back < 2 && back < where.column; back++) {
		const char *at = text_at(b->text, b->len, where.line, where.column - back);

		if (at && (*at == '*' || *at == '&')) {
			where.column -= back;
			if (b->origin)
				where = (struct doc_place){.origin = b->origin};
			mistake_add(b->mistakes, where, "YAML takes what begins with %c for an %s: quote it: \"%c\"",
				    *at, *at == '*' ? "alias" : "anchor", *at);
			return;
		}
	}
	size_t len;
	const char *text = bracketed_text(b, where, &len);

	if (text)
		where.column -= (unsigned)(text_at(b->text, b->len, where.line, where.column) - text);
	if (b->origin)
		where = (struct doc_place){.origin = b->origin};
	if (text)
		mistake_add(b->mistakes, where, "YAML takes what begins with [ for a list: quote it: \"%.*s\"",
			    (int)len, text);
	else
		mistake_add(b->mistakes, where, "not valid YAML: %s", error->msg);
}

static void diag_quiet(struct fy_diag *diag, void *user, const char *text, size_t len)
{
	(void)diag, (void)user, (void)text, (void)len;
}

struct key_order {
	const struct doc *doc;
	size_t index;
};

static int key_compare(const void *a, const void *b)
{
	const struct key_order *x = a, *y = b;
	int order = strcmp(x->doc->key, y->doc->key);

	return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

/* Keys that stand twice in one mapping; the later one is the mistake, and is dropped. */
static void doc_duplicates(struct doc *d, struct scenario_mistakes *m)
{
	for (size_t i = 0; i < d->count; i++)
		doc_duplicates(d->items[i], m);
	if (d->kind != DOC_MAP || d->count < 2)
		return;
	struct key_order *order = calloc(d->count, sizeof(*order));

	if (!order)
		log_fatal("out of memory reading a scenario");
	for (size_t i = 0; i < d->count; i++)
		order[i] = (struct key_order){d->items[i], i};
	qsort(order, d->count, sizeof(*order), key_compare);
	for (size_t i = 1, first = 0; i < d->count; i++) {
		if (strcmp(order[first].doc->key, order[i].doc->key)) {
			first = i;
			continue;
		}
		mistake_add(m, order[i].doc->key_place, "duplicate key '%s': it stands in line %u already",
			    order[i].doc->key, order[first].doc->key_place.line);
		doc_free(d->items[order[i].index]);
		d->items[order[i].index] = NULL;
	}
	free(order);
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++)
		if (d->items[i])
			d->items[kept++] = d->items[i];
	d->count = kept;
}

struct doc *doc_parse(const char *text, size_t len, const char *origin, struct scenario_mistakes *m)
{
	struct builder b = {.mistakes = m, .text = text, .len = len, .origin = origin};
	struct fy_diag_cfg diag_cfg;
	bool more = true;

	b.key_place = origin ? (struct doc_place){.origin = origin} : (struct doc_place){.line = 1, .column = 1};
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.output_fn = diag_quiet;
	struct fy_diag *diag = fy_diag_create(&diag_cfg);

	if (!diag)
		log_fatal("out of memory reading a scenario");
	fy_diag_set_collect_errors(diag, true);
	struct fy_parse_cfg cfg = {.flags = FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE, .diag = diag};
	struct fy_parser *parser = fy_parser_create(&cfg);

	if (!parser || fy_parser_set_string(parser, text, len))
		log_fatal("out of memory reading a scenario");
	struct fy_event *event;

	while (more && (event = fy_parser_parse(parser))) {
		more = builder_event(&b, event);
		fy_parser_event_free(parser, event);
	}
	bool broken = !more;

	if (more && fy_parser_get_stream_error(parser)) {
		builder_syntax(&b, diag);
		broken = true;
	}
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	free(b.key);
	if (broken) {
		doc_free(b.root);
		return NULL;
	}
	if (b.root)
		doc_duplicates(b.root, m);
	else
		mistake_add(m, b.key_place, "there is nothing in it");
	return b.root;
}

/* The bytes of the UTF-8 sequence at p, 0 when it is not one (overlong, surrogate, beyond U+10FFFF, cut). */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	if (p[0] < 0x80)
		return 1;
	size_t len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0xc2 || p[0] > 0xf4 || len > left)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool doc_is_utf8(const char *text, size_t len)
{
	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_len((const unsigned char *)text + i, len - i);
		if (!step)
			return false;
	}
	return true;
}

static bool text_check(const char *text, size_t len, struct scenario_mistakes *m)
{
	struct doc_place at = {.line = 1, .column = 1};
	unsigned brackets = 0;

	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_len((const unsigned char *)text + i, len - i);
		if (!step) {
			mistake_add(m, at, "not UTF-8");
			return false;
		}
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
			mistake_add(m, at, "a control character (0x%02x), which text does not have", c);
			return false;
		}
		/* Directives have no use here, and libfyaml takes for ever over some that are malformed. */
		if (c == '%' && at.column == 1) {
			mistake_add(m, at, "a line begins with %%, as YAML's directives do: quote it if it is text");
			return false;
		}
		/* libfyaml reads ahead to the end of what is open, so that depth must be bounded here too; brackets in
		 * quotes and comments count, which is why the bound is far above DOC_DEPTH_MAX. */
		brackets += c == '[' || c == '{';
		brackets -= (c == ']' || c == '}') && brackets;
		if (brackets > BRACKETS_MAX) {
			mistake_add(m, at, "nested far too deep: %u brackets are open here", BRACKETS_MAX);
			return false;
		}
		if (at.column > LINE_MAX_LEN) {
			mistake_add(m, at, "a line of more than %u characters", LINE_MAX_LEN);
			return false;
		}
		at.column++;
		if (c == '\n')
			at = (struct doc_place){.line = at.line + 1, .column = 1};
	}
	return true;
}

char *doc_load(const char *file, size_t *len, struct scenario_mistakes *m)
{
	struct doc_place none = {0};
	FILE *f = fopen(file, "rb");

	if (!f) {
		mistake_add(m, none, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	char *text = malloc(SCENARIO_FILE_MAX + 1);

	if (!text)
		log_fatal("out of memory reading a scenario");
	*len = fread(text, 1, SCENARIO_FILE_MAX + 1, f);
	if (ferror(f)) {
		mistake_add(m, none, "cannot be read: %s", strerror(errno));
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

struct doc *doc_read(const char *text, size_t len, struct scenario_mistakes *m)
{
	struct doc_place none = {0};

	if (len > SCENARIO_FILE_MAX) {
		mistake_add(m, none, "larger than %u bytes", SCENARIO_FILE_MAX);
		return NULL;
	}
	return text_check(text, len, m) ? doc_parse(text, len, NULL, m) : NULL;
}
