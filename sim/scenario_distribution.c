/* SPDX-License-Identifier: BSD-3-Clause */
/* A size or duration that is drawn: one value, a mapping that names a distribution, or a file of points. */
#include "sim/scenario_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX     65536U
#define LINE_MAX_BYTES 256U
#define SHAPE_MIN      100U /* thousandths */
#define SHAPE_MAX      100000U

/* What all parts of one distribution are. */
struct draw {
	enum units_dimension dimension; /* UNITS_SIZE or UNITS_DURATION */
	uint64_t least, most;
	char bound[64]; /* what a value is out of, for a message */
};

enum draw_key {
	KEY_MEAN,
	KEY_MEDIAN,
	KEY_MIN,
	KEY_MAX,
	KEY_SMALL,
	KEY_LARGE,
	KEY_SHARE,
	KEY_SHAPE,
	KEY_SIGMA,
	KEY_COUNT
};

static const char *const key_words[KEY_COUNT + 1] = {"mean",  "median", "min",   "max",   "small",
						     "large", "share",  "shape", "sigma", NULL};
static const char *const kind_words[] = {"uniform", "exponential", "pareto", "lognormal", "bimodal", NULL};
static const enum distribution_kind kinds[] = {DISTRIBUTION_UNIFORM, DISTRIBUTION_EXPONENTIAL, DISTRIBUTION_PARETO,
					       DISTRIBUTION_LOGNORMAL, DISTRIBUTION_BIMODAL};

#define HAS(key) (1U << KEY_##key)
static const struct {
	unsigned needed, allowed;
} kind_keys[] = {
	{HAS(MIN) | HAS(MAX), 0},
	{HAS(MEAN), HAS(MIN) | HAS(MAX)},
	{HAS(SHAPE) | HAS(MIN), HAS(MAX)},
	{HAS(MEDIAN) | HAS(SIGMA), HAS(MIN) | HAS(MAX)},
	{HAS(SMALL) | HAS(LARGE) | HAS(SHARE), 0},
};

static int value_read(struct draw *w, const char *text, uint64_t *out, const char **why)
{
	int err = w->dimension == UNITS_SIZE ? units_parse_size(text, out, why) : units_parse_duration(text, out, why);

	if (err || (*out >= w->least && *out <= w->most))
		return err;
	snprintf(w->bound, sizeof(w->bound), *out < w->least ? "less than %llu %s" : "more than %llu %s",
		 (unsigned long long)(*out < w->least ? w->least : w->most), w->dimension == UNITS_SIZE ? "B" : "ns");
	*why = w->bound;
	return -1;
}

static bool parse_value(struct parse *p, const struct doc *d, struct draw *w, uint64_t *out)
{
	const char *text, *why;

	if (!parse_text(p, d, &text))
		return false;
	if (!value_read(w, text, out, &why))
		return true;
	MISTAKE(p, d, "'%s' is not %s: %s", text, units_dimension_text(w->dimension), why);
	return false;
}

static bool parse_shape(struct parse *p, const struct doc *d, uint32_t *out_milli)
{
	const char *text, *why;
	uint64_t value;

	if (!parse_text(p, d, &text))
		return false;
	if (units_parse_thousandths(text, &value, &why)) {
		MISTAKE(p, d, "'%s' is not a number such as 1.5: %s", text, why);
		return false;
	}
	if (value < SHAPE_MIN || value > SHAPE_MAX) {
		MISTAKE(p, d, "'%s' is out of range: 0.1 to 100", text);
		return false;
	}
	*out_milli = (uint32_t)value;
	return true;
}

/* One parameter into its place. */
static void parse_parameter(struct parse *p, const struct doc *d, struct draw *w, enum draw_key key,
			    struct distribution *out)
{
	uint64_t value;

	if (key == KEY_SHARE) {
		parse_probability(p, d, &out->share_ppb);
		return;
	}
	if (key == KEY_SHAPE || key == KEY_SIGMA) {
		parse_shape(p, d, &out->shape_milli);
		return;
	}
	if (!parse_value(p, d, w, &value))
		return;
	switch (key) {
	case KEY_MIN:
		out->min = value;
		break;
	case KEY_MAX:
		out->max = value;
		break;
	case KEY_LARGE:
		out->large = value;
		break;
	default:
		out->value = value;
		break;
	}
}

static void parse_parameters(struct parse *p, struct doc *map, struct draw *w, size_t kind, struct distribution *out)
{
	char why[64];

	snprintf(why, sizeof(why), "the distribution is %s", kind_words[kind]);
	for (unsigned key = 0; key < KEY_COUNT; key++) {
		const struct doc *d = doc_get(map, key_words[key]);

		if (d && !((kind_keys[kind].needed | kind_keys[kind].allowed) & 1U << key))
			parse_never(p, map, key_words[key], why);
		else if (d)
			parse_parameter(p, d, w, key, out);
		else if (kind_keys[kind].needed & 1U << key)
			MISTAKE(p, map, "'%s' is missing: %s needs it", key_words[key], kind_words[kind]);
	}
	if (out->min > out->max)
		MISTAKE(p, map, "'min' is more than 'max'");
	if (out->kind == DISTRIBUTION_BIMODAL && out->value >= out->large && out->large)
		MISTAKE(p, map, "'small' is not less than 'large'");
	if (out->kind == DISTRIBUTION_PARETO)
		out->value = out->min;
	if (out->kind == DISTRIBUTION_PARETO && doc_get(map, "min") && !out->min)
		MISTAKE(p, map, "a Pareto distribution begins above zero: 'min'");
}

