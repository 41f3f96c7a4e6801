/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/capture.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/capture_comment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct capture_point {
	struct capture_point *next;
	struct captures *captures;
	struct capture_file *file;
	int interface;
	size_t node;
	struct impair_predicate filter;
};

/* A file, and its last frame as long as comments may come. */
struct capture_file {
	struct capture_file *next;
	struct pcapng *writer;
	char *path;
	bool failed;                       /* to be written: nothing more is */
	const struct capture_point *point; /* of the frame that waits; NULL: none */
	const struct buf *frame;           /* to be told from others only: it may be gone */
	nstime at;
	enum pcapng_direction direction;
	uint32_t len;
	struct capture_comment comment;
	uint8_t bytes[PCAPNG_SNAPLEN_MAX];
};

struct captures {
	struct capture_comments *comments;
	const struct addr *tunnels;
	size_t tunnel_count;
	struct capture_file *files;
	struct capture_point *points;
	int failed; /* errno of the first failure to write; 0: none */
};

static void *memory_new(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		log_fatal("out of memory for captures");
	return p;
}

/* A file that cannot be written stays as it is, and is told of once. */
static void failure_note(struct captures *c, struct capture_file *f, int err)
{
	if (err >= 0 || f->failed)
		return;
	f->failed = true;
	if (!c->failed)
		c->failed = errno ? errno : EIO;
	log_warning("the capture '%s' cannot be written: %s; the run goes on without it", f->path, strerror(errno));
}

static void file_settle(struct captures *c, struct capture_file *f)
{
	const struct capture_point *p = f->point;

	if (!p)
		return;
	f->point = NULL;
	failure_note(c, f,
		     pcapng_packet(f->writer, p->interface, f->at, f->bytes, f->len, f->direction,
				   f->comment.len ? f->comment.text : NULL));
}

struct captures *captures_new(const struct scenario *s, const struct addr *tunnels, size_t tunnel_count)
{
	struct captures *c = memory_new(sizeof *c);

	c->comments = capture_comments_new(s, tunnels, tunnel_count);
	c->tunnels = tunnels;
	c->tunnel_count = tunnel_count;
	return c;
}

void captures_open_frames(struct captures *c, const struct node_cluster *cluster)
{
	capture_comments_open(c->comments, cluster);
}

int captures_free(struct captures *c)
{
	int failed;

	if (!c)
		return 0;
	while (c->files) {
		struct capture_file *f = c->files;

		file_settle(c, f);
		failure_note(c, f, pcapng_close(f->writer));
		c->files = f->next;
		free(f->path);
		free(f);
	}
	while (c->points) {
		struct capture_point *p = c->points;

		impair_predicate_fini(&p->filter);
		c->points = p->next;
		free(p);
	}
	capture_comments_free(c->comments);
	failed = c->failed;
	free(c);
	if (failed)
		errno = failed;
	return failed ? E_IO : 0;
}

struct capture_file *captures_file_add(struct captures *c, const char *path, const struct pcapng_section *section,
				       int *err)
{
	struct capture_file *f = memory_new(sizeof *f);

	f->writer = pcapng_open(path, section, err);
	if (!f->writer) {
		free(f);
		return NULL;
	}
	f->path = strdup(path);
	if (!f->path)
		log_fatal("out of memory for captures");
	f->next = c->files;
	c->files = f;
	return f;
}

struct capture_point *captures_point_add(struct captures *c, struct capture_file *f,
					 const struct capture_point_config *config, int *err)
{
	struct capture_point *p = memory_new(sizeof *p);

	*err = impair_predicate_init(&p->filter, &config->match, c->tunnels, c->tunnel_count);
	if (*err)
		goto err_after_alloc;
	p->interface = pcapng_interface_add(f->writer, config->name, config->description, config->snap);
	*err = p->interface;
	if (*err < 0)
		goto err_after_filter;
	*err = 0;
	p->captures = c;
	p->file = f;
	p->node = config->node;
	p->next = c->points;
	c->points = p;
	return p;
err_after_filter:
	impair_predicate_fini(&p->filter);
err_after_alloc:
	free(p);
	return NULL;
}

void captures_event(struct captures *c, size_t node, enum trace_event event, const struct trace_field *fields,
		    size_t count)
{
	struct capture_comment comment;

	comment.len = 0;
	capture_comments_event(c->comments, node, event, fields, count, &comment);
	for (struct capture_file *f = c->files; comment.len && f; f = f->next)
		if (f->point && f->point->node == node && f->direction == PCAPNG_IN)
			capture_comment_add(&f->comment, "%s", comment.text);
}

void captures_flush(struct captures *c)
{
	for (struct capture_file *f = c->files; f; f = f->next) {
		file_settle(c, f);
		if (!f->failed)
			failure_note(c, f, pcapng_flush(f->writer));
	}
}

void capture_begin(struct capture_point *p, const struct buf *frame, enum pcapng_direction direction, nstime now)
{
	struct capture_file *f = p->file;

	file_settle(p->captures, f);
	if (f->failed || !impair_predicate_frame(&p->filter, frame->data, frame->len))
		return;
	f->point = p;
	f->frame = frame;
	f->at = now;
	f->direction = direction;
	f->len = frame->len;
	memcpy(f->bytes, frame->data, frame->len < sizeof f->bytes ? frame->len : sizeof f->bytes);
	f->comment.len = 0;
	capture_comments_frame(p->captures->comments, frame->data, frame->len, &f->comment);
	if (frame->corrupted)
		capture_comment_add(&f->comment, "corrupted by link: bit %u", frame->corrupted - 1);
}

void capture_end(struct capture_point *p)
{
	file_settle(p->captures, p->file);
}

void capture_act(struct capture_point *p, const struct buf *frame, enum pcapng_direction direction, enum impair_act act,
		 const char *text, nstime now)
{
	struct capture_file *f = p->file;

	if (f->point == p && f->direction == PCAPNG_OUT && direction == PCAPNG_OUT) {
		capture_comment_add(&f->comment, "%s%s", frame == f->frame ? "" : "the copy: ", text);
		return;
	}
	if (act != IMPAIR_ACT_DROP)
		return; /* what is delivered tells of itself */
	capture_begin(p, frame, direction, now);
	if (f->point)
		capture_comment_add(&f->comment, "%s", text);
	capture_end(p);
}
