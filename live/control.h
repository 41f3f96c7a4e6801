/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket of a live run: a Unix stream socket on which programs such as `baton ctl` ask and tell.
 *
 * Protocol. A client sends requests, each one JSON object on a line that ends with \n (a \r before it is allowed), of
 * CONTROL_REQUEST_MAX bytes at most, and gets one line of JSON for each, in order:
 *
 *     {"command":"status"}
 *     {"command":"connections","from":0}                     `from`: 0, or what the page before gave as `next`
 *     {"command":"backends"}
 *     {"command":"drain","name":"backend1","within":"30 s"}  `within` may be missing
 *     {"command":"undrain","name":"backend1"}
 *     {"command":"stats"}
 *
 *     {"ok":true, ...}                   what the command gives: live/control_answer.h
 *     {"ok":false,"error":"..."}         in words; a request that is too long ends the connection too
 *
 * Members of answers may be added; a client passes over those that it does not know. A page of connections is no
 * snapshot: between pages connections come and go.
 *
 * Who may connect is the business of the socket file's permissions. Nobody who does can hurt the run: there are
 * CONTROL_CLIENTS_MAX clients at most (more are told so and closed); one request is taken at a time, between which the
 * run goes on, and none while its predecessor's answer is not gone; a client that takes longer than CONTROL_PATIENCE
 * for a request it began, or to take an answer, or that says nothing for CONTROL_IDLE, is closed. Nothing blocks.
 *
 * It answers nothing itself. Caller: live/service.c. */
#ifndef BATON_LIVE_CONTROL_H
#define BATON_LIVE_CONTROL_H

#include "live/control_request.h"
#include "live/loop.h"

#define CONTROL_CLIENTS_MAX 16U
#define CONTROL_REQUEST_MAX 4096U
#define CONTROL_PATIENCE    (5 * NSTIME_S)
#define CONTROL_IDLE        (60 * NSTIME_S)

struct json_t;
struct control;

struct control_config {
	const char *path;
	unsigned mode;     /* permissions of the file */
	const char *group; /* whose it is; NULL: the process's */
	/* The answer to a request, owned by the caller: an object, to which "ok":true is added; on failure NULL with
	 * what is wrong in words. */
	struct json_t *(*answer)(void *context, const struct control_request *r, char why[CONTROL_WHY_MAX]);
	void *context;
};

struct control_counters {
	uint64_t accepted, refused; /* clients; the latter for want of room */
	uint64_t requests;          /* answered, well or not */
	uint64_t malformed;         /* of them, or too long */
	uint64_t slow;              /* clients closed for taking too long */
};

/* Makes the socket and listens. One that a process left behind, and on which nobody listens, is replaced. The
 * configuration's texts are borrowed. On failure *out is NULL and `why` says what is wrong: E_EXISTS (another process
 * listens there, or what is there is no socket), E_AUTH (no right), E_NOENT (no such directory or group), E_IO. */
int control_open(struct control **out, struct loop *l, const struct control_config *config, char why[CONTROL_WHY_MAX]);

/* Closes all clients, and removes the socket file if it is still this one's. NULL is allowed. */
void control_close(struct control *c);

const struct control_counters *control_counters(const struct control *c);

#endif
