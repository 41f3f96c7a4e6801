/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/sweep_share.h"

#include "base/err.h"
#include "sim/units.h"

#include <stdlib.h>
#include <string.h>

#define SHARES_MAX 1000000U
#define DIGITS_MAX 24U

static int share_make(struct sweep_share *s, const char *index, const char *count)
{
	uint64_t i, n;
	const char *why;

	if (units_parse_count(index, &i, &why) < 0 || units_parse_count(count, &n, &why) < 0)
		return E_FORMAT;
	if (i >= n || n > SHARES_MAX)
		return E_FORMAT;
	*s = (struct sweep_share){(size_t)i, (size_t)n};
	return 0;
}

int sweep_share_read(struct sweep_share *s, const char *text)
{
	const char *slash = strchr(text, '/');
	char index[DIGITS_MAX];

	if (!slash || (size_t)(slash - text) >= sizeof(index))
		return E_FORMAT;
	memcpy(index, text, (size_t)(slash - text));
	index[slash - text] = '\0';
	return share_make(s, index, slash + 1);
}

static struct sweep_share share_of(const char *index_name, const char *count_name)
{
	const char *index = getenv(index_name), *count = getenv(count_name);
	struct sweep_share s;

	if (index && count && !share_make(&s, index, count))
		return s;
	return (struct sweep_share){0, 1};
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name), *why;
	uint64_t value;

	return text && !units_parse_count(text, &value, &why) ? value : otherwise;
}

/* An array's elements are numbered from MIN in steps of STEP. */
static struct sweep_share array_share(void)
{
	uint64_t id = number_of("SLURM_ARRAY_TASK_ID", 0), min = number_of("SLURM_ARRAY_TASK_MIN", 0);
	uint64_t step = number_of("SLURM_ARRAY_TASK_STEP", 1), count = number_of("SLURM_ARRAY_TASK_COUNT", 1);

	if (id < min || !step || count > SHARES_MAX || (id - min) / step >= count)
		return (struct sweep_share){0, 1};
	return (struct sweep_share){(size_t)((id - min) / step), (size_t)count};
}

struct sweep_share sweep_share_environment(void)
{
	struct sweep_share rank = share_of("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE");
	struct sweep_share array = array_share();

	if (rank.count == 1)
		rank = share_of("PMI_RANK", "PMI_SIZE");
	return (struct sweep_share){array.index * rank.count + rank.index, array.count * rank.count};
}
