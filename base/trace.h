/* SPDX-License-Identifier: BSD-3-Clause */
/* Trace events: what the layers say they did, as values, for whoever listens (sim/tracefile.h writes trace.jsonl).
 *
 * The vocabulary is the list below: name, claims shown, meaning. baton-trace(5) is checked against it by a test. */
#ifndef BATON_BASE_TRACE_H
#define BATON_BASE_TRACE_H

#include "base/addr.h"
#include "base/nstime.h"

#include <stddef.h>
#include <stdint.h>

#define TRACE_VERSION 1

#define TRACE_LIST(X)                                                                                                  \
	X(RUN_START, "run.start", "", "the run begins: scenario name, seed, version")                                  \
	X(RUN_END, "run.end", "", "the run ended, and why")                                                            \
	X(NODE_START, "node.start", "", "a node came up, with its boot id")                                            \
	X(NODE_CRASH, "node.crash", "", "a node lost all its state")                                                   \
	X(LINK_DOWN, "link.down", "", "an attachment stopped carrying packets")                                        \
	X(LINK_UP, "link.up", "", "an attachment carries packets again")                                               \
	X(LINK_SET, "link.set", "", "an attachment's impairments changed")                                             \
	X(NETWORK_PARTITION, "network.partition", "", "nodes of a network cannot reach each other")                    \
	X(NETWORK_HEAL, "network.heal", "", "a partition ended")                                                       \
	X(LINK_DIGEST, "link.digest", "", "at the end: a hash over every packet of one direction of an attachment")    \
	X(PACKET_DROP, "packet.drop", "", "a packet was dropped, and why")                                             \
	X(PACKET_FAULT, "packet.fault", "", "an exact fault corrupted, duplicated or delayed a packet")                \
	X(FORWARDER_ACCEPT, "forwarder.accept", "C1.1", "the first SYN of a connection entered at the forwarder")      \
	X(FORWARDER_DATA, "forwarder.data", "C1.2 C1.3",                                                               \
	  "the first data of a connection was received at the forwarder and sent to a classifier")                     \
	X(FORWARDER_PREPARED, "forwarder.prepared", "C1.8", "the mapping entry names the second device")               \
	X(FORWARDER_COMMITTED, "forwarder.committed", "C1.6", "the second device owns the connection")                 \
	X(FORWARDER_ABORTED, "forwarder.aborted", "", "the first device owns the connection again")                    \
	X(FORWARDER_REFUSED, "forwarder.refused", "", "a request was refused: full table, old generation, ...")        \
	X(FORWARDER_ENCAPSULATE, "forwarder.encapsulate", "C1.10 C1.11 C10",                                           \
	  "the first packet of a generation was encapsulated, its ports now the flow identifier")                      \
	X(FORWARDER_BOUNCE, "forwarder.bounce", "", "a bounced packet was sent on to the owner")                       \
	X(FORWARDER_CLOSED, "forwarder.closed", "", "the owner's connection ended; the entry rests, then goes")        \
	X(FORWARDER_ADOPTED, "forwarder.adopted", "",                                                                  \
	  "after a restart: an owner told of a connection, and has an entry again")                                    \
	X(FORWARDER_LOST, "forwarder.lost", "", "the owner is gone, and the connection with it; so is the entry")      \
	X(CLASSIFIER_OPEN, "classifier.open", "", "a connection was established in the first stack")                   \
	X(CLASSIFIER_CHOOSE, "classifier.choose", "C1.4 C2.1",                                                         \
	  "the second device was chosen, among how many, by what rule")                                                \
	X(CLASSIFIER_FLOW, "classifier.flow", "C9.1", "the flow identifier was taken from the connection counter")     \
	X(CLASSIFIER_ANSWER, "classifier.answer", "", "the classifier answered itself: a status or TLS alert")         \
	X(MIGRATE_CALL, "migrate.call", "C2.2", "migrate connection called on the topmost layer, naming the device")   \
	X(COMPILE_SOCKET, "compile.socket", "C5.2", "socket-layer state compiled")                                     \
	X(COMPILE_TCP, "compile.tcp", "C5.1 C5.2 C6", "TCP state compiled, ports with it")                             \
	X(COMPILE_IP, "compile.ip", "C5.1 C5.2 C6", "IP state compiled, addresses with it")                            \
	X(BLOB_AGGREGATE, "blob.aggregate", "C1.5 C7", "state, data and mapping aggregated into one blob")             \
	X(BLOB_SEND, "blob.send", "C1.6 C1.7", "the blob went to the courier")                                         \
	X(HANDOFF_PREPARE, "handoff.prepare", "C1.8", "PREPARE sent to the forwarder")                                 \
	X(HANDOFF_COMMITTED, "handoff.committed", "C1.6",                                                              \
	  "the first device freed its frozen copy, leaving a tombstone")                                               \
	X(HANDOFF_ROLLBACK, "handoff.rollback", "", "the connection thawed at the first device")                       \
	X(HANDOFF_RETRY, "handoff.retry", "", "another second device is tried")                                        \
	X(HANDOFF_FAILED, "handoff.failed", "", "the connection was lost in the hand-off")                             \
	X(TOMBSTONE_BOUNCE, "tombstone.bounce", "", "a late packet was bounced to the forwarder")                      \
	X(DRIVER_BLOB, "driver.blob", "C11.1 C17", "one blob with state and mapping recognised below the stack")       \
	X(DRIVER_UNBUNDLE, "driver.unbundle", "C18 C1.9", "state and mapping unbundled below the second stack")        \
	X(DRIVER_MAPPING, "driver.mapping", "C19 C1.9", "the mapping was stored in the encapsulation mapping table")   \
	X(DRIVER_BUFFER, "driver.buffer", "C12", "a packet that came before the state was active was buffered")        \
	X(DRIVER_DRAIN, "driver.drain", "C12", "the buffered packets went up, in order of sequence")                   \
	X(DRIVER_DECAPSULATE, "driver.decapsulate", "C1.12 C9.2 C20",                                                  \
	  "the first encapsulated packet of a flow was identified and restored")                                       \
	X(MIGRATOR_REASSEMBLE, "migrator.reassemble", "C3", "the migrator reassembled the state from the bundle")      \
	X(MIGRATOR_READY, "migrator.ready", "", "READY sent to the forwarder; the connection is held")                 \
	X(MIGRATOR_REJECT, "migrator.reject", "", "the hand-off was rejected, and why")                                \
	X(MIGRATOR_ACTIVATE, "migrator.activate", "C11.3", "COMMITTED: the connection is active at the second device") \
	X(MIGRATOR_DISCARD, "migrator.discard", "", "ABORTED: the held connection was discarded")                      \
	X(INFUSE_SOCKET, "infuse.socket", "C15 C16", "socket-layer state infused")                                     \
	X(INFUSE_TCP, "infuse.tcp", "C15 C16", "TCP state infused")                                                    \
	X(INFUSE_IP, "infuse.ip", "C15 C16", "IP state infused")                                                       \
	X(INDICATE, "indicate", "C11.2 C14", "data indicated up the stack as on a locally terminated connection")      \
	X(CONNECTION_CLOSE, "connection.close", "", "a VIP's connection ended in this stack, or entered TIME_WAIT")    \
	X(HEALTH_UP, "health.up", "", "a classifier takes a backend for up again")                                     \
	X(HEALTH_DOWN, "health.down", "", "a classifier takes a backend for down: its reports stay away")              \
	X(HEALTH_STATE, "health.state", "", "a backend told a classifier that it is serving, draining or full")        \
	X(DRAIN_BEGIN, "drain.begin", "", "a backend begins to drain")                                                 \
	X(DRAIN_CHOSEN, "drain.chosen", "", "a classifier chose the device that shall take over a connection")         \
	X(DRAIN_EMPTY, "drain.empty", "", "a draining backend has no connection any more")                             \
	X(DRAIN_STAY, "drain.stay", "", "what could not be moved in time stays until it ends")                         \
	X(DRAIN_END, "drain.end", "", "a backend serves again")                                                        \
	X(COURIER_RESTART, "courier.restart", "", "a peer came back with a new boot id")                               \
	X(COURIER_REKEY, "courier.rekey", "",                                                                          \
	  "the cluster key changed; frames under the old one are taken for a while")                                   \
	X(COURIER_REKEYED, "courier.rekeyed", "", "a change of the cluster key is over: the old one is forgotten")     \
	X(COURIER_REJECT, "courier.reject", "C1.7", "a frame was rejected, and why")                                   \
	X(COURIER_RETRANSMIT, "courier.retransmit", "C1.7", "a lost frame's content was sent again")                   \
	X(COURIER_DELIVER, "courier.deliver", "C1.7", "a whole message was delivered")                                 \
	X(COURIER_GIVEUP, "courier.giveup", "", "a message was given up: peer dead or time over")                      \
	X(RELAY_END, "relay.end", "", "a relayed connection ended, and how")                                           \
	X(REQUEST_START, "request.start", "", "a client opened or reused a connection for a request")                  \
	X(REQUEST_DONE, "request.done", "", "a reply came whole and every byte was verified")                          \
	X(REQUEST_ABORT, "request.abort", "", "a client gave a request up on purpose")                                 \
	X(REQUEST_FAIL, "request.fail", "", "a request failed, and why")

