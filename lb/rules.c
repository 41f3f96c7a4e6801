/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/rules.h"

#include <string.h>

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Each '*' takes as little as possible; on a mismatch only the last one grows, because an earlier one that grew could
 * match no more than it does. */
static bool glob_run(const char *pattern, const char *text, size_t text_len, bool nocase)
{
	const char *star = NULL;
	size_t at = 0, star_at = 0;

	while (at < text_len) {
		if (*pattern == '*') {
			star = ++pattern;
			star_at = at;
		} else if (*pattern && (nocase ? fold(*pattern) == fold(text[at]) : *pattern == text[at])) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

bool glob_match(const char *pattern, const char *text, size_t text_len)
{
	return glob_run(pattern, text, text_len, false);
}

bool glob_match_nocase(const char *pattern, const char *text, size_t text_len)
{
	return glob_run(pattern, text, text_len, true);
}

static bool header_matches(const struct rule_match *rule, const struct request *request)
{
	const char *value;
	size_t cursor = 0;

	while ((value = request_header_next(request, rule->header_name, &cursor)))
		if (!rule->header_value || glob_match(rule->header_value, value, strlen(value)))
			return true;
	return false;
}

static bool cookie_matches(const struct rule_match *rule, const struct request *request)
{
	struct request_cookie_cursor cursor = {0};
	const char *value;
	size_t len;

	while ((value = request_cookie_next(request, rule->cookie_name, &cursor, &len)))
		if (!rule->cookie_value || glob_match(rule->cookie_value, value, len))
			return true;
	return false;
}

bool rule_matches(const struct rule_match *rule, const struct request *request)
{
	const char *host = request_host(request), *path = request_path(request);

	if (rule->server_name)
		return false;
	if (rule->method && strcmp(rule->method, request_method(request)) != 0)
		return false;
	if (rule->host && !glob_match_nocase(rule->host, host, strlen(host)))
		return false;
	if (rule->path && !glob_match(rule->path, path, strlen(path)))
		return false;
	if (rule->header_name && !header_matches(rule, request))
		return false;
	return !rule->cookie_name || cookie_matches(rule, request);
}

static bool names_of_request(const struct rule_match *rule)
{
	return rule->method || rule->host || rule->path || rule->header_name || rule->cookie_name;
}

bool rule_matches_hello(const struct rule_match *rule, const struct hello *hello)
{
	const char *name = hello_server_name(hello);

	if (names_of_request(rule))
		return false;
	return !rule->server_name || (*name && glob_match_nocase(rule->server_name, name, strlen(name)));
}

bool rule_matches_anything(const struct rule_match *rule)
{
	return !names_of_request(rule) && !rule->server_name;
}
