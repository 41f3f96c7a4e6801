/* SPDX-License-Identifier: BSD-3-Clause */
/* baton ctl: asks a live run on its control socket, or tells it. */
#include "base/err.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/ctl_table.h"
#include "live/control.h"
#include "sim/scenario_doc.h"
#include "sim/units.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX (64U << 20)
#define ANSWER_SECONDS   10
#define PAGES_MAX        1000000U /* of connections */

struct ctl_words {
	const char *socket, *name, *within;
	enum control_command command;
	bool json, help;
};

static void print_help(void)
{
	puts("usage: baton ctl [OPTION]... SOCKET COMMAND [NAME]\n"
	     "\n"
	     "Asks a live run (`baton live` with 'control: SOCKET' in the file, or --control SOCKET), or tells it.\n"
	     "\n"
	     "commands:\n"
	     "  status        what runs, for how long, how late; connections and devices\n"
	     "  connections   every connection: client, service and rule, backend, state, when it was handed over\n"
	     "  backends      every backend: state, connections open and handed over, its rules and weights\n"
	     "  drain NAME    the backend takes nothing new and hands on what it has\n"
	     "  undrain NAME  the backend takes connections again\n"
	     "  stats         everything that was counted so far, as in result.json\n"
	     "\n"
	     "options:\n"
	     "  --within T    drain: how long connections are handed on; 30 s without it. What cannot move by\n"
	     "                then stays until it ends\n"
	     "  --json        the answer as JSON\n"
	     "  --help        this text\n"
	     "\n"
	     "examples:\n"
	     "  baton ctl /run/baton/web.sock status\n"
	     "  baton ctl /run/baton/web.sock drain backend2 --within '10 s'\n"
	     "\n"
	     "exit status: 0 good; 2 the command line is wrong, or the run refuses; 3 nobody answers.");
}

/* ---- the command line ---- */

static int command_read(struct ctl_words *w, const char *word)
{
	for (unsigned i = 0; control_commands[i]; i++) {
		if (strcmp(word, control_commands[i]) != 0)
			continue;
		w->command = (enum control_command)i;
		return STATUS_GOOD;
	}
	const char *nearest = mistake_nearest(word, control_commands);

	if (nearest)
		return cli_usage("ctl", "unknown command '%s'; did you mean '%s'?", word, nearest);
	return cli_usage("ctl", "unknown command '%s'", word);
}

static int arguments_read(struct ctl_words *w, int count, char **arguments)
{
	if (count < 2)
		return cli_usage("ctl", "a socket and a command are needed, such as `baton ctl SOCKET status`");
	w->socket = arguments[0];
	int status = command_read(w, arguments[1]);

	if (status)
		return status;
	bool named = w->command == CONTROL_DRAIN || w->command == CONTROL_UNDRAIN;

	if (named && count < 3)
		return cli_usage("ctl", "%s needs the name of a backend", arguments[1]);
	if (count > 2 + named)
		return cli_usage("ctl", "'%s' is one argument too many", arguments[2 + named]);
	w->name = named ? arguments[2] : NULL;
	if (w->within && w->command != CONTROL_DRAIN)
		return cli_usage("ctl", "--within is for drain");
	return STATUS_GOOD;
}

static int words_read(struct ctl_words *w, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"within", required_argument, NULL, 'w'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"json", "within", "help", NULL};
	nstime ignored;
	const char *why;
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (answer) {
		case 'j':
			w->json = true;
			break;
		case 'w':
			if (units_parse_duration(optarg, &ignored, &why))
				return cli_usage("ctl", "--within '%s': %s", optarg, why);
			w->within = optarg;
			break;
		case 'h':
			w->help = true;
			return STATUS_GOOD;
		default:
			return cli_option_error("ctl", answer, argv, names);
		}
	}
	return arguments_read(w, argc - optind, argv + optind);
}

/* ---- the socket ---- */

/* Connected, or -1 with the failure printed. */
static int socket_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};

	if (strlen(path) >= sizeof(address.sun_path)) {
		cli_error("%s: a socket's path has %zu characters at most", path, sizeof(address.sun_path) - 1);
		return -1;
	}
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		cli_error("%s: %s", path, strerror(errno));
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return fd;
	switch (errno) {
	case ENOENT:
		cli_error("%s: there is no such socket: is the run live, with this control socket?", path);
		break;
	case EACCES:
	case EPERM:
		cli_error("%s: no permission: the socket's file says who may (control: in baton-scenario(5))", path);
		break;
	case ECONNREFUSED:
		cli_error("%s: nobody listens: what made the socket is gone, or it is no socket", path);
		break;
	default:
		cli_error("%s: %s", path, strerror(errno));
		break;
	}
	close(fd);
	return -1;
}

