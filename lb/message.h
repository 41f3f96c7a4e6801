/* SPDX-License-Identifier: BSD-3-Clause */
/* Control messages of the hand-off, and the outbox from which a node hands them to the courier.
 *
 * Encodes and decodes; who may send what in which state is judged by lb/forwarder, lb/handoff and lb/migrator. Messages
 * travel reliably but in no order, may be given up, and may repeat: each names its hand-off wholly, so that every
 * receiver can answer a repeated, late or early one. Called by those three modules; node/ drains the outbox.
 *
 * Wire format, version 1, network byte order, one layout for all types from PREPARE to MOVED but BLOB, MESSAGE_LEN
 * bytes exactly:
 *
 *     version u8 (1) | type u8 | reason u8 | family u8 (4 or 6)
 *     flow u32 | generation u32 | handoff u64
 *     first u16 | second u16 | first_boot u64 | second_boot u64
 *     remote address 16 | local address 16 | remote port u16 | local port u16
 *
 * The bytes behind an IPv4 address are zero. The courier's type byte repeats the type. `first` is the device that gives
 * the connection away, `second` the one that takes it; with their boot ids they say which incarnations are meant.
 *
 *     type       from -> to                 meaning
 *     PREPARE    first -> forwarder         let the entry name `second`, if I own it and the generation is new
 *     PREPARED   forwarder -> first         it does; later packets go there
 *     REFUSED    forwarder -> first         it does not and will not for this generation: reason (enum message_reason)
 *     BLOB       first -> second            state, data and mapping: the bytes of lb/blob.h, nothing else
 *     READY      second -> forwarder        the connection stands here, held
 *     COMMITTED  forwarder -> both          `second` owns it
 *     REJECT     second -> first            I cannot take it: reason
 *     ABORT      first or second -> forw.   decide: abort it unless it is committed
 *     ABORTED    forwarder -> both          `first` owns it; this generation is over
 *     CLOSED     second -> forwarder, first the connection, which I owned, ended
 *     QUERY      forwarder -> second        is it still there?
 *     ALIVE      second -> forwarder        yes
 *     GONE       second -> forwarder        no
 *     LOST       forwarder -> first         `second`, which owned it, is gone, and the connection with it
 *     MOVED      first -> classifier        `second` has the connection now, which I had
 *
 * ALIVE is also said unasked, to a forwarder that restarted.
 *
 * In CLOSED, QUERY, ALIVE and GONE `second` is the owner; first and first_boot are as in its hand-off; but to the
 * classifier CLOSED names that one as first, though another may have handed it over since.
 *
 * HEALTH, backend -> classifier, is about the backend and no connection; MESSAGE_HEALTH_LEN bytes exactly:
 *
 *     version u8 (1) | type u8 | state u8 (0 serving, 1 draining) | 0 u8
 *     connections u32 | limit u32 (0: none) | sequence u64 (from 1, grows with every report of one boot)
 *
 * CHOOSE, backend -> classifier, asks for another device for a connection by the service's rule that once matched it,
 * none of those named; CHOSEN is the answer and names that device, or none. MESSAGE_CHOICE_LEN bytes and 2 a device:
 *
 *     version u8 (1) | type u8 | family u8 (4 or 6) | devices u8 (at most MESSAGE_DEVICES_MAX; in CHOSEN 1)
 *     service u16 | rule u16 | remote address 16 | local address 16 | remote port u16 | local port u16
 *     each device u16 (not 0) */
#ifndef BATON_LB_MESSAGE_H
#define BATON_LB_MESSAGE_H

#include "base/addr.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_VERSION    1U
#define MESSAGE_LEN        76U /* bytes of every message from PREPARE to MOVED but BLOB */
#define MESSAGE_HEALTH_LEN 20U /* of HEALTH */
#define MESSAGE_CHOICE_LEN 44U /* of CHOOSE and CHOSEN, without the devices */

#define MESSAGE_DEVICES_MAX 16U /* in one of those */

#define DEVICE_NONE 0U /* no device: their numbers begin at 1 */

enum message_type {
	MESSAGE_PREPARE = 1,
	MESSAGE_PREPARED = 2,
	MESSAGE_REFUSED = 3,
	MESSAGE_BLOB = 4,
	MESSAGE_READY = 5,
	MESSAGE_COMMITTED = 6,
	MESSAGE_REJECT = 7,
	MESSAGE_ABORT = 8,
	MESSAGE_ABORTED = 9,
	MESSAGE_CLOSED = 10,
	MESSAGE_QUERY = 11,
	MESSAGE_ALIVE = 12,
	MESSAGE_GONE = 13,
	MESSAGE_LOST = 14,
	MESSAGE_MOVED = 15,
	MESSAGE_HEALTH = 16,
	MESSAGE_CHOOSE = 17,
	MESSAGE_CHOSEN = 18,
};
#define MESSAGE_LAST MESSAGE_MOVED /* of those about one hand-off */

