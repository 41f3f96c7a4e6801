/* SPDX-License-Identifier: BSD-3-Clause */
/* Error codes: one list, from which the codes and their texts are made.
 *
 * Functions that can fail return 0 or one of these, negative. */
#ifndef BATON_BASE_ERR_H
#define BATON_BASE_ERR_H

#define ERR_LIST(X)                                                                                                    \
	X(E_NOMEM, 1, "out of memory")                                                                                 \
	X(E_FULL, 2, "no space left in a bounded table, queue or buffer")                                              \
	X(E_EXISTS, 3, "it exists already")                                                                            \
	X(E_NOENT, 4, "no such entry")                                                                                 \
	X(E_INVAL, 5, "invalid argument or value")                                                                     \
	X(E_TRUNCATED, 6, "truncated")                                                                                 \
	X(E_VERSION, 7, "unknown version")                                                                             \
	X(E_FORMAT, 8, "malformed")                                                                                    \
	X(E_AUTH, 9, "failed to authenticate")                                                                         \
	X(E_REPLAY, 10, "replayed or out of date")                                                                     \
	X(E_STALE, 11, "of an old generation or boot")                                                                 \
	X(E_STATE, 12, "not possible in this state")                                                                   \
	X(E_AGAIN, 13, "not now; try again later")                                                                     \
	X(E_CLOSED, 14, "connection closed")                                                                           \
	X(E_RESET, 15, "connection reset by the peer")                                                                 \
	X(E_TIMEOUT, 16, "timed out")                                                                                  \
	X(E_REFUSED, 17, "refused")                                                                                    \
	X(E_UNREACH, 18, "no route or no neighbour")                                                                   \
	X(E_KEY, 19, "sealed under an unknown key")                                                                    \
	X(E_TOOBIG, 20, "too large")                                                                                   \
	X(E_IO, 21, "input or output failed")                                                                          \
	X(E_UNSUPPORTED, 22, "not supported")

enum err {
#define ERR_ENUM(name, number, text) name = -(number),
	ERR_LIST(ERR_ENUM)
#undef ERR_ENUM
};

/* Static text for 0 or an enum err; "unknown error" for anything else. */
const char *err_text(int err);

#endif
