/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP/1 within a captured connection: the requests of one side and the replies of the other, with their sizes as they
 * passed (encoded, without chunks' framing), into talk->http. Caller: import/talk. */
#ifndef BATON_IMPORT_TALK_HTTP_H
#define BATON_IMPORT_TALK_HTTP_H

#include "import/talk.h"

/* t is borrowed. */
struct talk_http *talk_http_new(struct talk *t);
void talk_http_free(struct talk_http *h); /* NULL is allowed */

/* How many of these bytes are HTTP: fewer than len where it cannot be read on, for good. */
uint64_t talk_http_input(struct talk_http *h, unsigned side, const uint8_t *bytes, uint64_t len, int64_t at_ns);
void talk_http_end(struct talk_http *h, unsigned side);

/* Whether at least one request was read whole, and what the server said so far was HTTP. */
bool talk_http_is_good(const struct talk_http *h);

/* A new exchange at the end of the list, with so many bytes of text; NULL: there is no room. */
struct talk_exchange *talk_list_add(struct talk_list *l, int64_t at_ns, size_t text);

#endif
