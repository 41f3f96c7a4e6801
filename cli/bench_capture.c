/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/bench_capture.h"

#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/nstime.h"
#include "cli/cli.h"
#include "pcap/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEGMENT_LEN  1448U /* bytes of data in a full one */
#define REQUEST_LEN  300U
#define REPLY_LEN    60U /* segments */
#define OPTIONS_LEN  12U /* two no-operations and timestamps */
#define SYN_OPTIONS  16U /* MSS, SACK permitted, timestamps */
#define BEFORE_LEN   (14U + 20U + 20U)
#define HEADERS_LEN  (BEFORE_LEN + OPTIONS_LEN)
#define RECORD_LEN   48U /* bytes of a pcapng block that are not the packet */
#define STEP_REPLY   5U  /* of a flow: when its reply begins */
#define PACKET_NS    2000U
#define FLAG_FIN     0x01U
#define FLAG_SYN     0x02U
#define FLAG_PSH_ACK 0x18U
#define FLAG_ACK     0x10U
#define LOOK_NS      (2 * NSTIME_MS) /* between two looks at a child's memory */

extern char **environ;

uint64_t bench_capture_bytes;

struct flow {
	uint32_t number; /* of all, from 0: its client's port and address */
	uint32_t client_seq, server_seq;
	unsigned step;
};

struct generator {
	struct pcapng *file;
	int interface;
	nstime now;
	uint64_t bytes, packets;
	uint8_t payload[2 * SEGMENT_LEN];
	uint8_t request[REQUEST_LEN];
	uint8_t frame[BEFORE_LEN + SYN_OPTIONS + SEGMENT_LEN];
};

/* `len`: bytes of TCP's options and data. */
static void headers_write(struct generator *g, const struct flow *f, bool up, uint8_t flags, size_t len)
{
	struct writer w = writer_make(g->frame, BEFORE_LEN + SYN_OPTIONS);
	bool syn = flags & FLAG_SYN;
	uint32_t client = 0x0a010000U + f->number / 50000, server = 0x0a020001U;
	uint16_t port = (uint16_t)(1024 + f->number % 50000);

	writer_bytes(&w, up ? "\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" : "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0", 14);
	writer_u16(&w, 0x4500);
	writer_u16(&w, (uint16_t)(BEFORE_LEN - 14 + len));
	writer_u32(&w, 0x4000);     /* identification 0, don't fragment */
	writer_u32(&w, 0x40060000); /* 64 hops, TCP */
	writer_u32(&w, up ? client : server);
	writer_u32(&w, up ? server : client);
	writer_u16(&w, up ? port : 80);
	writer_u16(&w, up ? 80 : port);
	writer_u32(&w, up ? f->client_seq : f->server_seq);
	writer_u32(&w, flags == FLAG_SYN ? 0 : up ? f->server_seq : f->client_seq);
	writer_u16(&w, (uint16_t)((syn ? 0x9000U : 0x8000U) | flags));
	writer_u16(&w, 0xffff);
	writer_u32(&w, 0);
	if (syn)
		writer_u32(&w, 0x020405b4);
	writer_u32(&w, syn ? 0x0402080a : 0x0101080a);
	writer_u32(&w, (uint32_t)(g->now / NSTIME_MS) + f->number);
	writer_u32(&w, flags == FLAG_SYN ? 0 : (uint32_t)(g->now / NSTIME_MS));
}

static void checksums_write(struct generator *g, size_t len)
{
	uint8_t pseudo[4] = {0, 6, (uint8_t)((20 + len) >> 8), (uint8_t)(20 + len)};
	uint16_t ip = (uint16_t)~checksum_sum(g->frame + 14, 20), tcp;

	memcpy(g->frame + 24, &ip, 2);
	tcp = checksum_add(checksum_sum(pseudo, sizeof(pseudo)), checksum_sum(g->frame + 26, 8));
	tcp = (uint16_t)~checksum_add(tcp, checksum_sum(g->frame + 34, 20 + len));
	memcpy(g->frame + 50, &tcp, 2);
}

/* A segment of `len` bytes of data, and what it takes of sequence numbers. */
static int segment_write(struct generator *g, struct flow *f, bool up, uint8_t flags, size_t len)
{
	uint32_t *seq = up ? &f->client_seq : &f->server_seq;
	size_t options = flags & FLAG_SYN ? SYN_OPTIONS : OPTIONS_LEN;

	headers_write(g, f, up, flags, options + len);
	memcpy(g->frame + HEADERS_LEN, up ? g->request : g->payload + *seq % SEGMENT_LEN, len);
	checksums_write(g, options + len);
	*seq += (uint32_t)len + (flags & (FLAG_SYN | FLAG_FIN) ? 1 : 0);
	g->now += PACKET_NS;
	g->packets++;
	g->bytes += RECORD_LEN + BEFORE_LEN + options + len;
	return pcapng_packet(g->file, g->interface, g->now, g->frame, (uint32_t)(BEFORE_LEN + options + len),
			     PCAPNG_UNKNOWN, NULL);
}

