/* SPDX-License-Identifier: BSD-3-Clause */
/* One side of a conversation that is known beforehand: what the peer will say, byte by byte, and what this side says,
 * each part once so many of the peer's bytes were read.
 *
 * Who replays a conversation fills it while it goes on: script_expect, script_say and the like, then script_wake. An
 * application of node/ plays it on a socket: the server's (app_script.c), wherever the connection is handed to, or a
 * client's. It lives outside of any application, so that a connection which moves to another node goes on with it
 * there. It keeps what was not said, heard or read yet, and no more. Callers: node/app_script.c, sim/replay*. */
#ifndef BATON_NODE_SCRIPT_H
#define BATON_NODE_SCRIPT_H

#include "base/ring.h"
#include "stack/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_fault {
	SCRIPT_GOOD,      /* none so far */
	SCRIPT_DIFFERENT, /* the peer said another byte than was expected */
	SCRIPT_EXTRA,     /* the peer said more than was expected */
	SCRIPT_BROKEN,    /* the connection broke: reset, timed out */
};

enum script_act { SCRIPT_SAY, SCRIPT_FINISH, SCRIPT_RESET };

struct script_step {
	uint64_t after; /* bytes of the peer read before it; its end of stream counts as one */
	uint64_t upto;  /* SCRIPT_SAY: own bytes that may be sent then; SCRIPT_RESET: that the peer has before it */
	enum script_act act;
};

/* Zero-initialised is an empty one. All members are to be read only, but for `context` and `progress`. */
struct script {
	struct ring expected;      /* the peer's bytes that were not read yet */
	struct ring own;           /* own bytes that the peer has not heard yet: `heard` to `to_say` */
	struct script_step *steps; /* ring of steps_capacity, from steps_head on */
	size_t steps_head, steps_count, steps_capacity;
	uint64_t read;             /* bytes of the peer that were as expected */
	uint64_t heard;            /* own bytes that the peer has, as script_heard was told */
	uint64_t said;             /* own bytes that the stack took */
	uint64_t to_say;           /* own bytes known so far */
	bool eof, finished, reset; /* the peer's stream ended; own end of stream, own reset are done */
	bool over;                 /* nobody wants more of it: the connection is closed, or aborted within */
	enum script_fault fault;
	struct sock *sock;                  /* on which it is played now; NULL: on none */
	struct sock_owner *owner;           /* of that socket */
	uint64_t played;                    /* how often an application took it up */
	void *context;                      /* the filler's */
	void (*progress)(struct script *s); /* something of the above changed; may not call back into the script. NULL:
					       nobody wants to know */
};

void script_fini(struct script *s);

/* The peer's next bytes; NULL: zeroes. */
void script_expect(struct script *s, const uint8_t *bytes, size_t len);

/* Own next bytes (NULL: zeroes), the end of the own stream, or a reset, each after so many of the peer's. A reset also
 * comes after the peer has so many of the own ones: it would take those that are under way with it. */
void script_say(struct script *s, uint64_t after, const uint8_t *bytes, size_t len);
void script_finish(struct script *s, uint64_t after);
void script_reset(struct script *s, uint64_t after, uint64_t heard);

/* The peer has the next n of the own bytes: they are forgotten. Precondition: they were said. */
void script_heard(struct script *s, size_t n);

/* Whether a reset is next, and all that is to come before it did: it is to be woken. */
bool script_resets(const struct script *s);

/* Nobody wants more of it: when it is woken, the connection is closed if all was said, aborted if not. */
void script_end(struct script *s);

/* Plays on as far as it goes. The node is to be pumped then. */
void script_wake(struct script *s, nstime now);

/* What is to be done with the socket after it was played on. */
enum script_result { SCRIPT_OPEN, SCRIPT_CLOSE, SCRIPT_ABORT };

/* Plays on `k`, whose readiness is `ready`. For the socket's owner. */
enum script_result script_play(struct script *s, struct sock *k, unsigned ready, nstime now);

/* An owner takes the script up with its socket; lays it down, unless another took it up since. */
void script_take_up(struct script *s, struct sock *k, struct sock_owner *owner);
void script_lay_down(struct script *s, const struct sock_owner *owner);

/* Where an application finds the script of a connection that it accepts. */
struct script_source {
	/* NULL: it has none, and is aborted. */
	struct script *(*find)(void *context, const struct tuple *t);
	void *context;
};

#endif
