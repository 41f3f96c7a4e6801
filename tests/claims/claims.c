/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/blob.h"
#include "sim/run.h"
#include "tests/lib/unit.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_BYTES_MAX 1024U

/* One attachment of the scenario, by its name. */
struct named {
	char name[160];
	const struct scenario_attachment *attachment;
};

static struct scenario *scenario;
static struct run_results results;
static struct named *attachments;
static size_t attachments_count;
static void **kept; /* what the test holds until its end */
static size_t kept_count;

void *claims_keep(void *p)
{
	ck_assert_ptr_nonnull(p);
	kept = realloc(kept, (kept_count + 1) * sizeof(*kept));
	ck_assert_ptr_nonnull(kept);
	kept[kept_count++] = p;
	return p;
}

/* ---- the run ---- */

static void directory_remove(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d && (e = readdir(d))) {
		char file[2 * PATH_BYTES_MAX];

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		unlink(file);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static void attachments_name(void)
{
	for (size_t i = 0; i < scenario->nodes_count; i++)
		attachments_count += scenario->nodes[i].attachments_count;
	attachments = calloc(attachments_count, sizeof(*attachments));
	ck_assert_ptr_nonnull(attachments);
	attachments_count = 0;
	for (size_t i = 0; i < scenario->nodes_count; i++)
		for (size_t k = 0; k < scenario->nodes[i].attachments_count; k++) {
			struct named *n = &attachments[attachments_count++];

			n->attachment = &scenario->nodes[i].attachments[k];
			snprintf(n->name, sizeof(n->name), "%s.%s", scenario->nodes[i].name,
				 scenario->networks[n->attachment->network].name);
		}
}

static void run(const char *directory)
{
	int r = run_scenario(scenario, &(struct run_options){.out = directory}, &results);

	if (!r)
		claims_packets_read(directory);
	directory_remove(directory);
	ck_assert_msg(!r, "the run broke: %d %s %s %s", r, results.why ? results.why : "",
		      results.broken ? results.broken : "", results.broken_detail);
}

void claims_run(const char *file)
{
	const char *srcdir = getenv("srcdir"), *tmp = getenv("TMPDIR");
	char path[PATH_BYTES_MAX], directory[PATH_BYTES_MAX];
	struct scenario_mistakes mistakes = {0};

	snprintf(path, sizeof(path), "%s/tests/claims/%s", srcdir ? srcdir : ".", file);
	if (scenario_read(path, NULL, 0, &scenario, &mistakes) < 0)
		ck_abort_msg("%s:%u:%u: %s", path, mistakes.list[0].line, mistakes.list[0].column,
			     mistakes.list[0].text);
	attachments_name();
	snprintf(directory, sizeof(directory), "%s/baton-claims-XXXXXX", tmp ? tmp : P_tmpdir);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	run(directory);
	ck_assert_uint_gt(claims_metric("requests.started"), 0);
	ck_assert_uint_eq(claims_metric("requests.completed"), claims_metric("requests.started"));
	ck_assert_uint_eq(claims_metric("streams.corrupted"), 0);
	ck_assert_uint_eq(claims_metric("client.resets"), 0);
	ck_assert_uint_gt(claims_connections(), 1);
}

uint64_t claims_metric(const char *path)
{
	const struct metric *m = metrics_find(&results.metrics, path);

	ck_assert_msg(m, "no metric %s", path);
	return m->value;
}

static const struct named *attachment_find(const char *name)
{
	for (size_t i = 0; i < attachments_count; i++)
		if (!strcmp(attachments[i].name, name))
			return &attachments[i];
	ck_abort_msg("no attachment %s", name);
	return NULL;
}

struct addr claims_address(const char *attachment)
{
	return *addr_pair_get(&attachment_find(attachment)->attachment->address, claims_vip().family);
}

struct mac claims_mac(const char *attachment)
{
	return attachment_find(attachment)->attachment->mac;
}

struct addr claims_vip(void)
{
	return scenario->services[0].vip;
}

static const struct scenario_node *forwarder_find(void)
{
	for (size_t i = 0; i < scenario->nodes_count; i++)
		if (scenario->nodes[i].roles & ROLE_FORWARDER)
			return &scenario->nodes[i];
	ck_abort_msg("no forwarder");
	return NULL;
}

const char *claims_forwarder(void)
{
	return forwarder_find()->name;
}

struct addr claims_tunnel(void)
{
	const struct scenario_node *n = forwarder_find();

	for (size_t i = 0; i < n->attachments_count; i++)
		if (addr_pair_get(&n->attachments[i].tunnel, claims_vip().family)->family)
			return *addr_pair_get(&n->attachments[i].tunnel, claims_vip().family);
	ck_abort_msg("no tunnel address");
	return (struct addr){0};
}

uint16_t claims_device(const char *node)
{
	size_t i = scenario_node_find(scenario, node);

	ck_assert_uint_ne(i, SIZE_MAX);
	return (uint16_t)(i + 1);
}

const char *claims_node(uint16_t device)
{
	ck_assert_uint_ge(device, 1);
	ck_assert_uint_le(device, scenario->nodes_count);
	return scenario->nodes[device - 1].name;
}

bool claims_is(const char *node, const char *prefix)
{
	return !strncmp(node, prefix, strlen(prefix));
}

const char *claims_client(const struct tuple *t)
{
	for (size_t i = 0; i < attachments_count; i++)
		if (addr_equal(addr_pair_get(&attachments[i].attachment->address, t->remote.family), &t->remote))
			return attachments[i].name;
	ck_abort_msg("no client has this address");
	return NULL;
}

const char *claims_cluster(const char *node)
{
	char name[160];

	snprintf(name, sizeof(name), "%s.cluster", node);
	return attachment_find(name)->name;
}

/* ---- steps ---- */

static const struct claims_field *field_find(const struct claims_step *s, const char *name, enum claims_field_kind kind)
{
	for (size_t i = 0; i < s->fields_count; i++)
		if (!strcmp(s->fields[i].name, name) && s->fields[i].kind == kind)
			return &s->fields[i];
	return NULL;
}

static const struct claims_field *field_need(const struct claims_step *s, const char *name, enum claims_field_kind kind)
{
	const struct claims_field *f = field_find(s, name, kind);

	ck_assert_msg(f, "%s has no field \"%s\"", s->what, name);
	return f;
}

const struct claims_step *claims_step(const struct claims_step *after, const char *what, const struct tuple *t)
{
	const struct claims_step *s;

	for (size_t i = after ? after->order + 1 : 0; (s = claims_step_at(i)); i++) {
		const struct claims_field *f = t ? field_find(s, "tuple", CLAIMS_TUPLE) : NULL;

		if (!strcmp(s->what, what) && (!t || (f && tuple_equal(&f->tuple, t))))
			return s;
	}
	return NULL;
}

const struct claims_step *claims_only(const char *what, const struct tuple *t)
{
	const struct claims_step *s = claims_step(NULL, what, t);

	ck_assert_msg(s, "no step %s of the connection", what);
	ck_assert_msg(!claims_step(s, what, t), "more than one step %s of the connection", what);
	return s;
}

uint64_t claims_u64(const struct claims_step *s, const char *name)
{
	return field_need(s, name, CLAIMS_U64)->u64;
}

const char *claims_text(const struct claims_step *s, const char *name)
{
	return field_need(s, name, CLAIMS_TEXT)->text;
}

const struct addr *claims_addr(const struct claims_step *s, const char *name)
{
	return &field_need(s, name, CLAIMS_ADDR)->addr;
}

const struct tuple *claims_tuple(const struct claims_step *s, const char *name)
{
	return &field_need(s, name, CLAIMS_TUPLE)->tuple;
}

void claims_in_order(const struct claims_step *first, ...)
{
	const struct claims_step *last = first, *s;
	va_list list;

	va_start(list, first);
	while ((s = va_arg(list, const struct claims_step *))) {
		ck_assert_msg(last->order < s->order, "%s at %s must come before %s at %s", last->what, last->node,
			      s->what, s->node);
		last = s;
	}
	va_end(list);
}

struct claims_handoff claims_handoff(const struct tuple *t)
{
	const struct claims_step *s = claims_only("blob_encode", t);

	return (struct claims_handoff){
		.flow = (uint32_t)claims_u64(s, "flow"),
		.generation = (uint32_t)claims_u64(s, "generation"),
		.number = claims_u64(s, "handoff"),
		.first = claims_node((uint16_t)claims_u64(s, "first")),
		.second = claims_node((uint16_t)claims_u64(s, "second")),
		.encode = s,
	};
}

const struct claims_step *claims_blob_sent(const struct claims_handoff *h)
{
	const struct claims_step *found = NULL;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "courier_send", NULL));)
		if (claims_u64(s, "type") == MESSAGE_BLOB && s->len == h->encode->len &&
		    !memcmp(s->bytes, h->encode->bytes, s->len)) {
			ck_assert_ptr_null(found);
			ck_assert_str_eq(s->node, h->first);
			ck_assert_str_eq(claims_node((uint16_t)claims_u64(s, "to")), h->second);
			found = s;
		}
	ck_assert_msg(found, "the blob was not given to the courier as it was encoded");
	return found;
}