enum trace_event {
#define TRACE_ENUM(id, name, claims, text) TRACE_##id,
	TRACE_LIST(TRACE_ENUM)
#undef TRACE_ENUM
		TRACE_EVENT_COUNT
};

enum trace_kind { TRACE_KIND_U64, TRACE_KIND_TEXT, TRACE_KIND_ADDR, TRACE_KIND_TUPLE };

/* One named value of an event; the pointers are borrowed for the call. */
struct trace_field {
	const char *name;
	enum trace_kind kind;
	union {
		uint64_t u64;
		const char *text;
		const struct addr *addr;
		const struct tuple *tuple;
	};
};

#define TF_U64(n, v)   ((struct trace_field){.name = (n), .kind = TRACE_KIND_U64, .u64 = (v)})
#define TF_TEXT(n, v)  ((struct trace_field){.name = (n), .kind = TRACE_KIND_TEXT, .text = (v)})
#define TF_ADDR(n, v)  ((struct trace_field){.name = (n), .kind = TRACE_KIND_ADDR, .addr = (v)})
#define TF_TUPLE(n, v) ((struct trace_field){.name = (n), .kind = TRACE_KIND_TUPLE, .tuple = (v)})

/* Where events go. `node` is set by whoever makes a sink for one node. A NULL sink listens to nothing. */
struct trace_sink {
	void (*emit)(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
		     size_t count);
	const char *node; /* the node's name, borrowed; NULL for the run itself */
	void *context;
};

/* TRACE(sink, now, TRACE_INDICATE, TF_U64("bytes", n), ...): at least one field. */
#define TRACE(sink, now, event, ...)                                                                                   \
	do {                                                                                                           \
		struct trace_sink *trace_to = (sink);                                                                  \
		if (trace_to)                                                                                          \
			trace_to->emit(trace_to, (now), (event), (const struct trace_field[]){__VA_ARGS__},            \
				       sizeof((const struct trace_field[]){__VA_ARGS__}) /                             \
					       sizeof(struct trace_field));                                            \
	} while (0)

/* An event's value of this name and kind: NULL, or 0, when it has none. */
const char *trace_field_text(const struct trace_field *fields, size_t count, const char *name);
uint64_t trace_field_u64(const struct trace_field *fields, size_t count, const char *name);
const struct tuple *trace_field_tuple(const struct trace_field *fields, size_t count, const char *name);

/* Static: its name, and what it says. */
const char *trace_name(enum trace_event event);
const char *trace_meaning(enum trace_event event);

#endif
