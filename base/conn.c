/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/conn.h"

#include "base/log.h"

#include <stdlib.h>

#define SEGMENTS_CAPACITY_MIN 16U

void conn_state_clear(struct conn_state *s)
{
	struct conn_state kept = {
		.segments = s->segments,
		.segments_capacity = s->segments_capacity,
		.data = s->data,
		.app = s->app,
	};

	vec_clear(&kept.data);
	vec_clear(&kept.app);
	*s = kept;
}

void conn_state_fini(struct conn_state *s)
{
	free(s->segments);
	vec_fini(&s->data);
	vec_fini(&s->app);
	*s = (struct conn_state){0};
}

uint8_t *conn_state_segment_add(struct conn_state *s, uint32_t seq, uint16_t len, uint8_t flags)
{
	size_t count = conn_segment_count(s);

	if (count >= CONN_SEGMENTS_MAX || s->data.len > CONN_DATA_MAX || len > CONN_DATA_MAX - s->data.len)
		return NULL;
	if (count == s->segments_capacity) {
		s->segments_capacity = count ? count * 2 : SEGMENTS_CAPACITY_MIN;
		s->segments = reallocarray(s->segments, s->segments_capacity, sizeof *s->segments);
		if (!s->segments)
			log_fatal("out of memory: %zu segments", s->segments_capacity);
	}
	s->segments[count] = (struct conn_segment){
		.seq = seq,
		.offset = (uint32_t)s->data.len,
		.len = len,
		.flags = flags,
	};
	return vec_append(&s->data, NULL, len);
}

struct tuple conn_state_tuple(const struct conn_state *s)
{
	return (struct tuple){
		.remote = s->ip.remote,
		.local = s->ip.local,
		.remote_port = s->tcp.remote_port,
		.local_port = s->tcp.local_port,
	};
}