const struct claims_step *claims_blob_received(const struct tuple *t)
{
	const struct claims_step *s = claims_only("driver_blob", t);

	ck_assert_uint_eq(claims_u64(s, "failed"), 0);
	return s;
}

const uint8_t *claims_section(const struct claims_step *blob, unsigned type, size_t *len)
{
	const uint8_t *p = blob->bytes + BLOB_HEADER_LEN, *end = blob->bytes + blob->len;

	while (end - p >= (ptrdiff_t)BLOB_SECTION_LEN) {
		*len = load_be32(p + 2);
		p += BLOB_SECTION_LEN;
		ck_assert_uint_le(*len, (size_t)(end - p));
		if (load_be16(p - BLOB_SECTION_LEN) == type)
			return p;
		p += *len;
	}
	ck_assert_ptr_eq(p, end);
	return NULL;
}

const uint8_t *claims_read(const char *node, const struct tuple *t, size_t *len)
{
	uint8_t *bytes = NULL;

	*len = 0;
	for (const struct claims_step *s = NULL; (s = claims_step(s, "sock_consume", t));) {
		if (strcmp(s->node, node) != 0)
			continue;
		bytes = realloc(bytes, *len + s->len + 1);
		ck_assert_ptr_nonnull(bytes);
		memcpy(bytes + *len, s->bytes, s->len);
		*len += s->len;
	}
	return bytes ? claims_keep(bytes) : NULL;
}

