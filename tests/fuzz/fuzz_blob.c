/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a blob. One whose state makes sense must come through encoding and decoding again as it is, and whatever
 * decodes, `baton blob` must be able to walk over to its end. */
#include "fuzz.h"

#include "base/cursor.h"
#include "base/err.h"
#include "lb/blob.h"

#include <string.h>

static void walk(const uint8_t *data, size_t size, int decoded)
{
	struct blob_walk w;
	struct blob_item item;

	blob_walk_init(&w, data, size);
	while (blob_walk_next(&w, &item)) {
		FUZZ_CHECK(item.section && item.name && item.text);
		FUZZ_CHECK(!item.bytes || (item.bytes >= data && item.bytes + item.len <= data + size));
	}
	FUZZ_CHECK(decoded ? !w.error || *w.why : !w.error);
}

/* Whether two blobs of one length have the same sections in the same places. */
static bool sections_alike(const uint8_t *a, const uint8_t *b, size_t len)
{
	for (size_t at = BLOB_HEADER_LEN; at + BLOB_SECTION_LEN <= len; at += BLOB_SECTION_LEN + load_be32(a + at + 2))
		if (memcmp(a + at, b + at, BLOB_SECTION_LEN) != 0)
			return false;
	return true;
}

/* Encoding gives what decodes to the same; and the very bytes, where they were in its order and had nothing else. */
static void round_trip(const uint8_t *data, size_t size, const struct blob_mapping *m, const struct conn_state *s)
{
	struct conn_state again = {.data = {0}};
	struct blob_mapping mapping;
	struct vec first = {0}, second = {0};
	const char *why;

	FUZZ_CHECK(!blob_encode(&first, m, s));
	if (first.len == size && sections_alike(data, first.data, size))
		FUZZ_CHECK(!memcmp(data, first.data, size));
	FUZZ_CHECK(!blob_decode(first.data, first.len, &mapping, &again, &why));
	FUZZ_CHECK(!conn_state_validate(&again, &why));
	FUZZ_CHECK(!memcmp(&again.tcp, &s->tcp, sizeof(s->tcp)));
	FUZZ_CHECK(!blob_encode(&second, &mapping, &again));
	FUZZ_CHECK(first.len == second.len && !memcmp(first.data, second.data, first.len));
	vec_fini(&first);
	vec_fini(&second);
	conn_state_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conn_state s = {.data = {0}};
	struct blob_mapping m;
	const char *why = NULL;
	int r = blob_decode(data, size, &m, &s, &why);

	walk(data, size, r);
	if (r)
		FUZZ_CHECK(why && *why && !s.data.len && !conn_segment_count(&s));
	else if (!conn_state_validate(&s, &why))
		round_trip(data, size, &m, &s);
	else
		FUZZ_CHECK(why && *why);
	conn_state_fini(&s);
	return 0;
}