/* Splits "10 KiB 15 %" before the share, and reads both. */
static bool point_read(struct draw *w, char *line, struct distribution_point *out, const char **why)
{
	size_t end = strlen(line), start;

	start = end;
	if (start && line[start - 1] == '%')
		start--;
	while (start && (line[start - 1] == ' ' || line[start - 1] == '\t'))
		start--;
	while (start && line[start - 1] != ' ' && line[start - 1] != '\t')
		start--;
	*why = "a value and the share up to it are expected, as in 10 KiB 15 %";
	if (!start)
		return false;
	if (units_parse_probability(line + start, &out->upto_ppb, why))
		return false;
	while (start && (line[start - 1] == ' ' || line[start - 1] == '\t'))
		start--;
	line[start] = '\0';
	return !value_read(w, line, &out->value, why);
}

static bool points_add(struct distribution *out, struct distribution_point point, const char **why)
{
	const struct distribution_point *last = out->points_count ? &out->points[out->points_count - 1] : NULL;

	*why = NULL;
	if (last && point.value < last->value)
		*why = "the values fall";
	else if (last && point.upto_ppb <= last->upto_ppb)
		*why = "the shares do not rise";
	else if (out->points_count == POINTS_MAX)
		*why = "more than 65536 points";
	if (*why)
		return false;
	out->points = scenario_grow(out->points, out->points_count, sizeof(point));
	out->points[out->points_count++] = point;
	return true;
}

/* The text of a line without comment and what is blank around it; NULL when nothing is left. */
static char *line_trim(char *line)
{
	size_t len = strcspn(line, "#\r\n");

	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	line[len] = '\0';
	line += strspn(line, " \t");
	return *line ? line : NULL;
}

static void points_parse(struct parse *p, const struct doc *d, const char *name, FILE *f, struct draw *w,
			 struct distribution *out)
{
	char line[LINE_MAX_BYTES];
	unsigned number = 0;

	while (fgets(line, sizeof(line), f)) {
		struct distribution_point point;
		const char *why = "the line is too long";
		bool whole = strchr(line, '\n') || feof(f);
		char *text = line_trim(line);

		number++;
		if (whole && (!text || (point_read(w, text, &point, &why) && points_add(out, point, &why))))
			continue;
		MISTAKE(p, d, "%s:%u: %s", name, number, why);
		return;
	}
	if (ferror(f))
		MISTAKE(p, d, "'%s' cannot be read: %s", name, strerror(errno));
	else if (!out->points_count || out->points[out->points_count - 1].upto_ppb != UNITS_PPB_ONE)
		MISTAKE(p, d, "%s:%u: the last share is not 100 %%", name, number);
}

static void parse_points(struct parse *p, const struct doc *d, struct draw *w, struct distribution *out)
{
	const char *text;
	char *path;
	FILE *f;

	out->kind = DISTRIBUTION_EMPIRICAL;
	if (!parse_text(p, d, &text))
		return;
	path = parse_path(p, d, text);
	f = fopen(path, "re");
	if (f) {
		points_parse(p, d, text, f, w, out);
		fclose(f);
	} else {
		MISTAKE(p, d, "'%s' cannot be read: %s", text, strerror(errno));
	}
	free(path);
}

bool parse_distribution(struct parse *p, struct doc *d, enum units_dimension dimension, uint64_t least, uint64_t most,
			struct distribution *out)
{
	static const char *const known[] = {"distribution", "file",  "mean",  "median", "min",   "max",
					    "small",        "large", "share", "shape",  "sigma", NULL};
	struct draw w = {.dimension = dimension, .least = least, .most = most};
	size_t mistakes = p->mistakes->count + p->mistakes->omitted, kind;
	struct doc *file, *name;

	if (d->kind == DOC_SCALAR)
		return parse_value(p, d, &w, &out->value);
	if (!parse_map(p, d, d->key, known, NULL))
		return false;
	file = doc_get(d, "file");
	name = doc_get(d, "distribution");
	out->min = least;
	out->max = most;
	if (file) {
		for (const char *const *key = known; *key; key++)
			if (strcmp(*key, "file"))
				parse_never(p, d, *key, "the file says it all");
		parse_points(p, file, &w, out);
	} else if (!name) {
		MISTAKE(p, d, "a 'distribution' or a 'file' is missing");
	} else if (parse_word(p, name, kind_words, NULL, &kind)) {
		out->kind = kinds[kind];
		parse_parameters(p, d, &w, kind, out);
	}
	return p->mistakes->count + p->mistakes->omitted == mistakes;
}
