/* SPDX-License-Identifier: BSD-3-Clause */
/* main of a fuzz target without libFuzzer: gives it every file of its corpus once, each a test in TAP. The corpus is
 * tests/fuzz/corpus/NAME of the target fuzz_NAME, or the files and directories named. What a file breaks ends the
 * program, so that its test, named before, is missing; so does one that takes longer than FILE_SECONDS. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_SECONDS 60U
#define FILES_MAX    4096U
#define FILE_LEN_MAX (16U << 20) /* bytes */

static char *files[FILES_MAX];
static size_t files_count;

static int name_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Takes a file, or all of a directory in the order of their names. */
static void files_add(const char *path)
{
	struct dirent **list;
	struct stat st;
	int count;

	FUZZ_CHECK(!stat(path, &st));
	if (S_ISREG(st.st_mode)) {
		FUZZ_CHECK(files_count < FILES_MAX);
		files[files_count] = strdup(path);
		FUZZ_CHECK(files[files_count++]);
		return;
	}
	count = scandir(path, &list, NULL, name_order);
	FUZZ_CHECK(count >= 0);
	for (int i = 0; i < count; i++) {
		char *inner;

		FUZZ_CHECK(asprintf(&inner, "%s/%s", path, list[i]->d_name) > 0);
		if (list[i]->d_name[0] != '.')
			files_add(inner);
		free(inner);
		free(list[i]);
	}
	free(list);
}

/* The bytes stand in memory of exactly their length, so that a sanitizer sees a read behind them. */
static void file_run(const char *path)
{
	static uint8_t bytes[FILE_LEN_MAX];
	FILE *f = fopen(path, "rb");

	FUZZ_CHECK(f);
	size_t size = fread(bytes, 1, sizeof(bytes), f);
	uint8_t *copy = malloc(size ? size : 1);

	FUZZ_CHECK(copy && !ferror(f) && size < sizeof(bytes));
	fclose(f);
	memcpy(copy, bytes, size);
	alarm(FILE_SECONDS);
	FUZZ_CHECK(!LLVMFuzzerTestOneInput(copy, size));
	alarm(0);
	free(copy);
}

int main(int argc, char **argv)
{
	const char *source = getenv("srcdir"), *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
	char *corpus;

	for (int i = 1; i < argc; i++)
		files_add(argv[i]);
	if (argc == 1) {
		FUZZ_CHECK(!strncmp(name, "fuzz_", 5));
		FUZZ_CHECK(asprintf(&corpus, "%s/tests/fuzz/corpus/%s", source ? source : ".", name + 5) > 0);
		files_add(corpus);
		free(corpus);
	}
	FUZZ_CHECK(files_count);
	printf("1..%zu\n", files_count);
	for (size_t i = 0; i < files_count; i++) {
		printf("# %s\n", files[i]);
		fflush(stdout);
		file_run(files[i]);
		printf("ok %zu - %s\n", i + 1, strrchr(files[i], '/') ? strrchr(files[i], '/') + 1 : files[i]);
		free(files[i]);
	}
	return 0;
}
