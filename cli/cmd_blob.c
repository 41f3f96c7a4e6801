/* SPDX-License-Identifier: BSD-3-Clause */
/* baton blob: decodes an opened blob, as far as it can be read. */
#include "base/err.h"
#include "cli/cli.h"
#include "lb/blob.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES_SHOWN 16U

static void print_help(void)
{
	puts("usage: baton blob [--json] FILE\n"
	     "\n"
	     "Decodes FILE, one hand-off's opened blob as `baton run --save-blobs` writes it to DIR/blobs: the\n"
	     "hand-off and its flow identifier, the state of the socket, TCP and IP layers, the queued segments\n"
	     "and the data. Of a bad blob it prints what can be read, and says what is wrong with it.\n"
	     "\n"
	     "options:\n"
	     "  --json   print one JSON object instead\n"
	     "  --help   this text\n"
	     "\n"
	     "exit status: 0 the blob is good, 1 it is not, 2 the command line is wrong or there is no FILE.");
}

/* What decoding and validation say of the whole. */
struct verdict {
	int err;
	const char *why; /* static text */
};

static struct verdict blob_judge(const uint8_t *p, size_t n)
{
	struct verdict v = {0};
	struct blob_mapping mapping;
	struct conn_state state = {0};

	v.err = blob_decode(p, n, &mapping, &state, &v.why);
	if (!v.err)
		v.err = conn_state_validate(&state, &v.why);
	conn_state_fini(&state);
	return v;
}

/* Units that say more than the name of the value does. */
static bool unit_shown(const char *unit)
{
	static const char *const silent[] = {"number",  "identifier", "count", "state",
					     "address", "device",     "port",  NULL};

	for (const char *const *s = silent; *s; s++)
		if (!strcmp(unit, *s))
			return false;
	return true;
}

static void print_bytes(const struct blob_item *item)
{
	for (size_t i = 0; i < item->len && i < BYTES_SHOWN; i++)
		printf("%s%02x", i ? " " : "   ", item->bytes[i]);
	if (item->len > BYTES_SHOWN)
		fputs(" ...", stdout);
}

static void print_text(const uint8_t *p, size_t n)
{
	struct blob_walk walk;
	struct blob_item item;
	const char *section = "";

	blob_walk_init(&walk, p, n);
	while (blob_walk_next(&walk, &item)) {
		char name[64];

		if (strcmp(section, item.section))
			printf("%s\n", item.section);
		section = item.section;
		if (item.in_segment)
			snprintf(name, sizeof(name), "%s[%zu]", item.name, item.segment);
		else
			snprintf(name, sizeof(name), "%s", item.name);
		printf("  %-24s %s", name, item.text);
		if (item.unit && unit_shown(item.unit))
			printf(" %s", item.unit);
		if (item.bytes)
			print_bytes(&item);
		putchar('\n');
	}
	if (walk.error)
		printf("at byte %zu: %s\n", walk.offset, walk.why);
}

/* The value of one item: numbers stay exact, as jansson's integers are signed and 64 bits. */
static json_t *item_json(const struct blob_item *item)
{
	char *end;

	if (item->bytes) {
		char *hex = malloc(2 * item->len + 1);

		for (size_t i = 0; hex && i < item->len; i++)
			snprintf(hex + 2 * i, 3, "%02x", item->bytes[i]);
		json_t *value = hex ? json_stringn(hex, 2 * item->len) : NULL;

		free(hex);
		return value;
	}
	if (!item->number)
		return json_string(item->text);
	errno = 0;
	long long value = strtoll(item->text, &end, 10);

	return errno || *end ? json_string(item->text) : json_integer(value);
}

/* Sections become objects, segments an array of objects within theirs. */
static void json_add(json_t *root, const struct blob_item *item)
{
	json_t *section = json_object_get(root, item->section);

	if (!section) {
		section = json_object();
		json_object_set_new(root, item->section, section);
	}
	if (item->in_segment) {
		json_t *list = json_object_get(section, "list");

		if (!list) {
			list = json_array();
			json_object_set_new(section, "list", list);
		}
		while (json_array_size(list) <= item->segment)
			json_array_append_new(list, json_object());
		section = json_array_get(list, item->segment);
	}
	json_object_set_new(section, item->name, item_json(item));
}

static void print_json(const uint8_t *p, size_t n, const struct verdict *v)
{
	struct blob_walk walk;
	struct blob_item item;
	json_t *root = json_object();

	blob_walk_init(&walk, p, n);
	while (blob_walk_next(&walk, &item))
		json_add(root, &item);
	json_object_set_new(root, "good", json_boolean(!v->err));
	if (v->err)
		json_object_set_new(root, "why", json_string(v->why ? v->why : err_text(v->err)));
	if (walk.error)
		json_object_set_new(root, "offset", json_integer((json_int_t)walk.offset));
	json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
}

/* The whole file, up to one byte more than a blob may have; NULL with the mistake printed. */
static uint8_t *file_read(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = f ? malloc(BLOB_LEN_MAX + 1) : NULL;

	if (!f || !bytes) {
		cli_error("%s: %s", path, strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	*n = fread(bytes, 1, BLOB_LEN_MAX + 1, f);
	if (ferror(f)) {
		cli_error("%s: %s", path, strerror(errno));
		free(bytes);
		bytes = NULL;
	}
	fclose(f);
	return bytes;
}

int cmd_blob(int argc, char **argv)
{
	bool json;
	size_t n;
	int status = cli_json_option("blob", argc, argv, print_help, &json);

	if (status != CLI_GO_ON)
		return status;
	if (optind + 1 != argc)
		return cli_usage("blob", "one file with a blob is needed");
	uint8_t *bytes = file_read(argv[optind], &n);

	if (!bytes)
		return STATUS_USAGE;
	struct verdict v = blob_judge(bytes, n);

	if (json)
		print_json(bytes, n, &v);
	else
		print_text(bytes, n);
	free(bytes);
	if (!v.err)
		return STATUS_GOOD;
	fflush(stdout);
	cli_error("%s: not a good blob: %s", argv[optind], v.why ? v.why : err_text(v.err));
	return STATUS_EXPECTATION;
}
