/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules that map a request or a TLS hello to a group of backends: the first one that matches wins.
 *
 * A rule names any of method, host, path, one header field and one cookie, or the TLS server's name; all that it names
 * must match, so that what it names of a request matches no hello, and the reverse. All but method and field names are
 * globs: '*' stands for any run of bytes, '/' included, and is the only special character. Case counts in methods,
 * paths and values; it does not in hosts, server names and field names. The query is not part of the path. It chooses
 * no backend; that is lb/policy.h. Caller: lb/classifier.h. */
#ifndef BATON_LB_RULES_H
#define BATON_LB_RULES_H

#include "lb/hello.h"
#include "lb/request.h"

#include <stdbool.h>
#include <stddef.h>

/* One rule's conditions; NULL members match anything. */
struct rule_match {
	const char *method, *host, *path;
	const char *header_name, *header_value; /* a NULL value with a name: the field is there */
	const char *cookie_name, *cookie_value;
	const char *server_name; /* of TLS; "*" is any, but not none */
};

/* Whether a glob matches the whole text. No backtracking beyond the last '*': at most |pattern| * |text| steps. */
bool glob_match(const char *pattern, const char *text, size_t text_len);

/* The same without regard to ASCII case. */
bool glob_match_nocase(const char *pattern, const char *text, size_t text_len);

/* Whether a complete request satisfies the conditions. */
bool rule_matches(const struct rule_match *rule, const struct request *request);

/* Whether a complete hello does. */
bool rule_matches_hello(const struct rule_match *rule, const struct hello *hello);

/* Whether the rule names no condition, so that it matches without a request (protocol `none`). */
bool rule_matches_anything(const struct rule_match *rule);

#endif
