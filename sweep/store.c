/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/store.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_BYTES  32U
#define DESCRIPTORS 8 /* that nftw may hold open */

int sweep_store_path(const struct sweep_store *s, const char *name, const char *file, char out[SWEEP_PATH_MAX])
{
	int len = name ? snprintf(out, SWEEP_PATH_MAX, "%s/runs/%s/%s", s->dir, name, file)
		       : snprintf(out, SWEEP_PATH_MAX, "%s/%s", s->dir, file);

	if (len < (int)SWEEP_PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return E_IO;
}

/* The folder of a run at work. */
static int part_path(const struct sweep_store *s, const char *name, char out[SWEEP_PATH_MAX])
{
	char part[SWEEP_NAME_MAX + sizeof("runs/..part")];

	snprintf(part, sizeof(part), "runs/.%s.part", name);
	return sweep_store_path(s, NULL, part, out);
}

static int file_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Removes a folder with all it holds, if it is there. */
static int tree_remove(const char *path)
{
	if (nftw(path, file_remove, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		return E_IO;
	return 0;
}

/* A BLAKE2b hash of the file, in hexadecimal. */
static int file_hash(const char *path, char out[2 * HASH_BYTES + 1])
{
	unsigned char bytes[65536], hash[HASH_BYTES];
	crypto_generichash_state state;
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file)
		return E_IO;
	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	while ((n = fread(bytes, 1, sizeof(bytes), file)))
		crypto_generichash_update(&state, bytes, n);
	int failed = ferror(file), saved = errno;
	fclose(file);
	crypto_generichash_final(&state, hash, sizeof(hash));
	sodium_bin2hex(out, 2 * HASH_BYTES + 1, hash, sizeof(hash));
	errno = saved;
	return failed ? E_IO : 0;
}

static json_t *json_check(json_t *value)
{
	if (!value)
		log_fatal("out of memory: a sweep");
	return value;
}

static json_t *manifest_make(const char *file, const char *hash, const struct sweep_grid *g)
{
	json_t *varies = json_check(json_array()), *seeds = json_check(json_array());

	for (size_t i = 0; i < g->varies_count; i++) {
		const struct sweep_vary *v = &g->varies[i];
		json_t *values = json_check(json_array());
		for (size_t k = 0; k < v->count; k++)
			json_array_append_new(values, json_check(json_string(v->values[k])));
		json_array_append_new(varies, json_check(json_pack("{s:s, s:o}", "path", v->path, "values", values)));
	}
	/* As text: a seed may be larger than jansson's integers. */
	for (size_t i = 0; i < g->seeds_count; i++) {
		char seed[24];
		snprintf(seed, sizeof(seed), "%llu", (unsigned long long)g->seeds[i]);
		json_array_append_new(seeds, json_check(json_string(seed)));
	}
	return json_check(json_pack("{s:s, s:s, s:s, s:o, s:o}", "version", BATON_VERSION, "file", file, "blake2b",
				    hash, "vary", varies, "seeds", seeds));
}

/* Whether sweep.json is that of this sweep. 0, E_EXISTS, E_IO. */
static int manifest_compare(const char *path, const json_t *manifest)
{
	json_error_t error;
	json_t *there = json_load_file(path, 0, &error);

	if (!there)
		return access(path, R_OK) < 0 ? E_IO : E_EXISTS;
	int same = json_equal(there, manifest);
	json_decref(there);
	return same ? 0 : E_EXISTS;
}

/* Writes sweep.json unless there is one; link() lets one of several processes win. 0, E_EXISTS (another's), E_IO. */
static int manifest_write(const struct sweep_store *s, const json_t *manifest)
{
	char path[SWEEP_PATH_MAX], part[SWEEP_PATH_MAX], name[64], host[32] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(name, sizeof(name), ".sweep.json.%s.%d", host, (int)getpid());
	if (sweep_store_path(s, NULL, "sweep.json", path) < 0 || sweep_store_path(s, NULL, name, part) < 0)
		return E_IO;
	if (!access(path, F_OK))
		return manifest_compare(path, manifest);
	if (json_dump_file(manifest, part, JSON_INDENT(2) | JSON_PRESERVE_ORDER) < 0)
		return E_IO;
	int r = link(part, path) < 0 ? (errno == EEXIST ? manifest_compare(path, manifest) : E_IO) : 0;
	int saved = errno;
	unlink(part);
	errno = saved;
	return r;
}

static int directory_make(const char *path)
{
	return mkdir(path, 0777) < 0 && errno != EEXIST ? E_IO : 0;
}

int sweep_store_open(struct sweep_store *s, const char *dir, const char *file, const struct sweep_grid *g)
{
	char hash[2 * HASH_BYTES + 1], path[SWEEP_PATH_MAX];

	s->dir = dir;
	if (file_hash(file, hash) < 0 || sweep_store_path(s, NULL, "runs", path) < 0)
		return E_IO;
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		int r = directory_make(path);
		*slash = '/';
		if (r < 0)
			return r;
	}
	json_t *manifest = manifest_make(file, hash, g);
	int r = manifest_write(s, manifest);
	json_decref(manifest);
	return r < 0 ? r : directory_make(path);
}

bool sweep_store_done(const struct sweep_store *s, const char *name)
{
	char path[SWEEP_PATH_MAX];

	return !sweep_store_path(s, name, "run.json", path) && !access(path, R_OK);
}

int sweep_store_begin(const struct sweep_store *s, const char *name, char out[SWEEP_PATH_MAX])
{
	if (part_path(s, name, out) < 0 || tree_remove(out) < 0)
		return E_IO;
	return directory_make(out);
}

int sweep_store_commit(const struct sweep_store *s, const char *name)
{
	char part[SWEEP_PATH_MAX], path[SWEEP_PATH_MAX];

	if (part_path(s, name, part) < 0 || sweep_store_path(s, name, "", path) < 0)
		return E_IO;
	path[strlen(path) - 1] = '\0'; /* the slash at its end */
	if (tree_remove(path) < 0)
		return E_IO;
	return rename(part, path) < 0 ? E_IO : 0;
}