/* A run that is full answers before it is asked: that it cannot be asked is seen when there is no answer. */
static void request_send(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);

	json_decref(request);
	if (!text)
		log_fatal("out of memory: a request");
	size_t len = strlen(text);

	text[len++] = '\n'; /* instead of its end */
	for (size_t at = 0; at < len;) {
		ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		at += (size_t)n;
	}
	free(text);
}

/* The line that comes, to be freed, or NULL with the failure printed. */
static char *answer_receive(int fd, const char *path, size_t *len)
{
	size_t room = 65536;
	char *text = malloc(room);

	*len = 0;
	while (text && *len < ANSWER_BYTES_MAX) {
		ssize_t n = recv(fd, text + *len, room - *len, 0);

		if (n <= 0) {
			cli_error("%s: no answer: %s", path,
				  !n                                        ? "the run closed the connection"
				  : errno == EAGAIN || errno == EWOULDBLOCK ? "the run took too long"
									    : strerror(errno));
			free(text);
			return NULL;
		}
		*len += (size_t)n;
		if (text[*len - 1] == '\n')
			return text;
		if (*len == room)
			text = realloc(text, room *= 2);
	}
	if (!text)
		log_fatal("out of memory: an answer");
	cli_error("%s: the answer is longer than %u MiB", path, ANSWER_BYTES_MAX >> 20);
	free(text);
	return NULL;
}

/* Asks, and takes the answer. STATUS_GOOD with *answer for the caller to free; else the failure is printed. */
static int ask(int fd, const char *path, json_t *request, json_t **answer)
{
	size_t len;

	request_send(fd, request);
	char *line = answer_receive(fd, path, &len);

	if (!line)
		return STATUS_BROKEN;
	*answer = json_loadb(line, len, 0, NULL);
	free(line);
	if (!json_is_object(*answer)) {
		cli_error("%s: the answer is no JSON object: whoever listens there is not baton", path);
		json_decref(*answer);
		*answer = NULL;
		return STATUS_BROKEN;
	}
	if (json_is_true(json_object_get(*answer, "ok"))) {
		json_object_del(*answer, "ok");
		return STATUS_GOOD;
	}
	const char *why = json_string_value(json_object_get(*answer, "error"));

	cli_error("%s: %s", path, why ? why : "refused");
	json_decref(*answer);
	*answer = NULL;
	return STATUS_USAGE;
}

/* ---- commands ---- */

static json_t *request_of(const struct ctl_words *w)
{
	json_t *request = json_pack("{s:s, s:s*, s:s*}", "command", control_commands[w->command], "name", w->name,
				    "within", w->within);

	if (!request) /* what the command line holds may be no text that JSON takes */
		cli_error("ctl: '%s' is no name", w->name ? w->name : "");
	return request;
}

/* The pages behind the first are added to it. */
static int pages_take(int fd, const char *path, json_t *answer)
{
	json_t *list = json_object_get(answer, "connections");

	for (unsigned n = 0; n < PAGES_MAX; n++) {
		json_t *next = json_object_get(answer, "next"), *page;

		if (!json_is_integer(next))
			break;
		int status = ask(fd, path, json_pack("{s:s, s:O}", "command", "connections", "from", next), &page);

		if (status)
			return status;
		json_array_extend(list, json_object_get(page, "connections"));
		json_object_set(answer, "next", json_object_get(page, "next"));
		json_decref(page);
	}
	json_object_del(answer, "next");
	return STATUS_GOOD;
}

static void answer_print(const struct ctl_words *w, const json_t *answer)
{
	if (w->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
		putchar('\n');
		return;
	}
	switch (w->command) {
	case CONTROL_STATUS:
		ctl_print_status(answer);
		break;
	case CONTROL_CONNECTIONS:
		ctl_print_connections(answer);
		break;
	case CONTROL_BACKENDS:
		ctl_print_backends(answer);
		break;
	case CONTROL_DRAIN:
		ctl_print_drain(answer);
		break;
	case CONTROL_UNDRAIN:
		ctl_print_undrain(answer);
		break;
	case CONTROL_STATS:
		ctl_print_stats(answer);
		break;
	}
}

int cmd_ctl(int argc, char **argv)
{
	struct ctl_words w = {0};
	json_t *answer = NULL, *request;
	int status = words_read(&w, argc, argv);

	if (status)
		return status;
	if (w.help) {
		print_help();
		return STATUS_GOOD;
	}
	request = request_of(&w);
	if (!request)
		return STATUS_USAGE;
	int fd = socket_connect(w.socket);

	if (fd < 0) {
		json_decref(request);
		return STATUS_BROKEN;
	}
	status = ask(fd, w.socket, request, &answer);
	if (!status && w.command == CONTROL_CONNECTIONS)
		status = pages_take(fd, w.socket, answer);
	if (!status)
		answer_print(&w, answer);
	if (answer)
		json_decref(answer);
	close(fd);
	return status;
}