/* The flow's next segment; *over when it was its last. */
static int flow_step(struct generator *g, struct flow *f, bool *over)
{
	unsigned step = f->step++, turn = step - STEP_REPLY, turns = REPLY_LEN / 2 * 3;

	switch (step) {
	case 0:
		return segment_write(g, f, true, FLAG_SYN, 0);
	case 1:
		return segment_write(g, f, false, FLAG_SYN | FLAG_ACK, 0);
	case 2:
		return segment_write(g, f, true, FLAG_ACK, 0);
	case 3:
		return segment_write(g, f, true, FLAG_PSH_ACK, REQUEST_LEN);
	case 4:
		return segment_write(g, f, false, FLAG_ACK, 0);
	default:
		break;
	}
	if (turn < turns)
		return turn % 3 == 2 ? segment_write(g, f, true, FLAG_ACK, 0)
				     : segment_write(g, f, false, FLAG_PSH_ACK, SEGMENT_LEN);
	*over = turn == turns + 2;
	if (turn == turns)
		return segment_write(g, f, false, FLAG_FIN | FLAG_ACK, 0);
	return segment_write(g, f, turn == turns + 1, turn == turns + 1 ? FLAG_FIN | FLAG_ACK : FLAG_ACK, 0);
}

static void flow_begin(struct flow *f, uint32_t number)
{
	*f = (struct flow){.number = number, .client_seq = number * 2654435761U, .server_seq = number * 2246822519U};
}

static int capture_fill(struct generator *g, uint64_t bytes)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: bench\r\nX: ";
	struct flow flows[BENCH_CAPTURE_FLOWS];
	uint32_t count = 0;
	int r = 0;

	for (size_t i = 0; i < sizeof(g->payload); i++)
		g->payload[i] = (uint8_t)(i * i >> 3 ^ i);
	memset(g->request, 'a', REQUEST_LEN);
	memcpy(g->request, head, sizeof(head) - 1);
	memcpy(g->request + REQUEST_LEN - 4, "\r\n\r\n", 4);
	while (count < BENCH_CAPTURE_FLOWS) {
		flow_begin(&flows[count], count);
		count++;
	}
	while (!r && g->bytes < bytes)
		for (size_t i = 0; !r && i < BENCH_CAPTURE_FLOWS; i++) {
			bool over = false;

			r = flow_step(g, &flows[i], &over);
			if (over)
				flow_begin(&flows[i], count++);
		}
	return r;
}

int bench_capture_write(char *path, size_t room, uint64_t bytes, uint64_t *packets)
{
	const char *directory = getenv("TMPDIR");
	struct pcapng_section section = {.application = "baton bench"};
	struct generator *g = calloc(1, sizeof(*g));
	int r = E_NOMEM, fd;

	if (!g)
		return E_NOMEM;
	snprintf(path, room, "%s/baton-bench-XXXXXX", directory ? directory : "/tmp");
	fd = mkstemp(path);
	if (fd >= 0) {
		close(fd);
		g->file = pcapng_open(path, &section, &r);
	} else {
		r = E_IO;
	}
	if (g->file) {
		g->interface = pcapng_interface_add(g->file, "generated", NULL, PCAPNG_SNAPLEN_ALL);
		r = g->interface < 0 ? g->interface : capture_fill(g, bytes);
		if (pcapng_close(g->file) && !r)
			r = E_IO;
	}
	*packets = g->packets;
	if (r && fd >= 0)
		unlink(path);
	free(g);
	return r;
}

/* The most that the process had resident, as the kernel keeps it for what the process now runs. */
static uint64_t peak_read(pid_t pid)
{
	char path[64], line[256];
	unsigned long long kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %llu kB", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

int bench_child_run(char *const argv[], struct bench_child *out)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};
	posix_spawn_file_actions_t files;
	nstime start = cli_clock();
	int status, failed;
	pid_t pid;

	*out = (struct bench_child){0};
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
	failed = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (failed)
		return E_NOENT;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		uint64_t kb = peak_read(pid);

		out->peak_kb = kb > out->peak_kb ? kb : out->peak_kb;
		nanosleep(&look, NULL);
	}
	out->seconds = (double)(cli_clock() - start) / NSTIME_S;
	out->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return 0;
}

bool bench_child_exists(const char *name)
{
	const char *at = getenv("PATH");
	char path[4096];

	while (at && *at) {
		size_t len = strcspn(at, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)len, at, name);
		if (!access(path, X_OK))
			return true;
		at += len + (at[len] == ':');
	}
	return false;
}