/* Why something was refused, rejected or rolled back: X(NAME, number, text). */
#define MESSAGE_REASON_LIST(X)                                                                                         \
	X(NONE, 0, "none")                                                                                             \
	X(OWNER, 1, "the sender does not own the entry")                                                               \
	X(GENERATION, 2, "the generation is not new")                                                                  \
	X(STATE, 3, "a hand-off of the connection is under way, or it is closing")                                     \
	X(BOOT, 4, "a device's boot id is out of date")                                                                \
	X(DEVICE, 5, "no such device")                                                                                 \
	X(FLOW, 6, "the flow identifier is in use, resting, or has a zero half")                                       \
	X(TABLE_FULL, 7, "the mapping table is full")                                                                  \
	X(BLOB_FORMAT, 8, "the blob is malformed")                                                                     \
	X(BLOB_VERSION, 9, "the blob has an unknown version or part")                                                  \
	X(BLOB_STATE, 10, "the blob's state makes no sense")                                                           \
	X(BUSY, 11, "too many connections or hand-offs")                                                               \
	X(EXISTS, 12, "the connection exists already")                                                                 \
	X(LISTENER, 13, "nothing listens for it")                                                                      \
	X(TIMEOUT, 14, "the hand-off took too long")                                                                   \
	X(PEER, 15, "a device failed or could not be reached")                                                         \
	X(DRAINING, 16, "the device is being drained")

enum message_reason {
#define MESSAGE_REASON_ENUM(name, number, text) MESSAGE_REASON_##name = (number),
	MESSAGE_REASON_LIST(MESSAGE_REASON_ENUM)
#undef MESSAGE_REASON_ENUM
		MESSAGE_REASON_COUNT
};

struct message {
	enum message_type type;
	enum message_reason reason;
	uint32_t flow;       /* flow identifier of this generation */
	uint32_t generation; /* of the forwarder's entry */
	uint64_t handoff;    /* the first device's number of the hand-off; never repeated by one boot */
	uint16_t first;      /* device that gives the connection away */
	uint16_t second;     /* device that takes it */
	uint64_t first_boot; /* boot ids; not 0 */
	uint64_t second_boot;
	struct tuple tuple;
};

/* Whether neither half is zero: a TCP port is not (C10). */
static inline bool flow_valid(uint32_t flow)
{
	return (flow >> 16) && (flow & 0xffff);
}

/* Writes MESSAGE_LEN bytes. Precondition: the type is not BLOB and the tuple's addresses are of one family. */
void message_encode(const struct message *m, uint8_t *out);

/* Decodes and checks shape: length, version, type (also against the courier's `type`), family, padding, flow
 * identifier, device numbers and boot ids not zero, ports not zero. 0, E_TRUNCATED, E_VERSION or E_FORMAT. */
int message_decode(struct message *m, uint8_t type, const uint8_t *bytes, size_t len);

/* What a backend says of itself. */
struct message_health {
	bool draining;        /* it wants no new connections */
	uint32_t connections; /* that it has */
	uint32_t limit;       /* that it may have; 0: it knows of none */
	uint64_t sequence;    /* reports can overtake each other: the highest is the newest */
};

/* Decodes and checks a HEALTH message: 0, E_TRUNCATED, E_VERSION or E_FORMAT. */
int message_health_decode(struct message_health *m, const uint8_t *bytes, size_t len);

/* A question for a device, or the answer. */
struct message_choice {
	enum message_type type; /* CHOOSE or CHOSEN */
	uint16_t service, rule;
	struct tuple tuple;
	uint16_t devices[MESSAGE_DEVICES_MAX]; /* CHOOSE: not these; CHOSEN: this one */
	size_t devices_count;
};

/* Decodes and checks a CHOOSE or CHOSEN message: 0, E_TRUNCATED, E_VERSION or E_FORMAT. */
int message_choice_decode(struct message_choice *m, uint8_t type, const uint8_t *bytes, size_t len);

/* The reason's static text; "unknown" for others. */
const char *message_reason_text(enum message_reason reason);

/* One message for the courier: courier_send(c, to, type, bytes.data, bytes.len, ...). When the courier gives it up, the
 * node tells the sending module with `tag` (handoff_message_failed; tags of the other modules are 0 and of no use). */
struct outbox_message {
	struct outbox_message *next;
	uint16_t to;  /* device */
	uint8_t type; /* enum message_type */
	struct vec bytes;
	uint64_t tag;
};

/* FIFO of messages; zero-initialised is empty. */
struct outbox {
	struct outbox_message *head, *tail;
	uint32_t count; /* messages */
};

/* Appends m, encoded, for `to`. */
void outbox_put(struct outbox *o, uint16_t to, const struct message *m, uint64_t tag);

/* Appends a HEALTH message. */
void outbox_put_health(struct outbox *o, uint16_t to, const struct message_health *m);

/* Appends a CHOOSE or CHOSEN message. */
void outbox_put_choice(struct outbox *o, uint16_t to, const struct message_choice *m);

/* Appends a BLOB, taking over the vector's memory (left empty). */
void outbox_put_blob(struct outbox *o, uint16_t to, struct vec *blob, uint64_t tag);

/* Takes the oldest: the caller frees it with outbox_message_free. NULL when empty. */
struct outbox_message *outbox_get(struct outbox *o);
void outbox_message_free(struct outbox_message *m); /* NULL is allowed */

void outbox_clear(struct outbox *o);

#endif