/* ---- the life of a connection ---- */

void claims_end_to_end(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *sent = claims_blob_sent(&h), *received = claims_blob_received(t);
	size_t wrote_len, read_len;
	const uint8_t *wrote = claims_sent(t, &wrote_len), *read = claims_read(h.second, t, &read_len);
	const struct claims_step *committed = claims_only("forwarder.committed", t);
	const struct claims_step *active = claims_step(committed, "endpoint.activate", t);
	unsigned replies = 0, sent_on = 0;

	ck_assert_str_eq(claims_only("forwarder.accept", t)->node, claims_forwarder());
	ck_assert_str_eq(claims_only("classifier_open", t)->node, h.first);
	ck_assert_str_eq(received->node, h.second);
	ck_assert_uint_eq(sent->len, received->len);
	ck_assert_mem_eq(sent->bytes, received->bytes, sent->len);
	claims_in_order(claims_only("forwarder.accept", t), claims_only("classifier_open", t),
			claims_only("endpoint.migrate", t), h.encode, sent, received, claims_only("endpoint.infuse", t),
			committed, NULL);
	ck_assert_uint_eq(claims_u64(committed, "device"), claims_device(h.second));
	ck_assert_ptr_nonnull(active);
	ck_assert_str_eq(active->node, h.second);
	ck_assert_ptr_nonnull(claims_step(committed, "endpoint.release", t));
	ck_assert_uint_eq(wrote_len, read_len);
	ck_assert_mem_eq(wrote, read, wrote_len);
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_cluster(h.second)));)
		replies += p->out && claims_to_client(p, t) && p->payload_len;
	ck_assert_uint_gt(replies, 0);
	/* once it has moved, the forwarder sends every packet of the client to the second device */
	for (const struct claims_step *s = active; (s = claims_step(s, "forwarder_packet", t));) {
		ck_assert_uint_eq(claims_u64(s, "device"), claims_device(h.second));
		ck_assert_uint_eq(claims_u64(s, "encapsulated"), 1);
		sent_on++;
	}
	ck_assert_uint_ge(sent_on, 2);
}

/* ---- main ---- */

int claims_main(const char *name, const TTest *test, int families)
{
	Suite *suite = suite_create(name);
	TCase *c = tcase_create(name);

	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, test, 0, families);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
