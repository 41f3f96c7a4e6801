/* SPDX-License-Identifier: BSD-3-Clause */
/* Collecting mistakes, and the small helpers that every part of the scenario parser uses. */
#include "base/log.h"
#include "sim/scenario_doc.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MISTAKE_TEXT_MAX 512U /* bytes of one message */
#define WORD_MAX         64U  /* longer words are not compared for likeness */

void *scenario_grow(void *array, size_t count, size_t size)
{
	/* A power of two is exactly full: capacity doubles then. */
	if (count & (count - 1))
		return array;
	size_t capacity = count ? 2 * count : 1;
	void *grown = capacity > SIZE_MAX / size ? NULL : realloc(array, capacity * size);

	if (!grown)
		log_fatal("out of memory reading a scenario");
	memset((char *)grown + count * size, 0, (capacity - count) * size);
	return grown;
}

char *scenario_strndup(const char *text, size_t len)
{
	char *copy = malloc(len + 1);

	if (!copy)
		log_fatal("out of memory reading a scenario");
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

/* Control characters of a file must not reach a terminal. */
static void text_clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* Cuts an over-long text at a whole UTF-8 character. */
static size_t text_whole(const char *text, size_t len)
{
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

void mistake_add(struct scenario_mistakes *m, struct doc_place where, const char *format, ...)
{
	va_list ap;

	if (m->count == SCENARIO_MISTAKES_MAX) {
		m->omitted++;
		return;
	}
	char text[MISTAKE_TEXT_MAX + 4];
	size_t used = 0;

	if (!where.line && where.origin)
		used = (size_t)snprintf(text, MISTAKE_TEXT_MAX, "--set %.*s: ", (int)strcspn(where.origin, "="),
					where.origin);
	va_start(ap, format);
	if (used < MISTAKE_TEXT_MAX)
		used += (size_t)vsnprintf(text + used, MISTAKE_TEXT_MAX - used, format, ap);
	va_end(ap);
	if (used >= MISTAKE_TEXT_MAX) {
		used = text_whole(text, MISTAKE_TEXT_MAX - 4);
		memcpy(text + used, "...", 4);
		used += 3;
	}
	text_clean(text);
	m->list = scenario_grow(m->list, m->count, sizeof(*m->list));
	m->list[m->count++] = (struct scenario_mistake){where.line, where.column, scenario_strndup(text, used)};
}

static bool mistake_before(const struct scenario_mistake *a, const struct scenario_mistake *b)
{
	return a->line != b->line ? a->line < b->line : a->column < b->column;
}

void mistakes_sort(struct scenario_mistakes *m)
{
	/* Insertion keeps ties in order; there are at most SCENARIO_MISTAKES_MAX. */
	for (size_t i = 1; i < m->count; i++) {
		struct scenario_mistake moved = m->list[i];
		size_t j = i;

		for (; j && mistake_before(&moved, &m->list[j - 1]); j--)
			m->list[j] = m->list[j - 1];
		m->list[j] = moved;
	}
}

void scenario_mistakes_fini(struct scenario_mistakes *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->list[i].text);
	free(m->list);
	*m = (struct scenario_mistakes){0};
}

/* Edit distance (insert, delete, replace, swap of neighbours), of words up to WORD_MAX. */
static size_t word_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		size_t *spare = before;

		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *mistake_nearest(const char *word, const char *const *candidates)
{
	const char *nearest = NULL;
	size_t len = strlen(word), distance_min = SIZE_MAX;

	if (len > WORD_MAX)
		return NULL;
	for (; *candidates; candidates++) {
		size_t candidate_len = strlen(*candidates);
		size_t longer = len > candidate_len ? len : candidate_len;

		if (candidate_len > WORD_MAX)
			continue;
		size_t distance = word_distance(word, len, *candidates, candidate_len);

		/* Up to a third of the word may differ: "forwader" is meant, "in" for "on" too, "foo" is not. */
		if (distance < distance_min && distance <= (longer + 1) / 3) {
			distance_min = distance;
			nearest = *candidates;
		}
	}
	return nearest;
}

bool scenario_glob(const char *glob, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*glob == '*') {
			star = glob++;
			resume = text;
		} else if (*glob == *text) {
			glob++;
			text++;
		} else if (star) {
			/* Let the last '*' take one character more. */
			glob = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}
